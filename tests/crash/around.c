/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/around.h"

#include <stdlib.h>

#include "server/objects/recover_test_kit.h"

#define LARGEST (1u << 20)
/* Long enough to fall asleep, and to be told that somebody is in the way. */
#define PATIENCE_NS 200000u

const char *const variant_names[N_VARIANTS] = { "", "awaited", "held", "held by dead", "no memory", "asked" };

/* Everybody waits: the paths of those who find that somebody does. */
static void wait_for_all(struct world *world)
{
	for (uint32_t i = 1; i < world->seg.n_objects; i++) {
		if (object_state(load64_relaxed(&world->seg.objects[i].word)) != SEG_OBJECT_LIVE)
			continue;
		for (uint32_t side = 0; side < SEG_N_EVENTS; side++)
			event_prepare(&world->seg.objects[i].event[side], SEG_WAITING_LOCAL | SEG_WAITING_SERVER);
	}
}

static void hold(struct around *a, struct world *world, uint64_t handle)
{
	struct lane *lane = &world->lane[COMPANION];
	a->held = object_index(handle);
	lane_begin(lane, SEG_OP_READ, a->held);
	if (lock_acquire(lane, &world->seg.objects[a->held].lock))
		abort();
	world->lane[VICTIM].lock_patience_ns = world->lane[VICTIM_TOO].lock_patience_ns = PATIENCE_NS;
	world->lane[SERVER].lock_patience_ns = world->lane[HEIR].lock_patience_ns = PATIENCE_NS;
}

/* ---------------------------------------------------------------- memory */

static void give_back(struct lane *lane, uint32_t ref)
{
	struct seg_block *block = segment_at(lane->seg, ref, sizeof(*block));
	lane_begin(lane, SEG_OP_READ, 0);
	block_retract(lane, block);
	block_free(lane, block);
	lane_end(lane);
}

/* All blocks of one size. They are the other object's: a recovery has nothing to do with them. */
static void use_up(struct around *a, struct lane *lane, uint64_t size)
{
	struct seg_block *block;
	lane_begin(lane, SEG_OP_READ, 0);
	while (block_alloc(lane, size, 0, &block) == SABIR_OK) {
		block_publish(block, 1);
		store32_relaxed(&lane->shared->hand[0], 0);
		a->fill = realloc(a->fill, (a->n_fill + 1) * sizeof(*a->fill));
		if (!a->fill)
			abort();
		a->fill[a->n_fill++] = segment_ref(lane->seg, block);
	}
	lane_end(lane);
}

/* So many of each size. */
static void spare_some(struct around *a, struct lane *lane, unsigned spare)
{
	uint64_t last = 0;
	unsigned n = 0;
	for (size_t i = a->n_fill; spare && i-- > 0;) {
		uint64_t size = block_size(lane->seg, a->fill[i]);
		n = size == last ? n + 1 : 0;
		last = size;
		if (n >= spare)
			continue;
		give_back(lane, a->fill[i]);
		a->fill[i] = 0;
	}
}

/* He who sleeps stays where he is. */
static void settle(struct lane *lane)
{
	uint32_t object = load32_relaxed(&lane->shared->object);
	kit_settle(lane);
	store32_relaxed(&lane->shared->object, object);
}

static void exhaust(struct around *a, struct world *world, unsigned spare)
{
	struct lane *lane = &world->lane[BYSTANDER];
	for (int i = 0; i < N_PERSONS; i++)
		settle(&world->lane[i]);
	for (uint64_t size = LARGEST; size >= SEG_LINE; size -= (size / 4 + SEG_LINE - 1) / SEG_LINE * SEG_LINE)
		use_up(a, lane, size);
	spare_some(a, lane, spare);
	kit_settle(lane);
}

/* ---------------------------------------------------------------- all */

void around_prepare(struct around *a, struct world *world, uint64_t handle, unsigned spare)
{
	if (a->variant == AWAITED)
		wait_for_all(world);
	if (a->variant == HELD || a->variant == HELD_BY_DEAD)
		hold(a, world, handle);
	if (a->variant == EXHAUSTED)
		exhaust(a, world, spare);
}

void around_let_go(const struct around *a, struct world *world)
{
	struct lane *lane = &world->lane[COMPANION];
	if (a->variant == HELD) {
		lock_release(lane, &world->seg.objects[a->held].lock);
		lane_end(lane);
	}
	for (size_t i = 0; i < a->n_fill; i++)
		if (a->fill[i])
			give_back(&world->lane[SURVIVOR], a->fill[i]);
}

void around_fini(struct around *a)
{
	free(a->fill);
}
