/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of Values. What is compared may lie in shared memory: every step keeps to the bounds that it has read
 * itself, whatever the bytes are by now.
 */
#include "server/base/value_order.h"

#include <math.h>

#include "server/base/wire.h"

enum relation { LESS = -1, EQUAL = 0, MORE = 1, UNEQUAL = 2 };

static enum relation relate(struct span a, struct span b, unsigned depth);

static bool is_number(const struct value_view *v)
{
	return v->kind >= VALUE_BOOL && v->kind <= VALUE_REAL;
}

static __int128 whole(const struct value_view *v)
{
	return v->kind == VALUE_BOOL ? (__int128)v->boolean : v->kind == VALUE_INT ? (__int128)v->i : (__int128)v->u;
}

/* Exactly: a double of more than 2^64 in size has no place among the integers, all others have a whole part there. */
static enum relation relate_whole_real(__int128 a, double b)
{
	if (isnan(b) || b >= 0x1p64)
		return LESS;
	if (b < -0x1p63)
		return MORE;
	__int128 trunk = (__int128)b;
	if (a != trunk)
		return a < trunk ? LESS : MORE;
	double rest = b - trunc(b);
	return rest > 0 ? LESS : rest < 0 ? MORE : EQUAL;
}

static enum relation relate_reals(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (enum relation)(!!isnan(a) - !!isnan(b));
	return a < b ? LESS : a > b ? MORE : EQUAL;
}

static enum relation relate_numbers(const struct value_view *a, const struct value_view *b)
{
	if (a->kind == VALUE_REAL && b->kind == VALUE_REAL)
		return relate_reals(a->d, b->d);
	if (b->kind == VALUE_REAL)
		return relate_whole_real(whole(a), b->d);
	if (a->kind == VALUE_REAL)
		return (enum relation) - (int)relate_whole_real(whole(b), a->d);
	__int128 x = whole(a), y = whole(b);
	return x < y ? LESS : x > y ? MORE : EQUAL;
}

/* Bytes, and UTF-8, whose bytes are in the order of the code points. */
static enum relation relate_bytes(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;
	if (order)
		return order < 0 ? LESS : MORE;
	return a.len < b.len ? LESS : a.len > b.len ? MORE : EQUAL;
}

static bool next_item(const uint8_t **p, const uint8_t *end, struct span *item)
{
	struct wire_field f;
	if (*p >= end || !wire_next(p, end, &f) || f.type != WIRE_LEN)
		return false;
	*item = f.bytes;
	return true;
}

static enum relation relate_lists(struct span a, struct span b, unsigned depth)
{
	const uint8_t *p = a.data, *p_end = p + a.len, *q = b.data, *q_end = q + b.len;
	for (;;) {
		struct span x, y;
		bool more = next_item(&p, p_end, &x);
		if (!next_item(&q, q_end, &y))
			return more ? MORE : EQUAL;
		if (!more)
			return LESS;
		enum relation r = relate(x, y, depth);
		if (r)
			return r;
	}
}

/* A MapEntry's key and value. */
static void read_entry(struct span entry, struct span two[2])
{
	const uint8_t *p = entry.data, *end = p + entry.len;
	struct wire_field f;
	two[0] = two[1] = (struct span){ NULL, 0 };
	while (p < end && wire_next(&p, end, &f))
		if (f.type == WIRE_LEN && (f.number == 1 || f.number == 2))
			two[f.number - 1] = f.bytes;
}

static bool same_bytes(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

/* By their digests, for their entries may stand in any order. */
static enum relation relate_maps(const struct value_view *a, const struct value_view *b)
{
	struct value_digest x, y;
	if (same_bytes(a->bytes, b->bytes))
		return EQUAL;
	return !value_digest(a, &x) && !value_digest(b, &y) && value_digest_same(&x, &y) ? EQUAL : UNEQUAL;
}

static enum relation relate_timestamps(struct span a, struct span b)
{
	int64_t part[2][2] = { { 0, 0 }, { 0, 0 } };
	for (int i = 0; i < 2; i++) {
		const uint8_t *p = i ? b.data : a.data, *end = p + (i ? b.len : a.len);
		struct wire_field f;
		while (p < end && wire_next(&p, end, &f))
			if (f.number == 1 || f.number == 2)
				part[i][f.number - 1] = (int64_t)f.bits;
	}
	int k = part[0][0] == part[1][0];
	return part[0][k] < part[1][k] ? LESS : part[0][k] > part[1][k] ? MORE : EQUAL;
}

static enum relation relate_views(const struct value_view *a, const struct value_view *b, unsigned depth)
{
	if (is_number(a) && is_number(b))
		return relate_numbers(a, b);
	if (a->kind != b->kind || depth > VALUE_MAX_DEPTH)
		return UNEQUAL;
	switch (a->kind) {
	case VALUE_NULL:
		return EQUAL;
	case VALUE_TEXT:
	case VALUE_BINARY:
		return relate_bytes(a->bytes, b->bytes);
	case VALUE_LIST:
		return relate_lists(a->bytes, b->bytes, depth + 1);
	case VALUE_MAP:
		return relate_maps(a, b);
	case VALUE_TIMESTAMP:
		return relate_timestamps(a->bytes, b->bytes);
	default:
		return UNEQUAL;
	}
}

static enum relation relate(struct span a, struct span b, unsigned depth)
{
	struct value_view x, y;
	if (value_view(a, &x) || value_view(b, &y))
		return UNEQUAL;
	if (x.kind == y.kind && (x.kind == VALUE_OBJECT || x.kind == VALUE_OPAQUE))
		return value_equal(a, b) ? EQUAL : UNEQUAL;
	return relate_views(&x, &y, depth);
}

bool value_same(struct span a, struct span b)
{
	return (a.len && same_bytes(a, b)) || relate(a, b, 1) == EQUAL;
}

void value_want(struct span value, struct value_wanted *w)
{
	w->value = value;
	w->by_digest = !value_view(value, &w->view) && w->view.kind >= VALUE_LIST &&
		       !value_digest(&w->view, &w->digest) && w->digest.has_map;
}

/* Whether two lists or two maps have equally many items; no longer than the shorter one is. */
static bool same_length(struct span a, struct span b)
{
	const uint8_t *p = a.data, *p_end = p + a.len, *q = b.data, *q_end = q + b.len;
	struct span item;
	for (;;) {
		bool more = next_item(&p, p_end, &item);
		if (next_item(&q, q_end, &item) != more)
			return false;
		if (!more)
			return true;
	}
}

bool value_is(const struct value_wanted *w, struct span value)
{
	struct value_view v;
	struct value_digest digest;
	if (!w->by_digest || same_bytes(w->value, value))
		return value_same(w->value, value);
	return !value_view(value, &v) && v.kind == w->view.kind && same_length(v.bytes, w->view.bytes) &&
	       !value_digest(&v, &digest) && value_digest_same(&digest, &w->digest);
}

enum sabir_error value_compare_views(const struct value_view *a, const struct value_view *b, int *order)
{
	bool ordered = is_number(a) || a->kind == VALUE_TEXT || a->kind == VALUE_BINARY || a->kind == VALUE_LIST ||
		       a->kind == VALUE_TIMESTAMP;
	enum relation r = ordered ? relate_views(a, b, 1) : UNEQUAL;
	if (r == UNEQUAL)
		return SABIR_WRONG_TYPE;
	*order = (int)r;
	return SABIR_OK;
}

enum sabir_error value_compare(struct span a, struct span b, int *order)
{
	struct value_view x, y;
	if (value_view(a, &x) || value_view(b, &y))
		return SABIR_INVALID_VALUE;
	return value_compare_views(&x, &y, order);
}

enum sabir_error value_map_find(const struct value_view *map, struct span key, struct span *value)
{
	if (map->kind != VALUE_MAP)
		return SABIR_WRONG_TYPE;
	const uint8_t *p = map->bytes.data, *end = p + map->bytes.len;
	struct span entry, two[2];
	while (next_item(&p, end, &entry)) {
		read_entry(entry, two);
		if (value_same(two[0], key))
			*value = two[1];
	}
	return SABIR_OK;
}
