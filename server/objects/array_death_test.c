/* SPDX-License-Identifier: Apache-2.0 */
/* The array when its users die at each of their steps, and when those who repair that die too. */
#include <sched.h>

#include "server/objects/array_test_kit.h"

/* ---------------------------------------------------------------- what they die in */

static void act_read(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	uint32_t letter;
	array_get_slice(by, *(uint64_t *)context, 0, 0, &out, &letter);
	bytes_fini(&out);
}

static void act_elements(struct lane *by, void *context)
{
	struct scalar one = of_int(1), round = of_int(256), s;
	bool exchanged;
	array_add(by, *(uint64_t *)context, START, &round, &s);
	array_compare_exchange(by, *(uint64_t *)context, START, &one, &one, &exchanged, &s);
	array_set(by, *(uint64_t *)context, START, &one);
}

static void act_create(struct lane *by, void *context)
{
	struct object_spec spec = { .kind = SEG_KIND_ARRAY, .type_code = 'B', .length = 600000 };
	uint64_t made;
	(void)context;
	object_create(by, (struct span){ NULL, 0 }, &spec, true, &made);
}

static void act_delete(struct lane *by, void *context)
{
	object_delete(by, *(uint64_t *)context);
}

/* Two earlier operations, so that the lane carries what they left. */
static void act_second_slice(struct lane *by, void *context)
{
	struct scalar one = of_int(1);
	array_fill(by, *(uint64_t *)context, 0, N, &one);
	act_slice(by, context);
}

static kit_act *const acts[] = {
	act_slice, act_fill, act_read, act_elements, act_create, act_delete, act_second_slice
};
#define N_ACTS (sizeof(acts) / sizeof(acts[0]))

/* Outside the slice all ones, inside all ones or all twos; whether they are twos. */
static bool whole(const uint8_t *elements, bool *written)
{
	bool fine = elements[0] == 1;
	*written = elements[START] == 2;
	for (int i = START; i < START + COUNT; i++)
		fine &= elements[i] == (*written ? 2 : 1);
	for (int i = START + COUNT; i < N; i++)
		fine &= elements[i] == 1;
	return fine;
}

static bool is_usable(uint64_t a)
{
	struct bytes out = { 0 };
	uint32_t letter;
	struct scalar nine = of_int(9);
	bool ok = array_fill(&lane, a, 0, 0, &nine) == SABIR_OK &&
		  array_get_slice(&lane, a, 0, 0, &out, &letter) == SABIR_OK;
	for (int i = 0; ok && i < N; i++)
		ok &= out.data[i] == 9;
	bytes_fini(&out);
	return ok;
}

/* After the recovery: wholly old or new, new from the commitment on, usable, and nothing leaked. */
static bool ends_well(const struct scene *scene)
{
	struct arena_stats after;
	struct object_info info;
	bool written = false, ok = true;
	enum sabir_error error = object_describe(&lane, scene->a, &info);
	if (error == SABIR_OK) {
		ok &= whole(elements_of(scene->a), &written);
		ok &= written || strcmp(scene->step.name, "array_slice.committed") || scene->act == act_second_slice;
		ok &= is_usable(scene->a) && object_delete(&lane, scene->a) == SABIR_OK;
	} else {
		ok &= error == SABIR_DELETED && scene->act == act_delete;
	}
	account(&after);
	ok &= scene->before.used_bytes == after.used_bytes && scene->before.n_blocks == after.n_blocks;
	if (!ok)
		printf("\n    killed at %s #%u: blocks %d -> %d, %s", scene->step.name, scene->step.nth,
		       (int)scene->before.n_blocks, (int)after.n_blocks, written ? "written" : "not written");
	return ok;
}

static struct kit_steps *steps_of(kit_act *act)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = kit_lane(&seg);
	struct arena_stats stats;
	account(&stats);
	uint64_t a = make(N, 1);
	CU_ASSERT(kit_list_steps(steps, act, &victim, &a));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	object_delete(&lane, a);
	return steps;
}

static void death_at_every_step_is_whole(void)
{
	for (size_t i = 0; i < N_ACTS; i++) {
		struct kit_steps *steps = steps_of(acts[i]);
		for (unsigned k = 0; k < steps->n; k++) {
			struct scene scene = { .act = acts[i], .step = steps->at[k] };
			(void)stage(&scene); /* a refill more or less may move the last steps away */
			CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
			CU_ASSERT(ends_well(&scene));
		}
		munmap(steps, sizeof(*steps));
	}
}

/* ---------------------------------------------------------------- death of the recovery */

static const char *const last_steps[] = {
	"array_slice.locked",   "array_slice.prepared", "array_slice.committed", "array_slice.storing",
	"array_slice.stored",   "array_slice.finished", "array_slice.open",      "array_slice.freed",
	"array_slice.released", "array_slice.notified",
};

/* The victim dies at one step, its first recovery at another; a second one repairs both. */
static bool survives_both(const char *step, const struct kit_step *second)
{
	struct scene scene = { .act = act_slice, .step = { .nth = 1 } };
	snprintf(scene.step.name, sizeof(scene.step.name), "%s", step);
	bool died = stage(&scene);
	struct lane helper = kit_lane(&seg);
	(void)kit_die_at(second, act_recover, &helper, &scene.victim.owner);
	bool ok = owner_recover(&lane, helper.owner) == SABIR_OK;
	ok &= owner_recover(&lane, scene.victim.owner) == SABIR_OK;
	return ends_well(&scene) && ok && died;
}

static void death_of_the_recovery_is_repaired_by_the_next(void)
{
	for (size_t i = 0; i < sizeof(last_steps) / sizeof(last_steps[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct scene scene = { .act = act_slice, .step = { .nth = 1 } };
		snprintf(scene.step.name, sizeof(scene.step.name), "%s", last_steps[i]);
		CU_ASSERT(stage(&scene));
		struct lane helper = kit_lane(&seg);
		CU_ASSERT(kit_list_steps(steps, act_recover, &helper, &scene.victim.owner));
		CU_ASSERT_EQUAL(owner_recover(&lane, helper.owner), SABIR_OK);
		CU_ASSERT(ends_well(&scene));
		unsigned stride = steps->n / 150 + 1; /* one slab's rescan has thousands of steps */
		for (unsigned k = 0; k < steps->n; k += stride)
			CU_ASSERT(survives_both(last_steps[i], &steps->at[k]));
		munmap(steps, sizeof(*steps));
	}
}

static void who_waits_for_the_slice_goes_on(void)
{
	struct scene scene = { .act = act_slice, .step = { .name = "array_slice.committed", .nth = 1 } };
	CU_ASSERT(stage(&scene));
	pid_t pid = fork();
	if (pid == 0) {
		struct lane mine = kit_lane(&seg);
		struct scalar three = of_int(3);
		_exit(array_fill(&mine, scene.a, 0, 0, &three) != SABIR_OK);
	}
	/* It sleeps when it has said so in the lock's word. */
	uint64_t *lock = &seg.objects[object_index(scene.a)].lock;
	while (!(load64_seq(lock) & 0x4000))
		sched_yield();
	CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(kit_wait(pid), 0);
	CU_ASSERT_EQUAL(elements_of(scene.a)[N - 1], 3);
	CU_ASSERT_EQUAL(elements_of(scene.a)[START], 3);
	CU_ASSERT_EQUAL(object_delete(&lane, scene.a), SABIR_OK);
}

static void patience_ends_with_busy_and_leaks_nothing(void)
{
	struct scene scene = { .act = act_slice, .step = { .name = "array_slice.locked", .nth = 1 } };
	struct scalar three = of_int(3), s;
	struct bytes out = { 0 };
	uint32_t letter;
	CU_ASSERT(stage(&scene));
	lane.lock_patience_ns = 1000000;
	CU_ASSERT_EQUAL(array_fill(&lane, scene.a, 0, 0, &three), SABIR_BUSY);
	CU_ASSERT_EQUAL(array_set_slice(&lane, scene.a, 0, 'B', (struct span){ (const uint8_t *)"x", 1 }), SABIR_BUSY);
	CU_ASSERT_EQUAL(array_get_slice(&lane, scene.a, 0, 0, &out, &letter), SABIR_BUSY);
	CU_ASSERT_EQUAL(out.n_items, 0);
	CU_ASSERT_EQUAL(array_get(&lane, scene.a, 0, &s), SABIR_OK); /* elements need no lock */
	lane.lock_patience_ns = 0;
	bytes_fini(&out);
	CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
	CU_ASSERT(ends_well(&scene));
}

/* Longer than what finds room in the lane. */
static void death_in_a_long_slice_is_whole(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before, after;
	account(&before);
	struct lane victim = kit_lane(&seg);
	uint64_t a = make(LONG, 1);
	CU_ASSERT(kit_list_steps(steps, act_long_slice, &victim, &a));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	for (unsigned k = 0; k < steps->n; k++) {
		struct scalar one = of_int(1);
		CU_ASSERT_EQUAL(array_fill(&lane, a, 0, 0, &one), SABIR_OK);
		victim = kit_lane(&seg);
		(void)kit_die_at(&steps->at[k], act_long_slice, &victim, &a);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT(!memcmp(elements_of(a), elements_of(a) + 1, LONG - 1));
	}
	CU_ASSERT_EQUAL(object_delete(&lane, a), SABIR_OK);
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	munmap(steps, sizeof(*steps));
}

static void many_deaths_leave_nothing(void)
{
	struct arena_stats before, after;
	account(&before);
	uint64_t a = make(N, 1);
	for (int i = 0; i < 300; i++) {
		struct lane victim = kit_lane(&seg);
		struct kit_step step = { .nth = 1 };
		snprintf(step.name, sizeof(step.name), "%s", last_steps[i % 10]);
		CU_ASSERT(kit_die_at(&step, act_slice, &victim, &a));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	}
	CU_ASSERT_EQUAL(object_delete(&lane, a), SABIR_OK);
	account(&after);
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(before.n_blocks, after.n_blocks);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(death_at_every_step_is_whole),    KIT_TEST(death_of_the_recovery_is_repaired_by_the_next),
		KIT_TEST(who_waits_for_the_slice_goes_on), KIT_TEST(patience_ends_with_busy_and_leaks_nothing),
		KIT_TEST(death_in_a_long_slice_is_whole),  KIT_TEST(many_deaths_leave_nothing),
	};
	return kit_run("array, deaths", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
