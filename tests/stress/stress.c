/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes on one queue, half of them in shared memory and half over gRPC, and a ledger that is checked item by item.
 *
 *   stress LOCAL_URL REMOTE_URL [ITEMS [PROCESSES [KILLS]]]
 *
 * Half of the processes put, half get. Items are 0 to 64 KiB, most of them small; each tells its producer and number, and the rest
 * of it follows from them. With KILLS, so many further local getters and putters of a second queue are killed (SIGKILL) meanwhile.
 * Closes with a line "N passed, N failed".
 */
#include <errno.h>
#include <sabir.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_LEN 65536u
#define BATCH 16

struct head {
	uint32_t producer;
	uint32_t number;
};

static const char *urls[2];
static unsigned n_items = 200000, n_processes = 16, n_kills;
static uint8_t *ledger;   /* how often each item was got */
static uint64_t *empties; /* items without content: how many were put, how many were got */

static void die(const char *what, enum sabir_error error)
{
	fprintf(stderr, "stress: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	_exit(2);
}

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

static uint32_t length_of(struct head h)
{
	uint32_t r = mix(h.producer * 1000003u + h.number);
	uint32_t bits = r % 100 < 97 ? 8 : 17; /* 3 of 100 are large */
	uint32_t len = mix(r) % (1u << bits);
	return len > MAX_LEN ? MAX_LEN : len < sizeof(h) ? 0 : len;
}

static void fill(struct head h, uint8_t *data, uint32_t len)
{
	memcpy(data, &h, sizeof(h));
	uint32_t x = mix(h.number ^ h.producer << 24);
	for (uint32_t i = sizeof(h); i < len; i++)
		data[i] = (uint8_t)(x + i * 31);
}

static bool is_right(const uint8_t *data, uint32_t len, struct head *h)
{
	memcpy(h, data, sizeof(*h));
	uint32_t x = mix(h->number ^ h->producer << 24);
	if (len != length_of(*h))
		return false;
	for (uint32_t i = sizeof(*h); i < len; i++)
		if (data[i] != (uint8_t)(x + i * 31))
			return false;
	return true;
}

static sabir_queue *open_queue(const char *url, const char *name, sabir_conn **conn)
{
	sabir_queue *queue = NULL;
	enum sabir_error error = sabir_connect(url, NULL, conn);
	if (!error)
		error = sabir_queue_create(*conn, name, 5000, SABIR_EXIST_OK, &queue);
	if (error)
		die(url, error);
	return queue;
}

static void put_all(const char *url, unsigned producer, unsigned n)
{
	static uint8_t data[BATCH][MAX_LEN];
	struct sabir_item items[BATCH];
	sabir_conn *conn;
	sabir_queue *queue = open_queue(url, "stress", &conn);
	for (unsigned i = 0; i < n;) {
		unsigned k = i % 3 == 0 && n - i >= BATCH ? BATCH : 1;
		size_t done = 0;
		for (unsigned j = 0; j < k; j++) {
			struct head h = { producer, i + j };
			uint32_t len = length_of(h);
			if (len)
				fill(h, data[j], len);
			else
				__atomic_fetch_add(&empties[0], 1, __ATOMIC_SEQ_CST);
			items[j] = sabir_bytes(data[j], len);
		}
		while (done < k) {
			size_t accepted = 0;
			enum sabir_error error = k == 1 ? sabir_queue_put(queue, items, SABIR_FOREVER)
							: sabir_queue_put_many(queue, items + done, k - done,
									       SABIR_FOREVER, &accepted);
			if (error)
				die("put", error);
			done += k == 1 ? 1 : accepted;
		}
		i += k;
	}
	sabir_queue_free(queue);
	sabir_close(conn);
	_exit(0);
}

static void get_all(const char *url, unsigned n_producers, unsigned n_each)
{
	sabir_conn *conn;
	sabir_queue *queue = open_queue(url, "stress", &conn);
	uint32_t *next = calloc(n_producers, sizeof(*next));
	struct sabir_item *item;
	enum sabir_error error;
	int bad = 0;
	while ((error = sabir_queue_get(queue, SABIR_FOREVER, &item)) == SABIR_OK) {
		struct head h = { 0, 0 };
		if (item->len == 0) {
			__atomic_fetch_add(&empties[1], 1, __ATOMIC_SEQ_CST);
		} else if (!is_right(item->as.data, (uint32_t)item->len, &h) || h.producer >= n_producers ||
			   h.number >= n_each) {
			bad = 1;
		} else {
			bad |= h.number < next[h.producer]; /* the order of its producer */
			next[h.producer] = h.number + 1;
			__atomic_fetch_add(&ledger[(uint64_t)h.producer * n_each + h.number], 1, __ATOMIC_SEQ_CST);
		}
		sabir_free(item);
	}
	if (error != SABIR_CLOSED)
		die("get", error);
	_exit(bad);
}

/* Puts and gets on the second queue until it is killed. */
static void be_killed(void)
{
	static uint8_t data[300];
	sabir_conn *conn;
	sabir_queue *queue = open_queue(urls[0], "killed", &conn);
	for (unsigned i = 0;; i++) {
		struct sabir_item item = sabir_bytes(data, i % sizeof(data)), *got;
		(void)sabir_queue_put(queue, &item, 0);
		if (sabir_queue_get(queue, 0, &got) == SABIR_OK)
			sabir_free(got);
	}
}

static void kill_many(void)
{
	for (unsigned i = 0; i < n_kills; i++) {
		struct timespec pause = { 0, 2000000 + (long)(mix(i) % 8000000) };
		int status;
		pid_t pid = fork();
		if (pid == 0)
			be_killed();
		nanosleep(&pause, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	_exit(0);
}

static bool wait_for(pid_t pid)
{
	int status;
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static unsigned check(bool ok, const char *what, unsigned *failed)
{
	printf("%-6s %s\n", ok ? "ok" : "FAILED", what);
	*failed += !ok;
	return ok;
}

int main(int argc, char **argv)
{
	sabir_conn *conn;
	struct timespec begin, end;
	unsigned passed = 0, failed = 0;
	if (argc < 3) {
		fprintf(stderr, "usage: stress LOCAL_URL REMOTE_URL [ITEMS [PROCESSES [KILLS]]]\n");
		return 2;
	}
	urls[0] = argv[1];
	urls[1] = argv[2];
	n_items = argc > 3 ? (unsigned)atoi(argv[3]) : n_items;
	n_processes = argc > 4 ? (unsigned)atoi(argv[4]) : n_processes;
	n_kills = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
	unsigned n_producers = n_processes / 2, n_each = n_items / n_producers;
	uint64_t total = (uint64_t)n_producers * n_each;
	pid_t pids[n_processes], killer = 0;

	ledger = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	empties = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	/* Before gRPC begins in this process: its threads do not survive a fork. */
	for (unsigned i = 0; i < n_processes; i++) {
		const char *url = urls[i / 2 % 2];
		pids[i] = fork();
		if (pids[i] == 0 && i % 2 == 0)
			put_all(url, i / 2, n_each);
		if (pids[i] == 0)
			get_all(url, n_producers, n_each);
	}
	if (n_kills && (killer = fork()) == 0)
		kill_many();
	bool ok = true;
	for (unsigned i = 0; i < n_processes; i += 2)
		ok &= wait_for(pids[i]);
	passed += check(ok, "every producer put all its items", &failed);
	if (killer)
		passed += check(wait_for(killer), "the killer came through", &failed);

	sabir_queue *queue = open_queue(urls[0], "stress", &conn);
	enum sabir_error error = sabir_queue_close(queue);
	if (error)
		die("close", error);
	ok = true;
	for (unsigned i = 1; i < n_processes; i += 2)
		ok &= wait_for(pids[i]);
	passed += check(ok, "every getter got right items, in the order of each producer", &failed);
	clock_gettime(CLOCK_MONOTONIC, &end);
	uint64_t lost = 0, twice = 0;
	for (uint64_t i = 0; i < total; i++) {
		struct head h = { (uint32_t)(i / n_each), (uint32_t)(i % n_each) };
		uint8_t wanted = length_of(h) ? 1 : 0;
		lost += ledger[i] < wanted;
		twice += ledger[i] > wanted;
	}
	passed += check(lost == 0 && empties[0] == empties[1], "no item was lost", &failed);
	passed += check(twice == 0, "no item came twice", &failed);
	double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("%llu items, %u processes, %u kills, %.1f s, %.0f items/s, %llu lost, %llu twice\n",
	       (unsigned long long)total, n_processes, n_kills, seconds, (double)total / seconds,
	       (unsigned long long)lost, (unsigned long long)twice);
	sabir_queue_free(queue);
	sabir_delete(conn, "stress");
	sabir_delete(conn, "killed");
	sabir_close(conn);
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
