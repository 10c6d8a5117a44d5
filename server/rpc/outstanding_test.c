/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rpc/outstanding.h"

#include <CUnit/Basic.h>

#include "server/shm/test_kit.h"

static int nothing(void)
{
	return 0;
}

static void what_is_added_is_found_once(void)
{
	struct outstanding set = { 0 };
	CU_ASSERT_FALSE(outstanding_remove(&set, 1));
	CU_ASSERT_FATAL(outstanding_reserve(&set, 1));
	outstanding_add(&set, 7);
	CU_ASSERT_FALSE(outstanding_remove(&set, 8));
	CU_ASSERT_FALSE(outstanding_remove(&set, 0));
	CU_ASSERT_TRUE(outstanding_remove(&set, 7));
	CU_ASSERT_FALSE(outstanding_remove(&set, 7));
	CU_ASSERT_EQUAL(set.n, 0);
	outstanding_fini(&set);
}

/* Against an array of flags. */
static void random_adds_and_removes_agree_with_a_model(void)
{
	static bool there[512];
	struct outstanding set = { 0 };
	uint32_t seed = 1, n = 0;
	for (int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t token = 1 + (seed >> 16) % 511;
		if (there[token] || seed >> 31) {
			CU_ASSERT(outstanding_remove(&set, token) == there[token]);
			n -= there[token];
			there[token] = false;
		} else {
			CU_ASSERT_FATAL(outstanding_reserve(&set, 1));
			outstanding_add(&set, token);
			there[token] = true;
			n++;
		}
		CU_ASSERT_FATAL(set.n == n);
	}
	for (uint64_t token; (token = outstanding_take(&set)) != 0; n--)
		CU_ASSERT(there[token]);
	CU_ASSERT_EQUAL(n, 0);
	outstanding_fini(&set);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_is_added_is_found_once),
		KIT_TEST(random_adds_and_removes_agree_with_a_model),
	};
	return kit_run("outstanding", nothing, nothing, tests, sizeof(tests) / sizeof(tests[0]));
}
