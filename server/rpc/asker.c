/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who wait for answers. An asker is in its session's list from asker_enter to asker_leave; a waiter is among its tags,
 * then in the list of its answers, and belongs to whoever takes that.
 */
#include "server/rpc/asker.h"

#include "server/rpc/asked.h"
#include "server/rpc/call.h"
#include "server/rpc/waiter.h"

#define WAITER_BY_TAG(node) ((struct waiter *)(node)) /* the first member */

void asker_enter(struct asks *asks, struct asker *asker)
{
	asker->answers_end = &asker->answers;
	pthread_mutex_lock(&asks->mutex);
	asker->next = asks->askers;
	if (asker->next)
		asker->next->prev = asker;
	asks->askers = asker;
	pthread_mutex_unlock(&asks->mutex);
}

static void take_from_list(struct asks *asks, struct asker *asker)
{
	if (asker->prev)
		asker->prev->next = asker->next;
	else
		asks->askers = asker->next;
	if (asker->next)
		asker->next->prev = asker->prev;
}

uint32_t asker_leave(struct asks *asks, struct asker *asker)
{
	struct keyed *node;
	struct waiter *lost = NULL, *w;
	pthread_mutex_lock(&asks->mutex);
	asker->gone = true;
	take_from_list(asks, asker);
	uint32_t n = asker->tags.n;
	while ((node = keyed_any(&asker->tags)) != NULL) {
		w = WAITER_BY_TAG(node);
		keyed_remove(&asker->tags, node);
		if (!waiter_leave(w))
			continue;
		w->next = lost;
		lost = w;
	}
	pthread_mutex_unlock(&asks->mutex);
	while ((w = lost) != NULL) {
		lost = w->next;
		waiter_cancel(w);
	}
	return n;
}

struct waiter *asker_take(struct asks *asks, struct asker *asker)
{
	pthread_mutex_lock(&asks->mutex);
	struct waiter *answers = asker->answers;
	asker->answers = NULL;
	asker->answers_end = &asker->answers;
	asker->ready_bytes = 0;
	pthread_mutex_unlock(&asks->mutex);
	return answers;
}

void asker_fini(struct asker *asker)
{
	keyed_fini(&asker->tags); /* reserved, and not used */
}

void asker_give(struct waiter *w)
{
	struct asker *asker = w->asker;
	keyed_remove(&asker->tags, &w->by_tag);
	w->next = NULL;
	*asker->answers_end = w;
	asker->answers_end = &w->next;
	asker->ready_bytes += w->error ? 0 : w->asked->result_len;
}

struct asker *askers_next_untold(struct asks *asks)
{
	pthread_mutex_lock(&asks->mutex);
	asks->ended = true;
	struct asker *asker = asks->askers;
	while (asker && asker->told)
		asker = asker->next;
	if (asker) {
		asker->told = true;
		call_ref(asker->call);
	}
	pthread_mutex_unlock(&asks->mutex);
	return asker;
}

void asker_tell(struct asker *asker, uint64_t bytes)
{
	struct call *call = asker->call;
	asker->ready(asker, bytes);
	call_unref(call);
}
