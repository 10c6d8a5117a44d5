/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task's place in its queue is its ordinal, which no other has: with two of one the queue would be damaged as soon
 * as one of them moves. The file has tasks in the order of their states, so they are compared when all are there. Ids come
 * in the order in which they were put.
 */
#include <stdlib.h>

#include "server/snapshot/load_parts.h"

void ordinals_begin(struct load *l, uint64_t end)
{
	l->ordinals.n = 0;
	l->ordinals.end = end;
	l->ordinals.id_end = 0;
}

enum sabir_error ordinals_add(struct load *l, uint64_t ordinal, bool of_id)
{
	struct ordinals *o = &l->ordinals;
	if (ordinal >= o->end || ordinal > LOAD_COUNT_MAX)
		return load_senseless(l, "a task behind the last that was put");
	if (of_id && ordinal < o->id_end)
		return load_senseless(l, "an id that was put before the one in front of it");
	if (of_id)
		o->id_end = ordinal + 1;
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 256;
		uint64_t *more = realloc(o->of, cap * sizeof(*more));
		if (!more)
			return SABIR_NO_MEMORY;
		o->of = more;
		o->cap = cap;
	}
	o->of[o->n++] = ordinal << 1 | of_id;
	return SABIR_OK;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

enum sabir_error ordinals_check(struct load *l)
{
	struct ordinals *o = &l->ordinals;
	if (o->n)
		qsort(o->of, o->n, sizeof(*o->of), compare);
	for (size_t i = 1; i < o->n; i++)
		if (o->of[i] == o->of[i - 1])
			return load_senseless(l, "a task comes twice");
	return SABIR_OK;
}
