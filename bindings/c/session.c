/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions of sessions. What a connection's own session is, remote_session.c knows.
 */
#include <stdlib.h>

#include "bindings/c/remote.h"
#include "bindings/c/request.h"

static enum sabir_error need_remote(const sabir_conn *conn)
{
	return sabir_is_local(conn) ? fail(SABIR_UNIMPLEMENTED, "%s: a local program is its own session", conn->url)
				    : SABIR_OK;
}

enum sabir_error sabir_session_open(sabir_conn *conn, uint64_t lease_ns)
{
	if (!conn)
		return FAIL_NULL();
	return sabir_is_local(conn) ? SABIR_OK : remote_session_need(conn, lease_ns);
}

enum sabir_error sabir_session_close(sabir_conn *conn)
{
	if (!conn)
		return FAIL_NULL();
	enum sabir_error error = need_remote(conn);
	return error ? error : remote_session_close(conn);
}

enum sabir_error sabir_session_token(sabir_conn *conn, char token[SABIR_TOKEN_SIZE])
{
	char found[SABIR_TOKEN_SIZE];
	if (!conn || !token)
		return FAIL_NULL();
	enum sabir_error error = need_remote(conn);
	if (error)
		return error;
	if (!remote_session_token(conn->state, found))
		return fail(SABIR_SESSION_REQUIRED, "%s: the connection has no session", conn->url);
	memcpy(token, found, sizeof(found));
	return SABIR_OK;
}

enum sabir_error sabir_session_resume(sabir_conn *conn, const char *token)
{
	if (!conn || !token)
		return FAIL_NULL();
	enum sabir_error error = need_remote(conn);
	return error ? error : remote_session_take(conn, token);
}

/* ---------------------------------------------------------------- for operators */

static uint32_t read_text(struct span message, uint32_t field, char *to, size_t size)
{
	struct wire_field f;
	if (!response_find(message, field, &f) || f.type != WIRE_LEN || f.bytes.len >= size)
		return 0;
	memcpy(to, f.bytes.data, f.bytes.len);
	return (uint32_t)f.bytes.len;
}

static void read_session(struct span message, struct sabir_session_info *info)
{
	*info = (struct sabir_session_info){
		.id = response_varint(message, 1),
		.open_time_ns = (int64_t)response_ns(message, 4),
		.lease_ns = response_ns(message, 5),
		.left_ns = response_ns(message, 6),
		.n_calls = response_varint(message, 7),
		.n_active = (uint32_t)response_varint(message, 8),
	};
	info->label_len = read_text(message, 2, info->label, sizeof(info->label));
	(void)read_text(message, 3, info->peer, sizeof(info->peer));
}

static enum sabir_error read_sessions(struct span message, struct sabir_session_info **sessions, size_t *n)
{
	const uint8_t *p = message.data, *end = p + message.len;
	size_t n_made = response_count(message, 1), i = 0;
	struct sabir_session_info *made = n_made ? malloc(n_made * sizeof(*made)) : NULL;
	struct wire_field f;
	if (n_made && !made)
		return fail(SABIR_NO_MEMORY, "%zu sessions", n_made);
	while (p < end && i < n_made && wire_next(&p, end, &f))
		if (f.number == 1 && f.type == WIRE_LEN)
			read_session(f.bytes, &made[i++]);
	*sessions = made;
	*n = n_made;
	return SABIR_OK;
}

enum sabir_error sabir_session_list(sabir_conn *conn, struct sabir_cursor *cursor, struct sabir_session_info **sessions,
				    size_t *n)
{
	struct sabir_session_info *made = NULL;
	size_t n_made = 0;
	enum sabir_error error = SABIR_OK;

	if (!conn || !cursor || !sessions || !n)
		return FAIL_NULL();
	while (!error && !n_made && !cursor_ended(cursor)) {
		struct bytes out = { 0 };
		struct request r;
		request_init(&r, 1100);
		request_cursor(&r, 2, cursor);
		error = conn_call(conn, METHOD_SESSION_LIST, &r, 0, &out);
		if (!error)
			error = read_sessions(bytes_item(&out, 0), &made, &n_made);
		if (!error)
			error = response_cursor(bytes_item(&out, 0), 2, cursor);
		bytes_fini(&out);
	}
	if (error) {
		free(made);
		return error;
	}
	*sessions = made;
	*n = n_made;
	return SABIR_OK;
}

enum sabir_error sabir_session_end(sabir_conn *conn, uint64_t id)
{
	struct bytes out = { 0 };
	struct request r;
	if (!conn)
		return FAIL_NULL();
	request_init(&r, 32);
	request_varint(&r, 1, id);
	enum sabir_error error = conn_call(conn, METHOD_SESSION_END, &r, 0, &out);
	bytes_fini(&out);
	return error;
}
