/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer of the control socket, from its HELLO to the recovery of its owner.
 *
 *   GREETING --HELLO--> ATTACHED --socket closed, or rubbish--> ORPHANED
 *      |                   |                                        |
 *      | refused, closed,  | GOODBYE, or the process died           | the process died, or lost the memory by execve
 *      v time-out          v                                        v
 *    freed                           RECOVERING, then freed, behind the loop's other events and together with those that are it too
 *
 * Invariants: a connection has an owner in every state but GREETING. An owner is recovered once, and only when its
 * process has promised not to touch the memory again or is proved unable to: a closed socket proves nothing, since a
 * child of fork may hold the memory's only living thread or the parent may have closed it by mistake. A peer can't
 * make the server wait: sockets are non-blocking, an answer that doesn't fit into the socket's buffer ends the
 * connection, and one frame is handled at a time.
 */
#include "server/control/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/utf8.h"
#include "server/control/operator.h"
#include "server/objects/object.h"
#include "server/ops/session_end.h"

#define HELLO_TIMEOUT (5 * CLOCK_SECOND)
#define RETRY_FIRST (10 * CLOCK_MILLISECOND)
#define RETRY_MOST CLOCK_SECOND

static void close_source(struct connection *c, struct loop_fd *source)
{
	int fd = source->fd;
	if (fd < 0)
		return;
	loop_remove(c->control->options.loop, source);
	/* Somebody may keep a copy for the server after this one; for the peer it ends now. */
	if (source == &c->socket)
		(void)shutdown(fd, SHUT_RDWR);
	close(fd);
}

void connection_free(struct connection *c)
{
	struct control *control = c->control;
	close_source(c, &c->socket);
	close_source(c, &c->pidfd);
	loop_timer_cancel(control->options.loop, &c->timer);
	attach_reader_fini(&c->reader);
	if (c->prev)
		c->prev->next = c->next;
	else
		control->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	control->counters.connections--;
	free(c);
}

/* ---------------------------------------------------------------- the end of an owner */

static void log_owner(const struct connection *c, const char *message, const char *reason)
{
	log_info(message, log_u64("owner", c->owner), log_u64("generation", c->generation), log_text("label", c->label),
		 log_i64("pid", c->peer.pid), log_u64("uid", c->peer.uid), log_text("reason", reason));
}

/* Frees the connection if the owner is recovered. */
static void finish(struct connection *c, const struct session_end *end)
{
	struct control *control = c->control;
	c->n_lost = end->n_lost;
	if (!end->error) {
		if (c->n_lost)
			log_error("a session's items could not go back: they are damaged", log_u64("owner", c->owner),
				  log_u64("answers", c->n_lost));
		log_debug("owner recovered", log_u64("owner", c->owner), log_text("label", c->label));
		connection_forget(c);
		control->counters.attached--;
		connection_free(c);
		return;
	}
	if (!c->retry_ns)
		log_warning("recovery of an owner has to wait", log_u64("owner", c->owner), log_text("label", c->label),
			    log_text("error", error_name(end->error)));
	c->retry_ns = !c->retry_ns ? RETRY_FIRST : c->retry_ns * 2 > RETRY_MOST ? RETRY_MOST : c->retry_ns * 2;
	c->recover_ns = clock_deadline(c->retry_ns);
}

static uint32_t take_due(struct control *control, struct connection **those, struct session_end *ends)
{
	uint64_t now_ns = clock_now();
	uint32_t n = 0;
	for (struct connection *c = control->first; c && n < OWNERS_AT_ONCE; c = c->next) {
		if (c->state != CONNECTION_RECOVERING || c->recover_ns > now_ns)
			continue;
		/* A session that could not be adopted comes here too. */
		ends[n] = (struct session_end){ .owner = c->owner, .n_lost = c->n_lost };
		those[n++] = c;
	}
	return n;
}

static uint64_t next_recovery(const struct control *control)
{
	uint64_t next_ns = CLOCK_NEVER;
	for (const struct connection *c = control->first; c; c = c->next)
		if (c->state == CONNECTION_RECOVERING && c->recover_ns < next_ns)
			next_ns = c->recover_ns;
	return next_ns;
}

void connections_recover(void *context)
{
	struct control *control = context;
	struct connection *those[OWNERS_AT_ONCE];
	struct session_end ends[OWNERS_AT_ONCE];
	uint32_t n = take_due(control, those, ends);
	if (n)
		sessions_recover(control->options.lane, ends, n);
	for (uint32_t i = 0; i < n; i++)
		finish(those[i], &ends[i]);
	loop_timer_set(control->options.loop, &control->recovery, next_recovery(control));
}

void connection_release(struct connection *c, const char *reason)
{
	log_owner(c, "owner gone", reason);
	close_source(c, &c->socket);
	close_source(c, &c->pidfd);
	c->state = CONNECTION_RECOVERING;
	c->recover_ns = 0;
	loop_timer_set(c->control->options.loop, &c->control->recovery, c->recover_ns);
}

/* So that the next server knows of it too, should it not come to the recovery here. */
static void owner_gone(struct connection *c, const char *reason)
{
	owner_dies(c->control->options.seg, c->owner);
	connection_release(c, reason);
}

static void on_death(void *context, uint32_t events)
{
	struct connection *c = context;
	(void)events;
	c->control->counters.deaths++;
	owner_gone(c, "its process ended");
}

/* The socket can't be used any more. Frees a connection without an owner. */
void connection_lose_socket(struct connection *c)
{
	if (c->state == CONNECTION_GREETING) {
		connection_free(c);
		return;
	}
	close_source(c, &c->socket);
	c->state = CONNECTION_ORPHANED;
	log_debug("control socket closed without goodbye", log_u64("owner", c->owner), log_text("label", c->label));
	connection_tick(c);
}

void connection_tick(struct connection *c)
{
	if (c->state != CONNECTION_ORPHANED || !peer_without_memory(c->pidfd.fd, c->control->options.seg->fd))
		return;
	c->control->counters.deaths++;
	owner_gone(c, "its process has left the memory");
}

/* What is unread at close() would reset the connection and could take our answer from the peer. */
static void discard_input(int socket)
{
	char rubbish[4096];
	for (int i = 0; i < 16 && recv(socket, rubbish, sizeof(rubbish), MSG_DONTWAIT) > 0; i++)
		;
}

static void refuse(struct connection *c, enum sabir_error error, const char *detail)
{
	log_info("control peer refused", log_i64("pid", c->peer.pid), log_u64("uid", c->peer.uid),
		 log_text("error", error_name(error)), log_text("detail", detail));
	struct attach_message refusal = attach_refusal(error, detail);
	(void)attach_send(c->socket.fd, &refusal, NULL, 0);
	discard_input(c->socket.fd);
	c->control->counters.refused++;
	connection_lose_socket(c);
}

/* ---------------------------------------------------------------- frames */

static enum sabir_error check_hello(const attach_Hello *hello, char *detail)
{
	if (hello->layout_version != SEG_LAYOUT_VERSION) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the server's memory layout is version %u, the program's %u",
			 SEG_LAYOUT_VERSION, (unsigned)hello->layout_version);
		return SABIR_LAYOUT_MISMATCH;
	}
	if (hello->flags) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "unknown flags 0x%x", (unsigned)hello->flags);
		return SABIR_INVALID_ARGUMENT;
	}
	return SABIR_OK;
}

static struct attach_message welcome(const struct connection *c)
{
	const struct control_options *options = &c->control->options;
	struct attach_message message = { .type = ATTACH_WELCOME };
	attach_Welcome *w = &message.welcome;
	w->owner_index = c->owner;
	w->owner_generation = c->generation;
	w->instance = options->seg->instance;
	w->layout_version = SEG_LAYOUT_VERSION;
	snprintf(w->server_version, sizeof(w->server_version), "%s", options->version);
	for (size_t i = 0; i < c->control->n_grpc_addresses; i++) {
		const char *address = c->control->grpc_addresses[i];
		size_t len = strlen(address);
		if (len < sizeof(w->grpc_addresses[0]) && w->grpc_addresses_count < 8)
			memcpy(w->grpc_addresses[w->grpc_addresses_count++], address, len + 1);
	}
	return message;
}

void connection_welcome(struct connection *c)
{
	const struct segment *seg = c->control->options.seg;
	struct attach_message message = welcome(c);
	const int fds[2] = { seg->fd, seg->bell_fd };
	/* Unsent is no proof that nothing arrived: the pidfd decides from here on. */
	bool sent = attach_send(c->socket.fd, &message, fds, 2) == SABIR_OK;
	fetch_or32(&seg->owners[c->owner].flags, SEG_OWNER_WELCOMED);
	if (!sent)
		connection_lose_socket(c);
}

/* Claims an owner entry and watches the process. On failure the connection is as before. */
static enum sabir_error claim_owner(struct connection *c, char *detail)
{
	const struct control_options *options = &c->control->options;
	int pidfd;
	enum sabir_error error = peer_pidfd(c->socket.fd, &c->peer, attach_take_fd(&c->reader, 0), detail, &pidfd);
	if (error)
		return error;
	/* Who has said goodbye before is not in his way. */
	if (c->control->recovery.armed)
		connections_recover(c->control);
	error = c->control->counters.attached < options->max_attached
			? owner_open(options->seg, (uint32_t)c->peer.pid, c->label, &c->owner)
			: SABIR_TOO_MANY_OWNERS;
	if (error) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "%u local programs are attached, the limit (max-owners)",
			 options->max_attached);
		close(pidfd);
		return error;
	}
	c->generation = (uint32_t)(owner_word(options->seg, c->owner) >> 32);
	error = loop_add(options->loop, &c->pidfd, pidfd, EPOLLIN);
	if (error) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the server can't watch another process");
		close(pidfd);
		owner_close(options->seg, c->owner);
		return error;
	}
	if (connection_keep(c))
		return SABIR_OK;
	snprintf(detail, ATTACH_DETAIL_SIZE, "the server's keeper does not answer");
	close_source(c, &c->pidfd);
	owner_close(options->seg, c->owner);
	return SABIR_UNAVAILABLE;
}

static void on_hello(struct connection *c, const attach_Hello *hello)
{
	char detail[ATTACH_DETAIL_SIZE] = "";
	enum sabir_error error = check_hello(hello, detail);
	utf8_show((struct span){ (const uint8_t *)hello->label, strnlen(hello->label, sizeof(c->label) - 1) }, c->label,
		  sizeof(c->label));
	if (!error)
		error = claim_owner(c, detail);
	attach_reader_fini(&c->reader); /* descriptors beyond the pidfd */
	if (error) {
		refuse(c, error, detail);
		return;
	}
	c->state = CONNECTION_ATTACHED;
	c->control->counters.attached++;
	loop_timer_cancel(c->control->options.loop, &c->timer);
	log_owner(c, "owner attached", "hello");
	connection_welcome(c);
}

static void on_ping(struct connection *c)
{
	struct attach_message pong = { .type = ATTACH_PONG };
	snprintf(pong.pong.server_version, sizeof(pong.pong.server_version), "%s", c->control->options.version);
	pong.pong.instance = c->control->options.seg->instance;
	pong.pong.n_attached = c->control->counters.attached;
	pong.pong.server_pid = (uint32_t)getpid();
	pong.pong.keeper_pid = c->control->options.keeper_pid;
	if (attach_send(c->socket.fd, &pong, NULL, 0))
		connection_lose_socket(c);
}

/* From now on it has so long to go on. */
static void begin_patience(struct connection *c)
{
	const struct control_options *options = &c->control->options;
	uint64_t patience = options->hello_timeout_ns ? options->hello_timeout_ns : HELLO_TIMEOUT;
	loop_timer_set(options->loop, &c->timer, clock_deadline(patience));
}

static void on_operator(struct connection *c, const struct attach_message *question)
{
	char detail[ATTACH_DETAIL_SIZE] = "";
	struct attach_message answer;
	enum sabir_error error = operator_answer(c, question, detail, &answer);
	if (error)
		refuse(c, error, detail);
	else if (attach_send(c->socket.fd, &answer, NULL, 0))
		connection_lose_socket(c);
	else if (c->state == CONNECTION_GREETING)
		begin_patience(c); /* he asks after a snapshot, which may take longer */
}

static void on_frame(struct connection *c, const struct attach_message *message)
{
	bool greeting = c->state == CONNECTION_GREETING;
	char detail[ATTACH_DETAIL_SIZE];
	if (message->type == ATTACH_PING) {
		on_ping(c);
	} else if (message->type == ATTACH_LIST_OWNERS || message->type == ATTACH_EVICT_OWNER ||
		   message->type == ATTACH_SNAPSHOT) {
		on_operator(c, message);
	} else if (message->type == ATTACH_HELLO && greeting) {
		on_hello(c, &message->hello);
	} else if (message->type == ATTACH_GOODBYE && greeting) {
		connection_free(c);
	} else if (message->type == ATTACH_GOODBYE) {
		c->control->counters.goodbyes++;
		owner_gone(c, "goodbye");
	} else {
		snprintf(detail, sizeof(detail), "frame type %u is not for the server now", (unsigned)message->type);
		refuse(c, SABIR_INVALID_ARGUMENT, detail);
	}
}

static void on_socket(void *context, uint32_t events)
{
	struct connection *c = context;
	struct attach_message message;
	char detail[ATTACH_DETAIL_SIZE] = "";
	(void)events; /* errors and hang-ups show in the read */
	enum sabir_error error = attach_receive(c->socket.fd, &c->reader, detail, &message);
	if (error == SABIR_EMPTY)
		return;
	if (error == SABIR_CLOSED && c->reader.len) {
		snprintf(detail, sizeof(detail), "the frame ends after %zu bytes", c->reader.len);
		refuse(c, SABIR_INVALID_ARGUMENT, detail);
	} else if (error == SABIR_CLOSED) {
		connection_lose_socket(c);
	} else if (error) {
		refuse(c, error, detail);
	} else {
		on_frame(c, &message);
	}
}

static void on_patience_over(void *context)
{
	refuse(context, SABIR_TIMED_OUT, "no HELLO came in time");
}

/* ---------------------------------------------------------------- begin and end */

void connection_refuse(struct control *control, int socket, enum sabir_error error, const char *detail)
{
	struct attach_message refusal = attach_refusal(error, detail);
	(void)attach_send(socket, &refusal, NULL, 0);
	control->counters.refused++;
	close(socket);
}

struct connection *connection_new(struct control *control, const struct peer *peer)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->control = control;
	c->peer = *peer;
	c->socket = (struct loop_fd){ .fd = -1, .ready = on_socket, .context = c };
	c->pidfd = (struct loop_fd){ .fd = -1, .ready = on_death, .context = c };
	c->timer = (struct loop_timer){ .fire = on_patience_over, .context = c };
	attach_reader_init(&c->reader);
	c->next = control->first;
	if (c->next)
		c->next->prev = c;
	control->first = c;
	control->counters.connections++;
	return c;
}

void connection_open(struct control *control, int socket)
{
	const struct control_options *options = &control->options;
	struct peer peer;
	control->counters.accepted++;
	if (peer_identify(socket, &peer) ||
	    !peer_allowed(&options->policy, control->mode, control->group, socket, &peer)) {
		log_warning("control peer not allowed", log_i64("pid", peer.pid), log_u64("uid", peer.uid));
		connection_refuse(control, socket, SABIR_PERMISSION_DENIED, "this user may not attach to the server");
		return;
	}
	struct connection *c = connection_new(control, &peer);
	if (!c || loop_add(options->loop, &c->socket, socket, EPOLLIN)) {
		if (c)
			connection_free(c);
		connection_refuse(control, socket, SABIR_NO_MEMORY, "the server can't take another connection");
		return;
	}
	begin_patience(c);
}

void connection_drain(struct connection *c)
{
	const struct attach_message goodbye = { .type = ATTACH_GOODBYE };
	if (c->socket.fd < 0)
		return;
	(void)attach_send(c->socket.fd, &goodbye, NULL, 0);
	connection_lose_socket(c);
}
