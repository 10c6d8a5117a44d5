/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged memory, as a hostile program that is attached could leave it: words of the segment are overwritten between
 * requests (play.h), and then everybody goes on: all operations, the recovery of a dead owner, the server's sweep.
 * Nothing may crash, hang or reach outside the segment.
 */
#include <stdlib.h>

#include "server/objects/object.h"
#include "tests/fuzz/play.h"
#include "tests/fuzz/seeds.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	return pieces_mutate(&play_damage_form, data, size, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t *out,
				 size_t max, unsigned seed)
{
	return pieces_cross(&play_damage_form, (struct span){ a, a_len }, (struct span){ b, b_len },
			    (struct span){ out, max }, seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	damage_init(&stage_begin()->seg);
	if (getenv("SEEDS")) {
		seeds_of_requests(&play_damage_form, getenv("SEEDS"));
		exit(0);
	}
	return 0;
}

static void run_all(void)
{
	struct span request;
	for (size_t i = 0; i < stage_n_requests(); i++) {
		const struct op *op = stage_request(i, &request);
		stage_run(SURVIVOR, op, request);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play;
	play_begin(&play);
	play.damaged = true;
	play_pieces(&play, (struct span){ data, size });
	struct lane *server = &play.world->lane[SERVER];
	run_all();
	if (!play.dead)
		owner_recover(server, play.world->lane[VICTIM].owner);
	object_sweep(server);
	arena_trim(server, 1, CLOCK_NEVER);
	run_all();
	play_end(&play);
	return 0;
}
