/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_WIRE_H
#define SABIR_BASE_WIRE_H

#include <stdbool.h>
#include <string.h>

#include "server/base/bytes.h"

/*
 * The protobuf wire format, read in place: no copy, no allocation, every length read once and checked against what is left.
 * For bytes that come from outside, and for such as change meanwhile; what a field means is the caller's business.
 */
enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_LEN = 2,
	WIRE_FIXED32 = 5,
};

/* For numbers up to 15. */
#define WIRE_TAG(number, type) ((uint8_t)((number) << 3 | (type)))
#define WIRE_MAX_VARINT 10

struct wire_field {
	uint32_t number;
	uint32_t type;     /* enum wire_type */
	uint64_t bits;     /* VARINT, FIXED64, FIXED32; else 0 */
	struct span bytes; /* LEN; else empty */
};

/* Moves *p behind a varint; false: cut short, or more than 64 bits. */
static inline bool wire_varint(const uint8_t **p, const uint8_t *end, uint64_t *value)
{
	const uint8_t *at = *p;
	uint8_t byte = at < end ? byte_once(at++) : 0x80;
	if (byte < 0x80) {
		*value = byte;
		*p = at;
		return true;
	}
	uint64_t v = byte & 0x7f;
	for (unsigned shift = 7; at < end && shift < 64; shift += 7) {
		byte = byte_once(at++);
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		if (shift == 63 && byte > 1)
			return false;
		*value = v;
		*p = at;
		return true;
	}
	return false;
}

/* Moves *p behind a length and gives the bytes that follow, *p behind them too; false: more than is there. */
static inline bool wire_len(const uint8_t **p, const uint8_t *end, struct span *bytes)
{
	uint64_t len;
	const uint8_t *at = *p;
	if (!wire_varint(&at, end, &len) || len > (uint64_t)(end - at))
		return false;
	*bytes = (struct span){ at, (size_t)len };
	*p = at + len;
	return true;
}

/* Moves *p behind a fixed-width little-endian number of n bytes. */
static inline bool wire_fixed(const uint8_t **p, const uint8_t *end, unsigned n, uint64_t *value)
{
	if (end - *p < (ptrdiff_t)n)
		return false;
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)(*p)[i] << 8 * i;
	*value = v;
	*p += n;
	return true;
}

/* Reads the next field of a message, *p < end; false: not a field. Groups are refused. */
static inline bool wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *f)
{
	uint64_t tag;
	if (!wire_varint(p, end, &tag) || tag < 8 || tag > UINT32_MAX)
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->type = (uint32_t)tag & 7;
	f->bits = 0;
	f->bytes = (struct span){ NULL, 0 };
	switch (f->type) {
	case WIRE_VARINT:
		return wire_varint(p, end, &f->bits);
	case WIRE_FIXED64:
		return wire_fixed(p, end, 8, &f->bits);
	case WIRE_FIXED32:
		return wire_fixed(p, end, 4, &f->bits);
	case WIRE_LEN:
		return wire_len(p, end, &f->bytes);
	}
	return false;
}

static inline size_t wire_varint_size(uint64_t v)
{
	return v < 0x80 ? 1 : (size_t)(63 - __builtin_clzll(v)) / 7 + 1;
}

/* Writes a minimal varint and returns what is behind it. */
static inline uint8_t *wire_put_varint(uint8_t *to, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (uint8_t)(v | 0x80);
	*to++ = (uint8_t)v;
	return to;
}

static inline uint8_t *wire_put_fixed64(uint8_t *to, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		*to++ = (uint8_t)(v >> 8 * i);
	return to;
}

/* A field's tag: one byte for numbers up to 15, else two; numbers up to 2047. */
static inline uint8_t *wire_put_tag(uint8_t *to, uint32_t number, enum wire_type type)
{
	return wire_put_varint(to, (uint64_t)number << 3 | type);
}
static inline size_t wire_tag_size(uint32_t number)
{
	return number < 16 ? 1 : 2;
}

/* Tag, length and bytes. */
static inline uint8_t *wire_put_bytes(uint8_t *to, uint32_t number, const void *data, size_t len)
{
	to = wire_put_tag(to, number, WIRE_LEN);
	to = wire_put_varint(to, len);
	if (len)
		memcpy(to, data, len);
	return to + len;
}

#endif
