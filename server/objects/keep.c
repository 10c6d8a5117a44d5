/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping and restoring what is small: an object's entry and parts, and the states of the kinds that one takes turns at.
 *
 * A restore writes plain words into an object that nobody knows yet: whoever attaches later sees them by way of the
 * attachment.
 */
#include "server/objects/keep.h"

#include "server/base/fault.h"
#include "server/objects/mutex.h"
#include "server/objects/object_word.h"

/* ---------------------------------------------------------------- entries */

enum sabir_error keep_entry(struct lane *lane, uint64_t handle, struct kept_entry *kept)
{
	if (!object_index(handle) || object_index(handle) >= lane->seg->n_objects)
		return SABIR_NOT_FOUND;
	struct seg_object *o = &lane->seg->objects[object_index(handle)];
	kept->part_of = load64_relaxed(&o->part_of);
	enum sabir_error error = object_describe(lane, handle, &kept->info);
	if (!error && kept->info.ephemeral)
		error = SABIR_NOT_FOUND;
	return error;
}

enum sabir_error restore_create_time(struct lane *lane, uint64_t handle, uint64_t create_time_ns)
{
	struct seg_object *o;
	struct seg_block *body;
	enum sabir_error error = object_enter(lane, SEG_OP_ENTRY, handle, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	store64_relaxed(&o->create_time_ns, create_time_ns);
	object_leave(lane);
	return SABIR_OK;
}

bool keep_part(struct lane *lane, uint64_t handle, uint32_t n, uint64_t *part)
{
	struct seg_object *o;
	struct seg_block *body;
	if (object_enter(lane, SEG_OP_READ, handle, 0, sizeof(*body), &o, &body))
		return false;
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	const uint64_t *link = kind && kind->part ? kind->part(lane->seg, o, n) : NULL;
	if (link) {
		uint64_t found = load64_acquire(link);
		uint32_t index = object_index(found);
		/* A damaged word may lead to what is none of its parts. */
		bool own = index < lane->seg->n_objects && load64_relaxed(&lane->seg->objects[index].part_of) == handle;
		*part = own ? found : 0;
	}
	object_leave(lane);
	return link != NULL;
}

/* ---------------------------------------------------------------- bodies */

struct view {
	struct lane *lane;
	struct seg_object *object;
	struct seg_block *body;
	bool locked;
};

/* An operation on an object of the kind (0 = any), with its lock if something is to be read. */
static enum sabir_error begin(struct lane *lane, uint64_t handle, uint32_t kind, size_t size, bool lock, struct view *v)
{
	*v = (struct view){ .lane = lane, .locked = lock };
	enum sabir_error error = object_enter(lane, SEG_OP_READ, handle, kind, size, &v->object, &v->body);
	if (error)
		return error;
	uint64_t word = load64_acquire(&v->body->word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != object_index(handle))
		error = object_damaged(v->object);
	if (!error && lock)
		error = lock_acquire(lane, &v->object->lock);
	if (error)
		object_leave(lane);
	return error;
}

static void end(struct view *v)
{
	if (v->locked)
		lock_release(v->lane, &v->object->lock);
	object_leave(v->lane);
}

static enum sabir_error begin_lock(struct lane *lane, uint64_t handle, bool lock, struct view *v, struct seg_mutex **m)
{
	enum sabir_error error = begin(lane, handle, mutex_kind_of(lane->seg, handle), sizeof(**m), lock, v);
	*m = (struct seg_mutex *)v->body;
	return error;
}

enum sabir_error keep_lock(struct lane *lane, uint64_t handle, struct kept_lock *kept)
{
	struct view v;
	struct seg_mutex *m;
	enum sabir_error error = begin_lock(lane, handle, true, &v, &m);
	if (error)
		return error;
	kept->token = load64_relaxed(&m->token);
	kept->abandoned = load64_relaxed(&m->owner) ? SEG_LOCK_ABANDONED : load32_relaxed(&m->abandoned);
	end(&v);
	return SABIR_OK;
}

enum sabir_error restore_lock(struct lane *lane, uint64_t handle, const struct kept_lock *kept)
{
	struct view v;
	struct seg_mutex *m;
	enum sabir_error error = begin_lock(lane, handle, false, &v, &m);
	if (error)
		return error;
	store64_relaxed(&m->token, kept->token);
	store32_relaxed(&m->abandoned, kept->abandoned <= SEG_LOCK_FORGIVEN ? kept->abandoned : SEG_LOCK_ABANDONED);
	end(&v);
	return SABIR_OK;
}

/* What holders have of an owned semaphore. */
static enum sabir_error add_units(const struct view *v, const struct seg_semaphore *s, uint64_t *value)
{
	uint32_t ref = load32_relaxed(&s->units), n = 0;
	while (ref) {
		const struct seg_units *u = segment_at(v->lane->seg, ref, sizeof(*u));
		if (!u || ++n > v->lane->seg->n_owners + 1)
			return object_damaged(v->object);
		*value += load64_relaxed(&u->n);
		ref = load32_relaxed(&u->block.next);
	}
	return SABIR_OK;
}

enum sabir_error keep_semaphore(struct lane *lane, uint64_t handle, uint64_t *value)
{
	struct view v;
	enum sabir_error error = begin(lane, handle, SEG_KIND_SEMAPHORE, sizeof(struct seg_semaphore), true, &v);
	if (error)
		return error;
	const struct seg_semaphore *s = (const struct seg_semaphore *)v.body;
	*value = load64_relaxed(&s->value);
	if (load32_relaxed(&s->flags) & SEG_SEMAPHORE_OWNED)
		error = add_units(&v, s, value);
	else /* what those were called for who did not come for it yet */
		*value += load32_relaxed(&s->turns.n) - load32_relaxed(&s->turns.n_waiting);
	end(&v);
	return error;
}

enum sabir_error restore_semaphore(struct lane *lane, uint64_t handle, uint64_t value)
{
	struct view v;
	enum sabir_error error = begin(lane, handle, SEG_KIND_SEMAPHORE, sizeof(struct seg_semaphore), false, &v);
	if (error)
		return error;
	store64_relaxed(&((struct seg_semaphore *)v.body)->value, value);
	end(&v);
	return SABIR_OK;
}

enum sabir_error keep_barrier(struct lane *lane, uint64_t handle, struct kept_barrier *kept)
{
	struct view v;
	enum sabir_error error = begin(lane, handle, SEG_KIND_BARRIER, sizeof(struct seg_barrier), true, &v);
	if (error)
		return error;
	const struct seg_barrier *b = (const struct seg_barrier *)v.body;
	kept->cycle = load64_relaxed(&b->cycle);
	/* Those whose end is decided have been told it, or will be. */
	kept->broken = load32_relaxed(&b->broken) ||
		       (load32_relaxed(&b->turns.n_waiting) && !load32_relaxed(&b->ending));
	end(&v);
	return SABIR_OK;
}

enum sabir_error restore_barrier(struct lane *lane, uint64_t handle, const struct kept_barrier *kept)
{
	struct view v;
	enum sabir_error error = begin(lane, handle, SEG_KIND_BARRIER, sizeof(struct seg_barrier), false, &v);
	if (error)
		return error;
	store64_relaxed(&((struct seg_barrier *)v.body)->cycle, kept->cycle);
	store32_relaxed(&((struct seg_barrier *)v.body)->broken, kept->broken);
	end(&v);
	return SABIR_OK;
}

enum sabir_error keep_pipe(struct lane *lane, uint64_t handle, uint32_t *closed)
{
	struct view v;
	enum sabir_error error = begin(lane, handle, SEG_KIND_PIPE, sizeof(struct seg_pipe), false, &v);
	if (error)
		return error;
	*closed = load16_acquire(&((struct seg_pipe *)v.body)->closed);
	end(&v);
	return SABIR_OK;
}

enum sabir_error restore_pipe(struct lane *lane, uint64_t handle, uint32_t closed)
{
	struct view v;
	enum sabir_error error = begin(lane, handle, SEG_KIND_PIPE, sizeof(struct seg_pipe), false, &v);
	if (error)
		return error;
	struct seg_pipe *p = (struct seg_pipe *)v.body;
	uint16_t bits = closed & 3;
	/* The queues are not told: they have been kept as they were after that. */
	store16_relaxed(&p->opened, bits);
	store16_relaxed(&p->told, bits);
	store16_relaxed(&p->closed, bits);
	end(&v);
	return SABIR_OK;
}
