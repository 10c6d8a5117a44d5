/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays of numbers. Part of <sabir.h>, which says what holds for all functions. Their locks are in sabir_sync.h.
 */
#ifndef SABIR_ARRAY_H
#define SABIR_ARRAY_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A fixed number of elements of one type. Operations on one element are atomic; those on a slice are for each element.
 * Elements are numbers as with sabir_value. An index below 0 counts from the end. All: OUT_OF_RANGE (an index or slice
 * past the end).
 */

/* Creates an array of `length` zeros. Errors: as sabir_create; INVALID_ARGUMENT is an unknown type code. */
enum sabir_error sabir_array_create(sabir_conn *conn, const char *name, char type_code, uint64_t length, unsigned flags,
				    sabir_array **array);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_array_open(sabir_conn *conn, const char *name, sabir_array **array);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_array_open_handle(sabir_conn *conn, uint64_t handle, sabir_array **array);
/* Frees the handle, not the array; NULL is fine. */
void sabir_array_free(sabir_array *array);
uint64_t sabir_array_handle(const sabir_array *array);
char sabir_array_type_code(const sabir_array *array);
/* Bytes of one element: 1, 2, 4 or 8. */
size_t sabir_array_width(const sabir_array *array);

enum sabir_error sabir_array_len(sabir_array *array, uint64_t *length);
enum sabir_error sabir_array_get(sabir_array *array, int64_t index, struct sabir_item *number);
/* Errors: WRONG_TYPE, OUT_OF_RANGE (also the number). */
enum sabir_error sabir_array_set(sabir_array *array, int64_t index, const struct sabir_item *number);
/* As sabir_value_add. */
enum sabir_error sabir_array_add(sabir_array *array, int64_t index, const struct sabir_item *delta,
				 struct sabir_item *sum);
/* As sabir_value_compare_exchange. */
enum sabir_error sabir_array_compare_exchange(sabir_array *array, int64_t index, const struct sabir_item *expected,
					      const struct sabir_item *desired, bool *exchanged,
					      struct sabir_item *found);
/* As the functions of the same names with sabir_value. */
enum sabir_error sabir_array_get_int(sabir_array *array, int64_t index, int64_t *number);
enum sabir_error sabir_array_get_uint(sabir_array *array, int64_t index, uint64_t *number);
enum sabir_error sabir_array_get_double(sabir_array *array, int64_t index, double *number);
enum sabir_error sabir_array_set_int(sabir_array *array, int64_t index, int64_t number);
enum sabir_error sabir_array_set_uint(sabir_array *array, int64_t index, uint64_t number);
enum sabir_error sabir_array_set_double(sabir_array *array, int64_t index, double number);
enum sabir_error sabir_array_add_int(sabir_array *array, int64_t index, int64_t delta, int64_t *sum);
enum sabir_error sabir_array_add_double(sabir_array *array, int64_t index, double delta, double *sum);
/*
 * Copies `count` elements from `start` on to `elements`, which has room for count times sabir_array_width() bytes.
 * Errors: TOO_LARGE (remote: more than one message holds).
 */
enum sabir_error sabir_array_get_slice(sabir_array *array, uint64_t start, uint64_t count, void *elements);
/*
 * Writes `count` elements from `start` on; none if it fails. Errors: OUT_OF_RANGE (also an element that is no bool or
 * code point), TOO_LARGE (remote), RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_array_set_slice(sabir_array *array, uint64_t start, uint64_t count, const void *elements);
/* Writes the number to `count` places from `start` on. Errors: WRONG_TYPE, OUT_OF_RANGE, RESOURCE_EXHAUSTED. */
enum sabir_error sabir_array_fill(sabir_array *array, uint64_t start, uint64_t count, const struct sabir_item *number);
/*
 * Local only: the elements themselves, shared with everybody, `length` of them (or NULL). The pointer is good until
 * the handle is freed; use atomic accesses where others write. Deleting the array meanwhile gives its memory to
 * others. Errors: UNIMPLEMENTED (remote).
 */
enum sabir_error sabir_array_map(sabir_array *array, void **elements, uint64_t *length);

#ifdef __cplusplus
}
#endif

#endif
