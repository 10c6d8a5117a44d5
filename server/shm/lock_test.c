/* SPDX-License-Identifier: Apache-2.0 */
/* The object's lock, also when its users die, and when somebody has written over its word. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/shm/event.h"
#include "server/shm/segment_test_kit.h"

static void count_under_lock(uint64_t *lock, uint64_t *counter, int rounds)
{
	struct lane lane = kit_lane(&seg);
	for (int i = 0; i < rounds; i++) {
		if (kit_hold(&lane, lock))
			_exit(1);
		*(volatile uint64_t *)counter += 1; /* no atomic: the lock is what is tested */
		kit_let_go(&lane, lock);
	}
	kit_lane_close(&lane);
	_exit(0);
}

static void the_lock_excludes_between_processes(void)
{
	uint64_t *lock = &seg.objects[7].lock, *counter = kit_shared(8);
	pid_t pids[6];
	for (int i = 0; i < 6; i++)
		if ((pids[i] = fork()) == 0)
			count_under_lock(lock, counter, 30000);
	CU_ASSERT(kit_wait_all(pids, 6));
	CU_ASSERT_EQUAL(*counter, 6 * 30000);
	CU_ASSERT_EQUAL(*lock, 0);
	munmap(counter, 8);
}

/* Whether the doorbell has been rung for this object, and for no other. */
static bool rung_for(uint32_t object)
{
	uint32_t found = UINT32_MAX, more;
	bell_answer(&seg);
	return bell_next(&seg, &found) && found == object && !bell_next(&seg, &more);
}

static void a_lane_that_does_not_sleep_has_the_release_ring(void)
{
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg);
	uint64_t *lock = &seg.objects[7].lock;
	server.lock_rings = true;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	kit_let_go(&holder, lock);
	CU_ASSERT_FALSE(rung_for(7));
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(kit_hold(&server, lock), SABIR_BUSY);
	CU_ASSERT_EQUAL(server.busy_object, 7);
	CU_ASSERT(lock_held_by(lock, holder.id) && !rung_for(7));
	kit_let_go(&holder, lock);
	CU_ASSERT(rung_for(7));
	CU_ASSERT_EQUAL(kit_hold(&server, lock), SABIR_OK);
	kit_let_go(&server, lock);
	CU_ASSERT(!rung_for(7) && *lock == 0);
	kit_lane_close(&holder);
	kit_lane_close(&server);
}

static void the_lock_names_its_holder(void)
{
	struct lane a = kit_lane(&seg), b = kit_lane(&seg);
	uint64_t *lock = &seg.objects[7].lock;
	CU_ASSERT(!lock_held_by(lock, a.id));
	CU_ASSERT_EQUAL(kit_hold(&a, lock), SABIR_OK);
	CU_ASSERT(lock_held_by(lock, a.id) && !lock_held_by(lock, b.id));
	b.lock_patience_ns = 2000000;
	CU_ASSERT_EQUAL(kit_hold(&b, lock), SABIR_BUSY);
	CU_ASSERT(lock_held_by(lock, a.id)); /* with the sleepers' flag beside it */
	kit_let_go(&a, lock);
	CU_ASSERT_EQUAL(kit_hold(&b, lock), SABIR_OK);
	kit_let_go(&b, lock);
	kit_lane_close(&a);
	kit_lane_close(&b);
}

/* Whoever came would wait for ever, or come again and again. */
static void a_lock_that_nobody_can_have_is_data_loss(void)
{
	struct lane server = kit_lane(&seg), client = kit_lane(&seg), gone = kit_lane(&seg), idle = kit_lane(&seg);
	const uint64_t words[] = {
		UINT64_MAX, 1ull << 40 | client.id, 0x4000, 0x8000, seg.n_lanes + 1, gone.id, idle.id
	};
	struct seg_object *o = &seg.objects[9];
	kit_lane_close(&gone);
	server.lock_rings = true;
	alarm(20);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		o->damaged = 0;
		o->lock = words[i];
		CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(o->damaged, 1);
		o->damaged = 0;
		CU_ASSERT_EQUAL(kit_hold(&client, &o->lock), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(o->damaged, 1);
	}
	alarm(0);
	o->lock = idle.id;
	o->damaged = 0;
	lane_begin(&idle, SEG_OP_READ, 0); /* it may be about to release it */
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
	CU_ASSERT_EQUAL(o->damaged, 0);
	lane_end(&idle); /* but it does not */
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_DATA_LOSS);
	o->lock = o->damaged = 0;
	kit_lane_close(&idle);
	kit_lane_close(&server);
	kit_lane_close(&client);
}

static bool clock_stands;

static void *overwrite(void *context)
{
	uint64_t *lock = context;
	while (!(load64_seq(lock) & 0x4000))
		sched_yield();
	store64_seq(lock, 0);
	return NULL;
}

static void who_sleeps_sees_that_the_word_is_another_though_nobody_wakes_him(void)
{
	struct lane holder = kit_lane(&seg), client = kit_lane(&seg);
	uint64_t *lock = &seg.objects[9].lock;
	pthread_t thread;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, overwrite, lock), 0);
	lane_look_again = 50 * CLOCK_MILLISECOND;
	alarm(20);
	CU_ASSERT_EQUAL(kit_hold(&client, lock), SABIR_OK);
	alarm(0);
	kit_look_again_never();
	pthread_join(thread, NULL);
	kit_let_go(&client, lock);
	kit_let_go(&holder, lock);
	kit_lane_close(&holder);
	kit_lane_close(&client);
}

/* The holder lets go just before he is asked for, each time, and takes the lock again just behind that. */
static void change_hands(const char *name, void *context)
{
	struct lane *holder = context;
	if (!strcmp(name, "lock.named") || !strcmp(name, "lock.doubted"))
		kit_let_go(holder, &seg.objects[9].lock);
	else if (!strcmp(name, "lock.suspected") || !strcmp(name, "lock.asked"))
		CU_ASSERT_EQUAL(kit_hold(holder, &seg.objects[9].lock), SABIR_OK);
}

static void who_had_let_go_when_he_was_asked_for_is_believed(void)
{
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg);
	struct seg_object *o = &seg.objects[9];
	server.lock_rings = true;
	CU_ASSERT_EQUAL(kit_hold(&holder, &o->lock), SABIR_OK);
	fault_trace(change_hands, &holder);
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
	fault_trace(NULL, NULL);
	CU_ASSERT(!o->damaged && lock_held_by(&o->lock, holder.id));
	kit_let_go(&holder, &o->lock);
	kit_lane_close(&holder);
	kit_lane_close(&server);
}

/* The number that an operation pins is nobody's proof that there is none. */
static void who_works_is_believed_whatever_the_epoch_is(void)
{
	static const uint64_t epochs[] = { 0, SEG_PINNED, UINT64_MAX };
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg);
	struct seg_object *o = &seg.objects[9];
	uint64_t before = load64_seq(&seg.header->epoch);
	server.lock_rings = true;
	for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
		store64_seq(&seg.header->epoch, epochs[i]);
		lane_begin(&holder, SEG_OP_READ, 9);
		CU_ASSERT_EQUAL(lock_acquire(&holder, &o->lock), SABIR_OK);
		CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
		CU_ASSERT(!o->damaged);
		lock_release(&holder, &o->lock);
		lane_end(&holder);
	}
	store64_seq(&seg.header->epoch, before);
	kit_lane_close(&holder);
	kit_lane_close(&server);
}

/* Nor is what stands there in a lane that does not work the proof that it has the lock. */
static void who_does_not_work_does_not_have_it_whatever_he_pins(void)
{
	struct lane idle = kit_lane(&seg), server = kit_lane(&seg);
	struct seg_object *o = &seg.objects[9];
	server.lock_rings = true;
	store64_seq(&idle.shared->epoch, UINT64_MAX);
	o->lock = idle.id;
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_DATA_LOSS);
	o->lock = o->damaged = 0;
	kit_lane_close(&idle);
	kit_lane_close(&server);
}

struct doubters {
	struct lane *holder, *other;
	bool is_inside;
};

/* The same, and another comes to doubt him too, as soon as he has it again. */
static void change_hands_and_doubt(const char *name, void *context)
{
	struct doubters *d = context;
	uint64_t *lock = &seg.objects[9].lock;
	if (d->is_inside)
		return;
	change_hands(name, d->holder);
	if (strcmp(name, "lock.asked") != 0)
		return;
	d->is_inside = true;
	store64_seq(&d->holder->shared->epoch, 0); /* so that he is doubted */
	CU_ASSERT_EQUAL(kit_hold(d->other, lock), SABIR_DATA_LOSS);
	store64_seq(&d->holder->shared->epoch, 1);
	d->is_inside = false;
}

/* The clock stands still for them, or is too coarse for two who look at it at once. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	long stopped = syscall(SYS_clock_gettime, id, t);
	if (clock_stands)
		*t = (struct timespec){ 0 };
	return (int)stopped;
}

static void two_who_doubt_at_the_same_time_are_told_apart(void)
{
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg), other = kit_lane(&seg);
	struct doubters d = { &holder, &other, false };
	struct seg_object *o = &seg.objects[9];
	server.lock_rings = other.lock_rings = clock_stands = true;
	CU_ASSERT_EQUAL(kit_hold(&holder, &o->lock), SABIR_OK);
	fault_trace(change_hands_and_doubt, &d);
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
	fault_trace(NULL, NULL);
	clock_stands = false;
	CU_ASSERT(lock_held_by(&o->lock, holder.id));
	kit_let_go(&holder, &o->lock);
	o->damaged = 0;
	kit_lane_close(&holder);
	kit_lane_close(&server);
	kit_lane_close(&other);
}

/* Nobody writes into the word of one who works: he needs it soon. */
static void who_works_is_not_doubted(void)
{
	struct lane holder = kit_lane(&seg), client = kit_lane(&seg);
	uint64_t *lock = &seg.objects[9].lock;
	client.lock_patience_ns = CLOCK_MILLISECOND;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&client, lock), SABIR_BUSY);
	CU_ASSERT_EQUAL(*lock >> 16, 0);
	kit_let_go(&holder, lock);
	kit_lane_close(&holder);
	kit_lane_close(&client);
}

struct company {
	struct lane lane[3]; /* the last of them only doubts */
	bool is_inside;
	unsigned short seed[3];
};

/* Whatever the others may do between two steps of a doubt. */
static void go_on_at_random(const char *name, void *context)
{
	struct company *c = context;
	uint64_t *lock = &seg.objects[9].lock;
	if (c->is_inside || strncmp(name, "lock.", 5) != 0)
		return;
	c->is_inside = true;
	for (long n = nrand48(c->seed) % 4; n > 0; n--) {
		struct lane *lane = &c->lane[nrand48(c->seed) % 3];
		if (lock_held_by(lock, lane->id))
			kit_let_go(lane, lock);
		else if (!lock_holder(lock) || lane->lock_rings)
			CU_ASSERT_NOT_EQUAL(kit_hold(lane, lock), SABIR_DATA_LOSS);
	}
	c->is_inside = false;
}

static void no_order_of_steps_makes_a_doubt_wrong(void)
{
	struct lane server = kit_lane(&seg);
	struct company c = { .lane = { kit_lane(&seg), kit_lane(&seg), kit_lane(&seg) } };
	uint64_t *lock = &seg.objects[9].lock;
	server.lock_rings = c.lane[2].lock_rings = true;
	fault_trace(go_on_at_random, &c);
	for (int i = 0; i < 20000 && !seg.objects[9].damaged; i++)
		if (kit_hold(&server, lock) == SABIR_OK)
			kit_let_go(&server, lock);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(seg.objects[9].damaged, 0);
	for (int i = 0; i < 3; i++) {
		if (lock_held_by(lock, c.lane[i].id))
			kit_let_go(&c.lane[i], lock);
		kit_lane_close(&c.lane[i]);
	}
	kit_lane_close(&server);
}

#define N_TURNS 20000u

/* Two who take turns, and a third who doubts each of them, all the time. */
static void take_turns(uint64_t *lock, bool doubts, uint64_t *n_turns)
{
	struct lane lane = kit_lane(&seg);
	alarm(120);
	lane.lock_rings = doubts;
	for (uint32_t n = 0; doubts ? load64_seq(n_turns) < 2 * N_TURNS : n < N_TURNS; n++) {
		enum sabir_error error = kit_hold(&lane, lock);
		if (error && !(doubts && error == SABIR_BUSY))
			_exit(1); /* the others end too, by their alarms */
		if (!error)
			kit_let_go(&lane, lock);
		if (!doubts)
			fetch_add64(n_turns, 1);
	}
	_exit(0);
}

static void a_doubt_is_never_wrong(void)
{
	uint64_t *lock = &seg.objects[9].lock, *n_turns = kit_shared(sizeof(*n_turns));
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i])
			take_turns(lock, i == 2, n_turns);
	}
	CU_ASSERT(kit_wait_all(pids, 3));
	CU_ASSERT_EQUAL(*lock, 0);
	CU_ASSERT_EQUAL(seg.objects[9].damaged, 0);
}

static void act_lock(struct lane *by, void *context)
{
	uint64_t *lock = context;
	(void)!kit_hold(by, lock);
	FAULT("test.locked");
	kit_let_go(by, lock);
}

static pid_t start_waiter(uint64_t *lock)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct lane lane = kit_lane(&seg);
		enum sabir_error error = kit_hold(&lane, lock);
		kit_let_go(&lane, lock);
		_exit(error != SABIR_OK);
	}
	while (!(load64_seq(lock) & 0x4000))
		sched_yield();
	return pid;
}

static void a_release_wakes_who_sleeps(void)
{
	uint64_t *lock = &seg.objects[7].lock;
	struct lane holder = kit_lane(&seg);
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	for (int i = 0; i < 20; i++) {
		pid_t waiter = start_waiter(lock);
		const struct timespec moment = { 0, 5000000 };
		nanosleep(&moment, NULL); /* he may not sleep yet, and need not be woken then; he does mostly */
		kit_let_go(&holder, lock);
		CU_ASSERT_EQUAL(kit_wait(waiter), 0);
		CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	}
	kit_let_go(&holder, lock);
	kit_lane_close(&holder);
}

static void a_dead_holders_lock_is_given_to_those_who_wait(void)
{
	static const char *const steps[] = { "test.locked", "lock.releasing" };
	uint64_t *lock = &seg.objects[7].lock;
	for (int i = 0; i < 2; i++) {
		struct lane victim = kit_lane(&seg);
		struct kit_step step = { .nth = 1 };
		snprintf(step.name, sizeof(step.name), "%s", steps[i]);
		CU_ASSERT(kit_die_at(&step, act_lock, &victim, lock));
		CU_ASSERT(lock_held_by(lock, victim.id));
		pid_t pids[3] = { start_waiter(lock), start_waiter(lock), start_waiter(lock) };
		store64_seq(lock, 0); /* what a recovery does, see objects/recover.c */
		lock_wake_all(lock);
		CU_ASSERT(kit_wait_all(pids, 3));
		CU_ASSERT_EQUAL(*lock, 0);
		kit_lane_close(&victim);
	}
}

/* The holder goes between letting go and waking: the next one sleeps beside a free lock until a recovery wakes it. */
static void a_wake_up_that_a_dead_releaser_owes_is_made_good(void)
{
	uint64_t *lock = &seg.objects[7].lock;
	struct lane victim = kit_lane(&seg);
	int go[2], status;
	char byte = 0;
	CU_ASSERT_EQUAL(pipe(go), 0);
	CU_ASSERT_EQUAL(kit_hold(&victim, lock), SABIR_OK);
	pid_t holder = fork();
	if (holder == 0) {
		fault_kill_at("lock.released", 1);
		(void)!read(go[0], &byte, 1);
		kit_let_go(&victim, lock);
		_exit(0);
	}
	pid_t waiter = start_waiter(lock);
	CU_ASSERT_EQUAL(write(go[1], &byte, 1), 1);
	CU_ASSERT(waitpid(holder, &status, 0) == holder && WIFSIGNALED(status));
	lock_wake_all(lock);
	CU_ASSERT_EQUAL(kit_wait(waiter), 0);
	CU_ASSERT_EQUAL(*lock, 0);
	close(go[0]);
	close(go[1]);
	kit_lane_close(&victim);
}

/* Among those who go on counting, one after the other dies with the lock in its hand. */
static void deaths_among_many_do_not_stop_the_others(void)
{
	uint64_t *lock = &seg.objects[7].lock, *counter = kit_shared(8);
	struct kit_step step = { .name = "test.locked", .nth = 1 };
	pid_t pids[3];
	for (int i = 0; i < 3; i++)
		if ((pids[i] = fork()) == 0)
			count_under_lock(lock, counter, 100000);
	for (int i = 0; i < 200; i++) {
		struct lane victim = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&step, act_lock, &victim, lock));
		CU_ASSERT(lock_held_by(lock, victim.id));
		store64_seq(lock, 0);
		lock_wake_all(lock);
		kit_lane_close(&victim);
	}
	CU_ASSERT(kit_wait_all(pids, 3));
	CU_ASSERT_EQUAL(*counter, 300000);
	CU_ASSERT_EQUAL(*lock, 0);
	munmap(counter, 8);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(the_lock_excludes_between_processes),
		KIT_TEST(the_lock_names_its_holder),
		KIT_TEST(a_lock_that_nobody_can_have_is_data_loss),
		KIT_TEST(who_sleeps_sees_that_the_word_is_another_though_nobody_wakes_him),
		KIT_TEST(who_had_let_go_when_he_was_asked_for_is_believed),
		KIT_TEST(two_who_doubt_at_the_same_time_are_told_apart),
		KIT_TEST(who_works_is_not_doubted),
		KIT_TEST(who_works_is_believed_whatever_the_epoch_is),
		KIT_TEST(who_does_not_work_does_not_have_it_whatever_he_pins),
		KIT_TEST(no_order_of_steps_makes_a_doubt_wrong),
		KIT_TEST(a_doubt_is_never_wrong),
		KIT_TEST(a_lane_that_does_not_sleep_has_the_release_ring),
		KIT_TEST(a_release_wakes_who_sleeps),
		KIT_TEST(a_dead_holders_lock_is_given_to_those_who_wait),
		KIT_TEST(a_wake_up_that_a_dead_releaser_owes_is_made_good),
		KIT_TEST(deaths_among_many_do_not_stop_the_others),
	};
	return kit_run("lock", segment_setup, segment_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
