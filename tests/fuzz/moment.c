/* SPDX-License-Identifier: Apache-2.0 */
/* What --wrap puts in the place of libc's functions, for the objects of a fuzzer alone. */
#include "tests/fuzz/moment.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/shm/lane.h"

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __real_fallocate(int fd, int mode, off_t offset, off_t len);

#define LOOK_NS 1000u
#define WALL_AHEAD_NS (1800000000ull * CLOCK_SECOND)

static struct moment {
	uint64_t ns;
	uint64_t chance;
} now = { .ns = 1000 * CLOCK_SECOND, .chance = 1 }, first;

static uint64_t committed; /* chunks of the file, a bit each */

static uint64_t chunk_bit(uint64_t offset)
{
	return 1ull << (offset >> SEG_CHUNK_SHIFT) % 64;
}

void moment_begin(void)
{
	committed = 0;
	/* Who sleeps without an end does not look again: wait_on finds him. */
	lane_look_again = CLOCK_NEVER;
	if (first.ns)
		now = first;
	else
		first = now;
}

void moment_pass(uint64_t ns)
{
	now.ns += ns < UINT64_MAX / 4 ? ns : UINT64_MAX / 4;
}

static void pass(const struct timespec *t)
{
	uint64_t ns;
	if (__builtin_mul_overflow((uint64_t)t->tv_sec, CLOCK_SECOND, &ns) || ns > UINT64_MAX / 4)
		ns = UINT64_MAX / 4;
	now.ns += ns + (uint64_t)t->tv_nsec;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME && id != CLOCK_REALTIME)
		return __real_clock_gettime(id, t);
	now.ns += LOOK_NS;
	uint64_t ns = now.ns + (id == CLOCK_REALTIME ? WALL_AHEAD_NS : 0);
	*t = (struct timespec){ (time_t)(ns / CLOCK_SECOND), (long)(ns % CLOCK_SECOND) };
	return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	(void)left;
	pass(wanted);
	return 0;
}

/* FUTEX_WAIT has a length, FUTEX_WAIT_BITSET a moment; with neither, or with one that never comes, it would last for ever. */
static long wait_on(const uint32_t *word, int how, uint32_t value, const struct timespec *limit)
{
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) {
		errno = EAGAIN;
		return -1;
	}
	if (!limit || (uint64_t)limit->tv_sec == CLOCK_NEVER / CLOCK_SECOND)
		__builtin_trap();
	uint64_t before = now.ns;
	if (how == FUTEX_WAIT_BITSET)
		now.ns = 0;
	pass(limit);
	if (now.ns < before)
		now.ns = before;
	errno = ETIMEDOUT;
	return -1;
}

/* As libc's does, it takes all there could be. */
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
	va_list list;
	long a[6];
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	int how = (int)a[1] & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
	if (number == SYS_futex && (how == FUTEX_WAIT || how == FUTEX_WAIT_BITSET))
		return wait_on((const uint32_t *)a[0], how, (uint32_t)a[2], (const struct timespec *)a[3]);
	/* There is nobody to wake, nor any other processor to tell. */
	if ((number == SYS_futex && how == FUTEX_WAKE) || number == SYS_membarrier)
		return 0;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The stage has its pages already: only to empty them is something to be done. */
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (mode)
		return __real_fallocate(fd, mode, offset, len);
	committed |= chunk_bit((uint64_t)offset);
	return 0;
}

bool moment_committed(uint64_t offset)
{
	return committed & chunk_bit(offset);
}

/* splitmix64. */
static uint64_t roll(void)
{
	uint64_t z = now.chance += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
	(void)flags;
	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = roll();
		memcpy((uint8_t *)to + at, &word, len - at < sizeof(word) ? len - at : sizeof(word));
	}
	return (ssize_t)len;
}
