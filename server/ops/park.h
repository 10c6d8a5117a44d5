/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_PARK_H
#define SABIR_OPS_PARK_H

#include "server/ops/ops.h"

/*
 * The parked operations of a process: those that could not finish when they were first run (op_run answered with
 * wait->wanted) and that no thread waits for. Whoever polls the segment's doorbell runs them again when their object
 * has changed or its lock was released, those who came first being served first; getters, putters and those who wait
 * for the lock apart: one put completes one get. What was waited for may change: who has got the lock may find the
 * queue empty.
 *
 * Of every parked operation exactly one of these is true, whatever races with what:
 *   - its `done` is called, once, from the thread that completed it, without any lock of the park held;
 *   - park_cancel() returned true for it.
 *
 * An operation is run only after it was claimed (WAITING -> RUNNING under the park's mutex), and a cancel that comes
 * while it is RUNNING loses: what it took out of a queue is handed to `done`, so nothing is lost between a get and its
 * cancellation. All functions may be called from any thread, also from within `done`; a lane serves one thread at a
 * time.
 */
struct park;

/*
 * How a parked operation ended. SABIR_OK: `response` holds the encoded response, to be read, or taken with
 * bytes_take(), before `done` returns. Otherwise `detail` is a text for people as of op_run, never NULL.
 */
typedef void park_done_fn(void *context, enum sabir_error error, struct bytes *response, const char *detail);

struct park_entry {
	const struct op *op;
	struct span request;        /* copied */
	struct actor actor;         /* whom it is run for */
	const struct op_wait *wait; /* as op_run filled it */
	enum sabir_error
		error; /* what op_run answered: EMPTY, FULL, WOULD_BLOCK or BUSY; what it ends with at its deadline */
	const char *detail;   /* what op_run said of it, copied; NULL: nothing */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; OP_FOREVER: none. See park_deadline() */
	park_done_fn *done;
	/*
	 * NULL, or whether whoever waits has gone already, though park_cancel() has yet to be called: asked under the
	 * mutex before each run, and answered from a flag that is never taken back. Who has gone is passed over, so he
	 * takes nothing.
	 */
	bool (*gone)(void *context);
	void *context;
	struct op_receipt *receipt; /* NULL, or given to the caller before a `done` that is OK */
};

/*
 * `sooner` is called, without a lock held, when park_next_deadline() became earlier than it was: whoever sleeps until
 * then must look again. NULL where nobody does. Returns NULL when the process is out of memory.
 */
struct park *park_new(struct segment *seg, void (*sooner)(void *context), void *context);
/* Whose snapshots operations wait for; borrowed. Before anything is parked; NULL: nobody's. */
void park_set_snapshots(struct park *park, struct snapshots *snapshots);
/* Ends what is left with UNAVAILABLE first. NULL is fine. */
void park_free(struct park *park);

/*
 * `after` is called without a lock held by every thread that has called a `done`, when it is about to leave the function
 * of the park that it was in: for what is better done once for all of them. Before anything is parked; NULL: nobody.
 */
void park_set_after(struct park *park, void (*after)(void *context), void *context);

/*
 * Parks an operation and, so that no change since op_run was missed, runs it again once if nobody waits before it:
 * `done` may be called before this returns. *id is never 0 and is set before `done` can be called. Errors: NO_MEMORY,
 * UNAVAILABLE (the park was drained): `done` is not called.
 */
enum sabir_error park_add(struct park *park, struct lane *lane, const struct park_entry *entry, uint64_t *id);

/* For one that wanted to wait and is not parked: what it has left in its object (op_lasts) is taken away. */
void park_abandon(struct park *park, struct lane *lane, const struct park_entry *entry);

/*
 * Takes the operation out. True: it is gone, `done` will never be called, and the caller answers what it likes. False:
 * it has been completed, or it is just being run; then `done` gets its result, or CANCELLED if it had to wait again.
 */
bool park_cancel(struct park *park, uint64_t id);

/*
 * The doorbell has rung: answers it and serves every object that has changed. What has left something in its object when its
 * wait was over takes it away then; the bell is rung for that.
 */
void park_ring(struct park *park, struct lane *lane);

/*
 * Rings for a part of what is waited for, and for all of it in so many calls: somebody may have written over what tells the others to
 * ring. A park_ring is to follow, for the same may have happened to the bell itself.
 */
#define PARK_LOOKS 8u
void park_look_again(struct park *park);

/*
 * Ends what has waited long enough, with the error that it was parked with. What has left something in its object has its last
 * chance instead, by the next park_ring.
 */
void park_expire(struct park *park, uint64_t now_ns);
/* Does what objects had to be looked at for by now (alarms.h). By the thread that calls park_ring. */
void park_settle(struct park *park, struct lane *lane, uint64_t now_ns);
/* The earliest time for park_expire or park_settle, OP_FOREVER if there is none. */
uint64_t park_next_deadline(struct park *park);

/* Ends all that is parked for the owner, as in its actors. */
void park_end(struct park *park, uint64_t owner, enum sabir_error error);

/*
 * Ends what is parked for a thread of the owner with CANCELLED; what is just being run only if it would wait on. How many that
 * were: the `done` of each is called.
 */
uint32_t park_cancel_thread(struct park *park, uint64_t owner, uint64_t thread);

/* Ends everything with `error` and refuses what comes later. */
void park_drain(struct park *park, enum sabir_error error);

size_t park_count(struct park *park);

/* The deadline of an operation that begins to wait now. */
uint64_t park_deadline(uint64_t timeout_ns);

#endif
