/* SPDX-License-Identifier: Apache-2.0 */
/* WatchService.Watch. */
#include "server/rpc/test_flow.h"

#define WATCH "/sabir.v1.WatchService/Watch"

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

/* The last message is its only one, so the stream is opened as a unary call is. */
static void watch(struct ask *ask, const struct form *request)
{
	ask_begin(&kit, ask, 0, WATCH, form_span(request));
}

static uint64_t last_sequence(const struct ask *ask)
{
	return flow_number(ask, 4);
}

static void a_snapshot_then_each_change_in_order(void)
{
	struct ask ask;
	struct form form = form_on("q");
	kit_create_queue(&kit, "q", 0);
	watch(&ask, &form);
	CU_ASSERT(ask_read(&ask));
	CU_ASSERT_EQUAL(flow_number(&ask, 1), 1);
	uint64_t last = last_sequence(&ask);
	for (int i = 0; i < 5; i++) {
		kit_await_waiting(&kit, 1);
		kit_put_letters(&kit, "q", "a");
		CU_ASSERT(flow_hear(&ask));
		CU_ASSERT_EQUAL(flow_number(&ask, 1), 0);
		CU_ASSERT(last_sequence(&ask) > last);
		last = last_sequence(&ask);
	}
	kit_delete_name(&kit, "q");
	CU_ASSERT_FALSE(flow_hear(&ask));
	(void)ask_close(&ask);
	CU_ASSERT_STRING_EQUAL(ask.reason, "DELETED");
}

static void it_goes_on_behind_a_sequence(void)
{
	struct ask ask;
	struct form form = form_on("q"), again = form_on("q");
	kit_create_queue(&kit, "q", 0);
	watch(&ask, &form);
	CU_ASSERT(ask_read(&ask));
	uint64_t last = last_sequence(&ask);
	flow_break(&ask);
	kit_put_letters(&kit, "q", "a");
	form_number(&again, 2, last);
	watch(&ask, &again);
	CU_ASSERT(ask_read(&ask));
	CU_ASSERT_EQUAL(flow_number(&ask, 1), 0);
	CU_ASSERT(last_sequence(&ask) > last);
	flow_break(&ask);
	kit_await_waiting(&kit, 0);
	kit_delete_name(&kit, "q");
}

static void what_is_no_object_ends_it(void)
{
	struct ask ask;
	struct form form = form_on("none"), empty = { .len = 0 };
	watch(&ask, &form);
	CU_ASSERT_FALSE(ask_read(&ask));
	CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_NOT_FOUND);
	watch(&ask, &empty);
	CU_ASSERT_FALSE(ask_read(&ask));
	CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_INVALID_ARGUMENT);
}

static void draining_ends_it(void)
{
	struct ask ask;
	struct form form = form_on("q");
	kit_create_queue(&kit, "q", 0);
	watch(&ask, &form);
	CU_ASSERT(ask_read(&ask));
	kit_await_waiting(&kit, 1);
	rpc_drain(kit.rpc);
	CU_ASSERT_FALSE(flow_hear(&ask));
	CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(ask.reason, "UNAVAILABLE");
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_snapshot_then_each_change_in_order),
		KIT_TEST(it_goes_on_behind_a_sequence),
		KIT_TEST(what_is_no_object_ends_it),
		KIT_TEST(draining_ends_it),
	};
	return kit_run("rpc, watch", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
