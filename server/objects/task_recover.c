/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death in a task queue's operation, and the end of a task queue.
 *
 * When recovery comes here the dead lane's open transaction has been undone, and it has the object's lock still if it had it.
 * What it had decided is finished; what it had taken and not handed over goes back to its place. Only a get that was open
 * (task_queue_take_open) had something to bring back without the lock.
 */
#include "server/objects/task_parts.h"

enum sabir_error tasks_return_chain(struct tasks *q, struct seg_lane *of, uint32_t of_id)
{
	uint32_t ref;
	while ((ref = load32_relaxed(&of->chain)) != 0) {
		struct seg_task *item = segment_at(q->seg, ref, sizeof(*item));
		bool fits = item && block_size(q->seg, ref) >= sizeof(*item);
		uint64_t word = fits ? load64_relaxed(&item->block.word) : 0;
		if (block_state(word) != SEG_BLOCK_PRIVATE || block_lane(word) != of_id)
			return SABIR_DATA_LOSS;
		enum sabir_error error = tasks_link(q, item, SEG_TASK_READY, item->expires);
		if (error)
			return error;
		tasks_adopt(q, &item->block);
		journal_store32(q->lane, &of->chain, load32_relaxed(&item->block.next));
		tasks_commit(q);
		FAULT("task_recover.returned");
	}
	return SABIR_OK;
}

/* Errors: BUSY: the lock is somebody's, and nothing is done. */
static enum sabir_error recover_get(struct tasks *q, struct seg_lane *dead, uint32_t dead_id)
{
	enum sabir_error error = SABIR_OK;
	if (load32_relaxed(&dead->phase) != SEG_PHASE_COMMITTED && load32_relaxed(&dead->chain)) {
		bool its = lock_held_by(&q->object->lock, dead_id);
		error = its ? SABIR_OK : lock_acquire(q->lane, &q->object->lock);
		if (error == SABIR_BUSY)
			return error;
		bool locked = !its && !error;
		if (!error)
			error = tasks_return_chain(q, dead, dead_id);
		if (error)
			journal_undo(q->lane);
		if (locked)
			lock_release(q->lane, &q->object->lock);
	}
	tasks_drop_chain(q->lane, dead, dead_id, &dead->chain);
	return error;
}

/* The lock of a second queue, which recovery does not know. */
static void release_other(struct tasks *q, struct seg_lane *dead, uint32_t dead_id)
{
	uint64_t index = load64_relaxed(&dead->args[1]) - 1;
	if (index >= q->seg->n_objects)
		return;
	struct seg_object *other = &q->seg->objects[index];
	change_recover_other(q->lane, dead_id, (uint32_t)index);
	if (lock_held_by(&other->lock, dead_id))
		store64_seq(&other->lock, 0);
	FAULT("task_recover.other_released");
	lock_wake_all(&other->lock);
	event_notify_all(q->seg, (uint32_t)index);
	store64_relaxed(&dead->args[1], 0);
}

static enum sabir_error finish(struct tasks *q, struct seg_lane *dead, uint32_t dead_id)
{
	bool committed = load32_relaxed(&dead->phase) == SEG_PHASE_COMMITTED;
	enum sabir_error error = SABIR_OK;
	uint64_t removed;
	switch (load32_relaxed(&dead->op)) {
	case SEG_OP_TASK_PUT:
		if (committed)
			error = tasks_insert_chain(q, dead);
		tasks_drop_chain(q->lane, dead, dead_id, &dead->chain);
		tasks_drop_chain(q->lane, dead, dead_id, &dead->doomed);
		store64_relaxed(&dead->args[0], 0);
		break;
	case SEG_OP_TASK_GET:
		error = recover_get(q, dead, dead_id);
		break;
	case SEG_OP_TASK_CLEAR:
		if (committed)
			error = tasks_remove_all(q, &removed);
		break;
	case SEG_OP_TASK_MOVE:
		release_other(q, dead, dead_id);
		break;
	}
	return error;
}

enum sabir_error tasks_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object)
{
	struct tasks q;
	if (!tasks_view(by, index, object, &q))
		return SABIR_OK;
	enum sabir_error error = finish(&q, dead, dead_id);
	if (error == SABIR_BUSY)
		return error;
	if (error) {
		journal_undo(by);
		(void)object_damaged(object);
	}
	store32_relaxed(&dead->phase, SEG_PHASE_OPEN);
	/* It may have set the alarm and not rung, or given up an item and not sent it off. */
	bell_ring(q.seg, index);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the end */

/* Takes the first block out of the list that begins in *head, in one transaction, and frees it. */
static void free_first(struct tasks *q, uint32_t *head, size_t offset)
{
	uint32_t ref = load32_relaxed(head);
	const struct skip set = { q->lane, q->index, head, offset };
	struct seg_skip *node = block_size(q->seg, ref) ? skip_node(&set, ref) : NULL;
	if (!node) {
		store32_relaxed(head, 0);
		return;
	}
	struct seg_block *block = segment_at(q->seg, ref, sizeof(*block));
	store32_relaxed(&q->lane->shared->hand[TASK_HAND_FREED], ref);
	fence_compiler();
	journal_store32(q->lane, head, load32_relaxed(&node->next[0]));
	tasks_disown(q, block);
	tasks_commit(q);
	block_free(q->lane, block);
}

/* Items that are ready and in `time` too are freed by the former. */
static void free_timed(struct tasks *q)
{
	const struct skip timed = tasks_timed(q);
	uint32_t ref;
	while ((ref = skip_first(&timed)) != 0) {
		struct seg_task *item = tasks_item(q, ref);
		if (item && item->state == SEG_TASK_READY) {
			store32_relaxed(q->body->time, load32_relaxed(&item->time.next[0]));
			/* Who comes here again, for it leads to itself, finds the end. */
			store32_relaxed(&item->time.next[0], 0);
		} else {
			free_first(q, q->body->time, offsetof(struct seg_task, time));
		}
	}
}

void tasks_destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct tasks q;
	if (!tasks_view(lane, index, object, &q))
		return;
	free_timed(&q);
	while (q.body->ready[0])
		free_first(&q, q.body->ready, offsetof(struct seg_task, order));
	while (q.body->dead[0])
		free_first(&q, q.body->dead, offsetof(struct seg_task, order));
	while (q.body->ids[0])
		free_first(&q, q.body->ids, offsetof(struct seg_task_id, hash));
	tasks_log_end(&q);
}
