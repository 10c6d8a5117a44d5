/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An id is the index + 1 of a place and, in its upper half, how often the place was used before.
 */
#include "server/ops/tickets.h"

#include <stdlib.h>

bool tickets_reserve(struct tickets *t)
{
	if (t->free)
		return true;
	uint32_t n = t->n ? t->n * 2 : 64;
	struct ticket *at = realloc(t->at, n * sizeof(*at));
	if (!at)
		return false;
	for (uint32_t i = t->n; i < n; i++)
		at[i] = (struct ticket){ NULL, 0, i + 1 < n ? i + 2 : 0 };
	t->free = t->n + 1;
	t->at = at;
	t->n = n;
	return true;
}

uint64_t tickets_take(struct tickets *t, void *thing)
{
	uint32_t i = t->free - 1;

	t->free = t->at[i].next_free;
	t->at[i].thing = thing;
	return (i + 1) | (uint64_t)t->at[i].generation << 32;
}

void *tickets_find(const struct tickets *t, uint64_t id)
{
	uint32_t i = (uint32_t)id - 1;

	return i < t->n && t->at[i].generation == id >> 32 ? t->at[i].thing : NULL;
}

void tickets_give_back(struct tickets *t, uint64_t id)
{
	uint32_t i = (uint32_t)id - 1;

	if (!tickets_find(t, id))
		return;
	t->at[i] = (struct ticket){ NULL, t->at[i].generation + 1, t->free };
	t->free = i + 1;
}

void tickets_fini(struct tickets *t)
{
	free(t->at);
	*t = (struct tickets){ 0 };
}
