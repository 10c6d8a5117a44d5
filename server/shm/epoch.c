/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs: when memory that was taken out of reach may be used again.
 *
 * An operation pins the global epoch in its lane before it follows any ref; memory that is retired gets the epoch's number
 * of that moment, which then rises. It is free again when no lane pins a number that is not above its own. A lane that is
 * stopped inside an operation holds memory back, and nothing else.
 *
 * The pin must be seen by whoever looks for the oldest one before anything is read that it protects. That takes a full
 * barrier on one of the two sides. Operations are many and reclaiming is rare, so where the kernel has it the rare side
 * pays for both: a process that has registered for expedited membarriers pins with a plain store, and who looks for the
 * oldest pin first makes the kernel run a barrier on every processor where such a process runs. Processes that could not
 * register pin with an exchange.
 */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/shm/lane.h"

#define EPOCH_LEAP (1ull << 27) /* more than pass while a process looks elsewhere */
#define EPOCH_JUMP (1ull << 58) /* no segment lives so long; chunks remember 60 bits */

bool epoch_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

/* It never falls. */
static bool is_written_over(uint64_t epoch, uint64_t lowest)
{
	return epoch - lowest > EPOCH_JUMP;
}

/* What the epoch is at least, by what this process has seen and the server has written down; 1 or more. */
static uint64_t lowest_epoch(const struct segment *seg)
{
	uint64_t seen = load64_acquire(&seg->epoch_seen), floor = load64_relaxed(&seg->header->epoch_floor);
	if (floor - seen < EPOCH_JUMP / 2)
		seen = floor;
	else if (!seen)
		seen = load64_relaxed(&seg->header->epoch);
	return seen ? seen : 1;
}

/* Behind all that there were since it was the lowest. */
static void leap(struct segment *seg, uint64_t lowest)
{
	uint64_t *epoch = &seg->header->epoch, found = load64_seq(epoch);
	while (is_written_over(found, lowest) && !cas64(epoch, &found, lowest + EPOCH_LEAP))
		;
}

uint64_t epoch_retire(struct segment *seg)
{
	for (;;) {
		/* Before the epoch is read: so it is no higher, whatever the other threads of this process see. */
		uint64_t lowest = lowest_epoch(seg);
		/* The number before the increase: operations that begin from now on pin a higher one. */
		uint64_t epoch = fetch_add64(&seg->header->epoch, 1);
		if (!is_written_over(epoch, lowest)) {
			store64_release(&seg->epoch_seen, epoch);
			return epoch;
		}
		leap(seg, lowest);
	}
}

bool epoch_mend(struct segment *seg)
{
	uint64_t lowest = lowest_epoch(seg), epoch = load64_seq(&seg->header->epoch);
	bool over = is_written_over(epoch, lowest);
	if (over) {
		leap(seg, lowest);
		epoch = lowest + EPOCH_LEAP;
	}
	store64_release(&seg->epoch_seen, epoch);
	store64_relaxed(&seg->header->epoch_floor, epoch);
	return over;
}

/* What stands there in a lane that is nobody's, or is not used, is garbage, and would stay. */
static bool can_pin(const struct seg_lane *lane)
{
	return (load64_seq(&lane->word) & 15) != SEG_LANE_FREE && load32_seq(&lane->op) != SEG_OP_SPARE;
}

uint64_t epoch_oldest(const struct segment *seg)
{
	uint64_t oldest = load64_seq(&seg->header->epoch), newest = 0;
	/* Behind what retired the memory, in front of the look at the pins; pairs with lane_begin's plain store. */
	if (load32_seq(&seg->header->light_pins) && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
		return 0; /* this process is not allowed to: somebody else will reclaim */
	uint32_t n = load32_seq(&seg->header->n_lanes_used);
	for (uint32_t i = 0; i < n && i < seg->n_lanes; i++) {
		uint64_t word = lane_pins(&seg->lanes[i]), pinned = word & ~SEG_PINNED;
		if (!word || !can_pin(&seg->lanes[i]))
			continue;
		oldest = pinned < oldest ? pinned : oldest;
		newest = pinned > newest ? pinned : newest;
	}
	/* Pinned before the epoch was set back, or while it was too high: nothing tells what he may see. */
	return newest > load64_seq(&seg->header->epoch) ? 0 : oldest;
}
