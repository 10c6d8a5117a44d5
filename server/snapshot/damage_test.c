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

static uint64_t elsewhere; /* an object that has nothing to do with the damaged one */

static void damage_over(uint64_t handle)
{
	((struct seg_condition *)body_of(handle))->lock = elsewhere;
}

static void a_condition_over_what_is_no_lock(void)
{
	const struct object_spec lock = { .kind = SEG_KIND_LOCK }, event = { .kind = SEG_KIND_EVENT };
	const uint64_t over = create("lock", &lock);
	elsewhere = create("event", &event);
	is_left_out(&(struct object_spec){ .kind = SEG_KIND_CONDITION, .over = over }, damage_over);
	CU_ASSERT_EQUAL(object_delete(&lane, elsewhere), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, over), SABIR_OK);
}

/* It is as if nobody had asked for its lock: that object is in the file once, as itself. */
static void a_value_whose_lock_is_another_object(void)
{
	const struct object_spec lock = { .kind = SEG_KIND_LOCK };
	const uint64_t other_lock = create("lock", &lock),
		       value = create("value", &(struct object_spec){ .kind = SEG_KIND_VALUE, .type_code = 'i' });
	uint64_t found;
	((struct seg_value *)body_of(value))->lock = other_lock;
	CU_ASSERT_EQUAL(save_and_restore(), 0);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("lock"), &found), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("value"), &found), SABIR_OK);
	forget();
	CU_ASSERT_EQUAL(object_delete(&lane, value), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, other_lock), SABIR_OK);
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

/* A shared list of a text of 100 bytes, whose element has this room: it is not in the file. */
static void is_not_kept_with_room(uint32_t room)
{
	uint8_t list[256], value[VALUE_MAX_HEAD + 100];
	size_t head = value_head_bytes(VALUE_BINARY, 100, value);
	memset(value + head, 'x', 100);
	const size_t len = (size_t)(wire_put_bytes(list, 1, value, head + 100) - list);
	const struct object_spec block = { .kind = SEG_KIND_BLOCK, .length = 64 },
				 spec = { .kind = SEG_KIND_SHARED_LIST, .initial = { list, len } };
	const uint64_t good = create("good", &block), victim = create("list", &spec);
	struct seg_shared_list *body = body_of(victim);
	((struct seg_shared_slot *)(body + 1))->room = room ? room : (uint32_t)(head + 100);
	uint64_t found;
	CU_ASSERT_EQUAL(save_and_restore(), 0);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("good"), &found), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("list"), &found), SABIR_NOT_FOUND);
	forget();
	CU_ASSERT_EQUAL(object_delete(&lane, victim), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, good), SABIR_OK);
}

static void an_element_with_room_for_nothing_but_itself(void)
{
	is_not_kept_with_room(0);
}

/* Legal rooms are VALUE_MAX_HEAD and a multiple of 8. */
static void an_element_with_room_that_none_gets(void)
{
	is_not_kept_with_room(VALUE_MAX_HEAD + 104 - 8);
	is_not_kept_with_room(VALUE_MAX_HEAD + 104 + 1);
}

/* Two texts that have shrunk: a room is written over by one that is larger than an item may be, in a block that holds it. */
static void an_element_with_more_room_than_any_item(void)
{
	const size_t item = 900000;
	uint8_t *list = malloc(2 * item + 64), *value = calloc(1, item + VALUE_MAX_HEAD), *at = list;
	const size_t head = value_head_bytes(VALUE_BINARY, item, value);
	for (int i = 0; i < 2; i++)
		at = wire_put_bytes(at, 1, value, head + item);
	const struct object_spec spec = { .kind = SEG_KIND_SHARED_LIST, .initial = { list, (size_t)(at - list) } };
	const uint64_t victim = create("list", &spec);
	struct seg_shared_list *body = body_of(victim);
	uint64_t found;
	((struct seg_shared_slot *)(body + 1))->room = VALUE_MAX_HEAD + (1 << 20) + 8;
	CU_ASSERT_EQUAL(save_and_restore(), 0);
	CU_ASSERT_EQUAL(object_open(&loader, name_of("list"), &found), SABIR_NOT_FOUND);
	forget();
	CU_ASSERT_EQUAL(object_delete(&lane, victim), SABIR_OK);
	free(list);
	free(value);
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
		KIT_TEST(a_condition_over_what_is_no_lock),
		KIT_TEST(a_value_whose_lock_is_another_object),
		KIT_TEST(a_queue_of_items_that_it_does_not_take),
		KIT_TEST(an_object_whose_name_is_none),
		KIT_TEST(an_element_with_room_for_nothing_but_itself),
		KIT_TEST(an_element_with_room_that_none_gets),
		KIT_TEST(an_element_with_more_room_than_any_item),
		KIT_TEST(an_object_that_is_locked_by_nobody),
	};
	return kit_run("snapshot, damaged objects", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
