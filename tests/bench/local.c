/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round of a local figure, in nanoseconds per item.
 *
 *   local queue URL ITEMS   two processes, 64-byte items, a queue of 4096: put in one, get in the other
 *   local copied URL ITEMS LEN    the same with items of LEN bytes, each written by the one and read by the other: put and get
 *   local in_place URL ITEMS LEN  the same, reserved and committed, borrowed and released
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

/* ---------------------------------------------------------------- large items, copied or not */

static sabir_queue *large;
static size_t large_len;

/* What a program does with an item: it writes all of it, and reads all of it. */
static void write_item(void *data, unsigned long i)
{
	memset(data, (int)i, large_len);
}

static void read_item(const struct sabir_item *item, unsigned long i)
{
	const uint8_t *data = item->as.data;
	uint64_t word, different = 0, same = (uint8_t)i * 0x0101010101010101ull;
	for (size_t at = 0; at + sizeof(word) <= item->len; at += sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		different |= word ^ same;
	}
	if (different || item->len != large_len) {
		fprintf(stderr, "local: item %lu is not what was put\n", i);
		exit(1);
	}
}

static void put_copied(unsigned long n)
{
	void *data = malloc(large_len);
	for (unsigned long i = 0; i < n; i++) {
		write_item(data, i);
		need(sabir_queue_put_bytes(large, data, large_len, SABIR_FOREVER));
	}
}

static void get_copied(unsigned long n)
{
	struct sabir_buffer buffer = { 0 };
	struct sabir_item item;
	for (unsigned long i = 0; i < n; i++) {
		need(sabir_queue_get_into(large, SABIR_FOREVER, &buffer, &item));
		read_item(&item, i);
	}
	sabir_free(buffer.data);
}

static void put_in_place(unsigned long n)
{
	struct sabir_slot slot;
	for (unsigned long i = 0; i < n; i++) {
		need(sabir_queue_reserve(large, large_len, SABIR_SLOT_BYTES, &slot));
		write_item(slot.data, i);
		need(sabir_queue_commit(&slot, SABIR_FOREVER));
	}
}

static void get_in_place(unsigned long n)
{
	struct sabir_loan loan;
	for (unsigned long i = 0; i < n; i++) {
		need(sabir_queue_borrow(large, SABIR_FOREVER, &loan));
		read_item(&loan.item, i);
		need(sabir_queue_release(&loan));
	}
}

static double large_round(const char *url, unsigned long n, bool in_place)
{
	sabir_conn *conn;
	need(sabir_connect(url, NULL, &conn));
	need(sabir_queue_create(conn, "bench", 64, SABIR_EXIST_OK, &large));
	double begin = seconds();
	pid_t pid = fork();
	if (pid == 0) {
		(in_place ? put_in_place : put_copied)(n);
		_exit(0);
	}
	(in_place ? get_in_place : get_copied)(n);
	double took = seconds() - begin;
	waitpid(pid, NULL, 0);
	sabir_queue_free(large);
	need(sabir_delete(conn, "bench"));
	sabir_close(conn);
	return took;
}

/* ---------------------------------------------------------------- dict */

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
	double took;
	if (argc < 4 || (argc < 5 && (!strcmp(argv[1], "copied") || !strcmp(argv[1], "in_place")))) {
		fprintf(stderr, "usage: local queue|dict URL ITEMS | local copied|in_place URL ITEMS LEN\n");
		return 2;
	}
	unsigned long n = strtoul(argv[3], NULL, 10);
	if (argc > 4) {
		large_len = strtoul(argv[4], NULL, 10);
		took = large_round(argv[2], n, !strcmp(argv[1], "in_place"));
	} else {
		took = strcmp(argv[1], "dict") ? queue_round(argv[2], n) : dict_round(argv[2], n);
	}
	printf("%.1f\n", took / (double)n * 1e9);
	return 0;
}
