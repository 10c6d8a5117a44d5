/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who works while the server is killed. Local ones notice nothing: any error is the end of the test. A remote call may fail
 * for want of a server; then the ledger knows that it may have been performed, or the call is made again.
 */
#define _GNU_SOURCE
#include "tests/restart/load.h"

#include <sabir.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/child.h"

#define LEASE (2000 * MS)
#define LONG_LEASE (3600 * 1000 * MS)
#define N_CONTENDERS 4u

/* A remote call that may fail because there is no server at the moment; true if it may be made again. */
static bool missed(const struct restart *test, enum sabir_error error)
{
	if (error != SABIR_UNAVAILABLE && error != SABIR_TIMED_OUT)
		return false;
	__atomic_fetch_add(&test->ledger->n_failed, 1, __ATOMIC_SEQ_CST);
	pause_ns(5 * MS);
	return true;
}

static bool goes_on(const struct restart *test)
{
	return !__atomic_load_n(&test->ledger->stop, __ATOMIC_SEQ_CST);
}

static void put_local(const struct restart *test, unsigned producer, const char *name)
{
	sabir_queue *queue = open_queue(dial(test->local_url), name);
	for (uint64_t n = 0; goes_on(test) && test->ledger->n[producer] < LEDGER_ITEMS - 1;) {
		uint64_t id = ledger_begin(test->ledger, producer);
		struct sabir_item item = sabir_uint(id);
		enum sabir_error error = sabir_queue_put(queue, &item, SABIR_FOREVER);
		if (error)
			die("put", error);
		ledger_put(test->ledger, id, true);
		/* A load that leaves the processors some time: else it is their scheduler that is measured. */
		if (producer == TASKS || n++ % 64 == 0)
			pause_ns(MS / 10);
	}
	_exit(0);
}

static void get_local(const struct restart *test, unsigned unused, const char *name)
{
	sabir_queue *queue = open_queue(dial(test->local_url), name);
	struct sabir_item *item;
	enum sabir_error error;
	bool counts = !strcmp(name, "local");
	(void)unused;
	while ((error = sabir_queue_get(queue, SABIR_FOREVER, &item)) == SABIR_OK) {
		ledger_got(test->ledger, item->as.u);
		if (counts)
			__atomic_fetch_add(&test->ledger->progress, 1, __ATOMIC_SEQ_CST);
		sabir_free(item);
	}
	if (error != SABIR_CLOSED)
		die("get", error);
	_exit(0);
}

static void put_remote(const struct restart *test, unsigned producer, const char *name)
{
	sabir_queue *queue = open_queue(dial(test->remote_url), name);
	while (goes_on(test)) {
		uint64_t id = ledger_begin(test->ledger, producer);
		struct sabir_item item = sabir_uint(id);
		enum sabir_error error = sabir_queue_put(queue, &item, PATIENCE);
		if (error && !missed(test, error))
			die("remote put", error);
		ledger_put(test->ledger, id, !error);
		test->ledger->n_finished += !error;
	}
	_exit(0);
}

/* Leases and acks until the queue is closed and empty. */
static void work_remote(const struct restart *test, unsigned unused, const char *name)
{
	sabir_queue *queue = open_queue(dial(test->remote_url), name);
	(void)unused;
	for (;;) {
		struct sabir_item *item;
		struct sabir_lease lease;
		enum sabir_error error = sabir_task_queue_lease(queue, LEASE, PATIENCE, &item, &lease);
		if (error == SABIR_CLOSED)
			_exit(0);
		if (error && error != SABIR_EMPTY && !missed(test, error))
			die("lease", error);
		if (error)
			continue;
		ledger_got(test->ledger, item->as.u);
		error = sabir_task_queue_ack(queue, lease.token);
		if (!error)
			ledger_acked(test->ledger, item->as.u);
		else if (error != SABIR_LEASE_LOST && !missed(test, error))
			die("ack", error);
		sabir_free(item);
	}
}

/* Has one task all the time, by a lease that is the session's. */
void keep_lease(const struct restart *test, unsigned unused, const char *name)
{
	sabir_conn *conn = dial(test->remote_url);
	struct sabir_item *item;
	struct sabir_lease lease;
	(void)unused;
	enum sabir_error error = sabir_session_open(conn, LEASE);
	sabir_queue *queue = open_queue(conn, name);
	if (!error)
		error = sabir_task_queue_lease(queue, LONG_LEASE, PATIENCE, &item, &lease);
	if (error)
		die("lease", error);
	test->ledger->n_leased = 1;
	while (goes_on(test))
		pause_ns(MS);
	while ((error = sabir_task_queue_ack(queue, lease.token)) != SABIR_OK && missed(test, error))
		;
	_exit(error != SABIR_OK);
}

/* Whether the lock is ours: who was not answered can't know. */
static bool has_got(const struct restart *test, sabir_lock *lock)
{
	struct sabir_lock_state state = { 0 };
	enum sabir_error error;
	while ((error = sabir_lock_status(lock, &state)) != SABIR_OK && missed(test, error))
		;
	if (error)
		die("status", error);
	return state.mine;
}

/*
 * Takes a lock again and again, which others want as well. When the server dies somebody stands in the line whose call is
 * gone, and nobody must wait behind him for ever.
 */
static void contend(const struct restart *test, unsigned remote, const char *name)
{
	sabir_lock *lock;
	enum sabir_error error = sabir_lock_open(dial(remote ? test->remote_url : test->local_url), name, &lock);
	while (!error && goes_on(test)) {
		error = sabir_lock_acquire(lock, PATIENCE, NULL);
		if (error == SABIR_UNAVAILABLE && missed(test, error))
			error = has_got(test, lock) ? SABIR_OK : SABIR_UNAVAILABLE;
		if (error == SABIR_UNAVAILABLE) {
			error = SABIR_OK;
			continue;
		}
		if (error)
			break;
		pause_ns(MS);
		__atomic_fetch_add(&test->ledger->n_turns[remote], 1, __ATOMIC_SEQ_CST);
		while ((error = sabir_lock_release(lock)) != SABIR_OK && missed(test, error) && has_got(test, lock))
			;
		error = error == SABIR_UNAVAILABLE || error == SABIR_TIMED_OUT ? SABIR_OK : error;
	}
	if (error)
		die("contend", error);
	_exit(0);
}

/* Holds a lock until it is killed. */
void hold(const struct restart *test, unsigned remote, const char *name)
{
	sabir_lock *lock;
	sabir_conn *conn = dial(remote ? test->remote_url : test->local_url);
	enum sabir_error error = remote ? sabir_session_open(conn, LEASE) : SABIR_OK;
	if (!error)
		error = sabir_lock_open(conn, name, &lock);
	if (!error)
		error = sabir_lock_acquire(lock, PATIENCE, NULL);
	if (error)
		die("hold", error);
	for (;;)
		pause();
}

/* ---------------------------------------------------------------- all of them */

pid_t start(const struct restart *test, role *act, unsigned which, const char *object)
{
	fflush(stdout);
	pid_t pid = child_fork();
	if (pid == 0) {
		act(test, which, object);
		_exit(0);
	}
	return pid;
}

static void add(struct load *load, pid_t pid)
{
	load->pids[load->n++] = pid;
}

struct load begin_load(const struct restart *test)
{
	struct load load = { .n = 0 };
	add(&load, start(test, put_local, LOCAL_A, "local"));
	add(&load, start(test, put_local, LOCAL_B, "local"));
	add(&load, start(test, put_local, TASKS, "tasks"));
	add(&load, start(test, put_remote, FROM_REMOTE, "from-remote"));
	for (unsigned i = 0; i < N_CONTENDERS; i++)
		add(&load, start(test, contend, i % 2, "contended"));
	load.n_until_stop = load.n;
	add(&load, start(test, get_local, 0, "local"));
	add(&load, start(test, get_local, 0, "local"));
	add(&load, start(test, get_local, 0, "from-remote"));
	add(&load, start(test, work_remote, 0, "tasks"));
	return load;
}

static void close_queue(sabir_conn *conn, const char *name)
{
	sabir_queue *queue = open_queue(conn, name);
	enum sabir_error error = sabir_queue_close(queue);
	if (error)
		die("close", error);
}

static bool await_all(const struct load *load, unsigned from, unsigned to)
{
	bool right = true;
	for (unsigned i = from; i < to; i++) {
		int status = -1;
		waitpid(load->pids[i], &status, 0);
		right &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return right;
}

bool end_load(const struct load *load, sabir_conn *conn)
{
	bool ended = await_all(load, 0, load->n_until_stop);
	close_queue(conn, "local");
	close_queue(conn, "from-remote");
	close_queue(conn, "tasks");
	ended &= await_all(load, load->n_until_stop, load->n);
	return ended;
}
