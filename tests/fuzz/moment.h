/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_MOMENT_H
#define SABIR_TESTS_FUZZ_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Time and chance are the fuzzer's: the linker gives it clock_gettime, nanosleep, syscall and getrandom of its own. A look
 * at a clock takes a microsecond, a sleep or a wait for a futex takes its whole time, at once, since there is nobody who
 * could end it sooner. So no run waits, and how busy the machine is makes no difference to an input.
 *
 * From the second call on, puts clock and chance back to where they were at the first.
 */
void moment_begin(void);
/* So much of it passes. */
void moment_pass(uint64_t ns);

/* Whether memory of the segment was committed at this offset since moment_begin. */
bool moment_committed(uint64_t offset);

#endif
