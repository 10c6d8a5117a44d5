/* SPDX-License-Identifier: Apache-2.0 */
/* Events and locks through the operation table, parked and not. */
#include "server/base/clock.h"
#include "server/ops/park.h"
#include "server/ops/test_kit.h"

#define E "event={name='e'}"
#define L "lock={name='l'}"
#define S "semaphore={name='s'}"

static struct park *park;
static struct actor other;

static int setup(void)
{
	if (ops_setup())
		return 1;
	struct lane second = kit_lane(&ops_seg);
	other = second.actor;
	park = park_new(&ops_seg, NULL, NULL);
	return !park;
}

static int teardown(void)
{
	park_free(park);
	return ops_teardown();
}

static void make(const char *request, const char *name)
{
	char ref[64];
	snprintf(ref, sizeof(ref), "object={name='%s'}", name);
	(void)ops_call("ManagerService/Delete", ref);
	CU_ASSERT(ops_call("ManagerService/Create", request) == SABIR_OK);
}

struct result {
	int n_done;
	enum sabir_error error;
	uint64_t id;
};

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct result *r = context;
	(void)response;
	(void)detail;
	r->n_done++;
	r->error = error;
}

/* Runs the operation for an actor, and parks it when it wants to wait: it must. */
static void park_for(const struct actor *actor, const char *method, const char *request, struct result *r)
{
	uint8_t encoded[256];
	struct span span = ops_request(method, request, encoded);
	struct lane *lane = &ops_lane;
	struct actor own = lane->actor;
	*r = (struct result){ 0 };
	lane->actor = *actor;
	enum sabir_error error = op_run(ops_op(method), lane, span, &ops_response, &ops_wait, ops_detail);
	lane->actor = own;
	CU_ASSERT(error == SABIR_WOULD_BLOCK && ops_wait.wanted);
	struct park_entry entry = { .op = ops_op(method),
				    .request = span,
				    .wait = &ops_wait,
				    .actor = *actor,
				    .error = error,
				    .deadline_ns = park_deadline(ops_wait.timeout_ns),
				    .done = done,
				    .context = r };
	CU_ASSERT(park_add(park, lane, &entry, &r->id) == SABIR_OK);
}

static void test_an_event_is_set_and_cleared(void)
{
	make("name='e' event={}", "e");
	CU_ASSERT(ops_answers("EventService/IsSet", E, ""));
	CU_ASSERT(ops_call("EventService/Wait", E " timeout={}") == SABIR_WOULD_BLOCK && !ops_wait.wanted);
	CU_ASSERT(ops_answers("EventService/Set", E, ""));
	CU_ASSERT(ops_answers("EventService/IsSet", E, "set=true"));
	CU_ASSERT(ops_answers("EventService/Wait", E, ""));
	CU_ASSERT(ops_answers("EventService/Clear", E, ""));
	CU_ASSERT(ops_answers("EventService/IsSet", E, ""));
}

static void test_a_set_ends_all_waits_though_it_is_cleared(void)
{
	struct result early[3], late;
	make("name='e' event={}", "e");
	for (int i = 0; i < 3; i++)
		park_for(&other, "EventService/Wait", E, &early[i]);
	CU_ASSERT(ops_call("EventService/Set", E) == SABIR_OK && ops_call("EventService/Clear", E) == SABIR_OK);
	park_for(&other, "EventService/Wait", E, &late);
	park_ring(park, &ops_lane);
	for (int i = 0; i < 3; i++)
		CU_ASSERT(early[i].n_done == 1 && early[i].error == SABIR_OK);
	CU_ASSERT(late.n_done == 0);
	CU_ASSERT(park_cancel(park, late.id));
}

static void test_who_began_to_wait_before_a_set_does_not_stand_behind_who_came_later(void)
{
	uint8_t encoded[64];
	struct result late, early = { 0 };
	struct op_wait wait;
	make("name='e' event={}", "e");
	struct span span = ops_request("EventService/Wait", E, encoded);
	CU_ASSERT(op_run(ops_op("EventService/Wait"), &ops_lane, span, &ops_response, &wait, ops_detail) ==
		  SABIR_WOULD_BLOCK);
	CU_ASSERT(ops_call("EventService/Set", E) == SABIR_OK && ops_call("EventService/Clear", E) == SABIR_OK);
	park_for(&other, "EventService/Wait", E, &late);
	struct park_entry entry = { .op = ops_op("EventService/Wait"),
				    .request = span,
				    .wait = &wait,
				    .error = SABIR_WOULD_BLOCK,
				    .deadline_ns = OP_FOREVER,
				    .done = done,
				    .context = &early };
	CU_ASSERT(park_add(park, &ops_lane, &entry, &early.id) == SABIR_OK);
	CU_ASSERT(early.n_done == 1 && early.error == SABIR_OK && late.n_done == 0);
	CU_ASSERT(park_cancel(park, late.id));
}

static void test_a_lock_tells_who_has_it(void)
{
	make("name='l' lock={}", "l");
	CU_ASSERT(ops_answers("LockService/Status", L, ""));
	CU_ASSERT(ops_answers("LockService/Acquire", L, "token=1 depth=1"));
	CU_ASSERT(ops_call("LockService/Acquire", L " timeout={}") == SABIR_WOULD_BLOCK && !ops_wait.wanted);
	CU_ASSERT(ops_answers("LockService/Status", L, "locked=true held_by_caller=true depth=1 token=1"));
	CU_ASSERT(ops_answers("LockService/Release", L, ""));
	CU_ASSERT(ops_fails("LockService/Release", L, SABIR_NOT_HELD, "lock 'l'"));
	CU_ASSERT(ops_answers("LockService/Acquire", L, "token=2 depth=1"));
	make("name='l' rlock={}", "l");
	CU_ASSERT(ops_answers("LockService/Acquire", L, "token=1 depth=1"));
	CU_ASSERT(ops_answers("LockService/Acquire", L, "token=1 depth=2"));
}

static void test_a_lock_needs_an_owner(void)
{
	struct actor own = ops_lane.actor;
	make("name='l' lock={}", "l");
	ops_lane.actor = (struct actor){ 0 };
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_SESSION_REQUIRED);
	CU_ASSERT(ops_call("LockService/Release", L) == SABIR_SESSION_REQUIRED);
	CU_ASSERT(ops_answers("LockService/Status", L, ""));
	ops_lane.actor = own;
}

static void test_a_strict_lock_is_another_than_one_that_is_not(void)
{
	make("name='l' lock={strict=true}", "l");
	CU_ASSERT(ops_call("ManagerService/Create", "name='l' exist_ok=true lock={strict=true}") == SABIR_OK);
	CU_ASSERT(strstr(ops_text, "lock={strict=true}") != NULL);
	CU_ASSERT(ops_call("ManagerService/Create", "name='l' exist_ok=true lock={}") == SABIR_ALREADY_EXISTS);
	CU_ASSERT(ops_call("ManagerService/Create", "name='l' exist_ok=true rlock={}") == SABIR_WRONG_KIND);
}

static void test_a_release_serves_who_waited_longest(void)
{
	struct result r[3];
	make("name='l' lock={}", "l");
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	for (int i = 0; i < 3; i++)
		park_for(&other, "LockService/Acquire", L, &r[i]);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
		park_ring(park, &ops_lane);
		for (int k = 0; k < 3; k++)
			CU_ASSERT(r[k].n_done == (k <= i) && !r[k].error);
	}
	CU_ASSERT(ops_answers("LockService/Status", L, "locked=true depth=1 token=4"));
}

static void test_a_parked_acquire_ends_by_time_by_cancel_and_by_delete(void)
{
	struct result late, gone, deleted;
	make("name='l' lock={}", "l");
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	park_for(&other, "LockService/Acquire", L " timeout={nanos=1}", &late);
	park_for(&other, "LockService/Acquire", L, &gone);
	park_for(&other, "LockService/Acquire", L, &deleted);
	park_expire(park, clock_now());
	park_ring(park, &ops_lane); /* it leaves its place in the line */
	CU_ASSERT(late.n_done == 1 && late.error == SABIR_WOULD_BLOCK);
	CU_ASSERT(park_cancel(park, gone.id));
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='l'}") == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(gone.n_done == 0 && deleted.n_done == 1 && deleted.error == SABIR_DELETED);
}

static void test_an_owner_that_goes_leaves_its_lock_to_who_waits(void)
{
	struct result r;
	struct lane victim = kit_lane(&ops_seg);
	struct actor own = ops_lane.actor;
	make("name='l' lock={}", "l");
	ops_lane.actor = victim.actor;
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	ops_lane.actor = own;
	park_for(&other, "LockService/Acquire", L, &r);
	CU_ASSERT(owner_recover(&ops_lane, victim.owner) == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	CU_ASSERT(ops_answers("LockService/Status", L, "locked=true depth=1 token=2"));
}

static void test_a_semaphore_counts(void)
{
	make("name='s' semaphore={value=2 bounded=true}", "s");
	CU_ASSERT(strstr(ops_text, "semaphore={value=2 bounded=true owned=true}") != NULL);
	CU_ASSERT(ops_answers("SemaphoreService/Acquire", S, ""));
	CU_ASSERT(ops_answers("SemaphoreService/Status", S, "value=1 held_by_caller=1"));
	CU_ASSERT(ops_call("SemaphoreService/Release", S " count=2") == SABIR_OUT_OF_RANGE);
	CU_ASSERT(ops_answers("SemaphoreService/Release", S, ""));
	CU_ASSERT(ops_call("ManagerService/Create", "name='s' exist_ok=true semaphore={value=2 bounded=true}") ==
		  SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Create", "name='s' exist_ok=true semaphore={value=3 bounded=true}") ==
		  SABIR_ALREADY_EXISTS);
}

static void test_a_release_of_two_serves_two(void)
{
	struct result r[3];
	make("name='s' semaphore={}", "s");
	for (int i = 0; i < 3; i++)
		park_for(&other, "SemaphoreService/Acquire", S, &r[i]);
	CU_ASSERT(ops_call("SemaphoreService/Release", S " count=2") == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].n_done == 1 && r[1].n_done == 1 && r[2].n_done == 0);
	CU_ASSERT(ops_answers("SemaphoreService/Status", S, ""));
	CU_ASSERT(park_cancel(park, r[2].id));
}

/* As in Python, but for queues: what asks to wait for less than nothing does not wait. */
static void test_a_negative_timeout_does_not_wait(void)
{
	make("name='e' event={}", "e");
	CU_ASSERT(ops_call("EventService/Wait", E " timeout={seconds=-1}") == SABIR_WOULD_BLOCK && !ops_wait.wanted);
	CU_ASSERT(ops_call("EventService/Wait", E " timeout={nanos=-1}") == SABIR_WOULD_BLOCK && !ops_wait.wanted);
	CU_ASSERT(ops_call("EventService/Set", E) == SABIR_OK);
	CU_ASSERT(ops_call("EventService/Wait", E " timeout={seconds=-1 nanos=-999999999}") == SABIR_OK);
	CU_ASSERT(ops_fails("EventService/Wait", E " timeout={seconds=-1 nanos=1}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is malformed"));
	CU_ASSERT(ops_fails("EventService/Wait", E " timeout={nanos=-1000000000}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is malformed"));
	CU_ASSERT(ops_fails("EventService/Wait", E " timeout={seconds=-315576000001}", SABIR_INVALID_ARGUMENT,
			    "field 'timeout' is malformed"));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_an_event_is_set_and_cleared),
		KIT_TEST(test_a_set_ends_all_waits_though_it_is_cleared),
		KIT_TEST(test_who_began_to_wait_before_a_set_does_not_stand_behind_who_came_later),
		KIT_TEST(test_a_negative_timeout_does_not_wait),
		KIT_TEST(test_a_lock_tells_who_has_it),
		KIT_TEST(test_a_lock_needs_an_owner),
		KIT_TEST(test_a_strict_lock_is_another_than_one_that_is_not),
		KIT_TEST(test_a_release_serves_who_waited_longest),
		KIT_TEST(test_a_parked_acquire_ends_by_time_by_cancel_and_by_delete),
		KIT_TEST(test_a_semaphore_counts),
		KIT_TEST(test_a_release_of_two_serves_two),
		KIT_TEST(test_an_owner_that_goes_leaves_its_lock_to_who_waits),
	};
	return kit_run("ops_sync", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
