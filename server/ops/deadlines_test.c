/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap of deadlines and the table of ids, against what a look at everything says.
 */
#include <stdlib.h>

#include "server/ops/deadlines.h"
#include "server/ops/tickets.h"
#include "server/shm/test_kit.h"

enum { N = 500 };

static uint64_t earliest(const struct deadline *nodes)
{
	uint64_t ns = UINT64_MAX;

	for (int i = 0; i < N; i++)
		if (nodes[i].place && nodes[i].ns < ns)
			ns = nodes[i].ns;
	return ns;
}

static void test_the_earliest_is_first_whatever_comes_and_goes(void)
{
	struct deadline nodes[N] = { { 0 } };
	struct deadlines d = { 0 };
	unsigned seed = 11, n = 0;

	CU_ASSERT(deadlines_first(&d) == NULL);
	for (int round = 0; round < 20000; round++) {
		struct deadline *node = &nodes[(unsigned)rand_r(&seed) % N];
		uint64_t before = earliest(nodes);
		if (node->place) {
			deadlines_remove(&d, node);
			n--;
		} else {
			node->ns = (unsigned)rand_r(&seed) % 1000;
			CU_ASSERT(deadlines_reserve(&d));
			CU_ASSERT(deadlines_add(&d, node) == (node->ns < before));
			n++;
		}
		struct deadline *first = deadlines_first(&d);
		CU_ASSERT(d.n == n && (first ? first->ns : UINT64_MAX) == earliest(nodes));
	}
	deadlines_remove(&d, &(struct deadline){ 5, 0 });
	CU_ASSERT(d.n == n);
	deadlines_fini(&d);
}

static void test_ids_that_were_given_back_are_not_valid(void)
{
	struct tickets t = { 0 };
	uint64_t ids[N], again[N];
	int things[N];

	CU_ASSERT(tickets_find(&t, 0) == NULL && tickets_find(&t, 1) == NULL);
	for (int i = 0; i < N; i++) {
		CU_ASSERT(tickets_reserve(&t));
		ids[i] = tickets_take(&t, &things[i]);
	}
	for (int i = 0; i < N; i++) {
		CU_ASSERT(ids[i] != 0 && tickets_find(&t, ids[i]) == &things[i]);
		tickets_give_back(&t, ids[i]);
		tickets_give_back(&t, ids[i]);
	}
	for (int i = 0; i < N; i++) {
		CU_ASSERT(tickets_reserve(&t));
		again[i] = tickets_take(&t, &things[i]);
	}
	for (int i = 0; i < N; i++) {
		CU_ASSERT(tickets_find(&t, ids[i]) == NULL && tickets_find(&t, again[i]) == &things[i]);
		CU_ASSERT(tickets_find(&t, again[i] + ((uint64_t)1 << 32)) == NULL);
	}
	tickets_fini(&t);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_the_earliest_is_first_whatever_comes_and_goes),
		KIT_TEST(test_ids_that_were_given_back_are_not_valid),
	};

	return kit_run("deadlines", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
