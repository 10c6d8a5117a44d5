/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with linear probing; a removal moves back what stands behind it, so there are no marks of the removed. */
#include "server/rpc/outstanding.h"

#include <stdlib.h>

#define LEAST_PLACES 64u

static uint32_t home(const struct outstanding *set, uint64_t token)
{
	return (uint32_t)((token * 0x9e3779b97f4a7c15ull) >> 32) & (set->size - 1);
}

void outstanding_add(struct outstanding *set, uint64_t token)
{
	uint32_t i = home(set, token);
	while (set->at[i])
		i = (i + 1) & (set->size - 1);
	set->at[i] = token;
	set->n++;
}

bool outstanding_reserve(struct outstanding *set, uint32_t n)
{
	struct outstanding larger = { .size = set->size ? set->size : LEAST_PLACES };
	while (larger.size < 2 * ((uint64_t)set->n + n))
		larger.size *= 2;
	if (larger.size == set->size)
		return true;
	larger.at = calloc(larger.size, sizeof(*larger.at));
	if (!larger.at)
		return false;
	for (uint32_t i = 0; i < set->size; i++)
		if (set->at[i])
			outstanding_add(&larger, set->at[i]);
	free(set->at);
	*set = larger;
	return true;
}

static void remove_at(struct outstanding *set, uint32_t hole)
{
	const uint32_t mask = set->size - 1;
	for (uint32_t i = (hole + 1) & mask; set->at[i]; i = (i + 1) & mask) {
		/* It may move if its home is not between the hole and where it stands. */
		if (((i - home(set, set->at[i])) & mask) < ((i - hole) & mask))
			continue;
		set->at[hole] = set->at[i];
		hole = i;
	}
	set->at[hole] = 0;
	set->n--;
}

bool outstanding_remove(struct outstanding *set, uint64_t token)
{
	if (!set->n || !token)
		return false;
	for (uint32_t i = home(set, token); set->at[i]; i = (i + 1) & (set->size - 1)) {
		if (set->at[i] != token)
			continue;
		remove_at(set, i);
		return true;
	}
	return false;
}

uint64_t outstanding_take(struct outstanding *set)
{
	uint64_t token = 0;
	while (!token && set->taken < set->size)
		token = set->at[set->taken++];
	set->n -= token != 0;
	return token;
}

void outstanding_fini(struct outstanding *set)
{
	free(set->at);
	*set = (struct outstanding){ 0 };
}
