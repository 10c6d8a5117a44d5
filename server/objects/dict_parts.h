/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_DICT_PARTS_H
#define SABIR_OBJECTS_DICT_PARTS_H

#include "server/objects/dict.h"

/* What the dict's files share. An operation's view of its dict: */
struct dict {
	struct lane *lane;
	struct segment *seg;
	struct seg_object *object;
	struct seg_dict *body;
	uint32_t index;
};

/* Hand slots: an operation's blocks, by role. */
#define HAND_NODE 0
#define HAND_VERSION 1
#define HAND_TABLE 2
#define HAND_FREED 4

/* A node or version and the LIVE word under which it was read. */
struct dict_found {
	struct seg_node *node;
	uint64_t node_word;
	struct seg_version *version;
	uint64_t version_word;
};

enum sabir_error dict_enter(struct lane *lane, uint32_t op, uint64_t handle, struct dict *d);
enum sabir_error dict_damaged(struct dict *d);
uint64_t dict_hash(const struct dict *d, struct span key);

/* ---- dict_index.c: the cells. Writers call these under the object's lock. */

/* Looks in one table. OK; KEY_NOT_FOUND; BUSY (it changed under the look: again). `cell` may be NULL. */
enum sabir_error dict_probe(struct dict *d, uint32_t table, struct span key, uint64_t hash, struct dict_found *found,
			    uint64_t **cell);
/* Makes sure that a key of this hash can be put into the current table, and gives the cell for it. Errors: RESOURCE_EXHAUSTED. */
enum sabir_error dict_free_cell(struct dict *d, uint64_t hash, uint64_t **cell);
/* In a transaction: the cell now leads to the node / to nothing. */
void dict_fill_cell(struct dict *d, uint64_t *cell, uint64_t hash, uint32_t node);
void dict_empty_cell(struct dict *d, uint64_t *cell);
/* Moves some cells of the older table, and grows, shrinks or cleans up when it is time. */
void dict_tend_index(struct dict *d);
/* Retires the table that is out of reach. */
void dict_retire_table(struct dict *d);
/* All tables, for destroy. */
void dict_free_tables(struct dict *d);
struct seg_table *dict_table(const struct dict *d, uint32_t ref, uint64_t *n_cells);

/* ---- dict_write.c */

enum sabir_error dict_lock(struct dict *d);
void dict_unlock(struct dict *d);
/* Finishes or rolls back what was begun: the write that did not reach its publishing store, or the cleaning up behind it. */
void dict_repair(struct dict *d);
/* Adds one change to the write that is under way; `deleted` makes the value a mark that the key is gone. */
enum sabir_error dict_change(struct dict *d, struct span key, uint64_t hash, struct span value, bool deleted,
			     bool *inserted);
/* The publishing store of all changes, then the cleaning up. */
void dict_commit(struct dict *d, uint64_t count);
/* Takes a node out of index and order and frees it with its versions. Restartable. */
void dict_remove_node(struct dict *d, struct seg_node *node, uint32_t unlink_pending);
struct seg_node *dict_node(const struct dict *d, uint32_t ref);
struct seg_version *dict_version(const struct dict *d, uint32_t ref);
/* Under the lock: the live version of a key, KEY_NOT_FOUND, or DATA_LOSS. */
enum sabir_error dict_find_locked(struct dict *d, struct span key, uint64_t hash, struct dict_found *found);

/* ---- dict_read.c */

/* What counts of a node's versions as of `seq`: OK, KEY_NOT_FOUND, or BUSY (it changed: again). */
enum sabir_error dict_visible(struct dict *d, uint64_t seq, struct dict_found *found);
/* The length of a payload behind a header, or -1 if it is not inside the data area. */
int64_t dict_payload(const struct dict *d, const void *header, size_t header_len, uint32_t len);
uint64_t dict_count(const struct dict *d);

#endif
