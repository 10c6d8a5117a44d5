/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.QueueService, the methods that only task queues know. Those that every queue knows are in ops_queue.c.
 */
#include "server/objects/task_queue.h"
#include "server/ops/call.h"

static const struct request_field queue_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELDS_END,
};
static const struct request_field join_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, DURATION, timeout_ns, "timeout"),
	FIELDS_END,
};
static const struct request_field ack_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	REQUIRED(2, U64, lease_token, "lease_token"),
	FIELDS_END,
};
static const struct request_field nack_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	REQUIRED(2, U64, lease_token, "lease_token"),
	FIELD(3, DURATION, delay_ns, "delay"),
	FIELDS_END,
};
static const struct request_field extend_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	REQUIRED(2, U64, lease_token, "lease_token"),
	REQUIRED(3, DURATION, lease_ns, "lease_duration"),
	FIELDS_END,
};
static const struct request_field requeue_fields[] = {
	REQUIRED(1, REF, ref, "queue"),
	FIELD(2, REF, to, "to"),
	FIELD(3, U64, max_items, "max_items"),
	FIELDS_END,
};

bool op_is_plain_queue(struct op_call *c)
{
	struct object_info info;
	return object_describe(c->lane, c->handle, &info) == SABIR_OK && info.kind == SEG_KIND_QUEUE;
}

/* The error as it is, or what it means that the queue is a plain one. */
static enum sabir_error explained(struct op_call *c, enum sabir_error error)
{
	if (error == SABIR_WRONG_KIND && op_is_plain_queue(c))
		return op_fail_object(c, SABIR_NOT_ENABLED, ": it is no task queue");
	if (error == SABIR_NOT_ENABLED)
		return op_fail_object(c, error, ": it is not joinable");
	return error;
}

static enum sabir_error queue_service_task_done(struct op_call *c)
{
	return explained(c, task_queue_task_done(c->lane, c->handle));
}

static enum sabir_error queue_service_join(struct op_call *c)
{
	enum sabir_error error = explained(c, task_queue_join(c->lane, c->handle));
	return op_may_wait(c, error, SABIR_WOULD_BLOCK, SEG_EVENT_DONE);
}

static enum sabir_error queue_service_ack(struct op_call *c)
{
	return explained(c, task_queue_ack(c->lane, c->handle, c->request.lease_token));
}

static enum sabir_error queue_service_nack(struct op_call *c)
{
	return explained(c, task_queue_nack(c->lane, c->handle, c->request.lease_token, c->request.delay_ns));
}

static enum sabir_error queue_service_extend(struct op_call *c)
{
	if (!c->request.lease_ns)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'lease_duration' is zero");
	return explained(c, task_queue_extend(c->lane, c->handle, c->request.lease_token, c->request.lease_ns));
}

static enum sabir_error queue_service_pause(struct op_call *c)
{
	return explained(c, task_queue_pause(c->lane, c->handle, true));
}

static enum sabir_error queue_service_resume(struct op_call *c)
{
	return explained(c, task_queue_pause(c->lane, c->handle, false));
}

static enum sabir_error queue_service_requeue(struct op_call *c)
{
	const struct object_ref *ref = &c->request.to;
	uint64_t to = ref->handle, moved;
	enum sabir_error error = ref->name.data ? object_open(c->lane, ref->name, &to) : SABIR_OK;

	if (error)
		return op_fail(c, error, "field 'to'");
	if (to == c->handle && to)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'to' is the queue itself");
	error = task_queue_requeue(c->lane, c->handle, to, c->request.max_items, &moved);
	if (!error)
		respond_number(c->response, 1, moved);
	return explained(c, error);
}

static const struct op ops[] = {
	OP(QueueService, TaskDone, "queue", queue_service_task_done, queue_fields),
	OP_WAITS_READS(QueueService, Join, "queue", queue_service_join, join_fields),
	OP(QueueService, Ack, "queue", queue_service_ack, ack_fields),
	OP(QueueService, Nack, "queue", queue_service_nack, nack_fields),
	OP(QueueService, Extend, "queue", queue_service_extend, extend_fields),
	OP(QueueService, Pause, "queue", queue_service_pause, queue_fields),
	OP(QueueService, Resume, "queue", queue_service_resume, queue_fields),
	OP(QueueService, Requeue, "queue", queue_service_requeue, requeue_fields),
};

const struct op_service task_service = { ops, sizeof(ops) / sizeof(ops[0]) };
