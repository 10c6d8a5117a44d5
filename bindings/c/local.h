/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_LOCAL_H
#define SABIR_C_LOCAL_H

#include "bindings/c/conn.h"

/*
 * Waiting on shared memory. `attempt` is one of the objects' functions that never wait, behind a context; it has just
 * answered EMPTY, FULL or WOULD_BLOCK (error_would_wait). It is made again whenever the object's event on `side` says so, until
 * it answers something else or the CLOCK_MONOTONIC time `deadline_ns` has passed; then its last answer stands.
 * CANCELLED: the thread's token (cancel.h) is fired, and the last attempt would wait on. The lane is that of a struct
 * waiting_lane.
 */
struct waiting_lane {
	struct lane lane; /* first: what the caller of local_wait has is this */
	uint32_t spins;   /* how often it paid to look before sleeping */
};

/* Of a local connection: its server's control socket. */
const char *local_path(const struct sabir_conn *conn);

typedef enum sabir_error local_attempt_fn(struct lane *lane, void *context);
enum sabir_error local_wait(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
			    local_attempt_fn *attempt, void *context);

/*
 * The same for what has a line of those who wait (server/objects/turns.h). The context begins with this; the attempt takes
 * a turn, and keeps its place here, only when told to, so that who gets it while he looks needs none; and ends it when it
 * is the last.
 */
typedef enum sabir_error local_give_up_fn(struct lane *lane, uint64_t handle, uint64_t place);
struct local_turn {
	uint64_t place;
	bool joins;
	bool last;
	struct sabir_conn *conn;
	local_give_up_fn *give_up; /* for a turn that the last attempt could not end: BUSY */
};
enum sabir_error local_wait_turn(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
				 local_attempt_fn *attempt, struct local_turn *turn);
/* Sleeps between attempts that keep their place at `place`; the caller knows what to do when the time is over. */
enum sabir_error local_wait_at(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
			       local_attempt_fn *attempt, void *context, const uint64_t *place);

/*
 * Performs one operation as transport.call does, also one that no path leads to. `response` is empty, or its content is dropped.
 * Errors: besides, TIMED_OUT (timeout_ns passed).
 */
struct op;
enum sabir_error local_run(struct sabir_conn *conn, const struct op *op, struct span request, uint64_t timeout_ns,
			   struct bytes *response);

#endif
