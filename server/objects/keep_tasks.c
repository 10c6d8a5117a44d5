/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task queue's items and ids as of one moment, read while others use it: a slice at a time under its lock.
 *
 *   log begins ──► slice: what was touched since, once more; some of a set ──► … ──► everything read and nothing touched: that moment
 *
 * What is read of an item is an observation; the last of each item counts, and that it is gone is one too. At the end, still
 * under the lock, they are the queue as it is: an item that was touched since it was read has been looked at again, since the log
 * has it; one that was not stands where the walk met it. Ids are put at the end of their list and taken from its front, so a walk
 * along it, behind the sets, misses none.
 *
 * Where the log overflows all is begun anew; at last, or where there is no memory for a log, the queue is copied in one
 * piece, and others wait for that.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/objects/keep.h"
#include "server/objects/task_parts.h"

#define TRIES 3u
#define SLICE_ITEMS 1024u
#define SLICE_BYTES (512u << 10)
#define SLICE_TOUCHED 1024u
#define PAUSE_NS 50000 /* in which those who wait for the lock get it */

#ifdef SABIR_FAULTS
uint32_t keep_tasks_slice = SLICE_ITEMS;
#else
#define keep_tasks_slice SLICE_ITEMS
#endif

enum stage {
	STAGE_READY,
	STAGE_DEAD,
	STAGE_TIMED,
	STAGE_IDS,
};

struct copy {
	struct kept_tasks *kept;
	bool whole;      /* in one piece */
	uint64_t number; /* of the log */
	uint64_t seen;   /* of its entries */
	bool again;      /* something was looked at more than once */
	uint64_t n;      /* in the slice that is being read; it began at */
	size_t begin;
	enum stage stage;
	int64_t key; /* where the rest of the set begins; in STAGE_IDS: the id that was read last */
	uint64_t ordinal;
	bool some_ids;
};

/* ---------------------------------------------------------------- observations */

static enum sabir_error add(struct bytes *out, const void *head, size_t head_len, const void *data, size_t len)
{
	if (out->len + head_len + len > KEEP_MOST)
		return SABIR_TOO_LARGE;
	uint8_t *to = bytes_reserve(out, head_len + len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, head, head_len);
	memcpy(to + head_len, data, len);
	bytes_commit(out, head_len + len);
	return SABIR_OK;
}

static enum sabir_error add_item(const struct seg_task *item, struct span value, struct bytes *out)
{
	uint32_t state = load32_relaxed(&item->state);
	const struct kept_task task = {
		.priority = item->priority,
		.ordinal = item->order.ordinal,
		.due = state == SEG_TASK_DELAYED ? (uint64_t)item->time.key : 0,
		.expires = item->expires,
		.origin = item->origin,
		.attempts = item->attempts,
		.state = state,
	};
	return add(out, &task, sizeof(task), value.data, value.len);
}

static enum sabir_error look_again(struct copy *c, const struct tasks *q, const struct task_touch *touch)
{
	const struct kept_task gone = { .ordinal = touch->ordinal, .state = KEPT_TASK_GONE };
	struct span value;
	const struct seg_task *item = tasks_item_value(q, touch->ref, &value);
	c->again = true;
	if (item && item->order.ordinal == touch->ordinal)
		return add_item(item, value, &c->kept->items);
	return add(&c->kept->items, &gone, sizeof(gone), "", 0);
}

/* What was touched. EMPTY: that was all. */
static enum sabir_error read_log(struct copy *c, const struct tasks *q)
{
	struct task_touch touch, last = { 0 };
	enum sabir_error error = SABIR_OK;
	for (uint32_t n = 0; !error && n < SLICE_TOUCHED; n++) {
		error = tasks_log_read(q, c->number, &c->seen, &touch);
		/* A step out of one set and into another is two entries. */
		if (!error && (touch.ref != last.ref || touch.ordinal != last.ordinal))
			error = look_again(c, q, &touch);
		last = touch;
	}
	return error;
}

/* ---------------------------------------------------------------- slices */

static size_t copied(const struct copy *c)
{
	return c->kept->items.len + c->kept->ids.len;
}

static bool is_full(const struct copy *c)
{
	return !c->whole && (c->n >= keep_tasks_slice || copied(c) - c->begin >= SLICE_BYTES);
}

static struct skip set_of(const struct copy *c, const struct tasks *q)
{
	return c->stage == STAGE_READY ? tasks_ready(q) : c->stage == STAGE_DEAD ? tasks_dead(q) : tasks_timed(q);
}

static void next_stage(struct copy *c)
{
	c->stage++;
	c->key = INT64_MIN;
	c->ordinal = 0;
}

/* Of the set's items those that stand in no other that is read. */
static enum sabir_error read_set(struct copy *c, const struct tasks *q)
{
	const struct skip set = set_of(c, q);
	uint32_t ref;
	enum sabir_error error = skip_find(&set, c->key, c->ordinal, &ref);
	for (; !error && ref && !is_full(c); c->n++) {
		struct span value;
		const struct seg_task *item = tasks_item_value(q, ref, &value);
		const struct seg_skip *node = skip_node(&set, ref);
		if (!item || !node || !skip_pass(node, &c->key, &c->ordinal))
			return SABIR_DATA_LOSS;
		if (c->stage != STAGE_TIMED || load32_relaxed(&item->state) != SEG_TASK_READY)
			error = add_item(item, value, &c->kept->items);
		ref = load32_relaxed(&node->next[0]);
	}
	if (!error && !ref)
		next_stage(c);
	return error;
}

/* The first id that was not read: behind the last one; if that is gone, all in front of it are. */
static enum sabir_error next_id(const struct copy *c, const struct tasks *q, uint32_t *ref)
{
	const struct skip ids = tasks_ids(q);
	*ref = load32_relaxed(&q->body->id_first);
	if (!c->some_ids)
		return SABIR_OK;
	uint32_t last;
	enum sabir_error error = skip_find(&ids, c->key, c->ordinal, &last);
	const struct seg_skip *node = !error && last ? skip_node(&ids, last) : NULL;
	const struct seg_block *block = segment_at(q->seg, last, sizeof(*block));
	if (node && block && node->key == c->key && node->ordinal == c->ordinal)
		*ref = load32_relaxed(&block->next);
	return error;
}

static enum sabir_error read_ids(struct copy *c, const struct tasks *q, bool *all)
{
	const struct skip ids = tasks_ids(q);
	uint32_t ref;
	enum sabir_error error = next_id(c, q, &ref);
	for (; !error && ref && !is_full(c); c->n++) {
		struct seg_task_id *id = skip_node(&ids, ref) ? segment_at(q->seg, ref, sizeof(*id)) : NULL;
		uint32_t len = id ? load32_relaxed(&id->block.len) : 0;
		uint64_t ordinal = id ? load64_relaxed(&id->hash.ordinal) : 0;
		/* They are put in the order of their numbers, so in a ring one comes that is too low. */
		bool higher = id && (!c->some_ids || ordinal > c->ordinal);
		if (!higher || len > TASK_ID_MAX || !segment_at(q->seg, ref, sizeof(*id) + len))
			return SABIR_DATA_LOSS;
		const struct kept_id kept = { load64_relaxed(&id->until), ordinal };
		error = add(&c->kept->ids, &kept, sizeof(kept), id + 1, len);
		c->some_ids = true;
		c->key = id->hash.key;
		c->ordinal = ordinal;
		ref = load32_relaxed(&id->block.next);
	}
	*all = !ref;
	return error;
}

static void read_numbers(const struct tasks *q, struct kept_tasks *kept)
{
	const struct seg_task_queue *body = q->body;
	kept->next_ordinal = body->next_ordinal;
	kept->next_lease = body->next_lease;
	kept->unfinished = body->unfinished;
	kept->closed = body->closed != 0;
	kept->paused = body->paused != 0;
}

/* Some of what is left, and `all` if that was it. */
static enum sabir_error read_some(struct copy *c, const struct tasks *q, bool *all)
{
	enum sabir_error error = c->whole ? SABIR_EMPTY : read_log(c, q);
	bool caught_up = error == SABIR_EMPTY;
	if (caught_up)
		error = SABIR_OK;
	c->n = 0;
	c->begin = copied(c);
	while (!error && !*all && !is_full(c))
		error = c->stage == STAGE_IDS ? read_ids(c, q, all) : read_set(c, q);
	*all &= caught_up;
	if (!error && *all)
		read_numbers(q, c->kept);
	return error;
}

/* ---------------------------------------------------------------- the last observation of each */

struct seen {
	uint64_t ordinal;
	size_t item;
};

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	if (x->ordinal != y->ordinal)
		return x->ordinal < y->ordinal ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

/* The others are marked as gone. */
static enum sabir_error settle(struct bytes *items)
{
	const uint32_t gone = KEPT_TASK_GONE;
	size_t n = items->n_items;
	struct seen *order = malloc((n ? n : 1) * sizeof(*order));
	if (!order)
		return SABIR_NO_MEMORY;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *task = bytes_item(items, i).data;
		order[i].item = i;
		memcpy(&order[i].ordinal, task + offsetof(struct kept_task, ordinal), sizeof(uint64_t));
	}
	qsort(order, n, sizeof(*order), compare_seen);
	for (size_t i = 0; i + 1 < n; i++) {
		uint8_t *task = (uint8_t *)bytes_item(items, order[i].item).data;
		if (order[i].ordinal == order[i + 1].ordinal)
			memcpy(task + offsetof(struct kept_task, state), &gone, sizeof(gone));
	}
	free(order);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- all of it */

static enum sabir_error read_slice(struct copy *c, struct lane *lane, uint64_t handle, bool *all)
{
	struct tasks q;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	if (!c->whole && !c->number) {
		c->number = clock_now() | 1;
		error = tasks_log_begin(&q, c->number);
	}
	if (!error)
		error = read_some(c, &q, all);
	FAULT("keep_tasks.read");
	if (!c->whole && (error || *all))
		tasks_log_end(&q);
	return tasks_end(&q, error);
}

static enum sabir_error read_all(struct copy *c, struct lane *lane, uint64_t handle)
{
	const struct timespec pause = { 0, PAUSE_NS };
	enum sabir_error error = SABIR_OK;
	bool all = false;
	while (!error && !all) {
		error = read_slice(c, lane, handle, &all);
		if (!error && !all) {
			FAULT("keep_tasks.between");
			nanosleep(&pause, NULL);
		}
	}
	return !error && c->again ? settle(&c->kept->items) : error;
}

enum sabir_error keep_tasks(struct lane *lane, uint64_t handle, struct kept_tasks *kept)
{
	enum sabir_error error = SABIR_CHANGED;
	*kept = (struct kept_tasks){ .closed = false };
	for (uint32_t tries = 0; error && tries <= TRIES; tries++) {
		struct copy c = { .kept = kept, .whole = tries == TRIES, .key = INT64_MIN };
		bytes_empty(&kept->items);
		bytes_empty(&kept->ids);
		error = read_all(&c, lane, handle);
		/* Without the copies that do not count, it may be small enough. */
		if (!c.whole && (error == SABIR_RESOURCE_EXHAUSTED || (error == SABIR_TOO_LARGE && c.again)))
			tries = TRIES - 1;
		else if (error != SABIR_CHANGED)
			break;
	}
	if (error)
		kept_tasks_fini(kept);
	return error;
}

void kept_tasks_fini(struct kept_tasks *kept)
{
	bytes_fini(&kept->items);
	bytes_fini(&kept->ids);
}
