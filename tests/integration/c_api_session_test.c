/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions through the C API: what goes with a connection, by whatever end. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

static const char *url, *self;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

static enum sabir_error create_ephemeral(sabir_conn *by, const char *name)
{
	const struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_QUEUE };
	struct sabir_info info;
	return sabir_create(by, name, &spec, SABIR_EPHEMERAL, &info, NULL);
}

static bool exists(const char *name)
{
	struct sabir_info info;
	return sabir_describe(conn, name, &info) == SABIR_OK;
}

/* What ends with another is gone a moment later. */
static bool goes_within(const char *name, uint64_t ns)
{
	uint64_t deadline_ns = now_ns() + ns;
	while (exists(name) && now_ns() < deadline_ns)
		usleep(2000);
	return !exists(name);
}

static void test_what_is_ephemeral_goes_with_its_connection(void)
{
	const char *name = name_of("ephemeral");
	sabir_conn *other;
	NEED(sabir_connect(url, NULL, &other));
	CHECK_OK(create_ephemeral(other, name));
	CHECK(exists(name));
	CHECK_ERROR(create_ephemeral(conn, name), SABIR_ALREADY_EXISTS);
	sabir_close(other);
	CHECK(goes_within(name, 5 * SABIR_SECOND));
}

static void test_what_is_ephemeral_goes_with_a_killed_process(void)
{
	const char *name = name_of("killed");
	char line[8];
	int ready[2];
	CHECK(pipe(ready) == 0);
	pid_t child = fork();
	if (!child) {
		dup2(ready[1], 1);
		execl(self, self, url, "--hold", name, (char *)NULL);
		_exit(1);
	}
	CHECK(read(ready[0], line, sizeof(line)) > 0);
	CHECK(exists(name));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(goes_within(name, 5 * SABIR_SECOND));
	close(ready[0]);
	close(ready[1]);
}

/* The other process of the test above. */
static int hold(const char *name)
{
	NEED(sabir_connect(url, NULL, &conn));
	NEED(sabir_session_open(conn, SABIR_SECOND));
	NEED(create_ephemeral(conn, name));
	(void)!write(1, "ready\n", 6);
	for (;;)
		pause();
}

/* Here the time itself is what is tested: a program that does nothing for more than two leases. */
static void test_a_program_that_sleeps_keeps_its_session(void)
{
	const char *name = name_of("asleep");
	sabir_conn *other;
	NEED(sabir_connect(url, NULL, &other));
	CHECK_OK(sabir_session_open(other, SABIR_SECOND));
	CHECK_OK(create_ephemeral(other, name));
	usleep(2500000);
	CHECK(exists(name));
	CHECK_OK(create_ephemeral(other, name_of("asleep/2")));
	sabir_close(other);
	CHECK(goes_within(name, 5 * SABIR_SECOND));
}

static void test_a_lost_session_is_told_once(void)
{
	struct sabir_session_info *sessions;
	struct sabir_cursor cursor = { 0 };
	const char *name = name_of("lost");
	uint64_t id = 0;
	size_t n;
	if (sabir_is_local(conn))
		return;
	if (!strstr(url, "unix")) { /* who may: see sabird's admin-sessions */
		CHECK_ERROR(sabir_session_list(conn, &cursor, &sessions, &n), SABIR_PERMISSION_DENIED);
		return;
	}
	sabir_conn *other;
	NEED(sabir_connect(url, &(struct sabir_options){ sizeof(struct sabir_options), .label = "to be lost" },
			   &other));
	CHECK_OK(create_ephemeral(other, name));
	while (sabir_session_list(conn, &cursor, &sessions, &n) == SABIR_OK && n) {
		for (size_t i = 0; i < n; i++)
			id = !strcmp(sessions[i].label, "to be lost") ? sessions[i].id : id;
		sabir_free(sessions);
	}
	CHECK(id != 0);
	CHECK_OK(sabir_session_end(conn, id));
	CHECK(!exists(name));
	CHECK_ERROR(sabir_session_end(conn, id), SABIR_SESSION_ENDED);
	CHECK_ERROR(create_ephemeral(other, name), SABIR_SESSION_ENDED);
	CHECK_OK(create_ephemeral(other, name));
	sabir_close(other);
}

static void test_a_session_goes_on_by_its_token(void)
{
	char token[SABIR_TOKEN_SIZE];
	const char *name = name_of("token");
	sabir_conn *first, *second;
	if (sabir_is_local(conn)) {
		CHECK_ERROR(sabir_session_token(conn, token), SABIR_UNIMPLEMENTED);
		return;
	}
	NEED(sabir_connect(url, NULL, &first));
	NEED(sabir_connect(url, NULL, &second));
	CHECK_ERROR(sabir_session_token(first, token), SABIR_SESSION_REQUIRED);
	CHECK_OK(create_ephemeral(first, name));
	CHECK_OK(sabir_session_token(first, token));
	CHECK_OK(sabir_session_resume(second, token));
	CHECK_ERROR(sabir_session_resume(second, token), SABIR_ALREADY_EXISTS);
	sabir_close(second);
	CHECK(exists(name));
	CHECK_OK(sabir_session_close(first));
	CHECK(!exists(name));
	CHECK_ERROR(sabir_session_close(first), SABIR_SESSION_REQUIRED);
	CHECK_ERROR(sabir_session_resume(first, token), SABIR_SESSION_ENDED);
	sabir_close(first);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(test_what_is_ephemeral_goes_with_its_connection),
		TEST(test_what_is_ephemeral_goes_with_a_killed_process),
		TEST(test_a_program_that_sleeps_keeps_its_session),
		TEST(test_a_lost_session_is_told_once),
		TEST(test_a_session_goes_on_by_its_token),
	};
	self = argv[0];
	url = argc > 1 ? argv[1] : "";
	if (argc == 4 && !strcmp(argv[2], "--hold"))
		return hold(argv[3]);
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
