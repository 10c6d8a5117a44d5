/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_CALL_H
#define SABIR_OPS_CALL_H

#include "server/objects/object.h"
#include "server/ops/ops.h"
#include "server/ops/request.h"
#include "server/ops/response.h"

/*
 * What an operation's function sees. When it is called the request has been read and checked, and where it refers to an
 * object, `handle` is that object's. It writes its response fields, or leaves them unwritten and returns an error.
 */
struct op_call {
	const struct op *op;
	struct lane *lane;
	const struct op_front *front; /* NULL: a local program */
	struct op_request request;
	struct span message; /* the request as it came */
	uint64_t handle;
	uint64_t memory; /* op_wait.memory: kept when the operation is to be run again */
	uint32_t over;   /* op_wait.over */
	struct bytes *response;
	struct op_wait *wait;
	char *detail;
	struct bytes scratch; /* lives as long as the call */
};

typedef enum sabir_error op_function(struct op_call *c);
/* As op_undo. */
typedef enum sabir_error op_undo_function(struct lane *lane, struct op_receipt *receipt, struct span response);

struct op {
	const char *path;
	const char *noun; /* what its objects are called in texts for people */
	op_function *run;
	const struct request_field *fields;
	bool can_wait;
	uint32_t kind; /* of kinds that share their functions: the one that it is for; 0: its functions see to that */
	op_undo_function *undo; /* NULL: it is not undone */
	bool lasts;             /* what it keeps in `memory` is something in the object: see enum op_over */
	bool reads;             /* it changes nothing, so it may be performed as often as one likes */
	uint32_t heavy;         /* not 0: it looks at all of the object, and takes long from so many elements on */
};

/* About half a millisecond's work. */
#define HEAVY_SORT 1000u
#define HEAVY_CHANGE 8000u
#define HEAVY_SCAN 16000u
#define HEAVY_REQUEST UINT32_MAX /* only by the length of its request */

/* clang-format off */
#define OP_ROW(service, method, its_noun, function, its_fields, ...) \
	{ .path = "/sabir.v1." #service "/" #method, .noun = its_noun, .run = function, .fields = its_fields, __VA_ARGS__ }
#define OP(service, method, noun, function, fields) \
	OP_ROW(service, method, noun, function, fields, .heavy = 0)
#define OP_READS(service, method, noun, function, fields) \
	OP_ROW(service, method, noun, function, fields, .reads = true)
#define OP_HEAVY(service, method, noun, function, fields, n) \
	OP_ROW(service, method, noun, function, fields, .heavy = n)
#define OP_HEAVY_READS(service, method, noun, function, fields, n) \
	OP_ROW(service, method, noun, function, fields, .heavy = n, .reads = true)
#define OP_WAITS(service, method, noun, function, fields) \
	OP_ROW(service, method, noun, function, fields, .can_wait = true)
#define OP_WAITS_READS(service, method, noun, function, fields) \
	OP_ROW(service, method, noun, function, fields, .can_wait = true, .reads = true)
#define OP_WAITS_UNDONE(service, method, noun, function, fields, how) \
	OP_ROW(service, method, noun, function, fields, .can_wait = true, .undo = how)
#define OP_WAITS_IN_LINE(service, method, noun, function, fields) \
	OP_ROW(service, method, noun, function, fields, .can_wait = true, .lasts = true)
#define OP_WAITS_IN_LINE_UNDONE(service, method, noun, function, fields, how) \
	OP_ROW(service, method, noun, function, fields, .can_wait = true, .undo = how, .lasts = true)
#define OP_OF_KIND(service, method, noun, its_kind, function, fields) \
	OP_ROW(service, method, noun, function, fields, .kind = its_kind)
#define OP_READS_OF_KIND(service, method, noun, its_kind, function, fields) \
	OP_ROW(service, method, noun, function, fields, .kind = its_kind, .reads = true)
#define OP_HEAVY_OF_KIND(service, method, noun, its_kind, function, fields, n) \
	OP_ROW(service, method, noun, function, fields, .kind = its_kind, .heavy = n)
/* clang-format on */

/* One for each file ops_*.c, in the order of the protos. */
struct op_service {
	const struct op *ops;
	size_t n_ops;
};
extern const struct op_service manager_service, queue_service, value_service, array_service, dict_service,
	dict_page_service, dict_copy_service, namespace_service;
extern const struct op_service list_service, shared_list_service;
extern const struct op_service session_service, event_service, pipe_service, block_service;
extern const struct op_service lock_service, semaphore_service, task_service, watch_service;
extern const struct op_service condition_service, barrier_service, admin_service;

/* Writes the detail (printf) and returns the error. */
enum sabir_error op_fail(struct op_call *c, enum sabir_error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same behind the object's noun and name: "queue 'jobs/in': ". */
enum sabir_error op_fail_object(struct op_call *c, enum sabir_error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Whether the caller may do what is for operators: of a peer its address is known, and that of a unix socket can't be
 * another's. `what` is done, for the detail. Errors: PERMISSION_DENIED. There is a front.
 */
enum sabir_error op_check_operator(struct op_call *c, const char *what);

/* Whether the call's object is a queue that is no task queue: what needs one is NOT_ENABLED then, not WRONG_KIND. */
bool op_is_plain_queue(struct op_call *c);

/* Returns `error`; if it is `waits_on` and there is time left, says so in c->wait, with c->memory. */
enum sabir_error op_may_wait(struct op_call *c, enum sabir_error error, enum sabir_error waits_on, uint32_t side);

/*
 * Tokens of pages: the cursor, and a check that binds it to the operation and to `scope` (the object, or the filter),
 * so that a token from elsewhere is refused. An empty token is cursor 0. Errors: INVALID_ARGUMENT.
 */
enum sabir_error page_cursor(struct op_call *c, uint64_t scope, uint64_t *cursor);
/* Adds the response's field next_page_token unless the cursor is 0. Errors: NO_MEMORY. */
enum sabir_error page_respond(struct op_call *c, uint32_t number, uint64_t scope, uint64_t cursor);
uint64_t page_scope(const struct op_call *c, uint64_t n, struct span text);

#endif
