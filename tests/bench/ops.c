/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a local operation costs a program that nobody disturbs: the median of batches, in nanoseconds for each operation.
 *
 *   ops       the names of the operations of the table below, one a line
 *   ops URL   reads such names, and says what each costs: so two programs can be asked in turns
 *
 * A batch is BATCH operations. What an operation needs done before, and has to have undone, is not in its time. That is
 * processor time of all threads of the program: what else runs on the machine does not count.
 */
#include <sabir.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000
#define MAX_BATCHES 1000
#define MEASURE_NS 10e6
#define N_ELEMENTS 4096
#define N_KEYS 1000 /* in the processor's own cache: where memory happens to be is not to be measured */

#include "tests/bench/ops_do.h"
#include "tests/bench/ops_more.h"

static const struct row {
	const char *name;
	void (*before)(void);
	void (*run)(void);
	void (*after)(void);
} rows[] = {
	{ "queue put", NULL, do_queue_put, do_queue_get },
	{ "queue get", do_queue_put, do_queue_get, NULL },
	{ "queue put many of 16", NULL, do_queue_put_16, do_queue_get_16 },
	{ "queue get many of 16", do_queue_put_16, do_queue_get_16, NULL },
	{ "queue peek", do_queue_put, do_queue_peek, do_queue_get },
	{ "queue size", NULL, do_queue_size, NULL },
	{ "queue reserve, commit", NULL, do_reserve_commit, do_queue_get },
	{ "queue reserve, abandon", NULL, do_reserve_abandon, NULL },
	{ "queue borrow, release", do_queue_put, do_borrow_release, NULL },
	{ "queue borrow, return", do_queue_put, do_borrow_return, do_queue_get },
	{ "queue clear, an item", do_queue_put, clear_queue, NULL },
	{ "producer put", NULL, do_produce, do_consume },
	{ "consumer next, ack", do_produce, do_consume, NULL },
	{ "pipe send", NULL, do_pipe_send, do_pipe_recv },
	{ "pipe recv", do_pipe_send, do_pipe_recv, NULL },
	{ "pipe poll", NULL, do_pipe_poll, NULL },
	{ "value get", NULL, do_value_get, NULL },
	{ "value set", NULL, do_value_set, NULL },
	{ "value add", NULL, do_value_add, NULL },
	{ "value exchange", NULL, do_value_exchange, NULL },
	{ "value compare exchange", NULL, do_value_compare, NULL },
	{ "value lock, unlock", NULL, do_value_lock, NULL },
	{ "value set, watch next", NULL, do_value_watch, NULL },
	{ "array get", NULL, do_array_get, NULL },
	{ "array set", NULL, do_array_set, NULL },
	{ "array add", NULL, do_array_add, NULL },
	{ "array compare exchange", NULL, do_array_compare, NULL },
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
	{ "dict contains", NULL, do_dict_contains, NULL },
	{ "dict len", NULL, do_dict_len, NULL },
	{ "dict setdefault", NULL, do_dict_setdefault, NULL },
	{ "dict pop", do_dict_insert, do_dict_pop, NULL },
	{ "dict popitem", do_dict_insert, do_dict_popitem, NULL },
	{ "dict increment", NULL, do_dict_increment, NULL },
	{ "dict compare exchange", NULL, do_dict_compare, NULL },
	{ "dict update of 16", NULL, do_dict_update_16, NULL },
	{ "dict items, page of 100", NULL, do_dict_items, NULL },
	{ "dict setdefault, missing", NULL, do_setdefault_missing, dict_clear_all },
	{ "dict insert with ttl", NULL, do_dict_set_ttl, dict_clear_all },
	{ "dict delete with ttl", do_dict_set_ttl, do_delete_ttl, NULL },
	{ "dict expire", do_fill, do_dict_expire, dict_clear_all },
	{ "dict ttl", do_dict_set_ttl, do_dict_ttl, dict_clear_all },
	{ "dict popitem first", do_fill, do_popitem_first, NULL },
	{ "dict clear, an entry", do_fill, dict_clear_all, NULL },
	{ "dict copy of 16, delete", NULL, do_dict_copy, NULL },
	{ "dict fromkeys of 1, delete", NULL, do_fromkeys, NULL },
	{ "dict set, watch next", NULL, do_dict_watch, NULL },
	{ "list append", NULL, do_list_append, do_list_pop },
	{ "list pop", do_list_append, do_list_pop, NULL },
	{ "list get", do_list_append, do_list_get, do_list_pop },
	{ "list set", do_list_append, do_list_set, do_list_pop },
	{ "list len", NULL, do_list_len, NULL },
	{ "list insert", NULL, do_list_insert, list_clear_all },
	{ "list delete", do_list_append, do_list_delete, NULL },
	{ "list extend of 16", NULL, do_list_extend_16, list_clear_all },
	{ "list get slice of 64", do_list_append, do_list_get_64, list_clear_all },
	{ "list set slice of 16", do_list_append, do_list_set_16, list_clear_all },
	{ "list delete slice of 16", do_list_extend_16, do_list_delete_16, list_clear_all },
	{ "list contains", do_list_append, do_list_contains, list_clear_all },
	{ "list index in 16", NULL, do_list_index, NULL },
	{ "list count in 16", NULL, do_list_count, NULL },
	{ "list remove", do_list_append, do_list_remove, NULL },
	{ "list sort of 16", NULL, do_list_sort, NULL },
	{ "list reverse of 16", NULL, do_list_reverse, NULL },
	{ "list repeat of 16, cut", NULL, do_list_repeat, NULL },
	{ "list copy of 16", NULL, do_list_copy, list_clear_all },
	{ "list copy of 16 behind", NULL, do_list_copy_behind, list_clear_all },
	{ "list extend of 16, clear", NULL, do_list_clear, NULL },
	{ "namespace get", NULL, do_namespace_get, NULL },
	{ "namespace set", NULL, do_namespace_set, NULL },
	{ "namespace increment", NULL, do_namespace_increment, NULL },
	{ "namespace set, delete", NULL, do_namespace_delete, NULL },
	{ "lock acquire, release", NULL, do_lock_pair, NULL },
	{ "rlock acquire, release", NULL, do_rlock_pair, NULL },
	{ "semaphore acquire, release", NULL, do_semaphore_pair, NULL },
	{ "owned semaphore acquire, release", NULL, do_owned_semaphore_pair, NULL },
	{ "condition acquire, release", NULL, do_condition_pair, NULL },
	{ "condition notify", hold, do_condition_notify, let_go },
	{ "condition wait, in vain", hold, do_condition_timeout, let_go },
	{ "event set, clear", NULL, do_event_toggle, NULL },
	{ "event wait, set already", do_event_set, do_event_wait, do_event_clear },
	{ "event is_set", NULL, do_event_is_set, NULL },
	{ "barrier wait of 1", NULL, do_barrier_wait, NULL },
	{ "barrier abort, reset", NULL, do_barrier_abort, NULL },
	{ "block write", NULL, do_block_write, NULL },
	{ "block read", NULL, do_block_read, NULL },
	{ "block write of 4096", NULL, do_block_write_4096, NULL },
	{ "shared list set", NULL, do_shared_list_set, NULL },
	{ "shared list get", NULL, do_shared_list_get, NULL },
	{ "shared list items", NULL, do_shared_list_items, NULL },
	{ "shared list index", NULL, do_shared_list_index, NULL },
	{ "task queue put", NULL, do_task_put, drop_tasks },
	{ "task queue lease", do_task_put, do_task_lease, do_task_ack },
	{ "task queue ack", lease_all, do_task_ack, NULL },
	{ "task queue nack", lease_all, do_task_nack, drop_tasks },
	{ "task queue extend", lease_all, do_task_extend, do_task_ack },
	{ "task queue get", do_task_put, do_task_get, do_task_done },
	{ "task queue task_done", put_and_get, do_task_done, NULL },
	{ "task queue put lifo", NULL, do_lifo_put, do_lifo_get },
	{ "task queue get lifo", do_lifo_put, do_lifo_get, NULL },
	{ "task queue put by priority", NULL, do_priority_put, do_priority_get },
	{ "task queue get by priority", do_priority_put, do_priority_get, NULL },
	{ "task queue put delayed", NULL, do_delayed_put, clear_tasks },
	{ "task queue put with ttl", NULL, do_ttl_put, clear_tasks },
	{ "task queue put with id", NULL, do_id_put, do_id_get },
	{ "task queue clear, an item", do_task_put, clear_tasks, NULL },
	{ "task queue requeue, an item", do_die, requeue_all, clear_mortal },
	{ "task queue pause, resume", NULL, do_pause, NULL },
	{ "task queue join, all done", NULL, do_join, NULL },
	{ "task consumer next, ack", do_task_put, do_consume_task, NULL },
	{ "task consumer next, nack", do_task_put, do_refuse_task, clear_tasks },
	{ "create, delete", NULL, do_create, NULL },
	{ "open by handle", NULL, do_open, NULL },
	{ "create, delete by name", NULL, do_create_named, NULL },
	{ "describe by handle", NULL, do_describe, NULL },
	{ "set ttl by handle", NULL, do_set_ttl, NULL },
	/* With another thread, and from the first of these on it is there. */
	{ "condition notify, wake", begin_waiting, do_condition_wake, NULL },
	{ "barrier wait of 2", begin_coming, do_barrier_meet, NULL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void make_objects(sabir_conn *conn)
{
	struct sabir_task_spec spec = { .size = sizeof(spec), .joinable = true };
	struct sabir_item ten[10];
	number = sabir_int(12345);
	for (int i = 0; i < 10; i++)
		ten[i] = number;
	NEED(sabir_queue_create(conn, NULL, 16 * BATCH, 0, &queue));
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
	NEED(sabir_pipe_create(conn, NULL, 4096, 0, ends));
	NEED(sabir_block_create(conn, NULL, 4096, 0, &block));
	NEED(sabir_shared_list_create(conn, NULL, ten, 10, 0, &shared_list));
	NEED(sabir_condition_create(conn, NULL, NULL, 0, &condition));
	NEED(sabir_barrier_create(conn, NULL, 1, 0, &barrier));
	for (int i = 0; i < 16; i++) {
		sixteen[i] = number;
		pairs[i] = (struct sabir_entry){ .key = sabir_int(i), .value = number };
	}
	for (int i = 0; i < N_KEYS; i++) {
		char text[sizeof(keys[i]) + 1];
		snprintf(text, sizeof(text), "key%013d", i);
		memcpy(keys[i], text, sizeof(keys[i]));
		dict_set_one(sabir_bytes(keys[i], sizeof(keys[i])));
	}
	NEED(sabir_namespace_set(ns, "attribute", &number, NULL));
	struct sabir_item swapped = sabir_text("swapped");
	NEED(sabir_dict_set(dict, &swapped, &number, NULL));
}

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median of as many batches as go into MEASURE_NS, at least one. */
static double measure(const struct row *row)
{
	static double took[MAX_BATCHES];
	double spent = 0;
	int n = 0;
	while (n < MAX_BATCHES && (n == 0 || spent < MEASURE_NS)) {
		if (row->before)
			row->before();
		double begin = now_ns();
		row->run();
		took[n] = now_ns() - begin;
		spent += took[n++];
		if (row->after)
			row->after();
	}
	qsort(took, (size_t)n, sizeof(*took), compare);
	return took[n / 2] / BATCH;
}

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static int measure_named(void)
{
	char name[64];
	while (fgets(name, sizeof(name), stdin)) {
		name[strcspn(name, "\n")] = '\0';
		const struct row *row = find(name);
		if (!row) {
			fprintf(stderr, "ops: no operation is called %s\n", name);
			return 2;
		}
		printf("%.2f\n", measure(row));
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		for (size_t i = 0; i < N_ROWS; i++)
			puts(rows[i].name);
		return 0;
	}
	NEED(sabir_connect(argv[1], NULL, &connection));
	make_objects(connection);
	make_more_objects();
	int status = measure_named();
	sabir_close(connection);
	return status;
}
