/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_CHECK_H
#define SABIR_TESTS_CRASH_CHECK_H

#include <stdio.h>

#include "tests/crash/scenario.h"
#include "tests/crash/world.h"

/*
 * What has to be true after a death. A scenario has two ends: the operation did not happen, or it happened wholly. For
 * each the check knows, from runs without a death in between, what all objects then hold, what the same operation of
 * somebody else answers, whom it wakes, and how much memory is left in use when everything is deleted. What is found
 * after a death and its recovery has to be the one or the other, in every respect.
 */
struct check;

/* Who else is there. */
enum variant {
	ALONE,
	AWAITED,      /* everybody says that he waits for everything */
	HELD,         /* somebody alive has the lock of the object o, or where there is none, of the directory */
	HELD_BY_DEAD, /* the same, and he has died too */
	EXHAUSTED,    /* there is no memory left, or little */
	ASKED,        /* a session, and the victim is a server: see asked.h */
	N_VARIANTS
};
extern const char *const variant_names[N_VARIANTS];

/*
 * Prepares the scenario in a world. `spare`: of EXHAUSTED, how many blocks of each size are left. NULL: it can't be prepared, said on
 * `out`.
 */
struct check *check_new(const struct scenario *scenario, enum variant variant, unsigned spare, FILE *out);
/* Whether the scenario is one of the variant at all: only requests are asked for. */
bool check_applies(const struct scenario *scenario, enum variant variant);
void check_free(struct check *check);

/* The world that the scenario is prepared in. */
struct world *check_world(struct check *check);
const struct image *check_begin(const struct check *check);
/* Whether the two ends differ: the operation changes something. */
bool check_changes(const struct check *check);
/* Whether the victim sleeps before the part of it in which he dies: that is stepped through late. */
bool check_sleeps(const struct check *check);
/* The operation, by the victim, in that world: for step_through. */
void check_act(void *check);

/* The recovery of who died in `world`, by one person. */
bool check_recover(struct check *check, struct world *world, enum person by);

/*
 * Looks at the moment that the image holds, as if the victim and, with a server that died too, the server had been
 * killed then. True if all is well; else says on `out` what is not. Deaths come in the order of the operation: once it
 * has happened, it has.
 */
bool check_moment(struct check *check, const struct image *moment, bool server_died, FILE *out);

/* How far the operation had got at the moments that were looked at. */
int check_stage(const struct check *check);
/* ASKED: at how many of the moments before and after it had happened nothing was known of the request. */
const unsigned *check_unknown(const struct check *check);
/* The next moment may be any of them: forget how far the operation had got. */
void check_forget(struct check *check);

#endif
