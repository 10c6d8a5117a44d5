/* SPDX-License-Identifier: Apache-2.0 */
/* Task queues through libsabir. See c_api.h for how it is run. */
#include <pthread.h>
#include <time.h>

#include "tests/integration/c_api.h"

#define MS SABIR_MILLISECOND

static const char *url;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

static sabir_queue *make(const char *name, struct sabir_task_spec spec)
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

static void put(sabir_queue *queue, int64_t number, struct sabir_task task)
{
	struct sabir_item item = sabir_int(number);
	task.size = sizeof(task);
	CHECK_OK(sabir_task_queue_put(queue, &item, &task, 0, NULL));
}

/* The next number, or -1000 - the error. */
static int64_t get(sabir_queue *queue, uint64_t timeout_ns)
{
	struct sabir_item *item;
	enum sabir_error error = sabir_queue_get(queue, timeout_ns, &item);
	int64_t number = error ? -1000 - (int64_t)error : item->as.i;
	if (!error)
		sabir_free(item);
	return number;
}

static int64_t lease(sabir_queue *queue, uint64_t lease_ns, struct sabir_lease *as)
{
	struct sabir_item *item;
	enum sabir_error error = sabir_task_queue_lease(queue, lease_ns, 0, &item, as);
	int64_t number = error ? -1000 - (int64_t)error : item->as.i;
	if (!error)
		sabir_free(item);
	return number;
}

#define FAILED(error) (-1000 - (int64_t)(error))

/* ---------------------------------------------------------------- orders */

static void the_functions_of_queues_work_on_task_queues(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ .discipline = SABIR_LIFO, .max_items = 3 });
	struct sabir_item items[] = { sabir_int(1), sabir_int(2), sabir_int(3), sabir_int(4) }, *got, into[4];
	struct sabir_buffer buffer = { 0 };
	struct sabir_queue_state state;
	size_t n = 0;
	CHECK_OK(sabir_queue_put_many(queue, items, 4, 0, &n));
	CHECK(n == 3);
	CHECK_ERROR(sabir_queue_put(queue, &items[3], 0), SABIR_FULL);
	CHECK_OK(sabir_queue_peek(queue, &got));
	CHECK(is_int(got, 3));
	sabir_free(got);
	CHECK_OK(sabir_queue_state(queue, &state));
	CHECK(state.size == 3 && state.max_items == 3);
	CHECK_OK(sabir_queue_get_into(queue, 0, &buffer, into));
	CHECK(is_int(&into[0], 3));
	CHECK_OK(sabir_queue_get_many_into(queue, 4, 0, &buffer, into, &n));
	CHECK(n == 2 && is_int(&into[0], 2) && is_int(&into[1], 1));
	CHECK_OK(sabir_queue_put_text(queue, "text", SABIR_FOREVER));
	CHECK_OK(sabir_queue_close(queue));
	CHECK_OK(sabir_queue_clear(queue, NULL));
	CHECK(get(queue, 0) == FAILED(SABIR_CLOSED));
	sabir_free(buffer.data);
	drop(queue);
}

static void priorities_are_stable(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ .discipline = SABIR_PRIORITY });
	put(queue, 1, (struct sabir_task){ .priority = 2 });
	put(queue, 2, (struct sabir_task){ .priority = -1 });
	put(queue, 3, (struct sabir_task){ .priority = 2 });
	CHECK(get(queue, 0) == 2 && get(queue, 0) == 1 && get(queue, 0) == 3);
	drop(queue);
}

/* ---------------------------------------------------------------- leases and time */

static void leases_are_acknowledged_refused_and_extended(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ .joinable = 1 });
	struct sabir_lease first, second;
	put(queue, 1, (struct sabir_task){ 0 });
	put(queue, 2, (struct sabir_task){ 0 });
	CHECK(lease(queue, 60 * SABIR_SECOND, &first) == 1 && lease(queue, 60 * SABIR_SECOND, &second) == 2);
	CHECK_OK(sabir_task_queue_nack(queue, first.token, 0));
	CHECK(lease(queue, 60 * SABIR_SECOND, &first) == 1);
	CHECK(first.attempts == 2);
	CHECK_OK(sabir_task_queue_extend(queue, second.token, SABIR_SECOND));
	CHECK_ERROR(sabir_task_queue_join(queue, 20 * MS), SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_task_queue_ack(queue, first.token));
	CHECK_ERROR(sabir_task_queue_ack(queue, first.token), SABIR_LEASE_LOST);
	CHECK_OK(sabir_task_queue_ack(queue, second.token));
	CHECK_OK(sabir_task_queue_join(queue, SABIR_FOREVER));
	CHECK_ERROR(sabir_task_queue_task_done(queue), SABIR_TASK_DONE_TOO_OFTEN);
	drop(queue);
}

/* Nobody touches the queue: the server wakes who waits. */
static void a_waiting_get_is_woken_when_an_item_is_due(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ 0 });
	struct sabir_lease as;
	uint64_t begin = now_ns(), took;
	put(queue, 1, (struct sabir_task){ .delay_ns = 60 * MS });
	CHECK(get(queue, 10 * SABIR_SECOND) == 1);
	took = now_ns() - begin;
	CHECK(took >= 59 * MS && took < SABIR_SECOND);
	put(queue, 2, (struct sabir_task){ 0 });
	begin = now_ns();
	CHECK(lease(queue, 60 * MS, &as) == 2);
	CHECK(get(queue, 10 * SABIR_SECOND) == 2);
	took = now_ns() - begin;
	CHECK(took >= 59 * MS && took < SABIR_SECOND);
	put(queue, 3, (struct sabir_task){ .ttl_ns = 10 * MS, .delay_ns = 20 * MS });
	CHECK(get(queue, 50 * MS) == FAILED(SABIR_EMPTY));
	drop(queue);
}

static void dead_letters_move_and_return(void)
{
	sabir_queue *dead = make("dead", (struct sabir_task_spec){ 0 });
	char name[128];
	snprintf(name, sizeof(name), "%s", name_of("dead"));
	sabir_queue *queue = make("task", (struct sabir_task_spec){ .max_attempts = 1, .dead_letter = name });
	struct sabir_task_state state;
	struct sabir_lease as;
	uint64_t moved = 0;
	put(queue, 5, (struct sabir_task){ 0 });
	CHECK(lease(queue, 20 * MS, &as) == 5);
	CHECK(get(dead, 10 * SABIR_SECOND) == 5);
	put(queue, 6, (struct sabir_task){ 0 });
	CHECK(lease(queue, SABIR_SECOND, &as) == 6);
	CHECK_OK(sabir_task_queue_nack(queue, as.token, 0));
	CHECK_OK(sabir_task_queue_requeue(dead, NULL, 0, &moved));
	CHECK(moved == 1);
	CHECK_OK(sabir_task_queue_state(queue, &state));
	CHECK(state.ready == 1 && state.dead == 0);
	CHECK_OK(sabir_task_queue_requeue(queue, dead, 0, &moved));
	CHECK(get(dead, 0) == 6);
	drop(queue);
	drop(dead);
}

/* ---------------------------------------------------------------- waiting for others */

static void *get_in_thread(void *queue)
{
	return (void *)(intptr_t)get(queue, 10 * SABIR_SECOND);
}

static void a_pause_holds_gets_back(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ 0 });
	pthread_t thread;
	void *result;
	CHECK_OK(sabir_task_queue_pause(queue));
	put(queue, 8, (struct sabir_task){ 0 });
	CHECK(get(queue, 20 * MS) == FAILED(SABIR_EMPTY));
	pthread_create(&thread, NULL, get_in_thread, queue);
	CHECK_OK(sabir_task_queue_resume(queue));
	pthread_join(thread, &result);
	CHECK((intptr_t)result == 8);
	pthread_create(&thread, NULL, get_in_thread, queue);
	CHECK_OK(sabir_queue_close(queue));
	pthread_join(thread, &result);
	CHECK((intptr_t)result == FAILED(SABIR_CLOSED));
	drop(queue);
}

static void *join_in_thread(void *queue)
{
	return (void *)(intptr_t)sabir_task_queue_join(queue, 10 * SABIR_SECOND);
}

static void a_join_ends_with_the_last_task(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ .joinable = 1 });
	pthread_t thread;
	void *result;
	put(queue, 1, (struct sabir_task){ 0 });
	pthread_create(&thread, NULL, join_in_thread, queue);
	CHECK(get(queue, 0) == 1);
	CHECK_OK(sabir_task_queue_task_done(queue));
	pthread_join(thread, &result);
	CHECK((intptr_t)result == SABIR_OK);
	put(queue, 1, (struct sabir_task){ 0 });
	pthread_create(&thread, NULL, join_in_thread, queue);
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(queue)));
	pthread_join(thread, &result);
	CHECK((intptr_t)result == SABIR_DELETED);
	sabir_queue_free(queue);
}

static void plain_queues_refuse_what_they_do_not_know(void)
{
	sabir_queue *queue;
	struct sabir_item item = sabir_int(1);
	struct sabir_task task = { .size = sizeof(task), .delay_ns = MS };
	struct sabir_lease as;
	NEED(sabir_queue_create(conn, name_of("plain"), 0, 0, &queue));
	CHECK_ERROR(sabir_task_queue_put(queue, &item, &task, 0, NULL), SABIR_NOT_ENABLED);
	CHECK_OK(sabir_task_queue_put(queue, &item, NULL, 0, NULL));
	CHECK(lease(queue, SABIR_SECOND, &as) == FAILED(SABIR_NOT_ENABLED));
	CHECK_ERROR(sabir_task_queue_join(queue, 0), SABIR_NOT_ENABLED);
	drop(queue);
}

static void ids_count_once(void)
{
	sabir_queue *queue = make("task", (struct sabir_task_spec){ .dedup_window_ns = 60 * SABIR_SECOND });
	struct sabir_item item = sabir_int(1);
	struct sabir_task task = { .size = sizeof(task), .dedup_id = "order" };
	bool duplicate = true;
	CHECK_OK(sabir_task_queue_put(queue, &item, &task, 0, &duplicate));
	CHECK(!duplicate);
	CHECK_OK(sabir_task_queue_put(queue, &item, &task, 0, &duplicate));
	CHECK(duplicate);
	CHECK(get(queue, 0) == 1 && get(queue, 0) == FAILED(SABIR_EMPTY));
	drop(queue);
}

/* SABIR_FOREVER is a time as any other, not the lack of one. */
static void forever_is_the_longest_time(void)
{
	sabir_queue *queue = make("task",
				  (struct sabir_task_spec){ .dedup_window_ns = SABIR_FOREVER, .ttl_ns = 20 * MS });
	struct sabir_task never = { .delay_ns = SABIR_FOREVER, .ttl_ns = SABIR_FOREVER },
			  always = { .ttl_ns = SABIR_FOREVER };
	struct sabir_task once = { .dedup_id = "once", .ttl_ns = SABIR_FOREVER };
	struct sabir_task_state state;
	struct sabir_lease as;
	put(queue, 1, never);
	put(queue, 2, always);
	put(queue, 3, (struct sabir_task){ 0 });
	put(queue, 4, once);
	put(queue, 5, once);
	CHECK_OK(sabir_task_queue_pause(queue));
	CHECK(get(queue, 60 * MS) == FAILED(SABIR_EMPTY));
	CHECK_OK(sabir_task_queue_resume(queue));
	CHECK_OK(sabir_task_queue_state(queue, &state));
	CHECK(state.ready == 2 && state.delayed == 1);
	CHECK(lease(queue, SABIR_FOREVER, &as) == 2 && get(queue, 0) == 4 && get(queue, 0) == FAILED(SABIR_EMPTY));
	CHECK_OK(sabir_task_queue_nack(queue, as.token, SABIR_FOREVER));
	CHECK(get(queue, 20 * MS) == FAILED(SABIR_EMPTY));
	drop(queue);
}

/* Made by a connection of its own, and gone with it. */
static void a_task_queue_can_go_with_its_maker(void)
{
	const struct sabir_task_spec spec = { .size = sizeof(spec), .joinable = 1 };
	const char *name = name_of("ephemeral");
	struct sabir_info info;
	sabir_queue *queue;
	sabir_conn *own;
	NEED(sabir_connect(url, NULL, &own));
	NEED(sabir_task_queue_create(own, name, &spec, SABIR_EPHEMERAL, &queue));
	CHECK_OK(sabir_describe(conn, name, &info));
	CHECK(info.ephemeral);
	sabir_queue_free(queue);
	sabir_close(own);
	for (int i = 0; i < 5000 && sabir_describe(conn, name, &info) == SABIR_OK; i++)
		usleep(1000);
	CHECK_ERROR(sabir_describe(conn, name, &info), SABIR_NOT_FOUND);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_functions_of_queues_work_on_task_queues),
		TEST(priorities_are_stable),
		TEST(leases_are_acknowledged_refused_and_extended),
		TEST(a_waiting_get_is_woken_when_an_item_is_due),
		TEST(dead_letters_move_and_return),
		TEST(a_pause_holds_gets_back),
		TEST(a_join_ends_with_the_last_task),
		TEST(plain_queues_refuse_what_they_do_not_know),
		TEST(ids_count_once),
		TEST(forever_is_the_longest_time),
		TEST(a_task_queue_can_go_with_its_maker),
	};
	url = argc > 1 ? argv[1] : "";
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
