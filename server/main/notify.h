/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_NOTIFY_H
#define SABIR_MAIN_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Tells the service manager how the server does, by its protocol: lines like "READY=1" in a datagram to the socket that
 * $NOTIFY_SOCKET names. Without one nothing happens; a manager that doesn't listen is none of our business.
 *
 * The same protocol gives descriptors into keeping (FDSTORE=1), to be had again by the next process: by systemd, and by
 * Sabir's own keeper, which is a service manager in this to the server and passes everything on to its own.
 */
#define NOTIFY_MAX_FDS 2
#define NOTIFY_SIZE 512
#define NOTIFY_NAME_SIZE 64

void notify(const char *lines);

/* From now on to this socket, which is borrowed; -1: to $NOTIFY_SOCKET again. */
void notify_through(int socket);

/* How long notify_store may wait for a keeper that has not yet read what came before; 0 at first. */
void notify_set_patience(int timeout_ms);

/*
 * Gives descriptors into keeping, by a name of letters, digits, '.' and '-'; they stay the caller's too. False: the keeper
 * doesn't take them now. True also where there is nobody who keeps anything.
 */
bool notify_store(const char *name, const int *fds, unsigned n_fds);
/* Whoever keeps what has this name closes it. */
void notify_forget(const char *name);

/* Passes such a message on to the service manager; the descriptors stay the caller's. */
void notify_pass(const char *lines, const int *fds, unsigned n_fds);

/* One datagram, without waiting. False, with errno: it was not sent. */
bool notify_send(int socket, const char *lines, const int *fds, unsigned n_fds);
/*
 * One such datagram from a socket, without waiting: NUL-terminated lines (NOTIFY_SIZE), and descriptors that are the
 * caller's. The number of bytes, 0 at the end, -1 with errno.
 */
ssize_t notify_receive(int socket, char *lines, int *fds, unsigned *n_fds);
/* Whether there is such a line; its value, if it has one, goes into `value` (NOTIFY_NAME_SIZE bytes, NULL: not wanted). */
bool notify_line(const char *lines, const char *name, char *value);

#endif
