/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens. A token is shorter than a block of SHA-256 (FIPS 180-4), so there is only one block to be hashed.
 */
#include "server/ops/token.h"

#include <stdio.h>

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool token_read(struct span text, uint8_t token[TOKEN_SIZE])
{
	if (text.len != TOKEN_TEXT_LEN)
		return false;
	for (size_t i = 0; i < TOKEN_SIZE; i++) {
		int high = digit(text.data[2 * i]), low = digit(text.data[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		token[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void token_write(const uint8_t token[TOKEN_SIZE], char text[TOKEN_TEXT_LEN + 1])
{
	for (size_t i = 0; i < TOKEN_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", token[i]);
}

/* ---------------------------------------------------------------- SHA-256 */

#define N_ROUNDS 64u
#define BLOCK_SIZE 64u

/* The fractions of the cube roots of the first 64 primes. */
static const uint32_t round_constant[N_ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The fractions of the square roots of the first 8. */
static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void expand(const uint8_t block[BLOCK_SIZE], uint32_t w[N_ROUNDS])
{
	for (unsigned i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (unsigned i = 16; i < N_ROUNDS; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

/* s is a to h of the standard. */
static void run_round(uint32_t s[8], uint32_t k, uint32_t w)
{
	uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
	uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
	uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + k + w;
	uint32_t t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
	for (unsigned i = 7; i > 0; i--)
		s[i] = s[i - 1];
	s[4] += t1;
	s[0] = t1 + t2;
}

void token_print(const uint8_t token[TOKEN_SIZE], uint8_t print[TOKEN_SIZE])
{
	uint8_t block[BLOCK_SIZE] = { 0 };
	uint32_t w[N_ROUNDS], s[8];
	for (unsigned i = 0; i < TOKEN_SIZE; i++)
		block[i] = token[i];
	block[TOKEN_SIZE] = 0x80;
	block[BLOCK_SIZE - 1] = 8 * TOKEN_SIZE; /* the length in bits */
	for (unsigned i = 0; i < 8; i++)
		s[i] = initial[i];
	expand(block, w);
	for (unsigned i = 0; i < N_ROUNDS; i++)
		run_round(s, round_constant[i], w[i]);
	for (unsigned i = 0; i < TOKEN_SIZE; i++)
		print[i] = (uint8_t)((initial[i / 4] + s[i / 4]) >> (24 - 8 * (i % 4)));
}
