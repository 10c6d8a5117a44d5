/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_TOKEN_H
#define SABIR_OPS_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/bytes.h"

/*
 * The tokens of sessions: 128 random bits, 32 hexadecimal digits as text. In shared memory, where every local program can
 * read, stands a token's print, from which nobody finds the token.
 */
#define TOKEN_SIZE 16u
#define TOKEN_TEXT_LEN (2 * TOKEN_SIZE)

/* False: it is none. */
bool token_read(struct span text, uint8_t token[TOKEN_SIZE]);
void token_write(const uint8_t token[TOKEN_SIZE], char text[TOKEN_TEXT_LEN + 1]);
/* The first half of its SHA-256. */
void token_print(const uint8_t token[TOKEN_SIZE], uint8_t print[TOKEN_SIZE]);

#endif
