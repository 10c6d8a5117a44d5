/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_RESTART_KILLS_H
#define SABIR_TESTS_RESTART_KILLS_H

#include "tests/restart/restart.h"

/*
 * Kills the server so often, with pauses of pause_ms on average, and checks that it comes back each time, in less than back_ms
 * in the median.
 */
void kill_many(const struct restart *test, unsigned n_kills, uint64_t pause_ms, uint64_t back_ms);

/* The longest time in ns in which the local queue stood still, from begin to end. */
struct watch {
	pid_t pid;
	int in, until;
};
struct watch begin_watch(const struct restart *test);
uint64_t end_watch(struct watch w);

#endif
