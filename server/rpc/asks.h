/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ASKS_H
#define SABIR_RPC_ASKS_H

#include <pthread.h>

#include "server/ops/sessions.h"
#include "server/rpc/keyed.h"

/*
 * What a session remembers of its requests with an id: those that are not over, and the answers that the client has not
 * acknowledged, by their ids. Everything in it, the requests themselves (asked.h) and who waits for them (asker.h) are under
 * its mutex; it is held for no longer than that takes, never while an operation is run or anybody is told.
 */
#define ASKS_MAX_KEPT 65536u              /* requests with an id, of one session, that were not acknowledged */
#define ASKS_MAX_KEPT_BYTES (64ull << 20) /* the responses of these */

struct asked;
struct asker;
struct rpc;

/* One for each session that has ever had a stream, or a call with an id. */
struct asks {
	struct session_extra extra; /* the first member */
	struct rpc *rpc;
	pthread_mutex_t mutex;
	struct asker *askers;
	struct keyed_table ids;
	uint64_t kept_bytes;
	uint64_t acked_below; /* ids below it are forgotten */
	uint64_t lost_below;  /* ids below it that are not known may be those of requests that were performed */
	uint32_t n_to_come;   /* former servers' lanes that had answers to come when the answers were loaded */
	uint64_t owner;
	struct session *session;
	bool ended; /* the session has */
};

/* The session's, made if it has none yet; it lasts as long as the session is in use. NULL: no memory, or too much is in the way. */
struct asks *asks_of(struct rpc *rpc, struct session *session);
/* The client has the answers of all ids below. */
void asks_acknowledge(struct asks *asks, uint64_t below);

/* The rest with the mutex held. */

/* NULL: there is none of this id. */
struct asked *asks_known(const struct asks *asks, uint64_t id);
/* Before an id is taken for one that is not known: UNAVAILABLE: it is not clear yet what a former server has done. */
enum sabir_error asks_catch_up(struct asks *asks, uint64_t id, const char **detail);
/* Whether one more can be kept, under an id that is not known: REQUEST_FORGOTTEN, OUTCOME_UNKNOWN, TOO_MANY_REQUESTS, NO_MEMORY. */
enum sabir_error asks_admit(struct asks *asks, uint64_t id, const char **detail);
/* Keeps one that was admitted, with a reference. */
void asks_keep(struct asks *asks, struct asked *asked, uint64_t id);
/* One that is kept has its answer, which counts from now on. */
void asks_count_answer(struct asks *asks, const struct asked *asked);
/* Drops one that is kept, and the reference. */
void asks_forget(struct asks *asks, struct asked *asked);

#endif
