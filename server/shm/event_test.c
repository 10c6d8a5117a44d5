/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting and waking between processes, the server's doorbell, and deaths on either side. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <time.h>

#include "server/shm/event.h"
#include "server/shm/test_kit.h"

#define OBJECT 9

static struct segment seg;
static struct lane lane;

static int setup(void)
{
	if (kit_segment(4 << 20, &seg))
		return -1;
	lane = kit_lane(&seg);
	return 0;
}

static int teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

static struct seg_event *event_of(uint32_t side)
{
	return &seg.objects[OBJECT].event[side];
}

/* A CLOCK_MONOTONIC time; ten seconds are far beyond what any wait here should take. */
static uint64_t in_ms(int64_t ms)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec * 1000000000 + now.tv_nsec + ms * 1000000);
}

/* ---------------------------------------------------------------- one process */

static void nobody_waits_nothing_happens(void)
{
	uint32_t seq = event_of(0)->seq;
	event_notify(&seg, OBJECT, 0, INT_MAX);
	CU_ASSERT(event_of(0)->seq == seq && event_of(0)->waiting == 0);
}

static void a_notification_before_the_sleep_is_not_lost(void)
{
	uint32_t key = event_prepare(event_of(0), SEG_WAITING_LOCAL);
	event_notify(&seg, OBJECT, 0, 1);
	CU_ASSERT(event_wait(&lane, OBJECT, 0, key, in_ms(10000)));
	CU_ASSERT_EQUAL(event_of(0)->waiting, 0); /* taken off by the notifier */
	CU_ASSERT_EQUAL(lane.shared->object, OBJECT);
	CU_ASSERT_EQUAL(lane.shared->wait_side, OBJECT << SEG_WAIT_OBJECT | 1);
}

static void the_other_side_is_another_event(void)
{
	uint32_t key = event_prepare(event_of(1), SEG_WAITING_LOCAL);
	event_notify(&seg, OBJECT, 0, 1);
	CU_ASSERT_EQUAL(event_of(1)->seq, key);
	CU_ASSERT(!event_wait(&lane, OBJECT, 1, key, in_ms(1)));
	event_notify(&seg, OBJECT, 1, 1);
	CU_ASSERT_NOT_EQUAL(event_of(1)->seq, key);
}

/* As one would who is attached and writes where he has nothing to write. */
static void who_sleeps_looks_again_though_nobody_knows_that_he_does(void)
{
	uint32_t key = event_prepare(event_of(0), SEG_WAITING_LOCAL);
	uint64_t begin = in_ms(0);
	event_of(0)->waiting = 0;
	lane_look_again = 50 * CLOCK_MILLISECOND;
	CU_ASSERT(event_wait(&lane, OBJECT, 0, key, EVENT_FOREVER));
	CU_ASSERT(in_ms(0) - begin >= LANE_LOOK_AGAIN);
	CU_ASSERT(!event_wait(&lane, OBJECT, 0, key, in_ms(1)));
	kit_look_again_never();
}

static void a_deadline_ends_the_wait(void)
{
	uint32_t key = event_prepare(event_of(0), SEG_WAITING_LOCAL);
	uint64_t begin = in_ms(0);
	CU_ASSERT(!event_wait(&lane, OBJECT, 0, key, 0));
	CU_ASSERT(!event_wait(&lane, OBJECT, 0, key, begin));
	CU_ASSERT(!event_wait(&lane, OBJECT, 0, key, begin + 20000000));
	CU_ASSERT(in_ms(0) >= begin + 20000000);
	event_notify(&seg, OBJECT, 0, 1);
	CU_ASSERT(event_wait(&lane, OBJECT, 0, key, EVENT_FOREVER));
}

/* ---------------------------------------------------------------- two processes */

#define ROUNDS 20000

/* Waits until the counter has passed `value` on the side's event; false: a wake-up was lost. */
static bool await_above(struct lane *by, uint32_t side, const uint64_t *counter, uint64_t value)
{
	for (;;) {
		uint32_t key = event_prepare(event_of(side), SEG_WAITING_LOCAL);
		if (load64_seq(counter) > value)
			return true;
		if (!event_wait(by, OBJECT, side, key, in_ms(10000)))
			return false;
	}
}

static void ping_pong_loses_no_wake_up(void)
{
	uint64_t *balls = kit_shared(4096);
	pid_t pid = fork();
	if (pid == 0) {
		struct lane mine = kit_lane(&seg);
		for (uint64_t i = 0; i < ROUNDS; i++) {
			if (!await_above(&mine, 0, &balls[0], i))
				_exit(1);
			fetch_add64(&balls[8], 1);
			event_notify(&seg, OBJECT, 1, 1);
		}
		_exit(0);
	}
	bool fine = true;
	for (uint64_t i = 0; i < ROUNDS && fine; i++) {
		fetch_add64(&balls[0], 1);
		event_notify(&seg, OBJECT, 0, 1);
		fine = await_above(&lane, 1, &balls[8], i);
	}
	CU_ASSERT(fine);
	CU_ASSERT_EQUAL(kit_wait(pid), 0);
	munmap(balls, 4096);
}

static bool take_token(uint64_t *tokens)
{
	uint64_t n = load64_seq(tokens);
	while (n > 0)
		if (cas64(tokens, &n, n - 1))
			return true;
	return false;
}

/* Takes tokens until it has found the last one; passes the wake on when it leaves some behind. */
static void take_tokens(uint64_t *tokens, uint64_t *taken)
{
	struct lane mine = kit_lane(&seg);
	while (load64_seq(taken) < ROUNDS) {
		uint32_t key = event_prepare(event_of(0), SEG_WAITING_LOCAL);
		if (take_token(tokens)) {
			if (fetch_add64(taken, 1) + 1 == ROUNDS)
				event_notify(&seg, OBJECT, 0, INT_MAX);
			else if (load64_seq(tokens))
				event_notify(&seg, OBJECT, 0, 1);
		} else if (load64_seq(taken) < ROUNDS && !event_wait(&mine, OBJECT, 0, key, in_ms(10000))) {
			_exit(1);
		}
	}
	_exit(0);
}

static void single_wake_ups_reach_all_tokens(void)
{
	uint64_t *shared = kit_shared(4096), *tokens = shared, *taken = shared + 8;
	pid_t pids[4];
	for (int i = 0; i < 4; i++)
		if ((pids[i] = fork()) == 0)
			take_tokens(tokens, taken);
	for (int i = 0; i < ROUNDS; i++) {
		fetch_add64(tokens, 1);
		event_notify(&seg, OBJECT, 0, 1);
	}
	CU_ASSERT(kit_wait_all(pids, 4));
	CU_ASSERT_EQUAL(*taken, ROUNDS);
	munmap(shared, 4096);
}

/* ---------------------------------------------------------------- deaths */

static bool sleeps(pid_t pid)
{
	char path[64], state = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (f) {
		(void)!fscanf(f, "%*d (%*[^)]) %c", &state);
		fclose(f);
	}
	return state == 'S';
}

/* A child that sleeps on the event; exits with 0 when it was woken. */
static pid_t start_sleeper(uint32_t side)
{
	uint32_t key = event_prepare(event_of(side), SEG_WAITING_LOCAL);
	pid_t pid = fork();
	if (pid == 0) {
		struct lane mine = kit_lane(&seg);
		bool woken = event_wait(&mine, OBJECT, side, key, in_ms(10000));
		kit_lane_close(&mine);
		_exit(!woken);
	}
	while (!sleeps(pid))
		sched_yield();
	return pid;
}

static void a_dead_waiter_costs_nothing(void)
{
	int status;
	for (int i = 0; i < 20; i++) {
		pid_t dead = start_sleeper(0), alive = start_sleeper(0);
		kill(dead, SIGKILL);
		waitpid(dead, &status, 0);
		event_notify(&seg, OBJECT, 0, 1); /* the kernel has forgotten the dead one */
		CU_ASSERT_EQUAL(kit_wait(alive), 0);
		uint32_t seq = event_of(0)->seq;
		event_notify(&seg, OBJECT, 0, 1);
		CU_ASSERT_EQUAL(event_of(0)->seq, seq); /* nobody is thought to wait */
	}
}

static void act_notify(struct lane *by, void *context)
{
	(void)by;
	(void)context;
	event_notify(&seg, OBJECT, 0, INT_MAX);
}

static void a_dead_notifiers_waiters_are_woken_by_the_recovery(void)
{
	static const char *const steps[] = { "event.notifying", "event.flags_taken" };
	for (int i = 0; i < 2; i++) {
		struct kit_step step = { .nth = 1 };
		snprintf(step.name, sizeof(step.name), "%s", steps[i]);
		pid_t pids[3] = { start_sleeper(0), start_sleeper(0), start_sleeper(1) };
		CU_ASSERT(kit_die_at(&step, act_notify, &lane, NULL));
		event_notify_all(&seg, OBJECT); /* what a recovery does, see objects/recover.c */
		CU_ASSERT(kit_wait_all(pids, 3));
	}
}

/* ---------------------------------------------------------------- the doorbell */

static bool bell_rings(void)
{
	struct pollfd p = { .fd = seg.bell_fd, .events = POLLIN };
	return poll(&p, 1, 0) == 1;
}

static void ring(uint32_t object)
{
	event_prepare(&seg.objects[object].event[0], SEG_WAITING_SERVER);
	event_notify(&seg, object, 0, 1);
}

static void silence(void)
{
	uint32_t object;
	bell_answer(&seg);
	while (bell_next(&seg, &object))
		;
}

static void the_bell_rings_once_until_it_is_answered(void)
{
	uint32_t object = 0;
	uint64_t rings = 0;
	silence();
	CU_ASSERT(!bell_rings());
	CU_ASSERT(!bell_next(&seg, &object));
	for (int i = 0; i < 5; i++)
		ring(OBJECT);
	CU_ASSERT(bell_rings());
	CU_ASSERT_EQUAL(read(seg.bell_fd, &rings, 8), 8);
	CU_ASSERT_EQUAL(rings, 1); /* one system call for five notifications */
	bell_answer(&seg);
	CU_ASSERT(bell_next(&seg, &object) && object == OBJECT);
	CU_ASSERT(!bell_next(&seg, &object));
	ring(OBJECT);
	CU_ASSERT(bell_rings());
	silence();
	CU_ASSERT(!bell_rings());
}

static void the_bell_is_for_the_server_only(void)
{
	uint32_t object;
	silence();
	event_prepare(event_of(0), SEG_WAITING_LOCAL);
	event_notify(&seg, OBJECT, 0, 1);
	CU_ASSERT(!bell_rings() && !bell_next(&seg, &object));
	event_prepare(event_of(0), SEG_WAITING_LOCAL | SEG_WAITING_SERVER);
	uint32_t seq = event_of(0)->seq;
	event_notify(&seg, OBJECT, 0, 1);
	CU_ASSERT(event_of(0)->seq == seq + 1 && bell_rings()); /* both */
	silence();
}

static void every_object_that_rang_is_found_once(void)
{
	uint8_t found[256] = { 0 };
	uint32_t object, n = 0;
	silence();
	for (uint32_t i = 0; i < 256; i++)
		ring(i);
	bell_answer(&seg);
	while (bell_next(&seg, &object) && n++ < 1000)
		found[object < 256 ? object : 0]++;
	CU_ASSERT_EQUAL(n, 256);
	for (int i = 0; i < 256; i++)
		CU_ASSERT_EQUAL(found[i], 1);
}

static void a_damaged_ready_set_ends(void)
{
	static const struct segment_options options = { 1 << 20, 2, 2, 70, 1 };
	struct segment small;
	uint32_t object = 0, n = 0;
	CU_ASSERT_EQUAL_FATAL(segment_create(&options, &small), SABIR_OK);
	small.header->ready_summary = UINT64_MAX;
	small.ready[0] = UINT64_MAX;
	small.ready[1] = UINT64_MAX;
	bell_answer(&small);
	while (bell_next(&small, &object) && n < 1000) {
		CU_ASSERT(object < 70);
		n++;
	}
	CU_ASSERT_EQUAL(n, 70);
	segment_unmap(&small);
}

/* Who rings again and again, and is in front, holds up nobody. */
static void a_walk_through_the_ready_set_goes_on(void)
{
	uint32_t object, n = 0;
	silence();
	ring(1);
	ring(200);
	bell_answer(&seg);
	for (; n < 10 && bell_next(&seg, &object); n++)
		ring(1);
	CU_ASSERT(n == 2 && object == 200);
	CU_ASSERT(bell_rings() && bell_next(&seg, &object) && object == 1);
	silence();
}

static void a_dead_ringers_bell_is_rung_by_the_recovery(void)
{
	static const char *const steps[] = { "event.notifying", "event.flags_taken", "event.ringing",
					     "event.notified" };
	for (int i = 0; i < 4; i++) {
		struct kit_step step = { .nth = 1 };
		uint32_t object = 0;
		snprintf(step.name, sizeof(step.name), "%s", steps[i]);
		silence();
		event_prepare(event_of(0), SEG_WAITING_SERVER);
		CU_ASSERT(kit_die_at(&step, act_notify, &lane, NULL));
		event_notify_all(&seg, OBJECT);
		CU_ASSERT(bell_rings());
		bell_answer(&seg);
		CU_ASSERT(bell_next(&seg, &object) && object == OBJECT);
		silence();
		ring(OBJECT + 1); /* and it rings for others */
		CU_ASSERT(bell_rings());
	}
	silence();
}

/* The server's loop: look, and if there is nothing, sleep on the bell until it is in the ready set. */
static bool serve(uint64_t *requests, uint64_t *served)
{
	while (load64_seq(served) < 2 * ROUNDS) {
		uint32_t object;
		event_prepare(event_of(0), SEG_WAITING_SERVER);
		if (take_token(requests)) {
			fetch_add64(served, 1);
			event_notify(&seg, OBJECT, 1, INT_MAX);
			continue;
		}
		struct pollfd p = { .fd = seg.bell_fd, .events = POLLIN };
		if (poll(&p, 1, 10000) != 1)
			return false;
		bell_answer(&seg);
		while (bell_next(&seg, &object))
			;
	}
	return true;
}

static void the_server_misses_no_ring(void)
{
	uint64_t *shared = kit_shared(4096), *requests = shared, *served = shared + 8;
	pid_t pids[2];
	silence();
	for (int i = 0; i < 2; i++)
		if ((pids[i] = fork()) == 0) {
			struct lane mine = kit_lane(&seg);
			for (uint64_t k = 0; k < ROUNDS; k++) {
				uint64_t before = load64_seq(served);
				fetch_add64(requests, 1);
				event_notify(&seg, OBJECT, 0, 1);
				/* Some answer, its own or the other's: so both work most of the time. */
				if (!await_above(&mine, 1, served, before))
					_exit(1);
			}
			_exit(0);
		}
	CU_ASSERT(serve(requests, served));
	CU_ASSERT(kit_wait_all(pids, 2));
	munmap(shared, 4096);
}

static int sleep_with(uint32_t bits, uint64_t *ready)
{
	struct lane mine = kit_lane(&seg);
	uint32_t key = load32_seq(&event_of(0)->seq);
	fetch_add64(ready, 1);
	return event_wait_call(&mine, OBJECT, 0, key, in_ms(10000), bits) ? 0 : 1;
}

/* Somebody else has taken them off, and not yet come back for the others. */
static void who_is_called_wakes_though_the_flags_are_gone(void)
{
	uint64_t *ready = kit_shared(sizeof(*ready));
	pid_t pids[2];
	for (int i = 0; i < 2; i++)
		if ((pids[i] = fork()) == 0)
			_exit(sleep_with(1u << i, ready));
	while (load64_seq(ready) < 2)
		sched_yield();
	store32_seq(&event_of(0)->waiting, SEG_WAITING_SERVER);
	event_call(&seg, OBJECT, 0, 2);
	CU_ASSERT_EQUAL(kit_wait(pids[1]), 0);
	CU_ASSERT(load32_seq(&event_of(0)->waiting) == 0 && bell_rings());
	silence();
	event_call(&seg, OBJECT, 0, 1);
	CU_ASSERT_EQUAL(kit_wait(pids[0]), 0);
	CU_ASSERT_FALSE(bell_rings());
	munmap(ready, sizeof(*ready));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(nobody_waits_nothing_happens),
		KIT_TEST(a_notification_before_the_sleep_is_not_lost),
		KIT_TEST(the_other_side_is_another_event),
		KIT_TEST(who_sleeps_looks_again_though_nobody_knows_that_he_does),
		KIT_TEST(a_deadline_ends_the_wait),
		KIT_TEST(who_is_called_wakes_though_the_flags_are_gone),
		KIT_TEST(ping_pong_loses_no_wake_up),
		KIT_TEST(single_wake_ups_reach_all_tokens),
		KIT_TEST(a_dead_waiter_costs_nothing),
		KIT_TEST(a_dead_notifiers_waiters_are_woken_by_the_recovery),
		KIT_TEST(the_bell_rings_once_until_it_is_answered),
		KIT_TEST(the_bell_is_for_the_server_only),
		KIT_TEST(every_object_that_rang_is_found_once),
		KIT_TEST(a_damaged_ready_set_ends),
		KIT_TEST(a_walk_through_the_ready_set_goes_on),
		KIT_TEST(a_dead_ringers_bell_is_rung_by_the_recovery),
		KIT_TEST(the_server_misses_no_ring),
	};
	return kit_run("event", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
