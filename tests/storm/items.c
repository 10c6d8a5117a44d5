/* SPDX-License-Identifier: Apache-2.0 */
/* The roles of those who pass items: plain queues, task queues, a list. */
#include <string.h>
#include <unistd.h>

#include "tests/storm/storm.h"

#define MANY 8
#define AT_ONCE (2 * SABIR_SECOND)

static struct item item_of(const struct me *me, uint32_t number)
{
	return (struct item){ ITEM_MAGIC, me->slot->producer, number };
}

static void mark(struct me *me, enum account account, uint32_t first, uint32_t n, enum put_state state)
{
	for (uint32_t i = 0; i < n; i++)
		__atomic_store_n(&me->ledger->put[account][me->slot->producer][first + i], state, __ATOMIC_SEQ_CST);
}

/* Numbers for n items, which nobody else of the slot gets: 0, when all are used up. */
static uint32_t take_numbers(struct me *me, enum account account, uint32_t n)
{
	uint32_t first = me->slot->next;
	if (first + n >= N_NUMBERS)
		return 0;
	mark(me, account, first, n, STARTED);
	__atomic_store_n(&me->slot->next, first + n, __ATOMIC_SEQ_CST);
	return first;
}

static void put_one(struct me *me, sabir_queue *queue, enum account account)
{
	uint32_t number = take_numbers(me, account, 1);
	struct item item = item_of(me, number);
	uint8_t data[BUFFER_SIZE / 2] = { 0 };
	memcpy(data, &item, sizeof(item));
	size_t len = sizeof(item) + storm_random(me, 10) * storm_random(me, 90);
	if (!number)
		return (void)usleep(10000);
	storm_begin(me, "put", AT_ONCE);
	enum sabir_error error = sabir_queue_put_bytes(queue, data, len, AT_ONCE);
	storm_end(me);
	if (storm_fine(me, "put", error, SABIR_FULL))
		mark(me, account, number, 1, error ? NOT_PUT : ACCEPTED);
}

static void put_many(struct me *me, sabir_queue *queue, enum account account)
{
	struct item items[MANY];
	struct sabir_item values[MANY];
	size_t accepted = 0;
	uint32_t first = take_numbers(me, account, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		items[i] = item_of(me, first + i);
		values[i] = sabir_bytes(&items[i], sizeof(items[i]));
	}
	if (!first)
		return;
	storm_begin(me, "put_many", AT_ONCE);
	enum sabir_error error = sabir_queue_put_many(queue, values, MANY, AT_ONCE, &accepted);
	storm_end(me);
	if (!storm_fine(me, "put_many", error, SABIR_FULL))
		return;
	mark(me, account, first + (uint32_t)accepted, MANY - (uint32_t)accepted, NOT_PUT);
	mark(me, account, first, (uint32_t)accepted, ACCEPTED);
}

static void produce(struct me *me, const char *name, enum account account)
{
	sabir_queue *queue = NULL;
	if (!me->slot->next)
		me->slot->next = 1;
	storm_need(me, name, sabir_queue_open(me->conn, name, &queue));
	while (!storm_is_over(me)) {
		if (storm_random(me, 3))
			put_one(me, queue, account);
		else
			put_many(me, queue, account);
		usleep(storm_random(me, 2000));
	}
	sabir_queue_free(queue);
}

void produce_plain(struct me *me)
{
	produce(me, "plain", PLAIN);
}

void produce_remote(struct me *me)
{
	produce(me, "remote", REMOTE);
}

void produce_tasks(struct me *me)
{
	produce(me, "tasks", TASKS);
}

/* The buffer is the ledger's: what it holds when its getter is killed is known. */
static void consume(struct me *me, const char *name, enum account account)
{
	struct sabir_buffer buffer = { me->slot->buffer, BUFFER_SIZE };
	uint32_t order[N_PRODUCERS] = { 0 };
	struct sabir_item item;
	sabir_queue *queue = NULL;
	storm_need(me, name, sabir_queue_open(me->conn, name, &queue));
	while (!storm_is_over(me)) {
		memset(me->slot->buffer, 0, 64);
		__atomic_store_n(&me->slot->in_get, 1, __ATOMIC_SEQ_CST);
		storm_begin(me, "get", SABIR_SECOND);
		enum sabir_error error = sabir_queue_get_into(queue, SABIR_SECOND, &buffer, &item);
		storm_end(me);
		if (storm_fine(me, "get", error, SABIR_EMPTY) && !error)
			storm_got(me, account, item.as.data, item.len, order);
		__atomic_store_n(&me->slot->in_get, 0, __ATOMIC_SEQ_CST);
	}
	if (buffer.data != me->slot->buffer)
		storm_wrong(me->ledger, "get_into took another buffer");
	sabir_queue_free(queue);
}

void consume_plain(struct me *me)
{
	consume(me, "plain", PLAIN);
}

void consume_remote(struct me *me)
{
	consume(me, "remote", REMOTE);
}

/* ---------------------------------------------------------------- leases */

/* The item is this one's until he says so: nobody who lives has it. */
static void note_lease(struct me *me, const struct item *item, uint64_t who)
{
	uint64_t *leased = &me->ledger->leased[item->producer][item->number];
	uint64_t before = __atomic_exchange_n(leased, who, __ATOMIC_SEQ_CST);
	if (who && before && storm_lives(me->ledger, before))
		storm_wrong(me->ledger, "task %u of %u is leased to slot %u and to slot %u", item->number,
			    item->producer, (uint32_t)before - 1, (uint32_t)who - 1);
}

static void end_lease(struct me *me, sabir_queue *queue, const struct item *item, uint64_t token)
{
	bool back = storm_random(me, 8) == 0;
	enum sabir_error error;
	/* From here on somebody else may get it, or it is gone. */
	note_lease(me, item, 0);
	if (!back)
		__atomic_store_n(&me->ledger->maybe[TASKS][item->producer][item->number], 1, __ATOMIC_SEQ_CST);
	storm_begin(me, back ? "nack" : "ack", AT_ONCE);
	error = back ? sabir_task_queue_nack(queue, token, storm_random(me, 2) * 10 * SABIR_MILLISECOND)
		     : sabir_task_queue_ack(queue, token);
	storm_end(me);
	storm_fine(me, back ? "nack" : "ack", error, SABIR_OK);
	if (!back && !error &&
	    __atomic_fetch_add(&me->ledger->got[TASKS][item->producer][item->number], 1, __ATOMIC_SEQ_CST) != 0)
		storm_wrong(me->ledger, "task %u of %u was acknowledged twice", item->number, item->producer);
}

void work_tasks(struct me *me)
{
	sabir_queue *queue = NULL;
	struct sabir_item *item;
	struct sabir_lease lease;
	storm_need(me, "tasks", sabir_queue_open(me->conn, "tasks", &queue));
	while (!storm_is_over(me)) {
		struct item got;
		storm_begin(me, "lease", SABIR_SECOND);
		enum sabir_error error = sabir_task_queue_lease(queue, 3600 * SABIR_SECOND, SABIR_SECOND, &item,
								&lease);
		storm_end(me);
		if (!storm_fine(me, "lease", error, SABIR_EMPTY) || error)
			continue;
		memcpy(&got, item->as.data, sizeof(got));
		note_lease(me, &got, storm_me(me));
		usleep(storm_random(me, 1000));
		end_lease(me, queue, &got, lease.token);
		sabir_free(item);
	}
	sabir_queue_free(queue);
}

/* ---------------------------------------------------------------- list */

void append(struct me *me)
{
	struct sabir_list *list = NULL;
	if (!me->slot->next)
		me->slot->next = 1;
	storm_need(me, "list", sabir_list_open(me->conn, "list", &list));
	while (!storm_is_over(me)) {
		uint64_t length = 0;
		uint32_t number = take_numbers(me, LIST, 1);
		struct item item = item_of(me, number);
		struct sabir_item value = sabir_bytes(&item, sizeof(item));
		storm_begin(me, "append", 0);
		enum sabir_error error = number ? sabir_list_append(list, &value) : SABIR_FULL;
		storm_end(me);
		if (storm_fine(me, "append", error, SABIR_FULL))
			mark(me, LIST, number, 1, error ? NOT_PUT : ACCEPTED);
		storm_begin(me, "len", 0);
		storm_fine(me, "len", sabir_list_len(list, &length), SABIR_OK);
		storm_end(me);
		usleep(length > 300 ? 20000 : storm_random(me, 2000));
	}
	sabir_list_free(list);
}

/* A list hands nothing over: what is popped by somebody who is killed is gone, one item at most. */
void pop(struct me *me)
{
	struct sabir_list *list = NULL;
	struct sabir_item *item;
	uint32_t order[N_PRODUCERS] = { 0 };
	storm_need(me, "list", sabir_list_open(me->conn, "list", &list));
	while (!storm_is_over(me)) {
		__atomic_store_n(&me->slot->in_get, 1, __ATOMIC_SEQ_CST);
		storm_begin(me, "pop", 0);
		enum sabir_error error = sabir_list_pop(list, 0, &item);
		storm_end(me);
		if (storm_fine(me, "pop", error, SABIR_EMPTY) && !error) {
			storm_got(me, LIST, item->as.data, item->len, order);
			sabir_free(item);
		}
		__atomic_store_n(&me->slot->in_get, 0, __ATOMIC_SEQ_CST);
		usleep(storm_random(me, 1500));
	}
	sabir_list_free(list);
}
