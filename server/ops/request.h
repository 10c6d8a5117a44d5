/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_REQUEST_H
#define SABIR_OPS_REQUEST_H

#include "server/base/wire.h"
#include "server/objects/object.h"
#include "server/objects/scalar.h"

/*
 * Requests, read in place by tables: an operation lists the fields of its request message and where each goes in struct
 * op_request, which has room for those of every request. Spans point into the request's bytes.
 *
 * Fields that no table knows are skipped, as protobuf has it; a known field of the wrong wire type, one that comes
 * twice, and one that is required and missing are INVALID_ARGUMENT. The unit test compares the tables with what protoc
 * makes of the protos.
 *
 * What a negative time-out is follows Python, and the table says it: those of queues are DURATIONs, as queue.Queue raises a
 * ValueError; those of all else are TIMEOUTs, as the semaphores, events, conditions and barriers of threading, the locks of
 * multiprocessing and Connection.poll don't wait then. What Python has no time-out for follows its kind.
 */
struct op_call;

enum field_kind {
	FIELD_REF,      /* ObjectRef                 -> struct object_ref */
	FIELD_VALUE,    /* Value, checked            -> struct span */
	FIELD_KEY,      /* Value, checked, canonical -> struct span */
	FIELD_REPEATED, /* messages, counted         -> uint32_t; read them with request_next */
	FIELD_SCALAR,   /* Scalar                    -> struct scalar */
	FIELD_ELEMENTS, /* Elements                  -> struct elements */
	FIELD_DURATION, /* Duration                  -> uint64_t, ns; a negative one is INVALID_ARGUMENT */
	FIELD_TIMEOUT,  /* Duration                  -> uint64_t, ns; a negative one is 0: don't wait */
	FIELD_SPEC,     /* one of the specs          -> struct op_spec */
	FIELD_BYTES,    /* string, bytes             -> struct span */
	FIELD_U32,      /* uint32                    -> uint32_t */
	FIELD_ENUM,     /* an enum                   -> uint32_t */
	FIELD_U64,      /* uint64, int64             -> uint64_t, int64_t */
	FIELD_BOOL,     /* bool                      -> bool */
};

struct request_field {
	uint32_t number; /* 0 ends a table */
	enum field_kind kind;
	size_t offset;
	const char *name;
	bool required;
};

#define FIELD(number, kind, member, name)                                                                              \
	{                                                                                                              \
		number, FIELD_##kind, offsetof(struct op_request, member), name, false                                 \
	}
#define REQUIRED(number, kind, member, name)                                                                           \
	{                                                                                                              \
		number, FIELD_##kind, offsetof(struct op_request, member), name, true                                  \
	}
#define FIELDS_END                                                                                                     \
	{                                                                                                              \
		0, 0, 0, NULL, false                                                                                   \
	}

struct object_ref {
	struct span name; /* data NULL: the handle counts */
	uint64_t handle;
};

struct elements {
	uint32_t type_code; /* as in the enum TypeCode */
	struct span data;
};

struct op_spec {
	uint32_t field; /* 9 + the kind; 0: none */
	struct span message;
};

struct op_request {
	struct object_ref ref;
	struct object_ref other; /* a second object */
	struct span key;         /* the Values: data NULL where absent */
	struct span item;
	struct span expected;
	struct span desired;
	struct span text; /* name, prefix */
	struct span page_token;
	struct span data;
	struct scalar scalar;
	struct scalar expected_scalar;
	struct elements elements;
	struct op_spec spec;
	int64_t index;
	int64_t stop;
	int64_t step;
	uint64_t start;
	uint64_t count;
	uint64_t max_items;
	uint64_t max_item_bytes;
	uint64_t timeout_ns;
	uint64_t delay_ns;
	uint64_t ttl_ns; /* of an object, or of an item; 0: absent */
	uint64_t lease_ns;
	uint64_t lease_token;
	int64_t priority;
	struct span dedup_id;
	struct span dead_letter;
	struct object_ref to;
	struct task_spec task;
	uint32_t discipline;
	bool tasks;
	uint32_t n; /* max_items of a get, page_size */
	uint32_t n_repeated;
	uint32_t kind;
	uint32_t type_code;
	uint32_t end; /* of a pipe */
	bool one_way;
	uint32_t seen; /* bit i: field i of the message read last was there; those above 31 apart */
	bool exist_ok;
	bool flag; /* reverse, append */
	bool ephemeral;
	bool reverse;
	bool keep_ttl;
	bool first;
	bool strict;
	bool bounded;
	bool owned;
	bool has_scalar; /* `scalar` was there */
};

/*
 * Reads a message by a table; members that the table does not name, and fields that are absent, are left as they are.
 */
enum sabir_error request_read(struct op_call *c, struct span message, const struct request_field *fields,
			      struct op_request *r);

/* The next field `number` with a length, *rest moves behind it; false: no more. */
bool request_next(struct span *rest, uint32_t number, struct span *bytes);

#endif
