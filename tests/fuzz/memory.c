/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged memory, as a hostile program that is attached could leave it: words of the segment are overwritten, and everybody else goes
 * on: all operations, the recovery of a dead owner, the server's sweep. Nothing may crash, hang or reach outside the segment.
 *
 * The input is a list of changes of 12 bytes: where (the low bits choose a region, the rest an offset in it), how, and what.
 */
#include <string.h>

#include "server/objects/object.h"
#include "server/shm/chunk.h"
#include "tests/fuzz/stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct change {
	uint32_t where;
	uint64_t what;
};

/* The n-th chunk that is in use, or NULL. */
static uint8_t *used_chunk(const struct segment *seg, uint32_t n)
{
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		if (chunk_state(seg->chunks[i].word) != SEG_CHUNK_FREE && n-- == 0)
			return chunk_base(seg, i);
	return NULL;
}

/*
 * The word that a change is about. The header's geometry is not among them: each process has read it before, and a program that
 * comes later checks it (segment_test.c).
 */
static uint64_t *word_at(const struct segment *seg, uint32_t where)
{
	uint32_t region = where & 15, offset = where >> 4;
	uint8_t *chunk;
	switch (region) {
	case 0:
		return (uint64_t *)(seg->base + 192) + offset % 24; /* the header's changing part */
	case 1:
		return (uint64_t *)seg->owners + offset % (seg->n_owners * sizeof(*seg->owners) / 8);
	case 2:
	case 3:
		return (uint64_t *)seg->lanes + offset % (seg->n_lanes * sizeof(*seg->lanes) / 8);
	case 4:
	case 5:
	case 6:
		return (uint64_t *)seg->objects + offset % (20 * sizeof(*seg->objects) / 8);
	case 7:
		return (uint64_t *)seg->chunks + offset % (seg->n_chunks * sizeof(*seg->chunks) / 8);
	case 8:
		return seg->hints + offset % (SEG_N_HINTS * seg->n_hint_words);
	default:
		chunk = used_chunk(seg, offset % 8);
		/* Most of what is used stands at the beginning of a slab. */
		return chunk ? (uint64_t *)chunk + (offset >> 3) % (region < 14 ? 2048 : SEG_CHUNK_SIZE / 8) : NULL;
	}
}

static void apply(const struct segment *seg, const struct change *change)
{
	uint64_t *word = word_at(seg, change->where);
	if (!word)
		return;
	switch (change->where >> 30) {
	case 0:
		*word = change->what;
		break;
	case 1:
		*word ^= 1ull << (change->what & 63);
		break;
	case 2:
		*word += (uint64_t)(int64_t)(int8_t)change->what;
		break;
	default:
		memcpy(word, &change->what, 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world = stage_begin();
	struct change change;
	struct span request;
	for (; size >= 12; data += 12, size -= 12) {
		memcpy(&change.where, data, 4);
		memcpy(&change.what, data + 4, 8);
		apply(&world->seg, &change);
	}
	for (size_t i = 0; i < stage_n_requests(); i++) {
		const struct op *op = stage_request(i, &request);
		stage_run(SURVIVOR, op, request);
	}
	owner_recover(&world->lane[SERVER], world->lane[VICTIM].owner);
	object_sweep(&world->lane[SERVER]);
	arena_trim(&world->lane[SERVER], 1);
	for (size_t i = 0; i < stage_n_requests(); i++) {
		const struct op *op = stage_request(i, &request);
		stage_run(SURVIVOR, op, request);
	}
	return 0;
}
