/* SPDX-License-Identifier: Apache-2.0 */
/* Items that are written and read where they stand: reserved, committed, forgone; borrowed, settled, given back. */
#include "server/objects/queue_test_kit.h"

#define LEN 3000u
#define LARGE 300000u

static const struct span head = { (const uint8_t *)"head", 4 };

/* A slot for "head" and `len` bytes, all of them `byte`. */
static enum sabir_error reserve(struct lane *by, uint64_t q, size_t len, uint8_t byte, struct queue_slot *slot)
{
	enum sabir_error error = queue_reserve(by, q, head, len, slot);
	if (!error)
		memset(slot->data, byte, len);
	return error;
}

static bool is_item(struct span item, size_t len, uint8_t byte)
{
	bool good = item.len == head.len + len && !memcmp(item.data, head.data, head.len);
	for (size_t i = head.len; good && i < item.len; i++)
		good = item.data[i] == byte;
	return good;
}

static bool gets(uint64_t q, size_t len, uint8_t byte)
{
	struct bytes out = { 0 };
	bool good = queue_get(&lane, q, 1, &out) == SABIR_OK && is_item(bytes_item(&out, 0), len, byte);
	bytes_fini(&out);
	return good;
}

static enum sabir_error put_one(uint64_t q, uint8_t byte)
{
	struct queue_item item = { .head = head, .body = { &byte, 1 } };
	return queue_put_one(&lane, q, &item);
}

static bool goes_without_trace(uint64_t q, uint64_t blocks_before)
{
	return object_delete(&lane, q) == SABIR_OK && blocks_used() == blocks_before;
}

/* ---------------------------------------------------------------- reserve, commit, forgo */

static void what_was_written_in_a_slot_is_got(void)
{
	static const size_t lens[] = { 0, 1, 40, LEN, LARGE };
	uint64_t before = blocks_used(), q = make_queue(0);
	struct queue_slot slot;
	for (uint8_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(reserve(&lane, q, lens[i], i, &slot), SABIR_OK);
		CU_ASSERT_EQUAL(size_of(q).size, i);
		CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_OK);
		CU_ASSERT_EQUAL(size_of(q).size, i + 1);
	}
	for (uint8_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		CU_ASSERT(gets(q, lens[i], i));
	CU_ASSERT(goes_without_trace(q, before));
}

static void the_order_is_that_of_commits(void)
{
	uint64_t before = blocks_used(), q = make_queue(0);
	struct queue_slot first, second;
	CU_ASSERT_EQUAL(reserve(&lane, q, LEN, 1, &first), SABIR_OK);
	CU_ASSERT_EQUAL(reserve(&lane, q, LEN, 2, &second), SABIR_OK);
	CU_ASSERT_EQUAL(put_one(q, 3), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &second), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &first), SABIR_OK);
	CU_ASSERT(gets(q, 1, 3));
	CU_ASSERT(gets(q, LEN, 2));
	CU_ASSERT(gets(q, LEN, 1));
	CU_ASSERT(goes_without_trace(q, before));
}

static void a_slot_is_used_once(void)
{
	uint64_t before = blocks_used(), q = make_queue(0);
	struct queue_slot slot;
	CU_ASSERT_EQUAL(reserve(&lane, q, 1, 1, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(reserve(&lane, q, 1, 1, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(size_of(q).size, 1);
	CU_ASSERT(goes_without_trace(q, before));
}

static void a_slot_is_of_its_lane(void)
{
	uint64_t before = blocks_used(), q = make_queue(0);
	struct queue_slot slot;
	CU_ASSERT_EQUAL(reserve(&lane, q, 1, 1, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&stopped, q, &slot), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(queue_forgo(&stopped, &slot), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_OK);
	CU_ASSERT(goes_without_trace(q, before));
}

static void a_lane_has_so_many_slots(void)
{
	uint64_t before = blocks_used(), q = make_queue(0);
	struct queue_slot slot[SEG_RESERVED_REFS], more;
	for (uint8_t i = 0; i < SEG_RESERVED_REFS; i++)
		CU_ASSERT_EQUAL(reserve(&lane, q, LEN, i, &slot[i]), SABIR_OK);
	CU_ASSERT_EQUAL(reserve(&lane, q, 1, 1, &more), SABIR_TOO_MANY_REQUESTS);
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot[3]), SABIR_OK);
	CU_ASSERT_EQUAL(reserve(&lane, q, LEN, 3, &slot[3]), SABIR_OK);
	for (uint8_t i = 0; i < SEG_RESERVED_REFS; i++)
		CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot[i]), SABIR_OK);
	for (uint8_t i = 0; i < SEG_RESERVED_REFS; i++)
		CU_ASSERT(gets(q, LEN, i));
	CU_ASSERT(goes_without_trace(q, before));
}

static void a_slot_that_finds_no_room_stays_one(void)
{
	uint64_t before = blocks_used(), q = make_queue(2);
	struct queue_slot slot;
	CU_ASSERT_EQUAL(put_one(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(put_one(q, 2), SABIR_OK);
	CU_ASSERT_EQUAL(reserve(&lane, q, LEN, 3, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_FULL);
	CU_ASSERT(gets(q, 1, 1));
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(reserve(&lane, q, LEN, 3, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_CLOSED);
	CU_ASSERT(gets(q, 1, 2));
	CU_ASSERT(gets(q, LEN, 3));
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_OK);
	CU_ASSERT(goes_without_trace(q, before));
}

static void what_a_queue_does_not_take_is_not_reserved(void)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE, .max_item_bytes = 100 };
	uint64_t before = blocks_used(), q, small;
	struct queue_slot slot;
	q = make_queue(0);
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &small), SABIR_OK);
	CU_ASSERT_EQUAL(reserve(&lane, small, 97, 1, &slot), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(queue_reserve(&lane, small, head, SIZE_MAX, &slot), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(reserve(&lane, small, 96, 1, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_forgo(&lane, &slot), SABIR_OK);
	/* The commit asks the queue that it is given. */
	CU_ASSERT_EQUAL(reserve(&lane, q, LEN, 1, &slot), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, small, &slot), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(object_delete(&lane, small), SABIR_OK);
	CU_ASSERT_EQUAL(queue_commit(&lane, small, &slot), SABIR_DELETED);
	CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot), SABIR_OK);
	CU_ASSERT(gets(q, LEN, 1));
	CU_ASSERT(goes_without_trace(q, before));
}

/* Making room empties the lane's hand and cache, which may still name blocks that were reserved out of them. */
static void making_room_leaves_slots_alone(void)
{
	uint64_t before = blocks_used(), q = make_queue(0);
	struct queue_slot slot[4], other;
	for (uint8_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(reserve(&lane, q, i == 3 ? LARGE : LEN, i, &slot[i]), SABIR_OK);
	(void)arena_make_room(&lane);
	for (uint8_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(reserve(&stopped, q, i == 3 ? LARGE : LEN, 99, &other), SABIR_OK);
	for (uint8_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(queue_commit(&lane, q, &slot[i]), SABIR_OK);
	for (uint8_t i = 0; i < 4; i++)
		CU_ASSERT(gets(q, i == 3 ? LARGE : LEN, i));
	kit_lane_close(&stopped); /* with its slots */
	stopped = kit_lane(&seg);
	CU_ASSERT(goes_without_trace(q, before));
}

/* ---------------------------------------------------------------- borrow */

static uint64_t holder(uint64_t number)
{
	return queue_holder(number, lane.owner);
}

static void a_borrowed_item_stays_where_it_is(void)
{
	uint64_t before = blocks_used(), q = make_queue(2);
	struct span item[2];
	uint32_t gone;
	for (uint8_t i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(put_one(q, i), SABIR_OK);
	for (uint8_t i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(queue_borrow(&lane, q, holder(1 + i), &item[i]), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).size, 0);
	CU_ASSERT_EQUAL(size_of(q).held, 2);
	CU_ASSERT_EQUAL(put_one(q, 9), SABIR_FULL);
	CU_ASSERT(is_item(item[0], 1, 0) && is_item(item[1], 1, 1));
	CU_ASSERT_EQUAL(queue_settle(&lane, q, holder(2), 1, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(gone, 1);
	CU_ASSERT_EQUAL(put_one(q, 2), SABIR_OK);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, holder(1)), SABIR_OK);
	CU_ASSERT(gets(q, 1, 0));
	CU_ASSERT(gets(q, 1, 2));
	CU_ASSERT(goes_without_trace(q, before));
}

static void nothing_is_borrowed_from_an_empty_queue(void)
{
	uint64_t before = blocks_used(), q = make_queue(0);
	struct span item;
	uint32_t gone;
	CU_ASSERT_EQUAL(queue_borrow(&lane, q, holder(1), &item), SABIR_EMPTY);
	CU_ASSERT_EQUAL(put_one(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(queue_borrow(&lane, q, holder(1), &item), SABIR_OK);
	CU_ASSERT_EQUAL(queue_borrow(&lane, q, holder(2), &item), SABIR_EMPTY); /* it may come back */
	CU_ASSERT_EQUAL(queue_settle(&lane, q, holder(1), 1, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(queue_borrow(&lane, q, holder(2), &item), SABIR_CLOSED);
	CU_ASSERT(goes_without_trace(q, before));
}

/* ---------------------------------------------------------------- deaths */

static void act_put(struct lane *by, void *context)
{
	struct queue_slot slot[2], large;
	uint64_t q = *(uint64_t *)context;
	(void)reserve(by, q, LEN, 1, &slot[0]);
	(void)reserve(by, q, LEN, 1, &slot[1]);
	(void)reserve(by, q, LARGE, 1, &large);
	(void)queue_commit(by, q, &slot[1]);
	(void)queue_forgo(by, &slot[0]);
	(void)queue_commit(by, q, &large);
}

/* The last of them finds no room. */
static void act_fill(struct lane *by, void *context)
{
	struct queue_slot slot[3];
	for (int i = 0; i < 3; i++)
		(void)reserve(by, *(uint64_t *)context, LEN, 1, &slot[i]);
	for (int i = 0; i < 3; i++)
		(void)queue_commit(by, *(uint64_t *)context, &slot[i]);
}

static void act_borrow(struct lane *by, void *context)
{
	uint64_t q = *(uint64_t *)context;
	struct span item;
	uint32_t gone;
	for (uint64_t i = 1; i < 4; i++)
		(void)queue_borrow(by, q, queue_holder(i, by->owner), &item);
	(void)queue_settle(by, q, queue_holder(2, by->owner), 1, &gone);
	(void)queue_unhold(by, q, queue_holder(1, by->owner));
	(void)queue_settle(by, q, queue_holder(3, by->owner), 1, &gone);
}

/* Some of `most` items are left, whole ones; they go, and no memory with them that was not there before. */
static bool ends_well(uint64_t q, uint64_t most, uint64_t blocks_before)
{
	uint64_t left = size_of(q).size;
	struct bytes out = { 0 };
	bool good = left <= most && size_of(q).held == 0;
	while (queue_get(&lane, q, 64, &out) == SABIR_OK)
		;
	good &= out.n_items == left;
	for (size_t i = 0; i < out.n_items; i++)
		good &= is_item(bytes_item(&out, i), bytes_item(&out, i).len - head.len, 1);
	bytes_fini(&out);
	return goes_without_trace(q, blocks_before) && good;
}

static bool survives(kit_act *act, const struct kit_step *step)
{
	uint64_t before = blocks_used();
	bool borrows = act == act_borrow;
	uint64_t q = make_queue(act == act_fill ? 2 : 0);
	for (int i = 0; borrows && i < 5; i++)
		CU_ASSERT_EQUAL(put_one(q, 1), SABIR_OK);
	struct lane victim = kit_lane(&seg);
	(void)kit_die_at(step, act, &victim, &q);
	bool good = owner_recover(&lane, victim.owner) == SABIR_OK;
	good = ends_well(q, borrows ? 5 : 2, before) && good;
	if (!good)
		printf("\n    killed at %s #%u", step->name, step->nth);
	return good;
}

static void death_at_every_step_leaves_whole_items_and_no_memory(void)
{
	kit_act *const acts[] = { act_put, act_fill, act_borrow };
	unsigned n = 0;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t q = make_queue(0);
		for (int k = 0; acts[i] == act_borrow && k < 5; k++)
			CU_ASSERT_EQUAL(put_one(q, 1), SABIR_OK);
		CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &q));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
		for (unsigned k = 0; k < steps->n; k++, n++)
			CU_ASSERT(survives(acts[i], &steps->at[k]));
		munmap(steps, sizeof(*steps));
	}
	printf("%u points ", n);
}

/* ---------------------------------------------------------------- several at once */

#define PUTTERS 3
#define EACH 3000u

static void put_some(struct lane *by, uint64_t q, uint8_t who)
{
	struct queue_slot slot[4];
	for (uint32_t i = 0; i < EACH; i += 4) {
		for (uint32_t k = 0; k < 4; k++)
			if (reserve(by, q, 1 + (i + k) % 700, who, &slot[k]))
				_exit(1);
		for (uint32_t k = 0; k < 4; k++)
			while (queue_commit(by, q, &slot[k]) == SABIR_FULL)
				cpu_relax();
	}
	_exit(0);
}

/* Each borrows and settles, and gives some back; what is settled is counted where all see it. */
static void borrow_some(struct lane *by, uint64_t q, uint32_t *settled)
{
	struct span item;
	uint32_t gone;
	for (uint64_t i = 1; load32_relaxed(settled) < PUTTERS * EACH; i++) {
		if (queue_borrow(by, q, queue_holder(i, by->owner), &item))
			continue;
		if (!is_item(item, item.len - head.len, item.data[head.len]))
			_exit(1);
		if (i % 8 == 0 && queue_unhold(by, q, queue_holder(i, by->owner)))
			_exit(2);
		if (i % 8 == 0)
			continue;
		if (queue_settle(by, q, queue_holder(i, by->owner), 1, &gone) || gone != 1)
			_exit(3);
		(void)fetch_add32(settled, 1);
	}
	_exit(0);
}

static void many_write_and_read_in_place_at_once(void)
{
	uint64_t before = blocks_used(), q = make_queue(50);
	uint32_t *settled = kit_shared(sizeof(*settled));
	struct lane child[PUTTERS + 2];
	pid_t pid[PUTTERS + 2];
	for (int i = 0; i < PUTTERS + 2; i++) {
		child[i] = kit_lane(&seg);
		pid[i] = fork();
		if (pid[i] == 0 && i < PUTTERS)
			put_some(&child[i], q, (uint8_t)i);
		if (pid[i] == 0)
			borrow_some(&child[i], q, settled);
	}
	CU_ASSERT(kit_wait_all(pid, PUTTERS + 2));
	CU_ASSERT_EQUAL(*settled, PUTTERS * EACH);
	CU_ASSERT_EQUAL(size_of(q).size + size_of(q).held, 0);
	for (int i = 0; i < PUTTERS + 2; i++)
		CU_ASSERT_EQUAL(owner_recover(&lane, child[i].owner), SABIR_OK);
	CU_ASSERT(goes_without_trace(q, before));
	munmap(settled, sizeof(*settled));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_was_written_in_a_slot_is_got),
		KIT_TEST(the_order_is_that_of_commits),
		KIT_TEST(a_slot_is_used_once),
		KIT_TEST(a_slot_is_of_its_lane),
		KIT_TEST(a_lane_has_so_many_slots),
		KIT_TEST(a_slot_that_finds_no_room_stays_one),
		KIT_TEST(what_a_queue_does_not_take_is_not_reserved),
		KIT_TEST(making_room_leaves_slots_alone),
		KIT_TEST(a_borrowed_item_stays_where_it_is),
		KIT_TEST(nothing_is_borrowed_from_an_empty_queue),
		KIT_TEST(death_at_every_step_leaves_whole_items_and_no_memory),
		KIT_TEST(many_write_and_read_in_place_at_once),
	};
	return kit_run("queue, in place", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
