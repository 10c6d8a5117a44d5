/* SPDX-License-Identifier: Apache-2.0 */
/* The dict read and written by several processes at once. */
#include "server/objects/dict_test_kit.h"

static int setup(void)
{
	return kit_begin(64 << 20);
}

/* ---------------------------------------------------------------- batches */

static void batches_are_seen_whole_by_gets(void)
{
	uint64_t d = make_dict(), bad = 0, rounds = 0;
	int status = 0;
	set(&lane, d, 1, 0);
	set(&lane, d, 2, 0);
	pid_t writer = child(write_pairs, d, 40000);
	while (!ended(writer, &status)) {
		uint64_t one = 0, two = 0, again = 0;
		bad += get(&lane, d, 1, &one) || get(&lane, d, 2, &two) || get(&lane, d, 1, &again);
		bad += two < one || again < two;
		rounds++;
	}
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(rounds > 0);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- whole values */

#define N_SHARED 64

/* A value says its own length and sum. */
static size_t make_value(uint64_t seed, uint8_t *data)
{
	uint32_t len = 16 + (uint32_t)(seed * 2654435761u % 3000), sum = len;
	for (uint32_t i = 8; i < len; i++)
		sum += data[i] = (uint8_t)(seed >> i % 5 * 8 ^ i * 31);
	memcpy(data, &len, 4);
	memcpy(data + 4, &sum, 4);
	return len;
}

static bool is_whole(struct span value)
{
	uint32_t len, sum, found;
	memcpy(&len, value.data, 4);
	memcpy(&sum, value.data + 4, 4);
	found = len;
	for (size_t i = 8; i < value.len; i++)
		found += value.data[i];
	return value.len == len && found == sum;
}

static int write_values(struct lane *by, uint64_t d, uint64_t n)
{
	uint8_t data[4096];
	for (uint64_t i = 0; i < n; i++) {
		uint64_t seed = i * 7919 + (uint64_t)getpid(), key = seed % N_SHARED;
		struct span value = { data, make_value(seed, data) };
		if (seed % 11 == 0 ? del(by, d, key) == SABIR_DATA_LOSS
				   : dict_set(by, d, number_span(&key), value, NULL))
			return 1;
	}
	return 0;
}

static int read_values(struct lane *by, uint64_t d, uint64_t n)
{
	int bad = 0;
	for (uint64_t i = 0; i < n && !bad; i++) {
		uint64_t key = i * 31 % N_SHARED;
		struct bytes out = { 0 };
		enum sabir_error error = dict_get(by, d, number_span(&key), &out);
		bad = error ? error != SABIR_KEY_NOT_FOUND : !is_whole(bytes_item(&out, 0));
		bytes_fini(&out);
	}
	return bad;
}

static void values_are_never_torn(void)
{
	uint64_t d = make_dict();
	pid_t pids[5];
	for (int i = 0; i < 5; i++)
		pids[i] = i < 3 ? child(write_values, d, 20000) : child(read_values, d, 100000);
	CU_ASSERT(kit_wait_all(pids, 5));
	struct arena_stats before, after;
	uint64_t removed;
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &removed), SABIR_OK);
	account(&before);
	object_delete(&lane, d);
	d = make_dict();
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- growth, clear */

static int insert_many(struct lane *by, uint64_t d, uint64_t base)
{
	for (uint64_t i = 0; i < 30000; i++)
		if (set(by, d, base + i, i))
			return 1;
	return 0;
}

static void readers_find_every_key_while_it_grows(void)
{
	uint64_t d = make_dict(), bad = 0, got = 0;
	pid_t pids[2];
	int status = 0;
	for (uint64_t i = 0; i < 100; i++)
		set(&lane, d, i, i);
	for (uint64_t i = 0; i < 2; i++)
		pids[i] = child(insert_many, d, 1000 + i * 100000);
	while (!ended(pids[0], &status))
		for (uint64_t i = 0; i < 100; i++)
			bad += get(&lane, d, i, &got) != SABIR_OK || got != i;
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(kit_wait(pids[1]), 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), 60100);
	object_delete(&lane, d);
}

static int fill_and_clear(struct lane *by, uint64_t d, uint64_t n)
{
	for (uint64_t round = 0; round < n; round++) {
		uint64_t removed = 0;
		for (uint64_t i = 0; i < 20; i++)
			if (set(by, d, i, round))
				return 1;
		if (dict_clear(by, d, &removed) || removed != 20)
			return 2;
	}
	return 0;
}

/* Length, pages and keys agree: what was seen cleared stays so until the next fill, in whichever way one looks. */
static void a_clear_is_one_step(void)
{
	uint64_t d = make_dict(), bad = 0;
	int status = 0;
	pid_t writer = child(fill_and_clear, d, 4000);
	while (!ended(writer, &status)) {
		uint64_t first = 0, last = 0, cursor = 0;
		struct bytes out = { 0 };
		/*
		 * Keys come in order 0..19 and go together: who sees the last one of a round sees the first one of it
		 * or of a later.
		 */
		enum sabir_error two = get(&lane, d, 19, &last), one = get(&lane, d, 0, &first);
		bad += !two && !one && first < last;
		bad += dict_page(&lane, d, DICT_ITEMS, 100, &cursor, &out) != SABIR_OK || out.n_items > 40;
		for (size_t i = 0; i + 1 < out.n_items; i += 2) {
			bad += number_in(bytes_item(&out, i)) != i / 2;
			bad += number_in(bytes_item(&out, i + 1)) != number_in(bytes_item(&out, 1));
		}
		bytes_fini(&out);
	}
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), 0);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- modify */

static enum sabir_error add_one(void *context, struct span now, struct span *next, bool *write)
{
	uint64_t *n = context;
	*n = now.data ? number_in(now) + 1 : 1;
	*next = number_span(n);
	*write = true;
	return SABIR_OK;
}

static int increment(struct lane *by, uint64_t d, uint64_t n)
{
	uint64_t key = 9, sum;
	for (uint64_t i = 0; i < n; i++)
		if (dict_modify(by, d, number_span(&key), add_one, &sum))
			return 1;
	return 0;
}

static void increments_are_not_lost(void)
{
	uint64_t d = make_dict(), got = 0;
	pid_t pids[4];
	for (int i = 0; i < 4; i++)
		pids[i] = child(increment, d, 5000);
	CU_ASSERT(kit_wait_all(pids, 4));
	CU_ASSERT_EQUAL(get(&lane, d, 9, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 20000);
	object_delete(&lane, d);
}

static int wait_for_change(struct lane *by, uint64_t d, uint64_t n)
{
	uint64_t got;
	for (;;) {
		uint32_t key = event_prepare(&seg.objects[object_index(d)].event[SEG_EVENT_ITEMS], SEG_WAITING_LOCAL);
		if (get(by, d, n, &got) == SABIR_OK)
			return 0;
		event_wait(by, object_index(d), SEG_EVENT_ITEMS, key, EVENT_FOREVER);
	}
}

static void a_change_wakes_who_waits(void)
{
	uint64_t d = make_dict();
	pid_t pids[3];
	for (int i = 0; i < 3; i++)
		pids[i] = child(wait_for_change, d, 5);
	for (uint64_t i = 0; i <= 5; i++)
		CU_ASSERT_EQUAL(set(&lane, d, i, i), SABIR_OK);
	CU_ASSERT(kit_wait_all(pids, 3));
	object_delete(&lane, d);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(batches_are_seen_whole_by_gets),
		KIT_TEST(values_are_never_torn),
		KIT_TEST(readers_find_every_key_while_it_grows),
		KIT_TEST(a_clear_is_one_step),
		KIT_TEST(increments_are_not_lost),
		KIT_TEST(a_change_wakes_who_waits),
	};
	return kit_run("dict, shared", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
