/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server is killed (SIGKILL) again and again, under load, and nobody loses anything.
 *
 *   restart LOCAL_URL REMOTE_URL KEEPER_PID [KILLS [PAUSE_MS [STANDSTILL_MS [BACK_MS]]]]
 *
 * Meanwhile: local programs put into and get from one queue; a remote one puts for a local one; a local one puts for a remote
 * one that leases and acks; a local and a remote one hold a lock each all the time, another remote one has leased a task, which it acks
 * in the end; local and remote ones stand in line for a third lock (load.c). Now and then a program that holds another lock dies while there
 * is no server (kills.c). A ledger outside of Sabir counts each item (ledger.h). Measured are the longest time in which the local
 * queue stood still, and how long it took after each kill until a program could attach and until a remote call was answered,
 * each on a connection of its own. Closes with a line "N passed, N failed".
 */
#define _GNU_SOURCE
#include "tests/restart/restart.h"

#include <sabir.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/restart/kills.h"
#include "tests/restart/load.h"

static unsigned n_passed, n_failed;

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pause_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	nanosleep(&t, NULL);
}

void die(const char *what, enum sabir_error error)
{
	fprintf(stderr, "restart: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	_exit(2);
}

void check(bool right, const char *what)
{
	printf("%-6s %s\n", right ? "ok" : "FAILED", what);
	n_passed += right;
	n_failed += !right;
}

sabir_conn *dial(const char *url)
{
	sabir_conn *conn;
	enum sabir_error error = sabir_connect(url, NULL, &conn);
	if (error)
		die(url, error);
	return conn;
}

sabir_queue *open_queue(sabir_conn *conn, const char *name)
{
	sabir_queue *queue;
	enum sabir_error error = sabir_queue_open(conn, name, &queue);
	if (error)
		die(name, error);
	return queue;
}

static void make_objects(sabir_conn *conn)
{
	static const char *const queues[] = { "local", "from-remote" };
	struct sabir_item task = sabir_uint(1);
	const struct sabir_task_spec tasks = { .size = sizeof(tasks), .max_items = 1000 };
	enum sabir_error error = SABIR_OK;
	sabir_queue *queue;
	sabir_lock *lock;
	for (unsigned i = 0; i < 2 && !error; i++)
		error = sabir_queue_create(conn, queues[i], 1000, 0, &queue);
	if (!error)
		error = sabir_task_queue_create(conn, "tasks", &tasks, 0, &queue);
	if (!error)
		error = sabir_task_queue_create(conn, "leased", &tasks, 0, &queue);
	if (!error)
		error = sabir_queue_put(queue, &task, SABIR_FOREVER);
	if (!error)
		error = sabir_lock_create(conn, "held", 0, &lock);
	if (!error)
		error = sabir_lock_create(conn, "held remotely", 0, &lock);
	if (!error)
		error = sabir_lock_create(conn, "contended", SABIR_LOCK_STRICT, &lock);
	if (!error)
		error = sabir_lock_create(conn, "unseen", 0, &lock);
	if (error)
		die("create", error);
}

static void add_up(const struct restart *test, const char *what, unsigned first, unsigned last, bool leased)
{
	struct ledger_sum all = { 0 };
	for (unsigned p = first; p <= last; p++) {
		struct ledger_sum sum = ledger_sum(test->ledger, p, leased);
		all.n += sum.n;
		all.accepted += sum.accepted;
		all.unsure += sum.unsure;
		all.unsure_there += sum.unsure_there;
		all.lost += sum.lost;
		all.twice += sum.twice;
		all.uncalled += sum.uncalled;
	}
	printf("       %s: %llu accepted, %llu lost, %llu twice; %llu failed in the middle, of which %llu were performed\n",
	       what, (unsigned long long)all.accepted, (unsigned long long)all.lost, (unsigned long long)all.twice,
	       (unsigned long long)all.unsure, (unsigned long long)all.unsure_there);
	check(all.accepted && !all.lost && !all.twice && !all.uncalled, what);
}

static void add_up_all(const struct restart *test)
{
	printf("       a lock that all wanted: taken %llu times locally, %llu remotely\n",
	       (unsigned long long)test->ledger->n_turns[0], (unsigned long long)test->ledger->n_turns[1]);
	printf("       remote puts: %llu answered, remote calls that failed: %llu\n",
	       (unsigned long long)test->ledger->n_finished, (unsigned long long)test->ledger->n_failed);
	add_up(test, "local puts and gets", LOCAL_A, LOCAL_B, false);
	add_up(test, "remote puts, local gets", FROM_REMOTE, FROM_REMOTE, false);
	add_up(test, "local puts, remote leases", TASKS, TASKS, true);
}

/* One that holds a lock from now on. */
struct holder {
	pid_t pid;
	sabir_lock *lock;
	struct sabir_lock_state state;
};

static struct holder begin_hold(const struct restart *test, sabir_conn *conn, unsigned remote, const char *name)
{
	struct holder h = { .pid = start(test, hold, remote, name) };
	if (sabir_lock_open(conn, name, &h.lock))
		die(name, SABIR_INTERNAL);
	while (sabir_lock_status(h.lock, &h.state) || !h.state.locked)
		pause_ns(MS);
	return h;
}

/* It has it still: nobody has had it in between. And then it dies. */
static bool end_hold(struct holder *h)
{
	struct sabir_lock_state state = { 0 };
	bool held = !sabir_lock_status(h->lock, &state) && state.locked && state.token == h->state.token;
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	return held;
}

static bool is_abandoned(struct holder *h)
{
	struct sabir_hold got;
	return sabir_lock_acquire(h->lock, PATIENCE, &got) == SABIR_OK && got.abandoned;
}

static void run(const struct restart *test, unsigned n_kills, uint64_t pause_ms, uint64_t standstill_ms,
		uint64_t back_ms)
{
	sabir_conn *conn = dial(test->local_url);
	make_objects(conn);
	struct holder local = begin_hold(test, conn, 0, "held"), remote = begin_hold(test, conn, 1, "held remotely");
	pid_t leaser = start(test, keep_lease, 0, "leased");
	while (!__atomic_load_n(&test->ledger->n_leased, __ATOMIC_SEQ_CST))
		pause_ns(MS);
	struct load load = begin_load(test);
	pause_ns(500 * MS);
	struct watch w = begin_watch(test);
	pause_ns(n_kills * pause_ms * MS / 4);
	uint64_t before = end_watch(w);
	w = begin_watch(test);
	kill_many(test, n_kills, pause_ms, back_ms);
	uint64_t longest = end_watch(w);
	printf("       longest standstill of the local queue, ms: %.1f; without kills %.1f\n", (double)longest / 1e6,
	       (double)before / 1e6);
	check(longest < standstill_ms * MS, "the local queue never stood still for long");
	check(end_hold(&local), "a program that lived all the time still holds its lock");
	check(is_abandoned(&local), "its death is seen by the last server");
	check(end_hold(&remote), "and so does a remote one");
	check(is_abandoned(&remote), "whose lease runs out there");
	test->ledger->stop = 1;
	int status = -1;
	check(waitpid(leaser, &status, 0) == leaser && status == 0,
	      "a remote one acks the task that it had all the time");
	check(end_load(&load, conn), "everybody came to his end");
	add_up_all(test);
	sabir_close(conn);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr,
			"usage: restart LOCAL_URL REMOTE_URL KEEPER_PID [KILLS [PAUSE_MS [STANDSTILL_MS [BACK_MS]]]]\n");
		return 2;
	}
	const struct restart test = {
		.local_url = argv[1],
		.remote_url = argv[2],
		.keeper = (pid_t)atol(argv[3]),
		.ledger = ledger_new(),
	};
	unsigned n_kills = argc > 4 ? (unsigned)atol(argv[4]) : 200;
	uint64_t pause_ms = argc > 5 ? (uint64_t)atol(argv[5]) : 300;
	srand((unsigned)time(NULL));
	run(&test, n_kills ? n_kills : 1, pause_ms ? pause_ms : 1, argc > 6 ? (uint64_t)atol(argv[6]) : 100,
	    argc > 7 ? (uint64_t)atol(argv[7]) : 200);
	printf("%u passed, %u failed\n", n_passed, n_failed);
	return n_failed != 0;
}
