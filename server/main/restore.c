/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring at the start. What can't be restored ends the start rather than that the server begins with less than the
 * operator believes; only a damaged file is passed over, and an object that was damaged before it was saved, since there is
 * nothing else to be had from them.
 */
#include "server/main/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/main/notify.h"
#include "server/snapshot/load.h"

struct told {
	uint64_t begun_ns, told_ns;
};

static void tell_progress(void *context, const struct load_result *so_far)
{
	struct told *t = context;
	uint64_t now_ns = clock_now();
	/* The service manager's patience for a start. */
	notify("EXTEND_TIMEOUT_USEC=60000000");
	if (now_ns - t->told_ns < 5 * CLOCK_SECOND)
		return;
	t->told_ns = now_ns;
	log_info("a snapshot is being restored", log_u64("objects", so_far->n_objects),
		 log_u64("of_bytes", so_far->n_bytes), log_u64("ms", (now_ns - t->begun_ns) / CLOCK_MILLISECOND));
}

static void log_restored(const char *name, const struct load_result *result, uint64_t begun_ns)
{
	uint64_t wall_ns = clock_wall();
	uint64_t age_ns = wall_ns > result->time_unix_ns ? wall_ns - result->time_unix_ns : 0;
	log_info("restored", log_text("file", name), log_u64("objects", result->n_objects),
		 log_u64("bytes", result->n_bytes), log_u64("age_s", age_ns / CLOCK_SECOND),
		 log_u64("ms", (clock_now() - begun_ns) / CLOCK_MILLISECOND));
	if (result->n_damaged)
		log_error("damaged objects of the snapshot are left out", log_text("file", name),
			  log_u64("n", result->n_damaged), log_text("first", result->damaged));
	if (result->n_lockless)
		log_error("conditions of the snapshot are left out, as their locks are", log_text("file", name),
			  log_u64("n", result->n_lockless), log_text("first", result->lockless));
}

/* Takes the descriptor. *begun: the memory is not what it was. */
static enum sabir_error restore_file(struct lane *lane, int fd, const char *name, char *detail, size_t size,
				     bool *begun)
{
	struct load_result result;
	struct reader reader;
	struct told told = { clock_now(), clock_now() };
	const struct load_options options = {
		.lane = lane, .reader = &reader, .progress = tell_progress, .context = &told
	};
	struct actor actor = lane->actor;
	*begun = false;
	enum sabir_error error = reader_open(&reader, fd);
	snprintf(result.detail, sizeof(result.detail), "%s", reader.detail);
	lane->actor = (struct actor){ 0 };
	if (!error)
		error = snapshot_load(&options, &result, begun);
	lane->actor = actor;
	reader_close(&reader);
	if (error)
		snprintf(detail, size, "can't restore %s: %s", name, result.detail);
	else
		log_restored(name, &result, told.begun_ns);
	return error;
}

static enum sabir_error restore_path(struct lane *lane, const char *path, char *detail, size_t size)
{
	bool begun;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return restore_file(lane, fd, path, detail, size, &begun);
	snprintf(detail, size, "can't open the snapshot %s: %s", path, strerror(errno));
	return SABIR_IO_ERROR;
}

static enum sabir_error restore_number(struct lane *lane, const struct folder *folder, uint64_t number, char *detail,
				       size_t size, bool *begun)
{
	char name[FOLDER_NAME_SIZE];
	folder_name(number, name);
	int fd = openat(folder->fd, name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return restore_file(lane, fd, name, detail, size, begun);
	snprintf(detail, size, "can't open the snapshot %s: %s", name, strerror(errno));
	return SABIR_IO_ERROR;
}

static enum sabir_error restore_newest(struct lane *lane, const struct folder *folder, char *detail, size_t size)
{
	uint64_t *numbers;
	size_t n, i = 0;
	bool begun = false;
	enum sabir_error error = folder_list(folder, &numbers, &n);
	if (error) {
		snprintf(detail, size, "can't read the folder of the snapshots");
		return error;
	}
	for (; i < n; i++) {
		error = restore_number(lane, folder, numbers[i], detail, size, &begun);
		if (error != SABIR_DATA_LOSS || begun)
			break;
		log_error("a snapshot is damaged, and passed over", log_text("detail", detail));
	}
	/* Not before there is a better one: who starts next is to see that something is wrong. */
	for (size_t k = 0; !error && k < i; k++)
		folder_refuse(folder, numbers[k]);
	if (error == SABIR_DATA_LOSS && !begun)
		snprintf(detail, size, "none of the %zu snapshots is whole; --restore none starts without", n);
	free(numbers);
	return error;
}

enum sabir_error restore(struct lane *lane, const struct folder *folder, const char *what, char *detail, size_t size)
{
	if (!strcmp(what, "none"))
		return SABIR_OK;
	if (strcmp(what, "newest"))
		return restore_path(lane, what, detail, size);
	return folder ? restore_newest(lane, folder, detail, size) : SABIR_OK;
}
