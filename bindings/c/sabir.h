/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: the shared objects of Python's multiprocessing.Manager for C programs. Here stands what holds for all of them:
 * errors, connections, objects of every kind. Items are in sabir_item.h; queues, values, arrays, dicts, lists, pipes, namespaces,
 * locks, what else is waited for, sessions and watches in the other headers that this one includes.
 *
 * A connection is local (the program maps the server's memory and works on it directly) or remote (gRPC). All functions
 * below do the same on both, unless they say otherwise. Valid C99 and C++17.
 *
 * Errors. Functions return an enum sabir_error (<sabir/error.h>); SABIR_OK is 0. Results come last and are untouched
 * on failure; a result pointer may be NULL where "or NULL" stands. Each function lists its own errors. Besides, every
 * function that takes a connection or a handle can answer
 *   SABIR_INVALID_ARGUMENT    a required pointer is NULL
 *   SABIR_UNAVAILABLE         the server can't be reached, or is shutting down (local: nobody new can begin). Remote, when
 *                             the connection broke: whether the operation was done is unknown, it is not sent again
 *   SABIR_TOO_MANY_OWNERS     local: the server has no lane left for this thread
 *   SABIR_PERMISSION_DENIED   the server refuses this peer
 *   SABIR_TIMED_OUT           remote: no answer came in time; whether the operation was done is unknown
 *   SABIR_CANCELLED           it was to wait, and its thread's token was fired (sabir_cancel.h): nothing was done
 *   SABIR_UNIMPLEMENTED       remote: an older server does not know the operation
 *   SABIR_DATA_LOSS           the object's memory is damaged
 *   SABIR_BUSY                another program holds the object's lock and does not go on; nothing was done
 *   SABIR_SESSION_REQUIRED    the operation needs an owner, and the call names no session
 *   SABIR_NO_MEMORY           this process is out of memory
 *   SABIR_INTERNAL            an error in Sabir
 * and every function that takes an object's handle SABIR_DELETED: somebody deleted the object.
 *
 * Threads. Any number of threads may use one connection and one handle at the same time, except that freeing a handle
 * or closing a connection must be the last use of it. After fork() the child's first use of a local connection
 * attaches it to the server anew; what the parent was doing stays the parent's. A remote connection can't be used in a
 * child: fork first, then connect.
 *
 * Time-outs are in nanoseconds: 0 does not wait, SABIR_FOREVER waits without end. They are unsigned: what Python gives
 * as a negative time-out to "not wait" is 0 here, and a difference that has become negative is not to be converted but
 * replaced by 0: (uint64_t)-1 is SABIR_FOREVER. In requests of sabir_call, as on the wire, a negative one means "don't
 * wait", for queues INVALID_ARGUMENT. Only the functions with a timeout_ns wait for other programs. A wait ends with what it
 * waits for, with its time-out, when the object is deleted or closed, and when it is cancelled (sabir_cancel.h). A signal that
 * the program handles does not end it; its handler may, with sabir_cancel_fire().
 *
 * Memory. What a function hands out as a pointer to a pointer is one block of the caller's, freed with sabir_free().
 */
#ifndef SABIR_H
#define SABIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sabir/error.h>
#include <sabir_item.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SABIR_FOREVER UINT64_MAX
#define SABIR_MICROSECOND UINT64_C(1000)
#define SABIR_MILLISECOND UINT64_C(1000000)
#define SABIR_SECOND UINT64_C(1000000000)

/* A connection to a server. */
typedef struct sabir_conn sabir_conn;
/* Those kinds of objects of which more than one of the headers below speaks. */
typedef struct sabir_queue sabir_queue;
typedef struct sabir_value sabir_value;
typedef struct sabir_array sabir_array;

/* The library's version, for example "0.1.0". */
const char *sabir_version(void);

/* ------------------------------------------------------------------ errors */

/* The stable name of an error, as it is on the wire: "NOT_FOUND". Never NULL. */
const char *sabir_error_name(enum sabir_error error);
/* What an error means, in English: "no object has this name or handle". Never NULL. */
const char *sabir_error_text(enum sabir_error error);
/*
 * More about the last failure in this thread, perhaps empty, never NULL: which name, what the server said. Valid until
 * the next failure in this thread. For people; programs look at the error.
 */
const char *sabir_detail(void);

/* ------------------------------------------------------------------ connections */

struct sabir_options {
	size_t size;         /* sizeof(struct sabir_options); newer members are taken as 0 where it is smaller */
	const char *label;   /* the program's name, as operators see it; up to 39 bytes count; NULL: the executable's */
	uint64_t timeout_ns; /* for connecting, and for a remote answer beyond the call's own time-out; 0: 30 s */
};

/*
 * Connects to a server.
 *
 *   unix:/run/sabir/sabir.sock   local: the server's control socket; memory is shared
 *   grpc://host:port             remote, over TCP
 *   grpc+unix:/path              remote, over the server's unix socket for gRPC
 *   NULL or ""                   $SABIR_URL; where that is not set, local: the first socket that there is in
 *                                /run/sabir, $XDG_RUNTIME_DIR/sabir and /tmp/sabir-UID
 *
 * `options` may be NULL: the defaults. Local operations go on when the server stops later. Errors: INVALID_ARGUMENT
 * (the URL, the options), UNAVAILABLE, PERMISSION_DENIED, TOO_MANY_OWNERS, LAYOUT_MISMATCH (local: the server is of
 * another version), TIMED_OUT, NO_MEMORY, RESOURCE_EXHAUSTED (local: the memory can't be mapped).
 */
enum sabir_error sabir_connect(const char *url, const struct sabir_options *options, sabir_conn **conn);
/*
 * Gives the connection back; NULL is fine. Handles that were opened on it stay usable, and the program stays attached
 * until the last of them is freed. It then holds no anonymous object any more.
 */
void sabir_close(sabir_conn *conn);
/* Whether the connection is local. */
bool sabir_is_local(const sabir_conn *conn);

/* Frees what a function of this library handed out; NULL is fine. */
void sabir_free(void *memory);

/* ------------------------------------------------------------------ objects of every kind */

enum sabir_kind {
	SABIR_KIND_ANY = 0,
	SABIR_KIND_QUEUE = 1,
	SABIR_KIND_VALUE = 2,
	SABIR_KIND_ARRAY = 3,
	SABIR_KIND_DICT = 4,
	SABIR_KIND_LIST = 5,
	SABIR_KIND_NAMESPACE = 6,
	SABIR_KIND_PIPE = 7,
	SABIR_KIND_LOCK = 8,
	SABIR_KIND_RLOCK = 9,
	SABIR_KIND_SEMAPHORE = 10,
	SABIR_KIND_CONDITION = 11,
	SABIR_KIND_EVENT = 12,
	SABIR_KIND_BARRIER = 13,
	SABIR_KIND_SHARED_LIST = 14,
	SABIR_KIND_BLOCK = 15
};

/*
 * Names are 1 to 255 bytes of UTF-8: segments divided by '/', none of them empty, "." or "..", without control
 * characters. Type codes are Python's letters, of the same width everywhere, little-endian: c b B ? are 1 byte, h H 2,
 * i I f u 4, l L q Q d 8.
 */
struct sabir_info {
	uint64_t handle;
	uint32_t kind;           /* enum sabir_kind */
	uint32_t type_code;      /* value, array: the letter; else 0 */
	uint64_t length;         /* items, elements, entries, messages, bytes or waiting; 1 for a value */
	uint64_t max_items;      /* queue, pipe: 0 = limited by memory alone */
	uint64_t max_item_bytes; /* queue: of an encoded item */
	uint64_t memory_bytes;   /* shared memory that it takes */
	int64_t create_time_ns;  /* since 1970, by the server's clock */
	uint32_t closed;         /* queue: 1 = closed; pipe: 1 = an end is closed for good */
	uint32_t one_way;        /* pipe: 1 = end 0 receives and end 1 sends */
	uint32_t name_len;       /* 0 = anonymous */
	char name[256];          /* NUL-terminated */
	uint64_t ttl_ns;         /* what is left until it ends by itself; 0 = it does not */
	bool ephemeral;          /* it ends with the program or session that made it */
};

/* How an object is made. All-zero members are the defaults. */
struct sabir_spec {
	size_t size;        /* sizeof(struct sabir_spec) */
	uint32_t kind;      /* enum sabir_kind; required */
	uint32_t type_code; /* value, array: a letter; required */
	uint64_t
		length; /* array: number of elements; block: bytes; semaphore: the count at the beginning; barrier: parties */
	uint64_t max_items;      /* queue, pipe (each way): 0 = limited by memory alone */
	uint64_t max_item_bytes; /* queue, pipe: 0 = the server's limit */
	const void *initial;     /* value: one element, array: the first ones, NULL: zeros; shared list: its spec */
	size_t initial_len;      /* bytes at `initial` */
	uint32_t one_way;        /* pipe: 1 = end 0 receives and end 1 sends */
	uint32_t flags;          /* lock: 1 = strict; semaphore: 1 = bounded, 2 = owned */
	uint64_t ttl_ns;         /* it ends by itself so long after it was made; 0 = it does not; see sabir_set_ttl */
	uint64_t lock;           /* condition: handle of its lock; 0 = an rlock of its own */
};

/* For creating: an existing object of the same kind and spec is opened. Without it: ALREADY_EXISTS. */
#define SABIR_EXIST_OK 1u
/* For creating: it ends with this process or, remotely, with the connection's session, also if it has a name. */
#define SABIR_EPHEMERAL 2u

/*
 * Creates an object; a NULL or empty name makes an anonymous one, which the caller holds: this process or, remotely, the
 * connection's session, which is opened for it. An anonymous object lives as long as somebody holds it or an object that
 * lives refers to it by its handle in a Value, and for at least the server's linger after that (30 seconds, sabird
 * --linger). Objects that refer to each other in a ring and that nobody else refers to end too. A handle object
 * (sabir_queue and the like) is a hold until it is freed; what sabir_create itself has made is held until sabir_release.
 * `created` or NULL: whether this call made it. Errors: INVALID_ARGUMENT (spec, flags),
 * INVALID_NAME, ALREADY_EXISTS (taken; with SABIR_EXIST_OK: of another spec), WRONG_KIND (taken by another kind),
 * OUT_OF_RANGE (`initial` is longer than the array, or no bool or code point), TOO_LARGE, RESOURCE_EXHAUSTED,
 * TOO_MANY_OWNERS.
 */
enum sabir_error sabir_create(sabir_conn *conn, const char *name, const struct sabir_spec *spec, unsigned flags,
			      struct sabir_info *info, bool *created);
/*
 * Gives up one hold of an anonymous object: one that sabir_create made. Nothing happens to an object that has a name or is
 * ephemeral. What is not released is let go when the process or the session ends, however it does. A child of fork has
 * none of its parent's holds: it opens by their handles what it is to hold itself. Errors: NOT_FOUND, DELETED,
 * SESSION_REQUIRED (remote, and the connection has no session), NOT_HELD.
 */
enum sabir_error sabir_release(sabir_conn *conn, uint64_t handle);
/* Deletes an object and its content for everybody; who waits on it is told DELETED. Errors: INVALID_NAME, NOT_FOUND. */
enum sabir_error sabir_delete(sabir_conn *conn, const char *name);
/* The same by handle. Errors: NOT_FOUND (never given out), DELETED. */
enum sabir_error sabir_delete_handle(sabir_conn *conn, uint64_t handle);
/* Describes an object. Errors: INVALID_NAME, NOT_FOUND. */
enum sabir_error sabir_describe(sabir_conn *conn, const char *name, struct sabir_info *info);
/* The same by handle. Errors: NOT_FOUND (never given out), DELETED. */
enum sabir_error sabir_describe_handle(sabir_conn *conn, uint64_t handle, struct sabir_info *info);
/*
 * The object ends by itself ttl_ns from now, a few milliseconds late, or more where thousands end at once; 0: it does
 * not any more. Called again it lives longer. Errors: INVALID_NAME, NOT_FOUND.
 */
enum sabir_error sabir_set_ttl(sabir_conn *conn, const char *name, uint64_t ttl_ns);
/* The same by handle. Errors: NOT_FOUND (never given out), DELETED. */
enum sabir_error sabir_set_ttl_handle(sabir_conn *conn, uint64_t handle, uint64_t ttl_ns);

/*
 * A place between two pages; all-zero is the beginning. After the last page a call gives 0 results, and the cursor
 * stands at the beginning again. Its members are the library's.
 */
struct sabir_cursor {
	uint32_t state;
	uint32_t len;
	char token[1016];
};

/*
 * The next page of the named objects, in the order in which they got their names: `n` > 0 of them in one block, or 0
 * and NULL after the last. `prefix`: only names that begin with it; NULL: all. `kind`: only these; SABIR_KIND_ANY:
 * all.
 *   struct sabir_cursor cursor = { 0 };
 *   while (!(error = sabir_list(conn, "jobs/", SABIR_KIND_ANY, &cursor, &infos, &n)) && n) { ...; sabir_free(infos); }
 * Errors: INVALID_NAME (the prefix), INVALID_ARGUMENT (kind, cursor).
 */
enum sabir_error sabir_list(sabir_conn *conn, const char *prefix, enum sabir_kind kind, struct sabir_cursor *cursor,
			    struct sabir_info **infos, size_t *n);

/*
 * Any operation in its encoded form: `method` as in gRPC ("/sabir.v1.QueueService/Put"), `request` the encoded request
 * message; `response` the encoded response, `response_len` bytes, in a block. The same on both kinds of connections.
 * It waits as the request's own timeout says, at most timeout_ns. Errors: every one of the method (its comment in the
 * .proto lists them), UNIMPLEMENTED (no such method), INVALID_ARGUMENT (no such message), TIMED_OUT (timeout_ns has
 * passed).
 */
enum sabir_error sabir_call(sabir_conn *conn, const char *method, const void *request, size_t request_len,
			    uint64_t timeout_ns, void **response, size_t *response_len);

#ifdef __cplusplus
}
#endif

#include <sabir_admin.h>
#include <sabir_array.h>
#include <sabir_cancel.h>
#include <sabir_dict.h>
#include <sabir_flow.h>
#include <sabir_in_place.h>
#include <sabir_list.h>
#include <sabir_namespace.h>
#include <sabir_pipe.h>
#include <sabir_queue.h>
#include <sabir_session.h>
#include <sabir_sync.h>
#include <sabir_task_queue.h>
#include <sabir_value.h>
#include <sabir_watch.h>

#endif
