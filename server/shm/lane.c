/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners, lanes and the undo journal; lock.c has the object's lock.
 *
 * An owner or lane entry is claimed by one compare-and-swap of its word, FREE -> LIVE, which raises its generation. A lane's
 * word names its owner, so that the death of an owner leads to all its lanes. Everything else in a lane is written by the
 * lane alone, until its owner is dead; then by the one that recovers it.
 */
#include "server/shm/lane.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/shm/arena.h"

#ifdef SABIR_FAULTS
uint64_t lane_look_again = 10 * CLOCK_SECOND;
#endif

/* ---------------------------------------------------------------- owners */

static uint64_t remembered(const struct segment *seg, uint32_t owner)
{
	return seg->given ? load64_relaxed(&seg->given[owner]) : 0;
}

/* 0: the entry is free. */
static void remember(struct segment *seg, uint32_t owner, uint64_t word)
{
	if (seg->given)
		store64_relaxed(&seg->given[owner], word);
}

enum sabir_error owners_remember(struct segment *seg)
{
	if (!seg->given && !(seg->given = calloc(seg->n_owners, sizeof(*seg->given))))
		return SABIR_NO_MEMORY;
	for (uint32_t i = 0; i < seg->n_owners; i++) {
		uint64_t word = load64_acquire(&seg->owners[i].word);
		remember(seg, i, (word & 15) != SEG_OWNER_FREE ? word : 0);
	}
	return SABIR_OK;
}

uint64_t owner_word(const struct segment *seg, uint32_t owner)
{
	uint64_t word = remembered(seg, owner);
	return word ? word : load64_acquire(&seg->owners[owner].word);
}

uint64_t owner_now(const struct segment *seg, uint32_t owner)
{
	for (;;) {
		uint64_t given = remembered(seg, owner), word = load64_seq(&seg->owners[owner].word);
		if (given == remembered(seg, owner))
			return given ? given : word;
	}
}

void owner_dies(struct segment *seg, uint32_t owner)
{
	uint64_t dead = (owner_word(seg, owner) & ~15ull) | SEG_OWNER_DEAD;
	if (remembered(seg, owner))
		remember(seg, owner, dead);
	store64_release(&seg->owners[owner].word, dead);
}

static bool owner_mend(struct segment *seg, uint32_t owner)
{
	struct seg_owner *o = &seg->owners[owner];
	uint64_t given = remembered(seg, owner), word = load64_acquire(&o->word);
	/* Pairs with owner_close: where it is that which has freed the entry, it is seen here too. */
	if (!given || word == given || remembered(seg, owner) != given || !cas64(&o->word, &word, given))
		return false;
	if (remembered(seg, owner) == given)
		return true;
	(void)cas64(&o->word, &given, given & ~15ull); /* it was closed meanwhile, and nobody else can have got it */
	return false;
}

uint32_t owners_mend(struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < seg->n_owners; i++)
		n += owner_mend(seg, i);
	return n;
}

enum sabir_error owner_open(struct segment *seg, uint32_t pid, const char *label, uint32_t *owner)
{
	for (uint32_t i = 0; i < seg->n_owners; i++) {
		struct seg_owner *o = &seg->owners[i];
		uint64_t word = load64_relaxed(&o->word);
		if ((word & 15) != SEG_OWNER_FREE || remembered(seg, i))
			continue;
		uint64_t live = (((word >> 32) + 1) << 32) | SEG_OWNER_LIVE;
		if (!cas64(&o->word, &word, live))
			continue;
		remember(seg, i, live);
		o->pid = pid;
		o->flags = 0;
		o->attach_time_ns = clock_wall();
		memset(o->label, 0, sizeof(o->label));
		if (label)
			memcpy(o->label, label, strnlen(label, sizeof(o->label) - 1));
		*owner = i;
		return SABIR_OK;
	}
	return SABIR_TOO_MANY_OWNERS;
}

void owner_close(struct segment *seg, uint32_t owner)
{
	struct seg_owner *o = &seg->owners[owner];
	uint64_t word = owner_word(seg, owner);
	/* The next one begins without: between his claim of the entry and his first store somebody may look at it. */
	store32_relaxed(&o->flags, 0);
	remember(seg, owner, 0);
	store64_release(&o->word, (word & ~15ull) | SEG_OWNER_FREE);
}

/* ---------------------------------------------------------------- lanes */

static uint64_t lane_word(uint32_t owner, uint64_t generation, uint32_t state)
{
	return (uint64_t)owner << 32 | (generation & 0xffff) << 16 | state;
}

/* Everything but the word and the slabs' hints: whoever had the lane before left it clean, but need not be trusted. */
static void lane_clean(struct seg_lane *s)
{
	memset((uint8_t *)s + sizeof(s->word), 0, sizeof(*s) - sizeof(s->word));
}

static void raise_lanes_used(struct segment *seg, uint32_t n)
{
	uint32_t *used = &seg->header->n_lanes_used;
	uint32_t seen = load32_relaxed(used);
	while (seen < n && !cas32(used, &seen, n))
		;
}

uint64_t lane_own_owner(const struct lane *lane)
{
	uint64_t generation = owner_word(lane->seg, lane->owner) >> 32;
	return (uint64_t)lane->owner + 1 + (generation << 32);
}

/* The lane's word is ours. */
static void lane_enter(struct segment *seg, uint32_t i, uint32_t owner, struct lane *lane)
{
	struct seg_lane *s = &seg->lanes[i];
	lane_clean(s);
	*lane = (struct lane){ .seg = seg, .shared = s, .id = i + 1, .owner = owner };
	lane->actor.owner = lane_own_owner(lane);
	lane->actor.thread = (uint64_t)(i + 1) << 32 | (load64_relaxed(&s->word) >> 16 & 0xffff);
}

static bool is_spare_of(const struct seg_lane *s, uint64_t word, uint32_t owner)
{
	return (word & 15) == SEG_LANE_LIVE && (uint32_t)(word >> 32) == owner &&
	       load32_relaxed(&s->op) == SEG_OP_SPARE;
}

enum sabir_error lane_take_spare(struct segment *seg, uint32_t from_owner, uint32_t owner, struct lane *lane)
{
	for (uint32_t i = 0; i < seg->n_lanes; i++) {
		struct seg_lane *s = &seg->lanes[i];
		uint64_t word = load64_acquire(&s->word);
		if (!is_spare_of(s, word, from_owner) ||
		    !cas64(&s->word, &word, lane_word(owner, (word >> 16) + 1, SEG_LANE_LIVE)))
			continue;
		FAULT("lane.spare_taken");
		lane_enter(seg, i, owner, lane);
		return SABIR_OK;
	}
	return SABIR_TOO_MANY_OWNERS;
}

static enum sabir_error open_free(struct segment *seg, uint32_t owner, struct lane *lane)
{
	uint32_t start = load32_relaxed(&seg->header->lane_hint);
	for (uint32_t n = 0; n < seg->n_lanes; n++) {
		uint32_t i = (start + n) % seg->n_lanes;
		struct seg_lane *s = &seg->lanes[i];
		uint64_t word = load64_acquire(&s->word);
		if ((word & 15) != SEG_LANE_FREE)
			continue;
		/* Before the lane can pin an epoch, so that epoch_oldest looks at it. */
		raise_lanes_used(seg, i + 1);
		if (!cas64(&s->word, &word, lane_word(owner, (word >> 16) + 1, SEG_LANE_LIVE)))
			continue;
		store32_relaxed(&seg->header->lane_hint, i + 1);
		lane_enter(seg, i, owner, lane);
		return SABIR_OK;
	}
	return SABIR_TOO_MANY_OWNERS;
}

enum sabir_error lane_open(struct segment *seg, uint32_t owner, struct lane *lane)
{
	bool is_server = load32_relaxed(&seg->owners[owner].flags) & SEG_OWNER_SERVER;
	/* One that is being taken by another thread has another word. Two that take the same: cas64 decides. */
	if (is_server && lane_take_spare(seg, owner, owner, lane) == SABIR_OK)
		return SABIR_OK;
	return open_free(seg, owner, lane);
}

void lanes_spare(struct segment *seg, uint32_t owner, uint32_t n)
{
	struct lane lane;
	for (uint32_t i = 0; i < seg->n_lanes && n; i++)
		n -= is_spare_of(&seg->lanes[i], load64_acquire(&seg->lanes[i].word), owner);
	for (; n && open_free(seg, owner, &lane) == SABIR_OK; n--)
		store32_relaxed(&lane.shared->op, SEG_OP_SPARE);
}

void lanes_mend(struct segment *seg)
{
	uint32_t n = seg->n_lanes;
	while (n && (load64_relaxed(&seg->lanes[n - 1].word) & 15) == SEG_LANE_FREE)
		n--;
	raise_lanes_used(seg, n);
	if (seg->light_pins)
		store32_seq(&seg->header->light_pins, 1);
}

void lane_make_spare(struct lane *by, struct seg_lane *s)
{
	uint64_t word = load64_relaxed(&s->word);
	store32_relaxed(&s->op, SEG_OP_SPARE);
	store64_release(&s->word, lane_word(by->owner, word >> 16, SEG_LANE_LIVE));
}

void lane_close(struct lane *lane)
{
	struct seg_lane *s = lane->shared;
	if (!s)
		return;
	lane_begin(lane, SEG_OP_READ, 0);
	arena_free_reserved(lane, s, lane->id);
	arena_recover(lane, s, lane->id);
	lane_end(lane);
	uint64_t word = load64_relaxed(&s->word);
	store32_relaxed(&lane->seg->header->lane_hint, lane->id - 1);
	store64_release(&s->word, lane_word(0, word >> 16, SEG_LANE_FREE));
	lane->shared = NULL;
}
