/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_DEADLINES_H
#define SABIR_OPS_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Times by which something has to be done, the earliest on top: a binary heap of nodes that are part of their users'
 * own structures.
 */
struct deadline {
	uint64_t ns;
	uint32_t place; /* in the heap + 1; 0: not in it */
};

/* All-zero is an empty one. */
struct deadlines {
	struct deadline **heap;
	uint32_t n;
	uint32_t cap;
};

/* Room for one more than there are; false when the process is out of memory. */
bool deadlines_reserve(struct deadlines *d);
/* Room for n in all, for who takes nodes out and puts them in again. */
bool deadlines_reserve_all(struct deadlines *d, uint32_t n);
/* Behind deadlines_reserve; cannot fail. Returns whether it is the earliest now. */
bool deadlines_add(struct deadlines *d, struct deadline *node);
/* Does nothing for a node that is not in the heap. */
void deadlines_remove(struct deadlines *d, struct deadline *node);
/* The earliest, or NULL. */
struct deadline *deadlines_first(const struct deadlines *d);
/* Frees the heap's memory, not the nodes. */
void deadlines_fini(struct deadlines *d);

#endif
