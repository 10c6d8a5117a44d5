/* SPDX-License-Identifier: Apache-2.0 */
/* Dicts that begin with content, and the end of an entry's life at either end of the order. */
#include "server/objects/dict_test_kit.h"

static const struct span NO_NAME = { NULL, 0 };
static const struct span NAME = { (const uint8_t *)"copy", 4 };

static int setup(void)
{
	return kit_begin(32 << 20);
}

static uint64_t value_at(uint64_t d, uint64_t key)
{
	uint64_t value = UINT64_MAX;
	(void)get(&lane, d, key, &value);
	return value;
}

static void a_copy_has_the_content_and_lives_alone(void)
{
	uint64_t d = make_dict(), copy = 0, empty = 0;
	CU_ASSERT_EQUAL(dict_copy(&lane, d, NO_NAME, &empty), SABIR_OK);
	for (uint64_t i = 0; i < 3000; i++)
		set(&lane, d, i, i + 7);
	CU_ASSERT_EQUAL_FATAL(dict_copy(&lane, d, NO_NAME, &copy), SABIR_OK);
	CU_ASSERT(copy != d && length_of(copy) == 3000 && length_of(empty) == 0);
	for (uint64_t i = 0; i < 3000; i++)
		CU_ASSERT_EQUAL(value_at(copy, i), i + 7);
	set(&lane, d, 1, 1);
	del(&lane, copy, 2);
	CU_ASSERT(value_at(copy, 1) == 8 && value_at(d, 2) == 9);
	CU_ASSERT(!object_delete(&lane, d) && !object_delete(&lane, copy) && !object_delete(&lane, empty));
	CU_ASSERT_EQUAL(dict_copy(&lane, d, NO_NAME, &copy), SABIR_DELETED);
}

static void a_taken_name_makes_no_copy(void)
{
	struct arena_stats before, after;
	uint64_t d = make_dict(), first = 0, second = 0;
	for (uint64_t i = 0; i < 100; i++)
		set(&lane, d, i, i);
	CU_ASSERT_EQUAL(dict_copy(&lane, d, NAME, &first), SABIR_OK);
	account(&before);
	CU_ASSERT_EQUAL(dict_copy(&lane, d, NAME, &second), SABIR_ALREADY_EXISTS);
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT(!object_delete(&lane, d) && !object_delete(&lane, first));
}

static void a_copy_that_does_not_fit_leaves_nothing(void)
{
	static uint8_t large[1 << 20];
	struct arena_stats before, after;
	uint64_t d = make_dict(), copy = 0, i = 0;
	for (; i < 20; i++)
		CU_ASSERT_EQUAL_FATAL(
			dict_set(&lane, d, number_span(&i), (struct span){ large, sizeof(large) / 2 * 2 - 64 }, NULL),
			SABIR_OK);
	account(&before);
	CU_ASSERT_EQUAL(dict_copy(&lane, d, NAME, &copy), SABIR_RESOURCE_EXHAUSTED);
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(object_open(&lane, NAME, &copy), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
}

static void entries_are_popped_at_both_ends(void)
{
	uint64_t d = make_dict();
	struct bytes out = { 0 };
	for (uint64_t i = 0; i < 200; i++)
		set(&lane, d, i, i);
	del(&lane, d, 0);
	for (uint64_t i = 1; i < 100; i++) {
		CU_ASSERT_EQUAL_FATAL(dict_popfirst(&lane, d, &out), SABIR_OK);
		CU_ASSERT_EQUAL(number_in(bytes_item(&out, 0)), i);
		bytes_truncate(&out, 0);
		CU_ASSERT_EQUAL_FATAL(dict_popitem(&lane, d, &out), SABIR_OK);
		CU_ASSERT_EQUAL(number_in(bytes_item(&out, 1)), 200 - i);
		bytes_truncate(&out, 0);
	}
	CU_ASSERT_EQUAL(length_of(d), 1);
	CU_ASSERT_EQUAL(dict_popfirst(&lane, d, &out), SABIR_OK);
	CU_ASSERT_EQUAL(dict_popfirst(&lane, d, &out), SABIR_EMPTY);
	bytes_fini(&out);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- death */

static void copy_it(struct lane *by, void *context)
{
	uint64_t copy;
	(void)dict_copy(by, *(const uint64_t *)context, NAME, &copy);
}

/* Dies at the step; whether the copy is whole or not there, and no memory is lost. */
static bool dies_well(const struct kit_step *step, uint64_t d, const struct arena_stats *before)
{
	struct lane victim = kit_lane(&seg);
	struct arena_stats after;
	uint64_t copy;
	bool died = kit_die_at(step, copy_it, &victim, &d);
	bool fine = died && owner_recover(&lane, victim.owner) == SABIR_OK;
	if (object_open(&lane, NAME, &copy) == SABIR_OK)
		fine &= length_of(copy) == 50 && object_delete(&lane, copy) == SABIR_OK;
	account(&after);
	return fine && after.used_bytes == before->used_bytes;
}

static void a_maker_that_dies_leaves_all_or_nothing(void)
{
	static struct kit_steps *steps;
	struct arena_stats before;
	struct lane first = kit_lane(&seg);
	uint64_t d = make_dict(), copy;
	steps = kit_shared(sizeof(*steps));
	for (uint64_t i = 0; i < 50; i++)
		set(&lane, d, i, i);
	CU_ASSERT_FATAL(kit_list_steps(steps, copy_it, &first, &d));
	CU_ASSERT_EQUAL(owner_recover(&lane, first.owner), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, NAME, &copy), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&lane, copy), SABIR_OK);
	account(&before);
	for (unsigned i = 0; i < steps->n; i += 1 + (steps->at[i].nth > 3) * 10) {
		bool fine = dies_well(&steps->at[i], d, &before);
		CU_ASSERT(fine);
		if (!fine)
			fprintf(stderr, "\n%s %u\n", steps->at[i].name, steps->at[i].nth);
	}
	object_delete(&lane, d);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_copy_has_the_content_and_lives_alone),  KIT_TEST(a_taken_name_makes_no_copy),
		KIT_TEST(a_copy_that_does_not_fit_leaves_nothing), KIT_TEST(entries_are_popped_at_both_ends),
		KIT_TEST(a_maker_that_dies_leaves_all_or_nothing),
	};
	return kit_run("dict_copy", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
