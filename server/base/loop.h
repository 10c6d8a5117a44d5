/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_LOOP_H
#define SABIR_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "server/base/error.h"

/*
 * An event loop over epoll: descriptors and timers, for one thread. Descriptors are level-triggered. The structs
 * belong to the caller, who keeps them in place while they are in the loop; a handler may remove and free anything,
 * itself included: no handler runs for what has been removed.
 */
struct loop_fd {
	int fd;                                        /* not owned; -1: not in a loop */
	void (*ready)(void *context, uint32_t events); /* EPOLL* */
	void *context;
};

struct loop_timer {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	void (*fire)(void *context);
	void *context;
	struct loop_timer *next, *prev;
	bool armed;
};

#define LOOP_BATCH 64
struct loop {
	int epoll_fd;
	bool stopped;
	struct loop_timer *first; /* in order of time */
	uint64_t firing_ns;       /* while timers are being run: the time up to which they are */
	struct epoll_event batch[LOOP_BATCH];
	int batch_next, batch_end;
};

/* Errors: RESOURCE_EXHAUSTED. */
enum sabir_error loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* Errors: RESOURCE_EXHAUSTED. On failure source->fd is -1. */
enum sabir_error loop_add(struct loop *loop, struct loop_fd *source, int fd, uint32_t events);
/* Before its descriptor is closed. Nothing happens if it is not in the loop. */
void loop_remove(struct loop *loop, struct loop_fd *source);

/* Sets the timer, or moves it. It fires once, at `at_ns` or a little later; CLOCK_NEVER cancels. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/* Waits for at most `max_wait_ns` and runs the handlers of what has happened by then. */
void loop_turn(struct loop *loop, uint64_t max_wait_ns);
/* Turns until a handler calls loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
