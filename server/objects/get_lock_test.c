/* SPDX-License-Identifier: Apache-2.0 */
/* The lock that a value or an array has: one for all who ask, there as long as its object, and not longer. */
#include "server/objects/array.h"
#include "server/objects/mutex.h"
#include "server/objects/object_test_kit.h"
#include "server/objects/value.h"

static int setup(void)
{
	return kit_begin(64 << 20);
}

static uint64_t make(uint32_t kind)
{
	struct object_spec spec = { .kind = kind, .type_code = 'i', .length = kind == SEG_KIND_ARRAY ? 10 : 0 };
	return kit_make(&spec);
}

static enum sabir_error get_lock(struct lane *by, uint64_t handle, uint64_t *lock)
{
	enum sabir_error error = value_get_lock(by, handle, lock);
	return error == SABIR_WRONG_KIND ? array_get_lock(by, handle, lock) : error;
}

static void everybody_gets_the_same_lock(void)
{
	struct lane other = kit_lane(&seg);
	uint32_t kinds[] = { SEG_KIND_VALUE, SEG_KIND_ARRAY };
	for (int i = 0; i < 2; i++) {
		uint64_t object = make(kinds[i]), first = 0, second = 1;
		struct mutex_hold hold;
		CU_ASSERT_EQUAL(get_lock(&lane, object, &first), SABIR_OK);
		CU_ASSERT_EQUAL(get_lock(&other, object, &second), SABIR_OK);
		CU_ASSERT_EQUAL(first, second);
		CU_ASSERT(mutex_take(&lane, first, &hold) == SABIR_OK && hold.depth == 1);
		CU_ASSERT(mutex_take(&lane, first, &hold) == SABIR_OK && hold.depth == 2);
		CU_ASSERT_EQUAL(mutex_take(&other, first, &hold), SABIR_WOULD_BLOCK);
		CU_ASSERT(!mutex_release(&lane, first) && !mutex_release(&lane, first));
		CU_ASSERT(mutex_take(&other, first, &hold) == SABIR_OK && !mutex_release(&other, first));
		CU_ASSERT_EQUAL(object_delete(&lane, object), SABIR_OK);
		CU_ASSERT_EQUAL(mutex_take(&lane, first, &hold), SABIR_DELETED);
		CU_ASSERT_EQUAL(get_lock(&lane, object, &first), SABIR_DELETED);
	}
	kit_lane_close(&other);
}

static void a_lock_that_was_deleted_is_made_anew(void)
{
	uint64_t value = make(SEG_KIND_VALUE), first = 0, second = 0;
	struct mutex_hold hold;
	CU_ASSERT(!get_lock(&lane, value, &first) && !object_delete(&lane, first));
	CU_ASSERT(!get_lock(&lane, value, &second) && first != second);
	CU_ASSERT(!mutex_take(&lane, second, &hold) && !mutex_release(&lane, second));
	object_delete(&lane, value);
}

static void what_has_no_lock_is_of_the_wrong_kind(void)
{
	struct object_spec spec = { .kind = SEG_KIND_PIPE };
	uint64_t pipe = 0, lock;
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &pipe), SABIR_OK);
	CU_ASSERT_EQUAL(value_get_lock(&lane, pipe, &lock), SABIR_WRONG_KIND);
	CU_ASSERT_EQUAL(array_get_lock(&lane, pipe, &lock), SABIR_WRONG_KIND);
	object_delete(&lane, pipe);
}

static void ask_and_delete(struct lane *by, void *context)
{
	uint64_t lock;
	(void)get_lock(by, *(uint64_t *)context, &lock);
	(void)object_delete(by, *(uint64_t *)context);
}

static void who_dies_at_any_step_leaves_no_lock_alone(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before, after;
	kit_settle(&lane);
	arena_stats(&seg, &before);
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		uint64_t value = make(SEG_KIND_VALUE), lock;
		if (i == 0) {
			CU_ASSERT_FATAL(kit_list_steps(steps, ask_and_delete, &dying, &value));
		} else {
			(void)kit_die_at(&steps->at[i - 1], ask_and_delete, &dying, &value);
		}
		CU_ASSERT_EQUAL(owner_recover(&lane, dying.owner), SABIR_OK);
		enum sabir_error error = get_lock(&lane, value, &lock);
		CU_ASSERT(error == SABIR_OK || error == SABIR_DELETED);
		if (!error)
			CU_ASSERT_EQUAL(object_delete(&lane, value), SABIR_OK);
	}
	kit_settle(&lane);
	arena_stats(&seg, &after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
	munmap(steps, sizeof(*steps));
}

/* Whatever becomes of the word that leads to the lock, each time that one was made. */
static void overwrite_link(const char *name, void *context)
{
	struct seg_value *value = context;
	if (!strcmp(name, "object_part.made"))
		store64_relaxed(&value->lock, load64_relaxed(&value->lock) + 1);
}

static void a_word_that_changes_again_and_again_is_data_loss(void)
{
	uint64_t value = make(SEG_KIND_VALUE), lock;
	alarm(20);
	fault_trace(overwrite_link, segment_at(&seg, seg.objects[object_index(value)].body, sizeof(struct seg_value)));
	CU_ASSERT_EQUAL(value_get_lock(&lane, value, &lock), SABIR_DATA_LOSS);
	fault_trace(NULL, NULL);
	alarm(0);
	CU_ASSERT_EQUAL(object_delete(&lane, value), SABIR_OK);
	kit_settle(&lane);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(everybody_gets_the_same_lock),
		KIT_TEST(a_lock_that_was_deleted_is_made_anew),
		KIT_TEST(what_has_no_lock_is_of_the_wrong_kind),
		KIT_TEST(a_word_that_changes_again_and_again_is_data_loss),
		KIT_TEST(who_dies_at_any_step_leaves_no_lock_alone),
	};
	return kit_run("get_lock", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
