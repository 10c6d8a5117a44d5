/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an object, in two steps.
 *
 *   LIVE ──CAS──► DYING ──CAS──► SWEEPING(lane) ──► FREE
 *                   ▲──something is kept──┘
 *
 * The delete is the CAS to DYING: every operation that begins later answers DELETED. Behind it whoever waits is told, the object's
 * parts end, its name goes, and the entry's retire_epoch is stored; all of that can be done again by who recovers a dead deleter. The
 * sweep gives the memory back once the epoch has passed of those operations that began before, but for what somebody keeps beyond
 * his operations (object_kind.keeps): that goes when he lets go of it and has the entry swept again, or is found to be dead. The
 * header's sweep_wanted says that there may be something to sweep. A sweep that dies goes on from its beginning.
 */
#include "server/base/fault.h"
#include "server/objects/object_names.h"
#include "server/objects/object_word.h"
#include "server/objects/refs.h"

/* ---------------------------------------------------------------- the sweep of an entry */

void object_free_block(struct lane *lane, uint32_t index, uint32_t ref)
{
	struct seg_block *block = segment_at(lane->seg, ref, sizeof(*block));
	if (!block || !block_size(lane->seg, ref))
		return;
	uint64_t word = load64_acquire(&block->word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != index)
		return;
	record32(&lane->shared->hand[SEG_HAND_REFS - 1], ref);
	fence_compiler();
	block_retract(lane, block);
	FAULT("object_sweep.retracted");
	block_free(lane, block);
}

/* A sweep that died may have freed the body already, and somebody uses its memory for something else. */
static bool has_body(const struct segment *seg, uint32_t index)
{
	const struct seg_block *body = object_body(seg, &seg->objects[index], sizeof(*body));
	return body != NULL;
}

void object_unbuild(struct lane *lane, uint32_t index)
{
	struct seg_object *o = &lane->seg->objects[index];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	bool whole = kind && has_body(lane->seg, index);
	if (whole && kind->destroy)
		kind->destroy(lane, index, o);
	FAULT("object_sweep.destroyed");
	if (whole && kind->keeps && kind->keeps(lane->seg, o)) {
		store64_seq(&o->word, object_word(SEG_OBJECT_DYING, 0, (uint32_t)(load64_relaxed(&o->word) >> 32)));
		FAULT("object_sweep.kept");
		return;
	}
	hold_destroy(lane, index);
	object_free_block(lane, index, load32_relaxed(&o->body));
	object_free_block(lane, index, load32_relaxed(&o->name));
	object_free_block(lane, index, (uint32_t)load64_relaxed(&o->changes));
	FAULT("object_sweep.freed");
	/* The next life may end before it has a body of its own. */
	store32_relaxed(&o->body, 0);
	store32_relaxed(&o->name, 0);
	store64_relaxed(&o->changes, 0);
	store64_release(&o->word, object_word(SEG_OBJECT_FREE, 0, (uint32_t)(load64_relaxed(&o->word) >> 32)));
}

/* Whether no name leads to the object of this entry any more: a delete that met the directory's lock left its own. */
static bool is_unnamed(struct lane *lane, uint32_t index, uint64_t word)
{
	struct seg_object *o = &lane->seg->objects[index];
	uint64_t handle = index | (word & 0xffffffff00000000ull), found = 0;
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;
	lane_begin(lane, SEG_OP_READ, index);
	bool named = load64_seq(&o->word) == word && names_of(lane->seg, o, copy, &name);
	lane_end(lane);
	if (!named || names_find(lane, name, &found) || found != handle)
		return true;
	return names_drop(lane, name, handle) != SABIR_BUSY;
}

/*
 * Returns whether the entry is one that a later sweep has to look at again. One that another lane sweeps is: that lane may have
 * passed what is kept no more.
 */
static bool sweep_index(struct lane *lane, uint32_t index, uint64_t oldest)
{
	struct seg_object *o = &lane->seg->objects[index];
	uint64_t word = load64_acquire(&o->word);
	if (object_state(word) != SEG_OBJECT_DYING)
		return object_state(word) == SEG_OBJECT_SWEEPING;
	uint64_t epoch = load64_acquire(&o->retire_epoch);
	if (!epoch || epoch >= oldest || !is_unnamed(lane, index, word))
		return true;
	lane_begin(lane, SEG_OP_SWEEP, index);
	bool claimed = cas64(&o->word, &word, object_word(SEG_OBJECT_SWEEPING, lane->id, (uint32_t)(word >> 32)));
	if (claimed) {
		FAULT("object_sweep.claimed");
		object_unbuild(lane, index);
	}
	lane_end(lane);
	return !claimed;
}

/* ---------------------------------------------------------------- deleting */

/*
 * Of a LIVE object it is 0; else somebody has written there, and a sweep would not wait for who is in an operation. What a deleter has
 * stored since stays.
 */
static void begin_anew(struct seg_object *o, uint64_t live)
{
	uint64_t seen = load64_seq(&o->retire_epoch);
	if (__builtin_expect(seen != 0, 0) && load64_seq(&o->word) == live)
		(void)cas64(&o->retire_epoch, &seen, 0);
}

bool object_make_dying(struct seg_object *o, uint64_t *word)
{
	uint64_t live = *word;
	begin_anew(o, live);
	return cas64(&o->word, word, object_word(SEG_OBJECT_DYING, 0, (uint32_t)(live >> 32)));
}

/* Of what is DYING: from now on, whatever stands there. Who recovers the deleter only makes it later. */
void object_retire(struct segment *seg, struct seg_object *o)
{
	store64_release(&o->retire_epoch, epoch_retire(seg));
}

enum sabir_error object_delete(struct lane *lane, uint64_t handle)
{
	struct segment *seg = lane->seg;
	uint32_t index = object_index(handle);
	if (index == 0 || index >= seg->n_objects)
		return SABIR_NOT_FOUND;
	struct seg_object *o = &seg->objects[index];
	uint64_t generation = handle >> 32;
	uint64_t word = object_word(SEG_OBJECT_LIVE, 0, (uint32_t)generation);

	/* What this lane itself was making and did not get a name for is named already: if it dies here, that goes all the same. */
	if (load64_relaxed(&lane->shared->naming) != handle)
		store64_relaxed(&lane->shared->naming, handle | SEG_NAMING_DELETE);
	FAULT("object_delete.begun");
	lane_publishes(lane);
	if (!object_make_dying(o, &word)) {
		store64_relaxed(&lane->shared->naming, 0);
		return object_why_absent(word, handle);
	}
	FAULT("object_delete.dying");
	/* A name that can't be taken off now is harmless: it leads to an object that is not LIVE. The sweep takes it off. */
	if (object_finish_delete(lane, handle) == SABIR_BUSY) {
		object_retire(seg, o);
		store32_seq(&seg->header->sweep_wanted, 1);
	}
	store64_relaxed(&lane->shared->naming, 0);
	/* Mostly nobody is inside, and the memory can be had at once; a sweep of the whole table finds the others. */
	(void)sweep_index(lane, index, epoch_oldest(seg));
	return SABIR_OK;
}

enum sabir_error object_finish_delete(struct lane *lane, uint64_t handle)
{
	struct segment *seg = lane->seg;
	struct seg_object *o = &seg->objects[object_index(handle)];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;

	event_notify_all(seg, object_index(handle));
	if (kind && kind->ended)
		kind->ended(seg, object_index(handle), o);
	FAULT("object_delete.told");
	object_end_parts(lane, handle);
	if (names_of(seg, o, copy, &name) && names_drop(lane, name, handle) == SABIR_BUSY)
		return SABIR_BUSY;
	FAULT("object_delete.unnamed");
	object_retire(seg, o);
	FAULT("object_delete.retired");
	store32_seq(&seg->header->sweep_wanted, 1);
	return SABIR_OK;
}

enum sabir_error object_delete_unnamed(struct lane *lane, uint64_t handle)
{
	const struct segment *seg = lane->seg;
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;
	uint64_t named = 0;
	if (names_of(seg, &seg->objects[object_index(handle)], copy, &name) &&
	    object_open(lane, name, &named) == SABIR_OK && named == handle)
		return SABIR_OK;
	if (object_is_linked(lane, handle))
		return SABIR_OK;
	enum sabir_error error = object_delete(lane, handle);
	return error == SABIR_BUSY ? error : SABIR_OK;
}

/* ---------------------------------------------------------------- sweeping */

enum sabir_error object_sweep_again(struct lane *lane, uint32_t index)
{
	struct segment *seg = lane->seg;
	if (!sweep_index(lane, index, epoch_oldest(seg)))
		return SABIR_OK;
	store32_seq(&seg->header->sweep_wanted, 1);
	return SABIR_BUSY;
}

enum sabir_error object_kept_gone(struct lane *by, uint32_t index, uint64_t owner)
{
	struct seg_object *o = &by->seg->objects[index];
	uint32_t state = object_state(load64_seq(&o->word));
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	bool gone = state == SEG_OBJECT_DYING || state == SEG_OBJECT_SWEEPING;
	if (!gone || !kind || !kind->keeps || !has_body(by->seg, index) || !kind->keeps(by->seg, o))
		return SABIR_OK;
	lane_begin(by, SEG_OP_READ, index);
	enum sabir_error error = lock_acquire(by, &o->lock);
	bool locked = !error;
	/* Who begins to sweep it now waits for the lock; who has begun may have seen the owner alive. */
	if (error != SABIR_BUSY) {
		bool dying = object_state(load64_seq(&o->word)) == SEG_OBJECT_DYING;
		error = dying ? SABIR_OK : SABIR_BUSY;
		if (dying)
			kind->kept_gone(by, index, o, owner);
	}
	if (locked)
		lock_release(by, &o->lock);
	lane_end(by);
	FAULT("object_sweep.kept_gone");
	if (!error)
		(void)object_sweep_again(by, index);
	return error;
}

void object_sweep(struct lane *lane)
{
	struct segment *seg = lane->seg;
	bool left = false;
	if (!load32_relaxed(&seg->header->sweep_wanted) || !exchange32(&seg->header->sweep_wanted, 0))
		return;
	uint64_t oldest = epoch_oldest(seg);
	for (uint32_t i = 1; i < seg->n_objects; i++)
		left |= sweep_index(lane, i, oldest);
	if (left)
		store32_seq(&seg->header->sweep_wanted, 1);
}
