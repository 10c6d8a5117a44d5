/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that sessions have asked for.
 *
 *   WAITING   run by who began it, or parked; in the asker's tags, unless that one has left
 *   ENDED     it has a result, which was given to who waited; one with an id stays until it is acknowledged
 *
 * References: one of the table of ids, one of the list of results that it is in, one of its time in the park, one of
 * who begins it until he ends it. The mutex of the session's `asks` is held for all but the park and the objects, and
 * no stream is woken with it held.
 */
#include "server/rpc/asked.h"

#include <stdlib.h>
#include <string.h>

#include "server/rpc/call.h"

#define ASKED_BY_TAG(node) ((struct asked *)((char *)(node)-offsetof(struct asked, by_tag)))
#define ASKED_BY_ID(node) ((struct asked *)((char *)(node)-offsetof(struct asked, by_id)))
#define ASKED_OF(p) ((struct asked *)(p)) /* `pending` is the first member */

static void unref(struct asked *a)
{
	if (fetch_add32(&a->refs, (uint32_t)-1) != 1)
		return;
	op_receipt_fini(&a->receipt);
	free(a->result);
	free(a);
}

/* ---------------------------------------------------------------- undoing */

static void undo(struct asked *a, struct lane *lane, struct actor actor)
{
	struct actor own = lane->actor;
	lane->actor = actor;
	(void)op_undo(a->op, lane, &a->receipt, (struct span){ a->result, a->result_len });
	lane->actor = own;
}

static void drop_undelivered(struct asked *a)
{
	if (!a->id && !a->error && op_can_undo(a->op)) {
		struct rpc *rpc = a->asks->rpc;
		struct lane *lane = lanes_take(&rpc->lanes);
		if (lane)
			undo(a, lane, (struct actor){ a->asks->owner, a->thread });
		lanes_give(&rpc->lanes, lane);
	}
	unref(a);
}

void asked_drop_undelivered(struct asked *list)
{
	while (list) {
		struct asked *a = list;
		list = a->next;
		drop_undelivered(a);
	}
}

void asked_drop_delivered(struct asked *list)
{
	while (list) {
		struct asked *a = list;
		list = a->next;
		unref(a);
	}
}

/* ---------------------------------------------------------------- the session's */

/* With a reference to its call; NULL: all have been told. */
static struct call *next_untold(struct asks *asks)
{
	struct call *call = NULL;
	pthread_mutex_lock(&asks->mutex);
	asks->ended = true;
	struct asker *asker = asks->askers;
	while (asker && asker->told)
		asker = asker->next;
	if (asker) {
		asker->told = true;
		call = asker->call;
		call_ref(call);
	}
	pthread_mutex_unlock(&asks->mutex);
	return call;
}

static void asks_ended(struct session_extra *extra)
{
	struct call *call;
	while ((call = next_untold((struct asks *)extra)) != NULL) {
		stream_wake(call);
		call_unref(call);
	}
}

/* What was taken for it and never acknowledged goes back, or it would be lost with a client that has not got it. */
static void asks_free(struct session_extra *extra, struct lane *lane)
{
	struct asks *asks = (struct asks *)extra;
	struct keyed *node;
	while ((node = keyed_any(&asks->ids)) != NULL) {
		struct asked *a = ASKED_BY_ID(node);
		keyed_remove(&asks->ids, node);
		if (lane && !a->error && a->receipt.items)
			undo(a, lane, (struct actor){ 0 });
		unref(a);
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
	pthread_mutex_init(&made->mutex, NULL);
	extra = session_keep_extra(rpc->sessions, session, &made->extra);
	if (extra != &made->extra)
		asks_free(&made->extra, NULL);
	return (struct asks *)extra;
}

/* With the mutex held. One that still waits becomes one without an id. */
static void take_id(struct asks *asks, struct asked *a)
{
	keyed_remove(&asks->ids, &a->by_id);
	if (a->state == ASKED_ENDED)
		asks->kept_bytes -= a->result_len;
	a->id = 0;
}

static void forget(struct asks *asks, struct asked *a)
{
	take_id(asks, a);
	unref(a);
}

static void forget_all_below(struct asks *asks, uint64_t below)
{
	for (uint32_t i = 0; i < asks->ids.n_buckets; i++)
		for (struct keyed *node = asks->ids.buckets[i], *next; node; node = next) {
			next = node->next;
			if (node->key < below)
				forget(asks, ASKED_BY_ID(node));
		}
}

void asks_acknowledge(struct asks *asks, uint64_t below)
{
	struct keyed *node;
	pthread_mutex_lock(&asks->mutex);
	uint64_t from = asks->acked_below;
	if (below > from)
		asks->acked_below = below;
	if (below > from && below - from > asks->ids.n)
		forget_all_below(asks, below);
	else
		for (uint64_t id = from; id < below; id++)
			if ((node = keyed_find(&asks->ids, id)) != NULL)
				forget(asks, ASKED_BY_ID(node));
	pthread_mutex_unlock(&asks->mutex);
}

/* ---------------------------------------------------------------- askers */

void asker_enter(struct asks *asks, struct asker *asker)
{
	asker->ready_end = &asker->ready;
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

/* With the mutex held. */
static void stop_waiting(struct asked *a)
{
	if (!a->asker)
		return;
	keyed_remove(&a->asker->tags, &a->by_tag);
	a->asker = NULL;
}

void asker_leave(struct asks *asks, struct asker *asker)
{
	struct keyed *node;
	struct asked *left = NULL, *a;
	pthread_mutex_lock(&asks->mutex);
	asker->gone = true;
	take_from_list(asks, asker);
	while ((node = keyed_any(&asker->tags)) != NULL) {
		a = ASKED_BY_TAG(node);
		stop_waiting(a);
		a->lost = true;
		pending_hold(&a->pending);
		(void)fetch_add32(&a->refs, 1);
		a->next = left;
		left = a;
	}
	pthread_mutex_unlock(&asks->mutex);
	while ((a = left) != NULL) {
		left = a->next;
		pending_cancel(&a->pending, SABIR_CANCELLED);
		unref(a);
	}
}

struct asked *asker_take(struct asks *asks, struct asker *asker)
{
	pthread_mutex_lock(&asks->mutex);
	struct asked *ready = asker->ready;
	asker->ready = NULL;
	asker->ready_end = &asker->ready;
	asker->ready_bytes = 0;
	pthread_mutex_unlock(&asks->mutex);
	return ready;
}

/* ---------------------------------------------------------------- the life of one */

static void parked_done(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct asked *a = ASKED_OF(p);
	a->receipt = p->receipt;
	(void)fetch_add32(&a->refs, 1);
	asked_end(a, error, response, detail);
}

static void parked_release(struct pending *p)
{
	unref(ASKED_OF(p));
}

static const struct pending_kind parked_kind = { .done = parked_done, .release = parked_release };

static uint64_t print_of(const struct ask_request *r)
{
	uint64_t h = 14695981039346656037ull ^ (uintptr_t)r->op ^ r->thread << 1;
	for (size_t i = 0; i < r->message.len; i++)
		h = (h ^ r->message.data[i]) * 1099511628211ull;
	return h ? h : 1;
}

static struct asked *make(struct asks *asks, const struct ask_request *r)
{
	struct asked *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	pending_init(&a->pending, asks->rpc, &parked_kind);
	a->asks = asks;
	a->op = r->op;
	a->thread = r->thread;
	a->tag = r->tag;
	a->id = r->id;
	a->refs = 1;
	return a;
}

/* With the mutex held, whoever waited for it before. */
static void wait_for(struct asked *a, struct asker *asker, uint64_t tag)
{
	stop_waiting(a);
	a->asker = asker;
	a->tag = tag;
	keyed_add(&asker->tags, &a->by_tag, tag);
}

/* A reference to one that has ended, for the list of results. Its list may be another asker's, so it is a copy. */
static enum sabir_error deliver_again(struct asker *asker, const struct asked *known, uint64_t tag)
{
	struct asked *a = malloc(sizeof(*a));
	uint8_t *result = malloc(known->result_len + 1);
	if (!a || !result) {
		free(a);
		free(result);
		return SABIR_NO_MEMORY;
	}
	*a = *known;
	if (known->result_len)
		memcpy(result, known->result, known->result_len);
	a->receipt = (struct op_receipt){ 0 }; /* it has an id: the one that is kept has it */
	a->result = result;
	a->tag = tag;
	a->refs = 1;
	a->asker = NULL;
	a->next = NULL;
	*asker->ready_end = a;
	asker->ready_end = &a->next;
	asker->ready_bytes += a->result_len;
	return SABIR_CHANGED;
}

static enum sabir_error ask_again(struct asker *asker, struct asked *known, const struct ask_request *r,
				  const char **detail)
{
	if (known->print != print_of(r)) {
		*detail = "the method, the thread or the request is another";
		return SABIR_REQUEST_REUSED;
	}
	if (known->state == ASKED_ENDED)
		return deliver_again(asker, known, r->tag);
	wait_for(known, asker, r->tag);
	return SABIR_CHANGED;
}

/* With the mutex held. */
static enum sabir_error begin(struct asks *asks, struct asker *asker, const struct ask_request *r, struct asked **asked,
			      const char **detail)
{
	struct keyed *known = r->id ? keyed_find(&asks->ids, r->id) : NULL;
	if (!keyed_reserve(&asker->tags) || (r->id && !keyed_reserve(&asks->ids)))
		return SABIR_NO_MEMORY;
	if (keyed_find(&asker->tags, r->tag)) {
		*detail = "a request of this tag waits already";
		return SABIR_INVALID_ARGUMENT;
	}
	if (asker->gone)
		return SABIR_UNAVAILABLE;
	if (asker->tags.n >= ASKER_MAX_WAITING) {
		*detail = "too many calls of the stream wait";
		return SABIR_TOO_MANY_REQUESTS;
	}
	if (known)
		return ask_again(asker, ASKED_BY_ID(known), r, detail);
	if (r->id && r->id < asks->acked_below)
		return SABIR_REQUEST_FORGOTTEN;
	if (r->id && (asks->ids.n >= ASKED_MAX_KEPT || asks->kept_bytes >= ASKED_MAX_KEPT_BYTES)) {
		*detail = "results are not acknowledged";
		return SABIR_TOO_MANY_REQUESTS;
	}
	struct asked *a = make(asks, r);
	if (!a)
		return SABIR_NO_MEMORY;
	if (r->id) {
		a->print = print_of(r);
		keyed_add(&asks->ids, &a->by_id, r->id);
		a->refs++;
	}
	wait_for(a, asker, r->tag);
	*asked = a;
	return SABIR_OK;
}

enum sabir_error asked_begin(struct asks *asks, struct asker *asker, const struct ask_request *request,
			     struct asked **asked, const char **detail)
{
	pthread_mutex_lock(&asks->mutex);
	enum sabir_error error = begin(asks, asker, request, asked, detail);
	pthread_mutex_unlock(&asks->mutex);
	return error;
}

enum sabir_error asked_park(struct asked *a, const struct pending_task *task, const struct op_wait *wait,
			    enum sabir_error error)
{
	error = pending_park(&a->pending, task, wait, error); /* from here on the reference is the park's */
	return error;
}

void asked_hold(struct asks *asks, struct asked *a, struct call *call)
{
	call_ref(call);
	pthread_mutex_lock(&asks->mutex);
	a->holds = call;
	(void)fetch_add32(&a->refs, 1);
	pthread_mutex_unlock(&asks->mutex);
}

bool asked_has_ended(struct asks *asks, const struct asked *a)
{
	pthread_mutex_lock(&asks->mutex);
	bool ended = a->state == ASKED_ENDED;
	pthread_mutex_unlock(&asks->mutex);
	return ended;
}

bool asked_let_go(struct asks *asks, struct asked *a)
{
	bool ended = asked_has_ended(asks, a);
	if (ended)
		unref(a);
	return ended;
}

void asked_cancel(struct asks *asks, struct asker *asker, uint64_t tag)
{
	pthread_mutex_lock(&asks->mutex);
	struct keyed *node = keyed_find(&asker->tags, tag);
	struct asked *a = node ? ASKED_BY_TAG(node) : NULL;
	if (a) {
		pending_hold(&a->pending);
		(void)fetch_add32(&a->refs, 1);
	}
	pthread_mutex_unlock(&asks->mutex);
	if (!a)
		return;
	pending_cancel(&a->pending, SABIR_CANCELLED);
	unref(a);
}

static void keep_result(struct asked *a, enum sabir_error *error, struct bytes *response, const char *detail)
{
	struct span from = *error ? (struct span){ (const uint8_t *)detail, strlen(detail) + 1 }
				  : (struct span){ response->data, response->len };
	a->result_len = from.len;
	a->result = *error ? NULL : bytes_take(response);
	if (a->result || !from.len)
		return;
	a->result = malloc(from.len);
	if (a->result)
		memcpy(a->result, from.data, from.len);
	else
		a->result_len = 0;
	if (!a->result && !*error)
		*error = SABIR_NO_MEMORY;
}

/* Whether it is the answer to the request for ever; else nothing was done, and who asks again has it tried anew. */
static bool is_final(enum sabir_error error)
{
	switch (error) {
	case SABIR_CANCELLED:
	case SABIR_UNAVAILABLE:
	case SABIR_RESOURCE_EXHAUSTED:
	case SABIR_NO_MEMORY:
	case SABIR_BUSY:
		return false;
	default:
		return true;
	}
}

/* With the mutex held. */
static void settle(struct asked *a, enum sabir_error error)
{
	/* It was taken out because nobody waited, and somebody has asked again just then: he may do so once more. */
	a->error = a->lost && error == SABIR_CANCELLED ? SABIR_UNAVAILABLE : error;
	a->next = NULL;
	if (a->id && !is_final(error)) {
		take_id(a->asks, a);
		(void)fetch_add32(&a->refs, (uint32_t)-1); /* not the last: the caller has one */
	}
	a->state = ASKED_ENDED;
	if (a->id)
		a->asks->kept_bytes += a->result_len;
}

/* Takes the reference; NULL is fine. */
static void wake(struct call *call)
{
	if (!call)
		return;
	stream_wake(call);
	call_unref(call);
}

void asked_end(struct asked *a, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct asks *asks = a->asks;
	struct call *call = NULL, *holds;
	bool too_much = false;
	keep_result(a, &error, response, detail);
	pthread_mutex_lock(&asks->mutex);
	struct asker *asker = a->asker;
	settle(a, error);
	stop_waiting(a);
	holds = a->holds;
	a->holds = NULL;
	if (asker) {
		*asker->ready_end = a;
		asker->ready_end = &a->next;
		asker->ready_bytes += a->result_len;
		too_much = asker->ready_bytes > ASKER_MAX_READY_BYTES;
		call = asker->call;
		call_ref(call);
	}
	pthread_mutex_unlock(&asks->mutex);
	if (!call)
		drop_undelivered(a);
	if (call && too_much)
		(void)grpc_call_cancel_with_status(call->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED,
						   "the client does not read the results", NULL);
	wake(call);
	wake(holds);
}
