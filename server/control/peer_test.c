/* SPDX-License-Identifier: Apache-2.0 */
/* Who may attach, whose pidfd counts, and what keeps two servers apart. */
#define _GNU_SOURCE /* syscall */
#include "server/control/peer.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/attach/attach.h"
#include "server/control/listen.h"

#define UID 4242
#define GID 4343

static int sockets[2];
static char folder[32], path[64], detail[CONTROL_DETAIL_SIZE];

static void setup(void)
{
	strcpy(folder, "/tmp/sabir-peer-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s.sock", folder);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
}

static void teardown(void)
{
	close(sockets[0]);
	close(sockets[1]);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

/* ---------------------------------------------------------------- who may */

static bool allowed(const struct control_policy *policy, uint32_t mode, gid_t group, uid_t uid, gid_t gid)
{
	const struct peer peer = { .pid = 1, .uid = uid, .gid = gid };
	return peer_allowed(policy, mode, group, sockets[0], &peer);
}

static void test_without_lists_the_permissions_of_the_socket_count(void)
{
	const struct control_policy policy = { 0 };
	CU_ASSERT_TRUE(allowed(&policy, 0600, 0, 0, 0));
	CU_ASSERT_TRUE(allowed(&policy, 0600, 0, geteuid(), GID));
	CU_ASSERT_FALSE(allowed(&policy, 0600, GID, UID, GID));
	CU_ASSERT_TRUE(allowed(&policy, 0660, GID, UID, GID));
	CU_ASSERT_FALSE(allowed(&policy, 0660, GID, UID, GID + 1));
	CU_ASSERT_TRUE(allowed(&policy, 0666, GID, UID, GID + 1));
}

static void test_with_a_list_only_who_is_on_it(void)
{
	const uid_t uids[] = { 7, UID };
	const gid_t gids[] = { GID };
	const struct control_policy users = { .uids = uids, .n_uids = 2 }, groups = { .gids = gids, .n_gids = 1 };
	CU_ASSERT_TRUE(allowed(&users, 0666, 0, UID, 9));
	CU_ASSERT_FALSE(allowed(&users, 0666, 0, UID + 1, 9));
	CU_ASSERT_TRUE(allowed(&users, 0666, 0, 0, 9));
	CU_ASSERT_TRUE(allowed(&users, 0666, 0, geteuid(), 9));
	CU_ASSERT_TRUE(allowed(&groups, 0666, 0, UID, GID));
	CU_ASSERT_FALSE(allowed(&groups, 0666, 0, UID, GID + 1));
}

/* ---------------------------------------------------------------- whose pidfd */

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void test_a_socket_tells_its_peer(void)
{
	struct peer peer;
	CU_ASSERT_EQUAL(peer_identify(sockets[0], &peer), SABIR_OK);
	CU_ASSERT_EQUAL(peer.pid, getpid());
	CU_ASSERT_EQUAL(peer.uid, geteuid());
}

static void test_the_peers_own_pidfd_is_taken(void)
{
	struct peer peer;
	int pidfd = -1, offered = open_pidfd(getpid());
	CU_ASSERT_EQUAL(peer_identify(sockets[0], &peer), SABIR_OK);
	CU_ASSERT_EQUAL(peer_pidfd(sockets[0], &peer, offered, detail, &pidfd), SABIR_OK);
	CU_ASSERT_EQUAL(pidfd, offered);
	CU_ASSERT_FALSE(peer_dead(pidfd));
	close(pidfd);
}

static void test_other_descriptors_are_refused_and_closed(void)
{
	struct peer peer;
	int pidfd = -1, other = open_pidfd(getppid()), none = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(peer_identify(sockets[0], &peer), SABIR_OK);
	CU_ASSERT_EQUAL(peer_pidfd(sockets[0], &peer, other, detail, &pidfd), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(fcntl(other, F_GETFD), -1);
	CU_ASSERT_EQUAL(peer_pidfd(sockets[0], &peer, none, detail, &pidfd), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(fcntl(none, F_GETFD), -1);
	CU_ASSERT_EQUAL(pidfd, -1);
}

static void test_without_a_pidfd_the_kernel_is_asked(void)
{
	struct peer peer;
	int pidfd = -1;
	CU_ASSERT_EQUAL(peer_identify(sockets[0], &peer), SABIR_OK);
	CU_ASSERT_EQUAL(peer_pidfd(sockets[0], &peer, -1, detail, &pidfd), SABIR_OK);
	CU_ASSERT_FALSE(peer_dead(pidfd));
	CU_ASSERT_TRUE(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	close(pidfd);
}

static void test_a_dead_process_is_dead(void)
{
	pid_t pid = fork();
	if (!pid)
		_exit(0);
	int pidfd = open_pidfd(pid);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_TRUE(peer_dead(pidfd));
	CU_ASSERT_FALSE(peer_without_memory(pidfd, 0)); /* nothing can be seen of it */
	close(pidfd);
}

/* ---------------------------------------------------------------- the listening socket */

static void test_a_second_listener_is_told_of_the_first(void)
{
	struct control_listener first, second;
	struct stat st;
	CU_ASSERT_EQUAL_FATAL(control_listen(path, 0640, CONTROL_NO_GROUP, detail, &first), SABIR_OK);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
	CU_ASSERT_EQUAL(control_listen(path, 0640, CONTROL_NO_GROUP, detail, &second), SABIR_ALREADY_EXISTS);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "another sabird"));
	CU_ASSERT_EQUAL(stat(path, &st), 0); /* the first one's is untouched */
	control_unlisten(&first);
	CU_ASSERT_EQUAL(control_listen(path, 0640, CONTROL_NO_GROUP, detail, &second), SABIR_ALREADY_EXISTS);
	control_unlock(&first);
	CU_ASSERT_EQUAL_FATAL(control_listen(path, 0640, CONTROL_NO_GROUP, detail, &second), SABIR_OK);
	control_unlisten(&second);
	control_unlock(&second);
}

static void test_what_a_killed_server_left_is_replaced(void)
{
	struct control_listener listener;
	pid_t pid = fork();
	if (!pid)
		_exit(control_listen(path, 0600, CONTROL_NO_GROUP, detail, &listener) ? 1
										      : 0); /* and cleans nothing up */
	int status;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	CU_ASSERT_EQUAL_FATAL(control_listen(path, 0600, CONTROL_NO_GROUP, detail, &listener), SABIR_OK);
	control_unlisten(&listener);
	control_unlock(&listener);
}

static void test_a_path_that_is_no_socket_is_left_alone(void)
{
	struct control_listener listener;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CU_ASSERT_EQUAL(control_listen(path, 0600, CONTROL_NO_GROUP, detail, &listener), SABIR_ALREADY_EXISTS);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL(control_listen("/nowhere/at/all", 0600, CONTROL_NO_GROUP, detail, &listener),
			SABIR_UNAVAILABLE);
	char longer[200];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	CU_ASSERT_EQUAL(control_listen(longer, 0600, CONTROL_NO_GROUP, detail, &listener), SABIR_INVALID_ARGUMENT);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("peer", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_without_lists_the_permissions_of_the_socket_count);
	CU_ADD_TEST(suite, test_with_a_list_only_who_is_on_it);
	CU_ADD_TEST(suite, test_a_socket_tells_its_peer);
	CU_ADD_TEST(suite, test_the_peers_own_pidfd_is_taken);
	CU_ADD_TEST(suite, test_other_descriptors_are_refused_and_closed);
	CU_ADD_TEST(suite, test_without_a_pidfd_the_kernel_is_asked);
	CU_ADD_TEST(suite, test_a_dead_process_is_dead);
	CU_ADD_TEST(suite, test_a_second_listener_is_told_of_the_first);
	CU_ADD_TEST(suite, test_what_a_killed_server_left_is_replaced);
	CU_ADD_TEST(suite, test_a_path_that_is_no_socket_is_left_alone);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
