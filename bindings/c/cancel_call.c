/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancelling calls of gRPC.
 *
 *   caller:    enters the list; then looks whether the token is fired, and rings; makes the call
 *   firer:     fires; then rings, if the token has calls
 *   canceller: a thread, from the first call with a token until the last token is freed: asks the server to cancel what
 *              the fired tokens' threads wait for
 *
 * A call that is cut off by gRPC loses an answer that is on its way; so the server is asked to answer it, by the session and the
 * number of the thread (SessionService.Cancel). It may not have the call yet: then it is asked again. Only a call that has no
 * session, or whose server does not do what it is asked for, is cut off.
 *
 * Whoever's call ends waits until nobody asks for it any more: what is asked for a thread must not meet its next call.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "bindings/c/cancel.h"
#include "bindings/c/remote.h"
#include "bindings/c/request.h"
#include "server/base/clock.h"

#define PATIENCE_NS (250 * SABIR_MILLISECOND)
#define AGAIN_NS (1 * SABIR_MILLISECOND)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER;
static struct cancel_call *calls;
static sem_t bell;
static pthread_t canceller;
static bool runs, ends;

/* ---------------------------------------------------------------- the canceller */

static void cut_off(struct cancel_call *c)
{
	c->state = CANCEL_CUT;
	grpc_call_cancel(c->call, NULL);
}

/* How many calls of the thread the server has found. Without the mutex. */
static enum sabir_error ask(const struct cancel_call *c, uint64_t *n)
{
	struct bytes out = { 0 };
	struct request r;
	request_init(&r, 64);
	request_bytes(&r, 1, c->session, strlen(c->session));
	request_varint(&r, 2, c->thread);
	enum sabir_error error = r.failed ? SABIR_NO_MEMORY
					  : remote_call_as(c->conn, "/sabir.v1.SessionService/Cancel", METHOD_OTHER,
							   (struct span){ r.data, r.len }, NULL, PATIENCE_NS, &out);
	*n = error ? 0 : response_varint(bytes_item(&out, 0), 1);
	request_fini(&r);
	bytes_fini(&out);
	return error;
}

/* Whether it is to be cancelled, or was just now and is to answer. */
static bool is_due(const struct cancel_call *c)
{
	return c->state == CANCEL_DONE || (c->state != CANCEL_CUT && load32_seq(&c->token->fired));
}

/* The server is asked for one of the connection's calls: its silence then counts for all that are due by now. */
static void note_due(const struct sabir_conn *conn, uint64_t now_ns)
{
	for (struct cancel_call *c = calls; c; c = c->next)
		if (c->conn == conn && !c->since_ns && is_due(c))
			c->since_ns = now_ns;
}

static void cut_off_due(const struct sabir_conn *conn, uint64_t by_ns)
{
	for (struct cancel_call *c = calls; c; c = c->next)
		if (c->conn == conn && c->since_ns && c->since_ns <= by_ns && is_due(c))
			cut_off(c);
}

static void ask_for(struct cancel_call *c)
{
	uint64_t n, began_ns = clock_now();
	note_due(c->conn, began_ns);
	c->state = CANCEL_ASKING;
	pthread_mutex_unlock(&mutex);
	enum sabir_error error = ask(c, &n);
	pthread_mutex_lock(&mutex);
	c->state = n ? CANCEL_DONE : CANCEL_WANTED;
	if (error == SABIR_TIMED_OUT)
		cut_off_due(c->conn, began_ns);
	if (error && c->state != CANCEL_CUT)
		cut_off(c);
	pthread_cond_broadcast(&asked);
}

/* With the mutex held, which is let go meanwhile: then the list may be another one. False: there was nothing to do. */
static bool cancel_one(uint64_t round)
{
	struct cancel_call *c = calls;
	while (c && (c->round == round || !is_due(c)))
		c = c->next;
	if (!c)
		return false;
	c->round = round;
	if (c->state == CANCEL_IDLE)
		c->since_ns = clock_now();
	if (!c->session[0] || !remote_is_ready(c->conn) || clock_now() - c->since_ns > PATIENCE_NS)
		cut_off(c);
	else if (c->state != CANCEL_DONE)
		ask_for(c);
	return true;
}

/* Whether something is to be looked at again. */
static bool is_waiting(void)
{
	const struct cancel_call *c = calls;
	while (c && !is_due(c))
		c = c->next;
	return c;
}

static void *run(void *unused)
{
	const struct timespec again = { 0, AGAIN_NS };
	uint64_t round = 0;
	(void)unused;
	for (bool on = true; on;) {
		pthread_mutex_lock(&mutex);
		round++;
		while (cancel_one(round))
			;
		bool waits = is_waiting();
		on = !ends;
		pthread_mutex_unlock(&mutex);
		if (waits)
			nanosleep(&again, NULL);
		else if (on)
			while (sem_wait(&bell))
				;
	}
	return NULL;
}

/* With the mutex held. */
static enum sabir_error need_canceller(void)
{
	sigset_t all, before;
	if (runs)
		return SABIR_OK;
	ends = false;
	sem_init(&bell, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	runs = pthread_create(&canceller, NULL, run, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return runs ? SABIR_OK : fail(SABIR_NO_MEMORY, "no thread to cancel calls");
}

/* ---------------------------------------------------------------- calls */

enum sabir_error cancel_call_begin(struct cancel_call *c)
{
	pthread_mutex_lock(&mutex);
	enum sabir_error error = need_canceller();
	if (!error) {
		c->next = calls;
		c->link = &calls;
		if (calls)
			calls->link = &c->next;
		calls = c;
		/* Pairs with sabir_cancel_fire: either it sees the call, or we see that it is fired. */
		fetch_add32(&c->token->calls, 1);
		if (load32_seq(&c->token->fired))
			cancel_calls_alarm();
	}
	pthread_mutex_unlock(&mutex);
	return error;
}

bool cancel_call_end(struct cancel_call *c)
{
	pthread_mutex_lock(&mutex);
	while (c->state == CANCEL_ASKING)
		pthread_cond_wait(&asked, &mutex);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	fetch_add32(&c->token->calls, UINT32_MAX);
	pthread_mutex_unlock(&mutex);
	return c->state == CANCEL_CUT;
}

void cancel_calls_alarm(void)
{
	(void)sem_post(&bell);
}

void cancel_calls_stop(void)
{
	pthread_mutex_lock(&mutex);
	bool stops = runs;
	ends = true;
	runs = false;
	pthread_mutex_unlock(&mutex);
	if (!stops)
		return;
	(void)sem_post(&bell);
	pthread_join(canceller, NULL);
	sem_destroy(&bell);
}

void cancel_calls_in_child(void)
{
	pthread_mutex_init(&mutex, NULL);
	pthread_cond_init(&asked, NULL); /* a thread that it does not have may be waiting */
	calls = NULL;
	runs = false;
}
