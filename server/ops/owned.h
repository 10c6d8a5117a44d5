/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_OWNED_H
#define SABIR_OPS_OWNED_H

#include <stdint.h>

/* Things by their owner, for those that end with him. Nodes are part of their users' own structures. */
struct owned {
	struct owned *next;
	struct owned **link; /* NULL: in no table */
	uint64_t owner;
};

/* All-zero is an empty one. */
#define OWNED_N_BUCKETS 4096u
struct owned_table {
	struct owned *buckets[OWNED_N_BUCKETS]; /* by the owner's index */
};

/* Owner 0 is nobody: the node is put nowhere. */
void owned_add(struct owned_table *table, struct owned *node, uint64_t owner);
/* Does nothing for a node that is in no table. */
void owned_remove(struct owned *node);
/* One of the owner's nodes, or NULL; and another one. */
struct owned *owned_first(const struct owned_table *table, uint64_t owner);
struct owned *owned_next(const struct owned *node);

#endif
