/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_COVERAGE_H
#define SABIR_TESTS_CRASH_COVERAGE_H

#include <stdbool.h>

#include "tests/crash/scenario.h"

/* Which operations were swept, in how many states and at how many points. */
struct swept {
	bool passed; /* at every instruction */
	unsigned long long instructions, states;
};

/* Tells of every operation of the table, and every function of typed.h, that has no scenario; how many those are. */
unsigned coverage_missing(void);
void coverage_add(const struct scenario *scenario, const struct swept *swept);
/* A line for each operation that was swept: its share of the scenarios' runs that passed at every instruction. */
void coverage_print(void);

#endif
