/* SPDX-License-Identifier: Apache-2.0 */
/* The dict against a plain model, read while it is written, and when its writers die at each of their steps. */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/fault.h"
#include "server/objects/dict.h"

static struct segment seg;
static struct lane lane;

static int setup(void)
{
	struct segment_options options = {
		.memory_limit = 256 << 20, .n_owners = 64, .n_lanes = 128, .n_objects = 256, .max_item_bytes = 1 << 20
	};
	uint32_t owner;
	if (segment_create(&options, &seg) || owner_open(&seg, 1, "test", &owner) || lane_open(&seg, owner, &lane))
		return -1;
	return object_init_directory(&lane) ? -1 : 0;
}

static int teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

static struct lane new_lane(void)
{
	struct lane made;
	uint32_t owner;
	CU_ASSERT_EQUAL_FATAL(owner_open(&seg, (uint32_t)getpid(), "test", &owner), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(lane_open(&seg, owner, &made), SABIR_OK);
	return made;
}

static uint64_t make_dict(const char *name)
{
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	uint64_t handle = 0;
	struct span span = { (const uint8_t *)name, name ? strlen(name) : 0 };
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, span, &spec, false, &handle), SABIR_OK);
	return handle;
}

static struct span number_span(const uint64_t *n)
{
	return (struct span){ (const uint8_t *)n, sizeof(*n) };
}

static enum sabir_error set(struct lane *by, uint64_t d, uint64_t key, uint64_t value)
{
	bool inserted;
	return dict_set(by, d, number_span(&key), number_span(&value), &inserted);
}

static enum sabir_error get(struct lane *by, uint64_t d, uint64_t key, uint64_t *value)
{
	struct bytes out;
	uint8_t fixed[64];
	bytes_init(&out, fixed, sizeof(fixed));
	enum sabir_error error = dict_get(by, d, number_span(&key), &out);
	if (!error)
		memcpy(value, bytes_item(&out, 0).data, sizeof(*value));
	bytes_fini(&out);
	return error;
}

static uint64_t length_of(uint64_t d)
{
	uint64_t n = 77777777;
	CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_OK);
	return n;
}

/* ---------------------------------------------------------------- against a model */

#define N_KEYS 500

struct model {
	uint64_t value[N_KEYS];
	uint64_t order[N_KEYS]; /* 0 = absent */
	uint64_t next;
	uint64_t n;
};

static void model_set(struct model *m, uint64_t key, uint64_t value)
{
	if (!m->order[key]) {
		m->order[key] = ++m->next;
		m->n++;
	}
	m->value[key] = value;
}

static void model_delete(struct model *m, uint64_t key)
{
	m->n -= m->order[key] != 0;
	m->order[key] = 0;
}

/* Keys in pages are those of the model, in the order of their insertion. */
static void pages_agree(uint64_t d, const struct model *m)
{
	uint64_t cursor = 0, n = 0, last = 0;
	do {
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL_FATAL(dict_page(&lane, d, DICT_ITEMS, 37, &cursor, &out), SABIR_OK);
		for (size_t i = 0; i + 1 < out.n_items; i += 2, n++) {
			uint64_t key, value;
			memcpy(&key, bytes_item(&out, i).data, 8);
			memcpy(&value, bytes_item(&out, i + 1).data, 8);
			CU_ASSERT_FATAL(key < N_KEYS);
			CU_ASSERT(m->order[key] > last);
			CU_ASSERT_EQUAL(value, m->value[key]);
			last = m->order[key];
		}
		bytes_fini(&out);
	} while (cursor);
	CU_ASSERT_EQUAL(n, m->n);
}

static void random_step(uint64_t d, struct model *m, uint64_t step)
{
	uint64_t key = (uint64_t)rand() % N_KEYS, got = 0;
	enum sabir_error expected = m->order[key] ? SABIR_OK : SABIR_KEY_NOT_FOUND;
	switch (rand() % 8) {
	case 0:
		CU_ASSERT_EQUAL(dict_delete(&lane, d, number_span(&key)), expected);
		model_delete(m, key);
		break;
	case 1:
	case 2:
		CU_ASSERT_EQUAL(get(&lane, d, key, &got), expected);
		CU_ASSERT(expected || got == m->value[key]);
		break;
	case 3:
		if (rand() % 200 == 0) {
			CU_ASSERT_EQUAL(dict_clear(&lane, d, &got), SABIR_OK);
			CU_ASSERT_EQUAL(got, m->n);
			memset(m->order, 0, sizeof(m->order));
			m->n = 0;
		}
		break;
	default:
		CU_ASSERT_EQUAL(set(&lane, d, key, step), SABIR_OK);
		model_set(m, key, step);
	}
	CU_ASSERT_EQUAL(length_of(d), m->n);
}

static void agrees_with_a_model(void)
{
	static struct model m;
	uint64_t d = make_dict(NULL);
	srand(1);
	for (uint64_t step = 1; step <= 20000; step++) {
		random_step(d, &m, step);
		if (step % 500 == 0)
			pages_agree(d, &m);
	}
	object_delete(&lane, d);
}

static void grows_and_shrinks(void)
{
	const uint64_t n = 200000;
	uint64_t d = make_dict(NULL), got = 0, bad = 0;
	for (uint64_t i = 0; i < n; i++)
		bad += set(&lane, d, i, i * 3) != SABIR_OK;
	for (uint64_t i = 0; i < n; i++)
		bad += get(&lane, d, i, &got) != SABIR_OK || got != i * 3;
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), n);
	for (uint64_t i = 0; i < n - 10; i++)
		bad += dict_delete(&lane, d, number_span(&i)) != SABIR_OK;
	for (uint64_t i = 0; i < n; i++)
		bad += get(&lane, d, i, &got) != (i < n - 10 ? SABIR_KEY_NOT_FOUND : SABIR_OK);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(length_of(d), 10);
	object_delete(&lane, d);
}

static void pop_setdefault_and_popitem(void)
{
	uint64_t d = make_dict(NULL), key = 1, value = 10, other = 11, got;
	struct bytes out = { 0 };
	bool inserted = false;
	CU_ASSERT_EQUAL(dict_popitem(&lane, d, &out), SABIR_EMPTY);
	CU_ASSERT_EQUAL(dict_setdefault(&lane, d, number_span(&key), number_span(&value), &out, &inserted), SABIR_OK);
	CU_ASSERT(inserted);
	CU_ASSERT_EQUAL(dict_setdefault(&lane, d, number_span(&key), number_span(&other), &out, &inserted), SABIR_OK);
	CU_ASSERT(!inserted);
	CU_ASSERT_EQUAL(memcmp(out.data, out.data + 8, 8), 0);
	set(&lane, d, 2, 20);
	bytes_truncate(&out, 0);
	CU_ASSERT_EQUAL(dict_popitem(&lane, d, &out), SABIR_OK);
	memcpy(&got, bytes_item(&out, 1).data, 8);
	CU_ASSERT_EQUAL(got, 20);
	CU_ASSERT_EQUAL(dict_pop(&lane, d, number_span(&key), &out), SABIR_OK);
	CU_ASSERT_EQUAL(dict_pop(&lane, d, number_span(&key), &out), SABIR_KEY_NOT_FOUND);
	CU_ASSERT_EQUAL(length_of(d), 0);
	bytes_fini(&out);
	object_delete(&lane, d);
}

static void update_takes_the_last_of_a_key(void)
{
	uint64_t d = make_dict(NULL), keys[4] = { 1, 2, 1, 1 }, values[4] = { 10, 20, 11, 12 }, inserted = 0, got = 0;
	struct dict_entry entries[4];
	struct arena_stats before, after;
	set(&lane, d, 1, 5);
	arena_recover(&lane, lane.shared, lane.id);
	arena_stats(&seg, &before);
	for (int i = 0; i < 4; i++)
		entries[i] = (struct dict_entry){ number_span(&keys[i]), number_span(&values[i]) };
	CU_ASSERT_EQUAL(dict_update(&lane, d, entries, 4, &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(inserted, 1);
	CU_ASSERT_EQUAL(get(&lane, d, 1, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 12);
	CU_ASSERT_EQUAL(length_of(d), 2);
	dict_delete(&lane, d, number_span(&keys[1]));
	arena_recover(&lane, lane.shared, lane.id);
	arena_stats(&seg, &after);
	CU_ASSERT_EQUAL(before.n_blocks, after.n_blocks);
	object_delete(&lane, d);
}

static void one_update_may_grow_the_index_many_times(void)
{
	enum { N = 3000 };
	static uint64_t keys[N];
	static struct dict_entry entries[N];
	uint64_t d = make_dict(NULL), inserted = 0, got = 0, n_right = 0;
	for (uint64_t i = 0; i < N; i++) {
		keys[i] = i;
		entries[i] = (struct dict_entry){ number_span(&keys[i]), number_span(&keys[i]) };
	}
	CU_ASSERT_EQUAL(dict_update(&lane, d, entries, N, &inserted), SABIR_OK);
	CU_ASSERT_EQUAL(inserted, N);
	CU_ASSERT_EQUAL(length_of(d), N);
	for (uint64_t i = 0; i < N; i++)
		n_right += get(&lane, d, i, &got) == SABIR_OK && got == i;
	CU_ASSERT_EQUAL(n_right, N);
	object_delete(&lane, d);
}

static void names_lead_to_objects(void)
{
	struct span name = { (const uint8_t *)"jobs/in", 7 };
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint64_t d = make_dict("jobs/in"), found = 0, other = 0;
	CU_ASSERT_EQUAL(object_open(&lane, name, &found), SABIR_OK);
	CU_ASSERT_EQUAL(found, d);
	CU_ASSERT_EQUAL(object_create(&lane, name, &spec, false, &other), SABIR_ALREADY_EXISTS);
	CU_ASSERT_EQUAL(other, d);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	CU_ASSERT_EQUAL(object_open(&lane, name, &found), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(object_create(&lane, name, &spec, false, &other), SABIR_OK);
	CU_ASSERT_EQUAL(set(&lane, other, 1, 1), SABIR_WRONG_KIND);
	CU_ASSERT_EQUAL(object_delete(&lane, other), SABIR_OK);
}

/* ---------------------------------------------------------------- readers beside a writer */

static void batches_are_seen_whole(void)
{
	uint64_t d = make_dict(NULL), keys[2] = { 1, 2 }, bad = 0, rounds = 0;
	int status = 0;
	set(&lane, d, 1, 0);
	set(&lane, d, 2, 0);
	pid_t writer = fork();
	if (writer == 0) {
		struct lane mine = new_lane();
		for (uint64_t i = 1; i <= 30000; i++) {
			struct dict_entry entries[2] = { { number_span(&keys[0]), number_span(&i) },
							 { number_span(&keys[1]), number_span(&i) } };
			if (dict_update(&mine, d, entries, 2, NULL))
				_exit(1);
		}
		lane_close(&mine);
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		uint64_t one = 0, two = 0, again = 0;
		bad += get(&lane, d, 1, &one) != 0 || get(&lane, d, 2, &two) != 0 || get(&lane, d, 1, &again) != 0;
		bad += two < one || again < two;
		rounds++;
	}
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(rounds > 0);
	object_delete(&lane, d);
}

static enum sabir_error add_one(void *context, struct span now, struct span *next, bool *write)
{
	uint64_t *n = context;
	*n = 0;
	if (now.data)
		memcpy(n, now.data, sizeof(*n));
	(*n)++;
	*next = number_span(n);
	*write = true;
	return SABIR_OK;
}

static void increments_are_not_lost(void)
{
	uint64_t d = make_dict(NULL), key = 9, got = 0;
	int status, bad = 0;
	for (int p = 0; p < 4; p++) {
		if (fork() != 0)
			continue;
		struct lane mine = new_lane();
		uint64_t n;
		for (int i = 0; i < 5000; i++)
			if (dict_modify(&mine, d, number_span(&key), add_one, &n))
				_exit(1);
		lane_close(&mine);
		_exit(0);
	}
	while (wait(&status) > 0)
		bad |= status;
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(get(&lane, d, key, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 20000);
	object_delete(&lane, d);
}

/* ---------------------------------------------------------------- death at every step */

#define N_OLD 12

static void act_update(struct lane *by, uint64_t d)
{
	uint64_t keys[4] = { 3, 100, 4, 101 }, values[4] = { 1000, 1000, 1000, 1000 };
	struct dict_entry entries[4];
	for (int i = 0; i < 4; i++)
		entries[i] = (struct dict_entry){ number_span(&keys[i]), number_span(&values[i]) };
	dict_update(by, d, entries, 4, NULL);
}

static void act_delete(struct lane *by, uint64_t d)
{
	uint64_t key = 5;
	dict_delete(by, d, number_span(&key));
}

static void act_clear(struct lane *by, uint64_t d)
{
	uint64_t removed;
	dict_clear(by, d, &removed);
}

static void act_grow(struct lane *by, uint64_t d)
{
	for (uint64_t i = 0; i < 12; i++)
		set(by, d, 200 + i, i);
}

static void act_name(struct lane *by, uint64_t d)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint64_t handle;
	(void)d;
	object_create(by, (struct span){ (const uint8_t *)"dying", 5 }, &spec, false, &handle);
	object_delete(by, handle);
}

struct scene {
	const char *name;
	void (*act)(struct lane *by, uint64_t d);
};
static const struct scene scenes[] = {
	{ "update", act_update }, { "delete", act_delete }, { "clear", act_clear },
	{ "grow", act_grow },     { "name", act_name },
};

static char steps[4096][40];
static int n_steps;

static void note_step(const char *name, void *context)
{
	(void)context;
	if (n_steps < 4096)
		strncpy(steps[n_steps++], name, sizeof(steps[0]) - 1);
}

static uint64_t filled_dict(void)
{
	uint64_t d = make_dict(NULL);
	for (uint64_t i = 0; i < N_OLD; i++)
		set(&lane, d, i, i);
	return d;
}

static bool content_is_whole(uint64_t d)
{
	uint64_t a = 0, b = 0, c = 0, e = 0, cursor = 0;
	struct bytes out = { 0 };
	enum sabir_error ea = get(&lane, d, 3, &a), eb = get(&lane, d, 4, &b);
	enum sabir_error ec = get(&lane, d, 100, &c), ee = get(&lane, d, 101, &e);
	bool updated = a == 1000;
	bool whole = ea == eb && ec == ee && (updated ? b == 1000 && c == 1000 && e == 1000 : c == 0 && e == 0);
	whole &= ea != SABIR_OK || updated || (a == 3 && b == 4);
	whole &= dict_page(&lane, d, DICT_KEYS, 10000, &cursor, &out) == SABIR_OK;
	whole &= out.n_items / 2 == length_of(d);
	whole &= set(&lane, d, 999, 1) == SABIR_OK && get(&lane, d, 999, &a) == SABIR_OK;
	bytes_fini(&out);
	return whole;
}

static bool survives_kill(const struct scene *scene, const char *step, unsigned nth)
{
	struct arena_stats before, after;
	uint64_t found;
	int status;
	object_sweep(&lane);
	arena_reclaim(&lane);
	arena_stats(&seg, &before);
	uint64_t d = filled_dict();
	struct lane victim = new_lane();
	pid_t pid = fork();
	if (pid == 0) {
		fault_kill_at(step, nth);
		scene->act(&victim, d);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	bool ok = owner_recover(&lane, victim.owner) == SABIR_OK;
	ok &= content_is_whole(d);
	if (object_open(&lane, (struct span){ (const uint8_t *)"dying", 5 }, &found) == SABIR_OK)
		ok &= object_delete(&lane, found) == SABIR_OK;
	ok &= object_delete(&lane, d) == SABIR_OK;
	object_sweep(&lane);
	arena_recover(&lane, lane.shared, lane.id);
	arena_reclaim(&lane);
	arena_stats(&seg, &after);
	ok &= before.n_blocks == after.n_blocks;
	if (!ok)
		printf("\n    %s killed at %s #%u: blocks %llu -> %llu", scene->name, step, nth,
		       (unsigned long long)before.n_blocks, (unsigned long long)after.n_blocks);
	return ok;
}

static void death_at_every_step_is_whole(void)
{
	int bad = 0, points = 0;
	arena_recover(&lane, lane.shared, lane.id);
	for (size_t s = 0; s < sizeof(scenes) / sizeof(scenes[0]); s++) {
		uint64_t d = filled_dict();
		struct lane probe = new_lane();
		n_steps = 0;
		fault_trace(note_step, NULL);
		scenes[s].act(&probe, d);
		fault_trace(NULL, NULL);
		lane_close(&probe);
		owner_close(&seg, probe.owner);
		object_delete(&lane, d);
		arena_recover(&lane, lane.shared, lane.id);
		for (int i = 0; i < n_steps; i++) {
			unsigned nth = 1;
			for (int k = 0; k < i; k++)
				nth += !strcmp(steps[k], steps[i]);
			bad += !survives_kill(&scenes[s], steps[i], nth);
			points++;
		}
	}
	printf("%d points ", points);
	CU_ASSERT_EQUAL(bad, 0);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("dict", setup, teardown);
	CU_ADD_TEST(suite, agrees_with_a_model);
	CU_ADD_TEST(suite, grows_and_shrinks);
	CU_ADD_TEST(suite, pop_setdefault_and_popitem);
	CU_ADD_TEST(suite, update_takes_the_last_of_a_key);
	CU_ADD_TEST(suite, one_update_may_grow_the_index_many_times);
	CU_ADD_TEST(suite, names_lead_to_objects);
	CU_ADD_TEST(suite, batches_are_seen_whole);
	CU_ADD_TEST(suite, increments_are_not_lost);
	CU_ADD_TEST(suite, death_at_every_step_is_whole);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed;
}
