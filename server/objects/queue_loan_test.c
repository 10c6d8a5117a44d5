/* SPDX-License-Identifier: Apache-2.0 */
/* Items that are lent when their queue is deleted: they stay as they are until the loan is over or its owner dead. */
#include "server/objects/queue_test_kit.h"

#define LEN 3000u
#define N 6

/* N items of LEN bytes, each of its number. */
static uint64_t make(void)
{
	uint64_t q = make_queue(0);
	uint8_t data[LEN];
	for (uint8_t i = 0; i < N; i++) {
		struct queue_item item = { .body = { data, LEN } };
		memset(data, i, LEN);
		CU_ASSERT_EQUAL(queue_put_one(&lane, q, &item), SABIR_OK);
	}
	return q;
}

static bool is_item(struct span item, uint8_t byte)
{
	bool good = item.len == LEN;
	for (size_t i = 0; good && i < item.len; i++)
		good = item.data[i] == byte;
	return good;
}

/* What becomes of memory that is free: others write there. */
static void use_memory(void)
{
	uint64_t q[3];
	for (int i = 0; i < 3; i++)
		q[i] = make();
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(object_delete(&lane, q[i]), SABIR_OK);
}

static struct span lend(struct lane *to, uint64_t q, uint64_t number)
{
	struct span item = { NULL, 0 };
	CU_ASSERT_EQUAL_FATAL(queue_borrow(to, q, queue_borrower(number, to->owner), &item), SABIR_OK);
	return item;
}

static void a_lent_item_outlives_its_queue(void)
{
	uint64_t before = blocks_used(), q = make();
	struct span first = lend(&lane, q, 1), second = lend(&lane, q, 2);
	uint32_t gone;
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	use_memory();
	CU_ASSERT(is_item(first, 0));
	CU_ASSERT(is_item(second, 1));
	CU_ASSERT_EQUAL(queue_settle(&lane, q, queue_borrower(2, lane.owner), 1, &gone), SABIR_DELETED);
	queue_loan_over(&lane, q, queue_borrower(2, lane.owner), second);
	use_memory();
	CU_ASSERT(is_item(first, 0));
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), first);
	CU_ASSERT_EQUAL(blocks_used(), before);
}

static void what_is_not_lent_goes_at_once(void)
{
	uint64_t before = blocks_used(), q = make();
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(queue_hold(&lane, q, 2, queue_holder(1, lane.owner), &out), SABIR_OK);
	struct span item = lend(&lane, q, 1);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(blocks_used(), before + 2); /* the queue's body, the item */
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), item);
	CU_ASSERT_EQUAL(blocks_used(), before);
	bytes_fini(&out);
}

static void a_loan_is_over_once(void)
{
	uint64_t q = make();
	struct span item = lend(&lane, q, 1);
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), item); /* of a live queue: nothing */
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	queue_loan_over(&lane, q, queue_borrower(2, lane.owner), item); /* another's */
	use_memory();
	CU_ASSERT(is_item(item, 0));
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), item);
	uint64_t other = make(), before = blocks_used();
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), item);
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), (struct span){ (const uint8_t *)&other, 0 });
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), (struct span){ NULL, 0 });
	CU_ASSERT_EQUAL(blocks_used(), before);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
}

static void a_dead_borrower_keeps_nothing(void)
{
	uint64_t before = blocks_used(), q = make();
	struct lane dead = kit_lane(&seg), other = kit_lane(&seg);
	lend(&dead, q, 1);
	struct span item = lend(&other, q, 1);
	lend(&dead, q, 2);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
	use_memory();
	CU_ASSERT(is_item(item, 1));
	CU_ASSERT_EQUAL(owner_recover(&lane, other.owner), SABIR_OK);
	CU_ASSERT_EQUAL(blocks_used(), before);
}

/* Somebody is stopped in an operation, so that the queue can't be swept, and the next owner gets the dead one's entry. */
static void a_dead_borrower_is_forgotten_before_the_sweep(void)
{
	uint64_t before = blocks_used(), q = make();
	struct lane dead = kit_lane(&seg);
	lend(&dead, q, 1);
	lane_begin(&stopped, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
	struct lane next = kit_lane(&seg);
	CU_ASSERT_EQUAL(next.owner, dead.owner);
	lane_end(&stopped);
	CU_ASSERT_EQUAL(blocks_used(), before);
	CU_ASSERT_EQUAL(owner_recover(&lane, next.owner), SABIR_OK);
}

/* ---------------------------------------------------------------- deaths */

static void act(struct lane *by, void *context)
{
	uint64_t q = *(uint64_t *)context;
	struct span item[2];
	for (uint64_t i = 0; i < 2; i++)
		if (queue_borrow(by, q, queue_borrower(i, by->owner), &item[i]))
			return;
	(void)object_delete(by, q);
	queue_loan_over(by, q, queue_borrower(0, by->owner), item[0]);
	queue_loan_over(by, q, queue_borrower(1, by->owner), item[1]);
}

/* Somebody else has an item of it too, and reads it all the time. */
static bool survives(const struct kit_step *step)
{
	uint64_t before = blocks_used(), q = make();
	struct lane victim = kit_lane(&seg);
	struct span item = lend(&lane, q, 1);
	(void)kit_die_at(step, act, &victim, &q);
	bool good = owner_recover(&lane, victim.owner) == SABIR_OK;
	use_memory();
	good &= is_item(item, 0);
	(void)object_delete(&lane, q);
	use_memory();
	good &= is_item(item, 0);
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), item);
	good &= blocks_used() == before;
	if (!good)
		printf("\n    killed at %s #%u", step->name, step->nth);
	return good;
}

static void death_at_every_step_leaves_the_loans_of_others(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = kit_lane(&seg);
	uint64_t q = make();
	struct span item = lend(&lane, q, 1);
	CU_ASSERT(kit_list_steps(steps, act, &victim, &q));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	queue_loan_over(&lane, q, queue_borrower(1, lane.owner), item);
	for (unsigned k = 0; k < steps->n; k++)
		CU_ASSERT(survives(&steps->at[k]));
	printf("%u points ", steps->n);
	munmap(steps, sizeof(*steps));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_lent_item_outlives_its_queue),
		KIT_TEST(what_is_not_lent_goes_at_once),
		KIT_TEST(a_loan_is_over_once),
		KIT_TEST(a_dead_borrower_keeps_nothing),
		KIT_TEST(a_dead_borrower_is_forgotten_before_the_sweep),
		KIT_TEST(death_at_every_step_leaves_the_loans_of_others),
	};
	return kit_run("queue, lent items", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
