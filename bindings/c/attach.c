/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libsabir gets the shared memory: HELLO with this process's pidfd, WELCOME with the memory. States of an
 * attachment: attached (the socket is open, the owner is ours), then either goodbye was said, or the process died;
 * the server tells the two apart and never takes the one for the other. The pidfd is sent and not kept: only the
 * server watches it.
 */
#include "bindings/c/attach.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/segment/layout.h"
#include "server/base/clock.h"

/* The label's bytes may end within a character: people read it, nothing else does. */
static struct attach_message hello(const char *label)
{
	struct attach_message message = { .type = ATTACH_HELLO };
	message.hello.layout_version = SEG_LAYOUT_VERSION;
	snprintf(message.hello.label, sizeof(message.hello.label), "%s", label ? label : "");
	return message;
}

/* Takes what the WELCOME brought. */
static enum sabir_error accept_welcome(const struct attach_message *answer, struct attach_reader *reader, char *detail,
				       struct attachment *out)
{
	const attach_Welcome *welcome = &answer->welcome;
	if (answer->type != ATTACH_WELCOME) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the server answered HELLO with frame type %u",
			 (unsigned)answer->type);
		return SABIR_INTERNAL;
	}
	if (welcome->layout_version != SEG_LAYOUT_VERSION) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the server's layout is %u, this program's %u",
			 (unsigned)welcome->layout_version, SEG_LAYOUT_VERSION);
		return SABIR_LAYOUT_MISMATCH;
	}
	if (reader->n_fds != 2) {
		snprintf(detail, ATTACH_DETAIL_SIZE,
			 "the memory's descriptors did not arrive; are too many files open?");
		return SABIR_UNAVAILABLE;
	}
	out->memfd = attach_take_fd(reader, 0);
	out->bell_fd = attach_take_fd(reader, 1);
	out->owner = welcome->owner_index;
	out->owner_generation = welcome->owner_generation;
	out->instance = welcome->instance;
	out->layout_version = welcome->layout_version;
	memcpy(out->server_version, welcome->server_version, sizeof(out->server_version));
	out->n_grpc_addresses = welcome->grpc_addresses_count;
	memcpy(out->grpc_addresses, welcome->grpc_addresses, sizeof(out->grpc_addresses));
	return SABIR_OK;
}

/* One HELLO and its answer. On failure the socket is closed. */
static enum sabir_error introduce(const char *path, const struct attach_message *question, uint64_t deadline,
				  char *detail, struct attachment *out)
{
	struct attachment attachment = { .socket = -1, .memfd = -1, .bell_fd = -1 };
	struct attach_message answer;
	struct attach_reader reader;
	enum sabir_error error = attach_dial(path, deadline, detail, &attachment.socket);
	if (error)
		return error;
	/* Without a pidfd (an old kernel, a strict sandbox) the server looks for the process itself. */
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	attach_reader_init(&reader);
	error = attach_ask(attachment.socket, question, pidfd, deadline, &reader, detail, &answer);
	if (pidfd >= 0)
		close(pidfd);
	if (!error)
		error = accept_welcome(&answer, &reader, detail, &attachment);
	attach_reader_fini(&reader);
	if (error)
		close(attachment.socket);
	else
		*out = attachment;
	return error;
}

/*
 * A server that dies before it has answered leaves nothing of us behind, and with a keeper the next one is there at once. Without
 * one nobody listens any more, which ends this.
 */
enum sabir_error attach_connect(const char *path, const char *label, uint64_t timeout_ns, char *detail,
				struct attachment *out)
{
	uint64_t deadline = clock_deadline(timeout_ns);
	struct attach_message question = hello(label);
	char text[ATTACH_DETAIL_SIZE] = "";
	enum sabir_error error;
	while ((error = introduce(path, &question, deadline, text, out)) == SABIR_CLOSED && clock_left(deadline))
		(void)poll(NULL, 0, 1);
	if (error && detail)
		memcpy(detail, text, sizeof(text));
	return error == SABIR_CLOSED ? SABIR_UNAVAILABLE : error;
}

void attach_goodbye(struct attachment *attachment)
{
	const struct attach_message goodbye = { .type = ATTACH_GOODBYE };
	if (attachment->socket < 0)
		return;
	(void)attach_send(attachment->socket, &goodbye, NULL, 0);
	attach_abandon(attachment);
}

void attach_abandon(struct attachment *attachment)
{
	if (attachment->socket >= 0)
		close(attachment->socket);
	attachment->socket = -1;
}

bool attach_alive(struct attachment *attachment)
{
	uint8_t byte;
	/* Before HELLO's answer the server speaks only when asked, and afterwards only to say GOODBYE. */
	return attachment->socket >= 0 && recv(attachment->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}
