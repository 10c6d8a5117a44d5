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

#define MAX_ITEMS 65536u  /* of a message, as of PutMany */
#define CHUNK_ITEMS 1024u /* put in one step */
#define CHUNK_BYTES (1u << 20)
#define TELL_EVERY 8192u /* items */

enum { /* QueueServiceProduceRequest; Put and PutMany have the same numbers */
       REQUEST_QUEUE = 1,
       REQUEST_ITEMS = 2,
       REQUEST_PRIORITY = 4,
       REQUEST_DELAY = 5,
       REQUEST_TTL = 6,
       REQUEST_DEDUP_IDS = 7,
};

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
	struct span queue;       /* its field */
	struct span items, ids;  /* its rest, in which the next ones are looked for */
	uint32_t n_items, n_ids; /* that are left */
	struct bytes how;        /* its other fields, encoded */
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

/* One field of a new message. */
static bool note_field(struct produce *p, const struct wire_field *f)
{
	bool has_length = f->type == WIRE_LEN;
	switch (f->number) {
	case REQUEST_QUEUE:
		if (!has_length || p->queue.data)
			return false;
		p->queue = f->bytes;
		return true;
	case REQUEST_ITEMS:
		p->n_items++;
		return has_length;
	case REQUEST_DEDUP_IDS:
		p->n_ids++;
		return has_length;
	case REQUEST_PRIORITY:
	case REQUEST_DELAY:
	case REQUEST_TTL:
		return errand_put_field(&p->how, f);
	}
	return true;
}

static const char *read_message(struct produce *p)
{
	const uint8_t *at = p->input.span.data, *end = at + p->input.span.len;
	struct wire_field f;
	while (at < end)
		if (!wire_next(&at, end, &f) || !note_field(p, &f))
			return "the message is malformed";
	if (!p->handle && !p->queue.data)
		return "field 'queue' is missing in the first message";
	if (p->handle && p->queue.data)
		return "field 'queue' stands in a message behind the first";
	if (p->n_items > MAX_ITEMS)
		return "more than 65536 items in one message";
	if (p->n_ids && p->n_ids != p->n_items)
		return "there are not as many dedup_ids as items";
	return NULL;
}

static void begin_message(struct call *call, struct produce *p)
{
	struct rpc *rpc = call->rpc;
	uint64_t len = p->input.span.len;
	p->has_input = true;
	p->queue = (struct span){ NULL, 0 };
	p->items = p->ids = p->input.span;
	p->n_items = p->n_ids = 0;
	p->one_by_one = false;
	bytes_truncate(&p->how, 0);
	if (fetch_add64(&rpc->parked_bytes, len) + len > rpc->max_parked_bytes) {
		count(&rpc->counters.refused, 1);
		flow_end(&p->end, SABIR_RESOURCE_EXHAUSTED, "the requests that wait take too much memory");
		return;
	}
	const char *wrong = read_message(p);
	if (wrong)
		flow_end(&p->end, SABIR_INVALID_ARGUMENT, wrong);
}

/* Moves *rest behind the next field of that number. */
static struct span next_field(struct span *rest, uint32_t number)
{
	const uint8_t *at = rest->data, *end = at + rest->len;
	struct wire_field f = { .number = 0 };
	while (at < end && wire_next(&at, end, &f) && f.number != number)
		;
	*rest = (struct span){ at, (size_t)(end - at) };
	return f.bytes;
}

/* ---------------------------------------------------------------- putting */

static bool write_open(struct produce *p)
{
	p->chunk = 0;
	return errand_put_bytes(&p->request, REQUEST_QUEUE, p->queue);
}

static bool write_put(struct produce *p)
{
	struct span items = p->items, ids = p->ids;
	p->chunk = 1;
	return errand_put_ref(&p->request, p->handle) &&
	       errand_put_bytes(&p->request, REQUEST_ITEMS, next_field(&items, REQUEST_ITEMS)) &&
	       errand_put_bytes(&p->request, REQUEST_DEDUP_IDS, next_field(&ids, REQUEST_DEDUP_IDS));
}

static bool write_put_many(struct produce *p)
{
	struct span items = p->items;
	uint32_t most = p->one_by_one ? 1 : p->n_items < CHUNK_ITEMS ? p->n_items : CHUNK_ITEMS;
	bool fine = errand_put_ref(&p->request, p->handle);
	for (p->chunk = 0; fine && p->chunk < most && p->request.len < CHUNK_BYTES; p->chunk++)
		fine = errand_put_bytes(&p->request, REQUEST_ITEMS, next_field(&items, REQUEST_ITEMS));
	return fine;
}

/* Begins with what comes next of the message. */
static void put_next(struct produce *p)
{
	const struct op *op = !p->handle ? op_flow(OP_FLOW_OPEN) : p->n_ids ? p->put : p->put_many;
	bytes_truncate(&p->request, 0);
	bool fine = !p->handle ? write_open(p) : p->n_ids ? write_put(p) : write_put_many(p);
	if (fine && p->handle && p->how.len)
		fine = bytes_add(&p->request, p->how.data, p->how.len) == SABIR_OK;
	if (fine)
		(void)errand_run(&p->errand, op, (struct span){ p->request.data, p->request.len });
	else
		flow_end(&p->end, SABIR_NO_MEMORY, "");
}

static void put_accepted(struct produce *p, struct span response)
{
	uint32_t n = p->n_ids ? 1 : (uint32_t)errand_number(response, 1);
	if (n > p->chunk)
		n = p->chunk;
	for (uint32_t i = 0; i < n; i++)
		(void)next_field(&p->items, REQUEST_ITEMS);
	if (p->n_ids) {
		(void)next_field(&p->ids, REQUEST_DEDUP_IDS);
		p->duplicates += errand_number(response, 1) != 0;
	}
	p->n_items -= n;
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
	if (p->has_input && (p->n_items || !p->handle)) {
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
	bytes_fini(&p->how);
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
