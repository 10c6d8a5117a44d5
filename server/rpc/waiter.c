/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a waiter: in its operation's list and among its asker's tags until it is given the answer, or its asker goes; then
 * in the asker's list of answers, and in the hands of who has taken that, until it is dropped. All the time it has a reference to
 * its operation, where the result is.
 */
#include "server/rpc/waiter.h"

#include <stdlib.h>

#include "server/rpc/asked.h"
#include "server/rpc/call.h"

static void waiter_drop(struct waiter *w)
{
	struct asked *a = w->asked;
	if (w != &a->first)
		free(w);
	asked_unref(a);
}

void waiter_add(struct asked *a, struct waiter *w, struct asker *asker, uint64_t tag)
{
	struct waiter **end = &a->waiters;
	while (*end)
		end = &(*end)->next;
	*w = (struct waiter){ .asker = asker, .asked = a };
	*end = w;
	a->n_waiters++;
	asked_ref(a);
	keyed_add(&asker->tags, &w->by_tag, tag);
}

void waiter_remove(struct waiter *w)
{
	struct waiter **link = &w->asked->waiters;
	while (*link != w)
		link = &(*link)->next;
	*link = w->next;
	w->asked->n_waiters--;
}

void waiter_give(struct waiter *w, struct tell *tell)
{
	struct asker *asker = w->asker;
	waiter_remove(w);
	asker_give(w);
	call_ref(asker->call);
	tell->asker[tell->n] = asker;
	tell->bytes[tell->n++] = asker->ready_bytes;
}

void waiters_tell(const struct tell *tell)
{
	for (uint32_t i = 0; i < tell->n; i++)
		asker_tell(tell->asker[i], tell->bytes[i]);
}

bool waiter_leave(struct waiter *w)
{
	struct asked *a = w->asked;
	waiter_remove(w);
	if (a->n_waiters) {
		waiter_drop(w);
		return false;
	}
	a->lost = true;
	pending_hold(&a->pending);
	return true;
}

void waiter_cancel(struct waiter *w)
{
	pending_cancel(&w->asked->pending, SABIR_CANCELLED);
	waiter_drop(w);
}

struct answer answer_of(const struct waiter *w)
{
	const struct asked *a = w->asked;
	if (w->error)
		return (struct answer){ .error = w->error, .detail = w->detail };
	if (a->error)
		return (struct answer){ .error = a->error, .detail = a->result ? (const char *)a->result : "" };
	return (struct answer){ .response = { a->result, a->result_len }, .detail = "" };
}

void answers_drop_undelivered(struct waiter *list)
{
	while (list) {
		struct waiter *w = list;
		list = w->next;
		if (!w->error)
			asked_undo_lost(w->asked);
		waiter_drop(w);
	}
}

void answers_drop_delivered(struct waiter *list)
{
	while (list) {
		struct waiter *w = list;
		list = w->next;
		waiter_drop(w);
	}
}
