/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's notification protocol, which is too small for a library: one datagram, to a path or to an abstract name
 * (which is written with a leading '@'), with descriptors beside the text where some are to be kept.
 */
#include "server/main/notify.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int keeper = -1;
static int patience_ms;

void notify_through(int socket_fd)
{
	keeper = socket_fd;
}

union control {
	char bytes[CMSG_SPACE(sizeof(int) * NOTIFY_MAX_FDS)];
	struct cmsghdr align;
};

static bool send_to(int fd, struct sockaddr_un *address, socklen_t address_len, const char *lines, const int *fds,
		    unsigned n_fds, int flags)
{
	union control control = { { 0 } };
	struct iovec iov = { .iov_base = (char *)lines, .iov_len = strlen(lines) };
	struct msghdr msg = { .msg_name = address, .msg_namelen = address_len, .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	ssize_t n;
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | flags);
	} while (n < 0 && errno == EINTR);
	return n >= 0;
}

bool notify_send(int fd, const char *lines, const int *fds, unsigned n_fds)
{
	return send_to(fd, NULL, 0, lines, fds, n_fds, MSG_DONTWAIT);
}

static void to_manager(const char *lines, const int *fds, unsigned n_fds)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = name ? strlen(name) : 0;
	if (len < 2 || len > sizeof(address.sun_path) || (*name != '/' && *name != '@'))
		return;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* It may be busy for a moment, and what is to be kept would be lost; but its hanging must not be ours. */
	const struct timeval patience = { .tv_sec = 1 };
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	(void)send_to(fd, &address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len), lines, fds, n_fds, 0);
	close(fd);
}

void notify(const char *lines)
{
	if (keeper >= 0)
		(void)notify_send(keeper, lines, NULL, 0);
	else
		to_manager(lines, NULL, 0);
}

/* systemd says so from version 254 on; for older ones the unit does. Others would have to guess what to do with it. */
static bool manager_keeps(void)
{
	const char *most = getenv("FDSTORE");
	return most && atol(most) > 0;
}

void notify_pass(const char *lines, const int *fds, unsigned n_fds)
{
	if (manager_keeps() || !notify_line(lines, "FDNAME", NULL))
		to_manager(lines, fds, n_fds);
}

void notify_set_patience(int timeout_ms)
{
	patience_ms = timeout_ms;
}

/* A keeper that is gone takes nothing, and that is no failure. */
static bool to_keeper(const char *lines, const int *fds, unsigned n_fds)
{
	struct pollfd p = { .fd = keeper, .events = POLLOUT };
	while (!notify_send(keeper, lines, fds, n_fds)) {
		if (errno == EPIPE || errno == ECONNRESET)
			return true;
		if (errno != EAGAIN || poll(&p, 1, patience_ms) != 1)
			return false;
	}
	return true;
}

bool notify_store(const char *name, const int *fds, unsigned n_fds)
{
	char lines[NOTIFY_SIZE];
	/* What is kept is ours to judge: a dead program's pidfd must not vanish from the store because it is readable. */
	snprintf(lines, sizeof(lines), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	if (keeper >= 0)
		return to_keeper(lines, fds, n_fds);
	if (manager_keeps())
		to_manager(lines, fds, n_fds);
	return true;
}

void notify_forget(const char *name)
{
	char lines[NOTIFY_SIZE];
	snprintf(lines, sizeof(lines), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	if (keeper >= 0)
		(void)notify_send(keeper, lines, NULL, 0);
	else if (manager_keeps())
		to_manager(lines, NULL, 0);
}

/* The descriptors of a message; those beyond the room for them the kernel has closed. */
static unsigned take_fds(struct msghdr *msg, int *fds)
{
	unsigned n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned more = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds + n, CMSG_DATA(c), more * sizeof(int));
		n += more;
	}
	return n;
}

ssize_t notify_receive(int fd, char *lines, int *fds, unsigned *n_fds)
{
	union control control;
	struct iovec iov = { .iov_base = lines, .iov_len = NOTIFY_SIZE - 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n;
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		/* The other end has gone with something unread: that is told once, in front of what it had said, and the end. */
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	*n_fds = n < 0 ? 0 : take_fds(&msg, fds);
	lines[n < 0 ? 0 : n] = 0;
	return n;
}

bool notify_line(const char *lines, const char *name, char *value)
{
	size_t len = strlen(name);
	for (const char *line = lines; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != '=')
			continue;
		if (value)
			snprintf(value, NOTIFY_NAME_SIZE, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
		return true;
	}
	return false;
}
