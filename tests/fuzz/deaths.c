/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs that are told one behind the other and not by chance: every scenario, and every request of a story, with a death at each step of it, in each
 * way; with each lock held by somebody who is stopped; and with so little memory that one allocation after the other
 * fails. What is new of them belongs into the corpus, where chance goes on from it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/play.h"
#include "tests/fuzz/seeds.h"

/* What happens to a scenario; the number counts up. */
enum way {
	/* The victim dies in it, or in undoing it; as a program, as a server. */
	WAY_ACTS,
	WAY_IS_UNDONE,
	WAY_IS_ASKED,
	WAY_IS_ASKED_AND_UNDONE,
	/* He dies behind it, and the heir in the recovery. */
	WAY_RECOVERS,
	/* The heir dies in what is done behind it. */
	WAY_SWEEPS,
	WAY_COLLECTS,
	WAY_FINDS,
	WAY_SETTLES,
	WAY_ENDS,
	/* A lock is held before it, or behind it; and there is little memory. */
	WAY_HELD,
	WAY_HELD_LATER,
	WAY_FILLED,
	WAY_FILLED_AND_PINNED, /* nor does what was freed come back, for somebody reads */
	WAY_FILLED_AND_UNDONE,
	WAY_FILLED_AND_ASKED,
	/* The same behind it: in what is done to end it, its owner, or the session that asked for it. */
	WAY_FILLED_LATER,
	WAY_ASKED_FILLED,
	WAY_ASKED_HELD,
	WAY_UNWANTED_HELD,
	/* It waits, and does not get what it waits for. */
	WAY_WAITED,
	/* The victim dies in it, and the others go on before he is recovered. */
	WAY_TORN,
	WAY_TORN_LATER, /* in the undoing of it */
	N_WAYS
};
#define MOST_HELD 26u /* objects */
#define MOST_LEFT 16u /* blocks of each size */

static const struct {
	enum event event;
	unsigned how;
} ends[] = { { EVENT_EXPIRE, 0 },
	     { EVENT_CANCEL, 0 },
	     { EVENT_CANCEL, PLAY_WAIT },
	     { EVENT_CANCEL, PLAY_UNDO | 1 },
	     { EVENT_DEATH, 0 },
	     { EVENT_SESSIONS, 0 },
	     { EVENT_PASS, 0 } };
#define N_ENDS (sizeof(ends) / sizeof(ends[0]))

static struct {
	size_t scenario, slices;
	enum way first, way;
	uint32_t step, heir_step;
	bool with_heirs, begun;
} at;

/* "0/4": the first of four parts; "0/4:7": from that way on; "0/4+": the heir dies at each step of the recovery, too. */
void deaths_begin(const char *which)
{
	char *end;
	at.scenario = strtoul(which, &end, 10);
	at.slices = *end == '/' ? strtoul(end + 1, &end, 10) : 1;
	if (*end == ':')
		at.first = at.way = (enum way)strtoul(end + 1, &end, 10);
	at.with_heirs = *end == '+';
	at.slices += at.slices == 0;
}

/* ---------------------------------------------------------------- one */

struct out {
	uint8_t *to;
	const uint8_t *end;
};

static void put(struct out *out, unsigned number, unsigned how, struct span message)
{
	const uint8_t head[] = { (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)how };
	out->to = piece_put(&play_form, out->to, out->end, head, message);
}

static void put_event(struct out *out, enum event event, unsigned how, uint32_t first, uint32_t second)
{
	const uint8_t numbers[] = { (uint8_t)first, (uint8_t)(first >> 8), (uint8_t)second, (uint8_t)(second >> 8) };
	put(out, EVENT + event, how, (struct span){ numbers, second ? 4 : 2 });
}

static void put_act(struct out *out, const struct seed_parts *parts, unsigned how)
{
	put(out, parts->number, how | parts->how, parts->act);
}

/* What reads objects of this kind, with a key and without, and it once more. */
static void put_others(struct out *out, const struct seed_parts *parts)
{
	static const uint8_t request[] = { 10, 3, 10, 1, 'o', 18, 3, 50, 1, 'k' };
	const char *path = op_path(stage_op(parts->number));
	size_t len = (size_t)(strrchr(path, '/') - path);
	for (size_t i = 0; i < op_count(); i++) {
		if (!op_reads(op_at(i)) || strncmp(op_path(op_at(i)), path, len))
			continue;
		put(out, stage_op_number(op_at(i)), 0, (struct span){ request, 5 });
		put(out, stage_op_number(op_at(i)), 0, (struct span){ request, sizeof(request) });
	}
	put_event(out, EVENT_KEEP, 0, 0, 0);
	put_event(out, EVENT_COLLECT, 0, 0, 0);
	put_act(out, parts, PLAY_WAIT);
	put_event(out, EVENT_DEATH, 0, 0, 0);
}

/* What a server does then. */
static void put_upkeep(struct out *out)
{
	static const enum event all[] = { EVENT_RING,   EVENT_DEATH, EVENT_SWEEP, EVENT_COLLECT, EVENT_DUE,
					  EVENT_SETTLE, EVENT_START, EVENT_KEEP,  EVENT_END,     EVENT_SESSIONS };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		put_event(out, all[i], 0, 0, 0);
}

/* Held are the locks of the stage's first objects, one after the other, or of an event that nobody asks for. */
#define OF_NOBODY 13u

static void put_late(struct out *out, const struct seed_parts *parts)
{
	static const unsigned how[] = { 1 | PLAY_WAIT, PLAY_ASKED, PLAY_ASKED, PLAY_ASKED | PLAY_UNDO };
	put_act(out, parts, how[at.way - WAY_FILLED_LATER]);
	put_event(out, at.way <= WAY_ASKED_FILLED ? EVENT_FILL : EVENT_HOLD, 0, at.step, 0);
	put_event(out, EVENT_END, 0, 0, 0);
	put_event(out, at.way == WAY_FILLED_LATER ? EVENT_EXPIRE : EVENT_DEATH, 0, 0, 0);
	put_event(out, EVENT_LET_GO, 0, 0, 0);
}

static void put_hindered(struct out *out, const struct seed_parts *parts)
{
	static const unsigned dying[] = { 1 | PLAY_WAIT, 1 | PLAY_WAIT, 1 | PLAY_UNDO, 1 | PLAY_ASKED };
	if (at.way == WAY_HELD) {
		put_event(out, EVENT_HOLD, 0, at.step, 0);
		put_act(out, parts, 1 | PLAY_WAIT);
		put_event(out, EVENT_LET_GO, 0, 0, 0);
	} else if (at.way == WAY_HELD_LATER) {
		put_act(out, parts, 1 | PLAY_WAIT);
		put_event(out, EVENT_HOLD, 0, at.step, 0);
		put_event(out, EVENT_RING, 0, 0, 0);
		put_event(out, EVENT_EXPIRE, 0, 0, 0);
	} else if (at.way >= WAY_FILLED_LATER && at.way <= WAY_UNWANTED_HELD) {
		put_late(out, parts);
	} else if (at.way == WAY_WAITED) {
		put_act(out, parts, 1 | PLAY_WAIT);
		put_event(out, ends[at.step].event, ends[at.step].how, 40, 0);
		put_event(out, EVENT_EXPIRE, 0, 0, 0);
	} else {
		if (at.way == WAY_FILLED_AND_PINNED)
			put_event(out, EVENT_HOLD, 0, OF_NOBODY, 0);
		put_event(out, EVENT_FILL, 0, at.step, 0);
		put_act(out, parts, dying[at.way - WAY_FILLED]);
	}
}

static void put_way(struct out *out, const struct seed_parts *parts)
{
	static const enum event upkeep[] = { EVENT_SWEEP, EVENT_COLLECT, EVENT_START, EVENT_DUE, EVENT_END };
	static const unsigned dying[] = { 1, 1 | PLAY_UNDO, 1 | PLAY_ASKED, 1 | PLAY_ASKED | PLAY_UNDO };
	if (at.way <= WAY_IS_ASKED_AND_UNDONE) {
		put_event(out, EVENT_DIES, 0, at.step, at.heir_step);
		put_act(out, parts, dying[at.way]);
		put_event(out, EVENT_END, 0, 0, 0);
	} else if (at.way == WAY_RECOVERS) {
		put_act(out, parts, 1 | PLAY_WAIT);
		put_event(out, EVENT_DIES, 0, at.step, 0);
		put_event(out, EVENT_DEATH, 0, 0, 0);
	} else if (at.way <= WAY_ENDS) {
		put_act(out, parts, at.way == WAY_ENDS ? 1 | PLAY_ASKED : 1 | PLAY_WAIT);
		put_event(out, EVENT_DIES, 0, at.step, 0);
		put_event(out, upkeep[at.way - WAY_SWEEPS], PLAY_UNDO, 0, 0);
	} else if (at.way <= WAY_WAITED) {
		put_hindered(out, parts);
	} else {
		put_event(out, EVENT_DIES, 0, at.step, 0);
		put_act(out, parts, 1 | PLAY_ABANDON | (at.way == WAY_TORN_LATER ? PLAY_UNDO : 0));
		put_others(out, parts);
	}
	put_upkeep(out);
}

/* ---------------------------------------------------------------- all */

static bool way_is_over(unsigned died)
{
	if (at.step >= STEPS_MOST)
		return true;
	switch (at.way) {
	case WAY_HELD:
	case WAY_HELD_LATER:
	case WAY_ASKED_HELD:
	case WAY_UNWANTED_HELD:
		return at.step >= MOST_HELD;
	case WAY_FILLED:
	case WAY_FILLED_AND_PINNED:
	case WAY_FILLED_AND_UNDONE:
	case WAY_FILLED_AND_ASKED:
	case WAY_FILLED_LATER:
	case WAY_ASKED_FILLED:
		return at.step >= MOST_LEFT;
	case WAY_WAITED:
		return at.step + 1 >= N_ENDS;
	case WAY_RECOVERS:
		return !(died & DIED_RECOVERING);
	default:
		return !(died & DIED_ACTING);
	}
}

/* False: there is no other. */
static bool advance(unsigned died)
{
	bool was_recovered = !at.heir_step || !(died & DIED_RECOVERING) || at.heir_step >= STEPS_MOST;
	if (!at.begun) {
		at.begun = true;
	} else if (way_is_over(died)) {
		at.step = at.heir_step = 0;
		at.way++;
	} else if (at.with_heirs && at.way <= WAY_IS_ASKED_AND_UNDONE && (!at.heir_step || !was_recovered)) {
		at.heir_step += 1 + at.heir_step / 16;
	} else {
		/* Those of a long operation resemble each other. */
		at.step += 1 + at.step / 16;
		at.heir_step = 0;
	}
	if (at.way == N_WAYS) {
		at.way = at.first;
		at.scenario += at.slices;
	}
	return at.scenario < seed_count();
}

/* All of the scenario's, if it is too long. */
static bool make(struct out *out)
{
	struct seed_parts parts;
	if (!seed_parts(at.scenario, &parts) || parts.setup.len > (size_t)(out->end - out->to))
		return false;
	if (parts.setup.len)
		memcpy(out->to, parts.setup.data, parts.setup.len);
	out->to += parts.setup.len;
	put_way(out, &parts);
	return out->to != NULL;
}

size_t deaths_next(unsigned died, uint8_t *data, size_t max)
{
	struct out out = { data, data + max };
	if (!advance(died))
		_exit(0);
	while (!make(&out)) {
		at.scenario += at.slices;
		at.way = at.first;
		at.step = at.heir_step = 0;
		if (at.scenario >= seed_count())
			_exit(0);
		out.to = data;
	}
	return (size_t)(out.to - data);
}
