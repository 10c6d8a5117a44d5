/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_LIST_CALL_H
#define SABIR_C_LIST_CALL_H

#include "bindings/c/request.h"

/* What list.c, list_more.c and shared_list.c share. */

/* An item in one piece. Undone by whole_fini, also after a failure. */
struct whole {
	struct span span;
	struct item_code code;
	struct bytes joined;
	uint8_t small[256];
};
/* Errors: INVALID_VALUE, NO_MEMORY. */
enum sabir_error whole_init(struct whole *w, const struct sabir_item *item);
void whole_fini(struct whole *w);

/* Sends a request, and ends it; *number or NULL: the number or flag in field 1 of the response. */
enum sabir_error call_for_number(const struct handle *h, enum method method, struct request *r, uint64_t *number);
/* The same; the Value in field 1. */
enum sabir_error call_for_item(const struct handle *h, enum method method, struct request *r, struct sabir_item **item);
/* A request of the object, and perhaps an item in field 2, for a number. */
enum sabir_error ask_number(const struct handle *h, enum method method, const struct sabir_item *item,
			    uint64_t *number);
/* The only item of `out` behind its room for the result, decoded. Takes `out`. */
enum sabir_error take_only_item(const struct handle *h, enum sabir_error error, struct bytes *out,
				struct sabir_item **item);

/* Adds the items in field 1 of a response to `all`. */
enum sabir_error add_items(struct span message, struct bytes *all);
/* All of them decoded, in one block. */
enum sabir_error make_items(const struct bytes *all, struct sabir_item **items);

#endif
