/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks and holds.
 *
 * A hold is one word (layout.h): who, and how often. The first stands in the object's entry, further ones in a list of
 * blocks that only grows while the object lives; so all is read without a lock, and every change is one compare-and-swap:
 *
 *   free or its owner is gone ──hold──► {owner, 1} ──hold──► {owner, n} ──release──► … ──► free
 *
 * Nothing has to be done when an owner dies: his index gets a new generation, and the word counts no more. A new block
 * has its first hold in it when it is linked; who dies before it is known as the object's has it in his hand, and
 * recovery looks whether it is in the list.
 */
#include "server/objects/refs.h"

#include "server/base/fault.h"
#include "server/objects/object_word.h"
#include "server/objects/ring.h"

#define HAND_HOLDS 0u
#define OWNER_MASK 0xffffffff001fffffull
#define ONE_MORE (1ull << SEG_HOLD_SHIFT)

/* ---------------------------------------------------------------- marks */

void refs_mark(const struct segment *seg, struct seg_object *object)
{
	/* Pairs with the collector's store of the number, behind which it waits for all operations that are under way. */
	uint64_t cycle = load64_seq(&seg->header->cycle), seen = load64_relaxed(&object->seen);
	while (seen < cycle && !cas64(&object->seen, &seen, cycle))
		;
}

struct note {
	const struct segment *seg;
	struct seg_object *container;
};

static void note_ref(void *context, uint64_t handle)
{
	const struct note *n = context;
	uint32_t index = object_index(handle);
	if (index == 0 || index >= n->seg->n_objects)
		return;
	refs_mark(n->seg, &n->seg->objects[index]);
	if (!(load32_relaxed(&n->container->refs) & SEG_OBJECT_REFERS))
		fetch_or32(&n->container->refs, SEG_OBJECT_REFERS);
}

void refs_note(struct lane *lane, struct seg_object *container, struct span value)
{
	struct note note = { lane->seg, container };
	value_refs(value, note_ref, &note);
	FAULT("refs.noted");
}

void refs_note_handle(struct lane *lane, struct seg_object *container, uint64_t handle)
{
	struct note note = { lane->seg, container };
	note_ref(&note, handle);
	FAULT("refs.noted");
}

bool refs_decide(const struct seg_object *object)
{
	return !load32_relaxed(&object->name) && !load64_relaxed(&object->owner) && !load64_relaxed(&object->part_of);
}

void refs_announce(const struct segment *seg)
{
	if (!load32_seq(&seg->header->collect_wanted) && !exchange32(&seg->header->collect_wanted, 1))
		bell_ring(seg, 0);
}

/* ---------------------------------------------------------------- words */

static uint32_t count_in(uint64_t hold)
{
	return (uint32_t)(hold >> SEG_HOLD_SHIFT) & SEG_HOLD_MOST;
}

uint64_t hold_first(uint64_t owner)
{
	return owner ? (owner & OWNER_MASK) | ONE_MORE : 0;
}

static bool counts(const struct segment *seg, uint64_t hold)
{
	uint32_t index = (uint32_t)(hold & (ONE_MORE - 1)) - 1;
	if (!count_in(hold) || index >= seg->n_owners)
		return false;
	uint64_t word = owner_now(seg, index);
	return (word & 15) == SEG_OWNER_LIVE && word >> 32 == hold >> 32;
}

/* The holds of an object, one after the other: that in the entry, then the blocks'. */
struct holds {
	const struct segment *seg;
	uint32_t index;
	uint64_t *first;
	struct seg_holds *block;
	uint32_t next;
	uint32_t i;
	struct ring ring;
};

static struct holds holds_of(const struct segment *seg, struct seg_object *o)
{
	return (struct holds){ .seg = seg,
			       .index = (uint32_t)(o - seg->objects),
			       .first = &o->held,
			       .next = load32_acquire(&o->holders) };
}

/* NULL: it is not the object's, and not just becoming so. */
static struct seg_holds *holds_at(const struct holds *h, uint32_t ref)
{
	struct seg_holds *at = block_size(h->seg, ref) >= sizeof(*at) ? segment_at(h->seg, ref, sizeof(*at)) : NULL;
	uint64_t word = at ? load64_acquire(&at->block.word) : 0;
	bool its = block_is_joining(h->seg, ref, word, h->index, HAND_HOLDS) ||
		   /* published since */
		   (at && block_is_of(&at->block, h->index));
	return its ? at : NULL;
}

/* NULL behind the last. What is damaged ends the list. */
static uint64_t *next_hold(struct holds *h)
{
	uint64_t *first = h->first;
	if (first) {
		h->first = NULL;
		return first;
	}
	if (!h->block || h->i == SEG_N_HOLDS) {
		h->block = h->next && !ring_closes(&h->ring, h->next) ? holds_at(h, h->next) : NULL;
		if (!h->block)
			return NULL;
		h->next = load32_acquire(&h->block->block.next);
		h->i = 0;
	}
	return &h->block->hold[h->i++];
}

uint32_t hold_count(const struct segment *seg, const struct seg_object *object)
{
	/* It only reads. */
	struct holds all = holds_of(seg, (struct seg_object *)(uintptr_t)object);
	uint64_t *at;
	uint32_t n = 0;
	while ((at = next_hold(&all)) != NULL)
		n += counts(seg, load64_acquire(at));
	return n;
}

/* ---------------------------------------------------------------- hold, release */

/* One more in a word that is the owner's, or in one that is nobody's. */
static bool add_to(const struct segment *seg, struct seg_object *o, uint64_t owner, bool own)
{
	struct holds all = holds_of(seg, o);
	uint64_t *at;
	while ((at = next_hold(&all)) != NULL) {
		uint64_t seen = load64_acquire(at);
		bool mine = count_in(seen) && (seen & OWNER_MASK) == (owner & OWNER_MASK);
		while (own ? mine && count_in(seen) < SEG_HOLD_MOST : !counts(seg, seen)) {
			if (cas64(at, &seen, own ? seen + ONE_MORE : hold_first(owner)))
				return true;
			mine = count_in(seen) && (seen & OWNER_MASK) == (owner & OWNER_MASK);
		}
	}
	return false;
}

static enum sabir_error add_block(struct lane *lane, uint32_t index, uint64_t owner)
{
	struct seg_object *o = &lane->seg->objects[index];
	struct seg_block *block;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_holds), 0, HAND_HOLDS, &block);
	if (error)
		return error;
	struct seg_holds *made = (struct seg_holds *)block;
	uint32_t head = load32_acquire(&o->holders);
	made->hold[0] = hold_first(owner);
	do {
		store32_relaxed(&block->next, head);
		FAULT("hold.made");
	} while (!cas32(&o->holders, &head, segment_ref(lane->seg, block)));
	FAULT("hold.linked");
	block_publish(block, index);
	record32(&lane->shared->hand[HAND_HOLDS], 0);
	return SABIR_OK;
}

static enum sabir_error hold_once(struct lane *lane, uint64_t handle)
{
	struct seg_object *o;
	struct seg_block *body;
	uint64_t owner = lane->actor.owner;
	enum sabir_error error = object_enter(lane, SEG_OP_HOLD, handle, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	if (!load32_relaxed(&o->name) && !load64_relaxed(&o->owner)) {
		/* In front of the hold: a collector that has looked for holds already looks for marks still. */
		refs_mark(lane->seg, o);
		FAULT("hold.marked");
		if (owner && !add_to(lane->seg, o, owner, true) && !add_to(lane->seg, o, owner, false))
			error = add_block(lane, object_index(handle), owner);
		FAULT("hold.held");
	}
	object_leave(lane);
	return error;
}

enum sabir_error object_hold(struct lane *lane, uint64_t handle)
{
	lane_publishes(lane);
	enum sabir_error error = hold_once(lane, handle);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = hold_once(lane, handle);
	return error;
}

static bool take_from(const struct segment *seg, struct seg_object *o, uint64_t owner)
{
	struct holds all = holds_of(seg, o);
	uint64_t *at;
	while ((at = next_hold(&all)) != NULL) {
		uint64_t seen = load64_acquire(at);
		while (count_in(seen) && (seen & OWNER_MASK) == (owner & OWNER_MASK))
			if (cas64(at, &seen, count_in(seen) == 1 ? 0 : seen - ONE_MORE))
				return true;
	}
	return false;
}

enum sabir_error object_release(struct lane *lane, uint64_t handle)
{
	struct seg_object *o;
	struct seg_block *body;
	uint64_t owner = lane->actor.owner;
	enum sabir_error error = object_enter(lane, SEG_OP_HOLD, handle, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	lane_publishes(lane);
	if (!owner)
		error = SABIR_SESSION_REQUIRED;
	else if (!load32_relaxed(&o->name) && !load64_relaxed(&o->owner) && !take_from(lane->seg, o, owner))
		error = SABIR_NOT_HELD;
	FAULT("hold.released");
	object_leave(lane);
	return error;
}

/* ---------------------------------------------------------------- death, end */

void hold_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index)
{
	struct seg_object *o = &by->seg->objects[index];
	uint32_t made = load32_relaxed(&dead->hand[HAND_HOLDS]), ref = load32_acquire(&o->holders);
	struct seg_block *block = made ? segment_at(by->seg, made, sizeof(struct seg_holds)) : NULL;
	uint64_t word = block ? load64_acquire(&block->word) : 0;
	if (block_state(word) != SEG_BLOCK_PRIVATE || block_lane(word) != dead_id)
		return;
	for (struct ring ring = { 0 }; ref && ref != made && !ring_closes(&ring, ref);) {
		struct seg_block *at = segment_at(by->seg, ref, sizeof(struct seg_holds));
		ref = at ? load32_acquire(&at->next) : 0;
	}
	if (ref == made)
		block_publish(block, index);
	FAULT("hold.recovered");
}

void hold_destroy(struct lane *lane, uint32_t index)
{
	struct segment *seg = lane->seg;
	struct seg_object *o = &seg->objects[index];
	uint64_t most = seg->data_len >> SEG_REF_SHIFT; /* blocks that there can be */
	uint32_t ref;
	store64_relaxed(&o->held, 0);
	while ((ref = load32_relaxed(&o->holders)) != 0 && most-- > 0) {
		struct seg_block *block = block_size(seg, ref) ? segment_at(seg, ref, sizeof(*block)) : NULL;
		uint64_t word = block ? load64_acquire(&block->word) : 0;
		if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != index) {
			store32_relaxed(&o->holders, 0);
			return;
		}
		record32(&lane->shared->hand[HAND_HOLDS], ref);
		fence_compiler();
		journal_store64(lane, &block->word, block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(word)));
		journal_store32(lane, &o->holders, load32_relaxed(&block->next));
		journal_commit(lane);
		FAULT("hold.dropped");
		block_free(lane, block);
	}
}
