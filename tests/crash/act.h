/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_ACT_H
#define SABIR_TESTS_CRASH_ACT_H

#include <stdio.h>

#include "tests/crash/scenario.h"
#include "tests/crash/typed.h"

/* What somebody does in a world: a request of the operation table, or its undoing, or a function of typed.h. */
struct act {
	char method[64];
	uint8_t request[512 << 10];
	size_t len;
	struct target o; /* of a function */
	bool undoes;     /* it is the undoing of what the survivor did, which has this: */
	struct op_receipt receipt;
	struct bytes response;
	bool asked; /* it is a request with an id, of the session of this: */
	char token[40];
	bool begun; /* it has waited already, and has kept this, */
	struct op_wait wait;
	uint32_t over;         /* and how it goes on: enum op_over */
	uint32_t key;          /* of its sleep: the event's sequence */
	const char *meanwhile; /* of a function: as of a scenario */
	bool stops;            /* its process ends, asleep, when all of that has happened */
};

/* What the lines of a setup are made with. */
struct prepared {
	unsigned long long lease;    /* the token of the lease that was got last */
	unsigned long long made;     /* the handle of the object that was made last */
	unsigned long long before;   /* of that before it */
	unsigned long long sequence; /* of the change that a watch was told of last */
	unsigned long long session;  /* the number of the session that was opened last, as in lane->actor.owner */
	char token[40];              /* and its token */
	const char *act_line;        /* as of act_read */
	struct act *act, *next;      /* what is begun of it, and behind it */
};

/* From the text of scenario.h, unless it is begun; false: there is no such operation. */
bool act_read(const char *line, const struct prepared *prepared, struct act *act);
void act_fini(struct act *act);
/* Of one that undoes: the survivor does what is to be undone. False: it failed, said on `out`. */
bool act_take(struct act *act, struct world *world, FILE *out);
/* Its answer, as text, to `answer` if that is not NULL. What has been begun the survivor does anew. */
enum sabir_error act_run(const struct act *act, struct world *world, enum person who, FILE *answer);
/* Runs a setup, by the survivor where nothing else is said. False: it failed, said on `out`. */
bool act_set_up(const char *setup, struct world *world, struct prepared *prepared, FILE *out);
/* The response of its method, as text, but for what differs from run to run. */
void act_decode(const struct act *act, struct span response, FILE *to);
/* Of a request. */
const struct op *act_op(const struct act *act);
/* Whether it is about what a server has of its own (front.h). */
bool act_needs_front(const struct act *act);
/* One step of an act that waits: it is begun, with `wait` as of op_run_front, or goes on with the one that was kept. */
enum sabir_error act_step(const struct act *act, struct lane *lane, struct bytes *response, struct op_wait *wait);
/* Whether what was run last would wait, for what it has waited for before. */
bool act_waits_on(const struct act *act);

#endif
