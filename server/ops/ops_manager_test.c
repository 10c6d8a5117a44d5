/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ManagerService: every operation, and every way in which it fails.
 */
#include "server/ops/test_kit.h"

static bool text_has(const char *part)
{
	bool has = strstr(ops_text, part) != NULL;

	if (!has)
		fprintf(stderr, "\n%s is not in %s\n", part, ops_text);
	return has;
}

static void delete_all(void)
{
	char request[300];

	while (ops_call("ManagerService/List", "page_size=1") == SABIR_OK && strstr(ops_text, "name='")) {
		const char *name = strstr(ops_text, "name='") + 6;
		snprintf(request, sizeof(request), "object={name='%.*s'}", (int)strcspn(name, "'"), name);
		CU_ASSERT_FATAL(ops_call("ManagerService/Delete", request) == SABIR_OK);
	}
}

static void test_create_tells_what_it_made(void)
{
	delete_all();
	CU_ASSERT(ops_call("ManagerService/Create", "name='a/queue' queue={max_items=5 max_item_bytes=100}") ==
		  SABIR_OK);
	CU_ASSERT(text_has("info={name='a/queue' handle=") && text_has(" kind=1 create_time={seconds="));
	CU_ASSERT(text_has(" queue={max_items=5 max_item_bytes=100}} created=true"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' queue={}") == SABIR_OK &&
		  text_has("queue={max_item_bytes=1048576}}"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='v' value={type_code=13 initial={int_value=2}}") == SABIR_OK);
	CU_ASSERT(text_has(" kind=2 ") && text_has(" length=1 ") && text_has("value={type_code=13}}"));
	CU_ASSERT(ops_answers("ValueService/Get", "value={name='v'}", "value={double_value=2.0}"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='a' array={type_code=4 length=3 initial='abcd'}") ==
		  SABIR_OK);
	CU_ASSERT(text_has(" kind=3 ") && text_has(" length=3 ") && text_has("array={type_code=4 length=3}}"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='d' dict={}") == SABIR_OK && text_has(" kind=4 ") &&
		  text_has("dict={}}"));
	CU_ASSERT(ops_call("ManagerService/Create", "dict={}") == SABIR_OK && text_has("info={handle="));
	CU_ASSERT(ops_call("ManagerService/Create", "exist_ok=true dict={}") == SABIR_OK && text_has("created=true"));
}

static void test_create_finds_what_is_there_already(void)
{
	delete_all();
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' queue={max_items=5}") == SABIR_OK);
	CU_ASSERT(
		ops_fails("ManagerService/Create", "name='q' queue={max_items=5}", SABIR_ALREADY_EXISTS, "object 'q'"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' exist_ok=true queue={max_items=5}") == SABIR_OK &&
		  !strstr(ops_text, "created"));
	CU_ASSERT(ops_call("ManagerService/Create",
			   "name='q' exist_ok=true queue={max_items=5 max_item_bytes=1048576}") == SABIR_OK);
	CU_ASSERT(ops_fails("ManagerService/Create", "name='q' exist_ok=true queue={max_items=6}", SABIR_ALREADY_EXISTS,
			    "object 'q'"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='q' exist_ok=true queue={max_items=5 max_item_bytes=9}",
			    SABIR_ALREADY_EXISTS, "object 'q'"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='q' exist_ok=true dict={}", SABIR_WRONG_KIND,
			    "object 'q': it is a queue"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='a' array={type_code=6 length=3}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Create",
			   "name='a' exist_ok=true array={type_code=6 length=3 initial='abcd'}") == SABIR_OK);
	CU_ASSERT(ops_fails("ManagerService/Create", "name='a' exist_ok=true array={type_code=6 length=4}",
			    SABIR_ALREADY_EXISTS, "object 'a'"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='a' exist_ok=true array={type_code=7 length=3}",
			    SABIR_ALREADY_EXISTS, "object 'a'"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='v' value={type_code=6}") == SABIR_OK);
	CU_ASSERT(ops_fails("ManagerService/Create", "name='v' exist_ok=true value={type_code=7}", SABIR_ALREADY_EXISTS,
			    "object 'v'"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='v' exist_ok=true queue={}", SABIR_WRONG_KIND,
			    "object 'v': it is a value"));
}

static void test_create_refuses_bad_specs(void)
{
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x'", SABIR_INVALID_ARGUMENT, "a spec is missing"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' queue={} dict={}", SABIR_INVALID_ARGUMENT,
			    "more than one spec"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' value={}", SABIR_INVALID_ARGUMENT,
			    "field 'type_code' is 0, which is no type"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' array={type_code=16}", SABIR_INVALID_ARGUMENT,
			    "field 'type_code' is 16, which is no type"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' value={type_code=3 initial={int_value=256}}",
			    SABIR_OUT_OF_RANGE, "field 'initial': type 'B'"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' value={type_code=3 initial={double_value=1.0}}",
			    SABIR_WRONG_TYPE, "field 'initial': type 'B'"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' value={type_code=3 initial={}}", SABIR_INVALID_ARGUMENT,
			    "field 'initial' has no kind set"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' array={type_code=6 length=3 initial='abc'}",
			    SABIR_INVALID_ARGUMENT, "3 bytes of elements that have 4 bytes each"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' array={type_code=4 length=1 initial='abcd'}",
			    SABIR_OUT_OF_RANGE, "2 elements for a length of 1"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='x' array={type_code=14 length=1 initial='a'}") ==
		  SABIR_OUT_OF_RANGE);
	CU_ASSERT(ops_fails("ManagerService/Create", "name='x' queue={max_item_bytes=1048577}", SABIR_TOO_LARGE,
			    "max_item_bytes is 1048577, limit 1048576"));
	enum sabir_error error = ops_call("ManagerService/Create",
					  "name='x' array={type_code=6 length=18446744073709551615}");
	CU_ASSERT(error == SABIR_TOO_LARGE || error == SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT(ops_fails("ManagerService/Open", "object={name='x'}", SABIR_NOT_FOUND, "object 'x'"));
}

static void test_bad_names_are_refused(void)
{
	static const char *const names[] = { "/",      "a/",    "/a",     "a//b", ".",    "..",
					     "a/../b", "a/./b", "a\001b", "\x7f", "\xff", "\xc0\x80" };
	char request[600], name[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(request, sizeof(request), "name='%s' dict={}", names[i]);
		CU_ASSERT(ops_call("ManagerService/Create", request) == SABIR_INVALID_NAME);
		snprintf(request, sizeof(request), "object={name='%s'}", names[i]);
		CU_ASSERT(ops_call("ManagerService/Open", request) == SABIR_INVALID_NAME);
	}
	CU_ASSERT(ops_run("ManagerService/Open", (struct span){ (const uint8_t *)"\x0a\x05\x0a\x03"
										 "a\0b",
								7 }) == SABIR_INVALID_NAME);
	CU_ASSERT_STRING_EQUAL(ops_detail, "object 'a?b'");
	memset(name, 'n', sizeof(name));
	snprintf(request, sizeof(request), "name='%.256s' dict={}", name);
	CU_ASSERT(ops_call("ManagerService/Create", request) == SABIR_INVALID_NAME);
	snprintf(request, sizeof(request), "name='%.255s' dict={}", name);
	CU_ASSERT(ops_call("ManagerService/Create", request) == SABIR_OK);
	snprintf(request, sizeof(request), "object={name='%.255s'}", name);
	CU_ASSERT(ops_call("ManagerService/Delete", request) == SABIR_OK);
}

static void test_open_and_describe(void)
{
	delete_all();
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' queue={}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Open", "object={name='q'}") == SABIR_OK &&
		  text_has("info={name='q' handle="));
	CU_ASSERT(ops_call("ManagerService/Open", "object={name='q'} kind=1") == SABIR_OK);
	CU_ASSERT(ops_fails("ManagerService/Open", "object={name='q'} kind=4", SABIR_WRONG_KIND,
			    "object 'q': it is a queue"));
	CU_ASSERT(ops_fails("ManagerService/Open", "object={name='q'} kind=99", SABIR_INVALID_ARGUMENT,
			    "field 'kind' is 99, which is no kind"));
	CU_ASSERT(ops_call("ManagerService/Open", "object={name='q'} kind=-1") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(ops_call("QueueService/PutMany", "queue={name='q'} items=$1 items=$2") == SABIR_OK);
	CU_ASSERT(ops_call("QueueService/Close", "queue={name='q'}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Describe", "object={name='q'}") == SABIR_OK);
	CU_ASSERT(text_has(" length=2 memory_bytes=") && text_has(" closed=true "));
	CU_ASSERT(ops_fails("ManagerService/Describe", "object={name='x'}", SABIR_NOT_FOUND, "object 'x'"));
}

static void test_delete_ends_the_handle_and_frees_the_name(void)
{
	char request[64], detail[64];

	delete_all();
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' queue={}") == SABIR_OK);
	uint64_t handle = strtoull(strstr(ops_text, "handle=") + 7, NULL, 10);
	CU_ASSERT(ops_answers("ManagerService/Delete", "object={name='q'}", ""));
	CU_ASSERT(ops_fails("ManagerService/Delete", "object={name='q'}", SABIR_NOT_FOUND, "object 'q'"));
	snprintf(request, sizeof(request), "object={handle=%" PRIu64 "}", handle);
	snprintf(detail, sizeof(detail), "object #%u.%u", (unsigned)handle, (unsigned)(handle >> 32));
	CU_ASSERT(ops_fails("ManagerService/Delete", request, SABIR_DELETED, detail));
	CU_ASSERT(ops_fails("ManagerService/Describe", request, SABIR_DELETED, detail));
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' dict={}") == SABIR_OK);
	CU_ASSERT(ops_fails("ManagerService/Open", request, SABIR_DELETED, detail));
}

/* All pages of a listing: the number of objects, and of pages. */
static unsigned list_all(const char *filter, unsigned *n_pages)
{
	char request[200], token[32] = "";
	unsigned n = 0;

	for (*n_pages = 0;; ++*n_pages) {
		snprintf(request, sizeof(request), "%s page_token='%s'", filter, token);
		if (ops_call("ManagerService/List", request) != SABIR_OK)
			return 0;
		for (const char *at = ops_text; (at = strstr(at, "objects={")); at++)
			n++;
		const char *at = strstr(ops_text, "next_page_token='");
		if (!at)
			return ++*n_pages, n;
		snprintf(token, sizeof(token), "%.24s", at + strlen("next_page_token='"));
	}
}

static void test_list_by_prefix_and_kind_in_pages(void)
{
	unsigned n_pages;

	delete_all();
	CU_ASSERT(ops_answers("ManagerService/List", "", ""));
	for (int i = 0; i < 40; i++) {
		char request[64];
		snprintf(request, sizeof(request), i % 2 ? "name='odd/%d' dict={}" : "name='even/%d' queue={}", i);
		CU_ASSERT(ops_call("ManagerService/Create", request) == SABIR_OK);
	}
	CU_ASSERT(list_all("", &n_pages) == 40 && n_pages == 1);
	CU_ASSERT(list_all("page_size=7", &n_pages) == 40 && n_pages == 6);
	CU_ASSERT(list_all("prefix='odd/' page_size=20", &n_pages) == 20);
	CU_ASSERT(list_all("prefix='odd/1'", &n_pages) == 6);
	CU_ASSERT(list_all("prefix='e'", &n_pages) == 20);
	CU_ASSERT(list_all("kind=4", &n_pages) == 20);
	CU_ASSERT(list_all("kind=4 prefix='even'", &n_pages) == 0);
	CU_ASSERT(list_all("page_size=5000", &n_pages) == 40);
}

static void test_list_refuses_bad_filters(void)
{
	char request[100], token[32];

	CU_ASSERT(
		ops_fails("ManagerService/List", "prefix='/'", SABIR_INVALID_NAME, "no name begins with this prefix"));
	CU_ASSERT(ops_fails("ManagerService/List", "prefix='a//'", SABIR_INVALID_NAME,
			    "no name begins with this prefix"));
	CU_ASSERT(ops_fails("ManagerService/List", "prefix='a/../'", SABIR_INVALID_NAME,
			    "no name begins with this prefix"));
	CU_ASSERT(ops_call("ManagerService/List", "prefix='a/..'") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/List", "prefix='a/'") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/List", "kind=99") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(ops_call("ManagerService/List", "page_size=1") == SABIR_OK);
	snprintf(token, sizeof(token), "%.24s", strstr(ops_text, "next_page_token='") + strlen("next_page_token='"));
	snprintf(request, sizeof(request), "page_size=1 kind=1 page_token='%s'", token);
	CU_ASSERT(ops_call("ManagerService/List", request) == SABIR_INVALID_ARGUMENT);
	snprintf(request, sizeof(request), "page_size=1 prefix='o' page_token='%s'", token);
	CU_ASSERT(ops_call("ManagerService/List", request) == SABIR_INVALID_ARGUMENT);
	snprintf(request, sizeof(request), "page_size=1 page_token='%s'", token);
	CU_ASSERT(ops_call("ManagerService/List", request) == SABIR_OK);
}

static void test_the_table_of_objects_can_be_full(void)
{
	enum sabir_error error;
	unsigned n = 0;
	char request[64];

	delete_all();
	do {
		snprintf(request, sizeof(request), "name='full/%u' value={type_code=1}", n++);
		error = ops_call("ManagerService/Create", request);
	} while (!error && n < 1000);
	CU_ASSERT(error == SABIR_TOO_MANY_OWNERS && n > 200);
	delete_all();
	CU_ASSERT(ops_call("ManagerService/Create", "name='again' dict={}") == SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_create_tells_what_it_made),
		KIT_TEST(test_create_finds_what_is_there_already),
		KIT_TEST(test_create_refuses_bad_specs),
		KIT_TEST(test_bad_names_are_refused),
		KIT_TEST(test_open_and_describe),
		KIT_TEST(test_delete_ends_the_handle_and_frees_the_name),
		KIT_TEST(test_list_by_prefix_and_kind_in_pages),
		KIT_TEST(test_list_refuses_bad_filters),
		KIT_TEST(test_the_table_of_objects_can_be_full),
	};

	return kit_run("ops_manager", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
