/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single steps by ptrace. The child stops itself in front of the act and behind it; what lies between is stepped
 * through.
 */
#include "tests/crash/step.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_BEGIN SIGSTOP
#define AT_END SIGUSR1

static void child(step_act *act, void *context)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(AT_BEGIN);
	act(context);
	raise(AT_END);
	_exit(0);
}

static bool stopped_by(pid_t pid, int *signal)
{
	int status;
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return false;
	*signal = WSTOPSIG(status);
	return true;
}

/* A rep instruction traps behind each of its rounds, though it is one: its address has not changed. */
static bool is_round(pid_t pid, uint64_t *at)
{
#ifdef __x86_64__
	uint64_t rip = (uint64_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), NULL);
	bool same = rip == *at;
	*at = rip;
	return same;
#else
	(void)pid;
	(void)at;
	return false;
#endif
}

uint64_t step_through(step_act *act, void *act_context, step_seen *seen, void *seen_context)
{
	uint64_t n = 0, at = 0;
	int signal = 0;
	pid_t pid = fork();
	if (pid == 0)
		child(act, act_context);
	bool fine = pid > 0 && stopped_by(pid, &signal) && signal == AT_BEGIN;
	while (fine) {
		fine = !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) && stopped_by(pid, &signal);
		if (fine && signal == AT_END)
			break;
		fine = fine && signal == SIGTRAP;
		if (fine && !is_round(pid, &at) && !seen(seen_context, ++n))
			break;
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) == pid)
			;
	}
	return fine ? n : 0;
}
