/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deaths: an owner is recovered when its process is dead, has said goodbye, or has lost the memory; and never before.
 * The clients are children that attach for real and work on the memory that they got.
 */
#define _GNU_SOURCE /* pipe2 */
#include "server/control/test_child.h"

#include "server/base/fault.h"
#include "server/objects/mutex.h"
#include "server/objects/queue.h"
#include "server/shm/test_kit.h"

static void test_a_killed_client_is_recovered(void)
{
	pid_t pid = start_child(wait_for_ever);
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	CU_ASSERT_EQUAL(kit_counters().connections, 0);
	end_child(pid);
	kit_expect_service();
}

static uint64_t queue;

static void die_while_putting(struct attached *a)
{
	static const uint8_t bytes[100];
	const struct queue_item item = { .body = { bytes, sizeof(bytes) } };
	uint32_t accepted;
	fault_kill_at("queue_put.published", 1);
	(void)queue_put(&a->lane, queue, &item, 1, &accepted);
}

static void test_what_a_killed_client_left_half_done_is_repaired(void)
{
	struct bytes out = { 0 };
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	CU_ASSERT_EQUAL(object_create(&kit.lane, (struct span){ (const uint8_t *)"q", 1 }, &spec, false, &queue),
			SABIR_OK);
	pid_t pid = start_child(die_while_putting);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(queue_get(&kit.lane, queue, 10, &out), SABIR_OK); /* it was published, so it counts */
	CU_ASSERT_EQUAL(out.n_items, 1);
	CU_ASSERT_EQUAL(out.len, 100);
	bytes_fini(&out);
	end_child(pid);
}

static void fork_and_wait(struct attached *a)
{
	if (fork()) {
		say(rope.to_test[1]);
		wait_for_ever(a);
	}
	hear(rope.to_child[0]); /* holds the socket and the memory until it is told to go */
	_exit(0);
}

static void test_a_dead_parent_is_recovered_while_its_child_holds_the_socket(void)
{
	pid_t pid = start_child(fork_and_wait);
	hear(rope.to_test[0]);
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	kit_expect_service();
	say(rope.to_child[1]);
	end_child(pid);
}

static void close_and_wait(struct attached *a)
{
	close(a->socket);
	say(rope.to_test[1]);
	wait_for_ever(a);
}

static void test_a_closed_socket_is_no_death(void)
{
	pid_t pid = start_child(close_and_wait);
	hear(rope.to_test[0]);
	kit_turn();
	control_tick(kit.control);
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	CU_ASSERT_EQUAL(kit_counters().deaths, 0);
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	end_child(pid);
}

static void unmap_keep_fd(struct attached *a)
{
	int kept = dup(a->seg.fd);
	segment_unmap(&a->seg);
	close(a->socket);
	say(rope.to_test[1]);
	hear(rope.to_child[0]);
	close(kept);
	say(rope.to_test[1]);
	wait_for_ever(a);
}

static void test_a_process_without_the_memory_is_recovered_though_it_lives(void)
{
	pid_t pid = start_child(unmap_keep_fd);
	hear(rope.to_test[0]);
	kit_turn();
	control_tick(kit.control);
	CU_ASSERT_EQUAL(kit_counters().attached, 1); /* it could map it again */
	say(rope.to_child[1]);
	hear(rope.to_test[0]);
	control_tick(kit.control);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	end_child(pid);
	kit_expect_service();
}

static void become_another_program(struct attached *a)
{
	(void)a;
	execl("/bin/cat", "cat", (char *)NULL);
	_exit(99);
}

static void test_a_process_that_became_another_program_is_recovered(void)
{
	int saved = dup(0), in[2];
	CU_ASSERT_EQUAL_FATAL(pipe2(in, O_CLOEXEC), 0);
	dup2(in[0], 0); /* what cat waits for */
	pid_t pid = start_child(become_another_program);
	dup2(saved, 0);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	CU_ASSERT_EQUAL(kill(pid, 0), 0); /* it still runs */
	close(in[0]);
	close(in[1]);
	close(saved);
	end_child(pid);
	kit_expect_service();
}

static void say_goodbye(struct attached *a)
{
	const struct attach_message goodbye = { .type = ATTACH_GOODBYE };
	hear(rope.to_child[0]);
	lane_close(&a->lane);
	segment_unmap(&a->seg);
	(void)attach_send(a->socket, &goodbye, NULL, 0);
	wait_for_ever(a);
}

static void test_goodbye_frees_the_owner_at_once(void)
{
	pid_t pid = start_child(say_goodbye);
	say(rope.to_child[1]);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(kit_counters().deaths, 0);
	CU_ASSERT_EQUAL(kit_counters().goodbyes, 1);
	end_child(pid);
}

static void hold_lock(struct attached *a)
{
	lane_begin(&a->lane, SEG_OP_DICT_WRITE, 0);
	if (kit_hold(&a->lane, &a->seg.objects[0].lock))
		_exit(99);
	raise(SIGKILL);
}

static void test_the_death_of_a_lock_holder_frees_the_lock(void)
{
	uint64_t handle;
	const struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'q' };
	pid_t pid = start_child(hold_lock);
	CU_ASSERT_TRUE(kit_await_attached(0));
	CU_ASSERT_EQUAL(object_create(&kit.lane, (struct span){ (const uint8_t *)"v", 1 }, &spec, false, &handle),
			SABIR_OK);
	end_child(pid);
}

static void die_while_getting(struct attached *a)
{
	struct bytes out = { 0 };
	fault_kill_at("queue_get.taken", 1);
	hear(rope.to_child[0]);
	(void)queue_get(&a->lane, queue, 1, &out);
}

/* The recovery of a get puts the item back, under the queue's lock. Somebody holds it and doesn't go on. */
static void test_a_recovery_that_must_wait_does_not_stop_the_front(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	const struct queue_item item = { .body = { (const uint8_t *)"1", 1 } };
	struct lane holder;
	struct client c;
	uint32_t accepted;
	CU_ASSERT_EQUAL(object_create(&kit.lane, (struct span){ (const uint8_t *)"q", 1 }, &spec, false, &queue),
			SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&kit.lane, queue, &item, 1, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(lane_open(&kit.seg, kit.owner, &holder), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&holder, &kit.seg.objects[object_index(queue)].lock), SABIR_OK);
	kit.lane.lock_patience_ns = CLOCK_MILLISECOND;
	pid_t pid = start_child(die_while_getting);
	say(rope.to_child[1]);
	waitpid(pid, NULL, 0);
	kit_turn();
	CU_ASSERT_EQUAL(kit_counters().deaths, 1);
	CU_ASSERT_EQUAL(kit_counters().attached, 1);
	client_open(&c);
	client_send(&c, ATTACH_PING);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	client_close(&c);
	kit_let_go(&holder, &kit.seg.objects[object_index(queue)].lock);
	CU_ASSERT_TRUE(kit_await_attached(0));
	lane_close(&holder);
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(queue_get(&kit.lane, queue, 1, &out), SABIR_OK);
	bytes_fini(&out);
	end_child(pid);
}

static uint64_t lock;

static void take_lock_and_wait(struct attached *a)
{
	struct mutex_hold hold;
	if (mutex_take(&a->lane, lock, &hold))
		_exit(99);
	say(rope.to_test[1]);
	wait_for_ever(a);
}

/* The one beside the server's. */
static uint32_t owner_attached(void)
{
	for (uint32_t i = 0; i < kit.seg.n_owners; i++)
		if (i != kit.owner && (kit.seg.owners[i].word & 15) == SEG_OWNER_LIVE)
			return i;
	return UINT32_MAX;
}

/* A faulty program has written over it. What its program holds is its own until it dies, and is let go then. */
static void test_an_owner_that_seems_free_is_not_given_to_another(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_LOCK };
	struct mutex_hold hold;
	struct client c;
	CU_ASSERT_EQUAL_FATAL(owners_remember(&kit.seg), SABIR_OK);
	CU_ASSERT_EQUAL(object_create(&kit.lane, (struct span){ (const uint8_t *)"l", 1 }, &spec, false, &lock),
			SABIR_OK);
	pid_t pid = start_child(take_lock_and_wait);
	hear(rope.to_test[0]);
	uint32_t owner = owner_attached();
	CU_ASSERT_FATAL(owner < kit.seg.n_owners);
	store64_relaxed(&kit.seg.owners[owner].word, SEG_OWNER_FREE);
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_WELCOME);
	CU_ASSERT_NOT_EQUAL(c.answer.welcome.owner_index, owner);
	CU_ASSERT_EQUAL(mutex_take(&kit.lane, lock, &hold), SABIR_WOULD_BLOCK);
	kill(pid, SIGKILL);
	CU_ASSERT_TRUE(kit_await_attached(1));
	CU_ASSERT_EQUAL(mutex_take(&kit.lane, lock, &hold), SABIR_OK);
	CU_ASSERT_TRUE(hold.abandoned);
	CU_ASSERT_EQUAL(kit.seg.owners[owner].word & 15, SEG_OWNER_FREE);
	client_send(&c, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_CLOSED);
	client_close(&c);
	end_child(pid);
	kit_expect_service();
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("death", NULL, NULL, kit_setup, kit_teardown);
	CU_ADD_TEST(suite, test_a_killed_client_is_recovered);
	CU_ADD_TEST(suite, test_what_a_killed_client_left_half_done_is_repaired);
	CU_ADD_TEST(suite, test_a_dead_parent_is_recovered_while_its_child_holds_the_socket);
	CU_ADD_TEST(suite, test_a_closed_socket_is_no_death);
	CU_ADD_TEST(suite, test_a_process_without_the_memory_is_recovered_though_it_lives);
	CU_ADD_TEST(suite, test_a_process_that_became_another_program_is_recovered);
	CU_ADD_TEST(suite, test_goodbye_frees_the_owner_at_once);
	CU_ADD_TEST(suite, test_the_death_of_a_lock_holder_frees_the_lock);
	CU_ADD_TEST(suite, test_a_recovery_that_must_wait_does_not_stop_the_front);
	CU_ADD_TEST(suite, test_an_owner_that_seems_free_is_not_given_to_another);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
