/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines never overflow, and times read as people expect. */
#include "server/base/clock.h"

#include <CUnit/Basic.h>
#include <limits.h>

static void test_a_deadline_is_the_time_out_from_now(void)
{
	uint64_t before = clock_now();
	uint64_t deadline = clock_deadline(CLOCK_SECOND);
	CU_ASSERT_TRUE(deadline >= before + CLOCK_SECOND);
	CU_ASSERT_TRUE(deadline <= clock_now() + CLOCK_SECOND);
}

static void test_a_time_out_too_long_for_the_clock_is_never(void)
{
	CU_ASSERT_EQUAL(clock_deadline(CLOCK_NEVER), CLOCK_NEVER);
	CU_ASSERT_EQUAL(clock_deadline(CLOCK_NEVER - 1), CLOCK_NEVER);
	CU_ASSERT_EQUAL(clock_left(CLOCK_NEVER), CLOCK_NEVER);
}

static void test_a_past_deadline_leaves_nothing(void)
{
	CU_ASSERT_EQUAL(clock_left(0), 0);
	CU_ASSERT_EQUAL(clock_left(clock_now()), 0);
	CU_ASSERT_EQUAL(clock_left_ms(0), 0);
}

static void test_milliseconds_are_rounded_up(void)
{
	/* A microsecond is left for longer than this test takes, or none is. */
	int ms = clock_left_ms(clock_now() + CLOCK_SECOND);
	CU_ASSERT_TRUE(ms <= 1000 && ms > 0);
	CU_ASSERT_EQUAL(clock_left_ms(CLOCK_NEVER), -1);
	CU_ASSERT_EQUAL(clock_left_ms(CLOCK_NEVER - 1), INT_MAX);
}

static void test_wall_clock_text_is_rfc_3339(void)
{
	char text[CLOCK_TEXT_SIZE];
	clock_text(0, text);
	CU_ASSERT_STRING_EQUAL(text, "1970-01-01T00:00:00.000000Z");
	clock_text(1767225599ull * CLOCK_SECOND + 123456789, text);
	CU_ASSERT_STRING_EQUAL(text, "2025-12-31T23:59:59.123456Z");
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("clock", NULL, NULL);
	CU_ADD_TEST(suite, test_a_deadline_is_the_time_out_from_now);
	CU_ADD_TEST(suite, test_a_time_out_too_long_for_the_clock_is_never);
	CU_ADD_TEST(suite, test_a_past_deadline_leaves_nothing);
	CU_ADD_TEST(suite, test_milliseconds_are_rounded_up);
	CU_ADD_TEST(suite, test_wall_clock_text_is_rfc_3339);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
