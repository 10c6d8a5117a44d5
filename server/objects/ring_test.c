/* SPDX-License-Identifier: Apache-2.0 */
/* Walks that end where they come to a place again, and those that don't. */
#include "server/objects/ring.h"

#include "server/shm/test_kit.h"

/* From 1 on, `lead` places and then round and round among `length`; how many steps until it is noticed. */
static uint32_t walk(uint32_t lead, uint32_t length)
{
	struct ring ring = { 0 };
	uint32_t n = 0, ref = 1;
	for (; n < 100000 && !ring_closes(&ring, ref); n++)
		ref = ref == lead + length ? lead + 1 : ref + 1;
	return n;
}

static void a_ring_is_noticed_soon(void)
{
	for (uint32_t lead = 0; lead < 70; lead++)
		for (uint32_t length = 1; length < 70; length++) {
			uint32_t n = walk(lead, length);
			CU_ASSERT(n >= lead + length && n <= 3 * (lead + length) + 1);
		}
}

static void a_long_way_is_no_ring(void)
{
	struct ring ring = { 0 };
	uint32_t ref = 0;
	while (ref < 1000000 && !ring_closes(&ring, ++ref))
		;
	CU_ASSERT_EQUAL(ref, 1000000);
}

int main(void)
{
	static const CU_TestInfo tests[] = { KIT_TEST(a_ring_is_noticed_soon), KIT_TEST(a_long_way_is_no_ring) };
	return kit_run("ring", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
