/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks and the arithmetic of deadlines. Everything saturates: a time-out too long to be added to the clock
 * is no time-out at all.
 */
#include "server/base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t); /* cannot fail for these two */
	return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_deadline(uint64_t timeout_ns)
{
	uint64_t now = clock_now();
	return timeout_ns > CLOCK_NEVER - now ? CLOCK_NEVER : now + timeout_ns;
}

uint64_t clock_left(uint64_t deadline_ns)
{
	if (deadline_ns == CLOCK_NEVER)
		return CLOCK_NEVER;
	uint64_t now = clock_now();
	return deadline_ns > now ? deadline_ns - now : 0;
}

int clock_left_ms(uint64_t deadline_ns)
{
	uint64_t left = clock_left(deadline_ns);
	if (left == CLOCK_NEVER)
		return -1;
	/* Rounded up, or a wait would end just before its deadline and spin. */
	uint64_t ms = left / CLOCK_MILLISECOND + (left % CLOCK_MILLISECOND != 0);
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void clock_text(uint64_t wall_ns, char text[CLOCK_TEXT_SIZE])
{
	time_t seconds = (time_t)(wall_ns / CLOCK_SECOND);
	unsigned micro = (unsigned)(wall_ns % CLOCK_SECOND / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	snprintf(text, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(tm.tm_year + 1900) % 10000u,
		 (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u,
		 (unsigned)tm.tm_min % 100u, (unsigned)tm.tm_sec % 100u, micro % 1000000u);
}
