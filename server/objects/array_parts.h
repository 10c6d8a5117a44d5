/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_ARRAY_PARTS_H
#define SABIR_OBJECTS_ARRAY_PARTS_H

#include "server/objects/array.h"

/* What array.c and array_slice.c share. */

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
/* Sets it to `bits` if it holds `expected`, in one step. */
bool array_swap_element(const struct array_view *a, uint8_t *at, uint64_t expected, uint64_t bits);
/* array_kind.recover: finishes a slice write that was committed. */
enum sabir_error array_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object);

#endif
