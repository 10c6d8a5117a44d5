/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait on a condition.
 *
 *   ENTERED ──the lock is released──► WAITING ──notified, or its time passes──► LOCKING ──► LOCKED ──► done
 *
 * Who waits has a turn in the condition's line from before he releases the lock until he has it again (turns.h); beside it,
 * while he waits for the lock, one in the lock's line, which leads back to the first. In which of these steps he is stands in
 * the memory of his call, and the steps are each one of the condition or of the lock, so nobody ever holds both objects'
 * locks. It need not be one step: who has the user's lock alone notifies, so between ENTERED and WAITING nobody does; and whoever
 * dies between two steps leaves turns with his name, which owner_gone finds, in each object by itself.
 *
 * All sleep on the *lock's* event SEG_EVENT_DONE: its end must wake them, and the end of the condition can do it there too.
 */
#include "server/objects/condition_parts.h"

#define ENTERED 1u
#define WAITING 2u
#define LOCKING 3u /* the place is that in the lock's line */
#define LOCKED 4u

static enum sabir_error enter(struct lane *lane, uint64_t handle, struct condition_wait *w)
{
	struct condition c;
	struct seg_turn *turn;
	struct mutex_state state;
	enum sabir_error error = mutex_look(lane, w->lock, &state);
	if (!error && !lane->actor.owner)
		error = SABIR_SESSION_REQUIRED;
	else if (!error && !state.mine)
		error = SABIR_NOT_HELD;
	if (!error)
		error = condition_begin(lane, handle, &c);
	if (error)
		return error;
	if (!turn_owner_is_live(lane->seg, lane->actor.owner))
		return condition_end(&c, SABIR_SESSION_REQUIRED);
	error = turns_join(&c.turns, state.depth, &turn);
	if (!error)
		journal_store64(lane, &turn->link, w->lock);
	uint64_t place = error ? 0 : turns_place(&c.turns, turn);
	error = condition_end(&c, error);
	if (!error)
		w->memory = turn_with_phase(place, ENTERED);
	return error;
}

/* What a turn is found to be. */
struct found {
	uint32_t state; /* 0: there is none */
	uint64_t depth; /* how often he had the lock */
	uint64_t lock;
};

/* One who waits and whose time has passed does so no more. */
static enum sabir_error look(struct lane *lane, uint64_t handle, uint64_t place, bool timed_out, struct found *found)
{
	struct condition c;
	enum sabir_error error = condition_begin(lane, handle, &c);
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&c.turns, turn_with_phase(place, 0));
	*found = (struct found){ .state = 0 };
	if (turn)
		*found = (struct found){ load32_relaxed(&turn->state), load64_relaxed(&turn->number),
					 load64_relaxed(&turn->link) };
	if (found->state == SEG_TURN_WAITING && timed_out) {
		error = turns_set_aside(&c.turns, turn, SEG_TURN_EXPIRED);
		found->state = SEG_TURN_EXPIRED;
	}
	return condition_end(&c, error);
}

/* Ends the turn; what it was notified of goes on unless the wait is `done`. */
static enum sabir_error leave(struct lane *lane, uint64_t handle, uint64_t place, bool done, uint32_t *state)
{
	struct condition c;
	enum sabir_error error = condition_begin(lane, handle, &c);
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&c.turns, turn_with_phase(place, 0));
	uint32_t mark = turn ? load32_relaxed(&turn->mark) : 0;
	*state = turn ? load32_relaxed(&turn->state) : 0;
	if (turn)
		error = turns_leave(&c.turns, turn);
	if (!error && *state == SEG_TURN_CALLED && !done)
		(void)condition_notify_first(&c, mark);
	return condition_end(&c, error);
}

static enum sabir_error release(struct lane *lane, uint64_t handle, struct condition_wait *w)
{
	uint32_t state;
	enum sabir_error error = mutex_release_all(lane, w->lock);
	if (!error)
		w->memory = turn_with_phase(w->memory, WAITING);
	if (!error || error == SABIR_BUSY)
		return error;
	/* Somebody has released it in between, or ended it. */
	(void)leave(lane, handle, w->memory, false, &state);
	w->memory = 0;
	return error;
}

static enum sabir_error finish(struct lane *lane, uint64_t handle, struct condition_wait *w)
{
	uint32_t state;
	enum sabir_error error = leave(lane, handle, w->memory, true, &state);
	if (error == SABIR_BUSY)
		return error;
	w->notified = state == SEG_TURN_CALLED;
	w->memory = 0;
	return error;
}

/* Notified, or late: the lock is to be had again. `place` is that in the condition's line. */
static enum sabir_error lock_again(struct lane *lane, uint64_t handle, struct condition_wait *w, uint64_t place,
				   uint64_t depth)
{
	struct mutex_wait wait = { .link = turn_with_phase(place, 0), .depth = depth };
	if (turn_phase(w->memory) == LOCKING)
		wait.place = turn_with_phase(w->memory, 0);
	enum sabir_error error = mutex_take_in_turn(lane, w->lock, &wait, &w->hold);
	if (error == SABIR_WOULD_BLOCK) {
		w->locking = true;
		w->memory = wait.place ? turn_with_phase(wait.place, LOCKING) : turn_with_phase(place, WAITING);
	}
	if (error)
		return error;
	w->memory = turn_with_phase(place, LOCKED);
	return finish(lane, handle, w);
}

static enum sabir_error go_on(struct lane *lane, uint64_t handle, struct condition_wait *w)
{
	uint64_t place = w->memory;
	struct found found;
	enum sabir_error error = SABIR_OK;
	if (turn_phase(place) == LOCKED)
		return finish(lane, handle, w);
	if (turn_phase(place) == LOCKING)
		error = mutex_link(lane, w->lock, turn_with_phase(place, 0), &place);
	if (!error)
		error = look(lane, handle, place, w->timed_out, &found);
	if (error)
		return error;
	/* Gone is its owner, with all that he had, or the lock that it began with, though there is another one now. */
	if (!turn_owner_is_live(lane->seg, lane->actor.owner))
		return SABIR_SESSION_REQUIRED;
	if (!found.state || found.lock != w->lock)
		return SABIR_DELETED;
	if (found.state == SEG_TURN_WAITING)
		return SABIR_WOULD_BLOCK;
	return lock_again(lane, handle, w, place, found.depth);
}

enum sabir_error condition_wait(struct lane *lane, uint64_t handle, struct condition_wait *w)
{
	enum sabir_error error = w->memory ? SABIR_OK : condition_lock(lane, handle, &w->lock);
	w->locking = false;
	/* It ends with the lock that it began with, though the condition may have another one by now. */
	if (!error && !condition_lock_is_live(lane->seg, w->lock))
		error = SABIR_DELETED;
	if (!error && !w->memory)
		error = enter(lane, handle, w);
	if (!error && turn_phase(w->memory) == ENTERED)
		error = release(lane, handle, w);
	if (!error)
		error = go_on(lane, handle, w);
	if (error && error != SABIR_WOULD_BLOCK && error != SABIR_BUSY && w->memory) {
		(void)condition_give_up(lane, handle, w);
		w->memory = 0;
	}
	return error;
}

/* One of its owner's turns with this lock: its line, which knew which, is gone, and so all of them end. */
static enum sabir_error leave_any(struct lane *lane, uint64_t handle, uint64_t lock)
{
	const struct turns_whose whose = { .owner = lane->actor.owner, .link = lock };
	struct condition c;
	enum sabir_error error = condition_begin(lane, handle, &c);
	if (error)
		return error;
	struct seg_turn *turn = turns_of(&c.turns, &whose);
	/* Those who wait stand behind those who don't. */
	if (turn && load32_relaxed(&turn->state) != SEG_TURN_WAITING)
		error = turns_leave(&c.turns, turn);
	return condition_end(&c, error);
}

enum sabir_error condition_give_up(struct lane *lane, uint64_t handle, const struct condition_wait *w)
{
	uint64_t place = turn_with_phase(w->memory, 0), link = 0;
	uint32_t state;
	if (turn_phase(w->memory) != LOCKING)
		return leave(lane, handle, place, turn_phase(w->memory) == LOCKED, &state);
	enum sabir_error error = mutex_link(lane, w->lock, place, &link);
	if (error == SABIR_BUSY)
		return error;
	error = link ? leave(lane, handle, link, false, &state) : leave_any(lane, handle, w->lock);
	return error == SABIR_BUSY ? error : mutex_give_up(lane, w->lock, place);
}

bool condition_ready(const struct segment *seg, const struct seg_object *object, uint64_t memory)
{
	const struct seg_condition *c = object_body(seg, object, sizeof(*c));
	uint64_t lock = c ? condition_lock_in(c) : 0, place = turn_with_phase(memory, 0);
	uint32_t index = (uint32_t)(object - seg->objects);
	if (!c || load32_relaxed(&c->owed) || !condition_lock_is_live(seg, lock))
		return true;
	const struct seg_object *of_lock = &seg->objects[object_index(lock)];
	if (turn_phase(memory) == LOCKING)
		return mutex_kind.ready(seg, of_lock, place);
	return turn_phase(memory) != WAITING || turn_peek(seg, index, place) != SEG_TURN_WAITING ||
	       turn_peek_link(seg, index, place) != lock;
}
