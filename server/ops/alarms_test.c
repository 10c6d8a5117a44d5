/* SPDX-License-Identifier: Apache-2.0 */
/* What the server does when its time has come. The clock is moved by the test. */
#include <pthread.h>

#include "server/base/clock.h"
#include "server/objects/dict.h"
#include "server/objects/object_test_kit.h"
#include "server/objects/task_queue.h"
#include "server/ops/alarms.h"

static int setup(void)
{
	return kit_begin(16 << 20);
}

static uint64_t there(uint64_t d)
{
	const struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	return body->count[body->committed & 1];
}

static void a_dict_s_entries_go_at_their_end(void)
{
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	struct dict_entry entry = { { (const uint8_t *)"k", 1 }, { (const uint8_t *)"v", 1 }, 0 };
	struct alarms alarms;
	uint64_t d;
	uint32_t rung;
	CU_ASSERT_FATAL(alarms_init(&alarms, &seg));
	d = kit_make(&spec);
	while (bell_next(&seg, &rung))
		;
	entry.ends = dict_end_after(3600ull * 1000000000u);
	CU_ASSERT_EQUAL(dict_set_entry(&lane, d, &entry, NULL), SABIR_OK);
	CU_ASSERT_FATAL(bell_next(&seg, &rung));
	CU_ASSERT_EQUAL(rung, object_index(d));
	alarms_note(&alarms, &lane, rung);
	CU_ASSERT(alarms_next(&alarms) != CLOCK_NEVER);
	alarms_answer(&alarms, &lane, clock_now());
	CU_ASSERT_EQUAL(there(d), 1);
	task_clock_ahead_ns += 3600ull * 1000000000u;
	alarms_answer(&alarms, &lane, alarms_next(&alarms));
	CU_ASSERT_EQUAL(there(d), 0);
	CU_ASSERT_EQUAL(alarms_next(&alarms), CLOCK_NEVER);
	alarms_fini(&alarms);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

struct maker {
	struct lane lane;
	uint32_t index, done;
};

static void *make_and_delete(void *context)
{
	struct maker *maker = context;
	const struct object_spec spec = { .kind = SEG_KIND_DICT };
	for (int i = 0; i < 2000; i++) {
		uint64_t d;
		if (object_create(&maker->lane, (struct span){ NULL, 0 }, &spec, false, &d))
			break;
		store32_relaxed(&maker->index, object_index(d));
		(void)object_delete(&maker->lane, d);
	}
	store32_release(&maker->done, 1);
	return NULL;
}

/* What is read of a body that is freed meanwhile shows with ThreadSanitizer. */
static void objects_may_come_and_go_while_the_server_looks(void)
{
	struct maker maker = { .lane = kit_lane(&seg) };
	struct alarms alarms;
	pthread_t thread;
	CU_ASSERT_FATAL(alarms_init(&alarms, &seg));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, make_and_delete, &maker), 0);
	while (!load32_acquire(&maker.done)) {
		alarms_note(&alarms, &lane, load32_relaxed(&maker.index));
		CU_ASSERT_EQUAL(alarms_next(&alarms), CLOCK_NEVER); /* none of them has one */
	}
	pthread_join(thread, NULL);
	alarms_fini(&alarms);
	kit_lane_close(&maker.lane);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_dict_s_entries_go_at_their_end),
		KIT_TEST(objects_may_come_and_go_while_the_server_looks),
	};
	return kit_run("alarms", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
