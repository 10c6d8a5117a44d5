/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoing a get whose items could not be handed over: to a remote program, the hand-over is the response, and a server learns
 * only behind the get that there is nobody to receive it.
 *
 * The items are made again, under their old numbers, as if the lane had just taken them: in its chain and TAKEN, in an operation
 * that has not been committed. From there they go back like those of a getter that died, by the same function; and if the
 * lane dies here, by its recovery: there is no other copy of them. Of what is counted (lane->returned) there is another, from which
 * somebody will go on behind those that were counted; so the recovery only drops what this one has made (SEG_PHASE_MAKING).
 */
#include <string.h>

#include "server/objects/queue_parts.h"

/* A slot that no item is in: a step of a get that was done already. */
static uint64_t *no_slot(struct queue *q)
{
	return &q->body->pad0[0];
}

static enum sabir_error make_taken(struct queue *q, struct span body, uint64_t ordinal)
{
	struct seg_lane *shared = q->lane->shared;
	struct seg_block *block;
	enum sabir_error error = block_alloc(q->lane, sizeof(struct seg_item) + body.len, HAND_ITEM, &block);
	if (error)
		return error;
	struct seg_item *item = (struct seg_item *)block;
	uint32_t ref = segment_ref(q->seg, block);
	store32_relaxed(&block->next, load32_relaxed(&shared->chain));
	store32_relaxed(&block->len, (uint32_t)body.len);
	store64_relaxed(&item->ordinal, ordinal);
	store64_relaxed(&item->last, ordinal);
	if (body.len)
		memcpy(item + 1, body.data, body.len);
	FAULT("queue_unget.made");
	store64_relaxed(&shared->slot_off, (uint64_t)((uint8_t *)no_slot(q) - q->seg->base));
	store32_relaxed(&shared->candidate, ref);
	fence_compiler();
	uint64_t tag = block_tag(load64_relaxed(&block->word));
	store64_release(&block->word, block_word(SEG_BLOCK_TAKEN, q->lane->id, 0, tag));
	fence_compiler();
	FAULT("queue_unget.taken");
	store32_relaxed(&shared->chain, ref);
	fence_compiler();
	store32_relaxed(&shared->candidate, 0);
	FAULT("queue_unget.chained");
	return SABIR_OK;
}

/* What was made is gone again. */
static void unmake(struct queue *q)
{
	struct seg_lane *shared = q->lane->shared;
	store32_relaxed(&shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	queue_drop_chain(q, shared, q->lane->id, &shared->chain);
	store32_relaxed(&shared->phase, SEG_PHASE_OPEN);
}

static uint64_t ordinal_at(const void *ordinals, uint32_t i)
{
	uint64_t ordinal;
	memcpy(&ordinal, (const uint8_t *)ordinals + (size_t)i * sizeof(ordinal), sizeof(ordinal));
	return ordinal;
}

static enum sabir_error unget_once(struct lane *lane, uint64_t handle, const void *ordinals, const struct span *items,
				   uint32_t n, uint32_t from)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	if (error)
		return error;
	/* First, so that nothing is made for a lock that is not to be had. */
	error = lock_acquire(lane, &q.object->lock);
	if (error) {
		queue_leave(&q);
		return error;
	}
	FAULT("queue_unget.locked");
	store32_relaxed(&lane->shared->phase, lane->returned ? SEG_PHASE_MAKING : SEG_PHASE_OPEN);
	fence_compiler();
	for (uint32_t i = n; !error && i-- > from;)
		error = items[i].len > lane->seg->max_item_bytes ? SABIR_TOO_LARGE
								 : make_taken(&q, items[i], ordinal_at(ordinals, i));
	if (error)
		unmake(&q);
	else
		error = queue_give_back_locked(&q, lane->shared, lane->id);
	store32_relaxed(&lane->shared->phase, SEG_PHASE_OPEN);
	lock_release(lane, &q.object->lock);
	event_notify_all(q.seg, q.index);
	queue_leave(&q);
	return error;
}

enum sabir_error queue_unget(struct lane *lane, uint64_t handle, const void *ordinals, const struct span *items,
			     uint32_t n, uint32_t *n_back)
{
	uint32_t from = *n_back < n ? *n_back : n;
	enum sabir_error error = unget_once(lane, handle, ordinals, items, n, from);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = unget_once(lane, handle, ordinals, items, n, from);
	if (!error)
		*n_back = n;
	return error;
}
