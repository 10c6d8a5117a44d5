/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions, barriers and the fairness of locks, through libsabir. See c_api.h for how it is run. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

static const char *url;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

/* Somebody else. */
static sabir_conn *other_conn(void)
{
	sabir_conn *other;
	NEED(sabir_connect(url, NULL, &other));
	return other;
}

/* ---------------------------------------------------------------- condition */

static void wait_until_n_wait(sabir_condition *condition, uint64_t n)
{
	uint64_t found = n + 1, end = now_ns() + 20 * SABIR_SECOND;
	while (!sabir_condition_status(condition, &found) && found != n && now_ns() < end)
		sched_yield();
	CHECK(found == n);
}

struct consumer {
	sabir_condition *condition;
	pthread_t thread;
	uint64_t timeout_ns;
	enum sabir_error error;
	struct sabir_hold hold;
	unsigned depth;
	uint64_t *order;
	uint64_t place; /* in which he went on */
};

/*
 * Under a lock, which may be in another process: then a sanitizer does not see who follows whom. So each step is atomic; the two
 * together are not, and would show a lock that is none.
 */
static uint64_t one_more(uint64_t *counter)
{
	uint64_t n = __atomic_load_n(counter, __ATOMIC_RELAXED) + 1;
	__atomic_store_n(counter, n, __ATOMIC_RELAXED);
	return n;
}

static void *consume(void *context)
{
	struct consumer *c = context;
	for (unsigned i = 0; i < c->depth && !c->error; i++)
		c->error = sabir_condition_acquire(c->condition, SABIR_FOREVER, NULL);
	if (!c->error)
		c->error = sabir_condition_wait(c->condition, c->timeout_ns, &c->hold);
	c->place = one_more(c->order); /* under the lock */
	for (unsigned i = 0; i < c->depth; i++)
		if (sabir_condition_release(c->condition))
			c->error = SABIR_NOT_HELD;
	return NULL;
}

/* N consumers in the order in which they wait. */
static void start_consumers(struct consumer *c, unsigned n, sabir_condition *condition, uint64_t *order)
{
	for (unsigned i = 0; i < n; i++) {
		c[i] = (struct consumer){
			.condition = condition, .timeout_ns = SABIR_FOREVER, .depth = 1 + i % 3, .order = order
		};
		pthread_create(&c[i].thread, NULL, consume, &c[i]);
		wait_until_n_wait(condition, i + 1);
	}
}

static void condition_notifies_in_order(void)
{
	enum { N = 5 };
	struct consumer c[N];
	sabir_condition *condition;
	uint64_t order = 0, n = 9;
	NEED(sabir_condition_create(conn, name_of("condition"), NULL, 0, &condition));
	start_consumers(c, N, condition, &order);
	CHECK_ERROR(sabir_condition_notify(condition, 1, NULL), SABIR_NOT_HELD);
	CHECK_ERROR(sabir_condition_wait(condition, 0, NULL), SABIR_NOT_HELD);
	for (int i = 0; i < 2; i++) {
		CHECK_OK(sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
		CHECK_OK(sabir_condition_notify(condition, 1, &n));
		CHECK(n == 1);
		CHECK_OK(sabir_condition_release(condition));
		pthread_join(c[i].thread, NULL);
		CHECK(c[i].error == SABIR_OK && c[i].place == (uint64_t)i + 1 && c[i].hold.depth == c[i].depth);
		wait_until_n_wait(condition, (uint64_t)(N - 1 - i));
	}
	CHECK_OK(sabir_condition_acquire(condition, SABIR_FOREVER, NULL));
	CHECK_OK(sabir_condition_notify_all(condition, &n));
	CHECK(n == N - 2);
	CHECK_OK(sabir_condition_release(condition));
	for (int i = 2; i < N; i++) {
		pthread_join(c[i].thread, NULL);
		CHECK(c[i].error == SABIR_OK);
	}
	CHECK(order == N);
	CHECK_OK(sabir_delete_handle(conn, sabir_condition_handle(condition)));
	sabir_condition_free(condition);
}

static void condition_wait_times_out_with_the_lock(void)
{
	sabir_condition *condition;
	sabir_lock *lock, *same;
	struct sabir_lock_state state = { 0 };
	struct sabir_hold hold = { 0 };
	NEED(sabir_lock_create(conn, NULL, 0, &lock));
	NEED(sabir_condition_create(conn, name_of("late"), lock, 0, &condition));
	NEED(sabir_condition_get_lock(condition, &same));
	CHECK(sabir_lock_handle(same) == sabir_lock_handle(lock));
	CHECK_OK(sabir_lock_acquire(lock, 0, NULL));
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_condition_wait(condition, 50 * SABIR_MILLISECOND, &hold), SABIR_WOULD_BLOCK);
	CHECK(now_ns() - begin >= 50 * SABIR_MILLISECOND && now_ns() - begin < SABIR_SECOND);
	CHECK_OK(sabir_lock_status(lock, &state));
	CHECK(state.mine && state.token == 2);
	CHECK_ERROR(sabir_condition_wait(condition, 0, NULL), SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_lock_release(lock));
	CHECK_OK(sabir_delete_handle(conn, sabir_condition_handle(condition)));
	CHECK_OK(sabir_delete_handle(conn, sabir_lock_handle(lock)));
	sabir_condition_free(condition);
	sabir_lock_free(lock);
	sabir_lock_free(same);
}

struct stock {
	sabir_condition *condition;
	int left; /* as one_more() has it */
};

static bool is_there(void *context)
{
	return __atomic_load_n(&((struct stock *)context)->left, __ATOMIC_RELAXED) > 0;
}

static void change_stock(struct stock *stock, int by)
{
	int left = __atomic_load_n(&stock->left, __ATOMIC_RELAXED);
	__atomic_store_n(&stock->left, left + by, __ATOMIC_RELAXED);
}

static void *take_from_stock(void *context)
{
	struct stock *stock = context;
	enum sabir_error error = sabir_condition_acquire(stock->condition, SABIR_FOREVER, NULL);
	if (!error)
		error = sabir_condition_wait_for(stock->condition, is_there, stock, 20 * SABIR_SECOND);
	change_stock(stock, -1);
	if (!error)
		error = sabir_condition_release(stock->condition);
	return (void *)(uintptr_t)error;
}

static void condition_wait_for_waits_for_the_predicate(void)
{
	enum { N = 4 };
	struct stock stock = { 0 };
	pthread_t threads[N];
	void *result;
	NEED(sabir_condition_create(conn, name_of("stock"), NULL, 0, &stock.condition));
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, take_from_stock, &stock);
	for (int i = 0; i < N; i++) {
		CHECK_OK(sabir_condition_acquire(stock.condition, SABIR_FOREVER, NULL));
		change_stock(&stock, 1);
		CHECK_OK(sabir_condition_notify(stock.condition, 1, NULL));
		CHECK_OK(sabir_condition_release(stock.condition));
	}
	for (int i = 0; i < N; i++) {
		pthread_join(threads[i], &result);
		CHECK((enum sabir_error)(uintptr_t)result == SABIR_OK);
	}
	CHECK(stock.left == 0);
	CHECK_OK(sabir_condition_acquire(stock.condition, 0, NULL));
	CHECK_ERROR(sabir_condition_wait_for(stock.condition, is_there, &stock, 20 * SABIR_MILLISECOND),
		    SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_condition_release(stock.condition));
	CHECK_OK(sabir_delete_handle(conn, sabir_condition_handle(stock.condition)));
	sabir_condition_free(stock.condition);
}

static void a_delete_ends_waits_for_a_condition(void)
{
	for (int i = 0; i < 2; i++) {
		struct consumer c = { .timeout_ns = SABIR_FOREVER, .depth = 1 };
		uint64_t order = 0;
		sabir_lock *lock;
		NEED(sabir_rlock_create(conn, NULL, 0, &lock));
		NEED(sabir_condition_create(conn, name_of("deleted"), lock, 0, &c.condition));
		c.order = &order;
		pthread_create(&c.thread, NULL, consume, &c);
		wait_until_n_wait(c.condition, 1);
		CHECK_OK(sabir_delete_handle(conn, i ? sabir_lock_handle(lock) : sabir_condition_handle(c.condition)));
		pthread_join(c.thread, NULL);
		CHECK(c.error == SABIR_DELETED || c.error == SABIR_NOT_HELD);
		(void)sabir_delete_handle(conn, i ? sabir_condition_handle(c.condition) : sabir_lock_handle(lock));
		sabir_condition_free(c.condition);
		sabir_lock_free(lock);
	}
}

/* Killed or left while it waits, when it is the first in the line; who is behind it gets the notification. */
static void who_dies_waiting_uses_no_notification_up(void)
{
	struct consumer next = { .timeout_ns = SABIR_FOREVER, .depth = 1 };
	const char *name = name_of("victim");
	uint64_t order = 0, n = 0;
	sabir_condition *childs;
	if (!sabir_is_local(conn))
		return; /* gRPC does not survive a fork: the ends of sessions are tested elsewhere */
	NEED(sabir_condition_create(conn, name, NULL, 0, &next.condition));
	pid_t pid = fork();
	if (pid == 0) {
		bool fine = !sabir_condition_open(conn, name, &childs) &&
			    !sabir_condition_acquire(childs, SABIR_FOREVER, NULL) &&
			    !sabir_condition_wait(childs, SABIR_FOREVER, NULL);
		_exit(!fine);
	}
	wait_until_n_wait(next.condition, 1);
	next.order = &order;
	pthread_create(&next.thread, NULL, consume, &next);
	wait_until_n_wait(next.condition, 2);
	kill(pid, SIGSTOP); /* it is notified, and can't take it any more */
	CHECK_OK(sabir_condition_acquire(next.condition, SABIR_FOREVER, NULL));
	CHECK_OK(sabir_condition_notify(next.condition, 1, &n));
	CHECK(n == 1);
	CHECK_OK(sabir_condition_release(next.condition));
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	pthread_join(next.thread, NULL);
	CHECK(next.error == SABIR_OK);
	CHECK_OK(sabir_delete(conn, name));
	sabir_condition_free(next.condition);
}

/* ---------------------------------------------------------------- barrier */

#define N_PARTIES 4u
#define N_CYCLES 20u

struct party {
	sabir_barrier *barrier;
	pthread_t thread;
	uint64_t timeout_ns;
	enum sabir_error error;
	uint64_t index[N_CYCLES];
};

static void *meet(void *context)
{
	struct party *p = context;
	for (unsigned i = 0; i < N_CYCLES && !p->error; i++)
		p->error = sabir_barrier_wait(p->barrier, p->timeout_ns, &p->index[i]);
	return NULL;
}

static void barrier_lets_all_go_on_again_and_again(void)
{
	struct party p[N_PARTIES];
	struct sabir_barrier_state state = { 0 };
	sabir_conn *other = other_conn();
	sabir_barrier *barrier, *same;
	const char *name = name_of("barrier");
	NEED(sabir_barrier_create(conn, name, N_PARTIES, 0, &barrier));
	NEED(sabir_barrier_open(other, name, &same));
	for (unsigned i = 0; i < N_PARTIES; i++) {
		p[i] = (struct party){ .barrier = i & 1 ? same : barrier, .timeout_ns = 20 * SABIR_SECOND };
		pthread_create(&p[i].thread, NULL, meet, &p[i]);
	}
	for (unsigned i = 0; i < N_PARTIES; i++) {
		pthread_join(p[i].thread, NULL);
		CHECK_OK(p[i].error);
	}
	for (unsigned i = 0; i < N_CYCLES; i++) {
		uint64_t seen = 0;
		for (unsigned k = 0; k < N_PARTIES; k++)
			seen |= 1ull << p[k].index[i];
		CHECK(seen == (1u << N_PARTIES) - 1);
	}
	CHECK_OK(sabir_barrier_status(same, &state));
	CHECK(state.parties == N_PARTIES && state.n_waiting == 0 && !state.broken && state.cycles == N_CYCLES);
	CHECK_OK(sabir_delete(conn, name));
	CHECK_ERROR(sabir_barrier_wait(barrier, 0, NULL), SABIR_DELETED);
	sabir_barrier_free(barrier);
	sabir_barrier_free(same);
	sabir_close(other);
}

static void wait_until_there(sabir_barrier *barrier, uint64_t n)
{
	struct sabir_barrier_state state = { 0 };
	uint64_t end = now_ns() + 20 * SABIR_SECOND;
	while (!sabir_barrier_status(barrier, &state) && state.n_waiting != n && now_ns() < end)
		sched_yield();
	CHECK(state.n_waiting == n);
}

static void barrier_breaks_for_all(void)
{
	struct party p = { .timeout_ns = SABIR_FOREVER };
	struct sabir_barrier_state state = { 0 };
	sabir_barrier *barrier;
	NEED(sabir_barrier_create(conn, name_of("broken"), 3, 0, &barrier));
	p.barrier = barrier;
	for (int how = 0; how < 3; how++) {
		p.error = SABIR_OK;
		pthread_create(&p.thread, NULL, meet, &p);
		wait_until_there(barrier, 1);
		uint64_t begin = now_ns();
		if (how == 0)
			CHECK_ERROR(sabir_barrier_wait(barrier, 50 * SABIR_MILLISECOND, NULL), SABIR_BROKEN_BARRIER);
		if (how == 0)
			CHECK(now_ns() - begin >= 50 * SABIR_MILLISECOND && now_ns() - begin < SABIR_SECOND);
		if (how == 1)
			CHECK_OK(sabir_barrier_abort(barrier));
		if (how == 2)
			CHECK_OK(sabir_barrier_reset(barrier));
		pthread_join(p.thread, NULL);
		CHECK_ERROR(p.error, SABIR_BROKEN_BARRIER);
		CHECK_OK(sabir_barrier_status(barrier, &state));
		CHECK(state.broken == (how < 2) && state.n_waiting == 0);
		if (how < 2)
			CHECK_ERROR(sabir_barrier_wait(barrier, SABIR_FOREVER, NULL), SABIR_BROKEN_BARRIER);
		CHECK_OK(sabir_barrier_reset(barrier));
	}
	CHECK_OK(sabir_delete_handle(conn, sabir_barrier_handle(barrier)));
	sabir_barrier_free(barrier);
}

static void barrier_breaks_when_who_waits_is_killed(void)
{
	struct party p = { .timeout_ns = SABIR_FOREVER };
	const char *name = name_of("killed");
	sabir_barrier *childs;
	if (!sabir_is_local(conn))
		return;
	NEED(sabir_barrier_create(conn, name, 3, 0, &p.barrier));
	pid_t pid = fork();
	if (pid == 0)
		_exit(sabir_barrier_open(conn, name, &childs) || sabir_barrier_wait(childs, SABIR_FOREVER, NULL));
	pthread_create(&p.thread, NULL, meet, &p);
	wait_until_there(p.barrier, 2);
	kill(pid, SIGKILL);
	pthread_join(p.thread, NULL);
	CHECK_ERROR(p.error, SABIR_BROKEN_BARRIER);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK_OK(sabir_delete(conn, name));
	sabir_barrier_free(p.barrier);
}

static void barrier_breaks_when_who_waits_leaves(void)
{
	struct party p = { .timeout_ns = SABIR_FOREVER };
	const char *name = name_of("left");
	sabir_conn *other = other_conn();
	sabir_barrier *same;
	sabir_lock *held;
	void *response;
	size_t len;
	NEED(sabir_barrier_create(conn, name, 3, 0, &p.barrier));
	NEED(sabir_barrier_open(other, name, &same));
	NEED(sabir_lock_create(other, NULL, 0, &held));
	CHECK_OK(sabir_lock_acquire(held, 0, NULL)); /* so that it is somebody */
	pthread_create(&p.thread, NULL, meet, &p);
	wait_until_there(p.barrier, 1);
	/* Its call gives up before the wait itself does. */
	uint8_t request[128] = { 0x0a, 0 };
	size_t name_len = strlen(name);
	request[1] = (uint8_t)(name_len + 2);
	request[2] = 0x0a;
	request[3] = (uint8_t)name_len;
	memcpy(request + 4, name, name_len);
	CHECK_ERROR(sabir_call(other, "/sabir.v1.BarrierService/Wait", request, name_len + 4, 30 * SABIR_MILLISECOND,
			       &response, &len),
		    SABIR_TIMED_OUT);
	pthread_join(p.thread, NULL);
	CHECK_ERROR(p.error, SABIR_BROKEN_BARRIER);
	CHECK_OK(sabir_delete(conn, name));
	sabir_barrier_free(p.barrier);
	sabir_barrier_free(same);
	sabir_lock_free(held);
	sabir_close(other);
}

/* ---------------------------------------------------------------- fairness */

struct hog {
	sabir_lock *lock;
	bool over;
};

/* Takes the lock again as soon as it has released it. */
static void *hog(void *context)
{
	struct hog *h = context;
	while (!__atomic_load_n(&h->over, __ATOMIC_ACQUIRE))
		if (!sabir_lock_acquire(h->lock, SABIR_FOREVER, NULL))
			(void)sabir_lock_release(h->lock);
	return NULL;
}

static void who_waits_is_not_overtaken_for_ever(void)
{
	enum { N_HOGS = 2, N_TURNS = 40 };
	sabir_conn *other = other_conn();
	pthread_t threads[N_HOGS];
	struct hog h = { 0 };
	sabir_lock *same;
	uint64_t longest = 0;
	const char *name = name_of("fair");
	NEED(sabir_lock_create(conn, name, 0, &h.lock));
	NEED(sabir_lock_open(other, name, &same));
	for (int i = 0; i < N_HOGS; i++)
		pthread_create(&threads[i], NULL, hog, &h);
	for (int i = 0; i < N_TURNS; i++) {
		uint64_t begin = now_ns();
		CHECK_OK(sabir_lock_acquire(same, 20 * SABIR_SECOND, NULL));
		longest = now_ns() - begin > longest ? now_ns() - begin : longest;
		CHECK_OK(sabir_lock_release(same));
	}
	CHECK(longest < 2 * SABIR_SECOND);
	__atomic_store_n(&h.over, true, __ATOMIC_RELEASE);
	for (int i = 0; i < N_HOGS; i++)
		pthread_join(threads[i], NULL);
	CHECK_OK(sabir_delete(conn, name));
	sabir_lock_free(h.lock);
	sabir_lock_free(same);
	sabir_close(other);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(condition_notifies_in_order),
		TEST(condition_wait_times_out_with_the_lock),
		TEST(condition_wait_for_waits_for_the_predicate),
		TEST(a_delete_ends_waits_for_a_condition),
		TEST(who_dies_waiting_uses_no_notification_up),
		TEST(barrier_lets_all_go_on_again_and_again),
		TEST(barrier_breaks_for_all),
		TEST(barrier_breaks_when_who_waits_is_killed),
		TEST(barrier_breaks_when_who_waits_leaves),
		TEST(who_waits_is_not_overtaken_for_ever),
	};
	url = argc > 1 ? argv[1] : "";
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
