/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways in which a consumer gets items and says that it has dealt with them: the operations of the server's stream on
 * shared memory (server/ops/ops_flow.c), and the stream.
 */
#include <stdlib.h>

#include "bindings/c/chore.h"
#include "bindings/c/consumer.h"
#include "bindings/c/local.h"
#include "server/base/clock.h"
#include "server/objects/queue.h"
#include "server/ops/ops.h"

/* ---------------------------------------------------------------- local */

static enum sabir_error run(struct sabir_consumer *c, const struct op *op, struct request *r, uint64_t timeout_ns,
			    struct bytes *out)
{
	enum sabir_error error = r->failed ? fail(SABIR_NO_MEMORY, "a request")
					   : local_run(c->conn, op, (struct span){ r->data, r->len }, timeout_ns, out);
	request_fini(r);
	return error;
}

static enum sabir_error take_local(struct sabir_consumer *c, uint64_t timeout_ns)
{
	struct request r;
	request_init(&r, 64);
	request_object(&r, c->queue);
	request_varint(&r, 2, 1);
	if (c->options.lease_ns)
		request_duration(&r, 4, c->options.lease_ns);
	request_varint(&r, 5, c->holder);
	enum sabir_error error = run(c, op_flow(OP_FLOW_TAKE), &r, timeout_ns, &c->response);
	if (error)
		return error == SABIR_TIMED_OUT ? fail(SABIR_EMPTY, "no item in time") : error;
	return consumer_read(c);
}

static enum sabir_error settle_local(struct sabir_consumer *c, uint64_t number)
{
	struct bytes out = { 0 };
	struct request r;
	request_init(&r, 64);
	request_object(&r, c->queue);
	request_varint(&r, 2, number - c->settled);
	request_varint(&r, 5, c->holder);
	enum sabir_error error = run(c, op_flow(OP_FLOW_SETTLE), &r, 0, &out);
	bytes_fini(&out);
	return error;
}

static enum sabir_error end_lease_local(struct sabir_consumer *c, uint64_t token, bool acks, uint64_t delay_ns)
{
	struct bytes out = { 0 };
	struct request r;
	request_init(&r, 64);
	request_object(&r, c->queue);
	request_varint(&r, 2, token);
	if (!acks)
		request_duration(&r, 3, delay_ns);
	enum sabir_error error = conn_call(c->conn, acks ? METHOD_QUEUE_ACK : METHOD_QUEUE_NACK, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

struct left_hold {
	uint64_t queue, holder;
};

static enum sabir_error unhold(struct lane *lane, void *context)
{
	const struct left_hold *left = context;
	return queue_unhold(lane, left->queue, left->holder);
}

/* What somebody's lock keeps from going back now goes back as soon as he lets go. */
static enum sabir_error unhold_all(struct sabir_consumer *c)
{
	struct left_hold *left = malloc(sizeof(*left));
	struct lane *lane;
	enum sabir_error error = left ? conn_enter(c->conn, &lane) : fail(SABIR_NO_MEMORY, "a consumer's end");
	if (error) {
		free(left);
		return error;
	}
	*left = (struct left_hold){ c->queue, c->holder };
	error = unhold(lane, left);
	if (error == SABIR_BUSY)
		chore_leave(c->conn, lane, unhold, left);
	else
		free(left);
	return error ? fail(error, "a consumer's end") : SABIR_OK;
}

static enum sabir_error end_local(struct sabir_consumer *c)
{
	enum sabir_error first = SABIR_OK;
	if (!c->options.lease_ns)
		return c->given > c->settled || c->items.len ? unhold_all(c) : SABIR_OK;
	for (uint32_t i = 0; i < c->n_leases; i++) {
		enum sabir_error error = end_lease_local(c, c->leases[i], false, 0);
		if (error && error != SABIR_LEASE_LOST && !first)
			first = error;
	}
	return first;
}

/* ---------------------------------------------------------------- remote */

/* Takes a response, if one is there. Errors: EMPTY, and that with which the stream has ended. */
static enum sabir_error receive(struct sabir_consumer *c)
{
	bytes_truncate(&c->response, 0);
	c->items = c->tokens = c->tries = (struct span){ NULL, 0 };
	enum sabir_error error = remote_stream_receive(c->stream, &c->response);
	if (!error)
		return consumer_read(c);
	if (error != SABIR_EMPTY || !remote_stream_has_ended(c->stream))
		return error;
	error = remote_stream_error(c->stream);
	return error ? error : fail(SABIR_UNAVAILABLE, "the server ended the stream");
}

static enum sabir_error receive_next(struct sabir_consumer *c, uint64_t deadline_ns)
{
	for (;;) {
		enum sabir_error error = receive(c);
		if (error != SABIR_EMPTY)
			return error;
		error = remote_stream_wait(c->stream, deadline_ns, true);
		if (error)
			return error == SABIR_TIMED_OUT ? fail(SABIR_EMPTY, "no item in time") : error;
	}
}

/* One message is on its way at a time: so the one before has been handed to the connection when this returns. */
static enum sabir_error send_ack(struct sabir_consumer *c, struct request *r)
{
	uint64_t deadline_ns = clock_deadline(c->conn->timeout_ns);
	enum sabir_error error = r->failed ? fail(SABIR_NO_MEMORY, "an acknowledgement") : SABIR_OK;
	while (!error && remote_stream_is_sending(c->stream) && !remote_stream_has_ended(c->stream))
		error = remote_stream_wait(c->stream, deadline_ns, false);
	if (!error)
		error = remote_stream_send(c->stream, (struct span){ r->data, r->len });
	request_fini(r);
	return error == SABIR_TIMED_OUT ? fail(error, "%s: the server does not read", c->conn->url) : error;
}

static enum sabir_error settle_remote(struct sabir_consumer *c, uint64_t number)
{
	struct request r;
	request_init(&r, 16);
	request_varint(&r, 5, number);
	return send_ack(c, &r);
}

static enum sabir_error end_lease_remote(struct sabir_consumer *c, uint64_t token, bool acks, uint64_t delay_ns)
{
	struct request r;
	request_init(&r, 32);
	request_varint(&r, acks ? 6 : 7, token);
	if (!acks)
		request_duration(&r, 8, delay_ns);
	return send_ack(c, &r);
}

/* The server reads all that came before the end of our messages, gives back what is left, and then ends the stream. */
static enum sabir_error end_remote(struct sabir_consumer *c)
{
	uint64_t deadline_ns = clock_deadline(c->conn->timeout_ns);
	bool finished = false;
	enum sabir_error error = SABIR_OK;
	while (!error && !remote_stream_has_ended(c->stream)) {
		if (!finished && !remote_stream_is_sending(c->stream)) {
			remote_stream_finish(c->stream);
			finished = true;
		}
		error = receive(c);
		if (error == SABIR_EMPTY)
			error = remote_stream_wait(c->stream, deadline_ns, false);
	}
	if (remote_stream_has_ended(c->stream))
		error = remote_stream_error(c->stream);
	return error;
}

void consumer_look(struct sabir_consumer *c)
{
	if (!c->stream || response_count(c->items, 1))
		return; /* what is behind items that were not given is read when they are */
	while (!remote_stream_wait(c->stream, 0, false))
		;
	(void)receive(c);
}

/* ---------------------------------------------------------------- either */

enum sabir_error consumer_more(struct sabir_consumer *c, uint64_t timeout_ns)
{
	return c->stream ? receive_next(c, clock_deadline(timeout_ns)) : take_local(c, timeout_ns);
}

enum sabir_error consumer_settle(struct sabir_consumer *c, uint64_t number)
{
	return c->stream ? settle_remote(c, number) : settle_local(c, number);
}

enum sabir_error consumer_end_lease(struct sabir_consumer *c, uint64_t token, bool acks, uint64_t delay_ns)
{
	return c->stream ? end_lease_remote(c, token, acks, delay_ns) : end_lease_local(c, token, acks, delay_ns);
}

enum sabir_error consumer_end(struct sabir_consumer *c)
{
	return c->stream ? end_remote(c) : end_local(c);
}
