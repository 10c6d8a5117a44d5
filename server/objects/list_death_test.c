/* SPDX-License-Identifier: Apache-2.0 */
/* Lists when their writers die at each of their steps, and when those who repair that die too. */
#include <stdlib.h>

#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/list.h"
#include "server/objects/object_test_kit.h"
#include "server/objects/shared_list.h"

#define N_OLD 150

static int setup(void)
{
	return kit_begin(16 << 20);
}

static uint8_t pool[400][64];

/* Integers, and text that has a block of its own. */
static struct span value_of(uint32_t n)
{
	uint8_t *at = pool[n % 400];
	char text[32];
	int len = snprintf(text, sizeof(text), "the text number %u", n);
	return (struct span){ at, n % 2 ? (size_t)(wire_put_bytes(at, VALUE_TEXT, text, (size_t)len) - at)
					: value_put_int(n, at) };
}

/* ---------------------------------------------------------------- what they die in */

static struct span many[80];

static void play_insert(struct lane *by, uint64_t list)
{
	list_insert(by, list, 70, value_of(301), NULL);
}

static void play_extend(struct lane *by, uint64_t list)
{
	list_extend(by, list, many, 80, NULL);
}

static void play_refused_extend(struct lane *by, uint64_t list)
{
	static uint8_t data[(1 << 20) + 1];
	struct span values[3] = { value_of(1), value_of(2), { data, sizeof(data) } };
	list_extend(by, list, values, 3, NULL);
}

static void play_set_slice(struct lane *by, uint64_t list)
{
	struct list_slice slice = { 20, 140, 1, true, true };
	list_set_slice(by, list, &slice, many, 9, NULL);
}

static void play_set_apart(struct lane *by, uint64_t list)
{
	struct list_slice slice = { 0, 0, -15, false, false };
	list_set_slice(by, list, &slice, many, 10, NULL);
}

static void play_pop(struct lane *by, uint64_t list)
{
	struct bytes out = { 0 };
	list_pop(by, list, 5, &out);
	bytes_fini(&out);
}

static void play_sort(struct lane *by, uint64_t list)
{
	struct list_trouble trouble;
	struct list_slice odd = { 0, 0, 2, false, false };
	list_delete_slice(by, list, &odd, &(uint64_t){ 0 });
	list_sort(by, list, true, (struct span){ NULL, 0 }, &trouble);
}

static void play_reverse(struct lane *by, uint64_t list)
{
	list_reverse(by, list);
}

static void play_repeat(struct lane *by, uint64_t list)
{
	list_repeat(by, list, 2, NULL);
}

static void play_clear(struct lane *by, uint64_t list)
{
	struct list_slice all = LIST_ALL;
	list_delete_slice(by, list, &all, &(uint64_t){ 0 });
}

static void play_delete(struct lane *by, uint64_t list)
{
	object_delete(by, list);
}

typedef void play_fn(struct lane *by, uint64_t list);
static const struct {
	const char *name;
	play_fn *play;
	unsigned n_states; /* that may be seen: before, behind, and between two changes */
} plays[] = {
	{ "insert", play_insert, 2 },       { "extend", play_extend, 2 },       { "refused", play_refused_extend, 1 },
	{ "set slice", play_set_slice, 2 }, { "set apart", play_set_apart, 2 }, { "pop", play_pop, 2 },
	{ "sort", play_sort, 3 },           { "reverse", play_reverse, 2 },     { "repeat", play_repeat, 2 },
	{ "clear", play_clear, 2 },         { "delete", play_delete, 0 },
};
#define N_PLAYS (sizeof(plays) / sizeof(plays[0]))

/* ---------------------------------------------------------------- the stage */

struct stage {
	play_fn *play;
	uint64_t list;
};

static void act(struct lane *by, void *context)
{
	const struct stage *stage = context;
	stage->play(by, stage->list);
}

static uint64_t filled(void)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t list = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &list), SABIR_OK);
	for (uint32_t i = 0; i < N_OLD; i++)
		CU_ASSERT_EQUAL(list_append(&lane, list, value_of(i), NULL), SABIR_OK);
	return list;
}

static bool picture(uint64_t list, struct bytes *out)
{
	struct list_slice all = LIST_ALL;
	uint32_t version = 0;
	uint64_t total;
	return list_get_slice(&lane, list, &all, 0, UINT64_MAX, &version, &total, out) == SABIR_OK;
}

static bool same(const struct bytes *a, const struct bytes *b)
{
	return a->n_items == b->n_items && a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

static struct bytes before, middle, after;

static void paint(size_t play)
{
	struct list_slice odd = { 0, 0, 2, false, false };
	uint64_t list = filled();
	bytes_fini(&before);
	bytes_fini(&middle);
	bytes_fini(&after);
	CU_ASSERT(picture(list, &before));
	if (plays[play].n_states == 0) {
		object_delete(&lane, list);
		return;
	}
	plays[play].play(&lane, list);
	CU_ASSERT(picture(list, &after));
	object_delete(&lane, list);
	list = filled();
	list_delete_slice(&lane, list, &odd, &(uint64_t){ 0 });
	CU_ASSERT(picture(list, &middle));
	object_delete(&lane, list);
}

/* The list is in one of its states, others can go on with it, and nothing leaks. */
static bool ends_well(uint64_t list, size_t play, const struct arena_stats *at_first, const struct kit_step *step)
{
	struct bytes now = { 0 };
	struct arena_stats at_last;
	struct lane other = kit_lane(&seg);
	bool there = picture(list, &now), ok = there || plays[play].n_states == 0;
	if (there) {
		ok = same(&now, &before) || (plays[play].n_states > 1 && same(&now, &after)) ||
		     (plays[play].n_states > 2 && same(&now, &middle));
		for (uint32_t i = 0; ok && i < 70; i++)
			ok = list_insert(&other, list, i, value_of(i), NULL) == SABIR_OK;
		if (step->nth % 2)
			play_clear(&other, list);
		ok &= object_delete(&other, list) == SABIR_OK;
	}
	kit_lane_close(&other);
	bytes_fini(&now);
	account(&at_last);
	ok &= at_first->used_bytes == at_last.used_bytes && at_first->n_blocks == at_last.n_blocks;
	if (!ok)
		printf("\n    %s, killed at %s #%u: %d, blocks %d -> %d", plays[play].name, step->name, step->nth,
		       there, (int)at_first->n_blocks, (int)at_last.n_blocks);
	return ok;
}

static struct kit_steps *steps_of(size_t play)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = kit_lane(&seg);
	struct arena_stats stats;
	account(&stats);
	struct stage stage = { plays[play].play, filled() };
	CU_ASSERT(kit_list_steps(steps, act, &victim, &stage));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	object_delete(&lane, stage.list);
	return steps;
}

/* Of steps that come hundreds of times some are enough. */
static bool is_worth_it(const struct kit_step *step)
{
	return step->nth <= 6 || step->nth % 37 == 0;
}

static void death_at_every_step_is_whole(void)
{
	unsigned n_points = 0;
	for (size_t i = 0; i < N_PLAYS; i++) {
		paint(i);
		struct kit_steps *steps = steps_of(i);
		for (unsigned k = 0; k < steps->n; k++) {
			struct arena_stats at_first;
			if (!is_worth_it(&steps->at[k]))
				continue;
			n_points++;
			account(&at_first);
			struct stage stage = { plays[i].play, filled() };
			struct lane victim = kit_lane(&seg);
			(void)kit_die_at(&steps->at[k], act, &victim, &stage);
			CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
			CU_ASSERT(ends_well(stage.list, i, &at_first, &steps->at[k]));
		}
		munmap(steps, sizeof(*steps));
	}
	printf("%u points ", n_points);
}

/* ---------------------------------------------------------------- death of the recovery */

static void act_recover(struct lane *by, void *context)
{
	owner_recover(by, *(uint32_t *)context);
}

static const struct kit_step last_steps[] = {
	{ "list_write.chained", 3 },   { "list_write.made", 5 },       { "list_write.prepared", 1 },
	{ "list_write.published", 1 }, { "list_settle.unchained", 2 }, { "list_settle.freed", 1 },
};

static bool survives_both(size_t play, const struct kit_step *first, const struct kit_step *second,
			  struct kit_steps *steps)
{
	struct arena_stats at_first;
	account(&at_first);
	struct stage stage = { plays[play].play, filled() };
	struct lane victim = kit_lane(&seg), helper;
	bool ok = kit_die_at(first, act, &victim, &stage);
	helper = kit_lane(&seg);
	if (second)
		(void)kit_die_at(second, act_recover, &helper, &victim.owner);
	else
		ok &= kit_list_steps(steps, act_recover, &helper, &victim.owner);
	ok &= owner_recover(&lane, helper.owner) == SABIR_OK;
	ok &= owner_recover(&lane, victim.owner) == SABIR_OK;
	return ends_well(stage.list, play, &at_first, second ? second : first) && ok;
}

static void death_of_the_recovery_is_repaired_by_the_next(void)
{
	paint(3);
	for (size_t i = 0; i < sizeof(last_steps) / sizeof(last_steps[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		CU_ASSERT(survives_both(3, &last_steps[i], NULL, steps));
		for (unsigned k = 0; k < steps->n; k++)
			if (strncmp(steps->at[k].name, "arena.", 6) && is_worth_it(&steps->at[k]))
				CU_ASSERT(survives_both(3, &last_steps[i], &steps->at[k], NULL));
		munmap(steps, sizeof(*steps));
	}
}

/* ---------------------------------------------------------------- readers beside writers */

/* Each change leaves all elements the same: a reader that saw half of one would find two kinds. */
static void nobody_sees_half_of_a_change(void)
{
	uint64_t list = filled();
	struct list_slice all = LIST_ALL;
	struct span values[2][100];
	bool *stop = kit_shared(sizeof(*stop));
	unsigned n_seen = 0;
	for (uint32_t i = 0; i < 200; i++)
		values[i / 100][i % 100] = value_of(i / 100);
	list_set_slice(&lane, list, &all, values[0], 100, NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct lane by = kit_lane(&seg);
		for (unsigned i = 1; !*(volatile bool *)stop; i++)
			list_set_slice(&by, list, &all, values[i % 2], 50 + i % 50, NULL);
		kit_lane_close(&by);
		_exit(0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		struct bytes out = { 0 };
		bool fine = picture(list, &out) && out.n_items >= 50;
		for (size_t k = 1; k < out.n_items; k++)
			fine &= bytes_item(&out, k).len == bytes_item(&out, 0).len;
		n_seen += fine;
		bytes_fini(&out);
	}
	*(volatile bool *)stop = true;
	CU_ASSERT_EQUAL(kit_wait(pid), 0);
	CU_ASSERT_EQUAL(n_seen, 3000);
	object_delete(&lane, list);
}

static void a_dead_writer_keeps_no_reader_waiting(void)
{
	paint(3);
	for (size_t i = 0; i < sizeof(last_steps) / sizeof(last_steps[0]); i++) {
		struct stage stage = { plays[3].play, filled() };
		struct lane victim = kit_lane(&seg);
		struct bytes now = { 0 };
		CU_ASSERT(kit_die_at(&last_steps[i], act, &victim, &stage));
		CU_ASSERT(picture(stage.list, &now) && same(&now, i < 3 ? &before : &after));
		bytes_fini(&now);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		object_delete(&lane, stage.list);
	}
}

/* ---------------------------------------------------------------- the shared list */

static void act_shared_set(struct lane *by, void *context)
{
	shared_list_set(by, *(uint64_t *)context, 1, value_of(3));
}

static void a_shared_list_has_the_old_element_or_the_new_one(void)
{
	uint8_t message[128], *p = wire_put_bytes(message, 1, value_of(2).data, value_of(2).len);
	p = wire_put_bytes(p, 1, value_of(1).data, value_of(1).len);
	struct object_spec spec = { .kind = SEG_KIND_SHARED_LIST, .initial = { message, (size_t)(p - message) } };
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = kit_lane(&seg);
	uint64_t list = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &list), SABIR_OK);
	CU_ASSERT(kit_list_steps(steps, act_shared_set, &victim, &list));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	for (unsigned k = 0; k < steps->n; k++) {
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL(shared_list_set(&lane, list, 1, value_of(1)), SABIR_OK);
		victim = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&steps->at[k], act_shared_set, &victim, &list));
		CU_ASSERT_EQUAL(shared_list_get(&lane, list, 1, &out), SABIR_OK);
		struct span now = bytes_item(&out, 0);
		CU_ASSERT(value_equal(now, value_of(1)) || value_equal(now, value_of(3)));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		bytes_fini(&out);
	}
	CU_ASSERT_EQUAL(shared_list_set(&lane, list, 0, value_of(1)), SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(shared_list_set(&lane, list, 2, value_of(2)), SABIR_OUT_OF_RANGE);
	munmap(steps, sizeof(*steps));
	object_delete(&lane, list);
}

static CU_TestInfo tests[] = {
	KIT_TEST(death_at_every_step_is_whole),
	KIT_TEST(death_of_the_recovery_is_repaired_by_the_next),
	KIT_TEST(nobody_sees_half_of_a_change),
	KIT_TEST(a_dead_writer_keeps_no_reader_waiting),
	KIT_TEST(a_shared_list_has_the_old_element_or_the_new_one),
};

int main(void)
{
	for (uint32_t i = 0; i < 80; i++)
		many[i] = value_of(310 + i);
	return kit_run("list_death", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
