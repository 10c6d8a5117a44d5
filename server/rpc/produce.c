/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QueueService.Produce: a stream of items, put by PutMany, or by Put where they have dedup_ids.
 *
 *   no message ──read──► message ──chunk──► errand ──accepted──► rest of the message ──…──► no message
 *
 * A chunk is as much of a message as is put in one step. While one waits for room nothing is read, so a producer that is
 * too fast is stopped by HTTP/2 with one message of his here. A chunk that is refused is put item by item, which finds the
 * item that is to blame.
 *
 * What was accepted is told when there is nothing left to do, or much has gathered; always before the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rpc/flow.h"
#include "server/rpc/produce_wire.h"

#define TELL_EVERY 8192u /* items */

enum { /* QueueServiceProduceResponse */
       RESPONSE_ACCEPTED = 1,
       RESPONSE_DUPLICATES = 2,
};

struct produce {
	struct errand errand;
	struct flow_end end;
	uint64_t handle; /* of the queue; 0: not known yet */
	const struct op *put, *put_many;

	struct request input; /* the message that is worked off */
	bool has_input;
	struct produce_message message;
	bool one_by_one;

	struct bytes request; /* of the errand */
	uint32_t chunk;       /* its items; 0: it opens the queue */
	uint64_t accepted, duplicates, told;
};

static struct produce *of(struct call *call)
{
	return call->stream.own;
}

/* ---------------------------------------------------------------- a message */

static void close_input(struct call *call, struct produce *p)
{
	if (!p->has_input)
		return;
	count(&call->rpc->parked_bytes, -(int64_t)p->input.span.len);
	request_close(&p->input);
	p->has_input = false;
}

static void begin_message(struct call *call, struct produce *p)
{
	struct rpc *rpc = call->rpc;
	uint64_t len = p->input.span.len;
	p->has_input = true;
	p->one_by_one = false;
	if (fetch_add64(&rpc->parked_bytes, len) + len > rpc->max_parked_bytes) {
		count(&rpc->counters.refused, 1);
		flow_end(&p->end, SABIR_RESOURCE_EXHAUSTED, "the requests that wait take too much memory");
		return;
	}
	const char *wrong = produce_read(&p->message, p->input.span, !p->handle);
	if (wrong)
		flow_end(&p->end, SABIR_INVALID_ARGUMENT, wrong);
}

/* ---------------------------------------------------------------- putting */

/* Writes the request for what comes next of the message. */
static bool write_next(struct produce *p)
{
	p->chunk = 0;
	bytes_truncate(&p->request, 0);
	if (!p->handle)
		return produce_put_open(&p->message, &p->request);
	return produce_put_next(&p->message, p->handle, p->one_by_one ? 1 : PRODUCE_CHUNK_ITEMS, &p->request,
				&p->chunk);
}

static void put_next(struct produce *p)
{
	const struct op *op = !p->handle ? op_flow(OP_FLOW_OPEN) : p->message.n_ids ? p->put : p->put_many;
	if (write_next(p))
		(void)errand_run(&p->errand, op, (struct span){ p->request.data, p->request.len });
	else
		flow_end(&p->end, SABIR_NO_MEMORY, "");
}

static void put_accepted(struct produce *p, struct span response)
{
	uint32_t n = p->message.n_ids ? 1 : (uint32_t)errand_number(response, 1);
	if (n > p->chunk)
		n = p->chunk;
	p->duplicates += p->message.n_ids && errand_number(response, 1) != 0;
	produce_accept(&p->message, n);
	p->accepted += n;
}

/* An item was refused, or the queue. */
static void put_refused(struct produce *p)
{
	enum sabir_error error = p->errand.error;
	bool item = error == SABIR_TOO_LARGE || error == SABIR_INVALID_VALUE || error == SABIR_RESOURCE_EXHAUSTED;
	char detail[OP_DETAIL_SIZE];
	if (item && p->chunk > 1) {
		p->one_by_one = true;
		return;
	}
	if (item && p->chunk)
		snprintf(detail, sizeof(detail), "item %" PRIu64 " of the stream%s%.100s", p->accepted,
			 error != SABIR_INVALID_VALUE && p->errand.detail[0] ? ": " : "",
			 error != SABIR_INVALID_VALUE ? p->errand.detail : "");
	flow_end(&p->end, error, item && p->chunk ? detail : p->errand.detail);
}

static void take_result(struct produce *p)
{
	const struct span response = { p->errand.response.data, p->errand.response.len };
	if (p->errand.error)
		put_refused(p);
	else if (!p->handle)
		p->handle = errand_number(response, 1);
	else
		put_accepted(p, response);
	errand_clear(&p->errand);
}

/* ---------------------------------------------------------------- turns */

/* False: there is nothing to go on with now. */
static bool go_on(struct call *call, struct produce *p)
{
	if (p->has_input && (p->message.n_items || !p->handle)) {
		put_next(p);
		return true;
	}
	close_input(call, p);
	if (p->accepted - p->told >= TELL_EVERY)
		return false;
	switch (stream_read(call, &p->input)) {
	case STREAM_MESSAGE:
		begin_message(call, p);
		return true;
	case STREAM_FINISHED:
		flow_end(&p->end, SABIR_OK, "");
		return true;
	case STREAM_NOTHING:
		break;
	}
	return false;
}

/* Works until it has to wait. True: for room, or for the errand to be cancelled. */
static bool work(struct call *call, struct produce *p)
{
	for (;;) {
		enum errand_state state = errand_state(&p->errand);
		if (stream_is_leaving(call) && !p->end.ending) {
			flow_end(&p->end, SABIR_UNAVAILABLE, "the server is shutting down");
			errand_cancel(&p->errand);
			continue;
		}
		if (state == ERRAND_WAITING)
			return true;
		if (state == ERRAND_DONE)
			take_result(p);
		else if (p->end.ending || !go_on(call, p))
			return false;
	}
}

static bool tell(struct call *call, struct produce *p)
{
	uint8_t fixed[64];
	struct bytes message;
	bytes_init(&message, fixed, sizeof(fixed));
	(void)errand_put_number(&message, RESPONSE_ACCEPTED, p->accepted);
	if (p->duplicates)
		(void)errand_put_number(&message, RESPONSE_DUPLICATES, p->duplicates);
	p->told = p->accepted;
	stream_send(call, &message);
	bytes_fini(&message);
	return true;
}

static void turn(struct call *call)
{
	struct produce *p = of(call);
	do {
		bool waits = work(call, p);
		if (p->accepted != p->told && !stream_is_closed(call)) {
			tell(call, p);
			return;
		}
		if (p->end.ending && !waits) {
			flow_finish(call, &p->end);
			return;
		}
	} while (!stream_rest(call));
}

static bool busy(struct call *call)
{
	struct produce *p = of(call);
	return errand_is_done(&p->errand) || (!p->has_input && stream_has_input(call)) ||
	       (stream_is_leaving(call) && !p->end.ending);
}

static void closed(struct call *call)
{
	errand_cancel(&of(call)->errand);
}

static void fini(struct call *call)
{
	struct produce *p = of(call);
	close_input(call, p);
	errand_fini(&p->errand);
	produce_message_fini(&p->message);
	bytes_fini(&p->request);
	free(p);
}

static const struct stream_kind kind = { .turn = turn, .busy = busy, .closed = closed, .fini = fini };

void produce_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	if (!flow_admit(call))
		return;
	struct produce *p = calloc(1, sizeof(*p));
	if (!p) {
		call_reply(call, SABIR_NO_MEMORY, "", NULL);
		return;
	}
	errand_init(&p->errand, call);
	p->put = op_find("/sabir.v1.QueueService/Put");
	p->put_many = op_find("/sabir.v1.QueueService/PutMany");
	if (!stream_open(call, &kind, p))
		free(p);
}
