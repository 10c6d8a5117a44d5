/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues when those who repair what a dead user left die too: at each step of the repair, for a user who died at each step of
 * each operation. Whoever comes after recovers the dead recoverer before the one whom it recovered, as the server does, which
 * had begun with the latter.
 */
#include "server/objects/object_test_kit.h"
#include "server/objects/queue.h"

#define N 5 /* items; the first two are returned ones */

static int setup(void)
{
	int failed = kit_begin(16 << 20);
	lane.lock_patience_ns = 1000000;
	return failed;
}

/* ---------------------------------------------------------------- what the user dies in */

static void act_get(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	queue_get(by, *(uint64_t *)context, 4, &out);
	bytes_fini(&out);
}

static void act_get_one(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	for (int i = 0; i < 3; i++)
		queue_get_one(by, *(uint64_t *)context, &out);
	bytes_fini(&out);
}

static void put(struct lane *by, uint64_t q, uint8_t first, uint32_t n)
{
	uint8_t bodies[8];
	struct queue_item items[8];
	uint32_t accepted;
	for (uint32_t i = 0; i < n; i++) {
		bodies[i] = (uint8_t)(first + i);
		items[i] = (struct queue_item){ .body = { &bodies[i], 1 } };
	}
	(void)queue_put(by, q, items, n, &accepted);
}

static void act_put(struct lane *by, void *context)
{
	put(by, *(uint64_t *)context, N, 3);
}

static void act_clear(struct lane *by, void *context)
{
	uint64_t removed;
	queue_clear(by, *(uint64_t *)context, &removed);
}

static void act_close(struct lane *by, void *context)
{
	queue_close(by, *(uint64_t *)context);
}

static void act_delete(struct lane *by, void *context)
{
	object_delete(by, *(uint64_t *)context);
	object_sweep(by);
}

static const struct play {
	const char *name;
	kit_act *act;
} plays[] = {
	{ "get", act_get },     { "get one", act_get_one }, { "put", act_put },
	{ "clear", act_clear }, { "close", act_close },     { "delete", act_delete },
};
#define N_PLAYS (sizeof(plays) / sizeof(plays[0]))

static uint64_t make(void)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	const struct kit_step taken = { "queue_get.chained", 2 };
	struct lane getter = kit_lane(&seg);
	uint64_t q = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &q), SABIR_OK);
	put(&lane, q, 0, N);
	CU_ASSERT(kit_die_at(&taken, act_get, &getter, &q));
	CU_ASSERT_EQUAL(owner_recover(&lane, getter.owner), SABIR_OK);
	return q;
}

/* The items that are left rise without a gap, a put is there or not; then the queue goes without a trace. */
static bool ends_well(const struct play *play, uint64_t q, const struct arena_stats *before)
{
	struct bytes out = { 0 };
	struct arena_stats after;
	enum sabir_error error;
	while (!(error = queue_get(&lane, q, 64, &out)))
		;
	bool good = error == SABIR_EMPTY || error == SABIR_CLOSED ||
		    (error == SABIR_DELETED && play->act == act_delete);
	size_t n = out.n_items;
	bool all_or_none = play->act == act_clear || play->act == act_delete || play->act == act_close;
	bool put = play->act == act_put;
	good &= put ? n == N || n == N + 3 : all_or_none ? n == 0 || n == N : n <= N;
	for (size_t i = 0; i < n; i++)
		good &= out.data[i] == (put ? 0 : N - n) + i;
	bytes_fini(&out);
	good &= error == SABIR_DELETED ||
		(load64_relaxed(&seg.objects[object_index(q)].lock) == 0 && object_delete(&lane, q) == SABIR_OK);
	kit_settle(&lane);
	arena_stats(&seg, &after);
	return good && after.n_blocks == before->n_blocks && after.used_bytes == before->used_bytes;
}

/* ---------------------------------------------------------------- death of the recovery */

static void act_recover(struct lane *by, void *context)
{
	by->lock_patience_ns = 1000000;
	(void)owner_recover(by, *(uint32_t *)context);
}

/* Dies at `first` and its recovery at `second`; without `second` the steps of the recovery are listed. */
static bool survives(const struct play *play, const struct kit_step *first, const struct kit_step *second,
		     struct kit_steps *steps)
{
	struct arena_stats before;
	kit_settle(&lane);
	arena_stats(&seg, &before);
	uint64_t q = make();
	struct lane victim = kit_lane(&seg), helper = kit_lane(&seg);
	(void)kit_die_at(first, play->act, &victim, &q);
	if (second)
		(void)kit_die_at(second, act_recover, &helper, &victim.owner);
	else
		CU_ASSERT(kit_list_steps(steps, act_recover, &helper, &victim.owner));
	bool good = owner_recover(&lane, helper.owner) == SABIR_OK;
	good &= owner_recover(&lane, victim.owner) == SABIR_OK;
	good &= ends_well(play, q, &before);
	if (!good)
		printf("\n    %s, killed at %s #%u, its recovery at %s #%u", play->name, first->name, first->nth,
		       second ? second->name : "none", second ? second->nth : 0);
	return good;
}

static unsigned die_twice(const struct play *play, const struct kit_step *first)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	unsigned n = 0;
	CU_ASSERT(survives(play, first, NULL, steps));
	for (unsigned k = 0; k < steps->n; k++)
		if (strncmp(steps->at[k].name, "arena.", 6)) { /* thousands, and tested there */
			CU_ASSERT(survives(play, first, &steps->at[k], NULL));
			n++;
		}
	munmap(steps, sizeof(*steps));
	return n;
}

static void a_recovery_that_dies_is_recovered_and_done_again(void)
{
	unsigned n = 0;
	for (size_t i = 0; i < N_PLAYS; i++) {
		struct kit_steps *steps = kit_shared(sizeof(*steps));
		struct lane victim = kit_lane(&seg);
		uint64_t q = make();
		CU_ASSERT(kit_list_steps(steps, plays[i].act, &victim, &q));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		(void)object_delete(&lane, q);
		for (unsigned k = 0; k < steps->n; k++)
			if (strncmp(steps->at[k].name, "arena.", 6))
				n += die_twice(&plays[i], &steps->at[k]);
		munmap(steps, sizeof(*steps));
	}
	printf("%u points ", n);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_recovery_that_dies_is_recovered_and_done_again),
	};
	return kit_run("queue, deaths of recoverers", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
