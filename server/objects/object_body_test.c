/* SPDX-License-Identifier: Apache-2.0 */
/* The body of an object is its own, whatever somebody has written over the ref to it. */
#include "server/objects/mutex.h"
#include "server/objects/object_test_kit.h"

static int setup(void)
{
	return kit_begin(16 << 20);
}

static const struct object_spec specs[] = {
	{ .kind = SEG_KIND_QUEUE },
	{ .kind = SEG_KIND_TASK_QUEUE },
	{ .kind = SEG_KIND_VALUE, .type_code = 'i' },
	{ .kind = SEG_KIND_ARRAY, .type_code = 'i', .length = 10 },
	{ .kind = SEG_KIND_DICT },
	{ .kind = SEG_KIND_LIST },
	{ .kind = SEG_KIND_SHARED_LIST },
	{ .kind = SEG_KIND_NAMESPACE },
	{ .kind = SEG_KIND_PIPE },
	{ .kind = SEG_KIND_BLOCK, .length = 100 },
	{ .kind = SEG_KIND_LOCK },
	{ .kind = SEG_KIND_RLOCK },
	{ .kind = SEG_KIND_SEMAPHORE },
	{ .kind = SEG_KIND_CONDITION },
	{ .kind = SEG_KIND_EVENT },
	{ .kind = SEG_KIND_BARRIER, .length = 2 },
};
#define N_SPECS (sizeof(specs) / sizeof(specs[0]))

static enum sabir_error enter(uint64_t handle, uint32_t kind)
{
	struct seg_object *object;
	struct seg_block *body;
	enum sabir_error error = object_enter(&lane, SEG_OP_READ, handle, kind, sizeof(*body), &object, &body);
	if (!error)
		object_leave(&lane);
	return error;
}

static void anothers_is_data_loss_for_each_kind(void)
{
	for (size_t i = 0; i < N_SPECS; i++) {
		uint64_t fine = kit_make(&specs[i]), poor = kit_make(&specs[i]);
		struct seg_object *o = &seg.objects[object_index(poor)];
		uint32_t own = o->body;
		CU_ASSERT_EQUAL(enter(poor, specs[i].kind), SABIR_OK);
		o->body = seg.objects[object_index(fine)].body;
		CU_ASSERT_EQUAL(enter(poor, specs[i].kind), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(enter(fine, specs[i].kind), SABIR_OK);
		o->body = own;
		object_delete(&lane, poor);
		object_sweep(&lane);
		CU_ASSERT_EQUAL(enter(fine, specs[i].kind), SABIR_OK);
		object_delete(&lane, fine);
	}
}

/* It would end in the middle of what its operations write. */
static void one_that_is_too_small_is_data_loss(void)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint64_t handle = kit_make(&spec);
	struct seg_object *o = &seg.objects[object_index(handle)], *found;
	struct seg_block *body, *small;
	uint32_t own = o->body;
	CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, SEG_LINE, 0, &small), SABIR_OK);
	block_publish(small, object_index(handle));
	o->body = segment_ref(&seg, small);
	CU_ASSERT_EQUAL(object_enter(&lane, SEG_OP_READ, handle, 0, SEG_LINE + 1, &found, &body), SABIR_DATA_LOSS);
	CU_ASSERT_PTR_NULL(object_body(&seg, o, SEG_LINE + 1));
	CU_ASSERT_PTR_NOT_NULL(object_body(&seg, o, SEG_LINE));
	o->body = own;
	block_retract(&lane, small);
	block_free(&lane, small);
	object_delete(&lane, handle);
}

/* Who takes another kind of object for a lock has not damaged it, however small its body is. */
static void another_kind_with_a_smaller_body_is_no_lock(void)
{
	for (size_t i = 0; i < N_SPECS; i++) {
		uint64_t handle = kit_make(&specs[i]);
		uint32_t kind = mutex_kind_of(&seg, handle);
		bool is_lock = specs[i].kind == SEG_KIND_LOCK || specs[i].kind == SEG_KIND_RLOCK;
		CU_ASSERT_EQUAL(kind == specs[i].kind, is_lock);
		struct mutex_state state;
		CU_ASSERT_EQUAL(mutex_look(&lane, handle, &state), is_lock ? SABIR_OK : SABIR_WRONG_KIND);
		CU_ASSERT_EQUAL(enter(handle, specs[i].kind), SABIR_OK);
		object_delete(&lane, handle);
	}
}

static void what_is_none_is_data_loss(void)
{
	static const uint32_t refs[] = { 0, 1, UINT32_MAX };
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		uint64_t poor = kit_make(&specs[0]);
		struct seg_object *o = &seg.objects[object_index(poor)];
		uint32_t own = o->body;
		o->body = refs[i];
		CU_ASSERT_EQUAL(enter(poor, SEG_KIND_QUEUE), SABIR_DATA_LOSS);
		o->body = own;
		object_delete(&lane, poor);
	}
}

/* An entry in which somebody has written when it ended, though it lives. */
static void its_memory_is_kept_for_who_is_inside(void)
{
	struct lane inside = kit_lane(&seg);
	for (size_t i = 0; i < N_SPECS; i++) {
		uint64_t poor = kit_make(&specs[i]);
		struct seg_object *o = &seg.objects[object_index(poor)];
		const struct seg_block *body = segment_at(&seg, o->body, sizeof(*body));
		o->retire_epoch = 1;
		lane_begin(&inside, SEG_OP_READ, object_index(poor));
		CU_ASSERT_EQUAL(object_delete(&lane, poor), SABIR_OK);
		object_sweep(&lane);
		CU_ASSERT(block_is_of(body, object_index(poor)));
		lane_end(&inside);
		object_sweep(&lane);
		CU_ASSERT(!block_is_of(body, object_index(poor)));
	}
	kit_lane_close(&inside);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(anothers_is_data_loss_for_each_kind),         KIT_TEST(one_that_is_too_small_is_data_loss),
		KIT_TEST(another_kind_with_a_smaller_body_is_no_lock), KIT_TEST(what_is_none_is_data_loss),
		KIT_TEST(its_memory_is_kept_for_who_is_inside),
	};
	return kit_run("bodies of objects", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
