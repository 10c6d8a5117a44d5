/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: the shared objects of Python's multiprocessing.Manager for C programs: queues, values, arrays and dicts here, pipes,
 * lists, namespaces, locks, what else is waited for, sessions and watches in the headers that this one includes.
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
#include <string.h>

#include <sabir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SABIR_FOREVER UINT64_MAX
#define SABIR_MICROSECOND UINT64_C(1000)
#define SABIR_MILLISECOND UINT64_C(1000000)
#define SABIR_SECOND UINT64_C(1000000000)

/* A connection to a server, and what it found there. */
typedef struct sabir_conn sabir_conn;
typedef struct sabir_queue sabir_queue;
typedef struct sabir_value sabir_value;
typedef struct sabir_array sabir_array;
typedef struct sabir_dict sabir_dict;

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

/* ------------------------------------------------------------------ items */

/*
 * The kinds of items: what a queue holds, and the keys and values of a dict. The numbers are those of sabir.v1.Value.
 */
enum sabir_item_kind {
	SABIR_ITEM_NULL = 1,
	SABIR_ITEM_BOOL = 2,
	SABIR_ITEM_INT = 3,  /* -2^63 to 2^63-1 */
	SABIR_ITEM_UINT = 4, /* 0 to 2^64-1; as a key, one up to 2^63-1 equals the same INT */
	SABIR_ITEM_DOUBLE = 5,
	SABIR_ITEM_TEXT = 6, /* UTF-8, may hold NUL */
	SABIR_ITEM_BYTES = 7,
	SABIR_ITEM_LIST = 8,       /* made by a sabir_builder, read by a sabir_reader */
	SABIR_ITEM_MAP = 9,        /* likewise */
	SABIR_ITEM_TIMESTAMP = 10, /* UTC, years 1 to 9999 */
	SABIR_ITEM_OBJECT = 11,    /* another shared object */
	SABIR_ITEM_OPAQUE = 12,    /* bytes with the name of their format */
	SABIR_ITEM_ENCODED = 100   /* a whole encoded sabir.v1.Value; only given, never received */
};

/*
 * One item. It owns nothing: `as.data` and `content_type` point to the caller's memory in arguments, and into the
 * block or buffer of the result in results. Unused members are ignored in arguments and 0 in results.
 */
struct sabir_item {
	uint32_t kind; /* enum sabir_item_kind */
	uint32_t aux;  /* TIMESTAMP: nanoseconds, 0 to 999999999; OPAQUE: bytes of content_type */
	size_t len; /* bytes at as.data: TEXT, BYTES, LIST, MAP, OPAQUE, ENCODED; OBJECT: its name's, 0 = by handle */
	union {
		bool boolean;
		int64_t i;  /* INT; TIMESTAMP: seconds since 1970 */
		uint64_t u; /* UINT; OBJECT by handle */
		double d;
		const void *data;
	} as;
	const char *content_type; /* OPAQUE: for example "application/json"; not empty */
};

/* A dict's or map's key and value. */
struct sabir_entry {
	struct sabir_item key;
	struct sabir_item value;
};

/* Items of each simple kind. They point to what they are given. */
static inline struct sabir_item sabir_item_of(uint32_t kind, const void *data, size_t len)
{
	struct sabir_item item;
	memset(&item, 0, sizeof(item));
	item.kind = kind;
	item.len = len;
	item.as.data = data;
	return item;
}
static inline struct sabir_item sabir_null(void)
{
	return sabir_item_of(SABIR_ITEM_NULL, NULL, 0);
}
static inline struct sabir_item sabir_bool(bool v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_BOOL, NULL, 0);
	item.as.boolean = v;
	return item;
}
static inline struct sabir_item sabir_int(int64_t v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_INT, NULL, 0);
	item.as.i = v;
	return item;
}
static inline struct sabir_item sabir_uint(uint64_t v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_UINT, NULL, 0);
	item.as.u = v;
	return item;
}
static inline struct sabir_item sabir_double(double v)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_DOUBLE, NULL, 0);
	item.as.d = v;
	return item;
}
static inline struct sabir_item sabir_text_n(const char *text, size_t len)
{
	return sabir_item_of(SABIR_ITEM_TEXT, text, len);
}
static inline struct sabir_item sabir_text(const char *text)
{
	return sabir_text_n(text, strlen(text));
}
static inline struct sabir_item sabir_bytes(const void *data, size_t len)
{
	return sabir_item_of(SABIR_ITEM_BYTES, data, len);
}
static inline struct sabir_item sabir_timestamp(int64_t seconds, uint32_t nanoseconds)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_TIMESTAMP, NULL, 0);
	item.aux = nanoseconds;
	item.as.i = seconds;
	return item;
}
static inline struct sabir_item sabir_object(uint64_t handle)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_OBJECT, NULL, 0);
	item.as.u = handle;
	return item;
}
static inline struct sabir_item sabir_opaque(const char *content_type, const void *data, size_t len)
{
	struct sabir_item item = sabir_item_of(SABIR_ITEM_OPAQUE, data, len);
	item.aux = (uint32_t)strlen(content_type);
	item.content_type = content_type;
	return item;
}
static inline struct sabir_item sabir_encoded(const void *data, size_t len)
{
	return sabir_item_of(SABIR_ITEM_ENCODED, data, len);
}

/*
 * A buffer that calls reuse, as getline() does: all-zero at first; the library makes it larger with malloc and realloc
 * where an item needs it, and the caller frees `data` in the end with sabir_free(). One thread at a time.
 */
struct sabir_buffer {
	void *data;
	size_t size;
};

/*
 * The item as an encoded sabir.v1.Value in the buffer, `*len` bytes.
 * Errors: INVALID_VALUE (unknown kind, text that is not UTF-8, and what else sabir.v1.Value forbids), NO_MEMORY.
 */
enum sabir_error sabir_encode(const struct sabir_item *item, struct sabir_buffer *buffer, size_t *len);
/* The item in an encoded sabir.v1.Value; it points into `data`. Errors: INVALID_VALUE. */
enum sabir_error sabir_decode(const void *data, size_t len, struct sabir_item *item);

/*
 * Makes lists and maps. Begin one, append its items (in a map a key, then its value, and so on), end it; in between
 * others may begin and end, up to the depth that sabir.v1.Value allows. What is refused leaves the builder as it was;
 * after NO_MEMORY it can only be freed. One thread at a time.
 */
typedef struct sabir_builder sabir_builder;
/* NULL when out of memory. */
sabir_builder *sabir_builder_new(void);
/* NULL is fine. */
void sabir_builder_free(sabir_builder *builder);
/* Errors: INVALID_VALUE (nested too deep), INVALID_ARGUMENT (the outermost has ended), NO_MEMORY. */
enum sabir_error sabir_builder_begin_list(sabir_builder *builder);
enum sabir_error sabir_builder_begin_map(sabir_builder *builder);
/* Errors: INVALID_VALUE (as sabir_encode), INVALID_ARGUMENT (nothing has begun), NO_MEMORY. */
enum sabir_error sabir_builder_append(sabir_builder *builder, const struct sabir_item *item);
/* Errors: INVALID_ARGUMENT (nothing has begun, or a key has no value). */
enum sabir_error sabir_builder_end(sabir_builder *builder);
/*
 * The outermost list or map, which has ended. It points into the builder and is valid until the builder is used again,
 * which starts anew. Errors: INVALID_ARGUMENT (it has not ended, or not begun).
 */
enum sabir_error sabir_builder_finish(sabir_builder *builder, struct sabir_item *item);

/* Reads a list or map from its beginning; owns nothing. Its members are the library's. */
struct sabir_reader {
	const void *at;
	size_t left;
	uint32_t kind;
};
/* Errors: WRONG_TYPE (neither list nor map). */
enum sabir_error sabir_reader_init(struct sabir_reader *reader, const struct sabir_item *list_or_map);
/* The next item of a list. Errors: EMPTY (behind the last), WRONG_TYPE (a map), INVALID_VALUE. */
enum sabir_error sabir_reader_next(struct sabir_reader *reader, struct sabir_item *item);
/* The next entry of a map. Errors: EMPTY (behind the last), WRONG_TYPE (a list), INVALID_VALUE. */
enum sabir_error sabir_reader_next_entry(struct sabir_reader *reader, struct sabir_entry *entry);

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
 * The object ends by itself ttl_ns from now, a few milliseconds late at most; 0: it does not any more. Called again it
 * lives longer. Errors: INVALID_NAME, NOT_FOUND.
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

/* ------------------------------------------------------------------ queue */

/*
 * First in, first out; any number of putters and getters. An item is an encoded sabir.v1.Value of at most the queue's
 * max_item_bytes (the server's default is 16 MiB); its encoding adds at most 12 bytes to text or bytes.
 */

/* Creates a queue of at most max_items (0 = limited by memory alone). Errors: as sabir_create. */
enum sabir_error sabir_queue_create(sabir_conn *conn, const char *name, uint64_t max_items, unsigned flags,
				    sabir_queue **queue);
/* Opens a queue. Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_queue_open(sabir_conn *conn, const char *name, sabir_queue **queue);
/* The same by handle. Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_queue_open_handle(sabir_conn *conn, uint64_t handle, sabir_queue **queue);
/* Frees the handle, not the queue; NULL is fine. */
void sabir_queue_free(sabir_queue *queue);
/* The queue's handle, for sabir_object() and the functions by handle. */
uint64_t sabir_queue_handle(const sabir_queue *queue);

/*
 * Adds an item; waits while the queue is full. Errors: FULL (timeout_ns passed), CLOSED, INVALID_VALUE, TOO_LARGE,
 * RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_queue_put(sabir_queue *queue, const struct sabir_item *item, uint64_t timeout_ns);
/* The same with `len` bytes, and with NUL-terminated UTF-8 text. */
enum sabir_error sabir_queue_put_bytes(sabir_queue *queue, const void *data, size_t len, uint64_t timeout_ns);
enum sabir_error sabir_queue_put_text(sabir_queue *queue, const char *text, uint64_t timeout_ns);
/*
 * Adds, in one step, as many of n (1 to 65536) items as there is room for, from the first on; waits for room for the
 * first. `accepted` or NULL: how many, at least 1. Errors: as sabir_queue_put, and INVALID_ARGUMENT (n); then none was
 * added.
 */
enum sabir_error sabir_queue_put_many(sabir_queue *queue, const struct sabir_item *items, size_t n, uint64_t timeout_ns,
				      size_t *accepted);
/* Takes the first item; waits while the queue is empty. Errors: EMPTY (timeout_ns passed), CLOSED (and empty). */
enum sabir_error sabir_queue_get(sabir_queue *queue, uint64_t timeout_ns, struct sabir_item **item);
/* The same without an allocation where the buffer is large enough; `item` points into the buffer. */
enum sabir_error sabir_queue_get_into(sabir_queue *queue, uint64_t timeout_ns, struct sabir_buffer *buffer,
				      struct sabir_item *item);
/*
 * Takes the items that are there, up to max (1 to 65536); waits for the first. `n` is at least 1. No other getter's item is
 * between them; where one takes the next, it ends with what it has. Of a plain queue peek and state may see it half done.
 * Errors: as sabir_queue_get, and INVALID_ARGUMENT (max).
 */
enum sabir_error sabir_queue_get_many(sabir_queue *queue, size_t max, uint64_t timeout_ns, struct sabir_item **items,
				      size_t *n);
/* The same into the caller's array of max items, which point into the buffer. */
enum sabir_error sabir_queue_get_many_into(sabir_queue *queue, size_t max, uint64_t timeout_ns,
					   struct sabir_buffer *buffer, struct sabir_item *items, size_t *n);
/* Shows the first item and leaves it there. Errors: EMPTY, CLOSED (and empty). */
enum sabir_error sabir_queue_peek(sabir_queue *queue, struct sabir_item **item);

struct sabir_queue_state {
	uint64_t size;      /* items */
	uint64_t max_items; /* 0 = limited by memory alone */
	bool closed;
};
/* How full the queue is now. */
enum sabir_error sabir_queue_state(sabir_queue *queue, struct sabir_queue_state *state);
/* Parts of it: the number of items; whether there are none; whether there are max_items (never if that is 0). */
enum sabir_error sabir_queue_size(sabir_queue *queue, uint64_t *size);
enum sabir_error sabir_queue_empty(sabir_queue *queue, bool *empty);
enum sabir_error sabir_queue_full(sabir_queue *queue, bool *full);
/* Removes the items that are there; of a plain queue one by one: gets may come in between. `removed` or NULL: how many. */
enum sabir_error sabir_queue_clear(sabir_queue *queue, uint64_t *removed);
/*
 * Closes the queue for everybody and for good: puts fail at once, gets take what is left and then fail. Twice is fine.
 * Errors: RESOURCE_EXHAUSTED (the mark behind the last item has no room).
 */
enum sabir_error sabir_queue_close(sabir_queue *queue);

/* ------------------------------------------------------------------ value */

/*
 * One number of a fixed type; every operation is atomic. Numbers are items: results are INT for the codes b h i l q c
 * u, UINT for B H I L Q, DOUBLE for f d, BOOL for ?. Arguments may be INT or UINT for any integer code and for f and
 * d; a DOUBLE only for f and d, a BOOL only for ?. Other pairs are WRONG_TYPE, numbers that the type can't hold
 * OUT_OF_RANGE.
 */

/* Creates a value of the type, which is 0. Errors: as sabir_create; INVALID_ARGUMENT is an unknown type code. */
enum sabir_error sabir_value_create(sabir_conn *conn, const char *name, char type_code, unsigned flags,
				    sabir_value **value);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_value_open(sabir_conn *conn, const char *name, sabir_value **value);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_value_open_handle(sabir_conn *conn, uint64_t handle, sabir_value **value);
/* Frees the handle, not the value; NULL is fine. */
void sabir_value_free(sabir_value *value);
uint64_t sabir_value_handle(const sabir_value *value);
char sabir_value_type_code(const sabir_value *value);

enum sabir_error sabir_value_get(sabir_value *value, struct sabir_item *number);
/* Errors: WRONG_TYPE, OUT_OF_RANGE. */
enum sabir_error sabir_value_set(sabir_value *value, const struct sabir_item *number);
/*
 * Adds and gives the new number (or NULL). Integers wrap at their width, as in two's complement; deltas may be
 * negative or wider than the type. Errors: WRONG_TYPE (c, u and ? are no numbers; a DOUBLE or BOOL for an integer).
 */
enum sabir_error sabir_value_add(sabir_value *value, const struct sabir_item *delta, struct sabir_item *sum);
/* Writes and gives what was there (or NULL). Errors: WRONG_TYPE, OUT_OF_RANGE. */
enum sabir_error sabir_value_exchange(sabir_value *value, const struct sabir_item *desired,
				      struct sabir_item *previous);
/*
 * Writes `desired` if the value holds `expected`, bit for bit. `exchanged`: whether; `found` or NULL: what was there.
 * Errors: WRONG_TYPE, OUT_OF_RANGE.
 */
enum sabir_error sabir_value_compare_exchange(sabir_value *value, const struct sabir_item *expected,
					      const struct sabir_item *desired, bool *exchanged,
					      struct sabir_item *found);

/*
 * The same in C's types. Reading: WRONG_TYPE where the type is of the other sort (f and d are read as double; integers
 * and ? as int or uint, integers also as double), OUT_OF_RANGE where the number does not fit.
 */
enum sabir_error sabir_value_get_int(sabir_value *value, int64_t *number);
enum sabir_error sabir_value_get_uint(sabir_value *value, uint64_t *number);
enum sabir_error sabir_value_get_double(sabir_value *value, double *number);
enum sabir_error sabir_value_set_int(sabir_value *value, int64_t number);
enum sabir_error sabir_value_set_uint(sabir_value *value, uint64_t number);
enum sabir_error sabir_value_set_double(sabir_value *value, double number);
/*
 * `sum` or NULL. Where the sum was written but can't be told in the result's type: OUT_OF_RANGE or WRONG_TYPE with
 * `sum` untouched.
 */
enum sabir_error sabir_value_add_int(sabir_value *value, int64_t delta, int64_t *sum);
enum sabir_error sabir_value_add_double(sabir_value *value, double delta, double *sum);

/* ------------------------------------------------------------------ array */

/*
 * A fixed number of elements of one type. Operations on one element are atomic; those on a slice are for each element.
 * Elements are numbers as with sabir_value. An index below 0 counts from the end. All: OUT_OF_RANGE (an index or slice
 * past the end).
 */

/* Creates an array of `length` zeros. Errors: as sabir_create; INVALID_ARGUMENT is an unknown type code. */
enum sabir_error sabir_array_create(sabir_conn *conn, const char *name, char type_code, uint64_t length, unsigned flags,
				    sabir_array **array);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_array_open(sabir_conn *conn, const char *name, sabir_array **array);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_array_open_handle(sabir_conn *conn, uint64_t handle, sabir_array **array);
/* Frees the handle, not the array; NULL is fine. */
void sabir_array_free(sabir_array *array);
uint64_t sabir_array_handle(const sabir_array *array);
char sabir_array_type_code(const sabir_array *array);
/* Bytes of one element: 1, 2, 4 or 8. */
size_t sabir_array_width(const sabir_array *array);

enum sabir_error sabir_array_len(sabir_array *array, uint64_t *length);
enum sabir_error sabir_array_get(sabir_array *array, int64_t index, struct sabir_item *number);
/* Errors: WRONG_TYPE, OUT_OF_RANGE (also the number). */
enum sabir_error sabir_array_set(sabir_array *array, int64_t index, const struct sabir_item *number);
/* As sabir_value_add. */
enum sabir_error sabir_array_add(sabir_array *array, int64_t index, const struct sabir_item *delta,
				 struct sabir_item *sum);
/* As sabir_value_compare_exchange. */
enum sabir_error sabir_array_compare_exchange(sabir_array *array, int64_t index, const struct sabir_item *expected,
					      const struct sabir_item *desired, bool *exchanged,
					      struct sabir_item *found);
/* As the functions of the same names with sabir_value. */
enum sabir_error sabir_array_get_int(sabir_array *array, int64_t index, int64_t *number);
enum sabir_error sabir_array_get_uint(sabir_array *array, int64_t index, uint64_t *number);
enum sabir_error sabir_array_get_double(sabir_array *array, int64_t index, double *number);
enum sabir_error sabir_array_set_int(sabir_array *array, int64_t index, int64_t number);
enum sabir_error sabir_array_set_uint(sabir_array *array, int64_t index, uint64_t number);
enum sabir_error sabir_array_set_double(sabir_array *array, int64_t index, double number);
enum sabir_error sabir_array_add_int(sabir_array *array, int64_t index, int64_t delta, int64_t *sum);
enum sabir_error sabir_array_add_double(sabir_array *array, int64_t index, double delta, double *sum);
/*
 * Copies `count` elements from `start` on to `elements`, which has room for count times sabir_array_width() bytes.
 * Errors: TOO_LARGE (remote: more than one message holds).
 */
enum sabir_error sabir_array_get_slice(sabir_array *array, uint64_t start, uint64_t count, void *elements);
/*
 * Writes `count` elements from `start` on; none if it fails. Errors: OUT_OF_RANGE (also an element that is no bool or
 * code point), TOO_LARGE (remote), RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_array_set_slice(sabir_array *array, uint64_t start, uint64_t count, const void *elements);
/* Writes the number to `count` places from `start` on. Errors: WRONG_TYPE, OUT_OF_RANGE, RESOURCE_EXHAUSTED. */
enum sabir_error sabir_array_fill(sabir_array *array, uint64_t start, uint64_t count, const struct sabir_item *number);
/*
 * Local only: the elements themselves, shared with everybody, `length` of them (or NULL). The pointer is good until
 * the handle is freed; use atomic accesses where others write. Deleting the array meanwhile gives its memory to
 * others. Errors: UNIMPLEMENTED (remote).
 */
enum sabir_error sabir_array_map(sabir_array *array, void **elements, uint64_t *length);

/* ------------------------------------------------------------------ dict */

/*
 * Insertion-ordered map from items to items. Every operation is atomic, the batches too. A key and its value together
 * are limited like a queue's item. Every function that takes an item can answer INVALID_VALUE; every one that writes
 * TOO_LARGE and RESOURCE_EXHAUSTED.
 */

/* Errors: as sabir_create. */
enum sabir_error sabir_dict_create(sabir_conn *conn, const char *name, unsigned flags, sabir_dict **dict);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_dict_open(sabir_conn *conn, const char *name, sabir_dict **dict);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_dict_open_handle(sabir_conn *conn, uint64_t handle, sabir_dict **dict);
/* Frees the handle, not the dict; NULL is fine. */
void sabir_dict_free(sabir_dict *dict);
uint64_t sabir_dict_handle(const sabir_dict *dict);

/* Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_get(sabir_dict *dict, const struct sabir_item *key, struct sabir_item **value);
/* The same without an allocation where the buffer is large enough; `value` points into the buffer. */
enum sabir_error sabir_dict_get_into(sabir_dict *dict, const struct sabir_item *key, struct sabir_buffer *buffer,
				     struct sabir_item *value);
/* Sets a key, new or not. `inserted` or NULL: whether it is new. */
enum sabir_error sabir_dict_set(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *value,
				bool *inserted);
/* Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_delete(sabir_dict *dict, const struct sabir_item *key);
enum sabir_error sabir_dict_contains(sabir_dict *dict, const struct sabir_item *key, bool *found);
enum sabir_error sabir_dict_len(sabir_dict *dict, uint64_t *length);
/*
 * Sets a missing key to `preset`, and gives the value that the key has then (or NULL). `inserted` or NULL: whether it
 * was missing.
 */
enum sabir_error sabir_dict_setdefault(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *preset,
				       struct sabir_item **value, bool *inserted);
/* Deletes a key and gives its value. Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_pop(sabir_dict *dict, const struct sabir_item *key, struct sabir_item **value);
/* Deletes the entry that was inserted last, or first, and gives it. Errors: EMPTY. */
enum sabir_error sabir_dict_popitem(sabir_dict *dict, struct sabir_entry **entry);
enum sabir_error sabir_dict_popitem_first(sabir_dict *dict, struct sabir_entry **entry);
/*
 * Makes a new dict with the content that `dict` has at one moment, or one with n keys that all have the same value (NULL:
 * null); a NULL or empty name makes an anonymous one. Errors: as sabir_create.
 */
enum sabir_error sabir_dict_copy(sabir_dict *dict, const char *name, sabir_dict **copy);
enum sabir_error sabir_dict_fromkeys(sabir_conn *conn, const char *name, const struct sabir_item *keys, size_t n,
				     const struct sabir_item *value, sabir_dict **dict);
/*
 * Sets n keys, all or none, visible in one step; of equal keys the last counts. `inserted` or NULL: how many are new.
 */
enum sabir_error sabir_dict_update(sabir_dict *dict, const struct sabir_entry *entries, size_t n, uint64_t *inserted);
/*
 * Adds a number (INT, UINT, DOUBLE) to the value of a key; a missing one counts from 0. `sum` or NULL: the new value.
 * Errors: WRONG_TYPE (the value or the delta is no number), OUT_OF_RANGE (integers beyond 64 bits).
 */
enum sabir_error sabir_dict_increment(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *delta,
				      struct sabir_item *sum);
/*
 * The same with an integer; OUT_OF_RANGE also where the sum was written but is beyond int64_t, WRONG_TYPE where it is
 * a double.
 */
enum sabir_error sabir_dict_increment_int(sabir_dict *dict, const struct sabir_item *key, int64_t delta, int64_t *sum);
/*
 * If the key holds `expected` (NULL: is missing), sets it to `desired` (NULL: deletes it). `exchanged`: whether.
 * `found` or NULL: what was there before, NULL if the key was missing.
 */
enum sabir_error sabir_dict_compare_exchange(sabir_dict *dict, const struct sabir_item *key,
					     const struct sabir_item *expected, const struct sabir_item *desired,
					     bool *exchanged, struct sabir_item **found);
/* Deletes all entries. `removed` or NULL: how many. */
enum sabir_error sabir_dict_clear(sabir_dict *dict, uint64_t *removed);

/*
 * Entries that end: so many nanoseconds from now on, then they are gone for everybody, and neither found nor counted nor
 * listed; SABIR_KEEP_TTL: when the key's present entry does, 0: never. What sets a key without saying so takes its end
 * away; increment and compare_exchange keep it, a copy's entries end when the original's do. The rest is as for the
 * function of the same name. Errors: INVALID_ARGUMENT (setdefault: SABIR_KEEP_TTL).
 */
#define SABIR_KEEP_TTL UINT64_MAX
enum sabir_error sabir_dict_set_ttl(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *value,
				    uint64_t ttl_ns, bool *inserted);
enum sabir_error sabir_dict_setdefault_ttl(sabir_dict *dict, const struct sabir_item *key,
					   const struct sabir_item *preset, uint64_t ttl_ns, struct sabir_item **value,
					   bool *inserted);
enum sabir_error sabir_dict_update_ttl(sabir_dict *dict, const struct sabir_entry *entries, size_t n, uint64_t ttl_ns,
				       uint64_t *inserted);
/* Gives an entry another time to live; 0: it does not end any more. Errors: KEY_NOT_FOUND, INVALID_ARGUMENT (SABIR_KEEP_TTL). */
enum sabir_error sabir_dict_expire(sabir_dict *dict, const struct sabir_item *key, uint64_t ttl_ns);
/* What is left of an entry's time to live; 0: it does not end. Errors: KEY_NOT_FOUND. */
enum sabir_error sabir_dict_ttl(sabir_dict *dict, const struct sabir_item *key, uint64_t *ttl_ns);

/*
 * The next page of keys, values or entries in insertion order: `n` > 0 of them in one block, or 0 and NULL after the
 * last. page_size: the most in one page, 0 = 1000, at most 10000 count. An entry that is there all the time comes
 * exactly once. Errors: INVALID_ARGUMENT (the cursor is of something else).
 */
enum sabir_error sabir_dict_keys(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				 struct sabir_item **keys, size_t *n);
enum sabir_error sabir_dict_values(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				   struct sabir_item **values, size_t *n);
enum sabir_error sabir_dict_items(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				  struct sabir_entry **entries, size_t *n);
/* The same from the entry inserted last to the first one. */
enum sabir_error sabir_dict_keys_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					  struct sabir_item **keys, size_t *n);
enum sabir_error sabir_dict_values_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					    struct sabir_item **values, size_t *n);
enum sabir_error sabir_dict_items_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					   struct sabir_entry **entries, size_t *n);

#ifdef __cplusplus
}
#endif

#include <sabir_admin.h>
#include <sabir_cancel.h>
#include <sabir_flow.h>
#include <sabir_in_place.h>
#include <sabir_list.h>
#include <sabir_namespace.h>
#include <sabir_pipe.h>
#include <sabir_session.h>
#include <sabir_sync.h>
#include <sabir_task_queue.h>
#include <sabir_watch.h>

#endif
