/* SPDX-License-Identifier: Apache-2.0 */
/* The list against a plain array: random operations, all of it compared behind each. */
#include <stdlib.h>
#include <time.h>

#include "server/base/value_order.h"
#include "server/base/wire.h"
#include "server/objects/list.h"
#include "server/objects/object_test_kit.h"

#define MOST 20000

static int setup(void)
{
	return kit_begin(256 << 20);
}

static uint64_t make_list(void)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	return kit_make(&spec);
}

/* ---------------------------------------------------------------- values and the model */

static uint8_t pool[1 << 22];
static size_t pool_len;

/* The integer n; odd ones as text, so that some elements have blocks of their own and some don't. */
static struct span value_of(uint32_t n)
{
	if (pool_len > sizeof(pool) - 64)
		pool_len = 0;
	uint8_t *at = pool + pool_len;
	char text[32];
	int len = snprintf(text, sizeof(text), "text number %u", n);
	size_t size = n % 2 ? (size_t)(wire_put_bytes(at, VALUE_TEXT, text, (size_t)len) - at) : value_put_int(n, at);
	pool_len += size;
	return (struct span){ at, size };
}

static uint32_t number_in(struct span s)
{
	struct value_view v;
	if (value_view(s, &v))
		return UINT32_MAX;
	if (v.kind == VALUE_INT)
		return (uint32_t)v.i;
	uint32_t n = 0;
	for (size_t i = 12; i < v.bytes.len; i++)
		n = n * 10 + v.bytes.data[i] - '0';
	return v.bytes.len > 12 ? n : UINT32_MAX;
}

static uint32_t model[MOST * 2], scratch[MOST * 2];
static uint32_t n_model;
static uint32_t seed = 1;

static uint32_t roll(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return n ? (uint32_t)(((uint64_t)seed * n) >> 32) : 0;
}

static bool same_as_model(uint64_t list)
{
	struct bytes out = { 0 };
	struct list_slice all = LIST_ALL;
	struct object_info info;
	uint32_t version = 0;
	uint64_t total;
	bool same = list_get_slice(&lane, list, &all, 0, UINT64_MAX, &version, &total, &out) == SABIR_OK &&
		    total == n_model && out.n_items == n_model;
	for (uint32_t i = 0; same && i < n_model; i++)
		same = number_in(bytes_item(&out, i)) == model[i];
	bytes_fini(&out);
	return same && object_describe(&lane, list, &info) == SABIR_OK && info.length == n_model;
}

static void model_splice(uint32_t at, uint32_t gone, const uint32_t *put, uint32_t n)
{
	memmove(model + at + n, model + at + gone, (n_model - at - gone) * sizeof(*model));
	if (n)
		memcpy(model + at, put, n * sizeof(*put));
	n_model += n - gone;
}

static uint32_t put[4096];
static struct span put_values[4096];

static uint32_t roll_values(uint32_t most)
{
	uint32_t n = roll(most);
	for (uint32_t i = 0; i < n; i++) {
		put[i] = roll(1000);
		put_values[i] = value_of(put[i]);
	}
	return n;
}

/* ---------------------------------------------------------------- operations, each on both */

static bool do_insert(uint64_t list)
{
	uint32_t at = roll(n_model + 1);
	put[0] = roll(1000);
	model_splice(at, 0, put, 1);
	return list_insert(&lane, list, at, value_of(put[0]), NULL) == SABIR_OK;
}

static bool do_delete(uint64_t list)
{
	uint32_t at = roll(n_model);
	if (!n_model)
		return list_delete(&lane, list, 0) == SABIR_OUT_OF_RANGE;
	bool fine = list_delete(&lane, list, (int64_t)at - (roll(2) ? n_model : 0)) == SABIR_OK;
	model_splice(at, 1, NULL, 0);
	return fine;
}

static bool do_set(uint64_t list)
{
	uint32_t at = roll(n_model);
	if (!n_model)
		return list_set(&lane, list, -1, value_of(1)) == SABIR_OUT_OF_RANGE;
	model[at] = roll(1000);
	return list_set(&lane, list, at, value_of(model[at])) == SABIR_OK;
}

static bool do_pop(uint64_t list)
{
	struct bytes out = { 0 };
	enum sabir_error error = list_pop(&lane, list, -1, &out);
	bool fine = n_model ? error == SABIR_OK && number_in(bytes_item(&out, 0)) == model[n_model - 1]
			    : error == SABIR_EMPTY;
	n_model -= n_model > 0;
	bytes_fini(&out);
	return fine;
}

static bool do_extend(uint64_t list)
{
	uint32_t n = n_model < MOST / 2 ? roll_values(roll(10) ? 5 : 2000) : 0;
	uint64_t length = 0;
	model_splice(n_model, 0, put, n);
	return list_extend(&lane, list, put_values, n, &length) == SABIR_OK && length == n_model;
}

static bool do_set_slice(uint64_t list)
{
	uint32_t a = roll(n_model + 1), b = a + roll(n_model + 1 - a), n = roll_values(roll(4) ? 4 : 400);
	if (roll(3))
		b = a + roll(b - a < 5 ? b - a + 1 : 5);
	struct list_slice slice = { a, b, 1, true, true };
	if (n_model > MOST / 2)
		n = 0;
	model_splice(a, b - a, put, n);
	return list_set_slice(&lane, list, &slice, put_values, n, NULL) == SABIR_OK;
}

static bool do_delete_apart(uint64_t list)
{
	uint32_t a = roll(n_model + 1), b = a + roll(n_model + 1 - a), step = 2 + roll(9), n = 0;
	struct list_slice slice = { a, b, step, true, true };
	uint64_t removed;
	for (uint32_t i = 0; i < n_model; i++)
		if (i < a || i >= b || (i - a) % step)
			scratch[n++] = model[i];
	bool fine = list_delete_slice(&lane, list, &slice, &removed) == SABIR_OK && removed == n_model - n;
	memcpy(model, scratch, n * sizeof(*model));
	n_model = n;
	return fine;
}

static bool do_set_apart(uint64_t list)
{
	int64_t step = 2 + roll(9), n = 0;
	bool back = roll(2);
	struct list_slice slice = { 0, 0, back ? -step : step, false, false };
	for (int64_t i = back ? (int64_t)n_model - 1 : 0; i >= 0 && i < n_model && n < 4096; i += slice.step) {
		put[n] = roll(1000);
		put_values[n] = value_of(put[n]);
		n++;
	}
	if (n == 4096)
		return true;
	for (int64_t i = back ? (int64_t)n_model - 1 : 0, k = 0; k < n; i += slice.step)
		model[i] = put[k++];
	return list_set_slice(&lane, list, &slice, put_values, (size_t)n, NULL) == SABIR_OK;
}

static bool do_remove(uint64_t list)
{
	uint32_t wanted = roll(1000), i = 0;
	uint64_t at = 0, found = 0, count = 0, n = 0;
	struct list_slice all = LIST_ALL;
	for (uint32_t k = 0; k < n_model; k++)
		n += model[k] == wanted;
	while (i < n_model && model[i] != wanted)
		i++;
	bool fine = list_count(&lane, list, value_of(wanted), &count) == SABIR_OK && count == n;
	enum sabir_error index = list_index(&lane, list, value_of(wanted), &all, &found);
	enum sabir_error error = list_remove(&lane, list, value_of(wanted), &at);
	if (i == n_model)
		return fine && error == SABIR_VALUE_NOT_FOUND && index == SABIR_VALUE_NOT_FOUND;
	model_splice(i, 1, NULL, 0);
	return fine && !error && !index && at == i && found == i;
}

static bool do_reverse(uint64_t list)
{
	for (uint32_t i = 0; i < n_model / 2; i++) {
		uint32_t one = model[i];
		model[i] = model[n_model - 1 - i];
		model[n_model - 1 - i] = one;
	}
	return list_reverse(&lane, list) == SABIR_OK;
}

static bool do_repeat(uint64_t list)
{
	if (n_model > 300)
		return true;
	int64_t n = (int64_t)roll(4) - 1;
	uint32_t before = n_model;
	n_model = n <= 0 ? 0 : before;
	for (int64_t i = 1; i < n; i++)
		model_splice(n_model, 0, model, before);
	return list_repeat(&lane, list, n, NULL) == SABIR_OK;
}

static bool (*const operations[])(uint64_t) = {
	do_insert, do_insert,    do_insert,       do_delete,    do_delete, do_set,     do_pop,    do_extend,
	do_extend, do_set_slice, do_delete_apart, do_set_apart, do_remove, do_reverse, do_repeat, do_set_slice,
};

static void whatever_is_done_it_is_like_an_array(void)
{
	struct arena_stats before, after;
	account(&before);
	for (uint32_t first = 1; first <= 40; first++) {
		seed = first * 7919;
		uint64_t list = make_list();
		n_model = 0;
		for (unsigned i = 0; i < 400; i++) {
			uint32_t which = roll(sizeof(operations) / sizeof(operations[0]));
			bool done = operations[which](list), same = same_as_model(list);
			if (!done || !same)
				printf("\n    seed %u, step %u, operation %u: %d %d", first, i, which, done, same);
			CU_ASSERT_FATAL(done && same);
		}
		CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	}
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
}

/* ---------------------------------------------------------------- large */

#define MILLION 1000000u

static void the_middle_of_a_million_is_near(void)
{
	uint64_t list = make_list(), length = 0;
	struct span *values = malloc(MILLION * sizeof(*values));
	struct bytes out = { 0 };
	struct object_info info;
	struct timespec begin, end;
	for (uint32_t i = 0; i < MILLION; i++)
		values[i] = value_of(2 * (i % 1000));
	CU_ASSERT_EQUAL(list_extend(&lane, list, values, MILLION, &length), SABIR_OK);
	CU_ASSERT_EQUAL(length, MILLION);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (uint32_t i = 0; i < 20000; i++) {
		CU_ASSERT_EQUAL(list_insert(&lane, list, MILLION / 2, value_of(1), NULL), SABIR_OK);
		CU_ASSERT_EQUAL(list_delete(&lane, list, MILLION / 3), SABIR_OK);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.1f us a change ",
	       ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / 40000 / 1000);
	CU_ASSERT_EQUAL(list_get(&lane, list, MILLION / 2 - 10, &out), SABIR_OK);
	CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), 1);
	CU_ASSERT_EQUAL(object_describe(&lane, list, &info), SABIR_OK);
	CU_ASSERT(info.memory_bytes < 24 * MILLION);
	bytes_fini(&out);
	free(values);
	object_delete(&lane, list);
}

/* ---------------------------------------------------------------- sort */

static struct span encoded(const char *bytes, size_t len)
{
	return (struct span){ (const uint8_t *)bytes, len };
}
#define VALUE(bytes) encoded(bytes, sizeof(bytes) - 1)

static void equal_elements_keep_their_order_when_sorted(void)
{
	/* maps { "k": number, "n": place } */
	static uint8_t maps[3000][32];
	struct span values[3000], key = VALUE("\x32\x01k");
	struct list_trouble trouble;
	for (int reverse = 0; reverse < 2; reverse++) {
		uint64_t list = make_list();
		for (uint32_t i = 0; i < 3000; i++) {
			uint8_t inner[32], number[12], *p = inner;
			size_t len = value_put_int(roll(50), number);
			uint8_t entry[32], *e = wire_put_bytes(entry, 1, "\x32\x01k", 3);
			e = wire_put_bytes(e, 2, number, len);
			p = wire_put_bytes(p, 1, entry, (size_t)(e - entry));
			p = wire_put_bytes(maps[i], VALUE_MAP, inner, (size_t)(p - inner));
			values[i] = (struct span){ maps[i], (size_t)(p - maps[i]) };
		}
		CU_ASSERT_EQUAL(list_extend(&lane, list, values, 3000, NULL), SABIR_OK);
		CU_ASSERT_EQUAL(list_sort(&lane, list, reverse, key, &trouble), SABIR_OK);
		struct bytes out = { 0 };
		struct list_slice all = LIST_ALL;
		uint32_t version = 0, wrong = 0;
		uint64_t total;
		CU_ASSERT_EQUAL(list_get_slice(&lane, list, &all, 0, UINT64_MAX, &version, &total, &out), SABIR_OK);
		for (uint32_t i = 0; i + 1 < 3000; i++) {
			uint8_t x = bytes_item(&out, i).data[bytes_item(&out, i).len - 1];
			uint8_t y = bytes_item(&out, i + 1).data[bytes_item(&out, i + 1).len - 1];
			wrong += reverse ? x < y : x > y;
		}
		CU_ASSERT_EQUAL(wrong, 0);
		bytes_fini(&out);
		object_delete(&lane, list);
	}
}

static void what_has_no_order_stays_as_it_was(void)
{
	uint64_t list = make_list();
	struct list_trouble trouble = { 9, 9 };
	struct span values[4] = { value_of(4), value_of(2), value_of(7), value_of(0) };
	CU_ASSERT_EQUAL(list_extend(&lane, list, values, 4, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(list_sort(&lane, list, false, (struct span){ NULL, 0 }, &trouble), SABIR_WRONG_TYPE);
	CU_ASSERT(trouble.first == 0 && trouble.second == 2);
	CU_ASSERT_EQUAL(list_sort(&lane, list, false, value_of(1), &trouble), SABIR_WRONG_TYPE);
	CU_ASSERT(trouble.first == 0 && trouble.second == 0);
	n_model = 4;
	memcpy(model, (uint32_t[]){ 4, 2, 7, 0 }, 16);
	CU_ASSERT(same_as_model(list));
	object_delete(&lane, list);
}

static void pages_tell_when_the_list_has_changed(void)
{
	uint64_t list = make_list(), total;
	struct span values[4] = { value_of(4), value_of(3), value_of(2), value_of(1) };
	struct list_slice slice = { 0, 0, -1, false, false };
	struct bytes out = { 0 };
	uint32_t version = 0;
	CU_ASSERT_EQUAL(list_extend(&lane, list, values, 4, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(list_get_slice(&lane, list, &slice, 1, 2, &version, &total, &out), SABIR_OK);
	CU_ASSERT(total == 4 && out.n_items == 2 && version && number_in(bytes_item(&out, 0)) == 2);
	CU_ASSERT_EQUAL(list_get_slice(&lane, list, &slice, 3, 2, &version, &total, &out), SABIR_OK);
	CU_ASSERT(out.n_items == 3 && number_in(bytes_item(&out, 2)) == 4);
	CU_ASSERT_EQUAL(list_set(&lane, list, 0, value_of(8)), SABIR_OK);
	CU_ASSERT_EQUAL(list_get_slice(&lane, list, &slice, 3, 2, &version, &total, &out), SABIR_CHANGED);
	CU_ASSERT(out.n_items == 3);
	bytes_fini(&out);
	object_delete(&lane, list);
}

static void memory_that_is_too_small_leaves_all_as_it_was(void)
{
	uint64_t list = make_list();
	static uint8_t large[600000];
	struct span values[1000], big = { large, sizeof(large) - 8 };
	struct object_info before, after;
	(void)value_head_bytes(VALUE_BINARY, sizeof(large) - 12, large);
	for (int i = 0; i < 1000; i++)
		values[i] = big;
	n_model = 2;
	model[0] = model[1] = 5;
	CU_ASSERT_EQUAL(list_extend(&lane, list, (struct span[]){ value_of(5), value_of(5) }, 2, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(object_describe(&lane, list, &before), SABIR_OK);
	CU_ASSERT_EQUAL(list_extend(&lane, list, values, 1000, NULL), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(list_repeat(&lane, list, 1000000000, NULL), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(list_repeat(&lane, list, INT64_MAX, NULL), SABIR_TOO_LARGE);
	CU_ASSERT(same_as_model(list));
	CU_ASSERT_EQUAL(object_describe(&lane, list, &after), SABIR_OK);
	CU_ASSERT_EQUAL(before.memory_bytes, after.memory_bytes);
	object_delete(&lane, list);
}

static CU_TestInfo tests[] = {
	KIT_TEST(whatever_is_done_it_is_like_an_array),        KIT_TEST(the_middle_of_a_million_is_near),
	KIT_TEST(equal_elements_keep_their_order_when_sorted), KIT_TEST(what_has_no_order_stays_as_it_was),
	KIT_TEST(pages_tell_when_the_list_has_changed),        KIT_TEST(memory_that_is_too_small_leaves_all_as_it_was),
};

int main(void)
{
	return kit_run("list", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
