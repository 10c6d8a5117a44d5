/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked operations. Those that wait for the same side of the same object stand in one line, first come first served:
 *
 *   WAITING in its line ──claimed──► RUNNING, out of the line ──► done, freed
 *                 ▲                      │ it would wait again
 *                 └──────────────────────┘ to the head of the line; or, if it was cancelled or expired meanwhile, done
 *
 * One that would now wait for something else (the lock instead of an item, or the reverse) goes to the end of that
 * line.
 *
 * Only under the mutex does an operation change its state; it is run, and its `done` called, without. A RUNNING one is
 * never freed by others: a cancel, a deadline or a drain leaves its reason in `ended`, which counts if the run had no
 * result.
 *
 * A line is served by one thread at a time, which keeps the order; who finds it being served leaves `again` behind. The
 * invariant that loses no wake-up: a line that is not empty and not being served was armed (event_prepare) before its
 * head last found nothing to do, so whatever happens to the object later rings the bell. That is why a newcomer behind
 * others need not look himself, unless he keeps something from his first run. The line of a lock is armed by the run
 * itself (lane.h); for one who comes from another line the park rings the bell.
 *
 * What has left something in its object (op_lasts) is run once more when its wait is over, whatever ended it. That takes a
 * lane, so it waits in `lasts`, in the state LAST, for the next who answers the bell, which is rung for it. One whose answer
 * nobody wants any more has no `done` then, and is known to nobody else.
 */
#include "server/ops/park.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/objects/change.h"
#include "server/objects/object_names.h"
#include "server/ops/alarms.h"
#include "server/ops/deadlines.h"
#include "server/ops/lines.h"
#include "server/ops/owned.h"
#include "server/ops/tickets.h"

#define RESPONSE_ON_STACK 1024u

enum state {
	WAITING,
	RUNNING,
	LAST,
};

struct parked {
	struct waiter place; /* in no line: whoever waits has gone, and it waits for its cancellation only */
	struct owned owned;
	struct parked *next_last;
	const struct op *op;
	struct actor actor;
	park_done_fn *done; /* NULL: its answer is for nobody */
	bool (*gone)(void *context);
	void *context;
	struct op_receipt *receipt;
	struct op_wait wait;
	struct deadline deadline;
	uint64_t id;
	uint64_t since_ns;
	enum state state;
	bool timed_out;
	enum sabir_error error; /* that it was last run with */
	enum sabir_error ended; /* RUNNING: how it ends if it would wait again; 0: it goes on waiting */
	uint32_t request_len;
	uint8_t request[]; /* and behind it the detail */
};

struct park {
	pthread_mutex_t mutex;
	struct segment *seg;
	void (*sooner)(void *context);
	void *sooner_context;
	void (*after)(void *context);
	void *after_context;
	enum sabir_error drained; /* not 0: nothing may be parked any more */
	uint64_t round;
	size_t count;
	struct deadlines deadlines;
	struct tickets tickets;
	struct lines lines;
	struct alarms alarms; /* of the thread that calls park_ring */
	struct owned_table owned;
	struct parked *lasts;
};

struct park *park_new(struct segment *seg, void (*sooner)(void *context), void *context)
{
	struct park *park = calloc(1, sizeof(*park));

	if (!park)
		return NULL;
	if (!alarms_init(&park->alarms, seg)) {
		free(park);
		return NULL;
	}
	pthread_mutex_init(&park->mutex, NULL);
	park->seg = seg;
	park->sooner = sooner;
	park->sooner_context = context;
	return park;
}

void park_free(struct park *park)
{
	if (!park)
		return;
	park_drain(park, SABIR_UNAVAILABLE);
	for (struct parked *w; (w = park->lasts);) {
		park->lasts = w->next_last;
		free(w);
	}
	pthread_mutex_destroy(&park->mutex);
	deadlines_fini(&park->deadlines);
	tickets_fini(&park->tickets);
	alarms_fini(&park->alarms);
	free(park);
}

void park_set_after(struct park *park, void (*after)(void *context), void *context)
{
	park->after = after;
	park->after_context = context;
}

uint64_t park_deadline(uint64_t timeout_ns)
{
	return clock_deadline(timeout_ns);
}

/* ---------------------------------------------------------------- ends */

static const char *detail_of(const struct parked *w)
{
	return (const char *)w->request + w->request_len;
}

/* Takes it out of everything but its line, where it is no more. */
static void forget(struct park *park, struct parked *w)
{
	deadlines_remove(&park->deadlines, &w->deadline);
	owned_remove(&w->owned);
	tickets_give_back(&park->tickets, w->id);
	park->count--;
}

/* Whether this thread has called a `done` since it called `after`. */
static __thread bool has_finished;

static void call_after(struct park *park)
{
	if (!has_finished)
		return;
	has_finished = false;
	if (park->after)
		park->after(park->after_context);
}

/* Calls `done` without the mutex. */
static void tell(struct park *park, struct parked *w, enum sabir_error error, struct bytes *response,
		 const char *detail)
{
	forget(park, w);
	pthread_mutex_unlock(&park->mutex);
	has_finished = true;
	w->done(w->context, error, response, detail);
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
static void answer(struct park *park, struct parked *w, enum sabir_error error, struct bytes *response,
		   const char *detail)
{
	if (!error && w->receipt)
		*w->receipt = w->wait.receipt;
	else
		op_receipt_fini(&w->wait.receipt);
	finish(park, w, error, response, detail);
}

static void run_last_later(struct park *park, struct parked *w)
{
	w->state = LAST;
	w->next_last = park->lasts;
	park->lasts = w;
	bell_ring(park->seg, w->wait.object);
}

/* Nobody waits for it any more. */
static void abandon(struct park *park, struct parked *w)
{
	w->done = NULL;
	if (op_lasts(w->op, &w->wait))
		run_last_later(park, w);
	else
		free(w);
}

/* It would wait on, and may not. */
static void give_up(struct park *park, struct parked *w, enum sabir_error error)
{
	struct bytes none = { 0 };

	tell(park, w, error, &none, error == w->error ? detail_of(w) : "");
	abandon(park, w);
}

static void leave_line(struct park *park, struct parked *w)
{
	struct line *line = w->place.line;

	line_unlink(&w->place);
	if (line)
		lines_drop_if_unused(&park->lines, line);
}

/* Ends one that waits, or tells one that is run how to end. */
static void end(struct park *park, struct parked *w, enum sabir_error error)
{
	struct bytes none = { 0 };

	if (w->state == RUNNING) {
		w->ended = error;
		deadlines_remove(&park->deadlines, &w->deadline);
	} else if (w->state == WAITING) {
		leave_line(park, w);
		give_up(park, w, error);
	} else {
		tell(park, w, error, &none, "");
		w->done = NULL;
	}
}

/* Its time has come: it ends, or has its last chance. */
static void expire(struct park *park, struct parked *w)
{
	bool lasts = op_lasts(w->op, w->state == RUNNING ? NULL : &w->wait);

	if (!lasts || w->timed_out) {
		end(park, w, w->error);
		return;
	}
	w->timed_out = true;
	deadlines_remove(&park->deadlines, &w->deadline);
	w->deadline.ns = OP_FOREVER; /* of what it waits for from now on */
	if (w->state != WAITING)
		return;
	leave_line(park, w);
	run_last_later(park, w);
}

/* ---------------------------------------------------------------- serving */

/* `place` comes first, so NULL stays NULL. */
#define PARKED_AT(waiter) ((struct parked *)(waiter))

static bool has_gone(const struct parked *w)
{
	return w->done && w->gone && w->gone(w->context);
}

static bool is_ready(const struct park *park, const struct parked *w)
{
	if (w->wait.side == OP_WAIT_END)
		return !names_is_live(park->seg, w->wait.handle);
	if (w->wait.side == SEG_EVENT_CHANGED)
		return change_ready(park->seg, w->wait.handle, w->wait.memory);
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
	if (!w || is_ready(park, w))
		return w;
	if (line->side == OP_WAIT_END)
		return NULL; /* the others would wait on too */
	if (line->side != SEG_EVENT_CHANGED && !object_any_ready(park->seg, w->wait.handle))
		return NULL;
	for (struct waiter *next = w->place.next; next; next = next->next)
		if (is_ready(park, PARKED_AT(next)) && !has_gone(PARKED_AT(next)))
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

	w->state = WAITING;
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
		give_up(park, w, refused);
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
	w->state = RUNNING;
	w->wait.over = !w->done ? OP_ABANDONED : w->timed_out ? OP_TIMED_OUT : OP_GOES_ON;
	pthread_mutex_unlock(&park->mutex);
	struct actor own = lane->actor;
	lane->actor = w->actor;
	enum sabir_error error = op_run_again(w->op, lane, (struct span){ w->request, w->request_len }, response,
					      &w->wait, detail);
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
		give_up(park, w, ended);
	else if (timed_out)
		run_last_later(park, w);
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
		answer(park, w, error, &response, detail);
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
		answer(park, w, error, &response, detail);
	} else if (error == SABIR_BUSY) { /* the bell is rung when it can be done */
		w->state = LAST;
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
static void serve(struct park *park, struct lane *lane, struct line *line)
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

void park_ring(struct park *park, struct lane *lane)
{
	uint32_t object;
	struct line *line;

	bell_answer(park->seg);
	pthread_mutex_lock(&park->mutex);
	serve_lasts(park, lane);
	pthread_mutex_unlock(&park->mutex);
	while (bell_next(park->seg, &object)) {
		alarms_note(&park->alarms, object);
		pthread_mutex_lock(&park->mutex);
		uint64_t round = ++park->round;
		while ((line = lines_unserved(&park->lines, object, round))) {
			line->round = round;
			serve(park, lane, line);
		}
		pthread_mutex_unlock(&park->mutex);
	}
	call_after(park);
}

/* ---------------------------------------------------------------- adding and cancelling */

static struct parked *make_parked(const struct park_entry *entry)
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
		.state = WAITING,
		.error = entry->error,
		.request_len = (uint32_t)entry->request.len,
	};
	if (entry->request.len)
		memcpy(w->request, entry->request.data, entry->request.len);
	strcpy((char *)w->request + w->request_len, detail);
	return w;
}

/* Puts it into all that it belongs to. */
static enum sabir_error enter(struct park *park, struct parked *w, uint64_t *id, bool *sooner)
{
	if (park->drained)
		return SABIR_UNAVAILABLE;
	if (!tickets_reserve(&park->tickets) || !deadlines_reserve(&park->deadlines))
		return SABIR_NO_MEMORY;
	struct line *line = lines_get(&park->lines, &w->wait);
	if (!line)
		return SABIR_NO_MEMORY;
	line_append(line, &w->place);
	*id = w->id = tickets_take(&park->tickets, w);
	owned_add(&park->owned, &w->owned, w->actor.owner);
	park->count++;
	*sooner = w->deadline.ns != OP_FOREVER && deadlines_add(&park->deadlines, &w->deadline);
	return SABIR_OK;
}

/* Who keeps something from his first run may have been waiting longer than those before him. */
static bool may_be_first(const struct park *park, const struct parked *w)
{
	return w->wait.memory && is_ready(park, w);
}

void park_abandon(struct park *park, struct lane *lane, const struct park_entry *entry)
{
	struct op_wait wait = *entry->wait;
	struct actor own = lane->actor;
	struct bytes response = { 0 };
	char detail[OP_DETAIL_SIZE];
	struct parked *w = op_lasts(entry->op, &wait) ? make_parked(entry) : NULL;

	if (w) {
		pthread_mutex_lock(&park->mutex);
		abandon(park, w);
		pthread_mutex_unlock(&park->mutex);
	} else if (op_lasts(entry->op, &wait)) {
		/* Without memory nobody can do it later, if it can't be done now. */
		wait.over = OP_ABANDONED;
		lane->actor = entry->actor;
		(void)op_run_again(entry->op, lane, entry->request, &response, &wait, detail);
		lane->actor = own;
		bytes_fini(&response);
	}
}

enum sabir_error park_add(struct park *park, struct lane *lane, const struct park_entry *entry, uint64_t *id)
{
	struct parked *w = make_parked(entry);
	bool sooner = false;

	if (!w) {
		park_abandon(park, lane, entry);
		return SABIR_NO_MEMORY;
	}
	pthread_mutex_lock(&park->mutex);
	enum sabir_error error = enter(park, w, id, &sooner);
	if (error)
		abandon(park, w);
	else if (w->place.line->head == &w->place || (!w->place.line->serving && may_be_first(park, w)))
		serve(park, lane, w->place.line);
	else if (w->place.line->serving)
		w->place.line->again = true;
	pthread_mutex_unlock(&park->mutex);
	if (sooner && park->sooner)
		park->sooner(park->sooner_context);
	call_after(park);
	return error;
}

bool park_cancel(struct park *park, uint64_t id)
{
	pthread_mutex_lock(&park->mutex);
	struct parked *w = tickets_find(&park->tickets, id);
	bool taken_out = w && w->state != RUNNING;
	if (taken_out) {
		bool waits = w->state == WAITING;
		leave_line(park, w);
		forget(park, w);
		if (waits)
			abandon(park, w);
		else
			w->done = NULL;
	} else if (w) {
		end(park, w, SABIR_CANCELLED);
	}
	pthread_mutex_unlock(&park->mutex);
	return taken_out;
}

/* ---------------------------------------------------------------- time, and the end of all */

#define PARKED_OF(node) ((struct parked *)((uint8_t *)(node)-offsetof(struct parked, deadline)))

void park_settle(struct park *park, struct lane *lane, uint64_t now_ns)
{
	alarms_answer(&park->alarms, lane, now_ns);
}

void park_expire(struct park *park, uint64_t now_ns)
{
	struct deadline *first;

	pthread_mutex_lock(&park->mutex);
	while ((first = deadlines_first(&park->deadlines)) && first->ns <= now_ns)
		expire(park, PARKED_OF(first));
	pthread_mutex_unlock(&park->mutex);
	call_after(park);
}

uint64_t park_next_deadline(struct park *park)
{
	pthread_mutex_lock(&park->mutex);
	struct deadline *first = deadlines_first(&park->deadlines);
	uint64_t ns = first ? first->ns : OP_FOREVER, alarm = alarms_next(&park->alarms);
	pthread_mutex_unlock(&park->mutex);
	return alarm < ns ? alarm : ns;
}

#define PARKED_OWNED(node) ((struct parked *)((uint8_t *)(node)-offsetof(struct parked, owned)))

void park_end(struct park *park, uint64_t owner, enum sabir_error error)
{
	struct owned *first;

	pthread_mutex_lock(&park->mutex);
	while ((first = owned_first(&park->owned, owner))) {
		owned_remove(first); /* one that is being run stays in the park a little longer */
		end(park, PARKED_OWNED(first), error);
	}
	pthread_mutex_unlock(&park->mutex);
	call_after(park);
}

static struct owned *owned_of_thread(const struct park *park, uint64_t owner, uint64_t thread)
{
	struct owned *node = owned_first(&park->owned, owner);

	while (node && PARKED_OWNED(node)->actor.thread != thread)
		node = owned_next(node);
	return node;
}

uint32_t park_cancel_thread(struct park *park, uint64_t owner, uint64_t thread)
{
	struct owned *node;
	uint32_t n = 0;

	pthread_mutex_lock(&park->mutex);
	/* From the beginning each time: the mutex is let go when one is told. */
	while ((node = owned_of_thread(park, owner, thread))) {
		owned_remove(node);
		end(park, PARKED_OWNED(node), SABIR_CANCELLED);
		n++;
	}
	pthread_mutex_unlock(&park->mutex);
	call_after(park);
	return n;
}

void park_drain(struct park *park, enum sabir_error error)
{
	pthread_mutex_lock(&park->mutex);
	park->drained = error;
	for (uint32_t i = 0; i < park->tickets.n; i++)
		if (park->tickets.at[i].thing)
			end(park, park->tickets.at[i].thing, error);
	pthread_mutex_unlock(&park->mutex);
	call_after(park);
}

size_t park_count(struct park *park)
{
	pthread_mutex_lock(&park->mutex);
	size_t n = park->count;
	pthread_mutex_unlock(&park->mutex);
	return n;
}
