/* SPDX-License-Identifier: Apache-2.0 */
/* The dict on damaged memory: DATA_LOSS, a miss or a wrong answer, but no crash and no hang. */
#include "server/base/clock.h"
#include "server/objects/dict_parts.h"
#include "server/objects/dict_test_kit.h"
#include "server/objects/object_hostile_test_kit.h"
#include "server/objects/task_queue.h"

#define N_ENTRIES 300
#define N_OTHERS 40
#define N_VANDALS 20

/* ---------------------------------------------------------------- use */

static enum sabir_error flip(void *context, struct span now, struct span *next, bool *write)
{
	*next = now.data ? (struct span){ NULL, 0 } : number_span(context);
	*write = true;
	return SABIR_OK;
}

/* Entries that end, and the clock that ends them. */
static bool timed;

static enum sabir_error set_to_end(uint64_t d, uint64_t key)
{
	uint64_t value = key;
	const struct dict_entry entry = { .key = number_span(&key),
					  .value = number_span(&value),
					  .ends = dict_end_after((1 + key % 50) * CLOCK_MILLISECOND) };
	bool inserted;
	return dict_set_entry(&lane, d, &entry, &inserted);
}

static void use_time(uint64_t d, uint64_t key)
{
	uint64_t left;
	(void)set_to_end(d, key + key % 4);
	(void)dict_expire(&lane, d, number_span(&key), dict_end_after(key % 9 * CLOCK_MILLISECOND));
	(void)dict_ttl(&lane, d, number_span(&key), &left);
	task_clock_ahead_ns += key % 3 * CLOCK_MILLISECOND;
	if (key % 11 == 0)
		(void)dict_remove_due(&lane, d);
}

static void use_key(uint64_t d, uint64_t key)
{
	struct bytes out = { 0 };
	bool found;
	dict_get(&lane, d, number_span(&key), &out);
	dict_contains(&lane, d, number_span(&key), &found);
	if (key % 3 == 0)
		set(&lane, d, key, key);
	if (key % 3 == 1)
		dict_pop(&lane, d, number_span(&key), &out);
	if (key % 3 == 2)
		dict_modify(&lane, d, number_span(&key), flip, &key);
	set(&lane, d, key + 1000, key);
	if (key % 7 == 0)
		dict_popitem(&lane, d, &out);
	bytes_fini(&out);
}

static void use_pages(uint64_t d)
{
	uint64_t cursor = 0;
	for (int i = 0; i < 100; i++) {
		struct bytes out = { 0 };
		enum sabir_error error = dict_page(&lane, d, DICT_ITEMS, 50, &cursor, &out);
		bytes_fini(&out);
		if (error || !cursor)
			break;
	}
}

static void use_all(uint64_t d)
{
	struct object_info info;
	uint64_t removed;
	use_pages(d);
	for (uint64_t key = 0; key < N_ENTRIES; key += 1 + (uint64_t)rand() % 5) {
		use_again(d);
		use_key(d, key);
		if (timed)
			use_time(d, key);
	}
	use_again(d);
	object_describe(&lane, d, &info);
	use_pages(d);
	if (rand() % 2)
		dict_clear(&lane, d, &removed);
	for (uint64_t key = 0; key < 50; key++)
		set(&lane, d, key, key);
}

/* ---------------------------------------------------------------- lives */

static uint64_t make_damaged(void)
{
	uint64_t d = make_dict();
	for (uint64_t i = 0; i < N_ENTRIES; i++)
		if (!timed || i % 2 || set_to_end(d, i))
			set(&lane, d, i, i);
	return d;
}

static uint64_t make_other(void)
{
	uint64_t d = make_dict();
	for (uint64_t i = 0; i < N_OTHERS; i++)
		set(&lane, d, i, i);
	return d;
}

static bool is_whole(uint64_t other)
{
	uint64_t got = 0;
	for (uint64_t i = 0; i < N_OTHERS; i++)
		if (get(&lane, other, i, &got) || got != i)
			return false;
	return true;
}

static const struct kind_life life_of_a_dict = {
	.make = make_damaged,
	.make_other = make_other,
	.is_whole = is_whole,
	.use = use_all,
	.body_len = sizeof(struct seg_dict),
	.deaths = { "journal.stored", "dict_write.committed" },
};

static void damage_stays_where_it_is(void)
{
	lives_end_well(&life_of_a_dict, 400, false);
}

static void damage_that_goes_on_stays_where_it_is(void)
{
	lives_beside_a_vandal_end_well(&life_of_a_dict, N_VANDALS);
}

static void damage_stays_where_it_is_in_recovery(void)
{
	lives_end_well(&life_of_a_dict, 300, true);
}

/* The ends of entries, and the list by which they are found, are damaged as well. */
static void damage_to_entries_that_end_stays_where_it_is(void)
{
	timed = true;
	lives_end_well(&life_of_a_dict, 300, false);
	lives_end_well(&life_of_a_dict, 200, true);
	timed = false;
}

/* ---------------------------------------------------------------- plain cases */

/* Whoever removes what is due finds it by this list; what is on it must be the dict's, and have an end. */
static void a_strange_first_end_is_data_loss(void)
{
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict(), other = make_dict(), n;
		set(&lane, other, 1, 1);
		CU_ASSERT_EQUAL(set_to_end(d, 1), SABIR_OK);
		struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
		struct seg_dict *others = segment_at(&seg, seg.objects[object_index(other)].body, sizeof(*body));
		struct seg_timed *version = segment_at(&seg, body->timed[0], sizeof(*version));
		if (i == 0)
			body->timed[0] = 0xfffffff0;
		else if (i == 1)
			body->timed[0] = others->tables; /* another dict's block */
		else
			version->end.key = 0;
		task_clock_ahead_ns += CLOCK_SECOND;
		CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(length_of(other), 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		kit_end();
	}
}

static void a_ref_out_of_bounds_is_data_loss(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
	uint64_t d = make_dict(), got;
	set(&lane, d, 1, 1);
	struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	body->tables = 0xfffffff0;
	CU_ASSERT_EQUAL(get(&lane, d, 1, &got), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(length_of(make_dict()), 0); /* others go on */
	uint64_t n = 77;
	CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(n, 77);
	CU_ASSERT_EQUAL(set(&lane, d, 2, 2), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	kit_end();
}

static struct seg_node *node_of(uint64_t d, uint64_t key)
{
	struct dict_key k = { number_span(&key), 0 };
	struct dict_found found = { .now = 0 };
	struct dict view;
	CU_ASSERT_EQUAL_FATAL(dict_enter(&lane, SEG_OP_READ, d, &view), SABIR_OK);
	k.hash = dict_hash(&view, k.bytes);
	CU_ASSERT_EQUAL_FATAL(dict_look(&view, &k, &found), SABIR_OK);
	object_leave(&lane);
	return found.node;
}

/* Else others would use one block at the same time. What the lane has in its cache makes a difference. */
static void a_node_that_is_its_own_version_is_freed_once(void)
{
	for (uint32_t i = 0; i < 80; i++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict(), others[2] = { make_dict(), make_dict() }, got = 0;
		for (uint64_t key = 0; key < 2 + i / 4; key++)
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
		struct seg_node *node = node_of(d, 1);
		struct seg_version *version = segment_at(&seg, node->block.next, sizeof(*version));
		if (i % 2)
			version->block.next = node->block.next;
		else
			node->block.next = segment_ref(&seg, node);
		if (i % 4 < 2)
			(void)del(&lane, d, 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		for (uint64_t key = 0; key < 40; key++)
			CU_ASSERT_EQUAL(set(&lane, others[key % 2], key, key), SABIR_OK);
		for (uint64_t key = 0; key < 40; key++)
			CU_ASSERT(get(&lane, others[key % 2], key, &got) == SABIR_OK && got == key);
		kit_end();
	}
}

/* Whether nobody is given a block of the order's size twice. */
static bool blocks_differ(void)
{
	struct seg_block *block;
	static uint32_t refs[200];
	bool differ = true;
	lane_begin(&lane, SEG_OP_READ, 0);
	for (unsigned i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, sizeof(struct seg_order), 0, &block), SABIR_OK);
		refs[i] = segment_ref(&seg, block);
		block_publish(block, 1);
		for (unsigned k = 0; k < i; k++)
			differ &= refs[k] != refs[i];
	}
	lane_end(&lane);
	return differ;
}

static void a_leaf_that_leads_to_itself_is_freed_once(void)
{
	for (unsigned way = 0; way < 3; way++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict();
		for (uint64_t key = 0; key < 5; key++)
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
		const struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
		uint32_t ref = (uint32_t)body->order;
		struct seg_order *leaf = segment_at(&seg, ref, sizeof(*leaf));
		struct seg_node *node = node_of(d, 1);
		struct seg_version *version = segment_at(&seg, node->block.next, sizeof(*version));
		uint32_t *const words[] = { &leaf->slot[__builtin_ctzll(leaf->used) + 1], &node->block.next,
					    &version->block.next };
		*words[way] = ref;
		uint64_t removed;
		(void)dict_clear(&lane, d, &removed);
		for (int i = 0; i < 40; i++)
			(void)set(&lane, d, 100, 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		CU_ASSERT(blocks_differ());
		kit_end();
	}
}

/* A write of many has a list of its versions, which who takes the lock next works off. */
static void a_list_of_pending_versions_that_is_a_ring_ends(void)
{
	for (uint32_t n = 1; n <= 3; n++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict(), other = make_dict();
		struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
		struct seg_version *version[3];
		set(&lane, other, 1, 1);
		for (uint64_t key = 0; key < n; key++) {
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
			version[key] = segment_at(&seg, node_of(d, key)->block.next, sizeof(**version));
		}
		for (uint32_t i = 0; i < n; i++)
			version[i]->pending_next = segment_ref(&seg, version[(i + 1) % n]);
		body->pending = segment_ref(&seg, version[0]);
		alarm(LIFE_SECONDS);
		(void)set(&lane, d, 100, 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		alarm(0);
		CU_ASSERT_EQUAL(length_of(other), 1);
		kit_end();
	}
}

/* Its parts would be whatever stands behind it, or lead to the same cells again and again. */
/* What stands behind a small block is somebody else's. */
static void what_is_too_small_for_a_leaf_is_none(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
	uint64_t d = make_dict();
	for (uint64_t key = 0; key < 60; key++)
		CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
	struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	uint32_t ref = segment_ref(&seg, node_of(d, 1));
	uint64_t size = block_size(&seg, ref), was[40];
	struct seg_order *leaf = segment_at(&seg, ref, sizeof(*leaf));
	CU_ASSERT_FATAL(size < sizeof(*leaf));
	memcpy(was, (uint8_t *)leaf + size, sizeof(*leaf) - size);
	leaf->level = 0;
	leaf->base = body->next_order & ~63ull;
	leaf->used = 0;
	body->order = ref;
	CU_ASSERT_EQUAL(set(&lane, d, 1000, 1), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(memcmp(was, (uint8_t *)leaf + size, sizeof(*leaf) - size), 0);
	kit_end();
}

static void a_table_is_no_larger_than_its_block(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
	uint64_t d = make_dict(), got;
	set(&lane, d, 1, 1);
	struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	struct seg_table *table = segment_at(&seg, (uint32_t)body->tables, sizeof(*table));
	for (uint32_t log2 = 18; log2 < 29; log2++) {
		table->log2_cells = log2;
		for (uint64_t key = 0; key < 50; key++) {
			memset(&lane.table, 0, sizeof(lane.table));
			seg.objects[object_index(d)].damaged = 0;
			CU_ASSERT_EQUAL(get(&lane, d, key, &got), SABIR_DATA_LOSS);
		}
	}
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	kit_end();
}

/* Who looks for a key there only misses it; who puts one there would write into what is another's. */
static void a_part_of_another_object_is_not_written_to(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
	uint64_t d = make_dict(), other = make_dict(), key = 1, nothing[64] = { 0 };
	const struct span zeros = { (const uint8_t *)nothing, sizeof(nothing) };
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(dict_set(&lane, other, number_span(&key), zeros, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(set(&lane, d, 1, 1), SABIR_OK);
	struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	struct seg_table *table = segment_at(&seg, (uint32_t)body->tables, sizeof(*table));
	table->part[0] = node_of(other, 1)->block.next;
	for (uint64_t k = 2; k < 40; k++) {
		use_again(d);
		CU_ASSERT_EQUAL(set(&lane, d, k, k), SABIR_DATA_LOSS);
	}
	CU_ASSERT_EQUAL(dict_get(&lane, other, number_span(&key), &out), SABIR_OK);
	CU_ASSERT_EQUAL(memcmp(bytes_item(&out, 0).data, nothing, sizeof(nothing)), 0);
	bytes_fini(&out);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	kit_end();
}

/* Of what is behind the last cell of a part only one who goes on looks at the next one. */
static void a_removal_at_the_end_of_a_part_looks_at_the_next_one(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(32 << 20), 0);
	uint64_t d = make_dict(), key = 0;
	const struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	struct seg_table *table = NULL;
	const struct seg_cells *part = NULL;
	for (; !part || !(uint32_t)part->cell[4095] || !table->part[1]; key++) {
		CU_ASSERT_EQUAL_FATAL(set(&lane, d, key, key), SABIR_OK);
		table = segment_at(&seg, (uint32_t)body->tables, sizeof(*table));
		part = table->log2_cells > 12 ? segment_at(&seg, table->part[0], sizeof(*part) + 8 * 4096) : NULL;
	}
	const struct seg_node *node = segment_at(&seg, (uint32_t)part->cell[4095], sizeof(*node) + sizeof(key));
	memcpy(&key, node + 1, sizeof(key));
	table->part[1] = 0xfffffff0;
	CU_ASSERT_EQUAL(del(&lane, d, key), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	kit_end();
}

/* A table as large as the memory allows, whose cells are those of one part, over and over. */
static uint64_t table_of_one_part(const struct seg_dict *body, uint32_t index, uint64_t cell)
{
	const struct seg_table *small = segment_at(&seg, (uint32_t)body->tables, sizeof(*small));
	struct seg_cells *part = segment_at(&seg, small->part[0], sizeof(*part) + 8 * 4096);
	const uint32_t log2 = 26, n_parts = 1u << (log2 - 12);
	struct seg_block *block;
	lane_begin(&lane, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, sizeof(*small) + 4ull * n_parts, 0, &block), SABIR_OK);
	block_publish(block, index);
	lane_end(&lane);
	struct seg_table *large = (struct seg_table *)block;
	large->log2_cells = log2;
	for (uint32_t i = 0; i < n_parts; i++)
		large->part[i] = small->part[0];
	for (uint32_t i = 0; i < 4096; i++)
		part->cell[i] = cell;
	return segment_ref(&seg, large);
}

/* Whatever goes through the table's cells is at its end where it comes to the same ones again. */
static void a_part_is_in_a_table_once(void)
{
	for (unsigned older = 0; older < 2; older++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(1u << 30), 0);
		uint64_t d = make_dict(), other = make_dict(), got;
		for (uint64_t key = 0; key < 4000; key++)
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
		CU_ASSERT_EQUAL(set(&lane, other, 1, 1), SABIR_OK);
		struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
		body->tables = table_of_one_part(body, object_index(d), SEG_CELL_GONE | 1ull << 32) << 32 * older |
			       (older ? (uint32_t)body->tables : 0);
		alarm(LIFE_SECONDS);
		for (uint64_t key = 0; key < 300; key++) {
			use_again(d);
			CU_ASSERT_EQUAL(get(&lane, d, key, &got), SABIR_DATA_LOSS);
			use_again(d);
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_DATA_LOSS);
		}
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		alarm(0);
		CU_ASSERT_EQUAL(length_of(other), 1);
		kit_end();
	}
}

/* Here it is moved on, all at once, for what is current seems to be full. */
static void a_table_that_leads_to_one_part_is_not_moved(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(1u << 30), 0);
	uint64_t d = make_dict();
	for (uint64_t key = 0; key < 4000; key++)
		CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
	struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	body->tables = table_of_one_part(body, object_index(d), 0) << 32 | (uint32_t)body->tables;
	body->n_used = 1ull << 60;
	CU_ASSERT_EQUAL(set(&lane, d, 4000, 1), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	kit_end();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_ref_out_of_bounds_is_data_loss),
		KIT_TEST(a_table_is_no_larger_than_its_block),
		KIT_TEST(what_is_too_small_for_a_leaf_is_none),
		KIT_TEST(a_removal_at_the_end_of_a_part_looks_at_the_next_one),
		KIT_TEST(a_part_is_in_a_table_once),
		KIT_TEST(a_part_of_another_object_is_not_written_to),
		KIT_TEST(a_table_that_leads_to_one_part_is_not_moved),
		KIT_TEST(a_strange_first_end_is_data_loss),
		KIT_TEST(a_list_of_pending_versions_that_is_a_ring_ends),
		KIT_TEST(a_node_that_is_its_own_version_is_freed_once),
		KIT_TEST(a_leaf_that_leads_to_itself_is_freed_once),
		KIT_TEST(damage_stays_where_it_is),
		KIT_TEST(damage_to_entries_that_end_stays_where_it_is),
		KIT_TEST(damage_that_goes_on_stays_where_it_is),
		KIT_TEST(damage_stays_where_it_is_in_recovery),
	};
	return kit_run("dict, damage", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
