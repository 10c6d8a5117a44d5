/* SPDX-License-Identifier: Apache-2.0 */
/* A server that dies in front of the answer, while it is kept, or behind it. */
#include "tests/crash/asked.h"

#include <stdlib.h>
#include <string.h>

#include "server/objects/answers.h"
#include "server/objects/dict.h"
#include "server/objects/leftover.h"
#include "server/ops/answer_body.h"
#include "server/ops/session_record.h"
#include "tests/crash/front.h"

#define THE_ID 7u
#define ITS_ID UINT32_MAX /* above those that a setup asks with */
#define NOTHING "nothing"

/* Its owner is the one behind those of the people. */
static uint32_t session_index(const struct world *world)
{
	return world->lane[COMPANION].owner + 1;
}

static uint64_t session_of(const struct world *world)
{
	uint32_t index = session_index(world);
	return (load64_relaxed(&world->seg.owners[index].word) & 0xffffffff00000000ull) | (index + 1);
}

void asked_by_server(struct world *world)
{
	store32_relaxed(&world->seg.owners[world->lane[VICTIM].owner].flags, SEG_OWNER_SERVER);
}

void asked_prepare(struct world *world)
{
	struct session_record record = { .lease_ns = ASKED_LEASE_NS };
	struct kept_answer other = { .id = 1 };
	uint32_t index;
	if (owner_open(&world->seg, 0, "session", &index) || index != session_index(world))
		abort();
	session_record_write(&world->seg, index, &record);
	asked_by_server(world);
	/* The dict of the answers is there, in an entry that the scenario does not come to. */
	uint32_t *hint = &world->seg.header->object_hint, at = load32_relaxed(hint);
	store32_relaxed(hint, world->seg.n_objects - 2);
	if (answer_keep(&world->lane[VICTIM_TOO], session_of(world), &other))
		abort();
	store32_relaxed(hint, at);
	/* What it does before the act it does for the session too. */
	world->lane[VICTIM].actor = (struct actor){ .owner = session_of(world), .thread = 1 };
}

/* Who performs, who keeps the answer, and for which request of which session. */
struct asking {
	struct world *world;
	struct lane *performer, *keeper;
	uint64_t session, id;
};

static void keep(const struct asking *a, const struct op *op, enum sabir_error error, const struct op_receipt *receipt,
		 const struct bytes *response)
{
	const struct answer_body body = { op, *receipt, { response->data, error ? 0 : response->len } };
	struct span made = answer_body_encode(&body);
	const struct kept_answer answer = {
		.id = a->id,
		.error = error,
		.items = !error && receipt->items,
		.body = made,
		.items_len = !error && receipt->items ? body.result.len : 0,
	};
	if (!made.data || answer_keep(a->keeper, a->session, &answer))
		answer_lose(&a->world->seg, a->session, a->id);
	free((void *)made.data);
}

static enum sabir_error perform(const struct asking *a, const struct act *act)
{
	static char detail[OP_DETAIL_SIZE];
	const struct op *op = act_op(act);
	const struct span request = { act->request, act->len };
	const struct op_front *front = act_needs_front(act) ? front_of(a->world) : NULL;
	struct op_wait wait = { .undoable = op_can_undo(op) };
	struct actor own = a->performer->actor;
	struct bytes response = { 0 };
	a->performer->actor.owner = a->session;
	a->performer->actor.request = a->id;
	enum sabir_error error = act->begun ? act_step(act, a->performer, &response, &wait)
					    : op_run_front(op, a->performer, front, request, &response, &wait, detail);
	if (front)
		front_turn(a->world, a->keeper);
	a->performer->actor = own;
	if (!(error && wait.wanted) && answer_is_final(error) && !op_reads(op))
		keep(a, op, error, &wait.receipt, &response);
	op_finish(&wait.receipt, true);
	op_receipt_fini(&wait.receipt);
	bytes_fini(&response);
	return error;
}

void asked_in_its_name(struct lane *lane)
{
	if (lane->actor.owner && load32_relaxed(&lane->seg->owners[lane->owner].flags) & SEG_OWNER_SERVER)
		lane->actor.request = THE_ID;
}

enum sabir_error asked_act(const struct act *act, struct world *world)
{
	const struct asking a = { world, &world->lane[VICTIM], &world->lane[VICTIM_TOO], session_of(world), THE_ID };
	return perform(&a, act);
}

enum sabir_error asked_for_session(const struct act *act, struct world *world, uint64_t session)
{
	static uint64_t id;
	const struct asking a = { world, &world->lane[SURVIVOR], &world->lane[COMPANION], session, ++id };
	return perform(&a, act);
}

enum sabir_error asked_by_its_session(const struct act *act, struct world *world)
{
	struct sessions *all = front_sessions(world);
	struct asking a = { world, &world->lane[VICTIM], &world->lane[VICTIM_TOO], 0, ITS_ID };
	struct session *session;
	enum sabir_error error = session_use(all, (struct span){ (const uint8_t *)act->token, strlen(act->token) },
					     &session);
	if (error)
		return error;
	a.session = session_owner(session);
	error = perform(&a, act);
	session_release(all, session);
	sessions_expire(all, a.keeper, sessions_next(all));
	return error;
}

bool asked_leave_lines(struct world *world, enum person by)
{
	struct leftover left;
	if (leftover_find(&world->seg, &left))
		abort();
	bool done = leftover_end(&world->lane[by], &left);
	leftover_fini(&left);
	return done;
}

struct telling {
	const struct act *act;
	uint64_t id;
	FILE *to;
};

static enum sabir_error tell(void *context, const struct kept_answer *answer)
{
	struct telling *t = context;
	if (answer->id != t->id)
		return SABIR_OK;
	struct answer_body body = { .result = answer->body };
	if (!answer->recovered && !answer_body_decode(answer->body, &body))
		fputs("not a body ", t->to);
	fprintf(t->to, "%s ", error_name(answer->error));
	if (!answer->error)
		act_decode(t->act, body.result, t->to);
	return SABIR_OK;
}

/* 0: there is none any more. */
static uint64_t session_that_asks(const struct act *act, struct world *world)
{
	struct sessions *all = front_sessions(world);
	struct session *session;
	if (session_use(all, (struct span){ (const uint8_t *)act->token, strlen(act->token) }, &session))
		return 0;
	uint64_t owner = session_owner(session);
	session_release(all, session);
	return owner;
}

/* The dict of the answers goes, or where a setup's are in it too, the one. */
static void take_away(struct world *world, uint64_t session, uint64_t id)
{
	struct lane *lane = &world->lane[SURVIVOR];
	uint64_t dict = load64_relaxed(&world->seg.sessions[(uint32_t)session - 1].answers), n = 0;
	if (dict && (id == THE_ID || (!answer_drop(lane, session, id) && !dict_len(lane, dict, &n) && !n)))
		(void)object_delete(lane, dict);
}

void asked_look(const struct act *act, struct world *world, struct text *text)
{
	uint64_t session = act->asked ? session_that_asks(act, world) : session_of(world);
	uint64_t id = act->asked ? ITS_ID : THE_ID;
	struct answers_state state = { .lost_below = 0 };
	FILE *to = open_memstream(&text->at, &text->len);
	struct telling telling = { act, id, to };
	enum sabir_error error = session ? answers_load(&world->lane[SURVIVOR], session, &state, tell, &telling)
					 : SABIR_OK;
	fflush(to);
	if (!session)
		fputs("nobody asks", to);
	else if (error)
		fprintf(to, "the answers can't be read: %s", error_name(error));
	else if (!text->len)
		fputs(state.lost_below > id ? error_name(SABIR_OUTCOME_UNKNOWN) : NOTHING, to);
	fclose(to);
	if (session)
		take_away(world, session, id);
}

const char *asked_compare(const struct text *found, const struct text *answers, bool happened, bool changes,
			  unsigned unknown[2])
{
	if (!strncmp(found->at, error_name(SABIR_OUTCOME_UNKNOWN), strlen(error_name(SABIR_OUTCOME_UNKNOWN)))) {
		unknown[happened]++;
		return NULL;
	}
	bool nothing = !strcmp(found->at, NOTHING), answered = !strcmp(found->at, answers->at);
	if (!nothing && !answered)
		return "another answer is kept than was given";
	if (changes && nothing && happened)
		return "it has happened, and would be performed again";
	if (changes && !nothing && !happened)
		return "it has not happened, and is taken for done";
	return NULL;
}
