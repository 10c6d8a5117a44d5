/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The killing, and what is measured of it. The server is found each time anew, as the keeper's first child. The standstill is
 * watched by a process of its own, which nothing that is measured here can hold up.
 */
#define _GNU_SOURCE
#include "tests/restart/kills.h"

#include <errno.h>
#include <fcntl.h>
#include <sabir.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kit/child.h"
#include "tests/restart/load.h"

static pid_t server_pid(const struct restart *test)
{
	char path[64];
	long pid = 0;
	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)test->keeper, (long)test->keeper);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%ld", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return (pid_t)pid;
}

static bool is_locked(sabir_lock *lock)
{
	struct sabir_lock_state state = { 0 };
	enum sabir_error error = sabir_lock_status(lock, &state);
	if (error)
		die("lock", error);
	return state.locked;
}

/* A program with a lock dies while nobody can see it: the lock is free as soon as the server is back. */
static bool die_unseen(const struct restart *test, sabir_lock *lock, pid_t server)
{
	struct sabir_hold got;
	pid_t holder = start(test, hold, 0, "unseen");
	uint64_t deadline = now_ns() + PATIENCE;
	while (!is_locked(lock) && now_ns() < deadline)
		pause_ns(MS);
	kill(test->keeper, SIGSTOP);
	kill(server, SIGKILL);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	kill(test->keeper, SIGCONT);
	if (sabir_lock_acquire(lock, PATIENCE, &got) || !got.abandoned)
		return false;
	return sabir_lock_release(lock) == SABIR_OK;
}

/* Until a program can attach, or a remote one has an answer; 0: not in time. */
static uint64_t await_back(const char *url, uint64_t since_ns)
{
	const struct sabir_options options = { .size = sizeof(options), .timeout_ns = PATIENCE };
	while (now_ns() - since_ns < PATIENCE) {
		sabir_conn *conn;
		sabir_queue *queue = NULL;
		enum sabir_error error = sabir_connect(url, &options, &conn);
		if (!error) {
			error = sabir_queue_open(conn, "local", &queue);
			uint64_t size;
			if (!error)
				error = sabir_queue_size(queue, &size);
			sabir_queue_free(queue);
			sabir_close(conn);
		}
		if (!error)
			return now_ns() - since_ns;
		pause_ns(MS);
	}
	return 0;
}

/* The longest time without progress of the local queue, until told to end; written to a pipe. */
static void watch(const struct restart *test, int out, int until)
{
	uint64_t last = 0, last_ns = now_ns(), longest = 0;
	struct timespec tick = { 0, 1000000 };
	char byte;
	while (read(until, &byte, 1) < 0 && errno == EAGAIN) {
		uint64_t progress = __atomic_load_n(&test->ledger->progress, __ATOMIC_SEQ_CST), now = now_ns();
		if (now - last_ns > longest)
			longest = now - last_ns;
		if (progress != last)
			last_ns = now;
		last = progress;
		nanosleep(&tick, NULL);
	}
	if (write(out, &longest, sizeof(longest)) != sizeof(longest))
		_exit(2);
	_exit(0);
}

struct watch begin_watch(const struct restart *test)
{
	int longest[2], until[2];
	if (pipe(longest) || pipe2(until, O_NONBLOCK))
		die("pipe", SABIR_INTERNAL);
	fflush(stdout);
	pid_t pid = child_fork();
	if (pid == 0) {
		close(until[1]);
		watch(test, longest[1], until[0]);
	}
	close(longest[1]);
	close(until[0]);
	return (struct watch){ pid, longest[0], until[1] };
}

uint64_t end_watch(struct watch w)
{
	uint64_t longest = UINT64_MAX;
	close(w.until);
	if (read(w.in, &longest, sizeof(longest)) != sizeof(longest))
		longest = UINT64_MAX;
	close(w.in);
	waitpid(w.pid, NULL, 0);
	return longest;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t report(const char *what, uint64_t *times, unsigned n)
{
	qsort(times, n, sizeof(*times), by_size);
	printf("       %s, ms: median %.1f, 90%% %.1f, longest %.1f\n", what, (double)times[n / 2] / 1e6,
	       (double)times[n * 9 / 10] / 1e6, (double)times[n - 1] / 1e6);
	return times[n / 2];
}

void kill_many(const struct restart *test, unsigned n_kills, uint64_t pause_ms, uint64_t back_ms)
{
	uint64_t *local = calloc(n_kills, sizeof(*local)), *remote = calloc(n_kills, sizeof(*remote));
	sabir_conn *conn = dial(test->local_url);
	sabir_lock *unseen;
	unsigned n_back = 0, n_unseen = 0, n_unseen_freed = 0;
	enum sabir_error error = sabir_lock_open(conn, "unseen", &unseen);
	if (error)
		die("unseen", error);
	for (unsigned i = 0; i < n_kills; i++) {
		pause_ns((pause_ms / 2 + (uint64_t)rand() % pause_ms) * MS);
		pid_t server = server_pid(test);
		if (!server)
			continue;
		if (i % 8 == 2) {
			n_unseen++;
			n_unseen_freed += die_unseen(test, unseen, server);
		} else {
			kill(server, SIGKILL);
		}
		uint64_t since = now_ns();
		local[i] = await_back(test->local_url, since);
		remote[i] = await_back(test->remote_url, since);
		n_back += local[i] && remote[i];
	}
	check(n_back == n_kills, "the server came back after each kill");
	check(n_unseen_freed == n_unseen, "what died while there was no server was found dead");
	uint64_t median = report("until a program attached", local, n_kills);
	median = report("until a remote call was answered", remote, n_kills) > median ? remote[n_kills / 2] : median;
	check(median < back_ms * MS, "it was back in time, in the median");
	sabir_lock_free(unseen);
	sabir_close(conn);
	free(local);
	free(remote);
}
