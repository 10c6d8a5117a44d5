/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop. One turn: wait for descriptors until the first timer is due, run their handlers, run the timers
 * that are due.
 *
 * Invariants: timers are a list in order of time (there are few: one for each peer that has not introduced itself,
 * and a handful of the server's own); what is removed while a batch of events is being handled is taken out of the
 * batch, so a handler may free any source.
 */
#include "server/base/loop.h"

#include <errno.h>
#include <unistd.h>

#include "server/base/clock.h"

enum sabir_error loop_init(struct loop *loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return SABIR_RESOURCE_EXHAUSTED;
	*loop = (struct loop){ .epoll_fd = fd };
	return SABIR_OK;
}

void loop_fini(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

enum sabir_error loop_add(struct loop *loop, struct loop_fd *source, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .ptr = source } };
	source->fd = -1;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return SABIR_RESOURCE_EXHAUSTED;
	source->fd = fd;
	return SABIR_OK;
}

void loop_remove(struct loop *loop, struct loop_fd *source)
{
	if (source->fd < 0)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
	for (int i = loop->batch_next; i < loop->batch_end; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->armed)
		return;
	if (timer->prev)
		timer->prev->next = timer->next;
	else
		loop->first = timer->next;
	if (timer->next)
		timer->next->prev = timer->prev;
	timer->armed = false;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
	loop_timer_cancel(loop, timer);
	if (at_ns == CLOCK_NEVER)
		return;
	/* A handler that sets a timer for the past gets it at the next turn, or it could hold up the loop for ever. */
	if (at_ns <= loop->firing_ns)
		at_ns = loop->firing_ns + 1;
	struct loop_timer *before = NULL, *next = loop->first;
	while (next && next->at_ns <= at_ns) {
		before = next;
		next = next->next;
	}
	timer->at_ns = at_ns;
	timer->prev = before;
	timer->next = next;
	timer->armed = true;
	if (before)
		before->next = timer;
	else
		loop->first = timer;
	if (next)
		next->prev = timer;
}

static void run_timers(struct loop *loop)
{
	loop->firing_ns = clock_now();
	while (loop->first && loop->first->at_ns <= loop->firing_ns) {
		struct loop_timer *timer = loop->first;
		loop_timer_cancel(loop, timer);
		timer->fire(timer->context);
	}
	loop->firing_ns = 0;
}

void loop_turn(struct loop *loop, uint64_t max_wait_ns)
{
	uint64_t deadline = clock_deadline(max_wait_ns);
	if (loop->first && loop->first->at_ns < deadline)
		deadline = loop->first->at_ns;
	int n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, clock_left_ms(deadline));
	loop->batch_next = 0;
	loop->batch_end = n > 0 ? n : 0; /* a signal: nothing has happened */
	while (loop->batch_next < loop->batch_end) {
		struct epoll_event *event = &loop->batch[loop->batch_next++];
		struct loop_fd *source = event->data.ptr;
		if (source)
			source->ready(source->context, event->events);
	}
	loop->batch_end = 0;
	run_timers(loop);
}

void loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped)
		loop_turn(loop, CLOCK_NEVER);
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
