/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_IDENTITY_H
#define SABIR_RPC_IDENTITY_H

#include "server/ops/sessions.h"

struct call;

/* Whom a call acts for, as its metadata say. */
struct identity {
	struct session *session; /* NULL: it names none; counted */
	struct actor actor;
	uint64_t request_id;         /* 0: none, as without a session */
	uint64_t acknowledged_below; /* the same */
};

/*
 * Reads "sabir-session", "sabir-thread" and, of an operation's call, "sabir-request-id" and "sabir-acknowledged-below".
 * Errors: SESSION_ENDED, INVALID_ARGUMENT, with `detail`; then nothing is held.
 */
enum sabir_error identity_find(const struct call *call, struct identity *identity, char *detail);

/* The token that a stream's metadata name, as it came; data NULL: none. Errors: INVALID_ARGUMENT, with `detail`. */
enum sabir_error identity_token(const struct call *call, struct span *token, char *detail);

#endif
