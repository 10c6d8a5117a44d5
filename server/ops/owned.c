/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with chains. Owners have an entry each in the segment, and the entries in use are mostly neighbours:
 * their low bits are hash enough.
 */
#include "server/ops/owned.h"

#include <stddef.h>

void owned_add(struct owned_table *table, struct owned *node, uint64_t owner)
{
	struct owned **bucket = &table->buckets[owner % OWNED_N_BUCKETS];

	node->owner = owner;
	node->link = NULL;
	if (!owner)
		return;
	node->next = *bucket;
	node->link = bucket;
	if (node->next)
		node->next->link = &node->next;
	*bucket = node;
}

void owned_remove(struct owned *node)
{
	if (!node->link)
		return;
	*node->link = node->next;
	if (node->next)
		node->next->link = node->link;
	node->link = NULL;
}

static struct owned *find(struct owned *node, uint64_t owner)
{
	while (node && node->owner != owner)
		node = node->next;
	return node;
}

struct owned *owned_first(const struct owned_table *table, uint64_t owner)
{
	return find(table->buckets[owner % OWNED_N_BUCKETS], owner);
}

struct owned *owned_next(const struct owned *node)
{
	return find(node->next, node->owner);
}
