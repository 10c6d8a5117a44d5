/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that programs wait for one another with. Part of <sabir.h>, which says what holds for all functions.
 *
 * What a wait was for and did not come in its time answers SABIR_WOULD_BLOCK, also when the time is 0.
 */
#ifndef SABIR_SYNC_H
#define SABIR_SYNC_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ lock, rlock */

/*
 * Python's multiprocessing.Lock and RLock. A lock is held by this program (its connection), and anybody may release it
 * unless it was created with SABIR_LOCK_STRICT; who has it and acquires it again waits for himself. An rlock is held by
 * this thread, may be acquired again by it, and is released only by it.
 *
 * When a holder dies or leaves, its lock is free again and `abandoned`: the next who acquires it is told so, and whoever
 * was to release it in place of the one that is gone still can, once.
 *
 * All who wait stand in one line, remote programs too. While the first of it came less than a millisecond ago, who is awake at the
 * moment of a release may be quicker; from then on the lock is handed over to the first in the line. So once he has waited for
 * a millisecond, one who waits sees at most as many acquisitions by others as there were waiting before him.
 */
typedef struct sabir_lock sabir_lock;

/* For sabir_lock_create, beside SABIR_EXIST_OK: only its holder may release it. */
#define SABIR_LOCK_STRICT 0x100u

struct sabir_hold {
	uint64_t token; /* the fencing token: higher than that of any earlier acquisition; a re-entry keeps it */
	uint64_t depth; /* how often this thread has it now: 1, and more only of an rlock */
	bool abandoned; /* the last holder died or left with it: what it protects may be half-done */
};

struct sabir_lock_state {
	bool locked;
	bool mine;      /* this program has it; of an rlock: this thread */
	bool abandoned; /* the next holder will be told so */
	uint64_t depth; /* how often its holder has it */
	uint64_t token; /* of the last acquisition, 0 = none yet */
};

/* Errors: as sabir_create; with SABIR_EXIST_OK, ALREADY_EXISTS where one is strict and the other is not. */
enum sabir_error sabir_lock_create(sabir_conn *conn, const char *name, unsigned flags, sabir_lock **lock);
enum sabir_error sabir_rlock_create(sabir_conn *conn, const char *name, unsigned flags, sabir_lock **lock);
/* A lock or an rlock. Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_lock_open(sabir_conn *conn, const char *name, sabir_lock **lock);
/* Errors: NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_lock_open_handle(sabir_conn *conn, uint64_t handle, sabir_lock **lock);
/* Frees the handle, not the lock, and releases nothing; NULL is fine. */
void sabir_lock_free(sabir_lock *lock);
uint64_t sabir_lock_handle(const sabir_lock *lock);

/* `hold` may be NULL. Errors: WOULD_BLOCK, OUT_OF_RANGE (an rlock, 2^64 times). */
enum sabir_error sabir_lock_acquire(sabir_lock *lock, uint64_t timeout_ns, struct sabir_hold *hold);
/* Errors: NOT_HELD (nobody has it; or it is strict or an rlock, and not the caller's). */
enum sabir_error sabir_lock_release(sabir_lock *lock);
enum sabir_error sabir_lock_status(sabir_lock *lock, struct sabir_lock_state *state);

/*
 * The lock of a value or an array, Python's get_lock(): an rlock that is made when it is first asked for, the same for
 * all who ask, and deleted with its object; if it is deleted alone, the next who asks makes another. It protects nothing by
 * itself: it is for those who want several operations to be one step. Errors: RESOURCE_EXHAUSTED, TOO_MANY_OWNERS (the table of objects is full).
 */
enum sabir_error sabir_value_get_lock(sabir_value *value, sabir_lock **lock);
enum sabir_error sabir_array_get_lock(sabir_array *array, sabir_lock **lock);
/* Acquire it. Errors: besides, as sabir_lock_acquire. */
enum sabir_error sabir_value_lock(sabir_value *value, uint64_t timeout_ns);
enum sabir_error sabir_array_lock(sabir_array *array, uint64_t timeout_ns);
/* Release it. Errors: besides, NOT_HELD (not by this thread). */
enum sabir_error sabir_value_unlock(sabir_value *value);
enum sabir_error sabir_array_unlock(sabir_array *array);

/* ------------------------------------------------------------------ semaphore */

/*
 * Python's multiprocessing.Semaphore and, with SABIR_SEMAPHORE_BOUNDED, BoundedSemaphore. A plain one counts, and what a
 * program took that dies is gone. Of an owned one it is known who holds how many, and they come back when the holder
 * dies or leaves; a bounded one is owned, and never counts above its beginning. Anybody may release: first what he holds
 * himself, then what others hold. Who waits is overtaken no more than with a lock.
 */
typedef struct sabir_semaphore sabir_semaphore;

/* For sabir_semaphore_create, beside SABIR_EXIST_OK. */
#define SABIR_SEMAPHORE_BOUNDED 0x100u
#define SABIR_SEMAPHORE_OWNED 0x200u

/* `value`: the count at the beginning, 0 to 2^63-1. Errors: as sabir_create, OUT_OF_RANGE. */
enum sabir_error sabir_semaphore_create(sabir_conn *conn, const char *name, uint64_t value, unsigned flags,
					sabir_semaphore **semaphore);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_semaphore_open(sabir_conn *conn, const char *name, sabir_semaphore **semaphore);
/* Errors: NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_semaphore_open_handle(sabir_conn *conn, uint64_t handle, sabir_semaphore **semaphore);
/* Frees the handle, not the semaphore, and releases nothing; NULL is fine. */
void sabir_semaphore_free(sabir_semaphore *semaphore);
uint64_t sabir_semaphore_handle(const sabir_semaphore *semaphore);

/* Takes one. Errors: WOULD_BLOCK, RESOURCE_EXHAUSTED (owned). */
enum sabir_error sabir_semaphore_acquire(sabir_semaphore *semaphore, uint64_t timeout_ns);
/* Gives n > 0. Errors: INVALID_ARGUMENT, OUT_OF_RANGE (above the bound, or above 2^63-1): nothing was given. */
enum sabir_error sabir_semaphore_release(sabir_semaphore *semaphore, uint64_t n);
/* The count, and how many of an owned one this program holds; either may be NULL. */
enum sabir_error sabir_semaphore_status(sabir_semaphore *semaphore, uint64_t *value, uint64_t *mine);

/* ------------------------------------------------------------------ event */

/*
 * A flag that many can wait for, as Python's threading.Event. It begins cleared. A set ends every wait that began
 * before it, even if a clear follows at once.
 */
typedef struct sabir_event sabir_event;

/* Errors: as sabir_create. */
enum sabir_error sabir_event_create(sabir_conn *conn, const char *name, unsigned flags, sabir_event **event);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_event_open(sabir_conn *conn, const char *name, sabir_event **event);
/* Errors: NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_event_open_handle(sabir_conn *conn, uint64_t handle, sabir_event **event);
/* Frees the handle, not the event; NULL is fine. */
void sabir_event_free(sabir_event *event);
uint64_t sabir_event_handle(const sabir_event *event);

/* Sets the flag: all who wait go on, and nobody waits until it is cleared. */
enum sabir_error sabir_event_set(sabir_event *event);
enum sabir_error sabir_event_clear(sabir_event *event);
enum sabir_error sabir_event_is_set(sabir_event *event, bool *set);
/* Returns when the flag is set, at once if it is. Errors: WOULD_BLOCK. */
enum sabir_error sabir_event_wait(sabir_event *event, uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#include <sabir_condition.h>

#endif
