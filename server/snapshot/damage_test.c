/* SPDX-License-Identifier: Apache-2.0 */
/* A faulty program writes over an object, and nobody notices before it is saved: the others come back without it. */
#include "server/snapshot/test_kit.h"

static struct segment seg, other;
static struct lane lane, loader;
static char path[64];
static struct folder folder;

static int setup(void)
{
	if (kit_segment(16 << 20, &seg))
		return -1;
	lane = kit_lane(&seg);
	lane.lock_patience_ns = CLOCK_MILLISECOND;
	return object_init_directory(&lane) ? -1 : 0;
}

static int teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

static struct span name_of(const char *name)
{
	return (struct span){ (const uint8_t *)name, strlen(name) };
}

static uint64_t create(const char *name, const struct object_spec *spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, name_of(name), spec, false, &handle), SABIR_OK);
	return handle;
}

static void *body_of(uint64_t handle)
{
	return segment_at(&seg, seg.objects[object_index(handle)].body, SEG_LINE);
}

/* The memory of a server that starts from a snapshot of what there is. How many objects are left out. */
static uint64_t save_and_restore(void)
{
	struct load_result result = { .n_damaged = 0 };
	kit_folder(path, &folder);
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(kit_segment(16 << 20, &other), SABIR_OK);
	loader = kit_lane(&other);
	CU_ASSERT_EQUAL(object_init_directory(&loader), SABIR_OK);
	loader.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL(kit_load_result(&loader, kit_open(&folder, 1), &result), SABIR_OK);
	return result.n_damaged;
}

static void forget(void)
{
	lane_close(&loader);
	segment_unmap(&other);
	kit_remove(path, &folder);
}

/* Objects made before and behind it are there; it is not. */
static void is_left_out(const struct object_spec *spec, void (*damage)(uint64_t handle))
{
	const struct object_spec event = { .kind = SEG_KIND_EVENT };
	const uint64_t handles[] = { create("a", &event), create("damaged", spec), create("z", &event) };
	uint64_t found;
	damage(handles[1]);
	CU_ASSERT_EQUAL(save_and_restore(), 1);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("a"), &found), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("z"), &found), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("damaged"), &found), SABIR_NOT_FOUND);
	forget();
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(object_delete(&lane, handles[i]), SABIR_OK);
}

/* ---------------------------------------------------------------- the damages */

static void damage_token(uint64_t handle)
{
	((struct seg_mutex *)body_of(handle))->token |= 1ull << 62;
}

static void a_lock_that_has_counted_too_far(void)
{
	is_left_out(&(struct object_spec){ .kind = SEG_KIND_LOCK }, damage_token);
}

static void damage_units(uint64_t handle)
{
	((struct seg_semaphore *)body_of(handle))->value = 17;
}

static void a_bounded_semaphore_above_its_bound(void)
{
	is_left_out(&(struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .length = 3, .flags = SEG_SEMAPHORE_BOUNDED },
		    damage_units);
}

static void damage_parties(uint64_t handle)
{
	((struct seg_barrier *)body_of(handle))->parties = 0;
}

static void a_barrier_for_nobody(void)
{
	is_left_out(&(struct object_spec){ .kind = SEG_KIND_BARRIER, .length = 3 }, damage_parties);
}

static void damage_order(uint64_t handle)
{
	((struct seg_task_queue *)body_of(handle))->discipline = 77;
}

static void a_task_queue_of_no_order(void)
{
	is_left_out(&(struct object_spec){ .kind = SEG_KIND_TASK_QUEUE, .task = { .discipline = SEG_TASK_FIFO } },
		    damage_order);
}

static void damage_limit(uint64_t handle)
{
	struct queue_item item = { .body = { (const uint8_t *)"0123456789", 10 } };
	CU_ASSERT_EQUAL(queue_put_one(&lane, handle, &item), SABIR_OK);
	((struct seg_queue *)body_of(handle))->max_item_bytes = 1;
}

static void a_queue_of_items_that_it_does_not_take(void)
{
	is_left_out(&(struct object_spec){ .kind = SEG_KIND_QUEUE }, damage_limit);
}

static void an_object_that_is_locked_by_nobody(void)
{
	const struct object_spec event = { .kind = SEG_KIND_EVENT },
				 tasks = { .kind = SEG_KIND_TASK_QUEUE, .task = { .discipline = SEG_TASK_FIFO } },
				 lock = { .kind = SEG_KIND_LOCK };
	uint64_t good = create("good", &event), found;
	const uint64_t victims[] = { create("tasks", &tasks), create("lock", &lock) };
	const uint64_t words[] = { 1ull << 40, SEG_MAX_LANES };
	for (int i = 0; i < 2; i++)
		seg.objects[object_index(victims[i])].lock = words[i];
	CU_ASSERT_EQUAL(save_and_restore(), 0); /* they are not in the file */
	CU_ASSERT_EQUAL(object_open(&loader, name_of("good"), &found), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("tasks"), &found), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("lock"), &found), SABIR_NOT_FOUND);
	forget();
	for (int i = 0; i < 2; i++) {
		seg.objects[object_index(victims[i])].lock = 0;
		CU_ASSERT_EQUAL(object_delete(&lane, victims[i]), SABIR_OK);
	}
	CU_ASSERT_EQUAL(object_delete(&lane, good), SABIR_OK);
}

static void damage_name(uint64_t handle)
{
	struct seg_block *name = segment_at(&seg, seg.objects[object_index(handle)].name, SEG_LINE);
	((uint8_t *)(name + 1))[2] = 0xff;
}

static void an_object_whose_name_is_none(void)
{
	const struct object_spec event = { .kind = SEG_KIND_EVENT };
	uint64_t handle = create("good", &event), found, victim = create("victim", &event);
	damage_name(victim);
	CU_ASSERT_EQUAL(save_and_restore(), 1);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("good"), &found), SABIR_OK);
	forget();
	(void)object_delete(&lane, victim);
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_lock_that_has_counted_too_far),
		KIT_TEST(a_bounded_semaphore_above_its_bound),
		KIT_TEST(a_barrier_for_nobody),
		KIT_TEST(a_task_queue_of_no_order),
		KIT_TEST(a_queue_of_items_that_it_does_not_take),
		KIT_TEST(an_object_whose_name_is_none),
		KIT_TEST(an_object_that_is_locked_by_nobody),
	};
	return kit_run("snapshot, damaged objects", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
