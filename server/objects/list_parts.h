/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_LIST_PARTS_H
#define SABIR_OBJECTS_LIST_PARTS_H

#include <stdlib.h>

#include "server/objects/list.h"

/* What the list's files share. An operation's view of its list: */
struct list {
	struct lane *lane;
	const struct segment *seg;
	struct seg_object *object;
	struct seg_list *body;
	uint32_t index;
	uint32_t dead_id; /* recovery: the lane whose write is settled; else 0 */
};

/* A tree: ref of its root | its elements << 32; 0 = no elements. So are the entries of nodes that lead to nodes. */
static inline uint32_t list_ref(uint64_t entry)
{
	return (uint32_t)entry;
}
static inline uint32_t list_elements(uint64_t entry)
{
	return (uint32_t)(entry >> 32);
}
static inline uint32_t list_inline_len(uint64_t entry)
{
	return (uint32_t)(entry >> 56);
}
#define LIST_INLINE_MAX 7u
#define LIST_MAX_LENGTH UINT32_MAX

/* ---- list_read.c. Looks without a lock answer DATA_LOSS also for what was changed meanwhile: see list_look. */

enum sabir_error list_enter(struct lane *lane, uint32_t op, uint64_t handle, struct list *l);
/* The tree that `top` leads to, and its level; *tree is 0 for an empty one. */
enum sabir_error list_root(const struct list *l, uint64_t top, uint64_t *tree, uint32_t *level);
/* The same, and it has no more elements than the list has memory for. */
enum sabir_error list_tree(const struct list *l, uint64_t top, uint64_t *tree, uint32_t *level);
/*
 * The leaves that a walk has come to. None of them twice: else a few nodes that lead to the same ones again and again would have
 * it walk, under the lock perhaps, through more elements than there are. Walks of no more than a hundred thousand elements
 * need not know. Errors: DATA_LOSS, NO_MEMORY.
 */
struct list_seen {
	uint64_t n;
	uint8_t *bits;
};
#define LIST_FEW_LEAVES 2048u /* that are looked at once more in less time than it takes to remember them */
enum sabir_error list_remember_leaf(struct list_seen *seen, const struct segment *seg, uint32_t leaf);
static inline enum sabir_error list_see_leaf(struct list_seen *seen, const struct segment *seg, uint32_t leaf)
{
	return seen->n++ < LIST_FEW_LEAVES ? SABIR_OK : list_remember_leaf(seen, seg, leaf);
}
static inline void list_seen_fini(struct list_seen *seen)
{
	if (seen->bits)
		free(seen->bits);
}
/* A node of that level with that many elements; *n is between 1 and SEG_LIST_FAN. */
enum sabir_error list_node(const struct list *l, uint64_t entry, uint32_t level, struct seg_list_node **node,
			   uint32_t *n);
/* The bytes of a leaf's entry: inside the segment, or in `small`. */
enum sabir_error list_value(const struct list *l, uint64_t entry, uint8_t small[8], struct span *value);
/*
 * Shows the entries of the elements from `from` to before `to`, in order; a visit that answers other than OK ends it
 * with that answer.
 */
typedef enum sabir_error list_visit_fn(const struct list *l, void *context, uint64_t entry);
enum sabir_error list_walk(const struct list *l, uint64_t tree, uint32_t level, uint64_t from, uint64_t to,
			   list_visit_fn *visit, void *context);
enum sabir_error list_entry_at(const struct list *l, uint64_t tree, uint32_t level, uint64_t i, uint64_t *entry);
/* The first of those elements that equals the value. Errors: VALUE_NOT_FOUND. */
enum sabir_error list_search(const struct list *l, uint64_t tree, uint32_t level, struct list_range range,
			     struct span value, uint64_t *index);
/* The index of an element, negative ones from the end. Errors: OUT_OF_RANGE. */
enum sabir_error list_position(int64_t index, uint64_t length, uint64_t *i);

/* ---- list_scan.c */

enum sabir_error list_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context);

/* ---- list_tree.c: a write, under the lock: a new tree, the publishing store, and what follows it */

#define LIST_SPARES (2 * SEG_LIST_LEVELS)

struct list_write {
	const struct list *l;
	uint32_t number;
	uint32_t level; /* of the tree */
	uint64_t tree;  /* as it was, then as it will be */
	bool changed;
	bool keep;         /* the elements that list_splice takes out stay: its caller sees to them */
	uint32_t n_made;   /* blocks that this write has made */
	uint32_t n_spares; /* nodes of these that it no longer needs */
	uint32_t spare[LIST_SPARES];
	struct list_seen seen; /* of those that go away */
};

enum sabir_error list_lock(const struct list *l);
void list_unlock(const struct list *l);
/* Errors: DATA_LOSS. */
enum sabir_error list_write_begin(const struct list *l, struct list_write *w);
/* The entry of a new element. Errors: TOO_LARGE, RESOURCE_EXHAUSTED. */
enum sabir_error list_make_entry(struct list_write *w, struct span value, uint64_t *entry);
/* The element of the entry is no part of the list any more. Errors: DATA_LOSS. */
enum sabir_error list_stale_entry(struct list_write *w, uint64_t entry);
/*
 * Puts n elements in the place of those from `from` to before `to`. Once in a write. Errors: RESOURCE_EXHAUSTED,
 * NO_MEMORY, TOO_LARGE (too many elements), DATA_LOSS.
 */
enum sabir_error list_splice(struct list_write *w, uint64_t from, uint64_t to, const uint64_t *entries, uint64_t n);
/* The publishing store, and the cleaning up. Errors: DATA_LOSS (in what had to be cleaned up). */
enum sabir_error list_publish(struct list_write *w);
/*
 * Finishes or rolls back the write that was begun last, by whether `top` has its number. Can be done again and from any
 * step on. Errors: DATA_LOSS.
 */
enum sabir_error list_settle(const struct list *l);

/* ---- list.c: runs a write on a list, twice if memory had to be made room for it */

struct list_job {
	enum sabir_error (*run)(struct list_write *w, struct list_job *job);
	const struct span *values;
	size_t n;
	const struct list_slice *slice;
	int64_t index;
	struct bytes *out;
	uint64_t number; /* result */
	struct span key; /* sort */
	bool reverse;
	struct list_trouble *trouble;
};
enum sabir_error list_run(struct lane *lane, uint64_t handle, struct list_job *job);
/* The entries of a range of the tree as it was, malloc'ed. Errors: NO_MEMORY, DATA_LOSS. */
enum sabir_error list_gather(struct list_write *w, uint64_t from, uint64_t to, uint64_t **entries);

#endif
