/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_ARRAY_TEST_KIT_H
#define SABIR_OBJECTS_ARRAY_TEST_KIT_H

/* What the tests of deaths in arrays share: an array of ones of which somebody sets a part to twos. For *_test.c only. */
#include "server/objects/array.h"
#include "server/objects/object_test_kit.h"

#define N 285 /* bytes: neither end of the slice is at a word's border, and it has three steps */
#define START 1
#define COUNT 282
#define LONG 1200 /* bytes: more than a lane has room for */

static inline int setup(void)
{
	return kit_begin(16 << 20);
}

static inline struct scalar of_int(int64_t i)
{
	return (struct scalar){ .kind = SCALAR_INT, .i = i };
}

static inline uint64_t make(uint64_t length, int fill)
{
	struct object_spec spec = { .kind = SEG_KIND_ARRAY, .type_code = 'B', .length = length };
	struct scalar s = of_int(fill);
	uint64_t handle = kit_make(&spec);
	CU_ASSERT_EQUAL(array_fill(&lane, handle, 0, 0, &s), SABIR_OK);
	return handle;
}

static inline uint8_t *elements_of(uint64_t a)
{
	void *elements = NULL;
	uint64_t length;
	uint32_t letter;
	CU_ASSERT_EQUAL_FATAL(array_map(&lane, a, &elements, &length, &letter), SABIR_OK);
	return elements;
}

static inline void act_slice(struct lane *by, void *context)
{
	uint8_t data[COUNT];
	memset(data, 2, sizeof(data));
	array_set_slice(by, *(uint64_t *)context, START, 'B', (struct span){ data, sizeof(data) });
}

static inline void act_fill(struct lane *by, void *context)
{
	struct scalar two = of_int(2);
	array_fill(by, *(uint64_t *)context, START, COUNT, &two);
}

static inline void act_long_slice(struct lane *by, void *context)
{
	static uint8_t data[LONG];
	memset(data, 2, sizeof(data));
	array_set_slice(by, *(uint64_t *)context, 0, 'B', (struct span){ data, sizeof(data) });
}

static inline void act_recover(struct lane *by, void *context)
{
	owner_recover(by, *(uint32_t *)context);
}

struct scene {
	kit_act *act;
	struct kit_step step;
	struct lane victim;
	uint64_t a;
	struct arena_stats before;
};

static inline bool stage(struct scene *scene)
{
	account(&scene->before);
	scene->a = make(N, 1);
	scene->victim = kit_lane(&seg);
	return kit_die_at(&scene->step, scene->act, &scene->victim, &scene->a);
}

#endif
