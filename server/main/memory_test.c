/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server after the other on the same memory. The former ones are children of the test that die with it in their hands; the
 * test is their keeper.
 */
#include "server/main/memory_test_kit.h"

#include "server/objects/queue.h"

/* ---------------------------------------------------------------- succession */

static void test_what_one_server_made_the_next_one_has(void)
{
	struct memory m;
	uint64_t instance, handle, found;
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	const struct span name = { (const uint8_t *)"q", 1 };
	CU_ASSERT_EQUAL(start(&m), SABIR_OK);
	CU_ASSERT_FALSE(m.inherited);
	instance = m.seg.instance;
	CU_ASSERT_EQUAL(object_create(&m.lane, name, &spec, false, &handle), SABIR_OK);
	die(&m);
	CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
	CU_ASSERT_TRUE(m.inherited);
	CU_ASSERT_EQUAL(m.seg.instance, instance);
	CU_ASSERT_EQUAL(object_open(&m.lane, name, &found), SABIR_OK);
	CU_ASSERT_EQUAL(found, handle);
	memory_stop(&m);
}

static void test_a_long_line_of_servers_uses_no_more_than_one(void)
{
	struct memory m;
	uint32_t lanes = 0;
	run_server(just_die);
	for (int i = 0; i < 40; i++) {
		run_server(just_die);
		CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
		CU_ASSERT_EQUAL(n_owners(&m.seg), 1);
		lanes = i ? lanes : n_lanes(&m.seg);
		CU_ASSERT_EQUAL(n_lanes(&m.seg), lanes);
		die(&m);
	}
}

/* A client's, which lives on. */
static void take_all_lanes(struct memory *m)
{
	uint32_t owner;
	struct lane lane;
	if (owner_open(&m->seg, 1, "greedy", &owner))
		_exit(97);
	m->seg.owners[owner].flags = SEG_OWNER_WELCOMED;
	while (lane_open(&m->seg, owner, &lane) == SABIR_OK)
		;
}

static void test_a_server_finds_lanes_where_the_living_have_all(void)
{
	struct memory m;
	run_server(take_all_lanes);
	for (int i = 0; i < 40; i++) {
		struct lane more[2];
		run_server(just_die);
		CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
		/* As the other parts of a server need them. */
		CU_ASSERT_EQUAL(lane_open(&m.seg, m.owner, &more[0]), SABIR_OK);
		CU_ASSERT_EQUAL(lane_open(&m.seg, m.owner, &more[1]), SABIR_OK);
		die(&m);
	}
}

static void die_before_the_number(struct memory *m)
{
	uint32_t owner;
	(void)owner_open(&m->seg, 1, "sabird", &owner); /* another one, which did not come further */
}

/* ---------------------------------------------------------------- heirs */

static void leave_all_sorts(struct memory *m)
{
	uint32_t owner[4];
	char name[NOTIFY_NAME_SIZE];
	for (int i = 0; i < 4; i++)
		if (owner_open(&m->seg, 1, "client", &owner[i]))
			_exit(97);
	/* 0: kept. 1: kept, and not told yet. 2: neither kept nor told. 3: told, but there was no room for its pidfd. */
	m->seg.owners[owner[0]].flags = m->seg.owners[owner[3]].flags = SEG_OWNER_WELCOMED;
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "client-%u-%u", owner[i], (uint32_t)(m->seg.owners[owner[i]].word >> 32));
		if (!notify_store(name, &m->seg.bell_fd, 1))
			_exit(97);
	}
	snprintf(name, sizeof(name), "client-%u-%u", owner[2], 77u); /* of an earlier one */
	if (!notify_store(name, &m->seg.bell_fd, 1))
		_exit(97);
}

static void leave_sessions(struct memory *m)
{
	uint32_t owner;
	for (int i = 0; i < 2; i++) {
		if (owner_open(&m->seg, 0, "remote", &owner))
			_exit(97);
		m->seg.owners[owner].flags = SEG_OWNER_REMOTE;
	}
}

static void test_who_is_remote_is_asked_about_and_recovered_if_it_can_not_go_on(void)
{
	struct memory m;
	struct heirs h = { .n_adopted = 0 };
	const struct memory_heir heir = { adopt, resume, recover, &h };
	struct kept none = { 0 };
	run_server(leave_sessions);
	CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
	memory_heirs(&m, &none, &heir);
	CU_ASSERT_EQUAL(h.n_resumed, 2);
	CU_ASSERT_EQUAL(h.n_recovered, 1);
	CU_ASSERT_EQUAL(h.recovered[0], h.resumed[1]);
	CU_ASSERT_EQUAL(h.n_adopted, 0);
	memory_stop(&m);
}

/* As one does that is restoring a snapshot. */
static void test_memory_that_was_not_filled_yet_is_not_left_to_the_next(void)
{
	struct memory m;
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		struct kept copy = copy_of_kept();
		memset(&m, 0, sizeof(m));
		(void)memory_start(&config, &copy, &m, detail, sizeof(detail));
		(void)raise(SIGKILL);
	}
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	hear();
	CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
	CU_ASSERT_FALSE(m.inherited);
	memory_stop(&m);
}

static void test_the_living_are_adopted_and_those_of_whom_nobody_was_told_recovered(void)
{
	struct memory m;
	struct heirs h = { .n_adopted = 0 };
	const struct memory_heir heir = { adopt, resume, recover, &h };
	run_server(leave_all_sorts);
	run_server(die_before_the_number);
	struct kept copy = copy_of_kept();
	memset(&m, 0, sizeof(m));
	CU_ASSERT_EQUAL_FATAL(memory_start(&config, &copy, &m, detail, sizeof(detail)), SABIR_OK);
	log_set_level(LOG_LEVEL_ERROR);
	memory_heirs(&m, &copy, &heir);
	hear();
	CU_ASSERT_EQUAL(h.n_adopted, 2);
	CU_ASSERT_EQUAL(h.n_recovered, 2); /* the one who was not told, and the server that was none yet */
	CU_ASSERT_EQUAL(copy.n, 0);
	CU_ASSERT_EQUAL(kept.n, 5); /* memory, bell, this server, two clients: what is of nobody is forgotten */
	CU_ASSERT_EQUAL(n_owners(&m.seg), 6); /* to be recovered by who has said so; and the one that is left alone */
	kept_fini(&copy);
	memory_stop(&m);
}

/* ---------------------------------------------------------------- deaths in the middle */

static uint64_t queue;

/* A client dies with an item half put; the server goes on to recover it, and dies of `point`. */
static const char *point;

static void die_recovering(struct memory *m)
{
	static const uint8_t bytes[100];
	const struct queue_item item = { .body = { bytes, sizeof(bytes) } };
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	const struct span name = { (const uint8_t *)"q", 1 };
	uint32_t owner, accepted;
	struct lane lane;
	if (object_create(&m->lane, name, &spec, false, &queue) || owner_open(&m->seg, 1, "client", &owner))
		_exit(97);
	pid_t pid = fork();
	if (!pid) {
		fault_kill_at("queue_put.published", 1);
		if (lane_open(&m->seg, owner, &lane) || queue_put(&lane, queue, &item, 1, &accepted))
			_exit(96);
	}
	waitpid(pid, NULL, 0);
	fault_kill_at(point, 1);
	(void)owner_recover(&m->lane, owner);
	_exit(95); /* not there */
}

static void recover_now(void *context, uint32_t owner)
{
	struct memory *m = context;
	CU_ASSERT_EQUAL(owner_recover(&m->lane, owner), SABIR_OK);
}

static void die_taking_over(struct memory *m)
{
	const struct memory_heir heir = { adopt, resume_none, recover_now, m };
	struct kept none = { 0 };
	fault_kill_at(point, 1);
	memory_heirs(m, &none, &heir);
}

static void expect_all_in_order(struct memory *m)
{
	const struct memory_heir heir = { adopt, resume_none, recover_now, m };
	struct kept none = { 0 };
	struct bytes out = { 0 };
	uint64_t found = 0;
	const struct span name = { (const uint8_t *)"q", 1 };
	memory_heirs(m, &none, &heir);
	CU_ASSERT_EQUAL(n_owners(&m->seg), 1);
	CU_ASSERT_EQUAL(object_open(&m->lane, name, &found), SABIR_OK);
	CU_ASSERT_EQUAL(m->seg.objects[object_index(found)].lock, 0);
	CU_ASSERT_EQUAL(queue_get(&m->lane, found, 10, &out), SABIR_OK); /* it was published, so it counts */
	CU_ASSERT_EQUAL(out.n_items, 1);
	bytes_fini(&out);
}

static void test_a_server_that_dies_in_a_recovery_is_recovered_and_so_is_its_patient(void)
{
	static const char *const points[] = {
		"recover.lock_released", "recover.object_repaired", "recover.swept",
		"recover.named",         "recover.freed",           "recover.lanes_done"
	};
	for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct memory m;
		point = points[i];
		run_server(die_recovering);
		run_server(die_taking_over);
		run_server(just_die);
		CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
		expect_all_in_order(&m);
		memory_stop(&m);
		kept_fini(&kept);
	}
}

static void hang(struct memory *m)
{
	(void)m;
	for (;;)
		pause();
}

static void test_a_former_server_that_hangs_is_killed_before_the_next_begins(void)
{
	struct memory m;
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		if (begin(&m))
			_exit(98);
		hang(&m);
	}
	while (!kept_find(&kept, "memory", &(size_t){ 0 }))
		hear();
	CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
	CU_ASSERT_EQUAL(waitpid(pid, &status, WNOHANG), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	memory_stop(&m);
}

static void damage(struct memory *m)
{
	m->seg.header->layout_version++;
}

static void test_memory_of_another_version_is_refused_and_left_alone(void)
{
	struct memory m;
	run_server(damage);
	CU_ASSERT_EQUAL(start(&m), SABIR_LAYOUT_MISMATCH);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "can't be used"));
	memory_stop(&m);
	CU_ASSERT_EQUAL(kept.n, 3); /* and this server */
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("memory", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_what_one_server_made_the_next_one_has);
	CU_ADD_TEST(suite, test_a_long_line_of_servers_uses_no_more_than_one);
	CU_ADD_TEST(suite, test_a_server_finds_lanes_where_the_living_have_all);
	CU_ADD_TEST(suite, test_memory_that_was_not_filled_yet_is_not_left_to_the_next);
	CU_ADD_TEST(suite, test_the_living_are_adopted_and_those_of_whom_nobody_was_told_recovered);
	CU_ADD_TEST(suite, test_who_is_remote_is_asked_about_and_recovered_if_it_can_not_go_on);
	CU_ADD_TEST(suite, test_a_server_that_dies_in_a_recovery_is_recovered_and_so_is_its_patient);
	CU_ADD_TEST(suite, test_a_former_server_that_hangs_is_killed_before_the_next_begins);
	CU_ADD_TEST(suite, test_memory_of_another_version_is_refused_and_left_alone);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
