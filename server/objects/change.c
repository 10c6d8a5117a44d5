/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The changes of an object: writing them down, and what a death leaves of that.
 *
 *   publish ──► lock ──► sequence claimed (head + 1) ──► record ──► unlock ──► watchers told
 *                └─ held by somebody who does not go on ──► sequence claimed, no record
 *
 * Records are a ring; the sequence s stands at s % SEG_N_CHANGES with s as its stamp. A claim makes nobody wait: a sequence
 * below `head` whose record is not there is a gap, and tells a watcher that something has changed and that he has to look at
 * everything. So it may be left by who can't have the lock (its holder is stopped), by who dies before he has written, and, on
 * purpose, by the recovery of a lane that died with the object in its hands. It comes behind the store that it
 * is for, as a record does: who looks at the object after he was told sees that store.
 *
 * Only the holder of the log's lock writes records, so none is ever mixed from two. A holder that was stopped and goes on
 * later writes one with an old stamp, which is a gap for who looks for the new one.
 *
 * A log begins at a sequence taken from the clock, so that the next one of the same object begins above all of the last.
 */
#include "server/objects/change.h"

#include <sched.h>
#include <string.h>

#include "server/base/fault.h"
#include "server/objects/change_parts.h"

/* Somebody who runs has the lock for some ten stores. Who was preempted gets his processor back, who was stopped doesn't. */
#define LOCK_SPINS 200
#define LOCK_YIELDS 20

struct seg_changes *change_log(const struct segment *seg, uint32_t index)
{
	uint32_t ref = (uint32_t)load64_seq(&seg->objects[index].changes);
	struct seg_changes *log = ref ? segment_at(seg, ref, CHANGE_LOG_SIZE) : NULL;
	if (!log || block_size(seg, ref) < CHANGE_LOG_SIZE)
		return NULL;
	return block_is_of(&log->block, index) ? log : NULL;
}

/* ---------------------------------------------------------------- writing */

static bool take_lock(const struct lane *lane, struct seg_changes *log)
{
	for (int i = 0; i < LOCK_SPINS + LOCK_YIELDS; i++) {
		uint64_t none = 0;
		if (load64_relaxed(&log->lock) == 0 && cas64(&log->lock, &none, lane->id))
			return true;
		if (i < LOCK_SPINS)
			cpu_relax();
		else
			sched_yield();
	}
	return false;
}

static void write_record(struct seg_changes *log, uint64_t sequence, const struct change *change)
{
	struct seg_change *record = change_at(log, sequence);
	store64_relaxed(&record->stamp, 0);
	/* Pairs with the second look at the stamp: who finds what is written below finds another stamp too. */
	fence_release();
	store64_relaxed(&record->first, change->first);
	store64_relaxed(&record->count, change->count);
	store32_relaxed(&record->what, change->what);
	store32_relaxed(&record->key_len, change->key_len);
	FAULT("change.writing");
	if (change->key_len)
		memcpy(record->key, change->key, change->key_len);
	/* Pairs with the first look at the stamp. */
	store64_release(&record->stamp, sequence);
}

static void append(struct lane *lane, uint32_t index, const struct change *change)
{
	struct seg_changes *log = change_log(lane->seg, index);
	if (!log)
		return;
	FAULT("change.found");
	bool locked = take_lock(lane, log);
	FAULT("change.locked");
	uint64_t sequence = fetch_add64(&log->head, 1);
	FAULT("change.claimed");
	if (locked) {
		write_record(log, sequence, change);
		FAULT("change.written");
		store64_release(&log->lock, 0);
	}
	FAULT("change.unlocked");
	event_notify(lane->seg, index, SEG_EVENT_CHANGED, INT32_MAX);
	FAULT("change.told");
}

/* The live pipe that the object is a queue of, and for which of its ends; 0: it is none. */
static uint32_t pipe_of(const struct segment *seg, uint32_t index, uint64_t *end)
{
	uint64_t whole = load64_relaxed(&seg->objects[index].part_of);
	uint32_t at = object_index(whole);
	if (!at || at >= seg->n_objects)
		return 0;
	const struct seg_object *o = &seg->objects[at];
	const struct seg_pipe *pipe = object_body(seg, o, sizeof(*pipe));
	/* In an operation: what is LIVE now keeps its memory until that ends. */
	if (load64_seq(&o->word) != ((whole & 0xffffffff00000000ull) | SEG_OBJECT_LIVE) || !pipe ||
	    load32_relaxed(&o->kind) != SEG_KIND_PIPE)
		return 0;
	*end = object_index(load64_relaxed(&pipe->queue[1])) == index;
	/* Whatever the queue's entry says, the pipe has to lead to it. */
	return *end || object_index(load64_relaxed(&pipe->queue[0])) == index ? at : 0;
}

void change_note_slow(struct lane *lane, uint32_t index, uint32_t what, uint64_t first, uint64_t count)
{
	struct change change = { .what = what, .first = first, .count = count };
	append(lane, index, &change);
	uint32_t pipe = pipe_of(lane->seg, index, &change.first);
	if (pipe)
		append(lane, pipe, &change);
}

void change_note_key(struct lane *lane, uint32_t index, uint32_t what, struct span key)
{
	struct change change = { .what = what };
	if (!change_watched(&lane->seg->objects[index]))
		return;
	if (key.data && key.len <= sizeof(change.key)) {
		change.key_len = (uint32_t)key.len;
		memcpy(change.key, key.data, key.len);
	}
	append(lane, index, &change);
}

/* ---------------------------------------------------------------- death */

void change_recover_other(struct lane *by, uint32_t dead_id, uint32_t index)
{
	struct seg_changes *log = change_log(by->seg, index);
	if (!log)
		return;
	/* Without the lock: its holder may wait for his own recovery. */
	(void)fetch_add64(&log->head, 1);
	FAULT("change_recover.gap");
	uint64_t held = dead_id;
	(void)cas64(&log->lock, &held, 0);
}

/* A log that was being made or ended: it is in use, or it goes. */
static void recover_log(struct lane *by, const struct seg_lane *dead, uint32_t index)
{
	uint32_t ref = (uint32_t)load64_relaxed(&dead->args[0]);
	/* What is in use by the object otherwise is none. */
	if (ref && ref != (uint32_t)load64_seq(&by->seg->objects[index].changes) &&
	    ref != load32_relaxed(&by->seg->objects[index].body) && block_size(by->seg, ref) >= CHANGE_LOG_SIZE)
		object_free_block(by, index, ref);
}

void change_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index)
{
	uint32_t op = load32_relaxed(&dead->op);
	uint64_t end;
	if (op == SEG_OP_NONE || op == SEG_OP_READ)
		return;
	if (op == SEG_OP_WATCH) {
		recover_log(by, dead, index);
		return;
	}
	change_recover_other(by, dead_id, index);
	uint32_t pipe = pipe_of(by->seg, index, &end);
	if (!pipe)
		return;
	change_recover_other(by, dead_id, pipe);
	event_notify_all(by->seg, pipe);
}
