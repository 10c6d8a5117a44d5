/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring a snapshot.
 *
 *   check: every frame ──► make: all objects, empty, names in their order ──► fill: each object's content, references
 *   translated ──► the bounds, tokens and states that would have been in the way
 *
 * A condition may be made over the lock of an object that stands behind it; so what can't be made yet is tried again after
 * the others, as long as that leads to something.
 */
#include "server/snapshot/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/snapshot/snapshot.h"
#include "server/base/clock.h"
#include "server/snapshot/load_parts.h"

#define PROGRESS_EVERY CLOCK_SECOND
#define JUMP_SHIFT 4 /* a token for every 16 ns: no lock is taken so often */
#define JUMP_LEAST (1ull << 32)

/* ---------------------------------------------------------------- checking */

/* What a frame is to be, by the one in front of it. */
static enum sabir_error check_frame(struct reader *r, const struct frame *f, uint32_t before,
				    struct load_result *result)
{
	struct record_begin begin;
	struct record_object object;
	struct record_content content;
	bool first = f->number == 0, is_begin = f->type == SNAPSHOT_BEGIN;
	if (first != is_begin || f->type < SNAPSHOT_BEGIN || f->type > SNAPSHOT_END)
		return reader_damaged(r, "a frame of another type than is due");
	switch (f->type) {
	case SNAPSHOT_BEGIN:
		if (!record_get_begin(f->message, &begin))
			return reader_damaged(r, "the first message makes no sense");
		result->time_unix_ns = begin.time_unix_ns;
		return SABIR_OK;
	case SNAPSHOT_OBJECT:
		if (!record_get_object(f->message, &object) || !object.id || object.name.len > OBJECT_NAME_MAX ||
		    object.dead_letter.len > SEG_TASK_DEAD_LETTER_MAX)
			return reader_damaged(r, "an object makes no sense");
		return SABIR_OK;
	case SNAPSHOT_CONTENT:
		if (before == SNAPSHOT_BEGIN || !record_get_content(f->message, &content))
			return reader_damaged(r, "the content of an object makes no sense");
		return SABIR_OK;
	default:
		return SABIR_OK;
	}
}

static enum sabir_error check_end(struct reader *r, const struct frame *f, uint64_t n_objects)
{
	struct record_end end;
	if (!record_get_end(f->message, &end) || end.objects != n_objects || end.frames != f->number)
		return reader_damaged(r, "the last message does not fit the others");
	return r->at == r->size ? SABIR_OK : reader_damaged(r, "something follows the last frame");
}

typedef enum sabir_error frame_fn(struct load *l, const struct frame *frame);

/* Goes through all frames; `visit`, if there is one, gets those of objects. */
static enum sabir_error read_all(struct reader *r, struct load_result *result, struct load *l, frame_fn *visit)
{
	uint32_t before = 0;
	uint64_t n_objects = 0;
	for (;;) {
		struct frame frame;
		enum sabir_error error = reader_next(r, &frame);
		if (!error)
			error = check_frame(r, &frame, before, result);
		if (error)
			return error;
		if (frame.type == SNAPSHOT_END)
			return check_end(r, &frame, n_objects);
		n_objects += frame.type == SNAPSHOT_OBJECT;
		if (frame.type == SNAPSHOT_OBJECT && visit)
			error = visit(l, &frame);
		if (error)
			return error;
		before = frame.type;
	}
}

enum sabir_error snapshot_check(struct reader *reader, struct load_result *result)
{
	*result = (struct load_result){ .n_bytes = reader->size };
	enum sabir_error error = read_all(reader, result, NULL, NULL);
	snprintf(result->detail, sizeof(result->detail), "%s", reader->detail);
	return error;
}

/* ---------------------------------------------------------------- the objects of the file */

static enum sabir_error add_object(struct load *l, const struct frame *frame)
{
	struct loaded made = { .content_at = l->reader->at, .content_number = l->reader->number };
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct loaded *more = realloc(l->objects, cap * sizeof(*more));
		if (!more)
			return SABIR_NO_MEMORY;
		l->objects = more;
		l->cap = cap;
	}
	(void)record_get_object(frame->message, &made.record); /* it was checked */
	struct span name = made.record.name, dead = made.record.dead_letter;
	made.texts = malloc(name.len + dead.len + 1);
	if (!made.texts)
		return SABIR_NO_MEMORY;
	if (name.len)
		memcpy(made.texts, name.data, name.len);
	if (dead.len)
		memcpy(made.texts + name.len, dead.data, dead.len);
	made.record.name.data = made.texts;
	made.record.dead_letter.data = made.texts + name.len;
	l->objects[l->n++] = made;
	return SABIR_OK;
}

struct key {
	uint64_t id;
	size_t at;
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

static enum sabir_error sort_ids(struct load *l)
{
	struct key *keys = malloc((l->n + 1) * sizeof(*keys));
	l->by_id = malloc((l->n + 1) * sizeof(*l->by_id));
	if (!keys || !l->by_id) {
		free(keys);
		return SABIR_NO_MEMORY;
	}
	for (size_t i = 0; i < l->n; i++)
		keys[i] = (struct key){ l->objects[i].record.id, i };
	qsort(keys, l->n, sizeof(*keys), compare_keys);
	bool twice = false;
	for (size_t i = 0; i < l->n; i++) {
		l->by_id[i] = keys[i].at;
		twice |= i && keys[i].id == keys[i - 1].id;
	}
	free(keys);
	return twice ? reader_damaged(l->reader, "an object comes twice") : SABIR_OK;
}

struct loaded *load_find(const struct load *l, uint64_t id)
{
	size_t low = 0, high = l->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct loaded *at = &l->objects[l->by_id[middle]];
		if (at->record.id == id)
			return at;
		if (at->record.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

uint64_t load_handle(void *context, uint64_t id)
{
	const struct load *l = context;
	const struct loaded *object = load_find(l, id);
	return object && object->handle ? object->handle : l->gone;
}

/* ---------------------------------------------------------------- what makes no sense */

enum sabir_error load_senseless(struct load *l, const char *what)
{
	snprintf(l->result->detail, sizeof(l->result->detail), "%s", what);
	return SABIR_INVALID_VALUE;
}

/* What an object answers that can't be as the file has it; neither the file nor this memory is to blame. */
static bool is_senseless(const struct load *l, enum sabir_error error)
{
	switch (error) {
	case SABIR_INVALID_ARGUMENT:
	case SABIR_INVALID_NAME:
	case SABIR_INVALID_VALUE:
	case SABIR_OUT_OF_RANGE:
	case SABIR_WRONG_KIND: /* over what is no lock */
	case SABIR_WRONG_TYPE:
		return true;
	case SABIR_DATA_LOSS:
		return !*l->reader->detail;
	default:
		return false;
	}
}

/* Its parts end with it: they are not there to be filled either. */
static void forget_parts(struct load *l, const struct loaded *whole)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->objects[i].record.part_of != whole->record.id)
			continue;
		l->objects[i].handle = 0;
		l->objects[i].left_out = true;
	}
}

/* Leaves it out, if it is the object that makes no sense. What the file refers to it leads nowhere then. */
static enum sabir_error leave_out(struct load *l, struct loaded *object, enum sabir_error error)
{
	struct load_result *result = l->result;
	const struct record_object *r = &object->record;
	if (!is_senseless(l, error))
		return error;
	if (!result->n_damaged++)
		snprintf(result->damaged, sizeof(result->damaged), "object '%.*s' of kind %u: %.200s", (int)r->name.len,
			 r->name.len ? (const char *)r->name.data : "", r->kind,
			 *result->detail ? result->detail : error_message(error));
	*result->detail = '\0';
	uint64_t handle = object->handle;
	object->handle = 0;
	object->left_out = true;
	forget_parts(l, object);
	return handle ? object_delete(l->lane, handle) : SABIR_OK;
}

/* Whether it is a condition that would be there if its lock were. */
static bool is_lockless(const struct load *l, const struct loaded *object)
{
	const struct record_object *r = &object->record;
	const struct loaded *lock = load_find(l, r->over);
	bool has_ended = r->expire_unix_ns && !times_left(&l->times, r->expire_unix_ns);
	return r->over && !object->left_out && !has_ended && (!lock || lock->left_out);
}

/* Those that were made too: a lock may turn out to make no sense when it is filled. */
static enum sabir_error leave_out_lockless(struct load *l)
{
	struct load_result *result = l->result;
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i < l->n; i++) {
		struct loaded *object = &l->objects[i];
		if (!is_lockless(l, object))
			continue;
		if (!result->n_lockless++)
			snprintf(result->lockless, sizeof(result->lockless), "%.*s", (int)object->record.name.len,
				 (const char *)object->record.name.data);
		if (!object->handle)
			continue;
		result->n_objects--;
		error = object_delete(l->lane, object->handle);
		object->handle = 0;
	}
	return error;
}

/* ---------------------------------------------------------------- making */

/* The handle of references that led nowhere: to use it is DELETED for ever. */
static enum sabir_error make_gone(struct load *l)
{
	const struct object_spec spec = { .kind = SEG_KIND_EVENT };
	enum sabir_error error = object_create(l->lane, (struct span){ NULL, 0 }, &spec, false, &l->gone);
	return error ? error : object_delete(l->lane, l->gone);
}

static int compare_orders(const void *a, const void *b)
{
	const struct loaded *x = *(struct loaded *const *)a, *y = *(struct loaded *const *)b;
	if (x->record.order != y->record.order)
		return x->record.order < y->record.order ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Tries all that are not there yet; *left of them are not to be had yet. */
static enum sabir_error make_some(struct load *l, struct loaded **in_order, size_t *left)
{
	size_t n = 0;
	for (size_t i = 0; i < *left; i++) {
		enum sabir_error error = load_make(l, in_order[i]);
		if (error == SABIR_NOT_FOUND)
			in_order[n++] = in_order[i];
		else if (error)
			error = leave_out(l, in_order[i], error);
		if (error && error != SABIR_NOT_FOUND)
			return error;
	}
	*left = n;
	return SABIR_OK;
}

/*
 * Those without a name first, the others in the order in which they got theirs; in front of these any that got one while the
 * snapshot was written: so of two of the same name the newer one has it.
 */
static enum sabir_error make_all(struct load *l)
{
	struct loaded **in_order = malloc((l->n + 1) * sizeof(struct loaded *));
	size_t left = l->n, before = left + 1;
	enum sabir_error error = in_order ? make_gone(l) : SABIR_NO_MEMORY;
	for (size_t i = 0; !error && i < l->n; i++)
		in_order[i] = &l->objects[i];
	if (!error)
		qsort(in_order, l->n, sizeof(struct loaded *), compare_orders);
	while (!error && left && left < before) {
		before = left;
		error = make_some(l, in_order, &left);
	}
	free(in_order);
	return error;
}

enum sabir_error load_content(struct load *l, struct record_content *content, bool *done)
{
	struct frame frame;
	enum sabir_error error = reader_next(l->reader, &frame);
	if (error)
		return error;
	*done = frame.type != SNAPSHOT_CONTENT;
	if (!*done && !record_get_content(frame.message, content))
		return reader_damaged(l->reader, "the content of an object makes no sense");
	return SABIR_OK;
}

static enum sabir_error fill_one(struct load *l, struct loaded *object)
{
	const struct record_object *r = &object->record;
	reader_seek(l->reader, object->content_at, object->content_number);
	enum sabir_error error = load_fill(l, object);
	if (is_senseless(l, error))
		return leave_out(l, object, error);
	if (error && !*l->reader->detail)
		snprintf(l->result->detail, sizeof(l->result->detail), "object '%.*s' (%llu): %s", (int)r->name.len,
			 r->name.data, (unsigned long long)r->id, error_message(error));
	l->result->n_objects += !error;
	return error;
}

static enum sabir_error fill_all(struct load *l)
{
	enum sabir_error error = SABIR_OK;
	uint64_t told_ns = clock_now();
	for (size_t i = 0; !error && i < l->n; i++) {
		if (l->objects[i].handle)
			error = fill_one(l, &l->objects[i]);
		if (l->options->progress && clock_now() - told_ns > PROGRESS_EVERY) {
			l->options->progress(l->options->context, l->result);
			told_ns = clock_now();
		}
	}
	return error;
}

/* ---------------------------------------------------------------- all of it */

static enum sabir_error run(struct load *l, bool *begun)
{
	enum sabir_error error = read_all(l->reader, l->result, l, add_object);
	if (!error)
		error = sort_ids(l);
	if (error)
		return error;
	uint64_t since_ns = l->times.wall > l->result->time_unix_ns ? l->times.wall - l->result->time_unix_ns : 0;
	l->jump = (since_ns >> JUMP_SHIFT) + JUMP_LEAST;
	*begun = true;
	error = make_all(l);
	if (!error)
		error = fill_all(l);
	return error ? error : leave_out_lockless(l);
}

enum sabir_error snapshot_load(const struct load_options *options, struct load_result *result, bool *begun)
{
	struct reader *reader = options->reader;
	*result = (struct load_result){ .n_bytes = reader->size };
	struct load l = {
		.options = options, .lane = options->lane, .reader = reader, .result = result, .times = times_now()
	};
	*begun = false;
	enum sabir_error error = run(&l, begun);
	if (error && *reader->detail)
		snprintf(result->detail, sizeof(result->detail), "%s", reader->detail);
	else if (error && !*result->detail)
		snprintf(result->detail, sizeof(result->detail), "%s", error_message(error));
	for (size_t i = 0; i < l.n; i++)
		free(l.objects[i].texts);
	free(l.objects);
	free(l.by_id);
	free(l.ordinals.of);
	return error;
}
