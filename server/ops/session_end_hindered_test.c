/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the way when the answers of a session that ends are gone through: no memory, a stopped program, damage. */
#include "server/ops/session_end_test_kit.h"

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
		KIT_TEST(test_without_memory_it_goes_back_later),
		KIT_TEST(test_who_is_stopped_holds_up_his_own_queue_only),
		KIT_TEST(test_one_that_is_not_adopted_loses_nothing),
		KIT_TEST(test_what_is_damaged_is_told_of),
		KIT_TEST(test_items_whose_queue_leads_astray_are_told_of),
		KIT_TEST(test_answers_that_are_gone_are_told_of),
		KIT_TEST(test_only_as_many_are_looked_at_as_there_may_be),
		KIT_TEST(test_an_object_that_is_gone_is_no_loss),
	};

	return kit_run("session_end_hindered", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
