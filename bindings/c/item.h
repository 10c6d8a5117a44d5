/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_ITEM_H
#define SABIR_C_ITEM_H

#include <stdlib.h>

#include "bindings/c/conn.h"
#include "server/base/utf8.h"
#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/queue.h"

/*
 * Items and their encoded form. An encoded item is in two parts, so that large text and bytes are not copied on their
 * way into shared memory: the head is made here, the body is the caller's.
 */
struct item_code {
	struct queue_item parts;
	uint8_t *heap; /* holds the head where `small` is too small for it */
	uint8_t small[VALUE_MAX_HEAD];
};

/* The kinds that item_encode leaves to it. */
enum sabir_error item_encode_rare(const struct sabir_item *item, struct item_code *code);

/* The code of an item of text or bytes: a head, and the caller's bytes where they are. */
static inline void item_encode_raw(uint32_t kind, struct span data, struct item_code *code)
{
	code->heap = NULL;
	code->small[0] = WIRE_TAG(kind, WIRE_LEN);
	code->parts.head.data = code->small;
	code->parts.head.len = (size_t)(wire_put_varint(code->small + 1, data.len) - code->small);
	code->parts.body = data;
}

/* Errors: INVALID_VALUE, NO_MEMORY. Undone by item_code_fini, also after a failure. */
static inline enum sabir_error item_encode(const struct sabir_item *item, struct item_code *code)
{
	struct span data = { (const uint8_t *)item->as.data, item->len };
	code->heap = NULL;
	code->parts.head.data = code->small;
	code->parts.body = (struct span){ NULL, 0 };
	switch (item->kind) {
	case SABIR_ITEM_TEXT:
		if (!utf8_valid(data))
			return SABIR_INVALID_VALUE;
		/* fall through */
	case SABIR_ITEM_BYTES:
		item_encode_raw(item->kind, data, code);
		return SABIR_OK;
	case SABIR_ITEM_INT:
		code->parts.head.len = value_put_int(item->as.i, code->small);
		return SABIR_OK;
	default:
		return item_encode_rare(item, code);
	}
}

static inline void item_code_fini(struct item_code *code)
{
	if (__builtin_expect(code->heap != NULL, 0))
		free(code->heap);
}

/* What is wrong with an item that item_encode refused, as detail. Returns the error. */
enum sabir_error item_refused(enum sabir_error error, const struct sabir_item *item);

/* The encoded item as one new item of `out`. */
enum sabir_error item_join(const struct item_code *code, struct bytes *out);

/* The kinds that item_decode leaves to it. */
enum sabir_error item_decode_rare(struct span encoded, struct sabir_item *item);

/* The item in a valid Value; points into it. Errors: INVALID_VALUE. */
static inline enum sabir_error item_decode(struct span encoded, struct sabir_item *item)
{
	const uint8_t *p = encoded.data + 1, *end = encoded.data + encoded.len;
	struct span content;
	uint32_t kind = encoded.len ? encoded.data[0] >> 3 : 0;

	if ((kind != SABIR_ITEM_BYTES && kind != SABIR_ITEM_TEXT) || encoded.data[0] != WIRE_TAG(kind, WIRE_LEN) ||
	    !wire_len(&p, end, &content) || p != end)
		return item_decode_rare(encoded, item);
	*item = (struct sabir_item){ .kind = kind, .len = content.len, .as.data = content.data };
	return SABIR_OK;
}

/*
 * Results in one block: `room` bytes in front, the first item of `out`, for what points at the rest. Errors:
 * NO_MEMORY.
 */
enum sabir_error result_begin(struct bytes *out, size_t room);
/*
 * The block of result_begin as one item, decoded from `value`, which lies in it. Takes `out`'s memory. Errors:
 * DATA_LOSS (no Value).
 */
enum sabir_error result_item(struct bytes *out, struct span value, struct sabir_item **item);

/* The block itself. Takes `out`'s memory, which must have begun without a fixed buffer. */
void *result_take(struct bytes *out);
void buffer_take_grown(struct sabir_buffer *buffer, struct bytes *out);
/* Ends a use of the caller's buffer, from which `out` began: memory that `out` had to grow becomes the buffer's. */
static inline void buffer_take(struct sabir_buffer *buffer, struct bytes *out)
{
	if (__builtin_expect(out->data != out->fixed || out->ends != out->ends_fixed, 0))
		buffer_take_grown(buffer, out);
}
/* A block of n records of `size` bytes, zeroed, with a copy of `all` behind them. Errors: NO_MEMORY. */
enum sabir_error result_block(size_t n, size_t size, struct span all, void **block, struct span *copy);

#endif
