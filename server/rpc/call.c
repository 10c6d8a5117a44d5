/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a call.
 *
 *   expected   a worker has asked gRPC for a call of the method; gRPC owns the struct
 *   running    it has come: the method's handle() has the first reference
 *   replying   batches are under way; each drops its reference when it ends, on any thread
 *
 * Most calls have ended when handle() returns, because gRPC writes the reply at once. Then the worker expects the
 * next call with the same struct. A call that is not over by then is AWAY: the worker expects with another struct, so
 * that no slow client keeps others from being served, and whoever drops the last reference frees it.
 */
#include "server/rpc/call.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/utf8.h"
#include "server/rpc/undo.h"

#define MAX_FREE_CALLS 1024
#define COPIED_RESPONSE 1024 /* up to here copying is cheaper than handing memory over */

enum call_home {
	CALL_BUSY, /* in its worker's hands */
	CALL_DONE, /* over while it was BUSY */
	CALL_AWAY, /* its worker has left it */
};

static void arrived(struct arrival *arrival, struct worker *worker, bool ok);
static void replied(grpc_completion_queue_functor *functor, int ok);

static struct call *call_new(struct rpc *rpc, const struct method *method)
{
	pthread_mutex_lock(&rpc->mutex);
	struct call *call = rpc->free_calls;
	if (call) {
		rpc->free_calls = call->next_free;
		rpc->n_free_calls--;
	} else {
		call = malloc(sizeof(*call));
	}
	rpc->n_calls += call != NULL;
	pthread_mutex_unlock(&rpc->mutex);
	if (!call)
		return NULL;
	memset(call, 0, sizeof(*call));
	uint32_t queue = fetch_add32(&rpc->next_callback_queue, 1);
	call->arrival.run = arrived;
	call->rpc = rpc;
	call->method = method;
	call->queue = rpc->callback_queues[queue % RPC_N_CALLBACK_QUEUES];
	grpc_metadata_array_init(&call->metadata);
	return call;
}

/* The last that is done with a call: rpc_stop() may be waiting for it. */
static void call_free(struct call *call)
{
	struct rpc *rpc = call->rpc;
	grpc_metadata_array_destroy(&call->metadata);
	pthread_mutex_lock(&rpc->mutex);
	if (rpc->n_free_calls < MAX_FREE_CALLS) {
		call->next_free = rpc->free_calls;
		rpc->free_calls = call;
		rpc->n_free_calls++;
	} else {
		free(call);
	}
	if (!--rpc->n_calls)
		pthread_cond_signal(&rpc->changed);
	pthread_mutex_unlock(&rpc->mutex);
}

void call_count(struct rpc *rpc, int n)
{
	pthread_mutex_lock(&rpc->mutex);
	rpc->n_calls += (uint32_t)n;
	if (!rpc->n_calls)
		pthread_cond_signal(&rpc->changed);
	pthread_mutex_unlock(&rpc->mutex);
}

void calls_fini(struct rpc *rpc)
{
	while (rpc->free_calls) {
		struct call *call = rpc->free_calls;
		rpc->free_calls = call->next_free;
		free(call);
	}
}

static void forget_details(struct call *call)
{
	if (!call->method->path)
		grpc_call_details_destroy(&call->details);
}

/* Asks gRPC for a call; from here on the struct may be in use on another worker's queue. */
static void expect(struct worker *worker, struct call *call)
{
	struct rpc *rpc = call->rpc;
	const struct method *method = call->method;
	call->replied = (grpc_completion_queue_functor){ .functor_run = replied, .inlineable = 1 };
	call->metadata.count = 0;
	call->refs = 1;
	call->cancelled = -1;
	call->watched = false;
	call->fini = NULL;
	store32_relaxed(&call->home, CALL_BUSY);
	grpc_call_error error;
	given(&call->arrival);
	if (method->path) {
		error = grpc_server_request_registered_call(
			rpc->server, method->registered, &call->grpc, &call->deadline, &call->metadata,
			method->takes_stream ? NULL : &call->payload, call->queue, worker->queue, &call->arrival);
	} else {
		grpc_call_details_init(&call->details);
		error = grpc_server_request_call(rpc->server, &call->grpc, &call->details, &call->metadata, call->queue,
						 worker->queue, &call->arrival);
	}
	if (error == GRPC_CALL_OK)
		return;
	forget_details(call);
	call_free(call);
}

void call_expect(struct worker *worker, const struct method *method, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct call *call = call_new(worker->rpc, method);
		if (call)
			expect(worker, call);
	}
}

static void arrived(struct arrival *arrival, struct worker *worker, bool ok)
{
	struct call *call = (struct call *)arrival; /* the first member */
	taken(arrival);
	const struct method *method = call->method;
	forget_details(call);
	if (!ok) {
		call_free(call);
		return;
	}
	method->handle(call, worker);
	/* Pairs with the exchange in call_unref(): the second of the two goes on with the struct. */
	if (exchange32(&call->home, CALL_AWAY) == CALL_DONE)
		expect(worker, call);
	else
		call_expect(worker, method, 1);
}

void call_ref(struct call *call)
{
	(void)fetch_add32(&call->refs, 1);
}

void call_unref(struct call *call)
{
	if (fetch_add32(&call->refs, (uint32_t)-1) != 1)
		return;
	if (call->payload)
		grpc_byte_buffer_destroy(call->payload);
	call->payload = NULL;
	if (call->fini)
		call->fini(call);
	grpc_call_unref(call->grpc);
	if (exchange32(&call->home, CALL_DONE) == CALL_AWAY)
		call_free(call);
}

void call_start(struct call *call, const grpc_op *ops, size_t n, grpc_completion_queue_functor *done)
{
	given(done);
	if (grpc_call_start_batch(call->grpc, ops, n, done, NULL) != GRPC_CALL_OK)
		call_unref(call);
}

void call_watch(struct call *call, void (*closed)(grpc_completion_queue_functor *functor, int ok))
{
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
	op.data.recv_close_on_server.cancelled = &call->cancelled;
	call->closed = (grpc_completion_queue_functor){ .functor_run = closed, .inlineable = 1 };
	call->watched = true;
	call_ref(call);
	call_start(call, &op, 1, &call->closed);
}

static void replied(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, replied);
	(void)ok; /* whether the client has read it or has gone: nothing is left to do */
	if (call->unsent) {
		count(&call->rpc->unsent_bytes, -(int64_t)call->unsent);
		call->unsent = 0;
	}
	call_unref(call);
}

static grpc_slice as_slice(struct bytes *bytes)
{
	const uint8_t *data = bytes->data;
	size_t len = bytes->len;
	uint8_t *memory = len > COPIED_RESPONSE ? bytes_take(bytes) : NULL;
	return memory ? grpc_slice_new_with_user_data(memory, len, free, memory)
		      : grpc_slice_from_copied_buffer((const char *)data, len);
}

grpc_byte_buffer *call_message(struct bytes *bytes)
{
	grpc_slice slice = as_slice(bytes);
	grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return message;
}

void call_start_status(struct call *call, grpc_op *ops, size_t n, const struct call_status *status)
{
	grpc_metadata trailer;
	grpc_slice text;
	grpc_op *op = &ops[n++];
	*op = (grpc_op){ .op = GRPC_OP_SEND_STATUS_FROM_SERVER };
	op->data.send_status_from_server.status = (grpc_status_code)status->grpc_code;
	if (status->text) {
		text = grpc_slice_from_copied_string(status->text);
		op->data.send_status_from_server.status_details = &text;
	}
	if (status->details.len) {
		trailer.key = grpc_slice_from_static_string("grpc-status-details-bin");
		trailer.value = grpc_slice_from_copied_buffer((const char *)status->details.data, status->details.len);
		op->data.send_status_from_server.trailing_metadata = &trailer;
		op->data.send_status_from_server.trailing_metadata_count = 1;
	}
	call_start(call, ops, n, &call->replied);
	if (status->text)
		grpc_slice_unref(text);
	if (status->details.len)
		grpc_slice_unref(trailer.value);
}

/* The reply's batch: `message` or a status that is not OK. */
static void reply(struct call *call, grpc_byte_buffer *message, const struct call_status *status)
{
	grpc_op ops[4] = { { .op = GRPC_OP_SEND_INITIAL_METADATA } };
	size_t n = 1;
	if (message) {
		ops[n] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
		ops[n++].data.send_message.send_message = message;
	}
	if (!call->watched) {
		ops[n] = (grpc_op){ .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
		ops[n++].data.recv_close_on_server.cancelled = &call->cancelled;
	}
	call_start_status(call, ops, n, status);
	if (message)
		grpc_byte_buffer_destroy(message);
}

static void reply_response(struct call *call, struct bytes *response, bool keep)
{
	if (response->len > COPIED_RESPONSE) {
		call->unsent = response->len;
		count(&call->rpc->unsent_bytes, (int64_t)call->unsent);
	}
	grpc_slice slice = as_slice(response);
	grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
	if (keep)
		call->sent = grpc_slice_ref(slice);
	grpc_slice_unref(slice);
	reply(call, message, &(struct call_status){ .grpc_code = GRPC_STATUS_OK });
}

/* The call is over: its batches have ended, and with them it is known how. */
static void undo_if_lost(struct call *call)
{
	const struct unreceived what = {
		.op = call->method->op,
		.actor = call->actor,
		.receipt = &call->receipt,
		.response = { GRPC_SLICE_START_PTR(call->sent), GRPC_SLICE_LENGTH(call->sent) },
	};
	if (call->cancelled == 1)
		undo_start(call->rpc, NULL, &what);
	op_receipt_fini(&call->receipt);
	grpc_slice_unref(call->sent);
}

void call_reply_undoable(struct call *call, const struct op_receipt *receipt, struct actor actor,
			 struct bytes *response)
{
	call->receipt = *receipt;
	call->actor = actor;
	call->fini = undo_if_lost;
	reply_response(call, response, true);
}

static void reply_error(struct call *call, enum sabir_error error, const char *detail)
{
	char text[OP_MESSAGE_SIZE];
	uint8_t fixed[512];
	struct bytes status;
	bytes_init(&status, fixed, sizeof(fixed));
	op_text(error, detail, text);
	struct span details = op_status(error, detail, &status) ? (struct span){ NULL, 0 } : bytes_item(&status, 0);
	count(&call->rpc->counters.failed, 1);
	reply(call, NULL, &(struct call_status){ error_grpc_code(error), text, details });
	bytes_fini(&status);
}

void call_reply(struct call *call, enum sabir_error error, const char *detail, struct bytes *response)
{
	if (error)
		reply_error(call, error, detail);
	else
		reply_response(call, response, false);
}

void call_reject(struct call *call, int grpc_code, const char *text)
{
	reply(call, NULL, &(struct call_status){ .grpc_code = grpc_code, .text = text });
}

void call_write_peer(void *call, char *to, size_t size)
{
	char *peer = grpc_call_get_peer(((struct call *)call)->grpc);
	utf8_show((struct span){ (const uint8_t *)peer, strlen(peer) }, to, size);
	gpr_free(peer);
}

static struct span one_piece(grpc_byte_buffer *payload, grpc_slice *joined)
{
	grpc_byte_buffer_reader reader;
	const grpc_slice_buffer *parts = &payload->data.raw.slice_buffer;
	*joined = grpc_empty_slice();
	if (parts->count == 1)
		return (struct span){ GRPC_SLICE_START_PTR(parts->slices[0]), GRPC_SLICE_LENGTH(parts->slices[0]) };
	if (parts->count && grpc_byte_buffer_reader_init(&reader, payload)) {
		*joined = grpc_byte_buffer_reader_readall(&reader);
		grpc_byte_buffer_reader_destroy(&reader);
	}
	return (struct span){ GRPC_SLICE_START_PTR(*joined), GRPC_SLICE_LENGTH(*joined) };
}

bool request_open(struct call *call, struct request *request)
{
	request->payload = call->payload;
	call->payload = NULL;
	if (request->payload)
		request->span = one_piece(request->payload, &request->joined);
	return request->payload != NULL;
}

void request_close(struct request *request)
{
	grpc_byte_buffer_destroy(request->payload);
	grpc_slice_unref(request->joined);
}
