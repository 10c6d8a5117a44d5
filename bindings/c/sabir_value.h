/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: one number each. Part of <sabir.h>, which says what holds for all functions. Their locks are in sabir_sync.h, waiting
 * for a change in sabir_watch.h.
 */
#ifndef SABIR_VALUE_H
#define SABIR_VALUE_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One number of a fixed type; every operation is atomic. Numbers are items: results are INT for the codes b h i l q c
 * u, UINT for B H I L Q, DOUBLE for f d, BOOL for ?. Arguments may be INT or UINT for any integer code and for f and
 * d; a DOUBLE only for f and d, a BOOL only for ?. Other pairs are WRONG_TYPE, numbers that the type can't hold
 * OUT_OF_RANGE.
 */

/* Creates a value of the type, which is 0. Errors: as sabir_create; INVALID_ARGUMENT is an unknown type code. */
enum sabir_error sabir_value_create(sabir_conn *conn, const char *name, char type_code, unsigned flags,
				    sabir_value **value);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_value_open(sabir_conn *conn, const char *name, sabir_value **value);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_value_open_handle(sabir_conn *conn, uint64_t handle, sabir_value **value);
/* Frees the handle, not the value; NULL is fine. */
void sabir_value_free(sabir_value *value);
uint64_t sabir_value_handle(const sabir_value *value);
char sabir_value_type_code(const sabir_value *value);

enum sabir_error sabir_value_get(sabir_value *value, struct sabir_item *number);
/* Errors: WRONG_TYPE, OUT_OF_RANGE. */
enum sabir_error sabir_value_set(sabir_value *value, const struct sabir_item *number);
/*
 * Adds and gives the new number (or NULL). Integers wrap at their width, as in two's complement; deltas may be
 * negative or wider than the type. Errors: WRONG_TYPE (c, u and ? are no numbers; a DOUBLE or BOOL for an integer).
 */
enum sabir_error sabir_value_add(sabir_value *value, const struct sabir_item *delta, struct sabir_item *sum);
/* Writes and gives what was there (or NULL). Errors: WRONG_TYPE, OUT_OF_RANGE. */
enum sabir_error sabir_value_exchange(sabir_value *value, const struct sabir_item *desired,
				      struct sabir_item *previous);
/*
 * Writes `desired` if the value holds `expected`, bit for bit. `exchanged`: whether; `found` or NULL: what was there.
 * Errors: WRONG_TYPE, OUT_OF_RANGE.
 */
enum sabir_error sabir_value_compare_exchange(sabir_value *value, const struct sabir_item *expected,
					      const struct sabir_item *desired, bool *exchanged,
					      struct sabir_item *found);

/*
 * The same in C's types. Reading: WRONG_TYPE where the type is of the other sort (f and d are read as double; integers
 * and ? as int or uint, integers also as double), OUT_OF_RANGE where the number does not fit.
 */
enum sabir_error sabir_value_get_int(sabir_value *value, int64_t *number);
enum sabir_error sabir_value_get_uint(sabir_value *value, uint64_t *number);
enum sabir_error sabir_value_get_double(sabir_value *value, double *number);
enum sabir_error sabir_value_set_int(sabir_value *value, int64_t number);
enum sabir_error sabir_value_set_uint(sabir_value *value, uint64_t number);
enum sabir_error sabir_value_set_double(sabir_value *value, double number);
/*
 * `sum` or NULL. Where the sum was written but can't be told in the result's type: OUT_OF_RANGE or WRONG_TYPE with
 * `sum` untouched.
 */
enum sabir_error sabir_value_add_int(sabir_value *value, int64_t delta, int64_t *sum);
enum sabir_error sabir_value_add_double(sabir_value *value, double delta, double *sum);

#ifdef __cplusplus
}
#endif

#endif
