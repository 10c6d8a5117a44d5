/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_SERVER_H
#define SABIR_RPC_SERVER_H

#include <grpc/grpc.h>
#include <pthread.h>

#include "server/ops/park.h"
#include "server/rpc/heavy.h"
#include "server/rpc/lanes.h"
#include "server/rpc/listen.h"
#include "server/rpc/rpc.h"
#include "server/rpc/stream.h"

/*
 * What the files of this folder share.
 *
 * A serving queue (one for each worker) brings new calls and drives all input and output. Calls are bound to callback
 * queues: their batches end in a function that gRPC calls, mostly inside the grpc_call_start_batch that began them.
 * That saves the way back through the serving queue, and a call that waits costs the others nothing. The callback
 * queues are many because a debug build of gRPC, as in Debian, searches a queue's outstanding batches each time one
 * ends.
 */
#define RPC_N_CALLBACK_QUEUES 256

struct call;
struct worker;

/* What an event of a serving queue leads to; ok is false when the server shuts down. */
struct arrival {
	void (*run)(struct arrival *arrival, struct worker *worker, bool ok);
};

/* A method, or with path NULL all that are not known. */
struct method {
	const char *path;
	const struct op *op; /* NULL: not in the operation table */
	void (*handle)(struct call *call, struct worker *worker);
	bool takes_stream;   /* the request is a stream: handle() reads it */
	unsigned n_expected; /* calls that each worker has asked for at a time */
	void *registered;
};

struct worker {
	struct rpc *rpc;
	grpc_completion_queue *queue;
	pthread_t thread;
	struct lane lane;
	struct bytes out; /* the response that is being made */
	uint8_t out_fixed[4096];
};

struct rpc {
	struct segment *seg;
	struct park *park;
	struct sessions *sessions;
	struct snapshots *snapshots;
	uint64_t max_message_bytes;
	uint64_t max_parked_bytes;
	uint64_t max_unsent_bytes;
	uint64_t max_kept_bytes;
	uint32_t max_parked;

	grpc_server *server;
	struct listener listeners[RPC_MAX_ADDRESSES];
	size_t n_listeners;
	struct method *methods;
	size_t n_methods;
	struct worker *workers;
	uint32_t n_workers;
	uint32_t n_running; /* whose threads have begun */
	grpc_completion_queue *callback_queues[RPC_N_CALLBACK_QUEUES];
	uint32_t next_callback_queue;
	grpc_completion_queue_functor queue_ended;

	pthread_mutex_t mutex;   /* for what follows up to free_calls */
	pthread_cond_t changed;  /* one of the next three has reached what rpc_stop waits for */
	bool server_ended;       /* the last call has ended */
	uint32_t n_queues_ended; /* callback queues */
	uint32_t n_calls;        /* structs in use */
	uint32_t n_free_calls;
	struct call *free_calls;
	struct arrival server_end;

	struct streams streams;
	struct lanes lanes;
	struct heavy heavy;
	uint64_t next_holder; /* of a stream that consumes; atomic */

	uint32_t draining;
	bool started; /* grpc_server_start was called */
	bool stopped;
	uint64_t parked_bytes;
	uint64_t unsent_bytes;
	struct rpc_counters counters; /* each one atomic */
};

/*
 * gRPC hands what we gave it to another thread, in an order that the thread sanitizer can't see, since gRPC is not
 * built with it: given() stands before it is handed to gRPC, taken() where it comes back.
 */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
static inline void given(void *tag)
{
	__tsan_release(tag);
}
static inline void taken(void *tag)
{
	__tsan_acquire(tag);
}
#else
static inline void given(void *tag)
{
	(void)tag;
}
static inline void taken(void *tag)
{
	(void)tag;
}
#endif

/* What operations that a call asks for may need of the server. */
static inline struct op_front rpc_front(const struct rpc *rpc, void (*peer)(void *call, char *to, size_t size),
					struct call *call)
{
	return (struct op_front){
		.sessions = rpc->sessions, .snapshots = rpc->snapshots, .peer = peer, .context = call
	};
}

static inline void count(uint64_t *counter, int64_t n)
{
	(void)fetch_add64(counter, (uint64_t)n);
}

#endif
