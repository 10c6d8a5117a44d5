/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks and who writes meet in two counts: `begun` and `over`, which are equal or one apart. One that is asked for is number
 * begun + 1, whoever asks, until it begins; so all who come while one is written share the next.
 */
#include "server/ops/snapshots.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/shm/event.h"

#define N_REPORTS 8u

struct snapshots {
	pthread_mutex_t mutex; /* everything behind it is with it */
	pthread_cond_t changed;
	struct segment *seg;
	uint64_t begun, over;
	bool asked;
	bool closed;
	struct snapshot_report reports[N_REPORTS]; /* by number; the last ones */
};

struct snapshots *snapshots_new(struct segment *seg)
{
	pthread_condattr_t attributes;
	struct snapshots *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->seg = seg;
	pthread_mutex_init(&all->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return all;
}

void snapshots_free(struct snapshots *all)
{
	if (!all)
		return;
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->mutex);
	free(all);
}

/* ---------------------------------------------------------------- who asks */

enum sabir_error snapshots_ask(struct snapshots *all, bool join, uint64_t *number)
{
	pthread_mutex_lock(&all->mutex);
	bool closed = all->closed;
	if (!closed && join && all->begun != all->over) {
		*number = all->begun;
	} else if (!closed) {
		*number = all->begun + 1;
		all->asked = true;
		pthread_cond_signal(&all->changed);
	}
	pthread_mutex_unlock(&all->mutex);
	return closed ? SABIR_UNAVAILABLE : SABIR_OK;
}

bool snapshots_is_over(struct snapshots *all, uint64_t number)
{
	pthread_mutex_lock(&all->mutex);
	bool over = number <= all->over;
	pthread_mutex_unlock(&all->mutex);
	return over;
}

enum sabir_error snapshots_report(struct snapshots *all, uint64_t number, struct snapshot_report *report)
{
	pthread_mutex_lock(&all->mutex);
	bool over = number <= all->over;
	/* Whose own is gone by now is told of the oldest that is left: it began after he asked, too. */
	if (over && all->over - number >= N_REPORTS)
		number = all->over - (N_REPORTS - 1);
	if (over)
		*report = all->reports[number % N_REPORTS];
	pthread_mutex_unlock(&all->mutex);
	return over ? SABIR_OK : SABIR_WOULD_BLOCK;
}

/* ---------------------------------------------------------------- who writes */

static void wait_until(struct snapshots *all, uint64_t until_ns)
{
	const struct timespec until = { (time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND) };

	if (until_ns == CLOCK_NEVER)
		pthread_cond_wait(&all->changed, &all->mutex);
	else
		pthread_cond_timedwait(&all->changed, &all->mutex, &until);
}

bool snapshots_await(struct snapshots *all, uint64_t until_ns)
{
	pthread_mutex_lock(&all->mutex);
	while (!all->closed && !all->asked && (until_ns == CLOCK_NEVER || clock_now() < until_ns))
		wait_until(all, until_ns);
	bool goes_on = !all->closed;
	all->asked = false;
	all->begun += goes_on;
	pthread_mutex_unlock(&all->mutex);
	return goes_on;
}

void snapshots_done(struct snapshots *all, const struct snapshot_report *report)
{
	pthread_mutex_lock(&all->mutex);
	all->over = all->begun;
	all->reports[all->over % N_REPORTS] = *report;
	pthread_mutex_unlock(&all->mutex);
	bell_ring(all->seg, 0);
}

void snapshots_close(struct snapshots *all)
{
	pthread_mutex_lock(&all->mutex);
	all->closed = true;
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->mutex);
}
