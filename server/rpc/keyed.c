/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with chains. It grows when it is full and is given up when it is empty, because most streams have little
 * outstanding most of the time, and there are many of them. Keys are the clients' choice: the hash is seeded.
 */
#include "server/rpc/keyed.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#define MIN_BUCKETS 8u

static uint64_t seed;

__attribute__((constructor)) static void choose_seed(void)
{
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	seed |= 1;
}

static struct keyed **bucket_of(const struct keyed_table *table, uint64_t key)
{
	uint64_t h = (key ^ seed) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 32) * seed;
	return &table->buckets[h >> 33 & (table->n_buckets - 1)];
}

bool keyed_reserve(struct keyed_table *table)
{
	if (table->n < table->n_buckets)
		return true;
	uint32_t n = table->n_buckets ? table->n_buckets * 2 : MIN_BUCKETS;
	struct keyed_table grown = { .buckets = calloc(n, sizeof(struct keyed *)), .n_buckets = n };
	if (!grown.buckets)
		return table->n_buckets; /* longer chains */
	for (uint32_t i = 0; i < table->n_buckets; i++)
		for (struct keyed *node = table->buckets[i], *next; node; node = next) {
			next = node->next;
			keyed_add(&grown, node, node->key);
		}
	free(table->buckets);
	*table = grown;
	return true;
}

void keyed_add(struct keyed_table *table, struct keyed *node, uint64_t key)
{
	struct keyed **bucket = bucket_of(table, key);
	*node = (struct keyed){ .next = *bucket, .key = key };
	*bucket = node;
	table->n++;
}

struct keyed *keyed_find(const struct keyed_table *table, uint64_t key)
{
	struct keyed *node = table->n ? *bucket_of(table, key) : NULL;
	while (node && node->key != key)
		node = node->next;
	return node;
}

void keyed_remove(struct keyed_table *table, struct keyed *node)
{
	struct keyed **link = bucket_of(table, node->key);
	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	if (!--table->n)
		keyed_fini(table);
}

struct keyed *keyed_any(const struct keyed_table *table)
{
	for (uint32_t i = 0; table->n && i < table->n_buckets; i++)
		if (table->buckets[i])
			return table->buckets[i];
	return NULL;
}

void keyed_fini(struct keyed_table *table)
{
	free(table->buckets);
	*table = (struct keyed_table){ 0 };
}
