/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_AROUND_H
#define SABIR_TESTS_CRASH_AROUND_H

#include "tests/crash/check.h"

/* What stands in the operation's way: the lock that somebody holds, or the memory that is used up. */
struct around {
	enum variant variant;
	uint32_t held;  /* index of the object whose lock the companion has */
	uint32_t *fill; /* refs of the blocks that use the memory up; 0: left free */
	size_t n_fill;
};

/* `handle`: of the object o, 0: there is none. */
void around_prepare(struct around *a, struct world *world, uint64_t handle, unsigned spare);
/* The living holder releases, the memory is there again: in a copy of the world. */
void around_let_go(const struct around *a, struct world *world);
void around_fini(struct around *a);

#endif
