/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_TEST_KIT_H
#define SABIR_SNAPSHOT_TEST_KIT_H

/*
 * What the tests of snapshots share: all that programs can see of a memory, as text, so that two can be compared. For
 * *_test.c only.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/array.h"
#include "server/objects/barrier.h"
#include "server/objects/collect.h"
#include "server/objects/condition.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/memory.h"
#include "server/objects/mutex.h"
#include "server/objects/namespace.h"
#include "server/objects/pipe.h"
#include "server/objects/semaphore.h"
#include "server/objects/shared_list.h"
#include "server/objects/signal.h"
#include "server/objects/task_queue.h"
#include "server/objects/value.h"
#include "server/shm/test_kit.h"
#include "server/snapshot/folder.h"
#include "server/snapshot/load.h"
#include "server/snapshot/save.h"

/* ---------------------------------------------------------------- a memory as text */

struct text {
	struct lane *lane;
	FILE *out;
	uint64_t handle[512]; /* numbers of objects, in the order in which they are met */
	unsigned n, printed;
	bool timeless; /* only whether something ends, not when */
};

static inline uint64_t text_number(void *context, uint64_t handle)
{
	struct text *t = context;
	struct object_info info;
	for (unsigned i = 0; i < t->n; i++)
		if (t->handle[i] == handle)
			return i + 1;
	enum sabir_error error = object_describe(t->lane, handle, &info);
	if (error) /* a handle that never was one answers NOT_FOUND, and DELETED after a restore */
		return 1000000 + (error == SABIR_NOT_FOUND ? SABIR_DELETED : (uint64_t)error);
	if (t->n == 512)
		return 0;
	t->handle[t->n++] = handle;
	return t->n;
}

/* Bytes in hexadecimal, with the numbers of objects for their handles. */
static inline void text_value(struct text *t, const char *what, struct span v)
{
	struct bytes own;
	bytes_init(&own, NULL, 0);
	if (v.len)
		(void)value_translate(v, text_number, t, &own);
	fprintf(t->out, " %s=", what);
	for (size_t i = 0; i < own.len; i++)
		fprintf(t->out, "%02x", own.data[i]);
	bytes_fini(&own);
}

static inline void text_items(struct text *t, const struct bytes *items)
{
	for (size_t i = 0; i < items->n_items; i++)
		text_value(t, "item", bytes_item(items, i));
}

static inline void text_info(struct text *t, const struct object_info *i)
{
	fprintf(t->out,
		"kind %u name '%.*s' type %u length %llu bound %llu item %llu closed %u flags %u over %llu way %d\n",
		i->kind, (int)i->name_len, i->name, i->type_code, (unsigned long long)i->length,
		(unsigned long long)i->max_items, (unsigned long long)i->max_item_bytes, i->closed, i->flags,
		(unsigned long long)(i->over ? text_number(t, i->over) : 0), i->one_way);
	fprintf(t->out, "  made %llu ttl %d task %u %d %u %llu %llu dead '%.*s'", (unsigned long long)i->create_time_ns,
		i->ttl_ns != 0, i->task.discipline, i->task.joinable, i->task.max_attempts,
		(unsigned long long)i->task.dedup_window_ns, (unsigned long long)i->task.ttl_ns,
		(int)i->dead_letter_len, i->dead_letter);
}

static inline void text_queue(struct text *t, uint64_t q)
{
	struct queue_size size = { 0 };
	(void)queue_size(t->lane, q, &size);
	fprintf(t->out, " size %llu+%llu closed %d", (unsigned long long)size.size, (unsigned long long)size.held,
		size.closed);
	for (;;) {
		struct bytes item = { 0 };
		enum sabir_error error = queue_get(t->lane, q, 1, &item);
		text_items(t, &item);
		bytes_fini(&item);
		if (error) {
			fprintf(t->out, " %s", error_name(error));
			return;
		}
	}
}

/* All of it, by leases, so that attempts are told too; then its states. */
static inline void text_tasks(struct text *t, uint64_t q)
{
	struct task_queue_size size = { 0 };
	(void)task_queue_size(t->lane, q, &size);
	fprintf(t->out, " ready %llu delayed %llu leased %llu dead %llu unfinished %llu closed %d paused %d",
		(unsigned long long)size.ready, (unsigned long long)size.delayed, (unsigned long long)size.leased,
		(unsigned long long)size.dead, (unsigned long long)size.unfinished, size.closed, size.paused);
	(void)task_queue_pause(t->lane, q, false);
	for (int round = 0; round < 2; round++) {
		uint64_t moved = 0;
		for (;;) {
			struct bytes item = { 0 };
			struct task_lease lease = { 0 };
			enum sabir_error error = task_queue_get(t->lane, q, 1, CLOCK_SECOND * 60, &item, &lease);
			text_items(t, &item);
			fprintf(t->out, " try %u %s", lease.attempts, error_name(error));
			bytes_fini(&item);
			if (error)
				break;
			(void)task_queue_ack(t->lane, q, lease.token);
		}
		(void)task_queue_requeue(t->lane, q, 0, 0, &moved);
		fprintf(t->out, " moved %llu", (unsigned long long)moved);
	}
}

static inline void text_dict(struct text *t, uint64_t d)
{
	struct bytes all = { 0 };
	uint64_t cursor = 0;
	(void)dict_page(t->lane, d, (enum dict_part)(DICT_ITEMS | DICT_ENDS), UINT32_MAX, &cursor, &all);
	for (size_t i = 0; i + 2 < all.n_items; i += 3) {
		uint64_t ends;
		memcpy(&ends, bytes_item(&all, i + 2).data, sizeof(ends));
		text_value(t, "key", bytes_item(&all, i));
		text_value(t, "value", bytes_item(&all, i + 1));
		/* In seconds: the clocks are not read at the same moment. */
		ends = t->timeless ? ends != 0 : (ends + CLOCK_SECOND / 2) / CLOCK_SECOND;
		fprintf(t->out, " ends %llu", (unsigned long long)ends);
	}
	bytes_fini(&all);
}

static inline void text_list(struct text *t, uint64_t list)
{
	struct bytes all = { 0 };
	uint32_t version = 0;
	uint64_t total = 0;
	(void)list_get_slice(t->lane, list, &LIST_ALL, 0, UINT64_MAX, &version, &total, &all);
	fprintf(t->out, " total %llu", (unsigned long long)total);
	text_items(t, &all);
	bytes_fini(&all);
}

static inline void text_shared_list(struct text *t, uint64_t list)
{
	static const uint8_t large[VALUE_MAX_HEAD + 64];
	struct bytes all = { 0 };
	uint64_t length = 0;
	(void)shared_list_page(t->lane, list, 0, UINT64_MAX, &length, &all);
	text_items(t, &all);
	bytes_fini(&all);
	/* How long a text each element can become. */
	for (uint64_t i = 0; i < length; i++)
		for (size_t len = 0; len < 64; len++) {
			uint8_t value[sizeof(large)];
			size_t head = value_head_bytes(VALUE_BINARY, len, value);
			memcpy(value + head, large, len);
			enum sabir_error error = shared_list_set(t->lane, list, (int64_t)i,
								 (struct span){ value, head + len });
			if (error) {
				fprintf(t->out, " room %zu %s", len, error_name(error));
				break;
			}
		}
}

static inline void text_raw(struct text *t, const void *data, size_t len)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
	fprintf(t->out, " %zu bytes %llx", len, (unsigned long long)sum);
}

static inline void text_array(struct text *t, uint64_t array)
{
	struct bytes all = { 0 };
	uint32_t type_code = 0;
	(void)array_get_slice(t->lane, array, 0, 0, &all, &type_code);
	text_raw(t, all.data, all.len);
	bytes_fini(&all);
}

static inline void text_lock(struct text *t, uint64_t lock)
{
	struct mutex_state state = { 0 };
	(void)mutex_look(t->lane, lock, &state);
	fprintf(t->out, " locked %d abandoned %d depth %llu", state.locked, state.abandoned,
		(unsigned long long)state.depth);
	fprintf(t->out, " release %s", error_name(mutex_release(t->lane, lock)));
}

static inline void text_pipe(struct text *t, uint64_t pipe)
{
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++) {
		uint64_t queue = 0;
		enum sabir_error error = pipe_open(t->lane, pipe, end);
		fprintf(t->out, " end %u %s", end, error_name(error));
		while (!error) {
			struct bytes item = { 0 };
			error = pipe_recv(t->lane, pipe, end, &item, &queue);
			text_items(t, &item);
			fprintf(t->out, " %s", error_name(error));
			bytes_fini(&item);
		}
	}
	struct pipe_state state = { 0 };
	(void)pipe_state(t->lane, pipe, &state);
	fprintf(t->out, " closed %d %d", state.closed[0], state.closed[1]);
}

static inline void text_others(struct text *t, uint64_t handle, const struct object_info *info)
{
	struct barrier_state barrier = { 0 };
	struct semaphore_state semaphore = { 0 };
	struct scalar value = { .u = 0 };
	uint64_t lock = 0, size = 0;
	void *bytes;
	bool set = false;
	switch (info->kind) {
	case SEG_KIND_VALUE:
		(void)value_get(t->lane, handle, &value);
		fprintf(t->out, " value %llu", (unsigned long long)value.u);
		(void)value_get_lock(t->lane, handle, &lock);
		text_lock(t, lock);
		break;
	case SEG_KIND_BLOCK:
		(void)memory_map(t->lane, handle, &bytes, &size);
		text_raw(t, bytes, size);
		break;
	case SEG_KIND_SEMAPHORE:
		(void)semaphore_look(t->lane, handle, &semaphore);
		fprintf(t->out, " value %llu", (unsigned long long)semaphore.value);
		break;
	case SEG_KIND_CONDITION:
		(void)condition_lock(t->lane, handle, &lock);
		fprintf(t->out, " lock %llu", (unsigned long long)(info->over ? text_number(t, lock) : 0));
		text_lock(t, lock);
		break;
	case SEG_KIND_EVENT:
		(void)signal_is_set(t->lane, handle, &set);
		fprintf(t->out, " set %d", set);
		break;
	case SEG_KIND_BARRIER:
		(void)barrier_look(t->lane, handle, &barrier);
		fprintf(t->out, " cycle %llu parties %u waiting %u broken %d", (unsigned long long)barrier.cycle,
			barrier.parties, barrier.n_waiting, barrier.broken);
		break;
	}
}

static inline void text_object(struct text *t, uint64_t handle)
{
	struct object_info info = { 0 };
	enum sabir_error error = object_describe(t->lane, handle, &info);
	fprintf(t->out, "#%llu %s ", (unsigned long long)text_number(t, handle), error_name(error));
	text_info(t, &info);
	if (info.kind == SEG_KIND_QUEUE)
		text_queue(t, handle);
	else if (info.kind == SEG_KIND_TASK_QUEUE)
		text_tasks(t, handle);
	else if (info.kind == SEG_KIND_DICT || info.kind == SEG_KIND_NAMESPACE)
		text_dict(t, handle);
	else if (info.kind == SEG_KIND_LIST)
		text_list(t, handle);
	else if (info.kind == SEG_KIND_SHARED_LIST)
		text_shared_list(t, handle);
	else if (info.kind == SEG_KIND_ARRAY)
		text_array(t, handle);
	else if (info.kind == SEG_KIND_LOCK || info.kind == SEG_KIND_RLOCK)
		text_lock(t, handle);
	else if (info.kind == SEG_KIND_PIPE)
		text_pipe(t, handle);
	else
		text_others(t, handle, &info);
	fputc('\n', t->out);
}

/* Everything that can be seen from the names; malloc'ed. Queues are empty afterwards. */
static inline char *text_of(struct lane *lane, bool timeless)
{
	char *made = NULL;
	size_t len;
	struct text t = { .lane = lane, .out = open_memstream(&made, &len), .timeless = timeless };
	uint64_t cursor = 0;
	do {
		struct object_info infos[16];
		uint32_t n = 0;
		if (object_list(lane, (struct span){ NULL, 0 }, 0, &cursor, infos, 16, &n))
			break;
		for (uint32_t i = 0; i < n; i++)
			(void)text_number(&t, infos[i].handle);
	} while (cursor);
	for (; t.printed < t.n; t.printed++)
		text_object(&t, t.handle[t.printed]);
	fclose(t.out);
	return made;
}

/* ---------------------------------------------------------------- folders */

static inline void kit_folder(char path[64], struct folder *folder)
{
	char detail[256] = "";
	strcpy(path, "/tmp/sabir-snapshot-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
	CU_ASSERT_EQUAL_FATAL(folder_open(path, detail, sizeof(detail), folder), SABIR_OK);
}

/* The files in it, how many, and how many are temporary ones. */
static inline unsigned kit_files(const char *path, unsigned *temporary)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0, hidden = 0;
	while (dir && (entry = readdir(dir)) != NULL) {
		n += entry->d_name[0] != '.';
		hidden += entry->d_name[0] == '.' && entry->d_name[1] && strcmp(entry->d_name, "..");
	}
	if (dir)
		closedir(dir);
	if (temporary)
		*temporary = hidden;
	return n;
}

static inline void kit_remove(const char *path, struct folder *folder)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	folder_close(folder);
	CU_ASSERT_EQUAL(rmdir(path), 0);
}

static inline enum sabir_error kit_save(struct lane *lane, const struct folder *folder, uint64_t number)
{
	const struct save_options options = { .lane = lane, .folder_fd = folder->fd, .number = number };
	struct save_result result;
	enum sabir_error error = snapshot_save(&options, &result);
	if (error)
		printf("\n    %s: %s", error_name(error), result.detail);
	return error;
}

static inline int kit_open(const struct folder *folder, uint64_t number)
{
	char name[FOLDER_NAME_SIZE];
	folder_name(number, name);
	return openat(folder->fd, name, O_RDONLY | O_CLOEXEC);
}

static inline enum sabir_error kit_load_result(struct lane *lane, int fd, struct load_result *result)
{
	struct reader reader;
	bool begun = false;
	enum sabir_error error = reader_open(&reader, fd);
	if (!error)
		error = snapshot_load(&(struct load_options){ .lane = lane, .reader = &reader }, result, &begun);
	if (error)
		printf("\n    %s: %s", error_name(error), reader.detail);
	reader_close(&reader);
	return error;
}

static inline enum sabir_error kit_load(struct lane *lane, int fd)
{
	struct load_result result;
	return kit_load_result(lane, fd, &result);
}

#endif
