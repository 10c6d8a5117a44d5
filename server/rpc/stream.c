/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that stay open. A stream has one reference for its watch, which ends with the client or the status, and one
 * for each claim; the list of streams has none, a stream leaves it when its watch ends.
 *
 *   claimed   somebody is about to send, or a message is on its way out
 *   at rest   nobody sends; streams_wake() claims it
 *   ended     the status has been given to gRPC; it stays claimed
 *
 * Batches are started without the mutex: gRPC may call stream_sent and stream_closed from inside.
 */
#include "server/rpc/stream.h"

#include "server/rpc/call.h"

static void stream_closed(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, closed);
	struct stream *stream = &call->stream;
	struct streams *all = &call->rpc->streams;
	(void)ok;
	pthread_mutex_lock(&all->mutex);
	stream->closed = true;
	if (stream->prev)
		stream->prev->stream.next = stream->next;
	else
		all->first = stream->next;
	if (stream->next)
		stream->next->stream.prev = stream->prev;
	pthread_mutex_unlock(&all->mutex);
	count(&call->rpc->counters.watching, -1);
	call_unref(call);
}

static void stream_sent(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, replied);
	if (ok && !call->stream.ended)
		call->stream.turn(call);
	else
		call_unref(call);
}

void stream_open(struct call *call, struct stream kind)
{
	struct rpc *rpc = call->rpc;
	struct streams *all = &rpc->streams;
	if (fetch_add64(&rpc->counters.watching, 1) + load64_relaxed(&rpc->counters.waiting) >= rpc->max_parked) {
		count(&rpc->counters.watching, -1);
		count(&rpc->counters.refused, 1);
		call_reject(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "too many calls and streams wait already");
		return;
	}
	call->replied.functor_run = stream_sent;
	call->stream = kind;
	call->stream.claimed = true;
	pthread_mutex_lock(&all->mutex);
	call->stream.next = all->first;
	if (all->first)
		all->first->stream.prev = call;
	all->first = call;
	pthread_mutex_unlock(&all->mutex);
	call_watch(call, stream_closed);
	kind.turn(call);
}

static bool claim_locked(struct call *call)
{
	struct stream *stream = &call->stream;
	if (stream->claimed || stream->ended || stream->closed)
		return false;
	stream->claimed = true;
	call_ref(call);
	return true;
}

bool stream_claim(struct call *call)
{
	struct streams *all = &call->rpc->streams;
	pthread_mutex_lock(&all->mutex);
	bool claimed = claim_locked(call);
	pthread_mutex_unlock(&all->mutex);
	return claimed;
}

bool stream_rest_unless(struct call *call, bool (*busy)(struct call *call))
{
	struct streams *all = &call->rpc->streams;
	pthread_mutex_lock(&all->mutex);
	bool rests = !busy(call);
	if (rests)
		call->stream.claimed = false;
	pthread_mutex_unlock(&all->mutex);
	if (rests)
		call_unref(call);
	return rests;
}

static size_t greet(struct call *call, grpc_op *op)
{
	if (call->stream.greeted)
		return 0;
	call->stream.greeted = true;
	*op = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
	return 1;
}

void stream_send(struct call *call, struct span message)
{
	grpc_op ops[2];
	size_t n = greet(call, &ops[0]);
	grpc_slice slice = grpc_slice_from_copied_buffer((const char *)message.data, message.len);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	ops[n] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
	ops[n++].data.send_message.send_message = buffer;
	call_start(call, ops, n, &call->replied);
	grpc_byte_buffer_destroy(buffer);
}

void stream_end(struct call *call, int grpc_code, const char *text)
{
	grpc_op ops[2];
	size_t n = greet(call, &ops[0]);
	grpc_slice status = grpc_slice_from_copied_string(text);
	ops[n] = (grpc_op){ .op = GRPC_OP_SEND_STATUS_FROM_SERVER };
	ops[n].data.send_status_from_server.status = (grpc_status_code)grpc_code;
	ops[n++].data.send_status_from_server.status_details = &status;
	call->stream.ended = true;
	call_start(call, ops, n, &call->replied);
	grpc_slice_unref(status);
}

void streams_wake(struct rpc *rpc)
{
	struct streams *all = &rpc->streams;
	struct call *woken = NULL;
	pthread_mutex_lock(&all->mutex);
	for (struct call *call = all->first; call; call = call->stream.next) {
		if (!claim_locked(call))
			continue;
		call->stream.wake_next = woken;
		woken = call;
	}
	pthread_mutex_unlock(&all->mutex);
	while (woken) {
		struct call *call = woken;
		woken = call->stream.wake_next;
		call->stream.turn(call);
	}
}
