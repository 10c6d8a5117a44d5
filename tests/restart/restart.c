/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server is killed (SIGKILL) again and again, under load, and nobody loses anything.
 *
 *   restart LOCAL_URL REMOTE_URL KEEPER_PID [KILLS [PAUSE_MS [STANDSTILL_MS [BACK_MS]]]]
 *
 * Meanwhile: local programs put into and get from one queue; a remote one puts for a local one; a local one puts for a remote
 * one that leases and acks; a local and a remote one hold a lock each all the time, another remote one has leased a task, which it acks
 * in the end; local and remote ones stand in line for a third lock. Now and then a program that holds another lock dies while there
 * is no server. A ledger outside of Sabir counts each item (ledger.h). Measured are the longest time in which the local
 * queue stood still, and how long it took after each kill until a program could attach and until a remote call was answered,
 * each on a connection of its own. Closes with a line "N passed, N failed".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sabir.h>
#include <sabir_session.h>
#include <sabir_sync.h>
#include <sabir_task_queue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/restart/ledger.h"

#define MS 1000000ull
#define LEASE (2000 * MS)
#define LONG_LEASE (3600 * 1000 * MS)
#define PATIENCE (10000 * MS)
#define N_CONTENDERS 4u

enum { LOCAL_A, LOCAL_B, FROM_REMOTE, TASKS };

static const char *local_url, *remote_url;
static pid_t keeper;
static struct ledger *ledger;
static unsigned n_passed, n_failed;
static pid_t pids[16];
static unsigned n_pids;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	nanosleep(&t, NULL);
}

static void die(const char *what, enum sabir_error error)
{
	fprintf(stderr, "restart: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	_exit(2);
}

static void check(bool right, const char *what)
{
	printf("%-6s %s\n", right ? "ok" : "FAILED", what);
	n_passed += right;
	n_failed += !right;
}

static sabir_conn *dial(const char *url)
{
	sabir_conn *conn;
	enum sabir_error error = sabir_connect(url, NULL, &conn);
	if (error)
		die(url, error);
	return conn;
}

static sabir_queue *open_queue(sabir_conn *conn, const char *name)
{
	sabir_queue *queue;
	enum sabir_error error = sabir_queue_open(conn, name, &queue);
	if (error)
		die(name, error);
	return queue;
}

/* A remote call that may fail because there is no server at the moment; true if it may be made again. */
static bool missed(enum sabir_error error)
{
	if (error != SABIR_UNAVAILABLE && error != SABIR_TIMED_OUT)
		return false;
	__atomic_fetch_add(&ledger->n_failed, 1, __ATOMIC_SEQ_CST);
	pause_ns(5 * MS);
	return true;
}

/* ---------------------------------------------------------------- those who work */

static bool goes_on(void)
{
	return !__atomic_load_n(&ledger->stop, __ATOMIC_SEQ_CST);
}

static void put_local(unsigned producer, const char *name)
{
	sabir_queue *queue = open_queue(dial(local_url), name);
	for (uint64_t n = 0; goes_on() && ledger->n[producer] < LEDGER_ITEMS - 1;) {
		uint64_t id = ledger_begin(ledger, producer);
		struct sabir_item item = sabir_uint(id);
		enum sabir_error error = sabir_queue_put(queue, &item, SABIR_FOREVER);
		if (error)
			die("put", error);
		ledger_put(ledger, id, true);
		/* A load that leaves the processors some time: else it is their scheduler that is measured. */
		if (producer == TASKS || n++ % 64 == 0)
			pause_ns(MS / 10);
	}
	_exit(0);
}

static void get_local(unsigned unused, const char *name)
{
	sabir_queue *queue = open_queue(dial(local_url), name);
	struct sabir_item *item;
	enum sabir_error error;
	bool counts = !strcmp(name, "local");
	(void)unused;
	while ((error = sabir_queue_get(queue, SABIR_FOREVER, &item)) == SABIR_OK) {
		ledger_got(ledger, item->as.u);
		if (counts)
			__atomic_fetch_add(&ledger->progress, 1, __ATOMIC_SEQ_CST);
		sabir_free(item);
	}
	if (error != SABIR_CLOSED)
		die("get", error);
	_exit(0);
}

static void put_remote(unsigned producer, const char *name)
{
	sabir_queue *queue = open_queue(dial(remote_url), name);
	while (goes_on()) {
		uint64_t id = ledger_begin(ledger, producer);
		struct sabir_item item = sabir_uint(id);
		enum sabir_error error = sabir_queue_put(queue, &item, PATIENCE);
		if (error && !missed(error))
			die("remote put", error);
		ledger_put(ledger, id, !error);
		ledger->n_finished += !error;
	}
	_exit(0);
}

/* Leases and acks until the queue is closed and empty. */
static void work_remote(unsigned unused, const char *name)
{
	sabir_queue *queue = open_queue(dial(remote_url), name);
	(void)unused;
	for (;;) {
		struct sabir_item *item;
		struct sabir_lease lease;
		enum sabir_error error = sabir_task_queue_lease(queue, LEASE, PATIENCE, &item, &lease);
		if (error == SABIR_CLOSED)
			_exit(0);
		if (error && error != SABIR_EMPTY && !missed(error))
			die("lease", error);
		if (error)
			continue;
		ledger_got(ledger, item->as.u);
		error = sabir_task_queue_ack(queue, lease.token);
		if (!error)
			ledger_acked(ledger, item->as.u);
		else if (error != SABIR_LEASE_LOST && !missed(error))
			die("ack", error);
		sabir_free(item);
	}
}

/* Has one task all the time, by a lease that is the session's. */
static void keep_lease(unsigned unused, const char *name)
{
	sabir_conn *conn = dial(remote_url);
	struct sabir_item *item;
	struct sabir_lease lease;
	(void)unused;
	enum sabir_error error = sabir_session_open(conn, LEASE);
	sabir_queue *queue = open_queue(conn, name);
	if (!error)
		error = sabir_task_queue_lease(queue, LONG_LEASE, PATIENCE, &item, &lease);
	if (error)
		die("lease", error);
	ledger->n_leased = 1;
	while (goes_on())
		pause_ns(MS);
	while ((error = sabir_task_queue_ack(queue, lease.token)) != SABIR_OK && missed(error))
		;
	_exit(error != SABIR_OK);
}

/* Whether the lock is ours: who was not answered can't know. */
static bool has_got(sabir_lock *lock)
{
	struct sabir_lock_state state = { 0 };
	enum sabir_error error;
	while ((error = sabir_lock_status(lock, &state)) != SABIR_OK && missed(error))
		;
	if (error)
		die("status", error);
	return state.mine;
}

/*
 * Takes a lock again and again, which others want as well. When the server dies somebody stands in the line whose call is
 * gone, and nobody must wait behind him for ever.
 */
static void contend(unsigned remote, const char *name)
{
	sabir_lock *lock;
	enum sabir_error error = sabir_lock_open(dial(remote ? remote_url : local_url), name, &lock);
	while (!error && goes_on()) {
		error = sabir_lock_acquire(lock, PATIENCE, NULL);
		if (error == SABIR_UNAVAILABLE && missed(error))
			error = has_got(lock) ? SABIR_OK : SABIR_UNAVAILABLE;
		if (error == SABIR_UNAVAILABLE) {
			error = SABIR_OK;
			continue;
		}
		if (error)
			break;
		pause_ns(MS);
		__atomic_fetch_add(&ledger->n_turns[remote], 1, __ATOMIC_SEQ_CST);
		while ((error = sabir_lock_release(lock)) != SABIR_OK && missed(error) && has_got(lock))
			;
		error = error == SABIR_UNAVAILABLE || error == SABIR_TIMED_OUT ? SABIR_OK : error;
	}
	if (error)
		die("contend", error);
	_exit(0);
}

/* Holds a lock until it is killed. */
static void hold(unsigned remote, const char *name)
{
	sabir_lock *lock;
	sabir_conn *conn = dial(remote ? remote_url : local_url);
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

static pid_t start(void (*act)(unsigned producer, const char *name), unsigned producer, const char *name)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		act(producer, name);
		_exit(0);
	}
	return pid;
}

/* ---------------------------------------------------------------- the kills */

static pid_t server_pid(void)
{
	char path[64];
	long pid = 0;
	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)keeper, (long)keeper);
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
static bool die_unseen(sabir_lock *lock, pid_t server)
{
	struct sabir_hold got;
	pid_t holder = start(hold, 0, "unseen");
	uint64_t deadline = now_ns() + PATIENCE;
	while (!is_locked(lock) && now_ns() < deadline)
		pause_ns(MS);
	kill(keeper, SIGSTOP);
	kill(server, SIGKILL);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	kill(keeper, SIGCONT);
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
static void watch(int out, int until)
{
	uint64_t last = 0, last_ns = now_ns(), longest = 0;
	struct timespec tick = { 0, 1000000 };
	char byte;
	while (read(until, &byte, 1) < 0 && errno == EAGAIN) {
		uint64_t progress = __atomic_load_n(&ledger->progress, __ATOMIC_SEQ_CST), now = now_ns();
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

struct watch {
	int in, until;
};

static struct watch begin_watch(void)
{
	int longest[2], until[2];
	if (pipe(longest) || pipe2(until, O_NONBLOCK))
		die("pipe", SABIR_INTERNAL);
	fflush(stdout);
	if (fork() == 0) {
		close(until[1]);
		watch(longest[1], until[0]);
	}
	close(longest[1]);
	close(until[0]);
	return (struct watch){ longest[0], until[1] };
}

static uint64_t end_watch(struct watch w)
{
	uint64_t longest = UINT64_MAX;
	close(w.until);
	if (read(w.in, &longest, sizeof(longest)) != sizeof(longest))
		longest = UINT64_MAX;
	close(w.in);
	wait(NULL);
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

static void kill_many(unsigned n_kills, uint64_t pause_ms, uint64_t back_ms)
{
	uint64_t *local = calloc(n_kills, sizeof(*local)), *remote = calloc(n_kills, sizeof(*remote));
	sabir_conn *conn = dial(local_url);
	sabir_lock *unseen;
	unsigned n_back = 0, n_unseen = 0, n_unseen_freed = 0;
	enum sabir_error error = sabir_lock_open(conn, "unseen", &unseen);
	if (error)
		die("unseen", error);
	for (unsigned i = 0; i < n_kills; i++) {
		pause_ns((pause_ms / 2 + (uint64_t)rand() % pause_ms) * MS);
		pid_t server = server_pid();
		if (!server)
			continue;
		if (i % 8 == 2) {
			n_unseen++;
			n_unseen_freed += die_unseen(unseen, server);
		} else {
			kill(server, SIGKILL);
		}
		uint64_t since = now_ns();
		local[i] = await_back(local_url, since);
		remote[i] = await_back(remote_url, since);
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

/* ---------------------------------------------------------------- the whole */

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

static void close_queue(sabir_conn *conn, const char *name)
{
	sabir_queue *queue = open_queue(conn, name);
	enum sabir_error error = sabir_queue_close(queue);
	if (error)
		die("close", error);
}

static bool await_all(unsigned from, unsigned to)
{
	bool right = true;
	for (unsigned i = from; i < to; i++) {
		int status;
		waitpid(pids[i], &status, 0);
		right &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return right;
}

static void add_up(const char *what, unsigned first, unsigned last, bool leased)
{
	struct ledger_sum all = { 0 };
	for (unsigned p = first; p <= last; p++) {
		struct ledger_sum sum = ledger_sum(ledger, p, leased);
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

static void start_all(void)
{
	pids[n_pids++] = start(put_local, LOCAL_A, "local");
	pids[n_pids++] = start(put_local, LOCAL_B, "local");
	pids[n_pids++] = start(put_local, TASKS, "tasks");
	pids[n_pids++] = start(put_remote, FROM_REMOTE, "from-remote");
	for (unsigned i = 0; i < N_CONTENDERS; i++)
		pids[n_pids++] = start(contend, i % 2, "contended");
	pids[n_pids++] = start(get_local, 0, "local");
	pids[n_pids++] = start(get_local, 0, "local");
	pids[n_pids++] = start(get_local, 0, "from-remote");
	pids[n_pids++] = start(work_remote, 0, "tasks");
}

/* One that holds a lock from now on. */
struct holder {
	pid_t pid;
	sabir_lock *lock;
	struct sabir_lock_state state;
};

static struct holder begin_hold(sabir_conn *conn, unsigned remote, const char *name)
{
	struct holder h = { .pid = start(hold, remote, name) };
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

static void run(unsigned n_kills, uint64_t pause_ms, uint64_t standstill_ms, uint64_t back_ms)
{
	sabir_conn *conn = dial(local_url);
	make_objects(conn);
	struct holder local = begin_hold(conn, 0, "held"), remote = begin_hold(conn, 1, "held remotely");
	pid_t leaser = start(keep_lease, 0, "leased");
	while (!__atomic_load_n(&ledger->n_leased, __ATOMIC_SEQ_CST))
		pause_ns(MS);
	start_all();
	pause_ns(500 * MS);
	struct watch w = begin_watch();
	pause_ns(n_kills * pause_ms * MS / 4);
	uint64_t before = end_watch(w);
	w = begin_watch();
	kill_many(n_kills, pause_ms, back_ms);
	uint64_t longest = end_watch(w);
	printf("       longest standstill of the local queue, ms: %.1f; without kills %.1f\n", (double)longest / 1e6,
	       (double)before / 1e6);
	check(longest < standstill_ms * MS, "the local queue never stood still for long");
	check(end_hold(&local), "a program that lived all the time still holds its lock");
	check(is_abandoned(&local), "its death is seen by the last server");
	check(end_hold(&remote), "and so does a remote one");
	check(is_abandoned(&remote), "whose lease runs out there");
	ledger->stop = 1;
	int status = -1;
	check(waitpid(leaser, &status, 0) == leaser && status == 0,
	      "a remote one acks the task that it had all the time");
	bool ended = await_all(0, 4 + N_CONTENDERS);
	close_queue(conn, "local");
	close_queue(conn, "from-remote");
	close_queue(conn, "tasks");
	ended &= await_all(4 + N_CONTENDERS, n_pids);
	check(ended, "everybody came to his end");
	printf("       a lock that all wanted: taken %llu times locally, %llu remotely\n",
	       (unsigned long long)ledger->n_turns[0], (unsigned long long)ledger->n_turns[1]);
	printf("       remote puts: %llu answered, remote calls that failed: %llu\n",
	       (unsigned long long)ledger->n_finished, (unsigned long long)ledger->n_failed);
	add_up("local puts and gets", LOCAL_A, LOCAL_B, false);
	add_up("remote puts, local gets", FROM_REMOTE, FROM_REMOTE, false);
	add_up("local puts, remote leases", TASKS, TASKS, true);
	sabir_close(conn);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr,
			"usage: restart LOCAL_URL REMOTE_URL KEEPER_PID [KILLS [PAUSE_MS [STANDSTILL_MS [BACK_MS]]]]\n");
		return 2;
	}
	local_url = argv[1];
	remote_url = argv[2];
	keeper = (pid_t)atol(argv[3]);
	unsigned n_kills = argc > 4 ? (unsigned)atol(argv[4]) : 200;
	uint64_t pause_ms = argc > 5 ? (uint64_t)atol(argv[5]) : 300;
	ledger = ledger_new();
	srand((unsigned)time(NULL));
	run(n_kills ? n_kills : 1, pause_ms ? pause_ms : 1, argc > 6 ? (uint64_t)atol(argv[6]) : 100,
	    argc > 7 ? (uint64_t)atol(argv[7]) : 200);
	printf("%u passed, %u failed\n", n_passed, n_failed);
	return n_failed != 0;
}
