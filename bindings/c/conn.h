/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_CONN_H
#define SABIR_C_CONN_H

#include "bindings/c/sabir.h"
#include "server/base/bytes.h"
#include "server/shm/lane.h"

/*
 * What all files of the library share: connections, handles, the two transports behind them.
 *
 * A typed function encodes its arguments, enters the connection, and then either calls the object's own function with
 * the thread's lane (local, where speed counts) or encodes the operation's request and gives it to conn_call (remote,
 * and the rarer operations of both: server/ops performs the same request on the memory).
 */

/* The operations that the typed API encodes, with their gRPC paths. */
enum method {
#define M(NAME, path) METHOD_##NAME,
#include "bindings/c/method.def"
#undef M
	N_METHODS
};
const char *method_path(enum method method);

/* A request under construction, malloc'ed; see request.h. */
struct request;

/*
 * The seam. A transport is reached by the scheme of a URL.
 *
 * open   connects to `address` (the URL behind its scheme) and sets conn->state; conn is otherwise complete. On
 * failure it
 *        leaves nothing behind and has called fail().
 * enter  gives the lane on which this thread works on the memory, or NULL if the memory is not at hand. Called when the
 *        thread has no cached lane; calls fail() on failure.
 * call   performs one operation, waiting as the request's own timeout says, which timeout_ns repeats for who only
 * carries
 *        the request (SABIR_FOREVER: none; 0 also for operations that can't wait). Adds the response to
 *        `response` as one item. Consumes the request in any case; calls fail() on failure.
 * close  ends what open began; nobody else uses the connection.
 */
struct transport {
	enum sabir_error (*open)(struct sabir_conn *conn, const char *address);
	enum sabir_error (*enter)(struct sabir_conn *conn, struct lane **lane);
	enum sabir_error (*call)(struct sabir_conn *conn, const char *path, int method, struct request *request,
				 uint64_t timeout_ns, struct bytes *response);
	void (*close)(struct sabir_conn *conn);
};
extern const struct transport local_transport, remote_transport;

/* For transport.call: a path that is not of the table. */
#define METHOD_OTHER (-1)

struct sabir_conn {
	uint64_t id; /* what a thread's cached lane is known by; never used twice, 0 = none */
	const struct transport *transport;
	void *state; /* the transport's */
	uint32_t refs;
	uint64_t timeout_ns;
	char label[40];
	char url[];
};

void conn_ref(struct sabir_conn *conn);
void conn_unref(struct sabir_conn *conn);

/* The lane that the thread used last, and its connection: what makes a local call direct. */
struct lane_cache {
	uint64_t conn_id;
	struct lane *lane;
};
extern __thread struct lane_cache lane_cache __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The thread's lane, NULL when the connection is remote. */
static inline enum sabir_error conn_enter(struct sabir_conn *conn, struct lane **lane)
{
	if (__builtin_expect(lane_cache.conn_id == load64_relaxed(&conn->id), 1)) {
		*lane = lane_cache.lane;
		return SABIR_OK;
	}
	return conn->transport->enter(conn, lane);
}

/* transport.call of a method of the table. */
enum sabir_error conn_call(struct sabir_conn *conn, enum method method, struct request *request, uint64_t timeout_ns,
			   struct bytes *response);

/* ---------------------------------------------------------------- handles */

/* Every typed handle is this and nothing else. */
struct handle {
	struct sabir_conn *conn;
	uint64_t id;
	uint32_t kind;
	uint32_t type_code;
	bool held;      /* freeing it is a Release */
	uint64_t owner; /* whose hold that is: see manager.c */
	uint64_t
		part; /* value, array, condition: 0, or the address of the handle of its lock; of that: the one before it */
	char name[];
};
struct sabir_queue {
	struct handle h;
};
struct sabir_value {
	struct handle h;
};
struct sabir_array {
	struct handle h;
};
struct sabir_dict {
	struct handle h;
};
struct sabir_block {
	struct handle h;
};
struct sabir_list {
	struct handle h;
};
struct sabir_shared_list {
	struct handle h;
};
struct sabir_namespace {
	struct handle h;
};

struct sabir_semaphore {
	struct handle h;
};
struct sabir_lock {
	struct handle h;
};
struct sabir_condition {
	struct handle h;
};
struct sabir_barrier {
	struct handle h;
};
struct sabir_event {
	struct handle h;
};

/* Handles of new and of existing objects. `name` NULL: by id. */
enum sabir_error handle_create(sabir_conn *conn, const char *name, const struct sabir_spec *spec, unsigned flags,
			       void *handle);
enum sabir_error handle_open(sabir_conn *conn, const char *name, uint64_t id, enum sabir_kind kind, void *handle);
/* The same by a request whose response has the ObjectInfo of a new object in field 1. Consumes the request. */
enum sabir_error handle_make(sabir_conn *conn, enum method method, struct request *r, void *handle);
void handle_free(struct handle *h);

/*
 * A struct of the caller's, whose first member is its size, as this version of the library has it: members that the caller's
 * version lacks are 0, those that this one lacks are left out. `given` NULL: all are 0. `least`: a shorter one can't be; `name`: the
 * argument's. Errors: INVALID_ARGUMENT (the size).
 */
enum sabir_error struct_read(const char *name, const void *given, size_t least, void *to, size_t size);

/* ---------------------------------------------------------------- failures */

/* Keeps the text as sabir_detail() of this thread and returns the error. */
enum sabir_error fail(enum sabir_error error, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum sabir_error fail_object(const struct handle *h, enum sabir_error error);

/* The result of a local operation on the object: on failure the detail says which. */
static inline enum sabir_error object_result(const struct handle *h, enum sabir_error error)
{
	return __builtin_expect(error == SABIR_OK, 1) ? SABIR_OK : fail_object(h, error);
}

#define FAIL_NULL() fail(SABIR_INVALID_ARGUMENT, "%s: a required pointer is NULL", __func__)

#endif
