/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.LockService: locks and rlocks.
 */
#include "server/objects/mutex.h"
#include "server/ops/call.h"

static const struct request_field lock_fields[] = {
	REQUIRED(1, REF, ref, "lock"),
	FIELDS_END,
};
static const struct request_field acquire_fields[] = {
	REQUIRED(1, REF, ref, "lock"),
	FIELD(2, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};

static enum sabir_error lock_service_acquire(struct op_call *c)
{
	struct mutex_hold hold;
	struct mutex_wait wait = { .place = c->memory, .last = c->over || !c->request.timeout_ns };

	if (c->over == OP_ABANDONED)
		return mutex_give_up(c->lane, c->handle, c->memory);
	enum sabir_error error = mutex_take_in_turn(c->lane, c->handle, &wait, &hold);
	c->memory = wait.place;
	if (error)
		return op_may_wait(c, error, SABIR_WOULD_BLOCK, SEG_EVENT_ITEMS);
	respond_number(c->response, 1, hold.token);
	respond_number(c->response, 2, hold.depth);
	respond_number(c->response, 3, hold.abandoned);
	c->wait->receipt.number = hold.token << 1 | hold.abandoned;
	return SABIR_OK;
}

static enum sabir_error undo_acquire(struct lane *lane, struct op_receipt *receipt, struct span response)
{
	(void)response;
	return mutex_untake(lane, receipt->handle, receipt->number >> 1, receipt->number & 1);
}

static enum sabir_error lock_service_release(struct op_call *c)
{
	return mutex_release(c->lane, c->handle);
}

static enum sabir_error lock_service_status(struct op_call *c)
{
	struct mutex_state state;
	enum sabir_error error = mutex_look(c->lane, c->handle, &state);

	if (error)
		return error;
	respond_number(c->response, 1, state.locked);
	respond_number(c->response, 2, state.mine);
	respond_number(c->response, 3, state.depth);
	respond_number(c->response, 4, state.token);
	respond_number(c->response, 5, state.abandoned);
	return SABIR_OK;
}

static const struct op ops[] = {
	OP_WAITS_IN_LINE_UNDONE(LockService, Acquire, "lock", lock_service_acquire, acquire_fields, undo_acquire),
	OP(LockService, Release, "lock", lock_service_release, lock_fields),
	OP_READS(LockService, Status, "lock", lock_service_status, lock_fields),
};

const struct op_service lock_service = { ops, sizeof(ops) / sizeof(ops[0]) };
