/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_CHECK_PARTS_H
#define SABIR_TESTS_CRASH_CHECK_PARTS_H

#include "tests/crash/act.h"
#include "tests/crash/around.h"
#include "tests/crash/check.h"
#include "tests/crash/look.h"

/* What check.c, check_look.c and check_compare.c share. */

#define N_SIDES SEG_N_EVENTS

/* Everything by which two ends are told apart, or an end from something in between. */
struct end {
	struct text state; /* what the objects hold */
	struct text again; /* what the survivor is answered when he does the same */
	struct text told;  /* what who watches the object o is told */
	struct text known; /* of a request with an id: what the next server knows of it */
	struct text kept;  /* what the collector leaves */
	struct arena_stats left, left_of_kept;
	bool keeps;              /* there is something for it to decide about */
	bool woken[64][N_SIDES]; /* local waiters; the server's are told by `rung` */
	bool rung[64];
};

struct check {
	const struct scenario *scenario;
	struct world here, there;
	struct image *begin;
	struct image *asleep; /* where the act goes on that the victim dies in: the beginning, or where he has slept */
	struct end before, after;
	uint32_t seq[64][N_SIDES]; /* of the events, at the beginning */
	bool counts[64];         /* an object that was there then, or is at the end: who comes and goes wakes nobody */
	int stage;               /* at an earlier moment already */
	uint64_t watched;        /* the last sequence of who watches o; 0: nobody does */
	enum sabir_error answer; /* of the operation, without a death */
	struct around around;
	struct act act, next; /* next: of who waits behind the victim */
	struct text answered; /* what the act comes to */
	unsigned unknown[2];
};

/* What is done behind a recovery takes out what is there: so each look is made in a copy of its own. */
enum round {
	AT_ONCE,
	AGAIN,     /* the survivor does the same */
	NEXT,      /* who waits behind goes on */
	COLLECTED, /* what nobody holds and nothing refers to is gone */
	N_ROUNDS
};

/* The victim is a server. */
bool check_is_asked(const struct check *check);

/* Runs the act, and tells its error and its answer but for what differs from run to run. */
enum sabir_error check_tell_answer(const struct act *act, struct world *world, enum person who, struct text *text);

/* The recovery in the copy, and what was in its way is not there any more. NULL: all is well. */
const char *check_recover_there(struct check *check, enum person by);
void check_note_woken(const struct check *check, struct end *end);

/* Behind the recovery, for each round that there is. NULL: nothing is wrong by itself. */
bool check_has_round(const struct check *check, const struct end *end, enum round round);
const char *check_look(struct check *check, enum round round, enum person by, struct end *end);

bool check_same(const struct text *a, const struct text *b);
/* What is wrong with what is found; NULL: nothing. */
const char *check_compare(struct check *check, const struct end *found);
/* Says what is wrong, what the two ends are and what was found. */
void check_tell(const struct check *check, const char *what, const struct end *found, FILE *out);

#endif
