/* SPDX-License-Identifier: Apache-2.0 */
/* A faulty program writes into items that it reads, or was about to put, where they stand. Nobody else is hurt by that. */
#include <unistd.h>

#include "server/objects/keep.h"
#include "server/objects/queue_kind.h"
#include "server/objects/queue_test_kit.h"

#define LEN 3000u
#define N 4u
#define HOLDER 7u

static struct seg_item *item_of(struct span value)
{
	return (struct seg_item *)(void *)(uintptr_t)value.data - 1;
}

static uint32_t ref_of(struct span value)
{
	return segment_ref(&seg, item_of(value));
}

/* A queue of N items of LEN bytes, each of its number; put one by one, or as one chain. */
static uint64_t make(bool chained)
{
	uint8_t data[N][LEN];
	struct queue_item items[N];
	uint32_t accepted;
	uint64_t q = make_queue(0);
	for (uint32_t i = 0; i < N; i++) {
		memset(data[i], (int)i, LEN);
		items[i] = (struct queue_item){ .body = { data[i], LEN } };
	}
	for (uint32_t i = 0; i < N; i += chained ? N : 1)
		CU_ASSERT_EQUAL(queue_put(&lane, q, &items[i], chained ? N : 1, &accepted), SABIR_OK);
	return q;
}

static struct span borrow(uint64_t q, uint64_t number)
{
	struct span item = { NULL, 0 };
	CU_ASSERT_EQUAL_FATAL(queue_borrow(&lane, q, queue_borrower(number, lane.owner), &item), SABIR_OK);
	return item;
}

static enum sabir_error give_back(uint64_t q, uint64_t number)
{
	return queue_unhold(&lane, q, queue_borrower(number, lane.owner));
}

static enum sabir_error release(uint64_t q, uint64_t number)
{
	uint32_t gone;
	return queue_settle(&lane, q, queue_borrower(number, lane.owner), 1, &gone);
}

static enum sabir_error get(uint64_t q)
{
	struct bytes out = { 0 };
	enum sabir_error error = queue_get(&lane, q, 1, &out);
	bytes_fini(&out);
	return error;
}

static enum sabir_error peek(uint64_t q)
{
	struct bytes out = { 0 };
	enum sabir_error error = queue_peek(&lane, q, &out);
	bytes_fini(&out);
	return error;
}

/* The queue has its N items yet; then both are deleted and their memory used by others. */
static bool is_whole(uint64_t q)
{
	struct bytes out = { 0 };
	bool good = queue_get(&lane, q, N, &out) == SABIR_OK && out.n_items == N;
	for (size_t i = 0; good && i < N; i++) {
		struct span item = bytes_item(&out, i);
		good = item.len == LEN && item.data[0] == i && item.data[LEN - 1] == i;
	}
	bytes_fini(&out);
	return good;
}

static bool spares(uint64_t other, uint64_t damaged)
{
	bool good = object_delete(&lane, damaged) == SABIR_OK;
	kit_settle(&lane);
	uint64_t next = make(false);
	good &= is_whole(other) && is_whole(next);
	return object_delete(&lane, other) == SABIR_OK && object_delete(&lane, next) == SABIR_OK && good;
}

/* An item of another queue, to which a damaged link is to lead; that queue has it still. */
static uint32_t foreign(uint64_t other)
{
	struct span item = borrow(other, HOLDER);
	CU_ASSERT_EQUAL(give_back(other, HOLDER), SABIR_OK);
	return ref_of(item);
}

/* The first of them. */
static struct span return_two(uint64_t q)
{
	struct span item = borrow(q, 1);
	(void)borrow(q, 2);
	CU_ASSERT_EQUAL(give_back(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(give_back(q, 2), SABIR_OK);
	return item;
}

static void what_comes_behind_a_returned_item_is_not_taken_from_another_queue(void)
{
	uint64_t q = make(false), other = make(false);
	struct span item = return_two(q);
	item_of(item)->block.next = foreign(other);
	CU_ASSERT_EQUAL(get(q), SABIR_OK);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

static void what_comes_behind_a_returned_item_is_not_shown_from_another_queue(void)
{
	uint64_t q = make(false), other = make(false);
	struct span item = return_two(q);
	item_of(item)->block.next = foreign(other);
	CU_ASSERT_EQUAL(get(q), SABIR_OK);
	CU_ASSERT_EQUAL(peek(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

/* The item that is given back has a higher number than what the list says, and is not linked into another queue's. */
static void an_item_is_not_returned_into_another_queue(void)
{
	uint64_t q = make(false), other = make(false);
	struct span first = borrow(q, 1);
	(void)borrow(q, 2);
	CU_ASSERT_EQUAL(give_back(q, 1), SABIR_OK);
	item_of(first)->block.next = foreign(other);
	CU_ASSERT_EQUAL(give_back(q, 2), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

static void what_is_held_behind_another_queues_item_is_not_looked_for(void)
{
	uint64_t q = make(false), other = make(false);
	struct span first = borrow(q, 1);
	(void)borrow(q, 2);
	item_of(first)->block.next = foreign(other);
	(void)release(q, 2);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

static void a_list_that_bites_its_tail_ends(void)
{
	uint64_t q = make(false), other = make(false);
	struct span first = borrow(q, 1), second = borrow(q, 2);
	item_of(second)->block.next = ref_of(first);
	CU_ASSERT_EQUAL(release(q, 3), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

/* ---------------------------------------------------------------- slots */

/* The n-th slot's item. */
static struct seg_item *live_item(uint64_t q, uint32_t n)
{
	const struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	const struct seg_slots *slots = segment_at(&seg, (uint32_t)body->head, sizeof(*slots));
	return segment_at(&seg, (uint32_t)slots->slot[n], sizeof(struct seg_item));
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

static enum sabir_error keep_it(uint64_t q)
{
	struct kept_queue kept;
	enum sabir_error error = keep_queue(&lane, q, &kept);
	if (!error)
		kept_queue_fini(&kept);
	return error;
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
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint64_t q = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &q), SABIR_OK);
	CU_ASSERT_EQUAL(put_it(q), SABIR_OK);
	const struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	uint32_t ref = (uint32_t)body->head;
	struct seg_slots *slots = segment_at(&seg, ref, sizeof(*slots));
	for (uint32_t i = 1; i < slots->n_slots; i++)
		CU_ASSERT_EQUAL(put_it(q), SABIR_OK);
	for (uint32_t i = 0; i < slots->n_slots; i++)
		CU_ASSERT_EQUAL(get(q), SABIR_OK);
	CU_ASSERT_EQUAL((uint32_t)body->head, ref);
	slots->block.next = ref;
	return q;
}

static void a_ring_of_slots_is_noticed(void)
{
	enum sabir_error (*const acts[])(uint64_t) = { get, put_it, peek, size_it, scan_it, keep_it, describe_it };
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		uint64_t q = with_a_ring_of_slots(), other = make(false);
		alarm(20); /* a ring has no end */
		CU_ASSERT_EQUAL(acts[i](q), SABIR_DATA_LOSS);
		CU_ASSERT(spares(other, q));
		alarm(0);
	}
}

/* A lane that has been in no queue yet was nowhere, and does not go on there. */
static void a_hint_that_leads_nowhere_is_not_followed(void)
{
	uint64_t q = make(false), other = make(false);
	struct lane fresh = kit_lane(&seg);
	struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	struct object_info info = { 0 };
	body->head = 1ull << 62;
	(void)object_describe(&fresh, q, &info);
	CU_ASSERT_EQUAL(info.length, 0);
	kit_lane_close(&fresh);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

static void damage_len(uint64_t q)
{
	live_item(q, 1)->block.len = UINT32_MAX;
}

static void damage_next(uint64_t q)
{
	struct seg_item *item = live_item(q, 0);
	item->block.next = segment_ref(&seg, item);
}

static void damage_number(uint64_t q)
{
	live_item(q, 1)->ordinal += 5;
}

static void damage_end(uint64_t q)
{
	live_item(q, N - 1)->last += 1000;
}

static void damage_word(uint64_t q)
{
	live_item(q, 1)->block.word ^= 3;
}

static void damage_slot(uint64_t q)
{
	const struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	struct seg_slots *slots = segment_at(&seg, (uint32_t)body->head, sizeof(*slots));
	slots->slot[2] |= SEG_SLOT_DONE;
}

/* Else one faulty program would keep all objects out of all snapshots: BUSY ends them. */
static void what_is_damaged_is_not_busy_for_a_snapshot(void)
{
	void (*const damages[])(uint64_t) = { damage_len, damage_next, damage_number,
					      damage_end, damage_word, damage_slot };
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		uint64_t q = make(false), other = make(false);
		CU_ASSERT_EQUAL(keep_it(q), SABIR_OK);
		damages[i](q);
		CU_ASSERT_EQUAL(keep_it(q), SABIR_DATA_LOSS);
		CU_ASSERT(spares(other, q));
	}
}

/* ---------------------------------------------------------------- what somebody has taken */

#define LARGE 100000u /* an item whose block is no slab's */
#define PATIENCE_S 20 /* a ring has no end */

static void put_large(uint64_t q)
{
	static uint8_t data[LARGE];
	struct queue_item item = { .body = { data, LARGE } };
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

static void get_open(uint64_t q, uint32_t n)
{
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL_FATAL(queue_get_open(&lane, q, n, &out, NULL), SABIR_OK);
	bytes_fini(&out);
}

static void a_ring_of_large_items_ends(void)
{
	for (uint32_t n = 1; n <= 3; n++) {
		struct object_spec spec = { .kind = SEG_KIND_QUEUE };
		uint64_t q = 0, other = make(false);
		CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &q), SABIR_OK);
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
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint64_t q = 0, other = make(false);
	struct lane dead = kit_lane(&seg);
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &q), SABIR_OK);
	put_large(q);
	put_large(q);
	CU_ASSERT_FATAL(kit_die_at(&decided, act_get_two, &dead, &q));
	close_chain(&dead);
	alarm(PATIENCE_S);
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
	alarm(0);
	CU_ASSERT(spares(other, q));
}

/* ---------------------------------------------------------------- lists in a large memory */

/* As many steps as it has room for items take ten seconds and more. Most of it is never touched. */
#define LARGE_MEMORY (120ull << 30)
#define RING_PATIENCE_S 5

/* Does it with a segment of that size in the place of the small one. */
static void in_large_memory(void (*what)(uint64_t q, uint64_t other))
{
	const struct segment small = seg;
	const struct lane own = lane;
	CU_ASSERT_EQUAL_FATAL(kit_segment(LARGE_MEMORY, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	uint64_t q = make(false), other = make(false);
	alarm(RING_PATIENCE_S);
	what(q, other);
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

static void search_held(uint64_t q, uint64_t other)
{
	(void)other;
	make_ring(q, false);
	CU_ASSERT_EQUAL(release(q, 3), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
}

static void return_behind_returned(uint64_t q, uint64_t other)
{
	(void)other;
	for (uint64_t number = 1; number <= 3; number++)
		(void)borrow(q, number);
	CU_ASSERT_EQUAL(give_back(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(give_back(q, 2), SABIR_OK);
	struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	struct seg_item *second = segment_at(&seg, body->returned, sizeof(*second));
	second = segment_at(&seg, second->block.next, sizeof(*second));
	second->block.next = body->returned;
	CU_ASSERT_EQUAL(give_back(q, 3), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
}

static void scan_returned(uint64_t q, uint64_t other)
{
	(void)other;
	make_ring(q, true);
	CU_ASSERT_EQUAL(queue_scan(&lane, q, ignore, NULL), SABIR_DATA_LOSS);
}

static void scan_chain(uint64_t q, uint64_t other)
{
	struct seg_item *item = live_item(q, 0);
	(void)other;
	item->block.next = segment_ref(&seg, item);
	CU_ASSERT_EQUAL(queue_scan(&lane, q, ignore, NULL), SABIR_DATA_LOSS);
}

static void keep_held(uint64_t q, uint64_t other)
{
	(void)other;
	make_ring(q, false);
	CU_ASSERT_EQUAL(keep_it(q), SABIR_DATA_LOSS);
}

/* The sweep leaves what is lent. */
static void delete_lent(uint64_t q, uint64_t other)
{
	struct seg_object *object = &seg.objects[object_index(q)];
	(void)other;
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
	static const uint8_t data[LEN];
	const struct queue_item item = { .body = { data, LEN } }, items[N] = { item, item, item, item };
	uint32_t accepted;
	(void)queue_put(by, *(uint64_t *)context, items, N, &accepted);
}

/* Who died was to cut his chain. */
static void recover_cut(uint64_t q, uint64_t other)
{
	const struct kit_step chained = { "queue_put.chained", N };
	struct lane dead = kit_lane(&seg);
	(void)other;
	CU_ASSERT_FATAL(kit_die_at(&chained, act_put_four, &dead, &q));
	close_chain(&dead);
	dead.shared->doomed = segment_ref(&seg, live_item(q, 0));
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
}

/* Who died seems to have left a segment of slots behind, and those that are there are a ring. */
static void recover_left(uint64_t q, uint64_t other)
{
	const struct kit_step chained = { "queue_put.chained", N };
	struct lane dead = kit_lane(&seg);
	const struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	struct seg_slots *slots = segment_at(&seg, (uint32_t)body->head, sizeof(*slots));
	(void)other;
	CU_ASSERT_FATAL(kit_die_at(&chained, act_put_four, &dead, &q));
	slots->block.next = (uint32_t)body->head;
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

/* ---------------------------------------------------------------- slots for what is to be put */

static struct queue_slot reserve(uint64_t q)
{
	struct queue_slot slot = { NULL, 0, 0 };
	CU_ASSERT_EQUAL_FATAL(queue_reserve(&lane, q, (struct span){ NULL, 0 }, LEN, &slot), SABIR_OK);
	memset(slot.data, 0, LEN);
	return slot;
}

/* Else it would be used twice at the same time. What the lane has in its cache makes a difference. */
static void a_ring_of_taken_items_is_freed_once(void)
{
	for (uint32_t n = 0; n < 8; n++) {
		uint64_t q = make(false), other = make(false);
		struct queue_slot slot[8];
		for (uint32_t i = 0; i < n; i++)
			slot[i] = reserve(q);
		get_open(q, 1 + n % N);
		close_chain(&lane);
		queue_get_close(&lane, 1 + n % N);
		uint64_t next = make(false);
		CU_ASSERT(is_whole(next));
		CU_ASSERT_EQUAL(object_delete(&lane, next), SABIR_OK);
		for (uint32_t i = 0; i < n; i++)
			CU_ASSERT_EQUAL(queue_forgo(&lane, &slot[i]), SABIR_OK);
		CU_ASSERT(spares(other, q));
	}
}

/* A lane's record is written over while its get is open. What it had taken is nobody's, and in no put of the lane. */
static void an_open_get_of_a_queue_that_is_none_is_over(void)
{
	for (int close = 0; close < 2; close++) {
		uint64_t q = make(false), other = make(false);
		uint64_t handle = close ? seg.n_objects : UINT32_MAX;
		get_open(q, 2);
		lane.shared->handle = handle;
		if (close)
			queue_get_close(&lane, 2);
		else
			CU_ASSERT_EQUAL(queue_get_abandon(&lane), SABIR_OK);
		CU_ASSERT(lane.shared->op == SEG_OP_NONE && lane.shared->chain == 0);
		CU_ASSERT_EQUAL(get(q), SABIR_OK);
		CU_ASSERT(spares(other, q));
	}
}

static void a_damaged_slot_is_given_up_and_its_place_free(void)
{
	uint64_t q = make(false), other = make(false);
	for (uint32_t i = 0; i < 3 * SEG_RESERVED_REFS; i++) {
		struct queue_slot slot = reserve(q);
		struct seg_item *item = segment_at(&seg, slot.ref, sizeof(*item));
		if (i % 3)
			item->block.word = i % 3 == 1 ? 0 : UINT64_MAX;
		else
			item->block.len = UINT32_MAX;
		CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_OK);
		CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_INVALID_ARGUMENT);
	}
	CU_ASSERT(spares(other, q));
}

static void a_slot_is_committed_alone(void)
{
	uint64_t q = make(false), other = make(false);
	struct queue_slot slot = reserve(q);
	struct seg_item *item = segment_at(&seg, slot.ref, sizeof(*item));
	item->block.next = foreign(other);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_OK);
	for (uint32_t i = 0; i < N + 1; i++)
		CU_ASSERT_EQUAL(get(q), SABIR_OK);
	CU_ASSERT_EQUAL(get(q), SABIR_EMPTY);
	CU_ASSERT(spares(other, q));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_comes_behind_a_returned_item_is_not_taken_from_another_queue),
		KIT_TEST(what_comes_behind_a_returned_item_is_not_shown_from_another_queue),
		KIT_TEST(an_item_is_not_returned_into_another_queue),
		KIT_TEST(what_is_held_behind_another_queues_item_is_not_looked_for),
		KIT_TEST(a_list_that_bites_its_tail_ends),
		KIT_TEST(a_chain_that_bites_its_tail_is_followed_once),
		KIT_TEST(a_ring_of_slots_is_noticed),
		KIT_TEST(a_hint_that_leads_nowhere_is_not_followed),
		KIT_TEST(what_is_damaged_is_not_busy_for_a_snapshot),
		KIT_TEST(a_ring_of_taken_items_is_freed_once),
		KIT_TEST(a_ring_of_large_items_ends),
		KIT_TEST(a_ring_that_a_dead_getter_left_ends),
		KIT_TEST(no_ring_is_followed_for_long),
		KIT_TEST(an_open_get_of_a_queue_that_is_none_is_over),
		KIT_TEST(a_damaged_slot_is_given_up_and_its_place_free),
		KIT_TEST(a_slot_is_committed_alone),
	};
	return kit_run("queue, damaged items", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
