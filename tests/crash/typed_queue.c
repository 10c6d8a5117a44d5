/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on queues, consumers and producers included. */
#include <stdlib.h>
#include <string.h>

#include "bindings/c/local.h"
#include "server/base/value.h"
#include "server/base/wire.h"
#include "tests/crash/typed_parts.h"

F(queue_put_short)
{
	struct sabir_item item = sabir_int(7);
	return sabir_queue_put(t->o, &item, 0);
}
F(queue_put_reference)
{
	struct sabir_item item = sabir_object(t->other);
	return sabir_queue_put(t->o, &item, 0);
}
F(queue_put_waits)
{
	struct sabir_item item = sabir_int(7);
	return sabir_queue_put(t->o, &item, A_MOMENT);
}
F(queue_put_raw)
{
	static const uint8_t data[3000];
	return sabir_queue_put_bytes(t->o, data, sizeof(data), 0);
}
F(queue_put_several)
{
	const struct sabir_item items[3] = { sabir_int(7), sabir_text("eight"), sabir_int(9) };
	size_t accepted = 0;
	enum sabir_error error = sabir_queue_put_many(t->o, items, 3, 0, &accepted);
	if (!error)
		typed_tell(t, "%zu ", accepted);
	return error;
}
F(queue_get_now)
{
	struct sabir_item *item;
	return typed_tell_got(t, sabir_queue_get(t->o, 0, &item), &item);
}
F(queue_get_waits)
{
	struct sabir_item *item;
	return typed_tell_got(t, sabir_queue_get(t->o, A_MOMENT, &item), &item);
}
F(queue_get_buffer)
{
	struct sabir_buffer buffer = { malloc(64), 64 };
	struct sabir_item item;
	enum sabir_error error = sabir_queue_get_into(t->o, 0, &buffer, &item);
	if (!error)
		typed_tell_item(t, &item);
	free(buffer.data);
	return error;
}
F(queue_get_several)
{
	struct sabir_item *items;
	size_t n;
	enum sabir_error error = sabir_queue_get_many(t->o, 3, 0, &items, &n);
	if (error)
		return error;
	for (size_t i = 0; i < n; i++)
		typed_tell_item(t, &items[i]);
	sabir_free(items);
	return SABIR_OK;
}
/* A consumer of the object, which is given an item, and does with it what `deal` does. */
static enum sabir_error consume(struct typed *t, const struct sabir_consumer_options *options, uint64_t timeout_ns,
				enum sabir_error (*deal)(sabir_consumer *, const struct sabir_delivery *))
{
	sabir_consumer *consumer;
	struct sabir_delivery delivery;
	struct sabir_item item;
	enum sabir_error error = sabir_consumer_open(t->o, options, &consumer);
	if (error)
		return error;
	error = sabir_consumer_next(consumer, timeout_ns, &item, &delivery);
	if (!error) {
		typed_tell_item(t, &item);
		error = deal(consumer, &delivery);
	}
	enum sabir_error end = sabir_consumer_close(consumer);
	return error ? error : end;
}
static enum sabir_error leave(sabir_consumer *consumer, const struct sabir_delivery *delivery)
{
	(void)consumer;
	(void)delivery;
	return SABIR_OK;
}
static enum sabir_error nack(sabir_consumer *consumer, const struct sabir_delivery *delivery)
{
	return sabir_consumer_nack(consumer, delivery, 0);
}
F(consumer_acks)
{
	return consume(t, NULL, 0, sabir_consumer_ack);
}
F(consumer_waits)
{
	return consume(t, NULL, A_MOMENT, sabir_consumer_ack);
}
F(consumer_leaves)
{
	return consume(t, NULL, 0, leave);
}
F(consumer_acks_lease)
{
	const struct sabir_consumer_options options = { .size = sizeof(options), .lease_ns = 3600 * SABIR_SECOND };
	return consume(t, &options, 0, sabir_consumer_ack);
}
F(consumer_nacks_lease)
{
	const struct sabir_consumer_options options = { .size = sizeof(options), .lease_ns = 3600 * SABIR_SECOND };
	return consume(t, &options, 0, nack);
}
F(producer_put)
{
	struct sabir_item item = sabir_int(7);
	sabir_producer *producer;
	enum sabir_error error = sabir_producer_open(t->o, NULL, &producer);
	if (error)
		return error;
	error = sabir_producer_put(producer, &item, NULL, 0);
	sabir_producer_close(producer);
	return error;
}
F(queue_peek_first)
{
	struct sabir_item *item;
	return typed_tell_got(t, sabir_queue_peek(t->o, &item), &item);
}
/* Slots and loans that are left alone are the victim's, and end with him. */
static enum sabir_error reserve(struct typed *t, size_t len, struct sabir_slot *slot)
{
	enum sabir_error error = sabir_queue_reserve(t->o, len, SABIR_SLOT_BYTES, slot);
	if (!error)
		memset(slot->data, 5, len);
	return error;
}
static enum sabir_error commit(struct typed *t, size_t len, uint64_t timeout_ns)
{
	struct sabir_slot slot;
	enum sabir_error error = reserve(t, len, &slot);
	if (!error)
		error = sabir_queue_commit(&slot, timeout_ns);
	/* On failure the slot stays. */
	return error;
}
F(queue_reserve_one)
{
	struct sabir_slot slot;
	return reserve(t, 100, &slot);
}
F(queue_reserve_large)
{
	struct sabir_slot slot;
	return reserve(t, 270000, &slot);
}
F(queue_commit_short)
{
	return commit(t, 1, 0);
}
F(queue_commit_long)
{
	return commit(t, 5000, 0);
}
F(queue_commit_large)
{
	return commit(t, 270000, 0);
}
F(queue_commit_waits)
{
	return commit(t, 100, A_MOMENT);
}
F(queue_commit_reference)
{
	uint8_t item[VALUE_MAX_HEAD], ref[1 + WIRE_MAX_VARINT];
	size_t len = (size_t)(wire_put_varint(wire_put_tag(ref, 2, WIRE_VARINT), t->other) - ref);
	size_t head = value_head_bytes(VALUE_OBJECT, len, item);
	struct sabir_slot slot;
	enum sabir_error error = sabir_queue_reserve(t->o, head + len, SABIR_SLOT_ENCODED, &slot);
	if (error)
		return error;
	memcpy(slot.data, item, head);
	memcpy((uint8_t *)slot.data + head, ref, len);
	return sabir_queue_commit(&slot, 0);
}
F(queue_abandon_one)
{
	struct sabir_slot slot;
	enum sabir_error error = reserve(t, 100, &slot);
	return error ? error : sabir_queue_abandon(&slot);
}
F(queue_abandon_large)
{
	struct sabir_slot slot;
	enum sabir_error error = reserve(t, 270000, &slot);
	return error ? error : sabir_queue_abandon(&slot);
}
static enum sabir_error borrow(struct typed *t, uint64_t timeout_ns, struct sabir_loan *loan)
{
	enum sabir_error error = sabir_queue_borrow(t->o, timeout_ns, loan);
	if (!error)
		typed_tell_item(t, &loan->item);
	return error;
}
F(queue_borrow_now)
{
	struct sabir_loan loan;
	return borrow(t, 0, &loan);
}
F(queue_borrow_waits)
{
	struct sabir_loan loan;
	return borrow(t, A_MOMENT, &loan);
}
F(queue_release_one)
{
	struct sabir_loan loan;
	enum sabir_error error = borrow(t, 0, &loan);
	return error ? error : sabir_queue_release(&loan);
}
F(queue_return_one)
{
	struct sabir_loan loan;
	enum sabir_error error = borrow(t, 0, &loan);
	return error ? error : sabir_queue_return(&loan);
}
/* What this function has done is told by its answer alone: the queue is gone. */
F(queue_loans_outlive)
{
	struct sabir_loan first, second;
	enum sabir_error error = borrow(t, 0, &first);
	if (!error)
		error = borrow(t, 0, &second);
	if (!error)
		error = sabir_delete_handle(t->conn, sabir_queue_handle(t->o));
	if (error)
		return error;
	typed_tell_item(t, &first.item);
	error = sabir_queue_release(&first);
	typed_tell_item(t, &second.item);
	return error == SABIR_DELETED ? sabir_queue_return(&second) : error;
}

const struct typed_function typed_queue_functions[] = {
	{ "sabir_queue_put", do_queue_put_short },
	{ "sabir_queue_put(reference)", do_queue_put_reference },
	{ "sabir_queue_put(waits)", do_queue_put_waits },
	{ "sabir_queue_put_bytes", do_queue_put_raw },
	{ "sabir_queue_put_many", do_queue_put_several },
	{ "sabir_queue_get", do_queue_get_now },
	{ "sabir_queue_get(waits)", do_queue_get_waits },
	{ "sabir_queue_get_into", do_queue_get_buffer },
	{ "sabir_queue_get_many", do_queue_get_several },
	{ "sabir_queue_peek", do_queue_peek_first },
	{ "sabir_queue_reserve", do_queue_reserve_one },
	{ "sabir_queue_reserve(large)", do_queue_reserve_large },
	{ "sabir_queue_commit", do_queue_commit_short },
	{ "sabir_queue_commit(long)", do_queue_commit_long },
	{ "sabir_queue_commit(large)", do_queue_commit_large },
	{ "sabir_queue_commit(reference)", do_queue_commit_reference },
	{ "sabir_queue_commit(waits)", do_queue_commit_waits },
	{ "sabir_queue_abandon", do_queue_abandon_one },
	{ "sabir_queue_abandon(large)", do_queue_abandon_large },
	{ "sabir_queue_borrow", do_queue_borrow_now },
	{ "sabir_queue_borrow(waits)", do_queue_borrow_waits },
	{ "sabir_queue_release", do_queue_release_one },
	{ "sabir_queue_release(deleted)", do_queue_loans_outlive },
	{ "sabir_queue_return", do_queue_return_one },
	{ "sabir_consumer_ack", do_consumer_acks },
	{ "sabir_consumer_next(waits)", do_consumer_waits },
	{ "sabir_consumer_close", do_consumer_leaves },
	{ "sabir_consumer_ack(lease)", do_consumer_acks_lease },
	{ "sabir_consumer_nack", do_consumer_nacks_lease },
	{ "sabir_producer_put", do_producer_put },
};
const size_t n_typed_queue_functions = sizeof(typed_queue_functions) / sizeof(typed_queue_functions[0]);
