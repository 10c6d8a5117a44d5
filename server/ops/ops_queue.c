/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.QueueService. Items are Values: a put hands the bytes of the request to the queue, a get has the queue write
 * them into the response.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "server/base/value.h"
#include "server/objects/answers.h"
#include "server/objects/task_queue.h"
#include "server/ops/call.h"

#define MAX_BATCH 65536u
#define N_ITEMS_ON_STACK 32u

/* What of a response is not its items. */
#define RESPONSE_REST 64u

static const struct request_field queue_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELDS_END,
};
static const struct request_field put_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	REQUIRED(2, VALUE, item, "item"),
	FIELD(3, DURATION, timeout_ns, "timeout"),
	FIELD(4, U64, priority, "priority"),
	FIELD(5, DURATION, delay_ns, "delay"),
	FIELD(6, DURATION, ttl_ns, "ttl"),
	FIELD(7, BYTES, dedup_id, "dedup_id"),
	FIELDS_END,
};
static const struct request_field put_many_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, REPEATED, n_repeated, "items"),
	FIELD(3, DURATION, timeout_ns, "timeout"),
	FIELD(4, U64, priority, "priority"),
	FIELD(5, DURATION, delay_ns, "delay"),
	FIELD(6, DURATION, ttl_ns, "ttl"),
	FIELDS_END,
};
static const struct request_field get_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, DURATION, timeout_ns, "timeout"),
	FIELD(3, DURATION, lease_ns, "lease_duration"),
	FIELDS_END,
};
static const struct request_field get_many_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, U32, n, "max_items"),
	FIELD(3, DURATION, timeout_ns, "timeout"),
	FIELDS_END,
};

/* Says which item was too large, and for what. */
static enum sabir_error too_large(struct op_call *c, const struct queue_item *items, uint32_t n)
{
	struct object_info info;
	uint64_t limit = c->lane->seg->max_item_bytes;

	if (object_describe(c->lane, c->handle, &info) == SABIR_OK && info.max_item_bytes < limit)
		limit = info.max_item_bytes;
	for (uint32_t i = 0; i < n; i++)
		if (items[i].body.len > limit)
			return op_fail_object(c, SABIR_TOO_LARGE, ": item of %zu bytes, limit %" PRIu64,
					      items[i].body.len, limit);
	return SABIR_TOO_LARGE;
}

/* What a plain queue does not know was asked of one. */
static enum sabir_error not_enabled(struct op_call *c, const char *what)
{
	return op_fail_object(c, SABIR_NOT_ENABLED, ": %s", what);
}

/* A queue of either kind: the plain one is tried first, and pays nothing for the other. */
static enum sabir_error put_items(struct op_call *c, const struct queue_item *items, uint32_t n, uint32_t *accepted,
				  bool *duplicate)
{
	const struct op_request *r = &c->request;
	const struct task_put how = {
		.priority = r->priority, .delay_ns = r->delay_ns, .ttl_ns = r->ttl_ns, .id = r->dedup_id
	};
	bool plain = !how.priority && !how.delay_ns && !how.ttl_ns && !how.id.len;
	enum sabir_error error = plain ? queue_put(c->lane, c->handle, items, n, accepted) : SABIR_WRONG_KIND;

	*duplicate = false;
	if (how.id.len > TASK_ID_MAX)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'dedup_id' has %zu bytes, allowed are %u", how.id.len,
			       TASK_ID_MAX);
	if (error == SABIR_WRONG_KIND) {
		asked_goes_on(c->lane);
		error = task_queue_put(c->lane, c->handle, items, n, &how, accepted, duplicate);
	}
	if (error == SABIR_WRONG_KIND && op_is_plain_queue(c))
		return not_enabled(c, "a delay, a ttl, a priority and a dedup_id need a task queue");
	if (error == SABIR_NOT_ENABLED)
		return not_enabled(c, how.priority ? "it has no priorities" : "it has no dedup_window");
	if (error == SABIR_TOO_LARGE)
		return too_large(c, items, n);
	return op_may_wait(c, error, SABIR_FULL, SEG_EVENT_ROOM);
}

static enum sabir_error queue_service_put(struct op_call *c)
{
	struct queue_item item = { .body = c->request.item };
	uint32_t accepted;
	bool duplicate;
	asked_putting(c->lane);
	enum sabir_error error = put_items(c, &item, 1, &accepted, &duplicate);

	if (!error)
		respond_number(c->response, 1, duplicate);
	return error;
}

static enum sabir_error read_items(struct op_call *c, struct queue_item *items)
{
	struct span rest = c->message, encoded;

	for (uint32_t i = 0; request_next(&rest, 2, &encoded); i++) {
		if (value_check(encoded))
			return op_fail(c, SABIR_INVALID_VALUE, "field 'items', item %" PRIu32, i);
		items[i] = (struct queue_item){ .body = encoded };
	}
	return SABIR_OK;
}

static enum sabir_error queue_service_put_many(struct op_call *c)
{
	struct queue_item few[N_ITEMS_ON_STACK], *items = few;
	uint32_t n = c->request.n_repeated, accepted = 0;
	bool duplicate;

	if (n == 0 || n > MAX_BATCH)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "%" PRIu32 " items in one call, allowed are 1 to %u", n,
			       MAX_BATCH);
	if (n > N_ITEMS_ON_STACK && !(items = malloc(n * sizeof(*items))))
		return SABIR_NO_MEMORY;
	enum sabir_error error = read_items(c, items);
	if (!error)
		error = put_items(c, items, n, &accepted, &duplicate);
	if (!error)
		respond_number(c->response, 1, accepted);
	if (items != few)
		free(items);
	return error;
}

/*
 * Whose receipt somebody keeps: where the items stood goes into it. A get for a request with an id stays open, until there is
 * an answer.
 */
static enum sabir_error take_noted(struct op_call *c, uint32_t n)
{
	struct bytes places = { 0 };
	struct op_receipt *receipt = &c->wait->receipt;
	bool open = c->lane->actor.request, tasks = false;

	asked_giving(c->lane);
	enum sabir_error error = open ? queue_get_open(c->lane, c->handle, n, c->response, &places)
				      : queue_get_noted(c->lane, c->handle, n, c->response, &places);
	if (error == SABIR_WRONG_KIND) {
		tasks = true;
		error = open ? task_queue_take_open(c->lane, c->handle, n, c->response, &places)
			     : task_queue_take(c->lane, c->handle, n, c->response, &places);
	}
	if (!error) {
		*receipt = (struct op_receipt){
			.items = true,
			.places_len = places.len,
			.open = open ? c->lane : NULL,
			.tasks = tasks,
		};
		receipt->places = bytes_take(&places);
	}
	bytes_fini(&places);
	return error;
}

/* Of a single item of a plain queue, as most are, a number says it. */
static enum sabir_error take_items(struct op_call *c, uint32_t n)
{
	bool noted = c->wait->undoable && (n > 1 || c->lane->actor.request);
	enum sabir_error error = noted ? SABIR_WRONG_KIND : queue_get(c->lane, c->handle, n, c->response);

	if (!error)
		c->wait->receipt = (struct op_receipt){ .number = c->lane->got_ordinal, .items = true };
	if (error == SABIR_WRONG_KIND && c->wait->undoable)
		return take_noted(c, n);
	return error == SABIR_WRONG_KIND ? task_queue_get(c->lane, c->handle, n, 0, c->response, NULL) : error;
}

static enum sabir_error lease_task(struct op_call *c, uint64_t lease_ns)
{
	struct task_lease lease;
	enum sabir_error error = task_queue_get(c->lane, c->handle, 1, lease_ns, c->response, &lease);

	if (error == SABIR_WRONG_KIND && op_is_plain_queue(c))
		return not_enabled(c, "a lease needs a task queue");
	if (error)
		return error;
	respond_number(c->response, 2, lease.token);
	respond_number(c->response, 3, lease.attempts);
	c->wait->receipt = (struct op_receipt){ .number = lease.token };
	return SABIR_OK;
}

/* Both responses hold their items in field 1. */
static enum sabir_error get_items(struct op_call *c, uint32_t n)
{
	uint64_t lease_ns = c->request.lease_ns;

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	c->response->limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	enum sabir_error error = lease_ns ? lease_task(c, lease_ns) : take_items(c, n);
	return op_may_wait(c, error, SABIR_EMPTY, SEG_EVENT_ITEMS);
}

static enum sabir_error give_back(struct lane *lane, struct op_receipt *receipt, const struct span *items, uint32_t n)
{
	const void *places = receipt->places ? (const void *)receipt->places : &receipt->number;
	size_t len = receipt->places ? receipt->places_len : sizeof(receipt->number);

	if (len == n * sizeof(uint64_t))
		return queue_unget(lane, receipt->handle, places, items, n, &receipt->n_back);
	if (len == n * sizeof(struct task_place))
		return task_queue_unget(lane, receipt->handle, items, places, n, &receipt->n_back);
	return SABIR_INVALID_ARGUMENT;
}

/* Items are given back, of a lease the token. */
static enum sabir_error undo_get(struct lane *lane, struct op_receipt *receipt, struct span response)
{
	struct span few[N_ITEMS_ON_STACK], *items = few, rest = response, item;
	uint32_t n = 0;

	if (!receipt->items)
		return task_queue_nack(lane, receipt->handle, receipt->number, 0);
	while (request_next(&rest, 1, &item))
		n++;
	if (n > N_ITEMS_ON_STACK && !(items = malloc(n * sizeof(*items))))
		return SABIR_NO_MEMORY;
	rest = response;
	for (uint32_t i = 0; i < n && request_next(&rest, 1, &item); i++)
		items[i] = item;
	enum sabir_error error = give_back(lane, receipt, items, n);
	if (items != few)
		free(items);
	return error;
}

static enum sabir_error queue_service_get(struct op_call *c)
{
	return get_items(c, 1);
}

static enum sabir_error queue_service_get_many(struct op_call *c)
{
	uint32_t n = c->request.n;

	if (n == 0 || n > MAX_BATCH)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "max_items is %" PRIu32 ", allowed are 1 to %u", n,
			       MAX_BATCH);
	return get_items(c, n);
}

static enum sabir_error queue_service_peek(struct op_call *c)
{
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	enum sabir_error error = queue_peek(c->lane, c->handle, c->response);
	return error == SABIR_WRONG_KIND ? task_queue_peek(c->lane, c->handle, c->response) : error;
}

static enum sabir_error task_size(struct op_call *c)
{
	struct task_queue_size size;
	enum sabir_error error = task_queue_size(c->lane, c->handle, &size);

	if (error)
		return error;
	respond_number(c->response, 1, size.ready);
	respond_number(c->response, 2, size.max_items);
	respond_number(c->response, 3, size.ready == 0);
	respond_number(c->response, 4, size.max_items && size.ready + size.delayed + size.leased >= size.max_items);
	respond_number(c->response, 5, size.closed);
	respond_number(c->response, 6, size.delayed);
	respond_number(c->response, 7, size.leased);
	respond_number(c->response, 8, size.dead);
	respond_number(c->response, 9, size.unfinished);
	respond_number(c->response, 10, size.paused);
	return SABIR_OK;
}

static enum sabir_error queue_service_size(struct op_call *c)
{
	struct queue_size size;
	enum sabir_error error = queue_size(c->lane, c->handle, &size);

	if (error == SABIR_WRONG_KIND)
		return task_size(c);
	if (error)
		return error;
	respond_number(c->response, 1, size.size);
	respond_number(c->response, 2, size.max_items);
	respond_number(c->response, 3, size.size == 0);
	respond_number(c->response, 4, size.max_items && size.size + size.held >= size.max_items);
	respond_number(c->response, 5, size.closed);
	respond_number(c->response, 7, size.held);
	return SABIR_OK;
}

static enum sabir_error queue_service_clear(struct op_call *c)
{
	uint64_t removed;
	enum sabir_error error = queue_clear(c->lane, c->handle, &removed);

	if (error == SABIR_WRONG_KIND)
		error = task_queue_clear(c->lane, c->handle, &removed);
	if (!error)
		respond_number(c->response, 1, removed);
	return error;
}

static enum sabir_error queue_service_close(struct op_call *c)
{
	enum sabir_error error = queue_close(c->lane, c->handle);

	return error == SABIR_WRONG_KIND ? task_queue_close(c->lane, c->handle) : error;
}

static const struct op ops[] = {
	OP_WAITS(QueueService, Put, "queue", queue_service_put, put_fields),
	OP_WAITS(QueueService, PutMany, "queue", queue_service_put_many, put_many_fields),
	OP_WAITS_UNDONE(QueueService, Get, "queue", queue_service_get, get_fields, undo_get),
	OP_WAITS_UNDONE(QueueService, GetMany, "queue", queue_service_get_many, get_many_fields, undo_get),
	OP_READS(QueueService, Peek, "queue", queue_service_peek, queue_fields),
	OP_READS(QueueService, Size, "queue", queue_service_size, queue_fields),
	OP_HEAVY(QueueService, Clear, "queue", queue_service_clear, queue_fields, HEAVY_CHANGE),
	OP(QueueService, Close, "queue", queue_service_close, queue_fields),
};

const struct op_service queue_service = { ops, sizeof(ops) / sizeof(ops[0]) };
