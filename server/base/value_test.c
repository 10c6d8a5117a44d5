/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of Values against bytes made by hand: what it takes, what it refuses, what equals what; then every prefix
 * of valid Values and very many random ones, which must be refused or taken without a read outside (run it with ASan
 * too).
 */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/utf8.h"
#include "server/base/value.h"
#include "server/base/wire.h"

#define SPAN(text) ((struct span){ (const uint8_t *)(text), sizeof(text) - 1 })

static bool valid(struct span v)
{
	return value_check(v) == SABIR_OK;
}

/* One Value of every kind; hand-made from value.proto. */
static const struct span samples[] = {
	{ (const uint8_t *)"\x08\x00", 2 },                                      /* null */
	{ (const uint8_t *)"\x10\x01", 2 },                                      /* true */
	{ (const uint8_t *)"\x18\x2a", 2 },                                      /* 42 */
	{ (const uint8_t *)"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, /* -1 */
	{ (const uint8_t *)"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 }, /* 2^64-1 */
	{ (const uint8_t *)"\x29\x00\x00\x00\x00\x00\x00\xf0\x3f", 9 },          /* 1.0 */
	{ (const uint8_t *)"\x32\x05"
			   "h\xc3\xa9\x00!",
	  7 },                                                               /* "hé\0!" */
	{ (const uint8_t *)"\x3a\x02\xff\xfe", 4 },                          /* bytes */
	{ (const uint8_t *)"\x42\x08\x0a\x02\x18\x01\x0a\x02\x42\x00", 10 }, /* [1, []] */
	{ (const uint8_t *)"\x52\x04\x08\x05\x10\x07", 6 },                  /* 5 s 7 ns */
	{ (const uint8_t *)"\x5a\x05\x0a\x03"
			   "a/b",
	  7 },                                                                        /* object a/b */
	{ (const uint8_t *)"\x5a\x02\x10\x09", 4 },                                   /* object by handle */
	{ (const uint8_t *)"\x62\x06\x0a\x01x\x12\x01y", 8 },                         /* opaque */
	{ (const uint8_t *)"\x4a\x0b\x0a\x09\x0a\x03\x32\x01k\x12\x02\x08\x00", 13 }, /* {"k": null} */
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void test_every_kind_is_valid(void)
{
	for (size_t i = 0; i < N_SAMPLES; i++)
		if (samples[i].len)
			CU_ASSERT(valid(samples[i]));
}

static void test_every_prefix_is_refused(void)
{
	for (size_t i = 0; i < N_SAMPLES; i++) {
		for (size_t len = 0; len < samples[i].len; len++) {
			uint8_t *exact = malloc(len + !len);
			memcpy(exact, samples[i].data, len);
			CU_ASSERT(!valid((struct span){ exact, len }));
			free(exact);
		}
	}
}

static void test_two_kinds_or_one_twice_are_refused(void)
{
	CU_ASSERT(!valid(SPAN("\x18\x01\x10\x01")));
	CU_ASSERT(!valid(SPAN("\x18\x01\x18\x01")));
	CU_ASSERT(!valid(SPAN("\x32\x01"
			      "a\x32\x01"
			      "b")));
	CU_ASSERT(!valid(SPAN("\x52\x04\x08\x05\x08\x05")));
	CU_ASSERT(!valid(SPAN("\x5a\x04\x10\x09\x10\x09")));
	CU_ASSERT(!valid(SPAN("\x5a\x05\x0a\x01"
			      "a\x10\x09")));
	CU_ASSERT(!valid(SPAN("\x62\x06\x0a\x01x\x0a\x01x")));
	CU_ASSERT(!valid(SPAN("\x4a\x0c\x0a\x0a\x0a\x02\x08\x00\x0a\x02\x08\x00\x12\x00")));
}

static void test_unknown_fields_and_wire_types_are_refused(void)
{
	CU_ASSERT(!valid(SPAN("\x68\x01")));             /* field 13 */
	CU_ASSERT(!valid(SPAN("\x00\x01")));             /* field 0 */
	CU_ASSERT(!valid(SPAN("\x1a\x01\x01")));         /* an integer with a length */
	CU_ASSERT(!valid(SPAN("\x30\x01")));             /* text as varint */
	CU_ASSERT(!valid(SPAN("\x1b\x1c")));             /* a group */
	CU_ASSERT(!valid(SPAN("\x2d\x00\x00\x00\x00"))); /* a double of 4 bytes */
	CU_ASSERT(!valid(SPAN("\x98\x00\x01")));         /* a tag of two bytes */
	CU_ASSERT(!valid(SPAN("\x42\x02\x10\x01")));     /* field 2 of a list */
	CU_ASSERT(!valid(SPAN("\x52\x02\x18\x01")));     /* field 3 of a timestamp */
}

static void test_numbers_out_of_range_are_refused(void)
{
	CU_ASSERT(!valid(SPAN("\x08\x01")));
	CU_ASSERT(!valid(SPAN("\x10\x02")));
	CU_ASSERT(!valid(SPAN("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")));
	CU_ASSERT(!valid(SPAN("\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")));
	CU_ASSERT(valid(SPAN("\x52\x06\x10\xff\x93\xeb\xdc\x03")));
	CU_ASSERT(!valid(SPAN("\x52\x06\x10\x80\x94\xeb\xdc\x03")));
	CU_ASSERT(!valid(SPAN("\x52\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
	CU_ASSERT(valid(SPAN("\x52\x07\x08\xff\x82\xd1\xff\xaf\x07"))); /* 253402300799 */
	CU_ASSERT(!valid(SPAN("\x52\x07\x08\x80\x83\xd1\xff\xaf\x07")));
}

static void test_missing_parts_are_refused(void)
{
	CU_ASSERT(!valid((struct span){ NULL, 0 }));
	CU_ASSERT(!valid(SPAN("\x5a\x00"))); /* a reference to nothing */
	CU_ASSERT(!valid(SPAN("\x62\x00"))); /* no content type */
	CU_ASSERT(!valid(SPAN("\x62\x02\x0a\x00")));
	CU_ASSERT(!valid(SPAN("\x4a\x02\x0a\x00")));                 /* no key, no value */
	CU_ASSERT(!valid(SPAN("\x4a\x06\x0a\x04\x0a\x02\x08\x00"))); /* no value */
	CU_ASSERT(!valid(SPAN("\x42\x02\x0a\x00")));                 /* an item of no kind */
}

static void test_text_must_be_utf8(void)
{
	CU_ASSERT(utf8_valid(SPAN("\xf4\x8f\xbf\xbf\xee\x80\x80\xed\x9f\xbf\xdf\xbf plain ascii text")));
	CU_ASSERT(!utf8_valid(SPAN("\xc0\x80"))); /* overlong */
	CU_ASSERT(!utf8_valid(SPAN("\xc1\xbf")));
	CU_ASSERT(!utf8_valid(SPAN("\xe0\x9f\xbf")));
	CU_ASSERT(!utf8_valid(SPAN("\xf0\x8f\xbf\xbf")));
	CU_ASSERT(!utf8_valid(SPAN("\xed\xa0\x80")));     /* a surrogate */
	CU_ASSERT(!utf8_valid(SPAN("\xf4\x90\x80\x80"))); /* above U+10FFFF */
	CU_ASSERT(!utf8_valid(SPAN("\xf8\x88\x80\x80\x80")));
	CU_ASSERT(!utf8_valid(SPAN("12345678\x80")));
	CU_ASSERT(!utf8_valid(SPAN("12345678\xc3")));
	CU_ASSERT(!utf8_valid(SPAN("\xc3(")));
	CU_ASSERT(!valid(SPAN("\x32\x01\xff")));
	CU_ASSERT(!valid(SPAN("\x5a\x03\x0a\x01\xff")));
	CU_ASSERT(!valid(SPAN("\x62\x03\x0a\x01\xff")));
}

/* Wraps a Value into lists until the outermost has depth `depth`; returns the whole, in a buffer of the caller. */
static struct span nest(struct span inner, unsigned lists, uint8_t *buf, size_t size)
{
	uint8_t *at = buf + size - inner.len;
	size_t len = inner.len;

	memcpy(at, inner.data, inner.len);
	for (unsigned i = 0; i < 2 * lists; i++) {
		uint8_t head[12];
		head[0] = i % 2 ? 0x42 : 0x0a;
		size_t head_len = (size_t)(wire_put_varint(head + 1, len) - head);
		at -= head_len;
		memcpy(at, head, head_len);
		len += head_len;
	}
	return (struct span){ at, len };
}

static void test_depth_ends_at_96(void)
{
	uint8_t buf[1024];
	struct span number = SPAN("\x18\x01"), empty_list = SPAN("\x42\x00"), time = SPAN("\x52\x00");

	CU_ASSERT(valid(nest(number, 47, buf, sizeof(buf))));     /* the number at 99 */
	CU_ASSERT(valid(nest(empty_list, 47, buf, sizeof(buf)))); /* the ListValue at 96 */
	CU_ASSERT(valid(nest(time, 47, buf, sizeof(buf))));       /* the Timestamp at 96 */
	CU_ASSERT(!valid(nest(number, 48, buf, sizeof(buf))));    /* the number at 97 */
	CU_ASSERT(!valid(nest(empty_list, 48, buf, sizeof(buf))));
}

static void test_deep_nesting_does_not_use_up_the_stack(void)
{
	static uint8_t buf[1 << 20];
	struct span deep = nest(SPAN("\x18\x01"), 100000, buf, sizeof(buf));

	CU_ASSERT(!valid(deep));
	CU_ASSERT(value_equal(deep, deep));
	CU_ASSERT(!value_equal(deep, (struct span){ deep.data, deep.len - 1 }));
}

static bool canonical_is(struct span from, struct span expected)
{
	struct bytes out = { 0 };
	bool same = value_canonical(from, &out) == SABIR_OK && out.len == expected.len &&
		    !memcmp(out.data, expected.data, out.len) && value_equal(from, expected) &&
		    value_equal(expected, from);

	bytes_fini(&out);
	return same;
}

static void test_canonical_form_of_simple_kinds(void)
{
	CU_ASSERT(canonical_is(SPAN("\x18\x81\x80\x00"), SPAN("\x18\x01")));
	CU_ASSERT(canonical_is(SPAN("\x20\x05"), SPAN("\x18\x05")));
	CU_ASSERT(canonical_is(SPAN("\x20\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
			       SPAN("\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f")));
	CU_ASSERT(canonical_is(samples[4], samples[4]));
	CU_ASSERT(canonical_is(SPAN("\x29\x00\x00\x00\x00\x00\x00\x00\x80"),
			       SPAN("\x29\x00\x00\x00\x00\x00\x00\x00\x00")));
	CU_ASSERT(canonical_is(SPAN("\x32\x81\x00"
				    "a"),
			       SPAN("\x32\x01"
				    "a")));
	CU_ASSERT(canonical_is(SPAN("\x10\x80\x00"), SPAN("\x10\x00")));
}

static void test_canonical_form_of_nested_kinds(void)
{
	CU_ASSERT(canonical_is(SPAN("\x42\x86\x00\x0a\x83\x00\x20\x81\x00"), SPAN("\x42\x04\x0a\x02\x18\x01")));
	CU_ASSERT(canonical_is(SPAN("\x4a\x0a\x0a\x08\x12\x02\x20\x01\x0a\x02\x08\x00"),
			       SPAN("\x4a\x0a\x0a\x08\x0a\x02\x08\x00\x12\x02\x18\x01")));
	CU_ASSERT(canonical_is(SPAN("\x52\x04\x10\x07\x08\x00"), SPAN("\x52\x02\x10\x07")));
	CU_ASSERT(canonical_is(SPAN("\x5a\x03\x10\x89\x00"), SPAN("\x5a\x02\x10\x09")));
	CU_ASSERT(canonical_is(SPAN("\x5a\x02\x0a\x00"), SPAN("\x5a\x02\x0a\x00")));
	CU_ASSERT(canonical_is(SPAN("\x62\x05\x12\x00\x0a\x01x"), SPAN("\x62\x03\x0a\x01x")));
}

/* 130 bytes of content take a length of two bytes; made canonical it is short enough for one. */
static void test_canonical_form_shortens_the_length_in_front(void)
{
	uint8_t from[160] = { 0x42, 0x82, 0x01 }, expected[160] = { 0x42, 0x7f };

	for (size_t i = 0; i < 26; i++)
		memcpy(from + 3 + 5 * i, "\x0a\x03\x18\x81\x00", 5);
	for (size_t i = 0; i < 26; i++)
		memcpy(expected + 2 + 4 * i, "\x0a\x02\x18\x01", 4);
	expected[1] = 26 * 4;
	CU_ASSERT(canonical_is((struct span){ from, 133 }, (struct span){ expected, 106 }));
}

static void test_key_is_not_copied_where_it_is_canonical(void)
{
	struct bytes scratch = { 0 };
	struct span key;

	CU_ASSERT(value_key(samples[6], &scratch, &key) == SABIR_OK && key.data == samples[6].data);
	CU_ASSERT(value_key(samples[2], &scratch, &key) == SABIR_OK && key.data == samples[2].data);
	CU_ASSERT(scratch.n_items == 0);
	CU_ASSERT(value_key(SPAN("\x20\x05"), &scratch, &key) == SABIR_OK && key.len == 2 && key.data[0] == 0x18);
	CU_ASSERT(value_key(SPAN("\x20"), &scratch, &key) == SABIR_INVALID_VALUE);
	bytes_fini(&scratch);
}

static void test_different_values_are_not_equal(void)
{
	for (size_t i = 0; i < N_SAMPLES; i++)
		for (size_t j = 0; j < N_SAMPLES; j++)
			CU_ASSERT(value_equal(samples[i], samples[j]) == (i == j));
	CU_ASSERT(!value_equal(SPAN("\x18\x01"), SPAN("\x10\x01")));
	CU_ASSERT(!value_equal(SPAN("\x18\x01"), samples[5]));
	CU_ASSERT(!value_equal(SPAN("\x42\x04\x0a\x02\x18\x01"), SPAN("\x42\x00")));
	CU_ASSERT(!value_equal(SPAN("\x52\x02\x08\x05"), SPAN("\x52\x02\x10\x05")));
	CU_ASSERT(!value_equal(SPAN("\x5a\x02\x0a\x00"), SPAN("\x5a\x02\x10\x00")));
	CU_ASSERT(!value_equal(SPAN("\x29\x01\x00\x00\x00\x00\x00\xf8\x7f"),
			       SPAN("\x29\x02\x00\x00\x00\x00\x00\xf8\x7f")));
}

static void test_views_show_the_top(void)
{
	struct value_view v;

	CU_ASSERT_EQUAL(value_view((struct span){ NULL, 0 }, &v), SABIR_INVALID_VALUE);
	CU_ASSERT(value_view(samples[1], &v) == SABIR_OK && v.kind == VALUE_BOOL && v.boolean);
	CU_ASSERT(value_view(samples[3], &v) == SABIR_OK && v.kind == VALUE_INT && v.i == -1);
	CU_ASSERT(value_view(samples[4], &v) == SABIR_OK && v.kind == VALUE_UINT && v.u == UINT64_MAX);
	CU_ASSERT(value_view(samples[5], &v) == SABIR_OK && v.kind == VALUE_REAL && v.d == 1.0);
	CU_ASSERT(value_view(samples[6], &v) == SABIR_OK && v.kind == VALUE_TEXT && v.bytes.len == 5);
	CU_ASSERT(value_view(samples[8], &v) == SABIR_OK && v.kind == VALUE_LIST && v.bytes.len == 8);
	CU_ASSERT(value_view(SPAN("\x68\x01"), &v) == SABIR_INVALID_VALUE);
	CU_ASSERT(value_view(SPAN("\x00\x01"), &v) == SABIR_INVALID_VALUE);
}

static void test_encoders_write_canonical_values(void)
{
	uint8_t to[VALUE_MAX_HEAD];
	struct value_view v;

	CU_ASSERT(valid((struct span){ to, value_put_null(to) }));
	CU_ASSERT(value_put_bool(true, to) == 2 && !memcmp(to, samples[1].data, 2));
	CU_ASSERT(value_put_int(-1, to) == 11 && !memcmp(to, samples[3].data, 11));
	CU_ASSERT(value_put_uint(UINT64_MAX, to) == 11 && !memcmp(to, samples[4].data, 11));
	CU_ASSERT(value_put_real(1.0, to) == 9 && !memcmp(to, samples[5].data, 9));
	CU_ASSERT(value_head_bytes(VALUE_TEXT, 300, to) == 3 && !memcmp(to, "\x32\xac\x02", 3));
	CU_ASSERT(value_view((struct span){ to, value_put_int(INT64_MIN, to) }, &v) == SABIR_OK && v.i == INT64_MIN);
}

static enum sabir_error sum(struct span a, struct span b, struct value_view *v)
{
	uint8_t to[VALUE_MAX_HEAD];
	size_t len;
	enum sabir_error error = value_sum(a, b, to, &len);

	return error ? error : value_view((struct span){ to, len }, v);
}

static void test_sums(void)
{
	uint8_t max[VALUE_MAX_HEAD], min[VALUE_MAX_HEAD];
	struct span int_max = { max, value_put_int(INT64_MAX, max) }, int_min = { min, value_put_int(INT64_MIN, min) };
	struct value_view v;

	CU_ASSERT(sum(samples[2], samples[3], &v) == SABIR_OK && v.kind == VALUE_INT && v.i == 41);
	CU_ASSERT(sum(int_max, samples[2], &v) == SABIR_OK && v.kind == VALUE_UINT && v.u == INT64_MAX + UINT64_C(42));
	CU_ASSERT(sum(samples[4], samples[2], &v) == SABIR_OUT_OF_RANGE);
	CU_ASSERT(sum(samples[4], samples[3], &v) == SABIR_OK && v.u == UINT64_MAX - 1);
	CU_ASSERT(sum(samples[4], int_min, &v) == SABIR_OK && v.kind == VALUE_INT && v.i == INT64_MAX);
	CU_ASSERT(sum(int_min, samples[3], &v) == SABIR_OUT_OF_RANGE);
	CU_ASSERT(sum(samples[2], samples[5], &v) == SABIR_OK && v.kind == VALUE_REAL && v.d == 43.0);
	CU_ASSERT(sum(samples[2], samples[6], &v) == SABIR_WRONG_TYPE);
	CU_ASSERT(sum(samples[1], samples[2], &v) == SABIR_WRONG_TYPE);
	CU_ASSERT(sum(SPAN(""), samples[2], &v) == SABIR_WRONG_TYPE);
}

/*
 * Changes a few bytes of the samples; whatever is still valid must have a canonical form that is valid, short and
 * equal.
 */
static void test_random_mutations_are_taken_or_refused(void)
{
	unsigned seed = 1, n_valid = 0;

	for (unsigned round = 0; round < 200000; round++) {
		struct span from = samples[(unsigned)rand_r(&seed) % N_SAMPLES];
		uint8_t *copy = malloc(from.len + 1);
		struct bytes out = { 0 };
		memcpy(copy, from.data, from.len);
		for (unsigned i = 0; from.len && i < 1 + round % 3; i++)
			copy[(unsigned)rand_r(&seed) % from.len] = (uint8_t)rand_r(&seed);
		struct span v = { copy, from.len };
		if (value_canonical(v, &out) == SABIR_OK) {
			n_valid++;
			struct span c = bytes_item(&out, 0);
			CU_ASSERT(c.len <= v.len && valid(c) && value_equal(v, c) && canonical_is(c, c));
		}
		(void)value_equal(v, from);
		bytes_fini(&out);
		free(copy);
	}
	CU_ASSERT(n_valid > 1000);
}

static uint64_t to_large(void *context, uint64_t handle)
{
	(void)context;
	return handle == 9 ? 0x123456789abcdefull : handle;
}

static uint64_t to_small(void *context, uint64_t handle)
{
	(void)context;
	return handle == 0x123456789abcdefull ? 9 : handle;
}

static struct span translated(struct span v, value_map_fn *map, struct bytes *out)
{
	CU_ASSERT_EQUAL(value_translate(v, map, NULL, out), SABIR_OK);
	return bytes_item(out, out->n_items - 1);
}

/* A reference in lists and maps around each other, until the lengths in front have two bytes. */
static void test_other_handles_in_the_place_of_a_values_own(void)
{
	uint8_t data[512] = "\x5a\x02\x10\x09", around[512];
	size_t len = 4;
	for (unsigned depth = 0; depth < 36; depth++) {
		struct bytes out = { 0 };
		struct span v = { data, len }, large = translated(v, to_large, &out);
		CU_ASSERT_TRUE(valid(large) && large.len > v.len);
		uint8_t copy[600];
		memcpy(copy, large.data, large.len);
		struct span back = translated((struct span){ copy, large.len }, to_small, &out);
		CU_ASSERT_TRUE(back.len == len && !memcmp(back.data, data, len));
		bytes_fini(&out);
		uint8_t *at = wire_put_bytes(around, 1, data, len);
		size_t inner = (size_t)(at - around);
		if (depth % 2) { /* a map: the reference is key and value */
			at = wire_put_bytes(at, 2, "\x08\x00", 2);
			uint8_t entry[512];
			inner = (size_t)(wire_put_bytes(entry, 1, around, (size_t)(at - around)) - entry);
			memcpy(around, entry, inner);
		}
		len = (size_t)(wire_put_bytes(data, depth % 2 ? VALUE_MAP : VALUE_LIST, around, inner) - data);
	}
}

static void test_what_refers_to_nothing_is_translated_to_itself(void)
{
	for (size_t i = 0; i < N_SAMPLES; i++) {
		struct bytes out = { 0 };
		struct span v = translated(samples[i], to_small, &out);
		CU_ASSERT_TRUE(v.len == samples[i].len && !memcmp(v.data, samples[i].data, v.len));
		bytes_fini(&out);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "every kind is valid", test_every_kind_is_valid },
		{ "every prefix is refused", test_every_prefix_is_refused },
		{ "two kinds, or one twice, are refused", test_two_kinds_or_one_twice_are_refused },
		{ "unknown fields and wire types are refused", test_unknown_fields_and_wire_types_are_refused },
		{ "numbers out of range are refused", test_numbers_out_of_range_are_refused },
		{ "missing parts are refused", test_missing_parts_are_refused },
		{ "text must be UTF-8", test_text_must_be_utf8 },
		{ "depth ends at 96", test_depth_ends_at_96 },
		{ "deep nesting does not use up the stack", test_deep_nesting_does_not_use_up_the_stack },
		{ "canonical form of simple kinds", test_canonical_form_of_simple_kinds },
		{ "canonical form of nested kinds", test_canonical_form_of_nested_kinds },
		{ "canonical form shortens the length in front", test_canonical_form_shortens_the_length_in_front },
		{ "a key is not copied where it is canonical", test_key_is_not_copied_where_it_is_canonical },
		{ "different values are not equal", test_different_values_are_not_equal },
		{ "views show the top", test_views_show_the_top },
		{ "encoders write canonical values", test_encoders_write_canonical_values },
		{ "sums", test_sums },
		{ "other handles in the place of a Value's own", test_other_handles_in_the_place_of_a_values_own },
		{ "what refers to nothing is translated to itself",
		  test_what_refers_to_nothing_is_translated_to_itself },
		{ "random mutations are taken or refused", test_random_mutations_are_taken_or_refused },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "value", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	if (CU_initialize_registry() || CU_register_suites(suites))
		return 1;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
