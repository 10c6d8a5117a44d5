/* SPDX-License-Identifier: Apache-2.0 */
/* Unary calls with a request id: performed once, whoever dies and however often they are sent. */
#include "server/rpc/asks.h"
#include "server/rpc/test_stream.h"

#define OPEN "/sabir.v1.SessionService/Open"
#define CLOSE "/sabir.v1.SessionService/Close"
#define PEEK "/sabir.v1.QueueService/Peek"

static struct kit kit;
static char token[SESSION_TOKEN_LEN + 1];

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 1024 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

/* ---------------------------------------------------------------- what the stories are told with */

static void say(const char *session, const char *id, const char *acknowledged_below)
{
	kit.session = session;
	kit.request_id = id;
	kit.acknowledged_below = acknowledged_below;
}

static void open_session(void)
{
	struct ask ask;
	struct form form = { .len = 0 };
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, OPEN, form_span(&form)), GRPC_STATUS_OK);
	struct span text = kit_field((struct span){ ask.response, ask.response_len }, 1);
	CU_ASSERT_EQUAL_FATAL(text.len, SESSION_TOKEN_LEN);
	memcpy(token, text.data, text.len);
}

/* As a client does that has all its answers; else what it got goes back. */
static grpc_status_code close_session(void)
{
	struct ask ask;
	struct form form = { .len = 0 };
	say(token, NULL, "18446744073709551615");
	form_bytes(&form, 1, token, SESSION_TOKEN_LEN);
	return kit_ask(&kit, &ask, 1, CLOSE, form_span(&form));
}

static uint64_t size_of(const char *queue)
{
	struct ask ask;
	struct form form = form_on(queue);
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_SIZE, form_span(&form)), GRPC_STATUS_OK);
	return kit_number((struct span){ ask.response, ask.response_len }, 1);
}

static void put(const char *queue, const char *text)
{
	struct ask ask;
	struct form form = form_put(queue, text);
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&form)), GRPC_STATUS_OK);
}

static grpc_status_code put_as(const char *id, const char *queue, const char *text, struct ask *ask, int connection)
{
	struct form form = form_put(queue, text);
	say(token, id, NULL);
	return kit_ask(&kit, ask, connection, KIT_PUT, form_span(&form));
}

static void begin_get(const char *id, const char *queue, struct ask *ask, int connection)
{
	struct form form = form_on(queue);
	say(token, id, NULL);
	ask_begin(&kit, ask, connection, KIT_GET, form_span(&form));
}

static grpc_status_code get_as(const char *id, const char *queue, struct ask *ask, int connection)
{
	begin_get(id, queue, ask, connection);
	return ask_finish(ask);
}

/* As at a broken connection. */
static void give_up(struct ask *ask)
{
	(void)grpc_call_cancel(ask->call, NULL);
	(void)ask_finish(ask);
}

static struct session *use(void)
{
	struct session *session;
	CU_ASSERT_FATAL(
		!session_use(kit.sessions, (struct span){ (const uint8_t *)token, SESSION_TOKEN_LEN }, &session));
	return session;
}

/* Waits until so many calls of the session run or wait: one that is parked counts twice, for itself and its operation. */
static void await_uses(uint32_t n)
{
	struct session *session = use();
	struct session_info info;
	uint64_t give_up_at = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	do {
		session_describe(kit.sessions, session, &info);
		usleep(200);
	} while (info.n_active != n + 1 && kit_now() < give_up_at);
	CU_ASSERT_EQUAL_FATAL(info.n_active, n + 1);
	session_release(kit.sessions, session);
}

static uint32_t n_kept(uint64_t *bytes)
{
	struct session *session = use();
	struct asks *asks = (struct asks *)session_extra(kit.sessions, session);
	CU_ASSERT_PTR_NOT_NULL_FATAL(asks);
	pthread_mutex_lock(&asks->mutex);
	uint32_t n = asks->ids.n;
	*bytes = asks->kept_bytes;
	pthread_mutex_unlock(&asks->mutex);
	session_release(kit.sessions, session);
	return n;
}

/* ---------------------------------------------------------------- once */

static void a_call_that_is_sent_again_is_performed_once(void)
{
	struct ask ask;
	open_session();
	kit_create_queue(&kit, "once", 0);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(put_as("1", "once", "item", &ask, i % 2), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), 1);
	for (int i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(get_as("2", "once", &ask, i % 2), GRPC_STATUS_OK);
		CU_ASSERT_TRUE(ask_holds(&ask, "item"));
	}
	CU_ASSERT_EQUAL(size_of("once"), 0);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void an_error_is_an_answer_too(void)
{
	struct ask ask;
	open_session();
	CU_ASSERT_EQUAL(put_as("1", "not yet there", "item", &ask, 0), GRPC_STATUS_NOT_FOUND);
	say(NULL, NULL, NULL);
	kit_create_queue(&kit, "not yet there", 0);
	CU_ASSERT_EQUAL(put_as("1", "not yet there", "item", &ask, 1), GRPC_STATUS_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(ask.reason, "NOT_FOUND");
	CU_ASSERT_EQUAL(size_of("not yet there"), 0);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void a_stream_and_a_call_ask_for_the_same(void)
{
	struct ask ask;
	struct talk talk;
	struct batch b = { .len = 0 };
	open_session();
	put("once", "shared");
	CU_ASSERT_EQUAL(get_as("5", "once", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&ask, "shared"));
	say(NULL, NULL, NULL);
	talk_open(&kit, &talk, 1, token);
	batch_get(&b, 1, 5, "once");
	batch_put(&b, 2, 6, "once", "one more");
	talk_send(&talk, &b);
	talk_await(&talk, 2);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 1), "shared"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(put_as("6", "once", "one more", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), 1);
	CU_ASSERT_EQUAL(get_as("7", "once", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

/* ---------------------------------------------------------------- waiting */

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

/* ---------------------------------------------------------------- what an id is */

static void an_id_is_for_one_request(void)
{
	struct ask ask;
	struct form form = form_on("once");
	open_session();
	CU_ASSERT_EQUAL(put_as("1", "once", "a", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(put_as("1", "once", "b", &ask, 1), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ask.reason, "REQUEST_REUSED");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_SIZE, form_span(&form)), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ask.reason, "REQUEST_REUSED");
	kit.thread = "7";
	CU_ASSERT_EQUAL(put_as("1", "once", "a", &ask, 0), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ask.reason, "REQUEST_REUSED");
	kit.thread = NULL;
	CU_ASSERT_EQUAL(put_as("1", "once", "a", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), 1);
	CU_ASSERT_EQUAL(get_as("2", "once", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void sessions_do_not_share_ids(void)
{
	struct ask ask;
	open_session();
	CU_ASSERT_EQUAL(put_as("1", "once", "a", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
	open_session();
	CU_ASSERT_EQUAL(put_as("1", "once", "b", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), 2);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void what_was_acknowledged_is_forgotten(void)
{
	struct ask ask;
	struct form form = form_on("once");
	uint64_t bytes;
	open_session();
	CU_ASSERT_EQUAL(get_as("3", "once", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(n_kept(&bytes), 1);
	say(token, NULL, "4");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, KIT_SIZE, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(n_kept(&bytes), 0);
	CU_ASSERT_EQUAL(bytes, 0);
	CU_ASSERT_EQUAL(get_as("3", "once", &ask, 0), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "REQUEST_FORGOTTEN");
	CU_ASSERT_EQUAL(size_of("once"), 1);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void expect_invalid(const char *path)
{
	struct ask ask;
	struct form form = form_on("once");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, path, form_span(&form)), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(ask.reason, "INVALID_ARGUMENT");
}

static void metadata_that_make_no_sense_are_refused(void)
{
	static const char *const no_numbers[] = { "", "x", "-1", "0x10", "18446744073709551616", "1 " };
	open_session();
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(no_numbers[0]); i++) {
		say(token, no_numbers[i], NULL);
		expect_invalid(KIT_SIZE);
		say(token, "1", no_numbers[i]);
		expect_invalid(KIT_SIZE);
	}
	say(NULL, "1", NULL);
	expect_invalid(KIT_SIZE);
	say(NULL, NULL, "1");
	expect_invalid(KIT_SIZE);
	say(token, "1", NULL);
	expect_invalid("/sabir.v1.QueueService/Consume");
	expect_invalid("/sabir.v1.QueueService/Produce");
	expect_invalid("/sabir.v1.WatchService/Watch");
	expect_invalid("/sabir.v1.SessionService/Session");
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void id_0_is_none(void)
{
	struct ask ask;
	open_session();
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(put_as("0", "once", "a", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), 3);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

/* ---------------------------------------------------------------- memory */

#define ROUND 100u

static void ten_thousand_ids_take_no_more_than_a_few(void)
{
	static struct ask asks[ROUND];
	uint64_t bytes;
	char id[24], below[24];
	struct form form = form_on("once");
	open_session();
	for (unsigned from = 1; from < 10000; from += ROUND) {
		snprintf(below, sizeof(below), "%u", from);
		for (unsigned i = 0; i < ROUND; i++) {
			snprintf(id, sizeof(id), "%u", from + i);
			say(token, id, below);
			ask_begin(&kit, &asks[i], (int)i % 2, PEEK, form_span(&form));
		}
		for (unsigned i = 0; i < ROUND; i++)
			CU_ASSERT_EQUAL_FATAL(ask_finish(&asks[i]), GRPC_STATUS_OK);
		CU_ASSERT_EQUAL_FATAL(n_kept(&bytes), ROUND);
	}
	CU_ASSERT_EQUAL(bytes, ROUND * asks[0].response_len);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

/* By streams, which are faster. */
static void ask_for_nothing(uint64_t from, uint64_t to)
{
	struct talk talk;
	say(NULL, NULL, NULL);
	talk_open(&kit, &talk, 0, token);
	for (uint64_t id = from; id < to;) {
		struct batch b = { .len = 0 };
		for (int i = 0; i < 512; i++, id++)
			batch_get(&b, id, id, "no such queue");
		talk_send(&talk, &b);
		talk_await(&talk, id - from);
	}
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

/* A call with one more is refused, and so is not performed. */
static void who_never_acknowledges_is_told_so(void)
{
	struct ask ask;
	struct form form = form_put("once", "more");
	open_session();
	for (uint64_t id = 1; id <= ASKS_MAX_KEPT; id += 4096)
		ask_for_nothing(id, id + 4096);
	CU_ASSERT_EQUAL(put_as("70000", "once", "more", &ask, 1), GRPC_STATUS_RESOURCE_EXHAUSTED);
	CU_ASSERT_STRING_EQUAL(ask.reason, "TOO_MANY_REQUESTS");
	CU_ASSERT_EQUAL(size_of("once"), 3);
	say(token, "70000", "65537");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), 4);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("calls with a request id", start, stop);
	CU_ADD_TEST(suite, a_call_that_is_sent_again_is_performed_once);
	CU_ADD_TEST(suite, an_error_is_an_answer_too);
	CU_ADD_TEST(suite, a_stream_and_a_call_ask_for_the_same);
	CU_ADD_TEST(suite, an_answer_that_was_lost_comes_again);
	CU_ADD_TEST(suite, what_waits_for_nobody_is_taken_out);
	CU_ADD_TEST(suite, two_tries_that_wait_get_one_item);
	CU_ADD_TEST(suite, a_try_that_goes_takes_nothing_from_the_next);
	CU_ADD_TEST(suite, with_more_than_sixteen_tries_the_first_is_let_go);
	CU_ADD_TEST(suite, at_its_time_a_call_is_answered_and_stays_so);
	CU_ADD_TEST(suite, calls_that_wait_end_with_their_session);
	CU_ADD_TEST(suite, what_was_not_acknowledged_goes_back_with_the_session);
	CU_ADD_TEST(suite, an_id_is_for_one_request);
	CU_ADD_TEST(suite, sessions_do_not_share_ids);
	CU_ADD_TEST(suite, what_was_acknowledged_is_forgotten);
	CU_ADD_TEST(suite, metadata_that_make_no_sense_are_refused);
	CU_ADD_TEST(suite, id_0_is_none);
	CU_ADD_TEST(suite, ten_thousand_ids_take_no_more_than_a_few);
	CU_ADD_TEST(suite, who_never_acknowledges_is_told_so);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
