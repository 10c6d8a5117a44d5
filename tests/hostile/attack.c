/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile process: it is attached, and overwrites words all the time: with anything, with what could almost stand there, and to
 * and fro between that and what did, so that whoever checks a word and reads it again finds another.
 *
 * Where only what is the poor's may be overwritten, the word that says so is compared immediately before each store, in a
 * restartable sequence: a block may be freed and be an honest object's the next moment, so nobody may be stopped between the two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/c/attach.h"
#include "tests/hostile/attack.h"

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAS_RSEQ 1
#endif
#endif

/* ---------------------------------------------------------------- one store */

#ifdef HAS_RSEQ
/* 1: done, and *value is what was there; 0: the guard holds something else; -1: it was interrupted. */
static int try_store(const uint64_t *guard, uint64_t word, uint64_t *at, uint64_t *value)
{
	uint64_t exchanged = *value;
	struct rseq *area = (struct rseq *)(void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	__asm__ goto(".pushsection __rseq_cs, \"aw\"\n\t"
		     ".balign 32\n"
		     "3:\n\t"
		     ".long 0, 0\n\t"
		     ".quad 1f, 2f - 1f, 4f\n\t"
		     ".popsection\n\t"
		     "leaq 3b(%%rip), %%rax\n\t"
		     "movq %%rax, %[rseq_cs]\n"
		     "1:\n\t"
		     "cmpq %[word], %[guard]\n\t"
		     "jne %l[changed]\n\t"
		     "xchgq %[value], %[at]\n"
		     "2:\n\t"
		     ".pushsection __rseq_abort, \"ax\"\n\t"
		     ".byte 0x0f, 0xb9, 0x3d\n\t" /* and the signature that the kernel wants in front of the handler */
		     ".long 0x53053053\n"
		     "4:\n\t"
		     "jmp %l[interrupted]\n\t"
		     ".popsection\n\t"
		     : [value] "+r"(exchanged)
		     : [rseq_cs] "m"(area->rseq_cs), [word] "r"(word), [guard] "m"(*guard), [at] "m"(*at)
		     : "memory", "cc", "rax"
		     : changed, interrupted);
	*value = exchanged;
	return 1;
changed:
	return 0;
interrupted:
	return -1;
}
#endif

/* *value is what was there. */
static bool store_guarded(const uint64_t *guard, uint64_t word, uint64_t *at, uint64_t *value)
{
#ifdef HAS_RSEQ
	if (__rseq_size) {
		int done;
		while ((done = try_store(guard, word, at, value)) < 0)
			;
		return done;
	}
#endif
	if (load64_acquire(guard) != word)
		return false;
	*value = exchange64(at, *value);
	return true;
}

/* Where the word is the guard itself, that is then what tells whose the others are. */
static bool put(struct prey *prey, struct target *target, uint64_t *at, uint64_t value)
{
	struct ledger *l = prey->me->ledger;
	uint64_t before = value;
	/* An entry that is given out while somebody works on the object that has it: see is_claim. */
	if (!l->all && target->place == ROW && at == target->guard && (value & 15) != SEG_OBJECT_LIVE)
		return false;
	if (!target->guard) {
		store64_relaxed(at, value);
	} else if (!store_guarded(target->guard, target->word, at, &before)) {
		return false;
	} else if (at == target->guard) {
		target->word = value;
	} else if (load64_acquire(target->guard) != target->word) {
		/* A whole machine may be stopped between the two instructions, and the block be somebody else's since. */
		(void)cas64(at, &value, before);
		l->n_slips++;
		return false;
	}
	l->n_overwrites[target->place]++;
	return true;
}

/* ---------------------------------------------------------------- what */

/* A word of the same place of another one, or any other that somebody has. */
static uint64_t other_word(struct prey *prey, const struct target *target, const uint64_t *at)
{
	struct target other;
	for (int i = 0; i < 4; i++) {
		bool found = hostile_random(prey->me, 2) ? prey_pick(prey, &other) : prey_pick_any(prey, &other);
		if (!found)
			continue;
		size_t n = (size_t)(at - target->at);
		if (other.place != target->place || n >= other.n)
			n = hostile_random(prey->me, other.n);
		return load64_relaxed(other.at + n);
	}
	return 0;
}

static uint64_t rubbish(struct me *me)
{
	return (uint64_t)hostile_random(me, UINT32_MAX) << 32 | hostile_random(me, UINT32_MAX);
}

static uint64_t small_or_large(struct me *me)
{
	uint64_t bit = 1ull << hostile_random(me, 64);
	return hostile_random(me, 2) ? bit : bit - 1;
}

/* What could stand there, but for one thing. */
static uint64_t near(struct prey *prey, const struct target *target, const uint64_t *at)
{
	const uint64_t low = UINT32_MAX, high = ~low;
	struct me *me = prey->me;
	uint64_t old = load64_relaxed(at), other = other_word(prey, target, at);
	switch (hostile_random(me, 14)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return old ^ (1 + hostile_random(me, 15));
	case 3:
		return old + hostile_random(me, 3) - 1;
	case 4:
		return old + ((uint64_t)hostile_random(me, 3) << 32) - (1ull << 32);
	case 5:
		return (old & high) | (other & low);
	case 6:
		return (old & low) | (other & high);
	case 7:
		return (old & high) | (small_or_large(me) & low);
	case 8:
		return (old & low) | small_or_large(me) << 32;
	case 9:
		return old ^ 1ull << hostile_random(me, 64);
	case 10:
		return rubbish(me);
	case 11: /* its own neighbour */
		return load64_relaxed(target->at + hostile_random(me, target->n));
	default:
		return other;
	}
}

/* ---------------------------------------------------------------- how */

static void pause_between(struct me *me)
{
	for (volatile uint32_t i = hostile_random(me, 8) ? hostile_random(me, 200) : hostile_random(me, 20000); i > 0;
	     i--)
		;
}

/* To and fro; at the end it is as before, or not. */
static void toggle(struct prey *prey, struct target *target, uint64_t *at, bool for_good)
{
	uint64_t old = load64_relaxed(at), value = near(prey, target, at);
	for (uint32_t i = 1 + hostile_random(prey->me, hostile_random(prey->me, 4) ? 20 : 200); i > 0; i--) {
		/* What was written there meanwhile by who owns it is the old one then. */
		uint64_t now = load64_relaxed(at);
		if (now != value)
			old = now;
		if (!put(prey, target, at, value))
			return;
		pause_between(prey->me);
		if (i == 1 && for_good)
			return;
		/* Who has stored something in between keeps it. */
		if (load64_relaxed(at) == value && !put(prey, target, at, old))
			return;
		pause_between(prey->me);
	}
}

/*
 * What says that memory is in use: whose a block, an entry or a lane is, and the pin of who is in an operation. Where that is untrue the memory is given to
 * somebody else, who may be honest, while another still writes into it. That is beyond anybody's checks, so it is done where nobody is
 * honest.
 */
static bool is_claim(const struct prey *prey, const struct target *target, const uint64_t *at)
{
	const uint64_t *pin = target->guard + offsetof(struct seg_lane, epoch) / sizeof(*pin);
	if (prey->me->ledger->all)
		return false;
	return (target->place == BLOCK && at == target->guard) ||
	       (target->place == LANE && (at == target->guard || at == pin || at == pin + 1));
}

/* Several of one's words at once, for good. */
static void smash(struct prey *prey, struct target *target)
{
	for (uint32_t i = 1 + hostile_random(prey->me, 6); i > 0; i--) {
		uint64_t *at = target->at + hostile_random(prey->me, target->n);
		/* What is no longer known to be anybody's is lost for good: that is left to the toggling. */
		if (at != target->guard && !is_claim(prey, target, at) &&
		    !put(prey, target, at, near(prey, target, at)))
			return;
	}
}

/* Its instance, its size: who comes later looks at them, and is turned away. */
static bool is_geometry(const struct prey *prey, const uint64_t *at)
{
	return (const uint8_t *)at < prey->seg.base + 192;
}

static void attack_once(struct prey *prey, bool for_good)
{
	struct me *me = prey->me;
	struct target target;
	bool found = me->ledger->all ? prey_pick_any(prey, &target) : prey_pick(prey, &target);
	if (!found)
		return;
	for_good &= hostile_random(me, 3) == 0;
	if (for_good && hostile_random(me, 4) == 0 && target.place != HEADER) {
		smash(prey, &target);
		return;
	}
	uint64_t *at = target.at + hostile_random(me, target.n);
	/* Two who put back what the other had written would leave it there. */
	if (is_claim(prey, &target, at) || (is_geometry(prey, at) && me->pair))
		return;
	toggle(prey, &target, at, for_good && !is_geometry(prey, at) && at != target.guard);
}

/* ---------------------------------------------------------------- life */

static bool attach(struct me *me, struct prey *prey)
{
	char detail[ATTACH_DETAIL_SIZE] = "";
	struct attachment attachment;
	const char *path = getenv("HOSTILE_LOCAL") + strlen("unix:");
	enum sabir_error error = attach_connect(path, "hostile", SABIR_SECOND, detail, &attachment);
	if (!error)
		error = segment_map(attachment.memfd, attachment.bell_fd, &prey->seg);
	if (error)
		hostile_wrong(me->ledger, "the hostile one can't attach: %s %s", sabir_error_name(error), detail);
	return !error && prey_init(prey, me);
}

/* For a while on the same, so that who works on it meets much of it; then somewhere else. */
void attack_live(struct me *me)
{
	static struct prey prey;
	uint64_t looked_ns = 0;
	if (!attach(me, &prey))
		return;
	while (!hostile_is_over(me)) {
		uint32_t attack = __atomic_load_n(&me->ledger->attack, __ATOMIC_SEQ_CST);
		uint64_t now = hostile_now();
		if (!attack) {
			usleep(1000);
			continue;
		}
		if (now - looked_ns > 3 * SABIR_MILLISECOND) {
			prey_look(&prey);
			looked_ns = now;
		}
		if (hostile_random(me, 20) == 0)
			prey_focus(&prey);
		attack_once(&prey, attack >= 2);
		if (hostile_random(me, 16) == 0)
			usleep(hostile_random(me, 400));
	}
}

/* What is in the table of objects: what was damaged or is not gone takes room from everybody. */
void attack_tell(struct me *me)
{
	static struct prey prey;
	uint32_t n[5] = { 0 }, n_damaged = 0, n_unnamed = 0;
	if (!attach(me, &prey))
		return;
	for (uint32_t i = 1; i < prey.seg.n_objects; i++) {
		const struct seg_object *row = &prey.seg.objects[i];
		uint32_t state = (uint32_t)row->word & 15;
		n[state < 5 ? state : 0]++;
		n_damaged += state == SEG_OBJECT_LIVE && row->damaged;
		n_unnamed += state == SEG_OBJECT_LIVE && !row->name;
	}
	printf("  entries of objects: %u free, %u being made, %u live (%u damaged, %u without a name), %u to be swept\n",
	       n[0], n[SEG_OBJECT_FORMING], n[SEG_OBJECT_LIVE], n_damaged, n_unnamed,
	       n[SEG_OBJECT_DYING] + n[SEG_OBJECT_SWEEPING]);
	fflush(stdout);
}
