/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Skip lists whose links are refs in shared memory.
 *
 * Every level is a list in ascending order of (key, ordinal), and a node that is on a level is on all below it. The walk
 * checks that it goes up, so it ends whatever the memory holds: a ring or a block of somebody else is DATA_LOSS.
 */
#include "server/objects/skip.h"

/* Of four nodes on a level one is on the next. */
static uint32_t level_of(uint64_t ordinal)
{
	uint64_t h = (ordinal + 1) * 0x9e3779b97f4a7c15ull;
	uint32_t zeros;

	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ull;
	zeros = (uint32_t)__builtin_ctzll(h >> 32 | 1ull << 2 * (SEG_SKIP_LEVELS - 1));
	return 1 + zeros / 2;
}

struct place {
	int64_t key;
	uint64_t ordinal;
};

/* Each word is read once: what is compared is what is remembered. */
static struct place place_of(const struct seg_skip *node)
{
	return (struct place){ (int64_t)load64_relaxed((const uint64_t *)&node->key), load64_relaxed(&node->ordinal) };
}

static bool is_before(struct place a, struct place b)
{
	return a.key < b.key || (a.key == b.key && a.ordinal < b.ordinal);
}

struct seg_skip *skip_node(const struct skip *s, uint32_t ref)
{
	struct seg_block *block = segment_at(s->lane->seg, ref, s->offset + sizeof(struct seg_skip));
	if (!block)
		return NULL;
	uint64_t word = load64_relaxed(&block->word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != s->index)
		return NULL;
	/* Every block has a line. What is behind a smaller one is somebody else's. */
	uint64_t end = s->offset + sizeof(struct seg_skip);
	if (end > SEG_LINE && block_size(s->lane->seg, ref) < end)
		return NULL;
	return (struct seg_skip *)((uint8_t *)block + s->offset);
}

/* Of each level the link that leads to the first node at or behind the place; false: damaged. */
static bool find_links(const struct skip *s, struct place to, uint32_t *links[SEG_SKIP_LEVELS])
{
	/* No more than there can be blocks: somebody may raise the keys of a ring while we are in it. */
	uint64_t steps = s->lane->seg->data_len >> SEG_REF_SHIFT;
	uint32_t *from = s->head;
	struct place at = { INT64_MIN, 0 };

	for (uint32_t level = SEG_SKIP_LEVELS; level-- > 0;) {
		uint32_t ref;
		while ((ref = load32_relaxed(&from[level])) != 0) {
			struct seg_skip *node = skip_node(s, ref);
			if (!node)
				return false;
			struct place found = place_of(node);
			if (!is_before(found, to))
				break;
			if ((from != s->head && !is_before(at, found)) || steps-- == 0)
				return false;
			from = node->next;
			at = found;
		}
		links[level] = &from[level];
	}
	return true;
}

enum sabir_error skip_find(const struct skip *s, int64_t key, uint64_t ordinal, uint32_t *ref)
{
	uint32_t *links[SEG_SKIP_LEVELS];
	if (!find_links(s, (struct place){ key, ordinal }, links))
		return SABIR_DATA_LOSS;
	*ref = load32_relaxed(links[0]);
	return SABIR_OK;
}

bool skip_pass(const struct seg_skip *node, int64_t *key, uint64_t *ordinal)
{
	struct place at = place_of(node);
	if (is_before(at, (struct place){ *key, *ordinal }) || (at.key == INT64_MAX && at.ordinal == UINT64_MAX))
		return false;
	*key = at.ordinal == UINT64_MAX ? at.key + 1 : at.key;
	*ordinal = at.ordinal + 1;
	return true;
}

/* The caller may have changed the block's word in the same transaction, so the node itself is not checked here. */
static struct seg_skip *own_node(const struct skip *s, uint32_t ref)
{
	uint8_t *block = segment_at(s->lane->seg, ref, s->offset + sizeof(struct seg_skip));
	return block ? (struct seg_skip *)(block + s->offset) : NULL;
}

enum sabir_error skip_insert(const struct skip *s, uint32_t ref)
{
	uint32_t *links[SEG_SKIP_LEVELS];
	struct seg_skip *node = own_node(s, ref);
	if (!node)
		return SABIR_DATA_LOSS;
	struct place place = place_of(node);
	/* A node that is there already would lead to itself. */
	if (!find_links(s, place, links) || load32_relaxed(links[0]) == ref)
		return SABIR_DATA_LOSS;
	/* What a block holds that nobody else knows need not be restored. It may still be another object's. */
	struct seg_block *block = segment_at(s->lane->seg, ref, sizeof(*block));
	bool known = block && block_state(load64_relaxed(&block->word)) == SEG_BLOCK_LIVE;
	uint32_t n = level_of(place.ordinal);
	for (uint32_t level = 0; level < n; level++) {
		uint32_t next = load32_relaxed(links[level]);
		if (known)
			journal_store32(s->lane, &node->next[level], next);
		else
			store32_relaxed(&node->next[level], next);
		journal_store32(s->lane, links[level], ref);
	}
	return SABIR_OK;
}

enum sabir_error skip_remove(const struct skip *s, uint32_t ref)
{
	uint32_t *links[SEG_SKIP_LEVELS];
	struct seg_skip *node = own_node(s, ref);
	if (!node)
		return SABIR_DATA_LOSS;
	struct place place = place_of(node);
	if (!find_links(s, place, links) || load32_relaxed(links[0]) != ref)
		return SABIR_DATA_LOSS;
	uint32_t n = level_of(place.ordinal);
	for (uint32_t level = 0; level < n; level++)
		if (load32_relaxed(links[level]) == ref)
			journal_store32(s->lane, links[level], load32_relaxed(&node->next[level]));
	return SABIR_OK;
}
