/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with ids, of a session that outlives whoever performs them; and its end. */
#include <stdlib.h>

#include "server/objects/answers.h"
#include "server/ops/answer_body.h"
#include "server/ops/session_end.h"
#include "server/ops/session_record.h"
#include "tests/fuzz/play.h"

#define LEASE_NS 60000000000ull

static uint32_t index_of_session;
static uint64_t session;

void asked_prepare(struct world *world)
{
	const struct session_record record = { .lease_ns = LEASE_NS };
	if (owner_open(&world->seg, 0, "session", &index_of_session))
		abort();
	session_record_write(&world->seg, index_of_session, &record);
	session = (load64_relaxed(&world->seg.owners[index_of_session].word) & 0xffffffff00000000ull) |
		  (index_of_session + 1);
}

void asked_dies_as_a_server(struct world *world)
{
	store32_relaxed(&world->seg.owners[world->lane[VICTIM].owner].flags, SEG_OWNER_SERVER);
}

static void keep(struct lane *keeper, uint64_t id, const struct op *op, enum sabir_error error,
		 const struct stage_answer *answer)
{
	const struct answer_body body = { op,
					  answer->wait->receipt,
					  { answer->response->data, error ? 0 : answer->response->len } };
	struct span made = answer_body_encode(&body);
	const struct kept_answer kept = {
		.id = id,
		.error = error,
		.items = !error && answer->wait->receipt.items,
		.body = made,
		.items_len = !error && answer->wait->receipt.items ? body.result.len : 0,
	};
	if (!made.data || answer_keep(keeper, session, &kept))
		answer_lose(keeper->seg, session, id);
	free((void *)made.data);
}

/* Of what waits there is no answer. */
static bool is_kept(const struct op *op, enum sabir_error error, const struct stage_answer *answer)
{
	return !(error && answer->wait->wanted) && answer_is_final(error) && !op_reads(op);
}

void asked_run(struct play *p, enum person who, const struct op *op, struct span request, bool wanted)
{
	struct lane *performer = &p->world->lane[who],
		    *keeper = &p->world->lane[who == VICTIM ? VICTIM_TOO : BYSTANDER];
	const struct actor own = performer->actor;
	struct stage_answer answer;
	performer->actor = (struct actor){ .owner = session, .thread = 1, .request = ++p->asked };
	enum sabir_error error = stage_run_front(who, who == VICTIM ? NULL : &p->front, op, request, &answer);
	performer->actor = own;
	if (wanted && is_kept(op, error, &answer))
		keep(keeper, p->asked, op, error, &answer);
	op_finish(&answer.wait->receipt, wanted);
	op_receipt_fini(&answer.wait->receipt);
}

void asked_end(struct play *p, struct lane *lane)
{
	uint32_t n_lost = 0;
	/* Then its owner may be another's. */
	if (!p->ended)
		p->ended = !session_recover(lane, index_of_session, &n_lost);
}
