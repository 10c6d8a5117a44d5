/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of the server, one step for each of its parts. An error, with s->detail saying what, ends it; server.c then ends
 * what was made.
 *
 * The order: what a server before this one has left is looked at, or the last snapshot restored, before anybody can come. The
 * control socket's lock comes before the ports: of two servers on one socket the second is told just that. Who connects meanwhile
 * is served when the loop turns.
 */
#include "server/main/server_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/main/notify.h"
#include "server/main/restore.h"
#include "server/main/runtime.h"
#include "server/main/signals.h"

#define LEFTOVER_RETRY (100 * CLOCK_MILLISECOND)

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

static enum sabir_error start_collector(struct server *s)
{
	s->collector = collector_start(&s->memory.seg, s->memory.owner, config_number(s->config, OPTION_LINGER));
	if (s->collector)
		return SABIR_OK;
	snprintf(s->detail, sizeof(s->detail), "no thread to collect objects");
	return SABIR_RESOURCE_EXHAUSTED;
}

static void tell_lost(void *context, uint64_t owner, uint32_t n_answers)
{
	(void)context;
	log_error("a session's items could not go back: they are damaged", log_u64("session", owner),
		  log_u64("answers", n_answers));
}

static enum sabir_error start_sessions(struct server *s)
{
	const struct sessions_options options = {
		.seg = &s->memory.seg,
		.max_sessions = (uint32_t)config_number(s->config, OPTION_MAX_SESSIONS),
		.admin = (enum session_admin)config_number(s->config, OPTION_ADMIN_SESSIONS),
		.sooner = server_ring_sooner,
		.lost = tell_lost,
		.context = s,
	};
	s->park = park_new(&s->memory.seg, server_ring_sooner, s);
	s->sessions = s->park ? sessions_new(&options, s->park) : NULL;
	if (!s->sessions) {
		snprintf(s->detail, sizeof(s->detail), "%s", error_message(SABIR_NO_MEMORY));
		return SABIR_NO_MEMORY;
	}
	park_set_snapshots(s->park, s->snapshots);
	return SABIR_OK;
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
void server_end_leftover(void *context)
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
	control_settle(s->control);
	server_end_leftover(s);
	memory_look_again(&s->memory);
	if (sessions_count(s->sessions))
		/* Those that end are among them. */
		log_info("sessions of the former server are taken over",
			 log_u64("sessions", sessions_count(s->sessions)));
	return SABIR_OK;
}

enum sabir_error server_start(struct server *s)
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
	if (!error)
		error = start_collector(s);
	if (!error)
		error = start_sessions(s);
	if (!error)
		error = start_control(s);
	if (!error)
		error = take_over(s);
	if (!error)
		error = start_rpc(s);
	if (!error)
		control_set_addresses(s->control, s->addresses.text, s->addresses.n);
	return error;
}
