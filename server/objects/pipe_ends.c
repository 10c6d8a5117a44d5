/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of a pipe: who holds them, and what happens when nobody does any more.
 *
 *   never opened ──open──► held, by one entry for each open ──last entry gone──► closed ──► told
 *
 * An entry is one word with its owner, so that the death of an owner leads to it. Entries and the three sets of bits are
 * written under the object's lock, each by one store that is right by itself: whoever dies between two of them was an
 * owner, and pipe_owner_gone, which comes for every dead owner, finishes what is left. Who only asks whether he holds an
 * end reads without the lock: nobody else writes his entries while he lives.
 *
 * "Closed" is told to the queues behind the operation, because that is an operation of its own: the queue of what the end
 * sent is closed, its receiver drains it; the queue of what it would have received is closed and emptied.
 */
#include "server/base/fault.h"
#include "server/objects/change.h"
#include "server/objects/pipe_parts.h"
#include "server/objects/refs.h"
#include "server/objects/ring.h"

#define HAND_HOLDERS 0u

/* The next segment of a list of holders, NULL at its end, or where the list leads astray. */
static struct seg_holders *holders_at(const struct pipe *p, uint32_t ref, struct ring *ring)
{
	if (!ref || ring_closes(ring, ref))
		return NULL;
	struct seg_holders *h = block_size(p->seg, ref) >= sizeof(*h) ? segment_at(p->seg, ref, sizeof(*h)) : NULL;
	uint64_t word = h ? load64_acquire(&h->block.word) : 0;
	bool its = block_is_joining(p->seg, ref, word, p->index, HAND_HOLDERS) ||
		   /* published since */
		   (h && block_is_of(&h->block, p->index));
	return its ? h : NULL;
}

enum sabir_error pipe_holders(const struct pipe *p, uint32_t end, uint64_t owner, uint32_t *n)
{
	uint32_t ref = load32_acquire(&p->body->holders[end]), found = 0;
	struct ring seen = { 0 };
	while (ref) {
		struct seg_holders *h = holders_at(p, ref, &seen);
		if (!h)
			return object_damaged(p->object);
		for (uint32_t i = 0; i < SEG_N_HOLDERS; i++) {
			uint64_t holder = load64_relaxed(&h->owner[i]);
			found += holder && (!owner || holder == owner);
		}
		ref = load32_acquire(&h->block.next);
	}
	*n = found;
	return SABIR_OK;
}

bool pipe_held(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct pipe p = { .lane = lane, .seg = lane->seg, .object = object, .index = index };
	uint32_t n = 0;
	p.body = object_body(lane->seg, object, sizeof(*p.body));
	for (uint32_t end = 0; p.body && !n && end < PIPE_N_ENDS; end++)
		(void)pipe_holders(&p, end, 0, &n);
	return n != 0;
}

/* ---------------------------------------------------------------- open */

/* A new segment with one entry, at the end of the list. */
static enum sabir_error append_holders(struct pipe *p, uint32_t *link, uint64_t owner)
{
	struct seg_block *block;
	enum sabir_error error = block_alloc_zeroed(p->lane, sizeof(struct seg_holders), 0, HAND_HOLDERS, &block);
	if (error)
		return error;
	struct seg_holders *h = (struct seg_holders *)block;
	h->owner[0] = owner;
	/* Linked first: a recovery finds it in the list, and can tell that it is not to be freed. */
	lane_publishes(p->lane);
	store32_release(link, segment_ref(p->seg, block));
	FAULT("pipe_open.linked");
	block_publish(block, p->index);
	store32_relaxed(&p->lane->shared->hand[HAND_HOLDERS], 0);
	return SABIR_OK;
}

static enum sabir_error add_holder(struct pipe *p, uint32_t end, uint64_t owner)
{
	uint32_t *link = &p->body->holders[end], ref;
	struct ring seen = { 0 };
	while ((ref = load32_relaxed(link)) != 0) {
		struct seg_holders *h = holders_at(p, ref, &seen);
		if (!h)
			return object_damaged(p->object);
		for (uint32_t i = 0; i < SEG_N_HOLDERS; i++) {
			if (load64_relaxed(&h->owner[i]))
				continue;
			lane_publishes(p->lane);
			store64_release(&h->owner[i], owner);
			return SABIR_OK;
		}
		link = &h->block.next;
	}
	return append_holders(p, link, owner);
}

static void set_bit(uint16_t *bits, uint32_t end)
{
	store16_release(bits, load16_relaxed(bits) | (uint16_t)(1u << end));
}

static enum sabir_error open_locked(struct pipe *p, uint32_t end)
{
	if (pipe_bit(&p->body->closed, end))
		return SABIR_CLOSED;
	refs_mark(p->seg, p->object);
	enum sabir_error error = add_holder(p, end, p->lane->actor.owner);
	FAULT("pipe_open.held");
	/* Behind the entry: an end that is opened and has none is one to be closed. */
	if (!error)
		set_bit(&p->body->opened, end);
	FAULT("pipe_open.opened");
	return error;
}

/* Makes the queues, before the first end is open. */
static enum sabir_error make_queues(struct lane *lane, uint64_t handle)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	struct pipe p;
	uint64_t part;
	enum sabir_error error = pipe_enter(lane, SEG_OP_READ, handle, &p);
	if (error)
		return error;
	spec.max_items = load64_relaxed(&p.body->max_items);
	spec.max_item_bytes = load64_relaxed(&p.body->max_item_bytes);
	bool one_way = load16_relaxed(&p.body->flags) & SEG_PIPE_ONE_WAY;
	pipe_leave(&p);
	error = object_part(lane, handle, 0, &spec, &part);
	return error || one_way ? error : object_part(lane, handle, 1, &spec, &part);
}

static enum sabir_error check_end(const struct lane *lane, uint32_t end)
{
	if (end >= PIPE_N_ENDS)
		return SABIR_INVALID_ARGUMENT;
	return lane->actor.owner ? SABIR_OK : SABIR_SESSION_REQUIRED;
}

static enum sabir_error open_once(struct lane *lane, uint64_t handle, uint32_t end)
{
	struct pipe p;
	/* Each time: an end is never open without the queues that it leads to. */
	enum sabir_error error = make_queues(lane, handle);
	if (!error)
		error = pipe_enter(lane, SEG_OP_PIPE_OPEN, handle, &p);
	if (error)
		return error;
	error = lock_acquire(lane, &p.object->lock);
	if (!error) {
		error = open_locked(&p, end);
		if (!error)
			change_note(lane, p.index, CHANGE_OTHER, end, 0);
		lock_release(lane, &p.object->lock);
	}
	pipe_leave(&p);
	return error;
}

enum sabir_error pipe_open(struct lane *lane, uint64_t handle, uint32_t end)
{
	enum sabir_error error = check_end(lane, end);
	if (!error)
		error = open_once(lane, handle, end);
	if (error == SABIR_RESOURCE_EXHAUSTED && arena_make_room(lane))
		error = open_once(lane, handle, end);
	return error;
}

/* ---------------------------------------------------------------- close */

/* Takes entries of the owner off, one or all. Errors: CLOSED (there was none), DATA_LOSS. */
static enum sabir_error remove_holder(struct pipe *p, uint32_t end, uint64_t owner, bool all)
{
	uint32_t ref = load32_relaxed(&p->body->holders[end]);
	struct ring seen = { 0 };
	bool removed = false;
	while (ref && (all || !removed)) {
		struct seg_holders *h = holders_at(p, ref, &seen);
		if (!h)
			return object_damaged(p->object);
		for (uint32_t i = 0; i < SEG_N_HOLDERS && (all || !removed); i++) {
			if (load64_relaxed(&h->owner[i]) != owner)
				continue;
			lane_publishes(p->lane);
			store64_release(&h->owner[i], 0);
			removed = true;
			FAULT("pipe_close.let_go");
		}
		ref = load32_relaxed(&h->block.next);
	}
	return removed ? SABIR_OK : SABIR_CLOSED;
}

/* Under the lock: an end that was opened and that nobody holds any more is closed. */
static enum sabir_error close_if_left(struct pipe *p, uint32_t end)
{
	uint32_t n;
	if (!pipe_bit(&p->body->opened, end) || pipe_bit(&p->body->closed, end))
		return SABIR_OK;
	enum sabir_error error = pipe_holders(p, end, 0, &n);
	if (!error && n == 0)
		set_bit(&p->body->closed, end);
	FAULT("pipe_close.closed");
	return error;
}

static void note_left(const struct pipe *p, uint32_t end)
{
	bool closed = pipe_bit(&p->body->closed, end);
	change_note(p->lane, p->index, closed ? CHANGE_CLOSED : CHANGE_OTHER, end, 0);
}

/* The owner's other threads may wait at the end that it no longer holds. */
static void wake(const struct pipe *p)
{
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++) {
		uint32_t index = object_index(pipe_queue(p, end));
		if (index)
			event_notify_all(p->seg, index);
	}
}

enum sabir_error pipe_close(struct lane *lane, uint64_t handle, uint32_t end)
{
	struct pipe p;
	enum sabir_error error = check_end(lane, end);
	if (!error)
		error = pipe_enter(lane, SEG_OP_PIPE_CLOSE, handle, &p);
	if (error)
		return error;
	error = lock_acquire(lane, &p.object->lock);
	if (!error) {
		error = remove_holder(&p, end, lane->actor.owner, false);
		if (!error)
			error = close_if_left(&p, end);
		if (!error)
			note_left(&p, end);
		lock_release(lane, &p.object->lock);
	}
	bool tell = load16_relaxed(&p.body->closed) != load16_relaxed(&p.body->told);
	if (!error)
		wake(&p);
	pipe_leave(&p);
	if (tell)
		(void)pipe_tell(lane, handle);
	return error;
}

/* ---------------------------------------------------------------- what the queues are told */

/* A mark that does not fit into the memory is not needed by those who look at the bits; they only have to look. */
static void close_queue(struct lane *lane, uint64_t queue)
{
	if (object_index(queue) && queue_close(lane, queue) == SABIR_RESOURCE_EXHAUSTED)
		event_notify_all(lane->seg, object_index(queue));
}

enum sabir_error pipe_tell(struct lane *lane, uint64_t handle)
{
	struct pipe p;
	uint64_t queue[PIPE_N_ENDS], removed;
	enum sabir_error error = SABIR_OK;
	if (pipe_enter(lane, SEG_OP_READ, handle, &p))
		return SABIR_OK;
	uint16_t closed = load16_acquire(&p.body->closed);
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++)
		queue[end] = pipe_queue(&p, end);
	pipe_leave(&p);

	for (uint32_t end = 0; end < PIPE_N_ENDS; end++) {
		if (!(closed >> end & 1))
			continue;
		close_queue(lane, queue[1 - end]);
		FAULT("pipe_tell.one");
		close_queue(lane, queue[end]);
		if (object_index(queue[end]) && queue_clear(lane, queue[end], &removed) == SABIR_BUSY)
			error = SABIR_BUSY;
	}
	FAULT("pipe_tell.both");
	if (error || pipe_enter(lane, SEG_OP_READ, handle, &p))
		return error;
	/* Others may tell at the same time: whatever they store, it was told. */
	store16_release(&p.body->told, closed);
	pipe_leave(&p);
	return SABIR_OK;
}

/* Whether the owner's end leaves something to do here. */
static bool concerns(const struct pipe *p, uint64_t owner)
{
	bool any = load16_acquire(&p->body->closed) != load16_acquire(&p->body->told);
	for (uint32_t end = 0; !any && end < PIPE_N_ENDS; end++) {
		uint32_t mine = 0, all = 1;
		if (pipe_holders(p, end, owner, &mine) || pipe_holders(p, end, 0, &all))
			return false;
		any = mine || (!all && pipe_bit(&p->body->opened, end) && !pipe_bit(&p->body->closed, end));
	}
	return any;
}

static enum sabir_error let_go(struct pipe *p, uint64_t owner)
{
	enum sabir_error error = lock_acquire(p->lane, &p->object->lock);
	if (error)
		return error;
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++) {
		(void)remove_holder(p, end, owner, true);
		(void)close_if_left(p, end);
		note_left(p, end);
	}
	lock_release(p->lane, &p->object->lock);
	return SABIR_OK;
}

/*
 * Somebody who died while he emptied the queue of a closed end gave back what he had in hand, maybe when others had emptied it
 * and told everybody. His own recovery comes here behind that.
 */
static bool any_left_over(struct lane *lane, uint64_t handle)
{
	struct pipe_state state;
	if (pipe_state(lane, handle, &state))
		return false;
	return (state.closed[0] && state.n_messages[0]) || (state.closed[1] && state.n_messages[1]);
}

enum sabir_error pipe_owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	struct pipe p;
	if (pipe_enter(by, SEG_OP_PIPE_CLOSE, handle, &p))
		return SABIR_OK;
	bool work = concerns(&p, owner);
	enum sabir_error error = work ? let_go(&p, owner) : SABIR_OK;
	pipe_leave(&p);
	return !error && (work || any_left_over(by, handle)) ? pipe_tell(by, handle) : error;
}

/* ---------------------------------------------------------------- death and end */

/* A segment that the dead lane had linked but not published. All else is stores that are right by themselves. */
enum sabir_error pipe_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			      struct seg_object *object)
{
	struct pipe p = { .lane = by, .seg = by->seg, .object = object, .index = index };
	p.handle = object_handle_of(by->seg, index);
	bool opening = load32_relaxed(&dead->op) == SEG_OP_PIPE_OPEN && lock_held_by(&object->lock, dead_id);
	p.body = object_body(by->seg, object, sizeof(*p.body));
	if (!p.body || load32_relaxed(&object->kind) != SEG_KIND_PIPE)
		return SABIR_OK;
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++) {
		uint32_t ref = load32_relaxed(&p.body->holders[end]);
		struct ring seen = { 0 };
		struct seg_holders *h;
		while ((h = holders_at(&p, ref, &seen)) != NULL) {
			uint64_t word = load64_acquire(&h->block.word);
			if (block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == dead_id)
				block_publish(&h->block, index);
			ref = load32_relaxed(&h->block.next);
		}
		/* An end that is held is open: who died was a server, perhaps, and who holds the end lives. */
		uint32_t n = 0;
		(void)pipe_holders(&p, end, 0, &n);
		if (opening && n)
			set_bit(&p.body->opened, end);
	}
	if (load32_relaxed(&dead->op) == SEG_OP_PIPE_CLOSE)
		wake(&p);
	return SABIR_OK;
}

/* Takes the first segment off the list, in one transaction, and frees it. False: it is no block of this pipe. */
static bool drop_first(struct pipe *p, uint32_t *link, struct seg_holders *h, uint32_t ref)
{
	uint64_t word = load64_acquire(&h->block.word);
	if (!block_size(p->seg, ref) || block_state(word) != SEG_BLOCK_LIVE || block_object(word) != p->index)
		return false;
	store32_relaxed(&p->lane->shared->hand[0], ref);
	fence_compiler();
	journal_store64(p->lane, &h->block.word, block_word(SEG_BLOCK_PRIVATE, p->lane->id, 0, block_tag(word)));
	journal_store32(p->lane, link, load32_relaxed(&h->block.next));
	journal_commit(p->lane);
	FAULT("pipe_destroy.unlinked");
	block_free(p->lane, &h->block);
	return true;
}

void pipe_destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct seg_pipe *body = object_body(lane->seg, object, sizeof(*body));
	struct pipe p = { .lane = lane, .seg = lane->seg, .object = object, .body = body, .index = index };
	for (uint32_t end = 0; body && end < PIPE_N_ENDS; end++) {
		struct ring seen = { 0 };
		uint32_t ref;
		while ((ref = load32_relaxed(&body->holders[end])) != 0) {
			struct seg_holders *h = holders_at(&p, ref, &seen);
			if (!h || !drop_first(&p, &body->holders[end], h, ref))
				store32_relaxed(&body->holders[end], 0);
		}
	}
}
