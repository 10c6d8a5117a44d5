/* SPDX-License-Identifier: Apache-2.0 */
/* More operations that ops.c measures: those with objects of their own, or another thread. Included by ops.c alone. */
#ifndef SABIR_BENCH_OPS_MORE_H
#define SABIR_BENCH_OPS_MORE_H

#include <pthread.h>

#define HOUR_NS (3600 * SABIR_SECOND)

static sabir_queue *flow, *lifo, *by_priority, *by_id, *mortal;
static sabir_producer *producer;
static sabir_consumer *consumer, *task_consumer;
static struct sabir_delivery delivery;
static struct sabir_slot slot;
static struct sabir_loan loan;
static sabir_value *watched;
static sabir_watch *watch, *dict_watch;
static struct sabir_change change;
static sabir_dict *scratch, *few, *watched_dict;
static struct sabir_list *short_list;
static sabir_semaphore *owned_semaphore;
static sabir_barrier *barrier_of_2;

static void make_task_queue(sabir_queue **made, struct sabir_task_spec spec)
{
	spec.size = sizeof(spec);
	NEED(sabir_task_queue_create(connection, NULL, &spec, 0, made));
}

static void make_flows(void)
{
	struct sabir_consumer_options leases = { .size = sizeof(leases), .lease_ns = HOUR_NS };
	NEED(sabir_queue_create(connection, NULL, 0, 0, &flow));
	NEED(sabir_producer_open(flow, NULL, &producer));
	NEED(sabir_consumer_open(flow, NULL, &consumer));
	NEED(sabir_consumer_open(tasks, &leases, &task_consumer));
	make_task_queue(&lifo, (struct sabir_task_spec){ .discipline = SABIR_LIFO });
	make_task_queue(&by_priority, (struct sabir_task_spec){ .discipline = SABIR_PRIORITY });
	make_task_queue(&by_id, (struct sabir_task_spec){ .dedup_window_ns = SABIR_MILLISECOND });
	make_task_queue(&mortal, (struct sabir_task_spec){ .max_attempts = 1 });
}

static void make_more_objects(void)
{
	make_flows();
	NEED(sabir_value_create(connection, NULL, 'q', 0, &watched));
	NEED(sabir_watch_open(connection, sabir_value_handle(watched), NULL, &watch));
	NEED(sabir_dict_create(connection, NULL, 0, &watched_dict));
	NEED(sabir_watch_open(connection, sabir_dict_handle(watched_dict), NULL, &dict_watch));
	NEED(sabir_dict_create(connection, NULL, 0, &scratch));
	NEED(sabir_dict_create(connection, NULL, 0, &few));
	NEED(sabir_dict_update(few, pairs, 16, NULL));
	NEED(sabir_list_create(connection, NULL, 0, &short_list));
	for (int i = 0; i < 16; i++)
		NEED(sabir_list_append(short_list, &pairs[i].key));
	NEED(sabir_semaphore_create(connection, NULL, 1, SABIR_SEMAPHORE_OWNED, &owned_semaphore));
	NEED(sabir_barrier_create(connection, NULL, 2, 0, &barrier_of_2));
}

/* ---------------------------------------------------------------- queues */

static void reserve_one(void)
{
	NEED(sabir_queue_reserve(queue, sizeof(data), SABIR_SLOT_BYTES, &slot));
	memcpy(slot.data, data, sizeof(data));
}

static void put_task(sabir_queue *to, struct sabir_task how)
{
	how.size = sizeof(how);
	NEED(sabir_task_queue_put(to, &number, &how, SABIR_FOREVER, NULL));
}

static void put_with_id(void)
{
	static unsigned id;
	char text[16];
	snprintf(text, sizeof(text), "%u", id++);
	put_task(by_id, (struct sabir_task){ .dedup_id = text });
}

/* Its only try fails. */
static void let_die(void)
{
	struct sabir_item *task;
	struct sabir_lease lease;
	put_task(mortal, (struct sabir_task){ 0 });
	NEED(sabir_task_queue_lease(mortal, HOUR_NS, SABIR_FOREVER, &task, &lease));
	NEED(sabir_task_queue_nack(mortal, lease.token, 0));
	sabir_free(task);
}

static void clear_queue(void)
{
	NEED(sabir_queue_clear(queue, NULL));
}

static void clear_tasks(void)
{
	NEED(sabir_queue_clear(tasks, NULL));
}

static void clear_mortal(void)
{
	NEED(sabir_queue_clear(mortal, NULL));
}

static void requeue_all(void)
{
	NEED(sabir_task_queue_requeue(mortal, NULL, 0, NULL));
}

EACH(do_reserve_commit, reserve_one(); NEED(sabir_queue_commit(&slot, SABIR_FOREVER)))
EACH(do_reserve_abandon, reserve_one(); NEED(sabir_queue_abandon(&slot)))
EACH(do_borrow_release, NEED(sabir_queue_borrow(queue, SABIR_FOREVER, &loan)); NEED(sabir_queue_release(&loan)))
EACH(do_borrow_return, NEED(sabir_queue_borrow(queue, SABIR_FOREVER, &loan)); NEED(sabir_queue_return(&loan)))
EACH(do_produce, NEED(sabir_producer_put(producer, &number, NULL, SABIR_FOREVER)))
EACH(do_consume, NEED(sabir_consumer_next(consumer, SABIR_FOREVER, &item, &delivery));
     NEED(sabir_consumer_ack(consumer, &delivery)))
EACH(do_consume_task, NEED(sabir_consumer_next(task_consumer, SABIR_FOREVER, &item, &delivery));
     NEED(sabir_consumer_ack(task_consumer, &delivery)))
EACH(do_refuse_task, NEED(sabir_consumer_next(task_consumer, SABIR_FOREVER, &item, &delivery));
     NEED(sabir_consumer_nack(task_consumer, &delivery, 0)))
EACH(do_lifo_put, put_task(lifo, (struct sabir_task){ 0 }))
EACH(do_lifo_get, NEED(sabir_queue_get_into(lifo, SABIR_FOREVER, &buffer, &item)))
EACH(do_priority_put, put_task(by_priority, (struct sabir_task){ .priority = i * 7919 % BATCH }))
EACH(do_priority_get, NEED(sabir_queue_get_into(by_priority, SABIR_FOREVER, &buffer, &item)))
EACH(do_delayed_put, put_task(tasks, (struct sabir_task){ .delay_ns = HOUR_NS }))
EACH(do_ttl_put, put_task(tasks, (struct sabir_task){ .ttl_ns = HOUR_NS }))
EACH(do_id_put, put_with_id())
EACH(do_id_get, NEED(sabir_queue_get_into(by_id, SABIR_FOREVER, &buffer, &item)))
EACH(do_pause, NEED(sabir_task_queue_pause(tasks)); NEED(sabir_task_queue_resume(tasks)))
EACH(do_join, NEED(sabir_task_queue_join(tasks, SABIR_FOREVER)))
EACH(do_die, let_die())

/* ---------------------------------------------------------------- dicts, lists */

static void insert_one(struct sabir_item key)
{
	NEED(sabir_dict_set(scratch, &key, &number, NULL));
}

static void set_ttl_one(struct sabir_item key)
{
	NEED(sabir_dict_set_ttl(scratch, &key, &number, HOUR_NS, NULL));
}

static void setdefault_one(struct sabir_item key)
{
	NEED(sabir_dict_setdefault(scratch, &key, &number, NULL, NULL));
}

static void expire_one(struct sabir_item key)
{
	NEED(sabir_dict_expire(scratch, &key, HOUR_NS));
}

static void ttl_one(struct sabir_item key)
{
	uint64_t left;
	NEED(sabir_dict_ttl(scratch, &key, &left));
}

static void delete_one(struct sabir_item key)
{
	NEED(sabir_dict_delete(scratch, &key));
}

static void popitem_first_one(void)
{
	struct sabir_entry *entry;
	NEED(sabir_dict_popitem_first(scratch, &entry));
	sabir_free(entry);
}

static void dict_clear_all(void)
{
	NEED(sabir_dict_clear(scratch, NULL));
}

static void end_dict(sabir_dict *made)
{
	NEED(sabir_delete_handle(connection, sabir_dict_handle(made)));
	sabir_dict_free(made);
}

static void dict_copy_one(void)
{
	sabir_dict *made;
	NEED(sabir_dict_copy(few, NULL, &made));
	end_dict(made);
}

static void fromkeys_one(void)
{
	sabir_dict *made;
	NEED(sabir_dict_fromkeys(connection, NULL, sixteen, 1, &number, &made));
	end_dict(made);
}

static void repeat_one(void)
{
	struct sabir_slice second = { 16, SABIR_SLICE_OPEN, 1 };
	NEED(sabir_list_repeat(short_list, 2));
	NEED(sabir_list_delete_slice(short_list, &second, NULL));
}

EACH(do_fill, insert_one(key_of(i)))
EACH(do_dict_set_ttl, set_ttl_one(key_of(i)))
EACH(do_setdefault_missing, setdefault_one(key_of(i)))
EACH(do_dict_expire, expire_one(key_of(i)))
EACH(do_dict_ttl, ttl_one(key_of(i)))
EACH(do_delete_ttl, delete_one(key_of(i)))
EACH(do_popitem_first, popitem_first_one())
EACH(do_dict_copy, dict_copy_one())
EACH(do_fromkeys, fromkeys_one())
EACH(do_namespace_delete, NEED(sabir_namespace_set(ns, "gone", &number, NULL));
     NEED(sabir_namespace_delete(ns, "gone")))
EACH(do_list_sort, NEED(sabir_list_sort(short_list, NULL, i % 2)))
EACH(do_list_reverse, NEED(sabir_list_reverse(short_list)))
EACH(do_list_remove, NEED(sabir_list_remove(list, &number, NULL)))
EACH(do_list_index, uint64_t at;
     NEED(sabir_list_index(short_list, &pairs[0].key, SABIR_SLICE_OPEN, SABIR_SLICE_OPEN, &at)))
EACH(do_list_count, uint64_t count; NEED(sabir_list_count(short_list, &number, &count)))
EACH(do_list_repeat, repeat_one())
EACH(do_list_copy, NEED(sabir_list_copy(short_list, NULL, list, false)))
EACH(do_list_copy_behind, NEED(sabir_list_copy(short_list, NULL, list, true)))
EACH(do_list_clear, NEED(sabir_list_extend(list, sixteen, 16)); NEED(sabir_list_clear(list, NULL)))
EACH(do_shared_list_index, uint64_t at; NEED(sabir_shared_list_index(shared_list, &number, &at)))

/* ---------------------------------------------------------------- the rest */

static void create_named(void)
{
	sabir_value *made;
	NEED(sabir_value_create(connection, "bench/ops/value", 'q', 0, &made));
	NEED(sabir_delete(connection, "bench/ops/value"));
	sabir_value_free(made);
}

static void describe_one(void)
{
	struct sabir_info info;
	NEED(sabir_describe_handle(connection, sabir_value_handle(value), &info));
}

static void need_timeout(enum sabir_error error)
{
	NEED(error == SABIR_WOULD_BLOCK ? SABIR_OK : error ? error : SABIR_INTERNAL);
}

EACH(do_value_watch, NEED(sabir_value_set_int(watched, i)); NEED(sabir_watch_next(watch, SABIR_FOREVER, &change)))
EACH(do_dict_watch, NEED(sabir_dict_set(watched_dict, &pairs[i % 16].key, &number, NULL));
     NEED(sabir_watch_next(dict_watch, SABIR_FOREVER, &change)))
EACH(do_value_lock, NEED(sabir_value_lock(value, SABIR_FOREVER)); NEED(sabir_value_unlock(value)))
EACH(do_owned_semaphore_pair, NEED(sabir_semaphore_acquire(owned_semaphore, SABIR_FOREVER));
     NEED(sabir_semaphore_release(owned_semaphore, 1)))
EACH(do_condition_timeout, need_timeout(sabir_condition_wait(condition, 0, NULL)))
EACH(do_barrier_abort, NEED(sabir_barrier_abort(barrier)); NEED(sabir_barrier_reset(barrier)))
EACH(do_create_named, create_named())
EACH(do_describe, describe_one())
EACH(do_set_ttl, NEED(sabir_set_ttl_handle(connection, sabir_value_handle(value), HOUR_NS)))

/* ---------------------------------------------------------------- what takes two */

static void *wait_at_condition(void *unused)
{
	NEED(sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
	for (;;)
		NEED(sabir_condition_wait(condition, SABIR_FOREVER, NULL));
	return unused;
}

static void *wait_at_barrier(void *unused)
{
	for (;;)
		NEED(sabir_barrier_wait(barrier_of_2, SABIR_FOREVER, NULL));
	return unused;
}

/* A thread that waits until the process ends. */
static void begin_thread(bool *runs, void *(*wait)(void *))
{
	pthread_t thread;
	if (!*runs && pthread_create(&thread, NULL, wait, NULL))
		exit(1);
	*runs = true;
}

static void begin_waiting(void)
{
	static bool runs;
	begin_thread(&runs, wait_at_condition);
}

static void begin_coming(void)
{
	static bool runs;
	begin_thread(&runs, wait_at_barrier);
}

/* Until somebody waited. */
static void wake_one(void)
{
	for (uint64_t n = 0; !n;) {
		NEED(sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
		NEED(sabir_condition_notify(condition, 1, &n));
		NEED(sabir_condition_release(condition));
	}
}

EACH(do_condition_wake, wake_one())
EACH(do_barrier_meet, NEED(sabir_barrier_wait(barrier_of_2, SABIR_FOREVER, NULL)))

#endif
