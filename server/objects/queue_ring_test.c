/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A faulty program writes over the links of a queue so that they lead back to where they came from. Whoever follows them ends all the
 * same, soon, and nothing is freed twice.
 */
#include "server/objects/queue_damage_test_kit.h"

#define PATIENCE_S 20 /* a ring has no end */

static void a_list_that_bites_its_tail_ends(void)
{
	uint64_t q = make(false), other = make(false);
	struct span first = borrow(q, 1), second = borrow(q, 2);
	item_of(second)->block.next = ref_of(first);
	CU_ASSERT_EQUAL(release(q, 3), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

static void ignore(void *context, uint64_t handle)
{
	(void)context;
	(void)handle;
}

/* The collector looks at chains while others take them, and must not take damage for that. */
static void a_chain_that_bites_its_tail_is_followed_once(void)
{
	uint64_t q = make(true), other = make(false);
	struct seg_item *item = live_item(q, 0);
	item->block.next = segment_ref(&seg, item);
	CU_ASSERT_EQUAL(queue_scan(&lane, q, ignore, NULL), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

/* ---------------------------------------------------------------- slots */

static enum sabir_error put_it(uint64_t q)
{
	uint32_t accepted;
	return queue_put(&lane, q, &(struct queue_item){ .body = { (const uint8_t *)"x", 1 } }, 1, &accepted);
}

static enum sabir_error size_it(uint64_t q)
{
	struct queue_size size;
	return queue_size(&lane, q, &size);
}

static enum sabir_error scan_it(uint64_t q)
{
	return queue_scan(&lane, q, ignore, NULL);
}

/* Nothing but its memory: what is not followed is not counted. */
static enum sabir_error describe_it(uint64_t q)
{
	struct object_info info;
	(void)object_describe(&lane, q, &info);
	return SABIR_DATA_LOSS;
}

/* All slots of the first segment have been used up, and then it is the one behind itself. */
static uint64_t with_a_ring_of_slots(void)
{
	uint64_t q = make_queue(0);
	CU_ASSERT_EQUAL(put_it(q), SABIR_OK);
	struct seg_slots *slots = first_slots(q);
	uint32_t ref = segment_ref(&seg, slots);
	for (uint32_t i = 1; i < slots->n_slots; i++)
		CU_ASSERT_EQUAL(put_it(q), SABIR_OK);
	for (uint32_t i = 0; i < slots->n_slots; i++)
		CU_ASSERT_EQUAL(get(q), SABIR_OK);
	CU_ASSERT_EQUAL((uint32_t)body_of(q)->head, ref);
	slots->block.next = ref;
	return q;
}

static void a_ring_of_slots_is_noticed(void)
{
	enum sabir_error (*const acts[])(uint64_t) = { get, put_it, peek, size_it, scan_it, keep_it, describe_it };
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		uint64_t q = with_a_ring_of_slots(), other = make(false);
		alarm(PATIENCE_S);
		CU_ASSERT_EQUAL(acts[i](q), SABIR_DATA_LOSS);
		CU_ASSERT(spares(other, q));
		alarm(0);
	}
}

/* ---------------------------------------------------------------- what somebody has taken */

#define LARGE_ITEM 100000u /* an item whose block is no slab's */

static void put_large(uint64_t q)
{
	static uint8_t data[LARGE_ITEM];
	struct queue_item item = { .body = { data, LARGE_ITEM } };
	uint32_t accepted;
	CU_ASSERT_EQUAL_FATAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
}

/* The chain of a lane, the last of which leads to its first one. */
static void close_chain(const struct lane *of)
{
	uint32_t first = of->shared->chain;
	struct seg_block *block = segment_at(&seg, first, sizeof(*block));
	while (block->next)
		block = segment_at(&seg, block->next, sizeof(*block));
	block->next = first;
}

static void a_ring_of_large_items_ends(void)
{
	for (uint32_t n = 1; n <= 3; n++) {
		uint64_t q = make_queue(0), other = make(false);
		for (uint32_t i = 0; i < n; i++)
			put_large(q);
		get_open(q, n);
		close_chain(&lane);
		alarm(PATIENCE_S);
		queue_get_close(&lane, n);
		alarm(0);
		CU_ASSERT(spares(other, q));
	}
}

static void act_get_two(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	(void)queue_get(by, *(uint64_t *)context, 2, &out);
	bytes_fini(&out);
}

/* The recovery of who has taken them goes along the same ring. */
static void a_ring_that_a_dead_getter_left_ends(void)
{
	const struct kit_step decided = { "queue_get.committed", 1 };
	uint64_t q = make_queue(0), other = make(false);
	struct lane dead = kit_lane(&seg);
	put_large(q);
	put_large(q);
	CU_ASSERT_FATAL(kit_die_at(&decided, act_get_two, &dead, &q));
	close_chain(&dead);
	alarm(PATIENCE_S);
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
	alarm(0);
	CU_ASSERT(spares(other, q));
}

/* Else memory would be used twice at the same time. What the lane has in its cache makes a difference. */
static void a_ring_of_taken_items_is_freed_once(void)
{
	for (uint32_t n = 0; n < 8; n++) {
		uint64_t q = make(false), other = make(false);
		struct queue_slot slot[8];
		for (uint32_t i = 0; i < n; i++)
			slot[i] = reserve(q);
		get_open(q, 1 + n % N_ITEMS);
		close_chain(&lane);
		queue_get_close(&lane, 1 + n % N_ITEMS);
		uint64_t next = make(false);
		CU_ASSERT(is_whole(next));
		CU_ASSERT_EQUAL(object_delete(&lane, next), SABIR_OK);
		for (uint32_t i = 0; i < n; i++)
			CU_ASSERT_EQUAL(queue_forgo(&lane, &slot[i]), SABIR_OK);
		CU_ASSERT(spares(other, q));
	}
}

/* ---------------------------------------------------------------- in a large memory */

/* As many steps as it has room for items take ten seconds and more. Most of it is never touched. */
#define LARGE_MEMORY (120ull << 30)
#define LARGE_PATIENCE_S 5

/* Does it with a segment of that size in the place of the small one. */
static void in_large_memory(void (*what)(uint64_t q))
{
	const struct segment small = seg;
	const struct lane own = lane;
	CU_ASSERT_EQUAL_FATAL(kit_segment(LARGE_MEMORY, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	uint64_t q = make(false), other = make(false);
	alarm(LARGE_PATIENCE_S);
	what(q);
	alarm(0);
	CU_ASSERT(is_whole(other));
	kit_lane_close(&lane);
	segment_unmap(&seg);
	seg = small;
	lane = own;
}

/* Two that are held, or were given back, lead to each other. */
static void make_ring(uint64_t q, bool returned)
{
	struct span first = borrow(q, 1), second = borrow(q, 2);
	if (returned) {
		CU_ASSERT_EQUAL(give_back(q, 1), SABIR_OK);
		CU_ASSERT_EQUAL(give_back(q, 2), SABIR_OK);
	}
	item_of(second)->block.next = ref_of(first);
}

static void search_held(uint64_t q)
{
	make_ring(q, false);
	CU_ASSERT_EQUAL(release(q, 3), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
}

static void return_behind_returned(uint64_t q)
{
	for (uint64_t number = 1; number <= 3; number++)
		(void)borrow(q, number);
	CU_ASSERT_EQUAL(give_back(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(give_back(q, 2), SABIR_OK);
	struct seg_queue *body = body_of(q);
	struct seg_item *second = segment_at(&seg, body->returned, sizeof(*second));
	second = segment_at(&seg, second->block.next, sizeof(*second));
	second->block.next = body->returned;
	CU_ASSERT_EQUAL(give_back(q, 3), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
}

static void scan_returned(uint64_t q)
{
	make_ring(q, true);
	CU_ASSERT_EQUAL(queue_scan(&lane, q, ignore, NULL), SABIR_DATA_LOSS);
}

static void scan_chain(uint64_t q)
{
	struct seg_item *item = live_item(q, 0);
	item->block.next = segment_ref(&seg, item);
	CU_ASSERT_EQUAL(queue_scan(&lane, q, ignore, NULL), SABIR_DATA_LOSS);
}

static void keep_held(uint64_t q)
{
	make_ring(q, false);
	CU_ASSERT_EQUAL(keep_it(q), SABIR_DATA_LOSS);
}

/* The sweep leaves what is lent. */
static void delete_lent(uint64_t q)
{
	struct seg_object *object = &seg.objects[object_index(q)];
	make_ring(q, false);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	kit_settle(&lane);
	CU_ASSERT_EQUAL(object_state(object->word), SEG_OBJECT_DYING);
	CU_ASSERT_EQUAL(object_kept_gone(&lane, object_index(q), lane_own_owner(&lane)), SABIR_OK);
	kit_settle(&lane);
	CU_ASSERT_EQUAL(object_state(object->word), SEG_OBJECT_FREE);
}

static void act_put_four(struct lane *by, void *context)
{
	static const uint8_t data[ITEM_LEN];
	const struct queue_item item = { .body = { data, ITEM_LEN } }, items[N_ITEMS] = { item, item, item, item };
	uint32_t accepted;
	(void)queue_put(by, *(uint64_t *)context, items, N_ITEMS, &accepted);
}

/* Who died was to cut his chain. */
static void recover_cut(uint64_t q)
{
	const struct kit_step chained = { "queue_put.chained", N_ITEMS };
	struct lane dead = kit_lane(&seg);
	CU_ASSERT_FATAL(kit_die_at(&chained, act_put_four, &dead, &q));
	close_chain(&dead);
	dead.shared->doomed = segment_ref(&seg, live_item(q, 0));
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
}

/* Who died seems to have left a segment of slots behind, and those that are there are a ring. */
static void recover_left(uint64_t q)
{
	const struct kit_step chained = { "queue_put.chained", N_ITEMS };
	struct lane dead = kit_lane(&seg);
	struct seg_slots *slots = first_slots(q);
	CU_ASSERT_FATAL(kit_die_at(&chained, act_put_four, &dead, &q));
	slots->block.next = segment_ref(&seg, slots);
	dead.shared->hand[HAND_OLD_SLOTS] = segment_ref(&seg, live_item(q, 0));
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
}

static void no_ring_is_followed_for_long(void)
{
	in_large_memory(search_held);
	in_large_memory(return_behind_returned);
	in_large_memory(scan_returned);
	in_large_memory(scan_chain);
	in_large_memory(keep_held);
	in_large_memory(delete_lent);
	in_large_memory(recover_cut);
	in_large_memory(recover_left);
}

struct led_back {
	uint64_t *head;
	uint64_t to;
};

static void lead_back(const char *step, void *context)
{
	const struct led_back *led = context;
	if (!strcmp(step, "queue_slots.left"))
		store64_seq(led->head, led->to);
}

/* Whenever the head has gone on, somebody has it lead to where it was. */
static void a_head_that_is_led_back_all_the_while_is_damage(void)
{
	uint64_t q = make_queue(0), other = make(false);
	for (uint32_t i = 0; i < 100; i++) /* more than the first segment has slots */
		CU_ASSERT_EQUAL(put_it(q), SABIR_OK);
	struct led_back led = { &body_of(q)->head, (uint32_t)body_of(q)->head };
	fault_trace(lead_back, &led);
	alarm(PATIENCE_S);
	uint32_t n = 0;
	enum sabir_error error = SABIR_OK;
	while (!error && n++ < 100)
		error = get(q);
	CU_ASSERT(error == SABIR_DATA_LOSS && n < 100);
	alarm(0);
	fault_trace(NULL, NULL);
	CU_ASSERT(spares(other, q));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_list_that_bites_its_tail_ends), KIT_TEST(a_chain_that_bites_its_tail_is_followed_once),
		KIT_TEST(a_ring_of_slots_is_noticed),      KIT_TEST(a_ring_of_taken_items_is_freed_once),
		KIT_TEST(a_ring_of_large_items_ends),      KIT_TEST(a_ring_that_a_dead_getter_left_ends),
		KIT_TEST(no_ring_is_followed_for_long),    KIT_TEST(a_head_that_is_led_back_all_the_while_is_damage),
	};
	return kit_run("queue, rings", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
