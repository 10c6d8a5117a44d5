/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams. One has a reference for its watch, which ends with the client or the status, and one for each claim and each
 * read; the list of streams has none, a stream leaves it when its watch ends.
 *
 *   claimed   it has a turn, or waits for it, or a message is on its way out
 *   at rest   stream_wake() claims it
 *   ended     the status has been given to gRPC; it stays claimed
 *
 * Batches are started without the mutex: gRPC may call stream_sent, read_done and stream_closed from inside. They, and
 * stream_wake, put the stream into the thread's list of turns, which the outermost of them works off: the stack doesn't
 * grow with the messages.
 */
#include "server/rpc/stream.h"

#include <stdlib.h>

#include "server/rpc/call.h"

static __thread struct {
	struct call *first, *last;
	bool running;
	bool held;
} turns;

static void run_turns(void)
{
	if (turns.running || turns.held)
		return;
	turns.running = true;
	while (turns.first) {
		struct call *call = turns.first;
		turns.first = call->stream.next_turn;
		call->stream.kind->turn(call);
	}
	turns.running = false;
}

/* To a claimed stream. */
static void give_turn(struct call *call)
{
	call->stream.next_turn = NULL;
	if (turns.first)
		turns.last->stream.next_turn = call;
	else
		turns.first = call;
	turns.last = call;
}

void streams_hold(void)
{
	turns.held = true;
}

void streams_turn(void *context)
{
	(void)context;
	turns.held = false;
	run_turns();
}

/* ---------------------------------------------------------------- the life of a stream */

static void stream_fini(struct call *call)
{
	if (call->stream.kind->fini)
		call->stream.kind->fini(call);
	pthread_mutex_destroy(&call->stream.mutex);
}

static void enlist(struct call *call)
{
	struct streams *all = &call->rpc->streams;
	pthread_mutex_lock(&all->mutex);
	call->stream.next = all->first;
	if (all->first)
		all->first->stream.prev = call;
	all->first = call;
	pthread_mutex_unlock(&all->mutex);
}

static void delist(struct call *call)
{
	struct stream *stream = &call->stream;
	struct streams *all = &call->rpc->streams;
	pthread_mutex_lock(&all->mutex);
	if (stream->prev)
		stream->prev->stream.next = stream->next;
	else
		all->first = stream->next;
	if (stream->next)
		stream->next->stream.prev = stream->prev;
	pthread_mutex_unlock(&all->mutex);
}

static void stream_closed(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, closed);
	(void)ok;
	pthread_mutex_lock(&call->stream.mutex);
	call->stream.closed = true;
	pthread_mutex_unlock(&call->stream.mutex);
	delist(call);
	if (call->stream.kind->closed)
		call->stream.kind->closed(call);
	count(&call->rpc->counters.watching, -1);
	call_unref(call);
	run_turns();
}

static void stream_sent(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, replied);
	count(&call->rpc->unsent_bytes, -(int64_t)call->unsent);
	call->unsent = 0;
	if (ok && !call->stream.ended)
		give_turn(call);
	else
		call_unref(call);
	run_turns();
}

bool stream_open(struct call *call, const struct stream_kind *kind, void *own)
{
	struct rpc *rpc = call->rpc;
	if (fetch_add64(&rpc->counters.watching, 1) + load64_relaxed(&rpc->counters.waiting) >= rpc->max_parked) {
		count(&rpc->counters.watching, -1);
		count(&rpc->counters.refused, 1);
		call_reject(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "too many calls and streams wait already");
		return false;
	}
	call->replied.functor_run = stream_sent;
	call->stream = (struct stream){ .kind = kind, .own = own, .claimed = true };
	call->fini = stream_fini;
	pthread_mutex_init(&call->stream.mutex, NULL);
	enlist(call);
	call_watch(call, stream_closed);
	give_turn(call);
	run_turns();
	return true;
}

/* ---------------------------------------------------------------- claims */

static bool claim(struct call *call)
{
	struct stream *stream = &call->stream;
	pthread_mutex_lock(&stream->mutex);
	bool claimed = !stream->claimed && !stream->ended && !stream->closed;
	if (claimed) {
		stream->claimed = true;
		call_ref(call);
	}
	pthread_mutex_unlock(&stream->mutex);
	return claimed;
}

bool stream_rest(struct call *call)
{
	struct stream *stream = &call->stream;
	pthread_mutex_lock(&stream->mutex);
	bool rests = stream->closed || !stream->kind->busy(call);
	if (rests)
		stream->claimed = false;
	pthread_mutex_unlock(&stream->mutex);
	if (rests)
		call_unref(call);
	return rests;
}

void stream_wake(struct call *call)
{
	if (claim(call))
		give_turn(call);
	run_turns();
}

void streams_wake(struct rpc *rpc)
{
	struct streams *all = &rpc->streams;
	pthread_mutex_lock(&all->mutex);
	for (struct call *call = all->first; call; call = call->stream.next)
		if (claim(call))
			give_turn(call);
	pthread_mutex_unlock(&all->mutex);
	run_turns();
}

/* ---------------------------------------------------------------- reading */

static void read_done(grpc_completion_queue_functor *functor, int ok)
{
	struct call *call = CALL_TAKEN(functor, read);
	(void)ok; /* then there is no message, and the client has finished */
	pthread_mutex_lock(&call->stream.mutex);
	call->stream.reading = false;
	call->stream.arrived = true;
	pthread_mutex_unlock(&call->stream.mutex);
	if (claim(call))
		give_turn(call);
	call_unref(call);
	run_turns();
}

static void start_read(struct call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };
	op.data.recv_message.recv_message = &call->payload;
	call->read = (grpc_completion_queue_functor){ .functor_run = read_done, .inlineable = 1 };
	call_ref(call);
	call_start(call, &op, 1, &call->read);
}

/* Takes what has arrived; else sees to it that something is asked for: `asks` tells that the caller has to. */
static bool take_arrived(struct stream *stream, bool *asks)
{
	pthread_mutex_lock(&stream->mutex);
	bool arrived = stream->arrived;
	*asks = !arrived && !stream->reading;
	stream->reading |= *asks;
	stream->arrived = false;
	pthread_mutex_unlock(&stream->mutex);
	return arrived;
}

enum stream_input stream_read(struct call *call, struct request *request)
{
	bool asks;
	while (!take_arrived(&call->stream, &asks)) {
		if (!asks)
			return STREAM_NOTHING;
		start_read(call);
	}
	return request_open(call, request) ? STREAM_MESSAGE : STREAM_FINISHED;
}

bool stream_has_input(const struct call *call)
{
	return call->stream.arrived;
}

bool stream_is_leaving(const struct call *call)
{
	return load32_acquire(&call->rpc->streams.leaving);
}

bool stream_is_closed(struct call *call)
{
	pthread_mutex_lock(&call->stream.mutex);
	bool closed = call->stream.closed;
	pthread_mutex_unlock(&call->stream.mutex);
	return closed;
}

/* ---------------------------------------------------------------- sending */

static size_t greet(struct call *call, grpc_op *op)
{
	if (call->stream.greeted)
		return 0;
	call->stream.greeted = true;
	*op = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
	return 1;
}

void stream_send(struct call *call, struct bytes *message)
{
	grpc_op ops[2];
	size_t n = greet(call, &ops[0]);
	call->unsent = message->len;
	count(&call->rpc->unsent_bytes, (int64_t)call->unsent);
	grpc_byte_buffer *buffer = call_message(message);
	bytes_fini(message);
	ops[n] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
	ops[n++].data.send_message.send_message = buffer;
	call_start(call, ops, n, &call->replied);
	grpc_byte_buffer_destroy(buffer);
}

static void end(struct call *call, const struct call_status *status)
{
	grpc_op ops[2];
	size_t n = greet(call, &ops[0]);
	call->stream.ended = true;
	call_start_status(call, ops, n, status);
}

void stream_end(struct call *call, int grpc_code, const char *text)
{
	end(call, &(struct call_status){ .grpc_code = grpc_code, .text = text });
}

void stream_fail(struct call *call, enum sabir_error error, const char *detail)
{
	char text[OP_MESSAGE_SIZE];
	uint8_t fixed[512];
	struct bytes details;
	bytes_init(&details, fixed, sizeof(fixed));
	op_text(error, detail, text);
	struct call_status status = { .grpc_code = error_grpc_code(error), .text = text };
	if (!op_status(error, detail, &details))
		status.details = bytes_item(&details, 0);
	end(call, &status);
	bytes_fini(&details);
}

void stream_leave(struct call *call)
{
	stream_end(call, GRPC_STATUS_UNAVAILABLE, "the server is shutting down");
}
