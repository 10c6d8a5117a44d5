/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns that the calls of a session left in lines when their server died: they end, what they were called for goes on, and what
 * the session holds stays. The session is an owner without a lane; the lane of a server acts for it.
 */
#include "server/objects/leftover.h"

#include "server/objects/barrier.h"
#include "server/objects/condition.h"
#include "server/objects/mutex.h"
#include "server/objects/semaphore.h"
#include "server/objects/turns_test_kit.h"

static uint32_t entry;

static void open_session(void)
{
	CU_ASSERT_FATAL(owner_open(&seg, 0, "session", &entry) == SABIR_OK);
	seg.owners[entry].flags = SEG_OWNER_REMOTE;
	third.actor = (struct actor){ .owner = (load64_relaxed(&seg.owners[entry].word) & 0xffffffff00000000ull) |
					       (entry + 1) };
}

static void end_session(void)
{
	CU_ASSERT(owner_recover(&lane, entry) == SABIR_OK);
}

static void clean_up(void)
{
	struct leftover left;
	CU_ASSERT_FATAL(leftover_find(&seg, &left) == SABIR_OK);
	CU_ASSERT(leftover_end(&lane, &left));
	leftover_fini(&left);
}

static enum sabir_error wait_for(struct lane *by, uint64_t lock, struct mutex_wait *w)
{
	struct mutex_hold hold;
	return mutex_take_in_turn(by, lock, w, &hold);
}

static enum sabir_error take(struct lane *by, uint64_t lock)
{
	struct mutex_hold hold;
	return mutex_take(by, lock, &hold);
}

static const struct seg_turns *lock_line(uint64_t lock)
{
	return &((struct seg_mutex *)kit_body(lock))->turns;
}

/* ---------------------------------------------------------------- locks */

static void who_stands_behind_a_call_that_is_gone_moves_up(void)
{
	uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_LOCK });
	struct mutex_wait gone = { 0 }, behind = { 0 };
	open_session();
	CU_ASSERT(!take(&lane, lock));
	CU_ASSERT(wait_for(&third, lock, &gone) == SABIR_WOULD_BLOCK);
	CU_ASSERT(wait_for(&other, lock, &behind) == SABIR_WOULD_BLOCK);
	clean_up();
	CU_ASSERT_EQUAL(lock_line(lock)->n, 1);
	kit_age(lock_line(lock));
	CU_ASSERT(mutex_release(&lane, lock) == SABIR_OK);
	CU_ASSERT(wait_for(&other, lock, &behind) == SABIR_OK);
	CU_ASSERT(mutex_release(&other, lock) == SABIR_OK);
	end_session();
	CU_ASSERT(object_delete(&lane, lock) == SABIR_OK);
}

static void what_a_call_was_called_for_goes_to_the_next_and_is_not_abandoned(void)
{
	uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_RLOCK });
	struct mutex_wait gone = { 0 }, behind = { 0 };
	struct mutex_hold hold = { 0 };
	open_session();
	CU_ASSERT(!take(&lane, lock));
	CU_ASSERT(wait_for(&third, lock, &gone) == SABIR_WOULD_BLOCK);
	CU_ASSERT(wait_for(&other, lock, &behind) == SABIR_WOULD_BLOCK);
	kit_age(lock_line(lock));
	CU_ASSERT(mutex_release(&lane, lock) == SABIR_OK); /* it is the session's, and nobody comes for it */
	clean_up();
	CU_ASSERT(mutex_take_in_turn(&other, lock, &behind, &hold) == SABIR_OK && !hold.abandoned);
	CU_ASSERT(mutex_release(&other, lock) == SABIR_OK);
	end_session();
	CU_ASSERT(object_delete(&lane, lock) == SABIR_OK);
}

static void what_the_session_holds_stays(void)
{
	uint64_t held = kit_make(&(struct object_spec){ .kind = SEG_KIND_LOCK });
	struct mutex_wait local = { 0 };
	struct mutex_state state;
	open_session();
	CU_ASSERT(!take(&third, held));
	CU_ASSERT(wait_for(&other, held, &local) == SABIR_WOULD_BLOCK);
	clean_up();
	CU_ASSERT(mutex_look(&third, held, &state) == SABIR_OK && state.mine);
	CU_ASSERT_EQUAL(lock_line(held)->n, 1); /* a local program waits on */
	end_session();
	kit_age(lock_line(held));
	CU_ASSERT(wait_for(&other, held, &local) == SABIR_OK);
	CU_ASSERT(mutex_release(&other, held) == SABIR_OK);
	CU_ASSERT(object_delete(&lane, held) == SABIR_OK);
}

/* Somebody who is stopped was in the way; meanwhile the session's program has come again. */
static void a_later_try_leaves_those_alone_who_came_after_the_start(void)
{
	uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_LOCK });
	uint64_t *word = &seg.objects[object_index(lock)].lock;
	struct mutex_wait gone = { 0 }, again = { 0 };
	struct leftover left;
	open_session();
	CU_ASSERT(!take(&lane, lock));
	CU_ASSERT(wait_for(&third, lock, &gone) == SABIR_WOULD_BLOCK);
	CU_ASSERT_FATAL(leftover_find(&seg, &left) == SABIR_OK);
	CU_ASSERT(kit_hold(&other, word) == SABIR_OK);
	lane.lock_patience_ns = 1000000;
	CU_ASSERT_FALSE(leftover_end(&lane, &left));
	lane.lock_patience_ns = 0;
	kit_let_go(&other, word);
	CU_ASSERT(wait_for(&third, lock, &again) == SABIR_WOULD_BLOCK);
	CU_ASSERT_TRUE(leftover_end(&lane, &left));
	CU_ASSERT_EQUAL(lock_line(lock)->n, 1);
	CU_ASSERT_EQUAL(turn_peek(&seg, object_index(lock), again.place), SEG_TURN_WAITING);
	CU_ASSERT_EQUAL(turn_peek(&seg, object_index(lock), gone.place), 0);
	leftover_fini(&left);
	end_session();
	CU_ASSERT(object_delete(&lane, lock) == SABIR_OK);
}

/* ---------------------------------------------------------------- the other kinds */

static void units_and_notifications_go_on(void)
{
	uint64_t s = kit_make(&(struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .length = 1 });
	struct seg_semaphore *body = kit_body(s);
	uint64_t gone = 0, behind = 0;
	open_session();
	while (semaphore_take(&lane, s) == SABIR_OK)
		;
	uint64_t before = load64_relaxed(&body->value);
	CU_ASSERT(semaphore_take_in_turn(&third, s, &gone, false) == SABIR_WOULD_BLOCK);
	CU_ASSERT(semaphore_take_in_turn(&other, s, &behind, false) == SABIR_WOULD_BLOCK);
	kit_age(&body->turns);
	CU_ASSERT(semaphore_give(&lane, s, 1) == SABIR_OK);
	CU_ASSERT(turn_peek(&seg, object_index(s), gone) == SEG_TURN_CALLED);
	clean_up();
	CU_ASSERT(semaphore_take_in_turn(&other, s, &behind, false) == SABIR_OK);
	CU_ASSERT(load64_relaxed(&body->value) == before && !body->turns.n);
	end_session();
	CU_ASSERT(object_delete(&lane, s) == SABIR_OK);
}

static void a_barrier_breaks_when_a_call_is_gone(void)
{
	uint64_t b = kit_make(&(struct object_spec){ .kind = SEG_KIND_BARRIER, .length = 3 });
	uint64_t gone = 0, waits = 0, index;
	open_session();
	CU_ASSERT(barrier_wait(&third, b, &gone, false, &index) == SABIR_WOULD_BLOCK);
	CU_ASSERT(barrier_wait(&other, b, &waits, false, &index) == SABIR_WOULD_BLOCK);
	clean_up();
	CU_ASSERT(barrier_wait(&other, b, &waits, false, &index) == SABIR_BROKEN_BARRIER);
	end_session();
	CU_ASSERT(object_delete(&lane, b) == SABIR_OK);
}

static void a_notification_goes_to_the_next_who_waits(void)
{
	uint64_t c = kit_make(&(struct object_spec){ .kind = SEG_KIND_CONDITION }), lock;
	struct seg_condition *body = kit_body(c);
	CU_ASSERT_FATAL(condition_lock(&lane, c, &lock) == SABIR_OK);
	struct condition_wait gone = { .lock = lock }, behind = { .lock = lock };
	uint64_t n;
	open_session();
	CU_ASSERT(!take(&third, lock) && condition_wait(&third, c, &gone) == SABIR_WOULD_BLOCK);
	CU_ASSERT(!take(&other, lock) && condition_wait(&other, c, &behind) == SABIR_WOULD_BLOCK);
	CU_ASSERT(!take(&lane, lock) && condition_notify(&lane, c, 1, &n) == SABIR_OK);
	CU_ASSERT(mutex_release(&lane, lock) == SABIR_OK);
	clean_up();
	CU_ASSERT_EQUAL(body->turns.n, 1);
	CU_ASSERT(condition_wait(&other, c, &behind) == SABIR_OK);
	CU_ASSERT(mutex_release(&other, lock) == SABIR_OK);
	end_session();
	CU_ASSERT(object_delete(&lane, c) == SABIR_OK);
}

/* ---------------------------------------------------------------- deaths */

static void end_act(struct lane *by, void *context)
{
	struct leftover left;
	(void)context;
	if (leftover_find(by->seg, &left) || !leftover_end(by, &left))
		_exit(97);
}

/* The server that ends them dies as well. */
static void whoever_dies_on_the_way_is_followed_by_another(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	uint64_t lock = kit_make(&(struct object_spec){ .kind = SEG_KIND_LOCK });
	struct mutex_wait gone = { 0 };
	open_session();
	CU_ASSERT(!take(&lane, lock) && wait_for(&third, lock, &gone) == SABIR_WOULD_BLOCK);
	struct lane server = kit_lane(&seg);
	CU_ASSERT_FATAL(kit_list_steps(steps, end_act, &server, NULL));
	CU_ASSERT(owner_recover(&lane, server.owner) == SABIR_OK);
	for (unsigned i = 0; i < steps->n; i++) {
		gone = (struct mutex_wait){ 0 };
		CU_ASSERT(wait_for(&third, lock, &gone) == SABIR_WOULD_BLOCK);
		server = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&steps->at[i], end_act, &server, NULL));
		CU_ASSERT(owner_recover(&lane, server.owner) == SABIR_OK);
		clean_up();
		CU_ASSERT_EQUAL(lock_line(lock)->n, 0);
		CU_ASSERT_EQUAL(seg.objects[object_index(lock)].lock, 0);
	}
	end_session();
	CU_ASSERT(object_delete(&lane, lock) == SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(who_stands_behind_a_call_that_is_gone_moves_up),
		KIT_TEST(what_a_call_was_called_for_goes_to_the_next_and_is_not_abandoned),
		KIT_TEST(what_the_session_holds_stays),
		KIT_TEST(a_later_try_leaves_those_alone_who_came_after_the_start),
		KIT_TEST(units_and_notifications_go_on),
		KIT_TEST(a_barrier_breaks_when_a_call_is_gone),
		KIT_TEST(a_notification_goes_to_the_next_who_waits),
		KIT_TEST(whoever_dies_on_the_way_is_followed_by_another),
	};
	return kit_run("leftover", kit_setup, kit_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
