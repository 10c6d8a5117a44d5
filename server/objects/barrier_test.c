/* SPDX-License-Identifier: Apache-2.0 */
/* Barriers: cycles, breaking, and the death of everybody concerned at each of their steps. */
#include "server/objects/barrier.h"
#include "server/objects/turns_test_kit.h"

static uint64_t make(uint64_t parties)
{
	return kit_make(&(struct object_spec){ .kind = SEG_KIND_BARRIER, .length = parties });
}

static struct barrier_state look(uint64_t b)
{
	struct barrier_state state = { 0 };
	CU_ASSERT_EQUAL(barrier_look(&lane, b, &state), SABIR_OK);
	return state;
}

static enum sabir_error come(struct lane *by, uint64_t b, uint64_t *place, uint64_t *index)
{
	return barrier_wait(by, b, place, false, index);
}

static void all_go_on_when_all_have_come(void)
{
	uint64_t b = make(3);
	for (unsigned cycle = 0; cycle < 3; cycle++) {
		uint64_t places[3] = { 0 }, index = 9;
		CU_ASSERT(come(&lane, b, &places[0], &index) == SABIR_WOULD_BLOCK && look(b).n_waiting == 1);
		CU_ASSERT(come(&other, b, &places[1], &index) == SABIR_WOULD_BLOCK && look(b).n_waiting == 2);
		CU_ASSERT(come(&lane, b, &places[0], &index) == SABIR_WOULD_BLOCK && index == 9);
		CU_ASSERT(!come(&third, b, &places[2], &index) && index == 2 && look(b).n_waiting == 0);
		CU_ASSERT(!come(&other, b, &places[1], &index) && index == 1);
		CU_ASSERT(!come(&lane, b, &places[0], &index) && index == 0);
		CU_ASSERT(look(b).cycle == cycle + 1 && !look(b).broken);
	}
	object_delete(&lane, b);
}

static void who_wakes_late_has_his_own_cycles_result(void)
{
	uint64_t b = make(2), early = 0, second = 0, third_place = 0, index = 9;
	CU_ASSERT_EQUAL(come(&lane, b, &early, &index), SABIR_WOULD_BLOCK);
	CU_ASSERT(!come(&other, b, &second, &index) && index == 1);
	CU_ASSERT_EQUAL(come(&other, b, &second, &index), SABIR_WOULD_BLOCK); /* the next cycle */
	CU_ASSERT_EQUAL(barrier_abort(&third, b), SABIR_OK);
	CU_ASSERT_EQUAL(come(&third, b, &third_place, &index), SABIR_BROKEN_BARRIER);
	CU_ASSERT_EQUAL(barrier_reset(&third, b), SABIR_OK);
	CU_ASSERT_EQUAL(come(&third, b, &third_place, &index), SABIR_WOULD_BLOCK); /* the third */
	CU_ASSERT(!come(&lane, b, &early, &index) && index == 0);
	CU_ASSERT_EQUAL(come(&other, b, &second, &index), SABIR_BROKEN_BARRIER);
	CU_ASSERT(!come(&other, b, &second, &index) && !come(&third, b, &third_place, &index) && index == 0);
	object_delete(&lane, b);
}

static void one_is_enough_for_one(void)
{
	uint64_t b = make(1), place = 0, index = 9, made;
	struct object_spec none = { .kind = SEG_KIND_BARRIER };
	struct lane nobody = lane;
	CU_ASSERT(!barrier_wait(&lane, b, &place, true, &index) && index == 0);
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &none, false, &made), SABIR_OUT_OF_RANGE);
	nobody.actor.owner = 0;
	CU_ASSERT_EQUAL(come(&nobody, b, &place, &index), SABIR_SESSION_REQUIRED);
	object_delete(&lane, b);
}

static void it_breaks_when_somebody_does_not_wait_any_more(void)
{
	for (int how = 0; how < 4; how++) {
		uint64_t b = make(3), place = 0, victims = 0, index;
		struct lane victim = kit_lane(&seg);
		CU_ASSERT_EQUAL(come(&lane, b, &place, &index), SABIR_WOULD_BLOCK);
		CU_ASSERT_EQUAL(come(&victim, b, &victims, &index), SABIR_WOULD_BLOCK);
		if (how == 0)
			CU_ASSERT_EQUAL(barrier_wait(&victim, b, &victims, true, &index), SABIR_BROKEN_BARRIER);
		if (how == 1)
			CU_ASSERT_EQUAL(barrier_give_up(&victim, b, victims), SABIR_OK);
		if (how == 2)
			CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		if (how == 3)
			CU_ASSERT_EQUAL(barrier_wait(&other, b, &(uint64_t){ 0 }, true, &index), SABIR_OK);
		CU_ASSERT_EQUAL(come(&lane, b, &place, &index), how == 3 ? SABIR_OK : SABIR_BROKEN_BARRIER);
		CU_ASSERT(look(b).broken == (how < 3) && look(b).n_waiting == 0);
		CU_ASSERT_EQUAL(barrier_reset(&lane, b), SABIR_OK);
		CU_ASSERT_FALSE(look(b).broken);
		object_delete(&lane, b);
		if (how != 2)
			kit_lane_close(&victim);
	}
}

static void who_was_called_and_dies_breaks_nothing(void)
{
	uint64_t b = make(2), place = 0, index;
	struct lane victim = kit_lane(&seg);
	CU_ASSERT_EQUAL(come(&victim, b, &place, &index), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(barrier_wait(&lane, b, &(uint64_t){ 0 }, false, &index), SABIR_OK);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT(!look(b).broken && ((struct seg_barrier *)kit_body(b))->turns.n == 0);
	object_delete(&lane, b);
}

/* ---------------------------------------------------------------- death */

static void act_come(struct lane *by, void *context)
{
	uint64_t place = 0, index;
	(void)barrier_wait(by, *(uint64_t *)context, &place, false, &index);
}

static void act_abort(struct lane *by, void *context)
{
	(void)barrier_abort(by, *(uint64_t *)context);
}

static void act_reset(struct lane *by, void *context)
{
	(void)barrier_reset(by, *(uint64_t *)context);
}

static void act_delete(struct lane *by, void *context)
{
	(void)object_delete(by, *(uint64_t *)context);
	object_sweep(by);
}

/*
 * Two wait when a third comes, aborts or resets and dies. They have the same result, or wait on; in any case the barrier can be
 * used when it has been reset.
 */
static void die_and_look(const struct kit_step *step, kit_act *act, struct kit_steps *steps, uint64_t parties)
{
	struct lane victim = kit_lane(&seg), *waiters[] = { &lane, &other };
	uint64_t b = make(parties), places[2] = { 0 }, index;
	enum sabir_error results[2];
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(come(waiters[i], b, &places[i], &index), SABIR_WOULD_BLOCK);
	if (step)
		(void)kit_die_at(step, act, &victim, &b);
	else
		CU_ASSERT(kit_list_steps(steps, act, &victim, &b));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	for (int i = 0; i < 2; i++)
		results[i] = come(waiters[i], b, &places[i], &index);
	CU_ASSERT_EQUAL(results[0], results[1]);
	CU_ASSERT(results[0] != SABIR_WOULD_BLOCK || look(b).n_waiting == 2);
	if (results[0] == SABIR_DELETED)
		return;
	CU_ASSERT_EQUAL(barrier_reset(&lane, b), SABIR_OK);
	for (int i = 0; i < 2 && results[0] == SABIR_WOULD_BLOCK; i++)
		CU_ASSERT_EQUAL(come(waiters[i], b, &places[i], &index), SABIR_BROKEN_BARRIER);
	CU_ASSERT_EQUAL(((struct seg_barrier *)kit_body(b))->turns.n, 0);
	object_delete(&lane, b);
}

static void death_at_every_step_gives_all_the_same_result(void)
{
	static kit_act *const acts[] = { act_come, act_come, act_abort, act_reset, act_delete };
	struct arena_stats before, after;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		uint64_t parties = i ? 3 : 4;
		die_and_look(NULL, acts[i], steps, parties);
		kit_settle(&lane);
		arena_stats(&seg, &before);
		for (unsigned k = 0; k < steps->n; k++)
			die_and_look(&steps->at[k], acts[i], steps, parties);
		kit_settle(&lane);
		arena_stats(&seg, &after);
		CU_ASSERT(after.used_bytes <= before.used_bytes + 64 * 1024);
		CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
		munmap(steps, sizeof(*steps));
	}
}

/* ---------------------------------------------------------------- several processes */

#define N_PARTIES 4
#define N_CYCLES 2000

static void meet(uint64_t b, uint64_t *came)
{
	struct lane mine = kit_lane(&seg);
	struct seg_event *e = &seg.objects[object_index(b)].event[SEG_EVENT_ITEMS];
	for (uint64_t i = 0; i < N_CYCLES; i++) {
		uint64_t place = 0, index = 0;
		(void)fetch_add64(&came[i], 1);
		for (;;) {
			uint32_t key = event_prepare(e, SEG_WAITING_LOCAL);
			if (come(&mine, b, &place, &index) != SABIR_WOULD_BLOCK)
				break;
			event_wait_call(&mine, object_index(b), SEG_EVENT_ITEMS, key, EVENT_FOREVER, turn_bits(place));
		}
		if (load64_relaxed(&came[i]) != N_PARTIES || place)
			_exit(1);
		(void)fetch_add64(&came[N_CYCLES + i], 1ull << (8 * index));
	}
	kit_lane_close(&mine);
	_exit(0);
}

static void nobody_goes_on_before_all_have_come(void)
{
	uint64_t b = make(N_PARTIES), *came = kit_shared(2 * N_CYCLES * sizeof(*came)), wrong = 0;
	pid_t pids[N_PARTIES];
	alarm(120);
	for (int i = 0; i < N_PARTIES; i++)
		if ((pids[i] = fork()) == 0)
			meet(b, came);
	CU_ASSERT(kit_wait_all(pids, N_PARTIES));
	alarm(0);
	for (int i = 0; i < N_CYCLES; i++)
		wrong += came[N_CYCLES + i] != 0x01010101;
	CU_ASSERT(wrong == 0 && look(b).cycle == N_CYCLES);
	object_delete(&lane, b);
	munmap(came, 2 * N_CYCLES * sizeof(*came));
}

/* Two who wait lead to each other, and what they are to be told is that they wait. */
static void a_line_that_is_a_ring_ends(void)
{
	for (uint32_t ending = SEG_TURN_WAITING; ending <= SEG_TURN_EXPIRED; ending++) {
		uint64_t b = make(3), places[2] = { 0 }, index;
		CU_ASSERT_EQUAL(come(&lane, b, &places[0], &index), SABIR_WOULD_BLOCK);
		CU_ASSERT_EQUAL(come(&other, b, &places[1], &index), SABIR_WOULD_BLOCK);
		struct seg_barrier *body = kit_body(b);
		struct seg_turn *last = segment_at(&seg, body->turns.last, sizeof(*last));
		last->block.next = body->turns.first;
		body->ending = ending;
		alarm(20);
		struct barrier_state state;
		CU_ASSERT_EQUAL(barrier_look(&third, b, &state), SABIR_OK);
		CU_ASSERT_EQUAL(barrier_look(&third, b, &state), SABIR_DATA_LOSS);
		object_delete(&lane, b);
		alarm(0);
	}
}

static void put_back(const char *step, void *context)
{
	struct seg_barrier *body = context;
	struct seg_turn *turn = segment_at(&seg, body->turns.first, sizeof(*turn));
	if (strcmp(step, "barrier.committed"))
		return;
	turn->state = SEG_TURN_WAITING;
	body->turns.waiting = body->turns.first;
}

/* Somebody has one who was called wait again, whenever he is called. */
static void who_waits_again_whenever_he_is_called_keeps_nobody(void)
{
	uint64_t b = make(2), place = 0, index;
	CU_ASSERT_EQUAL(come(&lane, b, &place, &index), SABIR_WOULD_BLOCK);
	alarm(20);
	fault_trace(put_back, kit_body(b));
	(void)barrier_abort(&other, b);
	fault_trace(NULL, NULL);
	alarm(0);
	struct barrier_state state;
	CU_ASSERT_EQUAL(barrier_look(&third, b, &state), SABIR_DATA_LOSS);
	object_delete(&lane, b);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(all_go_on_when_all_have_come),
		KIT_TEST(who_wakes_late_has_his_own_cycles_result),
		KIT_TEST(one_is_enough_for_one),
		KIT_TEST(it_breaks_when_somebody_does_not_wait_any_more),
		KIT_TEST(who_was_called_and_dies_breaks_nothing),
		KIT_TEST(death_at_every_step_gives_all_the_same_result),
		KIT_TEST(nobody_goes_on_before_all_have_come),
		KIT_TEST(a_line_that_is_a_ring_ends),
		KIT_TEST(who_waits_again_whenever_he_is_called_keeps_nobody),
	};
	return kit_run("barrier", kit_setup, kit_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
