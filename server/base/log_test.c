/* SPDX-License-Identifier: Apache-2.0 */
/* Every line is one line and well formed, whatever is logged. The log is written into a pipe. */
#define _GNU_SOURCE /* pipe2 */
#include "server/base/log.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int pipe_fds[2];
static char line[4096];

static int setup(void)
{
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK))
		return -1;
	log_set_fd(pipe_fds[1]);
	return 0;
}

static int teardown(void)
{
	log_set_fd(STDERR_FILENO);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* What was logged since the last look, behind its time. */
static const char *logged(void)
{
	ssize_t n = read(pipe_fds[0], line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = 0;
	const char *from = strstr(line, "Z");
	return from ? from : line;
}

static void test_logfmt_line_has_time_level_message_and_fields(void)
{
	log_set_format(LOG_FORMAT_LOGFMT);
	log_info("owner attached", log_u64("owner", 3), log_i64("pid", -1), log_text("label", "worker"),
		 log_bool("new", true));
	CU_ASSERT_STRING_EQUAL(logged(), "Z level=info msg=\"owner attached\" owner=3 pid=-1 label=worker new=true\n");
	CU_ASSERT_EQUAL(strncmp(line, "time=20", 7), 0);
}

static void test_json_line_has_the_same(void)
{
	log_set_format(LOG_FORMAT_JSON);
	log_warning("full", log_u64("owner", 3), log_text("label", "worker"), log_bool("new", false));
	CU_ASSERT_STRING_EQUAL(
		logged(),
		"Z\",\"level\":\"warning\",\"msg\":\"full\",\"owner\":3,\"label\":\"worker\",\"new\":false}\n");
	CU_ASSERT_EQUAL(strncmp(line, "{\"time\":\"20", 11), 0);
}

static void test_levels_below_the_set_one_are_silent(void)
{
	log_set_format(LOG_FORMAT_LOGFMT);
	log_debug("unseen");
	CU_ASSERT_STRING_EQUAL(logged(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("seen");
	CU_ASSERT_STRING_EQUAL(logged(), "Z level=debug msg=seen\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("unseen");
	log_error("seen");
	CU_ASSERT_STRING_EQUAL(logged(), "Z level=error msg=seen\n");
	log_set_level(LOG_LEVEL_INFO);
}

static void test_hostile_text_stays_in_its_field(void)
{
	log_set_format(LOG_FORMAT_LOGFMT);
	log_info("m", log_text("label", "a\nlevel=error \"x\"\x1b\xff"));
	CU_ASSERT_STRING_EQUAL(logged(), "Z level=info msg=m label=\"a\\nlevel=error \\\"x\\\"\\u001b\\ufffd\"\n");
	log_info("m", log_text("a", ""), log_text("b", NULL), log_text("c", "k=v"), log_text("d", "\xc3\xa9"));
	CU_ASSERT_STRING_EQUAL(logged(), "Z level=info msg=m a=\"\" b=\"\" c=\"k=v\" d=\"\xc3\xa9\"\n");
	log_set_format(LOG_FORMAT_JSON);
	log_info("m", log_text("label", "\xed\xa0\x80\\\xc3"));
	CU_ASSERT_STRING_EQUAL(
		logged(), "Z\",\"level\":\"info\",\"msg\":\"m\",\"label\":\"\\ufffd\\ufffd\\ufffd\\\\\\ufffd\"}\n");
}

static void test_a_long_value_is_cut_and_the_line_still_closed(void)
{
	char text[3000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_set_format(LOG_FORMAT_JSON);
	log_info("m", log_text("long", text), log_u64("behind", 1));
	logged();
	size_t len = strlen(line);
	CU_ASSERT_TRUE(len > 1900 && len <= 2048);
	CU_ASSERT_STRING_EQUAL(line + len - 8, "xx...\"}\n");
	CU_ASSERT_PTR_NULL(strstr(line, "behind"));
	log_set_format(LOG_FORMAT_LOGFMT);
	log_info("m", log_text("long", text));
	logged();
	CU_ASSERT_STRING_EQUAL(line + strlen(line) - 7, "xx...\"\n");
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("log", setup, teardown);
	CU_ADD_TEST(suite, test_logfmt_line_has_time_level_message_and_fields);
	CU_ADD_TEST(suite, test_json_line_has_the_same);
	CU_ADD_TEST(suite, test_levels_below_the_set_one_are_silent);
	CU_ADD_TEST(suite, test_hostile_text_stays_in_its_field);
	CU_ADD_TEST(suite, test_a_long_value_is_cut_and_the_line_still_closed);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
