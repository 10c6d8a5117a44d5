/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_TYPED_H
#define SABIR_TESTS_CRASH_TYPED_H

#include <stdio.h>

#include "tests/crash/world.h"

/*
 * Functions, as acts: those of libsabir that work on the memory by themselves, with the waiting that goes with them, and
 * what the server does of itself (upkeep.h). They are about the object with the name o.
 */
struct target {
	uint64_t handle;
	uint32_t kind;
	uint32_t type_code;
	uint64_t other; /* what references refer to */
};
/* Without a handle if there is none. */
struct target typed_target(struct world *world, uint64_t other);

bool typed_is(const char *name);
enum sabir_error typed_run(const char *name, const struct target *o, struct world *world, enum person who,
			   FILE *answer);
size_t typed_count(void);
const char *typed_at(size_t i);

#endif
