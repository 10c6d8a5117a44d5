/* SPDX-License-Identifier: Apache-2.0 */
/* What poor programs do with what one waits for: locks, semaphores, events, conditions, barriers. */
#include "tests/hostile/hostile.h"

#define TIMES 6

static void hold(struct me *me, sabir_lock *lock)
{
	uint64_t timeout_ns = poor_time(me);
	struct sabir_lock_state state;
	if (!CALL_FOR(me, timeout_ns, sabir_lock_acquire(lock, timeout_ns, NULL)) && hostile_random(me, 8))
		CALL(me, sabir_lock_release(lock));
	CALL(me, sabir_lock_status(lock, &state));
}

void poor_lock(struct me *me, const char *name)
{
	sabir_lock *lock = NULL;
	if (CALL(me, sabir_lock_create(me->conn, name, SABIR_EXIST_OK, &lock)))
		return;
	for (int i = 0; i < TIMES; i++)
		hold(me, lock);
	CALL(me, (sabir_lock_free(lock), SABIR_OK));
}

void poor_rlock(struct me *me, const char *name)
{
	sabir_lock *lock = NULL;
	if (CALL(me, sabir_rlock_create(me->conn, name, SABIR_EXIST_OK, &lock)))
		return;
	for (int i = 0; i < TIMES; i++)
		hold(me, lock);
	CALL(me, (sabir_lock_free(lock), SABIR_OK));
}

void poor_semaphore(struct me *me, const char *name)
{
	unsigned kind = hostile_random(me, 2) ? SABIR_SEMAPHORE_OWNED : SABIR_SEMAPHORE_BOUNDED;
	sabir_semaphore *semaphore = NULL;
	uint64_t value, mine;
	if (CALL(me, sabir_semaphore_create(me->conn, name, 2, SABIR_EXIST_OK | kind, &semaphore)))
		return;
	for (int i = 0; i < TIMES; i++) {
		uint64_t timeout_ns = poor_time(me);
		if (!CALL_FOR(me, timeout_ns, sabir_semaphore_acquire(semaphore, timeout_ns)) && hostile_random(me, 8))
			CALL(me, sabir_semaphore_release(semaphore, 1));
		CALL(me, sabir_semaphore_status(semaphore, &value, &mine));
	}
	CALL(me, (sabir_semaphore_free(semaphore), SABIR_OK));
}

void poor_event(struct me *me, const char *name)
{
	sabir_event *event = NULL;
	bool set;
	if (CALL(me, sabir_event_create(me->conn, name, SABIR_EXIST_OK, &event)))
		return;
	for (int i = 0; i < TIMES; i++) {
		uint64_t timeout_ns = poor_time(me);
		uint32_t what = hostile_random(me, 4);
		if (what == 0)
			CALL(me, sabir_event_set(event));
		else if (what == 1)
			CALL(me, sabir_event_clear(event));
		else if (what == 2)
			CALL(me, sabir_event_is_set(event, &set));
		else
			CALL_FOR(me, timeout_ns, sabir_event_wait(event, timeout_ns));
	}
	CALL(me, (sabir_event_free(event), SABIR_OK));
}

static void use_condition(struct me *me, sabir_condition *condition)
{
	uint64_t timeout_ns = poor_time(me), n;
	if (CALL_FOR(me, timeout_ns, sabir_condition_acquire(condition, timeout_ns, NULL)))
		return;
	if (hostile_random(me, 2))
		CALL(me, sabir_condition_notify(condition, 1 + hostile_random(me, 3), &n));
	else
		CALL_PATIENTLY(me, sabir_condition_wait(condition, timeout_ns, NULL));
	CALL(me, sabir_condition_status(condition, &n));
	CALL(me, sabir_condition_release(condition));
}

void poor_condition(struct me *me, const char *name)
{
	sabir_condition *condition = NULL;
	if (CALL(me, sabir_condition_create(me->conn, name, NULL, SABIR_EXIST_OK, &condition)))
		return;
	for (int i = 0; i < TIMES; i++)
		use_condition(me, condition);
	CALL(me, (sabir_condition_free(condition), SABIR_OK));
}

void poor_barrier(struct me *me, const char *name)
{
	sabir_barrier *barrier = NULL;
	struct sabir_barrier_state state;
	uint64_t index;
	if (CALL(me, sabir_barrier_create(me->conn, name, 2, SABIR_EXIST_OK, &barrier)))
		return;
	for (int i = 0; i < TIMES; i++) {
		uint64_t timeout_ns = poor_time(me);
		CALL_FOR(me, timeout_ns, sabir_barrier_wait(barrier, timeout_ns, &index));
		if (hostile_random(me, 2))
			CALL(me, sabir_barrier_reset(barrier));
		else if (hostile_random(me, 4) == 0)
			CALL(me, sabir_barrier_abort(barrier));
		CALL(me, sabir_barrier_status(barrier, &state));
	}
	CALL(me, (sabir_barrier_free(barrier), SABIR_OK));
}
