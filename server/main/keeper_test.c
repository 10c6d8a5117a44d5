/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper with servers that do as the test says: how they die, what they leave, what the manager is told. Each server counts
 * itself in shared memory and looks there for its part.
 */
#include "server/main/keeper.h"

#include <CUnit/Basic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/main/signals.h"

struct stage {
	uint32_t n_servers; /* started so far */
	uint32_t n_kept;    /* that the last one has found */
	uint64_t value;     /* of the kept eventfd, as the last one has found it */
	uint64_t start_ns[32];
	pid_t pid;
	uint32_t has_looked; /* for the one before it */
};

static struct stage *stage;
static struct config config;

static int setup(void)
{
	char detail[CONFIG_DETAIL_SIZE];
	char *argv[] = { (char *)"sabird", (char *)"--socket=/tmp/sabir-keeper-test/none.sock",
			 (char *)"--log-level=error", NULL };
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_set_level(LOG_LEVEL_ERROR);
	return stage == MAP_FAILED || config_load(3, argv, NULL, NULL, detail, &config) ||
	       config_choose(detail, &config);
}

static int teardown(void)
{
	config_fini(&config);
	return munmap(stage, sizeof(*stage));
}

static bool await(const uint32_t *word, uint32_t value)
{
	uint64_t deadline = clock_deadline(20 * CLOCK_SECOND);
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) < value && clock_left(deadline))
		(void)poll(NULL, 0, 1);
	return __atomic_load_n(word, __ATOMIC_SEQ_CST) >= value;
}

/* Until the next server has looked for the one before it, nobody is reaped: the kernel may take its time for it. */
static bool reaping_takes_long;

/* In the C library's place. */
pid_t waitpid(pid_t pid, int *status, int options)
{
	if (reaping_takes_long && pid < 0)
		(void)await(&stage->has_looked, 1);
	return wait4(pid, status, options, NULL);
}

/* The beginning of every server: returns which one it is, from 1 on. */
static uint32_t enter(struct kept *kept, int keeper)
{
	uint32_t n = __atomic_add_fetch(&stage->n_servers, 1, __ATOMIC_SEQ_CST);
	notify_through(keeper);
	if (n <= 32)
		stage->start_ns[n - 1] = clock_now();
	stage->pid = getpid();
	stage->n_kept = (uint32_t)kept->n;
	return n;
}

static void die_of(int number)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(number, SIG_DFL);
	(void)raise(number);
	_exit(99);
}

/* Runs a keeper in a child of the test. */
static pid_t start(keeper_serve_fn *serve)
{
	char *argv[] = { (char *)"sabird", NULL };
	const struct keeper_options options = { .config = &config, .serve = serve, .argv = argv };
	struct kept kept = { 0 };
	memset(stage, 0, sizeof(*stage));
	fflush(NULL);
	pid_t pid = fork();
	if (!pid)
		_exit(keeper_run(&options, &kept));
	return pid;
}

static int end_of(pid_t pid)
{
	int status = 0;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---------------------------------------------------------------- ends */

static int fail_at_once(void *context, struct kept *kept, int keeper)
{
	(void)context;
	(void)enter(kept, keeper);
	return EXIT_TAKEN;
}

static void test_a_first_start_that_fails_is_the_end(void)
{
	CU_ASSERT_EQUAL(end_of(start(fail_at_once)), EXIT_TAKEN);
	CU_ASSERT_EQUAL(stage->n_servers, 1);
}

static int serve_until_told(void *context, struct kept *kept, int keeper)
{
	int fd;
	(void)context;
	(void)enter(kept, keeper);
	if (signals_install(getppid(), &fd))
		return EXIT_FAILED;
	notify("READY=1");
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		(void)poll(&p, 1, -1);
		if (signals_take().end)
			return EXIT_CUT_SHORT;
	}
}

static void test_term_reaches_the_server_and_its_status_is_the_keepers(void)
{
	pid_t pid = start(serve_until_told);
	CU_ASSERT_TRUE(await(&stage->n_servers, 1));
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(end_of(pid), EXIT_CUT_SHORT);
}

static void test_a_signal_to_all_counts_as_one(void)
{
	pid_t pid = start(serve_until_told);
	CU_ASSERT_TRUE(await(&stage->n_servers, 1));
	kill(stage->pid, SIGINT); /* as a terminal does, or who ends a group */
	kill(pid, SIGINT);
	CU_ASSERT_EQUAL(end_of(pid), EXIT_CUT_SHORT); /* it came to its own end */
	CU_ASSERT_EQUAL(stage->n_servers, 1);
}

/* ---------------------------------------------------------------- deaths */

static int die_twice(void *context, struct kept *kept, int keeper)
{
	uint32_t n = enter(kept, keeper);
	(void)context;
	int fd = kept_take(kept, "bell", false);
	uint64_t value = 0;
	if (fd >= 0 && read(fd, &value, sizeof(value)) == sizeof(value))
		stage->value = value;
	if (n == 1)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n == 1 && !notify_store("bell", &fd, 1))
		return EXIT_FAILED;
	if (eventfd_write(fd, n))
		return EXIT_FAILED;
	if (n == 3)
		return EXIT_IN_ORDER;
	notify("READY=1");
	die_of(n == 1 ? SIGKILL : SIGABRT);
	return EXIT_FAILED;
}

static void test_what_is_in_keeping_outlives_the_server(void)
{
	CU_ASSERT_EQUAL(end_of(start(die_twice)), EXIT_IN_ORDER);
	CU_ASSERT_EQUAL(stage->n_servers, 3);
	CU_ASSERT_EQUAL(stage->n_kept, 1);
	CU_ASSERT_EQUAL(stage->value, 2); /* of the second, in what the first had given */
}

static int forget_and_die(void *context, struct kept *kept, int keeper)
{
	uint32_t n = enter(kept, keeper);
	(void)context;
	if (n == 2)
		return EXIT_IN_ORDER;
	int fd = eventfd(0, EFD_CLOEXEC);
	CU_ASSERT_TRUE(notify_store("client-1-1", &fd, 1) && notify_store("client-2-1", &fd, 1));
	notify_forget("client-1-1");
	notify("READY=1");
	die_of(SIGKILL); /* at once: what it has said is in the socket yet */
	return EXIT_FAILED;
}

static void test_the_last_words_of_the_dead_are_heard(void)
{
	CU_ASSERT_EQUAL(end_of(start(forget_and_die)), EXIT_IN_ORDER);
	CU_ASSERT_EQUAL(stage->n_servers, 2);
	CU_ASSERT_EQUAL(stage->n_kept, 1);
}

static int crash_always(void *context, struct kept *kept, int keeper)
{
	(void)context;
	(void)enter(kept, keeper);
	die_of(SIGSEGV);
	return EXIT_FAILED;
}

static void test_a_crash_loop_slows_down_and_can_be_ended(void)
{
	pid_t pid = start(crash_always);
	CU_ASSERT_TRUE(await(&stage->n_servers, 10));
	const uint64_t *at = stage->start_ns;
	for (int i = 5; i < 9; i++) /* the pauses before it: 10 ms, doubled each time */
		CU_ASSERT_TRUE(at[i] - at[i - 1] >= (10ull << (i - 4)) * CLOCK_MILLISECOND);
	kill(pid, SIGTERM);
	int status = end_of(pid);
	CU_ASSERT_TRUE(status == EXIT_IN_ORDER || status == EXIT_CUT_SHORT);
}

static int be_killed_often(void *context, struct kept *kept, int keeper)
{
	uint32_t n = enter(kept, keeper);
	(void)context;
	notify("READY=1");
	if (n < 12)
		die_of(SIGKILL);
	return EXIT_IN_ORDER;
}

static void test_kills_from_outside_are_no_crash_loop(void)
{
	CU_ASSERT_EQUAL(end_of(start(be_killed_often)), EXIT_IN_ORDER);
	CU_ASSERT_EQUAL(stage->n_servers, 12);
	CU_ASSERT_TRUE(stage->start_ns[11] - stage->start_ns[0] < 5 * CLOCK_SECOND); /* else some 15 s */
}

/* Who is dead and not waited for can be sent signals yet. */
static int look_for_the_former(void *context, struct kept *kept, int keeper)
{
	pid_t former = stage->pid;
	uint32_t n = enter(kept, keeper);
	(void)context;
	if (n == 1) {
		notify("READY=1");
		die_of(SIGKILL);
	}
	stage->value = kill(former, 0) == 0;
	__atomic_store_n(&stage->has_looked, 1, __ATOMIC_SEQ_CST);
	uint64_t deadline = clock_deadline(20 * CLOCK_SECOND);
	while (kill(former, 0) == 0 && clock_left(deadline))
		(void)poll(NULL, 0, 1);
	return kill(former, 0) == 0 ? EXIT_FAILED : EXIT_IN_ORDER;
}

static void test_the_next_server_does_not_wait_until_the_dead_one_is_reaped(void)
{
	reaping_takes_long = true;
	CU_ASSERT_EQUAL(end_of(start(look_for_the_former)), EXIT_IN_ORDER);
	CU_ASSERT_EQUAL(stage->value, 1);
	reaping_takes_long = false;
}

static int fail_once_behind_ready(void *context, struct kept *kept, int keeper)
{
	uint32_t n = enter(kept, keeper);
	(void)context;
	if (n == 1)
		notify("READY=1");
	return n == 1 ? EXIT_FAILED : n == 2 ? EXIT_TAKEN : EXIT_MEMORY;
}

static void test_a_later_start_that_fails_is_tried_again_unless_it_is_in_vain(void)
{
	CU_ASSERT_EQUAL(end_of(start(fail_once_behind_ready)), EXIT_MEMORY);
	CU_ASSERT_EQUAL(stage->n_servers, 3);
}

static int outlive_the_keeper(void *context, struct kept *kept, int keeper)
{
	struct pollfd p = { .fd = keeper, .events = POLLIN };
	char lines[NOTIFY_SIZE];
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	(void)context;
	(void)enter(kept, keeper);
	notify("READY=1");
	(void)poll(&p, 1, -1);
	stage->value = notify_receive(keeper, lines, fds, &n_fds) == 0;
	int fd = eventfd(0, EFD_CLOEXEC);
	stage->n_kept = notify_store("bell", &fd, 1); /* nobody keeps anything any more, and that is no failure */
	__atomic_store_n(&stage->n_servers, 2, __ATOMIC_SEQ_CST);
	return EXIT_IN_ORDER;
}

static void test_a_server_sees_that_its_keeper_is_gone(void)
{
	pid_t pid = start(outlive_the_keeper);
	CU_ASSERT_TRUE(await(&stage->n_servers, 1));
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(end_of(pid), -SIGKILL);
	CU_ASSERT_TRUE(await(&stage->n_servers, 2));
	CU_ASSERT_EQUAL(stage->value, 1);
	CU_ASSERT_EQUAL(stage->n_kept, 1);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("keeper", setup, teardown);
	CU_ADD_TEST(suite, test_a_first_start_that_fails_is_the_end);
	CU_ADD_TEST(suite, test_term_reaches_the_server_and_its_status_is_the_keepers);
	CU_ADD_TEST(suite, test_a_signal_to_all_counts_as_one);
	CU_ADD_TEST(suite, test_what_is_in_keeping_outlives_the_server);
	CU_ADD_TEST(suite, test_the_last_words_of_the_dead_are_heard);
	CU_ADD_TEST(suite, test_a_crash_loop_slows_down_and_can_be_ended);
	CU_ADD_TEST(suite, test_kills_from_outside_are_no_crash_loop);
	CU_ADD_TEST(suite, test_the_next_server_does_not_wait_until_the_dead_one_is_reaped);
	CU_ADD_TEST(suite, test_a_later_start_that_fails_is_tried_again_unless_it_is_in_vain);
	CU_ADD_TEST(suite, test_a_server_sees_that_its_keeper_is_gone);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
