/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_ARRAY_H
#define SABIR_OBJECTS_ARRAY_H

#include "server/objects/object.h"
#include "server/objects/scalar.h"

/*
 * Fixed-length array of one type. Element operations are atomic each and never wait; slice operations are whole
 * against each other (they take the object's lock: BUSY if the lane's patience for it ends) and element-wise against
 * element operations. A slice write is done wholly or, if its program dies, not at all or wholly; each of its elements
 * is stored once, so nothing that was made of it is written over later. Every change
 * notifies SEG_EVENT_ITEMS. An index below 0 counts from the end. Errors beside the common ones (NOT_FOUND, DELETED,
 * WRONG_KIND, DATA_LOSS): OUT_OF_RANGE (an index, a slice past the end, a number), WRONG_TYPE, and those that are
 * named.
 */
enum sabir_error array_len(struct lane *lane, uint64_t handle, uint64_t *length, uint32_t *type_code);
enum sabir_error array_get(struct lane *lane, uint64_t handle, int64_t index, struct scalar *value);
enum sabir_error array_set(struct lane *lane, uint64_t handle, int64_t index, const struct scalar *value);
/* *value becomes the new element. Integers wrap at their width, as in C; c, u and ? can't be added to: WRONG_TYPE. */
enum sabir_error array_add(struct lane *lane, uint64_t handle, int64_t index, const struct scalar *delta,
			   struct scalar *value);
/* *found is what was there before any write. The stored bits are compared; a difference is no error and no change. */
enum sabir_error array_compare_exchange(struct lane *lane, uint64_t handle, int64_t index,
					const struct scalar *expected, const struct scalar *desired, bool *exchanged,
					struct scalar *found);

/*
 * count 0 = to the end. Adds one item with the elements' little-endian bytes to `out`. Errors: NO_MEMORY, TOO_LARGE
 * (more bytes than out->limit, if there is one).
 */
enum sabir_error array_get_slice(struct lane *lane, uint64_t handle, uint64_t start, uint64_t count, struct bytes *out,
				 uint32_t *type_code);
/*
 * data holds whole elements of exactly the array's type_code, perhaps none. Errors: INVALID_ARGUMENT (no type code,
 * part of an element), RESOURCE_EXHAUSTED (the data does not fit into the arena a second time).
 */
enum sabir_error array_set_slice(struct lane *lane, uint64_t handle, uint64_t start, uint32_t type_code,
				 struct span data);
/* count 0 = to the end. */
enum sabir_error array_fill(struct lane *lane, uint64_t handle, uint64_t start, uint64_t count,
			    const struct scalar *value);

/*
 * The elements themselves, for local programs: valid while the object lives (DESIGN: nothing protects the caller from
 * a delete). A slice whose writer dies may be stored over what was stored through the pointer meanwhile.
 */
enum sabir_error array_map(struct lane *lane, uint64_t handle, void **elements, uint64_t *length, uint32_t *type_code);

/*
 * The handle of its lock, an rlock that is a part of it and ends with it; made when it is first asked for. It protects
 * nothing by itself: who wants several steps to be one holds it meanwhile. Errors: RESOURCE_EXHAUSTED, TOO_MANY_OWNERS.
 */
enum sabir_error array_get_lock(struct lane *lane, uint64_t handle, uint64_t *lock);

#endif
