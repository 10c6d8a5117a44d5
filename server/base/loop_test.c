/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, timers, and handlers that take others away. */
#include "server/base/loop.h"

#include <CUnit/Basic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/clock.h"

static struct loop loop;
static char order[16];

static int setup(void)
{
	return (int)loop_init(&loop);
}

static int teardown(void)
{
	loop_fini(&loop);
	return 0;
}

static void note(char c)
{
	size_t len = strlen(order);
	if (len + 1 < sizeof(order)) {
		order[len] = c;
		order[len + 1] = 0;
	}
}

struct pair {
	struct loop_fd a, b;
};

static void drop_both(void *context, uint32_t events)
{
	struct pair *pair = context;
	(void)events;
	note('x');
	loop_remove(&loop, &pair->a);
	loop_remove(&loop, &pair->b);
}

static void test_a_handler_runs_while_its_descriptor_is_ready(void)
{
	struct pair pair = { .a = { .fd = -1, .ready = drop_both, .context = &pair }, .b = { .fd = -1 } };
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	order[0] = 0;
	CU_ASSERT_EQUAL(loop_add(&loop, &pair.a, fd, EPOLLIN), SABIR_OK);
	loop_turn(&loop, 0);
	CU_ASSERT_STRING_EQUAL(order, "");
	eventfd_write(fd, 1);
	loop_turn(&loop, CLOCK_NEVER);
	loop_turn(&loop, 0);
	CU_ASSERT_STRING_EQUAL(order, "x");
	close(fd);
}

static void test_what_a_handler_removed_is_not_called_any_more(void)
{
	struct pair pair;
	int fd_a = eventfd(1, EFD_CLOEXEC), fd_b = eventfd(1, EFD_CLOEXEC);
	order[0] = 0;
	pair.a = (struct loop_fd){ .fd = -1, .ready = drop_both, .context = &pair };
	pair.b = pair.a;
	loop_add(&loop, &pair.a, fd_a, EPOLLIN);
	loop_add(&loop, &pair.b, fd_b, EPOLLIN);
	loop_turn(&loop, 0);
	CU_ASSERT_STRING_EQUAL(order, "x"); /* both were ready; whoever came first removed the other */
	close(fd_a);
	close(fd_b);
}

static void test_adding_a_bad_descriptor_is_an_error(void)
{
	struct loop_fd source = { .fd = 5 };
	CU_ASSERT_EQUAL(loop_add(&loop, &source, -1, EPOLLIN), SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT_EQUAL(source.fd, -1);
	loop_remove(&loop, &source);
}

static void fire_a(void *context)
{
	(void)context;
	note('a');
}
static void fire_b(void *context)
{
	(void)context;
	note('b');
}
static void fire_stop(void *context)
{
	(void)context;
	note('s');
	loop_stop(&loop);
}

static void test_timers_fire_once_in_order_of_time(void)
{
	uint64_t now = clock_now();
	struct loop_timer a = { .fire = fire_a }, b = { .fire = fire_b }, stop = { .fire = fire_stop };
	order[0] = 0;
	loop_timer_set(&loop, &stop, now + 3 * CLOCK_MILLISECOND);
	loop_timer_set(&loop, &b, now + 2 * CLOCK_MILLISECOND);
	loop_timer_set(&loop, &a, now + 1 * CLOCK_MILLISECOND);
	loop_run(&loop);
	CU_ASSERT_STRING_EQUAL(order, "abs");
	CU_ASSERT_FALSE(a.armed || b.armed || stop.armed);
	CU_ASSERT_TRUE(clock_now() >= now + 3 * CLOCK_MILLISECOND);
}

static void test_a_timer_can_be_moved_and_cancelled(void)
{
	struct loop_timer a = { .fire = fire_a }, b = { .fire = fire_b }, stop = { .fire = fire_stop };
	order[0] = 0;
	loop_timer_set(&loop, &a, 1);
	loop_timer_set(&loop, &b, 2);
	loop_timer_set(&loop, &stop, 3);
	loop_timer_set(&loop, &a, CLOCK_NEVER);
	loop_timer_set(&loop, &b, 4);
	loop_run(&loop);
	CU_ASSERT_STRING_EQUAL(order, "sb");
	loop_timer_cancel(&loop, &b);
}

static void fire_again(void *context)
{
	note('r');
	loop_timer_set(&loop, context, 1);
}

static void test_a_timer_that_sets_itself_for_the_past_does_not_hold_up_the_loop(void)
{
	struct loop_timer again = { .fire = fire_again };
	order[0] = 0;
	again.context = &again;
	loop_timer_set(&loop, &again, 1);
	loop_turn(&loop, 0);
	CU_ASSERT_STRING_EQUAL(order, "r");
	loop_turn(&loop, CLOCK_NEVER);
	CU_ASSERT_STRING_EQUAL(order, "rr");
	loop_timer_cancel(&loop, &again);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("loop", setup, teardown);
	CU_ADD_TEST(suite, test_a_handler_runs_while_its_descriptor_is_ready);
	CU_ADD_TEST(suite, test_what_a_handler_removed_is_not_called_any_more);
	CU_ADD_TEST(suite, test_adding_a_bad_descriptor_is_an_error);
	CU_ADD_TEST(suite, test_timers_fire_once_in_order_of_time);
	CU_ADD_TEST(suite, test_a_timer_can_be_moved_and_cancelled);
	CU_ADD_TEST(suite, test_a_timer_that_sets_itself_for_the_past_does_not_hold_up_the_loop);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
