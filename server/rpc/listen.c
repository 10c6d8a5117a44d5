/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses. gRPC binds them; what it would do to its neighbours is prevented here: it takes the path of a unix
 * socket from a server that is alive, and whoever exits removes the other's. So the path belongs to who holds a lock
 * on "path.lock", which the kernel gives back however the holder ends. gRPC tells nothing of why an address can't be
 * bound; that is found out by trying it again by hand.
 */
#include "server/rpc/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_security.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/rpc/rpc.h"

#define LOCK_PATH_SIZE (sizeof(((struct listener *)0)->path) + sizeof(".lock"))

static enum sabir_error fail(char *detail, const char *address, int err)
{
	snprintf(detail, RPC_DETAIL_SIZE, "%s: %s", address, strerror(err));
	switch (err) {
	case EADDRINUSE:
	case EEXIST:
		return SABIR_ALREADY_EXISTS;
	case EACCES:
	case EPERM:
		return SABIR_PERMISSION_DENIED;
	}
	return SABIR_UNAVAILABLE;
}

static void lock_path(const struct listener *listener, char *path)
{
	snprintf(path, LOCK_PATH_SIZE, "%s.lock", listener->path);
}

/* Whether the descriptor's file is still the one of this path. */
static bool is_file_of(int fd, const char *path)
{
	struct stat a, b;
	return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/*
 * Takes the lock; 0 or an errno. The file may vanish until it is locked: then its holder has just ended, and we try
 * anew.
 */
static int take_lock(struct listener *listener)
{
	char path[LOCK_PATH_SIZE];
	lock_path(listener, path);
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return errno;
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			int err = errno == EWOULDBLOCK ? EADDRINUSE : errno;
			close(fd);
			return err;
		}
		if (is_file_of(fd, path)) {
			listener->lock_fd = fd;
			return 0;
		}
		close(fd);
	}
}

void listener_close(struct listener *listener)
{
	char path[LOCK_PATH_SIZE];
	if (listener->lock_fd < 0)
		return;
	lock_path(listener, path);
	(void)unlink(path);
	close(listener->lock_fd);
	listener->lock_fd = -1;
}

/* Removes a socket that nobody listens on; 0 or an errno. We hold the lock, so it is not a server's of our kind. */
static int remove_stale(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	memcpy(un.sun_path, path, strlen(path) + 1);
	bool alive = !connect(fd, (struct sockaddr *)&un, sizeof(un)) || errno == EAGAIN;
	close(fd);
	if (alive)
		return EADDRINUSE;
	return unlink(path) ? errno : 0;
}

static int add_port(grpc_server *server, const char *address)
{
	grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
	int port = grpc_server_add_http2_port(server, address, plain);
	grpc_server_credentials_release(plain);
	return port;
}

static int bind_unix(grpc_server *server, const char *address, uint32_t mode, struct listener *listener)
{
	int err = take_lock(listener);
	if (!err)
		err = remove_stale(listener->path);
	if (err)
		return err;
	/* Nobody is to connect between the bind and a chmod. */
	mode_t before = umask(~(mode_t)mode & 0777);
	int port = add_port(server, address);
	umask(before);
	if (!port)
		return EADDRNOTAVAIL;
	return chmod(listener->path, (mode_t)mode) ? errno : 0;
}

static enum sabir_error open_unix(grpc_server *server, const char *address, uint32_t mode, struct listener *listener,
				  char *detail)
{
	const char *path = address + strlen("unix:");
	if (!strncmp(path, "//", 2))
		path += 2;
	if (!*path || strlen(path) >= sizeof(listener->path)) {
		snprintf(detail, RPC_DETAIL_SIZE, "%s: the path of a unix socket has 1 to %zu bytes", address,
			 sizeof(listener->path) - 1);
		return SABIR_INVALID_ARGUMENT;
	}
	strcpy(listener->path, path);
	int err = bind_unix(server, address, mode, listener);
	if (!err)
		return SABIR_OK;
	listener_close(listener);
	return fail(detail, address, err);
}

/* Splits "host:port" and "[host]:port"; false if it is neither. */
static bool split(const char *address, char host[256], const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	if (!colon || len >= 256 || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    atol(colon + 1) > 65535)
		return false;
	if (len && address[0] == '[') {
		if (address[len - 1] != ']')
			return false;
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return false;
	}
	memcpy(host, address, len);
	host[len] = 0;
	*port = colon + 1;
	return len > 0;
}

/* Why an address can't be bound: an errno, or 0 with a text of the resolver's in *text. */
static int why_not(const char *host, const char *port, const char **text)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *list;
	int failed = getaddrinfo(host, port, &hints, &list), err = EADDRNOTAVAIL;
	*text = failed ? gai_strerror(failed) : NULL;
	if (failed)
		return 0;
	int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, list->ai_addr, list->ai_addrlen) || listen(fd, 1))
		err = errno;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(list);
	return err;
}

static enum sabir_error open_tcp(grpc_server *server, const char *address, struct listener *listener, char *detail)
{
	char host[256];
	const char *port, *text;
	if (!split(address, host, &port)) {
		snprintf(detail, RPC_DETAIL_SIZE, "%s: an address is host:port, [host]:port or unix:/path", address);
		return SABIR_INVALID_ARGUMENT;
	}
	listener->port = add_port(server, address);
	if (listener->port > 0)
		return SABIR_OK;
	int err = why_not(host, port, &text);
	if (err)
		return fail(detail, address, err);
	snprintf(detail, RPC_DETAIL_SIZE, "%s: %s", address, text);
	return SABIR_INVALID_ARGUMENT;
}

enum sabir_error listener_open(grpc_server *server, const char *address, uint32_t unix_mode, struct listener *listener,
			       char *detail)
{
	*listener = (struct listener){ .lock_fd = -1 };
	if (!strncmp(address, "unix:", strlen("unix:")))
		return open_unix(server, address, unix_mode, listener, detail);
	return open_tcp(server, address, listener, detail);
}
