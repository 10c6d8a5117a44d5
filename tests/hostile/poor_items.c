/* SPDX-License-Identifier: Apache-2.0 */
/* What poor programs do with what holds items: queues, task queues, pipes, dicts, lists, namespaces, shared lists. */
#include <string.h>

#include "tests/hostile/hostile.h"

#define TIMES 8
#define SLOT_LEN 100u

/* Got, if it was; and freed. */
static void got(struct me *me, enum sabir_error error, struct sabir_item *const *item)
{
	if (error)
		return;
	poor_got(me, *item);
	sabir_free(*item);
}

static void got_many(enum sabir_error error, struct sabir_item *const *items)
{
	if (!error)
		sabir_free(*items);
}

/* ---------------------------------------------------------------- queues */

static void in_place(struct me *me, sabir_queue *queue)
{
	struct sabir_slot slot;
	struct sabir_loan loan;
	if (!CALL(me, sabir_queue_reserve(queue, SLOT_LEN, SABIR_SLOT_BYTES, &slot))) {
		memset(slot.data, 'x', SLOT_LEN);
		if (hostile_random(me, 4) == 0 || CALL(me, sabir_queue_commit(&slot, 0)))
			CALL(me, sabir_queue_abandon(&slot));
	}
	uint64_t timeout_ns = poor_time(me);
	if (CALL_FOR(me, timeout_ns, sabir_queue_borrow(queue, timeout_ns, &loan)))
		return;
	poor_got(me, &loan.item);
	if (hostile_random(me, 3))
		CALL(me, sabir_queue_release(&loan));
	else
		CALL(me, sabir_queue_return(&loan));
}

static void produce(struct me *me, sabir_queue *queue)
{
	sabir_producer *producer = NULL;
	struct sabir_item item = sabir_text("produced");
	if (CALL(me, sabir_producer_open(queue, NULL, &producer)))
		return;
	for (int i = 0; i < 5; i++)
		CALL_FOR(me, 0, sabir_producer_put(producer, &item, NULL, 0));
	CALL_FOR(me, SABIR_SECOND, sabir_producer_flush(producer, SABIR_SECOND));
	CALL(me, (sabir_producer_close(producer), SABIR_OK));
}

static void consume(struct me *me, sabir_queue *queue, uint64_t lease_ns)
{
	const struct sabir_consumer_options options = { .size = sizeof(options),
							.max_outstanding = 1 + hostile_random(me, 8),
							.lease_ns = lease_ns };
	sabir_consumer *consumer = NULL;
	struct sabir_item item;
	struct sabir_delivery delivery;
	if (CALL(me, sabir_consumer_open(queue, &options, &consumer)))
		return;
	for (int i = 0; i < 5; i++) {
		uint64_t timeout_ns = poor_time(me);
		if (CALL_FOR(me, timeout_ns, sabir_consumer_next(consumer, timeout_ns, &item, &delivery)))
			continue;
		poor_got(me, &item);
		if (hostile_random(me, 4))
			CALL(me, sabir_consumer_ack(consumer, &delivery));
		else
			CALL(me, sabir_consumer_nack(consumer, &delivery, 0));
	}
	CALL(me, sabir_consumer_close(consumer));
}

static void use_queue(struct me *me, sabir_queue *queue)
{
	struct sabir_item *found = NULL, items[3], item = poor_item(me);
	struct sabir_queue_state state;
	uint64_t timeout_ns = poor_time(me);
	size_t n;
	switch (hostile_random(me, 14)) {
	case 0:
		for (int i = 0; i < 3; i++)
			items[i] = poor_item(me);
		CALL_FOR(me, timeout_ns, sabir_queue_put_many(queue, items, 3, timeout_ns, &n));
		break;
	case 1:
		got_many(CALL_FOR(me, timeout_ns, sabir_queue_get_many(queue, 4, timeout_ns, &found, &n)), &found);
		break;
	case 2:
		got(me, CALL(me, sabir_queue_peek(queue, &found)), &found);
		break;
	case 3:
		CALL(me, sabir_queue_state(queue, &state));
		break;
	case 4:
		in_place(me, queue);
		break;
	case 5:
		if (hostile_random(me, 4) == 0)
			CALL(me, sabir_queue_clear(queue, NULL));
		break;
	case 6:
		if (hostile_random(me, 8) == 0)
			CALL(me, sabir_queue_close(queue));
		break;
	case 7:
		produce(me, queue);
		break;
	case 8:
		consume(me, queue, 0);
		break;
	case 9:
	case 10:
		got(me, CALL_FOR(me, timeout_ns, sabir_queue_get(queue, timeout_ns, &found)), &found);
		break;
	default:
		CALL_FOR(me, timeout_ns, sabir_queue_put(queue, &item, timeout_ns));
	}
}

void poor_queue(struct me *me, const char *name)
{
	sabir_queue *queue = NULL;
	if (CALL(me, sabir_queue_create(me->conn, name, 30, SABIR_EXIST_OK, &queue)))
		return;
	for (int i = 0; i < TIMES; i++)
		use_queue(me, queue);
	CALL(me, (sabir_queue_free(queue), SABIR_OK));
}

/* ---------------------------------------------------------------- task queues */

static void lease(struct me *me, sabir_queue *queue)
{
	struct sabir_item *item;
	struct sabir_lease lease;
	uint64_t timeout_ns = poor_time(me), lease_ns = (1 + hostile_random(me, 500)) * SABIR_MILLISECOND;
	if (CALL_FOR(me, timeout_ns, sabir_task_queue_lease(queue, lease_ns, timeout_ns, &item, &lease)))
		return;
	poor_got(me, item);
	sabir_free(item);
	switch (hostile_random(me, 4)) {
	case 0:
		CALL(me, sabir_task_queue_nack(queue, lease.token, hostile_random(me, 2) * 20 * SABIR_MILLISECOND));
		break;
	case 1:
		CALL(me, sabir_task_queue_extend(queue, lease.token, SABIR_SECOND));
		break;
	default:
		CALL(me, sabir_task_queue_ack(queue, lease.token));
		CALL(me, sabir_task_queue_task_done(queue));
	}
}

static void put_task(struct me *me, sabir_queue *queue)
{
	const struct sabir_task task = { .size = sizeof(task),
					 .priority = hostile_random(me, 5),
					 .delay_ns = hostile_random(me, 2) * 10 * SABIR_MILLISECOND,
					 .ttl_ns = hostile_random(me, 2) * 500 * SABIR_MILLISECOND,
					 .dedup_id = hostile_random(me, 2) ? "the same" : NULL };
	struct sabir_item item = poor_item(me);
	uint64_t timeout_ns = poor_time(me);
	CALL_FOR(me, timeout_ns, sabir_task_queue_put(queue, &item, &task, timeout_ns, NULL));
}

static void use_tasks(struct me *me, sabir_queue *queue)
{
	struct sabir_task_state state;
	uint64_t timeout_ns = poor_time(me), moved;
	switch (hostile_random(me, 10)) {
	case 0:
		CALL(me, sabir_task_queue_state(queue, &state));
		break;
	case 1:
		CALL_FOR(me, timeout_ns, sabir_task_queue_join(queue, timeout_ns));
		break;
	case 2:
		CALL(me, sabir_task_queue_pause(queue));
		CALL(me, sabir_task_queue_resume(queue));
		break;
	case 3:
		CALL(me, sabir_task_queue_requeue(queue, queue, 5, &moved));
		break;
	case 4:
		consume(me, queue, 200 * SABIR_MILLISECOND);
		break;
	case 5:
		use_queue(me, queue);
		break;
	case 6:
	case 7:
		lease(me, queue);
		break;
	default:
		put_task(me, queue);
	}
}

void poor_tasks(struct me *me, const char *name)
{
	const struct sabir_task_spec spec = { .size = sizeof(spec),
					      .max_items = 40,
					      .discipline = SABIR_PRIORITY,
					      .joinable = 1,
					      .max_attempts = 3,
					      .dead_letter = POOR_PREFIX "tasks/0",
					      .dedup_window_ns = SABIR_SECOND };
	sabir_queue *queue = NULL;
	if (CALL(me, sabir_task_queue_create(me->conn, name, &spec, SABIR_EXIST_OK, &queue)))
		return;
	for (int i = 0; i < TIMES; i++)
		use_tasks(me, queue);
	CALL(me, (sabir_queue_free(queue), SABIR_OK));
}

/* ---------------------------------------------------------------- pipe */

static void use_pipe(struct me *me, sabir_pipe *pipe)
{
	struct sabir_item *found = NULL, item = poor_item(me);
	struct sabir_pipe_state ends[2];
	uint64_t timeout_ns = poor_time(me), bytes;
	bool ready;
	switch (hostile_random(me, 6)) {
	case 0:
		CALL_FOR(me, timeout_ns, sabir_pipe_poll(pipe, timeout_ns, &ready, &bytes));
		break;
	case 1:
		CALL(me, sabir_pipe_state(pipe, ends));
		break;
	case 2:
	case 3:
		got(me, CALL_FOR(me, timeout_ns, sabir_pipe_recv(pipe, timeout_ns, &found)), &found);
		break;
	default:
		CALL_FOR(me, timeout_ns, sabir_pipe_send(pipe, &item, timeout_ns));
	}
}

void poor_pipe(struct me *me, const char *name)
{
	const struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_PIPE, .max_items = 10 };
	struct sabir_info info;
	sabir_pipe *pipe = NULL;
	if (CALL(me, sabir_create(me->conn, name, &spec, SABIR_EXIST_OK, &info, NULL)))
		return;
	if (CALL(me, sabir_pipe_open(me->conn, name, hostile_random(me, 2), &pipe)))
		return;
	for (int i = 0; i < TIMES; i++)
		use_pipe(me, pipe);
	if (hostile_random(me, 2))
		CALL(me, sabir_pipe_close(pipe));
	CALL(me, (sabir_pipe_free(pipe), SABIR_OK));
}

/* ---------------------------------------------------------------- dict, namespace */

static void look_at_dict(struct me *me, sabir_dict *dict)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *entries = NULL;
	uint64_t ttl;
	size_t n;
	bool backwards = hostile_random(me, 2);
	struct sabir_item key = poor_key(me);
	CALL(me, sabir_dict_ttl(dict, &key, &ttl));
	for (int i = 0; i < 5; i++) {
		enum sabir_error error = backwards ? CALL(me, sabir_dict_items_reversed(dict, 4, &cursor, &entries, &n))
						   : CALL(me, sabir_dict_items(dict, 4, &cursor, &entries, &n));
		if (error)
			break;
		sabir_free(entries);
		if (!cursor.len)
			break;
	}
}

static void change_dict(struct me *me, sabir_dict *dict)
{
	struct sabir_entry *entry = NULL;
	struct sabir_item *found = NULL, key = poor_key(me), item = poor_item(me), sum;
	const struct sabir_entry entries[2] = { { poor_key(me), item }, { poor_key(me), item } };
	bool done;
	switch (hostile_random(me, 9)) {
	case 0:
		got(me, CALL(me, sabir_dict_pop(dict, &key, &found)), &found);
		break;
	case 1:
		if (!CALL(me, sabir_dict_popitem(dict, &entry)))
			sabir_free(entry);
		break;
	case 2:
		CALL(me, sabir_dict_update(dict, entries, 2, NULL));
		break;
	case 3:
		CALL(me, sabir_dict_increment(dict, &key, &item, &sum));
		break;
	case 4:
		got(me, CALL(me, sabir_dict_setdefault(dict, &key, &item, &found, &done)), &found);
		break;
	case 5:
		CALL(me, sabir_dict_set_ttl(dict, &key, &item, 50 * SABIR_MILLISECOND, NULL));
		break;
	case 6:
		CALL(me, sabir_dict_expire(dict, &key, 20 * SABIR_MILLISECOND));
		break;
	case 7:
		CALL(me, sabir_dict_clear(dict, NULL));
		break;
	default:
		CALL(me, sabir_dict_delete(dict, &key));
	}
}

void poor_dict(struct me *me, const char *name)
{
	sabir_dict *dict = NULL, *copy = NULL;
	if (CALL(me, sabir_dict_create(me->conn, name, SABIR_EXIST_OK, &dict)))
		return;
	for (int i = 0; i < 2 * TIMES; i++) {
		struct sabir_item *found = NULL, key = poor_key(me), item = poor_item(me);
		uint32_t what = hostile_random(me, 10);
		if (what == 0)
			look_at_dict(me, dict);
		else if (what < 3)
			change_dict(me, dict);
		else if (what < 7)
			CALL(me, sabir_dict_set(dict, &key, &item, NULL));
		else
			got(me, CALL(me, sabir_dict_get(dict, &key, &found)), &found);
	}
	if (hostile_random(me, 10) == 0 && !CALL(me, sabir_dict_copy(dict, POOR_PREFIX "copy", &copy))) {
		CALL(me, (sabir_dict_free(copy), SABIR_OK));
		CALL(me, sabir_delete(me->conn, POOR_PREFIX "copy"));
	}
	CALL(me, (sabir_dict_free(dict), SABIR_OK));
}

void poor_namespace(struct me *me, const char *name)
{
	static const char *const names[] = { "a", "b", "c", "a_longer_one" };
	sabir_namespace *ns = NULL;
	if (CALL(me, sabir_namespace_create(me->conn, name, SABIR_EXIST_OK, &ns)))
		return;
	for (int i = 0; i < TIMES; i++) {
		const char *attribute = names[hostile_random(me, 4)];
		struct sabir_item *found = NULL, item = poor_item(me), sum;
		struct sabir_cursor cursor = { 0 };
		size_t n;
		uint32_t what = hostile_random(me, 6);
		if (what == 0)
			CALL(me, sabir_namespace_delete(ns, attribute));
		else if (what == 1)
			got_many(CALL(me, sabir_namespace_dir(ns, 10, &cursor, &found, &n)), &found);
		else if (what == 2)
			CALL(me, sabir_namespace_increment(ns, attribute, &item, &sum));
		else if (what == 3)
			got(me, CALL(me, sabir_namespace_get(ns, attribute, &found)), &found);
		else
			CALL(me, sabir_namespace_set(ns, attribute, &item, NULL));
	}
	CALL(me, (sabir_namespace_free(ns), SABIR_OK));
}
