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

/* Errors: WOULD_BLOCK, on SEG_EVENT_ITEMS. */
enum sabir_error mutex_take(struct lane *lane, uint64_t handle, struct mutex_hold *hold);
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
enum sabir_error mutex_look(struct lane *lane, uint64_t handle, struct mutex_state *state);

#endif
