/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single steps by ptrace, for processors other than x86-64, where step.c is quicker. The child stops itself in front of
 * the act and behind it; what lies between is stepped through, and the memory looked at behind each step.
 */
#ifndef __x86_64__

#include "tests/crash/step.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_BEGIN SIGSTOP
#define AT_END SIGUSR1

static bool waits_for_begin;

void step_begin(void)
{
	if (waits_for_begin)
		raise(AT_BEGIN);
	waits_for_begin = false;
}

static void child(const struct steps *steps)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	waits_for_begin = true;
	if (!steps->late)
		step_begin();
	steps->act(steps->act_context);
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

void step_touched(void)
{
}

/* False: the child is to be killed. */
static bool look(const struct steps *steps, struct step_at *at)
{
	at->n++;
	return (!steps->seen || steps->seen(steps->seen_context, at)) && at->n != steps->kill_at;
}

uint64_t step_through(const struct steps *steps)
{
	struct step_at at = { 0 };
	int signal = 0;
	pid_t pid = fork();
	if (pid == 0)
		child(steps);
	bool fine = pid > 0 && stopped_by(pid, &signal) && signal == AT_BEGIN;
	if (fine && steps->late && steps->seen)
		fine = steps->seen(steps->seen_context, &at);
	while (fine) {
		fine = !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) && stopped_by(pid, &signal);
		if (fine && signal == AT_END)
			break;
		fine = fine && signal == SIGTRAP;
		if (fine && !look(steps, &at))
			break;
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) == pid)
			;
	}
	return fine ? at.n : 0;
}

#endif
