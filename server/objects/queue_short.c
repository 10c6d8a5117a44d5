/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way through a queue: one small item, and the lane goes on where it was.
 *
 * A lane that puts or takes one item after the other finds, nearly always, the slot behind its last one free or full, a block
 * in its cache and nothing in the way. These two functions do the same steps as queue.c and queue_get.c for that case alone,
 * with the same record for the recovery. When the case is another one nothing has been done yet, and the long way looks at
 * everything anew. What the lane's cursor holds was checked when it was written and can't have changed while the
 * object's word and the segment's block word are the same.
 */
#include <string.h>

#include "server/objects/change.h"
#include "server/objects/queue_parts.h"

#define HINT_EVERY 16u /* slots, a power of two */

/* Begins the operation; false: the cursor does not lead there any more, and it is not begun. */
static inline bool enter_short(struct lane *lane, uint32_t op, uint64_t handle, const struct lane_cursor *at)
{
	const struct seg_object *object = &lane->seg->objects[object_index(handle)];
	store64_relaxed(&lane->shared->handle, handle);
	lane_begin(lane, op, object_index(handle));
	if (__builtin_expect(load64_acquire(&object->word) == ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE) &&
				     !load64_relaxed(&object->damaged) && at->i < at->n &&
				     load64_acquire(&at->slots->block.word) == at->word,
			     1))
		return true;
	lane_end(lane);
	return false;
}

/* What the long way needs to go on from the middle. */
static struct queue long_view(struct lane *lane, uint64_t handle, const struct lane_cursor *at)
{
	uint32_t index = object_index(handle);
	return (struct queue){ .lane = lane,
			       .seg = lane->seg,
			       .object = &lane->seg->objects[index],
			       .body = at->body,
			       .index = index,
			       .handle = handle };
}

/* ---------------------------------------------------------------- put */

/* The block of the item, filled and in the lane's chain; NULL: the cache is empty. */
static inline struct seg_item *make_item(struct lane *lane, const struct queue_item *it, uint64_t ordinal,
					 uint32_t *ref)
{
	struct seg_lane *shared = lane->shared;
	uint32_t len = (uint32_t)(it->head.len + it->body.len);
	uint32_t size = (uint32_t)sizeof(struct seg_item) + len;
	struct seg_item *item = (struct seg_item *)cache_take(lane, block_small_class(size), size, HAND_ITEM);
	if (!item)
		return NULL;
	uint8_t *data = (uint8_t *)(item + 1);
	*ref = load32_relaxed(&shared->hand[HAND_ITEM]);
	store32_relaxed(&item->block.next, 0);
	store32_relaxed(&item->block.len, len);
	for (size_t i = 0; i < it->head.len; i++)
		data[i] = it->head.data[i];
	if (it->body.len)
		memcpy(data + it->head.len, it->body.data, it->body.len);
	fence_compiler();
	store32_relaxed(&shared->chain, *ref);
	FAULT("queue_put.chained");
	store64_relaxed(&item->ordinal, ordinal);
	store64_relaxed(&item->last, ordinal);
	return item;
}

__attribute__((noinline, cold)) static enum sabir_error put_long(struct lane *lane, uint64_t handle,
								 const struct queue_item *it)
{
	uint32_t accepted;
	return queue_put(lane, handle, it, 1, &accepted);
}

/* Somebody else was faster at the slot: the item, made and in the chain, goes behind his. */
__attribute__((noinline, cold)) static enum sabir_error publish_long(struct lane *lane, uint64_t handle)
{
	struct queue q = long_view(lane, handle, &lane->put);
	uint32_t accepted;
	enum sabir_error error = queue_publish(&q, 1, &accepted);
	if (error)
		queue_abandon(&q);
	queue_leave(&q);
	return error;
}

/* A Value that may refer to an object has more to be done for: refs.h. */
static inline bool may_refer(const struct queue_item *it)
{
	const struct span *first = it->head.len ? &it->head : &it->body;
	return first->len && value_may_refer(first->data[0]);
}

enum sabir_error queue_put_one(struct lane *lane, uint64_t handle, const struct queue_item *it)
{
	struct lane_cursor *at = &lane->put;
	struct seg_lane *shared = lane->shared;
	size_t len = it->head.len + it->body.len;
	uint32_t ref;
	if (at->handle != handle || it->head.len > 16 || it->body.len > BLOCK_SMALL - 16 - sizeof(struct seg_item) ||
	    __builtin_expect(may_refer(it), 0))
		return put_long(lane, handle, it);
	if (!enter_short(lane, SEG_OP_QUEUE_PUT, handle, at))
		return put_long(lane, handle, it);

	uint64_t ordinal = at->ordinal;
	uint64_t *slot = &at->slots->slot[at->i];
	uint64_t none = 0;
	bool fits = !load64_relaxed(&at->body->max_items) || ordinal < load64_relaxed(&at->body->put_limit);
	/* As long as the slot is free the tail can't have gone further than its segment. */
	uint64_t tail = at->i % HINT_EVERY == HINT_EVERY - 1 ? load64_acquire(&at->body->tail) : 0;
	struct seg_item *item = NULL;
	if (fits && load64_acquire(slot) == 0 && len <= load64_relaxed(&at->body->max_item_bytes))
		item = make_item(lane, it, ordinal, &ref);
	if (!item) {
		lane_end(lane);
		return put_long(lane, handle, it);
	}
	queue_note_word(lane, &item->block, object_index(handle));
	block_publish(&item->block, object_index(handle));
	FAULT("queue_put.numbered");
	store64_relaxed(&shared->slot_off, (uint64_t)((uint8_t *)slot - lane->seg->base));
	FAULT("queue_put.prepared");
	/* Pairs with the load of the slot in first_in; event_notify's load of the waiters comes behind it. */
	if (__builtin_expect(!cas64(slot, &none, ref), 0))
		return publish_long(lane, handle);
	FAULT("queue_put.published");
	store32_relaxed(&shared->chain, 0);
	at->i++;
	at->ordinal = ordinal + 1;
	if (tail)
		cas64(&at->body->tail, &tail, at->ref | (uint64_t)at->i << 32);
	FAULT("queue_put.tail_moved");
	change_note(lane, object_index(handle), CHANGE_PUT, 0, 1);
	event_notify(lane->seg, object_index(handle), SEG_EVENT_ITEMS, 1);
	lane_end(lane);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- get */

/* The item behind it was written by another processor, mostly; the next get will want it, and write into its first line. */
static inline void prefetch_next(const struct lane *lane, const struct lane_cursor *at)
{
	uint64_t seen = at->i + 1 < at->n ? load64_relaxed(&at->slots->slot[at->i + 1]) : 0;
	const uint8_t *item = segment_at(lane->seg, (uint32_t)seen, 2 * SEG_LINE);
	if (seen > UINT32_MAX || !item)
		return;
	prefetch_write(item);
	__builtin_prefetch(item + SEG_LINE);
}

/* What is in the first slot that is not DONE; all in front of the cursor are. */
static inline uint64_t first_slot(struct lane_cursor *at)
{
	uint64_t seen;
	while (((seen = load64_acquire(&at->slots->slot[at->i])) & SEG_SLOT_DONE) && at->i + 1 < at->n)
		at->i++;
	return seen;
}

/* An item that was found, and where its bytes will go. */
struct found {
	struct seg_item *item;
	uint64_t word;
	uint32_t ref;
	uint32_t len;
	uint8_t *to;
};

/*
 * Looks at the item in the cursor's slot and makes room for it in `out`; false: look the long way. Its length is read before
 * the claim, which tells whether it was still the same item.
 */
static inline bool find_item(struct lane *lane, const struct lane_cursor *at, uint32_t index, struct bytes *out,
			     struct found *f)
{
	f->item = segment_at(lane->seg, f->ref, sizeof(*f->item));
	if (!f->item)
		return false;
	f->word = load64_acquire(&f->item->block.word);
	f->len = load32_relaxed(&f->item->block.len);
	if (block_state(f->word) != SEG_BLOCK_LIVE || block_object(f->word) != index ||
	    load64_acquire(&at->slots->slot[at->i]) != f->ref || f->len > lane->seg->max_item_bytes ||
	    !segment_at(lane->seg, f->ref, sizeof(*f->item) + (size_t)f->len))
		return false;
	f->to = bytes_reserve(out, f->len);
	return f->to != NULL;
}

/* The publishing store of the get, and the end of its one item. */
static inline void finish_get(struct queue *q, struct seg_item *item, uint32_t ref)
{
	struct seg_lane *shared = q->lane->shared;
	fence_compiler();
	store32_relaxed(&shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("queue_get.committed");
	store32_relaxed(&shared->hand[HAND_DROPPED], ref);
	fence_compiler();
	block_retract(q->lane, &item->block);
	FAULT("queue_chain.private");
	store32_relaxed(&shared->chain, 0);
	FAULT("queue_chain.shortened");
	if (!cache_give(q->lane, ref, HAND_DROPPED))
		block_free(q->lane, &item->block);
	store32_relaxed(&shared->phase, SEG_PHASE_OPEN);
	FAULT("queue_get.freed");
	change_note(q->lane, q->index, CHANGE_TAKEN, 0, 1);
	/* Pairs with the flag that a waiting putter sets before it looks at the slots that we changed. */
	if (load64_relaxed(&q->body->max_items))
		event_notify(q->seg, q->index, SEG_EVENT_ROOM, 1);
}

enum sabir_error queue_get_one(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct lane_cursor *at = &lane->took;
	if (at->handle != handle || out->n_items || !enter_short(lane, SEG_OP_QUEUE_GET, handle, at))
		return queue_get(lane, handle, 1, out);

	struct queue q = long_view(lane, handle, at);
	/* As long as an item is in the slot the head can't have gone further than its segment. */
	uint64_t head = at->i % HINT_EVERY == HINT_EVERY - 1 ? load64_acquire(&at->body->head) : 0;
	bool returned = load32_acquire(&at->body->n_returned);
	uint64_t seen = first_slot(at);
	if (seen == 0 && !returned) {
		lane_end(lane);
		return SABIR_EMPTY;
	}
	struct found f = { .ref = (uint32_t)seen };
	uint64_t *slot = &at->slots->slot[at->i];
	bool found = !returned && seen <= UINT32_MAX && find_item(lane, at, q.index, out, &f);
	if (found)
		prefetch_next(lane, at);
	if (!found || !queue_claim(lane, slot, f.item, f.ref, f.word)) {
		lane_end(lane);
		return queue_get(lane, handle, 1, out);
	}
	if (load64_relaxed(slot) & SEG_SLOT_DONE)
		at->i++;
	if (head)
		cas64(&at->body->head, &head, at->ref | (uint64_t)at->i << 32);
	memcpy(f.to, f.item + 1, f.len);
	bytes_commit(out, f.len);
	lane->got_ordinal = load64_relaxed(&f.item->ordinal);
	finish_get(&q, f.item, f.ref);
	lane_end(lane);
	return SABIR_OK;
}
