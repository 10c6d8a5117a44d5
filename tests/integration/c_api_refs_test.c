/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps an object without a name alive, by the C API against a real server whose linger is short. That something
 * stays can't be waited for: so each test waits until something else that became useless at the same time is gone.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

#define LONG (20 * SABIR_SECOND)

static const char *url, *self;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

static bool exists(uint64_t handle)
{
	struct sabir_info info;
	return sabir_describe_handle(conn, handle, &info) == SABIR_OK;
}

static bool goes(uint64_t handle)
{
	uint64_t deadline_ns = now_ns() + LONG;
	while (exists(handle) && now_ns() < deadline_ns)
		usleep(5000);
	return !exists(handle);
}

static uint64_t make_and_free(void)
{
	sabir_queue *q;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &q));
	uint64_t handle = sabir_queue_handle(q);
	sabir_queue_free(q);
	return handle;
}

/* Whatever is useless now will be gone. Twice: what a look finds only now may stay for another linger. */
static void let_pass(void)
{
	CHECK(goes(make_and_free()));
	CHECK(goes(make_and_free()));
}

static void an_open_handle_keeps_its_object(void)
{
	sabir_queue *first, *second;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &first));
	uint64_t handle = sabir_queue_handle(first);
	NEED(sabir_queue_open_handle(conn, handle, &second));
	sabir_queue_free(first);
	let_pass();
	CHECK(exists(handle));
	sabir_queue_free(second);
	CHECK(goes(handle));
}

static void what_create_made_is_held_until_it_is_released(void)
{
	const struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_DICT };
	struct sabir_info info;
	CHECK_OK(sabir_create(conn, NULL, &spec, 0, &info, NULL));
	let_pass();
	CHECK(exists(info.handle));
	CHECK_OK(sabir_release(conn, info.handle));
	CHECK_ERROR(sabir_release(conn, info.handle), SABIR_NOT_HELD);
	CHECK(goes(info.handle));
	CHECK_ERROR(sabir_release(conn, info.handle), SABIR_DELETED);
}

static void a_list_in_a_dict_lives_and_ends_with_it(void)
{
	struct sabir_item key = sabir_text("list");
	struct sabir_list *list;
	sabir_value *value;
	sabir_dict *dict;
	NEED(sabir_dict_create(conn, NULL, 0, &dict));
	NEED(sabir_list_create(conn, NULL, 0, &list));
	NEED(sabir_value_create(conn, NULL, 'q', 0, &value));
	uint64_t handles[2] = { sabir_list_handle(list), sabir_value_handle(value) };
	struct sabir_item refs[2] = { sabir_object(handles[0]), sabir_object(handles[1]) };
	CHECK_OK(sabir_list_append(list, &refs[1]));
	CHECK_OK(sabir_dict_set(dict, &key, &refs[0], NULL));
	sabir_value_free(value);
	sabir_list_free(list);
	let_pass();
	CHECK(exists(handles[0]) && exists(handles[1]));
	sabir_dict_free(dict);
	CHECK(goes(handles[0]) && goes(handles[1]));
}

static void a_ring_ends(void)
{
	struct sabir_list *list;
	NEED(sabir_list_create(conn, NULL, 0, &list));
	struct sabir_item ref = sabir_object(sabir_list_handle(list));
	CHECK_OK(sabir_list_append(list, &ref));
	let_pass();
	CHECK(exists(ref.as.u));
	sabir_list_free(list);
	CHECK(goes(ref.as.u));
}

static void the_lock_of_a_value_keeps_it(void)
{
	sabir_value *value;
	sabir_lock *lock;
	NEED(sabir_value_create(conn, NULL, 'q', 0, &value));
	uint64_t handle = sabir_value_handle(value);
	NEED(sabir_value_get_lock(value, &lock));
	sabir_value_free(value);
	let_pass();
	CHECK(exists(handle));
	sabir_lock_free(lock);
	CHECK(goes(handle));
}

static void a_pipe_lives_by_its_ends(void)
{
	sabir_pipe *ends[2];
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	uint64_t handle = sabir_pipe_handle(ends[0]);
	struct sabir_item ref = sabir_object(make_and_free());
	CHECK_OK(sabir_pipe_send(ends[0], &ref, 0));
	sabir_pipe_free(ends[0]);
	let_pass();
	CHECK(exists(handle) && exists(ref.as.u));
	sabir_pipe_free(ends[1]);
	CHECK(goes(handle) && goes(ref.as.u));
}

/* ---------------------------------------------------------------- another program */

/* Receives a reference, uses what it leads to, says so, and keeps it. */
static int receive(const char *name)
{
	struct sabir_item *item, done = sabir_text("used");
	sabir_pipe *end;
	sabir_queue *q;
	NEED(sabir_connect(url, NULL, &conn));
	NEED(sabir_session_open(conn, SABIR_SECOND));
	NEED(sabir_pipe_open(conn, name, 1, &end));
	NEED(sabir_pipe_recv(end, LONG, &item));
	NEED(sabir_queue_open_handle(conn, item->as.u, &q));
	NEED(sabir_pipe_send(end, &done, LONG));
	NEED(sabir_pipe_recv(end, LONG, &item)); /* the sender has let go of it, and the linger has passed */
	NEED(sabir_queue_put_text(q, "still here", LONG));
	NEED(sabir_pipe_send(end, &done, LONG));
	for (;;)
		pause();
}

static pid_t start_other(const char *other_url, const char *name)
{
	pid_t child = fork();
	if (child)
		return child;
	execl(self, self, other_url, "--receive", name, (char *)NULL);
	_exit(1);
}

/* Sends it a reference, and lets go; returns the handle of what only the other program keeps then. */
static uint64_t send_and_free(sabir_pipe *end)
{
	struct sabir_item *item, go = sabir_text("go on");
	sabir_queue *q;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &q));
	struct sabir_item ref = sabir_object(sabir_queue_handle(q));
	NEED(sabir_pipe_send(end, &ref, LONG));
	NEED(sabir_pipe_recv(end, LONG, &item));
	sabir_free(item);
	sabir_queue_free(q);
	let_pass();
	NEED(sabir_pipe_send(end, &go, LONG));
	NEED(sabir_pipe_recv(end, LONG, &item));
	CHECK(is_text(item, "used"));
	sabir_free(item);
	return ref.as.u;
}

static void through_a_pipe_to_a_program_that_is_killed(const char *other_url)
{
	const char *name = name_of("pipe");
	const struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_PIPE };
	struct sabir_item *item;
	struct sabir_info info;
	sabir_pipe *end;
	sabir_queue *q;
	if (!other_url)
		return;
	NEED(sabir_create(conn, name, &spec, 0, &info, NULL));
	NEED(sabir_pipe_open(conn, name, 0, &end));
	pid_t child = start_other(other_url, name);
	uint64_t handle = send_and_free(end);
	NEED(sabir_queue_open_handle(conn, handle, &q));
	CHECK_OK(sabir_queue_get(q, 0, &item));
	CHECK(is_text(item, "still here"));
	sabir_free(item);
	sabir_queue_free(q);
	let_pass();
	CHECK(exists(handle));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(goes(handle));
	sabir_pipe_free(end);
	CHECK_OK(sabir_delete(conn, name));
}

static void a_reference_is_used_by_a_local_program(void)
{
	through_a_pipe_to_a_program_that_is_killed(getenv("SABIR_TEST_LOCAL"));
}

static void a_reference_is_used_by_a_remote_program(void)
{
	through_a_pipe_to_a_program_that_is_killed(getenv("SABIR_TEST_REMOTE"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(an_open_handle_keeps_its_object),
		TEST(what_create_made_is_held_until_it_is_released),
		TEST(a_list_in_a_dict_lives_and_ends_with_it),
		TEST(a_ring_ends),
		TEST(the_lock_of_a_value_keeps_it),
		TEST(a_pipe_lives_by_its_ends),
		TEST(a_reference_is_used_by_a_local_program),
		TEST(a_reference_is_used_by_a_remote_program),
	};
	self = argv[0];
	url = argc > 1 ? argv[1] : "";
	if (argc == 4 && !strcmp(argv[2], "--receive"))
		return receive(argv[3]);
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
