/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_ASLEEP_H
#define SABIR_TESTS_CRASH_ASLEEP_H

#include "tests/crash/act.h"

/*
 * A request is begun, or goes on, as long as it waits for something else; then who waits says so, and sleeps, but not
 * long: a server has others do that. False: it does not wait.
 */
bool asleep_falls(struct act *act, struct lane *lane);
/* It goes on as a local program does: who has slept says first that he waits. */
enum sabir_error asleep_wakes(const struct act *act, struct lane *lane, struct bytes *response, struct op_wait *wait);
/* Everybody who waits has done so for long. */
bool asleep_long(void);

/* What is to happen when a function sleeps from now on: what the act says. NULL: nothing. */
void asleep_meanwhile(const struct act *act, struct world *world);

#endif
