/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipe's functions: locally the object's own, remotely the operation's request. A sabir_pipe is one end, opened once:
 * it remembers the connection's life in which that was, because in a child of fork it is nothing that the child holds.
 */
#include "server/objects/pipe.h"

#include <stdlib.h>

#include "bindings/c/local.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

struct sabir_pipe {
	struct handle *h;
	uint64_t conn_id;
	uint32_t end;
	uint32_t closed; /* its opening has been undone */
};

/* ---------------------------------------------------------------- requests */

static void begin_request(struct request *r, const sabir_pipe *pipe, size_t size)
{
	request_init(r, 32 + size);
	request_object(r, pipe->h->id);
	request_varint(r, 2, pipe->end);
}

/* An operation without results. Consumes the request. */
static enum sabir_error call(const sabir_pipe *pipe, enum method method, struct request *r, uint64_t timeout_ns)
{
	struct bytes out = { 0 };
	enum sabir_error error = conn_call(pipe->h->conn, method, r, timeout_ns, &out);
	bytes_fini(&out);
	return error;
}

/* ---------------------------------------------------------------- open, close */

static enum sabir_error change_end(const sabir_pipe *pipe, enum method method)
{
	struct request r;
	begin_request(&r, pipe, 0);
	return call(pipe, method, &r, 0);
}

/* Takes `h` in any case. */
static enum sabir_error open_end(struct handle *h, uint32_t end, sabir_pipe **pipe)
{
	sabir_pipe *made = malloc(sizeof(*made));
	if (!made) {
		handle_free(h);
		return fail(SABIR_NO_MEMORY, "a pipe's end");
	}
	*made = (struct sabir_pipe){ .h = h, .end = end };
	enum sabir_error error = change_end(made, METHOD_PIPE_OPEN);
	if (error) {
		handle_free(h);
		free(made);
		return error;
	}
	made->conn_id = load64_relaxed(&h->conn->id);
	*pipe = made;
	return SABIR_OK;
}

enum sabir_error sabir_pipe_open(sabir_conn *conn, const char *name, uint32_t end, sabir_pipe **pipe)
{
	struct handle *h;
	if (!name || !pipe)
		return FAIL_NULL();
	enum sabir_error error = handle_open(conn, name, 0, SABIR_KIND_PIPE, &h);
	return error ? error : open_end(h, end, pipe);
}

enum sabir_error sabir_pipe_open_handle(sabir_conn *conn, uint64_t handle, uint32_t end, sabir_pipe **pipe)
{
	struct handle *h;
	if (!pipe)
		return FAIL_NULL();
	enum sabir_error error = handle_open(conn, NULL, handle, SABIR_KIND_PIPE, &h);
	return error ? error : open_end(h, end, pipe);
}

enum sabir_error sabir_pipe_create(sabir_conn *conn, const char *name, uint64_t max_items, unsigned flags,
				   sabir_pipe *ends[2])
{
	struct sabir_spec spec = { .size = sizeof(spec),
				   .kind = SABIR_KIND_PIPE,
				   .max_items = max_items,
				   .one_way = (flags & SABIR_PIPE_ONE_WAY) != 0 };
	sabir_pipe *made[2] = { NULL, NULL };
	struct sabir_info info;
	bool created;
	enum sabir_error error = sabir_create(conn, name, &spec, flags & ~SABIR_PIPE_ONE_WAY, &info, &created);
	for (uint32_t end = 0; ends && !error && end < PIPE_N_ENDS; end++)
		error = sabir_pipe_open_handle(conn, info.handle, end, &made[end]);
	if (!error && ends)
		memcpy(ends, made, sizeof(made));
	/* The ends have holds of their own. */
	if (!error && (!name || !*name))
		(void)sabir_release(conn, info.handle);
	if (error && (made[0] || created)) {
		char text[256];
		/* The first failure counts, not what cleaning up behind it may say. */
		memcpy(text, sabir_detail(), strnlen(sabir_detail(), sizeof(text) - 1) + 1);
		text[sizeof(text) - 1] = '\0';
		sabir_pipe_free(made[0]);
		if (created)
			(void)sabir_delete_handle(conn, info.handle);
		fail(error, "%s", text);
	}
	return error;
}

enum sabir_error sabir_pipe_close(sabir_pipe *pipe)
{
	if (!pipe)
		return FAIL_NULL();
	if (exchange32(&pipe->closed, 1) || pipe->conn_id != load64_relaxed(&pipe->h->conn->id))
		return fail_object(pipe->h, SABIR_CLOSED);
	return change_end(pipe, METHOD_PIPE_CLOSE);
}

void sabir_pipe_free(sabir_pipe *pipe)
{
	if (!pipe)
		return;
	if (!load32_relaxed(&pipe->closed))
		(void)sabir_pipe_close(pipe);
	handle_free(pipe->h);
	free(pipe);
}

uint64_t sabir_pipe_handle(const sabir_pipe *pipe)
{
	return pipe->h->id;
}

uint32_t sabir_pipe_end(const sabir_pipe *pipe)
{
	return pipe->end;
}

/* The thread's lane, NULL when the connection is remote. Errors: CLOSED. */
static enum sabir_error enter(const sabir_pipe *pipe, struct lane **lane)
{
	enum sabir_error error = conn_enter(pipe->h->conn, lane);
	if (!error && (load32_relaxed(&pipe->closed) || pipe->conn_id != load64_relaxed(&pipe->h->conn->id)))
		return fail_object(pipe->h, SABIR_CLOSED);
	return error;
}

/* ---------------------------------------------------------------- local attempts */

/* What a local operation is tried with, and the queue that it would wait on. */
struct attempt {
	const sabir_pipe *pipe;
	uint64_t queue;
	const struct queue_item *item;
	struct pipe_bytes *bytes;
	struct pipe_next *next;
	struct bytes *out;
};

static enum sabir_error attempt_send(struct lane *lane, void *context)
{
	struct attempt *a = context;
	return pipe_send(lane, a->pipe->h->id, a->pipe->end, a->item, &a->queue);
}

static enum sabir_error attempt_recv(struct lane *lane, void *context)
{
	struct attempt *a = context;
	return pipe_recv(lane, a->pipe->h->id, a->pipe->end, a->out, &a->queue);
}

static enum sabir_error attempt_recv_bytes(struct lane *lane, void *context)
{
	struct attempt *a = context;
	return pipe_recv_bytes(lane, a->pipe->h->id, a->pipe->end, a->bytes, a->out, &a->queue);
}

static enum sabir_error attempt_poll(struct lane *lane, void *context)
{
	struct attempt *a = context;
	return pipe_poll(lane, a->pipe->h->id, a->pipe->end, a->next, &a->queue);
}

/* Tries, and waits up to timeout_ns; leaves the detail to the caller. */
static enum sabir_error try_local(struct lane *lane, struct attempt *a, local_attempt_fn *attempt, uint32_t side,
				  uint64_t timeout_ns)
{
	enum sabir_error error = attempt(lane, a);
	if (!error_would_wait(error) || !timeout_ns)
		return error;
	return local_wait(lane, a->queue, side, clock_deadline(timeout_ns), attempt, a);
}

/* ---------------------------------------------------------------- send */

enum sabir_error sabir_pipe_send(sabir_pipe *pipe, const struct sabir_item *item, uint64_t timeout_ns)
{
	struct item_code code;
	struct request r;
	struct lane *lane;

	if (!pipe || !item)
		return FAIL_NULL();
	enum sabir_error error = enter(pipe, &lane);
	if (error)
		return error;
	error = item_encode(item, &code);
	if (error) {
		error = item_refused(error, item);
	} else if (lane) {
		struct attempt a = { .pipe = pipe, .item = &code.parts };
		error = object_result(pipe->h, try_local(lane, &a, attempt_send, SEG_EVENT_ROOM, timeout_ns));
	} else {
		begin_request(&r, pipe, code.parts.head.len + code.parts.body.len);
		request_code(&r, 3, &code);
		request_timeout(&r, 4, timeout_ns);
		error = call(pipe, METHOD_PIPE_SEND, &r, timeout_ns);
	}
	item_code_fini(&code);
	return error;
}

enum sabir_error sabir_pipe_send_bytes(sabir_pipe *pipe, const void *data, size_t len, uint64_t timeout_ns)
{
	struct item_code code;
	struct request r;
	struct lane *lane;

	if (!pipe || (!data && len))
		return FAIL_NULL();
	enum sabir_error error = enter(pipe, &lane);
	if (error)
		return error;
	if (lane) {
		item_encode_raw(SABIR_ITEM_BYTES, (struct span){ data, len }, &code);
		struct attempt a = { .pipe = pipe, .item = &code.parts };
		return object_result(pipe->h, try_local(lane, &a, attempt_send, SEG_EVENT_ROOM, timeout_ns));
	}
	begin_request(&r, pipe, len + 16);
	request_bytes(&r, 3, data, len);
	request_timeout(&r, 4, timeout_ns);
	return call(pipe, METHOD_PIPE_SEND_BYTES, &r, timeout_ns);
}

/* ---------------------------------------------------------------- receive */

/* Adds the Value to `out`, or remotely the response; the Value is then `*value`. */
static enum sabir_error recv_value(sabir_pipe *pipe, struct lane *lane, uint64_t timeout_ns, struct bytes *out,
				   struct span *value)
{
	size_t n = out->n_items;
	struct wire_field f;
	struct request r;

	if (lane) {
		struct attempt a = { .pipe = pipe, .out = out };
		enum sabir_error error = try_local(lane, &a, attempt_recv, SEG_EVENT_ITEMS, timeout_ns);
		if (!error)
			*value = bytes_item(out, n);
		return object_result(pipe->h, error);
	}
	begin_request(&r, pipe, 32);
	request_timeout(&r, 3, timeout_ns);
	enum sabir_error error = conn_call(pipe->h->conn, METHOD_PIPE_RECV, &r, timeout_ns, out);
	if (error)
		return error;
	if (!response_find(bytes_item(out, n), 1, &f) || f.type != WIRE_LEN)
		return fail(SABIR_INTERNAL, "the server's Value is missing");
	*value = f.bytes;
	return SABIR_OK;
}

enum sabir_error sabir_pipe_recv(sabir_pipe *pipe, uint64_t timeout_ns, struct sabir_item **item)
{
	struct bytes out = { 0 };
	struct span value;
	struct lane *lane;

	if (!pipe || !item)
		return FAIL_NULL();
	enum sabir_error error = enter(pipe, &lane);
	if (error)
		return error;
	if (result_begin(&out, sizeof(**item)))
		return fail(SABIR_NO_MEMORY, "%s", pipe->h->name);
	error = recv_value(pipe, lane, timeout_ns, &out, &value);
	if (!error)
		return result_item(&out, value, item);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_pipe_recv_into(sabir_pipe *pipe, uint64_t timeout_ns, struct sabir_buffer *buffer,
				      struct sabir_item *item)
{
	struct bytes out;
	struct span value;
	struct lane *lane;

	if (!pipe || !buffer || !item)
		return FAIL_NULL();
	enum sabir_error error = enter(pipe, &lane);
	if (error)
		return error;
	bytes_init(&out, buffer->data, buffer->size);
	error = recv_value(pipe, lane, timeout_ns, &out, &value);
	if (!error && item_decode(value, item))
		error = fail(SABIR_DATA_LOSS, "the pipe's Value is malformed");
	buffer_take(buffer, &out);
	return error;
}

static enum sabir_error too_large(const sabir_pipe *pipe, const struct pipe_bytes *bytes)
{
	return fail(SABIR_TOO_LARGE, "%s: the message has %llu bytes, wanted are at most %llu", pipe->h->name,
		    (unsigned long long)bytes->len, (unsigned long long)bytes->max_len);
}

/* The content, in `out`. */
static enum sabir_error recv_content(sabir_pipe *pipe, struct lane *lane, size_t max_len, uint64_t timeout_ns,
				     struct bytes *out, struct span *content)
{
	struct pipe_bytes bytes = { .max_len = max_len ? max_len : UINT64_MAX };
	struct wire_field f = { 0 };
	struct request r;

	if (lane) {
		struct attempt a = { .pipe = pipe, .bytes = &bytes, .out = out };
		enum sabir_error error = try_local(lane, &a, attempt_recv_bytes, SEG_EVENT_ITEMS, timeout_ns);
		if (error == SABIR_TOO_LARGE)
			return too_large(pipe, &bytes);
		if (!error)
			*content = pipe_content(bytes_item(out, 0));
		return object_result(pipe->h, error);
	}
	begin_request(&r, pipe, 32);
	request_timeout(&r, 3, timeout_ns);
	request_varint(&r, 4, max_len);
	enum sabir_error error = conn_call(pipe->h->conn, METHOD_PIPE_RECV_BYTES, &r, timeout_ns, out);
	if (!error && response_find(bytes_item(out, 0), 1, &f) && f.type == WIRE_LEN)
		*content = f.bytes;
	return error;
}

enum sabir_error sabir_pipe_recv_bytes(sabir_pipe *pipe, size_t max_len, uint64_t timeout_ns, void **data, size_t *len)
{
	struct bytes out = { 0 };
	struct span content = { NULL, 0 };
	struct lane *lane;

	if (!pipe || !data || !len)
		return FAIL_NULL();
	enum sabir_error error = enter(pipe, &lane);
	if (error)
		return error;
	error = recv_content(pipe, lane, max_len, timeout_ns, &out, &content);
	if (error) {
		bytes_fini(&out);
		return error;
	}
	/* The block is what the message came in, which has at least the content's head in front of it to give away. */
	uint8_t *block = result_take(&out);
	if (!block && !(block = calloc(1, 1)))
		return fail(SABIR_NO_MEMORY, "%s", pipe->h->name);
	if (content.len)
		memmove(block, content.data, content.len);
	block[content.len] = '\0';
	*data = block;
	*len = content.len;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- poll, state */

static enum sabir_error poll_remote(sabir_pipe *pipe, uint64_t timeout_ns, struct pipe_next *next)
{
	struct bytes out = { 0 };
	struct request r;

	begin_request(&r, pipe, 32);
	request_timeout(&r, 3, timeout_ns);
	enum sabir_error error = conn_call(pipe->h->conn, METHOD_PIPE_POLL, &r, timeout_ns, &out);
	if (!error)
		next->len = response_varint(bytes_item(&out, 0), 2);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_pipe_poll(sabir_pipe *pipe, uint64_t timeout_ns, bool *ready, uint64_t *bytes)
{
	struct pipe_next next = { 0 };
	struct lane *lane;

	if (!pipe || !ready)
		return FAIL_NULL();
	enum sabir_error error = enter(pipe, &lane);
	if (error)
		return error;
	if (lane) {
		struct attempt a = { .pipe = pipe, .next = &next };
		error = object_result(pipe->h, try_local(lane, &a, attempt_poll, SEG_EVENT_ITEMS, timeout_ns));
	} else {
		error = poll_remote(pipe, timeout_ns, &next);
	}
	if (error && error != SABIR_EMPTY)
		return error;
	*ready = !error;
	if (bytes)
		*bytes = next.len;
	return SABIR_OK;
}

static enum sabir_error read_ends(struct span message, struct sabir_pipe_state ends[2])
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	uint32_t n = 0;

	while (p < end && n < PIPE_N_ENDS && wire_next(&p, end, &f)) {
		if (f.number != 1 || f.type != WIRE_LEN)
			continue;
		ends[n++] = (struct sabir_pipe_state){ .holders = (uint32_t)response_varint(f.bytes, 1),
						       .opened = response_varint(f.bytes, 2) != 0,
						       .closed = response_varint(f.bytes, 3) != 0,
						       .messages = response_varint(f.bytes, 4) };
	}
	return n == PIPE_N_ENDS ? SABIR_OK : fail(SABIR_INTERNAL, "the server told of %u ends", n);
}

enum sabir_error sabir_pipe_state(sabir_pipe *pipe, struct sabir_pipe_state ends[2])
{
	struct sabir_pipe_state made[PIPE_N_ENDS];
	struct bytes out = { 0 };
	struct request r;

	if (!pipe || !ends)
		return FAIL_NULL();
	request_init(&r, 16);
	request_object(&r, pipe->h->id);
	enum sabir_error error = conn_call(pipe->h->conn, METHOD_PIPE_STATE, &r, 0, &out);
	if (!error)
		error = read_ends(bytes_item(&out, 0), made);
	if (!error)
		memcpy(ends, made, sizeof(made));
	bytes_fini(&out);
	return error;
}
