/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: task queues. Included by sabir.h.
 *
 * A task queue is a queue that can do more: other orders, leases, delays, times to live, ids, joining, dead letters,
 * pausing. All functions of sabir_queue.h work on it too. On a plain queue the functions below are NOT_ENABLED.
 *
 * An item is ready, delayed, on lease or dead. One on lease is hidden, not gone: it comes back, at its old place, when it
 * is refused, when its lease ends, and at once when the program (or session) that took it is gone. When it has been given out
 * max_attempts times and comes back once more, it is dead. Times are in nanoseconds and go on while the machine sleeps.
 */
#ifndef SABIR_TASK_QUEUE_H
#define SABIR_TASK_QUEUE_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sabir_discipline {
	SABIR_FIFO = 1,
	SABIR_LIFO = 2,    /* last in, first out */
	SABIR_PRIORITY = 3 /* lowest priority first, equal ones in the order of their puts */
};

/* How a task queue is made. All-zero members are the defaults. */
struct sabir_task_spec {
	size_t size;             /* sizeof(struct sabir_task_spec) */
	uint64_t max_items;      /* 0 = limited by memory alone; delayed and leased items count too */
	uint64_t max_item_bytes; /* 0 = the server's limit */
	uint32_t discipline;     /* enum sabir_discipline; 0 = SABIR_FIFO */
	uint32_t joinable;       /* 1: task_done and join work */
	uint32_t max_attempts;   /* 0 = any number */
	uint32_t reserved;       /* 0 */
	const char
		*dead_letter; /* name of the task queue where dead items go; NULL: they stay, until requeue or clear */
	uint64_t dedup_window_ns; /* how long ids are remembered; 0 = puts with one are NOT_ENABLED */
	uint64_t ttl_ns;          /* time to live of items put without one; 0 = none */
};

/* Errors: as sabir_create; INVALID_NAME also of dead_letter, and INVALID_ARGUMENT where that is the queue itself. */
enum sabir_error sabir_task_queue_create(sabir_conn *conn, const char *name, const struct sabir_task_spec *spec,
					 unsigned flags, sabir_queue **queue);

/* How an item is put. All-zero members are the defaults. */
struct sabir_task {
	size_t size;          /* sizeof(struct sabir_task) */
	int64_t priority;     /* not 0 only where the discipline is SABIR_PRIORITY */
	uint64_t delay_ns;    /* hidden for so long */
	uint64_t ttl_ns;      /* dropped after so long, unless it is on lease then; 0 = the queue's */
	const char *dedup_id; /* NULL: none; up to 255 bytes: put within the window before, the item is dropped */
};
/*
 * As sabir_queue_put. `task` or NULL: the defaults. `duplicate` or NULL: whether the item was dropped for its id.
 * Errors: as sabir_queue_put, and NOT_ENABLED (the queue has no priorities, or no ids).
 */
enum sabir_error sabir_task_queue_put(sabir_queue *queue, const struct sabir_item *item, const struct sabir_task *task,
				      uint64_t timeout_ns, bool *duplicate);

/* What a leased item is known by, and how often it has been given out on lease, this time included. */
struct sabir_lease {
	uint64_t token;
	uint32_t attempts;
	uint32_t reserved;
};
/*
 * As sabir_queue_get, on a lease of lease_ns. Errors: EMPTY (also: it is paused), CLOSED (and nothing is left that might
 * come back), INVALID_ARGUMENT (lease_ns is 0).
 */
enum sabir_error sabir_task_queue_lease(sabir_queue *queue, uint64_t lease_ns, uint64_t timeout_ns,
					struct sabir_item **item, struct sabir_lease *lease);
/*
 * The item has been dealt with: it is gone and, for join, done. Of all three: the token is the right to do it, whoever has it,
 * and can't be guessed. Errors: LEASE_LOST.
 */
enum sabir_error sabir_task_queue_ack(sabir_queue *queue, uint64_t token);
/* Gives it back, delay_ns from now. */
enum sabir_error sabir_task_queue_nack(sabir_queue *queue, uint64_t token, uint64_t delay_ns);
/* The lease has lease_ns left, from now on. Errors besides: INVALID_ARGUMENT (0). */
enum sabir_error sabir_task_queue_extend(sabir_queue *queue, uint64_t token, uint64_t lease_ns);

/* A task is done: for items that were taken without a lease. Errors: TASK_DONE_TOO_OFTEN. */
enum sabir_error sabir_task_queue_task_done(sabir_queue *queue);
/*
 * Waits until all tasks are done. What was acknowledged, cleared, given up or dropped for its age counts as done.
 * Errors: WOULD_BLOCK (timeout_ns passed).
 */
enum sabir_error sabir_task_queue_join(sabir_queue *queue, uint64_t timeout_ns);

/* Gets wait from now on, puts don't; sabir_queue_peek finds it EMPTY. */
enum sabir_error sabir_task_queue_pause(sabir_queue *queue);
enum sabir_error sabir_task_queue_resume(sabir_queue *queue);
/*
 * Gives up to `max` (0 = all) dead items another try: those in the queue itself, and those that came to it as dead letters,
 * which go back to where they came from. `to` or NULL: any items of the queue go there. `moved` or NULL: how many.
 * Errors, where none moved: CLOSED, FULL, TOO_LARGE (of `to`).
 */
enum sabir_error sabir_task_queue_requeue(sabir_queue *queue, sabir_queue *to, uint64_t max, uint64_t *moved);

struct sabir_task_state {
	uint64_t ready;
	uint64_t delayed;
	uint64_t leased;
	uint64_t dead;
	uint64_t unfinished; /* tasks; 0 where the queue is not joinable */
	uint64_t max_items;  /* 0 = limited by memory alone */
	bool closed;
	bool paused;
};
/* What is in the queue now. Works on a plain queue too. */
enum sabir_error sabir_task_queue_state(sabir_queue *queue, struct sabir_task_state *state);

#ifdef __cplusplus
}
#endif

#endif
