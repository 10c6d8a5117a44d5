/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts that nobody asks for: the upkeep of a server, which it does when something is due, beside the requests of its
 * clients. Two of them are only what a server leaves that dies in the middle: others' operations come behind them.
 */
#include "tests/crash/upkeep.h"

#include <string.h>

#include "server/objects/collect.h"
#include "server/objects/dict.h"
#include "server/objects/keep.h"
#include "server/objects/refs.h"
#include "server/objects/task_parts.h"
#include "server/ops/session_record.h"
#include "server/shm/arena.h"
#include "tests/crash/front.h"

static enum sabir_error expire_objects(const struct upkeep *u)
{
	object_ttl_expire(u->lane, UINT64_MAX / 2);
	return SABIR_OK;
}
static enum sabir_error settle_tasks(const struct upkeep *u)
{
	return task_queue_settle(u->lane, u->handle);
}
static enum sabir_error remove_due_entries(const struct upkeep *u)
{
	return dict_remove_due(u->lane, u->handle);
}
static enum sabir_error collect(const struct upkeep *u)
{
	static const uint32_t stop;
	struct collect_result result;
	enum sabir_error error = SABIR_OK;
	struct collector *c = collector_new(u->lane->seg, 0);
	/* In doubt at the first look, gone at the second. */
	for (int i = 0; c && !error && i < 2; i++)
		error = collect_run(c, u->lane, &stop, &result);
	collector_free(c);
	return error;
}
/* For a snapshot. */
static enum sabir_error copy_tasks(const struct upkeep *u)
{
	struct kept_tasks kept;
	enum sabir_error error = keep_tasks(u->lane, u->handle, &kept);
	if (!error)
		kept_tasks_fini(&kept);
	return error;
}
/* In front of others' operations: what a copier that is in the middle of it, or has died, has left. */
static enum sabir_error begin_copying_tasks(const struct upkeep *u)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(u->lane, SEG_OP_TASK_CHANGE, u->handle, &q);
	return error ? error : tasks_leave(&q, tasks_log_begin(&q, 1));
}
static enum sabir_error keep_up_memory(const struct upkeep *u)
{
	object_sweep(u->lane);
	arena_reclaim(u->lane);
	arena_trim(u->lane, 0, CLOCK_NEVER);
	return SABIR_OK;
}

/* What becomes due next, as often as there may be sessions: leases that are over, ends that were begun. */
static enum sabir_error expire_sessions(const struct upkeep *u)
{
	struct sessions *all = front_sessions(u->world);
	for (int i = 0; i < 4; i++)
		sessions_expire(all, u->lane, sessions_next(all));
	front_turn(u->world, u->lane);
	return SABIR_OK;
}
/* A program attaches, and goes. */
static enum sabir_error attach(const struct upkeep *u)
{
	struct segment *seg = u->lane->seg;
	struct lane lane;
	uint32_t owner;
	enum sabir_error error = owner_open(seg, 1, "another", &owner);
	if (error)
		return error;
	error = lane_open(seg, owner, &lane);
	if (!error)
		lane_close(&lane);
	owner_close(seg, owner);
	return error;
}
/* A thread that comes, leaves memory in the cache of its lane, and goes. */
static enum sabir_error use_lane(const struct upkeep *u)
{
	struct lane lane;
	struct seg_block *block;
	enum sabir_error error = lane_open(u->lane->seg, u->lane->owner, &lane);
	if (error)
		return error;
	lane_begin(&lane, SEG_OP_READ, 0);
	error = block_alloc(&lane, SEG_LINE, 0, &block);
	if (!error)
		block_free(&lane, block);
	lane_end(&lane);
	lane_close(&lane);
	return error;
}
static enum sabir_error ring(const struct upkeep *u)
{
	front_serve(u->world, u->lane, false);
	return SABIR_OK;
}
static enum sabir_error be_late(const struct upkeep *u)
{
	front_serve(u->world, u->lane, true);
	return SABIR_OK;
}
/* In front of others: a server has begun to end all sessions, and died. */
static enum sabir_error begin_ending_sessions(const struct upkeep *u)
{
	for (uint32_t i = 0; i < u->world->seg.n_owners; i++)
		if (front_is_session(u->world, i))
			session_record_end(&u->world->seg, i);
	front_drop(u->world);
	return SABIR_OK;
}

static const struct {
	const char *name;
	upkeep_act *act;
} acts[] = {
	{ "server:expire", expire_objects },
	{ "server:tasks", settle_tasks },
	{ "server:copy", copy_tasks },
	{ "server:copying", begin_copying_tasks },
	{ "server:entries", remove_due_entries },
	{ "server:collect", collect },
	{ "server:memory", keep_up_memory },
	{ "server:attach", attach },
	{ "server:lane", use_lane },
	{ "server:sessions", expire_sessions },
	{ "server:ending", begin_ending_sessions },
	{ "server:ring", ring },
	{ "server:late", be_late },
};
#define N_ACTS (sizeof(acts) / sizeof(acts[0]))

upkeep_act *upkeep_find(const char *name)
{
	for (size_t i = 0; i < N_ACTS; i++)
		if (!strcmp(acts[i].name, name))
			return acts[i].act;
	return NULL;
}

size_t upkeep_count(void)
{
	return N_ACTS;
}

const char *upkeep_at(size_t i)
{
	return acts[i].name;
}
