/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of the server, through the C API. */
#include <pthread.h>
#include <sys/stat.h>

#include "tests/integration/c_api.h"

static const char *url;

/* Over TCP nobody may: see sabird's admin-sessions. */
static bool is_tcp(void)
{
	return strstr(url, "unix") == NULL;
}

static void test_a_snapshot_is_on_the_disk_when_the_call_returns(void)
{
	const char *folder = getenv("SABIR_TEST_SNAPSHOTS");
	struct sabir_snapshot_info first, second;
	struct stat status;
	char path[512];
	if (!folder || is_tcp())
		return;
	CHECK_OK(sabir_snapshot(conn, SABIR_FOREVER, &first));
	snprintf(path, sizeof(path), "%s/%s", folder, first.file);
	CHECK(stat(path, &status) == 0 && (uint64_t)status.st_size == first.size_bytes);
	CHECK(first.n_damaged == 0 && first.end_time_ns > 0 && first.write_ns < SABIR_SECOND * 100);
	CHECK_OK(sabir_snapshot(conn, 60 * SABIR_SECOND, NULL));
	CHECK_OK(sabir_snapshot(conn, 60 * SABIR_SECOND, &second));
	CHECK(strcmp(first.file, second.file) < 0 && second.end_time_ns > first.end_time_ns);
}

static void test_what_was_made_before_is_in_it(void)
{
	struct sabir_snapshot_info without, with;
	sabir_value *value;
	const char *name = name_of("kept");
	if (is_tcp())
		return;
	CHECK_OK(sabir_snapshot(conn, SABIR_FOREVER, &without));
	NEED(sabir_value_create(conn, name, 'q', 0, &value));
	CHECK_OK(sabir_snapshot(conn, SABIR_FOREVER, &with));
	CHECK(with.n_objects == without.n_objects + 1);
	sabir_value_free(value);
	CHECK_OK(sabir_delete(conn, name));
}

static void test_a_wait_that_is_over_and_who_may_not(void)
{
	CHECK_ERROR(sabir_snapshot(conn, 0, NULL), is_tcp() ? SABIR_PERMISSION_DENIED : SABIR_WOULD_BLOCK);
	CHECK_ERROR(sabir_snapshot(NULL, 0, NULL), SABIR_INVALID_ARGUMENT);
}

static void *ask(void *context)
{
	*(enum sabir_error *)context = sabir_snapshot(conn, SABIR_FOREVER, NULL);
	return NULL;
}

static void test_many_ask_at_a_time(void)
{
	enum sabir_error errors[8];
	pthread_t threads[8];
	if (is_tcp())
		return;
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, ask, &errors[i]) == 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		CHECK_OK(errors[i]);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(test_a_snapshot_is_on_the_disk_when_the_call_returns),
		TEST(test_what_was_made_before_is_in_it),
		TEST(test_a_wait_that_is_over_and_who_may_not),
		TEST(test_many_ask_at_a_time),
	};
	url = argc > 1 ? argv[1] : "";
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
