/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The condition and the barrier. Part of <sabir.h>, which says what holds for all functions.
 */
#ifndef SABIR_CONDITION_H
#define SABIR_CONDITION_H

#include <sabir.h>
#include <sabir_sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ condition */

/*
 * Python's multiprocessing.Condition: a lock, and a wait to be notified of what it protects. The lock is one that there is, which
 * others may use too, or an rlock of the condition's own.
 *
 * Who waits is notified in the order in which the waits began; a notify is for those who wait at that moment, never for who
 * comes later. Who dies, leaves or is cancelled before his wait has ended does not use up the notification that he got: it
 * goes on to the next of those who waited then.
 */
typedef struct sabir_condition sabir_condition;

/* `lock`: its lock, or NULL: an rlock of its own. Errors: as sabir_create; WRONG_KIND, DELETED (the lock). */
enum sabir_error sabir_condition_create(sabir_conn *conn, const char *name, const sabir_lock *lock, unsigned flags,
					sabir_condition **condition);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_condition_open(sabir_conn *conn, const char *name, sabir_condition **condition);
/* Errors: NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_condition_open_handle(sabir_conn *conn, uint64_t handle, sabir_condition **condition);
/* Frees the handle, not the condition, and releases nothing; NULL is fine. */
void sabir_condition_free(sabir_condition *condition);
uint64_t sabir_condition_handle(const sabir_condition *condition);

/* A handle of its lock. Errors: RESOURCE_EXHAUSTED, TOO_MANY_OWNERS (its own one can't be made). */
enum sabir_error sabir_condition_get_lock(sabir_condition *condition, sabir_lock **lock);
/* Acquire and release the lock. Errors: besides, as sabir_lock_acquire and sabir_lock_release. */
enum sabir_error sabir_condition_acquire(sabir_condition *condition, uint64_t timeout_ns, struct sabir_hold *hold);
enum sabir_error sabir_condition_release(sabir_condition *condition);

/*
 * Releases the lock, at whatever depth, waits to be notified, and acquires the lock again at the same depth. Also when
 * timeout_ns passes first, which answers WOULD_BLOCK: for the lock it waits as long as that takes. `hold`, or NULL, is the new
 * acquisition. Errors: WOULD_BLOCK; NOT_HELD (the lock, by this program, or of an rlock this thread); RESOURCE_EXHAUSTED,
 * and it still has the lock; DELETED (the condition, or its lock), CANCELLED and, remote, UNAVAILABLE: then it has not.
 */
enum sabir_error sabir_condition_wait(sabir_condition *condition, uint64_t timeout_ns, struct sabir_hold *hold);
/*
 * Waits until the predicate is true; it is called with the lock held, first before any wait, and once more when timeout_ns
 * has passed. Errors: WOULD_BLOCK (it is still false), else as sabir_condition_wait.
 */
typedef bool sabir_predicate(void *context);
enum sabir_error sabir_condition_wait_for(sabir_condition *condition, sabir_predicate *predicate, void *context,
					  uint64_t timeout_ns);
/* Notifies up to n > 0 of those who wait; `n_notified` or NULL: how many. Errors: NOT_HELD, INVALID_ARGUMENT. */
enum sabir_error sabir_condition_notify(sabir_condition *condition, uint64_t n, uint64_t *n_notified);
enum sabir_error sabir_condition_notify_all(sabir_condition *condition, uint64_t *n_notified);
/* How many wait and were not notified yet. */
enum sabir_error sabir_condition_status(sabir_condition *condition, uint64_t *n_waiting);

/* ------------------------------------------------------------------ barrier */

/*
 * Python's threading.Barrier: as often as `parties` have come they all go on. It breaks, until it is reset, by an abort, when
 * somebody's time passes, and when somebody who waits dies, leaves or is cancelled: Python's would let the others wait for
 * ever. Who wakes late has the result of his own cycle.
 *
 * Python's `action` is for the program: who gets index 0 does it, and all wait once more.
 */
typedef struct sabir_barrier sabir_barrier;

struct sabir_barrier_state {
	uint64_t parties;
	uint64_t n_waiting;
	bool broken;
	uint64_t cycles; /* how often all came together */
};

/* `parties`: 1 to 2^32-1. Errors: as sabir_create, OUT_OF_RANGE. */
enum sabir_error sabir_barrier_create(sabir_conn *conn, const char *name, uint64_t parties, unsigned flags,
				      sabir_barrier **barrier);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_barrier_open(sabir_conn *conn, const char *name, sabir_barrier **barrier);
/* Errors: NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_barrier_open_handle(sabir_conn *conn, uint64_t handle, sabir_barrier **barrier);
/* Frees the handle, not the barrier; NULL is fine. */
void sabir_barrier_free(sabir_barrier *barrier);
uint64_t sabir_barrier_handle(const sabir_barrier *barrier);

/*
 * Waits until all have come. `index`, or NULL, is the order in which they came, 0 to parties-1, each once. When timeout_ns
 * passes the barrier breaks: BROKEN_BARRIER, as for all others. Errors: BROKEN_BARRIER, RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_barrier_wait(sabir_barrier *barrier, uint64_t timeout_ns, uint64_t *index);
/* Breaks it. */
enum sabir_error sabir_barrier_abort(sabir_barrier *barrier);
/* Makes it whole again; who waits at it gets BROKEN_BARRIER. */
enum sabir_error sabir_barrier_reset(sabir_barrier *barrier);
enum sabir_error sabir_barrier_status(sabir_barrier *barrier, struct sabir_barrier_state *state);

#ifdef __cplusplus
}
#endif

#endif
