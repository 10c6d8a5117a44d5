/* SPDX-License-Identifier: Apache-2.0 */
/* Semaphores: counting, bounds, who holds what, and the death of everybody concerned at each of their steps. */
#include "server/objects/semaphore.h"
#include "server/objects/turns_test_kit.h"

static uint64_t make(uint64_t value, uint32_t flags)
{
	struct object_spec spec = { .kind = SEG_KIND_SEMAPHORE, .length = value, .flags = flags };
	return kit_make(&spec);
}

static struct semaphore_state look(struct lane *by, uint64_t s)
{
	struct semaphore_state state = { 0 };
	CU_ASSERT_EQUAL(semaphore_look(by, s, &state), SABIR_OK);
	return state;
}

static void it_counts(void)
{
	uint64_t s = make(2, 0);
	CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, 5), SABIR_OK); /* above its beginning */
	CU_ASSERT_EQUAL(look(&lane, s).value, 5);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, 0), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, SEMAPHORE_MAX - 4), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(look(&lane, s).value, 5);
	object_delete(&lane, s);
	CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_DELETED);
}

static void a_plain_one_needs_no_owner(void)
{
	struct lane nobody = lane;
	uint64_t plain = make(1, 0), owned = make(1, SEG_SEMAPHORE_OWNED);
	nobody.actor.owner = 0;
	CU_ASSERT_EQUAL(semaphore_take(&nobody, plain), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_give(&nobody, plain, 1), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&nobody, owned), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(semaphore_give(&nobody, owned, 1), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(look(&nobody, owned).value, 1);
	object_delete(&lane, plain);
	object_delete(&lane, owned);
}

static void a_bounded_one_stays_below_its_beginning(void)
{
	uint64_t s = make(3, SEG_SEMAPHORE_BOUNDED);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, 1), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, 4), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(look(&other, s).mine, 2);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, 2), SABIR_OK); /* its own and one of the other's */
	CU_ASSERT(look(&lane, s).mine == 0 && look(&other, s).mine == 1 && look(&lane, s).value == 2);
	CU_ASSERT_EQUAL(semaphore_give(&other, s, 1), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_give(&other, s, 1), SABIR_OUT_OF_RANGE);
	object_delete(&lane, s);
}

static void an_owned_one_can_be_given_more_than_it_had(void)
{
	uint64_t s = make(0, SEG_SEMAPHORE_OWNED);
	CU_ASSERT_EQUAL(semaphore_give(&lane, s, 3), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_OK);
	CU_ASSERT(look(&other, s).mine == 1 && look(&other, s).value == 2);
	object_delete(&lane, s);
}

static void what_the_gone_held_comes_back(void)
{
	uint64_t s = make(3, SEG_SEMAPHORE_BOUNDED), plain = make(2, 0);
	for (int i = 0; i < 5; i++) {
		struct lane victim = kit_lane(&seg);
		CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_OK);
		CU_ASSERT_EQUAL(semaphore_take(&victim, s), SABIR_OK);
		CU_ASSERT_EQUAL(semaphore_take(&victim, s), SABIR_OK);
		CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_WOULD_BLOCK);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(look(&lane, s).value, 2);
		CU_ASSERT_EQUAL(semaphore_give(&lane, s, 1), SABIR_OK);
	}
	struct lane victim = kit_lane(&seg);
	CU_ASSERT_EQUAL(semaphore_take(&victim, plain), SABIR_OK);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(look(&lane, plain).value, 1);
	object_delete(&lane, s);
	object_delete(&lane, plain);
}

static void a_damaged_list_is_noticed(void)
{
	uint64_t s = make(3, SEG_SEMAPHORE_BOUNDED);
	CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_OK);
	struct seg_semaphore *body = segment_at(&seg, seg.objects[object_index(s)].body, sizeof(*body));
	struct seg_units *u = segment_at(&seg, body->units, sizeof(*u));
	u->block.next = body->units;
	CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_DATA_LOSS);
	object_delete(&lane, s);
}

/* ---------------------------------------------------------------- death */

static uint64_t used_bytes(void)
{
	struct arena_stats stats;
	arena_stats(&seg, &stats);
	return stats.used_bytes;
}

static void act_take(struct lane *by, void *context)
{
	(void)semaphore_take(by, *(uint64_t *)context);
}

static void act_give(struct lane *by, void *context)
{
	(void)semaphore_take(by, *(uint64_t *)context);
	(void)semaphore_give(by, *(uint64_t *)context, 2); /* its own and one of another's */
}

static void act_delete(struct lane *by, void *context)
{
	(void)semaphore_take(by, *(uint64_t *)context);
	(void)object_delete(by, *(uint64_t *)context);
	object_sweep(by);
}

/* One of its units is another's, unless that was given back. */
static bool is_whole(uint64_t s)
{
	struct semaphore_state mine, all;
	if (semaphore_look(&other, s, &mine) == SABIR_DELETED)
		return true;
	return semaphore_look(&lane, s, &all) == SABIR_OK && all.value + mine.mine == 3;
}

static void death_at_every_step_costs_no_unit(void)
{
	static kit_act *const acts[] = { act_take, act_give, act_delete };
	uint64_t used = 0;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		unsigned n = 1;
		for (unsigned k = 0; k < n; k++) {
			struct lane victim = kit_lane(&seg);
			uint64_t s = make(3, SEG_SEMAPHORE_BOUNDED);
			CU_ASSERT_EQUAL(semaphore_take(&other, s), SABIR_OK);
			if (k == 0) {
				CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &s));
				n = steps->n + 1;
			} else {
				(void)kit_die_at(&steps->at[k - 1], acts[i], &victim, &s);
			}
			CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
			CU_ASSERT(is_whole(s));
			object_delete(&lane, s);
			object_sweep(&lane);
		}
		used = i == 0 ? used_bytes() : used;
		CU_ASSERT(used_bytes() <= used + 64 * 1024); /* what lanes keep in their caches */
		munmap(steps, sizeof(*steps));
	}
}

/* ---------------------------------------------------------------- several processes */

#define N_TURNS 5000

static void take_turns(uint64_t s, uint64_t *inside, uint64_t *most)
{
	struct lane mine = kit_lane(&seg);
	struct seg_event *e = &seg.objects[object_index(s)].event[SEG_EVENT_ITEMS];
	for (int i = 0; i < N_TURNS; i++) {
		uint32_t key = event_prepare(e, SEG_WAITING_LOCAL);
		while (semaphore_take(&mine, s) == SABIR_WOULD_BLOCK) {
			event_wait(&mine, object_index(s), SEG_EVENT_ITEMS, key, EVENT_FOREVER);
			key = event_prepare(e, SEG_WAITING_LOCAL);
		}
		uint64_t n = fetch_add64(inside, 1) + 1;
		if (n > load64_relaxed(most))
			store64_relaxed(most, n);
		(void)fetch_add64(inside, UINT64_MAX);
		if (semaphore_give(&mine, s, 1))
			_exit(1);
	}
	kit_lane_close(&mine);
	_exit(0);
}

static void no_more_are_inside_than_it_lets_in(void)
{
	uint64_t s = make(2, SEG_SEMAPHORE_BOUNDED), *shared = kit_shared(2 * sizeof(*shared));
	pid_t pids[4];
	alarm(60);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			take_turns(s, &shared[0], &shared[1]);
	}
	CU_ASSERT(kit_wait_all(pids, 4));
	alarm(0);
	CU_ASSERT(shared[0] == 0 && shared[1] <= 2);
	CU_ASSERT_EQUAL(look(&lane, s).value, 2);
	object_delete(&lane, s);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(it_counts),
		KIT_TEST(a_plain_one_needs_no_owner),
		KIT_TEST(a_bounded_one_stays_below_its_beginning),
		KIT_TEST(an_owned_one_can_be_given_more_than_it_had),
		KIT_TEST(what_the_gone_held_comes_back),
		KIT_TEST(a_damaged_list_is_noticed),
		KIT_TEST(death_at_every_step_costs_no_unit),
		KIT_TEST(no_more_are_inside_than_it_lets_in),
	};
	return kit_run("semaphore", kit_setup, kit_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
