/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gRPC is told before it serves: its settings, and the queues and methods that the server has.
 */
#include "server/rpc/setup.h"

#include <grpc/compression.h>
#include <limits.h>
#include <stdlib.h>

#include "server/rpc/flow.h"
#include "server/rpc/health.h"
#include "server/rpc/operation.h"
#include "server/rpc/reflection.h"
#include "server/rpc/session_stream.h"

#define DEFAULT_MAX_METADATA (16u << 10)
#define DEFAULT_MAX_PARKED 65536u
#define DEFAULT_MAX_PARKED_BYTES (256ull << 20)
#define DEFAULT_MAX_UNSENT_BYTES (256ull << 20)
#define DEFAULT_MAX_KEPT_BYTES (256ull << 20)
#define DEFAULT_KEEPALIVE_TIME_MS 60000u
#define DEFAULT_KEEPALIVE_TIMEOUT_MS 20000u
#define MIN_PING_INTERVAL_MS 10000 /* of clients; those that ping more often are sent away */
#define HANDSHAKE_TIMEOUT_MS 20000
#define STREAM_WINDOW (1u << 20) /* bytes that a client may send ahead of what is read: 20 MB/s over 50 ms */
#define RUNNING_STREAMS 1000     /* of one connection, beside those that wait */

/* Calls that a worker has asked for at a time; more than these at once wait inside gRPC, which costs little. */
#define EXPECTED_OFTEN 32
#define EXPECTED 4
#define EXPECTED_SELDOM 1

static const struct method own_methods[] = {
	{ .path = "/grpc.health.v1.Health/Check", .handle = health_check_handle },
	{ .path = "/grpc.health.v1.Health/Watch", .handle = health_watch_handle },
	{ .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
	  .handle = reflection_handle,
	  .takes_stream = true },
	{ .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
	  .handle = reflection_handle,
	  .takes_stream = true },
	{ .path = "/sabir.v1.SessionService/Session", .handle = session_handle, .takes_stream = true },
	{ .path = "/sabir.v1.QueueService/Produce", .handle = produce_handle, .takes_stream = true },
	{ .path = "/sabir.v1.QueueService/Consume", .handle = consume_handle, .takes_stream = true },
	{ .path = "/sabir.v1.WatchService/Watch", .handle = watch_handle },
	{ .path = NULL, .handle = unknown_handle },
};
#define N_OWN_METHODS (sizeof(own_methods) / sizeof(own_methods[0]))

/* What gRPC reads from the environment; the user's own settings win. */
void setup_environment(void)
{
	(void)setenv("GRPC_VERBOSITY", "NONE", 0); /* nothing here writes to stderr by itself */
	(void)setenv("GRPC_EXPERIMENTS", "-posix_event_engine_enable_polling", 0); /* its threads poll even when idle */
}

void setup_limits(struct rpc *rpc, const struct rpc_options *options)
{
	rpc->seg = options->seg;
	rpc->park = options->park;
	rpc->sessions = options->sessions;
	rpc->snapshots = options->snapshots;
	rpc->max_message_bytes = options->max_message_bytes ? options->max_message_bytes
							    : op_message_limit(options->seg);
	rpc->max_parked = options->max_parked ? options->max_parked : DEFAULT_MAX_PARKED;
	rpc->max_parked_bytes = options->max_parked_bytes ? options->max_parked_bytes : DEFAULT_MAX_PARKED_BYTES;
	rpc->max_kept_bytes = options->max_kept_bytes ? options->max_kept_bytes : DEFAULT_MAX_KEPT_BYTES;
	rpc->max_unsent_bytes = options->max_unsent_bytes ? options->max_unsent_bytes : DEFAULT_MAX_UNSENT_BYTES;
}

static grpc_arg integer(const char *key, uint64_t value)
{
	return (grpc_arg){ .type = GRPC_ARG_INTEGER,
			   .key = (char *)key,
			   .value.integer = value < INT_MAX ? (int)value : INT_MAX };
}

grpc_server *setup_server(const struct rpc *rpc, const struct rpc_options *o)
{
	grpc_arg args[] = {
		integer(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a second server on the port is an error */
		integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, rpc->max_message_bytes),
		integer(GRPC_ARG_MAX_METADATA_SIZE,
			o->max_metadata_bytes ? o->max_metadata_bytes : DEFAULT_MAX_METADATA),
		/*
		 * Calls that wait count as streams; were they to use all, a put behind them on the same connection
		 * could not end them.
		 */
		integer(GRPC_ARG_MAX_CONCURRENT_STREAMS, (uint64_t)rpc->max_parked + RUNNING_STREAMS),
		integer(GRPC_ARG_KEEPALIVE_TIME_MS,
			o->keepalive_time_ms ? o->keepalive_time_ms : DEFAULT_KEEPALIVE_TIME_MS),
		integer(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
			o->keepalive_timeout_ms ? o->keepalive_timeout_ms : DEFAULT_KEEPALIVE_TIMEOUT_MS),
		integer(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
		integer(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_INTERVAL_MS),
		integer(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS),
		integer(GRPC_ARG_ENABLE_CHANNELZ, 0),
		/*
		 * A window of one size: so it is known how much a producer that is held up has under way. Beside
		 * gRPC's own probe and window, over loopback: no difference for calls of 64 bytes that noise would
		 * not hide; of puts and gets of 1 MiB, 4 at a time, 7% more over TCP and 9% fewer over a unix socket.
		 */
		integer(GRPC_ARG_HTTP2_BDP_PROBE, 0),
		integer(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, STREAM_WINDOW),
		/*
		 * The size limit holds for what came out of the decompressor, so a small message could fill the
		 * memory first.
		 */
		integer(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1u << GRPC_COMPRESS_NONE),
		integer(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),
		integer(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
	};
	const grpc_channel_args all = { sizeof(args) / sizeof(args[0]), args };
	return grpc_server_create(&all, NULL);
}

static void queue_ended(grpc_completion_queue_functor *functor, int ok)
{
	struct rpc *rpc = (struct rpc *)((char *)functor - offsetof(struct rpc, queue_ended));
	(void)ok;
	pthread_mutex_lock(&rpc->mutex);
	rpc->n_queues_ended++;
	pthread_cond_signal(&rpc->changed);
	pthread_mutex_unlock(&rpc->mutex);
}

void setup_queues(struct rpc *rpc)
{
	const grpc_completion_queue_attributes attributes = {
		.version = GRPC_CQ_CURRENT_VERSION,
		.cq_completion_type = GRPC_CQ_CALLBACK,
		.cq_polling_type = GRPC_CQ_NON_POLLING,
		.cq_shutdown_cb = &rpc->queue_ended,
	};
	rpc->queue_ended.functor_run = queue_ended;
	for (uint32_t i = 0; i < RPC_N_CALLBACK_QUEUES; i++)
		rpc->callback_queues[i] = grpc_completion_queue_create(
			grpc_completion_queue_factory_lookup(&attributes), &attributes, NULL);
	for (uint32_t i = 0; i < rpc->n_workers; i++) {
		rpc->workers[i].queue = grpc_completion_queue_create_for_next(NULL);
		grpc_server_register_completion_queue(rpc->server, rpc->workers[i].queue, NULL);
	}
}

enum sabir_error setup_methods(struct rpc *rpc)
{
	size_t n_ops = op_count();
	rpc->n_methods = n_ops + N_OWN_METHODS;
	rpc->methods = calloc(rpc->n_methods, sizeof(*rpc->methods));
	if (!rpc->methods)
		return SABIR_NO_MEMORY;
	for (size_t i = 0; i < n_ops; i++) {
		const struct op *op = op_at(i);
		rpc->methods[i] = (struct method){ .path = op_path(op), .op = op, .handle = operation_handle };
		rpc->methods[i].n_expected = op_can_wait(op) ? EXPECTED_OFTEN : EXPECTED;
	}
	for (size_t i = 0; i < N_OWN_METHODS; i++) {
		rpc->methods[n_ops + i] = own_methods[i];
		rpc->methods[n_ops + i].n_expected = EXPECTED_SELDOM;
	}
	for (size_t i = 0; i < rpc->n_methods; i++) {
		struct method *m = &rpc->methods[i];
		if (m->path)
			m->registered = grpc_server_register_method(
				rpc->server, m->path, NULL,
				m->takes_stream ? GRPC_SRM_PAYLOAD_NONE : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
	}
	return SABIR_OK;
}
