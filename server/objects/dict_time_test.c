/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a dict that end. The clock is moved by the test. */
#include "server/objects/dict_test_kit.h"
#include "server/objects/task_queue.h"

#define SECOND 1000000000ull

static int setup(void)
{
	return kit_begin(16 << 20);
}

static void pass(uint64_t seconds)
{
	task_clock_ahead_ns += seconds * SECOND;
}

static uint64_t after(uint64_t seconds)
{
	return dict_end_after(seconds * SECOND);
}

static bool set_until(uint64_t d, uint64_t key, uint64_t value, uint64_t ends)
{
	struct dict_entry entry = { number_span(&key), number_span(&value), ends };
	bool inserted = false;
	CU_ASSERT_EQUAL(dict_set_entry(&lane, d, &entry, &inserted), SABIR_OK);
	return inserted;
}

/* What is left in seconds, rounded up; 0: it does not end; -1: there is no such key. */
static int64_t left(uint64_t d, uint64_t key)
{
	uint64_t ns;
	if (dict_ttl(&lane, d, number_span(&key), &ns))
		return -1;
	return (int64_t)((ns + SECOND - 1) / SECOND);
}

static uint64_t still_there(uint64_t d)
{
	const struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	return body->count[body->committed & 1];
}

static void an_entry_is_gone_from_its_end_on(void)
{
	uint64_t d = make_dict(), key = 1, value;
	bool found;
	struct object_info info;
	CU_ASSERT(set_until(d, key, 10, after(5)));
	set_until(d, 2, 20, 0);
	CU_ASSERT_EQUAL(get(&lane, d, key, &value), SABIR_OK);
	CU_ASSERT_EQUAL(left(d, key), 5);
	pass(5);
	CU_ASSERT_EQUAL(get(&lane, d, key, &value), SABIR_KEY_NOT_FOUND);
	CU_ASSERT_EQUAL(dict_contains(&lane, d, number_span(&key), &found), SABIR_OK);
	CU_ASSERT_FALSE(found);
	CU_ASSERT_EQUAL(left(d, key), -1);
	CU_ASSERT_EQUAL(still_there(d), 2); /* readers have only not seen it */
	CU_ASSERT_EQUAL(object_describe(&lane, d, &info), SABIR_OK);
	CU_ASSERT_EQUAL(info.length, 1);
	CU_ASSERT_EQUAL(length_of(d), 1);
	CU_ASSERT_EQUAL(still_there(d), 1);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void a_set_takes_the_end_away_unless_it_keeps_it(void)
{
	uint64_t d = make_dict();
	set_until(d, 1, 10, after(5));
	CU_ASSERT_FALSE(set_until(d, 1, 11, DICT_KEEP_END));
	CU_ASSERT_EQUAL(left(d, 1), 5);
	CU_ASSERT_FALSE(set_until(d, 1, 11, after(7)));
	CU_ASSERT_EQUAL(left(d, 1), 7);
	CU_ASSERT_FALSE(set_until(d, 1, 12, 0));
	CU_ASSERT_EQUAL(left(d, 1), 0);
	CU_ASSERT(set_until(d, 2, 12, DICT_KEEP_END));
	CU_ASSERT_EQUAL(left(d, 2), 0);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static enum sabir_error add_one(void *context, struct span now, struct span *next, bool *write)
{
	uint64_t *sum = context;
	*sum = now.data ? number_in(now) + 1 : 1;
	*next = number_span(sum);
	*write = true;
	return SABIR_OK;
}

static void changing_a_value_keeps_its_end(void)
{
	uint64_t d = make_dict(), key = 1, sum;
	set_until(d, key, 10, after(5));
	CU_ASSERT_EQUAL(dict_modify(&lane, d, number_span(&key), add_one, &sum), SABIR_OK);
	CU_ASSERT_EQUAL(sum, 11);
	CU_ASSERT_EQUAL(left(d, key), 5);
	pass(5);
	CU_ASSERT_EQUAL(dict_modify(&lane, d, number_span(&key), add_one, &sum), SABIR_OK);
	CU_ASSERT_EQUAL(sum, 1);
	CU_ASSERT_EQUAL(left(d, key), 0);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void an_end_can_be_moved_and_taken_away(void)
{
	uint64_t d = make_dict(), key = 1, value = 0;
	CU_ASSERT_EQUAL(dict_expire(&lane, d, number_span(&key), after(5)), SABIR_KEY_NOT_FOUND);
	set(&lane, d, key, 10);
	CU_ASSERT_EQUAL(dict_expire(&lane, d, number_span(&key), after(5)), SABIR_OK);
	pass(4);
	CU_ASSERT_EQUAL(dict_expire(&lane, d, number_span(&key), after(5)), SABIR_OK);
	pass(4);
	CU_ASSERT_EQUAL(left(d, key), 1);
	CU_ASSERT_EQUAL(dict_expire(&lane, d, number_span(&key), 0), SABIR_OK);
	pass(100);
	CU_ASSERT_EQUAL(get(&lane, d, key, &value), SABIR_OK);
	CU_ASSERT_EQUAL(value, 10);
	CU_ASSERT_EQUAL(dict_expire(&lane, d, number_span(&key), after(5)), SABIR_OK);
	pass(5);
	CU_ASSERT_EQUAL(dict_expire(&lane, d, number_span(&key), after(5)), SABIR_KEY_NOT_FOUND);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void a_key_that_is_set_after_its_end_is_new(void)
{
	uint64_t d = make_dict(), cursor = 0, key = 1, value = 77;
	struct dict_entry entry = { number_span(&key), number_span(&value), after(9) };
	struct bytes out = { 0 }, all = { 0 };
	bool inserted = false;
	set_until(d, 1, 10, after(5));
	set_until(d, 2, 20, 0);
	CU_ASSERT_EQUAL(dict_setdefault_entry(&lane, d, &entry, &out, &inserted), SABIR_OK);
	CU_ASSERT_FALSE(inserted);
	CU_ASSERT_EQUAL(left(d, 1), 5);
	pass(5);
	bytes_truncate(&out, 0);
	CU_ASSERT_EQUAL(dict_setdefault_entry(&lane, d, &entry, &out, &inserted), SABIR_OK);
	CU_ASSERT(inserted);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), 77);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 10, &cursor, &all), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(all.n_items, 4);
	CU_ASSERT_EQUAL(number_in(bytes_item(&all, 0)), 2);
	CU_ASSERT_EQUAL(number_in(bytes_item(&all, 2)), 1);
	bytes_fini(&out);
	bytes_fini(&all);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void lists_and_popitem_pass_over_what_has_ended(void)
{
	uint64_t d = make_dict(), cursor = 0;
	struct bytes out = { 0 };
	for (uint64_t i = 0; i < 9; i++)
		set_until(d, i, i, i % 2 ? 0 : after(5));
	pass(5);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 2, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 9, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(out.n_items, 8);
	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(number_in(bytes_item(&out, 2 * i)), 2 * i + 1);
	bytes_truncate(&out, 0);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS | DICT_REVERSED, 1, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), 7);
	CU_ASSERT_EQUAL(still_there(d), 9);
	bytes_truncate(&out, 0);
	CU_ASSERT_EQUAL(dict_popitem(&lane, d, &out), SABIR_OK);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), 7);
	CU_ASSERT_EQUAL(dict_popfirst(&lane, d, &out), SABIR_OK);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 2)), 1);
	bytes_fini(&out);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void a_copy_ends_with_its_original(void)
{
	struct span none = { NULL, 0 };
	uint64_t d = make_dict(), copy, other;
	set_until(d, 1, 10, after(5));
	set_until(d, 2, 20, 0);
	pass(2);
	CU_ASSERT_EQUAL(dict_copy(&lane, d, none, &copy), SABIR_OK);
	CU_ASSERT_EQUAL(left(copy, 1), 3);
	CU_ASSERT_EQUAL(left(copy, 2), 0);
	pass(3);
	CU_ASSERT_EQUAL(length_of(copy), 1);
	CU_ASSERT_EQUAL(dict_copy(&lane, d, none, &other), SABIR_OK);
	CU_ASSERT_EQUAL(left(other, 1), -1);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, copy), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
}

static void the_server_removes_what_nobody_asks_for(void)
{
	struct arena_stats before, now;
	uint64_t d = make_dict(), handle, at = 0;
	account(&before);
	CU_ASSERT(dict_alarm(&lane, object_index(d), &handle, &at));
	CU_ASSERT_EQUAL(at, UINT64_MAX);
	for (uint64_t i = 0; i < 700; i++)
		set_until(d, i, i, after(5 + i % 3));
	CU_ASSERT(dict_alarm(&lane, object_index(d), &handle, &at));
	CU_ASSERT_EQUAL(handle, d);
	CU_ASSERT(at > task_clock() && at <= after(5));
	pass(7);
	uint64_t rounds = 0;
	while (at != UINT64_MAX && rounds++ < 10) {
		CU_ASSERT_EQUAL(dict_remove_due(&lane, handle), SABIR_OK);
		CU_ASSERT(dict_alarm(&lane, object_index(d), &handle, &at));
	}
	CU_ASSERT_EQUAL(rounds, 3); /* none keeps the lock for long */
	CU_ASSERT_EQUAL(still_there(d), 0);
	account(&now);
	CU_ASSERT_EQUAL(before.n_blocks, now.n_blocks);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void a_clear_takes_the_ends_along(void)
{
	struct arena_stats before, now;
	uint64_t d = make_dict(), removed, handle, at = 0;
	account(&before);
	for (uint64_t i = 0; i < 100; i++)
		set_until(d, i, i, after(5 + i % 7));
	set_until(d, 1000, 1, after(1));
	pass(2);
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, 100);
	CU_ASSERT(dict_alarm(&lane, object_index(d), &handle, &at));
	CU_ASSERT_EQUAL(at, UINT64_MAX);
	account(&now);
	CU_ASSERT_EQUAL(before.n_blocks, now.n_blocks);
	set_until(d, 1, 1, after(5));
	pass(5);
	CU_ASSERT_EQUAL(length_of(d), 0);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

/* Against an array of ends, in many orders. */
static void the_count_is_always_that_of_a_model(void)
{
	uint64_t d = make_dict(), ends[50] = { 0 };
	bool there[50] = { false };
	unsigned random = 1;
	for (unsigned step = 0; step < 5000; step++) {
		uint64_t key = (random = random * 1103515245 + 12345) >> 8 & 0xffff, n = 0;
		uint64_t k = key % 50, seconds = key / 50 % 9;
		if (step % 5 == 0)
			pass(1);
		for (unsigned i = 0; i < 50; i++)
			there[i] &= !ends[i] || ends[i] > task_clock();
		if (step % 7 == 3)
			CU_ASSERT_EQUAL(del(&lane, d, k), there[k] ? SABIR_OK : SABIR_KEY_NOT_FOUND);
		ends[k] = seconds ? after(seconds) + SECOND / 2 : 0;
		if (step % 7 != 3)
			CU_ASSERT_EQUAL(set_until(d, k, step, ends[k]), !there[k]);
		there[k] = step % 7 != 3;
		for (unsigned i = 0; i < 50; i++)
			n += there[i];
		CU_ASSERT_EQUAL(length_of(d), n);
	}
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(an_entry_is_gone_from_its_end_on),       KIT_TEST(a_set_takes_the_end_away_unless_it_keeps_it),
		KIT_TEST(changing_a_value_keeps_its_end),         KIT_TEST(an_end_can_be_moved_and_taken_away),
		KIT_TEST(a_key_that_is_set_after_its_end_is_new), KIT_TEST(lists_and_popitem_pass_over_what_has_ended),
		KIT_TEST(a_copy_ends_with_its_original),          KIT_TEST(the_server_removes_what_nobody_asks_for),
		KIT_TEST(a_clear_takes_the_ends_along),           KIT_TEST(the_count_is_always_that_of_a_model),
	};
	return kit_run("dict, entries that end", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
