/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_DICT_PARTS_H
#define SABIR_OBJECTS_DICT_PARTS_H

#include "server/objects/dict.h"

/* What the dict's files share. An operation's view of its dict: */
struct dict {
	struct lane *lane;
	const struct segment *seg;
	struct seg_object *object;
	struct seg_dict *body;
	uint32_t index;
};

#define DICT_NEVER UINT64_MAX

struct dict_key {
	struct span bytes;
	uint32_t hash;
};

/* A key's node and one of its versions, each with the LIVE word under which it was read. */
struct dict_found {
	struct seg_node *node;
	uint64_t node_word;
	struct seg_version *version;
	uint64_t version_word;
	uint32_t value_len;
	uint64_t ends; /* of the version; 0: never */
	uint64_t now;  /* the time as of which the look is; 0: the clock has not been needed yet */
};

/*
 * Looks without a lock answer OK, KEY_NOT_FOUND, BUSY (something changed under the look: again) or DATA_LOSS (nothing
 * changed and yet it makes no sense: again, and at last under the lock). Under the lock BUSY and DATA_LOSS are damage at
 * once.
 */

/* Hand slots: an operation's blocks, by role. The last slot is object_free_block's. */
#define DICT_HAND_NODE 0
#define DICT_HAND_VERSION 1
#define DICT_HAND_INDEX 2
#define DICT_HAND_FREED 3
#define DICT_HAND_FREED_TOO 4

/* ---- blocks */

/* The directory. */
static inline bool dict_is_everybodys(const struct dict *d)
{
	return d->index == 0;
}

static inline bool dict_word_is_live(const struct dict *d, uint64_t word)
{
	return block_word_is_of(word, d->index);
}

/*
 * A block of this dict, or NULL if the ref leads to none of at least `size` bytes. For what is not validated
 * afterwards. Not its body, which goes with the object and never before.
 */
static inline void *dict_block(const struct dict *d, uint32_t ref, uint64_t size)
{
	struct seg_block *block = segment_at(d->seg, ref, size);
	if (!block || (void *)block == (void *)d->body || block_size(d->seg, ref) < size ||
	    !dict_word_is_live(d, load64_acquire(&block->word)))
		return NULL;
	return block;
}

/*
 * A version stands in a block of its own or, a key's first one where it is small, in the block of its node: then it begins
 * at the next multiple of 64 bytes behind the key, has a word like a block's, and goes when its node does. Readers make no
 * difference: they look at the node's word last.
 */
#define DICT_INSIDE 1u /* in the lane's place of a LIVE word */
#define DICT_MOST_INSIDE 512u

static inline size_t dict_inside_off(size_t key_len)
{
	return (sizeof(struct seg_node) + key_len + SEG_LINE - 1) & ~(size_t)(SEG_LINE - 1);
}
/* Where the value of a version begins. */
static inline size_t dict_head_len(uint64_t ends)
{
	return ends ? sizeof(struct seg_timed) : sizeof(struct seg_version);
}
/*
 * dict_block for versions of both sorts; under the lock. `inside` is told once: what was found in its node's block must not be
 * freed as a block of its own, whatever its word says by then.
 */
static inline struct seg_version *dict_version(const struct dict *d, uint32_t ref, bool *inside)
{
	struct seg_version *version = segment_at(d->seg, ref, sizeof(*version));
	uint64_t word = version ? load64_acquire(&version->block.word) : 0;
	*inside = version && dict_word_is_live(d, word) && block_lane(word) == DICT_INSIDE;
	return *inside ? version : dict_block(d, ref, sizeof(*version));
}
/* In a transaction: a version goes out of the dict. Behind the commit dict_free_version, if it has a block of its own. */
void dict_disown_version(const struct dict *d, struct seg_version *version, bool inside, uint32_t hand);
void dict_free_version(const struct dict *d, struct seg_version *version, bool inside);

/*
 * In a transaction: a block that is in the lane's hand becomes part of the dict. Where the dict is everybody's, the directory, it is filled
 * again behind that, in front of what makes it reachable.
 */
void dict_adopt(const struct dict *d, struct seg_block *block);
/* In a transaction: a block of the dict becomes PRIVATE and comes into the hand; block_free it behind the commit. */
void dict_disown(const struct dict *d, struct seg_block *block, uint32_t hand);
/* Ends a transaction. */
static inline void dict_end_transaction(const struct dict *d)
{
	journal_commit(d->lane);
}

/* ---- dict_index.c: from a key to its node */

uint32_t dict_hash(const struct dict *d, struct span key);
/* A look for a key's node in both tables. */
enum sabir_error dict_look(const struct dict *d, const struct dict_key *key, struct dict_found *found);

/* The rest under the lock. The cell that a key of this hash can be put into. Errors: RESOURCE_EXHAUSTED, DATA_LOSS. */
enum sabir_error dict_free_cell(const struct dict *d, uint32_t hash, uint64_t count, uint64_t **cell);
/* In a transaction. */
void dict_fill_cell(const struct dict *d, uint64_t *cell, uint32_t hash, uint32_t node);
/*
 * The cell that leads to a node; `end`: nothing is found behind it, `current`: of the current table. Errors:
 * DATA_LOSS.
 */
struct dict_cell {
	uint64_t *at;
	bool end;
	bool current;
};
enum sabir_error dict_cell_of(const struct dict *d, uint32_t node, uint32_t hash, struct dict_cell *cell);
/* In a transaction. */
void dict_empty_cell(const struct dict *d, const struct dict_cell *cell);
/* Moves some cells of the older table, and grows, shrinks or cleans up when it is time. */
void dict_tend_index(const struct dict *d, uint64_t count);
/* Frees the tables that are out of use. */
void dict_free_tables(const struct dict *d);

/* ---- dict_order.c: from an insertion number to its node */

/* Makes the path to an insertion number above all others. Errors: RESOURCE_EXHAUSTED, DATA_LOSS. */
enum sabir_error dict_order_reserve(const struct dict *d, uint64_t order, struct seg_order **leaf);
/* The leaf that leads to an insertion number. Errors: DATA_LOSS. */
enum sabir_error dict_order_leaf(const struct dict *d, uint64_t order, struct seg_order **leaf);
/* In a transaction: in, out. */
void dict_order_insert(const struct dict *d, struct seg_order *leaf, uint64_t order, uint32_t node);
void dict_order_remove(const struct dict *d, struct seg_order *leaf, uint64_t order);
/* Frees what is empty on the path of body->trim. */
void dict_order_trim(const struct dict *d);
/* A look for the first node from an insertion number on. */
enum sabir_error dict_order_next(const struct dict *d, uint64_t from, uint64_t *order, uint32_t *node);
/* A look for the last node up to an insertion number. */
enum sabir_error dict_order_prev(const struct dict *d, uint64_t from, uint64_t *order, uint32_t *node);
/* Under the lock: the node inserted last. Errors: EMPTY, DATA_LOSS. */
enum sabir_error dict_order_last(const struct dict *d, uint32_t *node);
/* Frees up to about n entries of the tree that is out of use; true if some are left. */
bool dict_free_trash(const struct dict *d, uint32_t n);

/* ---- dict_settle.c: behind the publishing store, and back from in front of it */

/*
 * Finishes or rolls back the write that was begun last, by whether `committed` has reached it. Can be done again and
 * from any step on. Errors: DATA_LOSS.
 */
enum sabir_error dict_settle(const struct dict *d);
/* Whether there is something to settle. */
bool dict_unsettled(const struct dict *d);
/* Index and order begin anew from nothing; what they were is trash. Restartable. */
void dict_throw_away(const struct dict *d);
enum sabir_error dict_lock(const struct dict *d);
/* dict_lock, with nothing in the dict that is due. */
enum sabir_error dict_lock_current(const struct dict *d);
void dict_unlock(const struct dict *d);

/* ---- dict_write.c: a write, under the lock: changes, then the publishing store */

#define DICT_MAX_NOTES 16u
struct dict_write {
	uint64_t count; /* entries as of this write */
	uint64_t floor;
	bool changed;
	/* For watchers: the keys of this write in the order of its changes; more of them than have room are any key. */
	uint32_t n_notes;
	struct dict_note {
		uint32_t what;
		struct span key;
	} notes[DICT_MAX_NOTES];
};
void dict_write_begin(const struct dict *d, struct dict_write *w);
/* One look under the lock: the present value, those of this write included. Errors: KEY_NOT_FOUND, DATA_LOSS. */
enum sabir_error dict_present(const struct dict *d, const struct dict_key *key, struct dict_found *found,
			      struct span *value);
/* The last inserted entry, the first one. Errors: EMPTY, DATA_LOSS. */
enum sabir_error dict_newest(const struct dict *d, struct dict_found *found, struct span *key, struct span *value);
enum sabir_error dict_oldest(const struct dict *d, struct dict_found *found, struct span *key, struct span *value);
enum sabir_error dict_put(const struct dict *d, struct dict_write *w, const struct dict_key *key,
			  const struct dict_entry *entry, bool *inserted);
/* Needs no memory. At most one in a write, and nothing else beside it. */
void dict_remove(const struct dict *d, struct dict_write *w, const struct dict_found *found);
void dict_remove_all(const struct dict *d, struct dict_write *w);
/* The publishing store, then the cleaning up. */
enum sabir_error dict_publish(const struct dict *d, const struct dict_write *w);

/* ---- dict_time.c: entries that end */

/* When the version ends, 0 = never; UINT64_MAX: it is damaged. Under the lock. */
uint64_t dict_version_ends(const struct dict *d, const struct seg_version *version);
/* The version is still private; in a transaction, before it is adopted. Errors: DATA_LOSS (nothing was stored). */
enum sabir_error dict_time_insert(const struct dict *d, struct seg_version *version, uint64_t ends);
/* In a transaction: a version goes, if it ends at all; before it is disowned. */
void dict_time_remove(const struct dict *d, struct seg_version *version);
/* In a transaction: all of them go. */
void dict_time_clear(const struct dict *d);
/* Whether something is due, as far as one can tell without the lock: maybe nothing is. */
bool dict_is_due(const struct dict *d);
/* Under the lock: removes some of what is due; *more: there was more. Errors: DATA_LOSS. */
enum sabir_error dict_drop_due(const struct dict *d, bool *more);

/* ---- dict_read.c: reading without the lock */

enum sabir_error dict_enter(struct lane *lane, uint32_t op, uint64_t handle, struct dict *d);
/* Which version of found->node counts as of the sequence number: a look. */
enum sabir_error dict_visible(const struct dict *d, uint64_t seq, struct dict_found *found);
/* How many entries there are now. Errors: those of a lock, where something is due. */
enum sabir_error dict_count(const struct dict *d, uint64_t *count);

/* ---- dict_scan.c */

enum sabir_error dict_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context);

#endif
