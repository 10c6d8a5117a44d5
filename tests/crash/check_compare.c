/* SPDX-License-Identifier: Apache-2.0 */
/* What a death left behind, compared with the two ends, and how it is told where it is neither of them. */
#include <inttypes.h>
#include <string.h>

#include "server/objects/object.h"
#include "tests/crash/asked.h"
#include "tests/crash/check_parts.h"
#include "tests/crash/typed.h"

bool check_same(const struct text *a, const struct text *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->at, b->at, a->len));
}

static bool is_end(const struct end *found, const struct end *end)
{
	return check_same(&found->state, &end->state) && check_same(&found->again, &end->again) &&
	       check_same(&found->kept, &end->kept);
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
		if (!strcmp(found->state.at, step) && check_same(&found->again, &c->before.again))
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
	if (!c->watched || strstr(found->told.at, "lost=") || check_same(&found->told, &end->told))
		return NULL;
	return happened ? "who watches was not told" : "who watches was told of what has not happened";
}

/* Already in between, if it is a request: what else is made of several steps is about several objects. */
static bool has_woken(const struct check *c, int stage, int last)
{
	return stage == last || (stage > 0 && !typed_is(c->act.method));
}

const char *check_compare(struct check *c, const struct end *found)
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
	if (check_is_asked(c))
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

void check_tell(const struct check *c, const char *what, const struct end *found, FILE *out)
{
	fprintf(out, "    %s\n", what);
	fprintf(out, "    before:\n%s    after:\n%s    found:\n%s", c->before.state.at, c->after.state.at,
		found->state.at ? found->state.at : "?\n");
	if (c->watched)
		fprintf(out, "    told: before: %safter: %sfound: %s", c->before.told.at, c->after.told.at,
			found->told.at ? found->told.at : "?\n");
	if (check_is_asked(c))
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
