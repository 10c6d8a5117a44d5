/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The barrier's functions: the operations' requests on either transport.
 */
#include "bindings/c/request.h"

enum sabir_error sabir_barrier_create(sabir_conn *conn, const char *name, uint64_t parties, unsigned flags,
				      sabir_barrier **barrier)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_BARRIER, .length = parties };
	return handle_create(conn, name, &spec, flags, barrier);
}

enum sabir_error sabir_barrier_open(sabir_conn *conn, const char *name, sabir_barrier **barrier)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_BARRIER, barrier) : FAIL_NULL();
}

enum sabir_error sabir_barrier_open_handle(sabir_conn *conn, uint64_t handle, sabir_barrier **barrier)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_BARRIER, barrier);
}

void sabir_barrier_free(sabir_barrier *barrier)
{
	handle_free((struct handle *)barrier);
}

uint64_t sabir_barrier_handle(const sabir_barrier *barrier)
{
	return barrier->h.id;
}

enum sabir_error sabir_barrier_wait(sabir_barrier *barrier, uint64_t timeout_ns, uint64_t *index)
{
	struct bytes out = { 0 };
	struct request r;

	if (!barrier)
		return FAIL_NULL();
	request_init(&r, 32);
	request_object(&r, barrier->h.id);
	request_timeout(&r, 2, timeout_ns);
	enum sabir_error error = conn_call(barrier->h.conn, METHOD_BARRIER_WAIT, &r, timeout_ns, &out);
	if (!error && index)
		*index = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_barrier_abort(sabir_barrier *barrier)
{
	return barrier ? call_object(&barrier->h, METHOD_BARRIER_ABORT, NULL) : FAIL_NULL();
}

enum sabir_error sabir_barrier_reset(sabir_barrier *barrier)
{
	return barrier ? call_object(&barrier->h, METHOD_BARRIER_RESET, NULL) : FAIL_NULL();
}

enum sabir_error sabir_barrier_status(sabir_barrier *barrier, struct sabir_barrier_state *state)
{
	struct bytes out = { 0 };
	struct request r;

	if (!barrier || !state)
		return FAIL_NULL();
	request_init(&r, 16);
	request_object(&r, barrier->h.id);
	enum sabir_error error = conn_call(barrier->h.conn, METHOD_BARRIER_STATUS, &r, 0, &out);
	if (!error) {
		struct span m = bytes_item(&out, 0);
		*state = (struct sabir_barrier_state){ .parties = response_varint(m, 1),
						       .n_waiting = response_varint(m, 2),
						       .broken = response_varint(m, 3) != 0,
						       .cycles = response_varint(m, 4) };
	}
	bytes_fini(&out);
	return error;
}
