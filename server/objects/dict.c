/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's operations and its kind. How its parts work stands in dict_index.c (finding a key), dict_write.c (changing, in
 * versions) and dict_read.c (reading without a lock).
 */
#include "server/objects/dict.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "server/base/fault.h"
#include "server/objects/dict_parts.h"

enum sabir_error dict_enter(struct lane *lane, uint32_t op, uint64_t handle, struct dict *d)
{
	d->lane = lane;
	d->seg = lane->seg;
	d->index = object_index(handle);
	return object_enter(lane, op, handle, SEG_KIND_DICT, sizeof(*d->body), &d->object, &d->body);
}

enum sabir_error dict_damaged(struct dict *d)
{
	return object_damaged(d->object);
}

uint64_t dict_hash(const struct dict *d, struct span key)
{
	return XXH3_64bits_withSeed(key.data ? key.data : (const uint8_t *)"", key.len, d->seg->hash_seed);
}

/* ---------------------------------------------------------------- writes */

/*
 * A write as its caller describes it. `run` makes the changes under the lock and adjusts *count; an error other than OK rolls
 * them back. It may be run twice: after RESOURCE_EXHAUSTED, once memory has been reclaimed.
 */
struct write {
	enum sabir_error (*run)(struct dict *d, struct write *w, uint64_t *count);
	struct span key;
	struct span value;
	struct bytes *out;
	const struct dict_entry *entries;
	uint32_t n;
	uint64_t number; /* result: inserted or removed entries */
	dict_modify_fn *modify;
	void *context;
	bool changed;
};

static enum sabir_error write_once(struct lane *lane, uint64_t handle, struct write *w)
{
	struct dict d;
	enum sabir_error error = dict_enter(lane, SEG_OP_DICT_WRITE, handle, &d);
	if (error)
		return error;
	error = dict_lock(&d);
	if (error) {
		object_leave(lane);
		return error;
	}
	uint64_t count = dict_count(&d);
	w->changed = false;
	w->number = 0;
	error = w->run(&d, w, &count);
	bool published = !error && w->changed;
	if (published)
		dict_commit(&d, count);
	else
		dict_repair(&d);
	dict_unlock(&d);
	FAULT("dict_write.unlocked");
	if (published)
		event_notify(lane->seg, d.index, SEG_EVENT_ITEMS, INT_MAX);
	object_leave(lane);
	return error;
}

static enum sabir_error write_dict(struct lane *lane, uint64_t handle, struct write *w)
{
	size_t n_before = w->out ? w->out->n_items : 0;
	enum sabir_error error = write_once(lane, handle, w);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane)) {
		if (w->out)
			bytes_truncate(w->out, n_before);
		error = write_once(lane, handle, w);
	}
	if (error && w->out)
		bytes_truncate(w->out, n_before);
	return error;
}

static enum sabir_error check_size(const struct dict *d, struct span key, struct span value)
{
	uint64_t most = d->seg->max_item_bytes;
	return key.len > most || value.len > most ? SABIR_TOO_LARGE : SABIR_OK;
}

static enum sabir_error change(struct dict *d, struct write *w, struct span key, struct span value, uint64_t *count,
			       bool *inserted)
{
	enum sabir_error error = check_size(d, key, value);
	if (!error)
		error = dict_change(d, key, dict_hash(d, key), value, false, inserted);
	if (error)
		return error;
	w->changed = true;
	*count += *inserted;
	return SABIR_OK;
}

/* The present value of a key, in place: only under the lock. */
static enum sabir_error present(struct dict *d, struct span key, struct span *value)
{
	struct dict_found found;
	enum sabir_error error = dict_find_locked(d, key, dict_hash(d, key), &found);
	if (error)
		return error;
	const struct seg_version *version = dict_version(d, load32_relaxed(&found.node->version));
	if (!version || load32_relaxed(&version->deleted))
		return SABIR_KEY_NOT_FOUND;
	uint32_t len = load32_relaxed(&version->block.len);
	if (dict_payload(d, version, sizeof(*version), len) < 0)
		return dict_damaged(d);
	*value = (struct span){ (const uint8_t *)(version + 1), len };
	return SABIR_OK;
}

static enum sabir_error remove_key(struct dict *d, struct write *w, struct span key, uint64_t *count)
{
	bool inserted;
	enum sabir_error error = dict_change(d, key, dict_hash(d, key), (struct span){ NULL, 0 }, true, &inserted);
	if (error)
		return error;
	w->changed = true;
	*count -= *count > 0;
	return SABIR_OK;
}

static enum sabir_error run_set(struct dict *d, struct write *w, uint64_t *count)
{
	bool inserted = false;
	enum sabir_error error = change(d, w, w->key, w->value, count, &inserted);
	w->number = inserted;
	return error;
}

enum sabir_error dict_set(struct lane *lane, uint64_t handle, struct span key, struct span value, bool *inserted)
{
	struct write w = { .run = run_set, .key = key, .value = value };
	enum sabir_error error = write_dict(lane, handle, &w);
	if (!error && inserted)
		*inserted = w.number;
	return error;
}

static enum sabir_error run_delete(struct dict *d, struct write *w, uint64_t *count)
{
	struct span value;
	enum sabir_error error = present(d, w->key, &value);
	if (!error && w->out)
		error = bytes_add(w->out, value.data, value.len);
	return error ? error : remove_key(d, w, w->key, count);
}

enum sabir_error dict_delete(struct lane *lane, uint64_t handle, struct span key)
{
	struct write w = { .run = run_delete, .key = key };
	return write_dict(lane, handle, &w);
}

enum sabir_error dict_pop(struct lane *lane, uint64_t handle, struct span key, struct bytes *out)
{
	struct write w = { .run = run_delete, .key = key, .out = out };
	return write_dict(lane, handle, &w);
}

static enum sabir_error run_setdefault(struct dict *d, struct write *w, uint64_t *count)
{
	struct span value;
	bool inserted;
	enum sabir_error error = present(d, w->key, &value);
	if (!error)
		return bytes_add(w->out, value.data, value.len);
	if (error != SABIR_KEY_NOT_FOUND)
		return error;
	error = bytes_add(w->out, w->value.data, w->value.len);
	w->number = 1;
	return error ? error : change(d, w, w->key, w->value, count, &inserted);
}

enum sabir_error dict_setdefault(struct lane *lane, uint64_t handle, struct span key, struct span value,
				 struct bytes *out, bool *inserted)
{
	struct write w = { .run = run_setdefault, .key = key, .value = value, .out = out };
	enum sabir_error error = write_dict(lane, handle, &w);
	if (!error && inserted)
		*inserted = w.number;
	return error;
}

static enum sabir_error run_popitem(struct dict *d, struct write *w, uint64_t *count)
{
	struct seg_node *node = dict_node(d, load32_relaxed(&d->body->last));
	struct span value;
	if (!node)
		return SABIR_EMPTY;
	uint32_t len = load32_relaxed(&node->block.len);
	if (dict_payload(d, node, sizeof(*node), len) < 0)
		return dict_damaged(d);
	struct span key = { (const uint8_t *)(node + 1), len };
	enum sabir_error error = present(d, key, &value);
	if (!error)
		error = bytes_add(w->out, key.data, key.len);
	if (!error)
		error = bytes_add(w->out, value.data, value.len);
	return error ? error : remove_key(d, w, key, count);
}

enum sabir_error dict_popitem(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct write w = { .run = run_popitem, .out = out };
	return write_dict(lane, handle, &w);
}

static enum sabir_error run_update(struct dict *d, struct write *w, uint64_t *count)
{
	enum sabir_error error = SABIR_OK;
	for (uint32_t i = 0; !error && i < w->n; i++) {
		bool inserted = false;
		error = change(d, w, w->entries[i].key, w->entries[i].value, count, &inserted);
		w->number += inserted;
	}
	return error;
}

enum sabir_error dict_update(struct lane *lane, uint64_t handle, const struct dict_entry *entries, uint32_t n,
			     uint64_t *inserted)
{
	struct write w = { .run = run_update, .entries = entries, .n = n };
	enum sabir_error error = write_dict(lane, handle, &w);
	if (!error && inserted)
		*inserted = w.number;
	return error;
}

static enum sabir_error run_modify(struct dict *d, struct write *w, uint64_t *count)
{
	struct span now = { NULL, 0 }, next = { NULL, 0 };
	struct bytes copy;
	uint8_t fixed[256];
	bool write = false, inserted;
	enum sabir_error error = present(d, w->key, &now);
	if (error && error != SABIR_KEY_NOT_FOUND)
		return error;
	bool there = !error;
	bytes_init(&copy, fixed, sizeof(fixed));
	error = there ? bytes_add(&copy, now.data, now.len) : SABIR_OK;
	if (there && !error)
		now = bytes_item(&copy, 0);
	if (!error)
		error = w->modify(w->context, now, &next, &write);
	if (!error && write && next.data)
		error = change(d, w, w->key, next, count, &inserted);
	else if (!error && write && there)
		error = remove_key(d, w, w->key, count);
	bytes_fini(&copy);
	return error;
}

enum sabir_error dict_modify(struct lane *lane, uint64_t handle, struct span key, dict_modify_fn *modify, void *context)
{
	struct write w = { .run = run_modify, .key = key, .modify = modify, .context = context };
	return write_dict(lane, handle, &w);
}

static enum sabir_error run_clear(struct dict *d, struct write *w, uint64_t *count)
{
	w->number = *count;
	if (*count == 0)
		return SABIR_OK;
	*count = 0;
	w->changed = true;
	/* Versions below the number that comes with the publishing store are gone with it. */
	store64_relaxed(&d->body->cleared, load64_relaxed(&d->body->committed) + 1);
	FAULT("dict_clear.marked");
	return SABIR_OK;
}

enum sabir_error dict_clear(struct lane *lane, uint64_t handle, uint64_t *removed)
{
	struct write w = { .run = run_clear };
	enum sabir_error error = write_dict(lane, handle, &w);
	if (!error)
		*removed = w.number;
	return error;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error dict_create(struct lane *lane, uint32_t index, const struct object_spec *spec,
				    struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	(void)spec;
	enum sabir_error error = block_alloc(lane, sizeof(struct seg_dict), HAND_NODE, &block);
	if (error)
		return error;
	memset(block + 1, 0, sizeof(struct seg_dict) - sizeof(*block));
	*body = block;
	return SABIR_OK;
}

static bool dict_view(struct lane *lane, uint32_t index, struct seg_object *object, struct dict *d)
{
	*d = (struct dict){ lane, lane->seg, object, NULL, index };
	d->body = segment_at(lane->seg, load32_relaxed(&object->body), sizeof(*d->body));
	return d->body && load32_relaxed(&object->kind) == SEG_KIND_DICT;
}

static void dict_destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct dict d;
	if (!dict_view(lane, index, object, &d))
		return;
	dict_repair(&d);
	/* As a clear that has been committed. */
	store64_relaxed(&d.body->cleared, UINT64_MAX);
	store64_relaxed(&d.body->committed, UINT64_MAX);
	dict_repair(&d);
	dict_free_tables(&d);
}

static enum sabir_error dict_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				     struct seg_object *object)
{
	struct dict d;
	(void)dead;
	/* Without the lock the dead lane has changed nothing. */
	if (lock_held_by(&object->lock, dead_id) && dict_view(by, index, object, &d))
		dict_repair(&d);
	return SABIR_OK;
}

static void dict_describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct dict d;
	uint64_t bytes = 0, seen = 0, n_cells = 0;
	if (!dict_view(lane, index, object, &d))
		return;
	info->length = dict_count(&d);
	/* Entries beyond some number are estimated from the first ones. */
	for (uint32_t ref = load32_acquire(&d.body->first); ref && seen < 1024; seen++) {
		struct seg_node *node = dict_node(&d, ref);
		if (!node)
			break;
		bytes += block_size(d.seg, ref) + block_size(d.seg, load32_relaxed(&node->version));
		ref = load32_acquire(&node->order_next);
	}
	dict_table(&d, (uint32_t)load64_acquire(&d.body->tables), &n_cells);
	info->memory_bytes = sizeof(struct seg_dict) + n_cells * 8 + (seen ? bytes / seen * info->length : 0);
}

const struct object_kind dict_kind = {
	.create = dict_create,
	.destroy = dict_destroy,
	.recover = dict_recover,
	.describe = dict_describe,
};
