/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals. Handlers only set flags and ring an eventfd, except for the two that must work when the main thread is
 * stuck: the second TERM or INT, and the alarm that bounds the drain; those leave the process by _exit. The kernel
 * closes what it had open, clients of the memory don't need us, and the next server replaces the sockets.
 */
#define _GNU_SOURCE /* sigaction, eventfd */
#include "server/main/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

static int event_fd = -1;
static pid_t keeper;
/* How often anybody, and the keeper, has asked for the end. */
static volatile sig_atomic_t n_ends[2], wants_reload, wants_snapshot;
static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM };
#define N_CAUGHT (sizeof(caught) / sizeof(caught[0]))

static void leave(const char *text, size_t len)
{
	ssize_t n = write(STDERR_FILENO, text, len);
	(void)n;
	_exit(EXIT_CUT_SHORT);
}

static void on_signal(int number, siginfo_t *info, void *unused)
{
	static const char twice[] = "sabird: a second signal: ending at once\n";
	static const char late[] = "sabird: the drain time-out has passed: ending now\n";
	int saved = errno;
	uint64_t one = 1;
	bool of_keeper = info->si_code == SI_USER && info->si_pid == keeper;
	(void)unused;
	if (number == SIGALRM)
		leave(late, sizeof(late) - 1);
	if (number == SIGHUP)
		wants_reload = 1;
	else if (number == SIGUSR1)
		wants_snapshot = 1;
	else if (++n_ends[of_keeper] > 1)
		leave(twice, sizeof(twice) - 1);
	ssize_t n = write(event_fd, &one, sizeof(one));
	(void)n;
	errno = saved;
}

static sigset_t caught_set(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (unsigned i = 0; i < N_CAUGHT; i++)
		sigaddset(&set, caught[i]);
	return set;
}

void signals_hold(void)
{
	sigset_t set = caught_set();
	sigprocmask(SIG_BLOCK, &set, NULL);
}

enum sabir_error signals_install(pid_t keeper_pid, int *fd)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO };
	sigset_t set = caught_set();
	keeper = keeper_pid;
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return SABIR_RESOURCE_EXHAUSTED;
	sigemptyset(&action.sa_mask);
	for (unsigned i = 0; i < N_CAUGHT; i++)
		(void)sigaction(caught[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	*fd = event_fd;
	return SABIR_OK;
}

void signals_set_keeper(pid_t keeper_pid)
{
	keeper = keeper_pid;
}

struct signals signals_take(void)
{
	uint64_t count;
	ssize_t n = read(event_fd, &count, sizeof(count));
	(void)n;
	struct signals come = { .end = n_ends[0] || n_ends[1], .reload = wants_reload, .snapshot = wants_snapshot };
	wants_reload = wants_snapshot = 0;
	return come;
}

void signals_end_within(uint64_t timeout_ns)
{
	uint64_t us = timeout_ns / 1000;
	if (us < 1000)
		us = 1000; /* 0 would be never */
	struct itimerval timer = { .it_value = { .tv_sec = (time_t)(us / 1000000),
						 .tv_usec = (suseconds_t)(us % 1000000) } };
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}
