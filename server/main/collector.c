/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's thread: asleep for good (no object could ever be ended), asleep until the next look, looking, ended.
 */
#include "server/main/collector.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/objects/collect.h"
#include "server/shm/arena.h"

#define LOOKS_IN_A_LINGER 2
#define LEAST_INTERVAL (10 * CLOCK_MILLISECOND)
#define MOST_INTERVAL (60 * CLOCK_SECOND)
#define REST 20u /* times as long as the processor worked for the look before */
/* A stopped program that holds a container's lock: the look fails, and the next one tries again. */
#define LOCK_PATIENCE (20 * CLOCK_MILLISECOND)

struct collector_thread {
	struct segment *seg;
	struct collector *collector;
	struct lane lane;
	uint64_t interval_ns;
	uint64_t damaged; /* the container that was logged */
	uint32_t stop;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool asleep; /* for good; with the mutex, as is `woken` */
	bool woken;
};

static void log_result(struct collector_thread *t, enum sabir_error error, const struct collect_result *result)
{
	if (result->n_deleted)
		log_debug("objects without references were deleted", log_u64("n", result->n_deleted));
	if (error == SABIR_DATA_LOSS && t->damaged != result->damaged)
		log_warning("a damaged object may refer to any: until it is deleted none without references are",
			    log_u64("handle", result->damaged));
	t->damaged = error == SABIR_DATA_LOSS ? result->damaged : 0;
}

/* Until it is time, or the thread is to end. CLOCK_NEVER: until somebody calls collector_look. */
static void sleep_until(struct collector_thread *t, uint64_t until_ns)
{
	const struct timespec until = { (time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND) };
	pthread_mutex_lock(&t->mutex);
	t->asleep = until_ns == CLOCK_NEVER;
	/* Pairs with the exchange in refs_announce: it finds 0, and rings, or we find 1. */
	if (t->asleep && load32_seq(&t->seg->header->collect_wanted))
		t->woken = true;
	while (!t->stop && !t->woken && (t->asleep || clock_now() < until_ns)) {
		if (t->asleep)
			pthread_cond_wait(&t->changed, &t->mutex);
		else
			pthread_cond_timedwait(&t->changed, &t->mutex, &until);
	}
	t->asleep = t->woken = false;
	pthread_mutex_unlock(&t->mutex);
}

/* What this thread has used of the processor: a look that waits for operations of others costs nobody anything. */
static uint64_t worked_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

static void *work(void *context)
{
	struct collector_thread *t = context;
	while (!load32_acquire(&t->stop)) {
		struct collect_result result;
		uint64_t begun_ns = worked_ns();
		enum sabir_error error = collect_run(t->collector, &t->lane, &t->stop, &result);
		uint64_t rest_ns = (worked_ns() - begun_ns) * REST;
		log_result(t, error, &result);
		arena_empty_cache(&t->lane);
		sleep_until(t, result.idle ? CLOCK_NEVER
					   : clock_deadline(rest_ns > t->interval_ns ? rest_ns : t->interval_ns));
	}
	return NULL;
}

static bool start_thread(struct collector_thread *t)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	pthread_mutex_init(&t->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&t->thread, NULL, work, t) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

struct collector_thread *collector_start(struct segment *seg, uint32_t owner, uint64_t linger_ns)
{
	struct collector_thread *t = calloc(1, sizeof(*t));
	uint64_t interval_ns = linger_ns / LOOKS_IN_A_LINGER;
	if (!t)
		return NULL;
	t->seg = seg;
	t->interval_ns = interval_ns < LEAST_INTERVAL  ? LEAST_INTERVAL
			 : interval_ns > MOST_INTERVAL ? MOST_INTERVAL
						       : interval_ns;
	t->collector = collector_new(seg, linger_ns);
	bool opened = t->collector && lane_open(seg, owner, &t->lane) == SABIR_OK;
	t->lane.lock_patience_ns = LOCK_PATIENCE;
	if (opened && start_thread(t))
		return t;
	if (opened)
		lane_close(&t->lane);
	collector_free(t->collector);
	free(t);
	return NULL;
}

void collector_look(struct collector_thread *t)
{
	if (!t || !load32_seq(&t->seg->header->collect_wanted))
		return;
	pthread_mutex_lock(&t->mutex);
	if (t->asleep) {
		t->woken = true;
		pthread_cond_signal(&t->changed);
	}
	pthread_mutex_unlock(&t->mutex);
}

void collector_stop(struct collector_thread *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->mutex);
	store32_release(&t->stop, 1);
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->mutex);
	pthread_join(t->thread, NULL);
	lane_close(&t->lane);
	collector_free(t->collector);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}
