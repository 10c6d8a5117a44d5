/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as keys: the canonical form, and equality.
 *
 * The canonical form has minimal varints, the fields of every message in order, no field with its default where the
 * contract gives a field no presence, an integer where an unsigned number fits one, and 0.0 for -0.0. It is never
 * longer than what it was made from, which is what lets it be written into a buffer of that size. Writers give the
 * canonical form already for nearly every key, and then nothing is copied.
 */
#include "server/base/value.h"
#include "server/base/wire.h"

#define NEGATIVE_ZERO (1ull << 63)

typedef uint8_t *write_fn(struct span content, uint8_t *to);

static uint8_t *write_value(struct span v, uint8_t *to);

/* An integer where the number fits one, 0.0 for -0.0. */
static void normalise(struct value_view *v)
{
	if (v->kind == VALUE_UINT && v->u <= INT64_MAX)
		v->kind = VALUE_INT;
	if (v->kind == VALUE_REAL && v->u == NEGATIVE_ZERO)
		v->u = 0;
}

/*
 * Tag, length and what `write` makes of the content. The length is written last, and may turn out shorter than
 * expected.
 */
static uint8_t *write_message(uint8_t tag, struct span content, write_fn *write, uint8_t *to)
{
	*to++ = tag;
	uint8_t *body = to + wire_varint_size(content.len);
	size_t len = (size_t)(write(content, body) - body);
	uint8_t *moved = to + wire_varint_size(len);
	if (moved != body)
		memmove(moved, body, len);
	(void)wire_put_varint(to, len);
	return moved + len;
}

static uint8_t *write_list(struct span list, uint8_t *to)
{
	const uint8_t *p = list.data, *end = p + list.len;
	struct wire_field f;

	while (p < end && wire_next(&p, end, &f))
		to = write_message(WIRE_TAG(1, WIRE_LEN), f.bytes, write_value, to);
	return to;
}

/* The two fields of a small message, in whatever order they came; number 0: absent. */
static void read_two(struct span message, struct wire_field two[2])
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;

	memset(two, 0, 2 * sizeof(*two));
	while (p < end && wire_next(&p, end, &f))
		if (f.number == 1 || f.number == 2)
			two[f.number - 1] = f;
}

static uint8_t *write_entry(struct span entry, uint8_t *to)
{
	struct wire_field two[2];

	read_two(entry, two);
	to = write_message(WIRE_TAG(1, WIRE_LEN), two[0].bytes, write_value, to);
	return write_message(WIRE_TAG(2, WIRE_LEN), two[1].bytes, write_value, to);
}

static uint8_t *write_map(struct span map, uint8_t *to)
{
	const uint8_t *p = map.data, *end = p + map.len;
	struct wire_field f;

	while (p < end && wire_next(&p, end, &f))
		to = write_message(WIRE_TAG(1, WIRE_LEN), f.bytes, write_entry, to);
	return to;
}

static uint8_t *write_timestamp(struct span message, uint8_t *to)
{
	struct wire_field two[2];

	read_two(message, two);
	for (unsigned i = 0; i < 2; i++) {
		if (!two[i].bits)
			continue;
		*to++ = WIRE_TAG(i + 1, WIRE_VARINT);
		to = wire_put_varint(to, two[i].bits);
	}
	return to;
}

static uint8_t *write_object(struct span message, uint8_t *to)
{
	struct wire_field two[2];

	read_two(message, two);
	if (two[0].number)
		return wire_put_bytes(to, 1, two[0].bytes.data, two[0].bytes.len);
	*to++ = WIRE_TAG(2, WIRE_VARINT);
	return wire_put_varint(to, two[1].bits);
}

static uint8_t *write_opaque(struct span message, uint8_t *to)
{
	struct wire_field two[2];

	read_two(message, two);
	to = wire_put_bytes(to, 1, two[0].bytes.data, two[0].bytes.len);
	return two[1].bytes.len ? wire_put_bytes(to, 2, two[1].bytes.data, two[1].bytes.len) : to;
}

static uint8_t *write_value(struct span encoded, uint8_t *to)
{
	static write_fn *const writers[] = {
		[VALUE_LIST] = write_list,     [VALUE_MAP] = write_map,       [VALUE_TIMESTAMP] = write_timestamp,
		[VALUE_OBJECT] = write_object, [VALUE_OPAQUE] = write_opaque,
	};
	struct value_view v;

	if (value_view(encoded, &v))
		return to;
	normalise(&v);
	switch (v.kind) {
	case VALUE_NULL:
		return to + value_put_null(to);
	case VALUE_BOOL:
		return to + value_put_bool(v.boolean, to);
	case VALUE_INT:
		return to + value_put_int(v.i, to);
	case VALUE_UINT:
		return to + value_put_uint(v.u, to);
	case VALUE_REAL:
		return to + value_put_real(v.d, to);
	case VALUE_TEXT:
	case VALUE_BINARY:
		return wire_put_bytes(to, v.kind, v.bytes.data, v.bytes.len);
	default:
		return write_message(WIRE_TAG(v.kind, WIRE_LEN), v.bytes, writers[v.kind], to);
	}
}

enum sabir_error value_canonical(struct span encoded, struct bytes *out)
{
	enum sabir_error error = value_check(encoded);
	if (error)
		return error;
	uint8_t *to = bytes_reserve(out, encoded.len);
	if (!to)
		return SABIR_NO_MEMORY;
	bytes_commit(out, (size_t)(write_value(encoded, to) - to));
	return SABIR_OK;
}

/* Whether a valid Value is canonical, as far as its top can tell; false also for what would take a closer look. */
static bool is_canonical(struct span encoded)
{
	struct value_view v;

	if (value_view(encoded, &v))
		return false;
	switch (v.kind) {
	case VALUE_NULL:
	case VALUE_BOOL:
		return encoded.len == 2;
	case VALUE_UINT:
		return v.u > INT64_MAX && encoded.len == 1 + wire_varint_size(v.u);
	case VALUE_INT:
		return encoded.len == 1 + wire_varint_size(v.u);
	case VALUE_REAL:
		return v.u != NEGATIVE_ZERO;
	case VALUE_TEXT:
	case VALUE_BINARY:
		return encoded.len == 1 + wire_varint_size(v.bytes.len) + v.bytes.len;
	default:
		return false;
	}
}

enum sabir_error value_key(struct span encoded, struct bytes *scratch, struct span *key)
{
	enum sabir_error error = value_check(encoded);
	if (error)
		return error;
	if (is_canonical(encoded)) {
		*key = encoded;
		return SABIR_OK;
	}
	error = value_canonical(encoded, scratch);
	if (!error)
		*key = bytes_item(scratch, scratch->n_items - 1);
	return error;
}

/* Two lists or maps, item by item. */
static bool equal_repeated(struct span a, struct span b, unsigned depth,
			   bool (*equal)(struct span, struct span, unsigned))
{
	const uint8_t *p = a.data, *p_end = p + a.len, *q = b.data, *q_end = q + b.len;
	struct wire_field f, g;

	while (p < p_end && q < q_end) {
		if (!wire_next(&p, p_end, &f) || !wire_next(&q, q_end, &g) || f.type != WIRE_LEN || g.type != WIRE_LEN)
			return false;
		if (!equal(f.bytes, g.bytes, depth))
			return false;
	}
	return p == p_end && q == q_end;
}

static bool equal_bytes(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

static bool equal_value(struct span a, struct span b, unsigned depth);

static bool equal_entry(struct span a, struct span b, unsigned depth)
{
	struct wire_field x[2], y[2];

	read_two(a, x);
	read_two(b, y);
	return equal_value(x[0].bytes, y[0].bytes, depth) && equal_value(x[1].bytes, y[1].bytes, depth);
}

/* Timestamp, ObjectRef, Opaque: a field that is absent has the default, except that a reference has one of its two. */
static bool equal_two(enum value_kind kind, struct span a, struct span b)
{
	struct wire_field x[2], y[2];

	read_two(a, x);
	read_two(b, y);
	if (kind == VALUE_OBJECT && x[0].number != y[0].number)
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (x[i].bits != y[i].bits || !equal_bytes(x[i].bytes, y[i].bytes))
			return false;
	return true;
}

static bool equal_value(struct span a, struct span b, unsigned depth)
{
	struct value_view x, y;

	if (equal_bytes(a, b))
		return true;
	if (depth > VALUE_MAX_DEPTH || value_view(a, &x) || value_view(b, &y))
		return false;
	normalise(&x);
	normalise(&y);
	if (x.kind != y.kind)
		return false;
	switch (x.kind) {
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return x.boolean == y.boolean;
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_REAL:
		return x.u == y.u;
	case VALUE_TEXT:
	case VALUE_BINARY:
		return equal_bytes(x.bytes, y.bytes);
	case VALUE_LIST:
		return equal_repeated(x.bytes, y.bytes, depth + 1, equal_value);
	case VALUE_MAP:
		return equal_repeated(x.bytes, y.bytes, depth + 1, equal_entry);
	default:
		return equal_two(x.kind, x.bytes, y.bytes);
	}
}

bool value_equal(struct span a, struct span b)
{
	return equal_value(a, b, 1);
}
