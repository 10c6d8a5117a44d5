/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task queue as a whole: making and describing it, joining, pausing, closing, clearing.
 *
 * Its states: open or closed, running or paused, each for itself. A closed queue takes no more items; it is CLOSED for
 * getters only when nothing is left, also on lease or delayed, that could become ready. What is dead counts for nothing.
 */
#include "server/objects/task_queue.h"

#include <string.h>
#include <sys/random.h>

#include "server/objects/task_parts.h"
#include "server/objects/task_token.h"

/* ---------------------------------------------------------------- joining */

enum sabir_error task_queue_task_done(struct lane *lane, uint64_t handle)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	if (!q.body->joinable) {
		error = SABIR_NOT_ENABLED;
	} else if (!q.body->unfinished) {
		error = SABIR_TASK_DONE_TOO_OFTEN;
	} else {
		tasks_finish_one(&q);
		tasks_commit(&q);
	}
	return tasks_end(&q, error);
}

enum sabir_error task_queue_join(struct lane *lane, uint64_t handle)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	if (!q.body->joinable)
		error = SABIR_NOT_ENABLED;
	else if (q.body->unfinished)
		error = SABIR_WOULD_BLOCK;
	return tasks_end(&q, error);
}

/* ---------------------------------------------------------------- states */

enum sabir_error task_queue_size(struct lane *lane, uint64_t handle, struct task_queue_size *size)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	*size = (struct task_queue_size){ .ready = q.body->n_ready,
					  .delayed = q.body->n_delayed,
					  .leased = q.body->n_leased,
					  .dead = q.body->n_dead,
					  .unfinished = q.body->joinable ? q.body->unfinished : 0,
					  .max_items = q.body->max_items,
					  .closed = q.body->closed != 0,
					  .paused = q.body->paused != 0 };
	return tasks_end(&q, SABIR_OK);
}

enum sabir_error task_queue_close(struct lane *lane, uint64_t handle)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	q.changed = !load32_relaxed(&q.body->closed);
	lane_publishes(lane);
	store32_release(&q.body->closed, 1);
	FAULT("task_close.marked");
	q.change = CHANGE_CLOSED;
	q.items = q.room = true;
	return tasks_end(&q, SABIR_OK);
}

enum sabir_error task_queue_pause(struct lane *lane, uint64_t handle, bool paused)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	q.changed = (load32_relaxed(&q.body->paused) != 0) != paused;
	lane_publishes(lane);
	store32_release(&q.body->paused, paused);
	FAULT("task_pause.marked");
	q.items = true;
	return tasks_end(&q, SABIR_OK);
}

/* ---------------------------------------------------------------- clear */

static enum sabir_error remove_set(struct tasks *q, const struct skip *set, uint64_t *removed)
{
	uint32_t ref;
	while ((ref = skip_first(set)) != 0) {
		struct seg_task *item = tasks_item(q, ref);
		enum sabir_error error = item ? tasks_drop(q, item, item->state != SEG_TASK_DEAD) : SABIR_DATA_LOSS;
		if (error)
			return error;
		++*removed;
	}
	return SABIR_OK;
}

static enum sabir_error remove_delayed(struct tasks *q, uint64_t *removed)
{
	const struct skip timed = tasks_timed(q);
	int64_t key = INT64_MIN;
	uint64_t ordinal = 0;
	uint32_t ref;
	enum sabir_error error;
	while (!(error = skip_find(&timed, key, ordinal, &ref)) && ref) {
		struct seg_task *item = tasks_item(q, ref);
		if (!item || !skip_pass(&item->time, &key, &ordinal))
			return SABIR_DATA_LOSS;
		if (item->state != SEG_TASK_DELAYED)
			continue;
		error = tasks_drop(q, item, true);
		if (error)
			return error;
		++*removed;
	}
	return error;
}

enum sabir_error tasks_remove_all(struct tasks *q, uint64_t *removed)
{
	const struct skip ready = tasks_ready(q), dead = tasks_dead(q);
	uint64_t n = 0;
	enum sabir_error error = remove_set(q, &ready, &n);
	if (!error)
		error = remove_set(q, &dead, &n);
	if (!error)
		error = remove_delayed(q, &n);
	*removed = n;
	return error;
}

enum sabir_error task_queue_clear(struct lane *lane, uint64_t handle, uint64_t *removed)
{
	struct tasks q;
	uint64_t n = 0;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CLEAR, handle, &q);
	if (error)
		return error;
	lane_publishes(lane);
	/* Decided: who dies now has his recovery do the rest, so it is one step for everybody. */
	store32_relaxed(&lane->shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("task_clear.decided");
	error = tasks_remove_all(&q, &n);
	if (!error && n) {
		q.change = CHANGE_TAKEN;
		q.n_changed = n;
	}
	error = tasks_end(&q, error);
	if (!error)
		*removed = n;
	return error;
}

/* ---------------------------------------------------------------- the server's part */

#define SEND_AGAIN_NS 1000000000u

bool task_queue_alarm(struct lane *lane, uint32_t index, uint64_t *handle, uint64_t *at_ns)
{
	struct tasks q;
	uint64_t entry = object_handle_of(lane->seg, index);
	if (tasks_begin(lane, SEG_OP_READ, entry, &q))
		return false;
	uint64_t at = load64_acquire(&q.body->alarm);
	if (load64_relaxed(&q.body->n_dead) && load32_relaxed(&q.body->block.len)) {
		/* Their queue is not there yet, or who was to send them off has died. */
		uint64_t again = task_clock() + SEND_AGAIN_NS;
		at = again < at ? again : at;
	}
	object_leave(lane);
	*at_ns = at;
	*handle = entry;
	return true;
}

enum sabir_error task_queue_settle(struct lane *lane, uint64_t handle)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	/* tasks_leave sets it to what comes next. Who dies in between has the bell rung by his recovery. */
	store64_release(&q.body->alarm, TASK_NEVER);
	FAULT("task_settle.alarm_off");
	error = tasks_end(&q, SABIR_OK);
	return error;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_task_queue *q;
	struct seg_block *block;
	uint64_t key[TASK_KEY_WORDS];
	(void)index;
	if (spec->dead_letter.len > SEG_TASK_DEAD_LETTER_MAX || spec->task.discipline > SEG_TASK_PRIORITY)
		return SABIR_INVALID_ARGUMENT;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return SABIR_INTERNAL;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(*q), SEG_TASK_DEAD_LETTER_MAX, TASK_HAND_ITEM, &block);
	if (error)
		return error;
	q = (struct seg_task_queue *)block;
	q->max_items = spec->max_items;
	q->max_item_bytes = spec->max_item_bytes ? spec->max_item_bytes : lane->seg->max_item_bytes;
	q->discipline = spec->task.discipline;
	q->joinable = spec->task.joinable;
	q->max_attempts = spec->task.max_attempts;
	q->dedup_window_ns = spec->task.dedup_window_ns;
	q->ttl_ns = spec->task.ttl_ns;
	memcpy(q->token_key, key, sizeof(key));
	q->next_ordinal = 1;
	q->alarm = TASK_NEVER;
	q->block.len = (uint32_t)spec->dead_letter.len;
	if (spec->dead_letter.len)
		memcpy(q + 1, spec->dead_letter.data, spec->dead_letter.len);
	*body = block;
	return SABIR_OK;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct tasks q;
	if (!tasks_view(lane, index, object, &q))
		return;
	const struct seg_task_queue *body = q.body;
	uint32_t len = load32_relaxed(&body->block.len);
	info->length = load64_relaxed(&body->n_ready);
	info->memory_bytes = block_size(q.seg, segment_ref(q.seg, body)) + load64_relaxed(&body->bytes);
	info->closed = load32_relaxed(&body->closed);
	info->max_items = body->max_items;
	info->max_item_bytes = body->max_item_bytes;
	info->task = (struct task_spec){ .discipline = body->discipline,
					 .joinable = body->joinable != 0,
					 .max_attempts = body->max_attempts,
					 .dedup_window_ns = body->dedup_window_ns,
					 .ttl_ns = body->ttl_ns };
	info->dead_letter_len = len <= SEG_TASK_DEAD_LETTER_MAX ? len : 0;
	memcpy(info->dead_letter, body + 1, info->dead_letter_len);
}

const struct object_kind task_queue_kind = {
	.create = create,
	.destroy = tasks_destroy,
	.recover = tasks_recover,
	.describe = describe,
	.owner_gone = tasks_owner_gone,
	.scan = tasks_scan,
};
