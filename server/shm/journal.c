/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back of the undo journal, for the lane itself or for its recovery.
 *
 * What stands in a journal may have been written over, and must then harm nobody else. So a word gets its old value only if it is
 * one that the lane may have been changing: of an object whose lock it holds or which it makes or sweeps, of a block in its hands,
 * of its own record, or of how many items of a session's answer are back (seg_session). Who recovers somebody changes what is that
 * one's, so the same is good for the locks, blocks and records of those who don't live. Any other record of the journal is passed
 * over.
 */
#include <stddef.h>

#include "server/shm/arena.h"

/* Whether what is the lane's of that id is this lane's to change. */
static bool is_its(const struct lane *lane, uint32_t id)
{
	const struct segment *seg = lane->seg;
	if (id == lane->id)
		return true;
	if (id == 0 || id > seg->n_lanes)
		return false;
	uint64_t word = load64_relaxed(&seg->lanes[id - 1].word), owner = word >> 32;
	return (word & 15) == SEG_LANE_LIVE && owner < seg->n_owners &&
	       (owner_now(seg, (uint32_t)owner) & 15) != SEG_OWNER_LIVE;
}

/* Who makes or sweeps an object has it to himself, without its lock. */
static bool has_object(const struct lane *lane, uint64_t object)
{
	if (object >= lane->seg->n_objects)
		return false;
	const struct seg_object *o = &lane->seg->objects[object];
	uint64_t word = load64_relaxed(&o->word), state = word & 15;
	if ((state == SEG_OBJECT_FORMING || state == SEG_OBJECT_SWEEPING) && is_its(lane, (word >> 4) & 0x3fff))
		return true;
	return is_its(lane, lock_holder(&o->lock));
}

static bool may_change_block(const struct lane *lane, uint64_t off)
{
	const struct seg_block *block = block_around(lane->seg, off);
	uint64_t word = block ? load64_relaxed(&block->word) : block_word(SEG_BLOCK_FREE, 0, 0, 0);
	switch (block_state(word)) {
	case SEG_BLOCK_LIVE:
		return has_object(lane, block_object(word));
	case SEG_BLOCK_PRIVATE:
	case SEG_BLOCK_TAKEN:
		return is_its(lane, block_lane(word));
	default:
		return false;
	}
}

/* Whether the offset lies in a table of n rows; which row, and where in it. */
static bool find_row(const struct segment *seg, const void *table, uint64_t n, uint64_t size, uint64_t off,
		     uint64_t *row, uint64_t *inside)
{
	uint64_t from = (uint64_t)((const uint8_t *)table - seg->base);
	if (off < from || off - from >= n * size)
		return false;
	*row = (off - from) / size;
	*inside = (off - from) % size;
	return true;
}

static bool may_change(const struct lane *lane, uint64_t off)
{
	const struct segment *seg = lane->seg;
	uint64_t row, inside;
	if (off >= seg->data_off)
		return may_change_block(lane, off);
	if (find_row(seg, seg->objects, seg->n_objects, sizeof(*seg->objects), off, &row, &inside))
		return has_object(lane, row);
	if (find_row(seg, seg->lanes, seg->n_lanes, sizeof(*seg->lanes), off, &row, &inside))
		return is_its(lane, (uint32_t)row + 1);
	return find_row(seg, seg->sessions, seg->n_owners, sizeof(*seg->sessions), off, &row, &inside) &&
	       inside == offsetof(struct seg_session, n_returned);
}

static void undo(const struct lane *lane, uint64_t off, uint64_t old)
{
	uint64_t at = off & ~1ull, width = off & 1 ? 4 : 8;
	if (at > lane->seg->size - 8 || at % width != 0 || !may_change(lane, at))
		return;
	if (off & 1)
		store32_release((uint32_t *)(lane->seg->base + at), (uint32_t)old);
	else
		store64_release((uint64_t *)(lane->seg->base + at), old);
}

void journal_undo(struct lane *lane)
{
	struct seg_lane *s = lane->shared;
	uint32_t n = LANE_RECORDS ? load32_relaxed(&s->n_undo) : 0;
	if (n > SEG_JOURNAL_RECORDS)
		n = SEG_JOURNAL_RECORDS;
	while (n > 0) {
		undo(lane, load64_relaxed(&s->undo[n - 1].off), load64_relaxed(&s->undo[n - 1].old));
		fence_compiler();
		store32_relaxed(&s->n_undo, --n);
		FAULT("journal.undone");
	}
}
