/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over gRPC: who a call acts for, and what goes with a session. */
#include "server/rpc/test_ask.h"

#define OPEN "/sabir.v1.SessionService/Open"
#define KEEP "/sabir.v1.SessionService/KeepAlive"
#define CLOSE "/sabir.v1.SessionService/Close"
#define LIST "/sabir.v1.SessionService/List"
#define END "/sabir.v1.SessionService/End"

static struct kit kit;
static char token[SESSION_TOKEN_LEN + 1];
static uint64_t session_id;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 16 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static uint64_t number_of(struct span message, uint32_t field)
{
	struct wire_field f;
	const uint8_t *at = message.data, *end = at + message.len;
	while (at < end && wire_next(&at, end, &f))
		if (f.number == field)
			return f.bits;
	return 0;
}

static void open_session(uint64_t lease_ms)
{
	struct ask ask;
	struct form form = { .len = 0 };
	form_bytes(&form, 1, "test", 4);
	form_timeout_ms(&form, 2, lease_ms);
	kit.session = kit.thread = NULL;
	CU_ASSERT_EQUAL_FATAL(kit_ask(&kit, &ask, 0, OPEN, form_span(&form)), GRPC_STATUS_OK);
	struct span response = { ask.response, ask.response_len }, text = kit_field(response, 1);
	CU_ASSERT_EQUAL_FATAL(text.len, SESSION_TOKEN_LEN);
	memcpy(token, text.data, text.len);
	session_id = number_of(kit_field(response, 2), 1);
	kit.session = token;
}

static grpc_status_code call_with_token(const char *path, struct ask *ask)
{
	struct form form = { .len = 0 };
	form_bytes(&form, 1, token, SESSION_TOKEN_LEN);
	kit.session = NULL;
	return kit_ask(&kit, ask, 1, path, form_span(&form));
}

static grpc_status_code create_ephemeral(const char *name, struct ask *ask)
{
	struct form form = { .len = 0 };
	form_bytes(&form, 1, name, strlen(name));
	form_number(&form, 3, 1);
	form_bytes(&form, 10, "", 0);
	return kit_ask(&kit, ask, 0, KIT_CREATE, form_span(&form));
}

static grpc_status_code size_of(const char *name, struct ask *ask)
{
	struct form form = form_on(name);
	return kit_ask(&kit, ask, 0, KIT_SIZE, form_span(&form));
}

static void what_is_ephemeral_goes_with_its_session(void)
{
	struct ask ask;
	open_session(0);
	CU_ASSERT_EQUAL(create_ephemeral("mine", &ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("mine", &ask), GRPC_STATUS_OK);
	kit.session = NULL;
	CU_ASSERT_EQUAL(size_of("mine", &ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(call_with_token(CLOSE, &ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(size_of("mine", &ask), GRPC_STATUS_NOT_FOUND);
}

static void what_needs_an_owner_says_so(void)
{
	struct ask ask;
	kit.session = NULL;
	CU_ASSERT_EQUAL(create_ephemeral("nobody's", &ask), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "SESSION_REQUIRED");
}

static void a_token_that_is_not_valid_fails_every_call(void)
{
	struct ask ask;
	kit_create_queue(&kit, "any", 0);
	kit.session = "00112233445566778899aabbccddeeff";
	CU_ASSERT_EQUAL(size_of("any", &ask), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "SESSION_ENDED");
	kit.session = "no token";
	CU_ASSERT_EQUAL(size_of("any", &ask), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "SESSION_ENDED");
	kit.session = NULL;
}

static void a_thread_is_a_number(void)
{
	struct ask ask;
	open_session(0);
	kit.thread = "18446744073709551615";
	CU_ASSERT_EQUAL(size_of("any", &ask), GRPC_STATUS_OK);
	kit.thread = "18446744073709551616";
	CU_ASSERT_EQUAL(size_of("any", &ask), GRPC_STATUS_INVALID_ARGUMENT);
	kit.thread = "-1";
	CU_ASSERT_EQUAL(size_of("any", &ask), GRPC_STATUS_INVALID_ARGUMENT);
	kit.thread = NULL;
	CU_ASSERT_EQUAL(call_with_token(CLOSE, &ask), GRPC_STATUS_OK);
}

static void a_call_that_waits_ends_with_its_session(void)
{
	struct ask get, ask;
	struct form form = form_on("any"), id = { .len = 0 };
	open_session(0);
	ask_begin(&kit, &get, 0, KIT_GET, form_span(&form));
	kit_await_waiting(&kit, 1);
	kit.session = NULL;
	form_number(&id, 1, session_id);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, END, form_span(&id)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&get), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(get.reason, "SESSION_ENDED");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, END, form_span(&id)), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "SESSION_ENDED");
}

static void a_call_that_waits_holds_the_lease(void)
{
	struct ask get, ask;
	struct form form = form_on("any"), item = form_put("any", "late");
	open_session(1);
	ask_begin(&kit, &get, 0, KIT_GET, form_span(&form));
	kit_await_waiting(&kit, 1);
	sessions_expire(kit.sessions, &kit.lane, kit_now() + 5000000000ull);
	kit.session = NULL;
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&item)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(ask_finish(&get), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(ask_holds(&get, "late"));
	CU_ASSERT_EQUAL(call_with_token(CLOSE, &ask), GRPC_STATUS_OK);
}

/* Takes the shortest lease, a second. */
static void a_silent_session_ends(void)
{
	struct ask ask;
	open_session(1);
	CU_ASSERT_EQUAL(create_ephemeral("short", &ask), GRPC_STATUS_OK);
	kit.session = NULL;
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	while (size_of("short", &ask) == GRPC_STATUS_OK && kit_now() < give_up)
		usleep(5000);
	CU_ASSERT_EQUAL(size_of("short", &ask), GRPC_STATUS_NOT_FOUND);
	CU_ASSERT_EQUAL(call_with_token(KEEP, &ask), GRPC_STATUS_FAILED_PRECONDITION);
	CU_ASSERT_STRING_EQUAL(ask.reason, "SESSION_ENDED");
}

static void sessions_are_listed_with_their_address(void)
{
	struct ask ask;
	open_session(0);
	kit.session = NULL;
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, LIST, (struct span){ (const uint8_t *)"", 0 }), GRPC_STATUS_OK);
	struct span session = kit_field((struct span){ ask.response, ask.response_len }, 1);
	CU_ASSERT_EQUAL(number_of(session, 1), session_id);
	CU_ASSERT_TRUE(kit_field(session, 2).len == 4 && !memcmp(kit_field(session, 2).data, "test", 4));
	CU_ASSERT_TRUE(kit_field(session, 3).len >= 5 && !memcmp(kit_field(session, 3).data, "unix:", 5));
	CU_ASSERT_EQUAL(call_with_token(KEEP, &ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(call_with_token(CLOSE, &ask), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(call_with_token(CLOSE, &ask), GRPC_STATUS_FAILED_PRECONDITION);
}

static void who_comes_over_tcp_is_no_operator(void)
{
	struct ask ask;
	struct form id = { .len = 0 };
	open_session(0);
	kit.session = NULL;
	form_number(&id, 1, session_id);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, END, form_span(&id)), GRPC_STATUS_PERMISSION_DENIED);
	CU_ASSERT_STRING_EQUAL(ask.reason, "PERMISSION_DENIED");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask.message_text, "admin-sessions"));
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, LIST, (struct span){ (const uint8_t *)"", 0 }),
			GRPC_STATUS_PERMISSION_DENIED);
	CU_ASSERT_EQUAL(call_with_token(CLOSE, &ask), GRPC_STATUS_OK);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("sessions over gRPC", start, stop);
	CU_ADD_TEST(suite, what_is_ephemeral_goes_with_its_session);
	CU_ADD_TEST(suite, what_needs_an_owner_says_so);
	CU_ADD_TEST(suite, a_token_that_is_not_valid_fails_every_call);
	CU_ADD_TEST(suite, a_thread_is_a_number);
	CU_ADD_TEST(suite, a_call_that_waits_ends_with_its_session);
	CU_ADD_TEST(suite, a_call_that_waits_holds_the_lease);
	CU_ADD_TEST(suite, a_silent_session_ends);
	CU_ADD_TEST(suite, sessions_are_listed_with_their_address);
	CU_ADD_TEST(suite, who_comes_over_tcp_is_no_operator);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
