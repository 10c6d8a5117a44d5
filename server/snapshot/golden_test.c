/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of former versions stay readable: each file of tests/snapshot/golden is restored to what the text beside it says.
 *
 * A new one is made by calling this program with a number that there is none of: golden_test 2. It stays for ever; what the
 * text says may only change together with the text's form.
 */
#include <sys/stat.h>

#include "server/snapshot/test_kit.h"

#define GOLDEN "tests/snapshot/golden/"
#define YEARS (100ull * 365 * 86400 * CLOCK_SECOND)

static struct segment seg;
static struct lane lane;
static struct actor actor;

static void open_world(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_segment(16 << 20, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	actor = lane.actor;
}

static void close_world(void)
{
	kit_lane_close(&lane);
	segment_unmap(&seg);
}

static char *read_text(const char *name)
{
	FILE *file = fopen(name, "re");
	char *text = calloc(1, 1 << 20);
	size_t n = file && text ? fread(text, 1, (1 << 20) - 1, file) : 0;
	CU_ASSERT_TRUE(n > 0);
	if (file)
		fclose(file);
	return text;
}

static void restore_one(unsigned number)
{
	char name[128];
	snprintf(name, sizeof(name), GOLDEN "%u.snapshot", number);
	open_world();
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL(kit_load(&lane, open(name, O_RDONLY | O_CLOEXEC)), SABIR_OK);
	lane.actor = actor;
	snprintf(name, sizeof(name), GOLDEN "%u.text", number);
	char *wanted = read_text(name), *found = text_of(&lane, true);
	CU_ASSERT_STRING_EQUAL(wanted, found);
	free(wanted);
	free(found);
	close_world();
}

static void test_files_of_former_versions_are_restored(void)
{
	char name[128];
	struct stat st;
	unsigned n = 1;
	for (;; n++) {
		snprintf(name, sizeof(name), GOLDEN "%u.snapshot", n);
		if (stat(name, &st))
			break;
		restore_one(n);
	}
	CU_ASSERT_TRUE(n > 1);
}

/* ---------------------------------------------------------------- making one */

static uint64_t make(const char *name, struct object_spec spec)
{
	uint64_t handle = 0;
	struct span text = { (const uint8_t *)name, strlen(name) };
	CU_ASSERT_EQUAL(object_create(&lane, text, &spec, false, &handle), SABIR_OK);
	return handle;
}

static struct span number(int64_t n, uint8_t *to)
{
	return (struct span){ to, value_put_int(n, to) };
}

static struct span ref(uint64_t handle, uint8_t *to)
{
	uint8_t *at = to + 2;
	*at++ = WIRE_TAG(2, WIRE_VARINT);
	at = wire_put_varint(at, handle);
	to[0] = WIRE_TAG(VALUE_OBJECT, WIRE_LEN);
	to[1] = (uint8_t)(at - to - 2);
	return (struct span){ to, (size_t)(at - to) };
}

static void make_queues(void)
{
	uint64_t q = make("queue", (struct object_spec){ .kind = SEG_KIND_QUEUE, .max_items = 5 }), queue;
	uint64_t t = make("tasks", (struct object_spec){ .kind = SEG_KIND_TASK_QUEUE,
							 .dead_letter = { (const uint8_t *)"dead", 4 },
							 .task = { .discipline = SEG_TASK_PRIORITY,
								   .joinable = true,
								   .max_attempts = 3,
								   .dedup_window_ns = YEARS } });
	uint64_t pipe = make("pipe", (struct object_spec){ .kind = SEG_KIND_PIPE });
	struct bytes out = { 0 };
	struct task_lease lease;
	uint32_t accepted;
	bool duplicate;
	CU_ASSERT_EQUAL(pipe_open(&lane, pipe, 0), SABIR_OK);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t value[16], id = (uint8_t)('a' + i);
		struct queue_item item = { .body = number(i, value) };
		struct task_put how = { .priority = -(int64_t)i, .ttl_ns = YEARS, .id = { &id, 1 } };
		how.delay_ns = i == 1 ? YEARS : 0;
		CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
		CU_ASSERT_EQUAL(task_queue_put(&lane, t, &item, 1, &how, &accepted, &duplicate), SABIR_OK);
		CU_ASSERT_EQUAL(pipe_send(&lane, pipe, 0, &item, &queue), SABIR_OK);
	}
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(task_queue_get(&lane, t, 1, YEARS, &out, &lease), SABIR_OK);
	bytes_fini(&out);
}

static void make_containers(void)
{
	uint64_t hidden = make("", (struct object_spec){ .kind = SEG_KIND_LIST });
	uint64_t dict = make("dict", (struct object_spec){ .kind = SEG_KIND_DICT });
	uint64_t space = make("space", (struct object_spec){ .kind = SEG_KIND_NAMESPACE });
	uint8_t a[16], b[16], key[NAMESPACE_KEY_MAX], all[64], *at = all;
	struct dict_entry entry = { number(1, a), ref(hidden, b), dict_end_after(YEARS) };
	struct span name;
	bool inserted;
	CU_ASSERT_EQUAL(dict_set_entry(&lane, dict, &entry, &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(dict_set(&lane, dict, number(2, a), ref(dict, b), &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(list_append(&lane, hidden, number(4711, a), NULL), SABIR_OK);
	CU_ASSERT_EQUAL(namespace_key((struct span){ (const uint8_t *)"x", 1 }, key, &name), SABIR_OK);
	CU_ASSERT_EQUAL(dict_set(&lane, space, name, number(7, a), &inserted), SABIR_OK);
	struct span element = number(1, a);
	at = wire_put_bytes(at, 1, element.data, element.len);
	element = (struct span){ b, value_head_bytes(VALUE_BINARY, 0, b) };
	at = wire_put_bytes(at, 1, element.data, element.len);
	(void)make("shared",
		   (struct object_spec){ .kind = SEG_KIND_SHARED_LIST, .initial = { all, (size_t)(at - all) } });
}

static void make_numbers(void)
{
	uint64_t value = make("value", (struct object_spec){ .kind = SEG_KIND_VALUE, .type_code = 'd' }), lock;
	uint64_t array = make("array", (struct object_spec){ .kind = SEG_KIND_ARRAY, .type_code = 'h', .length = 9 });
	uint64_t block = make("block", (struct object_spec){ .kind = SEG_KIND_BLOCK, .length = 10 });
	struct scalar real = { .kind = SCALAR_REAL, .d = 1.5 }, integer = { .kind = SCALAR_INT, .i = -3 };
	struct mutex_hold hold;
	CU_ASSERT_EQUAL(value_set(&lane, value, &real), SABIR_OK);
	CU_ASSERT_EQUAL(value_get_lock(&lane, value, &lock), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &hold), SABIR_OK);
	CU_ASSERT_EQUAL(array_set(&lane, array, 8, &integer), SABIR_OK);
	CU_ASSERT_EQUAL(memory_write(&lane, block, 3, (struct span){ (const uint8_t *)"bytes", 5 }), SABIR_OK);
}

static void make_meetings(void)
{
	uint64_t lock = make("lock", (struct object_spec){ .kind = SEG_KIND_LOCK, .flags = SEG_LOCK_STRICT });
	uint64_t again = make("rlock", (struct object_spec){ .kind = SEG_KIND_RLOCK });
	uint64_t event = make("event", (struct object_spec){ .kind = SEG_KIND_EVENT });
	uint64_t barrier = make("barrier", (struct object_spec){ .kind = SEG_KIND_BARRIER, .length = 3 });
	uint64_t units = make("semaphore", (struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .length = 4 });
	struct mutex_hold hold;
	(void)make("condition", (struct object_spec){ .kind = SEG_KIND_CONDITION, .over = again });
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &hold), SABIR_OK);
	CU_ASSERT_EQUAL(signal_set(&lane, event), SABIR_OK);
	CU_ASSERT_EQUAL(barrier_abort(&lane, barrier), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&lane, units), SABIR_OK);
}

/* The file, and the text of what it is restored to, which is to be looked at before it is committed. */
static unsigned wanted;

static void make_golden(void)
{
	const unsigned n = wanted;
	char name[128], from[FOLDER_NAME_SIZE];
	struct folder folder;
	snprintf(name, sizeof(name), GOLDEN "%u.snapshot", n);
	CU_ASSERT_EQUAL_FATAL(folder_open(GOLDEN, name, sizeof(name), &folder), SABIR_OK);
	open_world();
	make_queues();
	make_containers();
	make_numbers();
	make_meetings();
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, n), SABIR_OK);
	close_world();
	folder_name(n, from);
	snprintf(name, sizeof(name), "%u.snapshot", n);
	CU_ASSERT_EQUAL(renameat(folder.fd, from, folder.fd, name), 0);
	open_world();
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL(kit_load(&lane, openat(folder.fd, name, O_RDONLY | O_CLOEXEC)), SABIR_OK);
	lane.actor = actor;
	char *text = text_of(&lane, true);
	snprintf(name, sizeof(name), GOLDEN "%u.text", n);
	FILE *file = fopen(name, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
	free(text);
	folder_close(&folder);
	close_world();
}

int main(int argc, char **argv)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(test_files_of_former_versions_are_restored),
	};
	const CU_TestInfo make_it[] = { { "make", make_golden } };
	wanted = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	if (wanted)
		return kit_run("snapshot/golden", NULL, NULL, make_it, 1);
	return kit_run("snapshot/golden", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
