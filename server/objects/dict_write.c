/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to a dict: under the object's lock, in versions.
 *
 *   put, put, … or one remove or one remove_all (each change one transaction, numbered committed + 1)
 *   ──► committed = committed + 1, the publishing store ──► settle
 *
 * What has a number above `committed` does not exist for readers, so a write of many keys is there at once or not at
 * all, and nothing that a reader can see changes before that store. A put makes a version in front of the present
 * one, or a node with its first one. Removing one key marks its node; removing all raises the insertion number from
 * which on entries count: neither needs memory, so a full dict can be emptied.
 */
#include "server/objects/dict_parts.h"
#include "server/objects/refs.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/change.h"

void dict_write_begin(const struct dict *d, struct dict_write *w)
{
	uint64_t committed = load64_relaxed(&d->body->committed);
	w->count = load64_relaxed(&d->body->count[committed & 1]);
	w->floor = load64_relaxed(&d->body->floor[committed & 1]);
	w->changed = false;
	w->n_notes = 0;
}

/* The key's bytes stay until dict_publish has told. */
static void note(const struct dict *d, struct dict_write *w, uint32_t what, struct span key)
{
	if (!change_watched(d->object))
		return;
	if (w->n_notes < DICT_MAX_NOTES)
		w->notes[w->n_notes] = (struct dict_note){ what, key };
	w->n_notes++;
}

static void tell(const struct dict *d, const struct dict_write *w)
{
	for (uint32_t i = 0; w->n_notes <= DICT_MAX_NOTES && i < w->n_notes; i++)
		change_note_key(d->lane, d->index, w->notes[i].what, w->notes[i].key);
	if (w->n_notes > DICT_MAX_NOTES)
		change_note_key(d->lane, d->index, CHANGE_OTHER, (struct span){ NULL, 0 });
}

/* ---------------------------------------------------------------- looking under the lock */

/* The node's key; empty if it does not fit into the memory. */
static struct span node_key(const struct dict *d, const struct seg_node *node)
{
	uint32_t len = load32_relaxed(&node->block.len);
	bool fits = segment_at(d->seg, segment_ref(d->seg, node), sizeof(*node) + (uint64_t)len) != NULL;
	return (struct span){ fits ? (const uint8_t *)(node + 1) : NULL, fits ? len : 0 };
}

/* The newest version of found->node, and its value in place. */
static enum sabir_error newest_version(const struct dict *d, struct dict_found *found, struct span *value)
{
	uint32_t ref = load32_relaxed(&found->node->block.next);
	bool inside;
	found->version = dict_version(d, ref, &inside);
	if (!found->version)
		return SABIR_DATA_LOSS;
	uint32_t len = load32_relaxed(&found->version->block.len);
	found->ends = dict_version_ends(d, found->version);
	size_t head_len = dict_head_len(found->ends);
	if (found->ends == UINT64_MAX || !segment_at(d->seg, ref, head_len + (uint64_t)len))
		return SABIR_DATA_LOSS;
	*value = (struct span){ (const uint8_t *)found->version + head_len, len };
	return SABIR_OK;
}

enum sabir_error dict_present(const struct dict *d, const struct dict_key *key, struct dict_found *found,
			      struct span *value)
{
	enum sabir_error error = dict_look(d, key, found);
	if (!error)
		error = newest_version(d, found, value);
	return error == SABIR_BUSY ? SABIR_DATA_LOSS : error;
}

static enum sabir_error present_at(const struct dict *d, uint32_t ref, struct dict_found *found, struct span *key,
				   struct span *value)
{
	found->node = dict_block(d, ref, sizeof(*found->node));
	if (!found->node)
		return SABIR_DATA_LOSS;
	uint32_t len = load32_relaxed(&found->node->block.len);
	if (!segment_at(d->seg, ref, sizeof(*found->node) + (uint64_t)len))
		return SABIR_DATA_LOSS;
	*key = (struct span){ (const uint8_t *)(found->node + 1), len };
	return newest_version(d, found, value);
}

enum sabir_error dict_newest(const struct dict *d, struct dict_found *found, struct span *key, struct span *value)
{
	uint32_t ref;
	enum sabir_error error = dict_order_last(d, &ref);
	return error ? error : present_at(d, ref, found, key, value);
}

enum sabir_error dict_oldest(const struct dict *d, struct dict_found *found, struct span *key, struct span *value)
{
	uint32_t ref;
	uint64_t order;
	enum sabir_error error = dict_order_next(d, 0, &order, &ref);
	if (error)
		return error == SABIR_KEY_NOT_FOUND ? SABIR_EMPTY : SABIR_DATA_LOSS;
	return present_at(d, ref, found, key, value);
}

/* ---------------------------------------------------------------- changes */

/* Atomic stores: who still looks at the block's life before reads them, and throws away what it read. */
static void fill_version(const struct dict *d, struct seg_version *version, const struct dict_entry *entry)
{
	uint64_t seq = load64_relaxed(&d->body->committed) + 1;
	struct span value = entry->value;
	store32_relaxed(&version->block.next, 0);
	store32_relaxed(&version->block.len, (uint32_t)value.len);
	store64_relaxed(&version->seq, entry->ends ? seq | SEG_VERSION_TIMED : seq);
	version->pending_next = load32_relaxed(&d->body->pending);
	if (entry->ends)
		store64_relaxed((uint64_t *)&((struct seg_timed *)version)->end.key, entry->ends);
	if (value.len)
		memcpy((uint8_t *)version + dict_head_len(entry->ends), value.data, value.len);
}

static enum sabir_error new_version(const struct dict *d, const struct dict_entry *entry, struct seg_version **version)
{
	struct seg_block *block;
	size_t size = dict_head_len(entry->ends) + entry->value.len;
	enum sabir_error error = block_alloc(d->lane, size, DICT_HAND_VERSION, &block);
	if (error)
		return error;
	*version = (struct seg_version *)block;
	fill_version(d, *version, entry);
	return SABIR_OK;
}

/* The first version, in the node's own block. It is reached through the node only, so it can be LIVE before that is. */
static struct seg_version *version_inside(const struct dict *d, struct seg_node *node, size_t off,
					  const struct dict_entry *entry)
{
	struct seg_version *version = (struct seg_version *)((uint8_t *)node + off);
	uint64_t tag = block_tag(load64_relaxed(&node->block.word));
	store64_relaxed(&version->block.word, block_word(SEG_BLOCK_LIVE, DICT_INSIDE, d->index, tag));
	fill_version(d, version, entry);
	return version;
}

static void fill_node(const struct dict *d, struct seg_node *node, struct seg_version *version, struct span key)
{
	store32_relaxed(&node->block.len, (uint32_t)key.len);
	store64_relaxed(&node->order, load64_relaxed(&d->body->next_order));
	store64_relaxed(&node->gone, 0);
	if (key.len)
		memcpy(node + 1, key.data, key.len);
	version->node = segment_ref(d->seg, node);
	store32_relaxed(&node->block.next, segment_ref(d->seg, version));
}

/* A node with its first version, which is inside, or they are two blocks, each in the lane's hand. */
static enum sabir_error new_node(const struct dict *d, const struct dict_entry *entry, struct seg_node **node,
				 struct seg_version **version, bool *is_inside)
{
	struct seg_block *block;
	struct span key = entry->key, value = entry->value;
	size_t off = dict_inside_off(key.len);
	bool inside = *is_inside = !entry->ends && off + sizeof(**version) <= DICT_MOST_INSIDE &&
				   value.len <= DICT_MOST_INSIDE - off - sizeof(**version);
	size_t size = inside ? off + sizeof(**version) + value.len : sizeof(**node) + key.len;
	enum sabir_error error = inside ? SABIR_OK : new_version(d, entry, version);
	if (error)
		return error;
	error = block_alloc(d->lane, size, DICT_HAND_NODE, &block);
	if (error && !inside)
		block_free(d->lane, &(*version)->block);
	if (error)
		return error;
	*node = (struct seg_node *)block;
	if (inside)
		*version = version_inside(d, *node, off, entry);
	fill_node(d, *node, *version, key);
	return SABIR_OK;
}

/*
 * What was filled while it was the lane's, filled again now that it is the directory's: somebody who writes over what is his, or another
 * one's of his sort, would have his words in what is everybody's.
 */
static void fill_again(const struct dict *d, struct seg_node *node, struct seg_version *version, bool inside,
		       const struct dict_entry *entry)
{
	if (inside)
		(void)version_inside(d, node, (size_t)((uint8_t *)version - (uint8_t *)node), entry);
	else
		fill_version(d, version, entry);
	fill_node(d, node, version, entry->key);
}

static void hands_off(const struct dict *d)
{
	record32(&d->lane->shared->hand[DICT_HAND_NODE], 0);
	record32(&d->lane->shared->hand[DICT_HAND_VERSION], 0);
}

static enum sabir_error insert(const struct dict *d, struct dict_write *w, const struct dict_key *key,
			       const struct dict_entry *entry)
{
	uint64_t order = load64_relaxed(&d->body->next_order);
	struct seg_version *version;
	struct seg_order *leaf;
	struct seg_node *node;
	uint64_t *cell;
	bool inside;
	enum sabir_error error = dict_free_cell(d, key->hash, w->count, &cell);
	if (!error)
		error = dict_order_reserve(d, order, &leaf);
	if (!error)
		error = new_node(d, entry, &node, &version, &inside);
	if (error)
		return error;
	uint32_t ref = segment_ref(d->seg, node);
	FAULT("dict_write.prepared");

	if (dict_time_insert(d, version, entry->ends))
		return SABIR_DATA_LOSS;
	if (!inside)
		dict_adopt(d, &version->block);
	dict_adopt(d, &node->block);
	if (dict_is_everybodys(d))
		fill_again(d, node, version, inside, entry);
	dict_order_insert(d, leaf, order, ref);
	dict_fill_cell(d, cell, key->hash, ref);
	journal_store64(d->lane, &d->body->next_order, order + 1);
	journal_store32(d->lane, &d->body->pending, segment_ref(d->seg, version));
	dict_end_transaction(d);
	FAULT("dict_write.inserted");
	w->count++;
	return SABIR_OK;
}

static void link_version(const struct dict *d, struct seg_version *version, const struct seg_node *node,
			 uint32_t replaced)
{
	version->node = segment_ref(d->seg, node);
	store32_relaxed(&version->block.next, replaced);
}

/*
 * A version in front of the present one. If that one belongs to this write too, the new one stands for it, and it
 * only waits on the pending list to be freed: a node never has more than two versions.
 */
static enum sabir_error replace(const struct dict *d, const struct dict_found *found, const struct dict_entry *entry)
{
	struct seg_version *present = found->version, *version;
	enum sabir_error error = new_version(d, entry, &version);
	if (error)
		return error;
	bool own = ((load64_relaxed(&present->seq) ^ load64_relaxed(&version->seq)) & ~SEG_VERSION_TIMED) == 0;
	uint32_t replaced = own ? load32_relaxed(&present->block.next) : segment_ref(d->seg, present);
	link_version(d, version, found->node, replaced);
	FAULT("dict_write.prepared");

	if (dict_time_insert(d, version, entry->ends))
		return SABIR_DATA_LOSS;
	dict_adopt(d, &version->block);
	if (dict_is_everybodys(d)) {
		fill_version(d, version, entry);
		link_version(d, version, found->node, replaced);
	}
	journal_store32(d->lane, &found->node->block.next, segment_ref(d->seg, version));
	if (own) {
		journal_store32(d->lane, &present->node, 0);
		journal_store32(d->lane, &present->block.next, 0);
	}
	journal_store32(d->lane, &d->body->pending, segment_ref(d->seg, version));
	dict_end_transaction(d);
	FAULT("dict_write.replaced");
	return SABIR_OK;
}

enum sabir_error dict_put(const struct dict *d, struct dict_write *w, const struct dict_key *key,
			  const struct dict_entry *entry, bool *inserted)
{
	struct dict_entry made = *entry;
	struct dict_found found;
	struct span present;
	refs_enter(d->lane, d->object, key->bytes);
	refs_enter(d->lane, d->object, entry->value);
	dict_tend_index(d, w->count);
	enum sabir_error look = dict_present(d, key, &found, &present);
	if (look && look != SABIR_KEY_NOT_FOUND)
		return look;
	if (made.ends == DICT_KEEP_END)
		made.ends = look ? 0 : found.ends;
	enum sabir_error error = look ? insert(d, w, key, &made) : replace(d, &found, &made);
	if (error)
		return error;
	hands_off(d);
	note(d, w, CHANGE_SET, key->bytes);
	w->changed = true;
	*inserted = look != SABIR_OK;
	return SABIR_OK;
}

void dict_remove(const struct dict *d, struct dict_write *w, const struct dict_found *found)
{
	dict_tend_index(d, w->count);
	journal_store64(d->lane, &found->node->gone, load64_relaxed(&d->body->committed) + 1);
	journal_store32(d->lane, &d->body->gone, segment_ref(d->seg, found->node));
	dict_end_transaction(d);
	FAULT("dict_write.marked");
	w->count -= w->count > 0;
	note(d, w, CHANGE_DELETED, node_key(d, found->node));
	w->changed = true;
}

void dict_remove_all(const struct dict *d, struct dict_write *w)
{
	store32_relaxed(&d->body->clearing, 1);
	FAULT("dict_write.clearing");
	w->count = 0;
	w->floor = load64_relaxed(&d->body->next_order);
	note(d, w, CHANGE_CLEARED, (struct span){ NULL, 0 });
	w->changed = true;
}

enum sabir_error dict_publish(const struct dict *d, const struct dict_write *w)
{
	uint64_t next = load64_relaxed(&d->body->committed) + 1;
	/* Readers are at the other parity, or at one that is over: they look at `committed` again. */
	store64_release(&d->body->count[next & 1], w->count);
	store64_release(&d->body->floor[next & 1], w->floor);
	FAULT("dict_write.counted");
	/* Pairs with the readers' load of `committed`: who sees the number sees the versions. */
	lane_publishes(d->lane);
	store64_seq(&d->body->committed, next);
	FAULT("dict_write.committed");
	/* Before the cleaning up, which frees a removed key. */
	tell(d, w);
	return dict_settle(d);
}
