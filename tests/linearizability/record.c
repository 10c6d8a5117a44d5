/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records concurrent histories and prints them for the checker:
 *
 *   record LOCAL_URL REMOTE_URL SERVER_PID
 *
 * A history: one new object, N_PROCESSES processes with N_THREADS threads each, half of them in shared memory and half
 * over gRPC, all of which make random operations on it at the same time, and note when each was called and when it
 * answered. Some processes are killed (SIGKILL) in the middle, and now and then the server is stopped for longer than
 * its clients wait. What has no answer by then may have been performed or not. In the end the parent looks at the
 * object.
 *
 * ROUNDS=n histories, or SECONDS=n; SEED=n; KIND=name for one kind alone. Exits with 1 if something hangs or fails.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/child.h"
#include "tests/linearizability/kinds_dict.h"
#include "tests/linearizability/kinds_queue.h"
#include "tests/linearizability/kinds_scalar.h"
#include "tests/linearizability/kinds_sync.h"

#define ANSWER_TIME (300 * SABIR_MILLISECOND) /* of a remote call, beyond what it waits for */
#define STALL (500 * SABIR_MILLISECOND)
#define LEASE (60 * SABIR_SECOND)
#define HANG (120 * SABIR_SECOND)

/* clang-format off */
#define QUEUE queue_open, queue_step, queue_finish, queue_free
#define SINGLE queue_open, single_step, queue_finish, queue_free
#define LOCK lock_create, lock_open, lock_step, lock_finish, lock_free
#define SEMAPHORE semaphore_create, semaphore_open, semaphore_step, semaphore_finish, semaphore_free
static const struct kind kinds[] = {
	{ "queue", 0, 0, queue_create, SINGLE },
	{ "queue", 0, 3, queue_create, SINGLE },
	{ "queue", NO_KILLS, 0, queue_create, QUEUE },
	{ "queue", NO_KILLS, 4, queue_create, QUEUE },
	{ "task_queue", 0, 4, task_create, SINGLE },
	{ "task_queue", NO_KILLS, 4, task_create, QUEUE },
	{ "priority", 0, 6, task_create, SINGLE },
	{ "value", 0, 'q', value_create, value_open, value_step, value_finish, value_free },
	{ "value", 0, 'i', value_create, value_open, value_step, value_finish, value_free },
	{ "array", 0, 'q', array_create, array_open, array_step, array_finish, array_free },
	{ "array", 0, 'i', array_create, array_open, array_step, array_finish, array_free },
	{ "dict", 0, 0, dict_create, dict_open, dict_step, dict_finish, dict_free },
	{ "whole_dict", 0, 0, dict_create, dict_open, whole_dict_step, dict_finish, dict_free },
	{ "lock", OWNERSHIP, 0, LOCK },
	{ "lock", OWNERSHIP, 1, LOCK },
	{ "rlock", OWNERSHIP, 0, LOCK },
	{ "semaphore", 0, 2, SEMAPHORE },
	{ "owned_semaphore", OWNERSHIP, 2, SEMAPHORE },
	{ "bounded_semaphore", NO_KILLS, 2, SEMAPHORE },
	{ "event", 0, 0, event_create, event_open, event_step, event_step, event_free },
};
/* clang-format on */
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What the processes share. A word that somebody sleeps on is changed before it is woken. */
static struct shared {
	uint32_t round;            /* the history that is on; threads sleep on it */
	uint32_t go;               /* = round: all have opened the object */
	uint32_t news;             /* counts what clients have to tell; the parent sleeps on it */
	uint32_t ready[N_CLIENTS]; /* = round: has opened it */
	uint32_t done[N_CLIENTS];  /* = round: has made all its calls */
	uint32_t n_steps;
	uint32_t kind;
	char name[64];
	struct client clients[N_CLIENTS + 2];
} * shared;

static const char *urls[2];
static pid_t server, pids[N_PROCESSES];
static sabir_conn *conn;
static uint32_t rounds_before; /* this process was started */

static void die(const char *what, enum sabir_error error)
{
	fprintf(stderr, "record: %s: %s: %s\n", what, sabir_error_text(error), sabir_detail());
	_exit(2);
}

static void sleep_on(uint32_t *word, uint32_t value, const struct timespec *limit)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, limit, NULL, 0);
}

static void change(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static uint32_t look(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void wait_until(uint32_t *word, uint32_t old, bool differs)
{
	for (;;) {
		uint32_t now = look(word);
		if ((now == old) != differs)
			return;
		sleep_on(word, now, NULL);
	}
}

static void tell(uint32_t *mine, uint32_t round)
{
	__atomic_store_n(mine, round, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->news, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &shared->news, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---------------------------------------------------------------- clients */

static void pause_at_random(struct client *c, unsigned most_us)
{
	struct timespec pause = { 0, (long)random_below(c, most_us) * 1000 };
	nanosleep(&pause, NULL);
}

/* Local calls are many times as fast as remote ones: without pauses they would all be over before the first of those. */
static void make_calls(struct client *c, const struct kind *kind, union object object)
{
	for (uint32_t i = 0; i < shared->n_steps; i++) {
		if (sabir_is_local(conn) && random_below(c, 3))
			pause_at_random(c, 600);
		kind->step(c, kind, object);
	}
}

/* The server was too busy, or is stopped. */
static bool is_late(enum sabir_error error)
{
	return error == SABIR_TIMED_OUT || error == SABIR_UNAVAILABLE;
}

static void *be_client(void *argument)
{
	struct client *c = argument;
	uint32_t round = rounds_before;
	for (;;) {
		union object object;
		wait_until(&shared->round, round, true);
		round = look(&shared->round);
		const struct kind *kind = &kinds[shared->kind];
		enum sabir_error error = SABIR_TIMED_OUT;
		for (int i = 0; i < 100 && is_late(error); i++)
			error = kind->open(conn, shared->name, &object);
		if (error)
			die(shared->name, error);
		tell(&shared->ready[c->id], round);
		wait_until(&shared->go, round, false);
		make_calls(c, kind, object);
		kind->free(object);
		tell(&shared->done[c->id], round);
	}
	return NULL;
}

static void be_process(unsigned number)
{
	struct sabir_options options = { .size = sizeof(options), .timeout_ns = number % 2 ? ANSWER_TIME : 0 };
	pthread_t threads[N_THREADS];
	enum sabir_error error = SABIR_TIMED_OUT;
	for (int i = 0; i < 100 && error; i++)
		error = sabir_connect(urls[number % 2], &options, &conn);
	/* Longer than any want of a processor. */
	for (int i = 0; i < 100 && number % 2 && (!i || error); i++)
		error = sabir_session_open(conn, LEASE);
	if (error)
		die(urls[number % 2], error);
	for (unsigned i = 1; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, be_client, &shared->clients[number * N_THREADS + i]);
	be_client(&shared->clients[number * N_THREADS]);
}

static void start_process(unsigned number)
{
	fflush(stdout);
	rounds_before = look(&shared->round);
	pids[number] = child_fork();
	if (pids[number] == 0)
		be_process(number);
}

/* ---------------------------------------------------------------- the parent */

static struct client chance; /* the parent's own */

/* Clients of a process that was killed have nothing more to do. */
static bool all_are(const uint32_t *state, uint32_t round)
{
	for (unsigned i = 0; i < N_CLIENTS; i++)
		if (look(&state[i]) != round && pids[i / N_THREADS])
			return false;
	return true;
}

static void tell_who_hangs(const uint32_t *state, uint32_t round)
{
	fprintf(stderr, "record: history %u of a %s does not end\n", round, kinds[shared->kind].name);
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		const struct client *c = &shared->clients[i];
		const struct record *last = &c->records[c->n];
		if (look(&state[i]) == round || !pids[i / N_THREADS])
			continue;
		fprintf(stderr, "record: client %u, process %ld: ", i, (long)pids[i / N_THREADS]);
		if (last->call && !last->ret)
			fprintf(stderr, "%s since %.3f s\n", last->op, (double)(now_ns() - last->call) / 1e9);
		else
			fprintf(stderr, "between two calls, %u done\n", c->n);
	}
}

/* False: somebody has died by himself, or hangs. */
static bool wait_for_all(const uint32_t *state, uint32_t round)
{
	uint64_t begun = now_ns();
	int status;
	for (;;) {
		struct timespec limit = { 0, 100000000 };
		uint32_t news = look(&shared->news);
		if (all_are(state, round))
			return true;
		sleep_on(&shared->news, news, &limit);
		for (unsigned i = 0; i < N_PROCESSES; i++) {
			if (!pids[i] || waitpid(pids[i], &status, WNOHANG) != pids[i])
				continue;
			fprintf(stderr, "record: process %ld has died by itself, status %#x\n", (long)pids[i], status);
			return false;
		}
		if (now_ns() - begun > HANG) {
			tell_who_hangs(state, round);
			return false;
		}
	}
}

static void kill_one(void)
{
	struct client *nemesis = &shared->clients[NEMESIS];
	unsigned victim = random_below(&chance, N_PROCESSES);
	if (!pids[victim])
		return;
	/* Before it is killed: its death is seen without its being reaped, and what it held is free, at some time behind this. */
	if (kinds[shared->kind].flags & OWNERSHIP)
		end(nemesis, begin(nemesis, "die", 1, victim, 0, 0), SABIR_TIMED_OUT, 0);
	kill(pids[victim], SIGKILL);
	waitpid(pids[victim], NULL, 0);
	pids[victim] = 0;
}

static void stop_server(void)
{
	struct timespec pause = { 0, (long)STALL };
	kill(server, SIGSTOP);
	nanosleep(&pause, NULL);
	kill(server, SIGCONT);
}

static void do_harm(void)
{
	unsigned what = random_below(&chance, 200);
	if (what >= 70)
		return;
	pause_at_random(&chance, 4000);
	if (what == 0 && server > 0)
		stop_server();
	else
		kill_one();
	if (what > 60)
		kill_one();
}

static void print_history(uint32_t round, const struct kind *kind)
{
	printf("H %u %s %lld\n", round, kind->name, (long long)kind->parameter);
	for (unsigned i = 0; i < N_CLIENTS + 2; i++) {
		struct client *c = &shared->clients[i];
		for (uint32_t k = 0; k < MAX_RECORDS && c->records[k].call; k++)
			print_record(c, &c->records[k]);
	}
	puts("E");
}

static void begin_round(uint32_t round, const struct kind *kind)
{
	uint64_t seed = chance.random_state;
	for (unsigned i = 0; i < N_CLIENTS + 2; i++) {
		memset(&shared->clients[i], 0, sizeof(shared->clients[i]));
		shared->clients[i].id = i;
		shared->clients[i].random_state = seed + i * 0x9e3779b97f4a7c15ull;
	}
	shared->kind = (uint32_t)(kind - kinds);
	/* Of many items at a time few calls are enough to make a search long. */
	shared->n_steps = (10 + random_below(&chance, 16)) / (kind->flags & NO_KILLS ? 2 : 1);
	snprintf(shared->name, sizeof(shared->name), "linearizability/%ld/%u", (long)getpid(), round);
}

static bool run_round(uint32_t round, const struct kind *kind)
{
	union object object;
	begin_round(round, kind);
	enum sabir_error error = kind->create(conn, shared->name, kind, &object);
	if (error)
		die(shared->name, error);
	change(&shared->round, round);
	if (!wait_for_all(shared->ready, round))
		return false;
	change(&shared->go, round);
	if (!(kind->flags & NO_KILLS))
		do_harm();
	if (!wait_for_all(shared->done, round))
		return false;
	kind->finish(&shared->clients[PARENT], kind, object);
	print_history(round, kind);
	kind->free(object);
	error = sabir_delete(conn, shared->name);
	if (error)
		die(shared->name, error);
	for (unsigned i = 0; i < N_PROCESSES; i++)
		if (!pids[i])
			start_process(i);
	return true;
}

static unsigned long long setting(const char *name, unsigned long long preset)
{
	const char *text = getenv(name);
	return text && *text ? strtoull(text, NULL, 10) : preset;
}

int main(int argc, char **argv)
{
	unsigned long long rounds = setting("ROUNDS", 0), seconds = setting("SECONDS", rounds ? 0 : 10);
	const char *only = getenv("KIND");
	uint64_t begun = now_ns();
	if (argc < 4) {
		fprintf(stderr, "usage: record LOCAL_URL REMOTE_URL SERVER_PID\n");
		return 2;
	}
	urls[0] = argv[1];
	urls[1] = argv[2];
	server = (pid_t)atol(argv[3]);
	chance.random_state = setting("SEED", (unsigned long long)getpid());
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < N_CLIENTS; i++)
		shared->clients[i].id = i;
	for (unsigned i = 0; i < N_PROCESSES; i++)
		start_process(i);
	enum sabir_error error = sabir_connect(urls[0], NULL, &conn);
	if (error)
		die(urls[0], error);
	bool ok = true;
	uint32_t round = 0;
	for (uint32_t i = 0; ok; i++) {
		const struct kind *kind = &kinds[i % N_KINDS];
		if (only && *only && strcmp(only, kind->name))
			continue;
		if (rounds ? round >= rounds : now_ns() - begun >= seconds * SABIR_SECOND)
			break;
		ok = run_round(++round, kind);
	}
	for (unsigned i = 0; i < N_PROCESSES; i++)
		if (pids[i])
			kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	sabir_close(conn);
	return ok ? 0 : 1;
}
