/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_VALUE_H
#define SABIR_BASE_VALUE_H

#include <stdbool.h>

#include "server/base/bytes.h"

/*
 * The one reader of encoded sabir.v1.Values. The server never decodes a Value: it validates its bytes once, at the
 * door, and passes them through. No recursion deeper than VALUE_MAX_DEPTH, no allocation.
 *
 * VALUE_MAX_DEPTH is below the 100 levels at which stock protobuf readers stop, so that a Value fits into every message
 * that carries one.
 */
#define VALUE_MAX_DEPTH 96

/* Field numbers of Value's oneof, as in proto/sabir/v1/value.proto. */
enum value_kind {
	VALUE_NONE = 0, /* no field set */
	VALUE_NULL = 1,
	VALUE_BOOL = 2,
	VALUE_INT = 3,
	VALUE_UINT = 4,
	VALUE_REAL = 5,
	VALUE_TEXT = 6,
	VALUE_BINARY = 7,
	VALUE_LIST = 8,
	VALUE_MAP = 9,
	VALUE_TIMESTAMP = 10,
	VALUE_OBJECT = 11,
	VALUE_OPAQUE = 12,
};

/*
 * Exactly one kind set and set once, known fields only, tags of one byte, lengths right, text UTF-8, numbers within
 * their ranges (NULL 0, BOOL 0 or 1, a Timestamp's seconds and nanos), depth within bounds, every nested Value the
 * same. The outermost Value has depth 1 and every message inside another one more. Errors: INVALID_VALUE.
 */
enum sabir_error value_check(struct span encoded);

/* The top of a valid Value: its kind and its payload (the number's bits, or the bytes inside). */
struct value_view {
	enum value_kind kind;
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double d;
		struct span bytes; /* TEXT, BINARY: the content; the kinds behind them: the encoded message */
	};
};
enum sabir_error value_view(struct span encoded, struct value_view *view);

/*
 * The canonical form of a valid Value, so that equal keys have equal bytes: minimal varints, fields in order, defaults
 * as the oneof demands, `unsigned` up to INT64_MAX as `integer`. Adds one item to `out`. Errors: INVALID_VALUE,
 * NO_MEMORY.
 */
enum sabir_error value_canonical(struct span encoded, struct bytes *out);
/*
 * Checks a Value and gives its canonical form: the very bytes where they are canonical already, else those of one item
 * added to `scratch`, never more than encoded.len. Errors: INVALID_VALUE, NO_MEMORY.
 */
enum sabir_error value_key(struct span encoded, struct bytes *scratch, struct span *key);
/*
 * Whether two Values are equal as keys are: they have the same canonical form. Bytes that are no Values equal only
 * themselves.
 */
bool value_equal(struct span a, struct span b);

/*
 * The handles of other objects in a Value, those inside lists and maps too; names are none. Bytes that are no Value, or that
 * change meanwhile, may show handles that are no handles.
 */
typedef void value_ref_fn(void *context, uint64_t handle);
void value_refs(struct span encoded, value_ref_fn *visit, void *context);
/*
 * The same Value with map(handle) in the place of each such handle, as one item of `out`. The map answers the same for a
 * handle whenever it is asked. Errors: NO_MEMORY.
 */
typedef uint64_t value_map_fn(void *context, uint64_t handle);
enum sabir_error value_translate(struct span encoded, value_map_fn *map, void *context, struct bytes *out);
/* Whether a Value that begins with this byte can refer to something. */
static inline bool value_may_refer(uint8_t first)
{
	return first == (VALUE_LIST << 3 | 2) || first == (VALUE_MAP << 3 | 2) || first == (VALUE_OBJECT << 3 | 2);
}

/*
 * Encoders of the simple kinds. value_head_* write what stands before the content (at most VALUE_MAX_HEAD bytes) and
 * return its length.
 */
#define VALUE_MAX_HEAD 12
size_t value_head_bytes(enum value_kind kind, size_t content_len, uint8_t *to); /* from TEXT on */
size_t value_put_null(uint8_t *to);
size_t value_put_bool(bool v, uint8_t *to);
size_t value_put_int(int64_t v, uint8_t *to);
size_t value_put_uint(uint64_t v, uint8_t *to);
size_t value_put_real(double v, uint8_t *to);

/*
 * The sum of two numbers (INT, UINT, REAL) encoded into `to` (VALUE_MAX_HEAD bytes): of integers an integer, else a
 * REAL. Errors: WRONG_TYPE (one is no number), OUT_OF_RANGE (beyond int64/uint64).
 */
enum sabir_error value_sum(struct span a, struct span b, uint8_t *to, size_t *len);

#endif
