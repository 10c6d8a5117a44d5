/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_SHARED_LIST_H
#define SABIR_OBJECTS_SHARED_LIST_H

#include "server/objects/object.h"

/*
 * Python's ShareableList: a fixed number of elements of mixed types, null, bools, numbers, text and bytes, made with
 * its first content. Each has room that never changes: for every number, bool and null, and for text and bytes of as
 * many bytes as its first content has, rounded up to a multiple of 8 that is larger. Each operation on an element is
 * atomic; readers take no lock, unless they meet one change after the other. Every change notifies SEG_EVENT_ITEMS. Negative indexes count from the end.
 *
 * `spec->initial` of object_create: the elements as repeated fields 1 of a message, checked Values. Errors of that:
 * WRONG_TYPE (an element of another kind), TOO_LARGE, RESOURCE_EXHAUSTED.
 *
 * Errors of all beside the common ones: NO_MEMORY; of what reads or changes elements BUSY.
 */

/* Whether the Value is of a kind that a shared list holds. */
bool shared_list_takes(struct span value);

enum sabir_error shared_list_len(struct lane *lane, uint64_t handle, uint64_t *length);
/* Adds the element to `out`. Errors: OUT_OF_RANGE. */
enum sabir_error shared_list_get(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out);
/*
 * Adds up to `most` elements from `start` on to `out`, fewer where more would pass its limit. *length: of the list.
 * Each is as it was at some moment, not all at the same one.
 */
enum sabir_error shared_list_page(struct lane *lane, uint64_t handle, uint64_t start, uint64_t most, uint64_t *length,
				  struct bytes *out);
/* Errors: OUT_OF_RANGE, WRONG_TYPE (no such kind), TOO_LARGE (the element has less room). */
enum sabir_error shared_list_set(struct lane *lane, uint64_t handle, int64_t index, struct span value);
/* The first element that equals the value, as value_same has it. Errors: VALUE_NOT_FOUND. */
enum sabir_error shared_list_index(struct lane *lane, uint64_t handle, struct span value, uint64_t *index);
enum sabir_error shared_list_count(struct lane *lane, uint64_t handle, struct span value, uint64_t *count);

#endif
