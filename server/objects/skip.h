/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_SKIP_H
#define SABIR_OBJECTS_SKIP_H

#include "server/objects/object.h"

/*
 * Ordered sets of an object's blocks: skip lists, under the object's lock. A change stores a bounded number of words, all
 * through the lane's journal: at most SEG_SKIP_LEVELS for a removal, as many for the insertion of a block that is still
 * private, twice as many for one that is the object's already; and a quarter of that mostly. How high a node reaches
 * follows from its ordinal, so nothing has to be remembered of it.
 */
struct skip {
	struct lane *lane;
	uint32_t index; /* of the object: all nodes are in its LIVE blocks */
	uint32_t *head; /* SEG_SKIP_LEVELS links */
	size_t offset;  /* of the struct seg_skip in a block */
};

/* The node of a block of the object, or NULL: damaged. */
struct seg_skip *skip_node(const struct skip *s, uint32_t ref);

/* The first block, 0 = none. */
static inline uint32_t skip_first(const struct skip *s)
{
	return load32_relaxed(&s->head[0]);
}
/* The first block at or behind (key, ordinal), 0 = none. Errors: DATA_LOSS. */
enum sabir_error skip_find(const struct skip *s, int64_t key, uint64_t ordinal, uint32_t *ref);
/*
 * Moves the place (key, ordinal) behind the node. False: the node stands in front of the place, or nothing can be behind it, so
 * it is damaged. A walk that passes each of its nodes goes up, and ends whatever the memory holds.
 */
bool skip_pass(const struct seg_skip *node, int64_t *key, uint64_t *ordinal);
/* The block's node is in no set now, and its key and ordinal are set. Errors: DATA_LOSS (nothing was stored). */
enum sabir_error skip_insert(const struct skip *s, uint32_t ref);
/* Errors: DATA_LOSS (it is not there; nothing was stored). */
enum sabir_error skip_remove(const struct skip *s, uint32_t ref);

#endif
