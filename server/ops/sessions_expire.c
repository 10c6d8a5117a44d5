/* SPDX-License-Identifier: Apache-2.0 */
/* Leases that are over: see sessions.c. */
#include <stddef.h>

#include "server/base/clock.h"
#include "server/ops/sessions_parts.h"

#define SLICE (5 * CLOCK_MILLISECOND)

#define SESSION_OF(node) ((struct session *)((uint8_t *)(node)-offsetof(struct session, deadline)))

uint64_t sessions_next(struct sessions *all)
{
	pthread_mutex_lock(&all->mutex);
	struct deadline *first = deadlines_first(&all->deadlines);
	uint64_t ns = all->ripe ? 0 : first ? first->ns : CLOCK_NEVER;
	pthread_mutex_unlock(&all->mutex);
	return ns;
}

/*
 * When a session ends that is not used. We are late: this process stood still, or was not given the processor, and what
 * the client has sent in time may be in a socket, unread. Then its lease runs once more.
 */
#define LATE_NS (20 * CLOCK_MILLISECOND)

static uint64_t end_of(struct session *s, uint64_t now_ns)
{
	if (s->uses)
		return now_ns + s->lease_ns;
	if (s->lapsed || now_ns < s->deadline.ns + LATE_NS)
		return s->used_ns + s->lease_ns;
	s->lapsed = true;
	s->used_ns = now_ns;
	return now_ns + s->lease_ns;
}

/* With the mutex held, which is let go meanwhile; the session's time has come. */
static void look(struct sessions *all, struct session *s, uint64_t now_ns)
{
	uint64_t end_ns = end_of(s, now_ns);

	deadlines_remove(&all->deadlines, &s->deadline);
	if (s->state == LIVE && end_ns > now_ns) {
		(void)sessions_look_at(all, s, end_ns);
		return;
	}
	if (s->state == LIVE)
		session_begin_end(all, s);
	if (!session_begin_recovery(s))
		return;
	s->next = NULL;
	*all->ripe_end = s;
	all->ripe_end = &s->next;
}

/* Some that are ripe; as many as may take the time of a slice, by what it took the last time. */
static void recover_ripe(struct sessions *all, struct lane *lane)
{
	struct session *those[OWNERS_AT_ONCE];
	uint64_t begun_ns = clock_now();
	uint32_t n = 0;

	while (all->ripe && n < all->at_once) {
		those[n++] = all->ripe;
		all->ripe = all->ripe->next;
	}
	if (!all->ripe)
		all->ripe_end = &all->ripe;
	if (n)
		sessions_recover_some(all, those, n, lane);
	if (clock_now() - begun_ns > SLICE)
		all->at_once = all->at_once / 2 < LEAST_AT_ONCE ? LEAST_AT_ONCE : all->at_once / 2;
	else
		all->at_once = all->at_once * 2 > OWNERS_AT_ONCE ? OWNERS_AT_ONCE : all->at_once * 2;
}

void sessions_expire(struct sessions *all, struct lane *lane, uint64_t now_ns)
{
	struct deadline *first;

	pthread_mutex_lock(&all->mutex);
	while ((first = deadlines_first(&all->deadlines)) && first->ns <= now_ns)
		look(all, SESSION_OF(first), now_ns);
	recover_ripe(all, lane);
	pthread_mutex_unlock(&all->mutex);
}
