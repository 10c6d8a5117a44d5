/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_PARKED_H
#define SABIR_OPS_PARKED_H

#include <pthread.h>

#include "server/ops/alarms.h"
#include "server/ops/deadlines.h"
#include "server/ops/lines.h"
#include "server/ops/owned.h"
#include "server/ops/park.h"
#include "server/ops/tickets.h"

/*
 * What the files of the park share; nobody else includes it. Those that wait for the same side of the same object stand in
 * one line, first come first served:
 *
 *   WAITING in its line ──claimed──► RUNNING, out of the line ──► done, freed
 *                 ▲                      │ it would wait again
 *                 └──────────────────────┘ to the head of the line; or, if it was cancelled or expired meanwhile, done
 *
 * One that would now wait for something else (the lock instead of an item, or the reverse) goes to the end of that
 * line.
 *
 * Only under the mutex does an operation change its state; it is run, and its `done` called, without. A RUNNING one is
 * never freed by others: a cancel, a deadline or a drain leaves its reason in `ended`, which counts if the run had no
 * result.
 *
 * What has left something in its object (op_lasts) is run once more when its wait is over, whatever ended it. That takes a
 * lane, so it waits in `lasts`, in the state LAST, for the next who answers the bell, which is rung for it. One whose answer
 * nobody wants any more has no `done` then, and is known to nobody else.
 */
enum parked_state {
	PARKED_WAITING,
	PARKED_RUNNING,
	PARKED_LAST,
};

struct parked {
	struct waiter place; /* in no line: whoever waits has gone, and it waits for its cancellation only */
	struct owned owned;
	struct parked *next_last;
	const struct op *op;
	struct actor actor;
	park_done_fn *done; /* NULL: its answer is for nobody */
	bool (*gone)(void *context);
	void *context;
	struct op_receipt *receipt;
	struct op_wait wait;
	struct deadline deadline;
	uint64_t id;
	uint64_t since_ns;
	enum parked_state state;
	bool timed_out;
	enum sabir_error error; /* that it was last run with */
	enum sabir_error ended; /* RUNNING: how it ends if it would wait again; 0: it goes on waiting */
	uint32_t request_len;
	uint8_t request[]; /* and behind it the detail */
};

struct park {
	pthread_mutex_t mutex;
	struct segment *seg;
	void (*sooner)(void *context);
	void *sooner_context;
	void (*after)(void *context);
	void *after_context;
	struct snapshots *snapshots;
	enum sabir_error drained; /* not 0: nothing may be parked any more */
	uint64_t round;
	size_t count;
	struct deadlines deadlines;
	struct tickets tickets;
	struct lines lines;
	uint32_t looked_at;   /* the next bucket of lines to look at again */
	struct alarms alarms; /* of the thread that calls park_ring */
	struct owned_table owned;
	struct parked *lasts;
};

/* NULL: no memory. */
struct parked *parked_make(const struct park_entry *entry);

/* The rest with the mutex held; those that call a `done` let go of it meanwhile. */

/* What a run came to; the operation is no more when this returns. */
void parked_answer(struct park *park, struct parked *parked, enum sabir_error error, struct bytes *response,
		   const char *detail);
/* It would wait on, and may not. */
void parked_give_up(struct park *park, struct parked *parked, enum sabir_error error);
/* Ends one that waits, or tells one that is run how to end. */
void parked_end(struct park *park, struct parked *parked, enum sabir_error error);
/* Its time has come: it ends, or has its last chance. */
void parked_expire(struct park *park, struct parked *parked);
/* Nobody waits for it any more. */
void parked_abandon(struct park *park, struct parked *parked);
void parked_run_last_later(struct park *park, struct parked *parked);
void parked_leave_line(struct park *park, struct parked *parked);
/* Takes it out of everything but its line, where it is no more. */
void parked_forget(struct park *park, struct parked *parked);

/* Whether there may be something for it. */
bool parked_is_ready(const struct park *park, const struct parked *parked);
/* Runs those in the line for whom there is something; the line may be gone afterwards. */
void park_serve(struct park *park, struct lane *lane, struct line *line);

/* Without the mutex: calls `after`, if this thread has called a `done` since it did. */
void park_call_after(struct park *park);

#endif
