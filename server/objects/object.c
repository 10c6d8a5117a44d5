/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of objects: making and using them. object_delete.c has their end.
 *
 *   FREE ──CAS──► FORMING(lane) ──► LIVE ──CAS──► DYING ──CAS──► SWEEPING(lane) ──► FREE
 *
 * A claim raises the generation, so a handle is good for one life of its entry. LIVE is stored when the object is complete;
 * a named one is found from the moment when the directory maps its name to its handle. The directory may for a moment map a
 * name to an object that is not LIVE: that counts as absent.
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

/* object_body; one that was found large enough is not measured again as long as it is the same block. */
static void *entered_body(struct lane *lane, const struct seg_object *o, size_t size)
{
	struct lane_body *last = &lane->body;
	uint32_t ref = load32_acquire(&o->body);
	struct seg_block *body = segment_at(lane->seg, ref, size);
	uint64_t word = body ? load64_acquire(&body->word) : 0;
	if (!body || !block_word_is_of(word, (uint32_t)(o - lane->seg->objects)))
		return NULL;
	if (ref == last->ref && word == last->word && size <= last->size)
		return body;
	*last = (struct lane_body){ word, block_size(lane->seg, ref), ref };
	return size <= last->size ? body : NULL;
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
		error = object_why_absent(word, handle);
	else if (kind && load32_relaxed(&o->kind) != kind)
		error = SABIR_WRONG_KIND;
	else if (load64_relaxed(&o->damaged))
		error = SABIR_DATA_LOSS;
	void *at = NULL;
	if (!error) {
		at = entered_body(lane, o, body_size);
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

bool object_is_hidden(const struct segment *seg, uint64_t handle)
{
	if (object_index(handle) >= seg->n_objects)
		return false;
	const struct seg_object *o = &seg->objects[object_index(handle)];
	/* As its kind; of another than the handle's nobody is told anything else. */
	return load32_relaxed(&o->flags) & SEG_OBJECT_HIDDEN && load64_acquire(&o->word) >> 32 == handle >> 32;
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
	o->flags = spec->hidden ? SEG_OBJECT_HIDDEN : 0;
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
			object_unbuild(lane, index);
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
