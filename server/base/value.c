/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of encoded Values: proto/sabir/v1/value.proto by hand. A Value is exactly one field, so its first byte
 * tells its kind and the rest is the payload to the very end; that makes "one kind, set once, nothing unknown" one
 * comparison.
 *
 * The recursion follows the nesting of messages and ends at VALUE_MAX_DEPTH; every read is checked against the end of
 * the message that it is in. Bytes are read in place and never written.
 */
#include "server/base/value.h"

#include "server/base/utf8.h"
#include "server/base/wire.h"

/* 0001-01-01 to 9999-12-31, as google.protobuf.Timestamp has it. */
#define SECONDS_MIN (-62135596800ll)
#define SECONDS_MAX 253402300799ll
#define NANOS_MAX 999999999u

static bool check_value(struct span v, unsigned depth);

/* A varint that ends where the message ends. */
static bool read_last_varint(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	return wire_varint(&p, end, v) && p == end;
}

static bool check_entry(struct span entry, unsigned depth)
{
	const uint8_t *p = entry.data, *end = p + entry.len;
	unsigned seen = 0;

	while (p < end) {
		uint8_t tag = byte_once(p++);
		unsigned field = tag == WIRE_TAG(1, WIRE_LEN) ? 1 : tag == WIRE_TAG(2, WIRE_LEN) ? 2 : 0;
		struct span v;
		if (!field || (seen & field) || !wire_len(&p, end, &v) || !check_value(v, depth + 1))
			return false;
		seen |= field;
	}
	return seen == 3;
}

/* ListValue and MapValue: field 1, any number of times. */
static bool check_repeated(struct span list, unsigned depth, bool (*check)(struct span, unsigned))
{
	const uint8_t *p = list.data, *end = p + list.len;

	if (depth > VALUE_MAX_DEPTH)
		return false;
	while (p < end) {
		struct span item;
		if (*p++ != WIRE_TAG(1, WIRE_LEN) || !wire_len(&p, end, &item) || !check(item, depth + 1))
			return false;
	}
	return true;
}

static bool check_timestamp(struct span message)
{
	const uint8_t *p = message.data, *end = p + message.len;
	uint64_t v;
	unsigned seen = 0;

	while (p < end) {
		uint8_t tag = byte_once(p++);
		if (!wire_varint(&p, end, &v))
			return false;
		if (tag == WIRE_TAG(1, WIRE_VARINT) && !(seen & 1)) {
			if ((int64_t)v < SECONDS_MIN || (int64_t)v > SECONDS_MAX)
				return false;
			seen |= 1;
		} else if (tag == WIRE_TAG(2, WIRE_VARINT) && !(seen & 2)) {
			if (v > NANOS_MAX)
				return false;
			seen |= 2;
		} else {
			return false;
		}
	}
	return true;
}

/* ObjectRef: a name or a handle. Whether somebody has it is asked when it is used. */
static bool check_object(struct span message)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct span name;
	uint64_t handle;

	if (p == end)
		return false;
	uint8_t tag = byte_once(p++);
	if (tag == WIRE_TAG(1, WIRE_LEN))
		return wire_len(&p, end, &name) && p == end && utf8_valid(name);
	return tag == WIRE_TAG(2, WIRE_VARINT) && read_last_varint(p, end, &handle);
}

static bool check_opaque(struct span message)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct span type = { NULL, 0 }, data = { NULL, 0 };

	while (p < end) {
		uint8_t tag = byte_once(p++);
		struct span *field = tag == WIRE_TAG(1, WIRE_LEN) ? &type : &data;
		if ((tag != WIRE_TAG(1, WIRE_LEN) && tag != WIRE_TAG(2, WIRE_LEN)) || field->data ||
		    !wire_len(&p, end, field))
			return false;
	}
	return type.len && utf8_valid(type);
}

/* The kinds whose payload has a length; `content` is what is behind it. */
static bool check_content(enum value_kind kind, struct span content, unsigned depth)
{
	switch (kind) {
	case VALUE_TEXT:
		return utf8_valid(content);
	case VALUE_BINARY:
		return true;
	case VALUE_LIST:
		return check_repeated(content, depth + 1, check_value);
	case VALUE_MAP:
		return check_repeated(content, depth + 1, check_entry);
	case VALUE_TIMESTAMP:
		return depth < VALUE_MAX_DEPTH && check_timestamp(content);
	case VALUE_OBJECT:
		return depth < VALUE_MAX_DEPTH && check_object(content);
	case VALUE_OPAQUE:
		return depth < VALUE_MAX_DEPTH && check_opaque(content);
	default:
		return false;
	}
}

static bool check_value(struct span v, unsigned depth)
{
	const uint8_t *p = v.data, *end = p + v.len;
	uint64_t bits;
	struct span content;

	if (p == end || depth > VALUE_MAX_DEPTH)
		return false;
	uint8_t tag = byte_once(p++);
	switch (tag) {
	case WIRE_TAG(VALUE_NULL, WIRE_VARINT):
		return read_last_varint(p, end, &bits) && bits == 0;
	case WIRE_TAG(VALUE_BOOL, WIRE_VARINT):
		return read_last_varint(p, end, &bits) && bits <= 1;
	case WIRE_TAG(VALUE_INT, WIRE_VARINT):
	case WIRE_TAG(VALUE_UINT, WIRE_VARINT):
		return read_last_varint(p, end, &bits);
	case WIRE_TAG(VALUE_REAL, WIRE_FIXED64):
		return end - p == 8;
	}
	return (tag & 7) == WIRE_LEN && wire_len(&p, end, &content) && p == end &&
	       check_content(tag >> 3, content, depth);
}

enum sabir_error value_check(struct span encoded)
{
	return check_value(encoded, 1) ? SABIR_OK : SABIR_INVALID_VALUE;
}

/* Numbers: false if the payload is not one. */
static bool view_number(uint8_t tag, const uint8_t *p, const uint8_t *end, struct value_view *view)
{
	uint64_t bits;

	if (tag == WIRE_TAG(VALUE_REAL, WIRE_FIXED64)) {
		if (!wire_fixed(&p, end, 8, &bits) || p != end)
			return false;
		memcpy(&view->d, &bits, sizeof(view->d));
		return true;
	}
	if (!read_last_varint(p, end, &bits))
		return false;
	if (tag == WIRE_TAG(VALUE_BOOL, WIRE_VARINT))
		view->boolean = bits != 0;
	else
		view->u = bits;
	return tag >= WIRE_TAG(VALUE_NULL, WIRE_VARINT) && tag <= WIRE_TAG(VALUE_UINT, WIRE_VARINT) &&
	       (tag & 7) == WIRE_VARINT;
}

enum sabir_error value_view(struct span encoded, struct value_view *view)
{
	struct value_view v;

	if (!encoded.len) /* perhaps without data */
		return SABIR_INVALID_VALUE;
	const uint8_t *p = encoded.data, *end = p + encoded.len;
	uint8_t tag = byte_once(p++);
	v.kind = tag >> 3;
	if (v.kind >= VALUE_TEXT) {
		if (v.kind > VALUE_OPAQUE || (tag & 7) != WIRE_LEN || !wire_len(&p, end, &v.bytes) || p != end)
			return SABIR_INVALID_VALUE;
	} else if (!view_number(tag, p, end, &v)) {
		return SABIR_INVALID_VALUE;
	}
	*view = v;
	return SABIR_OK;
}

size_t value_head_bytes(enum value_kind kind, size_t content_len, uint8_t *to)
{
	to[0] = WIRE_TAG(kind, WIRE_LEN);
	return (size_t)(wire_put_varint(to + 1, content_len) - to);
}

static size_t put_varint_kind(enum value_kind kind, uint64_t v, uint8_t *to)
{
	to[0] = WIRE_TAG(kind, WIRE_VARINT);
	return (size_t)(wire_put_varint(to + 1, v) - to);
}

size_t value_put_null(uint8_t *to)
{
	return put_varint_kind(VALUE_NULL, 0, to);
}

size_t value_put_bool(bool v, uint8_t *to)
{
	return put_varint_kind(VALUE_BOOL, v, to);
}

size_t value_put_int(int64_t v, uint8_t *to)
{
	return put_varint_kind(VALUE_INT, (uint64_t)v, to);
}

size_t value_put_uint(uint64_t v, uint8_t *to)
{
	return put_varint_kind(VALUE_UINT, v, to);
}

size_t value_put_real(double v, uint8_t *to)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	to[0] = WIRE_TAG(VALUE_REAL, WIRE_FIXED64);
	return (size_t)(wire_put_fixed64(to + 1, bits) - to);
}

static bool is_number(const struct value_view *v)
{
	return v->kind == VALUE_INT || v->kind == VALUE_UINT || v->kind == VALUE_REAL;
}

static double as_real(const struct value_view *v)
{
	return v->kind == VALUE_REAL ? v->d : v->kind == VALUE_INT ? (double)v->i : (double)v->u;
}

static __int128 as_integer(const struct value_view *v)
{
	return v->kind == VALUE_INT ? (__int128)v->i : (__int128)v->u;
}

enum sabir_error value_sum(struct span a, struct span b, uint8_t *to, size_t *len)
{
	struct value_view x, y;

	if (value_view(a, &x) || value_view(b, &y) || !is_number(&x) || !is_number(&y))
		return SABIR_WRONG_TYPE;
	if (x.kind == VALUE_REAL || y.kind == VALUE_REAL) {
		*len = value_put_real(as_real(&x) + as_real(&y), to);
		return SABIR_OK;
	}
	__int128 sum = as_integer(&x) + as_integer(&y);
	if (sum < INT64_MIN || sum > UINT64_MAX)
		return SABIR_OUT_OF_RANGE;
	*len = sum <= INT64_MAX ? value_put_int((int64_t)sum, to) : value_put_uint((uint64_t)sum, to);
	return SABIR_OK;
}
