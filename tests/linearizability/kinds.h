/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_KINDS_H
#define TESTS_LINEARIZABILITY_KINDS_H

/*
 * The kinds: how an object of each is made and opened, one random step on it, and what is asked of it when all are done.
 * The checker's models (model_*.go) know the operations by the names that are given here.
 */
#include "tests/linearizability/history.h"

enum kind_flag {
	NO_KILLS = 1,  /* outcomes that the model can't leave open */
	OWNERSHIP = 2, /* a process's death is an operation of its own */
};

struct kind {
	const char *name;
	unsigned flags;
	int64_t parameter; /* of the model: a bound, a type code, ... */
	enum sabir_error (*create)(sabir_conn *conn, const char *name, const struct kind *kind, union object *object);
	enum sabir_error (*open)(sabir_conn *conn, const char *name, union object *object);
	void (*step)(struct client *c, const struct kind *kind, union object object);
	void (*finish)(struct client *c, const struct kind *kind, union object object);
	void (*free)(union object object);
};

/* ---------------------------------------------------------------- queue */

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

/* ---------------------------------------------------------------- value, array */

#define ARRAY_LEN 3u

static enum sabir_error value_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	return sabir_value_create(conn, name, (char)kind->parameter, 0, &object->value);
}

static enum sabir_error value_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_value_open(conn, name, &object->value);
}

static void value_free(union object object)
{
	sabir_value_free(object.value);
}

static enum sabir_error array_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	return sabir_array_create(conn, name, (char)kind->parameter, ARRAY_LEN, 0, &object->array);
}

static enum sabir_error array_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_array_open(conn, name, &object->array);
}

static void array_free(union object object)
{
	sabir_array_free(object.array);
}

/* An array's element, or with array NULL the value: the same operations. */
struct cell {
	sabir_value *value;
	sabir_array *array;
	int64_t index;
};

static void cell_get(struct client *c, const struct cell *x)
{
	struct record *r = begin(c, "get", 1, x->index, 0, 0);
	enum sabir_error error = x->array ? sabir_array_get_int(x->array, x->index, &r->result[0])
					  : sabir_value_get_int(x->value, &r->result[0]);
	c->seen = r->result[0];
	end(c, r, error, 1);
}

static void cell_set(struct client *c, const struct cell *x)
{
	struct record *r = begin(c, "set", 2, x->index, fresh(c), 0);
	end(c, r,
	    x->array ? sabir_array_set_int(x->array, x->index, r->arg[1]) : sabir_value_set_int(x->value, r->arg[1]),
	    0);
}

static void cell_add(struct client *c, const struct cell *x)
{
	struct record *r = begin(c, "add", 2, x->index, 1 + random_below(c, 9000), 0);
	enum sabir_error error = x->array ? sabir_array_add_int(x->array, x->index, r->arg[1], &r->result[0])
					  : sabir_value_add_int(x->value, r->arg[1], &r->result[0]);
	c->seen = r->result[0];
	end(c, r, error, 1);
}

static void cell_cas(struct client *c, const struct cell *x)
{
	struct sabir_item expected = sabir_int(c->seen), desired = sabir_int(fresh(c)), found = sabir_int(0);
	bool exchanged = false;
	struct record *r = begin(c, "cas", 3, x->index, expected.as.i, desired.as.i);
	enum sabir_error error =
		x->array ? sabir_array_compare_exchange(x->array, x->index, &expected, &desired, &exchanged, &found)
			 : sabir_value_compare_exchange(x->value, &expected, &desired, &exchanged, &found);
	r->result[0] = exchanged;
	r->result[1] = found.as.i;
	c->seen = exchanged ? desired.as.i : found.as.i;
	end(c, r, error, 2);
}

static void cell_exchange(struct client *c, const struct cell *x)
{
	struct sabir_item desired = sabir_int(fresh(c)), previous = sabir_int(0);
	struct record *r = begin(c, "exchange", 2, x->index, desired.as.i, 0);
	enum sabir_error error = sabir_value_exchange(x->value, &desired, &previous);
	r->result[0] = previous.as.i;
	end(c, r, error, 1);
}

static void cell_step(struct client *c, const struct cell *x)
{
	unsigned what = random_below(c, 100);
	if (what < 30)
		cell_get(c, x);
	else if (what < 50)
		cell_set(c, x);
	else if (what < 75 || (what < 85 && x->array))
		cell_add(c, x);
	else if (what < 85)
		cell_exchange(c, x);
	else
		cell_cas(c, x);
}

static void value_step(struct client *c, const struct kind *kind, union object object)
{
	struct cell x = { .value = object.value };
	(void)kind;
	cell_step(c, &x);
}

static void value_finish(struct client *c, const struct kind *kind, union object object)
{
	struct cell x = { .value = object.value };
	(void)kind;
	cell_get(c, &x);
}

/* A slice is read and written element by element: as if each were an operation of its own. */
static void array_step(struct client *c, const struct kind *kind, union object object)
{
	struct cell x = { .array = object.array, .index = random_below(c, ARRAY_LEN) };
	int64_t elements[ARRAY_LEN];
	unsigned what = kind->parameter == 'q' ? random_below(c, 10) : 2;
	if (what == 0) {
		struct record *r = begin(c, "get_slice", 0, 0, 0, 0);
		enum sabir_error error = sabir_array_get_slice(object.array, 0, ARRAY_LEN, elements);
		memcpy(r->result, elements, sizeof(elements));
		end(c, r, error, ARRAY_LEN);
	} else if (what == 1) {
		struct sabir_item number = sabir_int(fresh(c));
		struct record *r = begin(c, "fill", 1, number.as.i, 0, 0);
		end(c, r, sabir_array_fill(object.array, 0, ARRAY_LEN, &number), 0);
	} else {
		cell_step(c, &x);
	}
}

static void array_finish(struct client *c, const struct kind *kind, union object object)
{
	struct cell x = { .array = object.array };
	(void)kind;
	for (x.index = 0; x.index < (int64_t)ARRAY_LEN; x.index++)
		cell_get(c, &x);
}

#endif
