/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scenario: its state, its two ends, and what a death left behind. How that is looked at is in check_look.c, how it is
 * compared with the ends in check_compare.c.
 *
 * Every look is made in a copy (`there`), which is restored from an image first, so a look may take out what it looks
 * at.
 */
#include "tests/crash/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/objects/object_word.h"
#include "tests/crash/asked.h"
#include "tests/crash/check_parts.h"
#include "tests/crash/front.h"

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

bool check_is_asked(const struct check *c)
{
	return c->around.variant == ASKED || c->act.asked;
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
	if (check_is_asked(c))
		c->answer = do_it(c, &c->there);
	else
		c->answer = check_tell_answer(&c->act, &c->there, VICTIM, &c->answered);
}

/* ---------------------------------------------------------------- the two ends */

static void count_objects(struct check *c, const struct world *world)
{
	for (uint32_t i = 0; i < world->seg.n_objects; i++)
		c->counts[i] |= object_state(load64_relaxed(&world->seg.objects[i].word)) == SEG_OBJECT_LIVE;
}

static const char *know_end(struct check *c, bool happened, struct end *end)
{
	const char *what = NULL;
	for (enum round round = AT_ONCE; !what && round < N_ROUNDS; round++) {
		if (!check_has_round(c, end, round))
			continue;
		go_back(c, happened ? c->begin : c->asleep);
		if (happened)
			do_it_for_answer(c);
		if (round == AT_ONCE)
			check_note_woken(c, end);
		what = check_recover_there(c, SERVER);
		if (!what && round == AT_ONCE)
			count_objects(c, &c->there);
		if (!what)
			what = check_look(c, round, SERVER, end);
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
	if (!what && c->watched && !check_same(&c->before.state, &c->after.state) &&
	    check_same(&c->before.told, &c->after.told))
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

/* ---------------------------------------------------------------- a moment */

bool check_moment(struct check *c, const struct image *moment, bool server_died, FILE *out)
{
	struct end found = { 0 };
	enum person by = server_died ? HEIR : SERVER;
	const char *what = NULL;
	for (enum round round = AT_ONCE; !what && round < N_ROUNDS; round++) {
		if (!check_has_round(c, &found, round))
			continue;
		go_back(c, moment);
		/* As long as somebody is in an operation no entry is given to another object, and its events tell. */
		if (round == AT_ONCE)
			lane_begin(&c->there.lane[BYSTANDER], SEG_OP_READ, 0);
		what = check_recover_there(c, by);
		if (!what && round == AT_ONCE) {
			check_note_woken(c, &found);
			lane_end(&c->there.lane[BYSTANDER]);
		}
		if (!what)
			what = check_look(c, round, by, &found);
	}
	what = what ? what : check_compare(c, &found);
	if (what)
		check_tell(c, what, &found, out);
	end_fini(&found);
	return !what;
}
