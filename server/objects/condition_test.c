/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions: who is notified, what becomes of the lock, and the death of everybody concerned at each of their steps. */
#include <sched.h>

#include "server/objects/condition.h"
#include "server/objects/turns_test_kit.h"

static uint64_t make(uint64_t lock)
{
	return kit_make(&(struct object_spec){ .kind = SEG_KIND_CONDITION, .over = lock });
}

static uint64_t lock_of(uint64_t condition)
{
	uint64_t lock = 0;
	CU_ASSERT_EQUAL(condition_lock(&lane, condition, &lock), SABIR_OK);
	return lock;
}

static enum sabir_error take(struct lane *by, uint64_t condition)
{
	struct mutex_hold hold;
	return mutex_take(by, lock_of(condition), &hold);
}

static enum sabir_error release(struct lane *by, uint64_t condition)
{
	return mutex_release(by, lock_of(condition));
}

static uint64_t depth(struct lane *by, uint64_t condition)
{
	struct mutex_state state = { 0 };
	CU_ASSERT_EQUAL(mutex_look(by, lock_of(condition), &state), SABIR_OK);
	return state.mine ? state.depth : 0;
}

static uint32_t n_waiting(uint64_t condition)
{
	uint32_t n = UINT32_MAX;
	CU_ASSERT_EQUAL(condition_look(&lane, condition, &n), SABIR_OK);
	return n;
}

/* Begins a wait: with the lock taken before, it waits. */
static void begin(struct lane *by, uint64_t condition, struct condition_wait *w)
{
	*w = (struct condition_wait){ 0 };
	CU_ASSERT_EQUAL(take(by, condition), SABIR_OK);
	CU_ASSERT(condition_wait(by, condition, w) == SABIR_WOULD_BLOCK && !w->locking);
}

static uint64_t notify(struct lane *by, uint64_t condition, uint64_t n)
{
	uint64_t notified = 0;
	CU_ASSERT_EQUAL(take(by, condition), SABIR_OK);
	CU_ASSERT_EQUAL(condition_notify(by, condition, n, &notified), SABIR_OK);
	CU_ASSERT_EQUAL(release(by, condition), SABIR_OK);
	return notified;
}

/* Whether the wait is notified now: it has the lock then, and gives it back. */
static bool is_notified(struct lane *by, uint64_t condition, struct condition_wait *w)
{
	enum sabir_error error = condition_wait(by, condition, w);
	CU_ASSERT(error == SABIR_OK || error == SABIR_WOULD_BLOCK);
	if (!error)
		CU_ASSERT_EQUAL(release(by, condition), SABIR_OK);
	return !error && w->notified;
}

static void a_wait_releases_the_lock_and_has_it_again_at_the_same_depth(void)
{
	uint64_t c = make(0);
	struct condition_wait w = { 0 };
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(take(&other, c), SABIR_OK);
	CU_ASSERT(condition_wait(&other, c, &w) == SABIR_WOULD_BLOCK && depth(&other, c) == 0);
	CU_ASSERT(n_waiting(c) == 1 && !take(&lane, c));
	uint64_t n;
	CU_ASSERT(!condition_notify(&lane, c, 5, &n) && n == 1 && n_waiting(c) == 0);
	CU_ASSERT(condition_wait(&other, c, &w) == SABIR_WOULD_BLOCK && w.locking);
	CU_ASSERT(!release(&lane, c) && !condition_wait(&other, c, &w));
	CU_ASSERT(w.notified && w.hold.depth == 3 && depth(&other, c) == 3);
	object_delete(&lane, c);
}

static void who_has_not_the_lock_can_neither_wait_nor_notify(void)
{
	uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_LOCK }), c = make(lock), n;
	struct condition_wait w = { 0 };
	struct lane nobody = lane;
	CU_ASSERT_EQUAL(lock_of(c), lock);
	CU_ASSERT_EQUAL(condition_wait(&lane, c, &w), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(condition_notify(&lane, c, 1, &n), SABIR_NOT_HELD);
	CU_ASSERT_EQUAL(take(&other, c), SABIR_OK);
	CU_ASSERT(condition_wait(&lane, c, &w) == SABIR_NOT_HELD && !w.memory && n_waiting(c) == 0);
	CU_ASSERT_EQUAL(condition_notify(&lane, c, 1, &n), SABIR_NOT_HELD);
	nobody.actor.owner = 0;
	CU_ASSERT_EQUAL(condition_wait(&nobody, c, &w), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(condition_notify(&nobody, c, 1, &n), SABIR_SESSION_REQUIRED);
	object_delete(&lane, c);
	object_delete(&lane, lock);
}

static void it_is_made_over_a_lock_or_an_rlock(void)
{
	uint64_t event = kit_make(&(struct object_spec){ .kind = SEG_KIND_EVENT }), made;
	struct object_spec spec = { .kind = SEG_KIND_CONDITION, .over = event };
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &made), SABIR_WRONG_KIND);
	object_delete(&lane, event);
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &made), SABIR_DELETED);
	spec.over = UINT64_MAX;
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &made), SABIR_DELETED);
}

static void they_are_notified_in_the_order_of_their_coming(void)
{
	uint64_t c = make(0);
	struct condition_wait a, b, late;
	begin(&other, c, &a);
	begin(&third, c, &b);
	CU_ASSERT_EQUAL(notify(&lane, c, 1), 1);
	begin(&lane, c, &late);
	CU_ASSERT(is_notified(&other, c, &a));
	CU_ASSERT(!is_notified(&third, c, &b) && !is_notified(&lane, c, &late));
	CU_ASSERT_EQUAL(notify(&other, c, UINT64_MAX), 2);
	CU_ASSERT(is_notified(&lane, c, &late) && is_notified(&third, c, &b));
	CU_ASSERT_EQUAL(notify(&other, c, 1), 0);
	begin(&lane, c, &late);
	CU_ASSERT(!is_notified(&lane, c, &late)); /* nothing was kept for it */
	CU_ASSERT_EQUAL(condition_give_up(&lane, c, &late), SABIR_OK);
	object_delete(&lane, c);
}

static void who_is_late_has_the_lock_again_and_was_not_notified(void)
{
	uint64_t c = make(0);
	struct condition_wait w, next;
	begin(&other, c, &w);
	begin(&third, c, &next);
	CU_ASSERT_EQUAL(take(&lane, c), SABIR_OK);
	w.timed_out = true;
	CU_ASSERT(condition_wait(&other, c, &w) == SABIR_WOULD_BLOCK && w.locking && n_waiting(c) == 1);
	uint64_t n;
	CU_ASSERT(!condition_notify(&lane, c, 1, &n) && n == 1 && !release(&lane, c));
	CU_ASSERT(!condition_wait(&other, c, &w) && !w.notified && depth(&other, c) == 1);
	CU_ASSERT(!release(&other, c) && is_notified(&third, c, &next));
	object_delete(&lane, c);
}

static void what_was_given_to_who_goes_passes_on_to_who_was_there(void)
{
	for (int by_death = 0; by_death < 2; by_death++) {
		uint64_t c = make(0);
		struct lane victim = kit_lane(&seg);
		struct condition_wait first, second, late;
		begin(&victim, c, &first);
		begin(&other, c, &second);
		CU_ASSERT_EQUAL(take(&lane, c), SABIR_OK);
		uint64_t n;
		CU_ASSERT(!condition_notify(&lane, c, 1, &n) && n == 1);
		CU_ASSERT(condition_wait(&victim, c, &first) == SABIR_WOULD_BLOCK && first.locking);
		CU_ASSERT_EQUAL(release(&lane, c), SABIR_OK);
		begin(&third, c, &late);
		CU_ASSERT(by_death ? !owner_recover(&lane, victim.owner) : !condition_give_up(&victim, c, &first));
		CU_ASSERT(is_notified(&other, c, &second) && !is_notified(&third, c, &late));
		CU_ASSERT(!condition_give_up(&third, c, &late) && n_waiting(c) == 0);
		CU_ASSERT_EQUAL(((struct seg_mutex *)kit_body(lock_of(c)))->turns.n, 0);
		object_delete(&lane, c);
		if (!by_death)
			kit_lane_close(&victim);
	}
}

static void a_late_comer_does_not_inherit(void)
{
	uint64_t c = make(0);
	struct condition_wait first, late;
	begin(&other, c, &first);
	CU_ASSERT_EQUAL(notify(&lane, c, 1), 1);
	begin(&third, c, &late);
	CU_ASSERT(!condition_give_up(&other, c, &first) && !is_notified(&third, c, &late));
	CU_ASSERT_EQUAL(notify(&lane, c, 1), 1);
	CU_ASSERT(is_notified(&third, c, &late));
	object_delete(&lane, c);
}

/* The memory can't be had as long as somebody may be in it; who waits has to know before. */
/* Of a lock that was made anew the turns are others', in the same places perhaps. */
static void who_waits_takes_nobodys_turn(void)
{
	uint64_t c = make(0);
	struct condition_wait w, its = { 0 };
	begin(&other, c, &w);
	begin(&third, c, &its);
	CU_ASSERT_EQUAL(take(&lane, c), SABIR_OK);
	uint64_t n;
	CU_ASSERT(!condition_notify(&lane, c, 2, &n) && n == 2);
	CU_ASSERT(condition_wait(&third, c, &its) == SABIR_WOULD_BLOCK && its.locking);
	w.memory = its.memory;
	CU_ASSERT(condition_wait(&other, c, &w) == SABIR_DELETED);
	CU_ASSERT_EQUAL(release(&lane, c), SABIR_OK);
	CU_ASSERT(condition_wait(&third, c, &its) == SABIR_OK && its.notified && depth(&third, c) == 1);
	object_delete(&lane, c);
}

static void its_end_is_told_though_somebody_is_inside(void)
{
	uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_RLOCK }), c = make(lock);
	struct lane inside = kit_lane(&seg);
	struct condition_wait w;
	begin(&other, c, &w);
	uint32_t *seq = &seg.objects[object_index(lock)].event[SEG_EVENT_DONE].seq, before = *seq;
	lane_begin(&inside, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL(object_delete(&lane, c), SABIR_OK);
	CU_ASSERT(*seq != before);
	lane_end(&inside);
	CU_ASSERT_EQUAL(condition_wait(&other, c, &w), SABIR_DELETED);
	object_delete(&lane, lock);
	kit_lane_close(&inside);
}

static void the_end_of_either_ends_the_wait(void)
{
	for (int i = 0; i < 4; i++) {
		uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_RLOCK }), c = make(lock);
		struct seg_event *e = seg.objects[object_index(lock)].event;
		struct condition_wait w;
		begin(&other, c, &w);
		CU_ASSERT_EQUAL(take(&lane, c), SABIR_OK);
		uint64_t n;
		if (i & 1)
			CU_ASSERT(!condition_notify(&lane, c, 1, &n) &&
				  condition_wait(&other, c, &w) == SABIR_WOULD_BLOCK && w.locking);
		uint32_t seq = e[SEG_EVENT_DONE].seq;
		CU_ASSERT_EQUAL(object_delete(&lane, i & 2 ? c : lock), SABIR_OK);
		CU_ASSERT(e[SEG_EVENT_DONE].seq != seq); /* they are woken */
		CU_ASSERT(condition_wait(&other, c, &w) == SABIR_DELETED && !w.memory);
		if (i & 2) {
			CU_ASSERT_EQUAL(((struct seg_mutex *)kit_body(lock))->turns.n, 0);
			object_delete(&lane, lock);
		} else {
			CU_ASSERT(n_waiting(c) == 0 && ((struct seg_condition *)kit_body(c))->turns.n == 0);
			object_delete(&lane, c);
		}
	}
}

/* The own lock is deleted alone, and made anew by the next who needs it: the waits were with the one that is gone. */
static void the_end_of_its_own_lock_ends_the_waits(void)
{
	for (int i = 0; i < 2; i++) {
		uint64_t c = make(0), old = lock_of(c), n = 0;
		struct condition_wait w;
		begin(&other, c, &w);
		CU_ASSERT_EQUAL(take(&lane, c), SABIR_OK);
		if (i)
			CU_ASSERT(!condition_notify(&lane, c, 1, &n) &&
				  condition_wait(&other, c, &w) == SABIR_WOULD_BLOCK && w.locking);
		CU_ASSERT(object_delete(&lane, old) == SABIR_OK && lock_of(c) != old);
		CU_ASSERT_TRUE(object_ready(&seg, c, w.memory));
		CU_ASSERT(condition_wait(&other, c, &w) == SABIR_DELETED && !w.memory);
		CU_ASSERT(n_waiting(c) == 0 && ((struct seg_condition *)kit_body(c))->turns.n == 0);
		begin(&other, c, &w);
		CU_ASSERT_EQUAL(notify(&lane, c, 1), 1);
		CU_ASSERT_TRUE(is_notified(&other, c, &w));
		object_delete(&lane, c);
	}
}

/* And with the one that there is now the same program waits, in the same places perhaps. */
static void another_wait_with_the_new_lock_is_not_taken_for_the_old_one(void)
{
	uint64_t c = make(0), old = lock_of(c), n = 0;
	struct condition_wait w, its;
	begin(&other, c, &w);
	CU_ASSERT(take(&lane, c) == SABIR_OK && !condition_notify(&lane, c, 1, &n));
	CU_ASSERT(condition_wait(&other, c, &w) == SABIR_WOULD_BLOCK && w.locking);
	CU_ASSERT(object_delete(&lane, old) == SABIR_OK && lock_of(c) != old);
	begin(&other, c, &its);
	CU_ASSERT(take(&lane, c) == SABIR_OK && !condition_notify(&lane, c, 1, &n));
	CU_ASSERT(condition_wait(&other, c, &its) == SABIR_WOULD_BLOCK && its.locking);
	w.memory = its.memory;
	CU_ASSERT(condition_wait(&other, c, &w) == SABIR_DELETED && !w.memory);
	CU_ASSERT_EQUAL(((struct seg_condition *)kit_body(c))->turns.n, 1);
	CU_ASSERT(condition_wait(&other, c, &its) == SABIR_WOULD_BLOCK && its.locking);
	CU_ASSERT_EQUAL(release(&lane, c), SABIR_OK);
	CU_ASSERT(condition_wait(&other, c, &its) == SABIR_OK && its.notified && depth(&other, c) == 1);
	object_delete(&lane, c);
}

/* ---------------------------------------------------------------- death */

static void act_wait(struct lane *by, void *context)
{
	uint64_t c = *(uint64_t *)context;
	struct condition_wait w = { 0 };
	struct lane *helper = &third;
	uint64_t n;
	(void)mutex_take(by, lock_of(c), &(struct mutex_hold){ 0 });
	(void)condition_wait(by, c, &w);
	(void)mutex_take(helper, lock_of(c), &(struct mutex_hold){ 0 });
	(void)condition_notify(helper, c, 1, &n);
	(void)condition_wait(by, c, &w);
	(void)mutex_release(helper, lock_of(c));
	(void)condition_wait(by, c, &w);
	(void)mutex_release(by, lock_of(c));
}

static void act_time_out(struct lane *by, void *context)
{
	uint64_t c = *(uint64_t *)context;
	struct condition_wait w = { 0 };
	(void)mutex_take(by, lock_of(c), &(struct mutex_hold){ 0 });
	(void)condition_wait(by, c, &w);
	w.timed_out = true;
	(void)condition_wait(by, c, &w);
	(void)mutex_release(by, lock_of(c));
}

static void act_notify_all(struct lane *by, void *context)
{
	uint64_t c = *(uint64_t *)context, n;
	(void)mutex_take(by, lock_of(c), &(struct mutex_hold){ 0 });
	(void)condition_notify(by, c, UINT64_MAX, &n);
	(void)mutex_release(by, lock_of(c));
}

static void act_delete(struct lane *by, void *context)
{
	(void)object_delete(by, *(uint64_t *)context);
	object_sweep(by);
}

/* Whatever happened, everybody who is left can use it: two waits begin, are notified and end. */
static bool is_usable(uint64_t c)
{
	struct condition_wait a, b;
	begin(&other, c, &a);
	begin(&lane, c, &b);
	bool fine = notify(&third, c, 2) == 2 && n_waiting(c) == 0;
	fine &= is_notified(&other, c, &a) && is_notified(&lane, c, &b);
	return fine && ((struct seg_condition *)kit_body(c))->turns.n == 0 &&
	       ((struct seg_mutex *)kit_body(lock_of(c)))->turns.n == 0;
}

/* The lane that helps dies with the child that it helps in, and either of the two may have been in the other's way. */
static void recover_both(uint32_t victim)
{
	enum sabir_error one, two;
	lane.lock_patience_ns = 1000000;
	do {
		one = owner_recover(&lane, victim);
		two = owner_recover(&lane, third.owner);
	} while (one || two);
	lane.lock_patience_ns = 0;
	third = kit_lane(&seg);
}

static void die_and_look(const struct kit_step *step, kit_act *act, struct kit_steps *steps)
{
	struct lane victim = kit_lane(&seg);
	uint64_t c = make(0);
	struct condition_wait waits[2];
	struct lane *waiters[2] = { &other, &lane };
	uint32_t n_notified = 0;
	bool all = act == act_notify_all;
	for (int i = 0; i < 2 && all; i++)
		begin(waiters[i], c, &waits[i]);
	lock_of(c);
	if (step)
		(void)kit_die_at(step, act, &victim, &c);
	else
		CU_ASSERT(kit_list_steps(steps, act, &victim, &c));
	recover_both(victim.owner);
	for (int i = 0; i < 2 && all; i++)
		n_notified += is_notified(waiters[i], c, &waits[i]);
	CU_ASSERT(n_notified == 0 || n_notified == 2);
	for (int i = 0; i < 2 && all && !n_notified; i++)
		CU_ASSERT_EQUAL(condition_give_up(waiters[i], c, &waits[i]), SABIR_OK);
	uint32_t n;
	if (condition_look(&lane, c, &n) != SABIR_DELETED)
		CU_ASSERT(is_usable(c));
	object_delete(&lane, c);
}

static void death_at_every_step_leaves_it_usable(void)
{
	static kit_act *const acts[] = { act_wait, act_time_out, act_notify_all, act_delete };
	struct arena_stats before, after;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		die_and_look(NULL, acts[i], steps);
		kit_settle(&lane);
		arena_stats(&seg, &before);
		for (unsigned k = 0; k < steps->n; k++)
			die_and_look(&steps->at[k], acts[i], steps);
		kit_settle(&lane);
		arena_stats(&seg, &after);
		CU_ASSERT(after.used_bytes <= before.used_bytes + 64 * 1024);
		CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
		munmap(steps, sizeof(*steps));
	}
}

/* ---------------------------------------------------------------- several processes */

/* Sleeps until the wait ends: 0 if it was notified. */
static int wait_asleep(uint64_t c)
{
	struct condition_wait w = { 0 };
	lane = kit_lane(&seg); /* the other one is its parent's */
	uint32_t lock = object_index(lock_of(c));
	enum sabir_error error;
	if (take(&lane, c))
		return 9;
	for (;;) {
		/* What it waits for may change while it looks: both keys are from before. */
		uint32_t done = event_prepare(&seg.objects[lock].event[SEG_EVENT_DONE], SEG_WAITING_LOCAL);
		uint32_t items = event_prepare(&seg.objects[lock].event[SEG_EVENT_ITEMS], SEG_WAITING_LOCAL);
		error = condition_wait(&lane, c, &w);
		if (error != SABIR_WOULD_BLOCK)
			break;
		event_wait_call(&lane, lock, w.locking ? SEG_EVENT_ITEMS : SEG_EVENT_DONE, w.locking ? items : done,
				EVENT_FOREVER, turn_bits(w.memory));
	}
	return error || !w.notified || depth(&lane, c) != 1;
}

static void act_notify_and_release(struct lane *by, void *context)
{
	uint64_t c = *(uint64_t *)context, n;
	(void)condition_notify(by, c, 1, &n);
	(void)mutex_release(by, lock_of(c));
}

static void who_sleeps_is_woken_though_the_one_who_notified_him_died(void)
{
	static const char *const names[] = { "condition.unlocked", "event.calling", "event.called", "condition.told" };
	for (int i = 0; i < 4; i++) {
		struct kit_step step = { .nth = 1 };
		struct lane victim = kit_lane(&seg);
		uint64_t c = make(0);
		snprintf(step.name, sizeof(step.name), "%s", names[i]);
		pid_t pid = fork();
		if (pid == 0)
			_exit(wait_asleep(c));
		while (!n_waiting(c) || take(&victim, c))
			sched_yield();
		CU_ASSERT(kit_die_at(&step, act_notify_and_release, &victim, &c));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		alarm(60);
		CU_ASSERT_EQUAL(kit_wait(pid), 0);
		alarm(0);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_wait_releases_the_lock_and_has_it_again_at_the_same_depth),
		KIT_TEST(who_has_not_the_lock_can_neither_wait_nor_notify),
		KIT_TEST(it_is_made_over_a_lock_or_an_rlock),
		KIT_TEST(they_are_notified_in_the_order_of_their_coming),
		KIT_TEST(who_is_late_has_the_lock_again_and_was_not_notified),
		KIT_TEST(what_was_given_to_who_goes_passes_on_to_who_was_there),
		KIT_TEST(a_late_comer_does_not_inherit),
		KIT_TEST(the_end_of_either_ends_the_wait),
		KIT_TEST(the_end_of_its_own_lock_ends_the_waits),
		KIT_TEST(another_wait_with_the_new_lock_is_not_taken_for_the_old_one),
		KIT_TEST(who_waits_takes_nobodys_turn),
		KIT_TEST(its_end_is_told_though_somebody_is_inside),
		KIT_TEST(death_at_every_step_leaves_it_usable),
		KIT_TEST(who_sleeps_is_woken_though_the_one_who_notified_him_died),
	};
	return kit_run("condition", kit_setup, kit_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
