/* SPDX-License-Identifier: Apache-2.0 */
/* A faulty program writes into items that it reads, or was about to put, where they stand. Nobody else is hurt by that. */
#include "server/objects/queue_damage_test_kit.h"

#define HOLDER 7u

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

/* ---------------------------------------------------------------- slots */

/* A lane that has been in no queue yet was nowhere, and does not go on there. */
static void a_hint_that_leads_nowhere_is_not_followed(void)
{
	uint64_t q = make(false), other = make(false);
	struct lane fresh = kit_lane(&seg);
	struct object_info info = { 0 };
	body_of(q)->head = 1ull << 62;
	(void)object_describe(&fresh, q, &info);
	CU_ASSERT_EQUAL(info.length, 0);
	kit_lane_close(&fresh);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

/* Of a lane that has been in no queue yet. */
static enum sabir_error put_anew(uint64_t q)
{
	struct lane fresh = kit_lane(&seg);
	struct queue_item item = { .body = { (const uint8_t *)"new", 3 } };
	uint32_t accepted;
	enum sabir_error error = queue_put(&fresh, q, &item, 1, &accepted);
	kit_lane_close(&fresh);
	return error;
}

/* Where hints lead to another queue's slots nothing is put there, nor taken. */
static void a_hint_that_leads_to_another_queues_slots_is_not_followed(void)
{
	uint64_t q = make(false), other = make(false);
	body_of(q)->head = body_of(q)->tail = body_of(other)->head;
	CU_ASSERT_EQUAL(put_anew(q), SABIR_DATA_LOSS);
	CU_ASSERT(spares(other, q));
}

/* The end is found from the beginning where the hint to it leads astray. */
static void a_hint_to_the_end_that_leads_astray_is_made_good(void)
{
	uint64_t q = make(false), other = make(false);
	body_of(q)->tail = body_of(other)->head;
	CU_ASSERT_EQUAL(put_anew(q), SABIR_OK);
	CU_ASSERT_EQUAL((uint32_t)body_of(q)->tail, (uint32_t)body_of(q)->head);
	CU_ASSERT(spares(other, q));
}

/* Behind the end of its block there is another's. */
static void slots_are_no_more_than_their_block_has_room_for(void)
{
	uint64_t q = make(false), other = make(false);
	struct seg_slots *slots = first_slots(q);
	uint32_t n = slots->n_slots;
	uint64_t behind = slots->slot[n];
	slots->slot[n - 1] = SEG_SLOT_DONE | n;
	slots->slot[n] = 0;
	slots->n_slots = n + 8;
	body_of(q)->tail = (uint32_t)body_of(q)->head | (uint64_t)n << 32;
	CU_ASSERT_EQUAL(put_anew(q), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(slots->slot[n], 0);
	slots->slot[n] = behind;
	CU_ASSERT(spares(other, q));
}

/* Somebody may be writing into the slots when who has taken them frees them. */
static void slots_and_body_are_no_items(void)
{
	for (int body = 0; body < 2; body++) {
		uint64_t q = make(false), other = make(false);
		struct seg_slots *slots = first_slots(q);
		uint32_t ref = body ? seg.objects[object_index(q)].body : segment_ref(&seg, slots);
		uint64_t word = segment_at(&seg, ref, sizeof(struct seg_block)) ? slots->block.word : 0;
		slots->slot[0] = ref;
		CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
		seg.objects[object_index(q)].damaged = 0;
		body_of(q)->returned = ref;
		body_of(q)->n_returned = 1;
		CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(slots->block.word, word);
		CU_ASSERT(spares(other, q));
	}
}

/* What a getter of another queue is just taking is not freed with this one. */
static void what_another_has_taken_is_not_freed(void)
{
	uint64_t q = make(false), other = make(false);
	uint32_t ref = (uint32_t)first_slots(other)->slot[0];
	const struct seg_block *item = segment_at(&seg, ref, sizeof(*item));
	get_open(other, 1);
	uint64_t taken = item->word;
	first_slots(q)->slot[1] = ref;
	body_of(q)->returned = ref;
	struct lane fresh = kit_lane(&seg);
	CU_ASSERT_EQUAL(object_delete(&fresh, q), SABIR_OK);
	lane.shared->epoch = 0; /* the get is open still; nobody waits for it here */
	kit_settle(&fresh);
	object_sweep(&fresh);
	CU_ASSERT_EQUAL(item->word, taken);
	CU_ASSERT_EQUAL(queue_get_abandon(&lane), SABIR_OK);
	kit_lane_close(&fresh);
	CU_ASSERT(is_whole(other));
	object_delete(&lane, other);
}

static void write_over_chain(const char *step, void *context)
{
	if (!strcmp(step, "queue_get.chained"))
		lane.shared->chain = *(uint32_t *)context;
}

/* Whose record is written over while it borrows does not get hold of another queue's item. */
static void what_was_not_taken_is_not_held(void)
{
	uint64_t q = make(false), other = make(false);
	uint32_t ref = foreign(other);
	struct span item = { NULL, 0 };
	fault_trace(write_over_chain, &ref);
	CU_ASSERT_EQUAL(queue_borrow(&lane, q, queue_borrower(1, lane.owner), &item), SABIR_DATA_LOSS);
	fault_trace(NULL, NULL);
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
	live_item(q, N_ITEMS - 1)->last += 1000;
}

static void damage_word(uint64_t q)
{
	live_item(q, 1)->block.word ^= 3;
}

static void damage_slot(uint64_t q)
{
	first_slots(q)->slot[2] |= SEG_SLOT_DONE;
}

/* Else one faulty program would keep all objects out of all snapshots: BUSY ends them. */
/* Whoever worked on that without its lock would hurt it. */
static void an_entry_that_leads_to_another_queues_body_is_damaged(void)
{
	uint64_t q = make(false), other = make(false);
	seg.objects[object_index(q)].body = seg.objects[object_index(other)].body;
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	object_sweep(&lane);
	CU_ASSERT_EQUAL(get(other), SABIR_OK);
}

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

/* ---------------------------------------------------------------- gets and puts that are not done */

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

/* Nor are its items put into another queue than the one that the lane works on. */
static void an_open_get_of_another_queue_leaves_that_alone(void)
{
	uint64_t q = make(false), other = make(false);
	get_open(q, 2);
	lane.shared->handle = other;
	CU_ASSERT_EQUAL(queue_get_abandon(&lane), SABIR_OK);
	CU_ASSERT(lane.shared->op == SEG_OP_NONE && lane.shared->chain == 0);
	CU_ASSERT(spares(other, q));
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
	for (uint32_t i = 0; i < N_ITEMS + 1; i++)
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
		KIT_TEST(a_hint_that_leads_nowhere_is_not_followed),
		KIT_TEST(a_hint_that_leads_to_another_queues_slots_is_not_followed),
		KIT_TEST(a_hint_to_the_end_that_leads_astray_is_made_good),
		KIT_TEST(slots_are_no_more_than_their_block_has_room_for),
		KIT_TEST(slots_and_body_are_no_items),
		KIT_TEST(what_was_not_taken_is_not_held),
		KIT_TEST(what_another_has_taken_is_not_freed),
		KIT_TEST(an_entry_that_leads_to_another_queues_body_is_damaged),
		KIT_TEST(what_is_damaged_is_not_busy_for_a_snapshot),
		KIT_TEST(an_open_get_of_a_queue_that_is_none_is_over),
		KIT_TEST(an_open_get_of_another_queue_leaves_that_alone),
		KIT_TEST(a_damaged_slot_is_given_up_and_its_place_free),
		KIT_TEST(a_slot_is_committed_alone),
	};
	return kit_run("queue, damaged items", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
