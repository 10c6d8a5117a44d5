/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements of values and arrays, between what a caller gives or gets (struct scalar) and the bits that stand in memory.
 *
 * A type is a class and a width. The bits of an element narrower than 64 bits are in the low bytes, and the bytes
 * above are 0: what this file makes can be compared as a number. What it reads it cuts to the width first.
 */
#include "server/objects/scalar.h"

#include <string.h>

enum class {
	CLASS_NONE,
	CLASS_SIGNED,
	CLASS_UNSIGNED,
	CLASS_CHARACTER, /* a byte or a code point: an integer that can't be added to */
	CLASS_REAL,
	CLASS_BOOL,
};

struct type {
	uint8_t class;
	uint8_t width;
};

#define MAX_CODE_POINT 0x10ffffu

/* Elements lie in memory as they travel: the wire is little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slices would have to be swapped");

static struct type type_of(uint32_t type_code)
{
	switch (type_code) {
	case 'c':
		return (struct type){ CLASS_CHARACTER, 1 };
	case 'b':
		return (struct type){ CLASS_SIGNED, 1 };
	case 'B':
		return (struct type){ CLASS_UNSIGNED, 1 };
	case 'h':
		return (struct type){ CLASS_SIGNED, 2 };
	case 'H':
		return (struct type){ CLASS_UNSIGNED, 2 };
	case 'i':
		return (struct type){ CLASS_SIGNED, 4 };
	case 'I':
		return (struct type){ CLASS_UNSIGNED, 4 };
	case 'l':
	case 'q':
		return (struct type){ CLASS_SIGNED, 8 };
	case 'L':
	case 'Q':
		return (struct type){ CLASS_UNSIGNED, 8 };
	case 'f':
		return (struct type){ CLASS_REAL, 4 };
	case 'd':
		return (struct type){ CLASS_REAL, 8 };
	case '?':
		return (struct type){ CLASS_BOOL, 1 };
	case 'u':
		return (struct type){ CLASS_CHARACTER, 4 };
	default:
		return (struct type){ CLASS_NONE, 0 };
	}
}

uint32_t scalar_width(uint32_t type_code)
{
	return type_of(type_code).width;
}

/* ---------------------------------------------------------------- numbers */

static uint64_t cut(uint64_t bits, uint32_t width)
{
	return width == 8 ? bits : bits & ((1ull << 8 * width) - 1);
}

static int64_t sign_extend(uint64_t bits, uint32_t width)
{
	uint64_t sign = 1ull << (8 * width - 1);
	return (int64_t)((cut(bits, width) ^ sign) - sign);
}

static double real_of(uint64_t bits, uint32_t width)
{
	uint32_t low = (uint32_t)bits;
	float f;
	double d;
	if (width == 4) {
		memcpy(&f, &low, sizeof(f));
		return f;
	}
	memcpy(&d, &bits, sizeof(d));
	return d;
}

/* To the nearest in one step: an integer that went through a double on its way to a float would be rounded twice. */
static float float_of(const struct scalar *s)
{
	return s->kind == SCALAR_INT ? (float)s->i : s->kind == SCALAR_UINT ? (float)s->u : (float)s->d;
}

static double double_of(const struct scalar *s)
{
	return s->kind == SCALAR_INT ? (double)s->i : s->kind == SCALAR_UINT ? (double)s->u : s->d;
}

static uint64_t float_bits(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

static uint64_t double_bits(double d)
{
	uint64_t bits;
	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

static bool is_integer(const struct scalar *s)
{
	return s->kind == SCALAR_INT || s->kind == SCALAR_UINT;
}

/* ---------------------------------------------------------------- encode, decode, add */

static enum sabir_error encode_signed(uint32_t width, const struct scalar *s, uint64_t *bits)
{
	int64_t most = INT64_MAX >> (64 - 8 * width);
	if (s->kind == SCALAR_UINT ? s->u > (uint64_t)most : s->i > most || s->i < -most - 1)
		return SABIR_OUT_OF_RANGE;
	*bits = cut(s->u, width);
	return SABIR_OK;
}

static enum sabir_error encode_unsigned(uint64_t most, const struct scalar *s, uint64_t *bits)
{
	if ((s->kind == SCALAR_INT && s->i < 0) || s->u > most)
		return SABIR_OUT_OF_RANGE;
	*bits = s->u;
	return SABIR_OK;
}

enum sabir_error scalar_encode(uint32_t type_code, const struct scalar *s, uint64_t *bits)
{
	struct type type = type_of(type_code);
	if (type.class == CLASS_NONE)
		return SABIR_INVALID_ARGUMENT;
	if ((type.class == CLASS_BOOL) != (s->kind == SCALAR_BOOL) ||
	    (s->kind == SCALAR_REAL && type.class != CLASS_REAL))
		return SABIR_WRONG_TYPE;
	switch (type.class) {
	case CLASS_SIGNED:
		return encode_signed(type.width, s, bits);
	case CLASS_UNSIGNED:
		return encode_unsigned(cut(UINT64_MAX, type.width), s, bits);
	case CLASS_CHARACTER:
		return encode_unsigned(type.width == 1 ? UINT8_MAX : MAX_CODE_POINT, s, bits);
	case CLASS_REAL:
		*bits = type.width == 4 ? float_bits(float_of(s)) : double_bits(double_of(s));
		return SABIR_OK;
	default:
		*bits = s->b;
		return SABIR_OK;
	}
}

void scalar_decode(uint32_t type_code, uint64_t bits, struct scalar *s)
{
	struct type type = type_of(type_code);
	switch (type.class) {
	case CLASS_SIGNED:
		*s = (struct scalar){ .kind = SCALAR_INT, .i = sign_extend(bits, type.width) };
		break;
	case CLASS_CHARACTER:
		*s = (struct scalar){ .kind = SCALAR_INT, .i = (int64_t)cut(bits, type.width) };
		break;
	case CLASS_REAL:
		*s = (struct scalar){ .kind = SCALAR_REAL, .d = real_of(bits, type.width) };
		break;
	case CLASS_BOOL:
		*s = (struct scalar){ .kind = SCALAR_BOOL, .b = cut(bits, type.width) != 0 };
		break;
	default:
		*s = (struct scalar){ .kind = SCALAR_UINT, .u = type.width ? cut(bits, type.width) : 0 };
		break;
	}
}

enum sabir_error scalar_add(uint32_t type_code, uint64_t bits, const struct scalar *delta, uint64_t *sum)
{
	struct type type = type_of(type_code);
	if (type.class == CLASS_NONE)
		return SABIR_INVALID_ARGUMENT;
	if (type.class == CLASS_CHARACTER || type.class == CLASS_BOOL || delta->kind == SCALAR_BOOL)
		return SABIR_WRONG_TYPE;
	if (type.class == CLASS_REAL) {
		double now = real_of(bits, type.width);
		*sum = type.width == 4 ? float_bits((float)now + float_of(delta)) : double_bits(now + double_of(delta));
		return SABIR_OK;
	}
	if (!is_integer(delta))
		return SABIR_WRONG_TYPE;
	/* Both members of the union have the same bits modulo 2^64, so signed and unsigned are one addition. */
	*sum = cut(bits + delta->u, type.width);
	return SABIR_OK;
}

enum sabir_error scalar_check(uint32_t type_code, const void *elements, size_t n)
{
	const uint8_t *at = elements;
	for (size_t i = 0; type_code == '?' && i < n; i++)
		if (at[i] > 1)
			return SABIR_OUT_OF_RANGE;
	for (size_t i = 0; type_code == 'u' && i < n; i++) {
		uint32_t c;
		memcpy(&c, at + 4 * i, sizeof(c));
		if (c > MAX_CODE_POINT)
			return SABIR_OUT_OF_RANGE;
	}
	return SABIR_OK;
}
