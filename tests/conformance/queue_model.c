/* SPDX-License-Identifier: Apache-2.0 */
/* A plain queue, bounded or not, against an array. See model.h for how it is run. Nothing waits, apart from time-outs of 1 µs. */
#include "tests/conformance/model.h"

#define MAX 256
#define MANY 5u

static struct {
	int64_t at[MAX];
	size_t n;
	uint64_t max; /* 0: any number */
	int64_t next;
	bool closed;
} model;

static sabir_queue *queues[2];

static sabir_queue *either(void)
{
	return queues[random_below(2)];
}

static uint64_t timeout(void)
{
	return random_below(50) ? 0 : 1000;
}

static size_t room(void)
{
	size_t max = model.max && model.max < MAX ? (size_t)model.max : MAX;
	return max - model.n;
}

static enum sabir_error expected_put(void)
{
	return model.closed ? SABIR_CLOSED : room() ? SABIR_OK : SABIR_FULL;
}

static enum sabir_error expected_get(void)
{
	return model.n ? SABIR_OK : model.closed ? SABIR_CLOSED : SABIR_EMPTY;
}

static void drop(size_t n)
{
	model.n -= n;
	memmove(model.at, model.at + n, model.n * sizeof(model.at[0]));
}

/* ---------------------------------------------------------------- steps */

static void step_put(void)
{
	struct sabir_item item = sabir_int(model.next);
	enum sabir_error expected = expected_put();
	if (!model.max && !room())
		return;
	SAME(sabir_queue_put(either(), &item, timeout()) == expected);
	if (!expected)
		model.at[model.n++] = model.next++;
}

static void step_put_many(void)
{
	struct sabir_item items[MANY];
	size_t n = 1 + random_below(MANY), accepted = 99, fit = n < room() ? n : room();
	enum sabir_error expected = expected_put();
	if (!model.max && fit < n)
		return;
	for (size_t i = 0; i < n; i++)
		items[i] = sabir_int(model.next + (int64_t)i);
	SAME(sabir_queue_put_many(either(), items, n, timeout(), &accepted) == expected);
	SAME(accepted == (expected ? 99 : fit));
	for (size_t i = 0; i < fit && !expected; i++)
		model.at[model.n++] = model.next++;
}

static void step_get(void)
{
	struct sabir_item *item;
	enum sabir_error expected = expected_get();
	SAME(sabir_queue_get(either(), timeout(), &item) == expected);
	if (expected)
		return;
	SAME(item->kind == SABIR_ITEM_INT && item->as.i == model.at[0]);
	sabir_free(item);
	drop(1);
}

static struct sabir_buffer buffer; /* of all that is taken into one */

static void step_get_into(void)
{
	struct sabir_item item;
	enum sabir_error expected = expected_get();
	SAME(sabir_queue_get_into(either(), timeout(), &buffer, &item) == expected);
	if (expected)
		return;
	SAME(item.kind == SABIR_ITEM_INT && item.as.i == model.at[0]);
	drop(1);
}

static void step_get_many_into(void)
{
	struct sabir_item items[MANY];
	size_t max = 1 + random_below(MANY), n = 99, there = max < model.n ? max : model.n;
	enum sabir_error expected = expected_get();
	SAME(sabir_queue_get_many_into(either(), max, timeout(), &buffer, items, &n) == expected);
	SAME(n == (expected ? 99 : there));
	for (size_t i = 0; i < n && !expected; i++)
		SAME(items[i].as.i == model.at[i]);
	drop(expected ? 0 : n);
}

static void step_get_many(void)
{
	struct sabir_item *items;
	size_t max = 1 + random_below(MANY), n = 99, there = max < model.n ? max : model.n;
	enum sabir_error expected = expected_get();
	SAME(sabir_queue_get_many(either(), max, timeout(), &items, &n) == expected);
	SAME(n == (expected ? 99 : there));
	if (expected)
		return;
	for (size_t i = 0; i < n; i++)
		SAME(items[i].as.i == model.at[i]);
	sabir_free(items);
	drop(n);
}

/* Written in place, or in what stands for it. */
static void step_commit(void)
{
	uint8_t encoded[16];
	struct sabir_buffer scratch = { encoded, sizeof(encoded) };
	struct sabir_item item = sabir_int(model.next);
	struct sabir_slot slot;
	size_t len;
	enum sabir_error expected = expected_put();
	if (!model.max && !room())
		return;
	SAME(!sabir_encode(&item, &scratch, &len));
	SAME(!sabir_queue_reserve(either(), len, SABIR_SLOT_ENCODED, &slot));
	memcpy(slot.data, encoded, len);
	if (random_below(10)) {
		SAME(sabir_queue_commit(&slot, timeout()) == expected);
		if (!expected)
			model.at[model.n++] = model.next++;
	}
	SAME(sabir_queue_abandon(&slot) == SABIR_OK);
}

/* Read in place; and gone when it is released, or there again. */
static void step_borrow(void)
{
	struct sabir_loan loan;
	enum sabir_error expected = expected_get();
	SAME(sabir_queue_borrow(either(), timeout(), &loan) == expected);
	if (expected)
		return;
	SAME(loan.item.kind == SABIR_ITEM_INT && loan.item.as.i == model.at[0]);
	if (loan.in_place && random_below(3) == 0) {
		SAME(sabir_queue_return(&loan) == SABIR_OK);
		return;
	}
	SAME(sabir_queue_release(&loan) == SABIR_OK);
	drop(1);
}

static void step_look(void)
{
	struct sabir_queue_state state;
	struct sabir_item *item;
	enum sabir_error expected = expected_get();
	SAME(sabir_queue_state(either(), &state) == SABIR_OK);
	SAME(state.size == model.n && state.max_items == model.max && state.closed == model.closed);
	uint64_t size;
	bool empty, full;
	SAME(!sabir_queue_size(either(), &size) && !sabir_queue_empty(either(), &empty) &&
	     !sabir_queue_full(either(), &full));
	SAME(size == model.n && empty == !model.n && full == (model.max && model.n >= model.max));
	SAME(sabir_queue_peek(either(), &item) == expected);
	if (expected)
		return;
	SAME(item->as.i == model.at[0]);
	sabir_free(item);
}

static void step_clear(void)
{
	uint64_t removed = 99;
	SAME(sabir_queue_clear(either(), &removed) == SABIR_OK);
	SAME(removed == model.n);
	model.n = 0;
}

static void step(void)
{
	unsigned n = random_below(200);
	if (n < 60)
		step_put();
	else if (n < 80)
		step_put_many();
	else if (n < 115)
		step_get();
	else if (n < 130)
		step_get_into();
	else if (n < 145)
		step_get_many();
	else if (n < 155)
		step_get_many_into();
	else if (n < 170)
		step_commit();
	else if (n < 180)
		step_borrow();
	else if (n < 195)
		step_look();
	else if (n < 199)
		step_clear();
	else if (n < 200 && !random_below(2)) {
		SAME(sabir_queue_close(either()) == SABIR_OK);
		model.closed = true;
	}
}

static void history(unsigned n_steps)
{
	unsigned maker = random_below(2);
	memset(&model, 0, sizeof(model));
	model.max = random_below(2) ? 1 + random_below(20) : 0;
	SAME(!sabir_queue_create(conns[maker], NULL, model.max, 0, &queues[maker]));
	SAME(!sabir_queue_open_handle(conns[!maker], sabir_queue_handle(queues[maker]), &queues[!maker]));
	for (history_step = 1; history_step <= n_steps; history_step++)
		step();
	SAME(!sabir_delete_handle(conns[random_below(2)], sabir_queue_handle(queues[0])));
	SAME(sabir_queue_clear(either(), NULL) == SABIR_DELETED);
	sabir_queue_free(queues[0]);
	sabir_queue_free(queues[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "queue", 200, history);
}
