/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice of an array whose writer dies while he stores it: the recovery stores the rest, and each element once.
 *
 * Operations on elements take no lock, so others may change elements between the slice's store and the recovery's, and
 * what they did is not to be written over. A slice is written in steps of 128 elements. The writer begins each by storing
 * the step's number, which also says that those before are done; so only of the elements of one step it can't be known
 * whether they were stored. For them this holds:
 *
 *   An element that was stored still holds what the slice has for it, or its bit is set beside the step's number.
 *
 * Whoever changes an element looks first whether somebody is writing a slice, and if the element belongs to the step and
 * holds what the slice has for it, he sets the bit. From then on the slice's store counts as done, and before his change. He
 * looks once more behind his change, for the slice may have come to the element meanwhile: then what he changed was the
 * slice's. If it was not, and the bit is not set, his change came before the slice's store, and is to be written over. The
 * recovery leaves alone elements whose bit is set and stores the others with a compare-and-swap: if it dies, the next
 * recovery finds the same invariant.
 *
 * A step's number is not used again by the same lane for 2^32 steps, so a bit that comes late finds another word. The
 * invariant is broken for a few instructions where a slice came to an element between the first look and the change, until
 * the second look: who is stopped there, after that, for as long as the writer's death and recovery take finds his change
 * undone, or what another has made of it. And who writes through a mapped pointer sets no bit: what he stored into the
 * step in which a writer died may be written over.
 */
#include "server/objects/array.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/array_parts.h"

static uint32_t step_number(uint64_t step)
{
	return (uint32_t)(step >> 32);
}

/* The data of a lane's write: a block of its own that holds `len` bytes, else NULL. */
static const uint8_t *block_data(const struct segment *seg, uint64_t source, uint32_t lane_id, uint64_t len)
{
	uint32_t ref = (uint32_t)source;
	struct seg_block *block = segment_at(seg, ref, sizeof(*block));
	if (source != ref || !block || block_size(seg, ref) < sizeof(*block) + len)
		return NULL;
	uint64_t word = load64_acquire(&block->word);
	bool its_own = block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == lane_id;
	return its_own ? (const uint8_t *)(block + 1) : NULL;
}

/* The write that a lane's args tell of, each read once; false: there can't be one. */
static bool look_at_write(const struct segment *seg, const struct array_view *a, const struct seg_lane *writer,
			  uint32_t lane_id, struct slice_write *w, uint32_t *first)
{
	uint64_t kind = load64_relaxed(&writer->args[ARRAY_ARG_KIND]);
	uint64_t range = load64_relaxed(&writer->args[ARRAY_ARG_RANGE]);
	*w = (struct slice_write){ .start = range >> 32, .count = (uint32_t)range };
	w->source = load64_relaxed(&writer->args[ARRAY_ARG_SOURCE]);
	*first = (uint32_t)kind;
	if (w->start > a->length || w->count > a->length - w->start)
		return false;
	uint64_t len = w->count * a->width;
	if (kind >> 32 == ARRAY_WRITE_SHORT && len <= sizeof(writer->undo))
		w->data = (const uint8_t *)writer->undo;
	else if (kind >> 32 == ARRAY_WRITE_BLOCK)
		w->data = block_data(seg, w->source, lane_id, len);
	return w->data || kind >> 32 == ARRAY_WRITE_FILL;
}

/* The n-th of the slice. A living writer's data may have become anything, but it is inside the segment. */
static uint64_t bits_of(const struct array_view *a, const struct slice_write *w, uint64_t n)
{
	uint64_t bits = w->data ? array_load_element(a, w->data + n * a->width) : w->source;
	return bits & UINT64_MAX >> (64 - 8 * a->width);
}

static uint32_t word_of(uint64_t n)
{
	return ARRAY_ARG_STEP + n % ARRAY_STEP / 32;
}

static uint64_t bit_of(uint64_t n)
{
	return 1ull << n % 32;
}

/* ---------------------------------------------------------------- who changes elements */

static void set_bit(uint64_t *word, uint64_t seen, uint64_t bit)
{
	uint32_t number = step_number(seen);
	while (step_number(seen) == number && !(seen & bit) && !cas64(word, &seen, seen | bit))
		;
}

void array_settle_slow(const struct segment *seg, const struct array_view *a, const uint8_t *at, uint64_t was)
{
	struct slice_write w;
	uint32_t first, id = lock_holder(&a->object->lock);
	if (!id || id > seg->n_lanes)
		return;
	struct seg_lane *writer = &seg->lanes[id - 1];
	uint64_t step[ARRAY_STEP_WORDS];
	/* Before the rest, so that what is read behind it is of this step or of a later one: then the swap fails. */
	for (uint32_t i = 0; i < ARRAY_STEP_WORDS; i++)
		step[i] = load64_acquire(&writer->args[ARRAY_ARG_STEP + i]);
	if (load32_acquire(&writer->phase) != SEG_PHASE_COMMITTED ||
	    load32_relaxed(&writer->op) != SEG_OP_ARRAY_WRITE || load32_relaxed(&writer->object) != a->index)
		return;
	if (!look_at_write(seg, a, writer, id, &w, &first))
		return;
	uint64_t n = (uint64_t)(at - a->elements) / a->width - w.start;
	if (n >= w.count || bits_of(a, &w, n) != was)
		return;
	uint64_t seen = step[word_of(n) - ARRAY_ARG_STEP];
	if (step_number(seen) - first == n / ARRAY_STEP)
		set_bit(&writer->args[word_of(n)], seen, bit_of(n));
}

/* ---------------------------------------------------------------- recovery */

/* Whether somebody has changed the n-th element of the slice after it was stored; the step's number is that of `number`. */
static bool is_changed(const struct seg_lane *dead, uint32_t number, uint64_t n)
{
	uint64_t word = load64_seq(&dead->args[word_of(n)]);
	return step_number(word) == number && (word & bit_of(n));
}

/* An element of the step in which the writer died. */
static void settle_element(const struct array_view *a, const struct seg_lane *dead, const struct slice_write *w,
			   uint32_t number, uint64_t n)
{
	uint8_t *at = a->elements + (w->start + n) * a->width;
	uint64_t bits = bits_of(a, w, n);
	uint64_t found = array_load_element(a, at);
	/* The bit is looked at behind the element: what was found before it was set is not what came of a stored one. */
	while (found != bits && !is_changed(dead, number, n) && !array_swap_element(a, at, &found, bits))
		;
	FAULT("array_settle.element");
}

enum sabir_error array_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object)
{
	struct array_view a;
	struct slice_write w;
	uint32_t first, number = step_number(load64_relaxed(&dead->args[ARRAY_ARG_STEP]));
	if (load32_relaxed(&dead->op) != SEG_OP_ARRAY_WRITE || load32_acquire(&dead->phase) != SEG_PHASE_COMMITTED)
		return SABIR_OK;
	if (!lock_held_by(&object->lock, dead_id) || !array_look(by->seg, index, object, &a) ||
	    !look_at_write(by->seg, &a, dead, dead_id, &w, &first)) {
		object_damaged(object);
		return SABIR_OK;
	}
	uint64_t done = (uint64_t)(number - first) * ARRAY_STEP, end = done + ARRAY_STEP;
	if (done >= w.count) {
		object_damaged(object);
		return SABIR_OK;
	}
	for (; done < end && done < w.count; done++)
		settle_element(&a, dead, &w, number, done);
	array_write_on(&a, dead, &w, done);
	store32_release(&dead->phase, SEG_PHASE_OPEN);
	return SABIR_OK;
}
