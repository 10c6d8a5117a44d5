/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in everybody's way: a lock whose holder is stopped, and memory that is used up.
 */
#include "server/objects/recover_test_kit.h"
#include "server/shm/arena.h"
#include "tests/fuzz/play.h"

void hinder_let_go(struct play *p)
{
	struct lane *lane = &p->world->lane[COMPANION];
	if (!p->held)
		return;
	lock_release(lane, &p->world->seg.objects[p->held - 1].lock);
	lane_end(lane);
	p->held = 0;
	park_ring(p->park, &p->world->lane[SERVER]);
	death_again(p);
}

void hinder_hold(struct play *p, uint32_t number)
{
	struct lane *lane = &p->world->lane[COMPANION];
	uint32_t index = number % p->world->seg.n_objects;
	struct seg_object *o = &p->world->seg.objects[index];
	hinder_let_go(p);
	if (object_state(load64_relaxed(&o->word)) != SEG_OBJECT_LIVE)
		return;
	lane_begin(lane, SEG_OP_READ, index);
	if (lock_acquire_now(lane, &o->lock))
		p->held = index + 1;
	else
		lane_end(lane);
}

/* ---------------------------------------------------------------- memory */

#define LARGEST (1u << 20)
#define MOST_SPARE 64u
#define MOST_BLOCKS (1u << 18) /* damaged memory may have any number */

/* All blocks of one size but those. They are the directory's, which does not know of them. */
static void use_up(struct lane *lane, uint64_t size, uint32_t spare)
{
	struct seg_block *block, *left[MOST_SPARE];
	uint32_t n = 0, most = MOST_BLOCKS;
	lane_begin(lane, SEG_OP_READ, 0);
	while (most-- && block_alloc(lane, size, 0, &block) == SABIR_OK) {
		if (n < spare)
			left[n++] = block;
		else
			block_publish(block, 0);
		store32_relaxed(&lane->shared->hand[0], 0);
	}
	while (n)
		block_free(lane, left[--n]);
	lane_end(lane);
}

void hinder_fill(struct play *p, uint32_t spare)
{
	for (uint64_t size = LARGEST; size >= SEG_LINE; size -= (size / 4 + SEG_LINE - 1) / SEG_LINE * SEG_LINE)
		use_up(&p->world->lane[BYSTANDER], size, size < 4096 ? spare % MOST_SPARE : 0);
	kit_settle(&p->world->lane[BYSTANDER]);
}
