/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_REFS_H
#define SABIR_OBJECTS_REFS_H

#include "server/base/value.h"
#include "server/objects/object.h"

/*
 * What keeps an object without a name alive: holds of owners, and references in containers. collect.c ends those that
 * have neither; its opening comment says why what is done here suffices.
 */

/* The collector passes over no object that is marked in its present cycle. Inside an operation. */
void refs_mark(const struct segment *seg, struct seg_object *object);
/* Every object that the value refers to is marked, and the container known as one that refers. */
void refs_note(struct lane *lane, struct seg_object *container, struct span value);
/* The same for one handle, which stands elsewhere than in a Value. */
void refs_note_handle(struct lane *lane, struct seg_object *container, uint64_t handle);
/*
 * For every Value that a container stores or moves, in the operation that does it and before it can be found. It costs
 * one comparison unless the Value is a list, a map or a reference.
 */
static inline void refs_enter(struct lane *lane, struct seg_object *container, struct span value)
{
	if (value.len && __builtin_expect(value_may_refer(value.data[0]), 0))
		refs_note(lane, container, value);
}

/* Whether references and holds decide about its life: it has no name, no owner to end with, and is part of nothing. */
bool refs_decide(const struct seg_object *object);
/* Somebody has made such an object, or may have died when he had. */
void refs_announce(const struct segment *seg);

/* The word of a first hold, 0 for nobody. */
uint64_t hold_first(uint64_t owner);
/* The number of owners that hold the object; who is no more does not count. Inside an operation. */
uint32_t hold_count(const struct segment *seg, const struct seg_object *object);
/* For recover.c: the lane died in object_hold. */
void hold_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index);
/* Frees the list of holds; can be done again. */
void hold_destroy(struct lane *lane, uint32_t index);

#endif
