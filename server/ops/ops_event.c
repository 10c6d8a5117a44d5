/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.EventService.
 */
#include "server/objects/signal.h"
#include "server/ops/call.h"

static const struct request_field event_fields[] = {
	REQUIRED(1, REF, ref, "event"),
	FIELDS_END,
};
static const struct request_field wait_fields[] = {
	REQUIRED(1, REF, ref, "event"),
	FIELD(2, TIMEOUT, timeout_ns, "timeout"),
	FIELDS_END,
};

static enum sabir_error event_service_set(struct op_call *c)
{
	return signal_set(c->lane, c->handle);
}

static enum sabir_error event_service_clear(struct op_call *c)
{
	return signal_clear(c->lane, c->handle);
}

static enum sabir_error event_service_is_set(struct op_call *c)
{
	bool set;
	enum sabir_error error = signal_is_set(c->lane, c->handle, &set);

	if (!error)
		respond_number(c->response, 1, set);
	return error;
}

static enum sabir_error event_service_wait(struct op_call *c)
{
	enum sabir_error error = signal_wait(c->lane, c->handle, &c->memory);

	return op_may_wait(c, error, SABIR_WOULD_BLOCK, SEG_EVENT_ITEMS);
}

static const struct op ops[] = {
	OP(EventService, Set, "event", event_service_set, event_fields),
	OP(EventService, Clear, "event", event_service_clear, event_fields),
	OP_READS(EventService, IsSet, "event", event_service_is_set, event_fields),
	OP_WAITS_READS(EventService, Wait, "event", event_service_wait, wait_fields),
};

const struct op_service event_service = { ops, sizeof(ops) / sizeof(ops[0]) };
