/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes that are lent: those that nobody has keep no memory. */
#include "server/rpc/lanes.h"

#include "server/shm/test_kit.h"

static struct segment seg;
static struct lanes lanes;
static struct lane own;

static int setup(void)
{
	if (kit_segment(4 << 20, &seg))
		return -1;
	own = kit_lane(&seg);
	lanes_init(&lanes, &seg, own.owner);
	return 0;
}

static int teardown(void)
{
	lanes_fini(&lanes);
	kit_lane_close(&own);
	segment_unmap(&seg);
	return 0;
}

static void use(struct lane *lane)
{
	struct seg_block *block;
	lane_begin(lane, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL_FATAL(block_alloc(lane, 1000, 0, &block), SABIR_OK);
	block_free(lane, block);
	lane_end(lane);
}

static bool keeps_blocks(const struct lane *lane)
{
	for (uint32_t i = 0; i < SEG_N_CLASSES; i++)
		if (lane->shared->cache[i].n)
			return true;
	return false;
}

static void lanes_that_nobody_has_keep_no_blocks(void)
{
	struct arena_stats stats;
	struct lane *first = lanes_take(&lanes), *second = lanes_take(&lanes);
	CU_ASSERT_TRUE_FATAL(first && second);
	use(first);
	use(second);
	lanes_give(&lanes, first);
	lanes_empty_caches(&lanes);
	CU_ASSERT_FALSE(keeps_blocks(first));
	CU_ASSERT_TRUE(keeps_blocks(second)); /* its thread may be working */
	lanes_give(&lanes, second);
	lanes_empty_caches(&lanes);
	arena_stats(&seg, &stats);
	CU_ASSERT_EQUAL(stats.n_blocks, 0);
}

static void a_lane_that_was_lent_again_is_emptied_again(void)
{
	struct lane *lane = lanes_take(&lanes);
	lanes_give(&lanes, lane);
	lanes_empty_caches(&lanes);
	CU_ASSERT_PTR_EQUAL(lanes_take(&lanes), lane);
	use(lane);
	lanes_give(&lanes, lane);
	lanes_empty_caches(&lanes);
	CU_ASSERT_FALSE(keeps_blocks(lane));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(lanes_that_nobody_has_keep_no_blocks),
		KIT_TEST(a_lane_that_was_lent_again_is_emptied_again),
	};
	return kit_run("lanes", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
