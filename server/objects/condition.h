/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_CONDITION_H
#define SABIR_OBJECTS_CONDITION_H

#include "server/objects/mutex.h"

/*
 * The kind `condition`: Python's Condition, over a lock or an rlock that there is already, or over an rlock of its own, a part of
 * it. Errors beside the common ones (NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS): BUSY; DELETED also where the lock is;
 * and SESSION_REQUIRED where the lane acts for nobody, or for one that is gone.
 */
struct condition_wait {
	uint64_t memory; /* 0 at first, kept from one call to the next */
	uint64_t lock;   /* handle of the lock that it began with, kept as well */
	bool timed_out;  /* in: it waits for no notification any more */
	bool notified;   /* out, with OK */
	struct mutex_hold hold;
	bool locking; /* out, with WOULD_BLOCK: it waits for the lock */
};

/* The handle of the condition's lock. Errors: RESOURCE_EXHAUSTED, TOO_MANY_OWNERS (its own one can't be made). */
enum sabir_error condition_lock(struct lane *lane, uint64_t handle, uint64_t *lock);
/*
 * Releases the lock, however often the caller has it, waits to be notified, and has the lock as before when it answers OK.
 * Errors: NOT_HELD (the lock); WOULD_BLOCK: to be called again when the *lock's* event says so, SEG_EVENT_DONE, or with `locking`
 * SEG_EVENT_ITEMS; RESOURCE_EXHAUSTED, and then it still has the lock. After DELETED it has not.
 */
enum sabir_error condition_wait(struct lane *lane, uint64_t handle, struct condition_wait *w);
/* Ends a wait in whatever it is doing: without the lock, and a notification goes on to the next. */
enum sabir_error condition_give_up(struct lane *lane, uint64_t handle, const struct condition_wait *w);
/*
 * Notifies up to n of those who wait now, in the order in which they came; *n_notified of them. The caller must have the lock.
 * Errors: NOT_HELD.
 */
enum sabir_error condition_notify(struct lane *lane, uint64_t handle, uint64_t n, uint64_t *n_notified);
/* How many wait and were not notified yet. */
enum sabir_error condition_look(struct lane *lane, uint64_t handle, uint32_t *n_waiting);

#endif
