/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task queues: every function is the operation's request on either transport.
 */
#include "bindings/c/request.h"

/* ---------------------------------------------------------------- create */

static void write_spec(struct request *r, const struct sabir_task_spec *spec)
{
	size_t begin = request_begin(r, 10);
	request_varint(r, 1, spec->max_items);
	request_varint(r, 2, spec->max_item_bytes);
	request_varint(r, 3, spec->discipline);
	request_varint(r, 4, spec->joinable != 0);
	request_varint(r, 5, 1);
	request_varint(r, 6, spec->max_attempts);
	if (spec->dead_letter && *spec->dead_letter)
		request_bytes(r, 7, spec->dead_letter, strlen(spec->dead_letter));
	request_duration(r, 8, spec->dedup_window_ns);
	request_duration(r, 9, spec->ttl_ns);
	request_end(r, begin);
}

enum sabir_error sabir_task_queue_create(sabir_conn *conn, const char *name, const struct sabir_task_spec *spec,
					 unsigned flags, sabir_queue **queue)
{
	struct sabir_task_spec s;
	struct request r;

	if (!conn || !spec || !queue)
		return FAIL_NULL();
	if (flags & ~(SABIR_EXIST_OK | SABIR_EPHEMERAL))
		return fail(SABIR_INVALID_ARGUMENT, "unknown flags %#x", flags);
	enum sabir_error error = struct_read("spec", spec, offsetof(struct sabir_task_spec, discipline), &s, sizeof(s));
	if (!error && (!name || !*name))
		error = sabir_session_open(conn, 0); /* it is held by an owner */
	if (error)
		return error;
	request_init(&r, 700);
	if (name && *name)
		request_bytes(&r, 1, name, strlen(name));
	request_varint(&r, 2, flags & SABIR_EXIST_OK);
	request_varint(&r, 3, (flags & SABIR_EPHEMERAL) != 0);
	write_spec(&r, &s);
	return handle_make(conn, METHOD_CREATE, &r, queue);
}

/* ---------------------------------------------------------------- put and get */

/* A request that begins with its queue. */
static void begin(struct request *r, const sabir_queue *queue, size_t size)
{
	request_init(r, size);
	request_object(r, queue->h.id);
}

static enum sabir_error send_it(sabir_queue *queue, enum method method, struct request *r, uint64_t timeout_ns)
{
	struct bytes out = { 0 };
	enum sabir_error error = conn_call(queue->h.conn, method, r, timeout_ns, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_task_queue_put(sabir_queue *queue, const struct sabir_item *item, const struct sabir_task *task,
				      uint64_t timeout_ns, bool *duplicate)
{
	struct sabir_task how;
	struct bytes out = { 0 };
	struct request r;

	if (!queue || !item)
		return FAIL_NULL();
	enum sabir_error error = struct_read("task", task, offsetof(struct sabir_task, delay_ns), &how, sizeof(how));
	if (error)
		return error;
	begin(&r, queue, 400 + item->len);
	error = request_item(&r, 2, item);
	if (error) {
		request_fini(&r);
		return error;
	}
	request_timeout(&r, 3, timeout_ns);
	request_varint(&r, 4, (uint64_t)how.priority);
	request_duration(&r, 5, how.delay_ns);
	request_duration(&r, 6, how.ttl_ns);
	if (how.dedup_id && *how.dedup_id)
		request_bytes(&r, 7, how.dedup_id, strlen(how.dedup_id));
	error = conn_call(queue->h.conn, METHOD_QUEUE_PUT, &r, timeout_ns, &out);
	if (!error && duplicate)
		*duplicate = response_varint(bytes_item(&out, 0), 1) != 0;
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_task_queue_lease(sabir_queue *queue, uint64_t lease_ns, uint64_t timeout_ns,
					struct sabir_item **item, struct sabir_lease *lease)
{
	struct bytes out = { 0 };
	struct wire_field f;
	struct request r;

	if (!queue || !item || !lease)
		return FAIL_NULL();
	if (!lease_ns)
		return fail(SABIR_INVALID_ARGUMENT, "a lease of no time");
	if (result_begin(&out, sizeof(**item)))
		return fail(SABIR_NO_MEMORY, "%s", queue->h.name);
	begin(&r, queue, 64);
	request_timeout(&r, 2, timeout_ns);
	request_duration(&r, 3, lease_ns);
	enum sabir_error error = conn_call(queue->h.conn, METHOD_QUEUE_GET, &r, timeout_ns, &out);
	if (!error && (!response_find(bytes_item(&out, 1), 1, &f) || f.type != WIRE_LEN))
		error = fail(SABIR_INTERNAL, "the queue's item is missing");
	if (error) {
		bytes_fini(&out);
		return error;
	}
	struct span message = bytes_item(&out, 1);
	struct sabir_lease made = { .token = response_varint(message, 2),
				    .attempts = (uint32_t)response_varint(message, 3) };
	error = result_item(&out, f.bytes, item);
	if (!error)
		*lease = made;
	return error;
}

/* ---------------------------------------------------------------- leases */

enum sabir_error sabir_task_queue_ack(sabir_queue *queue, uint64_t token)
{
	struct request r;
	if (!queue)
		return FAIL_NULL();
	begin(&r, queue, 64);
	request_varint(&r, 2, token);
	return send_it(queue, METHOD_QUEUE_ACK, &r, 0);
}

enum sabir_error sabir_task_queue_nack(sabir_queue *queue, uint64_t token, uint64_t delay_ns)
{
	struct request r;
	if (!queue)
		return FAIL_NULL();
	begin(&r, queue, 64);
	request_varint(&r, 2, token);
	request_duration(&r, 3, delay_ns);
	return send_it(queue, METHOD_QUEUE_NACK, &r, 0);
}

enum sabir_error sabir_task_queue_extend(sabir_queue *queue, uint64_t token, uint64_t lease_ns)
{
	struct request r;
	if (!queue)
		return FAIL_NULL();
	begin(&r, queue, 64);
	request_varint(&r, 2, token);
	request_duration(&r, 3, lease_ns);
	return send_it(queue, METHOD_QUEUE_EXTEND, &r, 0);
}

/* ---------------------------------------------------------------- the queue as a whole */

static enum sabir_error call_plain(sabir_queue *queue, enum method method)
{
	struct request r;
	begin(&r, queue, 16);
	return send_it(queue, method, &r, 0);
}

enum sabir_error sabir_task_queue_task_done(sabir_queue *queue)
{
	return queue ? call_plain(queue, METHOD_QUEUE_TASK_DONE) : FAIL_NULL();
}

enum sabir_error sabir_task_queue_join(sabir_queue *queue, uint64_t timeout_ns)
{
	struct request r;
	if (!queue)
		return FAIL_NULL();
	begin(&r, queue, 64);
	request_timeout(&r, 2, timeout_ns);
	return send_it(queue, METHOD_QUEUE_JOIN, &r, timeout_ns);
}

enum sabir_error sabir_task_queue_pause(sabir_queue *queue)
{
	return queue ? call_plain(queue, METHOD_QUEUE_PAUSE) : FAIL_NULL();
}

enum sabir_error sabir_task_queue_resume(sabir_queue *queue)
{
	return queue ? call_plain(queue, METHOD_QUEUE_RESUME) : FAIL_NULL();
}

enum sabir_error sabir_task_queue_requeue(sabir_queue *queue, sabir_queue *to, uint64_t max, uint64_t *moved)
{
	struct bytes out = { 0 };
	struct request r;
	if (!queue)
		return FAIL_NULL();
	begin(&r, queue, 64);
	if (to) {
		size_t ref = request_begin(&r, 2);
		request_varint(&r, 2, to->h.id);
		request_end(&r, ref);
	}
	request_varint(&r, 3, max);
	enum sabir_error error = conn_call(queue->h.conn, METHOD_QUEUE_REQUEUE, &r, 0, &out);
	if (!error && moved)
		*moved = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_task_queue_state(sabir_queue *queue, struct sabir_task_state *state)
{
	struct bytes out = { 0 };
	struct request r;
	if (!queue || !state)
		return FAIL_NULL();
	begin(&r, queue, 16);
	enum sabir_error error = conn_call(queue->h.conn, METHOD_QUEUE_SIZE, &r, 0, &out);
	if (!error) {
		struct span message = bytes_item(&out, 0);
		*state = (struct sabir_task_state){ .ready = response_varint(message, 1),
						    .delayed = response_varint(message, 6),
						    .leased = response_varint(message, 7),
						    .dead = response_varint(message, 8),
						    .unfinished = response_varint(message, 9),
						    .max_items = response_varint(message, 2),
						    .closed = response_varint(message, 5) != 0,
						    .paused = response_varint(message, 10) != 0 };
	}
	bytes_fini(&out);
	return error;
}
