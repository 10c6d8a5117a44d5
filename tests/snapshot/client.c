/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose objects are to outlive its server.
 *
 *   client fill URL N       makes a dict, a list, a queue and a task queue of N entries each, and a counter
 *   client grow URL N       adds N entries to each
 *   client check URL N      whether all of that is there, a second time as well; says so, and how large the counter is
 *   client work URL S KIND  S seconds of changes of the dict, list, queue or tasks; prints the longest and the median of them
 *   client count URL        prints the counter
 */
#include <inttypes.h>
#include <sabir.h>
#include <sabir_list.h>
#include <sabir_task_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000

static sabir_conn *conn;

static void must(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "client: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	exit(1);
}

static void expect(bool it_is_so, const char *what)
{
	if (it_is_so)
		return;
	fprintf(stderr, "client: not so: %s\n", what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct objects {
	sabir_dict *dict;
	struct sabir_list *list;
	sabir_queue *queue, *tasks;
	sabir_value *counter;
} o;

static void open_all(bool make)
{
	const struct sabir_task_spec spec = { .size = sizeof(spec) };
	const unsigned flags = make ? 0 : SABIR_EXIST_OK;
	must(sabir_dict_create(conn, "big/dict", flags, &o.dict), "dict");
	must(sabir_list_create(conn, "big/list", flags, &o.list), "list");
	must(sabir_queue_create(conn, "big/queue", 0, flags, &o.queue), "queue");
	must(sabir_task_queue_create(conn, "big/tasks", &spec, flags, &o.tasks), "tasks");
	must(sabir_value_create(conn, "big/counter", 'q', flags, &o.counter), "counter");
}

static void fill(long n)
{
	struct sabir_item items[BATCH];
	struct sabir_entry entries[BATCH];
	for (long i = 0; i < n; i += BATCH) {
		size_t some = n - i < BATCH ? (size_t)(n - i) : BATCH, accepted;
		for (size_t k = 0; k < some; k++) {
			items[k] = sabir_int(i + (long)k);
			entries[k] = (struct sabir_entry){ sabir_int(i + (long)k), sabir_int(2 * (i + (long)k)) };
		}
		must(sabir_dict_update(o.dict, entries, some, NULL), "update");
		must(sabir_list_extend(o.list, items, some), "extend");
		must(sabir_queue_put_many(o.queue, items, some, 0, &accepted), "put");
		must(sabir_queue_put_many(o.tasks, items, some, 0, &accepted), "put a task");
	}
	must(sabir_value_set_int(o.counter, n), "set");
}

static int64_t number_of(const struct sabir_item *item)
{
	return item->kind == SABIR_ITEM_INT ? item->as.i : -1;
}

/* All that is in the queue comes out of it in its order, and goes back in. */
static void check_queue(sabir_queue *queue, long n)
{
	struct sabir_buffer buffer = { 0 };
	static struct sabir_item items[BATCH];
	size_t got, accepted;
	for (long i = 0; i < n; i += (long)got) {
		must(sabir_queue_get_many_into(queue, BATCH, 0, &buffer, items, &got), "get");
		for (size_t k = 0; k < got; k++)
			expect(number_of(&items[k]) == i + (long)k, "items come in their order");
		must(sabir_queue_put_many(queue, items, got, 0, &accepted), "put");
	}
	sabir_free(buffer.data);
}

static void check(long n)
{
	uint64_t length;
	int64_t counter;
	must(sabir_dict_len(o.dict, &length), "len");
	expect(length == (uint64_t)n, "the dict has all entries");
	must(sabir_list_len(o.list, &length), "len");
	expect(length == (uint64_t)n, "the list has all items");
	for (long i = 0; i < n; i += 1 + n / 5000) {
		struct sabir_item key = sabir_int(i), *item;
		must(sabir_dict_get(o.dict, &key, &item), "get");
		expect(number_of(item) == 2 * i, "the dict's values");
		sabir_free(item);
		must(sabir_list_get(o.list, i, &item), "get");
		expect(number_of(item) == i, "the list's items");
		sabir_free(item);
	}
	check_queue(o.queue, n);
	check_queue(o.tasks, n);
	must(sabir_value_get_int(o.counter, &counter), "get");
	printf("all is there, counter %" PRId64 "\n", counter);
}

/* ---------------------------------------------------------------- work */

static void change(const char *kind, uint64_t i)
{
	struct sabir_item n = sabir_int((int64_t)(i % 1000)), *item;
	if (!strcmp(kind, "dict")) {
		must(sabir_dict_set(o.dict, &n, &n, NULL), "set");
	} else if (!strcmp(kind, "list")) {
		must(sabir_list_set(o.list, (int64_t)(i % 1000), &n), "set");
	} else {
		sabir_queue *queue = !strcmp(kind, "queue") ? o.queue : o.tasks;
		must(sabir_queue_get(queue, 0, &item), "get");
		must(sabir_queue_put(queue, item, 0), "put");
		sabir_free(item);
	}
	must(sabir_value_add_int(o.counter, 1, NULL), "add");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void work(double seconds, const char *kind)
{
	enum { MOST = 1 << 20 };
	uint64_t *took = malloc(MOST * sizeof(*took)), longest = 0, i = 0, over = 0;
	uint64_t begin = now(), at = begin, end = begin + (uint64_t)(seconds * 1e9);
	while (at < end) {
		change(kind, i);
		uint64_t then = now();
		took[i++ % MOST] = then - at;
		longest = then - at > longest ? then - at : longest;
		over += then - at > 10000000;
		at = then;
	}
	size_t n = i < MOST ? (size_t)i : MOST;
	qsort(took, n, sizeof(*took), compare);
	printf("%s: %" PRIu64 " changes, median %.2f us, 99.9%% %.2f us, longest %.1f ms, %" PRIu64 " above 10 ms\n",
	       kind, i, (double)took[n / 2] / 1e3, (double)took[n - 1 - n / 1000] / 1e3, (double)longest / 1e6, over);
	free(took);
}

int main(int argc, char **argv)
{
	int64_t counter;
	if (argc < 3)
		return 2;
	must(sabir_connect(argv[2], NULL, &conn), "connect");
	open_all(!strcmp(argv[1], "fill"));
	if (!strcmp(argv[1], "fill"))
		fill(atol(argv[3]));
	else if (!strcmp(argv[1], "grow"))
		fill(atol(argv[3]));
	else if (!strcmp(argv[1], "check"))
		check(atol(argv[3]));
	else if (!strcmp(argv[1], "work"))
		work(atof(argv[3]), argv[4]);
	else if (!sabir_value_get_int(o.counter, &counter))
		printf("%" PRId64 "\n", counter);
	sabir_close(conn);
	return 0;
}
