/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's thread: how soon it looks again. */
#include "server/main/collector.h"

#include <time.h>

#include "server/base/clock.h"
#include "server/objects/recover_test_kit.h"

#define SOON (10 * CLOCK_SECOND)

static struct segment seg;
static struct lane lane, other;

static int setup(void)
{
	if (kit_segment(64 << 20, &seg))
		return -1;
	lane = kit_lane(&seg);
	return lane_open(&seg, lane.owner, &other) || object_init_directory(&lane) ? -1 : 0;
}

static int teardown(void)
{
	lane_close(&other);
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

static void pause_a_moment(void)
{
	const struct timespec moment = { 0, CLOCK_MILLISECOND };
	nanosleep(&moment, NULL);
}

static uint64_t make_without_a_name(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'q', .length = 1 };
	uint64_t handle = 0;
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &handle), SABIR_OK);
	return handle;
}

static bool ends_soon(uint64_t handle)
{
	const uint64_t *word = &seg.objects[object_index(handle)].word;
	uint64_t until_ns = clock_deadline(SOON);
	while (object_state(load64_acquire(word)) == SEG_OBJECT_LIVE && clock_now() < until_ns)
		pause_a_moment();
	return object_state(load64_acquire(word)) != SEG_OBJECT_LIVE;
}

/* Somebody is stopped within an operation: the look waits for him, which is no work to rest from. */
static void test_a_look_that_waited_does_not_put_off_the_next(void)
{
	uint64_t handle = make_without_a_name(), cycle = load64_relaxed(&seg.header->cycle);
	lane_begin(&other, SEG_OP_READ, 0);
	struct collector_thread *t = collector_start(&seg, lane.owner, 50 * CLOCK_MILLISECOND);
	CU_ASSERT_FATAL(t != NULL);
	while (load64_acquire(&seg.header->cycle) == cycle)
		pause_a_moment();
	/* A second of it would be rested from for twenty. */
	for (uint64_t until_ns = clock_deadline(CLOCK_SECOND); clock_now() < until_ns;)
		pause_a_moment();
	lane_end(&other);
	CU_ASSERT(ends_soon(handle));
	collector_stop(t);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("collector", setup, teardown);
	CU_ADD_TEST(suite, test_a_look_that_waited_does_not_put_off_the_next);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
