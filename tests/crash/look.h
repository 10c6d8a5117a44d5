/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_LOOK_H
#define SABIR_TESTS_CRASH_LOOK_H

#include "tests/crash/world.h"

struct text {
	char *at;
	size_t len;
};

/* What all objects of the world hold, as the survivor finds it; `changes`: and what was noted for who watches them. */
void look_at_all(struct world *world, bool changes, struct text *text);
/* The handle of the live object at an index; 0: there is none. */
uint64_t look_handle(const struct segment *seg, uint32_t index);

#endif
