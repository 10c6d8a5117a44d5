/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references in a queue, for the collector.
 *
 * An item stays in its slot until it is taken, and slots are used in their order: so one walk from the head to the first
 * free slot meets all that is there from its beginning to its end. An item that a dead getter had taken, or that is held
 * for somebody, passes refs_enter on its way to the list of returned or of held ones, and is found there or by its
 * mark. What is read may be freed meanwhile; then it was not to be found any more.
 */
#include "server/objects/queue_kind.h"

#define PATIENCE 100000u /* looks at one slot before it counts as damaged */

struct scan {
	struct queue q;
	value_ref_fn *visit;
	void *context;
};

/* Shows a LIVE item of the queue; *next is what follows it in its chain. False: it is none any more. */
static bool show_item(const struct scan *s, uint64_t ref, uint32_t *next)
{
	uint32_t len;
	struct seg_item *item = queue_item_at(s->q.seg, ref, &len);
	uint64_t word = item ? load64_acquire(&item->block.word) : 0;
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != s->q.index)
		return false;
	*next = load32_acquire(&item->block.next);
	value_refs((struct span){ (const uint8_t *)(item + 1), len }, s->visit, s->context);
	fence_acquire();
	return load64_relaxed(&item->block.word) == word;
}

/* Who has taken the first item of a slot may not have got it out yet. */
static void help(const struct scan *s, uint64_t *slot, uint64_t seen)
{
	uint32_t len;
	struct seg_item *item = queue_item_at(s->q.seg, seen, &len);
	if (item && block_state(load64_acquire(&item->block.word)) == SEG_BLOCK_TAKEN)
		queue_detach(slot, seen, item);
}

/* False: it could not be followed to its end. */
static bool show_chain(const struct scan *s, uint64_t ref)
{
	struct ring ring = { 0 };
	uint32_t next = 0;
	while (ref && !ring_closes(&ring, (uint32_t)ref) && show_item(s, ref, &next))
		ref = next;
	return !ref;
}

/* EMPTY: nothing was put there yet, nor behind it. */
static enum sabir_error scan_slot(struct scan *s, uint64_t *slot)
{
	for (uint32_t looks = 0; looks < PATIENCE; looks++) {
		uint64_t seen = load64_acquire(slot);
		if (seen == 0 || seen == SEG_SLOT_CLOSED)
			return SABIR_EMPTY;
		if (seen & SEG_SLOT_DONE)
			return SABIR_OK;
		struct queue_chain before = queue_chain_at(&s->q, seen);
		if (show_chain(s, seen))
			return SABIR_OK;
		if (queue_chain_stands(&s->q, slot, &before))
			break; /* nobody has taken any of it: it is so */
		help(s, slot, seen);
	}
	return queue_damaged(&s->q);
}

static enum sabir_error scan_slots(struct scan *s)
{
	uint32_t ref = (uint32_t)load64_acquire(&s->q.body->head), n;
	while (ref) {
		struct seg_slots *slots = queue_slots(s->q.seg, ref, &n);
		if (!slots)
			return queue_damaged(&s->q);
		for (uint32_t i = 0; i < n; i++) {
			enum sabir_error error = scan_slot(s, &slots->slot[i]);
			if (error)
				return error == SABIR_EMPTY ? SABIR_OK : error;
		}
		if (queue_next_slots(s->q.seg, slots, &ref))
			return queue_damaged(&s->q);
	}
	return SABIR_OK;
}

static bool scan_list(struct scan *s, const uint32_t *first)
{
	uint32_t ref = load32_relaxed(first), next = 0;
	struct ring ring = { 0 };
	while (ref && !ring_closes(&ring, ref) && show_item(s, ref, &next))
		ref = next;
	return !ref;
}

/* Those that were given back, and those on hold; an item goes from the one list to the other under the lock. */
static enum sabir_error scan_lists(struct scan *s)
{
	struct seg_queue *body = s->q.body;
	if (!load32_acquire(&body->n_returned) && !load32_acquire(&body->n_held))
		return SABIR_OK;
	enum sabir_error error = lock_acquire(s->q.lane, &s->q.object->lock);
	if (error)
		return error;
	bool fine = scan_list(s, &body->returned) && scan_list(s, &body->held);
	lock_release(s->q.lane, &s->q.object->lock);
	return fine ? SABIR_OK : queue_damaged(&s->q);
}

enum sabir_error queue_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context)
{
	struct scan s = { .visit = visit, .context = context };
	enum sabir_error error = queue_enter(lane, SEG_OP_READ, handle, &s.q);
	if (error)
		return error;
	error = scan_slots(&s);
	if (!error)
		error = scan_lists(&s);
	queue_leave(&s.q);
	return error;
}
