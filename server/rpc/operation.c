/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the operation table. An operation is run at once on the worker's thread; most are answered there and then.
 *
 * One that has to wait is parked (pending.h). The call then has two references: the watch's, which ends with the client or
 * the reply, and the operation's, which the reply takes over. The client's going is seen earlier in `cancelled`, which
 * gRPC sets before it calls anybody: an operation whose call has gone is not run again, so it takes no item that nobody
 * would receive.
 */
#include "server/rpc/operation.h"

#include <stdio.h>
#include <string.h>

#include "server/rpc/identity.h"
#include "server/rpc/once.h"

#define CALL_OF(p) ((struct call *)((char *)(p)-offsetof(struct call, pending)))

static bool has_gone(struct call *call)
{
	/* gRPC stores it before the call's end reaches anybody; a late look only costs the wait for parked_closed(). */
	return load32_acquire((uint32_t *)&call->cancelled) != UINT32_MAX;
}

static void parked_done(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct call *call = CALL_OF(p);
	if (error && has_gone(call))
		call_unref(call);
	else if (!error && op_can_undo(call->method->op))
		call_reply_undoable(call, &p->receipt, call->actor, response);
	else
		call_reply(call, error, detail, response);
}

static bool parked_gone(struct pending *p)
{
	return has_gone(CALL_OF(p));
}

static const struct pending_kind parked_kind = { .done = parked_done, .gone = parked_gone };

static void parked_closed(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, closed);
	(void)ok;
	pending_hold(&call->pending); /* it is part of the call, which the watch has a reference to */
	pending_cancel(&call->pending, SABIR_CANCELLED);
	call_unref(call);
}

/* Leaves the call to the park. On failure nothing was begun. */
static enum sabir_error park(struct call *call, const struct pending_task *task, const struct op_wait *wait,
			     enum sabir_error error)
{
	pending_init(&call->pending, call->rpc, &parked_kind);
	call->actor = task->who->actor;
	/* What is not needed while it waits; it adds up. */
	grpc_metadata_array_destroy(&call->metadata);
	grpc_metadata_array_init(&call->metadata);
	call_watch(call, parked_closed);
	/* The result may come, and be sent, before pending_park has looked at it for the last time. */
	call_ref(call);
	error = pending_park(&call->pending, task, wait, error);
	call_unref(call);
	return error;
}

static enum sabir_error refuse(struct call *call, enum sabir_error error, char *detail, const char *text)
{
	count(&call->rpc->counters.refused, 1);
	snprintf(detail, OP_DETAIL_SIZE, "%s", text);
	return error;
}

static enum sabir_error admit(struct call *call, char *detail)
{
	struct rpc *rpc = call->rpc;
	if (load32_relaxed(&rpc->draining))
		return refuse(call, SABIR_UNAVAILABLE, detail, "the server is shutting down");
	if (load64_relaxed(&rpc->unsent_bytes) > rpc->max_unsent_bytes)
		return refuse(call, SABIR_RESOURCE_EXHAUSTED, detail,
			      "too many responses wait for clients that do not read them");
	return SABIR_OK;
}

/* Runs the operation. True: the call is answered or left to the park; else `error` is the answer, with `detail` or worker->out. */
static bool run(struct call *call, struct worker *worker, struct span request, const struct identity *who,
		enum sabir_error *error, char *detail)
{
	const struct op_front front = rpc_front(call->rpc, call_write_peer, call);
	const struct pending_task task = {
		.op = call->method->op,
		.request = request,
		.who = who,
		.front = &front,
		.lane = &worker->lane,
		.out = &worker->out,
		.detail = detail,
		.undoable = op_can_undo(call->method->op),
	};
	struct op_wait wait;
	if (!worker->out.fixed) /* its memory was handed over with the last response */
		bytes_init(&worker->out, worker->out_fixed, sizeof(worker->out_fixed));
	if (who->request_id)
		return once_run(call, &task, error);
	if (!pending_run(call->rpc, &task, &wait, error)) {
		if (*error || !task.undoable)
			return false;
		call_reply_undoable(call, &wait.receipt, who->actor, &worker->out);
		return true;
	}
	*error = park(call, &task, &wait, *error);
	return !*error;
}

void operation_handle(struct call *call, struct worker *worker)
{
	char detail[OP_DETAIL_SIZE] = "";
	struct request request;
	struct identity who;
	enum sabir_error error = admit(call, detail);
	if (!error)
		error = identity_find(call, &who, detail);
	if (error) {
		call_reply(call, error, detail, &worker->out);
		return;
	}
	bool taken = false;
	if (who.acknowledged_below)
		error = once_acknowledge(call, &who);
	if (request_open(call, &request)) {
		taken = !error && run(call, worker, request.span, &who, &error, detail);
		request_close(&request);
	} else {
		error = refuse(call, SABIR_INVALID_ARGUMENT, detail, "the call carries no request message");
	}
	session_release(call->rpc->sessions, who.session);
	if (!taken)
		call_reply(call, error, detail, &worker->out);
}

void unknown_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	count(&call->rpc->counters.unknown, 1);
	call_reply(call, SABIR_UNIMPLEMENTED, "", NULL);
}
