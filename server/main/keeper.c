/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper.
 *
 *            ┌───────────── the server died: at once, or after a pause ────────────┐
 *            ▼                                                                     │
 *   start: RUNNING ──READY──► SERVING ──TERM, INT──► ENDING ──► gone, with its exit status
 *            │                    │
 *            │ exits by itself    └──USR2──► upgrade.c
 *            ▼
 *   the first start has failed: gone
 *
 * It does little, so that it has little to die of: no thread, no gRPC, no look at the memory. The child is a fork without an exec:
 * it is there at once, and it is the same program whatever has become of its file. A server that dies takes nothing with it
 * that is in keeping: its last messages are still in the socket, and are read before the next one begins.
 *
 * A crash loop: a life is short that did not come to READY, or crashed less than STABLE behind it; SIGKILL, once it is ready, is
 * somebody else's deed. The first few short lives are followed by the next one
 * at once, then by pauses that double. It never gives up, and each death is logged with its reason. A server that exits by
 * itself with an error, and was ready before, is treated like one that died, but for those statuses which say that the next
 * one would fare no better.
 *
 * The next server is started before the dead one is reaped: to reap a process the kernel takes back what /proc shows of it, and
 * waits, spinning, for threads of the dead that are at that, too. On a machine with more to do than it has processors those may
 * have to wait for seconds.
 */
#include "server/main/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/control/listen.h"
#include "server/main/keeper_parts.h"
#include "server/main/runtime.h"
#include "server/main/signals.h"

#define STABLE CLOCK_SECOND
#define FREE_DEATHS 3u
#define PAUSE_FIRST (10 * CLOCK_MILLISECOND)
#define PAUSE_MOST (5 * CLOCK_SECOND)

/* ---------------------------------------------------------------- what is kept, and what is told */

void keeper_hear(struct keeper *k, struct keeper_child *child)
{
	char lines[NOTIFY_SIZE];
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	while (child->socket >= 0) {
		ssize_t n = notify_receive(child->socket, lines, fds, &n_fds);
		if (n <= 0) {
			if (n == 0 || errno != EAGAIN) {
				close(child->socket);
				child->socket = -1;
			}
			return;
		}
		notify_pass(lines, fds, n_fds);
		(void)kept_by_message(&k->kept, lines, fds, n_fds);
		if (notify_line(lines, "READY", NULL)) {
			child->ready_ns = clock_now();
			k->ever_ready = true;
		}
		if (notify_line(lines, "STOPPING", NULL) || notify_line(lines, "LEAVING", NULL))
			child->stopping = true;
		if (notify_line(lines, "STANDBY", NULL))
			child->stands_by = true;
	}
}

/* ---------------------------------------------------------------- a child */

static void be_child(struct keeper *k, int socket)
{
	close(k->signal_fd);
	if (k->next.socket >= 0)
		close(k->next.socket);
	(void)prctl(PR_SET_NAME, "sabird");
	signals_hold();
	sigprocmask(SIG_UNBLOCK, &k->only_keeper, NULL);
	exit(k->options->serve(k->options->context, &k->kept, socket));
}

bool keeper_fork(struct keeper *k, struct keeper_child *child, void (*become)(struct keeper *k, int socket))
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return false;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		become(k, ends[1]);
		_exit(EXIT_FAILED);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	*child = (struct keeper_child){ .pid = pid, .socket = ends[0], .start_ns = clock_now() };
	return true;
}

static uint64_t pause_of(unsigned n_short)
{
	if (n_short <= FREE_DEATHS)
		return 0;
	unsigned doublings = n_short - FREE_DEATHS - 1;
	uint64_t pause = doublings < 16 ? PAUSE_FIRST << doublings : PAUSE_MOST;
	return pause < PAUSE_MOST ? pause : PAUSE_MOST;
}

static void start_server(struct keeper *k)
{
	k->again_ns = CLOCK_NEVER;
	bool started = k->program ? upgrade_again(k) : keeper_fork(k, &k->server, be_child);
	if (started)
		return;
	log_error("the server can't be started again yet", log_text("detail", strerror(errno)));
	k->n_short++;
	k->again_ns = clock_deadline(PAUSE_FIRST + pause_of(k->n_short));
}

/* "signal 11 (Segmentation fault), core dumped", "exit status 1" */
static void describe_end(int status, char *text, size_t size)
{
	const char *core = WIFSIGNALED(status) && WCOREDUMP(status) ? ", core dumped" : "";
	if (WIFSIGNALED(status))
		snprintf(text, size, "signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)), core);
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

/* Whether the end of the server is the keeper's too; and with which status. */
static bool is_the_end(const struct keeper *k, int status, int *exit_status)
{
	*exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CUT_SHORT;
	if (k->ending)
		return true;
	if (!WIFEXITED(status))
		return false;
	return !k->ever_ready || *exit_status == EXIT_IN_ORDER || *exit_status == EXIT_USAGE ||
	       *exit_status == EXIT_CUT_SHORT || *exit_status == EXIT_MEMORY;
}

static void start_again(struct keeper *k, int how, const char *reason)
{
	uint64_t now = clock_now(), ready_ns = k->server.ready_ns;
	bool is_kill = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
	bool stable = ready_ns && (is_kill || now - ready_ns >= STABLE);
	k->n_short = stable ? 0 : k->n_short + 1;
	uint64_t pause = pause_of(k->n_short);
	char status[96];
	log_error("the server died and is started again", log_text("reason", reason), log_i64("pid", k->server.pid),
		  log_u64("lived_ms", (now - k->server.start_ns) / CLOCK_MILLISECOND), log_bool("was_ready", ready_ns),
		  log_u64("short_lives", k->n_short), log_u64("pause_ms", pause / CLOCK_MILLISECOND));
	snprintf(status, sizeof(status), "STATUS=starting again after %s", reason);
	notify(status);
	k->server = (struct keeper_child){ .socket = -1 };
	k->again_ns = now + pause;
}

static void server_ended(struct keeper *k, int status)
{
	char reason[64];
	int exit_status;
	keeper_hear(k, &k->server);
	if (k->server.socket >= 0)
		close(k->server.socket);
	k->server.socket = -1;
	if (upgrade_server_ended(k, status))
		return;
	describe_end(status, reason, sizeof(reason));
	if (!is_the_end(k, status, &exit_status)) {
		start_again(k, status, reason);
		return;
	}
	if (!WIFEXITED(status))
		log_error("the server died at its end", log_text("reason", reason));
	k->server.pid = 0;
	k->exit_status = exit_status;
	k->over = true;
}

static void child_ended(struct keeper *k, pid_t pid, int status)
{
	if (pid == k->server.pid)
		server_ended(k, status);
	else if (pid == k->next.pid)
		upgrade_next_ended(k, status);
}

/* Whether a child is dead, and of what, as waitpid would tell; it is not reaped. */
static bool is_dead(pid_t pid, int *status)
{
	siginfo_t info = { .si_pid = 0 };
	if (!pid || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid != pid)
		return false;
	if (info.si_code == CLD_EXITED)
		*status = W_EXITCODE(info.si_status, 0);
	else
		*status = W_EXITCODE(0, info.si_status) | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
	return true;
}

/* One that has died, 0: none. */
static pid_t dead_child(const struct keeper *k, int *status)
{
	if (is_dead(k->server.pid, status))
		return k->server.pid;
	return is_dead(k->next.pid, status) ? k->next.pid : 0;
}

/* One's end may put the other into its place. */
static void look_at_children(struct keeper *k)
{
	int status;
	for (pid_t pid; !k->over && (pid = dead_child(k, &status));)
		child_ended(k, pid, status);
}

/* Those too that were left to process 1. */
static void reap(struct keeper *k)
{
	int status;
	k->to_reap = false;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		child_ended(k, pid, status);
}

/* A server that is not this one's child: what it has died of is not told. */
static void look_after_other(struct keeper *k)
{
	struct pollfd p = { .fd = k->server.pidfd, .events = POLLIN };
	if (!k->server.pidfd || (k->server.pidfd > 0 && poll(&p, 1, 0) != 1))
		return;
	if (k->server.pidfd > 0)
		close(k->server.pidfd);
	k->server.pidfd = 0;
	keeper_hear(k, &k->server);
	server_ended(k, k->server.stopping ? 0 : SIGKILL);
}

/* ---------------------------------------------------------------- the keeper's own life */

static void end(struct keeper *k, int number)
{
	k->ending = true;
	upgrade_cancel(k);
	if (k->server.pid) {
		(void)kill(k->server.pid, number);
		return;
	}
	k->over = true; /* between two servers */
	k->exit_status = EXIT_IN_ORDER;
}

static void on_signal(struct keeper *k)
{
	struct signalfd_siginfo info;
	while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;
		if (number == SIGCHLD)
			k->to_reap = true;
		else if (number == SIGUSR2)
			upgrade_begin(k);
		else if ((number == SIGHUP || number == SIGUSR1) && k->server.pid)
			(void)kill(k->server.pid, number);
		else if (number != SIGHUP && number != SIGUSR1)
			end(k, number);
	}
}

static void turn(struct keeper *k)
{
	struct pollfd p[4] = {
		{ .fd = k->signal_fd, .events = POLLIN },
		{ .fd = k->server.pidfd ? k->server.pidfd : -1, .events = POLLIN },
		{ .fd = k->server.socket, .events = POLLIN },
		{ .fd = k->next.socket, .events = POLLIN },
	};
	uint64_t until = k->again_ns < k->patience_ns ? k->again_ns : k->patience_ns;
	if (poll(p, 4, clock_left_ms(until)) < 0 && errno != EINTR)
		log_warning("the keeper can't wait", log_text("detail", strerror(errno)));
	keeper_hear(k, &k->server);
	keeper_hear(k, &k->next);
	on_signal(k);
	if (k->to_reap)
		look_at_children(k);
	look_after_other(k);
	if (!k->over)
		upgrade_go_on(k);
	if (!k->over && k->again_ns <= clock_now())
		start_server(k);
	if (!k->over && k->to_reap)
		reap(k);
}

static bool catch_signals(struct keeper *k)
{
	static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	sigset_t set;
	sigemptyset(&k->only_keeper);
	sigaddset(&k->only_keeper, SIGCHLD);
	sigaddset(&k->only_keeper, SIGUSR2);
	set = k->only_keeper;
	for (unsigned i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* a server has started it, perhaps, who didn't want to know */
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signal_fd >= 0;
}

/* A server that did not come to its own end has left its socket; the manager's copies are for nobody any more. */
static void clean_up(struct keeper *k)
{
	struct control_listener listener = { .fd = kept_take(&k->kept, "control", true),
					     .lock_fd = kept_take(&k->kept, "control", false) };
	control_sweep(config_text(k->options->config, OPTION_SOCKET), &listener);
	notify_forget("control");
	for (size_t i = 0; i < k->kept.n; i++)
		notify_forget(k->kept.fds[i].name);
	kept_fini(&k->kept);
}

int keeper_run(const struct keeper_options *options, struct kept *kept)
{
	struct keeper k = { .options = options, .kept = *kept, .patience_ns = CLOCK_NEVER };
	*kept = (struct kept){ 0 };
	/* What is there already must not be lost because the first attempt fails. */
	k.ever_ready = kept_find(&k.kept, "memory", &(size_t){ 0 }) != NULL;
	k.server.socket = k.next.socket = -1;
	runtime_set_log(options->config);
	runtime_raise_file_limit();
	if (!upgrade_init(&k) || !catch_signals(&k)) {
		log_error("can't start the keeper", log_text("detail", strerror(errno)));
		return EXIT_FAILED;
	}
	(void)prctl(PR_SET_NAME, "sabird-keeper");
	if (keeper_is_another(&k.server)) {
		k.ever_ready = true;
		k.again_ns = CLOCK_NEVER;
	} else {
		start_server(&k);
	}
	while (!k.over)
		turn(&k);
	clean_up(&k);
	upgrade_fini(&k);
	close(k.signal_fd);
	return k.exit_status;
}
