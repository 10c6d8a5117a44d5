/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_SEMAPHORE_H
#define SABIR_OBJECTS_SEMAPHORE_H

#include "server/objects/object.h"

/*
 * The kind `semaphore`: Python's Semaphore and BoundedSemaphore. Errors beside the common ones (NOT_FOUND, DELETED,
 * WRONG_KIND, DATA_LOSS): BUSY, and of an owned one (a bounded one is) SESSION_REQUIRED where the lane acts for nobody,
 * or for one that is gone.
 */
#define SEMAPHORE_MAX INT64_MAX

struct semaphore_state {
	uint64_t value;
	uint64_t mine; /* units that the lane's actor holds: of an owned one */
};

/* Takes one, without a turn. Errors: WOULD_BLOCK, on SEG_EVENT_ITEMS; RESOURCE_EXHAUSTED (owned). */
enum sabir_error semaphore_take(struct lane *lane, uint64_t handle);
/*
 * With a turn, fair within the bound of turns.h: as mutex_take_in_turn, of which *place and `last` tell more. A lane that acts for
 * nobody has its turn in its own owner's name.
 */
enum sabir_error semaphore_take_in_turn(struct lane *lane, uint64_t handle, uint64_t *place, bool last);
/* Ends the turn; what it has been called for goes on. */
enum sabir_error semaphore_give_up(struct lane *lane, uint64_t handle, uint64_t place);
/*
 * Gives n > 0; of an owned one first what the actor holds itself, then what others hold. Errors: INVALID_ARGUMENT,
 * OUT_OF_RANGE (above the bound, or above SEMAPHORE_MAX): then nothing was given.
 */
enum sabir_error semaphore_give(struct lane *lane, uint64_t handle, uint64_t n);
enum sabir_error semaphore_look(struct lane *lane, uint64_t handle, struct semaphore_state *state);

#endif
