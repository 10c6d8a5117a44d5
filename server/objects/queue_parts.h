/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_QUEUE_PARTS_H
#define SABIR_OBJECTS_QUEUE_PARTS_H

#include "server/base/fault.h"
#include "server/objects/queue.h"
#include "server/objects/ring.h"

/* What the queue's files share. An operation's view of its queue: */
struct queue {
	struct lane *lane;
	struct segment *seg;
	struct seg_object *object;
	struct seg_queue *body;
	uint32_t index;
	uint64_t handle;
	bool locked;             /* by the caller, who has the object's lock */
	queue_accept_fn *accept; /* a get that looks first: queue_get_if */
	void *accept_context;
	uint64_t got_ordinal;   /* of the item taken last */
	struct bytes *ordinals; /* NULL, or where those of a get are noted */
	bool stays_open;        /* a get that has taken something is not committed yet */
	uint64_t looks;         /* since it got on: see queue_looks */
};

enum sabir_error queue_enter(struct lane *lane, uint32_t op, uint64_t handle, struct queue *q);
void queue_leave(struct queue *q);
enum sabir_error queue_damaged(struct queue *q);

/*
 * Whether an operation that has to look anew, because somebody was quicker, is to do so. Each look is another one's progress, or
 * leaves a segment behind; so many in a row there are only where somebody writes over the queue's words all the while.
 */
#define QUEUE_LOOKS 100000u
static inline bool queue_looks(struct queue *q)
{
	return q->looks++ < QUEUE_LOOKS + (q->seg->data_len >> SEG_REF_SHIFT);
}

/* A position: a segment of slots and an index in it. `hint` is the value of the head or tail word that led there. */
struct place {
	struct seg_slots *slots;
	uint32_t ref;
	uint32_t n;
	uint32_t i;
	uint64_t hint;
};

/* Remembers the place as where the lane goes on; `ordinal` is that of the item that will stand there (for puts). */
static inline void queue_note(const struct queue *q, struct lane_cursor *cursor, const struct place *place,
			      uint64_t ordinal)
{
	*cursor = (struct lane_cursor){ .handle = q->handle,
					.body = q->body,
					.slots = place->slots,
					.word = load64_relaxed(&place->slots->block.word),
					.ref = place->ref,
					.n = place->n,
					.i = place->i,
					.ordinal = ordinal };
}

/* Hand slots: an operation's blocks, by role. */
#define HAND_ITEM 0
#define HAND_NEW_SLOTS 2
#define HAND_OLD_SLOTS 3
#define HAND_DROPPED 4

/* A slots segment by ref, its size checked; NULL if it is none. For who reads there: it may be left behind, or not the queue's. */
struct seg_slots *queue_slots(const struct segment *seg, uint32_t ref, uint32_t *n);
/* The same for who writes there: one of the queue. One that was linked and not yet said to be the queue's is then. */
struct seg_slots *queue_own_slots(const struct queue *q, uint32_t ref, uint32_t *n);
/* The ref of the segment behind another, 0: there is none. Each begins with a higher ordinal, so there is no ring. Errors: DATA_LOSS. */
enum sabir_error queue_next_slots(const struct segment *seg, const struct seg_slots *slots, uint32_t *next);
/* An item by ref with its whole payload inside the data area; NULL if not. */
struct seg_item *queue_item_at(const struct segment *seg, uint64_t ref, uint32_t *len);

/*
 * The queue's body and its slots are LIVE and the queue's as its items are, and no items: who took one would free where others write. Slots
 * have this length.
 */
#define QUEUE_NO_ITEM UINT32_MAX
static inline bool queue_is_item(const struct queue *q, const struct seg_item *item)
{
	return (const void *)item != (const void *)q->body && load32_relaxed(&item->block.len) != QUEUE_NO_ITEM;
}

/* One of a list under the object's lock, by ref: LIVE and the queue's. NULL: the list leads astray. */
static inline struct seg_item *queue_listed(const struct queue *q, uint32_t ref)
{
	struct seg_item *item = block_size(q->seg, ref) ? segment_at(q->seg, ref, sizeof(*item)) : NULL;
	return item && block_is_of(&item->block, q->index) && queue_is_item(q, item) ? item : NULL;
}

/*
 * A chain in a slot does not change but by who takes its first item: as long as that is there, what was found in the chain
 * is so, and not on its way to be something else.
 */
struct queue_chain {
	uint64_t seen; /* in the slot */
	uint64_t word; /* of its first item */
};
static inline struct queue_chain queue_chain_at(const struct queue *q, uint64_t seen)
{
	const struct seg_item *item = seen > UINT32_MAX ? NULL : segment_at(q->seg, (uint32_t)seen, sizeof(*item));
	return (struct queue_chain){ seen, item ? load64_acquire(&item->block.word) : 0 };
}
/* Whether the chain is as it was, and nobody has taken its first item. */
static inline bool queue_chain_stands(const struct queue *q, const uint64_t *slot, const struct queue_chain *before)
{
	fence_acquire();
	struct queue_chain now = queue_chain_at(q, before->seen);
	return block_word_is_of(now.word, q->index) && now.word == before->word && load64_acquire(slot) == before->seen;
}

/*
 * The first item that nobody has taken: its place, block and LIVE word. Helps those who have taken items out of the slots
 * in front of it. Errors: EMPTY, CLOSED, DATA_LOSS.
 */
enum sabir_error queue_first(struct queue *q, struct place *place, struct seg_item **item, uint64_t *word);
/* The first free slot, and the ordinal that its item gets. Errors: CLOSED, RESOURCE_EXHAUSTED, DATA_LOSS. */
enum sabir_error queue_end(struct queue *q, struct place *place, uint64_t *ordinal);
/* The ordinal that the next item will get, and whether the queue is closed. Errors: DATA_LOSS. */
enum sabir_error queue_end_ordinal(struct queue *q, uint64_t *ordinal, bool *closed);
/* Takes a TAKEN item out of its slot; anybody may do it, once it happens. */
void queue_detach(uint64_t *slot, uint64_t seen, const struct seg_item *item);
/* Takes a LIVE item out of its slot into the lane's chain, if its word is still `word`. */
static inline bool queue_claim(struct lane *lane, uint64_t *slot, struct seg_item *item, uint32_t ref, uint64_t word)
{
	struct seg_lane *shared = lane->shared;
	record64(&shared->slot_off, (uint64_t)((uint8_t *)slot - lane->seg->base));
	record32(&shared->candidate, ref);
	fence_compiler();
	FAULT("queue_get.found");
	uint64_t taken = block_word(SEG_BLOCK_TAKEN, lane->id, 0, block_tag(word));
	if (!cas64(&item->block.word, &word, taken))
		return false;
	FAULT("queue_get.taken");
	/* The end of a chain is the end of the slot: a store that a helper may have done does no harm. */
	if (load32_relaxed(&item->block.next) == 0)
		store64_release(slot, SEG_SLOT_DONE | (load64_relaxed(&item->last) + 1));
	else
		queue_detach(slot, ref, item);
	FAULT("queue_get.detached");
	/* Its `next` is ours now: helpers that still read it find the slot changed. */
	store32_relaxed(&item->block.next, load32_relaxed(&shared->chain));
	fence_compiler();
	store32_relaxed(&shared->chain, ref);
	fence_compiler();
	record32(&shared->candidate, 0);
	FAULT("queue_get.chained");
	return true;
}

/* Move the hints behind a place, when they lag far enough. */
void queue_move_head(struct queue *q, const struct place *place);
void queue_move_tail(struct queue *q, const struct place *place);

/*
 * Frees the chain that begins in *head, a word of the lane `of`: the caller's own, or a dead one's. Every block of it is
 * PRIVATE to or TAKEN by `of`, or LIVE and unreachable. Can be done again at any point.
 */
void queue_drop_chain(struct queue *q, struct seg_lane *of, uint32_t of_id, uint32_t *head);
/*
 * Takes items into the lane's chain and their bytes into `out`, one at a time and first to last, as long as they follow each
 * other: *ordinal is that of the one before, QUEUE_ANY at first. Errors: as of queue_get.
 */
#define QUEUE_ANY UINT64_MAX
enum sabir_error queue_take(struct queue *q, struct bytes *out, uint64_t *ordinal);
/* The same for one item that is not copied: where its bytes are. Who dies then has not got it. */
enum sabir_error queue_take_in_place(struct queue *q, struct span *item);
/* The publishing store of a get of n items; what the chain holds is freed. */
void queue_commit_taken(struct queue *q, uint32_t n);
/*
 * The link in front of which a returned item belongs: the first at or behind `from` that leads to a higher ordinal. NULL:
 * the list is damaged.
 */
uint32_t *queue_returned_link(struct queue *q, uint32_t *from, uint64_t ordinal);
/* Gives the items that `of` has taken (its chain) back to the queue, each at its old place in the order. Errors: BUSY. */
enum sabir_error queue_give_back(struct queue *q, struct seg_lane *of, uint32_t of_id);
/* The same with the lock held; wakes nobody. Errors: DATA_LOSS: the queue is damaged, and what has not gone back is dropped. */
enum sabir_error queue_give_back_locked(struct queue *q, struct seg_lane *of, uint32_t of_id);
/*
 * Takes the first returned item into the lane's chain; there is room in `out` then. Errors: EMPTY, FULL (it would pass the
 * limit of `out`), BUSY, NO_MEMORY, DATA_LOSS.
 */
enum sabir_error queue_take_returned(struct queue *q, struct bytes *out, struct seg_item **item);

/*
 * In one transaction, with what is in the journal already: takes a block out of the word that leads to it (one of the two)
 * and makes it the lane's; frees it. False: not a block of this queue.
 */
bool queue_unlink_block(struct queue *q, uint64_t *link64, uint32_t *link32, uint32_t ref, uint64_t next);

/* Writes into the lane's record which word a put's first block gets when it becomes LIVE: see was_published. */
static inline void queue_note_word(struct lane *lane, uint64_t live)
{
	record64(&lane->shared->chain_word, live);
	fence_compiler();
	FAULT("queue_put.noted");
}

/* Publishes the first items of the lane's chain of n; how many is *accepted. Errors: FULL, CLOSED, RESOURCE_EXHAUSTED, DATA_LOSS. */
enum sabir_error queue_publish(struct queue *q, uint32_t n, uint32_t *accepted);
/* Frees the private chain of a put that is not to be, if there is one. */
void queue_abandon(struct queue *q);

#endif
