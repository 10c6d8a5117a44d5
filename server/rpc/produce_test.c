/* SPDX-License-Identifier: Apache-2.0 */
/* QueueService.Produce. */
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

static void produce(struct ask *ask, const char *letters)
{
	struct form form = form_items("q", letters);
	flow_open(&kit, ask, PRODUCE, &form);
}

static void more(struct ask *ask, const char *letters)
{
	struct form form = form_items(NULL, letters);
	flow_say(ask, form_span(&form));
}

/* Reads until so many are told as accepted; false: the stream ended before. */
static bool accepted(struct ask *ask, uint64_t n)
{
	while (flow_hear(ask)) {
		CU_ASSERT(flow_number(ask, 1) <= n);
		if (flow_number(ask, 1) == n)
			return true;
	}
	return false;
}

/* Ends the same way whatever was told before. */
static void ends(struct ask *ask, grpc_status_code status, const char *reason)
{
	while (flow_hear(ask))
		;
	CU_ASSERT_EQUAL(ask_close(ask), status);
	CU_ASSERT_STRING_EQUAL(ask->reason, reason);
}

/* ---------------------------------------------------------------- */

static void items_of_all_messages_are_put_in_order(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	produce(&ask, "ab");
	more(&ask, "");
	more(&ask, "cde");
	flow_say_last(&ask);
	CU_ASSERT(accepted(&ask, 5));
	ends(&ask, GRPC_STATUS_OK, "");
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "abcde");
	kit_delete_name(&kit, "q");
}

static void a_full_queue_is_waited_for(void)
{
	struct ask ask, get;
	struct form form = form_on("q");
	kit_create_queue(&kit, "q", 2);
	produce(&ask, "abcde");
	CU_ASSERT(accepted(&ask, 2));
	kit_await_waiting(&kit, 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &get, 1, KIT_GET, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT(ask_holds(&get, "a"));
	CU_ASSERT(accepted(&ask, 3));
	flow_say_last(&ask);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(kit_ask(&kit, &get, 1, KIT_GET, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT(ask_holds(&get, "e"));
	CU_ASSERT(accepted(&ask, 5));
	ends(&ask, GRPC_STATUS_OK, "");
	kit_delete_name(&kit, "q");
}

static void the_item_that_is_refused_is_the_one_behind_the_accepted(void)
{
	struct ask ask;
	struct form form = form_items("q", "abc"), value = { .len = 0 };
	kit_create_queue(&kit, "q", 0);
	form_bytes(&value, 9, "?", 1); /* a map that is none */
	form_form(&form, 2, &value);
	form_item(&form, 'd');
	flow_open(&kit, &ask, PRODUCE, &form);
	CU_ASSERT(accepted(&ask, 3));
	ends(&ask, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_VALUE");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask.message_text, "item 3 of the stream"));
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "abc");
	kit_delete_name(&kit, "q");
}

static void known_dedup_ids_are_accepted_and_dropped(void)
{
	struct ask ask;
	struct form form = { .len = 0 }, spec = { .len = 0 };
	form_bytes(&form, 1, "q", 1);
	form_timeout_ms(&spec, 8, 60000);
	form_form(&form, 10, &spec);
	kit_ask_fine(&kit, KIT_CREATE, &form);
	form = form_items("q", "abc");
	form_bytes(&form, 7, "1", 1);
	form_bytes(&form, 7, "2", 1);
	form_bytes(&form, 7, "1", 1);
	flow_open(&kit, &ask, PRODUCE, &form);
	CU_ASSERT(accepted(&ask, 3));
	CU_ASSERT_EQUAL(flow_number(&ask, 2), 1);
	flow_say_last(&ask);
	ends(&ask, GRPC_STATUS_OK, "");
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "ab");
	kit_delete_name(&kit, "q");
}

static void a_closed_queue_ends_one_that_waits(void)
{
	struct ask ask;
	struct form form = form_on("q");
	kit_create_queue(&kit, "q", 2);
	produce(&ask, "abc");
	CU_ASSERT(accepted(&ask, 2));
	kit_await_waiting(&kit, 1);
	kit_ask_fine(&kit, KIT_CLOSE, &form);
	ends(&ask, GRPC_STATUS_FAILED_PRECONDITION, "CLOSED");
	kit_delete_name(&kit, "q");
}

static void a_deleted_queue_ends_it_and_another_of_that_name_is_not_meant(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	produce(&ask, "a");
	CU_ASSERT(accepted(&ask, 1));
	kit_delete_name(&kit, "q");
	kit_create_queue(&kit, "q", 0);
	more(&ask, "b");
	ends(&ask, GRPC_STATUS_NOT_FOUND, "DELETED");
	CU_ASSERT_EQUAL(kit_size(&kit, "q", 1), 0);
	kit_delete_name(&kit, "q");
}

static void a_broken_stream_has_put_what_it_told_and_no_more_waits(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 2);
	produce(&ask, "abcd");
	CU_ASSERT(accepted(&ask, 2));
	kit_await_waiting(&kit, 1);
	flow_break(&ask);
	kit_await_waiting(&kit, 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "ab");
	kit_delete_name(&kit, "q");
}

static void a_deadline_ends_it(void)
{
	struct ask ask;
	struct form form = form_items("q", "ab");
	kit_create_queue(&kit, "q", 1);
	ask_open(&kit, &ask, 0, PRODUCE, 100);
	flow_say(&ask, form_span(&form));
	ends(&ask, GRPC_STATUS_DEADLINE_EXCEEDED, "");
	kit_await_waiting(&kit, 0);
	kit_delete_name(&kit, "q");
}

static void messages_that_make_no_sense_are_refused(void)
{
	const struct form bad[] = { form_items(NULL, "a"), form_one(1, 5), form_one(2, 5) };
	struct form twice = form_items("q", "b");
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		flow_open(&kit, &ask, PRODUCE, &bad[i]);
		ends(&ask, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT");
	}
	produce(&ask, "a");
	CU_ASSERT(accepted(&ask, 1));
	flow_say(&ask, form_span(&twice));
	ends(&ask, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT");
	CU_ASSERT_EQUAL(kit_size(&kit, "q", 1), 1);
	kit_delete_name(&kit, "q");
	produce(&ask, "a");
	ends(&ask, GRPC_STATUS_NOT_FOUND, "NOT_FOUND");
}

static void draining_ends_it_with_what_was_accepted(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 2);
	produce(&ask, "abc");
	CU_ASSERT(accepted(&ask, 2));
	kit_await_waiting(&kit, 1);
	rpc_drain(kit.rpc);
	ends(&ask, GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE");
	CU_ASSERT_EQUAL(park_count(kit.park), 0);
	produce(&ask, "d");
	ends(&ask, GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE");
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(items_of_all_messages_are_put_in_order),
		KIT_TEST(a_full_queue_is_waited_for),
		KIT_TEST(the_item_that_is_refused_is_the_one_behind_the_accepted),
		KIT_TEST(known_dedup_ids_are_accepted_and_dropped),
		KIT_TEST(a_closed_queue_ends_one_that_waits),
		KIT_TEST(a_deleted_queue_ends_it_and_another_of_that_name_is_not_meant),
		KIT_TEST(a_broken_stream_has_put_what_it_told_and_no_more_waits),
		KIT_TEST(a_deadline_ends_it),
		KIT_TEST(messages_that_make_no_sense_are_refused),
		KIT_TEST(draining_ends_it_with_what_was_accepted),
	};
	return kit_run("rpc, produce", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
