/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers. Locally a put is a put. Remotely the items go on a stream of QueueService.Produce:
 *
 *   gathered ──a batch is full, or flush──► sent ──the server tells──► accepted
 *
 * Those that were sent or gathered and not accepted are at most the window. One message has one set of task options, so
 * gathered items are sent before one with others is. An error of the stream is final.
 */
#include <stdlib.h>

#include "bindings/c/remote_stream.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

#define DEFAULT_WINDOW 1024u
#define MAX_WINDOW 65536u
#define MAX_GATHERED (256u << 10) /* bytes */

struct sabir_producer {
	sabir_queue *queue;
	struct sabir_producer_state state;
	uint32_t window, batch;
	enum sabir_error error; /* that it ended with */
	char detail[160];

	struct remote_stream *stream; /* NULL: local */
	struct request gathered;
	uint32_t n_gathered;
	struct sabir_task how; /* of what is gathered, but for the dedup_id */
	bool has_ids;
};

/* ---------------------------------------------------------------- open, close */

static enum sabir_error read_options(const struct sabir_producer_options *given, struct sabir_producer_options *o)
{
	enum sabir_error error = struct_read("options", given, sizeof(given->size), o, sizeof(*o));
	if (error)
		return error;
	if (!o->window)
		o->window = DEFAULT_WINDOW;
	if (!o->batch)
		o->batch = 1;
	if (o->window > MAX_WINDOW || o->batch > o->window)
		return fail(SABIR_INVALID_ARGUMENT, "a window of %u, a batch of %u", o->window, o->batch);
	return SABIR_OK;
}

static enum sabir_error open_stream(struct sabir_producer *p)
{
	struct request r;
	request_init(&r, 16);
	request_object(&r, p->queue->h.id);
	return remote_stream_open(p->queue->h.conn, "/sabir.v1.QueueService/Produce", &r, &p->stream);
}

/* A handle of its own, which does not hold what has no name. */
static sabir_queue *copy_handle(const struct handle *h)
{
	size_t size = sizeof(*h) + strlen(h->name) + 1;
	struct handle *copy = malloc(size);
	if (!copy)
		return NULL;
	memcpy(copy, h, size);
	copy->held = false;
	conn_ref(h->conn);
	return (sabir_queue *)copy;
}

enum sabir_error sabir_producer_open(sabir_queue *queue, const struct sabir_producer_options *options,
				     sabir_producer **producer)
{
	struct sabir_producer_options o;
	struct lane *lane;
	if (!queue || !producer)
		return FAIL_NULL();
	enum sabir_error error = read_options(options, &o);
	if (!error)
		error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	struct sabir_producer *made = calloc(1, sizeof(*made));
	if (!made)
		return fail(SABIR_NO_MEMORY, "a producer");
	made->window = o.window;
	made->batch = o.batch;
	made->queue = copy_handle(&queue->h);
	if (!made->queue)
		error = fail(SABIR_NO_MEMORY, "a producer");
	else if (!lane)
		error = open_stream(made);
	if (error)
		sabir_producer_close(made);
	else
		*producer = made;
	return error;
}

void sabir_producer_close(sabir_producer *producer)
{
	if (!producer)
		return;
	remote_stream_free(producer->stream);
	request_fini(&producer->gathered);
	sabir_queue_free(producer->queue);
	free(producer);
}

/* ---------------------------------------------------------------- errors */

/* The error is that of all functions from now on; the detail is that of this thread. */
static enum sabir_error end_with(struct sabir_producer *p, enum sabir_error error)
{
	size_t len = strlen(sabir_detail());
	if (len >= sizeof(p->detail))
		len = sizeof(p->detail) - 1;
	memcpy(p->detail, sabir_detail(), len);
	p->detail[len] = '\0';
	p->error = error;
	return error;
}

static enum sabir_error refuse(const struct sabir_producer *p)
{
	return fail(p->error, "%s", p->detail);
}

/* Whether the producer goes on after it: the item was not taken. */
static bool is_passing(enum sabir_error error)
{
	switch (error) {
	case SABIR_FULL:
	case SABIR_CANCELLED:
	case SABIR_BUSY:
	case SABIR_INVALID_VALUE:
	case SABIR_INVALID_ARGUMENT:
	case SABIR_NO_MEMORY:
		return true;
	default:
		return false;
	}
}

/* ---------------------------------------------------------------- local */

static enum sabir_error put_local(struct sabir_producer *p, const struct sabir_item *item,
				  const struct sabir_task *task, uint64_t timeout_ns)
{
	bool duplicate = false;
	enum sabir_error error = task ? sabir_task_queue_put(p->queue, item, task, timeout_ns, &duplicate)
				      : sabir_queue_put(p->queue, item, timeout_ns);
	if (error)
		return is_passing(error) ? error : end_with(p, error);
	p->state.put++;
	p->state.accepted++;
	p->state.duplicates += duplicate;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- remote: the stream */

static void take_answers(struct sabir_producer *p)
{
	struct bytes out = { 0 };
	while (!remote_stream_receive(p->stream, &out)) {
		p->state.accepted = response_varint(bytes_item(&out, 0), 1);
		p->state.duplicates = response_varint(bytes_item(&out, 0), 2);
		bytes_truncate(&out, 0);
	}
	bytes_fini(&out);
}

/* What has happened by now. Errors: that with which the stream has ended. */
static enum sabir_error look(struct sabir_producer *p)
{
	take_answers(p);
	if (!remote_stream_has_ended(p->stream))
		return SABIR_OK;
	enum sabir_error error = remote_stream_error(p->stream);
	return end_with(p, error ? error : fail(SABIR_INTERNAL, "the server ended the stream"));
}

static uint64_t n_unaccepted(const struct sabir_producer *p)
{
	return p->state.put - p->state.accepted;
}

/* Until `is_there` says so. Errors: FULL. */
static enum sabir_error wait_until(struct sabir_producer *p, bool (*is_there)(const struct sabir_producer *),
				   uint64_t deadline_ns)
{
	for (;;) {
		enum sabir_error error = look(p);
		if (error || is_there(p))
			return error;
		error = remote_stream_wait(p->stream, deadline_ns, true);
		if (error == SABIR_TIMED_OUT)
			return fail(SABIR_FULL, "%s: %llu items are not accepted yet", p->queue->h.name,
				    (unsigned long long)n_unaccepted(p));
		if (error)
			return error;
	}
}

static bool may_send(const struct sabir_producer *p)
{
	return !remote_stream_is_sending(p->stream);
}

static bool may_gather(const struct sabir_producer *p)
{
	return n_unaccepted(p) < p->window;
}

static bool may_gather_and_send(const struct sabir_producer *p)
{
	return may_gather(p) && may_send(p);
}

static bool is_all_accepted(const struct sabir_producer *p)
{
	return !n_unaccepted(p);
}

/* ---------------------------------------------------------------- remote: gathering */

/* Sends what is gathered, if anything is; nothing is on its way. */
static enum sabir_error send_gathered(struct sabir_producer *p)
{
	if (!p->n_gathered)
		return SABIR_OK;
	enum sabir_error error = remote_stream_send(p->stream, (struct span){ p->gathered.data, p->gathered.len });
	request_fini(&p->gathered);
	p->n_gathered = 0;
	return error ? end_with(p, error) : SABIR_OK;
}

static bool has_id(const struct sabir_task *task)
{
	return task->dedup_id && *task->dedup_id;
}

static bool goes_along(const struct sabir_producer *p, const struct sabir_task *task)
{
	return p->how.priority == task->priority && p->how.delay_ns == task->delay_ns &&
	       p->how.ttl_ns == task->ttl_ns && p->has_ids == has_id(task);
}

static void begin_message(struct sabir_producer *p, const struct sabir_task *task)
{
	p->how = *task;
	p->has_ids = has_id(task);
	request_init(&p->gathered, 256);
	if (task->priority)
		request_varint(&p->gathered, 4, (uint64_t)task->priority);
	if (task->delay_ns)
		request_duration(&p->gathered, 5, task->delay_ns);
	if (task->ttl_ns)
		request_duration(&p->gathered, 6, task->ttl_ns);
}

/* Errors: NO_MEMORY, and nothing was added. */
static enum sabir_error gather(struct sabir_producer *p, const struct item_code *code, const struct sabir_task *task)
{
	if (!p->n_gathered)
		begin_message(p, task);
	size_t before = p->gathered.len;
	request_code(&p->gathered, 2, code);
	if (p->has_ids)
		request_bytes(&p->gathered, 7, task->dedup_id, strlen(task->dedup_id));
	if (p->gathered.failed) {
		p->gathered.len = before;
		p->gathered.failed = false;
		if (!p->n_gathered)
			request_fini(&p->gathered);
		return fail(SABIR_NO_MEMORY, "an item to be sent");
	}
	p->n_gathered++;
	p->state.put++;
	return SABIR_OK;
}

static enum sabir_error put_code(struct sabir_producer *p, const struct item_code *code, const struct sabir_task *task,
				 uint64_t deadline_ns)
{
	bool full = p->n_gathered + 1 >= p->batch || p->gathered.len > MAX_GATHERED;
	bool first = p->n_gathered && !goes_along(p, task);
	/* With the window full of what is gathered nobody would ever send it. */
	first = first || (p->n_gathered && !may_gather(p));
	enum sabir_error error = SABIR_OK;
	if (first && !(error = wait_until(p, may_send, deadline_ns)))
		error = send_gathered(p);
	if (!error)
		error = wait_until(p, full ? may_gather_and_send : may_gather, deadline_ns);
	if (!error)
		error = gather(p, code, task);
	return error || !full ? error : send_gathered(p);
}

static enum sabir_error put_remote(struct sabir_producer *p, const struct sabir_item *item,
				   const struct sabir_task *task, uint64_t timeout_ns)
{
	struct sabir_task how;
	struct item_code code;
	enum sabir_error error = struct_read("task", task, offsetof(struct sabir_task, delay_ns), &how, sizeof(how));
	if (error)
		return error;
	error = item_encode(item, &code);
	error = error ? item_refused(error, item) : put_code(p, &code, &how, clock_deadline(timeout_ns));
	item_code_fini(&code);
	return error;
}

/* ---------------------------------------------------------------- put, flush, state */

enum sabir_error sabir_producer_put(sabir_producer *producer, const struct sabir_item *item,
				    const struct sabir_task *task, uint64_t timeout_ns)
{
	if (!producer || !item)
		return FAIL_NULL();
	if (producer->error)
		return refuse(producer);
	return producer->stream ? put_remote(producer, item, task, timeout_ns)
				: put_local(producer, item, task, timeout_ns);
}

enum sabir_error sabir_producer_flush(sabir_producer *producer, uint64_t timeout_ns)
{
	if (!producer)
		return FAIL_NULL();
	if (producer->error)
		return refuse(producer);
	if (!producer->stream)
		return SABIR_OK;
	uint64_t deadline_ns = clock_deadline(timeout_ns);
	enum sabir_error error = wait_until(producer, may_send, deadline_ns);
	if (!error)
		error = send_gathered(producer);
	return error ? error : wait_until(producer, is_all_accepted, deadline_ns);
}

enum sabir_error sabir_producer_state(sabir_producer *producer, struct sabir_producer_state *state)
{
	if (!producer || !state)
		return FAIL_NULL();
	if (producer->stream && !producer->error)
		while (!remote_stream_wait(producer->stream, 0, false))
			take_answers(producer);
	*state = producer->state;
	return SABIR_OK;
}
