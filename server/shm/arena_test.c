/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of every size, exhaustion, retired memory, and that nothing is lost in the long run. Deaths:
 * arena_death_test.c.
 */
#include <sys/stat.h>

#include "server/shm/test_kit.h"

#define LIMIT (16u << 20)

static struct segment seg;
static struct lane lane;

static int setup(void)
{
	if (kit_segment(LIMIT, &seg))
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

static enum sabir_error alloc(struct lane *by, uint64_t size, struct seg_block **block)
{
	lane_begin(by, SEG_OP_READ, 0);
	enum sabir_error error = block_alloc(by, size, 0, block);
	if (!error)
		store32_relaxed(&by->shared->hand[0], 0); /* it is ours to keep */
	lane_end(by);
	return error;
}

static void release(struct lane *by, struct seg_block *block)
{
	lane_begin(by, SEG_OP_READ, 0);
	block_free(by, block);
	lane_end(by);
}

static void retire(struct lane *by, struct seg_block *block)
{
	lane_begin(by, SEG_OP_READ, 0);
	block_retire(by, block);
	lane_end(by);
}

/* The memory as it is when nobody keeps anything: all of it free, and given back to the kernel. */
static void expect_empty(void)
{
	struct arena_stats stats;
	struct stat st;
	arena_empty_cache(&lane);
	arena_reclaim(&lane);
	arena_reclaim(&lane); /* what the first one retired */
	arena_trim(&lane, 0, CLOCK_NEVER);
	arena_stats(&seg, &stats);
	CU_ASSERT_EQUAL(stats.limit_bytes, LIMIT);
	CU_ASSERT_EQUAL(stats.used_bytes, 0);
	CU_ASSERT_EQUAL(stats.n_blocks, 0);
	CU_ASSERT_EQUAL(stats.n_chunks_used, 0);
	CU_ASSERT_EQUAL(stats.committed_bytes, 0);
	CU_ASSERT(!fstat(seg.fd, &st) && (uint64_t)st.st_blocks * 512 == seg.data_off);
}

/* ---------------------------------------------------------------- one block */

static bool is_good_block(struct seg_block *block, uint64_t size)
{
	uint32_t ref = segment_ref(&seg, block);
	uint64_t real = block_size(&seg, ref);
	return (uintptr_t)block % 64 == 0 && real >= size && segment_at(&seg, ref, real) == block &&
	       block_state(block->word) == SEG_BLOCK_PRIVATE && block_lane(block->word) == lane.id;
}

static void every_size_is_served(void)
{
	bool good = true, frugal = true;
	for (uint64_t size = 1; size < 5u << 20; size += size < 100000 ? 61 : 70001) {
		struct seg_block *block;
		if (alloc(&lane, size, &block)) {
			good = false;
			break;
		}
		uint64_t real = block_size(&seg, segment_ref(&seg, block));
		good &= is_good_block(block, size);
		frugal &= size < 512     ? real < size + 128
			  : size > 86016 ? real < size + SEG_CHUNK_SIZE
					 : real <= size * 7 / 4;
		memset(block + 1, 0xaa, real - sizeof(*block));
		release(&lane, block);
	}
	CU_ASSERT(good);
	CU_ASSERT(frugal);
	expect_empty();
}

static void an_allocated_block_is_in_the_hand_and_has_a_new_tag(void)
{
	struct seg_block *block;
	uint64_t last = 0;
	for (uint32_t slot = 0; slot < SEG_HAND_REFS; slot++) {
		lane_begin(&lane, SEG_OP_READ, 0);
		CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, 100, slot, &block), SABIR_OK);
		CU_ASSERT_EQUAL(lane.shared->hand[slot], segment_ref(&seg, block));
		CU_ASSERT(block_tag(block->word) > last);
		last = block_tag(block->word);
		uint64_t live = block_publish(block, 77);
		CU_ASSERT(block_state(live) == SEG_BLOCK_LIVE && block_object(live) == 77 && block_tag(live) == last);
		block_retract(&lane, block);
		CU_ASSERT(is_good_block(block, 100) && block_tag(block->word) == last);
		block_free(&lane, block);
		CU_ASSERT_EQUAL(lane.shared->hand[slot], 0);
		lane_end(&lane);
	}
	expect_empty();
}

static void refs_into_a_block_are_no_blocks(void)
{
	static const uint64_t sizes[] = { 64, 192, 1024, 4160, 30000, 86016, 86017, 600000 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct seg_block *block;
		CU_ASSERT_EQUAL_FATAL(alloc(&lane, sizes[i], &block), SABIR_OK);
		uint32_t ref = segment_ref(&seg, block), n = (uint32_t)(block_size(&seg, ref) / 64), inner = 0;
		for (uint32_t k = 1; k < n; k++)
			inner += block_size(&seg, ref + k) != 0;
		CU_ASSERT_EQUAL(inner, 0);
		release(&lane, block);
	}
	uint32_t first = (uint32_t)(seg.data_off / 64), outside = 0;
	for (uint32_t ref = 0; ref < first; ref += 7)
		outside += block_size(&seg, ref) != 0;
	CU_ASSERT_EQUAL(outside, 0);
	CU_ASSERT_EQUAL(block_size(&seg, (uint32_t)(seg.size / 64)), 0);
	CU_ASSERT_EQUAL(block_size(&seg, UINT32_MAX), 0);
	expect_empty();
}

static void the_largest_block_is_all_there_is(void)
{
	struct seg_block *block = NULL;
	CU_ASSERT_EQUAL(arena_max_block(&seg), LIMIT - sizeof(struct seg_block));
	CU_ASSERT_EQUAL(alloc(&lane, LIMIT + 1, &block), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(alloc(&lane, UINT64_MAX, &block), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(alloc(&lane, UINT64_MAX - 300000, &block), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_PTR_NULL(block);
	CU_ASSERT_EQUAL_FATAL(alloc(&lane, LIMIT, &block), SABIR_OK);
	CU_ASSERT_EQUAL(block_size(&seg, segment_ref(&seg, block)), LIMIT);
	memset(block + 1, 1, LIMIT - sizeof(*block));
	struct seg_block *other;
	CU_ASSERT_EQUAL(alloc(&lane, 64, &other), SABIR_RESOURCE_EXHAUSTED);
	release(&lane, block);
	CU_ASSERT_EQUAL(alloc(&lane, 64, &other), SABIR_OK);
	release(&lane, other);
	expect_empty();
}

/* ---------------------------------------------------------------- exhaustion */

static struct seg_block *kept[300000];

static uint32_t fill_up(uint64_t size)
{
	uint32_t n = 0;
	enum sabir_error error;
	while ((error = alloc(&lane, size, &kept[n])) == SABIR_OK)
		n++;
	CU_ASSERT_EQUAL(error, SABIR_RESOURCE_EXHAUSTED);
	return n;
}

static void exhaustion_is_an_error_and_passes(void)
{
	static const uint64_t sizes[] = { 64, 300, 1000, 4000, 20000, 86016, 200000, 1000000 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t n = fill_up(sizes[i]);
		uint64_t real = block_size(&seg, segment_ref(&seg, kept[0]));
		CU_ASSERT(n * real >= LIMIT / 100 * 93); /* hardly anything is wasted */
		for (uint32_t k = 0; k < n; k++)
			release(&lane, kept[k]);
		CU_ASSERT_EQUAL(fill_up(sizes[i]), n); /* the same blocks again */
		for (uint32_t k = n; k > 0; k--)
			release(&lane, kept[k - 1]);
		CU_ASSERT(arena_make_room(&lane)); /* and for other sizes */
	}
	expect_empty();
}

static void room_can_be_made_of_slabs_of_another_class(void)
{
	struct seg_block *large;
	uint32_t n = fill_up(64);
	CU_ASSERT(!arena_make_room(&lane)); /* nothing is free */
	for (uint32_t k = 0; k < n; k++)
		release(&lane, kept[k]);
	CU_ASSERT_EQUAL(alloc(&lane, LIMIT, &large), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT(arena_make_room(&lane));
	CU_ASSERT_EQUAL_FATAL(alloc(&lane, LIMIT, &large), SABIR_OK);
	release(&lane, large);
	expect_empty();
}

static uint32_t n_chunks_used(void)
{
	struct arena_stats stats;
	arena_stats(&seg, &stats);
	return stats.n_chunks_used;
}

static void a_slice_of_the_work_ends_when_its_time_is_over(void)
{
	uint32_t n = fill_up(64), next = 0, n_slices = 1;
	for (uint32_t k = 0; k < n; k++)
		release(&lane, kept[k]);
	arena_empty_cache(&lane);
	while (!arena_reclaim_some(&lane, &next, 0))
		n_slices++;
	CU_ASSERT_EQUAL(n_slices, LIMIT / SEG_CHUNK_SIZE);
	CU_ASSERT_EQUAL(next, 0);
	CU_ASSERT_EQUAL(n_chunks_used(), 0);
	for (n_slices = 0; !arena_trim(&lane, 5, 0);)
		n_slices++;
	CU_ASSERT_EQUAL(n_slices, LIMIT / SEG_CHUNK_SIZE - 5);
	expect_empty();
}

static void a_cache_keeps_its_slab_until_it_is_emptied(void)
{
	struct lane other = kit_lane(&seg);
	struct seg_block *block;
	CU_ASSERT_EQUAL_FATAL(alloc(&other, 64, &block), SABIR_OK);
	release(&other, block);
	arena_reclaim(&lane);
	CU_ASSERT_EQUAL(n_chunks_used(), 1);
	arena_empty_cache(&other);
	arena_reclaim(&lane);
	CU_ASSERT_EQUAL(n_chunks_used(), 0);
	kit_lane_close(&other);
	expect_empty();
}

/* Whoever remembers the word of one that has gone is not to believe another in its place. */
static void a_block_in_a_chunk_that_had_gone_has_another_tag(void)
{
	static const uint64_t sizes[] = { 64, 32000, 300000 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct seg_block *block, *later;
		CU_ASSERT_EQUAL_FATAL(alloc(&lane, sizes[i], &block), SABIR_OK);
		uint64_t word = block_publish(block, 7);
		block_retract(&lane, block);
		release(&lane, block);
		expect_empty();
		CU_ASSERT_EQUAL_FATAL(alloc(&lane, sizes[i], &later), SABIR_OK);
		CU_ASSERT_PTR_EQUAL(later, block);
		CU_ASSERT_NOT_EQUAL(block_publish(later, 7), word);
		block_retract(&lane, later);
		release(&lane, later);
		expect_empty();
	}
}

/* ---------------------------------------------------------------- the model */

#define N_MODEL 400

/* Each block is full of its number; whoever overlapped another one would spoil it. */
static bool check_and_release(struct lane *by, struct seg_block *block, uint8_t mark)
{
	const uint8_t *content = (const uint8_t *)(block + 1);
	uint32_t len = block->len;
	bool fine = true;
	for (uint32_t i = 0; i < len; i += len < 4096 ? 1 : 509)
		fine &= content[i] == mark;
	fine &= len == 0 || content[len - 1] == mark;
	release(by, block);
	return fine;
}

static uint64_t random_size(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	uint64_t r = *state >> 33;
	uint64_t scale = 4 + r % 14; /* 16 bytes to 256 KiB, small ones as often as large ones */
	return sizeof(struct seg_block) + (r >> 8) % (1ull << scale);
}

static int run_model(struct lane *by, uint64_t seed, int rounds)
{
	struct seg_block *blocks[N_MODEL] = { NULL };
	uint64_t state = seed;
	bool fine = true;
	for (int round = 0; round < rounds; round++) {
		uint64_t size = random_size(&state);
		size_t i = (state >> 20) % N_MODEL;
		if (blocks[i])
			fine &= check_and_release(by, blocks[i], (uint8_t)(i + seed));
		if (alloc(by, size, &blocks[i])) {
			blocks[i] = NULL;
			continue;
		}
		fine &= block_size(&seg, segment_ref(&seg, blocks[i])) >= size;
		blocks[i]->len = (uint32_t)(size - sizeof(struct seg_block));
		memset(blocks[i] + 1, (int)(i + seed), blocks[i]->len);
	}
	for (size_t i = 0; i < N_MODEL; i++)
		if (blocks[i])
			fine &= check_and_release(by, blocks[i], (uint8_t)(i + seed));
	return fine ? 0 : 1;
}

static void blocks_never_overlap(void)
{
	CU_ASSERT_EQUAL(run_model(&lane, 1, 50000), 0);
	expect_empty();
}

static void blocks_of_several_processes_never_overlap(void)
{
	pid_t pids[4];
	for (int i = 0; i < 4; i++)
		if ((pids[i] = fork()) == 0) {
			struct lane mine = kit_lane(&seg);
			int bad = run_model(&mine, 10 + (uint64_t)i, 20000);
			arena_make_room(&mine);
			kit_lane_close(&mine);
			_exit(bad);
		}
	CU_ASSERT(kit_wait_all(pids, 4));
	expect_empty();
}

/* One allocates, the other frees, as it is with a queue: the blocks must find their way back. */
static void blocks_that_others_free_are_used_again(void)
{
	struct lane other = kit_lane(&seg);
	struct seg_block *block;
	struct arena_stats stats;
	for (int i = 0; i < 200000; i++) {
		lane_begin(&lane, SEG_OP_READ, 0);
		CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, 256, 0, &block), SABIR_OK);
		block_publish(block, 5);
		lane.shared->hand[0] = 0;
		lane_end(&lane);
		lane_begin(&other, SEG_OP_READ, 0);
		block_retract(&other, block);
		block_free(&other, block);
		lane_end(&other);
	}
	arena_stats(&seg, &stats);
	CU_ASSERT(stats.n_chunks_used <= 1);
	CU_ASSERT(stats.n_blocks <= 2 * SEG_CACHE_REFS);
	kit_lane_close(&other);
	expect_empty();
}

/* ---------------------------------------------------------------- retired memory */

static void retire_all_sizes(void)
{
	static const uint64_t sizes[] = { 64, 1024, 30000, 86016, 300000 };
	struct lane reader = kit_lane(&seg);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct seg_block *block, *again;
		uint8_t copy[64];
		CU_ASSERT_EQUAL_FATAL(alloc(&lane, sizes[i], &block), SABIR_OK);
		memset(block + 1, 0x5a, sizes[i] - sizeof(*block));
		block->next = 4711;
		block->len = 4712;
		memcpy(copy, block, sizeof(copy));
		lane_begin(&reader, SEG_OP_READ, 0); /* it may have seen the block */
		retire(&lane, block);
		for (int k = 0; k < 5; k++) {
			arena_reclaim(&lane);
			arena_trim(&lane, 0, CLOCK_NEVER);
			CU_ASSERT_EQUAL_FATAL(alloc(&lane, sizes[i], &again), SABIR_OK);
			CU_ASSERT_PTR_NOT_EQUAL(again, block);
			release(&lane, again);
		}
		CU_ASSERT_EQUAL(memcmp(copy + 8, (uint8_t *)block + 8, 56), 0);
		lane_end(&reader);
	}
	kit_lane_close(&reader);
	expect_empty();
}

static void retired_blocks_stay_as_they_are_until_their_epoch_has_passed(void)
{
	retire_all_sizes();
}

/* As long as there are programs. */
static void chunks_remember_the_whole_epoch(void)
{
	static const uint64_t starts[] = { (1ull << 37) - 2, (1ull << 38) - 6, (1ull << 38) - 1, (5ull << 38) + 3 };
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		store64_seq(&seg.header->epoch, starts[i]);
		retire_all_sizes();
	}
}

static void retired_memory_comes_back(void)
{
	for (int i = 0; i < 3000; i++) {
		struct seg_block *block;
		uint64_t size = i % 3 ? 30000 : 500000;
		if (alloc(&lane, size, &block)) {
			CU_ASSERT(arena_make_room(&lane));
			CU_ASSERT_EQUAL_FATAL(alloc(&lane, size, &block), SABIR_OK);
		}
		retire(&lane, block);
	}
	expect_empty();
}

static void trim_keeps_what_is_wanted_and_gives_back_the_rest(void)
{
	struct arena_stats stats;
	struct stat st;
	struct seg_block *block;
	CU_ASSERT_EQUAL_FATAL(alloc(&lane, LIMIT / 2, &block), SABIR_OK);
	arena_trim(&lane, 0, CLOCK_NEVER);
	arena_stats(&seg, &stats);
	CU_ASSERT_EQUAL(stats.committed_bytes, LIMIT / 2); /* what is used stays */
	release(&lane, block);
	arena_trim(&lane, 5, CLOCK_NEVER);
	arena_stats(&seg, &stats);
	CU_ASSERT_EQUAL(stats.committed_bytes, 5 * SEG_CHUNK_SIZE);
	CU_ASSERT(!fstat(seg.fd, &st) && (uint64_t)st.st_blocks * 512 == seg.data_off + 5 * SEG_CHUNK_SIZE);
	expect_empty();
}

/* ---------------------------------------------------------------- the long run and damage */

static void a_long_run_ends_where_it_began(void)
{
	for (int round = 0; round < 20; round++) {
		CU_ASSERT_EQUAL(run_model(&lane, (uint64_t)round * 7 + 3, 3000), 0);
		arena_reclaim(&lane);
		expect_empty();
	}
}

static void a_damaged_cache_ends_nobody(void)
{
	static const uint32_t counts[] = { 1, SEG_CACHE_REFS, SEG_CACHE_REFS + 1, 1000000, UINT32_MAX };
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct lane victim = kit_lane(&seg);
		struct seg_block *block;
		for (uint32_t c = 0; c < SEG_N_CLASSES; c++) {
			memset(victim.shared->cache[c].refs, i & 1 ? 0xff : 0, sizeof(victim.shared->cache[c].refs));
			victim.shared->cache[c].n = counts[i];
		}
		for (int k = 0; k < 40; k++)
			if (alloc(&victim, 64, &block) == SABIR_OK)
				release(&victim, block);
		kit_lane_close(&victim);
	}
	arena_empty_cache(&lane);
	arena_reclaim(&lane);
	struct seg_block *fine;
	CU_ASSERT_EQUAL(alloc(&lane, 64, &fine), SABIR_OK);
	release(&lane, fine);
}

static void write_count(const char *name, void *context)
{
	struct lane *by = context;
	if (strcmp(name, "arena.block_claimed") && strcmp(name, "arena.freed"))
		return;
	for (uint32_t c = 0; c < SEG_N_CLASSES; c++)
		by->shared->cache[c].n = UINT32_MAX / 2;
}

/* Somebody writes over the counts just when the lane fills its cache: nothing is written behind it. */
static void a_cache_that_is_damaged_meanwhile_has_no_more_places(void)
{
	struct lane victim = kit_lane(&seg);
	struct seg_block *block;
	fault_trace(write_count, &victim);
	for (int k = 0; k < 40; k++)
		if (alloc(&victim, 64, &block) == SABIR_OK)
			release(&victim, block);
	fault_trace(NULL, NULL);
	kit_lane_close(&victim);
}

/* A damaged ref leads into the part of a slab in front of its blocks, or behind the beginning of one. */
static void what_is_no_block_is_not_retired(void)
{
	struct seg_block *block, *large;
	CU_ASSERT_EQUAL(alloc(&lane, 1000, &block), SABIR_OK);
	CU_ASSERT_EQUAL(alloc(&lane, 300000, &large), SABIR_OK);
	uint32_t refs[] = {
		segment_ref(&seg, block) + 1, segment_ref(&seg, large) + 1,
		(segment_ref(&seg, block) >> (SEG_CHUNK_SHIFT - SEG_REF_SHIFT) << (SEG_CHUNK_SHIFT - SEG_REF_SHIFT)) + 2
	};
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		struct seg_block *none = segment_at(&seg, refs[i], sizeof(*none));
		uint64_t word = none->word;
		retire(&lane, none);
		CU_ASSERT_EQUAL(none->word, word);
	}
	CU_ASSERT(block_size(&seg, segment_ref(&seg, large)) >= 300000);
	release(&lane, block);
	release(&lane, large);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(every_size_is_served),
		KIT_TEST(an_allocated_block_is_in_the_hand_and_has_a_new_tag),
		KIT_TEST(refs_into_a_block_are_no_blocks),
		KIT_TEST(the_largest_block_is_all_there_is),
		KIT_TEST(exhaustion_is_an_error_and_passes),
		KIT_TEST(room_can_be_made_of_slabs_of_another_class),
		KIT_TEST(a_slice_of_the_work_ends_when_its_time_is_over),
		KIT_TEST(a_cache_keeps_its_slab_until_it_is_emptied),
		KIT_TEST(a_block_in_a_chunk_that_had_gone_has_another_tag),
		KIT_TEST(blocks_never_overlap),
		KIT_TEST(blocks_of_several_processes_never_overlap),
		KIT_TEST(blocks_that_others_free_are_used_again),
		KIT_TEST(retired_blocks_stay_as_they_are_until_their_epoch_has_passed),
		KIT_TEST(chunks_remember_the_whole_epoch),
		KIT_TEST(retired_memory_comes_back),
		KIT_TEST(trim_keeps_what_is_wanted_and_gives_back_the_rest),
		KIT_TEST(a_long_run_ends_where_it_began),
		KIT_TEST(a_damaged_cache_ends_nobody),
		KIT_TEST(a_cache_that_is_damaged_meanwhile_has_no_more_places),
		KIT_TEST(what_is_no_block_is_not_retired),
	};
	return kit_run("arena", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
