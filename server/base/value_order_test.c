/* SPDX-License-Identifier: Apache-2.0 */
/* The order of Values is Python's. */
#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

#include "server/base/value_order.h"
#include "server/base/wire.h"

#define SPAN(text) ((struct span){ (const uint8_t *)(text), sizeof(text) - 1 })

static uint8_t pool[1 << 20];
static size_t pool_len;

static struct span keep(const uint8_t *data, size_t len)
{
	uint8_t *at = memcpy(pool + pool_len, data, len);
	pool_len += len;
	return (struct span){ at, len };
}

static struct span integer(int64_t v)
{
	uint8_t to[VALUE_MAX_HEAD];
	return keep(to, value_put_int(v, to));
}

static struct span natural(uint64_t v)
{
	uint8_t to[VALUE_MAX_HEAD];
	return keep(to, value_put_uint(v, to));
}

static struct span real(double v)
{
	uint8_t to[VALUE_MAX_HEAD];
	return keep(to, value_put_real(v, to));
}

static struct span boolean(bool v)
{
	uint8_t to[VALUE_MAX_HEAD];
	return keep(to, value_put_bool(v, to));
}

static struct span text(const char *s)
{
	uint8_t to[64];
	return keep(to, (size_t)(wire_put_bytes(to, VALUE_TEXT, s, strlen(s)) - to));
}

static struct span list(const struct span *items, size_t n)
{
	uint8_t inner[256], to[300], *p = inner;
	for (size_t i = 0; i < n; i++)
		p = wire_put_bytes(p, 1, items[i].data, items[i].len);
	return keep(to, (size_t)(wire_put_bytes(to, VALUE_LIST, inner, (size_t)(p - inner)) - to));
}
#define LIST(...)                                                                                                      \
	list((const struct span[]){ __VA_ARGS__ }, sizeof((const struct span[]){ __VA_ARGS__ }) / sizeof(struct span))

/* A map of the keys and values that follow each other in `items`. */
static struct span map(const struct span *items, size_t n)
{
	static uint8_t inner[1 << 16], to[1 << 16];
	uint8_t entry[1024], *p = inner;
	for (size_t i = 0; i < n; i += 2) {
		uint8_t *e = wire_put_bytes(entry, 1, items[i].data, items[i].len);
		e = wire_put_bytes(e, 2, items[i + 1].data, items[i + 1].len);
		p = wire_put_bytes(p, 1, entry, (size_t)(e - entry));
	}
	return keep(to, (size_t)(wire_put_bytes(to, VALUE_MAP, inner, (size_t)(p - inner)) - to));
}
#define MAP(...)                                                                                                       \
	map((const struct span[]){ __VA_ARGS__ }, sizeof((const struct span[]){ __VA_ARGS__ }) / sizeof(struct span))

/* Each is less than all behind it. */
static void check_rising(const struct span *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			int order = 77;
			CU_ASSERT_EQUAL(value_compare(values[i], values[k], &order), SABIR_OK);
			CU_ASSERT(i < k ? order < 0 : i > k ? order > 0 : order == 0);
			CU_ASSERT_EQUAL(value_same(values[i], values[k]), i == k);
		}
	}
}

static void numbers_of_all_kinds_are_ordered_by_value(void)
{
	const struct span rising[] = {
		real(-INFINITY),
		real(-0x1p64),
		integer(INT64_MIN),
		integer(INT64_MIN + 1),
		real(-1.5),
		integer(-1),
		real(-0.5),
		integer(0),
		real(0.5),
		integer(1),
		real(1.5),
		integer((1ll << 53) - 1),
		real(0x1p53),
		integer((1ll << 53) + 1),
		natural(INT64_MAX),
		real(0x1p63),
		natural((1ull << 63) + 1),
		natural(UINT64_MAX),
		real(0x1p64),
		real(INFINITY),
		real(NAN),
	};
	check_rising(rising, sizeof(rising) / sizeof(rising[0]));
}

static void equal_numbers_are_equal_whatever_their_kind(void)
{
	const struct span ones[] = { integer(1), natural(1), real(1.0), boolean(true) };
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 4; k++)
			CU_ASSERT(value_same(ones[i], ones[k]));
	CU_ASSERT(value_same(real(-0.0), boolean(false)));
	CU_ASSERT(value_same(natural(1ull << 63), real(0x1p63)));
	CU_ASSERT(value_same(LIST(ones[0], real(0.0)), LIST(ones[3], integer(0))));
}

static void text_and_lists_have_their_order(void)
{
	const struct span texts[] = {
		text(""), text("a"), text("ab"), text("b"), text("\xef\xbf\xbf"), text("\xf0\x9f\x98\x80")
	};
	const struct span lists[] = { LIST(integer(0)),    LIST(integer(0), text("a")), LIST(real(0.5)),
				      LIST(boolean(true)), LIST(integer(1), text("a")), LIST(integer(1), text("b")) };
	check_rising(texts, sizeof(texts) / sizeof(texts[0]));
	check_rising(lists, sizeof(lists) / sizeof(lists[0]));
}

static void what_python_does_not_compare_has_no_order(void)
{
	uint8_t null[VALUE_MAX_HEAD];
	struct span none = { null, value_put_null(null) };
	const struct span pairs[][2] = { { integer(1), text("1") },
					 { none, none },
					 { none, integer(0) },
					 { LIST(integer(1), none), LIST(integer(1), integer(2)) },
					 { text("a"), LIST(text("a")) } };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		int order = 77;
		CU_ASSERT_EQUAL(value_compare(pairs[i][0], pairs[i][1], &order), SABIR_WRONG_TYPE);
		CU_ASSERT_EQUAL(order, 77);
	}
	int order = 77;
	CU_ASSERT(value_same(none, none));
	CU_ASSERT(!value_compare(LIST(none, integer(1)), LIST(none, integer(2)), &order) && order < 0);
}

static bool is(struct span wanted, struct span value)
{
	struct value_wanted w;
	value_want(wanted, &w);
	bool same = value_same(wanted, value);
	CU_ASSERT_EQUAL(value_is(&w, value), same);
	CU_ASSERT_EQUAL(value_same(value, wanted), same);
	return same;
}

static void maps_are_equal_in_any_order_of_their_entries(void)
{
	struct span a = text("a"), b = text("b"), one = integer(1), two = integer(2);
	CU_ASSERT(is(MAP(a, one, b, two), MAP(b, two, a, one)));
	CU_ASSERT(is(MAP(a, one, b, two), MAP(b, real(2.0), a, boolean(true))));
	CU_ASSERT(is(MAP(one, a, b, b), MAP(b, b, real(1), a)));
	CU_ASSERT(is(map(NULL, 0), map(NULL, 0)));
	CU_ASSERT(!is(MAP(a, one, b, two), MAP(b, one, a, two)));
	CU_ASSERT(!is(MAP(a, one, b, two), MAP(a, one)));
	CU_ASSERT(!is(MAP(a, b), MAP(b, a)));
	CU_ASSERT(!is(MAP(a, one), MAP(a, real(1.5))));
	CU_ASSERT(!is(MAP(a, one), LIST(a, one)));
	CU_ASSERT(!is(map(NULL, 0), list(NULL, 0)));
	CU_ASSERT(!is(MAP(a, one, a, one), MAP(a, one)));
}

static void maps_are_equal_at_any_depth(void)
{
	struct span a = text("a"), b = text("b"), one = integer(1), two = natural(2);
	struct span there = MAP(a, one, b, LIST(MAP(a, two, b, MAP(one, one, two, two))));
	struct span back = MAP(b, LIST(MAP(b, MAP(real(2), two, boolean(true), one), a, two)), a, one);
	CU_ASSERT(is(there, back));
	CU_ASSERT(is(LIST(one, there), LIST(one, back)));
	CU_ASSERT(is(MAP(there, one, a, two), MAP(a, two, back, one)));
	CU_ASSERT(!is(there, MAP(b, LIST(MAP(b, MAP(two, two, one, two), a, two)), a, one)));
	CU_ASSERT(!is(LIST(there, one), LIST(one, back)));
	int order;
	CU_ASSERT(!value_compare(LIST(there, one), LIST(back, two), &order) && order < 0);
	CU_ASSERT_EQUAL(value_compare(LIST(there, one), LIST(MAP(a, one), one), &order), SABIR_WRONG_TYPE);
}

/* One of each kind and worth; each equals itself alone, as a map's value and as its key. */
static void what_is_unequal_is_unequal_in_maps(void)
{
	struct span key = text("k");
	const struct span all[] = {
		SPAN("\x08\x00"),
		integer(0),
		integer(-1),
		natural(UINT64_MAX),
		real(-0x1p63),
		real(0x1p64),
		real(0.5),
		real(NAN),
		real(INFINITY),
		text(""),
		text("0"),
		SPAN("\x3a\x00"),
		SPAN("\x3a\x01\x30"),
		list(NULL, 0),
		map(NULL, 0),
		LIST(integer(0)),
		LIST(list(NULL, 0)),
		SPAN("\x52\x02\x08\x05"),
		SPAN("\x52\x02\x10\x05"),
		SPAN("\x52\x00"),
		SPAN("\x5a\x02\x10\x05"),
		SPAN("\x5a\x03\x0a\x01\x05"),
		SPAN("\x62\x03\x0a\x01t"),
		SPAN("\x62\x06\x0a\x01t\x12\x01t"),
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			CU_ASSERT_EQUAL(is(MAP(key, all[i]), MAP(key, all[k])), i == k);
			CU_ASSERT_EQUAL(is(MAP(all[i], key, key, key), MAP(key, key, all[k], key)), i == k);
		}
	}
	CU_ASSERT(is(MAP(key, real(-0.0), text(""), key), MAP(text(""), key, key, integer(0))));
	CU_ASSERT(is(MAP(key, real(NAN), text(""), key), MAP(text(""), key, key, real(-NAN))));
	/* absent and empty are one in a message's fields */
	CU_ASSERT(is(MAP(key, SPAN("\x62\x03\x0a\x01t"), text(""), key),
		     MAP(text(""), key, key, SPAN("\x62\x05\x12\x00\x0a\x01t"))));
	CU_ASSERT(is(MAP(key, SPAN("\x52\x00"), text(""), key), MAP(text(""), key, key, SPAN("\x52\x02\x08\x00"))));
}

/* As deep as a Value may be. */
static void the_deepest_map_is_compared(void)
{
	struct span a = text("a"), b = text("b"), there = MAP(a, a, b, b), back = MAP(b, b, a, a);
	for (int depth = 4; depth < VALUE_MAX_DEPTH; depth += 2) {
		there = LIST(there);
		back = LIST(back);
	}
	CU_ASSERT_EQUAL(value_check(there), SABIR_OK);
	CU_ASSERT_EQUAL(value_check(LIST(there)), SABIR_INVALID_VALUE);
	CU_ASSERT(is(there, back));
}

/* What stands in shared memory may be damaged. */
static void what_is_no_value_is_equal_to_nothing(void)
{
	struct span a = text("a"), b = text("b"), bad = SPAN("\x00");
	CU_ASSERT(!is(MAP(a, bad, b, b), MAP(b, b, a, bad)));
	CU_ASSERT(!is(MAP(bad, a, b, b), MAP(b, b, bad, a)));
	CU_ASSERT(!is(SPAN("\x4a\x02\x0a\x09"), MAP(a, b)));
	CU_ASSERT(!is(MAP(a, b), SPAN("\x4a\x02\x0a\x09")));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "numbers_of_all_kinds_are_ordered_by_value", numbers_of_all_kinds_are_ordered_by_value },
		{ "equal_numbers_are_equal_whatever_their_kind", equal_numbers_are_equal_whatever_their_kind },
		{ "text_and_lists_have_their_order", text_and_lists_have_their_order },
		{ "what_python_does_not_compare_has_no_order", what_python_does_not_compare_has_no_order },
		{ "maps_are_equal_in_any_order_of_their_entries", maps_are_equal_in_any_order_of_their_entries },
		{ "maps_are_equal_at_any_depth", maps_are_equal_at_any_depth },
		{ "what_is_unequal_is_unequal_in_maps", what_is_unequal_is_unequal_in_maps },
		{ "the_deepest_map_is_compared", the_deepest_map_is_compared },
		{ "what_is_no_value_is_equal_to_nothing", what_is_no_value_is_equal_to_nothing },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "value_order", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };
	if (CU_initialize_registry() || CU_register_suites(suites))
		return 1;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failures = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures;
}
