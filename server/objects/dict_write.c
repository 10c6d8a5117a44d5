/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to a dict: under the object's lock, in versions.
 *
 *   change, change, … (each one journaled transaction, with the sequence number committed + 1)
 *   ──► committed = committed + 1, the publishing store ──► cleaning up
 *
 * A version in front of `committed` does not exist for readers, so a write of many keys is there at once or not at all. The
 * versions of the write that is under way hang on `pending`: when the writer dies or fails, whoever repairs the dict knows
 * from their number whether to roll back or to finish. Each step of the cleaning up is one transaction that also takes its version
 * off the list, so it can stop anywhere and go on later.
 */
#include "server/objects/dict_parts.h"

#include <string.h>

#include "server/base/fault.h"

struct seg_node *dict_node(const struct dict *d, uint32_t ref)
{
	struct seg_node *node = ref ? segment_at(d->seg, ref, sizeof(*node)) : NULL;
	uint64_t word = node ? load64_acquire(&node->block.word) : 0;
	return node && block_state(word) == SEG_BLOCK_LIVE && block_object(word) == d->index ? node : NULL;
}

struct seg_version *dict_version(const struct dict *d, uint32_t ref)
{
	struct seg_version *version = ref ? segment_at(d->seg, ref, sizeof(*version)) : NULL;
	uint64_t word = version ? load64_acquire(&version->block.word) : 0;
	return version && block_state(word) == SEG_BLOCK_LIVE && block_object(word) == d->index ? version : NULL;
}

/* In a transaction: the block is PRIVATE to us and in hand, to be freed behind it. */
static void retract(struct dict *d, struct seg_block *block, uint32_t hand)
{
	store32_relaxed(&d->lane->shared->hand[hand], segment_ref(d->seg, block));
	fence_compiler();
	journal_store64(d->lane, &block->word,
			block_word(SEG_BLOCK_PRIVATE, d->lane->id, 0, block_tag(load64_relaxed(&block->word))));
}

static void make_live(struct dict *d, struct seg_block *block)
{
	journal_store64(d->lane, &block->word,
			block_word(SEG_BLOCK_LIVE, 0, d->index, block_tag(load64_relaxed(&block->word))));
}

/* ---------------------------------------------------------------- one change */

enum sabir_error dict_find_locked(struct dict *d, struct span key, uint64_t hash, struct dict_found *found)
{
	uint64_t tables = load64_relaxed(&d->body->tables);
	enum sabir_error error = dict_probe(d, (uint32_t)(tables >> 32), key, hash, found, NULL);
	if (error == SABIR_KEY_NOT_FOUND)
		error = dict_probe(d, (uint32_t)tables, key, hash, found, NULL);
	return error == SABIR_BUSY ? dict_damaged(d) : error;
}

static enum sabir_error new_version(struct dict *d, struct span value, bool deleted, struct seg_version **version)
{
	struct seg_block *block;
	enum sabir_error error = block_alloc(d->lane, sizeof(**version) + value.len, HAND_VERSION, &block);
	if (error)
		return error;
	struct seg_version *made = (struct seg_version *)block;
	block->next = 0;
	block->len = (uint32_t)value.len;
	made->seq = load64_relaxed(&d->body->committed) + 1;
	made->deleted = deleted;
	made->pending_next = load32_relaxed(&d->body->pending);
	if (value.len)
		memcpy(made + 1, value.data, value.len);
	*version = made;
	return SABIR_OK;
}

static enum sabir_error new_node(struct dict *d, struct span key, uint64_t hash, struct seg_node **node)
{
	struct seg_block *block;
	enum sabir_error error = block_alloc(d->lane, sizeof(**node) + key.len, HAND_NODE, &block);
	if (error)
		return error;
	struct seg_node *made = (struct seg_node *)block;
	block->next = 0;
	block->len = (uint32_t)key.len;
	made->hash = hash;
	made->order = load64_relaxed(&d->body->next_order) + 1;
	made->order_next = 0;
	made->order_prev = load32_relaxed(&d->body->last);
	if (key.len)
		memcpy(made + 1, key.data, key.len);
	*node = made;
	return SABIR_OK;
}

static void link_node(struct dict *d, struct seg_node *node, uint64_t *cell)
{
	struct lane *lane = d->lane;
	uint32_t ref = segment_ref(d->seg, node);
	struct seg_node *last = dict_node(d, load32_relaxed(&d->body->last));
	make_live(d, &node->block);
	journal_store32(lane, last ? &last->order_next : &d->body->first, ref);
	journal_store32(lane, &d->body->last, ref);
	journal_store64(lane, &d->body->next_order, load64_relaxed(&node->order));
	dict_fill_cell(d, cell, load64_relaxed(&node->hash), ref);
}

static enum sabir_error insert_key(struct dict *d, struct span key, uint64_t hash, struct span value)
{
	struct seg_node *node;
	struct seg_version *version;
	uint64_t *cell;
	enum sabir_error error = dict_free_cell(d, hash, &cell);
	if (!error)
		error = new_version(d, value, false, &version);
	if (error)
		return error;
	error = new_node(d, key, hash, &node);
	if (error) {
		block_free(d->lane, &version->block);
		return error;
	}
	version->node = segment_ref(d->seg, node);
	node->version = segment_ref(d->seg, version);
	FAULT("dict_write.prepared");
	make_live(d, &version->block);
	link_node(d, node, cell);
	journal_store32(d->lane, &d->body->pending, node->version);
	journal_commit(d->lane);
	FAULT("dict_write.inserted");
	return SABIR_OK;
}

/* Whether the newest version says that the key is there; versions of the write under way count. */
static bool is_there(const struct dict *d, const struct seg_node *node)
{
	const struct seg_version *version = dict_version(d, load32_relaxed(&node->version));
	return version && !load32_relaxed(&version->deleted);
}

enum sabir_error dict_change(struct dict *d, struct span key, uint64_t hash, struct span value, bool deleted,
			     bool *inserted)
{
	struct dict_found found;
	struct seg_version *version;
	enum sabir_error error = dict_find_locked(d, key, hash, &found);
	if (error == SABIR_KEY_NOT_FOUND && !deleted) {
		*inserted = true;
		return insert_key(d, key, hash, value);
	}
	if (error)
		return error;
	*inserted = !is_there(d, found.node);
	error = new_version(d, value, deleted, &version);
	if (error)
		return error;
	version->node = segment_ref(d->seg, found.node);
	version->block.next = load32_relaxed(&found.node->version);
	FAULT("dict_write.prepared");
	make_live(d, &version->block);
	journal_store32(d->lane, &found.node->version, segment_ref(d->seg, version));
	journal_store32(d->lane, &d->body->pending, segment_ref(d->seg, version));
	journal_commit(d->lane);
	FAULT("dict_write.changed");
	return SABIR_OK;
}

/* ---------------------------------------------------------------- cleaning up, rolling back */

/* In a transaction: out of the order and out of the index. */
static void unlink_node(struct dict *d, struct seg_node *node)
{
	struct lane *lane = d->lane;
	uint32_t ref = segment_ref(d->seg, node);
	uint64_t tables = load64_relaxed(&d->body->tables), hash = load64_relaxed(&node->hash);
	struct seg_node *prev = dict_node(d, load32_relaxed(&node->order_prev));
	struct seg_node *next = dict_node(d, load32_relaxed(&node->order_next));
	uint32_t len = load32_relaxed(&node->block.len);
	struct dict_found found;
	uint64_t *cell;

	journal_store32(lane, prev ? &prev->order_next : &d->body->first, next ? load32_relaxed(&node->order_next) : 0);
	journal_store32(lane, next ? &next->order_prev : &d->body->last, prev ? load32_relaxed(&node->order_prev) : 0);
	if (dict_payload(d, node, sizeof(*node), len) < 0)
		return;
	struct span key = { (const uint8_t *)(node + 1), len };
	for (uint32_t t = 0; t < 2; t++) {
		uint32_t table = t ? (uint32_t)tables : (uint32_t)(tables >> 32);
		if (dict_probe(d, table, key, hash, &found, &cell) == SABIR_OK &&
		    segment_ref(d->seg, found.node) == ref)
			dict_empty_cell(d, cell);
	}
}

/* One version that a newer one has replaced, or that was rolled back. `link` leads to it, `pending` too if it is pending. */
static void drop_version(struct dict *d, struct seg_version *version, uint32_t *link, bool pending)
{
	if (link)
		journal_store32(d->lane, link, load32_relaxed(&version->block.next));
	if (pending)
		journal_store32(d->lane, &d->body->pending, load32_relaxed(&version->pending_next));
	retract(d, &version->block, HAND_FREED);
	journal_commit(d->lane);
	FAULT("dict_clean.dropped");
	block_free(d->lane, &version->block);
}

/* The node goes away with its last version; `pending`: the version is the first of the pending ones. */
static void drop_node(struct dict *d, struct seg_node *node, struct seg_version *version, bool pending)
{
	unlink_node(d, node);
	if (pending)
		journal_store32(d->lane, &d->body->pending, load32_relaxed(&version->pending_next));
	retract(d, &node->block, HAND_NODE);
	retract(d, &version->block, HAND_VERSION);
	journal_commit(d->lane);
	FAULT("dict_clean.node_dropped");
	block_free(d->lane, &version->block);
	block_free(d->lane, &node->block);
}

/* Frees what `version`, which counts now, has replaced. Versions of the same write are pending themselves and only skipped. */
static void drop_replaced(struct dict *d, struct seg_version *version)
{
	struct seg_version *old;
	while ((old = dict_version(d, load32_relaxed(&version->block.next))) != NULL) {
		if (load64_relaxed(&old->seq) == load64_relaxed(&version->seq)) {
			store32_release(&version->block.next, load32_relaxed(&old->block.next));
			continue;
		}
		drop_version(d, old, &version->block.next, false);
	}
}

static void finish_pending(struct dict *d, struct seg_version *version, struct seg_node *node)
{
	uint32_t ref = segment_ref(d->seg, version);
	if (!node || load32_relaxed(&node->version) != ref) {
		drop_version(d, version, NULL, true); /* a later change of the same write replaced it */
		return;
	}
	drop_replaced(d, version);
	if (load32_relaxed(&version->deleted))
		drop_node(d, node, version, true);
	else
		store32_release(&d->body->pending, load32_relaxed(&version->pending_next));
	FAULT("dict_clean.finished");
}

static void roll_back_pending(struct dict *d, struct seg_version *version, struct seg_node *node)
{
	if (node && load32_relaxed(&version->block.next) == 0)
		drop_node(d, node, version, true);
	else
		drop_version(d, version, node ? &node->version : NULL, true);
}

static void repair_pending(struct dict *d)
{
	uint64_t committed = load64_relaxed(&d->body->committed);
	uint32_t ref;
	while ((ref = load32_relaxed(&d->body->pending)) != 0) {
		struct seg_version *version = dict_version(d, ref);
		if (!version) {
			(void)dict_damaged(d);
			store32_relaxed(&d->body->pending, 0);
			return;
		}
		struct seg_node *node = dict_node(d, load32_relaxed(&version->node));
		if (load64_relaxed(&version->seq) <= committed)
			finish_pending(d, version, node);
		else
			roll_back_pending(d, version, node);
	}
}

/* Removes the nodes that a clear made invisible: they are the first in the order. */
static void repair_cleared(struct dict *d)
{
	uint64_t cleared = load64_relaxed(&d->body->cleared);
	struct seg_node *node;
	if (cleared > load64_relaxed(&d->body->committed)) {
		store64_relaxed(&d->body->cleared, 0);
		return;
	}
	while (cleared && (node = dict_node(d, load32_relaxed(&d->body->first))) != NULL) {
		struct seg_version *version = dict_version(d, load32_relaxed(&node->version));
		if (!version || load64_relaxed(&version->seq) >= cleared)
			break;
		drop_node(d, node, version, false);
	}
}

void dict_repair(struct dict *d)
{
	repair_pending(d);
	repair_cleared(d);
	if (load32_relaxed(&d->body->dying))
		dict_retire_table(d);
}

/* ---------------------------------------------------------------- the bracket */

enum sabir_error dict_lock(struct dict *d)
{
	enum sabir_error error = lock_acquire(d->lane, &d->object->lock);
	if (!error)
		dict_repair(d);
	return error;
}

void dict_unlock(struct dict *d)
{
	lock_release(d->lane, &d->object->lock);
}

void dict_commit(struct dict *d, uint64_t count)
{
	uint64_t next = load64_relaxed(&d->body->committed) + 1;
	store64_relaxed(&d->body->count[next & 1], count);
	FAULT("dict_write.counted");
	/* Pairs with the readers' load of `committed`: who sees the number sees the versions. */
	store64_seq(&d->body->committed, next);
	FAULT("dict_write.committed");
	dict_repair(d);
	dict_tend_index(d);
}
