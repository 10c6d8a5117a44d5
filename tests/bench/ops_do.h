/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that ops.c measures, and the objects on which they work: a batch of each. Included by ops.c alone. */
#ifndef SABIR_BENCH_OPS_DO_H
#define SABIR_BENCH_OPS_DO_H

static sabir_queue *queue, *tasks;
static sabir_value *value;
static sabir_array *array;
static sabir_dict *dict;
static struct sabir_list *list;
static sabir_namespace *ns;
static sabir_lock *lock, *rlock;
static sabir_semaphore *semaphore;
static sabir_event *event;
static sabir_pipe *ends[2];
static sabir_block *block;
static sabir_shared_list *shared_list;
static sabir_condition *condition;
static sabir_barrier *barrier;
static sabir_conn *connection;

static uint8_t data[64];
static int64_t numbers[N_ELEMENTS];
static char keys[N_KEYS][16];
static struct sabir_buffer buffer;
static struct sabir_item item, number, sixteen[16];
static struct sabir_entry pairs[16];
static uint64_t tokens[BATCH];

static void need(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "ops: %s: %s %s\n", what, sabir_error_text(error), sabir_detail());
	exit(1);
}
#define NEED(call) need(call, #call)

/* One batch of a statement, in which `i` counts. */
#define EACH(name, statement)                                                                                          \
	static void name(void)                                                                                         \
	{                                                                                                              \
		for (int i = 0; i < BATCH; i++) {                                                                      \
			(void)i;                                                                                       \
			statement;                                                                                     \
		}                                                                                                      \
	}

/* A key of the dict, far from the last one. */
static struct sabir_item key_of(int i)
{
	static unsigned at;
	(void)i;
	at = (at + 7919) % N_KEYS;
	return sabir_bytes(keys[at], sizeof(keys[at]));
}

static void dict_set_one(struct sabir_item key)
{
	item = sabir_bytes(data, sizeof(data));
	NEED(sabir_dict_set(dict, &key, &item, NULL));
}

static void dict_get_one(struct sabir_item key)
{
	NEED(sabir_dict_get_into(dict, &key, &buffer, &item));
}

static struct sabir_item new_key(int i)
{
	static char text[16];
	snprintf(text, sizeof(text), "new%012d", i);
	return sabir_bytes(text, sizeof(text));
}

static void dict_delete_one(struct sabir_item key)
{
	NEED(sabir_dict_delete(dict, &key));
}

static void list_pop_one(void)
{
	struct sabir_item *taken;
	NEED(sabir_list_pop(list, -1, &taken));
	sabir_free(taken);
}

static void list_get_one(int i)
{
	struct sabir_item *found;
	NEED(sabir_list_get(list, i * 7 % BATCH, &found));
	sabir_free(found);
}

static void namespace_get_one(void)
{
	struct sabir_item *found;
	NEED(sabir_namespace_get(ns, "attribute", &found));
	sabir_free(found);
}

static void shared_list_get_one(int i)
{
	struct sabir_item *found;
	NEED(sabir_shared_list_get(shared_list, i % 10, &found));
	sabir_free(found);
}

static void task_lease_one(int i)
{
	struct sabir_item *task;
	struct sabir_lease lease;
	NEED(sabir_task_queue_lease(tasks, 60000000000, SABIR_FOREVER, &task, &lease));
	tokens[i] = lease.token;
	sabir_free(task);
}

static void queue_put_16(void)
{
	size_t accepted;
	NEED(sabir_queue_put_many(queue, sixteen, 16, SABIR_FOREVER, &accepted));
}

static void queue_get_16(void)
{
	struct sabir_item items[16];
	size_t n;
	NEED(sabir_queue_get_many_into(queue, 16, SABIR_FOREVER, &buffer, items, &n));
}

static void queue_peek_one(void)
{
	struct sabir_item *first;
	NEED(sabir_queue_peek(queue, &first));
	sabir_free(first);
}

static void dict_pop_one(struct sabir_item key)
{
	struct sabir_item *value_of_key;
	NEED(sabir_dict_pop(dict, &key, &value_of_key));
	sabir_free(value_of_key);
}

static void dict_popitem_one(void)
{
	struct sabir_entry *entry;
	NEED(sabir_dict_popitem(dict, &entry));
	sabir_free(entry);
}

static void dict_setdefault_one(struct sabir_item key)
{
	NEED(sabir_dict_setdefault(dict, &key, &number, NULL, NULL));
}

static void dict_contains_one(struct sabir_item key)
{
	bool found;
	NEED(sabir_dict_contains(dict, &key, &found));
}

static void dict_exchange_one(void)
{
	struct sabir_item key = sabir_text("swapped");
	bool exchanged;
	NEED(sabir_dict_compare_exchange(dict, &key, &number, &number, &exchanged, NULL));
}

static void dict_increment_one(void)
{
	struct sabir_item key = sabir_text("counted");
	NEED(sabir_dict_increment_int(dict, &key, 1, NULL));
}

static void dict_items_100(void)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *entries;
	size_t n;
	NEED(sabir_dict_items(dict, 100, &cursor, &entries, &n));
	sabir_free(entries);
}

static void list_get_64(void)
{
	struct sabir_slice slice = { 100, 164, 1 };
	struct sabir_item *items;
	size_t n;
	NEED(sabir_list_get_slice(list, &slice, &items, &n));
	sabir_free(items);
}

static void list_set_16(void)
{
	struct sabir_slice slice = { 100, 116, 1 };
	NEED(sabir_list_set_slice(list, &slice, sixteen, 16));
}

static void list_delete_16(void)
{
	struct sabir_slice slice = { 100, 116, 1 };
	NEED(sabir_list_delete_slice(list, &slice, NULL));
}

static void list_clear_all(void)
{
	NEED(sabir_list_clear(list, NULL));
}

static void shared_list_items_all(void)
{
	struct sabir_item *items;
	size_t n;
	NEED(sabir_shared_list_items(shared_list, &items, &n));
	sabir_free(items);
}

static void task_get_one(void)
{
	struct sabir_item *task;
	NEED(sabir_queue_get(tasks, SABIR_FOREVER, &task));
	sabir_free(task);
}

static void create_one(void)
{
	sabir_value *made;
	NEED(sabir_value_create(connection, NULL, 'q', 0, &made));
	NEED(sabir_delete_handle(connection, sabir_value_handle(made)));
	sabir_value_free(made);
}

static void open_one(void)
{
	sabir_value *found;
	NEED(sabir_value_open_handle(connection, sabir_value_handle(value), &found));
	sabir_value_free(found);
}

EACH(do_queue_put, NEED(sabir_queue_put_bytes(queue, data, sizeof(data), SABIR_FOREVER)))
EACH(do_queue_get, NEED(sabir_queue_get_into(queue, SABIR_FOREVER, &buffer, &item)))
EACH(do_pipe_send, NEED(sabir_pipe_send_bytes(ends[0], data, sizeof(data), SABIR_FOREVER)))
EACH(do_pipe_recv, NEED(sabir_pipe_recv_into(ends[1], SABIR_FOREVER, &buffer, &item)))
EACH(do_value_get, int64_t got; NEED(sabir_value_get_int(value, &got)))
EACH(do_value_set, NEED(sabir_value_set_int(value, i)))
EACH(do_value_add, NEED(sabir_value_add_int(value, 1, NULL)))
EACH(do_array_get, int64_t got; NEED(sabir_array_get_int(array, i, &got)))
EACH(do_array_set, NEED(sabir_array_set_int(array, i, i)))
EACH(do_array_add, NEED(sabir_array_add_int(array, i, 1, NULL)))
EACH(do_array_set_slice_1, NEED(sabir_array_set_slice(array, i, 1, numbers)))
EACH(do_array_set_slice_8, NEED(sabir_array_set_slice(array, 0, 8, numbers)))
EACH(do_array_set_slice_64, NEED(sabir_array_set_slice(array, 0, 64, numbers)))
EACH(do_array_set_slice_512, NEED(sabir_array_set_slice(array, 0, 512, numbers)))
EACH(do_array_set_slice_4096, NEED(sabir_array_set_slice(array, 0, 4096, numbers)))
EACH(do_array_get_slice, NEED(sabir_array_get_slice(array, 0, 64, numbers)))
EACH(do_array_fill_8, NEED(sabir_array_fill(array, 0, 8, &number)))
EACH(do_array_fill_64, NEED(sabir_array_fill(array, 0, 64, &number)))
EACH(do_array_fill_4096, NEED(sabir_array_fill(array, 0, 4096, &number)))
EACH(do_dict_get, dict_get_one(key_of(i)))
EACH(do_dict_set, dict_set_one(key_of(i)))
EACH(do_dict_insert, dict_set_one(new_key(i)))
EACH(do_dict_delete, dict_delete_one(new_key(i)))
EACH(do_list_append, NEED(sabir_list_append(list, &number)))
EACH(do_list_pop, list_pop_one())
EACH(do_list_get, list_get_one(i))
EACH(do_list_set, NEED(sabir_list_set(list, i, &number)))
EACH(do_namespace_get, namespace_get_one())
EACH(do_namespace_set, NEED(sabir_namespace_set(ns, "attribute", &number, NULL)))
EACH(do_lock_pair, NEED(sabir_lock_acquire(lock, SABIR_FOREVER, NULL)); NEED(sabir_lock_release(lock)))
EACH(do_rlock_pair, NEED(sabir_lock_acquire(rlock, SABIR_FOREVER, NULL)); NEED(sabir_lock_release(rlock)))
EACH(do_semaphore_pair, NEED(sabir_semaphore_acquire(semaphore, SABIR_FOREVER));
     NEED(sabir_semaphore_release(semaphore, 1)))
EACH(do_condition_notify, NEED(sabir_condition_notify(condition, 1, NULL)))
EACH(do_event_toggle, NEED(sabir_event_set(event)); NEED(sabir_event_clear(event)))
EACH(do_event_is_set, bool set; NEED(sabir_event_is_set(event, &set)))
EACH(do_block_write, NEED(sabir_block_write(block, 64, sizeof(data), data)))
EACH(do_block_read, NEED(sabir_block_read(block, 64, sizeof(data), data)))
EACH(do_shared_list_set, NEED(sabir_shared_list_set(shared_list, i % 10, &number)))
EACH(do_shared_list_get, shared_list_get_one(i))
EACH(do_task_put, NEED(sabir_task_queue_put(tasks, &number, NULL, SABIR_FOREVER, NULL)))
EACH(do_task_lease, task_lease_one(i))
EACH(do_task_ack, NEED(sabir_task_queue_ack(tasks, tokens[i])))
EACH(do_queue_put_16, queue_put_16())
EACH(do_queue_get_16, queue_get_16())
EACH(do_queue_peek, queue_peek_one())
EACH(do_queue_size, uint64_t size; NEED(sabir_queue_size(queue, &size)))
EACH(do_pipe_poll, bool ready; NEED(sabir_pipe_poll(ends[1], 0, &ready, NULL)))
EACH(do_value_exchange, struct sabir_item was; NEED(sabir_value_exchange(value, &number, &was)))
EACH(do_value_compare, bool done; struct sabir_item was;
     NEED(sabir_value_compare_exchange(value, &number, &number, &done, &was)))
EACH(do_array_compare, bool done; struct sabir_item was;
     NEED(sabir_array_compare_exchange(array, i, &number, &number, &done, &was)))
EACH(do_dict_contains, dict_contains_one(key_of(i)))
EACH(do_dict_len, uint64_t length; NEED(sabir_dict_len(dict, &length)))
EACH(do_dict_setdefault, dict_setdefault_one(key_of(i)))
EACH(do_dict_pop, dict_pop_one(new_key(i)))
EACH(do_dict_popitem, dict_popitem_one())
EACH(do_dict_increment, dict_increment_one())
EACH(do_dict_compare, dict_exchange_one())
EACH(do_dict_update_16, NEED(sabir_dict_update(dict, pairs, 16, NULL)))
EACH(do_dict_items, dict_items_100())
EACH(do_list_len, uint64_t length; NEED(sabir_list_len(list, &length)))
EACH(do_list_insert, NEED(sabir_list_insert(list, i / 2, &number)))
EACH(do_list_delete, NEED(sabir_list_delete(list, (BATCH - 1 - i) / 2)))
EACH(do_list_extend_16, NEED(sabir_list_extend(list, sixteen, 16)))
EACH(do_list_get_64, list_get_64())
EACH(do_list_set_16, list_set_16())
EACH(do_list_delete_16, list_delete_16())
EACH(do_list_contains, bool found; NEED(sabir_list_contains(list, &number, &found)))
EACH(do_namespace_increment, NEED(sabir_namespace_increment(ns, "counted", &number, NULL)))
EACH(do_condition_pair, NEED(sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
     NEED(sabir_condition_release(condition)))
EACH(do_barrier_wait, uint64_t index; NEED(sabir_barrier_wait(barrier, SABIR_FOREVER, &index)))
EACH(do_event_wait, NEED(sabir_event_wait(event, SABIR_FOREVER)))
EACH(do_event_set, NEED(sabir_event_set(event)))
EACH(do_event_clear, NEED(sabir_event_clear(event)))
EACH(do_block_write_4096, NEED(sabir_block_write(block, 0, 4096, numbers)))
EACH(do_shared_list_items, shared_list_items_all())
EACH(do_task_nack, NEED(sabir_task_queue_nack(tasks, tokens[i], 0)))
EACH(do_task_extend, NEED(sabir_task_queue_extend(tasks, tokens[i], 60000000000)))
EACH(do_task_get, task_get_one())
EACH(do_task_done, NEED(sabir_task_queue_task_done(tasks)))
EACH(do_create, create_one())
EACH(do_open, open_one())

static void hold(void)
{
	NEED(sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
}

static void let_go(void)
{
	NEED(sabir_condition_release(condition));
}

static void lease_all(void)
{
	do_task_put();
	do_task_lease();
}

static void drop_tasks(void)
{
	do_task_lease();
	do_task_ack();
}

static void put_and_get(void)
{
	do_task_put();
	do_task_get();
}

#endif
