/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: its parts in the order in which they are made, the main loop, and their end in the reverse order.
 *
 * The main thread is the event loop: control socket, pidfds, the segment's doorbell, signals, timers, upkeep. It has
 * one lane; gRPC's threads have their own, of the same owner. States: starting, serving, draining (health says so,
 * new work is refused, what waits ends with UNAVAILABLE, local programs are told goodbye), gone. From the first
 * signal on an alarm bounds the time until the exit, whatever hangs.
 */
#include "server/main/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/control/control.h"
#include "server/main/address.h"
#include "server/main/collector.h"
#include "server/main/notify.h"
#include "server/main/runtime.h"
#include "server/main/signals.h"
#include "server/objects/object.h"
#include "server/ops/park.h"
#include "server/ops/sessions.h"
#include "server/rpc/rpc.h"

#define TICK CLOCK_SECOND
#define KEEP_CHUNKS 64 /* 16 MiB stay committed when nobody uses them */
/* A stopped program that holds an object's lock must not stop the main loop: a recovery is tried again later. */
#define LOCK_PATIENCE (20 * CLOCK_MILLISECOND)

struct server {
	const struct config *config;
	server_reload_fn *reload;
	void *reload_context;
	struct loop loop;
	struct segment seg;
	uint32_t owner;
	struct lane lane;   /* upkeep and recovery */
	struct lane parked; /* parked operations: does not sleep for locks */
	struct park *park;
	struct sessions *sessions;
	struct rpc *rpc;
	struct control *control;
	struct collector_thread *collector;
	struct addresses addresses;
	int sooner_fd; /* rung by the park and the sessions, from any thread */
	struct loop_fd bell, sooner, signals;
	struct loop_timer tick, expiry, leases, ends;
	char detail[512];
};

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
	sessions_expire(s->sessions, &s->lane, clock_now());
	set_leases(s);
}

/* Of objects that end by themselves. Anybody may have set an end; he has rung. */
static void set_ends(struct server *s)
{
	uint64_t next_ns = object_ttl_next(&s->seg);
	if (next_ns != CLOCK_NEVER || s->ends.armed)
		loop_timer_set(&s->loop, &s->ends, next_ns);
}

static void on_ends(void *context)
{
	struct server *s = context;
	object_ttl_expire(&s->lane, clock_now());
	/* Many that end one after the other are not worth a look at all objects each. */
	uint64_t next_ns = object_ttl_next(&s->seg), soon_ns = clock_deadline(3 * CLOCK_MILLISECOND);
	loop_timer_set(&s->loop, &s->ends, next_ns > soon_ns ? next_ns : soon_ns);
}

static void on_bell(void *context, uint32_t events)
{
	struct server *s = context;
	(void)events;
	park_ring(s->park, &s->parked);
	set_expiry(s);
	set_ends(s);
	collector_look(s->collector);
}

static void on_expiry(void *context)
{
	struct server *s = context;
	park_settle(s->park, &s->parked, clock_now());
	park_expire(s->park, clock_now());
	set_expiry(s);
}

/* The park's and the sessions' call, from any thread. */
static void ring_sooner(void *context)
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
	object_sweep(&s->lane);
	arena_trim(&s->lane, KEEP_CHUNKS);
	control_tick(s->control);
	if (getenv("WATCHDOG_USEC"))
		notify("WATCHDOG=1");
	loop_timer_set(&s->loop, &s->tick, clock_deadline(TICK));
}

static void set_log(const struct config *config)
{
	log_set_level((enum log_level)config_number(config, OPTION_LOG_LEVEL));
	log_set_format((enum log_format)config_number(config, OPTION_LOG_FORMAT));
}

static void reload(struct server *s)
{
	struct config config;
	char detail[CONFIG_DETAIL_SIZE];
	if (s->reload(s->reload_context, detail, &config)) {
		log_error("the configuration was not reloaded", log_text("detail", detail));
		return;
	}
	set_log(&config);
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
	if (come.end)
		loop_stop(&s->loop);
}

/* ---------------------------------------------------------------- start */

/* Each step: an error, with s->detail saying what, ends the start. */

static enum sabir_error start_loop(struct server *s)
{
	int signal_fd;
	enum sabir_error error = signals_install(&signal_fd);
	s->sooner_fd = error ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->sooner_fd < 0)
		error = SABIR_RESOURCE_EXHAUSTED;
	if (!error)
		error = loop_init(&s->loop);
	if (!error)
		error = loop_add(&s->loop, &s->signals, signal_fd, EPOLLIN);
	if (!error)
		error = loop_add(&s->loop, &s->sooner, s->sooner_fd, EPOLLIN);
	if (error)
		snprintf(s->detail, sizeof(s->detail), "can't make the event loop: %s", strerror(errno));
	return error;
}

static enum sabir_error start_memory(struct server *s)
{
	const struct config *config = s->config;
	const struct segment_options options = {
		.memory_limit = config_number(config, OPTION_MEMORY_LIMIT),
		/* And the server itself. */
		.n_owners = (uint32_t)(config_number(config, OPTION_MAX_OWNERS) +
				       config_number(config, OPTION_MAX_SESSIONS) + 1),
		.n_lanes = (uint32_t)config_number(config, OPTION_MAX_LANES),
		.n_objects = (uint32_t)config_number(config, OPTION_MAX_OBJECTS),
		.max_item_bytes = config_number(config, OPTION_MAX_ITEM_BYTES),
	};
	enum sabir_error error = segment_create(&options, &s->seg);
	if (!error)
		error = owner_open(&s->seg, (uint32_t)getpid(), "sabird", &s->owner);
	if (!error)
		error = lane_open(&s->seg, s->owner, &s->lane);
	if (!error)
		error = object_init_directory(&s->lane);
	if (!error)
		error = lane_open(&s->seg, s->owner, &s->parked);
	if (!error)
		error = loop_add(&s->loop, &s->bell, s->seg.bell_fd, EPOLLIN);
	if (error)
		snprintf(s->detail, sizeof(s->detail), "can't make the shared memory: %s", error_message(error));
	s->lane.lock_patience_ns = LOCK_PATIENCE;
	s->parked.lock_rings = true;
	s->parked.actor = (struct actor){ 0 }; /* it acts for the sessions of the calls */
	return error;
}

/* Mode and group of gRPC's unix sockets; they have no list of users, so they don't open up with one. */
static uint32_t grpc_mode(const struct config *config)
{
	const struct setting *mode = &config->value[OPTION_SOCKET_MODE];
	return mode->set ? (uint32_t)mode->number : 0660;
}

static enum sabir_error start_rpc(struct server *s)
{
	const struct config *config = s->config;
	char detail[RPC_DETAIL_SIZE] = "";
	struct rpc_options options = {
		.seg = &s->seg,
		.park = s->park,
		.sessions = s->sessions,
		.owner = s->owner,
		.n_threads = (uint32_t)config_number(config, OPTION_RPC_THREADS),
		.unix_mode = grpc_mode(config),
		.max_parked = (uint32_t)config_number(config, OPTION_MAX_PARKED),
		.detail = detail,
	};
	addresses_listen(config, &options.addresses, &options.n_addresses);
	if (!options.n_addresses)
		return SABIR_OK;
	enum sabir_error error = rpc_start(&options, &s->rpc);
	if (error) {
		snprintf(s->detail, sizeof(s->detail), "can't serve gRPC: %s", *detail ? detail : error_message(error));
		return error;
	}
	for (size_t i = 0; i < options.n_addresses; i++)
		addresses_add(&s->addresses, options.addresses[i], rpc_port(s->rpc, i));
	const struct setting *group = &config->value[OPTION_SOCKET_GROUP];
	error = group->set ? addresses_set_group(&s->addresses, (gid_t)group->number) : SABIR_OK;
	if (error)
		snprintf(s->detail, sizeof(s->detail), "can't give gRPC's socket the group: %s", strerror(errno));
	return error;
}

static enum sabir_error start_control(struct server *s)
{
	const struct config *config = s->config;
	const struct setting *mode = &config->value[OPTION_SOCKET_MODE], *group = &config->value[OPTION_SOCKET_GROUP];
	const struct control_options options = {
		.loop = &s->loop,
		.seg = &s->seg,
		.lane = &s->lane,
		.sessions = s->sessions,
		.path = config_text(config, OPTION_SOCKET),
		.max_attached = (uint32_t)config_number(config, OPTION_MAX_OWNERS),
		.policy = {
			.uids = config->value[OPTION_ALLOW_UID].ids,
			.n_uids = config->value[OPTION_ALLOW_UID].n,
			.gids = config->value[OPTION_ALLOW_GID].ids,
			.n_gids = config->value[OPTION_ALLOW_GID].n,
			.mode = mode->set ? (uint32_t)mode->number : 0,
			.group = group->set ? (gid_t)group->number : CONTROL_NO_GROUP,
		},
		.version = SABIR_VERSION,
		.detail = s->detail,
	};
	return control_start(&options, &s->control);
}

/*
 * The control socket's lock comes before the ports: of two servers on one socket the second is told just that. Who
 * connects meanwhile is served when the loop turns.
 */
static enum sabir_error start(struct server *s)
{
	enum sabir_error error = runtime_prepare(config_text(s->config, OPTION_SOCKET), s->detail, sizeof(s->detail));
	if (!error)
		error = start_loop(s);
	if (!error)
		error = start_memory(s);
	if (error)
		return error;
	s->collector = collector_start(&s->seg, s->owner, config_number(s->config, OPTION_LINGER));
	if (!s->collector) {
		snprintf(s->detail, sizeof(s->detail), "no thread to collect objects");
		return SABIR_RESOURCE_EXHAUSTED;
	}
	const struct sessions_options sessions = {
		.seg = &s->seg,
		.max_sessions = (uint32_t)config_number(s->config, OPTION_MAX_SESSIONS),
		.admin = (enum session_admin)config_number(s->config, OPTION_ADMIN_SESSIONS),
		.sooner = ring_sooner,
		.context = s,
	};
	s->park = park_new(&s->seg, ring_sooner, s);
	s->sessions = s->park ? sessions_new(&sessions, s->park) : NULL;
	if (!s->sessions) {
		snprintf(s->detail, sizeof(s->detail), "%s", error_message(SABIR_NO_MEMORY));
		return SABIR_NO_MEMORY;
	}
	error = start_control(s);
	if (!error)
		error = start_rpc(s);
	if (!error)
		control_set_addresses(s->control, s->addresses.text, s->addresses.n);
	return error;
}

/* ---------------------------------------------------------------- end */

static void drain(struct server *s)
{
	uint64_t timeout = config_number(s->config, OPTION_DRAIN_TIMEOUT);
	struct rpc_counters calls = { 0 };
	notify("STOPPING=1");
	signals_end_within(timeout);
	if (s->rpc)
		rpc_counters(s->rpc, &calls);
	log_info("draining", log_u64("waiting_calls", calls.waiting),
		 log_u64("timeout_ms", timeout / CLOCK_MILLISECOND));
	if (s->rpc)
		rpc_drain(s->rpc);
	park_drain(s->park, SABIR_UNAVAILABLE);
	park_ring(s->park, &s->parked); /* those who waited leave their lines */
	control_drain(s->control);
	/* The rest of the time is for what comes behind. */
	if (s->rpc)
		rpc_stop(s->rpc, clock_deadline(timeout / 10 * 8));
}

/* Also after a start that got only half-way. */
static void stop(struct server *s)
{
	rpc_free(s->rpc);
	collector_stop(s->collector);
	control_free(s->control);
	sessions_free(s->sessions);
	park_free(s->park);
	loop_remove(&s->loop, &s->bell);
	if (s->seg.base) {
		lane_close(&s->parked);
		lane_close(&s->lane);
		owner_close(&s->seg, s->owner);
		segment_unmap(&s->seg);
	}
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

/* Each attached program costs two descriptors and each connection one. */
static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int server_run(const struct config *config, server_reload_fn *reload_fn, void *context)
{
	struct server s = { .config = config, .reload = reload_fn, .reload_context = context };
	s.loop.epoll_fd = s.sooner_fd = -1;
	s.bell = (struct loop_fd){ .fd = -1, .ready = on_bell, .context = &s };
	s.sooner = (struct loop_fd){ .fd = -1, .ready = on_sooner, .context = &s };
	s.signals = (struct loop_fd){ .fd = -1, .ready = on_signal, .context = &s };
	s.tick = (struct loop_timer){ .fire = on_tick, .context = &s };
	s.expiry = (struct loop_timer){ .fire = on_expiry, .context = &s };
	s.ends = (struct loop_timer){ .fire = on_ends, .context = &s };
	s.leases = (struct loop_timer){ .fire = on_leases, .context = &s };
	set_log(config);
	raise_file_limit();
	enum sabir_error error = start(&s);
	if (error) {
		log_error("can't start", log_text("error", error_name(error)), log_text("detail", s.detail));
		stop(&s);
		return error == SABIR_ALREADY_EXISTS ? EXIT_TAKEN : EXIT_FAILED;
	}
	if (s.rpc)
		rpc_set_serving(s.rpc, true);
	log_ready(&s);
	notify("READY=1\nSTATUS=serving");
	loop_timer_set(&s.loop, &s.tick, clock_deadline(TICK));
	loop_run(&s.loop);
	drain(&s);
	stop(&s);
	log_info("ended");
	return EXIT_IN_ORDER;
}
