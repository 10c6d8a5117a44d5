/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_OBJECT_DAMAGE_TEST_KIT_H
#define SABIR_OBJECTS_OBJECT_DAMAGE_TEST_KIT_H

/*
 * Lives: an object has strange numbers written into it, anywhere, and is used and deleted. Nobody crashes or hangs, and another object
 * of its kind has what it had. For *_damage_test.c only.
 */
#include <stdlib.h>

#include "server/objects/object_test_kit.h"

#define LIFE_MEMORY (16u << 20)
#define LIFE_SECONDS 20u /* a hang, on the slowest machine */

/* What a life needs to know of a kind. `use` works with the global lane, whosever that is. */
struct kind_life {
	uint64_t (*make)(void);
	uint64_t (*make_other)(void);
	bool (*is_whole)(uint64_t other);
	void (*use)(uint64_t handle);
	uint32_t body_len;
	const char *deaths[2]; /* fault points, at one of which who uses it dies */
};

/* The n-th of the object's blocks, and how many words it has; NULL: it has none. */
static inline uint32_t *nth_live_block(uint32_t index, uint32_t n, uint32_t *len)
{
	uint32_t end = (uint32_t)(seg.size >> SEG_REF_SHIFT), seen = 0;
	for (int round = 0; round < 2; round++, n = seen ? n % seen : 0, seen = 0)
		for (uint32_t ref = (uint32_t)(seg.data_off >> SEG_REF_SHIFT); ref < end; ref++) {
			uint64_t size = block_size(&seg, ref);
			struct seg_block *block = size ? segment_at(&seg, ref, size) : NULL;
			if (!block || !block_is_of(block, index) || seen++ < n)
				continue;
			*len = (uint32_t)(size / 4);
			return (uint32_t *)block;
		}
	return NULL;
}

static inline uint32_t strange_number(uint32_t old)
{
	uint32_t first = (uint32_t)(seg.data_off >> SEG_REF_SHIFT), end = (uint32_t)(seg.size >> SEG_REF_SHIFT);
	switch (rand() % 7) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	case 2:
		return old ^ 1u << rand() % 32;
	case 3:
		return old + 1;
	case 4:
		return first + (uint32_t)rand() % (end - first);
	case 5:
		return (uint32_t)rand() % 100;
	default:
		return (uint32_t)rand() << 16 ^ (uint32_t)rand();
	}
}

/* Some words; of the body, or among the first ones of another block, often. */
static inline void damage(const struct kind_life *kind, uint64_t handle)
{
	uint32_t index = object_index(handle);
	for (int n = 1 + rand() % 5; n > 0; n--) {
		uint32_t len = kind->body_len / 4;
		uint32_t *block = rand() % 3 ? nth_live_block(index, (uint32_t)rand() % 9000, &len) : NULL;
		if (!block)
			block = segment_at(&seg, seg.objects[index].body, kind->body_len);
		uint32_t i = (uint32_t)rand() % (rand() % 2 && len > 16 ? 16 : len);
		block[i] = strange_number(block[i]);
	}
}

/* Past the mark that the first damaged operation has set. */
static inline void use_again(uint64_t handle)
{
	store64_relaxed(&seg.objects[object_index(handle)].damaged, 0);
}

/* Uses it until it dies of that. */
static inline void die_of_use(const struct kind_life *kind, const struct lane *victim, uint64_t handle)
{
	pid_t pid = fork();
	if (pid == 0) {
		fault_kill_at(kind->deaths[rand() % 2], 1 + (unsigned)rand() % 40);
		lane = *victim;
		kind->use(handle);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* In a process and a segment of its own, so that a crash or a hang is seen. */
static inline int one_life(const struct kind_life *kind, unsigned seed, bool in_the_middle)
{
	alarm(LIFE_SECONDS);
	srand(seed);
	if (kit_begin(LIFE_MEMORY))
		return 1;
	uint64_t handle = kind->make(), other = kind->make_other();
	struct lane victim = kit_lane(&seg);
	if (in_the_middle) /* what the recovery finds is damaged */
		die_of_use(kind, &victim, handle);
	damage(kind, handle);
	if (owner_recover(&lane, victim.owner))
		return 2;
	kind->use(handle);
	/* Memory may be lost with what is damaged; other objects and the server go on. */
	if (object_delete(&lane, handle))
		return 3;
	object_sweep(&lane);
	return kind->is_whole(other) && kind->is_whole(kind->make_other()) ? 0 : 4;
}

static inline void lives_end_well(const struct kind_life *kind, unsigned n, bool in_the_middle)
{
	for (unsigned seed = 1; seed <= n; seed++) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0)
			_exit(one_life(kind, seed, in_the_middle));
		waitpid(pid, &status, 0);
		CU_ASSERT_EQUAL(status, 0);
		if (status)
			printf("\n    seed %u%s: status %x", seed, in_the_middle ? ", in the middle" : "",
			       (unsigned)status);
	}
}

#endif
