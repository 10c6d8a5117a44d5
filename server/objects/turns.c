/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of those who wait.
 *
 *   join ──► WAITING ──call──► CALLED (or BROKEN) ──► leave
 *               └──set aside──► EXPIRED ─────────────────┘
 *
 * Calls go to the first who waits, so those who have been called stand before all who wait, and `waiting` divides them: a
 * call is one step to the next. Who is set aside is put at the head for the same reason. A turn is part of the object from the
 * store that links it until the one that unlinks it; before and behind that it is in hand[1] of the lane.
 */
#include "server/objects/turns.h"

#include "server/base/clock.h"
#include "server/base/fault.h"

#define TURN_HAND 1

/* The turn at `ref`; NULL where there should be one is damage. */
static struct seg_turn *turn_at(const struct turns *t, uint32_t ref)
{
	struct seg_turn *turn = ref ? segment_at(t->lane->seg, ref, sizeof(*turn)) : NULL;
	if (turn && block_is_of(&turn->block, t->index) && block_size(t->lane->seg, ref))
		return turn;
	(void)object_damaged(t->object);
	return NULL;
}

uint64_t turns_place(const struct turns *t, const struct seg_turn *turn)
{
	return segment_ref(t->lane->seg, turn) | (uint64_t)(load32_relaxed(&turn->ticket) & SEG_TURN_TICKET) << 32;
}

/* More turns than that there can't be in the memory. */
static uint64_t most_turns(const struct turns *t)
{
	return t->lane->seg->data_len >> SEG_REF_SHIFT;
}

/* Who calls or ends one after the other looks some times for each: else they are put there again as fast as he does it. */
static bool may_look(struct turns *t)
{
	if (t->n_looks++ < 4 * most_turns(t))
		return true;
	(void)object_damaged(t->object);
	return false;
}

struct seg_turn *turns_first(struct turns *t)
{
	uint32_t ref = load32_relaxed(&t->line->waiting);
	struct seg_turn *turn = ref && may_look(t) ? turn_at(t, ref) : NULL;
	/* In a ring, whoever calls one after the other comes again to one that he has called. */
	if (!turn || load32_relaxed(&turn->state) == SEG_TURN_WAITING)
		return turn;
	(void)object_damaged(t->object);
	return NULL;
}

static bool is_whose(const struct segment *seg, const struct seg_turn *turn, const struct turns_whose *whose)
{
	uint64_t owner = load64_relaxed(&turn->owner);
	uint32_t index = (uint32_t)owner - 1;
	if (whose->link && load64_relaxed(&turn->link) != whose->link)
		return false;
	if (!whose->sessions)
		return owner == whose->owner;
	return index < seg->n_owners && (load32_relaxed(&seg->owners[index].flags) & SEG_OWNER_REMOTE) &&
	       ticket_is_before(load32_relaxed(&turn->ticket), whose->before);
}

struct seg_turn *turns_of(struct turns *t, const struct turns_whose *whose)
{
	uint32_t ref = load32_relaxed(&t->line->first), before = 0;
	uint64_t left = ref && may_look(t) ? most_turns(t) : 0;
	while (ref && left--) {
		struct seg_turn *turn = turn_at(t, ref);
		/* Two can't lead to the same: so there is no ring. */
		if (!turn || load32_relaxed(&turn->prev) != before)
			break;
		if (is_whose(t->lane->seg, turn, whose))
			return turn;
		before = ref;
		ref = load32_relaxed(&turn->block.next);
	}
	if (ref)
		(void)object_damaged(t->object);
	return NULL;
}

static uint64_t owner_of(const struct lane *lane)
{
	if (lane->actor.owner)
		return lane->actor.owner;
	uint64_t word = owner_now(lane->seg, lane->owner);
	return (word & 0xffffffff00000000ull) | (lane->owner + 1);
}

struct seg_turn *turns_find(const struct turns *t, uint64_t place)
{
	struct seg_turn *turn = place ? segment_at(t->lane->seg, (uint32_t)place, sizeof(*turn)) : NULL;
	bool there = turn && block_is_of(&turn->block, t->index) && block_size(t->lane->seg, (uint32_t)place) &&
		     load32_relaxed(&turn->ticket) == (place >> 32 & SEG_TURN_TICKET) &&
		     load64_relaxed(&turn->owner) == owner_of(t->lane);
	return there ? turn : NULL;
}

static void count(struct turns *t, uint32_t *n, int32_t change)
{
	journal_store32(t->lane, n, load32_relaxed(n) + (uint32_t)change);
}

enum sabir_error turns_join(struct turns *t, uint64_t number, struct seg_turn **made)
{
	struct seg_block *block;
	struct lane *lane = t->lane;
	uint32_t ref, last_ref = load32_relaxed(&t->line->last), ticket = load32_relaxed(&t->line->ticket);
	struct seg_turn *last = last_ref ? turn_at(t, last_ref) : NULL;
	if (last_ref && !last)
		return SABIR_DATA_LOSS;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_turn), 0, TURN_HAND, &block);
	if (error)
		return error;
	struct seg_turn *turn = (struct seg_turn *)block;
	turn->owner = owner_of(lane);
	turn->thread = lane->actor.thread;
	turn->number = number;
	turn->prev = last_ref;
	turn->ticket = ticket & SEG_TURN_TICKET;
	turn->state = SEG_TURN_WAITING;
	ref = segment_ref(lane->seg, turn);
	journal_store64(lane, &block->word,
			block_word(SEG_BLOCK_LIVE, 0, t->index, block_tag(load64_relaxed(&block->word))));
	journal_store32(lane, last ? &last->block.next : &t->line->first, ref);
	journal_store32(lane, &t->line->last, ref);
	journal_store32(lane, &t->line->ticket, (ticket + 1) & SEG_TURN_TICKET);
	if (!load32_relaxed(&t->line->waiting))
		journal_store32(lane, &t->line->waiting, ref);
	count(t, &t->line->n, 1);
	count(t, &t->line->n_waiting, 1);
	*made = turn;
	return SABIR_OK;
}

uint32_t turns_call(struct turns *t, struct seg_turn *first, uint32_t state)
{
	journal_store32(t->lane, &first->state, state);
	journal_store32(t->lane, &t->line->waiting, load32_relaxed(&first->block.next));
	count(t, &t->line->n_waiting, -1);
	return turn_bits(turns_place(t, first));
}

/* Out of the line; it is neither freed nor its own links touched. */
static enum sabir_error unlink_turn(struct turns *t, struct seg_turn *turn)
{
	struct lane *lane = t->lane;
	uint32_t prev_ref = load32_relaxed(&turn->prev), next_ref = load32_relaxed(&turn->block.next);
	struct seg_turn *prev = prev_ref ? turn_at(t, prev_ref) : NULL;
	struct seg_turn *next = next_ref ? turn_at(t, next_ref) : NULL;
	uint32_t ref = segment_ref(lane->seg, turn);
	if ((prev_ref && (!prev || load32_relaxed(&prev->block.next) != ref)) ||
	    (next_ref && (!next || load32_relaxed(&next->prev) != ref)))
		return object_damaged(t->object);
	journal_store32(lane, prev ? &prev->block.next : &t->line->first, next_ref);
	journal_store32(lane, next ? &next->prev : &t->line->last, prev_ref);
	if (load32_relaxed(&t->line->waiting) == ref)
		journal_store32(lane, &t->line->waiting, next_ref);
	if (load32_relaxed(&turn->state) == SEG_TURN_WAITING)
		count(t, &t->line->n_waiting, -1);
	return SABIR_OK;
}

enum sabir_error turns_set_aside(struct turns *t, struct seg_turn *turn, uint32_t state)
{
	struct lane *lane = t->lane;
	uint32_t ref = segment_ref(lane->seg, turn);
	enum sabir_error error = unlink_turn(t, turn);
	if (error)
		return error;
	uint32_t first_ref = load32_relaxed(&t->line->first);
	struct seg_turn *first = first_ref ? turn_at(t, first_ref) : NULL;
	if (first_ref && !first)
		return SABIR_DATA_LOSS;
	journal_store32(lane, &turn->prev, 0);
	journal_store32(lane, &turn->block.next, first_ref);
	journal_store32(lane, first ? &first->prev : &t->line->last, ref);
	journal_store32(lane, &t->line->first, ref);
	journal_store32(lane, &turn->state, state);
	return SABIR_OK;
}

enum sabir_error turns_leave(struct turns *t, struct seg_turn *turn)
{
	struct lane *lane = t->lane;
	record32(&lane->shared->hand[TURN_HAND], segment_ref(lane->seg, turn));
	enum sabir_error error = unlink_turn(t, turn);
	if (error)
		return error;
	count(t, &t->line->n, -1);
	journal_store64(lane, &turn->block.word,
			block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(load64_relaxed(&turn->block.word))));
	t->left = turn;
	return SABIR_OK;
}

void turns_done(struct turns *t)
{
	FAULT("turns.committed");
	if (t->left)
		block_free(t->lane, &t->left->block);
	t->left = NULL;
	record32(&t->lane->shared->hand[TURN_HAND], 0);
}

void turns_destroy(struct turns *t)
{
	uint32_t ref, left = load32_relaxed(&t->line->n);
	while ((ref = load32_relaxed(&t->line->first)) != 0 && left--) {
		struct seg_turn *turn = turn_at(t, ref);
		if (!turn || !block_size(t->lane->seg, ref))
			return;
		record32(&t->lane->shared->hand[TURN_HAND], ref);
		journal_store64(
			t->lane, &turn->block.word,
			block_word(SEG_BLOCK_PRIVATE, t->lane->id, 0, block_tag(load64_relaxed(&turn->block.word))));
		journal_store32(t->lane, &t->line->first, load32_relaxed(&turn->block.next));
		journal_store32(t->lane, &t->line->n, left);
		journal_commit(t->lane);
		FAULT("turns.dropped");
		block_free(t->lane, &turn->block);
	}
}

bool turn_is_due(const struct seg_turn *turn)
{
	/* A time that is still to come can only be damage: it counts as long past. */
	return clock_now() - load64_relaxed(&turn->number) >= TURN_FAIR_NS;
}

uint32_t turn_peek(const struct segment *seg, uint32_t index, uint64_t place)
{
	const struct seg_turn *turn = place ? segment_at(seg, (uint32_t)place, sizeof(*turn)) : NULL;
	if (!turn || !block_is_of(&turn->block, index))
		return 0;
	uint32_t ticket = load32_relaxed(&turn->ticket), state = load32_relaxed(&turn->state);
	fence_acquire();
	bool same = block_is_of(&turn->block, index) && ticket == (place >> 32 & SEG_TURN_TICKET);
	return same ? state : 0;
}

uint64_t turn_peek_link(const struct segment *seg, uint32_t index, uint64_t place)
{
	const struct seg_turn *turn = segment_at(seg, (uint32_t)place, sizeof(*turn));
	return turn && block_is_of(&turn->block, index) ? load64_relaxed(&turn->link) : 0;
}

bool turn_owner_is_live(const struct segment *seg, uint64_t owner)
{
	uint32_t index = (uint32_t)owner - 1;
	if (!owner || index >= seg->n_owners)
		return false;
	uint64_t word = owner_now(seg, index);
	return (word & 15) == SEG_OWNER_LIVE && word >> 32 == owner >> 32;
}
