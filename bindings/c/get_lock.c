/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of a value or an array, Python's get_lock(), and of a condition. A handle remembers the lock from its first use on: it
 * is the same as long as the object lives, unless somebody deletes the lock alone. Then the next who asks makes another. The
 * handle of the one before may be in use by other threads, and is freed with the object's.
 */
#include "bindings/c/request.h"
#include "server/base/clock.h"
#include "server/objects/array.h"
#include "server/objects/condition.h"
#include "server/objects/value.h"

static enum sabir_error ask_remote(const struct handle *h, uint64_t *lock)
{
	enum method method = h->kind == SABIR_KIND_VALUE   ? METHOD_VALUE_GET_LOCK
			     : h->kind == SABIR_KIND_ARRAY ? METHOD_ARRAY_GET_LOCK
							   : METHOD_CONDITION_GET_LOCK;
	struct bytes out = { 0 };
	struct wire_field f;
	struct request r;

	request_init(&r, 16);
	request_object(&r, h->id);
	enum sabir_error error = conn_call(h->conn, method, &r, 0, &out);
	if (!error) {
		if (response_find(bytes_item(&out, 0), 1, &f) && f.type == WIRE_LEN)
			*lock = response_varint(f.bytes, 2);
		else
			error = fail(SABIR_INTERNAL, "the server's lock has no handle");
	}
	bytes_fini(&out);
	return error;
}

static enum sabir_error ask(const struct handle *h, uint64_t *lock)
{
	struct lane *lane;
	enum sabir_error error = conn_enter(h->conn, &lane);

	if (error)
		return error;
	if (!lane)
		return ask_remote(h, lock);
	error = h->kind == SABIR_KIND_VALUE   ? value_get_lock(lane, h->id, lock)
		: h->kind == SABIR_KIND_ARRAY ? array_get_lock(lane, h->id, lock)
					      : condition_lock(lane, h->id, lock);
	return object_result(h, error);
}

static enum sabir_error open_lock(const struct handle *h, sabir_lock **lock)
{
	uint64_t id;
	enum sabir_error error = ask(h, &id);
	return error ? error : sabir_lock_open_handle(h->conn, id, lock);
}

/* The lock that the handle keeps; freed with it. */
static enum sabir_error own_lock(struct handle *h, sabir_lock **lock)
{
	uint64_t known = load64_acquire(&h->part);
	sabir_lock *made;

	if (!known) {
		enum sabir_error error = open_lock(h, &made);
		if (error)
			return error;
		if (cas64(&h->part, &known, (uint64_t)(uintptr_t)made))
			known = (uint64_t)(uintptr_t)made;
		else
			sabir_lock_free(made);
	}
	*lock = (sabir_lock *)(uintptr_t)known;
	return SABIR_OK;
}

/* The lock that the handle keeps has been deleted. Errors: DELETED (the object too). */
static enum sabir_error renew(struct handle *h, sabir_lock *old)
{
	uint64_t known = (uint64_t)(uintptr_t)old;
	sabir_lock *made;
	enum sabir_error error = open_lock(h, &made);
	if (error)
		return error;
	made->h.part = known;
	if (cas64(&h->part, &known, (uint64_t)(uintptr_t)made))
		return SABIR_OK;
	made->h.part = 0;
	sabir_lock_free(made);
	return SABIR_OK;
}

static enum sabir_error acquire(struct handle *h, uint64_t timeout_ns, struct sabir_hold *hold)
{
	/* The clock is read only where it matters: 0 has passed, and for ever is that. */
	bool ends = timeout_ns && timeout_ns != SABIR_FOREVER;
	uint64_t deadline_ns = ends ? clock_deadline(timeout_ns) : timeout_ns;
	sabir_lock *lock;
	enum sabir_error error = own_lock(h, &lock);
	if (error)
		return error;
	error = sabir_lock_acquire(lock, timeout_ns, hold);
	if (error != SABIR_DELETED)
		return error;
	error = renew(h, lock);
	if (!error)
		error = own_lock(h, &lock);
	return error ? error : sabir_lock_acquire(lock, clock_left(deadline_ns), hold);
}

/* What was held is gone with the lock: that is told once, by the one who releases it. */
static enum sabir_error release(struct handle *h)
{
	sabir_lock *lock;
	enum sabir_error error = own_lock(h, &lock);
	if (error)
		return error;
	error = sabir_lock_release(lock);
	if (error == SABIR_DELETED)
		(void)renew(h, lock);
	return error;
}

enum sabir_error sabir_value_get_lock(sabir_value *value, sabir_lock **lock)
{
	return value && lock ? open_lock(&value->h, lock) : FAIL_NULL();
}

enum sabir_error sabir_value_lock(sabir_value *value, uint64_t timeout_ns)
{
	return value ? acquire(&value->h, timeout_ns, NULL) : FAIL_NULL();
}

enum sabir_error sabir_value_unlock(sabir_value *value)
{
	return value ? release(&value->h) : FAIL_NULL();
}

enum sabir_error sabir_array_get_lock(sabir_array *array, sabir_lock **lock)
{
	return array && lock ? open_lock(&array->h, lock) : FAIL_NULL();
}

enum sabir_error sabir_array_lock(sabir_array *array, uint64_t timeout_ns)
{
	return array ? acquire(&array->h, timeout_ns, NULL) : FAIL_NULL();
}

enum sabir_error sabir_array_unlock(sabir_array *array)
{
	return array ? release(&array->h) : FAIL_NULL();
}

enum sabir_error sabir_condition_get_lock(sabir_condition *condition, sabir_lock **lock)
{
	return condition && lock ? open_lock(&condition->h, lock) : FAIL_NULL();
}

enum sabir_error sabir_condition_acquire(sabir_condition *condition, uint64_t timeout_ns, struct sabir_hold *hold)
{
	return condition ? acquire(&condition->h, timeout_ns, hold) : FAIL_NULL();
}

enum sabir_error sabir_condition_release(sabir_condition *condition)
{
	return condition ? release(&condition->h) : FAIL_NULL();
}
