/* SPDX-License-Identifier: Apache-2.0 */
/* What programs wait for one another with, through libsabir. See c_api.h for how it is run. */
#include <pthread.h>
#include <time.h>

#include "tests/integration/c_api.h"

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- event */

static void event_is_set_and_cleared(void)
{
	sabir_event *event, *again;
	bool set = true;
	const char *name = name_of("event");
	NEED(sabir_event_create(conn, name, 0, &event));
	CHECK_ERROR(sabir_event_create(conn, name, 0, &again), SABIR_ALREADY_EXISTS);
	NEED(sabir_event_create(conn, name, SABIR_EXIST_OK, &again));
	CHECK(sabir_event_handle(again) == sabir_event_handle(event));
	CHECK_OK(sabir_event_is_set(event, &set));
	CHECK(!set);
	CHECK_ERROR(sabir_event_wait(event, 0), SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_event_set(again));
	CHECK_OK(sabir_event_is_set(event, &set));
	CHECK(set);
	CHECK_OK(sabir_event_wait(event, 0));
	CHECK_OK(sabir_event_wait(event, SABIR_FOREVER));
	CHECK_OK(sabir_event_clear(event));
	CHECK_ERROR(sabir_event_wait(event, 0), SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_delete(conn, name));
	CHECK_ERROR(sabir_event_set(event), SABIR_DELETED);
	sabir_event_free(event);
	sabir_event_free(again);
}

static void event_wait_times_out(void)
{
	sabir_event *event;
	NEED(sabir_event_create(conn, name_of("event"), 0, &event));
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_event_wait(event, 50 * SABIR_MILLISECOND), SABIR_WOULD_BLOCK);
	uint64_t took = now_ns() - begin;
	CHECK(took >= 50 * SABIR_MILLISECOND && took < SABIR_SECOND);
	CHECK_OK(sabir_delete_handle(conn, sabir_event_handle(event)));
	sabir_event_free(event);
}

static void *wait_for_event(void *event)
{
	return (void *)(uintptr_t)sabir_event_wait(event, 10 * SABIR_SECOND);
}

/* Waiters in threads; a set with a clear behind it, or a delete, ends all their waits. */
static void end_waits(bool by_delete, enum sabir_error expected)
{
	enum { N = 4 };
	sabir_event *event;
	pthread_t threads[N];
	void *result;
	NEED(sabir_event_create(conn, name_of("event"), 0, &event));
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, wait_for_event, event);
	usleep(50000); /* so that most of them wait; who comes later is served by the last set */
	CHECK_OK(sabir_event_set(event));
	CHECK_OK(sabir_event_clear(event));
	usleep(50000);
	CHECK_OK(by_delete ? sabir_delete_handle(conn, sabir_event_handle(event)) : sabir_event_set(event));
	for (int i = 0; i < N; i++) {
		pthread_join(threads[i], &result);
		CHECK((enum sabir_error)(uintptr_t)result == SABIR_OK ||
		      (enum sabir_error)(uintptr_t)result == expected);
	}
	if (!by_delete)
		CHECK_OK(sabir_delete_handle(conn, sabir_event_handle(event)));
	sabir_event_free(event);
}

static void event_set_ends_all_waits(void)
{
	end_waits(false, SABIR_OK);
}

static void event_delete_ends_all_waits(void)
{
	end_waits(true, SABIR_DELETED);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(event_is_set_and_cleared),
		TEST(event_wait_times_out),
		TEST(event_set_ends_all_waits),
		TEST(event_delete_ends_all_waits),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
