/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_WORD_H
#define SABIR_OBJECTS_OBJECT_WORD_H

#include "server/objects/object.h"

/* What object.c and recover.c share. */

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
