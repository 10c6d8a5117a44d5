/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_BARRIER_H
#define SABIR_OBJECTS_BARRIER_H

#include "server/objects/object.h"

/*
 * The kind `barrier`: Python's Barrier. Errors beside the common ones (NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS): BUSY.
 */
struct barrier_state {
	uint64_t cycle; /* how often all came together */
	uint32_t parties;
	uint32_t n_waiting;
	bool broken;
};

/*
 * The caller is there. OK when all are: *index tells the order in which they came, 0 to parties-1. *place is 0 at first, and
 * what a call leaves there is for the next. With `last` it does not wait any longer, and breaks the barrier.
 * Errors: WOULD_BLOCK, on SEG_EVENT_ITEMS; BROKEN_BARRIER; SESSION_REQUIRED (the lane acts for nobody, or for one that is gone);
 * RESOURCE_EXHAUSTED.
 */
enum sabir_error barrier_wait(struct lane *lane, uint64_t handle, uint64_t *place, bool last, uint64_t *index);
/* Who waited at the place goes, which breaks the barrier. */
enum sabir_error barrier_give_up(struct lane *lane, uint64_t handle, uint64_t place);
/* Breaks it: whoever waits, and who comes until it is reset, is told. */
enum sabir_error barrier_abort(struct lane *lane, uint64_t handle);
/* As new; who waits is told BROKEN_BARRIER. */
enum sabir_error barrier_reset(struct lane *lane, uint64_t handle);
enum sabir_error barrier_look(struct lane *lane, uint64_t handle, struct barrier_state *state);

#endif
