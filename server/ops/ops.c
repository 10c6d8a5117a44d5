/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operation table, and the way of every operation through it:
 *
 *   request ──request_read──► struct op_request ──the object's name──► handle ──the operation's function──► response
 *
 * The operations themselves stand in one file for each service: ops_queue.c and its like. The table is made of
 * constants; the index by path is built once, by whoever asks first.
 */
#include "server/ops/ops.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/objects/answers.h"
#include "server/objects/task_queue.h"
#include "server/ops/call.h"

/* clang-format off */
static const struct op_service *const services[] = {
	&manager_service,
	&queue_service,
	&task_service,
	&value_service,
	&array_service,
	&dict_service,
	&dict_page_service,
	&dict_copy_service,
	&namespace_service,
	&session_service,
	&admin_service,
	&event_service,
	&pipe_service,
	&block_service,
	&list_service,
	&shared_list_service,
	&lock_service,
	&semaphore_service,
	&condition_service,
	&barrier_service,
	&watch_service,
};
/* clang-format on */
#define N_SERVICES (sizeof(services) / sizeof(services[0]))

/* How long an operation waits for a lock whose holder does not go on, before it says so. */
#define LOCK_WAIT (10 * CLOCK_SECOND)
/* The same for one that is undone, and that nobody tries to undo again. */
#define UNDO_PATIENCE (100 * CLOCK_MILLISECOND)

/* A request of so many bytes has work for as long as a large object. */
#define LARGE_REQUEST (64u << 10)

/* ---------------------------------------------------------------- the table */

size_t op_count(void)
{
	size_t n = 0;

	for (size_t i = 0; i < N_SERVICES; i++)
		n += services[i]->n_ops;
	return n;
}

const struct op *op_at(size_t i)
{
	for (size_t s = 0; s < N_SERVICES; s++) {
		if (i < services[s]->n_ops)
			return &services[s]->ops[i];
		i -= services[s]->n_ops;
	}
	return NULL;
}

/* Open addressing; several times as many places as there are operations. */
#define INDEX_SIZE 2048u
static const struct op *by_path[INDEX_SIZE];
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static uint32_t path_hash(const char *path)
{
	uint32_t h = 2166136261u;

	while (*path)
		h = (h ^ (uint8_t)*path++) * 16777619u;
	return h ^ h >> 16;
}

static void build_index(void)
{
	_Static_assert((INDEX_SIZE & (INDEX_SIZE - 1)) == 0, "a power of two");
	for (size_t i = 0; i < op_count(); i++) {
		uint32_t at = path_hash(op_at(i)->path) % INDEX_SIZE;
		while (by_path[at])
			at = (at + 1) % INDEX_SIZE;
		by_path[at] = op_at(i);
	}
}

const struct op *op_find(const char *path)
{
	pthread_once(&index_once, build_index);
	for (uint32_t at = path_hash(path) % INDEX_SIZE; by_path[at]; at = (at + 1) % INDEX_SIZE)
		if (!strcmp(by_path[at]->path, path))
			return by_path[at];
	return NULL;
}

const char *op_path(const struct op *op)
{
	return op->path;
}

bool op_can_wait(const struct op *op)
{
	return op->can_wait;
}

bool op_reads(const struct op *op)
{
	return op->reads;
}

bool op_can_undo(const struct op *op)
{
	return op->undo != NULL;
}

void op_finish(struct op_receipt *receipt, bool wanted)
{
	struct lane *lane = receipt->open;
	size_t place = receipt->tasks ? sizeof(struct task_place) : sizeof(uint64_t);
	uint32_t n = receipt->places ? (uint32_t)(receipt->places_len / place) : 1;

	receipt->open = NULL;
	if (!lane)
		return;
	if (receipt->tasks && (wanted || task_queue_take_abandon(lane)))
		task_queue_take_close(lane, n);
	else if (!receipt->tasks && (wanted || queue_get_abandon(lane)))
		queue_get_close(lane, n);
	asked_closed(lane);
}

void op_receipt_fini(struct op_receipt *receipt)
{
	op_finish(receipt, true);
	free(receipt->places);
	*receipt = (struct op_receipt){ 0 };
}

enum sabir_error op_undo(const struct op *op, struct lane *lane, struct op_receipt *receipt, struct span response)
{
	lane->busy_object = LANE_NOT_BUSY;
	return op->undo ? op->undo(lane, receipt, response) : SABIR_UNIMPLEMENTED;
}

enum sabir_error op_undo_last(const struct op *op, struct lane *lane, struct op_receipt *receipt, struct span response)
{
	bool rings = lane->lock_rings;
	uint64_t patience_ns = lane->lock_patience_ns;
	lane->lock_rings = false;
	lane->lock_patience_ns = UNDO_PATIENCE;
	enum sabir_error error = op_undo(op, lane, receipt, response);
	lane->lock_rings = rings;
	lane->lock_patience_ns = patience_ns;
	return error;
}

bool op_lasts(const struct op *op, const struct op_wait *wait)
{
	return op->lasts && (!wait || wait->memory);
}

/* The object of a request, field 1 of all that have one; 0: it will say itself what is wrong. */
static uint64_t handle_of(struct lane *lane, struct span request)
{
	struct span rest = request, ref = { NULL, 0 };
	uint64_t handle = 0;
	struct wire_field f;

	if (!request_next(&rest, 1, &ref) || !ref.len)
		return 0;
	const uint8_t *at = ref.data, *end = at + ref.len;
	while (at < end && wire_next(&at, end, &f)) {
		if (f.number == 1 && f.type == WIRE_LEN && object_open(lane, f.bytes, &handle))
			return 0;
		if (f.number == 2 && f.type == WIRE_VARINT)
			handle = f.bits;
	}
	return handle;
}

bool op_is_heavy(const struct op *op, struct lane *lane, struct span request)
{
	struct object_info info;

	if (!op->heavy)
		return false;
	if (request.len >= LARGE_REQUEST || op->heavy == HEAVY_REQUEST)
		return request.len >= LARGE_REQUEST;
	return object_describe(lane, handle_of(lane, request), &info) == SABIR_OK && info.length >= op->heavy;
}

/* ---------------------------------------------------------------- running */

/* The object that the request names, unless an earlier run found it already. */
static enum sabir_error find_object(struct op_call *c, uint64_t known)
{
	const struct object_ref *ref = &c->request.ref;

	if (known) {
		c->handle = known;
		return SABIR_OK;
	}
	if (ref->name.data)
		return object_open(c->lane, ref->name, &c->handle);
	/* Handles can be guessed. */
	if (object_is_hidden(c->lane->seg, ref->handle))
		return op_fail_object(c, SABIR_NOT_FOUND, "%s", "");
	c->handle = ref->handle;
	return SABIR_OK;
}

/* What kind of object it really is, when it is of the wrong one. */
static void explain_kind(struct op_call *c)
{
	/* clang-format off */
	static const char *const nouns[] = {
		[SEG_KIND_QUEUE] = "a queue",
		[SEG_KIND_TASK_QUEUE] = "a queue",
		[SEG_KIND_VALUE] = "a value",
		[SEG_KIND_ARRAY] = "an array",
		[SEG_KIND_DICT] = "a dict",
		[SEG_KIND_LIST] = "a list",
		[SEG_KIND_SHARED_LIST] = "a shared list",
		[SEG_KIND_NAMESPACE] = "a namespace",
		[SEG_KIND_PIPE] = "a pipe",
		[SEG_KIND_LOCK] = "a lock",
		[SEG_KIND_RLOCK] = "an rlock",
		[SEG_KIND_SEMAPHORE] = "a semaphore",
		[SEG_KIND_CONDITION] = "a condition",
		[SEG_KIND_EVENT] = "an event",
		[SEG_KIND_BARRIER] = "a barrier",
		[SEG_KIND_BLOCK] = "a block",
	};
	/* clang-format on */
	struct object_info info;

	if (object_describe(c->lane, c->handle, &info) || info.kind >= sizeof(nouns) / sizeof(nouns[0]) ||
	    !nouns[info.kind])
		return;
	size_t len = strlen(c->detail);
	snprintf(c->detail + len, OP_DETAIL_SIZE - len, ": it is %s", nouns[info.kind]);
}

/* Who failed, where the operation itself has not said more. */
static void explain(struct op_call *c, enum sabir_error error)
{
	if (c->detail[0] || (!c->handle && !c->request.ref.name.data))
		return;
	(void)op_fail_object(c, error, "%s", "");
	if (error == SABIR_WRONG_KIND)
		explain_kind(c);
}

/* Whether it has to be known what became of it, if it is for a request with an id. */
static bool is_asked(const struct op_call *c)
{
	return !c->op->reads && c->over != OP_ABANDONED;
}

static enum sabir_error run(struct op_call *c, uint64_t known)
{
	enum sabir_error error = request_read(c, c->message, c->op->fields, &c->request);
	if (!error)
		error = find_object(c, known);
	if (!error && c->op->kind && object_is_other(c->lane->seg, c->handle, c->op->kind))
		error = SABIR_WRONG_KIND;
	if (!error && is_asked(c))
		asked_runs(c->lane);
	return error ? error : c->op->run(c);
}

/* Somebody holds a lock that this lane does not sleep for. A call that must not wait for others does wait for that. */
static void want_lock(struct op_call *c)
{
	uint64_t timeout_ns = c->request.timeout_ns;

	*c->wait = (struct op_wait){
		.wanted = true,
		.memory = c->memory,
		.also = c->wait->also,
		.object = c->lane->busy_object,
		.side = OP_WAIT_LOCK,
		.handle = c->handle,
		.timeout_ns = timeout_ns && timeout_ns < LOCK_WAIT ? timeout_ns : LOCK_WAIT,
	};
}

static enum sabir_error run_call(struct op_call *c, uint64_t known)
{
	uint8_t fixed[256];
	bool undoable = c->wait->undoable;

	bytes_init(&c->scratch, fixed, sizeof(fixed));
	bytes_empty(c->response);
	c->response->frame = 0;
	c->response->limit = 0;
	c->detail[0] = '\0';
	c->wait->wanted = false;
	c->memory = c->wait->memory;
	c->over = c->wait->over;
	c->wait->over = OP_GOES_ON;
	c->request.timeout_ns = OP_FOREVER;
	c->lane->busy_object = LANE_NOT_BUSY;
	if (is_asked(c))
		asked_begins(c->lane);
	enum sabir_error error = bytes_reserve(c->response, RESPONSE_ROOM) ? run(c, known) : SABIR_NO_MEMORY;
	if (error) {
		c->response->frame = 0;
		bytes_empty(c->response);
		explain(c, error);
		if (error == SABIR_BUSY && c->lane->busy_object != LANE_NOT_BUSY)
			want_lock(c);
	} else {
		bytes_join(c->response);
		c->wait->receipt.handle = c->handle;
	}
	if (is_asked(c))
		asked_ends(c->lane, error, c->wait->wanted, (struct span){ c->response->data, c->response->len });
	c->wait->undoable = undoable;
	c->response->limit = 0;
	bytes_fini(&c->scratch);
	return error;
}

enum sabir_error op_run(const struct op *op, struct lane *lane, struct span request, struct bytes *response,
			struct op_wait *wait, char *detail)
{
	struct op_call c = {
		.op = op, .lane = lane, .message = request, .response = response, .wait = wait, .detail = detail
	};

	*wait = (struct op_wait){ 0 };
	return run_call(&c, 0);
}

enum sabir_error op_run_front(const struct op *op, struct lane *lane, const struct op_front *front, struct span request,
			      struct bytes *response, struct op_wait *wait, char *detail)
{
	struct op_call c = { .op = op,
			     .lane = lane,
			     .front = front,
			     .message = request,
			     .response = response,
			     .wait = wait,
			     .detail = detail };

	return run_call(&c, 0);
}

enum sabir_error op_run_front_again(const struct op *op, struct lane *lane, const struct op_front *front,
				    struct span request, struct bytes *response, struct op_wait *wait, char *detail)
{
	struct op_call c = { .op = op,
			     .lane = lane,
			     .front = front,
			     .message = request,
			     .response = response,
			     .wait = wait,
			     .detail = detail };

	return run_call(&c, wait->handle);
}

enum sabir_error op_run_again(const struct op *op, struct lane *lane, struct span request, struct bytes *response,
			      struct op_wait *wait, char *detail)
{
	return op_run_front_again(op, lane, NULL, request, response, wait, detail);
}

uint64_t op_message_limit(const struct segment *seg)
{
	return seg->max_item_bytes + (1u << 20);
}

/* ---------------------------------------------------------------- errors on the wire */

void op_text(enum sabir_error error, const char *detail, char *text)
{
	snprintf(text, OP_MESSAGE_SIZE, "%s%s%s", error_message(error), *detail ? ": " : "", detail);
}

/* google.rpc.ErrorInfo: reason = 1, domain = 2, metadata = 3 (a map: key = 1, value = 2). */
static size_t put_error_info(enum sabir_error error, const char *detail, uint8_t *to)
{
	static const char domain[] = "sabir.dev", key[] = "detail";
	uint8_t entry[OP_DETAIL_SIZE + 32], *p = to, *e = entry;
	size_t len = strnlen(detail, OP_DETAIL_SIZE);

	p = wire_put_bytes(p, 1, error_name(error), strlen(error_name(error)));
	p = wire_put_bytes(p, 2, domain, sizeof(domain) - 1);
	if (len) {
		e = wire_put_bytes(e, 1, key, sizeof(key) - 1);
		e = wire_put_bytes(e, 2, detail, len);
		p = wire_put_bytes(p, 3, entry, (size_t)(e - entry));
	}
	return (size_t)(p - to);
}

/* google.rpc.Status: code = 1, message = 2, details = 3, each a google.protobuf.Any: type_url = 1, value = 2. */
enum sabir_error op_status(enum sabir_error error, const char *detail, struct bytes *out)
{
	static const char type_url[] = "type.googleapis.com/google.rpc.ErrorInfo";
	char text[OP_MESSAGE_SIZE];
	uint8_t info[OP_DETAIL_SIZE + 128], any[sizeof(info) + 64], status[sizeof(any) + OP_MESSAGE_SIZE + 32], *p;

	op_text(error, detail, text);
	size_t info_len = put_error_info(error, detail, info);
	p = wire_put_bytes(any, 1, type_url, sizeof(type_url) - 1);
	p = wire_put_bytes(p, 2, info, info_len);
	size_t any_len = (size_t)(p - any);
	p = status;
	*p++ = WIRE_TAG(1, WIRE_VARINT);
	*p++ = (uint8_t)error_grpc_code(error);
	p = wire_put_bytes(p, 2, text, strlen(text));
	p = wire_put_bytes(p, 3, any, any_len);
	return bytes_add(out, status, (size_t)(p - status));
}
