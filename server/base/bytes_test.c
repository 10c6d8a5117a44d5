/* SPDX-License-Identifier: Apache-2.0 */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/bytes.h"
#include "server/base/wire.h"

static bool item_is(const struct bytes *b, size_t i, const char *text)
{
	struct span item = bytes_item(b, i);
	return item.len == strlen(text) && !memcmp(item.data, text, item.len);
}

static void test_items_stand_one_behind_the_other(void)
{
	struct bytes b = { 0 };

	for (int i = 0; i < 100; i++)
		CU_ASSERT(bytes_add(&b, "0123456789", (size_t)i % 11) == SABIR_OK);
	CU_ASSERT(b.n_items == 100 && item_is(&b, 13, "01") && item_is(&b, 11, ""));
	bytes_truncate(&b, 3);
	CU_ASSERT(b.n_items == 3 && b.len == 3 && item_is(&b, 2, "01"));
	bytes_fini(&b);
	CU_ASSERT(b.n_items == 0 && !b.data);
}

static void test_fixed_memory_is_used_until_it_is_too_small(void)
{
	uint8_t fixed[16];
	struct bytes b;

	bytes_init(&b, fixed, sizeof(fixed));
	CU_ASSERT(bytes_add(&b, "0123456789", 10) == SABIR_OK && b.data == fixed);
	CU_ASSERT(bytes_take(&b) == NULL);
	CU_ASSERT(bytes_add(&b, "0123456789", 10) == SABIR_OK && b.data != fixed);
	CU_ASSERT(item_is(&b, 0, "0123456789") && item_is(&b, 1, "0123456789"));
	uint8_t *mine = bytes_take(&b);
	CU_ASSERT(mine && !memcmp(mine, "01234567890123456789", 20) && b.n_items == 0);
	free(mine);
	bytes_fini(&b);
}

static void test_frames_make_fields_of_items(void)
{
	struct bytes b = { 0 };
	char text[200] = "";

	memset(text, 'x', sizeof(text) - 1);
	b.frame = WIRE_TAG(1, WIRE_LEN);
	CU_ASSERT(bytes_add(&b, "ab", 2) == SABIR_OK && bytes_add(&b, text, 199) == SABIR_OK &&
		  bytes_add(&b, "", 0) == SABIR_OK);
	CU_ASSERT(item_is(&b, 0, "ab") && item_is(&b, 1, text) && item_is(&b, 2, ""));
	CU_ASSERT(b.len == 4 + 202 + 2 && b.cap - b.len >= BYTES_SLACK);
	bytes_join(&b);
	CU_ASSERT(b.n_items == 1 && bytes_item(&b, 0).len == 208);
	CU_ASSERT(!memcmp(b.data,
			  "\x0a\x02"
			  "ab\x0a\xc7\x01xxx",
			  10));
	bytes_fini(&b);
}

static void test_limit_always_lets_the_first_pass(void)
{
	struct bytes b = { 0 };

	CU_ASSERT(bytes_fits(&b, SIZE_MAX));
	b.limit = 10;
	CU_ASSERT(bytes_fits(&b, 1000));
	CU_ASSERT(bytes_add(&b, "01234", 5) == SABIR_OK);
	CU_ASSERT(bytes_fits(&b, 4) && !bytes_fits(&b, 5) && !bytes_fits(&b, SIZE_MAX));
	CU_ASSERT(bytes_add(&b, "0123456789", 10) == SABIR_OK);
	CU_ASSERT(!bytes_fits(&b, 0));
	bytes_fini(&b);
}

static void test_what_cannot_be_counted_is_refused(void)
{
	struct bytes b = { 0 };

	CU_ASSERT(bytes_reserve(&b, (size_t)UINT32_MAX + 1) == NULL);
	b.frame = WIRE_TAG(1, WIRE_LEN);
	CU_ASSERT(bytes_reserve(&b, UINT32_MAX) == NULL);
	CU_ASSERT(bytes_reserve(&b, SIZE_MAX) == NULL);
	CU_ASSERT(b.n_items == 0 && b.len == 0);
	bytes_fini(&b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "items stand one behind the other", test_items_stand_one_behind_the_other },
		{ "fixed memory is used until it is too small", test_fixed_memory_is_used_until_it_is_too_small },
		{ "frames make fields of items", test_frames_make_fields_of_items },
		{ "the limit always lets the first pass", test_limit_always_lets_the_first_pass },
		{ "what cannot be counted is refused", test_what_cannot_be_counted_is_refused },
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = { { "bytes", NULL, NULL, NULL, NULL, tests }, CU_SUITE_INFO_NULL };

	if (CU_initialize_registry() || CU_register_suites(suites))
		return 1;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
