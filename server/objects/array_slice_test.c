/* SPDX-License-Identifier: Apache-2.0 */
/* Slices of arrays, in one process and between processes. */
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

/* ---------------------------------------------------------------- slices */

#define N_SLICED 41

static void slices_of_every_place_and_length(void)
{
	for (const char *letter = "BHIQ"; *letter; letter++) {
		uint32_t width = scalar_width((uint32_t)*letter);
		uint8_t model[N_SLICED * 8] = { 0 }, data[N_SLICED * 8];
		uint64_t a = make((uint32_t)*letter, N_SLICED);
		bool same = true;
		for (uint64_t start = 0; start <= N_SLICED; start++)
			for (uint64_t count = 1; count <= N_SLICED - start; count++) {
				for (size_t i = 0; i < sizeof(data); i++)
					data[i] = (uint8_t)(i * 3 + start * 5 + count * 11);
				memcpy(model + start * width, data, count * width);
				same &= write_slice(a, start, (uint32_t)*letter, data, count * width) == SABIR_OK;
				same &= slice_is(a, 0, 0, model, N_SLICED * width);
				same &= slice_is(a, start, count, data, count * width);
			}
		CU_ASSERT(same);
		object_delete(&lane, a);
	}
}

static void fills_of_every_place_and_length(void)
{
	for (const char *letter = "BHIQ"; *letter; letter++) {
		uint32_t width = scalar_width((uint32_t)*letter);
		uint8_t model[N_SLICED * 8] = { 0 };
		uint64_t a = make((uint32_t)*letter, N_SLICED);
		bool same = true;
		for (uint64_t start = 0; start < N_SLICED; start++)
			for (uint64_t count = 1; count <= N_SLICED - start; count++) {
				uint64_t bits = (start * 0x0102030405060708 + count * 0x9182736455463728) &
						UINT64_MAX >> (64 - 8 * width);
				struct scalar s = { .kind = SCALAR_UINT, .u = bits };
				for (uint64_t i = start; i < start + count; i++)
					memcpy(model + i * width, &bits, width);
				same &= array_fill(&lane, a, start, count, &s) == SABIR_OK;
				same &= slice_is(a, 0, 0, model, N_SLICED * width);
			}
		CU_ASSERT(same);
		object_delete(&lane, a);
	}
}

/* Around the lengths and places at which a write is made in several steps, whole ones of words among them. */
static void slices_of_many_steps(void)
{
	static const uint64_t starts[] = { 0, 1, 7, 128 }, counts[] = { 127, 128, 129, 255, 256, 257, 512 };
	static uint8_t model[1024 * 8], data[1024 * 8];
	for (const char *letter = "BHIQ"; *letter; letter++) {
		uint32_t width = scalar_width((uint32_t)*letter);
		uint64_t a = make((uint32_t)*letter, 1024);
		bool same = true;
		memset(model, 0, sizeof(model));
		for (size_t i = 0; i < 4 * 7 * 2; i++) {
			uint64_t start = starts[i % 4], count = counts[i / 4 % 7], bits = 0x7f - i;
			struct scalar s = { .kind = SCALAR_UINT, .u = bits };
			for (size_t k = 0; k < count * width; k++)
				data[k] = (uint8_t)(k * 3 + i * 5);
			for (uint64_t k = 0; i & 1 && k < count; k++)
				memcpy(data + k * width, &bits, width);
			memcpy(model + start * width, data, count * width);
			same &= (i & 1 ? array_fill(&lane, a, start, count, &s)
				       : write_slice(a, start, (uint32_t)*letter, data, count * width)) == SABIR_OK;
			same &= slice_is(a, 0, 0, model, 1024 * width);
		}
		CU_ASSERT(same);
		object_delete(&lane, a);
	}
}

static void slices_past_the_end_are_refused_whole(void)
{
	static const struct {
		uint64_t start, count;
	} outside[] = {
		{ 5, 1 }, { 0, 5 }, { 3, 2 }, { UINT64_MAX, 1 }, { 1, UINT64_MAX }, { UINT64_MAX, 0 }, { 5, 0 }
	};
	uint64_t a = make('I', 4);
	struct scalar one = of_int(1);
	static const uint32_t data[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	static const uint32_t zeros[4];
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		struct bytes out = { 0 };
		uint32_t letter;
		uint64_t start = outside[i].start, count = outside[i].count;
		CU_ASSERT_EQUAL(array_get_slice(&lane, a, start, count, &out, &letter), SABIR_OUT_OF_RANGE);
		CU_ASSERT_EQUAL(out.n_items, 0);
		CU_ASSERT_EQUAL(array_fill(&lane, a, start, count, &one), SABIR_OUT_OF_RANGE);
		if (count <= 8)
			CU_ASSERT_EQUAL(write_slice(a, start, 'I', data, count * 4), SABIR_OUT_OF_RANGE);
		bytes_fini(&out);
	}
	CU_ASSERT(slice_is(a, 0, 0, zeros, sizeof(zeros)));
	CU_ASSERT(slice_is(a, 4, 0, NULL, 0)); /* nothing at the end is something to have */
	CU_ASSERT_EQUAL(write_slice(a, 4, 'I', NULL, 0), SABIR_OK);
	CU_ASSERT_EQUAL(array_fill(&lane, a, 4, 0, &one), SABIR_OK);
	object_delete(&lane, a);
}

static void slices_of_other_types_and_bad_elements_are_refused(void)
{
	uint64_t a = make('?', 4);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'B', "\1\1", 2), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'z', "\1\1", 2), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(write_slice(a, 0, '?', "\1\2", 2), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(write_slice(a, 0, '?', "\1\1", 2), SABIR_OK);
	CU_ASSERT(slice_is(a, 0, 0, "\1\1\0\0", 4));
	object_delete(&lane, a);
	a = make('i', 4);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'i', "\1\1\1\1\1", 5), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'I', "\1\1\1\1", 4), SABIR_WRONG_TYPE);
	object_delete(&lane, a);
}

static void a_read_keeps_to_the_callers_limit(void)
{
	uint64_t a = make('B', 100);
	struct bytes out = { 0 };
	uint32_t letter = 7;
	bytes_init(&out, NULL, 0);
	out.limit = 50;
	CU_ASSERT_EQUAL(array_get_slice(&lane, a, 0, 51, &out, &letter), SABIR_TOO_LARGE);
	CU_ASSERT(out.n_items == 0 && letter == 7);
	CU_ASSERT_EQUAL(array_get_slice(&lane, a, 0, 50, &out, &letter), SABIR_OK);
	CU_ASSERT(out.n_items == 1 && letter == 'B');
	bytes_fini(&out);
	object_delete(&lane, a);
}

static void a_write_without_memory_changes_nothing(void)
{
	static uint8_t data[5 << 20], zeros[5 << 20];
	struct bytes out = { 0 };
	uint64_t a = make('B', 5 << 20), b = make('B', 5 << 20);
	uint32_t letter;
	memset(data, 1, sizeof(data));
	CU_ASSERT_EQUAL(write_slice(a, 0, 'B', data, sizeof(data)), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT(slice_is(a, 0, 0, zeros, sizeof(zeros)));
	object_delete(&lane, b);
	CU_ASSERT_EQUAL(write_slice(a, 0, 'B', data, sizeof(data)), SABIR_OK);
	CU_ASSERT_EQUAL(array_get_slice(&lane, a, 0, 0, &out, &letter), SABIR_OK);
	CU_ASSERT(out.len == sizeof(data) && !memcmp(out.data, data, sizeof(data)));
	bytes_fini(&out);
	object_delete(&lane, a);
}

/* ---------------------------------------------------------------- several processes */

#define N_CHILDREN 4
#define N_ROUNDS 30000

/* Writes slices and fills of one byte each, and reads the whole array: it must always be of one piece. */
static void write_and_read(uint64_t a, int child)
{
	struct lane mine = kit_lane(&seg);
	uint8_t data[1000];
	struct bytes out = { 0 };
	uint32_t letter;
	int bad = 0;
	for (int i = 0; i < 1000 && !bad; i++) {
		struct scalar s = of_int(child * 16 + i % 16);
		memset(data, (int)s.i, sizeof(data));
		bad |= i & 1 ? array_fill(&mine, a, 0, 0, &s) != SABIR_OK
			     : array_set_slice(&mine, a, 0, 'B', (struct span){ data, sizeof(data) }) != SABIR_OK;
		bad |= array_get_slice(&mine, a, 0, 0, &out, &letter) != SABIR_OK;
		bad |= out.len != sizeof(data) || memcmp(out.data, out.data + 1, sizeof(data) - 1);
		bytes_truncate(&out, 0);
	}
	bytes_fini(&out);
	kit_lane_close(&mine);
	_exit(bad);
}

static void slices_are_whole_against_each_other(void)
{
	uint64_t a = make('B', 1000);
	pid_t pids[N_CHILDREN];
	for (int i = 0; i < N_CHILDREN; i++)
		if ((pids[i] = fork()) == 0)
			write_and_read(a, i);
	CU_ASSERT(kit_wait_all(pids, N_CHILDREN));
	object_delete(&lane, a);
}

/* Elements beside a slice that is being written all the time belong to others: no store of the slice may touch them. */
static void add_many(uint64_t a)
{
	struct lane mine = kit_lane(&seg);
	struct scalar one = of_int(1), s;
	int bad = 0;
	for (int i = 0; i < N_ROUNDS; i++) {
		bad |= array_add(&mine, a, 3, &one, &s) != SABIR_OK;
		bad |= array_add(&mine, a, 4, &one, &s) != SABIR_OK;
	}
	kit_lane_close(&mine);
	_exit(bad);
}

static void slice_writes_leave_their_neighbours_alone(void)
{
	uint64_t a = make('B', 16);
	struct scalar one = of_int(1), s;
	bool lost = false;
	pid_t pid = fork();
	if (pid == 0)
		add_many(a);
	for (int i = 0; i < 5000; i++) {
		struct scalar five = of_int(5);
		write_slice(a, 5, 'B', "abcdefg", 7);
		array_fill(&lane, a, 5, 10, &five);
		array_add(&lane, a, 15, &one, &s);
		lost |= s.u != (unsigned)(i + 1) % 256;
	}
	CU_ASSERT_EQUAL(kit_wait(pid), 0);
	CU_ASSERT(!lost);
	CU_ASSERT_EQUAL(get(a, 3).u, N_ROUNDS % 256);
	CU_ASSERT_EQUAL(get(a, 4).u, N_ROUNDS % 256);
	object_delete(&lane, a);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(slices_of_every_place_and_length),
		KIT_TEST(fills_of_every_place_and_length),
		KIT_TEST(slices_of_many_steps),
		KIT_TEST(slices_past_the_end_are_refused_whole),
		KIT_TEST(slices_of_other_types_and_bad_elements_are_refused),
		KIT_TEST(a_read_keeps_to_the_callers_limit),
		KIT_TEST(a_write_without_memory_changes_nothing),
		KIT_TEST(slices_are_whole_against_each_other),
		KIT_TEST(slice_writes_leave_their_neighbours_alone),
	};
	return kit_run("array, slices", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
