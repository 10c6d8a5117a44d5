/* SPDX-License-Identifier: Apache-2.0 */
/* Honest programs that wait for each other, and those whose objects they are. */
#include <string.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define SOON (SABIR_SECOND / 5)
#define LATE (20 * SABIR_SECOND)

/* ---------------------------------------------------------------- lock, semaphore */

/* In two steps, so that two who are in the lock would be seen. */
static void count(struct me *me)
{
	struct ledger *l = me->ledger;
	RIGHT(me, __atomic_exchange_n(&l->in_lock, 1, __ATOMIC_SEQ_CST) == 0);
	RIGHT(me, l->counter == l->counter_again);
	l->counter++;
	usleep(hostile_random(me, 300));
	l->counter_again++;
	__atomic_store_n(&l->in_lock, 0, __ATOMIC_SEQ_CST);
}

void honest_lock(struct me *me)
{
	sabir_lock *lock = NULL;
	uint64_t token = 0;
	if (!GOOD(me, sabir_lock_open(me->conn, "honest/lock", &lock)))
		return;
	while (!hostile_is_over(me)) {
		struct sabir_hold hold;
		if (!GOOD_FOR(me, LATE, sabir_lock_acquire(lock, LATE, &hold)))
			continue;
		RIGHT(me, hold.token > token && !hold.abandoned);
		token = hold.token;
		count(me);
		GOOD(me, sabir_lock_release(lock));
		usleep(hostile_random(me, 2000));
	}
}

void honest_semaphore(struct me *me)
{
	sabir_semaphore *semaphore = NULL;
	uint32_t *in = &me->ledger->in_semaphore;
	if (!GOOD(me, sabir_semaphore_open(me->conn, "honest/semaphore", &semaphore)))
		return;
	while (!hostile_is_over(me)) {
		if (!GOOD_FOR(me, LATE, sabir_semaphore_acquire(semaphore, LATE)))
			continue;
		RIGHT(me, __atomic_add_fetch(in, 1, __ATOMIC_SEQ_CST) <= SEMAPHORE_VALUE);
		usleep(hostile_random(me, 500));
		__atomic_sub_fetch(in, 1, __ATOMIC_SEQ_CST);
		GOOD(me, sabir_semaphore_release(semaphore, 1));
		usleep(hostile_random(me, 1000));
	}
}

/* ---------------------------------------------------------------- event, condition, barrier */

/* One sets it, the other waits for that and clears it. */
void honest_event(struct me *me)
{
	sabir_event *event = NULL;
	bool set;
	if (!GOOD(me, sabir_event_open(me->conn, "honest/event", &event)))
		return;
	while (!hostile_is_over(me)) {
		if (me->pair == 0) {
			__atomic_add_fetch(&me->ledger->signalled, 1, __ATOMIC_SEQ_CST);
			GOOD(me, sabir_event_set(event));
			while (!hostile_is_over(me) && GOOD(me, sabir_event_is_set(event, &set)) && set)
				usleep(1000);
			continue;
		}
		enum sabir_error error = CALL_FOR(me, SOON, sabir_event_wait(event, SOON));
		if (error == SABIR_WOULD_BLOCK || !call_was(me, error, SABIR_OK))
			continue;
		RIGHT(me, __atomic_exchange_n(&me->ledger->signalled, 0, __ATOMIC_SEQ_CST) == 1);
		GOOD(me, sabir_event_clear(event));
	}
}

static bool is_my_turn(void *context)
{
	const struct me *me = context;
	return me->ledger->turn % 2 == me->pair;
}

static void take_turn(struct me *me, sabir_condition *condition)
{
	enum sabir_error error = CALL_FOR(me, SOON, sabir_condition_wait_for(condition, is_my_turn, me, SOON));
	if (error != SABIR_WOULD_BLOCK && call_was(me, error, SABIR_OK)) {
		RIGHT(me, is_my_turn(me));
		me->ledger->turn++;
		GOOD(me, sabir_condition_notify(condition, 1, NULL));
	}
}

void honest_condition(struct me *me)
{
	sabir_condition *condition = NULL;
	if (!GOOD(me, sabir_condition_open(me->conn, "honest/condition", &condition)))
		return;
	while (!hostile_is_over(me)) {
		if (!GOOD_FOR(me, LATE, sabir_condition_acquire(condition, LATE, NULL)))
			continue;
		take_turn(me, condition);
		GOOD(me, sabir_condition_release(condition));
		usleep(hostile_random(me, 1000));
	}
}

void honest_barrier(struct me *me)
{
	sabir_barrier *barrier = NULL;
	uint64_t *met = me->ledger->met;
	if (!GOOD(me, sabir_barrier_open(me->conn, "honest/barrier", &barrier)))
		return;
	while (!hostile_is_over(me)) {
		uint64_t mine = __atomic_add_fetch(&met[me->pair], 1, __ATOMIC_SEQ_CST);
		enum sabir_error error = CALL_FOR(me, LATE, sabir_barrier_wait(barrier, LATE, NULL));
		if (error && hostile_is_over(me))
			break;
		if (call_was(me, error, SABIR_OK)) {
			uint64_t other = __atomic_load_n(&met[!me->pair], __ATOMIC_SEQ_CST);
			RIGHT(me, other == mine || other == mine + 1);
		}
		usleep(hostile_random(me, 3000));
	}
	/* Whoever is still there need not wait. */
	CALL(me, sabir_barrier_abort(barrier));
}

/* ---------------------------------------------------------------- the objects */

static void prepare_items(struct me *me)
{
	const struct sabir_task_spec spec = { .size = sizeof(spec), .max_items = 60 };
	sabir_queue *queue;
	struct sabir_list *list;
	GOOD(me, sabir_queue_create(me->conn, "honest/queue/0", 40, 0, &queue));
	GOOD(me, sabir_queue_create(me->conn, "honest/queue/1", 40, 0, &queue));
	GOOD(me, sabir_task_queue_create(me->conn, "honest/tasks/0", &spec, 0, &queue));
	GOOD(me, sabir_task_queue_create(me->conn, "honest/tasks/1", &spec, 0, &queue));
	GOOD(me, sabir_list_create(me->conn, "honest/list/0", 0, &list));
	GOOD(me, sabir_list_create(me->conn, "honest/list/1", 0, &list));
}

static void prepare_state(struct me *me)
{
	const struct sabir_item zeros[2] = { sabir_int(0), sabir_int(0) };
	sabir_dict *dict;
	sabir_value *value;
	sabir_array *array;
	sabir_namespace *ns;
	sabir_block *block;
	sabir_shared_list *list;
	GOOD(me, sabir_dict_create(me->conn, "honest/dict", 0, &dict));
	GOOD(me, sabir_value_create(me->conn, "honest/value", 'q', 0, &value));
	GOOD(me, sabir_array_create(me->conn, "honest/array", 'q', 64, 0, &array));
	GOOD(me, sabir_namespace_create(me->conn, "honest/namespace", 0, &ns));
	GOOD(me, sabir_block_create(me->conn, "honest/block", 4096, 0, &block));
	GOOD(me, sabir_shared_list_create(me->conn, "honest/shared_list", zeros, 2, 0, &list));
}

static void prepare_sync(struct me *me)
{
	sabir_lock *lock;
	sabir_semaphore *semaphore;
	sabir_condition *condition;
	sabir_barrier *barrier;
	sabir_event *event;
	GOOD(me, sabir_lock_create(me->conn, "honest/lock", SABIR_LOCK_STRICT, &lock));
	GOOD(me, sabir_semaphore_create(me->conn, "honest/semaphore", SEMAPHORE_VALUE, SABIR_SEMAPHORE_BOUNDED,
					&semaphore));
	GOOD(me, sabir_condition_create(me->conn, "honest/condition", NULL, 0, &condition));
	GOOD(me, sabir_condition_get_lock(condition, &lock));
	GOOD(me, sabir_barrier_create(me->conn, "honest/barrier", 2, 0, &barrier));
	GOOD(me, sabir_event_create(me->conn, "honest/event", 0, &event));
}

void honest_prepare(struct me *me)
{
	struct sabir_spec pipe = { .size = sizeof(pipe), .kind = SABIR_KIND_PIPE, .max_items = 20 };
	struct sabir_info info;
	prepare_items(me);
	prepare_state(me);
	prepare_sync(me);
	/* With no end open yet: they are the callers'. */
	GOOD(me, sabir_create(me->conn, "honest/pipe", &pipe, 0, &info, NULL));
}
