/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does of itself: on objects whose time has come, at its start, and for a snapshot. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/objects/dict.h"
#include "server/objects/keep.h"
#include "server/objects/leftover.h"
#include "server/objects/task_queue.h"
#include "server/shm/chunk.h"
#include "server/snapshot/folder.h"
#include "server/snapshot/save.h"
#include "tests/fuzz/play.h"

/* So late that logs of changes may be idle. */
void upkeep_due(struct lane *lane, uint64_t late_ns)
{
	uint64_t handle, at;
	for (uint32_t i = 0; i < lane->seg->n_objects; i++) {
		if (task_queue_alarm(lane, i, &handle, &at) && at <= task_clock())
			(void)task_queue_settle(lane, handle);
		if (dict_alarm(lane, i, &handle, &at) && at <= task_clock())
			(void)dict_remove_due(lane, handle);
	}
	(void)object_ttl_next(lane->seg);
	object_ttl_expire(lane, clock_now() + late_ns);
}

void upkeep_start(struct lane *lane)
{
	struct leftover left;
	if (leftover_find(lane->seg, &left))
		return;
	(void)leftover_end(lane, &left);
	leftover_fini(&left);
}

/* All that a snapshot reads with functions of its own. */
static void keep(struct lane *lane, uint64_t handle)
{
	struct kept_entry entry;
	struct kept_queue queue;
	struct kept_tasks tasks;
	struct kept_lock lock;
	struct kept_barrier barrier;
	struct bytes items;
	uint64_t n;
	uint32_t closed;
	if (keep_entry(lane, handle, &entry))
		return;
	(void)keep_part(lane, handle, 0, &n);
	if (!keep_queue(lane, handle, &queue))
		kept_queue_fini(&queue);
	/* Of the others it only makes room for much. */
	if (entry.info.kind == SEG_KIND_TASK_QUEUE && !keep_tasks(lane, handle, &tasks))
		kept_tasks_fini(&tasks);
	bytes_init(&items, NULL, 0);
	(void)keep_shared_list(lane, handle, &items);
	bytes_fini(&items);
	(void)keep_lock(lane, handle, &lock);
	(void)keep_semaphore(lane, handle, &n);
	(void)keep_barrier(lane, handle, &barrier);
	(void)keep_pipe(lane, handle, &closed);
}

void upkeep_keep(struct lane *lane)
{
	for (uint32_t i = 0; i < lane->seg->n_objects; i++)
		keep(lane, object_handle_of(lane->seg, i));
}

/* A list that was repeated into millions of elements is no other than a short one, and takes all the time. */
#define SAVE_CHUNKS 96

static bool is_small(const struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		n += chunk_state(load64_relaxed(&seg->chunks[i].word)) != SEG_CHUNK_FREE;
	return n <= SAVE_CHUNKS;
}

/* A save waits long for a lock that nobody gives back, so this is for a memory that nobody has damaged. */
void upkeep_save(struct lane *lane)
{
	if (!is_small(lane->seg))
		return;
	struct folder folder = { .fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	const struct save_options options = { .lane = lane,
					      .folder_fd = folder.fd,
					      .number = 900000000000ull + (uint64_t)getpid() };
	struct save_result result;
	char name[FOLDER_NAME_SIZE];
	if (snapshot_save(&options, &result) || result.n_damaged)
		abort();
	folder_name(options.number, name);
	(void)unlinkat(folder.fd, name, 0);
	close(folder.fd);
}
