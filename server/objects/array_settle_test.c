/* SPDX-License-Identifier: Apache-2.0 */
/* Slices whose writer has died: what the recovery makes of the record and of what others have done meanwhile. */
#include <sched.h>
#include <signal.h>

#include "server/objects/array_test_kit.h"

/* ---------------------------------------------------------------- between death and recovery */

static void what_others_did_since_is_kept(void)
{
	struct scene scene = { .act = act_slice, .step = { .name = "array_slice.stored", .nth = 9 } };
	struct scalar five = of_int(5), s;
	CU_ASSERT(stage(&scene));
	uint8_t *elements = elements_of(scene.a);
	CU_ASSERT_EQUAL(elements[START], 2);
	CU_ASSERT_EQUAL(elements[START + COUNT - 1], 1);
	CU_ASSERT_EQUAL(array_add(&lane, scene.a, START, &five, &s), SABIR_OK); /* takes no lock */
	CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(elements[START], 7);
	CU_ASSERT_EQUAL(elements[START + COUNT - 1], 2);
	CU_ASSERT_EQUAL(object_delete(&lane, scene.a), SABIR_OK);
}

/*
 * What somebody adds to an element between the writer's death and the recovery: `first`, then `second`. Of the slice's bytes
 * 1..282 the first seven, the 128th, where a step ends, and those behind it to the next word are stored one by one, and the
 * others in words: so the 8th store is of 8..15, the 23rd of 128, the 24th of 129, the 58th and last of 282.
 */
struct added {
	struct kit_step step;
	int64_t element;
	int first, second;
	uint8_t expected;
};

static bool is_settled(const struct added *c, kit_act *act)
{
	struct scene scene = { .act = act, .step = c->step };
	struct scalar first = of_int(c->first), second = of_int(c->second), s;
	bool ok = stage(&scene);
	uint8_t *elements = elements_of(scene.a);
	ok &= array_add(&lane, scene.a, c->element, &first, &s) == SABIR_OK;
	ok &= array_add(&lane, scene.a, c->element, &second, &s) == SABIR_OK;
	ok &= owner_recover(&lane, scene.victim.owner) == SABIR_OK;
	for (int k = 0; k < N; k++) {
		uint8_t plain = k < START || k >= START + COUNT ? 1 : 2;
		ok &= elements[k] == (k == c->element ? c->expected : plain);
	}
	if (!ok)
		printf("\n    %s #%u, element %d: %d", c->step.name, c->step.nth, (int)c->element,
		       elements[c->element]);
	CU_ASSERT_EQUAL(object_delete(&lane, scene.a), SABIR_OK);
	return ok;
}

/* Stored before: what others made of it stays, also where that is what was there before the slice. */
static void what_others_did_to_stored_elements_is_kept(void)
{
	static const struct added cases[] = {
		{ { "array_slice.stored", 1 }, START, 5, 0, 7 },  { { "array_slice.stored", 1 }, START, -1, 0, 1 },
		{ { "array_slice.stored", 1 }, START, -1, 2, 3 }, { { "array_slice.stored", 8 }, 9, -1, 0, 1 },
		{ { "array_slice.stored", 23 }, 128, -1, 0, 1 },  { { "array_slice.storing", 24 }, 128, -1, 0, 1 },
		{ { "array_slice.stored", 24 }, 5, -1, 0, 1 },    { { "array_slice.stored", 58 }, 282, -1, 0, 1 },
		{ { "array_slice.finished", 1 }, 282, -1, 0, 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT(is_settled(&cases[i], act_slice) && is_settled(&cases[i], act_fill));
}

/* Not stored: the slice is whole, so what others did comes before it; unless they went on from what the slice has there. */
static void what_others_did_to_elements_not_stored_is_written_over(void)
{
	static const struct added cases[] = {
		{ { "array_slice.storing", 1 }, START, 5, 0, 2 }, { { "array_slice.storing", 8 }, 9, 5, 1, 2 },
		{ { "array_slice.stored", 1 }, 40, 5, 0, 2 },     { { "array_slice.committed", 1 }, 282, 5, 0, 2 },
		{ { "array_slice.storing", 1 }, START, 1, 5, 7 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT(is_settled(&cases[i], act_slice) && is_settled(&cases[i], act_fill));
}

/* The first recovery has stored the first element, and dies; the second one finds what has been made of that. */
static void what_others_did_between_two_recoveries_is_kept(void)
{
	static const struct kit_step died = { "array_settle.element", 1 };
	struct scene scene = { .act = act_slice, .step = { "array_slice.storing", 1 } };
	struct scalar back = of_int(-1), s;
	CU_ASSERT(stage(&scene));
	struct lane helper = kit_lane(&seg);
	CU_ASSERT(kit_die_at(&died, act_recover, &helper, &scene.victim.owner));
	uint8_t *elements = elements_of(scene.a);
	CU_ASSERT_EQUAL(elements[START], 2);
	CU_ASSERT_EQUAL(array_add(&lane, scene.a, START, &back, &s), SABIR_OK);
	CU_ASSERT_EQUAL(owner_recover(&lane, helper.owner), SABIR_OK);
	CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(elements[START], 1);
	CU_ASSERT_EQUAL(elements[START + 1], 2);
	CU_ASSERT_EQUAL(elements[START + COUNT - 1], 2);
	CU_ASSERT_EQUAL(object_delete(&lane, scene.a), SABIR_OK);
}

/* ---------------------------------------------------------------- at any moment */

#define WIDE 240    /* elements of 32 bits: numbers that don't come again */
#define CHANGED 140 /* the one that somebody changes meanwhile, in the second step */
#define N_DEATHS 100

/* Slices of ever larger even numbers, until it is killed. */
static void write_slices(struct lane *mine, uint64_t a, uint32_t n)
{
	uint32_t data[WIDE];
	for (;;) {
		n += 2;
		for (int i = 0; i < WIDE; i++)
			data[i] = n;
		array_set_slice(mine, a, 0, 'I', (struct span){ (const uint8_t *)data, sizeof(data) });
	}
}

/* Makes even numbers odd; the same one twice: what it had made of it was written over. */
static void make_odd(uint64_t a, const uint32_t *over)
{
	struct lane mine = kit_lane(&seg);
	int64_t last = -1;
	int bad = 0;
	while (!load32_acquire(over)) {
		struct scalar found = { 0 };
		bool done = false;
		array_get(&mine, a, CHANGED, &found);
		if (found.u & 1)
			continue;
		struct scalar even = of_int((int64_t)found.u), odd = of_int((int64_t)found.u + 1);
		array_compare_exchange(&mine, a, CHANGED, &even, &odd, &done, &found);
		bad |= done && even.i == last;
		last = done ? even.i : last;
	}
	kit_lane_close(&mine);
	_exit(bad);
}

static void kill_a_writer(uint64_t a, unsigned after_us)
{
	struct lane victim = kit_lane(&seg);
	const uint32_t *elements = (const uint32_t *)(const void *)elements_of(a);
	uint32_t last = load32_relaxed(elements);
	pid_t writer = fork();
	if (writer == 0)
		write_slices(&victim, a, last);
	while (load32_relaxed(elements) == last)
		sched_yield();
	usleep(after_us);
	kill(writer, SIGKILL);
	(void)kit_wait(writer);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT(!memcmp(elements, elements + 1, (CHANGED - 1) * sizeof(*elements)));
	CU_ASSERT((load32_relaxed(elements + CHANGED) & ~1u) == load32_relaxed(elements));
}

static void who_changes_elements_beside_dying_writers_loses_nothing(void)
{
	struct object_spec spec = { .kind = SEG_KIND_ARRAY, .type_code = 'I', .length = WIDE };
	uint32_t *over = kit_shared(sizeof(*over));
	uint64_t a = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &a), SABIR_OK);
	pid_t changer = fork();
	if (changer == 0)
		make_odd(a, over);
	for (unsigned i = 0; i < N_DEATHS; i++)
		kill_a_writer(a, i * 7919 % 200);
	store32_release(over, 1);
	CU_ASSERT_EQUAL(kit_wait(changer), 0);
	CU_ASSERT_EQUAL(object_delete(&lane, a), SABIR_OK);
	munmap(over, sizeof(*over));
}

/* ---------------------------------------------------------------- damaged records */

/* What a dead lane's record says is not believed. */
static void check_damage(kit_act *act, int arg, uint64_t value)
{
	struct kit_step committed = { "array_slice.committed", 1 };
	struct lane victim = kit_lane(&seg);
	struct scalar s;
	uint64_t a = make(LONG, 1);
	CU_ASSERT(kit_die_at(&committed, act, &victim, &a));
	uint8_t *elements = elements_of(a);
	victim.shared->args[arg] = value;
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT(elements[0] == 1 && !memcmp(elements, elements + 1, LONG - 1));
	CU_ASSERT_EQUAL(array_get(&lane, a, 0, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, a), SABIR_OK);
}

static void a_damaged_record_is_data_loss_of_its_array(void)
{
	static const struct {
		int arg;
		uint64_t value;
	} damages[] = {
		{ 0, 1 },
		{ 0, 4ull << 32 | 1 },
		{ 0, 1ull << 32 | 2 },
		{ 1, UINT64_MAX },
		{ 1, (uint64_t)LONG << 32 | 1 },
		{ 1, 1ull << 32 | LONG },
		{ 1, 0 },
		{ 4, 99ull << 32 },
	};
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		check_damage(act_slice, damages[i].arg, damages[i].value);
}

static void a_damaged_record_of_a_long_slice_is_data_loss_of_its_array(void)
{
	static const struct {
		int arg;
		uint64_t value;
	} damages[] = { { 0, 1ull << 32 | 1 }, { 1, LONG + 1 },       { 2, 0 },
			{ 2, UINT64_MAX },     { 2, 1ull << 32 | 5 }, { 2, 4096 } };
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		check_damage(act_long_slice, damages[i].arg, damages[i].value);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_others_did_since_is_kept),
		KIT_TEST(what_others_did_to_stored_elements_is_kept),
		KIT_TEST(what_others_did_to_elements_not_stored_is_written_over),
		KIT_TEST(what_others_did_between_two_recoveries_is_kept),
		KIT_TEST(who_changes_elements_beside_dying_writers_loses_nothing),
		KIT_TEST(a_damaged_record_is_data_loss_of_its_array),
		KIT_TEST(a_damaged_record_of_a_long_slice_is_data_loss_of_its_array),
	};
	return kit_run("array, unfinished slices", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
