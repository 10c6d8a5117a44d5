/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_WORD_H
#define SABIR_OBJECTS_OBJECT_WORD_H

#include "server/objects/object.h"

/* What the files of `object` and recover.c share. */

static inline uint32_t object_state(uint64_t word)
{
	return word & 15;
}
static inline uint32_t object_lane(uint64_t word)
{
	return (word >> 4) & 0x3fff;
}
static inline uint64_t object_word(uint32_t state, uint32_t lane, uint32_t generation)
{
	return state | (uint64_t)lane << 4 | (uint64_t)generation << 32;
}

/* Why a handle can't be used, when its entry is not LIVE in its generation. */
static inline enum sabir_error object_why_absent(uint64_t word, uint64_t handle)
{
	uint32_t now = (uint32_t)(word >> 32), wanted = (uint32_t)(handle >> 32);
	if (wanted == 0 || wanted > now)
		return SABIR_NOT_FOUND;
	return wanted == now && object_state(word) == SEG_OBJECT_FORMING ? SABIR_NOT_FOUND : SABIR_DELETED;
}

/*
 * Gives back what the entry of an object has, as far as it has been built, and makes it FREE; where something is kept of it, DYING.
 * Within an operation that claimed the entry (FORMING or SWEEPING); can be done again.
 */
void object_unbuild(struct lane *lane, uint32_t index);
/* LIVE, as *word says, becomes DYING; false: it is something else by now, *word. Behind it object_retire. */
bool object_make_dying(struct seg_object *o, uint64_t *word);
void object_retire(struct segment *seg, struct seg_object *o);
/* The steps of a delete behind the one that decided it; can be done again. Errors: BUSY (the directory). */
enum sabir_error object_finish_delete(struct lane *lane, uint64_t handle);
/*
 * Makes an object without a name. The lane's `naming` holds its handle until the caller takes that off: should it die before,
 * the object is deleted, unless its whole leads to it.
 */
enum sabir_error object_make(struct lane *lane, const struct object_spec *spec, uint64_t *handle);
/* The step of a delete that ends the object's parts; can be done again. */
void object_end_parts(struct lane *lane, uint64_t handle);
/* Whether the object is a part to which its whole leads. */
bool object_is_linked(struct lane *lane, uint64_t handle);
/* Nothing of a deleted object is kept for the dead owner any more (object_kind.kept_gone). Errors: BUSY. */
enum sabir_error object_kept_gone(struct lane *by, uint32_t index, uint64_t owner);
/* Deletes an object that its maker left without the name or the whole that it was to have. */
enum sabir_error object_delete_unnamed(struct lane *lane, uint64_t handle);

#endif
