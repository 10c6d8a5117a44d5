/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of gRPC. Each has a completion queue of its own, so that it is not bound to a thread, and whoever waits for it
 * takes what happened off the queue:
 *
 *   send      one message at a time: free ──► on its way ──► free
 *   receive   always one: asked for ──► here ──taken──► asked for ... ──► no more
 *   status    once, behind the last message
 *
 * To cancel a wait must not end the stream. So who waits with a token hangs a bell on the queue: a second call that is never
 * sent, which cancel_call.c cuts off. That is an event like any other, and wakes him.
 */
#include "bindings/c/remote_stream.h"

#include <grpc/grpc.h>
#include <stdlib.h>

#include "bindings/c/cancel.h"
#include "bindings/c/remote.h"
#include "server/base/clock.h"

struct remote_stream {
	struct sabir_conn *conn;
	grpc_completion_queue *queue;
	grpc_call *call;
	grpc_metadata session;
	bool named; /* the session is sent along */
	char token[SABIR_TOKEN_SIZE];

	grpc_byte_buffer *outgoing; /* on its way */
	grpc_byte_buffer *incoming;
	grpc_metadata_array initial;
	grpc_metadata_array trailing;
	grpc_status_code code;
	grpc_slice message;
	uint32_t pending; /* batches that were started and have not come back */
	bool sending, receiving, here, ended;
};

/* What cuts a wait off. */
struct bell {
	grpc_call *call;
	grpc_metadata_array trailing;
	grpc_status_code code;
	grpc_slice message;
	struct cancel_call cancel;
	bool rung;
};

/* Tags: which batch came back. */
static char sent_tag, received_tag, status_tag;

/* ---------------------------------------------------------------- batches */

static bool start(struct remote_stream *s, const grpc_op *ops, size_t n, void *tag)
{
	bool started = grpc_call_start_batch(s->call, ops, n, tag, NULL) == GRPC_CALL_OK;
	s->pending += started;
	return started;
}

static void start_send(struct remote_stream *s, struct span message, bool first)
{
	grpc_op ops[2] = { { .op = GRPC_OP_SEND_MESSAGE }, { .op = GRPC_OP_SEND_INITIAL_METADATA } };
	grpc_slice slice = grpc_slice_from_copied_buffer((const char *)message.data, message.len);
	s->outgoing = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	ops[0].data.send_message.send_message = s->outgoing;
	ops[1].data.send_initial_metadata.metadata = &s->session;
	ops[1].data.send_initial_metadata.count = s->named;
	s->sending = start(s, ops, first ? 2 : 1, &sent_tag);
}

static void start_receive(struct remote_stream *s, bool first)
{
	grpc_op ops[2] = { { .op = GRPC_OP_RECV_MESSAGE }, { .op = GRPC_OP_RECV_INITIAL_METADATA } };
	ops[0].data.recv_message.recv_message = &s->incoming;
	ops[1].data.recv_initial_metadata.recv_initial_metadata = &s->initial;
	s->receiving = start(s, ops, first ? 2 : 1, &received_tag);
}

static void start_status(struct remote_stream *s)
{
	grpc_op op = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };
	op.data.recv_status_on_client.trailing_metadata = &s->trailing;
	op.data.recv_status_on_client.status = &s->code;
	op.data.recv_status_on_client.status_details = &s->message;
	(void)start(s, &op, 1, &status_tag);
}

static void drop_outgoing(struct remote_stream *s)
{
	if (s->outgoing)
		grpc_byte_buffer_destroy(s->outgoing);
	s->outgoing = NULL;
	s->sending = false;
}

/* What the batch with the tag has brought. */
static void take_event(struct remote_stream *s, const void *tag)
{
	s->pending--;
	if (tag == &sent_tag) {
		drop_outgoing(s);
	} else if (tag == &received_tag) {
		s->receiving = false;
		s->here = s->incoming != NULL;
	} else if (tag == &status_tag) {
		s->ended = true;
		if (remote_stream_error(s) == SABIR_SESSION_ENDED && s->named)
			remote_session_lost(s->conn->state, s->token);
	}
}

/* ---------------------------------------------------------------- life */

static grpc_call *make_call(const struct remote_stream *s, const char *path)
{
	const struct remote *remote = s->conn->state;
	grpc_slice slice = grpc_slice_from_copied_string(path);
	grpc_call *call = grpc_channel_create_call(remote->channel, NULL, GRPC_PROPAGATE_DEFAULTS, s->queue, slice,
						   NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	grpc_slice_unref(slice);
	return call;
}

static void begin(struct remote_stream *s, struct sabir_conn *conn, const char *path, struct span first)
{
	conn_ref(conn);
	s->conn = conn;
	s->message = grpc_empty_slice();
	s->session.key = grpc_slice_from_static_string("sabir-session");
	s->named = remote_session_token(conn->state, s->token);
	s->session.value = grpc_slice_from_copied_string(s->named ? s->token : "");
	grpc_metadata_array_init(&s->initial);
	grpc_metadata_array_init(&s->trailing);
	s->queue = grpc_completion_queue_create_for_next(NULL);
	s->call = make_call(s, path);
	start_send(s, first, true);
	start_receive(s, true);
	start_status(s);
}

enum sabir_error remote_stream_open(struct sabir_conn *conn, const char *path, struct request *first,
				    struct remote_stream **stream)
{
	enum sabir_error error = remote_begin(conn);
	struct remote_stream *s = error || first->failed ? NULL : calloc(1, sizeof(*s));
	if (s) {
		begin(s, conn, path, (struct span){ first->data, first->len });
		*stream = s;
	} else if (!error) {
		error = fail(SABIR_NO_MEMORY, "a stream");
	}
	request_fini(first);
	return error;
}

void remote_stream_free(struct remote_stream *s)
{
	if (!s)
		return;
	if (!remote_is_forked()) {
		if (!s->ended)
			grpc_call_cancel(s->call, NULL);
		while (s->pending)
			take_event(s,
				   grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).tag);
		grpc_call_unref(s->call);
		grpc_completion_queue_shutdown(s->queue);
		while (grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
		       GRPC_QUEUE_SHUTDOWN)
			;
		grpc_completion_queue_destroy(s->queue);
		if (s->incoming)
			grpc_byte_buffer_destroy(s->incoming);
		grpc_slice_unref(s->session.value);
		grpc_slice_unref(s->message);
		grpc_metadata_array_destroy(&s->initial);
		grpc_metadata_array_destroy(&s->trailing);
	}
	conn_unref(s->conn);
	free(s);
}

/* ---------------------------------------------------------------- messages */

bool remote_stream_is_sending(const struct remote_stream *s)
{
	return s->sending;
}

enum sabir_error remote_stream_send(struct remote_stream *s, struct span message)
{
	if (remote_is_forked())
		return fail(SABIR_UNAVAILABLE, "%s: the stream is that of the process before the fork", s->conn->url);
	if (s->ended)
		return remote_stream_error(s);
	start_send(s, message, false);
	if (!s->sending)
		drop_outgoing(s);
	return SABIR_OK;
}

void remote_stream_finish(struct remote_stream *s)
{
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
	if (!remote_is_forked())
		s->sending = start(s, &op, 1, &sent_tag);
}

enum sabir_error remote_stream_receive(struct remote_stream *s, struct bytes *out)
{
	if (!s->here || remote_is_forked())
		return SABIR_EMPTY;
	enum sabir_error error = remote_message(s->incoming, out);
	if (error)
		return error;
	grpc_byte_buffer_destroy(s->incoming);
	s->incoming = NULL;
	s->here = false;
	start_receive(s, false);
	return SABIR_OK;
}

bool remote_stream_has_ended(const struct remote_stream *s)
{
	return s->ended && !s->here && !s->receiving;
}

enum sabir_error remote_stream_error(const struct remote_stream *s)
{
	return s->code == GRPC_STATUS_OK ? SABIR_OK : remote_failure(s->code, &s->trailing, &s->message);
}

/* ---------------------------------------------------------------- waiting */

static enum sabir_error hang_bell(struct remote_stream *s, struct bell *bell)
{
	grpc_op op = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };
	*bell = (struct bell){ .message = grpc_empty_slice() };
	grpc_metadata_array_init(&bell->trailing);
	bell->call = make_call(s, "/sabir.v1.SessionService/Cancel");
	op.data.recv_status_on_client.trailing_metadata = &bell->trailing;
	op.data.recv_status_on_client.status = &bell->code;
	op.data.recv_status_on_client.status_details = &bell->message;
	(void)grpc_call_start_batch(bell->call, &op, 1, bell, NULL);
	bell->cancel = (struct cancel_call){
		.token = cancel_attached.token, .conn = s->conn, .call = bell->call, .session = ""
	};
	return cancel_call_begin(&bell->cancel);
}

static void take_bell(struct remote_stream *s, struct bell *bell, bool hung)
{
	if (hung)
		(void)cancel_call_end(&bell->cancel);
	grpc_call_cancel(bell->call, NULL);
	while (!bell->rung) {
		grpc_event event = grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		bell->rung = event.tag == bell;
		if (!bell->rung)
			take_event(s, event.tag);
	}
	grpc_call_unref(bell->call);
	grpc_metadata_array_destroy(&bell->trailing);
	grpc_slice_unref(bell->message);
}

static enum sabir_error next_event(struct remote_stream *s, uint64_t deadline_ns, struct bell *bell)
{
	grpc_event event = grpc_completion_queue_next(s->queue, remote_time(deadline_ns), NULL);
	if (event.type != GRPC_OP_COMPLETE)
		return SABIR_TIMED_OUT;
	if (event.tag != bell) {
		take_event(s, event.tag);
		return SABIR_OK;
	}
	bell->rung = true;
	return SABIR_CANCELLED;
}

static enum sabir_error wait_with_token(struct remote_stream *s, uint64_t deadline_ns)
{
	struct bell bell;
	uint32_t before = s->pending;
	enum sabir_error error = hang_bell(s, &bell);
	bool hung = !error;
	if (hung)
		error = next_event(s, deadline_ns, &bell);
	take_bell(s, &bell, hung);
	/* What came with the bell is there all the same. */
	return s->pending != before ? SABIR_OK : error;
}

enum sabir_error remote_stream_wait(struct remote_stream *s, uint64_t deadline_ns, bool cancels)
{
	if (remote_is_forked())
		return fail(SABIR_UNAVAILABLE, "%s: the stream is that of the process before the fork", s->conn->url);
	/* What has happened already needs no bell, and a deadline that has passed no wait. */
	enum sabir_error error = next_event(s, 0, NULL);
	if (error != SABIR_TIMED_OUT || !clock_left(deadline_ns))
		return error;
	if (!cancels || !cancel_attached.token)
		return next_event(s, deadline_ns, NULL);
	error = cancel_is_due() ? SABIR_CANCELLED : wait_with_token(s, deadline_ns);
	return error == SABIR_CANCELLED ? fail(error, "%s", s->conn->url) : error;
}
