/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_IDENTITY_WIRE_H
#define SABIR_RPC_IDENTITY_WIRE_H

#include "server/base/bytes.h"

/* The metadata of a call that say who calls. */
enum identity_key {
	IDENTITY_SESSION,
	IDENTITY_THREAD,
	IDENTITY_REQUEST_ID,
	IDENTITY_ACKNOWLEDGED_BELOW,
	IDENTITY_KEYS,
};

/* Their values as they came, with data NULL where there is none. All-zero before the first. */
struct identity_words {
	struct span of[IDENTITY_KEYS];
};

/* Notes one of a call's metadata if it is one of these; false: its key has come before. */
bool identity_note(struct identity_words *words, struct span key, struct span value);

/* The number that a key holds, 0 if it is not there; false: it holds none, or one of more than 64 bits. */
bool identity_number(const struct identity_words *words, enum identity_key key, uint64_t *number);

const char *identity_key_name(enum identity_key key);

#endif
