/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking items out of a queue.
 *
 *   LIVE in its slot ──CAS──► TAKEN by the lane ──► out of the slot ──► in the lane's chain ──► copied ──► phase COMMITTED ──► freed
 *
 * The claim makes the item invisible to other getters, which go on with the next one. Until the phase is COMMITTED, the
 * one publishing store of a get, the items belong to the queue: if the lane dies they go back to their old place. That place may
 * have been used up, so the queue has a list of returned items, in the order of their ordinals, under the object's lock; getters
 * look there first. It is empty unless a getter died.
 *
 * A getter takes only what it has made room for, so it never has to give anything back itself: that needs the lock, whose
 * holder may have been stopped.
 *
 * Several items are taken only as long as they follow each other without a gap, so a get of many is one step of the queue's
 * order like a get of one.
 */
#include <string.h>

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/queue_parts.h"
#include "server/objects/refs.h"

/* ---------------------------------------------------------------- returned items */

uint32_t *queue_returned_link(struct queue *q, uint32_t *from, uint64_t ordinal)
{
	struct ring ring = { 0 };
	uint32_t at;
	while ((at = load32_relaxed(from)) != 0) {
		struct seg_item *other = queue_listed(q, at);
		if (!other || ring_closes(&ring, at))
			return NULL;
		if (load64_relaxed(&other->ordinal) > ordinal)
			break;
		from = &other->block.next;
	}
	return from;
}

/*
 * Puts an item in front of those with higher ordinals, at or behind `from`; one journaled transaction that also takes it off the chain
 * of `of`.
 */
static bool return_item(struct queue *q, struct seg_lane *of, struct seg_item *item, uint32_t ref, uint32_t *from)
{
	struct lane *lane = q->lane;
	uint32_t *link = queue_returned_link(q, from, load64_relaxed(&item->ordinal));
	uint64_t word = load64_relaxed(&item->block.word);
	uint32_t len;
	if (!link)
		return false;
	if (queue_item_at(q->seg, ref, &len))
		refs_enter(lane, q->object, (struct span){ (uint8_t *)(item + 1), len });
	uint32_t chain_next = load32_relaxed(&item->block.next);
	journal_store32(lane, &item->block.next, load32_relaxed(link));
	/* A new tag: a getter that saw the item in its slot must not take it from the list. */
	journal_store64(lane, &item->block.word, block_word(SEG_BLOCK_LIVE, 0, q->index, block_tag(word) + 1));
	journal_store32(lane, link, ref);
	journal_store32(lane, &q->body->n_returned, load32_relaxed(&q->body->n_returned) + 1);
	journal_store32(lane, &of->chain, chain_next);
	journal_count_returned(lane);
	journal_commit(lane);
	FAULT("queue_return.returned");
	return true;
}

enum sabir_error queue_give_back_locked(struct queue *q, struct seg_lane *of, uint32_t of_id)
{
	enum sabir_error error = SABIR_OK;
	uint32_t ref, *from = &q->body->returned;
	uint64_t last = 0;
	while ((ref = load32_relaxed(&of->chain)) != 0) {
		struct seg_item *item = segment_at(q->seg, ref, sizeof(*item));
		uint64_t word = item ? load64_acquire(&item->block.word) : 0;
		bool taken = block_state(word) == SEG_BLOCK_TAKEN && block_lane(word) == of_id;
		uint64_t ordinal = taken ? load64_relaxed(&item->ordinal) : 0;
		/* Mostly they stand in their order: the next one belongs behind this one. */
		if (ordinal < last)
			from = &q->body->returned;
		if (!taken || !return_item(q, of, item, ref, from)) {
			error = queue_damaged(q);
			queue_drop_chain(q, of, of_id, &of->chain);
			continue;
		}
		from = &item->block.next;
		last = ordinal;
	}
	return error;
}

enum sabir_error queue_give_back(struct queue *q, struct seg_lane *of, uint32_t of_id)
{
	if (!load32_relaxed(&of->chain))
		return SABIR_OK;
	/* In a recovery the dead lane may hold the lock; its holder is no danger any more. */
	bool locked = !lock_held_by(&q->object->lock, of_id) || of == q->lane->shared;
	enum sabir_error error = locked ? lock_acquire(q->lane, &q->object->lock) : SABIR_OK;
	if (error == SABIR_BUSY)
		return SABIR_BUSY;
	/* What can't go back never can: the queue is damaged, and tells whoever comes. */
	if (error)
		queue_drop_chain(q, of, of_id, &of->chain);
	else
		(void)queue_give_back_locked(q, of, of_id);
	if (locked && !error)
		lock_release(q->lane, &q->object->lock);
	event_notify_all(q->seg, q->index);
	return SABIR_OK;
}

/* Asks about an item whose length has been read; its word is `word` still, else EMPTY. */
static enum sabir_error ask(struct queue *q, const struct seg_item *item, uint64_t word, uint32_t len)
{
	uint8_t head[QUEUE_HEAD];
	uint32_t n = len < QUEUE_HEAD ? len : QUEUE_HEAD;
	memcpy(head, item + 1, n);
	fence_acquire();
	if (load64_relaxed(&item->block.word) != word)
		return SABIR_EMPTY;
	return q->accept(q->accept_context, (struct span){ head, n }, len);
}

/*
 * Makes room for an item before it is taken; its word is `word` still, else somebody was quicker: EMPTY. Errors: FULL
 * (it would pass the limit of `out`), NO_MEMORY, DATA_LOSS.
 */
static enum sabir_error make_room(struct queue *q, const struct seg_item *item, uint64_t word, struct bytes *out)
{
	uint32_t len;
	if (!out)
		return SABIR_OK;
	bool good = queue_item_at(q->seg, segment_ref(q->seg, item), &len) && len <= q->seg->max_item_bytes;
	fence_acquire();
	if (load64_relaxed(&item->block.word) != word)
		return SABIR_EMPTY;
	if (!good)
		return queue_damaged(q);
	if (!bytes_fits(out, len))
		return SABIR_FULL;
	enum sabir_error error = q->accept ? ask(q, item, word, len) : SABIR_OK;
	if (error)
		return error;
	return bytes_reserve(out, len) ? SABIR_OK : SABIR_NO_MEMORY;
}

/* Under the lock: takes the first returned item into the lane's chain, in one journaled transaction. */
static enum sabir_error take_returned(struct queue *q, struct bytes *out, struct seg_item **item)
{
	struct lane *lane = q->lane;
	uint32_t ref = load32_relaxed(&q->body->returned);
	struct seg_item *at = ref ? queue_listed(q, ref) : NULL;
	if (!ref) {
		store32_relaxed(&q->body->n_returned, 0);
		return SABIR_EMPTY;
	}
	if (!at)
		return queue_damaged(q);
	uint64_t word = load64_relaxed(&at->block.word);
	uint32_t n = load32_relaxed(&q->body->n_returned);
	uint32_t next = load32_relaxed(&at->block.next);
	enum sabir_error error = make_room(q, at, word, out);
	if (error)
		return error;
	journal_store32(lane, &q->body->returned, next);
	journal_store32(lane, &q->body->n_returned, n ? n - 1 : 0);
	journal_store64(lane, &at->block.word, block_word(SEG_BLOCK_TAKEN, lane->id, 0, block_tag(word)));
	journal_store32(lane, &at->block.next, load32_relaxed(&lane->shared->chain));
	journal_store32(lane, &lane->shared->chain, ref);
	journal_commit(lane);
	FAULT("queue_get.returned_taken");
	*item = at;
	return SABIR_OK;
}

enum sabir_error queue_take_returned(struct queue *q, struct bytes *out, struct seg_item **item)
{
	enum sabir_error error = q->locked ? SABIR_OK : lock_acquire(q->lane, &q->object->lock);
	if (error)
		return error;
	error = take_returned(q, out, item);
	if (!q->locked)
		lock_release(q->lane, &q->object->lock);
	return error;
}

/* All of them or, if somebody holds the lock, none; adds to *n. */
static enum sabir_error take_all_returned(struct queue *q, uint64_t *n)
{
	struct seg_item *item;
	if (!load32_acquire(&q->body->n_returned))
		return SABIR_OK;
	enum sabir_error error = lock_acquire(q->lane, &q->object->lock);
	if (error)
		return error;
	while (take_returned(q, NULL, &item) == SABIR_OK)
		++*n;
	lock_release(q->lane, &q->object->lock);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- taking */

/* Takes the first item into the lane's chain; EMPTY too if its ordinal is not *follow, FULL if it is too much for `out`. */
static enum sabir_error take_first(struct queue *q, const uint64_t *follow, struct bytes *out, struct seg_item **item)
{
	struct place place;
	for (;;) {
		uint64_t word;
		enum sabir_error error = queue_first(q, &place, item, &word);
		if (error)
			return error;
		if (follow && load64_relaxed(&(*item)->ordinal) != *follow)
			return SABIR_EMPTY;
		error = make_room(q, *item, word, out);
		if (error == SABIR_EMPTY)
			continue;
		if (error)
			return error;
		uint64_t *slot = &place.slots->slot[place.i];
		uint32_t ref = segment_ref(q->seg, *item);
		if (!queue_claim(q->lane, slot, *item, ref, word))
			continue;
		if (load64_relaxed(slot) & SEG_SLOT_DONE)
			place.i++;
		queue_move_head(q, &place);
		queue_note(q, &q->lane->took, &place, 0);
		q->looks = 0;
		return SABIR_OK;
	}
}

/* A returned item if there is one, else the first. Held ones may come back: with them a closed queue is not drained. */
static enum sabir_error take_any(struct queue *q, const uint64_t *follow, struct bytes *out, struct seg_item **item,
				 bool *returned)
{
	enum sabir_error error;
	do {
		error = load32_acquire(&q->body->n_returned) ? queue_take_returned(q, out, item) : SABIR_EMPTY;
		*returned = !error;
		if (error == SABIR_EMPTY)
			error = take_first(q, follow, out, item);
		if (error != SABIR_CLOSED)
			return error;
		if (load32_acquire(&q->body->n_held))
			return SABIR_EMPTY;
		/* Given back meanwhile: it was in both numbers for a moment. */
	} while (load32_acquire(&q->body->n_returned));
	return error;
}

enum sabir_error queue_take(struct queue *q, struct bytes *out, uint64_t *ordinal)
{
	const uint64_t follow = *ordinal + 1;
	struct seg_item *item;
	uint32_t len;
	bool returned;
	enum sabir_error error = take_any(q, *ordinal != QUEUE_ANY ? &follow : NULL, out, &item, &returned);
	if (error)
		return error == SABIR_FULL ? SABIR_EMPTY : error;
	if (!queue_item_at(q->seg, segment_ref(q->seg, item), &len) || len > q->seg->max_item_bytes)
		return queue_damaged(q);
	q->got_ordinal = load64_relaxed(&item->ordinal);
	/* A returned item has no follower that could be told by its number. */
	*ordinal = returned ? QUEUE_ANY : load64_relaxed(&item->ordinal);
	uint8_t *to = bytes_reserve(out, len); /* there is room, unless the length has changed */
	if (!to)
		return queue_damaged(q);
	memcpy(to, item + 1, len);
	bytes_commit(out, len);
	return SABIR_OK;
}

enum sabir_error queue_take_in_place(struct queue *q, struct span *bytes)
{
	struct seg_item *item;
	uint32_t len;
	bool returned;
	enum sabir_error error = take_any(q, NULL, NULL, &item, &returned);
	if (error)
		return error;
	if (!queue_item_at(q->seg, segment_ref(q->seg, item), &len) || len > q->seg->max_item_bytes)
		return queue_damaged(q);
	*bytes = (struct span){ (const uint8_t *)(item + 1), len };
	return SABIR_OK;
}

void queue_commit_taken(struct queue *q, uint32_t n)
{
	struct seg_lane *shared = q->lane->shared;
	lane_publishes(q->lane);
	record32(&shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("queue_get.committed");
	queue_drop_chain(q, shared, q->lane->id, &shared->chain);
	record32(&shared->phase, SEG_PHASE_OPEN);
	FAULT("queue_get.freed");
	change_note(q->lane, q->index, CHANGE_TAKEN, 0, n);
	if (load64_relaxed(&q->body->max_items)) {
		/* Pairs with the flag that a waiting putter sets before it looks at the slots that we changed. */
		event_notify(q->seg, q->index, SEG_EVENT_ROOM, n);
	}
}

/* The get itself, and the end of its operation. */
static enum sabir_error get_entered(struct queue *q, uint32_t n, struct bytes *out)
{
	uint64_t ordinal = QUEUE_ANY;
	uint32_t taken = 0;
	enum sabir_error error = n ? SABIR_OK : SABIR_INVALID_ARGUMENT;
	while (!error && taken < n) {
		error = q->ordinals && !bytes_reserve(q->ordinals, sizeof(ordinal)) ? SABIR_NO_MEMORY
										    : queue_take(q, out, &ordinal);
		if (!error && !taken)
			q->lane->got_ordinal = q->got_ordinal;
		if (!error && q->ordinals)
			(void)bytes_add(q->ordinals, &q->got_ordinal, sizeof(q->got_ordinal));
		taken += !error;
	}
	if (q->stays_open && taken)
		return SABIR_OK;
	/* An item that was damaged after it had been taken is in the chain too; what is in `out` is good. */
	if (load32_relaxed(&q->lane->shared->chain))
		queue_commit_taken(q, taken ? taken : 1);
	queue_leave(q);
	return taken ? SABIR_OK : error;
}

enum sabir_error queue_get(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	return error ? error : get_entered(&q, n, out);
}

enum sabir_error queue_get_noted(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				 struct bytes *ordinals)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	if (error)
		return error;
	q.ordinals = ordinals;
	return get_entered(&q, n, out);
}

enum sabir_error queue_get_open(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				struct bytes *ordinals)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	if (error)
		return error;
	q.ordinals = ordinals;
	q.stays_open = true;
	return get_entered(&q, n, out);
}

/* The queue of a get that is open; false: it is damaged, and what was taken is gone, so that no later operation finds it. */
static bool reenter(struct lane *lane, struct queue *q)
{
	uint64_t handle = load64_relaxed(&lane->shared->handle);
	uint32_t index = object_index(handle);
	*q = (struct queue){ .lane = lane, .seg = lane->seg, .index = index, .handle = handle };
	/* It is the object that the lane works on, unless somebody has written over one of the two. */
	if (index < lane->seg->n_objects && index == load32_relaxed(&lane->shared->object))
		q->object = &lane->seg->objects[index];
	if (q->object && load32_relaxed(&q->object->kind) == SEG_KIND_QUEUE)
		q->body = object_body(lane->seg, q->object, sizeof(*q->body));
	if (!q->body)
		queue_drop_chain(q, lane->shared, lane->id, &lane->shared->chain);
	return q->body;
}

void queue_get_close(struct lane *lane, uint32_t n)
{
	struct queue q;
	if (reenter(lane, &q))
		queue_commit_taken(&q, n);
	queue_leave(&q);
}

enum sabir_error queue_get_abandon(struct lane *lane)
{
	struct queue q;
	enum sabir_error error = reenter(lane, &q) ? queue_give_back(&q, lane->shared, lane->id) : SABIR_OK;
	if (!error)
		queue_leave(&q);
	return error;
}

enum sabir_error queue_get_if(struct lane *lane, uint64_t handle, const struct queue_choice *choice, struct bytes *out)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	if (error)
		return error;
	q.accept = choice->accept;
	q.accept_context = choice->context;
	q.stays_open = choice->open;
	return get_entered(&q, 1, out);
}

enum sabir_error queue_clear(struct lane *lane, uint64_t handle, uint64_t *removed)
{
	struct queue q;
	struct seg_item *item;
	uint64_t end, n = 0;
	bool closed;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	if (error)
		return error;
	error = queue_end_ordinal(&q, &end, &closed);
	if (!error)
		error = take_all_returned(&q, &n);
	while (!error) {
		error = take_first(&q, NULL, NULL, &item);
		n += !error;
		/* More than there can be are put there while we take them. */
		if (!error && (load64_relaxed(&item->ordinal) + 1 >= end || n > q.seg->data_len >> SEG_REF_SHIFT))
			break;
	}
	if (error == SABIR_EMPTY || error == SABIR_CLOSED)
		error = SABIR_OK;
	if (n)
		queue_commit_taken(&q, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
	queue_leave(&q);
	if (!error)
		*removed = n;
	return error;
}

/* ---------------------------------------------------------------- peek */

static enum sabir_error copy_item(struct queue *q, struct seg_item *item, uint64_t word, struct bytes *out)
{
	uint32_t len;
	if (!queue_item_at(q->seg, segment_ref(q->seg, item), &len) || len > q->seg->max_item_bytes)
		return load64_acquire(&item->block.word) == word ? queue_damaged(q) : SABIR_EMPTY;
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, item + 1, len);
	fence_acquire();
	if (load64_acquire(&item->block.word) != word)
		return SABIR_EMPTY; /* it was taken while we copied */
	bytes_commit(out, len);
	return SABIR_OK;
}

/* Under the lock. EMPTY: there is none. */
static enum sabir_error peek_returned(struct queue *q, struct bytes *out)
{
	uint32_t ref = load32_relaxed(&q->body->returned);
	struct seg_item *item = ref ? queue_listed(q, ref) : NULL;
	if (!ref)
		return SABIR_EMPTY;
	return item ? copy_item(q, item, load64_relaxed(&item->block.word), out) : queue_damaged(q);
}

enum sabir_error queue_peek(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct queue q;
	struct place place;
	struct seg_item *item;
	uint64_t word;
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, &q);
	if (error)
		return error;
	for (;;) {
		if (load32_acquire(&q.body->n_returned)) {
			error = lock_acquire(lane, &q.object->lock);
			if (error)
				break;
			error = peek_returned(&q, out);
			lock_release(lane, &q.object->lock);
			if (error != SABIR_EMPTY)
				break;
		}
		error = queue_first(&q, &place, &item, &word);
		if (error == SABIR_CLOSED && load32_acquire(&q.body->n_held))
			error = SABIR_EMPTY;
		if (error)
			break;
		error = copy_item(&q, item, word, out);
		if (error != SABIR_EMPTY)
			break;
	}
	queue_leave(&q);
	return error;
}
