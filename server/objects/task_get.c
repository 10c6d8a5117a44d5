/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking from a task queue, for good or on a lease.
 *
 * For good: READY ──► private, in the lane's chain ──► copied ──► phase COMMITTED ──► freed. Until COMMITTED, the one publishing
 * store of the get, recovery brings the chain back, each to its old place. One that stays open is committed behind its return,
 * without the lock. On a lease: copied, then one transaction makes it
 * LEASED; the item stays the queue's, so there is nothing to bring back.
 *
 * A token is the item's ref and the low half of the lease's number, sealed with the queue's key: it leads to the item
 * without a search, and is good as long as the item still has that lease. Whoever has it may use it; it can't be guessed.
 */
#include <string.h>

#include "server/objects/task_parts.h"
#include "server/objects/task_token.h"

/* ---------------------------------------------------------------- get */

static enum sabir_error first_ready(struct tasks *q, struct seg_task **item, struct span *value)
{
	const struct skip ready = tasks_ready(q);
	uint32_t ref = q->body->paused ? 0 : skip_first(&ready);
	if (!ref)
		return q->body->closed && !tasks_held(q) ? SABIR_CLOSED : SABIR_EMPTY;
	*item = tasks_item_value(q, ref, value);
	return *item && load32_relaxed(&(*item)->state) == SEG_TASK_READY ? SABIR_OK : SABIR_DATA_LOSS;
}

static uint64_t token_of(const struct tasks *q, const struct seg_task *item, uint64_t number)
{
	return task_token_seal(q->body->token_key, (uint64_t)segment_ref(q->seg, item) << 32 | (uint32_t)number);
}

static enum sabir_error lease_item(struct tasks *q, struct seg_task *item, uint64_t lease_ns, struct task_lease *lease)
{
	uint64_t number = load64_relaxed(&q->body->next_lease) + 1, token;
	uint32_t attempts = load32_relaxed(&item->attempts) + 1;
	/* An item that has no lease has the number 0, and 0 is no token. */
	while (!(uint32_t)number || !(token = token_of(q, item, number)))
		number++;
	enum sabir_error error = tasks_unlink(q, item);
	if (!error)
		error = tasks_link(q, item, SEG_TASK_LEASED, tasks_after(q->now, lease_ns));
	if (error)
		return error;
	journal_store64(q->lane, &q->body->next_lease, number);
	journal_store64(q->lane, &item->lease, number);
	journal_store64(q->lane, &item->holder, q->lane->actor.owner);
	journal_store32(q->lane, &item->attempts, attempts);
	tasks_commit(q);
	tasks_note(q, CHANGE_TAKEN);
	*lease = (struct task_lease){ token, attempts };
	return SABIR_OK;
}

static enum sabir_error take_item(struct tasks *q, struct seg_task *item)
{
	struct seg_lane *shared = q->lane->shared;
	enum sabir_error error = tasks_unlink(q, item);
	if (error)
		return error;
	tasks_disown(q, &item->block);
	journal_store32(q->lane, &item->block.next, load32_relaxed(&shared->chain));
	journal_store32(q->lane, &shared->chain, segment_ref(q->seg, item));
	tasks_commit(q);
	tasks_note(q, CHANGE_TAKEN);
	FAULT("task_get.taken");
	return SABIR_OK;
}

static enum sabir_error note_place(const struct seg_task *item, struct bytes *places)
{
	const struct task_place place = { .key = item->order.key,
					  .ordinal = item->order.ordinal,
					  .expires = item->expires,
					  .origin = item->origin,
					  .priority = item->priority,
					  .attempts = item->attempts };
	return bytes_add(places, &place, sizeof(place));
}

/* What a get wants, and where it goes. */
struct wish {
	uint32_t n;
	uint64_t lease_ns;         /* 0: for good */
	struct task_lease *leases; /* n of them, or NULL */
	struct bytes *places;      /* or NULL */
	bool open;                 /* it stays so, if it takes something */
};

/* One more item into `out`, the i-th. Errors: EMPTY also where it would pass the limit. */
static enum sabir_error get_one(struct tasks *q, const struct wish *wish, uint32_t i, struct bytes *out)
{
	struct seg_task *item;
	struct span value;
	enum sabir_error error = first_ready(q, &item, &value);
	if (!error && !bytes_fits(out, value.len))
		error = SABIR_EMPTY;
	/* First, so that nothing has a place that is not in `out`. */
	if (!error && !bytes_reserve(out, value.len))
		error = SABIR_NO_MEMORY;
	if (!error && wish->places)
		error = note_place(item, wish->places);
	if (!error)
		error = bytes_add(out, value.data, value.len);
	if (!error)
		error = wish->lease_ns ? lease_item(q, item, wish->lease_ns, &wish->leases[i]) : take_item(q, item);
	return error;
}

/* The publishing store of a get for good. */
static void commit_taken(struct tasks *q)
{
	struct seg_lane *shared = q->lane->shared;
	fence_compiler();
	record32(&shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("task_get.committed");
	tasks_drop_chain(q->lane, shared, q->lane->id, &shared->chain);
	record32(&shared->phase, SEG_PHASE_OPEN);
	FAULT("task_get.freed");
	q->room = true;
}

static enum sabir_error get(struct lane *lane, uint64_t handle, const struct wish *wish, struct bytes *out)
{
	struct tasks q;
	uint32_t taken = 0;
	enum sabir_error error = wish->n ? SABIR_OK : SABIR_INVALID_ARGUMENT;
	if (!error)
		error = tasks_enter(lane, SEG_OP_TASK_GET, handle, &q);
	if (error)
		return error;
	while (!error && taken < wish->n) {
		error = get_one(&q, wish, taken, out);
		taken += !error;
	}
	if (error == SABIR_DATA_LOSS)
		journal_undo(lane);
	bool open = wish->open && taken && error != SABIR_DATA_LOSS;
	if (load32_relaxed(&lane->shared->chain) && !open)
		commit_taken(&q);
	if (taken && error != SABIR_DATA_LOSS)
		error = SABIR_OK;
	if (open) {
		q.room = true;
		q.changed = false; /* it is noted when it is over */
	}
	return open ? tasks_unlock(&q, error) : tasks_end(&q, error);
}

enum sabir_error task_queue_get(struct lane *lane, uint64_t handle, uint32_t n, uint64_t lease_ns, struct bytes *out,
				struct task_lease *leases)
{
	return get(lane, handle, &(struct wish){ .n = n, .lease_ns = lease_ns, .leases = leases }, out);
}

enum sabir_error task_queue_take(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				 struct bytes *places)
{
	return get(lane, handle, &(struct wish){ .n = n, .places = places }, out);
}

enum sabir_error task_queue_take_open(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				      struct bytes *places)
{
	return get(lane, handle, &(struct wish){ .n = n, .places = places, .open = true }, out);
}

static void drop_taken(struct lane *lane)
{
	tasks_drop_chain(lane, lane->shared, lane->id, &lane->shared->chain);
}

/* The queue of a get that is open; false: it is damaged, and what was taken is gone, so that no later operation finds it. */
static bool reenter(struct lane *lane, struct tasks *q)
{
	uint64_t handle = load64_relaxed(&lane->shared->handle);
	uint32_t index = object_index(handle);
	struct seg_object *o = index < lane->seg->n_objects ? &lane->seg->objects[index] : NULL;
	/* It is the object that the lane works on, unless somebody has written over one of the two. */
	bool fine = o && index == load32_relaxed(&lane->shared->object) &&
		    load32_relaxed(&o->kind) == SEG_KIND_TASK_QUEUE && tasks_view(lane, index, o, q);
	q->handle = handle;
	if (!fine)
		drop_taken(lane);
	return fine;
}

void task_queue_take_close(struct lane *lane, uint32_t n)
{
	struct tasks q;
	bool send = false;
	if (reenter(lane, &q)) {
		commit_taken(&q);
		change_note(lane, q.index, CHANGE_TAKEN, 0, n);
		send = q.body->n_dead && q.body->block.len;
	}
	object_leave(lane);
	if (send)
		tasks_send_dead(lane, q.handle);
}

enum sabir_error task_queue_take_abandon(struct lane *lane)
{
	struct tasks q;
	if (!reenter(lane, &q)) {
		object_leave(lane);
		return SABIR_OK;
	}
	enum sabir_error error = lock_acquire(lane, &q.object->lock);
	if (error == SABIR_BUSY)
		return error;
	if (error) { /* the queue is damaged, and takes nothing back */
		drop_taken(lane);
		object_leave(lane);
		return SABIR_OK;
	}
	error = tasks_return_chain(&q, lane->shared, lane->id);
	if (error) {
		journal_undo(lane); /* part of it may be linked already */
		drop_taken(lane);
	}
	q.items = true;
	q.changed = false;
	(void)tasks_end(&q, error);
	return SABIR_OK;
}

enum sabir_error task_queue_peek(struct lane *lane, uint64_t handle, struct bytes *out)
{
	struct tasks q;
	struct seg_task *item;
	struct span value;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = first_ready(&q, &item, &value);
	if (!error)
		error = bytes_add(out, value.data, value.len);
	return tasks_end(&q, error);
}

/* ---------------------------------------------------------------- leases */

static enum sabir_error leased_item(struct tasks *q, uint64_t token, struct seg_task **item)
{
	uint64_t lease = task_token_open(q->body->token_key, token);
	struct seg_task *at = tasks_item(q, (uint32_t)(lease >> 32));
	if (!at || !(uint32_t)lease || (uint32_t)load64_relaxed(&at->lease) != (uint32_t)lease ||
	    load32_relaxed(&at->state) != SEG_TASK_LEASED)
		return SABIR_LEASE_LOST;
	*item = at;
	return SABIR_OK;
}

enum sabir_error task_queue_ack(struct lane *lane, uint64_t handle, uint64_t token)
{
	struct tasks q;
	struct seg_task *item;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = leased_item(&q, token, &item);
	if (!error)
		error = tasks_drop(&q, item, true);
	return tasks_end(&q, error);
}

enum sabir_error task_queue_nack(struct lane *lane, uint64_t handle, uint64_t token, uint64_t delay_ns)
{
	struct tasks q;
	struct seg_task *item;
	enum sabir_error error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = leased_item(&q, token, &item);
	if (!error)
		error = tasks_give_back(&q, item, delay_ns);
	error = tasks_end(&q, error);
	return error;
}

enum sabir_error task_queue_extend(struct lane *lane, uint64_t handle, uint64_t token, uint64_t lease_ns)
{
	struct tasks q;
	struct seg_task *item;
	enum sabir_error error = lease_ns ? SABIR_OK : SABIR_INVALID_ARGUMENT;
	if (!error)
		error = tasks_enter(lane, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error;
	error = leased_item(&q, token, &item);
	if (!error)
		error = tasks_unlink(&q, item);
	if (!error)
		error = tasks_link(&q, item, SEG_TASK_LEASED, tasks_after(q.now, lease_ns));
	if (!error)
		tasks_commit(&q);
	return tasks_end(&q, error);
}

/*
 * All leases of an owner that is gone. The walk goes on behind the place where it was: what it gives back has another one
 * by then.
 */
enum sabir_error tasks_owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	struct tasks q;
	int64_t key = INT64_MIN;
	uint64_t ordinal = 0;
	uint32_t ref;
	enum sabir_error error = tasks_enter(by, SEG_OP_TASK_CHANGE, handle, &q);
	if (error)
		return error == SABIR_BUSY ? error : SABIR_OK;
	const struct skip timed = tasks_timed(&q);
	while (!(error = skip_find(&timed, key, ordinal, &ref)) && ref) {
		struct seg_task *item = tasks_item(&q, ref);
		if (!item || !skip_pass(&item->time, &key, &ordinal)) {
			error = SABIR_DATA_LOSS;
			break;
		}
		bool held = item->state == SEG_TASK_LEASED && item->holder == owner;
		error = held ? tasks_give_back(&q, item, 0) : SABIR_OK;
		if (error)
			break;
	}
	(void)tasks_end(&q, error);
	return SABIR_OK;
}
