/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a session.
 *
 *   record LIVE ──► it ENDS ──► its items go back, answer by answer ──► no record ──► owner_recover: no owner
 *                    │    ▲                │
 *                    │    └── later ◄──────┤ somebody is in the way
 *                    └──► all but the answers is let go of
 *
 * A server may die anywhere on the way: the next one finds what is left of the record, or of the owner, and goes on. Each item that
 * goes back is counted beside the record, in the transaction that puts it into its queue; an answer is dropped when all of its own
 * are back. So each goes back once, whoever does it.
 */
#include "server/ops/session_end.h"

#include "server/base/fault.h"
#include "server/objects/answers.h"
#include "server/ops/answer_body.h"
#include "server/ops/session_record.h"

/* The object is gone, and what was in it would be too. */
static bool is_gone(enum sabir_error error)
{
	return error == SABIR_DELETED || error == SABIR_NOT_FOUND || error == SABIR_CLOSED;
}

struct ending {
	struct lane *lane;
	uint64_t owner;
	uint32_t *n_lost;
};

/* As nobody's: who got the items is not there any more. */
static enum sabir_error undo(const struct ending *e, struct answer_body *body, uint32_t *n_back)
{
	struct lane *lane = e->lane;
	struct actor own = lane->actor;
	lane->actor = (struct actor){ 0 };
	lane->returned = n_back;
	body->receipt.n_back = load32_relaxed(n_back);
	enum sabir_error error = op_undo(body->op, lane, &body->receipt, body->result);
	lane->returned = NULL;
	lane->actor = own;
	FAULT("session_end.returned");
	return error;
}

/* Errors: those for later; others of the dropping: the answers are damaged, and so none of them is touched any more. */
static enum sabir_error give_back(const struct ending *e, const struct kept_answer *a)
{
	struct answer_body body;
	uint32_t *n_back;
	if (a->error || a->recovered)
		return SABIR_OK;
	bool whole = answer_body_decode(a->body, &body);
	if (whole && !body.receipt.items)
		return SABIR_OK;
	if (!(n_back = answer_returning(e->lane->seg, e->owner, a->id)))
		return SABIR_SESSION_ENDED;
	enum sabir_error error = whole && body.op ? undo(e, &body, n_back) : SABIR_DATA_LOSS;
	if (error_is_for_later(error))
		return error;
	*e->n_lost += error && !is_gone(error);
	return answer_drop(e->lane, e->owner, a->id);
}

static enum sabir_error give_all_back(const struct ending *e)
{
	struct bytes page = { 0 };
	struct kept_answer a;
	struct answers_walk walk = { 0 };
	uint32_t n_damaged = 0;
	enum sabir_error error;
	while ((error = answers_next(e->lane, e->owner, &walk, &page, &a)) == SABIR_OK ||
	       error == SABIR_INVALID_VALUE) {
		n_damaged += error == SABIR_INVALID_VALUE;
		error = error ? SABIR_OK : give_back(e, &a);
		if (error)
			break;
	}
	bytes_fini(&page);
	if (error_is_for_later(error))
		return error;
	*e->n_lost += n_damaged + (error != SABIR_EMPTY);
	return SABIR_OK;
}

/* Up to the record's end, if there is one. False: not yet, and the owner must stay as well. */
static bool end_record(struct lane *lane, struct session_end *end, bool any_given)
{
	struct segment *seg = lane->seg;
	struct session_record record;
	end->error = SABIR_OK;
	if (!session_record_read(seg, end->owner, &record))
		return true;
	const struct ending e = { lane, record.owner, &end->n_lost };
	session_record_end(seg, end->owner);
	/* The recovery of a dead server goes first. */
	if (any_given && answers_are_given(seg, lane->owner, record.owner)) {
		end->error = SABIR_BUSY;
		return false;
	}
	end->error = answers_hold_items(seg, record.owner) ? give_all_back(&e) : SABIR_OK;
	if (!end->error)
		session_record_remove(seg, end->owner);
	return true;
}

void sessions_recover(struct lane *lane, struct session_end *ends, uint32_t n)
{
	struct session_end *its[OWNERS_AT_ONCE];
	uint32_t owners[OWNERS_AT_ONCE], n_owners = 0;
	enum sabir_error errors[OWNERS_AT_ONCE];
	/* Dead servers don't begin to. */
	bool any_given = answers_are_given(lane->seg, lane->owner, 0);
	for (uint32_t i = 0; i < n; i++) {
		if (!end_record(lane, &ends[i], any_given))
			continue;
		its[n_owners] = &ends[i];
		owners[n_owners++] = ends[i].owner;
	}
	owners_recover(lane, owners, errors, n_owners);
	for (uint32_t i = 0; i < n_owners; i++)
		its[i]->error = its[i]->error ? its[i]->error : errors[i];
}

enum sabir_error session_recover(struct lane *lane, uint32_t owner, uint32_t *n_lost)
{
	struct session_end end = { .owner = owner, .n_lost = *n_lost };
	sessions_recover(lane, &end, 1);
	*n_lost = end.n_lost;
	return end.error;
}
