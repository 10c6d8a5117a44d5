/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_CLOCK_H
#define SABIR_BASE_CLOCK_H

#include <stdint.h>

/*
 * Times in ns. A deadline is a time of CLOCK_MONOTONIC; CLOCK_NEVER is the one that never comes, as a time-out and as a
 * deadline.
 */
#define CLOCK_NEVER UINT64_MAX
#define CLOCK_SECOND 1000000000ull
#define CLOCK_MILLISECOND 1000000ull

/* CLOCK_MONOTONIC: the clock of deadlines. */
uint64_t clock_now(void);
/* CLOCK_REALTIME: for people. */
uint64_t clock_wall(void);

/* The deadline `timeout_ns` from now; what would overflow is CLOCK_NEVER. */
uint64_t clock_deadline(uint64_t timeout_ns);
/* What is left until the deadline: 0 when it has passed, CLOCK_NEVER for CLOCK_NEVER. */
uint64_t clock_left(uint64_t deadline_ns);
/* The same as an argument of poll and epoll_wait: milliseconds rounded up, -1 for CLOCK_NEVER. */
int clock_left_ms(uint64_t deadline_ns);

/* "2026-01-31T12:00:00.123456Z" from a CLOCK_REALTIME time. */
#define CLOCK_TEXT_SIZE 28
void clock_text(uint64_t wall_ns, char text[CLOCK_TEXT_SIZE]);

#endif
