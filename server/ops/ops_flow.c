/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Produce and Consume are made of beside PutMany, Put, Ack and Nack: operations that no client can call, for their
 * requests name a holder. Their messages are not in the protos:
 *
 *   open       1 queue                                            -> 1 the handle
 *   take       1 queue, 2 max_items, 4 lease_duration, 5 holder   -> QueueServiceConsumeResponse
 *   settle     1 queue, 2 the first so many, 5 holder             -> 1 how many
 *   give back  1 queue, 5 holder                                  ->
 *   await end  1 queue                                            -> an error: DELETED
 *   await lock                                                    ->
 *
 * The last has no request: it is only run again, with what another operation wanted to wait for.
 */
#include <stdlib.h>

#include "server/objects/task_queue.h"
#include "server/ops/call.h"

#define N_LEASES_ON_STACK 32u
#define LEASES_MOST 1024u /* at once; a stream comes again */

/* So that what a client has on its way is bounded by its credit in bytes too; one item may be larger. */
#define RESPONSE_BYTES (256u << 10)

static const struct request_field open_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELDS_END,
};
static const struct request_field take_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, U32, n, "max_items"),
	FIELD(4, DURATION, lease_ns, "lease_duration"),
	FIELD(5, U64, start, "holder"),
	FIELDS_END,
};
static const struct request_field settle_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, U32, n, "n"),
	FIELD(5, U64, start, "holder"),
	FIELDS_END,
};

static enum sabir_error flow_open(struct op_call *c)
{
	struct object_info info;
	enum sabir_error error = object_describe(c->lane, c->handle, &info);
	if (!error && info.kind != SEG_KIND_QUEUE && info.kind != SEG_KIND_TASK_QUEUE)
		error = SABIR_WRONG_KIND;
	if (!error)
		respond_number(c->response, 1, c->handle);
	return error;
}

/* ---------------------------------------------------------------- take */

/* The leases' fields, behind the items. Errors: NO_MEMORY. */
static enum sabir_error respond_leases(struct op_call *c, const struct task_lease *leases, size_t n)
{
	uint8_t *fields = malloc(2 * n * WIRE_MAX_VARINT);
	if (!fields)
		return SABIR_NO_MEMORY;
	uint8_t *tokens_end = fields, *end;
	for (size_t i = 0; i < n; i++)
		tokens_end = wire_put_varint(tokens_end, leases[i].token);
	end = tokens_end;
	for (size_t i = 0; i < n; i++)
		end = wire_put_varint(end, leases[i].attempts);
	c->response->frame = WIRE_TAG(2, WIRE_LEN);
	enum sabir_error error = bytes_add(c->response, fields, (size_t)(tokens_end - fields));
	c->response->frame = WIRE_TAG(3, WIRE_LEN);
	if (!error)
		error = bytes_add(c->response, tokens_end, (size_t)(end - tokens_end));
	free(fields);
	return error;
}

/*
 * The leases are the stream's, which ends with the process that has it: not a session's, which goes on in the next server, nor
 * nobody's, whose leases end by time alone.
 */
static enum sabir_error lease_for_stream(struct op_call *c, uint32_t n, struct task_lease *leases)
{
	struct actor actor = c->lane->actor;
	c->lane->actor.owner = lane_own_owner(c->lane);
	enum sabir_error error = task_queue_get(c->lane, c->handle, n, c->request.lease_ns, c->response, leases);
	c->lane->actor = actor;
	return error;
}

static enum sabir_error take_leased(struct op_call *c)
{
	struct task_lease few[N_LEASES_ON_STACK], *leases = few;
	uint32_t n = c->request.n < LEASES_MOST ? c->request.n : LEASES_MOST;
	if (n > N_LEASES_ON_STACK && !(leases = malloc(n * sizeof(*leases))))
		return SABIR_NO_MEMORY;
	enum sabir_error error = lease_for_stream(c, n, leases);
	size_t taken = c->response->n_items;
	if (!error && (error = respond_leases(c, leases, taken)) != SABIR_OK)
		for (size_t i = 0; i < taken; i++)
			(void)task_queue_nack(c->lane, c->handle, leases[i].token, 0);
	if (leases != few)
		free(leases);
	if (error == SABIR_WRONG_KIND && op_is_plain_queue(c))
		return op_fail_object(c, SABIR_NOT_ENABLED, ": a lease needs a task queue");
	return error;
}

static enum sabir_error take_plain(struct op_call *c)
{
	struct object_info info;
	enum sabir_error error = queue_hold(c->lane, c->handle, c->request.n, c->request.start, c->response);
	if (error == SABIR_WRONG_KIND && !object_describe(c->lane, c->handle, &info) &&
	    info.kind == SEG_KIND_TASK_QUEUE)
		return op_fail_object(c, SABIR_INVALID_ARGUMENT, ": a task queue is consumed with a lease_duration");
	return error;
}

static enum sabir_error flow_take(struct op_call *c)
{
	uint64_t most = op_message_limit(c->lane->seg);
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	c->response->limit = most < RESPONSE_BYTES ? most : RESPONSE_BYTES;
	enum sabir_error error = c->request.lease_ns ? take_leased(c) : take_plain(c);
	return op_may_wait(c, error, SABIR_EMPTY, SEG_EVENT_ITEMS);
}

/* ---------------------------------------------------------------- the two ends */

static enum sabir_error flow_settle(struct op_call *c)
{
	uint32_t gone;
	enum sabir_error error = queue_settle(c->lane, c->handle, c->request.start, c->request.n, &gone);
	if (!error)
		respond_number(c->response, 1, gone);
	return error;
}

static enum sabir_error flow_give_back(struct op_call *c)
{
	return queue_unhold(c->lane, c->handle, c->request.start);
}

/* Of one that waits for nothing else of the queue. */
static enum sabir_error flow_await_end(struct op_call *c)
{
	struct object_info info;
	enum sabir_error error = object_describe(c->lane, c->handle, &info);
	return error ? error : op_may_wait(c, SABIR_WOULD_BLOCK, SABIR_WOULD_BLOCK, OP_WAIT_END);
}

/* OK: what was in the way is not, or was not for a moment. */
static enum sabir_error flow_await_lock(struct op_call *c)
{
	struct seg_object *o = &c->lane->seg->objects[c->wait->object];
	uint64_t handle = c->wait->object | (load64_acquire(&o->word) & 0xffffffff00000000ull);
	struct seg_block *body;
	if (object_enter(c->lane, SEG_OP_READ, handle, 0, sizeof(*body), &o, &body))
		return SABIR_OK;
	enum sabir_error error = lock_acquire(c->lane, &o->lock);
	if (!error)
		lock_release(c->lane, &o->lock);
	object_leave(c->lane);
	return error;
}

const struct op *op_flow(enum op_flow which)
{
	static const struct request_field none[] = { FIELDS_END };
	static const struct op ops[] = {
		[OP_FLOW_OPEN] = OP(QueueService, Consume, "queue", flow_open, open_fields),
		[OP_FLOW_TAKE] = OP_WAITS(QueueService, Consume, "queue", flow_take, take_fields),
		[OP_FLOW_SETTLE] = OP(QueueService, Consume, "queue", flow_settle, settle_fields),
		[OP_FLOW_GIVE_BACK] = OP(QueueService, Consume, "queue", flow_give_back, settle_fields),
		[OP_FLOW_AWAIT_LOCK] = OP(QueueService, Consume, "object", flow_await_lock, none),
		[OP_FLOW_AWAIT_END] = OP_WAITS(QueueService, Consume, "queue", flow_await_end, open_fields),
	};
	return &ops[which];
}
