/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole server in a child of the test: it says when it is ready, serves, keeps a second one away, and ends within
 * its time. The test is the service manager: it has the socket that $NOTIFY_SOCKET names.
 */
#define _GNU_SOURCE /* environ */
#include "server/main/server.h"

#include <CUnit/Basic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/attach/attach.h"
#include "proto/segment/layout.h"
#include "server/base/clock.h"
#include "server/main/health.h"
#include "server/main/keeper.h"
#include "server/main/notify.h"
#include "server/main/signals.h"

static char folder[32], socket_path[64], notify_path[64];
static int notify_fd;

static void setup(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(folder, "/tmp/sabir-server-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(socket_path, sizeof(socket_path), "%s/s.sock", folder);
	snprintf(notify_path, sizeof(notify_path), "%s/notify", folder);
	strcpy(address.sun_path, notify_path);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", notify_path, 1);
}

static void teardown(void)
{
	close(notify_fd);
	unlink(notify_path);
	CU_ASSERT_EQUAL(rmdir(folder), 0); /* the server has left nothing behind */
}

static enum sabir_error no_reload(void *context, char *detail, struct config *config)
{
	(void)context, (void)config;
	strcpy(detail, "not in this test");
	return SABIR_INVALID_ARGUMENT;
}

/* In the child; never returns. keeper -1: there is none. */
static void serve(const char *drain_timeout, int keeper)
{
	char socket_flag[80], drain_flag[48], detail[CONFIG_DETAIL_SIZE];
	struct config config;
	struct kept kept = { 0 };
	snprintf(socket_flag, sizeof(socket_flag), "--socket=%s", socket_path);
	snprintf(drain_flag, sizeof(drain_flag), "--drain-timeout=%s", drain_timeout);
	char *argv[] = { (char *)"sabird",
			 socket_flag,
			 drain_flag,
			 (char *)"--listen=127.0.0.1:0",
			 (char *)"--memory-limit=8M",
			 (char *)"--log-level=error",
			 (char *)"--max-item-bytes=64K",
			 NULL };
	if (config_load(7, argv, NULL, NULL, detail, &config) || config_choose(detail, &config))
		_exit(98);
	int status = server_run(&config, no_reload, NULL, &kept, keeper);
	config_fini(&config);
	exit(status);
}

static pid_t start(const char *drain_timeout)
{
	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		serve(drain_timeout, -1);
	return pid;
}

/* The next message to the service manager begins with this. */
static void expect_notice(const char *begin)
{
	char text[128] = "";
	struct pollfd p = { .fd = notify_fd, .events = POLLIN };
	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, 20000), 1);
	CU_ASSERT_TRUE(recv(notify_fd, text, sizeof(text) - 1, 0) > 0);
	CU_ASSERT_EQUAL(strncmp(text, begin, strlen(begin)), 0);
}

static int await_end(pid_t pid)
{
	int status = 0;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static enum sabir_error attach(int *fd)
{
	struct attach_message hello = { .type = ATTACH_HELLO, .hello = { .layout_version = SEG_LAYOUT_VERSION } },
			      answer;
	struct attach_reader reader;
	char detail[ATTACH_DETAIL_SIZE];
	uint64_t deadline = clock_deadline(10 * CLOCK_SECOND);
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	attach_reader_init(&reader);
	enum sabir_error error = attach_dial(socket_path, deadline, detail, fd);
	if (!error)
		error = attach_ask(*fd, &hello, pidfd, deadline, &reader, detail, &answer);
	attach_reader_fini(&reader);
	close(pidfd);
	return error;
}

static void test_a_server_is_ready_when_it_says_so_and_ends_in_order(void)
{
	pid_t pid = start("10s");
	expect_notice("READY=1");
	CU_ASSERT_EQUAL(health_ask(socket_path), EXIT_IN_ORDER);
	kill(pid, SIGTERM);
	expect_notice("STOPPING=1");
	CU_ASSERT_EQUAL(await_end(pid), EXIT_IN_ORDER);
	CU_ASSERT_EQUAL(health_ask(socket_path), EXIT_FAILED);
}

static void test_a_second_server_on_the_socket_leaves_with_its_own_status(void)
{
	pid_t first = start("10s");
	expect_notice("READY=1");
	pid_t second = start("10s");
	CU_ASSERT_EQUAL(await_end(second), EXIT_TAKEN);
	CU_ASSERT_EQUAL(health_ask(socket_path), EXIT_IN_ORDER);
	kill(first, SIGINT);
	CU_ASSERT_EQUAL(await_end(first), EXIT_IN_ORDER);
	expect_notice("STOPPING=1");
}

static void test_a_server_after_a_killed_one_starts(void)
{
	pid_t first = start("10s");
	expect_notice("READY=1");
	kill(first, SIGKILL);
	CU_ASSERT_EQUAL(await_end(first), -SIGKILL);
	pid_t second = start("10s");
	expect_notice("READY=1");
	CU_ASSERT_EQUAL(health_ask(socket_path), EXIT_IN_ORDER);
	kill(second, SIGTERM);
	CU_ASSERT_EQUAL(await_end(second), EXIT_IN_ORDER);
	expect_notice("STOPPING=1");
}

static void test_an_attached_program_is_told_and_does_not_hold_up_the_end(void)
{
	struct attach_message message;
	struct attach_reader reader;
	char detail[ATTACH_DETAIL_SIZE];
	int fd = -1;
	pid_t pid = start("10s");
	expect_notice("READY=1");
	CU_ASSERT_EQUAL_FATAL(attach(&fd), SABIR_OK);
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(await_end(pid), EXIT_IN_ORDER);
	attach_reader_init(&reader);
	CU_ASSERT_EQUAL(attach_receive(fd, &reader, detail, &message), SABIR_OK);
	CU_ASSERT_EQUAL(message.type, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(attach_receive(fd, &reader, detail, &message), SABIR_CLOSED);
	close(fd);
	expect_notice("STOPPING=1");
}

static void test_hup_is_survived(void)
{
	pid_t pid = start("10s");
	expect_notice("READY=1");
	kill(pid, SIGHUP);
	CU_ASSERT_EQUAL(health_ask(socket_path), EXIT_IN_ORDER);
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(await_end(pid), EXIT_IN_ORDER);
	expect_notice("STOPPING=1");
}

static volatile sig_atomic_t handled;

/* In a child: what the handlers do when the main thread is stuck and looks at nothing. */
static void be_stuck(uint64_t end_within_ns)
{
	int fd;
	if (signals_install(0, &fd))
		_exit(98);
	if (end_within_ns) {
		signals_end_within(end_within_ns);
	} else {
		(void)kill(getpid(), SIGTERM);
		(void)kill(getppid(), SIGUSR1);
	}
	for (;;)
		pause();
}

static void on_usr1(int number)
{
	(void)number;
	handled = 1;
}

static void test_a_stuck_server_ends_by_its_alarm_or_a_second_signal(void)
{
	sigset_t none, usr1;
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGUSR1, on_usr1);
	fflush(stdout);
	pid_t late = fork();
	if (!late)
		be_stuck(CLOCK_MILLISECOND);
	CU_ASSERT_EQUAL(await_end(late), EXIT_CUT_SHORT);
	pid_t twice = fork();
	if (!twice)
		be_stuck(0);
	sigsuspend(&none); /* it has had its first signal */
	kill(twice, SIGTERM);
	CU_ASSERT_EQUAL(await_end(twice), EXIT_CUT_SHORT);
	CU_ASSERT_TRUE(handled);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

/* ---------------------------------------------------------------- a server and its keeper */

#define KEEPER_FD 3

/* This program as the keeper that a server starts: what it is given to keep is told to the test. */
static int keep(void)
{
	char lines[NOTIFY_SIZE], name[NOTIFY_NAME_SIZE];
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	struct pollfd p = { .fd = KEEPER_FD, .events = POLLIN };
	while (poll(&p, 1, 20000) == 1 && notify_receive(KEEPER_FD, lines, fds, &n_fds) > 0)
		if (n_fds && notify_line(lines, "FDNAME", name))
			notify(name);
	return 0;
}

static void expect_ready(int keeper)
{
	char lines[NOTIFY_SIZE] = "";
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	struct pollfd p = { .fd = keeper, .events = POLLIN };
	while (!notify_line(lines, "READY", NULL)) {
		CU_ASSERT_EQUAL_FATAL(poll(&p, 1, 20000), 1);
		CU_ASSERT_TRUE_FATAL(notify_receive(keeper, lines, fds, &n_fds) > 0);
		for (unsigned i = 0; i < n_fds; i++)
			close(fds[i]);
	}
}

/* It is not lost that the test, its keeper, ends before there is a next one. */
static void test_a_server_that_makes_room_looks_for_its_keeper(void)
{
	static const char *const all[] = { "port-", "server-", "bell", "memory", "control" };
	char lock_path[80];
	int ends[2];
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		close(ends[0]);
		serve("10s", ends[1]);
	}
	close(ends[1]);
	expect_ready(ends[0]);
	CU_ASSERT_TRUE(notify_send(ends[0], "HANDOVER=1", NULL, 0));
	close(ends[0]);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		expect_notice(all[i]);
	CU_ASSERT_EQUAL(await_end(pid), EXIT_IN_ORDER);
	/* They are left for the next server. */
	snprintf(lock_path, sizeof(lock_path), "%s.lock", socket_path);
	CU_ASSERT_TRUE(!unlink(socket_path) && !unlink(lock_path));
}

int main(int argc, char **argv)
{
	(void)argc;
	if (getenv("SABIRD_KEEPS"))
		return keep();
	keeper_remember(argv);
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("server", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_a_server_is_ready_when_it_says_so_and_ends_in_order);
	CU_ADD_TEST(suite, test_a_second_server_on_the_socket_leaves_with_its_own_status);
	CU_ADD_TEST(suite, test_a_server_after_a_killed_one_starts);
	CU_ADD_TEST(suite, test_an_attached_program_is_told_and_does_not_hold_up_the_end);
	CU_ADD_TEST(suite, test_hup_is_survived);
	CU_ADD_TEST(suite, test_a_server_that_makes_room_looks_for_its_keeper);
	CU_ADD_TEST(suite, test_a_stuck_server_ends_by_its_alarm_or_a_second_signal);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
