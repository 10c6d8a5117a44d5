/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_TASK_TOKEN_H
#define SABIR_OBJECTS_TASK_TOKEN_H

#include <stdint.h>

/*
 * What a lease is known by to programs: a number from which nobody who has not the key learns another one that is good. It is
 * Speck64/128, a permutation of the numbers of 64 bits, so each has one token, and a token leads to its number without a
 * search.
 */
#define TASK_KEY_WORDS 2u

uint64_t task_token_seal(const uint64_t key[TASK_KEY_WORDS], uint64_t number);
uint64_t task_token_open(const uint64_t key[TASK_KEY_WORDS], uint64_t token);

#endif
