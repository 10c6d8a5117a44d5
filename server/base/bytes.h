/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_BYTES_H
#define SABIR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/base/error.h"

/* Bytes that belong to somebody else. */
struct span {
	const uint8_t *data;
	size_t len;
};

/*
 * One look at a byte that may lie where others write: by which it is decided how much is read behind it, so that it must not
 * be fetched again for what follows from the decision.
 */
static inline uint8_t byte_once(const uint8_t *at)
{
	return *(const volatile uint8_t *)at;
}

/* The first and the last `part` bytes of `len`, at most twice as many: together all of them. */
#define COPY_ENDS(part)                                                                                                \
	do {                                                                                                           \
		memcpy(to, from, part);                                                                                \
		memcpy(to + len - (part), from + len - (part), part);                                                  \
	} while (0)

/* memcpy for bytes that are few, mostly: a call of it costs as much as they do. */
static inline void copy_few(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len > 128)
		memcpy(to, from, len);
	else if (len >= 64)
		COPY_ENDS(64);
	else if (len >= 32)
		COPY_ENDS(32);
	else if (len >= 16)
		COPY_ENDS(16);
	else if (len >= 8)
		COPY_ENDS(8);
	else
		for (size_t i = 0; i < len; i++)
			to[i] = from[i];
}

/*
 * Where results go: a growable buffer that holds any number of items one behind the other. All-zero is an empty one;
 * `fixed` memory given by bytes_init is used until it is too small.
 *
 * `frame` and `limit` may be set behind bytes_init; bytes_fini resets them. With a frame each item is written as a
 * field of a protobuf message, so that whoever adds items writes a response without knowing it.
 */
struct bytes {
	uint8_t *data;
	size_t len;
	size_t cap;
	uint32_t *ends; /* ends[i] = offset behind item i */
	size_t n_items;
	size_t ends_cap;
	uint32_t ends_fixed[4];
	uint8_t *fixed;
	size_t limit;  /* not 0: who adds several items stops in front of the one that would pass it; see bytes_fits */
	uint8_t frame; /* not 0: the tag that is written in front of each item, with the item's length */
	uint8_t head_len; /* of the item last reserved */
};

/* Bytes behind `len` that are still there when items with a frame have been added: fields that follow can't fail. */
#define BYTES_SLACK 32

static inline void bytes_init(struct bytes *b, void *fixed, size_t fixed_len)
{
	b->data = fixed;
	b->fixed = fixed;
	b->cap = !fixed ? 0 : fixed_len > UINT32_MAX ? UINT32_MAX : fixed_len; /* offsets of items have 32 bits */
	b->len = 0;
	b->ends = b->ends_fixed;
	b->ends_cap = sizeof(b->ends_fixed) / sizeof(b->ends_fixed[0]);
	b->n_items = 0;
	b->limit = 0;
	b->frame = 0;
	b->head_len = 0;
}
void bytes_fini(struct bytes *b);

/* bytes_reserve where there is a frame, or the memory has to grow. */
uint8_t *bytes_make_room(struct bytes *b, size_t len);
/* Room for one more item of `len` bytes, or NULL when the process is out of memory. Valid until the next reserve. */
static inline uint8_t *bytes_reserve(struct bytes *b, size_t len)
{
	if (b->frame || !b->data || len > b->cap - b->len || b->n_items >= b->ends_cap)
		return bytes_make_room(b, len);
	b->head_len = 0;
	return b->data + b->len;
}
/* Makes the `len` bytes last reserved the next item; with a frame, all that were reserved. Cannot fail. */
static inline void bytes_commit(struct bytes *b, size_t len)
{
	b->len += b->head_len + len;
	b->ends[b->n_items++] = (uint32_t)b->len;
	b->head_len = 0;
}
/* reserve, copy, commit. */
enum sabir_error bytes_add(struct bytes *b, const void *data, size_t len);
/* Drops everything, also what is no item: the beginning of a message whose items then did not come. */
static inline void bytes_empty(struct bytes *b)
{
	b->n_items = 0;
	b->len = 0;
	b->head_len = 0;
}
/* Drops all items behind the first n. */
void bytes_truncate(struct bytes *b, size_t n);
struct span bytes_item(const struct bytes *b, size_t i);
/*
 * Hands the memory to the caller, who frees it with free(), and leaves the buffer empty. NULL if it is in fixed memory
 * or there is none.
 */
uint8_t *bytes_take(struct bytes *b);
/* Makes all that is there one item without a frame. Cannot fail behind a bytes_reserve. */
void bytes_join(struct bytes *b);

/* Whether one more item of `len` bytes keeps to the limit. The first of several always does. */
static inline bool bytes_fits(const struct bytes *b, size_t len)
{
	return !b->limit || !b->n_items || (b->len < b->limit && len < b->limit - b->len);
}

#endif
