/* SPDX-License-Identifier: Apache-2.0 */
/* The list on damaged memory: DATA_LOSS or a wrong answer, but no crash and no hang, and nobody else is hurt. */
#include "server/base/value.h"
#include "server/objects/list_parts.h"
#include "server/objects/object_hostile_test_kit.h"

#define N_ELEMENTS 8000u
#define N_OTHERS 500u
#define N_LIVES 100u
#define N_VANDALS 20

static uint64_t make_list(uint32_t n)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t list = kit_make(&spec);
	uint8_t bytes[2][32];
	struct span values[2] = { { bytes[0], value_put_int(5, bytes[0]) },
				  { bytes[1], value_head_bytes(VALUE_TEXT, 12, bytes[1]) + 12 } };
	memset(bytes[1] + values[1].len - 12, 'x', 12);
	for (uint32_t i = 0; i < n; i += 2)
		CU_ASSERT_EQUAL(list_extend(&lane, list, values, 2, NULL), SABIR_OK);
	return list;
}

static struct seg_list *body_of(uint64_t list)
{
	return segment_at(&seg, seg.objects[object_index(list)].body, sizeof(struct seg_list));
}

static uint64_t length_of(uint64_t list)
{
	uint64_t n = 0;
	return list_len(&lane, list, &n) ? UINT64_MAX : n;
}

/* ---------------------------------------------------------------- strange numbers anywhere */

static void use(uint64_t list)
{
	uint8_t bytes[32];
	struct span value = { bytes, value_put_int(rand() % 100, bytes) };
	int64_t at = rand() % N_ELEMENTS;
	struct list_slice slice = { .has_start = true, .start = at, .has_stop = true, .stop = at + rand() % 500, 1 };
	struct bytes out = { 0 };
	uint64_t number;
	uint32_t version = 0;
	slice.step = rand() % 4 ? 1 : 1 + rand() % 7;
	(void)list_get(&lane, list, at, &out);
	(void)list_insert(&lane, list, at, value, &number);
	(void)list_set(&lane, list, -at, value);
	(void)list_pop(&lane, list, at / 2, &out);
	(void)list_delete_slice(&lane, list, &slice, &number);
	(void)list_get_slice(&lane, list, &slice, 0, 100, &version, &number, &out);
	(void)list_index(&lane, list, value, &LIST_ALL, &number);
	(void)list_remove(&lane, list, value, &number);
	if (rand() % 20 == 0)
		(void)list_reverse(&lane, list);
	bytes_fini(&out);
}

static void use_all(uint64_t list)
{
	struct object_info info;
	for (int i = 0; i < 30; i++) {
		use_again(list);
		use(list);
	}
	(void)object_describe(&lane, list, &info);
}

static uint64_t make_damaged(void)
{
	return make_list(N_ELEMENTS);
}

static uint64_t make_other(void)
{
	return make_list(N_OTHERS);
}

static bool is_whole(uint64_t other)
{
	return length_of(other) == N_OTHERS;
}

static const struct kind_life life_of_a_list = {
	.make = make_damaged,
	.make_other = make_other,
	.is_whole = is_whole,
	.use = use_all,
	.body_len = sizeof(struct seg_list),
	.deaths = { "list_write.made", "list_settle.unchained" },
};

static void damage_stays_where_it_is(void)
{
	lives_end_well(&life_of_a_list, N_LIVES, false);
}

static void damage_that_goes_on_stays_where_it_is(void)
{
	lives_beside_a_vandal_end_well(&life_of_a_list, N_VANDALS);
}

static void damage_stays_where_it_is_in_recovery(void)
{
	lives_end_well(&life_of_a_list, N_LIVES, true);
}

/* ---------------------------------------------------------------- more elements than there is memory for */

/* A node that leads n times to the same one below it. */
static uint64_t make_node(struct seg_list_node *node, uint32_t level, uint32_t n, uint64_t below)
{
	node->level = level;
	node->n = n;
	node->total = n * (uint64_t)list_elements(below);
	for (uint32_t i = 0; i < n; i++)
		node->entry[i] = below;
	return segment_ref(&seg, node) | node->total << 32;
}

static void a_few_nodes_are_no_long_list(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(LIFE_MEMORY), 0);
	uint64_t list = make_list(N_ELEMENTS), other = make_other(), n;
	struct seg_list *body = body_of(list);
	struct seg_list_node *root = segment_at(&seg, (uint32_t)body->top, sizeof(*root));
	struct seg_list_node *inner = segment_at(&seg, (uint32_t)root->entry[0], sizeof(*inner));
	uint64_t tree = inner->entry[0];
	uint8_t bytes[16];
	struct span value = { bytes, value_put_int(77, bytes) };
	for (uint32_t level = 1; level <= 5; level++) {
		struct seg_list_node *leaf = segment_at(&seg, (uint32_t)inner->entry[level], sizeof(*leaf));
		tree = make_node(leaf, level, level == 5 ? 5 : SEG_LIST_FAN, tree);
	}
	body->top = (body->top & 0xffffffff00000000ull) | (uint32_t)tree;
	alarm(LIFE_SECONDS);
	CU_ASSERT_EQUAL(list_count(&lane, list, value, &n), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	alarm(0);
	CU_ASSERT(is_whole(other));
	kit_end();
}

/* A list of 117 million elements, for its tree leads again and again to the same nodes. */
static uint64_t make_endless(void)
{
	uint64_t list = make_list(N_ELEMENTS);
	struct seg_list *body = body_of(list);
	struct seg_list_node *root = segment_at(&seg, (uint32_t)body->top, sizeof(*root));
	struct seg_list_node *inner = segment_at(&seg, (uint32_t)root->entry[0], sizeof(*inner));
	uint64_t tree = inner->entry[0];
	for (uint32_t level = 1; level <= 4; level++) {
		struct seg_list_node *leaf = segment_at(&seg, (uint32_t)inner->entry[level], sizeof(*leaf));
		tree = make_node(leaf, level, level == 4 ? 9 : SEG_LIST_FAN, tree);
	}
	body->top = (body->top & 0xffffffff00000000ull) | (uint32_t)tree;
	return list;
}

static void a_list_is_no_longer_than_its_own_memory_allows(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(1u << 30), 0);
	uint64_t list = make_endless(), other = make_other(), n;
	CU_ASSERT_EQUAL(list_len(&lane, list, &n), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	CU_ASSERT(is_whole(other));
	kit_end();
}

/* Nor does it help that the list seems to have as much memory as there is. */
static void a_walk_comes_to_a_leaf_once(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(1u << 30), 0);
	uint8_t bytes[16];
	struct span value = { bytes, value_put_int(77, bytes) };
	struct list_slice all = LIST_ALL;
	uint64_t list = make_endless(), other = make_other(), n;
	body_of(list)->bytes = UINT64_MAX;
	alarm(LIFE_SECONDS);
	for (int i = 0; i < 10; i++) {
		use_again(list);
		CU_ASSERT_EQUAL(list_count(&lane, list, value, &n), SABIR_DATA_LOSS);
		use_again(list);
		CU_ASSERT_EQUAL(list_remove(&lane, list, value, &n), SABIR_DATA_LOSS);
		use_again(list);
		CU_ASSERT_EQUAL(list_reverse(&lane, list), SABIR_DATA_LOSS);
		use_again(list);
		CU_ASSERT_EQUAL(list_delete_slice(&lane, list, &all, &n), SABIR_DATA_LOSS);
	}
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	alarm(0);
	CU_ASSERT(is_whole(other));
	kit_end();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_few_nodes_are_no_long_list),
		KIT_TEST(a_list_is_no_longer_than_its_own_memory_allows),
		KIT_TEST(a_walk_comes_to_a_leaf_once),
		KIT_TEST(damage_stays_where_it_is),
		KIT_TEST(damage_that_goes_on_stays_where_it_is),
		KIT_TEST(damage_stays_where_it_is_in_recovery),
	};
	return kit_run("list, damage", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
