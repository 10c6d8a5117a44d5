/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round of a local figure, in nanoseconds per item.
 *
 *   local queue URL ITEMS   two processes, 64-byte items, a queue of 4096: put in one, get in the other
 *   local dict URL ITEMS    gets of 64-byte values by 16-byte keys, 100,000 entries, one process
 */
#include <sabir.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_KEYS 100000

static void need(enum sabir_error error)
{
	if (!error)
		return;
	fprintf(stderr, "local: %s: %s\n", sabir_error_text(error), sabir_detail());
	exit(1);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double queue_round(const char *url, unsigned long n)
{
	sabir_conn *conn;
	sabir_queue *queue;
	struct sabir_buffer buffer = { 0 };
	struct sabir_item item;
	need(sabir_connect(url, NULL, &conn));
	need(sabir_queue_create(conn, "bench", 4096, SABIR_EXIST_OK, &queue));
	double begin = seconds();
	pid_t pid = fork();
	if (pid == 0) {
		uint8_t data[64] = { 0 };
		for (unsigned long i = 0; i < n; i++)
			need(sabir_queue_put_bytes(queue, data, sizeof(data), SABIR_FOREVER));
		_exit(0);
	}
	for (unsigned long i = 0; i < n; i++)
		need(sabir_queue_get_into(queue, SABIR_FOREVER, &buffer, &item));
	double took = seconds() - begin;
	waitpid(pid, NULL, 0);
	sabir_free(buffer.data);
	sabir_queue_free(queue);
	need(sabir_delete(conn, "bench"));
	sabir_close(conn);
	return took;
}

static void key_of(unsigned long i, char key[17])
{
	snprintf(key, 17, "key%013lu", i);
}

static double dict_round(const char *url, unsigned long n)
{
	sabir_conn *conn;
	sabir_dict *dict;
	struct sabir_buffer buffer = { 0 };
	struct sabir_item value, key;
	static char texts[N_KEYS][17];
	uint8_t data[64] = { 0 };
	need(sabir_connect(url, NULL, &conn));
	need(sabir_dict_create(conn, "bench", SABIR_EXIST_OK, &dict));
	value = sabir_bytes(data, sizeof(data));
	for (unsigned long i = 0; i < N_KEYS; i++) {
		char text[17];
		key_of(i, text);
		/* In the order in which they are asked for: fetching them from our own memory is not to be measured. */
		key_of(i * 7919 % N_KEYS, texts[i]);
		key = sabir_bytes(text, 16);
		need(sabir_dict_set(dict, &key, &value, NULL));
	}
	double begin = seconds();
	for (unsigned long i = 0; i < n; i++) {
		key = sabir_bytes(texts[i % N_KEYS], 16);
		need(sabir_dict_get_into(dict, &key, &buffer, &value));
	}
	double took = seconds() - begin;
	sabir_free(buffer.data);
	sabir_dict_free(dict);
	need(sabir_delete(conn, "bench"));
	sabir_close(conn);
	return took;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: local queue|dict URL ITEMS\n");
		return 2;
	}
	unsigned long n = strtoul(argv[3], NULL, 10);
	double took = strcmp(argv[1], "dict") ? queue_round(argv[2], n) : dict_round(argv[2], n);
	printf("%.1f\n", took / (double)n * 1e9);
	return 0;
}
