/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_REQUEST_H
#define SABIR_C_REQUEST_H

#include "bindings/c/conn.h"
#include "bindings/c/item.h"
#include "server/base/wire.h"

/*
 * Writing request messages and looking into response messages of sabir.v1. A request is written front to back into
 * malloc'ed memory; failure is sticky, so that only who sends it looks.
 */
struct request {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool failed; /* out of memory, or longer than 4 GiB */
};

/* Starts a request for about `size` bytes. */
void request_init(struct request *r, size_t size);
void request_fini(struct request *r);

void request_varint(struct request *r, uint32_t field, uint64_t v);
void request_bytes(struct request *r, uint32_t field, const void *data, size_t len);
/* Fields that are encoded already. */
void request_raw(struct request *r, struct span fields);
/* An ObjectRef by handle, in field 1: how nearly every request begins. */
void request_object(struct request *r, uint64_t id);
/* A Value. */
void request_code(struct request *r, uint32_t field, const struct item_code *code);
/* The Value of an item that is still to be encoded. Errors: INVALID_VALUE, NO_MEMORY. */
enum sabir_error request_item(struct request *r, uint32_t field, const struct sabir_item *item);
/* A Duration that is waited; nothing for SABIR_FOREVER. */
void request_timeout(struct request *r, uint32_t field, uint64_t timeout_ns);
/* A Duration that is no wait: without the field it would be none at all, so SABIR_FOREVER is the longest that there is. */
void request_duration(struct request *r, uint32_t field, uint64_t ns);
/* A Scalar. Errors: WRONG_TYPE (the item is no number). */
enum sabir_error request_scalar(struct request *r, uint32_t field, const struct sabir_item *number);
/* A page's token, nothing at the beginning. */
void request_cursor(struct request *r, uint32_t field, const struct sabir_cursor *cursor);
/* A message that is written in place: what is written between the two is its content. */
size_t request_begin(struct request *r, uint32_t field);
void request_end(struct request *r, size_t begin);

/*
 * The field's last occurrence: varints and fixed in `bits`, everything else in `bytes`; false: absent, or not a
 * message.
 */
bool response_find(struct span message, uint32_t field, struct wire_field *found);
/* The field as a number, 0 if it is absent. */
uint64_t response_varint(struct span message, uint32_t field);
/* A Timestamp or a Duration, 0 if it is absent. */
uint64_t response_ns(struct span message, uint32_t field);
/* The field as an item that points into the message. Errors: INTERNAL (absent), DATA_LOSS (no Value). */
enum sabir_error response_item(struct span message, uint32_t field, struct sabir_item *item);
/* How often a field with bytes stands there, and its items, at most max of them. Errors: as response_item. */
size_t response_count(struct span message, uint32_t field);
enum sabir_error response_items(struct span message, uint32_t field, struct sabir_item *items, size_t max, size_t *n);
/* The field as a number. Errors: INTERNAL. */
enum sabir_error response_scalar(struct span message, uint32_t field, struct sabir_item *number);
/* The next page's token. Errors: INTERNAL (longer than a cursor holds). */
enum sabir_error response_cursor(struct span message, uint32_t field, struct sabir_cursor *cursor);
/* Whether the last page was read; then the cursor is at the beginning again. */
bool cursor_ended(struct sabir_cursor *cursor);

/* An operation without arguments but its object; `number`, unless NULL, is the number in field 1 of its response. */
enum sabir_error call_object(const struct handle *h, enum method method, uint64_t *number);

#endif
