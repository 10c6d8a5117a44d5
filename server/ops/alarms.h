/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_ALARMS_H
#define SABIR_OPS_ALARMS_H

#include "server/ops/deadlines.h"
#include "server/shm/lane.h"

/*
 * The times at which the server has to look at an object by itself, because nobody may: a task queue of which a lease ends, or
 * a delayed item comes due; a dict with an entry that ends. Who sets such a time rings the doorbell for the object; the
 * time itself stands in the object, so an alarm can always be made anew from there. For one thread.
 */
struct alarms {
	struct segment *seg;
	struct alarm **of_object; /* NULL where there is none */
	struct deadlines deadlines;
};

/* False when the process is out of memory. */
bool alarms_init(struct alarms *alarms, struct segment *seg);
void alarms_fini(struct alarms *alarms);
/* The bell has rung for the object. */
void alarms_note(struct alarms *alarms, struct lane *lane, uint32_t object);
/* CLOCK_MONOTONIC; CLOCK_NEVER: none. */
uint64_t alarms_next(const struct alarms *alarms);
/* Looks at all objects whose time has come. Outside of operations. */
void alarms_answer(struct alarms *alarms, struct lane *lane, uint64_t now_ns);

#endif
