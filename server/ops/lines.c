/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists in buckets. A bucket holds the few lines of the objects that share it, so it is looked through.
 */
#include "server/ops/lines.h"

#include <stdlib.h>

static struct line **bucket_of(struct lines *lines, uint32_t object)
{
	return &lines->buckets[object % LINES_N_BUCKETS];
}

bool line_is_of(const struct line *line, const struct op_wait *wait)
{
	return line->handle == wait->handle && line->object == wait->object && line->side == wait->side;
}

struct line *lines_get(struct lines *lines, const struct op_wait *wait)
{
	struct line **bucket = bucket_of(lines, wait->object);

	for (struct line *line = *bucket; line; line = line->next)
		if (line_is_of(line, wait))
			return line;
	struct line *line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	line->handle = wait->handle;
	line->object = wait->object;
	line->side = wait->side;
	line->next = *bucket;
	*bucket = line;
	return line;
}

void lines_drop_if_unused(struct lines *lines, struct line *line)
{
	struct line **at = bucket_of(lines, line->object);

	if (line->head || line->serving)
		return;
	while (*at != line)
		at = &(*at)->next;
	*at = line->next;
	free(line);
}

struct line *lines_unserved(const struct lines *lines, uint32_t object, uint64_t round)
{
	for (struct line *line = lines->buckets[object % LINES_N_BUCKETS]; line; line = line->next)
		if (line->object == object && line->round < round)
			return line;
	return NULL;
}

void line_append(struct line *line, struct waiter *w)
{
	w->line = line;
	w->next = NULL;
	w->prev = line->tail;
	*(line->tail ? &line->tail->next : &line->head) = w;
	line->tail = w;
}

void line_push_front(struct line *line, struct waiter *w)
{
	w->line = line;
	w->prev = NULL;
	w->next = line->head;
	*(line->head ? &line->head->prev : &line->tail) = w;
	line->head = w;
}

void line_unlink(struct waiter *w)
{
	struct line *line = w->line;

	if (!line)
		return;
	*(w->prev ? &w->prev->next : &line->head) = w->next;
	*(w->next ? &w->next->prev : &line->tail) = w->prev;
	w->line = NULL;
}
