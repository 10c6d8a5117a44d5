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

#include "tests/bench/ops_do.h"

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
	{ "pipe send", NULL, do_pipe_send, do_pipe_recv },
	{ "pipe recv", do_pipe_send, do_pipe_recv, NULL },
	{ "pipe poll", NULL, do_pipe_poll, NULL },
	{ "value get", NULL, do_value_get, NULL },
	{ "value set", NULL, do_value_set, NULL },
	{ "value add", NULL, do_value_add, NULL },
	{ "value exchange", NULL, do_value_exchange, NULL },
	{ "value compare exchange", NULL, do_value_compare, NULL },
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
	{ "namespace get", NULL, do_namespace_get, NULL },
	{ "namespace set", NULL, do_namespace_set, NULL },
	{ "namespace increment", NULL, do_namespace_increment, NULL },
	{ "lock acquire, release", NULL, do_lock_pair, NULL },
	{ "rlock acquire, release", NULL, do_rlock_pair, NULL },
	{ "semaphore acquire, release", NULL, do_semaphore_pair, NULL },
	{ "condition acquire, release", NULL, do_condition_pair, NULL },
	{ "condition notify", hold, do_condition_notify, let_go },
	{ "event set, clear", NULL, do_event_toggle, NULL },
	{ "event wait, set already", do_event_set, do_event_wait, do_event_clear },
	{ "event is_set", NULL, do_event_is_set, NULL },
	{ "barrier wait of 1", NULL, do_barrier_wait, NULL },
	{ "block write", NULL, do_block_write, NULL },
	{ "block read", NULL, do_block_read, NULL },
	{ "block write of 4096", NULL, do_block_write_4096, NULL },
	{ "shared list set", NULL, do_shared_list_set, NULL },
	{ "shared list get", NULL, do_shared_list_get, NULL },
	{ "shared list items", NULL, do_shared_list_items, NULL },
	{ "task queue put", NULL, do_task_put, drop_tasks },
	{ "task queue lease", do_task_put, do_task_lease, do_task_ack },
	{ "task queue ack", lease_all, do_task_ack, NULL },
	{ "task queue nack", lease_all, do_task_nack, drop_tasks },
	{ "task queue extend", lease_all, do_task_extend, do_task_ack },
	{ "task queue get", do_task_put, do_task_get, do_task_done },
	{ "task queue task_done", put_and_get, do_task_done, NULL },
	{ "create, delete", NULL, do_create, NULL },
	{ "open by handle", NULL, do_open, NULL },
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
	NEED(sabir_pipe_create(conn, "bench/ops/pipe", 4096, SABIR_EPHEMERAL, ends));
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
	connection = conn;
	make_objects(conn);
	for (size_t i = 0; i < N_ROWS; i++)
		if (argc < 4 || !strcmp(argv[3], rows[i].name))
			measure(&rows[i], n);
	sabir_close(conn);
	return 0;
}
