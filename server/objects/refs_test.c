/* SPDX-License-Identifier: Apache-2.0 */
/* Holds: who has an object without a name open, how often, and what remains of those who die at it. */
#include "server/objects/refs.h"

#include "server/objects/object_test_kit.h"

static struct lane other;

static int setup(void)
{
	if (kit_begin(16 << 20))
		return -1;
	other = kit_lane(&seg);
	return 0;
}

static int teardown(void)
{
	kit_lane_close(&other);
	return kit_end();
}

static uint64_t make(struct lane *by, const char *name, bool bind)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	struct span span = { (const uint8_t *)name, name ? strlen(name) : 0 };
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(by, span, &spec, bind, &handle), SABIR_OK);
	return handle;
}

static uint32_t holders(uint64_t handle)
{
	return hold_count(&seg, &seg.objects[object_index(handle)]);
}

static void who_makes_an_object_holds_it(void)
{
	uint64_t o = make(&lane, NULL, false);
	CU_ASSERT_EQUAL(holders(o), 1);
	CU_ASSERT_EQUAL(object_release(&other, o), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(holders(o), 0);
	object_delete(&lane, o);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_DELETED);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_DELETED);
}

static void holds_are_counted_for_each_owner(void)
{
	uint64_t o = make(&lane, NULL, false);
	CU_ASSERT_EQUAL(object_hold(&other, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_hold(&other, o), SABIR_OK);
	CU_ASSERT_EQUAL(holders(o), 2);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&other, o), SABIR_OK);
	CU_ASSERT_EQUAL(holders(o), 1);
	CU_ASSERT_EQUAL(object_release(&other, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&other, o), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(holders(o), 0);
	object_delete(&lane, o);
}

static void what_has_a_name_or_an_owner_is_not_held(void)
{
	uint64_t named = make(&lane, "named", false), bound = make(&lane, NULL, true);
	CU_ASSERT(holders(named) == 0 && holders(bound) == 0);
	CU_ASSERT_EQUAL(object_hold(&lane, named), SABIR_OK);
	CU_ASSERT_EQUAL(object_hold(&lane, bound), SABIR_OK);
	CU_ASSERT(holders(named) == 0 && holders(bound) == 0);
	CU_ASSERT_EQUAL(object_release(&other, named), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&other, bound), SABIR_OK);
	object_delete(&lane, named);
	object_delete(&lane, bound);
}

/* A hold is not written into what somebody has written over the ref to the blocks of them. */
static void what_is_not_the_objects_has_no_holds(void)
{
	uint64_t o = make(&lane, NULL, false), fine = make(&lane, "fine", false);
	uint8_t before[sizeof(struct seg_queue)];
	const struct seg_queue *body = segment_at(&seg, seg.objects[object_index(fine)].body, sizeof(*body));
	memcpy(before, body, sizeof(before));
	seg.objects[object_index(o)].holders = seg.objects[object_index(fine)].body;
	CU_ASSERT_EQUAL(object_hold(&other, o), SABIR_OK);
	CU_ASSERT_EQUAL(memcmp(before, body, sizeof(before)), 0);
	CU_ASSERT_EQUAL(object_release(&other, o), SABIR_OK);
	object_delete(&lane, o);
	object_delete(&lane, fine);
	kit_settle(&lane);
}

static void nobody_holds_nothing(void)
{
	struct lane nobody = lane;
	nobody.actor.owner = 0;
	uint64_t o = make(&nobody, NULL, false);
	CU_ASSERT_EQUAL(object_hold(&nobody, o), SABIR_OK);
	CU_ASSERT_EQUAL(holders(o), 0);
	CU_ASSERT_EQUAL(object_release(&nobody, o), SABIR_SESSION_REQUIRED);
	object_delete(&lane, o);
}

static void many_owners_can_hold_an_object_often(void)
{
	struct lane others[20];
	uint64_t o = make(&lane, NULL, false);
	for (int i = 0; i < 20; i++) {
		others[i] = kit_lane(&seg);
		CU_ASSERT_EQUAL(object_hold(&others[i], o), SABIR_OK);
	}
	CU_ASSERT_EQUAL(holders(o), 21);
	for (uint32_t i = 0; i < 2 * SEG_HOLD_MOST; i++)
		CU_ASSERT_EQUAL(object_hold(&others[7], o), SABIR_OK);
	for (uint32_t i = 0; i < 2 * SEG_HOLD_MOST + 1; i++)
		CU_ASSERT_EQUAL(object_release(&others[7], o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&others[7], o), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(holders(o), 20);
	for (int i = 0; i < 20; i++)
		kit_lane_close(&others[i]);
	CU_ASSERT_EQUAL(holders(o), 1);
	object_delete(&lane, o);
	kit_settle(&lane);
}

static void the_place_of_the_gone_is_used_again(void)
{
	uint64_t o = make(&lane, NULL, false);
	uint32_t first = 0;
	for (int i = 0; i < 50; i++) {
		struct lane victim = kit_lane(&seg);
		CU_ASSERT_EQUAL(object_hold(&victim, o), SABIR_OK);
		CU_ASSERT_EQUAL(holders(o), 2);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(holders(o), 1);
		first = first ? first : seg.objects[object_index(o)].holders;
		CU_ASSERT_EQUAL(seg.objects[object_index(o)].holders, first);
	}
	object_delete(&lane, o);
}

/* ---------------------------------------------------------------- death */

static void act_hold(struct lane *by, void *context)
{
	for (int i = 0; i < 3; i++)
		(void)object_hold(by, *(uint64_t *)context);
}

static void act_release(struct lane *by, void *context)
{
	(void)object_hold(by, *(uint64_t *)context);
	(void)object_release(by, *(uint64_t *)context);
	(void)object_release(by, *(uint64_t *)context);
}

static void act_make(struct lane *by, void *context)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t handle;
	(void)context;
	if (object_create(by, (struct span){ NULL, 0 }, &spec, false, &handle) == SABIR_OK)
		(void)object_delete(by, handle);
}

static uint64_t used_bytes(void)
{
	struct arena_stats stats;
	arena_stats(&seg, &stats);
	return stats.used_bytes;
}

/* A step of the memory's may not come again. */
static void die_and_check(kit_act *act, const struct kit_step *step, uint64_t o)
{
	struct lane victim = kit_lane(&seg);
	(void)kit_die_at(step, act, &victim, &o);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(holders(o), 1);
	CU_ASSERT_EQUAL(object_hold(&other, o), SABIR_OK);
	CU_ASSERT_EQUAL(holders(o), 2);
	CU_ASSERT_EQUAL(object_release(&other, o), SABIR_OK);
}

static void death_at_every_step_leaves_no_hold(void)
{
	kit_act *acts[] = { act_hold, act_release };
	for (int i = 0; i < 2; i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t before = used_bytes(), o = make(&lane, NULL, false);
		CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &o));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		object_delete(&lane, o);
		for (unsigned k = 0; k < steps->n; k++) {
			o = make(&lane, NULL, false);
			die_and_check(acts[i], &steps->at[k], o);
			object_delete(&lane, o);
			kit_settle(&lane);
			kit_settle(&other);
		}
		CU_ASSERT(used_bytes() <= before);
		munmap(steps, sizeof(*steps));
	}
}

static void death_while_it_is_made_or_deleted_leaves_nothing(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = kit_lane(&seg);
	CU_ASSERT(kit_list_steps(steps, act_make, &victim, NULL));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	kit_settle(&lane);
	uint32_t n = kit_count_objects(&seg);
	for (unsigned k = 0; k < steps->n; k++) {
		victim = kit_lane(&seg);
		(void)kit_die_at(&steps->at[k], act_make, &victim, NULL);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		kit_settle(&lane);
		/* One that was complete and not yet told to its maker is the collector's: nobody holds it. */
		uint32_t left = kit_count_objects(&seg) - n;
		CU_ASSERT(left <= 1);
		for (uint32_t i = 1; i < seg.n_objects; i++)
			if (object_state(seg.objects[i].word) == SEG_OBJECT_LIVE)
				(void)object_delete(&lane, i | (seg.objects[i].word & 0xffffffff00000000ull));
		kit_settle(&lane);
	}
	munmap(steps, sizeof(*steps));
}

static void a_damaged_list_ends_where_it_is_damaged(void)
{
	struct lane others[9];
	uint64_t o = make(&lane, NULL, false);
	for (int i = 0; i < 9; i++) {
		others[i] = kit_lane(&seg);
		CU_ASSERT_EQUAL(object_hold(&others[i], o), SABIR_OK);
	}
	struct seg_object *entry = &seg.objects[object_index(o)];
	struct seg_block *block = segment_at(&seg, entry->holders, sizeof(*block));
	uint32_t next = block->next;
	block->next = entry->holders; /* a ring */
	CU_ASSERT(holders(o) > 1);
	block->next = UINT32_MAX;
	CU_ASSERT(holders(o) > 1);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_OK);
	block->next = next;
	for (int i = 0; i < 9; i++)
		kit_lane_close(&others[i]);
	object_delete(&lane, o);
}

/* The collector looks at the holds of all objects again and again. */
static void a_look_at_a_list_that_is_a_ring_is_short(void)
{
	struct lane others[18];
	uint64_t o = make(&lane, NULL, false);
	for (int i = 0; i < 18; i++) {
		others[i] = kit_lane(&seg);
		CU_ASSERT_EQUAL(object_hold(&others[i], o), SABIR_OK);
	}
	struct seg_object *entry = &seg.objects[object_index(o)];
	struct seg_block *first = segment_at(&seg, entry->holders, sizeof(*first));
	struct seg_block *second = segment_at(&seg, first->next, sizeof(*second));
	second->next = entry->holders;
	alarm(20);
	for (int i = 0; i < 1000; i++)
		CU_ASSERT(holders(o) >= 13);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_NOT_HELD);
	object_delete(&lane, o);
	alarm(0);
	for (int i = 0; i < 18; i++)
		kit_lane_close(&others[i]);
}

/* Somebody has written into the record of a lane that it was making it. */
static void who_dies_does_not_take_anothers_object_with_him(void)
{
	struct lane poor = kit_lane(&seg);
	uint64_t o = make(&lane, NULL, false);
	poor.shared->naming = o;
	CU_ASSERT_EQUAL(owner_recover(&lane, poor.owner), SABIR_OK);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_OK);
	object_delete(&lane, o);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(who_makes_an_object_holds_it),
		KIT_TEST(holds_are_counted_for_each_owner),
		KIT_TEST(what_has_a_name_or_an_owner_is_not_held),
		KIT_TEST(what_is_not_the_objects_has_no_holds),
		KIT_TEST(nobody_holds_nothing),
		KIT_TEST(many_owners_can_hold_an_object_often),
		KIT_TEST(the_place_of_the_gone_is_used_again),
		KIT_TEST(death_at_every_step_leaves_no_hold),
		KIT_TEST(death_while_it_is_made_or_deleted_leaves_nothing),
		KIT_TEST(a_damaged_list_ends_where_it_is_damaged),
		KIT_TEST(a_look_at_a_list_that_is_a_ring_is_short),
		KIT_TEST(who_dies_does_not_take_anothers_object_with_him),
	};
	return kit_run("refs", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
