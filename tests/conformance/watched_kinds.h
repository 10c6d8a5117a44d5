/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFORMANCE_WATCHED_KINDS_H
#define TESTS_CONFORMANCE_WATCHED_KINDS_H

/*
 * For each kind: a random operation by one of the connections, what it changes, as it is noted for the watches, and the
 * state that a snapshot tells. The models hold no more than that needs.
 */
#include "tests/conformance/watched.h"

#define NAME "model/watched"
#define LENGTH 16u
#define BOUND 8u

struct kind {
	const char *name;
	struct sabir_spec spec;
	void (*open)(int who);
	void (*free)(int who);
	void (*step)(int who);
	bool has_keys;
};

static struct watched_state state; /* of the object, as a snapshot has it */

#define HANDLES(kind, type)                                                                                            \
	static type *kind##s[2];                                                                                       \
	static void kind##_open(int who)                                                                               \
	{                                                                                                              \
		SAME(!sabir_##kind##_open(conns[who], NAME, &kind##s[who]));                                           \
	}                                                                                                              \
	static void kind##_free(int who)                                                                               \
	{                                                                                                              \
		sabir_##kind##_free(kind##s[who]);                                                                     \
	}

/* ---------------------------------------------------------------- queue */

HANDLES(queue, sabir_queue)

static bool has_tasks; /* it is a task queue */

static void queue_put(sabir_queue *queue)
{
	struct sabir_item items[3] = { sabir_int(1), sabir_int(2), sabir_int(3) };
	size_t n = 1 + random_below(3), room = BOUND - state.length, accepted = 0;
	enum sabir_error error = n == 1 ? sabir_queue_put(queue, items, 0)
					: sabir_queue_put_many(queue, items, n, 0, &accepted);
	SAME(error == (state.closed ? SABIR_CLOSED : room ? SABIR_OK : SABIR_FULL));
	if (error)
		return;
	accepted = n == 1 ? 1 : accepted;
	SAME(accepted == (n < room ? n : room));
	note(SABIR_CHANGE_PUT, NO_KEY, 0, accepted);
	state.length += accepted;
}

static void queue_get(sabir_queue *queue)
{
	struct sabir_item *items;
	size_t most = 1 + random_below(3), n = 1;
	enum sabir_error error = most == 1 ? sabir_queue_get(queue, 0, &items)
					   : sabir_queue_get_many(queue, most, 0, &items, &n);
	SAME(error == (state.length ? SABIR_OK : state.closed ? SABIR_CLOSED : SABIR_EMPTY));
	if (error)
		return;
	sabir_free(items);
	SAME(n == (most < state.length ? most : state.length));
	note(SABIR_CHANGE_TAKEN, NO_KEY, 0, n);
	state.length -= n;
}

static void queue_step(int who)
{
	unsigned what = random_below(200);
	uint64_t removed;
	if (what < 100) {
		queue_put(queues[who]);
	} else if (what < 190) {
		queue_get(queues[who]);
	} else if (what < 199) {
		SAME(!sabir_queue_clear(queues[who], &removed) && removed == state.length);
		if (removed)
			note(SABIR_CHANGE_TAKEN, NO_KEY, 0, removed);
		state.length = 0;
	} else {
		SAME(!sabir_queue_close(queues[who]));
		if (!state.closed)
			note(SABIR_CHANGE_CLOSED, NO_KEY, 0, 0);
		state.closed = true;
	}
}

/* Of a task queue: what is leased counts no more, and what is given back or up is told as something. */
static void task_step(int who)
{
	struct sabir_item *item;
	struct sabir_lease lease;
	if (random_below(3)) {
		queue_step(who);
		return;
	}
	enum sabir_error error = sabir_task_queue_lease(queues[who], 3600 * SABIR_SECOND, 0, &item, &lease);
	SAME(error == (state.length ? SABIR_OK : state.closed ? SABIR_CLOSED : SABIR_EMPTY));
	if (error)
		return;
	sabir_free(item);
	note(SABIR_CHANGE_TAKEN, NO_KEY, 0, 1);
	if (random_below(2)) {
		SAME(!sabir_task_queue_ack(queues[!who], lease.token));
		state.length--;
	} else {
		SAME(!sabir_task_queue_nack(queues[!who], lease.token, 0));
	}
	note(SABIR_CHANGE_OTHER, NO_KEY, 0, 0);
}

/* ---------------------------------------------------------------- value, array, block, shared list */

HANDLES(value, sabir_value)
HANDLES(array, sabir_array)
HANDLES(block, sabir_block)
HANDLES(shared_list, sabir_shared_list)

static void value_step(int who)
{
	struct sabir_item desired = sabir_int(random_below(5)), expected = sabir_int(random_below(5));
	bool exchanged = true;
	switch (random_below(3)) {
	case 0:
		SAME(!sabir_value_set(values[who], &desired));
		break;
	case 1:
		SAME(!sabir_value_exchange(values[who], &desired, NULL));
		break;
	default:
		SAME(!sabir_value_compare_exchange(values[who], &expected, &desired, &exchanged, NULL));
		SAME(exchanged == (state.number == expected.as.i));
	}
	if (!exchanged)
		return;
	note(SABIR_CHANGE_SET, NO_KEY, 0, 0);
	state.number = desired.as.i;
}

static void array_step(int who)
{
	int64_t elements[LENGTH] = { 0 };
	struct sabir_item number = sabir_int(random_below(9));
	unsigned first = random_below(LENGTH), count = 1 + random_below(LENGTH - first), what = random_below(3);
	if (what == 0)
		SAME(!sabir_array_add(arrays[who], (int64_t)first - (random_below(2) ? LENGTH : 0), &number, NULL));
	else if (what == 1)
		SAME(!sabir_array_fill(arrays[who], first, count, &number));
	else
		SAME(!sabir_array_set_slice(arrays[who], first, count, elements));
	note(SABIR_CHANGE_SET, NO_KEY, first, what ? count : 1);
}

static void block_step(int who)
{
	uint8_t bytes[LENGTH] = { 1 };
	unsigned first = random_below(LENGTH), count = 1 + random_below(LENGTH - first);
	SAME(!sabir_block_write(blocks[who], first, count, bytes));
	note(SABIR_CHANGE_SET, NO_KEY, first, count);
}

static void shared_list_step(int who)
{
	struct sabir_item item = sabir_int(random_below(9));
	unsigned at = random_below(3);
	SAME(!sabir_shared_list_set(shared_lists[who], at, &item));
	note(SABIR_CHANGE_SET, NO_KEY, at, 1);
}

/* ---------------------------------------------------------------- dict, namespace */

HANDLES(dict, sabir_dict)
HANDLES(namespace, sabir_namespace)

static void put_key(int key, int64_t value)
{
	state.length += key_values[key] == ABSENT;
	key_values[key] = value;
	note(SABIR_CHANGE_SET, key, 0, 0);
}

static void drop_key(int key)
{
	if (key_values[key] == ABSENT)
		return;
	state.length--;
	key_values[key] = ABSENT;
	note(SABIR_CHANGE_DELETED, key, 0, 0);
}

/* More keys than are told one by one are told as a change of any. */
static void dict_update(sabir_dict *dict)
{
	struct sabir_entry entries[N_KEYS] = { 0 };
	unsigned n = random_below(2) ? random_below(4) : 17 + random_below(4), first = random_below(N_KEYS);
	bool watched = is_watched;
	for (unsigned i = 0; i < n; i++)
		entries[i] = (struct sabir_entry){ sabir_text(key_name((int)((first + i) % N_KEYS))), sabir_int(i) };
	SAME(!sabir_dict_update(dict, entries, n, NULL));
	is_watched = watched && n <= 16;
	for (unsigned i = 0; i < n; i++)
		put_key((int)((first + i) % N_KEYS), i);
	is_watched = watched;
	if (n > 16)
		note(SABIR_CHANGE_OTHER, NO_KEY, 0, 0);
}

static void dict_exchange(sabir_dict *dict, int at)
{
	struct sabir_item key = sabir_text(key_name(at)), expected = sabir_int(random_below(3)), desired = sabir_int(1);
	bool exchanged, deletes = random_below(2), missing = random_below(3) == 0;
	SAME(!sabir_dict_compare_exchange(dict, &key, missing ? NULL : &expected, deletes ? NULL : &desired, &exchanged,
					  NULL));
	SAME(exchanged == (key_values[at] == (missing ? ABSENT : expected.as.i)));
	if (exchanged && deletes)
		drop_key(at);
	else if (exchanged)
		put_key(at, 1);
}

static void dict_change_all(sabir_dict *dict)
{
	struct sabir_entry *entry;
	uint64_t removed;
	if (random_below(3)) {
		enum sabir_error error = sabir_dict_popitem(dict, &entry);
		SAME(error == (state.length ? SABIR_OK : SABIR_EMPTY));
		if (error)
			return;
		drop_key(atoi((const char *)entry->key.as.data + 1));
		sabir_free(entry);
		return;
	}
	SAME(!sabir_dict_clear(dict, &removed) && removed == state.length);
	for (int i = 0; i < (int)N_KEYS; i++)
		key_values[i] = ABSENT;
	if (state.length)
		note(SABIR_CHANGE_CLEARED, NO_KEY, 0, 0);
	state.length = 0;
}

static void dict_step(int who)
{
	int at = (int)random_below(N_KEYS);
	struct sabir_item key = sabir_text(key_name(at)), value = sabir_int(random_below(3)), sum;
	unsigned what = random_below(20);
	if (what < 6) {
		SAME(!sabir_dict_set(dicts[who], &key, &value, NULL));
		put_key(at, value.as.i);
	} else if (what < 8) {
		SAME(!sabir_dict_increment(dicts[who], &key, &value, &sum));
		put_key(at, sum.as.i);
	} else if (what < 10) {
		SAME(!sabir_dict_setdefault(dicts[who], &key, &value, NULL, NULL));
		if (key_values[at] == ABSENT)
			put_key(at, value.as.i);
	} else if (what < 15) {
		SAME(sabir_dict_delete(dicts[who], &key) ==
		     (key_values[at] == ABSENT ? SABIR_KEY_NOT_FOUND : SABIR_OK));
		drop_key(at);
	} else if (what < 18) {
		dict_exchange(dicts[who], at);
	} else if (what < 19) {
		dict_update(dicts[who]);
	} else {
		dict_change_all(dicts[who]);
	}
}

static void namespace_step(int who)
{
	int at = (int)random_below(N_KEYS);
	struct sabir_item value = sabir_int(random_below(3)), sum;
	unsigned what = random_below(3);
	if (what == 0) {
		SAME(!sabir_namespace_set(namespaces[who], key_name(at), &value, NULL));
		put_key(at, value.as.i);
	} else if (what == 1) {
		SAME(!sabir_namespace_increment(namespaces[who], key_name(at), &value, &sum));
		put_key(at, sum.as.i);
	} else {
		SAME(sabir_namespace_delete(namespaces[who], key_name(at)) ==
		     (key_values[at] == ABSENT ? SABIR_KEY_NOT_FOUND : SABIR_OK));
		drop_key(at);
	}
}

/* ---------------------------------------------------------------- list */

HANDLES(list, struct sabir_list)

static void list_step(int who)
{
	struct sabir_item items[2] = { sabir_int(random_below(9)), sabir_int(random_below(9)) }, *item;
	struct sabir_list *list = lists[who];
	uint64_t removed = 0, before = state.length;
	int64_t at = (int64_t)random_below((unsigned)before + 1);
	enum sabir_error none = at < (int64_t)before ? SABIR_OK : SABIR_OUT_OF_RANGE, error = SABIR_OK;
	switch (random_below(5)) {
	case 0:
		SAME(!sabir_list_extend(list, items, 2));
		state.length += 2;
		break;
	case 1:
		SAME(!sabir_list_insert(list, at, items));
		state.length++;
		break;
	case 2:
		SAME((error = sabir_list_set(list, at, items)) == none);
		break;
	case 3:
		SAME((error = sabir_list_pop(list, at, &item)) == (before ? none : SABIR_EMPTY));
		state.length -= !error;
		sabir_free(error ? NULL : item);
		break;
	default:
		SAME(!sabir_list_delete_slice(list, &(struct sabir_slice){ at, SABIR_SLICE_OPEN, 2 }, &removed));
		SAME(removed == (before - (uint64_t)at + 1) / 2);
		state.length -= removed;
		error = removed ? SABIR_OK : SABIR_EMPTY;
	}
	if (!error)
		note(SABIR_CHANGE_SET, NO_KEY, 0, 0);
}

#endif
