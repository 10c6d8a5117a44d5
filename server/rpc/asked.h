/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ASKED_H
#define SABIR_RPC_ASKED_H

#include <pthread.h>

#include "server/rpc/keyed.h"
#include "server/rpc/pending.h"

/*
 * What a session's streams have asked for and is not over: operations that wait, results that are not sent yet, and
 * results of requests with an id, which are kept until the client acknowledges them. An operation with an id is performed
 * once, on whatever stream of the session and however often it is sent.
 *
 * Who waits for an answer may go. Then the operation is taken out of the park; if it had succeeded meanwhile its result is
 * kept for the next that asks with its id, or, if it has none, it is undone (op_undo).
 */
#define ASKED_MAX_KEPT 65536u              /* requests with an id, of one session, that were not acknowledged */
#define ASKED_MAX_KEPT_BYTES (64ull << 20) /* the responses of these */

#define ASKER_MAX_WAITING 16384u            /* calls of one stream */
#define ASKER_MAX_READY_BYTES (64ull << 20) /* results of one that is not read */

struct asked;

/* Who gets the answers: a part of a stream's own struct. */
struct asker {
	struct call *call; /* woken when there is a result */
	struct asker *prev, *next;
	struct keyed_table tags; /* what waits; under the mutex of `asks`, like the rest */
	struct asked *ready;     /* results, the oldest first */
	struct asked **ready_end;
	uint64_t ready_bytes;
	bool gone;
	bool told; /* that the session has ended */
};

/* One for each session that has ever had a stream. */
struct asks {
	struct session_extra extra; /* the first member */
	struct rpc *rpc;
	pthread_mutex_t mutex;
	struct asker *askers;
	struct keyed_table ids;
	uint64_t kept_bytes;
	uint64_t acked_below; /* ids below it are forgotten */
	uint64_t owner;
	bool ended; /* the session has */
};

enum asked_state {
	ASKED_WAITING, /* it is run, or parked */
	ASKED_ENDED,   /* it has a result */
};

struct asked {
	struct pending pending;
	struct keyed by_tag; /* WAITING, and somebody waits for it */
	struct keyed by_id;  /* id not 0 */
	struct asks *asks;
	struct asker *asker; /* NULL: nobody waits for it */
	struct asked *next;
	struct call *holds; /* NULL, or whose stream goes on when it has ended; a reference */
	const struct op *op;
	uint64_t thread;
	uint64_t tag;
	uint64_t id;    /* 0: none */
	uint64_t print; /* of the request: the same id is for the same request only */
	uint32_t refs;
	enum asked_state state;
	bool lost; /* it was cancelled because nobody waited for it */
	enum sabir_error error;
	struct op_receipt receipt; /* its own */
	uint8_t *result;           /* the response, or the detail with its 0 */
	size_t result_len;
};

/* The session's, made if it has none yet. NULL: no memory. */
struct asks *asks_of(struct rpc *rpc, struct session *session);
void asker_enter(struct asks *asks, struct asker *asker);
/* It wants no answers any more; what waits for it is cancelled. Outside of asker_take. */
void asker_leave(struct asks *asks, struct asker *asker);
/* All results that are there, a list with a reference each. */
struct asked *asker_take(struct asks *asks, struct asker *asker);

/* A request as it came. */
struct ask_request {
	uint64_t tag;
	uint64_t id;
	uint64_t thread;
	const struct op *op;
	struct span message;
};
/*
 * Begins an operation: for a request with an id, unless it is known. OK: the caller runs it, and has a reference, which
 * asked_end() takes. CHANGED: it was begun before; its answer comes to the asker as if it had just been begun. Else the
 * error is the answer: REQUEST_REUSED, REQUEST_FORGOTTEN, TOO_MANY_REQUESTS, NO_MEMORY, and *detail says more.
 */
enum sabir_error asked_begin(struct asks *asks, struct asker *asker, const struct ask_request *request,
			     struct asked **asked, const char **detail);
/* The operation that was begun has ended: the result goes to who waits for it. Takes a reference. */
void asked_end(struct asked *asked, enum sabir_error error, struct bytes *response, const char *detail);
/* Parks it; its end comes by itself. On failure the caller still has his reference, and ends it. */
enum sabir_error asked_park(struct asked *asked, const struct pending_task *task, const struct op_wait *wait,
			    enum sabir_error error);
/* The stream is woken when it has ended; takes another reference, for asked_let_go. Before it is parked. */
void asked_hold(struct asks *asks, struct asked *asked, struct call *call);
/* False: it has not ended yet; else the reference of asked_hold is dropped. */
bool asked_let_go(struct asks *asks, struct asked *asked);
bool asked_has_ended(struct asks *asks, const struct asked *asked);
/* Cancels what waits for the asker under this tag, if there is something. */
void asked_cancel(struct asks *asks, struct asker *asker, uint64_t tag);
/* The client has the results of all ids below. */
void asks_acknowledge(struct asks *asks, uint64_t below);

/* Undoes a result that could not be delivered, unless it has an id, and drops the list's references. */
void asked_drop_undelivered(struct asked *list);
void asked_drop_delivered(struct asked *list);

#endif
