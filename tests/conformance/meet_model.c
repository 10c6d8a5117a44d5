/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A condition and a barrier, at which threads of both connections wait, against two lists of who waits. Each thread does one
 * wait at a time; the model knows who goes on at each step, and with what.
 */
#include <pthread.h>
#include <sched.h>

#include "tests/conformance/model.h"

#define N_WORKERS 6u
#define PARTIES 3u

enum work {
	IDLE,
	NOTIFIED, /* waits to be notified, without limit */
	LATE,     /* the same for a moment */
	MET,      /* waits at the barrier, without limit */
	MET_LATE, /* the same for a moment */
	STOP,
};

static struct worker {
	pthread_t thread;
	int who; /* its connection */
	uint64_t depth;
	enum work work;
	enum sabir_error error;
	struct sabir_hold hold;
	uint64_t index;
} workers[N_WORKERS];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sabir_condition *conditions[2];
static sabir_barrier *barriers[2];

/* The model: who waits, in the order of their coming. */
struct line {
	unsigned n;
	unsigned at[N_WORKERS];
};
static struct line waiting, there;
static bool broken;
static uint64_t n_cycles;

/* ---------------------------------------------------------------- the workers */

static void wait_for_condition(struct worker *w, uint64_t timeout_ns)
{
	sabir_condition *condition = conditions[w->who];
	for (uint64_t i = 0; i < w->depth; i++)
		SAME(!sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
	w->hold = (struct sabir_hold){ 0 };
	w->error = sabir_condition_wait(condition, timeout_ns, &w->hold);
	for (uint64_t i = 0; i < w->depth; i++)
		SAME(!sabir_condition_release(condition));
	SAME(sabir_condition_release(condition) == SABIR_NOT_HELD);
}

static void *work(void *context)
{
	struct worker *w = context;
	for (;;) {
		pthread_mutex_lock(&mutex);
		while (w->work == IDLE)
			pthread_cond_wait(&changed, &mutex);
		enum work what = w->work;
		pthread_mutex_unlock(&mutex);
		if (what == STOP)
			return NULL;
		if (what == NOTIFIED || what == LATE)
			wait_for_condition(w, what == LATE ? SABIR_MILLISECOND : SABIR_FOREVER);
		else
			w->error = sabir_barrier_wait(barriers[w->who],
						      what == MET_LATE ? SABIR_MILLISECOND : SABIR_FOREVER, &w->index);
		pthread_mutex_lock(&mutex);
		w->work = IDLE;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
}

static void start(unsigned i, enum work what)
{
	pthread_mutex_lock(&mutex);
	workers[i].work = what;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

/* It goes on, and this is the answer that it got. */
static enum sabir_error result(unsigned i)
{
	pthread_mutex_lock(&mutex);
	while (workers[i].work != IDLE)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return workers[i].error;
}

static bool is_idle(unsigned i)
{
	for (unsigned k = 0; k < waiting.n; k++)
		if (waiting.at[k] == i)
			return false;
	for (unsigned k = 0; k < there.n; k++)
		if (there.at[k] == i)
			return false;
	return true;
}

/* Any who is idle; N_WORKERS: nobody is. */
static unsigned some_idle(void)
{
	unsigned begin = random_below(N_WORKERS);
	for (unsigned k = 0; k < N_WORKERS; k++)
		if (is_idle((begin + k) % N_WORKERS))
			return (begin + k) % N_WORKERS;
	return N_WORKERS;
}

/* ---------------------------------------------------------------- the condition */

static void begin_wait(unsigned i)
{
	uint64_t n = 0;
	workers[i].depth = 1 + random_below(3);
	start(i, NOTIFIED);
	waiting.at[waiting.n++] = i;
	while (n != waiting.n) {
		SAME(!sabir_condition_status(conditions[random_below(2)], &n));
		SAME(n + 1 == waiting.n || n == waiting.n);
		sched_yield();
	}
}

static void wait_a_moment(unsigned i)
{
	workers[i].depth = 1 + random_below(3);
	start(i, LATE);
	SAME(result(i) == SABIR_WOULD_BLOCK);
	SAME(workers[i].hold.depth == 0 || workers[i].hold.depth == workers[i].depth);
}

static void notify(unsigned n, bool all)
{
	int who = (int)random_below(2);
	unsigned expected = all || n > waiting.n ? waiting.n : n;
	uint64_t notified = 99, left = 99;
	SAME(sabir_condition_notify(conditions[who], n, NULL) == SABIR_NOT_HELD);
	SAME(!sabir_condition_acquire(conditions[who], SABIR_FOREVER, NULL));
	SAME(!(all ? sabir_condition_notify_all(conditions[who], &notified)
		   : sabir_condition_notify(conditions[who], n, &notified)));
	SAME(notified == expected);
	SAME(!sabir_condition_status(conditions[!who], &left) && left == waiting.n - expected);
	SAME(!sabir_condition_release(conditions[who]));
	for (unsigned k = 0; k < expected; k++) {
		struct worker *w = &workers[waiting.at[k]];
		SAME(result(waiting.at[k]) == SABIR_OK && w->hold.depth == w->depth && w->hold.token > 0);
	}
	waiting.n -= expected;
	memmove(waiting.at, waiting.at + expected, waiting.n * sizeof(waiting.at[0]));
	SAME(!sabir_condition_status(conditions[who], &left) && left == waiting.n);
}

/* ---------------------------------------------------------------- the barrier */

static void check_barrier(void)
{
	struct sabir_barrier_state state;
	SAME(!sabir_barrier_status(barriers[random_below(2)], &state));
	SAME(state.parties == PARTIES && state.n_waiting == there.n && state.broken == broken);
	SAME(state.cycles == n_cycles);
}

static void all_break(void)
{
	for (unsigned k = 0; k < there.n; k++)
		SAME(result(there.at[k]) == SABIR_BROKEN_BARRIER);
	there.n = 0;
}

static void come(unsigned i)
{
	struct sabir_barrier_state state = { 0 };
	start(i, MET);
	if (broken) {
		SAME(result(i) == SABIR_BROKEN_BARRIER);
		return;
	}
	there.at[there.n++] = i;
	while (there.n < PARTIES && state.n_waiting != there.n) {
		SAME(!sabir_barrier_status(barriers[random_below(2)], &state) && !state.broken);
		sched_yield();
	}
	if (there.n < PARTIES)
		return;
	for (unsigned k = 0; k < PARTIES; k++)
		SAME(result(there.at[k]) == SABIR_OK && workers[there.at[k]].index == k);
	there.n = 0;
	n_cycles++;
}

static void come_for_a_moment(unsigned i)
{
	bool last = !broken && there.n + 1 == PARTIES;
	start(i, MET_LATE);
	SAME(result(i) == (last ? SABIR_OK : SABIR_BROKEN_BARRIER));
	if (!last) {
		all_break();
		broken = true;
		return;
	}
	for (unsigned k = 0; k < there.n; k++)
		SAME(result(there.at[k]) == SABIR_OK && workers[there.at[k]].index == k);
	SAME(workers[i].index == there.n);
	there.n = 0;
	n_cycles++;
}

static void end_cycle(bool abort)
{
	int who = (int)random_below(2);
	SAME(!(abort ? sabir_barrier_abort(barriers[who]) : sabir_barrier_reset(barriers[who])));
	all_break();
	broken = abort;
}

/* ---------------------------------------------------------------- histories */

static void begin(void)
{
	int who = (int)random_below(2);
	SAME(!sabir_condition_create(conns[who], NULL, NULL, 0, &conditions[who]));
	SAME(!sabir_condition_open_handle(conns[!who], sabir_condition_handle(conditions[who]), &conditions[!who]));
	SAME(!sabir_barrier_create(conns[!who], NULL, PARTIES, 0, &barriers[!who]));
	SAME(!sabir_barrier_open_handle(conns[who], sabir_barrier_handle(barriers[!who]), &barriers[who]));
	waiting.n = there.n = 0;
	broken = false;
	n_cycles = 0;
	for (unsigned i = 0; i < N_WORKERS; i++) {
		workers[i] = (struct worker){ .who = (int)(i & 1) };
		SAME(!pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
}

static void end(void)
{
	notify(1, true);
	end_cycle(false);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		start(i, STOP);
		pthread_join(workers[i].thread, NULL);
	}
	SAME(!sabir_delete_handle(conns[0], sabir_condition_handle(conditions[0])));
	SAME(!sabir_delete_handle(conns[1], sabir_barrier_handle(barriers[0])));
	SAME(sabir_barrier_wait(barriers[0], 0, NULL) == SABIR_DELETED);
	for (int who = 0; who < 2; who++) {
		sabir_condition_free(conditions[who]);
		sabir_barrier_free(barriers[who]);
	}
}

static void history(unsigned n_steps)
{
	begin();
	for (history_step = 1; history_step <= n_steps; history_step++) {
		unsigned i = some_idle(), what = random_below(20);
		if (i == N_WORKERS || what < 4)
			notify(1 + random_below(3), random_below(6) == 0);
		else if (what < 9)
			begin_wait(i);
		else if (what < 10)
			wait_a_moment(i);
		else if (what < 16)
			come(i);
		else if (what < 17)
			come_for_a_moment(i);
		else if (what < 19)
			check_barrier();
		else
			end_cycle(!broken && random_below(3) == 0);
	}
	end();
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "condition, barrier", 60, history);
}
