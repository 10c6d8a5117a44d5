/* SPDX-License-Identifier: Apache-2.0 */
/* QueueService.Consume of task queues: an item, a lease. */
#include "server/rpc/test_flow.h"

static struct kit kit;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 64 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static void create_tasks(void)
{
	struct form form = { .len = 0 }, spec = { .len = 0 };
	form_bytes(&form, 1, "q", 1);
	form_number(&spec, 4, 1);
	form_form(&form, 10, &spec);
	kit_ask_fine(&kit, KIT_CREATE, &form);
}

static void consume(struct ask *ask, uint64_t credit, uint64_t lease_ms)
{
	struct form form = form_consume("q", credit, 0);
	form_timeout_ms(&form, 4, lease_ms);
	flow_open(&kit, ask, CONSUME, &form);
}

/* Number i in a packed field. */
static uint64_t number_at(const struct ask *ask, uint32_t field, int i)
{
	struct span packed = kit_field((struct span){ ask->response, ask->response_len }, field);
	const uint8_t *at = packed.data, *end = at + packed.len;
	uint64_t number = 0;
	for (; at && at < end && i >= 0 && wire_varint(&at, end, &number); i--)
		;
	return i < 0 ? number : 0;
}

static void say_token(struct ask *ask, uint32_t field, uint64_t token)
{
	struct form form = form_one(field, token);
	flow_say(ask, form_span(&form));
}

static void ends(struct ask *ask, grpc_status_code status, const char *reason)
{
	CU_ASSERT_FALSE(flow_hear(ask));
	CU_ASSERT_EQUAL(ask_close(ask), status);
	CU_ASSERT_STRING_EQUAL(ask->reason, reason);
}

/* ---------------------------------------------------------------- */

static void acks_and_nacks_give_credit_back(void)
{
	struct ask ask;
	create_tasks();
	kit_put_letters(&kit, "q", "abc");
	consume(&ask, 2, 60000);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_STRING_EQUAL(flow_items(&ask), "ab");
	uint64_t a = number_at(&ask, 2, 0), b = number_at(&ask, 2, 1);
	CU_ASSERT(a && b && a != b);
	CU_ASSERT_EQUAL(number_at(&ask, 3, 1), 1);
	say_token(&ask, 6, a);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_STRING_EQUAL(flow_items(&ask), "c");
	say_token(&ask, 7, b);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_STRING_EQUAL(flow_items(&ask), "b");
	CU_ASSERT_EQUAL(number_at(&ask, 3, 0), 2);
	flow_break(&ask);
	kit_await_outstanding(&kit, "q", 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "bc");
	kit_delete_name(&kit, "q");
}

static void a_broken_stream_gives_its_leases_back_at_once(void)
{
	struct ask ask;
	create_tasks();
	kit_put_letters(&kit, "q", "abc");
	consume(&ask, 2, 3600000);
	CU_ASSERT(flow_hear(&ask));
	flow_break(&ask);
	kit_await_outstanding(&kit, "q", 0);
	consume(&ask, 9, 3600000);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_STRING_EQUAL(flow_items(&ask), "abc");
	CU_ASSERT_EQUAL(number_at(&ask, 3, 0), 2);
	CU_ASSERT_EQUAL(number_at(&ask, 3, 2), 1);
	flow_say_last(&ask);
	ends(&ask, GRPC_STATUS_OK, "");
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "abc");
	kit_delete_name(&kit, "q");
}

static void a_token_whose_lease_is_over_is_told_and_gives_credit(void)
{
	struct ask ask;
	struct form form = form_on("q");
	create_tasks();
	kit_put_letters(&kit, "q", "ab");
	consume(&ask, 1, 60000);
	CU_ASSERT(flow_hear(&ask));
	uint64_t a = number_at(&ask, 2, 0);
	form_number(&form, 2, a);
	kit_ask_fine(&kit, "/sabir.v1.QueueService/Ack", &form);
	say_token(&ask, 6, a);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_EQUAL(number_at(&ask, 4, 0), a);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_STRING_EQUAL(flow_items(&ask), "b");
	say_token(&ask, 6, 12345);
	CU_ASSERT(flow_hear(&ask));
	CU_ASSERT_EQUAL(number_at(&ask, 4, 0), 12345);
	flow_break(&ask);
	kit_await_outstanding(&kit, "q", 0);
	kit_delete_name(&kit, "q");
}

static void the_end_of_the_session_ends_the_stream_and_its_leases(void)
{
	char token[SESSION_TOKEN_LEN + 1] = "";
	struct ask ask, ended;
	struct form form = { .len = 0 };
	create_tasks();
	kit_put_letters(&kit, "q", "a");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, "/sabir.v1.SessionService/Open", form_span(&form)), GRPC_STATUS_OK);
	memcpy(token, kit_field((struct span){ ask.response, ask.response_len }, 1).data, SESSION_TOKEN_LEN);
	kit.session = token;
	consume(&ask, 9, 3600000);
	kit.session = NULL;
	CU_ASSERT(flow_hear(&ask));
	kit_await_waiting(&kit, 1);
	form_bytes(&form, 1, token, SESSION_TOKEN_LEN);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ended, 1, "/sabir.v1.SessionService/Close", form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_FALSE(flow_hear(&ask));
	(void)ask_close(&ask);
	CU_ASSERT_STRING_EQUAL(ask.reason, "SESSION_ENDED");
	kit_await_outstanding(&kit, "q", 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "a");
	kit_delete_name(&kit, "q");
}

/* Nobody knows which comes first: the item is sent, or was taken in vain. */
static void an_item_that_comes_at_the_end_of_a_stream_goes_back(void)
{
	struct form item = form_items("q", "a");
	create_tasks();
	for (int i = 0; i < 300; i++) {
		struct ask ask, put;
		consume(&ask, 9, 3600000);
		kit_await_waiting(&kit, 1);
		ask_begin(&kit, &put, 1, "/sabir.v1.QueueService/PutMany", form_span(&item));
		flow_say_last(&ask);
		CU_ASSERT_EQUAL_FATAL(ask_finish(&put), GRPC_STATUS_OK);
		if (flow_hear(&ask))
			(void)flow_hear(&ask);
		CU_ASSERT_EQUAL_FATAL(ask_close(&ask), GRPC_STATUS_OK);
		kit_await_outstanding(&kit, "q", 0);
		CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "a");
	}
	kit_delete_name(&kit, "q");
}

static void each_kind_of_queue_says_what_it_needs(void)
{
	struct ask ask;
	struct form form = form_consume("q", 1, 1);
	create_tasks();
	kit_put_letters(&kit, "q", "a");
	flow_open(&kit, &ask, CONSUME, &form);
	ends(&ask, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask.message_text, "lease_duration"));
	kit_delete_name(&kit, "q");
	kit_create_queue(&kit, "q", 0);
	consume(&ask, 1, 1000);
	CU_ASSERT_FALSE(flow_hear(&ask));
	(void)ask_close(&ask);
	CU_ASSERT_STRING_EQUAL(ask.reason, "NOT_ENABLED");
	kit_delete_name(&kit, "q");
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(acks_and_nacks_give_credit_back),
		KIT_TEST(a_broken_stream_gives_its_leases_back_at_once),
		KIT_TEST(a_token_whose_lease_is_over_is_told_and_gives_credit),
		KIT_TEST(the_end_of_the_session_ends_the_stream_and_its_leases),
		KIT_TEST(an_item_that_comes_at_the_end_of_a_stream_goes_back),
		KIT_TEST(each_kind_of_queue_says_what_it_needs),
	};
	return kit_run("rpc, consume with leases", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
