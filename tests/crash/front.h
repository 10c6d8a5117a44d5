/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_FRONT_H
#define SABIR_TESTS_CRASH_FRONT_H

#include "server/ops/sessions.h"
#include "tests/crash/world.h"

/*
 * What a server has of its own beside the memory of a world: the table of sessions, the calls that wait, whom to ask for
 * snapshots. It is made from the memory, as the next server makes it, and dies with whoever has it; so it is made anew for
 * each copy of the memory.
 */

/* Made if the world has none. */
const struct op_front *front_of(struct world *world);
struct sessions *front_sessions(struct world *world);
void front_drop(struct world *world);
/* What the server's loop does when somebody has rung: those who wait no more leave their lines. */
void front_turn(struct world *world, struct lane *lane);
/* The same with those who wait: for whom there is something gets it; `late`: the time of all of them is over. */
void front_serve(struct world *world, struct lane *lane, bool late);

/* A call that waits in every front that is made from now on, up to front_forget_waiting; the request stays where it is. */
void front_add_waiting(const struct op *op, struct actor actor, struct span request, const struct op_wait *wait,
		       enum sabir_error error);
void front_forget_waiting(void);
bool front_has_waiting(void);

/* Whether an owner is none of the people: a session, or what is left of one. */
bool front_is_session(const struct world *world, uint32_t owner);
/*
 * What the next server does with sessions: those that have not begun are no more, those that end have ended. Errors: as
 * session_recover.
 */
enum sabir_error front_recover_sessions(struct world *world, struct lane *lane);
/* NULL: every owner is one of the people, a session, or free. */
const char *front_left_behind(const struct world *world);

#endif
