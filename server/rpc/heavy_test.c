/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that take long: they hold up nobody but who asks for them. */
#include "server/objects/list.h"
#include "server/rpc/test_stream.h"

#define SORT "/sabir.v1.ListService/Sort"
#define LEN "/sabir.v1.ListService/Len"
#define GET "/sabir.v1.ListService/Get"
#define N 20000

static struct kit kit;
static struct talk talk;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 8, .n_threads = 1 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static uint64_t make_list(const char *name, unsigned n)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	struct span *values = calloc(n, sizeof(*values));
	uint8_t(*bytes)[VALUE_MAX_HEAD] = calloc(n, sizeof(*bytes));
	uint64_t handle = 0, length;
	for (unsigned i = 0; i < n; i++)
		values[i] = (struct span){ bytes[i], value_put_int((int64_t)(n - i) * 7919 % n, bytes[i]) };
	CU_ASSERT_EQUAL_FATAL(
		object_create(&kit.lane, (struct span){ (const uint8_t *)name, strlen(name) }, &spec, false, &handle),
		SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(list_extend(&kit.lane, handle, values, n, &length), SABIR_OK);
	free(values);
	free(bytes);
	return handle;
}

static bool is_sorted(uint64_t list)
{
	struct bytes out = { 0 };
	struct value_view view;
	bool sorted = true;
	for (int64_t i = 0; i < N && sorted; i += N / 10) {
		bytes_truncate(&out, 0);
		sorted = list_get(&kit.lane, list, i, &out) == SABIR_OK && !value_view(bytes_item(&out, 0), &view) &&
			 view.i == i;
	}
	bytes_fini(&out);
	return sorted;
}

/* In the pool, while its lock is held: it is neither on the worker nor on the thread that serves the park. */
static void a_heavy_call_waits_for_its_lock_and_is_answered(void)
{
	struct ask ask, small;
	struct form form = form_on("l"), put = form_put("q", "x"), get = form_on("q");
	uint64_t list = make_list("l", N);
	uint64_t *lock = &kit.seg.objects[object_index(list)].lock;
	kit_create_queue(&kit, "q", 0);
	CU_ASSERT_EQUAL(kit_hold(&kit.lane, lock), SABIR_OK);
	ask_begin(&kit, &ask, 0, SORT, form_span(&form));
	kit_await_waiting(&kit, 1);
	for (int i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(kit_ask(&kit, &small, 0, KIT_PUT, form_span(&put)), GRPC_STATUS_OK);
		CU_ASSERT_EQUAL(kit_ask(&kit, &small, 1, KIT_GET, form_span(&get)), GRPC_STATUS_OK);
	}
	kit_let_go(&kit.lane, lock);
	CU_ASSERT_EQUAL(ask_finish(&ask), GRPC_STATUS_OK);
	CU_ASSERT_TRUE(is_sorted(list));
	kit_await_waiting(&kit, 0);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_OK);
}

/* Of many, whatever is deleted in between: each is answered once. */
static void many_heavy_calls_are_all_answered(void)
{
	struct ask ask[8];
	struct form form = form_on("m");
	uint64_t list = make_list("m", N);
	for (int i = 0; i < 8; i++)
		ask_begin(&kit, &ask[i], i % 2, i % 3 ? SORT : "/sabir.v1.ListService/Reverse", form_span(&form));
	for (int i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(ask_finish(&ask[i]), GRPC_STATUS_OK);
	ask_begin(&kit, &ask[0], 0, "/sabir.v1.ManagerService/Delete", form_span(&form));
	CU_ASSERT_EQUAL(ask_finish(&ask[0]), GRPC_STATUS_OK);
	ask_begin(&kit, &ask[0], 0, SORT, form_span(&form));
	CU_ASSERT_EQUAL(ask_finish(&ask[0]), GRPC_STATUS_NOT_FOUND);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_DELETED);
	kit_await_waiting(&kit, 0);
}

static void who_goes_is_not_waited_for(void)
{
	struct ask ask[3];
	struct form form = form_on("n");
	uint64_t list = make_list("n", N);
	uint64_t *lock = &kit.seg.objects[object_index(list)].lock;
	CU_ASSERT_EQUAL(kit_hold(&kit.lane, lock), SABIR_OK);
	for (int i = 0; i < 3; i++)
		ask_begin(&kit, &ask[i], 0, SORT, form_span(&form));
	kit_await_waiting(&kit, 3);
	for (int i = 0; i < 3; i++) {
		grpc_call_cancel(ask[i].call, NULL);
		CU_ASSERT_EQUAL(ask_finish(&ask[i]), GRPC_STATUS_CANCELLED);
	}
	kit_let_go(&kit.lane, lock);
	kit_await_waiting(&kit, 0);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_OK);
}

static void list_call(struct batch *b, uint64_t tag, uint64_t id, const char *path, int64_t index)
{
	struct form form = form_on("s");
	if (index >= 0)
		form_number(&form, 2, (uint64_t)index);
	batch_call(b, tag, id, path, form_span(&form));
}

static int64_t number_of(const struct result *r)
{
	struct value_view view = { .i = -1 };
	struct span value = kit_field((struct span){ r->response, r->response_len }, 1);
	return value_view(value, &view) ? -1 : view.i;
}

/* What comes behind it on its stream sees what it did. */
static void a_stream_keeps_its_order(void)
{
	struct batch b = { .len = 0 }, more = { .len = 0 };
	uint64_t list = make_list("s", N);
	talk_open(&kit, &talk, 0, NULL);
	list_call(&b, 1, 0, SORT, -1);
	list_call(&b, 2, 0, GET, 5);
	list_call(&b, 3, 7, "/sabir.v1.ListService/Reverse", -1);
	list_call(&b, 4, 0, GET, 5);
	talk_send(&talk, &b);
	list_call(&more, 5, 0, SORT, -1);
	talk_send(&talk, &more);
	more.len = 0;
	list_call(&more, 6, 0, GET, 6);
	talk_send(&talk, &more);
	talk_await(&talk, 6);
	CU_ASSERT_EQUAL(number_of(talk_result(&talk, 2)), 5);
	CU_ASSERT_EQUAL(number_of(talk_result(&talk, 4)), N - 6);
	CU_ASSERT_EQUAL(number_of(talk_result(&talk, 6)), 6);
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_OK);
}

/* It has an id, and is asked for on another stream too: both have its answer, and the first goes on behind it. */
static void a_stream_whose_answer_another_gets_too_goes_on(void)
{
	static struct talk other;
	struct batch b = { .len = 0 };
	uint64_t list = make_list("s", N);
	uint64_t *lock = &kit.seg.objects[object_index(list)].lock;
	talk_open(&kit, &talk, 0, NULL);
	list_call(&b, 1, 9, SORT, -1);
	CU_ASSERT_EQUAL(kit_hold(&kit.lane, lock), SABIR_OK);
	talk_send(&talk, &b);
	kit_await_waiting(&kit, 1);
	talk_open(&kit, &other, 1, talk.token);
	talk_send(&other, &b);
	b.len = 0;
	list_call(&b, 2, 0, LEN, -1);
	talk_send(&talk, &b);
	kit_let_go(&kit.lane, lock);
	talk_await(&talk, 2);
	talk_await(&other, 1);
	CU_ASSERT_EQUAL(kit_number((struct span){ talk_result(&talk, 2)->response, 16 }, 1), N);
	talk_break(&talk);
	talk_break(&other);
	kit_await_waiting(&kit, 0);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_OK);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Its client may send nothing more for a long time. */
static void a_stream_is_at_rest_behind_a_heavy_call(void)
{
	struct batch b = { .len = 0 };
	uint64_t list = make_list("s", N);
	talk_open(&kit, &talk, 0, NULL);
	list_call(&b, 1, 0, SORT, -1);
	talk_send(&talk, &b);
	talk_await(&talk, 1);
	usleep(20000); /* what is left to do for the answer */
	uint64_t before = cpu_ns();
	usleep(200000);
	CU_ASSERT(cpu_ns() - before < 100000000);
	CU_ASSERT_EQUAL(talk_close(&talk), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_OK);
}

static void a_stream_that_breaks_leaves_nothing(void)
{
	struct batch b = { .len = 0 };
	uint64_t list = make_list("s", N);
	for (int i = 0; i < 5; i++) {
		talk_open(&kit, &talk, i % 2, NULL);
		b.len = 0;
		list_call(&b, 1, 0, SORT, -1);
		list_call(&b, 2, 0, SORT, -1);
		talk_send(&talk, &b);
		talk_break(&talk);
		kit_await_waiting(&kit, 0);
	}
	CU_ASSERT_EQUAL(object_delete(&kit.lane, list), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_heavy_call_waits_for_its_lock_and_is_answered),
		KIT_TEST(many_heavy_calls_are_all_answered),
		KIT_TEST(who_goes_is_not_waited_for),
		KIT_TEST(a_stream_keeps_its_order),
		KIT_TEST(a_stream_whose_answer_another_gets_too_goes_on),
		KIT_TEST(a_stream_is_at_rest_behind_a_heavy_call),
		KIT_TEST(a_stream_that_breaks_leaves_nothing),
	};
	return kit_run("rpc, heavy operations", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
