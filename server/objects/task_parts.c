/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task queue's parts: its sets of items and the transactions on them.
 *
 *            put                 due             get with a lease
 *   (chain) ─────► DELAYED ───────────► READY ────────────────────► LEASED ──ack──► freed
 *              └──────────────────────►   ▲  └──get──► freed          │
 *                                         └── nack, end of the lease, death of the holder ── too often ──► DEAD
 *
 * Everything happens under the object's lock. A step is one transaction of the journal: whoever dies in front of its commit
 * leaves the queue as it was, whoever dies behind it as it is to be. What needs several steps (a put or a get of many, a clear) has
 * its plan in the lane's record, and recovery goes on with it or takes it back.
 *
 * An item's place in the order follows from its key and ordinal, which stay: so one that comes back stands where it stood.
 *
 * The clock is CLOCK_BOOTTIME: it is the same for all processes of the host, no administrator or time server moves it, and
 * it goes on while the machine sleeps, so that a lease of a minute ends after a minute of the world's. Who touches the queue
 * does first what is due; where nobody does, the server does, at body->alarm. An alarm that is too early costs one look.
 */
#include "server/objects/task_parts.h"
#include "server/objects/refs.h"

#include <time.h>

#ifdef SABIR_FAULTS
uint64_t task_clock_ahead_ns;
#define AHEAD_NS task_clock_ahead_ns
#else
#define AHEAD_NS 0
#endif

uint64_t task_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + AHEAD_NS;
}

/* ---------------------------------------------------------------- operations */

bool tasks_view(struct lane *lane, uint32_t index, struct seg_object *object, struct tasks *q)
{
	*q = (struct tasks){ .lane = lane, .seg = lane->seg, .object = object, .index = index };
	q->body = object_body(lane->seg, object, TASK_BODY_SIZE);
	q->now = task_clock();
	return q->body != NULL;
}

enum sabir_error tasks_begin(struct lane *lane, uint32_t op, uint64_t handle, struct tasks *q)
{
	*q = (struct tasks){ .lane = lane, .seg = lane->seg, .index = object_index(handle), .handle = handle };
	/* What an operation of another kind has left there must not be taken for ours by a recovery. */
	store64_relaxed(&lane->shared->args[0], 0);
	store64_relaxed(&lane->shared->args[1], 0);
	record32(&lane->shared->phase, SEG_PHASE_OPEN);
	fence_compiler();
	return object_enter(lane, op, handle, SEG_KIND_TASK_QUEUE, TASK_BODY_SIZE, &q->object, &q->body);
}

/* Under the lock. */
static void tell_changes(struct tasks *q)
{
	if (q->changed)
		change_note(q->lane, q->index, q->change, 0, q->n_changed);
	q->changed = false;
}

enum sabir_error tasks_lock(struct tasks *q)
{
	enum sabir_error error = lock_acquire(q->lane, &q->object->lock);
	if (error) {
		tasks_abandon(q->lane);
		object_leave(q->lane);
		return error;
	}
	FAULT("task.locked");
	q->now = task_clock();
	error = tasks_settle(q);
	tell_changes(q); /* apart from those of the operation */
	return error ? tasks_leave(q, error) : SABIR_OK;
}

enum sabir_error tasks_enter(struct lane *lane, uint32_t op, uint64_t handle, struct tasks *q)
{
	enum sabir_error error = tasks_begin(lane, op, handle, q);
	return error ? error : tasks_lock(q);
}

/* Nothing is left that a getter could wait for. */
static bool is_drained(const struct tasks *q)
{
	return q->body->closed && !tasks_held(q);
}

static void set_alarm(struct tasks *q)
{
	const struct skip timed = tasks_timed(q);
	uint32_t first = skip_first(&timed);
	struct seg_skip *node = first ? skip_node(&timed, first) : NULL;
	if (!node || (uint64_t)node->key >= load64_relaxed(&q->body->alarm))
		return;
	store64_release(&q->body->alarm, (uint64_t)node->key);
	q->ring = true;
}

enum sabir_error tasks_unlock(struct tasks *q, enum sabir_error error)
{
	struct seg_object *o = q->object;
	if (error == SABIR_DATA_LOSS) {
		journal_undo(q->lane);
		(void)object_damaged(o);
	} else {
		set_alarm(q);
		q->send = q->body->n_dead && q->body->block.len;
		q->items |= is_drained(q);
	}
	tell_changes(q);
	record32(&q->lane->shared->phase, SEG_PHASE_OPEN);
	lock_release(q->lane, &o->lock);
	FAULT("task.unlocked");
	/* All of them are woken: a wake says that something has changed, not for whom. */
	if (q->items)
		event_notify(q->seg, q->index, SEG_EVENT_ITEMS, UINT32_MAX);
	if (q->room)
		event_notify(q->seg, q->index, SEG_EVENT_ROOM, UINT32_MAX);
	if (q->done)
		event_notify(q->seg, q->index, SEG_EVENT_DONE, UINT32_MAX);
	if (q->ring)
		bell_ring(q->seg, q->index);
	return error;
}

enum sabir_error tasks_leave(struct tasks *q, enum sabir_error error)
{
	error = tasks_unlock(q, error);
	tasks_abandon(q->lane);
	object_leave(q->lane);
	return error;
}

enum sabir_error tasks_end(struct tasks *q, enum sabir_error error)
{
	error = tasks_leave(q, error);
	if (q->send)
		tasks_send_dead(q->lane, q->handle);
	return error;
}

/* ---------------------------------------------------------------- steps */

struct seg_task *tasks_item_value(const struct tasks *q, uint32_t ref, struct span *value)
{
	struct seg_task *item = segment_at(q->seg, ref, sizeof(*item));
	uint64_t size = block_size(q->seg, ref);
	if (!item || size < sizeof(*item))
		return NULL;
	uint64_t word = load64_relaxed(&item->block.word);
	if (block_state(word) != SEG_BLOCK_LIVE || block_object(word) != q->index)
		return NULL;
	uint32_t len = load32_relaxed(&item->block.len);
	if (len > q->seg->max_item_bytes || len > size - sizeof(*item))
		return NULL;
	*value = (struct span){ (const uint8_t *)(item + 1), len };
	FAULT("task.item_found");
	return item;
}

struct seg_task *tasks_item(const struct tasks *q, uint32_t ref)
{
	struct span value;
	return tasks_item_value(q, ref, &value);
}

static uint64_t *counter_of(const struct tasks *q, uint32_t state)
{
	switch (state) {
	case SEG_TASK_READY:
		return &q->body->n_ready;
	case SEG_TASK_DELAYED:
		return &q->body->n_delayed;
	case SEG_TASK_LEASED:
		return &q->body->n_leased;
	default:
		return &q->body->n_dead;
	}
}

static bool is_ordered(uint32_t state)
{
	return state == SEG_TASK_READY || state == SEG_TASK_DEAD;
}

enum sabir_error tasks_link(struct tasks *q, struct seg_task *item, uint32_t state, uint64_t due)
{
	const struct skip set = state == SEG_TASK_DEAD ? tasks_dead(q) : tasks_ready(q);
	const struct skip timed = tasks_timed(q);
	uint32_t ref = segment_ref(q->seg, item), len = load32_relaxed(&item->block.len);
	tasks_touch(q, item);
	/* Also for one that only moves: the collector looks at one set after the other. */
	if (segment_at(q->seg, ref, sizeof(*item) + (uint64_t)len))
		refs_enter(q->lane, q->object, (struct span){ (uint8_t *)(item + 1), len });
	enum sabir_error error = is_ordered(state) ? skip_insert(&set, ref) : SABIR_OK;
	journal_store32(q->lane, &item->timed, due != 0);
	if (!error && due) {
		journal_store64(q->lane, (uint64_t *)&item->time.key, due);
		error = skip_insert(&timed, ref);
	}
	journal_store32(q->lane, &item->state, state);
	tasks_count(q, counter_of(q, state), 1);
	q->items |= state == SEG_TASK_READY;
	return error;
}

enum sabir_error tasks_unlink(struct tasks *q, struct seg_task *item)
{
	uint32_t ref = segment_ref(q->seg, item), state = load32_relaxed(&item->state);
	const struct skip set = state == SEG_TASK_DEAD ? tasks_dead(q) : tasks_ready(q);
	const struct skip timed = tasks_timed(q);
	tasks_touch(q, item);
	enum sabir_error error = is_ordered(state) ? skip_remove(&set, ref) : SABIR_OK;
	if (!error && load32_relaxed(&item->timed))
		error = skip_remove(&timed, ref);
	tasks_count(q, counter_of(q, state), -1);
	return error;
}

void tasks_finish_one(struct tasks *q)
{
	uint64_t unfinished = load64_relaxed(&q->body->unfinished);
	if (!unfinished)
		return;
	journal_store64(q->lane, &q->body->unfinished, unfinished - 1);
	q->done |= unfinished == 1;
}

void tasks_adopt(struct tasks *q, struct seg_block *block)
{
	uint64_t tag = block_tag(load64_relaxed(&block->word));
	tasks_count(q, &q->body->bytes, (int64_t)block_size(q->seg, segment_ref(q->seg, block)));
	journal_store64(q->lane, &block->word, block_word(SEG_BLOCK_LIVE, 0, q->index, tag));
}

void tasks_disown(struct tasks *q, struct seg_block *block)
{
	uint32_t ref = segment_ref(q->seg, block);
	uint64_t tag = block_tag(load64_relaxed(&block->word));
	tasks_count(q, &q->body->bytes, -(int64_t)block_size(q->seg, ref));
	journal_store64(q->lane, &block->word, block_word(SEG_BLOCK_PRIVATE, q->lane->id, 0, tag));
}

void tasks_commit(struct tasks *q)
{
	FAULT("task.committing");
	journal_commit(q->lane);
	FAULT("task.committed");
	q->changed = true;
}

/* ---------------------------------------------------------------- transactions */

enum sabir_error tasks_drop(struct tasks *q, struct seg_task *item, bool done)
{
	record32(&q->lane->shared->hand[TASK_HAND_FREED], segment_ref(q->seg, item));
	fence_compiler();
	enum sabir_error error = tasks_unlink(q, item);
	if (error)
		return error;
	if (done)
		tasks_finish_one(q);
	tasks_disown(q, &item->block);
	tasks_commit(q);
	block_free(q->lane, &item->block);
	q->room = true;
	return SABIR_OK;
}

static enum sabir_error make_ready(struct tasks *q, struct seg_task *item)
{
	enum sabir_error error = tasks_unlink(q, item);
	if (!error)
		error = tasks_link(q, item, SEG_TASK_READY, load64_relaxed(&item->expires));
	if (!error)
		tasks_commit(q);
	return error;
}

enum sabir_error tasks_give_back(struct tasks *q, struct seg_task *item, uint64_t delay_ns)
{
	uint32_t most = load32_relaxed(&q->body->max_attempts);
	bool dead = most && load32_relaxed(&item->attempts) >= most;
	uint64_t expires = load64_relaxed(&item->expires), due = expires;
	if (!dead && expires && expires <= q->now)
		return tasks_drop(q, item, true);
	if (delay_ns)
		due = tasks_after(q->now, delay_ns);
	if (delay_ns && expires && expires < due)
		due = expires;
	enum sabir_error error = tasks_unlink(q, item);
	journal_store64(q->lane, &item->lease, 0);
	journal_store64(q->lane, &item->holder, 0);
	if (!error && dead) {
		error = tasks_link(q, item, SEG_TASK_DEAD, 0);
		tasks_finish_one(q); /* nobody works at it any more: who joins need not wait for it */
		q->room = true;
	} else if (!error) {
		error = tasks_link(q, item, delay_ns ? SEG_TASK_DELAYED : SEG_TASK_READY, due);
	}
	if (!error)
		tasks_commit(q);
	return error;
}

/* ---------------------------------------------------------------- time */

static enum sabir_error do_due(struct tasks *q, struct seg_task *item)
{
	uint64_t expires = load64_relaxed(&item->expires);
	if (load32_relaxed(&item->state) == SEG_TASK_LEASED)
		return tasks_give_back(q, item, 0);
	if (expires && expires <= q->now)
		return tasks_drop(q, item, true);
	return make_ready(q, item);
}

static enum sabir_error forget_id(struct tasks *q, uint32_t ref, struct seg_task_id *id)
{
	const struct skip ids = tasks_ids(q);
	uint32_t next = load32_relaxed(&id->block.next);
	record32(&q->lane->shared->hand[TASK_HAND_FREED], ref);
	fence_compiler();
	if (skip_remove(&ids, ref))
		return SABIR_DATA_LOSS;
	journal_store32(q->lane, &q->body->id_first, next);
	if (!next)
		journal_store32(q->lane, &q->body->id_last, 0);
	tasks_count(q, &q->body->n_ids, -1);
	tasks_disown(q, &id->block);
	tasks_commit(q);
	block_free(q->lane, &id->block);
	return SABIR_OK;
}

static enum sabir_error settle_ids(struct tasks *q)
{
	const struct skip ids = tasks_ids(q);
	uint32_t ref;
	while ((ref = load32_relaxed(&q->body->id_first)) != 0) {
		struct seg_task_id *id = skip_node(&ids, ref) ? segment_at(q->seg, ref, sizeof(*id)) : NULL;
		if (!id)
			return SABIR_DATA_LOSS;
		if (load64_relaxed(&id->until) > q->now)
			break;
		enum sabir_error error = forget_id(q, ref, id);
		if (error)
			return error;
	}
	return SABIR_OK;
}

enum sabir_error tasks_settle(struct tasks *q)
{
	const struct skip timed = tasks_timed(q);
	uint32_t ref;
	while ((ref = skip_first(&timed)) != 0) {
		struct seg_task *item = tasks_item(q, ref);
		if (!item)
			return SABIR_DATA_LOSS;
		if ((uint64_t)item->time.key > q->now)
			break;
		/* It would stay the first for ever. */
		if (!load32_relaxed(&item->timed))
			return SABIR_DATA_LOSS;
		enum sabir_error error = do_due(q, item);
		if (error)
			return error;
	}
	return settle_ids(q);
}
