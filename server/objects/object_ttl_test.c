/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that end by themselves. */
#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/object.h"

#include <CUnit/Basic.h>
#include <sys/wait.h>

#include "server/objects/object_test_kit.h"

#define TTL (10 * CLOCK_SECOND)

static int setup(void)
{
	return kit_begin(16 << 20);
}

static uint64_t make_named(const char *name, uint64_t ttl_ns)
{
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE, .ttl_ns = ttl_ns };
	uint64_t handle = 0;
	struct span text = { (const uint8_t *)name, strlen(name) };
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, text, &spec, false, &handle), SABIR_OK);
	return handle;
}

static bool lives(uint64_t handle)
{
	struct object_info info;
	return object_describe(&lane, handle, &info) == SABIR_OK;
}

static void test_an_object_ends_at_its_time_and_not_before(void)
{
	uint64_t now = clock_now(), handle = make_named("t/1", TTL);
	uint64_t next = object_ttl_next(&seg);
	CU_ASSERT(next >= now + TTL && next <= clock_now() + TTL);
	object_ttl_expire(&lane, next - 1);
	CU_ASSERT(lives(handle) && object_ttl_next(&seg) == next);
	object_ttl_expire(&lane, next);
	CU_ASSERT(!lives(handle) && object_ttl_next(&seg) == CLOCK_NEVER);
}

static void test_the_end_can_be_put_off_and_given_up(void)
{
	struct object_info info;
	uint64_t handle = make_named("t/2", TTL);
	CU_ASSERT_EQUAL(object_set_ttl(&lane, handle, 3 * TTL), SABIR_OK);
	object_ttl_expire(&lane, clock_now() + 2 * TTL);
	CU_ASSERT_FATAL(object_describe(&lane, handle, &info) == SABIR_OK);
	CU_ASSERT(info.ttl_ns > 2 * TTL && info.ttl_ns <= 3 * TTL);
	CU_ASSERT_EQUAL(object_set_ttl(&lane, handle, 0), SABIR_OK);
	object_ttl_expire(&lane, clock_now() + 4 * TTL);
	CU_ASSERT(object_describe(&lane, handle, &info) == SABIR_OK && !info.ttl_ns);
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	CU_ASSERT_EQUAL(object_set_ttl(&lane, handle, TTL), SABIR_DELETED);
}

static void test_the_first_of_several_ends_counts(void)
{
	uint64_t late = make_named("t/3", 2 * TTL), soon = make_named("t/4", TTL), never = make_named("t/5", 0);
	object_ttl_expire(&lane, clock_now() + TTL);
	CU_ASSERT(lives(late) && !lives(soon) && lives(never));
	CU_ASSERT(object_ttl_next(&seg) != CLOCK_NEVER);
	object_ttl_expire(&lane, clock_now() + 2 * TTL);
	CU_ASSERT(!lives(late) && lives(never));
	CU_ASSERT_EQUAL(object_delete(&lane, never), SABIR_OK);
}

/* Whoever calls it has others to look after. */
static void test_many_that_end_at_once_leave_time_for_others(void)
{
	enum { MANY = OBJECT_TTL_AT_ONCE + 20 };
	uint64_t handles[MANY], over_ns = clock_now() + 2 * TTL;
	unsigned n_alive = 0;
	for (unsigned i = 0; i < MANY; i++) {
		char name[16];
		snprintf(name, sizeof(name), "many/%u", i);
		handles[i] = make_named(name, TTL);
	}
	object_ttl_expire(&lane, over_ns);
	for (unsigned i = 0; i < MANY; i++)
		n_alive += lives(handles[i]);
	CU_ASSERT(n_alive == 20 && object_ttl_next(&seg) <= over_ns);
	object_ttl_expire(&lane, over_ns);
	for (unsigned i = 0; i < MANY; i++)
		CU_ASSERT(!lives(handles[i]));
	CU_ASSERT(object_ttl_next(&seg) == CLOCK_NEVER);
}

/* A process that dies with an object made and its end not announced. */
static void test_the_death_of_a_maker_loses_no_end(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE, .ttl_ns = TTL };
	uint32_t owner;
	uint64_t handle;
	CU_ASSERT_EQUAL_FATAL(owner_open(&seg, 0, "maker", &owner), SABIR_OK);
	pid_t child = fork();
	if (!child) {
		struct lane own;
		if (lane_open(&seg, owner, &own) == SABIR_OK) {
			fault_kill_at("object_create.live", 1);
			(void)object_create(&own, (struct span){ NULL, 0 }, &spec, false, &handle);
		}
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	CU_ASSERT_TRUE(WIFSIGNALED(status));
	CU_ASSERT_EQUAL(object_ttl_next(&seg), CLOCK_NEVER);
	CU_ASSERT_EQUAL(owner_recover(&lane, owner), SABIR_OK);
	CU_ASSERT_NOT_EQUAL(object_ttl_next(&seg), CLOCK_NEVER);
	object_ttl_expire(&lane, clock_now() + TTL);
	object_ttl_expire(&lane, clock_now() + TTL);
	CU_ASSERT_EQUAL(object_ttl_next(&seg), CLOCK_NEVER);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("object_ttl", setup, kit_end);
	CU_ADD_TEST(suite, test_an_object_ends_at_its_time_and_not_before);
	CU_ADD_TEST(suite, test_the_end_can_be_put_off_and_given_up);
	CU_ADD_TEST(suite, test_the_first_of_several_ends_counts);
	CU_ADD_TEST(suite, test_many_that_end_at_once_leave_time_for_others);
	CU_ADD_TEST(suite, test_the_death_of_a_maker_loses_no_end);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
