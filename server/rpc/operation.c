/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the operation table. An operation is run at once on the worker's thread; most are answered there and then.
 *
 * One that has to wait is parked. The call then has two references: the watch's, which ends with the client or the
 * reply, and the park's, which the reply takes over. Two things can happen to it, in any order and at the same time:
 *
 *   parked_done    the park has a result: it is sent, which fails without harm if the client has gone
 *   parked_closed  the client has gone, or its deadline has passed: the operation is taken out of the park
 *
 * Who of the two wins is the park's to say (park_cancel). `state` only tells whether the park knows the call yet. The
 * client's going is seen earlier in `cancelled`, which gRPC sets before it calls anybody: an operation whose call has
 * gone is not run again, so it takes no item that nobody would receive.
 */
#include "server/rpc/operation.h"

#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>

#include "server/base/utf8.h"
#include "server/rpc/identity.h"

enum park_state {
	PARK_ENTERING, /* being added to the park */
	PARK_INSIDE,   /* `id` is valid */
	PARK_DONE,     /* it has a result */
	PARK_CLOSED,   /* the call is over */
};

static void leave_park(struct call *call)
{
	struct rpc *rpc = call->rpc;
	count(&rpc->counters.waiting, -1);
	count(&rpc->parked_bytes, -(int64_t)call->parked.request_len);
}

/* It is not run any more, so its session may end. */
static void leave_session(struct call *call)
{
	struct session *session = call->session;
	call->session = NULL;
	session_release(call->rpc->sessions, session);
}

static void parked_done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct call *call = context;
	(void)exchange32(&call->parked.state, PARK_DONE);
	leave_park(call);
	leave_session(call);
	call_reply(call, error, detail, response);
}

static void take_out(struct call *call)
{
	if (!park_cancel(call->rpc->park, call->parked.id))
		return; /* parked_done() answers */
	leave_park(call);
	leave_session(call);
	count(&call->rpc->counters.cancelled, 1);
	call_unref(call);
}

static void parked_closed(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, closed);
	(void)ok;
	if (exchange32(&call->parked.state, PARK_CLOSED) == PARK_INSIDE)
		take_out(call);
	call_unref(call);
}

static bool parked_gone(void *context)
{
	struct call *call = context;
	/* gRPC stores it before the call's end reaches anybody; a late look only costs the wait for parked_closed(). */
	return load32_acquire((uint32_t *)&call->cancelled) != UINT32_MAX;
}

/* Whether one more call may wait; if so it is counted. */
static enum sabir_error enter_park(struct call *call, size_t request_len, char *detail)
{
	struct rpc *rpc = call->rpc;
	call->parked.request_len = (uint32_t)request_len;
	call->parked.state = PARK_ENTERING;
	bool calls_fit = fetch_add64(&rpc->counters.waiting, 1) < rpc->max_parked;
	bool bytes_fit = fetch_add64(&rpc->parked_bytes, request_len) + request_len <= rpc->max_parked_bytes;
	if (calls_fit && bytes_fit)
		return SABIR_OK;
	leave_park(call);
	count(&rpc->counters.refused, 1);
	snprintf(detail, OP_DETAIL_SIZE,
		 calls_fit ? "the requests that wait take %llu bytes already" : "%llu calls wait already",
		 (unsigned long long)(calls_fit ? rpc->max_parked_bytes : rpc->max_parked));
	return SABIR_RESOURCE_EXHAUSTED;
}

/* An end of the session that came before the call was in the park has not found it there. */
static void look_after_session(struct call *call, struct session *session)
{
	struct rpc *rpc = call->rpc;
	if (!session || !session_has_ended(rpc->sessions, session) || !park_cancel(rpc->park, call->parked.id))
		return;
	leave_park(call);
	leave_session(call);
	call_reply(call, SABIR_SESSION_ENDED, "", NULL);
}

/* Leaves the call to the park. On failure nothing was begun. */
static enum sabir_error park_call(struct call *call, struct worker *worker, struct span request,
				  const struct identity *who, const struct op_wait *wait, enum sabir_error error,
				  char *detail)
{
	const struct park_entry entry = {
		.op = call->method->op,
		.request = request,
		.actor = who->actor,
		.wait = wait,
		.error = error,
		.detail = detail,
		.deadline_ns = park_deadline(wait->timeout_ns),
		.done = parked_done,
		.gone = parked_gone,
		.context = call,
	};
	char full[OP_DETAIL_SIZE];
	enum sabir_error refused = enter_park(call, request.len, full);
	if (refused)
		park_abandon(call->rpc->park, &worker->lane, &entry);
	if (refused && wait->side == OP_WAIT_LOCK)
		return error;
	if (refused) {
		memcpy(detail, full, sizeof(full));
		return refused;
	}
	count(&call->rpc->counters.parked, 1);
	/* What is not needed while it waits; it adds up. */
	grpc_metadata_array_destroy(&call->metadata);
	grpc_metadata_array_init(&call->metadata);
	call->session = who->session;
	if (who->session)
		session_keep(call->rpc->sessions, who->session);
	call_watch(call, parked_closed);
	refused = park_add(call->rpc->park, &worker->lane, &entry, &call->parked.id);
	if (refused) {
		(void)exchange32(&call->parked.state, PARK_DONE);
		leave_park(call);
		leave_session(call);
		return refused;
	}
	uint32_t state = PARK_ENTERING;
	if (!cas32(&call->parked.state, &state, PARK_INSIDE) && state == PARK_CLOSED)
		take_out(call);
	else
		look_after_session(call, who->session);
	return SABIR_OK;
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

/* For people: where the call comes from. */
static void write_peer(void *context, char *to, size_t size)
{
	struct call *call = context;
	char *peer = grpc_call_get_peer(call->grpc);
	utf8_show((struct span){ (const uint8_t *)peer, strlen(peer) }, to, size);
	gpr_free(peer);
}

/* Runs the operation. True: the call is left to the park; else `error` is the answer, with `detail` or worker->out. */
static bool run(struct call *call, struct worker *worker, struct span request, const struct identity *who,
		enum sabir_error *error, char *detail)
{
	const struct op_front front = { .sessions = call->rpc->sessions, .peer = write_peer, .context = call };
	struct op_wait wait = { .wanted = false };
	count(&call->rpc->counters.calls, 1);
	if (!worker->out.fixed) /* its memory was handed over with the last response */
		bytes_init(&worker->out, worker->out_fixed, sizeof(worker->out_fixed));
	worker->lane.actor = who->actor;
	*error = op_run_front(call->method->op, &worker->lane, &front, request, &worker->out, &wait, detail);
	worker->lane.actor = (struct actor){ 0 };
	if (!*error || !wait.wanted)
		return false;
	*error = park_call(call, worker, request, who, &wait, *error, detail);
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
	bool parked = false;
	if (request_open(call, &request)) {
		parked = run(call, worker, request.span, &who, &error, detail);
		request_close(&request);
	} else {
		error = refuse(call, SABIR_INVALID_ARGUMENT, detail, "the call carries no request message");
	}
	session_release(call->rpc->sessions, who.session);
	if (!parked)
		call_reply(call, error, detail, &worker->out);
}

void unknown_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	count(&call->rpc->counters.unknown, 1);
	call_reply(call, SABIR_UNIMPLEMENTED, "", NULL);
}
