/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared condition.
 *
 *   ENTERED ──the lock is released──► WAITING ──notified, or its time passes──► LOCKING ──► LOCKED ──► done
 *
 * Who waits has a turn in the condition's line from before he releases the lock until he has it again (turns.h); beside it,
 * while he waits for the lock, one in the lock's line, which leads back to the first. In which of these steps he is stands in
 * the memory of his call, and the steps are each one of the condition or of the lock, so nobody ever holds both objects'
 * locks. It need not be one step: who has the user's lock alone notifies, so between ENTERED and WAITING nobody does; and whoever
 * dies between two steps leaves turns with his name, which owner_gone finds, in each object by itself. A turn that was
 * notified and goes before the wait is done passes its notification on to the next of those who waited when it was given.
 *
 * A notify is decided by one step, the store of `owed`; the turns are given it one by one, and whoever enters finishes that
 * before anything else.
 *
 * All sleep on the *lock's* event SEG_EVENT_DONE: its end must wake them, and the end of the condition can do it there too.
 */
#include "server/objects/condition.h"

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/refs.h"
#include "server/objects/turns.h"

#define ENTERED 1u
#define WAITING 2u
#define LOCKING 3u /* the place is that in the lock's line */
#define LOCKED 4u

struct condition {
	struct lane *lane;
	struct seg_object *object;
	struct seg_condition *body;
	struct turns turns;
	uint32_t index;
	uint32_t called;
	bool changed;
};

static void commit(struct condition *c)
{
	FAULT("condition.written");
	c->changed |= load32_relaxed(&c->lane->shared->n_undo) != 0;
	journal_commit(c->lane);
	FAULT("condition.committed");
	turns_done(&c->turns);
}

/* Notifies the first who waits, if he did so already when `before` was the next ticket. */
static bool notify_first(struct condition *c, uint32_t before)
{
	struct seg_turn *first = turns_first(&c->turns);
	if (!first || !ticket_is_before(load32_relaxed(&first->ticket), before))
		return false;
	journal_store32(c->lane, &first->mark, before);
	c->called |= turns_call(&c->turns, first, SEG_TURN_CALLED);
	return true;
}

static void settle(struct condition *c)
{
	uint32_t owed, before = load32_relaxed(&c->body->owed_before);
	while ((owed = load32_relaxed(&c->body->owed)) != 0) {
		bool more = notify_first(c, before);
		journal_store32(c->lane, &c->body->owed, more ? owed - 1 : 0);
		commit(c);
	}
}

/* With the object's lock. */
static enum sabir_error begin(struct lane *lane, uint64_t handle, struct condition *c)
{
	enum sabir_error error = object_enter(lane, SEG_OP_SYNC, handle, SEG_KIND_CONDITION, sizeof(*c->body),
					      &c->object, &c->body);
	if (error)
		return error;
	c->lane = lane;
	c->index = object_index(handle);
	c->called = 0;
	c->changed = false;
	c->turns = (struct turns){ lane, c->object, c->index, &c->body->turns, NULL };
	error = block_is_of(&c->body->block, c->index) ? lock_acquire(lane, &c->object->lock)
						       : object_damaged(c->object);
	if (error)
		object_leave(lane);
	else
		settle(c);
	return error;
}

static uint64_t lock_in(const struct seg_condition *body)
{
	uint64_t lock = load64_relaxed(&body->lock);
	/* Pairs with the swap in object_part: who sees the handle sees the object. */
	return lock ? lock : load64_acquire(&body->own);
}

static bool lock_is_live(const struct segment *seg, uint64_t lock)
{
	uint32_t index = object_index(lock);
	return index < seg->n_objects &&
	       load64_seq(&seg->objects[index].word) == ((lock & 0xffffffff00000000ull) | SEG_OBJECT_LIVE);
}

static void wake_all(const struct segment *seg, const struct seg_condition *body)
{
	uint32_t index = object_index(lock_in(body));
	if (index && index < seg->n_objects)
		event_notify_all(seg, index);
}

static enum sabir_error end(struct condition *c, enum sabir_error error)
{
	uint32_t lock = object_index(lock_in(c->body));
	if (error == SABIR_DATA_LOSS)
		journal_undo(c->lane);
	commit(c);
	settle(c);
	if (c->changed)
		change_note(c->lane, c->index, CHANGE_OTHER, 0, 0);
	lock_release(c->lane, &c->object->lock);
	FAULT("condition.unlocked");
	if (c->called && lock < c->lane->seg->n_objects)
		event_call(c->lane->seg, lock, SEG_EVENT_DONE, c->called);
	FAULT("condition.told");
	object_leave(c->lane);
	return error;
}

enum sabir_error condition_lock(struct lane *lane, uint64_t handle, uint64_t *lock)
{
	static const struct object_spec rlock = { .kind = SEG_KIND_RLOCK };
	struct seg_object *object;
	struct seg_condition *body;
	enum sabir_error error = object_enter(lane, SEG_OP_READ, handle, SEG_KIND_CONDITION, sizeof(*body), &object,
					      &body);
	if (error)
		return error;
	uint64_t given = load64_relaxed(&body->lock);
	object_leave(lane);
	if (!given)
		return object_part(lane, handle, 0, &rlock, lock);
	*lock = given;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the steps of a wait */

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
		error = begin(lane, handle, &c);
	if (error)
		return error;
	if (!turn_owner_is_live(lane->seg, lane->actor.owner))
		return end(&c, SABIR_SESSION_REQUIRED);
	error = turns_join(&c.turns, state.depth, &turn);
	if (!error)
		journal_store64(lane, &turn->link, w->lock);
	uint64_t place = error ? 0 : turns_place(&c.turns, turn);
	error = end(&c, error);
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
	enum sabir_error error = begin(lane, handle, &c);
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
	return end(&c, error);
}

/* Ends the turn; what it was notified of goes on unless the wait is `done`. */
static enum sabir_error leave(struct lane *lane, uint64_t handle, uint64_t place, bool done, uint32_t *state)
{
	struct condition c;
	enum sabir_error error = begin(lane, handle, &c);
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&c.turns, turn_with_phase(place, 0));
	uint32_t mark = turn ? load32_relaxed(&turn->mark) : 0;
	*state = turn ? load32_relaxed(&turn->state) : 0;
	if (turn)
		error = turns_leave(&c.turns, turn);
	if (!error && *state == SEG_TURN_CALLED && !done)
		(void)notify_first(&c, mark);
	return end(&c, error);
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
	uint64_t lock;
	enum sabir_error error = condition_lock(lane, handle, &lock);
	w->locking = false;
	if (!error && !lock_is_live(lane->seg, lock))
		error = SABIR_DELETED;
	w->lock = error ? w->lock : lock;
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

/* One of its owner's turns: the line of the lock, which knew which, is gone, and so all of them end. */
static enum sabir_error leave_any(struct lane *lane, uint64_t handle)
{
	struct condition c;
	enum sabir_error error = begin(lane, handle, &c);
	if (error)
		return error;
	struct seg_turn *turn = turns_of(&c.turns, &(struct turns_whose){ .owner = lane->actor.owner });
	/* Those who wait stand behind those who don't. */
	if (turn && load32_relaxed(&turn->state) != SEG_TURN_WAITING)
		error = turns_leave(&c.turns, turn);
	return end(&c, error);
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
	error = link ? leave(lane, handle, link, false, &state) : leave_any(lane, handle);
	return error == SABIR_BUSY ? error : mutex_give_up(lane, w->lock, place);
}

/* ---------------------------------------------------------------- notify */

enum sabir_error condition_notify(struct lane *lane, uint64_t handle, uint64_t n, uint64_t *n_notified)
{
	struct condition c;
	struct mutex_state state;
	uint64_t lock;
	enum sabir_error error = condition_lock(lane, handle, &lock);
	if (!error)
		error = lane->actor.owner ? mutex_look(lane, lock, &state) : SABIR_SESSION_REQUIRED;
	if (!error && !state.mine)
		error = SABIR_NOT_HELD;
	if (!error)
		error = begin(lane, handle, &c);
	if (error)
		return error;
	uint32_t there = load32_relaxed(&c.body->turns.n_waiting);
	uint32_t owed = n < there ? (uint32_t)n : there;
	if (owed) {
		journal_store32(lane, &c.body->owed_before, load32_relaxed(&c.body->turns.ticket));
		journal_store32(lane, &c.body->owed, owed);
	}
	*n_notified = owed;
	return end(&c, SABIR_OK);
}

enum sabir_error condition_look(struct lane *lane, uint64_t handle, uint32_t *n_waiting)
{
	struct condition c;
	enum sabir_error error = begin(lane, handle, &c);
	if (error)
		return error;
	*n_waiting = load32_relaxed(&c.body->turns.n_waiting);
	return end(&c, SABIR_OK);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error check_lock(const struct segment *seg, uint64_t lock)
{
	if (!lock_is_live(seg, lock))
		return SABIR_DELETED;
	bool other = object_is_other(seg, lock, SEG_KIND_LOCK) && object_is_other(seg, lock, SEG_KIND_RLOCK);
	return other ? SABIR_WRONG_KIND : SABIR_OK;
}

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	enum sabir_error error = spec->over ? check_lock(lane->seg, spec->over) : SABIR_OK;
	if (error)
		return error;
	error = block_alloc_zeroed(lane, sizeof(struct seg_condition), 0, 0, &block);
	if (error)
		return error;
	struct seg_condition *c = (struct seg_condition *)block;
	c->lock = spec->over;
	if (spec->over)
		refs_note_handle(lane, &lane->seg->objects[index], spec->over);
	*body = block;
	return SABIR_OK;
}

/* It refers to the lock that it was given. */
static enum sabir_error scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context)
{
	struct seg_condition *body;
	struct seg_object *object;
	enum sabir_error error = object_enter(lane, SEG_OP_READ, handle, SEG_KIND_CONDITION, sizeof(*body), &object,
					      &body);
	if (error)
		return error;
	uint64_t lock = load64_relaxed(&body->lock);
	object_leave(lane);
	if (lock)
		visit(context, lock);
	return SABIR_OK;
}

static void destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct seg_condition *body = segment_at(lane->seg, load32_relaxed(&object->body), sizeof(*body));
	struct turns turns = { lane, object, index, body ? &body->turns : NULL, NULL };
	if (!body || !block_is_of(&body->block, index))
		return;
	turns_destroy(&turns);
}

/* They wait on the lock's event: not only when the memory can be had, which may be late. */
static void ended(const struct segment *seg, uint32_t index, const struct seg_object *object)
{
	const struct seg_condition *body = segment_at(seg, load32_relaxed(&object->body), sizeof(*body));
	if (body && block_is_of(&body->block, index))
		wake_all(seg, body);
}

/* Whatever it had decided is finished by those who wait; but they are asleep elsewhere than recovery thinks. */
static enum sabir_error recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				struct seg_object *object)
{
	const struct seg_condition *body = segment_at(by->seg, load32_relaxed(&object->body), sizeof(*body));
	(void)dead;
	(void)dead_id;
	(void)index;
	if (body)
		wake_all(by->seg, body);
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	uint32_t ref = load32_relaxed(&object->body);
	const struct seg_condition *c = segment_at(lane->seg, ref, sizeof(*c));
	(void)index;
	info->memory_bytes = block_size(lane->seg, ref);
	if (!c)
		return;
	info->length = load32_relaxed(&c->turns.n_waiting);
	info->over = load64_relaxed(&c->lock);
}

static uint64_t *part(const struct segment *seg, struct seg_object *object, uint32_t n)
{
	struct seg_condition *c = segment_at(seg, load32_relaxed(&object->body), sizeof(*c));
	return c && n == 0 ? &c->own : NULL;
}

static enum sabir_error end_turns(struct lane *by, uint64_t handle, const struct turns_whose *whose)
{
	struct condition c;
	struct seg_turn *turn;
	enum sabir_error error = begin(by, handle, &c);
	if (error)
		return error;
	while (!error && (turn = turns_of(&c.turns, whose)) != NULL) {
		bool called = load32_relaxed(&turn->state) == SEG_TURN_CALLED;
		uint32_t mark = load32_relaxed(&turn->mark);
		error = turns_leave(&c.turns, turn);
		if (error)
			break;
		if (called)
			(void)notify_first(&c, mark);
		commit(&c);
	}
	return end(&c, error);
}

static enum sabir_error owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	return end_turns(by, handle, &(struct turns_whose){ .owner = owner });
}

static enum sabir_error waits_gone(struct lane *by, uint64_t handle, uint32_t before)
{
	return end_turns(by, handle, &(struct turns_whose){ .sessions = true, .before = before });
}

static bool ready(const struct segment *seg, const struct seg_object *object, uint64_t memory)
{
	const struct seg_condition *c = segment_at(seg, load32_relaxed(&object->body), sizeof(*c));
	uint64_t lock = c ? lock_in(c) : 0, place = turn_with_phase(memory, 0);
	uint32_t index = (uint32_t)(object - seg->objects);
	if (!c || load32_relaxed(&c->owed) || !lock_is_live(seg, lock))
		return true;
	const struct seg_object *of_lock = &seg->objects[object_index(lock)];
	if (turn_phase(memory) == LOCKING)
		return mutex_kind.ready(seg, of_lock, place);
	return turn_phase(memory) != WAITING || turn_peek(seg, index, place) != SEG_TURN_WAITING ||
	       turn_peek_link(seg, index, place) != lock;
}

const struct object_kind condition_kind = { .create = create,
					    .destroy = destroy,
					    .ended = ended,
					    .recover = recover,
					    .describe = describe,
					    .part = part,
					    .owner_gone = owner_gone,
					    .waits_gone = waits_gone,
					    .line = offsetof(struct seg_condition, turns),
					    .scan = scan,
					    .ready = ready };
