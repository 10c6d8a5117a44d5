/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that are part of another.
 *
 *   made (its maker's lane names it) ──► its handle CAS'ed into the whole's word ──► the whole is still LIVE ──► the lane's name off
 *
 * Until the last step the maker's recovery decides: the part stays if its whole is LIVE and leads to it, else it is deleted.
 * The end of a whole reads the words of its parts behind the store that makes it DYING, and whoever links a part looks
 * at the whole behind his link: one of the two sees the other, so no part is left alone.
 */
#include "server/base/fault.h"
#include "server/objects/object_names.h"
#include "server/objects/object_word.h"

#define MOST_TRIES 1000u /* each means that somebody has made the part, and it was deleted since */

/* The word of a part, inside an operation on its whole. */
static uint64_t *link_of(const struct segment *seg, uint64_t whole, uint32_t n)
{
	struct seg_object *o = &seg->objects[object_index(whole)];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	return kind && kind->part ? kind->part(seg, o, n) : NULL;
}

/* Of a whole that was found. */
static bool hides_parts(const struct segment *seg, uint64_t whole)
{
	const struct object_kind *kind = object_kind_of(load32_relaxed(&seg->objects[object_index(whole)].kind));
	return kind && kind->hides_parts;
}

static enum sabir_error find(struct lane *lane, uint64_t whole, uint32_t n, uint64_t *found)
{
	struct seg_object *o;
	struct seg_block *body;
	enum sabir_error error = object_enter(lane, SEG_OP_READ, whole, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	const uint64_t *link = link_of(lane->seg, whole, n);
	/* Pairs with the swap in join: who sees the handle sees the object. */
	if (link)
		*found = load64_acquire(link);
	object_leave(lane);
	return link ? SABIR_OK : SABIR_INVALID_ARGUMENT;
}

/* Makes the part its whole's, in place of `seen`. Errors: ALREADY_EXISTS (somebody else was quicker), as object_enter. */
static enum sabir_error join(struct lane *lane, uint64_t whole, uint32_t n, uint64_t seen, uint64_t made)
{
	struct seg_object *o;
	struct seg_block *body;
	enum sabir_error error = object_enter(lane, SEG_OP_READ, whole, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	uint64_t *link = link_of(lane->seg, whole, n);
	lane_publishes(lane);
	if (!link)
		error = SABIR_DATA_LOSS;
	else if (!cas64(link, &seen, made))
		error = SABIR_ALREADY_EXISTS;
	FAULT("object_part.linked");
	/* Pairs with the load in object_end_parts. */
	if (!error && !names_is_live(lane->seg, whole))
		error = SABIR_DELETED;
	object_leave(lane);
	return error;
}

enum sabir_error object_part(struct lane *lane, uint64_t whole, uint32_t n, const struct object_spec *spec,
			     uint64_t *part)
{
	struct object_spec own = *spec;
	uint64_t found, made;
	own.part_of = whole;
	for (uint32_t tries = 0; tries < MOST_TRIES; tries++) {
		enum sabir_error error = find(lane, whole, n, &found);
		if (error)
			return error;
		/* Another's is none, whatever leads to it. */
		if (names_is_live(lane->seg, found) &&
		    load64_relaxed(&lane->seg->objects[object_index(found)].part_of) == whole) {
			*part = found;
			return SABIR_OK;
		}
		own.hidden = hides_parts(lane->seg, whole);
		error = object_make(lane, &own, &made);
		if (error)
			return error;
		FAULT("object_part.made");
		error = join(lane, whole, n, found, made);
		if (!error) {
			store64_relaxed(&lane->shared->naming, 0);
			*part = made;
			return SABIR_OK;
		}
		(void)object_delete(lane, made);
		if (error != SABIR_ALREADY_EXISTS)
			return error;
	}
	return SABIR_DATA_LOSS;
}

/* The part's way from LIVE to where a sweep takes it; the lane's `naming` goes on to name the whole. */
static void end_part(struct segment *seg, uint64_t part)
{
	uint32_t index = object_index(part), generation = (uint32_t)(part >> 32);
	struct seg_object *o = &seg->objects[index];
	uint64_t word = object_word(SEG_OBJECT_LIVE, 0, generation);
	uint64_t dying = object_word(SEG_OBJECT_DYING, 0, generation);
	if (!object_make_dying(o, &word) && word != dying)
		return;
	FAULT("object_part.dying");
	event_notify_all(seg, index);
	object_retire(seg, o);
	FAULT("object_part.ended");
}

void object_end_parts(struct lane *lane, uint64_t handle)
{
	struct segment *seg = lane->seg;
	const uint64_t *link;
	/* The whole is not swept before its retire_epoch has been set, which comes later. */
	for (uint32_t n = 0; (link = link_of(seg, handle, n)) != NULL; n++) {
		uint64_t part = load64_seq(link);
		uint32_t index = object_index(part);
		/* What is not the whole's is not deleted with it, whatever a damaged word says. */
		if (index && index < seg->n_objects && load64_relaxed(&seg->objects[index].part_of) == handle)
			end_part(seg, part);
	}
}

bool object_is_linked(struct lane *lane, uint64_t handle)
{
	const struct segment *seg = lane->seg;
	uint64_t whole = load64_relaxed(&seg->objects[object_index(handle)].part_of);
	const uint64_t *link;
	bool found = false;
	if (!whole)
		return false;
	lane_begin(lane, SEG_OP_READ, 0);
	bool live = names_is_live(seg, whole);
	for (uint32_t n = 0; live && !found && (link = link_of(seg, whole, n)) != NULL; n++)
		found = load64_acquire(link) == handle;
	lane_end(lane);
	return found;
}
