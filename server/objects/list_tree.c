/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list's new tree: one list_splice makes all nodes anew on the paths to both ends of the range that it replaces,
 * and shares the others with the tree as it was.
 *
 *   leaf      its entries in front of the range, the new ones, its entries behind the range: dealt out to as many
 *             leaves as they need; none, if none are left
 *   above     its children in front, what became of the first and the last child that the range touches, its
 *             children behind; a new child with few entries joins a neighbour before all are dealt out
 *
 * So no node is empty, and a long list has few small nodes. Appending fills nodes up; everything else halves them.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/fault.h"
#include "server/objects/list_write.h"

#define FEW (SEG_LIST_FAN / 4)      /* entries of a node that looks for a neighbour */
#define MANY (SEG_LIST_FAN * 3 / 4) /* the most of two that join */

/* A row of entries that grows. */
struct row {
	uint64_t *entry;
	uint64_t n, room;
	uint64_t fixed[2 * SEG_LIST_FAN + 8];
};

static void row_init(struct row *row)
{
	row->entry = row->fixed;
	row->n = 0;
	row->room = sizeof(row->fixed) / sizeof(row->fixed[0]);
}

static void row_fini(struct row *row)
{
	if (row->entry != row->fixed)
		free(row->entry);
}

static enum sabir_error row_add(struct row *row, const uint64_t *entries, uint64_t n)
{
	if (n > row->room - row->n) {
		uint64_t room = (row->n + n) * 2;
		uint64_t *made = malloc(room * sizeof(*made));
		if (!made)
			return SABIR_NO_MEMORY;
		memcpy(made, row->entry, row->n * sizeof(*made));
		row_fini(row);
		row->entry = made;
		row->room = room;
	}
	if (n)
		memcpy(row->entry + row->n, entries, n * sizeof(*entries));
	row->n += n;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- dealing out */

static uint64_t elements_of(uint32_t level, const uint64_t *entries, uint64_t n)
{
	uint64_t total = 0;
	if (level == 0)
		return n;
	for (uint64_t i = 0; i < n; i++)
		total += list_elements(entries[i]);
	return total;
}

static enum sabir_error make_node(struct list_write *w, uint32_t level, const uint64_t *entries, uint32_t n,
				  uint64_t *entry)
{
	struct seg_list_node *node;
	uint64_t total = elements_of(level, entries, n);
	if (total > LIST_MAX_LENGTH)
		return SABIR_TOO_LARGE;
	enum sabir_error error = list_new_node(w, &node);
	if (error)
		return error;
	node->level = level;
	node->n = n;
	node->total = total;
	memcpy(node->entry, entries, n * sizeof(*entries));
	*entry = segment_ref(w->l->seg, node) | total << 32;
	return SABIR_OK;
}

/* Makes nodes of a level of all entries; `fill`: full ones as far as they go, else all alike. */
static enum sabir_error deal(struct list_write *w, uint32_t level, const struct row *row, bool fill, struct row *out)
{
	uint64_t n_nodes = (row->n + SEG_LIST_FAN - 1) / SEG_LIST_FAN, at = 0;
	enum sabir_error error = SABIR_OK;
	for (uint64_t i = 0; !error && i < n_nodes; i++) {
		uint64_t entry, left = row->n - at, n = left / (n_nodes - i);
		if (fill)
			n = left < SEG_LIST_FAN ? left : SEG_LIST_FAN;
		error = make_node(w, level, row->entry + at, (uint32_t)n, &entry);
		if (!error)
			error = row_add(out, &entry, 1);
		at += n;
	}
	return error;
}

/* ---------------------------------------------------------------- what goes away */

/* What is looked at more than once must not change meanwhile. */
static void copy_entries(const struct seg_list_node *node, uint32_t n, uint64_t to[SEG_LIST_FAN])
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = load64_relaxed(&node->entry[i]);
}

/* A whole subtree, with its elements unless they are kept. */
static enum sabir_error stale_tree(struct list_write *w, uint64_t entry, uint32_t level)
{
	struct seg_list_node *node;
	uint64_t below[SEG_LIST_FAN];
	uint32_t n;
	enum sabir_error error = list_node(w->l, entry, level, &node, &n);
	if (error)
		return error;
	copy_entries(node, n, below);
	if (elements_of(level, below, n) != list_elements(entry))
		return SABIR_DATA_LOSS;
	if (!error && level == 0)
		error = list_see_leaf(&w->seen, w->l->seg, list_ref(entry));
	for (uint32_t i = 0; !error && i < n; i++) {
		if (level)
			error = stale_tree(w, below[i], level - 1);
		else if (!w->keep)
			error = list_stale_entry(w, below[i]);
	}
	return error ? error : list_stale_block(w, &node->block);
}

/* ---------------------------------------------------------------- joining */

/* The children of a new node: those of its row from `begin` to before `end` are new, the others were there before. */
struct children {
	struct row *row;
	uint32_t level;
	uint64_t begin, end;
};

static bool is_new(const struct children *c, uint64_t i)
{
	return i >= c->begin && i < c->end;
}

/* The children i and i + 1, one of which is new, become one. */
static enum sabir_error join(struct list_write *w, struct children *c, uint64_t i, struct seg_list_node *const node[2],
			     const uint32_t n[2])
{
	uint64_t *e = c->row->entry, total = (uint64_t)list_elements(e[i]) + list_elements(e[i + 1]);
	bool into_x = is_new(c, i), y_is_new = is_new(c, i + 1);
	struct seg_list_node *x = node[0], *y = node[1];
	enum sabir_error error;
	if (into_x) {
		memcpy(x->entry + n[0], y->entry, n[1] * sizeof(y->entry[0]));
	} else {
		memmove(y->entry + n[0], y->entry, n[1] * sizeof(y->entry[0]));
		memcpy(y->entry, x->entry, n[0] * sizeof(x->entry[0]));
	}
	struct seg_list_node *target = into_x ? x : y, *other = into_x ? y : x;
	target->n = n[0] + n[1];
	target->total = total;
	e[i] = segment_ref(w->l->seg, target) | total << 32;
	error = into_x && y_is_new ? list_spare_node(w, other) : list_stale_block(w, &other->block);
	memmove(e + i + 1, e + i + 2, (c->row->n - i - 2) * sizeof(*e));
	c->row->n--;
	c->begin = into_x ? c->begin : i;
	c->end = into_x && !y_is_new ? c->end : c->end - 1;
	return error;
}

static enum sabir_error join_small(struct list_write *w, struct children *c)
{
	enum sabir_error error = SABIR_OK;
	uint64_t i = c->begin ? c->begin - 1 : 0;
	while (!error && i < c->end && i + 1 < c->row->n && c->begin < c->end) {
		struct seg_list_node *node[2];
		uint32_t n[2];
		error = list_node(w->l, c->row->entry[i], c->level, &node[0], &n[0]);
		if (!error)
			error = list_node(w->l, c->row->entry[i + 1], c->level, &node[1], &n[1]);
		if (!error && (n[0] < FEW || n[1] < FEW) && n[0] + n[1] <= MANY)
			error = join(w, c, i, node, n);
		else
			i++;
	}
	return error;
}

/* ---------------------------------------------------------------- the splice */

struct splice {
	struct list_write *w;
	const uint64_t *entries;
	uint64_t n;
	bool at_end; /* it only adds, behind all: nodes are filled up */
};

static enum sabir_error splice_leaf(struct splice *s, uint64_t leaf, uint64_t from, uint64_t to, uint64_t n,
				    struct row *out)
{
	struct seg_list_node *node;
	struct row row;
	uint32_t n_old;
	enum sabir_error error = list_node(s->w->l, leaf, 0, &node, &n_old);
	if (error)
		return error;
	row_init(&row);
	for (uint64_t i = from; !error && !s->w->keep && i < to; i++)
		error = list_stale_entry(s->w, load64_relaxed(&node->entry[i]));
	if (!error)
		error = row_add(&row, node->entry, from);
	if (!error)
		error = row_add(&row, s->entries, n);
	if (!error)
		error = row_add(&row, node->entry + to, n_old - to);
	if (!error)
		error = deal(s->w, 0, &row, s->at_end, out);
	row_fini(&row);
	return error ? error : list_stale_block(s->w, &node->block);
}

static enum sabir_error splice_node(struct splice *s, uint64_t entry, uint32_t level, uint64_t from, uint64_t to,
				    uint64_t n, struct row *out);

/* The children of a node from the first to the last that the range touches: what they become, into `row`. */
static enum sabir_error splice_children(struct splice *s, const uint64_t *children, uint32_t n_old, uint32_t level,
					uint64_t from, uint64_t to, uint64_t n, struct row *row, uint32_t *first_child,
					uint32_t *behind)
{
	uint64_t base = 0, to_put = n;
	uint32_t i = 0;
	enum sabir_error error = SABIR_OK;
	/* An empty range belongs to the child that it is at the end of. */
	while (i + 1 < n_old && base + list_elements(children[i]) < from + (from < to))
		base += list_elements(children[i++]);
	*first_child = i;
	do {
		uint64_t entry = children[i], size = list_elements(entry);
		uint64_t a = from > base ? from - base : 0, b = to - base < size ? to - base : size;
		if (a > size) /* the node has more elements than its children */
			return SABIR_DATA_LOSS;
		if (a == 0 && b == size && !to_put)
			error = stale_tree(s->w, entry, level - 1);
		else
			error = splice_node(s, entry, level - 1, a, b, to_put, row);
		to_put = 0;
		base += size;
		i++;
	} while (!error && i < n_old && base < to);
	*behind = i;
	return error ? error : base < to ? SABIR_DATA_LOSS : SABIR_OK;
}

static enum sabir_error splice_inner(struct splice *s, uint64_t entry, uint32_t level, uint64_t from, uint64_t to,
				     uint64_t n, struct row *out)
{
	struct seg_list_node *node;
	struct row row, middle;
	uint64_t old[SEG_LIST_FAN];
	uint32_t n_old, first = 0, behind = 0;
	enum sabir_error error = list_node(s->w->l, entry, level, &node, &n_old);
	if (error)
		return error;
	copy_entries(node, n_old, old);
	row_init(&row);
	row_init(&middle);
	error = splice_children(s, old, n_old, level, from, to, n, &middle, &first, &behind);
	if (!error)
		error = row_add(&row, old, first);
	if (!error)
		error = row_add(&row, middle.entry, middle.n);
	struct children c = { &row, level - 1, first, first + middle.n };
	if (!error)
		error = row_add(&row, old + behind, n_old - behind);
	if (!error)
		error = join_small(s->w, &c);
	if (!error)
		error = deal(s->w, level, &row, s->at_end, out);
	row_fini(&row);
	row_fini(&middle);
	return error ? error : list_stale_block(s->w, &node->block);
}

/* Adds the entries of what a node becomes, when the first n of the splice's elements replace its range, to `out`. */
static enum sabir_error splice_node(struct splice *s, uint64_t entry, uint32_t level, uint64_t from, uint64_t to,
				    uint64_t n, struct row *out)
{
	if (level == 0)
		return splice_leaf(s, entry, from, to, n, out);
	return splice_inner(s, entry, level, from, to, n, out);
}

/*
 * One node above all of the row, if there are several. One that has but one child is left out, and the tree is lower.
 */
static enum sabir_error crown(struct list_write *w, struct row *row, uint32_t level, bool fill)
{
	enum sabir_error error = SABIR_OK;
	while (!error && row->n > 1) {
		struct row above;
		row_init(&above);
		error = ++level < SEG_LIST_LEVELS ? deal(w, level, row, fill, &above) : SABIR_TOO_LARGE;
		row->n = 0;
		if (!error)
			error = row_add(row, above.entry, above.n);
		row_fini(&above);
	}
	if (!error && row->n && level) {
		struct seg_list_node *root; /* it is new; what is below it need not be */
		uint32_t n;
		error = list_node(w->l, row->entry[0], level, &root, &n);
		if (!error && n == 1) {
			row->entry[0] = load64_relaxed(&root->entry[0]);
			error = list_spare_node(w, root);
			level--;
		}
	}
	if (!error) {
		w->tree = row->n ? row->entry[0] : 0;
		w->level = row->n ? level : 0;
		w->changed = true;
	}
	return error;
}

enum sabir_error list_splice(struct list_write *w, uint64_t from, uint64_t to, const uint64_t *entries, uint64_t n)
{
	uint64_t length = list_elements(w->tree);
	struct splice s = { w, entries, n, from == length };
	struct row out;
	enum sabir_error error;
	if (n > LIST_MAX_LENGTH - (length - (to - from)))
		return SABIR_TOO_LARGE;
	row_init(&out);
	if (!length) {
		struct row all = { (uint64_t *)(uintptr_t)entries, n, n, { 0 } };
		error = deal(w, 0, &all, true, &out);
	} else {
		error = splice_node(&s, w->tree, w->level, from, to, n, &out);
	}
	if (!error)
		error = crown(w, &out, w->level, s.at_end);
	row_fini(&out);
	return error;
}
