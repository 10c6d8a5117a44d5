/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a local operation costs a program that nobody disturbs: the median of batches, in nanoseconds for each operation.
 *
 *   ops URL BATCHES [NAME]   every operation of the table below, or the one of that name: "NAME<tab>ns" a line
 *
 * A batch is BATCH operations. What an operation needs done before, and has to have undone, is not in its time.
 */
#include <sabir.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000
#define N_ELEMENTS 4096
#define N_KEYS 1000 /* in the processor's own cache: where memory happens to be is not to be measured */

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

static uint8_t data[64];
static int64_t numbers[N_ELEMENTS];
static char keys[N_KEYS][16];
static struct sabir_buffer buffer;
static struct sabir_item item, number;
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

static const struct row {
	const char *name;
	void (*before)(void);
	void (*run)(void);
	void (*after)(void);
} rows[] = {
	{ "queue put", NULL, do_queue_put, do_queue_get },
	{ "queue get", do_queue_put, do_queue_get, NULL },
	{ "pipe send", NULL, do_pipe_send, do_pipe_recv },
	{ "pipe recv", do_pipe_send, do_pipe_recv, NULL },
	{ "value get", NULL, do_value_get, NULL },
	{ "value set", NULL, do_value_set, NULL },
	{ "value add", NULL, do_value_add, NULL },
	{ "array get", NULL, do_array_get, NULL },
	{ "array set", NULL, do_array_set, NULL },
	{ "array add", NULL, do_array_add, NULL },
	{ "array set slice of 1", NULL, do_array_set_slice_1, NULL },
	{ "array set slice of 8", NULL, do_array_set_slice_8, NULL },
	{ "array set slice of 64", NULL, do_array_set_slice_64, NULL },
	{ "array set slice of 512", NULL, do_array_set_slice_512, NULL },
	{ "array set slice of 4096", NULL, do_array_set_slice_4096, NULL },
	{ "array get slice of 64", NULL, do_array_get_slice, NULL },
	{ "array fill of 8", NULL, do_array_fill_8, NULL },
	{ "array fill of 64", NULL, do_array_fill_64, NULL },
	{ "array fill of 4096", NULL, do_array_fill_4096, NULL },
	{ "dict get", NULL, do_dict_get, NULL },
	{ "dict set", NULL, do_dict_set, NULL },
	{ "dict insert", NULL, do_dict_insert, do_dict_delete },
	{ "dict delete", do_dict_insert, do_dict_delete, NULL },
	{ "list append", NULL, do_list_append, do_list_pop },
	{ "list pop", do_list_append, do_list_pop, NULL },
	{ "list get", do_list_append, do_list_get, do_list_pop },
	{ "list set", do_list_append, do_list_set, do_list_pop },
	{ "namespace get", NULL, do_namespace_get, NULL },
	{ "namespace set", NULL, do_namespace_set, NULL },
	{ "lock acquire, release", NULL, do_lock_pair, NULL },
	{ "rlock acquire, release", NULL, do_rlock_pair, NULL },
	{ "semaphore acquire, release", NULL, do_semaphore_pair, NULL },
	{ "condition notify", hold, do_condition_notify, let_go },
	{ "event set, clear", NULL, do_event_toggle, NULL },
	{ "event is_set", NULL, do_event_is_set, NULL },
	{ "block write", NULL, do_block_write, NULL },
	{ "block read", NULL, do_block_read, NULL },
	{ "shared list set", NULL, do_shared_list_set, NULL },
	{ "shared list get", NULL, do_shared_list_get, NULL },
	{ "task queue put", NULL, do_task_put, drop_tasks },
	{ "task queue lease", do_task_put, do_task_lease, do_task_ack },
	{ "task queue ack", lease_all, do_task_ack, NULL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void make_objects(sabir_conn *conn)
{
	struct sabir_task_spec spec = { .size = sizeof(spec) };
	struct sabir_item ten[10];
	number = sabir_int(12345);
	for (int i = 0; i < 10; i++)
		ten[i] = number;
	NEED(sabir_queue_create(conn, NULL, 4096, 0, &queue));
	NEED(sabir_task_queue_create(conn, NULL, &spec, 0, &tasks));
	NEED(sabir_value_create(conn, NULL, 'q', 0, &value));
	NEED(sabir_array_create(conn, NULL, 'q', N_ELEMENTS, 0, &array));
	NEED(sabir_dict_create(conn, NULL, 0, &dict));
	NEED(sabir_list_create(conn, NULL, 0, &list));
	NEED(sabir_namespace_create(conn, NULL, 0, &ns));
	NEED(sabir_lock_create(conn, NULL, 0, &lock));
	NEED(sabir_rlock_create(conn, NULL, 0, &rlock));
	NEED(sabir_semaphore_create(conn, NULL, 1, 0, &semaphore));
	NEED(sabir_event_create(conn, NULL, 0, &event));
	NEED(sabir_pipe_create(conn, "bench/ops/pipe", 4096, SABIR_EPHEMERAL, ends));
	NEED(sabir_block_create(conn, NULL, 4096, 0, &block));
	NEED(sabir_shared_list_create(conn, NULL, ten, 10, 0, &shared_list));
	NEED(sabir_condition_create(conn, NULL, NULL, 0, &condition));
	for (int i = 0; i < N_KEYS; i++) {
		char text[sizeof(keys[i]) + 1];
		snprintf(text, sizeof(text), "key%013d", i);
		memcpy(keys[i], text, sizeof(keys[i]));
		dict_set_one(sabir_bytes(keys[i], sizeof(keys[i])));
	}
	NEED(sabir_namespace_set(ns, "attribute", &number, NULL));
}

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const struct row *row, int n)
{
	double *took = calloc((size_t)n, sizeof(*took));
	if (!took)
		exit(1);
	for (int i = 0; i < n; i++) {
		if (row->before)
			row->before();
		double begin = now_ns();
		row->run();
		took[i] = now_ns() - begin;
		if (row->after)
			row->after();
	}
	qsort(took, (size_t)n, sizeof(*took), compare);
	printf("%s\t%.2f\n", row->name, took[n / 2] / BATCH);
	free(took);
}

int main(int argc, char **argv)
{
	sabir_conn *conn;
	int n = argc > 2 ? atoi(argv[2]) : 0;
	if (n < 1) {
		fprintf(stderr, "usage: ops URL BATCHES [NAME]\n");
		return 2;
	}
	NEED(sabir_connect(argv[1], NULL, &conn));
	make_objects(conn);
	for (size_t i = 0; i < N_ROWS; i++)
		if (argc < 4 || !strcmp(argv[3], rows[i].name))
			measure(&rows[i], n);
	sabir_close(conn);
	return 0;
}
