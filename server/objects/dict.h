/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_DICT_H
#define SABIR_OBJECTS_DICT_H

#include "server/objects/object.h"

/*
 * Insertion-ordered map from bytes to bytes. Keys are equal if their bytes are (callers bring encoded Values into
 * their canonical form first: server/base/value.h). A key and its value have at most max_item_bytes together. Readers
 * take no lock; a write is visible in one step, with all its entries. Every change notifies SEG_EVENT_ITEMS. Errors of
 * all beside the common ones: TOO_LARGE, RESOURCE_EXHAUSTED (writes; never what removes), NO_MEMORY, BUSY (writes and
 * pages, for lanes that have a patience or don't sleep for locks).
 */

/* Adds the value to `out`. Errors: KEY_NOT_FOUND. */
enum sabir_error dict_get(struct lane *lane, uint64_t handle, struct span key, struct bytes *out);
enum sabir_error dict_contains(struct lane *lane, uint64_t handle, struct span key, bool *found);
enum sabir_error dict_len(struct lane *lane, uint64_t handle, uint64_t *length);
enum sabir_error dict_set(struct lane *lane, uint64_t handle, struct span key, struct span value, bool *inserted);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error dict_delete(struct lane *lane, uint64_t handle, struct span key);
/* Adds the value that the key has now to `out`. */
enum sabir_error dict_setdefault(struct lane *lane, uint64_t handle, struct span key, struct span value,
				 struct bytes *out, bool *inserted);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error dict_pop(struct lane *lane, uint64_t handle, struct span key, struct bytes *out);
/* Removes the last inserted entry, or the first; adds key and value to `out`. Errors: EMPTY. */
enum sabir_error dict_popitem(struct lane *lane, uint64_t handle, struct bytes *out);
enum sabir_error dict_popfirst(struct lane *lane, uint64_t handle, struct bytes *out);
struct dict_entry {
	struct span key;
	struct span value;
};
/* All entries or none, visible in one step; a key that comes twice gets its last value. */
enum sabir_error dict_update(struct lane *lane, uint64_t handle, const struct dict_entry *entries, uint32_t n,
			     uint64_t *inserted);
/*
 * Replaces a value by what `modify` makes of it, under the dict's lock: increment, compare-and-exchange and their
 * like. modify sees the present value (data NULL: no such key) and sets *next (data NULL: remove, or leave missing)
 * and *write (false: nothing is written). It must not touch shared memory. What it returns other than OK ends the
 * operation. It is called a second time if memory had to be made room for what it wants to write.
 */
typedef enum sabir_error dict_modify_fn(void *context, struct span now, struct span *next, bool *write);
enum sabir_error dict_modify(struct lane *lane, uint64_t handle, struct span key, dict_modify_fn *modify,
			     void *context);
enum sabir_error dict_clear(struct lane *lane, uint64_t handle, uint64_t *removed);
/*
 * Up to n entries behind the position *cursor (0 = from the start), in insertion order or, with DICT_REVERSED, in the
 * opposite, where the start is the entry inserted last. Each comes as key and value (two
 * items of `out`; an unwanted half is empty), fewer where more would pass the limit of `out`. *cursor becomes the
 * position to go on from, 0 at the end. One page is a consistent cut; entries that live throughout are seen exactly
 * once over all pages.
 */
enum dict_part { DICT_KEYS = 1, DICT_VALUES = 2, DICT_ITEMS = 3, DICT_REVERSED = 4 };
enum sabir_error dict_page(struct lane *lane, uint64_t handle, enum dict_part part, uint32_t n, uint64_t *cursor,
			   struct bytes *out);

/* Makes a dict that has these entries from the beginning. Errors: those of object_create and dict_update. */
enum sabir_error dict_make(struct lane *lane, struct span name, const struct dict_entry *entries, uint32_t n, bool bind,
			   uint64_t *handle);
/*
 * Makes a dict with the content that another has at one moment. Errors: those of object_create, and TOO_LARGE where keys
 * and values have more than 1 GiB together.
 */
enum sabir_error dict_copy(struct lane *lane, uint64_t handle, struct span name, bool bind, uint64_t *copy);

#endif
