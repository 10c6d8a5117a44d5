/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deaths across PID namespaces, as between containers: process numbers of one side are nothing to the other, and may be
 * those of somebody else. Who is not root makes them in a user namespace, as rootless containers do, where the system
 * allows it.
 */
#define _GNU_SOURCE /* unshare, pipe2 */
#include "server/control/test_child.h"

#include <sched.h>

/* Children are in it; 0: done. */
static int new_namespace(void)
{
	return unshare(CLONE_NEWPID) ? unshare(CLONE_NEWUSER | CLONE_NEWPID) : 0;
}

static bool have_namespaces(void)
{
	pid_t pid = fork();
	int status = 1;
	if (!pid)
		_exit(new_namespace() != 0);
	waitpid(pid, &status, 0);
	return status == 0;
}

/* The number of the client, when it is attached; it is known to its own namespace only. */
static pid_t told_pid(void)
{
	pid_t pid;
	CU_ASSERT_EQUAL(read(rope.to_test[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
	return pid;
}

static void attach_and_wait(void)
{
	struct attached a;
	pid_t mine = getpid();
	child_attach(&a);
	CU_ASSERT_EQUAL(write(rope.to_test[1], &mine, sizeof(mine)), (ssize_t)sizeof(mine));
	wait_for_ever(&a);
}

/* A namespace of its own: an init process, which starts the client and does what it is told to. */
static void be_init(int told)
{
	char order;
	pid_t client = fork();
	if (!client)
		attach_and_wait();
	while (read(told, &order, 1) == 1) {
		if (order == 'k')
			kill(client, SIGKILL); /* and not waited for: a zombie */
		if (order == 'w')
			waitpid(client, NULL, 0);
	}
	_exit(0);
}

/* Returns the process that made the namespace; rope.to_child leads to its init. */
static pid_t start_namespace(void)
{
	CU_ASSERT_EQUAL_FATAL(pipe2(rope.to_child, O_CLOEXEC) | pipe2(rope.to_test, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (!pid) {
		if (new_namespace())
			_exit(99);
		pid_t init = fork();
		if (!init) {
			close(rope.to_child[1]);
			be_init(rope.to_child[0]);
		}
		close(rope.to_child[0]);
		close(rope.to_child[1]);
		waitpid(init, NULL, 0);
		_exit(0);
	}
	CU_ASSERT_TRUE(kit_await_attached(1));
	return pid;
}

static void order(char what)
{
	CU_ASSERT_EQUAL(write(rope.to_child[1], &what, 1), 1);
}

/* Its namespace ends with the pipe. */
static void end_namespace(pid_t pid)
{
	close(rope.to_child[1]);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	close(rope.to_child[0]);
	close(rope.to_test[0]);
	close(rope.to_test[1]);
}

static void test_a_client_in_another_namespace_is_recovered_when_it_dies(void)
{
	pid_t pid = start_namespace();
	CU_ASSERT_TRUE(told_pid() < 100); /* here that number is of another process, which lives, or of none */
	kit_turn();
	control_tick(kit.control);
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	order('k');
	CU_ASSERT_TRUE(kit_await_attached(0)); /* though nobody has waited for it */
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	order('w');
	end_namespace(pid);
	kit_expect_service();
}

static void test_a_namespace_that_ends_takes_its_clients_along(void)
{
	pid_t pid = start_namespace();
	(void)told_pid();
	end_namespace(pid);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	kit_expect_service();
}

/* The front itself in a namespace: the client is outside of it, and has no number there at all. */
static void serve_from_inside(void)
{
	pid_t pid;
	CU_ASSERT_TRUE(kit_await_attached(1));
	CU_ASSERT_EQUAL(read(rope.to_child[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
	kit_turn();
	control_tick(kit.control);
	bool lives = kit_counters().attached == 1 && kit_counters().deaths == 0;
	say(rope.to_test[1]);
	bool died = kit_await_attached(0) && kit_counters().deaths == 1;
	_exit(lives && died ? 0 : 1);
}

static void test_a_client_that_the_server_cannot_see_is_recovered_when_it_dies(void)
{
	int status = 1;
	pid_t mine;
	CU_ASSERT_EQUAL_FATAL(pipe2(rope.to_child, O_CLOEXEC) | pipe2(rope.to_test, O_CLOEXEC), 0);
	pid_t front = fork();
	if (!front) {
		pid_t inside = new_namespace() ? -1 : fork();
		if (!inside)
			serve_from_inside();
		waitpid(inside, &status, 0);
		_exit(inside < 0 || status ? 1 : 0);
	}
	pid_t client = fork();
	if (!client) {
		struct attached a;
		child_attach(&a);
		mine = getpid();
		CU_ASSERT_EQUAL(write(rope.to_child[1], &mine, sizeof(mine)), (ssize_t)sizeof(mine));
		wait_for_ever(&a);
	}
	hear(rope.to_test[0]);
	end_child(client);
	CU_ASSERT_EQUAL(waitpid(front, &status, 0), front);
	CU_ASSERT_EQUAL(status, 0);
}

int main(void)
{
	CU_initialize_registry();
	if (!have_namespaces()) {
		printf("skipped: no PID namespace can be made here\n");
		return 0;
	}
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("death across namespaces", NULL, NULL, kit_setup,
							       kit_teardown);
	CU_ADD_TEST(suite, test_a_client_in_another_namespace_is_recovered_when_it_dies);
	CU_ADD_TEST(suite, test_a_namespace_that_ends_takes_its_clients_along);
	CU_ADD_TEST(suite, test_a_client_that_the_server_cannot_see_is_recovered_when_it_dies);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
