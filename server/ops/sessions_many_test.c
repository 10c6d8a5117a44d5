/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many sessions that end at the same time: all are ended at once, their owners are recovered by some at a time, and
 * whoever calls sessions_expire has time for others in between.
 */
#include "server/base/clock.h"
#include "server/objects/recover_test_kit.h"
#include "server/ops/session_test_kit.h"

#define LEASE (10 * CLOCK_SECOND)
#define MANY 200

static struct session_info many[MANY];

static int setup(void)
{
	const struct segment_options options = {
		.memory_limit = 64 << 20, .n_owners = 300, .n_lanes = 8, .n_objects = 1024, .max_item_bytes = 1 << 20
	};
	if (segment_create(&options, &ops_seg))
		return 1;
	ops_lane = kit_lane(&ops_seg);
	if (object_init_directory(&ops_lane))
		return 1;
	table_options = (struct sessions_options){ .seg = &ops_seg };
	park = park_new(&ops_seg, NULL, NULL);
	all = park ? table() : NULL;
	return !all;
}

static size_t expire(uint64_t now_ns)
{
	sessions_expire(all, &ops_lane, now_ns);
	return sessions_count(all);
}

/* Each has an object that ends with it. Returns when their leases are over: all run once more, from the same time. */
static uint64_t open_many(void)
{
	for (int i = 0; i < MANY; i++) {
		char create[80];
		CU_ASSERT_FATAL(sessions_open(all, text("many"), NULL, LEASE, &many[i]) == SABIR_OK);
		snprintf(create, sizeof(create), "name='e/%d' ephemeral=true lock={}", i);
		ops_lane.actor.owner = many[i].owner;
		CU_ASSERT_FATAL(ops_call("ManagerService/Create", create) == SABIR_OK);
	}
	ops_lane.actor.owner = lane_own_owner(&ops_lane);
	uint64_t late_ns = clock_now() + 3 * LEASE;
	CU_ASSERT_FATAL(expire(late_ns) == MANY && sessions_next(all) == late_ns + LEASE);
	return late_ns + LEASE;
}

static bool is_usable(const struct session_info *info)
{
	struct session *session;
	if (session_use(all, text(info->token), &session))
		return false;
	session_release(all, session);
	return true;
}

static void expire_rest(void)
{
	size_t before = sessions_count(all), left;
	while ((left = before ? expire(clock_now()) : 0) > 0) {
		CU_ASSERT_FATAL(left < before);
		before = left;
	}
	kit_settle(&ops_lane);
	CU_ASSERT(kit_count_objects(&ops_seg) == 0);
	CU_ASSERT(sessions_next(all) == CLOCK_NEVER);
}

static void test_many_that_end_at_once_leave_time_for_others(void)
{
	unsigned n_usable = 0;

	size_t left = expire(open_many());
	CU_ASSERT(left > 0 && left < MANY);
	CU_ASSERT(sessions_next(all) <= clock_now());
	for (int i = 0; i < MANY; i++)
		n_usable += is_usable(&many[i]);
	CU_ASSERT(n_usable == 0);
	expire_rest();
}

/* What is found late for the others has not been late itself. */
static void test_one_whose_lease_is_over_meanwhile_ends_in_time(void)
{
	struct session_info other;
	uint64_t over_ns = open_many();

	CU_ASSERT_FATAL(sessions_open(all, text("other"), NULL, 10 * LEASE, &other) == SABIR_OK);
	CU_ASSERT(expire(over_ns) > 1);
	CU_ASSERT(is_usable(&other));
	CU_ASSERT(expire(clock_now() + 10 * LEASE) > 1);
	CU_ASSERT(!is_usable(&other));
	expire_rest();
}

static void test_the_next_server_goes_on_where_one_stopped(void)
{
	size_t left = expire(open_many()), adopted = 0;
	sessions_free(all);
	all = table();
	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	for (uint32_t i = 0; i < ops_seg.n_owners; i++)
		if (i != ops_lane.owner && owner_state(i) != SEG_OWNER_FREE)
			adopted += sessions_adopt(all, i);
	CU_ASSERT(adopted == left && sessions_count(all) == left);
	expire_rest();
}

static uint64_t time_of_expire(uint64_t now_ns)
{
	uint64_t begun_ns = clock_now();
	(void)expire(now_ns);
	return clock_now() - begun_ns;
}

/* A lock that somebody has is asked for once for all of them, and they end when he has let go of it. */
static void test_a_stopped_program_holds_up_a_slice_no_longer_for_many(void)
{
	const uint64_t patience_ns = 20 * CLOCK_MILLISECOND;
	struct lane stopped = kit_lane(&ops_seg);
	uint64_t handle, over_ns = open_many();

	CU_ASSERT(ops_call("ManagerService/Create", "name='held' lock={}") == SABIR_OK);
	CU_ASSERT_FATAL(object_open(&ops_lane, text("held"), &handle) == SABIR_OK);
	uint64_t *lock = &ops_seg.objects[object_index(handle)].lock;
	CU_ASSERT_FATAL(kit_hold(&stopped, lock) == SABIR_OK);
	ops_lane.lock_patience_ns = patience_ns;
	CU_ASSERT(time_of_expire(over_ns) < OWNERS_AT_ONCE / 2 * patience_ns);
	CU_ASSERT(sessions_count(all) == MANY);
	kit_let_go(&stopped, lock);
	ops_lane.lock_patience_ns = 0;
	for (int i = 0; i < MANY && expire(clock_now() + CLOCK_SECOND) > 0; i++)
		;
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='held'}") == SABIR_OK);
	kit_lane_close(&stopped);
	expire_rest();
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("sessions_many", setup, session_kit_end);
	CU_ADD_TEST(suite, test_many_that_end_at_once_leave_time_for_others);
	CU_ADD_TEST(suite, test_one_whose_lease_is_over_meanwhile_ends_in_time);
	CU_ADD_TEST(suite, test_the_next_server_goes_on_where_one_stopped);
	CU_ADD_TEST(suite, test_a_stopped_program_holds_up_a_slice_no_longer_for_many);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
