/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_ARENA_H
#define SABIR_SHM_ARENA_H

#include "server/base/fault.h"
#include "server/shm/chunk.h"

/*
 * Blocks of the data area. A block's first eight bytes are its word (layout.h); all else is its user's.
 *
 * Life of a block: block_alloc gives it to the lane as PRIVATE. The user fills it, records it where its recovery finds it
 * (lane->shared->hand, a chain, an object), makes it LIVE with block_publish and then reachable. When it is out of reach
 * again its remover makes it PRIVATE with block_retract and frees it. A lane that dies has freed what is PRIVATE to it and
 * in its cache or its hand.
 */

/* The largest payload (bytes behind the 16-byte block header) that any block can have: SABIR_TOO_LARGE above it. */
uint64_t arena_max_block(const struct segment *seg);

/*
 * A block of at least `size` bytes, header included, 64-byte aligned, PRIVATE to the lane, its content undefined. The
 * block is in hand[hand_slot] when this returns. Errors: RESOURCE_EXHAUSTED.
 */
enum sabir_error block_alloc(struct lane *lane, uint64_t size, uint32_t hand_slot, struct seg_block **block);
/*
 * The same for `head` bytes, header included, that are zero but for the word, and `more` undefined ones behind them. The
 * header's `len` is what is behind the header.
 */
enum sabir_error block_alloc_zeroed(struct lane *lane, uint64_t head, uint64_t more, uint32_t hand_slot,
				    struct seg_block **block);
/*
 * The same, for a block that the lane has beyond this operation, however many others it begins: its ref is in
 * reserved[*place] and no longer in the hand. Errors: also TOO_MANY_REQUESTS (SEG_RESERVED_REFS are reserved already).
 */
enum sabir_error block_reserve(struct lane *lane, uint64_t size, uint32_t hand_slot, uint32_t *place,
			       struct seg_block **block);
/* A reserved block is in the hand again, to be freed or kept as any other. */
void block_unreserve(struct lane *lane, uint32_t place, uint32_t hand_slot);
/* Frees a block that is PRIVATE to the lane; a slot of its hand that names it is cleared afterwards. */
void block_free(struct lane *lane, struct seg_block *block);
/* The same for memory that others may still be reading without validation: it is reused only when the epoch has passed. */
void block_retire(struct lane *lane, struct seg_block *block);
/* Bytes that the block really has, header included; 0 for a ref that is not the start of a block: a check of untrusted refs. */
uint64_t block_size(const struct segment *seg, uint32_t ref);
/*
 * The same by its chunk's word, as the caller has read it: so that what is done next is done by the word that was checked, whatever
 * somebody writes there meanwhile. The ref has passed segment_at.
 */
uint64_t block_size_by(const struct segment *seg, uint32_t ref, uint64_t chunk_word);

/* The block in which the offset lies, which is in the data area; NULL: it lies in none. */
const struct seg_block *block_around(const struct segment *seg, uint64_t off);

static inline uint64_t block_word(uint32_t state, uint32_t lane, uint32_t object, uint64_t tag)
{
	return state | (uint64_t)lane << 2 | (uint64_t)object << 16 | tag << 34;
}
static inline uint32_t block_state(uint64_t word)
{
	return word & 3;
}
static inline uint32_t block_lane(uint64_t word)
{
	return (word >> 2) & 0x3fff;
}
static inline uint32_t block_object(uint64_t word)
{
	return (word >> 16) & 0x3ffff;
}
static inline uint64_t block_tag(uint64_t word)
{
	return word >> 34;
}
static inline bool block_is_private(uint64_t word, uint32_t lane)
{
	return (uint16_t)word == (uint16_t)block_word(SEG_BLOCK_PRIVATE, lane, 0, 0);
}
static inline bool block_word_is_of(uint64_t word, uint32_t object)
{
	return block_state(word) == SEG_BLOCK_LIVE && block_object(word) == object;
}
/* Whether it is LIVE and part of `object` (index); then what its publisher wrote before is visible. Pairs with block_publish. */
static inline bool block_is_of(const struct seg_block *block, uint32_t object)
{
	return block_word_is_of(load64_acquire(&block->word), object);
}

/*
 * Whether a block that is PRIVATE by its word is just being made part of the object: its maker works on that, and has it in his hand until
 * he has published it. Of what is linked first.
 */
static inline bool block_is_joining(const struct segment *seg, uint32_t ref, uint64_t word, uint32_t object,
				    uint32_t hand_slot)
{
	uint32_t id = block_lane(word);
	if (block_state(word) != SEG_BLOCK_PRIVATE || id == 0 || id > seg->n_lanes)
		return false;
	const struct seg_lane *maker = &seg->lanes[id - 1];
	return !LANE_RECORDS ||
	       (load32_relaxed(&maker->object) == object && load32_relaxed(&maker->hand[hand_slot]) == ref);
}

/* The block that is allocated next was last used by another processor, mostly. */
static inline void block_prefetch(const struct segment *seg, uint32_t ref)
{
	const uint8_t *at = seg->base + ((uint64_t)ref << SEG_REF_SHIFT);
	prefetch_write(at);
	prefetch_write(at + SEG_LINE);
}

/*
 * The step of block_alloc that takes a block of a class out of the lane's cache, and its tag; NULL: there is none, or it is not
 * the lane's, and is there no more. Who frees twice, led astray by somebody who writes over his record, gives it to one user alone.
 */
static inline struct seg_block *cache_take(struct lane *lane, uint32_t class_index, uint32_t size, uint32_t hand_slot,
					   uint64_t *tag)
{
	const struct segment *seg = lane->seg;
	struct seg_lane *shared = lane->shared;
	struct seg_cache *cache = &shared->cache[class_index];
	uint32_t n = load32_relaxed(&cache->n);
	if (n - 1 >= SEG_CACHE_REFS)
		return NULL;
	uint32_t ref = load32_relaxed(&cache->refs[n - 1]);
	struct seg_block *made = segment_at(seg, ref, size);
	uint64_t word = made ? load64_relaxed(&made->word) : 0;
	uint64_t chunk = made ? load64_relaxed(&seg->chunks[chunk_of(seg, ref)].word) : 0;
	/* Of another class it may be too small: its user would write over what is behind it. */
	bool fits = chunk_state(chunk) == SEG_CHUNK_SLAB && chunk_class(chunk) == class_index;
	if (__builtin_expect(!fits || !block_is_private(word, lane->id), 0)) {
		store32_relaxed(&cache->n, n - 1);
		return NULL;
	}
	record32(&shared->hand[hand_slot], ref);
	fence_compiler();
	store32_relaxed(&cache->n, n - 1);
	*tag = block_tag(word) + 1; /* what it has too many bits falls off in the word */
	store64_relaxed(&made->word, block_word(SEG_BLOCK_PRIVATE, lane->id, 0, *tag));
	/* Who reads the new content must not find the old word still there. */
	fence_release();
	if (n > 1)
		block_prefetch(seg, load32_relaxed(&cache->refs[n - 2]));
	FAULT("arena.allocated");
	return made;
}

/* Blocks up to this size are all of classes by 64 bytes, of which a lane keeps as many as its cache has room for. */
#define BLOCK_SMALL 384u
static inline uint32_t block_small_class(uint32_t size)
{
	return (size + 63) / 64 - 1;
}

/* block_free for a block that is in hand[hand_slot], where it is small and the cache has room; false: it did nothing. */
static inline bool cache_give(struct lane *lane, uint32_t ref, uint32_t hand_slot)
{
	const struct segment *seg = lane->seg;
	struct seg_lane *shared = lane->shared;
	uint64_t chunk = load64_acquire(&seg->chunks[chunk_of(seg, ref)].word);
	uint32_t class_index = chunk_class(chunk);
	if (chunk_state(chunk) != SEG_CHUNK_SLAB || class_index > block_small_class(BLOCK_SMALL))
		return false;
	struct seg_cache *cache = &shared->cache[class_index];
	uint32_t n = load32_relaxed(&cache->n);
	if (n >= SEG_CACHE_REFS)
		return false;
	store32_relaxed(&cache->refs[n], ref);
	fence_compiler();
	store32_relaxed(&cache->n, n + 1);
	FAULT("arena.freed");
	record32(&shared->hand[hand_slot], 0);
	return true;
}

/* PRIVATE -> LIVE, part of `object` (index). Returns the new word. */
static inline uint64_t block_publish(struct seg_block *block, uint32_t object)
{
	uint64_t word = block_word(SEG_BLOCK_LIVE, 0, object, block_tag(load64_relaxed(&block->word)));
	store64_release(&block->word, word);
	return word;
}
/* LIVE -> PRIVATE to the lane; only by who alone may remove the block (under the object's lock, or by a claim). */
static inline void block_retract(struct lane *lane, struct seg_block *block)
{
	store64_release(&block->word,
			block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(load64_relaxed(&block->word))));
}

/*
 * Makes retired blocks free whose epoch has passed, and slabs without a used block into free chunks, from chunk *next on:
 * until the time until_ns, but of one chunk at least. *next is then where to go on. True: it has come to the end, and *next
 * is 0 again. Outside operations.
 */
bool arena_reclaim_some(struct lane *lane, uint32_t *next, uint64_t until_ns);
/* The same for all chunks. */
void arena_reclaim(struct lane *lane);
/* A block in a lane's cache keeps its whole slab: for a lane that may not be used for long. Outside operations. */
void arena_empty_cache(struct lane *lane);
/*
 * Both, and waits (at most 0.1 s) until a chunk can be had. Who is answered RESOURCE_EXHAUSTED calls it, outside operations,
 * and tries once more if it is true.
 */
bool arena_make_room(struct lane *lane);
/*
 * Gives free chunks back to the kernel, but keeps `keep_chunks` committed ones: until the time until_ns, but one at least.
 * False: there are more. The server does it now and then, after it has reclaimed.
 */
bool arena_trim(struct lane *lane, uint32_t keep_chunks, uint64_t until_ns);

struct arena_stats {
	uint64_t limit_bytes;
	uint64_t committed_bytes;
	uint64_t used_bytes; /* blocks that are not free, lanes' caches included */
	uint64_t n_blocks;
	uint32_t n_chunks_used;
};
/* Counts by looking at everything: for operators and tests. */
void arena_stats(const struct segment *seg, struct arena_stats *stats);

/* Frees a block that is PRIVATE to a dead lane; nothing happens if it is not. */
void arena_free_of(struct lane *by, uint32_t ref, uint32_t dead_id);
/*
 * Frees all that a dead lane had in its cache and its hand, and every chunk that it was forming; what it had reserved, too.
 * Of a lane that lives, for itself (by->shared is `dead`), what it has reserved stays. Idempotent.
 */
void arena_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id);
/* Frees what a lane had reserved: a dead one, or one that is closed. Idempotent. */
void arena_free_reserved(struct lane *by, struct seg_lane *of, uint32_t of_id);

#endif
