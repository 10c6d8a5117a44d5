/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_DICT_CALL_H
#define SABIR_C_DICT_CALL_H

#include "bindings/c/conn.h"

/*
 * An operation on the dict whose request has the dict in field 1 and up to n items in the fields from 2 on; a NULL
 * item leaves its field out. Adds the response to `out`.
 */
enum sabir_error dict_call(const struct handle *h, enum method method, const struct sabir_item *const items[],
			   uint32_t n, struct bytes *out);

#endif
