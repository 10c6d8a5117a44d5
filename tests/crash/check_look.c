/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is looked at behind a recovery: what is left of the dead, what the objects hold, what somebody is answered, who is
 * woken, and what memory is in use.
 */
#include <stdlib.h>
#include <string.h>

#include "server/objects/recover_test_kit.h"
#include "tests/crash/asked.h"
#include "tests/crash/check_parts.h"
#include "tests/crash/front.h"
#include "tests/crash/kept.h"

/* ---------------------------------------------------------------- recovery */

/* One of the dead may hold what the recovery of the other needs: it is done again, as the server does it. */
bool check_recover(struct check *c, struct world *world, enum person by)
{
	struct lane *lane = &world->lane[by];
	int n = c->around.variant == HELD ? 1 : 3;
	for (int i = 0; i < n; i++) {
		enum sabir_error server = SABIR_OK, companion = SABIR_OK;
		if (by == HEIR)
			server = owner_recover(lane, world->lane[SERVER].owner);
		enum sabir_error victim = owner_recover(lane, world->lane[VICTIM].owner);
		if (c->around.variant == HELD_BY_DEAD)
			companion = owner_recover(lane, world->lane[COMPANION].owner);
		enum sabir_error sessions = front_recover_sessions(world, lane);
		if (!server && !victim && !companion && !sessions)
			return (c->around.variant != ASKED && !front_has_waiting()) || asked_leave_lines(world, by);
	}
	return false;
}

static bool is_free(const struct world *world, enum person who)
{
	const struct lane *lane = &world->lane[who];
	return (load64_relaxed(&world->seg.owners[lane->owner].word) & 15) == SEG_OWNER_FREE &&
	       (load64_relaxed(&world->seg.lanes[lane->id - 1].word) & 15) == SEG_LANE_FREE;
}

/* Whose owner is not there. */
static bool is_lost(const struct segment *seg, const struct seg_lane *lane)
{
	uint64_t word = load64_relaxed(&lane->word);
	uint32_t owner = (uint32_t)(word >> 32);
	return (word & 15) != SEG_LANE_FREE &&
	       (owner >= seg->n_owners || (load64_relaxed(&seg->owners[owner].word) & 15) != SEG_OWNER_LIVE);
}

static const char *left_behind(const struct check *c, bool server_died)
{
	const struct world *world = &c->there;
	if (!is_free(world, VICTIM) || (server_died && !is_free(world, SERVER)) ||
	    (c->around.variant == HELD_BY_DEAD && !is_free(world, COMPANION)))
		return "an owner or a lane of the dead is not free";
	for (uint32_t i = 0; i < world->seg.n_lanes; i++)
		if (is_lost(&world->seg, &world->seg.lanes[i]))
			return "a lane is nobody's";
	for (uint32_t i = 0; i < world->seg.n_objects; i++) {
		if (load64_relaxed(&world->seg.objects[i].lock))
			return "an object is locked";
		if (load64_relaxed(&world->seg.objects[i].damaged))
			return "an object is damaged";
	}
	return front_left_behind(world);
}

const char *check_recover_there(struct check *c, enum person by)
{
	front_drop(&c->there);
	c->there.next_server = true;
	bool done = check_recover(c, &c->there, by);
	around_let_go(&c->around, &c->there);
	if (!done && (c->around.variant == HELD || c->around.variant == EXHAUSTED))
		done = check_recover(c, &c->there, by);
	return done ? left_behind(c, by == HEIR) : "the recovery did not end";
}

/* ---------------------------------------------------------------- looks */

enum sabir_error check_tell_answer(const struct act *act, struct world *world, enum person who, struct text *text)
{
	char *answer = NULL;
	size_t len;
	FILE *to = open_memstream(&answer, &len);
	enum sabir_error error = act_run(act, world, who, to);
	fclose(to);
	to = open_memstream(&text->at, &text->len);
	fprintf(to, "%s %s", error_name(error), answer);
	fclose(to);
	free(answer);
	/* Fields that differ from run to run though nothing else does: times, and the handle of what is made. */
	look_drop(text->at, "create_time={", "}");
	look_drop(text->at, "ttl={", "}");
	look_drop(text->at, "handle=", " }");
	look_drop_sequences(text->at);
	if (!act->begun)
		look_drop_session(text->at);
	text->len = strlen(text->at);
	return error;
}

/*
 * Who waits behind the victim goes on, and what he comes to is part of what is found. NULL: all is well, also if he
 * sleeps on while there is nothing for him.
 */
static const char *go_on_with_next(struct check *c, struct end *end)
{
	const struct op_wait *wait = &c->next.wait;
	struct text text, all;
	if (!c->next.begun)
		return NULL;
	/* What has woken somebody so far has woken the victim, if he slept there too. */
	const struct op_wait *his = &c->act.wait;
	bool beside = c->act.begun && !check_is_asked(c) && his->object == wait->object && his->side == wait->side;
	bool woken = load32_relaxed(&c->there.seg.objects[wait->object].event[wait->side].seq) !=
		     (beside ? c->seq[wait->object][wait->side] : c->next.key);
	(void)check_tell_answer(&c->next, &c->there, BYSTANDER, &text);
	FILE *to = open_memstream(&all.at, &all.len);
	fprintf(to, "%snext %s\n", end->state.at, text.at);
	fclose(to);
	free(text.at);
	free(end->state.at);
	end->state = all;
	return woken || act_waits_on(&c->next) ? NULL : "who waits behind is not woken";
}

static void look_around(struct check *c, struct end *end)
{
	if (c->watched)
		look_at_changes(&c->there, c->act.o.handle, c->watched, &end->told);
	look_at_all(&c->there, &end->state);
}

void check_note_woken(const struct check *c, struct end *end)
{
	const struct segment *seg = &c->there.seg;
	for (uint32_t i = 1; i < seg->n_objects; i++) {
		for (uint32_t side = 0; side < N_SIDES; side++)
			end->woken[i][side] = load32_relaxed(&seg->objects[i].event[side].seq) != c->seq[i][side];
		end->rung[i] = load64_relaxed(&seg->ready[i / 64]) >> (i % 64) & 1;
	}
}

/* Deletes everything and counts what is left. */
static void count_left(struct world *world, enum person by, struct arena_stats *left)
{
	for (uint32_t i = 1; i < world->seg.n_objects; i++) {
		uint64_t handle = look_handle(&world->seg, i);
		if (handle)
			object_delete(&world->lane[by], handle);
	}
	for (int i = SURVIVOR; i < BYSTANDER; i++)
		if ((load64_relaxed(&world->lane[i].shared->word) & 15) == SEG_LANE_LIVE)
			kit_settle(&world->lane[i]);
	for (int i = SURVIVOR; i < BYSTANDER; i++)
		if ((load64_relaxed(&world->lane[i].shared->word) & 15) == SEG_LANE_LIVE)
			kit_settle(&world->lane[i]);
	arena_stats(&world->seg, left);
}

bool check_has_round(const struct check *c, const struct end *end, enum round round)
{
	return round == NEXT ? c->next.begun : round == COLLECTED ? end->keeps : true;
}

const char *check_look(struct check *c, enum round round, enum person by, struct end *end)
{
	const char *what = NULL;
	struct text known = { 0 };
	if (check_is_asked(c) && (round == AT_ONCE || round == COLLECTED))
		asked_look(&c->act, &c->there, round == AT_ONCE ? &end->known : &known);
	free(known.at);
	if (round == AT_ONCE) {
		end->keeps = kept_any(&c->there);
		look_around(c, end);
		count_left(&c->there, by, &end->left);
	} else if (round == AGAIN) {
		(void)check_tell_answer(&c->act, &c->there, SURVIVOR, &end->again);
	} else if (round == NEXT) {
		what = go_on_with_next(c, end);
	} else {
		what = kept_look(&c->there, &end->kept);
		count_left(&c->there, by, &end->left_of_kept);
	}
	return what;
}
