/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk's word that somebody writes over while a lane is about to work by it: what was checked is what is done, and nothing is
 * written outside of the chunk and of the hints.
 */
#include "server/shm/test_kit.h"

static struct segment seg;
static struct lane lane;

static int setup(void)
{
	if (kit_segment(16 << 20, &seg))
		return -1;
	lane = kit_lane(&seg);
	return 0;
}

static int teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

/* The word that a chunk gets at a step. */
struct turn {
	const char *step;
	struct seg_chunk *chunk;
	uint64_t word;
};

static void at_step(const char *step, void *context)
{
	const struct turn *turn = context;
	if (!strcmp(step, turn->step))
		store64_seq(&turn->chunk->word, turn->word);
}

static struct seg_block *alloc(uint64_t size)
{
	struct seg_block *block = NULL;
	lane_begin(&lane, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, size, 0, &block), SABIR_OK);
	store32_relaxed(&lane.shared->hand[0], 0);
	lane_end(&lane);
	return block;
}

static struct seg_chunk *chunk_at(const struct seg_block *block)
{
	return &seg.chunks[chunk_of(&seg, segment_ref(&seg, block))];
}

static void release(struct seg_block *block)
{
	lane_begin(&lane, SEG_OP_READ, 0);
	block_free(&lane, block);
	lane_end(&lane);
}

/* As a slab's it would stand in front of all blocks. */
static void a_large_block_that_is_a_slab_for_a_moment_is_not_retired(void)
{
	struct seg_block *large = alloc(300000);
	struct seg_chunk *chunk = chunk_at(large);
	struct turn turn = { "arena.retiring", chunk, chunk->word };
	chunk->word = chunk_word(SEG_CHUNK_SLAB, 0, 0);
	lane_begin(&lane, SEG_OP_READ, 0);
	fault_trace(at_step, &turn);
	block_retire(&lane, large);
	fault_trace(NULL, NULL);
	lane_end(&lane);
	CU_ASSERT(chunk->word == turn.word && block_state(large->word) == SEG_BLOCK_PRIVATE);
	release(large);
}

static void a_large_block_that_becomes_a_slab_is_not_freed_as_one_of_its_blocks(void)
{
	struct seg_block *large = alloc(300000);
	struct seg_chunk *chunk = chunk_at(large);
	uint64_t word = chunk->word;
	struct turn turn = { "arena.found", chunk, chunk_word(SEG_CHUNK_SLAB, 0, 0) };
	lane_begin(&lane, SEG_OP_READ, 0);
	fault_trace(at_step, &turn);
	arena_free_of(&lane, segment_ref(&seg, large), lane.id);
	fault_trace(NULL, NULL);
	lane_end(&lane);
	CU_ASSERT_EQUAL(block_state(large->word), SEG_BLOCK_PRIVATE);
	chunk->word = word;
	release(large);
}

/* Behind the hints of all classes stands the ready set: its first word is this row. */
static uint32_t row_of_ready(void)
{
	return (uint32_t)(seg.ready - seg.hints) / seg.n_hint_words;
}

/* The hint of a class that there is not would be a bit of it. */
static void rings_nobody(const char *step, struct seg_block *block, void (*work)(struct seg_block *block))
{
	struct seg_chunk *chunk = chunk_at(block);
	uint64_t word = chunk->word;
	struct turn turn = { step, chunk, chunk_word(SEG_CHUNK_SLAB, row_of_ready(), 0) };
	store64_seq(&seg.ready[0], 0);
	fault_trace(at_step, &turn);
	work(block);
	fault_trace(NULL, NULL);
	CU_ASSERT(chunk->word == turn.word && seg.ready[0] == 0);
	chunk->word = word;
}

static void rescan(struct seg_block *block)
{
	lane_begin(&lane, SEG_OP_READ, 0);
	lane.shared->refill_chunk = chunk_of(&seg, segment_ref(&seg, block)) + 1;
	arena_recover(&lane, lane.shared, lane.id);
	lane_end(&lane);
}

static void reap(struct seg_block *block)
{
	lane_begin(&lane, SEG_OP_READ, 0);
	block_retire(&lane, block);
	lane_end(&lane);
	(void)epoch_retire(&seg);
	(void)arena_reclaim(&lane);
}

static void a_slab_of_no_class_gets_no_hint(void)
{
	CU_ASSERT_FATAL(row_of_ready() < 256 && row_of_ready() > SEG_HINT_LIMBO);
	rings_nobody("arena.rescanned", alloc(1000), rescan);
	rings_nobody("arena.reaping", alloc(2000), reap);
}

/* Whoever gets it next would share it with the first. */
static void what_is_in_the_cache_twice_is_given_out_once(void)
{
	struct seg_block *first = alloc(500), *second = alloc(500);
	struct seg_cache *cache = NULL;
	release(second);
	release(first);
	for (uint32_t c = 0; c < SEG_N_CLASSES; c++)
		if (lane.shared->cache[c].n &&
		    lane.shared->cache[c].refs[lane.shared->cache[c].n - 1] == segment_ref(&seg, first))
			cache = &lane.shared->cache[c];
	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	CU_ASSERT_FATAL(cache->n >= 2);
	cache->refs[cache->n - 2] = cache->refs[cache->n - 1];
	CU_ASSERT_PTR_EQUAL(alloc(500), first);
	uint64_t live = block_publish(first, 7);
	struct seg_block *next = alloc(500);
	CU_ASSERT(next != first && first->word == live);
	block_retract(&lane, first);
	release(first);
	release(next);
}

/* Nor is a ref that leads nowhere there for ever. */
static void what_is_no_block_leaves_the_cache(void)
{
	for (uint32_t c = 0; c < SEG_N_CLASSES; c++) {
		lane.shared->cache[c].n = SEG_CACHE_REFS;
		memset(lane.shared->cache[c].refs, 0xff, sizeof(lane.shared->cache[c].refs));
	}
	release(alloc(64));
	release(alloc(500));
}

/* It would be written over the end, into others'. */
static void a_small_block_in_the_cache_of_a_larger_class_is_not_given_out(void)
{
	struct lane mine = kit_lane(&seg);
	struct seg_block *small, *large;
	CU_ASSERT_EQUAL_FATAL(block_alloc(&mine, 64, 0, &small), SABIR_OK);
	struct seg_cache *cache = &mine.shared->cache[block_small_class(320)];
	cache->n = 1;
	cache->refs[0] = segment_ref(&seg, small);
	CU_ASSERT_EQUAL_FATAL(block_alloc(&mine, 320, 1, &large), SABIR_OK);
	CU_ASSERT(large != small && block_size(&seg, segment_ref(&seg, large)) >= 320);
	block_free(&mine, large);
	block_free(&mine, small);
	kit_lane_close(&mine);
}

/* What is written over the refs of a cache may lead into a block that is somebody's, to what looks like the word of one. */
static void what_is_inside_a_block_does_not_get_free(void)
{
	struct lane mine = kit_lane(&seg);
	struct seg_block *large;
	CU_ASSERT_EQUAL_FATAL(block_alloc(&mine, 320, 0, &large), SABIR_OK);
	struct seg_block *inside = (struct seg_block *)((uint8_t *)large + SEG_LINE);
	const uint64_t word = block_word(SEG_BLOCK_PRIVATE, mine.id, 0, 7);
	struct seg_cache *cache = &mine.shared->cache[block_small_class(320)];
	block_publish(large, 1);
	inside->word = word;
	for (uint32_t i = 0; i < SEG_CACHE_REFS; i++)
		cache->refs[i] = segment_ref(&seg, inside);
	cache->n = SEG_CACHE_REFS;
	block_retract(&mine, large);
	block_free(&mine, large);
	CU_ASSERT_EQUAL(inside->word, word);
	cache->n = 0;
	kit_lane_close(&mine);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_is_inside_a_block_does_not_get_free),
		KIT_TEST(a_small_block_in_the_cache_of_a_larger_class_is_not_given_out),
		KIT_TEST(a_large_block_that_is_a_slab_for_a_moment_is_not_retired),
		KIT_TEST(a_large_block_that_becomes_a_slab_is_not_freed_as_one_of_its_blocks),
		KIT_TEST(a_slab_of_no_class_gets_no_hint),
		KIT_TEST(what_is_in_the_cache_twice_is_given_out_once),
		KIT_TEST(what_is_no_block_leaves_the_cache),
	};
	return kit_run("arena damage", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
