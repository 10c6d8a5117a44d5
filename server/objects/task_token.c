/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speck64/128 (Beaulieu and others, "The SIMON and SPECK Families of Lightweight Block Ciphers", 2013): 27 rounds on two
 * halves of 32 bits; the keys of the rounds are made by the same round from the key's other words.
 */
#include "server/objects/task_token.h"

#define N_ROUNDS 27u

static uint32_t turn_right(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}

static void do_round(uint32_t *x, uint32_t *y, uint32_t key)
{
	*x = (turn_right(*x, 8) + *y) ^ key;
	*y = turn_right(*y, 29) ^ *x;
}

static void undo_round(uint32_t *x, uint32_t *y, uint32_t key)
{
	*y = turn_right(*y ^ *x, 3);
	*x = turn_right((*x ^ key) - *y, 24);
}

static void make_keys(const uint64_t key[TASK_KEY_WORDS], uint32_t keys[N_ROUNDS])
{
	uint32_t at = (uint32_t)key[0];
	uint32_t rest[3] = { (uint32_t)(key[0] >> 32), (uint32_t)key[1], (uint32_t)(key[1] >> 32) };
	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		keys[i] = at;
		do_round(&rest[i % 3], &at, i);
	}
}

uint64_t task_token_seal(const uint64_t key[TASK_KEY_WORDS], uint64_t number)
{
	uint32_t keys[N_ROUNDS], x = (uint32_t)(number >> 32), y = (uint32_t)number;
	make_keys(key, keys);
	for (uint32_t i = 0; i < N_ROUNDS; i++)
		do_round(&x, &y, keys[i]);
	return (uint64_t)x << 32 | y;
}

uint64_t task_token_open(const uint64_t key[TASK_KEY_WORDS], uint64_t token)
{
	uint32_t keys[N_ROUNDS], x = (uint32_t)(token >> 32), y = (uint32_t)token;
	make_keys(key, keys);
	for (uint32_t i = N_ROUNDS; i-- > 0;)
		undo_round(&x, &y, keys[i]);
	return (uint64_t)x << 32 | y;
}
