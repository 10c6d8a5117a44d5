/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_DICT_CALL_H
#define SABIR_C_DICT_CALL_H

#include "bindings/c/request.h"

/*
 * An operation on the dict whose request has the dict in field 1 and up to n items in the fields from 2 on; a NULL
 * item leaves its field out. Adds the response to `out`.
 */
enum sabir_error dict_call(const struct handle *h, enum method method, const struct sabir_item *const items[],
			   uint32_t n, struct bytes *out);
/* The same with a time to live in the field behind them, or the wish to keep the present one in that behind it. */
enum sabir_error dict_call_ttl(const struct handle *h, enum method method, const struct sabir_item *const items[],
			       uint64_t ttl_ns, struct bytes *out);
/* A time to live, as it stands in a request. */
void dict_request_ttl(struct request *r, uint32_t field, uint64_t ttl_ns);

#endif
