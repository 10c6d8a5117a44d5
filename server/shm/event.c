/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eventcounts and the server's doorbell.
 *
 * An event is a sequence number to sleep on and a word that says who may be asleep: local programs, the server, or both. A
 * waiter writes its flag and then looks at the object; a notifier changes the object and then reads the flags: at
 * least one sees the other. The notifier takes the flags off before it wakes, so that the next one does not enter the
 * kernel in vain; a waiter that is woken sets its flag again before it looks, and passes the wake on when it leaves
 * something behind.
 *
 * The server sleeps on an eventfd for all objects at once. A notifier that finds the server's flag writes the object into
 * the ready set, and rings unless the bell has been ringing since the server's last look.
 */
#include "server/shm/event.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fault.h"

uint32_t event_prepare(struct seg_event *event, uint32_t who)
{
	/* Read first: waiters that come back must not pull the line away from each other. */
	uint32_t key = load32_seq(&event->seq);
	if ((load32_seq(&event->waiting) & who) == 0)
		fetch_or32(&event->waiting, who);
	return key;
}

bool event_wait(struct lane *lane, uint32_t object, uint32_t side, uint32_t key, uint64_t deadline_ns)
{
	return event_wait_call(lane, object, side, key, deadline_ns, FUTEX_BITSET_MATCH_ANY);
}

bool event_wait_call(struct lane *lane, uint32_t object, uint32_t side, uint32_t key, uint64_t deadline_ns,
		     uint32_t bits)
{
	struct seg_event *event = &lane->seg->objects[object].event[side];
	uint64_t look_ns = clock_deadline(LANE_LOOK_AGAIN), until_ns = deadline_ns < look_ns ? deadline_ns : look_ns;
	const struct timespec limit = { (time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND) };

	store32_relaxed(&lane->shared->object, object);
	store32_release(&lane->shared->wait_side, object << SEG_WAIT_OBJECT | (side + 1));
	FAULT("event.waiting");
	long r = syscall(SYS_futex, &event->seq, FUTEX_WAIT_BITSET, key, &limit, NULL, bits);
	int error = errno;
	/* wait_side stays until the next wait or the end of the caller's loop: the wake-up may still have to be passed on. */
	return !(r < 0 && error == ETIMEDOUT && until_ns == deadline_ns);
}

void bell_ring(const struct segment *seg, uint32_t object)
{
	uint32_t word = object / 64;
	fetch_or64(&seg->ready[word], 1ull << (object % 64));
	fetch_or64(&seg->header->ready_summary, 1ull << (word / 64));
	if (exchange32(&seg->header->doorbell, 1) == 0 && seg->bell_fd >= 0) {
		uint64_t one = 1;
		FAULT("event.ringing");
		ssize_t n = write(seg->bell_fd, &one, sizeof(one));
		(void)n; /* EAGAIN: it is ringing already */
	}
}

void event_notify_slow(const struct segment *seg, uint32_t object, uint32_t side, uint32_t n)
{
	struct seg_event *event = &seg->objects[object].event[side];
	FAULT("event.notifying");
	uint32_t who = exchange32(&event->waiting, 0);
	FAULT("event.flags_taken");
	if (who & SEG_WAITING_LOCAL) {
		fetch_add32(&event->seq, 1);
		syscall(SYS_futex, &event->seq, FUTEX_WAKE, n > INT_MAX ? INT_MAX : (int)n, NULL, NULL, 0);
	}
	if (who & SEG_WAITING_SERVER)
		bell_ring(seg, object);
	FAULT("event.notified");
}

void event_call(const struct segment *seg, uint32_t object, uint32_t side, uint32_t bits)
{
	struct seg_event *event = &seg->objects[object].event[side];
	FAULT("event.calling");
	/* A flag that somebody has taken off was taken off before he woke another one, who need not come back for ours. */
	fetch_add32(&event->seq, 1);
	syscall(SYS_futex, &event->seq, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, bits);
	FAULT("event.called");
	if ((load32_seq(&event->waiting) & SEG_WAITING_SERVER) &&
	    (fetch_and32(&event->waiting, ~SEG_WAITING_SERVER) & SEG_WAITING_SERVER))
		bell_ring(seg, object);
}

void event_poke(struct seg_event *event, uint32_t bits)
{
	fetch_add32(&event->seq, 1);
	syscall(SYS_futex, &event->seq, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, bits);
}

void event_notify_all(const struct segment *seg, uint32_t object)
{
	/* A dead notifier may have said that the bell rings and never have rung it. */
	store32_seq(&seg->header->doorbell, 0);
	for (uint32_t side = 0; side < SEG_N_EVENTS; side++) {
		/* As if everybody had said that he waits: a dead notifier may have taken the flags off. */
		fetch_or32(&seg->objects[object].event[side].waiting, SEG_WAITING_LOCAL | SEG_WAITING_SERVER);
		event_notify_slow(seg, object, side, INT_MAX);
	}
}

void bell_answer(struct segment *seg)
{
	uint64_t count;
	ssize_t n = read(seg->bell_fd, &count, sizeof(count));
	(void)n;
	exchange32(&seg->header->doorbell, 0);
	seg->bell_at = 0;
}

#define GROUP (64u * 64u) /* objects of one bit of the summary */

/* Whether there may be something in the group; what is put there from now on is said anew. */
static bool enter_group(struct segment *seg, uint32_t group)
{
	uint64_t bit = 1ull << group;
	if (!(load64_seq(&seg->header->ready_summary) & bit))
		return false;
	fetch_and64(&seg->header->ready_summary, ~bit);
	return true;
}

bool bell_next(struct segment *seg, uint32_t *object)
{
	uint32_t at = seg->bell_at;
	while (at < seg->n_objects) {
		if (at % GROUP == 0 && !enter_group(seg, at / GROUP)) {
			at += GROUP;
			continue;
		}
		uint64_t *word = &seg->ready[at / 64], bits = load64_seq(word) & UINT64_MAX << at % 64;
		if (!bits) {
			at = (at / 64 + 1) * 64;
			continue;
		}
		uint32_t found = at / 64 * 64 + (uint32_t)__builtin_ctzll(bits);
		fetch_and64(word, ~(1ull << found % 64));
		/* More may be left in the group: the next walk, or another server, looks there again. */
		fetch_or64(&seg->header->ready_summary, 1ull << found / GROUP);
		at = found + 1;
		if (found >= seg->n_objects)
			break;
		seg->bell_at = at;
		*object = found;
		return true;
	}
	seg->bell_at = 0;
	return false;
}
