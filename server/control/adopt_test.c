/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One front after the other on the same memory, socket and clients. The test is the keeper: what a front gives it, it gives the
 * next one.
 */
#define _GNU_SOURCE /* pipe2 */
#include "server/control/test_kit.h"

#include <fcntl.h>

#define MOST_KEPT 16

struct entry {
	char name[48];
	int fds[2];
};

static struct entry entries[MOST_KEPT];
static unsigned n_entries, n_forgotten;
static bool refuses;

static bool keep(const char *name, const int *fds, unsigned n_fds)
{
	if (refuses || n_entries == MOST_KEPT || n_fds != 2)
		return false;
	struct entry *e = &entries[n_entries++];
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->fds[0] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	e->fds[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 0);
	return true;
}

static void drop(unsigned i)
{
	close(entries[i].fds[0]);
	close(entries[i].fds[1]);
	entries[i] = entries[--n_entries];
}

static void forget(const char *name)
{
	n_forgotten++;
	for (unsigned i = n_entries; i-- > 0;)
		if (!strcmp(entries[i].name, name))
			drop(i);
}

static struct entry *find(const char *begin)
{
	for (unsigned i = 0; i < n_entries; i++)
		if (!strncmp(entries[i].name, begin, strlen(begin)))
			return &entries[i];
	return NULL;
}

static void start(int listener, int lock)
{
	struct control_options options = kit_options();
	options.keeper = (struct control_keeper){ .keep = keep, .forget = forget };
	options.kept_fd = listener;
	options.kept_lock_fd = lock;
	kit_start(&options);
}

static void setup(void)
{
	refuses = false;
	n_forgotten = 0;
	kit_setup();
	kit_stop();
	start(0, 0);
}

static void teardown(void)
{
	kit_teardown();
	while (n_entries)
		drop(n_entries - 1);
}

static int copy(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* The server dies and the next one goes on. */
static void succeed(void)
{
	control_leave(kit.control);
	kit_stop();
	struct entry *socket = find("control");
	CU_ASSERT_PTR_NOT_NULL_FATAL(socket);
	start(copy(socket->fds[0]), copy(socket->fds[1]));
	for (unsigned i = 0; i < n_entries; i++) {
		unsigned owner, generation;
		if (sscanf(entries[i].name, "client-%u-%u", &owner, &generation) == 2)
			control_adopt(kit.control, owner, copy(entries[i].fds[1]), copy(entries[i].fds[0]));
	}
	control_settle(kit.control);
}

static void test_an_attached_program_notices_nothing(void)
{
	struct client c;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_WELCOME);
	uint32_t owner = c.answer.welcome.owner_index;
	uint64_t word = kit.seg.owners[owner].word;
	succeed();
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_EMPTY); /* it is told nothing, least of all goodbye */
	CU_ASSERT_EQUAL(kit.seg.owners[owner].word, word);
	client_send(&c, ATTACH_PING);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_PONG);
	CU_ASSERT_EQUAL(c.answer.pong.n_attached, 1);
	client_send(&c, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_CLOSED);
	client_close(&c);
	CU_ASSERT_EQUAL(kit_counters().attached, 0);
	CU_ASSERT_EQUAL(kit.seg.owners[owner].word & 15, SEG_OWNER_FREE);
	CU_ASSERT_PTR_NULL(find("client-"));
}

static void test_who_connects_while_there_is_no_server_is_served_by_the_next(void)
{
	struct client c;
	control_leave(kit.control);
	client_open(&c);
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	client_hello(&c, &pidfd, 1);
	close(pidfd);
	succeed();
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_WELCOME);
	client_close(&c);
}

/* In a child: attaches, says so, and waits to be killed. */
static pid_t start_client(void)
{
	int said[2];
	char byte;
	CU_ASSERT_EQUAL_FATAL(pipe2(said, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (!pid) {
		struct client c;
		int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
		client_open(&c);
		client_hello(&c, &pidfd, 1);
		while (attach_receive(c.socket, &c.reader, c.detail, &c.answer) == SABIR_EMPTY)
			(void)usleep(1000);
		(void)!write(said[1], "x", 1);
		for (;;)
			pause();
	}
	CU_ASSERT_TRUE(kit_await_attached(1));
	CU_ASSERT_EQUAL(read(said[0], &byte, 1), 1);
	close(said[0]);
	close(said[1]);
	return pid;
}

static void test_a_death_that_nobody_saw_is_seen_by_the_next(void)
{
	pid_t pid = start_client();
	control_leave(kit.control);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0); /* not even its number is left */
	succeed();
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	CU_ASSERT_PTR_NULL(find("client-"));
	kit_expect_service();
}

static void test_a_living_one_outlives_many_servers(void)
{
	pid_t pid = start_client();
	for (int i = 0; i < 10; i++) {
		succeed();
		kit_turn();
		CU_ASSERT_EQUAL(kit_counters().attached, 1);
		CU_ASSERT_EQUAL(kit_counters().deaths, 0);
	}
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(0));
	waitpid(pid, NULL, 0);
}

static void test_who_may_not_have_been_told_is_told_again(void)
{
	struct client c;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	uint32_t owner = c.answer.welcome.owner_index, generation = c.answer.welcome.owner_generation;
	kit.seg.owners[owner].flags &= ~SEG_OWNER_WELCOMED; /* as if it had died in front of the mark */
	succeed();
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_WELCOME);
	CU_ASSERT_EQUAL(c.answer.welcome.owner_index, owner);
	CU_ASSERT_EQUAL(c.answer.welcome.owner_generation, generation);
	CU_ASSERT_EQUAL(kit.seg.owners[owner].flags, SEG_OWNER_WELCOMED);
	client_close(&c);
}

static void test_a_recovery_that_had_begun_is_finished(void)
{
	struct client c;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	uint64_t *word = &kit.seg.owners[c.answer.welcome.owner_index].word;
	*word = (*word & ~15ull) | SEG_OWNER_DEAD; /* it has said goodbye, or was seen dead */
	succeed();
	CU_ASSERT_EQUAL(kit_counters().attached, 0);
	CU_ASSERT_EQUAL(*word & 15, SEG_OWNER_FREE);
	CU_ASSERT_PTR_NULL(find("client-"));
	client_close(&c);
}

static void test_an_owner_without_a_program_is_recovered(void)
{
	uint32_t owner;
	struct lane lane;
	CU_ASSERT_EQUAL(owner_open(&kit.seg, 0, "session", &owner), SABIR_OK);
	CU_ASSERT_EQUAL(lane_open(&kit.seg, owner, &lane), SABIR_OK);
	control_recover(kit.control, owner);
	control_settle(kit.control);
	CU_ASSERT_EQUAL(kit.seg.owners[owner].word & 15, SEG_OWNER_FREE);
	CU_ASSERT_EQUAL(lane.shared->word & 15, SEG_LANE_FREE);
	CU_ASSERT_EQUAL(kit_counters().attached, 0);
}

static void test_many_of_them_are_recovered_together(void)
{
	uint32_t owner[2];
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(owner_open(&kit.seg, 0, "session", &owner[i]), SABIR_OK);
		control_recover(kit.control, owner[i]);
	}
	CU_ASSERT_EQUAL(kit_counters().attached, 2);
	loop_turn(&kit.loop, 0);
	CU_ASSERT_EQUAL(kit_counters().attached, 0);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(kit.seg.owners[owner[i]].word & 15, SEG_OWNER_FREE);
}

static void test_who_can_not_be_kept_is_refused(void)
{
	struct client c;
	refuses = true;
	client_open(&c);
	client_hello(&c, NULL, 0);
	client_expect_refusal(&c, SABIR_UNAVAILABLE);
	CU_ASSERT_EQUAL(kit_counters().attached, 0);
	refuses = false;
	kit_expect_service();
}

static void test_a_socket_that_was_removed_is_made_again(void)
{
	control_leave(kit.control);
	CU_ASSERT_EQUAL(unlink(kit.path), 0);
	succeed();
	kit_expect_service();
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("adopt", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_an_attached_program_notices_nothing);
	CU_ADD_TEST(suite, test_who_connects_while_there_is_no_server_is_served_by_the_next);
	CU_ADD_TEST(suite, test_a_death_that_nobody_saw_is_seen_by_the_next);
	CU_ADD_TEST(suite, test_a_living_one_outlives_many_servers);
	CU_ADD_TEST(suite, test_who_may_not_have_been_told_is_told_again);
	CU_ADD_TEST(suite, test_a_recovery_that_had_begun_is_finished);
	CU_ADD_TEST(suite, test_an_owner_without_a_program_is_recovered);
	CU_ADD_TEST(suite, test_many_of_them_are_recovered_together);
	CU_ADD_TEST(suite, test_who_can_not_be_kept_is_refused);
	CU_ADD_TEST(suite, test_a_socket_that_was_removed_is_made_again);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
