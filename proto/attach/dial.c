/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of the control socket: connect, ask, wait for the answer. The socket is non-blocking; all waiting
 * is a poll with what is left until the deadline.
 */
#include "proto/attach/attach.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/clock.h"

static enum sabir_error dial_error(int number, const char *path, char *detail)
{
	switch (number) {
	case EACCES:
	case EPERM:
		snprintf(detail, ATTACH_DETAIL_SIZE, "no permission to use %.100s", path);
		return SABIR_PERMISSION_DENIED;
	case ENOENT:
		snprintf(detail, ATTACH_DETAIL_SIZE, "there is no socket %.100s; is sabird running?", path);
		return SABIR_UNAVAILABLE;
	case ECONNREFUSED:
		snprintf(detail, ATTACH_DETAIL_SIZE, "nobody listens on %.100s; is sabird running?", path);
		return SABIR_UNAVAILABLE;
	case ETIMEDOUT:
		snprintf(detail, ATTACH_DETAIL_SIZE, "%.100s doesn't take the connection", path);
		return SABIR_TIMED_OUT;
	default:
		snprintf(detail, ATTACH_DETAIL_SIZE, "%.80s: %.60s", path, strerror(number));
		return SABIR_UNAVAILABLE;
	}
}

/* 0 or an errno. A full backlog shows as EAGAIN, and nothing tells when it has room: look again every few ms. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline_ns)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno;
		if (!clock_left(deadline_ns))
			return ETIMEDOUT;
		poll(NULL, 0, 5);
	}
	return 0;
}

enum sabir_error attach_dial(const char *path, uint64_t deadline_ns, char *detail, int *socket_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	if (!len || len >= sizeof(address.sun_path)) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "a socket's path has 1 to %zu bytes",
			 sizeof(address.sun_path) - 1);
		return SABIR_INVALID_ARGUMENT;
	}
	memcpy(address.sun_path, path, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dial_error(errno, path, detail);
	int number = connect_until(fd, &address, deadline_ns);
	if (number) {
		close(fd);
		return dial_error(number, path, detail);
	}
	*socket_fd = fd;
	return SABIR_OK;
}

static enum sabir_error await(int socket_fd, uint64_t deadline_ns, struct attach_reader *reader, char *detail,
			      struct attach_message *answer)
{
	for (;;) {
		enum sabir_error error = attach_receive(socket_fd, reader, detail, answer);
		if (error == SABIR_CLOSED) {
			snprintf(detail, ATTACH_DETAIL_SIZE, "the server closed the connection");
			return SABIR_CLOSED;
		}
		if (error != SABIR_EMPTY)
			return error;
		if (!clock_left(deadline_ns)) {
			snprintf(detail, ATTACH_DETAIL_SIZE, "the server did not answer in time");
			return SABIR_TIMED_OUT;
		}
		struct pollfd p = { .fd = socket_fd, .events = POLLIN };
		poll(&p, 1, clock_left_ms(deadline_ns));
	}
}

/* The error of a refusal; a number that this side doesn't know comes from another version and is INTERNAL. */
static enum sabir_error refused_error(uint32_t number)
{
	enum sabir_error error = (enum sabir_error)number;
	return error == SABIR_OK || !strcmp(error_name(error), "INTERNAL") ? SABIR_INTERNAL : error;
}

enum sabir_error attach_ask(int socket_fd, const struct attach_message *question, int fd, uint64_t deadline_ns,
			    struct attach_reader *reader, char *detail, struct attach_message *answer)
{
	struct attach_message received;
	/*
	 * A server that refuses at the door closes before it reads: its reason is there even when the question can't
	 * be sent.
	 */
	(void)attach_send(socket_fd, question, &fd, fd >= 0 ? 1 : 0);
	enum sabir_error error = await(socket_fd, deadline_ns, reader, detail, &received);
	if (error)
		return error;
	if (received.type == ATTACH_REFUSED) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "%s", received.refused.detail);
		return refused_error(received.refused.error);
	}
	if (received.type == ATTACH_GOODBYE) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the server is shutting down");
		return SABIR_UNAVAILABLE;
	}
	*answer = received;
	return SABIR_OK;
}
