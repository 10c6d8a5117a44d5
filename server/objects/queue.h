/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_QUEUE_H
#define SABIR_OBJECTS_QUEUE_H

#include "server/objects/object.h"

/*
 * FIFO queue of byte items. None of these waits: EMPTY and FULL say that a caller may, on SEG_EVENT_ITEMS or SEG_EVENT_ROOM.
 * Every one can also answer NOT_FOUND, DELETED, WRONG_KIND, DATA_LOSS.
 */

/*
 * Puts the first *accepted of n items, as many as fit, in order and in one step. An item may come in two parts (a header
 * that the caller makes, and the bytes). Errors: FULL (not even one), CLOSED, TOO_LARGE (an item; nothing was put),
 * RESOURCE_EXHAUSTED (nothing was put), INVALID_ARGUMENT (n = 0).
 */
struct queue_item {
	struct span head;
	struct span body;
};
enum sabir_error queue_put(struct lane *lane, uint64_t handle, const struct queue_item *items, uint32_t n,
			   uint32_t *accepted);
/* Puts one item: the same, and quicker where the lane has put into this queue before. */
enum sabir_error queue_put_one(struct lane *lane, uint64_t handle, const struct queue_item *item);

/*
 * Takes up to n items, fewer where more would pass the limit of `out` or another getter comes in between, and adds them to
 * `out`. Errors: EMPTY, CLOSED (and empty), NO_MEMORY (nothing was taken).
 */
enum sabir_error queue_get(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out);
/* The same; the ordinal of each item, a uint64_t, is added to `ordinals`. */
enum sabir_error queue_get_noted(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				 struct bytes *ordinals);
/* Takes one item: the same, and quicker where the lane has taken from this queue before. */
enum sabir_error queue_get_one(struct lane *lane, uint64_t handle, struct bytes *out);
/*
 * Takes one item if `accept` answers OK to its length and its first bytes (up to QUEUE_HEAD); any other answer is that of
 * the get, and the item stays. It may be asked more than once, also about items that somebody else is quicker to take.
 */
#define QUEUE_HEAD 16u
typedef enum sabir_error queue_accept_fn(void *context, struct span head, uint32_t len);
struct queue_choice {
	queue_accept_fn *accept;
	void *context;
	bool open; /* as for queue_get_open */
};
enum sabir_error queue_get_if(struct lane *lane, uint64_t handle, const struct queue_choice *choice, struct bytes *out);
/*
 * Gives items back that this process got and could not hand over, to where they were: by their ordinals, as queue_get_noted
 * gave them, at any address; that of a single item is in lane->got_ordinal too, behind every get. A bounded queue may be fuller
 * than its bound then. All of them or, on failure, none; *n_back, 0 at first, is how many are back already, from the first on.
 * If the process dies meanwhile, those are back of which there are copies in the memory yet; but where lane->returned counts
 * them, those that were counted. Errors: RESOURCE_EXHAUSTED, BUSY; DATA_LOSS: the queue is damaged, and what was not back is
 * gone.
 */
enum sabir_error queue_unget(struct lane *lane, uint64_t handle, const void *ordinals, const struct span *items,
			     uint32_t n, uint32_t *n_back);
/*
 * As queue_get_noted, but the get is not over: the items are still the queue's, and go back if the lane dies. The lane does
 * nothing else until it is closed, which hands the `n` items over, or abandoned. Errors of that: BUSY; then it is open yet.
 */
enum sabir_error queue_get_open(struct lane *lane, uint64_t handle, uint32_t n, struct bytes *out,
				struct bytes *ordinals);
void queue_get_close(struct lane *lane, uint32_t n);
enum sabir_error queue_get_abandon(struct lane *lane);

/*
 * What a dead lane's record tells, before its recovery. Of a put of one item, which began with a record that was made anew
 * for it: whether it has happened. That an open get, from a queue of either kind, is to count as closed.
 */
void queue_put_begins_anew(struct lane *lane);
bool queue_put_happened(const struct segment *seg, const struct seg_lane *dead, uint32_t dead_id);
void queue_get_happened(struct seg_lane *dead);

/* Copies the first item. Errors: EMPTY, CLOSED (and empty), NO_MEMORY. */
enum sabir_error queue_peek(struct lane *lane, uint64_t handle, struct bytes *out);

/*
 * Taking in two steps, for who hands items to a third party that may vanish: what is held is nobody else's, counts for
 * the queue's bound, and is in the queue still: it goes back to its old place when its holder gives it up or dies. A
 * closed queue with held items is not drained: EMPTY, not CLOSED.
 *
 * A holder is a number below QUEUE_HOLDERS, unique among those of an owner, and the owner, with whose death it ends. The
 * lane that acts for it may be another's.
 */
#define QUEUE_HOLDERS (1ull << 42)
uint64_t queue_holder(uint64_t number, uint32_t owner);
/* The same of a borrower, whose items are kept when the queue is deleted. Never a holder of queue_holder. */
uint64_t queue_borrower(uint64_t number, uint32_t owner);
/* Takes items as queue_get does, and holds them. Errors: also BUSY (nothing was taken). */
enum sabir_error queue_hold(struct lane *lane, uint64_t handle, uint32_t n, uint64_t holder, struct bytes *out);
/* The first n that the holder took are handed over: they are gone. How many there were, also none, is *gone. Errors: BUSY. */
enum sabir_error queue_settle(struct lane *lane, uint64_t handle, uint64_t holder, uint32_t n, uint32_t *gone);
/* Gives back all that the holder has. Errors: BUSY. */
enum sabir_error queue_unhold(struct lane *lane, uint64_t handle, uint64_t holder);
/* The same of a holder that is to have something. Errors: NOT_HELD, BUSY. */
enum sabir_error queue_return(struct lane *lane, uint64_t handle, uint64_t holder);
/*
 * The first item, on hold and not copied: *item is where it stands. Who holds it may read it there until it is settled or
 * given back; its length is checked, its bytes are not, and a faulty program may write them meanwhile. When the queue is
 * deleted a borrower's item stays as it is until queue_loan_over, or until its owner is dead. Errors: EMPTY,
 * CLOSED (and drained), BUSY.
 */
enum sabir_error queue_borrow(struct lane *lane, uint64_t handle, uint64_t holder, struct span *item);
/* The queue has been deleted, and the borrower reads the item no more. Of anything else, nothing. */
void queue_loan_over(struct lane *lane, uint64_t handle, uint64_t holder, struct span item);

/*
 * Putting in two steps: the caller writes the item where it will stand. A slot is the lane's, which has at most
 * SEG_RESERVED_REFS of them, of whatever queues; it ends with it. Of a slot that the lane does not have, INVALID_ARGUMENT;
 * of one whose memory is damaged DATA_LOSS, and it can be given up like any other.
 */
struct queue_slot {
	uint8_t *data; /* behind the head: `len` bytes for the caller to write */
	uint32_t ref;
	uint32_t place;
};
/* Memory for an item of a head, which is copied, and `len` bytes. Errors: TOO_LARGE, RESOURCE_EXHAUSTED, TOO_MANY_REQUESTS. */
enum sabir_error queue_reserve(struct lane *lane, uint64_t handle, struct span head, size_t len,
			       struct queue_slot *slot);
/* Puts the item, which is then no longer the lane's; on failure it is as before. Errors: as of queue_put of one item. */
enum sabir_error queue_commit(struct lane *lane, uint64_t handle, const struct queue_slot *slot);
/* Frees a slot. */
enum sabir_error queue_forgo(struct lane *lane, const struct queue_slot *slot);

struct queue_size {
	uint64_t size;
	uint64_t held; /* beside those */
	uint64_t max_items;
	bool closed;
};
enum sabir_error queue_size(struct lane *lane, uint64_t handle, struct queue_size *size);
/* Removes what is there now. */
enum sabir_error queue_clear(struct lane *lane, uint64_t handle, uint64_t *removed);
/* No put is accepted from here on; getters drain the rest. Closing twice is fine. */
enum sabir_error queue_close(struct lane *lane, uint64_t handle);

#endif
