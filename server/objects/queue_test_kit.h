/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_QUEUE_TEST_KIT_H
#define SABIR_OBJECTS_QUEUE_TEST_KIT_H

/* What the tests of items share that stay in the queue while somebody uses them. For queue_*_test.c only. */
#include "server/objects/object_test_kit.h"
#include "server/objects/queue.h"

/* Of somebody who has the queue's lock and does not go on. */
static struct lane stopped;

static inline int queue_setup(void)
{
	if (kit_begin(16 << 20))
		return -1;
	stopped = kit_lane(&seg);
	lane.lock_patience_ns = 1000000;
	return 0;
}

static inline int queue_teardown(void)
{
	kit_lane_close(&stopped);
	return kit_end();
}

static inline uint64_t make_queue(uint64_t max_items)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE, .max_items = max_items };
	return kit_make(&spec);
}

static inline struct queue_size size_of(uint64_t q)
{
	struct queue_size size = { 0 };
	CU_ASSERT_EQUAL(queue_size(&lane, q, &size), SABIR_OK);
	return size;
}

static inline uint64_t blocks_used(void)
{
	struct arena_stats stats;
	kit_settle(&lane);
	kit_settle(&stopped);
	arena_stats(&seg, &stats);
	return stats.n_blocks;
}

#endif
