/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that cancel waits.
 *
 *   sleeper: the event's key; tries; sits (says what he sleeps on, then looks whether it is fired); sleeps
 *   firer:   fires; then looks at the seats, and pokes every event that somebody may sleep on
 *
 * One of the two sees the other. A poke is as good as any wake-up: others who sleep on the event look once more in vain. It takes
 * nobody's flag off, so no notifier relies on it.
 *
 * Firing is for signal handlers: it takes no lock and waits for nobody, and the seats are only ever added while the token
 * lives. What a seat names is mapped memory, which may be unmapped when its thread has got up: so who gets up waits for those
 * who are just firing. They are counted, and never sleep.
 *
 * In a child of fork the seats are those of threads that it does not have. `life` tells that they mean nothing there.
 */
#include "bindings/c/cancel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "bindings/c/sabir_cancel.h"
#include "server/shm/event.h"

#define GETTING_UP_NS 20000

__thread struct cancel_attached cancel_attached __attribute__((tls_model("initial-exec")));

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for n_tokens, and for who adopts */
static size_t n_tokens;
static uint32_t life;

static struct cancel_seat *seat_at(uint64_t address)
{
	return (struct cancel_seat *)(uintptr_t)address;
}

/* ---------------------------------------------------------------- life */

static void in_child(void)
{
	cancel_attached = (struct cancel_attached){ NULL, NULL };
	store32_relaxed(&life, life + 1);
	pthread_mutex_init(&mutex, NULL);
	cancel_calls_in_child();
}

static void start(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

enum sabir_error sabir_cancel_create(sabir_cancel **cancel)
{
	if (!cancel)
		return FAIL_NULL();
	pthread_once(&once, start);
	struct sabir_cancel *made = calloc(1, sizeof(*made));
	if (!made)
		return fail(SABIR_NO_MEMORY, "a token");
	made->life = load32_relaxed(&life);
	pthread_mutex_lock(&mutex);
	n_tokens++;
	pthread_mutex_unlock(&mutex);
	*cancel = made;
	return SABIR_OK;
}

void sabir_cancel_free(sabir_cancel *cancel)
{
	if (!cancel)
		return;
	if (cancel_attached.token == cancel)
		cancel_attached = (struct cancel_attached){ NULL, NULL };
	for (struct cancel_seat *seat = seat_at(cancel->seats), *next; seat; seat = next) {
		next = seat_at(seat->next);
		free(seat);
	}
	free(cancel);
	pthread_mutex_lock(&mutex);
	if (--n_tokens == 0)
		cancel_calls_stop();
	pthread_mutex_unlock(&mutex);
}

/* ---------------------------------------------------------------- seats */

/* A token of the parent's becomes the child's: nobody sits there. */
static void adopt(struct sabir_cancel *cancel)
{
	pthread_mutex_lock(&mutex);
	if (load32_seq(&cancel->life) != load32_relaxed(&life)) {
		for (struct cancel_seat *seat = seat_at(cancel->seats); seat; seat = seat_at(seat->next))
			seat->event = seat->taken = 0;
		cancel->firing = cancel->calls = 0;
		store32_seq(&cancel->life, life);
	}
	pthread_mutex_unlock(&mutex);
}

static struct cancel_seat *take_seat(struct sabir_cancel *cancel)
{
	struct cancel_seat *seat;
	uint64_t first = load64_acquire(&cancel->seats);
	for (seat = seat_at(first); seat; seat = seat_at(seat->next)) {
		uint32_t taken = 0;
		if (cas32(&seat->taken, &taken, 1))
			return seat;
	}
	seat = calloc(1, sizeof(*seat));
	if (!seat)
		return NULL;
	seat->taken = 1;
	do
		seat->next = first;
	while (!cas64(&cancel->seats, &first, (uint64_t)(uintptr_t)seat));
	return seat;
}

enum sabir_error sabir_cancel_attach(sabir_cancel *cancel)
{
	struct cancel_attached made = { cancel, NULL };
	if (cancel == cancel_attached.token)
		return SABIR_OK;
	if (cancel) {
		adopt(cancel);
		made.seat = take_seat(cancel);
		if (!made.seat)
			return fail(SABIR_NO_MEMORY, "a token's seat");
	}
	if (cancel_attached.seat)
		store32_release(&cancel_attached.seat->taken, 0);
	cancel_attached = made;
	return SABIR_OK;
}

sabir_cancel *sabir_cancel_attached(void)
{
	return cancel_attached.token;
}

void cancel_sit_down(struct seg_event *event)
{
	if (cancel_attached.token)
		store64_seq(&cancel_attached.seat->event, (uint64_t)(uintptr_t)event);
}

void cancel_stand_up(void)
{
	const struct timespec moment = { 0, GETTING_UP_NS };
	if (!cancel_attached.token)
		return;
	/* Pairs with sabir_cancel_fire: either it sees that the seat is empty, or we see it. */
	store64_seq(&cancel_attached.seat->event, 0);
	while (load32_seq(&cancel_attached.token->firing))
		nanosleep(&moment, NULL);
}

/* ---------------------------------------------------------------- firing */

static void wake_seats(const struct sabir_cancel *cancel)
{
	for (struct cancel_seat *seat = seat_at(load64_acquire(&cancel->seats)); seat; seat = seat_at(seat->next)) {
		struct seg_event *event = (struct seg_event *)(uintptr_t)load64_seq(&seat->event);
		if (event)
			event_poke(event, load32_seq(&seat->bits));
	}
	if (load32_seq(&cancel->calls))
		cancel_calls_alarm();
}

void sabir_cancel_fire(sabir_cancel *cancel)
{
	int saved = errno;
	if (!cancel)
		return;
	bool ours = load32_seq(&cancel->life) == load32_relaxed(&life);
	if (ours)
		fetch_add32(&cancel->firing, 1);
	store32_seq(&cancel->fired, 1);
	if (ours) {
		wake_seats(cancel);
		fetch_add32(&cancel->firing, UINT32_MAX);
	}
	errno = saved;
}

void sabir_cancel_reset(sabir_cancel *cancel)
{
	if (cancel)
		store32_seq(&cancel->fired, 0);
}

bool sabir_cancel_fired(const sabir_cancel *cancel)
{
	return cancel && load32_seq(&cancel->fired);
}
