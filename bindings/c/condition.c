/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The condition's functions: the operations' requests on either transport. Its lock is in get_lock.c.
 */
#include "bindings/c/request.h"
#include "server/base/clock.h"

enum sabir_error sabir_condition_create(sabir_conn *conn, const char *name, const sabir_lock *lock, unsigned flags,
					sabir_condition **condition)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_CONDITION, .lock = lock ? lock->h.id : 0 };
	return handle_create(conn, name, &spec, flags, condition);
}

enum sabir_error sabir_condition_open(sabir_conn *conn, const char *name, sabir_condition **condition)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_CONDITION, condition) : FAIL_NULL();
}

enum sabir_error sabir_condition_open_handle(sabir_conn *conn, uint64_t handle, sabir_condition **condition)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_CONDITION, condition);
}

void sabir_condition_free(sabir_condition *condition)
{
	handle_free((struct handle *)condition);
}

uint64_t sabir_condition_handle(const sabir_condition *condition)
{
	return condition->h.id;
}

/* ---------------------------------------------------------------- wait */

enum sabir_error sabir_condition_wait(sabir_condition *condition, uint64_t timeout_ns, struct sabir_hold *hold)
{
	struct bytes out = { 0 };
	struct request r;
	bool notified = false;

	if (!condition)
		return FAIL_NULL();
	request_init(&r, 32);
	request_object(&r, condition->h.id);
	request_timeout(&r, 2, timeout_ns);
	/* However short the wait, the lock may take its time: no deadline for the call. */
	enum sabir_error error = conn_call(condition->h.conn, METHOD_CONDITION_WAIT, &r, SABIR_FOREVER, &out);
	if (!error) {
		struct span m = bytes_item(&out, 0);
		notified = response_varint(m, 1) != 0;
		if (hold)
			*hold = (struct sabir_hold){ response_varint(m, 2), response_varint(m, 4),
						     response_varint(m, 3) != 0 };
	}
	bytes_fini(&out);
	return error || notified ? error : fail(SABIR_WOULD_BLOCK, "%s", "");
}

enum sabir_error sabir_condition_wait_for(sabir_condition *condition, sabir_predicate *predicate, void *context,
					  uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_deadline(timeout_ns);
	enum sabir_error error = SABIR_OK;

	if (!condition || !predicate)
		return FAIL_NULL();
	while (!error && !predicate(context)) {
		uint64_t left_ns = clock_left(deadline_ns);
		if (!left_ns)
			return fail(SABIR_WOULD_BLOCK, "%s", "");
		error = sabir_condition_wait(condition, left_ns, NULL);
		if (error == SABIR_WOULD_BLOCK)
			error = SABIR_OK;
	}
	return error;
}

/* ---------------------------------------------------------------- notify, status */

static enum sabir_error notify(sabir_condition *condition, uint32_t field, uint64_t v, uint64_t *n_notified)
{
	struct bytes out = { 0 };
	struct request r;

	request_init(&r, 32);
	request_object(&r, condition->h.id);
	request_varint(&r, field, v);
	enum sabir_error error = conn_call(condition->h.conn, METHOD_CONDITION_NOTIFY, &r, 0, &out);
	if (!error && n_notified)
		*n_notified = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_condition_notify(sabir_condition *condition, uint64_t n, uint64_t *n_notified)
{
	if (!condition)
		return FAIL_NULL();
	return n ? notify(condition, 2, n, n_notified) : fail(SABIR_INVALID_ARGUMENT, "nobody can be notified");
}

enum sabir_error sabir_condition_notify_all(sabir_condition *condition, uint64_t *n_notified)
{
	return condition ? notify(condition, 3, 1, n_notified) : FAIL_NULL();
}

enum sabir_error sabir_condition_status(sabir_condition *condition, uint64_t *n_waiting)
{
	if (!condition || !n_waiting)
		return FAIL_NULL();
	return call_object(&condition->h, METHOD_CONDITION_STATUS, n_waiting);
}
