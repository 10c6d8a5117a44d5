/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task queue that is copied while others use it: between two slices anything may happen to it. What was copied is the queue as
 * it is behind the last slice, for from there on nobody touches it: so it is compared with a copy made in peace.
 */
#include <stdlib.h>

#include "server/objects/keep.h"
#include "server/objects/task_parts.h"
#include "server/objects/task_test_kit.h"

#define N_ITEMS 60u
#define N_LEASES 16u
#define HISTORIES 300u

static struct scene {
	uint64_t q, dead;
	uint64_t number; /* of the next item */
	unsigned left;   /* gaps in which something happens */
	unsigned gaps;
	unsigned per_gap;
	struct task_lease leases[N_LEASES];
	unsigned n_leases;
	uint32_t dice;
} scene;

static uint32_t roll(uint32_t n)
{
	scene.dice = scene.dice * 1664525u + 1013904223u;
	return (scene.dice >> 8) % n;
}

/* ---------------------------------------------------------------- copies, compared */

struct line {
	char text[160];
};

static int by_text(const void *x, const void *y)
{
	return strcmp(((const struct line *)x)->text, ((const struct line *)y)->text);
}

static size_t show_items(const struct kept_tasks *kept, struct line *lines)
{
	size_t n = 0;
	for (size_t i = 0; i < kept->items.n_items; i++) {
		struct span item = bytes_item(&kept->items, i);
		struct kept_task t;
		uint64_t number = 0;
		memcpy(&t, item.data, sizeof(t));
		if (t.state == KEPT_TASK_GONE)
			continue;
		memcpy(&number, item.data + sizeof(t), sizeof(number));
		snprintf(lines[n++].text, sizeof(lines->text), "%llu: %lld %llu %llu %llu %u %u = %llu",
			 (unsigned long long)t.ordinal, (long long)t.priority, (unsigned long long)t.due,
			 (unsigned long long)t.expires, (unsigned long long)t.origin, t.attempts, t.state,
			 (unsigned long long)number);
	}
	qsort(lines, n, sizeof(*lines), by_text);
	return n;
}

static bool same_ids(const struct kept_tasks *x, const struct kept_tasks *y)
{
	/* Those that ended while it was copied may be there yet. */
	size_t skipped = x->ids.n_items - y->ids.n_items;
	bool same = x->ids.n_items >= y->ids.n_items;
	for (size_t i = 0; same && i < y->ids.n_items; i++) {
		struct span a_id = bytes_item(&x->ids, skipped + i), b_id = bytes_item(&y->ids, i);
		same = a_id.len == b_id.len && !memcmp(a_id.data, b_id.data, a_id.len);
	}
	return same;
}

static bool same(const struct kept_tasks *x, const struct kept_tasks *y)
{
	static struct line first[4096], second[4096];
	size_t n = show_items(x, first), m = show_items(y, second);
	bool fine = n == m && same_ids(x, y) && x->next_ordinal == y->next_ordinal && x->next_lease == y->next_lease &&
		    x->unfinished == y->unfinished && x->closed == y->closed && x->paused == y->paused;
	for (size_t i = 0; i < n && i < m; i++)
		fine &= !strcmp(first[i].text, second[i].text);
	for (size_t i = 0; !fine && (i < n || i < m); i++)
		fprintf(stderr, "%s\t%s\n", i < n ? first[i].text : "-", i < m ? second[i].text : "-");
	return fine;
}

/* ---------------------------------------------------------------- others */

static void put_one(void)
{
	char id[24];
	struct task_put how = { .priority = (int64_t)roll(5) - 2 };
	if (roll(4) == 0)
		how.delay_ns = (1 + roll(5000)) * MS;
	if (roll(4) == 0)
		how.ttl_ns = (1 + roll(5000)) * MS;
	snprintf(id, sizeof(id), "id %u", (unsigned)roll(1000));
	if (roll(2))
		how.id = text(id);
	(void)put_as(&a, scene.q, ++scene.number, &how);
}

static void take_and_perhaps_undo(void)
{
	struct bytes out = { 0 }, places = { 0 };
	uint32_t n = 1 + roll(3);
	if (!task_queue_take(&a, scene.q, n, &out, &places) && roll(2)) {
		struct span items[3];
		struct task_place at[3];
		uint32_t n_back = 0;
		for (size_t i = 0; i < out.n_items; i++) {
			items[i] = bytes_item(&out, i);
			memcpy(&at[i], bytes_item(&places, i).data, sizeof(at[i]));
		}
		CU_ASSERT_EQUAL(task_queue_unget(&a, scene.q, items, at, (uint32_t)out.n_items, &n_back), SABIR_OK);
	}
	bytes_fini(&out);
	bytes_fini(&places);
}

static void with_a_lease(void)
{
	if (!scene.n_leases)
		return;
	uint64_t token = scene.leases[--scene.n_leases].token;
	switch (roll(3)) {
	case 0:
		(void)task_queue_ack(&b, scene.q, token);
		break;
	case 1:
		(void)task_queue_nack(&b, scene.q, token, roll(2) * 700 * MS);
		break;
	default:
		(void)task_queue_extend(&b, scene.q, token, 800 * MS);
	}
}

static void do_something(void)
{
	uint64_t moved;
	switch (roll(16)) {
	case 0 ... 5:
		put_one();
		break;
	case 6 ... 7:
		take_and_perhaps_undo();
		break;
	case 8 ... 9:
		if (scene.n_leases < N_LEASES &&
		    lease(&b, scene.q, (1 + roll(3000)) * MS, &scene.leases[scene.n_leases]) < 1000)
			scene.n_leases++;
		break;
	case 10 ... 12:
		with_a_lease();
		break;
	case 13:
		(void)task_queue_requeue(&a, roll(2) ? scene.dead : scene.q, 0, 1 + roll(3), &moved);
		break;
	case 14:
		task_clock_ahead_ns += roll(300) * MS;
		break;
	default:
		if (roll(40) == 0)
			(void)task_queue_clear(&a, scene.q, &moved);
	}
}

static void meanwhile(const char *name, void *context)
{
	(void)context;
	if (strcmp(name, "keep_tasks.between") != 0)
		return;
	scene.gaps++;
	if (!scene.left)
		return;
	scene.left--;
	fault_trace(NULL, NULL);
	for (unsigned i = 0; i < scene.per_gap; i++)
		do_something();
	fault_trace(meanwhile, NULL);
}

/* ---------------------------------------------------------------- stories */

static void begin(uint32_t seed, uint32_t discipline)
{
	scene = (struct scene){ .dice = seed, .per_gap = 4, .left = 40 };
	scene.dead = make_named("dead", &(struct task_spec){ 0 }, 0, "");
	scene.q = make_named(
		"work",
		&(struct task_spec){
			.discipline = discipline, .joinable = true, .max_attempts = 2, .dedup_window_ns = 2000 * MS },
		0, seed % 2 ? "dead" : "");
	for (unsigned i = 0; i < N_ITEMS; i++)
		do_something();
}

static void finish(void)
{
	CU_ASSERT_EQUAL(object_delete(&a, scene.q), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, scene.dead), SABIR_OK);
}

static void copy_meanwhile(uint32_t slice, struct kept_tasks *kept)
{
	keep_tasks_slice = slice;
	fault_trace(meanwhile, NULL);
	CU_ASSERT_EQUAL_FATAL(keep_tasks(&a, scene.q, kept), SABIR_OK);
	fault_trace(NULL, NULL);
	keep_tasks_slice = 1000000;
}

/* Nothing becomes due that was not when the other copy was complete. */
static void copy_in_peace(struct kept_tasks *kept)
{
	task_clock_ahead_ns -= 60000 * MS;
	CU_ASSERT_EQUAL_FATAL(keep_tasks(&a, scene.q, kept), SABIR_OK);
	task_clock_ahead_ns += 60000 * MS;
}

static void a_copy_is_the_queue_at_one_moment(void)
{
	struct arena_stats before = settled();
	for (uint32_t seed = 1; seed <= HISTORIES; seed++) {
		struct kept_tasks found, expected;
		begin(seed * 7919, seed % 3);
		copy_meanwhile(1 + seed % 7, &found);
		copy_in_peace(&expected);
		bool fine = same(&found, &expected);
		CU_ASSERT(fine);
		if (!fine)
			fprintf(stderr, "history %u\n", seed);
		kept_tasks_fini(&found);
		kept_tasks_fini(&expected);
		finish();
	}
	CU_ASSERT_EQUAL(settled().used_bytes, before.used_bytes);
}

static void put_and_get_many(unsigned n)
{
	uint64_t number = 1;
	for (unsigned i = 0; i < n; i++) {
		(void)put(scene.q, number);
		(void)get(scene.q);
	}
}

static void overflow(const char *name, void *context)
{
	(void)context;
	if (strcmp(name, "keep_tasks.between") != 0)
		return;
	scene.gaps++;
	fault_trace(NULL, NULL);
	put_and_get_many(SEG_TASK_LOG / 2 + 1);
	fault_trace(overflow, NULL);
}

/* Four times as much is touched as it takes to fill the log, in each gap: the last try is in one piece. */
static void who_is_faster_than_the_copy_waits_for_it(void)
{
	struct kept_tasks kept;
	uint64_t used;
	begin(1, SEG_TASK_FIFO);
	used = settled().used_bytes;
	keep_tasks_slice = 1;
	fault_trace(overflow, NULL);
	CU_ASSERT_EQUAL_FATAL(keep_tasks(&a, scene.q, &kept), SABIR_OK);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(scene.gaps, 3);
	kept_tasks_fini(&kept);
	CU_ASSERT_EQUAL(settled().used_bytes, used);
	finish();
}

static void delete_it(const char *name, void *context)
{
	(void)context;
	if (strcmp(name, "keep_tasks.between") != 0)
		return;
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(object_delete(&a, scene.q), SABIR_OK);
}

static void a_queue_that_is_deleted_meanwhile_is_not_kept(void)
{
	struct arena_stats before = settled();
	struct kept_tasks kept;
	begin(3, SEG_TASK_FIFO);
	keep_tasks_slice = 2;
	fault_trace(delete_it, NULL);
	CU_ASSERT_EQUAL(keep_tasks(&b, scene.q, &kept), SABIR_DELETED);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(object_delete(&a, scene.dead), SABIR_OK);
	CU_ASSERT_EQUAL(settled().used_bytes, before.used_bytes);
}

/* Another copy takes the log over: the first begins anew. */
static void copy_too(const char *name, void *context)
{
	struct kept_tasks kept;
	(void)context;
	if (strcmp(name, "keep_tasks.between") != 0 || !scene.left)
		return;
	scene.left = 0;
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(keep_tasks(&b, scene.q, &kept), SABIR_OK);
	kept_tasks_fini(&kept);
	put_and_get_many(2);
	fault_trace(copy_too, NULL);
}

static void two_copies_at_a_time_are_both_right(void)
{
	struct kept_tasks found, expected;
	begin(5, SEG_TASK_FIFO);
	keep_tasks_slice = 3;
	fault_trace(copy_too, NULL);
	CU_ASSERT_EQUAL_FATAL(keep_tasks(&a, scene.q, &found), SABIR_OK);
	fault_trace(NULL, NULL);
	copy_in_peace(&expected);
	CU_ASSERT(same(&found, &expected));
	kept_tasks_fini(&found);
	kept_tasks_fini(&expected);
	finish();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_copy_is_the_queue_at_one_moment),
		KIT_TEST(who_is_faster_than_the_copy_waits_for_it),
		KIT_TEST(a_queue_that_is_deleted_meanwhile_is_not_kept),
		KIT_TEST(two_copies_at_a_time_are_both_right),
	};
	return kit_run("keep_tasks", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
