/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector: it follows references from what lives by itself, and ends what it does not get to. It counts nothing, so
 * putting and taking references costs others next to nothing, and objects that refer to each other in a ring go too.
 *
 * A look has a number, the cycle. Roots are the objects with a name or an owner to end with, and those that somebody
 * holds. From each it goes to its parts, its whole, and what its Values refer to. Others work meanwhile; what they can
 * hide from it they mark: whoever makes or opens an object, or puts a reference to it into a container, stores the
 * cycle's number in the object's `seen` before anybody can find what he does (refs.h).
 *
 *   cycle + 1 ──► all operations that began before are over ──► roots ──► follow ──► follow what is marked, until a
 *   search for marks finds nothing new ──► what was not met is in doubt; in doubt for the linger ──► deleted
 *
 * Why nothing is deleted to which a container refers, or which somebody holds, from its first moment to its last. Take
 * the beginning E of the last search for marks, and an object to which a chain of references led at E from a root.
 *
 *   1. A link that was made in this cycle: its maker read the cycle's number behind our store of it, or his operation
 *      was over before we began to follow (then it is a link of case 2). So the mark was there before the link, the
 *      search found it, and nothing was new to it: the object was met and followed.
 *   2. A link that was made before: it stood from the beginning of our walk until E, so the scan of the container shows
 *      it (object_kind.scan), if the container was met. What a kind moves within or between containers passes refs_enter.
 *   3. The first link begins at a root. It was one when we looked for roots, or it was made, opened or held since: marked.
 *
 * By induction all of the chain was met. So an object that was not met had no chain at E. It is deleted only if it has not
 * been met since a look that ended at least the linger earlier: in all that time it was neither held nor opened nor put
 * anywhere, nor was anything that leads to it (that would have been met, and it from there). Whoever still knows it has
 * taken the reference out of its last container longer ago than the linger, and has not opened it.
 *
 * A clock that is wrong makes the linger longer or shorter; who never lets go of references on their way (puts them into
 * one container before he takes them out of another) does not depend on it. Who has died within an operation holds the
 * look up until he is recovered, and one that is stopped there until he goes on. A container that counts as damaged refers to
 * nothing: it answers everybody that it is, for good, so nobody gets a reference out of it any more, and who did in time has the
 * linger. One that can't be read otherwise might refer to anything: as long as it can be reached nothing is deleted. What the
 * collector knows is its process's own; if that dies the next one begins anew, with the linger at its full length.
 */
#include "server/objects/collect.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/object_word.h"
#include "server/objects/refs.h"

#define MOST_ROUNDS 1000u /* of the search for marks; somebody makes objects faster than it goes */
#define WAIT_STEP (CLOCK_MILLISECOND / 2)
#define WAIT_MOST (2 * CLOCK_SECOND) /* for operations that began before the look */

/* An object that was not met, and since when. */
struct doubt {
	uint64_t handle;
	uint64_t since_ns;
};

struct collector {
	struct segment *seg;
	uint64_t linger_ns;
	uint64_t cycle;
	uint64_t *met; /* bits, by index */
	uint32_t *todo;
	uint32_t n_todo;
	struct doubt *doubts; /* by index */
	bool doubts_any;
	const uint32_t *stop;
};

struct collector *collector_new(struct segment *seg, uint64_t linger_ns)
{
	struct collector *c = calloc(1, sizeof(*c));
	uint32_t n = seg->n_objects;
	if (!c)
		return NULL;
	c->seg = seg;
	c->linger_ns = linger_ns;
	c->met = calloc(n / 64 + 1, sizeof(*c->met));
	c->todo = malloc((size_t)n * sizeof(*c->todo));
	c->doubts = calloc(n, sizeof(*c->doubts));
	if (c->met && c->todo && c->doubts)
		return c;
	collector_free(c);
	return NULL;
}

void collector_free(struct collector *c)
{
	if (!c)
		return;
	free(c->met);
	free(c->todo);
	free(c->doubts);
	free(c);
}

static bool is_stopped(const struct collector *c)
{
	return load32_acquire(c->stop) != 0;
}

/* The handle of a live object, 0: there is none at the index. */
static uint64_t live_at(const struct segment *seg, uint32_t index)
{
	uint64_t word = load64_seq(&seg->objects[index].word);
	return object_state(word) == SEG_OBJECT_LIVE ? index | (word & 0xffffffff00000000ull) : 0;
}

/* ---------------------------------------------------------------- following */

static bool is_met(const struct collector *c, uint32_t index)
{
	return c->met[index / 64] >> (index % 64) & 1;
}

static void meet(struct collector *c, uint32_t index)
{
	if (is_met(c, index))
		return;
	c->met[index / 64] |= 1ull << (index % 64);
	c->todo[c->n_todo++] = index; /* each once in a look: there is room */
}

static void meet_handle(void *context, uint64_t handle)
{
	struct collector *c = context;
	uint32_t index = object_index(handle);
	/* A handle whose object is no more refers to nothing, whatever is at its index now. */
	if (index && index < c->seg->n_objects && live_at(c->seg, index) == handle)
		meet(c, index);
}

static const uint64_t *part_link(const struct segment *seg, const struct object_kind *kind, struct seg_object *o,
				 uint32_t n)
{
	return kind->part ? kind->part(seg, o, n) : NULL;
}

/*
 * What is part of it, and what it is part of. Where its body is damaged it has no parts that anybody could get at, and one
 * that an operation has called damaged has them still: so this is no operation on the object.
 */
static void follow_parts(struct collector *c, struct lane *lane, uint64_t handle, const struct object_kind *kind)
{
	struct seg_object *o = &c->seg->objects[object_index(handle)];
	const uint64_t *link;
	meet_handle(c, load64_relaxed(&o->part_of));
	lane_begin(lane, SEG_OP_READ, 0);
	for (uint32_t n = 0; live_at(c->seg, object_index(handle)) == handle && (link = part_link(c->seg, kind, o, n));
	     n++)
		meet_handle(c, load64_acquire(link));
	lane_end(lane);
}

static enum sabir_error follow(struct collector *c, struct lane *lane, uint64_t handle)
{
	const struct seg_object *o = &c->seg->objects[object_index(handle)];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	enum sabir_error error = SABIR_OK;
	if (kind && (kind->part || load64_relaxed(&o->part_of)))
		follow_parts(c, lane, handle, kind);
	if (kind && kind->scan && (load32_acquire(&o->refs) & SEG_OBJECT_REFERS))
		error = kind->scan(lane, handle, meet_handle, c);
	FAULT("collect.followed");
	if (error == SABIR_DATA_LOSS && load64_acquire(&o->damaged))
		return SABIR_OK;
	return error == SABIR_DELETED || error == SABIR_NOT_FOUND ? SABIR_OK : error;
}

static enum sabir_error follow_all(struct collector *c, struct lane *lane, struct collect_result *result)
{
	enum sabir_error error = SABIR_OK;
	while (!error && c->n_todo) {
		uint64_t handle = live_at(c->seg, c->todo[--c->n_todo]);
		if (handle)
			error = follow(c, lane, handle);
		if (error == SABIR_DATA_LOSS)
			result->damaged = handle;
		if (is_stopped(c))
			error = SABIR_CANCELLED;
	}
	return error;
}

/* ---------------------------------------------------------------- a look */

static bool is_held(struct lane *lane, uint32_t index)
{
	struct seg_object *o = &lane->seg->objects[index];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	lane_begin(lane, SEG_OP_READ, 0);
	bool held = hold_count(lane->seg, o) || (kind && kind->held && kind->held(lane, index, o));
	lane_end(lane);
	return held;
}

/* Objects that references and holds decide about: whether there are any, and how many of them nobody holds. */
static bool count_objects(struct collector *c, struct lane *lane, uint32_t *n_unheld)
{
	bool any = false;
	*n_unheld = 0;
	for (uint32_t i = 1; i < c->seg->n_objects; i++) {
		if (!live_at(c->seg, i) || !refs_decide(&c->seg->objects[i]))
			continue;
		any = true;
		*n_unheld += !is_held(lane, i);
	}
	return any;
}

/* Operations that may have read the number of the cycle before are over. Errors: BUSY, CANCELLED. */
static enum sabir_error begin_cycle(struct collector *c)
{
	struct segment *seg = c->seg;
	uint64_t until_ns = clock_deadline(WAIT_MOST);
	c->cycle = load64_relaxed(&seg->header->cycle) + 1;
	/* Pairs with the load in refs_mark, behind which comes what it marks for. */
	store64_seq(&seg->header->cycle, c->cycle);
	FAULT("collect.begun");
	uint64_t epoch = epoch_retire(seg);
	while (epoch_oldest(seg) <= epoch) {
		const struct timespec step = { 0, WAIT_STEP };
		if (is_stopped(c))
			return SABIR_CANCELLED;
		if (clock_now() > until_ns)
			return SABIR_BUSY;
		nanosleep(&step, NULL);
	}
	return SABIR_OK;
}

static enum sabir_error follow_roots(struct collector *c, struct lane *lane, struct collect_result *result)
{
	memset(c->met, 0, (c->seg->n_objects / 64 + 1) * sizeof(*c->met));
	c->n_todo = 0;
	for (uint32_t i = 1; i < c->seg->n_objects; i++) {
		const struct seg_object *o = &c->seg->objects[i];
		if (!live_at(c->seg, i))
			continue;
		/* A part lives with its whole, or by being held itself. */
		if (load32_relaxed(&o->name) || load64_relaxed(&o->owner) || is_held(lane, i))
			meet(c, i);
	}
	return follow_all(c, lane, result);
}

static enum sabir_error follow_marks(struct collector *c, struct lane *lane, struct collect_result *result)
{
	for (uint32_t round = 0; round < MOST_ROUNDS; round++) {
		bool found = false;
		for (uint32_t i = 1; i < c->seg->n_objects; i++) {
			if (is_met(c, i) || !live_at(c->seg, i) || load64_seq(&c->seg->objects[i].seen) < c->cycle)
				continue;
			found = true;
			meet(c, i);
		}
		if (!found)
			return SABIR_OK;
		enum sabir_error error = follow_all(c, lane, result);
		if (error)
			return error;
	}
	return SABIR_BUSY;
}

/* Where a look has failed nothing is known about what happened meanwhile. */
static void forget_doubts(struct collector *c)
{
	if (c->doubts_any)
		memset(c->doubts, 0, c->seg->n_objects * sizeof(*c->doubts));
	c->doubts_any = false;
}

static void decide(struct collector *c, struct lane *lane, uint32_t index, uint64_t now_ns, uint32_t *n_deleted)
{
	struct doubt *doubt = &c->doubts[index];
	uint64_t handle = live_at(c->seg, index);
	if (!handle || is_met(c, index) || !refs_decide(&c->seg->objects[index])) {
		doubt->handle = 0;
		return;
	}
	c->doubts_any = true;
	if (doubt->handle != handle) {
		*doubt = (struct doubt){ handle, now_ns };
		return;
	}
	/* Who opens it only now is late; but if it is seen, why not. */
	if (now_ns - doubt->since_ns < c->linger_ns || load64_seq(&c->seg->objects[index].seen) >= c->cycle)
		return;
	FAULT("collect.deleting");
	*n_deleted += object_delete(lane, handle) == SABIR_OK;
	doubt->handle = 0;
}

enum sabir_error collect_run(struct collector *c, struct lane *lane, const uint32_t *stop,
			     struct collect_result *result)
{
	*result = (struct collect_result){ 0 };
	c->stop = stop;
	/* Whoever makes one behind this look says so again. */
	(void)exchange32(&c->seg->header->collect_wanted, 0);
	result->idle = !count_objects(c, lane, &result->n_unheld);
	if (!result->idle)
		store32_seq(&c->seg->header->collect_wanted, 1);
	if (!result->n_unheld) {
		forget_doubts(c);
		return SABIR_OK;
	}
	enum sabir_error error = begin_cycle(c);
	if (!error)
		error = follow_roots(c, lane, result);
	if (!error)
		error = follow_marks(c, lane, result);
	if (error) {
		forget_doubts(c);
		return error;
	}
	uint64_t now_ns = clock_now();
	c->doubts_any = false;
	for (uint32_t i = 1; i < c->seg->n_objects; i++)
		decide(c, lane, i, now_ns, &result->n_deleted);
	return SABIR_OK;
}
