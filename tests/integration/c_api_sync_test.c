/* SPDX-License-Identifier: Apache-2.0 */
/* What programs wait for one another with, through libsabir. See c_api.h for how it is run. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- event */

static void event_is_set_and_cleared(void)
{
	sabir_event *event, *again;
	bool set = true;
	const char *name = name_of("event");
	NEED(sabir_event_create(conn, name, 0, &event));
	CHECK_ERROR(sabir_event_create(conn, name, 0, &again), SABIR_ALREADY_EXISTS);
	NEED(sabir_event_create(conn, name, SABIR_EXIST_OK, &again));
	CHECK(sabir_event_handle(again) == sabir_event_handle(event));
	CHECK_OK(sabir_event_is_set(event, &set));
	CHECK(!set);
	CHECK_ERROR(sabir_event_wait(event, 0), SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_event_set(again));
	CHECK_OK(sabir_event_is_set(event, &set));
	CHECK(set);
	CHECK_OK(sabir_event_wait(event, 0));
	CHECK_OK(sabir_event_wait(event, SABIR_FOREVER));
	CHECK_OK(sabir_event_clear(event));
	CHECK_ERROR(sabir_event_wait(event, 0), SABIR_WOULD_BLOCK);
	CHECK_OK(sabir_delete(conn, name));
	CHECK_ERROR(sabir_event_set(event), SABIR_DELETED);
	sabir_event_free(event);
	sabir_event_free(again);
}

static void event_wait_times_out(void)
{
	sabir_event *event;
	NEED(sabir_event_create(conn, name_of("event"), 0, &event));
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_event_wait(event, 50 * SABIR_MILLISECOND), SABIR_WOULD_BLOCK);
	uint64_t took = now_ns() - begin;
	CHECK(took >= 50 * SABIR_MILLISECOND && took < SABIR_SECOND);
	CHECK_OK(sabir_delete_handle(conn, sabir_event_handle(event)));
	sabir_event_free(event);
}

static void *wait_for_event(void *event)
{
	return (void *)(uintptr_t)sabir_event_wait(event, 10 * SABIR_SECOND);
}

/* Waiters in threads; a set with a clear behind it, or a delete, ends all their waits. */
static void end_waits(bool by_delete, enum sabir_error expected)
{
	enum { N = 4 };
	sabir_event *event;
	pthread_t threads[N];
	void *result;
	NEED(sabir_event_create(conn, name_of("event"), 0, &event));
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, wait_for_event, event);
	usleep(50000); /* so that most of them wait; who comes later is served by the last set */
	CHECK_OK(sabir_event_set(event));
	CHECK_OK(sabir_event_clear(event));
	usleep(50000);
	CHECK_OK(by_delete ? sabir_delete_handle(conn, sabir_event_handle(event)) : sabir_event_set(event));
	for (int i = 0; i < N; i++) {
		pthread_join(threads[i], &result);
		CHECK((enum sabir_error)(uintptr_t)result == SABIR_OK ||
		      (enum sabir_error)(uintptr_t)result == expected);
	}
	if (!by_delete)
		CHECK_OK(sabir_delete_handle(conn, sabir_event_handle(event)));
	sabir_event_free(event);
}

static void event_set_ends_all_waits(void)
{
	end_waits(false, SABIR_OK);
}

static void event_delete_ends_all_waits(void)
{
	end_waits(true, SABIR_DELETED);
}

/* ---------------------------------------------------------------- lock, rlock */

static const char *url;

/* Somebody else. */
static sabir_conn *other_conn(void)
{
	sabir_conn *other;
	NEED(sabir_connect(url, NULL, &other));
	return other;
}

static void lock_keeps_others_out(void)
{
	sabir_conn *other = other_conn();
	sabir_lock *lock, *same;
	struct sabir_hold hold = { 0 }, next = { 0 };
	const char *name = name_of("lock");
	NEED(sabir_lock_create(conn, name, 0, &lock));
	NEED(sabir_lock_open(other, name, &same));
	CHECK_ERROR(sabir_lock_release(lock), SABIR_NOT_HELD);
	CHECK_OK(sabir_lock_acquire(lock, 0, &hold));
	CHECK(hold.token > 0 && hold.depth == 1 && !hold.abandoned);
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_lock_acquire(same, 0, NULL), SABIR_WOULD_BLOCK);
	CHECK_ERROR(sabir_lock_acquire(same, 50 * SABIR_MILLISECOND, NULL), SABIR_WOULD_BLOCK);
	CHECK(now_ns() - begin >= 50 * SABIR_MILLISECOND && now_ns() - begin < SABIR_SECOND);
	CHECK_OK(sabir_lock_release(same)); /* anybody may */
	CHECK_OK(sabir_lock_acquire(same, SABIR_FOREVER, &next));
	CHECK(next.token > hold.token);
	sabir_lock_free(lock);
	sabir_lock_free(same);
	CHECK_OK(sabir_delete(conn, name));
	sabir_close(other);
}

static void lock_status_tells_who_has_it(void)
{
	sabir_conn *other = other_conn();
	sabir_lock *lock, *same;
	struct sabir_lock_state state;
	const char *name = name_of("strict");
	NEED(sabir_lock_create(conn, name, SABIR_LOCK_STRICT, &lock));
	CHECK_ERROR(sabir_lock_create(conn, name, SABIR_EXIST_OK, &same), SABIR_ALREADY_EXISTS);
	NEED(sabir_lock_create(other, name, SABIR_LOCK_STRICT | SABIR_EXIST_OK, &same));
	CHECK_OK(sabir_lock_status(lock, &state));
	CHECK(!state.locked && !state.mine && state.token == 0 && state.depth == 0 && !state.abandoned);
	CHECK_OK(sabir_lock_acquire(lock, 0, NULL));
	CHECK_OK(sabir_lock_status(lock, &state));
	CHECK(state.locked && state.mine && state.token == 1 && state.depth == 1);
	CHECK_OK(sabir_lock_status(same, &state));
	CHECK(state.locked && !state.mine);
	CHECK_ERROR(sabir_lock_release(same), SABIR_NOT_HELD);
	CHECK_OK(sabir_lock_release(lock));
	sabir_lock_free(lock);
	sabir_lock_free(same);
	CHECK_OK(sabir_delete(conn, name));
	sabir_close(other);
}

static void *acquire_in_thread(void *lock)
{
	return (void *)(uintptr_t)sabir_lock_acquire(lock, 0, NULL);
}

static void rlock_is_entered_again_by_its_thread(void)
{
	sabir_lock *lock, *same;
	struct sabir_hold hold = { 0 };
	pthread_t thread;
	void *result;
	NEED(sabir_rlock_create(conn, name_of("rlock"), 0, &lock));
	NEED(sabir_lock_open_handle(conn, sabir_lock_handle(lock), &same));
	for (unsigned i = 1; i <= 3; i++) {
		CHECK_OK(sabir_lock_acquire(i & 1 ? lock : same, 0, &hold));
		CHECK(hold.depth == i && hold.token == 1);
	}
	pthread_create(&thread, NULL, acquire_in_thread, lock);
	pthread_join(thread, &result);
	CHECK((enum sabir_error)(uintptr_t)result == SABIR_WOULD_BLOCK);
	for (unsigned i = 1; i <= 3; i++)
		CHECK_OK(sabir_lock_release(lock));
	CHECK_ERROR(sabir_lock_release(lock), SABIR_NOT_HELD);
	CHECK_OK(sabir_delete_handle(conn, sabir_lock_handle(lock)));
	CHECK_ERROR(sabir_lock_acquire(lock, 0, NULL), SABIR_DELETED);
	sabir_lock_free(lock);
	sabir_lock_free(same);
}

static void *wait_for_lock(void *lock)
{
	enum sabir_error error = sabir_lock_acquire(lock, 10 * SABIR_SECOND, NULL);
	if (!error)
		error = sabir_lock_release(lock);
	return (void *)(uintptr_t)error;
}

static void lock_is_handed_from_one_to_the_next(void)
{
	enum { N = 4 };
	sabir_lock *lock;
	pthread_t threads[N];
	void *result;
	NEED(sabir_lock_create(conn, NULL, 0, &lock));
	CHECK_OK(sabir_lock_acquire(lock, 0, NULL));
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, wait_for_lock, lock);
	usleep(50000); /* so that most of them sleep */
	CHECK_OK(sabir_lock_release(lock));
	for (int i = 0; i < N; i++) {
		pthread_join(threads[i], &result);
		CHECK((enum sabir_error)(uintptr_t)result == SABIR_OK);
	}
	CHECK_OK(sabir_delete_handle(conn, sabir_lock_handle(lock)));
	sabir_lock_free(lock);
}

/* Killed while it has the lock, and somebody waits for that already. */
static void a_killed_holders_lock_is_abandoned(void)
{
	const char *name = name_of("abandoned");
	struct sabir_hold hold = { 0 };
	sabir_lock *lock, *childs;
	int pipe_fds[2];
	char byte;
	if (!sabir_is_local(conn))
		return; /* a remote holder's death is its session's end: tests of sessions */
	NEED(sabir_lock_create(conn, name, 0, &lock));
	CHECK(pipe(pipe_fds) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool fine = !sabir_lock_open(conn, name, &childs) && !sabir_lock_acquire(childs, 0, NULL);
		_exit(!fine || write(pipe_fds[1], "x", 1) != 1 || pause());
	}
	CHECK(read(pipe_fds[0], &byte, 1) == 1);
	CHECK_ERROR(sabir_lock_acquire(lock, 0, NULL), SABIR_WOULD_BLOCK);
	kill(pid, SIGKILL);
	CHECK_OK(sabir_lock_acquire(lock, 10 * SABIR_SECOND, &hold));
	CHECK(hold.abandoned && hold.token == 2);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK_OK(sabir_lock_release(lock));
	CHECK_OK(sabir_delete(conn, name));
	sabir_lock_free(lock);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void lock_of_who_leaves_is_abandoned(void)
{
	sabir_conn *other = other_conn();
	const char *name = name_of("left");
	struct sabir_hold hold = { 0 };
	sabir_lock *lock, *same;
	NEED(sabir_lock_create(conn, name, 0, &lock));
	NEED(sabir_lock_open(other, name, &same));
	CHECK_OK(sabir_lock_acquire(same, 0, NULL));
	sabir_lock_free(same);
	sabir_close(other);
	CHECK_OK(sabir_lock_acquire(lock, 10 * SABIR_SECOND, &hold));
	CHECK(hold.abandoned);
	CHECK_OK(sabir_delete(conn, name));
	sabir_lock_free(lock);
}

/* ---------------------------------------------------------------- semaphore */

static void semaphore_counts(void)
{
	sabir_semaphore *semaphore, *same;
	uint64_t value = 9, mine = 9;
	const char *name = name_of("semaphore");
	NEED(sabir_semaphore_create(conn, name, 1, 0, &semaphore));
	CHECK_ERROR(sabir_semaphore_create(conn, name, 1, SABIR_EXIST_OK | SABIR_SEMAPHORE_BOUNDED, &same),
		    SABIR_ALREADY_EXISTS);
	NEED(sabir_semaphore_open(conn, name, &same));
	CHECK_OK(sabir_semaphore_acquire(semaphore, 0));
	CHECK_ERROR(sabir_semaphore_acquire(same, 0), SABIR_WOULD_BLOCK);
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_semaphore_acquire(same, 50 * SABIR_MILLISECOND), SABIR_WOULD_BLOCK);
	CHECK(now_ns() - begin >= 50 * SABIR_MILLISECOND && now_ns() - begin < SABIR_SECOND);
	CHECK_OK(sabir_semaphore_release(same, 3));
	CHECK_ERROR(sabir_semaphore_release(same, 0), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_semaphore_status(semaphore, &value, &mine));
	CHECK(value == 3 && mine == 0);
	CHECK_OK(sabir_delete(conn, name));
	CHECK_ERROR(sabir_semaphore_acquire(semaphore, 0), SABIR_DELETED);
	sabir_semaphore_free(semaphore);
	sabir_semaphore_free(same);
}

static void *take_and_give(void *semaphore)
{
	enum sabir_error error = SABIR_OK;
	for (int i = 0; i < 50 && !error; i++) {
		error = sabir_semaphore_acquire(semaphore, 10 * SABIR_SECOND);
		if (!error)
			error = sabir_semaphore_release(semaphore, 1);
	}
	return (void *)(uintptr_t)error;
}

static void bounded_semaphore_comes_back_whole(void)
{
	enum { N = 4 };
	sabir_conn *other = other_conn();
	sabir_semaphore *semaphore, *same;
	pthread_t threads[N];
	uint64_t value = 0, mine = 9;
	void *result;
	const char *name = name_of("bounded");
	NEED(sabir_semaphore_create(conn, name, 2, SABIR_SEMAPHORE_BOUNDED, &semaphore));
	NEED(sabir_semaphore_open(other, name, &same));
	CHECK_ERROR(sabir_semaphore_release(semaphore, 1), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_semaphore_acquire(same, 0));
	CHECK_OK(sabir_semaphore_acquire(same, 0));
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, take_and_give, semaphore);
	usleep(20000); /* so that most of them sleep */
	sabir_semaphore_free(same);
	sabir_close(other); /* with both of them */
	for (int i = 0; i < N; i++) {
		pthread_join(threads[i], &result);
		CHECK((enum sabir_error)(uintptr_t)result == SABIR_OK);
	}
	CHECK_OK(sabir_semaphore_status(semaphore, &value, &mine));
	CHECK(value == 2 && mine == 0);
	CHECK_OK(sabir_delete(conn, name));
	sabir_semaphore_free(semaphore);
}

/* Whether this connection is an owner: a remote one without a session is none. */
static bool is_owner(const char *of)
{
	sabir_lock *lock;
	NEED(sabir_connect(of, NULL, &conn));
	NEED(sabir_lock_create(conn, name_of("probe"), 0, &lock));
	bool is = sabir_lock_acquire(lock, 0, NULL) != SABIR_SESSION_REQUIRED;
	NEED(sabir_delete_handle(conn, sabir_lock_handle(lock)));
	sabir_lock_free(lock);
	sabir_close(conn);
	return is;
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(event_is_set_and_cleared),
		TEST(event_wait_times_out),
		TEST(event_set_ends_all_waits),
		TEST(event_delete_ends_all_waits),
		TEST(semaphore_counts),
		/* from here on for owners only */
		TEST(lock_keeps_others_out),
		TEST(lock_status_tells_who_has_it),
		TEST(rlock_is_entered_again_by_its_thread),
		TEST(lock_is_handed_from_one_to_the_next),
		TEST(a_killed_holders_lock_is_abandoned),
		TEST(lock_of_who_leaves_is_abandoned),
		TEST(bounded_semaphore_comes_back_whole),
	};
	size_t n = sizeof(tests) / sizeof(tests[0]);
	url = argc > 1 ? argv[1] : "";
	return run_tests(argc, argv, tests, argc > 1 && !is_owner(url) ? 5 : n);
}
