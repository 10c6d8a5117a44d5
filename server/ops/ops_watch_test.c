/* SPDX-License-Identifier: Apache-2.0 */
/* Watching: every operation that changes something is told; which changes are; what a watcher gets who was too slow. */
#include "server/objects/change.h"
#include "server/ops/park.h"
#include "server/ops/test_kit.h"

#define Q "queue={name='w'}"
#define A "array={name='w'}"
#define D "dict={name='w'}"
#define N "namespace={name='w'}"
#define L "list={name='w'}"
#define P "pipe={name='w'}"
#define TASKS "queue={tasks=true}"

/* An operation that changes something, on an object made so, with up to two steps before it. */
static const struct row {
	const char *method, *spec, *request;
	const char *before[2], *before_request[2];
} rows[] = {
	{ "ManagerService/SetTtl", "dict={}", "object={name='w'} ttl={seconds=100}", { 0 }, { 0 } },
	{ "QueueService/Put", "queue={}", Q " item=$1", { 0 }, { 0 } },
	{ "QueueService/PutMany", "queue={}", Q " items=$1 items=$2", { 0 }, { 0 } },
	{ "QueueService/Get", "queue={}", Q, { "QueueService/Put" }, { Q " item=$1" } },
	{ "QueueService/GetMany", "queue={}", Q " max_items=2", { "QueueService/Put" }, { Q " item=$1" } },
	{ "QueueService/Clear", "queue={}", Q, { "QueueService/Put" }, { Q " item=$1" } },
	{ "QueueService/Close", "queue={}", Q, { 0 }, { 0 } },
	{ "QueueService/TaskDone", "queue={joinable=true}", Q, { "QueueService/Put" }, { Q " item=$1" } },
	{ "QueueService/Pause", TASKS, Q, { 0 }, { 0 } },
	{ "QueueService/Resume", TASKS, Q, { "QueueService/Pause" }, { Q } },
	{ "ValueService/Set", "value={type_code=6}", "value={name='w'} new_value={int_value=1}", { 0 }, { 0 } },
	{ "ValueService/Add", "value={type_code=6}", "value={name='w'} delta={int_value=1}", { 0 }, { 0 } },
	{ "ValueService/CompareExchange",
	  "value={type_code=6}",
	  "value={name='w'} expected={int_value=0} desired={int_value=1}",
	  { 0 },
	  { 0 } },
	{ "ValueService/Exchange", "value={type_code=6}", "value={name='w'} desired={int_value=1}", { 0 }, { 0 } },
	{ "ArrayService/Set", "array={type_code=3 length=9}", A " index=4 value={int_value=1}", { 0 }, { 0 } },
	{ "ArrayService/Add", "array={type_code=3 length=9}", A " index=4 delta={int_value=1}", { 0 }, { 0 } },
	{ "ArrayService/CompareExchange",
	  "array={type_code=3 length=9}",
	  A " index=4 expected={int_value=0} desired={int_value=1}",
	  { 0 },
	  { 0 } },
	{ "ArrayService/SetSlice",
	  "array={type_code=3 length=9}",
	  A " start=2 elements={type_code=3 data='abc'}",
	  { 0 },
	  { 0 } },
	{ "ArrayService/Fill", "array={type_code=3 length=9}", A " value={int_value=1}", { 0 }, { 0 } },
	{ "DictService/Set", "dict={}", D " key=$1 value=$2", { 0 }, { 0 } },
	{ "DictService/Delete", "dict={}", D " key=$1", { "DictService/Set" }, { D " key=$1 value=$2" } },
	{ "DictService/SetDefault", "dict={}", D " key=$1 value=$2", { 0 }, { 0 } },
	{ "DictService/Pop", "dict={}", D " key=$1", { "DictService/Set" }, { D " key=$1 value=$2" } },
	{ "DictService/PopItem", "dict={}", D, { "DictService/Set" }, { D " key=$1 value=$2" } },
	{ "DictService/Update", "dict={}", D " entries={key=$1 value=$2} entries={key=$3 value=$4}", { 0 }, { 0 } },
	{ "DictService/Increment", "dict={}", D " key=$1 delta=$2", { 0 }, { 0 } },
	{ "DictService/CompareExchange", "dict={}", D " key=$1 desired=$2", { 0 }, { 0 } },
	{ "DictService/Clear", "dict={}", D, { "DictService/Set" }, { D " key=$1 value=$2" } },
	{ "DictService/Expire",
	  "dict={}",
	  D " key=$1 ttl={seconds=100}",
	  { "DictService/Set" },
	  { D " key=$1 value=$2" } },
	{ "NamespaceService/Set", "namespace={}", N " name='a' value=$2", { 0 }, { 0 } },
	{ "NamespaceService/Delete",
	  "namespace={}",
	  N " name='a'",
	  { "NamespaceService/Set" },
	  { N " name='a' value=$2" } },
	{ "NamespaceService/Increment",
	  "namespace={}",
	  N " name='a' delta=$2",
	  { "NamespaceService/Set" },
	  { N " name='a' value=$2" } },
	{ "EventService/Set", "event={}", "event={name='w'}", { 0 }, { 0 } },
	{ "EventService/Clear", "event={}", "event={name='w'}", { "EventService/Set" }, { "event={name='w'}" } },
	{ "PipeService/Open", "pipe={}", P " end=1", { 0 }, { 0 } },
	{ "PipeService/Close", "pipe={}", P " end=1", { "PipeService/Open" }, { P " end=1" } },
	{ "PipeService/Send", "pipe={}", P " end=1 item=$1", { "PipeService/Open" }, { P " end=1" } },
	{ "PipeService/SendBytes", "pipe={}", P " end=1 data='x'", { "PipeService/Open" }, { P " end=1" } },
	{ "PipeService/Recv",
	  "pipe={}",
	  P " end=1",
	  { "PipeService/Open", "PipeService/Send" },
	  { P " end=1", P " end=0 item=$1" } },
	{ "PipeService/RecvBytes",
	  "pipe={}",
	  P " end=1",
	  { "PipeService/Open", "PipeService/SendBytes" },
	  { P " end=1", P " end=0 data='x'" } },
	{ "BlockService/Write", "block={size_bytes=64}", "block={name='w'} offset=3 data='abc'", { 0 }, { 0 } },
	{ "ListService/Set", "list={}", L " value=$2", { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/Delete", "list={}", L, { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/SetSlice", "list={}", L " items=$1", { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/DeleteSlice", "list={}", L, { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/Append", "list={}", L " item=$1", { 0 }, { 0 } },
	{ "ListService/Extend", "list={}", L " items=$1", { 0 }, { 0 } },
	{ "ListService/Insert", "list={}", L " item=$1", { 0 }, { 0 } },
	{ "ListService/Pop", "list={}", L, { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/Remove", "list={}", L " value=$1", { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/Reverse", "list={}", L, { "ListService/Extend" }, { L " items=$1 items=$2" } },
	{ "ListService/Sort", "list={}", L, { "ListService/Extend" }, { L " items=$2 items=$1" } },
	{ "ListService/Repeat", "list={}", L " count=2", { "ListService/Append" }, { L " item=$1" } },
	{ "ListService/Clear", "list={}", L, { "ListService/Append" }, { L " item=$1" } },
	{ "SharedListService/Set", "shared_list={items=$1}", "shared_list={name='w'} value=$2", { 0 }, { 0 } },
	{ "LockService/Acquire", "lock={}", "lock={name='w'}", { 0 }, { 0 } },
	{ "LockService/Release", "rlock={}", "lock={name='w'}", { "LockService/Acquire" }, { "lock={name='w'}" } },
	{ "SemaphoreService/Acquire", "semaphore={value=2}", "semaphore={name='w'}", { 0 }, { 0 } },
	{ "SemaphoreService/Release", "semaphore={value=2}", "semaphore={name='w'} count=2", { 0 }, { 0 } },
	{ "BarrierService/Wait", "barrier={parties=1}", "barrier={name='w'}", { 0 }, { 0 } },
	{ "BarrierService/Abort", "barrier={parties=1}", "barrier={name='w'}", { 0 }, { 0 } },
	{ "BarrierService/Reset",
	  "barrier={parties=1}",
	  "barrier={name='w'}",
	  { "BarrierService/Abort" },
	  { "barrier={name='w'}" } },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* What changes no object that is there; and what needs a token or a second object, which has a test of its own below. */
static const char *const others[] = {
	"ManagerService/Create",    "ManagerService/Open",    "ManagerService/Delete",   "ManagerService/List",
	"ManagerService/Describe",  "ManagerService/Release", "QueueService/Peek",       "QueueService/Size",
	"QueueService/Join",        "ValueService/Get",       "ValueService/GetLock",    "ArrayService/Len",
	"ArrayService/Get",         "ArrayService/GetSlice",  "ArrayService/GetLock",    "DictService/Get",
	"DictService/Contains",     "DictService/Ttl",        "DictService/Len",         "DictService/Keys",
	"DictService/Values",       "DictService/Items",      "DictService/Copy",        "DictService/FromKeys",
	"NamespaceService/Get",     "NamespaceService/Dir",   "NamespaceService/List",   "SessionService/Open",
	"SessionService/KeepAlive", "SessionService/Close",   "SessionService/List",     "SessionService/End",
	"EventService/IsSet",       "EventService/Wait",      "PipeService/Poll",        "PipeService/State",
	"BlockService/Size",        "BlockService/Read",      "ListService/Len",         "ListService/Get",
	"ListService/GetSlice",     "ListService/Index",      "ListService/Count",       "ListService/Contains",
	"SharedListService/Len",    "SharedListService/Get",  "SharedListService/Items", "SharedListService/Index",
	"SharedListService/Count",  "LockService/Status",     "SemaphoreService/Status", "WatchService/Next",
	"QueueService/Ack",         "QueueService/Nack",      "QueueService/Extend",     "QueueService/Requeue",
	"ListService/Copy",         "ConditionService/Wait",  "ConditionService/Notify", "ConditionService/GetLock",
	"ConditionService/Status",  "BarrierService/Status",  "SessionService/Cancel",   "AdminService/Snapshot",
};
#define N_OTHERS (sizeof(others) / sizeof(others[0]))

static bool in_table(const char *method)
{
	bool found = false;
	for (size_t i = 0; i < N_ROWS; i++)
		found |= !strcmp(rows[i].method, method);
	for (size_t i = 0; i < N_OTHERS; i++)
		found |= !strcmp(others[i], method);
	return found;
}

static void test_every_operation_is_known_here(void)
{
	for (size_t i = 0; i < op_count(); i++) {
		const char *method = op_path(op_at(i)) + strlen("/sabir.v1.");
		CU_ASSERT(in_table(method));
		if (!in_table(method))
			fprintf(stderr, "\n%s: does it change an object? Then it is to note so, see change.h\n",
				method);
	}
}

static void make(const char *spec)
{
	char request[256];
	(void)ops_call("ManagerService/Delete", "object={name='w'}");
	snprintf(request, sizeof(request), "name='w' %s", spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
}

/* Asks what is behind `after`, with more fields, without waiting. */
static enum sabir_error next(uint64_t after, const char *more)
{
	char request[512];
	snprintf(request, sizeof(request), "object={name='w'} after_sequence=%" PRIu64 " timeout={} %s", after, more);
	return ops_call("WatchService/Next", request);
}

static uint64_t last_sequence(void)
{
	const char *at = strstr(ops_text, "last_sequence=");
	return at ? strtoull(at + strlen("last_sequence="), NULL, 10) : 0;
}

static uint64_t snapshot(void)
{
	CU_ASSERT(next(0, "") == SABIR_OK && !strncmp(ops_text, "snapshot=true ", 14));
	return last_sequence();
}

static bool told(const char *text)
{
	if (!strstr(ops_text, text))
		fprintf(stderr, "\nnot '%s' in: %s\n", text, ops_text);
	return strstr(ops_text, text) != NULL;
}

static bool row_is_told(const struct row *row)
{
	make(row->spec);
	if (!strncmp(row->method, "Pipe", 4))
		CU_ASSERT(ops_call("PipeService/Open", P " end=0") == SABIR_OK);
	for (int i = 0; i < 2 && row->before[i]; i++)
		CU_ASSERT(ops_call(row->before[i], row->before_request[i]) == SABIR_OK);
	uint64_t after = snapshot();
	bool none = next(after, "") == SABIR_WOULD_BLOCK;
	bool done = ops_call(row->method, row->request) == SABIR_OK;
	bool good = none && done && next(after, "") == SABIR_OK && !strncmp(ops_text, "changes={sequence=", 18);
	return good && last_sequence() > after && next(last_sequence(), "") == SABIR_WOULD_BLOCK;
}

static void test_whatever_changes_something_is_told(void)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		bool good = row_is_told(&rows[i]);
		CU_ASSERT(good);
		if (!good)
			fprintf(stderr, "\n%s: %s %s\n", rows[i].method, ops_detail, ops_text);
	}
}

/* Who only polls is not left behind by changes that his filter does not admit. */
static void test_a_look_without_waiting_goes_past_what_is_not_admitted(void)
{
	make("dict={}");
	uint64_t after = snapshot();
	for (unsigned i = 0; i < 4 * SEG_N_CHANGES; i++) {
		CU_ASSERT(ops_call("DictService/Set", "dict={name='w'} key=$'other' value=$1") == SABIR_OK);
		if (i % 50 != 49)
			continue;
		CU_ASSERT(next(after, "keys=$'mine'") == SABIR_OK && !strncmp(ops_text, "last_sequence=", 14));
		CU_ASSERT(last_sequence() > after);
		after = last_sequence();
	}
	CU_ASSERT(ops_call("DictService/Set", "dict={name='w'} key=$'mine' value=$1") == SABIR_OK);
	CU_ASSERT(next(after, "keys=$'mine'") == SABIR_OK && told("changes={sequence="));
	CU_ASSERT(next(last_sequence(), "keys=$'mine'") == SABIR_WOULD_BLOCK);
}

static void test_clearing_a_task_queue_takes_its_items(void)
{
	make("queue={tasks=true}");
	for (int i = 0; i < 3; i++)
		CU_ASSERT(ops_call("QueueService/Put", Q " item=$1") == SABIR_OK);
	uint64_t after = snapshot();
	CU_ASSERT(ops_call("QueueService/Clear", Q) == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_OK && told(" kind=5 count=3}"));
}

static void test_who_waits_for_a_condition_and_is_notified_is_told(void)
{
	struct actor own = ops_lane.actor, other = kit_lane(&ops_seg).actor;
	(void)ops_call("ManagerService/Delete", "object={name='lock'}");
	CU_ASSERT(ops_call("ManagerService/Create", "name='lock' lock={}") == SABIR_OK);
	make("condition={lock={name='lock'}}");
	uint64_t after = snapshot();
	ops_lane.actor = other;
	CU_ASSERT(ops_call("LockService/Acquire", "lock={name='lock'}") == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_WOULD_BLOCK); /* it is not the condition's own */
	CU_ASSERT(ops_call("ConditionService/Wait", "condition={name='w'}") == SABIR_WOULD_BLOCK);
	ops_lane.actor = own;
	CU_ASSERT(next(after, "") == SABIR_OK && told("changes={sequence="));
	after = last_sequence();
	CU_ASSERT(ops_call("LockService/Acquire", "lock={name='lock'}") == SABIR_OK);
	CU_ASSERT(ops_call("ConditionService/Notify", "condition={name='w'}") == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_OK && told("changes={sequence="));
	after = last_sequence();
	CU_ASSERT(ops_call("ConditionService/Notify", "condition={name='w'}") == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_WOULD_BLOCK); /* there was nobody */
}

/* Gets an item on a lease and asks for this with its token; whether both are told. */
static bool lease_is_told(const char *method, const char *more)
{
	char request[128];
	uint64_t after = snapshot();
	CU_ASSERT(ops_call("QueueService/Get", Q " lease_duration={seconds=60}") == SABIR_OK);
	const char *token = strstr(ops_text, "lease_token=");
	CU_ASSERT_FATAL(token != NULL);
	snprintf(request, sizeof(request), Q " lease_token=%llu %s", strtoull(token + strlen("lease_token="), NULL, 10),
		 more);
	bool good = next(after, "") == SABIR_OK && told(" kind=5 ");
	after = last_sequence();
	return good && ops_call(method, request) == SABIR_OK && next(after, "") == SABIR_OK && last_sequence() > after;
}

static void test_the_ends_of_leases_are_told(void)
{
	make(TASKS);
	CU_ASSERT(ops_call("QueueService/PutMany", Q " items=$1 items=$2 items=$3") == SABIR_OK);
	CU_ASSERT(lease_is_told("QueueService/Extend", "lease_duration={seconds=70}"));
	CU_ASSERT(lease_is_told("QueueService/Nack", ""));
	CU_ASSERT(lease_is_told("QueueService/Ack", ""));
}

static void test_a_requeue_and_a_copy_are_told_to_who_watches_the_target(void)
{
	make("queue={tasks=true max_attempts=1}");
	CU_ASSERT(ops_call("QueueService/Put", Q " item=$1") == SABIR_OK);
	CU_ASSERT(lease_is_told("QueueService/Nack", ""));
	uint64_t after = snapshot();
	CU_ASSERT(ops_call("QueueService/Requeue", Q) == SABIR_OK && next(after, "") == SABIR_OK);
	make("list={}");
	after = snapshot();
	(void)ops_call("ManagerService/Delete", "object={name='from'}");
	CU_ASSERT(ops_call("ManagerService/Create", "name='from' list={}") == SABIR_OK);
	CU_ASSERT(ops_call("ListService/Append", "list={name='from'} item=$1") == SABIR_OK);
	CU_ASSERT(ops_call("ListService/Copy", "list={name='from'} to={name='w'}") == SABIR_OK &&
		  next(after, "") == SABIR_OK);
}

/* ---------------------------------------------------------------- what a change says */

static void test_a_change_says_where_it_was(void)
{
	make("array={type_code=3 length=9}");
	uint64_t after = snapshot();
	CU_ASSERT(ops_call("ArrayService/SetSlice", A " start=2 elements={type_code=3 data='abc'}") == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_OK && told(" kind=1 index=2 count=3}"));
	make("dict={}");
	after = snapshot();
	CU_ASSERT(ops_call("DictService/Set", D " key=$'a' value=$1") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Delete", D " key=$'a'") == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_OK && told(" kind=1 key=$'a'}") && told(" kind=2 key=$'a'}"));
	make("pipe={}");
	CU_ASSERT(ops_call("PipeService/Open", P " end=0") == SABIR_OK);
	after = snapshot();
	CU_ASSERT(ops_call("PipeService/Send", P " end=0 item=$1") == SABIR_OK);
	CU_ASSERT(next(after, "") == SABIR_OK && told(" kind=4 index=1 count=1}"));
}

static void test_values_are_those_of_now(void)
{
	make("dict={}");
	uint64_t after = snapshot();
	CU_ASSERT(ops_call("DictService/Set", D " key=$'a' value=$1") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Set", D " key=$'b' value=$5") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Set", D " key=$'a' value=$2") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Delete", D " key=$'b'") == SABIR_OK);
	CU_ASSERT(next(after, "include_values=true") == SABIR_OK);
	CU_ASSERT(told("key=$'a' value=$2}") && told("key=$'b' absent=true}") && !strstr(ops_text, "value=$1}"));
	CU_ASSERT(next(after, "include_values=true max_changes=1") == SABIR_OK && last_sequence() == after + 1);
}

static void test_a_filter_admits_keys_and_prefixes(void)
{
	make("dict={}");
	uint64_t after = snapshot();
	CU_ASSERT(ops_call("DictService/Set", D " key=$'job/1' value=$1") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Set", D " key=$7 value=$1") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Set", D " key=$'x' value=$1") == SABIR_OK);
	CU_ASSERT(next(after, "key_prefix='job/'") == SABIR_OK && told("'job/1'") && !strstr(ops_text, "'x'"));
	CU_ASSERT(last_sequence() == after + 3);
	CU_ASSERT(next(after, "keys=$7 keys=$8") == SABIR_OK && told("key=$7}") && !strstr(ops_text, "'"));
	CU_ASSERT(next(after, "keys=$9") == SABIR_OK && !strstr(ops_text, "changes=") && last_sequence() == after + 3);
	CU_ASSERT(ops_call("DictService/Clear", D) == SABIR_OK);
	CU_ASSERT(next(after, "keys=$9") == SABIR_OK && told(" kind=3}"));
	make("list={}");
	CU_ASSERT(ops_fails("WatchService/Next", "object={name='w'} keys=$1", SABIR_WRONG_KIND,
			    "object 'w': it has no keys"));
}

static void test_a_write_of_many_or_long_keys_is_any_key(void)
{
	char request[2048] = D, entry[64];
	make("dict={}");
	uint64_t after = snapshot();
	for (int i = 0; i < 17; i++) {
		snprintf(entry, sizeof(entry), " entries={key=$%d value=$1}", i);
		strcat(request, entry);
	}
	CU_ASSERT(ops_call("DictService/Update", request) == SABIR_OK);
	CU_ASSERT(next(after, "keys=$99") == SABIR_OK && last_sequence() == after + 1);
	snprintf(request, sizeof(request), D " key=$'%0100d' value=$1", 1);
	CU_ASSERT(ops_call("DictService/Set", request) == SABIR_OK);
	CU_ASSERT(next(after + 1, "keys=$99") == SABIR_OK && told(" kind=1}"));
}

static void test_a_snapshot_has_the_state(void)
{
	make("value={type_code=6}");
	CU_ASSERT(ops_call("ValueService/Set", "value={name='w'} new_value={int_value=42}") == SABIR_OK);
	CU_ASSERT(next(0, "") == SABIR_OK && told("state={kind=2 length=1 value={int_value=42}} last_sequence="));
	make("queue={}");
	CU_ASSERT(ops_call("QueueService/Put", Q " item=$1") == SABIR_OK);
	CU_ASSERT(ops_call("QueueService/Close", Q) == SABIR_OK);
	CU_ASSERT(next(0, "") == SABIR_OK && told("state={kind=1 length=1 closed=true}"));
}

static void test_who_is_too_slow_is_told_what_he_lost(void)
{
	char lost[128];
	make("value={type_code=6}");
	uint64_t after = snapshot();
	for (int i = 0; i < 200; i++)
		CU_ASSERT(ops_call("ValueService/Add", "value={name='w'} delta={int_value=1}") == SABIR_OK);
	snprintf(lost, sizeof(lost), "lost={from_sequence=%" PRIu64 " to_sequence=%" PRIu64 "}", after + 1,
		 after + 200);
	CU_ASSERT(next(after, "") == SABIR_OK && told(lost) && told("snapshot=true") && told("{int_value=200}"));
	CU_ASSERT(last_sequence() == after + 200 && next(after + 200, "") == SABIR_WOULD_BLOCK);
	CU_ASSERT(next(after + 73, "") == SABIR_OK && last_sequence() == after + 200 && !strstr(ops_text, "lost"));
}

/* ---------------------------------------------------------------- waiting */

static unsigned n_done;
static char answers[4][256];

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	char *to = context;
	(void)detail;
	FILE *out = fmemopen(to, sizeof(answers[0]), "w");
	if (error)
		fprintf(out, "%s", error_name(error));
	else
		ops_decode(ops_method("WatchService/Next")->output, bytes_item(response, 0), out);
	fclose(out);
	n_done++;
}

static void park_next(struct park *park, uint64_t after, const char *more, char *answer)
{
	uint8_t encoded[512];
	char request[256];
	uint64_t id;
	snprintf(request, sizeof(request), "object={name='w'} after_sequence=%" PRIu64 " %s", after, more);
	struct span r = ops_request("WatchService/Next", request, encoded);
	CU_ASSERT(ops_run("WatchService/Next", r) == SABIR_WOULD_BLOCK && ops_wait.wanted);
	struct park_entry entry = { .op = ops_op("WatchService/Next"),
				    .request = r,
				    .wait = &ops_wait,
				    .deadline_ns = OP_FOREVER,
				    .error = SABIR_WOULD_BLOCK,
				    .done = done,
				    .context = answer };
	CU_ASSERT(park_add(park, &ops_lane, &entry, &id) == SABIR_OK);
}

static void test_each_of_many_who_wait_gets_what_he_waits_for(void)
{
	struct park *park = park_new(&ops_seg, NULL, NULL);
	CU_ASSERT_FATAL(park != NULL);
	make("dict={}");
	uint64_t after = snapshot();
	n_done = 0;
	park_next(park, after, "keys=$'c'", answers[0]);
	park_next(park, after, "keys=$'a'", answers[1]);
	park_next(park, after, "", answers[2]);
	park_next(park, after, "keys=$'b'", answers[3]);
	CU_ASSERT(ops_call("DictService/Set", D " key=$'b' value=$1") == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(n_done == 2 && strstr(answers[2], "'b'") && strstr(answers[3], "'b'"));
	CU_ASSERT(ops_call("DictService/Set", D " key=$'a' value=$1") == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(n_done == 3 && strstr(answers[1], "'a'") && !strstr(answers[1], "'b'"));
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='w'}") == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(n_done == 4 && !strcmp(answers[0], "DELETED"));
	CU_ASSERT(park_count(park) == 0);
	park_free(park);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_every_operation_is_known_here),
		KIT_TEST(test_whatever_changes_something_is_told),
		KIT_TEST(test_a_look_without_waiting_goes_past_what_is_not_admitted),
		KIT_TEST(test_clearing_a_task_queue_takes_its_items),
		KIT_TEST(test_who_waits_for_a_condition_and_is_notified_is_told),
		KIT_TEST(test_the_ends_of_leases_are_told),
		KIT_TEST(test_a_requeue_and_a_copy_are_told_to_who_watches_the_target),
		KIT_TEST(test_a_change_says_where_it_was),
		KIT_TEST(test_values_are_those_of_now),
		KIT_TEST(test_a_filter_admits_keys_and_prefixes),
		KIT_TEST(test_a_write_of_many_or_long_keys_is_any_key),
		KIT_TEST(test_a_snapshot_has_the_state),
		KIT_TEST(test_who_is_too_slow_is_told_what_he_lost),
		KIT_TEST(test_each_of_many_who_wait_gets_what_he_waits_for),
	};
	return kit_run("ops, watching", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
