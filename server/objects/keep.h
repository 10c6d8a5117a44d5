/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_KEEP_H
#define SABIR_OBJECTS_KEEP_H

#include "server/objects/object.h"

/*
 * What of an object is to outlive the memory that it stands in, beyond what the kinds' own functions show: for snapshots.
 * Each keep_ function reads one state of the object, at one point of its history, as it will be when all who hold
 * something of it are gone: for so it is after a restore. Each restore_ function gives what was read to an object that was
 * made anew, by the same kind's spec, and that nobody uses yet; who dies within one leaves it to the end of the memory.
 *
 * Errors of all: NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS, BUSY (somebody has the lock and does not go on); of those that
 * read items NO_MEMORY and TOO_LARGE (KEEP_MOST bytes are not enough), of those that make some RESOURCE_EXHAUSTED.
 */
#define KEEP_MOST (3ull << 30)

/* The entry. Of an object that ends with its owner nothing is kept: that is NOT_FOUND. */
struct kept_entry {
	struct object_info info;
	uint64_t part_of; /* handle of its whole, 0 = none */
};
enum sabir_error keep_entry(struct lane *lane, uint64_t handle, struct kept_entry *kept);
enum sabir_error restore_create_time(struct lane *lane, uint64_t handle, uint64_t create_time_ns);
/* The handle of the n-th part, 0 if that was never made or is not the object's. False: the kind has no such part, or the object is gone. */
bool keep_part(struct lane *lane, uint64_t handle, uint32_t n, uint64_t *part);

/*
 * A queue: its items in their order, `front` before `rest`. Those on hold, and those that somebody was just taking and gives
 * back, stand in their old places. Unlike all other functions of objects it may wait for others: 100 ms at most, for who is
 * taking items.
 */
struct kept_queue {
	struct bytes front, rest;
	bool closed;
};
enum sabir_error keep_queue(struct lane *lane, uint64_t handle, struct kept_queue *kept);
void kept_queue_fini(struct kept_queue *kept);
/* A queue is made without a bound and filled with queue_put: a bound may be passed by what comes back. */
enum sabir_error restore_queue_bound(struct lane *lane, uint64_t handle, uint64_t max_items);

/* A task queue, read a slice at a time: those who use it wait for one slice at most, as long as they do not change it faster than
 * it is read, three times in a row; then they wait for all of it. Times are CLOCK_BOOTTIME, 0 = none.
 * Each item of `items` is a kept_task and its bytes, of `ids` a kept_id. */
#ifdef SABIR_FAULTS
extern uint32_t keep_tasks_slice; /* tests: how many items are read at a time */
#endif
#define KEPT_TASK_GONE 0 /* state: this item is to be passed over */
struct kept_task {
	int64_t priority;
	uint64_t ordinal;
	uint64_t due;     /* delayed: when it becomes ready */
	uint64_t expires; /* when it is dropped */
	uint64_t origin;  /* dead letters: handle of the queue that gave up on it */
	uint32_t attempts;
	uint32_t
		state; /* SEG_TASK_*; a leased one is ready again, or dead, as if its holder had died; or KEPT_TASK_GONE */
};
struct kept_id {
	uint64_t until;
	uint64_t ordinal;
};
struct kept_tasks {
	struct bytes items, ids;
	uint64_t next_ordinal, next_lease, unfinished;
	bool closed, paused;
};
enum sabir_error keep_tasks(struct lane *lane, uint64_t handle, struct kept_tasks *kept);
void kept_tasks_fini(struct kept_tasks *kept);
/* The numbers and states; then the items and ids in the order in which they were read, some at a time. */
enum sabir_error restore_tasks(struct lane *lane, uint64_t handle, const struct kept_tasks *kept);
enum sabir_error restore_task(struct lane *lane, uint64_t handle, const struct kept_task *task, struct span item);
enum sabir_error restore_task_id(struct lane *lane, uint64_t handle, const struct kept_id *id, struct span text);

/* A shared list: its elements, `out` gets for each the room (4 bytes) and the Value as one item. */
enum sabir_error keep_shared_list(struct lane *lane, uint64_t handle, struct bytes *out);

struct kept_lock {
	uint64_t token;
	uint32_t abandoned; /* 0, SEG_LOCK_ABANDONED (also if somebody holds it) or SEG_LOCK_FORGIVEN */
};
enum sabir_error keep_lock(struct lane *lane, uint64_t handle, struct kept_lock *kept);
enum sabir_error restore_lock(struct lane *lane, uint64_t handle, const struct kept_lock *kept);

/* The units of holders are back in the value; of a semaphore that does not know its holders they stay taken. */
enum sabir_error keep_semaphore(struct lane *lane, uint64_t handle, uint64_t *value);
enum sabir_error restore_semaphore(struct lane *lane, uint64_t handle, uint64_t value);

struct kept_barrier {
	uint64_t cycle;
	bool broken; /* also if somebody waits */
};
enum sabir_error keep_barrier(struct lane *lane, uint64_t handle, struct kept_barrier *kept);
enum sabir_error restore_barrier(struct lane *lane, uint64_t handle, const struct kept_barrier *kept);

/* Bit e: end e is closed for good. An end that is open is as if nobody had opened it yet: it can be opened again. */
enum sabir_error keep_pipe(struct lane *lane, uint64_t handle, uint32_t *closed);
enum sabir_error restore_pipe(struct lane *lane, uint64_t handle, uint32_t closed);

#endif
