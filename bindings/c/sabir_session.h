/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: sessions. Included by sabir.h.
 *
 * A session is what a process is to a local program: the owner of what is held (locks, leases of items, ephemeral
 * objects). A local connection needs none: its process is the owner, and the functions about the connection's own
 * session answer UNIMPLEMENTED, sabir_session_open apart, which has nothing to do there.
 *
 * A remote connection opens a session by itself with the first operation that needs an owner, keeps it as long as it is
 * connected, whether or not the program calls anything, and closes it in sabir_close. When the process ends without
 * that, or its way to the server is cut, the lease runs out (30 seconds by default) and all that was held goes. A server
 * that looks late, since it stood still or its machine is busy, can't know what it has missed: then the lease runs once
 * more. One that dies and is started again goes on with the session: calls that were under way answer UNAVAILABLE, what
 * is held stays. An operation that finds its session gone answers SESSION_ENDED once; the next one that needs a session
 * opens another.
 */
#ifndef SABIR_SESSION_H
#define SABIR_SESSION_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SABIR_TOKEN_SIZE 33 /* a token, with its NUL */

/* A session as its server sees it. */
struct sabir_session_info {
	uint64_t id;
	uint64_t lease_ns;
	uint64_t left_ns;     /* of the lease; all of it while a call runs or waits */
	int64_t open_time_ns; /* since 1970, by the server's clock */
	uint64_t n_calls;     /* since it was opened */
	uint32_t n_active;    /* calls that run or wait */
	uint32_t label_len;
	char label[40]; /* of the connection that opened it; NUL-terminated */
	char peer[64];  /* its address as the server sees it */
};

/*
 * Opens the connection's session now, with a lease of lease_ns: 0 = 30 s, else from 1 s to an hour. Fine if there is
 * one: it stays as it is. Errors: TOO_MANY_OWNERS.
 */
enum sabir_error sabir_session_open(sabir_conn *conn, uint64_t lease_ns);
/* Ends the connection's session and with it all that it holds. Errors: SESSION_REQUIRED (there is none), SESSION_ENDED. */
enum sabir_error sabir_session_close(sabir_conn *conn);
/* The token of the connection's session, a secret: whoever has it is the session. Errors: SESSION_REQUIRED. */
enum sabir_error sabir_session_token(sabir_conn *conn, char token[SABIR_TOKEN_SIZE]);
/*
 * Makes the session of a token the connection's: that of another connection, perhaps of a process that is no more. The
 * connection keeps it, but does not close it. Errors: SESSION_ENDED, ALREADY_EXISTS (the connection has one).
 */
enum sabir_error sabir_session_resume(sabir_conn *conn, const char *token);

/*
 * The next page of the server's sessions: `n` > 0 of them in one block, or 0 and NULL after the last. Errors:
 * INVALID_ARGUMENT (cursor), PERMISSION_DENIED (see sabird's admin-sessions).
 */
enum sabir_error sabir_session_list(sabir_conn *conn, struct sabir_cursor *cursor, struct sabir_session_info **sessions,
				    size_t *n);
/* Ends any session, by its id. Errors: SESSION_ENDED, PERMISSION_DENIED. */
enum sabir_error sabir_session_end(sabir_conn *conn, uint64_t id);

#ifdef __cplusplus
}
#endif

#endif
