/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.ConditionService. A call that waits does so on events of the condition's lock.
 */
#include "server/objects/condition.h"
#include "server/objects/mutex.h"
#include "server/ops/call.h"

static const struct request_field condition_fields[] = {
	REQUIRED(1, REF, ref, "condition"),
	FIELDS_END,
};
static const struct request_field wait_fields[] = {
	REQUIRED(1, REF, ref, "condition"),
	FIELD(2, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};
static const struct request_field notify_fields[] = {
	REQUIRED(1, REF, ref, "condition"),
	FIELD(2, U64, count, "count"),
	FIELD(3, BOOL, flag, "all"),
	FIELDS_END,
};

static enum sabir_error explain(struct op_call *c, enum sabir_error error)
{
	if (error == SABIR_NOT_HELD)
		return op_fail_object(c, error, ": the caller does not have its lock");
	if (error == SABIR_DELETED)
		return op_fail_object(c, error, ", or its lock");
	return error;
}

static enum sabir_error condition_service_get_lock(struct op_call *c)
{
	uint8_t ref[16];
	uint64_t lock;
	enum sabir_error error = condition_lock(c->lane, c->handle, &lock);

	if (error)
		return explain(c, error);
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return bytes_add(c->response, ref, (size_t)(respond_put_number(ref, 2, lock) - ref));
}

static enum sabir_error condition_service_wait(struct op_call *c)
{
	struct condition_wait w = { .memory = c->memory,
				    .lock = c->wait->also,
				    .timed_out = c->over || !c->request.timeout_ns };

	if (c->over == OP_ABANDONED)
		return condition_give_up(c->lane, c->handle, &w);
	enum sabir_error error = condition_wait(c->lane, c->handle, &w);
	c->memory = w.memory;
	c->wait->also = w.memory ? w.lock : 0;
	if (error == SABIR_WOULD_BLOCK)
		*c->wait = (struct op_wait){
			.wanted = true,
			.object = object_index(w.lock),
			.side = w.locking ? SEG_EVENT_ITEMS : SEG_EVENT_DONE,
			.handle = c->handle,
			.timeout_ns = w.locking ? OP_FOREVER : c->request.timeout_ns,
			.memory = w.memory,
			.also = w.lock,
		};
	if (error)
		return explain(c, error);
	respond_number(c->response, 1, w.notified);
	respond_number(c->response, 2, w.hold.token);
	respond_number(c->response, 3, w.hold.abandoned);
	respond_number(c->response, 4, w.hold.depth);
	c->wait->receipt.number = w.hold.token << 2 | (uint64_t)w.notified << 1 | w.hold.abandoned;
	return SABIR_OK;
}

/* Who never learns that he was notified has not been: the next one is, and the lock is let go as often as it was taken. */
static enum sabir_error undo_wait(struct lane *lane, struct op_receipt *receipt, struct span response)
{
	uint64_t lock, n_notified, token = receipt->number >> 2;
	enum sabir_error error = condition_lock(lane, receipt->handle, &lock);

	(void)response;
	if (!error && (receipt->number & 2) && !receipt->n_back) {
		error = condition_notify(lane, receipt->handle, 1, &n_notified);
		receipt->n_back = error != SABIR_BUSY;
		error = error == SABIR_BUSY ? error : SABIR_OK;
	}
	if (!error)
		error = mutex_untake_all(lane, lock, token, receipt->number & 1);
	return error == SABIR_NOT_HELD ? SABIR_OK : error;
}

static enum sabir_error condition_service_notify(struct op_call *c)
{
	uint64_t n = c->request.flag ? UINT64_MAX : c->request.count ? c->request.count : 1, notified;
	enum sabir_error error = condition_notify(c->lane, c->handle, n, &notified);

	if (error)
		return explain(c, error);
	respond_number(c->response, 1, notified);
	return SABIR_OK;
}

static enum sabir_error condition_service_status(struct op_call *c)
{
	uint32_t n_waiting;
	enum sabir_error error = condition_look(c->lane, c->handle, &n_waiting);

	if (!error)
		respond_number(c->response, 1, n_waiting);
	return error;
}

static const struct op ops[] = {
	OP(ConditionService, GetLock, "condition", condition_service_get_lock, condition_fields),
	OP_WAITS_IN_LINE_UNDONE(ConditionService, Wait, "condition", condition_service_wait, wait_fields, undo_wait),
	OP(ConditionService, Notify, "condition", condition_service_notify, notify_fields),
	OP_READS(ConditionService, Status, "condition", condition_service_status, condition_fields),
};

const struct op_service condition_service = { ops, sizeof(ops) / sizeof(ops[0]) };
