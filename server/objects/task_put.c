/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting into a task queue.
 *
 *   chain of private blocks ──lock──► room? id known? ──► phase COMMITTED ──► each into its set, off the chain, one transaction each
 *
 * The items are copied before the lock is taken. From COMMITTED on the put is decided: if the lane dies, its recovery,
 * which has the lock still, goes on with what is left of the chain. So a put of many is one step for everybody.
 */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "server/objects/task_parts.h"

/* ---------------------------------------------------------------- chains */

void tasks_drop_chain(struct lane *by, struct seg_lane *of, uint32_t of_id, uint32_t *head)
{
	uint32_t ref = load32_relaxed(&of->hand[TASK_HAND_FREED]);
	/* A dead lane may have had a block between the chain and its freedom; one that heads the chain still leads to the rest. */
	if (of != by->shared && ref != load32_relaxed(head))
		arena_free_of(by, ref, of_id);
	while ((ref = load32_relaxed(head)) != 0) {
		struct seg_block *block = segment_at(by->seg, ref, sizeof(*block));
		uint64_t word = block ? load64_relaxed(&block->word) : 0;
		uint32_t next = block ? load32_relaxed(&block->next) : 0;
		/* One that leads to itself was here already: the chain is a ring. */
		if (block_state(word) != SEG_BLOCK_PRIVATE || block_lane(word) != of_id || next == ref) {
			store32_relaxed(head, 0);
			return;
		}
		store32_relaxed(&of->hand[TASK_HAND_FREED], ref);
		fence_compiler();
		FAULT("task_chain.noted");
		store32_relaxed(head, next);
		FAULT("task_chain.shortened");
		fence_compiler();
		store32_relaxed(&block->next, ref);
		if (of == by->shared)
			block_free(by, block);
		else
			arena_free_of(by, ref, of_id);
	}
}

static void fill_item(struct seg_task *item, const struct queue_item *from, const struct task_put *how, uint64_t now,
		      uint64_t ttl_ns)
{
	uint8_t *data = (uint8_t *)(item + 1);
	memset(&item->order, 0, sizeof(*item) - sizeof(item->block));
	item->block.len = (uint32_t)(from->head.len + from->body.len);
	item->priority = how->priority;
	item->expires = ttl_ns ? tasks_after(now, ttl_ns) : 0;
	item->time.key = how->delay_ns ? (int64_t)tasks_after(now, how->delay_ns) : 0;
	if (from->head.len)
		memcpy(data, from->head.data, from->head.len);
	if (from->body.len)
		memcpy(data + from->head.len, from->body.data, from->body.len);
}

/* The blocks of the items, last first, as the chain that begins in the lane's intent. */
static enum sabir_error make_chain(struct tasks *q, const struct queue_item *items, uint32_t n,
				   const struct task_put *how)
{
	struct seg_lane *shared = q->lane->shared;
	uint64_t ttl_ns = how->ttl_ns ? how->ttl_ns : load64_relaxed(&q->body->ttl_ns), now = task_clock();
	for (uint32_t i = n; i-- > 0;) {
		struct seg_block *block;
		size_t size = sizeof(struct seg_task) + items[i].head.len + items[i].body.len;
		enum sabir_error error = block_alloc(q->lane, size, TASK_HAND_ITEM, &block);
		if (error)
			return error;
		fill_item((struct seg_task *)block, &items[i], how, now, ttl_ns);
		store32_relaxed(&block->next, load32_relaxed(&shared->chain));
		fence_compiler();
		store32_relaxed(&shared->chain, segment_ref(q->seg, block));
		FAULT("task_put.chained");
	}
	return SABIR_OK;
}

static enum sabir_error make_id(struct tasks *q, struct span id)
{
	struct seg_block *block;
	enum sabir_error error = block_alloc(q->lane, sizeof(struct seg_task_id) + id.len, TASK_HAND_ID, &block);
	if (error)
		return error;
	struct seg_task_id *made = (struct seg_task_id *)block;
	memset(&made->hash, 0, sizeof(*made) - sizeof(made->block));
	block->len = (uint32_t)id.len;
	block->next = 0;
	made->hash.key = (int64_t)tasks_id_hash(q, id);
	made->until = tasks_after(task_clock(), load64_relaxed(&q->body->dedup_window_ns));
	memcpy(made + 1, id.data, id.len);
	store64_relaxed(&q->lane->shared->args[0], segment_ref(q->seg, block));
	FAULT("task_put.id_made");
	return SABIR_OK;
}

/* A block that the lane `of` has made: what is a queue's already, of this put or of another queue, is not put. */
static bool is_made_by(const struct segment *seg, const struct seg_lane *of, const struct seg_block *block)
{
	uint64_t word = block ? load64_relaxed(&block->word) : 0;
	uint32_t id = (uint32_t)(of - seg->lanes) + 1;
	return block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == id;
}

/* Cuts off the chain behind its first k items. */
static void cut_chain(struct tasks *q, uint32_t k)
{
	struct seg_lane *shared = q->lane->shared;
	struct seg_block *block = NULL;
	uint32_t ref = load32_relaxed(&shared->chain);
	for (uint32_t i = 0; i < k && ref; i++) {
		block = segment_at(q->seg, ref, sizeof(*block));
		ref = is_made_by(q->seg, shared, block) ? load32_relaxed(&block->next) : 0;
	}
	if (!block || !ref)
		return;
	store32_relaxed(&shared->doomed, ref);
	fence_compiler();
	FAULT("task_put.cutting");
	store32_relaxed(&block->next, 0);
	FAULT("task_put.cut");
	tasks_drop_chain(q->lane, shared, q->lane->id, &shared->doomed);
}

/* ---------------------------------------------------------------- ids */

uint64_t tasks_id_hash(const struct tasks *q, struct span id)
{
	/* Under a secret: who chooses ids must not be able to have them all at one place. */
	return XXH3_64bits_withSeed(id.len ? id.data : (const uint8_t *)"", id.len, q->seg->hash_seed);
}

enum sabir_error tasks_find_id(struct tasks *q, struct span id, bool *known)
{
	const struct skip ids = tasks_ids(q);
	int64_t hash = (int64_t)tasks_id_hash(q, id), key = INT64_MIN;
	uint64_t ordinal = 0;
	uint32_t ref;
	enum sabir_error error = skip_find(&ids, hash, 0, &ref);
	bool found = false;
	while (!error && ref && !found) {
		struct seg_skip *node = skip_node(&ids, ref);
		struct seg_task_id *at = segment_at(q->seg, ref, sizeof(*at) + id.len);
		if (!node || !at || !skip_pass(node, &key, &ordinal))
			return SABIR_DATA_LOSS;
		if (node->key != hash)
			break;
		found = at->block.len == id.len && !memcmp(at + 1, id.data, id.len);
		ref = load32_relaxed(&node->next[0]);
	}
	if (!error)
		*known = found;
	return error;
}

/* The same by ref, of at least so many bytes; NULL: it is none. */
static void *made_block(const struct segment *seg, const struct seg_lane *of, uint32_t ref, uint64_t size)
{
	struct seg_block *block = block_size(seg, ref) >= size ? segment_at(seg, ref, size) : NULL;
	return is_made_by(seg, of, block) ? block : NULL;
}

/* Part of an item's transaction. */
static enum sabir_error insert_id(struct tasks *q, struct seg_lane *of, uint64_t ordinal)
{
	const struct skip ids = tasks_ids(q);
	uint32_t ref = (uint32_t)load64_relaxed(&of->args[0]), last_ref = load32_relaxed(&q->body->id_last);
	struct seg_task_id *id = made_block(q->seg, of, ref, sizeof(*id));
	struct seg_block *last = last_ref && skip_node(&ids, last_ref) ? segment_at(q->seg, last_ref, sizeof(*last))
								       : NULL;
	if (!id || (last_ref && !last))
		return SABIR_DATA_LOSS;
	id->hash.ordinal = ordinal;
	if (skip_insert(&ids, ref))
		return SABIR_DATA_LOSS;
	tasks_adopt(q, &id->block);
	journal_store32(q->lane, last ? &last->next : &q->body->id_first, ref);
	journal_store32(q->lane, &q->body->id_last, ref);
	tasks_count(q, &q->body->n_ids, 1);
	journal_store64(q->lane, &of->args[0], 0);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- put */

static void place(struct tasks *q, struct seg_task *item, uint64_t ordinal)
{
	uint32_t discipline = load32_relaxed(&q->body->discipline);
	item->order.ordinal = item->time.ordinal = ordinal;
	item->order.key = 0;
	if (discipline == SEG_TASK_LIFO)
		item->order.key = -(int64_t)ordinal;
	else if (discipline == SEG_TASK_PRIORITY)
		item->order.key = item->priority;
}

/* What becomes of a new item first, and when. */
static enum sabir_error link_new(struct tasks *q, struct seg_task *item)
{
	uint64_t due = (uint64_t)item->time.key, expires = item->expires;
	uint32_t state = due ? SEG_TASK_DELAYED : SEG_TASK_READY;
	if (expires && (!due || expires < due))
		due = expires;
	return tasks_link(q, item, state, due);
}

static enum sabir_error insert_first(struct tasks *q, struct seg_lane *of)
{
	uint64_t ordinal = load64_relaxed(&q->body->next_ordinal);
	struct seg_task *item = made_block(q->seg, of, load32_relaxed(&of->chain), sizeof(*item));
	if (!item)
		return SABIR_DATA_LOSS;
	place(q, item, ordinal);
	enum sabir_error error = link_new(q, item);
	if (!error && load64_relaxed(&of->args[0]))
		error = insert_id(q, of, ordinal);
	if (error)
		return error;
	tasks_adopt(q, &item->block);
	tasks_count(q, &q->body->next_ordinal, 1);
	tasks_count(q, &q->body->unfinished, 1);
	journal_store32(q->lane, &of->chain, load32_relaxed(&item->block.next));
	tasks_commit(q);
	tasks_note(q, CHANGE_PUT);
	return SABIR_OK;
}

enum sabir_error tasks_insert_chain(struct tasks *q, struct seg_lane *of)
{
	enum sabir_error error = SABIR_OK;
	while (!error && load32_relaxed(&of->chain)) {
		error = insert_first(q, of);
		FAULT("task_put.inserted");
	}
	return error;
}

/* With the lock: puts as much of the chain as has room, unless it is not to be. */
static enum sabir_error publish(struct tasks *q, uint32_t n, struct span id, uint32_t *accepted, bool *duplicate)
{
	struct seg_lane *shared = q->lane->shared;
	uint64_t max = load64_relaxed(&q->body->max_items), held = tasks_held(q);
	bool known = false;
	if (q->body->closed)
		return SABIR_CLOSED;
	enum sabir_error error = id.len ? tasks_find_id(q, id, &known) : SABIR_OK;
	if (error)
		return error;
	if (known) {
		*duplicate = true;
		*accepted = 0;
		return SABIR_OK;
	}
	if (max && held >= max)
		return SABIR_FULL;
	if (max && n > max - held) {
		n = (uint32_t)(max - held);
		cut_chain(q, n);
	}
	lane_publishes(q->lane);
	FAULT("task_put.prepared");
	record32(&shared->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
	FAULT("task_put.decided");
	error = tasks_insert_chain(q, shared);
	if (error)
		return error;
	*duplicate = false;
	*accepted = n;
	return SABIR_OK;
}

static enum sabir_error check(const struct tasks *q, const struct queue_item *items, uint32_t n,
			      const struct task_put *how)
{
	uint64_t most = load64_relaxed(&q->body->max_item_bytes);
	if (how->priority && load32_relaxed(&q->body->discipline) != SEG_TASK_PRIORITY)
		return SABIR_NOT_ENABLED;
	if (how->id.len && !load64_relaxed(&q->body->dedup_window_ns))
		return SABIR_NOT_ENABLED;
	if (n == 0 || (how->id.len && n != 1) || how->id.len > TASK_ID_MAX)
		return SABIR_INVALID_ARGUMENT;
	if (most > q->seg->max_item_bytes)
		most = q->seg->max_item_bytes;
	for (uint32_t i = 0; i < n; i++)
		if (items[i].head.len > most || items[i].body.len > most - items[i].head.len)
			return SABIR_TOO_LARGE;
	return SABIR_OK;
}

void tasks_abandon(struct lane *lane)
{
	struct seg_lane *shared = lane->shared;
	if (load32_relaxed(&shared->op) != SEG_OP_TASK_PUT)
		return;
	uint32_t ref = (uint32_t)load64_relaxed(&shared->args[0]);
	struct seg_block *id = ref && block_size(lane->seg, ref) ? segment_at(lane->seg, ref, sizeof(*id)) : NULL;
	tasks_drop_chain(lane, shared, lane->id, &shared->chain);
	store64_relaxed(&shared->args[0], 0);
	if (is_made_by(lane->seg, shared, id))
		block_free(lane, id);
	record32(&shared->hand[TASK_HAND_ITEM], 0);
	record32(&shared->hand[TASK_HAND_ID], 0);
}

static enum sabir_error put_once(struct lane *lane, uint64_t handle, const struct queue_item *items, uint32_t n,
				 const struct task_put *how, uint32_t *accepted, bool *duplicate)
{
	struct tasks q;
	enum sabir_error error = tasks_begin(lane, SEG_OP_TASK_PUT, handle, &q);
	if (error)
		return error;
	error = check(&q, items, n, how);
	if (!error)
		error = make_chain(&q, items, n, how);
	if (!error && how->id.len)
		error = make_id(&q, how->id);
	if (error) {
		tasks_abandon(lane);
		object_leave(lane);
		return error;
	}
	error = tasks_lock(&q);
	return error ? error : tasks_end(&q, publish(&q, n, how->id, accepted, duplicate));
}

enum sabir_error task_queue_put(struct lane *lane, uint64_t handle, const struct queue_item *items, uint32_t n,
				const struct task_put *how, uint32_t *accepted, bool *duplicate)
{
	enum sabir_error error = put_once(lane, handle, items, n, how, accepted, duplicate);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = put_once(lane, handle, items, n, how, accepted, duplicate);
	return error;
}
