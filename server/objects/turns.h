/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_TURNS_H
#define SABIR_OBJECTS_TURNS_H

#include "server/objects/object.h"

/*
 * The line of those who wait for something that one gets after the other (struct seg_turns), as part of a kind's body. Who
 * waits has a turn there, with his owner's name, and keeps its place between his attempts: so he can be called, which
 * nobody takes from him any more, and who calls knows whom; and when he dies or goes, his turn goes with him, and what he was
 * called for goes on to the next.
 *
 * All functions are for a lane inside an operation that holds the object's lock. They store through the journal: one change,
 * then journal_commit, then turns_done. What DATA_LOSS has left in the journal is to be undone.
 */
struct turns {
	struct lane *lane;
	struct seg_object *object;
	uint32_t index;
	struct seg_turns *line;
	struct seg_turn *left; /* is freed by turns_done */
	uint64_t n_looks;      /* at the first who waits, or for one of somebody's */
};

/*
 * A place: the ref of the turn, its ticket from bit 32 on. Never 0. The three bits above TURN_PHASE are its keeper's.
 */
#define TURN_PHASE 61
static inline uint64_t turn_phase(uint64_t place)
{
	return place >> TURN_PHASE;
}
static inline uint64_t turn_with_phase(uint64_t place, uint64_t phase)
{
	return (place & ((1ull << TURN_PHASE) - 1)) | phase << TURN_PHASE;
}
/* What a local waiter sleeps with, and is called with (event_call); of place 0, who may be anybody, all of them. */
static inline uint32_t turn_bits(uint64_t place)
{
	return place ? 1u << (place >> 32 & 31) : UINT32_MAX;
}

uint64_t turns_place(const struct turns *t, const struct seg_turn *turn);
/* The turn of the lane's actor. NULL: it is not there (any more), or it is another's, in a line that was made anew. */
struct seg_turn *turns_find(const struct turns *t, uint64_t place);
/* The first who waits, or NULL. */
struct seg_turn *turns_first(struct turns *t);
/* Whose turns: an owner's, as in lane->actor.owner; or those that sessions took before the ticket `before`. */
struct turns_whose {
	uint64_t owner;
	bool sessions;
	uint32_t before;
	uint64_t link; /* not 0: those with this link alone */
};
/* One of these, or NULL. */
struct seg_turn *turns_of(struct turns *t, const struct turns_whose *whose);
/* For the lane's actor, or its own owner where it acts for nobody. Errors: RESOURCE_EXHAUSTED, DATA_LOSS. */
enum sabir_error turns_join(struct turns *t, uint64_t number, struct seg_turn **made);
/* Calls the first who waits: his turn gets the state. Returns his bits. */
uint32_t turns_call(struct turns *t, struct seg_turn *first, uint32_t state);
/* One who waits does not wait any more, but stays. Errors: DATA_LOSS. */
enum sabir_error turns_set_aside(struct turns *t, struct seg_turn *turn, uint32_t state);
/* Errors: DATA_LOSS. */
enum sabir_error turns_leave(struct turns *t, struct seg_turn *turn);
void turns_done(struct turns *t);
/* For destroy. */
void turns_destroy(struct turns *t);

/*
 * Who has waited so long is not overtaken any more: what becomes free is handed over to the first in the line, if it is so long
 * that he came. Before, who is awake may be quicker than those who sleep, which is cheaper for all.
 */
#define TURN_FAIR_NS 1000000u
/* Of a turn whose number is the time when he came. */
bool turn_is_due(const struct seg_turn *turn);

/* For object_kind.ready: the state of the turn at the place, without the lock; 0: it is not there. */
uint32_t turn_peek(const struct segment *seg, uint32_t index, uint64_t place);
/* The link of a turn that is there. */
uint64_t turn_peek_link(const struct segment *seg, uint32_t index, uint64_t place);
/* For any_ready: whether somebody has been called and did not yet go. */
static inline bool turns_any_called(const struct seg_turns *line)
{
	return load32_relaxed(&line->first) != load32_relaxed(&line->waiting);
}

/* Whether a ticket was given out before another. */
static inline bool ticket_is_before(uint32_t ticket, uint32_t other)
{
	uint32_t distance = (other - ticket) & SEG_TURN_TICKET;
	return distance && distance <= SEG_TURN_TICKET / 2;
}

/* Whether an owner, as in lane->actor.owner, is still there. */
bool turn_owner_is_live(const struct segment *seg, uint64_t owner);

#endif
