/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_REMOTE_H
#define SABIR_C_REMOTE_H

#include <grpc/grpc.h>
#include <pthread.h>

#include "bindings/c/conn.h"
#include "bindings/c/sabir_session.h"

/* What remote.c, the calls, and remote_session.c, who makes them, share of a remote connection. */
struct remote {
	grpc_channel *channel;
	void *registered[N_METHODS];

	uint32_t has_session;  /* so that calls without one need not lock */
	pthread_mutex_t mutex; /* for all that follows */
	pthread_cond_t changed;
	char token[SABIR_TOKEN_SIZE]; /* of the session, or "" */
	uint64_t id;
	uint64_t lease_ns;
	bool borrowed; /* somebody else opened it, and will close it */
	bool closing;  /* the connection ends: so does the keeper */
	bool kept;     /* the keeper runs */
	pthread_t keeper;
};

/* One call, as transport.call, which leaves the request to the caller. token NULL: in nobody's name. */
enum sabir_error remote_call_as(struct sabir_conn *conn, const char *path, int method, struct span request,
				const char *token, uint64_t timeout_ns, struct bytes *response);
/* Whether there is a connection now. */
bool remote_is_ready(const struct sabir_conn *conn);
/* Before a call that is not one of remote.c's: this thread may use gRPC, and a connection that broke is made anew. Errors: UNAVAILABLE. */
enum sabir_error remote_begin(const struct sabir_conn *conn);
/* Whether gRPC was started by the parent of this process, so that it can't be used any more. */
bool remote_is_forked(void);

/* A CLOCK_MONOTONIC time as gRPC has it. */
gpr_timespec remote_time(uint64_t deadline_ns);

/* A message as one item of `out`; NULL: an empty one. Errors: NO_MEMORY. */
enum sabir_error remote_message(grpc_byte_buffer *buffer, struct bytes *out);
/* The error of a call that failed, with its detail. */
enum sabir_error remote_failure(grpc_status_code code, const grpc_metadata_array *trailing, const grpc_slice *message);

void remote_session_init(struct remote *remote);
/* Closes the session, if it is ours, and ends the keeper. Before the channel goes. */
void remote_session_fini(struct sabir_conn *conn);
/* Copies the token of the session to `token`; false: there is none. */
bool remote_session_token(struct remote *remote, char token[SABIR_TOKEN_SIZE]);
/* Makes sure that there is one. Errors: those of SessionService.Open. */
enum sabir_error remote_session_need(struct sabir_conn *conn, uint64_t lease_ns);
/* Another's session becomes the connection's. Errors: SESSION_ENDED, ALREADY_EXISTS. */
enum sabir_error remote_session_take(struct sabir_conn *conn, const char *token);
enum sabir_error remote_session_close(struct sabir_conn *conn);
/* The server does not know the token any more. */
void remote_session_lost(struct remote *remote, const char *token);

#endif
