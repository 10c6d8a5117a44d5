/* SPDX-License-Identifier: Apache-2.0 */
/* Items that dead getters gave back, getters without memory, and the lock that stands in their way. */
#include <stdlib.h>

#include "server/objects/queue_test_kit.h"

#define N 5 /* items; the first two are returned ones */

static uint64_t *lock_of(uint64_t q)
{
	return &seg.objects[object_index(q)].lock;
}

static void act_get(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	queue_get(by, *(uint64_t *)context, 2, &out);
	bytes_fini(&out);
}

static void act_get_all(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	while (queue_get(by, *(uint64_t *)context, N, &out) == SABIR_OK)
		;
	bytes_fini(&out);
}

static void act_clear(struct lane *by, void *context)
{
	uint64_t removed;
	queue_clear(by, *(uint64_t *)context, &removed);
}

static uint64_t make(void)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	const struct kit_step taken = { "queue_get.chained", 2 };
	uint64_t q = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &q), SABIR_OK);
	for (uint8_t i = 0; i < N; i++) {
		struct queue_item item = { .body = { &i, 1 } };
		uint32_t accepted;
		CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
	}
	/* Dies with two of them, which are not yet handed over. */
	struct lane victim = kit_lane(&seg);
	CU_ASSERT(kit_die_at(&taken, act_get, &victim, &q));
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q).size, N);
	return q;
}

/* All items from `first` on, in order, and nothing else. */
static bool holds_from(uint64_t q, uint8_t first)
{
	struct bytes out = { 0 };
	bool good = true;
	while (queue_get(&lane, q, N, &out) == SABIR_OK)
		;
	good &= out.n_items == (size_t)(N - first);
	for (uint8_t i = first; good && i < N; i++)
		good &= out.data[i - first] == i;
	bytes_fini(&out);
	return good;
}

/* ---------------------------------------------------------------- */

/* A buffer in which there is no room for anything, as if malloc had failed. */
static void fill_buffer(struct bytes *out, uint8_t *memory)
{
	bytes_init(out, memory, 16);
	out->cap = UINT32_MAX;
	out->len = UINT32_MAX;
}

static void a_getter_without_memory_leaves_the_item_where_it_is(void)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint8_t memory[16], i = 0;
	uint64_t q = 0;
	uint32_t accepted;
	struct queue_item item = { .body = { &i, 1 } };
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &q), SABIR_OK);
	for (; i < N; i++)
		CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&stopped, lock_of(q)), SABIR_OK);
	struct bytes out;
	fill_buffer(&out, memory);
	alarm(10); /* it used to try for ever */
	CU_ASSERT_EQUAL(queue_get(&lane, q, 1, &out), SABIR_NO_MEMORY);
	CU_ASSERT_EQUAL(queue_get(&lane, q, N, &out), SABIR_NO_MEMORY);
	alarm(0);
	CU_ASSERT(holds_from(q, 0)); /* without the lock: nothing was returned */
	kit_let_go(&stopped, lock_of(q));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void a_returned_item_stays_too(void)
{
	uint8_t memory[16];
	uint64_t q = make();
	struct bytes out;
	fill_buffer(&out, memory);
	CU_ASSERT_EQUAL(queue_get(&lane, q, 2, &out), SABIR_NO_MEMORY);
	CU_ASSERT_EQUAL(size_of(q).size, N);
	CU_ASSERT(holds_from(q, 0));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void a_batch_that_runs_out_of_memory_ends_there(void)
{
	uint8_t *memory = mmap(NULL, UINT32_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			       -1, 0);
	uint64_t q = make();
	struct bytes out;
	fill_buffer(&out, memory);
	out.len = UINT32_MAX - 2; /* room for two */
	CU_ASSERT_EQUAL(queue_get(&lane, q, N, &out), SABIR_OK);
	CU_ASSERT_EQUAL(out.n_items, 2);
	CU_ASSERT(memory[UINT32_MAX - 2] == 0 && memory[UINT32_MAX - 1] == 1);
	munmap(memory, UINT32_MAX);
	CU_ASSERT(holds_from(q, 2));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

static void a_held_lock_is_busy_and_nothing_is_taken(void)
{
	struct bytes out = { 0 };
	uint64_t q = make(), removed = 99;
	CU_ASSERT_EQUAL(kit_hold(&stopped, lock_of(q)), SABIR_OK);
	CU_ASSERT_EQUAL(queue_get(&lane, q, N, &out), SABIR_BUSY);
	CU_ASSERT_EQUAL(queue_clear(&lane, q, &removed), SABIR_BUSY);
	CU_ASSERT_EQUAL(removed, 99);
	kit_let_go(&stopped, lock_of(q));
	CU_ASSERT_EQUAL(size_of(q).size, N);
	CU_ASSERT_EQUAL(queue_clear(&lane, q, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, N);
	CU_ASSERT(holds_from(q, N));
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

/* Dies at the step; afterwards what was not committed is there, and what was is gone. */
static bool survives(kit_act *act, const struct kit_step *step)
{
	uint64_t q = make();
	struct lane victim = kit_lane(&seg);
	(void)kit_die_at(step, act, &victim, &q);
	bool good = owner_recover(&lane, victim.owner) == SABIR_OK;
	uint64_t left = size_of(q).size;
	good &= left <= N && (act != act_clear || left == 0 || left == N);
	good &= holds_from(q, (uint8_t)(N - left));
	good &= load64_relaxed(lock_of(q)) == 0 && object_delete(&lane, q) == SABIR_OK;
	if (!good)
		printf("\n    killed at %s #%u: %d left", step->name, step->nth, (int)left);
	return good;
}

static void death_at_every_step_gives_back_or_finishes(void)
{
	kit_act *const acts[] = { act_get, act_get_all, act_clear };
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t q = make();
		CU_ASSERT(kit_list_steps(steps, acts[i], &victim, &q));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
		for (unsigned k = 0; k < steps->n; k++)
			CU_ASSERT(survives(acts[i], &steps->at[k]));
		munmap(steps, sizeof(*steps));
	}
}

struct ungot {
	uint64_t q;
	uint64_t ordinal;
};

/* Nobody counts what is back. */
static enum sabir_error unget(struct lane *by, uint64_t q, const uint64_t *ordinals, const struct span *items,
			      uint32_t n)
{
	uint32_t n_back = 0;
	enum sabir_error error = queue_unget(by, q, ordinals, items, n, &n_back);
	CU_ASSERT_EQUAL(n_back, error ? 0 : n);
	return error;
}

static void act_unget(struct lane *by, void *context)
{
	static const uint8_t bytes[] = { 0, 1 };
	const struct ungot *u = context;
	const struct span items[] = { { &bytes[0], 1 }, { &bytes[1], 1 } };
	(void)unget(by, u->q, (uint64_t[]){ u->ordinal, u->ordinal + 1 }, items, 2);
}

static struct ungot got_two(void)
{
	struct ungot u = { .q = make() };
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(queue_get(&lane, u.q, 1, &out), SABIR_OK);
	u.ordinal = lane.got_ordinal;
	CU_ASSERT_EQUAL(queue_get(&lane, u.q, 1, &out), SABIR_OK);
	CU_ASSERT_EQUAL(lane.got_ordinal, u.ordinal + 1);
	CU_ASSERT(out.data[0] == 0 && out.data[1] == 1);
	bytes_fini(&out);
	return u;
}

static void what_was_got_for_nobody_is_in_its_old_place(void)
{
	struct ungot u = got_two();
	act_unget(&lane, &u);
	CU_ASSERT_EQUAL(size_of(u.q).size, N);
	CU_ASSERT(holds_from(u.q, 0));
	object_delete(&lane, u.q);
}

/* What came back between them and was taken with them: no neighbour of what follows. */
static void several_that_were_no_neighbours_have_their_places_too(void)
{
	static const uint8_t bytes[] = { 0, 1, 2 };
	const struct span items[] = { { &bytes[1], 1 }, { &bytes[2], 1 } };
	struct ungot u = got_two();
	struct bytes out = { 0 }, ordinals = { 0 };
	uint64_t second = u.ordinal + 1;
	CU_ASSERT_EQUAL(queue_get(&lane, u.q, 1, &out), SABIR_OK);
	CU_ASSERT_EQUAL(unget(&lane, u.q, &second, items, 1), SABIR_OK);
	CU_ASSERT_EQUAL(queue_get_noted(&lane, u.q, 2, &out, &ordinals), SABIR_OK);
	CU_ASSERT_FATAL(ordinals.len == 16 && out.len == 3 && out.data[1] == 1 && out.data[2] == 3);
	const struct span back[] = { { &out.data[1], 1 }, { &out.data[2], 1 } };
	CU_ASSERT_EQUAL(unget(&lane, u.q, (const uint64_t *)ordinals.data, back, 2), SABIR_OK);
	uint64_t third = u.ordinal + 2;
	CU_ASSERT_EQUAL(unget(&lane, u.q, &u.ordinal, &(struct span){ &bytes[0], 1 }, 1), SABIR_OK);
	CU_ASSERT_EQUAL(unget(&lane, u.q, &third, &items[1], 1), SABIR_OK);
	CU_ASSERT(holds_from(u.q, 0));
	bytes_fini(&out);
	bytes_fini(&ordinals);
	object_delete(&lane, u.q);
}

/* In any order: each goes to its own place. */
static void what_is_given_back_later_may_belong_in_front(void)
{
	static const uint8_t bytes[] = { 0, 1 };
	struct ungot u = got_two();
	uint64_t second = u.ordinal + 1;
	CU_ASSERT_EQUAL(unget(&lane, u.q, &second, &(struct span){ &bytes[1], 1 }, 1), SABIR_OK);
	CU_ASSERT_EQUAL(unget(&lane, u.q, &u.ordinal, &(struct span){ &bytes[0], 1 }, 1), SABIR_OK);
	CU_ASSERT(holds_from(u.q, 0));
	object_delete(&lane, u.q);
}

/* It may lose what it had not made yet, for the copy of it dies too; the queue goes on, and nothing is there twice. */
static void a_giver_that_dies_leaves_the_queue_whole(void)
{
	static const struct {
		struct kit_step step;
		uint64_t n_left;
	} deaths[] = {
		{ { "queue_unget.made", 1 }, N - 2 },    { { "queue_unget.taken", 1 }, N - 1 },
		{ { "queue_unget.chained", 1 }, N - 1 }, { { "queue_unget.made", 2 }, N - 1 },
		{ { "queue_unget.taken", 2 }, N },       { { "queue_unget.chained", 2 }, N },
		{ { "queue_return.returned", 1 }, N },
	};
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		struct ungot u = got_two();
		struct lane victim = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&deaths[i].step, act_unget, &victim, &u));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(size_of(u.q).size, deaths[i].n_left);
		CU_ASSERT(deaths[i].n_left != N || holds_from(u.q, 0));
		CU_ASSERT_EQUAL(object_delete(&lane, u.q), SABIR_OK);
	}
}

static uint32_t *counted; /* in the segment: any word that nobody else has */

static void act_unget_counted(struct lane *by, void *context)
{
	static const uint8_t bytes[] = { 0, 1 };
	const struct ungot *u = context;
	const struct span items[] = { { &bytes[0], 1 }, { &bytes[1], 1 } };
	uint32_t n_back = load32_relaxed(counted);
	by->returned = counted;
	(void)queue_unget(by, u->q, (uint64_t[]){ u->ordinal, u->ordinal + 1 }, items, 2, &n_back);
	by->returned = NULL;
}

/* Somebody else has them yet, and goes on behind what is counted: each is back once. */
static void what_is_counted_goes_back_once(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct ungot u = got_two();
	struct lane victim = kit_lane(&seg);
	counted = &seg.sessions[0].n_returned;
	CU_ASSERT(kit_list_steps(steps, act_unget_counted, &victim, &u));
	for (unsigned i = 0; i < steps->n; i++) {
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&lane, u.q), SABIR_OK);
		u = got_two();
		victim = kit_lane(&seg);
		store32_relaxed(counted, 0);
		(void)kit_die_at(&steps->at[i], act_unget_counted, &victim, &u);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(size_of(u.q).size, N - 2 + load32_relaxed(counted));
		victim = kit_lane(&seg);
		act_unget_counted(&victim, &u);
		CU_ASSERT(size_of(u.q).size == N && holds_from(u.q, 0));
	}
	kit_lane_close(&victim);
	CU_ASSERT_EQUAL(object_delete(&lane, u.q), SABIR_OK);
	munmap(steps, sizeof(*steps));
}

#define MANY 60000u

/* Others wait for the lock meanwhile: each must not be looked for from the beginning. */
static void many_go_back_in_no_time(void)
{
	uint64_t q = make_queue(0);
	struct bytes out = { 0 }, ordinals = { 0 };
	struct span *items = calloc(MANY, sizeof(*items));
	for (uint32_t i = 0, accepted; i < MANY; i++) {
		struct queue_item item = { .body = { (const uint8_t *)&i, sizeof(i) } };
		CU_ASSERT_EQUAL_FATAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
	}
	CU_ASSERT_EQUAL(queue_get_noted(&lane, q, MANY, &out, &ordinals), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(out.n_items, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		items[i] = bytes_item(&out, i);
	alarm(20);
	CU_ASSERT_EQUAL(unget(&lane, q, (const uint64_t *)ordinals.data, items, MANY), SABIR_OK);
	alarm(0);
	bytes_fini(&out);
	CU_ASSERT_EQUAL(queue_get(&lane, q, MANY, &out), SABIR_OK);
	for (uint32_t i = 0; i < out.n_items; i++)
		CU_ASSERT_FATAL(!memcmp(bytes_item(&out, i).data, &i, sizeof(i)));
	CU_ASSERT_EQUAL(out.n_items, MANY);
	bytes_fini(&out);
	bytes_fini(&ordinals);
	free(items);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(many_go_back_in_no_time),
		KIT_TEST(a_getter_without_memory_leaves_the_item_where_it_is),
		KIT_TEST(a_returned_item_stays_too),
		KIT_TEST(a_batch_that_runs_out_of_memory_ends_there),
		KIT_TEST(a_held_lock_is_busy_and_nothing_is_taken),
		KIT_TEST(death_at_every_step_gives_back_or_finishes),
		KIT_TEST(what_was_got_for_nobody_is_in_its_old_place),
		KIT_TEST(several_that_were_no_neighbours_have_their_places_too),
		KIT_TEST(what_is_given_back_later_may_belong_in_front),
		KIT_TEST(a_giver_that_dies_leaves_the_queue_whole),
		KIT_TEST(what_is_counted_goes_back_once),
	};
	return kit_run("queue, returned items", queue_setup, queue_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
