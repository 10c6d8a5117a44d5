/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items of a queue as of one moment, read while others put and take.
 *
 *   under the lock: what was given back and what is on hold ──► the first item F and the end E, as of a moment when F was
 *   the first ──► without the lock: all items from F to E
 *
 * That moment is the one at which the queue is read. Items never change and stand in their order, so reading them later
 * makes no difference, as long as none is taken before it is read: then all is begun anew. Getters begin where the walk
 * begins, and do more for each item than it does, so they seldom overtake it.
 *
 * Who was just taking an item at that moment may die and give it back, or put it on hold; so when such operations were under
 * way the lists are read again when they are over, and what has come to them from in front of F belongs to the queue.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/objects/keep.h"
#include "server/objects/queue_parts.h"

#define CUT_TRIES 1000u
#define WALK_TRIES 100u
#define GRACE_STEP_NS 200000
#define GRACE_STEPS 500u /* a getter that is stopped for longer counts as one that has got his items */

/* Where an item of `front` belongs. */
struct early {
	uint64_t ordinal;
	size_t item;
};

struct cut {
	struct queue q;
	struct place place; /* of F */
	uint64_t first, end;
	struct bytes early; /* unsorted, as read */
	struct early *order;
	size_t n_order, n_known, room; /* the first n_known of `order` are sorted, and what was there at the cut */
	bool taking;                   /* somebody was taking items */
};

/* ---------------------------------------------------------------- what is given back or on hold */

static int compare_early(const void *a, const void *b)
{
	uint64_t x = ((const struct early *)a)->ordinal, y = ((const struct early *)b)->ordinal;
	return x < y ? -1 : x > y;
}

static void sort(struct cut *c)
{
	if (c->n_order)
		qsort(c->order, c->n_order, sizeof(*c->order), compare_early);
}

static bool is_known(const struct cut *c, uint64_t ordinal)
{
	const struct early wanted = { ordinal, 0 };
	return c->n_known && bsearch(&wanted, c->order, c->n_known, sizeof(wanted), compare_early);
}

static enum sabir_error add_early(struct cut *c, const struct seg_item *item, uint32_t len)
{
	if (c->n_order == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct early *more = realloc(c->order, room * sizeof(*more));
		if (!more)
			return SABIR_NO_MEMORY;
		c->order = more;
		c->room = room;
	}
	c->order[c->n_order++] = (struct early){ load64_relaxed(&item->ordinal), c->early.n_items };
	return bytes_add(&c->early, item + 1, len);
}

/* `again`: only those in front of F that were not there before. */
static enum sabir_error read_list(struct cut *c, const uint32_t *first, bool again)
{
	uint32_t ref = load32_relaxed(first), len;
	struct ring ring = { 0 };
	while (ref) {
		struct seg_item *item = queue_item_at(c->q.seg, ref, &len);
		uint64_t word = item ? load64_acquire(&item->block.word) : 0;
		bool good = block_state(word) == SEG_BLOCK_LIVE && block_object(word) == c->q.index;
		if (!good || len > c->q.seg->max_item_bytes || ring_closes(&ring, ref))
			return queue_damaged(&c->q);
		uint64_t ordinal = load64_relaxed(&item->ordinal);
		if (c->early.len + len > KEEP_MOST)
			return SABIR_TOO_LARGE;
		enum sabir_error error = again && (ordinal >= c->first || is_known(c, ordinal))
						 ? SABIR_OK
						 : add_early(c, item, len);
		if (error)
			return error;
		ref = load32_relaxed(&item->block.next);
	}
	return SABIR_OK;
}

static enum sabir_error read_lists(struct cut *c, bool again)
{
	enum sabir_error error = read_list(c, &c->q.body->returned, again);
	return error ? error : read_list(c, &c->q.body->held, again);
}

static enum sabir_error give_early(struct cut *c, struct bytes *front)
{
	enum sabir_error error = SABIR_OK;
	sort(c);
	for (size_t i = 0; !error && i < c->n_order; i++) {
		struct span item = bytes_item(&c->early, c->order[i].item);
		error = bytes_add(front, item.data, item.len);
	}
	return error;
}

/* ---------------------------------------------------------------- the cut */

static bool is_taking(const struct cut *c)
{
	const struct segment *seg = c->q.seg;
	uint32_t n = load32_acquire(&seg->header->n_lanes_used);
	for (uint32_t i = 0; i < n && i < seg->n_lanes; i++)
		if (&seg->lanes[i] != c->q.lane->shared && load32_relaxed(&seg->lanes[i].op) == SEG_OP_QUEUE_GET &&
		    load32_relaxed(&seg->lanes[i].object) == c->q.index)
			return true;
	return false;
}

/* F and E, as of a moment when F was the first. */
static enum sabir_error find_cut(struct cut *c, bool *closed)
{
	struct seg_item *item;
	uint64_t word;
	for (uint32_t tries = 0; tries < CUT_TRIES; tries++) {
		enum sabir_error error = queue_first(&c->q, &c->place, &item, &word);
		*closed = error == SABIR_CLOSED;
		c->first = c->end = 0;
		if (error == SABIR_EMPTY || error == SABIR_CLOSED)
			return SABIR_OK;
		if (error)
			return error;
		c->first = load64_relaxed(&item->ordinal);
		error = queue_end_ordinal(&c->q, &c->end, closed);
		fence_acquire();
		if (error || load64_acquire(&item->block.word) == word)
			return error;
	}
	return SABIR_BUSY;
}

static enum sabir_error make_cut(struct cut *c, bool *closed)
{
	enum sabir_error error = lock_acquire(c->q.lane, &c->q.object->lock);
	if (error)
		return error;
	bytes_truncate(&c->early, 0);
	c->n_order = 0;
	error = read_lists(c, false);
	if (!error)
		error = find_cut(c, closed);
	c->taking = is_taking(c);
	lock_release(c->q.lane, &c->q.object->lock);
	return error;
}

/* ---------------------------------------------------------------- the walk */

/* BUSY: it has been taken. */
static enum sabir_error copy_item(const struct cut *c, uint64_t ref, uint64_t ordinal, struct bytes *out,
				  uint32_t *next)
{
	uint32_t len;
	struct seg_item *item = queue_item_at(c->q.seg, ref, &len);
	uint64_t word = item ? load64_acquire(&item->block.word) : 0;
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != c->q.index || len > c->q.seg->max_item_bytes ||
	    load64_relaxed(&item->ordinal) != ordinal)
		return SABIR_BUSY;
	if (out->len + len > KEEP_MOST)
		return SABIR_TOO_LARGE;
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, item + 1, len);
	*next = load32_acquire(&item->block.next);
	FAULT("keep_queue.copied");
	fence_acquire();
	if (load64_relaxed(&item->block.word) != word)
		return SABIR_BUSY;
	bytes_commit(out, len);
	return SABIR_OK;
}

/* The chain of a slot, whose first item is still *at. BUSY: it is not there, or not as it should be. */
static enum sabir_error copy_chain(const struct cut *c, uint64_t ref, uint64_t *at, struct bytes *out)
{
	enum sabir_error error = ref && ref <= UINT32_MAX ? SABIR_OK : SABIR_BUSY;
	while (!error && ref && *at < c->end) {
		uint32_t next = 0;
		error = copy_item(c, ref, *at, out, &next);
		*at += !error;
		ref = next;
	}
	return error;
}

static enum sabir_error walk(struct cut *c, struct bytes *out)
{
	struct place place = c->place;
	uint64_t at = c->first;
	while (at < c->end) {
		if (place.i >= place.n) {
			place.slots = queue_slots(c->q.seg, load32_acquire(&place.slots->block.next), &place.n);
			place.i = 0;
			if (!place.slots)
				return SABIR_BUSY;
		}
		enum sabir_error error = copy_chain(c, load64_acquire(&place.slots->slot[place.i++]), &at, out);
		if (error)
			return error;
	}
	return SABIR_OK;
}

/* Items are taken from the first on: as long as that is there, what is not found behind it is not on its way but damaged. */
static enum sabir_error copy_items(struct cut *c, struct bytes *out)
{
	const uint64_t *slot = &c->place.slots->slot[c->place.i];
	struct queue_chain first = queue_chain_at(&c->q, load64_acquire(slot));
	enum sabir_error error = walk(c, out);
	if (error == SABIR_BUSY && queue_chain_stands(&c->q, slot, &first))
		error = queue_damaged(&c->q);
	return error;
}

/* ---------------------------------------------------------------- those that were just being taken */

static void await_getters(struct segment *seg)
{
	/* As for memory that is retired now: it is free when all who are in an operation have left it. */
	uint64_t epoch = epoch_retire(seg);
	const struct timespec step = { 0, GRACE_STEP_NS };
	for (uint32_t n = 0; n < GRACE_STEPS && epoch_oldest(seg) <= epoch; n++)
		nanosleep(&step, NULL);
}

static enum sabir_error read_lists_again(struct cut *c, struct lane *lane, uint64_t handle)
{
	sort(c);
	c->n_known = c->n_order;
	await_getters(lane->seg);
	enum sabir_error error = queue_enter(lane, SEG_OP_READ, handle, &c->q);
	if (error)
		return error;
	error = lock_acquire(lane, &c->q.object->lock);
	if (!error) {
		error = read_lists(c, true);
		lock_release(lane, &c->q.object->lock);
	}
	queue_leave(&c->q);
	return error;
}

/* ---------------------------------------------------------------- all of it */

static enum sabir_error read_once(struct cut *c, struct lane *lane, uint64_t handle, struct kept_queue *kept)
{
	enum sabir_error error = queue_enter(lane, SEG_OP_READ, handle, &c->q);
	if (error)
		return error;
	bytes_truncate(&kept->rest, 0);
	error = make_cut(c, &kept->closed);
	FAULT("keep_queue.cut");
	if (!error && c->end)
		error = copy_items(c, &kept->rest);
	queue_leave(&c->q);
	return error;
}

enum sabir_error keep_queue(struct lane *lane, uint64_t handle, struct kept_queue *kept)
{
	struct cut c = { .n_order = 0 };
	enum sabir_error error = SABIR_BUSY;
	*kept = (struct kept_queue){ .closed = false };
	for (uint32_t i = 0; i < WALK_TRIES && error == SABIR_BUSY; i++)
		error = read_once(&c, lane, handle, kept);
	if (!error && c.taking)
		error = read_lists_again(&c, lane, handle);
	if (!error)
		error = give_early(&c, &kept->front);
	bytes_fini(&c.early);
	free(c.order);
	if (error)
		kept_queue_fini(kept);
	return error;
}

void kept_queue_fini(struct kept_queue *kept)
{
	bytes_fini(&kept->front);
	bytes_fini(&kept->rest);
}

enum sabir_error restore_queue_bound(struct lane *lane, uint64_t handle, uint64_t max_items)
{
	struct queue q;
	enum sabir_error error = queue_enter(lane, SEG_OP_ENTRY, handle, &q);
	if (error)
		return error;
	store64_relaxed(&q.body->max_items, max_items);
	queue_leave(&q);
	return SABIR_OK;
}
