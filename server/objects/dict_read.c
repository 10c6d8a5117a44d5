/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a dict without its lock.
 *
 * A reader takes the number of the last finished write, finds the key's node and the newest version that is not newer than
 * that number, copies the value, and then looks at the blocks' words again: the same LIVE word means the same incarnation, so
 * what it copied is what the key had at that number. Otherwise it starts again. A page of entries counts if no write was finished
 * while it was read; after some attempts it is read under the lock.
 */
#include "server/objects/dict_parts.h"

#include <string.h>

#define MOST_TRIES 100000u
#define PAGE_TRIES 4u

int64_t dict_payload(const struct dict *d, const void *header, size_t header_len, uint32_t len)
{
	return segment_at(d->seg, segment_ref(d->seg, header), header_len + (uint64_t)len) ? (int64_t)len : -1;
}

uint64_t dict_count(const struct dict *d)
{
	for (;;) {
		uint64_t seq = load64_acquire(&d->body->committed);
		uint64_t count = load64_acquire(&d->body->count[seq & 1]);
		if (load64_acquire(&d->body->committed) == seq)
			return count;
	}
}

enum sabir_error dict_visible(struct dict *d, uint64_t seq, struct dict_found *found)
{
	uint32_t ref = load32_acquire(&found->node->version);
	uint64_t cleared = load64_acquire(&d->body->cleared);
	for (uint32_t steps = 0; ref && steps < MOST_TRIES; steps++) {
		struct seg_version *version = segment_at(d->seg, ref, sizeof(*version));
		uint64_t word = version ? load64_acquire(&version->block.word) : 0;
		if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != d->index)
			return SABIR_BUSY;
		uint64_t made = load64_relaxed(&version->seq);
		uint32_t next = load32_relaxed(&version->block.next);
		uint32_t deleted = load32_relaxed(&version->deleted);
		bool ours = load32_relaxed(&version->node) == segment_ref(d->seg, found->node);
		fence_acquire();
		if (load64_acquire(&version->block.word) != word ||
		    load64_acquire(&found->node->block.word) != found->node_word)
			return SABIR_BUSY;
		if (!ours)
			return SABIR_BUSY;
		if (made > seq) {
			ref = next;
			continue;
		}
		found->version = version;
		found->version_word = word;
		return deleted || (cleared <= seq && made < cleared) ? SABIR_KEY_NOT_FOUND : SABIR_OK;
	}
	/* No version is old enough: the key was inserted later, or a write has finished since and dropped what we looked for. */
	return load64_acquire(&d->body->committed) == seq ? SABIR_KEY_NOT_FOUND : SABIR_BUSY;
}

static enum sabir_error look_up(struct dict *d, struct span key, uint64_t hash, struct dict_found *found)
{
	for (uint32_t tries = 0; tries < MOST_TRIES; tries++) {
		uint64_t seq = load64_acquire(&d->body->committed);
		uint64_t tables = load64_acquire(&d->body->tables);
		enum sabir_error error = SABIR_KEY_NOT_FOUND;
		if (tables >> 32)
			error = dict_probe(d, (uint32_t)(tables >> 32), key, hash, found, NULL);
		if (error == SABIR_KEY_NOT_FOUND)
			error = dict_probe(d, (uint32_t)tables, key, hash, found, NULL);
		if (!error)
			error = dict_visible(d, seq, found);
		if (!error)
			return SABIR_OK;
		/* A miss counts if the tables are those that we looked into. */
		if (error == SABIR_KEY_NOT_FOUND && load64_acquire(&d->body->tables) == tables)
			return error;
		cpu_relax();
	}
	return dict_damaged(d);
}

/* Copies the version's value as one item; BUSY: it went away meanwhile. */
static enum sabir_error copy_value(struct dict *d, const struct dict_found *found, struct bytes *out)
{
	struct seg_version *version = found->version;
	uint32_t len = load32_relaxed(&version->block.len);
	if (len > d->seg->max_item_bytes || dict_payload(d, version, sizeof(*version), len) < 0)
		return SABIR_BUSY;
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, version + 1, len);
	fence_acquire();
	if (load64_acquire(&version->block.word) != found->version_word)
		return SABIR_BUSY;
	bytes_commit(out, len);
	return SABIR_OK;
}

enum sabir_error dict_get(struct lane *lane, uint64_t handle, struct span key, struct bytes *out)
{
	struct dict d;
	struct dict_found found;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	uint64_t hash = dict_hash(&d, key);
	uint32_t tries = 0;
	do {
		error = look_up(&d, key, hash, &found);
		if (!error)
			error = copy_value(&d, &found, out);
	} while (error == SABIR_BUSY && ++tries < MOST_TRIES);
	if (error == SABIR_BUSY)
		error = dict_damaged(&d);
	object_leave(lane);
	return error;
}

enum sabir_error dict_contains(struct lane *lane, uint64_t handle, struct span key, bool *found)
{
	struct dict d;
	struct dict_found at;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	error = look_up(&d, key, dict_hash(&d, key), &at);
	object_leave(lane);
	if (error && error != SABIR_KEY_NOT_FOUND)
		return error;
	*found = !error;
	return SABIR_OK;
}

enum sabir_error dict_len(struct lane *lane, uint64_t handle, uint64_t *length)
{
	struct dict d;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	*length = dict_count(&d);
	object_leave(lane);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- pages */

/* A position is the ref of the entry that was seen last, and the low half of its insertion number. */
static uint64_t cursor_of(const struct dict *d, const struct seg_node *node)
{
	return segment_ref(d->seg, node) | load64_relaxed(&node->order) << 32;
}

/* The first node behind the cursor; through the node itself if it still lives, else by walking. */
static enum sabir_error resume(struct dict *d, uint64_t cursor, uint32_t *ref)
{
	struct seg_node *node = cursor ? dict_node(d, (uint32_t)cursor) : NULL;
	if (node && (uint32_t)load64_relaxed(&node->order) == (uint32_t)(cursor >> 32)) {
		uint64_t word = load64_acquire(&node->block.word);
		*ref = load32_acquire(&node->order_next);
		fence_acquire();
		return load64_acquire(&node->block.word) == word && block_state(word) == SEG_BLOCK_LIVE ? SABIR_OK
													: SABIR_BUSY;
	}
	*ref = load32_acquire(&d->body->first);
	uint64_t n = cursor ? dict_count(d) + 1000000 : 0;
	while (cursor && *ref && n-- > 0) {
		node = dict_node(d, *ref);
		if (!node)
			return SABIR_BUSY;
		if ((int32_t)((uint32_t)load64_relaxed(&node->order) - (uint32_t)(cursor >> 32)) > 0)
			return SABIR_OK;
		*ref = load32_acquire(&node->order_next);
	}
	return SABIR_OK;
}

static enum sabir_error add_entry(struct dict *d, enum dict_part part, const struct dict_found *found,
				  struct bytes *out)
{
	const struct seg_node *node = found->node;
	uint32_t len = load32_relaxed(&node->block.len);
	enum sabir_error error;
	if (dict_payload(d, node, sizeof(*node), len) < 0)
		return SABIR_BUSY;
	error = part & DICT_KEYS ? bytes_add(out, node + 1, len) : bytes_add(out, NULL, 0);
	if (!error)
		error = part & DICT_VALUES ? copy_value(d, found, out) : bytes_add(out, NULL, 0);
	fence_acquire();
	if (!error && load64_acquire(&node->block.word) != found->node_word)
		error = SABIR_BUSY;
	return error;
}

/* Whether the entry keeps to the limit of `out`. */
static bool entry_fits(enum dict_part part, const struct dict_found *found, const struct bytes *out)
{
	size_t key_len = part & DICT_KEYS ? load32_relaxed(&found->node->block.len) : 0;
	size_t value_len = part & DICT_VALUES ? load32_relaxed(&found->version->block.len) : 0;
	return bytes_fits(out, key_len + value_len);
}

/* One attempt at a page. BUSY: something changed under it. */
static enum sabir_error read_page(struct dict *d, enum dict_part part, uint32_t n, uint64_t *cursor, struct bytes *out)
{
	uint64_t seq = load64_acquire(&d->body->committed);
	uint64_t at = *cursor, last_order = 0;
	uint32_t ref, found_n = 0;
	enum sabir_error error = resume(d, *cursor, &ref);
	while (!error && ref && found_n < n) {
		struct dict_found found = { .node = segment_at(d->seg, ref, sizeof(struct seg_node)) };
		found.node_word = found.node ? load64_acquire(&found.node->block.word) : 0;
		if (block_state(found.node_word) != SEG_BLOCK_LIVE || block_object(found.node_word) != d->index ||
		    load64_relaxed(&found.node->order) <= last_order)
			return SABIR_BUSY;
		last_order = load64_relaxed(&found.node->order);
		uint32_t next = load32_acquire(&found.node->order_next);
		error = dict_visible(d, seq, &found);
		if (!error && !entry_fits(part, &found, out))
			break;
		if (!error)
			error = add_entry(d, part, &found, out);
		found_n += !error;
		if (error == SABIR_KEY_NOT_FOUND)
			error = SABIR_OK;
		at = cursor_of(d, found.node);
		ref = next;
	}
	if (!error && load64_acquire(&d->body->committed) != seq)
		return SABIR_BUSY;
	if (!error)
		*cursor = ref ? at : 0;
	return error;
}

enum sabir_error dict_page(struct lane *lane, uint64_t handle, enum dict_part part, uint32_t n, uint64_t *cursor,
			   struct bytes *out)
{
	struct dict d;
	size_t n_before = out->n_items;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	error = SABIR_BUSY;
	for (uint32_t tries = 0; error == SABIR_BUSY && tries < PAGE_TRIES; tries++) {
		bytes_truncate(out, n_before);
		error = read_page(&d, part, n, cursor, out);
	}
	if (error == SABIR_BUSY) {
		bytes_truncate(out, n_before);
		error = dict_lock(&d);
		if (!error) {
			error = read_page(&d, part, n, cursor, out);
			dict_unlock(&d);
			error = error == SABIR_BUSY ? dict_damaged(&d) : error;
		}
	}
	object_leave(lane);
	if (error)
		bytes_truncate(out, n_before);
	return error;
}
