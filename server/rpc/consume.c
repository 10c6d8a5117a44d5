/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QueueService.Consume: what a queue has, sent as long as the client has credit.
 *
 * Three errands run beside each other:
 *
 *   take   asks for items while there is credit, and may wait in the park for long
 *   work   opens the queue, and does what the client's messages ask for: one step at a time, before the next is read
 *   last   waits for the end of the queue, from the first moment on at which there is no credit, and so no take to be told of it
 *
 * What was taken is on hold (server/objects/queue.h), or leased, from the moment it left the queue until the client says that
 * he has it. So nothing is lost whatever breaks, and when the stream's last reference goes everything that is left goes
 * back (give_back.h). One message is on its way at a time; while it is, nothing more is asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/objects/queue.h"
#include "server/rpc/consume_wire.h"
#include "server/rpc/flow.h"
#include "server/rpc/give_back.h"

enum { /* QueueServiceConsumeResponse */
       RESPONSE_ITEMS = 1,
       RESPONSE_TOKENS = 2,
       RESPONSE_LOST = 4,
};

struct consume {
	struct errand take, work, last;
	struct flow_end end;
	uint64_t handle; /* of the queue; 0: not opened yet */
	uint64_t holder;
	uint32_t max_outstanding, max_items;
	bool leased;
	struct bytes take_request; /* all but max_items */
	const struct op *ack, *nack;

	struct request input; /* the message that is worked off */
	bool has_input;
	struct consume_message message;
	uint32_t next_token; /* of the message */
	uint64_t target;     /* what it acknowledges */

	struct bytes request; /* of an errand */
	uint64_t sent, settled;
	struct outstanding leases;
	struct bytes lost; /* tokens, encoded */
	bool given_back;
	bool blind; /* it will not be told of the end */
};

static struct consume *of(struct call *call)
{
	return call->stream.own;
}

static uint64_t n_outstanding(const struct consume *c)
{
	return c->leased ? c->leases.n : c->sent - c->settled;
}

static void run(struct consume *c, struct errand *errand, const struct op *op, bool written)
{
	if (written)
		(void)errand_run(errand, op, (struct span){ c->request.data, c->request.len });
	else
		flow_end(&c->end, SABIR_NO_MEMORY, "");
}

/* ---------------------------------------------------------------- what the client says */

static void close_input(struct consume *c)
{
	if (c->has_input)
		request_close(&c->input);
	c->has_input = false;
	c->target = c->settled;
	c->next_token = 0;
	consume_message_fini(&c->message);
}

/* The first message: what is remembered of it. */
static const char *open_stream(struct consume *c)
{
	const struct consume_message *m = &c->message;
	if (!m->queue.data)
		return "field 'queue' is missing in the first message";
	if (m->max_outstanding < 1 || m->max_outstanding > CONSUME_MAX)
		return "field 'max_outstanding' must be 1 to 65536";
	if (m->acknowledges || m->n_tokens)
		return "the first message acknowledges what was not sent";
	c->max_outstanding = (uint32_t)m->max_outstanding;
	c->max_items = m->max_items && m->max_items < m->max_outstanding ? (uint32_t)m->max_items : c->max_outstanding;
	c->leased = m->lease.data != NULL;
	return NULL;
}

static const char *acknowledge(struct consume *c)
{
	const struct consume_message *m = &c->message;
	if (m->opens)
		return "a message behind the first opens the stream again";
	if (c->leased && m->acknowledges)
		return "field 'acknowledged' is for streams without leases";
	if (!c->leased && m->n_tokens)
		return "tokens are for streams with leases";
	if (m->acknowledged > c->sent)
		return "field 'acknowledged' is more than was sent";
	c->target = m->acknowledged > c->settled ? m->acknowledged : c->settled;
	return NULL;
}

static void begin_message(struct consume *c)
{
	c->has_input = true;
	const char *wrong = consume_read(&c->message, c->input.span);
	if (!wrong)
		wrong = c->handle ? acknowledge(c) : open_stream(c);
	if (wrong)
		flow_end(&c->end, SABIR_INVALID_ARGUMENT, wrong);
}

/* Begins the next step of the message; false: there is none. */
static bool work_next(struct consume *c)
{
	const struct consume_message *m = &c->message;
	bytes_truncate(&c->request, 0);
	if (!c->handle) {
		run(c, &c->work, op_flow(OP_FLOW_OPEN), errand_put_bytes(&c->request, 1, m->queue));
		return true;
	}
	bool written = errand_put_ref(&c->request, c->handle);
	if (c->target > c->settled) {
		written = written && errand_put_number(&c->request, 2, c->target - c->settled) &&
			  errand_put_number(&c->request, 5, c->holder);
		run(c, &c->work, op_flow(OP_FLOW_SETTLE), written);
		return true;
	}
	if (c->next_token >= m->n_tokens)
		return false;
	bool nack = c->next_token >= m->n_acks;
	written = written && errand_put_number(&c->request, 2, m->tokens[c->next_token]);
	if (nack && m->delay.data)
		written = written && errand_put_bytes(&c->request, 3, m->delay);
	run(c, &c->work, nack ? c->nack : c->ack, written);
	return true;
}

/* The queue is there: what every take says of it. */
static bool opened(struct consume *c, struct span response)
{
	c->handle = errand_number(response, 1);
	return errand_put_ref(&c->take_request, c->handle) && errand_put_number(&c->take_request, 5, c->holder) &&
	       (!c->leased || errand_put_bytes(&c->take_request, CONSUME_LEASE, c->message.lease));
}

static bool note_lost(struct consume *c, uint64_t token)
{
	uint8_t bytes[WIRE_MAX_VARINT];
	return bytes_add(&c->lost, bytes, (size_t)(wire_put_varint(bytes, token) - bytes)) == SABIR_OK;
}

static void work_done(struct consume *c)
{
	const struct span response = { c->work.response.data, c->work.response.len };
	enum sabir_error error = c->work.error;
	bool token = c->handle && c->target == c->settled;
	bool fine = true;
	if (token && (!error || error == SABIR_LEASE_LOST)) {
		uint64_t done = c->message.tokens[c->next_token++];
		(void)outstanding_remove(&c->leases, done);
		fine = !error || note_lost(c, done);
	} else if (error) {
		flow_end(&c->end, error, c->work.detail);
	} else if (!c->handle) {
		fine = opened(c, response);
	} else {
		c->settled = c->target;
	}
	if (!fine)
		flow_end(&c->end, SABIR_NO_MEMORY, "");
	errand_clear(&c->work);
}

/* ---------------------------------------------------------------- what the queue has */

static void take_more(struct call *call, struct consume *c)
{
	uint64_t n = c->max_outstanding - n_outstanding(c);
	if (!flow_may_send(call)) {
		flow_end(&c->end, SABIR_RESOURCE_EXHAUSTED,
			 "too many responses wait for clients that do not read them");
		return;
	}
	bytes_truncate(&c->request, 0);
	bool written = (!c->leased || outstanding_reserve(&c->leases, c->max_items)) &&
		       bytes_add(&c->request, c->take_request.data, c->take_request.len) == SABIR_OK &&
		       errand_put_number(&c->request, 2, n < c->max_items ? n : c->max_items);
	run(c, &c->take, op_flow(OP_FLOW_TAKE), written);
}

/* What ends the stream, whoever has the credit. That it can't be waited for only means that it is learned later. */
static void await_end(struct consume *c)
{
	bytes_truncate(&c->request, 0);
	run(c, &c->last, op_flow(OP_FLOW_AWAIT_END), errand_put_ref(&c->request, c->handle));
}

static void last_done(struct consume *c)
{
	switch (c->last.error) {
	case SABIR_DELETED:
	case SABIR_DATA_LOSS:
	case SABIR_SESSION_ENDED:
		flow_end(&c->end, c->last.error, c->last.detail);
		break;
	default:
		c->blind = true;
	}
	errand_clear(&c->last);
}

/* Counts what was taken, so that it can be given back. */
static void take_done(struct consume *c)
{
	const uint8_t *at = c->take.response.data, *end = at + c->take.response.len;
	struct wire_field f;
	uint64_t token;
	while (!c->take.error && at < end && wire_next(&at, end, &f)) {
		c->sent += f.number == RESPONSE_ITEMS;
		if (f.number != RESPONSE_TOKENS)
			continue;
		const uint8_t *t = f.bytes.data, *tokens_end = t + f.bytes.len;
		while (t < tokens_end && wire_varint(&t, tokens_end, &token))
			outstanding_add(&c->leases, token);
	}
}

static bool send_taken(struct call *call, struct consume *c)
{
	enum sabir_error error = c->take.error;
	if (error)
		flow_end(&c->end, error, c->take.detail);
	else
		take_done(c);
	errand_clear(&c->take);
	if (error || c->end.ending || stream_is_closed(call))
		return false;
	stream_send(call, &c->take.response);
	return true;
}

static bool send_lost(struct call *call, struct consume *c)
{
	uint8_t fixed[256];
	struct bytes message;
	if (!c->lost.len)
		return false;
	bytes_init(&message, fixed, sizeof(fixed));
	bool written = errand_put_bytes(&message, RESPONSE_LOST, (struct span){ c->lost.data, c->lost.len });
	bytes_truncate(&c->lost, 0);
	if (written)
		stream_send(call, &message);
	bytes_fini(&message);
	return written;
}

/* ---------------------------------------------------------------- turns */

/* Reads on. False: nothing has come. */
static bool read_next(struct call *call, struct consume *c)
{
	close_input(c);
	switch (stream_read(call, &c->input)) {
	case STREAM_MESSAGE:
		begin_message(c);
		return true;
	case STREAM_FINISHED:
		flow_end(&c->end, SABIR_OK, "");
		return true;
	case STREAM_NOTHING:
		break;
	}
	return false;
}

/* The client's messages, as far as they can be worked off now. */
static void work(struct call *call, struct consume *c)
{
	for (;;) {
		enum errand_state state = errand_state(&c->work);
		if (state == ERRAND_WAITING)
			return;
		if (state == ERRAND_DONE)
			work_done(c);
		if (c->end.ending)
			return;
		if (c->has_input && work_next(c))
			continue;
		if (!read_next(call, c))
			return;
	}
}

static void end_errands(struct consume *c)
{
	errand_cancel(&c->take);
	errand_cancel(&c->work);
	errand_cancel(&c->last);
}

/* Once: what came of the last take is counted only then, for the set of leases is another's after that. */
static void give_all_back(struct call *call, struct consume *c)
{
	if (c->given_back)
		return;
	if (errand_is_done(&c->take))
		take_done(c);
	if (c->handle)
		give_back(call->rpc, c->handle, c->holder, &c->leases);
	c->given_back = true;
}

/* False: an errand has to come back first. */
static bool ended(struct call *call, struct consume *c)
{
	end_errands(c);
	if (errand_state(&c->take) == ERRAND_WAITING || errand_state(&c->work) == ERRAND_WAITING ||
	    errand_state(&c->last) == ERRAND_WAITING)
		return false;
	give_all_back(call, c);
	flow_finish(call, &c->end);
	return true;
}

/* True: the turn is over. */
static bool act(struct call *call, struct consume *c)
{
	if (stream_is_leaving(call))
		flow_end(&c->end, SABIR_UNAVAILABLE, "the server is shutting down");
	if (errand_state(&c->last) == ERRAND_DONE)
		last_done(c);
	if (!c->end.ending)
		work(call, c);
	if (c->end.ending)
		return !stream_is_closed(call) && ended(call, c);
	if (send_lost(call, c))
		return true;
	if (c->handle && errand_state(&c->take) == ERRAND_NONE && n_outstanding(c) < c->max_outstanding)
		take_more(call, c);
	if (errand_state(&c->take) == ERRAND_DONE)
		return send_taken(call, c);
	if (c->handle && errand_state(&c->take) == ERRAND_NONE && errand_state(&c->last) == ERRAND_NONE && !c->blind)
		await_end(c);
	return false;
}

static bool busy(struct call *call)
{
	struct consume *c = of(call);
	if (c->end.ending)
		return c->take.state != ERRAND_WAITING && c->work.state != ERRAND_WAITING &&
		       c->last.state != ERRAND_WAITING;
	return errand_is_done(&c->take) || errand_is_done(&c->last) || errand_is_done(&c->work) ||
	       (!c->has_input && stream_has_input(call)) || stream_is_leaving(call);
}

static void turn(struct call *call)
{
	struct consume *c = of(call);
	do {
		if (act(call, c))
			return;
	} while (!stream_rest(call));
}

static void closed(struct call *call)
{
	end_errands(of(call));
}

static void fini(struct call *call)
{
	struct consume *c = of(call);
	give_all_back(call, c);
	close_input(c);
	outstanding_fini(&c->leases);
	errand_fini(&c->take);
	errand_fini(&c->work);
	errand_fini(&c->last);
	bytes_fini(&c->take_request);
	bytes_fini(&c->request);
	bytes_fini(&c->lost);
	free(c);
}

static const struct stream_kind kind = { .turn = turn, .busy = busy, .closed = closed, .fini = fini };

void consume_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	if (!flow_admit(call))
		return;
	struct consume *c = calloc(1, sizeof(*c));
	if (!c) {
		call_reply(call, SABIR_NO_MEMORY, "", NULL);
		return;
	}
	errand_init(&c->take, call);
	errand_init(&c->work, call);
	errand_init(&c->last, call);
	c->ack = op_find("/sabir.v1.QueueService/Ack");
	c->nack = op_find("/sabir.v1.QueueService/Nack");
	uint64_t number = fetch_add64(&call->rpc->next_holder, 1) % QUEUE_HOLDERS;
	c->holder = queue_holder(number, call->rpc->lanes.owner);
	if (!stream_open(call, &kind, c))
		free(c);
}
