/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_TEST_KIT_H
#define SABIR_OBJECTS_OBJECT_TEST_KIT_H

/* What most tests of objects stand on: a segment with an empty directory, and a lane. For *_test.c only. */
#include "server/objects/recover_test_kit.h"

static struct segment seg;
static struct lane lane;

/* A suite's setup is a function that calls this with the memory that its tests want; its teardown is kit_end. */
static inline int kit_begin(uint64_t memory_limit)
{
	if (kit_segment(memory_limit, &seg))
		return -1;
	lane = kit_lane(&seg);
	return object_init_directory(&lane) ? -1 : 0;
}

static inline int kit_end(void)
{
	kit_lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

/* An object without a name. */
static inline uint64_t kit_make(const struct object_spec *spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, spec, false, &handle), SABIR_OK);
	return handle;
}

/* What is in use when the lane holds nothing in its cache. */
static inline void account(struct arena_stats *stats)
{
	object_sweep(&lane);
	lane_begin(&lane, SEG_OP_READ, 0);
	arena_recover(&lane, lane.shared, lane.id);
	lane_end(&lane);
	arena_stats(&seg, stats);
}

#endif
