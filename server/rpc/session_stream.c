/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SessionService.Session: the operation table over one stream.
 *
 *   opening   no message has come; the first names the session, or the metadata did
 *   open      messages are read and performed call by call, and results are sent, in turns
 *   finished  the client sends no more; the stream ends when nothing waits
 *
 * A turn sends what has been answered since the last message went out; a message from the client that makes more answers
 * than fit is gone on with in the next turn. So a client that does not read is not read from, and what it can make grow is
 * one message, the answers of what waited (ready_bytes), and what waits: each has its limit.
 *
 * What was sent may be lost until gRPC says that it is out: `sending` keeps those that would have to be undone then.
 */
#include "server/rpc/session_stream.h"

#include <stdlib.h>
#include <string.h>

#include "server/rpc/asked.h"
#include "server/rpc/call.h"
#include "server/rpc/session_wire.h"
#include "server/rpc/waiter.h"

#define MESSAGE_BYTES (256u << 10) /* no more answers are added to a message that is longer */

struct session_stream {
	struct asker asker; /* the first member */
	struct rpc *rpc;
	struct asks *asks; /* NULL: opening */
	struct identity who;
	struct waiter *unsent;  /* answers that were taken from the asker, and are not encoded yet */
	struct waiter *sending; /* those in the message that is on its way */
	struct asked *held;     /* what is heavy, and goes before all that comes behind it */
	struct bytes out;
	struct request message; /* that is being performed */
	struct span rest;       /* of it */
	bool has_message;
	bool finished;
};

/* A turn of a stream, with what only a turn has. */
struct turn {
	struct session_stream *s;
	struct call *call;
	struct lane *lane;
	struct bytes response;
	char detail[OP_DETAIL_SIZE];
};

/* ---------------------------------------------------------------- answers */

/* Encodes what has been answered, as long as it fits. */
static void encode_ready(struct session_stream *s)
{
	if (!s->asks)
		return;
	if (!s->unsent)
		s->unsent = asker_take(s->asks, &s->asker);
	while (s->unsent && s->out.len < MESSAGE_BYTES) {
		struct waiter *w = s->unsent;
		const struct answer a = answer_of(w);
		if (!session_put_result(&s->out, w->by_tag.key, a.error, a.response, a.detail))
			return; /* out of memory: at the next turn */
		count(&s->rpc->counters.failed, a.error != SABIR_OK);
		s->unsent = w->next;
		w->next = s->sending;
		s->sending = w;
	}
}

static void answer(struct turn *t, uint64_t tag, enum sabir_error error, const char *detail)
{
	count(&t->s->rpc->counters.failed, error != SABIR_OK);
	(void)session_put_result(&t->s->out, tag, error, (struct span){ t->response.data, t->response.len }, detail);
}

/* ---------------------------------------------------------------- calls */

static enum sabir_error admit(struct turn *t, const struct op *op, const char **detail)
{
	struct rpc *rpc = t->s->rpc;
	*detail = "";
	if (!op)
		return SABIR_UNIMPLEMENTED;
	if (load32_relaxed(&rpc->draining)) {
		*detail = "the server is shutting down";
		return SABIR_UNAVAILABLE;
	}
	if (load64_relaxed(&rpc->unsent_bytes) > rpc->max_unsent_bytes) {
		*detail = "too many responses wait for clients that do not read them";
		return SABIR_RESOURCE_EXHAUSTED;
	}
	if (!t->lane) {
		*detail = "no lane for the stream";
		return SABIR_TOO_MANY_OWNERS;
	}
	return SABIR_OK;
}

static struct pending_task task_of(struct turn *t, const struct op *op, struct span request, const struct identity *who,
				   const struct op_front *front)
{
	return (struct pending_task){ .op = op,
				      .request = request,
				      .who = who,
				      .front = front,
				      .lane = t->lane,
				      .out = &t->response,
				      .detail = t->detail };
}

static void park(struct turn *t, struct asked *asked, const struct pending_task *task, const struct op_wait *wait,
		 enum sabir_error error)
{
	if (wait->side == OP_WAIT_POOL) {
		asked_hold(t->s->asks, asked, t->call);
		t->s->held = asked;
	}
	error = asked_park(asked, task, wait, error);
	if (error)
		asked_end(asked, error, &t->response, t->detail);
}

static void run(struct turn *t, const struct ask_request *r)
{
	struct session_stream *s = t->s;
	const struct op_front front = rpc_front(s->rpc, call_write_peer, t->call);
	struct identity who = { .session = s->who.session, .actor = { s->who.actor.owner, r->thread, r->id } };
	const bool kept = r->id || op_can_wait(r->op);
	struct pending_task task = task_of(t, r->op, r->message, &who, &front);
	task.undoable = kept && op_can_undo(r->op);
	struct asked *asked = NULL;
	struct op_wait wait;
	const char *detail = "";
	enum sabir_error error = kept ? asked_begin(s->asks, &s->asker, r, &asked, &detail) : SABIR_OK;
	if (error == SABIR_CHANGED && !asked)
		return;
	if (error) {
		answer(t, r->tag, error, detail);
		return;
	}
	bool waits = pending_run(s->rpc, &task, &wait, &error);
	enum sabir_error refused = waits && !asked ? asked_begin(s->asks, &s->asker, r, &asked, &detail) : SABIR_OK;
	if (asked)
		asked->receipt = wait.receipt;
	if (refused)
		answer(t, r->tag, refused, detail);
	else if (waits)
		park(t, asked, &task, &wait, error);
	else if (asked)
		asked_end(asked, error, &t->response, t->detail);
	else
		answer(t, r->tag, error, t->detail);
}

static void run_call(struct turn *t, const struct session_call *c)
{
	const struct ask_request r = {
		.tag = c->tag, .id = c->id, .thread = c->thread, .op = session_call_op(c), .message = c->request
	};
	const char *detail;
	enum sabir_error error = admit(t, r.op, &detail);
	t->detail[0] = '\0';
	bytes_truncate(&t->response, 0);
	if (error)
		answer(t, c->tag, error, detail);
	else
		run(t, &r);
}

static void cancel_tag(void *context, uint64_t tag)
{
	struct session_stream *s = context;
	asked_cancel(s->asks, &s->asker, tag);
}

static bool is_held(struct session_stream *s)
{
	if (s->held && asked_let_go(s->asks, s->held))
		s->held = NULL;
	return s->held != NULL;
}

/*
 * Performs the message, or as much of it as makes a full message of answers, or as comes before what a heavy call of it has
 * changed. False: nothing of it could be performed now.
 */
static bool perform(struct turn *t)
{
	struct session_stream *s = t->s;
	struct session_call c;
	bool any = false, held;
	while (!(held = is_held(s)) && s->out.len < MESSAGE_BYTES && session_call_next(&s->rest, &c)) {
		run_call(t, &c);
		encode_ready(s);
		any = true;
	}
	if ((held || s->out.len >= MESSAGE_BYTES) && s->rest.len)
		return any;
	session_cancels(s->message.span, cancel_tag, s);
	request_close(&s->message);
	s->has_message = false;
	encode_ready(s);
	return true;
}

/* ---------------------------------------------------------------- opening */

/* With the response of SessionService.Open or, without a token of its own, of KeepAlive. */
static bool welcome(struct turn *t, struct span token)
{
	struct span message = { t->response.data, t->response.len }, session = { NULL, 0 };
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	while (at < end && wire_next(&at, end, &f)) {
		if (f.number == 1 && !token.data)
			token = f.bytes;
		else
			session = f.bytes;
	}
	if (!t->s->who.session && session_use(t->s->rpc->sessions, token, &t->s->who.session))
		return false;
	return session_put_welcome(&t->s->out, token, session, ASKER_MAX_WAITING, t->s->rpc->max_message_bytes);
}

static enum sabir_error ask_sessions(struct turn *t, const char *path, struct span request)
{
	const struct op_front front = rpc_front(t->s->rpc, call_write_peer, t->call);
	const struct pending_task task = task_of(t, op_find(path), request, &t->s->who, &front);
	struct op_wait wait;
	enum sabir_error error;
	(void)pending_run(t->s->rpc, &task, &wait, &error);
	return error;
}

/* The session of a token, which the hello or the metadata gave. */
static enum sabir_error resume(struct turn *t, struct span token)
{
	uint8_t request[SESSION_TOKEN_LEN + 8];
	if (token.len != SESSION_TOKEN_LEN)
		return SABIR_SESSION_ENDED;
	size_t len = (size_t)(wire_put_bytes(request, 1, token.data, token.len) - request);
	enum sabir_error error = ask_sessions(t, "/sabir.v1.SessionService/KeepAlive", (struct span){ request, len });
	return error ? error : welcome(t, token) ? SABIR_OK : SABIR_SESSION_ENDED;
}

static enum sabir_error find_session(struct turn *t, const struct session_message *m)
{
	struct span token = { NULL, 0 }, given;
	const struct span none = { (const uint8_t *)"", 0 };
	if (identity_token(t->call, &given, t->detail) || (m->hello.data && !session_hello_read(m->hello, &token)))
		return SABIR_INVALID_ARGUMENT;
	if (given.data && token.len && (given.len != token.len || memcmp(given.data, token.data, token.len) != 0)) {
		strcpy(t->detail, "the metadata and the hello name two sessions");
		return SABIR_INVALID_ARGUMENT;
	}
	if (token.len || given.data)
		return resume(t, token.len ? token : given);
	enum sabir_error error = ask_sessions(t, "/sabir.v1.SessionService/Open", m->hello.data ? m->hello : none);
	return error ? error : welcome(t, (struct span){ NULL, 0 }) ? SABIR_OK : SABIR_NO_MEMORY;
}

static enum sabir_error open_session(struct turn *t, const struct session_message *m)
{
	struct session_stream *s = t->s;
	const char *detail;
	enum sabir_error error = admit(t, op_at(0), &detail);
	if (error) {
		strcpy(t->detail, detail);
		return error;
	}
	error = find_session(t, m);
	if (error)
		return error;
	s->who.actor.owner = session_owner(s->who.session);
	struct asks *asks = asks_of(s->rpc, s->who.session);
	if (!asks)
		return SABIR_NO_MEMORY;
	asker_enter(asks, &s->asker);
	pthread_mutex_lock(&t->call->stream.mutex);
	s->asks = asks;
	bool closed = t->call->stream.closed; /* then session_closed() has not seen it */
	pthread_mutex_unlock(&t->call->stream.mutex);
	if (closed)
		(void)asker_leave(asks, &s->asker);
	/* An end of the session that came before we were among its askers has not told us. */
	return session_has_ended(s->rpc->sessions, s->who.session) ? SABIR_SESSION_ENDED : SABIR_OK;
}

/* ---------------------------------------------------------------- turns */

static enum sabir_error begin_message(struct turn *t)
{
	struct session_stream *s = t->s;
	struct session_message m;
	enum sabir_error error = SABIR_OK;
	t->detail[0] = '\0';
	if (!session_message_read(s->message.span, &m) || (s->asks && m.hello.data)) {
		strcpy(t->detail, "not a SessionServiceSessionRequest, or a hello that is not the first message");
		error = SABIR_INVALID_ARGUMENT;
	} else if (!s->asks) {
		error = open_session(t, &m);
	}
	if (error) {
		request_close(&s->message);
		return error;
	}
	asks_acknowledge(s->asks, m.acknowledged_below);
	s->rest = s->message.span;
	s->has_message = true;
	return SABIR_OK;
}

static bool has_ready(struct session_stream *s)
{
	if (!s->asks)
		return false;
	pthread_mutex_lock(&s->asks->mutex);
	bool ready = s->asker.answers || s->asks->ended;
	pthread_mutex_unlock(&s->asks->mutex);
	return ready;
}

static bool is_over(struct session_stream *s, bool *ended)
{
	if (!s->asks) {
		*ended = false;
		return s->finished;
	}
	pthread_mutex_lock(&s->asks->mutex);
	*ended = s->asks->ended;
	bool idle = !s->asker.tags.n && !s->asker.answers;
	pthread_mutex_unlock(&s->asks->mutex);
	return (idle && !s->unsent && s->finished) || *ended;
}

static bool busy(struct call *call)
{
	struct session_stream *s = call->stream.own;
	bool ended;
	return has_ready(s) || (s->held && asked_has_ended(s->asks, s->held)) ||
	       (stream_has_input(call) && !s->finished) || (stream_is_leaving(call) && !s->finished) ||
	       is_over(s, &ended);
}

/* What the turn ends with, if it does. */
static bool end_turn(struct turn *t)
{
	struct session_stream *s = t->s;
	bool ended;
	if (s->out.len) {
		stream_send(t->call, &s->out);
		return true;
	}
	if (!is_over(s, &ended))
		return false;
	if (ended)
		stream_fail(t->call, SABIR_SESSION_ENDED, "it was closed or its lease ran out");
	else if (stream_is_leaving(t->call))
		stream_leave(t->call);
	else
		stream_end(t->call, GRPC_STATUS_OK, "");
	return true;
}

/* False: the turn has ended. */
static bool read_message(struct turn *t)
{
	struct session_stream *s = t->s;
	if (stream_is_leaving(t->call))
		s->finished = true;
	if (s->has_message || s->finished)
		return true;
	enum sabir_error error = SABIR_OK;
	switch (stream_read(t->call, &s->message)) {
	case STREAM_MESSAGE:
		error = begin_message(t);
		break;
	case STREAM_FINISHED:
		s->finished = true;
		break;
	case STREAM_NOTHING:
		break;
	}
	if (error)
		stream_fail(t->call, error, t->detail);
	return !error;
}

static void turns(struct turn *t)
{
	struct session_stream *s = t->s;
	answers_drop_delivered(s->sending);
	s->sending = NULL;
	bool performed;
	do {
		(void)is_held(s); /* also if nothing comes behind what is held: busy() asks for it */
		encode_ready(s);
		if (!s->out.len && !read_message(t))
			return;
		performed = s->has_message && perform(t);
		if (end_turn(t))
			return;
	} while (performed || !stream_rest(t->call)); /* it rests only when the next message is asked for */
}

static void session_turn(struct call *call)
{
	struct session_stream *s = call->stream.own;
	struct rpc *rpc = s->rpc;
	struct turn t = { .s = s, .call = call, .lane = lanes_take(&rpc->lanes) };
	uint8_t fixed[1024];
	bytes_init(&t.response, fixed, sizeof(fixed));
	turns(&t); /* the stream may be gone */
	bytes_fini(&t.response);
	lanes_give(&rpc->lanes, t.lane);
}

static void session_closed(struct call *call)
{
	struct session_stream *s = call->stream.own;
	pthread_mutex_lock(&call->stream.mutex);
	struct asks *asks = s->asks;
	pthread_mutex_unlock(&call->stream.mutex);
	if (asks)
		(void)asker_leave(asks, &s->asker);
}

static void session_fini(struct call *call)
{
	struct session_stream *s = call->stream.own;
	if (s->asks)
		answers_drop_undelivered(asker_take(s->asks, &s->asker));
	answers_drop_undelivered(s->unsent);
	answers_drop_undelivered(s->sending);
	if (s->held) /* it has ended: until then it has a reference to the call */
		(void)asked_let_go(s->asks, s->held);
	if (s->has_message)
		request_close(&s->message);
	asker_fini(&s->asker);
	bytes_fini(&s->out);
	session_release(s->rpc->sessions, s->who.session);
	free(s);
}

static void session_ready(struct asker *asker, uint64_t bytes)
{
	if (bytes > ASKER_MAX_READY_BYTES)
		(void)grpc_call_cancel_with_status(asker->call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED,
						   "the client does not read the results", NULL);
	stream_wake(asker->call);
}

static const struct stream_kind session_kind = {
	.turn = session_turn, .busy = busy, .closed = session_closed, .fini = session_fini
};

void session_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	struct session_stream *s = calloc(1, sizeof(*s));
	if (!s) {
		call_reject(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "the server is out of memory");
		return;
	}
	s->rpc = call->rpc;
	s->asker = (struct asker){ .call = call, .ready = session_ready };
	if (!stream_open(call, &session_kind, s))
		free(s);
}
