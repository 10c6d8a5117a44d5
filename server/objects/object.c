/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of objects: making, using and deleting them.
 *
 *   FREE ──CAS──► FORMING(lane) ──► LIVE ──CAS──► DYING ──CAS──► SWEEPING(lane) ──► FREE
 *                                                   ▲──something is kept──┘
 *
 * A claim raises the generation, so a handle is good for one life of its entry. LIVE is stored when the object is complete;
 * a named one is found from the moment when the directory maps its name to its handle. Deleting is the step to DYING: every
 * operation that begins later answers DELETED. Those that began before may go on using the memory, so it is given back by
 * a sweep once their epoch has passed, but for what somebody keeps beyond his operations (object_kind.keeps): that goes when he
 * lets go of it and has the entry swept again, or is found to be dead. The directory may for a moment map a name to an object that is not LIVE: that counts
 * as absent.
 */
#include "server/objects/object.h"

#include <string.h>
#include <time.h>

#include "server/base/fault.h"
#include "server/objects/object_names.h"
#include "server/objects/object_word.h"
#include "server/objects/refs.h"

const struct object_kind *object_kind_of(uint32_t kind)
{
	switch (kind) {
	case SEG_KIND_QUEUE:
		return &queue_kind;
	case SEG_KIND_VALUE:
		return &value_kind;
	case SEG_KIND_ARRAY:
		return &array_kind;
	case SEG_KIND_DICT:
		return &dict_kind;
	case SEG_KIND_LIST:
		return &list_kind;
	case SEG_KIND_SHARED_LIST:
		return &shared_list_kind;
	case SEG_KIND_NAMESPACE:
		return &namespace_kind;
	case SEG_KIND_PIPE:
		return &pipe_kind;
	case SEG_KIND_BLOCK:
		return &memory_kind;
	case SEG_KIND_LOCK:
	case SEG_KIND_RLOCK:
		return &mutex_kind;
	case SEG_KIND_SEMAPHORE:
		return &semaphore_kind;
	case SEG_KIND_CONDITION:
		return &condition_kind;
	case SEG_KIND_EVENT:
		return &signal_kind;
	case SEG_KIND_BARRIER:
		return &barrier_kind;
	case SEG_KIND_TASK_QUEUE:
		return &task_queue_kind;
	default:
		return NULL;
	}
}

/* ---------------------------------------------------------------- operations on an object */

/* Why a handle can't be used, when its entry is not LIVE in its generation. */
static enum sabir_error why_absent(uint64_t word, uint64_t handle)
{
	uint32_t now = (uint32_t)(word >> 32), wanted = (uint32_t)(handle >> 32);
	if (wanted == 0 || wanted > now)
		return SABIR_NOT_FOUND;
	return wanted == now && object_state(word) == SEG_OBJECT_FORMING ? SABIR_NOT_FOUND : SABIR_DELETED;
}

enum sabir_error object_enter(struct lane *lane, uint32_t op, uint64_t handle, uint32_t kind, size_t body_size,
			      struct seg_object **object, void *body)
{
	struct segment *seg = lane->seg;
	uint32_t index = object_index(handle);
	if (index >= seg->n_objects || (index == 0 && !lane->directory))
		return SABIR_NOT_FOUND;

	struct seg_object *o = &seg->objects[index];
	record64(&lane->shared->handle, handle);
	lane_begin(lane, op, index);
	uint64_t word = load64_seq(&o->word);
	enum sabir_error error = SABIR_OK;
	if (word != ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE))
		error = why_absent(word, handle);
	else if (kind && load32_relaxed(&o->kind) != kind)
		error = SABIR_WRONG_KIND;
	else if (load64_relaxed(&o->damaged))
		error = SABIR_DATA_LOSS;
	void *at = NULL;
	if (!error) {
		at = segment_at(seg, load32_relaxed(&o->body), body_size);
		if (!at)
			error = object_damaged(o);
	}
	if (error) {
		lane_end(lane);
		return error;
	}
	*object = o;
	*(void **)body = at;
	return SABIR_OK;
}

bool object_is_other(const struct segment *seg, uint64_t handle, uint32_t kind)
{
	if (object_index(handle) >= seg->n_objects)
		return false;
	const struct seg_object *o = &seg->objects[object_index(handle)];
	uint32_t found = load32_relaxed(&o->kind);
	/* Pairs with the store of LIVE, in front of which the kind is stored. Who had the handle saw that before. */
	fence_acquire();
	return load64_acquire(&o->word) == ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE) && found != kind;
}

void object_leave(struct lane *lane)
{
	lane_end(lane);
}

enum sabir_error object_damaged(struct seg_object *object)
{
	store64_relaxed(&object->damaged, 1);
	return SABIR_DATA_LOSS;
}

/* The object and its kind, if there is one that can tell; NULL: whoever waits is to look himself. */
static const struct object_kind *kind_to_ask(const struct segment *seg, uint64_t handle,
					     const struct seg_object **object)
{
	uint32_t index = object_index(handle);
	if (index >= seg->n_objects)
		return NULL;
	const struct seg_object *o = *object = &seg->objects[index];
	uint64_t word = load64_seq(&o->word);
	if (word != ((handle & 0xffffffff00000000ull) | SEG_OBJECT_LIVE) || load64_relaxed(&o->damaged))
		return NULL;
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	return load64_seq(&o->word) == word ? kind : NULL;
}

bool object_ready(const struct segment *seg, uint64_t handle, uint64_t memory)
{
	const struct seg_object *o;
	const struct object_kind *kind = memory ? kind_to_ask(seg, handle, &o) : NULL;
	return !kind || !kind->ready || kind->ready(seg, o, memory) || !kind_to_ask(seg, handle, &o);
}

bool object_any_ready(const struct segment *seg, uint64_t handle)
{
	const struct seg_object *o;
	const struct object_kind *kind = kind_to_ask(seg, handle, &o);
	return !kind || !kind->any_ready || kind->any_ready(seg, o) || !kind_to_ask(seg, handle, &o);
}

/* ---------------------------------------------------------------- making */

/*
 * The first life of an entry begins at a number that is random for each segment, so that a handle which a client kept across a
 * restart with new memory leads nowhere.
 */
static uint32_t next_generation(const struct segment *seg, uint64_t word)
{
	uint32_t last = (uint32_t)(word >> 32);
	uint32_t next = (last ? last : (uint32_t)(seg->instance >> 34)) + 1;
	return next ? next : 1;
}

/* Claims an entry; the lane's `naming` holds its handle from before the claim. */
static enum sabir_error claim_entry(struct lane *lane, uint32_t *index, uint64_t *handle)
{
	struct segment *seg = lane->seg;
	uint32_t start = load32_relaxed(&seg->header->object_hint);
	for (uint32_t n = 0; n < seg->n_objects; n++) {
		uint32_t i = (start + n) % seg->n_objects;
		uint64_t word = load64_acquire(&seg->objects[i].word);
		if (i == 0 || object_state(word) != SEG_OBJECT_FREE)
			continue;
		uint32_t generation = next_generation(seg, word);
		uint64_t made = i | (uint64_t)generation << 32;
		store64_relaxed(&lane->shared->naming, made);
		fence_compiler();
		if (!cas64(&seg->objects[i].word, &word, object_word(SEG_OBJECT_FORMING, lane->id, generation)))
			continue;
		store32_relaxed(&seg->header->object_hint, i + 1);
		FAULT("object_create.claimed");
		*index = i;
		*handle = made;
		return SABIR_OK;
	}
	return SABIR_TOO_MANY_OWNERS;
}

static void fill_entry(struct lane *lane, struct seg_object *o, const struct object_spec *spec, bool bind, bool named)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	store32_relaxed(&o->kind, spec->kind); /* who has an old handle may look at it; see object_is_other */
	o->flags = 0;
	o->name = 0;
	o->body = 0;
	o->owner = bind ? lane->actor.owner : 0;
	o->create_time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	o->retire_epoch = 0;
	o->damaged = 0;
	o->part_of = spec->part_of;
	o->refs = 0;
	o->holders = 0;
	store64_relaxed(&o->held, bind || named || spec->part_of ? 0 : hold_first(lane->actor.owner));
	store64_relaxed(&o->seen, 0);
	refs_mark(lane->seg, o);
	store64_relaxed(&o->expire_ns, object_ttl_end(spec->ttl_ns));
	store64_relaxed(&o->lock, 0);
	store64_relaxed(&o->changes, 0);
	/* The events' sequence numbers go on: somebody may still be on his way out of a wait for the last life. */
	for (uint32_t side = 0; side < SEG_N_EVENTS; side++)
		store32_relaxed(&o->event[side].waiting, 0);
}

static enum sabir_error store_name(struct lane *lane, uint32_t index, struct span name)
{
	struct seg_block *block;
	if (!name.len)
		return SABIR_OK;
	/* 255 whatever the length is, so that names_of never reads beyond a block. */
	enum sabir_error error = block_alloc(lane, sizeof(*block) + 255, 1, &block);
	if (error)
		return error;
	memcpy(block + 1, name.data, name.len);
	block->len = (uint32_t)name.len;
	store32_release(&lane->seg->objects[index].name, segment_ref(lane->seg, block));
	FAULT("object_create.name_linked");
	block_publish(block, index);
	record32(&lane->shared->hand[1], 0);
	return SABIR_OK;
}

static enum sabir_error build(struct lane *lane, uint32_t index, struct span name, const struct object_spec *spec,
			      bool bind)
{
	struct seg_object *o = &lane->seg->objects[index];
	struct seg_block *body;
	fill_entry(lane, o, spec, bind, name.len != 0);
	enum sabir_error error = object_kind_of(spec->kind)->create(lane, index, spec, &body);
	if (error)
		return error;
	FAULT("object_create.body_made");
	store32_release(&o->body, segment_ref(lane->seg, body));
	FAULT("object_create.body_linked");
	block_publish(body, index);
	record32(&lane->shared->hand[0], 0);
	return store_name(lane, index, name);
}

/* A sweep that died may have freed the body already, and somebody uses its memory for something else. */
static bool has_body(const struct segment *seg, uint32_t index)
{
	const struct seg_block *body = segment_at(seg, load32_relaxed(&seg->objects[index].body), sizeof(*body));
	return body && block_word_is_of(load64_acquire(&body->word), index);
}

static void unbuild(struct lane *lane, uint32_t index)
{
	struct seg_object *o = &lane->seg->objects[index];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	bool whole = kind && has_body(lane->seg, index);
	if (whole && kind->destroy)
		kind->destroy(lane, index, o);
	FAULT("object_sweep.destroyed");
	if (whole && kind->keeps && kind->keeps(lane->seg, o)) {
		store64_seq(&o->word, object_word(SEG_OBJECT_DYING, 0, (uint32_t)(load64_relaxed(&o->word) >> 32)));
		FAULT("object_sweep.kept");
		return;
	}
	hold_destroy(lane, index);
	object_free_block(lane, index, load32_relaxed(&o->body));
	object_free_block(lane, index, load32_relaxed(&o->name));
	object_free_block(lane, index, (uint32_t)load64_relaxed(&o->changes));
	FAULT("object_sweep.freed");
	/* The next life may end before it has a body of its own. */
	store32_relaxed(&o->body, 0);
	store32_relaxed(&o->name, 0);
	store64_relaxed(&o->changes, 0);
	store64_release(&o->word, object_word(SEG_OBJECT_FREE, 0, (uint32_t)(load64_relaxed(&o->word) >> 32)));
}

static enum sabir_error make(struct lane *lane, struct span name, const struct object_spec *spec, bool bind,
			     uint64_t *handle)
{
	uint32_t index;
	uint64_t made;
	lane_begin(lane, SEG_OP_CREATE, 0);
	enum sabir_error error = claim_entry(lane, &index, &made);
	if (!error) {
		store32_relaxed(&lane->shared->object, index);
		error = build(lane, index, name, spec, bind);
		if (error) {
			unbuild(lane, index);
		} else {
			FAULT("object_create.built");
			lane_publishes(lane);
			store64_release(&lane->seg->objects[index].word,
					object_word(SEG_OBJECT_LIVE, 0, (uint32_t)(made >> 32)));
			*handle = made;
		}
	}
	lane_end(lane);
	FAULT("object_create.live");
	if (!error && spec->ttl_ns)
		object_ttl_announce(lane->seg, index);
	if (!error && !name.len && !bind && !spec->part_of)
		refs_announce(lane->seg);
	return error;
}

static enum sabir_error check_spec(const struct segment *seg, const struct object_spec *spec)
{
	if (!object_kind_of(spec->kind))
		return SABIR_INVALID_ARGUMENT;
	return spec->max_item_bytes > seg->max_item_bytes ? SABIR_TOO_LARGE : SABIR_OK;
}

enum sabir_error object_make(struct lane *lane, const struct object_spec *spec, uint64_t *handle)
{
	struct span none = { NULL, 0 };
	enum sabir_error error = check_spec(lane->seg, spec);
	if (!error)
		error = make(lane, none, spec, false, handle);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = make(lane, none, spec, false, handle);
	if (error)
		store64_relaxed(&lane->shared->naming, 0);
	return error;
}

enum sabir_error object_create(struct lane *lane, struct span name, const struct object_spec *spec, bool bind,
			       uint64_t *handle)
{
	uint64_t made;
	enum sabir_error error = name.len ? object_name_check(name) : SABIR_OK;
	if (!error)
		error = check_spec(lane->seg, spec);
	if (!error && bind && !lane->actor.owner)
		error = SABIR_SESSION_REQUIRED;
	if (!error && name.len && object_open(lane, name, &made) == SABIR_OK) {
		*handle = made;
		return SABIR_ALREADY_EXISTS;
	}
	if (!error)
		error = make(lane, name, spec, bind, &made);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = make(lane, name, spec, bind, &made);
	if (!error && spec->fill) {
		error = spec->fill(lane, made, spec->fill_context);
		FAULT("object_create.filled");
		if (error)
			object_delete(lane, made);
	}
	if (!error && name.len) {
		uint64_t other = 0;
		error = names_take(lane, name, made, &other);
		FAULT("object_create.named");
		if (error)
			object_delete(lane, made);
		if (error == SABIR_ALREADY_EXISTS)
			*handle = other;
	}
	store64_relaxed(&lane->shared->naming, 0);
	if (!error)
		*handle = made;
	return error;
}

enum sabir_error object_init_directory(struct lane *lane)
{
	struct seg_object *o = &lane->seg->objects[0];
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	lane_begin(lane, SEG_OP_CREATE, 0);
	enum sabir_error error = build(lane, 0, (struct span){ NULL, 0 }, &spec, false);
	if (!error)
		store64_release(&o->word, object_word(SEG_OBJECT_LIVE, 0, 1));
	lane_end(lane);
	return error;
}

/* ---------------------------------------------------------------- deleting */

static bool sweep_index(struct lane *lane, uint32_t index, uint64_t oldest);

enum sabir_error object_delete(struct lane *lane, uint64_t handle)
{
	struct segment *seg = lane->seg;
	uint32_t index = object_index(handle);
	if (index == 0 || index >= seg->n_objects)
		return SABIR_NOT_FOUND;
	struct seg_object *o = &seg->objects[index];
	uint64_t generation = handle >> 32;
	uint64_t word = object_word(SEG_OBJECT_LIVE, 0, (uint32_t)generation);

	/* What this lane itself was making and did not get a name for is named already: if it dies here, that goes all the same. */
	if (load64_relaxed(&lane->shared->naming) != handle)
		store64_relaxed(&lane->shared->naming, handle | SEG_NAMING_DELETE);
	FAULT("object_delete.begun");
	lane_publishes(lane);
	if (!cas64(&o->word, &word, object_word(SEG_OBJECT_DYING, 0, (uint32_t)generation))) {
		store64_relaxed(&lane->shared->naming, 0);
		return why_absent(word, handle);
	}
	FAULT("object_delete.dying");
	/* A name that can't be taken off now is harmless: it leads to an object that is not LIVE. The sweep takes it off. */
	if (object_finish_delete(lane, handle) == SABIR_BUSY && !load64_relaxed(&o->retire_epoch)) {
		store64_release(&o->retire_epoch, epoch_retire(seg));
		store32_seq(&seg->header->sweep_wanted, 1);
	}
	store64_relaxed(&lane->shared->naming, 0);
	/* Mostly nobody is inside, and the memory can be had at once; a sweep of the whole table finds the others. */
	(void)sweep_index(lane, index, epoch_oldest(seg));
	return SABIR_OK;
}

enum sabir_error object_finish_delete(struct lane *lane, uint64_t handle)
{
	struct segment *seg = lane->seg;
	struct seg_object *o = &seg->objects[object_index(handle)];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;

	event_notify_all(seg, object_index(handle));
	if (kind && kind->ended)
		kind->ended(seg, object_index(handle), o);
	FAULT("object_delete.told");
	object_end_parts(lane, handle);
	if (names_of(seg, o, copy, &name) && names_drop(lane, name, handle) == SABIR_BUSY)
		return SABIR_BUSY;
	FAULT("object_delete.unnamed");
	if (!load64_relaxed(&o->retire_epoch))
		store64_release(&o->retire_epoch, epoch_retire(seg));
	FAULT("object_delete.retired");
	store32_seq(&seg->header->sweep_wanted, 1);
	return SABIR_OK;
}

enum sabir_error object_delete_unnamed(struct lane *lane, uint64_t handle)
{
	const struct segment *seg = lane->seg;
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;
	uint64_t named = 0;
	if (names_of(seg, &seg->objects[object_index(handle)], copy, &name) &&
	    object_open(lane, name, &named) == SABIR_OK && named == handle)
		return SABIR_OK;
	if (object_is_linked(lane, handle))
		return SABIR_OK;
	enum sabir_error error = object_delete(lane, handle);
	return error == SABIR_BUSY ? error : SABIR_OK;
}

void object_free_block(struct lane *lane, uint32_t index, uint32_t ref)
{
	struct seg_block *block = segment_at(lane->seg, ref, sizeof(*block));
	if (!block || !block_size(lane->seg, ref))
		return;
	uint64_t word = load64_acquire(&block->word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != index)
		return;
	record32(&lane->shared->hand[SEG_HAND_REFS - 1], ref);
	fence_compiler();
	block_retract(lane, block);
	FAULT("object_sweep.retracted");
	block_free(lane, block);
}

/* Whether no name leads to the object of this entry any more: a delete that met the directory's lock left its own. */
static bool is_unnamed(struct lane *lane, uint32_t index, uint64_t word)
{
	struct seg_object *o = &lane->seg->objects[index];
	uint64_t handle = index | (word & 0xffffffff00000000ull), found = 0;
	uint8_t copy[OBJECT_NAME_MAX];
	struct span name;
	lane_begin(lane, SEG_OP_READ, index);
	bool named = load64_seq(&o->word) == word && names_of(lane->seg, o, copy, &name);
	lane_end(lane);
	if (!named || names_find(lane, name, &found) || found != handle)
		return true;
	return names_drop(lane, name, handle) != SABIR_BUSY;
}

/*
 * Returns whether the entry is one that a later sweep has to look at again. One that another lane sweeps is: that lane may have
 * passed what is kept no more.
 */
static bool sweep_index(struct lane *lane, uint32_t index, uint64_t oldest)
{
	struct seg_object *o = &lane->seg->objects[index];
	uint64_t word = load64_acquire(&o->word);
	if (object_state(word) != SEG_OBJECT_DYING)
		return object_state(word) == SEG_OBJECT_SWEEPING;
	uint64_t epoch = load64_acquire(&o->retire_epoch);
	if (!epoch || epoch >= oldest || !is_unnamed(lane, index, word))
		return true;
	lane_begin(lane, SEG_OP_SWEEP, index);
	bool claimed = cas64(&o->word, &word, object_word(SEG_OBJECT_SWEEPING, lane->id, (uint32_t)(word >> 32)));
	if (claimed) {
		FAULT("object_sweep.claimed");
		unbuild(lane, index);
	}
	lane_end(lane);
	return !claimed;
}

enum sabir_error object_sweep_again(struct lane *lane, uint32_t index)
{
	struct segment *seg = lane->seg;
	if (!sweep_index(lane, index, epoch_oldest(seg)))
		return SABIR_OK;
	store32_seq(&seg->header->sweep_wanted, 1);
	return SABIR_BUSY;
}

enum sabir_error object_kept_gone(struct lane *by, uint32_t index, uint64_t owner)
{
	struct seg_object *o = &by->seg->objects[index];
	uint32_t state = object_state(load64_seq(&o->word));
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	bool gone = state == SEG_OBJECT_DYING || state == SEG_OBJECT_SWEEPING;
	if (!gone || !kind || !kind->keeps || !has_body(by->seg, index) || !kind->keeps(by->seg, o))
		return SABIR_OK;
	lane_begin(by, SEG_OP_READ, index);
	enum sabir_error error = lock_acquire(by, &o->lock);
	if (!error) {
		/* Who begins to sweep it now waits for the lock; who has begun may have seen the owner alive. */
		if (object_state(load64_seq(&o->word)) == SEG_OBJECT_DYING)
			kind->kept_gone(by, index, o, owner);
		else
			error = SABIR_BUSY;
		lock_release(by, &o->lock);
	}
	lane_end(by);
	FAULT("object_sweep.kept_gone");
	if (!error)
		(void)object_sweep_again(by, index);
	return error;
}

void object_sweep(struct lane *lane)
{
	struct segment *seg = lane->seg;
	bool left = false;
	if (!load32_relaxed(&seg->header->sweep_wanted) || !exchange32(&seg->header->sweep_wanted, 0))
		return;
	uint64_t oldest = epoch_oldest(seg);
	for (uint32_t i = 1; i < seg->n_objects; i++)
		left |= sweep_index(lane, i, oldest);
	if (left)
		store32_seq(&seg->header->sweep_wanted, 1);
}
