/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a heavy operation:
 *
 *   queued ──► running ──► done
 *     ▲           │ somebody has the lock of its object
 *     └── parked ─┘
 *
 * What is parked is not the operation, for whoever serves the park must not be held up either, but a wait for the lock.
 * It is tried again by the pool when the lock has been free.
 */
#include "server/rpc/heavy.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/rpc/server.h"

#define RESPONSE_ON_STACK 1024u

struct heavy_job {
	struct heavy_job *next;
	struct heavy *heavy;
	struct pending *p;
	const struct op *op;
	struct actor actor;
	uint64_t give_up_ns; /* waiting for the lock; 0: it has not waited yet */
	bool queued;
	bool unwanted;          /* it was cancelled when it was not queued */
	enum sabir_error ended; /* by what it waited in: it is not run again */
	struct span request;
	uint8_t bytes[];
};

void heavy_init(struct heavy *heavy, struct rpc *rpc)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	*heavy = (struct heavy){ .rpc = rpc, .most = processors > 3 ? (uint32_t)processors / 2 : 1 };
	if (heavy->most > HEAVY_MAX_THREADS)
		heavy->most = HEAVY_MAX_THREADS;
	pthread_mutex_init(&heavy->mutex, NULL);
	pthread_cond_init(&heavy->changed, NULL);
}

void heavy_fini(struct heavy *heavy)
{
	pthread_mutex_lock(&heavy->mutex);
	heavy->ending = true;
	pthread_cond_broadcast(&heavy->changed);
	pthread_mutex_unlock(&heavy->mutex);
	for (uint32_t i = 0; i < heavy->n_threads; i++)
		pthread_join(heavy->thread[i], NULL);
	pthread_cond_destroy(&heavy->changed);
	pthread_mutex_destroy(&heavy->mutex);
}

/* ---------------------------------------------------------------- the queue */

/* With the mutex held, as all of these. */
static void append(struct heavy *heavy, struct heavy_job *job)
{
	job->queued = true;
	job->next = NULL;
	*(heavy->first ? &heavy->last->next : &heavy->first) = job;
	heavy->last = job;
	pthread_cond_signal(&heavy->changed);
}

static struct heavy_job *take_first(struct heavy *heavy)
{
	struct heavy_job *job = heavy->first;
	heavy->first = job->next;
	job->queued = false;
	return job;
}

static void take_out(struct heavy *heavy, struct heavy_job *job)
{
	struct heavy_job **at = &heavy->first, *before = NULL;
	while (*at != job) {
		before = *at;
		at = &before->next;
	}
	*at = job->next;
	if (heavy->last == job)
		heavy->last = before;
}

bool heavy_cancel(struct heavy *heavy, struct pending *p)
{
	pthread_mutex_lock(&heavy->mutex);
	struct heavy_job *job = p->job;
	bool out = job && job->queued;
	if (out) {
		take_out(heavy, job);
		p->job = NULL;
	} else if (job) {
		job->unwanted = true;
	}
	pthread_mutex_unlock(&heavy->mutex);
	if (out)
		free(job);
	return out;
}

/* ---------------------------------------------------------------- running */

static void finish(struct heavy_job *job, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct heavy *heavy = job->heavy;
	struct pending *p = job->p;
	pthread_mutex_lock(&heavy->mutex);
	p->job = NULL;
	pthread_mutex_unlock(&heavy->mutex);
	free(job);
	pending_finish(p, error, response, detail);
	streams_turn(NULL);
}

static void lock_was_free(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct heavy_job *job = context;
	struct heavy *heavy = job->heavy;
	(void)response;
	(void)detail;
	pthread_mutex_lock(&heavy->mutex);
	job->ended = error == SABIR_BUSY || error == SABIR_UNAVAILABLE ? error : SABIR_OK;
	append(heavy, job);
	pthread_mutex_unlock(&heavy->mutex);
}

/* The job is not the caller's any more when this is OK. */
static enum sabir_error await_lock(struct heavy_job *job, struct lane *lane, const struct op_wait *wait)
{
	if (!job->give_up_ns)
		job->give_up_ns = park_deadline(wait->timeout_ns);
	const struct park_entry entry = {
		.op = op_flow(OP_FLOW_AWAIT_LOCK),
		.wait = wait,
		.error = SABIR_BUSY,
		.deadline_ns = job->give_up_ns,
		.done = lock_was_free,
		.context = job,
	};
	uint64_t id;
	return park_add(job->heavy->rpc->park, lane, &entry, &id);
}

static enum sabir_error why_not(struct heavy_job *job)
{
	struct pending *p = job->p;
	if (job->ended)
		return job->ended;
	pthread_mutex_lock(&job->heavy->mutex);
	bool unwanted = job->unwanted;
	pthread_mutex_unlock(&job->heavy->mutex);
	if (unwanted || (p->kind->gone && p->kind->gone(p)))
		return SABIR_CANCELLED;
	if (p->session && session_has_ended(p->rpc->sessions, p->session))
		return SABIR_SESSION_ENDED;
	return SABIR_OK;
}

static void run_on(struct heavy_job *job, struct lane *lane)
{
	uint8_t fixed[RESPONSE_ON_STACK];
	char detail[OP_DETAIL_SIZE] = "";
	struct bytes response;
	struct op_wait wait = { .wanted = false };
	enum sabir_error error = lane ? why_not(job) : SABIR_TOO_MANY_OWNERS;
	bool left = false;
	bytes_init(&response, fixed, sizeof(fixed));
	if (!error) {
		lane->actor = job->actor;
		error = op_run(job->op, lane, job->request, &response, &wait, detail);
		lane->actor = (struct actor){ 0 };
	}
	if (error && wait.wanted && wait.side == OP_WAIT_LOCK)
		left = await_lock(job, lane, &wait) == SABIR_OK;
	if (!left)
		finish(job, error, &response, detail);
	bytes_fini(&response);
}

static void run(struct heavy_job *job)
{
	struct lanes *lanes = &job->heavy->rpc->lanes;
	struct lane *lane = lanes_take(lanes);
	run_on(job, lane);
	lanes_give(lanes, lane);
}

static void *work(void *arg)
{
	struct heavy *heavy = arg;
	(void)pthread_setname_np(pthread_self(), "heavy"); /* not by who starts it: see rpc.c */
	pthread_mutex_lock(&heavy->mutex);
	while (heavy->first || !heavy->ending) {
		if (!heavy->first) {
			heavy->n_idle++;
			pthread_cond_wait(&heavy->changed, &heavy->mutex);
			heavy->n_idle--;
			continue;
		}
		struct heavy_job *job = take_first(heavy);
		pthread_mutex_unlock(&heavy->mutex);
		run(job);
		pthread_mutex_lock(&heavy->mutex);
	}
	pthread_mutex_unlock(&heavy->mutex);
	return NULL;
}

/* ---------------------------------------------------------------- adding */

/* With the mutex held. False: there is no thread, and there can be none. */
static bool have_thread(struct heavy *heavy)
{
	sigset_t all, before;
	if (heavy->n_idle || heavy->n_threads == heavy->most)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&heavy->thread[heavy->n_threads], NULL, work, heavy);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return heavy->n_threads > 0;
	heavy->n_threads++;
	return true;
}

enum sabir_error heavy_add(struct heavy *heavy, struct pending *p, const struct pending_task *task)
{
	struct heavy_job *job = malloc(sizeof(*job) + task->request.len);
	if (!job)
		return SABIR_NO_MEMORY;
	*job = (struct heavy_job){ .heavy = heavy, .p = p, .op = task->op, .actor = task->who->actor };
	job->request = (struct span){ job->bytes, task->request.len };
	if (task->request.len)
		memcpy(job->bytes, task->request.data, task->request.len);
	pthread_mutex_lock(&heavy->mutex);
	bool fine = have_thread(heavy);
	if (fine) {
		p->job = job;
		append(heavy, job);
	}
	pthread_mutex_unlock(&heavy->mutex);
	if (!fine)
		free(job);
	return fine ? SABIR_OK : SABIR_NO_MEMORY;
}
