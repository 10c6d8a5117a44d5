/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_NUMBER_H
#define SABIR_C_NUMBER_H

#include "bindings/c/conn.h"
#include "server/objects/scalar.h"

/* Numbers of values and arrays: items for the caller, scalars for the objects' functions. */
struct sabir_item item_of_scalar(const struct scalar *s);
/* Errors: WRONG_TYPE (the item is no number). */
enum sabir_error scalar_of_item(const struct sabir_item *item, struct scalar *s);

/* The sabir.v1.TypeCode of a letter, 0 for a letter that is none. */
uint32_t type_code_number(uint32_t letter);

/* A number in C's types. Errors: WRONG_TYPE, OUT_OF_RANGE. */
enum sabir_error number_int(const struct sabir_item *number, int64_t *out);
enum sabir_error number_uint(const struct sabir_item *number, uint64_t *out);
enum sabir_error number_double(const struct sabir_item *number, double *out);

#endif
