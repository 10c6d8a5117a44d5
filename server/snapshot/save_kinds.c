/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving one object of each kind: it is read into this process's memory, as of one moment, and then written, so that nobody
 * waits for a disk.
 */
#include <string.h>

#include "server/objects/array.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/memory.h"
#include "server/objects/signal.h"
#include "server/objects/value.h"
#include "server/snapshot/save_parts.h"

#define ARRAY_BYTES (1u << 30) /* at one moment */
#define BLOCK_BYTES (1u << 20)

/* ---------------------------------------------------------------- what has items */

static enum sabir_error put_values(struct save *s, const struct bytes *items)
{
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i < items->n_items; i++) {
		const struct record_entry entry = { .value = bytes_item(items, i) };
		error = save_entry(s, &entry);
	}
	return error;
}

static enum sabir_error save_queue(struct save *s, uint64_t handle, struct record_object *object)
{
	struct kept_queue kept;
	enum sabir_error error = keep_queue(s->lane, handle, &kept);
	if (error)
		return error;
	object->closed = kept.closed;
	error = save_object(s, object);
	if (!error)
		error = put_values(s, &kept.front);
	if (!error)
		error = put_values(s, &kept.rest);
	kept_queue_fini(&kept);
	return error;
}

static struct span behind(struct span item, size_t head_len)
{
	return (struct span){ item.data + head_len, item.len - head_len };
}

static enum sabir_error put_tasks(struct save *s, const struct kept_tasks *kept)
{
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i < kept->items.n_items; i++) {
		struct span item = bytes_item(&kept->items, i);
		struct kept_task task;
		memcpy(&task, item.data, sizeof(task));
		if (task.state == KEPT_TASK_GONE)
			continue;
		const struct record_entry entry = {
			.value = behind(item, sizeof(task)),
			.ends_unix_ns = times_from_boot(&s->times, task.expires),
			.priority = task.priority,
			.ordinal = task.ordinal,
			.due_unix_ns = times_from_boot(&s->times, task.due),
			.origin = task.origin,
			.attempts = task.attempts,
			.state = task.state,
		};
		if (task.origin)
			save_want(s, task.origin);
		error = save_entry(s, &entry);
	}
	return error;
}

static enum sabir_error put_ids(struct save *s, const struct kept_tasks *kept)
{
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i < kept->ids.n_items; i++) {
		struct span item = bytes_item(&kept->ids, i);
		struct kept_id id;
		memcpy(&id, item.data, sizeof(id));
		const struct record_entry entry = { .id = behind(item, sizeof(id)),
						    .ends_unix_ns = times_from_boot(&s->times, id.until),
						    .ordinal = id.ordinal };
		error = save_entry(s, &entry);
	}
	return error;
}

static enum sabir_error save_tasks(struct save *s, uint64_t handle, struct record_object *object)
{
	struct kept_tasks kept;
	enum sabir_error error = keep_tasks(s->lane, handle, &kept);
	if (error)
		return error;
	object->closed = kept.closed;
	object->paused = kept.paused;
	object->unfinished = kept.unfinished;
	object->next_ordinal = kept.next_ordinal;
	object->last_lease = kept.next_lease;
	error = save_object(s, object);
	if (!error)
		error = put_tasks(s, &kept);
	if (!error)
		error = put_ids(s, &kept);
	kept_tasks_fini(&kept);
	return error;
}

static enum sabir_error put_page(struct save *s, const struct bytes *page)
{
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i + 2 < page->n_items; i += 3) {
		uint64_t ends;
		memcpy(&ends, bytes_item(page, i + 2).data, sizeof(ends));
		const struct record_entry entry = { .key = bytes_item(page, i),
						    .value = bytes_item(page, i + 1),
						    .ends_unix_ns = times_from_boot(&s->times, ends) };
		error = save_entry(s, &entry);
	}
	return error;
}

/* A page is all there is, up to 1 GiB. */
static enum sabir_error save_dict(struct save *s, uint64_t handle, struct record_object *object)
{
	const enum dict_part part = (enum dict_part)(DICT_ITEMS | DICT_ENDS);
	uint64_t cursor = 0;
	bool written = false;
	enum sabir_error error;
	do {
		struct bytes page;
		bytes_init(&page, NULL, 0);
		error = dict_page(s->lane, handle, part, UINT32_MAX, &cursor, &page);
		if (!error && !written)
			error = save_object(s, object);
		written = true;
		if (!error)
			error = put_page(s, &page);
		bytes_fini(&page);
	} while (!error && cursor);
	return error;
}

static enum sabir_error save_list(struct save *s, uint64_t handle, struct record_object *object)
{
	struct bytes all;
	uint32_t version = 0;
	uint64_t total;
	bytes_init(&all, NULL, 0);
	enum sabir_error error = list_get_slice(s->lane, handle, &LIST_ALL, 0, UINT64_MAX, &version, &total, &all);
	if (!error)
		error = save_object(s, object);
	if (!error)
		error = put_values(s, &all);
	bytes_fini(&all);
	return error;
}

static enum sabir_error save_shared_list(struct save *s, uint64_t handle, struct record_object *object)
{
	struct bytes all;
	bytes_init(&all, NULL, 0);
	enum sabir_error error = keep_shared_list(s->lane, handle, &all);
	if (!error)
		error = save_object(s, object);
	for (size_t i = 0; !error && i < all.n_items; i++) {
		struct span item = bytes_item(&all, i);
		struct record_entry entry = { .value = behind(item, sizeof(entry.room)) };
		memcpy(&entry.room, item.data, sizeof(entry.room));
		error = save_entry(s, &entry);
	}
	bytes_fini(&all);
	return error;
}

/* ---------------------------------------------------------------- numbers and bytes */

static enum sabir_error save_value(struct save *s, uint64_t handle, struct record_object *object)
{
	struct scalar value;
	enum sabir_error error = value_get(s->lane, handle, &value);
	/* What a program has written that no function would. */
	if (!error && scalar_encode(object->type_code, &value, &object->bits))
		error = SABIR_DATA_LOSS;
	return error ? error : save_object(s, object);
}

static enum sabir_error save_array(struct save *s, uint64_t handle, struct record_object *object)
{
	uint32_t width = scalar_width(object->type_code), type_code;
	uint64_t step = width ? ARRAY_BYTES / width : 1;
	enum sabir_error error = SABIR_OK;
	bool written = false;
	for (uint64_t at = 0; !error && (at < object->length || !written); at += step, written = true) {
		uint64_t left = object->length - at;
		struct bytes some;
		bytes_init(&some, NULL, 0);
		if (left)
			error = array_get_slice(s->lane, handle, at, left < step ? left : step, &some, &type_code);
		if (!error && !written)
			error = save_object(s, object);
		if (!error && left)
			error = save_raw(s, bytes_item(&some, 0), at * width);
		bytes_fini(&some);
	}
	return error;
}

static enum sabir_error save_block(struct save *s, uint64_t handle, struct record_object *object)
{
	uint64_t size;
	enum sabir_error error = memory_size(s->lane, handle, &size);
	if (error)
		return error;
	object->length = size;
	error = save_object(s, object);
	for (uint64_t at = 0; !error && at < size; at += BLOCK_BYTES) {
		struct bytes some;
		bytes_init(&some, NULL, 0);
		error = memory_read(s->lane, handle, at, size - at < BLOCK_BYTES ? size - at : BLOCK_BYTES, &some);
		if (!error)
			error = save_raw(s, bytes_item(&some, 0), at);
		bytes_fini(&some);
	}
	return error;
}

/* ---------------------------------------------------------------- what is waited for */

static enum sabir_error save_lock(struct save *s, uint64_t handle, struct record_object *object)
{
	struct kept_lock kept;
	enum sabir_error error = keep_lock(s->lane, handle, &kept);
	if (error)
		return error;
	object->token = kept.token;
	object->abandoned = kept.abandoned;
	return save_object(s, object);
}

static enum sabir_error save_semaphore(struct save *s, uint64_t handle, struct record_object *object)
{
	enum sabir_error error = keep_semaphore(s->lane, handle, &object->value);
	return error ? error : save_object(s, object);
}

static enum sabir_error save_barrier(struct save *s, uint64_t handle, struct record_object *object)
{
	struct kept_barrier kept;
	enum sabir_error error = keep_barrier(s->lane, handle, &kept);
	if (error)
		return error;
	object->cycle = kept.cycle;
	object->broken = kept.broken;
	return save_object(s, object);
}

static enum sabir_error save_event(struct save *s, uint64_t handle, struct record_object *object)
{
	enum sabir_error error = signal_is_set(s->lane, handle, &object->set);
	return error ? error : save_object(s, object);
}

static enum sabir_error save_pipe(struct save *s, uint64_t handle, struct record_object *object)
{
	enum sabir_error error = keep_pipe(s->lane, handle, &object->closed_ends);
	return error ? error : save_object(s, object);
}

/* Its lock may be gone: then there is nothing that it could do any more. */
static enum sabir_error save_condition(struct save *s, uint64_t handle, struct record_object *object)
{
	struct kept_entry lock;
	(void)handle;
	if (object->over && keep_entry(s->lane, object->over, &lock))
		return SABIR_NOT_FOUND;
	if (object->over)
		save_want(s, object->over);
	return save_object(s, object);
}

enum sabir_error save_kind(struct save *s, uint64_t handle, struct record_object *object)
{
	static enum sabir_error (*const functions[])(struct save *, uint64_t, struct record_object *) = {
		[SEG_KIND_QUEUE] = save_queue,         [SEG_KIND_VALUE] = save_value,
		[SEG_KIND_ARRAY] = save_array,         [SEG_KIND_DICT] = save_dict,
		[SEG_KIND_LIST] = save_list,           [SEG_KIND_NAMESPACE] = save_dict,
		[SEG_KIND_PIPE] = save_pipe,           [SEG_KIND_LOCK] = save_lock,
		[SEG_KIND_RLOCK] = save_lock,          [SEG_KIND_SEMAPHORE] = save_semaphore,
		[SEG_KIND_CONDITION] = save_condition, [SEG_KIND_EVENT] = save_event,
		[SEG_KIND_BARRIER] = save_barrier,     [SEG_KIND_SHARED_LIST] = save_shared_list,
		[SEG_KIND_BLOCK] = save_block,         [SEG_KIND_TASK_QUEUE] = save_tasks,
	};
	uint32_t kind = object->kind;
	if (kind >= sizeof(functions) / sizeof(functions[0]) || !functions[kind])
		return SABIR_DATA_LOSS;
	return functions[kind](s, handle, object);
}
