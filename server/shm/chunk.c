/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunk table. A chunk's word is its state:
 *
 *   FREE ──claim──► FORMING(lane) ──► SLAB | LARGE + RUN… ──► FORMING(lane) ──► LIMBO(epoch) ──► claimed again
 *                                                                                     └─ trim ──► FREE
 *   IDLE is committed and unused. FREE is not committed.
 *
 * A claim writes the lane in the same compare-and-swap, so the recovery of a dead lane finds its half-made chunks by one
 * look over the table. A large block becomes real when its first chunk's word is stored as LARGE, after all others.
 * LIMBO chunks may be claimed once every operation that could still touch their old content has ended.
 */
#define _GNU_SOURCE /* fallocate */
#include "server/shm/chunk.h"

#include <fcntl.h>

#include "server/base/fault.h"
#include "server/shm/arena.h"

/* In FORMING, the class field says whether the chunk was committed before. */
#define WAS_COMMITTED 1u

static bool claim_one(struct lane *lane, uint32_t chunk, uint64_t oldest)
{
	struct seg_chunk *c = &lane->seg->chunks[chunk];
	uint64_t word = load64_acquire(&c->word);
	uint32_t committed;
	switch (chunk_state(word)) {
	case SEG_CHUNK_FREE:
		committed = 0;
		break;
	case SEG_CHUNK_IDLE:
		committed = WAS_COMMITTED;
		break;
	case SEG_CHUNK_LIMBO:
		if (!chunk_has_passed(word, oldest))
			return false;
		committed = WAS_COMMITTED;
		break;
	default:
		return false;
	}
	return cas64(&c->word, &word, chunk_word(SEG_CHUNK_FORMING, committed, lane->id));
}

static void note_free(struct segment *seg, uint32_t chunk)
{
	if (chunk < load32_relaxed(&seg->header->chunk_hint))
		store32_relaxed(&seg->header->chunk_hint, chunk);
}

static void unclaim(struct lane *lane, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		struct seg_chunk *c = &lane->seg->chunks[i];
		uint32_t committed = chunk_class(load64_relaxed(&c->word));
		store64_release(&c->word, committed ? SEG_CHUNK_IDLE : SEG_CHUNK_FREE);
		note_free(lane->seg, i);
	}
}

static bool commit(struct lane *lane, uint32_t first, uint32_t n)
{
	struct segment *seg = lane->seg;
	for (uint32_t i = first; i < first + n; i++) {
		uint64_t word = load64_relaxed(&seg->chunks[i].word);
		if (chunk_class(word) == WAS_COMMITTED)
			continue;
		if (fallocate(seg->fd, 0, (off_t)(chunk_base(seg, i) - seg->base), SEG_CHUNK_SIZE))
			return false;
		FAULT("chunk.committed");
		store64_release(&seg->chunks[i].word, chunk_word(SEG_CHUNK_FORMING, WAS_COMMITTED, lane->id));
	}
	return true;
}

enum sabir_error chunk_claim(struct lane *lane, uint32_t n, uint32_t *first)
{
	struct segment *seg = lane->seg;
	uint64_t oldest = epoch_oldest(seg);
	uint32_t start = n == 1 ? load32_relaxed(&seg->header->chunk_hint) : 0;
	uint32_t run = 0;

	if (start >= seg->n_chunks)
		start = 0;
	uint32_t i = start;
	for (uint32_t looked = 0; looked < seg->n_chunks + n; looked++, i++) {
		if (i >= seg->n_chunks) { /* a run does not go around the end */
			unclaim(lane, i - run, run);
			run = 0;
			i = 0;
		}
		if (!claim_one(lane, i, oldest)) {
			unclaim(lane, i - run, run);
			run = 0;
			continue;
		}
		FAULT("chunk.claimed");
		if (++run < n)
			continue;
		if (!commit(lane, i + 1 - n, n)) {
			unclaim(lane, i + 1 - n, n);
			return SABIR_RESOURCE_EXHAUSTED;
		}
		if (n == 1)
			store32_relaxed(&seg->header->chunk_hint, i + 1);
		*first = i + 1 - n;
		return SABIR_OK;
	}
	unclaim(lane, i - run, run);
	return SABIR_RESOURCE_EXHAUSTED;
}

static void retire_run(struct segment *seg, uint32_t first, uint32_t n, uint64_t epoch)
{
	for (uint32_t distance = 1; distance < n && first + distance < seg->n_chunks; distance++) {
		struct seg_chunk *c = &seg->chunks[first + distance];
		if (chunk_state(load64_acquire(&c->word)) != SEG_CHUNK_RUN || load32_relaxed(&c->run) != distance)
			continue; /* retired by a lane that died on the way here */
		store64_release(&c->word, chunk_limbo(epoch));
		FAULT("chunk.run_retired");
	}
	store64_release(&seg->chunks[first].word, chunk_limbo(epoch));
	note_free(seg, first);
}

void chunk_retire(struct lane *lane, uint32_t first, uint32_t n)
{
	retire_run(lane->seg, first, n, epoch_retire(lane->seg));
}

/* A RUN chunk whose maker died counts only if its head says so, or if somebody alive is unmaking that head. */
static bool run_is_orphan(struct segment *seg, uint32_t chunk, uint32_t dead_id)
{
	uint32_t distance = load32_relaxed(&seg->chunks[chunk].run);
	if (distance == 0 || distance > chunk)
		return true;
	const struct seg_chunk *head = &seg->chunks[chunk - distance];
	uint64_t word = load64_acquire(&head->word);
	if (load32_relaxed(&head->run) <= distance)
		return true;
	if (chunk_state(word) == SEG_CHUNK_LARGE)
		return false;
	return !(chunk_state(word) == SEG_CHUNK_FORMING && chunk_lane(word) != dead_id);
}

void chunk_recover(struct lane *by, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	uint64_t epoch = epoch_retire(seg);
	for (uint32_t i = 0; i < seg->n_chunks; i++) {
		struct seg_chunk *c = &seg->chunks[i];
		uint64_t word = load64_acquire(&c->word);
		if (chunk_lane(word) != dead_id)
			continue;
		/* A swap: whoever frees the block meanwhile retires this chunk in a later epoch, and that has to stand. */
		if (chunk_state(word) == SEG_CHUNK_RUN && run_is_orphan(seg, i, dead_id))
			(void)cas64(&c->word, &word, chunk_limbo(epoch));
		if (chunk_state(word) != SEG_CHUNK_FORMING)
			continue;
		if (chunk_class(word) != WAS_COMMITTED) /* perhaps, perhaps not: commit it, so that LIMBO is true */
			(void)!fallocate(seg->fd, 0, (off_t)(chunk_base(seg, i) - seg->base), SEG_CHUNK_SIZE);
		retire_run(seg, i, load32_relaxed(&c->run), epoch);
		FAULT("chunk.recovered");
	}
}

bool arena_trim(struct lane *lane, uint32_t keep_chunks, uint64_t until_ns)
{
	struct segment *seg = lane->seg;
	uint64_t oldest = epoch_oldest(seg);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < seg->n_chunks; i++) {
		uint32_t state = chunk_state(load64_relaxed(&seg->chunks[i].word));
		if ((state != SEG_CHUNK_IDLE && state != SEG_CHUNK_LIMBO) || kept++ < keep_chunks)
			continue;
		if (!claim_one(lane, i, oldest))
			continue;
		/* Not committed any more, should we die behind the next step. */
		store64_release(&seg->chunks[i].word, chunk_word(SEG_CHUNK_FORMING, 0, lane->id));
		int failed = fallocate(seg->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       (off_t)(chunk_base(seg, i) - seg->base), SEG_CHUNK_SIZE);
		FAULT("chunk.punched");
		store64_release(&seg->chunks[i].word, failed ? SEG_CHUNK_IDLE : SEG_CHUNK_FREE);
		note_free(seg, i);
		if (!clock_left(until_ns))
			return false;
	}
	return true;
}
