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
	const struct seg_slots *slots = at->slots;
	record64(&lane->shared->handle, handle);
	lane_begin(lane, op, object_index(handle));
	if (__builtin_expect(load64_acquire(&object->word) == ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE) &&
				     !load64_relaxed(&object->damaged) && at->i < at->n &&
				     load64_acquire(&slots->block.word) == at->word,
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

/* The cache is empty: it is filled, and the block taken. NULL: there is no memory. */
__attribute__((noinline, cold)) static struct seg_block *take_anew(struct lane *lane, uint32_t size, uint64_t *tag)
{
	struct seg_block *made;
	if (block_alloc(lane, size, HAND_ITEM, &made))
		return NULL;
	*tag = block_tag(load64_relaxed(&made->word));
	return made;
}

/* The block of the item, filled and in the lane's chain, its ref and its tag; NULL: there is no memory. */
static inline struct seg_item *make_item(struct lane *lane, const struct queue_item *it, uint64_t ordinal,
					 uint32_t *ref, uint64_t *tag)
{
	struct seg_lane *shared = lane->shared;
	struct span head = it->head, body = it->body;
	uint32_t len = (uint32_t)(head.len + body.len);
	uint32_t size = (uint32_t)sizeof(struct seg_item) + len;
	struct seg_block *block = cache_take(lane, block_small_class(size), size, HAND_ITEM, tag);
	if (__builtin_expect(!block, 0))
		block = take_anew(lane, size, tag);
	if (!block)
		return NULL;
	struct seg_item *item = (struct seg_item *)block;
	uint8_t *data = (uint8_t *)(item + 1);
	*ref = segment_ref(lane->seg, item);
	store32_relaxed(&item->block.next, 0);
	store32_relaxed(&item->block.len, len);
	for (size_t i = 0; i < head.len; i++)
		data[i] = head.data[i];
	copy_few(data + head.len, body.data, body.len);
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

/* The publishing store of the put; false: somebody else was faster at the slot. `live` is the word that the item's block gets. */
static inline bool publish(struct lane *lane, struct seg_item *item, uint32_t ref, uint64_t live, uint64_t *slot)
{
	struct seg_lane *shared = lane->shared;
	uint64_t none = 0;
	queue_note_word(lane, live);
	store64_release(&item->block.word, live);
	FAULT("queue_put.numbered");
	record64(&shared->slot_off, (uint64_t)((uint8_t *)slot - lane->seg->base));
	FAULT("queue_put.prepared");
	/* Pairs with the load of the slot in first_in; event_notify's load of the waiters comes behind it. */
	if (!cas64(slot, &none, ref))
		return false;
	FAULT("queue_put.published");
	store32_relaxed(&shared->chain, 0);
	return true;
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
	size_t len = it->head.len + it->body.len;
	if (at->handle != handle || it->head.len > 16 || it->body.len > BLOCK_SMALL - 16 - sizeof(struct seg_item) ||
	    __builtin_expect(may_refer(it), 0))
		return put_long(lane, handle, it);
	if (!enter_short(lane, SEG_OP_QUEUE_PUT, handle, at))
		return put_long(lane, handle, it);

	const uint64_t ordinal = at->ordinal;
	const uint32_t index = object_index(handle), i = at->i;
	struct seg_queue *body = at->body;
	uint64_t *slot = &at->slots->slot[i];
	uint64_t tag;
	uint32_t ref;
	bool fits = !load64_relaxed(&body->max_items) || ordinal < load64_relaxed(&body->put_limit);
	/* As long as the slot is free the tail can't have gone further than its segment. */
	uint64_t tail = i % HINT_EVERY == HINT_EVERY - 1 ? load64_acquire(&body->tail) : 0;
	struct seg_item *item = NULL;
	if (fits && load64_acquire(slot) == 0 && len <= load64_relaxed(&body->max_item_bytes))
		item = make_item(lane, it, ordinal, &ref, &tag);
	if (!item) {
		lane_end(lane);
		return put_long(lane, handle, it);
	}
	if (__builtin_expect(!publish(lane, item, ref, block_word(SEG_BLOCK_LIVE, 0, index, tag), slot), 0))
		return publish_long(lane, handle);
	at->i = i + 1;
	at->ordinal = ordinal + 1;
	if (tail)
		cas64(&body->tail, &tail, at->ref | (uint64_t)(i + 1) << 32);
	FAULT("queue_put.tail_moved");
	change_note(lane, index, CHANGE_PUT, 0, 1);
	event_notify(lane->seg, index, SEG_EVENT_ITEMS, 1);
	lane_end(lane);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- get */

/* The item behind it was written by another processor, mostly; the next get will want it, and write into its first line. */
static inline void prefetch_item(const struct segment *seg, const struct seg_slots *slots, uint32_t i, uint32_t n)
{
	uint64_t seen = i < n ? load64_relaxed(&slots->slot[i]) : 0;
	const uint8_t *item = segment_at(seg, (uint32_t)seen, 2 * SEG_LINE);
	if (seen > UINT32_MAX || !item)
		return;
	prefetch_write(item);
	__builtin_prefetch(item + SEG_LINE);
}

/* What is in the first slot that is not DONE; all in front of the cursor are. */
static inline uint64_t first_slot(struct lane_cursor *at)
{
	const struct seg_slots *slots = at->slots;
	const uint32_t n = at->n;
	uint32_t i = at->i;
	uint64_t seen;
	while (((seen = load64_acquire(&slots->slot[i])) & SEG_SLOT_DONE) && i + 1 < n)
		i++;
	at->i = i;
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
 * Looks at the item in the slot and makes room for it in `out`; false: look the long way. Its length is read before the
 * claim, which tells whether it was still the same item.
 */
static inline bool find_item(const struct segment *seg, const uint64_t *slot, uint32_t index, struct bytes *out,
			     struct found *f)
{
	f->item = segment_at(seg, f->ref, sizeof(*f->item));
	if (!f->item)
		return false;
	f->word = load64_acquire(&f->item->block.word);
	f->len = load32_relaxed(&f->item->block.len);
	uint64_t behind = seg->data_len - (uint64_t)((uint8_t *)(f->item + 1) - seg->data);
	if (block_state(f->word) != SEG_BLOCK_LIVE || block_object(f->word) != index ||
	    load64_acquire(slot) != f->ref || f->len > seg->max_item_bytes || f->len > behind)
		return false;
	f->to = bytes_reserve(out, f->len);
	return f->to != NULL;
}

/* The publishing store of the get, and the end of its one item. */
static inline void finish_get(struct lane *lane, uint32_t index, const struct found *f)
{
	struct seg_lane *shared = lane->shared;
	fence_compiler();
	record32(&shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("queue_get.committed");
	record32(&shared->hand[HAND_DROPPED], f->ref);
	fence_compiler();
	store64_release(&f->item->block.word, block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(f->word)));
	FAULT("queue_chain.private");
	store32_relaxed(&shared->chain, 0);
	FAULT("queue_chain.shortened");
	if (!cache_give(lane, f->ref, HAND_DROPPED))
		block_free(lane, &f->item->block);
	record32(&shared->phase, SEG_PHASE_OPEN);
	FAULT("queue_get.freed");
	change_note(lane, index, CHANGE_TAKEN, 0, 1);
}

enum sabir_error queue_get_one(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct lane_cursor *at = &lane->took;
	if (at->handle != handle || out->n_items || !enter_short(lane, SEG_OP_QUEUE_GET, handle, at))
		return queue_get(lane, handle, 1, out);

	const struct segment *seg = lane->seg;
	const uint32_t index = object_index(handle);
	struct seg_queue *body = at->body;
	/* As long as an item is in the slot the head can't have gone further than its segment. */
	uint64_t head = at->i % HINT_EVERY == HINT_EVERY - 1 ? load64_acquire(&body->head) : 0;
	bool returned = load32_acquire(&body->n_returned);
	uint64_t seen = first_slot(at);
	if (seen == 0 && !returned) {
		lane_end(lane);
		return SABIR_EMPTY;
	}
	struct seg_slots *slots = at->slots;
	const uint32_t i = at->i;
	uint64_t *slot = &slots->slot[i];
	struct found f = { .ref = (uint32_t)seen };
	bool found = !returned && seen <= UINT32_MAX && find_item(seg, slot, index, out, &f);
	if (found)
		prefetch_item(seg, slots, i + 1, at->n);
	if (!found || !queue_claim(lane, slot, f.item, f.ref, f.word)) {
		lane_end(lane);
		return queue_get(lane, handle, 1, out);
	}
	if (load64_relaxed(slot) & SEG_SLOT_DONE)
		at->i = i + 1;
	if (head)
		cas64(&body->head, &head, at->ref | (uint64_t)at->i << 32);
	copy_few(f.to, (const uint8_t *)(f.item + 1), f.len);
	bytes_commit(out, f.len);
	lane->got_ordinal = load64_relaxed(&f.item->ordinal);
	finish_get(lane, index, &f);
	/* Pairs with the flag that a waiting putter sets before it looks at the slots that we changed. */
	if (load64_relaxed(&body->max_items))
		event_notify(seg, index, SEG_EVENT_ROOM, 1);
	lane_end(lane);
	return SABIR_OK;
}
