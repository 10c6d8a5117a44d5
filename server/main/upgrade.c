/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program in the server's place, on the same memory.
 *
 *   keeper                      the present server          the next one
 *   USR2: exec it, CHECK + memory ─────────────────────────► maps nothing yet, looks at the layout
 *                               ◄──────────────────────────── STANDBY, or it exits and all stays as it is
 *   HANDOVER ──────────────────► ends its calls, leaves
 *   all that is kept, GO ──────────────────────────────────► becomes the server
 *
 * Local programs notice nothing. gRPC's ports are closed from the time when the one leaves them until the other has them; a call
 * in this time is UNAVAILABLE. A next one that ends before it was ready is given up, and the program before it is started
 * again. The keeper itself stays the program that it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/main/keeper_parts.h"
#include "server/main/signals.h"
#include "server/shm/segment.h"

#define STANDBY_PATIENCE (10 * CLOCK_SECOND)
#define SEND_PATIENCE (5 * CLOCK_SECOND)
#define VARIABLE "SABIRD_KEEPER_SOCKET"

extern char **environ;

bool upgrade_init(struct keeper *k)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	k->path = strdup(path);
	return k->path != NULL;
}

static void close_program(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = 0;
}

void upgrade_fini(struct keeper *k)
{
	upgrade_cancel(k);
	close_program(&k->program);
	close_program(&k->next_program);
	close_program(&k->former_program);
	free(k->path);
}

/* ---------------------------------------------------------------- starting a program */

static void exec_program(int program, char *const *argv, int socket)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", socket);
	if (fcntl(socket, F_SETFD, 0) == 0 && setenv(VARIABLE, number, 1) == 0)
		(void)syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH);
	log_error("the program can't be started", log_text("detail", strerror(errno)));
}

static void become_next(struct keeper *k, int socket)
{
	signals_hold();
	sigprocmask(SIG_UNBLOCK, &k->only_keeper, NULL);
	exec_program(k->next_program, k->options->argv, socket);
}

static void become_server(struct keeper *k, int socket)
{
	signals_hold();
	sigprocmask(SIG_UNBLOCK, &k->only_keeper, NULL);
	exec_program(k->program, k->options->argv, socket);
}

/* Until it has gone into the socket. */
static bool send_surely(int socket, const char *lines, int fd, uint64_t deadline_ns)
{
	while (!notify_send(socket, lines, &fd, fd >= 0 ? 1 : 0)) {
		struct pollfd p = { .fd = socket, .events = POLLOUT };
		if ((errno != EAGAIN && errno != ETOOMANYREFS) || !clock_left(deadline_ns))
			return false;
		(void)poll(&p, 1, errno == EAGAIN ? clock_left_ms(deadline_ns) : 1);
	}
	return true;
}

static bool send_check(struct keeper *k, struct keeper_child *child)
{
	int memory = -1;
	for (size_t i = 0; i < k->kept.n; i++)
		if (!strcmp(k->kept.fds[i].name, "memory"))
			memory = k->kept.fds[i].fd;
	return send_surely(child->socket, "CHECK=1", memory, clock_deadline(SEND_PATIENCE));
}

static bool send_all(struct keeper *k, struct keeper_child *child)
{
	char lines[NOTIFY_SIZE];
	uint64_t deadline = clock_deadline(SEND_PATIENCE);
	for (size_t i = 0; i < k->kept.n; i++) {
		snprintf(lines, sizeof(lines), "FDSTORE=1\nFDNAME=%s", k->kept.fds[i].name);
		if (!send_surely(child->socket, lines, k->kept.fds[i].fd, deadline))
			return false;
	}
	return send_surely(child->socket, "GO=1", -1, deadline);
}

static void kill_child(const struct keeper_child *child, const char *why)
{
	log_error("a server is killed by its keeper", log_text("reason", why), log_i64("pid", child->pid));
	(void)kill(child->pid, SIGKILL);
}

bool upgrade_again(struct keeper *k)
{
	if (!keeper_fork(k, &k->server, become_server))
		return false;
	if (!send_check(k, &k->server) || !send_all(k, &k->server))
		kill_child(&k->server, "it does not take what was kept");
	return true;
}

/* ---------------------------------------------------------------- from one to the other */

void upgrade_begin(struct keeper *k)
{
	if (k->next.pid || k->ending || !k->server.pid || !k->server.ready_ns) {
		log_warning("no upgrade now",
			    log_text("detail", k->next.pid ? "one is under way" : "the server is not ready"));
		return;
	}
	k->next_program = open(k->path, O_RDONLY | O_CLOEXEC);
	if (k->next_program <= 0 || !keeper_fork(k, &k->next, become_next)) {
		log_error("no upgrade", log_text("path", k->path), log_text("detail", strerror(errno)));
		close_program(&k->next_program);
		return;
	}
	log_info("upgrade: a program is tried", log_text("path", k->path), log_i64("pid", k->next.pid));
	k->patience_ns = clock_deadline(STANDBY_PATIENCE);
	if (!send_check(k, &k->next))
		kill_child(&k->next, "it does not listen");
}

static void forget_next(struct keeper *k)
{
	if (k->next.socket >= 0)
		close(k->next.socket);
	k->next = (struct keeper_child){ .socket = -1 };
	k->patience_ns = CLOCK_NEVER;
	close_program(&k->next_program);
}

void upgrade_cancel(struct keeper *k)
{
	if (k->next.pid)
		(void)kill(k->next.pid, SIGKILL);
	forget_next(k);
}

void upgrade_go_on(struct keeper *k)
{
	if (k->on_trial && k->server.ready_ns) {
		log_info("upgrade: done", log_i64("pid", k->server.pid));
		k->on_trial = false;
		close_program(&k->former_program);
	}
	if (!k->next.pid || k->hands_over)
		return;
	if (k->next.stands_by && k->server.pid) {
		k->hands_over = notify_send(k->server.socket, "HANDOVER=1", NULL, 0);
		k->patience_ns = CLOCK_NEVER;
	} else if (!clock_left(k->patience_ns)) {
		k->patience_ns = CLOCK_NEVER;
		kill_child(&k->next, "it has not come up in time");
	}
}

void upgrade_next_ended(struct keeper *k, int status)
{
	log_error("upgrade: the program does not take over, the server stays what it was", log_text("path", k->path),
		  log_i64("exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
	forget_next(k);
}

/* A new program has not even become ready. */
static bool go_back(struct keeper *k)
{
	if (!k->on_trial || k->server.ready_ns || k->ending)
		return false;
	log_error("upgrade: the new server has ended before it was ready, the former program is started again",
		  log_text("path", k->path));
	close_program(&k->program);
	k->program = k->former_program;
	k->former_program = 0;
	k->on_trial = false;
	return true;
}

bool upgrade_server_ended(struct keeper *k, int status)
{
	bool made_room = k->hands_over && !k->ending;
	k->hands_over = false;
	if (go_back(k) || (made_room && !k->next.pid)) {
		k->server = (struct keeper_child){ .socket = -1 };
		k->again_ns = clock_now();
		return true;
	}
	if (!made_room) {
		upgrade_cancel(k);
		return false;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_IN_ORDER)
		log_warning("upgrade: the server died while it made room; what it left is repaired");
	k->former_program = k->program;
	k->program = k->next_program;
	k->next_program = 0;
	k->server = k->next;
	k->next = (struct keeper_child){ .socket = -1 };
	k->on_trial = true;
	if (!send_all(k, &k->server))
		kill_child(&k->server, "it does not take what was kept");
	return true;
}

/* ---------------------------------------------------------------- the other side */

/* Whether this program can use the memory; without one it makes its own. */
static bool usable(const int *fds, unsigned n_fds)
{
	enum sabir_error error = n_fds ? segment_check(fds[0]) : SABIR_OK;
	if (error)
		log_error("this program can't use the memory that is there: its layout is another, or it is damaged",
			  log_u64("layout_version", SEG_LAYOUT_VERSION));
	for (unsigned i = 0; i < n_fds; i++)
		close(fds[i]);
	return !error;
}

/* One message; false: the keeper doesn't want this program any more, or it can't be of use. */
static bool obey(struct kept *kept, int socket, bool *go, int *status)
{
	char lines[NOTIFY_SIZE];
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	struct pollfd p = { .fd = socket, .events = POLLIN };
	(void)poll(&p, 1, -1);
	ssize_t n = notify_receive(socket, lines, fds, &n_fds);
	if (n < 0)
		return errno == EAGAIN;
	*status = EXIT_FAILED;
	if (n == 0)
		return false;
	if (notify_line(lines, "CHECK", NULL)) {
		*status = EXIT_MEMORY;
		return usable(fds, n_fds) && notify_send(socket, "STANDBY=1", NULL, 0);
	}
	*go = notify_line(lines, "GO", NULL);
	(void)kept_by_message(kept, lines, fds, n_fds);
	return true;
}

bool keeper_started_this(struct kept *kept, int *socket, int *status)
{
	const char *number = getenv(VARIABLE);
	bool go = false;
	*status = EXIT_IN_ORDER;
	if (!number)
		return false;
	*socket = atoi(number);
	unsetenv(VARIABLE);
	(void)fcntl(*socket, F_SETFD, FD_CLOEXEC);
	(void)prctl(PR_SET_NAME, "sabird");
	while (!go)
		if (!obey(kept, *socket, &go, status))
			return true;
	*status = EXIT_IN_ORDER;
	return true;
}
