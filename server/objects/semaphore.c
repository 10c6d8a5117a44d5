/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared semaphore.
 *
 * Every step is a few stores under the object's lock with the lane's journal. An owned semaphore has a list of entries,
 * one for each owner that holds units; an entry without units is used for the next owner, so the list is never longer
 * than there were holders at one time. In the same step in which a unit leaves `value` it is in its owner's entry: so a
 * holder's death costs none. A release of several owners' units is one step for each of them.
 *
 * Who has to wait stands in a line (turns.h). While the first of it came less than TURN_FAIR_NS ago a release wakes everybody, and
 * who is quick takes; who loses sleeps on. From then on units are handed over: the step that takes one from `value` calls the
 * first in the line. Should he die, or give up, before he comes for it, it goes back.
 */
#include "server/objects/semaphore.h"

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/turns.h"

struct semaphore {
	struct lane *lane;
	struct seg_object *object;
	struct seg_semaphore *body;
	struct turns turns;
	uint32_t index;
	uint32_t called; /* bits of those who are to be told that they have one */
	bool owned;
	bool given;       /* everybody is to be told that there are some */
	uint64_t n_taken; /* for who watches: how many were taken, and given */
	uint64_t n_given;
};

/* With the object's lock. */
static enum sabir_error begin(struct lane *lane, uint64_t handle, struct semaphore *s)
{
	enum sabir_error error = object_enter(lane, SEG_OP_SYNC, handle, SEG_KIND_SEMAPHORE, sizeof(*s->body),
					      &s->object, &s->body);
	if (error)
		return error;
	s->lane = lane;
	s->n_taken = s->n_given = 0;
	s->index = object_index(handle);
	s->called = 0;
	s->given = false;
	s->turns = (struct turns){ lane, s->object, s->index, &s->body->turns, NULL, 0 };
	error = lock_acquire(lane, &s->object->lock);
	if (error)
		object_leave(lane);
	else
		s->owned = load32_relaxed(&s->body->flags) & SEG_SEMAPHORE_OWNED;
	return error;
}

/* Publishes what was journaled. */
static void commit(struct semaphore *s)
{
	FAULT("semaphore.written");
	journal_commit(s->lane);
	FAULT("semaphore.committed");
	turns_done(&s->turns);
	record32(&s->lane->shared->hand[0], 0);
}

static enum sabir_error end(struct semaphore *s, enum sabir_error error)
{
	if (error == SABIR_DATA_LOSS)
		journal_undo(s->lane);
	if (s->n_given)
		change_note(s->lane, s->index, CHANGE_RELEASED, 0, s->n_given);
	if (s->n_taken)
		change_note(s->lane, s->index, CHANGE_ACQUIRED, 0, s->n_taken);
	lock_release(s->lane, &s->object->lock);
	FAULT("semaphore.unlocked");
	if (s->called)
		event_call(s->lane->seg, s->index, SEG_EVENT_ITEMS, s->called);
	if (s->given)
		event_notify(s->lane->seg, s->index, SEG_EVENT_ITEMS, INT32_MAX);
	FAULT("semaphore.told");
	object_leave(s->lane);
	return error;
}

/* ---------------------------------------------------------------- who holds units */

/* The entry at `ref`, NULL behind the last; *n counts them against a damaged list. */
static struct seg_units *units_at(const struct semaphore *s, uint32_t ref, uint32_t *n)
{
	struct seg_units *u = segment_at(s->lane->seg, ref, sizeof(*u));
	if (!ref)
		return NULL;
	if (u && ++*n <= s->lane->seg->n_owners + 1 && block_is_of(&u->block, s->index))
		return u;
	(void)object_damaged(s->object);
	return NULL;
}

/* The first entry that has units and is the owner's, or with owner 0 anybody's; `unused`, or NULL: one without units. */
static struct seg_units *find_units(const struct semaphore *s, uint64_t owner, struct seg_units **unused)
{
	struct seg_units *u;
	uint32_t n = 0;
	for (uint32_t ref = load32_relaxed(&s->body->units); (u = units_at(s, ref, &n)) != NULL;
	     ref = load32_relaxed(&u->block.next)) {
		bool used = load64_relaxed(&u->n) != 0;
		if (used && (!owner || load64_relaxed(&u->owner) == owner))
			return u;
		if (!used && unused)
			*unused = u;
	}
	return NULL;
}

/* A new entry, which is part of the list when the journal is committed; in hand[0] until then. */
static enum sabir_error add_units(struct semaphore *s, uint64_t owner)
{
	struct seg_block *block;
	enum sabir_error error = block_alloc_zeroed(s->lane, sizeof(struct seg_units), 0, 0, &block);
	if (error)
		return error;
	struct seg_units *u = (struct seg_units *)block;
	block->next = load32_relaxed(&s->body->units);
	u->owner = owner;
	u->n = 1;
	journal_store64(s->lane, &block->word,
			block_word(SEG_BLOCK_LIVE, 0, s->index, block_tag(load64_relaxed(&block->word))));
	journal_store32(s->lane, &s->body->units, segment_ref(s->lane->seg, block));
	return SABIR_OK;
}

static enum sabir_error note_unit(struct semaphore *s, uint64_t owner)
{
	struct seg_units *unused = NULL, *mine = find_units(s, owner, &unused);
	if (load64_relaxed(&s->object->damaged))
		return SABIR_DATA_LOSS;
	if (!mine && !unused)
		return add_units(s, owner);
	if (mine) {
		journal_store64(s->lane, &mine->n, load64_relaxed(&mine->n) + 1);
		return SABIR_OK;
	}
	journal_store64(s->lane, &unused->owner, owner);
	journal_store64(s->lane, &unused->n, 1);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- taking */

/* A unit leaves `value` and is the owner's. */
static enum sabir_error take_unit(struct semaphore *s, uint64_t owner)
{
	enum sabir_error error = s->owned ? note_unit(s, owner) : SABIR_OK;
	if (error)
		return error;
	journal_store64(s->lane, &s->body->value, load64_relaxed(&s->body->value) - 1);
	s->n_taken++;
	return SABIR_OK;
}

/*
 * Hands over what is there to those who have waited too long, a step for each; `but` comes by himself. The first who waits
 * behind them, or NULL.
 */
static struct seg_turn *serve_line(struct semaphore *s, const struct seg_turn *but)
{
	struct seg_turn *first;
	while ((first = turns_first(&s->turns)) && first != but && load64_relaxed(&s->body->value) &&
	       turn_is_due(first)) {
		if (take_unit(s, load64_relaxed(&first->owner)))
			break;
		s->called |= turns_call(&s->turns, first, SEG_TURN_CALLED);
		commit(s);
	}
	return first;
}

static enum sabir_error try_take(struct semaphore *s, const struct seg_turn *turn)
{
	if (s->owned && !turn_owner_is_live(s->lane->seg, s->lane->actor.owner))
		return SABIR_SESSION_REQUIRED;
	if (turn && load32_relaxed(&turn->state) == SEG_TURN_CALLED)
		return SABIR_OK;
	(void)serve_line(s, turn);
	return load64_relaxed(&s->body->value) ? take_unit(s, s->lane->actor.owner) : SABIR_WOULD_BLOCK;
}

/* Whoever has been called and goes without it gives it back. */
static enum sabir_error end_turn(struct semaphore *s, struct seg_turn *turn)
{
	bool called = load32_relaxed(&turn->state) == SEG_TURN_CALLED;
	struct seg_units *u = called && s->owned ? find_units(s, load64_relaxed(&turn->owner), NULL) : NULL;
	enum sabir_error error = turns_leave(&s->turns, turn);
	if (error)
		return error;
	if (u)
		journal_store64(s->lane, &u->n, load64_relaxed(&u->n) - 1);
	/* Of an owned one somebody may have released his for him. */
	if (called && (u || !s->owned)) {
		journal_store64(s->lane, &s->body->value, load64_relaxed(&s->body->value) + 1);
		s->n_given++;
	}
	commit(s);
	(void)serve_line(s, NULL);
	s->given |= load64_relaxed(&s->body->value) != 0;
	return SABIR_OK;
}

static enum sabir_error join(struct semaphore *s, uint64_t *place)
{
	struct seg_turn *turn;
	enum sabir_error error = turns_join(&s->turns, clock_now(), &turn);
	if (error)
		return error == SABIR_DATA_LOSS ? error : SABIR_WOULD_BLOCK;
	*place = turns_place(&s->turns, turn);
	commit(s);
	return SABIR_WOULD_BLOCK;
}

/* As in mutex.c. */
static enum sabir_error take_or_wait(struct semaphore *s, uint64_t *place, bool last)
{
	struct seg_turn *turn = turns_find(&s->turns, *place);
	enum sabir_error error = try_take(s, turn);
	if (error == SABIR_WOULD_BLOCK && !last)
		return turn ? error : join(s, place);
	*place = 0;
	if (error && turn) {
		enum sabir_error left = error == SABIR_DATA_LOSS ? error : end_turn(s, turn);
		return left ? left : error;
	}
	if (!error && turn)
		error = turns_leave(&s->turns, turn);
	if (!error)
		commit(s);
	return error;
}

enum sabir_error semaphore_take_in_turn(struct lane *lane, uint64_t handle, uint64_t *place, bool last)
{
	struct semaphore s;
	enum sabir_error error = begin(lane, handle, &s);
	return error ? error : end(&s, take_or_wait(&s, place, last));
}

enum sabir_error semaphore_take(struct lane *lane, uint64_t handle)
{
	uint64_t place = 0;
	return semaphore_take_in_turn(lane, handle, &place, true);
}

enum sabir_error semaphore_give_up(struct lane *lane, uint64_t handle, uint64_t place)
{
	struct semaphore s;
	enum sabir_error error = begin(lane, handle, &s);
	if (error)
		return error;
	struct seg_turn *turn = turns_find(&s.turns, place);
	return end(&s, turn ? end_turn(&s, turn) : SABIR_OK);
}

/* ---------------------------------------------------------------- giving */

/* One step: up to n units, of one owner if they are owned. Returns how many. */
static uint64_t give_some(struct semaphore *s, uint64_t n)
{
	uint64_t value = load64_relaxed(&s->body->value);
	struct seg_units *u = NULL;
	if (s->owned) {
		u = find_units(s, s->lane->actor.owner, NULL);
		u = u ? u : find_units(s, 0, NULL);
	}
	uint64_t held = u ? load64_relaxed(&u->n) : 0;
	if (held) { /* it is not 0, unless somebody has written over it since it was found */
		n = held < n ? held : n;
		journal_store64(s->lane, &u->n, held - n);
	}
	journal_store64(s->lane, &s->body->value, value + n);
	s->n_given += n;
	commit(s);
	return n;
}

static enum sabir_error try_give(struct semaphore *s, uint64_t n)
{
	uint64_t value = load64_relaxed(&s->body->value);
	bool bounded = load32_relaxed(&s->body->flags) & SEG_SEMAPHORE_BOUNDED;
	uint64_t max = bounded ? load64_relaxed(&s->body->initial) : SEMAPHORE_MAX;
	if (s->owned && !turn_owner_is_live(s->lane->seg, s->lane->actor.owner))
		return SABIR_SESSION_REQUIRED;
	if (value > max || n > max - value)
		return SABIR_OUT_OF_RANGE;
	/* A step for each owner who has some, of whom there are no more than entries. */
	for (uint32_t i = 0; n && i <= s->lane->seg->n_owners + 1; i++)
		n -= give_some(s, n);
	if (n)
		return object_damaged(s->object);
	(void)serve_line(s, NULL);
	s->given = load64_relaxed(&s->body->value) != 0;
	return SABIR_OK;
}

enum sabir_error semaphore_give(struct lane *lane, uint64_t handle, uint64_t n)
{
	struct semaphore s;
	enum sabir_error error = n ? begin(lane, handle, &s) : SABIR_INVALID_ARGUMENT;
	if (error)
		return error;
	return end(&s, try_give(&s, n));
}

enum sabir_error semaphore_look(struct lane *lane, uint64_t handle, struct semaphore_state *state)
{
	struct semaphore s;
	enum sabir_error error = begin(lane, handle, &s);
	if (error)
		return error;
	struct seg_units *mine = s.owned && lane->actor.owner ? find_units(&s, lane->actor.owner, NULL) : NULL;
	*state = (struct semaphore_state){ load64_relaxed(&s.body->value), mine ? load64_relaxed(&mine->n) : 0 };
	return end(&s, SABIR_OK);
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	if (spec->flags & ~(SEG_SEMAPHORE_BOUNDED | SEG_SEMAPHORE_OWNED))
		return SABIR_INVALID_ARGUMENT;
	if (spec->length > SEMAPHORE_MAX)
		return SABIR_OUT_OF_RANGE;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_semaphore), 0, 0, &block);
	if (error)
		return error;
	struct seg_semaphore *s = (struct seg_semaphore *)block;
	s->flags = spec->flags & SEG_SEMAPHORE_BOUNDED ? SEG_SEMAPHORE_BOUNDED | SEG_SEMAPHORE_OWNED : spec->flags;
	s->initial = s->value = spec->length;
	*body = block;
	return SABIR_OK;
}

static void destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct seg_semaphore *body = object_body(lane->seg, object, sizeof(*body));
	struct semaphore s = { .lane = lane, .object = object, .body = body, .index = index };
	struct seg_units *u;
	uint32_t ref, n = 0;
	if (!body || !block_is_of(&body->block, index))
		return;
	s.turns = (struct turns){ lane, object, index, &body->turns, NULL, 0 };
	turns_destroy(&s.turns);
	while ((u = units_at(&s, ref = load32_relaxed(&body->units), &n)) != NULL) {
		record32(&lane->shared->hand[0], ref);
		journal_store64(lane, &u->block.word,
				block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(load64_relaxed(&u->block.word))));
		journal_store32(lane, &body->units, load32_relaxed(&u->block.next));
		journal_commit(lane);
		FAULT("semaphore.dropped");
		block_free(lane, &u->block);
	}
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	uint32_t ref = load32_relaxed(&object->body);
	const struct seg_semaphore *s = segment_at(lane->seg, ref, sizeof(*s));
	(void)index;
	info->memory_bytes = block_size(lane->seg, ref);
	if (!s)
		return;
	info->length = load64_relaxed(&s->value);
	info->max_items = load64_relaxed(&s->initial);
	info->flags = load32_relaxed(&s->flags);
}

static enum sabir_error end_turns(struct semaphore *s, const struct turns_whose *whose)
{
	struct seg_turn *turn;
	enum sabir_error error = SABIR_OK;
	while (!error && (turn = turns_of(&s->turns, whose)) != NULL)
		error = end_turn(s, turn);
	return error;
}

static enum sabir_error waits_gone(struct lane *by, uint64_t handle, uint32_t before)
{
	struct semaphore s;
	enum sabir_error error = begin(by, handle, &s);
	return error ? error : end(&s, end_turns(&s, &(struct turns_whose){ .sessions = true, .before = before }));
}

static enum sabir_error owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	struct semaphore s;
	enum sabir_error error = begin(by, handle, &s);
	if (error)
		return error;
	error = end_turns(&s, &(struct turns_whose){ .owner = owner });
	struct seg_units *u = s.owned && !error ? find_units(&s, owner, NULL) : NULL;
	if (u) {
		uint64_t n = load64_relaxed(&u->n);
		journal_store64(by, &s.body->value, load64_relaxed(&s.body->value) + n);
		journal_store64(by, &u->n, 0);
		s.n_given += n;
		commit(&s);
		(void)serve_line(&s, NULL);
		s.given = true;
	}
	return end(&s, error);
}

static bool ready(const struct segment *seg, const struct seg_object *object, uint64_t memory)
{
	const struct seg_semaphore *s = object_body(seg, object, sizeof(*s));
	uint32_t index = (uint32_t)(object - seg->objects);
	return !s || load64_seq(&s->value) || turn_peek(seg, index, memory) != SEG_TURN_WAITING;
}

static bool any_ready(const struct segment *seg, const struct seg_object *object)
{
	const struct seg_semaphore *b = object_body(seg, object, sizeof(*b));
	return !b || load64_seq(&b->value) || turns_any_called(&b->turns);
}

const struct object_kind semaphore_kind = { .create = create,
					    .destroy = destroy,
					    .describe = describe,
					    .owner_gone = owner_gone,
					    .waits_gone = waits_gone,
					    .line = offsetof(struct seg_semaphore, turns),
					    .ready = ready,
					    .any_ready = any_ready };
