/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_PEER_H
#define SABIR_CONTROL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/base/error.h"
#include "server/control/control.h"

/* Who is at the other end of a unix socket, as the kernel tells it. */
struct peer {
	pid_t pid; /* 0: not visible from here, as in another container */
	uid_t uid;
	gid_t gid;
};

/* Errors: INTERNAL. */
enum sabir_error peer_identify(int socket, struct peer *peer);

/* Whether the policy lets the peer in. `mode` and `group` are those that the socket really has. */
bool peer_allowed(const struct control_policy *policy, uint32_t mode, gid_t group, int socket, const struct peer *peer);

/*
 * A pidfd that becomes readable when the peer dies, owned by the caller. `offered` is the one that the peer sent, or
 * -1; it is taken. Without one the kernel is asked for the socket's peer, then its visible pid is used. `detail`
 * (ATTACH_DETAIL_SIZE bytes) gets a text on failure. Errors: INVALID_ARGUMENT (no pidfd, or another process's).
 */
enum sabir_error peer_pidfd(int socket, const struct peer *peer, int offered, char *detail, int *pidfd);

/* Whether the process of the pidfd has ended, all its threads with it. */
bool peer_dead(int pidfd);

/* Whether it is seen to be stopped, by a signal or a tracer. */
bool peer_stopped(int pidfd);

/*
 * Whether a living process is proved to have no way to the memory any more: it neither maps the memfd nor holds a
 * descriptor of it, as after execve(). False if that can't be seen.
 */
bool peer_without_memory(int pidfd, int memfd);

#endif
