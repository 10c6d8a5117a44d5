/* SPDX-License-Identifier: Apache-2.0 */
/* SessionService.Session: many requests on one stream, and what becomes of them when it breaks. */
#include "server/rpc/test_stream.h"

static struct kit kit;
static struct talk talk, other;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 1024 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static uint64_t size_of(const char *queue)
{
	struct ask ask;
	struct form form = form_on(queue);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_SIZE, form_span(&form)), GRPC_STATUS_OK);
	return kit_number((struct span){ ask.response, ask.response_len }, 1);
}

static void call_on(const char *path, const char *object, uint64_t tag, struct batch *b)
{
	struct form form = form_on(object);
	batch_call(b, tag, 0, path, form_span(&form));
}

static void put(const char *queue, const char *text)
{
	struct ask ask;
	struct form form = form_put(queue, text);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&form)), GRPC_STATUS_OK);
}

static void answers_come_out_of_order(void)
{
	struct batch b = { .len = 0 };
	kit_create_queue(&kit, "order", 0);
	kit_create_queue(&kit, "other", 0);
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 0, "order");
	batch_put(&b, 2, 0, "other", "x");
	batch_get(&b, 3, 0, "other");
	talk_send(&talk, &b);
	talk_await(&talk, 2);
	CU_ASSERT_FALSE(talk_result(&talk, 2)->failed);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 3), "x"));
	put("order", "late");
	talk_await(&talk, 3);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 1), "late"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

static void a_request_that_fails_does_not_end_the_stream(void)
{
	struct batch b = { .len = 0 };
	talk_open(&kit, &talk, 1, NULL);
	batch_get(&b, 1, 0, "no such queue");
	batch_call(&b, 2, 0, "/sabir.v1.QueueService/Nothing", (struct span){ b.bytes, 0 });
	batch_call(&b, 3, 0, KIT_GET, (struct span){ (const uint8_t *)"\xff\xff", 2 });
	batch_put(&b, 4, 0, "other", "fine");
	batch_get(&b, 5, 0, "other");
	talk_send(&talk, &b);
	talk_await(&talk, 5);
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 1)->reason, "NOT_FOUND");
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 2)->reason, "UNIMPLEMENTED");
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 3)->reason, "INVALID_ARGUMENT");
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 5), "fine"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

static void rubbish_ends_the_stream(void)
{
	static const char *const rubbish[] = { "\xff\xff\xff", "\x12\x7f", "\x12\x02\x08", "\x12\x03\x12\x01",
					       "\x20\x80" };
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		struct batch b = { .len = strlen(rubbish[i]) };
		memcpy(b.bytes, rubbish[i], b.len);
		talk_open(&kit, &talk, 0, NULL);
		talk_send(&talk, &b);
		CU_ASSERT_FALSE(talk_read(&talk));
		CU_ASSERT_EQUAL(ask_close(&talk.ask), GRPC_STATUS_INVALID_ARGUMENT);
		CU_ASSERT_STRING_EQUAL(talk.ask.reason, "INVALID_ARGUMENT");
	}
}

static void a_second_hello_ends_the_stream(void)
{
	struct batch b = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	batch_hello(&b, NULL);
	talk_send(&talk, &b);
	CU_ASSERT_FALSE(talk_read(&talk));
	CU_ASSERT_EQUAL(ask_close(&talk.ask), GRPC_STATUS_INVALID_ARGUMENT);
}

static void what_waits_is_cancelled_by_its_tag(void)
{
	struct batch b = { .len = 0 }, cancel = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 7, 0, "order");
	batch_get(&b, 8, 0, "order");
	talk_send(&talk, &b);
	kit_await_waiting(&kit, 2);
	batch_number(&cancel, 3, 7);
	batch_number(&cancel, 3, 99);
	talk_send(&talk, &cancel);
	talk_await(&talk, 1);
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 7)->reason, "CANCELLED");
	put("order", "for the other");
	talk_await(&talk, 2);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 8), "for the other"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

static void what_waits_ends_with_the_stream(void)
{
	struct batch b = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 0, "order");
	batch_get(&b, 2, 5, "order");
	talk_send(&talk, &b);
	kit_await_waiting(&kit, 2);
	talk_break(&talk);
	kit_await_waiting(&kit, 0);
	put("order", "stays");
	CU_ASSERT_EQUAL(size_of("order"), 1);
	talk_open(&kit, &other, 0, talk.token);
	talk_send(&other, &b);
	talk_await(&other, 1);
	CU_ASSERT_TRUE(result_holds(talk_result(&other, 1), "stays"));
	CU_ASSERT_STRING_EQUAL(other.token, talk.token);
	talk_break(&other);
	kit_await_waiting(&kit, 0);
}

/* The results are on their way when the stream breaks; nobody has read them. */
static void a_request_with_an_id_is_performed_once(void)
{
	struct batch b = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	batch_put(&b, 1, 11, "order", "once");
	batch_get(&b, 2, 12, "order");
	batch_put(&b, 3, 13, "order", "and once");
	talk_send(&talk, &b);
	while (size_of("order") != 1)
		usleep(500);
	talk_break(&talk);
	for (int i = 0; i < 3; i++) {
		talk_open(&kit, &other, i % 2, talk.token);
		talk_send(&other, &b);
		talk_await(&other, 3);
		CU_ASSERT_TRUE(result_holds(talk_result(&other, 2), "once"));
		CU_ASSERT_EQUAL(size_of("order"), 1);
		talk_break(&other);
	}
}

static void a_stream_ends_with_its_session(void)
{
	struct ask ask;
	struct batch b = { .len = 0 };
	struct form id = { .len = 0 };
	kit_create_queue(&kit, "silent", 0);
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 0, "silent");
	talk_send(&talk, &b);
	kit_await_waiting(&kit, 1);
	form_number(&id, 1, talk.session_id);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, "/sabir.v1.SessionService/End", form_span(&id)), GRPC_STATUS_OK);
	while (talk_read(&talk))
		;
	CU_ASSERT_EQUAL(ask_close(&talk.ask), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(talk.ask.reason, "SESSION_ENDED");
	if (talk.n)
		CU_ASSERT_STRING_EQUAL(talk_result(&talk, 1)->reason, "SESSION_ENDED");
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	talk_open(&kit, &other, 0, NULL); /* a session of its own: that one is gone, and its owner soon free */
	CU_ASSERT_EQUAL(talk_close(&other), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(kit_now() < give_up);
}

static void a_token_that_is_not_valid_ends_the_stream(void)
{
	struct batch b = { .len = 0 };
	memset(&talk, 0, sizeof(talk));
	ask_open(&kit, &talk.ask, 0, SESSION_PATH, KIT_PATIENCE_MS);
	batch_hello(&b, "00112233445566778899aabbccddeeff");
	talk_send(&talk, &b);
	CU_ASSERT_FALSE(talk_read(&talk));
	CU_ASSERT_EQUAL(ask_close(&talk.ask), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(talk.ask.reason, "SESSION_ENDED");
}

/* 400 answers of 100 KB each, to a client that does not read: far more than may be made at a time. */
static void a_client_that_does_not_read_is_not_read_from(void)
{
	struct batch b = { .len = 0 };
	struct rpc_counters before, counters;
	struct form peek = form_on("big");
	struct queue_item item = { { NULL, 0 }, { NULL, 0 } };
	uint8_t *large = calloc(1, 100000);
	uint64_t handle;
	uint32_t accepted;
	kit_create_queue(&kit, "big", 0);
	uint8_t *p = wire_put_tag(large, 6, WIRE_LEN);
	p = wire_put_varint(p, 99990);
	item.body = (struct span){ large, (size_t)(p - large) + 99990 };
	CU_ASSERT_EQUAL(object_open(&kit.lane, (struct span){ (const uint8_t *)"big", 3 }, &handle), SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&kit.lane, handle, &item, 1, &accepted), SABIR_OK);
	for (uint64_t i = 0; i < 400; i++)
		batch_call(&b, i + 1, 0, "/sabir.v1.QueueService/Peek", form_span(&peek));
	rpc_counters(kit.rpc, &before);
	talk_open(&kit, &talk, 0, NULL);
	talk_send(&talk, &b);
	put("other", "a call that comes behind it is served");
	rpc_counters(kit.rpc, &counters);
	CU_ASSERT_TRUE(counters.calls - before.calls < 300);
	talk_await(&talk, 400);
	CU_ASSERT_EQUAL(talk_result(&talk, 400)->response_len > 99990, true);
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
	free(large);
}

/* Answers that the client never reads: with those behind them they are more than gRPC lets out. */
static void what_was_got_for_nobody_is_back_in_its_place(void)
{
	struct batch b = { .len = 0 };
	struct form peek = form_on("huge");
	kit_put_huge(&kit, "huge");
	kit_create_queue(&kit, "place", 0);
	put("place", "first");
	put("place", "second");
	put("place", "third");
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 31, 0, "place");
	batch_get(&b, 32, 0, "place");
	batch_call(&b, 34, 0, "/sabir.v1.QueueService/Peek", form_span(&peek));
	talk_send(&talk, &b);
	kit_await_size(&kit, "place", 1);
	talk_break(&talk);
	kit_await_size(&kit, "place", 3);
	talk_open(&kit, &talk, 0, NULL);
	b.len = 0;
	batch_get(&b, 1, 0, "place");
	batch_get(&b, 2, 0, "place");
	batch_get(&b, 3, 0, "place");
	talk_send(&talk, &b);
	talk_await(&talk, 3);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 1), "first"));
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 2), "second"));
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 3), "third"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

static void create(const char *name, uint32_t kind)
{
	struct object_spec spec = { .kind = kind, .length = kind == SEG_KIND_SEMAPHORE };
	uint64_t handle;
	CU_ASSERT_EQUAL_FATAL(
		object_create(&kit.lane, (struct span){ (const uint8_t *)name, strlen(name) }, &spec, false, &handle),
		SABIR_OK);
}

#define ACQUIRE_LOCK "/sabir.v1.LockService/Acquire"
#define ACQUIRE_SEMAPHORE "/sabir.v1.SemaphoreService/Acquire"

/* The session goes on; only the stream on which it had acquired has broken, unread. */
static void what_was_acquired_for_nobody_is_free(void)
{
	struct batch b = { .len = 0 }, again = { .len = 0 };
	struct form peek = form_on("huge");
	create("lock", SEG_KIND_LOCK);
	create("semaphore", SEG_KIND_SEMAPHORE);
	kit_create_queue(&kit, "mark", 0);
	talk_open(&kit, &talk, 0, NULL);
	call_on(ACQUIRE_LOCK, "lock", 31, &b);
	call_on(ACQUIRE_SEMAPHORE, "semaphore", 32, &b);
	batch_put(&b, 33, 0, "mark", "x");
	batch_call(&b, 34, 0, "/sabir.v1.QueueService/Peek", form_span(&peek));
	talk_send(&talk, &b);
	kit_await_size(&kit, "mark", 1);
	talk_open(&kit, &other, 1, NULL);
	call_on(ACQUIRE_LOCK, "lock", 1, &again);
	call_on(ACQUIRE_SEMAPHORE, "semaphore", 2, &again);
	talk_send(&other, &again);
	kit_await_waiting(&kit, 2);
	talk_break(&talk);
	talk_await(&other, 2);
	CU_ASSERT_FALSE(talk_result(&other, 1)->failed || talk_result(&other, 2)->failed);
	CU_ASSERT_EQUAL(talk_close(&other), GRPC_STATUS_OK);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("the stream of a session", start, stop);
	CU_ADD_TEST(suite, answers_come_out_of_order);
	CU_ADD_TEST(suite, a_request_that_fails_does_not_end_the_stream);
	CU_ADD_TEST(suite, rubbish_ends_the_stream);
	CU_ADD_TEST(suite, a_second_hello_ends_the_stream);
	CU_ADD_TEST(suite, what_waits_is_cancelled_by_its_tag);
	CU_ADD_TEST(suite, what_waits_ends_with_the_stream);
	CU_ADD_TEST(suite, a_request_with_an_id_is_performed_once);
	CU_ADD_TEST(suite, a_stream_ends_with_its_session);
	CU_ADD_TEST(suite, a_token_that_is_not_valid_ends_the_stream);
	CU_ADD_TEST(suite, a_client_that_does_not_read_is_not_read_from);
	CU_ADD_TEST(suite, what_was_got_for_nobody_is_back_in_its_place);
	CU_ADD_TEST(suite, what_was_acquired_for_nobody_is_free);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
