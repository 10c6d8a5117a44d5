/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_ARRAY_PARTS_H
#define SABIR_OBJECTS_ARRAY_PARTS_H

#include "server/objects/array.h"

/* What array.c, array_slice.c and array_settle.c share. */

/* An array as it was found and checked: `length` elements of `width` bytes are inside the object's block. */
struct array_view {
	struct seg_object *object;
	uint8_t *elements;
	uint64_t length;
	uint32_t width;
	uint32_t type_code;
	uint32_t index;
	uint64_t element; /* that the operation is on, if it is on one */
};

/* Looks at the body of an object and checks all that it says of itself; false: damaged. */
bool array_look(const struct segment *seg, uint32_t index, struct seg_object *object, struct array_view *a);
/* object_enter on an array. */
enum sabir_error array_enter(struct lane *lane, uint32_t op, uint64_t handle, struct array_view *a);
/* One element, whole, in one store; `at` is aligned to the width. */
void array_store_element(const struct array_view *a, uint8_t *at, uint64_t bits);
/* Sets it to `bits` if it holds *expected; else that becomes what it holds. In one step, as the next. */
bool array_swap_element(const struct array_view *a, uint8_t *at, uint64_t *expected, uint64_t bits);
uint64_t array_load_element(const struct array_view *a, const uint8_t *at);

/* ---- a slice that is being written: array_settle.c tells what that is for */

/* seg_lane.args of SEG_OP_ARRAY_WRITE. */
enum array_arg {
	ARRAY_ARG_KIND,     /* enum array_write, in the high half; in the low one the number of the first step */
	ARRAY_ARG_RANGE,    /* the first element, in the high half, and how many */
	ARRAY_ARG_SOURCE,   /* BLOCK: its ref; FILL: the element's bits */
	ARRAY_ARG_STEP = 4, /* and behind it: the number of the last step begun, and a bit for each of 32 elements */
};
#define ARRAY_STEP_WORDS 4u
#define ARRAY_STEP (32 * ARRAY_STEP_WORDS) /* elements */

enum array_write { ARRAY_WRITE_SHORT = 1, ARRAY_WRITE_BLOCK = 2, ARRAY_WRITE_FILL = 3 };

/* What is written where. */
struct slice_write {
	uint64_t kind;  /* enum array_write */
	uint64_t start; /* the first element */
	uint64_t count;
	const uint8_t *data;     /* NULL: a fill */
	uint64_t source;         /* as in the args */
	struct seg_block *block; /* NULL, or the lane's, with the data */
};

/* Stores what is left of a committed write; `done` elements, which are whole steps, are there already. */
void array_write_on(const struct array_view *a, struct seg_lane *writer, const struct slice_write *w, uint64_t done);

__attribute__((noinline, cold)) void array_settle_slow(const struct segment *seg, const struct array_view *a,
						       const uint8_t *at, uint64_t was);

/* Before each change of an element that is not a slice's, which holds `was`; and behind it, when it held `was` before. */
static inline void array_settle(const struct segment *seg, const struct array_view *a, const uint8_t *at, uint64_t was)
{
	/* Whoever stored `was` as a part of his slice held the lock before he did. */
	if (LANE_RECORDS && __builtin_expect(load64_relaxed(&a->object->lock) != 0, 0))
		array_settle_slow(seg, a, at, was);
}

/* array_kind.recover: finishes a slice write that was committed. */
enum sabir_error array_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object);

#endif
