/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_TIMES_H
#define SABIR_SNAPSHOT_TIMES_H

#include <stdint.h>

/*
 * Between the clocks of the memory, which begin anew with each start of the machine, and the time of day in a file. 0 stays
 * 0: none. What would overflow is the last moment there is.
 */
struct times {
	uint64_t wall, boot, monotonic; /* the three at the same moment */
};

struct times times_now(void);
uint64_t times_from_boot(const struct times *t, uint64_t boot_ns);
/* A time that has passed is never 0. */
uint64_t times_to_boot(const struct times *t, uint64_t unix_ns);
/* What is left until then, 0 if it has passed. */
uint64_t times_left(const struct times *t, uint64_t unix_ns);
uint64_t times_in(const struct times *t, uint64_t ns);

#endif
