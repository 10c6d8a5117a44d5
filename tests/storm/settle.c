/* SPDX-License-Identifier: Apache-2.0 */
/* Before the storm the objects are made; after it what is left in them is taken out, and all is added up. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/storm/storm.h"

static void prepare_queues(struct me *me)
{
	const struct sabir_task_spec spec = { .size = sizeof(spec), .max_items = 200 };
	sabir_queue *queue = NULL;
	storm_need(me, "plain", sabir_queue_create(me->conn, "plain", 100, 0, &queue));
	storm_need(me, "remote", sabir_queue_create(me->conn, "remote", 100, 0, &queue));
	storm_need(me, "objects", sabir_queue_create(me->conn, "objects", 10, 0, &queue));
	storm_need(me, "tasks", sabir_task_queue_create(me->conn, "tasks", &spec, 0, &queue));
}

void settle_prepare(struct me *me)
{
	struct sabir_list *list;
	sabir_dict *dict;
	sabir_value *value;
	sabir_lock *lock;
	sabir_semaphore *semaphore;
	sabir_condition *condition;
	sabir_barrier *barrier;
	sabir_event *event;
	prepare_queues(me);
	storm_need(me, "list", sabir_list_create(me->conn, "list", 0, &list));
	storm_need(me, "dict", sabir_dict_create(me->conn, "dict", 0, &dict));
	storm_need(me, "value", sabir_value_create(me->conn, "value", 'q', 0, &value));
	storm_need(me, "lock", sabir_lock_create(me->conn, "lock", SABIR_LOCK_STRICT, &lock));
	storm_need(me, "semaphore",
		   sabir_semaphore_create(me->conn, "semaphore", SEMAPHORE_VALUE, SABIR_SEMAPHORE_BOUNDED, &semaphore));
	storm_need(me, "condition", sabir_condition_create(me->conn, "condition", NULL, 0, &condition));
	storm_need(me, "barrier", sabir_barrier_create(me->conn, "barrier", 2, 0, &barrier));
	storm_need(me, "event", sabir_event_create(me->conn, "event", 0, &event));
}

/* ---------------------------------------------------------------- what is left */

static void drain_queue(struct me *me, const char *name, enum account account)
{
	sabir_queue *queue = NULL;
	struct sabir_item *item;
	storm_need(me, name, sabir_queue_open(me->conn, name, &queue));
	while (sabir_queue_get(queue, SABIR_SECOND, &item) == SABIR_OK) {
		storm_got(me, account, item->as.data, item->len, NULL);
		sabir_free(item);
	}
}

static void drain_list(struct me *me)
{
	struct sabir_list *list = NULL;
	struct sabir_item *item;
	storm_need(me, "list", sabir_list_open(me->conn, "list", &list));
	while (sabir_list_pop(list, 0, &item) == SABIR_OK) {
		storm_got(me, LIST, item->as.data, item->len, NULL);
		sabir_free(item);
	}
}

static void add_up(struct ledger *l, enum account account, const char *name)
{
	uint64_t n_accepted = 0, n_got = 0, n_lost = 0, n_unsaid = 0, n_from_nowhere = 0;
	for (uint32_t p = 0; p < N_PRODUCERS; p++) {
		for (uint32_t i = 0; i < N_NUMBERS; i++) {
			uint8_t put = l->put[account][p][i], got = l->got[account][p][i];
			n_accepted += put == ACCEPTED;
			n_got += got;
			n_from_nowhere += got && put == NOT_PUT;
			n_unsaid += put == STARTED;
			n_lost += put == ACCEPTED && !got && !l->maybe[account][p][i];
		}
	}
	printf("%-7s %8" PRIu64 " put, %8" PRIu64 " got, %4" PRIu64 " puts unsaid, %4" PRIu64 " missing, %4" PRIu64
	       " killed with one in hand\n",
	       name, n_accepted, n_got, n_unsaid, n_lost, l->unsaid[account]);
	if (n_lost > l->unsaid[account])
		storm_wrong(l, "%s: %" PRIu64 " items are lost", name, n_lost - l->unsaid[account]);
	if (n_from_nowhere)
		storm_wrong(l, "%s: %" PRIu64 " items came that nobody put", name, n_from_nowhere);
}

static void check_counts(struct me *me)
{
	struct ledger *l = me->ledger;
	sabir_dict *dict = NULL;
	sabir_value *value = NULL;
	int64_t in_value = 0;
	uint64_t done = 0, started = 0;
	storm_need(me, "dict", sabir_dict_open(me->conn, "dict", &dict));
	storm_need(me, "value", sabir_value_open(me->conn, "value", &value));
	for (uint32_t i = 0; i < N_SLOTS_MAX; i++) {
		struct sabir_item key = sabir_int(i), *got;
		done += l->counts_done[i];
		started += l->counts_started[i];
		if (!l->counts_done[i] || sabir_dict_get(dict, &key, &got))
			continue;
		if ((uint64_t)got->as.i < l->counts_done[i] || (uint64_t)got->as.i > l->counts_started[i])
			storm_wrong(l, "slot %u counted to %" PRId64 " in %" PRIu64 " to %" PRIu64 " steps", i,
				    got->as.i, l->counts_done[i], l->counts_started[i]);
	}
	storm_need(me, "value", sabir_value_get_int(value, &in_value));
	if ((uint64_t)in_value < done || (uint64_t)in_value > started)
		storm_wrong(l, "the value is %" PRId64 " behind %" PRIu64 " to %" PRIu64 " steps", in_value, done,
			    started);
	printf("counts  %8" PRIu64 " done, %8" PRIu64 " started\n", done, started);
}

/* Nothing that the dead held is held any more. */
static void check_free(struct me *me)
{
	sabir_lock *lock = NULL;
	sabir_semaphore *semaphore = NULL;
	storm_need(me, "lock", sabir_lock_open(me->conn, "lock", &lock));
	storm_need(me, "semaphore", sabir_semaphore_open(me->conn, "semaphore", &semaphore));
	if (sabir_lock_acquire(lock, LEASE_NS + BOUND_NS, NULL))
		storm_wrong(me->ledger, "the lock is not free");
	for (int i = 0; i < SEMAPHORE_VALUE; i++)
		if (sabir_semaphore_acquire(semaphore, LEASE_NS + BOUND_NS))
			storm_wrong(me->ledger, "the semaphore lacks %d", SEMAPHORE_VALUE - i);
}

/* What is on a lease of a remote one who died comes back when the lease of his session has ended. */
static void drain_tasks(struct me *me)
{
	sabir_queue *queue = NULL;
	struct sabir_task_state state = { 0 };
	uint64_t end = storm_now() + LEASE_NS + BOUND_NS;
	storm_need(me, "tasks", sabir_queue_open(me->conn, "tasks", &queue));
	do {
		drain_queue(me, "tasks", TASKS);
		storm_need(me, "tasks", sabir_task_queue_state(queue, &state));
	} while ((state.leased || state.delayed || state.ready) && storm_now() < end);
	if (state.leased)
		storm_wrong(me->ledger, "%" PRIu64 " tasks are still leased", state.leased);
}

void settle_check(struct me *me)
{
	drain_queue(me, "plain", PLAIN);
	drain_queue(me, "remote", REMOTE);
	drain_tasks(me);
	drain_list(me);
	add_up(me->ledger, PLAIN, "plain");
	add_up(me->ledger, REMOTE, "remote");
	add_up(me->ledger, TASKS, "tasks");
	add_up(me->ledger, LIST, "list");
	check_counts(me);
	check_free(me);
	fflush(stdout);
}
