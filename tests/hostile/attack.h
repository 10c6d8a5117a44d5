/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_HOSTILE_ATTACK_H
#define SABIR_TESTS_HOSTILE_ATTACK_H

#include "server/shm/arena.h"
#include "tests/hostile/hostile.h"

/*
 * Words that may be overwritten: those from `at` on, as long as `guard` holds `word`, which says whose they are. Without a
 * guard: always.
 */
struct target {
	enum place place;
	uint64_t *guard;
	uint64_t word;
	uint64_t *at;
	uint32_t n;
};

/* What the hostile process knows of the memory. */
struct prey {
	struct segment seg;
	struct me *me;
	/* The words of entries that are a poor object's, a poor program's or its lane's; 0 of others. */
	uint64_t *rows, *owners, *lanes;
	uint32_t *known_rows, *known_owners, *known_lanes;
	uint32_t n_rows, n_owners, n_lanes;
	uint32_t focus; /* the object that somebody worked on lately, 0 = none */
};

bool prey_init(struct prey *prey, struct me *me);
/* Looks through the tables for what is the poor's. */
void prey_look(struct prey *prey);
/* Chooses an object that is being used; its words are picked more often, until the next call. */
void prey_focus(struct prey *prey);
/* Any of it; false: there is none, or it was not found. */
bool prey_pick(struct prey *prey, struct target *target);
/* Any words of the memory, of whomever. */
bool prey_pick_any(struct prey *prey, struct target *target);

#endif
