/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_TASK_TEST_KIT_H
#define SABIR_OBJECTS_TASK_TEST_KIT_H

/* What the tests of task queues share. For *_test.c only. */
#include "server/objects/recover_test_kit.h"
#include "server/objects/task_queue.h"

#define MS 1000000ull

static struct segment seg;
static struct lane a, b; /* two owners */

static int setup(void)
{
	if (kit_segment(64 << 20, &seg))
		return 1;
	a = kit_lane(&seg);
	b = kit_lane(&seg);
	return object_init_directory(&a) != SABIR_OK;
}

static int teardown(void)
{
	kit_lane_close(&a);
	kit_lane_close(&b);
	segment_unmap(&seg);
	return 0;
}

static inline struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static inline uint64_t make_named(const char *name, const struct task_spec *task, uint64_t max_items,
				  const char *dead_letter)
{
	struct object_spec spec = {
		.kind = SEG_KIND_TASK_QUEUE, .max_items = max_items, .task = *task, .dead_letter = text(dead_letter)
	};
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&a, text(name), &spec, false, &handle), SABIR_OK);
	return handle;
}

static inline uint64_t make(const struct task_spec *task)
{
	return make_named("", task, 0, "");
}

static inline enum sabir_error put_as(struct lane *by, uint64_t q, uint64_t number, const struct task_put *how)
{
	struct queue_item item = { .body = { (const uint8_t *)&number, sizeof(number) } };
	uint32_t accepted;
	bool duplicate;
	return task_queue_put(by, q, &item, 1, how, &accepted, &duplicate);
}

static inline enum sabir_error put(uint64_t q, uint64_t number)
{
	return put_as(&a, q, number, &(struct task_put){ 0 });
}

static inline enum sabir_error get_as(struct lane *by, uint64_t q, uint64_t lease_ns, uint64_t *number,
				      struct task_lease *lease)
{
	struct bytes out = { 0 };
	enum sabir_error error = task_queue_get(by, q, 1, lease_ns, &out, lease);
	if (!error)
		memcpy(number, out.data, sizeof(*number));
	bytes_fini(&out);
	return error;
}

/* The next number, or the error * 1000. */
static inline uint64_t get(uint64_t q)
{
	uint64_t number = 0;
	enum sabir_error error = get_as(&a, q, 0, &number, NULL);
	return error ? (uint64_t)error * 1000 : number;
}

static inline uint64_t lease(struct lane *by, uint64_t q, uint64_t lease_ns, struct task_lease *as)
{
	uint64_t number = 0;
	enum sabir_error error = get_as(by, q, lease_ns, &number, as);
	return error ? (uint64_t)error * 1000 : number;
}

static inline struct task_queue_size size_of(uint64_t q)
{
	struct task_queue_size size = { 0 };
	CU_ASSERT_EQUAL(task_queue_size(&a, q, &size), SABIR_OK);
	return size;
}

#define IS_EMPTY (SABIR_EMPTY * 1000u)
#define IS_CLOSED (SABIR_CLOSED * 1000u)

/* What is used when nothing is cached. */
static inline struct arena_stats settled(void)
{
	struct arena_stats stats;
	kit_settle(&b);
	kit_settle(&a);
	arena_stats(&seg, &stats);
	return stats;
}

#endif
