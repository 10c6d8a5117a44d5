/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_MUTEX_H
#define SABIR_OBJECTS_MUTEX_H

#include "server/objects/object.h"

/*
 * The kinds `lock` and `rlock`, held by the actor of an operation: a lock by its owner, an rlock by its owner and thread.
 * (The locks of shm are what the objects' own memory is protected with.) Errors beside the common ones (NOT_FOUND,
 * DELETED, WRONG_KIND, DATA_LOSS): BUSY, and SESSION_REQUIRED where the lane acts for nobody, or for one that is gone.
 */
struct mutex_hold {
	uint64_t token; /* rises with each acquisition, the re-entry of a holder apart; never 0 */
	uint64_t depth; /* how often the holder has it now */
	bool abandoned; /* the last holder died or left with it: what it protects may be half-done */
};

struct mutex_state {
	bool locked;
	bool mine;      /* the lane's actor holds it, and could release it */
	bool abandoned; /* as the next holder will be told */
	uint64_t depth;
	uint64_t token; /* of the last acquisition, 0 = none yet */
};

/*
 * Taking is fair within a bound: whoever has stood in the line for TURN_FAIR_NS (turns.h) is not overtaken any more, neither by
 * those who come later nor by those who were woken before him.
 */
struct mutex_wait {
	uint64_t place; /* 0 at first; the caller keeps it from one attempt to the next */
	uint64_t link;  /* is kept in the turn */
	uint64_t depth; /* how often the taker is to have it; 0 counts as 1 */
	bool last;      /* it will not try again: if it does not get it now its turn ends */
};

/* Without a turn. Errors: WOULD_BLOCK, on SEG_EVENT_ITEMS. */
enum sabir_error mutex_take(struct lane *lane, uint64_t handle, struct mutex_hold *hold);
/*
 * With a turn, which it has while it is answered WOULD_BLOCK (or BUSY); where memory is exhausted it waits without one, and
 * others may overtake it. wait->place becomes 0 with the turn's end.
 */
enum sabir_error mutex_take_in_turn(struct lane *lane, uint64_t handle, struct mutex_wait *wait,
				    struct mutex_hold *hold);
/* Ends the turn; if it has been called, the lock goes on as if nothing had been. */
enum sabir_error mutex_give_up(struct lane *lane, uint64_t handle, uint64_t place);
/* The link of the turn; 0: there is none. */
enum sabir_error mutex_link(struct lane *lane, uint64_t handle, uint64_t place, uint64_t *link);
/* Takes its holder's lock off all at once, however often he has it. Errors: NOT_HELD, also where anybody may release. */
enum sabir_error mutex_release_all(struct lane *lane, uint64_t handle);
/*
 * A lock may be released by anybody, unless it was made strict; also one that its holder has abandoned, once. An rlock
 * only by its holder. Errors: NOT_HELD.
 */
enum sabir_error mutex_release(struct lane *lane, uint64_t handle);
/*
 * Takes an acquisition of the actor's back of which he was never told: as if it had not been, if it is the last one still.
 * Errors: NOT_HELD.
 */
enum sabir_error mutex_untake(struct lane *lane, uint64_t handle, uint64_t token, bool abandoned);
/* The same of one that took it several times over, as a condition's wait does: all of them, in one step. */
enum sabir_error mutex_untake_all(struct lane *lane, uint64_t handle, uint64_t token, bool abandoned);
enum sabir_error mutex_look(struct lane *lane, uint64_t handle, struct mutex_state *state);

/* Which of its two kinds the handle leads to, for object_enter; of any other object one of them too, which it is not. */
static inline uint32_t mutex_kind_of(const struct segment *seg, uint64_t handle)
{
	uint32_t index = object_index(handle);
	bool reentrant = index < seg->n_objects && load32_relaxed(&seg->objects[index].kind) == SEG_KIND_RLOCK;
	return reentrant ? SEG_KIND_RLOCK : SEG_KIND_LOCK;
}

#endif
