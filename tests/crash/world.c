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
	size_t data_off; /* of whole pages */
	uint32_t n_chunks;
	uint64_t hash; /* the sum of those of its pages */
	bool keeps_pages;
};

static bool person_make(struct segment *seg, const char *name, struct lane *lane)
{
	uint32_t owner;
	return !owner_open(seg, (uint32_t)getpid(), name, &owner) && !lane_open(seg, owner, lane);
}

/* Those that are owners of their own, then the others. */
static bool people_make(struct world *world)
{
	static const char *const names[] = { "victim", "survivor", "server", "heir", "bystander", "companion" };
	for (int i = 0; i < VICTIM_TOO; i++)
		if (!person_make(&world->seg, names[i], &world->lane[i]))
			return false;
	return !lane_open(&world->seg, world->lane[VICTIM].owner, &world->lane[VICTIM_TOO]);
}

bool world_make(struct world *world)
{
	const struct segment_options options = {
		.memory_limit = MEMORY, .n_owners = 12, .n_lanes = 8, .n_objects = 40, .max_item_bytes = MAX_ITEM_BYTES
	};
	if (segment_create(&options, &world->seg))
		return false;
	return people_make(world) && object_init_directory(&world->lane[SERVER]) == SABIR_OK;
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

/* A page's part in the hash of the image; pages of free chunks have none. */
static uint64_t hash_page(const uint8_t *page, uint64_t off)
{
	uint64_t h = off | 1, word;
	for (size_t i = 0; i < IMAGE_PAGE; i += sizeof(word)) {
		memcpy(&word, page + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	return h;
}

static bool take_page(struct image *image, uint8_t *to, const uint8_t *from, uint64_t off)
{
	if (!memcmp(to, from, IMAGE_PAGE))
		return false;
	image->hash -= hash_page(to, off);
	memcpy(to, from, IMAGE_PAGE);
	image->hash += hash_page(to, off);
	return true;
}

static bool take(struct image *image, const struct world *world, uint64_t off)
{
	uint64_t in = off - image->data_off;
	if (off < image->data_off)
		return take_page(image, image->tables + off, world->seg.base + off, off);
	return image->used[in >> SEG_CHUNK_SHIFT] && take_page(image, image->chunks + in, world->seg.base + off, off);
}

static void hash_chunk(struct image *image, uint32_t i, bool add)
{
	for (uint64_t at = 0; at < SEG_CHUNK_SIZE; at += IMAGE_PAGE) {
		uint64_t in = ((uint64_t)i << SEG_CHUNK_SHIFT) + at;
		uint64_t h = hash_page(image->chunks + in, image->data_off + in);
		image->hash += add ? h : -h;
	}
}

/* Chunks that came or went since. */
static bool take_use(struct image *image, const struct world *world)
{
	bool changed = false;
	for (uint32_t i = 0; i < image->n_chunks; i++) {
		bool used = chunk_used(&world->seg, i);
		if (used == image->used[i])
			continue;
		changed = true;
		if (image->used[i])
			hash_chunk(image, i, false);
		else
			memcpy(image->chunks + ((uint64_t)i << SEG_CHUNK_SHIFT), chunk_bytes(&world->seg, i),
			       SEG_CHUNK_SIZE);
		if (used)
			hash_chunk(image, i, true);
		image->used[i] = used;
	}
	return changed;
}

bool image_update_pages(struct image *image, const struct world *world, const uint64_t *off, uint32_t n)
{
	if (!n)
		return image_update(image, world);
	bool changed = take_use(image, world);
	for (uint32_t i = 0; i < n; i++)
		changed |= take(image, world, off[i]);
	return changed;
}

bool image_update(struct image *image, const struct world *world)
{
	uint64_t end = image->data_off + ((uint64_t)image->n_chunks << SEG_CHUNK_SHIFT);
	bool changed = take_use(image, world);
	for (uint64_t off = 0; off < end; off += IMAGE_PAGE)
		changed |= take(image, world, off);
	memcpy(image->lane, world->lane, sizeof(image->lane));
	return changed;
}

uint64_t image_hash(const struct image *image)
{
	return image->hash;
}

/* A lane's own memory of where it was points into the segment that it was in. */
static void adopt(struct world *world, const struct image *image)
{
	struct segment *seg = &world->seg;
	seg->hash_seed = seg->header->hash_seed;
	seg->instance = seg->header->instance;
	seg->epoch_seen = 0;
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

void image_keep_pages(struct image *image)
{
	image->keeps_pages = true;
}

static void empty_chunk(const struct image *image, const struct segment *seg, uint32_t i)
{
	if (image->keeps_pages)
		memset(chunk_bytes(seg, i), 0, SEG_CHUNK_SIZE);
	else if (madvise(chunk_bytes(seg, i), SEG_CHUNK_SIZE, MADV_REMOVE))
		abort();
}

void image_restore(const struct image *image, struct world *world)
{
	struct segment *seg = &world->seg;
	for (uint32_t i = 0; i < image->n_chunks; i++) {
		if (image->used[i])
			memcpy(chunk_bytes(seg, i), image->chunks + ((uint64_t)i << SEG_CHUNK_SHIFT), SEG_CHUNK_SIZE);
		else if (chunk_used(seg, i))
			empty_chunk(image, seg, i);
	}
	memcpy(seg->base, image->tables, image->data_off);
	adopt(world, image);
}
