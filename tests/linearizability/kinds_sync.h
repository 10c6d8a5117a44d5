/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_KINDS_SYNC_H
#define TESTS_LINEARIZABILITY_KINDS_SYNC_H

/* Locks, semaphores and events: of the first two a holder may die. */
#include "tests/linearizability/kinds.h"

static enum sabir_error lock_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	if (!strcmp(kind->name, "rlock"))
		return sabir_rlock_create(conn, name, 0, &object->lock);
	return sabir_lock_create(conn, name, kind->parameter ? SABIR_LOCK_STRICT : 0, &object->lock);
}

static enum sabir_error lock_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_lock_open(conn, name, &object->lock);
}

static void lock_free(union object object)
{
	sabir_lock_free(object.lock);
}

static void lock_step(struct client *c, const struct kind *kind, union object object)
{
	struct sabir_lock_state state = { 0 };
	struct sabir_hold hold = { 0 };
	unsigned what = random_below(c, 100);
	(void)kind;
	if (what < 50) {
		struct record *r = begin(c, "acquire", 0, 0, 0, 0);
		enum sabir_error error = sabir_lock_acquire(object.lock, random_timeout(c), &hold);
		r->result[0] = (int64_t)hold.token;
		r->result[1] = (int64_t)hold.depth;
		r->result[2] = hold.abandoned;
		end(c, r, error, 3);
	} else if (what < 85) {
		struct record *r = begin(c, "release", 0, 0, 0, 0);
		end(c, r, sabir_lock_release(object.lock), 0);
	} else {
		struct record *r = begin(c, "status", 0, 0, 0, 0);
		enum sabir_error error = sabir_lock_status(object.lock, &state);
		int64_t found[5] = { state.locked, state.mine, state.abandoned, (int64_t)state.depth,
				     (int64_t)state.token };
		memcpy(r->result, found, sizeof(found));
		end(c, r, error, 5);
	}
}

static void lock_finish(struct client *c, const struct kind *kind, union object object)
{
	for (int i = 0; i < 3; i++)
		lock_step(c, kind, object);
}

/* ---------------------------------------------------------------- semaphore */

static enum sabir_error semaphore_create(sabir_conn *conn, const char *name, const struct kind *kind,
					 union object *object)
{
	unsigned flags = !strcmp(kind->name, "owned_semaphore")     ? SABIR_SEMAPHORE_OWNED
			 : !strcmp(kind->name, "bounded_semaphore") ? SABIR_SEMAPHORE_BOUNDED
								    : 0;
	return sabir_semaphore_create(conn, name, (uint64_t)kind->parameter, flags, &object->semaphore);
}

static enum sabir_error semaphore_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_semaphore_open(conn, name, &object->semaphore);
}

static void semaphore_free(union object object)
{
	sabir_semaphore_free(object.semaphore);
}

static void semaphore_finish(struct client *c, const struct kind *kind, union object object)
{
	uint64_t value = 0;
	(void)kind;
	struct record *r = begin(c, "status", 0, 0, 0, 0);
	enum sabir_error error = sabir_semaphore_status(object.semaphore, &value, NULL);
	r->result[0] = (int64_t)value;
	end(c, r, error, 1);
}

/* Of one that is owned a client gives back only what it took: whose units another release takes is not promised. */
static void semaphore_step(struct client *c, const struct kind *kind, union object object)
{
	unsigned what = random_below(c, 100);
	if (what < 50) {
		struct record *r = begin(c, "acquire", 0, 0, 0, 0);
		enum sabir_error error = sabir_semaphore_acquire(object.semaphore, random_timeout(c));
		end(c, r, error, 0);
		c->holds += !error;
	} else if (what < 85 && (c->holds || !(kind->flags & OWNERSHIP))) {
		struct record *r = begin(c, "release", 1, 1, 0, 0);
		enum sabir_error error = sabir_semaphore_release(object.semaphore, 1);
		end(c, r, error, 0);
		c->holds -= c->holds && !error;
	} else {
		semaphore_finish(c, kind, object);
	}
}

/* ---------------------------------------------------------------- event */

static enum sabir_error event_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	(void)kind;
	return sabir_event_create(conn, name, 0, &object->event);
}

static enum sabir_error event_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_event_open(conn, name, &object->event);
}

static void event_free(union object object)
{
	sabir_event_free(object.event);
}

static void event_step(struct client *c, const struct kind *kind, union object object)
{
	bool set = false;
	(void)kind;
	unsigned what = random_below(c, 4);
	if (what == 0) {
		struct record *r = begin(c, "set", 0, 0, 0, 0);
		end(c, r, sabir_event_set(object.event), 0);
	} else if (what == 1) {
		struct record *r = begin(c, "clear", 0, 0, 0, 0);
		end(c, r, sabir_event_clear(object.event), 0);
	} else if (what == 2) {
		struct record *r = begin(c, "is_set", 0, 0, 0, 0);
		enum sabir_error error = sabir_event_is_set(object.event, &set);
		r->result[0] = set;
		end(c, r, error, 1);
	} else {
		struct record *r = begin(c, "wait", 0, 0, 0, 0);
		end(c, r, sabir_event_wait(object.event, random_timeout(c)), 0);
	}
}

#endif
