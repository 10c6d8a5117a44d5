/* SPDX-License-Identifier: Apache-2.0 */
/* Names when somebody holds the directory's lock and does not go on, or writes over what is to become part of it. */
#include "server/objects/dict.h"
#include "server/objects/object.h"
#include "server/objects/object_test_kit.h"

#define DIRECTORY ((uint64_t)1 << 32)

static struct lane holder;
static const struct span name = { (const uint8_t *)"n", 1 };
static const struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'q' };

static int setup(void)
{
	if (kit_begin(16 << 20))
		return -1;
	holder = kit_lane(&seg);
	lane.lock_rings = true;
	return 0;
}

static int teardown(void)
{
	kit_lane_close(&holder);
	return kit_end();
}

static uint64_t n_names(void)
{
	uint64_t n = UINT64_MAX;
	lane.directory = true;
	CU_ASSERT_EQUAL(dict_len(&lane, DIRECTORY, &n), SABIR_OK);
	lane.directory = false;
	return n;
}

static void a_name_that_a_delete_left_goes_with_the_sweep(void)
{
	uint64_t handle, found;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, name, &spec, false, &handle), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&holder, &seg.objects[0].lock), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, name, &found), SABIR_NOT_FOUND);
	object_sweep(&lane);
	CU_ASSERT_EQUAL(n_names(), 1);
	kit_let_go(&holder, &seg.objects[0].lock);
	object_sweep(&lane);
	CU_ASSERT_EQUAL(n_names(), 0);
	CU_ASSERT_EQUAL(load64_acquire(&seg.objects[object_index(handle)].word) & 15, SEG_OBJECT_FREE);
}

static void act_create(struct lane *by, void *context)
{
	uint64_t handle;
	(void)context;
	(void)object_create(by, name, &spec, false, &handle);
}

static void a_create_that_is_refused_leaves_nothing_whenever_its_maker_dies(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	CU_ASSERT_EQUAL(kit_hold(&holder, &seg.objects[0].lock), SABIR_OK);
	CU_ASSERT(kit_list_steps(steps, act_create, &lane, NULL));
	kit_let_go(&holder, &seg.objects[0].lock);
	kit_settle(&lane);
	uint32_t n = kit_count_objects(&seg);
	for (unsigned i = 0; i < steps->n; i++) {
		struct lane victim = kit_lane(&seg);
		victim.lock_rings = true;
		CU_ASSERT_EQUAL(kit_hold(&holder, &seg.objects[0].lock), SABIR_OK);
		(void)kit_die_at(&steps->at[i], act_create, &victim, NULL);
		kit_let_go(&holder, &seg.objects[0].lock);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		kit_settle(&lane);
		CU_ASSERT_EQUAL(kit_count_objects(&seg), n);
	}
	munmap(steps, sizeof(*steps));
}

static void a_name_that_was_given_anew_stays(void)
{
	uint64_t old, new, found = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, name, &spec, false, &old), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&holder, &seg.objects[0].lock), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, old), SABIR_OK);
	kit_let_go(&holder, &seg.objects[0].lock);
	CU_ASSERT_EQUAL(object_create(&lane, name, &spec, false, &new), SABIR_OK);
	object_sweep(&lane);
	CU_ASSERT_EQUAL(object_open(&lane, name, &found), SABIR_OK);
	CU_ASSERT_EQUAL(found, new);
	CU_ASSERT_EQUAL(object_delete(&lane, new), SABIR_OK);
	CU_ASSERT_EQUAL(n_names(), 0);
}

/* The old object's delete could not take the name off. */
static void a_name_that_was_given_anew_stands_behind_the_others(void)
{
	const struct span second = { (const uint8_t *)"second", 6 };
	uint64_t old, other, new, cursor = 0;
	struct object_info infos[4];
	uint32_t n = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, name, &spec, false, &old), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, second, &spec, false, &other), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&holder, &seg.objects[0].lock), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, old), SABIR_OK);
	kit_let_go(&holder, &seg.objects[0].lock);
	CU_ASSERT_EQUAL(object_create(&lane, name, &spec, false, &new), SABIR_OK);
	CU_ASSERT_EQUAL(object_list(&lane, (struct span){ NULL, 0 }, 0, &cursor, infos, 4, &n), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_EQUAL(infos[0].handle, other);
	CU_ASSERT_EQUAL(infos[1].handle, new);
	CU_ASSERT_EQUAL(object_delete(&lane, new), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
	object_sweep(&lane);
	CU_ASSERT_EQUAL(n_names(), 0);
}

static void a_create_that_meets_the_lock_leaves_nothing(void)
{
	uint64_t handle;
	CU_ASSERT_EQUAL(kit_hold(&holder, &seg.objects[0].lock), SABIR_OK);
	CU_ASSERT_EQUAL(object_create(&lane, name, &spec, false, &handle), SABIR_BUSY);
	CU_ASSERT_EQUAL(lane.busy_object, 0);
	kit_let_go(&holder, &seg.objects[0].lock);
	object_sweep(&lane);
	CU_ASSERT_EQUAL(object_open(&lane, name, &handle), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(n_names(), 0);
	for (uint32_t i = 1; i < seg.n_objects; i++)
		CU_ASSERT_EQUAL(load64_acquire(&seg.objects[i].word) & 15, SEG_OBJECT_FREE);
}

/* Somebody writes over what is in the lane's hand, but for what says whose it is. */
static void strike(const char *step, void *context)
{
	if (strcmp(step, "dict_write.prepared") != 0 && strcmp(step, "dict_index.table_made") != 0)
		return;
	for (unsigned i = 0; i < SEG_HAND_REFS; i++) {
		uint32_t ref = lane.shared->hand[i];
		uint64_t *block = ref ? segment_at(&seg, ref, sizeof(*block)) : NULL;
		if (!block || !block_is_private(*block, lane.id) || !lane.directory)
			continue;
		memset(block + 1, 0xa5, block_size(&seg, ref) - sizeof(*block));
		++*(unsigned *)context;
	}
}

/* What is made part of the directory is everybody's from then on. */
static void what_is_written_over_in_a_hand_does_not_come_into_the_directory(void)
{
	uint64_t handles[100], found;
	unsigned n_struck = 0;
	for (unsigned i = 0; i < 100; i++) {
		char text[16];
		struct span each = { (const uint8_t *)text, (size_t)snprintf(text, sizeof(text), "each/%u", i) };
		fault_trace(strike, &n_struck);
		CU_ASSERT_EQUAL_FATAL(object_create(&lane, each, &spec, false, &handles[i]), SABIR_OK);
		fault_trace(NULL, NULL);
		CU_ASSERT(object_open(&lane, each, &found) == SABIR_OK && found == handles[i]);
	}
	CU_ASSERT(n_struck > 100);
	CU_ASSERT_EQUAL(n_names(), 100);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(object_delete(&lane, handles[i]), SABIR_OK);
	CU_ASSERT_EQUAL(n_names(), 0);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_name_that_a_delete_left_goes_with_the_sweep),
		KIT_TEST(a_create_that_is_refused_leaves_nothing_whenever_its_maker_dies),
		KIT_TEST(a_name_that_was_given_anew_stays),
		KIT_TEST(a_name_that_was_given_anew_stands_behind_the_others),
		KIT_TEST(a_create_that_meets_the_lock_leaves_nothing),
		KIT_TEST(what_is_written_over_in_a_hand_does_not_come_into_the_directory),
	};
	return kit_run("object, names", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
