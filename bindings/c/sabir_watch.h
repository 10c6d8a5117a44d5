/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of objects of every kind, as they happen. Part of <sabir.h>, which says what holds for all functions.
 */
#ifndef SABIR_WATCH_H
#define SABIR_WATCH_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A watch tells first a snapshot, then the changes with a rising sequence. A change says where it was, not what is there
 * now: that is read with the kind's own functions, or by include_values, and is at least as new as the change. So who
 * reads behind each change that he is told of ends with what the object holds.
 *
 * No change is lost in silence; one may be told twice. Nobody waits for a watcher: an object remembers its last 127
 * changes, and a watch that is too slow gets another snapshot, which says what it lost. So does one on whose object a
 * program died or was stopped in the middle of a change. What is written through mapped memory is not seen.
 *
 * An object that is watched takes 16 KiB more, until nobody has asked or waited for a minute.
 */
typedef struct sabir_watch sabir_watch;

enum sabir_change_kind {
	SABIR_CHANGE_OTHER = 0,   /* something, anywhere: its state is to be read again */
	SABIR_CHANGE_SET = 1,     /* a value; a range from `index`; a key */
	SABIR_CHANGE_DELETED = 2, /* a key */
	SABIR_CHANGE_CLEARED = 3, /* dict, namespace */
	SABIR_CHANGE_PUT = 4,     /* queue; pipe: for the end `index` */
	SABIR_CHANGE_TAKEN = 5,   /* queue; pipe: at the end `index` */
	SABIR_CHANGE_ACQUIRED = 6,
	SABIR_CHANGE_RELEASED = 7,
	SABIR_CHANGE_SIGNALLED = 8,
	SABIR_CHANGE_UNSIGNALLED = 9,
	SABIR_CHANGE_CLOSED = 10,
	SABIR_CHANGE_TTL = 11,
	SABIR_CHANGE_SNAPSHOT = 100 /* no change: the state as it is now */
};

struct sabir_watch_options {
	size_t size;             /* sizeof(struct sabir_watch_options) */
	uint64_t after_sequence; /* go on behind it, from an earlier watch of the object; 0: begin with a snapshot */
	bool include_values;     /* dict, namespace: give the values of the keys that changed */
	const struct sabir_item *keys; /* dict, namespace: only these keys, n_keys up to 64; NULL: all */
	size_t n_keys;
	const char *key_prefix; /* dict, namespace: and keys that are text and begin so; NULL: none */
};

/* What a watch tells. Items point into the watch and are valid until its next use. */
struct sabir_change {
	uint64_t sequence;
	uint32_t kind; /* enum sabir_change_kind */
	bool has_key;  /* dict, namespace: `key` is the only one that changed; false: any of them may have */
	bool has_value;
	bool absent; /* include_values: the key is not there any more */
	struct sabir_item key;
	struct sabir_item value;
	uint64_t index;
	uint64_t count; /* of elements, bytes, items or units; 0 of a list or array: any of them */
	/* SNAPSHOT alone: */
	uint64_t length; /* as in sabir_info; event: 1 = set; lock: 1 = held; semaphore: the count */
	bool closed;
	struct sabir_item number; /* value: what it holds */
	uint64_t lost_from;       /* the sequences that were lost before it, 0 = none */
	uint64_t lost_to;
};

/*
 * Watches the object with the handle. It is looked at first by sabir_watch_next, which has the errors. `options` may be
 * NULL. Errors: INVALID_ARGUMENT (options), INVALID_VALUE (a key).
 */
enum sabir_error sabir_watch_open(sabir_conn *conn, uint64_t handle, const struct sabir_watch_options *options,
				  sabir_watch **watch);
/* Ends the watch; NULL is fine. The connection stays. */
void sabir_watch_close(sabir_watch *watch);
/*
 * The next change or snapshot; waits until there is one. One thread at a time. Errors: WOULD_BLOCK (timeout_ns passed),
 * NOT_FOUND, DELETED, WRONG_KIND (keys, and it has none), RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_watch_next(sabir_watch *watch, uint64_t timeout_ns, struct sabir_change *change);

/*
 * Waits while the value holds `expected`, compared as sabir_value_compare_exchange does; `found` or NULL: what it then
 * holds. A value that changes back between two looks may be missed. Errors: WOULD_BLOCK (timeout_ns passed),
 * WRONG_TYPE, OUT_OF_RANGE; remotely RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_value_wait(sabir_value *value, const struct sabir_item *expected, uint64_t timeout_ns,
				  struct sabir_item *found);

#ifdef __cplusplus
}
#endif

#endif
