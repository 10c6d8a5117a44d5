/* SPDX-License-Identifier: Apache-2.0 */
/* The dict against a plain model, its limits, and what it gives back. */
#include "server/objects/dict_test_kit.h"

static int setup(void)
{
	return kit_begin(128 << 20);
}

/* ---------------------------------------------------------------- against a model */

#define N_KEYS 500

struct model {
	uint64_t value[N_KEYS];
	uint64_t order[N_KEYS]; /* 0 = absent */
	uint64_t next;
	uint64_t n;
};
static struct model m;

static void model_set(uint64_t key, uint64_t value)
{
	if (!m.order[key]) {
		m.order[key] = ++m.next;
		m.n++;
	}
	m.value[key] = value;
}

static void model_delete(uint64_t key)
{
	m.n -= m.order[key] != 0;
	m.order[key] = 0;
}

static uint64_t model_last(void)
{
	uint64_t last = N_KEYS;
	for (uint64_t i = 0; i < N_KEYS; i++)
		if (m.order[i] && (last == N_KEYS || m.order[i] > m.order[last]))
			last = i;
	return last;
}

/* Entries in pages are those of the model, in the order of their insertion. */
static void pages_agree(uint64_t d)
{
	uint64_t cursor = 0, n = 0, last = 0;
	do {
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL_FATAL(dict_page(&lane, d, DICT_ITEMS, 37, &cursor, &out), SABIR_OK);
		for (size_t i = 0; i + 1 < out.n_items; i += 2, n++) {
			uint64_t key = number_in(bytes_item(&out, i));
			CU_ASSERT_FATAL(key < N_KEYS);
			CU_ASSERT(m.order[key] > last);
			CU_ASSERT_EQUAL(number_in(bytes_item(&out, i + 1)), m.value[key]);
			last = m.order[key];
		}
		bytes_fini(&out);
	} while (cursor);
	CU_ASSERT_EQUAL(n, m.n);
}

static void step_read(uint64_t d, uint64_t key)
{
	uint64_t got = 0;
	bool found = !m.order[key];
	CU_ASSERT_EQUAL(get(&lane, d, key, &got), m.order[key] ? SABIR_OK : SABIR_KEY_NOT_FOUND);
	CU_ASSERT(!m.order[key] || got == m.value[key]);
	CU_ASSERT_EQUAL(dict_contains(&lane, d, number_span(&key), &found), SABIR_OK);
	CU_ASSERT_EQUAL(found, m.order[key] != 0);
}

static void step_set(uint64_t d, uint64_t key, uint64_t value)
{
	bool inserted = m.order[key] != 0;
	CU_ASSERT_EQUAL(dict_set(&lane, d, number_span(&key), number_span(&value), &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(inserted, m.order[key] == 0);
	model_set(key, value);
}

static void step_setdefault(uint64_t d, uint64_t key, uint64_t value)
{
	struct bytes out = { 0 };
	bool inserted = m.order[key] != 0;
	CU_ASSERT_EQUAL(dict_setdefault(&lane, d, number_span(&key), number_span(&value), &out, &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(inserted, m.order[key] == 0);
	if (inserted)
		model_set(key, value);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), m.value[key]);
	bytes_fini(&out);
}

static void step_pop(uint64_t d, uint64_t key)
{
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(dict_pop(&lane, d, number_span(&key), &out), m.order[key] ? SABIR_OK : SABIR_KEY_NOT_FOUND);
	CU_ASSERT_EQUAL_FATAL(out.n_items, m.order[key] != 0);
	CU_ASSERT(!m.order[key] || number_in(bytes_item(&out, 0)) == m.value[key]);
	model_delete(key);
	bytes_fini(&out);
}

static void step_popitem(uint64_t d)
{
	struct bytes out = { 0 };
	uint64_t last = model_last();
	CU_ASSERT_EQUAL(dict_popitem(&lane, d, &out), last < N_KEYS ? SABIR_OK : SABIR_EMPTY);
	if (last < N_KEYS) {
		CU_ASSERT_EQUAL_FATAL(out.n_items, 2);
		CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), last);
		CU_ASSERT_EQUAL(number_in(bytes_item(&out, 1)), m.value[last]);
		model_delete(last);
	}
	bytes_fini(&out);
}

static void step_update(uint64_t d, uint64_t value)
{
	uint64_t keys[9], values[9], inserted = 77, expected = 0;
	struct dict_entry entries[9];
	for (int i = 0; i < 9; i++) {
		keys[i] = (uint64_t)rand() % 40 + (uint64_t)rand() % (N_KEYS - 40);
		keys[i] = i == 5 ? keys[1] : keys[i];
		values[i] = value * 16 + (uint64_t)i;
		entries[i] = (struct dict_entry){ number_span(&keys[i]), number_span(&values[i]), 0 };
		expected += !m.order[keys[i]];
		model_set(keys[i], values[i]);
	}
	CU_ASSERT_EQUAL(dict_update(&lane, d, entries, 9, &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(inserted, expected);
}

/* dict_modify: adds one to a number, and removes it at a multiple of 4. */
static enum sabir_error add_one(void *context, struct span now, struct span *next, bool *write)
{
	uint64_t *n = context;
	*n = now.data ? number_in(now) + 1 : 1;
	*next = *n % 4 ? number_span(n) : (struct span){ NULL, 0 };
	*write = true;
	return SABIR_OK;
}

static void step_modify(uint64_t d, uint64_t key)
{
	uint64_t n = 0, expected = m.order[key] ? m.value[key] + 1 : 1;
	CU_ASSERT_EQUAL(dict_modify(&lane, d, number_span(&key), add_one, &n), SABIR_OK);
	CU_ASSERT_EQUAL(n, expected);
	if (expected % 4)
		model_set(key, expected);
	else
		model_delete(key);
}

static void step_clear(uint64_t d)
{
	uint64_t removed = 77777;
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, m.n);
	memset(m.order, 0, sizeof(m.order));
	m.n = 0;
}

static void random_step(uint64_t d, uint64_t step, int bias)
{
	uint64_t key = (uint64_t)rand() % N_KEYS;
	int what = rand() % 16;
	if (what < 3)
		step_read(d, key);
	else if (what < 6 + bias)
		step_set(d, key, step);
	else if (what < 8)
		step_setdefault(d, key, step);
	else if (what < 9)
		step_modify(d, key);
	else if (what < 10)
		step_popitem(d);
	else if (what < 11 && bias > 0)
		step_update(d, step);
	else if (what < 15)
		step_pop(d, key);
	else if (rand() % 150 == 0)
		step_clear(d);
	CU_ASSERT_EQUAL(length_of(d), m.n);
}

static void agrees_with_a_model(void)
{
	uint64_t d = make_dict();
	memset(&m, 0, sizeof(m));
	srand(1);
	for (uint64_t step = 1; step <= 40000; step++) {
		random_step(d, step, step / 2000 % 2 ? 2 : -2); /* it grows for a while and shrinks for a while */
		if (step % 500 == 0)
			pages_agree(d);
	}
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- size */

static void grows_and_shrinks(void)
{
	const uint64_t n = 200000;
	uint64_t d = make_dict(), got = 0, bad = 0;
	for (uint64_t i = 0; i < n; i++)
		bad += set(&lane, d, i, i * 3) != SABIR_OK;
	for (uint64_t i = 0; i < n; i++)
		bad += get(&lane, d, i, &got) != SABIR_OK || got != i * 3;
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), n);
	for (uint64_t i = 0; i < n - 10; i++)
		bad += del(&lane, d, i) != SABIR_OK;
	for (uint64_t i = 0; i < n; i++)
		bad += get(&lane, d, i, &got) != (i < n - 10 ? SABIR_KEY_NOT_FOUND : SABIR_OK);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), 10);
	struct object_info info;
	CU_ASSERT_EQUAL(object_describe(&lane, d, &info), SABIR_OK);
	CU_ASSERT_EQUAL(info.length, 10);
	CU_ASSERT(info.memory_bytes < 16384);
	object_delete(&lane, d);
}

/* Like a queue's keys: each is new, few live, the tables fill up with traces of the dead. */
static void long_churn_stays_small(void)
{
	uint64_t d = make_dict(), bad = 0;
	struct object_info info;
	for (uint64_t i = 0; i < 300000; i++) {
		bad += set(&lane, d, i, i) != SABIR_OK;
		if (i >= 100)
			bad += del(&lane, d, i - 100) != SABIR_OK;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), 100);
	CU_ASSERT_EQUAL(object_describe(&lane, d, &info), SABIR_OK);
	CU_ASSERT(info.memory_bytes < 32768);
	object_delete(&lane, d);
}

static void a_huge_batch_is_one_step(void)
{
	const uint32_t n = 60000;
	uint64_t d = make_dict(), inserted = 0, got = 0, bad = 0;
	uint64_t *numbers = malloc(n * sizeof(*numbers));
	struct dict_entry *entries = malloc(n * sizeof(*entries));
	for (uint32_t i = 0; i < n; i++) {
		numbers[i] = i % 50000; /* the last 10,000 come for the second time */
		entries[i] = (struct dict_entry){ number_span(&numbers[i]), number_span(&numbers[i ? i - 1 : 0]), 0 };
	}
	set(&lane, d, 7, 7);
	CU_ASSERT_EQUAL(dict_update(&lane, d, entries, n, &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(inserted, 49999);
	CU_ASSERT_EQUAL(length_of(d), 50000);
	for (uint64_t i = 1; i < 50000; i++)
		bad += get(&lane, d, i, &got) != SABIR_OK || got != i - 1;
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(get(&lane, d, 0, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 49999);
	free(entries);
	free(numbers);
	object_delete(&lane, d);
}

static void keys_and_values_of_any_size(void)
{
	static uint8_t data[(1 << 20) + 1];
	uint64_t d = make_dict();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t len = 0; len < sizeof(data) / 2; len = len * 3 / 2 + 1) {
		struct span key = { data, len }, value = { data + sizeof(data) - 1 - len, len };
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL(dict_set(&lane, d, key, value, NULL), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(dict_get(&lane, d, key, &out), SABIR_OK);
		CU_ASSERT_EQUAL(out.len, len);
		CU_ASSERT(len == 0 || !memcmp(out.data, value.data, len));
		bytes_fini(&out);
	}
	struct span big = { data, sizeof(data) }, small = { data, 1 };
	CU_ASSERT_EQUAL(dict_set(&lane, d, big, small, NULL), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(dict_set(&lane, d, small, big, NULL), SABIR_TOO_LARGE);
	struct span half = { data, sizeof(data) / 2 }, rest = { data, sizeof(data) / 2 + 1 };
	CU_ASSERT_EQUAL(dict_set(&lane, d, half, half, NULL), SABIR_OK); /* together: the limit */
	CU_ASSERT_EQUAL(dict_set(&lane, d, half, rest, NULL), SABIR_TOO_LARGE);
	object_delete(&lane, d);
}

static void a_refused_batch_leaves_nothing(void)
{
	static uint8_t data[(1 << 20) + 1];
	uint64_t d = make_dict(), keys[3] = { 1, 2, 3 }, got = 0, inserted = 9;
	struct arena_stats before, after;
	struct dict_entry entries[3] = { { number_span(&keys[0]), number_span(&keys[1]), 0 },
					 { number_span(&keys[1]), number_span(&keys[1]), 0 },
					 { number_span(&keys[2]), { data, sizeof(data) }, 0 } };
	set(&lane, d, 1, 100);
	account(&before);
	CU_ASSERT_EQUAL(dict_update(&lane, d, entries, 3, &inserted), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(inserted, 9);
	account(&after);
	CU_ASSERT_EQUAL(before.n_blocks, after.n_blocks);
	CU_ASSERT_EQUAL(get(&lane, d, 1, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 100);
	CU_ASSERT_EQUAL(get(&lane, d, 2, &got), SABIR_KEY_NOT_FOUND);
	CU_ASSERT_EQUAL(length_of(d), 1);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- memory */

static void clear_and_deletes_give_the_memory_back(void)
{
	struct arena_stats before, after;
	uint64_t d = make_dict(), removed = 0;
	account(&before);
	for (uint64_t i = 0; i < 50000; i++)
		set(&lane, d, i, i);
	CU_ASSERT_EQUAL(dict_clear(&lane, d, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, 50000);
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	for (uint64_t i = 0; i < 50000; i++)
		set(&lane, d, i, i);
	for (uint64_t i = 0; i < 50000; i++)
		del(&lane, d, i * 7 % 50000);
	CU_ASSERT_EQUAL(length_of(d), 0);
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	object_delete(&lane, d);
}

/* Fills the memory to the last block; returns how many entries the dict has. */
static uint64_t fill_memory(uint64_t d)
{
	static uint8_t data[100000];
	uint64_t n = 0;
	for (size_t len = sizeof(data); len > 0; len /= 2) {
		struct span value = { data, len };
		for (; dict_set(&lane, d, number_span(&n), value, NULL) == SABIR_OK; n++)
			;
	}
	return n;
}

static void a_full_memory_can_be_emptied(void)
{
	uint64_t d = make_dict(), bad = 0, removed = 0, got = 0;
	uint64_t n = fill_memory(d);
	struct lane other = kit_lane(&seg);
	CU_ASSERT_EQUAL(set(&lane, d, n, n), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(length_of(d), n);
	/* Somebody who has no free block in his cache. */
	for (uint64_t i = 0; i < n / 2; i++)
		bad += del(&other, d, i) != SABIR_OK;
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(set(&other, d, n, n), SABIR_OK);
	CU_ASSERT_EQUAL(get(&lane, d, n, &got), SABIR_OK);
	CU_ASSERT_EQUAL(dict_clear(&other, d, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, n - n / 2 + 1);
	kit_lane_close(&other);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- the directory */

static void names_lead_to_objects(void)
{
	struct span name = { (const uint8_t *)"jobs/in", 7 };
	struct object_spec spec = { .kind = SEG_KIND_DICT }, queue = { .kind = SEG_KIND_QUEUE };
	uint64_t d = 0, found = 0, other = 0;
	CU_ASSERT_EQUAL(object_create(&lane, name, &spec, false, &d), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, name, &found), SABIR_OK);
	CU_ASSERT_EQUAL(found, d);
	CU_ASSERT_EQUAL(object_create(&lane, name, &queue, false, &other), SABIR_ALREADY_EXISTS);
	CU_ASSERT_EQUAL(other, d);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	CU_ASSERT_EQUAL(set(&lane, d, 1, 1), SABIR_DELETED);
	CU_ASSERT_EQUAL(object_open(&lane, name, &found), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(object_create(&lane, name, &queue, false, &other), SABIR_OK);
	CU_ASSERT_EQUAL(set(&lane, other, 1, 1), SABIR_WRONG_KIND);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
}

/* As after a restart of the server with new memory. */
static void handles_of_another_memory_lead_nowhere(void)
{
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	struct segment other_seg;
	uint64_t here = 0, there = 0;
	CU_ASSERT_EQUAL_FATAL(kit_segment(16 << 20, &other_seg), SABIR_OK);
	struct lane other = kit_lane(&other_seg);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&other), SABIR_OK);
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &here), SABIR_OK);
	CU_ASSERT_EQUAL(object_create(&other, (struct span){ NULL, 0 }, &spec, false, &there), SABIR_OK);
	uint64_t index = there & 0xffffffff;
	CU_ASSERT_NOT_EQUAL(there >> 32, lane.seg->objects[index].word >> 32);
	CU_ASSERT_NOT_EQUAL(set(&other, here, 1, 1), SABIR_OK);
	CU_ASSERT_EQUAL(set(&other, there, 1, 1), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, here), SABIR_OK);
	kit_lane_close(&other);
	segment_unmap(&other_seg);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(agrees_with_a_model),
		KIT_TEST(grows_and_shrinks),
		KIT_TEST(long_churn_stays_small),
		KIT_TEST(a_huge_batch_is_one_step),
		KIT_TEST(keys_and_values_of_any_size),
		KIT_TEST(a_refused_batch_leaves_nothing),
		KIT_TEST(clear_and_deletes_give_the_memory_back),
		KIT_TEST(a_full_memory_can_be_emptied),
		KIT_TEST(names_lead_to_objects),
		KIT_TEST(handles_of_another_memory_lead_nowhere),
	};
	return kit_run("dict", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
