/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a list, mostly without its lock.
 *
 * A reader loads `top`, goes down the tree that it leads to, copies what it came for, and looks at `top` again. What
 * can be reached from `top` never changes, and its memory is used again only behind the store of another one: the
 * same `top` means that all it saw was one state of the list. Otherwise it starts anew, and after some attempts under
 * the lock. Meanwhile what it follows may be anything, so every ref and number is checked before it is used.
 */
#include "server/base/fault.h"
#include "server/base/value_order.h"
#include "server/objects/list_parts.h"

#define TRIES_SHORT 1000u /* of a look at one element: each means that a change was finished */
#define TRIES_LONG 4u

enum sabir_error list_enter(struct lane *lane, uint32_t op, uint64_t handle, struct list *l)
{
	*l = (struct list){ .lane = lane, .seg = lane->seg, .index = object_index(handle) };
	return object_enter(lane, op, handle, SEG_KIND_LIST, sizeof(*l->body), &l->object, &l->body);
}

/* ---------------------------------------------------------------- the tree */

#define FEW_ELEMENTS 65536u

enum sabir_error list_root(const struct list *l, uint64_t top, uint64_t *tree, uint32_t *level)
{
	*tree = 0;
	*level = 0;
	if (!list_ref(top))
		return SABIR_OK;
	const struct seg_list_node *root = segment_at(l->seg, list_ref(top), sizeof(*root));
	if (!root)
		return SABIR_DATA_LOSS;
	uint32_t at = load32_relaxed(&root->level);
	uint64_t total = load64_relaxed(&root->total);
	if (at >= SEG_LIST_LEVELS || total == 0 || total > LIST_MAX_LENGTH)
		return SABIR_DATA_LOSS;
	*level = at;
	*tree = list_ref(top) | total << 32;
	return SABIR_OK;
}

/* Of a list whose blocks are all full leaves, and fill the memory at most. Without the lock what is counted may be of a later tree. */
static uint64_t most_elements(const struct list *l)
{
	uint64_t bytes = load64_relaxed(&l->body->bytes);
	if (bytes > l->seg->data_len)
		bytes = l->seg->data_len;
	return bytes / sizeof(struct seg_list_node) * SEG_LIST_FAN;
}

enum sabir_error list_tree(const struct list *l, uint64_t top, uint64_t *tree, uint32_t *level)
{
	enum sabir_error error = list_root(l, top, tree, level);
	uint64_t n = list_elements(*tree);
	/* The count is in a line that readers of short lists do without. */
	return !error && n > FEW_ELEMENTS && n > most_elements(l) ? SABIR_DATA_LOSS : error;
}

enum sabir_error list_node(const struct list *l, uint64_t entry, uint32_t level, struct seg_list_node **node,
			   uint32_t *n)
{
	struct seg_list_node *at = segment_at(l->seg, list_ref(entry), sizeof(*at));
	if (!at || load32_relaxed(&at->level) != level || load64_relaxed(&at->total) != list_elements(entry))
		return SABIR_DATA_LOSS;
	uint32_t entries = load32_relaxed(&at->n);
	if (entries - 1 >= SEG_LIST_FAN || (level == 0 && entries != list_elements(entry)))
		return SABIR_DATA_LOSS;
	*node = at;
	*n = entries;
	return SABIR_OK;
}

enum sabir_error list_value(const struct list *l, uint64_t entry, uint8_t small[8], struct span *value)
{
	uint32_t len = list_inline_len(entry);
	if (len) {
		if (len > LIST_INLINE_MAX)
			return SABIR_DATA_LOSS;
		for (uint32_t i = 0; i < LIST_INLINE_MAX; i++)
			small[i] = (uint8_t)(entry >> 8 * i);
		*value = (struct span){ small, len };
		return SABIR_OK;
	}
	struct seg_list_item *item = segment_at(l->seg, list_ref(entry), sizeof(*item));
	if (!item)
		return SABIR_DATA_LOSS;
	len = load32_relaxed(&item->block.len);
	if (len > l->seg->max_item_bytes || !segment_at(l->seg, list_ref(entry), sizeof(*item) + (uint64_t)len))
		return SABIR_DATA_LOSS;
	*value = (struct span){ (const uint8_t *)(item + 1), len };
	return SABIR_OK;
}

struct walk {
	const struct list *l;
	list_visit_fn *visit;
	void *context;
	struct list_seen seen;
};

static enum sabir_error walk_leaf(struct walk *w, uint64_t leaf, uint64_t from, uint64_t to)
{
	const struct list *l = w->l;
	list_visit_fn *visit = w->visit;
	void *context = w->context;
	struct seg_list_node *node;
	uint32_t n;
	enum sabir_error error = list_node(l, leaf, 0, &node, &n);
	if (!error)
		error = list_see_leaf(&w->seen, l->seg, list_ref(leaf));
	for (uint64_t i = from; !error && i < to; i++)
		error = i < n ? visit(l, context, load64_relaxed(&node->entry[i])) : SABIR_DATA_LOSS;
	return error;
}

static enum sabir_error walk(struct walk *w, uint64_t tree, uint32_t level, uint64_t from, uint64_t to)
{
	struct seg_list_node *node;
	uint32_t n;
	if (from >= to)
		return SABIR_OK;
	if (level == 0)
		return walk_leaf(w, tree, from, to);
	enum sabir_error error = list_node(w->l, tree, level, &node, &n);
	uint64_t first = 0; /* element of the child */
	for (uint32_t i = 0; !error && i < n && first < to; i++) {
		uint64_t entry = load64_relaxed(&node->entry[i]), behind = first + list_elements(entry);
		if (behind > from)
			error = walk(w, entry, level - 1, from > first ? from - first : 0,
				     (to < behind ? to : behind) - first);
		first = behind;
	}
	return !error && first < to ? SABIR_DATA_LOSS : error;
}

enum sabir_error list_walk(const struct list *l, uint64_t tree, uint32_t level, uint64_t from, uint64_t to,
			   list_visit_fn *visit, void *context)
{
	struct walk w = { .l = l, .visit = visit, .context = context };
	enum sabir_error error = walk(&w, tree, level, from, to);
	list_seen_fini(&w.seen);
	return error;
}

enum sabir_error list_entry_at(const struct list *l, uint64_t tree, uint32_t level, uint64_t i, uint64_t *entry)
{
	struct seg_list_node *node;
	uint32_t n;
	for (;; level--) {
		enum sabir_error error = list_node(l, tree, level, &node, &n);
		if (error)
			return error;
		if (level == 0)
			break;
		uint32_t k = 0;
		tree = load64_relaxed(&node->entry[0]);
		while (i >= list_elements(tree)) {
			i -= list_elements(tree);
			if (++k == n)
				return SABIR_DATA_LOSS;
			tree = load64_relaxed(&node->entry[k]);
		}
	}
	if (i >= n)
		return SABIR_DATA_LOSS;
	*entry = load64_relaxed(&node->entry[i]);
	return SABIR_OK;
}

enum sabir_error list_position(int64_t index, uint64_t length, uint64_t *i)
{
	int64_t at = index < 0 ? index + (int64_t)length : index; /* the length has 32 bits */
	if (at < 0 || (uint64_t)at >= length)
		return SABIR_OUT_OF_RANGE;
	*i = (uint64_t)at;
	return SABIR_OK;
}

struct search {
	struct value_wanted wanted;
	uint64_t passed;
	uint64_t found;
	bool all;
};

static enum sabir_error visit_search(const struct list *l, void *context, uint64_t entry)
{
	struct search *s = context;
	uint8_t small[8];
	struct span value;
	enum sabir_error error = list_value(l, entry, small, &value);
	if (error)
		return error;
	if (value_is(&s->wanted, value)) {
		s->found++;
		if (!s->all)
			return SABIR_ALREADY_EXISTS; /* ends the walk */
	}
	s->passed++;
	return SABIR_OK;
}

enum sabir_error list_search(const struct list *l, uint64_t tree, uint32_t level, struct list_range range,
			     struct span value, uint64_t *index)
{
	struct search s = { .passed = 0 };
	value_want(value, &s.wanted);
	enum sabir_error error = list_walk(l, tree, level, range.start, range.start + range.n, visit_search, &s);
	if (error == SABIR_ALREADY_EXISTS) {
		*index = range.start + s.passed;
		return SABIR_OK;
	}
	return error ? error : SABIR_VALUE_NOT_FOUND;
}

/* ---------------------------------------------------------------- looks */

struct look {
	enum sabir_error (*run)(const struct list *l, struct look *look, uint64_t tree, uint32_t level);
	uint32_t tries;
	int64_t index;
	const struct list_slice *slice;
	struct span value;
	uint64_t skip, most;
	uint32_t version;
	struct bytes *out;
	uint64_t number; /* result */
};

/* One look; BUSY: there was a change. */
static enum sabir_error look_once(const struct list *l, struct look *look, size_t n_before)
{
	uint32_t level;
	uint64_t tree, top = load64_acquire(&l->body->top);
	if (look->out)
		bytes_truncate(look->out, n_before);
	enum sabir_error error = list_tree(l, top, &tree, &level);
	if (!error && look->version && look->version != (uint32_t)(top >> 32) + 1)
		error = SABIR_CHANGED;
	if (!error)
		error = look->run(l, look, tree, level);
	FAULT("list_read.looked");
	fence_acquire();
	if (load64_relaxed(&l->body->top) != top)
		return SABIR_BUSY;
	if (!error)
		look->version = (uint32_t)(top >> 32) + 1;
	return error;
}

static enum sabir_error look(struct lane *lane, uint64_t handle, struct look *look)
{
	struct list l;
	size_t n_before = look->out ? look->out->n_items : 0;
	enum sabir_error error = list_enter(lane, SEG_OP_READ, handle, &l);
	if (error)
		return error;
	uint32_t tries = 0;
	do {
		error = look_once(&l, look, n_before);
	} while (error == SABIR_BUSY && ++tries < look->tries);
	if (error == SABIR_BUSY) {
		error = list_lock(&l);
		if (!error) {
			error = look_once(&l, look, n_before);
			list_unlock(&l);
			if (error == SABIR_BUSY)
				error = SABIR_DATA_LOSS;
		}
	}
	if (error == SABIR_DATA_LOSS)
		error = object_damaged(l.object);
	object_leave(lane);
	if (error && look->out)
		bytes_truncate(look->out, n_before);
	return error;
}

static enum sabir_error look_len(const struct list *l, struct look *look, uint64_t tree, uint32_t level)
{
	(void)l;
	(void)level;
	look->number = list_elements(tree);
	return SABIR_OK;
}

enum sabir_error list_len(struct lane *lane, uint64_t handle, uint64_t *length)
{
	struct look at = { .run = look_len, .tries = TRIES_SHORT };
	enum sabir_error error = look(lane, handle, &at);
	if (!error)
		*length = at.number;
	return error;
}

static enum sabir_error add_entry(const struct list *l, uint64_t entry, struct bytes *out)
{
	uint8_t small[8];
	struct span value;
	enum sabir_error error = list_value(l, entry, small, &value);
	return error ? error : bytes_add(out, value.data, value.len);
}

static enum sabir_error look_get(const struct list *l, struct look *look, uint64_t tree, uint32_t level)
{
	uint64_t i, entry;
	enum sabir_error error = list_position(look->index, list_elements(tree), &i);
	if (!error)
		error = list_entry_at(l, tree, level, i, &entry);
	return error ? error : add_entry(l, entry, look->out);
}

enum sabir_error list_get(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out)
{
	struct look at = { .run = look_get, .tries = TRIES_SHORT, .index = index, .out = out };
	return look(lane, handle, &at);
}

/* Adds an element unless the page is full: then EMPTY, which ends the walk. */
static enum sabir_error visit_page(const struct list *l, void *context, uint64_t entry)
{
	struct look *look = context;
	uint8_t small[8];
	struct span value;
	enum sabir_error error = list_value(l, entry, small, &value);
	if (error)
		return error;
	if (!bytes_fits(look->out, value.len))
		return SABIR_EMPTY;
	return bytes_add(look->out, value.data, value.len);
}

static enum sabir_error look_slice(const struct list *l, struct look *look, uint64_t tree, uint32_t level)
{
	struct list_range range;
	enum sabir_error error = list_slice_range(look->slice, list_elements(tree), &range);
	if (error)
		return error;
	look->number = range.n;
	if (look->skip >= range.n)
		return SABIR_OK;
	uint64_t n = range.n - look->skip;
	if (n > look->most)
		n = look->most;
	if (range.step == 1) {
		uint64_t from = range.start + look->skip;
		error = list_walk(l, tree, level, from, from + n, visit_page, look);
	}
	for (uint64_t k = 0; !error && range.step != 1 && k < n; k++) {
		uint64_t entry, i = range.start + (look->skip + k) * (uint64_t)range.step;
		error = list_entry_at(l, tree, level, i, &entry);
		if (!error)
			error = visit_page(l, look, entry);
	}
	return error == SABIR_EMPTY ? SABIR_OK : error;
}

enum sabir_error list_get_slice(struct lane *lane, uint64_t handle, const struct list_slice *slice, uint64_t skip,
				uint64_t most, uint32_t *version, uint64_t *total, struct bytes *out)
{
	struct look at = { .run = look_slice,
			   .tries = TRIES_LONG,
			   .slice = slice,
			   .skip = skip,
			   .most = most,
			   .version = *version,
			   .out = out };
	enum sabir_error error = look(lane, handle, &at);
	if (error)
		return error;
	*version = at.version;
	*total = at.number;
	return SABIR_OK;
}

static enum sabir_error look_index(const struct list *l, struct look *look, uint64_t tree, uint32_t level)
{
	struct list_range range;
	enum sabir_error error = list_slice_range(look->slice, list_elements(tree), &range);
	if (error || range.step != 1)
		return SABIR_INVALID_ARGUMENT;
	return list_search(l, tree, level, range, look->value, &look->number);
}

enum sabir_error list_index(struct lane *lane, uint64_t handle, struct span value, const struct list_slice *slice,
			    uint64_t *index)
{
	struct look at = { .run = look_index, .tries = TRIES_LONG, .slice = slice, .value = value };
	enum sabir_error error = look(lane, handle, &at);
	if (!error)
		*index = at.number;
	return error;
}

static enum sabir_error look_count(const struct list *l, struct look *look, uint64_t tree, uint32_t level)
{
	struct search s = { .all = true };
	value_want(look->value, &s.wanted);
	enum sabir_error error = list_walk(l, tree, level, 0, list_elements(tree), visit_search, &s);
	look->number = s.found;
	return error;
}

enum sabir_error list_count(struct lane *lane, uint64_t handle, struct span value, uint64_t *count)
{
	struct look at = { .run = look_count, .tries = TRIES_LONG, .value = value };
	enum sabir_error error = look(lane, handle, &at);
	if (!error)
		*count = at.number;
	return error;
}
