/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers that sessions keep.
 */
#include "server/rpc/asks.h"

#include <stdlib.h>

#include "server/objects/answers.h"
#include "server/rpc/asked.h"
#include "server/rpc/asks_store.h"
#include "server/rpc/call.h"

_Static_assert(ASKS_MAX_KEPT < ANSWERS_MOST, "the end of a session looks at all that it keeps");

#define ASKED_BY_ID(node) ((struct asked *)((char *)(node)-offsetof(struct asked, by_id)))

/* Of all sessions: it outlasts the front, as sessions do. */
static uint64_t all_kept_bytes;

/* ---------------------------------------------------------------- the session's */

static void asks_ended(struct session_extra *extra)
{
	struct asks *asks = (struct asks *)extra;
	struct asker *asker;
	while ((asker = askers_next_untold(asks)) != NULL)
		asker_tell(asker, 0);
}

/*
 * What was taken for it and never acknowledged goes back, or it would be lost with a client that has not got it. Of what is stored the
 * session's end has seen to that (ops/session_end.h), for there it outlives us.
 */
static void asks_free(struct session_extra *extra, struct lane *lane)
{
	struct asks *asks = (struct asks *)extra;
	struct keyed *node;
	while ((node = keyed_any(&asks->ids)) != NULL) {
		struct asked *a = ASKED_BY_ID(node);
		if (lane && !a->stored)
			asked_give_back(a, lane);
		asks_forget(asks, a);
	}
	keyed_fini(&asks->ids); /* reserved, and not used */
	pthread_mutex_destroy(&asks->mutex);
	free(asks);
}

struct asks *asks_of(struct rpc *rpc, struct session *session)
{
	struct session_extra *extra = session_extra(rpc->sessions, session);
	if (extra)
		return (struct asks *)extra;
	struct asks *made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->extra = (struct session_extra){ .ended = asks_ended, .free = asks_free };
	made->rpc = rpc;
	made->owner = session_owner(session);
	made->session = session;
	pthread_mutex_init(&made->mutex, NULL);
	if (session_is_adopted(session) && asks_load(made)) {
		asks_free(&made->extra, NULL);
		return NULL;
	}
	extra = session_keep_extra(rpc->sessions, session, &made->extra);
	if (extra != &made->extra)
		asks_free(&made->extra, NULL);
	return (struct asks *)extra;
}

/* ---------------------------------------------------------------- what is kept */

struct asked *asks_known(const struct asks *asks, uint64_t id)
{
	struct keyed *node = keyed_find(&asks->ids, id);
	return node ? ASKED_BY_ID(node) : NULL;
}

/* A stopped program may have been in the way of a former server's repair: what that had performed is known when it is done. */
enum sabir_error asks_catch_up(struct asks *asks, uint64_t id, const char **detail)
{
	bool may_come;
	if (!asks->n_to_come)
		return SABIR_OK;
	uint32_t n = answers_to_come(asks->rpc->seg, asks->rpc->lanes.owner, asks->owner, id, &may_come);
	if (!may_come && (n == asks->n_to_come || asks_load(asks) == SABIR_OK))
		return SABIR_OK;
	*detail = "what the former server has done is still being found out";
	return SABIR_UNAVAILABLE;
}

enum sabir_error asks_admit(struct asks *asks, uint64_t id, const char **detail)
{
	if (id < asks->acked_below)
		return SABIR_REQUEST_FORGOTTEN;
	if (id < asks->lost_below || asks->lost_below == UINT64_MAX)
		return SABIR_OUTCOME_UNKNOWN;
	if (load64_relaxed(&all_kept_bytes) >= asks->rpc->max_kept_bytes) {
		*detail = "results of all sessions are not acknowledged";
		return SABIR_TOO_MANY_REQUESTS;
	}
	if (asks->ids.n >= ASKS_MAX_KEPT || asks->kept_bytes >= ASKS_MAX_KEPT_BYTES) {
		*detail = "results are not acknowledged";
		return SABIR_TOO_MANY_REQUESTS;
	}
	return keyed_reserve(&asks->ids) ? SABIR_OK : SABIR_NO_MEMORY;
}

void asks_keep(struct asks *asks, struct asked *a, uint64_t id)
{
	keyed_add(&asks->ids, &a->by_id, id);
	a->kept = true;
	count(&all_kept_bytes, sizeof(*a));
	asked_ref(a);
}

void asks_count_answer(struct asks *asks, const struct asked *a)
{
	asks->kept_bytes += a->result_len;
	count(&all_kept_bytes, (int64_t)a->result_len);
}

void asks_forget(struct asks *asks, struct asked *a)
{
	keyed_remove(&asks->ids, &a->by_id);
	a->kept = false;
	uint64_t answer_len = a->state == ASKED_ENDED ? a->result_len : 0;
	asks->kept_bytes -= answer_len;
	count(&all_kept_bytes, -(int64_t)(sizeof(*a) + answer_len));
	if (a->stored)
		asks_stored_ends(a);
	asked_unref(a);
}

/* The same of one that was acknowledged; if it is stored it joins the list of what is not to be any more. */
static void forget_acknowledged(struct asks *asks, struct asked *a, struct asked **stored)
{
	if (a->stored) {
		asked_ref(a);
		a->next_acknowledged = *stored;
		*stored = a;
	}
	asks_forget(asks, a);
}

static void forget_all_below(struct asks *asks, uint64_t below, struct asked **stored)
{
	for (uint32_t i = 0; i < asks->ids.n_buckets; i++)
		for (struct keyed *node = asks->ids.buckets[i], *next; node; node = next) {
			next = node->next;
			if (node->key < below)
				forget_acknowledged(asks, ASKED_BY_ID(node), stored);
		}
}

void asks_acknowledge(struct asks *asks, uint64_t below)
{
	struct asked *a, *stored = NULL;
	pthread_mutex_lock(&asks->mutex);
	uint64_t from = asks->acked_below;
	if (below > from) {
		asks->acked_below = below;
		answers_acknowledged(asks->rpc->seg, asks->owner, below);
	}
	if (below > from && below - from > asks->ids.n)
		forget_all_below(asks, below, &stored);
	else
		for (uint64_t id = from; id < below; id++)
			if ((a = asks_known(asks, id)) != NULL)
				forget_acknowledged(asks, a, &stored);
	pthread_mutex_unlock(&asks->mutex);
	asks_unstore(asks, stored);
}
