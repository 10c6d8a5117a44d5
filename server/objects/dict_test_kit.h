/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_DICT_TEST_KIT_H
#define SABIR_OBJECTS_DICT_TEST_KIT_H

/* What the tests of the dict share. For dict_*_test.c only. */
#include <stdlib.h>

#include "server/objects/dict.h"
#include "server/shm/test_kit.h"

static struct segment seg;
static struct lane lane;

static inline int dict_setup(uint64_t memory_limit)
{
	if (kit_segment(memory_limit, &seg))
		return -1;
	lane = kit_lane(&seg);
	return object_init_directory(&lane) ? -1 : 0;
}

static inline int dict_teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

static inline uint64_t make_dict(void)
{
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &handle), SABIR_OK);
	return handle;
}

static inline struct span number_span(const uint64_t *n)
{
	return (struct span){ (const uint8_t *)n, sizeof(*n) };
}

static inline uint64_t number_in(struct span s)
{
	uint64_t n = UINT64_MAX;
	if (s.len == sizeof(n))
		memcpy(&n, s.data, sizeof(n));
	return n;
}

static inline enum sabir_error set(struct lane *by, uint64_t d, uint64_t key, uint64_t value)
{
	return dict_set(by, d, number_span(&key), number_span(&value), NULL);
}

static inline enum sabir_error get(struct lane *by, uint64_t d, uint64_t key, uint64_t *value)
{
	struct bytes out;
	uint8_t fixed[64];
	bytes_init(&out, fixed, sizeof(fixed));
	enum sabir_error error = dict_get(by, d, number_span(&key), &out);
	if (!error)
		*value = number_in(bytes_item(&out, 0));
	bytes_fini(&out);
	return error;
}

static inline enum sabir_error del(struct lane *by, uint64_t d, uint64_t key)
{
	return dict_delete(by, d, number_span(&key));
}

static inline uint64_t length_of(uint64_t d)
{
	uint64_t n = UINT64_MAX;
	CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_OK);
	return n;
}

/* What is in use when nobody holds anything in his cache. */
static inline void account(struct arena_stats *stats)
{
	object_sweep(&lane);
	lane_begin(&lane, SEG_OP_READ, 0);
	arena_recover(&lane, lane.shared, lane.id);
	lane_end(&lane);
	arena_stats(&seg, stats);
}

/* Forks a child that works with a lane of its own; its exit status is what `work` returns. */
static inline pid_t child(int (*work)(struct lane *by, uint64_t d, uint64_t n), uint64_t d, uint64_t n)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct lane mine = kit_lane(&seg);
		int status = work(&mine, d, n);
		kit_lane_close(&mine);
		_exit(status);
	}
	return pid;
}

static inline bool ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

/* One write of two keys after the other: both always have the same value. */
static inline int write_pairs(struct lane *by, uint64_t d, uint64_t n)
{
	uint64_t keys[2] = { 1, 2 };
	for (uint64_t i = 1; i <= n; i++) {
		struct dict_entry entries[2] = { { number_span(&keys[0]), number_span(&i), 0 },
						 { number_span(&keys[1]), number_span(&i), 0 } };
		if (dict_update(by, d, entries, 2, NULL))
			return 1;
	}
	return 0;
}

#endif
