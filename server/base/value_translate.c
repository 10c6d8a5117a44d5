/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Value with other handles in the place of its own: what a snapshot needs when its objects are made anew.
 *
 * The bytes are a Value that was checked, or anything: what can't be read is copied as it is. One function counts and
 * writes; it writes the length of a message before its content, so it counts that first: a byte is counted once for each
 * message around it, of which there are at most VALUE_MAX_DEPTH.
 */
#include "server/base/value.h"
#include "server/base/wire.h"

struct translation {
	value_map_fn *map;
	void *context;
};

/* Both write to `to`, or only count if that is NULL, and return the number of bytes. */
static size_t put_value(const struct translation *t, struct span v, unsigned depth, uint8_t *to);
typedef size_t put_fn(const struct translation *t, struct span message, unsigned depth, uint8_t *to);

static size_t put_rest(const uint8_t *p, const uint8_t *end, uint8_t *to)
{
	if (to && p < end)
		memcpy(to, p, (size_t)(end - p));
	return (size_t)(end - p);
}

static size_t put_message(const struct translation *t, uint8_t tag, struct span message, unsigned depth, put_fn *put,
			  uint8_t *to)
{
	size_t len = put(t, message, depth, NULL), head = 1 + wire_varint_size(len);
	if (to) {
		*to = tag;
		(void)wire_put_varint(to + 1, len);
		(void)put(t, message, depth, to + head);
	}
	return head + len;
}

static size_t put_object(const struct translation *t, struct span message, unsigned depth, uint8_t *to)
{
	const uint8_t *p = message.data, *end = p + message.len;
	uint64_t handle;
	(void)depth;
	if (p == end || *p++ != WIRE_TAG(2, WIRE_VARINT) || !wire_varint(&p, end, &handle))
		return put_rest(message.data, end, to);
	handle = t->map(t->context, handle);
	size_t len = 1 + wire_varint_size(handle);
	if (to) {
		*to = WIRE_TAG(2, WIRE_VARINT);
		(void)wire_put_varint(to + 1, handle);
	}
	return len + put_rest(p, end, to ? to + len : NULL);
}

/* The fields `first` to `last` of a message are messages, each written by `put`. */
static size_t put_fields(const struct translation *t, struct span message, unsigned last, unsigned depth, put_fn *put,
			 uint8_t *to)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct span field;
	size_t len = 0;
	while (p < end && (*p == WIRE_TAG(1, WIRE_LEN) || *p == WIRE_TAG(last, WIRE_LEN))) {
		const uint8_t *at = p + 1;
		if (!wire_len(&at, end, &field))
			break;
		len += put_message(t, *p, field, depth, put, to ? to + len : NULL);
		p = at;
	}
	return len + put_rest(p, end, to ? to + len : NULL);
}

static size_t put_entry(const struct translation *t, struct span entry, unsigned depth, uint8_t *to)
{
	return put_fields(t, entry, 2, depth, put_value, to);
}

static size_t put_map(const struct translation *t, struct span map, unsigned depth, uint8_t *to)
{
	return put_fields(t, map, 1, depth, put_entry, to);
}

static size_t put_list(const struct translation *t, struct span list, unsigned depth, uint8_t *to)
{
	return put_fields(t, list, 1, depth, put_value, to);
}

static size_t put_value(const struct translation *t, struct span v, unsigned depth, uint8_t *to)
{
	const uint8_t *p = v.data, *end = p + v.len;
	struct span content;
	bool may = v.len && depth <= VALUE_MAX_DEPTH && value_may_refer(*p) &&
		   memchr(p, WIRE_TAG(VALUE_OBJECT, WIRE_LEN), v.len);
	if (!may || (p++, !wire_len(&p, end, &content)))
		return put_rest(v.data, end, to);
	put_fn *put = *v.data == WIRE_TAG(VALUE_OBJECT, WIRE_LEN) ? put_object
		      : *v.data == WIRE_TAG(VALUE_MAP, WIRE_LEN)  ? put_map
								  : put_list;
	size_t len = put_message(t, *v.data, content, depth + 1, put, to);
	return len + put_rest(p, end, to ? to + len : NULL);
}

enum sabir_error value_translate(struct span encoded, value_map_fn *map, void *context, struct bytes *out)
{
	const struct translation t = { map, context };
	size_t len = put_value(&t, encoded, 1, NULL);
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	(void)put_value(&t, encoded, 1, to);
	bytes_commit(out, len);
	return SABIR_OK;
}
