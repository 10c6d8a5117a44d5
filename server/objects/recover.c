/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: what a dead owner's lanes left half-done is undone or finished, what they held is given back, and whoever
 * waited for them is woken.
 *
 * For each lane, in this order: wake everybody where it slept (it may have been woken in place of another); undo the
 * journal; let the object's kind finish or undo the operation; release the object's lock; wake everybody on the object
 * (the lane may have died between its publishing store and its wake-up); finish a create or delete; free its blocks;
 * free the lane. When all lanes are done, what the owner itself holds, as the actor of its operations, is let go by the
 * objects' kinds. Every step can be done again, so a recovery that dies is followed by another one: first of the dead
 * recoverer, whose lane names the object that it worked on, so that a lock which it took is released, then of the lane
 * that it was repairing.
 *
 * Most of what the end of one owner costs are the walks of all lanes and objects, so owners that end together share them.
 */
#include <string.h>

#include "server/base/fault.h"
#include "server/objects/answers.h"
#include "server/objects/change.h"
#include "server/objects/object_word.h"
#include "server/objects/refs.h"

static void release_lock(struct seg_object *o, uint32_t dead_id)
{
	if (lock_held_by(&o->lock, dead_id))
		store64_seq(&o->lock, 0);
	FAULT("recover.lock_released");
	lock_wake_all(&o->lock);
}

static enum sabir_error repair_object(struct lane *by, struct seg_lane *dead, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	uint32_t index = load32_relaxed(&dead->object);
	uint32_t op = load32_relaxed(&dead->op);
	enum sabir_error error = SABIR_OK;
	if (index >= seg->n_objects)
		return error;
	struct seg_object *o = &seg->objects[index];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	uint32_t state = object_state(load64_acquire(&o->word));
	bool usable = state == SEG_OBJECT_LIVE || state == SEG_OBJECT_DYING;
	/* What a dead recoverer had begun is begun anew when its own dead lane is recovered; only the lock is left here. */
	bool works = op != SEG_OP_NONE && op != SEG_OP_CREATE && op != SEG_OP_SWEEP && op != SEG_OP_RECOVER &&
		     op != SEG_OP_WATCH && op != SEG_OP_HOLD && op != SEG_OP_SPARE;

	store32_relaxed(&by->shared->object, index);
	if (op == SEG_OP_HOLD)
		hold_recover(by, dead, dead_id, index);
	if (works && usable && kind && kind->recover && object_body(seg, o, sizeof(struct seg_block)))
		error = kind->recover(by, dead, dead_id, index, o);
	if (error)
		return error;
	if (op != SEG_OP_CREATE && op != SEG_OP_SWEEP && usable)
		change_recover(by, dead, dead_id, index);
	FAULT("recover.object_repaired");
	release_lock(o, dead_id);
	event_notify_all(seg, index);
	return SABIR_OK;
}

/*
 * Whether the object may be what the dead lane was making: of one without a name that has no whole its maker is the owner, or its first
 * holder. A server's lanes make objects for others; nobody else's is to be believed that a living object is his.
 */
static bool may_have_made(const struct segment *seg, const struct seg_lane *dead, const struct seg_object *o)
{
	uint32_t owner = (uint32_t)(load64_relaxed(&dead->word) >> 32);
	if (owner >= seg->n_owners)
		return false;
	uint64_t tag = (owner_word(seg, owner) & 0xffffffff00000000ull) | (owner + 1);
	return (load32_relaxed(&seg->owners[owner].flags) & SEG_OWNER_SERVER) || load32_relaxed(&o->name) ||
	       load64_relaxed(&o->part_of) || load64_relaxed(&o->owner) == tag ||
	       load64_relaxed(&o->held) == hold_first(tag);
}

/* A create that did not get as far as its name, a delete that did not get rid of it, a sweep half done. */
static enum sabir_error repair_naming(struct lane *by, struct seg_lane *dead, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	uint64_t naming = load64_relaxed(&dead->naming);
	uint64_t handle = naming & ~SEG_NAMING_DELETE;
	uint32_t index = object_index(handle);
	if (naming == 0 || index == 0 || index >= seg->n_objects)
		return SABIR_OK;
	struct seg_object *o = &seg->objects[index];
	uint64_t word = load64_acquire(&o->word);
	uint32_t generation = (uint32_t)(handle >> 32);
	if (word == object_word(SEG_OBJECT_FORMING, dead_id, generation)) {
		o->retire_epoch = epoch_retire(seg);
		store64_release(&o->word, object_word(SEG_OBJECT_DYING, 0, generation));
		store32_seq(&seg->header->sweep_wanted, 1);
	} else if (word == object_word(SEG_OBJECT_DYING, 0, generation)) {
		return object_finish_delete(by, handle);
	} else if (word == object_word(SEG_OBJECT_LIVE, 0, generation) && !(naming & SEG_NAMING_DELETE) &&
		   may_have_made(seg, dead, o)) {
		return object_delete_unnamed(by, handle);
	}
	return SABIR_OK;
}

static void repair_sweep(struct lane *by, struct seg_lane *dead, uint32_t dead_id)
{
	struct segment *seg = by->seg;
	uint32_t index = load32_relaxed(&dead->object);
	if (index == 0 || index >= seg->n_objects)
		return;
	uint64_t word = load64_acquire(&seg->objects[index].word);
	if (object_state(word) != SEG_OBJECT_SWEEPING || object_lane(word) != dead_id)
		return;
	store64_release(&seg->objects[index].word, object_word(SEG_OBJECT_DYING, 0, (uint32_t)(word >> 32)));
	store32_seq(&seg->header->sweep_wanted, 1);
}

/* A clean lane: a dead server's is its successor's, who can't be sure to get another one. */
static void give_back(struct lane *by, struct seg_lane *s)
{
	struct segment *seg = by->seg;
	uint64_t word = load64_relaxed(&s->word);
	uint32_t owner = (uint32_t)(word >> 32);
	const uint32_t server = SEG_OWNER_SERVER;
	if (owner < seg->n_owners && (load32_relaxed(&seg->owners[owner].flags) & server) &&
	    (load32_relaxed(&seg->owners[by->owner].flags) & server))
		lane_make_spare(by, s);
	else
		store64_release(&s->word, (word & 0xffff0000ull) | SEG_LANE_FREE);
}

/* It may have gone on with another object since: a pipe, which has no events, or a condition. */
static void wake_who_slept_beside(const struct segment *seg, const struct seg_lane *dead)
{
	uint32_t wait = load32_relaxed(&dead->wait_side), index = wait >> SEG_WAIT_OBJECT;
	if (wait && index < seg->n_objects)
		event_notify_all(seg, index);
}

enum sabir_error lane_recover(struct lane *by, uint32_t lane_id)
{
	struct segment *seg = by->seg;
	struct seg_lane *dead = &seg->lanes[lane_id - 1];
	struct lane view = { .seg = seg, .shared = dead, .id = lane_id };

	enum sabir_error error = asked_decide(by, dead, lane_id);
	if (error)
		return error;
	wake_who_slept_beside(seg, dead);
	lane_begin(by, SEG_OP_RECOVER, 0);
	journal_undo(&view);
	error = repair_object(by, dead, lane_id);
	if (!error) {
		repair_sweep(by, dead, lane_id);
		FAULT("recover.swept");
		store32_relaxed(&dead->op, SEG_OP_NONE);
	}
	lane_end(by);
	if (!error)
		error = repair_naming(by, dead, lane_id);
	if (error)
		return error;
	FAULT("recover.named");
	store64_relaxed(&dead->naming, 0);

	lane_begin(by, SEG_OP_READ, 0);
	arena_recover(by, dead, lane_id);
	lane_end(by);
	FAULT("recover.freed");
	store64_release(&dead->epoch, 0);
	error = asked_settle(by, dead);
	if (!error)
		give_back(by, dead);
	return error;
}

/* ---------------------------------------------------------------- owners */

/* One of those that end together. */
struct leaving {
	uint32_t owner;
	uint64_t tag;  /* as in seg_object.owner */
	uint64_t kept; /* the dict of a session's answers */
	enum sabir_error error;
};

struct all_leaving {
	struct leaving list[OWNERS_AT_ONCE];
	uint32_t n;
};

static struct leaving *leaving_of(struct all_leaving *all, uint32_t owner)
{
	for (uint32_t i = 0; i < all->n; i++)
		if (all->list[i].owner == owner)
			return &all->list[i];
	return NULL;
}

/* Those that have performed a request with an id, or the others. */
static void recover_lanes(struct lane *by, struct all_leaving *all, bool asked)
{
	struct segment *seg = by->seg;
	for (uint32_t i = 0; i < seg->n_lanes; i++) {
		uint64_t lane = load64_acquire(&seg->lanes[i].word);
		struct leaving *l = (lane & 15) == SEG_LANE_LIVE ? leaving_of(all, (uint32_t)(lane >> 32)) : NULL;
		if (!l || (load32_relaxed(&seg->lanes[i].asked_state) != SEG_ASKED_NOTHING) != asked)
			continue;
		/* One lane may wait for the lock of another: the second round finds it released. */
		enum sabir_error error = lane_recover(by, i + 1);
		l->error = error ? error : l->error;
	}
}

/*
 * The object ends if it is the owner's own; any other lets go of what he holds there. A session's answers stay, and so does the owner,
 * until what they hold is given back (server/ops/session_end.h).
 */
static enum sabir_error let_go_of(struct lane *by, uint32_t index, const struct leaving *l)
{
	struct seg_object *o = &by->seg->objects[index];
	uint64_t word = load64_acquire(&o->word);
	uint64_t handle = index | (word & 0xffffffff00000000ull);
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	bool live = object_state(word) == SEG_OBJECT_LIVE;
	enum sabir_error error = SABIR_OK;
	if (live && handle == l->kept)
		error = SABIR_BUSY;
	else if (live && load64_relaxed(&o->owner) == l->tag)
		object_delete(by, handle);
	else if (live && kind && kind->owner_gone && kind->owner_gone(by, handle, l->tag) == SABIR_BUSY)
		error = SABIR_BUSY;
	/* It may have been deleted just now, by somebody who still saw the owner alive. */
	if (object_kept_gone(by, index, l->tag) == SABIR_BUSY)
		error = SABIR_BUSY;
	return error;
}

/* Who is in the way of one is in the way of others: he is not waited for again. */
#define NO_PATIENCE 1

static void all_let_go_of(struct lane *by, uint32_t index, struct all_leaving *all)
{
	const uint64_t patience_ns = by->lock_patience_ns;
	for (struct leaving *l = all->list; l < all->list + all->n; l++) {
		if (!let_go_of(by, index, l))
			continue;
		l->error = SABIR_BUSY;
		by->lock_patience_ns = patience_ns ? NO_PATIENCE : 0;
	}
	by->lock_patience_ns = patience_ns;
}

static void let_go(struct lane *by, struct all_leaving *all)
{
	struct segment *seg = by->seg;
	/* Nobody who is dead can have anything of what is made from here on. */
	for (uint32_t i = 1; i < seg->n_objects; i++)
		if (object_state(load64_acquire(&seg->objects[i].word)) != SEG_OBJECT_FREE)
			all_let_go_of(by, i, all);
}

/* Those that are somebody are marked as dead: who looks from now on sees it of all of them. */
static void begin(struct segment *seg, const uint32_t *owners, uint32_t n, struct all_leaving *all)
{
	all->n = 0;
	for (uint32_t i = 0; i < n && i < OWNERS_AT_ONCE; i++) {
		uint64_t word = owners[i] < seg->n_owners ? owner_word(seg, owners[i]) : SEG_OWNER_FREE;
		if ((word & 15) == SEG_OWNER_FREE)
			continue;
		owner_dies(seg, owners[i]);
		all->list[all->n++] = (struct leaving){
			.owner = owners[i],
			.tag = (word & 0xffffffff00000000ull) | (owners[i] + 1),
		};
	}
}

/* Takes those out that can't be finished now. */
static void keep_ready(struct all_leaving *all, const uint32_t *owners, enum sabir_error *errors, uint32_t n)
{
	uint32_t left = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct leaving *l = leaving_of(all, owners[i]);
		errors[i] = l ? l->error : errors[i];
	}
	for (uint32_t i = 0; i < all->n; i++)
		if (!all->list[i].error)
			all->list[left++] = all->list[i];
	all->n = left;
}

void owners_recover(struct lane *by, const uint32_t *owners, enum sabir_error *errors, uint32_t n)
{
	struct segment *seg = by->seg;
	struct all_leaving all;
	memset(errors, 0, n * sizeof(*errors));
	begin(seg, owners, n, &all);
	if (!all.n)
		return;
	/* What became of a request is known when every answer that was being kept is there or not. */
	recover_lanes(by, &all, false);
	recover_lanes(by, &all, true);
	keep_ready(&all, owners, errors, n);
	if (!all.n)
		return;
	FAULT("recover.lanes_done");
	for (uint32_t i = 0; i < all.n; i++)
		all.list[i].kept = answers_kept(seg, all.list[i].owner);
	let_go(by, &all);
	object_sweep(by);
	keep_ready(&all, owners, errors, n);
	if (!all.n)
		return;
	object_ttl_look_again(seg);
	refs_announce(seg);
	for (uint32_t i = 0; i < all.n; i++)
		owner_close(seg, all.list[i].owner);
}

enum sabir_error owner_recover(struct lane *by, uint32_t owner)
{
	enum sabir_error error;
	owners_recover(by, &owner, &error, 1);
	return error;
}
