/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote transport: one gRPC channel for each connection, one unary call for each operation.
 *
 * A call belongs to the thread that makes it: the thread has a completion queue of its own and polls it until its call
 * ends, so calls need no thread of ours and no lock. gRPC starts with the first remote connection and does not survive a
 * fork: a child that inherits it must not touch it any more, not even to end it.
 */
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "bindings/c/cancel.h"
#include "bindings/c/remote.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

#define SESSION_SERVICE "/sabir.v1.SessionService/"
#define RECONNECT_NS (300 * SABIR_MILLISECOND)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static pid_t grpc_pid;
static __thread grpc_completion_queue *thread_queue;
/* What tells a session's threads apart; the upper half tells its processes apart, where they share it. */
static __thread uint64_t thread_number;
static uint64_t last_thread_number;

/* ---------------------------------------------------------------- gRPC, threads */

bool remote_is_forked(void)
{
	return grpc_pid != getpid();
}

static void end_thread(void *unused)
{
	(void)unused;
	if (remote_is_forked())
		return;
	grpc_completion_queue_shutdown(thread_queue);
	grpc_completion_queue_destroy(thread_queue);
	thread_queue = NULL;
	grpc_shutdown();
}

static void start(void)
{
	grpc_pid = getpid();
	(void)!getrandom(&last_thread_number, sizeof(last_thread_number), GRND_NONBLOCK);
	last_thread_number <<= 32;
	pthread_key_create(&thread_key, end_thread);
}

static enum sabir_error need_queue(const struct sabir_conn *conn)
{
	if (remote_is_forked())
		return fail(SABIR_UNAVAILABLE, "%s: gRPC was started before the fork; fork first, then connect",
			    conn->url);
	if (thread_queue)
		return SABIR_OK;
	if (pthread_setspecific(thread_key, &thread_queue))
		return fail(SABIR_NO_MEMORY, "%s", conn->url);
	grpc_init();
	thread_queue = grpc_completion_queue_create_for_pluck(NULL);
	return SABIR_OK;
}

gpr_timespec remote_time(uint64_t deadline_ns)
{
	uint64_t left = clock_left(deadline_ns);
	if (left > INT64_MAX)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos((int64_t)left, GPR_TIMESPAN));
}

static grpc_event wait_for(void *tag)
{
	return grpc_completion_queue_pluck(thread_queue, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

/* ---------------------------------------------------------------- channel */

static grpc_channel *make_channel(const char *target)
{
	static grpc_arg args[] = {
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = -1 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, .value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_CHANNELZ, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_HTTP2_BDP_PROBE, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_TIME_MS, .value.integer = 60000 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_TIMEOUT_MS, .value.integer = 20000 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, .value.integer = 100 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, .value.integer = 2000 },
	};
	const grpc_channel_args channel_args = { sizeof(args) / sizeof(args[0]), args };
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create(target, credentials, &channel_args);
	grpc_channel_credentials_release(credentials);
	return channel;
}

/* Polls the channel's connection until it is no longer in `state`; false: the deadline passed. */
static bool state_changes(grpc_channel *channel, grpc_connectivity_state state, uint64_t deadline_ns)
{
	grpc_channel_watch_connectivity_state(channel, state, remote_time(deadline_ns), thread_queue, channel);
	return wait_for(channel).success;
}

/* The first connection: the first refusal ends it. */
static enum sabir_error connect_channel(const struct sabir_conn *conn, grpc_channel *channel)
{
	uint64_t deadline_ns = clock_deadline(conn->timeout_ns);
	for (;;) {
		grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel, 1);
		if (state == GRPC_CHANNEL_READY)
			return SABIR_OK;
		if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN)
			return fail(SABIR_UNAVAILABLE, "%s: no server answers there", conn->url);
		if (!state_changes(channel, state, deadline_ns))
			return fail(SABIR_TIMED_OUT, "%s: no connection in time", conn->url);
	}
}

/*
 * A connection that broke is made anew by gRPC, but only while somebody polls, and until then calls fail at once. So a
 * call that finds it broken polls for a moment: who calls again after a server's restart is served.
 */
static void reconnect_channel(grpc_channel *channel)
{
	uint64_t deadline_ns = clock_deadline(RECONNECT_NS);
	grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel, 1);
	if (state == GRPC_CHANNEL_TRANSIENT_FAILURE)
		grpc_channel_reset_connect_backoff(channel);
	while (state != GRPC_CHANNEL_READY && state_changes(channel, state, deadline_ns))
		state = grpc_channel_check_connectivity_state(channel, 1);
}

static enum sabir_error remote_open(struct sabir_conn *conn, const char *address)
{
	pthread_once(&once, start);
	enum sabir_error error = need_queue(conn);
	if (error)
		return error;
	struct remote *remote = calloc(1, sizeof(*remote));
	if (!remote)
		return fail(SABIR_NO_MEMORY, "%s", conn->url);
	grpc_init();
	remote->channel = make_channel(address);
	error = connect_channel(conn, remote->channel);
	if (error) {
		grpc_channel_destroy(remote->channel);
		grpc_shutdown();
		free(remote);
		return error;
	}
	for (int i = 0; i < N_METHODS; i++)
		remote->registered[i] = grpc_channel_register_call(remote->channel, method_path((enum method)i), NULL,
								   NULL);
	remote_session_init(remote);
	conn->state = remote;
	return SABIR_OK;
}

static void remote_close(struct sabir_conn *conn)
{
	struct remote *remote = conn->state;
	remote_session_fini(conn);
	if (!remote_is_forked()) {
		grpc_channel_destroy(remote->channel);
		grpc_shutdown();
	}
	free(remote);
}

bool remote_is_ready(const struct sabir_conn *conn)
{
	const struct remote *remote = conn->state;
	return grpc_channel_check_connectivity_state(remote->channel, 0) == GRPC_CHANNEL_READY;
}

enum sabir_error remote_begin(const struct sabir_conn *conn)
{
	enum sabir_error error = need_queue(conn);
	if (!error && !remote_is_ready(conn))
		reconnect_channel(((const struct remote *)conn->state)->channel);
	return error;
}

static enum sabir_error remote_enter(struct sabir_conn *conn, struct lane **lane)
{
	(void)conn;
	*lane = NULL;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- calls */

/* What is called. */
struct remote_method {
	const char *path;
	int number;
	bool cancellable;
};

/* One call with everything that it receives. */
struct unary {
	grpc_call *call;
	grpc_byte_buffer *request;
	grpc_byte_buffer *response;
	grpc_metadata who[2]; /* for whom it is made */
	size_t n_who;
	grpc_metadata_array initial;
	grpc_metadata_array trailing;
	grpc_status_code code;
	grpc_slice message;
};

static void unary_init(struct unary *u, grpc_slice *request)
{
	*u = (struct unary){ .request = grpc_raw_byte_buffer_create(request, 1), .message = grpc_empty_slice() };
	grpc_metadata_array_init(&u->initial);
	grpc_metadata_array_init(&u->trailing);
}

/* Whoever still sends it after a cancellation has a reference: nothing here may be our own memory. */
static void unary_act_for(struct unary *u, const char *token)
{
	char thread[24];
	if (!thread_number)
		thread_number = fetch_add64(&last_thread_number, 1) + 1;
	snprintf(thread, sizeof(thread), "%llu", (unsigned long long)thread_number);
	u->who[0].key = grpc_slice_from_static_string("sabir-session");
	u->who[0].value = grpc_slice_from_copied_string(token);
	u->who[1].key = grpc_slice_from_static_string("sabir-thread");
	u->who[1].value = grpc_slice_from_copied_string(thread);
	u->n_who = 2;
}

static void unary_fini(struct unary *u)
{
	if (u->call)
		grpc_call_unref(u->call);
	if (u->response)
		grpc_byte_buffer_destroy(u->response);
	grpc_byte_buffer_destroy(u->request);
	for (size_t i = 0; i < u->n_who; i++)
		grpc_slice_unref(u->who[i].value);
	grpc_metadata_array_destroy(&u->initial);
	grpc_metadata_array_destroy(&u->trailing);
	grpc_slice_unref(u->message);
}

static void unary_run(struct unary *u)
{
	grpc_op ops[6] = { { .op = GRPC_OP_SEND_INITIAL_METADATA },  { .op = GRPC_OP_SEND_MESSAGE },
			   { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT }, { .op = GRPC_OP_RECV_INITIAL_METADATA },
			   { .op = GRPC_OP_RECV_MESSAGE },           { .op = GRPC_OP_RECV_STATUS_ON_CLIENT } };
	ops[0].data.send_initial_metadata.metadata = u->who;
	ops[0].data.send_initial_metadata.count = u->n_who;
	ops[1].data.send_message.send_message = u->request;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &u->initial;
	ops[4].data.recv_message.recv_message = &u->response;
	ops[5].data.recv_status_on_client.trailing_metadata = &u->trailing;
	ops[5].data.recv_status_on_client.status = &u->code;
	ops[5].data.recv_status_on_client.status_details = &u->message;
	u->code = GRPC_STATUS_INTERNAL;
	if (grpc_call_start_batch(u->call, ops, 6, u, NULL) == GRPC_CALL_OK)
		(void)wait_for(u);
}

/*
 * A typed call may take as long as it was told to wait and then the time for an answer; another exactly its time, if
 * it has one.
 */
static gpr_timespec call_deadline(const struct sabir_conn *conn, int method, uint64_t timeout_ns)
{
	if (method == METHOD_OTHER && timeout_ns)
		return remote_time(clock_deadline(timeout_ns));
	uint64_t most = timeout_ns > SABIR_FOREVER - conn->timeout_ns ? SABIR_FOREVER : timeout_ns + conn->timeout_ns;
	return remote_time(clock_deadline(most));
}

static grpc_call *make_call(const struct sabir_conn *conn, const char *path, int method, gpr_timespec deadline)
{
	const struct remote *remote = conn->state;
	if (method != METHOD_OTHER)
		return grpc_channel_create_registered_call(remote->channel, NULL, GRPC_PROPAGATE_DEFAULTS, thread_queue,
							   remote->registered[method], deadline, NULL);
	grpc_slice slice = grpc_slice_from_copied_string(path);
	grpc_call *call = grpc_channel_create_call(remote->channel, NULL, GRPC_PROPAGATE_DEFAULTS, thread_queue, slice,
						   NULL, deadline, NULL);
	grpc_slice_unref(slice);
	return call;
}

/* Whether its thread's token cut it off. Errors: NO_MEMORY. */
static enum sabir_error run_until_cancelled(struct sabir_conn *conn, struct unary *u, const char *token, bool *cut)
{
	struct cancel_call cancel = { .token = cancel_attached.token,
				      .conn = conn,
				      .call = u->call,
				      .session = token ? token : "",
				      .thread = thread_number };
	enum sabir_error error = cancel_call_begin(&cancel);
	if (error)
		return error;
	unary_run(u);
	*cut = cancel_call_end(&cancel);
	return SABIR_OK;
}

static enum sabir_error call_as(struct sabir_conn *conn, const struct remote_method *method, grpc_slice *request,
				const char *token, uint64_t timeout_ns, struct bytes *response)
{
	enum sabir_error error = SABIR_OK;
	bool cut = false;
	struct unary u;
	if (!remote_is_ready(conn))
		reconnect_channel(((const struct remote *)conn->state)->channel);
	unary_init(&u, request);
	if (token)
		unary_act_for(&u, token);
	u.call = make_call(conn, method->path, method->number, call_deadline(conn, method->number, timeout_ns));
	if (method->cancellable)
		error = run_until_cancelled(conn, &u, token, &cut);
	else
		unary_run(&u);
	if (!error && cut && u.code == GRPC_STATUS_CANCELLED)
		error = fail(SABIR_CANCELLED, "%s: the server did not answer; it may have been done", conn->url);
	else if (!error)
		error = u.code == GRPC_STATUS_OK ? remote_message(u.response, response)
						 : remote_failure(u.code, &u.trailing, &u.message);
	unary_fini(&u);
	return error;
}

enum sabir_error remote_call_as(struct sabir_conn *conn, const char *path, int method, struct span request,
				const char *token, uint64_t timeout_ns, struct bytes *response)
{
	enum sabir_error error = need_queue(conn);
	if (error)
		return error;
	grpc_slice slice = grpc_slice_from_copied_buffer((const char *)request.data, request.len);
	error = call_as(conn, &(struct remote_method){ path, method, false }, &slice, token, timeout_ns, response);
	grpc_slice_unref(slice);
	return error;
}

/*
 * The token of the session that the call is for, "": none. Calls on sessions are about any, not for ours; who is to be cancelled
 * needs one if there can be one.
 */
static void find_session(struct sabir_conn *conn, const struct remote_method *m, char token[SABIR_TOKEN_SIZE])
{
	token[0] = '\0';
	if (strncmp(m->path, SESSION_SERVICE, sizeof(SESSION_SERVICE) - 1) == 0)
		return;
	if (remote_session_token(conn->state, token))
		return;
	if (!m->cancellable || remote_session_need(conn, 0) || !remote_session_token(conn->state, token))
		token[0] = '\0';
}

/* The session is opened when the first operation asks for one, and sent along from then on. */
static enum sabir_error remote_call(struct sabir_conn *conn, const char *path, int method, struct request *request,
				    uint64_t timeout_ns, struct bytes *response)
{
	const struct remote_method m = { path, method, timeout_ns && cancel_attached.token };
	char token[SABIR_TOKEN_SIZE];
	enum sabir_error error = need_queue(conn);
	if (error) {
		request_fini(request);
		return error;
	}
	grpc_slice slice = grpc_slice_new(request->data, request->len, free);
	*request = (struct request){ .failed = true };
	find_session(conn, &m, token);
	bool named = token[0];
	error = call_as(conn, &m, &slice, named ? token : NULL, timeout_ns, response);
	if (error == SABIR_SESSION_REQUIRED && !named) {
		error = remote_session_need(conn, 0);
		if (!error && remote_session_token(conn->state, token))
			error = call_as(conn, &m, &slice, token, timeout_ns, response);
	}
	if (error == SABIR_SESSION_ENDED && named)
		remote_session_lost(conn->state, token);
	grpc_slice_unref(slice);
	return error;
}

const struct transport remote_transport = {
	.open = remote_open,
	.enter = remote_enter,
	.call = remote_call,
	.close = remote_close,
};
