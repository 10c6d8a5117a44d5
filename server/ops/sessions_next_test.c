/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions from one server to the next on the same memory: what goes on, with what, and what of the steps on which a server
 * may die is recovered instead. The former server is a table that is dropped, or a child that dies.
 */
#include "server/base/clock.h"
#include "server/objects/answers.h"
#include "server/objects/mutex.h"
#include "server/ops/session_record.h"
#include "server/ops/session_test_kit.h"

#define LEASE (10 * CLOCK_SECOND)

static int setup(void)
{
	return session_kit_begin(&(struct sessions_options){ .admin = SESSION_ADMIN_ALL });
}

static void open_one(void)
{
	CU_ASSERT_FATAL(sessions_open(all, text("remote"), "ipv4:1.2.3.4:5", LEASE, &opened) == SABIR_OK);
}

/* What a server does that starts: those that go on, and the recovery of all others, and the ends that had begun. Returns how many go on. */
static unsigned take_over(void)
{
	for (uint32_t i = 0; i < ops_seg.n_owners; i++) {
		if (owner_state(i) == SEG_OWNER_FREE || i == ops_lane.owner)
			continue;
		if (!sessions_adopt(all, i))
			CU_ASSERT(owner_recover(&ops_lane, i) == SABIR_OK);
	}
	sessions_expire(all, &ops_lane, clock_now());
	return (unsigned)sessions_count(all);
}

static unsigned next_server(void)
{
	sessions_free(all);
	all = table();
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	return take_over();
}

static bool is_there(const char *token)
{
	struct session *session;
	if (session_use(all, text(token), &session))
		return false;
	session_release(all, session);
	return true;
}

static void end_it(void)
{
	CU_ASSERT(sessions_end(all, opened.owner, &ops_lane) == SABIR_OK);
	CU_ASSERT(owner_state(entry()) == SEG_OWNER_FREE);
}

/* ---------------------------------------------------------------- what goes on */

static void test_a_session_goes_on_with_its_token_in_the_next_server(void)
{
	struct session_info found;
	uint64_t cursor = 0;
	open_one();
	for (int i = 0; i < 3; i++) {
		CU_ASSERT(next_server() == 1);
		CU_ASSERT(sessions_list(all, &cursor, &found, 1) == 1);
		CU_ASSERT(found.owner == opened.owner && found.lease_ns == LEASE);
		CU_ASSERT(!strcmp(found.label, "remote") && !strcmp(found.peer, "ipv4:1.2.3.4:5"));
		CU_ASSERT(found.open_time_ns == opened.open_time_ns);
		CU_ASSERT(is_there(opened.token) && is_there(opened.token));
		cursor = 0;
	}
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(!is_there(opened.token) && next_server() == 0);
}

/* Who can read the memory finds nothing there that he could come with. */
static void test_what_stands_in_the_memory_is_no_token(void)
{
	uint8_t token[TOKEN_SIZE];
	char print[TOKEN_TEXT_LEN + 1];
	open_one();
	token_write(ops_seg.sessions[entry()].print, print);
	CU_ASSERT(strcmp(print, opened.token) != 0 && !is_there(print));
	CU_ASSERT(next_server() == 1);
	CU_ASSERT(!is_there(print) && is_there(opened.token) && !is_there(print));
	CU_ASSERT(token_read(text(opened.token), token));
	CU_ASSERT_PTR_NULL(memmem(ops_seg.base, ops_seg.data_off, token, TOKEN_SIZE));
	end_it();
}

static void test_the_lease_runs_from_the_beginning_and_then_out(void)
{
	open_one();
	uint64_t now = clock_now();
	CU_ASSERT(next_server() == 1);
	CU_ASSERT(sessions_next(all) >= now + LEASE && sessions_next(all) <= clock_now() + LEASE);
	sessions_expire(all, &ops_lane, sessions_next(all));
	CU_ASSERT(sessions_count(all) == 0 && !is_there(opened.token));
	CU_ASSERT(owner_state(entry()) == SEG_OWNER_FREE && next_server() == 0);
}

static void test_a_thousand_sessions_go_on(void)
{
	enum { N = 1000 };
	static struct session_info info[N];
	struct segment small = ops_seg;
	struct lane lane = ops_lane;
	struct segment_options options = { 8 << 20, N + 8, 64, 256, 1 << 20 };
	sessions_free(all);
	CU_ASSERT_FATAL(segment_create(&options, &ops_seg) == SABIR_OK);
	ops_lane = kit_lane(&ops_seg);
	CU_ASSERT(object_init_directory(&ops_lane) == SABIR_OK);
	all = table();
	unsigned n_there = 0;
	for (int i = 0; i < N; i++)
		CU_ASSERT_FATAL(sessions_open(all, text("many"), NULL, 0, &info[i]) == SABIR_OK);
	CU_ASSERT(next_server() == N);
	for (int i = 0; i < N; i++)
		n_there += is_there(info[i].token);
	CU_ASSERT(n_there == N);
	for (int i = 0; i < N; i++)
		CU_ASSERT(sessions_close(all, text(info[i].token), &ops_lane) == SABIR_OK);
	sessions_free(all);
	kit_lane_close(&ops_lane);
	segment_unmap(&ops_seg);
	ops_seg = small;
	ops_lane = lane;
	all = table();
}

/* ---------------------------------------------------------------- what it holds */

static const struct object_spec lock_spec = { .kind = SEG_KIND_LOCK };

static uint64_t make_lock(const char *name)
{
	uint64_t handle = 0;
	CU_ASSERT_FATAL(object_create(&ops_lane, text(name), &lock_spec, false, &handle) == SABIR_OK);
	return handle;
}

static struct mutex_state look(uint64_t lock)
{
	struct mutex_state state = { 0 };
	CU_ASSERT(mutex_look(&ops_lane, lock, &state) == SABIR_OK);
	return state;
}

/* As a thread of a server does it for the session. */
static struct actor act_for_session(void)
{
	struct actor own = ops_lane.actor;
	ops_lane.actor = (struct actor){ .owner = opened.owner };
	return own;
}

static void test_it_keeps_its_locks_and_what_ends_with_it(void)
{
	uint64_t lock = make_lock("kept"), ephemeral, found;
	struct mutex_hold hold;
	open_one();
	struct actor own = act_for_session();
	CU_ASSERT(mutex_take(&ops_lane, lock, &hold) == SABIR_OK);
	CU_ASSERT(object_create(&ops_lane, text("ephemeral"), &lock_spec, true, &ephemeral) == SABIR_OK);
	CU_ASSERT(next_server() == 1);
	CU_ASSERT(look(lock).mine && look(lock).token == hold.token);
	ops_lane.actor = own;
	CU_ASSERT(object_open(&ops_lane, text("ephemeral"), &found) == SABIR_OK && found == ephemeral);
	end_it();
	CU_ASSERT(!look(lock).locked && look(lock).abandoned);
	CU_ASSERT(object_open(&ops_lane, text("ephemeral"), &found) == SABIR_NOT_FOUND);
	CU_ASSERT(object_delete(&ops_lane, lock) == SABIR_OK);
}

static enum sabir_error count_one(void *context, const struct kept_answer *answer)
{
	*(uint64_t *)context += answer->id;
	return SABIR_OK;
}

static void test_its_answers_are_there_for_the_next_server(void)
{
	struct session *session;
	struct answers_state state;
	uint64_t ids = 0;
	open_one();
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	CU_ASSERT(!session_is_adopted(session));
	for (uint64_t id = 3; id < 6; id++)
		CU_ASSERT(answer_keep(&ops_lane, opened.owner, &(struct kept_answer){ .id = id }) == SABIR_OK);
	answers_acknowledged(&ops_seg, opened.owner, 4);
	answer_lose(&ops_seg, opened.owner, 8);
	session_release(all, session);
	CU_ASSERT(next_server() == 1);
	CU_ASSERT_FATAL(session_use(all, text(opened.token), &session) == SABIR_OK);
	CU_ASSERT(session_is_adopted(session));
	CU_ASSERT(answers_load(&ops_lane, opened.owner, &state, count_one, &ids) == SABIR_OK);
	CU_ASSERT(ids == 4 + 5 && state.lost_below == 9 && state.acked_below == 4);
	session_release(all, session);
	uint64_t dict = ops_seg.sessions[entry()].answers;
	end_it();
	struct object_info info;
	CU_ASSERT(object_describe(&ops_lane, dict, &info) == SABIR_DELETED);
	/* The next one in the entry begins anew. */
	open_one();
	CU_ASSERT(answers_load(&ops_lane, opened.owner, &state, count_one, &ids) == SABIR_OK);
	CU_ASSERT(ids == 4 + 5 && state.lost_below == 0 && state.acked_below == 0);
	end_it();
}

/* ---------------------------------------------------------------- what does not go on */

static void test_a_record_of_an_earlier_owner_is_nobodys(void)
{
	uint32_t owner;
	open_one();
	struct seg_session record = ops_seg.sessions[entry()];
	uint32_t was = entry();
	end_it();
	CU_ASSERT_FATAL(owner_open(&ops_seg, 1, "another", &owner) == SABIR_OK && owner == was);
	ops_seg.sessions[owner] = record;
	CU_ASSERT(!sessions_adopt(all, owner));
	ops_seg.owners[owner].flags = SEG_OWNER_REMOTE;
	CU_ASSERT(!sessions_adopt(all, owner));
	CU_ASSERT(!sessions_adopt(all, ops_seg.n_owners));
	CU_ASSERT(owner_recover(&ops_lane, owner) == SABIR_OK);
}

/* The bytes of a record may be anything. */
static void test_a_damaged_record_is_a_session_with_limits(void)
{
	struct session_info found;
	uint64_t cursor = 0;
	open_one();
	struct seg_session *record = &ops_seg.sessions[entry()];
	record->lease_ns = UINT64_MAX;
	memset(record->peer, 'x', sizeof(record->peer));
	memset(ops_seg.owners[entry()].label, 0xff, sizeof(ops_seg.owners[entry()].label));
	CU_ASSERT(next_server() == 1);
	CU_ASSERT(sessions_list(all, &cursor, &found, 1) == 1);
	CU_ASSERT(found.lease_ns == SESSION_LEASE_MAX);
	CU_ASSERT(strlen(found.peer) == SESSION_PEER_SIZE - 1 && strlen(found.label) < SESSION_LABEL_SIZE);
	end_it();
}

/* ---------------------------------------------------------------- deaths */

static void open_act(struct lane *by, void *context)
{
	(void)by, (void)context;
	(void)sessions_open(all, text("opened"), NULL, LEASE, &opened);
}

static void test_a_server_that_dies_while_it_opens_leaves_a_session_or_nothing(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	unsigned n_whole = 0, n_cut = 0;
	CU_ASSERT_FATAL(kit_list_steps(steps, open_act, &ops_lane, NULL));
	CU_ASSERT(next_server() == 1); /* the one that was traced */
	sessions_expire(all, &ops_lane, sessions_next(all));
	for (unsigned i = 0; i < steps->n; i++) {
		CU_ASSERT(kit_die_at(&steps->at[i], open_act, &ops_lane, NULL));
		bool whole = next_server() == 1;
		n_whole += whole;
		n_cut += !whole;
		if (whole)
			sessions_expire(all, &ops_lane, sessions_next(all));
		CU_ASSERT(sessions_count(all) == 0 && next_server() == 0);
	}
	CU_ASSERT(n_whole > 0 && n_cut > 0);
}

static uint64_t its_lock;

static void close_act(struct lane *by, void *context)
{
	struct lane lane;
	(void)context;
	/* A lane of the child's own, whose death is its alone. */
	if (lane_open(by->seg, by->owner, &lane) || sessions_close(all, text(opened.token), &lane))
		_exit(97);
}

static struct lane former; /* of a server that will die */

static void expect_closed(const struct kit_step *step)
{
	struct mutex_hold hold;
	open_one();
	struct actor own = act_for_session();
	CU_ASSERT(mutex_take(&ops_lane, its_lock, &hold) == SABIR_OK);
	ops_lane.actor = own;
	former = kit_lane(&ops_seg);
	CU_ASSERT(kit_die_at(step, close_act, &former, NULL));
	CU_ASSERT(owner_recover(&ops_lane, former.owner) == SABIR_OK);
	CU_ASSERT(next_server() == 0);
	CU_ASSERT(!is_there(opened.token) && owner_state(entry()) == SEG_OWNER_FREE);
	CU_ASSERT(!look(its_lock).locked && ops_seg.objects[object_index(its_lock)].lock == 0);
}

static void test_a_server_that_dies_while_it_closes_has_closed(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	its_lock = make_lock("closed");
	open_one();
	former = kit_lane(&ops_seg);
	CU_ASSERT_FATAL(kit_list_steps(steps, close_act, &former, NULL));
	CU_ASSERT(owner_recover(&ops_lane, former.owner) == SABIR_OK);
	CU_ASSERT(next_server() == 0);
	for (unsigned i = 0; i < steps->n; i++)
		expect_closed(&steps->at[i]);
	CU_ASSERT(object_delete(&ops_lane, its_lock) == SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_a_session_goes_on_with_its_token_in_the_next_server),
		KIT_TEST(test_what_stands_in_the_memory_is_no_token),
		KIT_TEST(test_the_lease_runs_from_the_beginning_and_then_out),
		KIT_TEST(test_a_thousand_sessions_go_on),
		KIT_TEST(test_it_keeps_its_locks_and_what_ends_with_it),
		KIT_TEST(test_its_answers_are_there_for_the_next_server),
		KIT_TEST(test_a_record_of_an_earlier_owner_is_nobodys),
		KIT_TEST(test_a_damaged_record_is_a_session_with_limits),
		KIT_TEST(test_a_server_that_dies_while_it_opens_leaves_a_session_or_nothing),
		KIT_TEST(test_a_server_that_dies_while_it_closes_has_closed),
	};

	return kit_run("sessions_next", setup, session_kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
