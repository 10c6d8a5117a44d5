/* SPDX-License-Identifier: Apache-2.0 */
/* The collector: what keeps an object alive in every kind of container, what does not, and everybody's death meanwhile. */
#include "server/objects/collect_test_kit.h"

/* ---------------------------------------------------------------- without containers */

static void what_nobody_refers_to_ends_at_the_second_look(void)
{
	uint64_t o = make(SEG_KIND_QUEUE, NULL), named = make(SEG_KIND_QUEUE, "named");
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT(is_live(o)); /* and in doubt */
	CU_ASSERT_EQUAL(look(1), 1);
	CU_ASSERT(!is_live(o) && is_live(named));
	CU_ASSERT_EQUAL(look(3), 0);
	drop(named);
}

static void what_is_held_stays_until_it_is_released(void)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t o;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, text(NULL), &spec, false, &o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(o));
}

static void who_opens_it_in_time_keeps_it(void)
{
	uint64_t o = make(SEG_KIND_LIST, NULL);
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(1), 0); /* from the beginning */
	CU_ASSERT(is_live(o));
	CU_ASSERT_EQUAL(look(1), 1);
}

static void a_condition_keeps_the_lock_that_it_was_given(void)
{
	uint64_t lock = make(SEG_KIND_RLOCK, NULL), condition;
	struct object_spec spec = { .kind = SEG_KIND_CONDITION, .over = lock };
	CU_ASSERT_EQUAL_FATAL(object_create(&nobody, text("condition"), &spec, false, &condition), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT(is_live(lock));
	drop(condition);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(lock));
}

static void what_the_dead_held_ends(void)
{
	struct lane victim = kit_lane(&seg);
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t o;
	CU_ASSERT_EQUAL_FATAL(object_create(&victim, text(NULL), &spec, false, &o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(o));
}

static void nothing_ends_before_the_linger(void)
{
	struct collector *patient = collector_new(&seg, UINT64_MAX);
	struct collect_result result;
	uint64_t o = make(SEG_KIND_LIST, NULL);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(collect_run(patient, &lane, &go_on, &result), SABIR_OK);
	CU_ASSERT(is_live(o) && result.n_unheld == 1 && !result.idle);
	collector_free(patient);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_OK);
	CU_ASSERT(result.idle);
}

static void it_is_told_of_new_objects(void)
{
	struct collect_result result;
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_OK);
	CU_ASSERT(result.idle && !seg.header->collect_wanted);
	drop(make(SEG_KIND_LIST, "named"));
	CU_ASSERT(!seg.header->collect_wanted);
	uint64_t o = make(SEG_KIND_LIST, NULL);
	CU_ASSERT(seg.header->collect_wanted);
	drop(o);
}

/* ---------------------------------------------------------------- containers */

static void every_kind_of_container_keeps_what_is_in_it(void)
{
	for (size_t i = 0; i < 3 * N_CASES; i++) {
		const struct kind_case *c = &cases[i / 3];
		uint64_t o = make(SEG_KIND_VALUE, NULL), container = make_container(c, "container");
		struct ref ref;
		put(c, container, refer(o, (int)(i % 3), &ref));
		CU_ASSERT_EQUAL(look(5), 0);
		CU_ASSERT(is_live(o));
		drop(container);
		CU_ASSERT_EQUAL(look(4), 1);
		CU_ASSERT(!is_live(o));
	}
}

static void what_was_taken_out_ends(void)
{
	uint64_t queue = make(SEG_KIND_QUEUE, "queue"), list = make(SEG_KIND_LIST, "list");
	uint64_t a = make(SEG_KIND_VALUE, NULL), b = make(SEG_KIND_VALUE, NULL);
	struct bytes out = { 0 };
	struct ref ref;
	put(&cases[0], queue, refer(a, 0, &ref));
	put(&cases[1], list, refer(b, 1, &ref));
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(queue_get_one(&lane, queue, &out), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(a) && is_live(b));
	CU_ASSERT_EQUAL(list_delete(&lane, list, 0), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	bytes_fini(&out);
	drop(queue);
	drop(list);
}

static void a_name_is_no_reference(void)
{
	static const uint8_t by_name[] = { 0x5a, 3, 0x0a, 1, 'x' };
	uint64_t list = make(SEG_KIND_LIST, "list"), o = make(SEG_KIND_VALUE, NULL);
	struct ref ref;
	put(&cases[1], list, (struct span){ by_name, sizeof(by_name) });
	CU_ASSERT(!(seg.objects[object_index(list)].refs & SEG_OBJECT_REFERS));
	/* Nor is the handle of an object that was at the same place before. */
	put(&cases[1], list, refer(o - (1ull << 32), 0, &ref));
	CU_ASSERT_EQUAL(look(4), 1);
	drop(list);
}

static void a_chain_ends_with_its_root(void)
{
	uint64_t dict = make(SEG_KIND_DICT, "root"), last = dict, all[20];
	struct ref ref;
	for (int i = 0; i < 20; i++) {
		all[i] = make(i % 2 ? SEG_KIND_DICT : SEG_KIND_LIST, NULL);
		put(i % 2 ? &cases[1] : &cases[2], last, refer(all[i], i % 3, &ref));
		last = all[i];
	}
	CU_ASSERT_EQUAL(look(5), 0);
	CU_ASSERT(is_live(all[19]));
	drop(dict);
	CU_ASSERT_EQUAL(look(4), 20);
}

static void rings_are_ended(void)
{
	uint64_t list = make(SEG_KIND_LIST, NULL), a = make(SEG_KIND_DICT, NULL), b = make(SEG_KIND_DICT, NULL);
	struct ref ref;
	put(&cases[1], list, refer(list, 0, &ref));
	put(&cases[2], a, refer(b, 0, &ref));
	put(&cases[2], b, refer(a, 2, &ref));
	CU_ASSERT_EQUAL(object_hold(&lane, a), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(list) && is_live(a) && is_live(b));
	CU_ASSERT_EQUAL(object_release(&lane, a), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 2);
}

static void a_pipe_lives_while_an_end_is_held(void)
{
	uint64_t pipe = make_container(&cases[5], NULL), o = make(SEG_KIND_VALUE, NULL);
	struct ref ref;
	put(&cases[5], pipe, refer(o, 0, &ref));
	put(&cases[5], pipe, refer(pipe, 0, &ref));
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(pipe_close(&lane, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(pipe_close(&lane, pipe, 1), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 2);
	CU_ASSERT(!is_live(pipe) && !is_live(o));
	kit_settle(&lane);
}

static void a_part_keeps_its_whole_and_ends_with_it(void)
{
	uint64_t value = make(SEG_KIND_VALUE, NULL), lock = 0;
	CU_ASSERT_EQUAL(value_get_lock(&lane, value, &lock), SABIR_OK);
	CU_ASSERT_EQUAL(object_hold(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(look(5), 0);
	CU_ASSERT(is_live(value) && is_live(lock));
	CU_ASSERT_EQUAL(object_release(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(value) && !is_live(lock));
}

/* ---------------------------------------------------------------- what is in the way */

static void an_operation_under_way_is_waited_for(void)
{
	struct lane slow = kit_lane(&seg);
	struct collect_result result;
	uint32_t stop = 1;
	uint64_t o = make(SEG_KIND_LIST, NULL);
	lane_begin(&slow, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &stop, &result), SABIR_CANCELLED);
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_BUSY);
	lane_end(&slow);
	CU_ASSERT(is_live(o));
	CU_ASSERT_EQUAL(look(4), 1);
	kit_lane_close(&slow);
}

/* Nobody gets a reference out of it any more; else one that nobody deletes would fill the table. */
static void what_is_damaged_refers_to_nothing(void)
{
	uint64_t list = make(SEG_KIND_LIST, "list"), in_it = make(SEG_KIND_VALUE, NULL), o = make(SEG_KIND_VALUE, NULL);
	struct ref ref;
	put(&cases[1], list, refer(in_it, 0, &ref));
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(o) && is_live(in_it));
	seg.objects[object_index(list)].damaged = 1;
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(in_it) && is_live(list));
	drop(list);
}

static void damaged_containers_end_the_look(void)
{
	for (size_t i = 0; i < N_CASES; i++) {
		uint64_t o = make(SEG_KIND_VALUE, NULL), container = make_container(&cases[i], "container");
		struct collect_result result;
		struct ref ref;
		put(&cases[i], container, refer(o, 0, &ref));
		uint8_t *body = segment_at(&seg, seg.objects[object_index(container)].body, 64);
		for (size_t at = 16; at < 256; at += 8) {
			uint64_t was;
			if (at + 8 > block_size(&seg, seg.objects[object_index(container)].body))
				break;
			memcpy(&was, body + at, 8);
			for (int k = 0; k < 3; k++) {
				const uint64_t rubbish[] = { UINT64_MAX, 1, 0x0000010100000777u };
				memcpy(body + at, &rubbish[k], 8);
				(void)collect_run(collector, &lane, &go_on, &result);
				memcpy(body + at, &was, 8);
				seg.objects[object_index(container)].damaged = 0;
			}
		}
		drop(container);
		(void)look(4);
		kit_settle(&lane);
	}
}

/* ---------------------------------------------------------------- death */

static void act_get(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	(void)queue_get(by, *(uint64_t *)context, 1, &out);
	bytes_fini(&out);
}

static void what_a_dead_getter_had_taken_stays(void)
{
	static const struct kit_step taken = { "queue_get.chained", 1 };
	uint64_t queue = make(SEG_KIND_QUEUE, "queue"), o = make(SEG_KIND_VALUE, NULL);
	struct lane victim = kit_lane(&seg);
	struct collect_result result;
	struct ref ref;
	put(&cases[0], queue, refer(o, 0, &ref));
	CU_ASSERT_EQUAL(look(2), 0);
	CU_ASSERT(kit_die_at(&taken, act_get, &victim, &queue));
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_BUSY);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(seg.objects[object_index(o)].seen, seg.header->cycle);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT(is_live(o));
	drop(queue);
	CU_ASSERT_EQUAL(look(4), 1);
}

static void act_look(struct lane *by, void *context)
{
	struct collect_result result;
	(void)context;
	for (int i = 0; i < 4; i++)
		(void)collect_run(collector, by, &go_on, &result);
}

static void the_collectors_death_costs_nothing(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	for (unsigned k = 0; k == 0 || k <= steps->n; k++) {
		uint64_t dict = make(SEG_KIND_DICT, "dict"), in_it = make(SEG_KIND_LIST, NULL);
		uint64_t pipe = make_container(&cases[5], NULL);
		struct lane victim = kit_lane(&seg);
		struct ref ref;
		put(&cases[2], dict, refer(in_it, 0, &ref));
		put(&cases[5], pipe, refer(make(SEG_KIND_LIST, NULL), 0, &ref));
		(void)pipe_close(&lane, pipe, 0);
		(void)pipe_close(&lane, pipe, 1);
		if (k == 0)
			(void)kit_list_steps(steps, act_look, &victim, NULL);
		else
			(void)kit_die_at(&steps->at[k - 1], act_look, &victim, NULL);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT(is_live(in_it));
		(void)look(4);
		CU_ASSERT(is_live(in_it));
		drop(dict);
		CU_ASSERT_EQUAL(look(4), 1);
		kit_settle(&lane);
		CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
	}
	CU_ASSERT(steps->n > 10);
	munmap(steps, sizeof(*steps));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_nobody_refers_to_ends_at_the_second_look),
		KIT_TEST(what_is_held_stays_until_it_is_released),
		KIT_TEST(who_opens_it_in_time_keeps_it),
		KIT_TEST(a_condition_keeps_the_lock_that_it_was_given),
		KIT_TEST(what_the_dead_held_ends),
		KIT_TEST(nothing_ends_before_the_linger),
		KIT_TEST(it_is_told_of_new_objects),
		KIT_TEST(every_kind_of_container_keeps_what_is_in_it),
		KIT_TEST(what_was_taken_out_ends),
		KIT_TEST(a_name_is_no_reference),
		KIT_TEST(a_chain_ends_with_its_root),
		KIT_TEST(rings_are_ended),
		KIT_TEST(a_pipe_lives_while_an_end_is_held),
		KIT_TEST(a_part_keeps_its_whole_and_ends_with_it),
		KIT_TEST(an_operation_under_way_is_waited_for),
		KIT_TEST(what_is_damaged_refers_to_nothing),
		KIT_TEST(damaged_containers_end_the_look),
		KIT_TEST(what_a_dead_getter_had_taken_stays),
		KIT_TEST(the_collectors_death_costs_nothing),
	};
	return kit_run("collect", collect_setup, collect_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
