/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server and its keeper: KEPT ──the keeper's socket ends──► ALONE ──another one is started──► KEPT. What is to be kept is
 * given to the new one in one go, with patience, since it has yet to come to its loop; what is to be kept meanwhile waits behind.
 */
#include "server/main/keeping.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/main/keeper.h"
#include "server/main/signals.h"

#define GIVE_PATIENCE_MS 2000

static void close_socket(struct keeping *k)
{
	int fd = k->socket.fd;
	if (fd < 0)
		return;
	loop_remove(k->loop, &k->socket);
	close(fd);
	notify_through(-1);
}

/* Another one, in the place of one that is gone. */
static void find_another(struct keeping *k)
{
	int socket;
	pid_t pid;
	signal(SIGCHLD, SIG_IGN); /* it ends without being waited for */
	if (!keeper_again(&socket, &pid)) {
		log_error("the keeper is gone, and there can't be another yet", log_text("detail", strerror(errno)));
		return;
	}
	log_warning("the keeper died and is started again", log_i64("pid", pid));
	if (loop_add(k->loop, &k->socket, socket, EPOLLIN)) {
		close(socket); /* which ends it */
		return;
	}
	k->pid = pid;
	signals_set_keeper(pid);
	notify_through(socket);
	notify_set_patience(GIVE_PATIENCE_MS);
	if (!k->give_all(k->context, pid))
		log_error("the new keeper does not take all that is to be kept");
	notify_set_patience(0);
}

static void on_socket(void *context, uint32_t events)
{
	struct keeping *k = context;
	char lines[NOTIFY_SIZE];
	int fds[NOTIFY_MAX_FDS];
	unsigned n_fds;
	(void)events;
	ssize_t n = notify_receive(k->socket.fd, lines, fds, &n_fds);
	for (unsigned i = 0; i < n_fds; i++)
		close(fds[i]);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && notify_line(lines, "HANDOVER", NULL)) {
		k->leave(k->context);
	} else if (n <= 0) {
		close_socket(k);
		find_another(k);
	}
}

enum sabir_error keeping_start(struct keeping *k, struct loop *loop, int socket)
{
	k->loop = loop;
	k->socket = (struct loop_fd){ .fd = -1, .ready = on_socket, .context = k };
	if (socket < 0)
		return SABIR_OK;
	k->pid = getppid();
	return loop_add(loop, &k->socket, socket, EPOLLIN);
}

void keeping_tick(struct keeping *k)
{
	if (k->pid && k->socket.fd < 0)
		find_another(k);
}

static bool is_gone(int socket)
{
	struct pollfd p = { .fd = socket };
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

void keeping_look(struct keeping *k)
{
	if (k->socket.fd >= 0 && is_gone(k->socket.fd))
		close_socket(k);
	keeping_tick(k);
}

void keeping_stop(struct keeping *k)
{
	if (k->loop)
		close_socket(k);
}
