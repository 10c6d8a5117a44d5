/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers, as the program sees them. Items come in responses of QueueService.Consume, locally of one item each, from the
 * operation that the server's stream takes them with:
 *
 *   in the queue ──a response──► on hold, or leased ──next──► given ──ack──► gone
 *                                          └──nack, close, death of the process──► in the queue, at its old place
 */
#include "bindings/c/consumer.h"

#include <stdlib.h>

#include "server/objects/queue.h"
#include "server/shm/lane.h"

#define MAX_OUTSTANDING 65536u

/* ---------------------------------------------------------------- open */

static enum sabir_error read_options(const struct sabir_consumer_options *given, struct sabir_consumer_options *o)
{
	enum sabir_error error = struct_read("options", given, sizeof(given->size), o, sizeof(*o));
	if (error)
		return error;
	if (!o->max_outstanding)
		o->max_outstanding = 1;
	if (o->max_outstanding > MAX_OUTSTANDING)
		return fail(SABIR_INVALID_ARGUMENT, "a credit of %u items", o->max_outstanding);
	return SABIR_OK;
}

static enum sabir_error open_stream(struct sabir_consumer *c)
{
	const struct sabir_consumer_options *o = &c->options;
	struct request r;
	request_init(&r, 64);
	request_object(&r, c->queue);
	request_varint(&r, 2, o->max_outstanding);
	if (o->max_items)
		request_varint(&r, 3, o->max_items);
	if (o->lease_ns)
		request_duration(&r, 4, o->lease_ns);
	return remote_stream_open(c->conn, "/sabir.v1.QueueService/Consume", &r, &c->stream);
}

static void open_local(struct sabir_consumer *c, const struct lane *lane)
{
	static uint64_t last_number;
	c->owner = lane->owner;
	c->holder = queue_holder(fetch_add64(&last_number, 1) % QUEUE_HOLDERS, lane->owner);
}

static void free_consumer(struct sabir_consumer *c)
{
	remote_stream_free(c->stream);
	bytes_fini(&c->response);
	request_fini(&c->acks);
	free(c->leases);
	free(c->lost);
	conn_unref(c->conn);
	free(c);
}

static struct sabir_consumer *make(sabir_queue *queue, const struct sabir_consumer_options *o)
{
	struct sabir_consumer *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	conn_ref(queue->h.conn);
	c->conn = queue->h.conn;
	c->queue = queue->h.id;
	c->options = *o;
	if (o->lease_ns && !(c->leases = malloc(o->max_outstanding * sizeof(*c->leases)))) {
		free_consumer(c);
		return NULL;
	}
	return c;
}

enum sabir_error sabir_consumer_open(sabir_queue *queue, const struct sabir_consumer_options *options,
				     sabir_consumer **consumer)
{
	struct sabir_consumer_options o;
	struct lane *lane;
	if (!queue || !consumer)
		return FAIL_NULL();
	enum sabir_error error = read_options(options, &o);
	if (!error)
		error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	struct sabir_consumer *made = make(queue, &o);
	if (!made)
		return fail(SABIR_NO_MEMORY, "a consumer");
	if (lane)
		open_local(made, lane);
	else
		error = open_stream(made);
	if (error)
		free_consumer(made);
	else
		*consumer = made;
	return error;
}

/* ---------------------------------------------------------------- responses */

static enum sabir_error note_lost(struct sabir_consumer *c, uint64_t token)
{
	if (!(c->n_lost & (c->n_lost - 1))) { /* none, or a power of two: the array is full */
		size_t size = c->n_lost ? 2 * c->n_lost : 1;
		uint64_t *larger = realloc(c->lost, size * sizeof(*larger));
		if (!larger)
			return fail(SABIR_NO_MEMORY, "tokens of leases that were lost");
		c->lost = larger;
	}
	c->lost[c->n_lost++] = token;
	return SABIR_OK;
}

static enum sabir_error read_lost(struct sabir_consumer *c, struct span tokens)
{
	const uint8_t *at = tokens.data, *end = at + tokens.len;
	enum sabir_error error = SABIR_OK;
	uint64_t token;
	while (!error && at < end && wire_varint(&at, end, &token))
		error = note_lost(c, token);
	return error;
}

enum sabir_error consumer_read(struct sabir_consumer *c)
{
	struct span message = bytes_item(&c->response, 0);
	struct wire_field f;
	c->items = message;
	c->tokens = response_find(message, 2, &f) && f.type == WIRE_LEN ? f.bytes : (struct span){ NULL, 0 };
	c->tries = response_find(message, 3, &f) && f.type == WIRE_LEN ? f.bytes : (struct span){ NULL, 0 };
	return response_find(message, 4, &f) && f.type == WIRE_LEN ? read_lost(c, f.bytes) : SABIR_OK;
}

/* The next number of a packed field, 0 behind the last. */
static uint64_t take_number(struct span *rest)
{
	const uint8_t *at = rest->data, *end = at + rest->len;
	uint64_t number;
	if (!rest->len || !wire_varint(&at, end, &number))
		return 0;
	*rest = (struct span){ at, (size_t)(end - at) };
	return number;
}

/*
 * A Value that nobody can read. Of a plain queue it counts as given, as it does for who counts acknowledgements; the lease of
 * a task ends by itself.
 */
static enum sabir_error give_damaged(struct sabir_consumer *c)
{
	if (!c->options.lease_ns)
		c->given++;
	return fail(SABIR_DATA_LOSS, "the queue's Value is malformed");
}

/* Gives the next item of the response. Errors: EMPTY (none is left), DATA_LOSS (it is damaged), INTERNAL. */
static enum sabir_error give(struct sabir_consumer *c, struct sabir_item *item, struct sabir_delivery *delivery)
{
	const uint8_t *at = c->items.data, *end = at + c->items.len;
	struct wire_field f = { .number = 0 };
	while (at < end && f.number != 1)
		if (!wire_next(&at, end, &f))
			return fail(SABIR_INTERNAL, "the server's response is malformed");
	c->items = (struct span){ at, (size_t)(end - at) };
	if (f.number != 1)
		return SABIR_EMPTY;
	uint64_t token = take_number(&c->tokens);
	uint64_t tries = take_number(&c->tries);
	if (f.type != WIRE_LEN || (c->options.lease_ns && !token))
		return fail(SABIR_INTERNAL, "the server's response is malformed");
	if (item_decode(f.bytes, item))
		return give_damaged(c);
	c->delivered = ++c->given;
	*delivery = (struct sabir_delivery){ c->given, token, (uint32_t)tries, 0 };
	if (c->options.lease_ns)
		c->leases[c->n_leases++] = token;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- next */

/* A consumer is its process's: the holds of a parent are not for its child to end. */
static enum sabir_error need_owner(const struct sabir_consumer *c)
{
	struct lane *lane;
	enum sabir_error error = conn_enter(c->conn, &lane);
	if (!error && lane && lane->owner != c->owner)
		error = fail(SABIR_UNAVAILABLE, "the consumer is that of the process before the fork");
	return error;
}

/* Damaged Values that no acknowledgement will come for, as nothing is outstanding but them: they are done with. */
static enum sabir_error pass_damaged(struct sabir_consumer *c)
{
	if (c->settled < c->delivered || c->settled == c->given)
		return SABIR_OK;
	enum sabir_error error = consumer_settle(c, c->given);
	if (!error)
		c->settled = c->given;
	return error;
}

enum sabir_error sabir_consumer_next(sabir_consumer *consumer, uint64_t timeout_ns, struct sabir_item *item,
				     struct sabir_delivery *delivery)
{
	if (!consumer || !item || !delivery)
		return FAIL_NULL();
	enum sabir_error error = need_owner(consumer);
	if (!error)
		error = pass_damaged(consumer);
	if (error)
		return error;
	while (!consumer_is_full(consumer)) {
		error = give(consumer, item, delivery);
		if (error == SABIR_EMPTY)
			error = consumer_more(consumer, timeout_ns);
		else
			return error;
		if (error)
			return error;
	}
	if (consumer->stream && (error = consumer_more(consumer, 0)) != SABIR_OK && error != SABIR_EMPTY)
		return error;
	return fail(SABIR_WOULD_BLOCK, "%u items are not acknowledged, which is all the credit",
		    consumer->options.max_outstanding);
}

/* ---------------------------------------------------------------- ack, nack, extend */

/* Takes the token off those that are given. Errors: LEASE_LOST. */
static enum sabir_error forget_lease(struct sabir_consumer *c, uint64_t token)
{
	for (uint32_t i = 0; i < c->n_leases; i++) {
		if (c->leases[i] != token)
			continue;
		c->leases[i] = c->leases[--c->n_leases];
		return SABIR_OK;
	}
	return fail(SABIR_LEASE_LOST, "the lease was acknowledged or refused already, or is another consumer's");
}

static enum sabir_error end_lease(struct sabir_consumer *c, const struct sabir_delivery *d, bool acks,
				  uint64_t delay_ns)
{
	enum sabir_error error = forget_lease(c, d->token);
	if (error)
		return error;
	error = consumer_end_lease(c, d->token, acks, delay_ns);
	if (error == SABIR_LEASE_LOST)
		return note_lost(c, d->token);
	if (error)
		c->leases[c->n_leases++] = d->token;
	return error;
}

static enum sabir_error settle(struct sabir_consumer *c, uint64_t number)
{
	if (number > c->given || !number)
		return fail(SABIR_INVALID_ARGUMENT, "delivery %llu of %llu", (unsigned long long)number,
			    (unsigned long long)c->given);
	if (number <= c->settled)
		return SABIR_OK;
	enum sabir_error error = consumer_settle(c, number);
	if (!error)
		c->settled = number;
	return error;
}

enum sabir_error sabir_consumer_ack(sabir_consumer *consumer, const struct sabir_delivery *delivery)
{
	if (!consumer || !delivery)
		return FAIL_NULL();
	enum sabir_error error = need_owner(consumer);
	if (error)
		return error;
	return consumer->options.lease_ns ? end_lease(consumer, delivery, true, 0) : settle(consumer, delivery->number);
}

static enum sabir_error need_leases(const struct sabir_consumer *c)
{
	return c->options.lease_ns ? need_owner(c) : fail(SABIR_NOT_ENABLED, "the consumer has no leases");
}

enum sabir_error sabir_consumer_nack(sabir_consumer *consumer, const struct sabir_delivery *delivery, uint64_t delay_ns)
{
	if (!consumer || !delivery)
		return FAIL_NULL();
	enum sabir_error error = need_leases(consumer);
	return error ? error : end_lease(consumer, delivery, false, delay_ns);
}

enum sabir_error sabir_consumer_extend(sabir_consumer *consumer, const struct sabir_delivery *delivery,
				       uint64_t lease_ns)
{
	struct bytes out = { 0 };
	struct request r;
	if (!consumer || !delivery)
		return FAIL_NULL();
	enum sabir_error error = need_leases(consumer);
	if (error)
		return error;
	request_init(&r, 64);
	request_object(&r, consumer->queue);
	request_varint(&r, 2, delivery->token);
	request_duration(&r, 3, lease_ns);
	error = conn_call(consumer->conn, METHOD_QUEUE_EXTEND, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_consumer_lost(sabir_consumer *consumer, uint64_t *token)
{
	if (!consumer || !token)
		return FAIL_NULL();
	consumer_look(consumer);
	if (!consumer->n_lost)
		return SABIR_EMPTY;
	*token = consumer->lost[--consumer->n_lost];
	return SABIR_OK;
}

/* ---------------------------------------------------------------- close */

enum sabir_error sabir_consumer_close(sabir_consumer *consumer)
{
	if (!consumer)
		return SABIR_OK;
	enum sabir_error error = need_owner(consumer);
	if (!error)
		error = consumer_end(consumer);
	free_consumer(consumer);
	/* Where nothing is left, nothing is left that could go back. */
	return error == SABIR_CLOSED || error == SABIR_DELETED ? SABIR_OK : error;
}
