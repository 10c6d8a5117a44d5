/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items on their way from one task queue to another: dead letters, and their return.
 *
 * Both queues are locked, and one transaction takes the block out of one and into the other: it is copied nowhere, and
 * whoever dies has either moved it or not. The second lock is never waited for, so two queues that send each other their dead
 * letters can't block each other; its object stands in the lane's record, for recovery, before it is taken. What could not be moved now
 * is dead still, and the server tries again at the next alarm.
 */
#include <string.h>

#include "server/objects/task_parts.h"

#define TRY_AGAIN_NS 10000000u

/* ---------------------------------------------------------------- the other queue */

/* Locks another queue within an operation of `q`. Errors: those of object_enter, BUSY (somebody has the lock now). */
static enum sabir_error lock_other(struct tasks *q, uint64_t handle, struct tasks *other)
{
	struct segment *seg = q->seg;
	uint32_t index = object_index(handle);
	if (index == 0 || index >= seg->n_objects || index == q->index)
		return SABIR_NOT_FOUND;
	struct seg_object *o = &seg->objects[index];
	/* Our operation pins the epoch: its memory stays, whatever becomes of it. */
	if (load64_seq(&o->word) != ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE))
		return SABIR_DELETED;
	if (load32_relaxed(&o->kind) != SEG_KIND_TASK_QUEUE)
		return SABIR_WRONG_KIND;
	if (load64_relaxed(&o->damaged) || !tasks_view(q->lane, index, o, other))
		return SABIR_DATA_LOSS;
	store64_relaxed(&q->lane->shared->args[1], index + 1);
	fence_compiler();
	if (lock_acquire_now(q->lane, &o->lock)) {
		FAULT("task_move.both_locked");
		return SABIR_OK;
	}
	store64_relaxed(&q->lane->shared->args[1], 0);
	return SABIR_BUSY;
}

static void unlock_other(struct tasks *q, struct tasks *other)
{
	if (other->items)
		change_note(q->lane, other->index, CHANGE_OTHER, 0, 0);
	lock_release(q->lane, &other->object->lock);
	FAULT("task_move.other_unlocked");
	if (other->items)
		event_notify(q->seg, other->index, SEG_EVENT_ITEMS, UINT32_MAX);
	store64_relaxed(&q->lane->shared->args[1], 0);
}

/* Both are locked. The item is unlinked from `q` and becomes the last of its kind in `to`. */
static enum sabir_error move_item(struct tasks *q, struct tasks *to, struct seg_task *item, uint64_t origin)
{
	struct lane *lane = q->lane;
	uint64_t ordinal = load64_relaxed(&to->body->next_ordinal);
	uint32_t discipline = load32_relaxed(&to->body->discipline);
	int64_t key = discipline == SEG_TASK_PRIORITY ? item->priority
		      : discipline == SEG_TASK_LIFO   ? -(int64_t)ordinal
						      : 0;
	int64_t size = (int64_t)block_size(q->seg, segment_ref(q->seg, item));
	bool unfinished = load32_relaxed(&item->state) != SEG_TASK_DEAD;
	enum sabir_error error = tasks_unlink(q, item);
	if (error)
		return error;
	if (unfinished)
		tasks_finish_one(q);
	journal_store64(lane, (uint64_t *)&item->order.key, (uint64_t)key);
	journal_store64(lane, &item->order.ordinal, ordinal);
	journal_store64(lane, &item->time.ordinal, ordinal);
	journal_store64(lane, &item->origin, origin);
	journal_store64(lane, &item->expires, 0);
	journal_store32(lane, &item->attempts, 0);
	error = tasks_link(to, item, SEG_TASK_READY, 0);
	if (error)
		return error;
	tasks_count(q, &q->body->bytes, -size);
	tasks_count(to, &to->body->bytes, size);
	tasks_count(to, &to->body->next_ordinal, 1);
	tasks_count(to, &to->body->unfinished, 1);
	journal_store64(lane, &item->block.word,
			block_word(SEG_BLOCK_LIVE, 0, to->index, block_tag(load64_relaxed(&item->block.word))));
	tasks_commit(q);
	FAULT("task_move.moved");
	return SABIR_OK;
}

/* ---------------------------------------------------------------- dead letters */

/* What the queue gave up on, to `to`, the bound of which does not count here. BUSY: not now. */
static enum sabir_error send_all(struct tasks *q, uint64_t to)
{
	const struct skip dead = tasks_dead(q);
	struct tasks other;
	uint32_t ref;
	enum sabir_error error = lock_other(q, to, &other);
	if (error)
		return error == SABIR_DATA_LOSS ? SABIR_OK : error;
	while (!error && (ref = skip_first(&dead)) != 0) {
		struct seg_task *item = tasks_item(q, ref);
		error = item && !other.body->closed ? move_item(q, &other, item, q->handle)
			: item                      ? SABIR_CLOSED
						    : SABIR_DATA_LOSS;
	}
	if (error == SABIR_DATA_LOSS)
		journal_undo(q->lane);
	unlock_other(q, &other);
	return error;
}

/* The name of the dead-letter queue, where there are dead items that could go there. */
static bool find_target(struct lane *lane, uint64_t handle, uint8_t name[SEG_TASK_DEAD_LETTER_MAX], struct span *span)
{
	struct seg_object *o;
	struct seg_task_queue *body;
	if (object_enter(lane, SEG_OP_READ, handle, SEG_KIND_TASK_QUEUE, TASK_BODY_SIZE, &o, &body))
		return false;
	uint32_t len = load32_relaxed(&body->block.len);
	bool wanted = load64_relaxed(&body->n_dead) && len && len <= SEG_TASK_DEAD_LETTER_MAX;
	if (wanted)
		memcpy(name, body + 1, len);
	*span = (struct span){ name, len };
	object_leave(lane);
	return wanted;
}

void tasks_send_dead(struct lane *lane, uint64_t handle)
{
	uint8_t name[SEG_TASK_DEAD_LETTER_MAX];
	struct span span;
	struct tasks q;
	uint64_t to;
	if (!find_target(lane, handle, name, &span) || object_open(lane, span, &to))
		return;
	if (tasks_enter(lane, SEG_OP_TASK_MOVE, handle, &q))
		return;
	enum sabir_error error = send_all(&q, to);
	if (error == SABIR_BUSY && q.now + TRY_AGAIN_NS < q.body->alarm) {
		store64_release(&q.body->alarm, q.now + TRY_AGAIN_NS);
		q.ring = true;
	}
	(void)tasks_leave(&q, error == SABIR_DATA_LOSS ? error : SABIR_OK);
}

/* ---------------------------------------------------------------- requeue */

/* Up to *left of the queue's own dead items. */
static enum sabir_error revive(struct tasks *q, uint64_t *left, uint64_t *moved)
{
	const struct skip dead = tasks_dead(q);
	uint32_t ref;
	enum sabir_error error = SABIR_OK;
	while (!error && *left && (ref = skip_first(&dead)) != 0) {
		struct seg_task *item = tasks_item(q, ref);
		uint64_t max = load64_relaxed(&q->body->max_items);
		if (!item || load32_relaxed(&item->state) != SEG_TASK_DEAD)
			return SABIR_DATA_LOSS;
		if (max && tasks_held(q) >= max)
			break;
		error = tasks_unlink(q, item);
		journal_store32(q->lane, &item->attempts, 0);
		journal_store64(q->lane, &item->expires, 0);
		if (!error)
			error = tasks_link(q, item, SEG_TASK_READY, 0);
		tasks_count(q, &q->body->unfinished, 1);
		if (error)
			return error;
		tasks_commit(q);
		--*left;
		++*moved;
	}
	return error;
}

static enum sabir_error move_to(struct tasks *q, struct seg_task *item, uint64_t to)
{
	struct tasks other;
	enum sabir_error error = lock_other(q, to, &other);
	if (error)
		return error;
	uint64_t max = load64_relaxed(&other.body->max_items);
	if (other.body->closed)
		error = SABIR_CLOSED;
	else if (max && tasks_held(&other) >= max)
		error = SABIR_FULL;
	else if (load32_relaxed(&item->block.len) > load64_relaxed(&other.body->max_item_bytes))
		error = SABIR_TOO_LARGE;
	if (!error)
		error = move_item(q, &other, item, 0);
	if (error == SABIR_DATA_LOSS)
		journal_undo(q->lane);
	unlock_other(q, &other);
	return error;
}

/* Up to *left ready items, from the place behind (key, ordinal) on. BUSY: `to` is locked by somebody. */
static enum sabir_error move_ready(struct tasks *q, uint64_t to, uint64_t *left, uint64_t *moved, uint64_t *busy)
{
	const struct skip ready = tasks_ready(q);
	int64_t key = INT64_MIN;
	uint64_t ordinal = 0;
	uint32_t ref;
	enum sabir_error error = SABIR_OK;
	while (*left && !(error = skip_find(&ready, key, ordinal, &ref)) && ref) {
		struct seg_task *item = tasks_item(q, ref);
		if (!item || !skip_pass(&item->order, &key, &ordinal))
			return SABIR_DATA_LOSS;
		uint64_t target = to ? to : item->origin;
		error = target ? move_to(q, item, target) : SABIR_NOT_FOUND;
		*busy = target;
		if (error == SABIR_DATA_LOSS || error == SABIR_BUSY || (to && error))
			return error;
		if (error)
			continue;
		q->room = true;
		--*left;
		++*moved;
	}
	return error == SABIR_DATA_LOSS ? error : SABIR_OK;
}

/* Waits for the other queue's lock, while we have none. */
static enum sabir_error wait_for_other(struct lane *lane, uint64_t handle)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	return error ? error : tasks_leave(&q, SABIR_OK);
}

enum sabir_error task_queue_requeue(struct lane *lane, uint64_t handle, uint64_t to, uint64_t max, uint64_t *moved)
{
	struct tasks q;
	uint64_t left = max ? max : UINT64_MAX, n = 0, busy = 0;
	enum sabir_error error;
	for (;;) {
		error = tasks_enter(lane, SEG_OP_TASK_MOVE, handle, &q);
		if (error)
			break;
		error = to ? SABIR_OK : revive(&q, &left, &n);
		if (!error)
			error = move_ready(&q, to, &left, &n, &busy);
		error = tasks_leave(&q, error);
		if (error != SABIR_BUSY || n)
			break;
		error = wait_for_other(lane, busy);
		if (error)
			break;
	}
	if (error && (!n || error == SABIR_DATA_LOSS))
		return error;
	*moved = n;
	return SABIR_OK;
}
