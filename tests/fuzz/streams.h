/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_STREAMS_H
#define SABIR_TESTS_FUZZ_STREAMS_H

#include <stdlib.h>
#include <string.h>

#include "server/rpc/errand_wire.h"

static inline void expect(bool it_is_so)
{
	if (!it_is_so)
		abort();
}

static inline bool is_same(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

/* All that was written, as it would come: where nothing is, there is a place yet. */
static inline struct span all_of(const struct bytes *b)
{
	return (struct span){ b->data ? b->data : (const uint8_t *)"", b->len };
}

/* Whether a part of a message lies in it, or is nothing. */
static inline bool is_inside(struct span message, struct span part)
{
	return !part.data || (part.data >= message.data && part.len <= message.len &&
			      (size_t)(part.data - message.data) <= message.len - part.len);
}

/* streams_session.c */
void session(struct span message, bool flag);

#endif
