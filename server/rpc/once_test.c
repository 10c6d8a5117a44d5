/* SPDX-License-Identifier: Apache-2.0 */
/* Unary calls with a request id: what an id is, and how much is kept. */
#include "server/objects/answers.h"
#include "server/objects/queue.h"
#include "server/rpc/test_once.h"

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

/* A session that another server has opened on this memory. */
static uint64_t inherit_session(void)
{
	struct sessions *former = sessions_new(&(struct sessions_options){ .seg = &kit.seg }, kit.park);
	struct session_info info;
	CU_ASSERT_FATAL(former && !sessions_open(former, (struct span){ NULL, 0 }, NULL, 0, &info));
	memcpy(token, info.token, sizeof(token));
	sessions_free(former);
	return info.owner;
}

static void adopt_session(uint64_t owner)
{
	CU_ASSERT_FATAL(sessions_adopt(kit.sessions, (uint32_t)owner - 1));
}

static void what_became_of_a_request_may_be_lost(void)
{
	struct ask ask;
	uint64_t before = size_of("once"), owner = inherit_session();
	answer_lose(&kit.seg, owner, 7);
	adopt_session(owner);
	CU_ASSERT_EQUAL(put_as("7", "once", "item", &ask, 0), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "OUTCOME_UNKNOWN");
	CU_ASSERT_EQUAL(put_as("2", "once", "item", &ask, 1), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_EQUAL(size_of("once"), before);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(put_as("8", "once", "item", &ask, i), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("once"), before + 1);
	CU_ASSERT_EQUAL(get_as("9", "once", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static void the_highest_id_may_be_lost_too(void)
{
	struct ask ask;
	uint64_t before = size_of("once"), owner = inherit_session();
	answer_lose(&kit.seg, owner, UINT64_MAX);
	adopt_session(owner);
	CU_ASSERT_EQUAL(put_as("18446744073709551615", "once", "item", &ask, 0), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "OUTCOME_UNKNOWN");
	CU_ASSERT_EQUAL(size_of("once"), before);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

/* As lane_recover makes them of what a dead server was performing. */
static void what_a_former_server_was_performing_has_an_answer_without_a_print(void)
{
	struct ask ask;
	struct lane lane = kit_lane(&kit.seg);
	uint64_t before = size_of("once"), owner = inherit_session();
	struct kept_answer done = { .id = 1, .recovered = true };
	struct kept_answer unknown = { .id = 2, .recovered = true, .error = SABIR_OUTCOME_UNKNOWN };
	CU_ASSERT(!answer_keep(&lane, owner, &done) && !answer_keep(&lane, owner, &unknown));
	lane_close(&lane);
	adopt_session(owner);
	CU_ASSERT_EQUAL(put_as("1", "once", "item", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(put_as("2", "once", "item", &ask, 0), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "OUTCOME_UNKNOWN");
	CU_ASSERT_EQUAL(size_of("once"), before);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

/* A lane of a server that has died behind an operation for the session. */
static uint32_t leave_performed(uint64_t session, uint64_t id)
{
	struct lane lane;
	uint32_t server;
	CU_ASSERT_FATAL(!owner_open(&kit.seg, (uint32_t)getpid(), "former", &server));
	store32_release(&kit.seg.owners[server].flags, SEG_OWNER_SERVER);
	CU_ASSERT_FATAL(!lane_open(&kit.seg, server, &lane));
	lane.actor = (struct actor){ .owner = session, .request = id };
	asked_begins(&lane);
	asked_runs(&lane);
	asked_ends(&lane, SABIR_OK, false, (struct span){ NULL, 0 });
	return server;
}

/* A stopped program was in the way of its repair when the session's answers were loaded. */
static void what_a_former_server_has_done_may_become_known_late(void)
{
	struct ask ask;
	struct lane lane = kit_lane(&kit.seg);
	say(NULL, NULL, NULL);
	kit_create_queue(&kit, "late", 0);
	uint64_t owner = inherit_session();
	uint32_t server = leave_performed(owner, 1);
	adopt_session(owner);
	CU_ASSERT_EQUAL(put_as("2", "late", "item", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(put_as("1", "late", "item", &ask, 0), GRPC_STATUS_UNAVAILABLE);
	CU_ASSERT_EQUAL(owner_recover(&lane, server), SABIR_OK);
	lane_close(&lane);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(put_as("1", "late", "item", &ask, i), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("late"), 1);
	CU_ASSERT_EQUAL(get_as("3", "late", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

static uint64_t session_of_token(void)
{
	struct session *session = use();
	uint64_t owner = session_owner(session);
	session_release(kit.sessions, session);
	return owner;
}

/* On the same memory. */
static void next_server(void)
{
	uint64_t owner = session_of_token();
	await_uses(0);
	grpc_init(); /* so that its threads stay */
	kit_end(&kit);
	CU_ASSERT_FATAL(kit_begin(&kit, (struct rpc_options){ .max_parked = 1024 }));
	grpc_shutdown();
	adopt_session(owner);
}

static void the_next_server_knows_the_answers(void)
{
	struct ask ask, again;
	say(NULL, NULL, NULL);
	kit_create_queue(&kit, "next", 0);
	open_session();
	CU_ASSERT_EQUAL(put_as("5", "next", "item", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(get_as("6", "next", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(get_as("7", "no such queue", &again, 0), GRPC_STATUS_NOT_FOUND);
	next_server();
	CU_ASSERT_EQUAL(put_as("5", "next", "item", &again, 1), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("next"), 0);
	CU_ASSERT_EQUAL(get_as("6", "next", &again, 1), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(again.response_len, ask.response_len);
	CU_ASSERT(!memcmp(again.response, ask.response, ask.response_len));
	CU_ASSERT_EQUAL(get_as("7", "no such queue", &again, 0), GRPC_STATUS_NOT_FOUND);
	CU_ASSERT_EQUAL(put_as("6", "next", "item", &again, 1), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_STRING_EQUAL(again.reason, "REQUEST_REUSED");
	/* Nobody has acknowledged that he has the item. It goes back when the last call has let go of the session. */
	CU_ASSERT_EQUAL(sessions_end(kit.sessions, session_of_token(), &kit.lane), SABIR_OK);
	kit_await_size(&kit, "next", 1);
}

/* Nobody has come to this server for the session. */
static void what_a_former_server_gave_nobody_goes_back_at_the_end(void)
{
	struct ask ask;
	say(NULL, NULL, NULL);
	kit_create_queue(&kit, "unheard", 0);
	open_session();
	CU_ASSERT_EQUAL(put_as("1", "unheard", "item", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(get_as("2", "unheard", &ask, 0), GRPC_STATUS_OK);
	uint64_t owner = session_of_token();
	next_server();
	CU_ASSERT_EQUAL(sessions_end(kit.sessions, owner, &kit.lane), SABIR_OK);
	kit_await_size(&kit, "unheard", 1);
}

static void what_waited_in_a_former_server_is_performed_by_the_next(void)
{
	struct ask ask;
	say(NULL, NULL, NULL);
	kit_create_queue(&kit, "waits", 0);
	open_session();
	begin_get("9", "waits", &ask, 0);
	await_uses(2);
	give_up(&ask);
	next_server();
	begin_get("9", "waits", &ask, 0);
	await_uses(2);
	put("waits", "late");
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

#define LARGE (900u << 10)

static void put_large(const char *queue)
{
	static uint8_t value[VALUE_MAX_HEAD + LARGE];
	const struct queue_item item = { .body = { value, value_head_bytes(VALUE_BINARY, LARGE, value) + LARGE } };
	uint64_t handle;
	CU_ASSERT_FATAL(!object_open(&kit.lane, (struct span){ (const uint8_t *)queue, strlen(queue) }, &handle));
	CU_ASSERT_EQUAL(queue_put_one(&kit.lane, handle, &item), SABIR_OK);
}

/* Of those of 64 MiB nine fit. */
static void answers_take_an_eighth_of_the_memory_at_most(void)
{
	struct ask ask;
	char id[8];
	open_session();
	say(NULL, NULL, NULL);
	kit_create_queue(&kit, "large", 0);
	const uint64_t *lost_below = &kit.seg.sessions[(uint32_t)session_of_token() - 1].lost_below;
	for (unsigned i = 1; i <= 12; i++) {
		put_large("large");
		snprintf(id, sizeof(id), "%u", i);
		CU_ASSERT_EQUAL(get_as(id, "large", &ask, 0), GRPC_STATUS_OK);
		CU_ASSERT_EQUAL(load64_acquire(lost_below), i > 9 ? i + 1 : 0);
	}
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
	open_session();
	put_large("large");
	CU_ASSERT_EQUAL(get_as("1", "large", &ask, 0), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(load64_acquire(&kit.seg.sessions[(uint32_t)session_of_token() - 1].lost_below), 0);
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
	CU_ADD_TEST(suite, an_id_is_for_one_request);
	CU_ADD_TEST(suite, sessions_do_not_share_ids);
	CU_ADD_TEST(suite, what_was_acknowledged_is_forgotten);
	CU_ADD_TEST(suite, what_became_of_a_request_may_be_lost);
	CU_ADD_TEST(suite, the_highest_id_may_be_lost_too);
	CU_ADD_TEST(suite, what_a_former_server_was_performing_has_an_answer_without_a_print);
	CU_ADD_TEST(suite, what_a_former_server_has_done_may_become_known_late);
	CU_ADD_TEST(suite, the_next_server_knows_the_answers);
	CU_ADD_TEST(suite, what_a_former_server_gave_nobody_goes_back_at_the_end);
	CU_ADD_TEST(suite, what_waited_in_a_former_server_is_performed_by_the_next);
	CU_ADD_TEST(suite, answers_take_an_eighth_of_the_memory_at_most);
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
