/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to and from the shared memory: the body of one is ops/answer_body.h's. */
#include "server/rpc/asks_store.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/objects/answers.h"
#include "server/ops/answer_body.h"
#include "server/rpc/asked.h"
#include "server/rpc/server.h"

#define PATIENCE (100 * CLOCK_MILLISECOND)

/* What an entry takes up in the dict beside its bytes, about. */
#define ENTRY 192u

/* Of all sessions, in the shared memory, which others need more: of that it is an eighth at most. It outlasts the front, as sessions do. */
static uint64_t all_stored_bytes;

_Static_assert(sizeof(struct print) == sizeof(((struct kept_answer *)0)->print), "a print fits into an answer");

/* A lane that sleeps a little for a lock, for nobody rings when it is free. NULL: there is none. */
static struct lane *take_lane(struct asks *asks)
{
	struct lane *lane = lanes_take(&asks->rpc->lanes);
	if (lane) {
		lane->lock_rings = false;
		lane->lock_patience_ns = PATIENCE;
	}
	return lane;
}

static void give_lane(struct asks *asks, struct lane *lane)
{
	if (lane) {
		lane->lock_rings = true;
		lane->lock_patience_ns = 0;
	}
	lanes_give(&asks->rpc->lanes, lane);
}

/* ---------------------------------------------------------------- storing */

/* From malloc; data NULL: no memory. */
static struct span encode(const struct asked *a)
{
	const struct answer_body body = { a->op, a->receipt, { a->result, a->result_len } };
	return answer_body_encode(&body);
}

/* Counts it, unless it is too much. */
static bool begin_to_count(const struct asks *asks, struct asked *a, size_t body_len)
{
	uint64_t len = body_len + ENTRY, most = asks->rpc->seg->size / 8;
	if (fetch_add64(&all_stored_bytes, len) + len <= most) {
		a->stored_len = len;
		return true;
	}
	count(&all_stored_bytes, -(int64_t)len);
	return false;
}

void asks_stored_ends(struct asked *a)
{
	count(&all_stored_bytes, -(int64_t)a->stored_len);
	a->stored_len = 0;
}

void asks_store(struct asks *asks, struct asked *a, enum sabir_error error)
{
	struct kept_answer answer = {
		.id = a->by_id.key,
		.error = error,
		.items = !error && a->receipt.items,
		.body = encode(a),
		.items_len = !error && a->receipt.items ? a->result_len : 0,
	};
	bool fits = answer.body.data && begin_to_count(asks, a, answer.body.len);
	struct lane *lane = fits ? take_lane(asks) : NULL;
	memcpy(answer.print, &a->print, sizeof(answer.print));
	a->stored = lane && answer_keep(lane, asks->owner, &answer) == SABIR_OK;
	if (!a->stored) {
		answer_lose(asks->rpc->seg, asks->owner, answer.id);
		asks_stored_ends(a);
	}
	give_lane(asks, lane);
	free((void *)answer.body.data);
}

void asks_unstore(struct asks *asks, struct asked *list)
{
	struct lane *lane = list ? take_lane(asks) : NULL;
	while (list) {
		struct asked *a = list;
		list = a->next_acknowledged;
		if (lane)
			(void)answer_drop(lane, asks->owner, a->by_id.key);
		asked_unref(a);
	}
	give_lane(asks, lane);
}

/* ---------------------------------------------------------------- loading */

static bool copy(uint8_t **to, size_t *to_len, const uint8_t *from, size_t len)
{
	*to = len ? malloc(len) : NULL;
	*to_len = len;
	if (*to)
		memcpy(*to, from, len);
	return *to || !len;
}

/* What is to go back goes by the session's end, which reads it there itself: of the receipt nothing is needed. */
static bool load_body(struct span encoded, struct asked *a)
{
	struct answer_body body;
	if (!answer_body_decode(encoded, &body))
		return false;
	a->op = body.op;
	return copy(&a->result, &a->result_len, body.result.data, body.result.len);
}

static enum sabir_error load_one(void *context, const struct kept_answer *answer)
{
	struct asks *asks = context;
	if (asks_known(asks, answer->id))
		return SABIR_OK;
	struct asked *a = keyed_reserve(&asks->ids) ? asked_new(asks) : NULL;
	if (!a)
		return SABIR_NO_MEMORY;
	a->state = ASKED_ENDED;
	a->error = answer->error;
	a->stored = true;
	a->stored_len = answer->body.len + ENTRY; /* whatever the limit is */
	count(&all_stored_bytes, (int64_t)a->stored_len);
	a->unprinted = answer->recovered;
	memcpy(&a->print, answer->print, sizeof(a->print));
	if (!(answer->recovered ? copy(&a->result, &a->result_len, answer->body.data, answer->body.len)
				: load_body(answer->body, a)))
		a->error = SABIR_DATA_LOSS;
	/* A detail is text with its 0; what comes from the shared memory may be anything. */
	if (a->error && a->result_len)
		a->result[a->result_len - 1] = '\0';
	asks_keep(asks, a, answer->id);
	asks_count_answer(asks, a);
	asked_unref(a);
	return SABIR_OK;
}

enum sabir_error asks_load(struct asks *asks)
{
	struct answers_state state;
	bool may_come;
	/* Before they are read: what comes meanwhile is read again then. */
	uint32_t n_to_come = answers_to_come(asks->rpc->seg, asks->rpc->lanes.owner, asks->owner, 0, &may_come);
	struct lane *lane = take_lane(asks);
	enum sabir_error error = lane ? answers_load(lane, asks->owner, &state, load_one, asks) : SABIR_NO_MEMORY;
	give_lane(asks, lane);
	if (error == SABIR_DATA_LOSS || error == SABIR_DELETED || error == SABIR_WRONG_KIND ||
	    error == SABIR_NOT_FOUND) {
		/* Somebody has damaged them: what became of any request is not known. */
		state.lost_below = UINT64_MAX;
		error = SABIR_OK;
	}
	if (!error) {
		asks->n_to_come = n_to_come;
		asks->lost_below = state.lost_below;
		asks->acked_below = state.acked_below;
	}
	return error;
}
