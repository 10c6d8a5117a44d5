/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring one object of each kind: making it, and filling it by the functions that programs fill it with, as far as
 * they go. What comes out of the file may make no sense, where a faulty program had written over the object before it was
 * saved: then those functions refuse it.
 */
#include <stdlib.h>
#include <string.h>

#include "server/objects/array.h"
#include "server/objects/barrier.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/memory.h"
#include "server/objects/pipe.h"
#include "server/objects/queue.h"
#include "server/objects/semaphore.h"
#include "server/objects/shared_list.h"
#include "server/objects/signal.h"
#include "server/objects/task_queue.h"
#include "server/objects/value.h"
#include "server/snapshot/load_parts.h"

#define BATCH_ITEMS 256u
#define BATCH_BYTES (1u << 20)

/* ---------------------------------------------------------------- making */

/* Elements in the place of those of a shared list, each of the room that it is to have. */
static enum sabir_error shared_list_fillers(struct load *l, const struct loaded *object, struct bytes *out)
{
	struct record_content content;
	bool done = false;
	reader_seek(l->reader, object->content_at, object->content_number);
	out->frame = 1 << 3 | 2; /* repeated fields 1 of a message */
	for (;;) {
		struct record_entry entry;
		enum sabir_error error = load_content(l, &content, &done);
		if (error || done)
			return error;
		for (bool last = false; !last;) {
			if (!record_next_entry(&content, &entry, &last))
				return load_senseless(l, "an element makes no sense");
			if (last)
				break;
			/* The least that any element has room for; see shared_list.c. */
			size_t len = entry.room > VALUE_MAX_HEAD + 8 ? entry.room - VALUE_MAX_HEAD - 8 : 0;
			if (len > l->lane->seg->max_item_bytes)
				return SABIR_TOO_LARGE;
			uint8_t head[VALUE_MAX_HEAD], *to;
			size_t head_len = value_head_bytes(VALUE_BINARY, len, head);
			to = bytes_reserve(out, head_len + len);
			if (!to)
				return SABIR_NO_MEMORY;
			memcpy(to, head, head_len);
			memset(to + head_len, 0, len);
			bytes_commit(out, head_len + len);
		}
	}
}

static enum sabir_error create(struct load *l, struct loaded *object, const struct object_spec *spec)
{
	struct loaded *whole = object->record.part_of ? load_find(l, object->record.part_of) : NULL;
	if (!object->record.part_of) {
		const struct span no_name = { NULL, 0 };
		enum sabir_error error = object_create(l->lane, object->record.name, spec, false, &object->handle);
		/* One that was deleted while the snapshot was written, and whose name another got before its end. */
		return error == SABIR_ALREADY_EXISTS ? object_create(l->lane, no_name, spec, false, &object->handle)
						     : error;
	}
	if (!whole || whole == object || !whole->handle)
		return SABIR_NOT_FOUND;
	return object_part(l->lane, whole->handle, object->record.part, spec, &object->handle);
}

static enum sabir_error make_with(struct load *l, struct loaded *object, struct object_spec *spec)
{
	const struct record_object *r = &object->record;
	struct bytes fillers;
	bytes_init(&fillers, NULL, 0);
	enum sabir_error error = SABIR_OK;
	if (r->kind == SEG_KIND_SHARED_LIST)
		error = shared_list_fillers(l, object, &fillers);
	spec->initial = (struct span){ fillers.data, fillers.len };
	if (!error)
		error = create(l, object, spec);
	bytes_fini(&fillers);
	return error ? error : restore_create_time(l->lane, object->handle, r->create_unix_ns);
}

enum sabir_error load_make(struct load *l, struct loaded *object)
{
	const struct record_object *r = &object->record;
	uint64_t left_ns = times_left(&l->times, r->expire_unix_ns);
	struct loaded *over = r->over ? load_find(l, r->over) : NULL;
	uint64_t most = l->lane->seg->max_item_bytes;
	if (r->expire_unix_ns && !left_ns)
		return SABIR_OK; /* it has ended */
	if (r->over && (!over || !over->handle))
		return SABIR_NOT_FOUND;
	struct object_spec spec = {
		.kind = r->kind,
		.type_code = r->type_code,
		.length = r->length,
		/* A queue gets its bound when it is filled. */
		.max_items = r->kind == SEG_KIND_QUEUE ? 0 : r->max_items,
		/* Of most queues it is the server's limit, which may be a lower one now. */
		.max_item_bytes = r->max_item_bytes < most ? r->max_item_bytes : most,
		.flags = r->flags,
		.over = over ? over->handle : 0,
		.one_way = r->one_way,
		.task = { .discipline = r->discipline,
			  .joinable = r->joinable,
			  .max_attempts = r->max_attempts,
			  .dedup_window_ns = r->dedup_window_ns,
			  .ttl_ns = r->item_ttl_ns },
		.dead_letter = r->dead_letter,
		.ttl_ns = left_ns,
	};
	return make_with(l, object, &spec);
}

/* ---------------------------------------------------------------- filling, some entries at a time */

/* Entries with their references translated, until there are enough for one step. */
struct batch {
	struct load *l;
	uint64_t handle;
	struct bytes bytes; /* the translated Values, as items */
	struct record_entry entries[BATCH_ITEMS];
	int64_t key[BATCH_ITEMS], value[BATCH_ITEMS]; /* items of `bytes`, -1: the entry's own bytes */
	uint32_t n;
	uint64_t n_before; /* entries of earlier batches */
};

typedef enum sabir_error batch_fn(struct batch *b);

static enum sabir_error translate(struct batch *b, struct span from, int64_t *item)
{
	*item = -1;
	if (!from.len || !value_may_refer(from.data[0]))
		return SABIR_OK;
	*item = (int64_t)b->bytes.n_items;
	return value_translate(from, load_handle, b->l, &b->bytes);
}

static struct span translated(const struct batch *b, struct span own, int64_t item)
{
	return item < 0 ? own : bytes_item(&b->bytes, (size_t)item);
}

static enum sabir_error flush(struct batch *b, batch_fn *store)
{
	for (uint32_t i = 0; i < b->n; i++) {
		b->entries[i].key = translated(b, b->entries[i].key, b->key[i]);
		b->entries[i].value = translated(b, b->entries[i].value, b->value[i]);
	}
	enum sabir_error error = b->n ? store(b) : SABIR_OK;
	b->n_before += b->n;
	b->n = 0;
	bytes_truncate(&b->bytes, 0);
	return error;
}

static enum sabir_error add_entries(struct batch *b, struct record_content *content, batch_fn *store)
{
	for (size_t len = 0;;) {
		struct record_entry *entry = &b->entries[b->n];
		bool done;
		if (!record_next_entry(content, entry, &done))
			return load_senseless(b->l, "an entry makes no sense");
		if (done)
			return flush(b, store); /* its bytes go with the frame */
		enum sabir_error error = translate(b, entry->key, &b->key[b->n]);
		if (!error)
			error = translate(b, entry->value, &b->value[b->n]);
		if (error)
			return error;
		len += entry->value.len + entry->key.len;
		if (++b->n < BATCH_ITEMS && len < BATCH_BYTES)
			continue;
		error = flush(b, store);
		len = 0;
		if (error)
			return error;
	}
}

static enum sabir_error fill_entries(struct load *l, const struct loaded *object, batch_fn *store)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct record_content content;
	bool done = false;
	enum sabir_error error = b ? SABIR_OK : SABIR_NO_MEMORY;
	if (b) {
		b->l = l;
		b->handle = object->handle;
		bytes_init(&b->bytes, NULL, 0);
	}
	while (!error && !done) {
		error = load_content(l, &content, &done);
		if (!error && !done)
			error = add_entries(b, &content, store);
	}
	if (b)
		bytes_fini(&b->bytes);
	free(b);
	return error;
}

/* ---------------------------------------------------------------- the kinds with items */

static enum sabir_error store_queue(struct batch *b)
{
	struct queue_item items[BATCH_ITEMS];
	uint32_t accepted = 0;
	for (uint32_t i = 0; i < b->n; i++)
		items[i] = (struct queue_item){ .body = b->entries[i].value };
	return queue_put(b->l->lane, b->handle, items, b->n, &accepted);
}

static enum sabir_error fill_queue(struct load *l, const struct loaded *object)
{
	enum sabir_error error = fill_entries(l, object, store_queue);
	/* What is too large for the server is the operator's matter. */
	if (error == SABIR_TOO_LARGE && object->record.max_item_bytes < l->lane->seg->max_item_bytes)
		error = load_senseless(l, "an item is larger than its queue takes");
	if (!error && object->record.max_items)
		error = restore_queue_bound(l->lane, object->handle, object->record.max_items);
	if (!error && object->record.closed)
		error = queue_close(l->lane, object->handle);
	return error;
}

static enum sabir_error store_tasks(struct batch *b)
{
	struct load *l = b->l;
	enum sabir_error error = SABIR_OK;
	for (uint32_t i = 0; !error && i < b->n; i++) {
		const struct record_entry *e = &b->entries[i];
		error = ordinals_add(l, e->ordinal, !e->state);
		if (error)
			break;
		const struct kept_task task = {
			.priority = e->priority,
			.ordinal = e->ordinal,
			.due = times_to_boot(&l->times, e->due_unix_ns),
			.expires = times_to_boot(&l->times, e->ends_unix_ns),
			.origin = e->origin ? load_handle(l, e->origin) : 0,
			.attempts = e->attempts,
			.state = e->state,
		};
		const struct kept_id id = { times_to_boot(&l->times, e->ends_unix_ns), e->ordinal };
		if (e->state)
			error = restore_task(l->lane, b->handle, &task, e->value);
		else if (e->id.len <= TASK_ID_MAX)
			error = restore_task_id(l->lane, b->handle, &id, e->id);
	}
	return error;
}

static enum sabir_error fill_tasks(struct load *l, const struct loaded *object)
{
	const struct record_object *r = &object->record;
	const struct kept_tasks kept = { .next_ordinal = r->next_ordinal,
					 .next_lease = r->last_lease + l->jump,
					 .unfinished = r->unfinished,
					 .closed = r->closed,
					 .paused = r->paused };
	if (r->next_ordinal > LOAD_COUNT_MAX || r->last_lease > LOAD_COUNT_MAX || r->unfinished > LOAD_COUNT_MAX)
		return load_senseless(l, "a queue that has counted too far");
	ordinals_begin(l, r->next_ordinal);
	enum sabir_error error = restore_tasks(l->lane, object->handle, &kept);
	if (!error)
		error = fill_entries(l, object, store_tasks);
	if (!error)
		error = ordinals_check(l);
	/* What has become due since, and the alarm. */
	return error ? error : task_queue_settle(l->lane, object->handle);
}

static enum sabir_error store_dict(struct batch *b)
{
	struct dict_entry entries[BATCH_ITEMS];
	const struct times *times = &b->l->times;
	uint32_t n = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct record_entry *e = &b->entries[i];
		if (e->ends_unix_ns && !times_left(times, e->ends_unix_ns))
			continue;
		entries[n++] = (struct dict_entry){ e->key, e->value, times_to_boot(times, e->ends_unix_ns) };
	}
	return n ? dict_update(b->l->lane, b->handle, entries, n, NULL) : SABIR_OK;
}

static enum sabir_error store_list(struct batch *b)
{
	struct span values[BATCH_ITEMS];
	for (uint32_t i = 0; i < b->n; i++)
		values[i] = b->entries[i].value;
	return list_extend(b->l->lane, b->handle, values, b->n, NULL);
}

static enum sabir_error store_shared_list(struct batch *b)
{
	enum sabir_error error = SABIR_OK;
	for (uint32_t i = 0; !error && i < b->n; i++)
		error = shared_list_set(b->l->lane, b->handle, (int64_t)(b->n_before + i), b->entries[i].value);
	/* The room was made as the file has it; the list's own limit does not come into it. */
	return error == SABIR_TOO_LARGE ? load_senseless(b->l, "an element is larger than its room") : error;
}

/* ---------------------------------------------------------------- numbers and bytes */

typedef enum sabir_error raw_fn(struct load *l, const struct loaded *object, const struct record_content *content);

static enum sabir_error fill_raw(struct load *l, const struct loaded *object, raw_fn *store)
{
	struct record_content content;
	bool done = false;
	enum sabir_error error = SABIR_OK;
	while (!error && !done) {
		error = load_content(l, &content, &done);
		if (!error && !done && content.raw.len)
			error = store(l, object, &content);
	}
	return error;
}

/* The bytes as they were: a program that has mapped the elements may have written what no function would. */
static enum sabir_error store_array(struct load *l, const struct loaded *object, const struct record_content *content)
{
	void *elements;
	uint64_t length;
	uint32_t type_code;
	enum sabir_error error = array_map(l->lane, object->handle, &elements, &length, &type_code);
	if (error)
		return error;
	uint64_t size = length * scalar_width(type_code);
	if (content->offset > size || content->raw.len > size - content->offset)
		return SABIR_OUT_OF_RANGE;
	memcpy((uint8_t *)elements + content->offset, content->raw.data, content->raw.len);
	return SABIR_OK;
}

static enum sabir_error store_block(struct load *l, const struct loaded *object, const struct record_content *content)
{
	return memory_write(l->lane, object->handle, content->offset, content->raw);
}

static enum sabir_error fill_value(struct load *l, const struct loaded *object)
{
	struct scalar value;
	if (!scalar_width(object->record.type_code))
		return SABIR_INVALID_ARGUMENT;
	scalar_decode(object->record.type_code, object->record.bits, &value);
	return value_set(l->lane, object->handle, &value);
}

/* ---------------------------------------------------------------- what is waited for */

static enum sabir_error fill_lock(struct load *l, const struct loaded *object)
{
	if (object->record.token > LOAD_COUNT_MAX)
		return load_senseless(l, "a lock that has counted too far");
	const struct kept_lock kept = { object->record.token + l->jump, object->record.abandoned };
	return restore_lock(l->lane, object->handle, &kept);
}

static enum sabir_error fill_semaphore(struct load *l, const struct loaded *object)
{
	const struct record_object *r = &object->record;
	bool bounded = r->flags & SEG_SEMAPHORE_BOUNDED;
	if (r->value > SEMAPHORE_MAX || (bounded && r->value > r->length))
		return SABIR_OUT_OF_RANGE;
	return restore_semaphore(l->lane, object->handle, r->value);
}

static enum sabir_error fill_barrier(struct load *l, const struct loaded *object)
{
	const struct kept_barrier kept = { object->record.cycle, object->record.broken };
	return restore_barrier(l->lane, object->handle, &kept);
}

enum sabir_error load_fill(struct load *l, struct loaded *object)
{
	const struct record_object *r = &object->record;
	switch (r->kind) {
	case SEG_KIND_QUEUE:
		return fill_queue(l, object);
	case SEG_KIND_TASK_QUEUE:
		return fill_tasks(l, object);
	case SEG_KIND_DICT:
	case SEG_KIND_NAMESPACE:
		return fill_entries(l, object, store_dict);
	case SEG_KIND_LIST:
		return fill_entries(l, object, store_list);
	case SEG_KIND_SHARED_LIST:
		return fill_entries(l, object, store_shared_list);
	case SEG_KIND_VALUE:
		return fill_value(l, object);
	case SEG_KIND_ARRAY:
		return fill_raw(l, object, store_array);
	case SEG_KIND_BLOCK:
		return fill_raw(l, object, store_block);
	case SEG_KIND_LOCK:
	case SEG_KIND_RLOCK:
		return fill_lock(l, object);
	case SEG_KIND_SEMAPHORE:
		return fill_semaphore(l, object);
	case SEG_KIND_BARRIER:
		return fill_barrier(l, object);
	case SEG_KIND_EVENT:
		return r->set ? signal_set(l->lane, object->handle) : SABIR_OK;
	case SEG_KIND_PIPE:
		return restore_pipe(l->lane, object->handle, r->closed_ends);
	default:
		return SABIR_OK;
	}
}
