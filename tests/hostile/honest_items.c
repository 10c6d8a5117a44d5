/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honest programs that pass items: each queue, task queue and pipe has one who puts and one who takes, one of them local and one
 * remote. What is taken is what was put, in its order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define MANY 5u
#define SOON (SABIR_SECOND / 5)
#define ITEM_MAX 900u

/* Item `number` of any sequence. */
static size_t fill(uint8_t data[ITEM_MAX], uint64_t number)
{
	size_t len = sizeof(number) + (number * 37) % (number % 16 ? 100 : ITEM_MAX - sizeof(number));
	memcpy(data, &number, sizeof(number));
	for (size_t i = sizeof(number); i < len; i++)
		data[i] = (uint8_t)(number * 31 + i);
	return len;
}

static bool is_item(const struct sabir_item *item, uint64_t number)
{
	uint8_t data[ITEM_MAX];
	size_t len = fill(data, number);
	return item->kind == SABIR_ITEM_BYTES && item->len == len && memcmp(item->as.data, data, len) == 0;
}

static void check(struct me *me, const struct sabir_item *item, uint64_t *next)
{
	uint64_t got = 0;
	if (item->len >= sizeof(got))
		memcpy(&got, item->as.data, sizeof(got));
	if (!is_item(item, *next))
		hostile_wrong(me->ledger, "slot %u (%s): got item %llu of %zu bytes for item %llu", me->index,
			      me->local ? "local" : "remote", (unsigned long long)got, item->len,
			      (unsigned long long)*next);
	*next = got + 1;
}

static void name_of(const struct me *me, const char *kind, char name[32])
{
	snprintf(name, 32, "honest/%s/%u", kind, me->pair);
}

/* ---------------------------------------------------------------- queues */

/* Time and again until it is in: a number that was not put would be missed. */
static void put_one(struct me *me, sabir_queue *queue, uint64_t number)
{
	uint8_t data[ITEM_MAX];
	size_t len = fill(data, number);
	enum sabir_error error;
	do
		error = CALL_FOR(me, SOON, sabir_queue_put_bytes(queue, data, len, SOON));
	while (error == SABIR_FULL && !hostile_is_over(me));
	if (error != SABIR_FULL)
		call_was(me, error, SABIR_OK);
}

static size_t put_many(struct me *me, sabir_queue *queue, uint64_t first)
{
	static uint8_t data[MANY][ITEM_MAX];
	struct sabir_item items[MANY];
	size_t accepted = 0;
	for (uint32_t i = 0; i < MANY; i++)
		items[i] = sabir_bytes(data[i], fill(data[i], first + i));
	enum sabir_error error = CALL_FOR(me, SOON, sabir_queue_put_many(queue, items, MANY, SOON, &accepted));
	if (error != SABIR_FULL)
		call_was(me, error, SABIR_OK);
	return accepted;
}

/* Written in place. */
static bool put_slot(struct me *me, sabir_queue *queue, uint64_t number)
{
	uint8_t data[ITEM_MAX];
	size_t len = fill(data, number);
	struct sabir_slot slot;
	if (!GOOD(me, sabir_queue_reserve(queue, len, SABIR_SLOT_BYTES, &slot)))
		return false;
	memcpy(slot.data, data, len);
	enum sabir_error error = CALL_FOR(me, SOON, sabir_queue_commit(&slot, SOON));
	if (error == SABIR_FULL) {
		GOOD(me, sabir_queue_abandon(&slot));
		return false;
	}
	return call_was(me, error, SABIR_OK);
}

void honest_send(struct me *me)
{
	char name[32];
	uint64_t number = 0;
	sabir_queue *queue = NULL;
	name_of(me, "queue", name);
	if (!GOOD(me, sabir_queue_open(me->conn, name, &queue)))
		return;
	while (!hostile_is_over(me)) {
		uint32_t way = hostile_random(me, 4);
		if (way == 0)
			number += put_many(me, queue, number);
		else if (way == 1)
			number += put_slot(me, queue, number);
		else
			put_one(me, queue, number++);
		usleep(hostile_random(me, 2000));
	}
	sabir_queue_free(queue);
}

static void take_many(struct me *me, sabir_queue *queue, uint64_t *next)
{
	struct sabir_item *items;
	size_t n = 0;
	enum sabir_error error = CALL_FOR(me, SOON, sabir_queue_get_many(queue, MANY, SOON, &items, &n));
	if (error == SABIR_EMPTY || !call_was(me, error, SABIR_OK))
		return;
	for (size_t i = 0; i < n; i++)
		check(me, &items[i], next);
	sabir_free(items);
}

static void take_loan(struct me *me, sabir_queue *queue, uint64_t *next)
{
	struct sabir_loan loan;
	enum sabir_error error = CALL_FOR(me, SOON, sabir_queue_borrow(queue, SOON, &loan));
	if (error == SABIR_EMPTY || !call_was(me, error, SABIR_OK))
		return;
	check(me, &loan.item, next);
	GOOD(me, sabir_queue_release(&loan));
}

void honest_take(struct me *me)
{
	char name[32];
	uint64_t next = 0;
	sabir_queue *queue = NULL;
	name_of(me, "queue", name);
	if (!GOOD(me, sabir_queue_open(me->conn, name, &queue)))
		return;
	while (!hostile_is_over(me)) {
		struct sabir_item *item;
		uint32_t way = hostile_random(me, 4);
		if (way == 0) {
			take_many(me, queue, &next);
		} else if (way == 1) {
			take_loan(me, queue, &next);
		} else {
			enum sabir_error error = CALL_FOR(me, SOON, sabir_queue_get(queue, SOON, &item));
			if (error == SABIR_EMPTY || !call_was(me, error, SABIR_OK))
				continue;
			check(me, item, &next);
			sabir_free(item);
		}
	}
	sabir_queue_free(queue);
}

/* ---------------------------------------------------------------- task queues */

void honest_put_tasks(struct me *me)
{
	char name[32];
	uint64_t number = 0;
	sabir_queue *queue = NULL;
	name_of(me, "tasks", name);
	if (!GOOD(me, sabir_queue_open(me->conn, name, &queue)))
		return;
	while (!hostile_is_over(me)) {
		put_one(me, queue, number++);
		usleep(hostile_random(me, 3000));
	}
	sabir_queue_free(queue);
}

void honest_work(struct me *me)
{
	char name[32];
	uint64_t next = 0;
	sabir_queue *queue = NULL;
	name_of(me, "tasks", name);
	if (!GOOD(me, sabir_queue_open(me->conn, name, &queue)))
		return;
	while (!hostile_is_over(me)) {
		struct sabir_item *item;
		struct sabir_lease lease;
		enum sabir_error error =
			CALL_FOR(me, SOON, sabir_task_queue_lease(queue, 3600 * SABIR_SECOND, SOON, &item, &lease));
		if (error == SABIR_EMPTY || !call_was(me, error, SABIR_OK))
			continue;
		check(me, item, &next);
		RIGHT(me, lease.attempts == 1);
		GOOD(me, sabir_task_queue_ack(queue, lease.token));
		sabir_free(item);
	}
	sabir_queue_free(queue);
}

/* ---------------------------------------------------------------- pipe */

static enum sabir_error receive(struct me *me, sabir_pipe *pipe, uint64_t *next)
{
	struct sabir_item *item;
	enum sabir_error error = CALL_FOR(me, SOON, sabir_pipe_recv(pipe, SOON, &item));
	if (error)
		return error;
	check(me, item, next);
	sabir_free(item);
	return SABIR_OK;
}

static void send(struct me *me, sabir_pipe *pipe, uint64_t number)
{
	uint8_t data[ITEM_MAX];
	size_t len = fill(data, number);
	GOOD_FOR(me, SOON, sabir_pipe_send_bytes(pipe, data, len, SOON));
}

static sabir_pipe *open_pipe(struct me *me, uint32_t end)
{
	sabir_pipe *pipe = NULL;
	GOOD(me, sabir_pipe_open(me->conn, "honest/pipe", end, &pipe));
	return pipe;
}

/* Asks with even numbers, and is answered with the odd ones behind them. */
void honest_call(struct me *me)
{
	sabir_pipe *pipe = open_pipe(me, 0);
	for (uint64_t number = 0; pipe && !hostile_is_over(me); number += 2) {
		uint64_t next = number + 1;
		enum sabir_error error = SABIR_EMPTY;
		send(me, pipe, number);
		while (error == SABIR_EMPTY && !hostile_is_over(me))
			error = receive(me, pipe, &next);
		if (error != SABIR_EMPTY)
			call_was(me, error, SABIR_OK);
		usleep(hostile_random(me, 2000));
	}
}

void honest_echo(struct me *me)
{
	sabir_pipe *pipe = open_pipe(me, 1);
	for (uint64_t next = 0; pipe && !hostile_is_over(me); next++) {
		enum sabir_error error = receive(me, pipe, &next);
		if (error == SABIR_EMPTY) {
			next--;
			continue;
		}
		if (call_was(me, error, SABIR_OK))
			send(me, pipe, next);
	}
}
