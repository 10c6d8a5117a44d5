/* SPDX-License-Identifier: Apache-2.0 */
/* The roles of those who speak by pipes, which end when one of the two dies, and of those who hold objects without a name. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/storm/storm.h"

#define SOON (SABIR_SECOND / 2)

static struct pipe_life *life_of(struct me *me)
{
	return &me->ledger->pipes[me->slot->producer];
}

static void name_of(const struct me *me, uint32_t life, char name[32])
{
	snprintf(name, 32, "pipe/%u/%u", me->slot->producer, life);
}

/* Sends until the other end breaks, or nobody seems to come to it. */
static void send_all(struct me *me, sabir_pipe *pipe, struct pipe_life *p)
{
	enum sabir_error error = SABIR_OK;
	uint32_t number = 0, n_full = 0;
	while (!storm_is_over(me) && error != SABIR_BROKEN_PIPE && number < 2000 && n_full < 4) {
		struct item item = { ITEM_MAGIC, me->slot->producer, number };
		struct sabir_item value = sabir_bytes(&item, sizeof(item));
		storm_begin(me, "send", SOON);
		error = sabir_pipe_send(pipe, &value, SOON);
		storm_end(me);
		if (storm_is_over(me))
			break; /* the receiver may be gone already, and the pipe too */
		if (error != SABIR_BROKEN_PIPE)
			storm_fine(me, "send", error, SABIR_FULL);
		if (!error)
			__atomic_store_n(&p->sent, ++number, __ATOMIC_SEQ_CST);
		n_full = error ? n_full + 1 : 0;
		usleep(storm_random(me, 1500));
	}
}

void send_pipe(struct me *me)
{
	struct pipe_life *p = life_of(me);
	while (!storm_is_over(me)) {
		char name[32];
		sabir_pipe *ends[2] = { NULL, NULL };
		uint32_t life = p->life + 1;
		storm_begin(me, "pipe", 0);
		/* One that nobody came to, or whose receiver was killed. */
		name_of(me, life > 2 ? life - 2 : 0, name);
		storm_fine(me, "delete pipe", sabir_delete(me->conn, name), SABIR_NOT_FOUND);
		name_of(me, life, name);
		/* Who made it and was killed before he could say so leaves it to the next. */
		enum sabir_error error = sabir_pipe_create(me->conn, name, 20, SABIR_EXIST_OK | SABIR_PIPE_ONE_WAY,
							   NULL);
		if (!error)
			error = sabir_pipe_open(me->conn, name, 1, &ends[1]);
		storm_end(me);
		__atomic_store_n(&p->sent, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&p->life, life, __ATOMIC_SEQ_CST);
		__atomic_store_n(&p->taken, 0, __ATOMIC_SEQ_CST);
		if (storm_fine(me, "pipe", error, SABIR_CLOSED) && !error)
			send_all(me, ends[1], p);
		sabir_pipe_free(ends[1]);
	}
}

/* Receives all that its sender sent, to the end. */
static void receive_all(struct me *me, sabir_pipe *pipe, struct pipe_life *p, uint32_t life)
{
	struct sabir_item *value;
	struct item item;
	uint32_t number = 0;
	enum sabir_error error = SABIR_OK;
	while (!storm_is_over(me) && error != SABIR_END_OF_FILE && error != SABIR_DELETED) {
		storm_begin(me, "recv", SOON);
		error = sabir_pipe_recv(pipe, SOON, &value);
		storm_end(me);
		/* It is deleted behind who is late. */
		if (error == SABIR_END_OF_FILE || error == SABIR_DELETED ||
		    !storm_fine(me, "recv", error, SABIR_EMPTY) || error)
			continue;
		memcpy(&item, value->as.data, sizeof(item));
		if (item.number != number)
			storm_wrong(me->ledger, "message %u of pipe %u came as %u", item.number, me->slot->producer,
				    number);
		number = item.number + 1;
		sabir_free(value);
	}
	if (error == SABIR_END_OF_FILE && __atomic_load_n(&p->life, __ATOMIC_SEQ_CST) == life && number < p->sent)
		storm_wrong(me->ledger, "pipe %u ended behind %u of %u messages", me->slot->producer, number, p->sent);
}

void receive_pipe(struct me *me)
{
	struct pipe_life *p = life_of(me);
	while (!storm_is_over(me)) {
		char name[32];
		sabir_pipe *pipe = NULL;
		bool taken = __atomic_exchange_n(&p->taken, 1, __ATOMIC_SEQ_CST);
		uint32_t life = __atomic_load_n(&p->life, __ATOMIC_SEQ_CST);
		if (!life || taken) {
			usleep(2000);
			continue;
		}
		name_of(me, life, name);
		storm_begin(me, "open pipe", 0);
		enum sabir_error error = sabir_pipe_open(me->conn, name, 0, &pipe);
		storm_end(me);
		/* Who was late with the one before deletes it between its name and its end. */
		if (error != SABIR_NOT_FOUND && error != SABIR_DELETED &&
		    storm_fine(me, "open pipe", error, SABIR_CLOSED) && !error)
			receive_all(me, pipe, p, life);
		sabir_pipe_free(pipe);
		storm_begin(me, "delete pipe", 0);
		storm_fine(me, "delete pipe", sabir_delete(me->conn, name), SABIR_NOT_FOUND);
		storm_end(me);
	}
}

/* Objects without a name, some of which only a queue refers to: all are gone when their holders are. */
void hold_anonymous(struct me *me)
{
	sabir_queue *queue = NULL;
	storm_need(me, "objects", sabir_queue_open(me->conn, "objects", &queue));
	while (!storm_is_over(me)) {
		struct sabir_item value = sabir_text("held"), *got;
		struct sabir_list *list = NULL;
		sabir_dict *dict = NULL;
		storm_begin(me, "anonymous", 0);
		if (storm_fine(me, "anonymous list", sabir_list_create(me->conn, NULL, 0, &list), SABIR_OK))
			storm_fine(me, "append", sabir_list_append(list, &value), SABIR_OK);
		if (storm_fine(me, "anonymous dict", sabir_dict_create(me->conn, NULL, 0, &dict), SABIR_OK) && list) {
			struct sabir_item ref = sabir_object(sabir_list_handle(list));
			storm_fine(me, "set ref", sabir_dict_set(dict, &value, &ref, NULL), SABIR_OK);
			ref = sabir_object(sabir_dict_handle(dict));
			storm_fine(me, "put ref", sabir_queue_put(queue, &ref, 0), SABIR_FULL);
		}
		enum sabir_error error = storm_random(me, 2) ? sabir_queue_get(queue, 0, &got) : SABIR_EMPTY;
		if (storm_fine(me, "get ref", error, SABIR_EMPTY) && !error)
			sabir_free(got);
		sabir_dict_free(dict);
		sabir_list_free(list);
		storm_end(me);
		usleep(storm_random(me, 20000));
	}
	sabir_queue_free(queue);
}
