/* SPDX-License-Identifier: Apache-2.0 */
/* Fairness of locks and semaphores: who has waited long is not overtaken, whoever dies or gives up on the way. */
#include <sched.h>

#include "server/base/clock.h"
#include "server/objects/barrier.h"
#include "server/objects/mutex.h"
#include "server/objects/semaphore.h"
#include "server/objects/turns_test_kit.h"

static uint64_t make_lock(void)
{
	return kit_make(&(struct object_spec){ .kind = SEG_KIND_LOCK });
}

static void age(uint64_t lock)
{
	kit_age(&((struct seg_mutex *)kit_body(lock))->turns);
}

static enum sabir_error take(struct lane *by, uint64_t lock)
{
	struct mutex_hold hold;
	return mutex_take(by, lock, &hold);
}

static enum sabir_error wait_for(struct lane *by, uint64_t lock, struct mutex_wait *w)
{
	struct mutex_hold hold = { 0 };
	enum sabir_error error = mutex_take_in_turn(by, lock, w, &hold);
	CU_ASSERT(error == SABIR_OK ? hold.token && !w->place : error != SABIR_WOULD_BLOCK || w->last || w->place);
	return error;
}

static bool is_mine(struct lane *by, uint64_t lock)
{
	struct mutex_state state = { 0 };
	CU_ASSERT_EQUAL(mutex_look(by, lock, &state), SABIR_OK);
	return state.mine;
}

static uint32_t n_turns(uint64_t lock)
{
	return ((struct seg_mutex *)kit_body(lock))->turns.n;
}

/* ---------------------------------------------------------------- locks */

static void who_is_quick_takes_a_lock_that_nobody_waited_long_for(void)
{
	uint64_t lock = make_lock();
	struct mutex_wait w = { 0 };
	struct seg_turn *turn;
	CU_ASSERT(!take(&lane, lock) && wait_for(&other, lock, &w) == SABIR_WOULD_BLOCK);
	turn = segment_at(&seg, (uint32_t)w.place, sizeof(*turn));
	turn->number = clock_now();
	bool taken = !mutex_release(&lane, lock) && !take(&lane, lock);
	/* On a busy machine the time may have passed in between. */
	CU_ASSERT(taken || clock_now() - turn->number >= TURN_FAIR_NS);
	if (taken)
		CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(wait_for(&other, lock, &w), SABIR_OK);
	CU_ASSERT_EQUAL(n_turns(lock), 0);
	object_delete(&lane, lock);
}

static void a_release_hands_over_to_who_has_waited_long(void)
{
	uint64_t lock = make_lock();
	struct mutex_wait w[2] = { { 0 } };
	CU_ASSERT(!take(&lane, lock));
	CU_ASSERT(wait_for(&other, lock, &w[0]) == SABIR_WOULD_BLOCK &&
		  wait_for(&third, lock, &w[1]) == SABIR_WOULD_BLOCK);
	age(lock);
	CU_ASSERT(!mutex_release(&lane, lock) && is_mine(&other, lock));
	CU_ASSERT(take(&lane, lock) == SABIR_WOULD_BLOCK && wait_for(&third, lock, &w[1]) == SABIR_WOULD_BLOCK);
	CU_ASSERT(!wait_for(&other, lock, &w[0]) && !mutex_release(&other, lock));
	CU_ASSERT(is_mine(&third, lock) && take(&other, lock) == SABIR_WOULD_BLOCK);
	CU_ASSERT(!wait_for(&third, lock, &w[1]) && !mutex_release(&third, lock));
	CU_ASSERT(!take(&lane, lock) && n_turns(lock) == 0);
	object_delete(&lane, lock);
}

static void who_comes_upon_a_free_lock_leaves_it_to_who_has_waited_long(void)
{
	uint64_t lock = make_lock();
	struct mutex_wait w = { 0 };
	CU_ASSERT(!take(&lane, lock) && wait_for(&other, lock, &w) == SABIR_WOULD_BLOCK);
	((struct seg_turn *)segment_at(&seg, (uint32_t)w.place, 64))->number = clock_now();
	CU_ASSERT(!mutex_release(&lane, lock));
	age(lock);
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_WOULD_BLOCK);
	CU_ASSERT(is_mine(&other, lock) && !wait_for(&other, lock, &w));
	object_delete(&lane, lock);
}

static void who_gives_up_passes_on_what_he_was_given(void)
{
	uint64_t lock = make_lock();
	struct mutex_wait w[2] = { { 0 } };
	CU_ASSERT(!take(&lane, lock));
	CU_ASSERT(wait_for(&other, lock, &w[0]) == SABIR_WOULD_BLOCK &&
		  wait_for(&third, lock, &w[1]) == SABIR_WOULD_BLOCK);
	age(lock);
	CU_ASSERT(!mutex_release(&lane, lock) && is_mine(&other, lock));
	CU_ASSERT(!mutex_give_up(&other, lock, w[0].place) && is_mine(&third, lock));
	CU_ASSERT(!mutex_give_up(&third, lock, w[1].place) && !take(&lane, lock));
	w[0] = (struct mutex_wait){ 0 };
	CU_ASSERT_EQUAL(wait_for(&other, lock, &w[0]), SABIR_WOULD_BLOCK);
	w[0].last = true;
	CU_ASSERT(wait_for(&other, lock, &w[0]) == SABIR_WOULD_BLOCK && !w[0].place && n_turns(lock) == 0);
	object_delete(&lane, lock);
}

static void who_dies_before_he_comes_for_it_has_not_abandoned_it(void)
{
	for (int abandoned = 0; abandoned < 2; abandoned++) {
		uint64_t lock = make_lock();
		struct lane victim = kit_lane(&seg), before = kit_lane(&seg);
		struct mutex_wait w = { 0 };
		struct mutex_hold hold = { 0 };
		CU_ASSERT(!take(&before, lock) && wait_for(&victim, lock, &w) == SABIR_WOULD_BLOCK);
		age(lock);
		CU_ASSERT(abandoned ? !owner_recover(&lane, before.owner) : !mutex_release(&before, lock));
		CU_ASSERT(is_mine(&victim, lock));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT(!mutex_take(&lane, lock, &hold) && hold.abandoned == abandoned && n_turns(lock) == 0);
		object_delete(&lane, lock);
		if (!abandoned)
			kit_lane_close(&before);
	}
}

static void a_call_that_somebody_has_released_for_him_was_his_all_the_same(void)
{
	uint64_t lock = make_lock();
	struct mutex_wait w = { 0 };
	CU_ASSERT(!take(&lane, lock) && wait_for(&other, lock, &w) == SABIR_WOULD_BLOCK);
	age(lock);
	CU_ASSERT(!mutex_release(&lane, lock) && !mutex_release(&third, lock) && !take(&third, lock));
	CU_ASSERT(!wait_for(&other, lock, &w) && is_mine(&third, lock));
	object_delete(&lane, lock);
}

/* ---------------------------------------------------------------- semaphores */

static void units_go_to_who_has_waited_long(void)
{
	uint32_t flags[] = { 0, SEG_SEMAPHORE_OWNED };
	for (int i = 0; i < 2; i++) {
		uint64_t s = kit_make(&(struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .flags = flags[i] }),
			 place = 0;
		uint64_t second = 0;
		struct lane victim = kit_lane(&seg);
		CU_ASSERT_EQUAL(semaphore_take_in_turn(&victim, s, &place, false), SABIR_WOULD_BLOCK);
		CU_ASSERT_EQUAL(semaphore_take_in_turn(&other, s, &second, false), SABIR_WOULD_BLOCK);
		kit_age(&((struct seg_semaphore *)kit_body(s))->turns);
		CU_ASSERT(!semaphore_give(&lane, s, 1) && semaphore_take(&lane, s) == SABIR_WOULD_BLOCK);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_WOULD_BLOCK);
		CU_ASSERT(!semaphore_take_in_turn(&other, s, &second, false) && !second);
		CU_ASSERT_EQUAL(semaphore_take_in_turn(&third, s, &place, false), SABIR_WOULD_BLOCK);
		kit_age(&((struct seg_semaphore *)kit_body(s))->turns);
		CU_ASSERT(!semaphore_give(&lane, s, 1) && !semaphore_give_up(&third, s, place));
		CU_ASSERT_EQUAL(semaphore_take(&lane, s), SABIR_OK);
		object_delete(&lane, s);
	}
}

/* ---------------------------------------------------------------- death */

static void act_wait(struct lane *by, void *context)
{
	struct mutex_wait w = { 0 };
	uint64_t lock = *(uint64_t *)context;
	(void)mutex_take_in_turn(by, lock, &w, &(struct mutex_hold){ 0 });
	w.last = true;
	(void)mutex_take_in_turn(by, lock, &w, &(struct mutex_hold){ 0 });
}

/* It is handed over to him, and he releases it again. */
static void act_come(struct lane *by, void *context)
{
	struct mutex_wait w = { 0 };
	uint64_t lock = *(uint64_t *)context;
	(void)mutex_take_in_turn(by, lock, &w, &(struct mutex_hold){ 0 });
	age(lock);
	(void)mutex_release(by, lock);
	(void)mutex_take_in_turn(by, lock, &w, &(struct mutex_hold){ 0 });
	(void)mutex_release(by, lock);
}

static void act_give_up(struct lane *by, void *context)
{
	struct mutex_wait w = { 0 };
	uint64_t lock = *(uint64_t *)context;
	(void)mutex_take_in_turn(by, lock, &w, &(struct mutex_hold){ 0 });
	age(lock);
	(void)mutex_release(by, lock);
	(void)mutex_give_up(by, lock, w.place);
}

/* One act with a death at one of its steps: `other` has the lock, `third` waits behind the one who acts. */
static void die_and_look(const struct kit_step *step, kit_act *act, struct kit_steps *steps)
{
	struct lane victim = kit_lane(&seg);
	uint64_t lock = make_lock();
	struct mutex_wait w = { 0 };
	CU_ASSERT(!take(&other, lock));
	if (step)
		(void)kit_die_at(step, act, &victim, &lock);
	else
		CU_ASSERT(kit_list_steps(steps, act, &victim, &lock));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(n_turns(lock), 0);
	enum sabir_error error = wait_for(&third, lock, &w);
	if (error == SABIR_WOULD_BLOCK) {
		CU_ASSERT(is_mine(&other, lock) && !mutex_release(&other, lock));
		error = wait_for(&third, lock, &w);
	}
	CU_ASSERT(error == SABIR_OK && n_turns(lock) == 0 && !mutex_release(&third, lock));
	object_delete(&lane, lock);
}

static void death_at_every_step_leaves_a_line_without_the_dead(void)
{
	static kit_act *const acts[] = { act_wait, act_come, act_give_up };
	struct arena_stats before, after;
	for (int i = 0; i < 3; i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		die_and_look(NULL, acts[i], steps);
		kit_settle(&lane);
		arena_stats(&seg, &before);
		for (unsigned k = 0; k < steps->n; k++)
			die_and_look(&steps->at[k], acts[i], steps);
		kit_settle(&lane);
		arena_stats(&seg, &after);
		CU_ASSERT(after.used_bytes <= before.used_bytes + 64 * 1024);
		munmap(steps, sizeof(*steps));
	}
}

static void a_damaged_line_is_noticed(void)
{
	uint64_t lock = make_lock();
	struct seg_mutex *body = kit_body(lock);
	struct mutex_wait w[2] = { { 0 } };
	CU_ASSERT(!take(&lane, lock) && wait_for(&other, lock, &w[0]) == SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(wait_for(&third, lock, &w[1]), SABIR_WOULD_BLOCK);
	((struct seg_turn *)segment_at(&seg, body->turns.last, 64))->block.next = body->turns.first;
	CU_ASSERT_EQUAL(mutex_kind.owner_gone(&lane, lock, 12345), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_DATA_LOSS);
	object_delete(&lane, lock);
	lock = make_lock();
	body = kit_body(lock);
	body->turns.waiting = body->turns.last = 7;
	CU_ASSERT_EQUAL(take(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(wait_for(&other, lock, &w[0]), SABIR_DATA_LOSS);
	object_delete(&lane, lock);
}

/* Two wait, and the second leads to itself. */
static struct seg_turns *make_ring(struct seg_turns *line)
{
	struct seg_turn *last = segment_at(&seg, line->last, sizeof(*last));
	CU_ASSERT_EQUAL(line->n_waiting, 2);
	last->block.next = line->last;
	return line;
}

/* What goes round in a ring does not end. */
#define RING_PATIENCE_S 20

static void a_line_that_is_a_ring_holds_nobody(void)
{
	uint64_t place[2] = { 0 }, index;
	uint64_t barrier = kit_make(&(struct object_spec){ .kind = SEG_KIND_BARRIER, .length = 3 });
	CU_ASSERT_EQUAL(barrier_wait(&lane, barrier, &place[0], false, &index), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(barrier_wait(&other, barrier, &place[1], false, &index), SABIR_WOULD_BLOCK);
	make_ring(&((struct seg_barrier *)kit_body(barrier))->turns);
	alarm(RING_PATIENCE_S);
	(void)barrier_abort(&third, barrier);
	CU_ASSERT_EQUAL(barrier_abort(&third, barrier), SABIR_DATA_LOSS);
	object_delete(&lane, barrier);
	uint64_t semaphore = kit_make(&(struct object_spec){ .kind = SEG_KIND_SEMAPHORE });
	place[0] = place[1] = 0;
	CU_ASSERT_EQUAL(semaphore_take_in_turn(&lane, semaphore, &place[0], false), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(semaphore_take_in_turn(&other, semaphore, &place[1], false), SABIR_WOULD_BLOCK);
	kit_age(&((struct seg_semaphore *)kit_body(semaphore))->turns);
	make_ring(&((struct seg_semaphore *)kit_body(semaphore))->turns);
	(void)semaphore_give(&third, semaphore, 1u << 30);
	CU_ASSERT_EQUAL(semaphore_give(&third, semaphore, 1), SABIR_DATA_LOSS);
	object_delete(&lane, semaphore);
	alarm(0);
}

/* However many turns it says that there are. */
static void a_search_of_a_ring_ends(void)
{
	uint64_t lock = make_lock();
	struct mutex_wait w[2] = { { 0 } };
	CU_ASSERT(!take(&lane, lock) && wait_for(&other, lock, &w[0]) == SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(wait_for(&third, lock, &w[1]), SABIR_WOULD_BLOCK);
	make_ring(&((struct seg_mutex *)kit_body(lock))->turns)->n = UINT32_MAX;
	alarm(RING_PATIENCE_S);
	CU_ASSERT_EQUAL(mutex_kind.owner_gone(&lane, lock, 12345), SABIR_OK);
	alarm(0);
	CU_ASSERT_EQUAL(mutex_release(&lane, lock), SABIR_DATA_LOSS);
	object_delete(&lane, lock);
}

/* ---------------------------------------------------------------- several processes */

struct race {
	uint64_t lock;
	uint64_t inside;
	uint64_t wrong;
	uint64_t over;
};

static void acquire_waiting(struct lane *mine, uint64_t lock)
{
	struct seg_event *e = &seg.objects[object_index(lock)].event[SEG_EVENT_ITEMS];
	struct mutex_wait w = { 0 };
	struct mutex_hold hold;
	for (;;) {
		uint32_t key = event_prepare(e, SEG_WAITING_LOCAL);
		if (mutex_take_in_turn(mine, lock, &w, &hold) != SABIR_WOULD_BLOCK)
			return;
		(void)event_wait_call(mine, object_index(lock), SEG_EVENT_ITEMS, key, EVENT_FOREVER,
				      turn_bits(w.place));
	}
}

static void go_in_and_out(struct lane *mine, struct race *race)
{
	race->wrong += fetch_add64(&race->inside, 1) != 0;
	for (int k = 0; k < 200; k++)
		cpu_relax();
	(void)fetch_add64(&race->inside, UINT64_MAX);
	race->wrong += mutex_release(mine, race->lock) != SABIR_OK;
}

/* Takes the lock again as soon as it has released it, and never sleeps. */
static void hog(struct race *race)
{
	struct lane mine = kit_lane(&seg);
	while (!load64_relaxed(&race->over))
		if (take(&mine, race->lock) == SABIR_OK)
			go_in_and_out(&mine, race);
	_exit(0);
}

static void take_turns(struct race *race, int n)
{
	struct lane mine = kit_lane(&seg);
	for (int i = 0; i < n; i++) {
		acquire_waiting(&mine, race->lock);
		go_in_and_out(&mine, race);
	}
	_exit(0);
}

static void nobody_starves_beside_those_who_never_sleep(void)
{
	struct race *race = kit_shared(sizeof(*race));
	pid_t hogs[2], waiters[3];
	race->lock = make_lock();
	alarm(60);
	for (int i = 0; i < 2; i++)
		if ((hogs[i] = fork()) == 0)
			hog(race);
	for (int i = 0; i < 3; i++)
		if ((waiters[i] = fork()) == 0)
			take_turns(race, 200);
	CU_ASSERT(kit_wait_all(waiters, 3));
	store64_relaxed(&race->over, 1);
	CU_ASSERT(kit_wait_all(hogs, 2));
	alarm(0);
	CU_ASSERT(race->wrong == 0 && race->inside == 0 && n_turns(race->lock) == 0);
	object_delete(&lane, race->lock);
	munmap(race, sizeof(*race));
}

static void act_release(struct lane *by, void *context)
{
	uint64_t lock = *(uint64_t *)context;
	(void)mutex_release(by, lock);
}

static void who_sleeps_is_woken_though_the_one_who_called_him_died(void)
{
	static const char *const names[] = { "mutex.committed", "mutex.unlocked", "event.calling", "event.called" };
	for (int i = 0; i < 4; i++) {
		struct kit_step step = { .nth = 1 };
		struct lane victim = kit_lane(&seg);
		uint64_t lock = make_lock();
		struct seg_mutex *body = kit_body(lock);
		snprintf(step.name, sizeof(step.name), "%s", names[i]);
		CU_ASSERT_EQUAL(take(&victim, lock), SABIR_OK);
		pid_t pid = fork();
		if (pid == 0) {
			struct lane mine = kit_lane(&seg);
			acquire_waiting(&mine, lock);
			_exit(!is_mine(&mine, lock));
		}
		while (!load32_seq(&body->turns.n_waiting))
			sched_yield();
		age(lock);
		CU_ASSERT(kit_die_at(&step, act_release, &victim, &lock));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		alarm(60);
		CU_ASSERT_EQUAL(kit_wait(pid), 0);
		alarm(0);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(who_is_quick_takes_a_lock_that_nobody_waited_long_for),
		KIT_TEST(a_release_hands_over_to_who_has_waited_long),
		KIT_TEST(who_comes_upon_a_free_lock_leaves_it_to_who_has_waited_long),
		KIT_TEST(who_gives_up_passes_on_what_he_was_given),
		KIT_TEST(who_dies_before_he_comes_for_it_has_not_abandoned_it),
		KIT_TEST(a_call_that_somebody_has_released_for_him_was_his_all_the_same),
		KIT_TEST(units_go_to_who_has_waited_long),
		KIT_TEST(death_at_every_step_leaves_a_line_without_the_dead),
		KIT_TEST(a_damaged_line_is_noticed),
		KIT_TEST(a_line_that_is_a_ring_holds_nobody),
		KIT_TEST(a_search_of_a_ring_ends),
		KIT_TEST(who_sleeps_is_woken_though_the_one_who_called_him_died),
		KIT_TEST(nobody_starves_beside_those_who_never_sleep),
	};
	return kit_run("turns", kit_setup, kit_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
