/* SPDX-License-Identifier: Apache-2.0 */
#include "server/base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/wire.h"

void bytes_fini(struct bytes *b)
{
	if (b->data != b->fixed)
		free(b->data);
	if (b->ends != b->ends_fixed)
		free(b->ends);
	bytes_init(b, NULL, 0);
}

static int grow_data(struct bytes *b, size_t need)
{
	size_t cap = b->cap < 256 ? 256 : b->cap;
	while (cap < need)
		cap *= 2;
	if (cap > UINT32_MAX)
		cap = UINT32_MAX;
	uint8_t *data = b->data == b->fixed ? malloc(cap) : realloc(b->data, cap);
	if (!data)
		return -1;
	if (b->data == b->fixed && b->len)
		memcpy(data, b->data, b->len);
	b->data = data;
	b->cap = cap;
	return 0;
}

static int grow_ends(struct bytes *b)
{
	if (!b->ends) { /* an all-zero buffer */
		b->ends = b->ends_fixed;
		b->ends_cap = sizeof(b->ends_fixed) / sizeof(b->ends_fixed[0]);
		return 0;
	}
	size_t cap = b->ends_cap * 4;
	uint32_t *ends = b->ends == b->ends_fixed ? malloc(cap * sizeof(*ends)) : realloc(b->ends, cap * sizeof(*ends));
	if (!ends)
		return -1;
	if (b->ends == b->ends_fixed)
		memcpy(ends, b->ends, b->n_items * sizeof(*ends));
	b->ends = ends;
	b->ends_cap = cap;
	return 0;
}

static bool make_room(struct bytes *b, size_t len)
{
	if (len > UINT32_MAX - b->len)
		return false;
	if ((b->len + len > b->cap || !b->data) && grow_data(b, b->len + len))
		return false;
	return (b->ends && b->n_items < b->ends_cap) || !grow_ends(b);
}

/* The tag and the length in front of the item. */
static uint8_t *reserve_framed(struct bytes *b, size_t len)
{
	if (len > UINT32_MAX || !make_room(b, 1 + WIRE_MAX_VARINT + len + BYTES_SLACK))
		return NULL;
	uint8_t *to = b->data + b->len;
	*to++ = b->frame;
	to = wire_put_varint(to, len);
	b->head_len = (uint8_t)(to - (b->data + b->len));
	return to;
}

uint8_t *bytes_make_room(struct bytes *b, size_t len)
{
	if (b->frame)
		return reserve_framed(b, len);
	b->head_len = 0;
	return make_room(b, len) ? b->data + b->len : NULL;
}

enum sabir_error bytes_add(struct bytes *b, const void *data, size_t len)
{
	uint8_t *at = bytes_reserve(b, len);
	if (!at)
		return SABIR_NO_MEMORY;
	if (len)
		memcpy(at, data, len);
	bytes_commit(b, len);
	return SABIR_OK;
}

void bytes_truncate(struct bytes *b, size_t n)
{
	if (n >= b->n_items)
		return;
	b->n_items = n;
	b->len = n ? b->ends[n - 1] : 0;
}

struct span bytes_item(const struct bytes *b, size_t i)
{
	size_t begin = i ? b->ends[i - 1] : 0;
	struct span item = { b->data + begin, b->ends[i] - begin };
	if (!b->frame)
		return item;
	const uint8_t *behind_tag = item.data + 1;
	(void)wire_len(&behind_tag, item.data + item.len, &item);
	return item;
}

void bytes_join(struct bytes *b)
{
	b->frame = 0;
	b->n_items = 1;
	b->ends[0] = (uint32_t)b->len;
}

uint8_t *bytes_take(struct bytes *b)
{
	if (!b->data || b->data == b->fixed)
		return NULL;
	uint8_t *data = b->data;
	b->data = NULL;
	bytes_fini(b);
	return data;
}
