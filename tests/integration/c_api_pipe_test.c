/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe's and the block's part of the C API against a real server. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/c_api.h"

static const char *url;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SABIR_SECOND + (uint64_t)now.tv_nsec;
}

static void drop(sabir_pipe *ends[2])
{
	uint64_t handle = sabir_pipe_handle(ends[0] ? ends[0] : ends[1]);
	sabir_pipe_free(ends[0]);
	sabir_pipe_free(ends[1]);
	CHECK_OK(sabir_delete_handle(conn, handle));
}

static void messages_go_both_ways(void)
{
	sabir_pipe *ends[2];
	struct sabir_item one = sabir_int(1), text = sabir_text("text"), *item, into;
	struct sabir_buffer buffer = { 0 };
	NEED(sabir_pipe_create(conn, name_of("pipe"), 0, 0, ends));
	CHECK(sabir_pipe_end(ends[0]) == 0 && sabir_pipe_end(ends[1]) == 1);
	CHECK_OK(sabir_pipe_send(ends[0], &one, 0));
	CHECK_OK(sabir_pipe_send(ends[0], &text, SABIR_FOREVER));
	CHECK_OK(sabir_pipe_send(ends[1], &text, 0));
	NEED(sabir_pipe_recv(ends[1], 0, &item));
	CHECK(is_int(item, 1));
	sabir_free(item);
	NEED(sabir_pipe_recv_into(ends[1], SABIR_FOREVER, &buffer, &into));
	CHECK(is_text(&into, "text"));
	NEED(sabir_pipe_recv_into(ends[0], 0, &buffer, &into));
	CHECK(is_text(&into, "text"));
	CHECK_ERROR(sabir_pipe_recv(ends[0], 0, &item), SABIR_EMPTY);
	sabir_free(buffer.data);
	drop(ends);
}

static void bytes_have_a_maximum_length(void)
{
	sabir_pipe *ends[2];
	struct sabir_item one = sabir_int(1);
	uint64_t bytes = 0;
	void *data;
	size_t len;
	bool ready;
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	CHECK_OK(sabir_pipe_send_bytes(ends[0], "sixsix", 6, 0));
	CHECK_OK(sabir_pipe_send_bytes(ends[0], NULL, 0, 0));
	CHECK_OK(sabir_pipe_send(ends[0], &one, 0));
	CHECK_ERROR(sabir_pipe_recv_bytes(ends[1], 5, 0, &data, &len), SABIR_TOO_LARGE);
	CHECK(strstr(sabir_detail(), "the message has 6 bytes"));
	CHECK(!sabir_pipe_poll(ends[1], 0, &ready, &bytes) && ready && bytes == 6);
	NEED(sabir_pipe_recv_bytes(ends[1], 6, 0, &data, &len));
	CHECK(len == 6 && !strcmp(data, "sixsix"));
	sabir_free(data);
	NEED(sabir_pipe_recv_bytes(ends[1], 0, 0, &data, &len));
	CHECK(len == 0 && *(char *)data == 0);
	sabir_free(data);
	CHECK_ERROR(sabir_pipe_recv_bytes(ends[1], 0, 0, &data, &len), SABIR_WRONG_TYPE);
	drop(ends);
}

static void a_wait_times_out_not_early_and_hardly_late(void)
{
	sabir_pipe *ends[2];
	struct sabir_item one = sabir_int(1), *item;
	const uint64_t wait = 30 * SABIR_MILLISECOND;
	bool ready = true;
	NEED(sabir_pipe_create(conn, NULL, 1, 0, ends));
	uint64_t begin = now_ns();
	CHECK_ERROR(sabir_pipe_recv(ends[0], wait, &item), SABIR_EMPTY);
	CHECK(now_ns() - begin >= wait && now_ns() - begin < 20 * wait);
	begin = now_ns();
	CHECK(!sabir_pipe_poll(ends[0], wait, &ready, NULL) && !ready);
	CHECK(now_ns() - begin >= wait);
	CHECK_OK(sabir_pipe_send(ends[0], &one, 0));
	begin = now_ns();
	CHECK_ERROR(sabir_pipe_send(ends[0], &one, wait), SABIR_FULL);
	CHECK(now_ns() - begin >= wait);
	drop(ends);
}

static void a_closed_end_is_seen_by_the_other(void)
{
	sabir_pipe *ends[2], *again;
	struct sabir_item one = sabir_int(1), *item;
	struct sabir_pipe_state state[2];
	bool ready = false;
	NEED(sabir_pipe_create(conn, name_of("closed"), 0, SABIR_PIPE_ONE_WAY, ends));
	CHECK_ERROR(sabir_pipe_send(ends[0], &one, 0), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_pipe_send(ends[1], &one, 0));
	CHECK_OK(sabir_pipe_close(ends[1]));
	CHECK_ERROR(sabir_pipe_close(ends[1]), SABIR_CLOSED);
	CHECK_ERROR(sabir_pipe_send(ends[1], &one, 0), SABIR_CLOSED);
	CHECK_ERROR(sabir_pipe_open(conn, name_of("closed"), 1, &again), SABIR_CLOSED);
	NEED(sabir_pipe_state(ends[0], state));
	CHECK(state[0].holders == 1 && state[0].messages == 1 && state[1].closed && state[1].opened);
	CHECK_OK(sabir_pipe_recv(ends[0], SABIR_FOREVER, &item));
	sabir_free(item);
	CHECK_ERROR(sabir_pipe_recv(ends[0], SABIR_FOREVER, &item), SABIR_END_OF_FILE);
	CHECK(!sabir_pipe_poll(ends[0], SABIR_FOREVER, &ready, NULL) && ready);
	drop(ends);
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	CHECK_OK(sabir_pipe_close(ends[0]));
	CHECK_ERROR(sabir_pipe_send(ends[1], &one, SABIR_FOREVER), SABIR_BROKEN_PIPE);
	drop(ends);
}

static void *close_soon(void *pipe)
{
	struct timespec pause = { 0, 20000000 };
	nanosleep(&pause, NULL);
	CHECK_OK(sabir_pipe_close(pipe));
	return NULL;
}

static void *send_soon(void *pipe)
{
	struct timespec pause = { 0, 20000000 };
	struct sabir_item seven = sabir_int(7);
	nanosleep(&pause, NULL);
	CHECK_OK(sabir_pipe_send(pipe, &seven, 0));
	return NULL;
}

static void who_waits_is_woken_by_a_message_and_by_the_end(void)
{
	sabir_pipe *ends[2];
	struct sabir_item *item, one = sabir_int(1);
	pthread_t thread;
	bool ready = false;
	NEED(sabir_pipe_create(conn, NULL, 1, 0, ends));
	pthread_create(&thread, NULL, send_soon, ends[0]);
	CHECK(!sabir_pipe_poll(ends[1], SABIR_FOREVER, &ready, NULL) && ready);
	NEED(sabir_pipe_recv(ends[1], SABIR_FOREVER, &item));
	CHECK(is_int(item, 7));
	sabir_free(item);
	pthread_join(thread, NULL);
	CHECK_OK(sabir_pipe_send(ends[1], &one, 0));
	pthread_create(&thread, NULL, close_soon, ends[0]);
	/* It waits for room first. */
	CHECK_ERROR(sabir_pipe_send(ends[1], &one, SABIR_FOREVER), SABIR_BROKEN_PIPE);
	CHECK_ERROR(sabir_pipe_recv(ends[1], SABIR_FOREVER, &item), SABIR_END_OF_FILE);
	pthread_join(thread, NULL);
	drop(ends);
	NEED(sabir_pipe_create(conn, NULL, 1, 0, ends));
	pthread_create(&thread, NULL, close_soon, ends[0]);
	CHECK_ERROR(sabir_pipe_recv(ends[0], SABIR_FOREVER, &item), SABIR_CLOSED);
	pthread_join(thread, NULL);
	drop(ends);
}

/* A program of its own that opens end 1, sends one message and is killed. */
static void send_and_die(const char *name)
{
	sabir_conn *own;
	sabir_pipe *pipe;
	struct sabir_item one = sabir_int(1);
	if (sabir_connect(url, NULL, &own) || sabir_pipe_open(own, name, 1, &pipe) || sabir_pipe_send(pipe, &one, 0))
		_exit(1);
	raise(SIGKILL);
}

static void the_death_of_an_end_is_its_end(void)
{
	sabir_pipe *end;
	struct sabir_item *item;
	const char *name = name_of("death");
	int status;
	/* gRPC does not survive a fork: only a local program can do this here. */
	if (!sabir_is_local(conn))
		return;
	NEED(sabir_pipe_create(conn, name, 0, 0, NULL));
	NEED(sabir_pipe_open(conn, name, 0, &end));
	pid_t child = fork();
	if (child == 0)
		send_and_die(name);
	NEED(sabir_pipe_recv(end, SABIR_FOREVER, &item));
	CHECK(is_int(item, 1));
	sabir_free(item);
	CHECK_ERROR(sabir_pipe_recv(end, 10 * SABIR_SECOND, &item), SABIR_END_OF_FILE);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	sabir_pipe_free(end);
	CHECK_OK(sabir_delete(conn, name));
}

static void a_child_of_fork_holds_nothing_of_its_parent(void)
{
	sabir_pipe *ends[2], *mine;
	struct sabir_item one = sabir_int(1), *item;
	int status;
	if (!sabir_is_local(conn))
		return;
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	pid_t child = fork();
	if (child == 0) {
		bool fine = sabir_pipe_send(ends[1], &one, 0) == SABIR_CLOSED;
		fine = fine && !sabir_pipe_open_handle(conn, sabir_pipe_handle(ends[1]), 1, &mine);
		sabir_pipe_free(ends[1]);
		_exit(fine && !sabir_pipe_send(mine, &one, 0) ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_OK(sabir_pipe_close(ends[1]));
	NEED(sabir_pipe_recv(ends[0], 0, &item));
	CHECK(is_int(item, 1));
	sabir_free(item);
	CHECK_ERROR(sabir_pipe_recv(ends[0], 10 * SABIR_SECOND, &item), SABIR_END_OF_FILE);
	drop(ends);
}

static void a_reference_that_travels_is_usable_behind_the_pipe(void)
{
	sabir_pipe *ends[2];
	sabir_queue *queue, *same;
	struct sabir_item *item, one = sabir_int(1);
	uint64_t size = 0;
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	NEED(sabir_queue_create(conn, NULL, 0, 0, &queue));
	CHECK_OK(sabir_queue_put(queue, &one, 0));
	struct sabir_item reference = sabir_object(sabir_queue_handle(queue));
	CHECK_OK(sabir_pipe_send(ends[0], &reference, 0));
	NEED(sabir_pipe_recv(ends[1], 0, &item));
	CHECK(item->kind == SABIR_ITEM_OBJECT);
	NEED(sabir_queue_open_handle(conn, item->as.u, &same));
	CHECK(!sabir_queue_size(same, &size) && size == 1);
	sabir_free(item);
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(queue)));
	sabir_queue_free(queue);
	sabir_queue_free(same);
	drop(ends);
}

static void two_ends_that_both_send_do_not_block_each_other(void)
{
	static char data[100000];
	sabir_pipe *ends[2];
	void *got;
	size_t len;
	NEED(sabir_pipe_create(conn, NULL, 0, 0, ends));
	for (int i = 0; i < 50; i++)
		for (int end = 0; end < 2; end++)
			CHECK_OK(sabir_pipe_send_bytes(ends[end], data, sizeof(data), 0));
	for (int i = 0; i < 50; i++) {
		for (int end = 0; end < 2; end++) {
			NEED(sabir_pipe_recv_bytes(ends[end], 0, 0, &got, &len));
			CHECK(len == sizeof(data));
			sabir_free(got);
		}
	}
	drop(ends);
}

/* ---------------------------------------------------------------- block */

static void blocks_are_read_and_written(void)
{
	enum { SIZE = 5000003 };
	sabir_block *block;
	uint64_t size = 0;
	unsigned char *from = malloc(SIZE), *to = calloc(1, SIZE);
	for (int i = 0; i < SIZE; i++)
		from[i] = (unsigned char)(i * 7 + i / 256);
	NEED(sabir_block_create(conn, name_of("block"), SIZE, 0, &block));
	CHECK(!sabir_block_size(block, &size) && size == SIZE);
	CHECK_OK(sabir_block_write(block, 3, SIZE - 3, from + 3));
	CHECK_OK(sabir_block_read(block, 0, SIZE, to));
	CHECK(to[0] == 0 && to[2] == 0 && !memcmp(from + 3, to + 3, SIZE - 3));
	CHECK_ERROR(sabir_block_read(block, 3, SIZE, to), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_block_write(block, SIZE, 1, from), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_block_read(block, SIZE, 0, NULL));
	CHECK_ERROR(sabir_block_read(block, SIZE + 1, 0, NULL), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_delete(conn, name_of("block")));
	CHECK_ERROR(sabir_block_size(block, &size), SABIR_DELETED);
	sabir_block_free(block);
	free(from);
	free(to);
}

static void a_mapped_block_is_the_block(void)
{
	sabir_block *block;
	void *data = NULL;
	char text[6] = "";
	uint64_t size = 0;
	NEED(sabir_block_create(conn, NULL, 100, 0, &block));
	if (!sabir_is_local(conn)) {
		CHECK_ERROR(sabir_block_map(block, &data, &size), SABIR_UNIMPLEMENTED);
	} else {
		NEED(sabir_block_map(block, &data, &size));
		CHECK(size == 100 && (uintptr_t)data % 64 == 0);
		memcpy((char *)data + 10, "hello", 5);
		CHECK(!sabir_block_read(block, 10, 5, text) && !strcmp(text, "hello"));
	}
	CHECK_OK(sabir_delete_handle(conn, sabir_block_handle(block)));
	sabir_block_free(block);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(messages_go_both_ways),
		TEST(bytes_have_a_maximum_length),
		TEST(a_wait_times_out_not_early_and_hardly_late),
		TEST(a_closed_end_is_seen_by_the_other),
		TEST(who_waits_is_woken_by_a_message_and_by_the_end),
		TEST(the_death_of_an_end_is_its_end),
		TEST(a_child_of_fork_holds_nothing_of_its_parent),
		TEST(a_reference_that_travels_is_usable_behind_the_pipe),
		TEST(two_ends_that_both_send_do_not_block_each_other),
		TEST(blocks_are_read_and_written),
		TEST(a_mapped_block_is_the_block),
	};
	url = argc > 1 ? argv[1] : NULL;
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
