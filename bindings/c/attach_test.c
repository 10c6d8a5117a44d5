/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's half of the control socket against servers that behave and that don't. The server is a child with one
 * answer.
 */
#include "bindings/c/attach.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/segment/layout.h"
#include "server/base/clock.h"

#define PATIENCE (10 * CLOCK_SECOND)

static char folder[32], path[64], detail[ATTACH_DETAIL_SIZE];

static void setup(void)
{
	strcpy(folder, "/tmp/sabir-attach-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s.sock", folder);
	detail[0] = 0;
}

static void teardown(void)
{
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

/* In the child: waits for a HELLO with one descriptor. */
static void await_hello(int fd, struct attach_message *hello)
{
	struct attach_reader reader;
	attach_reader_init(&reader);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		poll(&p, 1, -1);
		enum sabir_error error = attach_receive(fd, &reader, detail, hello);
		if (!error && hello->type == ATTACH_HELLO && reader.n_fds == 1)
			break;
		if (error != SABIR_EMPTY)
			_exit(97);
	}
	attach_reader_fini(&reader);
}

/* A server that hears one HELLO and does `answer`; it exits with 0 if the client says goodbye behind it. */
static pid_t serve(void (*answer)(int fd, const struct attach_message *hello))
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listening, 4), 0);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		struct attach_message m = { 0 };
		struct attach_reader reader;
		int fd = accept(listening, NULL, NULL);
		await_hello(fd, &m);
		answer(fd, &m);
		attach_reader_init(&reader);
		struct pollfd p = { .fd = fd, .events = POLLIN };
		poll(&p, 1, -1);
		_exit(!attach_receive(fd, &reader, detail, &m) && m.type == ATTACH_GOODBYE ? 0 : 1);
	}
	close(listening);
	return pid;
}

static int await_end(pid_t pid)
{
	int status = -1;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return status;
}

static void send_welcome(int fd, uint32_t layout, unsigned n_fds)
{
	struct attach_message m = { .type = ATTACH_WELCOME };
	const int fds[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC) };
	m.welcome.owner_index = 3;
	m.welcome.owner_generation = 4;
	m.welcome.instance = 5;
	m.welcome.layout_version = layout;
	m.welcome.grpc_addresses_count = 1;
	strcpy(m.welcome.grpc_addresses[0], "127.0.0.1:7420");
	(void)attach_send(fd, &m, fds, n_fds);
}

static void welcome(int fd, const struct attach_message *hello)
{
	bool good = hello->hello.layout_version == SEG_LAYOUT_VERSION && strlen(hello->hello.label) == 39;
	send_welcome(fd, SEG_LAYOUT_VERSION, good ? 2 : 0);
}

static void test_a_welcome_is_an_attachment_until_goodbye(void)
{
	struct attachment a;
	pid_t pid = serve(welcome);
	const char *label = "a name that is longer than what the table of owners has room for";
	CU_ASSERT_EQUAL_FATAL(attach_connect(path, label, PATIENCE, detail, &a), SABIR_OK);
	CU_ASSERT_EQUAL(a.owner, 3);
	CU_ASSERT_EQUAL(a.owner_generation, 4);
	CU_ASSERT_EQUAL(a.instance, 5);
	CU_ASSERT_EQUAL(a.n_grpc_addresses, 1);
	CU_ASSERT_STRING_EQUAL(a.grpc_addresses[0], "127.0.0.1:7420");
	CU_ASSERT_TRUE(fcntl(a.memfd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_TRUE(fcntl(a.bell_fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_TRUE(fcntl(a.socket, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_TRUE(attach_alive(&a));
	close(a.memfd);
	close(a.bell_fd);
	attach_goodbye(&a);
	CU_ASSERT_EQUAL(await_end(pid), 0);
	CU_ASSERT_FALSE(attach_alive(&a));
	attach_goodbye(&a); /* twice is fine */
}

/* Dies in front of its first client, and is back for the second. */
static void test_a_server_that_dies_in_front_of_the_answer_is_asked_again(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct attachment a;
	strcpy(address.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listening, 4), 0);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		struct attach_message m = { 0 };
		close(accept(listening, NULL, NULL));
		int fd = accept(listening, NULL, NULL);
		await_hello(fd, &m);
		send_welcome(fd, SEG_LAYOUT_VERSION, 2);
		_exit(0);
	}
	close(listening);
	CU_ASSERT_EQUAL_FATAL(attach_connect(path, "test", PATIENCE, detail, &a), SABIR_OK);
	CU_ASSERT_EQUAL(a.owner, 3);
	close(a.memfd);
	close(a.bell_fd);
	attach_abandon(&a);
	CU_ASSERT_EQUAL(await_end(pid), 0);
}

static void welcome_and_end(int fd, const struct attach_message *hello)
{
	welcome(fd, hello);
	_exit(0);
}

static void test_the_end_of_the_server_is_seen(void)
{
	struct attachment a;
	pid_t pid = serve(welcome_and_end);
	const char *label = "a name that is longer than what the table of owners has room for";
	CU_ASSERT_EQUAL_FATAL(attach_connect(path, label, PATIENCE, detail, &a), SABIR_OK);
	CU_ASSERT_EQUAL(await_end(pid), 0);
	CU_ASSERT_FALSE(attach_alive(&a));
	close(a.memfd);
	close(a.bell_fd);
	attach_abandon(&a);
}

/* `answer` makes attach_connect fail with this error and a text, and leaves no descriptor open. */
static void expect_failure(void (*answer)(int fd, const struct attach_message *hello), enum sabir_error error,
			   uint64_t timeout_ns)
{
	struct attachment a = { .socket = -7 };
	int next = dup(0), after;
	close(next);
	pid_t pid = serve(answer);
	CU_ASSERT_EQUAL(attach_connect(path, "test", timeout_ns, detail, &a), error);
	CU_ASSERT_TRUE(strlen(detail) > 0);
	CU_ASSERT_EQUAL(a.socket, -7); /* untouched */
	after = dup(0);
	close(after);
	CU_ASSERT_EQUAL(after, next);
	(void)await_end(pid);
	unlink(path);
}

static void refuse(int fd, const struct attach_message *hello)
{
	(void)hello;
	struct attach_message m = attach_refusal(SABIR_TOO_MANY_OWNERS, "all 4 owner entries are in use");
	(void)attach_send(fd, &m, NULL, 0);
}

static void refuse_oddly(int fd, const struct attach_message *hello)
{
	(void)hello;
	struct attach_message m = attach_refusal((enum sabir_error)4711, "an error of next year");
	(void)attach_send(fd, &m, NULL, 0);
}

static void test_a_refusal_is_its_error(void)
{
	expect_failure(refuse, SABIR_TOO_MANY_OWNERS, PATIENCE);
	CU_ASSERT_STRING_EQUAL(detail, "all 4 owner entries are in use");
	expect_failure(refuse_oddly, SABIR_INTERNAL, PATIENCE);
	CU_ASSERT_STRING_EQUAL(detail, "an error of next year");
}

static void say_nothing(int fd, const struct attach_message *hello)
{
	(void)fd, (void)hello;
}

static void hang_up(int fd, const struct attach_message *hello)
{
	(void)hello;
	close(fd);
	_exit(0);
}

static void talk_rubbish(int fd, const struct attach_message *hello)
{
	(void)hello;
	(void)!write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void welcome_without_memory(int fd, const struct attach_message *hello)
{
	(void)hello;
	send_welcome(fd, SEG_LAYOUT_VERSION, 1);
}

static void welcome_to_another_layout(int fd, const struct attach_message *hello)
{
	(void)hello;
	send_welcome(fd, SEG_LAYOUT_VERSION + 1, 2);
}

static void pong(int fd, const struct attach_message *hello)
{
	const struct attach_message m = { .type = ATTACH_PONG };
	(void)hello;
	(void)attach_send(fd, &m, NULL, 0);
}

static void test_servers_that_misbehave_are_errors(void)
{
	expect_failure(say_nothing, SABIR_TIMED_OUT, 20 * CLOCK_MILLISECOND);
	expect_failure(hang_up, SABIR_UNAVAILABLE, PATIENCE);
	expect_failure(talk_rubbish, SABIR_INVALID_ARGUMENT, PATIENCE);
	expect_failure(welcome_without_memory, SABIR_UNAVAILABLE, PATIENCE);
	expect_failure(welcome_to_another_layout, SABIR_LAYOUT_MISMATCH, PATIENCE);
	expect_failure(pong, SABIR_INTERNAL, PATIENCE);
}

static void test_no_server_is_unavailable(void)
{
	struct attachment a;
	CU_ASSERT_EQUAL(attach_connect(path, "test", PATIENCE, detail, &a), SABIR_UNAVAILABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, path));
	int fd = open(path, O_CREAT | O_CLOEXEC | O_WRONLY, 0600);
	CU_ASSERT_EQUAL(attach_connect(path, "test", PATIENCE, detail, &a), SABIR_UNAVAILABLE);
	close(fd);
	CU_ASSERT_EQUAL(attach_connect("", "test", PATIENCE, NULL, &a), SABIR_INVALID_ARGUMENT);
}

/* The backlog is full and nobody accepts. */
static void test_a_server_that_does_not_accept_is_timed_out(void)
{
	struct attachment a;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fillers[2], listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listening, 0), 0);
	for (int i = 0; i < 2; i++) {
		fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	CU_ASSERT_EQUAL(attach_connect(path, "test", 20 * CLOCK_MILLISECOND, detail, &a), SABIR_TIMED_OUT);
	for (int i = 0; i < 2; i++)
		close(fillers[i]);
	close(listening);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("client attach", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_a_welcome_is_an_attachment_until_goodbye);
	CU_ADD_TEST(suite, test_a_server_that_dies_in_front_of_the_answer_is_asked_again);
	CU_ADD_TEST(suite, test_the_end_of_the_server_is_seen);
	CU_ADD_TEST(suite, test_a_refusal_is_its_error);
	CU_ADD_TEST(suite, test_servers_that_misbehave_are_errors);
	CU_ADD_TEST(suite, test_no_server_is_unavailable);
	CU_ADD_TEST(suite, test_a_server_that_does_not_accept_is_timed_out);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
