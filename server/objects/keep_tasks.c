/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task queue's items and ids, all under its lock: so as of one moment, for which others wait as long as they are copied.
 * Restoring is one transaction for each: into the sets where they stood, by the ordinals that they had.
 */
#include <string.h>

#include "server/objects/keep.h"
#include "server/objects/refs.h"
#include "server/objects/task_parts.h"

/* ---------------------------------------------------------------- keeping */

static enum sabir_error add(struct bytes *out, const void *head, size_t head_len, const void *data, size_t len)
{
	if (out->len + head_len + len > KEEP_MOST)
		return SABIR_TOO_LARGE;
	uint8_t *to = bytes_reserve(out, head_len + len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, head, head_len);
	memcpy(to + head_len, data, len);
	bytes_commit(out, head_len + len);
	return SABIR_OK;
}

static enum sabir_error add_item(const struct seg_task *item, struct bytes *out)
{
	uint32_t state = load32_relaxed(&item->state);
	const struct kept_task task = {
		.priority = item->priority,
		.ordinal = item->order.ordinal,
		.due = state == SEG_TASK_DELAYED ? (uint64_t)item->time.key : 0,
		.expires = item->expires,
		.origin = item->origin,
		.attempts = item->attempts,
		.state = state,
	};
	return add(out, &task, sizeof(task), item + 1, load32_relaxed(&item->block.len));
}

/* Of the set's items those that stand in no other that is read. */
static enum sabir_error add_set(const struct tasks *q, const struct skip *set, bool ordered, struct bytes *out)
{
	uint32_t ref = skip_first(set);
	int64_t key = INT64_MIN;
	uint64_t ordinal = 0;
	while (ref) {
		struct seg_task *item = tasks_item(q, ref);
		struct seg_skip *node = skip_node(set, ref);
		/* Upwards, so that it ends whatever the memory holds. */
		if (!item || !node || node->key < key || (node->key == key && node->ordinal < ordinal))
			return SABIR_DATA_LOSS;
		bool wanted = ordered || load32_relaxed(&item->state) != SEG_TASK_READY;
		enum sabir_error error = wanted ? add_item(item, out) : SABIR_OK;
		if (error)
			return error;
		key = node->key;
		ordinal = node->ordinal + 1;
		ref = load32_relaxed(&node->next[0]);
	}
	return SABIR_OK;
}

static enum sabir_error add_ids(const struct tasks *q, struct bytes *out)
{
	const struct skip ids = tasks_ids(q);
	uint32_t ref = load32_relaxed(&q->body->id_first);
	uint64_t left = load64_relaxed(&q->body->n_ids);
	for (; ref; left--) {
		struct seg_task_id *id = skip_node(&ids, ref) ? segment_at(q->seg, ref, sizeof(*id)) : NULL;
		uint32_t len = id ? load32_relaxed(&id->block.len) : 0;
		if (!id || !left || len > TASK_ID_MAX || !segment_at(q->seg, ref, sizeof(*id) + len))
			return SABIR_DATA_LOSS;
		const struct kept_id kept = { load64_relaxed(&id->until), id->hash.ordinal };
		enum sabir_error error = add(out, &kept, sizeof(kept), id + 1, len);
		if (error)
			return error;
		ref = load32_relaxed(&id->block.next);
	}
	return SABIR_OK;
}

static enum sabir_error read_all(const struct tasks *q, struct kept_tasks *kept)
{
	const struct skip ready = tasks_ready(q), dead = tasks_dead(q), timed = tasks_timed(q);
	const struct seg_task_queue *body = q->body;
	enum sabir_error error = add_set(q, &ready, true, &kept->items);
	if (!error)
		error = add_set(q, &dead, true, &kept->items);
	if (!error)
		error = add_set(q, &timed, false, &kept->items);
	if (!error)
		error = add_ids(q, &kept->ids);
	kept->next_ordinal = body->next_ordinal;
	kept->next_lease = body->next_lease;
	kept->unfinished = body->unfinished;
	kept->closed = body->closed != 0;
	kept->paused = body->paused != 0;
	return error;
}

enum sabir_error keep_tasks(struct lane *lane, uint64_t handle, struct kept_tasks *kept)
{
	struct tasks q;
	*kept = (struct kept_tasks){ .closed = false };
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = tasks_end(&q, read_all(&q, kept));
	if (error)
		kept_tasks_fini(kept);
	return error;
}

void kept_tasks_fini(struct kept_tasks *kept)
{
	bytes_fini(&kept->items);
	bytes_fini(&kept->ids);
}

/* ---------------------------------------------------------------- restoring */

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
