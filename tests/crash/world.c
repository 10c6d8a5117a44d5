/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of a segment. An image holds the tables and every chunk that is committed; what is restored from it has no
 * other chunk with anything in it, as a segment has none.
 */
#include "tests/crash/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/objects/object.h"

#define MEMORY (8u << 20)
#define MAX_ITEM_BYTES (300u << 10) /* more than a chunk: the largest items are blocks of several */

struct image {
	uint8_t *tables;
	uint8_t *chunks; /* at their places */
	bool *used;      /* chunks */
	struct lane lane[N_PERSONS];
	size_t data_off;
	uint32_t n_chunks;
};

static bool person_make(struct segment *seg, const char *name, struct lane *lane)
{
	uint32_t owner;
	return !owner_open(seg, (uint32_t)getpid(), name, &owner) && !lane_open(seg, owner, lane);
}

bool world_make(struct world *world)
{
	static const char *const names[] = { "victim", "survivor", "server", "heir", "bystander" };
	const struct segment_options options = {
		.memory_limit = MEMORY, .n_owners = 6, .n_lanes = 6, .n_objects = 40, .max_item_bytes = MAX_ITEM_BYTES
	};
	if (segment_create(&options, &world->seg))
		return false;
	for (int i = 0; i < N_PERSONS; i++)
		if (!person_make(&world->seg, names[i], &world->lane[i]))
			return false;
	return object_init_directory(&world->lane[SERVER]) == SABIR_OK;
}

void world_end(struct world *world)
{
	segment_unmap(&world->seg);
}

/* ---------------------------------------------------------------- images */

static bool chunk_used(const struct segment *seg, uint32_t i)
{
	return chunk_state(load64_relaxed(&seg->chunks[i].word)) != SEG_CHUNK_FREE;
}

static uint8_t *chunk_bytes(const struct segment *seg, uint32_t i)
{
	return seg->base + seg->data_off + ((uint64_t)i << SEG_CHUNK_SHIFT);
}

struct image *image_new(const struct world *world)
{
	struct image *image = calloc(1, sizeof(*image));
	const struct segment *seg = &world->seg;
	if (!image)
		abort();
	image->data_off = seg->data_off;
	image->n_chunks = seg->n_chunks;
	image->tables = calloc(1, image->data_off);
	image->chunks = calloc(image->n_chunks, SEG_CHUNK_SIZE);
	image->used = calloc(image->n_chunks, sizeof(*image->used));
	if (!image->tables || !image->chunks || !image->used)
		abort();
	image_update(image, world);
	return image;
}

void image_free(struct image *image)
{
	free(image->tables);
	free(image->chunks);
	free(image->used);
	free(image);
}

static bool take(uint8_t *to, const uint8_t *from, size_t len)
{
	if (!memcmp(to, from, len))
		return false;
	memcpy(to, from, len);
	return true;
}

bool image_update(struct image *image, const struct world *world)
{
	const struct segment *seg = &world->seg;
	bool changed = take(image->tables, seg->base, image->data_off);
	for (uint32_t i = 0; i < image->n_chunks; i++) {
		bool used = chunk_used(seg, i);
		if (used)
			changed |= take(image->chunks + ((uint64_t)i << SEG_CHUNK_SHIFT), chunk_bytes(seg, i),
					SEG_CHUNK_SIZE);
		image->used[i] = used;
	}
	memcpy(image->lane, world->lane, sizeof(image->lane));
	return changed;
}

/* A lane's own memory of where it was points into the segment that it was in. */
static void adopt(struct world *world, const struct image *image)
{
	struct segment *seg = &world->seg;
	seg->hash_seed = seg->header->hash_seed;
	seg->instance = seg->header->instance;
	for (int i = 0; i < N_PERSONS; i++) {
		struct lane *lane = &world->lane[i];
		*lane = image->lane[i];
		lane->seg = seg;
		lane->shared = &seg->lanes[lane->id - 1];
		memset(&lane->took, 0, sizeof(lane->took));
		memset(&lane->put, 0, sizeof(lane->put));
		memset(&lane->table, 0, sizeof(lane->table));
	}
}

void image_restore(const struct image *image, struct world *world)
{
	struct segment *seg = &world->seg;
	for (uint32_t i = 0; i < image->n_chunks; i++) {
		if (image->used[i])
			memcpy(chunk_bytes(seg, i), image->chunks + ((uint64_t)i << SEG_CHUNK_SHIFT), SEG_CHUNK_SIZE);
		else if (chunk_used(seg, i) && madvise(chunk_bytes(seg, i), SEG_CHUNK_SIZE, MADV_REMOVE))
			abort();
	}
	memcpy(seg->base, image->tables, image->data_off);
	adopt(world, image);
}
