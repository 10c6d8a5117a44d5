/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a write's publishing store, and what a write that didn't reach it leaves behind.
 *
 * The versions of the write hang on body->pending, a node that it removes on body->gone, and body->clearing says that
 * it removes all. `committed` decides: a write that it has reached is finished, another one is rolled back. Each step
 * is one transaction that also takes its part off the list, so whoever settles may die anywhere, and the next one
 * goes on. Nothing here needs memory.
 *
 * Between writes, when the lock is free, nothing is pending; only the trash of a clear may be left.
 */
#include "server/objects/dict_parts.h"

#include "server/base/fault.h"

#define TRASH_PER_LOCK 16u

void dict_adopt(const struct dict *d, struct seg_block *block)
{
	uint64_t tag = block_tag(load64_relaxed(&block->word));
	uint64_t size = block_size(d->seg, segment_ref(d->seg, block));
	journal_store64(d->lane, &d->body->bytes, load64_relaxed(&d->body->bytes) + size);
	journal_store64(d->lane, &block->word, block_word(SEG_BLOCK_LIVE, 0, d->index, tag));
}

void dict_disown(const struct dict *d, struct seg_block *block, uint32_t hand)
{
	uint32_t ref = segment_ref(d->seg, block);
	uint64_t tag = block_tag(load64_relaxed(&block->word));
	record32(&d->lane->shared->hand[hand], ref);
	fence_compiler();
	journal_store64(d->lane, &d->body->bytes, load64_relaxed(&d->body->bytes) - block_size(d->seg, ref));
	journal_store64(d->lane, &block->word, block_word(SEG_BLOCK_PRIVATE, d->lane->id, 0, tag));
}

void dict_disown_version(const struct dict *d, struct seg_version *version, bool inside, uint32_t hand)
{
	uint64_t tag = block_tag(load64_relaxed(&version->block.word));
	if (inside)
		journal_store64(d->lane, &version->block.word, block_word(SEG_BLOCK_FREE, DICT_INSIDE, 0, tag));
	else
		dict_disown(d, &version->block, hand);
}

void dict_free_version(const struct dict *d, struct seg_version *version, bool inside)
{
	if (!inside)
		block_free(d->lane, &version->block);
}

/* ---------------------------------------------------------------- entries */

/*
 * A node goes away with its version: out of index and order, and off the list that led here, which is the 32-bit word
 * `list` (pending or gone) and gets the value `rest`.
 */
static enum sabir_error remove_entry(const struct dict *d, struct seg_node *node, uint32_t *list, uint32_t rest)
{
	uint32_t len = load32_relaxed(&node->block.len);
	uint64_t order = load64_relaxed(&node->order);
	struct seg_order *leaf;
	struct dict_cell cell;
	bool inside;
	struct seg_version *version = dict_version(d, load32_relaxed(&node->block.next), &inside);
	if (!version || (void *)version == (void *)node ||
	    !segment_at(d->seg, segment_ref(d->seg, node), sizeof(*node) + (uint64_t)len))
		return SABIR_DATA_LOSS;
	uint32_t hash = dict_hash(d, (struct span){ (const uint8_t *)(node + 1), len });
	if (dict_cell_of(d, segment_ref(d->seg, node), hash, &cell) || dict_order_leaf(d, order, &leaf))
		return SABIR_DATA_LOSS;

	dict_empty_cell(d, &cell);
	dict_order_remove(d, leaf, order);
	journal_store32(d->lane, list, rest);
	dict_time_remove(d, version);
	dict_disown(d, &node->block, DICT_HAND_FREED);
	dict_disown_version(d, version, inside, DICT_HAND_FREED_TOO);
	dict_end_transaction(d);
	FAULT("dict_settle.entry_removed");
	dict_free_version(d, version, inside);
	block_free(d->lane, &node->block);
	dict_order_trim(d);
	return SABIR_OK;
}

/* Takes the first pending version off the list, and `old` (it or the one that it replaced) out of the dict. */
static void drop_version(const struct dict *d, struct seg_version *version, struct seg_version *old, bool inside,
			 uint32_t *link)
{
	if (link)
		journal_store32(d->lane, link, version == old ? load32_relaxed(&version->block.next) : 0);
	journal_store32(d->lane, &d->body->pending, load32_relaxed(&version->pending_next));
	dict_time_remove(d, old);
	dict_disown_version(d, old, inside, DICT_HAND_FREED);
	dict_end_transaction(d);
	FAULT("dict_settle.version_dropped");
	dict_free_version(d, old, inside);
}

static enum sabir_error finish_version(const struct dict *d, struct seg_version *version)
{
	uint32_t old_ref = load32_relaxed(&version->block.next), rest = load32_relaxed(&version->pending_next);
	if (!old_ref) {
		store32_release(&d->body->pending, rest);
		fence_compiler();
		/* Who comes here again, for the list is a ring, finds its end. */
		if (rest)
			store32_relaxed(&version->pending_next, 0);
		return SABIR_OK;
	}
	bool inside;
	struct seg_version *old = dict_version(d, old_ref, &inside);
	if (!old)
		return SABIR_DATA_LOSS;
	drop_version(d, version, old, inside, &version->block.next);
	return SABIR_OK;
}

static enum sabir_error undo_version(const struct dict *d, struct seg_version *version, bool inside)
{
	struct seg_node *node = dict_block(d, load32_relaxed(&version->node), sizeof(*node));
	if (!node || load32_relaxed(&node->block.next) != segment_ref(d->seg, version))
		return SABIR_DATA_LOSS;
	if (!load32_relaxed(&version->block.next))
		return remove_entry(d, node, &d->body->pending, load32_relaxed(&version->pending_next));
	drop_version(d, version, version, inside, &node->block.next);
	return SABIR_OK;
}

static enum sabir_error settle_pending(const struct dict *d, uint64_t committed)
{
	uint32_t ref;
	/* No more than there can be: somebody may put one back as often as it is settled. */
	uint64_t most = d->seg->data_len >> SEG_REF_SHIFT;
	while ((ref = load32_relaxed(&d->body->pending)) != 0) {
		bool inside;
		struct seg_version *version = dict_version(d, ref, &inside);
		enum sabir_error error = SABIR_OK;
		if (!version || most-- == 0)
			return SABIR_DATA_LOSS;
		if (!load32_relaxed(&version->node))
			drop_version(d, version, version, inside, NULL);
		else if ((load64_relaxed(&version->seq) & ~SEG_VERSION_TIMED) <= committed)
			error = finish_version(d, version);
		else
			error = undo_version(d, version, inside);
		if (error)
			return error;
		FAULT("dict_settle.version_settled");
	}
	return SABIR_OK;
}

static enum sabir_error settle_gone(const struct dict *d, uint64_t committed)
{
	uint32_t ref = load32_relaxed(&d->body->gone);
	if (!ref)
		return SABIR_OK;
	struct seg_node *node = dict_block(d, ref, sizeof(*node));
	if (!node)
		return SABIR_DATA_LOSS;
	if (load64_relaxed(&node->gone) <= committed)
		return remove_entry(d, node, &d->body->gone, 0);
	journal_store64(d->lane, &node->gone, 0);
	journal_store32(d->lane, &d->body->gone, 0);
	dict_end_transaction(d);
	FAULT("dict_settle.entry_kept");
	return SABIR_OK;
}

/* ---------------------------------------------------------------- all of it */

/* Index and order begin anew from nothing; what they are now is trash. */
void dict_throw_away(const struct dict *d)
{
	uint64_t order = load64_relaxed(&d->body->order);
	dict_free_tables(d);
	if (order) {
		(void)dict_free_trash(d, UINT32_MAX); /* of the clear before: there is one place for it */
		journal_store64(d->lane, &d->body->trash_order, order);
		journal_store64(d->lane, &d->body->order, 0);
	}
	journal_store64(d->lane, &d->body->trash_tables, load64_relaxed(&d->body->tables));
	journal_store64(d->lane, &d->body->tables, 0);
	journal_store64(d->lane, &d->body->n_used, 0);
	journal_store32(d->lane, &d->body->clearing, 0);
	dict_time_clear(d);
	dict_end_transaction(d);
	FAULT("dict_settle.thrown_away");
	dict_free_tables(d);
}

/*
 * A clear has happened if the dict counts from a number that has not been given out yet: before, there was something
 * to clear.
 */
static void settle_clear(const struct dict *d, uint64_t committed)
{
	if (!load32_relaxed(&d->body->clearing))
		return;
	if (load64_relaxed(&d->body->floor[committed & 1]) >= load64_relaxed(&d->body->next_order))
		dict_throw_away(d);
	else
		store32_relaxed(&d->body->clearing, 0);
}

bool dict_unsettled(const struct dict *d)
{
	const struct seg_dict *body = d->body;
	return load32_relaxed(&body->pending) || load32_relaxed(&body->gone) || load32_relaxed(&body->clearing) ||
	       load64_relaxed(&body->trim) || load64_relaxed(&body->trash_tables);
}

enum sabir_error dict_settle(const struct dict *d)
{
	uint64_t committed = load64_relaxed(&d->body->committed);
	dict_order_trim(d);
	enum sabir_error error = settle_pending(d, committed);
	if (!error)
		error = settle_gone(d, committed);
	if (error)
		return error;
	settle_clear(d, committed);
	/* The last entry takes the index with it, whatever is left of a move. */
	if (load64_relaxed(&d->body->count[committed & 1]) == 0 && load64_relaxed(&d->body->tables))
		dict_throw_away(d);
	dict_free_tables(d);
	return SABIR_OK;
}

enum sabir_error dict_lock(const struct dict *d)
{
	enum sabir_error error = lock_acquire(d->lane, &d->object->lock);
	if (error)
		return error;
	/* Never, unless a lock was released in the name of somebody whose work was not settled. */
	if (dict_unsettled(d))
		error = dict_settle(d);
	if (error)
		lock_release(d->lane, &d->object->lock);
	return error ? object_damaged(d->object) : SABIR_OK;
}

void dict_unlock(const struct dict *d)
{
	/* Writers behind a clear share the work that it left. */
	if (load64_relaxed(&d->body->trash_order))
		(void)dict_free_trash(d, TRASH_PER_LOCK);
	lock_release(d->lane, &d->object->lock);
}
