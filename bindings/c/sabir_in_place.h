/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: items of queues without a copy. Included by sabir.h.
 *
 * A putter reserves memory, writes the item there and commits it; a getter borrows an item, reads it where it stands and
 * releases it. What pays for its two or three calls more is a large item, whose bytes are then written once and read once.
 *
 * It works on every queue and on both transports. Without a copy it is on a local connection and a queue that is not a
 * task queue; elsewhere (in_place is false) a slot is this process's own memory and its commit a put, and a loan is the
 * copy of an item that was got when it was borrowed: who dies with it has had it.
 */
#ifndef SABIR_IN_PLACE_H
#define SABIR_IN_PLACE_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is written into a slot. */
enum sabir_slot_form {
	SABIR_SLOT_BYTES =
		0,           /* the content of an item of bytes: what stands in front of it is written by the library */
	SABIR_SLOT_TEXT = 1, /* the same of text, in UTF-8 */
	SABIR_SLOT_ENCODED = 2 /* a whole encoded sabir.v1.Value, of exactly `len` bytes */
};

/* Slots that a thread may have at once of one connection, of whatever queues. */
#define SABIR_MAX_SLOTS 12

/* Memory that was reserved; of the caller's storage. `data` and `len` are to be read, the rest is the library's. */
struct sabir_slot {
	void *data; /* `len` bytes to be written; what they hold at first is undefined */
	size_t len;
	bool in_place;      /* it is the queue's memory */
	sabir_queue *queue; /* NULL: no slot */
	uint64_t inner[4];
};

/*
 * Memory for an item of `len` bytes, to be written and committed. The queue's handle is in use until then. No other program
 * knows of it, and the queue has no place for it yet: items stand in the order of their commits. A slot that is in place
 * belongs to the thread: it alone commits or abandons it, and when the thread ends, closes the connection or dies, the
 * memory is free. A child of fork must not write into its parent's.
 * Errors: TOO_LARGE, RESOURCE_EXHAUSTED, TOO_MANY_REQUESTS (the thread has SABIR_MAX_SLOTS), INVALID_ARGUMENT (form).
 */
enum sabir_error sabir_queue_reserve(sabir_queue *queue, size_t len, enum sabir_slot_form form,
				     struct sabir_slot *slot);
/*
 * Puts the item; waits while the queue is full. The slot is used up then and its memory not the caller's any more; on
 * failure it is as before. Errors: as sabir_queue_put (INVALID_VALUE: what was written is not of the slot's form), and
 * INVALID_ARGUMENT (no slot, or another thread's); DATA_LOSS also where a faulty program has written over the slot.
 */
enum sabir_error sabir_queue_commit(struct sabir_slot *slot, uint64_t timeout_ns);
/* Gives the memory back; nothing is put. A slot that is used up is fine. Errors: INVALID_ARGUMENT (another thread's). */
enum sabir_error sabir_queue_abandon(struct sabir_slot *slot);

/* An item that is borrowed; of the caller's storage. `item` is to be read, the rest is the library's. */
struct sabir_loan {
	struct sabir_item item; /* points to the memory; valid until the release or return */
	bool in_place;          /* that is the queue's memory */
	sabir_queue *queue;     /* NULL: no loan */
	uint64_t inner[3];
};

/*
 * Takes the first item and leaves it where it is; waits while the queue is empty. The queue's handle is in use until the
 * release. Any thread may go on with a loan, one at a time, and there may be any number of them.
 *
 * An item that is borrowed in place is nobody else's and not gone: it counts for the queue's bound, and should the
 * borrower die or close the connection it is at its old place again. So it is only handed over by the release. Until then
 * its memory is readable. That its length is in bounds was checked; nobody checks its bytes, and a faulty program could
 * write there even now: who must not be surprised copies first. When the queue is deleted meanwhile the item stays as it
 * is too, until the loan is released. To write into it is an error.
 * Errors: as sabir_queue_get.
 */
enum sabir_error sabir_queue_borrow(sabir_queue *queue, uint64_t timeout_ns, struct sabir_loan *loan);
/*
 * The item is done with, and gone. On failure the loan is as before. A copy of the struct is the same loan: when that is
 * over it is NOT_HELD, if it is in place; elsewhere it points at memory that is no more, and must not be used.
 * Errors: DELETED (the loan is over, and there is no queue), NOT_HELD (over, or not borrowed by this process),
 * INVALID_ARGUMENT (no loan).
 */
enum sabir_error sabir_queue_release(struct sabir_loan *loan);
/*
 * Gives the item back, to its old place in the queue. Errors: as sabir_queue_release, and NOT_ENABLED (it is not in
 * place: its copy is to be released).
 */
enum sabir_error sabir_queue_return(struct sabir_loan *loan);

#ifdef __cplusplus
}
#endif

#endif
