/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared barrier.
 *
 *   whole ──the last of `parties` comes──► whole, the next cycle: all who waited are called, each with his index
 *     │
 *     ├──abort, a wait's time passes, who waits dies or goes──► broken: all who waited are told, and who comes
 *     └──reset, also of a broken one──► whole: all who waited are told that it was broken
 *
 * Who waits has a turn in the line (turns.h), with the index that he got when he came. What ends a cycle is decided by one
 * step, the store of `ending`; then each turn is given its state, a step for each. Whoever enters, also when the one who
 * decided has died, finishes that before anything else: so no turn of a new cycle is ever among them, and who wakes late finds
 * in his turn what became of his own cycle.
 */
#include "server/objects/barrier.h"

#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/turns.h"

struct barrier {
	struct lane *lane;
	struct seg_object *object;
	struct seg_barrier *body;
	struct turns turns;
	uint32_t index;
	uint32_t called;
	bool changed;
};

static void commit(struct barrier *b)
{
	FAULT("barrier.written");
	b->changed |= load32_relaxed(&b->lane->shared->n_undo) != 0;
	journal_commit(b->lane);
	FAULT("barrier.committed");
	turns_done(&b->turns);
}

/* Gives those who wait what was decided. */
static void settle(struct barrier *b)
{
	uint32_t ending = load32_relaxed(&b->body->ending);
	struct seg_turn *first;
	if (!ending)
		return;
	/* Nothing else is ever decided; and in a ring somebody who was called and waits yet would be called for ever. */
	if (ending != SEG_TURN_CALLED)
		ending = SEG_TURN_BROKEN;
	while ((first = turns_first(&b->turns)) != NULL) {
		b->called |= turns_call(&b->turns, first, ending);
		commit(b);
	}
	journal_store32(b->lane, &b->body->ending, 0);
	commit(b);
}

/* With the object's lock. */
static enum sabir_error begin(struct lane *lane, uint64_t handle, struct barrier *b)
{
	enum sabir_error error = object_enter(lane, SEG_OP_SYNC, handle, SEG_KIND_BARRIER, sizeof(*b->body), &b->object,
					      &b->body);
	if (error)
		return error;
	b->lane = lane;
	b->index = object_index(handle);
	b->called = 0;
	b->changed = false;
	b->turns = (struct turns){ lane, b->object, b->index, &b->body->turns, NULL, 0 };
	error = lock_acquire(lane, &b->object->lock);
	if (error)
		object_leave(lane);
	else
		settle(b);
	return error;
}

static enum sabir_error end(struct barrier *b, enum sabir_error error)
{
	if (error == SABIR_DATA_LOSS)
		journal_undo(b->lane);
	commit(b);
	settle(b);
	if (b->changed)
		change_note(b->lane, b->index, CHANGE_OTHER, 0, 0);
	lock_release(b->lane, &b->object->lock);
	FAULT("barrier.unlocked");
	if (b->called)
		event_call(b->lane->seg, b->index, SEG_EVENT_ITEMS, b->called);
	FAULT("barrier.told");
	object_leave(b->lane);
	return error;
}

static void decide(struct barrier *b, uint32_t ending)
{
	if (load32_relaxed(&b->body->turns.n_waiting))
		journal_store32(b->lane, &b->body->ending, ending);
}

static void break_it(struct barrier *b)
{
	journal_store32(b->lane, &b->body->broken, 1);
	decide(b, SEG_TURN_BROKEN);
}

/* Whoever still waits can't be missing without the others being told. */
static enum sabir_error end_turn(struct barrier *b, struct seg_turn *turn)
{
	bool waits = load32_relaxed(&turn->state) == SEG_TURN_WAITING;
	enum sabir_error error = turns_leave(&b->turns, turn);
	if (!error && waits)
		break_it(b);
	return error;
}

/* ---------------------------------------------------------------- operations */

static enum sabir_error come(struct barrier *b, uint64_t *place, bool last, uint64_t *index)
{
	uint32_t n = load32_relaxed(&b->body->turns.n_waiting);
	struct seg_turn *turn;
	if (load32_relaxed(&b->body->broken))
		return SABIR_BROKEN_BARRIER;
	if (n + 1 >= load32_relaxed(&b->body->parties)) {
		journal_store64(b->lane, &b->body->cycle, load64_relaxed(&b->body->cycle) + 1);
		decide(b, SEG_TURN_CALLED);
		*index = n;
		return SABIR_OK;
	}
	if (last) {
		break_it(b);
		return SABIR_BROKEN_BARRIER;
	}
	enum sabir_error error = turns_join(&b->turns, n, &turn);
	if (error)
		return error;
	*place = turns_place(&b->turns, turn);
	return SABIR_WOULD_BLOCK;
}

/* Who has a turn: how it ended, if it did. */
static enum sabir_error look_again(struct barrier *b, struct seg_turn *turn, bool last, uint64_t *index)
{
	uint32_t state = load32_relaxed(&turn->state);
	if (state == SEG_TURN_WAITING && !last)
		return SABIR_WOULD_BLOCK;
	*index = load64_relaxed(&turn->number);
	enum sabir_error error = end_turn(b, turn);
	return error ? error : state == SEG_TURN_CALLED ? SABIR_OK : SABIR_BROKEN_BARRIER;
}

enum sabir_error barrier_wait(struct lane *lane, uint64_t handle, uint64_t *place, bool last, uint64_t *index)
{
	struct barrier b;
	uint64_t mine = 0;
	enum sabir_error error = lane->actor.owner ? begin(lane, handle, &b) : SABIR_SESSION_REQUIRED;
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&b.turns, *place);
	if (!turn_owner_is_live(lane->seg, lane->actor.owner))
		error = SABIR_SESSION_REQUIRED;
	else
		error = turn ? look_again(&b, turn, last, &mine) : come(&b, place, last, &mine);
	if (error != SABIR_WOULD_BLOCK)
		*place = 0;
	error = end(&b, error);
	if (!error)
		*index = mine;
	return error;
}

enum sabir_error barrier_give_up(struct lane *lane, uint64_t handle, uint64_t place)
{
	struct barrier b;
	enum sabir_error error = begin(lane, handle, &b);
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&b.turns, place);
	return end(&b, turn ? end_turn(&b, turn) : SABIR_OK);
}

enum sabir_error barrier_abort(struct lane *lane, uint64_t handle)
{
	struct barrier b;
	enum sabir_error error = begin(lane, handle, &b);
	if (error)
		return error;
	break_it(&b);
	return end(&b, SABIR_OK);
}

enum sabir_error barrier_reset(struct lane *lane, uint64_t handle)
{
	struct barrier b;
	enum sabir_error error = begin(lane, handle, &b);
	if (error)
		return error;
	journal_store32(lane, &b.body->broken, 0);
	decide(&b, SEG_TURN_BROKEN);
	return end(&b, SABIR_OK);
}

enum sabir_error barrier_look(struct lane *lane, uint64_t handle, struct barrier_state *state)
{
	struct barrier b;
	enum sabir_error error = begin(lane, handle, &b);
	if (error)
		return error;
	*state = (struct barrier_state){
		.cycle = load64_relaxed(&b.body->cycle),
		.parties = load32_relaxed(&b.body->parties),
		.n_waiting = load32_relaxed(&b.body->turns.n_waiting),
		.broken = load32_relaxed(&b.body->broken) != 0,
	};
	return end(&b, SABIR_OK);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	if (spec->length < 1 || spec->length > UINT32_MAX)
		return SABIR_OUT_OF_RANGE;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_barrier), 0, 0, &block);
	if (error)
		return error;
	struct seg_barrier *b = (struct seg_barrier *)block;
	b->parties = (uint32_t)spec->length;
	*body = block;
	return SABIR_OK;
}

static void destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct seg_barrier *body = object_body(lane->seg, object, sizeof(*body));
	struct turns turns = { lane, object, index, body ? &body->turns : NULL, NULL, 0 };
	if (body && block_is_of(&body->block, index))
		turns_destroy(&turns);
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	uint32_t ref = load32_relaxed(&object->body);
	const struct seg_barrier *b = segment_at(lane->seg, ref, sizeof(*b));
	(void)index;
	info->memory_bytes = block_size(lane->seg, ref);
	if (!b)
		return;
	info->length = load32_relaxed(&b->turns.n_waiting);
	info->max_items = load32_relaxed(&b->parties);
}

static enum sabir_error end_turns(struct lane *by, uint64_t handle, const struct turns_whose *whose)
{
	struct barrier b;
	struct seg_turn *turn;
	enum sabir_error error = begin(by, handle, &b);
	if (error)
		return error;
	while (!error && (turn = turns_of(&b.turns, whose)) != NULL) {
		error = end_turn(&b, turn);
		if (error)
			break;
		commit(&b);
		settle(&b);
	}
	return end(&b, error);
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
	const struct seg_barrier *b = object_body(seg, object, sizeof(*b));
	uint32_t index = (uint32_t)(object - seg->objects);
	return !b || load32_relaxed(&b->ending) || turn_peek(seg, index, memory) != SEG_TURN_WAITING;
}

static bool any_ready(const struct segment *seg, const struct seg_object *object)
{
	const struct seg_barrier *b = object_body(seg, object, sizeof(*b));
	return !b || load32_relaxed(&b->ending) || turns_any_called(&b->turns);
}

const struct object_kind barrier_kind = { .create = create,
					  .destroy = destroy,
					  .describe = describe,
					  .owner_gone = owner_gone,
					  .waits_gone = waits_gone,
					  .line = offsetof(struct seg_barrier, turns),
					  .ready = ready,
					  .any_ready = any_ready };
