/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deaths: the victim's, in an operation or between two; and of the heir, in what a server does: its upkeep, or the
 * recovery of the victim. Who dies in the midst of something does not come back from there. What he had from malloc
 * stays: as much as any process leaves, but it is this one that has it then.
 */
#include <setjmp.h>

#include "server/base/fault.h"
#include "server/objects/object.h"
#include "tests/fuzz/play.h"

static sigjmp_buf end_of_life;
/* The leak sanitizer's: what is made in between is no leak. */
void __lsan_disable(void);
void __lsan_enable(void);
static uint32_t steps_left;

static void step(const char *name, void *context)
{
	(void)name, (void)context;
	if (--steps_left == 0)
		siglongjmp(end_of_life, 1);
}

static void live_for(uint32_t steps)
{
	steps_left = steps;
	fault_trace(step, NULL);
	__lsan_disable();
}

/* True: he has died before. */
static bool live_no_more(void)
{
	__lsan_enable();
	fault_trace(NULL, NULL);
	return steps_left == 0;
}

/* ---------------------------------------------------------------- recovery */

static void recover(struct play *p, enum person who)
{
	p->unrecovered &= ~(1u << who);
	if (owner_recover(&p->world->lane[SERVER], p->world->lane[who].owner))
		p->unrecovered |= 1u << who;
}

static void recover_victim(struct play *p);

void death_again(struct play *p)
{
	if (p->dies && p->unrecovered & 1u << VICTIM)
		recover_victim(p);
	for (unsigned who = 0; who < N_PERSONS; who++)
		if (p->unrecovered & 1u << who)
			recover(p, (enum person)who);
}

/* The heir begins, and dies of it. */
static void recover_victim(struct play *p)
{
	uint32_t steps = p->dies;
	p->dies = 0;
	if (steps && !p->heir_dead) {
		p->heir_dead = true;
		if (!sigsetjmp(end_of_life, 0)) {
			live_for(steps);
			(void)owner_recover(&p->world->lane[HEIR], p->world->lane[VICTIM].owner);
		}
		p->died |= live_no_more() ? DIED_RECOVERING : 0;
		recover(p, HEIR);
	}
	recover(p, VICTIM);
}

void death(struct play *p)
{
	park_end(p->park, p->world->lane[VICTIM].actor.owner, SABIR_CANCELLED);
	park_ring(p->park, &p->world->lane[SERVER]);
	p->dead = true;
	recover_victim(p);
}

/* ---------------------------------------------------------------- in the midst of something */

static void act(struct play *p, const struct op *op, unsigned how, struct span request)
{
	struct stage_answer answer;
	if (how & PLAY_ASKED) {
		asked_run(p, VICTIM, op, request, !(how & PLAY_UNDO));
		return;
	}
	enum sabir_error error = stage_run_front(VICTIM, NULL, op, request, &answer);
	if (!error && how & PLAY_UNDO && op_can_undo(op))
		(void)op_undo(op, &p->world->lane[VICTIM], &answer.wait->receipt, bytes_item(answer.response, 0));
	op_receipt_fini(&answer.wait->receipt);
}

void death_in(struct play *p, const struct op *op, unsigned how, struct span request)
{
	const struct actor own = p->world->lane[VICTIM].actor;
	uint32_t steps = p->dies;
	p->dies = 0;
	if (how & PLAY_ASKED)
		asked_dies_as_a_server(p->world);
	if (!sigsetjmp(end_of_life, 0)) {
		live_for(steps);
		act(p, op, how, request);
	}
	p->died |= live_no_more() ? DIED_ACTING : 0;
	p->world->lane[VICTIM].actor = own; /* who may have died as another's */
	p->dies = p->heir_dies;
	p->heir_dies = 0;
	if (how & PLAY_ABANDON) {
		p->dead = true;
		p->unrecovered |= 1u << VICTIM;
	} else {
		death(p);
	}
}

void death_in_upkeep(struct play *p, unsigned event, void (*upkeep)(struct play *p, unsigned event, struct lane *lane))
{
	uint32_t steps = p->dies;
	p->dies = 0;
	p->heir_dead = true;
	if (!sigsetjmp(end_of_life, 0)) {
		live_for(steps);
		upkeep(p, event, &p->world->lane[HEIR]);
	}
	p->died |= live_no_more() ? DIED_ACTING : 0;
	recover(p, HEIR);
}
