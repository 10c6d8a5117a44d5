/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One parked operation: how it is made, and all the ways in which it ends.
 */
#include "server/ops/parked.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/shm/event.h"

struct parked *parked_make(const struct park_entry *entry)
{
	const char *detail = entry->detail ? entry->detail : "";
	struct parked *w = malloc(sizeof(*w) + entry->request.len + strlen(detail) + 1);

	if (!w || entry->request.len > UINT32_MAX) {
		free(w);
		return NULL;
	}
	*w = (struct parked){
		.op = entry->op,
		.actor = entry->actor,
		.done = entry->done,
		.gone = entry->gone,
		.context = entry->context,
		.receipt = entry->receipt,
		.wait = *entry->wait,
		.deadline = { .ns = entry->deadline_ns },
		.since_ns = clock_now(),
		.state = PARKED_WAITING,
		.error = entry->error,
		.request_len = (uint32_t)entry->request.len,
	};
	if (entry->request.len)
		memcpy(w->request, entry->request.data, entry->request.len);
	strcpy((char *)w->request + w->request_len, detail);
	return w;
}

static const char *detail_of(const struct parked *w)
{
	return (const char *)w->request + w->request_len;
}

/* Takes it out of everything but its line, where it is no more. */
void parked_forget(struct park *park, struct parked *w)
{
	deadlines_remove(&park->deadlines, &w->deadline);
	owned_remove(&w->owned);
	tickets_give_back(&park->tickets, w->id);
	park->count--;
}

/* Whether this thread has called a `done` since it called `after`. */
static __thread bool has_finished;

void park_call_after(struct park *park)
{
	if (!has_finished)
		return;
	has_finished = false;
	if (park->after)
		park->after(park->after_context);
}

/* Calls `done` without the mutex. One that is in `lasts` may be run, and be no more, meanwhile: it has no `done` any more. */
static void tell(struct park *park, struct parked *w, enum sabir_error error, struct bytes *response,
		 const char *detail)
{
	park_done_fn *done = w->done;
	void *context = w->context;

	parked_forget(park, w);
	w->done = NULL;
	pthread_mutex_unlock(&park->mutex);
	has_finished = true;
	done(context, error, response, detail);
	pthread_mutex_lock(&park->mutex);
}

/* The operation has an answer, and is no more when this returns. */
static void finish(struct park *park, struct parked *w, enum sabir_error error, struct bytes *response,
		   const char *detail)
{
	tell(park, w, error, response, detail);
	free(w);
}

/* The same of what a run came to: the receipt, by which it can be undone, goes with it. */
void parked_answer(struct park *park, struct parked *w, enum sabir_error error, struct bytes *response,
		   const char *detail)
{
	if (!error && w->receipt)
		*w->receipt = w->wait.receipt;
	else
		op_receipt_fini(&w->wait.receipt);
	finish(park, w, error, response, detail);
}

/* By the next who answers the bell: it takes a lane. */
void parked_run_last_later(struct park *park, struct parked *w)
{
	w->state = PARKED_LAST;
	w->next_last = park->lasts;
	park->lasts = w;
	bell_ring(park->seg, w->wait.object);
}

/* Nobody waits for it any more. */
void parked_abandon(struct park *park, struct parked *w)
{
	w->done = NULL;
	if (op_lasts(w->op, &w->wait))
		parked_run_last_later(park, w);
	else
		free(w);
}

/* It would wait on, and may not. */
void parked_give_up(struct park *park, struct parked *w, enum sabir_error error)
{
	struct bytes none = { 0 };

	tell(park, w, error, &none, error == w->error ? detail_of(w) : "");
	parked_abandon(park, w);
}

void parked_leave_line(struct park *park, struct parked *w)
{
	struct line *line = w->place.line;

	line_unlink(&w->place);
	if (line)
		lines_drop_if_unused(&park->lines, line);
}

/* Ends one that waits, or tells one that is run how to end. */
void parked_end(struct park *park, struct parked *w, enum sabir_error error)
{
	struct bytes none = { 0 };

	if (w->state == PARKED_RUNNING) {
		w->ended = error;
		deadlines_remove(&park->deadlines, &w->deadline);
	} else if (w->state == PARKED_WAITING) {
		parked_leave_line(park, w);
		parked_give_up(park, w, error);
	} else {
		tell(park, w, error, &none, ""); /* it stays in `lasts` */
	}
}

/* Its time has come: it ends, or has its last chance. */
void parked_expire(struct park *park, struct parked *w)
{
	bool lasts = op_lasts(w->op, w->state == PARKED_RUNNING ? NULL : &w->wait);

	if (!lasts || w->timed_out) {
		parked_end(park, w, w->error);
		return;
	}
	w->timed_out = true;
	deadlines_remove(&park->deadlines, &w->deadline);
	w->deadline.ns = OP_FOREVER; /* of what it waits for from now on */
	if (w->state != PARKED_WAITING)
		return;
	parked_leave_line(park, w);
	parked_run_last_later(park, w);
}
