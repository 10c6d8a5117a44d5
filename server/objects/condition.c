/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared condition: its line, its lock, and notify. What one who waits does is in condition_wait.c.
 *
 * A notify is decided by one step, the store of `owed`; the turns are given it one by one, and whoever enters finishes that
 * before anything else. A turn that was notified and goes before the wait is done passes its notification on to the next of
 * those who waited when it was given.
 */
#include "server/objects/condition_parts.h"

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/refs.h"

static void commit(struct condition *c)
{
	FAULT("condition.written");
	c->changed |= load32_relaxed(&c->lane->shared->n_undo) != 0;
	journal_commit(c->lane);
	FAULT("condition.committed");
	turns_done(&c->turns);
}

bool condition_notify_first(struct condition *c, uint32_t before)
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
	uint32_t owed = load32_relaxed(&c->body->owed), before = load32_relaxed(&c->body->owed_before);
	while (owed) {
		owed = condition_notify_first(c, before) ? owed - 1 : 0;
		journal_store32(c->lane, &c->body->owed, owed);
		commit(c);
	}
}

enum sabir_error condition_begin(struct lane *lane, uint64_t handle, struct condition *c)
{
	enum sabir_error error = object_enter(lane, SEG_OP_SYNC, handle, SEG_KIND_CONDITION, sizeof(*c->body),
					      &c->object, &c->body);
	if (error)
		return error;
	c->lane = lane;
	c->index = object_index(handle);
	c->called = 0;
	c->changed = false;
	c->turns = (struct turns){ lane, c->object, c->index, &c->body->turns, NULL, 0 };
	error = lock_acquire(lane, &c->object->lock);
	if (error)
		object_leave(lane);
	else
		settle(c);
	return error;
}

bool condition_lock_is_live(const struct segment *seg, uint64_t lock)
{
	uint32_t index = object_index(lock);
	return index < seg->n_objects &&
	       load64_seq(&seg->objects[index].word) == ((lock & 0xffffffff00000000ull) | SEG_OBJECT_LIVE);
}

static void wake_all(const struct segment *seg, const struct seg_condition *body)
{
	uint32_t index = object_index(condition_lock_in(body));
	if (index && index < seg->n_objects)
		event_notify_all(seg, index);
}

enum sabir_error condition_end(struct condition *c, enum sabir_error error)
{
	uint32_t lock = object_index(condition_lock_in(c->body));
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
		error = condition_begin(lane, handle, &c);
	if (error)
		return error;
	uint32_t there = load32_relaxed(&c.body->turns.n_waiting);
	uint32_t owed = n < there ? (uint32_t)n : there;
	if (owed) {
		journal_store32(lane, &c.body->owed_before, load32_relaxed(&c.body->turns.ticket));
		journal_store32(lane, &c.body->owed, owed);
	}
	*n_notified = owed;
	return condition_end(&c, SABIR_OK);
}

enum sabir_error condition_look(struct lane *lane, uint64_t handle, uint32_t *n_waiting)
{
	struct condition c;
	enum sabir_error error = condition_begin(lane, handle, &c);
	if (error)
		return error;
	*n_waiting = load32_relaxed(&c.body->turns.n_waiting);
	return condition_end(&c, SABIR_OK);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error check_lock(const struct segment *seg, uint64_t lock)
{
	if (!condition_lock_is_live(seg, lock))
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
	struct seg_condition *body = object_body(lane->seg, object, sizeof(*body));
	struct turns turns = { lane, object, index, body ? &body->turns : NULL, NULL, 0 };
	if (!body || !block_is_of(&body->block, index))
		return;
	turns_destroy(&turns);
}

/* They wait on the lock's event: not only when the memory can be had, which may be late. */
static void ended(const struct segment *seg, uint32_t index, const struct seg_object *object)
{
	const struct seg_condition *body = object_body(seg, object, sizeof(*body));
	if (body && block_is_of(&body->block, index))
		wake_all(seg, body);
}

/* Whatever it had decided is finished by those who wait; but they are asleep elsewhere than recovery thinks. */
static enum sabir_error recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
				struct seg_object *object)
{
	const struct seg_condition *body = object_body(by->seg, object, sizeof(*body));
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
	struct seg_condition *c = object_body(seg, object, sizeof(*c));
	return c && n == 0 ? &c->own : NULL;
}

static enum sabir_error end_turns(struct lane *by, uint64_t handle, const struct turns_whose *whose)
{
	struct condition c;
	struct seg_turn *turn;
	enum sabir_error error = condition_begin(by, handle, &c);
	if (error)
		return error;
	while (!error && (turn = turns_of(&c.turns, whose)) != NULL) {
		bool called = load32_relaxed(&turn->state) == SEG_TURN_CALLED;
		uint32_t mark = load32_relaxed(&turn->mark);
		error = turns_leave(&c.turns, turn);
		if (error)
			break;
		if (called)
			(void)condition_notify_first(&c, mark);
		commit(&c);
	}
	return condition_end(&c, error);
}

static enum sabir_error owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	return end_turns(by, handle, &(struct turns_whose){ .owner = owner });
}

static enum sabir_error waits_gone(struct lane *by, uint64_t handle, uint32_t before)
{
	return end_turns(by, handle, &(struct turns_whose){ .sessions = true, .before = before });
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
					    .ready = condition_ready };
