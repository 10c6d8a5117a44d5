/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references in encoded Values.
 *
 * The bytes may lie in shared memory and change while they are read: every length is read once and checked against the end
 * of what it is in, so the worst that comes of it is a handle that nobody wrote.
 */
#include "server/base/value.h"
#include "server/base/wire.h"

struct refs {
	value_ref_fn *visit;
	void *context;
};

static void walk(const struct refs *r, struct span v, unsigned depth);

static void walk_entry(const struct refs *r, struct span entry, unsigned depth)
{
	const uint8_t *p = entry.data, *end = p + entry.len;
	struct span v;

	while (p < end && (*p == WIRE_TAG(1, WIRE_LEN) || *p == WIRE_TAG(2, WIRE_LEN)) && (p++, wire_len(&p, end, &v)))
		walk(r, v, depth);
}

static void walk_repeated(const struct refs *r, struct span list, unsigned depth, bool is_map)
{
	const uint8_t *p = list.data, *end = p + list.len;
	struct span item;

	while (p < end && *p == WIRE_TAG(1, WIRE_LEN) && (p++, wire_len(&p, end, &item))) {
		if (is_map)
			walk_entry(r, item, depth);
		else
			walk(r, item, depth);
	}
}

static void walk_object(const struct refs *r, struct span message)
{
	const uint8_t *p = message.data, *end = p + message.len;
	uint64_t handle;

	if (p < end && *p++ == WIRE_TAG(2, WIRE_VARINT) && wire_varint(&p, end, &handle))
		r->visit(r->context, handle);
}

static void walk(const struct refs *r, struct span v, unsigned depth)
{
	const uint8_t *p = v.data, *end = p + v.len;
	struct span content;

	if (p == end || depth > VALUE_MAX_DEPTH)
		return;
	uint8_t tag = byte_once(p++);
	if (!value_may_refer(tag) || !wire_len(&p, end, &content))
		return;
	if (tag == WIRE_TAG(VALUE_OBJECT, WIRE_LEN))
		walk_object(r, content);
	else
		walk_repeated(r, content, depth + 1, tag == WIRE_TAG(VALUE_MAP, WIRE_LEN));
}

void value_refs(struct span encoded, value_ref_fn *visit, void *context)
{
	const struct refs r = { visit, context };

	/* Most lists and maps have none, and this is many times quicker than the walk. */
	if (encoded.len && value_may_refer(encoded.data[0]) &&
	    memchr(encoded.data, WIRE_TAG(VALUE_OBJECT, WIRE_LEN), encoded.len))
		walk(&r, encoded, 1);
}
