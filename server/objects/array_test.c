/* SPDX-License-Identifier: Apache-2.0 */
/* The array: making it, its elements, and damaged memory. Slices: array_slice_test.c; deaths: array_death_test.c. */
#include <math.h>

#include "server/objects/array.h"
#include "server/objects/object_test_kit.h"

static int setup(void)
{
	return kit_begin(15 << 20);
}

static struct scalar of_int(int64_t i)
{
	return (struct scalar){ .kind = SCALAR_INT, .i = i };
}

static struct scalar of_real(double d)
{
	return (struct scalar){ .kind = SCALAR_REAL, .d = d };
}

static enum sabir_error create(uint32_t letter, uint64_t length, const void *initial, size_t len, uint64_t *handle)
{
	struct object_spec spec = {
		.kind = SEG_KIND_ARRAY, .type_code = letter, .length = length, .initial = { initial, len }
	};
	return object_create(&lane, (struct span){ NULL, 0 }, &spec, false, handle);
}

static uint64_t make(uint32_t letter, uint64_t length)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(create(letter, length, NULL, 0, &handle), SABIR_OK);
	return handle;
}

static struct scalar get(uint64_t a, int64_t index)
{
	struct scalar s = { .kind = SCALAR_INT, .i = -77777 };
	CU_ASSERT_EQUAL(array_get(&lane, a, index, &s), SABIR_OK);
	return s;
}

static enum sabir_error write_slice(uint64_t a, uint64_t start, uint32_t letter, const void *data, size_t len)
{
	return array_set_slice(&lane, a, start, letter, (struct span){ data, len });
}

/* Whether the slice, read as one, holds exactly these bytes. */
static bool slice_is(uint64_t a, uint64_t start, uint64_t count, const void *data, size_t len)
{
	struct bytes out = { 0 };
	uint32_t letter = 0;
	bool same = array_get_slice(&lane, a, start, count, &out, &letter) == SABIR_OK && out.n_items == 1 &&
		    out.len == len && (len == 0 || !memcmp(out.data, data, len));
	bytes_fini(&out);
	return same;
}

/* ---------------------------------------------------------------- making */

static void elements_begin_as_told_and_then_with_zero(void)
{
	uint64_t a = 0, length = 0;
	uint32_t letter = 0;
	CU_ASSERT_EQUAL(create('h', 5, "\1\0\376\377", 4, &a), SABIR_OK);
	CU_ASSERT_EQUAL(array_len(&lane, a, &length, &letter), SABIR_OK);
	CU_ASSERT(length == 5 && letter == 'h');
	CU_ASSERT_EQUAL(get(a, 0).i, 1);
	CU_ASSERT_EQUAL(get(a, 1).i, -2);
	for (int i = 2; i < 5; i++)
		CU_ASSERT_EQUAL(get(a, i).i, 0);
	object_delete(&lane, a);
}

static void used_memory_is_zero_again(void)
{
	static uint8_t dirt[30000];
	memset(dirt, 0xff, sizeof(dirt));
	for (size_t len = 1; len < sizeof(dirt); len = len * 5 / 3 + 1) {
		static const uint8_t zeros[sizeof(dirt)];
		uint64_t a = 0;
		CU_ASSERT_EQUAL(create('B', len, dirt, len, &a), SABIR_OK);
		CU_ASSERT(slice_is(a, 0, 0, dirt, len));
		object_delete(&lane, a);
		a = make('B', len);
		CU_ASSERT(slice_is(a, 0, 0, zeros, len));
		object_delete(&lane, a);
	}
}

static void an_array_may_be_empty(void)
{
	uint64_t a = make('d', 0), length = 1;
	struct scalar s = of_real(1);
	uint32_t letter;
	CU_ASSERT_EQUAL(array_len(&lane, a, &length, &letter), SABIR_OK);
	CU_ASSERT_EQUAL(length, 0);
	CU_ASSERT_EQUAL(array_get(&lane, a, 0, &s), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(array_set(&lane, a, -1, &s), SABIR_OUT_OF_RANGE);
	CU_ASSERT(slice_is(a, 0, 0, NULL, 0));
	CU_ASSERT_EQUAL(write_slice(a, 0, 'd', NULL, 0), SABIR_OK);
	CU_ASSERT_EQUAL(array_fill(&lane, a, 0, 0, &s), SABIR_OK);
	CU_ASSERT_EQUAL(array_fill(&lane, a, 0, 1, &s), SABIR_OUT_OF_RANGE);
	object_delete(&lane, a);
}

static void bad_specs_are_refused(void)
{
	uint64_t a = 4711;
	CU_ASSERT_EQUAL(create('z', 1, NULL, 0, &a), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(create('i', 2, "\1\2\3", 3, &a), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(create('i', 1, "\1\2\3\4\1\2\3\4", 8, &a), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(create('?', 2, "\1\2", 2, &a), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(create('u', 1, "\0\0\x11\0", 4, &a), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(create('B', UINT64_MAX, NULL, 0, &a), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(create('d', UINT64_MAX / 8, NULL, 0, &a), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(create('d', 1ull << 61, NULL, 0, &a), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(create('B', (15 << 20) - 63, NULL, 0, &a), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(create('B', (15 << 20) - 64, NULL, 0, &a), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(a, 4711);
}

static void large_arrays_come_and_go(void)
{
	static uint8_t data[3 << 20];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	for (int round = 0; round < 50; round++) {
		struct object_info info;
		uint64_t a = make('B', 4 << 20);
		CU_ASSERT_EQUAL_FATAL(write_slice(a, 99, 'B', data, sizeof(data)), SABIR_OK);
		CU_ASSERT(round || slice_is(a, 99, sizeof(data), data, sizeof(data)));
		CU_ASSERT_EQUAL(get(a, 98).u, 0);
		CU_ASSERT_EQUAL(get(a, 99 + (int64_t)sizeof(data)).u, 0);
		CU_ASSERT_EQUAL(object_describe(&lane, a, &info), SABIR_OK);
		CU_ASSERT(info.length == 4 << 20 && info.type_code == 'B' && info.memory_bytes >= (4 << 20) + 64);
		CU_ASSERT_EQUAL(object_delete(&lane, a), SABIR_OK);
	}
}

/* ---------------------------------------------------------------- elements */

static void every_type_keeps_its_elements_apart(void)
{
	for (const char *letter = "cbBhHiIlLqQfdu"; *letter; letter++) {
		uint64_t a = make((uint32_t)*letter, 9);
		struct scalar hundred = of_int(100), s;
		CU_ASSERT_EQUAL(array_set(&lane, a, 4, &hundred), SABIR_OK);
		for (int i = 0; i < 9; i++) {
			s = get(a, i);
			CU_ASSERT(s.kind == SCALAR_REAL ? s.d == (i == 4 ? 100 : 0) : s.u == (i == 4 ? 100 : 0));
		}
		object_delete(&lane, a);
	}
}

static void operations_touch_one_element(void)
{
	for (const char *letter = "BHIQ"; *letter; letter++) {
		uint64_t a = make((uint32_t)*letter, 5);
		struct scalar most = { .kind = SCALAR_UINT }, one = of_int(1), minus = of_int(-1), zero = of_int(0), s;
		bool exchanged = false;
		most.u = UINT64_MAX >> (64 - 8 * scalar_width((uint32_t)*letter));
		CU_ASSERT_EQUAL(array_add(&lane, a, 2, &minus, &s), SABIR_OK); /* a carry must stay inside */
		CU_ASSERT_EQUAL(s.u, most.u);
		CU_ASSERT_EQUAL(array_add(&lane, a, 2, &one, &s), SABIR_OK);
		CU_ASSERT_EQUAL(s.u, 0);
		CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 2, &zero, &most, &exchanged, &s), SABIR_OK);
		CU_ASSERT(exchanged && s.u == 0);
		CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 2, &zero, &one, &exchanged, &s), SABIR_OK);
		CU_ASSERT(!exchanged && s.u == most.u);
		for (int i = 0; i < 5; i++)
			CU_ASSERT_EQUAL(get(a, i).u, i == 2 ? most.u : 0);
		object_delete(&lane, a);
	}
}

static void indices_count_from_both_ends(void)
{
	static const int64_t outside[] = { 3, -4, INT64_MAX, INT64_MIN, 1ll << 32, -(1ll << 32) };
	uint64_t a = make('i', 3);
	struct scalar s = of_int(7);
	bool exchanged;
	CU_ASSERT_EQUAL(array_set(&lane, a, -1, &s), SABIR_OK);
	CU_ASSERT_EQUAL(get(a, 2).i, 7);
	CU_ASSERT_EQUAL(get(a, -3).i, 0);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		CU_ASSERT_EQUAL(array_get(&lane, a, outside[i], &s), SABIR_OUT_OF_RANGE);
		CU_ASSERT_EQUAL(array_set(&lane, a, outside[i], &s), SABIR_OUT_OF_RANGE);
		CU_ASSERT_EQUAL(array_add(&lane, a, outside[i], &s, &s), SABIR_OUT_OF_RANGE);
		CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, outside[i], &s, &s, &exchanged, &s),
				SABIR_OUT_OF_RANGE);
	}
	CU_ASSERT_EQUAL(seg.lanes[lane.id - 1].epoch, 0); /* no operation was left open */
	object_delete(&lane, a);
}

static void what_does_not_fit_changes_nothing(void)
{
	uint64_t a = make('B', 2);
	struct scalar five = of_int(5), more = of_int(256), real = of_real(1), s = of_int(1234);
	bool exchanged = true;
	array_set(&lane, a, 1, &five);
	CU_ASSERT_EQUAL(array_set(&lane, a, 1, &more), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(array_set(&lane, a, 1, &real), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(array_add(&lane, a, 1, &real, &s), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(array_fill(&lane, a, 0, 0, &more), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 1, &five, &more, &exchanged, &s), SABIR_OUT_OF_RANGE);
	CU_ASSERT(s.i == 1234 && exchanged);
	CU_ASSERT(slice_is(a, 0, 0, "\0\5", 2));
	object_delete(&lane, a);
	CU_ASSERT_EQUAL(array_set(&lane, a, 1, &five), SABIR_DELETED);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'B', "\1", 1), SABIR_DELETED);
}

static void compare_exchange_compares_bits(void)
{
	uint64_t a = make('f', 2);
	struct scalar nan = of_real(NAN), zero = of_real(0.0), minus = of_real(-0.0), s;
	bool exchanged = true;
	CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 0, &minus, &nan, &exchanged, &s), SABIR_OK);
	CU_ASSERT(!exchanged && s.d == 0);
	CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 0, &zero, &nan, &exchanged, &s), SABIR_OK);
	CU_ASSERT(exchanged);
	CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 0, &nan, &zero, &exchanged, &s), SABIR_OK);
	CU_ASSERT(exchanged && isnan(s.d));
	object_delete(&lane, a);
}

static void the_mapped_pointer_is_the_array(void)
{
	uint64_t a = make('q', 10), length = 0;
	uint32_t letter = 0;
	void *elements = NULL;
	struct scalar s = of_int(-5);
	CU_ASSERT_EQUAL(array_map(&lane, a, &elements, &length, &letter), SABIR_OK);
	CU_ASSERT(elements && length == 10 && letter == 'q' && (uintptr_t)elements % 64 == 0);
	array_set(&lane, a, 3, &s);
	CU_ASSERT_EQUAL(((int64_t *)elements)[3], -5);
	((int64_t *)elements)[9] = 77;
	CU_ASSERT_EQUAL(get(a, -1).i, 77);
	object_delete(&lane, a);
}

static void changes_wake(void)
{
	uint64_t a = make('i', 4);
	struct seg_event *event = &seg.objects[object_index(a)].event[SEG_EVENT_ITEMS];
	struct scalar one = of_int(1), two = of_int(2), s;
	bool exchanged;
	uint32_t key = event_prepare(event, SEG_WAITING_LOCAL);
	array_get(&lane, a, 0, &s);
	array_compare_exchange(&lane, a, 0, &one, &two, &exchanged, &s);
	CU_ASSERT_EQUAL(event->seq, key);
	array_set(&lane, a, 0, &one);
	CU_ASSERT_EQUAL(event->seq, ++key);
	event_prepare(event, SEG_WAITING_LOCAL);
	array_add(&lane, a, 0, &one, &s);
	CU_ASSERT_EQUAL(event->seq, ++key);
	event_prepare(event, SEG_WAITING_LOCAL);
	array_compare_exchange(&lane, a, 0, &two, &one, &exchanged, &s);
	CU_ASSERT_EQUAL(event->seq, ++key);
	event_prepare(event, SEG_WAITING_LOCAL);
	write_slice(a, 0, 'i', "\0\0\0\0", 4);
	CU_ASSERT_EQUAL(event->seq, ++key);
	event_prepare(event, SEG_WAITING_LOCAL);
	array_fill(&lane, a, 0, 0, &two);
	CU_ASSERT_EQUAL(event->seq, ++key);
	object_delete(&lane, a);
}

/* ---------------------------------------------------------------- damage */

static struct seg_array *body_of(uint64_t a)
{
	return segment_at(&seg, seg.objects[object_index(a)].body, sizeof(struct seg_array));
}

static void all_answer_data_loss(uint64_t a)
{
	struct bytes out = { 0 };
	struct scalar s = of_int(1);
	struct object_info info;
	uint32_t letter;
	bool exchanged;
	void *p;
	uint64_t length;
	CU_ASSERT_EQUAL(object_describe(&lane, a, &info), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(array_get(&lane, a, 0, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(array_set(&lane, a, 0, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(array_compare_exchange(&lane, a, 0, &s, &s, &exchanged, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(array_get_slice(&lane, a, 0, 0, &out, &letter), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(array_fill(&lane, a, 0, 0, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'i', "\1\1\1\1", 4), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(array_map(&lane, a, &p, &length, &letter), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, a), SABIR_OK);
	bytes_fini(&out);
}

static void damage_is_data_loss(void)
{
	uint64_t a = make('i', 4);
	body_of(a)->length = 1ull << 40;
	all_answer_data_loss(a);
	a = make('i', 4);
	body_of(a)->length = UINT64_MAX;
	all_answer_data_loss(a);
	a = make('i', 4);
	body_of(a)->length = 17; /* one more than its block of 128 bytes has room for */
	all_answer_data_loss(a);
	a = make('i', 4);
	body_of(a)->width = 0;
	all_answer_data_loss(a);
	a = make('i', 4);
	body_of(a)->width = 8;
	all_answer_data_loss(a);
	a = make('i', 4);
	body_of(a)->type_code = 0;
	all_answer_data_loss(a);
}

/* ---------------------------------------------------------------- several processes */

#define N_CHILDREN 4
#define N_ROUNDS 30000

/* Neighbours inside one word, each child its own element and all of them element 4. */
static void add_many(uint64_t a, int64_t child)
{
	struct lane mine = kit_lane(&seg);
	struct scalar one = of_int(1), s;
	int bad = 0;
	for (int i = 0; i < N_ROUNDS; i++) {
		bad |= array_add(&mine, a, child, &one, &s) != SABIR_OK;
		bad |= array_add(&mine, a, 4, &one, &s) != SABIR_OK;
	}
	kit_lane_close(&mine);
	_exit(bad);
}

static void adders_lose_nothing(void)
{
	for (const char *letter = "BHIQfd"; *letter; letter++) {
		uint64_t a = make((uint32_t)*letter, 5);
		uint32_t width = scalar_width((uint32_t)*letter);
		uint64_t mask = UINT64_MAX >> (64 - 8 * width);
		pid_t pids[N_CHILDREN];
		for (int i = 0; i < N_CHILDREN; i++)
			if ((pids[i] = fork()) == 0)
				add_many(a, i);
		CU_ASSERT(kit_wait_all(pids, N_CHILDREN));
		for (int i = 0; i < 5; i++) {
			uint64_t expected = N_ROUNDS * (i < 4 ? 1 : N_CHILDREN);
			struct scalar s = get(a, i);
			CU_ASSERT(s.kind == SCALAR_REAL ? s.d == (double)expected : s.u == (expected & mask));
		}
		object_delete(&lane, a);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(elements_begin_as_told_and_then_with_zero),
		KIT_TEST(used_memory_is_zero_again),
		KIT_TEST(an_array_may_be_empty),
		KIT_TEST(bad_specs_are_refused),
		KIT_TEST(large_arrays_come_and_go),
		KIT_TEST(every_type_keeps_its_elements_apart),
		KIT_TEST(operations_touch_one_element),
		KIT_TEST(indices_count_from_both_ends),
		KIT_TEST(what_does_not_fit_changes_nothing),
		KIT_TEST(compare_exchange_compares_bits),
		KIT_TEST(the_mapped_pointer_is_the_array),
		KIT_TEST(changes_wake),
		KIT_TEST(damage_is_data_loss),
		KIT_TEST(adders_lose_nothing),
	};
	return kit_run("array", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
