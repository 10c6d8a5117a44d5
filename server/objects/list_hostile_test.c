/* SPDX-License-Identifier: Apache-2.0 */
/* Lists while a hostile program writes over their words: what was checked is what is used, and every walk ends. */
#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/list_parts.h"
#include "server/objects/object_hostile_test_kit.h"
#include "server/objects/shared_list.h"

static int setup(void)
{
	return kit_begin(LIFE_MEMORY);
}

static struct seg_list *body_of(uint64_t list)
{
	return segment_at(&seg, seg.objects[object_index(list)].body, sizeof(struct seg_list));
}

/* n times a small number. */
static enum sabir_error insert_many(uint64_t list, int64_t at, uint32_t n)
{
	struct list_slice slice = { .start = at, .stop = at, .step = 1, .has_start = true, .has_stop = true };
	uint8_t bytes[VALUE_MAX_HEAD];
	struct span value = { bytes, value_put_int(5, bytes) }, *values = malloc(n * sizeof(*values));
	CU_ASSERT_PTR_NOT_NULL_FATAL(values);
	for (uint32_t i = 0; i < n; i++)
		values[i] = value;
	enum sabir_error error = list_set_slice(&lane, list, &slice, values, n, NULL);
	free(values);
	return error;
}

static uint64_t make_list(uint32_t n)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t list = kit_make(&spec);
	CU_ASSERT_EQUAL(insert_many(list, 0, n), SABIR_OK);
	return list;
}

static void is_whole_and_goes(uint64_t other, uint64_t length)
{
	uint64_t n = 0;
	CU_ASSERT(list_len(&lane, other, &n) == SABIR_OK && n == length);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
	CU_ASSERT(cache_is_sound(&lane));
}

/* All but the last of the children of one node say that they have one entry, when they are made and not yet looked at. */
static void strike_fresh(struct strike *s)
{
	const struct seg_list *body = s->at;
	uint32_t ref = body->fresh;
	for (uint32_t n = 0; ref && n < s->n; n++) {
		struct seg_list_node *node = segment_at(&seg, ref, sizeof(*node));
		if (node->level == 1 && node->n > 1)
			node->n = 1;
		ref = node->block.next;
	}
}

static void new_nodes_that_shrink_meanwhile_are_joined_within_bounds(void)
{
	uint64_t list = make_list(SEG_LIST_FAN * SEG_LIST_FAN * 2), other = make_list(100);
	struct strike s = { "list_write.made", strike_fresh, body_of(list), 0, 0 };
	strike_begin(&s);
	(void)insert_many(list, SEG_LIST_FAN * SEG_LIST_FAN, SEG_LIST_FAN * SEG_LIST_FAN * 25);
	strike_end();
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	is_whole_and_goes(other, 100);
}

/* The node says that it has more elements than its children do. */
static void a_place_behind_all_children_is_data_loss(void)
{
	uint64_t list = make_list(8000), other = make_list(100), most = seg.data_len / sizeof(struct seg_list_node);
	struct seg_list_node *root = segment_at(&seg, (uint32_t)body_of(list)->top, sizeof(*root));
	root->total = most * SEG_LIST_FAN;
	alarm(LIFE_SECONDS);
	CU_ASSERT_EQUAL(insert_many(list, (int64_t)root->total - 10, 1), SABIR_DATA_LOSS);
	alarm(0);
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	is_whole_and_goes(other, 100);
}

static void the_body_is_no_node(void)
{
	uint64_t list = make_list(100), other = make_list(100);
	struct seg_list *body = body_of(list);
	body->fresh = segment_ref(&seg, body);
	body->writing = 1000;
	CU_ASSERT_EQUAL(insert_many(list, 0, 1), SABIR_DATA_LOSS);
	CU_ASSERT(block_is_of(&body->block, object_index(list)));
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	is_whole_and_goes(other, 100);
}

static void strike_chain(struct strike *s)
{
	struct seg_list *body = s->at;
	struct seg_block *block = segment_at(&seg, (uint32_t)s->value, sizeof(*block));
	store64_relaxed(&block->word, block_word(SEG_BLOCK_LIVE, 0, (uint32_t)(s->value >> 32), 1));
	store32_relaxed(&block->next, (uint32_t)s->value);
	store32_relaxed(&body->fresh, (uint32_t)s->value);
}

/* A block that is made the list's again as often as it is freed. */
static void a_chain_without_end_is_data_loss(void)
{
	uint64_t list = make_list(100);
	struct seg_list *body = body_of(list);
	struct strike s = { "list_settle.unchained", strike_chain, body, 0, 0 };
	s.value = (uint32_t)body->top | (uint64_t)object_index(list) << 32;
	body->fresh = (uint32_t)body->top;
	body->writing = 1000;
	strike_begin(&s);
	CU_ASSERT_EQUAL(insert_many(list, 0, 1), SABIR_DATA_LOSS);
	strike_end();
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
}

static void strike_top(struct strike *s)
{
	struct seg_list *body = s->at;
	store64_relaxed(&body->top, load64_relaxed(&body->top) + (1ull << 32));
}

/* Who describes the list does not wait for ever until nobody changes it. */
static void a_list_that_never_rests_is_described(void)
{
	uint64_t list = make_list(100);
	struct strike s = { "list_describe.looked", strike_top, body_of(list), 0, 0 };
	struct object_info info;
	strike_begin(&s);
	CU_ASSERT(object_describe(&lane, list, &info) == SABIR_OK && info.length == 100);
	strike_end();
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
}

static void strike_slot(struct strike *s)
{
	store64_relaxed(s->at, load64_relaxed(s->at) + (1ull << 32));
}

static void an_element_of_a_shared_list_that_never_rests_is_data_loss(void)
{
	static const uint8_t seven[] = { WIRE_TAG(1, WIRE_LEN), 2, WIRE_TAG(VALUE_INT, WIRE_VARINT), 7 };
	struct object_spec spec = { .kind = SEG_KIND_SHARED_LIST, .initial = { seven, sizeof(seven) } };
	uint64_t list = kit_make(&spec);
	struct seg_shared_list *body = segment_at(&seg, seg.objects[object_index(list)].body, sizeof(*body));
	struct strike s = { "shared_list.copied", strike_slot, body + 1, 0, 0 };
	struct bytes out = { 0 };
	CU_ASSERT(shared_list_get(&lane, list, 0, &out) == SABIR_OK && out.len == 2);
	strike_begin(&s);
	CU_ASSERT_EQUAL(shared_list_get(&lane, list, 0, &out), SABIR_DATA_LOSS);
	strike_end();
	CU_ASSERT(s.n < 10000);
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	bytes_fini(&out);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(new_nodes_that_shrink_meanwhile_are_joined_within_bounds),
		KIT_TEST(a_place_behind_all_children_is_data_loss),
		KIT_TEST(the_body_is_no_node),
		KIT_TEST(a_list_that_never_rests_is_described),
		KIT_TEST(an_element_of_a_shared_list_that_never_rests_is_data_loss),
		KIT_TEST(
			a_chain_without_end_is_data_loss), /* the last: what was freed so often is in the lane's hands */
	};
	return kit_run("list, hostile", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
