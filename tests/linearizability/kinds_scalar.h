/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_KINDS_SCALAR_H
#define TESTS_LINEARIZABILITY_KINDS_SCALAR_H

/* Values and arrays. */
#include "tests/linearizability/kinds.h"

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
