/* SPDX-License-Identifier: Apache-2.0 */
/* The roles of those who wait for each other: locks, semaphores, conditions, barriers, events; and of those who count. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/storm/storm.h"

#define SOON (SABIR_SECOND / 2)

/* ---------------------------------------------------------------- a lock, and what it protects */

static void enter(struct me *me, const struct sabir_hold *hold)
{
	struct ledger *l = me->ledger;
	uint64_t before = __atomic_exchange_n(&l->lock_holder, storm_me(me), __ATOMIC_SEQ_CST);
	if (storm_stood_still(l))
		return; /* who was here may have lost the lock, or I */
	if (before && storm_lives(l, before))
		storm_wrong(l, "the lock is held by slot %u and by slot %u", (uint32_t)before - 1, me->index);
	if (before && !storm_lives(l, before) && !hold->abandoned)
		storm_wrong(l, "slot %u was not told that slot %u died with the lock", me->index, (uint32_t)before - 1);
	if (hold->token <= l->lock_token)
		storm_wrong(l, "fencing token %llu behind %llu", (unsigned long long)hold->token,
			    (unsigned long long)l->lock_token);
	if (!before && l->protected[0] != l->protected[1])
		storm_wrong(l, "two were in the lock");
	l->lock_token = hold->token;
	l->protected[0] = hold->token;
	usleep(storm_random(me, 500));
	l->protected[1] = hold->token;
}

void hold_lock(struct me *me)
{
	sabir_lock *lock = NULL;
	storm_need(me, "lock", sabir_lock_open(me->conn, "lock", &lock));
	while (!storm_is_over(me)) {
		struct sabir_hold hold;
		storm_begin(me, "acquire", 0);
		enum sabir_error error = sabir_lock_acquire(lock, SABIR_FOREVER, &hold);
		storm_end(me);
		if (!storm_fine(me, "acquire", error, SABIR_OK))
			continue;
		enter(me, &hold);
		__atomic_store_n(&me->ledger->lock_holder, 0, __ATOMIC_SEQ_CST);
		storm_begin(me, "release", 0);
		storm_fine(me, "release", sabir_lock_release(lock), SABIR_OK);
		storm_end(me);
		usleep(storm_random(me, 1000));
	}
	sabir_lock_free(lock);
}

/* ---------------------------------------------------------------- semaphore */

static uint32_t count_in_semaphore(const struct ledger *l)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < N_SLOTS_MAX; i++) {
		uint32_t life = __atomic_load_n(&l->in_semaphore[i], __ATOMIC_SEQ_CST);
		n += life && storm_lives(l, (uint64_t)life << 32 | (i + 1));
	}
	return n;
}

void hold_semaphore(struct me *me)
{
	sabir_semaphore *semaphore = NULL;
	uint32_t *in = &me->ledger->in_semaphore[me->index];
	uint64_t *come = &me->ledger->n_into_semaphore;
	storm_need(me, "semaphore", sabir_semaphore_open(me->conn, "semaphore", &semaphore));
	while (!storm_is_over(me)) {
		storm_begin(me, "semaphore acquire", 0);
		enum sabir_error error = sabir_semaphore_acquire(semaphore, SABIR_FOREVER);
		storm_end(me);
		if (!storm_fine(me, "semaphore acquire", error, SABIR_OK))
			continue;
		uint64_t now = __atomic_add_fetch(come, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(in, me->slot->life, __ATOMIC_SEQ_CST);
		uint32_t n = count_in_semaphore(me->ledger);
		/* Who is stopped while he counts may count one who has gone, and the one who came after him. */
		bool at_once = __atomic_load_n(come, __ATOMIC_SEQ_CST) == now;
		if (n > SEMAPHORE_VALUE && at_once && !storm_stood_still(me->ledger))
			storm_wrong(me->ledger, "%u hold the semaphore", n);
		usleep(storm_random(me, 1000));
		__atomic_store_n(in, 0, __ATOMIC_SEQ_CST);
		storm_begin(me, "semaphore release", 0);
		storm_fine(me, "semaphore release", sabir_semaphore_release(semaphore, 1), SABIR_OK);
		storm_end(me);
	}
	sabir_semaphore_free(semaphore);
}

/* ---------------------------------------------------------------- dict and value */

static void count_once(struct me *me, sabir_dict *dict, sabir_value *value)
{
	struct ledger *l = me->ledger;
	struct sabir_item key = sabir_int(me->index), all = sabir_text("all");
	int64_t sum = 0;
	__atomic_fetch_add(&l->counts_started[me->index], 1, __ATOMIC_SEQ_CST);
	storm_begin(me, "increment", 0);
	bool fine = storm_fine(me, "increment", sabir_dict_increment_int(dict, &key, 1, &sum), SABIR_OK);
	uint64_t started = l->counts_started[me->index], done = l->counts_done[me->index];
	if (fine && ((uint64_t)sum <= done || (uint64_t)sum > started))
		storm_wrong(l, "slot %u counted to %lld, not between %llu and %llu", me->index, (long long)sum,
			    (unsigned long long)done + 1, (unsigned long long)started);
	fine &= storm_fine(me, "increment all", sabir_dict_increment_int(dict, &all, 1, NULL), SABIR_OK);
	fine &= storm_fine(me, "add", sabir_value_add_int(value, 1, NULL), SABIR_OK);
	storm_end(me);
	if (fine)
		__atomic_fetch_add(&l->counts_done[me->index], 1, __ATOMIC_SEQ_CST);
}

/* Entries of its own, that come and go: the table grows, shrinks and is moved meanwhile. */
static void churn(struct me *me, sabir_dict *dict)
{
	char name[32];
	snprintf(name, sizeof(name), "%u/%u", me->index, storm_random(me, 60));
	struct sabir_item key = sabir_text(name), value = sabir_bytes(me->slot->buffer, storm_random(me, 600)), *got;
	storm_begin(me, "set, get, delete", 0);
	storm_fine(me, "set", sabir_dict_set(dict, &key, &value, NULL), SABIR_OK);
	enum sabir_error error = sabir_dict_get(dict, &key, &got);
	if (storm_fine(me, "get", error, SABIR_OK)) {
		if (got->len != value.len)
			storm_wrong(me->ledger, "%s holds %zu bytes, not %zu", name, got->len, value.len);
		sabir_free(got);
	}
	if (storm_random(me, 2))
		storm_fine(me, "delete", sabir_dict_delete(dict, &key), SABIR_OK);
	storm_end(me);
}

void count(struct me *me)
{
	sabir_dict *dict = NULL;
	sabir_value *value = NULL;
	storm_need(me, "dict", sabir_dict_open(me->conn, "dict", &dict));
	storm_need(me, "value", sabir_value_open(me->conn, "value", &value));
	while (!storm_is_over(me)) {
		count_once(me, dict, value);
		churn(me, dict);
		usleep(storm_random(me, 1000));
	}
	sabir_dict_free(dict);
	sabir_value_free(value);
}

/* ---------------------------------------------------------------- condition, barrier, event */

static bool any_token(void *context)
{
	const struct me *me = context;
	return __atomic_load_n(&me->ledger->tokens, __ATOMIC_SEQ_CST) > 0;
}

/* Half of them give tokens, half wait for one. */
static void give_or_take(struct me *me, sabir_condition *condition)
{
	int64_t *tokens = &me->ledger->tokens;
	if (me->index % 2) {
		__atomic_fetch_add(tokens, 1, __ATOMIC_SEQ_CST);
		storm_fine(me, "notify", sabir_condition_notify(condition, 1, NULL), SABIR_OK);
		return;
	}
	enum sabir_error error = sabir_condition_wait_for(condition, any_token, me, SOON);
	if (storm_fine(me, "wait_for", error, SABIR_WOULD_BLOCK) && !error &&
	    __atomic_fetch_sub(tokens, 1, __ATOMIC_SEQ_CST) <= 0 && !storm_stood_still(me->ledger))
		storm_wrong(me->ledger, "two were in the condition's lock");
}

void notify(struct me *me)
{
	sabir_condition *condition = NULL;
	storm_need(me, "condition", sabir_condition_open(me->conn, "condition", &condition));
	while (!storm_is_over(me)) {
		storm_begin(me, "condition acquire", 0);
		enum sabir_error error = sabir_condition_acquire(condition, SABIR_FOREVER, NULL);
		storm_end(me);
		if (!storm_fine(me, "condition acquire", error, SABIR_OK))
			continue;
		storm_begin(me, "condition", SOON);
		give_or_take(me, condition);
		storm_fine(me, "condition release", sabir_condition_release(condition), SABIR_OK);
		storm_end(me);
		usleep(storm_random(me, 2000));
	}
	sabir_condition_free(condition);
}

/* Who dies breaks it for the others; anyone makes it whole. */
void meet(struct me *me)
{
	sabir_barrier *barrier = NULL;
	storm_need(me, "barrier", sabir_barrier_open(me->conn, "barrier", &barrier));
	while (!storm_is_over(me)) {
		storm_begin(me, "barrier", SABIR_SECOND);
		enum sabir_error error = sabir_barrier_wait(barrier, SABIR_SECOND, NULL);
		storm_end(me);
		if (!storm_fine(me, "barrier", error, SABIR_BROKEN_BARRIER) || !error)
			continue;
		storm_begin(me, "barrier reset", 0);
		storm_fine(me, "barrier reset", sabir_barrier_reset(barrier), SABIR_OK);
		storm_end(me);
		usleep(storm_random(me, 20000));
	}
	sabir_barrier_free(barrier);
}

void signal_event(struct me *me)
{
	sabir_event *event = NULL;
	storm_need(me, "event", sabir_event_open(me->conn, "event", &event));
	while (!storm_is_over(me)) {
		storm_begin(me, "event", SOON);
		if (me->index % 2)
			storm_fine(me, "wait", sabir_event_wait(event, SOON), SABIR_WOULD_BLOCK);
		else if (storm_random(me, 2))
			storm_fine(me, "set", sabir_event_set(event), SABIR_OK);
		else
			storm_fine(me, "clear", sabir_event_clear(event), SABIR_OK);
		storm_end(me);
		usleep(storm_random(me, 3000));
	}
	sabir_event_free(event);
}
