/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_KINDS_DICT_H
#define TESTS_LINEARIZABILITY_KINDS_DICT_H

/* Dicts: "dict" has operations on one key each, "whole_dict" those on all of it too. Keys are a few small integers. */
#include "tests/linearizability/kinds.h"

#define N_KEYS 4u

static enum sabir_error dict_create(sabir_conn *conn, const char *name, const struct kind *kind, union object *object)
{
	(void)kind;
	return sabir_dict_create(conn, name, 0, &object->dict);
}

static enum sabir_error dict_open(sabir_conn *conn, const char *name, union object *object)
{
	return sabir_dict_open(conn, name, &object->dict);
}

static void dict_free(union object object)
{
	sabir_dict_free(object.dict);
}

static enum sabir_error take_value(struct record *r, unsigned at, enum sabir_error error, struct sabir_item *value)
{
	if (error)
		return error;
	r->result[at] = value ? value->as.i : NONE;
	sabir_free(value);
	return SABIR_OK;
}

static void dict_get(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k), *value = NULL;
	struct record *r = begin(c, "get", 1, k, 0, 0);
	enum sabir_error error = sabir_dict_get(dict, &key, &value);
	end(c, r, take_value(r, 0, error, value), 1);
	c->seen = error ? NONE : r->result[0];
}

static void dict_pop(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k), *value = NULL;
	struct record *r = begin(c, "pop", 1, k, 0, 0);
	enum sabir_error error = sabir_dict_pop(dict, &key, &value);
	end(c, r, take_value(r, 0, error, value), 1);
}

static void dict_set(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k), value = sabir_int(fresh(c));
	bool inserted = false;
	struct record *r = begin(c, "set", 2, k, value.as.i, 0);
	enum sabir_error error = sabir_dict_set(dict, &key, &value, &inserted);
	r->result[0] = inserted;
	end(c, r, error, 1);
}

static void dict_setdefault(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k), preset = sabir_int(fresh(c)), *value = NULL;
	bool inserted = false;
	struct record *r = begin(c, "setdefault", 2, k, preset.as.i, 0);
	enum sabir_error error = sabir_dict_setdefault(dict, &key, &preset, &value, &inserted);
	r->result[1] = inserted;
	end(c, r, take_value(r, 0, error, value), 2);
}

static void dict_delete(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k);
	struct record *r = begin(c, "delete", 1, k, 0, 0);
	end(c, r, sabir_dict_delete(dict, &key), 0);
}

static void dict_contains(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k);
	bool found = false;
	struct record *r = begin(c, "contains", 1, k, 0, 0);
	enum sabir_error error = sabir_dict_contains(dict, &key, &found);
	r->result[0] = found;
	end(c, r, error, 1);
}

static void dict_increment(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k);
	struct record *r = begin(c, "increment", 2, k, 1 + random_below(c, 9000), 0);
	end(c, r, sabir_dict_increment_int(dict, &key, r->arg[1], &r->result[0]), 1);
}

/* The desired value is now and then "none": a delete. */
static void dict_cas(struct client *c, sabir_dict *dict, int64_t k)
{
	struct sabir_item key = sabir_int(k), expected = sabir_int(c->seen), desired = sabir_int(fresh(c)),
			  *found = NULL;
	bool exchanged = false, deletes = !random_below(c, 4);
	struct record *r = begin(c, "cas", 3, k, c->seen, deletes ? NONE : desired.as.i);
	enum sabir_error error = sabir_dict_compare_exchange(dict, &key, c->seen == NONE ? NULL : &expected,
							     deletes ? NULL : &desired, &exchanged, &found);
	r->result[0] = exchanged;
	error = take_value(r, 1, error, found);
	end(c, r, error, 2);
	if (!error)
		c->seen = exchanged ? r->arg[2] : r->result[1];
}

static void dict_step(struct client *c, const struct kind *kind, union object object)
{
	static void (*const steps[])(struct client *, sabir_dict *,
				     int64_t) = { dict_get,        dict_get,       dict_set, dict_set,
						  dict_setdefault, dict_delete,    dict_pop, dict_contains,
						  dict_increment,  dict_increment, dict_cas, dict_cas };
	(void)kind;
	steps[random_below(c, sizeof(steps) / sizeof(steps[0]))](c, object.dict, random_below(c, N_KEYS));
}

/* ---------------------------------------------------------------- all of it */

static void dict_update(struct client *c, sabir_dict *dict)
{
	struct sabir_entry entries[2];
	uint64_t inserted = 0;
	int64_t first = random_below(c, N_KEYS), second = random_below(c, N_KEYS);
	struct record *r = &c->records[c->n];
	for (int i = 0; i < 2; i++)
		entries[i] = (struct sabir_entry){ sabir_int(i ? second : first), sabir_int(fresh(c) + i) };
	r->arg[3] = fresh(c) + 1;
	begin(c, "update", 4, first, fresh(c), second);
	enum sabir_error error = sabir_dict_update(dict, entries, 2, &inserted);
	r->result[0] = (int64_t)inserted;
	end(c, r, error, 1);
}

static void dict_popitem(struct client *c, sabir_dict *dict)
{
	struct sabir_entry *entry;
	bool first = random_below(c, 2);
	struct record *r = begin(c, first ? "popfirst" : "popitem", 0, 0, 0, 0);
	enum sabir_error error = first ? sabir_dict_popitem_first(dict, &entry) : sabir_dict_popitem(dict, &entry);
	if (!error) {
		r->result[0] = entry->key.as.i;
		r->result[1] = entry->value.as.i;
		sabir_free(entry);
	}
	end(c, r, error, 2);
}

static void dict_len(struct client *c, sabir_dict *dict)
{
	uint64_t length = 0;
	struct record *r = begin(c, "len", 0, 0, 0, 0);
	enum sabir_error error = sabir_dict_len(dict, &length);
	r->result[0] = (int64_t)length;
	end(c, r, error, 1);
}

static void dict_clear(struct client *c, sabir_dict *dict)
{
	uint64_t removed = 0;
	struct record *r = begin(c, "clear", 0, 0, 0, 0);
	enum sabir_error error = sabir_dict_clear(dict, &removed);
	r->result[0] = (int64_t)removed;
	end(c, r, error, 1);
}

/* All entries of one moment, in their order: those of a copy. */
static void dict_snapshot(struct client *c, sabir_dict *dict)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *entries;
	sabir_dict *copy;
	size_t n = 0;
	struct record *r = begin(c, "snapshot", 0, 0, 0, 0);
	enum sabir_error error = sabir_dict_copy(dict, NULL, &copy);
	if (error) {
		end(c, r, error, 0);
		return;
	}
	error = sabir_dict_items(copy, 0, &cursor, &entries, &n);
	for (size_t i = 0; i < n && i < N_KEYS; i++) {
		r->result[2 * i] = entries[i].key.as.i;
		r->result[2 * i + 1] = entries[i].value.as.i;
	}
	end(c, r, error, (uint8_t)(2 * n));
	sabir_free(error ? NULL : entries);
	sabir_dict_free(copy);
}

static void whole_dict_step(struct client *c, const struct kind *kind, union object object)
{
	unsigned what = random_below(c, 100);
	if (what < 60)
		dict_step(c, kind, object);
	else if (what < 75)
		dict_update(c, object.dict);
	else if (what < 85)
		dict_popitem(c, object.dict);
	else if (what < 90)
		dict_len(c, object.dict);
	else if (what < 98)
		dict_snapshot(c, object.dict);
	else
		dict_clear(c, object.dict);
}

static void dict_finish(struct client *c, const struct kind *kind, union object object)
{
	if (!strcmp(kind->name, "whole_dict"))
		dict_snapshot(c, object.dict);
	for (int64_t k = 0; k < (int64_t)N_KEYS; k++)
		dict_get(c, object.dict, k);
}

#endif
