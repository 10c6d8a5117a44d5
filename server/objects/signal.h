/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_SIGNAL_H
#define SABIR_OBJECTS_SIGNAL_H

#include "server/objects/object.h"

/*
 * The kind `event`: Python's Event, a flag that many can wait for. (Events of shm are what all kinds sleep on.) No
 * errors but the common ones: NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS.
 */

/* Sets the flag, and ends every wait that has begun. Setting it again changes nothing. */
enum sabir_error signal_set(struct lane *lane, uint64_t handle);
enum sabir_error signal_clear(struct lane *lane, uint64_t handle);
enum sabir_error signal_is_set(struct lane *lane, uint64_t handle, bool *set);
/*
 * OK if the flag is set, or was set since the wait began: *memory is 0 then, and what a call leaves there is for the
 * next. Errors: WOULD_BLOCK, on SEG_EVENT_ITEMS.
 */
enum sabir_error signal_wait(struct lane *lane, uint64_t handle, uint64_t *memory);

#endif
