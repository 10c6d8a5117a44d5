/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ASKED_H
#define SABIR_RPC_ASKED_H

#include "server/rpc/pending.h"
#include "server/rpc/print.h"
#include "server/rpc/waiter.h"

/*
 * Operations that a session has asked for, on its streams or with an id. One with an id is performed once, by whatever
 * stream and call of the session and however often it is sent; all who have sent it and are still there get its answer.
 *
 * Who waits for an answer may go. When the last one has gone the operation is taken out of the park; if it had succeeded
 * meanwhile its result is kept for the next that asks with its id, or, if it has none, it is undone (op_undo).
 */
enum asked_state {
	ASKED_WAITING, /* it is run, or parked */
	ASKED_ENDED,   /* it has a result, which does not change any more */
};

struct asked {
	struct pending pending;
	struct keyed by_id;
	struct asks *asks;
	struct call *holds; /* NULL, or whose stream goes on when it has ended; a reference */
	const struct op *op;
	uint64_t thread;
	struct print print; /* the same id is for the same request only */
	uint32_t refs;
	enum asked_state state;
	bool undoable;       /* it has no id, so that nobody else can have its result */
	bool kept;           /* it is known by its id */
	bool lost;           /* it was cancelled because nobody waited for it */
	bool stored;         /* its answer is in the shared memory too */
	uint64_t stored_len; /* what it counts for there */
	bool unprinted;      /* its request is not known: that of the same id is taken for the same */
	enum sabir_error error;
	struct op_receipt receipt; /* its own */
	uint8_t *result;           /* the response, or the detail with its 0 */
	size_t result_len;
	struct waiter *waiters; /* the oldest first */
	uint32_t n_waiters;
	struct asked *next_acknowledged; /* asks_acknowledge's */
	struct waiter first;             /* who began it; most have no other */
};

/* A request as it came. */
struct ask_request {
	uint64_t tag;
	uint64_t id; /* 0: none */
	uint64_t thread;
	const struct op *op;
	struct span message;
};
/*
 * Begins an operation: for a request with an id, unless it is known. OK: the caller runs it, and has a reference, which
 * asked_end() takes. CHANGED: it was begun before; its answer comes to the asker as if it had just been begun, and may be
 * there, untold, already. Else the error is the answer: REQUEST_REUSED, REQUEST_FORGOTTEN, OUTCOME_UNKNOWN,
 * TOO_MANY_REQUESTS, NO_MEMORY, and *detail says more.
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

/* The rest for asks.c and waiter.c. */
/* One that is not begun, with a reference; NULL: no memory. */
struct asked *asked_new(struct asks *asks);
void asked_ref(struct asked *asked);
void asked_unref(struct asked *asked);
/* Puts the items back that its kept answer holds. */
void asked_give_back(struct asked *asked, struct lane *lane);
/* Nobody has its result, nor will. */
void asked_undo_lost(struct asked *asked);

#endif
