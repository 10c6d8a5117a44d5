/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with an id on streams: who gets the answer, what the same request is, what an acknowledgement means. */
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

/* Waits until so many calls and streams use the session. */
static void await_uses(const char *token, uint32_t n)
{
	struct session *session;
	struct session_info info;
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	CU_ASSERT_FATAL(!session_use(kit.sessions, (struct span){ (const uint8_t *)token, strlen(token) }, &session));
	do {
		session_describe(kit.sessions, session, &info);
		usleep(200);
	} while (info.n_active != n + 1 && kit_now() < give_up);
	CU_ASSERT_EQUAL(info.n_active, n + 1);
	session_release(kit.sessions, session);
}

static void put(const char *queue, const char *text)
{
	struct ask ask;
	struct form form = form_put(queue, text);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&form)), GRPC_STATUS_OK);
}

static uint64_t size_of(const char *queue)
{
	struct ask ask;
	struct form form = form_on(queue);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_SIZE, form_span(&form)), GRPC_STATUS_OK);
	return kit_number((struct span){ ask.response, ask.response_len }, 1);
}

/* An answer to something else tells that what was sent before it has been begun. */
static void await_begun(struct talk *t, uint64_t tag)
{
	struct batch probe = { .len = 0 };
	size_t n = t->n;
	batch_put(&probe, tag, 0, "other", "probe");
	talk_send(t, &probe);
	talk_await(t, n + 1);
}

static void all_who_asked_get_the_answer(void)
{
	struct batch b = { .len = 0 }, again = { .len = 0 };
	kit_create_queue(&kit, "last", 0);
	kit_create_queue(&kit, "other", 0);
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 21, "last");
	talk_send(&talk, &b);
	kit_await_waiting(&kit, 1);
	talk_open(&kit, &other, 1, talk.token);
	talk_send(&other, &b);
	batch_get(&again, 3, 21, "last");
	talk_send(&other, &again);
	await_begun(&other, 2);
	kit_await_waiting(&kit, 1);
	put("last", "ours");
	talk_await(&talk, 1);
	talk_await(&other, 3);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 1), "ours"));
	CU_ASSERT_TRUE(result_holds(talk_result(&other, 1), "ours"));
	CU_ASSERT_TRUE(result_holds(talk_result(&other, 3), "ours"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(talk_close(&other), GRPC_STATUS_OK);
}

/* Of three places at which it waits one is cancelled, one is on a stream that breaks: the third gets the item. */
static void what_others_wait_for_goes_on(void)
{
	struct batch b = { .len = 0 }, cancel = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 22, "last");
	talk_send(&talk, &b);
	kit_await_waiting(&kit, 1);
	talk_open(&kit, &other, 1, talk.token);
	batch_get(&b, 2, 22, "last");
	talk_send(&other, &b);
	await_begun(&other, 3);
	batch_number(&cancel, 3, 1);
	talk_send(&other, &cancel);
	talk_await(&other, 2);
	CU_ASSERT_STRING_EQUAL(talk_result(&other, 1)->reason, "CANCELLED");
	talk_break(&talk);
	await_uses(other.token, 2); /* the stream, and what waits */
	put("last", "item");
	talk_await(&other, 3);
	CU_ASSERT_TRUE(result_holds(talk_result(&other, 2), "item"));
	CU_ASSERT_EQUAL(talk_close(&other), GRPC_STATUS_OK);
}

static void one_request_does_not_wait_everywhere(void)
{
	struct batch b = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	for (uint64_t tag = 1; tag <= 18; tag++)
		batch_get(&b, tag, 23, "last");
	talk_send(&talk, &b);
	talk_await(&talk, 2);
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 1)->reason, "TOO_MANY_REQUESTS");
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 2)->reason, "TOO_MANY_REQUESTS");
	put("last", "for sixteen");
	talk_await(&talk, 18);
	for (uint64_t tag = 3; tag <= 18; tag++)
		CU_ASSERT_TRUE(result_holds(talk_result(&talk, tag), "for sixteen"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

static void an_id_is_for_one_request_until_it_is_acknowledged(void)
{
	struct batch b = { .len = 0 }, reuse = { .len = 0 }, after = { .len = 0 };
	talk_open(&kit, &talk, 0, NULL);
	batch_put(&b, 1, 31, "last", "a");
	talk_send(&talk, &b);
	talk_await(&talk, 1);
	batch_put(&reuse, 2, 31, "last", "b");
	batch_get(&reuse, 3, 31, "last");
	talk_send(&talk, &reuse);
	talk_await(&talk, 3);
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 2)->reason, "REQUEST_REUSED");
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 3)->reason, "REQUEST_REUSED");
	batch_number(&after, 4, 32);
	batch_put(&after, 4, 31, "last", "a");
	talk_send(&talk, &after);
	talk_await(&talk, 4);
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 4)->reason, "REQUEST_FORGOTTEN");
	CU_ASSERT_EQUAL(size_of("last"), 1);
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

/* The first stream's answer is stuck behind one that its client does not read; the second has it, and says so. */
static void what_was_acknowledged_is_not_undone(void)
{
	struct batch b = { .len = 0 }, again = { .len = 0 }, acknowledge = { .len = 0 };
	struct form peek = form_on("huge");
	kit_put_huge(&kit, "huge");
	kit_create_queue(&kit, "once", 0);
	put("once", "item");
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 41, "once");
	batch_call(&b, 2, 0, "/sabir.v1.QueueService/Peek", form_span(&peek));
	talk_send(&talk, &b);
	kit_await_size(&kit, "once", 0);
	talk_open(&kit, &other, 1, talk.token);
	batch_get(&again, 1, 41, "once");
	talk_send(&other, &again);
	talk_await(&other, 1);
	CU_ASSERT_TRUE(result_holds(talk_result(&other, 1), "item"));
	batch_number(&acknowledge, 4, 42);
	batch_get(&acknowledge, 2, 41, "once");
	talk_send(&other, &acknowledge);
	talk_await(&other, 2);
	CU_ASSERT_STRING_EQUAL(talk_result(&other, 2)->reason, "REQUEST_FORGOTTEN");
	talk_break(&talk);
	await_uses(other.token, 1);
	kit_await_size(&kit, "once", 0);
	CU_ASSERT_EQUAL(talk_close(&other), GRPC_STATUS_OK);
}

#define N_FORGED 14

/*
 * Writes the bytes of both requests from `at` on, which were the same so far, such that FNV-1a takes them for the same:
 * the differences that its xor makes, each times the power of the prime that it comes to, add up to 0.
 */
static void forge(uint64_t h, struct form *one, struct form *two, size_t at)
{
	static const int8_t steps[N_FORGED] = { 9, 3, 7, 4, -6, 7, -11, 3, -10, -2, -12, 17, -4, 1 };
	for (size_t i = 0; i < at; i++)
		h = (h ^ one->bytes[i]) * 1099511628211ull;
	uint64_t g = h;
	for (size_t i = 0; i < N_FORGED; i++) {
		unsigned byte = 0;
		uint64_t from = 0;
		for (; byte < 256; byte++) {
			from = g + ((h ^ byte) - h) - (uint64_t)(int64_t)steps[i];
			if (from >> 8 == g >> 8)
				break;
		}
		CU_ASSERT_FATAL(byte < 256);
		one->bytes[at + i] = (uint8_t)byte;
		two->bytes[at + i] = (uint8_t)(from ^ g);
		h = (h ^ byte) * 1099511628211ull;
		g = from * 1099511628211ull;
	}
	CU_ASSERT_EQUAL_FATAL(h, g);
	CU_ASSERT_NOT_EQUAL_FATAL(memcmp(one->bytes, two->bytes, one->len), 0);
}

/* Whatever their bytes are: so much as a hash of 64 bits, not keyed, can be made to collide by whoever chooses them. */
static void other_bytes_are_another_request(void)
{
	struct batch b = { .len = 0 };
	struct form one = form_on("forged"), two, value = { .len = 0 };
	uint64_t begun = 14695981039346656037ull ^ (uintptr_t)op_find(KIT_PUT);
	kit_create_queue(&kit, "forged", 0);
	form_bytes(&value, 7, "fourteen bytes", N_FORGED);
	form_form(&one, 2, &value);
	two = one;
	forge(begun, &one, &two, one.len - N_FORGED);
	talk_open(&kit, &talk, 0, NULL);
	batch_call(&b, 1, 51, KIT_PUT, form_span(&one));
	batch_call(&b, 2, 51, KIT_PUT, form_span(&two));
	talk_send(&talk, &b);
	talk_await(&talk, 2);
	CU_ASSERT_FALSE(talk_result(&talk, 1)->failed);
	CU_ASSERT_STRING_EQUAL(talk_result(&talk, 2)->reason, "REQUEST_REUSED");
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("requests with an id", start, stop);
	CU_ADD_TEST(suite, all_who_asked_get_the_answer);
	CU_ADD_TEST(suite, what_others_wait_for_goes_on);
	CU_ADD_TEST(suite, one_request_does_not_wait_everywhere);
	CU_ADD_TEST(suite, an_id_is_for_one_request_until_it_is_acknowledged);
	CU_ADD_TEST(suite, what_was_acknowledged_is_not_undone);
	CU_ADD_TEST(suite, other_bytes_are_another_request);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
