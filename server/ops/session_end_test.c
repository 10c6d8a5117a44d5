/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session has got with request ids and not acknowledged goes back when it ends, once, whatever server ends it and wherever the
 * one before has died on the way.
 */
#include "server/ops/session_end_test_kit.h"

#include "server/objects/collect.h"

static void test_nobody_gets_at_the_answers(void)
{
	char request[64];
	make_objects();
	open_one();
	take_all();
	uint64_t dict = answers_kept(&ops_seg, entry());
	snprintf(request, sizeof(request), "dict={handle=%" PRIu64 "}", dict);
	CU_ASSERT(dict && ops_call("DictService/Items", request) == SABIR_NOT_FOUND && strstr(ops_detail, "dict #"));
	CU_ASSERT(ops_call("DictService/Clear", request) == SABIR_NOT_FOUND);
	snprintf(request, sizeof(request), "object={handle=%" PRIu64 "}", dict);
	CU_ASSERT(ops_call("ManagerService/Delete", request) == SABIR_NOT_FOUND);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK && has_ended());
	CU_ASSERT(all_is_there());
	delete_objects();
}

static void test_what_was_not_acknowledged_goes_back(void)
{
	make_objects();
	open_one();
	take_all();
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(has_ended() && n_lost == 0);
	CU_ASSERT(all_is_there());
	delete_objects();
}

static void test_what_was_acknowledged_does_not(void)
{
	make_objects();
	open_one();
	take_all();
	answers_acknowledged(&ops_seg, opened.owner, 4);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK && has_ended());
	CU_ASSERT(ops_answers("QueueService/GetMany", NAMED("queue", "plain") " max_items=9 timeout={}",
			      "items=$5 items=$6"));
	CU_ASSERT(ops_answers("QueueService/GetMany", NAMED("queue", "tasks") " max_items=9 timeout={}",
			      "items=$1 items=$2 items=$3"));
	delete_objects();
}

static void look_for_unheld(void)
{
	static const uint32_t stop;
	struct collector *collector = collector_new(&ops_seg, 0);
	struct collect_result result;
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(collect_run(collector, &ops_lane, &stop, &result), SABIR_OK);
	collector_free(collector);
}

/* A list that nobody holds, and an item of the queue that refers to it. */
static void put_reference(const char *queue, const char *item, char list[64])
{
	char request[128];
	struct actor own = ops_lane.actor;
	ops_lane.actor = (struct actor){ 0 };
	must("ManagerService/Create", "list={}");
	ops_lane.actor = own;
	uint64_t handle = strtoull(strstr(ops_text, "handle=") + strlen("handle="), NULL, 10);
	snprintf(list, 64, "list={handle=%" PRIu64 "}", handle);
	snprintf(request, sizeof(request), "queue={name='%s'} item=", queue);
	snprintf(request + strlen(request), 64, item, handle);
	must("QueueService/Put", request);
}

/* For as long as it may go back, and not longer. */
static void test_what_an_answer_holds_keeps_what_it_refers_to(void)
{
	static const char *const items[] = { "$*%" PRIu64, "$[$1 $*%" PRIu64 "]" };
	for (unsigned i = 0; i < 8; i++) {
		const char *queue = i & 1 ? "tasks" : "plain";
		char list[64], request[64];
		must("ManagerService/Create", i & 1 ? "name='tasks' queue={tasks=true}" : "name='plain' queue={}");
		open_one();
		put_reference(queue, items[i >> 1 & 1], list);
		snprintf(request, sizeof(request), "queue={name='%s'}%s", queue, i & 4 ? " max_items=3" : "");
		ask(i & 4 ? "QueueService/GetMany" : "QueueService/Get", request);
		look_for_unheld();
		CU_ASSERT_EQUAL(sessions_close(all, text(opened.token), &ops_lane), SABIR_OK);
		look_for_unheld();
		CU_ASSERT(ops_answers("ListService/Len", list, ""));
		must(i & 4 ? "QueueService/GetMany" : "QueueService/Get", request);
		look_for_unheld();
		CU_ASSERT_EQUAL(ops_call("ListService/Len", list), SABIR_DELETED);
		must("ManagerService/Delete", i & 1 ? NAMED("object", "tasks") : NAMED("object", "plain"));
	}
}

/* ---------------------------------------------------------------- deaths */

static struct lane former; /* of a server that will die */

static void close_act(struct lane *by, void *context)
{
	(void)context;
	(void)sessions_close(all, text(opened.token), by);
}

static void resume_act(struct lane *by, void *context)
{
	(void)context;
	for (uint32_t i = 0; i < ops_seg.n_owners; i++)
		if (i == entry() && owner_state(i) != SEG_OWNER_FREE && !sessions_adopt(all, i))
			(void)session_recover(by, i, &n_lost);
	sessions_expire(all, by, clock_now());
}

static void prepare(void)
{
	make_objects();
	open_one();
	take_all();
	former = kit_lane(&ops_seg);
}

static void expect_all(const struct kit_step *step, const struct kit_step *second)
{
	CU_ASSERT(owner_recover(&ops_lane, former.owner) == SABIR_OK);
	next_server();
	bool fine = has_ended() && n_lost == 0 && all_is_there();
	CU_ASSERT(fine);
	if (!fine)
		fprintf(stderr, "died at %s %u, then %s %u\n", step->name, step->nth, second ? second->name : "-",
			second ? second->nth : 0);
	delete_objects();
}

static struct kit_steps *steps_of(kit_act *act, struct lane *by)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	CU_ASSERT_FATAL(kit_list_steps(steps, act, by, NULL));
	return steps;
}

static void test_wherever_the_server_dies_it_goes_back_once(void)
{
	unsigned n_deaths = 0;
	prepare();
	struct kit_steps *steps = steps_of(close_act, &former);
	expect_all(&steps->at[0], NULL);
	for (unsigned i = 0; i < steps->n; i++) {
		prepare();
		n_deaths += kit_die_at(&steps->at[i], close_act, &former, NULL);
		expect_all(&steps->at[i], NULL);
	}
	/* The freeing of memory, behind everything, has more or fewer steps by what was freed before. */
	CU_ASSERT(n_deaths >= steps->n - 20 && steps->n > 400);
	munmap(steps, sizeof(*steps));
}

/* The one after it dies too. */
static void die_twice(const struct kit_step *first, const struct kit_step *second)
{
	prepare();
	CU_ASSERT(kit_die_at(first, close_act, &former, NULL));
	CU_ASSERT(owner_recover(&ops_lane, former.owner) == SABIR_OK);
	sessions_free(all);
	all = table();
	former = kit_lane(&ops_seg);
	if (second)
		(void)kit_die_at(second, resume_act, &former, NULL);
	expect_all(first, second);
}

static void test_also_where_the_next_one_dies(void)
{
	prepare();
	struct kit_steps *steps = steps_of(close_act, &former);
	expect_all(&steps->at[0], NULL);
	for (unsigned i = 0; i < steps->n; i += 7)
		for (unsigned j = i % 5; j < steps->n; j += 5)
			die_twice(&steps->at[i], &steps->at[j]);
	munmap(steps, sizeof(*steps));
}

/* A server dies behind the operation, before its answer is kept; the next one ends the session. How many answers were lost. */
static uint32_t lost_with(const char *method, const char *request)
{
	open_one();
	former = kit_lane(&ops_seg);
	store32_relaxed(&ops_seg.owners[former.owner].flags, SEG_OWNER_SERVER);
	struct op_wait wait = perform(&former, method, request);
	free(wait.receipt.places);
	CU_ASSERT(owner_recover(&ops_lane, former.owner) == SABIR_OK);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK && has_ended());
	return n_lost;
}

static void test_what_a_server_took_that_died_before_it_kept_the_answer(void)
{
	make_objects();
	CU_ASSERT_EQUAL(lost_with("QueueService/GetMany", NAMED("queue", "plain") " max_items=2"), 0);
	CU_ASSERT_EQUAL(lost_with("QueueService/Put", NAMED("queue", "plain") " item=$6"), 0);
	CU_ASSERT_EQUAL(lost_with("QueueService/Put", NAMED("queue", "tasks") " item=$4"), 0);
	CU_ASSERT_EQUAL(lost_with("QueueService/Get", NAMED("queue", "tasks") " lease_duration={seconds=1}"), 0);
	CU_ASSERT_EQUAL(lost_with("QueueService/Get", NAMED("queue", "tasks")), 0);
	CU_ASSERT_EQUAL(lost_with("QueueService/GetMany", NAMED("queue", "tasks") " max_items=2"), 0);
	CU_ASSERT(ops_answers("QueueService/GetMany", NAMED("queue", "plain") " max_items=9 timeout={}",
			      "items=$1 items=$2 items=$3 items=$4 items=$5 items=$6"));
	CU_ASSERT(ops_answers("QueueService/GetMany", NAMED("queue", "tasks") " max_items=9 timeout={}",
			      "items=$1 items=$2 items=$3 items=$4"));
	delete_objects();
}

/* A server dies between the keeping of an answer and what follows it, and the session ends before he is recovered. */
static void test_what_a_dead_server_was_giving_goes_back_once(void)
{
	static const char *const queues[] = { NAMED("queue", "plain"), NAMED("queue", "tasks") };
	make_objects();
	for (size_t i = 0; i < 2; i++) {
		char request[64];
		snprintf(request, sizeof(request), "%s max_items=2", queues[i]);
		open_one();
		former = kit_lane(&ops_seg);
		store32_relaxed(&ops_seg.owners[former.owner].flags, SEG_OWNER_SERVER);
		struct op_wait wait = perform(&former, "QueueService/GetMany", request);
		const struct answer_body body = { ops_op("QueueService/GetMany"), wait.receipt,
						  bytes_item(&ops_response, 0) };
		struct span made = answer_body_encode(&body);
		keep(&keeper, next_id++, made, wait.receipt.items ? body.result.len : 0);
		free((void *)made.data);
		free(wait.receipt.places);
		(void)sessions_close(all, text(opened.token), &ops_lane);
		CU_ASSERT(!has_ended());
		CU_ASSERT(owner_recover(&ops_lane, former.owner) == SABIR_OK);
		sessions_expire(all, &ops_lane, clock_now() + 60 * CLOCK_SECOND);
		CU_ASSERT(has_ended() && n_lost == 0);
	}
	CU_ASSERT(items_are_there());
	delete_objects();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_what_was_not_acknowledged_goes_back),
		KIT_TEST(test_what_was_acknowledged_does_not),
		KIT_TEST(test_what_an_answer_holds_keeps_what_it_refers_to),
		KIT_TEST(test_wherever_the_server_dies_it_goes_back_once),
		KIT_TEST(test_also_where_the_next_one_dies),
		KIT_TEST(test_what_a_server_took_that_died_before_it_kept_the_answer),
		KIT_TEST(test_what_a_dead_server_was_giving_goes_back_once),
		KIT_TEST(test_nobody_gets_at_the_answers),
	};

	return kit_run("session_end", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
