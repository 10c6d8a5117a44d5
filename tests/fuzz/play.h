/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_PLAY_H
#define SABIR_TESTS_FUZZ_PLAY_H

#include "server/ops/sessions.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/stage.h"

/*
 * What an input tells: requests, one behind the other, each from whom it says; answered, parked or undone; with the
 * deaths and the upkeep between them that a server sees, and damage to the memory.
 *
 * It is a list of pieces: which operation (2 bytes, stage_op_number) or event, who asks and what becomes of it (1
 * byte), the request's length (2 bytes), the request.
 */
#define PLAY_HEAD 3u
#define PLAY_WAIT 8u     /* in the third byte: it is parked if it can't be done now */
#define PLAY_ASKED 16u   /* the same: it is a request with an id, of a session */
#define PLAY_EXACT 0xa0u /* its highest three, of damage: the words are told by where they stand, not by region */

struct play {
	struct world *world;
	struct park *park;
	struct sessions *sessions;
	struct op_front front;
	uint64_t parked; /* the last */
	bool dead;       /* the victim */
	uint32_t dies;   /* not 0: he does at this step of what he does next; or who recovers him, of that */
	uint64_t asked;  /* the id of the last request that had one */
	bool ended;      /* the session of those */
	bool damaged;    /* in: whether overwrites of the memory are done */
	bool saved;      /* there was a snapshot: one in a run, for they take most of its time */
};

void play_begin(struct play *play);
void play_pieces(struct play *play, struct span input);
void play_end(struct play *play);

extern const struct piece_form play_form, play_damage_form;

/* What a server does of itself: what is due, what its start finds, what a snapshot reads, and a snapshot. */
void upkeep_due(struct lane *lane);
void upkeep_start(struct lane *lane);
void upkeep_keep(struct lane *lane);
void upkeep_save(struct lane *lane);

/* For the stage: a session is there. */
void asked_prepare(struct world *world);
/* The operation is the session's, its request has an id, and its answer is kept; not wanted: it is undone before it is over. */
void asked_run(struct play *play, enum person who, const struct op *op, struct span request, bool wanted);
/* Whoever dies next does so as a server: what he was asked for by the session is looked into. */
void asked_dies_as_a_server(struct world *world);
/* The session ends, or goes on to end. */
void asked_end(struct play *play);

/* An overwrite's message is a list of these, of 12 bytes: the word, by region or exactly, how, and what. */
#define DAMAGE_LEN 12u
void damage(const struct segment *seg, struct span changes, bool exact);
/* Remembers which words of the stage have something in them. */
void damage_init(const struct segment *seg);
/*
 * A change that is new, or one that is like it. An exact one is mostly of a word that means something, to what it could
 * almost be.
 */
void damage_new(struct dice *dice, bool exact, uint8_t change[DAMAGE_LEN]);
void damage_mutate(struct dice *dice, bool exact, uint8_t change[DAMAGE_LEN]);

#endif
