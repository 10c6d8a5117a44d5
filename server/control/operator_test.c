/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator sees and can end: programs that attach for real, sessions, and what he may not.
 */
#define _GNU_SOURCE /* pipe2 */
#include "server/control/test_child.h"

#include <sys/stat.h>

#include "server/ops/sessions.h"
#include "server/ops/snapshots.h"

/* Asks a question over a connection of its own; the error of a refusal. */
static enum sabir_error ask(struct client *c, const struct attach_message *question)
{
	client_open(c);
	CU_ASSERT_EQUAL(attach_send(c->socket, question, NULL, 0), SABIR_OK);
	CU_ASSERT_EQUAL(client_answer(c), SABIR_OK);
	enum sabir_error error = c->answer.type == ATTACH_REFUSED ? (enum sabir_error)c->answer.refused.error
								  : SABIR_OK;
	client_close(c);
	return error;
}

static attach_OwnerList list(uint32_t from)
{
	const struct attach_message question = { .type = ATTACH_LIST_OWNERS, .list_owners = { .from = from } };
	struct client c;
	CU_ASSERT_EQUAL(ask(&c, &question), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_OWNER_LIST);
	return c.answer.owner_list;
}

static enum sabir_error evict(uint64_t id, struct client *c)
{
	const struct attach_message question = { .type = ATTACH_EVICT_OWNER, .evict_owner = { .id = id } };
	return ask(c, &question);
}

static void tell_and_wait(struct attached *a)
{
	say(rope.to_test[1]);
	wait_for_ever(a);
}

static void test_the_list_has_the_server_and_who_is_attached(void)
{
	pid_t pid = start_child(tell_and_wait);
	hear(rope.to_test[0]); /* it has a lane */
	attach_OwnerList all = list(0);
	CU_ASSERT_EQUAL_FATAL(all.owners_count, 2);
	CU_ASSERT_EQUAL(all.next, 0);
	CU_ASSERT_TRUE(all.owners[0].server && all.owners[0].pid == (uint32_t)getpid());
	CU_ASSERT_TRUE(!all.owners[1].server && all.owners[1].pid == (uint32_t)pid);
	CU_ASSERT_TRUE(all.owners[1].n_lanes == 1 && !all.owners[1].n_busy && !all.owners[1].stopped);
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(list(0).owners_count, 1);
	end_child(pid);
}

static uint64_t dict;

/* Stops with the dict's lock in its hand. */
static void stop_in_a_write(struct attached *a)
{
	lane_begin(&a->lane, SEG_OP_DICT_WRITE, object_index(dict));
	if (lock_acquire(&a->lane, &a->seg.objects[object_index(dict)].lock))
		_exit(99);
	raise(SIGSTOP);
	wait_for_ever(a);
}

static pid_t start_stopped(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_DICT };
	CU_ASSERT_EQUAL(object_create(&kit.lane, (struct span){ (const uint8_t *)"jobs", 4 }, &spec, false, &dict),
			SABIR_OK);
	pid_t pid = start_child(stop_in_a_write);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, WUNTRACED), pid);
	return pid;
}

static void test_who_is_stopped_in_an_operation_is_seen_with_its_object(void)
{
	pid_t pid = start_stopped();
	attach_OwnerList all = list(0);
	CU_ASSERT_EQUAL_FATAL(all.owners_count, 2);
	CU_ASSERT_TRUE(all.owners[1].stopped && all.owners[1].n_busy == 1);
	CU_ASSERT_STRING_EQUAL(all.owners[1].object, "jobs");
	end_child(pid);
}

static void test_who_is_stopped_is_not_dead(void)
{
	pid_t pid = start_stopped();
	kit_turn();
	control_tick(kit.control);
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	CU_ASSERT_EQUAL(kit_counters().deaths, 0);
	CU_ASSERT_TRUE(load64_relaxed(&kit.seg.objects[object_index(dict)].lock) != 0);
	end_child(pid);
}

static void test_an_evicted_program_is_killed_and_what_it_held_is_free(void)
{
	struct client c;
	int status;
	pid_t pid = start_stopped();
	CU_ASSERT_EQUAL(evict(list(0).owners[1].id, &c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_EVICTED);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(load64_relaxed(&kit.seg.objects[object_index(dict)].lock), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	end_child(pid);
	kit_expect_service();
}

/* Its number is of an entry and a generation: who has the entry now is another. */
static void test_the_number_of_one_who_is_gone_is_nobodys(void)
{
	struct client c;
	pid_t pid = start_child(wait_for_ever);
	uint64_t id = list(0).owners[1].id;
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(0));
	end_child(pid);
	pid = start_child(wait_for_ever);
	CU_ASSERT_EQUAL(evict(id, &c), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(evict(0, &c), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(evict(UINT64_MAX, &c), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	end_child(pid);
}

static void test_the_server_is_not_evicted(void)
{
	struct client c;
	CU_ASSERT_EQUAL(evict(list(0).owners[0].id, &c), SABIR_INVALID_ARGUMENT);
	kit_expect_service();
}

static void test_a_session_is_ended(void)
{
	struct park *park = park_new(&kit.seg, NULL, NULL);
	const struct sessions_options options = { .seg = &kit.seg };
	struct sessions *sessions = sessions_new(&options, park);
	struct control_options control = kit_options();
	struct session_info info;
	struct client c;
	kit_stop();
	control.sessions = sessions;
	kit_start(&control);
	CU_ASSERT_EQUAL_FATAL(sessions_open(sessions, (struct span){ (const uint8_t *)"far", 3 }, "", 0, &info),
			      SABIR_OK);
	CU_ASSERT_TRUE(list(0).owners[1].remote);
	CU_ASSERT_EQUAL(list(0).owners[1].id, info.owner);
	CU_ASSERT_STRING_EQUAL(list(0).owners[1].label, "far");
	CU_ASSERT_EQUAL(evict(info.owner, &c), SABIR_OK);
	CU_ASSERT_EQUAL(list(0).owners_count, 1);
	kit_stop();
	sessions_free(sessions);
	park_free(park);
}

/* ---------------------------------------------------------------- snapshots */

static enum sabir_error ask_for_snapshot(uint64_t number, struct client *c)
{
	const struct attach_message question = { .type = ATTACH_SNAPSHOT, .snapshot = { .number = number } };
	return ask(c, &question);
}

static void test_without_a_folder_there_is_no_snapshot(void)
{
	struct client c;
	CU_ASSERT_EQUAL(ask_for_snapshot(0, &c), SABIR_NOT_CONFIGURED);
	CU_ASSERT_TRUE(strlen(c.answer.refused.detail) > 0);
}

/* The test is who writes them. */
static void test_a_snapshot_is_asked_for_and_asked_after(void)
{
	struct snapshots *snapshots = snapshots_new(&kit.seg);
	struct control_options control = kit_options();
	const struct snapshot_report good = { .file = "a", .n_objects = 2, .n_bytes = 3, .took_ns = 4000000 };
	const struct snapshot_report bad = { .error = SABIR_RESOURCE_EXHAUSTED, .detail = "full" };
	struct client c;
	kit_stop();
	control.snapshots = snapshots;
	kit_start(&control);
	CU_ASSERT_EQUAL(ask_for_snapshot(0, &c), SABIR_OK);
	CU_ASSERT_TRUE(c.answer.type == ATTACH_SNAPSHOT_STATE && !c.answer.snapshot_state.written);
	uint64_t number = c.answer.snapshot_state.number;
	CU_ASSERT_TRUE(snapshots_await(snapshots, CLOCK_NEVER));
	CU_ASSERT_EQUAL(ask_for_snapshot(number, &c), SABIR_OK);
	CU_ASSERT_TRUE(!c.answer.snapshot_state.written && c.answer.snapshot_state.number == number);
	snapshots_done(snapshots, &good);
	CU_ASSERT_EQUAL(ask_for_snapshot(number, &c), SABIR_OK);
	CU_ASSERT_TRUE(c.answer.snapshot_state.written && c.answer.snapshot_state.n_objects == 2);
	CU_ASSERT_TRUE(c.answer.snapshot_state.size_bytes == 3 && c.answer.snapshot_state.write_ms == 4);
	CU_ASSERT_STRING_EQUAL(c.answer.snapshot_state.file, "a");
	CU_ASSERT_EQUAL(ask_for_snapshot(0, &c), SABIR_OK);
	CU_ASSERT_TRUE(snapshots_await(snapshots, CLOCK_NEVER));
	snapshots_done(snapshots, &bad);
	CU_ASSERT_EQUAL(ask_for_snapshot(c.answer.snapshot_state.number, &c), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_STRING_EQUAL(c.answer.refused.detail, "full");
	kit_stop();
	snapshots_free(snapshots);
}

/* Who asks after a snapshot again and again is not silent, however long that takes. */
static void test_who_waits_for_a_snapshot_is_not_refused_for_his_time(void)
{
	const uint64_t patience = 400 * CLOCK_MILLISECOND;
	struct snapshots *snapshots = snapshots_new(&kit.seg);
	struct control_options control = kit_options();
	struct attach_message question = { .type = ATTACH_SNAPSHOT };
	struct client c;
	kit_stop();
	control.snapshots = snapshots;
	control.hello_timeout_ns = patience;
	kit_start(&control);
	client_open(&c);
	for (uint64_t until = clock_now() + 2 * patience; clock_now() < until;) {
		CU_ASSERT_EQUAL_FATAL(attach_send(c.socket, &question, NULL, 0), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(client_answer(&c), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(c.answer.type, ATTACH_SNAPSHOT_STATE);
		question.snapshot.number = c.answer.snapshot_state.number;
	}
	loop_turn(&kit.loop, CLOCK_SECOND); /* then he is silent */
	client_expect_refusal(&c, SABIR_TIMED_OUT);
	kit_stop();
	snapshots_free(snapshots);
}

#define NO_OTHER_USER 3

/* As another user, to whom the socket is open. The child has nothing but its exit status to tell with. */
static void ask_as_nobody(void)
{
	const struct attach_message question = { .type = ATTACH_LIST_OWNERS };
	struct attach_message answer;
	struct attach_reader reader;
	char detail[ATTACH_DETAIL_SIZE];
	int socket;
	attach_reader_init(&reader);
	if (geteuid() || setgid(65534) || setuid(65534))
		_exit(NO_OTHER_USER); /* only root can become one, and not where there is no other */
	if (attach_dial(kit.path, clock_deadline(CLOCK_SECOND), detail, &socket))
		_exit(1);
	_exit(attach_ask(socket, &question, -1, clock_deadline(10 * CLOCK_SECOND), &reader, detail, &answer) ==
			      SABIR_PERMISSION_DENIED
		      ? 0
		      : 2);
}

static void test_other_users_are_refused(void)
{
	struct control_options options = kit_options();
	int status = 1;
	kit_stop();
	options.policy.mode = 0666;
	kit_start(&options);
	CU_ASSERT_EQUAL(chmod(kit.folder, 0755), 0);
	pid_t pid = fork();
	if (!pid)
		ask_as_nobody();
	while (!waitpid(pid, &status, WNOHANG))
		loop_turn(&kit.loop, 10 * CLOCK_MILLISECOND);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_OTHER_USER)
		printf("\nskipped: no other user can be had here\n");
	else
		CU_ASSERT_EQUAL(status, 0);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("operator", NULL, NULL, kit_setup, kit_teardown);
	CU_ADD_TEST(suite, test_the_list_has_the_server_and_who_is_attached);
	CU_ADD_TEST(suite, test_who_is_stopped_in_an_operation_is_seen_with_its_object);
	CU_ADD_TEST(suite, test_who_is_stopped_is_not_dead);
	CU_ADD_TEST(suite, test_an_evicted_program_is_killed_and_what_it_held_is_free);
	CU_ADD_TEST(suite, test_the_number_of_one_who_is_gone_is_nobodys);
	CU_ADD_TEST(suite, test_the_server_is_not_evicted);
	CU_ADD_TEST(suite, test_a_session_is_ended);
	CU_ADD_TEST(suite, test_without_a_folder_there_is_no_snapshot);
	CU_ADD_TEST(suite, test_a_snapshot_is_asked_for_and_asked_after);
	CU_ADD_TEST(suite, test_who_waits_for_a_snapshot_is_not_refused_for_his_time);
	CU_ADD_TEST(suite, test_other_users_are_refused);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
