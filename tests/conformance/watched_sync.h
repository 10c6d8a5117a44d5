/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFORMANCE_WATCHED_SYNC_H
#define TESTS_CONFORMANCE_WATCHED_SYNC_H

/* The kinds that make others wait: pipes, locks, semaphores, conditions, events, barriers. See watched_kinds.h. */
#include "tests/conformance/watched_kinds.h"

/* ---------------------------------------------------------------- pipe: end 0 is local */

static sabir_pipe *pipes[2];
static uint64_t pipe_lengths[2]; /* of the way to each end */

static void pipe_open(int who)
{
	SAME(!sabir_pipe_open(conns[who], NAME, (uint32_t)who, &pipes[who]));
	pipe_lengths[who] = 0;
}

static void pipe_free(int who)
{
	sabir_pipe_free(pipes[who]);
}

static void pipe_step(int who)
{
	struct sabir_item item = sabir_int(7), *got;
	if (random_below(2)) {
		enum sabir_error error = sabir_pipe_send(pipes[who], &item, 0);
		SAME(error == (pipe_lengths[!who] < BOUND ? SABIR_OK : SABIR_FULL));
		if (error)
			return;
		pipe_lengths[!who]++;
		note(SABIR_CHANGE_PUT, NO_KEY, !who, 1);
	} else {
		enum sabir_error error = sabir_pipe_recv(pipes[who], 0, &got);
		SAME(error == (pipe_lengths[who] ? SABIR_OK : SABIR_EMPTY));
		if (error)
			return;
		sabir_free(got);
		pipe_lengths[who]--;
		note(SABIR_CHANGE_TAKEN, NO_KEY, (uint64_t)who, 1);
	}
	state.length = pipe_lengths[0] + pipe_lengths[1];
}

/* ---------------------------------------------------------------- lock, semaphore, event, barrier */

HANDLES(lock, sabir_lock)
HANDLES(semaphore, sabir_semaphore)
HANDLES(event, sabir_event)
HANDLES(barrier, sabir_barrier)
HANDLES(condition, sabir_condition)

/* Each entry of an rlock, and each exit, is a change. */
static uint64_t rlock_depth;
static int rlock_holder;

static void rlock_step(int who)
{
	bool his = state.length && rlock_holder == who;
	if (random_below(2)) {
		enum sabir_error error = sabir_lock_acquire(locks[who], 0, NULL);
		SAME(error == (state.length && !his ? SABIR_WOULD_BLOCK : SABIR_OK));
		if (error)
			return;
		rlock_depth = his ? rlock_depth + 1 : 1;
		rlock_holder = who;
		state.length = 1;
		note(SABIR_CHANGE_ACQUIRED, NO_KEY, 0, 1);
	} else {
		enum sabir_error error = sabir_lock_release(locks[who]);
		SAME(error == (his ? SABIR_OK : SABIR_NOT_HELD));
		if (error)
			return;
		state.length = --rlock_depth != 0;
		note(SABIR_CHANGE_RELEASED, NO_KEY, 0, 1);
	}
}

/* Nobody waits, so a notification is none; a wait comes, has waited, and goes. */
static void condition_step(int who)
{
	uint64_t n;
	SAME(!sabir_condition_acquire(conditions[who], 0, NULL));
	if (random_below(2)) {
		SAME(!sabir_condition_notify_all(conditions[who], &n) && n == 0);
	} else {
		SAME(sabir_condition_wait(conditions[who], 0, NULL) == SABIR_WOULD_BLOCK);
		for (int i = 0; i < 3; i++)
			note(SABIR_CHANGE_OTHER, NO_KEY, 0, 0);
	}
	SAME(!sabir_condition_release(conditions[who]));
}

static void lock_step(int who)
{
	if (random_below(2)) {
		enum sabir_error error = sabir_lock_acquire(locks[who], 0, NULL);
		SAME(error == (state.length ? SABIR_WOULD_BLOCK : SABIR_OK));
		if (!error)
			note(SABIR_CHANGE_ACQUIRED, NO_KEY, 0, 1);
		state.length = 1;
	} else {
		enum sabir_error error = sabir_lock_release(locks[who]);
		SAME(error == (state.length ? SABIR_OK : SABIR_NOT_HELD));
		if (!error)
			note(SABIR_CHANGE_RELEASED, NO_KEY, 0, 1);
		state.length = 0;
	}
}

static void semaphore_step(int who)
{
	uint64_t n = 1 + random_below(2);
	if (random_below(3)) {
		enum sabir_error error = sabir_semaphore_acquire(semaphores[who], 0);
		SAME(error == (state.length ? SABIR_OK : SABIR_WOULD_BLOCK));
		if (!error)
			note(SABIR_CHANGE_ACQUIRED, NO_KEY, 0, 1);
		state.length -= !error;
	} else {
		SAME(!sabir_semaphore_release(semaphores[who], n));
		note(SABIR_CHANGE_RELEASED, NO_KEY, 0, n);
		state.length += n;
	}
}

static void event_step(int who)
{
	bool sets = random_below(2);
	SAME(!(sets ? sabir_event_set(events[who]) : sabir_event_clear(events[who])));
	if (sets != (state.length != 0))
		note(sets ? SABIR_CHANGE_SIGNALLED : SABIR_CHANGE_UNSIGNALLED, NO_KEY, 0, 0);
	state.length = sets;
}

/* That it is broken, or whole, is told anew each time. */
static void barrier_step(int who)
{
	SAME(!(random_below(2) ? sabir_barrier_abort(barriers[who]) : sabir_barrier_reset(barriers[who])));
	note(SABIR_CHANGE_OTHER, NO_KEY, 0, 0);
}

#endif
