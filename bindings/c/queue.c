/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's functions for one item and for the queue as a whole; queue_batch.c has those for many. Locally put, get,
 * peek and size call the object's own functions; everything else is the operation's request on either transport.
 */
#include "bindings/c/local.h"
#include "bindings/c/queue_ends.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_queue_create(sabir_conn *conn, const char *name, uint64_t max_items, unsigned flags,
				    sabir_queue **queue)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_QUEUE, .max_items = max_items };
	return handle_create(conn, name, &spec, flags, queue);
}

enum sabir_error sabir_queue_open(sabir_conn *conn, const char *name, sabir_queue **queue)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_QUEUE, queue) : FAIL_NULL();
}

enum sabir_error sabir_queue_open_handle(sabir_conn *conn, uint64_t handle, sabir_queue **queue)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_QUEUE, queue);
}

void sabir_queue_free(sabir_queue *queue)
{
	handle_free((struct handle *)queue);
}

uint64_t sabir_queue_handle(const sabir_queue *queue)
{
	return queue->h.id;
}

/* ---------------------------------------------------------------- put */

struct put {
	uint64_t id;
	const struct queue_item *items;
	uint32_t n;
	uint32_t *accepted;
};

static enum sabir_error attempt_put(struct lane *lane, void *context)
{
	struct put *put = context;
	return queue_put(lane, put->id, put->items, put->n, put->accepted);
}

/* What a put that was refused comes to when it may wait. */
static enum sabir_error put_wait(const struct handle *h, struct lane *lane, struct put *put, enum sabir_error error,
				 uint64_t timeout_ns)
{
	if (error == SABIR_FULL && timeout_ns)
		error = local_wait(lane, h->id, SEG_EVENT_ROOM, clock_deadline(timeout_ns), attempt_put, put);
	return object_result(h, error);
}

enum sabir_error queue_put_local(const struct handle *h, struct lane *lane, const struct queue_item *items, uint32_t n,
				 uint64_t timeout_ns, uint32_t *accepted)
{
	struct put put = { h->id, items, n, accepted };
	enum sabir_error error = queue_put(lane, h->id, items, n, accepted);
	return error ? put_wait(h, lane, &put, error, timeout_ns) : SABIR_OK;
}

static enum sabir_error put_one_wait(const struct handle *h, struct lane *lane, const struct queue_item *item,
				     enum sabir_error error, uint64_t timeout_ns)
{
	uint32_t accepted;
	struct put put = { h->id, item, 1, &accepted };
	return put_wait(h, lane, &put, error, timeout_ns);
}

static enum sabir_error put_call(const struct handle *h, const struct item_code *code, uint64_t timeout_ns)
{
	struct request r;
	struct bytes response = { 0 };

	request_init(&r, 64 + code->parts.head.len + code->parts.body.len);
	request_object(&r, h->id);
	request_code(&r, 2, code);
	request_timeout(&r, 3, timeout_ns);
	enum sabir_error error = conn_call(h->conn, METHOD_QUEUE_PUT, &r, timeout_ns, &response);
	bytes_fini(&response);
	return error;
}

static inline enum sabir_error put_code(sabir_queue *queue, struct lane *lane, const struct item_code *code,
					uint64_t timeout_ns)
{
	if (!lane)
		return put_call(&queue->h, code, timeout_ns);
	enum sabir_error error = queue_put_one(lane, queue->h.id, &code->parts);
	if (__builtin_expect(error == SABIR_OK, 1))
		return SABIR_OK;
	if (error == SABIR_WRONG_KIND) /* a task queue, mostly */
		return put_call(&queue->h, code, timeout_ns);
	return put_one_wait(&queue->h, lane, &code->parts, error, timeout_ns);
}

enum sabir_error sabir_queue_put(sabir_queue *queue, const struct sabir_item *item, uint64_t timeout_ns)
{
	struct item_code code;
	struct lane *lane;

	if (!queue || !item)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	error = item_encode(item, &code);
	if (__builtin_expect(error == SABIR_OK, 1))
		error = put_code(queue, lane, &code, timeout_ns);
	else
		error = item_refused(error, item);
	item_code_fini(&code);
	return error;
}

enum sabir_error sabir_queue_put_bytes(sabir_queue *queue, const void *data, size_t len, uint64_t timeout_ns)
{
	struct item_code code;
	struct lane *lane;

	if (!queue || (!data && len))
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	item_encode_raw(SABIR_ITEM_BYTES, (struct span){ data, len }, &code);
	return put_code(queue, lane, &code, timeout_ns);
}

enum sabir_error sabir_queue_put_text(sabir_queue *queue, const char *text, uint64_t timeout_ns)
{
	if (!text)
		return FAIL_NULL();
	struct sabir_item item = sabir_text(text);
	return sabir_queue_put(queue, &item, timeout_ns);
}

/* ---------------------------------------------------------------- get */

struct get {
	uint64_t id;
	uint32_t max;
	struct bytes *out;
};

static enum sabir_error attempt_get(struct lane *lane, void *context)
{
	struct get *get = context;
	return get->max == 1 ? queue_get_one(lane, get->id, get->out) : queue_get(lane, get->id, get->max, get->out);
}

enum sabir_error queue_get_local(const struct handle *h, struct lane *lane, uint32_t max, uint64_t timeout_ns,
				 struct bytes *out)
{
	struct get get = { h->id, max, out };
	enum sabir_error error = attempt_get(lane, &get);
	if (__builtin_expect(error == SABIR_OK, 1))
		return SABIR_OK;
	if (error == SABIR_EMPTY && timeout_ns)
		error = local_wait(lane, h->id, SEG_EVENT_ITEMS, clock_deadline(timeout_ns), attempt_get, &get);
	return object_result(h, error);
}

/* The same for one item. */
static inline enum sabir_error get_one_local(const struct handle *h, struct lane *lane, uint64_t timeout_ns,
					     struct bytes *out)
{
	enum sabir_error error = queue_get_one(lane, h->id, out);
	if (__builtin_expect(error == SABIR_OK, 1))
		return SABIR_OK;
	return error == SABIR_EMPTY && timeout_ns ? queue_get_local(h, lane, 1, timeout_ns, out)
						  : object_result(h, error);
}

enum sabir_error queue_get_remote(const struct handle *h, uint32_t max, uint64_t timeout_ns, struct bytes *out)
{
	struct request r;

	request_init(&r, 64);
	request_object(&r, h->id);
	if (max != 1)
		request_varint(&r, 2, max);
	request_timeout(&r, max == 1 ? 2 : 3, timeout_ns);
	return conn_call(h->conn, max == 1 ? METHOD_QUEUE_GET : METHOD_QUEUE_GET_MANY, &r, timeout_ns, out);
}

/* One item; *lane is NULL then where it came as a response. A task queue is asked by its operation on either transport. */
static inline enum sabir_error get_either(const struct handle *h, struct lane **lane, uint64_t timeout_ns,
					  struct bytes *out)
{
	enum sabir_error error = *lane ? get_one_local(h, *lane, timeout_ns, out) : SABIR_WRONG_KIND;
	if (__builtin_expect(error != SABIR_WRONG_KIND, 1))
		return error;
	*lane = NULL;
	return queue_get_remote(h, 1, timeout_ns, out);
}

/* The Value that get_local or get_remote (of one item) or a peek added behind the first `n` items. */
static struct span got_value(const struct bytes *out, size_t n, bool local)
{
	struct span value = bytes_item(out, n);
	struct wire_field f;
	if (local)
		return value;
	if (!response_find(value, 1, &f) || f.type != WIRE_LEN)
		return (struct span){ NULL, 0 };
	return f.bytes;
}

enum sabir_error sabir_queue_get(sabir_queue *queue, uint64_t timeout_ns, struct sabir_item **item)
{
	struct bytes out = { 0 };
	struct lane *lane;

	if (!queue || !item)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	if (result_begin(&out, sizeof(**item)))
		return fail(SABIR_NO_MEMORY, "%s", queue->h.name);
	error = get_either(&queue->h, &lane, timeout_ns, &out);
	if (error) {
		bytes_fini(&out);
		return error;
	}
	return result_item(&out, got_value(&out, 1, lane), item);
}

enum sabir_error sabir_queue_get_into(sabir_queue *queue, uint64_t timeout_ns, struct sabir_buffer *buffer,
				      struct sabir_item *item)
{
	struct bytes out;
	struct lane *lane;

	if (!queue || !buffer || !item)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	bytes_init(&out, buffer->data, buffer->size);
	error = get_either(&queue->h, &lane, timeout_ns, &out);
	struct span value = { out.data, out.len };
	if (!lane && !error)
		value = got_value(&out, 0, lane);
	if (!error && item_decode(value, item))
		error = fail(SABIR_DATA_LOSS, "the queue's Value is malformed");
	buffer_take(buffer, &out);
	return error;
}

/* ---------------------------------------------------------------- peek, size, clear, close */

enum sabir_error sabir_queue_peek(sabir_queue *queue, struct sabir_item **item)
{
	struct bytes out = { 0 };
	struct request r;
	struct lane *lane;

	if (!queue || !item)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	if (result_begin(&out, sizeof(**item)))
		return fail(SABIR_NO_MEMORY, "%s", queue->h.name);
	error = lane ? object_result(&queue->h, queue_peek(lane, queue->h.id, &out)) : SABIR_WRONG_KIND;
	if (error == SABIR_WRONG_KIND) {
		lane = NULL;
		request_init(&r, 16);
		request_object(&r, queue->h.id);
		error = conn_call(queue->h.conn, METHOD_QUEUE_PEEK, &r, 0, &out);
	}
	if (error) {
		bytes_fini(&out);
		return error;
	}
	return result_item(&out, got_value(&out, 1, lane), item);
}

/* An operation without arguments. */
static enum sabir_error call_plain(sabir_queue *queue, enum method method, struct bytes *response)
{
	struct request r;
	request_init(&r, 16);
	request_object(&r, queue->h.id);
	return conn_call(queue->h.conn, method, &r, 0, response);
}

enum sabir_error sabir_queue_state(sabir_queue *queue, struct sabir_queue_state *state)
{
	struct queue_size size;
	struct lane *lane;

	if (!queue || !state)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	error = lane ? queue_size(lane, queue->h.id, &size) : SABIR_WRONG_KIND;
	if (error != SABIR_WRONG_KIND) {
		if (!error)
			*state = (struct sabir_queue_state){ size.size, size.max_items, size.closed };
		return object_result(&queue->h, error);
	}
	struct bytes out = { 0 };
	error = call_plain(queue, METHOD_QUEUE_SIZE, &out);
	if (!error) {
		struct span message = bytes_item(&out, 0);
		*state = (struct sabir_queue_state){ response_varint(message, 1), response_varint(message, 2),
						     response_varint(message, 5) != 0 };
	}
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_queue_size(sabir_queue *queue, uint64_t *size)
{
	struct sabir_queue_state state;
	if (!size)
		return FAIL_NULL();
	enum sabir_error error = sabir_queue_state(queue, &state);
	if (!error)
		*size = state.size;
	return error;
}

enum sabir_error sabir_queue_empty(sabir_queue *queue, bool *empty)
{
	struct sabir_queue_state state;
	if (!empty)
		return FAIL_NULL();
	enum sabir_error error = sabir_queue_state(queue, &state);
	if (!error)
		*empty = state.size == 0;
	return error;
}

enum sabir_error sabir_queue_full(sabir_queue *queue, bool *full)
{
	struct sabir_queue_state state;
	if (!full)
		return FAIL_NULL();
	enum sabir_error error = sabir_queue_state(queue, &state);
	if (!error)
		*full = state.max_items && state.size >= state.max_items;
	return error;
}

enum sabir_error sabir_queue_clear(sabir_queue *queue, uint64_t *removed)
{
	struct bytes out = { 0 };
	if (!queue)
		return FAIL_NULL();
	enum sabir_error error = call_plain(queue, METHOD_QUEUE_CLEAR, &out);
	if (!error && removed)
		*removed = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_queue_close(sabir_queue *queue)
{
	struct bytes out = { 0 };
	if (!queue)
		return FAIL_NULL();
	enum sabir_error error = call_plain(queue, METHOD_QUEUE_CLOSE, &out);
	bytes_fini(&out);
	return error;
}
