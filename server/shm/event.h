/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_EVENT_H
#define SABIR_SHM_EVENT_H

#include "server/shm/lane.h"

/*
 * Waiting without lost wake-ups, and without a system call where nobody waits.
 *
 *   waiter:   key = event_prepare(e, SEG_WAITING_LOCAL); try; if it can't be done: event_wait(e, key, deadline); again
 *   notifier: do it (with a sequentially consistent store or compare-and-swap); event_notify(e, n)
 *
 * The flag of `waiting` is set before the waiter looks and taken off by the notifier before it wakes, so one of the two
 * sees the other. A waiter that was woken and found work passes the wake on, by event_notify, if there may be more. A waiter's
 * death costs at most one vain wake-up.
 */
#define EVENT_FOREVER UINT64_MAX

uint32_t event_prepare(struct seg_event *event, uint32_t who);
/*
 * Sleeps until notified or until the CLOCK_MONOTONIC time `deadline_ns`; false: the deadline passed. It may return true without a
 * reason, and does so now and then. Outside operations only.
 */
bool event_wait(struct lane *lane, uint32_t object, uint32_t side, uint32_t key, uint64_t deadline_ns);
/* The same for one who can be called by event_call, with one of `bits`. */
bool event_wait_call(struct lane *lane, uint32_t object, uint32_t side, uint32_t key, uint64_t deadline_ns,
		     uint32_t bits);
void event_notify_slow(const struct segment *seg, uint32_t object, uint32_t side, uint32_t n);

/* Wakes up to n local waiters and, if it is interested, the server. */
static inline void event_notify(const struct segment *seg, uint32_t object, uint32_t side, uint32_t n)
{
	if (load32_seq(&seg->objects[object].event[side].waiting))
		event_notify_slow(seg, object, side, n);
}
/*
 * Wakes the local waiters who sleep with one of `bits` whatever the flags say, and leaves them to the others: for a notifier who
 * knows whom he means. The server is told as by event_notify.
 */
void event_call(const struct segment *seg, uint32_t object, uint32_t side, uint32_t bits);
/*
 * Has those who sleep with one of `bits` look again, and nobody else: no notifier relies on it. For who wants a waiter of his own
 * process back. Safe in a signal handler.
 */
void event_poke(struct seg_event *event, uint32_t bits);
/* Wakes everybody on both sides: the object was closed, deleted or recovered. */
void event_notify_all(const struct segment *seg, uint32_t object);

/* Has the server look at what waits for the object. */
void bell_ring(const struct segment *seg, uint32_t object);
/*
 * Server: takes the next object out of the ready set, in one walk through it; false at its end, and the next call begins another
 * walk. Call bell_answer() first: who rings behind that rings again, so what comes in behind the walk's back is not lost, and
 * somebody who rings all the time holds up no walk.
 */
void bell_answer(struct segment *seg);
bool bell_next(struct segment *seg, uint32_t *object);

#endif
