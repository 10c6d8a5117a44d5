/* SPDX-License-Identifier: Apache-2.0 */
/* The dict while a hostile program writes over its words: what was checked is what is used, and every walk ends. */
#include "server/base/clock.h"
#include "server/objects/dict_parts.h"
#include "server/objects/dict_test_kit.h"
#include "server/objects/object_hostile_test_kit.h"
#include "server/objects/task_queue.h"

static int setup(void)
{
	return kit_begin(8 << 20);
}

static struct seg_dict *body_of(uint64_t d)
{
	return segment_at(&seg, seg.objects[object_index(d)].body, sizeof(struct seg_dict));
}

static uint64_t make_with(uint64_t n)
{
	uint64_t d = make_dict();
	for (uint64_t key = 0; key < n; key++)
		CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
	return d;
}

/* The first leaf of a small dict, and the node in its n-th slot. */
static struct seg_order *leaf_of(uint64_t d)
{
	return segment_at(&seg, (uint32_t)body_of(d)->order, sizeof(struct seg_order));
}

static struct seg_node *first_node(uint64_t d)
{
	const struct seg_order *leaf = leaf_of(d);
	return segment_at(&seg, leaf->slot[__builtin_ctzll(leaf->used)], sizeof(struct seg_node));
}

static void is_whole_and_goes(uint64_t other, uint64_t n)
{
	CU_ASSERT_EQUAL(length_of(other), n);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
	CU_ASSERT(cache_is_sound(&lane));
}

/* ---------------------------------------------------------------- what was checked is what is used */

static void a_root_that_grows_behind_the_check_makes_no_blocks(void)
{
	uint64_t d = make_with(10), other = make_with(5);
	struct arena_stats before, after;
	struct strike s = { "dict_order.rooted", strike32, &leaf_of(d)->level, 0xffffffe0, 0 };
	arena_stats(&seg, &before);
	strike_begin(&s);
	(void)set(&lane, d, 11, 11);
	strike_end();
	arena_stats(&seg, &after);
	CU_ASSERT_EQUAL(s.n, 1);
	CU_ASSERT(after.used_bytes < before.used_bytes + (64 << 10));
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	is_whole_and_goes(other, 5);
}

static void a_table_that_goes_behind_the_look_is_none(void)
{
	uint64_t d = make_dict(), other = make_with(5);
	struct strike s = { "dict_index.table_started", strike64, &body_of(d)->tables, 0xfffffff0ull << 32, 0 };
	memset(&lane.table, 0, sizeof(lane.table));
	strike_begin(&s);
	CU_ASSERT_EQUAL(set(&lane, d, 1, 1), SABIR_DATA_LOSS);
	strike_end();
	CU_ASSERT_EQUAL(s.n, 1);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	is_whole_and_goes(other, 5);
}

/* A version in its node's block is never freed as a block of its own, whatever its word says by then. */
static void a_version_is_freed_as_what_it_was_found(void)
{
	uint64_t until = clock_now() + HOSTILE_NS;
	struct hostile h;
	bool sound = true;
	hostile_begin(&h);
	while (clock_now() < until && sound) {
		uint64_t d = make_with(2);
		struct seg_version *version = segment_at(&seg, first_node(d)->block.next, sizeof(*version));
		uint64_t word = version->block.word, tag = block_tag(word);
		hostile_turn(&h, &version->block.word, word, block_word(SEG_BLOCK_LIVE, 0, object_index(d), tag));
		(void)del(&lane, d, 0);
		hostile_turn(&h, NULL, 0, 0);
		sound = cache_is_sound(&lane);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	}
	hostile_end(&h);
	CU_ASSERT(sound);
}

/* ---------------------------------------------------------------- every walk ends */

static void what_is_due_again_and_again_is_counted_once(void)
{
	uint64_t d = make_with(3), key = 7, n = 0;
	const struct dict_entry entry = { number_span(&key), number_span(&key), dict_end_after(CLOCK_MILLISECOND) };
	struct strike s = { "dict_time.alarm_set", strike64, &body_of(d)->alarm, 1, 0 };
	CU_ASSERT_EQUAL(dict_set_entry(&lane, d, &entry, NULL), SABIR_OK);
	task_clock_ahead_ns += CLOCK_SECOND;
	strike_begin(&s);
	CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_OK);
	CU_ASSERT_EQUAL(n, 3);
	strike_end();
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void strike_tag(struct strike *s)
{
	store64_relaxed(s->at, load64_relaxed(s->at) + (1ull << 34));
}

static void a_value_that_never_rests_is_data_loss(void)
{
	uint64_t d = make_with(3), other = make_with(5), got;
	struct strike s = { "dict_read.copied", strike_tag, NULL, 0, 0 };
	s.at = segment_at(&seg, first_node(d)->block.next, sizeof(struct seg_version));
	strike_begin(&s);
	CU_ASSERT_EQUAL(get(&lane, d, 0, &got), SABIR_DATA_LOSS);
	strike_end();
	CU_ASSERT(s.n < 10000);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	is_whole_and_goes(other, 5);
}

static void a_leaf_that_is_filled_while_it_is_freed_goes(void)
{
	uint64_t d = make_with(3), other = make_with(5), n;
	struct strike s = { "dict_order.entry_freed", strike64, &leaf_of(d)->used, 2, 0 };
	strike_begin(&s);
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &n), SABIR_OK);
	strike_end();
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	is_whole_and_goes(other, 5);
}

static void trash_that_comes_back_is_left(void)
{
	uint64_t d = make_with(3), other = make_with(5), n;
	struct strike s = { "dict_order.block_freed", strike64, &body_of(d)->trash_order, 0xfffffff0, 0 };
	strike_begin(&s);
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &n), SABIR_OK);
	s = (struct strike){ "dict_index.table_freed", strike64, &body_of(d)->trash_tables, 0xfffffff0, 0 };
	body_of(d)->trash_tables = 1;
	(void)set(&lane, d, 1, 1);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	strike_end();
	is_whole_and_goes(other, 5);
}

static void versions_that_pend_again_are_data_loss(void)
{
	uint64_t d = make_with(3), other = make_with(5);
	struct strike s = { "dict_settle.version_settled", strike32, &body_of(d)->pending, first_node(d)->block.next,
			    0 };
	body_of(d)->pending = (uint32_t)s.value;
	strike_begin(&s);
	CU_ASSERT_EQUAL(set(&lane, d, 9, 9), SABIR_DATA_LOSS);
	strike_end();
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	is_whole_and_goes(other, 5);
}

/* ---------------------------------------------------------------- blocks that are two things */

static void a_table_that_is_its_own_part_is_freed_once(void)
{
	uint64_t d = make_with(3), other = make_with(5);
	uint32_t ref = (uint32_t)body_of(d)->tables;
	struct seg_table *table = segment_at(&seg, ref, sizeof(*table));
	table->part[0] = ref;
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	is_whole_and_goes(other, 5);
}

static void the_body_is_no_version_and_no_leaf(void)
{
	for (int i = 0; i < 3; i++) {
		uint64_t d = make_with(3), other = make_with(5);
		struct seg_dict *body = body_of(d);
		uint32_t ref = segment_ref(&seg, body);
		if (i == 0)
			first_node(d)->block.next = ref;
		else if (i == 1)
			body->trash_tables = ref;
		else
			body->trash_order = ref;
		(void)del(&lane, d, 0);
		(void)set(&lane, d, 1, 2);
		CU_ASSERT(block_is_of(&body->block, object_index(d)));
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		is_whole_and_goes(other, 5);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_root_that_grows_behind_the_check_makes_no_blocks),
		KIT_TEST(a_table_that_goes_behind_the_look_is_none),
		KIT_TEST(a_version_is_freed_as_what_it_was_found),
		KIT_TEST(what_is_due_again_and_again_is_counted_once),
		KIT_TEST(a_value_that_never_rests_is_data_loss),
		KIT_TEST(a_leaf_that_is_filled_while_it_is_freed_goes),
		KIT_TEST(trash_that_comes_back_is_left),
		KIT_TEST(versions_that_pend_again_are_data_loss),
		KIT_TEST(a_table_that_is_its_own_part_is_freed_once),
		KIT_TEST(the_body_is_no_version_and_no_leaf),
	};
	return kit_run("dict, hostile", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
