/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a dict: their limits, their cursors, and what others do between and under them. */
#include <sched.h>

#include "server/objects/dict_test_kit.h"

static int setup(void)
{
	return kit_begin(64 << 20);
}

/* ---------------------------------------------------------------- alone */

static void pages_keep_to_their_limits(void)
{
	uint64_t d = make_dict(), cursor = 0;
	struct bytes out = { 0 };
	for (uint64_t i = 0; i < 10; i++)
		set(&lane, d, i, i * 10);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 4, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL(out.n_items, 8);
	CU_ASSERT_EQUAL(bytes_item(&out, 7).len, 0);
	CU_ASSERT(cursor != 0);
	bytes_truncate(&out, 0);
	out.limit = 33; /* two entries of 16 bytes */
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_ITEMS, 100, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(out.n_items, 4);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), 4);
	bytes_truncate(&out, 0);
	out.limit = 3; /* one at least */
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_VALUES, 100, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(out.n_items, 2);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 1)), 60);
	bytes_truncate(&out, 0);
	out.limit = 0;
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_VALUES, 3, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL(out.n_items, 6);
	CU_ASSERT_EQUAL(cursor, 0);
	bytes_fini(&out);
	object_delete(&lane, d);
}

static void a_page_goes_on_behind_what_was_deleted(void)
{
	uint64_t d = make_dict(), cursor = 0;
	struct bytes out = { 0 };
	for (uint64_t i = 0; i < 1000; i++)
		set(&lane, d, i, i);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 300, &cursor, &out), SABIR_OK);
	for (uint64_t i = 100; i < 500; i++)
		del(&lane, d, i);
	set(&lane, d, 100, 100);
	set(&lane, d, 600, 1); /* keeps its place */
	bytes_truncate(&out, 0);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 1000, &cursor, &out), SABIR_OK);
	CU_ASSERT_EQUAL(cursor, 0);
	CU_ASSERT_EQUAL_FATAL(out.n_items, 2 * 501);
	for (uint64_t i = 0; i < 500; i++)
		CU_ASSERT_EQUAL(number_in(bytes_item(&out, 2 * i)), 500 + i);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 1000)), 100);
	bytes_fini(&out);
	object_delete(&lane, d);
}

/* Cursors come back from clients as they like. */
/* All pages of n keys from the end; each is one less than the one before, from `first` down to `last`. */
static uint64_t count_down(uint64_t d, uint32_t n, uint64_t first)
{
	uint64_t cursor = 0, next = first;
	do {
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL_FATAL(dict_page(&lane, d, DICT_ITEMS | DICT_REVERSED, n, &cursor, &out), SABIR_OK);
		for (size_t i = 0; i < out.n_items; i += 2, next--) {
			CU_ASSERT_EQUAL(number_in(bytes_item(&out, i)), next);
			CU_ASSERT_EQUAL(number_in(bytes_item(&out, i + 1)), next * 10);
		}
		bytes_fini(&out);
	} while (cursor);
	return next;
}

static void pages_lead_back_too(void)
{
	static const uint32_t sizes[] = { 1, 7, 64, 1000, 20000 };
	uint64_t d = make_dict(), removed;
	CU_ASSERT_EQUAL(count_down(d, 10, 0), 0);
	for (uint64_t i = 0; i <= 9000; i++)
		set(&lane, d, i, i * 10);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		CU_ASSERT_EQUAL(count_down(d, sizes[i], 9000), UINT64_MAX);
	for (uint64_t i = 0; i < 5000; i++)
		del(&lane, d, i);
	for (uint64_t i = 8000; i <= 9000; i++)
		del(&lane, d, i);
	CU_ASSERT_EQUAL(count_down(d, 100, 7999), 4999);
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(count_down(d, 100, 1), 1);
	set(&lane, d, 5, 50);
	CU_ASSERT_EQUAL(count_down(d, 100, 5), 4);
	object_delete(&lane, d);
}

static void any_cursor_is_harmless(void)
{
	uint64_t d = make_dict(), cursor, got;
	for (uint64_t i = 0; i < 3000; i++)
		set(&lane, d, i, i);
	for (uint64_t i = 0; i < 3000; i += 2)
		del(&lane, d, i);
	srand(3);
	for (int i = 0; i < 5000; i++) {
		struct bytes out = { 0 };
		cursor = ((uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand()) >> rand() % 64;
		cursor = i == 0 ? UINT64_MAX : i == 1 ? UINT64_MAX - 1 : cursor;
		CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 3, &cursor, &out), SABIR_OK);
		bytes_fini(&out);
	}
	CU_ASSERT_EQUAL(get(&lane, d, 1, &got), SABIR_OK);
	object_delete(&lane, d);
}

/* However far: of a number that is too large for the last block no lower half is looked at. */
static void a_cursor_behind_the_last_entry_finds_none(void)
{
	uint64_t d = make_dict(), cursor;
	struct bytes out;
	for (uint64_t i = 0; i < 5; i++)
		set(&lane, d, i, i);
	bytes_init(&out, NULL, 0);
	for (unsigned shift = 3; shift < 64; shift++) {
		for (uint64_t more = 0; more < 3; more++) {
			bytes_truncate(&out, 0);
			cursor = (1ull << shift) + more;
			CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 3, &cursor, &out), SABIR_OK);
			CU_ASSERT(out.n_items == 0 && cursor == 0);
		}
	}
	bytes_fini(&out);
	object_delete(&lane, d);
}

/* A value that looks like an entry, and cursors that lead to every place in memory. */
static void a_cursor_cannot_lead_to_what_a_client_wrote(void)
{
	uint64_t d = make_dict(), key = 1, cursor, got = 0, bad = 0;
	uint8_t data[200] = { 0 };
	struct seg_node forged = { .order = 77, .gone = 0 };
	forged.block.word = block_word(SEG_BLOCK_LIVE, 0, object_index(d), 5);
	forged.block.next = UINT32_MAX - 15;
	for (size_t at = 0; at + sizeof(forged) <= sizeof(data); at += 32)
		memcpy(data + at, &forged, sizeof(forged));
	CU_ASSERT_EQUAL(dict_set(&lane, d, number_span(&key), (struct span){ data, sizeof(data) }, NULL), SABIR_OK);
	for (uint64_t ref = seg.data_off >> SEG_REF_SHIFT; ref < seg.size >> SEG_REF_SHIFT; ref++) {
		struct bytes out = { 0 };
		cursor = ref | 77ull << 32;
		bad += dict_page(&lane, d, DICT_KEYS, 1, &cursor, &out) != SABIR_OK || out.n_items;
		bytes_fini(&out);
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(set(&lane, d, 2, 2), SABIR_OK);
	CU_ASSERT_EQUAL(get(&lane, d, 2, &got), SABIR_OK);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- beside changes */

static void a_page_is_a_consistent_cut(void)
{
	uint64_t d = make_dict(), bad = 0, rounds = 0;
	int status = 0;
	set(&lane, d, 1, 0);
	for (uint64_t i = 10; i < 60; i++)
		set(&lane, d, i, i);
	set(&lane, d, 2, 0);
	pid_t writer = child(write_pairs, d, 40000);
	while (!ended(writer, &status)) {
		uint64_t cursor = 0;
		struct bytes out = { 0 };
		bad += dict_page(&lane, d, DICT_ITEMS, 100, &cursor, &out) || out.n_items != 104 || cursor;
		if (out.n_items == 104)
			bad += number_in(bytes_item(&out, 1)) != number_in(bytes_item(&out, 103));
		bytes_fini(&out);
		rounds++;
	}
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(rounds > 0);
	object_delete(&lane, d);
}

#define N_STABLE 300

/* Keys between the stable ones come and go; their blocks are used again and again. */
static int churn(struct lane *by, uint64_t d, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = 1000 + i * 2654435761u % 37;
		if (i % 3 ? set(by, d, key, i) : del(by, d, key) == SABIR_DATA_LOSS)
			return 1;
		if (i % 100 == 0 && set(by, d, i / 100 % N_STABLE, i))
			return 2;
	}
	return 0;
}

/* Each stable key once, in order, over the pages. */
static bool stable_keys_are_there(uint64_t d)
{
	uint64_t cursor = 0, next = 0;
	bool fine = true;
	do {
		struct bytes out = { 0 };
		fine &= dict_page(&lane, d, DICT_KEYS, 23, &cursor, &out) == SABIR_OK;
		for (size_t i = 0; i + 1 < out.n_items; i += 2) {
			uint64_t key = number_in(bytes_item(&out, i));
			if (key < N_STABLE)
				fine &= key == next++;
		}
		bytes_fini(&out);
	} while (fine && cursor);
	return fine && next == N_STABLE;
}

static void what_stays_is_on_the_pages_once(void)
{
	uint64_t d = make_dict(), bad = 0, rounds = 0;
	pid_t pids[2];
	int status[2] = { 0 }, running = 2;
	for (uint64_t i = 0; i < N_STABLE; i++) {
		set(&lane, d, i, i);
		if (i % 10 == 0)
			set(&lane, d, 1000 + i / 10, i);
	}
	for (int i = 0; i < 2; i++)
		pids[i] = child(churn, d, 60000);
	while (running) {
		bad += !stable_keys_are_there(d);
		rounds++;
		for (int i = 0; i < 2; i++)
			if (pids[i] && ended(pids[i], &status[i])) {
				pids[i] = 0;
				running--;
			}
	}
	CU_ASSERT_EQUAL(status[0] | status[1], 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(rounds > 0);
	object_delete(&lane, d);
}

/*
 * A deleter stops in front of its cleaning up; a page is read up to its entry; then the entry's block goes into the next
 * insert, which stops before it is finished. `stage` says who goes on.
 */
static uint32_t *stage;

static void wait_for_stage(uint32_t n)
{
	while (load32_acquire(stage) < n)
		sched_yield();
}

static void stop_the_writer(const char *name, void *context)
{
	(void)context;
	bool cleaning = load32_relaxed(stage) == 0 && !strcmp(name, "dict_write.committed");
	bool inserted = load32_relaxed(stage) == 2 && !strcmp(name, "dict_write.inserted");
	if (!cleaning && !inserted)
		return;
	store32_release(stage, cleaning ? 1 : 3);
	wait_for_stage(cleaning ? 2 : 4);
}

static int delete_and_insert(struct lane *by, uint64_t d, uint64_t key)
{
	static const uint8_t data[100]; /* of another size than keys, so that the key's block gets a key again */
	uint64_t next = key + 1;
	fault_trace(stop_the_writer, NULL);
	if (del(by, d, key))
		return 1;
	return dict_set(by, d, number_span(&next), (struct span){ data, sizeof(data) }, NULL) != SABIR_OK;
}

/* In front of each entry of the page; the fifth is the one that is deleted. */
static void let_the_writer_go_on(const char *name, void *context)
{
	uint32_t *n = context;
	if (strcmp(name, "dict_page.led") || ++*n != 5)
		return;
	store32_release(stage, 2);
	wait_for_stage(3);
}

static void a_block_used_again_leads_no_page_astray(void)
{
	uint64_t d = make_dict(), cursor = 0;
	uint32_t n = 0;
	struct bytes out = { 0 };
	stage = kit_shared(sizeof(*stage));
	for (uint64_t i = 0; i < 300; i++)
		set(&lane, d, i == 4 ? 1000 : i, i);
	pid_t writer = child(delete_and_insert, d, 1000);
	wait_for_stage(1);
	fault_trace(let_the_writer_go_on, &n);
	CU_ASSERT_EQUAL(dict_page(&lane, d, DICT_KEYS, 1000, &cursor, &out), SABIR_OK);
	fault_trace(NULL, NULL);
	store32_release(stage, 4);
	CU_ASSERT_EQUAL(kit_wait(writer), 0);
	CU_ASSERT_EQUAL(out.n_items, 2 * 299);
	bytes_fini(&out);
	munmap(stage, sizeof(*stage));
	object_delete(&lane, d);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(pages_keep_to_their_limits),
		KIT_TEST(a_page_goes_on_behind_what_was_deleted),
		KIT_TEST(pages_lead_back_too),
		KIT_TEST(any_cursor_is_harmless),
		KIT_TEST(a_cursor_behind_the_last_entry_finds_none),
		KIT_TEST(a_cursor_cannot_lead_to_what_a_client_wrote),
		KIT_TEST(a_page_is_a_consistent_cut),
		KIT_TEST(what_stays_is_on_the_pages_once),
		KIT_TEST(a_block_used_again_leads_no_page_astray),
	};
	return kit_run("dict, pages", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
