/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_SEEDS_H
#define SABIR_TESTS_FUZZ_SEEDS_H

#include "server/shm/lane.h"
#include "tests/fuzz/play.h"

/*
 * Inputs that nobody has to keep: each scenario of the crash sweep, setup and act, as an input of `requests`; so a new
 * operation has its own from the beginning. One file each in the folder.
 */
void seeds_of_requests(const struct piece_form *form, const char *folder);

/* The memory of the stage, number 0, and as it is behind each of them. */
void seeds_of_memory(void (*write)(void *context, size_t number, struct lane *lane), void *context);

/*
 * One of them, or a story up to one of its requests, valid until the next: what is before the last request, and that.
 * False: it is too long, or no request.
 */
struct seed_parts {
	struct span setup;
	uint16_t number; /* stage_op_number */
	unsigned how;    /* PLAY_LARGE, PLAY_FOLLOWS */
	struct span act;
};
size_t seed_count(void);
bool seed_parts(size_t i, struct seed_parts *parts);

/* stories.c: those that are told in full. */
extern const char *const stories[];
extern const size_t n_stories;
/* story.c. Each of their lines is counted. */
void stories_write(const char *folder);
size_t stories_count(void);
bool story_parts(size_t i, struct seed_parts *parts);

/* deaths.c: which part of them; the next, when in the last these died (play.died). When there is none more, exits. */
void deaths_begin(const char *which);
size_t deaths_next(unsigned died, uint8_t *data, size_t max);

#define SEED_MAX 4096u /* -max_len */

/* Writes one. */
void seed_write(const char *folder, const char *name, size_t number, struct span input);

#endif
