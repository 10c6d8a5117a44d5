/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_SCALAR_H
#define SABIR_OBJECTS_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

/*
 * One element of a value or array. Type codes are Python's letters: c b B h H i I l L q Q f d ? u, with these widths
 * everywhere: c b B ? 1, h H 2, i I f u 4, l L q Q d 8. 'c' is a byte 0-255, 'u' a Unicode code point. What goes with
 * what is the contract of Scalar in proto/sabir/v1/object.proto.
 */
enum scalar_kind { SCALAR_INT, SCALAR_UINT, SCALAR_REAL, SCALAR_BOOL };
struct scalar {
	enum scalar_kind kind;
	union {
		int64_t i;
		uint64_t u;
		double d;
		bool b;
	};
};

/* Bytes of an element, 0 for a letter that is no type code. */
uint32_t scalar_width(uint32_t type_code);
/*
 * The element's bits, in the low bytes. An integer of either kind goes into every integer type that holds it, c and u
 * included, and into f and d, rounded to the nearest; a real only into f and d; a bool only into '?', and nothing else
 * does. Errors: OUT_OF_RANGE, WRONG_TYPE, INVALID_ARGUMENT (no type code).
 */
enum sabir_error scalar_encode(uint32_t type_code, const struct scalar *s, uint64_t *bits);
/*
 * b h i l q, c and u give SCALAR_INT, B H I L Q SCALAR_UINT, f d SCALAR_REAL, ? SCALAR_BOOL. Bits above the width
 * don't count.
 */
void scalar_decode(uint32_t type_code, uint64_t bits, struct scalar *s);
/*
 * The sum in the type's own arithmetic: integers wrap at their width, whatever the delta's width and sign; f and d
 * add as IEEE 754, in f after rounding the delta. Errors: WRONG_TYPE (c, u and ? are no numbers; a real or bool for
 * an integer, a bool for f and d), INVALID_ARGUMENT (no type code).
 */
enum sabir_error scalar_add(uint32_t type_code, uint64_t bits, const struct scalar *delta, uint64_t *sum);
/*
 * Whether n elements, one behind the other at any address, are ones that scalar_encode could have made: what came from
 * outside as bytes. Errors: OUT_OF_RANGE (a bool that is neither 0 nor 1, more than the last code point).
 */
enum sabir_error scalar_check(uint32_t type_code, const void *elements, size_t n);

#endif
