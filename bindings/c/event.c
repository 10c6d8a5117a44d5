/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event's functions: locally the object's own, but for the wait, which is the operation's request on either transport.
 */
#include "bindings/c/request.h"
#include "server/objects/signal.h"

enum sabir_error sabir_event_create(sabir_conn *conn, const char *name, unsigned flags, sabir_event **event)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_EVENT };
	return handle_create(conn, name, &spec, flags, event);
}

enum sabir_error sabir_event_open(sabir_conn *conn, const char *name, sabir_event **event)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_EVENT, event) : FAIL_NULL();
}

enum sabir_error sabir_event_open_handle(sabir_conn *conn, uint64_t handle, sabir_event **event)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_EVENT, event);
}

void sabir_event_free(sabir_event *event)
{
	handle_free((struct handle *)event);
}

uint64_t sabir_event_handle(const sabir_event *event)
{
	return event->h.id;
}

enum sabir_error sabir_event_set(sabir_event *event)
{
	struct lane *lane;
	if (!event)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(event->h.conn, &lane);
	if (error)
		return error;
	return lane ? object_result(&event->h, signal_set(lane, event->h.id))
		    : call_object(&event->h, METHOD_EVENT_SET, NULL);
}

enum sabir_error sabir_event_clear(sabir_event *event)
{
	struct lane *lane;
	if (!event)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(event->h.conn, &lane);
	if (error)
		return error;
	return lane ? object_result(&event->h, signal_clear(lane, event->h.id))
		    : call_object(&event->h, METHOD_EVENT_CLEAR, NULL);
}

enum sabir_error sabir_event_is_set(sabir_event *event, bool *set)
{
	struct lane *lane;
	uint64_t found;
	if (!event || !set)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(event->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&event->h, signal_is_set(lane, event->h.id, set));
	error = call_object(&event->h, METHOD_EVENT_IS_SET, &found);
	if (!error)
		*set = found;
	return error;
}

enum sabir_error sabir_event_wait(sabir_event *event, uint64_t timeout_ns)
{
	struct bytes out = { 0 };
	struct request r;
	if (!event)
		return FAIL_NULL();
	request_init(&r, 32);
	request_object(&r, event->h.id);
	request_timeout(&r, 2, timeout_ns);
	enum sabir_error error = conn_call(event->h.conn, METHOD_EVENT_WAIT, &r, timeout_ns, &out);
	bytes_fini(&out);
	return error;
}
