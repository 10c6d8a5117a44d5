/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.PipeService. A call that has to wait waits on an event of one of the pipe's two queues; the pipe itself has none.
 */
#include <inttypes.h>
#include <string.h>

#include "server/base/value.h"
#include "server/objects/answers.h"
#include "server/objects/pipe.h"
#include "server/ops/call.h"

static const struct request_field state_fields[] = {
	REQUIRED(1, REF, ref, "pipe"),
	FIELDS_END,
};
static const struct request_field end_fields[] = {
	REQUIRED(1, REF, ref, "pipe"),
	FIELD(2, U32, end, "end"),
	FIELDS_END,
};
static const struct request_field send_fields[] = {
	REQUIRED(1, REF, ref, "pipe"),
	FIELD(2, U32, end, "end"),
	REQUIRED(3, VALUE, item, "item"),
	FIELD(4, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};
static const struct request_field send_bytes_fields[] = {
	REQUIRED(1, REF, ref, "pipe"),
	FIELD(2, U32, end, "end"),
	FIELD(3, BYTES, data, "data"),
	FIELD(4, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};
static const struct request_field recv_fields[] = {
	REQUIRED(1, REF, ref, "pipe"),
	FIELD(2, U32, end, "end"),
	FIELD(3, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};
static const struct request_field recv_bytes_fields[] = {
	REQUIRED(1, REF, ref, "pipe"),
	FIELD(2, U32, end, "end"),
	FIELD(3, TIMEOUT, timeout_ns, "timeout"),
	FIELD(4, U64, count, "max_bytes"),
	FIELDS_END,
};

/* Says what is wrong with the caller or its end. */
static enum sabir_error explain_end(struct op_call *c, enum sabir_error error)
{
	uint32_t end = c->request.end;

	switch (error) {
	case SABIR_SESSION_REQUIRED:
		return op_fail_object(c, error, ": end %" PRIu32 " is held by an owner, and the call has none", end);
	case SABIR_CLOSED:
		return op_fail_object(c, error, ": the caller does not hold end %" PRIu32, end);
	case SABIR_INVALID_ARGUMENT:
		if (end >= PIPE_N_ENDS)
			return op_fail_object(c, error, " has no end %" PRIu32, end);
		return op_fail_object(c, error, " is one way: end 0 receives, end 1 sends");
	default:
		return error;
	}
}

/* As op_may_wait, on the queue of a direction. */
static enum sabir_error may_wait(struct op_call *c, enum sabir_error error, enum sabir_error waits_on, uint32_t side,
				 uint64_t queue)
{
	op_may_wait(c, error, waits_on, side);
	if (c->wait->wanted)
		c->wait->object = object_index(queue);
	return explain_end(c, error);
}

/* ---------------------------------------------------------------- ends */

static enum sabir_error pipe_service_open(struct op_call *c)
{
	enum sabir_error error = pipe_open(c->lane, c->handle, c->request.end);

	if (error == SABIR_CLOSED)
		return op_fail_object(c, error, ": all who held end %" PRIu32 " are gone", c->request.end);
	return explain_end(c, error);
}

static enum sabir_error pipe_service_close(struct op_call *c)
{
	return explain_end(c, pipe_close(c->lane, c->handle, c->request.end));
}

/* ---------------------------------------------------------------- messages */

static enum sabir_error send_item(struct op_call *c, const struct queue_item *item)
{
	uint64_t queue = 0;
	enum sabir_error error = pipe_send(c->lane, c->handle, c->request.end, item, &queue);

	if (error == SABIR_TOO_LARGE)
		return op_fail_object(c, error, ": message of %zu bytes", item->head.len + item->body.len);
	return may_wait(c, error, SABIR_FULL, SEG_EVENT_ROOM, queue);
}

static enum sabir_error pipe_service_send(struct op_call *c)
{
	struct queue_item item = { .body = c->request.item };

	return send_item(c, &item);
}

static enum sabir_error pipe_service_send_bytes(struct op_call *c)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct queue_item item = { .head = { head, value_head_bytes(VALUE_BINARY, c->request.data.len, head) },
				   .body = c->request.data };

	return send_item(c, &item);
}

/* Of a request with an id it stays open until there is an answer, as a get from a plain queue does (ops_queue.c). */
static bool stays_open(struct op_call *c)
{
	bool open = c->wait->undoable && c->lane->actor.request;

	if (open)
		asked_giving(c->lane);
	return open;
}

/* For its undoing. */
static void note_received(struct op_call *c, uint64_t queue, bool open)
{
	c->wait->receipt = (struct op_receipt){
		.number = c->lane->got_ordinal,
		.part = queue,
		.items = true,
		.open = open ? c->lane : NULL,
	};
}

static enum sabir_error pipe_service_recv(struct op_call *c)
{
	uint64_t queue = 0;

	bool open = stays_open(c);
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	enum sabir_error error = open ? pipe_recv_open(c->lane, c->handle, c->request.end, c->response, &queue)
				      : pipe_recv(c->lane, c->handle, c->request.end, c->response, &queue);
	if (!error)
		note_received(c, queue, open);
	return may_wait(c, error, SABIR_EMPTY, SEG_EVENT_ITEMS, queue);
}

static enum sabir_error pipe_service_recv_bytes(struct op_call *c)
{
	struct pipe_bytes bytes = {
		.max_len = c->request.count ? c->request.count : UINT64_MAX,
		.room = c->response,
		.open = stays_open(c),
	};
	uint64_t queue = 0;

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	enum sabir_error error = pipe_recv_bytes(c->lane, c->handle, c->request.end, &bytes, &c->scratch, &queue);
	if (error == SABIR_TOO_LARGE)
		return op_fail_object(c, error, ": the message has %" PRIu64 " bytes, wanted are at most %" PRIu64,
				      bytes.len, bytes.max_len);
	if (error == SABIR_WRONG_TYPE)
		return op_fail_object(c, error, ": the message is no bytes");
	if (error)
		return may_wait(c, error, SABIR_EMPTY, SEG_EVENT_ITEMS, queue);
	struct span content = pipe_content(bytes_item(&c->scratch, 0));
	note_received(c, queue, bytes.open);
	return bytes_add(c->response, content.data, content.len); /* for which there is room */
}

/* The Value is in the response, or its bytes are: `bytes`, of which it is made again. */
static enum sabir_error undo(struct lane *lane, struct op_receipt *receipt, struct span response, bool bytes)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct span rest = response, item = { NULL, 0 };
	struct bytes made = { 0 };

	(void)request_next(&rest, 1, &item);
	if (!bytes)
		return pipe_unrecv(lane, receipt->handle, receipt->part, receipt->number, item, &receipt->n_back);
	size_t head_len = value_head_bytes(VALUE_BINARY, item.len, head);
	uint8_t *to = bytes_reserve(&made, head_len + item.len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, head, head_len);
	if (item.len)
		memcpy(to + head_len, item.data, item.len);
	enum sabir_error error = pipe_unrecv(lane, receipt->handle, receipt->part, receipt->number,
					     (struct span){ to, head_len + item.len }, &receipt->n_back);
	bytes_fini(&made);
	return error;
}

static enum sabir_error undo_recv(struct lane *lane, struct op_receipt *receipt, struct span response)
{
	return undo(lane, receipt, response, false);
}

static enum sabir_error undo_recv_bytes(struct lane *lane, struct op_receipt *receipt, struct span response)
{
	return undo(lane, receipt, response, true);
}

static enum sabir_error pipe_service_poll(struct op_call *c)
{
	struct pipe_next next;
	uint64_t queue = 0;
	enum sabir_error error = pipe_poll(c->lane, c->handle, c->request.end, &next, &queue);

	if (error)
		return may_wait(c, error, SABIR_EMPTY, SEG_EVENT_ITEMS, queue);
	respond_number(c->response, 1, next.eof);
	respond_number(c->response, 2, next.len);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- state */

static enum sabir_error pipe_service_state(struct op_call *c)
{
	struct pipe_state state;
	enum sabir_error error = pipe_state(c->lane, c->handle, &state);

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	for (uint32_t end = 0; !error && end < PIPE_N_ENDS; end++) {
		uint8_t message[48], *p = message;
		p = respond_put_number(p, 1, state.n_holders[end]);
		p = respond_put_number(p, 2, state.opened[end]);
		p = respond_put_number(p, 3, state.closed[end]);
		p = respond_put_number(p, 4, state.n_messages[end]);
		error = bytes_add(c->response, message, (size_t)(p - message));
	}
	return error;
}

static const struct op ops[] = {
	OP(PipeService, Open, "pipe", pipe_service_open, end_fields),
	OP(PipeService, Close, "pipe", pipe_service_close, end_fields),
	OP_WAITS(PipeService, Send, "pipe", pipe_service_send, send_fields),
	OP_WAITS_UNDONE(PipeService, Recv, "pipe", pipe_service_recv, recv_fields, undo_recv),
	OP_WAITS(PipeService, SendBytes, "pipe", pipe_service_send_bytes, send_bytes_fields),
	OP_WAITS_UNDONE(PipeService, RecvBytes, "pipe", pipe_service_recv_bytes, recv_bytes_fields, undo_recv_bytes),
	OP_WAITS_READS(PipeService, Poll, "pipe", pipe_service_poll, recv_fields),
	OP_READS(PipeService, State, "pipe", pipe_service_state, state_fields),
};

const struct op_service pipe_service = { ops, sizeof(ops) / sizeof(ops[0]) };
