/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking on shared memory: the waiter's side of server/shm/event.h.
 *
 *   look a few times ──► { say that we wait ──► look ──► sleep } until something is there ──► pass it on
 *
 * A wake is meant for one waiter, and the notifier takes the flag off for all who sleep. So whoever was woken says
 * anew that he waits before he looks, and when he leaves something behind he wakes the next.
 */
#include <unistd.h>

#include "bindings/c/local.h"
#include "server/objects/queue.h"
#include "server/objects/turns.h"

#define MIN_SPINS 4u
#define MAX_SPINS 12u
#define FIRST_PAUSES 32u
#define MOST_PAUSES 128u

/* Where there is one processor, who is waited for can't run while we look. */
static long n_cpus(void)
{
	static uint32_t known;
	uint32_t n = load32_relaxed(&known);
	if (!n) {
		long found = sysconf(_SC_NPROCESSORS_ONLN);
		n = found > 0 ? (uint32_t)found : 1;
		store32_relaxed(&known, n);
	}
	return n;
}

/*
 * Looks again for a while: a sleep and a wake cost more. How long follows from how often it paid before. The pauses between
 * the looks grow: who looks too often takes the lines away from the one he waits for, and finds one item where he could
 * find many.
 */
static enum sabir_error spin(struct waiting_lane *mine, local_attempt_fn *attempt, void *context)
{
	uint32_t spins = mine->spins < MIN_SPINS ? MIN_SPINS : mine->spins;
	uint32_t pauses = FIRST_PAUSES;
	enum sabir_error error = SABIR_WOULD_BLOCK;
	for (uint32_t i = 0; i < spins; i++) {
		for (uint32_t pause = 0; pause < pauses; pause++)
			cpu_relax();
		if (pauses < MOST_PAUSES)
			pauses *= 2;
		error = attempt(&mine->lane, context);
		if (!error_would_wait(error)) {
			mine->spins = spins * 2 > MAX_SPINS ? MAX_SPINS : spins * 2;
			return error;
		}
	}
	mine->spins = spins / 2;
	return error;
}

/* Whether the next who waits on the side of a queue would find something. Of other kinds a notify wakes all who wait. */
static bool more_left(struct lane *lane, uint64_t handle, uint32_t side)
{
	struct queue_size size;
	if (queue_size(lane, handle, &size))
		return false;
	return side == SEG_EVENT_ITEMS ? size.size > 0 : size.size < size.max_items;
}

/* The looks before the first sleep; an error that would not wait ends it all. */
static enum sabir_error look(struct lane *lane, local_attempt_fn *attempt, void *context)
{
	return n_cpus() > 1 ? spin((struct waiting_lane *)lane, attempt, context) : SABIR_WOULD_BLOCK;
}

/* *place: where it can be called, or NULL. *timed_out: the answer is that of before the time was over. */
static enum sabir_error sleep_until(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
				    local_attempt_fn *attempt, void *context, const uint64_t *place, bool *timed_out)
{
	uint32_t index = object_index(handle);
	struct seg_event *event = &lane->seg->objects[index].event[side];
	bool woken = false;
	enum sabir_error error;

	for (;;) {
		uint32_t key = event_prepare(event, SEG_WAITING_LOCAL);
		error = attempt(lane, context);
		if (!error_would_wait(error))
			break;
		if (!event_wait_call(lane, index, side, key, deadline_ns, turn_bits(place ? *place : 0))) {
			*timed_out = true;
			break;
		}
		woken = true;
	}
	/* The wake was for one of us: if something is left, it is the next one's turn. */
	if (woken && !error_would_wait(error) && more_left(lane, handle, side))
		event_notify(lane->seg, index, side, 1);
	return error;
}

enum sabir_error local_wait_at(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
			       local_attempt_fn *attempt, void *context, const uint64_t *place)
{
	bool timed_out = false;
	enum sabir_error error = look(lane, attempt, context);
	if (!error_would_wait(error))
		return error;
	error = sleep_until(lane, handle, side, deadline_ns, attempt, context, place, &timed_out);
	if (timed_out)
		error = attempt(lane, context);
	store32_relaxed(&lane->shared->wait_side, 0);
	return error;
}

enum sabir_error local_wait(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
			    local_attempt_fn *attempt, void *context)
{
	return local_wait_at(lane, handle, side, deadline_ns, attempt, context, NULL);
}

enum sabir_error local_wait_turn(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
				 local_attempt_fn *attempt, struct local_turn *turn)
{
	bool timed_out = false;
	enum sabir_error error = look(lane, attempt, turn);
	if (!error_would_wait(error))
		return error;
	turn->joins = true;
	error = sleep_until(lane, handle, side, deadline_ns, attempt, turn, &turn->place, &timed_out);
	if (timed_out || turn->place) {
		turn->last = true;
		error = attempt(lane, turn);
	}
	store32_relaxed(&lane->shared->wait_side, 0);
	return error;
}
