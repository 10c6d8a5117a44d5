/* SPDX-License-Identifier: Apache-2.0 */
/* The dict when its writers die at each of their steps, and when those who repair that die too. */
#include <sched.h>

#include "server/objects/dict_test_kit.h"
#include "server/objects/task_queue.h"

#define N_OLD 12
#define MOST_STATES 20

static int setup(void)
{
	return kit_begin(16 << 20);
}

/* ---------------------------------------------------------------- what they die in: some operations in a row */

struct play {
	const char *name;
	void (*operation)(struct lane *by, uint64_t d, uint64_t i);
	uint64_t n;
	uint64_t n_old;
};

static void play_update(struct lane *by, uint64_t d, uint64_t i)
{
	uint64_t keys[6] = { 3, 100, 4, 101, 100, 3 }, values[6] = { 1000, 1001, 1002, 1003, 1004, 1005 + i };
	struct dict_entry entries[6];
	for (int k = 0; k < 6; k++)
		entries[k] = (struct dict_entry){ number_span(&keys[k]), number_span(&values[k]), 0 };
	dict_update(by, d, entries, 6, NULL);
}

/* Its last entry is too large: the others are rolled back. */
static void play_refused_update(struct lane *by, uint64_t d, uint64_t i)
{
	static uint8_t data[(1 << 20) + 1];
	uint64_t keys[4] = { 3, 100, 3, 101 };
	struct dict_entry entries[4];
	for (int k = 0; k < 4; k++)
		entries[k] = (struct dict_entry){ number_span(&keys[k]), number_span(&i), 0 };
	entries[3].value = (struct span){ data, sizeof(data) };
	dict_update(by, d, entries, 4, NULL);
}

static void play_set(struct lane *by, uint64_t d, uint64_t i)
{
	set(by, d, i % 2 ? 5 : 200 + i, i);
}

static void play_grow(struct lane *by, uint64_t d, uint64_t i)
{
	set(by, d, 200 + i, i);
}

static void play_delete(struct lane *by, uint64_t d, uint64_t i)
{
	del(by, d, (i * 5 + 3) % N_OLD);
}

static void play_popitem(struct lane *by, uint64_t d, uint64_t i)
{
	struct bytes out = { 0 };
	uint64_t key = i;
	if (i % 2)
		dict_pop(by, d, number_span(&key), &out);
	else
		dict_popitem(by, d, &out);
	bytes_fini(&out);
}

static void play_clear(struct lane *by, uint64_t d, uint64_t i)
{
	uint64_t removed;
	if (i == 1)
		set(by, d, 300, 1);
	else
		dict_clear(by, d, &removed);
}

static enum sabir_error flip(void *context, struct span now, struct span *next, bool *write)
{
	*next = now.data ? (struct span){ NULL, 0 } : number_span(context);
	*write = true;
	return SABIR_OK;
}

static void play_modify(struct lane *by, uint64_t d, uint64_t i)
{
	uint64_t key = 11;
	dict_modify(by, d, number_span(&key), flip, &i);
}

static void play_large(struct lane *by, uint64_t d, uint64_t i)
{
	static uint8_t data[300000];
	uint64_t key = 3;
	struct span value = { data, sizeof(data) - i * 1000 }, long_key = { data, 270000 };
	if (i < 2)
		dict_set(by, d, number_span(&key), value, NULL);
	else if (i == 2)
		dict_set(by, d, long_key, number_span(&key), NULL);
	else
		dict_delete(by, d, i == 3 ? long_key : number_span(&key));
}

/* Sets two entries that end, then one that has ended: the next operation removes it first. */
static void play_ends(struct lane *by, uint64_t d, uint64_t i)
{
	uint64_t keys[3] = { 3, 400 + i % 2, 3 }, values[3] = { i, i, i + 1 };
	struct dict_entry entries[3];
	for (int k = 0; k < 3; k++)
		entries[k] = (struct dict_entry){ number_span(&keys[k]), number_span(&values[k]),
						  dict_end_after(1000000000000ull + (uint64_t)k) };
	if (i % 3 != 2)
		dict_update(by, d, entries, 3, NULL);
	else
		dict_expire(by, d, number_span(&keys[1]), 0);
}

/* One operation removes what is due, in steps that all look the same to a reader. */
static void play_due(struct lane *by, uint64_t d, uint64_t i)
{
	struct dict_entry entry = { number_span(&i), number_span(&i), 1 }; /* long ago */
	if (i < 3)
		dict_set_entry(by, d, &entry, NULL);
	else
		dict_remove_due(by, d);
}

static void play_clear_ends(struct lane *by, uint64_t d, uint64_t i)
{
	uint64_t removed;
	if (i == 1)
		dict_clear(by, d, &removed);
	else
		play_ends(by, d, i);
}

static const struct play plays[] = {
	{ "update", play_update, 2, N_OLD },
	{ "refused update", play_refused_update, 1, N_OLD },
	{ "set", play_set, 4, N_OLD },
	{ "set in an empty dict", play_set, 3, 0 },
	{ "grow", play_grow, 18, N_OLD },
	{ "delete all", play_delete, 12, N_OLD },
	{ "shrink", play_popitem, 8, 70 },
	{ "clear", play_clear, 3, 70 },
	{ "modify", play_modify, 3, N_OLD },
	{ "modify the only key", play_modify, 3, 0 },
	{ "large", play_large, 5, N_OLD },
	{ "ends", play_ends, 5, N_OLD },
	{ "due", play_due, 4, N_OLD },
	{ "due in an empty dict", play_due, 4, 0 },
	{ "clear with ends", play_clear_ends, 3, N_OLD },
};
#define N_PLAYS (sizeof(plays) / sizeof(plays[0]))

/* ---------------------------------------------------------------- the states between its operations */

struct stage {
	const struct play *play;
	uint64_t d;
	uint64_t n; /* operations to perform */
};

static void act(struct lane *by, void *context)
{
	const struct stage *stage = context;
	for (uint64_t i = 0; i < stage->n; i++)
		stage->play->operation(by, stage->d, i);
}

static uint64_t filled(uint64_t n)
{
	uint64_t d = make_dict();
	for (uint64_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(set(&lane, d, i, i), SABIR_OK);
	return d;
}

static struct bytes states[MOST_STATES];
static uint64_t n_states;

/* All that can be seen of a dict; false if its parts don't agree. */
static bool picture(uint64_t d, struct bytes *out)
{
	uint64_t cursor = 0;
	struct object_info info;
	bool fine = dict_page(&lane, d, DICT_ITEMS, 10000, &cursor, out) == SABIR_OK;
	fine &= cursor == 0 && out->n_items == 2 * length_of(d);
	for (size_t i = 0; i + 1 < out->n_items; i += 2) {
		struct bytes value = { 0 };
		struct span expected = bytes_item(out, i + 1);
		fine &= dict_get(&lane, d, bytes_item(out, i), &value) == SABIR_OK && value.len == expected.len &&
			!memcmp(value.data, expected.data, expected.len);
		bytes_fini(&value);
	}
	return fine && object_describe(&lane, d, &info) == SABIR_OK && info.length == out->n_items / 2;
}

static void paint_states(const struct play *play)
{
	struct stage stage = { .play = play };
	n_states = play->n + 1;
	for (stage.n = 0; stage.n < n_states; stage.n++) {
		stage.d = filled(play->n_old);
		act(&lane, &stage);
		bytes_fini(&states[stage.n]);
		CU_ASSERT(picture(stage.d, &states[stage.n]));
		object_delete(&lane, stage.d);
	}
}

static bool same_items(const struct bytes *a, const struct bytes *b)
{
	return a->n_items == b->n_items && a->len == b->len && (a->len == 0 || !memcmp(a->data, b->data, a->len));
}

/* Which of the states the dict is in (the last one that looks so), or -1. */
static int state_of(uint64_t d)
{
	struct bytes now = { 0 };
	int found = -1;
	bool fine = picture(d, &now);
	for (uint64_t i = 0; fine && i < n_states; i++)
		if (same_items(&now, &states[i]))
			found = (int)i;
	bytes_fini(&now);
	return found;
}

/* ---------------------------------------------------------------- death, recovery */

struct scene {
	struct stage stage;
	struct kit_step step;
	struct lane victim;
	struct arena_stats before;
};

static bool die(struct scene *scene, const struct play *play)
{
	account(&scene->before);
	scene->stage = (struct stage){ play, filled(play->n_old), play->n };
	scene->victim = kit_lane(&seg);
	return kit_die_at(&scene->step, act, &scene->victim, &scene->stage);
}

/* The dict is in one of its states, another program can go on with it, and nothing leaks. */
static bool ends_well(const struct scene *scene)
{
	uint64_t d = scene->stage.d, got = 0, removed;
	struct arena_stats after;
	struct lane other = kit_lane(&seg);
	int state = state_of(d);
	bool ok = state >= 0;
	for (uint64_t i = 0; i < 40; i++)
		ok &= set(&other, d, 900 + i, i) == SABIR_OK && get(&lane, d, 900 + i, &got) == SABIR_OK && got == i;
	ok &= del(&other, d, 900) == SABIR_OK;
	ok &= state < 0 || length_of(d) == states[state].n_items / 2 + 39;
	if (scene->step.nth % 2)
		ok &= dict_clear(&other, d, &removed) == SABIR_OK && set(&other, d, 1, 1) == SABIR_OK;
	kit_lane_close(&other);
	ok &= object_delete(&lane, d) == SABIR_OK;
	account(&after);
	ok &= scene->before.used_bytes == after.used_bytes && scene->before.n_blocks == after.n_blocks;
	if (!ok)
		printf("\n    %s, killed at %s #%u: state %d, blocks %d -> %d", scene->stage.play->name,
		       scene->step.name, scene->step.nth, state, (int)scene->before.n_blocks, (int)after.n_blocks);
	return ok;
}

static struct kit_steps *steps_of(const struct play *play)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = kit_lane(&seg);
	struct arena_stats stats;
	account(&stats);
	struct stage stage = { play, filled(play->n_old), play->n };
	CU_ASSERT(kit_list_steps(steps, act, &victim, &stage));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(state_of(stage.d), (int)play->n);
	object_delete(&lane, stage.d);
	return steps;
}

static void death_at_every_step_is_whole(void)
{
	unsigned n_points = 0;
	for (size_t i = 0; i < N_PLAYS; i++) {
		paint_states(&plays[i]);
		struct kit_steps *steps = steps_of(&plays[i]);
		for (unsigned k = 0; k < steps->n; k++, n_points++) {
			struct scene scene = { .step = steps->at[k] };
			(void)die(&scene, &plays[i]); /* a refill more or less may move the last steps away */
			CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
			CU_ASSERT(ends_well(&scene));
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

static const struct {
	size_t play;
	const char *step;
	unsigned nth;
} last_steps[] = {
	{ 0, "dict_write.replaced", 3 },         { 0, "dict_write.counted", 1 },
	{ 0, "dict_write.committed", 1 },        { 0, "dict_settle.version_dropped", 2 },
	{ 1, "dict_settle.version_settled", 1 }, { 3, "dict_write.inserted", 1 },
	{ 3, "dict_order.root_made", 1 },        { 4, "dict_index.cell_moved", 3 },
	{ 4, "dict_index.table_left", 1 },       { 5, "dict_write.marked", 3 },
	{ 5, "dict_write.committed", 12 },       { 6, "journal.stored", 9 },
	{ 7, "dict_write.clearing", 1 },         { 7, "dict_write.committed", 1 },
	{ 7, "dict_order.entry_freed", 5 },      { 10, "dict_write.committed", 2 },
	{ 11, "dict_write.replaced", 2 },        { 11, "dict_write.committed", 2 },
	{ 12, "dict_write.marked", 2 },          { 12, "dict_time.dropped", 3 },
	{ 13, "dict_settle.entry_removed", 1 },  { 14, "dict_write.committed", 2 },
};

/* The victim dies at one step, its first recovery at another; a second one repairs both. */
static bool survives_both(const struct scene *first, const struct play *play, const struct kit_step *second)
{
	struct scene scene = { .step = first->step };
	bool died = die(&scene, play);
	struct lane helper = kit_lane(&seg);
	(void)kit_die_at(second, act_recover, &helper, &scene.victim.owner);
	bool ok = owner_recover(&lane, helper.owner) == SABIR_OK;
	ok &= owner_recover(&lane, scene.victim.owner) == SABIR_OK;
	ok &= ends_well(&scene) && died;
	if (!ok)
		printf("\n        its recovery killed at %s #%u", second->name, second->nth);
	return ok;
}

static void death_of_the_recovery_is_repaired_by_the_next(void)
{
	for (size_t i = 0; i < sizeof(last_steps) / sizeof(last_steps[0]); i++) {
		const struct play *play = &plays[last_steps[i].play];
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct scene scene = { .step = { .nth = last_steps[i].nth } };
		snprintf(scene.step.name, sizeof(scene.step.name), "%s", last_steps[i].step);
		paint_states(play);
		CU_ASSERT(die(&scene, play));
		struct lane helper = kit_lane(&seg);
		CU_ASSERT(kit_list_steps(steps, act_recover, &helper, &scene.victim.owner));
		CU_ASSERT_EQUAL(owner_recover(&lane, helper.owner), SABIR_OK);
		CU_ASSERT(ends_well(&scene));
		for (unsigned k = 0; k < steps->n; k++)
			if (strncmp(steps->at[k].name, "arena.", 6)) /* thousands, and tested there */
				CU_ASSERT(survives_both(&scene, play, &steps->at[k]));
		munmap(steps, sizeof(*steps));
	}
}

/* ---------------------------------------------------------------- between death and recovery */

static void nobody_waits_for_a_dead_writer_to_read(void)
{
	paint_states(&plays[0]);
	static const char *const steps[] = { "dict_write.prepared", "dict_write.replaced", "dict_write.counted",
					     "dict_write.committed", "dict_settle.version_dropped" };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct scene scene = { .step = { .nth = 1 } };
		snprintf(scene.step.name, sizeof(scene.step.name), "%s", steps[i]);
		CU_ASSERT(die(&scene, &plays[0]));
		CU_ASSERT_EQUAL(state_of(scene.stage.d), i < 3 ? 0 : 1);
		lane.lock_patience_ns = 1000000;
		CU_ASSERT_EQUAL(set(&lane, scene.stage.d, 1, 1), SABIR_BUSY);
		lane.lock_patience_ns = 0;
		CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(state_of(scene.stage.d), i < 3 ? 0 : 1);
		CU_ASSERT(ends_well(&scene));
	}
}

static void who_waits_for_the_lock_goes_on(void)
{
	struct scene scene = { .step = { .name = "dict_write.replaced", .nth = 1 } };
	uint64_t got = 0;
	CU_ASSERT(die(&scene, &plays[0]));
	pid_t pid = fork();
	if (pid == 0) {
		struct lane mine = kit_lane(&seg);
		_exit(set(&mine, scene.stage.d, 3, 77) != SABIR_OK);
	}
	/* It sleeps when it has said so in the lock's word. */
	uint64_t *lock = &seg.objects[object_index(scene.stage.d)].lock;
	while (!(load64_seq(lock) & 0x4000))
		sched_yield();
	CU_ASSERT_EQUAL(owner_recover(&lane, scene.victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(kit_wait(pid), 0);
	CU_ASSERT_EQUAL(get(&lane, scene.stage.d, 3, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 77);
	CU_ASSERT_EQUAL(object_delete(&lane, scene.stage.d), SABIR_OK);
}

static void act_name(struct lane *by, void *context)
{
	struct span name = { (const uint8_t *)"dying", 5 };
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	uint64_t handle = 0;
	(void)context;
	if (object_create(by, name, &spec, false, &handle) == SABIR_OK)
		object_delete(by, handle);
}

/* The directory is a dict too. */
static void names_survive_those_who_give_them(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct span name = { (const uint8_t *)"dying", 5 };
	struct lane victim = kit_lane(&seg);
	struct arena_stats before, after;
	uint64_t found;
	CU_ASSERT(kit_list_steps(steps, act_name, &victim, NULL));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	account(&before);
	for (unsigned k = 0; k < steps->n; k++) {
		victim = kit_lane(&seg);
		(void)kit_die_at(&steps->at[k], act_name, &victim, NULL);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		if (object_open(&lane, name, &found) == SABIR_OK)
			CU_ASSERT_EQUAL(object_delete(&lane, found), SABIR_OK);
		account(&after);
		CU_ASSERT_EQUAL(before.n_blocks, after.n_blocks);
	}
	munmap(steps, sizeof(*steps));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(death_at_every_step_is_whole),
		KIT_TEST(death_of_the_recovery_is_repaired_by_the_next),
		KIT_TEST(nobody_waits_for_a_dead_writer_to_read),
		KIT_TEST(who_waits_for_the_lock_goes_on),
		KIT_TEST(names_survive_those_who_give_them),
	};
	return kit_run("dict, deaths", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
