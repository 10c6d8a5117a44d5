/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshots' thread: asleep until it is time or it is asked, writing one, ended.
 */
#include "server/main/snapshotter.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/shm/arena.h"
#include "server/snapshot/save.h"

/* A stopped program that holds an object's lock: it is tried again, see SAVE_PATIENCE. */
#define LOCK_PATIENCE (20 * CLOCK_MILLISECOND)
#define TELL_AFTER (5 * CLOCK_SECOND)

struct snapshotter {
	struct snapshotter_options options;
	struct lane lane;
	uint64_t begun_ns;
	uint64_t told_ns;
	uint32_t cancel; /* the one that is being written */
	pthread_t thread;
};

/* ---------------------------------------------------------------- one snapshot */

static void tell_progress(void *context, const struct save_result *so_far)
{
	struct snapshotter *t = context;
	uint64_t now_ns = clock_now();
	if (now_ns - t->told_ns < TELL_AFTER)
		return;
	t->told_ns = now_ns;
	log_info("a snapshot is being written", log_u64("objects", so_far->n_objects),
		 log_u64("bytes", so_far->n_bytes), log_u64("ms", (now_ns - t->begun_ns) / CLOCK_MILLISECOND));
}

static void log_result(const struct snapshotter *t, enum sabir_error error, const struct save_result *result)
{
	char name[FOLDER_NAME_SIZE];
	uint64_t ms = (clock_now() - t->begun_ns) / CLOCK_MILLISECOND;
	folder_name(result->number, name);
	if (error == SABIR_CANCELLED)
		return;
	if (error)
		log_error("no snapshot was written, those that are there stay", log_text("error", error_name(error)),
			  log_text("detail", result->detail), log_u64("ms", ms));
	else
		log_info("a snapshot was written", log_text("file", name), log_u64("objects", result->n_objects),
			 log_u64("bytes", result->n_bytes), log_u64("ms", ms));
	if (!error && result->n_damaged)
		log_warning("damaged objects are not in the snapshot", log_u64("n", result->n_damaged),
			    log_u64("handle", result->damaged));
}

static enum sabir_error write_one(struct snapshotter *t, struct save_result *result)
{
	struct folder *folder = t->options.folder;
	uint64_t number = 0;
	*result = (struct save_result){ .detail = "" };
	t->begun_ns = t->told_ns = clock_now();
	enum sabir_error error = folder_renew(folder, result->detail, sizeof(result->detail));
	if (!error)
		error = folder_next(folder, result->detail, sizeof(result->detail), &number);
	const struct save_options options = {
		.lane = &t->lane,
		.folder_fd = folder->fd,
		.number = number,
		.stop = &t->cancel,
		.progress = tell_progress,
		.context = t,
	};
	if (!error)
		error = snapshot_save(&options, result);
	log_result(t, error, result);
	if (!error)
		(void)folder_prune(folder, t->options.keep);
	return error;
}

/* ---------------------------------------------------------------- the thread */

static void write_and_report(struct snapshotter *t)
{
	struct save_result result;
	struct snapshot_report report = { .error = write_one(t, &result) };
	report.n_objects = result.n_objects;
	report.n_damaged = result.n_damaged;
	report.n_bytes = result.n_bytes;
	report.took_ns = clock_now() - t->begun_ns;
	report.end_time_ns = clock_wall();
	folder_name(result.number, report.file);
	snprintf(report.detail, sizeof(report.detail), "%.*s", (int)sizeof(report.detail) - 1, result.detail);
	snapshots_done(t->options.snapshots, &report);
}

static void *work(void *context)
{
	struct snapshotter *t = context;
	uint64_t every_ns = t->options.every_ns;
	while (snapshots_await(t->options.snapshots, every_ns ? clock_deadline(every_ns) : CLOCK_NEVER)) {
		write_and_report(t);
		arena_empty_cache(&t->lane);
	}
	return NULL;
}

static bool start_thread(struct snapshotter *t)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&t->thread, NULL, work, t) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

struct snapshotter *snapshotter_start(const struct snapshotter_options *options)
{
	struct snapshotter *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->options = *options;
	if (lane_open(options->seg, options->owner, &t->lane)) {
		free(t);
		return NULL;
	}
	t->lane.lock_patience_ns = LOCK_PATIENCE;
	t->lane.actor = (struct actor){ 0 };
	if (start_thread(t))
		return t;
	lane_close(&t->lane);
	free(t);
	return NULL;
}

void snapshotter_stop(struct snapshotter *t, bool last)
{
	struct save_result result;
	if (!t)
		return;
	store32_release(&t->cancel, 1);
	snapshots_close(t->options.snapshots);
	pthread_join(t->thread, NULL);
	store32_release(&t->cancel, 0);
	if (last)
		(void)write_one(t, &result);
	lane_close(&t->lane);
	free(t);
}
