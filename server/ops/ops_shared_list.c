/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.SharedListService.
 */
#include <inttypes.h>

#include "server/objects/shared_list.h"
#include "server/ops/call.h"

/* What of an Items response is not its elements. */
#define RESPONSE_REST 128u

static const struct request_field shared_list_fields[] = { REQUIRED(1, REF, ref, "shared_list"), FIELDS_END };
static const struct request_field get_fields[] = {
	REQUIRED(1, REF, ref, "shared_list"),
	FIELD(2, U64, index, "index"),
	FIELDS_END,
};
static const struct request_field set_fields[] = {
	REQUIRED(1, REF, ref, "shared_list"),
	FIELD(2, U64, index, "index"),
	REQUIRED(3, VALUE, item, "value"),
	FIELDS_END,
};
static const struct request_field items_fields[] = {
	REQUIRED(1, REF, ref, "shared_list"),
	FIELD(2, U64, start, "start"),
	FIELD(3, U64, max_items, "max_items"),
	FIELDS_END,
};
static const struct request_field value_fields[] = {
	REQUIRED(1, REF, ref, "shared_list"),
	REQUIRED(2, VALUE, item, "value"),
	FIELDS_END,
};

static enum sabir_error explain(struct op_call *c, enum sabir_error error)
{
	uint64_t length;

	if (error == SABIR_OUT_OF_RANGE && !shared_list_len(c->lane, c->handle, &length))
		return op_fail_object(c, error, ": index %" PRId64 ", length %" PRIu64, c->request.index, length);
	if (error == SABIR_TOO_LARGE)
		return op_fail_object(c, error, ": place %" PRId64 " has not as much room", c->request.index);
	if (error == SABIR_WRONG_TYPE)
		return op_fail_object(c, error, ": a kind that a shared list does not hold");
	return error;
}

static enum sabir_error answer(struct op_call *c, enum sabir_error error, uint64_t number)
{
	if (!error)
		respond_number(c->response, 1, number);
	return error;
}

static enum sabir_error shared_list_service_len(struct op_call *c)
{
	uint64_t length = 0;
	enum sabir_error error = shared_list_len(c->lane, c->handle, &length);

	return answer(c, error, length);
}

static enum sabir_error shared_list_service_get(struct op_call *c)
{
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return explain(c, shared_list_get(c->lane, c->handle, c->request.index, c->response));
}

static enum sabir_error shared_list_service_set(struct op_call *c)
{
	return explain(c, shared_list_set(c->lane, c->handle, c->request.index, c->request.item));
}

static enum sabir_error shared_list_service_items(struct op_call *c)
{
	const struct op_request *r = &c->request;
	uint64_t length, most = r->max_items ? r->max_items : UINT64_MAX;

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	c->response->limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	enum sabir_error error = shared_list_page(c->lane, c->handle, r->start, most, &length, c->response);
	if (!error)
		respond_number(c->response, 2, length);
	return error;
}

static enum sabir_error shared_list_service_index(struct op_call *c)
{
	uint64_t index = 0;
	enum sabir_error error = shared_list_index(c->lane, c->handle, c->request.item, &index);

	return answer(c, error, index);
}

static enum sabir_error shared_list_service_count(struct op_call *c)
{
	uint64_t count = 0;
	enum sabir_error error = shared_list_count(c->lane, c->handle, c->request.item, &count);

	return answer(c, error, count);
}

static const struct op ops[] = {
	OP_READS(SharedListService, Len, "shared list", shared_list_service_len, shared_list_fields),
	OP_READS(SharedListService, Get, "shared list", shared_list_service_get, get_fields),
	OP(SharedListService, Set, "shared list", shared_list_service_set, set_fields),
	OP_READS(SharedListService, Items, "shared list", shared_list_service_items, items_fields),
	OP_READS(SharedListService, Index, "shared list", shared_list_service_index, value_fields),
	OP_READS(SharedListService, Count, "shared list", shared_list_service_count, value_fields),
};

const struct op_service shared_list_service = { ops, sizeof(ops) / sizeof(ops[0]) };
