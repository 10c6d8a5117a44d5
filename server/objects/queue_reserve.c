/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting in two steps, without a copy: the program writes the item where it will stand.
 *
 *   queue_reserve: PRIVATE(lane), in lane.reserved ──queue_commit──► LIVE in the queue
 *                        ▲                └──────────queue_forgo──► freed
 *                        └── no room: reserved as before
 *
 * A reserved block belongs to the lane and to no queue; which queue it goes to is said by the commit. It is the lane's by
 * its word, from the step of the allocation that took it, and is recorded in the lane's record beyond the operations: in
 * the hand or among the reserved at any moment, in both for one, which does no harm: what is freed twice is PRIVATE once.
 *
 * A commit is a put whose chain is made already. While it goes on, the block is in the chain and among the reserved: its
 * recovery as a put says whether it is in the queue, and what is in the queue is not PRIVATE, so the reserved ref frees
 * nothing.
 */
#include <string.h>

#include "server/objects/queue_parts.h"
#include "server/objects/refs.h"

/* ---------------------------------------------------------------- reserve */

static enum sabir_error check_len(const struct queue *q, size_t len)
{
	uint64_t most = load64_relaxed(&q->body->max_item_bytes);
	if (most > q->seg->max_item_bytes)
		most = q->seg->max_item_bytes;
	return len > most ? SABIR_TOO_LARGE : SABIR_OK;
}

static enum sabir_error reserve_once(struct lane *lane, uint64_t handle, struct span head, size_t len,
				     struct queue_slot *slot)
{
	struct queue q;
	struct seg_block *block;
	uint32_t place;
	enum sabir_error error = queue_enter(lane, SEG_OP_READ, handle, &q);
	if (error)
		return error;
	error = len > SIZE_MAX - head.len ? SABIR_TOO_LARGE : check_len(&q, head.len + len);
	if (!error)
		error = block_reserve(lane, sizeof(struct seg_item) + head.len + len, HAND_ITEM, &place, &block);
	if (!error) {
		uint8_t *data = (uint8_t *)((struct seg_item *)block + 1);
		store32_relaxed(&block->next, 0);
		store32_relaxed(&block->len, (uint32_t)(head.len + len));
		if (head.len)
			memcpy(data, head.data, head.len);
		*slot = (struct queue_slot){ data + head.len, segment_ref(lane->seg, block), place };
		FAULT("queue_reserve.reserved");
	}
	queue_leave(&q);
	return error;
}

enum sabir_error queue_reserve(struct lane *lane, uint64_t handle, struct span head, size_t len,
			       struct queue_slot *slot)
{
	enum sabir_error error = reserve_once(lane, handle, head, len, slot);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = reserve_once(lane, handle, head, len, slot);
	return error;
}

static bool is_reserved(const struct lane *lane, const struct queue_slot *slot)
{
	return slot->ref && slot->place < SEG_RESERVED_REFS &&
	       load32_relaxed(&lane->shared->reserved[slot->place]) == slot->ref;
}

/* What is reserved is the lane's, unless somebody has written where he had nothing to write. */
static bool is_ours(const struct lane *lane, const struct seg_block *block)
{
	uint64_t word = block ? load64_relaxed(&block->word) : 0;
	return block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == lane->id;
}

/* The block of the slot. Errors: INVALID_ARGUMENT (it is not the lane's), DATA_LOSS. */
static enum sabir_error slot_item(const struct lane *lane, const struct queue_slot *slot, struct seg_item **item,
				  uint32_t *len)
{
	if (!is_reserved(lane, slot))
		return SABIR_INVALID_ARGUMENT;
	struct seg_item *at = queue_item_at(lane->seg, slot->ref, len);
	if (!at || !is_ours(lane, &at->block))
		return SABIR_DATA_LOSS;
	*item = at;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- commit */

/* It is not in the queue, and is the lane's alone again. */
static void take_back(struct lane *lane, struct seg_item *item)
{
	uint64_t tag = block_tag(load64_relaxed(&item->block.word));
	store64_release(&item->block.word, block_word(SEG_BLOCK_PRIVATE, lane->id, 0, tag));
	fence_compiler();
	FAULT("queue_commit.taken_back");
	store32_relaxed(&lane->shared->chain, 0);
	fence_compiler();
}

static enum sabir_error commit_entered(struct queue *q, const struct queue_slot *slot)
{
	struct seg_lane *shared = q->lane->shared;
	uint32_t len, accepted;
	struct seg_item *item;
	enum sabir_error error = slot_item(q->lane, slot, &item, &len);
	if (!error)
		error = check_len(q, len);
	if (error)
		return error;
	/* The chain of one ends here, whoever has written meanwhile. */
	store32_relaxed(&item->block.next, 0);
	refs_enter(q->lane, q->object, (struct span){ (const uint8_t *)(item + 1), len });
	fence_compiler();
	store32_relaxed(&shared->chain, slot->ref);
	fence_compiler();
	FAULT("queue_commit.chained");
	error = queue_publish(q, 1, &accepted);
	if (error) {
		take_back(q->lane, item);
		return error;
	}
	FAULT("queue_commit.published");
	store32_relaxed(&shared->reserved[slot->place], 0);
	fence_compiler();
	return SABIR_OK;
}

static enum sabir_error commit_once(struct lane *lane, uint64_t handle, const struct queue_slot *slot)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_PUT, handle, &q);
	if (error)
		return error;
	error = commit_entered(&q, slot);
	queue_leave(&q);
	return error;
}

enum sabir_error queue_commit(struct lane *lane, uint64_t handle, const struct queue_slot *slot)
{
	enum sabir_error error = commit_once(lane, handle, slot);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = commit_once(lane, handle, slot);
	return error;
}

/* ---------------------------------------------------------------- forgo */

enum sabir_error queue_forgo(struct lane *lane, const struct queue_slot *slot)
{
	if (!is_reserved(lane, slot))
		return SABIR_INVALID_ARGUMENT;
	struct seg_block *block = segment_at(lane->seg, slot->ref, sizeof(*block));
	lane_begin(lane, SEG_OP_READ, 0);
	if (is_ours(lane, block)) {
		block_unreserve(lane, slot->place, HAND_ITEM);
		FAULT("queue_forgo.in_hand");
		block_free(lane, block);
	} else {
		/* Damaged: nobody knows whose it is, but the place is the lane's. */
		store32_relaxed(&lane->shared->reserved[slot->place], 0);
	}
	lane_end(lane);
	return SABIR_OK;
}
