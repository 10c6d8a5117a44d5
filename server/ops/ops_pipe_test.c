/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PipeService and BlockService: every operation, and every way in which it fails.
 */
#include "server/ops/test_kit.h"

#define P "pipe={name='p'}"
#define END(n) P " end=" #n
#define B "block={name='b'}"

static void make(const char *name, const char *spec)
{
	char request[128];

	snprintf(request, sizeof(request), "object={name='%s'}", name);
	(void)ops_call("ManagerService/Delete", request);
	snprintf(request, sizeof(request), "name='%s' %s", name, spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
}

static void open_both(const char *spec)
{
	make("p", spec);
	CU_ASSERT(ops_answers("PipeService/Open", END(0), ""));
	CU_ASSERT(ops_answers("PipeService/Open", END(1), ""));
}

static void test_messages_go_both_ways(void)
{
	open_both("pipe={}");
	CU_ASSERT(ops_answers("PipeService/Send", END(0) " item=$42", ""));
	CU_ASSERT(ops_answers("PipeService/Send", END(1) " item=$'text'", ""));
	CU_ASSERT(ops_answers("PipeService/SendBytes", END(1) " data='bytes' timeout={}", ""));
	CU_ASSERT(ops_answers("PipeService/Recv", END(1), "item=$42"));
	CU_ASSERT(ops_answers("PipeService/Recv", END(0) " timeout={}", "item=$'text'"));
	CU_ASSERT(ops_answers("PipeService/Poll", END(0), "message_bytes=5"));
	CU_ASSERT(ops_answers("PipeService/RecvBytes", END(0), "data='bytes'"));
	CU_ASSERT(ops_answers("PipeService/SendBytes", END(1), ""));
	CU_ASSERT(ops_answers("PipeService/RecvBytes", END(0), "data=''"));
}

static void test_who_may_wait_is_told_where(void)
{
	open_both("pipe={max_items=1}");
	CU_ASSERT(ops_call("PipeService/Recv", END(0) " timeout={seconds=2}") == SABIR_EMPTY);
	CU_ASSERT(ops_wait.wanted && ops_wait.side == SEG_EVENT_ITEMS && ops_wait.timeout_ns == 2000000000);
	uint32_t into_0 = ops_wait.object;
	CU_ASSERT(into_0 != object_index(ops_wait.handle));
	CU_ASSERT(ops_call("PipeService/Recv", END(1)) == SABIR_EMPTY && ops_wait.wanted && ops_wait.object != into_0);
	CU_ASSERT(ops_call("PipeService/Poll", END(0)) == SABIR_EMPTY && ops_wait.wanted && ops_wait.object == into_0);
	CU_ASSERT(ops_call("PipeService/RecvBytes", END(0)) == SABIR_EMPTY && ops_wait.object == into_0);
	CU_ASSERT(ops_answers("PipeService/Send", END(1) " item=$1", ""));
	CU_ASSERT(ops_call("PipeService/Send", END(1) " item=$1") == SABIR_FULL && ops_wait.wanted);
	CU_ASSERT(ops_wait.side == SEG_EVENT_ROOM && ops_wait.object == into_0);
	CU_ASSERT(ops_fails("PipeService/Recv", END(1) " timeout={}", SABIR_EMPTY, "pipe 'p'"));
	CU_ASSERT(ops_fails("PipeService/SendBytes", END(1) " data='x' timeout={}", SABIR_FULL, "pipe 'p'"));
}

static void test_the_end_of_an_end(void)
{
	open_both("pipe={}");
	CU_ASSERT(ops_answers("PipeService/Send", END(0) " item=$42", ""));
	CU_ASSERT(ops_answers("PipeService/Close", END(0), ""));
	CU_ASSERT(ops_fails("PipeService/Close", END(0), SABIR_CLOSED, "pipe 'p': the caller does not hold end 0"));
	CU_ASSERT(ops_fails("PipeService/Open", END(0), SABIR_CLOSED, "pipe 'p': all who held end 0 are gone"));
	CU_ASSERT(ops_fails("PipeService/Send", END(1) " item=$1", SABIR_BROKEN_PIPE, "pipe 'p'"));
	CU_ASSERT(ops_answers("PipeService/State", P,
			      "ends={opened=true closed=true} ends={holders=1 opened=true messages=1}"));
	CU_ASSERT(ops_answers("PipeService/Recv", END(1), "item=$42"));
	CU_ASSERT(ops_fails("PipeService/Recv", END(1), SABIR_END_OF_FILE, "pipe 'p'"));
	CU_ASSERT(ops_fails("PipeService/RecvBytes", END(1), SABIR_END_OF_FILE, "pipe 'p'"));
	CU_ASSERT(ops_answers("PipeService/Poll", END(1), "end_of_file=true"));
}

static void test_what_a_message_must_be(void)
{
	open_both("pipe={max_item_bytes=20}");
	CU_ASSERT(ops_answers("PipeService/SendBytes", END(0) " data='sixsix'", ""));
	CU_ASSERT(ops_fails("PipeService/RecvBytes", END(1) " max_bytes=5", SABIR_TOO_LARGE,
			    "pipe 'p': the message has 6 bytes, wanted are at most 5"));
	CU_ASSERT(ops_answers("PipeService/RecvBytes", END(1) " max_bytes=6", "data='sixsix'"));
	CU_ASSERT(ops_answers("PipeService/Send", END(0) " item=$1", ""));
	CU_ASSERT(ops_fails("PipeService/RecvBytes", END(1), SABIR_WRONG_TYPE, "pipe 'p': the message is no bytes"));
	CU_ASSERT(ops_answers("PipeService/Recv", END(1), "item=$1"));
	CU_ASSERT(ops_fails("PipeService/SendBytes", END(0) " data='nineteen bytes here'", SABIR_TOO_LARGE,
			    "pipe 'p': message of 21 bytes"));
	CU_ASSERT(ops_fails("PipeService/Send", END(0), SABIR_INVALID_ARGUMENT, "field 'item' is missing"));
}

static void test_whose_the_ends_are(void)
{
	struct actor me = ops_lane.actor;

	make("p", "pipe={one_way=true}");
	CU_ASSERT(ops_fails("PipeService/Recv", END(0), SABIR_CLOSED, "pipe 'p': the caller does not hold end 0"));
	CU_ASSERT(ops_fails("PipeService/Open", END(2), SABIR_INVALID_ARGUMENT, "pipe 'p' has no end 2"));
	CU_ASSERT(ops_answers("PipeService/Open", END(0), ""));
	CU_ASSERT(ops_answers("PipeService/Open", END(1), ""));
	CU_ASSERT(ops_fails("PipeService/Send", END(0) " item=$1", SABIR_INVALID_ARGUMENT,
			    "pipe 'p' is one way: end 0 receives, end 1 sends"));
	CU_ASSERT(ops_fails("PipeService/Recv", END(1), SABIR_INVALID_ARGUMENT,
			    "pipe 'p' is one way: end 0 receives, end 1 sends"));
	ops_lane.actor.owner = 0;
	CU_ASSERT(ops_fails("PipeService/Open", END(0), SABIR_SESSION_REQUIRED,
			    "pipe 'p': end 0 is held by an owner, and the call has none"));
	CU_ASSERT(ops_fails("PipeService/Send", END(1) " item=$1", SABIR_SESSION_REQUIRED,
			    "pipe 'p': end 1 is held by an owner, and the call has none"));
	CU_ASSERT(ops_call("PipeService/State", P) == SABIR_OK);
	ops_lane.actor = me;
}

static void test_pipes_and_blocks_are_described(void)
{
	make("p", "pipe={one_way=true max_items=3 max_item_bytes=100}");
	CU_ASSERT(ops_call("ManagerService/Describe", "object={name='p'}") == SABIR_OK);
	CU_ASSERT(strstr(ops_text, "kind=7") && strstr(ops_text, "pipe={one_way=true max_items=3 max_item_bytes=100}"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='p' exist_ok=true pipe={}") == SABIR_ALREADY_EXISTS);
	CU_ASSERT(ops_call("ManagerService/Create", "name='p' exist_ok=true block={}") == SABIR_WRONG_KIND);
	make("b", "block={size_bytes=10}");
	CU_ASSERT(ops_call("ManagerService/Describe", "object={name='b'}") == SABIR_OK);
	CU_ASSERT(strstr(ops_text, "kind=15") && strstr(ops_text, "length=10") &&
		  strstr(ops_text, "block={size_bytes=10}"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='b' exist_ok=true block={size_bytes=10}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Create", "name='b' exist_ok=true block={size_bytes=11}") ==
		  SABIR_ALREADY_EXISTS);
	CU_ASSERT(ops_fails("PipeService/State", "pipe={name='b'}", SABIR_WRONG_KIND, "pipe 'b': it is a block"));
	CU_ASSERT(ops_fails("BlockService/Size", "block={name='p'}", SABIR_WRONG_KIND, "block 'p': it is a pipe"));
}

static void test_blocks_are_read_and_written_by_range(void)
{
	make("b", "block={size_bytes=10}");
	CU_ASSERT(ops_answers("BlockService/Size", B, "size_bytes=10"));
	CU_ASSERT(ops_answers("BlockService/Write", B " offset=2 data='abcd'", ""));
	CU_ASSERT(ops_answers("BlockService/Read", B " offset=2 count=3", "data='abc'"));
	CU_ASSERT(ops_answers("BlockService/Read", B " offset=10", "data=''"));
	CU_ASSERT(ops_answers("BlockService/Write", B " offset=10", ""));
	CU_ASSERT(ops_answers("BlockService/Write", B " offset=6 data='efgh'", ""));
	CU_ASSERT(ops_answers("BlockService/Read", B " offset=4", "data='cdefgh'"));
	CU_ASSERT(ops_fails("BlockService/Read", B " offset=4 count=7", SABIR_OUT_OF_RANGE,
			    "block 'b': 7 bytes from 4 on, it has 10"));
	CU_ASSERT(ops_fails("BlockService/Read", B " offset=11", SABIR_OUT_OF_RANGE,
			    "block 'b': 0 bytes from 11 on, it has 10"));
	CU_ASSERT(ops_fails("BlockService/Write", B " offset=9 data='xy'", SABIR_OUT_OF_RANGE,
			    "block 'b': 2 bytes from 9 on, it has 10"));
	CU_ASSERT(ops_answers("BlockService/Read", B " offset=4", "data='cdefgh'"));
	make("b", "block={size_bytes=10000000}");
	CU_ASSERT(ops_call("BlockService/Read", B) == SABIR_TOO_LARGE);
	CU_ASSERT(ops_call("BlockService/Read", B " count=1048576") == SABIR_OK);
}

/* Whoever puts there, or closes one, would break the pipe. */
static void test_the_queues_of_a_pipe_are_nobodys(void)
{
	unsigned n = 0;
	open_both("pipe={}");
	for (uint32_t i = 0; i < ops_seg.n_objects; i++) {
		const struct seg_object *o = &ops_seg.objects[i];
		char request[64];
		if ((o->word & 15) != SEG_OBJECT_LIVE || o->kind != SEG_KIND_QUEUE || !o->part_of)
			continue;
		uint64_t handle = (o->word & 0xffffffff00000000ull) | i;
		n++;
		snprintf(request, sizeof(request), "queue={handle=%" PRIu64 "}", handle);
		CU_ASSERT(ops_call("QueueService/Close", request) == SABIR_NOT_FOUND && strstr(ops_detail, "queue #"));
		CU_ASSERT(ops_call("QueueService/Size", request) == SABIR_NOT_FOUND);
		snprintf(request, sizeof(request), "object={handle=%" PRIu64 "}", handle);
		CU_ASSERT(ops_call("ManagerService/Delete", request) == SABIR_NOT_FOUND);
	}
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT(ops_answers("PipeService/Send", END(0) " item=$42", ""));
	CU_ASSERT(ops_answers("PipeService/Recv", END(1), "item=$42"));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_messages_go_both_ways),
		KIT_TEST(test_who_may_wait_is_told_where),
		KIT_TEST(test_the_end_of_an_end),
		KIT_TEST(test_the_queues_of_a_pipe_are_nobodys),
		KIT_TEST(test_what_a_message_must_be),
		KIT_TEST(test_whose_the_ends_are),
		KIT_TEST(test_pipes_and_blocks_are_described),
		KIT_TEST(test_blocks_are_read_and_written_by_range),
	};
	return kit_run("ops_pipe", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
