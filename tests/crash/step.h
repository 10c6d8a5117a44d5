/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_STEP_H
#define SABIR_TESTS_CRASH_STEP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One function, run in a child one instruction at a time, those of libc included. A system call counts as one
 * instruction, and so do all rounds of one that repeats itself.
 */
typedef void step_act(void *context);
/* Called behind each instruction, while the child stands still. False: the child is killed (SIGKILL) right there. */
typedef bool step_seen(void *context, uint64_t n);

/* Returns how many instructions were run; 0: the child could not be traced, or died by itself. */
uint64_t step_through(step_act *act, void *act_context, step_seen *seen, void *seen_context);

#endif
