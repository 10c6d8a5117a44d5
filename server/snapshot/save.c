/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot: the names, what they lead to, what that refers to, and so on, each object once and in the order of the ranks.
 * Whatever an object's Values refer to is found as they are written.
 */
#include "server/snapshot/save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/snapshot/snapshot.h"
#include "server/base/clock.h"
#include "server/snapshot/save_parts.h"

#define NAMES_AT_ONCE 32u
#define PROGRESS_EVERY (CLOCK_SECOND)

/* ---------------------------------------------------------------- which objects */

static uint32_t rank_of(const struct object_info *info)
{
	switch (info->kind) {
	case SEG_KIND_TASK_QUEUE:
		return info->dead_letter_len ? 0 : 1;
	case SEG_KIND_QUEUE:
	case SEG_KIND_PIPE:
		return 1;
	case SEG_KIND_SEMAPHORE:
	case SEG_KIND_CONDITION:
	case SEG_KIND_EVENT:
	case SEG_KIND_BARRIER:
		return 3;
	case SEG_KIND_LOCK:
	case SEG_KIND_RLOCK:
		return 4;
	default:
		return 2;
	}
}

static void push(struct save *s, struct handles *list, uint64_t handle)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 256;
		uint64_t *more = realloc(list->at, cap * sizeof(*more));
		if (!more) {
			s->failed = true;
			return;
		}
		list->at = more;
		list->cap = cap;
	}
	list->at[list->n++] = handle;
}

static void want_entry(struct save *s, const struct object_info *info)
{
	uint32_t index = object_index(info->handle);
	if (s->seen[index] == info->handle)
		return;
	s->seen[index] = info->handle;
	push(s, &s->todo[rank_of(info)], info->handle);
}

/* A part comes with its whole. */
void save_want(struct save *s, uint64_t handle)
{
	uint32_t index = object_index(handle);
	struct kept_entry kept;
	if (!index || index >= s->lane->seg->n_objects || s->seen[index] == handle)
		return;
	enum sabir_error error = keep_entry(s->lane, handle, &kept);
	if (error == SABIR_DATA_LOSS) {
		s->seen[index] = handle;
		s->result->n_damaged++;
		s->result->damaged = handle;
	}
	if (!error && kept.part_of && kept.part_of != handle)
		error = keep_entry(s->lane, kept.part_of, &kept);
	if (!error)
		want_entry(s, &kept.info);
}

static void want_ref(void *context, uint64_t handle)
{
	save_want(context, handle);
}

static enum sabir_error want_names(struct save *s)
{
	struct object_info infos[NAMES_AT_ONCE];
	uint64_t cursor = 0, place = 0;
	do {
		uint32_t n;
		enum sabir_error error = object_list(s->lane, (struct span){ NULL, 0 }, 0, &cursor, infos,
						     NAMES_AT_ONCE, &n);
		if (error)
			return error;
		for (uint32_t i = 0; i < n; i++) {
			s->order[object_index(infos[i].handle)] = ++place;
			if (!infos[i].ephemeral)
				want_entry(s, &infos[i]);
		}
	} while (cursor);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- frames */

static enum sabir_error write_message(struct save *s, uint32_t type, struct message *m)
{
	struct span message = { m->data, m->len };
	enum sabir_error error = m->failed ? SABIR_NO_MEMORY : writer_frame(&s->writer, type, message);
	m->len = 0;
	s->result->n_bytes = s->writer.n_bytes + s->writer.n_buffered;
	return error;
}

static enum sabir_error flush(struct save *s)
{
	return s->content.len ? write_message(s, SNAPSHOT_CONTENT, &s->content) : SABIR_OK;
}

enum sabir_error save_object(struct save *s, const struct record_object *object)
{
	enum sabir_error error = flush(s);
	record_put_object(&s->object, object);
	s->result->n_objects++;
	return error ? error : write_message(s, SNAPSHOT_OBJECT, &s->object);
}

enum sabir_error save_entry(struct save *s, const struct record_entry *entry)
{
	value_refs(entry->key, want_ref, s);
	value_refs(entry->value, want_ref, s);
	record_put_entry(&s->content, entry);
	return s->content.len < SNAPSHOT_CONTENT_BYTES && !s->content.failed ? SABIR_OK : flush(s);
}

enum sabir_error save_raw(struct save *s, struct span raw, uint64_t offset)
{
	enum sabir_error error = SABIR_OK;
	for (size_t at = 0; !error && at < raw.len; at += SNAPSHOT_CONTENT_BYTES) {
		size_t left = raw.len - at, len = left < SNAPSHOT_CONTENT_BYTES ? left : SNAPSHOT_CONTENT_BYTES;
		record_put_raw(&s->content, (struct span){ raw.data + at, len }, offset + at);
		error = flush(s);
	}
	return error;
}

/* ---------------------------------------------------------------- objects */

static struct record_object record_of(const struct save *s, const struct kept_entry *kept, uint32_t part)
{
	const struct object_info *info = &kept->info;
	bool numbered = info->kind == SEG_KIND_SEMAPHORE || info->kind == SEG_KIND_BARRIER;
	return (struct record_object){
		.id = info->handle,
		.kind = info->kind,
		.name = { (const uint8_t *)info->name, info->name_len },
		.order = info->name_len ? s->order[object_index(info->handle)] : 0,
		.create_unix_ns = info->create_time_ns,
		.expire_unix_ns = info->ttl_ns ? times_in(&s->times, info->ttl_ns) : 0,
		.part_of = kept->part_of,
		.part = part,
		.type_code = info->type_code,
		.length = numbered                       ? info->max_items
			  : info->kind == SEG_KIND_ARRAY ? info->length
							 : 0,
		.max_items = numbered ? 0 : info->max_items,
		.max_item_bytes = info->max_item_bytes,
		.flags = info->flags,
		.over = info->over,
		.one_way = info->one_way,
		.discipline = info->task.discipline,
		.joinable = info->task.joinable,
		.max_attempts = info->task.max_attempts,
		.dedup_window_ns = info->task.dedup_window_ns,
		.item_ttl_ns = info->task.ttl_ns,
		.dead_letter = { (const uint8_t *)info->dead_letter, info->dead_letter_len },
	};
}

static bool is_stopped(const struct save *s)
{
	return s->options->stop && load32_acquire(s->options->stop);
}

static enum sabir_error save_one(struct save *s, uint64_t handle, uint32_t part)
{
	const struct timespec pause = { 0, 20 * CLOCK_MILLISECOND };
	uint64_t deadline = clock_deadline(SAVE_PATIENCE), n_objects = s->result->n_objects;
	for (;;) {
		struct kept_entry kept;
		s->times = times_now();
		enum sabir_error error = is_stopped(s) ? SABIR_CANCELLED : keep_entry(s->lane, handle, &kept);
		struct record_object object;
		if (!error) {
			object = record_of(s, &kept, part);
			error = save_kind(s, handle, &object);
		}
		if (error != SABIR_BUSY || s->result->n_objects != n_objects || clock_left(deadline) == 0)
			return error;
		nanosleep(&pause, NULL);
	}
}

/* What has ended meanwhile is not there any more; what is damaged can't be kept. */
static enum sabir_error result_of(struct save *s, uint64_t handle, enum sabir_error error)
{
	if (error == SABIR_NOT_FOUND || error == SABIR_DELETED || error == SABIR_WRONG_KIND)
		return SABIR_OK;
	if (error == SABIR_DATA_LOSS) {
		s->result->n_damaged++;
		s->result->damaged = handle;
		return SABIR_OK;
	}
	if (error && error != SABIR_CANCELLED && !*s->writer.detail)
		snprintf(s->result->detail, sizeof(s->result->detail), "object %llu: %s", (unsigned long long)handle,
			 error_message(error));
	return error;
}

static enum sabir_error save_whole(struct save *s, uint64_t handle)
{
	uint64_t part, n_objects = s->result->n_objects;
	enum sabir_error error = result_of(s, handle, save_one(s, handle, 0));
	/* Of one that is not there its parts are of no use. */
	bool written = s->result->n_objects > n_objects;
	for (uint32_t n = 0; !error && written && keep_part(s->lane, handle, n, &part); n++)
		if (part && s->seen[object_index(part)] != part) { /* two words that lead to one are damaged */
			s->seen[object_index(part)] = part;
			error = result_of(s, part, save_one(s, part, n));
		}
	return error;
}

/* The first of the lowest rank, 0: none is left. */
static uint64_t next_of(struct save *s)
{
	for (uint32_t rank = 0; rank < N_RANKS; rank++)
		if (s->todo[rank].next < s->todo[rank].n)
			return s->todo[rank].at[s->todo[rank].next++];
	return 0;
}

static enum sabir_error save_all(struct save *s)
{
	uint64_t handle, told_ns = clock_now();
	enum sabir_error error = want_names(s);
	while (!error && !s->failed && (handle = next_of(s)) != 0) {
		error = save_whole(s, handle);
		if (s->options->progress && clock_now() - told_ns > PROGRESS_EVERY) {
			s->options->progress(s->options->context, s->result);
			told_ns = clock_now();
		}
	}
	return !error && s->failed ? SABIR_NO_MEMORY : error;
}

/* ---------------------------------------------------------------- all of it */

static enum sabir_error begin(struct save *s)
{
	const struct record_begin record = { clock_wall(), { (const uint8_t *)SABIR_VERSION, strlen(SABIR_VERSION) } };
	enum sabir_error error = writer_open(&s->writer, s->options->folder_fd, s->options->number);
	record_put_begin(&s->object, &record);
	return error ? error : write_message(s, SNAPSHOT_BEGIN, &s->object);
}

static enum sabir_error finish(struct save *s)
{
	enum sabir_error error = flush(s);
	const struct record_end record = { s->result->n_objects, s->writer.n_frames };
	record_put_end(&s->object, &record);
	if (!error)
		error = write_message(s, SNAPSHOT_END, &s->object);
	return error ? error : writer_commit(&s->writer);
}

static enum sabir_error run(struct save *s)
{
	uint32_t n = s->lane->seg->n_objects;
	s->seen = calloc(n, sizeof(*s->seen));
	s->order = calloc(n, sizeof(*s->order));
	enum sabir_error error = s->seen && s->order ? begin(s) : SABIR_NO_MEMORY;
	if (!error)
		error = save_all(s);
	return error ? error : finish(s);
}

enum sabir_error snapshot_save(const struct save_options *options, struct save_result *result)
{
	*result = (struct save_result){ .number = options->number };
	struct save s = { .options = options, .lane = options->lane, .result = result, .writer = { .fd = -1 } };
	enum sabir_error error = run(&s);
	if (*s.writer.detail)
		snprintf(result->detail, sizeof(result->detail), "%s", s.writer.detail);
	else if (error && !*result->detail)
		snprintf(result->detail, sizeof(result->detail), "%s", error_message(error));
	writer_close(&s.writer);
	message_fini(&s.object);
	message_fini(&s.content);
	for (uint32_t rank = 0; rank < N_RANKS; rank++)
		free(s.todo[rank].at);
	free(s.seen);
	free(s.order);
	return error;
}
