/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose the words of the memory are. Poor objects are known by their names and handles, their parts by what they are part of;
 * blocks by the objects that their words name; poor programs by their labels, their lanes by the owner. What was known once counts
 * as long as its first word is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "server/objects/object_word.h"
#include "tests/hostile/attack.h"

bool prey_init(struct prey *prey, struct me *me)
{
	const struct segment *seg = &prey->seg;
	prey->me = me;
	prey->rows = calloc(seg->n_objects, sizeof(uint64_t));
	prey->owners = calloc(seg->n_owners, sizeof(uint64_t));
	prey->lanes = calloc(seg->n_lanes, sizeof(uint64_t));
	prey->known_rows = calloc(seg->n_objects, sizeof(uint32_t));
	prey->known_owners = calloc(seg->n_owners, sizeof(uint32_t));
	prey->known_lanes = calloc(seg->n_lanes, sizeof(uint32_t));
	return prey->rows && prey->owners && prey->lanes && prey->known_rows && prey->known_owners && prey->known_lanes;
}

/* ---------------------------------------------------------------- objects */

static bool has_poor_name(const struct segment *seg, uint32_t index)
{
	const size_t len = strlen(POOR_PREFIX);
	uint32_t ref = load32_relaxed(&seg->objects[index].name);
	const struct seg_block *name = segment_at(seg, ref, sizeof(*name) + len);
	return name && block_size(seg, ref) && block_is_of(name, index) && load32_relaxed(&name->len) > len &&
	       memcmp(name + 1, POOR_PREFIX, len) == 0;
}

static bool is_poor_handle(const struct prey *prey, uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	if (index && index < prey->seg.n_objects && prey->rows[index] && prey->rows[index] >> 32 == handle >> 32)
		return true;
	const struct ledger *l = prey->me->ledger;
	for (uint32_t i = 0; i < N_ANONYMOUS; i++)
		if (handle && __atomic_load_n(&l->anonymous[i], __ATOMIC_RELAXED) == handle)
			return true;
	return false;
}

/* Of a session, above all the dict of its answers. By the object's own entry: what stands in the session may have been written over. */
static bool ends_with_the_poor(const struct prey *prey, uint64_t owner)
{
	uint32_t index = (uint32_t)owner - 1;
	return owner && index < prey->seg.n_owners && prey->owners[index] && prey->owners[index] >> 32 == owner >> 32;
}

static void look_at_row(struct prey *prey, uint32_t index)
{
	const struct seg_object *row = &prey->seg.objects[index];
	uint64_t word = load64_acquire(&row->word), handle = index | (word >> 32) << 32;
	if (prey->rows[index] == word)
		return;
	bool poor = object_state(word) == SEG_OBJECT_LIVE &&
		    (has_poor_name(&prey->seg, index) || is_poor_handle(prey, handle) ||
		     is_poor_handle(prey, load64_relaxed(&row->part_of)) ||
		     ends_with_the_poor(prey, load64_relaxed(&row->owner)));
	prey->rows[index] = poor && load64_acquire(&row->word) == word ? word : 0;
}

/* ---------------------------------------------------------------- programs */

static void look_at_owner(struct prey *prey, uint32_t index)
{
	const struct seg_owner *owner = &prey->seg.owners[index];
	uint64_t word = load64_acquire(&owner->word);
	if (prey->owners[index] == word)
		return;
	bool poor = (word & 15) == SEG_OWNER_LIVE && !(load32_relaxed(&owner->flags) & SEG_OWNER_SERVER) &&
		    (!strncmp(owner->label, POOR_LABEL, sizeof(owner->label)) ||
		     !strncmp(owner->label, "hostile", sizeof(owner->label)));
	prey->owners[index] = poor && load64_acquire(&owner->word) == word ? word : 0;
}

static void look_at_lane(struct prey *prey, uint32_t index)
{
	uint64_t word = load64_acquire(&prey->seg.lanes[index].word), owner = word >> 32;
	bool poor = (word & 15) == SEG_LANE_LIVE && owner < prey->seg.n_owners && prey->owners[owner] != 0;
	prey->lanes[index] = poor ? word : 0;
}

static void list(uint32_t *known, uint32_t *n, const uint64_t *words, uint32_t n_words)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < n_words; i++)
		if (words[i])
			known[found++] = i;
	*n = found;
}

void prey_look(struct prey *prey)
{
	const struct segment *seg = &prey->seg;
	for (uint32_t i = 0; i < seg->n_owners; i++)
		look_at_owner(prey, i);
	list(prey->known_owners, &prey->n_owners, prey->owners, seg->n_owners);
	for (uint32_t i = 0; i < seg->n_lanes; i++)
		look_at_lane(prey, i);
	list(prey->known_lanes, &prey->n_lanes, prey->lanes, seg->n_lanes);
	/* Not the directory, which is everybody's. */
	for (uint32_t i = 1; i < seg->n_objects; i++)
		look_at_row(prey, i);
	list(prey->known_rows, &prey->n_rows, prey->rows, seg->n_objects);
}

/* ---------------------------------------------------------------- one of them */

static bool pick_row(struct prey *prey, struct target *target)
{
	if (!prey->n_rows)
		return false;
	uint32_t i = prey->known_rows[hostile_random(prey->me, prey->n_rows)];
	uint64_t *row = (uint64_t *)(void *)&prey->seg.objects[i];
	*target = (struct target){ ROW, row, prey->rows[i], row, sizeof(struct seg_object) / 8 };
	return true;
}

static uint32_t used_chunk(const struct prey *prey)
{
	const struct segment *seg = &prey->seg;
	for (int i = 0; i < 1000; i++) {
		uint32_t chunk = hostile_random(prey->me, seg->n_chunks);
		uint32_t state = chunk_state(load64_relaxed(&seg->chunks[chunk].word));
		if (state == SEG_CHUNK_SLAB || state == SEG_CHUNK_LARGE)
			return chunk;
	}
	return 0;
}

/* What was known of an entry holds: nobody else has it since. */
static bool is_still(uint64_t known, const uint64_t *word)
{
	return known && load64_acquire(word) == known;
}

/* A block that is part of a poor object, or in the hands of a poor program. */
static bool is_poor_block(const struct prey *prey, uint64_t word)
{
	uint32_t object = block_object(word), lane = block_lane(word);
	if (block_state(word) == SEG_BLOCK_LIVE)
		return object < prey->seg.n_objects && is_still(prey->rows[object], &prey->seg.objects[object].word);
	if (block_state(word) == SEG_BLOCK_PRIVATE || block_state(word) == SEG_BLOCK_TAKEN)
		return lane && lane <= prey->seg.n_lanes &&
		       is_still(prey->lanes[lane - 1], &prey->seg.lanes[lane - 1].word);
	return false;
}

static bool pick_block(struct prey *prey, struct target *target)
{
	const struct segment *seg = &prey->seg;
	uint32_t chunk = used_chunk(prey), first = hostile_random(prey->me, SEG_CHUNK_SIZE / SEG_LINE);
	uint64_t chunk_word = load64_acquire(&seg->chunks[chunk].word);
	/* The first block from anywhere on. */
	for (uint32_t i = 0; i < SEG_CHUNK_SIZE / SEG_LINE; i++) {
		uint32_t line = (first + i) % (SEG_CHUNK_SIZE / SEG_LINE);
		uint64_t *block = (uint64_t *)(void *)(chunk_base(seg, chunk) + (size_t)line * SEG_LINE);
		uint64_t word = load64_acquire(block);
		if (!is_poor_block(prey, word))
			continue;
		uint64_t size = block_size_by(seg, segment_ref(seg, block), chunk_word);
		if (!size || load64_acquire(&seg->chunks[chunk].word) != chunk_word)
			continue;
		/* Mostly its beginning, which is what leads to others. */
		if (size > 512 && hostile_random(prey->me, 2))
			size = 512;
		if (size > SEG_CHUNK_SIZE)
			size = SEG_CHUNK_SIZE;
		*target = (struct target){ BLOCK, block, word, block, (uint32_t)(size / 8) };
		return true;
	}
	return false;
}

static bool pick_lane(struct prey *prey, struct target *target)
{
	if (!prey->n_lanes)
		return false;
	uint32_t i = prey->known_lanes[hostile_random(prey->me, prey->n_lanes)];
	uint64_t *lane = (uint64_t *)(void *)&prey->seg.lanes[i], *at = lane;
	uint32_t n = sizeof(struct seg_lane) / 8;
	/* Its intent and its hands as often as all of its cache, its journal and its answer. */
	if (hostile_random(prey->me, 2)) {
		at = lane + 8;
		n = 40;
	}
	*target = (struct target){ LANE, lane, prey->lanes[i], at, n };
	return true;
}

static bool pick_owner(struct prey *prey, struct target *target)
{
	if (!prey->n_owners)
		return false;
	uint32_t i = prey->known_owners[hostile_random(prey->me, prey->n_owners)];
	uint64_t *owner = (uint64_t *)(void *)&prey->seg.owners[i];
	*target = (struct target){ OWNER, owner, prey->owners[i], owner, sizeof(struct seg_owner) / 8 };
	if (hostile_random(prey->me, 2)) {
		target->place = SESSION;
		target->at = (uint64_t *)(void *)&prey->seg.sessions[i];
		target->n = sizeof(struct seg_session) / 8;
	}
	return true;
}

/* ---------------------------------------------------------------- the object in use */

/* Of any lane, the server's too: what it worked on last; of the poor's alone, unless anybody's will do. */
void prey_focus(struct prey *prey)
{
	const struct segment *seg = &prey->seg;
	prey->focus = 0;
	for (int i = 0; i < 64 && !prey->focus; i++) {
		const struct seg_lane *lane = &seg->lanes[hostile_random(prey->me, seg->n_lanes)];
		uint32_t object = load32_relaxed(&lane->object);
		if ((load64_relaxed(&lane->word) & 15) == SEG_LANE_LIVE && object < seg->n_objects &&
		    (prey->rows[object] || prey->me->ledger->all))
			prey->focus = object;
	}
}

/* A block of the same object to which some word of `from` leads. */
static struct seg_block *next_block(struct prey *prey, const void *from, size_t size)
{
	const struct segment *seg = &prey->seg;
	uint32_t n = (uint32_t)(size / 4), first = hostile_random(prey->me, n);
	for (uint32_t i = 0; i < n && i < 256; i++) {
		uint32_t ref = load32_relaxed((const uint32_t *)from + (first + i) % n);
		struct seg_block *block = segment_at(seg, ref, sizeof(*block));
		if (block && block_is_of(block, prey->focus) && block_size(seg, ref))
			return block;
	}
	return NULL;
}

/* From its row on, or from its body, as far as chance leads. */
static bool pick_in_focus(struct prey *prey, struct target *target)
{
	const struct segment *seg = &prey->seg;
	uint64_t *row = (uint64_t *)(void *)&seg->objects[prey->focus];
	uint64_t *guard = prey->me->ledger->all ? NULL : row, word = prey->rows[prey->focus];
	struct seg_block *block = segment_at(seg, load32_relaxed(&seg->objects[prey->focus].body), sizeof(*block));
	*target = (struct target){ ROW, guard, word, row, sizeof(struct seg_object) / 8 };
	if ((guard && !word) || hostile_random(prey->me, 4) == 0)
		return !guard || word;
	if (hostile_random(prey->me, 8) == 0)
		block = next_block(prey, row, sizeof(struct seg_object));
	while (block) {
		uint64_t first = load64_acquire(&block->word), size = block_size(seg, segment_ref(seg, block));
		if (!block_word_is_of(first, prey->focus) || !size || (guard && !is_still(word, row)))
			break;
		size = size > 4096 ? 4096 : size;
		guard = guard ? &block->word : NULL;
		*target = (struct target){ BLOCK, guard, first, &block->word, (uint32_t)(size / 8) };
		if (hostile_random(prey->me, 3) == 0)
			break;
		block = next_block(prey, block, size);
	}
	return true;
}

bool prey_pick(struct prey *prey, struct target *target)
{
	if (prey->focus && hostile_random(prey->me, 5))
		return pick_in_focus(prey, target);
	uint32_t what = hostile_random(prey->me, 20);
	if (what < 6)
		return pick_row(prey, target);
	if (what < 15)
		return pick_block(prey, target);
	return what < 18 ? pick_lane(prey, target) : pick_owner(prey, target);
}

/* ---------------------------------------------------------------- anybody's */

static void set(struct target *target, enum place place, void *at, size_t size)
{
	*target = (struct target){ place, NULL, 0, at, (uint32_t)(size / 8) };
}

/* Entries near the beginning of a table are those in use. */
static uint32_t early(struct me *me, uint32_t n)
{
	uint32_t most = hostile_random(me, 4) && n > 64 ? 64 : n;
	return hostile_random(me, most);
}

/* The directory, by which all the others are found, comes last. */
static bool is_directory(const struct prey *prey, const struct target *target)
{
	if (target->place == ROW)
		return target->at == (const uint64_t *)(const void *)prey->seg.objects;
	if (target->place != BLOCK)
		return false;
	for (uint32_t i = 0; i < target->n; i += SEG_LINE / 8)
		if (block_word_is_of(load64_relaxed(target->at + i), 0))
			return true;
	return false;
}

static bool pick_anybodys(struct prey *prey, struct target *target)
{
	struct segment *seg = &prey->seg;
	struct me *me = prey->me;
	uint32_t i;
	switch (hostile_random(me, 12)) {
	case 0:
		set(target, HEADER, seg->header, sizeof(*seg->header));
		return true;
	case 1:
		set(target, OWNER, &seg->owners[early(me, seg->n_owners)], sizeof(*seg->owners));
		return true;
	case 2:
		set(target, SESSION, &seg->sessions[early(me, seg->n_owners)], sizeof(*seg->sessions));
		return true;
	case 3:
	case 4:
		set(target, LANE, &seg->lanes[early(me, seg->n_lanes)], sizeof(*seg->lanes));
		return true;
	case 5:
	case 6:
		set(target, ROW, &seg->objects[early(me, seg->n_objects)], sizeof(*seg->objects));
		return true;
	case 7:
		i = early(me, seg->n_chunks);
		set(target, TABLES, &seg->chunks[i], sizeof(*seg->chunks));
		return true;
	case 8:
		set(target, TABLES, seg->hints, SEG_N_HINTS * seg->n_hint_words * 8);
		return true;
	default:
		i = used_chunk(prey);
		if (hostile_random(me, 8) == 0)
			set(target, BLOCK, chunk_base(seg, i), SEG_SLAB_HEADER);
		else
			set(target, BLOCK, chunk_base(seg, i) + early(me, SEG_CHUNK_SIZE / 512) * 512u, 512);
		return true;
	}
}

bool prey_pick_any(struct prey *prey, struct target *target)
{
	bool found = prey->focus && hostile_random(prey->me, 2) ? pick_in_focus(prey, target)
								: pick_anybodys(prey, target);
	return found &&
	       (__atomic_load_n(&prey->me->ledger->attack, __ATOMIC_RELAXED) > 2 || !is_directory(prey, target));
}
