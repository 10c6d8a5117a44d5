/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's own death. The server, who sees its socket end, starts another one, which is then the server's child and not its
 * parent: it watches the server's pidfd, and the servers behind that one are its children. What is in keeping is given to it
 * anew. How a server that is not its child has ended it can't know, but for what the server has said: STOPPING.
 */
#include "server/main/keeper_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"

#define VARIABLE "SABIRD_KEEPS"
#define SOCKET_FD 3

extern char **environ;
static char *const *program_argv;

void keeper_remember(char *const *argv)
{
	program_argv = argv;
}

/* The environment and one line more; the lines are borrowed. */
static char **longer_environment(char *line)
{
	size_t n = 0;
	while (environ[n])
		n++;
	char **longer = calloc(n + 2, sizeof(*longer));
	if (!longer)
		return NULL;
	memcpy(longer, environ, n * sizeof(*longer));
	longer[n] = line;
	return longer;
}

/* Nothing of the server's threads and handlers goes along: an exec with the signals as they were at its start. */
static bool spawn(int socket, pid_t *pid)
{
	static char line[] = VARIABLE "=3";
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	char **environment = longer_environment(line);
	if (!environment)
		return false;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, socket, SOCKET_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	errno = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, program_argv, environment);
	bool started = errno == 0;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return started;
}

bool keeper_again(int *socket, pid_t *pid)
{
	int ends[2], moved;
	if (!program_argv || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return false;
	/* Above SOCKET_FD, so that the dup2 is a real one, which takes CLOEXEC off. */
	moved = fcntl(ends[0], F_DUPFD_CLOEXEC, SOCKET_FD + 1);
	bool started = moved >= 0 && spawn(moved, pid);
	close(ends[0]);
	if (moved >= 0)
		close(moved);
	if (started)
		*socket = ends[1];
	else
		close(ends[1]);
	return started;
}

bool keeper_is_another(struct keeper_child *server)
{
	if (!getenv(VARIABLE))
		return false;
	unsetenv(VARIABLE);
	(void)fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC);
	pid_t pid = getppid();
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Whose child we are may have died before; then the one who has adopted us is not it. */
	if (pidfd < 0 || pid != getppid()) {
		log_error("the server died before its new keeper could see it");
		if (pidfd >= 0)
			close(pidfd);
		pidfd = -1;
	}
	*server = (struct keeper_child){ .pid = pid, .pidfd = pidfd, .socket = SOCKET_FD, .start_ns = clock_now() };
	server->ready_ns = server->start_ns;
	return true;
}
