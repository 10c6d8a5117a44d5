/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that sessions have asked for.
 *
 *   WAITING   run by who began it, or parked; it has the waiters that have not left
 *   ENDED     it has a result, which was given to who waited; one with an id is kept until that is acknowledged
 *
 * References: one of each waiter, also as an answer; one of what is kept; one of its time in the park; one of who begins it
 * until he ends it.
 */
#include "server/rpc/asked.h"

#include <stdlib.h>
#include <string.h>

#include "server/objects/answers.h"
#include "server/rpc/asks_store.h"
#include "server/rpc/call.h"
#include "server/rpc/undo.h"
#include "server/rpc/waiter.h"

#define ASKED_OF(p) ((struct asked *)(p)) /* `pending` is the first member */

void asked_ref(struct asked *a)
{
	(void)fetch_add32(&a->refs, 1);
}

void asked_unref(struct asked *a)
{
	if (fetch_add32(&a->refs, (uint32_t)-1) != 1)
		return;
	op_receipt_fini(&a->receipt);
	free(a->result);
	free(a);
}

/* ---------------------------------------------------------------- beginning */

static void parked_done(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct asked *a = ASKED_OF(p);
	a->receipt = p->receipt;
	asked_ref(a);
	asked_end(a, error, response, detail);
}

static void parked_release(struct pending *p)
{
	asked_unref(ASKED_OF(p));
}

static const struct pending_kind parked_kind = { .done = parked_done, .release = parked_release };

/* What asked_begin does with the mutex held, and what is done before and behind that. */
struct beginning {
	struct asks *asks;
	struct asker *asker;
	const struct ask_request *request;
	struct print print; /* taken without the mutex: requests may be long */
	const char **detail;
	struct tell tell;
};

struct asked *asked_new(struct asks *asks)
{
	struct asked *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	pending_init(&a->pending, asks->rpc, &parked_kind);
	a->asks = asks;
	a->refs = 1;
	return a;
}

static struct asked *make(struct asks *asks, const struct ask_request *r)
{
	struct asked *a = asked_new(asks);
	if (!a)
		return NULL;
	a->op = r->op;
	a->thread = r->thread;
	a->undoable = !r->id;
	return a;
}

static enum sabir_error ask_again(struct beginning *b, struct asked *known)
{
	if (!known->unprinted && !print_is(known->print, b->print)) {
		*b->detail = "the method, the thread or the request is another";
		return SABIR_REQUEST_REUSED;
	}
	struct waiter *w = malloc(sizeof(*w));
	if (!w)
		return SABIR_NO_MEMORY;
	if (known->n_waiters == ASKED_MAX_WAITERS) {
		known->waiters->error = SABIR_TOO_MANY_REQUESTS;
		known->waiters->detail = "the request was sent again too often while it waited";
		waiter_give(known->waiters, &b->tell);
	}
	waiter_add(known, w, b->asker, b->request->tag);
	if (known->state == ASKED_ENDED) {
		waiter_remove(w);
		asker_give(w);
	}
	return SABIR_CHANGED;
}

static enum sabir_error admit(const struct beginning *b)
{
	struct asker *asker = b->asker;
	if (!keyed_reserve(&asker->tags))
		return SABIR_NO_MEMORY;
	if (keyed_find(&asker->tags, b->request->tag)) {
		*b->detail = "a request of this tag waits already";
		return SABIR_INVALID_ARGUMENT;
	}
	if (asker->gone)
		return SABIR_UNAVAILABLE;
	if (asker->tags.n >= ASKER_MAX_WAITING) {
		*b->detail = "too many calls of the stream wait";
		return SABIR_TOO_MANY_REQUESTS;
	}
	return SABIR_OK;
}

static enum sabir_error find_known(const struct beginning *b, struct asked **known)
{
	uint64_t id = b->request->id;
	*known = id ? asks_known(b->asks, id) : NULL;
	enum sabir_error error = id && !*known ? asks_catch_up(b->asks, id, b->detail) : SABIR_OK;
	if (id && !*known && !error)
		*known = asks_known(b->asks, id);
	return error;
}

static enum sabir_error begin(struct beginning *b, struct asked **asked)
{
	const struct ask_request *r = b->request;
	struct asked *known;
	enum sabir_error error = admit(b);
	if (!error)
		error = find_known(b, &known);
	if (!error && known)
		return ask_again(b, known);
	if (!error && r->id)
		error = asks_admit(b->asks, r->id, b->detail);
	if (error)
		return error;
	struct asked *a = make(b->asks, r);
	if (!a)
		return SABIR_NO_MEMORY;
	a->print = b->print;
	if (r->id)
		asks_keep(b->asks, a, r->id);
	waiter_add(a, &a->first, b->asker, r->tag);
	*asked = a;
	return SABIR_OK;
}

enum sabir_error asked_begin(struct asks *asks, struct asker *asker, const struct ask_request *r, struct asked **asked,
			     const char **detail)
{
	struct beginning b = { .asks = asks, .asker = asker, .request = r, .detail = detail };
	if (r->id)
		b.print = print_of(op_path(r->op), r->thread, r->message);
	pthread_mutex_lock(&asks->mutex);
	enum sabir_error error = begin(&b, asked);
	pthread_mutex_unlock(&asks->mutex);
	waiters_tell(&b.tell);
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
	asked_ref(a);
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
		asked_unref(a);
	return ended;
}

void asked_cancel(struct asks *asks, struct asker *asker, uint64_t tag)
{
	struct tell tell = { .n = 0 };
	struct asked *alone = NULL;
	pthread_mutex_lock(&asks->mutex);
	struct waiter *w = (struct waiter *)keyed_find(&asker->tags, tag); /* `by_tag` is the first member */
	if (w && w->asked->n_waiters == 1) {
		alone = w->asked;
		pending_hold(&alone->pending);
		asked_ref(alone);
	} else if (w) {
		w->error = SABIR_CANCELLED;
		w->detail = "";
		waiter_give(w, &tell);
	}
	pthread_mutex_unlock(&asks->mutex);
	waiters_tell(&tell);
	if (!alone)
		return;
	pending_cancel(&alone->pending, SABIR_CANCELLED);
	asked_unref(alone);
}

/* ---------------------------------------------------------------- undoing */

static void undo_as(struct asked *a, struct lane *lane, struct actor actor, struct span response)
{
	const struct unreceived what = { a->op, actor, &a->receipt, response };
	undo_start(a->asks->rpc, lane, &what);
}

void asked_give_back(struct asked *a, struct lane *lane)
{
	if (!a->error && a->receipt.items)
		undo_as(a, lane, (struct actor){ 0 }, (struct span){ a->result, a->result_len });
}

static struct actor who_asked(const struct asked *a)
{
	return (struct actor){ .owner = a->asks->owner, .thread = a->thread };
}

void asked_undo_lost(struct asked *a)
{
	if (a->undoable && !a->error && op_can_undo(a->op))
		undo_as(a, NULL, who_asked(a), (struct span){ a->result, a->result_len });
}

/* ---------------------------------------------------------------- ending */

/* Whether the answer is one for ever: else nothing was done, and the request may be performed anew. */
static bool keep_result(struct asked *a, enum sabir_error *error, struct bytes *response, const char *detail)
{
	bool final = answer_is_final(*error);
	struct span from = *error ? (struct span){ (const uint8_t *)detail, strlen(detail) + 1 }
				  : (struct span){ response->data, response->len };
	a->result_len = from.len;
	a->result = *error ? NULL : bytes_take(response);
	if (a->result || !from.len)
		return final;
	a->result = malloc(from.len);
	if (a->result)
		memcpy(a->result, from.data, from.len);
	else
		a->result_len = 0;
	if (a->result || *error)
		return final;
	/* Who asked is told that there was no memory, so nothing may have happened; what can't be undone is not performed again. */
	*error = SABIR_NO_MEMORY;
	if (!op_can_undo(a->op))
		return final;
	op_finish(&a->receipt, true);
	undo_as(a, NULL, who_asked(a), from);
	return false;
}

/* Before anybody is told: what needs its answer to be kept is over then, and what nobody is to have is undone. */
static void store(struct asked *a, enum sabir_error error, bool final)
{
	pthread_mutex_lock(&a->asks->mutex);
	bool kept = a->kept, wanted = kept || a->waiters;
	pthread_mutex_unlock(&a->asks->mutex);
	if (kept && final && !op_reads(a->op))
		asks_store(a->asks, a, error);
	op_finish(&a->receipt, wanted);
}

/* With the mutex held. */
static void settle(struct asked *a, enum sabir_error error, bool final)
{
	/* It was taken out because nobody waited, and somebody has asked again just then: he may do so once more. */
	a->error = a->lost && error == SABIR_CANCELLED ? SABIR_UNAVAILABLE : error;
	if (a->kept && !final)
		asks_forget(a->asks, a);
	a->state = ASKED_ENDED;
	if (a->kept)
		asks_count_answer(a->asks, a);
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
	struct tell tell = { .n = 0 };
	bool final = keep_result(a, &error, response, detail);
	store(a, error, final);
	pthread_mutex_lock(&asks->mutex);
	struct call *holds = a->holds;
	a->holds = NULL;
	bool anybody = a->waiters;
	settle(a, error, final);
	while (a->waiters)
		waiter_give(a->waiters, &tell);
	pthread_mutex_unlock(&asks->mutex);
	if (!anybody)
		asked_undo_lost(a);
	asked_unref(a);
	waiters_tell(&tell);
	wake(holds);
}
