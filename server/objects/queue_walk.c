/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's list of slots: finding its first item and its end.
 *
 * A slot goes 0 → item → … → item → DONE: a put stores the first item of its chain with one compare-and-swap, and each item
 * that is taken is followed by the next of its chain. A slot is used once. Head and tail are hints that only move forward, so a
 * walk from a hint is short; a segment is left behind when all its slots are DONE, and retired by whoever claims its block.
 *
 * Nothing here waits for anybody: whoever finds an item that is taken but still in its slot moves the slot on himself.
 */
#include "server/base/fault.h"
#include "server/objects/queue_parts.h"

#include <string.h>

#define FIRST_SLOTS 56u  /* with its header 512 bytes */
#define MOST_SLOTS 4024u /* 32,256 bytes */
#define HINT_LAG 16u
#define PATIENCE 100000u /* looks at one slot before it counts as damaged */

static uint64_t place_hint(uint32_t ref, uint32_t i)
{
	return ref | (uint64_t)i << 32;
}

struct seg_slots *queue_slots(const struct segment *seg, uint32_t ref, uint32_t *n)
{
	struct seg_slots *slots = segment_at(seg, ref, sizeof(*slots));
	if (!slots)
		return NULL;
	uint32_t n_slots = load32_relaxed(&slots->n_slots);
	if (n_slots == 0 || n_slots > MOST_SLOTS || sizeof(*slots) + n_slots * 8ull > block_size(seg, ref))
		return NULL;
	*n = n_slots;
	return slots;
}

/* A linked segment is PRIVATE to its maker until somebody says that it is the queue's. Whether it is the queue's then. */
static bool confirm_slots(const struct queue *q, struct seg_slots *slots)
{
	uint64_t word = load64_acquire(&slots->block.word);
	if (block_is_joining(q->seg, segment_ref(q->seg, slots), word, q->index, HAND_NEW_SLOTS))
		cas64(&slots->block.word, &word, block_word(SEG_BLOCK_LIVE, 0, q->index, block_tag(word)));
	return block_is_of(&slots->block, q->index);
}

struct seg_slots *queue_own_slots(const struct queue *q, uint32_t ref, uint32_t *n)
{
	struct seg_slots *slots = queue_slots(q->seg, ref, n);
	return slots && confirm_slots(q, slots) ? slots : NULL;
}

enum sabir_error queue_next_slots(const struct segment *seg, const struct seg_slots *slots, uint32_t *next)
{
	uint32_t n;
	*next = load32_acquire(&slots->block.next);
	const struct seg_slots *behind = *next ? queue_slots(seg, *next, &n) : NULL;
	bool fine = !*next || (behind && load64_relaxed(&behind->base) > load64_relaxed(&slots->base));
	return fine ? SABIR_OK : SABIR_DATA_LOSS;
}

struct seg_item *queue_item_at(const struct segment *seg, uint64_t ref, uint32_t *len)
{
	if (ref > UINT32_MAX)
		return NULL;
	struct seg_item *item = segment_at(seg, (uint32_t)ref, sizeof(*item));
	if (!item)
		return NULL;
	uint32_t item_len = load32_relaxed(&item->block.len);
	if (!segment_at(seg, (uint32_t)ref, sizeof(*item) + (uint64_t)item_len))
		return NULL;
	*len = item_len;
	return item;
}

/*
 * Goes on where the lane was, if that is in the segment that the hint names and the segment is still the one that it was:
 * its size was checked then, and slots are used once.
 */
static inline bool resume(const struct queue *q, const struct lane_cursor *cursor, uint64_t hint, struct place *place)
{
	/* Ref 0: a lane that was nowhere, and a hint that is damaged. */
	if (!cursor->ref || cursor->ref != (uint32_t)hint || cursor->handle != q->handle)
		return false;
	if (load64_acquire(&cursor->slots->block.word) != cursor->word)
		return false;
	uint32_t i = (uint32_t)(hint >> 32);
	if (i > cursor->n)
		return false;
	*place = (struct place){ cursor->slots, cursor->ref, cursor->n, i > cursor->i ? i : cursor->i, hint };
	return true;
}

/* False: the hint does not lead into the queue's slots, which a stale one need not do. */
static bool place_at(const struct queue *q, uint64_t hint, struct place *place)
{
	place->hint = hint;
	place->ref = (uint32_t)hint;
	place->i = (uint32_t)(hint >> 32);
	place->slots = queue_own_slots(q, place->ref, &place->n);
	return place->slots && place->i <= place->n;
}

/* ---------------------------------------------------------------- segments of slots */

static enum sabir_error new_slots(struct queue *q, uint32_t n, uint64_t base, struct seg_slots **slots)
{
	struct seg_block *block;
	enum sabir_error error = block_alloc(q->lane, sizeof(**slots) + n * 8ull, HAND_NEW_SLOTS, &block);
	if (error)
		return error;
	struct seg_slots *made = (struct seg_slots *)block;
	block->next = 0;
	block->len = QUEUE_NO_ITEM;
	made->base = base;
	made->n_slots = n;
	memset(made->slot, 0, n * 8ull);
	*slots = made;
	return SABIR_OK;
}

/* What to do with a new segment after the attempt to link it. */
static void settle_slots(struct queue *q, struct seg_slots *slots, bool linked)
{
	if (!linked) {
		block_free(q->lane, &slots->block);
		return;
	}
	FAULT("queue_slots.linked");
	(void)confirm_slots(q, slots);
	record32(&q->lane->shared->hand[HAND_NEW_SLOTS], 0);
}

static enum sabir_error first_slots(struct queue *q)
{
	struct seg_slots *slots;
	uint64_t none = 0;
	enum sabir_error error = new_slots(q, FIRST_SLOTS, 0, &slots);
	if (error)
		return error;
	settle_slots(q, slots, cas64(&q->body->head, &none, place_hint(segment_ref(q->seg, slots), 0)));
	return SABIR_OK;
}

static enum sabir_error append_slots(struct queue *q, struct place *last, uint64_t base)
{
	struct seg_slots *slots;
	uint32_t none = 0;
	uint32_t n = last->n * 2 > MOST_SLOTS ? MOST_SLOTS : last->n * 2;
	enum sabir_error error = new_slots(q, n, base, &slots);
	if (error)
		return error;
	settle_slots(q, slots, cas32(&last->slots->block.next, &none, segment_ref(q->seg, slots)));
	return SABIR_OK;
}

static void retire_slots(struct queue *q, struct seg_slots *slots)
{
	uint64_t word = load64_acquire(&slots->block.word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != q->index)
		return;
	/* The claim decides who retires it: we, a helper, or a recovery. */
	if (!cas64(&slots->block.word, &word, block_word(SEG_BLOCK_PRIVATE, q->lane->id, 0, block_tag(word))))
		return;
	FAULT("queue_slots.claimed");
	block_retire(q->lane, &slots->block);
}

/* The head goes on to the next segment; the tail's hint must not stay behind. */
static void leave_slots(struct queue *q, struct place *place, uint32_t next)
{
	struct seg_lane *shared = q->lane->shared;
	uint64_t tail = load64_acquire(&q->body->tail);
	uint64_t head = place->hint;
	if (tail == 0 || (uint32_t)tail == place->ref)
		cas64(&q->body->tail, &tail, place_hint(next, 0));
	record32(&shared->hand[HAND_OLD_SLOTS], place->ref);
	fence_compiler();
	if (cas64(&q->body->head, &head, place_hint(next, 0))) {
		FAULT("queue_slots.left");
		retire_slots(q, place->slots);
	}
	record32(&shared->hand[HAND_OLD_SLOTS], 0);
}

/* ---------------------------------------------------------------- the first item */

void queue_detach(uint64_t *slot, uint64_t seen, const struct seg_item *item)
{
	uint32_t next = load32_acquire(&item->block.next);
	uint64_t behind = next ? next : SEG_SLOT_DONE | (load64_relaxed(&item->last) + 1);
	cas64(slot, &seen, behind);
}

/* The hints may lag by some slots, which are cheaper to walk over than an atomic operation is for every item. */
static bool hint_lags(const struct place *place, uint32_t i)
{
	return i - (uint32_t)(place->hint >> 32) >= HINT_LAG || (uint32_t)place->hint != place->ref || i == place->n;
}

void queue_move_head(struct queue *q, const struct place *place)
{
	uint64_t hint = place->hint;
	if (hint_lags(place, place->i))
		cas64(&q->body->head, &hint, place_hint(place->ref, place->i));
}

void queue_move_tail(struct queue *q, const struct place *place)
{
	uint64_t hint = place->hint;
	if (hint_lags(place, place->i + 1))
		cas64(&q->body->tail, &hint, place_hint(place->ref, place->i + 1));
}

/* Looks at the item in a slot: OK (it can be taken), EMPTY (look at the slot again), DATA_LOSS. */
static enum sabir_error look(struct queue *q, uint64_t *slot, uint64_t seen, struct seg_item **item, uint64_t *word)
{
	uint32_t len;
	struct seg_item *at = queue_item_at(q->seg, seen, &len);
	uint64_t now = at ? load64_acquire(&at->block.word) : 0;
	if (load64_acquire(slot) != seen)
		return SABIR_EMPTY;
	if (!segment_at(q->seg, (uint32_t)seen, sizeof(struct seg_item)) || seen > UINT32_MAX)
		return SABIR_DATA_LOSS;
	if (!at)
		return SABIR_EMPTY;
	if (block_word_is_of(now, q->index)) {
		if (!queue_is_item(q, at))
			return SABIR_DATA_LOSS;
		*item = at;
		*word = now;
		return SABIR_OK;
	}
	if (block_state(now) == SEG_BLOCK_TAKEN)
		queue_detach(slot, seen, at);
	return SABIR_EMPTY;
}

static enum sabir_error first_in(struct queue *q, struct place *place, struct seg_item **item, uint64_t *word)
{
	uint32_t looks = 0;
	while (place->i < place->n) {
		uint64_t *slot = &place->slots->slot[place->i];
		uint64_t seen = load64_acquire(slot);
		if (seen == 0)
			return SABIR_EMPTY;
		if (seen & SEG_SLOT_DONE) {
			place->i++;
			looks = 0;
			continue;
		}
		if (seen & SEG_SLOT_CLOSED)
			return SABIR_CLOSED;
		enum sabir_error error = look(q, slot, seen, item, word);
		if (error == SABIR_DATA_LOSS || ++looks > PATIENCE)
			return queue_damaged(q);
		if (!error)
			return SABIR_OK;
	}
	return SABIR_OK;
}

enum sabir_error queue_first(struct queue *q, struct place *place, struct seg_item **item, uint64_t *word)
{
	while (queue_looks(q)) {
		uint64_t head = load64_acquire(&q->body->head);
		if (head == 0)
			return SABIR_EMPTY;
		if (!resume(q, &q->lane->took, head, place) && !place_at(q, head, place)) {
			if (load64_acquire(&q->body->head) == head)
				break;
			continue;
		}
		enum sabir_error error = first_in(q, place, item, word);
		if (error || place->i < place->n)
			return error;
		uint32_t next;
		if (queue_next_slots(q->seg, place->slots, &next))
			return queue_damaged(q);
		if (!next)
			return SABIR_EMPTY;
		leave_slots(q, place, next);
	}
	return queue_damaged(q);
}

/* ---------------------------------------------------------------- the end */

/* The ordinal behind everything in front of slot i. */
static enum sabir_error ordinal_before(struct queue *q, const struct place *place, uint64_t *ordinal)
{
	if (place->i == 0) {
		*ordinal = load64_relaxed(&place->slots->base);
		return SABIR_OK;
	}
	uint64_t *slot = &place->slots->slot[place->i - 1];
	for (uint32_t looks = 0; looks < PATIENCE; looks++) {
		uint64_t seen = load64_acquire(slot);
		if (seen & SEG_SLOT_DONE) {
			*ordinal = seen & ~SEG_SLOT_DONE;
			return SABIR_OK;
		}
		struct seg_item *item = seen > UINT32_MAX ? NULL : segment_at(q->seg, (uint32_t)seen, sizeof(*item));
		if (!item)
			break;
		uint64_t last = load64_relaxed(&item->last);
		fence_acquire();
		if (load64_acquire(slot) == seen) { /* it was not freed before we read it */
			*ordinal = last + 1;
			return SABIR_OK;
		}
	}
	return queue_damaged(q);
}

/* Walks from the place to the first free slot of its segment. */
static enum sabir_error skip_full(struct place *place)
{
	for (; place->i < place->n; place->i++) {
		uint64_t seen = load64_acquire(&place->slots->slot[place->i]);
		if (seen == 0)
			break;
		if (seen == SEG_SLOT_CLOSED)
			return SABIR_CLOSED;
	}
	return SABIR_OK;
}

/*
 * A place at or in front of the end, by the tail's hint or, where that is none, or has stayed behind, by the head's. EMPTY: nothing was
 * put yet. Errors: DATA_LOSS.
 */
static enum sabir_error near_end(struct queue *q, const struct lane_cursor *cursor, struct place *place)
{
	while (queue_looks(q)) {
		uint64_t tail = load64_acquire(&q->body->tail);
		uint64_t head = load64_acquire(&q->body->head);
		bool found = (tail && (resume(q, cursor, tail, place) || place_at(q, tail, place))) ||
			     (head && (resume(q, cursor, head, place) || place_at(q, head, place)));
		place->hint = tail;
		if (found)
			return SABIR_OK;
		if (!tail && !head)
			return SABIR_EMPTY;
		if (load64_acquire(&q->body->tail) == tail && load64_acquire(&q->body->head) == head)
			break;
	}
	return queue_damaged(q);
}

enum sabir_error queue_end_ordinal(struct queue *q, uint64_t *ordinal, bool *closed)
{
	static const struct lane_cursor nowhere = { 0 };
	struct place place;
	*closed = false;
	*ordinal = 0;
	enum sabir_error error = near_end(q, &nowhere, &place);
	while (!error && queue_looks(q)) {
		*closed = skip_full(&place) == SABIR_CLOSED;
		error = ordinal_before(q, &place, ordinal);
		if (error || place.i < place.n)
			return error;
		uint32_t next;
		if (queue_next_slots(q->seg, place.slots, &next))
			return queue_damaged(q);
		if (!next)
			return SABIR_OK;
		if (!place_at(q, place_hint(next, 0), &place)) /* it was left behind since */
			error = near_end(q, &nowhere, &place);
	}
	return error == SABIR_EMPTY ? SABIR_OK : queue_damaged(q);
}

/* The cursor stands at the place itself, so it knows the ordinal. */
static inline bool resumed_at(const struct lane_cursor *cursor, const struct queue *q, const struct place *place)
{
	return cursor->i == place->i && cursor->ref == place->ref && cursor->handle == q->handle &&
	       load64_relaxed(&place->slots->block.word) == cursor->word;
}

enum sabir_error queue_end(struct queue *q, struct place *place, uint64_t *ordinal)
{
	const struct lane_cursor *cursor = &q->lane->put;
	while (queue_looks(q)) {
		enum sabir_error error = near_end(q, cursor, place);
		if (error == SABIR_EMPTY) {
			error = first_slots(q);
			if (error)
				return error;
			continue;
		}
		if (error)
			return error;
		error = skip_full(place);
		if (!error && resumed_at(cursor, q, place))
			*ordinal = cursor->ordinal;
		else if (!error)
			error = ordinal_before(q, place, ordinal);
		if (error || place->i < place->n)
			return error;
		if (!load32_acquire(&place->slots->block.next))
			error = append_slots(q, place, *ordinal);
		if (error)
			return error;
		uint32_t next;
		if (queue_next_slots(q->seg, place->slots, &next))
			return queue_damaged(q);
		cas64(&q->body->tail, &place->hint, place_hint(next, 0));
	}
	return queue_damaged(q);
}
