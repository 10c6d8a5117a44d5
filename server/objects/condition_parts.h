/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_CONDITION_PARTS_H
#define SABIR_OBJECTS_CONDITION_PARTS_H

#include "server/objects/condition.h"
#include "server/objects/turns.h"

/* What condition.c and condition_wait.c share. */

/* An operation's view of its condition. */
struct condition {
	struct lane *lane;
	struct seg_object *object;
	struct seg_condition *body;
	struct turns turns;
	uint32_t index;
	uint32_t called;
	bool changed;
};

/* The handle of its lock; 0: its own, which nobody has asked for yet. */
static inline uint64_t condition_lock_in(const struct seg_condition *body)
{
	uint64_t lock = load64_relaxed(&body->lock);
	/* Pairs with the swap in object_part: who sees the handle sees the object. */
	return lock ? lock : load64_acquire(&body->own);
}

/* Enters the object and takes its lock; a notify that somebody has left half-done is finished. Errors: as object_enter, BUSY. */
enum sabir_error condition_begin(struct lane *lane, uint64_t handle, struct condition *c);
/* Commits what was changed (DATA_LOSS: undoes it), wakes those who were called, leaves the object. Returns the error. */
enum sabir_error condition_end(struct condition *c, enum sabir_error error);
/* Notifies the first who waits, if he did so already when `before` was the next ticket. */
bool condition_notify_first(struct condition *c, uint32_t before);
/* Whether the handle leads to a living object. */
bool condition_lock_is_live(const struct segment *seg, uint64_t lock);
/* object_kind.ready. */
bool condition_ready(const struct segment *seg, const struct seg_object *object, uint64_t memory);

#endif
