/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: which source wins, what is refused and how, and that the documented file and pages name every
 * option.
 */
#include "server/main/config.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"

static char file[] = "/tmp/sabir-config-XXXXXX";
static char detail[CONFIG_DETAIL_SIZE];
static struct config config;

static int setup(void)
{
	int fd = mkstemp(file);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int teardown(void)
{
	return unlink(file);
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

/* With one flag, one variable and the file; NULL: without. */
static enum sabir_error load(const char *flag, const char *variable)
{
	char *argv[] = { (char *)"sabird", (char *)flag, NULL };
	char *environment[] = { (char *)"PATH=/bin", (char *)variable, NULL };
	return config_load(flag ? 2 : 1, argv, environment, file, detail, &config);
}

static void test_flag_beats_environment_beats_file_beats_default(void)
{
	static const struct {
		const char *flag, *variable, *line;
		uint64_t owners;
		enum config_source source;
	} cases[] = {
		{ NULL, NULL, "", 1024, CONFIG_DEFAULT },
		{ NULL, NULL, "max-owners = 30\n", 30, CONFIG_FILE },
		{ NULL, "SABIR_MAX_OWNERS=20", "", 20, CONFIG_ENVIRONMENT },
		{ NULL, "SABIR_MAX_OWNERS=20", "max-owners = 30\n", 20, CONFIG_ENVIRONMENT },
		{ NULL, "SABIR_MAX_OWNERS=", "max-owners = 30\n", 30, CONFIG_FILE },
		{ "--max-owners=10", NULL, "", 10, CONFIG_FLAG },
		{ "--max-owners=10", NULL, "max-owners = 30\n", 10, CONFIG_FLAG },
		{ "--max-owners=10", "SABIR_MAX_OWNERS=20", "", 10, CONFIG_FLAG },
		{ "--max-owners=10", "SABIR_MAX_OWNERS=20", "max-owners = 30\n", 10, CONFIG_FLAG },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(cases[i].line);
		CU_ASSERT_EQUAL_FATAL(load(cases[i].flag, cases[i].variable), SABIR_OK);
		CU_ASSERT_EQUAL(config_number(&config, OPTION_MAX_OWNERS), cases[i].owners);
		CU_ASSERT_EQUAL(config.source[OPTION_MAX_OWNERS], cases[i].source);
		config_fini(&config);
	}
}

static void test_a_list_comes_whole_from_one_source(void)
{
	const struct setting *listen = &config.value[OPTION_LISTEN];
	write_file("listen = a:1\nlisten = b:2, c:3\n");
	CU_ASSERT_EQUAL_FATAL(load(NULL, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(listen->n, 3);
	CU_ASSERT_STRING_EQUAL(listen->texts[2], "c:3");
	config_fini(&config);
	CU_ASSERT_EQUAL_FATAL(load("--listen=unix:/x", "SABIR_LISTEN=d:4,e:5"), SABIR_OK);
	CU_ASSERT_EQUAL(listen->n, 1);
	CU_ASSERT_STRING_EQUAL(listen->texts[0], "unix:/x");
	config_fini(&config);
	char *argv[] = { (char *)"sabird", (char *)"--listen", (char *)"f:6", (char *)"--listen", (char *)"g:7", NULL };
	CU_ASSERT_EQUAL_FATAL(config_load(5, argv, NULL, NULL, detail, &config), SABIR_OK);
	CU_ASSERT_EQUAL(listen->n, 2);
	CU_ASSERT_STRING_EQUAL(listen->texts[1], "g:7");
	config_fini(&config);
}

static void test_the_last_of_two_flags_counts(void)
{
	char *argv[] = { (char *)"sabird", (char *)"--max-owners=3", (char *)"--max-owners=4", NULL };
	CU_ASSERT_EQUAL_FATAL(config_load(3, argv, NULL, NULL, detail, &config), SABIR_OK);
	CU_ASSERT_EQUAL(config_number(&config, OPTION_MAX_OWNERS), 4);
	config_fini(&config);
}

static void test_values_have_units(void)
{
	static const struct {
		const char *flag;
		enum option option;
		uint64_t number;
	} cases[] = {
		{ "--memory-limit=2097152", OPTION_MEMORY_LIMIT, 2097152 },
		{ "--memory-limit=16384K", OPTION_MEMORY_LIMIT, 16 << 20 },
		{ "--memory-limit=512M", OPTION_MEMORY_LIMIT, 512ull << 20 },
		{ "--memory-limit=2GiB", OPTION_MEMORY_LIMIT, 2ull << 30 },
		{ "--memory-limit=1g", OPTION_MEMORY_LIMIT, 1ull << 30 },
		{ "--drain-timeout=3", OPTION_DRAIN_TIMEOUT, 3000000000 },
		{ "--drain-timeout=250ms", OPTION_DRAIN_TIMEOUT, 250000000 },
		{ "--drain-timeout=2m", OPTION_DRAIN_TIMEOUT, 120000000000 },
		{ "--drain-timeout=0", OPTION_DRAIN_TIMEOUT, 0 },
		{ "--socket-mode=0600", OPTION_SOCKET_MODE, 0600 },
		{ "--socket-mode=666", OPTION_SOCKET_MODE, 0666 },
		{ "--log-level=debug", OPTION_LOG_LEVEL, LOG_LEVEL_DEBUG },
		{ "--log-format=json", OPTION_LOG_FORMAT, LOG_FORMAT_JSON },
		{ "--socket-group=root", OPTION_SOCKET_GROUP, 0 },
	};
	write_file("max-item-bytes = 64K");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(load(cases[i].flag, NULL), SABIR_OK);
		CU_ASSERT_EQUAL(config_number(&config, cases[i].option), cases[i].number);
		config_fini(&config);
	}
}

static void test_bad_values_are_refused_with_a_reason(void)
{
	static const char *const cases[][2] = {
		{ "--memory-limit=", "not a size" },
		{ "--memory-limit=5Q", "not a size" },
		{ "--memory-limit=-1", "not a size" },
		{ "--memory-limit=1", "between 1M and 128G" },
		{ "--memory-limit=99999999999999T", "between" },
		{ "--max-owners=1x", "not a number" },
		{ "--max-owners=18446744073709551617", "between 2 and" },
		{ "--max-lanes=99999", "between 8 and 16383" },
		{ "--drain-timeout=2 days", "not a time" },
		{ "--socket-mode=888", "octal" },
		{ "--socket-mode=7777", "octal" },
		{ "--log-level=loud", "one of error" },
		{ "--allow-uid=nobody-at-all", "user's name" },
		{ "--allow-gid=1,,2", "empty" },
		{ "--socket=", "empty" },
		{ "--help=yes", "no value" },
		{ "--memory-limit", "needs a value" },
		{ "stray", "unexpected" },
		{ "-x", "unexpected" },
		{ "--rpc-threads=64 ", "not a number" },
	};
	write_file("");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		detail[0] = 0;
		CU_ASSERT_EQUAL(load(cases[i][0], NULL), SABIR_INVALID_ARGUMENT);
		CU_ASSERT_PTR_NOT_NULL(strstr(detail, cases[i][1]));
		CU_ASSERT_PTR_NULL(strchr(detail, '\n'));
	}
}

static void test_an_unknown_name_is_answered_with_the_nearest(void)
{
	write_file("");
	CU_ASSERT_EQUAL(load("--memroy-limit=1G", NULL), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "did you mean \"memory-limit\"?"));
	CU_ASSERT_EQUAL(load("--memory=1G", NULL), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "did you mean \"memory-limit\"?"));
	CU_ASSERT_EQUAL(load("--xyzzy", NULL), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_PTR_NULL(strstr(detail, "did you mean"));
}

static void test_errors_in_the_file_name_the_line(void)
{
	static const char *const cases[][2] = {
		{ "# fine\n\nmax-owner = 3\n", ":3: unknown option \"max-owner\"; did you mean \"max-owners\"" },
		{ "max-owners 3\n", ":1: a line is" },
		{ "\n\tmax-owners = three # 3\n", ":2: max-owners: \"three # 3\" is not a number" },
		{ "help = 1\n", "command line only" },
		{ "config = /x\n", "command line only" },
		{ "evict = 7\n", "command line only" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(cases[i][0]);
		CU_ASSERT_EQUAL(load("--max-owners=9", NULL), SABIR_INVALID_ARGUMENT);
		CU_ASSERT_PTR_NOT_NULL(strstr(detail, cases[i][1]));
	}
	write_file("");
}

static void test_what_is_asked_of_another_server_stands_on_the_command_line_alone(void)
{
	write_file("");
	CU_ASSERT_EQUAL_FATAL(load(NULL, "SABIR_EVICT=7"), SABIR_OK);
	CU_ASSERT_FALSE(config.value[OPTION_EVICT].set);
	config_fini(&config);
	CU_ASSERT_EQUAL_FATAL(load("--evict=7", NULL), SABIR_OK);
	CU_ASSERT(config.value[OPTION_EVICT].set && config_number(&config, OPTION_EVICT) == 7);
	config_fini(&config);
}

static void test_a_named_file_must_exist_and_the_default_need_not(void)
{
	char *argv[] = { (char *)"sabird", (char *)"--config=/nowhere/sabird.conf", NULL };
	CU_ASSERT_EQUAL(config_load(2, argv, NULL, NULL, detail, &config), SABIR_NOT_FOUND);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "/nowhere/sabird.conf"));
	CU_ASSERT_EQUAL(config_load(1, argv, NULL, "/nowhere/sabird.conf", detail, &config), SABIR_OK);
	config_fini(&config);
}

static void test_options_that_contradict_each_other_are_refused(void)
{
	write_file("memory-limit = 1M\n");
	CU_ASSERT_EQUAL(load("--max-item-bytes=2M", NULL), SABIR_INVALID_ARGUMENT);
	write_file("max-lanes = 8\n");
	CU_ASSERT_EQUAL(load("--rpc-threads=5", NULL), SABIR_INVALID_ARGUMENT);
}

static void test_sockets_are_chosen_beside_each_other(void)
{
	write_file("");
	CU_ASSERT_EQUAL_FATAL(load("--socket=/some/where/s.sock", NULL), SABIR_OK);
	CU_ASSERT_EQUAL(config_choose(detail, &config), SABIR_OK);
	CU_ASSERT_EQUAL(config.value[OPTION_LISTEN].n, 2);
	CU_ASSERT_STRING_EQUAL(config.value[OPTION_LISTEN].texts[0], "127.0.0.1:7420");
	CU_ASSERT_STRING_EQUAL(config.value[OPTION_LISTEN].texts[1], "unix:/some/where/grpc.sock");
	config_fini(&config);
	CU_ASSERT_EQUAL_FATAL(load(NULL, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(config_choose(detail, &config), SABIR_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(config_text(&config, OPTION_SOCKET), "/sabir"));
	config_fini(&config);
}

static void test_what_is_printed_reads_back_as_the_same(void)
{
	char first[8192] = "", second[8192] = "";
	write_file(
		"listen = none\nsocket = /x/y\nsocket-mode = 0600\nsocket-group = 0\nallow-uid = 0, 7\nallow-gid = 9\n"
		"memory-limit = 96M\ndrain-timeout = 1500ms\nlog-level = debug\n");
	CU_ASSERT_EQUAL_FATAL(load(NULL, NULL), SABIR_OK);
	FILE *to = fmemopen(first, sizeof(first), "w");
	config_print(&config, to);
	fclose(to);
	config_fini(&config);
	write_file(first);
	CU_ASSERT_EQUAL_FATAL(load(NULL, NULL), SABIR_OK);
	to = fmemopen(second, sizeof(second), "w");
	config_print(&config, to);
	fclose(to);
	config_fini(&config);
	CU_ASSERT_PTR_NOT_NULL(strstr(first, "memory-limit = 96M\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(first, "drain-timeout = 1500ms\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(first, "allow-uid = 0,7\n"));
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		char line[64];
		const char *a = first, *b = second;
		snprintf(line, sizeof(line), "\n%s = ", option_name((enum option)i));
		a = strstr(a, line);
		b = strstr(b, line);
		CU_ASSERT_TRUE((a && b && !strncmp(a, b, strcspn(a + 1, "\n") + 2)) || (!a && !b));
	}
}

/* ---------------------------------------------------------------- the documents */

static char *read_document(const char *name)
{
	static char text[32768];
	char path[512];
	/* Beside this source; tests run in the root of the tree, from where the compiler saw it. */
	snprintf(path, sizeof(path), "%.*s%s", (int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__, name);
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

static void test_the_manual_and_the_example_name_every_option(void)
{
	char name[64];
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		snprintf(name, sizeof(name), "\\-\\-%s", option_name((enum option)i));
		for (char *dash = strchr(name + 4, '-'); dash; dash = strchr(dash + 2, '-')) {
			memmove(dash + 1, dash, strlen(dash) + 1); /* roff writes \- */
			*dash = '\\';
		}
		char *manual = read_document("sabird.8");
		CU_ASSERT_TRUE(manual && strstr(manual, name));
		if (i == OPTION_CONFIG || i >= OPTION_HEALTH)
			continue;
		snprintf(name, sizeof(name), "\n#%s = ", option_name((enum option)i));
		char *example = read_document("sabird.conf");
		CU_ASSERT_TRUE(example && strstr(example, name));
	}
}

static void test_the_example_is_a_good_file_with_its_comments_taken_off(void)
{
	char *example = read_document("sabird.conf");
	CU_ASSERT_PTR_NOT_NULL_FATAL(example);
	for (char *p = example; (p = strstr(p, "\n#")); p++)
		if (p[2] >= 'a' && p[2] <= 'z')
			p[1] = ' ';
	write_file(example);
	CU_ASSERT_EQUAL(load(NULL, NULL), SABIR_OK);
	CU_ASSERT_EQUAL(config.source[OPTION_MAX_LANES], CONFIG_FILE);
	CU_ASSERT_EQUAL(config_number(&config, OPTION_MAX_LANES), 4096);
	config_fini(&config);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("config", setup, teardown);
	CU_ADD_TEST(suite, test_flag_beats_environment_beats_file_beats_default);
	CU_ADD_TEST(suite, test_a_list_comes_whole_from_one_source);
	CU_ADD_TEST(suite, test_the_last_of_two_flags_counts);
	CU_ADD_TEST(suite, test_values_have_units);
	CU_ADD_TEST(suite, test_bad_values_are_refused_with_a_reason);
	CU_ADD_TEST(suite, test_an_unknown_name_is_answered_with_the_nearest);
	CU_ADD_TEST(suite, test_errors_in_the_file_name_the_line);
	CU_ADD_TEST(suite, test_what_is_asked_of_another_server_stands_on_the_command_line_alone);
	CU_ADD_TEST(suite, test_a_named_file_must_exist_and_the_default_need_not);
	CU_ADD_TEST(suite, test_options_that_contradict_each_other_are_refused);
	CU_ADD_TEST(suite, test_sockets_are_chosen_beside_each_other);
	CU_ADD_TEST(suite, test_what_is_printed_reads_back_as_the_same);
	CU_ADD_TEST(suite, test_the_manual_and_the_example_name_every_option);
	CU_ADD_TEST(suite, test_the_example_is_a_good_file_with_its_comments_taken_off);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
