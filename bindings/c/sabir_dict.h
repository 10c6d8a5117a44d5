/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dicts. Part of <sabir.h>, which says what holds for all functions.
 */
#ifndef SABIR_DICT_H
#define SABIR_DICT_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Insertion-ordered map from items to items. Every operation is atomic, the batches too. A key and its value together
 * are limited like a queue's item. Every function that takes an item can answer INVALID_VALUE; every one that writes
 * TOO_LARGE and RESOURCE_EXHAUSTED.
 */
typedef struct sabir_dict sabir_dict;

/* Errors: as sabir_create. */
enum sabir_error sabir_dict_create(sabir_conn *conn, const char *name, unsigned flags, sabir_dict **dict);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_dict_open(sabir_conn *conn, const char *name, sabir_dict **dict);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_dict_open_handle(sabir_conn *conn, uint64_t handle, sabir_dict **dict);
/* Frees the handle, not the dict; NULL is fine. */
void sabir_dict_free(sabir_dict *dict);
uint64_t sabir_dict_handle(const sabir_dict *dict);

/* Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_get(sabir_dict *dict, const struct sabir_item *key, struct sabir_item **value);
/* The same without an allocation where the buffer is large enough; `value` points into the buffer. */
enum sabir_error sabir_dict_get_into(sabir_dict *dict, const struct sabir_item *key, struct sabir_buffer *buffer,
				     struct sabir_item *value);
/* Sets a key, new or not. `inserted` or NULL: whether it is new. */
enum sabir_error sabir_dict_set(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *value,
				bool *inserted);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_delete(sabir_dict *dict, const struct sabir_item *key);
enum sabir_error sabir_dict_contains(sabir_dict *dict, const struct sabir_item *key, bool *found);
enum sabir_error sabir_dict_len(sabir_dict *dict, uint64_t *length);
/*
 * Sets a missing key to `preset`, and gives the value that the key has then (or NULL). `inserted` or NULL: whether it
 * was missing.
 */
enum sabir_error sabir_dict_setdefault(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *preset,
				       struct sabir_item **value, bool *inserted);
/* Deletes a key and gives its value. Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_pop(sabir_dict *dict, const struct sabir_item *key, struct sabir_item **value);
/* Deletes the entry that was inserted last, or first, and gives it. Errors: EMPTY. */
enum sabir_error sabir_dict_popitem(sabir_dict *dict, struct sabir_entry **entry);
enum sabir_error sabir_dict_popitem_first(sabir_dict *dict, struct sabir_entry **entry);
/*
 * Makes a new dict with the content that `dict` has at one moment, or one with n keys that all have the same value (NULL:
 * null); a NULL or empty name makes an anonymous one. Errors: as sabir_create.
 */
enum sabir_error sabir_dict_copy(sabir_dict *dict, const char *name, sabir_dict **copy);
enum sabir_error sabir_dict_fromkeys(sabir_conn *conn, const char *name, const struct sabir_item *keys, size_t n,
				     const struct sabir_item *value, sabir_dict **dict);
/*
 * Sets n keys, all or none, visible in one step; of equal keys the last counts. `inserted` or NULL: how many are new.
 */
enum sabir_error sabir_dict_update(sabir_dict *dict, const struct sabir_entry *entries, size_t n, uint64_t *inserted);
/*
 * Adds a number (INT, UINT, DOUBLE) to the value of a key; a missing one counts from 0. `sum` or NULL: the new value.
 * Errors: WRONG_TYPE (the value or the delta is no number), OUT_OF_RANGE (integers beyond 64 bits).
 */
enum sabir_error sabir_dict_increment(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *delta,
				      struct sabir_item *sum);
/*
 * The same with an integer; OUT_OF_RANGE also where the sum was written but is beyond int64_t, WRONG_TYPE where it is
 * a double.
 */
enum sabir_error sabir_dict_increment_int(sabir_dict *dict, const struct sabir_item *key, int64_t delta, int64_t *sum);
/*
 * If the key holds `expected` (NULL: is missing), sets it to `desired` (NULL: deletes it). `exchanged`: whether.
 * `found` or NULL: what was there before, NULL if the key was missing.
 */
enum sabir_error sabir_dict_compare_exchange(sabir_dict *dict, const struct sabir_item *key,
					     const struct sabir_item *expected, const struct sabir_item *desired,
					     bool *exchanged, struct sabir_item **found);
/* Deletes all entries. `removed` or NULL: how many. */
enum sabir_error sabir_dict_clear(sabir_dict *dict, uint64_t *removed);

/*
 * Entries that end: so many nanoseconds from now on, then they are gone for everybody, and neither found nor counted nor
 * listed; SABIR_KEEP_TTL: when the key's present entry does, 0: never. What sets a key without saying so takes its end
 * away; increment and compare_exchange keep it, a copy's entries end when the original's do. The rest is as for the
 * function of the same name. Errors: INVALID_ARGUMENT (setdefault: SABIR_KEEP_TTL).
 */
#define SABIR_KEEP_TTL UINT64_MAX
enum sabir_error sabir_dict_set_ttl(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *value,
				    uint64_t ttl_ns, bool *inserted);
enum sabir_error sabir_dict_setdefault_ttl(sabir_dict *dict, const struct sabir_item *key,
					   const struct sabir_item *preset, uint64_t ttl_ns, struct sabir_item **value,
					   bool *inserted);
enum sabir_error sabir_dict_update_ttl(sabir_dict *dict, const struct sabir_entry *entries, size_t n, uint64_t ttl_ns,
				       uint64_t *inserted);
/* Gives an entry another time to live; 0: it does not end any more. Errors: KEY_NOT_FOUND, INVALID_ARGUMENT (SABIR_KEEP_TTL). */
enum sabir_error sabir_dict_expire(sabir_dict *dict, const struct sabir_item *key, uint64_t ttl_ns);
/* What is left of an entry's time to live; 0: it does not end. Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_ttl(sabir_dict *dict, const struct sabir_item *key, uint64_t *ttl_ns);

/*
 * The next page of keys, values or entries in insertion order: `n` > 0 of them in one block, or 0 and NULL after the
 * last. page_size: the most in one page, 0 = 1000, at most 10000 count. An entry that is there all the time comes
 * exactly once. Errors: INVALID_ARGUMENT (the cursor is of something else).
 */
enum sabir_error sabir_dict_keys(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				 struct sabir_item **keys, size_t *n);
enum sabir_error sabir_dict_values(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				   struct sabir_item **values, size_t *n);
enum sabir_error sabir_dict_items(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				  struct sabir_entry **entries, size_t *n);
/* The same from the entry inserted last to the first one. */
enum sabir_error sabir_dict_keys_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					  struct sabir_item **keys, size_t *n);
enum sabir_error sabir_dict_values_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					    struct sabir_item **values, size_t *n);
enum sabir_error sabir_dict_items_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					   struct sabir_entry **entries, size_t *n);

#ifdef __cplusplus
}
#endif

#endif
