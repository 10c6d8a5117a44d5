/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ASKS_STORE_H
#define SABIR_RPC_ASKS_STORE_H

#include "server/rpc/asks.h"

/*
 * Answers in the shared memory (server/objects/answers.h): those that a session keeps, for the next server. An answer is there
 * before anybody is told of it. All together take an eighth of the memory at most. What can't be stored, for there is no room for it, is
 * remembered as lost.
 */

/* The operation has ended with the error and a->result, and its answer is final. Without the mutex. */
void asks_store(struct asks *asks, struct asked *asked, enum sabir_error error);
/* It does not count among them any more. */
void asks_stored_ends(struct asked *asked);
/* Those that a client has acknowledged; takes their references. `list` is linked by next_acknowledged. Without the mutex. */
void asks_unstore(struct asks *asks, struct asked *list);
/* What former servers have stored for the session, before anybody else uses the asks. Errors: NO_MEMORY, BUSY. */
enum sabir_error asks_load(struct asks *asks);

#endif
