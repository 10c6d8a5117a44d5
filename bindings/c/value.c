/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value's functions: locally the object's own, remotely the operation's request.
 */
#include "server/objects/value.h"

#include "bindings/c/number.h"
#include "bindings/c/request.h"

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_value_create(sabir_conn *conn, const char *name, char type_code, unsigned flags,
				    sabir_value **value)
{
	struct sabir_spec spec = { .size = sizeof(spec),
				   .kind = SABIR_KIND_VALUE,
				   .type_code = (unsigned char)type_code };
	return handle_create(conn, name, &spec, flags, value);
}

enum sabir_error sabir_value_open(sabir_conn *conn, const char *name, sabir_value **value)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_VALUE, value) : FAIL_NULL();
}

enum sabir_error sabir_value_open_handle(sabir_conn *conn, uint64_t handle, sabir_value **value)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_VALUE, value);
}

void sabir_value_free(sabir_value *value)
{
	handle_free((struct handle *)value);
}

uint64_t sabir_value_handle(const sabir_value *value)
{
	return value->h.id;
}

char sabir_value_type_code(const sabir_value *value)
{
	return (char)value->h.type_code;
}

/* ---------------------------------------------------------------- operations */

/* The request of an operation with up to two numbers, and the number in a field of its response. */
struct remote_op {
	enum method method;
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
	for (uint32_t i = 0; !error && i < 2 && op->numbers[i]; i++)
		error = request_scalar(&r, 2 + i, op->numbers[i]);
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

enum sabir_error sabir_value_get(sabir_value *value, struct sabir_item *number)
{
	struct lane *lane;
	struct scalar s;

	if (!value || !number)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(value->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return call_remote(&value->h, &(struct remote_op){ METHOD_VALUE_GET, { NULL }, 1 }, number, NULL);
	error = value_get(lane, value->h.id, &s);
	if (!error)
		*number = item_of_scalar(&s);
	return object_result(&value->h, error);
}

enum sabir_error sabir_value_set(sabir_value *value, const struct sabir_item *number)
{
	struct lane *lane;
	struct scalar s;

	if (!value || !number)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(value->h.conn, &lane);
	if (!error)
		error = scalar_of_item(number, &s);
	if (error)
		return error;
	if (!lane)
		return call_remote(&value->h, &(struct remote_op){ METHOD_VALUE_SET, { number }, 0 }, NULL, NULL);
	return object_result(&value->h, value_set(lane, value->h.id, &s));
}

enum sabir_error sabir_value_add(sabir_value *value, const struct sabir_item *delta, struct sabir_item *sum)
{
	struct lane *lane;
	struct scalar s, after;

	if (!value || !delta)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(value->h.conn, &lane);
	if (!error)
		error = scalar_of_item(delta, &s);
	if (error)
		return error;
	if (!lane)
		return call_remote(&value->h, &(struct remote_op){ METHOD_VALUE_ADD, { delta }, 1 }, sum, NULL);
	error = value_add(lane, value->h.id, &s, &after);
	if (!error && sum)
		*sum = item_of_scalar(&after);
	return object_result(&value->h, error);
}

enum sabir_error sabir_value_exchange(sabir_value *value, const struct sabir_item *desired, struct sabir_item *previous)
{
	struct lane *lane;
	struct scalar s, before;

	if (!value || !desired)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(value->h.conn, &lane);
	if (!error)
		error = scalar_of_item(desired, &s);
	if (error)
		return error;
	if (!lane)
		return call_remote(&value->h, &(struct remote_op){ METHOD_VALUE_EXCHANGE, { desired }, 1 }, previous,
				   NULL);
	error = value_exchange(lane, value->h.id, &s, &before);
	if (!error && previous)
		*previous = item_of_scalar(&before);
	return object_result(&value->h, error);
}

enum sabir_error sabir_value_compare_exchange(sabir_value *value, const struct sabir_item *expected,
					      const struct sabir_item *desired, bool *exchanged,
					      struct sabir_item *found)
{
	struct lane *lane;
	struct scalar e, d, before;

	if (!value || !expected || !desired || !exchanged)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(value->h.conn, &lane);
	if (!error)
		error = scalar_of_item(expected, &e);
	if (!error)
		error = scalar_of_item(desired, &d);
	if (error)
		return error;
	if (!lane) {
		struct remote_op op = { METHOD_VALUE_COMPARE_EXCHANGE, { expected, desired }, 2 };
		return call_remote(&value->h, &op, found, exchanged);
	}
	error = value_compare_exchange(lane, value->h.id, &e, &d, exchanged, &before);
	if (!error && found)
		*found = item_of_scalar(&before);
	return object_result(&value->h, error);
}

/* ---------------------------------------------------------------- in C's types */

enum sabir_error sabir_value_get_int(sabir_value *value, int64_t *number)
{
	struct sabir_item item;
	enum sabir_error error = number ? sabir_value_get(value, &item) : FAIL_NULL();
	return error ? error : number_int(&item, number);
}

enum sabir_error sabir_value_get_uint(sabir_value *value, uint64_t *number)
{
	struct sabir_item item;
	enum sabir_error error = number ? sabir_value_get(value, &item) : FAIL_NULL();
	return error ? error : number_uint(&item, number);
}

enum sabir_error sabir_value_get_double(sabir_value *value, double *number)
{
	struct sabir_item item;
	enum sabir_error error = number ? sabir_value_get(value, &item) : FAIL_NULL();
	return error ? error : number_double(&item, number);
}

enum sabir_error sabir_value_set_int(sabir_value *value, int64_t number)
{
	struct sabir_item item = sabir_int(number);
	return sabir_value_set(value, &item);
}

enum sabir_error sabir_value_set_uint(sabir_value *value, uint64_t number)
{
	struct sabir_item item = sabir_uint(number);
	return sabir_value_set(value, &item);
}

enum sabir_error sabir_value_set_double(sabir_value *value, double number)
{
	struct sabir_item item = sabir_double(number);
	return sabir_value_set(value, &item);
}

enum sabir_error sabir_value_add_int(sabir_value *value, int64_t delta, int64_t *sum)
{
	struct sabir_item item = sabir_int(delta);
	enum sabir_error error = sabir_value_add(value, &item, sum ? &item : NULL);
	return error || !sum ? error : number_int(&item, sum);
}

enum sabir_error sabir_value_add_double(sabir_value *value, double delta, double *sum)
{
	struct sabir_item item = sabir_double(delta);
	enum sabir_error error = sabir_value_add(value, &item, sum ? &item : NULL);
	return error || !sum ? error : number_double(&item, sum);
}
