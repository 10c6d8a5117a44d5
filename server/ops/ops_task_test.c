/* SPDX-License-Identifier: Apache-2.0 */
/* QueueService on task queues: every operation and field, and how it fails; the plain queue's answers to them. */
#include "server/ops/test_kit.h"

#define Q "queue={name='t'}"

static void make_queue(const char *spec)
{
	char request[160];

	(void)ops_call("ManagerService/Delete", "object={name='t'}");
	snprintf(request, sizeof(request), "name='t' queue={%s}", spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
}

static void test_priorities_and_lifo(void)
{
	make_queue("discipline=3");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1 priority=5", ""));
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$2 items=$3 priority=1", "accepted=2"));
	CU_ASSERT(ops_answers("QueueService/Peek", Q, "item=$2"));
	CU_ASSERT(ops_answers("QueueService/GetMany", Q " max_items=9", "items=$2 items=$3 items=$1"));
	make_queue("discipline=2");
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$2 items=$3", "accepted=2"));
	CU_ASSERT(ops_answers("QueueService/Get", Q, "item=$3"));
	CU_ASSERT(ops_fails("QueueService/Put", Q " item=$1 priority=5", SABIR_NOT_ENABLED,
			    "queue 't': it has no priorities"));
	CU_ASSERT(ops_fails("ManagerService/Create", "name='u' queue={discipline=9}", SABIR_INVALID_ARGUMENT,
			    "field 'discipline' is 9, which is none"));
}

static void test_a_plain_queue_knows_no_tasks(void)
{
	make_queue("");
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={} lease_duration={seconds=1}", SABIR_NOT_ENABLED,
			    "queue 't': a lease needs a task queue"));
	CU_ASSERT(ops_fails("QueueService/Put", Q " item=$1 delay={seconds=1}", SABIR_NOT_ENABLED,
			    "queue 't': a delay, a ttl, a priority and a dedup_id need a task queue"));
	CU_ASSERT(ops_fails("QueueService/TaskDone", Q, SABIR_NOT_ENABLED, "queue 't': it is no task queue"));
	CU_ASSERT(ops_fails("QueueService/Pause", Q, SABIR_NOT_ENABLED, "queue 't': it is no task queue"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='d' dict={}") == SABIR_OK);
	CU_ASSERT(ops_fails("QueueService/Ack", "queue={name='d'} lease_token=1", SABIR_WRONG_KIND,
			    "queue 'd': it is a dict"));
	CU_ASSERT(ops_fails("QueueService/Put", "queue={name='d'} item=$1 delay={seconds=1}", SABIR_WRONG_KIND,
			    "queue 'd': it is a dict"));
}

static void test_leases(void)
{
	make_queue("tasks=true");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1", ""));
	CU_ASSERT(ops_call("QueueService/Get", Q " lease_duration={seconds=60}") == SABIR_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(ops_text, "attempts=1"));
	CU_ASSERT(ops_fails("QueueService/Ack", Q " lease_token=77", SABIR_LEASE_LOST, "queue 't'"));
	CU_ASSERT(ops_fails("QueueService/Extend", Q " lease_token=77 lease_duration={}", SABIR_INVALID_ARGUMENT,
			    "field 'lease_duration' is zero"));
	CU_ASSERT(ops_answers("QueueService/Size", Q, "empty=true leased=1"));
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={}", SABIR_EMPTY, "queue 't'"));
}

static void test_joining(void)
{
	make_queue("joinable=true");
	CU_ASSERT(ops_answers("QueueService/Join", Q, ""));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1", ""));
	CU_ASSERT(ops_fails("QueueService/Join", Q " timeout={}", SABIR_WOULD_BLOCK, "queue 't'"));
	CU_ASSERT(ops_answers("QueueService/TaskDone", Q, ""));
	CU_ASSERT(ops_fails("QueueService/TaskDone", Q, SABIR_TASK_DONE_TOO_OFTEN, "queue 't'"));
	make_queue("tasks=true");
	CU_ASSERT(ops_fails("QueueService/Join", Q, SABIR_NOT_ENABLED, "queue 't': it is not joinable"));
}

static void test_ids_pauses_and_delays(void)
{
	make_queue("dedup_window={seconds=60}");
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1 dedup_id='x'", ""));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$1 dedup_id='x'", "duplicate=true"));
	CU_ASSERT(ops_answers("QueueService/Put", Q " item=$2 delay={seconds=60} ttl={seconds=90}", ""));
	CU_ASSERT(ops_answers("QueueService/Pause", Q, ""));
	CU_ASSERT(ops_fails("QueueService/Get", Q " timeout={}", SABIR_EMPTY, "queue 't'"));
	CU_ASSERT(ops_answers("QueueService/Size", Q, "size=1 delayed=1 paused=true"));
	CU_ASSERT(ops_answers("QueueService/Resume", Q, ""));
	CU_ASSERT(ops_answers("QueueService/Get", Q " timeout={}", "item=$1"));
	CU_ASSERT(ops_answers("QueueService/Clear", Q, "removed=1"));
	CU_ASSERT(ops_answers("QueueService/Close", Q, ""));
	CU_ASSERT(ops_fails("QueueService/Get", Q, SABIR_CLOSED, "queue 't'"));
}

static void test_requeue(void)
{
	make_queue("tasks=true");
	CU_ASSERT(ops_call("ManagerService/Create", "name='u' queue={tasks=true max_items=2}") == SABIR_OK);
	CU_ASSERT(ops_answers("QueueService/PutMany", Q " items=$1 items=$2 items=$3", "accepted=3"));
	CU_ASSERT(ops_answers("QueueService/Requeue", Q, ""));
	CU_ASSERT(ops_answers("QueueService/Requeue", Q " to={name='u'}", "moved=2"));
	CU_ASSERT(ops_fails("QueueService/Requeue", Q " to={name='u'}", SABIR_FULL, "queue 't'"));
	CU_ASSERT(ops_fails("QueueService/Requeue", Q " to={name='t'}", SABIR_INVALID_ARGUMENT,
			    "field 'to' is the queue itself"));
	CU_ASSERT(ops_answers("QueueService/GetMany", "queue={name='u'} max_items=9", "items=$1 items=$2"));
}

static void test_the_spec_is_described_and_compared(void)
{
	make_queue("discipline=3 joinable=true max_attempts=4 dead_letter='dl' dedup_window={seconds=5}");
	CU_ASSERT(ops_call("ManagerService/Describe", "object={name='t'}") == SABIR_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(ops_text, "max_attempts=4"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ops_text, "kind=1"));
	CU_ASSERT(ops_call("ManagerService/Open", "object={name='t'} kind=1") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Open", "object={name='t'} kind=16") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(ops_call("ManagerService/Create",
			   "name='t' exist_ok=true queue={discipline=3 joinable=true max_attempts=4 dead_letter='dl' "
			   "dedup_window={seconds=5}}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Create", "name='t' exist_ok=true queue={}") == SABIR_ALREADY_EXISTS);
	CU_ASSERT(ops_call("ManagerService/Create", "name='v' queue={dead_letter='a//b'}") == SABIR_INVALID_NAME);
	CU_ASSERT(ops_fails("ManagerService/Create", "name='v' queue={dead_letter='v'}", SABIR_INVALID_ARGUMENT,
			    "field 'dead_letter' is the queue itself"));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_priorities_and_lifo),
		KIT_TEST(test_a_plain_queue_knows_no_tasks),
		KIT_TEST(test_leases),
		KIT_TEST(test_joining),
		KIT_TEST(test_ids_pauses_and_delays),
		KIT_TEST(test_requeue),
		KIT_TEST(test_the_spec_is_described_and_compared),
	};
	return kit_run("ops_task", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
