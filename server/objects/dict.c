/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's operations and its kind. How its parts work stands in dict_index.c (from a key to its node),
 * dict_order.c (from an insertion number to its node), dict_read.c (reading without a lock), dict_write.c (changing,
 * in versions), dict_time.c (entries that end) and dict_settle.c (what follows a write, or its writer's death).
 *
 *   body ──► tables ──► parts ──► cells ──┐
 *     └────► order tree ──────────────────┴─► node (key) ──► version (value) ──► the version that it replaces
 */
#include "server/objects/dict.h"

#include <limits.h>

#include "server/base/fault.h"
#include "server/objects/dict_parts.h"

#define TRASH_PER_ROUND 1024u

/* ---------------------------------------------------------------- writes */

/*
 * A write as its caller describes it. `run` makes the changes under the lock; an error rolls them back. It may be run
 * twice: again after RESOURCE_EXHAUSTED, once memory has been reclaimed.
 */
struct job {
	enum sabir_error (*run)(const struct dict *d, struct dict_write *w, struct job *job);
	struct span key;
	struct span value;
	uint64_t ends;
	struct bytes *out;
	const struct dict_entry *entries;
	uint32_t n;
	bool first;      /* popitem: the entry inserted first */
	uint64_t number; /* result: inserted or removed entries */
	dict_modify_fn *modify;
	void *context;
};

static enum sabir_error run_locked(const struct dict *d, struct job *job, bool *changed)
{
	struct dict_write w;
	dict_write_begin(d, &w);
	job->number = 0;
	enum sabir_error error = job->run(d, &w, job);
	enum sabir_error settled = SABIR_OK;
	*changed = !error && w.changed;
	if (*changed)
		settled = dict_publish(d, &w);
	else if (w.changed || dict_unsettled(d))
		settled = dict_settle(d);
	return error == SABIR_DATA_LOSS || settled ? object_damaged(d->object) : error;
}

static enum sabir_error run_once(struct lane *lane, uint64_t handle, struct job *job)
{
	struct dict d;
	bool changed = false, ring = false;
	enum sabir_error error = dict_enter(lane, SEG_OP_DICT_WRITE, handle, &d);
	if (error)
		return error;
	error = dict_lock_current(&d);
	if (!error) {
		uint64_t alarm = load64_relaxed(&d.body->alarm);
		error = run_locked(&d, job, &changed);
		ring = load64_relaxed(&d.body->alarm) < alarm;
		dict_unlock(&d);
		FAULT("dict_write.unlocked");
	}
	if (changed)
		event_notify(lane->seg, d.index, SEG_EVENT_ITEMS, INT_MAX);
	if (ring)
		bell_ring(lane->seg, d.index);
	object_leave(lane);
	return error;
}

static enum sabir_error run(struct lane *lane, uint64_t handle, struct job *job)
{
	size_t n_before = job->out ? job->out->n_items : 0;
	enum sabir_error error = run_once(lane, handle, job);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane)) {
		if (job->out)
			bytes_truncate(job->out, n_before);
		error = run_once(lane, handle, job);
	}
	if (error && job->out)
		bytes_truncate(job->out, n_before);
	return error;
}

static struct dict_key key_of(const struct dict *d, struct span key)
{
	return (struct dict_key){ key, dict_hash(d, key) };
}

static enum sabir_error put(const struct dict *d, struct dict_write *w, const struct dict_entry *entry, bool *inserted)
{
	uint64_t most = d->seg->max_item_bytes;
	struct span key = entry->key, value = entry->value;
	/* Together, so that an entry fits into one message. */
	if (key.len > most || value.len > most - key.len || key.len > arena_max_block(d->seg) ||
	    value.len > arena_max_block(d->seg))
		return SABIR_TOO_LARGE;
	struct dict_key k = key_of(d, key);
	return dict_put(d, w, &k, entry, inserted);
}

static enum sabir_error run_set(const struct dict *d, struct dict_write *w, struct job *job)
{
	const struct dict_entry entry = { job->key, job->value, job->ends };
	bool inserted = false;
	enum sabir_error error = put(d, w, &entry, &inserted);
	job->number = inserted;
	return error;
}

enum sabir_error dict_set(struct lane *lane, uint64_t handle, struct span key, struct span value, bool *inserted)
{
	const struct dict_entry entry = { key, value, 0 };
	return dict_set_entry(lane, handle, &entry, inserted);
}

enum sabir_error dict_set_entry(struct lane *lane, uint64_t handle, const struct dict_entry *entry, bool *inserted)
{
	struct job job = { .run = run_set, .key = entry->key, .value = entry->value, .ends = entry->ends };
	enum sabir_error error = run(lane, handle, &job);
	if (!error && inserted)
		*inserted = job.number;
	return error;
}

static enum sabir_error run_expire(const struct dict *d, struct dict_write *w, struct job *job)
{
	struct dict_key key = key_of(d, job->key);
	struct dict_entry entry = { job->key, { NULL, 0 }, job->ends };
	struct dict_found found;
	bool inserted;
	enum sabir_error error = dict_present(d, &key, &found, &entry.value);
	if (error || (!found.ends && !job->ends))
		return error;
	return put(d, w, &entry, &inserted);
}

enum sabir_error dict_expire(struct lane *lane, uint64_t handle, struct span key, uint64_t ends)
{
	struct job job = { .run = run_expire, .key = key, .ends = ends };
	return run(lane, handle, &job);
}

static enum sabir_error run_remove(const struct dict *d, struct dict_write *w, struct job *job)
{
	struct dict_key key = key_of(d, job->key);
	struct dict_found found;
	struct span value;
	enum sabir_error error = dict_present(d, &key, &found, &value);
	if (!error && job->out)
		error = bytes_add(job->out, value.data, value.len);
	if (!error)
		dict_remove(d, w, &found);
	return error;
}

enum sabir_error dict_delete(struct lane *lane, uint64_t handle, struct span key)
{
	struct job job = { .run = run_remove, .key = key };
	return run(lane, handle, &job);
}

enum sabir_error dict_pop(struct lane *lane, uint64_t handle, struct span key, struct bytes *out)
{
	struct job job = { .run = run_remove, .key = key, .out = out };
	return run(lane, handle, &job);
}

static enum sabir_error run_popitem(const struct dict *d, struct dict_write *w, struct job *job)
{
	struct dict_found found;
	struct span key, value;
	enum sabir_error error = job->first ? dict_oldest(d, &found, &key, &value)
					    : dict_newest(d, &found, &key, &value);
	if (!error)
		error = bytes_add(job->out, key.data, key.len);
	if (!error)
		error = bytes_add(job->out, value.data, value.len);
	if (!error)
		dict_remove(d, w, &found);
	return error;
}

enum sabir_error dict_popitem(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct job job = { .run = run_popitem, .out = out };
	return run(lane, handle, &job);
}

enum sabir_error dict_popfirst(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct job job = { .run = run_popitem, .out = out, .first = true };
	return run(lane, handle, &job);
}

static enum sabir_error run_setdefault(const struct dict *d, struct dict_write *w, struct job *job)
{
	struct dict_key key = key_of(d, job->key);
	struct dict_found found;
	struct span value;
	bool inserted;
	enum sabir_error error = dict_present(d, &key, &found, &value);
	if (!error)
		return bytes_add(job->out, value.data, value.len);
	if (error != SABIR_KEY_NOT_FOUND)
		return error;
	job->number = 1;
	error = bytes_add(job->out, job->value.data, job->value.len);
	const struct dict_entry entry = { job->key, job->value, job->ends };
	return error ? error : put(d, w, &entry, &inserted);
}

enum sabir_error dict_setdefault(struct lane *lane, uint64_t handle, struct span key, struct span value,
				 struct bytes *out, bool *inserted)
{
	const struct dict_entry entry = { key, value, 0 };
	return dict_setdefault_entry(lane, handle, &entry, out, inserted);
}

enum sabir_error dict_setdefault_entry(struct lane *lane, uint64_t handle, const struct dict_entry *entry,
				       struct bytes *out, bool *inserted)
{
	struct job job = { .run = run_setdefault, .key = entry->key, .value = entry->value, .ends = entry->ends };
	job.out = out;
	enum sabir_error error = dict_get(lane, handle, entry->key, out); /* mostly it is there: without the lock */
	if (error == SABIR_KEY_NOT_FOUND)
		error = run(lane, handle, &job);
	if (!error && inserted)
		*inserted = job.number;
	return error;
}

static enum sabir_error run_update(const struct dict *d, struct dict_write *w, struct job *job)
{
	enum sabir_error error = SABIR_OK;
	for (uint32_t i = 0; !error && i < job->n; i++) {
		bool inserted = false;
		error = put(d, w, &job->entries[i], &inserted);
		job->number += inserted;
	}
	return error;
}

enum sabir_error dict_update(struct lane *lane, uint64_t handle, const struct dict_entry *entries, uint32_t n,
			     uint64_t *inserted)
{
	struct job job = { .run = run_update, .entries = entries, .n = n };
	enum sabir_error error = run(lane, handle, &job);
	if (!error && inserted)
		*inserted = job.number;
	return error;
}

static enum sabir_error modify_copy(const struct dict *d, struct dict_write *w, struct job *job,
				    struct dict_found *found, struct span now)
{
	struct span next = { NULL, 0 };
	bool write = false, inserted, there = now.data != NULL;
	enum sabir_error error = job->modify(job->context, now, &next, &write);
	if (error || !write)
		return error;
	const struct dict_entry entry = { job->key, next, DICT_KEEP_END };
	if (next.data)
		return put(d, w, &entry, &inserted);
	if (there)
		dict_remove(d, w, found);
	return SABIR_OK;
}

static enum sabir_error run_modify(const struct dict *d, struct dict_write *w, struct job *job)
{
	struct dict_key key = key_of(d, job->key);
	struct span now = { NULL, 0 };
	struct dict_found found;
	uint8_t fixed[256];
	struct bytes copy;
	enum sabir_error error = dict_present(d, &key, &found, &now);
	if (error == SABIR_KEY_NOT_FOUND)
		return modify_copy(d, w, job, &found, (struct span){ NULL, 0 });
	if (error)
		return error;
	/* A copy: what the callback looks at twice must not change meanwhile, not even in damaged memory. */
	bytes_init(&copy, fixed, sizeof(fixed));
	error = bytes_add(&copy, now.data, now.len);
	if (!error)
		error = modify_copy(d, w, job, &found, bytes_item(&copy, 0));
	bytes_fini(&copy);
	return error;
}

enum sabir_error dict_modify(struct lane *lane, uint64_t handle, struct span key, dict_modify_fn *modify, void *context)
{
	struct job job = { .run = run_modify, .key = key, .modify = modify, .context = context };
	return run(lane, handle, &job);
}

static enum sabir_error run_clear(const struct dict *d, struct dict_write *w, struct job *job)
{
	job->number = w->count;
	if (w->count)
		dict_remove_all(d, w);
	return SABIR_OK;
}

/* Frees some of what a clear has left; a job that changes nothing. */
static enum sabir_error run_free_trash(const struct dict *d, struct dict_write *w, struct job *job)
{
	(void)w;
	job->number = dict_free_trash(d, TRASH_PER_ROUND);
	return SABIR_OK;
}

enum sabir_error dict_clear(struct lane *lane, uint64_t handle, uint64_t *removed)
{
	struct job job = { .run = run_clear }, rest = { .run = run_free_trash };
	enum sabir_error error = run(lane, handle, &job);
	if (error)
		return error;
	*removed = job.number;
	/*
	 * It is done; giving back the memory must not keep other writers out for long. More rounds than there can be entries are
	 * somebody else's: he clears it too, or writes over it.
	 */
	uint64_t rounds = (lane->seg->data_len >> SEG_REF_SHIFT) / TRASH_PER_ROUND;
	do {
		error = run(lane, handle, &rest);
	} while (!error && rest.number && rounds-- > 0);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error dict_create(struct lane *lane, uint32_t index, const struct object_spec *spec,
				    struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	(void)spec;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_dict), 0, 0, &block);
	if (error)
		return error;
	((struct seg_dict *)block)->next_order = 1;
	((struct seg_dict *)block)->alarm = DICT_NEVER;
	*body = block;
	return SABIR_OK;
}

static bool open_body(struct lane *lane, uint32_t index, struct seg_object *object, struct dict *d)
{
	*d = (struct dict){ lane, lane->seg, object, NULL, index };
	d->body = dict_block(d, load32_relaxed(&object->body), sizeof(*d->body));
	return d->body != NULL;
}

static void dict_destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct dict d;
	if (!open_body(lane, index, object, &d))
		return;        /* it was freed before */
	if (dict_settle(&d)) { /* damaged: what the order leads to is freed all the same */
		store32_relaxed(&d.body->pending, 0);
		store32_relaxed(&d.body->gone, 0);
	}
	dict_throw_away(&d);
	(void)dict_free_trash(&d, UINT32_MAX);
}

static enum sabir_error dict_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				     struct seg_object *object)
{
	struct dict d;
	(void)dead;
	/* Without the lock the dead lane has changed nothing. */
	if (!open_body(by, index, object, &d))
		return SABIR_OK;
	if (lock_held_by(&object->lock, dead_id) && dict_settle(&d))
		(void)object_damaged(object);
	/* It may have set the alarm and not rung. */
	if (load64_relaxed(&d.body->alarm) != DICT_NEVER)
		bell_ring(d.seg, index);
	return SABIR_OK;
}

static void dict_describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct dict d;
	if (!open_body(lane, index, object, &d))
		return;
	if (dict_count(&d, &info->length)) /* the lock is not to be had: as far as it has been removed */
		info->length = load64_acquire(&d.body->count[load64_acquire(&d.body->committed) & 1]);
	info->memory_bytes = load64_relaxed(&d.body->bytes) + block_size(d.seg, load32_relaxed(&object->body));
}

const struct object_kind dict_kind = {
	.create = dict_create,
	.destroy = dict_destroy,
	.recover = dict_recover,
	.describe = dict_describe,
	.scan = dict_scan,
};

/* A dict whose keys are names: namespace.h. */
const struct object_kind namespace_kind = {
	.create = dict_create,
	.destroy = dict_destroy,
	.recover = dict_recover,
	.describe = dict_describe,
	.scan = dict_scan,
};
