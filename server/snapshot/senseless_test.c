/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files with an object in them that can't be: it is left out with its parts, and the others are restored. */
#include "proto/snapshot/snapshot.h"
#include "server/snapshot/test_kit.h"
#include "server/snapshot/writer.h"

static struct segment seg;
static struct lane lane;
static char path[64];
static struct folder folder;
static struct writer writer;
static uint64_t n_objects, n_frames;

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static void put(uint32_t type, struct message *m)
{
	CU_ASSERT_EQUAL(writer_frame(&writer, type, (struct span){ m->data, m->len }), SABIR_OK);
	n_objects += type == SNAPSHOT_OBJECT;
	n_frames++;
	message_fini(m);
}

static void put_object(const struct record_object *object)
{
	struct message m = { NULL, 0, 0, false };
	record_put_object(&m, object);
	put(SNAPSHOT_OBJECT, &m);
}

static void put_entry(const struct record_entry *entry)
{
	struct message m = { NULL, 0, 0, false };
	record_put_entry(&m, entry);
	put(SNAPSHOT_CONTENT, &m);
}

static void begin(void)
{
	struct message none = { NULL, 0, 0, false };
	CU_ASSERT_EQUAL_FATAL(kit_segment(16 << 20, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	kit_folder(path, &folder);
	n_objects = n_frames = 0;
	CU_ASSERT_EQUAL(writer_open(&writer, folder.fd, 1), SABIR_OK);
	put(SNAPSHOT_BEGIN, &none);
}

/* The file with one more object, restored. */
static struct load_result restored(void)
{
	struct load_result result = { .n_damaged = 0 };
	struct message m = { NULL, 0, 0, false };
	uint64_t found;
	put_object(&(struct record_object){ .id = 99, .kind = SEG_KIND_EVENT, .name = text("good"), .order = 9 });
	record_put_end(&m, &(struct record_end){ n_objects, n_frames });
	put(SNAPSHOT_END, &m);
	CU_ASSERT_EQUAL(writer_commit(&writer), SABIR_OK);
	writer_close(&writer);
	CU_ASSERT_EQUAL(kit_load_result(&lane, kit_open(&folder, 1), &result), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, text("good"), &found), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, text("damaged"), &found), SABIR_NOT_FOUND);
	kit_remove(path, &folder);
	lane_close(&lane);
	segment_unmap(&seg);
	CU_ASSERT_EQUAL(result.n_objects, 1);
	return result;
}

/* How many are left out. */
static uint64_t end(void)
{
	return restored().n_damaged;
}

static void an_element_that_is_larger_than_its_room(void)
{
	uint8_t value[VALUE_MAX_HEAD + 100];
	size_t head = value_head_bytes(VALUE_BINARY, 100, value);
	memset(value + head, 'x', 100);
	begin();
	put_object(
		&(struct record_object){ .id = 1, .kind = SEG_KIND_SHARED_LIST, .name = text("damaged"), .order = 1 });
	put_entry(&(struct record_entry){ .value = { value, head + 100 }, .room = (uint32_t)head + 100 });
	CU_ASSERT_EQUAL(end(), 1);
}

/* The lock comes behind its value in the file, and is gone with it. */
static void a_value_that_none_can_have_and_its_lock(void)
{
	begin();
	put_object(&(struct record_object){ .id = 1,
					    .kind = SEG_KIND_VALUE,
					    .name = text("damaged"),
					    .order = 1,
					    .type_code = 'u',
					    .bits = UINT32_MAX });
	put_object(&(struct record_object){ .id = 2, .kind = SEG_KIND_RLOCK, .part_of = 1 });
	CU_ASSERT_EQUAL(end(), 1);
}

/* A condition named "damaged" over the object 1, in front of it or behind it in the file. */
static void put_condition(void)
{
	put_object(&(struct record_object){
		.id = 2, .kind = SEG_KIND_CONDITION, .name = text("damaged"), .order = 2, .over = 1 });
}

static void expect_without_lock(uint64_t n_damaged)
{
	struct load_result result = restored();
	CU_ASSERT_EQUAL(result.n_damaged, n_damaged);
	CU_ASSERT_EQUAL(result.n_lockless, 1);
	CU_ASSERT_STRING_EQUAL(result.lockless, "damaged");
}

/* Such a lock can be made, and is found out when it is filled: by then the condition is there. */
static void a_lock_that_has_counted_too_far_and_its_condition(void)
{
	for (int behind = 0; behind < 2; behind++) {
		begin();
		if (!behind)
			put_condition();
		put_object(&(struct record_object){
			.id = 1, .kind = SEG_KIND_LOCK, .name = text("lock"), .order = 1, .token = UINT64_MAX });
		if (behind)
			put_condition();
		expect_without_lock(1);
	}
}

static void a_value_that_none_can_have_and_the_condition_over_its_lock(void)
{
	begin();
	put_object(&(struct record_object){ .id = 3, .kind = SEG_KIND_VALUE, .type_code = 'u', .bits = UINT32_MAX });
	put_object(&(struct record_object){ .id = 1, .kind = SEG_KIND_RLOCK, .part_of = 3 });
	put_condition();
	expect_without_lock(1);
}

/* It was damaged when the snapshot was written, or deleted meanwhile. */
static void a_condition_whose_lock_is_not_in_the_file(void)
{
	begin();
	put_condition();
	expect_without_lock(0);
}

static void ids_in_another_order(void)
{
	begin();
	put_object(&(struct record_object){ .id = 1,
					    .kind = SEG_KIND_TASK_QUEUE,
					    .name = text("damaged"),
					    .order = 1,
					    .discipline = SEG_TASK_FIFO,
					    .dedup_window_ns = UINT32_MAX,
					    .next_ordinal = 9 });
	put_entry(&(struct record_entry){ .id = text("two"), .ordinal = 2, .ends_unix_ns = INT64_MAX });
	put_entry(&(struct record_entry){ .id = text("one"), .ordinal = 1, .ends_unix_ns = INT64_MAX });
	CU_ASSERT_EQUAL(end(), 1);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(an_element_that_is_larger_than_its_room),
		KIT_TEST(a_value_that_none_can_have_and_its_lock),
		KIT_TEST(a_lock_that_has_counted_too_far_and_its_condition),
		KIT_TEST(a_value_that_none_can_have_and_the_condition_over_its_lock),
		KIT_TEST(a_condition_whose_lock_is_not_in_the_file),
		KIT_TEST(ids_in_another_order),
	};
	return kit_run("snapshot, files that make no sense", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
