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
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/control/control.h"
#include "server/main/address.h"
#include "server/main/collector.h"
#include "server/main/keeping.h"
#include "server/main/memory.h"
#include "server/main/notify.h"
#include "server/main/restore.h"
#include "server/main/runtime.h"
#include "server/main/signals.h"
#include "server/main/snapshotter.h"
#include "server/objects/leftover.h"
#include "server/objects/object.h"
#include "server/ops/park.h"
#include "server/ops/sessions.h"
#include "server/rpc/rpc.h"

#define TICK CLOCK_SECOND
#define LEFTOVER_RETRY (100 * CLOCK_MILLISECOND)
#define KEEP_CHUNKS 64 /* 16 MiB stay committed when nobody uses them */

struct server {
	const struct config *config;
	server_reload_fn *reload;
	void *reload_context;
	struct loop loop;
	struct kept *kept;
	struct keeping keeping;
	struct memory memory;
	struct park *park;
	struct sessions *sessions;
	struct rpc *rpc;
	struct control *control;
	struct collector_thread *collector;
	struct folder folder; /* of the snapshots */
	struct snapshots *snapshots;
	struct snapshotter *snapshotter;
	struct addresses addresses;
	int sooner_fd; /* rung by the park and the sessions, from any thread */
	struct loop_fd bell, sooner, signals;
	struct loop_timer tick, expiry, leases, ends, lines;
	struct leftover leftover;
	bool leaves; /* for another server, which goes on with the memory */
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
	object_sweep(&s->memory.lane);
	arena_trim(&s->memory.lane, KEEP_CHUNKS);
	memory_tick(&s->memory);
	keeping_tick(&s->keeping);
	control_tick(s->control);
	if (getenv("WATCHDOG_USEC"))
		notify("WATCHDOG=1");
	loop_timer_set(&s->loop, &s->tick, clock_deadline(TICK));
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

/* ---------------------------------------------------------------- start */

/* Each step: an error, with s->detail saying what, ends the start. */

static enum sabir_error start_loop(struct server *s)
{
	int signal_fd;
	enum sabir_error error = signals_install(s->keeping.pid, &signal_fd);
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
	enum sabir_error error = memory_start(s->config, s->kept, &s->memory, s->detail, sizeof(s->detail));
	if (!error && loop_add(&s->loop, &s->bell, s->memory.seg.bell_fd, EPOLLIN)) {
		snprintf(s->detail, sizeof(s->detail), "the event loop takes no more descriptors");
		error = SABIR_RESOURCE_EXHAUSTED;
	}
	return error;
}

static enum sabir_error start_snapshots(struct server *s)
{
	const char *path = config_text(s->config, OPTION_SNAPSHOT_DIR);
	enum sabir_error error = path ? folder_open(path, s->detail, sizeof(s->detail), &s->folder) : SABIR_OK;
	/* Memory that was kept has all that a snapshot could bring back, and more. */
	if (!error && !s->memory.inherited)
		error = restore(&s->memory.lane, path ? &s->folder : NULL, config_text(s->config, OPTION_RESTORE),
				s->detail, sizeof(s->detail));
	if (error || !path)
		return error;
	s->snapshots = snapshots_new(&s->memory.seg);
	const struct snapshotter_options options = {
		.seg = &s->memory.seg,
		.owner = s->memory.owner,
		.folder = &s->folder,
		.snapshots = s->snapshots,
		.every_ns = config_number(s->config, OPTION_SNAPSHOT_EVERY),
		.keep = config_number(s->config, OPTION_SNAPSHOT_KEEP),
	};
	s->snapshotter = s->snapshots ? snapshotter_start(&options) : NULL;
	if (s->snapshotter)
		return SABIR_OK;
	snprintf(s->detail, sizeof(s->detail), "no thread to write snapshots");
	return SABIR_RESOURCE_EXHAUSTED;
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
		.seg = &s->memory.seg,
		.park = s->park,
		.sessions = s->sessions,
		.snapshots = s->snapshots,
		.owner = s->memory.owner,
		.n_threads = (uint32_t)config_number(config, OPTION_RPC_THREADS),
		.unix_mode = grpc_mode(config),
		.max_parked = (uint32_t)config_number(config, OPTION_MAX_PARKED),
		.detail = detail,
	};
	const char *const *wanted, *list[RPC_MAX_ADDRESSES];
	char text[RPC_MAX_ADDRESSES][ADDRESS_SIZE];
	addresses_listen(config, &wanted, &options.n_addresses);
	if (!options.n_addresses)
		return SABIR_OK;
	for (size_t i = 0; i < options.n_addresses && i < RPC_MAX_ADDRESSES; i++)
		list[i] = addresses_kept_port(s->kept, i, wanted[i], text[i]);
	options.addresses = list;
	enum sabir_error error = rpc_start(&options, &s->rpc);
	if (error) {
		snprintf(s->detail, sizeof(s->detail), "can't serve gRPC: %s", *detail ? detail : error_message(error));
		return error;
	}
	for (size_t i = 0; i < options.n_addresses; i++) {
		addresses_keep_port(i, list[i], rpc_port(s->rpc, i), s->sooner_fd);
		addresses_add(&s->addresses, list[i], rpc_port(s->rpc, i));
	}
	const struct setting *group = &config->value[OPTION_SOCKET_GROUP];
	error = group->set ? addresses_set_group(&s->addresses, (gid_t)group->number) : SABIR_OK;
	if (error)
		snprintf(s->detail, sizeof(s->detail), "can't give gRPC's socket the group: %s", strerror(errno));
	return error;
}

static int taken(struct kept *kept, const char *name, bool socket)
{
	int fd = kept_take(kept, name, socket);
	return fd < 0 ? 0 : fd;
}

static enum sabir_error start_control(struct server *s)
{
	const struct config *config = s->config;
	const struct setting *mode = &config->value[OPTION_SOCKET_MODE], *group = &config->value[OPTION_SOCKET_GROUP];
	const struct control_options options = {
		.loop = &s->loop,
		.seg = &s->memory.seg,
		.lane = &s->memory.lane,
		.sessions = s->sessions,
		.snapshots = s->snapshots,
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
		.keeper = { .keep = notify_store, .forget = notify_forget },
		.keeper_pid = (uint32_t)s->keeping.pid,
		.kept_fd = taken(s->kept, "control", true),
		.kept_lock_fd = taken(s->kept, "control", false),
		.detail = s->detail,
	};
	return control_start(&options, &s->control);
}

static void adopt(void *context, uint32_t owner, int socket, int pidfd)
{
	control_adopt(((struct server *)context)->control, owner, socket, pidfd);
}

static bool resume(void *context, uint32_t owner)
{
	struct server *s = context;
	return sessions_adopt(s->sessions, owner);
}

static void recover(void *context, uint32_t owner)
{
	control_recover(((struct server *)context)->control, owner);
}

/* The calls that waited in the former server are gone, though their sessions are not. */
static void on_leftover(void *context)
{
	struct server *s = context;
	if (!leftover_end(&s->memory.lane, &s->leftover))
		loop_timer_set(&s->loop, &s->lines, clock_deadline(LEFTOVER_RETRY));
}

/* Whom the former server looked after, before others can come. */
static enum sabir_error take_over(struct server *s)
{
	const struct memory_heir heir = { .adopt = adopt, .resume = resume, .recover = recover, .context = s };
	if (!s->memory.inherited)
		return SABIR_OK;
	if (leftover_find(&s->memory.seg, &s->leftover)) {
		snprintf(s->detail, sizeof(s->detail), "%s", error_message(SABIR_NO_MEMORY));
		return SABIR_NO_MEMORY;
	}
	memory_heirs(&s->memory, s->kept, &heir);
	on_leftover(s);
	memory_look_again(&s->memory);
	if (sessions_count(s->sessions))
		log_info("sessions of the former server go on", log_u64("sessions", sessions_count(s->sessions)));
	return SABIR_OK;
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
	if (!error)
		error = start_snapshots(s);
	if (!error)
		error = memory_settle(&s->memory, s->detail, sizeof(s->detail));
	if (error)
		return error;
	s->collector = collector_start(&s->memory.seg, s->memory.owner, config_number(s->config, OPTION_LINGER));
	if (!s->collector) {
		snprintf(s->detail, sizeof(s->detail), "no thread to collect objects");
		return SABIR_RESOURCE_EXHAUSTED;
	}
	const struct sessions_options sessions = {
		.seg = &s->memory.seg,
		.max_sessions = (uint32_t)config_number(s->config, OPTION_MAX_SESSIONS),
		.admin = (enum session_admin)config_number(s->config, OPTION_ADMIN_SESSIONS),
		.sooner = ring_sooner,
		.context = s,
	};
	s->park = park_new(&s->memory.seg, ring_sooner, s);
	s->sessions = s->park ? sessions_new(&sessions, s->park) : NULL;
	if (!s->sessions) {
		snprintf(s->detail, sizeof(s->detail), "%s", error_message(SABIR_NO_MEMORY));
		return SABIR_NO_MEMORY;
	}
	park_set_snapshots(s->park, s->snapshots);
	error = start_control(s);
	if (!error)
		error = take_over(s);
	if (!error)
		error = start_rpc(s);
	if (!error)
		control_set_addresses(s->control, s->addresses.text, s->addresses.n);
	return error;
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
	if (s->leaves)
		control_leave(s->control);
	else
		forget_all(s);
	/* The rest of the time is for what comes behind. */
	if (s->rpc)
		rpc_stop(s->rpc, clock_deadline(timeout / 10 * 8));
	snapshotter_stop(s->snapshotter, !s->leaves);
	s->snapshotter = NULL;
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
	s->expiry = (struct loop_timer){ .fire = on_expiry, .context = s };
	s->ends = (struct loop_timer){ .fire = on_ends, .context = s };
	s->leases = (struct loop_timer){ .fire = on_leases, .context = s };
	s->lines = (struct loop_timer){ .fire = on_leftover, .context = s };
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
	enum sabir_error error = start(&s);
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
	loop_run(&s.loop);
	drain(&s);
	stop(&s);
	log_info("ended");
	return EXIT_IN_ORDER;
}
