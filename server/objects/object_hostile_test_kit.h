/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_HOSTILE_TEST_KIT_H
#define SABIR_OBJECTS_OBJECT_HOSTILE_TEST_KIT_H

/*
 * A hostile program that writes over words while others are in an operation: at a named step of it, or at any time from a
 * thread. For *_hostile_test.c only.
 */
#include <pthread.h>

#include "server/objects/object_damage_test_kit.h"

/* ---------------------------------------------------------------- at a step */

/* At each passage of the step `name` it does `strike`. */
struct strike {
	const char *name;
	void (*strike)(struct strike *s);
	void *at;
	uint64_t value;
	uint32_t n; /* passages */
};

static inline void strike_visit(const char *name, void *context)
{
	struct strike *s = context;
	if (strcmp(name, s->name))
		return;
	s->n++;
	s->strike(s);
}

static inline void strike_begin(struct strike *s)
{
	alarm(LIFE_SECONDS);
	fault_trace(strike_visit, s);
}

static inline void strike_end(void)
{
	fault_trace(NULL, NULL);
	alarm(0);
}

static inline void strike32(struct strike *s)
{
	store32_relaxed(s->at, (uint32_t)s->value);
}

static inline void strike64(struct strike *s)
{
	store64_relaxed(s->at, s->value);
}

/* ---------------------------------------------------------------- at any time */

#define HOSTILE_NS (300 * CLOCK_MILLISECOND)

/* Writes one number and the other into `word`, in turns, unless that is 0. */
struct hostile {
	pthread_t thread;
	uint64_t word; /* its address */
	uint64_t numbers[2];
	uint64_t rounds;
	uint32_t stop;
};

static inline void *hostile_run(void *context)
{
	struct hostile *h = context;
	while (!load32_acquire(&h->stop)) {
		uint64_t *word = (uint64_t *)(uintptr_t)load64_acquire(&h->word);
		for (int i = 0; word && i < 16; i++)
			store64_relaxed(word, load64_relaxed(&h->numbers[i % 2]));
		store64_release(&h->rounds, load64_relaxed(&h->rounds) + 1);
	}
	return NULL;
}

/* From here on it writes there and nowhere else; NULL: nowhere. */
static inline void hostile_turn(struct hostile *h, uint64_t *word, uint64_t one, uint64_t other)
{
	store64_seq(&h->word, 0);
	for (uint64_t seen = load64_acquire(&h->rounds); load64_acquire(&h->rounds) < seen + 2;)
		cpu_relax();
	store64_relaxed(&h->numbers[0], one);
	store64_relaxed(&h->numbers[1], other);
	store64_release(&h->word, (uintptr_t)word);
}

static inline void hostile_begin(struct hostile *h)
{
	*h = (struct hostile){ 0 };
	CU_ASSERT_EQUAL_FATAL(pthread_create(&h->thread, NULL, hostile_run, h), 0);
}

static inline void hostile_end(struct hostile *h)
{
	store32_release(&h->stop, 1);
	pthread_join(h->thread, NULL);
}

/* ---------------------------------------------------------------- what must be true behind it */

/* What the lane gives out next are blocks, and each of them once. */
static inline bool cache_is_sound(const struct lane *of)
{
	for (uint32_t c = 0; c < SEG_N_CLASSES; c++) {
		const struct seg_cache *cache = &of->shared->cache[c];
		for (uint32_t i = 0; i < cache->n; i++) {
			if (!block_size(&seg, cache->refs[i]))
				return false;
			for (uint32_t k = 0; k < i; k++)
				if (cache->refs[k] == cache->refs[i])
					return false;
		}
	}
	return true;
}

#endif
