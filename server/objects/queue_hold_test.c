/* SPDX-License-Identifier: Apache-2.0 */
/* Items on hold: handed over, given back at their old place, and what a death leaves of them. */
#include "server/objects/queue_test_kit.h"

#define N 6 /* items of a queue */
#define ME queue_holder(1, lane.owner)
#define OTHER queue_holder(2, lane.owner)

static uint64_t make(uint64_t max_items)
{
	uint64_t q = make_queue(max_items);
	uint32_t accepted;
	for (uint8_t i = 0; i < N; i++) {
		struct queue_item item = { .body = { &i, 1 } };
		CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
	}
	return q;
}

/* The first byte of each item that is taken, as digits. */
static const char *digits(const struct bytes *out)
{
	static char text[64];
	size_t n = 0;
	for (; n < out->n_items && n < sizeof(text) - 1; n++)
		text[n] = (char)('0' + bytes_item(out, n).data[0]);
	text[n] = 0;
	return text;
}

static bool holds(uint64_t q, uint32_t n, uint64_t holder, const char *expected)
{
	struct bytes out = { 0 };
	bool good = queue_hold(&lane, q, n, holder, &out) == SABIR_OK && !strcmp(digits(&out), expected);
	bytes_fini(&out);
	return good;
}

/* All that is there, by gets of one step each. */
static bool drains(uint64_t q, const char *expected)
{
	struct bytes out = { 0 };
	while (queue_get(&lane, q, N, &out) == SABIR_OK)
		;
	bool good = !strcmp(digits(&out), expected);
	if (!good)
		printf("\n    drained %s, not %s", digits(&out), expected);
	bytes_fini(&out);
	return good;
}

static enum sabir_error get_nothing(uint64_t q)
{
	struct bytes out = { 0 };
	enum sabir_error error = queue_get(&lane, q, 1, &out);
	CU_ASSERT_EQUAL(out.n_items, 0);
	bytes_fini(&out);
	return error;
}

/* ---------------------------------------------------------------- */

static void what_is_handed_over_is_gone_and_the_rest_comes_back_in_its_place(void)
{
	uint64_t q = make(0);
	uint32_t gone = 0;
	CU_ASSERT(holds(q, 4, ME, "0123"));
	CU_ASSERT_EQUAL(size_of(q).size, N - 4);
	CU_ASSERT_EQUAL(size_of(q).held, 4);
	CU_ASSERT_EQUAL(queue_settle(&lane, q, ME, 2, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(gone, 2);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).size, N - 2);
	CU_ASSERT_EQUAL(size_of(q).held, 0);
	CU_ASSERT(drains(q, "2345"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void holders_do_not_mix(void)
{
	uint64_t q = make(0);
	uint32_t gone = 0;
	CU_ASSERT(holds(q, 1, ME, "0"));
	CU_ASSERT(holds(q, 2, OTHER, "12"));
	CU_ASSERT(holds(q, 1, ME, "3"));
	CU_ASSERT_EQUAL(queue_settle(&lane, q, OTHER, 9, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(gone, 2);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT(drains(q, "0345"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void returned_items_are_held_again_in_their_order(void)
{
	uint64_t q = make(0);
	uint32_t gone = 0;
	CU_ASSERT(holds(q, 2, ME, "01"));
	CU_ASSERT(holds(q, 2, OTHER, "23"));
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, OTHER), SABIR_OK);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT(holds(q, N, ME, "012345"));
	CU_ASSERT_EQUAL(queue_settle(&lane, q, ME, 3, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT(drains(q, "345"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void held_items_take_the_queues_room_until_they_are_gone(void)
{
	uint64_t q = make(N);
	uint8_t i = 7;
	uint32_t accepted, gone;
	struct queue_item item = { .body = { &i, 1 } };
	CU_ASSERT(holds(q, 2, ME, "01"));
	CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_FULL);
	CU_ASSERT_EQUAL(queue_settle(&lane, q, ME, 1, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_FULL);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_FULL);
	CU_ASSERT(drains(q, "123457"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void a_closed_queue_is_drained_when_nothing_is_held_any_more(void)
{
	uint64_t q = make(0);
	uint32_t gone;
	CU_ASSERT(holds(q, N, ME, "012345"));
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(get_nothing(q), SABIR_EMPTY);
	CU_ASSERT_EQUAL(queue_settle(&lane, q, ME, N - 1, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT(drains(q, "5"));
	CU_ASSERT_EQUAL(get_nothing(q), SABIR_CLOSED);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void a_clear_leaves_held_items_alone(void)
{
	uint64_t q = make(0), removed;
	CU_ASSERT(holds(q, 2, ME, "01"));
	CU_ASSERT_EQUAL(queue_clear(&lane, q, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, N - 2);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT(drains(q, "01"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void a_deleted_queue_frees_what_was_held(void)
{
	struct arena_stats before, after;
	uint64_t q = make(0);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	object_sweep(&lane);
	arena_stats(&seg, &before);
	q = make(0);
	CU_ASSERT(holds(q, 3, ME, "012"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	object_sweep(&lane);
	arena_stats(&seg, &after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_DELETED);
}

static void nothing_changes_while_somebody_else_has_the_lock(void)
{
	uint64_t q = make(0);
	uint64_t *lock = &seg.objects[object_index(q)].lock;
	struct bytes out = { 0 };
	uint32_t gone;
	CU_ASSERT(holds(q, 2, ME, "01"));
	CU_ASSERT_EQUAL(kit_hold(&stopped, lock), SABIR_OK);
	CU_ASSERT_EQUAL(queue_hold(&lane, q, 2, ME, &out), SABIR_BUSY);
	CU_ASSERT_EQUAL(queue_settle(&lane, q, ME, 1, &gone), SABIR_BUSY);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_BUSY);
	CU_ASSERT_EQUAL(out.n_items, 0);
	kit_let_go(&stopped, lock);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_OK);
	CU_ASSERT(drains(q, "012345"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void what_is_returned_was_held(void)
{
	uint64_t q = make(0);
	uint32_t gone;
	CU_ASSERT(holds(q, 2, ME, "01"));
	CU_ASSERT(holds(q, 1, OTHER, "2"));
	CU_ASSERT_EQUAL(queue_return(&lane, q, ME), SABIR_OK);
	CU_ASSERT_EQUAL(queue_return(&lane, q, ME), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(queue_settle(&lane, q, ME, 1, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(gone, 0);
	CU_ASSERT_EQUAL(size_of(q).held, 1);
	CU_ASSERT_EQUAL(queue_settle(&lane, q, OTHER, 1, &gone), SABIR_OK);
	CU_ASSERT_EQUAL(queue_return(&lane, q, OTHER), SABIR_NOT_HELD);
	CU_ASSERT(drains(q, "01345"));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

/* A queue whose list of held items is a ring. */
static uint64_t make_damaged(void)
{
	uint64_t q = make(0);
	struct seg_queue *body = segment_at(&seg, seg.objects[object_index(q)].body, sizeof(*body));
	CU_ASSERT(holds(q, 2, ME, "01"));
	struct seg_item *first = segment_at(&seg, body->held, sizeof(*first));
	first->block.next = body->held;
	return q;
}

static void a_damaged_list_is_data_loss(void)
{
	uint64_t q = make_damaged();
	alarm(20);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, OTHER), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(queue_unhold(&lane, q, ME), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(get_nothing(q), SABIR_DATA_LOSS);
	alarm(0);
}

static void what_a_damaged_list_hides_is_not_said_to_be_nobodys(void)
{
	uint32_t gone = 7;
	alarm(20);
	CU_ASSERT_EQUAL(queue_return(&lane, make_damaged(), OTHER), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(queue_settle(&lane, make_damaged(), OTHER, 1, &gone), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(gone, 7);
	alarm(0);
}

/* ---------------------------------------------------------------- deaths */

static void act_hold(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	(void)queue_hold(by, *(uint64_t *)context, 3, queue_holder(1, by->owner), &out);
	bytes_fini(&out);
}

static void act_hold_and_settle(struct lane *by, void *context)
{
	uint32_t gone;
	act_hold(by, context);
	(void)queue_settle(by, *(uint64_t *)context, queue_holder(1, by->owner), 2, &gone);
}

static void act_hold_and_give_back(struct lane *by, void *context)
{
	act_hold(by, context);
	(void)queue_unhold(by, *(uint64_t *)context, queue_holder(1, by->owner));
}

static kit_act *const acts[] = { act_hold, act_hold_and_settle, act_hold_and_give_back };
#define N_ACTS (sizeof(acts) / sizeof(acts[0]))

/* Dies at the step; what was not settled is there, in order and once, and nothing is held. */
static bool survives(kit_act *act, const struct kit_step *step)
{
	uint64_t q = make(0);
	struct lane victim = kit_lane(&seg);
	(void)kit_die_at(step, act, &victim, &q);
	bool good = owner_recover(&lane, victim.owner) == SABIR_OK;
	struct queue_size size = size_of(q);
	good &= size.held == 0 && size.size <= N && size.size >= N - 2;
	good &= act == act_hold_and_settle || size.size == N;
	good &= drains(q, &"012345"[N - size.size]);
	good &= object_delete(&lane, q) == SABIR_OK;
	if (!good)
		printf("\n    killed at %s #%u: %d left", step->name, step->nth, (int)size.size);
	return good;
}

static void death_at_every_step_loses_nothing_and_gives_nothing_twice(void)
{
	for (size_t i = 0; i < N_ACTS; i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t q = make(0);
		CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &q));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
		for (unsigned k = 0; k < steps->n; k++)
			CU_ASSERT(survives(acts[i], &steps->at[k]));
		munmap(steps, sizeof(*steps));
	}
}

static uint32_t dead_owner;

static void act_recover(struct lane *by, void *context)
{
	(void)context;
	(void)owner_recover(by, dead_owner);
}

/* The one who gives back the dead one's items dies too. */
static void death_in_the_recovery_leaves_it_to_the_next(void)
{
	const struct kit_step end = { "queue_hold.unlocked", 1 };
	const char *const steps[] = { "journal.stored", "queue_hold.returned", "queue_hold.unlocked" };
	for (unsigned i = 0; i < 3 * 12; i++) {
		uint64_t q = make(0);
		struct lane victim = kit_lane(&seg), second = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&end, act_hold, &victim, &q));
		struct kit_step step = { .nth = 1 + i / 3 };
		snprintf(step.name, sizeof(step.name), "%s", steps[i % 3]);
		dead_owner = victim.owner;
		(void)kit_die_at(&step, act_recover, &second, NULL);
		CU_ASSERT_EQUAL(owner_recover(&lane, second.owner), SABIR_OK);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(size_of(q).held, 0);
		CU_ASSERT(drains(q, "012345"));
		CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_is_handed_over_is_gone_and_the_rest_comes_back_in_its_place),
		KIT_TEST(holders_do_not_mix),
		KIT_TEST(returned_items_are_held_again_in_their_order),
		KIT_TEST(held_items_take_the_queues_room_until_they_are_gone),
		KIT_TEST(a_closed_queue_is_drained_when_nothing_is_held_any_more),
		KIT_TEST(a_clear_leaves_held_items_alone),
		KIT_TEST(a_deleted_queue_frees_what_was_held),
		KIT_TEST(nothing_changes_while_somebody_else_has_the_lock),
		KIT_TEST(what_is_returned_was_held),
		KIT_TEST(a_damaged_list_is_data_loss),
		KIT_TEST(what_a_damaged_list_hides_is_not_said_to_be_nobodys),
		KIT_TEST(death_at_every_step_loses_nothing_and_gives_nothing_twice),
		KIT_TEST(death_in_the_recovery_leaves_it_to_the_next),
	};
	return kit_run("queue, held items", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
