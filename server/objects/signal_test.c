/* SPDX-License-Identifier: Apache-2.0 */
/* The event: its flag, waits that remember, and the death of who sets it. */
#include "server/objects/object_test_kit.h"
#include "server/objects/signal.h"

static int setup(void)
{
	return kit_begin(16 << 20);
}

static uint64_t make(void)
{
	struct object_spec spec = { .kind = SEG_KIND_EVENT };
	return kit_make(&spec);
}

static bool is_set(uint64_t event)
{
	bool set = false;
	CU_ASSERT_EQUAL(signal_is_set(&lane, event, &set), SABIR_OK);
	return set;
}

static void it_is_set_until_it_is_cleared(void)
{
	uint64_t event = make(), memory = 0;
	CU_ASSERT_FALSE(is_set(event));
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &memory), SABIR_WOULD_BLOCK);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(signal_set(&lane, event), SABIR_OK);
		CU_ASSERT(is_set(event));
	}
	memory = 0;
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &memory), SABIR_OK);
	CU_ASSERT_EQUAL(signal_clear(&lane, event), SABIR_OK);
	CU_ASSERT_EQUAL(signal_clear(&lane, event), SABIR_OK);
	CU_ASSERT_FALSE(is_set(event));
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &memory), SABIR_WOULD_BLOCK);
}

static void a_wait_ends_though_the_flag_is_cleared_at_once(void)
{
	uint64_t event = make(), early = 0, late = 0;
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &early), SABIR_WOULD_BLOCK);
	CU_ASSERT_FALSE(object_ready(&seg, event, early));
	signal_set(&lane, event);
	signal_clear(&lane, event);
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &late), SABIR_WOULD_BLOCK);
	CU_ASSERT(object_ready(&seg, event, early));
	CU_ASSERT_FALSE(object_ready(&seg, event, late));
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &early), SABIR_OK);
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &late), SABIR_WOULD_BLOCK);
}

static void a_deleted_one_is_ready_to_say_so(void)
{
	uint64_t event = make(), memory = 0;
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &memory), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(object_delete(&lane, event), SABIR_OK);
	CU_ASSERT(object_ready(&seg, event, memory));
	CU_ASSERT_EQUAL(signal_wait(&lane, event, &memory), SABIR_DELETED);
	CU_ASSERT_EQUAL(signal_set(&lane, event), SABIR_DELETED);
}

static void a_damaged_one_says_so(void)
{
	uint64_t event = make();
	seg.objects[object_index(event)].body = 3;
	CU_ASSERT_EQUAL(signal_set(&lane, event), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(signal_clear(&lane, event), SABIR_DATA_LOSS);
}

static void act_set(struct lane *by, void *context)
{
	signal_set(by, *(uint64_t *)context);
}

/* Somebody sleeps; who sets the flag dies between that and the wake-up. */
static void who_waits_survives_the_death_of_who_sets(void)
{
	static const struct kit_step steps[] = {
		{ "signal.set", 1 }, { "event.notifying", 1 }, { "event.flags_taken", 1 }, { "signal.told", 1 }
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t event = make();
		struct seg_event *e = &seg.objects[object_index(event)].event[SEG_EVENT_ITEMS];
		struct lane victim = kit_lane(&seg);
		pid_t pid = fork();
		if (pid == 0) {
			struct lane mine = kit_lane(&seg);
			uint64_t memory = 0;
			for (;;) {
				uint32_t key = event_prepare(e, SEG_WAITING_LOCAL);
				if (signal_wait(&mine, event, &memory) == SABIR_OK)
					_exit(0);
				event_wait(&mine, object_index(event), SEG_EVENT_ITEMS, key, EVENT_FOREVER);
			}
		}
		while (!load32_seq(&e->waiting))
			usleep(100);
		CU_ASSERT(kit_die_at(&steps[i], act_set, &victim, &event));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT(kit_wait(pid) == 0);
		CU_ASSERT(is_set(event));
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(it_is_set_until_it_is_cleared),
		KIT_TEST(a_wait_ends_though_the_flag_is_cleared_at_once),
		KIT_TEST(a_deleted_one_is_ready_to_say_so),
		KIT_TEST(a_damaged_one_says_so),
		KIT_TEST(who_waits_survives_the_death_of_who_sets),
	};
	return kit_run("signal", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
