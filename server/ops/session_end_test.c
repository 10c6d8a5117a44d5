/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session has got with request ids and not acknowledged goes back when it ends, once, whatever server ends it and wherever the
 * one before has died on the way.
 */
#include "server/ops/session_end.h"

#include "server/base/clock.h"
#include "server/objects/answers.h"
#include "server/objects/collect.h"
#include "server/objects/dict.h"
#include "server/objects/recover_test_kit.h"
#include "server/ops/answer_body.h"
#include "server/ops/session_record.h"
#include "server/ops/session_test_kit.h"

static struct lane keeper; /* stores answers, as a server's other lane does */
static uint64_t next_id;
static uint32_t n_lost;

static void note_lost(void *context, uint64_t owner, uint32_t n_answers)
{
	(void)context, (void)owner;
	n_lost += n_answers;
}

static int setup(void)
{
	if (session_kit_begin(&(struct sessions_options){ .lost = note_lost }))
		return 1;
	keeper = kit_lane(&ops_seg);
	return 0;
}

static int teardown(void)
{
	kit_lane_close(&keeper);
	return session_kit_end();
}

static void must(const char *method, const char *request)
{
	enum sabir_error error = ops_call(method, request);
	if (error)
		fprintf(stderr, "\n%s %s: %s %s\n", method, request, error_name(error), ops_detail);
	CU_ASSERT_FATAL(error == SABIR_OK);
}

static void open_one(void)
{
	CU_ASSERT_FATAL(sessions_open(all, text("remote"), NULL, 0, &opened) == SABIR_OK);
	next_id = 1;
	n_lost = 0;
}

static void keep(struct lane *by, uint64_t id, struct span body, size_t items_len)
{
	const struct kept_answer a = { .id = id, .items = true, .body = body, .items_len = items_len };
	CU_ASSERT_FATAL(answer_keep(by, opened.owner, &a) == SABIR_OK);
}

/* A request of the session with an id, as a server's front performs it. */
static struct op_wait perform(struct lane *by, const char *method, const char *request)
{
	uint8_t encoded[256];
	struct op_wait wait = { .undoable = true };
	struct actor own = by->actor;
	by->actor = (struct actor){ .owner = opened.owner, .request = next_id };
	enum sabir_error error = op_run_front(ops_op(method), by, NULL, ops_request(method, request, encoded),
					      &ops_response, &wait, ops_detail);
	by->actor = own;
	CU_ASSERT_FATAL(error == SABIR_OK);
	return wait;
}

/* And its answer is kept. */
static void ask(const char *method, const char *request)
{
	const struct op *op = ops_op(method);
	struct op_wait wait = perform(&ops_lane, method, request);
	const struct answer_body body = { op, wait.receipt, bytes_item(&ops_response, 0) };
	struct span made = answer_body_encode(&body);
	keep(&keeper, next_id++, made, wait.receipt.items ? body.result.len : 0);
	free((void *)made.data);
	op_finish(&wait.receipt, true);
	op_receipt_fini(&wait.receipt);
}

/* What a server does that starts, and then in its loop. */
static void next_server(void)
{
	sessions_free(all);
	all = table();
	for (uint32_t i = 0; i < ops_seg.n_owners; i++)
		if (owner_state(i) != SEG_OWNER_FREE && i != ops_lane.owner && i != keeper.owner &&
		    !sessions_adopt(all, i))
			CU_ASSERT(session_recover(&ops_lane, i, &n_lost) == SABIR_OK);
	sessions_expire(all, &ops_lane, clock_now());
}

static bool has_ended(void)
{
	struct session *session;
	bool unknown = session_use(all, text(opened.token), &session) == SABIR_SESSION_ENDED;
	return unknown && owner_state(entry()) == SEG_OWNER_FREE && sessions_count(all) == 0;
}

/* ---------------------------------------------------------------- objects */

#define NAMED(field, name) field "={name='" name "'}"

/* Of each kind that gives something: three in a plain queue, two tasks, a message of each sort. */
static void make_objects(void)
{
	must("ManagerService/Create", "name='plain' queue={}");
	must("ManagerService/Create", "name='tasks' queue={tasks=true}");
	must("ManagerService/Create", "name='pipe' pipe={}");
	must("ManagerService/Create", "name='lock' lock={}");
	must("PipeService/Open", NAMED("pipe", "pipe") " end=0");
	must("PipeService/Open", NAMED("pipe", "pipe") " end=1");
	must("QueueService/PutMany", NAMED("queue", "plain") " items=$1 items=$2 items=$3 items=$4 items=$5");
	must("QueueService/PutMany", NAMED("queue", "tasks") " items=$1 items=$2 items=$3");
	must("PipeService/Send", NAMED("pipe", "pipe") " end=1 item=$1");
	must("PipeService/SendBytes", NAMED("pipe", "pipe") " end=1 data='two'");
}

static void delete_objects(void)
{
	must("ManagerService/Delete", NAMED("object", "plain"));
	must("ManagerService/Delete", NAMED("object", "tasks"));
	must("ManagerService/Delete", NAMED("object", "pipe"));
	must("ManagerService/Delete", NAMED("object", "lock"));
}

/* The session takes all of it but the last of the plain queue. */
static void take_all(void)
{
	struct actor own = ops_lane.actor;
	ops_lane.actor = (struct actor){ .owner = opened.owner };
	must("PipeService/Open", NAMED("pipe", "pipe") " end=0");
	ops_lane.actor = own;
	ask("QueueService/Put", NAMED("queue", "plain") " item=$6");
	ask("QueueService/Get", NAMED("queue", "plain"));
	ask("QueueService/GetMany", NAMED("queue", "plain") " max_items=3");
	ask("QueueService/GetMany", NAMED("queue", "tasks") " max_items=2");
	ask("LockService/Acquire", NAMED("lock", "lock"));
	ask("QueueService/Get", NAMED("queue", "tasks"));
	ask("PipeService/Recv", NAMED("pipe", "pipe") " end=0");
	ask("PipeService/RecvBytes", NAMED("pipe", "pipe") " end=0");
}

static bool all_is_there(void)
{
	bool fine = ops_answers("QueueService/GetMany", NAMED("queue", "plain") " max_items=9 timeout={}",
				"items=$1 items=$2 items=$3 items=$4 items=$5 items=$6");
	fine &= ops_answers("QueueService/GetMany", NAMED("queue", "tasks") " max_items=9 timeout={}",
			    "items=$1 items=$2 items=$3");
	fine &= ops_answers("PipeService/Recv", NAMED("pipe", "pipe") " end=0 timeout={}", "item=$1");
	fine &= ops_answers("PipeService/RecvBytes", NAMED("pipe", "pipe") " end=0 timeout={}", "data='two'");
	fine &= ops_call("PipeService/Recv", NAMED("pipe", "pipe") " end=0 timeout={}") == SABIR_EMPTY;
	fine &= ops_call("LockService/Acquire", NAMED("lock", "lock") " timeout={}") == SABIR_OK;
	return fine;
}

static bool items_are_there(void)
{
	return ops_answers("QueueService/GetMany", NAMED("queue", "plain") " max_items=9 timeout={}",
			   "items=$1 items=$2 items=$3 items=$4 items=$5") &&
	       ops_answers("QueueService/GetMany", NAMED("queue", "tasks") " max_items=9 timeout={}",
			   "items=$1 items=$2 items=$3");
}

/* Answers are the server's: also who knows where they are does not get them. */
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

/* ---------------------------------------------------------------- what is in the way */

/* All blocks of every size, as if they were an object's. */
static struct bytes use_memory_up(void)
{
	struct bytes refs = { 0 };
	struct seg_block *block;
	kit_settle(&keeper);
	kit_settle(&ops_lane);
	lane_begin(&ops_lane, SEG_OP_READ, 0);
	for (uint64_t size = 1 << 20; size >= SEG_LINE; size -= (size / 4 + SEG_LINE - 1) / SEG_LINE * SEG_LINE)
		while (block_alloc(&ops_lane, size, 0, &block) == SABIR_OK) {
			uint32_t ref = segment_ref(&ops_seg, block);
			block_publish(block, 1);
			store32_relaxed(&ops_lane.shared->hand[0], 0);
			CU_ASSERT_FATAL(bytes_add(&refs, &ref, sizeof(ref)) == SABIR_OK);
		}
	lane_end(&ops_lane);
	return refs;
}

static void give_memory_back(struct bytes *refs)
{
	const uint32_t *ref = (const uint32_t *)(const void *)refs->data;
	lane_begin(&ops_lane, SEG_OP_READ, 0);
	for (size_t i = 0; i < refs->len / sizeof(*ref); i++) {
		struct seg_block *block = segment_at(&ops_seg, ref[i], sizeof(*block));
		block_retract(&ops_lane, block);
		block_free(&ops_lane, block);
	}
	lane_end(&ops_lane);
	bytes_fini(refs);
}

static void test_without_memory_it_goes_back_later(void)
{
	make_objects();
	open_one();
	take_all();
	struct bytes used = use_memory_up();
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(!has_ended() && owner_state(entry()) == SEG_OWNER_DEAD);
	CU_ASSERT(ops_call("LockService/Status", NAMED("lock", "lock")) == SABIR_OK &&
		  !strstr(ops_text, "locked=true"));
	next_server();
	CU_ASSERT(!has_ended());
	give_memory_back(&used);
	sessions_expire(all, &ops_lane, clock_deadline(CLOCK_SECOND));
	CU_ASSERT(has_ended() && n_lost == 0 && all_is_there());
	delete_objects();
}

/* Somebody is stopped with the lock of one of the queues: the others have their items, and the lock is free. */
static void test_who_is_stopped_holds_up_his_own_queue_only(void)
{
	make_objects();
	open_one();
	take_all();
	uint64_t plain;
	CU_ASSERT_FATAL(object_open(&ops_lane, text("plain"), &plain) == SABIR_OK);
	uint64_t *lock = &ops_seg.objects[object_index(plain)].lock;
	CU_ASSERT_FATAL(kit_hold(&keeper, lock) == SABIR_OK);
	ops_lane.lock_patience_ns = CLOCK_MILLISECOND;
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(!has_ended());
	CU_ASSERT(ops_call("LockService/Acquire", NAMED("lock", "lock") " timeout={}") == SABIR_OK);
	must("LockService/Release", NAMED("lock", "lock"));
	next_server();
	CU_ASSERT(!has_ended());
	kit_let_go(&keeper, lock);
	ops_lane.lock_patience_ns = 0;
	sessions_expire(all, &ops_lane, clock_deadline(CLOCK_SECOND));
	CU_ASSERT(has_ended() && n_lost == 0 && all_is_there());
	delete_objects();
}

/* No memory for the table: it was to go on, and ends. */
static void test_one_that_is_not_adopted_loses_nothing(void)
{
	make_objects();
	open_one();
	take_all();
	sessions_free(all);
	all = table();
	CU_ASSERT(session_recover(&ops_lane, entry(), &n_lost) == SABIR_OK && n_lost == 0);
	CU_ASSERT(has_ended() && all_is_there());
	delete_objects();
}

/* Whoever is attached can damage them; what can't go back is told of, and the rest goes. */
static void test_what_is_damaged_is_told_of(void)
{
	const struct span key = { (const uint8_t *)"\x08", 1 };
	const struct answer_body unknown = { .op = ops_op("QueueService/Get"), .receipt = { .items = true } };
	bool inserted;
	make_objects();
	open_one();
	take_all();
	CU_ASSERT(dict_set(&ops_lane, ops_seg.sessions[entry()].answers, key, key, &inserted) == SABIR_OK);
	keep(&keeper, next_id++, text("no body"), 0);
	struct span made = answer_body_encode(&unknown);
	keep(&keeper, next_id++, made, 0); /* without an object and a place */
	free((void *)made.data);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(has_ended() && n_lost == 3 && all_is_there());
	delete_objects();
}

static uint64_t blocks_used(void)
{
	struct arena_stats stats;
	kit_settle(&keeper);
	kit_settle(&ops_lane);
	arena_stats(&ops_seg, &stats);
	return stats.n_blocks;
}

static struct seg_queue *queue_body(const char *name)
{
	uint64_t handle;
	CU_ASSERT_FATAL(object_open(&ops_lane, text(name), &handle) == SABIR_OK);
	return segment_at(&ops_seg, ops_seg.objects[object_index(handle)].body, sizeof(struct seg_queue));
}

/* The list of returned items leads to another queue's. */
static void test_items_whose_queue_leads_astray_are_told_of(void)
{
	uint64_t before = blocks_used();
	make_objects();
	must("ManagerService/Create", "name='other' queue={}");
	must("QueueService/Put", NAMED("queue", "other") " item=$9");
	const struct seg_slots *slots = segment_at(&ops_seg, (uint32_t)queue_body("other")->head,
						   sizeof(struct seg_slots));
	open_one();
	ask("QueueService/GetMany", NAMED("queue", "plain") " max_items=3");
	queue_body("plain")->returned = (uint32_t)slots->slot[0];
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(has_ended() && n_lost == 1);
	CU_ASSERT(ops_call("QueueService/Get", NAMED("queue", "plain") " timeout={}") == SABIR_DATA_LOSS);
	CU_ASSERT(ops_answers("QueueService/Get", NAMED("queue", "other") " timeout={}", "item=$9"));
	must("ManagerService/Delete", NAMED("object", "other"));
	delete_objects();
	CU_ASSERT_EQUAL(blocks_used(), before);
}

static void test_answers_that_are_gone_are_told_of(void)
{
	make_objects();
	open_one();
	take_all();
	CU_ASSERT(object_delete(&ops_lane, ops_seg.sessions[entry()].answers) == SABIR_OK);
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(has_ended() && n_lost == 1);
	delete_objects();
}

/* A faulty program has put much into the session's dict. */
static void test_only_as_many_are_looked_at_as_there_may_be(void)
{
	uint64_t dict, *answers;
	bool inserted;
	make_objects();
	must("ManagerService/Create", "name='large' dict={}");
	CU_ASSERT_FATAL(object_open(&ops_lane, text("large"), &dict) == SABIR_OK);
	for (uint32_t i = 0; i < ANSWERS_MOST + 100; i++) {
		uint8_t key[16];
		const struct span span = { key, value_put_int(i, key) };
		CU_ASSERT_FATAL(dict_set(&ops_lane, dict, span, span, &inserted) == SABIR_OK);
	}
	open_one();
	ask("QueueService/Get", NAMED("queue", "plain"));
	answers = &ops_seg.sessions[entry()].answers;
	/* One that does not end with the session is not taken for its. */
	ops_seg.objects[object_index(dict)].owner = ops_seg.objects[object_index(*answers)].owner;
	CU_ASSERT(object_delete(&ops_lane, *answers) == SABIR_OK);
	*answers = dict;
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(has_ended() && n_lost == ANSWERS_MOST + 1);
	delete_objects();
}

static void test_an_object_that_is_gone_is_no_loss(void)
{
	make_objects();
	open_one();
	take_all();
	delete_objects();
	CU_ASSERT(sessions_close(all, text(opened.token), &ops_lane) == SABIR_OK);
	CU_ASSERT(has_ended() && n_lost == 0);
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
		KIT_TEST(test_without_memory_it_goes_back_later),
		KIT_TEST(test_who_is_stopped_holds_up_his_own_queue_only),
		KIT_TEST(test_one_that_is_not_adopted_loses_nothing),
		KIT_TEST(test_what_is_damaged_is_told_of),
		KIT_TEST(test_items_whose_queue_leads_astray_are_told_of),
		KIT_TEST(test_answers_that_are_gone_are_told_of),
		KIT_TEST(test_only_as_many_are_looked_at_as_there_may_be),
		KIT_TEST(test_an_object_that_is_gone_is_no_loss),
	};

	return kit_run("session_end", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
