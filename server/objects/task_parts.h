/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_TASK_PARTS_H
#define SABIR_OBJECTS_TASK_PARTS_H

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/skip.h"
#include "server/objects/task_queue.h"

/* What the task queue's files share. An operation's view of its queue, and what it has to tell in the end: */
struct tasks {
	struct lane *lane;
	struct segment *seg;
	struct seg_object *object;
	struct seg_task_queue *body;
	uint64_t handle;
	uint32_t index;
	uint64_t now;
	bool items; /* something became ready, or the last item went out of a closed queue */
	bool room;
	bool done;          /* no task is unfinished any more */
	bool ring;          /* the server has to look sooner than it knows */
	bool changed;       /* something was committed: */
	uint32_t change;    /* what it was for a watcher */
	uint64_t n_changed; /* and of how many items, where that is known */
	bool send;          /* there are dead letters, and a name where they are to go */
};

#define TASK_HAND_ITEM 0
#define TASK_HAND_ID 1
#define TASK_HAND_FREED 2
#define TASK_NEVER UINT64_MAX

/*
 * Begins an operation and takes the lock, with everything done that is due. tasks_leave releases it, wakes whoever is
 * concerned, ends the operation and returns `error`; with DATA_LOSS it takes the open transaction back. Where tasks_lock
 * fails, the operation is over.
 */
enum sabir_error tasks_begin(struct lane *lane, uint32_t op, uint64_t handle, struct tasks *q);
enum sabir_error tasks_lock(struct tasks *q);
enum sabir_error tasks_enter(struct lane *lane, uint32_t op, uint64_t handle, struct tasks *q);
enum sabir_error tasks_leave(struct tasks *q, enum sabir_error error);
/* Of tasks_leave all but the end of the operation. */
enum sabir_error tasks_unlock(struct tasks *q, enum sabir_error error);
/* tasks_leave, and dead letters are sent off. */
enum sabir_error tasks_end(struct tasks *q, enum sabir_error error);
/* The same view outside of an operation: for create, destroy, describe, recover. False: the body is not there. */
bool tasks_view(struct lane *lane, uint32_t index, struct seg_object *object, struct tasks *q);

static inline struct skip tasks_ready(const struct tasks *q)
{
	return (struct skip){ q->lane, q->index, q->body->ready, offsetof(struct seg_task, order) };
}
static inline struct skip tasks_dead(const struct tasks *q)
{
	return (struct skip){ q->lane, q->index, q->body->dead, offsetof(struct seg_task, order) };
}
static inline struct skip tasks_timed(const struct tasks *q)
{
	return (struct skip){ q->lane, q->index, q->body->time, offsetof(struct seg_task, time) };
}
static inline struct skip tasks_ids(const struct tasks *q)
{
	return (struct skip){ q->lane, q->index, q->body->ids, offsetof(struct seg_task_id, hash) };
}

/* With the room for the name of the dead-letter queue. */
#define TASK_BODY_SIZE (sizeof(struct seg_task_queue) + SEG_TASK_DEAD_LETTER_MAX)

/* The item of a ref, LIVE and of this queue, with all its bytes; NULL: damaged. */
struct seg_task *tasks_item(const struct tasks *q, uint32_t ref);
/* The same, and its bytes: as many as there were when that was checked, whatever its length is by now. */
struct seg_task *tasks_item_value(const struct tasks *q, uint32_t ref, struct span *value);
static inline uint64_t tasks_after(uint64_t now, uint64_t ns)
{
	return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}
/* All that stands in the way of a put. */
static inline uint64_t tasks_held(const struct tasks *q)
{
	return q->body->n_ready + q->body->n_delayed + q->body->n_leased;
}
static inline void tasks_count(struct tasks *q, uint64_t *counter, int64_t change)
{
	journal_store64(q->lane, counter, load64_relaxed(counter) + (uint64_t)change);
}

/*
 * Steps of a transaction: what they store takes effect with tasks_commit. Where one answers DATA_LOSS, so does the operation.
 */
/* Into the set that belongs to `state`; in `time` too if it has a `due` (0 = none). The item is in none. */
enum sabir_error tasks_link(struct tasks *q, struct seg_task *item, uint32_t state, uint64_t due);
/* Out of all sets. */
enum sabir_error tasks_unlink(struct tasks *q, struct seg_task *item);
/* One task less to be done. */
void tasks_finish_one(struct tasks *q);
/* The block becomes the queue's (PRIVATE -> LIVE), or the lane's own again. */
void tasks_adopt(struct tasks *q, struct seg_block *block);
void tasks_disown(struct tasks *q, struct seg_block *block);
void tasks_commit(struct tasks *q);

/* For watchers: what the operation does, to one more item. */
static inline void tasks_note(struct tasks *q, uint32_t change)
{
	q->change = change;
	q->n_changed++;
}

/* While somebody copies the queue: the transaction touches the item. tasks_link and tasks_unlink say so. */
void tasks_log(struct tasks *q, uint32_t ref, uint64_t ordinal);
static inline void tasks_touch(struct tasks *q, const struct seg_task *item)
{
	if (load32_relaxed(&q->body->log))
		tasks_log(q, segment_ref(q->seg, item), load64_relaxed(&item->order.ordinal));
}
/* For who copies it: a log of his own, by a number that no other copy has; a transaction each. Errors: RESOURCE_EXHAUSTED. */
enum sabir_error tasks_log_begin(struct tasks *q, uint64_t number);
void tasks_log_end(struct tasks *q);
/*
 * The entry behind the first *seen, which goes on. Errors: EMPTY (there is none), CHANGED (it has been overwritten, or the log is
 * another one).
 */
struct task_touch {
	uint64_t ordinal;
	uint32_t ref;
};
enum sabir_error tasks_log_read(const struct tasks *q, uint64_t number, uint64_t *seen, struct task_touch *touch);

/* Whole transactions. */
/* Removes the item for good; `done`: it also counts as a task done. */
enum sabir_error tasks_drop(struct tasks *q, struct seg_task *item, bool done);
/* A leased item comes back, or is given up. */
enum sabir_error tasks_give_back(struct tasks *q, struct seg_task *item, uint64_t delay_ns);
/* Does all that is due. */
enum sabir_error tasks_settle(struct tasks *q);
/* Frees a chain of blocks that are PRIVATE to the lane `of`. */
void tasks_drop_chain(struct lane *by, struct seg_lane *of, uint32_t of_id, uint32_t *head);
/* Puts the chain of `of`, which is committed, into the queue, one item after the other. */
enum sabir_error tasks_insert_chain(struct tasks *q, struct seg_lane *of);
/* Brings back what a get of `of` had taken and not committed, first to last. */
enum sabir_error tasks_return_chain(struct tasks *q, struct seg_lane *of, uint32_t of_id);
/* Removes everything that is not leased. */
enum sabir_error tasks_remove_all(struct tasks *q, uint64_t *removed);
/* Frees what a put has prepared and not used, when there is something. */
void tasks_abandon(struct lane *lane);
/* Whether the id is known within the window. */
enum sabir_error tasks_find_id(struct tasks *q, struct span id, bool *known);
uint64_t tasks_id_hash(const struct tasks *q, struct span id);

/* Sends off what is dead, if the queue is there that it goes to. Outside of operations. */
void tasks_send_dead(struct lane *lane, uint64_t handle);
/* The kind's functions that stand in files of their own. */
void tasks_destroy(struct lane *lane, uint32_t index, struct seg_object *object);
enum sabir_error tasks_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object);
enum sabir_error tasks_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context);
enum sabir_error tasks_owner_gone(struct lane *by, uint64_t handle, uint64_t owner);

#endif
