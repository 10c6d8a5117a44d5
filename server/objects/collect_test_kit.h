/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_COLLECT_TEST_KIT_H
#define SABIR_OBJECTS_COLLECT_TEST_KIT_H

/* A collector, objects for it, and references to them in every kind of container. For collect_*test.c only. */
#include "server/base/wire.h"
#include "server/objects/collect.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/pipe.h"
#include "server/objects/queue.h"
#include "server/objects/recover_test_kit.h"
#include "server/objects/refs.h"
#include "server/objects/task_queue.h"
#include "server/objects/value.h"

static struct segment seg;
static struct lane lane, nobody;
static struct collector *collector;
static uint32_t go_on;

static inline int collect_setup(void)
{
	if (kit_segment(64 << 20, &seg))
		return -1;
	lane = kit_lane(&seg);
	lane.lock_patience_ns = 1000000;
	if (lane_open(&seg, lane.owner, &nobody))
		return -1;
	nobody.actor = (struct actor){ 0 };
	collector = collector_new(&seg, 0);
	return !collector || object_init_directory(&lane) ? -1 : 0;
}

static inline int collect_teardown(void)
{
	collector_free(collector);
	lane_close(&nobody);
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

/* ---------------------------------------------------------------- objects and references */

static inline struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

/* Without a name nobody holds it. */
static inline uint64_t make(uint32_t kind, const char *name)
{
	struct object_spec spec = { .kind = kind, .type_code = 'q', .length = 1 };
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&nobody, text(name), &spec, false, &handle), SABIR_OK);
	return handle;
}

static inline bool is_live(uint64_t handle)
{
	return seg.objects[object_index(handle)].word == object_word(SEG_OBJECT_LIVE, 0, (uint32_t)(handle >> 32));
}

struct ref {
	uint8_t bytes[32];
	struct span span;
};

/* The handle as a Value by itself, in a list, or in a map. */
static inline struct span refer(uint64_t handle, int form, struct ref *to)
{
	uint8_t *p = to->bytes, varint[10];
	uint8_t n = (uint8_t)(wire_put_varint(varint, handle) - varint);
	if (form == 1)
		p += snprintf((char *)p, 8, "\x42%c\x0a%c", n + 5, n + 3);
	if (form == 2)
		p += snprintf((char *)p, 12, "\x4a%c\x0a%c\x0a\x02\x18\x01\x12%c", n + 11, n + 9, n + 3);
	p += snprintf((char *)p, 8, "\x5a%c\x10", n + 1);
	memcpy(p, varint, n);
	to->span = (struct span){ to->bytes, (size_t)(p - to->bytes) + n };
	CU_ASSERT_EQUAL(value_check(to->span), SABIR_OK);
	return to->span;
}

static inline uint32_t look(int times)
{
	struct collect_result result;
	uint32_t n = 0;
	for (int i = 0; i < times; i++) {
		CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_OK);
		n += result.n_deleted;
	}
	return n;
}

static inline void drop(uint64_t handle)
{
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
}

/* ---------------------------------------------------------------- containers */

static const struct kind_case {
	uint32_t kind;
	int what; /* of a dict: 0 the value, 1 the key; of a task queue: 1 delayed, 2 leased, 3 dead */
} cases[] = { { SEG_KIND_QUEUE, 0 },      { SEG_KIND_LIST, 0 },       { SEG_KIND_DICT, 0 },
	      { SEG_KIND_DICT, 1 },       { SEG_KIND_NAMESPACE, 0 },  { SEG_KIND_PIPE, 0 },
	      { SEG_KIND_TASK_QUEUE, 0 }, { SEG_KIND_TASK_QUEUE, 1 }, { SEG_KIND_TASK_QUEUE, 2 },
	      { SEG_KIND_TASK_QUEUE, 3 } };
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static inline uint64_t make_container(const struct kind_case *c, const char *name)
{
	struct object_spec spec = { .kind = c->kind, .task = { .max_attempts = c->what == 3 } };
	uint64_t handle;
	CU_ASSERT_EQUAL_FATAL(object_create(&nobody, text(name), &spec, false, &handle), SABIR_OK);
	if (c->kind == SEG_KIND_PIPE) {
		CU_ASSERT_EQUAL(pipe_open(&lane, handle, 0), SABIR_OK);
		CU_ASSERT_EQUAL(pipe_open(&lane, handle, 1), SABIR_OK);
	}
	return handle;
}

static inline void put_task(uint64_t queue, int what, struct span value)
{
	const struct queue_item item = { value, { NULL, 0 } };
	const struct task_put how = { .delay_ns = what == 1 ? 1000000000000u : 0 };
	struct task_lease lease = { 0 };
	struct bytes out = { 0 };
	uint32_t n;
	bool duplicate;
	CU_ASSERT_EQUAL(task_queue_put(&lane, queue, &item, 1, &how, &n, &duplicate), SABIR_OK);
	if (what >= 2)
		CU_ASSERT_EQUAL(task_queue_get(&lane, queue, 1, 1000000000000u, &out, &lease), SABIR_OK);
	if (what == 3)
		CU_ASSERT_EQUAL(task_queue_nack(&lane, queue, lease.token, 0), SABIR_OK);
	bytes_fini(&out);
}

static inline void put(const struct kind_case *c, uint64_t container, struct span value)
{
	static const uint8_t name[] = { 0x32, 1, 'a' };
	const struct span key = { name, sizeof(name) };
	const struct queue_item item = { { NULL, 0 }, value };
	bool inserted;
	enum sabir_error error = SABIR_OK;
	uint64_t part;
	if (c->kind == SEG_KIND_QUEUE)
		error = queue_put_one(&lane, container, &item);
	else if (c->kind == SEG_KIND_LIST)
		error = list_append(&lane, container, value, NULL);
	else if (c->kind == SEG_KIND_PIPE)
		error = pipe_send(&lane, container, 0, &item, &part);
	else if (c->kind == SEG_KIND_TASK_QUEUE)
		put_task(container, c->what, value);
	else
		error = dict_set(&lane, container, c->what ? value : key, c->what ? key : value, &inserted);
	CU_ASSERT_EQUAL(error, SABIR_OK);
}

#endif
