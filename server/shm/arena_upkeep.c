/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps the arena honest: retired blocks whose epoch has passed, slabs that are wholly free, what a dead lane left,
 * and the accounts.
 */
#include <string.h>
#include <time.h>

#include "server/base/fault.h"
#include "server/shm/arena.h"
#include "server/shm/chunk.h"

#define RECLAIM_TRIES 500u /* of 0.2 ms */

/* A chunk that is a slab, by its word as it was read once: whatever is written there meanwhile, all is done by the same. */
struct slab {
	struct seg_slab *at;
	uint64_t chunk_word;
	uint32_t class_index;
	uint32_t size; /* of a block */
	uint32_t n_blocks;
};

static bool slab_at(const struct segment *seg, uint32_t chunk, struct slab *slab)
{
	uint64_t word = load64_acquire(&seg->chunks[chunk].word);
	if (chunk_state(word) != SEG_CHUNK_SLAB || chunk_class(word) >= SEG_N_CLASSES)
		return false;
	uint8_t *base = chunk_base(seg, chunk);
	uint32_t size = (uint32_t)block_size_by(seg, segment_ref(seg, base + SEG_SLAB_HEADER), word);
	*slab = (struct slab){ (struct seg_slab *)base, word, chunk_class(word), size,
			       (SEG_CHUNK_SIZE - SEG_SLAB_HEADER) / size };
	return true;
}

static struct seg_block *nth_block(const struct slab *slab, uint32_t i)
{
	return (struct seg_block *)((uint8_t *)slab->at + SEG_SLAB_HEADER + (uint64_t)i * slab->size);
}

static void set_hint(const struct segment *seg, uint32_t row, uint32_t chunk)
{
	fetch_or64(&seg->hints[row * seg->n_hint_words + chunk / 64], 1ull << (chunk % 64));
}

static void clear_hint(const struct segment *seg, uint32_t row, uint32_t chunk)
{
	fetch_and64(&seg->hints[row * seg->n_hint_words + chunk / 64], ~(1ull << (chunk % 64)));
}

static bool is_limbo(uint64_t word)
{
	return block_word_is_of(word, SEG_OBJECT_LIMBO);
}

/* Makes a slab's bits agree with its words, and frees what is PRIVATE to the dead lane. */
static void rescan_slab(struct lane *by, uint32_t chunk, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	struct slab slab;
	if (!slab_at(seg, chunk, &slab))
		return;
	for (uint32_t i = 0; i < slab.n_blocks; i++) {
		struct seg_block *block = nth_block(&slab, i);
		uint64_t word = load64_acquire(&block->word);
		if (block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == dead_id &&
		    cas64(&block->word, &word, block_word(SEG_BLOCK_FREE, 0, 0, block_tag(word))))
			word = load64_acquire(&block->word);
		if (block_state(word) == SEG_BLOCK_FREE)
			fetch_or64(&slab.at->free_bits[i / 64], 1ull << (i % 64));
		if (is_limbo(word)) {
			fetch_or64(&slab.at->limbo_bits[i / 64], 1ull << (i % 64));
			set_hint(seg, SEG_HINT_LIMBO, chunk);
		}
		FAULT("arena.rescanned");
	}
	set_hint(seg, slab.class_index, chunk);
}

/* ---------------------------------------------------------------- reclaim */

static void reap_slab(struct lane *lane, uint32_t chunk, uint64_t oldest)
{
	struct segment *seg = lane->seg;
	struct slab slab;
	bool is_slab = slab_at(seg, chunk, &slab), left = false;

	clear_hint(seg, SEG_HINT_LIMBO, chunk);
	FAULT("arena.limbo_hint_cleared");
	for (uint32_t i = 0; is_slab && i < slab.n_blocks; i++) {
		uint64_t *limbo_bits = &slab.at->limbo_bits[i / 64];
		if (!(load64_seq(limbo_bits) & 1ull << (i % 64)))
			continue;
		struct seg_block *block = nth_block(&slab, i);
		uint64_t word = load64_acquire(&block->word);
		if (!is_limbo(word)) {
			fetch_and64(limbo_bits, ~(1ull << (i % 64)));
			if (is_limbo(load64_acquire(&block->word)))
				fetch_or64(limbo_bits, 1ull << (i % 64));
			continue;
		}
		/* Raised before the block's word said limbo; by now perhaps higher, for a neighbour. */
		if (load64_acquire(&slab.at->limbo_epoch[i / 64]) >= oldest) {
			left = true;
			continue;
		}
		fetch_and64(limbo_bits, ~(1ull << (i % 64)));
		FAULT("arena.reaping");
		if (cas64(&block->word, &word, block_word(SEG_BLOCK_FREE, 0, 0, block_tag(word))))
			fetch_or64(&slab.at->free_bits[i / 64], 1ull << (i % 64));
		set_hint(seg, slab.class_index, chunk);
	}
	if (left)
		set_hint(seg, SEG_HINT_LIMBO, chunk);
}

static bool all_free(const struct slab *slab)
{
	for (uint32_t w = 0; w * 64 < slab->n_blocks; w++) {
		uint32_t n = slab->n_blocks - w * 64 < 64 ? slab->n_blocks - w * 64 : 64;
		if (__builtin_popcountll(load64_relaxed(&slab->at->free_bits[w])) < (int)n)
			return false;
	}
	return true;
}

/*
 * A slab without a used block becomes a retired chunk. Its blocks are claimed one by one; while that lasts, and if it fails,
 * they are PRIVATE to this lane in a slab that refill_chunk names.
 */
static void dissolve_slab(struct lane *lane, uint32_t chunk)
{
	struct segment *seg = lane->seg;
	struct slab slab;
	uint64_t tags = 0;
	uint32_t n;
	if (!slab_at(seg, chunk, &slab) || !all_free(&slab))
		return;
	store32_relaxed(&lane->shared->refill_chunk, chunk + 1);
	fence_compiler();
	for (n = 0; n < slab.n_blocks; n++) {
		struct seg_block *block = nth_block(&slab, n);
		uint64_t word = load64_acquire(&block->word);
		if (block_state(word) != SEG_BLOCK_FREE ||
		    !cas64(&block->word, &word, block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(word))))
			break;
		tags = block_tag(word) > tags ? block_tag(word) : tags;
		FAULT("arena.dissolving");
	}
	if (n == slab.n_blocks)
		store32_relaxed(&seg->chunks[chunk].tags, (uint32_t)tags);
	uint64_t chunk_now = slab.chunk_word;
	bool won = n == slab.n_blocks &&
		   cas64(&seg->chunks[chunk].word, &chunk_now, chunk_word(SEG_CHUNK_FORMING, 1, lane->id));
	if (won) {
		clear_hint(seg, slab.class_index, chunk);
		store32_relaxed(&seg->chunks[chunk].run, 1);
		FAULT("arena.dissolved");
		chunk_retire(lane, chunk, 1);
	} else {
		for (uint32_t i = 0; i < n; i++) {
			struct seg_block *block = nth_block(&slab, i);
			uint64_t word = load64_relaxed(&block->word);
			store64_release(&block->word, block_word(SEG_BLOCK_FREE, 0, 0, block_tag(word)));
			fetch_or64(&slab.at->free_bits[i / 64], 1ull << (i % 64));
		}
		set_hint(seg, slab.class_index, chunk);
	}
	store32_relaxed(&lane->shared->refill_chunk, 0);
}

enum room { NO_ROOM, ROOM_SOON, ROOM_NOW };

/* Whether chunks can be had; soon: when the operations have ended that are running. */
static enum room look_for_chunks(const struct segment *seg)
{
	uint64_t oldest = epoch_oldest(seg);
	enum room room = NO_ROOM;
	for (uint32_t chunk = 0; chunk < seg->n_chunks; chunk++) {
		uint64_t word = load64_relaxed(&seg->chunks[chunk].word);
		uint32_t state = chunk_state(word);
		bool retired = state == SEG_CHUNK_LIMBO;
		if (state == SEG_CHUNK_IDLE || state == SEG_CHUNK_FREE || (retired && chunk_has_passed(word, oldest)))
			return ROOM_NOW;
		if (retired)
			room = ROOM_SOON;
	}
	return room;
}

/*
 * Retired chunks can be had as soon as the operations that are running have ended; on a busy machine one of them may have been put
 * aside by the scheduler. A stopped program must not hold us for long.
 */
static bool wait_for_chunks(const struct segment *seg)
{
	for (uint32_t tries = 0; tries < RECLAIM_TRIES; tries++) {
		enum room room = look_for_chunks(seg);
		if (room != ROOM_SOON)
			return room == ROOM_NOW;
		struct timespec pause = { 0, 200000 };
		nanosleep(&pause, NULL);
	}
	return false;
}

/* The work itself is an operation: chunks that others dissolve must not change under it. */
static void reclaim_chunk(struct lane *lane, uint32_t chunk, uint64_t oldest)
{
	struct segment *seg = lane->seg;
	uint64_t retired = load64_seq(&seg->hints[SEG_HINT_LIMBO * seg->n_hint_words + chunk / 64]);
	bool is_slab = chunk_state(load64_relaxed(&seg->chunks[chunk].word)) == SEG_CHUNK_SLAB;
	if (retired & 1ull << (chunk % 64)) {
		lane_begin(lane, SEG_OP_READ, 0);
		store32_relaxed(&lane->shared->refill_chunk, chunk + 1);
		reap_slab(lane, chunk, oldest);
		store32_relaxed(&lane->shared->refill_chunk, 0);
		lane_end(lane);
	}
	if (is_slab) {
		lane_begin(lane, SEG_OP_READ, 0);
		dissolve_slab(lane, chunk);
		lane_end(lane);
	}
}

bool arena_reclaim_some(struct lane *lane, uint32_t *next, uint64_t until_ns)
{
	uint64_t oldest = epoch_oldest(lane->seg);
	uint32_t chunk = *next, n_chunks = lane->seg->n_chunks;
	while (chunk < n_chunks) {
		reclaim_chunk(lane, chunk++, oldest);
		if (!clock_left(until_ns))
			break;
	}
	*next = chunk < n_chunks ? chunk : 0;
	return *next == 0;
}

void arena_reclaim(struct lane *lane)
{
	uint32_t next = 0;
	(void)arena_reclaim_some(lane, &next, CLOCK_NEVER);
}

void arena_empty_cache(struct lane *lane)
{
	lane_begin(lane, SEG_OP_READ, 0);
	arena_recover(lane, lane->shared, lane->id);
	lane_end(lane);
}

bool arena_make_room(struct lane *lane)
{
	arena_empty_cache(lane);
	arena_reclaim(lane);
	return wait_for_chunks(lane->seg);
}

/* ---------------------------------------------------------------- recovery */

void arena_free_of(struct lane *by, uint32_t ref, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	struct seg_block *block = segment_at(seg, ref, sizeof(*block));
	if (!ref || !block)
		return;
	uint32_t chunk = chunk_of(seg, ref);
	uint64_t chunk_now = load64_acquire(&seg->chunks[chunk].word);
	FAULT("arena.found");
	uint32_t size = (uint32_t)block_size_by(seg, ref, chunk_now);
	if (!size) /* nor is it looked at, which would commit it */
		return;
	uint64_t word = load64_acquire(&block->word);
	if (block_state(word) != SEG_BLOCK_PRIVATE || block_lane(word) != dead_id)
		return;
	if (chunk_state(chunk_now) == SEG_CHUNK_LARGE) {
		store32_relaxed(&seg->chunks[chunk].tags, (uint32_t)block_tag(word));
		if (cas64(&seg->chunks[chunk].word, &chunk_now, chunk_word(SEG_CHUNK_FORMING, 1, by->id)))
			chunk_retire(by, chunk, load32_relaxed(&seg->chunks[chunk].run));
		return;
	}
	struct seg_slab *slab = (struct seg_slab *)chunk_base(seg, chunk);
	uint32_t i = (uint32_t)((uint8_t *)block - (uint8_t *)slab - SEG_SLAB_HEADER) / size;
	store32_relaxed(&by->shared->refill_chunk, chunk + 1);
	fence_compiler();
	if (cas64(&block->word, &word, block_word(SEG_BLOCK_FREE, 0, 0, block_tag(word)))) {
		FAULT("arena.found_freed");
		fetch_or64(&slab->free_bits[i / 64], 1ull << (i % 64));
		set_hint(seg, chunk_class(chunk_now), chunk);
	}
	store32_relaxed(&by->shared->refill_chunk, 0);
}

void arena_free_reserved(struct lane *by, struct seg_lane *of, uint32_t of_id)
{
	for (uint32_t i = 0; i < SEG_RESERVED_REFS; i++) {
		arena_free_of(by, load32_relaxed(&of->reserved[i]), of_id);
		store32_relaxed(&of->reserved[i], 0);
	}
}

static bool is_reserved(const struct seg_lane *lane, uint32_t ref)
{
	for (uint32_t i = 0; i < SEG_RESERVED_REFS; i++)
		if (load32_relaxed(&lane->reserved[i]) == ref)
			return true;
	return false;
}

/* What the lane's hand or cache names may be a ref of long ago, of a block that the lane has reserved since. */
static void free_unless_reserved(struct lane *by, const struct seg_lane *of, uint32_t of_id, uint32_t ref)
{
	if (ref && !is_reserved(of, ref))
		arena_free_of(by, ref, of_id);
}

void arena_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	uint32_t named = load32_relaxed(&dead->refill_chunk);

	if (by->shared != dead) {
		chunk_recover(by, dead_id);
		arena_free_reserved(by, dead, dead_id);
	}
	if (named && named - 1 < seg->n_chunks)
		rescan_slab(by, named - 1, dead_id);
	store32_relaxed(&dead->refill_chunk, 0);
	for (uint32_t i = 0; i < SEG_HAND_REFS; i++) {
		free_unless_reserved(by, dead, dead_id, load32_relaxed(&dead->hand[i]));
		store32_relaxed(&dead->hand[i], 0);
	}
	for (uint32_t c = 0; c < SEG_N_CLASSES; c++) {
		struct seg_cache *cache = &dead->cache[c];
		uint32_t n = load32_relaxed(&cache->n);
		/* One more than n: the lane may have died between the ref and the count. */
		for (uint32_t i = 0; i <= n && i < SEG_CACHE_REFS; i++)
			free_unless_reserved(by, dead, dead_id, load32_relaxed(&cache->refs[i]));
		store32_relaxed(&cache->n, 0);
	}
}

/* ---------------------------------------------------------------- accounts */

static void count_slab(const struct segment *seg, uint32_t chunk, struct arena_stats *stats)
{
	struct slab slab;
	if (!slab_at(seg, chunk, &slab))
		return;
	for (uint32_t i = 0; i < slab.n_blocks; i++) {
		if (block_state(load64_relaxed(&nth_block(&slab, i)->word)) == SEG_BLOCK_FREE)
			continue;
		stats->used_bytes += slab.size;
		stats->n_blocks++;
	}
}

void arena_stats(const struct segment *seg, struct arena_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->limit_bytes = (uint64_t)seg->n_chunks << SEG_CHUNK_SHIFT;
	for (uint32_t i = 0; i < seg->n_chunks; i++) {
		uint32_t state = chunk_state(load64_acquire(&seg->chunks[i].word));
		if (state != SEG_CHUNK_FREE)
			stats->committed_bytes += SEG_CHUNK_SIZE;
		if (state == SEG_CHUNK_SLAB)
			count_slab(seg, i, stats);
		if (state == SEG_CHUNK_LARGE || state == SEG_CHUNK_RUN)
			stats->used_bytes += SEG_CHUNK_SIZE;
		stats->n_blocks += state == SEG_CHUNK_LARGE;
		stats->n_chunks_used += state == SEG_CHUNK_SLAB || state == SEG_CHUNK_LARGE || state == SEG_CHUNK_RUN;
	}
}
