/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.ValueService.
 */
#include "server/objects/value.h"
#include "server/ops/call.h"

static const struct request_field value_fields[] = {
	REQUIRED(1, REF, ref, "value"),
	FIELDS_END,
};
static const struct request_field set_fields[] = {
	REQUIRED(1, REF, ref, "value"),
	REQUIRED(2, SCALAR, scalar, "new_value"),
	FIELDS_END,
};
static const struct request_field add_fields[] = {
	REQUIRED(1, REF, ref, "value"),
	REQUIRED(2, SCALAR, scalar, "delta"),
	FIELDS_END,
};
static const struct request_field compare_exchange_fields[] = {
	REQUIRED(1, REF, ref, "value"),
	REQUIRED(2, SCALAR, expected_scalar, "expected"),
	REQUIRED(3, SCALAR, scalar, "desired"),
	FIELDS_END,
};
static const struct request_field exchange_fields[] = {
	REQUIRED(1, REF, ref, "value"),
	REQUIRED(2, SCALAR, scalar, "desired"),
	FIELDS_END,
};

/* All but one of the responses hold a scalar in field 1. */
static enum sabir_error answer(struct op_call *c, enum sabir_error error, const struct scalar *s)
{
	if (!error)
		respond_scalar(c->response, 1, s);
	return error;
}

static enum sabir_error value_service_get(struct op_call *c)
{
	struct scalar value;
	enum sabir_error error = value_get(c->lane, c->handle, &value);

	return answer(c, error, &value);
}

static enum sabir_error value_service_set(struct op_call *c)
{
	return value_set(c->lane, c->handle, &c->request.scalar);
}

static enum sabir_error value_service_add(struct op_call *c)
{
	struct scalar value;
	enum sabir_error error = value_add(c->lane, c->handle, &c->request.scalar, &value);

	return answer(c, error, &value);
}

static enum sabir_error value_service_compare_exchange(struct op_call *c)
{
	const struct op_request *r = &c->request;
	struct scalar found;
	bool exchanged;
	enum sabir_error error = value_compare_exchange(c->lane, c->handle, &r->expected_scalar, &r->scalar, &exchanged,
							&found);

	if (error)
		return error;
	respond_number(c->response, 1, exchanged);
	respond_scalar(c->response, 2, &found);
	return SABIR_OK;
}

static enum sabir_error value_service_exchange(struct op_call *c)
{
	struct scalar previous;
	enum sabir_error error = value_exchange(c->lane, c->handle, &c->request.scalar, &previous);

	return answer(c, error, &previous);
}

static enum sabir_error value_service_get_lock(struct op_call *c)
{
	uint8_t ref[16];
	uint64_t lock;
	enum sabir_error error = value_get_lock(c->lane, c->handle, &lock);

	if (error)
		return error;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return bytes_add(c->response, ref, (size_t)(respond_put_number(ref, 2, lock) - ref));
}

static const struct op ops[] = {
	OP_READS(ValueService, Get, "value", value_service_get, value_fields),
	OP(ValueService, Set, "value", value_service_set, set_fields),
	OP(ValueService, Add, "value", value_service_add, add_fields),
	OP(ValueService, CompareExchange, "value", value_service_compare_exchange, compare_exchange_fields),
	OP(ValueService, Exchange, "value", value_service_exchange, exchange_fields),
	OP(ValueService, GetLock, "value", value_service_get_lock, value_fields),
};

const struct op_service value_service = { ops, sizeof(ops) / sizeof(ops[0]) };
