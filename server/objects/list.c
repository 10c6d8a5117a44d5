/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list's operations that change it, and its kind. Reading is in list_read.c; how a change becomes a new tree in
 * list_tree.c, how it is published or undone in list_write.c.
 *
 *   body.top ──► node ──► … ──► leaf ──► element
 *                (counts)        └─ small elements stand in it
 *
 * A change makes the new tree beside the one that readers see, under the object's lock, and `top` is stored once.
 */
#include "server/objects/list.h"

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/list_parts.h"
#include <limits.h>
#include <stdlib.h>

#define DESCRIBE_TRIES 100000u /* each means that a change was finished */

/* ---------------------------------------------------------------- writes */

static enum sabir_error run_locked(const struct list *l, struct list_job *job, bool *changed)
{
	struct list_write w;
	job->number = 0;
	enum sabir_error error = list_write_begin(l, &w);
	enum sabir_error settled = SABIR_OK;
	if (!error)
		error = job->run(&w, job);
	*changed = !error && w.changed;
	settled = *changed ? list_publish(&w) : list_settle(l);
	list_seen_fini(&w.seen);
	if (*changed)
		change_note(l->lane, l->index, CHANGE_SET, 0, 0);
	return error == SABIR_DATA_LOSS || settled ? object_damaged(l->object) : error;
}

static enum sabir_error run_once(struct lane *lane, uint64_t handle, struct list_job *job)
{
	struct list l;
	bool changed = false;
	enum sabir_error error = list_enter(lane, SEG_OP_LIST_WRITE, handle, &l);
	if (error)
		return error;
	error = list_lock(&l);
	if (!error) {
		error = run_locked(&l, job, &changed);
		list_unlock(&l);
		FAULT("list_write.unlocked");
	}
	if (changed)
		event_notify(lane->seg, l.index, SEG_EVENT_ITEMS, INT_MAX);
	object_leave(lane);
	return error;
}

enum sabir_error list_run(struct lane *lane, uint64_t handle, struct list_job *job)
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

struct gathering {
	uint64_t *entries;
	uint64_t n;
};

static enum sabir_error visit_gather(const struct list *l, void *context, uint64_t entry)
{
	struct gathering *g = context;
	(void)l;
	g->entries[g->n++] = entry;
	return SABIR_OK;
}

enum sabir_error list_gather(struct list_write *w, uint64_t from, uint64_t to, uint64_t **entries)
{
	struct gathering g = { malloc((to - from + 1) * sizeof(*g.entries)), 0 };
	if (!g.entries)
		return SABIR_NO_MEMORY;
	enum sabir_error error = list_walk(w->l, w->tree, w->level, from, to, visit_gather, &g);
	if (error)
		free(g.entries);
	else
		*entries = g.entries;
	return error;
}

/* Puts the values of a job in the place of a range. */
static enum sabir_error put_values(struct list_write *w, struct list_job *job, uint64_t from, uint64_t to)
{
	uint64_t one, *entries = &one;
	enum sabir_error error = SABIR_OK;
	if (job->n > LIST_MAX_LENGTH)
		return SABIR_TOO_LARGE;
	if (job->n > 1)
		entries = malloc(job->n * sizeof(*entries));
	if (!entries)
		return SABIR_NO_MEMORY;
	for (size_t i = 0; !error && i < job->n; i++)
		error = list_make_entry(w, job->values[i], &entries[i]);
	job->number = list_elements(w->tree) - (to - from) + job->n;
	if (!error && (job->n || from < to))
		error = list_splice(w, from, to, entries, job->n);
	if (entries != &one)
		free(entries);
	return error;
}

/* ---------------------------------------------------------------- one element */

static enum sabir_error run_insert(struct list_write *w, struct list_job *job)
{
	int64_t length = list_elements(w->tree), at = job->index;
	if (at < 0)
		at = at < -length ? 0 : at + length;
	if (at > length)
		at = length;
	return put_values(w, job, (uint64_t)at, (uint64_t)at);
}

static enum sabir_error run_for_number(struct lane *lane, uint64_t handle, struct list_job *job, uint64_t *number)
{
	enum sabir_error error = list_run(lane, handle, job);
	if (!error && number)
		*number = job->number;
	return error;
}

enum sabir_error list_insert(struct lane *lane, uint64_t handle, int64_t index, struct span value, uint64_t *length)
{
	struct list_job job = { .run = run_insert, .values = &value, .n = 1, .index = index };
	return run_for_number(lane, handle, &job, length);
}

enum sabir_error list_extend(struct lane *lane, uint64_t handle, const struct span *values, size_t n, uint64_t *length)
{
	struct list_job job = { .run = run_insert, .values = values, .n = n, .index = INT64_MAX };
	return run_for_number(lane, handle, &job, length);
}

static enum sabir_error run_set(struct list_write *w, struct list_job *job)
{
	uint64_t i;
	enum sabir_error error = list_position(job->index, list_elements(w->tree), &i);
	return error ? error : put_values(w, job, i, i + 1);
}

enum sabir_error list_set(struct lane *lane, uint64_t handle, int64_t index, struct span value)
{
	struct list_job job = { .run = run_set, .values = &value, .n = 1, .index = index };
	return list_run(lane, handle, &job);
}

enum sabir_error list_delete(struct lane *lane, uint64_t handle, int64_t index)
{
	struct list_job job = { .run = run_set, .index = index };
	return list_run(lane, handle, &job);
}

static enum sabir_error run_pop(struct list_write *w, struct list_job *job)
{
	uint8_t small[8];
	struct span value;
	uint64_t i, entry;
	if (!w->tree)
		return SABIR_EMPTY;
	enum sabir_error error = list_position(job->index, list_elements(w->tree), &i);
	if (!error)
		error = list_entry_at(w->l, w->tree, w->level, i, &entry);
	if (!error)
		error = list_value(w->l, entry, small, &value);
	if (!error)
		error = bytes_add(job->out, value.data, value.len);
	return error ? error : put_values(w, job, i, i + 1);
}

enum sabir_error list_pop(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out)
{
	struct list_job job = { .run = run_pop, .index = index, .out = out };
	return list_run(lane, handle, &job);
}

static enum sabir_error run_remove(struct list_write *w, struct list_job *job)
{
	uint64_t i;
	struct list_range all = { 0, 1, list_elements(w->tree) };
	enum sabir_error error = list_search(w->l, w->tree, w->level, all, *job->values, &i);
	if (error)
		return error;
	error = list_splice(w, i, i + 1, NULL, 0);
	job->number = i;
	return error;
}

enum sabir_error list_remove(struct lane *lane, uint64_t handle, struct span value, uint64_t *index)
{
	struct list_job job = { .run = run_remove, .values = &value };
	return run_for_number(lane, handle, &job, index);
}

/* ---------------------------------------------------------------- slices */

/* Elements that don't stand side by side: all between the first and the last of them are dealt out again. */
static enum sabir_error change_apart(struct list_write *w, struct list_job *job, struct list_range range)
{
	uint64_t *entries, n_kept = 0, k = 0;
	bool back = range.step < 0;
	uint64_t stride = back ? (uint64_t)0 - (uint64_t)range.step : (uint64_t)range.step;
	uint64_t first = back ? range.start - (range.n - 1) * stride : range.start;
	uint64_t behind = first + (range.n - 1) * stride + 1;
	enum sabir_error error = list_gather(w, first, behind, &entries);
	if (error)
		return error;
	for (uint64_t i = 0; !error && i < behind - first; i++) {
		if (i % stride) {
			entries[n_kept++] = entries[i];
			continue;
		}
		error = list_stale_entry(w, entries[i]);
		if (!error && job->values)
			error = list_make_entry(w, job->values[back ? range.n - 1 - k : k], &entries[n_kept++]);
		k++;
	}
	w->keep = true;
	if (!error)
		error = list_splice(w, first, behind, entries, n_kept);
	free(entries);
	return error;
}

static enum sabir_error run_set_slice(struct list_write *w, struct list_job *job)
{
	struct list_range range;
	uint64_t length = list_elements(w->tree);
	enum sabir_error error = list_slice_range(job->slice, length, &range);
	if (error)
		return error;
	if (range.step == 1)
		return put_values(w, job, range.start, range.start + range.n);
	if (range.n != job->n)
		return SABIR_INVALID_ARGUMENT;
	job->number = length;
	return range.n ? change_apart(w, job, range) : SABIR_OK;
}

enum sabir_error list_set_slice(struct lane *lane, uint64_t handle, const struct list_slice *slice,
				const struct span *values, size_t n, uint64_t *length)
{
	struct list_job job = { .run = run_set_slice, .values = values, .n = n, .slice = slice };
	return run_for_number(lane, handle, &job, length);
}

static enum sabir_error run_delete_slice(struct list_write *w, struct list_job *job)
{
	struct list_range range;
	enum sabir_error error = list_slice_range(job->slice, list_elements(w->tree), &range);
	if (error || !range.n)
		return error;
	job->number = range.n;
	if (range.step == 1)
		return list_splice(w, range.start, range.start + range.n, NULL, 0);
	return change_apart(w, job, range);
}

enum sabir_error list_delete_slice(struct lane *lane, uint64_t handle, const struct list_slice *slice,
				   uint64_t *removed)
{
	struct list_job job = { .run = run_delete_slice, .slice = slice };
	return run_for_number(lane, handle, &job, removed);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	(void)spec;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_list), 0, 0, &block);
	if (error)
		return error;
	*body = block;
	return SABIR_OK;
}

static bool open_body(struct lane *lane, uint32_t index, struct seg_object *object, struct list *l)
{
	uint32_t ref = load32_relaxed(&object->body);
	*l = (struct list){ .lane = lane, .seg = lane->seg, .object = object, .index = index };
	l->body = segment_at(lane->seg, ref, sizeof(*l->body));
	if (!l->body || block_size(lane->seg, ref) < sizeof(*l->body))
		return false;
	return block_is_of(&l->body->block, index);
}

/* Frees a tree from its leaves up: what was freed by who died in here is no longer the list's. */
static void free_tree(const struct list *l, uint64_t entry, uint32_t level)
{
	struct seg_list_node *node;
	uint32_t n;
	if (list_node(l, entry, level, &node, &n))
		return;
	uint64_t word = load64_acquire(&node->block.word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != l->index)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t below = load64_relaxed(&node->entry[i]);
		if (level)
			free_tree(l, below, level - 1);
		else if (!list_inline_len(below))
			object_free_block(l->lane, l->index, list_ref(below));
	}
	object_free_block(l->lane, l->index, list_ref(entry));
}

static void destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct list l;
	uint64_t tree;
	uint32_t level;
	if (!open_body(lane, index, object, &l))
		return; /* it was freed before */
	(void)list_settle(&l);
	if (!list_root(&l, load64_relaxed(&l.body->top), &tree, &level) && tree)
		free_tree(&l, tree, level);
}

static enum sabir_error recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				struct seg_object *object)
{
	struct list l;
	(void)dead;
	/* Without the lock the dead lane has changed nothing. */
	if (!lock_held_by(&object->lock, dead_id) || !open_body(by, index, object, &l))
		return SABIR_OK;
	l.dead_id = dead_id;
	if (list_settle(&l))
		(void)object_damaged(object);
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct list l;
	uint64_t tree, top;
	uint32_t level;
	enum sabir_error error;
	uint32_t tries = 0;
	if (!open_body(lane, index, object, &l))
		return;
	do {
		top = load64_acquire(&l.body->top);
		error = list_tree(&l, top, &tree, &level);
		FAULT("list_describe.looked");
		fence_acquire();
	} while (load64_relaxed(&l.body->top) != top && ++tries < DESCRIBE_TRIES);
	if (error)
		(void)object_damaged(object);
	else
		info->length = list_elements(tree);
	info->memory_bytes = load64_relaxed(&l.body->bytes) + block_size(l.seg, load32_relaxed(&object->body));
}

const struct object_kind list_kind = {
	.create = create,
	.destroy = destroy,
	.recover = recover,
	.describe = describe,
	.scan = list_scan,
};
