/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_UPKEEP_H
#define SABIR_TESTS_CRASH_UPKEEP_H

#include "tests/crash/world.h"

/* What the server does of itself, as acts of typed.h. Their names begin with "server:". */
struct upkeep {
	struct world *world;
	struct lane *lane; /* of who does it */
	uint64_t handle;   /* of the object with the name o, if it is about one */
};
typedef enum sabir_error upkeep_act(const struct upkeep *u);

/* NULL: there is none of that name. */
upkeep_act *upkeep_find(const char *name);
size_t upkeep_count(void);
const char *upkeep_at(size_t i);

#endif
