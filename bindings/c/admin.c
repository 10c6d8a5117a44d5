/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions for operators. The memory can't write a snapshot, the server can: a local connection asks it over the
 * control socket, by a connection of its own, so that the attachment's stays free for the server's GOODBYE.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bindings/c/cancel.h"
#include "bindings/c/local.h"
#include "bindings/c/request.h"
#include "proto/attach/attach.h"
#include "server/base/clock.h"

#define LOOK_AGAIN (5 * CLOCK_MILLISECOND)

/* ---------------------------------------------------------------- local */

struct talk {
	int socket;
	uint64_t patience_ns; /* for an answer */
	struct attach_reader reader;
};

/* Asks until it is written, or the wait is over. */
static enum sabir_error talk_until_written(struct talk *t, uint64_t deadline_ns, char *text,
					   attach_SnapshotState *state)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN };
	struct attach_message question = { .type = ATTACH_SNAPSHOT }, answer;
	for (;;) {
		enum sabir_error error = attach_ask(t->socket, &question, -1, clock_deadline(t->patience_ns),
						    &t->reader, text, &answer);
		if (error)
			return error == SABIR_CLOSED ? SABIR_UNAVAILABLE : error;
		if (answer.type != ATTACH_SNAPSHOT_STATE)
			return SABIR_INTERNAL;
		*state = answer.snapshot_state;
		if (state->written)
			return SABIR_OK;
		if (cancel_is_due())
			return SABIR_CANCELLED;
		if (!clock_left(deadline_ns))
			return SABIR_WOULD_BLOCK;
		question.snapshot.number = state->number;
		nanosleep(&pause, NULL);
	}
}

static enum sabir_error local_snapshot(const struct sabir_conn *conn, uint64_t timeout_ns,
				       struct sabir_snapshot_info *info)
{
	struct talk talk = { .socket = -1, .patience_ns = conn->timeout_ns };
	uint64_t deadline_ns = clock_deadline(timeout_ns);
	char text[ATTACH_DETAIL_SIZE] = "";
	attach_SnapshotState state;

	enum sabir_error error = attach_dial(local_path(conn), clock_deadline(talk.patience_ns), text, &talk.socket);
	if (error)
		return fail(error, "%s", text);
	attach_reader_init(&talk.reader);
	error = talk_until_written(&talk, deadline_ns, text, &state);
	attach_reader_fini(&talk.reader);
	close(talk.socket);
	if (error)
		return fail(error, "%s", *text ? text : conn->url);
	*info = (struct sabir_snapshot_info){
		.n_objects = state.n_objects,
		.n_damaged = state.n_damaged,
		.size_bytes = state.size_bytes,
		.write_ns = state.write_ms * CLOCK_MILLISECOND,
		.end_time_ns = (int64_t)state.end_unix_ns,
	};
	memcpy(info->file, state.file, sizeof(state.file));
	return SABIR_OK;
}

/* ---------------------------------------------------------------- remote */

static enum sabir_error remote_snapshot(struct sabir_conn *conn, uint64_t timeout_ns, struct sabir_snapshot_info *info)
{
	struct bytes out = { 0 };
	struct request r;
	struct wire_field f;

	request_init(&r, 32);
	request_timeout(&r, 1, timeout_ns);
	enum sabir_error error = conn_call(conn, METHOD_ADMIN_SNAPSHOT, &r, timeout_ns, &out);
	if (!error) {
		struct span message = bytes_item(&out, 0);
		*info = (struct sabir_snapshot_info){
			.n_objects = response_varint(message, 2),
			.size_bytes = response_varint(message, 3),
			.write_ns = response_ns(message, 4),
			.end_time_ns = (int64_t)response_ns(message, 5),
			.n_damaged = response_varint(message, 6),
		};
		if (response_find(message, 1, &f) && f.type == WIRE_LEN && f.bytes.len < sizeof(info->file))
			memcpy(info->file, f.bytes.data, f.bytes.len);
	}
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_snapshot(sabir_conn *conn, uint64_t timeout_ns, struct sabir_snapshot_info *snapshot)
{
	struct sabir_snapshot_info info;
	if (!conn)
		return FAIL_NULL();
	enum sabir_error error = sabir_is_local(conn) ? local_snapshot(conn, timeout_ns, &info)
						      : remote_snapshot(conn, timeout_ns, &info);
	if (!error && snapshot)
		*snapshot = info;
	return error;
}
