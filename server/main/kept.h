/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_KEPT_H
#define SABIR_MAIN_KEPT_H

#include "server/base/error.h"
#include "server/main/notify.h"

/*
 * Descriptors in keeping: what outlives a server, by name.
 *
 *   memory, bell          the segment and its doorbell; the bell is given first, so whoever finds the memory has both
 *   server-PID            the pidfd of a server
 *   control               the listening control socket and the lock that guards its path
 *   client-INDEX-GENERATION   a local program's owner: its pidfd and its control socket
 *   port-I-PORT           gRPC's address number I, whose port was left to the system, has got this one; the descriptor is nothing
 */
struct kept_fd {
	char name[NOTIFY_NAME_SIZE];
	int fd;
};
struct kept {
	struct kept_fd *fds; /* all owned */
	size_t n, room;
};

/* Takes the descriptor in any case. Errors: NO_MEMORY. */
enum sabir_error kept_add(struct kept *kept, const char *name, int fd);
/* Closes what has this name. */
void kept_remove(struct kept *kept, const char *name);
/* Hands over one that is a socket, or that is none; -1: there is none. */
int kept_take(struct kept *kept, const char *name, bool socket);
/* The first name from `*i` on that begins with this; *i is then its place. NULL: there is none. */
const char *kept_find(const struct kept *kept, const char *begin, size_t *i);
/* What the service manager has kept: LISTEN_FDS and LISTEN_FDNAMES. What has none of our names is left alone. */
void kept_from_environment(struct kept *kept);
/* Adds what is to be kept by such a message, or removes. Takes the descriptors. False: it is about something else. */
bool kept_by_message(struct kept *kept, const char *lines, const int *fds, unsigned n_fds);
void kept_fini(struct kept *kept);

#endif
