/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: tokens, leases, use, and the end with all that an owner has.
 */
#include "server/ops/sessions.h"

#include "server/base/clock.h"
#include "server/ops/session_test_kit.h"

#define LEASE (10 * CLOCK_SECOND)

static int setup(void)
{
	return session_kit_begin(&(struct sessions_options){ .max_sessions = 16, .admin = SESSION_ADMIN_ALL });
}

static void open_one(void)
{
	CU_ASSERT_FATAL(sessions_open(all, text("test"), "unix:", LEASE, &opened) == SABIR_OK);
}

/* ---------------------------------------------------------------- tokens */

static void test_a_session_is_an_owner_and_is_found_by_its_token(void)
{
	struct session *session;

	open_one();
	CU_ASSERT(strlen(opened.token) == SESSION_TOKEN_LEN);
	CU_ASSERT(owner_state(entry()) == SEG_OWNER_LIVE);
	CU_ASSERT(ops_seg.owners[(uint32_t)opened.owner - 1].flags == SEG_OWNER_REMOTE);
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	CU_ASSERT(session_owner(session) == opened.owner);
	session_release(all, session);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(owner_state(entry()) == SEG_OWNER_FREE);
	CU_ASSERT(sessions_count(all) == 0);
}

static void test_a_wrong_token_is_no_session(void)
{
	struct session *session;
	char other[SESSION_TOKEN_LEN + 1];

	open_one();
	memcpy(other, opened.token, sizeof(other));
	other[0] = other[0] == '0' ? '1' : '0';
	CU_ASSERT(session_use(all, text(other), &session) == SABIR_SESSION_ENDED);
	other[0] = 'X';
	CU_ASSERT(session_use(all, text(other), &session) == SABIR_SESSION_ENDED);
	CU_ASSERT(session_use(all, text(""), &session) == SABIR_SESSION_ENDED);
	CU_ASSERT(sessions_close(all, text(other), &ops_lane) == SABIR_SESSION_ENDED);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_SESSION_ENDED);
	CU_ASSERT(session_use(all, text(opened.token), &session) == SABIR_SESSION_ENDED);
}

static void test_there_are_no_more_than_max_sessions(void)
{
	struct session_info info[16];

	for (int i = 0; i < 16; i++)
		CU_ASSERT_FATAL(sessions_open(all, text(""), NULL, 0, &info[i]) == SABIR_OK);
	CU_ASSERT(sessions_open(all, text(""), NULL, 0, &opened) == SABIR_TOO_MANY_OWNERS);
	for (int i = 0; i < 16; i++)
		CU_ASSERT(sessions_end(all, info[i].owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(sessions_end(all, info[0].owner, &ops_lane) == SABIR_SESSION_ENDED);
	CU_ASSERT(sessions_count(all) == 0);
}

static void test_sessions_are_listed_by_page(void)
{
	struct session_info info[3], found[2];
	uint64_t cursor = 0;

	for (int i = 0; i < 3; i++)
		CU_ASSERT_FATAL(sessions_open(all, text("a\nb"), "ipv4:1.2.3.4:5", LEASE, &info[i]) == SABIR_OK);
	CU_ASSERT(sessions_list(all, &cursor, found, 2) == 2 && cursor != 0);
	CU_ASSERT(found[0].owner == info[0].owner && found[1].owner == info[1].owner);
	CU_ASSERT(!strcmp(found[0].label, "a?b") && !strcmp(found[0].peer, "ipv4:1.2.3.4:5"));
	CU_ASSERT(found[0].lease_ns == LEASE && found[0].left_ns <= LEASE && !found[0].token[0]);
	CU_ASSERT(sessions_list(all, &cursor, found, 2) == 1 && cursor == 0);
	CU_ASSERT(found[0].owner == info[2].owner);
	for (int i = 0; i < 3; i++)
		CU_ASSERT(sessions_close(all, text(info[i].token), &ops_lane) == SABIR_OK);
}

/* ---------------------------------------------------------------- leases */

static void test_a_session_ends_when_its_lease_is_over(void)
{
	struct session *session;
	uint64_t now = clock_now();

	open_one();
	CU_ASSERT(sessions_next(all) >= now + LEASE && sessions_next(all) <= clock_now() + LEASE);
	sessions_expire(all, &ops_lane, now + LEASE - 1);
	CU_ASSERT(sessions_count(all) == 1);
	sessions_expire(all, &ops_lane, sessions_next(all));
	CU_ASSERT(sessions_count(all) == 0);
	CU_ASSERT(session_use(all, text(opened.token), &session) == SABIR_SESSION_ENDED);
	CU_ASSERT(sessions_next(all) == CLOCK_NEVER);
}

/* What the clients sent meanwhile may be unread: that they were silent is not known. */
static void test_a_server_that_stood_still_lets_every_lease_run_once_more(void)
{
	uint64_t now = clock_now();

	open_one();
	sessions_expire(all, &ops_lane, now + 3 * LEASE);
	CU_ASSERT(sessions_count(all) == 1);
	CU_ASSERT(sessions_next(all) == now + 4 * LEASE);
	/* But only once, where nothing comes then. */
	sessions_expire(all, &ops_lane, now + 9 * LEASE);
	CU_ASSERT(sessions_count(all) == 0);
}

static void test_a_use_begins_the_lease_anew_and_holds_it(void)
{
	struct session *session;
	uint64_t now = clock_now();

	open_one();
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	sessions_expire(all, &ops_lane, now + 100 * LEASE);
	CU_ASSERT(sessions_count(all) == 1);
	CU_ASSERT(sessions_next(all) == now + 101 * LEASE);
	CU_ASSERT(!session_has_ended(all, session));
	session_release(all, session);
	sessions_expire(all, &ops_lane, now + 101 * LEASE);
	CU_ASSERT(sessions_count(all) == 0);
}

static void test_leases_keep_to_the_limits(void)
{
	CU_ASSERT(sessions_open(all, text(""), NULL, 1, &opened) == SABIR_OK);
	CU_ASSERT(opened.lease_ns == SESSION_LEASE_MIN);
	CU_ASSERT(sessions_end(all, opened.owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(sessions_open(all, text(""), NULL, UINT64_MAX, &opened) == SABIR_OK);
	CU_ASSERT(opened.lease_ns == SESSION_LEASE_MAX);
	CU_ASSERT(sessions_end(all, opened.owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(sessions_open(all, text(""), NULL, 0, &opened) == SABIR_OK);
	CU_ASSERT(opened.lease_ns == SESSION_LEASE_DEFAULT);
	CU_ASSERT(sessions_end(all, opened.owner, &ops_lane) == SABIR_OK);
}

/* ---------------------------------------------------------------- the end */

static void test_a_session_that_is_used_is_recovered_when_the_use_ends(void)
{
	struct session *session;

	open_one();
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(session_has_ended(all, session));
	sessions_expire(all, &ops_lane, clock_now());
	CU_ASSERT(owner_state(entry()) == SEG_OWNER_LIVE);
	session_release(all, session);
	CU_ASSERT(sessions_next(all) <= clock_now());
	sessions_expire(all, &ops_lane, clock_now());
	CU_ASSERT(owner_state(entry()) == SEG_OWNER_FREE);
	CU_ASSERT(sessions_count(all) == 0);
}

static enum sabir_error done_error;
static unsigned n_done;

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	(void)response;
	(void)detail;
	session_release(all, context);
	done_error = error;
	n_done++;
}

/* Parks a get on an empty queue for a thread of the session. */
static void park_get(struct session *session, uint64_t thread)
{
	const struct op *op = op_find("/sabir.v1.QueueService/Get");
	uint8_t request[64], name[16], *end;
	uint64_t id;

	end = wire_put_bytes(name, 1, "s/q", 3);
	end = wire_put_bytes(request, 1, name, (size_t)(end - name));
	struct park_entry entry = { .op = op,
				    .request = { request, (size_t)(end - request) },
				    .actor = { .owner = session_owner(session), .thread = thread },
				    .wait = &ops_wait,
				    .deadline_ns = OP_FOREVER,
				    .done = done,
				    .context = session };
	entry.error = op_run(op, &ops_lane, entry.request, &ops_response, &ops_wait, ops_detail);
	CU_ASSERT_FATAL(entry.error == SABIR_EMPTY && ops_wait.wanted);
	CU_ASSERT_FATAL(park_add(park, &ops_lane, &entry, &id) == SABIR_OK);
}

static void test_the_end_of_a_session_ends_its_calls_that_wait(void)
{
	struct session *session, *other;
	struct session_info another;

	CU_ASSERT(ops_call("ManagerService/Create", "name='s/q' queue={}") == SABIR_OK);
	open_one();
	CU_ASSERT_FATAL(sessions_open(all, text(""), NULL, 0, &another) == SABIR_OK);
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	CU_ASSERT_FATAL(session_use(all, text(another.token), &other) == SABIR_OK);
	park_get(session, 7);
	park_get(other, 7);
	n_done = 0;
	CU_ASSERT(sessions_end(all, opened.owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(n_done == 1 && done_error == SABIR_SESSION_ENDED);
	CU_ASSERT(park_count(park) == 1);
	sessions_expire(all, &ops_lane, clock_now());
	CU_ASSERT(sessions_count(all) == 1);
	CU_ASSERT(sessions_end(all, another.owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(n_done == 2 && park_count(park) == 0);
	sessions_expire(all, &ops_lane, clock_now());
	CU_ASSERT(sessions_count(all) == 0);
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='s/q'}") == SABIR_OK);
}

static void test_a_cancel_ends_what_waits_for_one_thread(void)
{
	struct session *session[4];
	uint32_t n;

	CU_ASSERT(ops_call("ManagerService/Create", "name='s/q' queue={}") == SABIR_OK);
	open_one();
	for (uint64_t i = 0; i < 4; i++) {
		CU_ASSERT_FATAL(session_use(all, text(opened.token), &session[i]) == SABIR_OK);
		park_get(session[i], i == 2 ? 8 : 7);
	}
	n_done = 0;
	CU_ASSERT(sessions_cancel(all, text(opened.token), 9, &n) == SABIR_OK && n == 0 && n_done == 0);
	CU_ASSERT(sessions_cancel(all, text(opened.token), 7, &n) == SABIR_OK && n == 3);
	CU_ASSERT(n_done == 3 && done_error == SABIR_CANCELLED && park_count(park) == 1);
	CU_ASSERT(sessions_cancel(all, text(opened.token), 7, &n) == SABIR_OK && n == 0);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(n_done == 4 && done_error == SABIR_SESSION_ENDED && park_count(park) == 0);
	CU_ASSERT(sessions_cancel(all, text(opened.token), 8, &n) == SABIR_SESSION_ENDED);
	sessions_expire(all, &ops_lane, clock_now());
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='s/q'}") == SABIR_OK);
}

static struct session_info successor;

static void hear_nothing(struct session_extra *extra)
{
	(void)extra;
}

/* Called when the owner is free again, and the session that had it not yet forgotten. */
static void open_successor(struct session_extra *extra, struct lane *lane)
{
	(void)extra;
	(void)lane;
	CU_ASSERT_FATAL(sessions_open(all, text("next"), NULL, LEASE, &successor) == SABIR_OK);
}

/* A faulty program has written over the owner of one that lives: what that holds is its own until it ends, and is let go then. */
static void test_an_owner_that_seems_free_is_not_given_to_another(void)
{
	struct session *session;
	struct session_info first;

	CU_ASSERT(owners_remember(&ops_seg) == SABIR_OK);
	open_one();
	first = opened;
	ops_lane.actor.owner = first.owner;
	CU_ASSERT(ops_call("ManagerService/Create", "name='held' lock={}") == SABIR_OK);
	CU_ASSERT(ops_call("LockService/Acquire", "lock={name='held'}") == SABIR_OK);
	ops_lane.actor.owner = lane_own_owner(&ops_lane);
	store64_relaxed(&ops_seg.owners[entry()].word, SEG_OWNER_FREE);
	open_one();
	CU_ASSERT((uint32_t)opened.owner != (uint32_t)first.owner);
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	session_release(all, session);
	CU_ASSERT(ops_call("LockService/Acquire", "lock={name='held'} timeout={}") == SABIR_WOULD_BLOCK);
	CU_ASSERT(sessions_close(all, text(first.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(ops_call("LockService/Acquire", "lock={name='held'} timeout={}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='held'}") == SABIR_OK);
	ops_lane.actor.owner = 0;
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(sessions_count(all) == 0 && owner_state(entry()) == SEG_OWNER_FREE);
	CU_ASSERT(owner_state((uint32_t)first.owner - 1) == SEG_OWNER_FREE);
}

static void test_who_gets_the_owner_of_one_that_ends_is_not_forgotten_with_it(void)
{
	struct session_extra extra = { .ended = hear_nothing, .free = open_successor };
	struct session *session;
	struct session_info found[2];
	uint64_t cursor = 0;

	open_one();
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	(void)session_keep_extra(all, session, &extra);
	session_release(all, session);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT((uint32_t)successor.owner == (uint32_t)opened.owner && successor.owner != opened.owner);
	CU_ASSERT(sessions_list(all, &cursor, found, 2) == 1 && found[0].owner == successor.owner);
	CU_ASSERT(sessions_end(all, successor.owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(sessions_count(all) == 0);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("sessions", setup, session_kit_end);
	CU_ADD_TEST(suite, test_a_session_is_an_owner_and_is_found_by_its_token);
	CU_ADD_TEST(suite, test_a_wrong_token_is_no_session);
	CU_ADD_TEST(suite, test_there_are_no_more_than_max_sessions);
	CU_ADD_TEST(suite, test_sessions_are_listed_by_page);
	CU_ADD_TEST(suite, test_a_session_ends_when_its_lease_is_over);
	CU_ADD_TEST(suite, test_a_server_that_stood_still_lets_every_lease_run_once_more);
	CU_ADD_TEST(suite, test_a_use_begins_the_lease_anew_and_holds_it);
	CU_ADD_TEST(suite, test_leases_keep_to_the_limits);
	CU_ADD_TEST(suite, test_a_session_that_is_used_is_recovered_when_the_use_ends);
	CU_ADD_TEST(suite, test_the_end_of_a_session_ends_its_calls_that_wait);
	CU_ADD_TEST(suite, test_a_cancel_ends_what_waits_for_one_thread);
	CU_ADD_TEST(suite, test_an_owner_that_seems_free_is_not_given_to_another);
	CU_ADD_TEST(suite, test_who_gets_the_owner_of_one_that_ends_is_not_forgotten_with_it);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
