/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_IDENTITY_H
#define SABIR_RPC_IDENTITY_H

#include "server/ops/sessions.h"

struct call;

/* Whom a call acts for, as its metadata say. */
struct identity {
	struct session *session; /* NULL: it names none; counted */
	struct actor actor;
};

/*
 * Reads "sabir-session" and "sabir-thread". Errors: SESSION_ENDED, INVALID_ARGUMENT, with `detail`; then nothing is
 * held.
 */
enum sabir_error identity_find(const struct call *call, struct identity *identity, char *detail);

/* The token that the metadata name, as it came; data NULL: none, or more than one. */
struct span identity_token(const struct call *call);

#endif
