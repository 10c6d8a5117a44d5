/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The array's functions: locally the object's own, remotely the operation's request. Elements are little-endian on the
 * wire and in memory alike, and libsabir runs on little-endian machines only, so slices are plain copies.
 */
#include "server/objects/array.h"

#include <stdlib.h>

#include "bindings/c/number.h"
#include "bindings/c/request.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements would have to be swapped");

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_array_create(sabir_conn *conn, const char *name, char type_code, uint64_t length, unsigned flags,
				    sabir_array **array)
{
	struct sabir_spec spec = {
		.size = sizeof(spec), .kind = SABIR_KIND_ARRAY, .type_code = (unsigned char)type_code, .length = length
	};
	return handle_create(conn, name, &spec, flags, array);
}

enum sabir_error sabir_array_open(sabir_conn *conn, const char *name, sabir_array **array)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_ARRAY, array) : FAIL_NULL();
}

enum sabir_error sabir_array_open_handle(sabir_conn *conn, uint64_t handle, sabir_array **array)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_ARRAY, array);
}

void sabir_array_free(sabir_array *array)
{
	handle_free((struct handle *)array);
}

uint64_t sabir_array_handle(const sabir_array *array)
{
	return array->h.id;
}

char sabir_array_type_code(const sabir_array *array)
{
	return (char)array->h.type_code;
}

size_t sabir_array_width(const sabir_array *array)
{
	return scalar_width(array->h.type_code);
}

/* ---------------------------------------------------------------- one element */

/* The request of an operation on one element with up to two numbers, and the number in a field of its response. */
struct remote_op {
	enum method method;
	int64_t index;
	const struct sabir_item *numbers[2];
	uint32_t result_field; /* 0: none */
};

static enum sabir_error call_remote(const struct handle *h, const struct remote_op *op, struct sabir_item *result,
				    bool *exchanged)
{
	struct bytes out = { 0 };
	struct request r;
	enum sabir_error error = SABIR_OK;

	request_init(&r, 64);
	request_object(&r, h->id);
	request_varint(&r, 2, (uint64_t)op->index);
	for (uint32_t i = 0; !error && i < 2 && op->numbers[i]; i++)
		error = request_scalar(&r, 3 + i, op->numbers[i]);
	if (error) {
		request_fini(&r);
		return error;
	}
	error = conn_call(h->conn, op->method, &r, 0, &out);
	if (!error && result)
		error = response_scalar(bytes_item(&out, 0), op->result_field, result);
	if (!error && exchanged)
		*exchanged = response_varint(bytes_item(&out, 0), 1) != 0;
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_array_len(sabir_array *array, uint64_t *length)
{
	struct bytes out = { 0 };
	struct lane *lane;
	struct request r;
	uint32_t type_code;

	if (!array || !length)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(array->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&array->h, array_len(lane, array->h.id, length, &type_code));
	request_init(&r, 16);
	request_object(&r, array->h.id);
	error = conn_call(array->h.conn, METHOD_ARRAY_LEN, &r, 0, &out);
	if (!error)
		*length = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_array_get(sabir_array *array, int64_t index, struct sabir_item *number)
{
	struct lane *lane;
	struct scalar s;

	if (!array || !number)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(array->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return call_remote(&array->h, &(struct remote_op){ METHOD_ARRAY_GET, index, { NULL }, 1 }, number,
				   NULL);
	error = array_get(lane, array->h.id, index, &s);
	if (!error)
		*number = item_of_scalar(&s);
	return object_result(&array->h, error);
}

enum sabir_error sabir_array_set(sabir_array *array, int64_t index, const struct sabir_item *number)
{
	struct lane *lane;
	struct scalar s;

	if (!array || !number)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(array->h.conn, &lane);
	if (!error)
		error = scalar_of_item(number, &s);
	if (error)
		return error;
	if (!lane)
		return call_remote(&array->h, &(struct remote_op){ METHOD_ARRAY_SET, index, { number }, 0 }, NULL,
				   NULL);
	return object_result(&array->h, array_set(lane, array->h.id, index, &s));
}

enum sabir_error sabir_array_add(sabir_array *array, int64_t index, const struct sabir_item *delta,
				 struct sabir_item *sum)
{
	struct lane *lane;
	struct scalar s, after;

	if (!array || !delta)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(array->h.conn, &lane);
	if (!error)
		error = scalar_of_item(delta, &s);
	if (error)
		return error;
	if (!lane)
		return call_remote(&array->h, &(struct remote_op){ METHOD_ARRAY_ADD, index, { delta }, 1 }, sum, NULL);
	error = array_add(lane, array->h.id, index, &s, &after);
	if (!error && sum)
		*sum = item_of_scalar(&after);
	return object_result(&array->h, error);
}

enum sabir_error sabir_array_compare_exchange(sabir_array *array, int64_t index, const struct sabir_item *expected,
					      const struct sabir_item *desired, bool *exchanged,
					      struct sabir_item *found)
{
	struct lane *lane;
	struct scalar e, d, before;

	if (!array || !expected || !desired || !exchanged)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(array->h.conn, &lane);
	if (!error)
		error = scalar_of_item(expected, &e);
	if (!error)
		error = scalar_of_item(desired, &d);
	if (error)
		return error;
	if (!lane) {
		struct remote_op op = { METHOD_ARRAY_COMPARE_EXCHANGE, index, { expected, desired }, 2 };
		return call_remote(&array->h, &op, found, exchanged);
	}
	error = array_compare_exchange(lane, array->h.id, index, &e, &d, exchanged, &before);
	if (!error && found)
		*found = item_of_scalar(&before);
	return object_result(&array->h, error);
}

/* ---------------------------------------------------------------- in C's types */

enum sabir_error sabir_array_get_int(sabir_array *array, int64_t index, int64_t *number)
{
	struct sabir_item item;
	enum sabir_error error = number ? sabir_array_get(array, index, &item) : FAIL_NULL();
	return error ? error : number_int(&item, number);
}

enum sabir_error sabir_array_get_uint(sabir_array *array, int64_t index, uint64_t *number)
{
	struct sabir_item item;
	enum sabir_error error = number ? sabir_array_get(array, index, &item) : FAIL_NULL();
	return error ? error : number_uint(&item, number);
}

enum sabir_error sabir_array_get_double(sabir_array *array, int64_t index, double *number)
{
	struct sabir_item item;
	enum sabir_error error = number ? sabir_array_get(array, index, &item) : FAIL_NULL();
	return error ? error : number_double(&item, number);
}

enum sabir_error sabir_array_set_int(sabir_array *array, int64_t index, int64_t number)
{
	struct sabir_item item = sabir_int(number);
	return sabir_array_set(array, index, &item);
}

enum sabir_error sabir_array_set_uint(sabir_array *array, int64_t index, uint64_t number)
{
	struct sabir_item item = sabir_uint(number);
	return sabir_array_set(array, index, &item);
}

enum sabir_error sabir_array_set_double(sabir_array *array, int64_t index, double number)
{
	struct sabir_item item = sabir_double(number);
	return sabir_array_set(array, index, &item);
}

enum sabir_error sabir_array_add_int(sabir_array *array, int64_t index, int64_t delta, int64_t *sum)
{
	struct sabir_item item = sabir_int(delta);
	enum sabir_error error = sabir_array_add(array, index, &item, sum ? &item : NULL);
	return error || !sum ? error : number_int(&item, sum);
}

enum sabir_error sabir_array_add_double(sabir_array *array, int64_t index, double delta, double *sum)
{
	struct sabir_item item = sabir_double(delta);
	enum sabir_error error = sabir_array_add(array, index, &item, sum ? &item : NULL);
	return error || !sum ? error : number_double(&item, sum);
}
