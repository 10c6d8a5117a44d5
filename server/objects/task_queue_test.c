/* SPDX-License-Identifier: Apache-2.0 */
/* The task queue: orders, leases, time, ids, joining, dead letters, pausing, closing. Time is moved, not waited for. */
#include <stdlib.h>

#include "server/objects/task_test_kit.h"

/* ---------------------------------------------------------------- order */

static void fifo_keeps_the_order(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	for (uint64_t i = 1; i <= 2000; i++)
		CU_ASSERT_EQUAL_FATAL(put(q, i), SABIR_OK);
	for (uint64_t i = 1; i <= 2000; i++)
		CU_ASSERT_EQUAL_FATAL(get(q), i);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	object_delete(&a, q);
}

static void lifo_gives_the_last_first(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_LIFO });
	for (uint64_t i = 1; i <= 100; i++)
		put(q, i);
	for (uint64_t i = 100; i >= 50; i--)
		CU_ASSERT_EQUAL(get(q), i);
	put(q, 500);
	CU_ASSERT_EQUAL(get(q), 500);
	CU_ASSERT_EQUAL(get(q), 49);
	object_delete(&a, q);
}

static void priorities_are_lowest_first_and_stable(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_PRIORITY });
	static const int64_t priorities[] = { 5, -3, INT64_MAX, 5, INT64_MIN, 0, -3, 5 };
	static const uint64_t expected[] = { 5, 2, 7, 6, 1, 4, 8, 3 };
	for (uint64_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(put_as(&a, q, i + 1, &(struct task_put){ .priority = priorities[i] }), SABIR_OK);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(get(q), expected[i]);
	object_delete(&a, q);
}

static void a_priority_needs_a_queue_of_priorities(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	CU_ASSERT_EQUAL(put_as(&a, q, 1, &(struct task_put){ .priority = 1 }), SABIR_NOT_ENABLED);
	CU_ASSERT_EQUAL(put_as(&a, q, 1, &(struct task_put){ .id = text("x") }), SABIR_NOT_ENABLED);
	CU_ASSERT_EQUAL(task_queue_join(&a, q), SABIR_NOT_ENABLED);
	CU_ASSERT_EQUAL(task_queue_task_done(&a, q), SABIR_NOT_ENABLED);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	object_delete(&a, q);
}

static void many_go_in_and_out_in_one_step(void)
{
	uint64_t q = make_named("", &(struct task_spec){ 0 }, 150, ""), numbers[200];
	struct queue_item items[200];
	struct bytes out = { 0 };
	uint32_t accepted = 0;
	bool duplicate;
	for (unsigned i = 0; i < 200; i++) {
		numbers[i] = i;
		items[i] = (struct queue_item){ .body = { (uint8_t *)&numbers[i], 8 } };
	}
	CU_ASSERT_EQUAL(task_queue_put(&a, q, items, 200, &(struct task_put){ 0 }, &accepted, &duplicate), SABIR_OK);
	CU_ASSERT_EQUAL(accepted, 150);
	CU_ASSERT_EQUAL(put(q, 1), SABIR_FULL);
	CU_ASSERT_EQUAL(task_queue_get(&a, q, 1000, 0, &out, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(out.n_items, 150);
	CU_ASSERT(!memcmp(out.data, numbers, 150 * 8));
	CU_ASSERT_EQUAL(put(q, 1), SABIR_OK);
	bytes_fini(&out);
	object_delete(&a, q);
}

/* ---------------------------------------------------------------- leases */

static void an_acknowledged_item_is_gone(void)
{
	uint64_t q = make(&(struct task_spec){ .joinable = true });
	struct task_lease as = { 0 };
	put(q, 7);
	CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as), 7);
	CU_ASSERT_EQUAL(as.attempts, 1);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	CU_ASSERT_EQUAL(size_of(q).leased, 1);
	CU_ASSERT_EQUAL(task_queue_join(&a, q), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(task_queue_ack(&b, q, as.token), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_ack(&b, q, as.token), SABIR_LEASE_LOST);
	CU_ASSERT_EQUAL(task_queue_join(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).leased, 0);
	object_delete(&a, q);
}

static void a_token_of_nothing_is_refused(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	put(q, 7);
	for (uint64_t token = 0; token < 5000; token++) {
		CU_ASSERT_EQUAL(task_queue_ack(&a, q, token << 32 | 1), SABIR_LEASE_LOST);
		CU_ASSERT_EQUAL(task_queue_nack(&a, q, token << 32, 0), SABIR_LEASE_LOST);
	}
	CU_ASSERT_EQUAL(get(q), 7);
	object_delete(&a, q);
}

static void a_refused_item_comes_back_to_its_old_place(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	struct task_lease as[3];
	for (uint64_t i = 1; i <= 4; i++)
		put(q, i);
	for (uint64_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as[i]), i + 1);
	CU_ASSERT_EQUAL(task_queue_nack(&a, q, as[1].token, 0), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_nack(&a, q, as[0].token, 0), SABIR_OK);
	CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as[0]), 1);
	CU_ASSERT_EQUAL(as[0].attempts, 2);
	CU_ASSERT_EQUAL(get(q), 2);
	CU_ASSERT_EQUAL(get(q), 4);
	object_delete(&a, q);
}

static void a_lease_ends_and_can_be_extended(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	struct task_lease as;
	put(q, 1);
	put(q, 2);
	CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as), 1);
	task_clock_ahead_ns += 900 * MS;
	CU_ASSERT_EQUAL(task_queue_extend(&a, q, as.token, 1000 * MS), SABIR_OK);
	task_clock_ahead_ns += 900 * MS;
	CU_ASSERT_EQUAL(size_of(q).leased, 1);
	task_clock_ahead_ns += 200 * MS;
	CU_ASSERT_EQUAL(size_of(q).leased, 0);
	CU_ASSERT_EQUAL(task_queue_ack(&a, q, as.token), SABIR_LEASE_LOST);
	CU_ASSERT_EQUAL(task_queue_extend(&a, q, as.token, 1000 * MS), SABIR_LEASE_LOST);
	CU_ASSERT_EQUAL(get(q), 1);
	object_delete(&a, q);
}

static void a_holders_death_returns_what_it_leased_at_once(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	struct lane holder = kit_lane(&seg);
	struct task_lease as;
	for (uint64_t i = 1; i <= 200; i++)
		put(q, i);
	for (uint64_t i = 1; i <= 100; i++)
		CU_ASSERT_EQUAL_FATAL(lease(i % 2 ? &holder : &b, q, (200 - i) * 1000 * MS, &as), i);
	CU_ASSERT_EQUAL(owner_recover(&a, holder.owner), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).leased, 50);
	for (uint64_t i = 1; i <= 99; i += 2)
		CU_ASSERT_EQUAL_FATAL(get(q), i);
	CU_ASSERT_EQUAL(get(q), 101);
	object_delete(&a, q);
}

/* ---------------------------------------------------------------- time, ids */

static void a_delayed_item_comes_when_it_is_due(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	struct task_lease as;
	CU_ASSERT_EQUAL(put_as(&a, q, 1, &(struct task_put){ .delay_ns = 500 * MS }), SABIR_OK);
	put(q, 2);
	CU_ASSERT_EQUAL(lease(&a, q, 100000 * MS, &as), 2);
	CU_ASSERT_EQUAL(task_queue_nack(&a, q, as.token, 300 * MS), SABIR_OK);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	CU_ASSERT_EQUAL(size_of(q).delayed, 2);
	task_clock_ahead_ns += 400 * MS;
	CU_ASSERT_EQUAL(get(q), 2);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	task_clock_ahead_ns += 200 * MS;
	CU_ASSERT_EQUAL(get(q), 1);
	object_delete(&a, q);
}

static void an_item_past_its_time_is_dropped(void)
{
	uint64_t q = make(&(struct task_spec){ .joinable = true, .ttl_ns = 1000 * MS });
	struct task_lease as;
	put(q, 1);
	put_as(&a, q, 2, &(struct task_put){ .ttl_ns = 5000 * MS });
	CU_ASSERT_EQUAL(lease(&a, q, 3000 * MS, &as), 1);
	task_clock_ahead_ns += 2000 * MS; /* a leased one is not dropped */
	CU_ASSERT_EQUAL(size_of(q).leased, 1);
	CU_ASSERT_EQUAL(task_queue_nack(&a, q, as.token, 0), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).ready, 1);
	CU_ASSERT_EQUAL(get(q), 2);
	CU_ASSERT_EQUAL(size_of(q).unfinished, 1);
	object_delete(&a, q);
}

static void an_id_counts_once_within_its_window(void)
{
	uint64_t q = make(&(struct task_spec){ .dedup_window_ns = 1000 * MS });
	struct queue_item item = { .body = text("12345678") };
	struct task_put how = { .id = text("order-1") };
	uint32_t accepted = 0;
	bool duplicate = false;
	CU_ASSERT(!task_queue_put(&a, q, &item, 1, &how, &accepted, &duplicate) && accepted == 1 && !duplicate);
	CU_ASSERT(!task_queue_put(&b, q, &item, 1, &how, &accepted, &duplicate) && accepted == 0 && duplicate);
	how.id = text("order-2");
	CU_ASSERT(!task_queue_put(&a, q, &item, 1, &how, &accepted, &duplicate) && accepted == 1 && !duplicate);
	CU_ASSERT_EQUAL(size_of(q).ready, 2);
	task_clock_ahead_ns += 1001 * MS;
	CU_ASSERT(!task_queue_put(&a, q, &item, 1, &how, &accepted, &duplicate) && accepted == 1 && !duplicate);
	CU_ASSERT_EQUAL(size_of(q).ready, 3);
	object_delete(&a, q);
}

/* ---------------------------------------------------------------- joining, dead letters */

static void tasks_are_counted_exactly(void)
{
	uint64_t q = make(&(struct task_spec){ .joinable = true }), removed;
	CU_ASSERT_EQUAL(task_queue_join(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_task_done(&a, q), SABIR_TASK_DONE_TOO_OFTEN);
	for (uint64_t i = 0; i < 3; i++)
		put(q, i);
	get(q);
	CU_ASSERT_EQUAL(task_queue_task_done(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).unfinished, 2);
	CU_ASSERT_EQUAL(task_queue_clear(&a, q, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, 2);
	CU_ASSERT_EQUAL(task_queue_join(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_task_done(&a, q), SABIR_TASK_DONE_TOO_OFTEN);
	object_delete(&a, q);
}

static void a_spent_item_moves_to_the_dead_letters_and_back(void)
{
	uint64_t dead = make_named("dead", &(struct task_spec){ .joinable = true }, 0, ""), moved = 0;
	uint64_t q = make_named("work", &(struct task_spec){ .joinable = true, .max_attempts = 2 }, 0, "dead");
	struct task_lease as;
	put(q, 9);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as), 9);
		CU_ASSERT_EQUAL(task_queue_nack(&a, q, as.token, 0), SABIR_OK);
	}
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	CU_ASSERT_EQUAL(task_queue_join(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(dead).ready, 1);
	CU_ASSERT_EQUAL(size_of(dead).unfinished, 1);
	CU_ASSERT_EQUAL(task_queue_requeue(&a, dead, 0, 0, &moved), SABIR_OK);
	CU_ASSERT_EQUAL(moved, 1);
	CU_ASSERT_EQUAL(size_of(dead).unfinished, 0);
	CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as), 9);
	CU_ASSERT_EQUAL(as.attempts, 1);
	object_delete(&a, q);
	object_delete(&a, dead);
}

static void without_a_place_to_go_dead_items_stay_and_can_be_revived(void)
{
	uint64_t q = make_named("alone", &(struct task_spec){ .max_attempts = 1 }, 0, "nowhere"), moved = 0;
	struct task_lease as;
	put(q, 1);
	put(q, 2);
	lease(&a, q, 10 * MS, &as);
	lease(&a, q, 20 * MS, &as);
	task_clock_ahead_ns += 15 * MS;
	CU_ASSERT_EQUAL(size_of(q).dead, 1);
	task_clock_ahead_ns += 15 * MS;
	CU_ASSERT_EQUAL(size_of(q).dead, 2);
	CU_ASSERT_EQUAL(task_queue_requeue(&a, q, 0, 1, &moved), SABIR_OK);
	CU_ASSERT_EQUAL(moved, 1);
	CU_ASSERT_EQUAL(get(q), 1);
	uint64_t late = make_named("nowhere", &(struct task_spec){ 0 }, 0, "");
	CU_ASSERT_EQUAL(get(q), IS_EMPTY); /* who touches it sends off what is dead */
	CU_ASSERT_EQUAL(get(late), 2);
	object_delete(&a, q);
	object_delete(&a, late);
}

/* ---------------------------------------------------------------- states */

/* Two queues may send each other what they give up on: it is tried in turn. */
static void two_queues_may_be_each_others_dead_letters(void)
{
	uint64_t q[2] = { make_named("ping", &(struct task_spec){ .max_attempts = 1 }, 0, "pong"),
			  make_named("pong", &(struct task_spec){ .max_attempts = 1 }, 0, "ping") };
	struct task_lease as;
	put(q[0], 1);
	for (int i = 0; i < 6; i++) {
		CU_ASSERT_EQUAL(lease(&a, q[i % 2], 10 * MS, &as), 1);
		CU_ASSERT_EQUAL(as.attempts, 1);
		CU_ASSERT_EQUAL(task_queue_nack(&a, q[i % 2], as.token, 0), SABIR_OK);
	}
	CU_ASSERT_EQUAL(get(q[0]), 1);
	object_delete(&a, q[0]);
	object_delete(&a, q[1]);
}

static void a_paused_queue_takes_and_gives_nothing(void)
{
	struct bytes out = { 0 };
	uint64_t q = make(&(struct task_spec){ 0 });
	CU_ASSERT_EQUAL(task_queue_pause(&a, q, true), SABIR_OK);
	CU_ASSERT_EQUAL(put(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	CU_ASSERT(size_of(q).paused);
	CU_ASSERT_EQUAL(task_queue_peek(&a, q, &out), SABIR_EMPTY);
	CU_ASSERT_EQUAL(task_queue_pause(&a, q, false), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_peek(&a, q, &out), SABIR_OK);
	CU_ASSERT_EQUAL(get(q), 1);
	bytes_fini(&out);
	object_delete(&a, q);
}

static void a_closed_queue_is_drained_with_what_may_come_back(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	struct task_lease as;
	put(q, 1);
	CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as), 1);
	CU_ASSERT_EQUAL(task_queue_close(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(put(q, 2), SABIR_CLOSED);
	CU_ASSERT_EQUAL(get(q), IS_EMPTY);
	task_queue_nack(&a, q, as.token, 0);
	CU_ASSERT_EQUAL(get(q), 1);
	CU_ASSERT_EQUAL(get(q), IS_CLOSED);
	object_delete(&a, q);
}

static void all_memory_comes_back(void)
{
	struct arena_stats before = settled();
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_PRIORITY, .dedup_window_ns = 1000 * MS });
	struct task_lease as;
	char id[16];
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "%d", i);
		struct task_put how = { .priority = i % 7, .id = text(id), .ttl_ns = (uint64_t)(i % 3) * 900 * MS };
		how.delay_ns = i % 5 ? 0 : 1000 * MS;
		CU_ASSERT_EQUAL_FATAL(put_as(&a, q, (uint64_t)i, &how), SABIR_OK);
	}
	for (int i = 0; i < 60; i++)
		lease(&b, q, 1000 * MS, &as);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(settled().used_bytes, before.used_bytes);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(fifo_keeps_the_order),
		KIT_TEST(lifo_gives_the_last_first),
		KIT_TEST(priorities_are_lowest_first_and_stable),
		KIT_TEST(a_priority_needs_a_queue_of_priorities),
		KIT_TEST(many_go_in_and_out_in_one_step),
		KIT_TEST(an_acknowledged_item_is_gone),
		KIT_TEST(a_token_of_nothing_is_refused),
		KIT_TEST(a_refused_item_comes_back_to_its_old_place),
		KIT_TEST(a_lease_ends_and_can_be_extended),
		KIT_TEST(a_holders_death_returns_what_it_leased_at_once),
		KIT_TEST(a_delayed_item_comes_when_it_is_due),
		KIT_TEST(an_item_past_its_time_is_dropped),
		KIT_TEST(an_id_counts_once_within_its_window),
		KIT_TEST(tasks_are_counted_exactly),
		KIT_TEST(a_spent_item_moves_to_the_dead_letters_and_back),
		KIT_TEST(without_a_place_to_go_dead_items_stay_and_can_be_revived),
		KIT_TEST(two_queues_may_be_each_others_dead_letters),
		KIT_TEST(a_paused_queue_takes_and_gives_nothing),
		KIT_TEST(a_closed_queue_is_drained_with_what_may_come_back),
		KIT_TEST(all_memory_comes_back),
	};
	return kit_run("task_queue", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
