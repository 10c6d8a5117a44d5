/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items: the C view of a sabir.v1.Value, its encoding and decoding, and the blocks in which results are handed out.
 *
 * What the library encodes itself from numbers and bytes is well-formed as it is written; text is checked for UTF-8;
 * all else (what a caller encoded, and the kinds with rules of their own) is put together in one piece and goes
 * through value_check, the same door as on the server. So no malformed Value gets into shared memory by this library.
 */
#include "bindings/c/item.h"

/* ---------------------------------------------------------------- encoding */

/* Room for a Value of `len` bytes of content, and `len` more in front of it for the heads of nested messages. */
static uint8_t *take_heap(struct item_code *code, size_t len)
{
	code->heap = len < UINT32_MAX ? malloc(len + 4 * VALUE_MAX_HEAD) : NULL;
	code->parts.head.data = code->heap;
	return code->heap;
}

/*
 * The Value of `kind` whose content stands `VALUE_MAX_HEAD` bytes behind the start of the heap: the head is moved up
 * to it.
 */
static enum sabir_error finish_heap(struct item_code *code, enum value_kind kind, const uint8_t *end)
{
	uint8_t *content = code->heap + VALUE_MAX_HEAD;
	uint8_t head[VALUE_MAX_HEAD];
	size_t head_len = value_head_bytes(kind, (size_t)(end - content), head);

	memcpy(content - head_len, head, head_len);
	code->parts.head.data = content - head_len;
	code->parts.head.len = (size_t)(end - code->parts.head.data);
	return value_check(code->parts.head);
}

static enum sabir_error encode_timestamp(const struct sabir_item *item, struct item_code *code)
{
	if (!take_heap(code, 0))
		return SABIR_NO_MEMORY;
	uint8_t *at = code->heap + VALUE_MAX_HEAD;
	if (item->as.i) {
		*at++ = WIRE_TAG(1, WIRE_VARINT);
		at = wire_put_varint(at, (uint64_t)item->as.i);
	}
	if (item->aux) {
		*at++ = WIRE_TAG(2, WIRE_VARINT);
		at = wire_put_varint(at, item->aux);
	}
	return finish_heap(code, VALUE_TIMESTAMP, at);
}

static enum sabir_error encode_object(const struct sabir_item *item, struct item_code *code)
{
	if (!take_heap(code, item->len))
		return SABIR_NO_MEMORY;
	uint8_t *at = code->heap + VALUE_MAX_HEAD;
	if (item->len) {
		at = wire_put_bytes(at, 1, item->as.data, item->len);
	} else {
		*at++ = WIRE_TAG(2, WIRE_VARINT);
		at = wire_put_varint(at, item->as.u);
	}
	return finish_heap(code, VALUE_OBJECT, at);
}

static enum sabir_error encode_opaque(const struct sabir_item *item, struct item_code *code)
{
	if (item->len >= UINT32_MAX || !take_heap(code, item->len + item->aux))
		return SABIR_NO_MEMORY;
	uint8_t *at = code->heap + VALUE_MAX_HEAD;
	at = wire_put_bytes(at, 1, item->content_type, item->aux);
	if (item->len)
		at = wire_put_bytes(at, 2, item->as.data, item->len);
	return finish_heap(code, VALUE_OPAQUE, at);
}

static enum sabir_error encode_container(const struct sabir_item *item, struct item_code *code)
{
	if (!take_heap(code, item->len))
		return SABIR_NO_MEMORY;
	uint8_t *at = code->heap + VALUE_MAX_HEAD;
	if (item->len)
		memcpy(at, item->as.data, item->len);
	return finish_heap(code, (enum value_kind)item->kind, at + item->len);
}

enum sabir_error item_encode_rare(const struct sabir_item *item, struct item_code *code)
{
	switch (item->kind) {
	case SABIR_ITEM_NULL:
		code->parts.head.len = value_put_null(code->small);
		return SABIR_OK;
	case SABIR_ITEM_BOOL:
		code->parts.head.len = value_put_bool(item->as.boolean, code->small);
		return SABIR_OK;
	case SABIR_ITEM_UINT:
		code->parts.head.len = value_put_uint(item->as.u, code->small);
		return SABIR_OK;
	case SABIR_ITEM_DOUBLE:
		code->parts.head.len = value_put_real(item->as.d, code->small);
		return SABIR_OK;
	case SABIR_ITEM_TIMESTAMP:
		return encode_timestamp(item, code);
	case SABIR_ITEM_OBJECT:
		return encode_object(item, code);
	case SABIR_ITEM_OPAQUE:
		return encode_opaque(item, code);
	case SABIR_ITEM_LIST:
	case SABIR_ITEM_MAP:
		return encode_container(item, code);
	case SABIR_ITEM_ENCODED:
		code->parts.head = (struct span){ (const uint8_t *)item->as.data, item->len };
		return value_check(code->parts.head);
	}
	code->parts.head.len = 0;
	return SABIR_INVALID_VALUE;
}

enum sabir_error item_refused(enum sabir_error error, const struct sabir_item *item)
{
	if (error == SABIR_INVALID_VALUE && item->kind == SABIR_ITEM_TEXT)
		return fail(error, "the text is not UTF-8");
	if (error == SABIR_INVALID_VALUE)
		return fail(error, "an item of kind %u", item->kind);
	return fail(error, "%s", "");
}

enum sabir_error item_join(const struct item_code *code, struct bytes *out)
{
	uint8_t *at = bytes_reserve(out, code->parts.head.len + code->parts.body.len);
	if (!at)
		return SABIR_NO_MEMORY;
	memcpy(at, code->parts.head.data, code->parts.head.len);
	if (code->parts.body.len)
		memcpy(at + code->parts.head.len, code->parts.body.data, code->parts.body.len);
	bytes_commit(out, code->parts.head.len + code->parts.body.len);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- decoding */

static enum sabir_error decode_timestamp(struct span message, struct sabir_item *item)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	item->len = 0;
	item->as.i = 0;
	while (p < end) {
		if (!wire_next(&p, end, &f) || f.type != WIRE_VARINT)
			return SABIR_INVALID_VALUE;
		if (f.number == 1)
			item->as.i = (int64_t)f.bits;
		else if (f.number == 2)
			item->aux = (uint32_t)f.bits;
	}
	return SABIR_OK;
}

static enum sabir_error decode_object(struct span message, struct sabir_item *item)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	item->len = 0;
	item->as.u = 0;
	while (p < end) {
		if (!wire_next(&p, end, &f))
			return SABIR_INVALID_VALUE;
		if (f.number == 1 && f.type == WIRE_LEN) {
			item->len = f.bytes.len;
			item->as.data = f.bytes.data;
		} else if (f.number == 2 && f.type == WIRE_VARINT) {
			item->len = 0;
			item->as.u = f.bits;
		}
	}
	return SABIR_OK;
}

static enum sabir_error decode_opaque(struct span message, struct sabir_item *item)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	item->len = 0;
	item->as.data = end;
	item->content_type = (const char *)end;
	while (p < end) {
		if (!wire_next(&p, end, &f) || f.type != WIRE_LEN)
			return SABIR_INVALID_VALUE;
		if (f.number == 1) {
			item->aux = (uint32_t)f.bytes.len;
			item->content_type = (const char *)f.bytes.data;
		} else if (f.number == 2) {
			item->len = f.bytes.len;
			item->as.data = f.bytes.data;
		}
	}
	return SABIR_OK;
}

/* The kinds that value_view leaves as bytes. */
static enum sabir_error decode_bytes(const struct value_view *view, struct sabir_item *item)
{
	switch (view->kind) {
	case VALUE_TIMESTAMP:
		return decode_timestamp(view->bytes, item);
	case VALUE_OBJECT:
		return decode_object(view->bytes, item);
	case VALUE_OPAQUE:
		return decode_opaque(view->bytes, item);
	default:
		item->len = view->bytes.len;
		item->as.data = view->bytes.data;
		return SABIR_OK;
	}
}

enum sabir_error item_decode_rare(struct span encoded, struct sabir_item *item)
{
	struct value_view view;
	struct sabir_item made = { 0 };
	enum sabir_error error = value_view(encoded, &view);

	if (error)
		return error;
	made.kind = (uint32_t)view.kind;
	switch (view.kind) {
	case VALUE_NULL:
		break;
	case VALUE_BOOL:
		made.as.boolean = view.boolean;
		break;
	case VALUE_INT:
		made.as.i = view.i;
		break;
	case VALUE_UINT:
		made.as.u = view.u;
		break;
	case VALUE_REAL:
		made.as.d = view.d;
		break;
	default:
		error = decode_bytes(&view, &made);
	}
	if (!error)
		*item = made;
	return error;
}

/* ---------------------------------------------------------------- results */

enum sabir_error result_begin(struct bytes *out, size_t room)
{
	uint8_t *at = bytes_reserve(out, room);
	if (!at)
		return SABIR_NO_MEMORY;
	memset(at, 0, room);
	bytes_commit(out, room);
	return SABIR_OK;
}

enum sabir_error result_item(struct bytes *out, struct span value, struct sabir_item **item)
{
	struct sabir_item *made = (struct sabir_item *)(void *)out->data;
	if (item_decode(value, made)) {
		bytes_fini(out);
		return fail(SABIR_DATA_LOSS, "the server's Value is malformed");
	}
	*item = result_take(out);
	return SABIR_OK;
}

void *result_take(struct bytes *out)
{
	void *block = bytes_take(out);
	bytes_fini(out);
	return block;
}

enum sabir_error result_block(size_t n, size_t size, struct span all, void **block, struct span *copy)
{
	uint8_t *made = malloc(n * size + all.len);
	if (!made)
		return SABIR_NO_MEMORY;
	memset(made, 0, n * size);
	if (all.len)
		memcpy(made + n * size, all.data, all.len);
	*block = made;
	*copy = (struct span){ made + n * size, all.len };
	return SABIR_OK;
}

/* ---------------------------------------------------------------- public */

enum sabir_error sabir_encode(const struct sabir_item *item, struct sabir_buffer *buffer, size_t *len)
{
	struct item_code code;
	struct bytes out;

	if (!item || !buffer || !len)
		return FAIL_NULL();
	bytes_init(&out, buffer->data, buffer->size);
	enum sabir_error error = item_encode(item, &code);
	if (!error)
		error = item_join(&code, &out);
	item_code_fini(&code);
	if (error)
		return item_refused(error, item);
	*len = out.len;
	buffer_take(buffer, &out);
	return SABIR_OK;
}

enum sabir_error sabir_decode(const void *data, size_t len, struct sabir_item *item)
{
	struct span encoded = { data, len };
	if (!item || (!data && len))
		return FAIL_NULL();
	if (value_check(encoded) || item_decode(encoded, item))
		return fail(SABIR_INVALID_VALUE, "%zu bytes", len);
	return SABIR_OK;
}

void sabir_free(void *memory)
{
	free(memory);
}

void buffer_take_grown(struct sabir_buffer *buffer, struct bytes *out)
{
	if (out->data != out->fixed) {
		free(buffer->data);
		buffer->data = out->data;
		buffer->size = out->cap;
		out->data = out->fixed;
	}
	bytes_fini(out);
}
