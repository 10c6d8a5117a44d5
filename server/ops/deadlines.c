/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap. Every node knows its place, so that it can be taken out of the middle.
 */
#include "server/ops/deadlines.h"

#include <stdlib.h>

static void put_at(struct deadlines *d, uint32_t i, struct deadline *node)
{
	d->heap[i] = node;
	node->place = i + 1;
}

/* Moves the node up from the hole at i to where it belongs. */
static uint32_t sift_up(struct deadlines *d, uint32_t i, struct deadline *node)
{
	while (i && d->heap[(i - 1) / 2]->ns > node->ns) {
		put_at(d, i, d->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put_at(d, i, node);
	return i;
}

static void sift_down(struct deadlines *d, uint32_t i, struct deadline *node)
{
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= d->n)
			break;
		if (child + 1 < d->n && d->heap[child + 1]->ns < d->heap[child]->ns)
			child++;
		if (d->heap[child]->ns >= node->ns)
			break;
		put_at(d, i, d->heap[child]);
		i = child;
	}
	put_at(d, i, node);
}

bool deadlines_reserve(struct deadlines *d)
{
	return deadlines_reserve_all(d, d->n + 1);
}

bool deadlines_reserve_all(struct deadlines *d, uint32_t n)
{
	if (n <= d->cap)
		return true;
	uint32_t cap = d->cap ? d->cap * 2 : 64;
	while (cap < n)
		cap *= 2;
	struct deadline **heap = realloc(d->heap, cap * sizeof(*heap));
	if (!heap)
		return false;
	d->heap = heap;
	d->cap = cap;
	return true;
}

bool deadlines_add(struct deadlines *d, struct deadline *node)
{
	return sift_up(d, d->n++, node) == 0;
}

void deadlines_remove(struct deadlines *d, struct deadline *node)
{
	if (!node->place)
		return;
	uint32_t hole = node->place - 1;
	struct deadline *last = d->heap[--d->n];
	node->place = 0;
	if (last == node)
		return;
	if (sift_up(d, hole, last) == hole)
		sift_down(d, hole, last);
}

struct deadline *deadlines_first(const struct deadlines *d)
{
	return d->n ? d->heap[0] : NULL;
}

void deadlines_fini(struct deadlines *d)
{
	free(d->heap);
	*d = (struct deadlines){ 0 };
}
