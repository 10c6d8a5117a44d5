/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_HOSTILE_TEST_KIT_H
#define SABIR_OBJECTS_OBJECT_HOSTILE_TEST_KIT_H

/*
 * A hostile program that writes over words while others are in an operation: at a named step of it, or at any time from a
 * thread. For *_hostile_test.c and *_damage_test.c only.
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

/* ---------------------------------------------------------------- all the time, anywhere */

#define MOST_TARGETS 4096

/* The blocks that an object had when it began, and who writes into them from then on. */
struct vandal {
	uint32_t *block[MOST_TARGETS];
	uint32_t len[MOST_TARGETS]; /* words */
	uint32_t n, stop;
	pthread_t thread;
};

static inline void *vandal_run(void *context)
{
	struct vandal *v = context;
	while (!load32_acquire(&v->stop)) {
		uint32_t k = (uint32_t)rand() % (rand() % 4 ? v->n : 1 + v->n / 50), len = v->len[k];
		uint32_t i = (uint32_t)rand() % (rand() % 4 && len > 16 ? 16 : len), *word = &v->block[k][i];
		uint32_t old = load32_relaxed(word), strange = strange_number(old);
		/* There and back again, so that who looks twice sees one and the other. */
		for (int n = rand() % 2000; n > 0 && !load32_relaxed(&v->stop); n--) {
			store32_relaxed(word, n % 2 ? old : strange);
			for (int pause = n % 64; pause > 0; pause--)
				cpu_relax();
		}
		if (rand() % 8 == 0) /* else whoever uses it says DATA_LOSS at once, and goes no further */
			store32_relaxed(word, strange);
	}
	return NULL;
}

static inline void vandal_begin(struct vandal *v, uint64_t handle)
{
	uint32_t end = (uint32_t)(seg.size >> SEG_REF_SHIFT);
	*v = (struct vandal){ 0 };
	for (uint32_t ref = (uint32_t)(seg.data_off >> SEG_REF_SHIFT); ref < end && v->n < MOST_TARGETS; ref++) {
		uint64_t size = block_size(&seg, ref);
		struct seg_block *block = size ? segment_at(&seg, ref, size) : NULL;
		if (!block || !block_is_of(block, object_index(handle)))
			continue;
		v->block[v->n] = (uint32_t *)block;
		v->len[v->n++] = (uint32_t)(size / 4);
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&v->thread, NULL, vandal_run, v), 0);
}

static inline void vandal_end(struct vandal *v)
{
	store32_release(&v->stop, 1);
	pthread_join(v->thread, NULL);
}

static inline int one_life_beside_a_vandal(const struct kind_life *kind, unsigned seed)
{
	static struct vandal v;
	alarm(LIFE_SECONDS);
	srand(seed);
	if (kit_begin(LIFE_MEMORY))
		return 1;
	uint64_t handle = kind->make(), other = kind->make_other();
	vandal_begin(&v, handle);
	for (int i = 0; i < 3; i++) {
		use_again(handle);
		kind->use(handle);
	}
	vandal_end(&v);
	if (object_delete(&lane, handle))
		return 3;
	object_sweep(&lane);
	return kind->is_whole(other) ? 0 : 4;
}

/* Nobody crashes or hangs, and an object that was there before has what it had. */
static inline void lives_beside_a_vandal_end_well(const struct kind_life *kind, unsigned n)
{
#ifdef __SANITIZE_THREAD__
	n = 0; /* what he does is a race by intent */
#endif
	for (unsigned seed = 1; seed <= n; seed++) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0)
			_exit(one_life_beside_a_vandal(kind, seed));
		waitpid(pid, &status, 0);
		CU_ASSERT_EQUAL(status, 0);
		if (status)
			printf("\n    seed %u beside a vandal: status %x", seed, (unsigned)status);
	}
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
