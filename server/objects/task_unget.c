/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoing a get for good whose items could not be handed over, as queue_unget does it for plain queues.
 *
 *   bytes and place ──► block in the lane's hand ──► READY at its old place, in one transaction each
 *
 * All of it under the lock, so the others see all of them back at once. If the lane dies, those stay that were back; what
 * was not is lost with it, unless there is another copy, and lane->returned says how many of that are back.
 */
#include <string.h>

#include "server/objects/task_parts.h"

static void fill_item(struct seg_task *item, struct span body, const struct task_place *place)
{
	memset(&item->order, 0, sizeof(*item) - sizeof(item->block));
	item->block.next = 0;
	item->block.len = (uint32_t)body.len;
	item->order.key = place->key;
	item->order.ordinal = item->time.ordinal = place->ordinal;
	item->expires = place->expires;
	item->origin = place->origin;
	item->priority = place->priority;
	item->attempts = place->attempts;
	if (body.len)
		memcpy(item + 1, body.data, body.len);
}

static enum sabir_error put_back(struct tasks *q, struct span body, const struct task_place *place)
{
	struct seg_block *block;
	if (body.len > q->seg->max_item_bytes)
		return SABIR_TOO_LARGE;
	enum sabir_error error = block_alloc(q->lane, sizeof(struct seg_task) + body.len, TASK_HAND_ITEM, &block);
	if (error)
		return error;
	struct seg_task *item = (struct seg_task *)block;
	fill_item(item, body, place);
	FAULT("task_unget.made");
	error = tasks_link(q, item, SEG_TASK_READY, place->expires);
	if (error) {
		journal_undo(q->lane);
		block_free(q->lane, block);
		return error;
	}
	tasks_adopt(q, block);
	journal_count_returned(q->lane);
	tasks_commit(q);
	store32_relaxed(&q->lane->shared->hand[TASK_HAND_ITEM], 0);
	FAULT("task_unget.back");
	return SABIR_OK;
}

/* From the *done-th on, which goes on with what is back. */
static enum sabir_error put_all_back(struct lane *lane, uint64_t handle, const struct span *items, const void *places,
				     uint32_t n, uint32_t *done)
{
	struct tasks q;
	struct task_place place;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	for (; !error && *done < n; *done += !error) {
		memcpy(&place, (const uint8_t *)places + *done * sizeof(place), sizeof(place));
		error = put_back(&q, items[*done], &place);
	}
	return tasks_end(&q, error);
}

enum sabir_error task_queue_unget(struct lane *lane, uint64_t handle, const struct span *items, const void *places,
				  uint32_t n, uint32_t *n_back)
{
	enum sabir_error error = put_all_back(lane, handle, items, places, n, n_back);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = put_all_back(lane, handle, items, places, n, n_back);
	return error;
}
