/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QueueService: every operation, and every way in which it fails.
 */
#include "server/objects/answers.h"
#include "server/objects/queue.h"
#include "server/ops/test_kit.h"

#define Q "queue={name='q'}"

static void make_queue(const char *spec)
{
	char request[128];

	(void)ops_call("ManagerService/Delete", "object={name='q'}");
	snprintf(request, sizeof(request), "name='q' queue={%s}", spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
}

static void test_items_come_out_as_they_went_in(void)
{
	make_queue("");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$42", ""));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$'text'", ""));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$null", ""));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$18446744073709551615", ""));
	CU_ASSERT(ops_answers("QueueService/Peek", Q, "item=$42"));
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$42"));
	CU_ASSERT(ops_answers("QueueService/Get", Q " timeout={}", "item=$'text'"));
	CU_ASSERT(ops_answers("QueueService/Get", Q " timeout={seconds=5}", "item=$null"));
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$18446744073709551615"));
}

static void test_items_may_be_lists_and_refer_to_objects(void)
{
	make_queue("");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$*7", ""));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$[$1 $[$'two' $*3] $*7]", ""));
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$*7"));
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$[$1 $[$'two' $*3] $*7]"));
}

static void test_many_items_at_once(void)
{
	make_queue("max_items=4");
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$1 items=$'two' items=$3", "accepted=3"));
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$4 items=$5", "accepted=1"));
	CU_ASSERT(ops_answers("QueueService/Size", Q, "size=4 max_items=4 full=true"));
	CU_ASSERT(ops_answers("QueueService/GetMany", Q " max_items=3", "items=$1 items=$'two' items=$3"));
	CU_ASSERT(ops_answers("QueueService/GetMany", Q " max_items=65536", "items=$4"));
	CU_ASSERT(
		ops_fails("QueueService/GetMany", Q, SABIR_INVALID_ARGUMENT, "max_items is 0, allowed are 1 to 65536"));
	CU_ASSERT(ops_fails("QueueService/GetMany", Q " max_items=65537", SABIR_INVALID_ARGUMENT,
			    "max_items is 65537, allowed are 1 to 65536"));
	CU_ASSERT(ops_fails("QueueService/PutMany", Q, SABIR_INVALID_ARGUMENT,
			    "0 items in one call, allowed are 1 to 65536"));
}

static void test_a_large_batch_goes_through_whole(void)
{
	enum { N = 5000 };
	uint8_t *request = malloc(8 * N), *to = request;

	make_queue("");
	to = wire_put_bytes(to, 1, "\x0a\x01q", 3);
	for (unsigned i = 0; i < N; i++) {
		uint8_t value[VALUE_MAX_HEAD];
		to = wire_put_bytes(to, 2, value, value_put_int(i, value));
	}
	CU_ASSERT(ops_run("QueueService/PutMany", (struct span){ request, (size_t)(to - request) }) == SABIR_OK);
	CU_ASSERT_STRING_EQUAL(ops_text, "accepted=5000");
	CU_ASSERT(ops_call("QueueService/GetMany", Q " max_items=65536") == SABIR_OK);
	const uint8_t *p = ops_response.data, *end = p + ops_response.len;
	for (unsigned i = 0; i < N; i++) {
		struct wire_field w;
		struct value_view v;
		CU_ASSERT(p < end && wire_next(&p, end, &w) && !value_view(w.bytes, &v) && v.u == i);
	}
	CU_ASSERT(p == end);
	free(request);
}

static void test_a_batch_ends_at_the_limit_of_a_response(void)
{
	static uint8_t request[900100], value[900000];
	size_t limit = op_message_limit(&ops_seg), n = 0, total = 0;

	make_queue("");
	memset(value, 'x', sizeof(value));
	(void)value_head_bytes(VALUE_BINARY, sizeof(value) - 4, value);
	uint8_t *to = wire_put_bytes(request, 1, "\x0a\x01q", 3);
	to = wire_put_bytes(to, 2, value, sizeof(value));
	for (int i = 0; i < 5; i++)
		CU_ASSERT(ops_run("QueueService/Put", (struct span){ request, (size_t)(to - request) }) == SABIR_OK);
	while (ops_call("QueueService/GetMany", Q " max_items=100 timeout={}") == SABIR_OK) {
		CU_ASSERT(ops_response.len <= limit);
		total += ops_response.len;
		n++;
	}
	CU_ASSERT(n == 3 && total > 5 * sizeof(value));
}

static void test_who_may_wait_is_told_where(void)
{
	make_queue("max_items=1");
	CU_ASSERT(ops_call("QueueService/Get", Q) == SABIR_EMPTY);
	CU_ASSERT(ops_wait.wanted && ops_wait.side == SEG_EVENT_ITEMS && ops_wait.timeout_ns == OP_FOREVER &&
		  ops_wait.handle);
	CU_ASSERT(ops_wait.object == object_index(ops_wait.handle) && !strcmp(ops_detail, "queue 'q'"));
	CU_ASSERT(ops_call("QueueService/GetMany", Q " max_items=2 timeout={seconds=2 nanos=5}") == SABIR_EMPTY);
	CU_ASSERT(ops_wait.wanted && ops_wait.timeout_ns == 2000000005);
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={}", SABIR_EMPTY, "queue 'q'"));
	CU_ASSERT(ops_fails("QueueService/Peek", Q, SABIR_EMPTY, "queue 'q'"));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1", ""));
	CU_ASSERT(ops_call("QueueService/Put", Q " item=$2 timeout={nanos=1}") == SABIR_FULL);
	CU_ASSERT(ops_wait.wanted && ops_wait.side == SEG_EVENT_ROOM && ops_wait.timeout_ns == 1);
	CU_ASSERT(ops_call("QueueService/PutMany", Q " items=$2") == SABIR_FULL && ops_wait.wanted);
	CU_ASSERT(ops_fails("QueueService/Put", Q " item=$2 timeout={seconds=0}", SABIR_FULL, "queue 'q'"));
}

static void test_timeouts_out_of_range(void)
{
	make_queue("");
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={seconds=-1}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is negative"));
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={nanos=-1}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is negative"));
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={seconds=-1 nanos=1}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is malformed"));
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={nanos=1000000000}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is malformed"));
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={seconds=315576000001}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is malformed"));
	CU_ASSERT(ops_call("QueueService/Get", Q " timeout={seconds=315576000000}") == SABIR_EMPTY);
	CU_ASSERT(ops_wait.wanted && ops_wait.timeout_ns == OP_FOREVER);
}

static void test_run_again_uses_the_same_object(void)
{
	uint8_t encoded[64];
	struct span request = ops_request("QueueService/Get", Q, encoded);

	make_queue("");
	CU_ASSERT(ops_run("QueueService/Get", request) == SABIR_EMPTY && ops_wait.wanted);
	uint64_t handle = ops_wait.handle;
	const struct op *get = ops_op("QueueService/Get");
	CU_ASSERT(op_run_again(get, &ops_lane, request, &ops_response, &ops_wait, ops_detail) == SABIR_EMPTY);
	CU_ASSERT(ops_wait.wanted && ops_wait.handle == handle);
	struct op_wait waited = ops_wait;
	make_queue("");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1", ""));
	CU_ASSERT(op_run_again(get, &ops_lane, request, &ops_response, &waited, ops_detail) == SABIR_DELETED);
	CU_ASSERT(!waited.wanted);
	CU_ASSERT_STRING_EQUAL(ops_detail, "queue 'q'");
}

static void test_closed_queues(void)
{
	make_queue("");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1", ""));
	CU_ASSERT(ops_answers("QueueService/Close", Q, ""));
	CU_ASSERT(ops_answers("QueueService/Close", Q, ""));
	CU_ASSERT(ops_fails("QueueService/Put", Q " item=$1", SABIR_CLOSED, "queue 'q'"));
	CU_ASSERT(ops_fails("QueueService/PutMany", Q " items=$1", SABIR_CLOSED, "queue 'q'"));
	CU_ASSERT(ops_answers("QueueService/Size", Q, "size=1 closed=true"));
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$1"));
	CU_ASSERT(ops_fails("QueueService/Get", Q, SABIR_CLOSED, "queue 'q'"));
	CU_ASSERT(ops_fails("QueueService/Peek", Q, SABIR_CLOSED, "queue 'q'"));
	CU_ASSERT(ops_answers("QueueService/Clear", Q, ""));
}

static void test_clear_tells_how_many(void)
{
	make_queue("");
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$1 items=$2", "accepted=2"));
	CU_ASSERT(ops_answers("QueueService/Clear", Q, "removed=2"));
	CU_ASSERT(ops_answers("QueueService/Clear", Q, ""));
}

static void test_bad_items_are_refused(void)
{
	make_queue("max_item_bytes=10");
	CU_ASSERT(ops_fails("QueueService/Put", Q, SABIR_INVALID_ARGUMENT, "field 'item' is missing"));
	CU_ASSERT(ops_fails("QueueService/Put", Q " item='xx'", SABIR_INVALID_VALUE, "field 'item'"));
	CU_ASSERT(ops_fails("QueueService/Put", Q " item=''", SABIR_INVALID_VALUE, "field 'item'"));
	CU_ASSERT(ops_fails("QueueService/PutMany", Q " items=$1 items='xx'", SABIR_INVALID_VALUE,
			    "field 'items', item 1"));
	CU_ASSERT(ops_fails("QueueService/Put", Q " item=$'123456789'", SABIR_TOO_LARGE,
			    "queue 'q': item of 11 bytes, limit 10"));
	CU_ASSERT(ops_fails("QueueService/PutMany", Q " items=$1 items=$'123456789'", SABIR_TOO_LARGE,
			    "queue 'q': item of 11 bytes, limit 10"));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$'12345678'", ""));
	CU_ASSERT(ops_answers("QueueService/Size", Q, "size=1"));
}

/* Fills the memory through a queue; a put that finds no more says so, and nothing was lost. */
static void test_exhausted_memory_is_told(void)
{
	static uint8_t request[500100], value[500000];
	unsigned n = 0, got = 0;
	enum sabir_error error;

	make_queue("");
	memset(value, 'x', sizeof(value));
	(void)value_head_bytes(VALUE_BINARY, sizeof(value) - 4, value);
	uint8_t *to = wire_put_bytes(request, 1, "\x0a\x01q", 3);
	to = wire_put_bytes(to, 2, value, sizeof(value));
	while ((error = ops_run("QueueService/Put", (struct span){ request, (size_t)(to - request) })) == SABIR_OK)
		n++;
	CU_ASSERT(error == SABIR_RESOURCE_EXHAUSTED && !ops_wait.wanted && n > 50);
	CU_ASSERT_STRING_EQUAL(ops_detail, "queue 'q'");
	while (ops_call("QueueService/Get", Q " timeout={}") == SABIR_OK)
		got++;
	CU_ASSERT(got == n);
}

static void test_a_damaged_queue_is_told(void)
{
	make_queue("");
	CU_ASSERT(ops_call("QueueService/Get", Q) == SABIR_EMPTY);
	ops_seg.objects[ops_wait.object].damaged = 1;
	CU_ASSERT(ops_fails("QueueService/Get", Q, SABIR_DATA_LOSS, "queue 'q'"));
	ops_seg.objects[ops_wait.object].damaged = 0;
}

/* A get with a request id, that is over and acknowledged. */
static void get_asked(struct lane *server, uint64_t session, struct op_wait *wait)
{
	uint8_t request[64];
	struct bytes response = { 0 };
	char detail[OP_DETAIL_SIZE];

	*wait = (struct op_wait){ .undoable = true };
	server->actor = (struct actor){ .owner = session, .request = 7 };
	CU_ASSERT(op_run_front(ops_op("QueueService/Get"), server, NULL, ops_request("QueueService/Get", Q, request),
			       &response, wait, detail) == SABIR_OK);
	CU_ASSERT_PTR_EQUAL(wait->receipt.open, server);
	op_finish(&wait->receipt, true);
	answers_acknowledged(&ops_seg, session, 8);
	server->actor = (struct actor){ 0 };
	bytes_fini(&response);
}

/* The lane has performed one for a request, and dies in the next one, which is nobody's. */
static void test_a_get_that_is_over_says_nothing_of_the_next(void)
{
	struct lane server = kit_lane(&ops_seg), client = kit_lane(&ops_seg);
	struct seg_session *record = &ops_seg.sessions[client.owner];
	struct bytes items = { 0 }, places = { 0 };
	struct op_wait wait;

	make_queue("");
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$1 items=$2", "accepted=2"));
	store32_relaxed(&ops_seg.owners[server.owner].flags, SEG_OWNER_SERVER);
	uint64_t word = load64_relaxed(&ops_seg.owners[client.owner].word);
	store64_release(&record->word, word);
	get_asked(&server, (word & 0xffffffff00000000ull) | (client.owner + 1), &wait);
	CU_ASSERT(queue_get_open(&server, wait.receipt.handle, 1, &items, &places) == SABIR_OK);
	CU_ASSERT(owner_recover(&ops_lane, server.owner) == SABIR_OK);
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$2"));
	store64_release(&record->word, 0);
	kit_lane_close(&client);
	bytes_fini(&items);
	bytes_fini(&places);
	op_receipt_fini(&wait.receipt);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_items_come_out_as_they_went_in),
		KIT_TEST(test_items_may_be_lists_and_refer_to_objects),
		KIT_TEST(test_many_items_at_once),
		KIT_TEST(test_a_large_batch_goes_through_whole),
		KIT_TEST(test_a_batch_ends_at_the_limit_of_a_response),
		KIT_TEST(test_who_may_wait_is_told_where),
		KIT_TEST(test_timeouts_out_of_range),
		KIT_TEST(test_run_again_uses_the_same_object),
		KIT_TEST(test_closed_queues),
		KIT_TEST(test_clear_tells_how_many),
		KIT_TEST(test_bad_items_are_refused),
		KIT_TEST(test_exhausted_memory_is_told),
		KIT_TEST(test_a_damaged_queue_is_told),
		KIT_TEST(test_a_get_that_is_over_says_nothing_of_the_next),
	};

	return kit_run("ops_queue", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
