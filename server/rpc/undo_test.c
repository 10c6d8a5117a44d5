/* SPDX-License-Identifier: Apache-2.0 */
/* What was taken for a client that has not received it: from task queues and pipes, by calls and by streams. */
#include "server/objects/pipe.h"
#include "server/objects/task_queue.h"
#include "server/rpc/test_stream.h"

#define GET_MANY "/sabir.v1.QueueService/GetMany"
#define PEEK "/sabir.v1.QueueService/Peek"
#define RECV "/sabir.v1.PipeService/Recv"
#define RECV_BYTES "/sabir.v1.PipeService/RecvBytes"

static struct kit kit;
static struct talk talk;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 1024 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static uint64_t make(const char *name, const struct object_spec *spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&kit.lane, text(name), spec, false, &handle), SABIR_OK);
	return handle;
}

static uint64_t make_tasks(const char *name, uint32_t discipline)
{
	return make(name, &(struct object_spec){ .kind = SEG_KIND_TASK_QUEUE, .task = { .discipline = discipline } });
}

/* A Value of text or bytes, of so many bytes at least. */
static struct queue_item item_of(uint8_t head[VALUE_MAX_HEAD], enum value_kind kind, const char *s, size_t len)
{
	static uint8_t huge[KIT_HUGE];
	len = len < strlen(s) ? strlen(s) : len;
	memset(huge, 0, sizeof(huge));
	memcpy(huge, s, strlen(s));
	return (struct queue_item){ { head, value_head_bytes(kind, len, head) }, { huge, len } };
}

static void put(uint64_t q, const char *s, size_t len, int64_t priority)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct queue_item item = item_of(head, VALUE_TEXT, s, len);
	struct task_put how = { .priority = priority };
	uint32_t accepted;
	bool duplicate;
	CU_ASSERT_EQUAL_FATAL(task_queue_put(&kit.lane, q, &item, 1, &how, &accepted, &duplicate), SABIR_OK);
}

static void await_ready(uint64_t q, uint64_t n)
{
	struct task_queue_size size = { .ready = n + 1 };
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	while (task_queue_size(&kit.lane, q, &size) == SABIR_OK && size.ready != n && kit_now() < give_up)
		usleep(200);
	CU_ASSERT_EQUAL_FATAL(size.ready, n);
}

/* The next item begins so. */
static bool next_is(uint64_t q, const char *s)
{
	struct bytes out = { 0 };
	struct value_view view;
	bool same = task_queue_get(&kit.lane, q, 1, 0, &out, NULL) == SABIR_OK &&
		    !value_view(bytes_item(&out, 0), &view) && !memcmp(view.bytes.data, s, strlen(s));
	bytes_fini(&out);
	return same;
}

/* ---------------------------------------------------------------- task queues */

/* Its response is larger than what gRPC lets out to a client that has not asked for it. */
static void a_call_that_takes_a_task_gives_it_back(void)
{
	struct ask ask;
	struct form form = form_on("lifo");
	uint64_t q = make_tasks("lifo", SEG_TASK_LIFO);
	put(q, "first", 0, 0);
	put(q, "last", KIT_HUGE, 0);
	ask_open(&kit, &ask, 0, KIT_GET, KIT_PATIENCE_MS);
	ask_tell(&ask, form_span(&form));
	await_ready(q, 1);
	(void)grpc_call_cancel(ask.call, NULL);
	CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_CANCELLED);
	await_ready(q, 2);
	CU_ASSERT(next_is(q, "last") && next_is(q, "first"));
}

static void a_call_that_has_waited_for_a_task_gives_it_back(void)
{
	struct ask ask;
	struct form form = form_on("late");
	uint64_t q = make_tasks("late", SEG_TASK_FIFO);
	ask_open(&kit, &ask, 0, KIT_GET, KIT_PATIENCE_MS);
	ask_tell(&ask, form_span(&form));
	kit_await_waiting(&kit, 1);
	put(q, "huge", KIT_HUGE, 0);
	await_ready(q, 0);
	(void)grpc_call_cancel(ask.call, NULL);
	CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_CANCELLED);
	await_ready(q, 1);
	CU_ASSERT(next_is(q, "huge"));
}

/* Behind answers that the client never reads. */
static void a_stream_that_breaks_gives_its_tasks_back(void)
{
	struct batch b = { .len = 0 };
	struct form peek = form_on("huge"), many = form_on("priority");
	uint64_t q = make_tasks("priority", SEG_TASK_PRIORITY);
	static const char *const texts[] = { "c", "a", "d", "b" };
	kit_put_huge(&kit, "huge");
	for (unsigned i = 0; i < 4; i++)
		put(q, texts[i], 0, texts[i][0]);
	form_number(&many, 2, 2);
	talk_open(&kit, &talk, 0, NULL);
	batch_call(&b, 31, 0, GET_MANY, form_span(&many));
	batch_get(&b, 32, 0, "priority");
	batch_call(&b, 33, 0, PEEK, form_span(&peek));
	talk_send(&talk, &b);
	await_ready(q, 1);
	talk_break(&talk);
	await_ready(q, 4);
	CU_ASSERT(next_is(q, "a") && next_is(q, "b") && next_is(q, "c") && next_is(q, "d"));
}

/* It was delivered, but nobody has said so; and nobody can ask for it any more. */
static void a_session_that_ends_gives_back_what_was_not_acknowledged(void)
{
	struct batch b = { .len = 0 };
	struct ask ask;
	struct form close = { .len = 0 };
	uint64_t q = make_tasks("kept", SEG_TASK_FIFO);
	put(q, "first", 0, 0);
	put(q, "second", 0, 0);
	talk_open(&kit, &talk, 0, NULL);
	batch_get(&b, 1, 5, "kept");
	talk_send(&talk, &b);
	talk_await(&talk, 1);
	CU_ASSERT(result_holds(talk_result(&talk, 1), "first"));
	form_bytes(&close, 1, talk.token, strlen(talk.token));
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, "/sabir.v1.SessionService/Close", form_span(&close)), GRPC_STATUS_OK);
	talk_break(&talk);
	await_ready(q, 2);
	CU_ASSERT(next_is(q, "first"));
}

/* ---------------------------------------------------------------- what is in the way */

static void await_undoing(uint64_t n)
{
	struct rpc_counters counters;
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	do {
		rpc_counters(kit.rpc, &counters);
		usleep(200);
	} while (counters.undoing != n && kit_now() < give_up);
	CU_ASSERT_EQUAL_FATAL(counters.undoing, n);
	CU_ASSERT_EQUAL(counters.not_undone, 0);
}

/* A client has the queue's only item, which is huge, and is about to lose it. */
static void begin_get(struct ask *ask, const char *name)
{
	struct form form = form_on(name);
	ask_open(&kit, ask, 0, KIT_GET, KIT_PATIENCE_MS);
	ask_tell(ask, form_span(&form));
}

static void lose(struct ask *ask)
{
	(void)grpc_call_cancel(ask->call, NULL);
	CU_ASSERT_EQUAL(ask_close(ask), GRPC_STATUS_CANCELLED);
	await_undoing(1);
}

static void what_meets_a_held_lock_goes_back_when_it_is_free(void)
{
	struct ask ask;
	uint64_t q = make_tasks("held", SEG_TASK_LIFO);
	uint64_t *lock = &kit.lane.seg->objects[object_index(q)].lock;
	put(q, "huge", KIT_HUGE, 0);
	begin_get(&ask, "held");
	await_ready(q, 0);
	CU_ASSERT_EQUAL_FATAL(kit_hold(&kit.lane, lock), SABIR_OK);
	lose(&ask);
	kit_let_go(&kit.lane, lock);
	await_ready(q, 1);
	await_undoing(0);
	CU_ASSERT(next_is(q, "huge"));
}

static void what_meets_a_held_lock_of_a_plain_queue_goes_back_too(void)
{
	struct ask ask;
	kit_put_huge(&kit, "plain");
	uint64_t q;
	CU_ASSERT_EQUAL_FATAL(object_open(&kit.lane, text("plain"), &q), SABIR_OK);
	uint64_t *lock = &kit.lane.seg->objects[object_index(q)].lock;
	begin_get(&ask, "plain");
	kit_await_size(&kit, "plain", 0);
	CU_ASSERT_EQUAL_FATAL(kit_hold(&kit.lane, lock), SABIR_OK);
	lose(&ask);
	kit_let_go(&kit.lane, lock);
	kit_await_size(&kit, "plain", 1);
	await_undoing(0);
}

static void what_finds_no_memory_goes_back_when_there_is_some(void)
{
	struct ask ask;
	uint64_t fill[64], q = make_tasks("full", SEG_TASK_FIFO);
	struct object_spec array = { .kind = SEG_KIND_ARRAY, .type_code = 'B', .length = 64u << 20 };
	uint32_t n = 0;
	put(q, "huge", KIT_HUGE, 0);
	begin_get(&ask, "full");
	await_ready(q, 0);
	for (; n < 64 && array.length >= 200000; array.length /= 2)
		while (n < 64 && object_create(&kit.lane, text(""), &array, true, &fill[n]) == SABIR_OK)
			n++;
	CU_ASSERT(n < 64);
	lose(&ask);
	while (n-- > 0)
		CU_ASSERT_EQUAL(object_delete(&kit.lane, fill[n]), SABIR_OK);
	await_ready(q, 1);
	await_undoing(0);
	CU_ASSERT(next_is(q, "huge"));
}

static void what_can_not_go_back_ends_with_its_object(void)
{
	struct ask ask;
	uint64_t q = make_tasks("deleted", SEG_TASK_FIFO);
	uint64_t *lock = &kit.lane.seg->objects[object_index(q)].lock;
	put(q, "huge", KIT_HUGE, 0);
	begin_get(&ask, "deleted");
	await_ready(q, 0);
	CU_ASSERT_EQUAL_FATAL(kit_hold(&kit.lane, lock), SABIR_OK);
	lose(&ask);
	kit_let_go(&kit.lane, lock);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, q), SABIR_OK);
	await_undoing(0);
}

/* ---------------------------------------------------------------- pipes */

static void send(uint64_t pipe, enum value_kind kind, const char *s, size_t len)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct queue_item item = item_of(head, kind, s, len);
	uint64_t queue;
	CU_ASSERT_EQUAL_FATAL(pipe_send(&kit.lane, pipe, 1, &item, &queue), SABIR_OK);
}

/* End 1 is held here, end 0 by the session of `talk`. */
static uint64_t open_pipe(const char *name)
{
	struct batch b = { .len = 0 };
	struct form open = form_on(name);
	uint64_t pipe = make(name, &(struct object_spec){ .kind = SEG_KIND_PIPE });
	CU_ASSERT_EQUAL(pipe_open(&kit.lane, pipe, 1), SABIR_OK);
	talk_open(&kit, &talk, 0, NULL);
	batch_call(&b, 1, 0, "/sabir.v1.PipeService/Open", form_span(&open));
	talk_send(&talk, &b);
	talk_await(&talk, 1);
	CU_ASSERT_FALSE(talk_result(&talk, 1)->failed);
	return pipe;
}

static void await_messages(uint64_t pipe, uint64_t n)
{
	struct pipe_state state = { .n_messages = { n + 1 } };
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	while (pipe_state(&kit.lane, pipe, &state) == SABIR_OK && state.n_messages[0] != n && kit_now() < give_up)
		usleep(200);
	CU_ASSERT_EQUAL_FATAL(state.n_messages[0], n);
}

static void a_stream_that_breaks_gives_its_messages_back(void)
{
	struct batch b = { .len = 0 }, again = { .len = 0 };
	struct form form = form_on("pipe"), peek = form_on("large");
	uint64_t pipe = open_pipe("pipe");
	kit_put_huge(&kit, "large");
	send(pipe, VALUE_TEXT, "first", 0);
	send(pipe, VALUE_BINARY, "second", 0);
	send(pipe, VALUE_TEXT, "third", 0);
	batch_call(&b, 31, 0, RECV, form_span(&form));
	batch_call(&b, 32, 0, RECV_BYTES, form_span(&form));
	batch_call(&b, 33, 0, PEEK, form_span(&peek));
	talk_send(&talk, &b);
	await_messages(pipe, 1);
	char token[SESSION_TOKEN_LEN + 1];
	memcpy(token, talk.token, sizeof(token));
	talk_break(&talk);
	await_messages(pipe, 3);
	talk_open(&kit, &talk, 1, token);
	batch_call(&again, 1, 0, RECV, form_span(&form));
	batch_call(&again, 2, 0, RECV_BYTES, form_span(&form));
	batch_call(&again, 3, 0, RECV, form_span(&form));
	talk_send(&talk, &again);
	talk_await(&talk, 3);
	struct result *bytes = talk_result(&talk, 2);
	struct span second = kit_field((struct span){ bytes->response, bytes->response_len }, 1);
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 1), "first"));
	CU_ASSERT(second.len == 6 && !memcmp(second.data, "second", 6));
	CU_ASSERT_TRUE(result_holds(talk_result(&talk, 3), "third"));
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

/* By calls of a session: one that has found its message, and one that has waited for it. */
static void a_call_that_receives_gives_the_message_back(void)
{
	static const char *const paths[] = { RECV, RECV_BYTES };
	struct form form = form_on("calls");
	uint64_t pipe = open_pipe("calls");
	for (unsigned i = 0; i < 4; i++) {
		struct ask ask;
		if (i < 2)
			send(pipe, VALUE_BINARY, "huge", KIT_HUGE);
		kit.session = talk.token;
		ask_open(&kit, &ask, 1, paths[i % 2], KIT_PATIENCE_MS);
		kit.session = NULL;
		ask_tell(&ask, form_span(&form));
		if (i >= 2) {
			kit_await_waiting(&kit, 1);
			send(pipe, VALUE_BINARY, "huge", KIT_HUGE);
		}
		await_messages(pipe, 0);
		(void)grpc_call_cancel(ask.call, NULL);
		CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_CANCELLED);
		await_messages(pipe, 1);
		struct bytes out = { 0 };
		uint64_t queue, removed;
		CU_ASSERT_EQUAL(pipe_open(&kit.lane, pipe, 0), SABIR_OK);
		CU_ASSERT_EQUAL(pipe_recv(&kit.lane, pipe, 0, &out, &queue), SABIR_OK);
		CU_ASSERT_EQUAL(out.len, KIT_HUGE + 4);
		CU_ASSERT_EQUAL(queue_clear(&kit.lane, queue, &removed), SABIR_OK);
		CU_ASSERT_EQUAL(pipe_close(&kit.lane, pipe, 0), SABIR_OK);
		bytes_fini(&out);
	}
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_call_that_takes_a_task_gives_it_back),
		KIT_TEST(a_call_that_has_waited_for_a_task_gives_it_back),
		KIT_TEST(a_stream_that_breaks_gives_its_tasks_back),
		KIT_TEST(a_session_that_ends_gives_back_what_was_not_acknowledged),
		KIT_TEST(what_meets_a_held_lock_goes_back_when_it_is_free),
		KIT_TEST(what_meets_a_held_lock_of_a_plain_queue_goes_back_too),
		KIT_TEST(what_finds_no_memory_goes_back_when_there_is_some),
		KIT_TEST(what_can_not_go_back_ends_with_its_object),
		KIT_TEST(a_stream_that_breaks_gives_its_messages_back),
		KIT_TEST(a_call_that_receives_gives_the_message_back),
	};
	return kit_run("what could not be delivered", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
