/* SPDX-License-Identifier: Apache-2.0 */
/* Cancelling what waits, through libsabir. tests/blocking has every operation; here is the token. See c_api.h for how it is run. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

#define N_THREADS 4

static sabir_queue *queue;
static sabir_cancel *token;

/* A thread that gets from the queue until it is told to end. */
struct getter {
	pthread_t thread;
	enum sabir_error end;
	uint64_t n;
	uint32_t running;
};

static void *get_on(void *context)
{
	struct getter *g = context;
	struct sabir_item *item;
	(void)sabir_cancel_attach(token);
	__atomic_store_n(&g->running, 1, __ATOMIC_SEQ_CST);
	while (!(g->end = sabir_queue_get(queue, SABIR_FOREVER, &item))) {
		g->n++;
		sabir_free(item);
	}
	(void)sabir_cancel_attach(NULL);
	return NULL;
}

static void start(struct getter *g)
{
	*g = (struct getter){ .n = 0 };
	pthread_create(&g->thread, NULL, get_on, g);
	while (!__atomic_load_n(&g->running, __ATOMIC_SEQ_CST))
		usleep(100);
}

static void set_up(void)
{
	NEED(sabir_queue_create(conn, NULL, 0, 0, &queue));
	NEED(sabir_cancel_create(&token));
}

static void tear_down(void)
{
	sabir_cancel_free(token);
	sabir_queue_free(queue);
}

/* ---------------------------------------------------------------- firing */

static void one_token_cancels_all_who_have_it(void)
{
	struct getter getters[N_THREADS];
	struct sabir_item *item;
	set_up();
	for (int i = 0; i < N_THREADS; i++)
		start(&getters[i]);
	usleep(20000); /* so that some sleep already; it must not matter */
	sabir_cancel_fire(token);
	sabir_cancel_fire(token);
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(getters[i].thread, NULL);
		CHECK_ERROR(getters[i].end, SABIR_CANCELLED);
	}
	CHECK_OK(sabir_queue_put_text(queue, "for who is there", 0));
	CHECK_OK(sabir_queue_get(queue, 0, &item));
	sabir_free(item);
	tear_down();
}

static void one_that_is_reset_can_be_fired_again(void)
{
	struct sabir_item *item;
	set_up();
	CHECK(sabir_cancel_attached() == NULL);
	CHECK_OK(sabir_cancel_attach(token));
	CHECK(sabir_cancel_attached() == token);
	for (int i = 0; i < 3; i++) {
		CHECK(!sabir_cancel_fired(token));
		CHECK_ERROR(sabir_queue_get(queue, SABIR_MILLISECOND, &item), SABIR_EMPTY);
		sabir_cancel_fire(token);
		CHECK(sabir_cancel_fired(token));
		CHECK_ERROR(sabir_queue_get(queue, SABIR_FOREVER, &item), SABIR_CANCELLED);
		CHECK_ERROR(sabir_queue_get(queue, 0, &item), SABIR_EMPTY);
		sabir_cancel_reset(token);
	}
	CHECK_OK(sabir_cancel_attach(NULL));
	sabir_cancel_fire(token);
	CHECK_ERROR(sabir_queue_get(queue, SABIR_MILLISECOND, &item), SABIR_EMPTY);
	tear_down();
}

static void what_does_not_wait_is_done_all_the_same(void)
{
	struct sabir_item *item = NULL;
	set_up();
	CHECK_OK(sabir_cancel_attach(token));
	sabir_cancel_fire(token);
	for (int i = 0; i < 20; i++) {
		CHECK_OK(sabir_queue_put_text(queue, "one", SABIR_FOREVER));
		CHECK_OK(sabir_queue_get(queue, SABIR_FOREVER, &item));
		sabir_free(item);
	}
	CHECK_ERROR(sabir_queue_get(queue, SABIR_FOREVER, &item), SABIR_CANCELLED);
	tear_down();
	CHECK(sabir_cancel_attached() == NULL);
}

static void null_is_fine(void)
{
	sabir_cancel_fire(NULL);
	sabir_cancel_reset(NULL);
	sabir_cancel_free(NULL);
	CHECK(!sabir_cancel_fired(NULL));
	CHECK_ERROR(sabir_cancel_create(NULL), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_cancel_attach(NULL));
}

static void fire_in_handler(int number)
{
	(void)number;
	sabir_cancel_fire(token);
}

/* The handler runs in the thread that waits, wherever it is. */
static void a_signal_handler_may_fire(void)
{
	struct sigaction action = { .sa_handler = fire_in_handler };
	struct getter getter;
	set_up();
	sigaction(SIGUSR1, &action, NULL);
	for (unsigned i = 0; i < 20; i++) {
		start(&getter);
		usleep(i * 50);
		pthread_kill(getter.thread, SIGUSR1);
		pthread_join(getter.thread, NULL);
		CHECK_ERROR(getter.end, SABIR_CANCELLED);
		sabir_cancel_reset(token);
	}
	signal(SIGUSR1, SIG_DFL);
	tear_down();
}

/* All at once: not one after the other when his patience with the server is over. */
static void who_gets_no_answer_from_the_server_is_cut_off(void)
{
	enum { N = 12 };
	const char *server = getenv("SABIR_TEST_SERVER");
	struct getter getters[N];
	struct timespec began, ended;
	if (!server || sabir_is_local(conn))
		return;
	set_up();
	for (int i = 0; i < N; i++)
		start(&getters[i]);
	usleep(50000); /* so that the server has most of them */
	CHECK(kill(atoi(server), SIGSTOP) == 0);
	clock_gettime(CLOCK_MONOTONIC, &began);
	sabir_cancel_fire(token);
	for (int i = 0; i < N; i++) {
		pthread_join(getters[i].thread, NULL);
		CHECK_ERROR(getters[i].end, SABIR_CANCELLED);
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	CHECK(kill(atoi(server), SIGCONT) == 0);
	/* Twice 250 ms, and some more for a machine with much to do. */
	CHECK((ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000 < 1500);
	tear_down();
}

/* ---------------------------------------------------------------- races */

/* Whoever was woken for an item and is cancelled has it, or leaves it to the next: none is lost, none waits for ever. */
static void nothing_is_lost_with_who_is_cancelled(void)
{
	enum { N_ITEMS = 400 };
	struct getter stays, goes;
	uint64_t n = 0, left = 0;
	sabir_cancel *stays_token;
	set_up();
	NEED(sabir_cancel_create(&stays_token));
	sabir_cancel *goes_token = token;
	token = stays_token;
	start(&stays);
	token = goes_token;
	for (int i = 0; i < N_ITEMS; i++) {
		start(&goes);
		if (i % 2)
			usleep((unsigned)i % 7 * 20);
		CHECK_OK(sabir_queue_put_text(queue, "item", 0));
		sabir_cancel_fire(token);
		pthread_join(goes.thread, NULL);
		CHECK_ERROR(goes.end, SABIR_CANCELLED);
		n += goes.n;
		sabir_cancel_reset(token);
	}
	do {
		CHECK_OK(sabir_queue_size(queue, &left));
		usleep(left ? 1000 : 0);
	} while (left);
	sabir_cancel_fire(stays_token);
	pthread_join(stays.thread, NULL);
	CHECK_OK(sabir_queue_size(queue, &left));
	CHECK(n + stays.n + left == N_ITEMS);
	sabir_cancel_free(stays_token);
	tear_down();
}

static sabir_lock *lock;

static void *acquire_on(void *context)
{
	struct getter *g = context;
	(void)sabir_cancel_attach(token);
	while (!sabir_cancel_fired(token) && !(g->end = sabir_lock_acquire(lock, SABIR_FOREVER, NULL))) {
		usleep(2000); /* so that it is handed over */
		(void)sabir_lock_release(lock);
	}
	(void)sabir_cancel_attach(NULL);
	return NULL;
}

/* A lock that was just being handed over goes on. */
static void a_lock_goes_on_without_who_is_cancelled(void)
{
	struct getter getters[N_THREADS];
	struct sabir_lock_state state;
	NEED(sabir_lock_create(conn, NULL, 0, &lock));
	NEED(sabir_cancel_create(&token));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < N_THREADS; i++) {
			getters[i] = (struct getter){ .n = 0 };
			pthread_create(&getters[i].thread, NULL, acquire_on, &getters[i]);
		}
		usleep((unsigned)round * 700);
		sabir_cancel_fire(token);
		for (int i = 0; i < N_THREADS; i++) {
			pthread_join(getters[i].thread, NULL);
			CHECK(!getters[i].end || getters[i].end == SABIR_CANCELLED);
		}
		sabir_cancel_reset(token);
		CHECK_OK(sabir_lock_acquire(lock, 5 * SABIR_SECOND, NULL));
		CHECK_OK(sabir_lock_release(lock));
	}
	CHECK_OK(sabir_lock_status(lock, &state));
	CHECK(!state.locked);
	sabir_cancel_free(token);
	sabir_lock_free(lock);
}

/* ---------------------------------------------------------------- objects */

static void *wait_at_barrier(void *barrier)
{
	(void)sabir_cancel_attach(token);
	enum sabir_error error = sabir_barrier_wait(barrier, SABIR_FOREVER, NULL);
	(void)sabir_cancel_attach(NULL);
	return (void *)(uintptr_t)error;
}

static void a_barrier_breaks_with_who_is_cancelled(void)
{
	struct sabir_barrier_state state = { .n_waiting = 0 };
	sabir_barrier *barrier;
	pthread_t thread;
	void *result;
	NEED(sabir_cancel_create(&token));
	NEED(sabir_barrier_create(conn, NULL, 3, 0, &barrier));
	pthread_create(&thread, NULL, wait_at_barrier, barrier);
	while (!state.n_waiting)
		NEED(sabir_barrier_status(barrier, &state));
	sabir_cancel_fire(token);
	pthread_join(thread, &result);
	CHECK_ERROR((enum sabir_error)(uintptr_t)result, SABIR_CANCELLED);
	while (!state.broken) /* a remote one is told a moment later */
		NEED(sabir_barrier_status(barrier, &state));
	CHECK(state.n_waiting == 0);
	sabir_barrier_free(barrier);
	sabir_cancel_free(token);
}

static void *wait_to_be_notified(void *condition)
{
	(void)sabir_cancel_attach(token);
	(void)sabir_condition_acquire(condition, SABIR_FOREVER, NULL);
	enum sabir_error error = sabir_condition_wait(condition, SABIR_FOREVER, NULL);
	(void)sabir_cancel_attach(NULL);
	return (void *)(uintptr_t)error;
}

static void a_condition_leaves_who_is_cancelled_without_the_lock(void)
{
	sabir_condition *condition;
	uint64_t n = 0;
	pthread_t thread;
	void *result;
	NEED(sabir_cancel_create(&token));
	NEED(sabir_condition_create(conn, NULL, NULL, 0, &condition));
	pthread_create(&thread, NULL, wait_to_be_notified, condition);
	while (!n)
		NEED(sabir_condition_status(condition, &n));
	sabir_cancel_fire(token);
	pthread_join(thread, &result);
	CHECK_ERROR((enum sabir_error)(uintptr_t)result, SABIR_CANCELLED);
	while (n)
		NEED(sabir_condition_status(condition, &n));
	CHECK_OK(sabir_condition_acquire(condition, 0, NULL));
	CHECK_OK(sabir_condition_release(condition));
	sabir_condition_free(condition);
	sabir_cancel_free(token);
}

/* ---------------------------------------------------------------- fork */

/* The child has no token attached; its parent's can be fired in it, and attached; the parent hears nothing of that. */
static void a_child_has_its_parents_tokens_for_itself(void)
{
	struct sabir_item *item;
	struct getter getter;
	int status = -1;
	set_up();
	start(&getter);
	usleep(2000);
	NEED(sabir_cancel_attach(token));
	pid_t child = fork();
	if (!child) {
		if (sabir_cancel_attached())
			_exit(1);
		sabir_cancel_fire(token);
		if (sabir_cancel_attach(token) || !sabir_cancel_fired(token))
			_exit(2);
		_exit(sabir_is_local(conn) && sabir_queue_get(queue, SABIR_FOREVER, &item) != SABIR_CANCELLED ? 3 : 0);
	}
	waitpid(child, &status, 0);
	CHECK(status == 0);
	CHECK(sabir_cancel_attached() == token && !sabir_cancel_fired(token));
	sabir_cancel_fire(token);
	pthread_join(getter.thread, NULL);
	CHECK_ERROR(getter.end, SABIR_CANCELLED);
	tear_down();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(one_token_cancels_all_who_have_it),
		TEST(one_that_is_reset_can_be_fired_again),
		TEST(what_does_not_wait_is_done_all_the_same),
		TEST(null_is_fine),
		TEST(a_signal_handler_may_fire),
		TEST(who_gets_no_answer_from_the_server_is_cut_off),
		TEST(nothing_is_lost_with_who_is_cancelled),
		TEST(a_lock_goes_on_without_who_is_cancelled),
		TEST(a_barrier_breaks_with_who_is_cancelled),
		TEST(a_condition_leaves_who_is_cancelled_without_the_lock),
		TEST(a_child_has_its_parents_tokens_for_itself),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
