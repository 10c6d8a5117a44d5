/* SPDX-License-Identifier: Apache-2.0 */
/* Unary calls with a request id whose clients go, or send them again, while they wait or before they have the answer. */
#include "server/rpc/test_once.h"

/* The client has never got the answer, which it is too slow to read; the next try has it. */
static void an_answer_that_was_lost_comes_again(void)
{
	struct ask ask, lost;
	open_session();
	kit_put_huge(&kit, "large");
	struct form form = form_on("large");
	say(token, "1", NULL);
	ask_open(&kit, &lost, 0, KIT_GET, KIT_PATIENCE_MS);
	ask_tell(&lost, form_span(&form));
	kit_await_size(&kit, "large", 0);
	(void)grpc_call_cancel(lost.call, NULL);
	(void)ask_close(&lost);
	await_uses(0);
	CU_ASSERT_EQUAL(size_of("large"), 0);
	CU_ASSERT_EQUAL(get_as("1", "large", &ask, 1), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask.response_len > KIT_HUGE - 100);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void what_waits_for_nobody_is_taken_out(void)
{
	struct ask ask;
	open_session();
	kit_create_queue(&kit, "wait", 0);
	begin_get("1", "wait", &ask, 0);
	kit_await_waiting(&kit, 1);
	give_up(&ask);
	kit_await_waiting(&kit, 0);
	put("wait", "stays");
	CU_ASSERT_EQUAL(size_of("wait"), 1);
	CU_ASSERT_EQUAL(get_as("1", "wait", &ask, 1), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "stays"));
	CU_ASSERT_EQUAL(size_of("wait"), 0);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void two_tries_that_wait_get_one_item(void)
{
	struct ask first, second;
	open_session();
	begin_get("1", "wait", &first, 0);
	await_uses(2);
	begin_get("1", "wait", &second, 1);
	await_uses(3);
	kit_await_waiting(&kit, 1);
	put("wait", "item");
	CU_ASSERT_EQUAL(ask_finish(&first), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&second), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&first, "item") && ask_holds(&second, "item"));
	CU_ASSERT_EQUAL(size_of("wait"), 0);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void a_try_that_goes_takes_nothing_from_the_next(void)
{
	struct ask first, second;
	open_session();
	begin_get("1", "wait", &first, 0);
	await_uses(2);
	begin_get("1", "wait", &second, 1);
	await_uses(3);
	give_up(&first);
	await_uses(2);
	put("wait", "item");
	CU_ASSERT_EQUAL(ask_finish(&second), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&second, "item"));
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void with_more_than_sixteen_tries_the_first_is_let_go(void)
{
	struct ask asks[17];
	open_session();
	begin_get("1", "wait", &asks[0], 0);
	await_uses(2);
	for (uint32_t i = 1; i < 16; i++) {
		begin_get("1", "wait", &asks[i], i % 2);
		await_uses(2 + i);
	}
	begin_get("1", "wait", &asks[16], 0);
	CU_ASSERT_EQUAL(ask_finish(&asks[0]), GRPC_STATUS_RESOURCE_EXHAUSTED);
	CU_ASSERT_STRING_EQUAL(asks[0].reason, "TOO_MANY_REQUESTS");
	put("wait", "item");
	for (int i = 1; i < 17; i++) {
		CU_ASSERT_EQUAL(ask_finish(&asks[i]), GRPC_STATUS_OK);
		CU_ASSERT_TRUE(ask_holds(&asks[i], "item"));
	}
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void at_its_time_a_call_is_answered_and_stays_so(void)
{
	struct ask ask;
	struct form form = form_on("wait");
	open_session();
	form_timeout_ms(&form, 2, 20);
	say(token, "1", NULL);
	CU_ASSERT_NOT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_STRING_EQUAL(ask.reason, "EMPTY");
	put("wait", "late");
	say(token, "1", NULL);
	CU_ASSERT_NOT_EQUAL(kit_ask(&kit, &ask, 1, KIT_GET, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_STRING_EQUAL(ask.reason, "EMPTY");
	CU_ASSERT_EQUAL(size_of("wait"), 1);
	CU_ASSERT_EQUAL(get_as("2", "wait", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void calls_that_wait_end_with_their_session(void)
{
	struct ask first, second;
	open_session();
	begin_get("1", "wait", &first, 0);
	await_uses(2);
	begin_get("1", "wait", &second, 1);
	await_uses(3);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&first), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_EQUAL(ask_finish(&second), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(first.reason, "SESSION_ENDED");
	CU_ASSERT_STRING_EQUAL(second.reason, "SESSION_ENDED");
	CU_ASSERT_EQUAL(get_as("1", "wait", &first, 0), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(first.reason, "SESSION_ENDED");
}

static void what_was_not_acknowledged_goes_back_with_the_session(void)
{
	struct ask ask;
	struct form form = form_on("wait"), close = { .len = 0 };
	open_session();
	put("wait", "kept");
	put("wait", "given back");
	CU_ASSERT_EQUAL(get_as("1", "wait", &ask, 0), GRPC_STATUS_OK);
	say(token, "2", "2");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&form)), GRPC_STATUS_OK);
	say(NULL, NULL, NULL);
	form_bytes(&close, 1, token, SESSION_TOKEN_LEN);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, CLOSE, form_span(&close)), GRPC_STATUS_OK);
	kit_await_size(&kit, "wait", 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "given back"));
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("calls with a request id that wait", start, stop);
	CU_ADD_TEST(suite, an_answer_that_was_lost_comes_again);
	CU_ADD_TEST(suite, what_waits_for_nobody_is_taken_out);
	CU_ADD_TEST(suite, two_tries_that_wait_get_one_item);
	CU_ADD_TEST(suite, a_try_that_goes_takes_nothing_from_the_next);
	CU_ADD_TEST(suite, with_more_than_sixteen_tries_the_first_is_let_go);
	CU_ADD_TEST(suite, at_its_time_a_call_is_answered_and_stays_so);
	CU_ADD_TEST(suite, calls_that_wait_end_with_their_session);
	CU_ADD_TEST(suite, what_was_not_acknowledged_goes_back_with_the_session);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
