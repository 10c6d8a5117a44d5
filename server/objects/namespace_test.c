/* SPDX-License-Identifier: Apache-2.0 */
/* What a namespace adds to its dict: the names, and a kind of its own. */
#include "server/objects/namespace.h"

#include "server/objects/dict_test_kit.h"

static int setup(void)
{
	return kit_begin(16 << 20);
}

static enum sabir_error key_of(const char *name, struct span *key)
{
	static uint8_t buffer[NAMESPACE_KEY_MAX];
	return namespace_key((struct span){ (const uint8_t *)name, strlen(name) }, buffer, key);
}

static void names_are_identifiers_that_are_shared(void)
{
	static const char *const good[] = { "x", "X9", "a_b_", "\xc3\xa9t\xc3\xa9", "class" };
	static const char *const bad[] = { "", "_x", "__dict__", "9x", "a b", "a.b", "a\x7f", "a-", "\xff", "a\xc3" };
	struct span key;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT_FATAL(key_of(good[i], &key) == SABIR_OK);
		struct span name = namespace_name(key);
		CU_ASSERT(name.len == strlen(good[i]) && !memcmp(name.data, good[i], name.len));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(key_of(bad[i], &key), SABIR_INVALID_ARGUMENT);
}

static void names_have_up_to_255_bytes(void)
{
	char name[300];
	struct span key;
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	CU_ASSERT_EQUAL(key_of(name, &key), SABIR_OK);
	CU_ASSERT_EQUAL(namespace_name(key).len, 255);
	name[255] = 'n';
	name[256] = '\0';
	CU_ASSERT_EQUAL(key_of(name, &key), SABIR_INVALID_ARGUMENT);
}

static void the_dict_works_on_a_namespace_and_on_nothing_else(void)
{
	struct object_spec spec = { .kind = SEG_KIND_NAMESPACE };
	uint64_t ns, queue, length = 7;
	struct object_info info;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &ns), SABIR_OK);
	CU_ASSERT_EQUAL(set(&lane, ns, 1, 2), SABIR_OK);
	CU_ASSERT_EQUAL(object_describe(&lane, ns, &info), SABIR_OK);
	CU_ASSERT(info.kind == SEG_KIND_NAMESPACE && info.length == 1);
	CU_ASSERT(object_is_other(&seg, ns, SEG_KIND_DICT) && !object_is_other(&seg, ns, SEG_KIND_NAMESPACE));
	spec.kind = SEG_KIND_QUEUE;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &queue), SABIR_OK);
	CU_ASSERT_EQUAL(dict_len(&lane, queue, &length), SABIR_WRONG_KIND);
	CU_ASSERT_EQUAL(object_delete(&lane, ns), SABIR_OK);
	CU_ASSERT(!object_is_other(&seg, ns, SEG_KIND_DICT));
	CU_ASSERT_EQUAL(dict_len(&lane, ns, &length), SABIR_DELETED);
	CU_ASSERT_EQUAL(object_delete(&lane, queue), SABIR_OK);
	CU_ASSERT_EQUAL(length, 7);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(names_are_identifiers_that_are_shared),
		KIT_TEST(names_have_up_to_255_bytes),
		KIT_TEST(the_dict_works_on_a_namespace_and_on_nothing_else),
	};
	return kit_run("namespace", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
