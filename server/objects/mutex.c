/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared lock and rlock.
 *
 *   free ──take──► held by an actor (depth 1) ──take by the same, rlock──► depth + 1
 *     ▲                  │
 *     ├──release─────────┤
 *     └──owner gone──────┘ and abandoned: the next who takes it is told
 *
 * Every step is a few stores under the object's lock with the lane's journal: its holder's name is written in the same
 * step that claims it, and a lane that dies has done all of it or nothing. What an owner holds is released when it is gone
 * (owner_gone). An owner that is gone can't take it any more: it is marked as dead before its holds are looked for, and
 * the mark is read under the same lock that they are looked for with.
 *
 * Who has to wait stands in a line (turns.h). While the first of it came less than TURN_FAIR_NS ago a release frees the lock
 * and wakes one local waiter and the server; who comes at the right moment may be quicker than both, and who loses sleeps on. From
 * then on the lock is handed over: the step that takes it from its holder makes the first in the line its holder and calls him,
 * and only him. Should he die, or give up, before he comes for it, it goes on as it would have without him: abandoned only if
 * it was so before.
 */
#include "server/objects/mutex.h"

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/turns.h"

struct mutex {
	struct lane *lane;
	struct seg_object *object;
	struct seg_mutex *body;
	struct turns turns;
	uint32_t index;
	uint32_t called; /* bits of those who are to be told that it is theirs */
	bool reentrant;
	bool freed;    /* it is to be told that nobody has it */
	bool acquired; /* for who watches: */
	bool released;
};

static enum sabir_error enter(struct lane *lane, uint32_t op, uint64_t handle, struct mutex *m)
{
	uint32_t kind = mutex_kind_of(lane->seg, handle);
	enum sabir_error error = object_enter(lane, op, handle, kind, sizeof(*m->body), &m->object, &m->body);
	if (error)
		return error;
	m->lane = lane;
	m->index = object_index(handle);
	m->reentrant = kind == SEG_KIND_RLOCK;
	m->called = 0;
	m->freed = m->acquired = m->released = false;
	m->turns = (struct turns){ lane, m->object, m->index, &m->body->turns, NULL, 0 };
	return SABIR_OK;
}

/* With the object's lock. */
static enum sabir_error begin(struct lane *lane, uint64_t handle, struct mutex *m)
{
	enum sabir_error error = enter(lane, SEG_OP_SYNC, handle, m);
	if (error)
		return error;
	error = lock_acquire(lane, &m->object->lock);
	if (error)
		object_leave(lane);
	return error;
}

/* Publishes what was journaled. */
static void commit(struct mutex *m)
{
	FAULT("mutex.written");
	journal_commit(m->lane);
	FAULT("mutex.committed");
	turns_done(&m->turns);
}

static enum sabir_error end(struct mutex *m, enum sabir_error error)
{
	if (error == SABIR_DATA_LOSS)
		journal_undo(m->lane);
	commit(m);
	if (m->released)
		change_note(m->lane, m->index, CHANGE_RELEASED, 0, 1);
	if (m->acquired)
		change_note(m->lane, m->index, CHANGE_ACQUIRED, 0, 1);
	lock_release(m->lane, &m->object->lock);
	FAULT("mutex.unlocked");
	if (m->called)
		event_call(m->lane->seg, m->index, SEG_EVENT_ITEMS, m->called);
	if (m->freed)
		event_notify(m->lane->seg, m->index, SEG_EVENT_ITEMS, 1);
	FAULT("mutex.told");
	object_leave(m->lane);
	return error;
}

static bool holds(const struct mutex *m)
{
	const struct actor *actor = &m->lane->actor;
	return load64_relaxed(&m->body->owner) == actor->owner &&
	       (!m->reentrant || load64_relaxed(&m->body->thread) == actor->thread);
}

static void set_holder(struct mutex *m, uint64_t owner, uint64_t thread, uint64_t depth)
{
	journal_store64(m->lane, &m->body->owner, owner);
	/* Of a free lock it means nothing, so it stays: who takes the lock again finds himself there, mostly. */
	if (owner && load64_relaxed(&m->body->thread) != thread)
		journal_store64(m->lane, &m->body->thread, thread);
	journal_store64(m->lane, &m->body->depth, depth);
	m->acquired |= depth != 0;
}

/* ---------------------------------------------------------------- whose turn it is */

/* The lock of nobody, for the first in the line. */
static void hand_over(struct mutex *m, struct seg_turn *first)
{
	uint64_t token = load64_relaxed(&m->body->token) + 1;
	set_holder(m, load64_relaxed(&first->owner), load64_relaxed(&first->thread), 1);
	journal_store64(m->lane, &m->body->token, token);
	journal_store64(m->lane, &first->number, token);
	journal_store32(m->lane, &first->mark, load32_relaxed(&m->body->abandoned));
	journal_store32(m->lane, &m->body->abandoned, 0);
	m->called |= turns_call(&m->turns, first, SEG_TURN_CALLED);
}

/* Its holder does not have it any more. */
static void let_go(struct mutex *m)
{
	struct seg_turn *first = turns_first(&m->turns);
	m->released = true;
	if (first && turn_is_due(first)) {
		hand_over(m, first);
		return;
	}
	set_holder(m, 0, 0, 0);
	m->freed = true;
}

/* Whoever has been called and goes without it: the lock is as it was before, unless somebody else has released it for him. */
static enum sabir_error end_turn(struct mutex *m, struct seg_turn *turn)
{
	bool called = load32_relaxed(&turn->state) == SEG_TURN_CALLED;
	uint32_t mark = load32_relaxed(&turn->mark);
	bool his = called && load64_relaxed(&m->body->token) == load64_relaxed(&turn->number) &&
		   load64_relaxed(&m->body->owner) == load64_relaxed(&turn->owner);
	enum sabir_error error = turns_leave(&m->turns, turn);
	if (error)
		return error;
	if (his && mark)
		journal_store32(m->lane, &m->body->abandoned, mark);
	if (his)
		let_go(m);
	/* The wake-up for the next may have been spent on him. */
	m->freed |= !load64_relaxed(&m->body->owner);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- taking */

static void take(struct mutex *m, uint64_t depth, struct mutex_hold *hold)
{
	uint64_t token = load64_relaxed(&m->body->token) + 1;
	hold->abandoned = load32_relaxed(&m->body->abandoned) != 0;
	hold->token = token;
	hold->depth = depth;
	set_holder(m, m->lane->actor.owner, m->lane->actor.thread, depth);
	journal_store64(m->lane, &m->body->token, token);
	if (hold->abandoned)
		journal_store32(m->lane, &m->body->abandoned, 0);
}

/* It was handed over to him. If somebody has released it since, he had it all the same. */
static void come_for_it(struct mutex *m, const struct seg_turn *turn, uint64_t depth, struct mutex_hold *hold)
{
	uint64_t token = load64_relaxed(&turn->number);
	*hold = (struct mutex_hold){ .token = token, .depth = depth, .abandoned = load32_relaxed(&turn->mark) != 0 };
	if (depth > 1 && holds(m) && load64_relaxed(&m->body->token) == token)
		journal_store64(m->lane, &m->body->depth, depth);
}

static enum sabir_error enter_again(struct mutex *m, struct mutex_hold *hold)
{
	uint64_t depth = load64_relaxed(&m->body->depth);
	if (depth == UINT64_MAX)
		return SABIR_OUT_OF_RANGE;
	journal_store64(m->lane, &m->body->depth, depth + 1);
	m->acquired = true;
	*hold = (struct mutex_hold){ .token = load64_relaxed(&m->body->token), .depth = depth + 1 };
	return SABIR_OK;
}

static enum sabir_error try_take(struct mutex *m, const struct seg_turn *turn, uint64_t depth, struct mutex_hold *hold)
{
	if (!turn_owner_is_live(m->lane->seg, m->lane->actor.owner))
		return SABIR_SESSION_REQUIRED;
	if (turn && load32_relaxed(&turn->state) == SEG_TURN_CALLED) {
		come_for_it(m, turn, depth, hold);
		return SABIR_OK;
	}
	if (!load64_relaxed(&m->body->owner)) {
		struct seg_turn *first = turns_first(&m->turns);
		if (!first || first == turn || !turn_is_due(first)) {
			take(m, depth, hold);
			return SABIR_OK;
		}
		hand_over(m, first);
	}
	return m->reentrant && holds(m) ? enter_again(m, hold) : SABIR_WOULD_BLOCK;
}

static enum sabir_error join(struct mutex *m, struct mutex_wait *w)
{
	struct seg_turn *turn;
	enum sabir_error error = turns_join(&m->turns, clock_now(), &turn);
	if (error)
		return error == SABIR_DATA_LOSS ? error : SABIR_WOULD_BLOCK;
	journal_store64(m->lane, &turn->link, w->link);
	w->place = turns_place(&m->turns, turn);
	return SABIR_WOULD_BLOCK;
}

/* The turn ends with the lock, or without it when it was the last attempt; else it begins, or goes on. */
static enum sabir_error take_or_wait(struct mutex *m, struct mutex_wait *w, struct mutex_hold *hold)
{
	struct seg_turn *turn = turns_find(&m->turns, w->place);
	enum sabir_error error = try_take(m, turn, w->depth ? w->depth : 1, hold);
	if (error == SABIR_WOULD_BLOCK && !w->last)
		return turn ? error : join(m, w);
	enum sabir_error left = !turn ? SABIR_OK : error ? end_turn(m, turn) : turns_leave(&m->turns, turn);
	w->place = 0;
	return left ? left : error;
}

enum sabir_error mutex_take(struct lane *lane, uint64_t handle, struct mutex_hold *hold)
{
	struct mutex_wait once = { .last = true };
	return mutex_take_in_turn(lane, handle, &once, hold);
}

enum sabir_error mutex_take_in_turn(struct lane *lane, uint64_t handle, struct mutex_wait *wait,
				    struct mutex_hold *hold)
{
	struct mutex_hold got;
	struct mutex m;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	error = end(&m, take_or_wait(&m, wait, &got));
	if (!error)
		*hold = got;
	return error;
}

enum sabir_error mutex_give_up(struct lane *lane, uint64_t handle, uint64_t place)
{
	struct mutex m;
	enum sabir_error error = begin(lane, handle, &m);
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&m.turns, place);
	return end(&m, turn ? end_turn(&m, turn) : SABIR_OK);
}

enum sabir_error mutex_link(struct lane *lane, uint64_t handle, uint64_t place, uint64_t *link)
{
	struct mutex m;
	enum sabir_error error = begin(lane, handle, &m);
	if (error)
		return error;
	const struct seg_turn *turn = turns_find(&m.turns, place);
	*link = turn ? load64_relaxed(&turn->link) : 0;
	return end(&m, SABIR_OK);
}

/* ---------------------------------------------------------------- releasing */

/* A lock that nobody holds: only one that was abandoned can be released, by somebody who does it for the one that is gone. */
static enum sabir_error forgive(struct mutex *m)
{
	bool strict = load32_relaxed(&m->body->flags) & SEG_LOCK_STRICT;
	if (m->reentrant || strict || load32_relaxed(&m->body->abandoned) != SEG_LOCK_ABANDONED)
		return SABIR_NOT_HELD;
	journal_store32(m->lane, &m->body->abandoned, SEG_LOCK_FORGIVEN);
	m->released = true;
	return SABIR_OK;
}

static enum sabir_error try_release(struct mutex *m)
{
	bool strict = m->reentrant || (load32_relaxed(&m->body->flags) & SEG_LOCK_STRICT);
	uint64_t depth = load64_relaxed(&m->body->depth);
	if (!load64_relaxed(&m->body->owner))
		return forgive(m);
	if (strict && !holds(m))
		return SABIR_NOT_HELD;
	if (depth > 1) {
		journal_store64(m->lane, &m->body->depth, depth - 1);
		m->released = true;
		return SABIR_OK;
	}
	let_go(m);
	return SABIR_OK;
}

enum sabir_error mutex_release(struct lane *lane, uint64_t handle)
{
	struct mutex m;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	return error ? error : end(&m, try_release(&m));
}

enum sabir_error mutex_release_all(struct lane *lane, uint64_t handle)
{
	struct mutex m;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	bool mine = holds(&m);
	if (mine)
		let_go(&m);
	return end(&m, mine ? SABIR_OK : SABIR_NOT_HELD);
}

static enum sabir_error untake(struct lane *lane, uint64_t handle, uint64_t token, bool abandoned, bool all)
{
	struct mutex m;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	bool his = holds(&m) && load64_relaxed(&m.body->token) == token;
	/* As it was, for who gets it next: he may be called by the release. */
	if (his && abandoned && (all || load64_relaxed(&m.body->depth) <= 1))
		journal_store32(lane, &m.body->abandoned, SEG_LOCK_ABANDONED);
	if (his && all) {
		let_go(&m);
		return end(&m, SABIR_OK);
	}
	return end(&m, his ? try_release(&m) : SABIR_NOT_HELD);
}

enum sabir_error mutex_untake(struct lane *lane, uint64_t handle, uint64_t token, bool abandoned)
{
	return untake(lane, handle, token, abandoned, false);
}

enum sabir_error mutex_untake_all(struct lane *lane, uint64_t handle, uint64_t token, bool abandoned)
{
	return untake(lane, handle, token, abandoned, true);
}

enum sabir_error mutex_look(struct lane *lane, uint64_t handle, struct mutex_state *state)
{
	struct mutex m;
	enum sabir_error error = begin(lane, handle, &m);
	if (error)
		return error;
	*state = (struct mutex_state){
		.locked = load64_relaxed(&m.body->owner) != 0,
		.mine = lane->actor.owner && holds(&m),
		.abandoned = load32_relaxed(&m.body->abandoned) != 0,
		.depth = load64_relaxed(&m.body->depth),
		.token = load64_relaxed(&m.body->token),
	};
	return end(&m, SABIR_OK);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	if ((spec->flags & ~SEG_LOCK_STRICT) || (spec->flags && spec->kind == SEG_KIND_RLOCK))
		return SABIR_INVALID_ARGUMENT;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_mutex), 0, 0, &block);
	if (error)
		return error;
	struct seg_mutex *m = (struct seg_mutex *)block;
	m->flags = spec->flags;
	*body = block;
	return SABIR_OK;
}

static void destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct seg_mutex *body = object_body(lane->seg, object, sizeof(*body));
	struct turns turns = { lane, object, index, body ? &body->turns : NULL, NULL, 0 };
	if (body && block_state(load64_acquire(&body->block.word)) == SEG_BLOCK_LIVE &&
	    block_object(load64_acquire(&body->block.word)) == index)
		turns_destroy(&turns);
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	uint32_t ref = load32_relaxed(&object->body);
	const struct seg_mutex *m = segment_at(lane->seg, ref, sizeof(*m));
	(void)index;
	info->length = m && load64_relaxed(&m->owner);
	info->flags = m ? load32_relaxed(&m->flags) : 0;
	info->memory_bytes = block_size(lane->seg, ref);
}

static enum sabir_error end_turns(struct mutex *m, const struct turns_whose *whose)
{
	struct seg_turn *turn;
	enum sabir_error error = SABIR_OK;
	while (!error && (turn = turns_of(&m->turns, whose)) != NULL) {
		error = end_turn(m, turn);
		if (!error)
			commit(m);
	}
	return error;
}

static enum sabir_error waits_gone(struct lane *by, uint64_t handle, uint32_t before)
{
	struct mutex m;
	enum sabir_error error = begin(by, handle, &m);
	return error ? error : end(&m, end_turns(&m, &(struct turns_whose){ .sessions = true, .before = before }));
}

static enum sabir_error owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	struct mutex m;
	enum sabir_error error = begin(by, handle, &m);
	if (error)
		return error;
	error = end_turns(&m, &(struct turns_whose){ .owner = owner });
	if (!error && load64_relaxed(&m.body->owner) == owner) {
		journal_store32(by, &m.body->abandoned, SEG_LOCK_ABANDONED);
		let_go(&m);
	}
	return end(&m, error);
}

/* A free lock may be had by whoever looks; whether he may overtake is seen when he does. */
static bool ready(const struct segment *seg, const struct seg_object *object, uint64_t memory)
{
	const struct seg_mutex *m = object_body(seg, object, sizeof(*m));
	uint32_t index = (uint32_t)(object - seg->objects);
	return !m || !load64_seq(&m->owner) || turn_peek(seg, index, memory) != SEG_TURN_WAITING;
}

static bool any_ready(const struct segment *seg, const struct seg_object *object)
{
	const struct seg_mutex *b = object_body(seg, object, sizeof(*b));
	return !b || !load64_seq(&b->owner) || turns_any_called(&b->turns);
}

const struct object_kind mutex_kind = { .create = create,
					.destroy = destroy,
					.describe = describe,
					.owner_gone = owner_gone,
					.waits_gone = waits_gone,
					.line = offsetof(struct seg_mutex, turns),
					.ready = ready,
					.any_ready = any_ready };
