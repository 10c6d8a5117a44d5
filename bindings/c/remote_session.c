/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session of a remote connection: who its calls act for.
 *
 *   none ──the first call that needs one, or sabir_session_open──► open ──close, or the server has ended it──► none
 *
 * A thread, the keeper, begins the lease anew three times in its duration, whether or not the program calls anything: a
 * lease runs out only when the process, or its way to the server, is gone. It lives from the first session to the end
 * of the connection. That a session was lost is told once, by the call that finds out, and the next one that needs a
 * session opens another: what the program held is gone, and it alone knows what that means.
 */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "bindings/c/remote.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

#define KEEPS_IN_A_LEASE 3
#define CLOSE_TIMEOUT (2 * SABIR_SECOND)
#define PATH(method) "/sabir.v1.SessionService/" #method

void remote_session_init(struct remote *remote)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&remote->mutex, NULL);
}

bool remote_session_token(struct remote *remote, char token[SABIR_TOKEN_SIZE])
{
	if (!load32_acquire(&remote->has_session))
		return false;
	pthread_mutex_lock(&remote->mutex);
	memcpy(token, remote->token, SABIR_TOKEN_SIZE);
	pthread_mutex_unlock(&remote->mutex);
	return token[0] != 0;
}

/* With the mutex held. */
static void forget(struct remote *remote)
{
	remote->token[0] = 0;
	store32_release(&remote->has_session, 0);
}

void remote_session_lost(struct remote *remote, const char *token)
{
	pthread_mutex_lock(&remote->mutex);
	if (!strcmp(remote->token, token))
		forget(remote);
	pthread_mutex_unlock(&remote->mutex);
}

/* A call whose request is the token. */
static enum sabir_error call_with_token(struct sabir_conn *conn, const char *path, const char *token,
					uint64_t timeout_ns, struct bytes *response)
{
	struct request r;
	request_init(&r, 64);
	request_bytes(&r, 1, token, strlen(token));
	enum sabir_error error = r.failed ? fail(SABIR_NO_MEMORY, "%s", path)
					  : remote_call_as(conn, path, METHOD_OTHER, (struct span){ r.data, r.len },
							   NULL, timeout_ns, response);
	request_fini(&r);
	return error;
}

/* ---------------------------------------------------------------- the keeper */

/* With the mutex held: until `deadline_ns`, or until something changes. */
static void keeper_sleep(struct remote *remote, uint64_t deadline_ns)
{
	const struct timespec until = { (time_t)(deadline_ns / SABIR_SECOND), (long)(deadline_ns % SABIR_SECOND) };
	if (remote->token[0])
		pthread_cond_timedwait(&remote->changed, &remote->mutex, &until);
	else
		pthread_cond_wait(&remote->changed, &remote->mutex);
}

/*
 * Without the mutex. What the server does not answer is tried again at the next turn. That the session has ended the
 * program's next call will find out, by the same token.
 */
static void keep(struct sabir_conn *conn, const char *token, uint64_t interval_ns)
{
	struct bytes out = { 0 };
	(void)call_with_token(conn, PATH(KeepAlive), token, interval_ns, &out);
	bytes_fini(&out);
}

static void *keeper(void *context)
{
	struct sabir_conn *conn = context;
	struct remote *remote = conn->state;
	char token[SABIR_TOKEN_SIZE];
	pthread_mutex_lock(&remote->mutex);
	uint64_t next_ns = clock_now();
	while (!remote->closing) {
		uint64_t interval_ns = remote->lease_ns / KEEPS_IN_A_LEASE;
		if (!remote->token[0] || clock_now() < next_ns) {
			uint64_t latest_ns = clock_deadline(interval_ns);
			next_ns = next_ns < latest_ns ? next_ns : latest_ns;
			keeper_sleep(remote, next_ns);
			continue;
		}
		memcpy(token, remote->token, sizeof(token));
		pthread_mutex_unlock(&remote->mutex);
		keep(conn, token, interval_ns);
		pthread_mutex_lock(&remote->mutex);
		next_ns = clock_deadline(interval_ns);
	}
	pthread_mutex_unlock(&remote->mutex);
	return NULL;
}

/* With the mutex held. */
static enum sabir_error start_keeper(struct sabir_conn *conn)
{
	struct remote *remote = conn->state;
	sigset_t all, before;
	if (remote->kept)
		return SABIR_OK;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	remote->kept = pthread_create(&remote->keeper, NULL, keeper, conn) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return remote->kept ? SABIR_OK : fail(SABIR_NO_MEMORY, "%s: no thread to keep the session", conn->url);
}

/* ---------------------------------------------------------------- open, take, close */

/* With the mutex held: the session of the response's fields is ours from now on. */
static enum sabir_error enter(struct sabir_conn *conn, struct span token, struct span session, bool borrowed)
{
	struct remote *remote = conn->state;
	struct wire_field f;
	uint64_t id = response_varint(session, 1);
	if (token.len != SABIR_TOKEN_SIZE - 1 || !id || !response_find(session, 5, &f) || f.type != WIRE_LEN)
		return fail(SABIR_INTERNAL, "the server's description of a session is malformed");
	remote->lease_ns = response_varint(f.bytes, 1) * SABIR_SECOND + response_varint(f.bytes, 2);
	if (remote->lease_ns < SABIR_SECOND)
		remote->lease_ns = SABIR_SECOND;
	remote->id = id;
	remote->borrowed = borrowed;
	memcpy(remote->token, token.data, token.len);
	remote->token[token.len] = 0;
	store32_release(&remote->has_session, 1);
	pthread_cond_signal(&remote->changed);
	return SABIR_OK;
}

static struct span message_in(struct span message, uint32_t field)
{
	struct wire_field f;
	return response_find(message, field, &f) && f.type == WIRE_LEN ? f.bytes : (struct span){ NULL, 0 };
}

static enum sabir_error open_session(struct sabir_conn *conn, uint64_t lease_ns, struct bytes *out)
{
	struct request r;
	request_init(&r, 128);
	request_bytes(&r, 1, conn->label, strlen(conn->label));
	if (lease_ns)
		request_timeout(&r, 2, lease_ns);
	enum sabir_error error = r.failed ? fail(SABIR_NO_MEMORY, "%s", conn->url)
					  : remote_call_as(conn, PATH(Open), METHOD_OTHER,
							   (struct span){ r.data, r.len }, NULL, conn->timeout_ns, out);
	request_fini(&r);
	return error;
}

enum sabir_error remote_session_need(struct sabir_conn *conn, uint64_t lease_ns)
{
	struct remote *remote = conn->state;
	struct bytes out = { 0 };
	pthread_mutex_lock(&remote->mutex);
	/* Two threads that need one at once shall have the same: who comes second waits for the answer here. */
	enum sabir_error error = remote->token[0] ? SABIR_OK : start_keeper(conn);
	if (!error && !remote->token[0]) {
		error = open_session(conn, lease_ns, &out);
		if (!error)
			error = enter(conn, message_in(bytes_item(&out, 0), 1), message_in(bytes_item(&out, 0), 2),
				      false);
	}
	pthread_mutex_unlock(&remote->mutex);
	bytes_fini(&out);
	return error;
}

enum sabir_error remote_session_take(struct sabir_conn *conn, const char *token)
{
	struct remote *remote = conn->state;
	struct bytes out = { 0 };
	pthread_mutex_lock(&remote->mutex);
	enum sabir_error error = remote->token[0]
					 ? fail(SABIR_ALREADY_EXISTS, "%s: the connection has a session", conn->url)
					 : start_keeper(conn);
	if (!error)
		error = call_with_token(conn, PATH(KeepAlive), token, conn->timeout_ns, &out);
	if (!error)
		error = enter(conn, (struct span){ (const uint8_t *)token, strlen(token) },
			      message_in(bytes_item(&out, 0), 1), true);
	pthread_mutex_unlock(&remote->mutex);
	bytes_fini(&out);
	return error;
}

enum sabir_error remote_session_close(struct sabir_conn *conn)
{
	struct remote *remote = conn->state;
	struct bytes out = { 0 };
	char token[SABIR_TOKEN_SIZE];
	if (!remote_session_token(remote, token))
		return fail(SABIR_SESSION_REQUIRED, "%s: the connection has no session", conn->url);
	enum sabir_error error = call_with_token(conn, PATH(Close), token, conn->timeout_ns, &out);
	if (!error || error == SABIR_SESSION_ENDED)
		remote_session_lost(remote, token);
	bytes_fini(&out);
	return error;
}

void remote_session_fini(struct sabir_conn *conn)
{
	struct remote *remote = conn->state;
	struct bytes out = { 0 };
	if (remote_is_forked())
		return;
	pthread_mutex_lock(&remote->mutex);
	remote->closing = true;
	pthread_cond_signal(&remote->changed);
	pthread_mutex_unlock(&remote->mutex);
	if (remote->kept)
		pthread_join(remote->keeper, NULL);
	/* Without an answer in time the lease does the same a little later. */
	if (remote->token[0] && !remote->borrowed)
		(void)call_with_token(conn, PATH(Close), remote->token, CLOSE_TIMEOUT, &out);
	bytes_fini(&out);
	pthread_cond_destroy(&remote->changed);
	pthread_mutex_destroy(&remote->mutex);
}
