/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of locks and rlocks. Locally they call the object's own functions.
 */
#include "bindings/c/local.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"
#include "server/objects/mutex.h"

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_lock_create(sabir_conn *conn, const char *name, unsigned flags, sabir_lock **lock)
{
	struct sabir_spec spec = { .size = sizeof(spec),
				   .kind = SABIR_KIND_LOCK,
				   .flags = flags & SABIR_LOCK_STRICT ? SEG_LOCK_STRICT : 0 };
	return handle_create(conn, name, &spec, flags & ~SABIR_LOCK_STRICT, lock);
}

enum sabir_error sabir_rlock_create(sabir_conn *conn, const char *name, unsigned flags, sabir_lock **lock)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_RLOCK };
	return handle_create(conn, name, &spec, flags, lock);
}

/* Either kind will do. */
static enum sabir_error open_either(sabir_conn *conn, const char *name, uint64_t id, sabir_lock **lock)
{
	sabir_lock *made;
	enum sabir_error error = handle_open(conn, name, id, SABIR_KIND_ANY, &made);
	if (error)
		return error;
	if (made->h.kind != SABIR_KIND_LOCK && made->h.kind != SABIR_KIND_RLOCK) {
		error = fail(SABIR_WRONG_KIND, "%s: neither a lock nor an rlock", made->h.name);
		sabir_lock_free(made);
		return error;
	}
	*lock = made;
	return SABIR_OK;
}

enum sabir_error sabir_lock_open(sabir_conn *conn, const char *name, sabir_lock **lock)
{
	return name && lock ? open_either(conn, name, 0, lock) : FAIL_NULL();
}

enum sabir_error sabir_lock_open_handle(sabir_conn *conn, uint64_t handle, sabir_lock **lock)
{
	return lock ? open_either(conn, NULL, handle, lock) : FAIL_NULL();
}

void sabir_lock_free(sabir_lock *lock)
{
	handle_free((struct handle *)lock);
}

uint64_t sabir_lock_handle(const sabir_lock *lock)
{
	return lock->h.id;
}

/* ---------------------------------------------------------------- acquire */

struct acquire {
	struct local_turn turn; /* first */
	uint64_t id;
	struct mutex_hold hold;
};

static enum sabir_error attempt_acquire(struct lane *lane, void *context)
{
	struct acquire *a = context;
	struct mutex_wait wait = { .place = a->turn.place, .last = !a->turn.joins || a->turn.last };
	enum sabir_error error = mutex_take_in_turn(lane, a->id, &wait, &a->hold);
	a->turn.place = wait.place;
	return error;
}

static enum sabir_error acquire_local(const struct handle *h, struct lane *lane, uint64_t timeout_ns,
				      struct sabir_hold *hold)
{
	struct acquire a = { .turn = { .conn = h->conn, .give_up = mutex_give_up }, .id = h->id };
	enum sabir_error error = mutex_take(lane, h->id, &a.hold);
	if (error == SABIR_WOULD_BLOCK && timeout_ns)
		error = local_wait_turn(lane, h->id, SEG_EVENT_ITEMS, clock_deadline(timeout_ns), attempt_acquire,
					&a.turn);
	if (error)
		return fail_object(h, error);
	if (hold)
		*hold = (struct sabir_hold){ a.hold.token, a.hold.depth, a.hold.abandoned };
	return SABIR_OK;
}

enum sabir_error sabir_lock_acquire(sabir_lock *lock, uint64_t timeout_ns, struct sabir_hold *hold)
{
	struct bytes out = { 0 };
	struct request r;
	struct lane *lane;

	if (!lock)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(lock->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return acquire_local(&lock->h, lane, timeout_ns, hold);
	request_init(&r, 32);
	request_object(&r, lock->h.id);
	request_timeout(&r, 2, timeout_ns);
	error = conn_call(lock->h.conn, METHOD_LOCK_ACQUIRE, &r, timeout_ns, &out);
	if (!error && hold) {
		struct span m = bytes_item(&out, 0);
		*hold = (struct sabir_hold){ response_varint(m, 1), response_varint(m, 2), response_varint(m, 3) != 0 };
	}
	bytes_fini(&out);
	return error;
}

/* ---------------------------------------------------------------- release, status */

enum sabir_error sabir_lock_release(sabir_lock *lock)
{
	struct lane *lane;
	if (!lock)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(lock->h.conn, &lane);
	if (error)
		return error;
	return lane ? object_result(&lock->h, mutex_release(lane, lock->h.id))
		    : call_object(&lock->h, METHOD_LOCK_RELEASE, NULL);
}

enum sabir_error sabir_lock_status(sabir_lock *lock, struct sabir_lock_state *state)
{
	struct bytes out = { 0 };
	struct request r;
	if (!lock || !state)
		return FAIL_NULL();
	request_init(&r, 16);
	request_object(&r, lock->h.id);
	enum sabir_error error = conn_call(lock->h.conn, METHOD_LOCK_STATUS, &r, 0, &out);
	if (!error) {
		struct span m = bytes_item(&out, 0);
		*state = (struct sabir_lock_state){ .locked = response_varint(m, 1) != 0,
						    .mine = response_varint(m, 2) != 0,
						    .depth = response_varint(m, 3),
						    .token = response_varint(m, 4),
						    .abandoned = response_varint(m, 5) != 0 };
	}
	bytes_fini(&out);
	return error;
}
