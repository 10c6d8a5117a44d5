/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every request message of the operation table, from whom may send it, one behind the other (play.h), on a memory
 * that nobody has damaged.
 */
#include <stdlib.h>

#include "tests/fuzz/play.h"
#include "tests/fuzz/seeds.h"

/* DEATHS: the inputs are those of deaths.c. */
static bool deaths;
static unsigned died;

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	if (deaths)
		return deaths_next(died, data, max);
	return pieces_mutate(&play_form, data, size, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t *out,
				 size_t max, unsigned seed)
{
	return pieces_cross(&play_form, (struct span){ a, a_len }, (struct span){ b, b_len }, (struct span){ out, max },
			    seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	stage_begin();
	if (getenv("SEEDS")) {
		seeds_of_requests(&play_form, getenv("SEEDS"));
		exit(0);
	}
	if (getenv("DEATHS")) {
		deaths = true;
		deaths_begin(getenv("DEATHS"));
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play;
	play_begin(&play);
	play_pieces(&play, (struct span){ data, size });
	play_end(&play);
	died = play.died;
	return 0;
}
