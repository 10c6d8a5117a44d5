/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.BarrierService.
 */
#include "server/objects/barrier.h"
#include "server/ops/call.h"

static const struct request_field barrier_fields[] = {
	REQUIRED(1, REF, ref, "barrier"),
	FIELDS_END,
};
static const struct request_field wait_fields[] = {
	REQUIRED(1, REF, ref, "barrier"),
	FIELD(2, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};

static enum sabir_error barrier_service_wait(struct op_call *c)
{
	bool last = c->over || !c->request.timeout_ns;
	uint64_t index;

	if (c->over == OP_ABANDONED)
		return barrier_give_up(c->lane, c->handle, c->memory);
	enum sabir_error error = barrier_wait(c->lane, c->handle, &c->memory, last, &index);
	if (error)
		return op_may_wait(c, error, SABIR_WOULD_BLOCK, SEG_EVENT_ITEMS);
	respond_number(c->response, 1, index);
	return SABIR_OK;
}

static enum sabir_error barrier_service_abort(struct op_call *c)
{
	return barrier_abort(c->lane, c->handle);
}

static enum sabir_error barrier_service_reset(struct op_call *c)
{
	return barrier_reset(c->lane, c->handle);
}

static enum sabir_error barrier_service_status(struct op_call *c)
{
	struct barrier_state state;
	enum sabir_error error = barrier_look(c->lane, c->handle, &state);

	if (error)
		return error;
	respond_number(c->response, 1, state.parties);
	respond_number(c->response, 2, state.n_waiting);
	respond_number(c->response, 3, state.broken);
	respond_number(c->response, 4, state.cycle);
	return SABIR_OK;
}

static const struct op ops[] = {
	OP_WAITS_IN_LINE(BarrierService, Wait, "barrier", barrier_service_wait, wait_fields),
	OP(BarrierService, Abort, "barrier", barrier_service_abort, barrier_fields),
	OP(BarrierService, Reset, "barrier", barrier_service_reset, barrier_fields),
	OP_READS(BarrierService, Status, "barrier", barrier_service_status, barrier_fields),
};

const struct op_service barrier_service = { ops, sizeof(ops) / sizeof(ops[0]) };
