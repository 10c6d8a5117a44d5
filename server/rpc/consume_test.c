/* SPDX-License-Identifier: Apache-2.0 */
/* QueueService.Consume of plain queues. */
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

static void consume(struct ask *ask, uint64_t credit, uint64_t max_items)
{
	struct form form = form_consume("q", credit, max_items);
	flow_open(&kit, ask, CONSUME, &form);
}

static void acknowledge(struct ask *ask, uint64_t n)
{
	struct form form = form_one(5, n);
	flow_say(ask, form_span(&form));
}

static bool hears(struct ask *ask, const char *letters)
{
	if (!flow_hear(ask))
		return false;
	bool good = !strcmp(flow_items(ask), letters);
	if (!good)
		printf("\n    %s, not %s", flow_items(ask), letters);
	return good;
}

static void ends(struct ask *ask, grpc_status_code status, const char *reason)
{
	CU_ASSERT_FALSE(flow_hear(ask));
	CU_ASSERT_EQUAL(ask_close(ask), status);
	CU_ASSERT_STRING_EQUAL(ask->reason, reason);
}

/* ---------------------------------------------------------------- */

static void items_come_as_long_as_there_is_credit(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "abcdef");
	consume(&ask, 3, 2);
	CU_ASSERT(hears(&ask, "ab"));
	CU_ASSERT(hears(&ask, "c"));
	CU_ASSERT_EQUAL(kit_size(&kit, "q", 1), 3);
	CU_ASSERT_EQUAL(kit_size(&kit, "q", 7), 3);
	acknowledge(&ask, 2);
	CU_ASSERT(hears(&ask, "de"));
	acknowledge(&ask, 5);
	CU_ASSERT(hears(&ask, "f"));
	acknowledge(&ask, 6);
	kit_put_letters(&kit, "q", "g");
	CU_ASSERT(hears(&ask, "g"));
	acknowledge(&ask, 7);
	flow_say_last(&ask);
	ends(&ask, GRPC_STATUS_OK, "");
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "");
	kit_delete_name(&kit, "q");
}

static void what_was_not_acknowledged_goes_back_to_its_place(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "abcdef");
	consume(&ask, 4, 4);
	CU_ASSERT(hears(&ask, "abcd"));
	acknowledge(&ask, 1);
	CU_ASSERT(hears(&ask, "e"));
	flow_break(&ask);
	kit_await_outstanding(&kit, "q", 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "bcdef");
	kit_delete_name(&kit, "q");
}

/* The server has taken them, perhaps, but the client does not know of it. */
static void a_client_that_goes_at_any_moment_loses_nothing(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "abcdef");
	for (int i = 0; i < 200; i++) {
		consume(&ask, 1 + (uint64_t)i % 5, 1);
		for (int k = 0; k < i % 4 && k < 1 + i % 5; k++)
			CU_ASSERT(flow_hear(&ask));
		flow_break(&ask);
	}
	kit_await_outstanding(&kit, "q", 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "abcdef");
	kit_delete_name(&kit, "q");
}

static void what_one_lets_go_another_gets_first(void)
{
	struct ask first, second;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "abcdef");
	consume(&first, 2, 2);
	CU_ASSERT(hears(&first, "ab"));
	consume(&second, 2, 2);
	CU_ASSERT(hears(&second, "cd"));
	flow_break(&first);
	kit_await_outstanding(&kit, "q", 2);
	acknowledge(&second, 2);
	CU_ASSERT(hears(&second, "ab"));
	acknowledge(&second, 4);
	CU_ASSERT(hears(&second, "ef"));
	flow_break(&second);
	kit_await_outstanding(&kit, "q", 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "ef");
	kit_delete_name(&kit, "q");
}

static void two_that_wait_are_served_by_turns(void)
{
	struct ask first, second;
	kit_create_queue(&kit, "q", 0);
	consume(&first, 100, 1);
	kit_await_waiting(&kit, 1);
	consume(&second, 100, 1);
	kit_await_waiting(&kit, 2);
	for (char letter[] = "a"; *letter <= 'j'; ++*letter) {
		kit_put_letters(&kit, "q", letter);
		CU_ASSERT(hears((*letter - 'a') % 2 ? &second : &first, letter));
		kit_await_waiting(&kit, 2);
	}
	flow_break(&first);
	flow_break(&second);
	kit_await_outstanding(&kit, "q", 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "abcdefghij");
	kit_delete_name(&kit, "q");
}

static void a_closed_queue_ends_it_behind_its_last_acknowledgement(void)
{
	struct ask ask, other;
	struct form form = form_on("q");
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "ab");
	consume(&other, 1, 1);
	CU_ASSERT(hears(&other, "a"));
	consume(&ask, 9, 9);
	CU_ASSERT(hears(&ask, "b"));
	kit_ask_fine(&kit, KIT_CLOSE, &form);
	acknowledge(&ask, 1);
	kit_await_outstanding(&kit, "q", 1); /* the other's, which may come back */
	flow_break(&other);
	CU_ASSERT(hears(&ask, "a"));
	acknowledge(&ask, 2);
	ends(&ask, GRPC_STATUS_FAILED_PRECONDITION, "CLOSED");
	kit_delete_name(&kit, "q");
}

static void held_items_keep_producers_out(void)
{
	struct ask ask, put;
	struct form form = form_put("q", "c");
	kit_create_queue(&kit, "q", 2);
	kit_put_letters(&kit, "q", "ab");
	consume(&ask, 2, 2);
	CU_ASSERT(hears(&ask, "ab"));
	ask_begin(&kit, &put, 1, KIT_PUT, form_span(&form));
	kit_await_waiting(&kit, 2); /* and the consumer, for the end of the queue */
	acknowledge(&ask, 1);
	CU_ASSERT_EQUAL(ask_finish(&put), GRPC_STATUS_OK);
	CU_ASSERT(hears(&ask, "c"));
	flow_break(&ask);
	kit_delete_name(&kit, "q");
}

static void a_deleted_queue_ends_it(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "a");
	consume(&ask, 9, 9);
	CU_ASSERT(hears(&ask, "a"));
	kit_delete_name(&kit, "q");
	ends(&ask, GRPC_STATUS_NOT_FOUND, "DELETED");
}

/* All its credit is used up, so it asks for nothing of which it could be told. */
static void a_deleted_queue_ends_one_without_credit_too(void)
{
	struct ask ask, other;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "abcd");
	consume(&ask, 2, 2);
	CU_ASSERT(hears(&ask, "ab"));
	consume(&other, 2, 2);
	CU_ASSERT(hears(&other, "cd"));
	kit_await_waiting(&kit, 2);
	kit_put_letters(&kit, "q", "e");
	kit_delete_name(&kit, "q");
	ends(&ask, GRPC_STATUS_NOT_FOUND, "DELETED");
	ends(&other, GRPC_STATUS_NOT_FOUND, "DELETED");
	kit_await_waiting(&kit, 0);
}

static void the_end_of_the_clients_messages_ends_one_that_waits(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	consume(&ask, 1, 1);
	kit_await_waiting(&kit, 1);
	flow_say_last(&ask);
	ends(&ask, GRPC_STATUS_OK, "");
	kit_await_waiting(&kit, 0);
	kit_delete_name(&kit, "q");
}

static void messages_that_make_no_sense_are_refused(void)
{
	const struct form bad[] = { form_one(2, 1), form_consume("q", 0, 0), form_consume("q", 65537, 0),
				    form_one(1, 1), form_one(4, 1) };
	const struct form later[] = { form_consume("q", 1, 1), form_one(5, 2), form_one(6, 1), form_one(2, 9) };
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		flow_open(&kit, &ask, CONSUME, &bad[i]);
		ends(&ask, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT");
	}
	kit_put_letters(&kit, "q", "a");
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		consume(&ask, 1, 1);
		CU_ASSERT(hears(&ask, "a"));
		flow_say(&ask, form_span(&later[i]));
		ends(&ask, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT");
	}
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "a");
	kit_delete_name(&kit, "q");
}

/* One that does not read gets no more than fits on the way; the rest is another's. */
static void a_consumer_that_does_not_read_is_not_filled(void)
{
	enum { N = 400, LEN = 32 << 10 };
	static uint8_t big[LEN + 64];
	struct ask lazy, eager;
	uint64_t queue = 0, got = 0;
	uint32_t accepted;
	kit_create_queue(&kit, "q", 0);
	CU_ASSERT_EQUAL(object_open(&kit.lane, (struct span){ (const uint8_t *)"q", 1 }, &queue), SABIR_OK);
	uint8_t *end = wire_put_tag(big, 6, WIRE_LEN);
	end = wire_put_varint(end, LEN);
	const struct queue_item item = { .body = { big, (size_t)(end - big) + LEN } };
	for (int i = 0; i < N; i++)
		CU_ASSERT_EQUAL(queue_put(&kit.lane, queue, &item, 1, &accepted), SABIR_OK);
	consume(&lazy, 65536, 1);
	consume(&eager, 65536, 1);
	while (got < N / 2 && flow_hear(&eager))
		got++;
	CU_ASSERT_EQUAL(got, N / 2);
	flow_break(&lazy);
	while (got < N && flow_hear(&eager))
		got++;
	CU_ASSERT_EQUAL(got, N);
	acknowledge(&eager, N);
	kit_await_outstanding(&kit, "q", 0);
	flow_break(&eager);
	kit_delete_name(&kit, "q");
}

static void a_lock_in_the_way_is_waited_for(void)
{
	struct ask ask;
	struct lane holder = kit_lane(&kit.seg);
	uint64_t queue = 0;
	kit_create_queue(&kit, "q", 0);
	CU_ASSERT_EQUAL(object_open(&kit.lane, (struct span){ (const uint8_t *)"q", 1 }, &queue), SABIR_OK);
	kit_put_letters(&kit, "q", "abc");
	consume(&ask, 2, 2);
	CU_ASSERT(hears(&ask, "ab"));
	uint64_t *lock = &kit.seg.objects[object_index(queue)].lock;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	flow_break(&ask);
	kit_await_waiting(&kit, 1); /* it could not give back what it held */
	CU_ASSERT_EQUAL(kit_size(&kit, "q", 7), 2);
	kit_let_go(&holder, lock);
	kit_await_outstanding(&kit, "q", 0);
	kit_await_waiting(&kit, 0);
	CU_ASSERT_STRING_EQUAL(kit_drain_letters(&kit, "q"), "abc");
	kit_lane_close(&holder);
	kit_delete_name(&kit, "q");
}

static void draining_gives_everything_back(void)
{
	struct ask ask;
	kit_create_queue(&kit, "q", 0);
	kit_put_letters(&kit, "q", "abc");
	consume(&ask, 9, 2);
	CU_ASSERT(hears(&ask, "ab"));
	CU_ASSERT(hears(&ask, "c"));
	kit_await_waiting(&kit, 1);
	struct queue_size size;
	uint64_t queue = 0;
	CU_ASSERT_EQUAL(object_open(&kit.lane, (struct span){ (const uint8_t *)"q", 1 }, &queue), SABIR_OK);
	rpc_drain(kit.rpc);
	ends(&ask, GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE");
	CU_ASSERT_EQUAL(queue_size(&kit.lane, queue, &size), SABIR_OK);
	CU_ASSERT_EQUAL(size.size, 3);
	CU_ASSERT_EQUAL(size.held, 0);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(items_come_as_long_as_there_is_credit),
		KIT_TEST(what_was_not_acknowledged_goes_back_to_its_place),
		KIT_TEST(a_client_that_goes_at_any_moment_loses_nothing),
		KIT_TEST(what_one_lets_go_another_gets_first),
		KIT_TEST(two_that_wait_are_served_by_turns),
		KIT_TEST(a_closed_queue_ends_it_behind_its_last_acknowledgement),
		KIT_TEST(held_items_keep_producers_out),
		KIT_TEST(a_deleted_queue_ends_it),
		KIT_TEST(a_deleted_queue_ends_one_without_credit_too),
		KIT_TEST(the_end_of_the_clients_messages_ends_one_that_waits),
		KIT_TEST(messages_that_make_no_sense_are_refused),
		KIT_TEST(a_consumer_that_does_not_read_is_not_filled),
		KIT_TEST(a_lock_in_the_way_is_waited_for),
		KIT_TEST(draining_gives_everything_back),
	};
	return kit_run("rpc, consume", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
