/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 128 bits of XXH3 under a secret of the memory, which all servers that follow each other on it have. Requests
 * themselves are not kept to be compared: they may be as large as an item, and 65,536 of them are remembered. By chance
 * two prints are never the same; and whoever chooses the bytes of what a program passes on can't make them so, since he
 * knows neither the secret nor any print.
 */
#include "server/rpc/print.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint8_t secret[XXH3_SECRET_SIZE_MIN];

void print_begin(const struct segment *seg)
{
	/* The first is random and never told to a remote program; the second, as random, is. */
	const uint64_t seed[] = { seg->hash_seed, seg->instance };
	(void)XXH3_generateSecret(secret, sizeof(secret), seed, sizeof(seed));
}

struct print print_of(const char *method, uint64_t thread, struct span message)
{
	XXH3_state_t state;
	XXH3_128bits_reset_withSecret(&state, secret, sizeof(secret));
	/* With its 0, and a number of fixed size: where one part ends and the next begins is never in doubt. */
	XXH3_128bits_update(&state, method, strlen(method) + 1);
	XXH3_128bits_update(&state, &thread, sizeof(thread));
	XXH3_128bits_update(&state, message.len ? message.data : (const uint8_t *)"", message.len);
	XXH128_hash_t hash = XXH3_128bits_digest(&state);
	return (struct print){ hash.low64, hash.high64 };
}
