/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoing that takes longer than its call.
 *
 *   ADDED   being added to the park, for the lock's release or for a moment; whoever adds it goes on if it was done at once
 *   PARKED  whoever takes it out of the park goes on
 *
 * A job is counted as a call, so that the front does not end below it; the park, drained, ends its wait, and what can't be done
 * then is not.
 */
#include "server/rpc/undo.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/rpc/call.h"
#include "server/rpc/errand.h"

#define LOCK_WAIT (10 * CLOCK_SECOND)
#define MEMORY_WAIT (50 * CLOCK_MILLISECOND) /* nobody says when there is memory again */

enum job_state { ADDED, PARKED, DONE };

struct job {
	struct rpc *rpc;
	struct unreceived what; /* of the job's own receipt and response */
	struct op_receipt receipt;
	uint32_t state;             /* enum job_state */
	enum sabir_error wait_over; /* how the wait ended; before the state is DONE */
	uint8_t response[];
};

typedef enum sabir_error undo_function(const struct op *op, struct lane *lane, struct op_receipt *receipt,
				       struct span response);

static enum sabir_error undo_by(undo_function *function, struct lane *lane, const struct unreceived *what)
{
	struct actor own = lane->actor;
	lane->actor = what->actor;
	enum sabir_error error = function(what->op, lane, what->receipt, what->response);
	lane->actor = own;
	return error;
}

/* There is no other try; NULL: not even this one. */
static void undo_now_or_never(struct rpc *rpc, struct lane *lane, const struct unreceived *what)
{
	if (!lane || error_is_for_later(undo_by(op_undo_last, lane, what)))
		count(&rpc->counters.not_undone, 1);
}

static void end(struct job *job)
{
	count(&job->rpc->counters.undoing, -1);
	count(&job->rpc->parked_bytes, -(int64_t)job->what.response.len);
	call_count(job->rpc, -1);
	op_receipt_fini(&job->receipt);
	free(job);
}

/* ---------------------------------------------------------------- waiting */

static void run(struct job *job, struct lane *lane);

static void wait_is_over(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct job *job = context;
	struct rpc *rpc = job->rpc;
	(void)response;
	(void)detail;
	job->wait_over = error;
	if (exchange32(&job->state, DONE) != PARKED)
		return;
	call_count(rpc, 1); /* the job's own may end in run(), and the front is to be there for the lane */
	struct lane *lane = lanes_take(&rpc->lanes);
	run(job, lane);
	lanes_give(&rpc->lanes, lane);
	call_count(rpc, -1);
}

static enum sabir_error add(struct job *job, struct lane *lane, const struct op_wait *wait, struct park_entry *entry)
{
	uint64_t id;
	entry->wait = wait;
	entry->error = SABIR_BUSY;
	entry->done = wait_is_over;
	entry->context = job;
	return park_add(job->rpc->park, lane, entry, &id);
}

static enum sabir_error await_lock(struct job *job, struct lane *lane)
{
	const struct op_wait wait = { .wanted = true, .object = lane->busy_object, .side = OP_WAIT_LOCK };
	struct park_entry entry = { .op = op_flow(OP_FLOW_AWAIT_LOCK), .deadline_ns = park_deadline(LOCK_WAIT) };
	return add(job, lane, &wait, &entry);
}

/* For the end of the object, but not for long. */
static enum sabir_error await_memory(struct job *job, struct lane *lane)
{
	uint8_t fixed[32], response_fixed[64];
	char detail[OP_DETAIL_SIZE];
	struct bytes request, response;
	struct op_wait wait;
	bytes_init(&request, fixed, sizeof(fixed));
	bytes_init(&response, response_fixed, sizeof(response_fixed));
	if (!errand_put_ref(&request, job->receipt.handle))
		return SABIR_NO_MEMORY;
	struct park_entry entry = { .op = op_flow(OP_FLOW_AWAIT_END), .request = { request.data, request.len } };
	enum sabir_error error = op_run(entry.op, lane, entry.request, &response, &wait, detail);
	entry.deadline_ns = park_deadline(MEMORY_WAIT);
	if (wait.wanted)
		error = add(job, lane, &wait, &entry);
	bytes_fini(&response);
	bytes_fini(&request);
	return error;
}

static enum sabir_error park(struct job *job, struct lane *lane, enum sabir_error error)
{
	bool lock = error == SABIR_BUSY && lane->busy_object != LANE_NOT_BUSY;
	return lock ? await_lock(job, lane) : await_memory(job, lane);
}

/* True: it is in the park, and the job no longer the caller's. False: the wait is over already, or there is none. */
static bool await(struct job *job, struct lane *lane, enum sabir_error error)
{
	store32_relaxed(&job->state, ADDED);
	job->wait_over = SABIR_UNAVAILABLE;
	if (park(job, lane, error))
		return false;
	uint32_t added = ADDED;
	return cas32(&job->state, &added, PARKED);
}

/* ---------------------------------------------------------------- running */

static void run(struct job *job, struct lane *lane)
{
	enum sabir_error error = lane ? SABIR_OK : SABIR_NO_MEMORY;
	while (!error && job->wait_over != SABIR_UNAVAILABLE) {
		error = undo_by(op_undo, lane, &job->what);
		if (!error_is_for_later(error)) {
			end(job);
			return;
		}
		if (await(job, lane, error))
			return;
		error = SABIR_OK;
	}
	undo_now_or_never(job->rpc, lane, &job->what);
	end(job);
}

/* Takes the receipt over. NULL: there is no room for it. */
static struct job *make(struct rpc *rpc, const struct unreceived *what)
{
	size_t len = what->response.len;
	if (fetch_add64(&rpc->parked_bytes, len) + len > rpc->max_parked_bytes)
		goto full;
	struct job *job = malloc(sizeof(*job) + len);
	if (!job)
		goto full;
	*job = (struct job){ .rpc = rpc, .what = *what, .receipt = *what->receipt };
	job->what.receipt = &job->receipt;
	job->what.response.data = job->response;
	if (len)
		memcpy(job->response, what->response.data, len);
	*what->receipt = (struct op_receipt){ 0 };
	count(&rpc->counters.undoing, 1);
	call_count(rpc, 1);
	return job;
full:
	count(&rpc->parked_bytes, -(int64_t)len);
	return NULL;
}

static void undo_on(struct rpc *rpc, struct lane *lane, const struct unreceived *what)
{
	enum sabir_error error = undo_by(op_undo, lane, what);
	if (!error_is_for_later(error))
		return;
	struct job *job = make(rpc, what);
	if (!job)
		undo_now_or_never(rpc, lane, what);
	else if (!await(job, lane, error))
		run(job, lane);
}

void undo_start(struct rpc *rpc, struct lane *lane, const struct unreceived *what)
{
	call_count(rpc, 1);
	struct lane *taken = lane ? NULL : lanes_take(&rpc->lanes);
	if (lane || taken)
		undo_on(rpc, lane ? lane : taken, what);
	else
		undo_now_or_never(rpc, NULL, what);
	lanes_give(&rpc->lanes, taken);
	call_count(rpc, -1);
	op_receipt_fini(what->receipt);
}
