/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket and the lock that guards its path. Who holds the lock of path.lock owns the path: only then is
 * a socket that stands there a dead server's and may be removed. The lock file goes with its last holder; because it
 * can go between another server's open and lock, a lock counts only if the file is still the one at that path.
 */
#include "server/control/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/control/control.h"

static enum sabir_error system_error(const char *what, const char *path, char *detail)
{
	int number = errno;
	snprintf(detail, CONTROL_DETAIL_SIZE, "can't %s %s: %s", what, path, strerror(number));
	return number == EACCES || number == EPERM || number == EROFS ? SABIR_PERMISSION_DENIED : SABIR_UNAVAILABLE;
}

static bool lock_path(const char *socket_path, char path[128])
{
	return snprintf(path, 128, "%s.lock", socket_path) < 128;
}

static bool still_there(int fd, const char *path)
{
	struct stat held, there;
	return !fstat(fd, &held) && !stat(path, &there) && held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

static enum sabir_error take_lock(const char *socket_path, char *detail, int *lock_fd)
{
	char path[128];
	(void)lock_path(socket_path, path);
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return system_error("open", path, detail);
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			enum sabir_error error = errno == EWOULDBLOCK ? SABIR_ALREADY_EXISTS
								      : system_error("lock", path, detail);
			close(fd);
			if (error != SABIR_ALREADY_EXISTS)
				return error;
			snprintf(detail, CONTROL_DETAIL_SIZE, "another sabird runs on %s", socket_path);
			return error;
		}
		if (still_there(fd, path)) {
			*lock_fd = fd;
			return SABIR_OK;
		}
		close(fd);
	}
}

static enum sabir_error remove_stale(const char *path, char *detail)
{
	struct stat st;
	if (lstat(path, &st))
		return errno == ENOENT ? SABIR_OK : system_error("use", path, detail);
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(detail, CONTROL_DETAIL_SIZE, "%s exists and is no socket", path);
		return SABIR_ALREADY_EXISTS;
	}
	return unlink(path) ? system_error("remove the old socket", path, detail) : SABIR_OK;
}

static enum sabir_error bind_path(int fd, const char *path, uint32_t mode, gid_t group, char *detail)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path); /* its length was checked */
	/* The permissions of the descriptor are the socket file's at first: nobody else gets in before the chmod. */
	if (fchmod(fd, 0600))
		return system_error("prepare", path, detail);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return system_error("bind", path, detail);
	if (group != CONTROL_NO_GROUP && chown(path, (uid_t)-1, group))
		return system_error("give the group to", path, detail);
	if (chmod(path, mode) || listen(fd, 512))
		return system_error("listen on", path, detail);
	return SABIR_OK;
}

enum sabir_error control_listen(const char *path, uint32_t mode, gid_t group, char *detail,
				struct control_listener *listener)
{
	struct control_listener l = { .fd = -1, .lock_fd = -1 };
	if (!*path || strlen(path) >= sizeof(l.path)) {
		snprintf(detail, CONTROL_DETAIL_SIZE, "a socket's path has 1 to %zu bytes", sizeof(l.path) - 1);
		return SABIR_INVALID_ARGUMENT;
	}
	strcpy(l.path, path);
	enum sabir_error error = take_lock(path, detail, &l.lock_fd);
	if (error)
		return error;
	error = remove_stale(path, detail);
	if (!error) {
		l.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		error = l.fd < 0 ? system_error("make", path, detail) : bind_path(l.fd, path, mode, group, detail);
	}
	if (error) {
		if (l.fd >= 0)
			control_unlisten(&l);
		control_unlock(&l);
		return error;
	}
	*listener = l;
	return SABIR_OK;
}

void control_unlisten(struct control_listener *listener)
{
	if (listener->fd < 0)
		return;
	(void)unlink(listener->path);
	close(listener->fd);
	listener->fd = -1;
}

void control_unlock(struct control_listener *listener)
{
	char path[128];
	if (listener->lock_fd < 0)
		return;
	(void)lock_path(listener->path, path);
	(void)unlink(path); /* while it is locked: whoever opened it meanwhile finds that it is gone */
	close(listener->lock_fd);
	listener->lock_fd = -1;
}

bool control_listen_on(const char *path, struct control_listener *listener)
{
	struct stat st;
	bool fits = *path && strlen(path) < sizeof(listener->path);
	if (fits)
		strcpy(listener->path, path);
	if (fits && listener->fd >= 0 && listener->lock_fd >= 0 && !lstat(path, &st) && S_ISSOCK(st.st_mode))
		return true;
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	if (fits)
		control_unlock(listener);
	return false;
}

void control_sweep(const char *path, struct control_listener *listener)
{
	char lock[128];
	bool ours = listener->lock_fd >= 0 && lock_path(path, lock) && still_there(listener->lock_fd, lock);
	if (ours) {
		(void)unlink(path);
		(void)unlink(lock);
	}
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->lock_fd >= 0)
		close(listener->lock_fd);
	*listener = (struct control_listener){ .fd = -1, .lock_fd = -1 };
}
