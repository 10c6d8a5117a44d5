/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that end by themselves, through the C API. Here time itself is what is tested. */
#include <time.h>

#include "tests/integration/c_api.h"

#define TTL (200 * SABIR_MILLISECOND)
#define GRACE (2 * SABIR_SECOND) /* for a machine that is busy */

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

static void create(const char *name, uint64_t ttl_ns)
{
	const struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_DICT, .ttl_ns = ttl_ns };
	struct sabir_info info;
	NEED(sabir_create(conn, name, &spec, 0, &info, NULL));
	CHECK(info.ttl_ns <= ttl_ns && (info.ttl_ns != 0) == (ttl_ns != 0));
}

/* How long until it is gone; at most `most`. */
static uint64_t lives_for(const char *name, uint64_t begin_ns, uint64_t most)
{
	struct sabir_info info;
	while (sabir_describe(conn, name, &info) == SABIR_OK && now_ns() - begin_ns < most)
		usleep(500);
	return now_ns() - begin_ns;
}

static void test_an_object_ends_in_time(void)
{
	uint64_t begin = now_ns();
	const char *name = name_of("ttl");
	create(name, TTL);
	uint64_t lived = lives_for(name, begin, TTL + GRACE);
	CHECK(lived >= TTL);
	CHECK(lived < TTL + GRACE);
	create(name, 0);
	CHECK_OK(sabir_delete(conn, name));
}

static void test_an_object_lives_longer_when_it_is_told_to(void)
{
	uint64_t begin = now_ns();
	const char *name = name_of("longer");
	create(name, TTL);
	CHECK_OK(sabir_set_ttl(conn, name, 3 * TTL));
	CHECK(lives_for(name, begin, 2 * TTL) >= 2 * TTL);
	CHECK(lives_for(name, begin, 3 * TTL + GRACE) < 3 * TTL + GRACE);
	CHECK_ERROR(sabir_set_ttl(conn, name, TTL), SABIR_NOT_FOUND);
}

static void test_who_waits_learns_of_the_end(void)
{
	const struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_QUEUE, .ttl_ns = TTL };
	struct sabir_info info;
	struct sabir_item *item;
	sabir_queue *queue;
	NEED(sabir_create(conn, name_of("waited"), &spec, 0, &info, NULL));
	NEED(sabir_queue_open_handle(conn, info.handle, &queue));
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_queue_get(queue, TTL + GRACE, &item), SABIR_DELETED);
	CHECK(now_ns() - begin < TTL + GRACE);
	sabir_queue_free(queue);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(test_an_object_ends_in_time),
		TEST(test_an_object_lives_longer_when_it_is_told_to),
		TEST(test_who_waits_learns_of_the_end),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
