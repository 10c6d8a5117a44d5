/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_DICT_H
#define SABIR_OBJECTS_DICT_H

#include "server/objects/object.h"

/*
 * Insertion-ordered map from bytes to bytes. Keys are equal if their bytes are (callers bring encoded Values into
 * their canonical form first: server/base/value.h). A key and its value have at most max_item_bytes together. Readers
 * take no lock, unless they meet one change after the other; a write is visible in one step, with all its entries. Every
 * change notifies SEG_EVENT_ITEMS. Errors of all beside the common ones: TOO_LARGE, RESOURCE_EXHAUSTED (writes; never what
 * removes), NO_MEMORY, BUSY (of what takes the lock, for lanes that have a patience or don't sleep for locks).
 */

/*
 * An entry that ends is gone for everybody from its end on: not found, not counted, not listed. CLOCK_BOOTTIME decides, which
 * nobody moves, and which goes on while the machine sleeps. Who changes or counts the dict first removes what is due, the
 * server where nobody does. An operation counts as of the moment at which it looks at the clock, a write's is that at
 * which it has the lock: one that stops in the middle may write to an entry that ended meanwhile.
 */
struct dict_entry {
	struct span key;
	struct span value;
	uint64_t ends; /* 0 = never; as dict_end_after says, or DICT_KEEP_END */
};
#define DICT_KEEP_END UINT64_MAX /* as the key's present entry; never, if it has none */
/* The end of a time to live that begins now; 0 stays 0. */
uint64_t dict_end_after(uint64_t ttl_ns);

/* Adds the value to `out`. Errors: KEY_NOT_FOUND. */
enum sabir_error dict_get(struct lane *lane, uint64_t handle, struct span key, struct bytes *out);
enum sabir_error dict_contains(struct lane *lane, uint64_t handle, struct span key, bool *found);
enum sabir_error dict_len(struct lane *lane, uint64_t handle, uint64_t *length);
/* The entry never ends, also if the present one does. */
enum sabir_error dict_set(struct lane *lane, uint64_t handle, struct span key, struct span value, bool *inserted);
enum sabir_error dict_set_entry(struct lane *lane, uint64_t handle, const struct dict_entry *entry, bool *inserted);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error dict_delete(struct lane *lane, uint64_t handle, struct span key);
/* Adds the value that the key has now to `out`. */
enum sabir_error dict_setdefault(struct lane *lane, uint64_t handle, struct span key, struct span value,
				 struct bytes *out, bool *inserted);
/* The end is for a key that is missing. */
enum sabir_error dict_setdefault_entry(struct lane *lane, uint64_t handle, const struct dict_entry *entry,
				       struct bytes *out, bool *inserted);
/* The entry's end becomes another one, 0 = never; the value stays. Errors: KEY_NOT_FOUND. */
enum sabir_error dict_expire(struct lane *lane, uint64_t handle, struct span key, uint64_t ends);
/* What is left to the entry: more than 0; 0 = it never ends. Errors: KEY_NOT_FOUND. */
enum sabir_error dict_ttl(struct lane *lane, uint64_t handle, struct span key, uint64_t *ttl_ns);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error dict_pop(struct lane *lane, uint64_t handle, struct span key, struct bytes *out);
/* Removes the last inserted entry, or the first; adds key and value to `out`. Errors: EMPTY. */
enum sabir_error dict_popitem(struct lane *lane, uint64_t handle, struct bytes *out);
enum sabir_error dict_popfirst(struct lane *lane, uint64_t handle, struct bytes *out);
/* All entries or none, visible in one step; a key that comes twice gets its last value. */
enum sabir_error dict_update(struct lane *lane, uint64_t handle, const struct dict_entry *entries, uint32_t n,
			     uint64_t *inserted);
/*
 * Replaces a value by what `modify` makes of it, under the dict's lock: increment, compare-and-exchange and their
 * like. modify sees the present value (data NULL: no such key) and sets *next (data NULL: remove, or leave missing)
 * and *write (false: nothing is written). It must not touch shared memory. What it returns other than OK ends the
 * operation. It is called a second time if memory had to be made room for what it wants to write. The end stays.
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
 * once over all pages. With DICT_ENDS a third item has the 8 bytes of the entry's end.
 */
enum dict_part { DICT_KEYS = 1, DICT_VALUES = 2, DICT_ITEMS = 3, DICT_REVERSED = 4, DICT_ENDS = 8 };
enum sabir_error dict_page(struct lane *lane, uint64_t handle, enum dict_part part, uint32_t n, uint64_t *cursor,
			   struct bytes *out);

/* Makes a dict that has these entries from the beginning. Errors: those of object_create and dict_update. */
enum sabir_error dict_make(struct lane *lane, struct span name, const struct dict_entry *entries, uint32_t n,
			   uint64_t *handle);
/*
 * Makes a dict with the content that another has at one moment. Errors: those of object_create, and TOO_LARGE where keys
 * and values have more than 1 GiB together.
 */
enum sabir_error dict_copy(struct lane *lane, uint64_t handle, struct span name, uint64_t *copy);

/* For the server. Whether the object has entries that end, and when to look at it: CLOCK_BOOTTIME ns. */
bool dict_alarm(struct lane *lane, uint32_t index, uint64_t *handle, uint64_t *at_ns);
/* Removes some of what is due. */
enum sabir_error dict_remove_due(struct lane *lane, uint64_t handle);

#endif
