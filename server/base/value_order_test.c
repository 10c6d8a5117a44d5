/* SPDX-License-Identifier: Apache-2.0 */
/* The order of Values is Python's. */
#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

#include "server/base/value_order.h"
#include "server/base/wire.h"

static uint8_t pool[65536];
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

int main(void)
{
	CU_TestInfo tests[] = {
		{ "numbers_of_all_kinds_are_ordered_by_value", numbers_of_all_kinds_are_ordered_by_value },
		{ "equal_numbers_are_equal_whatever_their_kind", equal_numbers_are_equal_whatever_their_kind },
		{ "text_and_lists_have_their_order", text_and_lists_have_their_order },
		{ "what_python_does_not_compare_has_no_order", what_python_does_not_compare_has_no_order },
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
