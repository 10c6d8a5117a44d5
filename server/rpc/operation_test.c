/* SPDX-License-Identifier: Apache-2.0 */
/* The operations over gRPC: answers, waiting and how it ends, errors and limits. */
#include "server/rpc/test_ask.h"

#define MAX_PARKED 8

static struct kit kit;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = MAX_PARKED });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

/* An item as a local program puts it: an encoded Value. */
static enum sabir_error put_locally(const char *name, const char *text)
{
	uint64_t handle;
	uint32_t accepted;
	struct form value = { .len = 0 };
	form_bytes(&value, 6, text, strlen(text));
	struct queue_item item = { .body = form_span(&value) };
	enum sabir_error error = object_open(&kit.lane, (struct span){ (const uint8_t *)name, strlen(name) }, &handle);
	return error ? error : queue_put(&kit.lane, handle, &item, 1, &accepted);
}

static void begin_get(struct ask *ask, int connection, const char *queue)
{
	struct form form = form_on(queue);
	ask_begin(&kit, ask, connection, KIT_GET, form_span(&form));
}

static void an_item_goes_through_either_socket(void)
{
	struct ask ask;
	kit_create_queue(&kit, "through", 0);
	for (int connection = 0; connection < KIT_N_CONNECTIONS; connection++) {
		struct form put = form_put("through", "bonjour"), get = form_on("through");
		CU_ASSERT_EQUAL(kit_ask(&kit, &ask, connection, KIT_PUT, form_span(&put)), GRPC_STATUS_OK);
		CU_ASSERT_EQUAL(ask.response_len, 0);
		CU_ASSERT_EQUAL(kit_ask(&kit, &ask, !connection, KIT_GET, form_span(&get)), GRPC_STATUS_OK);
		CU_ASSERT_TRUE(ask_holds(&ask, "bonjour"));
	}
}

static void a_large_item_comes_back_whole(void)
{
	static uint8_t request[300000];
	struct ask ask;
	kit_create_queue(&kit, "large", 0);
	struct form head = form_on("large");
	memcpy(request, head.bytes, head.len);
	size_t item_len = 250000, value_len = 1 + wire_varint_size(item_len) + item_len;
	uint8_t *to = request + head.len;
	*to++ = WIRE_TAG(2, WIRE_LEN);
	to = wire_put_varint(to, value_len);
	*to++ = WIRE_TAG(7, WIRE_LEN);
	to = wire_put_varint(to, item_len);
	memset(to, 'x', item_len);
	struct span all = { request, (size_t)(to - request) + item_len };
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, KIT_PUT, all), GRPC_STATUS_OK);
	begin_get(&ask, 1, "large");
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask.response_len, all.len - head.len);
}

static void a_put_in_shared_memory_ends_a_waiting_get(void)
{
	struct ask ask;
	kit_create_queue(&kit, "local", 0);
	begin_get(&ask, 0, "local");
	kit_await_waiting(&kit, 1);
	CU_ASSERT_EQUAL(put_locally("local", "from memory"), SABIR_OK);
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "from memory"));
}

static void one_put_ends_one_get_and_the_first(void)
{
	struct ask first, second;
	struct form put = form_put("fair", "1"), put2 = form_put("fair", "2");
	struct ask ask;
	kit_create_queue(&kit, "fair", 0);
	begin_get(&first, 0, "fair");
	kit_await_waiting(&kit, 1);
	begin_get(&second, 1, "fair");
	kit_await_waiting(&kit, 2);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, KIT_PUT, form_span(&put)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&first), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&first, "1"));
	kit_await_waiting(&kit, 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&put2)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&second), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&second, "2"));
}

static void a_put_waits_for_room(void)
{
	struct ask ask, waiting;
	struct form put = form_put("narrow", "a"), put2 = form_put("narrow", "b"), get = form_on("narrow");
	kit_create_queue(&kit, "narrow", 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&put)), GRPC_STATUS_OK);
	ask_begin(&kit, &waiting, 0, KIT_PUT, form_span(&put2));
	kit_await_waiting(&kit, 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&get)), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "a"));
	CU_ASSERT_EQUAL(ask_finish(&waiting), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&get)), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "b"));
}

static void a_timeout_answers_empty(void)
{
	struct ask ask;
	struct form get = form_on("timeout");
	kit_create_queue(&kit, "timeout", 0);
	form_timeout_ms(&get, 2, 30);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, KIT_GET, form_span(&get)), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "EMPTY");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask.message_text, ": queue 'timeout'"));
	kit_await_waiting(&kit, 0);
}

static void a_deadline_takes_the_get_out(void)
{
	struct ask ask;
	struct form get = form_on("deadline");
	kit_create_queue(&kit, "deadline", 0);
	ask_open(&kit, &ask, 0, KIT_GET, 40);
	ask_send(&ask, form_span(&get), true);
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_DEADLINE_EXCEEDED);
	kit_await_waiting(&kit, 0);
	CU_ASSERT_EQUAL(put_locally("deadline", "kept"), SABIR_OK);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&get)), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "kept"));
}

/* The put follows the cancellation on the same connection and at once, so the two race in the server. */
static void a_cancelled_get_never_takes_the_item_of_a_later_put(void)
{
	struct form get = form_on("cancel"), put = form_put("cancel", "kept");
	kit_create_queue(&kit, "cancel", 0);
	for (int i = 0; i < 200; i++) {
		struct ask cancelled, ask;
		begin_get(&cancelled, 0, "cancel");
		kit_await_waiting(&kit, 1);
		grpc_call_cancel(cancelled.call, NULL);
		CU_ASSERT_EQUAL(ask_finish(&cancelled), GRPC_STATUS_CANCELLED);
		CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&put)), GRPC_STATUS_OK);
		ask_open(&kit, &ask, 0, KIT_GET, KIT_PATIENCE_MS / 4);
		ask_send(&ask, form_span(&get), true);
		CU_ASSERT_EQUAL_FATAL(ask_finish(&ask), GRPC_STATUS_OK);
		kit_await_waiting(&kit, 0);
	}
}

static void a_connection_that_breaks_takes_its_gets_out(void)
{
	struct ask ask;
	kit_create_queue(&kit, "broken", 0);
	grpc_channel *kept = kit.channel[1];
	char address[32];
	snprintf(address, sizeof(address), "127.0.0.1:%d", rpc_port(kit.rpc, 1));
	kit.channel[1] = kit_connect(address);
	begin_get(&ask, 1, "broken");
	kit_await_waiting(&kit, 1);
	grpc_channel_destroy(kit.channel[1]);
	grpc_call_cancel(ask.call, NULL);
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_CANCELLED);
	kit.channel[1] = kept;
	kit_await_waiting(&kit, 0);
}

static void deleting_ends_the_wait(void)
{
	struct ask ask, waiting;
	struct form form = form_on("deleted");
	kit_create_queue(&kit, "deleted", 0);
	begin_get(&waiting, 0, "deleted");
	kit_await_waiting(&kit, 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, KIT_DELETE, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&waiting), GRPC_STATUS_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(waiting.reason, "DELETED");
}

static void more_waiting_calls_than_allowed_are_refused(void)
{
	struct ask waiting[MAX_PARKED], ask;
	kit_create_queue(&kit, "many", 0);
	for (int i = 0; i < MAX_PARKED; i++)
		begin_get(&waiting[i], i % 2, "many");
	kit_await_waiting(&kit, MAX_PARKED);
	begin_get(&ask, 0, "many");
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_RESOURCE_EXHAUSTED);
	CU_ASSERT_STRING_EQUAL(ask.reason, "RESOURCE_EXHAUSTED");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask.message_text, "8 calls wait already"));
	for (int i = 0; i < MAX_PARKED; i++)
		CU_ASSERT_EQUAL(put_locally("many", "x"), SABIR_OK);
	for (int i = 0; i < MAX_PARKED; i++)
		CU_ASSERT_EQUAL(ask_finish(&waiting[i]), GRPC_STATUS_OK);
}

static void an_error_carries_its_reason(void)
{
	struct ask ask;
	struct form get = form_on("nobody/made/this");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, KIT_GET, form_span(&get)), GRPC_STATUS_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(ask.reason, "NOT_FOUND");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask.message_text, "nobody/made/this"));
}

/* As a local program that was stopped within a write. The queue's calls are behind the dict's in the same thread. */
static void a_lock_that_is_not_given_back_stops_only_its_dict(void)
{
	struct ask ask, held;
	uint64_t handle;
	struct form create = { .len = 0 }, set = form_put("held", "key");
	struct form put = form_put("through", "x"), get = form_on("through");
	form_bytes(&create, 1, "held", 4);
	form_bytes(&create, 13, "", 0);
	form_bytes(&set, 3, "\x32\x01v", 3);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_CREATE, form_span(&create)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL_FATAL(object_open(&kit.lane, (struct span){ (const uint8_t *)"held", 4 }, &handle), SABIR_OK);
	uint64_t *lock = &kit.seg.objects[object_index(handle)].lock;
	CU_ASSERT_EQUAL(kit_hold(&kit.lane, lock), SABIR_OK);
	ask_begin(&kit, &held, 0, "/sabir.v1.DictService/Set", form_span(&set));
	kit_await_waiting(&kit, 1);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&put)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_GET, form_span(&get)), GRPC_STATUS_OK);
	kit_let_go(&kit.lane, lock);
	CU_ASSERT_EQUAL(ask_finish(&held), GRPC_STATUS_OK);
}

static void a_malformed_request_is_refused(void)
{
	struct ask ask;
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, (struct span){ (const uint8_t *)"\x0a\xff\xff", 3 }),
			GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ask.reason, "INVALID_ARGUMENT");
}

static void a_call_without_a_message_is_refused(void)
{
	struct ask ask;
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_SIZE, (struct span){ NULL, 0 }), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ask.reason, "INVALID_ARGUMENT");
}

static void an_oversized_message_is_refused(void)
{
	struct ask ask;
	size_t len = (8 << 20);
	uint8_t *bytes = calloc(1, len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, (struct span){ bytes, len }), GRPC_STATUS_RESOURCE_EXHAUSTED);
	free(bytes);
	CU_ASSERT_EQUAL(
		kit_ask(&kit, &ask, 0, "/sabir.v1.ManagerService/List", (struct span){ (const uint8_t *)"", 0 }),
		GRPC_STATUS_OK);
}

/* Its true size would only be known when it fills the memory. */
static void a_compressed_message_is_refused(void)
{
	struct ask ask;
	struct form put = form_put("through", "x");
	grpc_channel *kept = kit.channel[0];
	kit.channel[0] = kit_connect_compressing(kit.socket);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&put)), GRPC_STATUS_UNIMPLEMENTED);
	grpc_channel_destroy(kit.channel[0]);
	kit.channel[0] = kept;
}

static void an_unknown_method_is_unimplemented(void)
{
	struct ask ask;
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, "/sabir.v1.QueueService/Fly", (struct span){ (const uint8_t *)"", 0 }),
			GRPC_STATUS_UNIMPLEMENTED);
	CU_ASSERT_STRING_EQUAL(ask.reason, "UNIMPLEMENTED");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, "/", (struct span){ (const uint8_t *)"x", 1 }),
			GRPC_STATUS_UNIMPLEMENTED);
}

/* Its response is larger than what gRPC lets out to a client that has not asked for it. */
static void a_get_whose_client_has_gone_gives_the_item_back(void)
{
	struct ask get;
	struct form form = form_on("lost");
	kit_put_huge(&kit, "lost");
	ask_open(&kit, &get, 0, KIT_GET, KIT_PATIENCE_MS);
	ask_tell(&get, form_span(&form));
	kit_await_size(&kit, "lost", 0);
	(void)grpc_call_cancel(get.call, NULL);
	CU_ASSERT_EQUAL(ask_close(&get), GRPC_STATUS_CANCELLED);
	kit_await_size(&kit, "lost", 1);
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(an_item_goes_through_either_socket),
		KIT_TEST(a_large_item_comes_back_whole),
		KIT_TEST(a_put_in_shared_memory_ends_a_waiting_get),
		KIT_TEST(one_put_ends_one_get_and_the_first),
		KIT_TEST(a_put_waits_for_room),
		KIT_TEST(a_timeout_answers_empty),
		KIT_TEST(a_deadline_takes_the_get_out),
		KIT_TEST(a_cancelled_get_never_takes_the_item_of_a_later_put),
		KIT_TEST(a_connection_that_breaks_takes_its_gets_out),
		KIT_TEST(deleting_ends_the_wait),
		KIT_TEST(more_waiting_calls_than_allowed_are_refused),
		KIT_TEST(an_error_carries_its_reason),
		KIT_TEST(a_lock_that_is_not_given_back_stops_only_its_dict),
		KIT_TEST(a_malformed_request_is_refused),
		KIT_TEST(a_call_without_a_message_is_refused),
		KIT_TEST(an_oversized_message_is_refused),
		KIT_TEST(a_compressed_message_is_refused),
		KIT_TEST(an_unknown_method_is_unimplemented),
		KIT_TEST(a_get_whose_client_has_gone_gives_the_item_back),
	};
	return kit_run("operations", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
