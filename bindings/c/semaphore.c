/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The semaphore's functions. Locally acquire and release call the object's own.
 */
#include "server/objects/semaphore.h"

#include "bindings/c/local.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

enum sabir_error sabir_semaphore_create(sabir_conn *conn, const char *name, uint64_t value, unsigned flags,
					sabir_semaphore **semaphore)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_SEMAPHORE, .length = value };
	if (flags & SABIR_SEMAPHORE_BOUNDED)
		spec.flags |= SEG_SEMAPHORE_BOUNDED | SEG_SEMAPHORE_OWNED;
	if (flags & SABIR_SEMAPHORE_OWNED)
		spec.flags |= SEG_SEMAPHORE_OWNED;
	flags &= ~(SABIR_SEMAPHORE_BOUNDED | SABIR_SEMAPHORE_OWNED);
	return handle_create(conn, name, &spec, flags, semaphore);
}

enum sabir_error sabir_semaphore_open(sabir_conn *conn, const char *name, sabir_semaphore **semaphore)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_SEMAPHORE, semaphore) : FAIL_NULL();
}

enum sabir_error sabir_semaphore_open_handle(sabir_conn *conn, uint64_t handle, sabir_semaphore **semaphore)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_SEMAPHORE, semaphore);
}

void sabir_semaphore_free(sabir_semaphore *semaphore)
{
	handle_free((struct handle *)semaphore);
}

uint64_t sabir_semaphore_handle(const sabir_semaphore *semaphore)
{
	return semaphore->h.id;
}

/* ---------------------------------------------------------------- acquire, release */

struct take {
	struct local_turn turn; /* first */
	uint64_t id;
};

static enum sabir_error attempt_take(struct lane *lane, void *context)
{
	struct take *t = context;
	return semaphore_take_in_turn(lane, t->id, &t->turn.place, !t->turn.joins || t->turn.last);
}

static enum sabir_error take_local(const struct handle *h, struct lane *lane, uint64_t timeout_ns)
{
	struct take t = { .turn = { .conn = h->conn, .give_up = semaphore_give_up }, .id = h->id };
	enum sabir_error error = semaphore_take(lane, h->id);
	if (error != SABIR_WOULD_BLOCK || !timeout_ns)
		return error;
	return local_wait_turn(lane, h->id, SEG_EVENT_ITEMS, clock_deadline(timeout_ns), attempt_take, &t.turn);
}

enum sabir_error sabir_semaphore_acquire(sabir_semaphore *semaphore, uint64_t timeout_ns)
{
	struct bytes out = { 0 };
	struct request r;
	struct lane *lane;

	if (!semaphore)
		return FAIL_NULL();
	struct handle *h = &semaphore->h;
	enum sabir_error error = conn_enter(h->conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(h, take_local(h, lane, timeout_ns));
	request_init(&r, 32);
	request_object(&r, h->id);
	request_timeout(&r, 2, timeout_ns);
	error = conn_call(h->conn, METHOD_SEMAPHORE_ACQUIRE, &r, timeout_ns, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_semaphore_release(sabir_semaphore *semaphore, uint64_t n)
{
	struct bytes out = { 0 };
	struct request r;
	struct lane *lane;

	if (!semaphore)
		return FAIL_NULL();
	if (!n)
		return fail(SABIR_INVALID_ARGUMENT, "0 can't be released");
	enum sabir_error error = conn_enter(semaphore->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&semaphore->h, semaphore_give(lane, semaphore->h.id, n));
	request_init(&r, 32);
	request_object(&r, semaphore->h.id);
	request_varint(&r, 2, n);
	error = conn_call(semaphore->h.conn, METHOD_SEMAPHORE_RELEASE, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_semaphore_status(sabir_semaphore *semaphore, uint64_t *value, uint64_t *mine)
{
	struct bytes out = { 0 };
	struct request r;

	if (!semaphore)
		return FAIL_NULL();
	request_init(&r, 16);
	request_object(&r, semaphore->h.id);
	enum sabir_error error = conn_call(semaphore->h.conn, METHOD_SEMAPHORE_STATUS, &r, 0, &out);
	if (!error && value)
		*value = response_varint(bytes_item(&out, 0), 1);
	if (!error && mine)
		*mine = response_varint(bytes_item(&out, 0), 2);
	bytes_fini(&out);
	return error;
}
