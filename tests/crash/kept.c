/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References as clients see them: in the answers that tell what an object holds. What the collector does, which knows them by the
 * bytes in the memory, is compared with that.
 */
#include "tests/crash/kept.h"

#include <stdlib.h>
#include <string.h>

#include "server/objects/object_word.h"
#include "server/objects/refs.h"
#include "tests/crash/upkeep.h"

#define N_MOST 64u

struct kept {
	uint64_t before[N_MOST]; /* handles of what lives when the collector begins, by index; 0: nothing */
	uint64_t stays;          /* bits, by index */
	uint64_t by_itself;
	uint64_t refers[N_MOST]; /* to which, as bits */
	bool to_gone;            /* to one that the collector has deleted */
};

/* A part lives with its whole. */
static bool lives_by_itself(struct world *world, uint32_t index)
{
	struct lane *lane = &world->lane[SURVIVOR];
	struct seg_object *o = &world->seg.objects[index];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	lane_begin(lane, SEG_OP_READ, 0);
	bool held = hold_count(&world->seg, o) || (kind->held && kind->held(lane, index, o));
	lane_end(lane);
	return held || !refs_decide(o);
}

bool kept_any(struct world *world)
{
	for (uint32_t i = 1; i < world->seg.n_objects; i++)
		if (look_handle(&world->seg, i) && !lives_by_itself(world, i))
			return true;
	return false;
}

static enum sabir_error collect(struct world *world, struct kept *k)
{
	const struct upkeep upkeep = { world, &world->lane[SURVIVOR], 0 };
	for (uint32_t i = 1; i < world->seg.n_objects; i++)
		k->before[i] = look_handle(&world->seg, i);
	enum sabir_error error = upkeep_find("server:collect")(&upkeep);
	for (uint32_t i = 1; i < world->seg.n_objects; i++) {
		if (!look_handle(&world->seg, i))
			continue;
		k->stays |= 1ull << i;
		k->by_itself |= (uint64_t)lives_by_itself(world, i) << i;
	}
	return error;
}

/* What an object refers to, by the text that tells what it holds. */
static void note(const struct segment *seg, struct kept *k, uint32_t from, const char *text)
{
	while ((text = strstr(text, "$*")) != NULL) {
		uint64_t handle = strtoull(text += strlen("$*"), NULL, 10);
		uint32_t index = object_index(handle);
		if (!index || index >= seg->n_objects || k->before[index] != handle)
			continue;
		k->refers[from] |= 1ull << index;
		k->to_gone |= look_handle(seg, index) != handle;
	}
}

static uint64_t reached(const struct kept *k)
{
	uint64_t all = k->by_itself, last;
	do {
		last = all;
		for (uint32_t i = 0; i < N_MOST; i++)
			all |= all >> i & 1 ? k->refers[i] : 0;
	} while (all != last);
	return all;
}

static bool can_be_opened(struct world *world, const struct kept *k)
{
	struct object_info info;
	for (uint32_t i = 0; i < N_MOST; i++)
		for (uint32_t to = 0; to < N_MOST; to++)
			if (k->refers[i] >> to & 1 && (object_hold(&world->lane[SURVIVOR], k->before[to]) ||
						       object_describe(&world->lane[SURVIVOR], k->before[to], &info)))
				return false;
	return true;
}

const char *kept_look(struct world *world, struct text *text)
{
	struct kept k = { .to_gone = false };
	if (world->seg.n_objects > N_MOST)
		abort();
	if (collect(world, &k))
		return "the collector can't run";
	FILE *to = open_memstream(&text->at, &text->len);
	for (uint32_t i = 1; i < world->seg.n_objects; i++) {
		size_t begin = text->len;
		if (!(k.stays >> i & 1))
			continue;
		look_at(world, i, to);
		fflush(to);
		note(&world->seg, &k, i, text->at + begin);
	}
	fclose(to);
	look_name_references(&world->seg, text);
	if (k.to_gone)
		return "an object is gone to which another refers";
	if (k.stays & ~reached(&k))
		return "an object stays to which no other refers";
	return can_be_opened(world, &k) ? NULL : "what is referred to can't be opened";
}
