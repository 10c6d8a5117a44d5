/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a value to change: locally on the value's own event, remotely by a watch.
 */
#include "bindings/c/local.h"
#include "bindings/c/number.h"
#include "server/base/clock.h"
#include "server/objects/object.h"
#include "server/objects/value.h"

struct wait {
	uint64_t handle;
	uint32_t type_code;
	uint64_t expected; /* bits */
	struct scalar found;
};

/* OK: the value holds something else. */
static enum sabir_error compare(struct wait *w)
{
	uint64_t bits;
	enum sabir_error error = scalar_encode(w->type_code, &w->found, &bits);
	return error ? error : bits == w->expected ? SABIR_WOULD_BLOCK : SABIR_OK;
}

static enum sabir_error attempt(struct lane *lane, void *context)
{
	struct wait *w = context;
	enum sabir_error error = value_get(lane, w->handle, &w->found);
	return error ? error : compare(w);
}

static enum sabir_error wait_local(struct lane *lane, struct wait *w, uint64_t timeout_ns)
{
	enum sabir_error error = attempt(lane, w);
	if (error != SABIR_WOULD_BLOCK || !timeout_ns)
		return error;
	return local_wait(lane, w->handle, SEG_EVENT_ITEMS, clock_deadline(timeout_ns), attempt, w);
}

static enum sabir_error wait_remote(struct sabir_value *value, struct wait *w, uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_deadline(timeout_ns);
	struct sabir_change change;
	sabir_watch *watch;
	enum sabir_error error = sabir_watch_open(value->h.conn, w->handle, NULL, &watch);
	if (error)
		return error;
	do {
		error = sabir_watch_next(watch, clock_left(deadline_ns), &change);
		if (!error && change.kind != SABIR_CHANGE_SNAPSHOT)
			error = sabir_value_get(value, &change.number);
		if (!error)
			error = scalar_of_item(&change.number, &w->found);
	} while (!error && compare(w) == SABIR_WOULD_BLOCK);
	sabir_watch_close(watch);
	return error;
}

enum sabir_error sabir_value_wait(sabir_value *value, const struct sabir_item *expected, uint64_t timeout_ns,
				  struct sabir_item *found)
{
	struct lane *lane;
	struct scalar s;
	if (!value || !expected)
		return FAIL_NULL();
	struct wait w = { .handle = value->h.id, .type_code = value->h.type_code };
	enum sabir_error error = conn_enter(value->h.conn, &lane);
	if (!error)
		error = scalar_of_item(expected, &s);
	if (error)
		return error;
	error = scalar_encode(w.type_code, &s, &w.expected);
	if (!error)
		error = lane ? wait_local(lane, &w, timeout_ns) : wait_remote(value, &w, timeout_ns);
	if (!error && found)
		*found = item_of_scalar(&w.found);
	return object_result(&value->h, error);
}
