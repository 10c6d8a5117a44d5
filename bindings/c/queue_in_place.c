/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues' items written and read where they stand, or, where the memory is not at hand or the queue has orders of its own,
 * in memory of this process behind the same functions.
 *
 * A slot in place is the lane's, and a lane a thread's; what tells whose it is: the connection's id, which is another in a
 * child of fork, and the lane's generation. A loan is a hold of the owner, whom all threads of the connection share.
 */
#include <stdlib.h>

#include "bindings/c/item.h"
#include "bindings/c/local.h"
#include "bindings/c/queue_ends.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

_Static_assert(SABIR_MAX_SLOTS == SEG_RESERVED_REFS, "the header tells the truth");

/* sabir_slot.inner */
enum { SLOT_CONN, SLOT_LANE, SLOT_BLOCK, SLOT_FORM };
/* sabir_loan.inner */
enum { LOAN_CONN, LOAN_HOLDER, LOAN_COPY, LOAN_VALUE = LOAN_COPY };

/* ---------------------------------------------------------------- reserve */

static uint32_t kind_of(enum sabir_slot_form form)
{
	return form == SABIR_SLOT_BYTES  ? SABIR_ITEM_BYTES
	       : form == SABIR_SLOT_TEXT ? SABIR_ITEM_TEXT
					 : SABIR_ITEM_ENCODED;
}

static enum sabir_error reserve_here(sabir_queue *queue, size_t len, struct sabir_slot *slot)
{
	void *data = malloc(len ? len : 1);
	if (!data)
		return fail(SABIR_NO_MEMORY, "a slot of %zu bytes", len);
	*slot = (struct sabir_slot){ .data = data, .len = len, .queue = queue };
	return SABIR_OK;
}

static enum sabir_error reserve_there(sabir_queue *queue, struct lane *lane, size_t len, enum sabir_slot_form form,
				      struct sabir_slot *slot)
{
	struct queue_slot made;
	struct item_code code = { .parts = { { NULL, 0 }, { NULL, 0 } } };
	if (form != SABIR_SLOT_ENCODED)
		item_encode_raw(kind_of(form), (struct span){ NULL, len }, &code);
	enum sabir_error error = queue_reserve(lane, queue->h.id, code.parts.head, len, &made);
	if (error)
		return error;
	*slot = (struct sabir_slot){ .data = made.data, .len = len, .in_place = true, .queue = queue };
	slot->inner[SLOT_CONN] = load64_relaxed(&queue->h.conn->id);
	slot->inner[SLOT_LANE] = lane->actor.thread;
	slot->inner[SLOT_BLOCK] = made.ref | (uint64_t)made.place << 32;
	return SABIR_OK;
}

enum sabir_error sabir_queue_reserve(sabir_queue *queue, size_t len, enum sabir_slot_form form, struct sabir_slot *slot)
{
	struct lane *lane;
	if (!queue || !slot)
		return FAIL_NULL();
	if ((unsigned)form > SABIR_SLOT_ENCODED)
		return fail(SABIR_INVALID_ARGUMENT, "a slot of form %u", (unsigned)form);
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	error = lane ? reserve_there(queue, lane, len, form, slot) : SABIR_WRONG_KIND;
	if (error == SABIR_WRONG_KIND) /* remote, or a task queue */
		error = reserve_here(queue, len, slot);
	else if (error)
		return object_result(&queue->h, error);
	if (!error)
		slot->inner[SLOT_FORM] = form;
	return error;
}

/* ---------------------------------------------------------------- commit, abandon */

/* The slot as the objects know it, and its lane. */
static enum sabir_error find_slot(const struct sabir_slot *slot, struct lane **lane, struct queue_slot *found)
{
	enum sabir_error error = conn_enter(slot->queue->h.conn, lane);
	if (error)
		return error;
	if (slot->inner[SLOT_CONN] != load64_relaxed(&slot->queue->h.conn->id) || !*lane ||
	    slot->inner[SLOT_LANE] != (*lane)->actor.thread)
		return fail(SABIR_INVALID_ARGUMENT, "the slot was reserved by another thread");
	*found = (struct queue_slot){ NULL, (uint32_t)slot->inner[SLOT_BLOCK],
				      (uint32_t)(slot->inner[SLOT_BLOCK] >> 32) };
	return SABIR_OK;
}

/* What the caller wrote is as well-formed as what the library encodes. */
static enum sabir_error check_written(const struct sabir_slot *slot)
{
	struct span written = { slot->data, slot->len };
	switch (slot->inner[SLOT_FORM]) {
	case SABIR_SLOT_TEXT:
		return utf8_valid(written) ? SABIR_OK : fail(SABIR_INVALID_VALUE, "the text is not UTF-8");
	case SABIR_SLOT_ENCODED:
		return value_check(written) ? fail(SABIR_INVALID_VALUE, "%zu bytes in a slot", slot->len) : SABIR_OK;
	default:
		return SABIR_OK;
	}
}

struct commit {
	uint64_t id;
	struct queue_slot slot;
};

static enum sabir_error attempt_commit(struct lane *lane, void *context)
{
	struct commit *commit = context;
	return queue_commit(lane, commit->id, &commit->slot);
}

static enum sabir_error commit_there(const struct sabir_slot *slot, uint64_t timeout_ns)
{
	const struct handle *h = &slot->queue->h;
	struct commit commit = { .id = h->id };
	struct lane *lane;
	enum sabir_error error = find_slot(slot, &lane, &commit.slot);
	if (!error)
		error = check_written(slot);
	if (error)
		return error;
	error = attempt_commit(lane, &commit);
	if (error == SABIR_FULL && timeout_ns)
		error = local_wait(lane, h->id, SEG_EVENT_ROOM, clock_deadline(timeout_ns), attempt_commit, &commit);
	return object_result(h, error);
}

static enum sabir_error commit_here(const struct sabir_slot *slot, uint64_t timeout_ns)
{
	struct sabir_item item = { .kind = kind_of((enum sabir_slot_form)slot->inner[SLOT_FORM]), .len = slot->len };
	item.as.data = slot->data;
	enum sabir_error error = sabir_queue_put(slot->queue, &item, timeout_ns);
	if (!error)
		free(slot->data);
	return error;
}

enum sabir_error sabir_queue_commit(struct sabir_slot *slot, uint64_t timeout_ns)
{
	if (!slot || !slot->queue)
		return FAIL_NULL();
	enum sabir_error error = slot->in_place ? commit_there(slot, timeout_ns) : commit_here(slot, timeout_ns);
	if (!error)
		*slot = (struct sabir_slot){ .queue = NULL };
	return error;
}

enum sabir_error sabir_queue_abandon(struct sabir_slot *slot)
{
	struct queue_slot found;
	struct lane *lane;
	if (!slot)
		return FAIL_NULL();
	if (!slot->queue)
		return SABIR_OK;
	enum sabir_error error = slot->in_place ? find_slot(slot, &lane, &found) : SABIR_OK;
	if (!error && slot->in_place)
		error = object_result(&slot->queue->h, queue_forgo(lane, &found));
	else if (!error)
		free(slot->data);
	if (!error)
		*slot = (struct sabir_slot){ .queue = NULL };
	return error;
}

/* ---------------------------------------------------------------- borrow */

struct borrow {
	uint64_t id;
	uint64_t holder;
	struct span value;
};

static enum sabir_error attempt_borrow(struct lane *lane, void *context)
{
	struct borrow *borrow = context;
	return queue_borrow(lane, borrow->id, borrow->holder, &borrow->value);
}

/*
 * As item_decode, for bytes that somebody may write meanwhile: the head of what is mostly borrowed is looked at in a copy,
 * so that the length which was checked is the length that is told.
 */
static enum sabir_error decode_shared(struct span value, struct sabir_item *item)
{
	uint8_t head[VALUE_MAX_HEAD];
	size_t n = value.len < sizeof(head) ? value.len : sizeof(head);
	uint64_t len;
	memcpy(head, value.data, n);
	const uint8_t *p = head + 1;
	uint32_t kind = n ? head[0] >> 3 : 0;
	if ((kind != SABIR_ITEM_BYTES && kind != SABIR_ITEM_TEXT) || head[0] != WIRE_TAG(kind, WIRE_LEN))
		return item_decode_rare(value, item);
	if (!wire_varint(&p, head + n, &len) || len != value.len - (size_t)(p - head))
		return SABIR_INVALID_VALUE;
	*item = (struct sabir_item){ .kind = kind, .len = (size_t)len, .as.data = value.data + (p - head) };
	return SABIR_OK;
}

static uint64_t new_holder(const struct lane *lane)
{
	static uint64_t last;
	return queue_borrower((fetch_add64(&last, 1) + 1) % QUEUE_HOLDERS, lane->owner);
}

static enum sabir_error borrow_there(sabir_queue *queue, struct lane *lane, uint64_t timeout_ns,
				     struct sabir_loan *loan)
{
	const struct handle *h = &queue->h;
	struct borrow borrow = { .id = h->id, .holder = new_holder(lane) };
	struct sabir_loan made = { .in_place = true, .queue = queue };
	uint32_t gone;
	enum sabir_error error = attempt_borrow(lane, &borrow);
	if (error == SABIR_EMPTY && timeout_ns)
		error = local_wait(lane, h->id, SEG_EVENT_ITEMS, clock_deadline(timeout_ns), attempt_borrow, &borrow);
	if (error)
		return error;
	if (decode_shared(borrow.value, &made.item)) {
		(void)queue_settle(lane, h->id, borrow.holder, 1, &gone);
		return SABIR_INVALID_VALUE;
	}
	made.inner[LOAN_CONN] = load64_relaxed(&h->conn->id);
	made.inner[LOAN_HOLDER] = borrow.holder;
	made.inner[LOAN_VALUE] = (uint64_t)(uintptr_t)borrow.value.data;
	*loan = made;
	return SABIR_OK;
}

static enum sabir_error borrow_here(sabir_queue *queue, uint64_t timeout_ns, struct sabir_loan *loan)
{
	struct sabir_item *item;
	enum sabir_error error = sabir_queue_get(queue, timeout_ns, &item);
	if (error)
		return error;
	*loan = (struct sabir_loan){ .item = *item, .queue = queue };
	loan->inner[LOAN_COPY] = (uint64_t)(uintptr_t)item;
	return SABIR_OK;
}

enum sabir_error sabir_queue_borrow(sabir_queue *queue, uint64_t timeout_ns, struct sabir_loan *loan)
{
	struct lane *lane;
	if (!queue || !loan)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	error = lane ? borrow_there(queue, lane, timeout_ns, loan) : SABIR_WRONG_KIND;
	if (error == SABIR_WRONG_KIND) /* remote, or a task queue */
		return borrow_here(queue, timeout_ns, loan);
	if (error == SABIR_INVALID_VALUE)
		return fail(SABIR_DATA_LOSS, "the queue's Value is malformed");
	return object_result(&queue->h, error);
}

/* ---------------------------------------------------------------- release, return */

static enum sabir_error enter_loan(const struct sabir_loan *loan, struct lane **lane)
{
	enum sabir_error error = conn_enter(loan->queue->h.conn, lane);
	if (!error && loan->inner[LOAN_CONN] != load64_relaxed(&loan->queue->h.conn->id))
		error = fail(SABIR_NOT_HELD, "%s: the item was borrowed by another process", loan->queue->h.name);
	return error;
}

/* The item of a queue that is no more is not needed any longer. */
static enum sabir_error loan_result(const struct sabir_loan *loan, struct lane *lane, enum sabir_error error)
{
	struct span value = { (const uint8_t *)(uintptr_t)loan->inner[LOAN_VALUE], 0 };
	if (error == SABIR_DELETED || error == SABIR_NOT_FOUND)
		queue_loan_over(lane, loan->queue->h.id, loan->inner[LOAN_HOLDER], value);
	return object_result(&loan->queue->h, error);
}

static enum sabir_error release_there(const struct sabir_loan *loan)
{
	struct lane *lane;
	uint32_t gone = 0;
	enum sabir_error error = enter_loan(loan, &lane);
	if (error)
		return error;
	error = queue_settle(lane, loan->queue->h.id, loan->inner[LOAN_HOLDER], 1, &gone);
	if (!error && !gone)
		error = SABIR_NOT_HELD;
	return loan_result(loan, lane, error);
}

/* A loan of a queue that is no more is over. */
static enum sabir_error end_loan(struct sabir_loan *loan, enum sabir_error error)
{
	if (!error || error == SABIR_DELETED || error == SABIR_NOT_FOUND)
		*loan = (struct sabir_loan){ .queue = NULL };
	return error;
}

enum sabir_error sabir_queue_release(struct sabir_loan *loan)
{
	if (!loan || !loan->queue)
		return FAIL_NULL();
	if (loan->in_place)
		return end_loan(loan, release_there(loan));
	sabir_free((void *)(uintptr_t)loan->inner[LOAN_COPY]);
	return end_loan(loan, SABIR_OK);
}

enum sabir_error sabir_queue_return(struct sabir_loan *loan)
{
	struct lane *lane;
	if (!loan || !loan->queue)
		return FAIL_NULL();
	const struct handle *h = &loan->queue->h;
	if (!loan->in_place)
		return fail(SABIR_NOT_ENABLED, "%s: the item is a copy", h->name);
	enum sabir_error error = enter_loan(loan, &lane);
	if (error)
		return error;
	return end_loan(loan, loan_result(loan, lane, queue_return(lane, h->id, loan->inner[LOAN_HOLDER])));
}
