/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_KINDS_QUEUE_H
#define TESTS_LINEARIZABILITY_KINDS_QUEUE_H

/* Queues and task queues. */
#include "tests/linearizability/kinds.h"

#define MANY 3u

static enum sabir_error queue_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	return sabir_queue_create(conn, name, (uint64_t)kind->parameter, 0, &object->queue);
}

static enum sabir_error task_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	struct sabir_task_spec spec = { .size = sizeof(spec), .max_items = (uint64_t)kind->parameter };
	spec.discipline = !strcmp(kind->name, "priority") ? SABIR_PRIORITY : SABIR_FIFO;
	return sabir_task_queue_create(conn, name, &spec, 0, &object->queue);
}

static enum sabir_error queue_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_queue_open(conn, name, &object->queue);
}

static void queue_free(union object object)
{
	sabir_queue_free(object.queue);
}

static void do_put(struct client *c, const struct kind *kind, sabir_queue *queue)
{
	struct sabir_task task = { .size = sizeof(task) };
	struct sabir_item item = sabir_int(fresh(c));
	uint64_t timeout_ns = random_timeout(c);
	if (!strcmp(kind->name, "priority"))
		task.priority = (int64_t)random_below(c, 3);
	struct record *r = begin(c, "put", 2, item.as.i, task.priority, 0);
	if (task.priority)
		end(c, r, sabir_task_queue_put(queue, &item, &task, timeout_ns, NULL), 0);
	else
		end(c, r, sabir_queue_put(queue, &item, timeout_ns), 0);
}

static void do_put_many(struct client *c, sabir_queue *queue)
{
	struct sabir_item items[MANY];
	size_t accepted = 0, n = 1 + random_below(c, MANY);
	int64_t first = fresh(c);
	for (size_t i = 0; i < n; i++)
		items[i] = sabir_int(first + (int64_t)i);
	struct record *r = begin(c, "put_many", 2, first, (int64_t)n, 0);
	enum sabir_error error = sabir_queue_put_many(queue, items, n, random_timeout(c), &accepted);
	r->result[0] = (int64_t)accepted;
	end(c, r, error, 1);
}

static enum sabir_error do_get(struct client *c, sabir_queue *queue, uint64_t timeout_ns)
{
	struct sabir_item *item;
	struct record *r = begin(c, "get", 0, 0, 0, 0);
	enum sabir_error error = sabir_queue_get(queue, timeout_ns, &item);
	if (!error) {
		r->result[0] = item->as.i;
		sabir_free(item);
	}
	end(c, r, error, 1);
	return error;
}

static void do_get_many(struct client *c, sabir_queue *queue)
{
	struct sabir_item *items;
	size_t max = 1 + random_below(c, MANY), n = 0;
	struct record *r = begin(c, "get_many", 1, (int64_t)max, 0, 0);
	enum sabir_error error = sabir_queue_get_many(queue, max, random_timeout(c), &items, &n);
	if (!error) {
		for (size_t i = 0; i < n; i++)
			r->result[i] = items[i].as.i;
		sabir_free(items);
	}
	end(c, r, error, (uint8_t)n);
}

static void do_look(struct client *c, sabir_queue *queue)
{
	struct sabir_queue_state state = { 0, 0, false };
	struct sabir_item *item;
	if (random_below(c, 2)) {
		struct record *r = begin(c, "size", 0, 0, 0, 0);
		enum sabir_error error = sabir_queue_state(queue, &state);
		r->result[0] = (int64_t)state.size;
		r->result[1] = state.closed;
		end(c, r, error, 2);
		return;
	}
	struct record *r = begin(c, "peek", 0, 0, 0, 0);
	enum sabir_error error = sabir_queue_peek(queue, &item);
	if (!error) {
		r->result[0] = item->as.i;
		sabir_free(item);
	}
	end(c, r, error, 1);
}

static void do_clear(struct client *c, sabir_queue *queue)
{
	uint64_t removed = 0;
	struct record *r = begin(c, "clear", 0, 0, 0, 0);
	enum sabir_error error = sabir_queue_clear(queue, &removed);
	r->result[0] = (int64_t)removed;
	end(c, r, error, 1);
}

static void do_close(struct client *c, sabir_queue *queue)
{
	struct record *r = begin(c, "close", 0, 0, 0, 0);
	end(c, r, sabir_queue_close(queue), 0);
}

static void queue_step(struct client *c, const struct kind *kind, union object object)
{
	unsigned what = random_below(c, 200);
	if (what < 50)
		do_put(c, kind, object.queue);
	else if (what < 70)
		do_put_many(c, object.queue);
	else if (what < 135)
		(void)do_get(c, object.queue, random_timeout(c));
	else if (what < 165)
		do_get_many(c, object.queue);
	else if (what < 193)
		do_look(c, object.queue);
	else if (what < 199)
		do_clear(c, object.queue);
	else
		do_close(c, object.queue);
}

/* One at a time, so that a death leaves nothing open but whether it was done. */
static void single_step(struct client *c, const struct kind *kind, union object object)
{
	unsigned what = random_below(c, 100);
	if (what < 40)
		do_put(c, kind, object.queue);
	else if (what < 88)
		(void)do_get(c, object.queue, random_timeout(c));
	else
		do_look(c, object.queue);
}

static void queue_finish(struct client *c, const struct kind *kind, union object object)
{
	(void)kind;
	while (c->n < MAX_RECORDS && do_get(c, object.queue, 0) == SABIR_OK)
		;
}

#endif
