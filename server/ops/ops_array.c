/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.ArrayService.
 */
#include <inttypes.h>

#include "server/objects/array.h"
#include "server/ops/call.h"

/* What of a GetSlice response is not its elements. */
#define RESPONSE_REST 64u

static const struct request_field array_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELDS_END,
};
static const struct request_field get_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, index, "index"),
	FIELDS_END,
};
static const struct request_field set_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, index, "index"),
	REQUIRED(3, SCALAR, scalar, "value"),
	FIELDS_END,
};
static const struct request_field add_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, index, "index"),
	REQUIRED(3, SCALAR, scalar, "delta"),
	FIELDS_END,
};
static const struct request_field compare_exchange_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, index, "index"),
	REQUIRED(3, SCALAR, expected_scalar, "expected"),
	REQUIRED(4, SCALAR, scalar, "desired"),
	FIELDS_END,
};
static const struct request_field get_slice_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, start, "start"),
	FIELD(3, U64, count, "count"),
	FIELDS_END,
};
static const struct request_field set_slice_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, start, "start"),
	REQUIRED(3, ELEMENTS, elements, "elements"),
	FIELDS_END,
};
static const struct request_field fill_fields[] = {
	REQUIRED(1, REF, ref, "array"),
	FIELD(2, U64, start, "start"),
	FIELD(3, U64, count, "count"),
	REQUIRED(4, SCALAR, scalar, "value"),
	FIELDS_END,
};

/* Says what was out of range: the index, unless it was the number. */
static enum sabir_error explain(struct op_call *c, enum sabir_error error)
{
	uint64_t length;
	uint32_t letter;
	int64_t index = c->request.index;

	if (error != SABIR_OUT_OF_RANGE || array_len(c->lane, c->handle, &length, &letter))
		return error;
	bool outside = index < 0 ? (uint64_t) - (index + 1) >= length : (uint64_t)index >= length;
	if (outside)
		return op_fail_object(c, error, ": index %" PRId64 ", length %" PRIu64, index, length);
	return op_fail_object(c, error, ": a number that type '%c' does not hold", (int)letter);
}

/* The same for slices. */
static enum sabir_error explain_slice(struct op_call *c, enum sabir_error error, uint64_t count)
{
	uint64_t length, start = c->request.start;
	uint32_t letter;

	if (error != SABIR_OUT_OF_RANGE || array_len(c->lane, c->handle, &length, &letter))
		return error;
	if (start > length || count > length - start)
		return op_fail_object(c, error, ": %" PRIu64 " elements from %" PRIu64 ", length %" PRIu64, count,
				      start, length);
	return op_fail_object(c, error, ": a number that type '%c' does not hold", (int)letter);
}

static enum sabir_error array_service_len(struct op_call *c)
{
	uint64_t length;
	uint32_t letter;
	enum sabir_error error = array_len(c->lane, c->handle, &length, &letter);

	if (error)
		return error;
	respond_number(c->response, 1, length);
	respond_number(c->response, 2, type_code_of(letter));
	return SABIR_OK;
}

static enum sabir_error array_service_get(struct op_call *c)
{
	struct scalar value;
	enum sabir_error error = array_get(c->lane, c->handle, c->request.index, &value);

	if (error)
		return explain(c, error);
	respond_scalar(c->response, 1, &value);
	return SABIR_OK;
}

static enum sabir_error array_service_set(struct op_call *c)
{
	return explain(c, array_set(c->lane, c->handle, c->request.index, &c->request.scalar));
}

static enum sabir_error array_service_add(struct op_call *c)
{
	struct scalar value;
	enum sabir_error error = array_add(c->lane, c->handle, c->request.index, &c->request.scalar, &value);

	if (error)
		return explain(c, error);
	respond_scalar(c->response, 1, &value);
	return SABIR_OK;
}

static enum sabir_error array_service_compare_exchange(struct op_call *c)
{
	const struct op_request *r = &c->request;
	struct scalar found;
	bool exchanged;
	enum sabir_error error = array_compare_exchange(c->lane, c->handle, r->index, &r->expected_scalar, &r->scalar,
							&exchanged, &found);

	if (error)
		return explain(c, error);
	respond_number(c->response, 1, exchanged);
	respond_scalar(c->response, 2, &found);
	return SABIR_OK;
}

/*
 * The response is field 1 { type code, field 2 { the elements } }. An array's length and type never change, so the
 * lengths in front are known, and the array can write the elements where they belong.
 */
static enum sabir_error array_service_get_slice(struct op_call *c)
{
	struct bytes *response = c->response;
	uint64_t length, start = c->request.start, count = c->request.count;
	uint32_t letter;
	enum sabir_error error = array_len(c->lane, c->handle, &length, &letter);

	if (error)
		return error;
	if (count == 0 && start <= length)
		count = length - start;
	if (start > length || count > length - start)
		return explain_slice(c, SABIR_OUT_OF_RANGE, count);
	uint64_t size = count * scalar_width(letter), most = op_message_limit(c->lane->seg) - RESPONSE_REST;
	if (size > most)
		return op_fail_object(c, SABIR_TOO_LARGE, ": %" PRIu64 " bytes in one response, limit %" PRIu64, size,
				      most);
	uint8_t *to = response->data;
	*to++ = WIRE_TAG(1, WIRE_LEN);
	to = wire_put_varint(to, 2 + 1 + wire_varint_size(size) + size);
	*to++ = WIRE_TAG(1, WIRE_VARINT);
	*to++ = (uint8_t)type_code_of(letter);
	response->len = (size_t)(to - response->data);
	size_t head_len = response->len + 1 + wire_varint_size(size);
	response->frame = WIRE_TAG(2, WIRE_LEN);
	error = array_get_slice(c->lane, c->handle, start, c->request.count, response, &letter);
	if (!error && response->len != head_len + size)
		error = SABIR_DATA_LOSS;
	if (error) { /* what stands in front of the elements is no response */
		response->len = 0;
		response->n_items = 0;
	}
	return error;
}

static enum sabir_error array_service_set_slice(struct op_call *c)
{
	const struct elements *e = &c->request.elements;
	uint32_t letter = type_code_letter(e->type_code), width = scalar_width(letter);

	if (!width)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'type_code' is %" PRIu32 ", which is no type",
			       e->type_code);
	if (e->data.len % width)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "%zu bytes of elements that have %" PRIu32 " bytes each",
			       e->data.len, width);
	enum sabir_error error = array_set_slice(c->lane, c->handle, c->request.start, letter, e->data);
	return explain_slice(c, error, e->data.len / width);
}

static enum sabir_error array_service_fill(struct op_call *c)
{
	const struct op_request *r = &c->request;

	return explain_slice(c, array_fill(c->lane, c->handle, r->start, r->count, &r->scalar), r->count);
}

static enum sabir_error array_service_get_lock(struct op_call *c)
{
	uint8_t ref[16];
	uint64_t lock;
	enum sabir_error error = array_get_lock(c->lane, c->handle, &lock);

	if (error)
		return error;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return bytes_add(c->response, ref, (size_t)(respond_put_number(ref, 2, lock) - ref));
}

static const struct op ops[] = {
	OP_READS(ArrayService, Len, "array", array_service_len, array_fields),
	OP_READS(ArrayService, Get, "array", array_service_get, get_fields),
	OP(ArrayService, Set, "array", array_service_set, set_fields),
	OP(ArrayService, Add, "array", array_service_add, add_fields),
	OP(ArrayService, CompareExchange, "array", array_service_compare_exchange, compare_exchange_fields),
	OP_READS(ArrayService, GetSlice, "array", array_service_get_slice, get_slice_fields),
	OP(ArrayService, SetSlice, "array", array_service_set_slice, set_slice_fields),
	OP(ArrayService, Fill, "array", array_service_fill, fill_fields),
	OP(ArrayService, GetLock, "array", array_service_get_lock, array_fields),
};

const struct op_service array_service = { ops, sizeof(ops) / sizeof(ops[0]) };
