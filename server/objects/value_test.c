/* SPDX-License-Identifier: Apache-2.0 */
/* The value in one process, between processes, with damaged memory, and when its users die at each of its steps. */
#include <math.h>

#include "server/objects/object_test_kit.h"
#include "server/objects/value.h"

static int setup(void)
{
	return kit_begin(16 << 20);
}

static struct scalar of_int(int64_t i)
{
	return (struct scalar){ .kind = SCALAR_INT, .i = i };
}

static struct scalar of_real(double d)
{
	return (struct scalar){ .kind = SCALAR_REAL, .d = d };
}

static enum sabir_error create(uint32_t letter, const void *initial, size_t len, uint64_t *handle)
{
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = letter, .initial = { initial, len } };
	return object_create(&lane, (struct span){ NULL, 0 }, &spec, false, handle);
}

static uint64_t make(uint32_t letter)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(create(letter, NULL, 0, &handle), SABIR_OK);
	return handle;
}

static struct scalar get(uint64_t v)
{
	struct scalar s = { .kind = SCALAR_INT, .i = -77777 };
	CU_ASSERT_EQUAL(value_get(&lane, v, &s), SABIR_OK);
	return s;
}

static void every_type_begins_with_zero_and_keeps_what_is_set(void)
{
	for (const char *letter = "cbBhHiIlLqQfdu"; *letter; letter++) {
		uint64_t v = make((uint32_t)*letter);
		struct scalar hundred = of_int(100), s = get(v);
		CU_ASSERT(s.kind == SCALAR_REAL ? s.d == 0 : s.u == 0);
		CU_ASSERT_EQUAL(value_set(&lane, v, &hundred), SABIR_OK);
		s = get(v);
		CU_ASSERT(s.kind == SCALAR_REAL ? s.d == 100 : s.u == 100);
		object_delete(&lane, v);
	}
	uint64_t v = make('?');
	struct scalar truth = { .kind = SCALAR_BOOL, .b = true };
	CU_ASSERT(get(v).kind == SCALAR_BOOL && !get(v).b);
	CU_ASSERT_EQUAL(value_set(&lane, v, &truth), SABIR_OK);
	CU_ASSERT(get(v).b);
	object_delete(&lane, v);
}

static void initial_content_is_little_endian(void)
{
	uint64_t v = 0;
	CU_ASSERT_EQUAL(create('h', "\xfe\xff", 2, &v), SABIR_OK);
	CU_ASSERT_EQUAL(get(v).i, -2);
	object_delete(&lane, v);
	CU_ASSERT_EQUAL(create('d', "\0\0\0\0\0\0\xf0\x3f", 8, &v), SABIR_OK);
	CU_ASSERT_EQUAL(get(v).d, 1.0);
	object_delete(&lane, v);
}

static void bad_specs_are_refused(void)
{
	uint64_t v = 4711;
	CU_ASSERT_EQUAL(create('z', NULL, 0, &v), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(create(0, NULL, 0, &v), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(create('i', "\1\2\3", 3, &v), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(create('i', "\1\2\3\4\5\6\7\10", 8, &v), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(create('?', "\2", 1, &v), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(create('u', "\0\0\x11\0", 4, &v), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(v, 4711);
}

static void what_does_not_fit_changes_nothing(void)
{
	uint64_t v = make('B');
	struct scalar five = of_int(5), more = of_int(256), real = of_real(1), s = of_int(1234);
	bool exchanged = true;
	value_set(&lane, v, &five);
	CU_ASSERT_EQUAL(value_set(&lane, v, &more), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(value_set(&lane, v, &real), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(value_add(&lane, v, &real, &s), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(value_exchange(&lane, v, &more, &s), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(value_compare_exchange(&lane, v, &five, &more, &exchanged, &s), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(value_compare_exchange(&lane, v, &more, &five, &exchanged, &s), SABIR_OUT_OF_RANGE);
	CU_ASSERT(s.i == 1234 && exchanged); /* results untouched */
	CU_ASSERT_EQUAL(get(v).u, 5);
	CU_ASSERT_EQUAL(seg.lanes[lane.id - 1].epoch, 0); /* no operation was left open */
	object_delete(&lane, v);
}

static void other_objects_are_told_apart(void)
{
	struct object_spec spec = { .kind = SEG_KIND_ARRAY, .type_code = 'i', .length = 1 };
	uint64_t array = 0, v = make('i');
	struct scalar s = of_int(1);
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &array), SABIR_OK);
	CU_ASSERT_EQUAL(value_get(&lane, array, &s), SABIR_WRONG_KIND);
	CU_ASSERT_EQUAL(value_set(&lane, array, &s), SABIR_WRONG_KIND);
	object_delete(&lane, v);
	CU_ASSERT_EQUAL(value_get(&lane, v, &s), SABIR_DELETED);
	CU_ASSERT_EQUAL(value_add(&lane, v, &s, &s), SABIR_DELETED);
	CU_ASSERT_EQUAL(value_get(&lane, v + (9ull << 32), &s), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(value_get(&lane, 0, &s), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(value_get(&lane, UINT64_MAX, &s), SABIR_NOT_FOUND);
	object_delete(&lane, array);
}

static void add_and_exchange_answer_new_and_old(void)
{
	uint64_t v = make('b');
	struct scalar most = of_int(127), one = of_int(1), s;
	CU_ASSERT_EQUAL(value_exchange(&lane, v, &most, &s), SABIR_OK);
	CU_ASSERT(s.kind == SCALAR_INT && s.i == 0);
	CU_ASSERT_EQUAL(value_add(&lane, v, &one, &s), SABIR_OK);
	CU_ASSERT(s.kind == SCALAR_INT && s.i == -128);
	CU_ASSERT_EQUAL(value_exchange(&lane, v, &one, &s), SABIR_OK);
	CU_ASSERT_EQUAL(s.i, -128);
	CU_ASSERT_EQUAL(get(v).i, 1);
	object_delete(&lane, v);
}

static void compare_exchange_compares_bits(void)
{
	uint64_t v = make('d');
	struct scalar nan = of_real(NAN), zero = of_real(0.0), minus = of_real(-0.0), s;
	bool exchanged = true;
	CU_ASSERT_EQUAL(value_compare_exchange(&lane, v, &minus, &nan, &exchanged, &s), SABIR_OK);
	CU_ASSERT(!exchanged && s.d == 0 && !signbit(s.d));
	CU_ASSERT_EQUAL(value_compare_exchange(&lane, v, &zero, &nan, &exchanged, &s), SABIR_OK);
	CU_ASSERT(exchanged && s.d == 0);
	CU_ASSERT_EQUAL(value_compare_exchange(&lane, v, &nan, &minus, &exchanged, &s), SABIR_OK);
	CU_ASSERT(exchanged && isnan(s.d));
	CU_ASSERT(signbit(get(v).d));
	object_delete(&lane, v);
}

static void changes_and_only_changes_wake(void)
{
	uint64_t v = make('i');
	struct seg_event *event = &seg.objects[object_index(v)].event[SEG_EVENT_ITEMS];
	struct scalar one = of_int(1), two = of_int(2), s;
	bool exchanged;
	uint32_t key = event_prepare(event, SEG_WAITING_LOCAL);
	value_get(&lane, v, &s);
	value_compare_exchange(&lane, v, &one, &two, &exchanged, &s);
	CU_ASSERT_EQUAL(event->seq, key);
	value_set(&lane, v, &one);
	CU_ASSERT_EQUAL(event->seq, key + 1);
	event_prepare(event, SEG_WAITING_LOCAL);
	value_add(&lane, v, &one, &s);
	CU_ASSERT_EQUAL(event->seq, key + 2);
	event_prepare(event, SEG_WAITING_LOCAL);
	value_compare_exchange(&lane, v, &two, &one, &exchanged, &s);
	CU_ASSERT_EQUAL(event->seq, key + 3);
	event_prepare(event, SEG_WAITING_LOCAL);
	value_exchange(&lane, v, &two, &s);
	CU_ASSERT_EQUAL(event->seq, key + 4);
	object_delete(&lane, v);
}

static void description_tells_the_type(void)
{
	uint64_t v = make('f');
	struct object_info info;
	CU_ASSERT_EQUAL(object_describe(&lane, v, &info), SABIR_OK);
	CU_ASSERT_EQUAL(info.kind, SEG_KIND_VALUE);
	CU_ASSERT_EQUAL(info.type_code, 'f');
	CU_ASSERT_EQUAL(info.length, 1);
	CU_ASSERT_EQUAL(info.memory_bytes, sizeof(struct seg_value));
	object_delete(&lane, v);
}

/* ---------------------------------------------------------------- damage */

static struct seg_value *body_of(uint64_t v)
{
	return segment_at(&seg, seg.objects[object_index(v)].body, sizeof(struct seg_value));
}

static void damage_is_data_loss_of_this_object_only(void)
{
	struct scalar s = of_int(1);
	uint64_t fine = make('i'), v = make('i');
	body_of(v)->type_code = 'i' | 0x100;
	CU_ASSERT_EQUAL(value_set(&lane, v, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(value_get(&lane, v, &s), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, v), SABIR_OK);
	v = make('i');
	uint32_t body = seg.objects[object_index(v)].body;
	seg.objects[object_index(v)].body = seg.objects[object_index(fine)].body;
	CU_ASSERT_EQUAL(value_set(&lane, v, &s), SABIR_DATA_LOSS); /* somebody else's memory */
	seg.objects[object_index(v)].body = body;
	CU_ASSERT_EQUAL(object_delete(&lane, v), SABIR_OK);
	v = make('i');
	seg.objects[object_index(v)].body = UINT32_MAX;
	CU_ASSERT_EQUAL(value_get(&lane, v, &s), SABIR_DATA_LOSS);
	seg.objects[object_index(v)].body = body;
	CU_ASSERT_EQUAL(object_delete(&lane, v), SABIR_OK);
	CU_ASSERT_EQUAL(get(fine).i, 0);
	object_delete(&lane, fine);
}

static void bits_above_the_width_heal(void)
{
	uint64_t v = make('h');
	struct scalar minus = of_int(-2), three = of_int(3), s;
	bool exchanged = false;
	body_of(v)->bits = 0xdeadbeef0000fffe;
	CU_ASSERT_EQUAL(get(v).i, -2);
	CU_ASSERT_EQUAL(value_compare_exchange(&lane, v, &minus, &three, &exchanged, &s), SABIR_OK);
	CU_ASSERT(exchanged);
	CU_ASSERT_EQUAL(body_of(v)->bits, 3);
	object_delete(&lane, v);
}

/* ---------------------------------------------------------------- several processes */

#define N_CHILDREN 4
#define N_ADDS 50000

static void add_many(uint64_t v, int64_t delta)
{
	struct lane mine = kit_lane(&seg);
	struct scalar d = of_int(delta), s;
	int bad = 0;
	for (int i = 0; i < N_ADDS; i++)
		bad |= value_add(&mine, v, &d, &s) != SABIR_OK;
	kit_lane_close(&mine);
	_exit(bad);
}

static void adders_lose_nothing(void)
{
	for (const char *letter = "BHIqfd"; *letter; letter++) {
		uint64_t v = make((uint32_t)*letter);
		uint32_t width = scalar_width((uint32_t)*letter);
		uint64_t sum = N_ADDS * (1 + 2 + 3 - 4); /* up to here every float is exact */
		pid_t pids[N_CHILDREN];
		for (int i = 0; i < N_CHILDREN; i++)
			if ((pids[i] = fork()) == 0)
				add_many(v, i < 3 ? i + 1 : -4);
		CU_ASSERT(kit_wait_all(pids, N_CHILDREN));
		struct scalar s = get(v);
		CU_ASSERT(s.kind == SCALAR_REAL ? s.d == (double)sum
						: s.u == (width == 8 ? sum : sum % (1ull << 8 * width)));
		object_delete(&lane, v);
	}
}

/* Each child puts its tokens in and takes others out: what it is left with goes back into the sum. */
static void exchange_many(uint64_t v, uint64_t child, uint64_t *sum)
{
	struct lane mine = kit_lane(&seg);
	struct scalar s;
	int bad = 0;
	for (uint64_t i = 0; i < N_ADDS; i++) {
		struct scalar token = { .kind = SCALAR_UINT, .u = child * N_ADDS + i + 1 };
		bad |= value_exchange(&mine, v, &token, &s) != SABIR_OK;
		__atomic_fetch_add(sum, token.u - s.u, __ATOMIC_SEQ_CST);
	}
	kit_lane_close(&mine);
	_exit(bad);
}

static void exchanges_pass_every_token_once(void)
{
	uint64_t v = make('Q'), *sum = kit_shared(sizeof(*sum));
	pid_t pids[N_CHILDREN];
	for (int i = 0; i < N_CHILDREN; i++)
		if ((pids[i] = fork()) == 0)
			exchange_many(v, (uint64_t)i, sum);
	CU_ASSERT(kit_wait_all(pids, N_CHILDREN));
	CU_ASSERT_EQUAL(*sum, get(v).u);
	munmap(sum, sizeof(*sum));
	object_delete(&lane, v);
}

/* A counter that only compare_exchange moves, each child by its own successes. */
static void count_by_swaps(uint64_t v)
{
	struct lane mine = kit_lane(&seg);
	struct scalar found = of_int(0);
	int bad = 0;
	for (int done = 0; done < N_ADDS && !bad;) {
		struct scalar expected = found, next = of_int(found.i + 1);
		bool exchanged = false;
		bad = value_compare_exchange(&mine, v, &expected, &next, &exchanged, &found);
		done += exchanged;
		found.i += exchanged;
	}
	kit_lane_close(&mine);
	_exit(bad);
}

static void swaps_lose_nothing(void)
{
	uint64_t v = make('i');
	pid_t pids[N_CHILDREN];
	for (int i = 0; i < N_CHILDREN; i++)
		if ((pids[i] = fork()) == 0)
			count_by_swaps(v);
	CU_ASSERT(kit_wait_all(pids, N_CHILDREN));
	CU_ASSERT_EQUAL(get(v).i, N_CHILDREN * N_ADDS);
	object_delete(&lane, v);
}

/* ---------------------------------------------------------------- death at every step */

static void act_set(struct lane *by, void *context)
{
	struct scalar s = of_int(2);
	value_set(by, *(uint64_t *)context, &s);
}

static void act_add(struct lane *by, void *context)
{
	struct scalar s = of_int(1);
	value_add(by, *(uint64_t *)context, &s, &s);
}

static void act_swap(struct lane *by, void *context)
{
	struct scalar one = of_int(1), two = of_int(2), s;
	bool exchanged;
	value_compare_exchange(by, *(uint64_t *)context, &one, &two, &exchanged, &s);
}

static void act_create(struct lane *by, void *context)
{
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	uint64_t made;
	(void)context;
	object_create(by, (struct span){ NULL, 0 }, &spec, true, &made);
}

static void act_delete(struct lane *by, void *context)
{
	object_delete(by, *(uint64_t *)context);
}

/* The value is 1 or 2 (or deleted), can be used on, those who wait were woken, and no memory is gone. */
static bool survives(const struct kit_step *step, kit_act *act)
{
	struct arena_stats before, after;
	struct scalar one = of_int(1), s = of_int(0);
	account(&before);
	uint64_t v = make('i');
	value_set(&lane, v, &one);
	struct lane victim = kit_lane(&seg);
	struct seg_event *event = &seg.objects[object_index(v)].event[SEG_EVENT_ITEMS];
	uint32_t key = event_prepare(event, SEG_WAITING_LOCAL);
	bool ok = kit_die_at(step, act, &victim, &v);
	ok &= owner_recover(&lane, victim.owner) == SABIR_OK;
	enum sabir_error error = value_get(&lane, v, &s);
	ok &= (error == SABIR_OK && (s.i == 1 || s.i == 2)) || (error == SABIR_DELETED && act == act_delete);
	ok &= error || s.i == 1 || event->seq != key;
	ok &= error || (value_add(&lane, v, &one, &s) == SABIR_OK && object_delete(&lane, v) == SABIR_OK);
	account(&after);
	ok &= before.used_bytes == after.used_bytes && before.n_blocks == after.n_blocks;
	if (!ok)
		printf("\n    killed at %s #%u, %d, %d", step->name, step->nth, error, (int)s.i);
	return ok;
}

static void death_at_every_step_is_whole(void)
{
	static kit_act *const acts[] = { act_set, act_add, act_swap, act_create, act_delete };
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t v = make('i');
		struct seg_event *event = &seg.objects[object_index(v)].event[SEG_EVENT_ITEMS];
		act_add(&lane, &v);
		event_prepare(event, SEG_WAITING_LOCAL);
		CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &v));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		object_delete(&lane, v);
		for (unsigned k = 0; k < steps->n; k++)
			CU_ASSERT(survives(&steps->at[k], acts[i]));
		munmap(steps, sizeof(*steps));
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(every_type_begins_with_zero_and_keeps_what_is_set),
		KIT_TEST(initial_content_is_little_endian),
		KIT_TEST(bad_specs_are_refused),
		KIT_TEST(what_does_not_fit_changes_nothing),
		KIT_TEST(other_objects_are_told_apart),
		KIT_TEST(add_and_exchange_answer_new_and_old),
		KIT_TEST(compare_exchange_compares_bits),
		KIT_TEST(changes_and_only_changes_wake),
		KIT_TEST(description_tells_the_type),
		KIT_TEST(damage_is_data_loss_of_this_object_only),
		KIT_TEST(bits_above_the_width_heal),
		KIT_TEST(adders_lose_nothing),
		KIT_TEST(exchanges_pass_every_token_once),
		KIT_TEST(swaps_lose_nothing),
		KIT_TEST(death_at_every_step_is_whole),
	};
	return kit_run("value", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
