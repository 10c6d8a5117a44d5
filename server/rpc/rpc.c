/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the front: everything is made by rpc_start and taken apart by rpc_stop, in the order that gRPC asks for.
 *
 *   start  queues → server → methods → addresses → grpc_server_start → threads, which ask for the first calls
 *   stop   server shut down → last call ended → serving queues drained, threads joined → callback queues ended → server
 *          destroyed → queues destroyed → lanes closed → locks of unix sockets given back
 *
 * The threads and those that gRPC makes have all signals blocked; signals are the main thread's.
 */
#include "server/rpc/rpc.h"

#include <errno.h>
#include <grpc/compression.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/rpc/call.h"
#include "server/rpc/health.h"
#include "server/rpc/operation.h"
#include "server/rpc/reflection.h"

#define DEFAULT_MAX_METADATA (16u << 10)
#define DEFAULT_MAX_PARKED 65536u
#define DEFAULT_MAX_PARKED_BYTES (256ull << 20)
#define DEFAULT_MAX_UNSENT_BYTES (256ull << 20)
#define DEFAULT_KEEPALIVE_TIME_MS 60000u
#define DEFAULT_KEEPALIVE_TIMEOUT_MS 20000u
#define MIN_PING_INTERVAL_MS 10000  /* of clients; those that ping more often are sent away */
#define HANDSHAKE_TIMEOUT_MS 20000
#define RUNNING_STREAMS 1000 /* of one connection, beside those that wait */

/* Calls that a worker has asked for at a time; more than these at once wait inside gRPC, which costs little. */
#define EXPECTED_OFTEN 32
#define EXPECTED 4
#define EXPECTED_SELDOM 1

static const struct method own_methods[] = {
	{ .path = "/grpc.health.v1.Health/Check", .handle = health_check_handle },
	{ .path = "/grpc.health.v1.Health/Watch", .handle = health_watch_handle },
	{ .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", .handle = reflection_handle, .takes_stream = true },
	{ .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .handle = reflection_handle, .takes_stream = true },
	{ .path = NULL, .handle = unknown_handle },
};
#define N_OWN_METHODS (sizeof(own_methods) / sizeof(own_methods[0]))

/* ------------------------------------------------------------------ starting */

/* What gRPC reads from the environment; the user's own settings win. */
static void prepare_environment(void)
{
	(void)setenv("GRPC_VERBOSITY", "NONE", 0); /* nothing here writes to stderr by itself */
	(void)setenv("GRPC_EXPERIMENTS", "-posix_event_engine_enable_polling", 0); /* its threads poll even when idle */
}

static void choose_limits(struct rpc *rpc, const struct rpc_options *options)
{
	rpc->seg = options->seg;
	rpc->park = options->park;
	rpc->max_message_bytes = options->max_message_bytes ? options->max_message_bytes : op_message_limit(options->seg);
	rpc->max_parked = options->max_parked ? options->max_parked : DEFAULT_MAX_PARKED;
	rpc->max_parked_bytes = options->max_parked_bytes ? options->max_parked_bytes : DEFAULT_MAX_PARKED_BYTES;
	rpc->max_unsent_bytes = options->max_unsent_bytes ? options->max_unsent_bytes : DEFAULT_MAX_UNSENT_BYTES;
}

static uint32_t choose_threads(uint32_t wanted)
{
	if (wanted)
		return wanted;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors > 4 ? (uint32_t)processors / 4 : 1;
}

static grpc_arg integer(const char *key, uint64_t value)
{
	return (grpc_arg){ .type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value < INT_MAX ? (int)value : INT_MAX };
}

static grpc_server *make_server(const struct rpc *rpc, const struct rpc_options *o)
{
	grpc_arg args[] = {
		integer(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a second server on the port is an error */
		integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, rpc->max_message_bytes),
		integer(GRPC_ARG_MAX_METADATA_SIZE, o->max_metadata_bytes ? o->max_metadata_bytes : DEFAULT_MAX_METADATA),
		/* Calls that wait count as streams; were they to use all, a put behind them on the same connection could not end them. */
		integer(GRPC_ARG_MAX_CONCURRENT_STREAMS, (uint64_t)rpc->max_parked + RUNNING_STREAMS),
		integer(GRPC_ARG_KEEPALIVE_TIME_MS, o->keepalive_time_ms ? o->keepalive_time_ms : DEFAULT_KEEPALIVE_TIME_MS),
		integer(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, o->keepalive_timeout_ms ? o->keepalive_timeout_ms : DEFAULT_KEEPALIVE_TIMEOUT_MS),
		integer(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
		integer(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_INTERVAL_MS),
		integer(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS),
		integer(GRPC_ARG_ENABLE_CHANNELZ, 0),
		/* The size limit holds for what came out of the decompressor, so a small message could fill the memory first. */
		integer(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1u << GRPC_COMPRESS_NONE),
		integer(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),
		integer(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
	};
	const grpc_channel_args all = { sizeof(args) / sizeof(args[0]), args };
	return grpc_server_create(&all, NULL);
}

static void server_ended(struct arrival *arrival, struct worker *worker, bool ok)
{
	struct rpc *rpc = worker->rpc;
	(void)arrival;
	(void)ok;
	pthread_mutex_lock(&rpc->mutex);
	rpc->server_ended = true;
	pthread_cond_signal(&rpc->changed);
	pthread_mutex_unlock(&rpc->mutex);
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

static void make_queues(struct rpc *rpc)
{
	const grpc_completion_queue_attributes attributes = {
		.version = GRPC_CQ_CURRENT_VERSION,
		.cq_completion_type = GRPC_CQ_CALLBACK,
		.cq_polling_type = GRPC_CQ_NON_POLLING,
		.cq_shutdown_cb = &rpc->queue_ended,
	};
	rpc->queue_ended.functor_run = queue_ended;
	for (uint32_t i = 0; i < RPC_N_CALLBACK_QUEUES; i++)
		rpc->callback_queues[i] =
			grpc_completion_queue_create(grpc_completion_queue_factory_lookup(&attributes), &attributes, NULL);
	for (uint32_t i = 0; i < rpc->n_workers; i++) {
		rpc->workers[i].queue = grpc_completion_queue_create_for_next(NULL);
		grpc_server_register_completion_queue(rpc->server, rpc->workers[i].queue, NULL);
	}
}

static enum sabir_error make_methods(struct rpc *rpc)
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
			m->registered = grpc_server_register_method(rpc->server, m->path, NULL,
								    m->takes_stream ? GRPC_SRM_PAYLOAD_NONE :
										      GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
	}
	return SABIR_OK;
}

static enum sabir_error open_lanes(struct rpc *rpc, uint32_t owner, char *detail)
{
	for (uint32_t i = 0; i < rpc->n_workers; i++) {
		enum sabir_error error = lane_open(rpc->seg, owner, &rpc->workers[i].lane);
		if (error) {
			snprintf(detail, RPC_DETAIL_SIZE, "no lane for a serving thread");
			return error;
		}
		rpc->workers[i].rpc = rpc;
	}
	return SABIR_OK;
}

static enum sabir_error open_listeners(struct rpc *rpc, const struct rpc_options *options, char *detail)
{
	if (!options->n_addresses || options->n_addresses > RPC_MAX_ADDRESSES) {
		snprintf(detail, RPC_DETAIL_SIZE, "1 to %d addresses can be listened on", RPC_MAX_ADDRESSES);
		return SABIR_INVALID_ARGUMENT;
	}
	uint32_t mode = options->unix_mode ? options->unix_mode : 0660;
	for (size_t i = 0; i < options->n_addresses; i++) {
		enum sabir_error error = listener_open(rpc->server, options->addresses[i], mode, &rpc->listeners[i], detail);
		if (error)
			return error;
		rpc->n_listeners++;
	}
	return SABIR_OK;
}

/* Serves until the queue is shut down and drained. */
static void serve(struct worker *worker)
{
	for (;;) {
		grpc_event event = grpc_completion_queue_next(worker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return;
		struct arrival *arrival = event.tag;
		arrival->run(arrival, worker, event.success);
	}
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct rpc *rpc = worker->rpc;
	for (size_t i = 0; i < rpc->n_methods; i++)
		call_expect(worker, &rpc->methods[i], rpc->methods[i].n_expected);
	serve(worker);
	return NULL;
}

static enum sabir_error start_threads(struct rpc *rpc, char *detail)
{
	for (; rpc->n_running < rpc->n_workers; rpc->n_running++) {
		struct worker *worker = &rpc->workers[rpc->n_running];
		int err = pthread_create(&worker->thread, NULL, work, worker);
		if (err) {
			snprintf(detail, RPC_DETAIL_SIZE, "a serving thread: %s", strerror(err));
			return SABIR_NO_MEMORY;
		}
		char name[16];
		snprintf(name, sizeof(name), "rpc-%u", rpc->n_running);
		(void)pthread_setname_np(worker->thread, name);
	}
	return SABIR_OK;
}

static enum sabir_error build(struct rpc *rpc, const struct rpc_options *options, char *detail)
{
	choose_limits(rpc, options);
	rpc->n_workers = choose_threads(options->n_threads);
	rpc->workers = calloc(rpc->n_workers, sizeof(*rpc->workers));
	if (!rpc->workers) {
		rpc->n_workers = 0;
		return SABIR_NO_MEMORY;
	}
	enum sabir_error error = open_lanes(rpc, options->owner, detail);
	if (error)
		return error;
	rpc->server = make_server(rpc, options);
	make_queues(rpc);
	error = make_methods(rpc);
	if (!error)
		error = open_listeners(rpc, options, detail);
	if (error)
		return error;
	grpc_server_start(rpc->server);
	rpc->started = true;
	return start_threads(rpc, detail);
}

static struct rpc *rpc_new(void)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc));
	pthread_condattr_t monotonic;
	if (!rpc)
		return NULL;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&rpc->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&rpc->mutex, NULL);
	pthread_mutex_init(&rpc->streams.mutex, NULL);
	return rpc;
}

enum sabir_error rpc_start(const struct rpc_options *options, struct rpc **rpc)
{
	char unused[RPC_DETAIL_SIZE];
	char *detail = options->detail ? options->detail : unused;
	sigset_t all, before;
	*detail = 0;
	struct rpc *made = rpc_new();
	if (!made)
		return SABIR_NO_MEMORY;
	made->server_end.run = server_ended;
	prepare_environment();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	grpc_init();
	enum sabir_error error = build(made, options, detail);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		rpc_free(made);
		return error;
	}
	*rpc = made;
	return SABIR_OK;
}

/* ------------------------------------------------------------------ serving */

int rpc_port(const struct rpc *rpc, size_t i)
{
	return i < rpc->n_listeners ? rpc->listeners[i].port : 0;
}

void rpc_set_serving(struct rpc *rpc, bool serving)
{
	health_set(rpc, serving, false);
}

void rpc_counters(const struct rpc *rpc, struct rpc_counters *counters)
{
	const struct rpc_counters *c = &rpc->counters;
	*counters = (struct rpc_counters){
		.calls = load64_relaxed(&c->calls),
		.failed = load64_relaxed(&c->failed),
		.parked = load64_relaxed(&c->parked),
		.cancelled = load64_relaxed(&c->cancelled),
		.refused = load64_relaxed(&c->refused),
		.unknown = load64_relaxed(&c->unknown),
		.waiting = load64_relaxed(&c->waiting),
		.watching = load64_relaxed(&c->watching),
	};
}

void rpc_drain(struct rpc *rpc)
{
	store32_seq(&rpc->draining, 1);
	health_set(rpc, false, true);
}

/* ------------------------------------------------------------------ stopping */

static bool wait_for_server(struct rpc *rpc, uint64_t deadline_ns)
{
	const struct timespec until = { (time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u) };
	int err = 0;
	pthread_mutex_lock(&rpc->mutex);
	while (!rpc->server_ended && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&rpc->changed, &rpc->mutex, &until);
	bool ended = rpc->server_ended;
	pthread_mutex_unlock(&rpc->mutex);
	return ended;
}

static void stop_server(struct rpc *rpc, uint64_t deadline_ns)
{
	grpc_server_shutdown_and_notify(rpc->server, rpc->workers[0].queue, &rpc->server_end);
	if (rpc->n_running && !wait_for_server(rpc, deadline_ns)) {
		grpc_server_cancel_all_calls(rpc->server);
		while (!wait_for_server(rpc, UINT64_MAX / 2))
			;
	}
}

static void stop_workers(struct rpc *rpc)
{
	for (uint32_t i = 0; i < rpc->n_workers; i++)
		grpc_completion_queue_shutdown(rpc->workers[i].queue);
	for (uint32_t i = 0; i < rpc->n_workers; i++) {
		if (i < rpc->n_running)
			pthread_join(rpc->workers[i].thread, NULL);
		else
			serve(&rpc->workers[i]); /* no thread has come to it */
	}
}

/* A call's last batch may still be ending on one of gRPC's threads. */
static void stop_callback_queues(struct rpc *rpc)
{
	pthread_mutex_lock(&rpc->mutex);
	while (rpc->n_calls)
		pthread_cond_wait(&rpc->changed, &rpc->mutex);
	pthread_mutex_unlock(&rpc->mutex);
	for (uint32_t i = 0; i < RPC_N_CALLBACK_QUEUES; i++)
		grpc_completion_queue_shutdown(rpc->callback_queues[i]);
	pthread_mutex_lock(&rpc->mutex);
	while (rpc->n_queues_ended < RPC_N_CALLBACK_QUEUES)
		pthread_cond_wait(&rpc->changed, &rpc->mutex);
	pthread_mutex_unlock(&rpc->mutex);
}

static void destroy_server(struct rpc *rpc)
{
	grpc_server_destroy(rpc->server);
	for (uint32_t i = 0; i < rpc->n_workers; i++)
		grpc_completion_queue_destroy(rpc->workers[i].queue);
	for (uint32_t i = 0; i < RPC_N_CALLBACK_QUEUES; i++)
		grpc_completion_queue_destroy(rpc->callback_queues[i]);
}

void rpc_stop(struct rpc *rpc, uint64_t deadline_ns)
{
	if (rpc->stopped)
		return;
	rpc->stopped = true;
	rpc_drain(rpc);
	if (rpc->server) {
		stop_server(rpc, deadline_ns);
		stop_workers(rpc);
		stop_callback_queues(rpc);
		destroy_server(rpc);
	}
	for (uint32_t i = 0; i < rpc->n_workers; i++)
		if (rpc->workers[i].lane.shared)
			lane_close(&rpc->workers[i].lane);
	for (size_t i = 0; i < rpc->n_listeners; i++)
		listener_close(&rpc->listeners[i]);
	grpc_shutdown();
}

void rpc_free(struct rpc *rpc)
{
	if (!rpc)
		return;
	rpc_stop(rpc, 0);
	calls_fini(rpc);
	for (uint32_t i = 0; i < rpc->n_workers; i++)
		bytes_fini(&rpc->workers[i].out);
	free(rpc->workers);
	free(rpc->methods);
	pthread_mutex_destroy(&rpc->streams.mutex);
	pthread_mutex_destroy(&rpc->mutex);
	pthread_cond_destroy(&rpc->changed);
	free(rpc);
}
