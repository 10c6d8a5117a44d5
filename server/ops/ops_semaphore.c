/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.SemaphoreService.
 */
#include "server/objects/semaphore.h"
#include "server/ops/call.h"

static const struct request_field semaphore_fields[] = {
	REQUIRED(1, REF, ref, "semaphore"),
	FIELDS_END,
};
static const struct request_field acquire_fields[] = {
	REQUIRED(1, REF, ref, "semaphore"),
	FIELD(2, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};
static const struct request_field release_fields[] = {
	REQUIRED(1, REF, ref, "semaphore"),
	FIELD(2, U64, count, "count"),
	FIELDS_END,
};

static enum sabir_error semaphore_service_acquire(struct op_call *c)
{
	bool last = c->over || !c->request.timeout_ns;

	if (c->over == OP_ABANDONED)
		return semaphore_give_up(c->lane, c->handle, c->memory);
	enum sabir_error error = semaphore_take_in_turn(c->lane, c->handle, &c->memory, last);
	return op_may_wait(c, error, SABIR_WOULD_BLOCK, SEG_EVENT_ITEMS);
}

static enum sabir_error undo_acquire(struct lane *lane, struct op_receipt *receipt, struct span response)
{
	(void)response;
	return semaphore_give(lane, receipt->handle, 1);
}

static enum sabir_error semaphore_service_release(struct op_call *c)
{
	uint64_t n = c->request.count;

	return semaphore_give(c->lane, c->handle, n ? n : 1);
}

static enum sabir_error semaphore_service_status(struct op_call *c)
{
	struct semaphore_state state;
	enum sabir_error error = semaphore_look(c->lane, c->handle, &state);

	if (error)
		return error;
	respond_number(c->response, 1, state.value);
	respond_number(c->response, 2, state.mine);
	return SABIR_OK;
}

static const struct op ops[] = {
	OP_WAITS_IN_LINE_UNDONE(SemaphoreService, Acquire, "semaphore", semaphore_service_acquire, acquire_fields,
				undo_acquire),
	OP(SemaphoreService, Release, "semaphore", semaphore_service_release, release_fields),
	OP_READS(SemaphoreService, Status, "semaphore", semaphore_service_status, semaphore_fields),
};

const struct op_service semaphore_service = { ops, sizeof(ops) / sizeof(ops[0]) };
