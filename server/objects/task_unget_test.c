/* SPDX-License-Identifier: Apache-2.0 */
/* What was taken from a task queue and could not be handed over: it is what it was, where it was, whoever dies of it. */
#include "server/objects/task_test_kit.h"

/* What was taken, as the front keeps it until it is delivered. */
struct got {
	uint64_t q;
	struct bytes out, places;
};

static void take(struct got *got, uint32_t n)
{
	CU_ASSERT_EQUAL_FATAL(task_queue_take(&a, got->q, n, &got->out, &got->places), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(got->places.len, got->out.n_items * sizeof(struct task_place));
}

static enum sabir_error unget(struct lane *by, const struct got *got)
{
	struct span items[8];
	uint32_t n = (uint32_t)got->out.n_items, n_back = 0;
	for (uint32_t i = 0; i < n; i++)
		items[i] = bytes_item(&got->out, i);
	return task_queue_unget(by, got->q, items, (const struct task_place *)got->places.data, n, &n_back);
}

static void end(struct got *got)
{
	bytes_fini(&got->out);
	bytes_fini(&got->places);
	(void)object_delete(&a, got->q);
}

static void it_stands_where_it_stood(void)
{
	static const uint32_t disciplines[] = { SEG_TASK_FIFO, SEG_TASK_LIFO, SEG_TASK_PRIORITY };
	for (unsigned d = 0; d < 3; d++) {
		struct got got = { .q = make(&(struct task_spec){ .discipline = disciplines[d] }) };
		bool priority = disciplines[d] == SEG_TASK_PRIORITY;
		uint64_t order[6];
		for (uint64_t i = 0; i < 6; i++)
			put_as(&a, got.q, i, &(struct task_put){ .priority = priority ? (int64_t)(i % 3) : 0 });
		struct got all = { .q = got.q };
		take(&all, 6);
		memcpy(order, all.out.data, sizeof(order));
		CU_ASSERT_EQUAL(unget(&b, &all), SABIR_OK);
		take(&got, 3);
		CU_ASSERT_EQUAL(get(got.q), order[3]);
		CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
		CU_ASSERT_EQUAL(size_of(got.q).ready, 5);
		for (unsigned i = 0; i < 6; i++)
			CU_ASSERT(i == 3 || get(got.q) == order[i]);
		bytes_fini(&all.out);
		bytes_fini(&all.places);
		end(&got);
	}
}

static void its_attempts_and_its_task_count_on(void)
{
	struct got got = { .q = make(&(struct task_spec){ .joinable = true, .max_attempts = 3 }) };
	struct task_lease as;
	put(got.q, 7);
	CU_ASSERT_EQUAL(lease(&a, got.q, 1000 * MS, &as), 7);
	CU_ASSERT_EQUAL(task_queue_nack(&a, got.q, as.token, 0), SABIR_OK);
	take(&got, 1);
	CU_ASSERT_EQUAL(size_of(got.q).unfinished, 1);
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(got.q).unfinished, 1);
	CU_ASSERT_EQUAL(lease(&a, got.q, 1000 * MS, &as), 7);
	CU_ASSERT_EQUAL(as.attempts, 2);
	CU_ASSERT_EQUAL(task_queue_ack(&a, got.q, as.token), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_join(&a, got.q), SABIR_OK);
	end(&got);
}

static void its_time_goes_on(void)
{
	struct got got = { .q = make(&(struct task_spec){ .joinable = true }) };
	put_as(&a, got.q, 7, &(struct task_put){ .ttl_ns = 1000 * MS });
	take(&got, 1);
	task_clock_ahead_ns += 500 * MS;
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(got.q).ready, 1);
	task_clock_ahead_ns += 500 * MS;
	CU_ASSERT_EQUAL(get(got.q), IS_EMPTY);
	CU_ASSERT_EQUAL(size_of(got.q).unfinished, 0);
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(get(got.q), IS_EMPTY);
	end(&got);
}

static void a_dead_letter_still_knows_where_it_came_from(void)
{
	struct got got = { .q = make_named("letters", &(struct task_spec){ 0 }, 0, "") };
	uint64_t work = make_named("work", &(struct task_spec){ .max_attempts = 1 }, 0, "letters"), moved;
	struct task_lease as;
	put(work, 7);
	CU_ASSERT_EQUAL(lease(&a, work, 1000 * MS, &as), 7);
	CU_ASSERT_EQUAL(task_queue_nack(&a, work, as.token, 0), SABIR_OK);
	take(&got, 1);
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_requeue(&a, got.q, 0, 0, &moved), SABIR_OK);
	CU_ASSERT_EQUAL(moved, 1);
	CU_ASSERT_EQUAL(get(work), 7);
	object_delete(&a, work);
	end(&got);
}

static void a_queue_that_was_filled_or_closed_meanwhile_has_it_again(void)
{
	struct got got = { .q = make_named("", &(struct task_spec){ 0 }, 1, "") };
	put(got.q, 1);
	take(&got, 1);
	CU_ASSERT_EQUAL(put(got.q, 2), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_close(&a, got.q), SABIR_OK);
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(get(got.q), 1);
	CU_ASSERT_EQUAL(get(got.q), 2);
	CU_ASSERT_EQUAL(get(got.q), IS_CLOSED);
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(get(got.q), 1);
	CU_ASSERT_EQUAL(get(got.q), IS_CLOSED);
	end(&got);
}

static void a_deleted_queue_has_it_no_more(void)
{
	struct arena_stats before = settled();
	struct got got = { .q = make(&(struct task_spec){ 0 }) };
	put(got.q, 1);
	take(&got, 1);
	CU_ASSERT_EQUAL(object_delete(&a, got.q), SABIR_OK);
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_DELETED);
	end(&got);
	CU_ASSERT_EQUAL(settled().used_bytes, before.used_bytes);
}

static void who_waits_is_woken(void)
{
	struct got got = { .q = make(&(struct task_spec){ 0 }) };
	struct seg_event *event = &seg.objects[object_index(got.q)].event[SEG_EVENT_ITEMS];
	put(got.q, 1);
	take(&got, 1);
	event_prepare(event, SEG_WAITING_SERVER);
	uint32_t index;
	while (bell_next(&seg, &index))
		;
	CU_ASSERT_EQUAL(unget(&b, &got), SABIR_OK);
	bool rung = false;
	while (bell_next(&seg, &index))
		rung |= index == object_index(got.q);
	CU_ASSERT(rung);
	end(&got);
}

/* ---------------------------------------------------------------- death */

static void act_unget(struct lane *by, void *context)
{
	(void)unget(by, context);
}

/* Those in front may be back when it dies, in their order; nothing is twice, and nothing is lost of the others. */
static bool holds(uint64_t q, bool all)
{
	uint64_t n_back = size_of(q).ready - 1;
	bool fine = n_back <= 3 && (!all || n_back == 3);
	for (uint64_t i = 0; fine && i < n_back; i++)
		fine = get(q) == i;
	return fine && get(q) == 3 && get(q) == IS_EMPTY;
}

static void a_giver_that_dies_brings_back_those_in_front(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before = settled();
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		struct got got = { .q = make(&(struct task_spec){ 0 }) };
		for (uint64_t k = 0; k < 4; k++)
			put(got.q, k);
		take(&got, 3);
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, act_unget, &dying, &got));
		if (i)
			(void)kit_die_at(&steps->at[i - 1], act_unget, &dying, &got);
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		CU_ASSERT(holds(got.q, i == 0));
		end(&got);
	}
	CU_ASSERT_EQUAL(settled().used_bytes, before.used_bytes);
	munmap(steps, sizeof(*steps));
}

/* Else it would not be known any more whose place is whose, and nothing of the get could go back. */
static void what_there_is_no_memory_for_has_no_place(void)
{
	struct got got = { .q = make(&(struct task_spec){ 0 }) };
	put(got.q, 7);
	got.out.len = UINT32_MAX; /* as if it were so full */
	CU_ASSERT_EQUAL(task_queue_take(&a, got.q, 1, &got.out, &got.places), SABIR_NO_MEMORY);
	CU_ASSERT(got.places.n_items == 0 && got.places.len == 0);
	CU_ASSERT_EQUAL(get(got.q), 7);
	got.out.len = 0;
	end(&got);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(it_stands_where_it_stood),
		KIT_TEST(its_attempts_and_its_task_count_on),
		KIT_TEST(its_time_goes_on),
		KIT_TEST(a_dead_letter_still_knows_where_it_came_from),
		KIT_TEST(a_queue_that_was_filled_or_closed_meanwhile_has_it_again),
		KIT_TEST(a_deleted_queue_has_it_no_more),
		KIT_TEST(who_waits_is_woken),
		KIT_TEST(a_giver_that_dies_brings_back_those_in_front),
		KIT_TEST(what_there_is_no_memory_for_has_no_place),
	};
	return kit_run("task queue, what could not be handed over", setup, teardown, tests,
		       sizeof(tests) / sizeof(tests[0]));
}
