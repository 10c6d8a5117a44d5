/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The errands of streams. A parked one has a reference to its call, which its result drops.
 */
#include "server/rpc/errand.h"

#include <string.h>

#define ERRAND_OF(p) ((struct errand *)((char *)(p)-offsetof(struct errand, pending)))

static void set_state(struct errand *e, enum errand_state state)
{
	pthread_mutex_lock(&e->call->stream.mutex);
	e->state = state;
	pthread_mutex_unlock(&e->call->stream.mutex);
}

static void done(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct errand *e = ERRAND_OF(p);
	struct call *call = e->call;
	e->error = error;
	strncpy(e->detail, detail, sizeof(e->detail) - 1);
	bytes_truncate(&e->response, 0);
	if (!error && bytes_add(&e->response, response->data, response->len))
		e->error = SABIR_NO_MEMORY;
	set_state(e, ERRAND_DONE);
	stream_wake(call);
	call_unref(call);
}

static bool gone(struct pending *p)
{
	return load32_acquire((uint32_t *)&ERRAND_OF(p)->call->cancelled) != UINT32_MAX;
}

static const struct pending_kind errand_kind = { .done = done, .gone = gone };

void errand_init(struct errand *e, struct call *call)
{
	*e = (struct errand){ .call = call };
	bytes_init(&e->response, NULL, 0);
	pending_init(&e->pending, call->rpc, &errand_kind);
}

void errand_fini(struct errand *e)
{
	bytes_fini(&e->response);
}

enum errand_state errand_state(struct errand *e)
{
	pthread_mutex_lock(&e->call->stream.mutex);
	enum errand_state state = (enum errand_state)e->state;
	pthread_mutex_unlock(&e->call->stream.mutex);
	return state;
}

void errand_clear(struct errand *e)
{
	set_state(e, ERRAND_NONE);
}

bool errand_is_done(const struct errand *e)
{
	return e->state == ERRAND_DONE;
}

void errand_cancel(struct errand *e)
{
	pending_cancel(&e->pending, SABIR_CANCELLED);
}

static enum errand_state park(struct errand *e, const struct pending_task *task, const struct op_wait *wait)
{
	struct call *call = e->call;
	pending_renew(&e->pending);
	set_state(e, ERRAND_WAITING);
	call_ref(call);
	enum sabir_error refused = pending_park(&e->pending, task, wait, e->error);
	if (refused) {
		e->error = refused;
		set_state(e, ERRAND_DONE);
		call_unref(call);
		return ERRAND_DONE;
	}
	/* The end of the call may have come before there was something to cancel. */
	if (stream_is_closed(call))
		errand_cancel(e);
	return errand_state(e);
}

enum errand_state errand_run(struct errand *e, const struct op *op, struct span request)
{
	struct rpc *rpc = e->call->rpc;
	struct lane *lane = lanes_take(&rpc->lanes);
	struct identity who;
	struct op_wait wait = { .wanted = false };
	const struct pending_task task = {
		.op = op,
		.request = request,
		.who = &who,
		.lane = lane,
		.out = &e->response,
		.detail = e->detail,
	};
	e->detail[0] = 0;
	e->error = lane ? identity_find(e->call, &who, e->detail) : SABIR_TOO_MANY_OWNERS;
	enum errand_state state = ERRAND_DONE;
	if (!e->error) {
		if (pending_run(rpc, &task, &wait, &e->error))
			state = park(e, &task, &wait);
		session_release(rpc->sessions, who.session);
	}
	lanes_give(&rpc->lanes, lane);
	if (!wait.wanted)
		set_state(e, ERRAND_DONE);
	return state;
}
