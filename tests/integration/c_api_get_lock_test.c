/* SPDX-License-Identifier: Apache-2.0 */
/* The locks of values and arrays by the C API, against a real server. */
#include <pthread.h>

#include "tests/integration/c_api.h"

enum { N_THREADS = 4, N_ROUNDS = 200 };

/* Python's `with v.get_lock(): v.value += 1`, whose reading and writing are two steps. */
static void *add_under_the_lock(void *context)
{
	sabir_value *value = context;
	int64_t n;
	for (int i = 0; i < N_ROUNDS; i++) {
		CHECK_OK(sabir_value_lock(value, SABIR_FOREVER));
		CHECK_OK(sabir_value_get_int(value, &n));
		CHECK_OK(sabir_value_set_int(value, n + 1));
		CHECK_OK(sabir_value_unlock(value));
	}
	return NULL;
}

static void several_steps_under_the_lock_are_one(void)
{
	pthread_t threads[N_THREADS];
	sabir_value *value;
	int64_t n = 0;
	NEED(sabir_value_create(conn, NULL, 'q', 0, &value));
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, add_under_the_lock, value);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(!sabir_value_get_int(value, &n) && n == N_THREADS * N_ROUNDS);
	CHECK_OK(sabir_delete_handle(conn, sabir_value_handle(value)));
	sabir_value_free(value);
}

static void the_lock_is_the_same_for_all_and_ends_with_its_object(void)
{
	sabir_array *array, *again;
	sabir_lock *first, *second;
	NEED(sabir_array_create(conn, name_of("array"), 'i', 10, 0, &array));
	NEED(sabir_array_open(conn, name_of("array"), &again));
	NEED(sabir_array_get_lock(array, &first));
	NEED(sabir_array_get_lock(again, &second));
	CHECK(sabir_lock_handle(first) == sabir_lock_handle(second));
	CHECK_ERROR(sabir_array_unlock(array), SABIR_NOT_HELD);
	CHECK_OK(sabir_array_lock(array, 0));
	CHECK_OK(sabir_array_lock(again, 0));
	CHECK_OK(sabir_lock_release(first));
	CHECK_OK(sabir_array_unlock(array));
	CHECK_OK(sabir_delete(conn, name_of("array")));
	CHECK_ERROR(sabir_lock_acquire(first, SABIR_FOREVER, NULL), SABIR_DELETED);
	CHECK_ERROR(sabir_array_lock(array, SABIR_FOREVER), SABIR_DELETED);
	sabir_lock_free(first);
	sabir_lock_free(second);
	sabir_array_free(array);
	sabir_array_free(again);
}

/* Whoever deletes the lock alone: the next who asks makes another, also by a handle that knew the first. */
static void a_lock_that_was_deleted_is_made_anew(void)
{
	sabir_value *value;
	sabir_lock *first, *second;
	NEED(sabir_value_create(conn, NULL, 'q', 0, &value));
	for (int i = 0; i < 3; i++) {
		CHECK_OK(sabir_value_lock(value, 0));
		CHECK_OK(sabir_value_unlock(value));
		NEED(sabir_value_get_lock(value, &first));
		CHECK_OK(sabir_delete_handle(conn, sabir_lock_handle(first)));
		CHECK_OK(sabir_value_lock(value, 0));
		NEED(sabir_value_get_lock(value, &second));
		CHECK(sabir_lock_handle(second) != sabir_lock_handle(first));
		CHECK_OK(sabir_delete_handle(conn, sabir_lock_handle(second)));
		CHECK_ERROR(sabir_value_unlock(value), SABIR_DELETED);
		CHECK_ERROR(sabir_value_unlock(value), SABIR_NOT_HELD);
		sabir_lock_free(first);
		sabir_lock_free(second);
	}
	sabir_value_free(value);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(several_steps_under_the_lock_are_one),
		TEST(the_lock_is_the_same_for_all_and_ends_with_its_object),
		TEST(a_lock_that_was_deleted_is_made_anew),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
