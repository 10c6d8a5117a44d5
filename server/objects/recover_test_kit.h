/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_RECOVER_TEST_KIT_H
#define SABIR_OBJECTS_RECOVER_TEST_KIT_H

/* For tests of objects that count what is left: memory and entries. For *_test.c only. */
#include "server/objects/object_word.h"
#include "server/shm/test_kit.h"

/* Ends what was deleted and empties the lane's caches, so that all that is counted as used belongs to somebody. */
static inline void kit_settle(struct lane *lane)
{
	for (int i = 0; i < 3; i++) {
		epoch_retire(lane->seg);
		store32_relaxed(&lane->seg->header->sweep_wanted, 1);
		object_sweep(lane);
		arena_reclaim(lane);
	}
	lane_begin(lane, SEG_OP_READ, 0);
	arena_recover(lane, lane->shared, lane->id);
	lane_end(lane);
}

/* Entries that are in use, the directory not counted. */
static inline uint32_t kit_count_objects(const struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 1; i < seg->n_objects; i++)
		n += object_state(load64_acquire(&seg->objects[i].word)) != SEG_OBJECT_FREE;
	return n;
}

#endif
