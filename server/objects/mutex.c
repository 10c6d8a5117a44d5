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
 * A release wakes one local waiter, the one that sleeps longest, and the server if it has waiters. Who comes at the right
 * moment may be quicker than both; who loses sleeps on, and the next release wakes him.
 */
#include "server/objects/mutex.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/change.h"

struct mutex {
	struct lane *lane;
	struct seg_object *object;
	struct seg_mutex *body;
	uint32_t index;
	bool reentrant;
	uint32_t change; /* what the operation does, CHANGE_OTHER = nothing */
};

static enum sabir_error enter(struct lane *lane, uint32_t op, uint64_t handle, struct mutex *m)
{
	enum sabir_error error = object_enter(lane, op, handle, 0, sizeof(*m->body), &m->object, &m->body);
	if (error)
		return error;
	uint32_t kind = load32_relaxed(&m->object->kind);
	m->lane = lane;
	m->index = object_index(handle);
	m->reentrant = kind == SEG_KIND_RLOCK;
	m->change = CHANGE_OTHER;
	if (kind != SEG_KIND_LOCK && kind != SEG_KIND_RLOCK) {
		object_leave(lane);
		return SABIR_WRONG_KIND;
	}
	uint64_t word = load64_acquire(&m->body->block.word);
	if (block_state(word) == SEG_BLOCK_LIVE && block_object(word) == m->index)
		return SABIR_OK;
	error = object_damaged(m->object);
	object_leave(lane);
	return error;
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
static enum sabir_error end(struct mutex *m, enum sabir_error error, bool freed)
{
	FAULT("mutex.written");
	journal_commit(m->lane);
	FAULT("mutex.committed");
	if (m->change)
		change_note(m->lane, m->index, m->change, 0, 1);
	lock_release(m->lane, &m->object->lock);
	FAULT("mutex.unlocked");
	if (freed)
		event_notify(m->lane->seg, m->index, SEG_EVENT_ITEMS, 1);
	FAULT("mutex.told");
	object_leave(m->lane);
	return error;
}

static bool is_live(const struct segment *seg, uint64_t owner)
{
	uint32_t index = (uint32_t)owner - 1;
	if (!owner || index >= seg->n_owners)
		return false;
	uint64_t word = load64_acquire(&seg->owners[index].word);
	return (word & 15) == SEG_OWNER_LIVE && word >> 32 == owner >> 32;
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
	journal_store64(m->lane, &m->body->thread, thread);
	journal_store64(m->lane, &m->body->depth, depth);
	m->change = depth ? CHANGE_ACQUIRED : CHANGE_RELEASED;
}

static void take(struct mutex *m, struct mutex_hold *hold)
{
	uint64_t token = load64_relaxed(&m->body->token) + 1;
	hold->abandoned = load32_relaxed(&m->body->abandoned) != 0;
	hold->token = token;
	hold->depth = 1;
	set_holder(m, m->lane->actor.owner, m->lane->actor.thread, 1);
	journal_store64(m->lane, &m->body->token, token);
	if (hold->abandoned)
		journal_store32(m->lane, &m->body->abandoned, 0);
}

static enum sabir_error try_take(struct mutex *m, struct mutex_hold *hold)
{
	if (!is_live(m->lane->seg, m->lane->actor.owner))
		return SABIR_SESSION_REQUIRED;
	if (!load64_relaxed(&m->body->owner)) {
		take(m, hold);
		return SABIR_OK;
	}
	uint64_t depth = load64_relaxed(&m->body->depth);
	if (!m->reentrant || !holds(m))
		return SABIR_WOULD_BLOCK;
	if (depth == UINT64_MAX)
		return SABIR_OUT_OF_RANGE;
	journal_store64(m->lane, &m->body->depth, depth + 1);
	m->change = CHANGE_ACQUIRED;
	*hold = (struct mutex_hold){ .token = load64_relaxed(&m->body->token), .depth = depth + 1 };
	return SABIR_OK;
}

enum sabir_error mutex_take(struct lane *lane, uint64_t handle, struct mutex_hold *hold)
{
	struct mutex_hold got;
	struct mutex m;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	error = end(&m, try_take(&m, &got), false);
	if (!error)
		*hold = got;
	return error;
}

/* A lock that nobody holds: only one that was abandoned can be released, by somebody who does it for the one that is gone. */
static enum sabir_error forgive(struct mutex *m)
{
	bool strict = load32_relaxed(&m->body->flags) & SEG_LOCK_STRICT;
	if (m->reentrant || strict || load32_relaxed(&m->body->abandoned) != SEG_LOCK_ABANDONED)
		return SABIR_NOT_HELD;
	journal_store32(m->lane, &m->body->abandoned, SEG_LOCK_FORGIVEN);
	m->change = CHANGE_RELEASED;
	return SABIR_OK;
}

static enum sabir_error try_release(struct mutex *m, bool *freed)
{
	bool strict = m->reentrant || (load32_relaxed(&m->body->flags) & SEG_LOCK_STRICT);
	uint64_t depth = load64_relaxed(&m->body->depth);
	if (!load64_relaxed(&m->body->owner))
		return forgive(m);
	if (strict && !holds(m))
		return SABIR_NOT_HELD;
	if (depth > 1) {
		journal_store64(m->lane, &m->body->depth, depth - 1);
		m->change = CHANGE_RELEASED;
		return SABIR_OK;
	}
	set_holder(m, 0, 0, 0);
	*freed = true;
	return SABIR_OK;
}

enum sabir_error mutex_release(struct lane *lane, uint64_t handle)
{
	struct mutex m;
	bool freed = false;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	error = try_release(&m, &freed);
	return end(&m, error, freed);
}

enum sabir_error mutex_untake(struct lane *lane, uint64_t handle, uint64_t token, bool abandoned)
{
	struct mutex m;
	bool freed = false;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &m) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	error = holds(&m) && load64_relaxed(&m.body->token) == token ? try_release(&m, &freed) : SABIR_NOT_HELD;
	if (freed && abandoned)
		journal_store32(lane, &m.body->abandoned, SEG_LOCK_ABANDONED);
	return end(&m, error, freed);
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
	return end(&m, SABIR_OK, false);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	if ((spec->flags & ~SEG_LOCK_STRICT) || (spec->flags && spec->kind == SEG_KIND_RLOCK))
		return SABIR_INVALID_ARGUMENT;
	enum sabir_error error = block_alloc(lane, sizeof(struct seg_mutex), 0, &block);
	if (error)
		return error;
	struct seg_mutex *m = (struct seg_mutex *)block;
	memset((uint8_t *)m + sizeof(m->block.word), 0, sizeof(*m) - sizeof(m->block.word));
	m->block.len = sizeof(*m) - sizeof(m->block);
	m->flags = spec->flags;
	*body = block;
	return SABIR_OK;
}

/* The body is all that it has, and its caller frees that. */
static void destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	(void)lane;
	(void)index;
	(void)object;
}

/* The journal is undone already, and whatever was done stands: who holds it now by a dead owner is for owner_gone. */
static enum sabir_error recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				struct seg_object *object)
{
	(void)by;
	(void)dead;
	(void)dead_id;
	(void)index;
	(void)object;
	return SABIR_OK;
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

static enum sabir_error owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	struct mutex m;
	enum sabir_error error = begin(by, handle, &m);
	if (error)
		return error;
	bool held = load64_relaxed(&m.body->owner) == owner;
	if (held) {
		set_holder(&m, 0, 0, 0);
		journal_store32(by, &m.body->abandoned, SEG_LOCK_ABANDONED);
	}
	return end(&m, SABIR_OK, held);
}

const struct object_kind mutex_kind = {
	.create = create, .destroy = destroy, .recover = recover, .describe = describe, .owner_gone = owner_gone
};
