/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's insertion order: a tree from insertion numbers to nodes, with 64 slots to a block.
 *
 * A number leads to one place whatever becomes of its neighbours, so a page can be resumed behind an entry that has
 * been deleted meanwhile. Numbers are never used twice, and the tree covers those that live: it begins anew when it
 * has been empty, and a block goes away with its last entry. Each block knows its level and its first number, and
 * each node its own, so a reader without the lock sees when it is led astray.
 *
 * Between writes no block of the tree is empty. body->trim names a path on which there may be one, from before it
 * becomes so.
 */
#include "server/objects/dict_parts.h"

#include <string.h>

#include "server/base/fault.h"

#define MOST_LEVELS 10u

static uint32_t shift_of(uint32_t level)
{
	return 6 * level;
}

/* How many numbers a block of the level covers. */
static uint64_t span_of(uint32_t level)
{
	return 1ull << shift_of(level + 1);
}

static uint32_t slot_of(uint64_t order, uint32_t level)
{
	return (order >> shift_of(level)) & (SEG_ORDER_FAN - 1);
}

/* A block of the tree, or NULL if it is not what its place demands. */
static struct seg_order *block_at(const struct dict *d, uint32_t ref, uint32_t level)
{
	struct seg_order *block = segment_at(d->seg, ref, sizeof(*block));
	if (!block || (void *)block == (void *)d->body || level >= MOST_LEVELS ||
	    !dict_word_is_live(d, load64_acquire(&block->block.word)))
		return NULL;
	return load32_relaxed(&block->level) == level ? block : NULL;
}

/* Whether who has been led to the block may write into it: else what stands behind a smaller one would be written over. */
static bool is_whole(const struct dict *d, const struct seg_order *block)
{
	return block_size(d->seg, segment_ref(d->seg, block)) >= sizeof(*block);
}

static struct seg_order *root_of(const struct dict *d, uint64_t root)
{
	return block_at(d, (uint32_t)root, (uint32_t)(root >> 32));
}

static struct seg_order *child_of(const struct dict *d, const struct seg_order *block, uint32_t level, uint32_t slot)
{
	struct seg_order *child = block_at(d, load32_acquire(&block->slot[slot]), level - 1);
	uint64_t base = load64_relaxed(&block->base) + ((uint64_t)slot << shift_of(level));
	return child && load64_relaxed(&child->base) == base ? child : NULL;
}

static bool covers(const struct seg_order *block, uint32_t level, uint64_t order)
{
	return order - load64_relaxed(&block->base) < span_of(level);
}

static bool has(const struct seg_order *block, uint32_t slot)
{
	return load64_acquire(&block->used) >> slot & 1;
}

/* ---------------------------------------------------------------- in */

static void fill(struct seg_order *block, uint32_t level, uint64_t order)
{
	memset(&block->block + 1, 0, sizeof(*block) - sizeof(block->block));
	block->level = level;
	block->base = order & ~(span_of(level) - 1);
}

static enum sabir_error new_block(const struct dict *d, uint32_t level, uint64_t order, struct seg_order **block)
{
	struct seg_block *made;
	enum sabir_error error = block_alloc(d->lane, sizeof(**block), DICT_HAND_INDEX, &made);
	if (error)
		return error;
	*block = (struct seg_order *)made;
	fill(*block, level, order);
	return SABIR_OK;
}

static void put_below(struct seg_order *block, uint32_t level, uint64_t first, uint32_t ref)
{
	uint32_t slot = slot_of(first, level);
	block->slot[slot] = ref;
	block->used = 1ull << slot;
}

/* A root that covers the number, and its level: the first one, or one above those that cover less. */
static enum sabir_error reserve_root(const struct dict *d, uint64_t order, struct seg_order **found, uint32_t *at)
{
	for (uint32_t n = 0; n <= MOST_LEVELS; n++) {
		uint64_t root = load64_relaxed(&d->body->order);
		uint32_t level = (uint32_t)(root >> 32);
		struct seg_order *below = root ? root_of(d, root) : NULL, *made;
		if (root && !below)
			return SABIR_DATA_LOSS;
		if (below && covers(below, level, order)) {
			*found = below;
			*at = level;
			return SABIR_OK;
		}
		level = root ? level + 1 : 0;
		if (level >= MOST_LEVELS)
			return SABIR_DATA_LOSS;
		uint64_t first = below ? load64_relaxed(&below->base) : order;
		enum sabir_error error = new_block(d, level, first, &made);
		if (error)
			return error;
		if (below)
			put_below(made, level, first, (uint32_t)root);
		dict_adopt(d, &made->block);
		if (dict_is_everybodys(d)) {
			fill(made, level, first);
			if (below)
				put_below(made, level, first, (uint32_t)root);
		}
		journal_store64(d->lane, &d->body->order, segment_ref(d->seg, made) | (uint64_t)level << 32);
		dict_end_transaction(d);
		FAULT("dict_order.root_made");
	}
	return SABIR_DATA_LOSS;
}

enum sabir_error dict_order_reserve(const struct dict *d, uint64_t order, struct seg_order **leaf)
{
	struct seg_order *block = NULL, *child;
	uint32_t level = 0;
	/* From here on the path may have a block without entries. */
	store64_relaxed(&d->body->trim, order);
	fence_compiler();
	enum sabir_error error = reserve_root(d, order, &block, &level);
	if (error)
		return error;
	FAULT("dict_order.rooted");
	for (; level > 0; level--, block = child) {
		uint32_t slot = slot_of(order, level);
		if (has(block, slot)) {
			child = child_of(d, block, level, slot);
			if (!child)
				return SABIR_DATA_LOSS;
			continue;
		}
		error = is_whole(d, block) ? new_block(d, level - 1, order, &child) : SABIR_DATA_LOSS;
		if (error)
			return error;
		store32_relaxed(&block->slot[slot], segment_ref(d->seg, child));
		dict_adopt(d, &child->block);
		if (dict_is_everybodys(d))
			fill(child, level - 1, order);
		journal_store64(d->lane, &block->used, load64_relaxed(&block->used) | 1ull << slot);
		dict_end_transaction(d);
		FAULT("dict_order.branch_made");
	}
	*leaf = block;
	return is_whole(d, block) ? SABIR_OK : SABIR_DATA_LOSS;
}

void dict_order_insert(const struct dict *d, struct seg_order *leaf, uint64_t order, uint32_t node)
{
	uint32_t slot = slot_of(order, 0);
	/* Its bit is off: nobody looks at the slot before the next store. */
	store32_relaxed(&leaf->slot[slot], node);
	journal_store64(d->lane, &leaf->used, load64_relaxed(&leaf->used) | 1ull << slot);
	journal_store64(d->lane, &d->body->trim, 0);
}

/* ---------------------------------------------------------------- out */

enum sabir_error dict_order_leaf(const struct dict *d, uint64_t order, struct seg_order **leaf)
{
	uint64_t root = load64_relaxed(&d->body->order);
	uint32_t level = (uint32_t)(root >> 32);
	struct seg_order *block = root_of(d, root);
	if (!block || !covers(block, level, order))
		return SABIR_DATA_LOSS;
	for (; level > 0; level--) {
		uint32_t slot = slot_of(order, level);
		block = has(block, slot) ? child_of(d, block, level, slot) : NULL;
		if (!block)
			return SABIR_DATA_LOSS;
	}
	*leaf = block;
	return SABIR_OK;
}

void dict_order_remove(const struct dict *d, struct seg_order *leaf, uint64_t order)
{
	uint64_t left = load64_relaxed(&leaf->used) & ~(1ull << slot_of(order, 0));
	if (!left)
		journal_store64(d->lane, &d->body->trim, order);
	journal_store64(d->lane, &leaf->used, left);
}

/* Takes an empty block off the bit, or off the root word, that leads to it. */
static void free_empty(const struct dict *d, struct seg_order *block, uint64_t *word, uint64_t left)
{
	journal_store64(d->lane, word, left);
	dict_disown(d, &block->block, DICT_HAND_FREED);
	dict_end_transaction(d);
	FAULT("dict_order.block_freed");
	block_free(d->lane, &block->block);
}

/* Frees the lowest block on the number's path if it is empty. */
static bool trim_once(const struct dict *d, uint64_t order)
{
	uint64_t root = load64_relaxed(&d->body->order);
	struct seg_order *block = root ? root_of(d, root) : NULL;
	uint64_t *word = &d->body->order, left = 0;
	if (!block || !covers(block, (uint32_t)(root >> 32), order))
		return false;
	for (uint32_t level = (uint32_t)(root >> 32); level > 0; level--) {
		uint32_t slot = slot_of(order, level);
		if (!has(block, slot))
			break;
		struct seg_order *child = child_of(d, block, level, slot);
		if (!child)
			return false;
		word = &block->used;
		left = load64_relaxed(word) & ~(1ull << slot);
		block = child;
	}
	if (load64_relaxed(&block->used))
		return false;
	free_empty(d, block, word, left);
	return true;
}

void dict_order_trim(const struct dict *d)
{
	uint64_t order = load64_relaxed(&d->body->trim);
	if (!order)
		return;
	for (uint32_t n = 0; n < MOST_LEVELS && trim_once(d, order); n++)
		;
	store64_relaxed(&d->body->trim, 0);
}

/* ---------------------------------------------------------------- looking */

/*
 * Goes down to the first entry from `from` on. Where a branch has none, *from becomes the first number behind it, and
 * the answer is KEY_NOT_FOUND; at the end of the tree *from becomes 0.
 */
static enum sabir_error descend(const struct dict *d, uint64_t root, uint64_t *from, uint32_t *node)
{
	uint32_t level = (uint32_t)(root >> 32);
	struct seg_order *block = root_of(d, root);
	uint64_t after = 0;
	for (;; level--) {
		if (!block)
			return SABIR_DATA_LOSS;
		uint64_t base = load64_relaxed(&block->base);
		uint64_t first = *from > base ? (*from - base) >> shift_of(level) : 0;
		uint64_t used = first < SEG_ORDER_FAN ? load64_acquire(&block->used) >> first << first : 0;
		if (!used) {
			*from = after;
			return SABIR_KEY_NOT_FOUND;
		}
		uint32_t slot = (uint32_t)__builtin_ctzll(used);
		uint64_t at = base + ((uint64_t)slot << shift_of(level));
		if (level == 0) {
			*from = at;
			*node = load32_acquire(&block->slot[slot]);
			return SABIR_OK;
		}
		/* The root has no number behind it, the others have. */
		after = at + span_of(level - 1);
		block = child_of(d, block, level, slot);
	}
}

enum sabir_error dict_order_next(const struct dict *d, uint64_t from, uint64_t *order, uint32_t *node)
{
	uint64_t root = load64_acquire(&d->body->order);
	while (root) {
		uint64_t at = from;
		enum sabir_error error = descend(d, root, &at, node);
		if (!error)
			*order = at;
		if (error != SABIR_KEY_NOT_FOUND || at <= from)
			return error;
		from = at;
	}
	return SABIR_KEY_NOT_FOUND;
}

/* The same down to the last entry up to *from. Where a branch has none, *from becomes the number in front of it. */
static enum sabir_error descend_back(const struct dict *d, uint64_t root, uint64_t *from, uint32_t *node)
{
	uint32_t level = (uint32_t)(root >> 32);
	struct seg_order *block = root_of(d, root);
	uint64_t before = 0;
	for (;; level--) {
		if (!block)
			return SABIR_DATA_LOSS;
		uint64_t base = load64_relaxed(&block->base), used = 0;
		if (*from >= base) {
			uint64_t last = (*from - base) >> shift_of(level);
			used = load64_acquire(&block->used);
			used &= last < SEG_ORDER_FAN ? UINT64_MAX >> (SEG_ORDER_FAN - 1 - last) : UINT64_MAX;
		}
		if (!used) {
			*from = before;
			return SABIR_KEY_NOT_FOUND;
		}
		uint32_t slot = 63 - (uint32_t)__builtin_clzll(used);
		uint64_t at = base + ((uint64_t)slot << shift_of(level));
		if (level == 0) {
			*from = at;
			*node = load32_acquire(&block->slot[slot]);
			return SABIR_OK;
		}
		/* Number 0 is nobody's. */
		before = at ? at - 1 : 0;
		block = child_of(d, block, level, slot);
	}
}

enum sabir_error dict_order_prev(const struct dict *d, uint64_t from, uint64_t *order, uint32_t *node)
{
	uint64_t root = load64_acquire(&d->body->order);
	while (root) {
		uint64_t at = from;
		enum sabir_error error = descend_back(d, root, &at, node);
		if (!error)
			*order = at;
		if (error != SABIR_KEY_NOT_FOUND || !at || at >= from)
			return error;
		from = at;
	}
	return SABIR_KEY_NOT_FOUND;
}

enum sabir_error dict_order_last(const struct dict *d, uint32_t *node)
{
	uint64_t root = load64_relaxed(&d->body->order);
	struct seg_order *block = root ? root_of(d, root) : NULL;
	if (!root)
		return SABIR_EMPTY;
	for (uint32_t level = (uint32_t)(root >> 32); block; level--) {
		uint64_t used = load64_relaxed(&block->used);
		if (!used)
			return SABIR_DATA_LOSS;
		uint32_t slot = 63 - (uint32_t)__builtin_clzll(used);
		if (level == 0) {
			*node = load32_relaxed(&block->slot[slot]);
			return SABIR_OK;
		}
		block = child_of(d, block, level, slot);
	}
	return SABIR_DATA_LOSS;
}

/* ---------------------------------------------------------------- trash */

/* One entry of a leaf that is out of use. What is no node of ours is only forgotten. */
static void free_entry(const struct dict *d, struct seg_order *leaf, uint32_t slot)
{
	bool inside = false, older_inside = false;
	struct seg_node *node = dict_block(d, load32_relaxed(&leaf->slot[slot]), sizeof(*node));
	/* Each once, where damaged links lead back to one of them; the leaf is freed by who calls us. */
	if ((void *)node == (void *)leaf)
		node = NULL;
	struct seg_version *version = node ? dict_version(d, load32_relaxed(&node->block.next), &inside) : NULL;
	if ((void *)version == (void *)node || (void *)version == (void *)leaf)
		version = NULL;
	struct seg_version *older = NULL;
	if (version)
		older = dict_version(d, load32_relaxed(&version->block.next), &older_inside);
	if (older == version || (void *)older == (void *)node || (void *)older == (void *)leaf)
		older = NULL;
	if (older) { /* of a damaged dict alone */
		journal_store32(d->lane, &version->block.next, 0);
		dict_disown_version(d, older, older_inside, DICT_HAND_FREED);
		dict_end_transaction(d);
		dict_free_version(d, older, older_inside);
	}
	journal_store64(d->lane, &leaf->used, load64_relaxed(&leaf->used) & ~(1ull << slot));
	if (node)
		dict_disown(d, &node->block, DICT_HAND_FREED);
	if (version)
		dict_disown_version(d, version, inside, DICT_HAND_FREED_TOO);
	dict_end_transaction(d);
	FAULT("dict_order.entry_freed");
	if (version)
		dict_free_version(d, version, inside);
	if (node)
		block_free(d->lane, &node->block);
}

/* The first leaf, or the first block that is empty, and what leads to it. */
static struct seg_order *first_leaf(const struct dict *d, uint64_t root, uint64_t **word, uint64_t *left)
{
	struct seg_order *block = root_of(d, root);
	*word = &d->body->trash_order;
	*left = 0;
	for (uint32_t level = (uint32_t)(root >> 32); block && level > 0; level--) {
		uint64_t used = load64_relaxed(&block->used);
		if (!used)
			break;
		*word = &block->used;
		*left = used & (used - 1);
		block = child_of(d, block, level, (uint32_t)__builtin_ctzll(used));
	}
	return block;
}

bool dict_free_trash(const struct dict *d, uint32_t n)
{
	uint64_t root, *word, left, used;
	/* Each round frees a block or forgets one, and no more than there can be: somebody may bring some back meanwhile. */
	uint64_t rounds = d->seg->data_len / sizeof(struct seg_order);
	while ((root = load64_relaxed(&d->body->trash_order)) != 0 && n > 0 && rounds-- > 0) {
		struct seg_order *leaf = first_leaf(d, root, &word, &left);
		if (!leaf) {
			store64_relaxed(word, left); /* damaged: a branch is lost */
			continue;
		}
		for (uint32_t i = 0; i < SEG_ORDER_FAN && (used = load64_relaxed(&leaf->used)) != 0; i++) {
			free_entry(d, leaf, (uint32_t)__builtin_ctzll(used));
			n -= n > 0;
		}
		free_empty(d, leaf, word, left);
	}
	return root != 0;
}
