/* SPDX-License-Identifier: Apache-2.0 */
#include "server/snapshot/times.h"

#include "server/base/clock.h"
#include "server/objects/task_queue.h"

struct times times_now(void)
{
	return (struct times){ clock_wall(), task_clock(), clock_now() };
}

/* Moved from the clock that shows `from` to the one that shows `to` at the same moment; within 1 to INT64_MAX. */
static uint64_t moved(uint64_t ns, uint64_t from, uint64_t to)
{
	if (ns >= INT64_MAX)
		return INT64_MAX;
	if (ns < from)
		return from - ns < to ? to - (from - ns) : 1;
	return ns - from < INT64_MAX - to ? to + (ns - from) : INT64_MAX;
}

uint64_t times_from_boot(const struct times *t, uint64_t boot_ns)
{
	return boot_ns ? moved(boot_ns, t->boot, t->wall) : 0;
}

uint64_t times_to_boot(const struct times *t, uint64_t unix_ns)
{
	return unix_ns ? moved(unix_ns, t->wall, t->boot) : 0;
}

uint64_t times_left(const struct times *t, uint64_t unix_ns)
{
	return unix_ns > t->wall ? unix_ns - t->wall : 0;
}

uint64_t times_in(const struct times *t, uint64_t ns)
{
	return ns < INT64_MAX - t->wall ? t->wall + ns : INT64_MAX;
}
