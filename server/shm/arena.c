/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks. A slab is a chunk cut into blocks of one size class; larger blocks are runs of chunks (chunk.c).
 *
 *   FREE ──CAS──► PRIVATE(lane) ──► LIVE(object) ──► PRIVATE(lane) ──► FREE
 *                     └──────────── limbo: retired until its epoch has passed ──┘
 *
 * The word in front of a block is the truth about it; bitmaps, hints and caches only lead to words quickly. So every
 * step may be the last one of its process: a block that is FREE without its bit, or PRIVATE without being in the cache, is
 * found by looking at the one slab that the lane had named in `refill_chunk`, at its cache and at its hand.
 */
#include "server/shm/arena.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/shm/chunk.h"

/* Multiples of 64 that waste little of a chunk's 258,048 bytes. */
static const uint32_t class_size[SEG_N_CLASSES] = {
	64,   128,  192,  256,  320,  384,   512,   640,   768,   1024,  1280,  1536,  2048,  2560,
	3072, 4160, 5120, 6144, 8320, 10752, 12864, 16128, 21504, 25792, 32256, 36864, 64512, 86016,
};

#define SLAB_ROOM (SEG_CHUNK_SIZE - SEG_SLAB_HEADER)

uint64_t arena_max_block(const struct segment *seg)
{
	uint64_t limit = (uint64_t)seg->n_chunks << SEG_CHUNK_SHIFT;
	return (limit > UINT32_MAX ? UINT32_MAX : limit) - sizeof(struct seg_block);
}

static uint32_t class_of(uint64_t size)
{
	uint32_t low = 0, high = SEG_N_CLASSES;
	if (size <= 384)
		return (uint32_t)((size + 63) / 64 - 1);
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (class_size[mid] < size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* How many blocks of a class a lane keeps, and how many it moves at once. */
static uint32_t cache_room(uint32_t class_index)
{
	uint32_t n = 16384 / class_size[class_index];
	return n > SEG_CACHE_REFS ? SEG_CACHE_REFS : n < 2 ? 2 : n;
}

static struct seg_slab *slab_of(const struct segment *seg, uint32_t chunk)
{
	return (struct seg_slab *)chunk_base(seg, chunk);
}

static struct seg_block *slab_block(const struct segment *seg, uint32_t chunk, uint32_t class_index, uint32_t i)
{
	return (struct seg_block *)(chunk_base(seg, chunk) + SEG_SLAB_HEADER + (uint64_t)i * class_size[class_index]);
}

static uint64_t *hint_word(const struct segment *seg, uint32_t row, uint32_t chunk)
{
	return &seg->hints[row * seg->n_hint_words + chunk / 64];
}

static void hint_set(const struct segment *seg, uint32_t row, uint32_t chunk)
{
	uint64_t *word = hint_word(seg, row, chunk);
	uint64_t bit = 1ull << (chunk % 64);
	if (!(load64_seq(word) & bit))
		fetch_or64(word, bit);
}

static void hint_clear(const struct segment *seg, uint32_t row, uint32_t chunk)
{
	fetch_and64(hint_word(seg, row, chunk), ~(1ull << (chunk % 64)));
}

/* The class of the slab in a chunk, by its word, or SEG_N_CLASSES if it is none. */
static uint32_t class_by(uint64_t word)
{
	return chunk_state(word) == SEG_CHUNK_SLAB && chunk_class(word) < SEG_N_CLASSES ? chunk_class(word)
											: SEG_N_CLASSES;
}

static uint32_t slab_class(const struct segment *seg, uint32_t chunk)
{
	return class_by(load64_acquire(&seg->chunks[chunk].word));
}

static void set_refill(struct lane *lane, uint32_t chunk_plus_1)
{
	fence_compiler();
	record32(&lane->shared->refill_chunk, chunk_plus_1);
	fence_compiler();
}

/* ---------------------------------------------------------------- out of a slab */

static void cache_push(struct lane *lane, uint32_t class_index, uint32_t ref)
{
	struct seg_cache *cache = &lane->shared->cache[class_index];
	uint32_t n = load32_relaxed(&cache->n);
	if (n >= SEG_CACHE_REFS)
		return; /* written over just now; the block is the lane's until that ends */
	store32_relaxed(&cache->refs[n], ref);
	fence_compiler();
	store32_relaxed(&cache->n, n + 1);
}

static bool claim_block(uint32_t lane_id, struct seg_block *block)
{
	uint64_t word = load64_relaxed(&block->word);
	return block_state(word) == SEG_BLOCK_FREE &&
	       cas64(&block->word, &word, block_word(SEG_BLOCK_PRIVATE, lane_id, 0, block_tag(word)));
}

/* The lowest n bits that are set. */
static uint64_t lowest_bits(uint64_t bits, uint32_t n)
{
	uint64_t rest = bits;
	while (rest && n--)
		rest &= rest - 1;
	return bits & ~rest;
}

/* Takes up to `want` free blocks of one word of a slab's bits into the cache; returns how many. */
static uint32_t take_word(struct lane *lane, uint32_t chunk, uint32_t class_index, uint32_t w, uint32_t want)
{
	uint64_t *free_bits = &slab_of(lane->seg, chunk)->free_bits[w];
	struct seg_block *first = slab_block(lane->seg, chunk, class_index, w * 64);
	uint32_t size = class_size[class_index], taken = 0;
	uint32_t n_blocks = SLAB_ROOM / size - w * 64;
	uint64_t grab = load64_seq(free_bits);
	if (n_blocks < 64)
		grab &= (1ull << n_blocks) - 1;
	grab = lowest_bits(grab, want);
	if (!grab)
		return 0;
	grab &= fetch_and64(free_bits, ~grab);
	FAULT("arena.bits_taken");
	for (uint64_t rest = grab; rest; rest &= rest - 1)
		prefetch_write((uint8_t *)first + (uint32_t)__builtin_ctzll(rest) * size);
	for (const uint32_t me = lane->id, ref = segment_ref(lane->seg, first); grab; grab &= grab - 1) {
		uint32_t distance = (uint32_t)__builtin_ctzll(grab) * size;
		if (!claim_block(me, (struct seg_block *)((uint8_t *)first + distance)))
			continue;
		FAULT("arena.block_claimed");
		cache_push(lane, class_index, ref + (distance >> SEG_REF_SHIFT));
		taken++;
	}
	return taken;
}

/* Moves up to `want` free blocks of the slab into the cache; returns how many. */
static uint32_t take_from_slab(struct lane *lane, uint32_t chunk, uint32_t class_index, uint32_t want)
{
	struct seg_slab *slab = slab_of(lane->seg, chunk);
	uint32_t n_blocks = SLAB_ROOM / class_size[class_index];
	uint32_t n_words = (n_blocks + 63) / 64;
	uint32_t w = lane->slab_word[class_index] % n_words;
	uint32_t taken = 0;

	set_refill(lane, chunk + 1);
	for (uint32_t k = 0; k < n_words && taken < want; k++) {
		taken += take_word(lane, chunk, class_index, w, want - taken);
		lane->slab_word[class_index] = (uint8_t)w;
		w = w + 1 < n_words ? w + 1 : 0;
	}
	if (!taken) {
		/* Off the list; but a block that was freed meanwhile must not be lost with it. */
		hint_clear(lane->seg, class_index, chunk);
		for (w = 0; w < n_words; w++)
			if (load64_seq(&slab->free_bits[w]))
				hint_set(lane->seg, class_index, chunk);
	}
	set_refill(lane, 0);
	return taken;
}

static enum sabir_error form_slab(struct lane *lane, uint32_t class_index, uint32_t *chunk)
{
	struct segment *seg = lane->seg;
	uint32_t n_blocks = SLAB_ROOM / class_size[class_index];
	uint32_t made;
	enum sabir_error error = chunk_claim(lane, 1, &made);
	if (error)
		return error;
	struct seg_slab *slab = slab_of(seg, made);
	memset(slab, 0, sizeof(*slab));
	slab->class_index = class_index;
	slab->n_blocks = n_blocks;
	uint64_t tags = load32_relaxed(&seg->chunks[made].tags);
	for (uint32_t i = 0; i < n_blocks; i++) {
		slab_block(seg, made, class_index, i)->word = block_word(SEG_BLOCK_FREE, 0, 0, tags);
		slab->free_bits[i / 64] |= 1ull << (i % 64);
	}
	FAULT("arena.slab_formed");
	store64_release(&seg->chunks[made].word, chunk_word(SEG_CHUNK_SLAB, class_index, 0));
	FAULT("arena.slab_published");
	hint_set(seg, class_index, made);
	*chunk = made;
	return SABIR_OK;
}

/* From the slab used last, else from any other that has free blocks, else from a new one. */
static enum sabir_error refill(struct lane *lane, uint32_t class_index)
{
	struct segment *seg = lane->seg;
	uint32_t want = (cache_room(class_index) + 1) / 2;
	uint32_t chunk = load32_relaxed(&lane->shared->slab[class_index]) - 1;
	enum sabir_error error;

	if (chunk < seg->n_chunks && slab_class(seg, chunk) == class_index &&
	    take_from_slab(lane, chunk, class_index, want))
		return SABIR_OK;
	for (uint32_t w = 0; w < seg->n_hint_words; w++) {
		uint64_t bits = load64_relaxed(&seg->hints[class_index * seg->n_hint_words + w]);
		for (; bits; bits &= bits - 1) {
			chunk = w * 64 + (uint32_t)__builtin_ctzll(bits);
			if (chunk >= seg->n_chunks)
				break;
			if (slab_class(seg, chunk) != class_index) {
				hint_clear(seg, class_index, chunk);
				if (slab_class(seg, chunk) == class_index)
					hint_set(seg, class_index, chunk);
				continue;
			}
			store32_relaxed(&lane->shared->slab[class_index], chunk + 1);
			if (take_from_slab(lane, chunk, class_index, want))
				return SABIR_OK;
		}
	}
	/* Others may take all of a new one. There are no more of them than chunks, unless somebody writes over their words. */
	for (uint32_t n = 0; n < seg->n_chunks; n++) {
		error = form_slab(lane, class_index, &chunk);
		if (error)
			return error;
		store32_relaxed(&lane->shared->slab[class_index], chunk + 1);
		if (take_from_slab(lane, chunk, class_index, want))
			return SABIR_OK;
	}
	return SABIR_DATA_LOSS;
}

/* ---------------------------------------------------------------- into a slab */

/* Blocks of one slab that are being freed; bits of one word are set together. */
struct slab_batch {
	struct seg_slab *slab; /* NULL: none yet */
	uint32_t chunk;
	uint32_t class_index;
	uint32_t n_blocks;
	uint32_t word;
	uint64_t bits;
};

static void set_bits(const struct segment *seg, struct slab_batch *batch)
{
	if (!batch->bits)
		return;
	fetch_or64(&batch->slab->free_bits[batch->word], batch->bits);
	FAULT("arena.bits_set");
	hint_set(seg, batch->class_index, batch->chunk);
	batch->bits = 0;
}

/* The batch goes on to the slab in a chunk. False: there is none of the class. */
static bool batch_turn(struct lane *lane, uint32_t chunk, struct slab_batch *batch)
{
	if (slab_class(lane->seg, chunk) != batch->class_index)
		return false;
	set_bits(lane->seg, batch);
	set_refill(lane, chunk + 1);
	batch->slab = slab_of(lane->seg, chunk);
	batch->chunk = chunk;
	return true;
}

/*
 * A block of the lane's cache becomes FREE, and its bit joins the batch. No compare-and-swap is needed: nobody else may change a
 * word that is PRIVATE to us.
 */
static void put_into_slab(struct lane *lane, uint32_t ref, struct slab_batch *batch)
{
	const struct segment *seg = lane->seg;
	struct seg_block *block = segment_at(seg, ref, sizeof(*block));
	if (!block)
		return;
	uint32_t chunk = chunk_of(seg, ref);
	if ((chunk != batch->chunk || !batch->slab) && !batch_turn(lane, chunk, batch))
		return;
	uint64_t word = load64_acquire(&block->word);
	uint32_t distance = (uint32_t)((uint8_t *)block - (uint8_t *)batch->slab) - SEG_SLAB_HEADER;
	uint32_t i = distance / class_size[batch->class_index];
	/* What looks like a block's word inside one is none. */
	bool begins = (uint64_t)i * class_size[batch->class_index] == distance && i < batch->n_blocks;
	if (block_state(word) != SEG_BLOCK_PRIVATE || block_lane(word) != lane->id || !begins)
		return;
	if (batch->word != i / 64)
		set_bits(seg, batch);
	batch->word = i / 64;
	batch->bits |= 1ull << (i % 64);
	store64_release(&block->word, block_word(SEG_BLOCK_FREE, 0, 0, block_tag(word)));
	FAULT("arena.block_freed");
}

/* Returns half of a full cache. */
static void flush_half(struct lane *lane, uint32_t class_index)
{
	struct seg_cache *cache = &lane->shared->cache[class_index];
	struct slab_batch batch = { .class_index = class_index, .n_blocks = SLAB_ROOM / class_size[class_index] };
	uint32_t n = load32_relaxed(&cache->n);
	if (n > SEG_CACHE_REFS)
		n = SEG_CACHE_REFS;
	uint32_t keep = n / 2;
	while (n > keep) {
		put_into_slab(lane, load32_relaxed(&cache->refs[n - 1]), &batch);
		store32_relaxed(&cache->n, --n);
		fence_compiler();
	}
	set_bits(lane->seg, &batch);
	set_refill(lane, 0);
}

/* ---------------------------------------------------------------- large blocks */

static enum sabir_error large_alloc(struct lane *lane, uint64_t size, uint32_t hand_slot, struct seg_block **block)
{
	struct segment *seg = lane->seg;
	uint64_t n = (size + SEG_CHUNK_SIZE - 1) >> SEG_CHUNK_SHIFT;
	uint32_t first;
	if (size > (uint64_t)seg->n_chunks << SEG_CHUNK_SHIFT)
		return SABIR_RESOURCE_EXHAUSTED;
	enum sabir_error error = chunk_claim(lane, (uint32_t)n, &first);
	if (error)
		return error;
	struct seg_block *made = (struct seg_block *)chunk_base(seg, first);
	made->word = block_word(SEG_BLOCK_PRIVATE, lane->id, 0, load32_relaxed(&seg->chunks[first].tags) + 1ull);
	record32(&lane->shared->hand[hand_slot], segment_ref(seg, made));
	store32_relaxed(&seg->chunks[first].run, (uint32_t)n);
	for (uint32_t distance = 1; distance < n; distance++) {
		store32_relaxed(&seg->chunks[first + distance].run, distance);
		store64_release(&seg->chunks[first + distance].word, chunk_word(SEG_CHUNK_RUN, 0, lane->id));
		FAULT("arena.run_marked");
	}
	store64_release(&seg->chunks[first].word, chunk_word(SEG_CHUNK_LARGE, 0, 0));
	FAULT("arena.large_formed");
	*block = made;
	return SABIR_OK;
}

static void large_free(struct lane *lane, uint32_t chunk)
{
	struct seg_chunk *c = &lane->seg->chunks[chunk];
	uint64_t word = load64_acquire(&c->word);
	uint32_t n = load32_relaxed(&c->run);
	if (chunk_state(word) != SEG_CHUNK_LARGE || n == 0 || n > lane->seg->n_chunks - chunk)
		return;
	const struct seg_block *block = (const struct seg_block *)chunk_base(lane->seg, chunk);
	store32_relaxed(&c->tags, (uint32_t)block_tag(load64_relaxed(&block->word)));
	/* The class field says that it is committed. */
	if (!cas64(&c->word, &word, chunk_word(SEG_CHUNK_FORMING, 1, lane->id)))
		return;
	FAULT("arena.large_unmaking");
	chunk_retire(lane, chunk, n);
}

/* ---------------------------------------------------------------- the interface */

enum sabir_error block_alloc(struct lane *lane, uint64_t size, uint32_t hand_slot, struct seg_block **block)
{
	uint32_t class_index = class_of(size);
	if (class_index == SEG_N_CLASSES)
		return large_alloc(lane, size, hand_slot, block);

	struct seg_cache *cache = &lane->shared->cache[class_index];
	struct seg_block *made = NULL;
	uint64_t tag;
	for (uint32_t n = 0; !made && n <= SEG_CACHE_REFS; n++) {
		if (load32_relaxed(&cache->n) - 1 >= SEG_CACHE_REFS) {
			store32_relaxed(&cache->n, 0);
			enum sabir_error error = refill(lane, class_index);
			if (error)
				return error;
		}
		made = cache_take(lane, class_index, class_size[class_index], hand_slot, &tag);
	}
	if (!made)
		return SABIR_DATA_LOSS;
	*block = made;
	return SABIR_OK;
}

enum sabir_error block_alloc_zeroed(struct lane *lane, uint64_t head, uint64_t more, uint32_t hand_slot,
				    struct seg_block **block)
{
	struct seg_block *made;
	enum sabir_error error = block_alloc(lane, head + more, hand_slot, &made);
	if (error)
		return error;
	memset((uint8_t *)made + sizeof(made->word), 0, head - sizeof(made->word));
	made->len = (uint32_t)(head + more - sizeof(*made));
	*block = made;
	return SABIR_OK;
}

enum sabir_error block_reserve(struct lane *lane, uint64_t size, uint32_t hand_slot, uint32_t *place,
			       struct seg_block **block)
{
	uint32_t *reserved = lane->shared->reserved;
	uint32_t k = 0;
	while (k < SEG_RESERVED_REFS && load32_relaxed(&reserved[k]))
		k++;
	if (k == SEG_RESERVED_REFS)
		return SABIR_TOO_MANY_REQUESTS;
	enum sabir_error error = block_alloc(lane, size, hand_slot, block);
	if (error)
		return error;
	store32_relaxed(&reserved[k], segment_ref(lane->seg, *block));
	fence_compiler();
	FAULT("arena.reserved");
	/* What makes room empties the hand. */
	record32(&lane->shared->hand[hand_slot], 0);
	*place = k;
	return SABIR_OK;
}

void block_unreserve(struct lane *lane, uint32_t place, uint32_t hand_slot)
{
	uint32_t *reserved = &lane->shared->reserved[place];
	record32(&lane->shared->hand[hand_slot], load32_relaxed(reserved));
	fence_compiler();
	FAULT("arena.unreserving");
	store32_relaxed(reserved, 0);
	fence_compiler();
}

static void clear_hand(struct lane *lane, uint32_t ref)
{
	uint32_t *hand = lane->shared->hand;
	fence_compiler();
	/* Behind each block that is freed: as a loop it takes as long as the freeing. */
#pragma GCC unroll 6
	for (uint32_t i = 0; LANE_RECORDS && i < SEG_HAND_REFS; i++)
		if (load32_relaxed(&hand[i]) == ref)
			store32_relaxed(&hand[i], 0);
}

void block_free(struct lane *lane, struct seg_block *block)
{
	uint32_t ref = segment_ref(lane->seg, block);
	uint32_t chunk = chunk_of(lane->seg, ref);
	uint32_t class_index = slab_class(lane->seg, chunk);

	if (class_index == SEG_N_CLASSES) {
		large_free(lane, chunk);
	} else {
		if (load32_relaxed(&lane->shared->cache[class_index].n) >= cache_room(class_index))
			flush_half(lane, class_index);
		cache_push(lane, class_index, ref);
	}
	FAULT("arena.freed");
	clear_hand(lane, ref);
}

static void raise_limbo_epoch(struct seg_slab *slab, uint32_t w, uint64_t epoch)
{
	uint64_t seen = load64_relaxed(&slab->limbo_epoch[w]);
	while (seen < epoch && !cas64(&slab->limbo_epoch[w], &seen, epoch))
		;
}

void block_retire(struct lane *lane, struct seg_block *block)
{
	struct segment *seg = lane->seg;
	uint32_t ref = segment_ref(seg, block);
	uint32_t chunk = chunk_of(seg, ref);
	uint64_t word = load64_acquire(&seg->chunks[chunk].word);
	FAULT("arena.retiring");
	uint64_t size = block_size_by(seg, ref, word);

	if (size && chunk_state(word) == SEG_CHUNK_LARGE) {
		large_free(lane, chunk); /* its chunks go to limbo */
	} else if (size) {
		uint32_t i = (uint32_t)((uint8_t *)block - chunk_base(seg, chunk) - SEG_SLAB_HEADER) / (uint32_t)size;
		uint64_t tag = block_tag(load64_relaxed(&block->word));
		set_refill(lane, chunk + 1);
		/* In the slab, not in the block: whoever is reading that must find it as it was. */
		raise_limbo_epoch(slab_of(seg, chunk), i / 64, epoch_retire(seg));
		store64_release(&block->word, block_word(SEG_BLOCK_LIVE, 0, SEG_OBJECT_LIMBO, tag));
		FAULT("arena.retired");
		fetch_or64(&slab_of(seg, chunk)->limbo_bits[i / 64], 1ull << (i % 64));
		FAULT("arena.limbo_bit_set");
		hint_set(seg, SEG_HINT_LIMBO, chunk);
		set_refill(lane, 0);
	}
	clear_hand(lane, ref);
}

uint64_t block_size(const struct segment *seg, uint32_t ref)
{
	uint64_t off = (uint64_t)ref << SEG_REF_SHIFT;
	if (off < seg->data_off || off >= seg->size)
		return 0;
	return block_size_by(seg, ref, load64_acquire(&seg->chunks[chunk_of(seg, ref)].word));
}

uint64_t block_size_by(const struct segment *seg, uint32_t ref, uint64_t chunk_word)
{
	uint32_t chunk = chunk_of(seg, ref);
	uint64_t inside = (((uint64_t)ref << SEG_REF_SHIFT) - seg->data_off) & (SEG_CHUNK_SIZE - 1);
	if (chunk_state(chunk_word) == SEG_CHUNK_LARGE && inside == 0) {
		uint32_t n = load32_relaxed(&seg->chunks[chunk].run);
		return n <= seg->n_chunks - chunk ? (uint64_t)n << SEG_CHUNK_SHIFT : 0;
	}
	uint32_t class_index = class_by(chunk_word);
	if (class_index == SEG_N_CLASSES || inside < SEG_SLAB_HEADER)
		return 0;
	uint32_t size = class_size[class_index];
	uint32_t i = (uint32_t)(inside - SEG_SLAB_HEADER) / size;
	return (uint64_t)i * size == inside - SEG_SLAB_HEADER && i < SLAB_ROOM / size ? size : 0;
}

const struct seg_block *block_around(const struct segment *seg, uint64_t off)
{
	uint32_t chunk = (uint32_t)((off - seg->data_off) >> SEG_CHUNK_SHIFT);
	uint64_t inside = (off - seg->data_off) & (SEG_CHUNK_SIZE - 1);
	if (chunk >= seg->n_chunks)
		return NULL;
	uint64_t word = load64_acquire(&seg->chunks[chunk].word);
	if (chunk_state(word) == SEG_CHUNK_RUN) {
		uint32_t distance = load32_relaxed(&seg->chunks[chunk].run);
		if (distance > chunk)
			return NULL;
		chunk -= distance;
		word = load64_acquire(&seg->chunks[chunk].word);
		inside = 0;
	}
	if (chunk_state(word) == SEG_CHUNK_LARGE)
		return (const struct seg_block *)chunk_base(seg, chunk);
	uint32_t class_index = class_by(word);
	if (class_index == SEG_N_CLASSES || inside < SEG_SLAB_HEADER)
		return NULL;
	uint32_t i = (uint32_t)(inside - SEG_SLAB_HEADER) / class_size[class_index];
	return i < SLAB_ROOM / class_size[class_index] ? slab_block(seg, chunk, class_index, i) : NULL;
}
