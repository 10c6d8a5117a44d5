/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The array's functions on slices, and the mapped elements. On the wire and below it a count of 0 means "to the end";
 * in C it is none, which is told from the length.
 */
#include <stdlib.h>

#include "bindings/c/number.h"
#include "bindings/c/request.h"
#include "server/objects/array.h"

/* A slice of nothing: fine up to the end. */
static enum sabir_error empty_slice(sabir_array *array, uint64_t start)
{
	uint64_t length;
	enum sabir_error error = sabir_array_len(array, &length);
	if (!error && start > length)
		error = fail_object(&array->h, SABIR_OUT_OF_RANGE);
	return error;
}

/* The bytes of so many elements. */
static enum sabir_error slice_len(sabir_array *array, uint64_t count, size_t *len)
{
	size_t width = sabir_array_width(array);
	if (!width) /* it was opened by a description of damaged memory */
		return fail_object(&array->h, SABIR_DATA_LOSS);
	if (count > SIZE_MAX / width)
		return fail_object(&array->h, SABIR_OUT_OF_RANGE);
	*len = count * width;
	return SABIR_OK;
}

static enum sabir_error copy_slice(const struct handle *h, struct span data, uint64_t count, void *elements)
{
	if (data.len != count * scalar_width(h->type_code))
		return fail(SABIR_INTERNAL, "a slice of %zu bytes", data.len);
	memcpy(elements, data.data, data.len);
	return SABIR_OK;
}

static enum sabir_error get_remote(const struct handle *h, uint64_t start, uint64_t count, void *elements)
{
	struct bytes out = { 0 };
	struct wire_field f, data;
	struct request r;

	request_init(&r, 64);
	request_object(&r, h->id);
	request_varint(&r, 2, start);
	request_varint(&r, 3, count);
	enum sabir_error error = conn_call(h->conn, METHOD_ARRAY_GET_SLICE, &r, 0, &out);
	if (!error) {
		if (response_find(bytes_item(&out, 0), 1, &f) && f.type == WIRE_LEN &&
		    response_find(f.bytes, 2, &data) && data.type == WIRE_LEN)
			error = copy_slice(h, data.bytes, count, elements);
		else
			error = fail(SABIR_INTERNAL, "a slice without elements");
	}
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_array_get_slice(sabir_array *array, uint64_t start, uint64_t count, void *elements)
{
	struct bytes out;
	struct lane *lane;
	uint32_t type_code;
	size_t len = 0;

	if (!array || (!elements && count))
		return FAIL_NULL();
	if (!count)
		return empty_slice(array, start);
	enum sabir_error error = slice_len(array, count, &len);
	if (!error)
		error = conn_enter(array->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return get_remote(&array->h, start, count, elements);
	bytes_init(&out, elements, len);
	error = array_get_slice(lane, array->h.id, start, count, &out, &type_code);
	if (!error && out.data != elements)
		error = copy_slice(&array->h, bytes_item(&out, 0), count, elements);
	bytes_fini(&out);
	return object_result(&array->h, error);
}

static enum sabir_error set_remote(const struct handle *h, uint64_t start, uint32_t type_number, struct span data)
{
	struct bytes out = { 0 };
	struct request r;

	request_init(&r, 64 + data.len);
	request_object(&r, h->id);
	request_varint(&r, 2, start);
	size_t begin = request_begin(&r, 3);
	request_varint(&r, 1, type_number);
	request_bytes(&r, 2, data.data, data.len);
	request_end(&r, begin);
	enum sabir_error error = conn_call(h->conn, METHOD_ARRAY_SET_SLICE, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_array_set_slice(sabir_array *array, uint64_t start, uint64_t count, const void *elements)
{
	struct lane *lane;

	if (!array || (!elements && count))
		return FAIL_NULL();
	if (!count)
		return empty_slice(array, start);
	struct span data = { elements, 0 };
	enum sabir_error error = slice_len(array, count, &data.len);
	if (!error)
		error = conn_enter(array->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return set_remote(&array->h, start, type_code_number(array->h.type_code), data);
	error = scalar_check(array->h.type_code, elements, count);
	if (!error)
		error = array_set_slice(lane, array->h.id, start, array->h.type_code, data);
	return object_result(&array->h, error);
}

static enum sabir_error fill_remote(const struct handle *h, uint64_t start, uint64_t count,
				    const struct sabir_item *number)
{
	struct bytes out = { 0 };
	struct request r;

	request_init(&r, 64);
	request_object(&r, h->id);
	request_varint(&r, 2, start);
	request_varint(&r, 3, count);
	enum sabir_error error = request_scalar(&r, 4, number);
	if (error) {
		request_fini(&r);
		return error;
	}
	error = conn_call(h->conn, METHOD_ARRAY_FILL, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_array_fill(sabir_array *array, uint64_t start, uint64_t count, const struct sabir_item *number)
{
	struct lane *lane;
	struct scalar s;

	if (!array || !number)
		return FAIL_NULL();
	enum sabir_error error = scalar_of_item(number, &s);
	if (error)
		return error;
	if (!count)
		return empty_slice(array, start);
	error = conn_enter(array->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return fill_remote(&array->h, start, count, number);
	return object_result(&array->h, array_fill(lane, array->h.id, start, count, &s));
}

enum sabir_error sabir_array_map(sabir_array *array, void **elements, uint64_t *length)
{
	struct lane *lane;
	uint32_t type_code;
	uint64_t n;

	if (!array || !elements)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(array->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return fail(SABIR_UNIMPLEMENTED, "the memory is not mapped");
	error = array_map(lane, array->h.id, elements, &n, &type_code);
	if (!error && length)
		*length = n;
	return object_result(&array->h, error);
}
