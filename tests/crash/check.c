/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scenario: its state, its two ends, and the comparison of what a death left behind with them.
 *
 * Every look is made in a copy (`there`), which is restored from an image first, so a look may take out what it looks
 * at.
 */
#include "tests/crash/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/objects/recover_test_kit.h"
#include "tests/crash/act.h"
#include "tests/crash/around.h"
#include "tests/crash/asked.h"
#include "tests/crash/front.h"
#include "tests/crash/kept.h"
#include "tests/crash/look.h"

#define N_SIDES SEG_N_EVENTS

/* Everything by which two ends are told apart, or an end from something in between. */
struct end {
	struct text state; /* what the objects hold */
	struct text again; /* what the survivor is answered when he does the same */
	struct text told;  /* what who watches the object o is told */
	struct text known; /* of a request with an id: what the next server knows of it */
	struct text kept;  /* what the collector leaves */
	struct arena_stats left, left_of_kept;
	bool keeps;              /* there is something for it to decide about */
	bool woken[64][N_SIDES]; /* local waiters; the server's are told by `rung` */
	bool rung[64];
};

struct check {
	const struct scenario *scenario;
	struct world here, there;
	struct image *begin;
	struct image *asleep; /* where the act goes on that the victim dies in: the beginning, or where he has slept */
	struct end before, after;
	uint32_t seq[64][N_SIDES]; /* of the events, at the beginning */
	bool counts[64];         /* an object that was there then, or is at the end: who comes and goes wakes nobody */
	int stage;               /* at an earlier moment already */
	uint64_t watched;        /* the last sequence of who watches o; 0: nobody does */
	enum sabir_error answer; /* of the operation, without a death */
	struct around around;
	struct act act, next; /* next: of who waits behind the victim */
	struct text answered; /* what the act comes to */
	unsigned unknown[2];
};

/*
 * The copy becomes what the image holds. It is used by this thread alone, which is always in order with itself: the
 * kernel's barrier on all processors, by which epochs are kept (epoch.c), is left out there, for time.
 */
static void go_back(struct check *c, const struct image *to)
{
	front_drop(&c->there);
	c->there.next_server = false;
	image_restore(to, &c->there);
	store32_relaxed(&c->there.seg.header->light_pins, 0);
}

static bool same(const struct text *a, const struct text *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->at, b->at, a->len));
}

static enum sabir_error tell_answer(const struct act *act, struct world *world, enum person who, struct text *text)
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

static bool is_asked(const struct check *c)
{
	return c->around.variant == ASKED || c->act.asked;
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
	bool beside = c->act.begun && !is_asked(c) && his->object == wait->object && his->side == wait->side;
	bool woken = load32_relaxed(&c->there.seg.objects[wait->object].event[wait->side].seq) !=
		     (beside ? c->seq[wait->object][wait->side] : c->next.key);
	(void)tell_answer(&c->next, &c->there, BYSTANDER, &text);
	FILE *to = open_memstream(&all.at, &all.len);
	fprintf(to, "%snext %s\n", end->state.at, text.at);
	fclose(to);
	free(text.at);
	free(end->state.at);
	end->state = all;
	return woken || act_waits_on(&c->next) ? NULL : "who waits behind is not woken";
}

/* The victim's. */
static enum sabir_error do_it(struct check *c, struct world *world)
{
	if (c->act.asked)
		return asked_by_its_session(&c->act, world);
	return c->around.variant == ASKED ? asked_act(&c->act, world) : act_run(&c->act, world, VICTIM, NULL);
}

/* The same, whose answer is wanted too, where it is the victim who gets it. */
static void do_it_for_answer(struct check *c)
{
	free(c->answered.at);
	c->answered = (struct text){ 0 };
	if (is_asked(c))
		c->answer = do_it(c, &c->there);
	else
		c->answer = tell_answer(&c->act, &c->there, VICTIM, &c->answered);
}

static void look_around(struct check *c, struct end *end)
{
	if (c->watched)
		look_at_changes(&c->there, c->act.o.handle, c->watched, &end->told);
	look_at_all(&c->there, &end->state);
}

static void note_woken(const struct check *c, struct end *end)
{
	const struct segment *seg = &c->there.seg;
	for (uint32_t i = 1; i < seg->n_objects; i++) {
		for (uint32_t side = 0; side < N_SIDES; side++)
			end->woken[i][side] = load32_relaxed(&seg->objects[i].event[side].seq) != c->seq[i][side];
		end->rung[i] = load64_relaxed(&seg->ready[i / 64]) >> (i % 64) & 1;
	}
}

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

/* The recovery in the copy, and what was in its way is not there any more. NULL: all is well. */
static const char *recover(struct check *c, enum person by)
{
	front_drop(&c->there);
	c->there.next_server = true;
	bool done = check_recover(c, &c->there, by);
	around_let_go(&c->around, &c->there);
	if (!done && (c->around.variant == HELD || c->around.variant == EXHAUSTED))
		done = check_recover(c, &c->there, by);
	return done ? left_behind(c, by == HEIR) : "the recovery did not end";
}

/* ---------------------------------------------------------------- the two ends */

static void count_objects(struct check *c, const struct world *world)
{
	for (uint32_t i = 0; i < world->seg.n_objects; i++)
		c->counts[i] |= object_state(load64_relaxed(&world->seg.objects[i].word)) == SEG_OBJECT_LIVE;
}

/* What is done behind a recovery takes out what is there: so each look is made in a copy of its own. */
enum round {
	AT_ONCE,
	AGAIN,     /* the survivor does the same */
	NEXT,      /* who waits behind goes on */
	COLLECTED, /* what nobody holds and nothing refers to is gone */
	N_ROUNDS
};

static bool has_round(const struct check *c, const struct end *end, enum round round)
{
	return round == NEXT ? c->next.begun : round == COLLECTED ? end->keeps : true;
}

/* Behind the recovery. NULL: nothing is wrong by itself. */
static const char *look_in(struct check *c, enum round round, enum person by, struct end *end)
{
	const char *what = NULL;
	struct text known = { 0 };
	if (is_asked(c) && (round == AT_ONCE || round == COLLECTED))
		asked_look(&c->act, &c->there, round == AT_ONCE ? &end->known : &known);
	free(known.at);
	if (round == AT_ONCE) {
		end->keeps = kept_any(&c->there);
		look_around(c, end);
		count_left(&c->there, by, &end->left);
	} else if (round == AGAIN) {
		(void)tell_answer(&c->act, &c->there, SURVIVOR, &end->again);
	} else if (round == NEXT) {
		what = go_on_with_next(c, end);
	} else {
		what = kept_look(&c->there, &end->kept);
		count_left(&c->there, by, &end->left_of_kept);
	}
	return what;
}

static const char *know_end(struct check *c, bool happened, struct end *end)
{
	const char *what = NULL;
	for (enum round round = AT_ONCE; !what && round < N_ROUNDS; round++) {
		if (!has_round(c, end, round))
			continue;
		go_back(c, happened ? c->begin : c->asleep);
		if (happened)
			do_it_for_answer(c);
		if (round == AT_ONCE)
			note_woken(c, end);
		what = recover(c, SERVER);
		if (!what && round == AT_ONCE)
			count_objects(c, &c->there);
		if (!what)
			what = look_in(c, round, SERVER, end);
	}
	return what;
}

/*
 * A slab that the operation would make is there already: its making is some hundred states that have nothing to do
 * with the operation, and has scenarios of its own.
 */
static void warm(struct check *c)
{
	struct segment *seg = &c->there.seg;
	struct lane *lane = &c->here.lane[BYSTANDER];
	go_back(c, c->begin);
	do_it(c, &c->there);
	for (uint32_t i = 0; i < seg->n_chunks; i++) {
		struct seg_block *block;
		if (chunk_state(seg->chunks[i].word) != SEG_CHUNK_SLAB ||
		    chunk_state(c->here.seg.chunks[i].word) == SEG_CHUNK_SLAB)
			continue;
		uint64_t size = block_size(seg, segment_ref(seg, chunk_base(seg, i) + SEG_SLAB_HEADER));
		if (!block_alloc(lane, size, 0, &block))
			block_free(lane, block);
	}
}

static bool set_up(struct check *c, FILE *out)
{
	static const char other[] = "ManagerService/Create name='z' event={}\n";
	struct prepared prepared = { .act_line = c->scenario->act, .act = &c->act, .next = &c->next };
	front_forget_waiting();
	/* Nobody goes on while they wait for him. */
	c->here.lane[SERVER].lock_patience_ns = c->here.lane[HEIR].lock_patience_ns = 20000;
	if (c->around.variant == ASKED)
		asked_prepare(&c->here);
	/* The first name makes the directory's table, which is some hundred states; it has a scenario of its own. */
	if (!strstr(c->scenario->name, "first name") && !act_set_up(other, &c->here, &prepared, out))
		return false;
	if (!act_set_up(c->scenario->setup, &c->here, &prepared, out))
		return false;
	if (!act_read(c->scenario->act, &prepared, &c->act)) {
		fprintf(out, "    no such operation: %.80s\n", c->scenario->act);
		return false;
	}
	if (c->act.undoes && !act_take(&c->act, &c->here, out))
		return false;
	if (c->act.asked)
		asked_by_server(&c->here);
	c->act.o = typed_target(&c->here, prepared.made);
	c->act.meanwhile = c->scenario->meanwhile;
	/* The victim's server has them as it has found them. */
	front_drop(&c->here);
	if (act_needs_front(&c->act))
		(void)front_of(&c->here);
	c->watched = prepared.sequence;
	return true;
}

static bool has(const struct text *text, const char *part)
{
	return !part || strstr(text->at, part);
}

/* What the scenario says of itself; where others are in the way it may be otherwise. */
static const char *compare_expected(const struct check *c)
{
	const struct scenario *s = c->scenario;
	if (c->around.variant != ALONE && c->around.variant != AWAITED)
		return NULL;
	if (s->answer && strncmp(c->answered.at, s->answer, strlen(s->answer)) != 0)
		return "it comes to something else";
	return has(&c->before.state, s->before) && has(&c->after.state, s->after) ? NULL : "it ends otherwise";
}

/* By a process of its own, which ends there. */
static bool fall_asleep(struct check *c)
{
	int status = 1;
	if (!c->act.meanwhile)
		return true;
	go_back(c, c->begin);
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		c->act.stops = true;
		do_it(c, &c->there);
		_exit(1);
	}
	bool slept = pid > 0 && waitpid(pid, &status, 0) == pid && !status;
	c->asleep = image_new(&c->there);
	return slept;
}

static const char *know_ends(struct check *c)
{
	c->asleep = c->begin;
	if (!fall_asleep(c))
		return "the victim does not sleep";
	go_back(c, c->asleep);
	for (uint32_t i = 0; i < c->there.seg.n_objects; i++)
		for (uint32_t side = 0; side < N_SIDES; side++)
			c->seq[i][side] = load32_relaxed(&c->there.seg.objects[i].event[side].seq);
	count_objects(c, &c->there);
	const char *what = know_end(c, false, &c->before);
	if (!what)
		what = know_end(c, true, &c->after);
	/* What is made of several steps may be refused behind one of them. */
	bool refused = !c->scenario->steps && (c->answer == SABIR_BUSY || c->answer == SABIR_RESOURCE_EXHAUSTED);
	if (!what && refused && strcmp(c->before.state.at, c->after.state.at) != 0)
		what = "it was refused, and has changed something";
	if (!what && c->watched && !same(&c->before.state, &c->after.state) && same(&c->before.told, &c->after.told))
		what = "who watches is not told";
	return what ? what : compare_expected(c);
}

struct check *check_new(const struct scenario *scenario, enum variant variant, unsigned spare, FILE *out)
{
	struct check *c = calloc(1, sizeof(*c));
	const char *what;
	if (!c || !world_make(&c->here) || !world_make(&c->there))
		abort();
	c->scenario = scenario;
	c->around.variant = variant;
	bool fine = set_up(c, out);
	c->begin = image_new(&c->here);
	if (fine && !strstr(scenario->name, "new slab"))
		warm(c);
	if (fine)
		around_prepare(&c->around, &c->here, c->act.o.handle, spare);
	image_update(c->begin, &c->here);
	if (fine && (what = know_ends(c)) != NULL) {
		fprintf(out, "    without a death in between: %s: %s\n    before:\n%s    after:\n%s",
			c->answered.at ? c->answered.at : error_name(c->answer), what,
			c->before.state.at ? c->before.state.at : "", c->after.state.at ? c->after.state.at : "");
		fine = false;
	}
	if (fine)
		return c;
	check_free(c);
	return NULL;
}

static void end_fini(struct end *end)
{
	free(end->state.at);
	free(end->again.at);
	free(end->told.at);
	free(end->known.at);
	free(end->kept.at);
}

void check_free(struct check *c)
{
	end_fini(&c->before);
	end_fini(&c->after);
	act_fini(&c->act);
	act_fini(&c->next);
	free(c->answered.at);
	if (c->asleep && c->asleep != c->begin)
		image_free(c->asleep);
	if (c->begin)
		image_free(c->begin);
	around_fini(&c->around);
	front_drop(&c->here);
	front_drop(&c->there);
	world_end(&c->here);
	world_end(&c->there);
	free(c);
}

struct world *check_world(struct check *c)
{
	return &c->here;
}

const struct image *check_begin(const struct check *c)
{
	return c->begin;
}

void check_act(void *context)
{
	struct check *c = context;
	c->answer = do_it(c, &c->here);
}

/* ---------------------------------------------------------------- a moment */

static bool is_end(const struct end *found, const struct end *end)
{
	return same(&found->state, &end->state) && same(&found->again, &end->again) && same(&found->kept, &end->kept);
}

bool check_changes(const struct check *c)
{
	return !is_end(&c->before, &c->after);
}

static bool same_count(const struct arena_stats *a, const struct arena_stats *b)
{
	return a->used_bytes == b->used_bytes && a->n_blocks == b->n_blocks;
}

static bool is_left(const struct check *c, const struct arena_stats *found)
{
	return same_count(found, &c->before.left) || same_count(found, &c->after.left);
}

/* Everybody whom the operation wakes has been woken: by it, or by the recovery. */
static bool all_woken(const struct check *c, const struct end *found)
{
	const struct end *expected = &c->after;
	for (uint32_t i = 0; i < 64; i++) {
		if (!c->counts[i])
			continue;
		if (expected->rung[i] && !found->rung[i])
			return false;
		for (uint32_t side = 0; side < N_SIDES; side++)
			if (expected->woken[i][side] && !found->woken[i][side])
				return false;
	}
	return true;
}

/* How far the operation had got: 0 before, then the scenario's steps in between, then after. -1: in none of them. */
static int stage_of(const struct check *c, const struct end *found)
{
	const char *step = c->scenario->steps;
	int stage = 1;
	if (is_end(found, &c->before))
		return 0;
	for (; step && *step; step += strlen(step) + 1, stage++)
		if (!strcmp(found->state.at, step) && same(&found->again, &c->before.again))
			return stage;
	return is_end(found, &c->after) ? stage : -1;
}

static int last_stage(const struct check *c)
{
	const char *step = c->scenario->steps;
	int n = 1;
	for (; step && *step; step += strlen(step) + 1)
		n++;
	return n;
}

/*
 * Who watches is told of what has happened, and of nothing else. A death may instead leave a gap: he learns that changes were
 * lost, and reads the object anew.
 */
static const char *compare_told(const struct check *c, const struct end *found, bool happened)
{
	const struct end *end = happened ? &c->after : &c->before;
	if (!c->watched || strstr(found->told.at, "lost=") || same(&found->told, &end->told))
		return NULL;
	return happened ? "who watches was not told" : "who watches was told of what has not happened";
}

/* Already in between, if it is a request: what else is made of several steps is about several objects. */
static bool has_woken(const struct check *c, int stage, int last)
{
	return stage == last || (stage > 0 && !typed_is(c->act.method));
}

static const char *compare(struct check *c, const struct end *found)
{
	int stage = stage_of(c, found), last = last_stage(c);
	/* What changes nothing has two ends that are the same. */
	if (stage == 0 && !check_changes(c) && c->stage)
		stage = last;
	if (stage < 0)
		return "it happened in part";
	if (stage < c->stage)
		return "it had happened, and has not any more";
	c->stage = stage;
	if (has_woken(c, stage, last) && !all_woken(c, found))
		return "somebody who waited was not woken";
	if ((stage == 0 || stage == last) && compare_told(c, found, stage == last))
		return compare_told(c, found, stage == last);
	const char *what = NULL;
	if (is_asked(c))
		what = asked_compare(&found->known, &c->after.known, stage == last,
				     check_changes(c) && !error_would_wait(c->answer), c->unknown);
	if (what)
		return what;
	if (!is_left(c, &found->left) || (found->keeps && !is_left(c, &found->left_of_kept)))
		return "memory is lost";
	return NULL;
}

static const char *kept_text(const struct end *end)
{
	return end->kept.at ? end->kept.at : "?\n";
}

static void tell(const struct check *c, const char *what, const struct end *found, FILE *out)
{
	fprintf(out, "    %s\n", what);
	fprintf(out, "    before:\n%s    after:\n%s    found:\n%s", c->before.state.at, c->after.state.at,
		found->state.at ? found->state.at : "?\n");
	if (c->watched)
		fprintf(out, "    told: before: %safter: %sfound: %s", c->before.told.at, c->after.told.at,
			found->told.at ? found->told.at : "?\n");
	if (is_asked(c))
		fprintf(out, "    known: after: %s; found: %s\n", c->after.known.at,
			found->known.at ? found->known.at : "?");
	if (c->before.keeps || c->after.keeps || found->keeps)
		fprintf(out, "    collected: before:\n%s    after:\n%s    found:\n%s", kept_text(&c->before),
			kept_text(&c->after), kept_text(found));
	fprintf(out, "    again: before: %s; after: %s; found: %s\n", c->before.again.at, c->after.again.at,
		found->again.at ? found->again.at : "?");
	fprintf(out,
		"    left: before: %" PRIu64 " bytes in %" PRIu64 " blocks, after: %" PRIu64 " in %" PRIu64
		", found: %" PRIu64 " in %" PRIu64 "\n",
		c->before.left.used_bytes, c->before.left.n_blocks, c->after.left.used_bytes, c->after.left.n_blocks,
		found->left.used_bytes, found->left.n_blocks);
}

const unsigned *check_unknown(const struct check *c)
{
	return c->unknown;
}

bool check_applies(const struct scenario *scenario, enum variant variant)
{
	const char *act = scenario->act;
	bool has_manner = !strncmp(act, "undo:", 5) || !strncmp(act, "asked:", 6) || !strncmp(act, "left:", 5);
	if (scenario->meanwhile && variant != ALONE && variant != AWAITED)
		return false;
	return variant != ASKED || (!has_manner && strchr(act, '/'));
}

bool check_sleeps(const struct check *c)
{
	return c->act.meanwhile != NULL;
}

int check_stage(const struct check *c)
{
	return c->stage;
}

void check_forget(struct check *c)
{
	c->stage = 0;
}

bool check_moment(struct check *c, const struct image *moment, bool server_died, FILE *out)
{
	struct end found = { 0 };
	enum person by = server_died ? HEIR : SERVER;
	const char *what = NULL;
	for (enum round round = AT_ONCE; !what && round < N_ROUNDS; round++) {
		if (!has_round(c, &found, round))
			continue;
		go_back(c, moment);
		/* As long as somebody is in an operation no entry is given to another object, and its events tell. */
		if (round == AT_ONCE)
			lane_begin(&c->there.lane[BYSTANDER], SEG_OP_READ, 0);
		what = recover(c, by);
		if (!what && round == AT_ONCE) {
			note_woken(c, &found);
			lane_end(&c->there.lane[BYSTANDER]);
		}
		if (!what)
			what = look_in(c, round, by, &found);
	}
	what = what ? what : compare(c, &found);
	if (what)
		tell(c, what, &found, out);
	end_fini(&found);
	return !what;
}
