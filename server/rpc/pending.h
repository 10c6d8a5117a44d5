/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_PENDING_H
#define SABIR_RPC_PENDING_H

#include "server/ops/ops.h"
#include "server/rpc/identity.h"

/*
 * Operations that a call or a stream has asked for. One is run at once; if it has to wait it is parked, and everything
 * that this takes is here: the limits, the session that is in use meanwhile, the end of either.
 *
 *	struct op_wait wait;
 *	if (pending_run(&task, &wait, &error))
 *		error = pending_park(p, &task, &wait, error);   // 0: it waits
 *
 * Of a parked one `done` is called exactly once, on any thread, perhaps before pending_park returns, and never with a
 * lock held: with its result, with what pending_cancel was given, or with the end of its session or of the server. Its
 * response may be read or taken before `done` returns. A stream's `done` puts the result where the stream's next turn
 * finds it, under the stream's mutex, and calls stream_wake: turns begin when the park is through with its round, so
 * that what was completed together is sent together.
 */
struct rpc;
struct pending;

struct pending_kind {
	void (*done)(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail);
	/* NULL, or as in struct park_entry: whoever waits has gone, though pending_cancel has yet to be called. */
	bool (*gone)(struct pending *p);
	/*
	 * NULL, or the last that is called: behind `done`, and not while pending_park or pending_cancel runs. Without it the
	 * struct is not looked at behind `done`; who calls pending_park or pending_cancel keeps it for so long.
	 */
	void (*release)(struct pending *p);
};

/* A member of the user's own struct. */
struct pending {
	const struct pending_kind *kind;
	struct rpc *rpc;
	struct session *session;
	struct heavy_job *job; /* heavy.c's */
	uint32_t pooled;       /* it is there, not in the park */
	uint64_t id;
	struct op_receipt receipt; /* of a success, for op_undo */
	uint32_t request_len;
	uint32_t state; /* enum pending_state */
	uint32_t refs;
};

/* Once, before pending_park, and before anybody could call pending_cancel. */
void pending_init(struct pending *p, struct rpc *rpc, const struct pending_kind *kind);
/*
 * Behind the `done` of one without `release`, before the next pending_park. A pending_cancel that is still under way may be
 * seen by that one.
 */
void pending_renew(struct pending *p);

struct pending_task {
	const struct op *op;
	struct span request;
	const struct identity *who;
	const struct op_front *front;
	struct lane *lane;
	struct bytes *out; /* where the response goes */
	char *detail;      /* OP_DETAIL_SIZE bytes */
	bool undoable;     /* the caller keeps the receipt of a success, for op_undo */
};

/*
 * Runs an operation, unless it is heavy: then it has to wait for its turn in the pool of those, wait->side is OP_WAIT_POOL.
 * False: *error, out and detail are its answer. True: it has to wait, for pending_park.
 */
bool pending_run(struct rpc *rpc, const struct pending_task *task, struct op_wait *wait, enum sabir_error *error);
/*
 * Parks one that pending_run answered with `error`. If that is refused the error is returned, with task->detail, and
 * neither `done` nor `release` is called.
 */
enum sabir_error pending_park(struct pending *p, const struct pending_task *task, const struct op_wait *wait,
			      enum sabir_error error);
/*
 * Ends one that is parked, or being parked, with `error`; one that is just being run may still succeed. The caller has a
 * hold on it: taken while `done` was not called yet, or could not return for a lock that the caller had.
 */
void pending_cancel(struct pending *p, enum sabir_error error);
void pending_hold(struct pending *p);
/* For heavy.c: its result. The stream that it is for has its turn when streams_turn() is called. */
void pending_finish(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail);

#endif
