/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of leases: what is behind them can't be seen, and they can't be guessed. */
#include "server/objects/task_test_kit.h"
#include "server/objects/task_token.h"

/* The test vector of the paper that tells of Speck. */
static void the_permutation_is_specks(void)
{
	static const uint64_t key[TASK_KEY_WORDS] = { 0x0b0a090803020100ull, 0x1b1a191813121110ull };
	CU_ASSERT_EQUAL(task_token_seal(key, 0x3b7265747475432dull), 0x8c6fa548454e028bull);
	CU_ASSERT_EQUAL(task_token_open(key, 0x8c6fa548454e028bull), 0x3b7265747475432dull);
}

static void each_number_has_a_token_that_leads_back(void)
{
	uint64_t key[TASK_KEY_WORDS] = { 3, 5 };
	for (uint64_t i = 0; i < 1000; i++) {
		key[0] += 0x9e3779b97f4a7c15ull;
		CU_ASSERT_EQUAL(task_token_open(key, task_token_seal(key, i << 32 | 7)), i << 32 | 7);
	}
}

static enum sabir_error ack(uint64_t q, uint64_t token)
{
	return task_queue_ack(&b, q, token);
}

/* Who knows his own leases of a queue, the one before and the one behind, still does not know that of another. */
static void a_guessed_token_is_no_lease(void)
{
	uint64_t q = make(&(struct task_spec){ 0 });
	struct task_lease mine, his;
	put(q, 1);
	put(q, 2);
	CU_ASSERT_EQUAL(lease(&b, q, 1000 * MS, &mine), 1);
	CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &his), 2);
	for (uint64_t i = 1; i < 20000; i++)
		CU_ASSERT(mine.token + i == his.token || ack(q, mine.token + i) == SABIR_LEASE_LOST);
	for (unsigned high = 0; high < 64; high++)
		for (unsigned low = 0; low < high; low++)
			CU_ASSERT_EQUAL(ack(q, mine.token ^ (1ull << high | 1ull << low)), SABIR_LEASE_LOST);
	/* What a token was before: the item's block and the number of the lease. */
	for (uint64_t ref = 0; ref < 20000; ref++)
		CU_ASSERT_EQUAL(ack(q, ref << 32 | 2), SABIR_LEASE_LOST);
	CU_ASSERT_EQUAL(size_of(q).leased, 2);
	CU_ASSERT_EQUAL(ack(q, his.token), SABIR_OK);
	object_delete(&a, q);
}

/* Each queue has a key of its own, also one in the place of another. */
static void a_token_is_for_its_queue_alone(void)
{
	uint64_t tokens[8];
	for (unsigned i = 0; i < 8; i++) {
		struct task_lease as;
		uint64_t q = make(&(struct task_spec){ 0 });
		put(q, 1);
		CU_ASSERT_EQUAL(lease(&a, q, 1000 * MS, &as), 1);
		for (unsigned k = 0; k < i; k++)
			CU_ASSERT_EQUAL(ack(q, tokens[k]), SABIR_LEASE_LOST);
		tokens[i] = as.token;
		CU_ASSERT_EQUAL(ack(q, as.token), SABIR_OK);
		object_delete(&a, q);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(the_permutation_is_specks),
		KIT_TEST(each_number_has_a_token_that_leads_back),
		KIT_TEST(a_guessed_token_is_no_lease),
		KIT_TEST(a_token_is_for_its_queue_alone),
	};
	return kit_run("task queue, tokens", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
