/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that grow and shrink, and shared lists of fixed length: part of <sabir.h>, which includes it.
 */
#ifndef SABIR_LIST_H
#define SABIR_LIST_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ list */

/*
 * Python's list of items of any kind. Every function is atomic. Negative indexes count from the end. Equality and
 * order are Python's: numbers of all kinds and bools compare by value, text by code points, bytes by bytes,
 * timestamps by time, lists by the first items that differ; other pairs have no order. Changes answer TOO_LARGE for
 * an item above the server's limit and RESOURCE_EXHAUSTED when the memory limit is reached; then nothing was done.
 *
 * It is `struct sabir_list` with its first word, since sabir_list() is a function.
 */
struct sabir_list;

/* Python's start:stop:step, where SABIR_SLICE_OPEN stands for a start or stop that is left out. A step is never 0. */
#define SABIR_SLICE_OPEN INT64_MIN
struct sabir_slice {
	int64_t start;
	int64_t stop;
	int64_t step;
};

/* Creates a list. Errors: as sabir_create. */
enum sabir_error sabir_list_create(sabir_conn *conn, const char *name, unsigned flags, struct sabir_list **list);
/* Opens a list. Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_list_open(sabir_conn *conn, const char *name, struct sabir_list **list);
/* The same by handle. Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_list_open_handle(sabir_conn *conn, uint64_t handle, struct sabir_list **list);
/* Frees the handle, not the list; NULL is fine. */
void sabir_list_free(struct sabir_list *list);
/* The list's handle, for sabir_object() and the functions by handle. */
uint64_t sabir_list_handle(const struct sabir_list *list);

enum sabir_error sabir_list_len(struct sabir_list *list, uint64_t *length);
/* Errors: OUT_OF_RANGE. */
enum sabir_error sabir_list_get(struct sabir_list *list, int64_t index, struct sabir_item **item);
/* Errors: OUT_OF_RANGE, INVALID_VALUE, TOO_LARGE, RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_set(struct sabir_list *list, int64_t index, const struct sabir_item *item);
/* Errors: OUT_OF_RANGE, RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_delete(struct sabir_list *list, int64_t index);
/*
 * The items of a slice (NULL: of the whole list), as they are at one moment: `n` of them in one block; NULL if there
 * are none. Errors: INVALID_ARGUMENT (step 0), CHANGED (remote: a slice of several messages, and the list changed
 * again and again meanwhile).
 */
enum sabir_error sabir_list_get_slice(struct sabir_list *list, const struct sabir_slice *slice,
				      struct sabir_item **items, size_t *n);
/*
 * Puts n items in the place of a slice (NULL: of all): with a step of 1 any number, else as many as it has. Errors:
 * INVALID_ARGUMENT (the step, or n), INVALID_VALUE, TOO_LARGE, RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_list_set_slice(struct sabir_list *list, const struct sabir_slice *slice,
				      const struct sabir_item *items, size_t n);
/* `removed` or NULL: how many there were. Errors: INVALID_ARGUMENT (step 0), RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_delete_slice(struct sabir_list *list, const struct sabir_slice *slice, uint64_t *removed);
/* Errors of both: INVALID_VALUE, TOO_LARGE, RESOURCE_EXHAUSTED. All n items are added, or none. */
enum sabir_error sabir_list_append(struct sabir_list *list, const struct sabir_item *item);
enum sabir_error sabir_list_extend(struct sabir_list *list, const struct sabir_item *items, size_t n);
/*
 * In front of the item at the index, which may be beyond either end. Errors: INVALID_VALUE, TOO_LARGE,
 * RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_list_insert(struct sabir_list *list, int64_t index, const struct sabir_item *item);
/* Deletes an item (-1: the last) and gives it. Errors: EMPTY, OUT_OF_RANGE, RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_pop(struct sabir_list *list, int64_t index, struct sabir_item **item);
/*
 * Deletes the first equal item. `index` or NULL: where it was. Errors: VALUE_NOT_FOUND, INVALID_VALUE,
 * RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_list_remove(struct sabir_list *list, const struct sabir_item *item, uint64_t *index);
/*
 * The first equal item from `start` to before `stop`, each SABIR_SLICE_OPEN: the whole list. Errors: VALUE_NOT_FOUND,
 * INVALID_VALUE.
 */
enum sabir_error sabir_list_index(struct sabir_list *list, const struct sabir_item *item, int64_t start, int64_t stop,
				  uint64_t *index);
/* Errors of both: INVALID_VALUE. */
enum sabir_error sabir_list_count(struct sabir_list *list, const struct sabir_item *item, uint64_t *count);
enum sabir_error sabir_list_contains(struct sabir_list *list, const struct sabir_item *item, bool *found);
/* Errors: RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_reverse(struct sabir_list *list);
/*
 * Sorts, stable; with `reverse` largest first, equal items still in their order. `key` or NULL: all items are maps,
 * sorted by what is under this key. Errors: WRONG_TYPE (items without an order, or no maps; nothing changes),
 * KEY_NOT_FOUND, INVALID_VALUE, RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_list_sort(struct sabir_list *list, const struct sabir_item *key, bool reverse);
/* Python's list *= count. Errors: TOO_LARGE, RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_repeat(struct sabir_list *list, int64_t count);
/*
 * Copies a slice of a list (NULL: all of it) as it is at one moment to another list, or the same, in one step: its new
 * content, or with `append` behind what is there. Errors: INVALID_ARGUMENT (step 0), TOO_LARGE, RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_list_copy(struct sabir_list *from, const struct sabir_slice *slice, struct sabir_list *to,
				 bool append);
/* `removed` or NULL: how many there were. Errors: RESOURCE_EXHAUSTED. */
enum sabir_error sabir_list_clear(struct sabir_list *list, uint64_t *removed);

/* ------------------------------------------------------------------ shared list */

/*
 * Python's ShareableList: a fixed number of items, each null, a bool, a number, text or bytes. A place holds every
 * number, bool and null, and text and bytes of as many bytes as its first item has (0 for other kinds), rounded up to
 * the next larger multiple of 8.
 */
typedef struct sabir_shared_list sabir_shared_list;

/* Creates a shared list of these n items. Errors: as sabir_create, WRONG_TYPE (another kind of item), INVALID_VALUE. */
enum sabir_error sabir_shared_list_create(sabir_conn *conn, const char *name, const struct sabir_item *items, size_t n,
					  unsigned flags, sabir_shared_list **list);
/* Opens a shared list. Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_shared_list_open(sabir_conn *conn, const char *name, sabir_shared_list **list);
/* The same by handle. Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_shared_list_open_handle(sabir_conn *conn, uint64_t handle, sabir_shared_list **list);
/* Frees the handle, not the shared list; NULL is fine. */
void sabir_shared_list_free(sabir_shared_list *list);
uint64_t sabir_shared_list_handle(const sabir_shared_list *list);

enum sabir_error sabir_shared_list_len(sabir_shared_list *list, uint64_t *length);
/* Errors: OUT_OF_RANGE. */
enum sabir_error sabir_shared_list_get(sabir_shared_list *list, int64_t index, struct sabir_item **item);
/*
 * All elements, `n` of them in one block, which sabir_free() frees; NULL if there are none. Each is as it was at some moment
 * of the call, not all at the same one.
 */
enum sabir_error sabir_shared_list_items(sabir_shared_list *list, struct sabir_item **items, size_t *n);
/* Errors: OUT_OF_RANGE, WRONG_TYPE (another kind of item), TOO_LARGE (its place has less room), INVALID_VALUE. */
enum sabir_error sabir_shared_list_set(sabir_shared_list *list, int64_t index, const struct sabir_item *item);
/* Errors: VALUE_NOT_FOUND, INVALID_VALUE. */
enum sabir_error sabir_shared_list_index(sabir_shared_list *list, const struct sabir_item *item, uint64_t *index);
/* Errors: INVALID_VALUE. */
enum sabir_error sabir_shared_list_count(sabir_shared_list *list, const struct sabir_item *item, uint64_t *count);

#ifdef __cplusplus
}
#endif

#endif
