/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring a task queue: one transaction for each item and id, into the sets where they stood, by the ordinals that they had.
 */
#include <string.h>

#include "server/objects/keep.h"
#include "server/objects/task_parts.h"

enum sabir_error restore_tasks(struct lane *lane, uint64_t handle, const struct kept_tasks *kept)
{
	struct tasks q;
	enum sabir_error error = tasks_begin(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	q.body->next_ordinal = kept->next_ordinal;
	q.body->next_lease = kept->next_lease;
	q.body->unfinished = kept->unfinished;
	store32_relaxed(&q.body->closed, kept->closed);
	store32_relaxed(&q.body->paused, kept->paused);
	object_leave(lane);
	return SABIR_OK;
}

static void fill(struct seg_task *item, const struct kept_task *from, struct span data, uint32_t discipline)
{
	memset(&item->order, 0, sizeof(*item) - sizeof(item->block));
	item->block.next = 0;
	item->block.len = (uint32_t)data.len;
	item->order.ordinal = item->time.ordinal = from->ordinal;
	item->order.key = discipline == SEG_TASK_LIFO       ? -(int64_t)from->ordinal
			  : discipline == SEG_TASK_PRIORITY ? from->priority
							    : 0;
	item->priority = from->priority;
	item->expires = from->expires;
	item->origin = from->origin;
	item->attempts = from->attempts;
	if (data.len)
		memcpy(item + 1, data.data, data.len);
}

/* What becomes of the item, and when something is to become of it again. */
static uint32_t state_of(const struct tasks *q, const struct kept_task *task, uint64_t *due)
{
	uint32_t most = load32_relaxed(&q->body->max_attempts);
	*due = task->expires;
	if (task->state == SEG_TASK_DEAD || (task->state == SEG_TASK_LEASED && most && task->attempts >= most)) {
		*due = 0;
		return SEG_TASK_DEAD;
	}
	if (task->state != SEG_TASK_DELAYED)
		return SEG_TASK_READY;
	*due = task->expires && task->expires < task->due ? task->expires : task->due;
	return SEG_TASK_DELAYED;
}

static enum sabir_error insert(struct tasks *q, const struct kept_task *task, struct seg_task *item)
{
	uint64_t due;
	uint32_t state = state_of(q, task, &due);
	item->time.key = (int64_t)due;
	enum sabir_error error = tasks_link(q, item, state, due);
	if (error)
		return error;
	/* Nobody works at it any more: who joins need not wait for it. */
	if (state == SEG_TASK_DEAD && task->state == SEG_TASK_LEASED)
		tasks_finish_one(q);
	tasks_adopt(q, &item->block);
	journal_store32(q->lane, &q->lane->shared->hand[TASK_HAND_ITEM], 0);
	tasks_commit(q);
	return SABIR_OK;
}

static enum sabir_error restore_once(struct lane *lane, uint64_t handle, const struct kept_task *task, struct span data)
{
	struct tasks q;
	struct seg_block *block;
	enum sabir_error error = tasks_begin(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = block_alloc(lane, sizeof(struct seg_task) + data.len, TASK_HAND_ITEM, &block);
	if (!error) {
		fill((struct seg_task *)block, task, data, load32_relaxed(&q.body->discipline));
		error = insert(&q, task, (struct seg_task *)block);
	}
	object_leave(lane);
	return error;
}

enum sabir_error restore_task(struct lane *lane, uint64_t handle, const struct kept_task *task, struct span item)
{
	enum sabir_error error = restore_once(lane, handle, task, item);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = restore_once(lane, handle, task, item);
	return error;
}

static enum sabir_error insert_id(struct tasks *q, struct seg_task_id *id)
{
	const struct skip ids = tasks_ids(q);
	uint32_t ref = segment_ref(q->seg, id), last_ref = load32_relaxed(&q->body->id_last);
	struct seg_task_id *last = segment_at(q->seg, last_ref, sizeof(*last));
	if (skip_insert(&ids, ref))
		return SABIR_DATA_LOSS;
	tasks_adopt(q, &id->block);
	journal_store32(q->lane, last_ref && last ? &last->block.next : &q->body->id_first, ref);
	journal_store32(q->lane, &q->body->id_last, ref);
	tasks_count(q, &q->body->n_ids, 1);
	journal_store32(q->lane, &q->lane->shared->hand[TASK_HAND_ID], 0);
	tasks_commit(q);
	return SABIR_OK;
}

enum sabir_error restore_task_id(struct lane *lane, uint64_t handle, const struct kept_id *id, struct span text)
{
	struct tasks q;
	struct seg_block *block;
	enum sabir_error error = tasks_begin(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = block_alloc(lane, sizeof(struct seg_task_id) + text.len, TASK_HAND_ID, &block);
	if (!error) {
		struct seg_task_id *made = (struct seg_task_id *)block;
		memset(&made->hash, 0, sizeof(*made) - sizeof(made->block));
		block->len = (uint32_t)text.len;
		block->next = 0;
		made->hash.key = (int64_t)tasks_id_hash(&q, text);
		made->hash.ordinal = id->ordinal;
		made->until = id->until;
		if (text.len)
			memcpy(made + 1, text.data, text.len);
		error = insert_id(&q, made);
	}
	object_leave(lane);
	return error;
}
