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

#define EPOCH_LEAP (1ull << 27) /* more than pass between two looks of a server */
#define EPOCH_MOST (1ull << 62) /* no segment lives so long */

bool epoch_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

uint64_t epoch_retire(struct segment *seg)
{
	/* The number before the increase: operations that begin from now on pin a higher one. */
	return fetch_add64(&seg->header->epoch, 1);
}

bool epoch_mend(struct segment *seg)
{
	uint64_t *epoch = &seg->header->epoch, found = load64_seq(epoch);
	if (found >= seg->epoch_seen && found < EPOCH_MOST) {
		seg->epoch_seen = found;
		return false;
	}
	seg->epoch_seen += EPOCH_LEAP;
	while (!cas64(epoch, &found, seg->epoch_seen))
		;
	return true;
}

uint64_t epoch_oldest(const struct segment *seg)
{
	uint64_t oldest = load64_seq(&seg->header->epoch);
	/* Behind what retired the memory, in front of the look at the pins; pairs with lane_begin's plain store. */
	if (load32_seq(&seg->header->light_pins) && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
		return 0; /* this process is not allowed to: somebody else will reclaim */
	uint32_t n = load32_seq(&seg->header->n_lanes_used);
	for (uint32_t i = 0; i < n && i < seg->n_lanes; i++) {
		uint64_t word = load64_seq(&seg->lanes[i].epoch), pinned = word & ~SEG_PINNED;
		/* What stands in a lane that nobody has is garbage, and would stay. */
		if (!word || (load64_seq(&seg->lanes[i].word) & 15) != SEG_LANE_LIVE)
			continue;
		/* Pinned while the epoch was written over: it tells nothing of when. */
		if (pinned >= EPOCH_MOST)
			return 0;
		if (pinned < oldest)
			oldest = pinned;
	}
	return oldest;
}
