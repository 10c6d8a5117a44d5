/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls with a request id. Each is an asker of its session's for one answer, from once_run to its end:
 *
 *   waiting    its operation is run or parked, for this call or another
 *   answered   whoever took the answer from the asker replies: there is one, so nobody else does
 *   given up   the client has gone before there was an answer; there is no reply
 *
 * A call has the reference of its reply, which whoever replies or sees that it is given up takes over, and one of its watch.
 * That is begun before the call is made an asker: a reply may be sent on another thread as soon as it is one.
 *
 * An answer is never undone for a client that has gone: it is kept for the call's next try.
 */
#include "server/rpc/once.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/rpc/asked.h"
#include "server/rpc/waiter.h"

struct once {
	struct asker asker; /* the first member */
	struct asks *asks;
	struct rpc *rpc;
	struct session *session; /* in use for as long: the asks are its */
};

/* Sends an answer, and drops it. Has the reply's reference. */
static void reply(struct call *call, struct waiter *w)
{
	struct answer a = answer_of(w);
	struct bytes response = { 0 };
	/* It stays where it is for the next that asks: what is sent is a copy. */
	if (!a.error && bytes_add(&response, a.response.data, a.response.len))
		a = (struct answer){ .error = SABIR_NO_MEMORY, .detail = "for a copy of the response" };
	call_reply(call, a.error, a.detail, &response);
	bytes_fini(&response);
	answers_drop_delivered(w);
}

static void once_ready(struct asker *asker, uint64_t bytes)
{
	struct once *o = (struct once *)asker;
	struct waiter *w = asker_take(o->asks, asker);
	(void)bytes;
	if (w)
		reply(asker->call, w);
}

static void once_closed(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, closed);
	(void)ok;
	if (asker_leave(call->once->asks, &call->once->asker))
		call_unref(call); /* the reply's: there will be none */
	call_unref(call);
}

static void once_fini(struct call *call)
{
	struct once *o = call->once;
	asker_fini(&o->asker);
	session_release(o->rpc->sessions, o->session);
	free(o);
}

/* Makes the call an asker. NULL: no memory. */
static struct once *enter(struct call *call, const struct identity *who)
{
	struct asks *asks = asks_of(call->rpc, who->session);
	struct once *o = asks ? calloc(1, sizeof(*o)) : NULL;
	if (!o)
		return NULL;
	/* It need not be told of the session's end: what it waits for ends then. */
	o->asker = (struct asker){ .call = call, .ready = once_ready, .told = true };
	o->asks = asks;
	o->rpc = call->rpc;
	o->session = who->session;
	session_keep(o->rpc->sessions, o->session);
	asker_enter(asks, &o->asker);
	call->once = o;
	call->fini = once_fini;
	/* What is not needed while it waits; it adds up. */
	grpc_metadata_array_destroy(&call->metadata);
	grpc_metadata_array_init(&call->metadata);
	call_watch(call, once_closed);
	return o;
}

static void run(struct call *call, struct asked *asked, const struct pending_task *task)
{
	struct op_wait wait;
	enum sabir_error error;
	bool waits = pending_run(call->rpc, task, &wait, &error);
	asked->receipt = wait.receipt;
	if (waits)
		error = asked_park(asked, task, &wait, error);
	if (!waits || error)
		asked_end(asked, error, task->out, task->detail);
}

bool once_run(struct call *call, const struct pending_task *task, enum sabir_error *error)
{
	const struct identity *who = task->who;
	const struct ask_request r = {
		.id = who->request_id, .thread = who->actor.thread, .op = task->op, .message = task->request
	};
	struct once *o = enter(call, who);
	struct asked *asked = NULL;
	const char *detail = "";
	call_ref(call); /* it may be answered before we have done with it */
	*error = o ? asked_begin(o->asks, &o->asker, &r, &asked, &detail) : SABIR_NO_MEMORY;
	if (!*error)
		run(call, asked, task);
	else if (*error == SABIR_CHANGED)
		once_ready(&o->asker, 0); /* nobody has told of what was there already */
	else
		snprintf(task->detail, OP_DETAIL_SIZE, "%s", detail);
	call_unref(call);
	return !*error || *error == SABIR_CHANGED;
}

enum sabir_error once_acknowledge(struct call *call, const struct identity *who)
{
	struct asks *asks = asks_of(call->rpc, who->session);
	if (!asks)
		return SABIR_NO_MEMORY;
	asks_acknowledge(asks, who->acknowledged_below);
	return SABIR_OK;
}
