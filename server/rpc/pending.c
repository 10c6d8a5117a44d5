/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that wait.
 *
 *   ENTERING   being added to the park, which may complete it already
 *   INSIDE     the park has it, `id` is valid
 *   CANCELLED  somebody wants it out: he takes it out if it was INSIDE, whoever adds it if it was ENTERING
 *   DONE       it has its result
 *
 * Who of a result and a cancel wins is the park's to say (park_cancel). There are two references: one for `done`, one for
 * pending_park, which looks at the struct behind park_add; a hold is a third, for pending_cancel.
 */
#include "server/rpc/pending.h"

#include <stdio.h>
#include <string.h>

#include "server/rpc/server.h"

enum pending_state {
	ENTERING,
	INSIDE,
	CANCELLED,
	DONE,
};

void pending_init(struct pending *p, struct rpc *rpc, const struct pending_kind *kind)
{
	*p = (struct pending){ .kind = kind, .rpc = rpc, .refs = 2, .state = ENTERING };
}

void pending_renew(struct pending *p)
{
	/* What such a cancel may look at is not touched, or atomic. */
	p->receipt = (struct op_receipt){ 0 };
	store64_relaxed(&p->id, 0);
	store32_release(&p->state, ENTERING);
}

static void unref(struct pending *p)
{
	void (*release)(struct pending * p) = p->kind->release;
	if (release && fetch_add32(&p->refs, (uint32_t)-1) == 1)
		release(p);
}

/* It is out of the park. */
static void leave(struct pending *p)
{
	count(&p->rpc->counters.waiting, -1);
	count(&p->rpc->parked_bytes, -(int64_t)p->request_len);
}

/* Its session may end. */
static void let_go(struct pending *p)
{
	struct session *session = p->session;
	p->session = NULL;
	session_release(p->rpc->sessions, session);
}

static void finish(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	/* One that is not counted may be gone, or be used anew, as soon as its owner has the result. */
	bool counted = p->kind->release;
	(void)exchange32(&p->state, DONE);
	leave(p);
	if (!counted)
		let_go(p);
	p->kind->done(p, error, response, detail);
	if (!counted)
		return;
	let_go(p); /* the result may be for the session itself to keep */
	unref(p);
}

static void parked_done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	streams_hold(); /* until the park is through: it calls streams_turn() */
	finish(context, error, response, detail);
}

static bool parked_gone(void *context)
{
	struct pending *p = context;
	return p->kind->gone(p);
}

void pending_finish(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	parked_done(p, error, response, detail);
}

/* Takes it out of the park, or the pool, if nobody has been faster. */
static void take_out(struct pending *p, enum sabir_error error)
{
	struct bytes none = { 0 };
	bool taken = load32_relaxed(&p->pooled) ? heavy_cancel(&p->rpc->heavy, p)
						: park_cancel(p->rpc->park, load64_relaxed(&p->id));
	if (!taken)
		return;
	count(&p->rpc->counters.cancelled, error == SABIR_CANCELLED);
	finish(p, error, &none, "");
}

void pending_hold(struct pending *p)
{
	(void)fetch_add32(&p->refs, 1);
}

void pending_cancel(struct pending *p, enum sabir_error error)
{
	uint32_t state = load32_acquire(&p->state);
	while (state != DONE && state != CANCELLED && !cas32(&p->state, &state, CANCELLED))
		;
	if (state == INSIDE)
		take_out(p, error);
	unref(p);
}

/* Whether one more may wait; if so it is counted. */
static enum sabir_error enter(struct pending *p, size_t request_len, char *detail)
{
	struct rpc *rpc = p->rpc;
	p->request_len = (uint32_t)request_len;
	bool calls_fit = fetch_add64(&rpc->counters.waiting, 1) < rpc->max_parked;
	bool bytes_fit = fetch_add64(&rpc->parked_bytes, request_len) + request_len <= rpc->max_parked_bytes;
	if (calls_fit && bytes_fit)
		return SABIR_OK;
	leave(p);
	count(&rpc->counters.refused, 1);
	snprintf(detail, OP_DETAIL_SIZE,
		 calls_fit ? "the requests that wait take %llu bytes already" : "%llu calls wait already",
		 (unsigned long long)(calls_fit ? rpc->max_parked_bytes : rpc->max_parked));
	return SABIR_RESOURCE_EXHAUSTED;
}

bool pending_run(struct rpc *rpc, const struct pending_task *task, struct op_wait *wait, enum sabir_error *error)
{
	*wait = (struct op_wait){ .undoable = task->undoable };
	count(&rpc->counters.calls, 1);
	if (op_is_heavy(task->op, task->lane, task->request)) {
		*wait = (struct op_wait){ .wanted = true, .side = OP_WAIT_POOL, .timeout_ns = OP_FOREVER };
		task->detail[0] = '\0';
		*error = SABIR_BUSY;
		return true;
	}
	task->lane->actor = task->who->actor;
	*error = op_run_front(task->op, task->lane, task->front, task->request, task->out, wait, task->detail);
	task->lane->actor = (struct actor){ 0 };
	return *error && wait->wanted;
}

/* Behind park_add: what came before the operation was in the park has not found it there. */
static void look_back(struct pending *p, struct session *session)
{
	uint32_t state = ENTERING;
	if (!cas32(&p->state, &state, INSIDE) && state == CANCELLED)
		take_out(p, SABIR_CANCELLED);
	else if (session && session_has_ended(p->rpc->sessions, session))
		take_out(p, SABIR_SESSION_ENDED);
}

/* With `entry` to the park, else to the pool. */
static enum sabir_error add(struct pending *p, const struct pending_task *task, const struct park_entry *entry)
{
	struct session *session = task->who->session;
	p->session = session;
	if (session)
		session_keep(p->rpc->sessions, session);
	uint64_t id = 0;
	store32_relaxed(&p->pooled, !entry);
	enum sabir_error refused = entry ? park_add(p->rpc->park, task->lane, entry, &id)
					 : heavy_add(&p->rpc->heavy, p, task);
	store64_relaxed(&p->id, id);
	if (refused) {
		(void)exchange32(&p->state, DONE);
		leave(p);
		let_go(p);
		return refused;
	}
	look_back(p, session);
	unref(p);
	return SABIR_OK;
}

enum sabir_error pending_park(struct pending *p, const struct pending_task *task, const struct op_wait *wait,
			      enum sabir_error error)
{
	const struct park_entry entry = {
		.op = task->op,
		.request = task->request,
		.actor = task->who->actor,
		.wait = wait,
		.error = error,
		.detail = task->detail,
		.deadline_ns = park_deadline(wait->timeout_ns),
		.done = parked_done,
		.gone = p->kind->gone ? parked_gone : NULL,
		.context = p,
		.receipt = &p->receipt,
	};
	char full[OP_DETAIL_SIZE];
	enum sabir_error refused = enter(p, task->request.len, full);
	bool pooled = wait->side == OP_WAIT_POOL;
	if (refused && !pooled)
		park_abandon(p->rpc->park, task->lane, &entry);
	if (refused && wait->side == OP_WAIT_LOCK)
		return error;
	if (refused) {
		memcpy(task->detail, full, sizeof(full));
		return refused;
	}
	count(&p->rpc->counters.parked, 1);
	return add(p, task, pooled ? NULL : &entry);
}
