/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adds to a shared counter from several threads at once and shows that no addition is lost.
 *
 *   counter VALUE [URL]
 */
#include <inttypes.h>
#include <pthread.h>
#include <sabir.h>
#include <stdio.h>
#include <stdlib.h>

#define N_THREADS 4
#define N_ADDITIONS 1000

static void check(enum sabir_error error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "counter: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	exit(1);
}

static void *add(void *value)
{
	for (int i = 0; i < N_ADDITIONS; i++)
		check(sabir_value_add_int(value, 1, NULL), "add");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[N_THREADS];
	sabir_conn *conn;
	sabir_value *value;
	int64_t before, after;

	if (argc < 2) {
		fprintf(stderr, "usage: counter VALUE [URL]\n");
		return 2;
	}
	check(sabir_connect(argc > 2 ? argv[2] : NULL, NULL, &conn), "connect");
	check(sabir_value_create(conn, argv[1], 'q', SABIR_EXIST_OK, &value), argv[1]);
	check(sabir_value_get_int(value, &before), "get");
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, add, value);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	check(sabir_value_get_int(value, &after), "get");
	printf("%" PRId64 " + %d = %" PRId64 "\n", before, N_THREADS * N_ADDITIONS, after);
	sabir_value_free(value);
	sabir_close(conn);
	return 0;
}
