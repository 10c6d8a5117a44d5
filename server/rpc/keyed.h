/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_KEYED_H
#define SABIR_RPC_KEYED_H

#include <stdbool.h>
#include <stdint.h>

/* A hash table of things with a number. Nodes are part of their users' own structures; the caller locks. */
struct keyed {
	struct keyed *next;
	uint64_t key;
};

/* All-zero is an empty one. */
struct keyed_table {
	struct keyed **buckets;
	uint32_t n_buckets; /* a power of two */
	uint32_t n;
};

/* Room for one more; false when the process is out of memory. */
bool keyed_reserve(struct keyed_table *table);
/* Behind keyed_reserve; cannot fail. The key is in no other node of the table. */
void keyed_add(struct keyed_table *table, struct keyed *node, uint64_t key);
/* NULL: there is none. */
struct keyed *keyed_find(const struct keyed_table *table, uint64_t key);
/* Of a node that is in it. */
void keyed_remove(struct keyed_table *table, struct keyed *node);
/* Any of the nodes, NULL if there is none. */
struct keyed *keyed_any(const struct keyed_table *table);
/* Frees the table's memory, not the nodes. */
void keyed_fini(struct keyed_table *table);

#endif
