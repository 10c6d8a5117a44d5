/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items on hold: taken out of their slots, and not yet handed over to the third party that they are for.
 *
 *   in the lane's chain ──► held, LIVE again ──queue_settle──► freed
 *                                 └────────────queue_unhold──► returned: at its old place
 *
 * A queue has one list of held items, in the order of taking, under the object's lock; each names its holder: a number,
 * and the entry of an owner, which is not used again before its holds have been given back. The list and the counter
 * change together, an item in one transaction. A death leaves an item in the dead lane's chain, from where it goes back
 * as after any get, or on hold, from where it goes back when the owner is let go.
 *
 * When the queue is deleted its sweep frees them, but for those that are lent (their holder is a borrower) by a live owner:
 *
 *   held, by a borrower ──queue_loan_over: the holder is 0──► freed by the next sweep
 *          └── the owner is dead: freed by the sweep that owner_recover makes
 *
 * The bound of the queue counts held items; between the taking of an item and its being counted a put may get in.
 */
#include "server/objects/change.h"
#include "server/objects/object_word.h"
#include "server/objects/queue_kind.h"
#include "server/objects/refs.h"

#define OWNER_BITS 21u
#define BORROWER (1ull << 63)

_Static_assert(SEG_MAX_OWNERS < 1u << OWNER_BITS, "an owner's entry fits");

uint64_t queue_holder(uint64_t number, uint32_t owner)
{
	return number << OWNER_BITS | (owner + 1);
}

uint64_t queue_borrower(uint64_t number, uint32_t owner)
{
	return queue_holder(number, owner) | BORROWER;
}

/* ---------------------------------------------------------------- the list */

/* A held item, and the link that leads to it. */
struct held {
	uint32_t *link;
	uint32_t ref;
	uint32_t before; /* ref of the item in front, or 0 */
	struct ring ring;
	bool damaged; /* the list is, and there may be more in it */
	struct seg_item *item;
};

static struct held first_held(struct queue *q)
{
	return (struct held){ .link = &q->body->held };
}

static void is_damaged(struct queue *q, struct held *at)
{
	(void)queue_damaged(q);
	at->damaged = true;
}

static void go_on(struct held *at)
{
	at->before = at->ref;
	at->link = &at->item->block.next;
}

/*
 * Goes to the next item of the holder, from the link on, which has to lead elsewhere each time; false: there is none, or the
 * list is damaged.
 */
static bool find_held(struct queue *q, uint64_t holder, uint64_t mask, struct held *at)
{
	for (; (at->ref = load32_relaxed(at->link)) != 0; go_on(at)) {
		at->item = queue_listed(q, at->ref);
		if (!at->item || ring_closes(&at->ring, at->ref)) {
			is_damaged(q, at);
			return false;
		}
		if ((load64_relaxed(&at->item->last) & mask) == holder)
			return true;
	}
	return false;
}

/* Stores what takes the item out of the list; behind everything that a reader has to see before. */
static void unlink_held(struct queue *q, const struct held *at, uint32_t next)
{
	uint32_t n = load32_relaxed(&q->body->n_held);
	if (!next)
		journal_store32(q->lane, &q->body->held_last, at->before);
	journal_store32(q->lane, &q->body->n_held, n ? n - 1 : 0);
}

/* What it refers to is not to be missed while it moves. */
static void note_refs(struct queue *q, const struct seg_item *item, uint32_t ref)
{
	uint32_t len;
	if (queue_item_at(q->seg, ref, &len))
		refs_enter(q->lane, q->object, (struct span){ (const uint8_t *)(item + 1), len });
}

/* ---------------------------------------------------------------- holding */

/* Puts the item that was taken last, the head of the lane's chain, behind those that are held. */
static enum sabir_error hold_taken(struct queue *q, uint64_t holder)
{
	struct lane *lane = q->lane;
	uint32_t ref = load32_relaxed(&lane->shared->chain);
	uint32_t last = load32_relaxed(&q->body->held_last);
	struct seg_item *item = segment_at(q->seg, ref, sizeof(*item));
	struct seg_item *behind = last ? queue_listed(q, last) : NULL;
	uint64_t word = item ? load64_relaxed(&item->block.word) : 0;
	bool taken = block_state(word) == SEG_BLOCK_TAKEN && block_lane(word) == lane->id;
	if (!taken || (last && !behind))
		return queue_damaged(q);
	note_refs(q, item, ref);
	journal_store32(lane, &lane->shared->chain, load32_relaxed(&item->block.next));
	journal_store32(lane, &item->block.next, 0);
	journal_store64(lane, &item->last, holder);
	/* A new tag: a getter that saw the item in its slot must not take it. */
	journal_store64(lane, &item->block.word, block_word(SEG_BLOCK_LIVE, 0, q->index, block_tag(word) + 1));
	journal_store32(lane, behind ? &behind->block.next : &q->body->held, ref);
	journal_store32(lane, &q->body->held_last, ref);
	journal_store32(lane, &q->body->n_held, load32_relaxed(&q->body->n_held) + 1);
	journal_commit(lane);
	FAULT("queue_hold.held");
	return SABIR_OK;
}

static enum sabir_error hold_locked(struct queue *q, uint32_t n, uint64_t holder, struct bytes *out)
{
	uint64_t ordinal = QUEUE_ANY;
	uint32_t taken = 0;
	enum sabir_error error = n ? SABIR_OK : SABIR_INVALID_ARGUMENT;
	while (!error && taken < n) {
		error = queue_take(q, out, &ordinal);
		if (!error)
			error = hold_taken(q, holder);
		taken += !error;
	}
	/* What was damaged after it had been taken. */
	if (load32_relaxed(&q->lane->shared->chain))
		queue_commit_taken(q, 1);
	return taken ? SABIR_OK : error;
}

/* Every operation here has the object's lock, and the same record as a get. */
static enum sabir_error enter_locked(struct lane *lane, uint64_t handle, struct queue *q)
{
	enum sabir_error error = queue_enter(lane, SEG_OP_QUEUE_GET, handle, q);
	if (error)
		return error;
	error = lock_acquire(lane, &q->object->lock);
	if (error)
		queue_leave(q);
	q->locked = true;
	return error;
}

static void leave_locked(struct queue *q)
{
	lock_release(q->lane, &q->object->lock);
	FAULT("queue_hold.unlocked");
}

enum sabir_error queue_hold(struct lane *lane, uint64_t handle, uint32_t n, uint64_t holder, struct bytes *out)
{
	struct queue q;
	enum sabir_error error = enter_locked(lane, handle, &q);
	if (error)
		return error;
	size_t before = out->n_items;
	error = hold_locked(&q, n, holder, out);
	if (out->n_items > before)
		change_note(lane, q.index, CHANGE_TAKEN, 0, out->n_items - before);
	leave_locked(&q);
	queue_leave(&q);
	return error;
}

enum sabir_error queue_borrow(struct lane *lane, uint64_t handle, uint64_t holder, struct span *item)
{
	struct queue q;
	struct span found;
	enum sabir_error error = enter_locked(lane, handle, &q);
	if (error)
		return error;
	error = queue_take_in_place(&q, &found);
	if (!error)
		error = hold_taken(&q, holder);
	/* What was damaged after it had been taken. */
	if (load32_relaxed(&lane->shared->chain))
		queue_commit_taken(&q, 1);
	if (!error)
		change_note(lane, q.index, CHANGE_TAKEN, 0, 1);
	leave_locked(&q);
	queue_leave(&q);
	if (!error)
		*item = found;
	return error;
}

/* ---------------------------------------------------------------- the two ends */

/* Who waits on a closed queue for items that won't come back must learn that it is drained. */
static void tell_drained(struct queue *q)
{
	uint64_t ordinal;
	bool closed = false;
	if (!load32_relaxed(&q->body->n_held) && !queue_end_ordinal(q, &ordinal, &closed) && closed)
		event_notify_all(q->seg, q->index);
}

enum sabir_error queue_settle(struct lane *lane, uint64_t handle, uint64_t holder, uint32_t n, uint32_t *gone)
{
	struct queue q;
	uint32_t done = 0;
	enum sabir_error error = enter_locked(lane, handle, &q);
	if (error)
		return error;
	struct held at = first_held(&q);
	for (; done < n && find_held(&q, holder, UINT64_MAX, &at); done++) {
		uint32_t next = load32_relaxed(&at.item->block.next);
		unlink_held(&q, &at, next);
		if (!queue_unlink_block(&q, NULL, at.link, at.ref, next)) {
			is_damaged(&q, &at);
			break;
		}
		FAULT("queue_hold.settled");
	}
	leave_locked(&q);
	if (done && load64_relaxed(&q.body->max_items))
		event_notify(q.seg, q.index, SEG_EVENT_ROOM, done);
	if (done)
		tell_drained(&q);
	queue_leave(&q);
	if (at.damaged && !done)
		return SABIR_DATA_LOSS;
	*gone = done;
	return SABIR_OK;
}

/* In one transaction. The items of a holder mostly follow each other, so the search goes on at *place. */
static bool return_held(struct queue *q, const struct held *at, uint32_t **place)
{
	struct lane *lane = q->lane;
	uint64_t ordinal = load64_relaxed(&at->item->ordinal);
	uint64_t word = load64_relaxed(&at->item->block.word);
	uint32_t next = load32_relaxed(&at->item->block.next);
	uint32_t *to = queue_returned_link(q, *place, ordinal);
	if (!to)
		return false;
	note_refs(q, at->item, at->ref);
	journal_store32(lane, at->link, next);
	journal_store32(lane, &at->item->block.next, load32_relaxed(to));
	journal_store64(lane, &at->item->block.word, block_word(SEG_BLOCK_LIVE, 0, q->index, block_tag(word) + 1));
	journal_store32(lane, to, at->ref);
	/* Before it is held no more: pairs with take_any, which must see it in one of the numbers. */
	journal_store32(lane, &q->body->n_returned, load32_relaxed(&q->body->n_returned) + 1);
	unlink_held(q, at, next);
	journal_commit(lane);
	FAULT("queue_hold.returned");
	*place = &at->item->block.next;
	return true;
}

/* Of holders whose word, under the mask, is `holder`. Errors: NOT_HELD (they have nothing). */
static enum sabir_error give_back(struct lane *lane, uint64_t handle, uint64_t holder, uint64_t mask)
{
	struct queue q;
	enum sabir_error error = enter_locked(lane, handle, &q);
	if (error)
		return error;
	uint32_t *place = &q.body->returned;
	uint64_t before = 0, n = 0;
	struct held at = first_held(&q);
	while (find_held(&q, holder, mask, &at)) {
		uint64_t ordinal = load64_relaxed(&at.item->ordinal);
		if (ordinal < before)
			place = &q.body->returned;
		before = ordinal;
		if (!return_held(&q, &at, &place)) {
			is_damaged(&q, &at);
			break;
		}
		n++;
	}
	if (n)
		change_note(lane, q.index, CHANGE_PUT, 0, n);
	leave_locked(&q);
	event_notify_all(q.seg, q.index);
	queue_leave(&q);
	if (n)
		return SABIR_OK;
	return at.damaged ? SABIR_DATA_LOSS : SABIR_NOT_HELD;
}

enum sabir_error queue_return(struct lane *lane, uint64_t handle, uint64_t holder)
{
	return give_back(lane, handle, holder, UINT64_MAX);
}

enum sabir_error queue_unhold(struct lane *lane, uint64_t handle, uint64_t holder)
{
	enum sabir_error error = queue_return(lane, handle, holder);
	return error == SABIR_NOT_HELD ? SABIR_OK : error;
}

/* ---------------------------------------------------------------- loans of a deleted queue */

static bool is_of(const struct seg_item *item, uint32_t index)
{
	uint64_t word = load64_acquire(&item->block.word);
	return block_state(word) == SEG_BLOCK_LIVE && block_object(word) == index;
}

bool queue_is_lent(const struct segment *seg, const struct seg_item *item, uint32_t index)
{
	/* Pairs with queue_loan_over. */
	uint64_t holder = load64_acquire(&item->last);
	uint32_t owner = (uint32_t)(holder & ((1u << OWNER_BITS) - 1)) - 1;
	return holder & BORROWER && owner < seg->n_owners && (owner_now(seg, owner) & 15) == SEG_OWNER_LIVE &&
	       is_of(item, index);
}

void queue_loan_over(struct lane *lane, uint64_t handle, uint64_t holder, struct span value)
{
	struct segment *seg = lane->seg;
	uint32_t index = object_index(handle);
	uint64_t off = (uint64_t)(value.data - seg->base);
	if (index >= seg->n_objects || off < seg->data_off + sizeof(struct seg_item) || off >= seg->size)
		return;
	struct seg_item *item = (struct seg_item *)(seg->base + off) - 1;
	/* As long as it is the holder's it is no other block. Pairs with queue_is_lent: what was read is read. */
	uint64_t word = load64_acquire(&seg->objects[index].word);
	if (object_state(word) == SEG_OBJECT_LIVE || word >> 32 != handle >> 32 || !is_of(item, index) ||
	    !cas64(&item->last, &holder, 0))
		return;
	FAULT("queue_loan.over");
	(void)object_sweep_again(lane, index);
	FAULT("queue_loan.swept");
}

/* ---------------------------------------------------------------- dead owners */

void queue_kept_gone(struct lane *by, uint32_t index, struct seg_object *object, uint64_t owner)
{
	struct queue q = { .lane = by, .seg = by->seg, .object = object, .index = index };
	q.body = object_body(by->seg, object, sizeof(*q.body));
	if (!q.body)
		return;
	for (struct held at = first_held(&q); find_held(&q, (uint32_t)owner, (1u << OWNER_BITS) - 1, &at); go_on(&at))
		store64_release(&at.item->last, 0);
}

/* Comes for every queue and every owner that is gone, most of which have never held anything. */
enum sabir_error queue_owner_gone(struct lane *by, uint64_t handle, uint64_t owner)
{
	struct queue q;
	enum sabir_error error = queue_enter(by, SEG_OP_READ, handle, &q);
	if (error)
		return SABIR_OK;
	bool some = load32_acquire(&q.body->n_held) != 0;
	queue_leave(&q);
	if (!some)
		return SABIR_OK;
	error = give_back(by, handle, (uint32_t)owner, (1u << OWNER_BITS) - 1);
	return error == SABIR_BUSY ? error : SABIR_OK;
}
