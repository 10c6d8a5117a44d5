/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests from the inside out: each Value's is the hash of its kind and two words, which are the number itself, the hash
 * of the content, or what the digests of the items add up to. Items of a list follow each other, so each is hashed
 * together with all in front of it; entries of a map have no order, so their hashes are added.
 */
#include "server/base/value_digest.h"

#include <math.h>
#include <pthread.h>
#include <sys/random.h>

#include "server/base/wire.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Names that stand in the place of a kind where one kind has two ways to be written. */
enum { NUMBER_WHOLE = VALUE_INT, NUMBER_BROKEN = VALUE_REAL, OBJECT_NAMED = VALUE_OPAQUE + 1 };

struct digesting {
	unsigned depth;
	bool has_map;
};

static uint8_t secret[XXH3_SECRET_SIZE_MIN];

/* Without random bytes, which a running system always has, the digests are right and can be guessed. */
static void make_secret(void)
{
	uint64_t seed[4] = { 0 };
	(void)!getrandom(seed, sizeof(seed), 0);
	(void)XXH3_generateSecret(secret, sizeof(secret), seed, sizeof(seed));
}

static XXH128_hash_t hash(const void *data, size_t len)
{
	return XXH3_128bits_withSecret(data, len, secret, sizeof(secret));
}

static XXH128_hash_t hash_span(struct span s)
{
	return hash(s.len ? s.data : (const uint8_t *)"", s.len);
}

static XXH128_hash_t hash_two(XXH128_hash_t a, XXH128_hash_t b)
{
	const XXH128_hash_t two[2] = { a, b };
	return hash(two, sizeof(two));
}

static XXH128_hash_t seal(unsigned kind, uint64_t low, uint64_t high)
{
	const uint64_t words[3] = { kind, low, high };
	return hash(words, sizeof(words));
}

static XXH128_hash_t seal_hash(unsigned kind, XXH128_hash_t h)
{
	return seal(kind, h.low64, h.high64);
}

static XXH128_hash_t digest_whole(__int128 v)
{
	return seal(NUMBER_WHOLE, (uint64_t)v, (uint64_t)(v >> 64));
}

/* As relate() in value_order.c has it: a double that is an integer of 64 bits is that integer, and NaNs are one. */
static XXH128_hash_t digest_real(double v)
{
	uint64_t bits;
	if (v >= -0x1p63 && v < 0x1p64 && trunc(v) == v)
		return digest_whole((__int128)v);
	if (isnan(v))
		v = (double)NAN;
	memcpy(&bits, &v, sizeof(bits));
	return seal(NUMBER_BROKEN, bits, 0);
}

static bool digest_value(struct digesting *d, struct span encoded, XXH128_hash_t *sum);

static bool digest_list(struct digesting *d, struct span list, XXH128_hash_t *sum)
{
	const uint8_t *p = list.data, *end = p + list.len;
	XXH128_hash_t all = { 0, 0 }, item;
	struct wire_field f;

	while (p < end) {
		if (!wire_next(&p, end, &f) || f.type != WIRE_LEN || !digest_value(d, f.bytes, &item))
			return false;
		all = hash_two(all, item);
	}
	*sum = seal_hash(VALUE_LIST, all);
	return true;
}

static bool digest_entry(struct digesting *d, struct span entry, XXH128_hash_t *sum)
{
	const uint8_t *p = entry.data, *end = p + entry.len;
	XXH128_hash_t two[2] = { { 0, 0 }, { 0, 0 } };
	struct wire_field f;

	while (p < end)
		if (!wire_next(&p, end, &f) || f.type != WIRE_LEN || f.number < 1 || f.number > 2 ||
		    !digest_value(d, f.bytes, &two[f.number - 1]))
			return false;
	*sum = hash_two(two[0], two[1]);
	return true;
}

static bool digest_map(struct digesting *d, struct span map, XXH128_hash_t *sum)
{
	const uint8_t *p = map.data, *end = p + map.len;
	unsigned __int128 all = 0;
	XXH128_hash_t entry;
	struct wire_field f;

	d->has_map = true;
	while (p < end) {
		if (!wire_next(&p, end, &f) || f.type != WIRE_LEN || !digest_entry(d, f.bytes, &entry))
			return false;
		all += (unsigned __int128)entry.high64 << 64 | entry.low64;
	}
	*sum = seal(VALUE_MAP, (uint64_t)all, (uint64_t)(all >> 64));
	return true;
}

/* The messages whose fields 1 and 2 are all that they are, absent ones like empty ones: Timestamp, ObjectRef, Opaque. */
static bool digest_fields(enum value_kind kind, struct span message, XXH128_hash_t *sum)
{
	const uint8_t *p = message.data, *end = p + message.len;
	XXH128_hash_t two[2] = { { 0, 0 }, { 0, 0 } };
	struct wire_field f;

	while (p < end) {
		if (!wire_next(&p, end, &f) || f.number < 1 || f.number > 2)
			return false;
		two[f.number - 1] = f.bytes.len ? hash(f.bytes.data, f.bytes.len) : (XXH128_hash_t){ f.bits, 0 };
		if (kind == VALUE_OBJECT && f.number == 1)
			kind = (enum value_kind)OBJECT_NAMED;
	}
	*sum = seal_hash(kind, hash_two(two[0], two[1]));
	return true;
}

static bool digest_view(struct digesting *d, const struct value_view *v, XXH128_hash_t *sum)
{
	switch (v->kind) {
	case VALUE_LIST:
		return digest_list(d, v->bytes, sum);
	case VALUE_MAP:
		return digest_map(d, v->bytes, sum);
	case VALUE_TIMESTAMP:
	case VALUE_OBJECT:
	case VALUE_OPAQUE:
		return digest_fields(v->kind, v->bytes, sum);
	case VALUE_TEXT:
	case VALUE_BINARY:
		*sum = seal_hash(v->kind, hash_span(v->bytes));
		return true;
	case VALUE_REAL:
		*sum = digest_real(v->d);
		return true;
	case VALUE_NULL:
		*sum = seal(VALUE_NULL, 0, 0);
		return true;
	default:
		*sum = digest_whole(v->kind == VALUE_BOOL  ? (__int128)v->boolean
				    : v->kind == VALUE_INT ? (__int128)v->i
							   : (__int128)v->u);
		return true;
	}
}

static bool digest_value(struct digesting *d, struct span encoded, XXH128_hash_t *sum)
{
	struct value_view v;
	if (d->depth >= VALUE_MAX_DEPTH || value_view(encoded, &v))
		return false;
	d->depth++;
	bool good = digest_view(d, &v, sum);
	d->depth--;
	return good;
}

enum sabir_error value_digest(const struct value_view *v, struct value_digest *digest)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct digesting d = { .depth = 1 };
	XXH128_hash_t sum;

	(void)pthread_once(&once, make_secret);
	if (!digest_view(&d, v, &sum))
		return SABIR_INVALID_VALUE;
	*digest = (struct value_digest){ .low = sum.low64, .high = sum.high64, .has_map = d.has_map };
	return SABIR_OK;
}
