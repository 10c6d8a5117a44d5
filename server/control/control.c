/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of the control socket: listens, lets peers in as long as there is room, and closes at the end.
 *
 * States: serving, then draining (no listener; connections only wait for deaths), then freed. Room is limited twice:
 * by max_connections, and by the process's descriptors. For the second case one descriptor is kept in reserve, so
 * that a peer is told what is wrong instead of waiting in the backlog for ever.
 */
#define _GNU_SOURCE /* accept4 */
#include "server/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/control/connection.h"

#define UNINTRODUCED_ROOM 128

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left: gives up the reserve for a moment to answer the peer. */
static void refuse_with_reserve(struct control *control)
{
	if (control->reserve_fd < 0)
		return;
	close(control->reserve_fd);
	int socket = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket >= 0)
		connection_refuse(control, socket, SABIR_TOO_MANY_OWNERS, "the server has too many files open");
	control->reserve_fd = open_reserve();
	log_warning("control peer refused: too many files are open");
}

static void on_listening(void *context, uint32_t events)
{
	struct control *control = context;
	char detail[ATTACH_DETAIL_SIZE];
	(void)events;
	int socket = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			refuse_with_reserve(control);
		return;
	}
	if (control->counters.connections < control->options.max_connections) {
		connection_open(control, socket);
		return;
	}
	snprintf(detail, sizeof(detail), "the server has all its %u connections", control->options.max_connections);
	log_warning("control peer refused: no connection is free", log_u64("limit", control->options.max_connections));
	connection_refuse(control, socket, SABIR_TOO_MANY_OWNERS, detail);
}

static uint32_t socket_mode(const struct control_policy *policy)
{
	if (policy->mode)
		return policy->mode;
	return policy->n_uids || policy->n_gids ? 0666 : 0660;
}

static bool keep_listener(const struct control *control)
{
	const int fds[2] = { control->listener.fd, control->listener.lock_fd };
	return !control->options.keeper.keep || control->options.keeper.keep("control", fds, 2);
}

bool control_keep(struct control *control)
{
	bool all = keep_listener(control);
	for (struct connection *c = control->first; c; c = c->next)
		if (c->state != CONNECTION_GREETING && c->pidfd.fd >= 0)
			all &= connection_keep(c);
	return all;
}

void control_set_keeper(struct control *control, uint32_t pid)
{
	control->options.keeper_pid = pid;
}

/* The kept one, unless somebody has removed its path. */
static enum sabir_error open_listener(struct control *control, char *detail)
{
	const struct control_options *options = &control->options;
	struct control_listener kept = { .fd = options->kept_fd ? options->kept_fd : -1,
					 .lock_fd = options->kept_lock_fd ? options->kept_lock_fd : -1 };
	if (control_listen_on(options->path, &kept)) {
		control->listener = kept;
		return SABIR_OK;
	}
	enum sabir_error error = control_listen(options->path, socket_mode(&options->policy), options->policy.group,
						detail, &control->listener);
	if (error || keep_listener(control))
		return error;
	snprintf(detail, CONTROL_DETAIL_SIZE, "the keeper does not take the control socket");
	return SABIR_UNAVAILABLE;
}

static enum sabir_error start(struct control *control, char *detail)
{
	struct control_options *options = &control->options;
	struct stat st;
	enum sabir_error error = open_listener(control, detail);
	if (error)
		return error;
	if (stat(options->path, &st)) {
		snprintf(detail, CONTROL_DETAIL_SIZE, "%s has vanished", options->path);
		return SABIR_UNAVAILABLE;
	}
	control->mode = st.st_mode & 07777;
	control->group = st.st_gid;
	control->reserve_fd = open_reserve();
	control->listening = (struct loop_fd){ .ready = on_listening, .context = control };
	error = loop_add(options->loop, &control->listening, control->listener.fd, EPOLLIN);
	if (error)
		snprintf(detail, CONTROL_DETAIL_SIZE, "the event loop takes no more descriptors");
	return error;
}

enum sabir_error control_start(const struct control_options *options, struct control **control)
{
	char detail[CONTROL_DETAIL_SIZE] = "";
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return SABIR_NO_MEMORY;
	c->options = *options;
	/* One entry is the server's own. */
	if (!c->options.max_attached)
		c->options.max_attached = options->seg->n_owners - 1;
	if (!c->options.max_connections)
		c->options.max_connections = c->options.max_attached + 1 + UNINTRODUCED_ROOM;
	c->listener = (struct control_listener){ .fd = -1, .lock_fd = -1 };
	c->listening.fd = -1;
	c->recovery = (struct loop_timer){ .fire = connections_recover, .context = c };
	c->reserve_fd = -1;
	enum sabir_error error = start(c, detail);
	if (error) {
		if (options->detail)
			snprintf(options->detail, CONTROL_DETAIL_SIZE, "%s", detail);
		control_free(c);
		return error;
	}
	*control = c;
	return SABIR_OK;
}

void control_set_addresses(struct control *control, const char *const *grpc_addresses, size_t n)
{
	control->grpc_addresses = grpc_addresses;
	control->n_grpc_addresses = n;
}

void control_tick(struct control *control)
{
	struct connection *next;
	for (struct connection *c = control->first; c; c = next) {
		next = c->next;
		connection_tick(c);
	}
}

void control_counters(const struct control *control, struct control_counters *counters)
{
	*counters = control->counters;
}

void control_drain(struct control *control)
{
	struct connection *next;
	if (control->draining)
		return;
	control->draining = true;
	loop_remove(control->options.loop, &control->listening);
	control_unlisten(&control->listener);
	for (struct connection *c = control->first; c; c = next) {
		next = c->next;
		connection_drain(c);
	}
}

void control_leave(struct control *control)
{
	if (control->draining)
		return;
	control->draining = true;
	loop_remove(control->options.loop, &control->listening);
	while (control->first)
		connection_leave(control->first);
	loop_timer_cancel(control->options.loop, &control->recovery);
	close(control->listener.fd);
	close(control->listener.lock_fd);
	control->listener = (struct control_listener){ .fd = -1, .lock_fd = -1 };
}

void control_free(struct control *control)
{
	if (!control)
		return;
	control_drain(control);
	while (control->first)
		connection_free(control->first);
	loop_timer_cancel(control->options.loop, &control->recovery);
	if (control->reserve_fd >= 0)
		close(control->reserve_fd);
	control_unlock(&control->listener);
	free(control);
}
