/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.SessionService: what stands for a process where there is none.
 */
#include <inttypes.h>
#include <string.h>

#include "server/ops/call.h"
#include "server/ops/sessions.h"

#define DEFAULT_PAGE 100u
#define MAX_PAGE 1000u
#define N_AT_ONCE 16u
#define INFO_MAX 256

static const struct request_field open_fields[] = {
	FIELD(1, BYTES, text, "label"),
	FIELD(2, DURATION, timeout_ns, "lease_duration"),
	FIELDS_END,
};
static const struct request_field token_fields[] = {
	REQUIRED(1, BYTES, text, "token"),
	FIELDS_END,
};
static const struct request_field cancel_fields[] = {
	REQUIRED(1, BYTES, text, "token"),
	FIELD(2, U64, count, "thread"),
	FIELDS_END,
};
static const struct request_field list_fields[] = {
	FIELD(1, U32, n, "page_size"),
	FIELD(2, BYTES, page_token, "page_token"),
	FIELDS_END,
};
static const struct request_field end_fields[] = {
	REQUIRED(1, U64, count, "session_id"),
	FIELDS_END,
};

static struct sessions *sessions_of(const struct op_call *c)
{
	return c->front ? c->front->sessions : NULL;
}

static enum sabir_error no_sessions(struct op_call *c)
{
	return op_fail(c, SABIR_UNIMPLEMENTED,
		       "sessions are for remote programs; a local one is known by its attachment");
}

static enum sabir_error no_session(struct op_call *c, enum sabir_error error)
{
	if (error != SABIR_SESSION_ENDED)
		return error;
	return op_fail(c, error, "it was closed or its lease ran out, or the server has been started anew");
}

/* ---------------------------------------------------------------- responses */

/* A message of type Session. */
static enum sabir_error respond_session(struct bytes *response, const struct session_info *info)
{
	uint8_t message[INFO_MAX], *p = message;

	p = respond_put_number(p, 1, info->owner);
	if (*info->label)
		p = wire_put_bytes(p, 2, info->label, strlen(info->label));
	if (*info->peer)
		p = wire_put_bytes(p, 3, info->peer, strlen(info->peer));
	p = respond_put_time(p, 4, info->open_time_ns);
	p = respond_put_time(p, 5, info->lease_ns);
	p = respond_put_time(p, 6, info->left_ns);
	p = respond_put_number(p, 7, info->n_calls);
	p = respond_put_number(p, 8, info->n_active);
	return bytes_add(response, message, (size_t)(p - message));
}

/* ---------------------------------------------------------------- open, keep, close */

static enum sabir_error session_service_open(struct op_call *c)
{
	struct sessions *all = sessions_of(c);
	struct session_info info;
	char peer[SESSION_PEER_SIZE] = "";
	uint64_t lease_ns = c->request.timeout_ns == OP_FOREVER ? 0 : c->request.timeout_ns;

	if (!all)
		return no_sessions(c);
	if (!bytes_reserve(c->response, 2 * INFO_MAX)) /* what has been opened must be told */
		return SABIR_NO_MEMORY;
	if (c->front->peer)
		c->front->peer(c->front->context, peer, sizeof(peer));
	lane_publishes(c->lane);
	enum sabir_error error = sessions_open(all, c->request.text, peer, lease_ns, &info);
	if (error == SABIR_TOO_MANY_OWNERS)
		return op_fail(c, error, "%zu sessions are open (max-sessions)", sessions_count(all));
	if (error)
		return error;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	error = bytes_add(c->response, info.token, SESSION_TOKEN_LEN);
	c->response->frame = WIRE_TAG(2, WIRE_LEN);
	return error ? error : respond_session(c->response, &info);
}

static enum sabir_error session_service_keep_alive(struct op_call *c)
{
	struct sessions *all = sessions_of(c);
	struct session *session;
	struct session_info info;

	if (!all)
		return no_sessions(c);
	enum sabir_error error = no_session(c, session_use(all, c->request.text, &session));
	if (error)
		return error;
	session_describe(all, session, &info);
	session_release(all, session);
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return respond_session(c->response, &info);
}

static enum sabir_error session_service_close(struct op_call *c)
{
	struct sessions *all = sessions_of(c);

	lane_publishes(c->lane);
	return all ? no_session(c, sessions_close(all, c->request.text, c->lane)) : no_sessions(c);
}

static enum sabir_error session_service_cancel(struct op_call *c)
{
	struct sessions *all = sessions_of(c);
	uint32_t n;

	if (!all)
		return no_sessions(c);
	lane_publishes(c->lane);
	enum sabir_error error = no_session(c, sessions_cancel(all, c->request.text, c->request.count, &n));
	if (!error)
		respond_number(c->response, 1, n);
	return error;
}

/* ---------------------------------------------------------------- for operators */

static enum sabir_error list_some(struct op_call *c, struct sessions *all, uint32_t n, uint64_t *cursor,
				  uint32_t *found)
{
	struct session_info infos[N_AT_ONCE];
	enum sabir_error error = SABIR_OK;

	*found = sessions_list(all, cursor, infos, n < N_AT_ONCE ? n : N_AT_ONCE);
	for (uint32_t i = 0; !error && i < *found; i++)
		error = respond_session(c->response, &infos[i]);
	return error;
}

static enum sabir_error session_service_list(struct op_call *c)
{
	struct sessions *all = sessions_of(c);
	uint32_t left = c->request.n ? c->request.n : DEFAULT_PAGE, found;
	uint64_t cursor, scope = page_scope(c, 0, (struct span){ NULL, 0 });

	if (!all)
		return no_sessions(c);
	enum sabir_error error = op_check_operator(c, "sessions are listed and ended");
	if (!error)
		error = page_cursor(c, scope, &cursor);
	if (error)
		return error;
	if (left > MAX_PAGE)
		left = MAX_PAGE;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	do {
		error = list_some(c, all, left, &cursor, &found);
		left -= error ? 0 : found;
	} while (!error && left && cursor);
	return error ? error : page_respond(c, 2, scope, cursor);
}

static enum sabir_error session_service_end(struct op_call *c)
{
	struct sessions *all = sessions_of(c);

	if (!all)
		return no_sessions(c);
	enum sabir_error error = op_check_operator(c, "sessions are listed and ended");
	lane_publishes(c->lane);
	return error ? error : no_session(c, sessions_end(all, c->request.count, c->lane));
}

static const struct op ops[] = {
	OP(SessionService, Open, "session", session_service_open, open_fields),
	OP(SessionService, KeepAlive, "session", session_service_keep_alive, token_fields),
	OP(SessionService, Close, "session", session_service_close, token_fields),
	OP(SessionService, Cancel, "session", session_service_cancel, cancel_fields),
	OP(SessionService, List, "session", session_service_list, list_fields),
	OP(SessionService, End, "session", session_service_end, end_fields),
};

const struct op_service session_service = { ops, sizeof(ops) / sizeof(ops[0]) };
