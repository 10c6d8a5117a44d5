/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.ListService. Where a response is a Value, the list writes it there itself.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "server/base/value.h"
#include "server/objects/list.h"
#include "server/ops/call.h"

/* What of a GetSlice response is not its elements. */
#define RESPONSE_REST 128u

#define SLICE(first)                                                                                                   \
	FIELD(first, U64, start, "start"), FIELD((first) + 1, U64, stop, "stop"), FIELD((first) + 2, U64, step, "step")

static const struct request_field list_fields[] = { REQUIRED(1, REF, ref, "list"), FIELDS_END };
static const struct request_field index_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	FIELD(2, U64, index, "index"),
	FIELDS_END,
};
static const struct request_field set_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	FIELD(2, U64, index, "index"),
	REQUIRED(3, VALUE, item, "value"),
	FIELDS_END,
};
static const struct request_field insert_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	FIELD(2, U64, index, "index"),
	REQUIRED(3, VALUE, item, "item"),
	FIELDS_END,
};
static const struct request_field get_slice_fields[] = {
	REQUIRED(1, REF, ref, "list"), SLICE(2),   FIELD(5, U64, count, "skip"), FIELD(6, U64, max_items, "max_items"),
	FIELD(7, U32, n, "version"),   FIELDS_END,
};
static const struct request_field set_slice_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	SLICE(2),
	FIELD(5, REPEATED, n_repeated, "items"),
	FIELDS_END,
};
static const struct request_field delete_slice_fields[] = { REQUIRED(1, REF, ref, "list"), SLICE(2), FIELDS_END };
static const struct request_field append_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	REQUIRED(2, VALUE, item, "item"),
	FIELDS_END,
};
static const struct request_field extend_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	FIELD(2, REPEATED, n_repeated, "items"),
	FIELDS_END,
};
static const struct request_field value_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	REQUIRED(2, VALUE, item, "value"),
	FIELDS_END,
};
static const struct request_field find_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	REQUIRED(2, VALUE, item, "value"),
	FIELD(3, U64, start, "start"),
	FIELD(4, U64, stop, "stop"),
	FIELDS_END,
};
static const struct request_field sort_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	FIELD(2, BOOL, flag, "reverse"),
	FIELD(3, VALUE, key, "key"),
	FIELDS_END,
};
static const struct request_field repeat_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	FIELD(2, U64, count, "count"),
	FIELDS_END,
};
static const struct request_field copy_fields[] = {
	REQUIRED(1, REF, ref, "list"),
	REQUIRED(2, REF, other, "to"),
	SLICE(3),
	FIELD(6, BOOL, flag, "append"),
	FIELDS_END,
};

/* The slice whose start is in field `first`; `find_fields` have no step. */
static struct list_slice slice_of(const struct op_call *c, unsigned first)
{
	const struct op_request *r = &c->request;
	bool stepped = c->op->fields != find_fields && (r->seen & 4u << first);

	return (struct list_slice){ .start = (int64_t)r->start,
				    .stop = r->stop,
				    .step = stepped ? r->step : 1,
				    .has_start = r->seen & 1u << first,
				    .has_stop = r->seen & 2u << first };
}

/* Says which index was out of range, and what was too large. */
static enum sabir_error explain(struct op_call *c, enum sabir_error error)
{
	uint64_t length, limit = c->lane->seg->max_item_bytes;

	if (error == SABIR_OUT_OF_RANGE && !list_len(c->lane, c->handle, &length))
		return op_fail_object(c, error, ": index %" PRId64 ", length %" PRIu64, c->request.index, length);
	if (error == SABIR_TOO_LARGE && c->request.item.len > limit)
		return op_fail_object(c, error, ": an element of %zu bytes, limit %" PRIu64, c->request.item.len,
				      limit);
	return error;
}

/* A number as field 1 of the response. */
static enum sabir_error answer(struct op_call *c, enum sabir_error error, uint64_t number)
{
	if (error)
		return explain(c, error);
	respond_number(c->response, 1, number);
	return SABIR_OK;
}

static enum sabir_error list_service_len(struct op_call *c)
{
	uint64_t length = 0;
	enum sabir_error error = list_len(c->lane, c->handle, &length);

	return answer(c, error, length);
}

static enum sabir_error list_service_get(struct op_call *c)
{
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return explain(c, list_get(c->lane, c->handle, c->request.index, c->response));
}

static enum sabir_error list_service_set(struct op_call *c)
{
	return explain(c, list_set(c->lane, c->handle, c->request.index, c->request.item));
}

static enum sabir_error list_service_delete(struct op_call *c)
{
	return explain(c, list_delete(c->lane, c->handle, c->request.index));
}

/* ---------------------------------------------------------------- slices, and many elements */

static enum sabir_error explain_slice(struct op_call *c, enum sabir_error error, const struct list_slice *slice)
{
	if (error == SABIR_INVALID_ARGUMENT && slice->step == 0)
		return op_fail(c, error, "field 'step' is 0");
	if (error == SABIR_INVALID_ARGUMENT)
		return op_fail_object(c, error, ": %" PRIu32 " elements for a slice of another length",
				      c->request.n_repeated);
	return explain(c, error);
}

static enum sabir_error list_service_get_slice(struct op_call *c)
{
	struct op_request *r = &c->request;
	struct list_slice slice = slice_of(c, 2);
	uint64_t total, most = r->max_items ? r->max_items : UINT64_MAX;

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	c->response->limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	enum sabir_error error = list_get_slice(c->lane, c->handle, &slice, r->count, most, &r->n, &total, c->response);
	if (error)
		return explain_slice(c, error, &slice);
	respond_number(c->response, 2, total);
	respond_number(c->response, 3, r->n);
	return SABIR_OK;
}

/* Checks the repeated Values of the request; *values is malloc'ed. */
static enum sabir_error read_values(struct op_call *c, uint32_t field, struct span **values)
{
	struct span rest = c->message, value, *made = malloc((c->request.n_repeated + 1) * sizeof(*made));
	uint64_t limit = c->lane->seg->max_item_bytes;
	enum sabir_error error = made ? SABIR_OK : SABIR_NO_MEMORY;

	for (uint32_t i = 0; !error && request_next(&rest, field, &value); i++) {
		if (value_check(value))
			error = op_fail(c, SABIR_INVALID_VALUE, "item %" PRIu32, i);
		else if (value.len > limit)
			error = op_fail_object(c, SABIR_TOO_LARGE, ": item %" PRIu32 " of %zu bytes, limit %" PRIu64, i,
					       value.len, limit);
		else
			made[i] = value;
	}
	if (error)
		free(made);
	else
		*values = made;
	return error;
}

static enum sabir_error list_service_set_slice(struct op_call *c)
{
	struct list_slice slice = slice_of(c, 2);
	struct span *values;
	uint64_t length = 0;
	enum sabir_error error = read_values(c, 5, &values);

	if (error)
		return error;
	error = list_set_slice(c->lane, c->handle, &slice, values, c->request.n_repeated, &length);
	free(values);
	return error ? explain_slice(c, error, &slice) : answer(c, SABIR_OK, length);
}

static enum sabir_error list_service_delete_slice(struct op_call *c)
{
	struct list_slice slice = slice_of(c, 2);
	uint64_t removed = 0;
	enum sabir_error error = list_delete_slice(c->lane, c->handle, &slice, &removed);

	return error ? explain_slice(c, error, &slice) : answer(c, SABIR_OK, removed);
}

static enum sabir_error list_service_append(struct op_call *c)
{
	uint64_t length = 0;
	enum sabir_error error = list_append(c->lane, c->handle, c->request.item, &length);

	return answer(c, error, length);
}

static enum sabir_error list_service_extend(struct op_call *c)
{
	struct span *values;
	uint64_t length = 0;
	enum sabir_error error = read_values(c, 2, &values);

	if (error)
		return error;
	error = list_extend(c->lane, c->handle, values, c->request.n_repeated, &length);
	free(values);
	return answer(c, error, length);
}

static enum sabir_error list_service_insert(struct op_call *c)
{
	uint64_t length = 0;
	enum sabir_error error = list_insert(c->lane, c->handle, c->request.index, c->request.item, &length);

	return answer(c, error, length);
}

static enum sabir_error list_service_pop(struct op_call *c)
{
	if (!(c->request.seen & 1u << 2))
		c->request.index = -1;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return explain(c, list_pop(c->lane, c->handle, c->request.index, c->response));
}

/* ---------------------------------------------------------------- by value */

static enum sabir_error list_service_remove(struct op_call *c)
{
	uint64_t index = 0;
	enum sabir_error error = list_remove(c->lane, c->handle, c->request.item, &index);

	return answer(c, error, index);
}

static enum sabir_error list_service_index(struct op_call *c)
{
	struct list_slice slice = slice_of(c, 3);
	uint64_t index = 0;
	enum sabir_error error = list_index(c->lane, c->handle, c->request.item, &slice, &index);

	return answer(c, error, index);
}

static enum sabir_error list_service_count(struct op_call *c)
{
	uint64_t count = 0;
	enum sabir_error error = list_count(c->lane, c->handle, c->request.item, &count);

	return answer(c, error, count);
}

static enum sabir_error list_service_contains(struct op_call *c)
{
	struct list_slice all = LIST_ALL;
	uint64_t index = 0;
	enum sabir_error error = list_index(c->lane, c->handle, c->request.item, &all, &index);

	if (error && error != SABIR_VALUE_NOT_FOUND)
		return error;
	respond_number(c->response, 1, !error);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- all of it */

static enum sabir_error list_service_reverse(struct op_call *c)
{
	return list_reverse(c->lane, c->handle);
}

static enum sabir_error list_service_sort(struct op_call *c)
{
	struct list_trouble t;
	enum sabir_error error = list_sort(c->lane, c->handle, c->request.flag, c->request.key, &t);

	if (error == SABIR_WRONG_TYPE && t.first != t.second)
		return op_fail_object(c, error, ": elements %" PRIu64 " and %" PRIu64 " have no order", t.first,
				      t.second);
	if (error == SABIR_WRONG_TYPE)
		return op_fail_object(c, error, ": element %" PRIu64 " is no map", t.first);
	if (error == SABIR_KEY_NOT_FOUND)
		return op_fail_object(c, error, ": element %" PRIu64 " is a map without it", t.first);
	return error;
}

static enum sabir_error list_service_repeat(struct op_call *c)
{
	uint64_t length = 0;
	enum sabir_error error = list_repeat(c->lane, c->handle, (int64_t)c->request.count, &length);

	return answer(c, error, length);
}

static enum sabir_error put_copy(struct op_call *c, uint64_t to, const struct bytes *copy, uint64_t *length)
{
	struct list_slice all = LIST_ALL;
	struct span *values = malloc((copy->n_items + 1) * sizeof(*values));

	if (!values)
		return SABIR_NO_MEMORY;
	for (size_t i = 0; i < copy->n_items; i++)
		values[i] = bytes_item(copy, i);
	enum sabir_error error = c->request.flag ? list_extend(c->lane, to, values, copy->n_items, length)
						 : list_set_slice(c->lane, to, &all, values, copy->n_items, length);
	free(values);
	return error;
}

/* The copy is made of one state of the list, without its lock, before the other list's lock is taken. */
static enum sabir_error list_service_copy(struct op_call *c)
{
	const struct object_ref *ref = &c->request.other;
	struct list_slice slice = slice_of(c, 3);
	struct bytes copy = { 0 };
	uint64_t to = ref->handle, total, length = 0;
	uint32_t version = 0;
	enum sabir_error error = ref->name.data ? object_open(c->lane, ref->name, &to) : SABIR_OK;

	if (error)
		return op_fail(c, error, "the list to copy to");
	error = list_get_slice(c->lane, c->handle, &slice, 0, UINT64_MAX, &version, &total, &copy);
	if (error) {
		bytes_fini(&copy);
		return explain_slice(c, error, &slice);
	}
	error = put_copy(c, to, &copy, &length);
	bytes_fini(&copy);
	if (error && error != SABIR_BUSY)
		return op_fail(c, error, "the list to copy to");
	return answer(c, error, length);
}

static enum sabir_error list_service_clear(struct op_call *c)
{
	struct list_slice all = LIST_ALL;
	uint64_t removed = 0;
	enum sabir_error error = list_delete_slice(c->lane, c->handle, &all, &removed);

	return answer(c, error, removed);
}

static const struct op ops[] = {
	OP_READS(ListService, Len, "list", list_service_len, list_fields),
	OP_READS(ListService, Get, "list", list_service_get, index_fields),
	OP(ListService, Set, "list", list_service_set, set_fields),
	OP(ListService, Delete, "list", list_service_delete, index_fields),
	OP_READS(ListService, GetSlice, "list", list_service_get_slice, get_slice_fields),
	OP_HEAVY(ListService, SetSlice, "list", list_service_set_slice, set_slice_fields, HEAVY_REQUEST),
	OP_HEAVY(ListService, DeleteSlice, "list", list_service_delete_slice, delete_slice_fields, HEAVY_SCAN),
	OP(ListService, Append, "list", list_service_append, append_fields),
	OP_HEAVY(ListService, Extend, "list", list_service_extend, extend_fields, HEAVY_REQUEST),
	OP(ListService, Insert, "list", list_service_insert, insert_fields),
	OP(ListService, Pop, "list", list_service_pop, index_fields),
	OP_HEAVY(ListService, Remove, "list", list_service_remove, value_fields, HEAVY_SCAN),
	OP_HEAVY_READS(ListService, Index, "list", list_service_index, find_fields, HEAVY_SCAN),
	OP_HEAVY_READS(ListService, Count, "list", list_service_count, value_fields, HEAVY_SCAN),
	OP_HEAVY_READS(ListService, Contains, "list", list_service_contains, value_fields, HEAVY_SCAN),
	OP_HEAVY(ListService, Reverse, "list", list_service_reverse, list_fields, HEAVY_SCAN),
	OP_HEAVY(ListService, Sort, "list", list_service_sort, sort_fields, HEAVY_SORT),
	OP_HEAVY(ListService, Repeat, "list", list_service_repeat, repeat_fields, HEAVY_CHANGE),
	OP_HEAVY(ListService, Copy, "list", list_service_copy, copy_fields, HEAVY_CHANGE),
	OP_HEAVY(ListService, Clear, "list", list_service_clear, list_fields, HEAVY_CHANGE),
};

const struct op_service list_service = { ops, sizeof(ops) / sizeof(ops[0]) };
