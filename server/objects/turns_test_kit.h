/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_TURNS_TEST_KIT_H
#define SABIR_OBJECTS_TURNS_TEST_KIT_H

/* What the tests of locks, semaphores, conditions and barriers with lines share. For *_test.c only. */
#include "server/objects/object_test_kit.h"
#include "server/objects/turns.h"

static struct lane other, third;

static inline int kit_setup(void)
{
	if (kit_begin(16 << 20))
		return -1;
	other = kit_lane(&seg);
	third = kit_lane(&seg);
	return 0;
}

static inline int kit_teardown(void)
{
	lane_close(&other);
	lane_close(&third);
	return kit_end();
}

/* As if all who stand in the line had come long ago. */
static inline void kit_age(const struct seg_turns *line)
{
	for (uint32_t ref = line->first; ref;) {
		struct seg_turn *turn = segment_at(&seg, ref, sizeof(*turn));
		if (turn->state == SEG_TURN_WAITING)
			turn->number = 1;
		ref = turn->block.next;
	}
}

static inline void *kit_body(uint64_t handle)
{
	return segment_at(&seg, seg.objects[object_index(handle)].body, sizeof(struct seg_block));
}

#endif
