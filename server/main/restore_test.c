/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator reads of a restore: nothing is left out behind his back. */
#include "server/main/restore.h"

#include "server/base/log.h"
#include "server/snapshot/test_kit.h"

static struct segment seg;
static struct lane lane;
static struct folder folder;
static char path[64], told[8192];

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static void begin(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_segment(16 << 20, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
}

static void end(void)
{
	kit_lane_close(&lane);
	segment_unmap(&seg);
}

static void setup(void)
{
	kit_folder(path, &folder);
	begin();
}

static void teardown(void)
{
	end();
	kit_remove(path, &folder);
}

static uint64_t make(const char *name, struct object_spec spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL(object_create(&lane, text(name), &spec, false, &handle), SABIR_OK);
	return handle;
}

static bool is_there(const char *name)
{
	uint64_t handle;
	return object_open(&lane, text(name), &handle) == SABIR_OK;
}

/* All that there is, saved and restored into a new memory; what the log says of it is in `told`. */
static void restore_all(void)
{
	char detail[256] = "";
	int log = memfd_create("log", MFD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(kit_save(&lane, &folder, 1), SABIR_OK);
	end();
	begin();
	log_set_fd(log);
	enum sabir_error error = restore(&lane, &folder, "newest", detail, sizeof(detail));
	log_set_fd(STDERR_FILENO);
	ssize_t len = pread(log, told, sizeof(told) - 1, 0);
	told[len < 0 ? 0 : len] = 0;
	close(log);
	CU_ASSERT_EQUAL(error, SABIR_OK);
}

/* The log has one line of the message, as an error, with these fields. */
static bool tells(const char *message, const char *fields)
{
	char line[256];
	const char *end_of_line, *found;
	snprintf(line, sizeof(line), " level=error msg=\"%s\" ", message);
	found = strstr(told, line);
	if (!found || strstr(found + 1, line))
		return false;
	end_of_line = strchr(found, '\n');
	found = strstr(found, fields);
	return found && found < end_of_line;
}

static void what_is_whole_is_restored_without_complaint(void)
{
	uint64_t lock = make("lock", (struct object_spec){ .kind = SEG_KIND_LOCK });
	(void)make("condition", (struct object_spec){ .kind = SEG_KIND_CONDITION, .over = lock });
	restore_all();
	CU_ASSERT_PTR_NOT_NULL(strstr(told, " level=info msg=restored "));
	CU_ASSERT_PTR_NOT_NULL(strstr(told, " objects=2 "));
	CU_ASSERT_PTR_NULL(strstr(told, "level=error"));
	CU_ASSERT(is_there("lock") && is_there("condition"));
}

/* Its acquisitions have been counted further than a restored lock could go on: the file has it, but it is found out when it is filled. */
static void damage_lock(uint64_t lock)
{
	struct seg_mutex *body = segment_at(&seg, seg.objects[object_index(lock)].body, sizeof(*body));
	body->token = UINT64_MAX;
}

static void damaged_objects_are_told_of(void)
{
	damage_lock(make("lock", (struct object_spec){ .kind = SEG_KIND_LOCK }));
	(void)make("event", (struct object_spec){ .kind = SEG_KIND_EVENT });
	restore_all();
	CU_ASSERT(tells("damaged objects of the snapshot are left out", " n=1 first=\"object 'lock' of kind "));
	CU_ASSERT_PTR_NULL(strstr(told, "conditions"));
	CU_ASSERT(!is_there("lock") && is_there("event"));
}

static void conditions_that_go_with_their_lock_are_told_of(void)
{
	uint64_t lock = make("lock", (struct object_spec){ .kind = SEG_KIND_LOCK });
	(void)make("first", (struct object_spec){ .kind = SEG_KIND_CONDITION, .over = lock });
	(void)make("second", (struct object_spec){ .kind = SEG_KIND_CONDITION, .over = lock });
	(void)make("own", (struct object_spec){ .kind = SEG_KIND_CONDITION });
	damage_lock(lock);
	restore_all();
	CU_ASSERT(tells("conditions of the snapshot are left out, as their locks are", " n=2 first=first"));
	CU_ASSERT(tells("damaged objects of the snapshot are left out", " n=1 first=\"object 'lock' of kind "));
	CU_ASSERT(!is_there("first") && !is_there("second") && is_there("own"));
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("restore", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, what_is_whole_is_restored_without_complaint);
	CU_ADD_TEST(suite, damaged_objects_are_told_of);
	CU_ADD_TEST(suite, conditions_that_go_with_their_lock_are_told_of);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
