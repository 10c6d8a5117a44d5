/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking on shared memory: the waiter's side of server/shm/event.h.
 *
 *   look a few times ──► { say that we wait ──► look ──► sleep } until something is there ──► pass it on
 *
 * A wake is meant for one waiter, and the notifier takes the flag off for all who sleep. So whoever was woken says
 * anew that he waits before he looks, and when he leaves something behind he wakes the next.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bindings/c/cancel.h"
#include "bindings/c/chore.h"
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

/* A wait that is under way. */
struct wait {
	struct lane *lane;
	uint64_t handle;
	uint32_t side;
	uint64_t deadline_ns;
	local_attempt_fn *attempt;
	void *context;
	const uint64_t *place; /* where it can be called, or NULL */
	bool timed_out;        /* its answer is that of before the time was over */
};

/* The looks before the first sleep; an error that would not wait ends it all. Who is to give up does not go on looking. */
static enum sabir_error look(const struct wait *w)
{
	if (n_cpus() == 1 || cancel_is_due())
		return SABIR_WOULD_BLOCK;
	return spin((struct waiting_lane *)w->lane, w->attempt, w->context);
}

/* Errors: besides, CANCELLED, when it would sleep on. */
static enum sabir_error sleep_until(struct wait *w)
{
	uint32_t index = object_index(w->handle);
	struct seg_event *event = &w->lane->seg->objects[index].event[w->side];
	bool woken = false;
	enum sabir_error error;

	cancel_sit_down(event);
	for (;;) {
		uint32_t key = event_prepare(event, SEG_WAITING_LOCAL);
		error = w->attempt(w->lane, w->context);
		if (!error_would_wait(error))
			break;
		uint32_t bits = turn_bits(w->place ? *w->place : 0);
		if (!cancel_sits(bits)) {
			error = SABIR_CANCELLED;
			break;
		}
		if (!event_wait_call(w->lane, index, w->side, key, w->deadline_ns, bits)) {
			w->timed_out = true;
			break;
		}
		woken = true;
	}
	cancel_stand_up();
	/* The wake was for one of us: if something is left, it is the next one's turn. */
	if (woken && !error_would_wait(error) && more_left(w->lane, w->handle, w->side))
		event_notify(w->lane->seg, index, w->side, 1);
	return error;
}

enum sabir_error local_wait_at(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
			       local_attempt_fn *attempt, void *context, const uint64_t *place)
{
	struct wait w = { lane, handle, side, deadline_ns, attempt, context, place, false };
	enum sabir_error error = look(&w);
	if (!error_would_wait(error))
		return error;
	error = sleep_until(&w);
	if (w.timed_out)
		error = attempt(lane, context);
	store32_relaxed(&lane->shared->wait_side, 0);
	return error;
}

enum sabir_error local_wait(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
			    local_attempt_fn *attempt, void *context)
{
	return local_wait_at(lane, handle, side, deadline_ns, attempt, context, NULL);
}

/* A turn that is left behind. */
struct left_turn {
	local_give_up_fn *give_up;
	uint64_t handle;
	uint64_t place;
};

static enum sabir_error give_up(struct lane *lane, void *context)
{
	const struct left_turn *left = context;
	return left->give_up(lane, left->handle, left->place);
}

static void leave_turn(struct wait *w, const struct local_turn *turn)
{
	const struct left_turn left = { turn->give_up, w->handle, turn->place };
	struct left_turn *kept = malloc(sizeof(*kept));
	if (kept) {
		*kept = left;
		chore_leave(turn->conn, w->lane, give_up, kept);
		return;
	}
	while (left.give_up(w->lane, left.handle, left.place) == SABIR_BUSY)
		;
}

/* The last attempt, which ends the turn. Who is cancelled takes what was just being handed to him. */
static enum sabir_error end_turn(struct wait *w, struct local_turn *turn, enum sabir_error error)
{
	enum sabir_error last = error;
	turn->last = true;
	if (error != SABIR_BUSY)
		last = w->attempt(w->lane, turn);
	if (last == SABIR_BUSY && turn->place)
		leave_turn(w, turn);
	bool cancelled = error == SABIR_CANCELLED && (error_would_wait(last) || last == SABIR_BUSY);
	return cancelled ? error : last;
}

enum sabir_error local_wait_turn(struct lane *lane, uint64_t handle, uint32_t side, uint64_t deadline_ns,
				 local_attempt_fn *attempt, struct local_turn *turn)
{
	struct wait w = { lane, handle, side, deadline_ns, attempt, turn, &turn->place, false };
	enum sabir_error error = look(&w);
	if (!error_would_wait(error))
		return error;
	turn->joins = true;
	error = sleep_until(&w);
	if (w.timed_out || turn->place)
		error = end_turn(&w, turn, error);
	store32_relaxed(&lane->shared->wait_side, 0);
	return error;
}
