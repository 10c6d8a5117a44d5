/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_TICKETS_H
#define SABIR_OPS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Ids for things in memory: a number that was given back is never valid again (in 2^32 uses of its place). All-zero is
 * empty.
 */
struct ticket {
	void *thing;
	uint32_t generation;
	uint32_t next_free;
};

struct tickets {
	struct ticket *at;
	uint32_t n;
	uint32_t free; /* index + 1; 0: none */
};

/* Room for one more; false when the process is out of memory. */
bool tickets_reserve(struct tickets *t);
/* Behind tickets_reserve; cannot fail. Never 0. */
uint64_t tickets_take(struct tickets *t, void *thing);
/* NULL if the id is not valid (any more). */
void *tickets_find(const struct tickets *t, uint64_t id);
void tickets_give_back(struct tickets *t, uint64_t id);
void tickets_fini(struct tickets *t);

#endif
