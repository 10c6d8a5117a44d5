/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the front: everything is made by rpc_start and taken apart by rpc_stop, in the order that gRPC asks for.
 *
 *   start  queues → server → methods → addresses → grpc_server_start → threads, which ask for the first calls
 *   stop   server shut down → last call ended → serving queues drained, threads joined → callback queues ended →
 *          server destroyed → queues destroyed → lanes closed → locks of unix sockets given back
 *
 * The threads and those that gRPC makes have all signals blocked; signals are the main thread's.
 */
#include "server/rpc/rpc.h"
#include "server/rpc/asks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/rpc/call.h"
#include "server/rpc/health.h"
#include "server/rpc/print.h"
#include "server/rpc/setup.h"
#include "server/shm/arena.h"

#define KEEP_CACHE CLOCK_SECOND

/* ------------------------------------------------------------------ starting */

static uint32_t choose_threads(uint32_t wanted)
{
	if (wanted)
		return wanted;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors > 4 ? (uint32_t)processors / 4 : 1;
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

static enum sabir_error open_lanes(struct rpc *rpc, uint32_t owner, char *detail)
{
	for (uint32_t i = 0; i < rpc->n_workers; i++) {
		enum sabir_error error = lane_open(rpc->seg, owner, &rpc->workers[i].lane);
		if (error) {
			snprintf(detail, RPC_DETAIL_SIZE, "no lane for a serving thread");
			return error;
		}
		/* A local program that is stopped with a lock must not hold up the calls on other objects. */
		rpc->workers[i].lane.lock_rings = true;
		/* It is nobody; an operation is done for the session of its call. */
		rpc->workers[i].lane.actor = (struct actor){ 0 };
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
		enum sabir_error error = listener_open(rpc->server, options->addresses[i], mode, &rpc->listeners[i],
						       detail);
		if (error)
			return error;
		rpc->n_listeners++;
	}
	return SABIR_OK;
}

static gpr_timespec grpc_time(uint64_t at_ns)
{
	return at_ns == CLOCK_NEVER ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
				    : gpr_time_from_nanos((int64_t)at_ns, GPR_CLOCK_MONOTONIC);
}

/*
 * Serves until the queue is shut down and drained. The blocks that the lane has kept are given back a while after the
 * first of them, whether there is something to do or not; who has had nothing to do since is not woken.
 */
static void serve(struct worker *worker)
{
	uint64_t keep_ns = CLOCK_NEVER;
	for (;;) {
		grpc_event event = grpc_completion_queue_next(worker->queue, grpc_time(keep_ns), NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return;
		if (event.type == GRPC_OP_COMPLETE) {
			struct arrival *arrival = event.tag;
			arrival->run(arrival, worker, event.success);
			if (keep_ns == CLOCK_NEVER)
				keep_ns = clock_deadline(KEEP_CACHE);
		}
		if (!clock_left(keep_ns)) {
			arena_empty_cache(&worker->lane);
			keep_ns = CLOCK_NEVER;
		}
	}
}

/* By the thread itself: by another it would go through /proc, and what the kernel has to clear there holds up its end. */
static void name_self(const struct worker *worker)
{
	char name[16];
	snprintf(name, sizeof(name), "rpc-%u", (unsigned)(worker - worker->rpc->workers));
	(void)pthread_setname_np(pthread_self(), name);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct rpc *rpc = worker->rpc;
	name_self(worker);
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
	}
	return SABIR_OK;
}

static enum sabir_error build(struct rpc *rpc, const struct rpc_options *options, char *detail)
{
	setup_limits(rpc, options);
	park_set_after(rpc->park, streams_turn, NULL);
	rpc->n_workers = choose_threads(options->n_threads);
	rpc->workers = calloc(rpc->n_workers, sizeof(*rpc->workers));
	if (!rpc->workers) {
		rpc->n_workers = 0;
		return SABIR_NO_MEMORY;
	}
	enum sabir_error error = open_lanes(rpc, options->owner, detail);
	if (error)
		return error;
	rpc->server = setup_server(rpc, options);
	setup_queues(rpc);
	error = setup_methods(rpc);
	if (!error)
		error = open_listeners(rpc, options, detail);
	if (error)
		return error;
	grpc_server_start(rpc->server);
	rpc->started = true;
	return start_threads(rpc, detail);
}

static struct rpc *rpc_new(const struct rpc_options *options)
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
	lanes_init(&rpc->lanes, options->seg, options->owner);
	print_begin(options->seg);
	heavy_init(&rpc->heavy, rpc);
	return rpc;
}

enum sabir_error rpc_start(const struct rpc_options *options, struct rpc **rpc)
{
	char unused[RPC_DETAIL_SIZE];
	char *detail = options->detail ? options->detail : unused;
	sigset_t all, before;
	*detail = 0;
	struct rpc *made = rpc_new(options);
	if (!made)
		return SABIR_NO_MEMORY;
	made->server_end.run = server_ended;
	setup_environment();
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
		.undoing = load64_relaxed(&c->undoing),
		.not_undone = load64_relaxed(&c->not_undone),
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

void rpc_tick(struct rpc *rpc)
{
	lanes_empty_caches(&rpc->lanes);
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
	heavy_fini(&rpc->heavy);
	for (uint32_t i = 0; i < rpc->n_workers; i++)
		if (rpc->workers[i].lane.shared)
			lane_close(&rpc->workers[i].lane);
	lanes_fini(&rpc->lanes);
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
