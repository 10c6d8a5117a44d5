/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_WORLD_H
#define SABIR_TESTS_CRASH_WORLD_H

#include "server/ops/ops.h"
#include "server/shm/arena.h"

/*
 * A segment with the people of a scenario, and copies of it. A copy is the memory as it was at one moment, in another
 * segment of the same geometry, with the same people: what is done there is done to nobody else.
 */
enum person {
	VICTIM,     /* dies in the operation */
	SURVIVOR,   /* prepared the scenario, and goes on afterwards */
	SERVER,     /* recovers the dead */
	HEIR,       /* recovers a server that died in a recovery, and then the dead */
	BYSTANDER,  /* keeps memory in the cache of his lane */
	COMPANION,  /* holds a lock */
	VICTIM_TOO, /* another lane of the victim's, which dies with him */
	N_PERSONS
};

struct front;
struct world {
	struct segment seg;
	struct lane lane[N_PERSONS];
	struct front *front; /* front.h; NULL: there is none yet */
	bool next_server;    /* it is to be one behind a death, in which nothing waits */
};

bool world_make(struct world *world);
void world_end(struct world *world);

/* The bytes of a segment: tables, and those chunks that are not free. */
struct image;
struct image *image_new(const struct world *world);
void image_free(struct image *image);
/* False: the memory is what the image holds. True: it is not, and the image holds it now. */
bool image_update(struct image *image, const struct world *world);
/* The same if the memory differs in these pages at most. Of n = 0 pages: anywhere. */
#define IMAGE_PAGE 4096u
bool image_update_pages(struct image *image, const struct world *world, const uint64_t *off, uint32_t n);
/* Of what it holds. */
uint64_t image_hash(const struct image *image);
/* What a restore empties stays committed: quicker where the same chunks are soon used again. */
void image_keep_pages(struct image *image);
/* Makes the memory of `world`, of the same geometry, what the image holds, and its people those of the image's. */
void image_restore(const struct image *image, struct world *world);

#endif
