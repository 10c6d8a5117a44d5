/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_VALUE_DIGEST_H
#define SABIR_BASE_VALUE_DIGEST_H

#include "server/base/value.h"

/*
 * 128 bits for what a Value is worth: two Values that are equal as value_same says have the same ones, in whatever order
 * the entries of their maps stand. This is how maps are compared without a look at each pair of entries and without
 * memory: unequal ones with one digest are met once in 2^128 pairs, and not at will, since the digests are made under a
 * secret of the process. They mean nothing outside it.
 */
struct value_digest {
	uint64_t low, high;
	bool has_map; /* the Value is a map or has one inside */
};

/* Of a Value whose top was read. Errors: INVALID_VALUE (something inside is none, or nested too deep). */
enum sabir_error value_digest(const struct value_view *v, struct value_digest *digest);

static inline bool value_digest_same(const struct value_digest *a, const struct value_digest *b)
{
	return a->low == b->low && a->high == b->high;
}

#endif
