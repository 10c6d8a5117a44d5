/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The park: what comes in, and what ends it from outside. parked.h tells of the states; park_run.c runs what is here.
 */
#include "server/ops/parked.h"

#include <stdlib.h>

#include "server/base/clock.h"

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

void park_set_snapshots(struct park *park, struct snapshots *snapshots)
{
	park->snapshots = snapshots;
}

uint64_t park_deadline(uint64_t timeout_ns)
{
	return clock_deadline(timeout_ns);
}

/* ---------------------------------------------------------------- adding and cancelling */

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
	return w->wait.memory && parked_is_ready(park, w);
}

void park_abandon(struct park *park, struct lane *lane, const struct park_entry *entry)
{
	struct op_wait wait = *entry->wait;
	struct actor own = lane->actor;
	struct bytes response = { 0 };
	char detail[OP_DETAIL_SIZE];
	struct parked *w = op_lasts(entry->op, &wait) ? parked_make(entry) : NULL;

	if (w) {
		pthread_mutex_lock(&park->mutex);
		parked_abandon(park, w);
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
	struct parked *w = parked_make(entry);
	bool sooner = false;

	if (!w) {
		park_abandon(park, lane, entry);
		return SABIR_NO_MEMORY;
	}
	pthread_mutex_lock(&park->mutex);
	enum sabir_error error = enter(park, w, id, &sooner);
	if (error)
		parked_abandon(park, w);
	else if (w->place.line->head == &w->place || (!w->place.line->serving && may_be_first(park, w)))
		park_serve(park, lane, w->place.line);
	else if (w->place.line->serving)
		w->place.line->again = true;
	pthread_mutex_unlock(&park->mutex);
	if (sooner && park->sooner)
		park->sooner(park->sooner_context);
	park_call_after(park);
	return error;
}

bool park_cancel(struct park *park, uint64_t id)
{
	pthread_mutex_lock(&park->mutex);
	struct parked *w = tickets_find(&park->tickets, id);
	bool taken_out = w && w->state != PARKED_RUNNING;
	if (taken_out) {
		bool waits = w->state == PARKED_WAITING;
		parked_leave_line(park, w);
		parked_forget(park, w);
		if (waits)
			parked_abandon(park, w);
		else
			w->done = NULL;
	} else if (w) {
		parked_end(park, w, SABIR_CANCELLED);
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
		parked_expire(park, PARKED_OF(first));
	pthread_mutex_unlock(&park->mutex);
	park_call_after(park);
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
		parked_end(park, PARKED_OWNED(first), error);
	}
	pthread_mutex_unlock(&park->mutex);
	park_call_after(park);
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
		parked_end(park, PARKED_OWNED(node), SABIR_CANCELLED);
		n++;
	}
	pthread_mutex_unlock(&park->mutex);
	park_call_after(park);
	return n;
}

void park_drain(struct park *park, enum sabir_error error)
{
	pthread_mutex_lock(&park->mutex);
	park->drained = error;
	for (uint32_t i = 0; i < park->tickets.n; i++)
		if (park->tickets.at[i].thing)
			parked_end(park, park->tickets.at[i].thing, error);
	pthread_mutex_unlock(&park->mutex);
	park_call_after(park);
}

size_t park_count(struct park *park)
{
	pthread_mutex_lock(&park->mutex);
	size_t n = park->count;
	pthread_mutex_unlock(&park->mutex);
	return n;
}
