/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_ASKED_H
#define SABIR_TESTS_CRASH_ASKED_H

#include "tests/crash/act.h"
#include "tests/crash/look.h"

/*
 * The variant in which the victim is a server, and the act a request with an id of a session, which outlives it: what the
 * next server knows of the request has to be what has become of it.
 */

/* Of the variant's session, which no other has: it is there before and afterwards, and nobody looks at it. */
#define ASKED_LEASE_NS 1u
/* Makes the victim a server. */
void asked_by_server(struct world *world);
/* The same, and opens the session. */
void asked_prepare(struct world *world);
/* What a server's lane does next is for that request; nothing if it is nobody's who asks. */
void asked_in_its_name(struct lane *lane);
/* The act, and the keeping of its answer, as the server's front does both. */
enum sabir_error asked_act(const struct act *act, struct world *world);
/* The same of a setup, for another session: a request of it with an id of its own. */
enum sabir_error asked_for_session(const struct act *act, struct world *world, uint64_t session);
/*
 * Of an act that its own session asks for: besides, the session is in use meanwhile, and what the loop does with sessions when
 * it is not any more is done too.
 */
enum sabir_error asked_by_its_session(const struct act *act, struct world *world);
/* Behind the recovery: the server's calls wait no more. False: it can't be done yet. */
bool asked_leave_lines(struct world *world, enum person by);
/* What the next server would answer: "nothing", for it would perform it; the error; and the response. Takes it all away. */
void asked_look(const struct act *act, struct world *world, struct text *text);

/*
 * Whether that can be true when the operation has happened, or not; `answers` is what is kept when nobody dies. NULL: it is. It is
 * true of both that nothing is known; unknown[happened] counts that.
 */
const char *asked_compare(const struct text *found, const struct text *answers, bool happened, bool changes,
			  unsigned unknown[2]);

#endif
