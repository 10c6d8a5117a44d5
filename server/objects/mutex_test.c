/* SPDX-License-Identifier: Apache-2.0 */
/* Locks and rlocks: who may take and release them, tokens, and the death of everybody concerned at each of their steps. */
#include <sched.h>

#include "server/objects/mutex.h"
#include "server/objects/turns_test_kit.h"

static uint64_t make(uint32_t kind, uint32_t flags)
{
	struct object_spec spec = { .kind = kind, .flags = flags };
	return kit_make(&spec);
}

static struct mutex_state look(struct lane *by, uint64_t lock)
{
	struct mutex_state state = { 0 };
	CU_ASSERT_EQUAL(mutex_look(by, lock, &state), SABIR_OK);
	return state;
}

static enum sabir_error take(struct lane *by, uint64_t lock)
{
	struct mutex_hold hold;
	return mutex_take(by, lock, &hold);
}

static void one_has_it_until_it_is_released(void)
{
	uint64_t lock = make(SEG_KIND_LOCK, 0);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(take(&other, lock), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_WOULD_BLOCK); /* it waits for itself */
	CU_ASSERT(look(&lane, lock).mine && !look(&other, lock).mine);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_OK);
	CU_ASSERT_FALSE(look(&lane, lock).locked);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(take(&other, lock), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_OK); /* anybody may */
	CU_ASSERT_EQUAL(object_delete(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_DELETED);
}

static void only_the_holder_releases_a_strict_one(void)
{
	uint64_t lock = make(SEG_KIND_LOCK, SEG_LOCK_STRICT);
	struct lane thread = lane;
	thread.actor.thread++;
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_release(&other, lock), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(mutex_release(&thread, lock), SABIR_OK);
	object_delete(&lane, lock);
}

static void an_rlock_is_entered_again_by_its_thread(void)
{
	uint64_t lock = make(SEG_KIND_RLOCK, 0);
	struct lane thread = lane;
	struct mutex_hold first, again;
	thread.actor.thread++;
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &first), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &again), SABIR_OK);
	CU_ASSERT(again.depth == 2 && again.token == first.token && !again.abandoned);
	CU_ASSERT_EQUAL(take(&thread, lock), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(mutex_release(&thread, lock), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(mutex_release(&other, lock), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(take(&other, lock), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(take(&other, lock), SABIR_OK);
	object_delete(&lane, lock);
}

static void tokens_only_rise(void)
{
	uint64_t lock = make(SEG_KIND_LOCK, 0), last = 0;
	for (int i = 0; i < 100; i++) {
		struct lane *by = i % 3 ? &lane : &other;
		struct mutex_hold hold = { 0 };
		CU_ASSERT_EQUAL(mutex_take(by, lock, &hold), SABIR_OK);
		CU_ASSERT(hold.token > last && hold.depth == 1);
		CU_ASSERT_EQUAL(look(&lane, lock).token, hold.token);
		last = hold.token;
		CU_ASSERT_EQUAL(mutex_release(by, lock), SABIR_OK);
	}
	object_delete(&lane, lock);
}

static void nobody_can_hold_it(void)
{
	uint64_t lock = make(SEG_KIND_LOCK, 0);
	struct lane nobody = lane, gone = lane;
	nobody.actor.owner = 0;
	gone.actor.owner += 1ull << 32;
	CU_ASSERT_EQUAL(take(&nobody, lock), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(mutex_release(&nobody, lock), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(take(&gone, lock), SABIR_SESSION_REQUIRED);
	CU_ASSERT_FALSE(look(&nobody, lock).mine);
	object_delete(&lane, lock);
}

static void what_makes_no_sense_is_not_made(void)
{
	struct object_spec spec = { .kind = SEG_KIND_RLOCK, .flags = SEG_LOCK_STRICT };
	uint64_t handle, event = make(SEG_KIND_EVENT, 0);
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &handle), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(take(&lane, event), SABIR_WRONG_KIND);
	object_delete(&lane, event);
}

/* ---------------------------------------------------------------- death */

static void act_take(struct lane *by, void *context)
{
	(void)take(by, *(uint64_t *)context);
}

static void act_release(struct lane *by, void *context)
{
	if (take(by, *(uint64_t *)context) == SABIR_OK)
		(void)mutex_release(by, *(uint64_t *)context);
}

static void act_recover(struct lane *by, void *context)
{
	owner_recover(by, *(uint32_t *)context);
}

static void a_dead_holders_lock_is_abandoned(void)
{
	static const struct kit_step step = { "mutex.told", 1 };
	uint64_t lock = make(SEG_KIND_LOCK, 0);
	struct lane victim = kit_lane(&seg);
	struct mutex_hold hold;
	CU_ASSERT(kit_die_at(&step, act_take, &victim, &lock));
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_release(&other, lock), SABIR_OK); /* in its place */
	CU_ASSERT_EQUAL(mutex_release(&other, lock), SABIR_NOT_HELD);
	CU_ASSERT(look(&lane, lock).abandoned);
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &hold), SABIR_OK);
	CU_ASSERT(hold.abandoned);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_take(&lane, lock, &hold), SABIR_OK);
	CU_ASSERT_FALSE(hold.abandoned);
	object_delete(&lane, lock);
}

/* Free, and told to be abandoned only if its token says that somebody had it. */
static bool is_usable(uint64_t lock)
{
	struct mutex_state state = look(&lane, lock);
	struct mutex_hold hold = { 0 };
	bool ok = !state.locked && state.depth == 0 && (!state.abandoned || state.token == 1) && state.token <= 1;
	ok &= mutex_take(&lane, lock, &hold) == SABIR_OK && hold.token == state.token + 1;
	ok &= hold.abandoned == state.abandoned && mutex_release(&lane, lock) == SABIR_OK;
	return ok;
}

static void death_at_every_step_leaves_it_usable(void)
{
	static kit_act *const acts[] = { act_take, act_release };
	for (int i = 0; i < 2; i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t lock = make(SEG_KIND_LOCK, 0);
		CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &lock));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		for (unsigned k = 0; k < steps->n; k++) {
			victim = kit_lane(&seg);
			lock = make(SEG_KIND_LOCK, 0);
			CU_ASSERT(kit_die_at(&steps->at[k], acts[i], &victim, &lock));
			CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
			CU_ASSERT(is_usable(lock));
			object_delete(&lane, lock);
		}
		munmap(steps, sizeof(*steps));
	}
}

static void death_of_the_recovery_is_repaired_by_the_next(void)
{
	static const struct kit_step last = { "mutex.told", 1 };
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	uint64_t lock = make(SEG_KIND_LOCK, 0);
	struct lane victim = kit_lane(&seg), helper = kit_lane(&seg);
	CU_ASSERT(kit_die_at(&last, act_take, &victim, &lock));
	CU_ASSERT(kit_list_steps(steps, act_recover, &helper, &victim.owner));
	CU_ASSERT_EQUAL(owner_recover(&lane, helper.owner), SABIR_OK);
	object_delete(&lane, lock);
	for (unsigned k = 0; k < steps->n; k++) {
		if (!strncmp(steps->at[k].name, "arena.", 6))
			continue;
		lock = make(SEG_KIND_LOCK, 0);
		victim = kit_lane(&seg);
		helper = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&last, act_take, &victim, &lock));
		(void)kit_die_at(&steps->at[k], act_recover, &helper, &victim.owner);
		CU_ASSERT_EQUAL(owner_recover(&lane, helper.owner), SABIR_OK);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT(look(&lane, lock).abandoned);
		CU_ASSERT(is_usable(lock));
		object_delete(&lane, lock);
	}
	munmap(steps, sizeof(*steps));
}

/* ---------------------------------------------------------------- several processes */

#define N_TURNS 20000

static void add_under_lock(struct lane *mine, uint64_t lock, uint64_t *number)
{
	struct seg_event *e = &seg.objects[object_index(lock)].event[SEG_EVENT_ITEMS];
	for (int i = 0; i < N_TURNS; i++) {
		uint32_t key = event_prepare(e, SEG_WAITING_LOCAL);
		while (take(mine, lock) == SABIR_WOULD_BLOCK) {
			event_wait(mine, object_index(lock), SEG_EVENT_ITEMS, key, EVENT_FOREVER);
			key = event_prepare(e, SEG_WAITING_LOCAL);
		}
		store64_relaxed(number, load64_relaxed(number) + 1);
		if (mutex_release(mine, lock))
			_exit(1);
	}
}

static void only_one_is_inside(void)
{
	uint64_t lock = make(SEG_KIND_LOCK, 0), *number = kit_shared(sizeof(*number));
	pid_t pids[3];
	alarm(60);
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct lane mine = kit_lane(&seg);
			add_under_lock(&mine, lock, number);
			kit_lane_close(&mine);
			_exit(0);
		}
	}
	CU_ASSERT(kit_wait_all(pids, 3));
	alarm(0);
	CU_ASSERT_EQUAL(*number, 3 * N_TURNS);
	CU_ASSERT_EQUAL(look(&lane, lock).token, 3 * N_TURNS);
	object_delete(&lane, lock);
}

static void who_waits_gets_a_dead_holders_lock(void)
{
	static const char *const steps[] = { "mutex.told", "mutex.committed", "mutex.unlocked" };
	for (int i = 0; i < 3; i++) {
		struct kit_step step = { .nth = 1 };
		uint64_t lock = make(SEG_KIND_LOCK, 0);
		struct seg_event *e = &seg.objects[object_index(lock)].event[SEG_EVENT_ITEMS];
		struct lane victim = kit_lane(&seg);
		snprintf(step.name, sizeof(step.name), "%s", steps[i]);
		CU_ASSERT(kit_die_at(&step, act_take, &victim, &lock));
		pid_t pid = fork();
		if (pid == 0) {
			struct lane mine = kit_lane(&seg);
			struct mutex_hold hold = { 0 };
			uint32_t key = event_prepare(e, SEG_WAITING_LOCAL);
			while (mutex_take(&mine, lock, &hold) == SABIR_WOULD_BLOCK) {
				event_wait(&mine, object_index(lock), SEG_EVENT_ITEMS, key, EVENT_FOREVER);
				key = event_prepare(e, SEG_WAITING_LOCAL);
			}
			_exit(!hold.abandoned);
		}
		while (!load32_seq(&e->waiting))
			sched_yield();
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(kit_wait(pid), 0);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(one_has_it_until_it_is_released),
		KIT_TEST(only_the_holder_releases_a_strict_one),
		KIT_TEST(an_rlock_is_entered_again_by_its_thread),
		KIT_TEST(tokens_only_rise),
		KIT_TEST(nobody_can_hold_it),
		KIT_TEST(what_makes_no_sense_is_not_made),
		KIT_TEST(a_dead_holders_lock_is_abandoned),
		KIT_TEST(death_at_every_step_leaves_it_usable),
		KIT_TEST(death_of_the_recovery_is_repaired_by_the_next),
		KIT_TEST(only_one_is_inside),
		KIT_TEST(who_waits_gets_a_dead_holders_lock),
	};
	return kit_run("mutex", kit_setup, kit_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
