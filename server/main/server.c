/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: the main loop, and the end of its parts in the reverse of the order in which start.c makes them.
 *
 * The main thread is the event loop: control socket, pidfds, the segment's doorbell, signals, timers, upkeep. It has
 * one lane; gRPC's threads have their own, of the same owner. States: starting, serving, draining (health says so,
 * new work is refused, what waits ends with UNAVAILABLE, local programs are told goodbye), gone. From the first
 * signal on an alarm bounds the time until the exit, whatever hangs.
 */
#include "server/main/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/main/notify.h"
#include "server/main/runtime.h"
#include "server/main/server_parts.h"
#include "server/main/signals.h"
#include "server/objects/object.h"
#include "server/shm/arena.h"

#define TICK CLOCK_SECOND
#define KEEP_CHUNKS 64 /* 16 MiB stay committed when nobody uses them */
/* Rarely: what comes and goes all the time shall not be given back and taken again each time. */
#define RECLAIM_EVERY (2 * CLOCK_SECOND)
#define RECLAIM_SLICE CLOCK_MILLISECOND /* the loop is held up no longer */
#define RECLAIM_PAUSE (10 * CLOCK_MILLISECOND)

/* ---------------------------------------------------------------- the loop's handlers */

static void set_expiry(struct server *s)
{
	loop_timer_set(&s->loop, &s->expiry, park_next_deadline(s->park));
}

static void set_leases(struct server *s)
{
	loop_timer_set(&s->loop, &s->leases, sessions_next(s->sessions));
}

static void on_leases(void *context)
{
	struct server *s = context;
	sessions_expire(s->sessions, &s->memory.lane, clock_now());
	set_leases(s);
}

/* Of objects that end by themselves. Anybody may have set an end; he has rung. */
static void set_ends(struct server *s)
{
	uint64_t next_ns = object_ttl_next(&s->memory.seg);
	if (next_ns != CLOCK_NEVER || s->ends.armed)
		loop_timer_set(&s->loop, &s->ends, next_ns);
}

static void on_ends(void *context)
{
	struct server *s = context;
	object_ttl_expire(&s->memory.lane, clock_now());
	/* Many that end one after the other are not worth a look at all objects each. */
	uint64_t next_ns = object_ttl_next(&s->memory.seg), soon_ns = clock_deadline(3 * CLOCK_MILLISECOND);
	loop_timer_set(&s->loop, &s->ends, next_ns > soon_ns ? next_ns : soon_ns);
}

static void on_bell(void *context, uint32_t events)
{
	struct server *s = context;
	(void)events;
	park_ring(s->park, &s->memory.parked);
	set_expiry(s);
	set_ends(s);
	collector_look(s->collector);
}

static void on_expiry(void *context)
{
	struct server *s = context;
	park_settle(s->park, &s->memory.parked, clock_now());
	park_expire(s->park, clock_now());
	set_expiry(s);
}

void server_ring_sooner(void *context)
{
	struct server *s = context;
	(void)eventfd_write(s->sooner_fd, 1);
}

static void on_sooner(void *context, uint32_t events)
{
	struct server *s = context;
	eventfd_t count;
	(void)events;
	(void)eventfd_read(s->sooner_fd, &count);
	set_expiry(s);
	set_leases(s);
}

static void on_tick(void *context)
{
	struct server *s = context;
	memory_tick(&s->memory);
	object_sweep(&s->memory.lane);
	arena_empty_cache(&s->memory.lane);
	arena_empty_cache(&s->memory.parked);
	if (s->rpc)
		rpc_tick(s->rpc);
	keeping_tick(&s->keeping);
	control_tick(s->control);
	park_look_again(s->park);
	on_bell(s, 0);
	if (getenv("WATCHDOG_USEC"))
		notify("WATCHDOG=1");
	loop_timer_set(&s->loop, &s->tick, clock_deadline(TICK));
}

static void on_reclaim(void *context)
{
	struct server *s = context;
	uint64_t until_ns = clock_deadline(RECLAIM_SLICE);
	bool all = arena_reclaim_some(&s->memory.lane, &s->next_chunk, until_ns) &&
		   arena_trim(&s->memory.lane, KEEP_CHUNKS, until_ns);
	loop_timer_set(&s->loop, &s->reclaim, clock_deadline(all ? RECLAIM_EVERY : RECLAIM_PAUSE));
}

static void reload(struct server *s)
{
	struct config config;
	char detail[CONFIG_DETAIL_SIZE];
	if (s->reload(s->reload_context, detail, &config)) {
		log_error("the configuration was not reloaded", log_text("detail", detail));
		return;
	}
	runtime_set_log(&config);
	config_fini(&config);
	log_info("log options reloaded");
}

static void on_signal(void *context, uint32_t events)
{
	struct server *s = context;
	struct signals come = signals_take();
	(void)events;
	if (come.reload)
		reload(s);
	uint64_t number;
	if (come.snapshot && s->snapshots)
		(void)snapshots_ask(s->snapshots, false, &number);
	else if (come.snapshot)
		log_warning("no snapshot: there is no --snapshot-dir for it");
	if (come.end)
		loop_stop(&s->loop);
}

static void leave(void *context)
{
	struct server *s = context;
	s->leaves = true;
	loop_stop(&s->loop);
}

static bool give_all(void *context, pid_t keeper)
{
	struct server *s = context;
	control_set_keeper(s->control, (uint32_t)keeper);
	addresses_keep_ports(&s->addresses, s->sooner_fd);
	return memory_keep(&s->memory) && control_keep(s->control);
}

/* ---------------------------------------------------------------- end */

/* The end of the objects too: nothing is for a next server. */
static void forget_all(struct server *s)
{
	control_drain(s->control);
	memory_forget();
	addresses_forget_ports(&s->addresses);
	notify_forget("control");
}

static void drain(struct server *s)
{
	uint64_t timeout = config_number(s->config, OPTION_DRAIN_TIMEOUT);
	struct rpc_counters calls = { 0 };
	notify(s->leaves ? "LEAVING=1" : "STOPPING=1");
	signals_end_within(timeout);
	if (s->rpc)
		rpc_counters(s->rpc, &calls);
	log_info(s->leaves ? "making room for the next server" : "draining", log_u64("waiting_calls", calls.waiting),
		 log_u64("timeout_ms", timeout / CLOCK_MILLISECOND));
	if (s->rpc)
		rpc_drain(s->rpc);
	park_drain(s->park, SABIR_UNAVAILABLE);
	park_ring(s->park, &s->memory.parked); /* those who waited leave their lines */
	if (!s->leaves)
		forget_all(s);
	/* The rest of the time is for what comes behind. */
	if (s->rpc)
		rpc_stop(s->rpc, clock_deadline(timeout / 10 * 8));
	snapshotter_stop(s->snapshotter, !s->leaves);
	s->snapshotter = NULL;
}

/* What takes long is over: from here on it is not long until the next server has what is kept. */
static void make_room(struct server *s)
{
	rpc_free(s->rpc);
	s->rpc = NULL;
	collector_stop(s->collector);
	s->collector = NULL;
	keeping_look(&s->keeping);
	control_leave(s->control);
}

/* Also after a start that got only half-way. */
static void stop(struct server *s)
{
	rpc_free(s->rpc);
	snapshotter_stop(s->snapshotter, false);
	collector_stop(s->collector);
	control_free(s->control);
	leftover_fini(&s->leftover);
	sessions_free(s->sessions);
	park_free(s->park);
	snapshots_free(s->snapshots);
	keeping_stop(&s->keeping);
	loop_remove(&s->loop, &s->bell);
	memory_stop(&s->memory);
	folder_close(&s->folder);
	addresses_fini(&s->addresses);
	loop_fini(&s->loop);
	if (s->sooner_fd >= 0)
		close(s->sooner_fd);
}

static void log_ready(const struct server *s)
{
	char local[128], remote[1024];
	snprintf(local, sizeof(local), "unix:%s", config_text(s->config, OPTION_SOCKET));
	addresses_urls(&s->addresses, remote, sizeof(remote));
	log_info("ready", log_text("version", SABIR_VERSION), log_text("local", local), log_text("remote", remote),
		 log_u64("memory_limit", config_number(s->config, OPTION_MEMORY_LIMIT)), log_i64("pid", getpid()));
	if (addresses_public(&s->addresses))
		log_warning("gRPC is served to other machines without encryption and without a check of who calls");
}

static void prepare(struct server *s, int keeper)
{
	s->loop.epoll_fd = s->sooner_fd = s->folder.fd = -1;
	s->bell = (struct loop_fd){ .fd = -1, .ready = on_bell, .context = s };
	s->sooner = (struct loop_fd){ .fd = -1, .ready = on_sooner, .context = s };
	s->signals = (struct loop_fd){ .fd = -1, .ready = on_signal, .context = s };
	s->keeping = (struct keeping){ .leave = leave, .give_all = give_all, .context = s };
	s->keeping.pid = keeper >= 0 ? getppid() : 0;
	s->tick = (struct loop_timer){ .fire = on_tick, .context = s };
	s->reclaim = (struct loop_timer){ .fire = on_reclaim, .context = s };
	s->expiry = (struct loop_timer){ .fire = on_expiry, .context = s };
	s->ends = (struct loop_timer){ .fire = on_ends, .context = s };
	s->leases = (struct loop_timer){ .fire = on_leases, .context = s };
	s->lines = (struct loop_timer){ .fire = server_end_leftover, .context = s };
	runtime_set_log(s->config);
	runtime_raise_file_limit();
}

static int start_failed(struct server *s, enum sabir_error error)
{
	bool inherited = s->memory.inherited;
	log_error("can't start", log_text("error", error_name(error)), log_text("detail", s->detail));
	/* What was kept stays as it is, for the next attempt. */
	if (inherited && s->control)
		control_leave(s->control);
	stop(s);
	if (error == SABIR_LAYOUT_MISMATCH) {
		memory_forget();
		return EXIT_MEMORY;
	}
	return error == SABIR_ALREADY_EXISTS ? EXIT_TAKEN : EXIT_FAILED;
}

int server_run(const struct config *config, server_reload_fn *reload_fn, void *context, struct kept *kept, int keeper)
{
	struct server s = { .config = config, .reload = reload_fn, .reload_context = context, .kept = kept };
	prepare(&s, keeper);
	notify_through(keeper);
	enum sabir_error error = server_start(&s);
	if (!error && keeping_start(&s.keeping, &s.loop, keeper)) {
		snprintf(s.detail, sizeof(s.detail), "the event loop takes no more descriptors");
		error = SABIR_RESOURCE_EXHAUSTED;
	}
	kept_fini(kept);
	if (error)
		return start_failed(&s, error);
	if (s.rpc)
		rpc_set_serving(s.rpc, true);
	log_ready(&s);
	notify("READY=1\nSTATUS=serving");
	loop_timer_set(&s.loop, &s.tick, clock_deadline(TICK));
	loop_timer_set(&s.loop, &s.reclaim, clock_deadline(RECLAIM_EVERY));
	loop_run(&s.loop);
	drain(&s);
	if (s.leaves)
		make_room(&s);
	stop(&s);
	log_info("ended");
	return EXIT_IN_ORDER;
}
