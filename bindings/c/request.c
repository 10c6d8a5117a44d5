/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of request messages and the reader of response messages.
 */
#include "bindings/c/request.h"

/* ---------------------------------------------------------------- requests */

void request_init(struct request *r, size_t size)
{
	*r = (struct request){ .cap = size + 64 };
	r->data = malloc(r->cap);
	r->failed = !r->data;
}

void request_fini(struct request *r)
{
	free(r->data);
	*r = (struct request){ .failed = true };
}

/* Room for `len` more bytes, which count as written. */
static uint8_t *extend(struct request *r, size_t len)
{
	if (r->failed || len > UINT32_MAX - r->len) {
		r->failed = true;
		return NULL;
	}
	if (len > r->cap - r->len) {
		size_t cap = (r->len + len) * 2;
		uint8_t *data = realloc(r->data, cap);
		if (!data) {
			r->failed = true;
			return NULL;
		}
		r->data = data;
		r->cap = cap;
	}
	r->len += len;
	return r->data + r->len - len;
}

void request_varint(struct request *r, uint32_t field, uint64_t v)
{
	uint8_t *at = extend(r, wire_tag_size(field) + wire_varint_size(v));
	if (at)
		wire_put_varint(wire_put_tag(at, field, WIRE_VARINT), v);
}

static void put_double(struct request *r, uint32_t field, double v)
{
	uint64_t bits;
	uint8_t *at = extend(r, 9);
	if (!at)
		return;
	memcpy(&bits, &v, sizeof(bits));
	*at = WIRE_TAG(field, WIRE_FIXED64);
	wire_put_fixed64(at + 1, bits);
}

void request_bytes(struct request *r, uint32_t field, const void *data, size_t len)
{
	uint8_t *at = len < UINT32_MAX - 16 ? extend(r, wire_tag_size(field) + wire_varint_size(len) + len)
					    : extend(r, UINT32_MAX);
	if (at)
		wire_put_bytes(at, field, data, len);
}

void request_raw(struct request *r, struct span fields)
{
	uint8_t *at = fields.len ? extend(r, fields.len) : NULL;
	if (at)
		memcpy(at, fields.data, fields.len);
}

size_t request_begin(struct request *r, uint32_t field)
{
	/* One byte for the length, which is right for everything that is short. */
	uint8_t *at = extend(r, wire_tag_size(field) + 1);
	if (at)
		wire_put_tag(at, field, WIRE_LEN);
	return r->len;
}

void request_end(struct request *r, size_t begin)
{
	if (r->failed)
		return;
	size_t len = r->len - begin;
	size_t more = wire_varint_size(len) - 1;
	if (more) {
		if (!extend(r, more))
			return;
		memmove(r->data + begin + more, r->data + begin, len);
	}
	wire_put_varint(r->data + begin - 1, len);
}

void request_object(struct request *r, uint64_t id)
{
	size_t begin = request_begin(r, 1);
	request_varint(r, 2, id);
	request_end(r, begin);
}

void request_code(struct request *r, uint32_t field, const struct item_code *code)
{
	size_t len = code->parts.head.len + code->parts.body.len;
	uint8_t *at = len < UINT32_MAX - 16 ? extend(r, 1 + wire_varint_size(len) + len) : extend(r, UINT32_MAX);
	if (!at)
		return;
	*at++ = WIRE_TAG(field, WIRE_LEN);
	at = wire_put_varint(at, len);
	memcpy(at, code->parts.head.data, code->parts.head.len);
	if (code->parts.body.len)
		memcpy(at + code->parts.head.len, code->parts.body.data, code->parts.body.len);
}

enum sabir_error request_item(struct request *r, uint32_t field, const struct sabir_item *item)
{
	struct item_code code;
	enum sabir_error error = item_encode(item, &code);
	if (!error)
		request_code(r, field, &code);
	item_code_fini(&code);
	return error ? item_refused(error, item) : SABIR_OK;
}

void request_timeout(struct request *r, uint32_t field, uint64_t timeout_ns)
{
	if (timeout_ns == SABIR_FOREVER)
		return;
	size_t begin = request_begin(r, field);
	if (timeout_ns >= SABIR_SECOND)
		request_varint(r, 1, timeout_ns / SABIR_SECOND);
	if (timeout_ns % SABIR_SECOND)
		request_varint(r, 2, timeout_ns % SABIR_SECOND);
	request_end(r, begin);
}

void request_duration(struct request *r, uint32_t field, uint64_t ns)
{
	request_timeout(r, field, ns < SABIR_FOREVER ? ns : SABIR_FOREVER - 1);
}

enum sabir_error request_scalar(struct request *r, uint32_t field, const struct sabir_item *number)
{
	size_t begin = request_begin(r, field);
	switch (number->kind) {
	case SABIR_ITEM_INT:
		request_varint(r, 1, (uint64_t)number->as.i);
		break;
	case SABIR_ITEM_UINT:
		request_varint(r, 2, number->as.u);
		break;
	case SABIR_ITEM_DOUBLE:
		put_double(r, 3, number->as.d);
		break;
	case SABIR_ITEM_BOOL:
		request_varint(r, 4, number->as.boolean);
		break;
	default:
		return fail(SABIR_WRONG_TYPE, "an item of kind %u is no number", number->kind);
	}
	request_end(r, begin);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- responses */

bool response_find(struct span message, uint32_t field, struct wire_field *found)
{
	const uint8_t *p = message.data, *end = p + message.len;
	bool seen = false;
	struct wire_field f;
	while (p < end) {
		if (!wire_next(&p, end, &f))
			return false;
		if (f.number != field)
			continue;
		*found = f;
		seen = true;
	}
	return seen;
}

uint64_t response_varint(struct span message, uint32_t field)
{
	struct wire_field f;
	return response_find(message, field, &f) && f.type == WIRE_VARINT ? f.bits : 0;
}

static enum sabir_error malformed(uint32_t field)
{
	return fail(SABIR_INTERNAL, "the server's response is malformed in field %u", field);
}

/* Values are passed through as they stand in the object. */
static enum sabir_error damaged(uint32_t field)
{
	return fail(SABIR_DATA_LOSS, "the server's Value in field %u is malformed", field);
}

uint64_t response_ns(struct span message, uint32_t field)
{
	struct wire_field f;
	if (!response_find(message, field, &f) || f.type != WIRE_LEN)
		return 0;
	return response_varint(f.bytes, 1) * SABIR_SECOND + response_varint(f.bytes, 2);
}

enum sabir_error response_item(struct span message, uint32_t field, struct sabir_item *item)
{
	struct wire_field f;
	if (!response_find(message, field, &f) || f.type != WIRE_LEN)
		return malformed(field);
	return item_decode(f.bytes, item) ? damaged(field) : SABIR_OK;
}

size_t response_count(struct span message, uint32_t field)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	size_t n = 0;
	while (p < end && wire_next(&p, end, &f))
		n += f.number == field && f.type == WIRE_LEN;
	return n;
}

enum sabir_error response_items(struct span message, uint32_t field, struct sabir_item *items, size_t max, size_t *n)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	size_t n_read = 0;
	while (p < end && n_read < max) {
		if (!wire_next(&p, end, &f))
			return malformed(field);
		if (f.number != field)
			continue;
		if (f.type != WIRE_LEN)
			return malformed(field);
		if (item_decode(f.bytes, &items[n_read]))
			return damaged(field);
		n_read++;
	}
	*n = n_read;
	return SABIR_OK;
}

static struct sabir_item double_of(uint64_t bits)
{
	double d;
	memcpy(&d, &bits, sizeof(d));
	return sabir_double(d);
}

enum sabir_error response_scalar(struct span message, uint32_t field, struct sabir_item *number)
{
	struct wire_field f;
	if (!response_find(message, field, &f) || f.type != WIRE_LEN)
		return malformed(field);
	const uint8_t *p = f.bytes.data, *end = p + f.bytes.len;
	struct wire_field s;
	if (p == end || !wire_next(&p, end, &s) || p != end)
		return malformed(field);
	if (s.number == 1 && s.type == WIRE_VARINT)
		*number = sabir_int((int64_t)s.bits);
	else if (s.number == 2 && s.type == WIRE_VARINT)
		*number = sabir_uint(s.bits);
	else if (s.number == 4 && s.type == WIRE_VARINT)
		*number = sabir_bool(s.bits != 0);
	else if (s.number == 3 && s.type == WIRE_FIXED64)
		*number = double_of(s.bits);
	else
		return malformed(field);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- pages */

enum cursor_state { CURSOR_BEGIN, CURSOR_BETWEEN, CURSOR_ENDED };

void request_cursor(struct request *r, uint32_t field, const struct sabir_cursor *cursor)
{
	if (cursor->state == CURSOR_BETWEEN)
		request_bytes(r, field, cursor->token, cursor->len < sizeof(cursor->token) ? cursor->len : 0);
}

enum sabir_error response_cursor(struct span message, uint32_t field, struct sabir_cursor *cursor)
{
	struct wire_field f;
	if (!response_find(message, field, &f) || f.type != WIRE_LEN || !f.bytes.len) {
		cursor->state = CURSOR_ENDED;
		return SABIR_OK;
	}
	if (f.bytes.len >= sizeof(cursor->token))
		return fail(SABIR_INTERNAL, "a page token of %zu bytes", f.bytes.len);
	memcpy(cursor->token, f.bytes.data, f.bytes.len);
	cursor->len = (uint32_t)f.bytes.len;
	cursor->state = CURSOR_BETWEEN;
	return SABIR_OK;
}

bool cursor_ended(struct sabir_cursor *cursor)
{
	if (cursor->state != CURSOR_ENDED)
		return false;
	cursor->state = CURSOR_BEGIN;
	cursor->len = 0;
	return true;
}

enum sabir_error call_object(const struct handle *h, enum method method, uint64_t *number)
{
	struct bytes out = { 0 };
	struct request r;

	request_init(&r, 16);
	request_object(&r, h->id);
	enum sabir_error error = conn_call(h->conn, method, &r, 0, &out);
	if (!error && number)
		*number = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}
