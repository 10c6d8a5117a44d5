/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files: what is torn or damaged anywhere is refused, and whoever dies while he writes one leaves what was there.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "proto/snapshot/snapshot.h"
#include "server/snapshot/test_kit.h"
#include "server/snapshot/writer.h"

static struct segment seg;
static struct lane lane;
static char path[64];
static struct folder folder;

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static uint64_t make(const char *name, struct object_spec spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, text(name), &spec, false, &handle), SABIR_OK);
	return handle;
}

static void put(uint64_t q, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t value[VALUE_MAX_HEAD];
		struct queue_item item = { .body = { value, value_put_int((int64_t)i, value) } };
		uint32_t accepted;
		CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
	}
}

static void open_world(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_segment(32 << 20, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	kit_folder(path, &folder);
	put(make("jobs", (struct object_spec){ .kind = SEG_KIND_QUEUE }), 20);
	(void)make("lock", (struct object_spec){ .kind = SEG_KIND_LOCK });
}

static void close_world(void)
{
	kit_remove(path, &folder);
	lane_close(&lane);
	segment_unmap(&seg);
}

static uint8_t *read_file(uint64_t number, size_t *len)
{
	struct stat st;
	int fd = kit_open(&folder, number);
	CU_ASSERT_EQUAL_FATAL(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	uint8_t *bytes = malloc(*len);
	CU_ASSERT_EQUAL(read(fd, bytes, *len), (ssize_t)*len);
	close(fd);
	return bytes;
}

static void drop(uint64_t number)
{
	char name[FOLDER_NAME_SIZE];
	folder_name(number, name);
	CU_ASSERT_EQUAL(unlinkat(folder.fd, name, 0), 0);
}

static enum sabir_error check(const uint8_t *bytes, size_t len, char *detail)
{
	struct load_result result = { .detail = "" };
	struct reader reader;
	/* Of exactly this size, so that a sanitizer sees whoever reads beyond it. */
	uint8_t *exact = malloc(len + !len);
	memcpy(exact, bytes, len);
	enum sabir_error error = reader_open_memory(&reader, (struct span){ exact, len });
	if (!error)
		error = snapshot_check(&reader, &result);
	if (detail)
		strcpy(detail, reader.detail);
	reader_close(&reader);
	free(exact);
	return error;
}

/* ---------------------------------------------------------------- reading */

static void test_a_file_that_is_cut_short_anywhere_is_refused(void)
{
	size_t len;
	char detail[256];
	open_world();
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	uint8_t *bytes = read_file(1, &len);
	CU_ASSERT_EQUAL(check(bytes, len, NULL), SABIR_OK);
	for (size_t n = 0; n < len; n++) {
		CU_ASSERT_EQUAL(check(bytes, n, detail), SABIR_DATA_LOSS);
		CU_ASSERT_PTR_NOT_NULL(strstr(detail, "the file is cut short"));
	}
	free(bytes);
	close_world();
}

static void test_a_file_with_any_other_bit_is_refused(void)
{
	size_t len;
	open_world();
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	uint8_t *bytes = read_file(1, &len);
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			enum sabir_error error = check(bytes, len, NULL);
			/* In the version's number it is a file that is newer. */
			CU_ASSERT(error == SABIR_DATA_LOSS || (i >= 8 && i < 12 && error == SABIR_LAYOUT_MISMATCH));
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	free(bytes);
	close_world();
}

static void test_frames_of_another_file_or_place_are_refused(void)
{
	size_t len, other_len;
	open_world();
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 2), SABIR_OK);
	uint8_t *bytes = read_file(1, &len), *other = read_file(2, &other_len);
	CU_ASSERT_EQUAL_FATAL(len, other_len);
	memcpy(bytes + len / 2, other + len / 2, len - len / 2);
	CU_ASSERT_EQUAL(check(bytes, len, NULL), SABIR_DATA_LOSS);
	free(bytes);
	free(other);
	close_world();
}

static void test_a_file_of_a_newer_server_is_told_apart(void)
{
	uint8_t head[SNAPSHOT_HEAD];
	char detail[256];
	file_head(4711, head);
	head[8] = SNAPSHOT_VERSION + 1;
	CU_ASSERT_EQUAL(check(head, sizeof(head), detail), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "a newer sabird wrote it"));
}

static void put_object(struct writer *w, const struct record_object *object)
{
	struct message m = { NULL, 0, 0, false };
	record_put_object(&m, object);
	CU_ASSERT_EQUAL(writer_frame(w, SNAPSHOT_OBJECT, (struct span){ m.data, m.len }), SABIR_OK);
	message_fini(&m);
}

/* The older one stood in the list of names; the newer one was found by a reference, when the older one was deleted. */
static void test_of_two_objects_with_one_name_the_newer_one_has_it(void)
{
	const struct record_object older = { .id = 1, .kind = SEG_KIND_DICT, .name = text("name"), .order = 1 };
	const struct record_object newer = { .id = 2, .kind = SEG_KIND_LIST, .name = text("name") };
	struct message end = { NULL, 0, 0, false };
	struct object_info info = { 0 };
	struct writer w;
	uint64_t handle = 0;
	open_world();
	CU_ASSERT_EQUAL(writer_open(&w, folder.fd, 1), SABIR_OK);
	CU_ASSERT_EQUAL(writer_frame(&w, SNAPSHOT_BEGIN, (struct span){ NULL, 0 }), SABIR_OK);
	put_object(&w, &older);
	put_object(&w, &newer);
	record_put_end(&end, &(struct record_end){ 2, 3 });
	CU_ASSERT_EQUAL(writer_frame(&w, SNAPSHOT_END, (struct span){ end.data, end.len }), SABIR_OK);
	CU_ASSERT_EQUAL(writer_commit(&w), SABIR_OK);
	writer_close(&w);
	message_fini(&end);
	CU_ASSERT_EQUAL(kit_load(&lane, kit_open(&folder, 1)), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, text("name"), &handle), SABIR_OK);
	CU_ASSERT_EQUAL(object_describe(&lane, handle, &info), SABIR_OK);
	CU_ASSERT_EQUAL(info.kind, SEG_KIND_LIST);
	close_world();
}

/* How many objects are left out of a file whose queue has two tasks of these ordinals, in the states ready and delayed. */
static uint64_t load_tasks(uint64_t first, uint64_t second, uint64_t next)
{
	const struct record_object queue = { .id = 1, .kind = SEG_KIND_TASK_QUEUE, .next_ordinal = next };
	uint8_t value[VALUE_MAX_HEAD];
	struct record_entry entry = { .value = { value, value_put_int(7, value) },
				      .state = SEG_TASK_READY,
				      .ordinal = first };
	struct message content = { NULL, 0, 0, false }, end = { NULL, 0, 0, false };
	struct writer w;
	open_world();
	CU_ASSERT_EQUAL(writer_open(&w, folder.fd, 1), SABIR_OK);
	CU_ASSERT_EQUAL(writer_frame(&w, SNAPSHOT_BEGIN, (struct span){ NULL, 0 }), SABIR_OK);
	put_object(&w, &queue);
	record_put_entry(&content, &entry);
	entry.state = SEG_TASK_DELAYED;
	entry.due_unix_ns = INT64_MAX;
	entry.ordinal = second;
	record_put_entry(&content, &entry);
	CU_ASSERT_EQUAL(writer_frame(&w, SNAPSHOT_CONTENT, (struct span){ content.data, content.len }), SABIR_OK);
	record_put_end(&end, &(struct record_end){ 1, 3 });
	CU_ASSERT_EQUAL(writer_frame(&w, SNAPSHOT_END, (struct span){ end.data, end.len }), SABIR_OK);
	CU_ASSERT_EQUAL(writer_commit(&w), SABIR_OK);
	writer_close(&w);
	message_fini(&content);
	message_fini(&end);
	struct load_result result;
	CU_ASSERT_EQUAL(kit_load_result(&lane, kit_open(&folder, 1), &result), SABIR_OK);
	close_world();
	return result.n_damaged;
}

static void test_a_queue_with_tasks_that_none_can_have_is_left_out(void)
{
	CU_ASSERT_EQUAL(load_tasks(1, 2, 3), 0);
	CU_ASSERT_EQUAL(load_tasks(1, 1, 3), 1);
	CU_ASSERT_EQUAL(load_tasks(1, 3, 3), 1);
	CU_ASSERT_EQUAL(load_tasks(1, 2, UINT64_MAX), 1);
}

static void test_tokens_go_on_above_all_that_were_given_out(void)
{
	struct mutex_hold before, after;
	struct actor actor;
	uint64_t lock = 0;
	open_world();
	struct lane holder = kit_lane(&seg);
	CU_ASSERT_EQUAL(object_open(&lane, text("lock"), &lock), SABIR_OK);
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	for (unsigned i = 0; i < 1000; i++) { /* behind the snapshot */
		CU_ASSERT_EQUAL(mutex_take(&holder, lock, &before), SABIR_OK);
		CU_ASSERT_EQUAL(mutex_release(&holder, lock), SABIR_OK);
	}
	kit_lane_close(&holder);
	lane_close(&lane);
	segment_unmap(&seg);
	CU_ASSERT_EQUAL_FATAL(kit_segment(32 << 20, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	actor = lane.actor;
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	CU_ASSERT_EQUAL(kit_load(&lane, kit_open(&folder, 1)), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, text("lock"), &lock), SABIR_OK);
	lane.actor = actor;
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &after), SABIR_OK);
	CU_ASSERT_TRUE(after.token > before.token);
	close_world();
}

/* ---------------------------------------------------------------- writing */

static void save_second(struct lane *by, void *context)
{
	const struct save_options options = { .lane = by, .folder_fd = folder.fd, .number = 2 };
	struct save_result result;
	(void)context;
	if (snapshot_save(&options, &result))
		_exit(1);
}

/* The kit's act runs in a child; its death is not the memory's, so the lane goes on. */
static void test_who_dies_at_any_step_leaves_the_snapshot_that_was_there(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	char detail[256] = "";
	unsigned temporary;
	size_t len;
	open_world();
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	CU_ASSERT_TRUE_FATAL(kit_list_steps(steps, save_second, &lane, NULL));
	CU_ASSERT_TRUE(steps->n > 10);
	drop(2);
	for (unsigned i = 0; i < steps->n; i++) {
		if (strncmp(steps->at[i].name, "snapshot_write", 14))
			continue;
		CU_ASSERT_TRUE(kit_die_at(&steps->at[i], save_second, &lane, NULL));
		uint8_t *first = read_file(1, &len);
		CU_ASSERT_EQUAL(check(first, len, NULL), SABIR_OK);
		free(first);
		bool renamed = strstr(steps->at[i].name, "renamed") != NULL;
		CU_ASSERT_EQUAL(kit_files(path, &temporary), renamed ? 2 : 1);
		CU_ASSERT_EQUAL(temporary, renamed ? 0 : 1);
		/* The next server cleans up. */
		folder_close(&folder);
		CU_ASSERT_EQUAL_FATAL(folder_open(path, detail, sizeof(detail), &folder), SABIR_OK);
		CU_ASSERT_EQUAL(kit_files(path, &temporary), renamed ? 2 : 1);
		CU_ASSERT_EQUAL(temporary, 0);
		CU_ASSERT_EQUAL(folder_prune(&folder, 2), 0);
		if (renamed)
			drop(2);
	}
	munmap(steps, sizeof(*steps));
	close_world();
}

static void test_a_full_disk_leaves_the_snapshot_that_was_there(void)
{
	struct rlimit limit, small = { 2000000, 2000000 };
	struct save_result result;
	unsigned temporary;
	open_world();
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	uint64_t block = make("block", (struct object_spec){ .kind = SEG_KIND_BLOCK, .length = 8 << 20 });
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small.rlim_max = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	const struct save_options options = { .lane = &lane, .folder_fd = folder.fd, .number = 2 };
	CU_ASSERT_EQUAL(snapshot_save(&options, &result), SABIR_DISK_FULL);
	setrlimit(RLIMIT_FSIZE, &limit);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.detail, "can't write the temporary file: "));
	CU_ASSERT_EQUAL(kit_files(path, &temporary), 1);
	CU_ASSERT_EQUAL(temporary, 0);
	CU_ASSERT_EQUAL(object_delete(&lane, block), SABIR_OK);
	close_world();
}

static void test_a_snapshot_is_for_its_user_alone(void)
{
	struct stat st;
	mode_t before = umask(0);
	open_world();
	CU_ASSERT_EQUAL(kit_save(&lane, &folder, 1), SABIR_OK);
	int fd = kit_open(&folder, 1);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	close(fd);
	close_world();
	umask(before);
}

static void test_one_that_is_stopped_leaves_nothing(void)
{
	uint32_t stop = 1;
	unsigned temporary;
	struct save_result result;
	open_world();
	const struct save_options options = { .lane = &lane, .folder_fd = folder.fd, .number = 1, .stop = &stop };
	CU_ASSERT_EQUAL(snapshot_save(&options, &result), SABIR_CANCELLED);
	CU_ASSERT_EQUAL(kit_files(path, &temporary) + temporary, 0);
	close_world();
}

/* ---------------------------------------------------------------- the folder */

static void test_the_newest_are_kept(void)
{
	uint64_t *numbers;
	size_t n;
	open_world();
	for (uint64_t i = 8; i < 12; i++)
		CU_ASSERT_EQUAL(kit_save(&lane, &folder, i), SABIR_OK);
	CU_ASSERT_EQUAL(folder_prune(&folder, 2), 2);
	CU_ASSERT_EQUAL(folder_list(&folder, &numbers, &n), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_EQUAL(numbers[0], 11);
	CU_ASSERT_EQUAL(numbers[1], 10);
	free(numbers);
	folder_refuse(&folder, 11);
	CU_ASSERT_EQUAL(folder_list(&folder, &numbers, &n), SABIR_OK);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(kit_files(path, NULL), 2);
	free(numbers);
	close_world();
}

static void test_a_folder_is_one_servers(void)
{
	struct folder second;
	char detail[256] = "";
	open_world();
	CU_ASSERT_EQUAL(folder_open(path, detail, sizeof(detail), &second), SABIR_ALREADY_EXISTS);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "another server has the folder"));
	CU_ASSERT_EQUAL(folder_open("/proc/none/here", detail, sizeof(detail), &second), SABIR_IO_ERROR);
	close_world();
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(test_a_file_that_is_cut_short_anywhere_is_refused),
		KIT_TEST(test_a_file_with_any_other_bit_is_refused),
		KIT_TEST(test_frames_of_another_file_or_place_are_refused),
		KIT_TEST(test_a_file_of_a_newer_server_is_told_apart),
		KIT_TEST(test_of_two_objects_with_one_name_the_newer_one_has_it),
		KIT_TEST(test_a_queue_with_tasks_that_none_can_have_is_left_out),
		KIT_TEST(test_tokens_go_on_above_all_that_were_given_out),
		KIT_TEST(test_who_dies_at_any_step_leaves_the_snapshot_that_was_there),
		KIT_TEST(test_a_full_disk_leaves_the_snapshot_that_was_there),
		KIT_TEST(test_a_snapshot_is_for_its_user_alone),
		KIT_TEST(test_one_that_is_stopped_leaves_nothing),
		KIT_TEST(test_the_newest_are_kept),
		KIT_TEST(test_a_folder_is_one_servers),
	};
	return kit_run("snapshot/file", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
