/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's index: open addressing with linear probing over cells of node ref and 32 bits of hash, whose low ones
 * are also the cell's place.
 *
 * There is a current table and, while it is being emptied, an older one. A key is in one of them, or for a moment in
 * both; it is copied to the current one before its older cell is marked as gone, so readers that look into the older
 * one first don't miss it. Each write moves a few cells. Tables are made of parts that are allocated when they are
 * first written to, so no write pays for a whole table. No table at all is an empty dict.
 *
 * Readers may look into a table that is being freed. What they find is proved by the node's own word and key; that
 * they find nothing counts only if the tables are still the same incarnations afterwards.
 */
#include "server/objects/dict_parts.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "server/base/fault.h"

#define PART_LOG2 12u
#define MIN_LOG2 4u
#define MAX_LOG2 28u
#define MOVES_PER_CHANGE 16u

uint32_t dict_hash(const struct dict *d, struct span key)
{
	return (uint32_t)(XXH3_64bits_withSeed(key.len ? key.data : (const uint8_t *)"", key.len, d->seg->hash_seed) >>
			  32);
}

/* ---------------------------------------------------------------- looking */

static uint32_t n_parts_of(uint32_t log2)
{
	return log2 > PART_LOG2 ? 1u << (log2 - PART_LOG2) : 1;
}

/* A table's size never changes, so what the lane read of it before holds as long as the word is the same. */
static bool read_table(const struct dict *d, uint32_t ref, struct lane_table *t)
{
	t->ref = ref;
	t->at = segment_at(d->seg, ref, sizeof(*t->at));
	if (!t->at)
		return false;
	t->word = load64_acquire(&t->at->block.word);
	uint32_t log2 = load32_relaxed(&t->at->log2_cells);
	if (!dict_word_is_live(d, t->word) || log2 < MIN_LOG2 || log2 > MAX_LOG2)
		return false;
	t->mask = (1u << log2) - 1;
	t->part_mask = (1u << (log2 < PART_LOG2 ? log2 : PART_LOG2)) - 1;
	/* Else what stands behind the block would be parts of it, or all of them the same cells, more than there is memory for. */
	return block_size(d->seg, ref) >= sizeof(*t->at) + 4ull * n_parts_of(log2) && 8ull << log2 <= d->seg->data_len;
}

static inline bool open_table(const struct dict *d, uint32_t ref, struct lane_table *t)
{
	struct lane_table *known = &d->lane->table;
	if (!ref)
		return false; /* the lane may know of none either */
	if (known->ref == ref && load64_acquire(&known->at->block.word) == known->word &&
	    dict_word_is_live(d, known->word)) {
		*t = *known;
		return true;
	}
	if (!read_table(d, ref, t))
		return false;
	*known = *t;
	return true;
}

/* The cells of the part that cell i is in. KEY_NOT_FOUND: they are all empty. */
static enum sabir_error part_of(const struct dict *d, const struct lane_table *t, uint32_t i, uint64_t **cells)
{
	uint32_t ref = load32_acquire(&t->at->part[i >> PART_LOG2]);
	if (!ref)
		return SABIR_KEY_NOT_FOUND;
	struct seg_cells *part = segment_at(d->seg, ref, sizeof(*part) + 8 * (t->part_mask + 1ull));
	if (!part)
		return SABIR_DATA_LOSS;
	*cells = part->cell;
	return SABIR_OK;
}

/* As dict_block, which looks the size up: mostly it is known. */
static struct seg_cells *own_cells(const struct dict *d, uint32_t ref, uint64_t size)
{
	struct lane_part *known = &d->lane->part;
	struct seg_cells *part = segment_at(d->seg, ref, size);
	if (part && known->ref == ref && known->size >= size && load64_acquire(&part->block.word) == known->word &&
	    dict_word_is_live(d, known->word))
		return part;
	part = dict_block(d, ref, size);
	if (part)
		*known = (struct lane_part){ load64_relaxed(&part->block.word), size, ref };
	return part;
}

/*
 * As part_of, for who writes there, or has come there through the `passed` parts in front of it: it is a block of the dict, and none of
 * those. Else damage could lead to a few cells from everywhere, and a walk go through them more often than there is memory for.
 */
static enum sabir_error own_part_of(const struct dict *d, const struct lane_table *t, uint32_t i, uint32_t passed,
				    uint64_t **cells)
{
	uint32_t p = i >> PART_LOG2, last = t->mask >> PART_LOG2, ref = load32_acquire(&t->at->part[p]);
	if (!ref)
		return SABIR_KEY_NOT_FOUND;
	for (uint32_t k = 1; k <= passed && k <= last; k++)
		if (load32_relaxed(&t->at->part[(p - k) & last]) == ref)
			return SABIR_DATA_LOSS;
	struct seg_cells *part = own_cells(d, ref, sizeof(*part) + 8 * (t->part_mask + 1ull));
	if (!part)
		return SABIR_DATA_LOSS;
	*cells = part->cell;
	return SABIR_OK;
}

/* The same for the n-th cell of a walk, which is cell i; *cells are those of the cell before it. */
static inline enum sabir_error walk_on(const struct dict *d, const struct lane_table *t, uint32_t i, uint32_t n,
				       uint64_t **cells)
{
	if (n && i & t->part_mask)
		return SABIR_OK;
	return own_part_of(d, t, i, (n + ((i - n) & t->part_mask)) >> PART_LOG2, cells);
}

static enum sabir_error is_node_of(const struct dict *d, uint32_t ref, const struct dict_key *key,
				   struct dict_found *found)
{
	struct seg_node *node = segment_at(d->seg, ref, sizeof(*node) + key->bytes.len);
	if (!node)
		return SABIR_DATA_LOSS;
	uint64_t word = load64_acquire(&node->block.word);
	if (!dict_word_is_live(d, word))
		return SABIR_DATA_LOSS;
	if (load32_relaxed(&node->block.len) != key->bytes.len)
		return SABIR_KEY_NOT_FOUND;
	if (key->bytes.len && memcmp(node + 1, key->bytes.data, key->bytes.len))
		return SABIR_KEY_NOT_FOUND;
	fence_acquire();
	if (load64_relaxed(&node->block.word) != word)
		return SABIR_BUSY;
	found->node = node;
	found->node_word = word;
	return SABIR_OK;
}

/*
 * A small key and its first value are in these lines, which are not in the cache of who reads at random. Inlined by force: a
 * call that only prefetches counts as one without effect.
 */
__attribute__((always_inline)) static inline void prefetch_node(const struct dict *d, uint32_t ref)
{
	const uint8_t *node = segment_at(d->seg, ref, 3 * SEG_LINE);
	if (!node)
		return;
	__builtin_prefetch(node);
	__builtin_prefetch(node + SEG_LINE);
	__builtin_prefetch(node + 2 * SEG_LINE);
}

/* Looks through the cells of one part from `at` on. OK: found; EMPTY: not in this part, perhaps in the next. */
static inline enum sabir_error look_through(const struct dict *d, const uint64_t *at, const uint64_t *end,
					    const struct dict_key *key, struct dict_found *found)
{
	for (; at < end; at++) {
		uint64_t seen = load64_acquire(at);
		if (seen == 0)
			return SABIR_KEY_NOT_FOUND;
		if (seen >> 32 != key->hash || (uint32_t)seen == SEG_CELL_GONE)
			continue;
		prefetch_node(d, (uint32_t)seen);
		enum sabir_error error = is_node_of(d, (uint32_t)seen, key, found);
		/* A cell that changed meanwhile is as good as gone: its key was away for a moment at least. */
		if (error == SABIR_KEY_NOT_FOUND || (error && load64_acquire(at) != seen))
			continue;
		return error;
	}
	return SABIR_EMPTY;
}

static enum sabir_error look_in(const struct dict *d, const struct lane_table *t, const struct dict_key *key,
				struct dict_found *found)
{
	uint32_t i = key->hash & t->mask, n_parts = (t->mask >> PART_LOG2) + 1;
	uint64_t *cells;
	/* The first part a second time, for what stands in front of where we began. */
	for (uint32_t n = 0; n <= n_parts; n++) {
		enum sabir_error error = n ? own_part_of(d, t, i, n, &cells) : part_of(d, t, i, &cells);
		if (!error)
			error = look_through(d, &cells[i & t->part_mask], &cells[t->part_mask + 1], key, found);
		if (error != SABIR_EMPTY)
			return error;
		i = ((i | t->part_mask) + 1) & t->mask;
	}
	return SABIR_KEY_NOT_FOUND;
}

enum sabir_error dict_look(const struct dict *d, const struct dict_key *key, struct dict_found *found)
{
	uint64_t tables = load64_acquire(&d->body->tables);
	uint32_t refs[2] = { (uint32_t)(tables >> 32), (uint32_t)tables };
	struct lane_table t[2];
	enum sabir_error error = SABIR_KEY_NOT_FOUND;
	for (int i = 0; i < 2 && error == SABIR_KEY_NOT_FOUND; i++) {
		t[i].at = NULL;
		if (!refs[i])
			continue;
		error = open_table(d, refs[i], &t[i]) ? look_in(d, &t[i], key, found) : SABIR_DATA_LOSS;
	}
	if (!error)
		return SABIR_OK;
	fence_acquire();
	if (load64_acquire(&d->body->tables) != tables)
		return SABIR_BUSY;
	for (int i = 0; i < 2 && error == SABIR_KEY_NOT_FOUND; i++)
		if (t[i].at && load64_relaxed(&t[i].at->block.word) != t[i].word)
			return SABIR_BUSY;
	return error;
}

/* ---------------------------------------------------------------- cells, under the lock */

void dict_fill_cell(const struct dict *d, uint64_t *cell, uint32_t hash, uint32_t node)
{
	if (load64_relaxed(cell) == 0)
		journal_store64(d->lane, &d->body->n_used, load64_relaxed(&d->body->n_used) + 1);
	journal_store64(d->lane, cell, (uint64_t)hash << 32 | node);
}

void dict_empty_cell(const struct dict *d, const struct dict_cell *cell)
{
	bool clean = cell->end && cell->current;
	if (clean)
		journal_store64(d->lane, &d->body->n_used, load64_relaxed(&d->body->n_used) - 1);
	journal_store64(d->lane, cell->at, clean ? 0 : SEG_CELL_GONE);
}

static bool is_empty(const struct dict *d, const struct lane_table *t, uint32_t i)
{
	uint64_t *cells;
	enum sabir_error error = part_of(d, t, i, &cells);
	return error == SABIR_KEY_NOT_FOUND || (!error && load64_relaxed(&cells[i & t->part_mask]) == 0);
}

static bool find_cell(const struct dict *d, const struct lane_table *t, uint32_t node, uint32_t hash,
		      struct dict_cell *cell)
{
	uint32_t i = hash & t->mask;
	uint64_t *cells;
	for (uint32_t n = 0; n <= t->mask; n++, i = (i + 1) & t->mask) {
		/* Only a cell that leads to the node is written to. */
		if (n ? walk_on(d, t, i, n, &cells) : part_of(d, t, i, &cells))
			return false;
		uint64_t seen = load64_relaxed(&cells[i & t->part_mask]);
		if (seen == 0)
			return false;
		if ((uint32_t)seen != node)
			continue;
		cell->at = &cells[i & t->part_mask];
		cell->end = is_empty(d, t, (i + 1) & t->mask);
		return true;
	}
	return false;
}

enum sabir_error dict_cell_of(const struct dict *d, uint32_t node, uint32_t hash, struct dict_cell *cell)
{
	uint64_t tables = load64_relaxed(&d->body->tables);
	struct lane_table t;
	for (int current = 0; current < 2; current++) {
		uint32_t ref = current ? (uint32_t)tables : (uint32_t)(tables >> 32);
		cell->current = current;
		if (ref && open_table(d, ref, &t) && find_cell(d, &t, node, hash, cell))
			return SABIR_OK;
	}
	return SABIR_DATA_LOSS;
}

/* ---------------------------------------------------------------- making tables */

static void fill(struct seg_block *block, uint64_t size)
{
	memset(block + 1, 0, size - sizeof(*block));
}

static enum sabir_error new_block(const struct dict *d, uint64_t size, struct seg_block **block)
{
	enum sabir_error error = block_alloc(d->lane, size, DICT_HAND_INDEX, block);
	if (!error)
		fill(*block, size);
	return error;
}

static enum sabir_error make_part(const struct dict *d, const struct lane_table *t, uint32_t i)
{
	uint64_t size = sizeof(struct seg_cells) + 8 * (t->part_mask + 1ull);
	struct seg_block *block;
	enum sabir_error error = new_block(d, size, &block);
	if (error)
		return error;
	dict_adopt(d, block);
	if (dict_is_everybodys(d))
		fill(block, size);
	journal_store32(d->lane, &t->at->part[i >> PART_LOG2], segment_ref(d->seg, block));
	dict_end_transaction(d);
	FAULT("dict_index.part_linked");
	return SABIR_OK;
}

/* Starts a table for `live` keys; what was current becomes the older one. */
static enum sabir_error start_table(const struct dict *d, uint64_t live)
{
	uint64_t current = (uint32_t)load64_relaxed(&d->body->tables);
	uint32_t log2 = MIN_LOG2;
	struct seg_block *block;
	while (log2 < MAX_LOG2 && (1ull << log2) < live * 9 / 4)
		log2++;
	uint64_t size = sizeof(struct seg_table) + 4ull * n_parts_of(log2);
	enum sabir_error error = new_block(d, size, &block);
	if (error)
		return error;
	((struct seg_table *)block)->log2_cells = log2;
	FAULT("dict_index.table_made");
	dict_adopt(d, block);
	if (dict_is_everybodys(d)) {
		fill(block, size);
		((struct seg_table *)block)->log2_cells = log2;
	}
	journal_store64(d->lane, &d->body->n_used, 0);
	journal_store32(d->lane, &d->body->move_cursor, 0);
	journal_store64(d->lane, &d->body->tables, segment_ref(d->seg, block) | current << 32);
	dict_end_transaction(d);
	FAULT("dict_index.table_started");
	return SABIR_OK;
}

static enum sabir_error free_cell_in(const struct dict *d, uint32_t ref, uint32_t hash, uint64_t **cell)
{
	struct lane_table t;
	uint64_t *cells;
	if (!open_table(d, ref, &t))
		return SABIR_DATA_LOSS;
	uint32_t i = hash & t.mask;
	for (uint32_t n = 0; n <= t.mask; n++, i = (i + 1) & t.mask) {
		enum sabir_error error = walk_on(d, &t, i, n, &cells);
		if (error == SABIR_KEY_NOT_FOUND) {
			error = make_part(d, &t, i);
			if (!error)
				error = part_of(d, &t, i, &cells);
		}
		if (error)
			return error;
		*cell = &cells[i & t.part_mask];
		uint64_t seen = load64_relaxed(*cell);
		if (seen == 0 || (uint32_t)seen == SEG_CELL_GONE)
			return SABIR_OK;
	}
	return SABIR_DATA_LOSS;
}

/* ---------------------------------------------------------------- moving */

static enum sabir_error move_cell(const struct dict *d, uint32_t current, uint64_t *from)
{
	uint64_t seen = load64_relaxed(from);
	uint64_t *to;
	if (seen == 0 || (uint32_t)seen == SEG_CELL_GONE)
		return SABIR_OK;
	enum sabir_error error = free_cell_in(d, current, (uint32_t)(seen >> 32), &to);
	if (error)
		return error;
	dict_fill_cell(d, to, (uint32_t)(seen >> 32), (uint32_t)seen);
	journal_store64(d->lane, from, SEG_CELL_GONE);
	dict_end_transaction(d);
	FAULT("dict_index.cell_moved");
	return SABIR_OK;
}

/* Moves up to n cells of the older table, and leaves it behind when all are moved. */
static enum sabir_error move_cells(const struct dict *d, uint32_t n)
{
	uint64_t tables = load64_relaxed(&d->body->tables);
	uint32_t i = load32_relaxed(&d->body->move_cursor);
	struct lane_table t;
	uint64_t *cells;
	if (!open_table(d, (uint32_t)(tables >> 32), &t))
		return SABIR_DATA_LOSS;
	for (bool first = true; n > 0 && i <= t.mask; n--, i++, first = false) {
		enum sabir_error error = SABIR_OK;
		if (first || !(i & t.part_mask))
			error = own_part_of(d, &t, i, i & t.part_mask ? 0 : i >> PART_LOG2, &cells);
		if (error == SABIR_KEY_NOT_FOUND)
			i |= t.part_mask; /* an empty part */
		else if (error || (error = move_cell(d, (uint32_t)tables, &cells[i & t.part_mask])))
			return error;
		store32_relaxed(&d->body->move_cursor, i + 1);
	}
	if (i <= t.mask)
		return SABIR_OK;
	dict_free_tables(d);
	journal_store64(d->lane, &d->body->trash_tables, tables >> 32);
	journal_store64(d->lane, &d->body->tables, (uint32_t)tables);
	dict_end_transaction(d);
	FAULT("dict_index.table_left");
	dict_free_tables(d);
	return SABIR_OK;
}

void dict_tend_index(const struct dict *d, uint64_t count)
{
	uint64_t tables = load64_relaxed(&d->body->tables);
	struct lane_table t;
	if (tables >> 32) {
		(void)move_cells(d, MOVES_PER_CHANGE); /* short of memory: later */
		return;
	}
	if (!tables || !open_table(d, (uint32_t)tables, &t))
		return;
	uint64_t n_cells = t.mask + 1ull;
	bool crowded = load64_relaxed(&d->body->n_used) * 16 >= n_cells * 13;
	bool lonely = n_cells > 64 && count * 8 < n_cells;
	if (crowded || lonely)
		(void)start_table(d, count + 1);
}

enum sabir_error dict_free_cell(const struct dict *d, uint32_t hash, uint64_t count, uint64_t **cell)
{
	struct lane_table t;
	enum sabir_error error = SABIR_OK;
	if (!load64_relaxed(&d->body->tables))
		error = start_table(d, 0);
	/* It is read anew, for that has changed it, and may be anything. */
	if (!error && !open_table(d, (uint32_t)load64_relaxed(&d->body->tables), &t))
		error = SABIR_DATA_LOSS;
	if (error)
		return error;
	/* Only when memory was short for so long that the moving lags far behind. */
	if ((load64_relaxed(&d->body->n_used) + 1) * 8 > (t.mask + 1ull) * 7) {
		if (load64_relaxed(&d->body->tables) >> 32)
			error = move_cells(d, UINT32_MAX);
		if (!error)
			error = start_table(d, count + 1);
		if (error)
			return error;
	}
	return free_cell_in(d, (uint32_t)load64_relaxed(&d->body->tables), hash, cell);
}

/* ---------------------------------------------------------------- freeing tables */

static void free_parts(const struct dict *d, struct lane_table *t)
{
	uint32_t n = (t->mask >> PART_LOG2) + 1;
	for (uint32_t p = 0; p < n; p++) {
		uint32_t ref = load32_relaxed(&t->at->part[p]);
		struct seg_block *part = ref ? dict_block(d, ref, sizeof(struct seg_cells)) : NULL;
		if (!part)
			continue;
		journal_store32(d->lane, &t->at->part[p], 0);
		dict_disown(d, part, DICT_HAND_FREED);
		dict_end_transaction(d);
		FAULT("dict_index.part_freed");
		block_free(d->lane, part);
	}
}

void dict_free_tables(const struct dict *d)
{
	uint64_t trash;
	/* There are no more than two, however often the word says so. */
	for (int i = 0; i < 2 && (trash = load64_relaxed(&d->body->trash_tables)) != 0; i++) {
		bool low = (uint32_t)trash != 0;
		uint32_t ref = low ? (uint32_t)trash : (uint32_t)(trash >> 32);
		struct lane_table t;
		if (dict_block(d, ref, sizeof(struct seg_table)) && open_table(d, ref, &t))
			free_parts(d, &t);
		/* Behind its parts: a damaged one may have been one of them. */
		struct seg_block *block = dict_block(d, ref, sizeof(struct seg_table));
		journal_store64(d->lane, &d->body->trash_tables, low ? trash & 0xffffffff00000000ull : 0);
		if (block)
			dict_disown(d, block, DICT_HAND_FREED);
		dict_end_transaction(d);
		FAULT("dict_index.table_freed");
		if (block)
			block_free(d->lane, block);
	}
}
