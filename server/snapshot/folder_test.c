/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of the snapshots: what of it counts, which number comes next, and what becomes of it when it is deleted. */
#include "server/snapshot/test_kit.h"

static char path[64], detail[256];
static struct folder folder;

static void put_file(const char *name)
{
	int fd = openat(folder.fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CU_ASSERT_TRUE(fd >= 0);
	close(fd);
}

static uint64_t next(void)
{
	uint64_t number = 0;
	CU_ASSERT_EQUAL(folder_next(&folder, detail, sizeof(detail), &number), SABIR_OK);
	return number;
}

static void numbers_go_up_from_the_newest(void)
{
	kit_folder(path, &folder);
	CU_ASSERT_EQUAL(next(), 1);
	put_file("sabir-00000000000000000007.snapshot");
	put_file("sabir-00000000000000000003.snapshot");
	CU_ASSERT_EQUAL(next(), 8);
	kit_remove(path, &folder);
}

static void a_number_behind_which_none_can_come_is_no_snapshots(void)
{
	uint64_t *numbers;
	size_t n;
	kit_folder(path, &folder);
	put_file("sabir-00000000000000000003.snapshot");
	put_file("sabir-18446744073709551615.snapshot");
	put_file("sabir-99999999999999999999.snapshot");
	CU_ASSERT_EQUAL(next(), 4);
	CU_ASSERT_EQUAL(folder_list(&folder, &numbers, &n), SABIR_OK);
	CU_ASSERT_EQUAL(n, 1);
	free(numbers);
	kit_remove(path, &folder);
}

static void behind_the_last_number_there_is_none(void)
{
	uint64_t number = 4711;
	kit_folder(path, &folder);
	put_file("sabir-18446744073709551614.snapshot");
	CU_ASSERT_EQUAL(folder_next(&folder, detail, sizeof(detail), &number), SABIR_IO_ERROR);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "the highest number"));
	CU_ASSERT_EQUAL(number, 4711);
	kit_remove(path, &folder);
}

static void one_that_was_deleted_is_made_anew(void)
{
	struct folder second;
	kit_folder(path, &folder);
	CU_ASSERT_EQUAL(rmdir(path), 0);
	CU_ASSERT_EQUAL(folder_renew(&folder, detail, sizeof(detail)), SABIR_OK);
	put_file("sabir-00000000000000000003.snapshot");
	CU_ASSERT_EQUAL(kit_files(path, NULL), 1);
	CU_ASSERT_EQUAL(folder_open(path, detail, sizeof(detail), &second), SABIR_ALREADY_EXISTS);
	kit_remove(path, &folder);
}

static void one_that_another_server_has_now_is_not_taken(void)
{
	struct folder second;
	kit_folder(path, &folder);
	CU_ASSERT_EQUAL(rmdir(path), 0);
	CU_ASSERT_EQUAL_FATAL(folder_open(path, detail, sizeof(detail), &second), SABIR_OK);
	CU_ASSERT_EQUAL(folder_renew(&folder, detail, sizeof(detail)), SABIR_IO_ERROR);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "another server has the folder"));
	folder_close(&folder);
	kit_remove(path, &second);
}

static void one_that_is_there_stays(void)
{
	kit_folder(path, &folder);
	const int fd = folder.fd;
	CU_ASSERT_EQUAL(folder_renew(&folder, detail, sizeof(detail)), SABIR_OK);
	CU_ASSERT_EQUAL(folder.fd, fd);
	kit_remove(path, &folder);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(numbers_go_up_from_the_newest),
		KIT_TEST(a_number_behind_which_none_can_come_is_no_snapshots),
		KIT_TEST(behind_the_last_number_there_is_none),
		KIT_TEST(one_that_was_deleted_is_made_anew),
		KIT_TEST(one_that_another_server_has_now_is_not_taken),
		KIT_TEST(one_that_is_there_stays),
	};
	return kit_run("snapshot/folder", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
