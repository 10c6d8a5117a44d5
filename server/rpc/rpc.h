/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_RPC_H
#define SABIR_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

/*
 * Front 2: gRPC. Every operation of the table (server/ops/ops.h) is a unary method; beside them stand grpc.health.v1
 * and server reflection. Operations run on this front's own threads, each with a lane of the owner that it is given;
 * those that can't finish yet go to the park and are completed by whoever runs it.
 *
 * The order of a life: rpc_start, (rpc_set_serving, rpc_counters, …), rpc_drain, park_drain, rpc_stop, rpc_free. The
 * process must not fork between rpc_start and rpc_free, except to exec.
 */
struct rpc;
struct segment;
struct park;
struct sessions;

#define RPC_DETAIL_SIZE 256
#define RPC_MAX_ADDRESSES 16

struct rpc_options {
	/*
	 * "host:port" ("[::1]:7047", "0.0.0.0:7047"; port 0 takes a free one) and "unix:/path"; 1 to
	 * RPC_MAX_ADDRESSES.
	 */
	const char *const *addresses;
	size_t n_addresses;
	struct segment *seg; /* borrowed until rpc_free, as are the next two */
	struct park *park;
	struct sessions *sessions;
	struct snapshots *snapshots; /* the same; NULL: there are none */
	uint32_t owner;              /* the server's own owner entry: n_threads lanes are opened for it */

	/* 0 in any of these chooses the default. */
	uint32_t n_threads;            /* serving threads; 1 up to 4 processors, then one for every 4 */
	uint32_t unix_mode;            /* permissions of unix sockets; 0660 */
	uint64_t max_message_bytes;    /* the largest request; op_message_limit() */
	uint32_t max_metadata_bytes;   /* the largest headers of a call; 16 KiB */
	uint32_t max_parked;           /* calls and streams that wait at a time; 65536 */
	uint64_t max_parked_bytes;     /* the memory of their requests; 256 MiB */
	uint64_t max_unsent_bytes;     /* responses that clients are slow to read; 256 MiB */
	uint64_t max_kept_bytes;       /* requests with an id and their answers, not acknowledged; 256 MiB */
	uint32_t keepalive_time_ms;    /* silence after which a connection is probed; 60,000 */
	uint32_t keepalive_timeout_ms; /* how long the answer may take; 20,000 */

	/* Where a text for people goes when rpc_start fails, NUL-terminated; RPC_DETAIL_SIZE bytes or NULL. */
	char *detail;
};

/*
 * Binds all addresses and serves. A unix path is guarded by a lock file beside it ("/path.lock"): a socket that a
 * dead server left is replaced, one of a living server is not. Errors: INVALID_ARGUMENT (an address), ALREADY_EXISTS
 * (an address is in use, or the path is something else than a socket), PERMISSION_DENIED, TOO_MANY_OWNERS (no lane),
 * NO_MEMORY, UNAVAILABLE (an address can't be bound for another reason).
 */
enum sabir_error rpc_start(const struct rpc_options *options, struct rpc **rpc);

/* The port that address i is bound to; 0 for a unix socket. */
int rpc_port(const struct rpc *rpc, size_t i);

/* What grpc.health.v1 tells of "" and of every service; false from rpc_start on until the first call. Any thread. */
void rpc_set_serving(struct rpc *rpc, bool serving);

/* Once a second: lanes that nobody uses let go of memory that they keep. Any thread. */
void rpc_tick(struct rpc *rpc);

/*
 * New operations are answered UNAVAILABLE from here on, health tells NOT_SERVING and its watchers are let go; calls
 * that run or wait go on. Returns at once.
 */
void rpc_drain(struct rpc *rpc);

/*
 * Closes the listeners, waits until the last call has ended or, at the CLOCK_MONOTONIC time deadline_ns, cancels what
 * is left, ends the threads, closes their lanes and removes the unix sockets. Calls that still wait are taken out of
 * the park. Drains if that was not done.
 */
void rpc_stop(struct rpc *rpc, uint64_t deadline_ns);

/* Stops first, without patience, if that was not done. NULL is fine. */
void rpc_free(struct rpc *rpc);

/* All counted since rpc_start, except for `waiting` and `watching`, which tell the present. */
struct rpc_counters {
	uint64_t calls;      /* operations that were run, those that failed included */
	uint64_t failed;     /* of these: answered with an error */
	uint64_t parked;     /* of these: had to wait */
	uint64_t cancelled;  /* of those that waited: the client gave up or its deadline passed */
	uint64_t refused;    /* not run: over max_parked or another limit, or draining */
	uint64_t unknown;    /* calls of methods that don't exist */
	uint64_t waiting;    /* parked now */
	uint64_t watching;   /* open streams of health and reflection */
	uint64_t undoing;    /* answers that nobody has received and that are to be undone yet */
	uint64_t not_undone; /* of those: given up */
};
/* Any thread. */
void rpc_counters(const struct rpc *rpc, struct rpc_counters *counters);

#endif
