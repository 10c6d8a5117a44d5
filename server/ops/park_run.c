/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running what is parked: the lines of an object whose bell has rung, and what is run for the last time.
 *
 * A line is served by one thread at a time, which keeps the order; who finds it being served leaves `again` behind. The
 * invariant that loses no wake-up: a line that is not empty and not being served was armed (event_prepare) before its
 * head last found nothing to do, so whatever happens to the object later rings the bell. That is why a newcomer behind
 * others need not look himself, unless he keeps something from his first run. The line of a lock is armed by the run
 * itself (lane.h); for one who comes from another line the park rings the bell.
 */
#include "server/ops/parked.h"

#include <stdlib.h>

#include "server/objects/change.h"
#include "server/objects/object_names.h"
#include "server/ops/snapshots.h"

#define RESPONSE_ON_STACK 1024u
/* Walks through the ready set: what is served may ring for what is in front. What is left behind the last rings the bell again. */
#define WALKS 8u

/* `place` comes first, so NULL stays NULL. */
#define PARKED_AT(waiter) ((struct parked *)(waiter))

static bool has_gone(const struct parked *w)
{
	return w->done && w->gone && w->gone(w->context);
}

bool parked_is_ready(const struct park *park, const struct parked *w)
{
	if (w->wait.side == OP_WAIT_END)
		return !names_is_live(park->seg, w->wait.handle);
	/* What `memory` leads to in it is gone, or is another's by now. */
	if (w->wait.also && !names_is_live(park->seg, w->wait.also))
		return true;
	if (w->wait.side == SEG_EVENT_CHANGED)
		return change_ready(park->seg, w->wait.handle, w->wait.memory);
	if (w->wait.side == OP_WAIT_SNAPSHOT)
		return snapshots_is_over(park->snapshots, w->wait.memory);
	return w->wait.side == OP_WAIT_LOCK || object_ready(park->seg, w->wait.handle, w->wait.memory);
}

/*
 * The first whose client is still there, and for whom there may be something. Clients that have gone at the head wait for
 * their cancellation outside of the line.
 */
static struct parked *first_ready(const struct park *park, struct line *line)
{
	struct parked *w;

	while ((w = PARKED_AT(line->head)) && has_gone(w))
		line_unlink(&w->place);
	if (!w || parked_is_ready(park, w))
		return w;
	if (line->side == OP_WAIT_END)
		return NULL; /* the others would wait on too */
	if (line->side < SEG_N_EVENTS && line->side != SEG_EVENT_CHANGED &&
	    !object_any_ready(park->seg, w->wait.handle))
		return NULL;
	for (struct waiter *next = w->place.next; next; next = next->next)
		if (parked_is_ready(park, PARKED_AT(next)) && !has_gone(PARKED_AT(next)))
			return PARKED_AT(next);
	return NULL;
}

static uint64_t deadline_from(uint64_t since_ns, uint64_t timeout_ns)
{
	return timeout_ns > UINT64_MAX - since_ns ? OP_FOREVER : since_ns + timeout_ns;
}

/*
 * It would wait for something else than so far. Of a lock's wait the timeout begins now and ends no later than the wait
 * that it comes from; else it is the operation's own.
 */
static enum sabir_error change_line(struct park *park, struct parked *w, bool *sooner)
{
	struct line *line = deadlines_reserve(&park->deadlines) ? lines_get(&park->lines, &w->wait) : NULL;
	uint64_t ns = deadline_from(w->since_ns, w->wait.timeout_ns);

	if (!line)
		return SABIR_NO_MEMORY;
	if (w->wait.side == OP_WAIT_LOCK)
		ns = park_deadline(w->wait.timeout_ns);
	if (w->wait.side == OP_WAIT_LOCK && w->deadline.ns < ns)
		ns = w->deadline.ns;
	deadlines_remove(&park->deadlines, &w->deadline);
	w->deadline.ns = ns;
	*sooner = ns != OP_FOREVER && deadlines_add(&park->deadlines, &w->deadline);
	line_append(line, &w->place);
	return SABIR_OK;
}

/* After a run that ended with `w->error` and the wish to wait. False: it is back at the head of its line. */
static bool wait_again(struct park *park, struct line *line, struct parked *w)
{
	bool sooner = false;

	w->state = PARKED_WAITING;
	if (line && line_is_of(line, &w->wait) && line->side == SEG_EVENT_CHANGED) {
		/* The change was not one that it waits for. It is the next one's all the same. */
		line_append(line, &w->place);
		return true;
	}
	if (line && line_is_of(line, &w->wait)) {
		line_push_front(line, &w->place);
		return false;
	}
	enum sabir_error refused = change_line(park, w, &sooner);
	if (refused) {
		parked_give_up(park, w, refused);
		return true;
	}
	bell_ring(park->seg, w->wait.object);
	if (sooner && park->sooner) {
		pthread_mutex_unlock(&park->mutex);
		park->sooner(park->sooner_context);
		pthread_mutex_lock(&park->mutex);
	}
	return true;
}

/* In the name of whom it is for; with the mutex held, which is let go meanwhile. */
static enum sabir_error run_op(struct park *park, struct lane *lane, struct parked *w, struct bytes *response,
			       char detail[OP_DETAIL_SIZE])
{
	w->state = PARKED_RUNNING;
	w->wait.over = !w->done ? OP_ABANDONED : w->timed_out ? OP_TIMED_OUT : OP_GOES_ON;
	pthread_mutex_unlock(&park->mutex);
	const struct op_front front = { .snapshots = park->snapshots };
	struct actor own = lane->actor;
	lane->actor = w->actor;
	enum sabir_error error = op_run_front_again(w->op, lane, &front, (struct span){ w->request, w->request_len },
						    response, &w->wait, detail);
	lane->actor = own;
	pthread_mutex_lock(&park->mutex);
	return error;
}

/*
 * It would wait on, after a run from `line`, or (NULL) for the last time; `timed_out` while it was run. False: it is back at the
 * head of the line.
 */
static bool after_run(struct park *park, struct line *line, struct parked *w, bool timed_out)
{
	enum sabir_error ended = w->ended ? w->ended : park->drained ? park->drained : SABIR_OK;

	if (!ended && timed_out && !op_lasts(w->op, &w->wait))
		ended = w->error;
	if (ended)
		parked_give_up(park, w, ended);
	else if (timed_out)
		parked_run_last_later(park, w);
	else
		return wait_again(park, line, w);
	return true;
}

/* Runs the first one, which is claimed by that. False: it waits again, and so would those behind it. */
static bool run(struct park *park, struct lane *lane, struct line *line, struct parked *w)
{
	uint8_t fixed[RESPONSE_ON_STACK];
	char detail[OP_DETAIL_SIZE];
	struct bytes response;
	bool was_timed_out = w->timed_out, on = true;

	line_unlink(&w->place);
	bytes_init(&response, fixed, sizeof(fixed));
	enum sabir_error error = run_op(park, lane, w, &response, detail);
	bool waits = error && w->wait.wanted;
	w->error = waits ? error : w->error;
	if (waits)
		on = after_run(park, line, w, w->timed_out && !was_timed_out);
	else
		parked_answer(park, w, error, &response, detail);
	bytes_fini(&response);
	return on;
}

static void run_last(struct park *park, struct lane *lane, struct parked *w)
{
	uint8_t fixed[RESPONSE_ON_STACK];
	char detail[OP_DETAIL_SIZE];
	struct bytes response;
	bool wanted = w->done;

	bytes_init(&response, fixed, sizeof(fixed));
	enum sabir_error error = run_op(park, lane, w, &response, detail);
	if (wanted && error && w->wait.wanted) {
		w->error = error;
		(void)after_run(park, NULL, w, false);
	} else if (wanted) {
		parked_answer(park, w, error, &response, detail);
	} else if (error == SABIR_BUSY) { /* the bell is rung when it can be done */
		w->state = PARKED_LAST;
		w->next_last = park->lasts;
		park->lasts = w;
	} else {
		op_receipt_fini(&w->wait.receipt);
		free(w);
	}
	bytes_fini(&response);
}

/* In the order in which their waits were over. */
static void serve_lasts(struct park *park, struct lane *lane)
{
	struct parked *list = NULL, *w;

	while ((w = park->lasts)) {
		park->lasts = w->next_last;
		w->next_last = list;
		list = w;
	}
	while ((w = list)) {
		list = w->next_last;
		run_last(park, lane, w);
	}
}

/* With the mutex held; the line may be gone afterwards. */
void park_serve(struct park *park, struct lane *lane, struct line *line)
{
	struct seg_event *event = park->seg->objects[line->object].event;
	struct parked *w;

	if (line->serving) {
		line->again = true;
		return;
	}
	line->serving = true;
	do {
		line->again = false;
		/* The bell is always rung for an object's end. */
		if (line->side < SEG_N_EVENTS)
			event_prepare(&event[line->side], SEG_WAITING_SERVER);
		/* No more than there are: what comes in meanwhile rings. */
		size_t most = line->side == SEG_EVENT_CHANGED ? park->count : SIZE_MAX;
		while (most-- && (w = first_ready(park, line)) && run(park, lane, line, w))
			;
	} while (line->again && line->head);
	line->serving = false;
	lines_drop_if_unused(&park->lines, line);
}

static void serve_object(struct park *park, struct lane *lane, uint32_t object)
{
	struct line *line;

	alarms_note(&park->alarms, lane, object);
	pthread_mutex_lock(&park->mutex);
	uint64_t round = ++park->round;
	while ((line = lines_unserved(&park->lines, object, round))) {
		line->round = round;
		park_serve(park, lane, line);
	}
	pthread_mutex_unlock(&park->mutex);
}

void park_ring(struct park *park, struct lane *lane)
{
	bool any = true;

	bell_answer(park->seg);
	pthread_mutex_lock(&park->mutex);
	serve_lasts(park, lane);
	pthread_mutex_unlock(&park->mutex);
	for (uint32_t n = 0; any && n < WALKS; n++) {
		any = false;
		for (uint32_t object; bell_next(park->seg, &object); any = true)
			serve_object(park, lane, object);
	}
	park_call_after(park);
}

void park_look_again(struct park *park)
{
	pthread_mutex_lock(&park->mutex);
	for (uint32_t i = 0; i < LINES_N_BUCKETS / PARK_LOOKS; i++) {
		for (struct line *line = park->lines.buckets[park->looked_at]; line; line = line->next)
			bell_ring(park->seg, line->object);
		park->looked_at = (park->looked_at + 1) % LINES_N_BUCKETS;
	}
	pthread_mutex_unlock(&park->mutex);
}
