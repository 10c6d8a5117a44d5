/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's index: open addressing with linear probing over cells of node ref and upper hash half.
 *
 * There is a current table and, while it is being emptied, an older one. A key is in one of them, or for a moment in both; it is
 * copied to the current one before its older cell is marked as gone. So readers that look into the older one first don't
 * miss it. Each write moves a few cells; tables are made of parts that are allocated when they are first written to, so no write
 * pays for the whole table.
 */
#include "server/objects/dict_parts.h"

#include <string.h>

#include "server/base/fault.h"

#define PART_CELLS 4096u
#define MIN_LOG2 4u
#define MAX_LOG2 31u
#define MOVES_PER_WRITE 16u

static uint32_t n_parts_of(uint64_t n_cells)
{
	return n_cells > PART_CELLS ? (uint32_t)(n_cells / PART_CELLS) : 1;
}

struct seg_table *dict_table(const struct dict *d, uint32_t ref, uint64_t *n_cells)
{
	struct seg_table *table = segment_at(d->seg, ref, sizeof(*table));
	if (!table)
		return NULL;
	uint32_t log2 = load32_relaxed(&table->log2_cells);
	if (log2 < MIN_LOG2 || log2 > MAX_LOG2 ||
	    !segment_at(d->seg, ref, sizeof(*table) + 4ull * n_parts_of(1ull << log2)))
		return NULL;
	*n_cells = 1ull << log2;
	return table;
}

/* The cell, or NULL where its part has not been allocated (the cell is empty). */
static uint64_t *cell_at(const struct dict *d, struct seg_table *table, uint64_t n_cells, uint64_t i)
{
	uint64_t part_cells = n_cells < PART_CELLS ? n_cells : PART_CELLS;
	uint32_t ref = load32_acquire(&table->part[i / PART_CELLS]);
	struct seg_cells *cells = ref ? segment_at(d->seg, ref, sizeof(*cells) + part_cells * 8) : NULL;
	return cells ? &cells->cell[i % PART_CELLS] : NULL;
}

static uint32_t cell_node(uint64_t cell)
{
	return (uint32_t)cell;
}

static bool same_key(const struct dict *d, const struct seg_node *node, uint64_t hash, struct span key)
{
	uint32_t len = load32_relaxed(&node->block.len);
	if (load64_relaxed(&node->hash) != hash || len != key.len || dict_payload(d, node, sizeof(*node), len) < 0)
		return false;
	return len == 0 || !memcmp(node + 1, key.data, len);
}

enum sabir_error dict_probe(struct dict *d, uint32_t table_ref, struct span key, uint64_t hash,
			    struct dict_found *found, uint64_t **cell)
{
	uint64_t n_cells, steps;
	struct seg_table *table = table_ref ? dict_table(d, table_ref, &n_cells) : NULL;
	if (!table)
		return table_ref ? SABIR_BUSY : SABIR_KEY_NOT_FOUND;
	uint64_t i = hash & (n_cells - 1);
	for (steps = 0; steps < n_cells; steps++, i = (i + 1) & (n_cells - 1)) {
		uint64_t *at = cell_at(d, table, n_cells, i);
		uint64_t seen = at ? load64_acquire(at) : 0;
		if (seen == 0)
			return SABIR_KEY_NOT_FOUND;
		if (cell_node(seen) == SEG_CELL_GONE || seen >> 32 != hash >> 32)
			continue;
		struct seg_node *node = segment_at(d->seg, cell_node(seen), sizeof(*node));
		uint64_t word = node ? load64_acquire(&node->block.word) : 0;
		if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != d->index || load64_acquire(at) != seen)
			return SABIR_BUSY;
		if (!same_key(d, node, hash, key))
			continue;
		fence_acquire();
		if (load64_acquire(&node->block.word) != word)
			return SABIR_BUSY;
		found->node = node;
		found->node_word = word;
		if (cell)
			*cell = at;
		return SABIR_OK;
	}
	return SABIR_KEY_NOT_FOUND;
}

void dict_fill_cell(struct dict *d, uint64_t *cell, uint64_t hash, uint32_t node)
{
	if (load64_relaxed(cell) == 0)
		journal_store64(d->lane, &d->body->n_used, load64_relaxed(&d->body->n_used) + 1);
	journal_store64(d->lane, cell, (hash & 0xffffffff00000000ull) | node);
}

void dict_empty_cell(struct dict *d, uint64_t *cell)
{
	journal_store64(d->lane, cell, SEG_CELL_GONE);
}

/* ---------------------------------------------------------------- making tables */

static enum sabir_error new_block(struct dict *d, uint64_t size, struct seg_block **block)
{
	enum sabir_error error = block_alloc(d->lane, size, HAND_TABLE, block);
	if (!error)
		memset(*block + 1, 0, size - sizeof(**block));
	return error;
}

static void make_live(struct dict *d, struct seg_block *block)
{
	uint64_t tag = block_tag(load64_relaxed(&block->word));
	journal_store64(d->lane, &block->word, block_word(SEG_BLOCK_LIVE, 0, d->index, tag));
}

static enum sabir_error ensure_part(struct dict *d, struct seg_table *table, uint64_t n_cells, uint64_t i)
{
	uint64_t part_cells = n_cells < PART_CELLS ? n_cells : PART_CELLS;
	uint32_t *link = &table->part[i / PART_CELLS];
	struct seg_block *block;
	if (load32_relaxed(link))
		return SABIR_OK;
	enum sabir_error error = new_block(d, sizeof(struct seg_cells) + part_cells * 8, &block);
	if (error)
		return error;
	make_live(d, block);
	journal_store32(d->lane, link, segment_ref(d->seg, block));
	journal_commit(d->lane);
	FAULT("dict_index.part_linked");
	return SABIR_OK;
}

/* Starts a table for `live` keys; what was current becomes the older one. */
static enum sabir_error start_table(struct dict *d, uint64_t live)
{
	uint32_t log2 = MIN_LOG2;
	struct seg_block *block;
	while (log2 < MAX_LOG2 && (1ull << log2) < live * 3 + 8)
		log2++;
	enum sabir_error error = new_block(d, sizeof(struct seg_table) + 4ull * n_parts_of(1ull << log2), &block);
	if (error)
		return error;
	((struct seg_table *)block)->log2_cells = log2;
	((struct seg_table *)block)->n_parts = n_parts_of(1ull << log2);
	uint64_t current = load64_relaxed(&d->body->tables) & 0xffffffffu;
	make_live(d, block);
	journal_store64(d->lane, &d->body->tables, segment_ref(d->seg, block) | current << 32);
	journal_store64(d->lane, &d->body->n_used, 0);
	journal_store32(d->lane, &d->body->move_cursor, 0);
	journal_commit(d->lane);
	FAULT("dict_index.table_started");
	return SABIR_OK;
}

static enum sabir_error free_cell_in(struct dict *d, uint32_t ref, uint64_t hash, uint64_t **cell)
{
	uint64_t n_cells, steps;
	struct seg_table *table = dict_table(d, ref, &n_cells);
	if (!table)
		return dict_damaged(d);
	uint64_t i = hash & (n_cells - 1);
	for (steps = 0; steps < n_cells; steps++, i = (i + 1) & (n_cells - 1)) {
		enum sabir_error error = ensure_part(d, table, n_cells, i);
		if (error)
			return error;
		uint64_t *at = cell_at(d, table, n_cells, i);
		if (!at)
			return dict_damaged(d);
		uint64_t seen = load64_relaxed(at);
		if (seen == 0 || cell_node(seen) == SEG_CELL_GONE) {
			*cell = at;
			return SABIR_OK;
		}
	}
	return dict_damaged(d);
}

/* ---------------------------------------------------------------- moving */

static bool move_cell(struct dict *d, uint32_t current, uint64_t *from)
{
	uint64_t seen = from ? load64_relaxed(from) : 0;
	uint64_t *to;
	if (seen == 0 || cell_node(seen) == SEG_CELL_GONE)
		return true;
	struct seg_node *node = dict_node(d, cell_node(seen));
	if (!node || free_cell_in(d, current, load64_relaxed(&node->hash), &to))
		return false;
	dict_fill_cell(d, to, seen, cell_node(seen));
	journal_store64(d->lane, from, SEG_CELL_GONE);
	journal_commit(d->lane);
	FAULT("dict_index.cell_moved");
	return true;
}

/* Moves up to n cells; false: memory is short, or damaged. */
static bool move_cells(struct dict *d, uint64_t n)
{
	uint64_t tables = load64_relaxed(&d->body->tables), n_cells;
	uint32_t older = (uint32_t)(tables >> 32), current = (uint32_t)tables;
	struct seg_table *table = dict_table(d, older, &n_cells);
	uint64_t i = load32_relaxed(&d->body->move_cursor);
	if (!table)
		return false;
	for (; n > 0 && i < n_cells; n--, i++) {
		if (!load32_relaxed(&table->part[i / PART_CELLS]))
			i |= PART_CELLS - 1; /* an empty part */
		else if (!move_cell(d, current, cell_at(d, table, n_cells, i)))
			return false;
		store32_relaxed(&d->body->move_cursor, (uint32_t)(i + 1));
	}
	if (i < n_cells)
		return true;
	journal_store64(d->lane, &d->body->tables, current);
	journal_store32(d->lane, &d->body->dying, older);
	journal_commit(d->lane);
	FAULT("dict_index.table_left");
	dict_retire_table(d);
	return true;
}

/* Takes one block out of the word that leads to it, in a transaction; it is PRIVATE and in hand then. */
static struct seg_block *take_out(struct dict *d, uint32_t *link)
{
	uint32_t ref = load32_relaxed(link);
	struct seg_block *block = block_size(d->seg, ref) ? segment_at(d->seg, ref, sizeof(*block)) : NULL;
	uint64_t word = block ? load64_acquire(&block->word) : 0;
	bool ours = block && block_state(word) == SEG_BLOCK_LIVE && block_object(word) == d->index;
	if (ours) {
		store32_relaxed(&d->lane->shared->hand[HAND_FREED], ref);
		fence_compiler();
		journal_store64(d->lane, &block->word, block_word(SEG_BLOCK_PRIVATE, d->lane->id, 0, block_tag(word)));
	}
	journal_store32(d->lane, link, 0);
	journal_commit(d->lane);
	FAULT("dict_index.taken_out");
	return ours ? block : NULL;
}

void dict_retire_table(struct dict *d)
{
	uint64_t n_cells;
	uint32_t ref = load32_relaxed(&d->body->dying);
	struct seg_table *table = ref ? dict_table(d, ref, &n_cells) : NULL;
	struct seg_block *block;
	if (!ref)
		return;
	for (uint32_t i = 0; table && i < n_parts_of(n_cells); i++)
		if (load32_relaxed(&table->part[i]) && (block = take_out(d, &table->part[i])) != NULL)
			block_retire(d->lane, block);
	block = take_out(d, &d->body->dying);
	if (block)
		block_retire(d->lane, block);
}

void dict_free_tables(struct dict *d)
{
	for (;;) {
		dict_retire_table(d);
		uint64_t tables = load64_relaxed(&d->body->tables);
		if (!tables)
			return;
		uint32_t first = (uint32_t)tables ? (uint32_t)tables : (uint32_t)(tables >> 32);
		journal_store64(d->lane, &d->body->tables, (uint32_t)tables ? tables & ~0xffffffffull : 0);
		journal_store32(d->lane, &d->body->dying, first);
		journal_commit(d->lane);
		FAULT("dict_destroy.table_left");
	}
}

void dict_tend_index(struct dict *d)
{
	uint64_t tables = load64_relaxed(&d->body->tables), n_cells;
	if (tables >> 32) {
		(void)move_cells(d, MOVES_PER_WRITE);
		return;
	}
	uint64_t live = dict_count(d);
	if (!(uint32_t)tables || !dict_table(d, (uint32_t)tables, &n_cells))
		return;
	bool crowded = load64_relaxed(&d->body->n_used) * 3 > n_cells * 2;
	bool lonely = n_cells > 64 && live * 16 < n_cells;
	if (crowded || lonely)
		(void)start_table(d, live);
}

enum sabir_error dict_free_cell(struct dict *d, uint64_t hash, uint64_t **cell)
{
	uint64_t tables = load64_relaxed(&d->body->tables), n_cells;
	enum sabir_error error;
	if (tables == 0) {
		error = start_table(d, 0);
		if (error)
			return error;
		tables = load64_relaxed(&d->body->tables);
	}
	if (!dict_table(d, (uint32_t)tables, &n_cells))
		return dict_damaged(d);
	/*
	 * One write may bring many keys. A table begins with at least three times the cells that the older one's keys need, so these
	 * fit in beside new ones while it is half empty: then the moving that is left is done at once.
	 */
	if (tables >> 32 && (load64_relaxed(&d->body->n_used) + 1) * 2 > n_cells)
		while (load64_relaxed(&d->body->tables) >> 32)
			if (!move_cells(d, UINT64_MAX))
				return SABIR_RESOURCE_EXHAUSTED;
	if ((load64_relaxed(&d->body->n_used) + 1) * 8 > n_cells * 7) {
		error = start_table(d, load64_relaxed(&d->body->n_used));
		if (error)
			return error;
	}
	return free_cell_in(d, (uint32_t)load64_relaxed(&d->body->tables), hash, cell);
}
