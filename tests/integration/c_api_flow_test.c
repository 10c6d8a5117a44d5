/* SPDX-License-Identifier: Apache-2.0 */
/* Producers and consumers through libsabir. See c_api.h for how it is run. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

#define MS SABIR_MILLISECOND
#define A_MINUTE (60 * SABIR_SECOND)

static const char *url;

static sabir_queue *make(const char *name, uint64_t max_items)
{
	sabir_queue *queue = NULL;
	NEED(sabir_queue_create(conn, name_of(name), max_items, 0, &queue));
	return queue;
}

static sabir_queue *make_tasks(const char *name, struct sabir_task_spec spec)
{
	sabir_queue *queue = NULL;
	spec.size = sizeof(spec);
	NEED(sabir_task_queue_create(conn, name_of(name), &spec, 0, &queue));
	return queue;
}

static void drop(sabir_queue *queue)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(queue)));
	sabir_queue_free(queue);
}

static void put(sabir_queue *queue, int64_t first, int64_t last)
{
	for (int64_t i = first; i <= last; i++) {
		struct sabir_item item = sabir_int(i);
		CHECK_OK(sabir_queue_put(queue, &item, 0));
	}
}

static int64_t get(sabir_queue *queue)
{
	struct sabir_item *item;
	if (sabir_queue_get(queue, 5 * SABIR_SECOND, &item))
		return -1;
	int64_t number = item->as.i;
	sabir_free(item);
	return number;
}

static sabir_producer *produce(sabir_queue *queue, uint32_t window, uint32_t batch)
{
	struct sabir_producer_options options = { sizeof(options), window, batch };
	sabir_producer *producer = NULL;
	NEED(sabir_producer_open(queue, &options, &producer));
	return producer;
}

static enum sabir_error add(sabir_producer *producer, int64_t number, uint64_t timeout_ns)
{
	struct sabir_item item = sabir_int(number);
	return sabir_producer_put(producer, &item, NULL, timeout_ns);
}

static sabir_consumer *consume(sabir_queue *queue, uint32_t credit, uint64_t lease_ns)
{
	struct sabir_consumer_options options = { sizeof(options), credit, 0, lease_ns };
	sabir_consumer *consumer = NULL;
	NEED(sabir_consumer_open(queue, &options, &consumer));
	return consumer;
}

/* The next number, or -1000 - the error. */
static int64_t next(sabir_consumer *consumer, uint64_t timeout_ns, struct sabir_delivery *delivery)
{
	struct sabir_item item;
	enum sabir_error error = sabir_consumer_next(consumer, timeout_ns, &item, delivery);
	return error ? -1000 - (int64_t)error : item.as.i;
}

#define FAILED(error) (-1000 - (int64_t)(error))

static uint64_t leased(sabir_queue *queue)
{
	struct sabir_task_state state = { 0 };
	CHECK_OK(sabir_task_queue_state(queue, &state));
	return state.leased;
}

/* ---------------------------------------------------------------- producer */

static void what_is_put_is_in_the_queue_after_a_flush(void)
{
	sabir_queue *queue = make("flow", 0);
	for (uint32_t batch = 1; batch <= 64; batch *= 8) {
		sabir_producer *producer = produce(queue, 100, batch);
		struct sabir_producer_state state;
		for (int64_t i = 0; i < 1000; i++)
			CHECK_OK(add(producer, i, SABIR_FOREVER));
		CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
		CHECK_OK(sabir_producer_state(producer, &state));
		CHECK(state.put == 1000 && state.accepted == 1000 && !state.duplicates);
		for (int64_t i = 0; i < 1000; i++)
			CHECK(get(queue) == i);
		sabir_producer_close(producer);
	}
	drop(queue);
}

static void a_full_queue_holds_a_producer_up(void)
{
	sabir_queue *queue = make("flow", 2);
	sabir_producer *producer = produce(queue, 4, 1);
	struct sabir_producer_state state;
	enum sabir_error error = SABIR_OK;
	int64_t n = 0;
	while (n < 100 && !(error = add(producer, n, 20 * MS)))
		n++;
	CHECK(error == SABIR_FULL && n >= 2 && n <= 6);
	CHECK_OK(sabir_producer_state(producer, &state));
	CHECK(state.put == (uint64_t)n && state.accepted == 2);
	CHECK_ERROR(sabir_producer_flush(producer, 20 * MS), n > 2 ? SABIR_FULL : SABIR_OK);
	for (int64_t i = 0; i < n; i++)
		CHECK(get(queue) == i);
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	CHECK_OK(add(producer, n, SABIR_FOREVER));
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	CHECK(get(queue) == n);
	sabir_producer_close(producer);
	drop(queue);
}

static void a_window_of_gathered_items_is_sent(void)
{
	sabir_queue *queue = make("flow", 0);
	sabir_producer *producer = produce(queue, 3, 3);
	for (int64_t i = 0; i < 100; i++)
		CHECK_OK(add(producer, i, SABIR_FOREVER));
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	for (int64_t i = 0; i < 100; i++)
		CHECK(get(queue) == i);
	sabir_producer_close(producer);
	drop(queue);
}

static void a_refused_item_is_named_and_ends_the_producer(void)
{
	sabir_queue *queue = make_tasks("flow", (struct sabir_task_spec){ .max_item_bytes = 100 });
	sabir_producer *producer = produce(queue, 100, 10);
	static uint8_t large[1000];
	struct sabir_item item = sabir_bytes(large, sizeof(large));
	struct sabir_producer_state state;
	for (int64_t i = 0; i < 5; i++)
		CHECK_OK(add(producer, i, SABIR_FOREVER));
	enum sabir_error error = sabir_producer_put(producer, &item, NULL, SABIR_FOREVER);
	CHECK(!error || error == SABIR_TOO_LARGE);
	if (!error)
		CHECK_OK(add(producer, 6, SABIR_FOREVER));
	CHECK_ERROR(sabir_producer_flush(producer, SABIR_FOREVER), SABIR_TOO_LARGE);
	CHECK_ERROR(add(producer, 7, SABIR_FOREVER), SABIR_TOO_LARGE);
	CHECK_OK(sabir_producer_state(producer, &state));
	CHECK(state.accepted == 5);
	sabir_producer_close(producer);
	for (int64_t i = 0; i < 5; i++)
		CHECK(get(queue) == i);
	drop(queue);
}

static void items_of_a_producer_may_be_tasks(void)
{
	sabir_queue *queue = make_tasks(
		"flow", (struct sabir_task_spec){ .discipline = SABIR_PRIORITY, .dedup_window_ns = A_MINUTE });
	sabir_producer *producer = produce(queue, 100, 10);
	struct sabir_producer_state state;
	for (int64_t i = 0; i < 4; i++) {
		struct sabir_item item = sabir_int(i);
		struct sabir_task task = { .size = sizeof(task), .priority = -(i % 2), .dedup_id = i < 2 ? "a" : "b" };
		CHECK_OK(sabir_producer_put(producer, &item, &task, SABIR_FOREVER));
	}
	CHECK_OK(add(producer, 4, SABIR_FOREVER));
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	CHECK_OK(sabir_producer_state(producer, &state));
	CHECK(state.accepted == 5 && state.duplicates == 2);
	CHECK(get(queue) == 0 && get(queue) == 2 && get(queue) == 4);
	sabir_producer_close(producer);
	drop(queue);
}

static void a_closed_queue_ends_a_producer(void)
{
	sabir_queue *queue = make("flow", 0);
	sabir_producer *producer = produce(queue, 10, 1);
	CHECK_OK(add(producer, 1, 0));
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	CHECK_OK(sabir_queue_close(queue));
	enum sabir_error error = add(producer, 2, SABIR_FOREVER);
	CHECK(!error || error == SABIR_CLOSED);
	CHECK_ERROR(sabir_producer_flush(producer, SABIR_FOREVER), SABIR_CLOSED);
	CHECK_ERROR(add(producer, 3, SABIR_FOREVER), SABIR_CLOSED);
	sabir_producer_close(producer);
	drop(queue);
}

/* ---------------------------------------------------------------- consumer */

static void items_are_given_in_order_and_gone_when_acknowledged(void)
{
	sabir_queue *queue = make("flow", 0);
	sabir_consumer *consumer = consume(queue, 10, 0);
	struct sabir_delivery delivery;
	put(queue, 1, 100);
	for (int64_t i = 1; i <= 100; i++) {
		CHECK(next(consumer, SABIR_FOREVER, &delivery) == i);
		CHECK(delivery.number == (uint64_t)i && !delivery.token);
		CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	}
	CHECK(next(consumer, 0, &delivery) == FAILED(SABIR_EMPTY));
	CHECK(next(consumer, 20 * MS, &delivery) == FAILED(SABIR_EMPTY));
	delivery.number = 101;
	CHECK_ERROR(sabir_consumer_ack(consumer, &delivery), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_consumer_nack(consumer, &delivery, 0), SABIR_NOT_ENABLED);
	CHECK_OK(sabir_consumer_close(consumer));
	CHECK(leased(queue) == 0);
	drop(queue);
}

static void the_credit_bounds_what_is_out(void)
{
	sabir_queue *queue = make("flow", 0);
	sabir_consumer *consumer = consume(queue, 3, 0);
	struct sabir_delivery delivery;
	put(queue, 1, 10);
	for (int64_t i = 1; i <= 3; i++)
		CHECK(next(consumer, SABIR_FOREVER, &delivery) == i);
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == FAILED(SABIR_WOULD_BLOCK));
	CHECK(leased(queue) == 3);
	delivery.number = 2; /* and the one before it */
	CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == 4 && next(consumer, SABIR_FOREVER, &delivery) == 5);
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == FAILED(SABIR_WOULD_BLOCK));
	CHECK_OK(sabir_consumer_close(consumer));
	for (int64_t i = 3; i <= 10; i++)
		CHECK(get(queue) == i);
	drop(queue);
}

static void leases_are_acknowledged_and_refused(void)
{
	sabir_queue *queue = make_tasks("flow", (struct sabir_task_spec){ .joinable = 1 });
	sabir_consumer *consumer = consume(queue, 2, A_MINUTE);
	struct sabir_delivery first, second;
	uint64_t token;
	put(queue, 1, 3);
	CHECK(next(consumer, SABIR_FOREVER, &first) == 1 && next(consumer, SABIR_FOREVER, &second) == 2);
	CHECK(first.token && second.token && first.token != second.token && first.attempts == 1);
	CHECK_OK(sabir_consumer_extend(consumer, &second, A_MINUTE));
	CHECK_OK(sabir_consumer_nack(consumer, &first, 0));
	CHECK_ERROR(sabir_consumer_ack(consumer, &first), SABIR_LEASE_LOST);
	CHECK(next(consumer, SABIR_FOREVER, &first) == 1);
	CHECK(first.attempts == 2);
	CHECK_OK(sabir_consumer_ack(consumer, &first));
	CHECK_OK(sabir_consumer_ack(consumer, &second));
	CHECK(next(consumer, SABIR_FOREVER, &first) == 3);
	CHECK_ERROR(sabir_consumer_lost(consumer, &token), SABIR_EMPTY);
	CHECK_OK(sabir_consumer_close(consumer));
	CHECK(get(queue) == 3);
	CHECK_OK(sabir_task_queue_task_done(queue));
	CHECK_OK(sabir_task_queue_join(queue, 0));
	drop(queue);
}

static void a_lease_that_was_over_is_told(void)
{
	sabir_queue *queue = make_tasks("flow", (struct sabir_task_spec){ 0 });
	sabir_consumer *consumer = consume(queue, 1, A_MINUTE);
	struct sabir_delivery delivery;
	uint64_t token = 0;
	put(queue, 1, 1);
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == 1);
	CHECK_OK(sabir_task_queue_ack(queue, delivery.token)); /* by somebody who was told the token */
	CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	for (int i = 0; i < 500 && sabir_consumer_lost(consumer, &token) == SABIR_EMPTY; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	CHECK(token == delivery.token);
	CHECK_OK(sabir_consumer_close(consumer));
	drop(queue);
}

static void wrong_leases_are_refused(void)
{
	sabir_queue *plain = make("flow", 0), *tasks = make_tasks("tasks", (struct sabir_task_spec){ 0 });
	sabir_consumer *with = consume(plain, 1, A_MINUTE), *without = consume(tasks, 1, 0);
	struct sabir_delivery delivery;
	CHECK(next(with, SABIR_FOREVER, &delivery) == FAILED(SABIR_NOT_ENABLED));
	CHECK(next(without, SABIR_FOREVER, &delivery) == FAILED(SABIR_INVALID_ARGUMENT));
	(void)sabir_consumer_close(with);
	(void)sabir_consumer_close(without);
	drop(plain);
	drop(tasks);
}

static void a_closed_queue_is_drained_first(void)
{
	sabir_queue *queue = make("flow", 0);
	sabir_consumer *consumer = consume(queue, 5, 0);
	struct sabir_delivery delivery;
	put(queue, 1, 2);
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == 1);
	CHECK_OK(sabir_queue_close(queue));
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == 2);
	CHECK(next(consumer, 20 * MS, &delivery) == FAILED(SABIR_EMPTY)); /* they may come back */
	CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == FAILED(SABIR_CLOSED));
	CHECK_OK(sabir_consumer_close(consumer));
	drop(queue);
}

/* ---------------------------------------------------------------- what ends a wait */

static void *later(void *what)
{
	void (*act)(void) = *(void (**)(void))what;
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	act();
	return NULL;
}

static sabir_queue *waited_for;
static sabir_cancel *token;

static void put_one(void)
{
	put(waited_for, 7, 7);
}

static void delete_it(void)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(waited_for)));
}

static void close_it(void)
{
	CHECK_OK(sabir_queue_close(waited_for));
}

static void fire(void)
{
	sabir_cancel_fire(token);
}

static int64_t next_while(void (*act)(void), sabir_consumer *consumer, struct sabir_delivery *delivery)
{
	pthread_t thread;
	pthread_create(&thread, NULL, later, &act);
	int64_t number = next(consumer, SABIR_FOREVER, delivery);
	pthread_join(thread, NULL);
	return number;
}

static void what_ends_a_wait_for_an_item(void)
{
	for (int task = 0; task < 2; task++) {
		for (int i = 0; i < 2; i++) {
			struct sabir_delivery delivery;
			waited_for = task ? make_tasks("flow", (struct sabir_task_spec){ 0 }) : make("flow", 0);
			sabir_consumer *consumer = consume(waited_for, 2, task ? A_MINUTE : 0);
			CHECK(next_while(put_one, consumer, &delivery) == 7);
			CHECK_OK(sabir_consumer_ack(consumer, &delivery));
			CHECK(next_while(i ? close_it : delete_it, consumer, &delivery) ==
			      FAILED(i ? SABIR_CLOSED : SABIR_DELETED));
			CHECK_OK(sabir_consumer_close(consumer));
			if (i)
				drop(waited_for);
			else
				sabir_queue_free(waited_for);
		}
	}
}

static void a_cancelled_wait_hurts_nothing(void)
{
	struct sabir_delivery delivery;
	waited_for = make("flow", 1);
	sabir_consumer *consumer = consume(waited_for, 2, 0);
	CHECK_OK(sabir_cancel_create(&token));
	CHECK_OK(sabir_cancel_attach(token));
	CHECK(next_while(fire, consumer, &delivery) == FAILED(SABIR_CANCELLED));
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == FAILED(SABIR_CANCELLED));
	sabir_cancel_reset(token);
	CHECK(next_while(put_one, consumer, &delivery) == 7);
	CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	sabir_producer *producer = produce(waited_for, 1, 1);
	CHECK_OK(sabir_consumer_close(consumer));
	CHECK_OK(add(producer, 1, SABIR_FOREVER));
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	sabir_cancel_fire(token);
	enum sabir_error error = add(producer, 2, SABIR_FOREVER);
	CHECK(error == SABIR_CANCELLED || (!error && !sabir_is_local(conn)));
	if (!error)
		CHECK_ERROR(sabir_producer_flush(producer, SABIR_FOREVER), SABIR_CANCELLED);
	CHECK_OK(sabir_cancel_attach(NULL));
	CHECK(get(waited_for) == 1);
	CHECK_OK(sabir_producer_flush(producer, SABIR_FOREVER));
	sabir_producer_close(producer);
	sabir_cancel_free(token);
	drop(waited_for);
}

/* ---------------------------------------------------------------- deaths */

/* A process that takes three, acknowledges one, and is killed. */
static void take_and_die(const char *name, uint64_t lease_ns)
{
	struct sabir_delivery deliveries[3];
	sabir_queue *queue;
	NEED(sabir_connect(url, NULL, &conn));
	NEED(sabir_queue_open(conn, name, &queue));
	sabir_consumer *consumer = consume(queue, 3, lease_ns);
	for (int i = 0; i < 3; i++)
		if (next(consumer, SABIR_FOREVER, &deliveries[i]) != i + 1)
			exit(1);
	NEED(sabir_consumer_ack(consumer, &deliveries[0]));
	while (leased(queue) != (sabir_is_local(conn) ? 2 : 3)) /* remotely the fourth was sent ahead */
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	kill(getpid(), SIGKILL);
}

/* gRPC does not survive a fork: the child is this program anew. */
static void a_death_gives_items_back(void)
{
	for (int task = 0; task < 2; task++) {
		sabir_queue *queue = task ? make_tasks("flow", (struct sabir_task_spec){ 0 }) : make("flow", 0);
		char *name = strdup(name_of("flow"));
		int status = 0;
		put(queue, 1, 5);
		pid_t child = fork();
		if (!child) {
			execl("/proc/self/exe", "c_api_flow_test", url, name, task ? "task" : "plain", (char *)NULL);
			_exit(1);
		}
		waitpid(child, &status, 0);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		while (leased(queue))
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		for (int64_t i = 2; i <= 5; i++)
			CHECK(get(queue) == i);
		free(name);
		drop(queue);
	}
}

static int in_a_child(sabir_consumer *consumer, sabir_producer *producer)
{
	struct sabir_delivery delivery = { .number = 1 };
	struct sabir_producer_state state;
	bool fine = next(consumer, SABIR_FOREVER, &delivery) == FAILED(SABIR_UNAVAILABLE) &&
		    sabir_consumer_ack(consumer, &delivery) == SABIR_UNAVAILABLE &&
		    sabir_consumer_close(consumer) == SABIR_UNAVAILABLE &&
		    (sabir_is_local(conn) || add(producer, 2, 0) == SABIR_UNAVAILABLE) &&
		    !sabir_producer_state(producer, &state);
	sabir_producer_close(producer);
	return fine ? 0 : 1;
}

static void a_child_leaves_its_parents_alone(void)
{
	sabir_queue *queue = make("flow", 0);
	sabir_consumer *consumer = consume(queue, 2, 0);
	sabir_producer *producer = produce(queue, 1, 1);
	struct sabir_delivery delivery;
	int status = -1;
	CHECK_OK(add(producer, 1, SABIR_FOREVER));
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == 1);
	pid_t child = fork();
	if (!child)
		_exit(in_a_child(consumer, producer));
	waitpid(child, &status, 0);
	CHECK(!status);
	CHECK(leased(queue) == 1);
	CHECK_OK(sabir_consumer_ack(consumer, &delivery));
	CHECK_OK(add(producer, 3, SABIR_FOREVER));
	CHECK(next(consumer, SABIR_FOREVER, &delivery) == 3);
	CHECK_OK(sabir_consumer_close(consumer));
	sabir_producer_close(producer);
	CHECK(get(queue) == 3);
	drop(queue);
}

/* ---------------------------------------------------------------- both ends at once */

#define N_ITEMS 20000

static void *consume_all(void *unused)
{
	struct sabir_delivery delivery;
	sabir_consumer *consumer = consume(waited_for, 256, 0);
	int64_t n = 0;
	(void)unused;
	for (; n < N_ITEMS && next(consumer, 20 * SABIR_SECOND, &delivery) == n; n++)
		if (n % 100 == 99 && sabir_consumer_ack(consumer, &delivery))
			break;
	(void)sabir_consumer_close(consumer);
	return (void *)(intptr_t)n;
}

static void items_flow_through_a_bounded_queue(void)
{
	pthread_t thread;
	void *n;
	waited_for = make("flow", 300);
	pthread_create(&thread, NULL, consume_all, NULL);
	sabir_producer *producer = produce(waited_for, 200, 50);
	for (int64_t i = 0; i < N_ITEMS; i++)
		CHECK_OK(add(producer, i, 20 * SABIR_SECOND));
	CHECK_OK(sabir_producer_flush(producer, 20 * SABIR_SECOND));
	pthread_join(thread, &n);
	CHECK((intptr_t)n == N_ITEMS);
	sabir_producer_close(producer);
	drop(waited_for);
}

/* Those that the same process has, of whatever numbers they are. */
static void consumers_and_loans_do_not_mix(void)
{
	enum { N = 40 };
	sabir_queue *queue = make("mixed", 0);
	sabir_consumer *consumer[N];
	struct sabir_delivery delivery;
	struct sabir_loan loan;
	put(queue, 1, 3 * N);
	for (int i = 0; i < N; i++) {
		consumer[i] = consume(queue, 1, 0);
		CHECK(next(consumer[i], A_MINUTE, &delivery) == i + 1);
	}
	for (int i = 0; i < 2 * N; i++) {
		NEED(sabir_queue_borrow(queue, 0, &loan));
		CHECK(loan.item.as.i == N + i + 1);
		CHECK_OK(sabir_queue_release(&loan));
	}
	for (int i = 0; i < N; i++)
		CHECK_OK(sabir_consumer_close(consumer[i]));
	for (int i = 0; i < N; i++)
		CHECK(get(queue) == i + 1);
	drop(queue);
}

static void options_have_a_size_and_bounds(void)
{
	sabir_queue *queue = make("flow", 0);
	struct sabir_producer_options p = { 0 };
	struct sabir_consumer_options c = { 0 };
	sabir_producer *producer;
	sabir_consumer *consumer;
	CHECK_ERROR(sabir_producer_open(queue, &p, &producer), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_consumer_open(queue, &c, &consumer), SABIR_INVALID_ARGUMENT);
	p = (struct sabir_producer_options){ sizeof(p), 65537, 0 };
	c = (struct sabir_consumer_options){ sizeof(c), 65537, 0, 0 };
	CHECK_ERROR(sabir_producer_open(queue, &p, &producer), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_consumer_open(queue, &c, &consumer), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_producer_open(queue, NULL, &producer));
	CHECK_OK(sabir_consumer_open(queue, NULL, &consumer));
	sabir_producer_close(producer);
	CHECK_OK(sabir_consumer_close(consumer));
	sabir_producer_close(NULL);
	CHECK_OK(sabir_consumer_close(NULL));
	drop(queue);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_is_put_is_in_the_queue_after_a_flush),
		TEST(a_full_queue_holds_a_producer_up),
		TEST(a_window_of_gathered_items_is_sent),
		TEST(a_refused_item_is_named_and_ends_the_producer),
		TEST(items_of_a_producer_may_be_tasks),
		TEST(a_closed_queue_ends_a_producer),
		TEST(items_are_given_in_order_and_gone_when_acknowledged),
		TEST(the_credit_bounds_what_is_out),
		TEST(leases_are_acknowledged_and_refused),
		TEST(a_lease_that_was_over_is_told),
		TEST(wrong_leases_are_refused),
		TEST(a_closed_queue_is_drained_first),
		TEST(what_ends_a_wait_for_an_item),
		TEST(a_cancelled_wait_hurts_nothing),
		TEST(a_death_gives_items_back),
		TEST(a_child_leaves_its_parents_alone),
		TEST(items_flow_through_a_bounded_queue),
		TEST(consumers_and_loans_do_not_mix),
		TEST(options_have_a_size_and_bounds),
	};
	url = argc > 1 ? argv[1] : "";
	if (argc == 4)
		take_and_die(argv[2], strcmp(argv[3], "task") ? 0 : A_MINUTE);
	alarm(200); /* a wait that does not end must not hang the run */
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
