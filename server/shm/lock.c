/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object's lock: one word.
 *
 *   lane of the holder | somebody sleeps | the server waits | a doubt whether that lane has it at all
 *
 * Whoever finds it held spins a little, and then sleeps, or asks to be told. First he looks whether anybody has it who can release it: a
 * word that somebody has written over would be waited for for ever. lock.pml and lock_doubt.pml are models of this.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/shm/event.h"

#define LOCK_LANE 0x3fffu
#define LOCK_SLEEPERS 0x4000u
#define LOCK_RINGS 0x8000u /* the server is to be told of the release */
#define LOCK_DOUBT_SHIFT 16u
#define LOCK_NUMBER_SHIFT 34u /* of a doubt: the lane that has it, in front of what it counts */
#define LOCK_SPINS 200

static uint32_t *lock_futex(uint64_t *word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (uint32_t *)word;
#else
	return (uint32_t *)word + 1;
#endif
}

static bool lock_try(struct lane *lane, uint64_t *word, uint64_t flags)
{
	uint64_t free_word = 0;
	return cas64(word, &free_word, lane->id | flags);
}

/* Sleeps until the word changes from `seen`, or for a while; false: the lane's patience is over. */
static bool lock_sleep(struct lane *lane, uint64_t *word, uint64_t seen, uint64_t deadline_ns)
{
	uint64_t length_ns = LANE_LOOK_AGAIN;
	if (lane->lock_patience_ns) {
		uint64_t now = clock_now();
		if (now >= deadline_ns)
			return false;
		length_ns = deadline_ns - now < length_ns ? deadline_ns - now : length_ns;
	}
	const struct timespec limit = { (time_t)(length_ns / CLOCK_SECOND), (long)(length_ns % CLOCK_SECOND) };
	syscall(SYS_futex, lock_futex(word), FUTEX_WAIT, (uint32_t)seen, &limit, NULL, 0);
	return true;
}

static uint32_t object_of_lock(const struct segment *seg, const uint64_t *word)
{
	return (uint32_t)(((const uint8_t *)word - (const uint8_t *)seg->objects) / sizeof(*seg->objects));
}

/* One that no other lane uses, and this one not again for as long as anybody may remember it; 48 bits. */
static uint64_t lock_number(struct lane *lane)
{
	lane->n_doubts = lane->n_doubts ? lane->n_doubts + 1 : clock_now() | 1;
	return (lane->n_doubts & ((1ull << LOCK_NUMBER_SHIFT) - 1)) | (uint64_t)lane->id << LOCK_NUMBER_SHIFT;
}

/*
 * Puts a number into the word that was in none before: as long as it is there nobody has released the lock. False: the word has
 * changed meanwhile.
 */
static bool lock_doubt(struct lane *by, uint64_t *word, uint64_t *seen)
{
	if (*seen >> LOCK_DOUBT_SHIFT)
		return true;
	uint64_t doubted = *seen | lock_number(by) << LOCK_DOUBT_SHIFT;
	if (!cas64(word, seen, doubted))
		return false;
	*seen = doubted;
	return true;
}

/*
 * Whether a lane that lives does not have the lock of which the word says that it has. The first look is for those who wait for
 * somebody who works: they write nothing into a word that he is about to need.
 */
static bool is_in_no_operation(struct lane *by, const struct seg_lane *lane, uint64_t *word, uint64_t seen)
{
	FAULT("lock.named");
	if (lane_pins(lane))
		return false;
	FAULT("lock.suspected");
	if (!lock_doubt(by, word, &seen))
		return false;
	FAULT("lock.doubted");
	uint64_t pinned = lane_pins(lane);
	FAULT("lock.asked");
	return !pinned && load64_seq(word) >> LOCK_DOUBT_SHIFT == seen >> LOCK_DOUBT_SHIFT;
}

/*
 * Whether somebody has written over the word who had nothing to write there: it names no lane, or one that was free before and
 * behind our look at it, in the same generation, and so all the while; or one that was in no operation while it had the lock; or
 * us, who wait. A lane that has a lock is LIVE, and is in an operation from before it took it until it has released it.
 */
static bool names_nobody(struct lane *by, uint64_t *word)
{
	const struct segment *seg = by->seg;
	uint64_t seen = load64_seq(word);
	uint32_t id = seen & LOCK_LANE;
	if (!seen)
		return false;
	if (!id || id > seg->n_lanes || id == by->id)
		return true;
	const struct seg_lane *lane = &seg->lanes[id - 1];
	uint64_t before = load64_seq(&lane->word);
	if ((before & 15) != SEG_LANE_LIVE)
		return (load64_seq(word) & LOCK_LANE) == id && load64_seq(&lane->word) == before;
	return is_in_no_operation(by, lane, word, seen);
}

/* Nobody will ever release it. The directory goes on for who only looks names up: without it nothing would be found any more. */
static enum sabir_error lock_lost(const struct segment *seg, const uint64_t *word)
{
	uint32_t index = object_of_lock(seg, word);
	if (index && index < seg->n_objects)
		store64_relaxed(&seg->objects[index].damaged, 1);
	return SABIR_DATA_LOSS;
}

/* Takes the lock, or leaves word in it: whoever takes the flag off with his release rings. */
static enum sabir_error lock_or_ask(struct lane *lane, uint64_t *word)
{
	for (;;) {
		uint64_t seen = load64_relaxed(word);
		if (seen == 0 && lock_try(lane, word, 0))
			return SABIR_OK;
		if (seen == 0)
			continue;
		if ((seen & LOCK_RINGS) || cas64(word, &seen, seen | LOCK_RINGS)) {
			lane->busy_object = object_of_lock(lane->seg, word);
			return SABIR_BUSY;
		}
	}
}

bool lock_acquire_now(struct lane *lane, uint64_t *word)
{
	for (int i = 0; i < LOCK_SPINS; i++) {
		if (load64_relaxed(word) == 0 && lock_try(lane, word, 0))
			return true;
		cpu_relax();
	}
	return false;
}

enum sabir_error lock_acquire(struct lane *lane, uint64_t *word)
{
	if (lock_acquire_now(lane, word))
		return SABIR_OK;
	if (lane->lock_rings)
		return names_nobody(lane, word) ? lock_lost(lane->seg, word) : lock_or_ask(lane, word);
	uint64_t deadline_ns = lane->lock_patience_ns ? clock_now() + lane->lock_patience_ns : 0;
	/* From here on we may have slept beside others, so we leave the flag for them. */
	for (;;) {
		if (names_nobody(lane, word))
			return lock_lost(lane->seg, word);
		uint64_t seen = load64_relaxed(word);
		if (seen == 0) {
			if (lock_try(lane, word, LOCK_SLEEPERS))
				return SABIR_OK;
			continue;
		}
		if (!(seen & LOCK_SLEEPERS) && !cas64(word, &seen, seen | LOCK_SLEEPERS))
			continue;
		if (!lock_sleep(lane, word, seen | LOCK_SLEEPERS, deadline_ns))
			return SABIR_BUSY;
	}
}

void lock_release(struct lane *lane, uint64_t *word)
{
	FAULT("lock.releasing");
	uint64_t flags = exchange64(word, 0) & (LOCK_SLEEPERS | LOCK_RINGS);
	if (!flags)
		return;
	FAULT("lock.released");
	if (flags & LOCK_SLEEPERS)
		syscall(SYS_futex, lock_futex(word), FUTEX_WAKE, 1, NULL, NULL, 0);
	/* Who dies in front of this has his recovery ring, as for every object that he worked on. */
	if (flags & LOCK_RINGS)
		bell_ring(lane->seg, object_of_lock(lane->seg, word));
}

uint32_t lock_holder(const uint64_t *word)
{
	return load64_relaxed(word) & LOCK_LANE;
}

bool lock_held_by(const uint64_t *word, uint32_t lane_id)
{
	return lock_holder(word) == lane_id;
}

void lock_wake_all(uint64_t *word)
{
	syscall(SYS_futex, lock_futex(word), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
