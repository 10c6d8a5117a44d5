/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NamespaceService: every operation, and every way in which it fails.
 */
#include "server/ops/test_kit.h"

#define N "namespace={name='ns'}"
#define BAD_NAME "field 'name' is no name of an attribute"

static void make_namespace(void)
{
	(void)ops_call("ManagerService/Delete", "object={name='ns'}");
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", "name='ns' namespace={}") == SABIR_OK);
}

static void test_create_tells_the_kind(void)
{
	make_namespace();
	CU_ASSERT(strstr(ops_text, "kind=6") && strstr(ops_text, "namespace={}") && strstr(ops_text, "created=true"));
	CU_ASSERT(ops_call("ManagerService/Open", "object={name='ns'} kind=6") == SABIR_OK);
	CU_ASSERT(ops_fails("ManagerService/Create", "name='ns' exist_ok=true dict={}", SABIR_WRONG_KIND,
			    "object 'ns': it is a namespace"));
}

static void test_set_get_delete(void)
{
	make_namespace();
	CU_ASSERT(ops_answers("NamespaceService/Set", N " name='x' value=$1", "inserted=true"));
	CU_ASSERT(ops_answers("NamespaceService/Set", N " name='x' value=$'two'", ""));
	CU_ASSERT(ops_answers("NamespaceService/Get", N " name='x'", "value=$'two'"));
	CU_ASSERT(ops_fails("NamespaceService/Get", N " name='y'", SABIR_KEY_NOT_FOUND, "namespace 'ns'"));
	CU_ASSERT(ops_answers("NamespaceService/Delete", N " name='x'", ""));
	CU_ASSERT(ops_fails("NamespaceService/Delete", N " name='x'", SABIR_KEY_NOT_FOUND, "namespace 'ns'"));
}

static void test_bad_names_are_refused(void)
{
	static const char *const methods[] = { "NamespaceService/Get", "NamespaceService/Delete" };
	make_namespace();
	for (size_t i = 0; i < 2; i++) {
		CU_ASSERT(ops_fails(methods[i], N " name='_x'", SABIR_INVALID_ARGUMENT, BAD_NAME));
		CU_ASSERT(ops_fails(methods[i], N " name=''", SABIR_INVALID_ARGUMENT, BAD_NAME));
		CU_ASSERT(ops_fails(methods[i], N, SABIR_INVALID_ARGUMENT, "field 'name' is missing"));
	}
	CU_ASSERT(ops_fails("NamespaceService/Set", N " name='a b' value=$1", SABIR_INVALID_ARGUMENT, BAD_NAME));
	CU_ASSERT(ops_fails("NamespaceService/Set", N " name='a' value='x'", SABIR_INVALID_VALUE, "field 'value'"));
	CU_ASSERT(ops_fails("NamespaceService/Increment", N " name='1' delta=$1", SABIR_INVALID_ARGUMENT, BAD_NAME));
}

static void test_increment(void)
{
	make_namespace();
	CU_ASSERT(ops_answers("NamespaceService/Increment", N " name='n' delta=$5", "value=$5"));
	CU_ASSERT(ops_answers("NamespaceService/Increment", N " name='n' delta=$-7", "value=$-2"));
	CU_ASSERT(ops_answers("NamespaceService/Get", N " name='n'", "value=$-2"));
	CU_ASSERT(ops_answers("NamespaceService/Set", N " name='n' value=$'text'", ""));
	CU_ASSERT(ops_fails("NamespaceService/Increment", N " name='n' delta=$1", SABIR_WRONG_TYPE, "namespace 'ns'"));
}

static void test_dir_and_list_in_pages(void)
{
	char request[128], token[64] = "";
	make_namespace();
	CU_ASSERT(ops_answers("NamespaceService/Dir", N, ""));
	for (int i = 0; i < 3; i++) {
		snprintf(request, sizeof(request), N " name='a%d' value=$%d", 9 - i, i);
		CU_ASSERT(ops_answers("NamespaceService/Set", request, "inserted=true"));
	}
	CU_ASSERT(ops_answers("NamespaceService/Dir", N, "names='a9' names='a8' names='a7'"));
	CU_ASSERT(ops_call("NamespaceService/List", N " page_size=2") == SABIR_OK);
	CU_ASSERT(sscanf(ops_text,
			 "attributes={name='a9' value=$0} attributes={name='a8' value=$1} next_page_token=%63s",
			 token) == 1);
	snprintf(request, sizeof(request), N " page_size=2 page_token=%s", token);
	CU_ASSERT(ops_answers("NamespaceService/List", request, "attributes={name='a7' value=$2}"));
	CU_ASSERT(ops_fails("NamespaceService/Dir", request, SABIR_INVALID_ARGUMENT,
			    "field 'page_token' is not a token of this call"));
}

static void test_dicts_and_namespaces_are_two_kinds(void)
{
	make_namespace();
	(void)ops_call("ManagerService/Create", "name='ns/d' dict={}");
	CU_ASSERT(ops_fails("DictService/Len", "dict={name='ns'}", SABIR_WRONG_KIND, "dict 'ns': it is a namespace"));
	CU_ASSERT(ops_fails("DictService/Keys", "dict={name='ns'}", SABIR_WRONG_KIND, "dict 'ns': it is a namespace"));
	CU_ASSERT(ops_fails("NamespaceService/Get", "namespace={name='ns/d'} name='x'", SABIR_WRONG_KIND,
			    "namespace 'ns/d': it is a dict"));
	CU_ASSERT(ops_fails("NamespaceService/Dir", "namespace={name='ns/none'}", SABIR_NOT_FOUND,
			    "namespace 'ns/none'"));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_create_tells_the_kind), KIT_TEST(test_set_get_delete),
		KIT_TEST(test_bad_names_are_refused), KIT_TEST(test_increment),
		KIT_TEST(test_dir_and_list_in_pages), KIT_TEST(test_dicts_and_namespaces_are_two_kinds),
	};

	return kit_run("ops_namespace", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
