/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_LINES_H
#define SABIR_OPS_LINES_H

#include "server/ops/ops.h"

/*
 * The lines of the park: one for each thing that is waited for, which is a side of an object, or its lock. The caller
 * locks. A line stands as long as somebody is in it or it is being served.
 */
struct line;

/* What one who waits embeds. */
struct waiter {
	struct waiter *next;
	struct waiter *prev;
	struct line *line; /* NULL: he is in none */
};

struct line {
	struct line *next; /* in the bucket */
	uint64_t handle;
	uint32_t object;
	uint32_t side;
	bool serving;
	bool again;     /* it is to be looked at once more by who serves it */
	uint64_t round; /* of park_ring, that it was last served in */
	struct waiter *head;
	struct waiter *tail;
};

/* All-zero is an empty one. */
#define LINES_N_BUCKETS 1024u
struct lines {
	struct line *buckets[LINES_N_BUCKETS]; /* by the object's index */
};

/* The line in which one waits for this; NULL when the process is out of memory. */
struct line *lines_get(struct lines *lines, const struct op_wait *wait);
/* Frees the line if nobody is in it and nobody serves it. */
void lines_drop_if_unused(struct lines *lines, struct line *line);
/* A line of the object that has not been served in this round or later, or NULL. */
struct line *lines_unserved(const struct lines *lines, uint32_t object, uint64_t round);

bool line_is_of(const struct line *line, const struct op_wait *wait);
void line_append(struct line *line, struct waiter *w);
void line_push_front(struct line *line, struct waiter *w);
/* Out of the line that he is in, if any. The line stays, even if it is empty now. */
void line_unlink(struct waiter *w);

#endif
