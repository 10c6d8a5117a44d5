/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners' entries that a faulty program has written over while the former server had them, or while there was none. One that
 * seems free would be given to another, and nobody would see its program's end; one in no state at all would be recovered while
 * its program lives. But whose an entry is stands elsewhere too:
 *
 *   local program   the name by which its process is kept has the generation
 *   session         its record has the owner's word
 *   server          its flags, which are taken off before an entry is free
 *
 * So a free entry with flags, or with lanes, was written over; and so was one in no state that there is, or of a program that has been
 * told of another generation.
 */
#include "server/main/memory.h"

#include <stdio.h>

#include "server/base/log.h"
#include "server/ops/session_record.h"

#define NO_PROGRAM (SEG_OWNER_REMOTE | SEG_OWNER_SERVER)
#define MOST_UNKEPT 16u /* programs, one behind the other in an entry, of whom nothing could be kept */

/* Between the state and the generation there is nothing: few things but words of owners look so. */
static bool is_written_over(const struct segment *seg, uint32_t owner)
{
	uint32_t state = (uint32_t)load64_acquire(&seg->owners[owner].word);
	return state != SEG_OWNER_LIVE && state != SEG_OWNER_DEAD;
}

static void mend(struct segment *seg, uint32_t owner, uint64_t word)
{
	log_error("the entry of an owner was written over, and is mended", log_u64("owner", owner),
		  log_u64("generation", word >> 32));
	store64_release(&seg->owners[owner].word, word);
}

static bool has_lanes(const struct segment *seg, uint32_t owner)
{
	for (uint32_t i = 0; i < seg->n_lanes; i++) {
		uint64_t word = load64_acquire(&seg->lanes[i].word);
		if ((word & 15) == SEG_LANE_LIVE && (uint32_t)(word >> 32) == owner)
			return true;
	}
	return false;
}

static bool read_name(const char *name, uint32_t *owner, uint32_t *generation)
{
	return sscanf(name, "client-%u-%u", owner, generation) == 2;
}

/* By which the owner's process is kept. What is kept of an earlier one may not have been forgotten. */
static uint64_t newest_generation(const struct kept *kept, uint32_t owner)
{
	uint32_t newest = 0, its, generation;
	for (size_t i = 0; kept_find(kept, "client-", &i); i++)
		if (read_name(kept->fds[i].name, &its, &generation) && its == owner && generation > newest)
			newest = generation;
	return newest;
}

static void mend_program(struct segment *seg, const struct kept *kept, uint32_t owner)
{
	uint64_t word = load64_acquire(&seg->owners[owner].word), generation = newest_generation(kept, owner);
	uint32_t flags = load32_relaxed(&seg->owners[owner].flags);
	bool has_state = !is_written_over(seg, owner);
	uint32_t ahead = (uint32_t)(word >> 32) - (uint32_t)generation;
	if (has_state && !ahead) {
		if (flags & NO_PROGRAM) /* no session or server is kept by such a name */
			store32_relaxed(&seg->owners[owner].flags, SEG_OWNER_WELCOMED);
		return;
	}
	/* The name may have been left from one that had the entry before, and who has it now be kept by none. */
	if (flags & NO_PROGRAM || (!flags && !has_lanes(seg, owner)) || (has_state && (!flags || ahead <= MOST_UNKEPT)))
		return;
	/* It has been told of it: it has lanes. */
	fetch_or32(&seg->owners[owner].flags, SEG_OWNER_WELCOMED);
	mend(seg, owner, generation << 32 | SEG_OWNER_LIVE);
}

static void mend_programs(struct segment *seg, const struct kept *kept)
{
	uint32_t owner, generation;
	for (size_t i = 0; kept_find(kept, "client-", &i); i++)
		if (read_name(kept->fds[i].name, &owner, &generation) && owner < seg->n_owners)
			mend_program(seg, kept, owner);
}

/* All that is known of the others: what is left of the word must do where there is no record. */
static void mend_flagged(struct segment *seg)
{
	for (uint32_t i = 0; i < seg->n_owners; i++) {
		uint32_t flags = load32_relaxed(&seg->owners[i].flags);
		if (!flags || !is_written_over(seg, i))
			continue;
		uint64_t left = load64_acquire(&seg->owners[i].word) & 0xffffffff00000000ull;
		uint64_t recorded = flags & SEG_OWNER_REMOTE ? session_record_owner_word(seg, i) : 0;
		mend(seg, i, recorded ? recorded : left | SEG_OWNER_LIVE);
	}
}

void memory_mend_owners(struct segment *seg, const struct kept *kept)
{
	mend_programs(seg, kept);
	mend_flagged(seg);
}
