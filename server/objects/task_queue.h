/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_TASK_QUEUE_H
#define SABIR_OBJECTS_TASK_QUEUE_H

#include "server/objects/queue.h"

/*
 * The queue that can do more than first in, first out: other orders, leases, delays, times to live, ids, joining, dead
 * letters, pausing. None of these waits: EMPTY and FULL are for SEG_EVENT_ITEMS and SEG_EVENT_ROOM, WOULD_BLOCK for
 * SEG_EVENT_DONE. Every one can also answer NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS, BUSY.
 *
 * An item is ready, delayed, leased or dead (given up on). The bound of a queue holds for the first three together, so a
 * leased item always has its place to come back to.
 */
struct task_put {
	int64_t priority; /* lowest first; not 0 only where the discipline is PRIORITY, else NOT_ENABLED */
	uint64_t delay_ns;
	uint64_t ttl_ns; /* 0 = the queue's */
	struct span id;  /* empty = none; up to TASK_ID_MAX bytes; only for a single item */
};
#define TASK_ID_MAX 255u
/*
 * As queue_put. An item whose id was put within the window is dropped: OK, *duplicate, and nothing accepted. Errors
 * besides: NOT_ENABLED (a priority, an id).
 */
enum sabir_error task_queue_put(struct lane *lane, uint64_t handle, const struct queue_item *items, uint32_t n,
				const struct task_put *how, uint32_t *accepted, bool *duplicate);

struct task_lease {
	uint64_t token;
	uint32_t attempts; /* how often the item has been given out, this time included */
};
/*
 * As queue_get. With lease_ns each item stays the queue's until ack, and `leases` (n of them) tells how it is known;
 * it is ready again, at its old place, after nack, at the lease's end, or when lane->actor.owner (if there is one) is gone. With
 * lease_ns = 0 it is gone, and `leases` is not used (or NULL). A paused queue is EMPTY. CLOSED: nothing is left that could
 * become ready.
 */
enum sabir_error task_queue_get(struct lane *lane, uint64_t handle, uint32_t n, uint64_t lease_ns, struct bytes *out,
				struct task_lease *leases);
/* What an item was to its queue beside its bytes: where it stood, and what was to become of it. */
struct task_place {
	int64_t key;
	uint64_t ordinal;
	uint64_t expires;
	uint64_t origin;
	int64_t priority;
	uint32_t attempts;
	uint32_t pad;
};
/* As task_queue_get for good; the place of each item is added to `places`, a struct task_place each. */
enum sabir_error task_queue_take(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				 struct bytes *places);
/*
 * The same, but it is not over, as with queue_get_open: until the lane closes or abandons it, and it does nothing else before,
 * its death brings the items back. Errors of the abandoning: BUSY: it is open still.
 */
enum sabir_error task_queue_take_open(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				      struct bytes *places);
void task_queue_take_close(struct lane *lane, uint32_t n);
enum sabir_error task_queue_take_abandon(struct lane *lane);
/*
 * Undoes a task_queue_take whose items could not be handed over: they stand where they stood, and what they were they are,
 * unless they have expired meanwhile; the bound of the queue does not count for them. `places` may be at any address. *n_back,
 * 0 at first, is how many are back, from the first on: called again after an error it goes on behind them. Errors besides:
 * RESOURCE_EXHAUSTED, TOO_LARGE.
 */
enum sabir_error task_queue_unget(struct lane *lane, uint64_t handle, const struct span *items, const void *places,
				  uint32_t n, uint32_t *n_back);
/* The item is done with: gone and, where the queue is joinable, a task done. Errors of the three: LEASE_LOST. */
enum sabir_error task_queue_ack(struct lane *lane, uint64_t handle, uint64_t token);
enum sabir_error task_queue_nack(struct lane *lane, uint64_t handle, uint64_t token, uint64_t delay_ns);
/* The lease ends `lease_ns` from now. */
enum sabir_error task_queue_extend(struct lane *lane, uint64_t handle, uint64_t token, uint64_t lease_ns);

/* Errors: NOT_ENABLED (not joinable), TASK_DONE_TOO_OFTEN. */
enum sabir_error task_queue_task_done(struct lane *lane, uint64_t handle);
/* Errors: NOT_ENABLED (not joinable), WOULD_BLOCK (tasks are unfinished). */
enum sabir_error task_queue_join(struct lane *lane, uint64_t handle);

/* Copies the item that would be taken next. Errors: EMPTY, CLOSED, NO_MEMORY. */
enum sabir_error task_queue_peek(struct lane *lane, uint64_t handle, struct bytes *out);
struct task_queue_size {
	uint64_t ready, delayed, leased, dead, unfinished, max_items;
	bool closed, paused;
};
enum sabir_error task_queue_size(struct lane *lane, uint64_t handle, struct task_queue_size *size);
/* Removes what is ready, delayed or dead. */
enum sabir_error task_queue_clear(struct lane *lane, uint64_t handle, uint64_t *removed);
enum sabir_error task_queue_close(struct lane *lane, uint64_t handle);
enum sabir_error task_queue_pause(struct lane *lane, uint64_t handle, bool paused);
/*
 * Gives up to `max` (0 = all) items another try, their attempts counted anew: the queue's own dead ones, then, in order,
 * ready ones that came to it as dead letters, back to where they came from, or, if `to` is not 0, any ready ones to that queue. An
 * item whose way is barred (the queue is gone, closed or full) stays.
 */
enum sabir_error task_queue_requeue(struct lane *lane, uint64_t handle, uint64_t to, uint64_t max, uint64_t *moved);

/* For the server. Whether the object has an alarm, and when: CLOCK_BOOTTIME ns, UINT64_MAX = none. */
bool task_queue_alarm(struct lane *lane, uint32_t index, uint64_t *handle, uint64_t *at_ns);
/* Does what is due, and sends dead letters off. */
enum sabir_error task_queue_settle(struct lane *lane, uint64_t handle);
/* The clock of leases and delays. */
uint64_t task_clock(void);
#ifdef SABIR_FAULTS
extern uint64_t task_clock_ahead_ns; /* tests: how far the clock is ahead of the system's */
#endif

#endif
