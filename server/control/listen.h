/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_LISTEN_H
#define SABIR_CONTROL_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/error.h"

/* A listening unix socket that no other server can take over. */
struct control_listener {
	int fd;      /* -1: none */
	int lock_fd; /* holds path.lock; -1: none */
	char path[108];
};

/*
 * Binds the path with these permissions from its first moment on. `detail` has CONTROL_DETAIL_SIZE bytes. Errors:
 * INVALID_ARGUMENT (the path), ALREADY_EXISTS (another server has it, or the path is something else than a socket),
 * PERMISSION_DENIED, UNAVAILABLE.
 */
enum sabir_error control_listen(const char *path, uint32_t mode, gid_t group, char *detail,
				struct control_listener *listener);
/*
 * Takes a former server's over: if both descriptors are there and the path is still a socket, listener->path is set. Else
 * false, and what is there is closed and the lock given back.
 */
bool control_listen_on(const char *path, struct control_listener *listener);
/* Removes what a server has left of it that is dead, if nobody else has the path by now, and closes. */
void control_sweep(const char *path, struct control_listener *listener);
/* Removes the socket and closes it; the lock is kept. */
void control_unlisten(struct control_listener *listener);
/* Gives the lock back too. */
void control_unlock(struct control_listener *listener);

#endif
