/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_LIST_H
#define SABIR_OBJECTS_LIST_H

#include "server/objects/object.h"

/*
 * Python's list of encoded Values, which callers have checked. Every operation is atomic: readers see the list as it is
 * between two changes, a change is there in one step or not at all. Readers take no lock, but for one that many changes
 * overtake. Every change notifies SEG_EVENT_ITEMS. Negative indexes count from the end.
 *
 * Errors of all beside the common ones: NO_MEMORY, BUSY (for lanes that have a patience or don't sleep for locks); of
 * what adds elements TOO_LARGE (an element above max_item_bytes, more than 2^32-1 elements), RESOURCE_EXHAUSTED; all
 * that change something else may answer RESOURCE_EXHAUSTED too, since a path of nodes is made anew.
 */

/* Python's start:stop:step; step is never 0 (INVALID_ARGUMENT). */
struct list_slice {
	int64_t start, stop, step;
	bool has_start, has_stop;
};
#define LIST_ALL ((struct list_slice){ .step = 1 })

/* A slice of a list of a certain length: n elements from `start` on. */
struct list_range {
	uint64_t start;
	int64_t step;
	uint64_t n;
};
/* Errors: INVALID_ARGUMENT (step 0). */
enum sabir_error list_slice_range(const struct list_slice *slice, uint64_t length, struct list_range *range);

enum sabir_error list_len(struct lane *lane, uint64_t handle, uint64_t *length);
/* Adds the element to `out`. Errors: OUT_OF_RANGE. */
enum sabir_error list_get(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out);
/*
 * Adds up to `most` elements of a slice to `out`, fewer where more would pass its limit, from the one numbered `skip`
 * on. *total: how many the slice has. *version: a number that each change of the list changes, never 0; not 0 on
 * input: if it is another by now, CHANGED. Errors: INVALID_ARGUMENT (step 0), CHANGED.
 */
enum sabir_error list_get_slice(struct lane *lane, uint64_t handle, const struct list_slice *slice, uint64_t skip,
				uint64_t most, uint32_t *version, uint64_t *total, struct bytes *out);
/*
 * The first element between start and stop that equals the value, as value_same has it. Errors: VALUE_NOT_FOUND, and
 * INVALID_ARGUMENT (a step other than 1).
 */
enum sabir_error list_index(struct lane *lane, uint64_t handle, struct span value, const struct list_slice *slice,
			    uint64_t *index);
enum sabir_error list_count(struct lane *lane, uint64_t handle, struct span value, uint64_t *count);

/* Before the element at the index, which may be beyond either end: then at that end. *length or NULL: afterwards. */
enum sabir_error list_insert(struct lane *lane, uint64_t handle, int64_t index, struct span value, uint64_t *length);
enum sabir_error list_extend(struct lane *lane, uint64_t handle, const struct span *values, size_t n, uint64_t *length);
static inline enum sabir_error list_append(struct lane *lane, uint64_t handle, struct span value, uint64_t *length)
{
	return list_extend(lane, handle, &value, 1, length);
}
/* Errors: OUT_OF_RANGE. */
enum sabir_error list_set(struct lane *lane, uint64_t handle, int64_t index, struct span value);
enum sabir_error list_delete(struct lane *lane, uint64_t handle, int64_t index);
/* Deletes the element and adds it to `out`. Errors: EMPTY, OUT_OF_RANGE. */
enum sabir_error list_pop(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out);
/* Deletes the first element that equals the value. *index or NULL: where it was. Errors: VALUE_NOT_FOUND. */
enum sabir_error list_remove(struct lane *lane, uint64_t handle, struct span value, uint64_t *index);
/* Errors: INVALID_ARGUMENT (step 0; with a step other than 1, another number of values than the slice has). */
enum sabir_error list_set_slice(struct lane *lane, uint64_t handle, const struct list_slice *slice,
				const struct span *values, size_t n, uint64_t *length);
/* Errors: INVALID_ARGUMENT (step 0). */
enum sabir_error list_delete_slice(struct lane *lane, uint64_t handle, const struct list_slice *slice,
				   uint64_t *removed);
enum sabir_error list_reverse(struct lane *lane, uint64_t handle);
/* As if all its elements stood there n times, one round behind the other; n <= 0: none is left. */
enum sabir_error list_repeat(struct lane *lane, uint64_t handle, int64_t n, uint64_t *length);

/*
 * Stable, in the order of value_compare; `reverse` keeps equal elements in their order too. `key` (data NULL: none):
 * the elements are maps, and the values of this key are compared. Errors: WRONG_TYPE (two elements can't be compared,
 * or one is no map: then `trouble` tells which), KEY_NOT_FOUND (an element without the key, likewise).
 */
struct list_trouble {
	uint64_t first, second; /* indexes; the same: it is this one */
};
enum sabir_error list_sort(struct lane *lane, uint64_t handle, bool reverse, struct span key,
			   struct list_trouble *trouble);

#endif
