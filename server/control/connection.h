/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_CONNECTION_H
#define SABIR_CONTROL_CONNECTION_H

#include "proto/attach/attach.h"
#include "server/control/control.h"
#include "server/control/listen.h"
#include "server/control/peer.h"

struct connection;

/* The front's state, shared by control.c (the door) and connection.c (what is behind it). */
struct control {
	struct control_options options;
	const char *const *grpc_addresses;
	size_t n_grpc_addresses;
	struct control_listener listener;
	uint32_t mode; /* that the socket really has, and its group */
	gid_t group;
	struct loop_fd listening;
	int reserve_fd; /* given up to tell a peer that no descriptor is left */
	bool draining;
	struct connection *first;
	struct loop_timer recovery;
	struct control_counters counters;
};

/*
 * GREETING    has not sent HELLO; no owner; the timer is its patience
 * ATTACHED    has an owner; socket and pidfd are watched
 * ORPHANED    has an owner; the socket is gone, the pidfd is watched
 * RECOVERING  will never touch the memory again; is recovered at recover_ns, which is later once somebody was in the way
 */
enum connection_state {
	CONNECTION_GREETING,
	CONNECTION_ATTACHED,
	CONNECTION_ORPHANED,
	CONNECTION_RECOVERING,
};

struct connection {
	struct control *control;
	struct connection *next, *prev;
	enum connection_state state;
	struct peer peer;
	struct loop_fd socket; /* descriptors that are not in the loop are -1 */
	struct loop_fd pidfd;
	struct loop_timer timer;
	uint64_t recover_ns; /* RECOVERING */
	uint64_t retry_ns;
	uint32_t n_lost; /* RECOVERING: see session_recover */
	uint32_t owner;
	uint32_t generation;
	char label[40];
	struct attach_reader reader;
};

/*
 * adopt.c: what a former server has left. connection_keep gives the descriptors of an owner into keeping (false: not now);
 * connection_forget takes them back.
 */
bool connection_keep(const struct connection *connection);
void connection_forget(const struct connection *connection);
/* Closes what this process has of it, which is kept for the next server, and frees it. */
void connection_leave(struct connection *connection);

/* For adopt.c. A new one, in the state GREETING without a timer; NULL: no memory. */
struct connection *connection_new(struct control *control, const struct peer *peer);
/* Tells the program of its owner. */
void connection_welcome(struct connection *connection);
/*
 * The process will not, or can't, touch the memory again: the next connections_recover recovers its owner, and frees the
 * connection.
 */
void connection_release(struct connection *connection, const char *reason);
/* Recovers some of those that are RECOVERING; the loop calls it again for the rest. context: the control. */
void connections_recover(void *context);
/* Looks at the socket's end, as lost. */
void connection_lose_socket(struct connection *connection);

/* Takes an accepted socket: it becomes a connection, or is told why not and closed. */
void connection_open(struct control *control, int socket);
/* Orphaned ones: has the process lost the memory? */
void connection_tick(struct connection *connection);
/* The server is going: says so and closes the socket. May free the connection. */
void connection_drain(struct connection *connection);
/* Forgets it, without recovering anything. */
void connection_free(struct connection *connection);

/* Says why and closes. */
void connection_refuse(struct control *control, int socket, enum sabir_error error, const char *detail);

#endif
