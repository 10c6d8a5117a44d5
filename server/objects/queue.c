/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue: putting, closing, and what is not done for one item at a time.
 *
 * A put prepares its items as a chain of blocks that nobody else knows, and publishes all of them by one compare-and-swap of
 * the first free slot. It holds nothing that others would have to wait for: a producer that is stopped or dies anywhere
 * leaves the queue as it was, or with his items in it. Items are numbered: an item's ordinal is fixed by the slot in front of
 * it, so the bound of a queue is checked against the ordinal of its first item, without a counter that could be wrong.
 * Close is a put of a mark behind which nothing can be put.
 */
#include "server/objects/queue.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/queue_kind.h"
#include "server/objects/refs.h"

enum sabir_error queue_enter(struct lane *lane, uint32_t op, uint64_t handle, struct queue *q)
{
	q->lane = lane;
	q->seg = lane->seg;
	q->index = object_index(handle);
	q->handle = handle;
	q->locked = false;
	q->accept = NULL;
	q->ordinals = NULL;
	q->stays_open = false;
	q->looks = 0;
	return object_enter(lane, op, handle, SEG_KIND_QUEUE, sizeof(*q->body), &q->object, &q->body);
}

void queue_leave(struct queue *q)
{
	object_leave(q->lane);
}

enum sabir_error queue_damaged(struct queue *q)
{
	return object_damaged(q->object);
}

/* ---------------------------------------------------------------- chains */

void queue_drop_chain(struct queue *q, struct seg_lane *of, uint32_t of_id, uint32_t *head)
{
	uint32_t ref = load32_relaxed(&of->hand[HAND_DROPPED]);
	/* A dead lane may have had a block between the chain and its freedom. */
	if (of != q->lane->shared && ref && ref != load32_relaxed(head))
		arena_free_of(q->lane, ref, of_id);
	while ((ref = load32_relaxed(head)) != 0) {
		struct seg_block *block = segment_at(q->seg, ref, sizeof(*block));
		uint64_t word = block ? load64_acquire(&block->word) : 0;
		uint32_t state = block_state(word);
		bool live = state == SEG_BLOCK_LIVE;
		bool ours = live ? queue_listed(q, ref) != NULL : block_lane(word) == of_id;
		uint32_t next = block ? load32_relaxed(&block->next) : 0;
		record32(&of->hand[HAND_DROPPED], ref);
		fence_compiler();
		uint64_t private = block_word(SEG_BLOCK_PRIVATE, of_id, 0, block_tag(word));
		/* One that leads to itself was here already: the chain is a ring. What is LIVE somebody may have found, and takes it. */
		if (!block || state == SEG_BLOCK_FREE || !ours || next == ref ||
		    (live && !cas64(&block->word, &word, private))) {
			store32_relaxed(head, 0);
			return;
		}
		store64_release(&block->word, private);
		FAULT("queue_chain.private");
		store32_relaxed(head, next);
		FAULT("queue_chain.shortened");
		fence_compiler();
		store32_relaxed(&block->next, ref);
		if (of == q->lane->shared)
			block_free(q->lane, block);
		else
			arena_free_of(q->lane, ref, of_id);
	}
}

/* Makes the blocks of the items, last first, as the chain that begins in the lane's intent. */
static enum sabir_error make_chain(struct queue *q, const struct queue_item *items, uint32_t n)
{
	struct seg_lane *shared = q->lane->shared;
	for (uint32_t i = n; i-- > 0;) {
		const struct queue_item *it = &items[i];
		size_t len = it->head.len + it->body.len;
		struct seg_block *block;
		enum sabir_error error = block_alloc(q->lane, sizeof(struct seg_item) + len, HAND_ITEM, &block);
		if (error)
			return error;
		struct seg_item *item = (struct seg_item *)block;
		uint8_t *data = (uint8_t *)(item + 1);
		/* Atomic stores, because one who still looks at the block's life before reads them, and throws away what it read. */
		store32_relaxed(&block->next, load32_relaxed(&shared->chain));
		store32_relaxed(&block->len, (uint32_t)len);
		if (it->head.len)
			memcpy(data, it->head.data, it->head.len);
		if (it->body.len)
			memcpy(data + it->head.len, it->body.data, it->body.len);
		refs_enter(q->lane, q->object, (struct span){ data, len });
		fence_compiler();
		store32_relaxed(&shared->chain, segment_ref(q->seg, block));
		FAULT("queue_put.chained");
	}
	return SABIR_OK;
}

void queue_abandon(struct queue *q)
{
	struct seg_lane *shared = q->lane->shared;
	if (!load32_relaxed(&shared->chain))
		return;
	record32(&shared->phase, SEG_PHASE_COMMITTED);
	/* Without a chain it would tell that the put has happened. */
	record64(&shared->slot_off, 0);
	fence_compiler();
	queue_drop_chain(q, shared, q->lane->id, &shared->chain);
	record32(&shared->phase, SEG_PHASE_OPEN);
}

/* An item of the chain: it is the lane's or, when it was numbered before, the queue's. NULL: the chain leads to somebody else's. */
static struct seg_item *chained_item(const struct queue *q, uint32_t ref, uint64_t *tag)
{
	struct seg_item *item = segment_at(q->seg, ref, sizeof(*item));
	uint64_t word = item ? load64_relaxed(&item->block.word) : 0;
	*tag = block_tag(word);
	return block_is_private(word, q->lane->id) || block_word_is_of(word, q->index) ? item : NULL;
}

/* Numbers the first k items of the chain, makes them LIVE, and cuts off the rest. */
static enum sabir_error number_chain(struct queue *q, uint64_t ordinal, uint32_t k)
{
	struct seg_lane *shared = q->lane->shared;
	uint32_t ref = load32_relaxed(&shared->chain);
	for (uint32_t i = 0; i < k; i++) {
		uint64_t tag;
		struct seg_item *item = chained_item(q, ref, &tag);
		if (!item)
			return queue_damaged(q);
		store64_relaxed(&item->ordinal, ordinal + i);
		store64_relaxed(&item->last, ordinal + k - 1);
		uint64_t live = block_word(SEG_BLOCK_LIVE, 0, q->index, tag);
		/* Noted before it is so: a LIVE word that is not the noted one tells that somebody has taken the item. */
		if (i == 0)
			queue_note_word(q->lane, live);
		store64_release(&item->block.word, live);
		ref = load32_relaxed(&item->block.next);
		if (i + 1 < k || !ref)
			continue;
		store32_relaxed(&shared->doomed, ref);
		fence_compiler();
		FAULT("queue_put.cutting");
		store32_relaxed(&item->block.next, 0);
	}
	FAULT("queue_put.numbered");
	queue_drop_chain(q, shared, q->lane->id, &shared->doomed);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- put */

/* How many of k items fit behind `ordinal`. */
static enum sabir_error room(struct queue *q, uint64_t ordinal, uint32_t k, uint32_t *fit)
{
	uint64_t max = load64_relaxed(&q->body->max_items);
	if (max == 0) {
		*fit = k;
		return SABIR_OK;
	}
	uint64_t limit = load64_relaxed(&q->body->put_limit);
	if (limit < ordinal + k) {
		struct seg_item *item;
		struct place place;
		uint64_t word, first = ordinal;
		enum sabir_error error = queue_first(q, &place, &item, &word);
		if (!error) {
			first = load64_relaxed(&item->ordinal);
			fence_acquire();
			if (load64_acquire(&item->block.word) != word)
				return SABIR_EMPTY; /* taken meanwhile: look again */
		} else if (error != SABIR_EMPTY && error != SABIR_CLOSED) {
			return error;
		}
		uint64_t elsewhere = (uint64_t)load32_relaxed(&q->body->n_returned) + load32_relaxed(&q->body->n_held);
		limit = first + (elsewhere < max ? max - elsewhere : 0);
		store64_relaxed(&q->body->put_limit, limit);
	}
	uint64_t left = limit > ordinal ? limit - ordinal : 0;
	*fit = left < k ? (uint32_t)left : k;
	return left ? SABIR_OK : SABIR_FULL;
}

/* Finds the end and how many of n items fit there. */
static enum sabir_error find_room(struct queue *q, uint32_t n, struct place *place, uint64_t *ordinal, uint32_t *fit)
{
	enum sabir_error error;
	do {
		error = queue_end(q, place, ordinal);
		if (!error)
			error = room(q, *ordinal, n, fit);
	} while (error == SABIR_EMPTY);
	return error;
}

enum sabir_error queue_publish(struct queue *q, uint32_t n, uint32_t *accepted)
{
	struct seg_lane *shared = q->lane->shared;
	struct place place;
	uint64_t ordinal;
	uint32_t fit;
	for (;;) {
		enum sabir_error error = find_room(q, n, &place, &ordinal, &fit);
		if (!error)
			error = number_chain(q, ordinal, fit);
		if (error)
			return error;
		uint64_t *slot = &place.slots->slot[place.i];
		uint64_t none = 0;
		n = fit;
		record64(&shared->slot_off, (uint64_t)((uint8_t *)slot - q->seg->base));
		lane_publishes(q->lane);
		FAULT("queue_put.prepared");
		/* Pairs with the load of the slot in first_in; event_notify's load of the waiters comes behind it. */
		if (cas64(slot, &none, load32_relaxed(&shared->chain)))
			break;
	}
	FAULT("queue_put.published");
	store32_relaxed(&shared->chain, 0);
	queue_move_tail(q, &place);
	place.i++;
	queue_note(q, &q->lane->put, &place, ordinal + n);
	FAULT("queue_put.tail_moved");
	change_note(q->lane, q->index, CHANGE_PUT, 0, n);
	event_notify(q->seg, q->index, SEG_EVENT_ITEMS, n);
	*accepted = n;
	return SABIR_OK;
}

static enum sabir_error check_items(const struct queue *q, const struct queue_item *items, uint32_t n)
{
	uint64_t most = load64_relaxed(&q->body->max_item_bytes);
	if (most > q->seg->max_item_bytes)
		most = q->seg->max_item_bytes;
	for (uint32_t i = 0; i < n; i++)
		if (items[i].head.len > most || items[i].body.len > most - items[i].head.len)
			return SABIR_TOO_LARGE;
	return n ? SABIR_OK : SABIR_INVALID_ARGUMENT;
}

static enum sabir_error put_once(struct lane *lane, uint64_t handle, const struct queue_item *items, uint32_t n,
				 uint32_t *accepted)
{
	struct queue q;
	struct place place;
	uint64_t ordinal;
	uint32_t fit = n;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_PUT, handle, &q);
	if (error)
		return error;
	error = check_items(&q, items, n);
	if (!error && load64_relaxed(&q.body->max_items)) /* do not prepare what has no room */
		error = find_room(&q, n, &place, &ordinal, &fit);
	if (!error)
		error = make_chain(&q, items, fit);
	if (!error)
		error = queue_publish(&q, fit, accepted);
	if (error)
		queue_abandon(&q);
	queue_leave(&q);
	return error;
}

enum sabir_error queue_put(struct lane *lane, uint64_t handle, const struct queue_item *items, uint32_t n,
			   uint32_t *accepted)
{
	enum sabir_error error = put_once(lane, handle, items, n, accepted);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = put_once(lane, handle, items, n, accepted);
	return error;
}

static enum sabir_error close_once(struct lane *lane, uint64_t handle)
{
	struct queue q;
	struct place place;
	uint64_t ordinal, none;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_CLOSE, handle, &q);
	if (error)
		return error;
	lane_publishes(lane);
	do {
		none = 0;
		error = queue_end(&q, &place, &ordinal);
	} while (!error && !cas64(&place.slots->slot[place.i], &none, SEG_SLOT_CLOSED));
	FAULT("queue_close.marked");
	if (!error) {
		change_note(lane, q.index, CHANGE_CLOSED, 0, 0);
		event_notify_all(q.seg, q.index);
	}
	queue_leave(&q);
	return error == SABIR_CLOSED ? SABIR_OK : error;
}

enum sabir_error queue_close(struct lane *lane, uint64_t handle)
{
	enum sabir_error error = close_once(lane, handle);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = close_once(lane, handle);
	return error;
}

/* ---------------------------------------------------------------- size */

/* Items between the first and the end, as of a moment when the first did not change. */
static enum sabir_error count(struct queue *q, uint64_t *n, bool *closed)
{
	struct seg_item *item;
	struct place place;
	uint64_t word, end, before, after;
	for (uint32_t tries = 0;; tries++) {
		enum sabir_error error = queue_first(q, &place, &item, &word);
		if (error == SABIR_EMPTY || error == SABIR_CLOSED) {
			*n = load32_relaxed(&q->body->n_returned);
			*closed = error == SABIR_CLOSED;
			return SABIR_OK;
		}
		if (error)
			return error;
		before = load64_relaxed(&item->ordinal);
		error = queue_end_ordinal(q, &end, closed);
		if (error)
			return error;
		after = load64_relaxed(&item->ordinal);
		fence_acquire();
		if ((load64_acquire(&item->block.word) == word && before == after) || tries > 1000) {
			*n = (end > before ? end - before : 0) + load32_relaxed(&q->body->n_returned);
			return SABIR_OK;
		}
	}
}

enum sabir_error queue_size(struct lane *lane, uint64_t handle, struct queue_size *size)
{
	struct queue q;
	struct queue_size made = { 0 };
	enum sabir_error error = queue_enter(lane, SEG_OP_READ, handle, &q);
	if (error)
		return error;
	made.max_items = load64_relaxed(&q.body->max_items);
	made.held = load32_relaxed(&q.body->n_held);
	error = count(&q, &made.size, &made.closed);
	queue_leave(&q);
	if (!error)
		*size = made;
	return error;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error queue_create(struct lane *lane, uint32_t index, const struct object_spec *spec,
				     struct seg_block **body)
{
	(void)index;
	struct seg_queue *q;
	struct seg_block *block;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(*q), 0, HAND_ITEM, &block);
	if (error)
		return error;
	q = (struct seg_queue *)block;
	q->max_items = spec->max_items;
	q->max_item_bytes = spec->max_item_bytes ? spec->max_item_bytes : lane->seg->max_item_bytes;
	*body = block;
	return SABIR_OK;
}

static void queue_describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct queue q = { .lane = lane, .seg = lane->seg, .object = object, .index = index };
	bool closed = false;
	q.body = object_body(lane->seg, object, sizeof(*q.body));
	if (!q.body || count(&q, &info->length, &closed))
		return;
	info->closed = closed;
	info->max_items = load64_relaxed(&q.body->max_items);
	info->max_item_bytes = load64_relaxed(&q.body->max_item_bytes);
	info->memory_bytes = queue_memory(&q, info->length);
}

const struct object_kind queue_kind = {
	.create = queue_create,
	.destroy = queue_destroy,
	.keeps = queue_keeps,
	.kept_gone = queue_kept_gone,
	.recover = queue_recover,
	.describe = queue_describe,
	.owner_gone = queue_owner_gone,
	.scan = queue_scan,
};
