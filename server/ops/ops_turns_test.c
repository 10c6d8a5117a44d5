/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions, barriers and fair locks through the operation table: parked calls that leave their line when they are over. */
#include "server/base/clock.h"
#include "server/objects/turns.h"
#include "server/ops/park.h"
#include "server/ops/test_kit.h"

#define B "barrier={name='b'}"
#define C "condition={name='c'}"
#define L "lock={name='l'}"

static struct park *park;
static struct actor actors[3];

static int setup(void)
{
	if (ops_setup())
		return 1;
	for (int i = 0; i < 3; i++)
		actors[i] = kit_lane(&ops_seg).actor;
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

/* A condition over the lock 'l'. */
static void make_condition(void)
{
	make("name='l' lock={}", "l");
	make("name='c' condition={lock={name='l'}}", "c");
}

struct result {
	int n_done;
	enum sabir_error error;
	bool field_1;
	bool rings; /* the bell is answered while it is told */
	uint64_t id;
};

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct result *r = context;
	struct wire_field f;
	(void)detail;
	r->n_done++;
	r->error = error;
	if (r->rings)
		park_ring(park, &ops_lane);
	if (error)
		return;
	struct span message = bytes_item(response, 0);
	const uint8_t *p = message.data, *end = p + message.len;
	r->field_1 = p < end && wire_next(&p, end, &f) && f.number == 1 && f.bits;
}

static enum sabir_error call_for(int who, const char *method, const char *request)
{
	struct actor own = ops_lane.actor;
	ops_lane.actor = actors[who];
	enum sabir_error error = ops_call(method, request);
	ops_lane.actor = own;
	return error;
}

static void park_for(int who, const char *method, const char *request, struct result *r)
{
	uint8_t encoded[256];
	struct span span = ops_request(method, request, encoded);
	struct actor own = ops_lane.actor;
	*r = (struct result){ 0 };
	ops_lane.actor = actors[who];
	enum sabir_error error = op_run(ops_op(method), &ops_lane, span, &ops_response, &ops_wait, ops_detail);
	ops_lane.actor = own;
	CU_ASSERT(error == SABIR_WOULD_BLOCK && ops_wait.wanted);
	struct park_entry entry = { .op = ops_op(method),
				    .request = span,
				    .wait = &ops_wait,
				    .actor = actors[who],
				    .error = error,
				    .deadline_ns = park_deadline(ops_wait.timeout_ns),
				    .done = done,
				    .context = r };
	CU_ASSERT(park_add(park, &ops_lane, &entry, &r->id) == SABIR_OK);
}

static void wait_for_notify(int who, const char *request, struct result *r)
{
	CU_ASSERT(call_for(who, "LockService/Acquire", L) == SABIR_OK);
	park_for(who, "ConditionService/Wait", request, r);
}

static void let_pass(uint64_t ns)
{
	for (uint64_t end = clock_deadline(ns); clock_left(end);)
		;
}

/* ---------------------------------------------------------------- locks */

static void test_a_lock_is_handed_over_to_who_has_waited_long_wherever_he_stands(void)
{
	struct result first, second;
	make("name='l' lock={}", "l");
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	park_for(0, "LockService/Acquire", L, &first);
	park_for(1, "LockService/Acquire", L, &second);
	let_pass(TURN_FAIR_NS);
	CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
	CU_ASSERT(ops_call("LockService/Acquire", L " timeout={}") == SABIR_WOULD_BLOCK);
	park_ring(park, &ops_lane);
	CU_ASSERT(first.n_done == 1 && !first.error && !second.n_done);
	CU_ASSERT(call_for(0, "LockService/Release", L) == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(second.n_done == 1 && !second.error);
}

static void test_who_is_cancelled_or_late_passes_on_what_he_was_handed(void)
{
	struct result gone, late, next;
	make("name='l' lock={}", "l");
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	park_for(0, "LockService/Acquire", L, &gone);
	park_for(1, "LockService/Acquire", L " timeout={nanos=1}", &late);
	park_for(2, "LockService/Acquire", L, &next);
	let_pass(TURN_FAIR_NS);
	CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK); /* to the one who goes before he hears of it */
	CU_ASSERT(park_cancel(park, gone.id) && !gone.n_done);
	CU_ASSERT(ops_call("LockService/Acquire", L " timeout={}") == SABIR_WOULD_BLOCK);
	park_expire(park, clock_now());
	park_ring(park, &ops_lane);
	CU_ASSERT(late.n_done == 1); /* with it, if it came to him first */
	if (!late.error)
		CU_ASSERT(call_for(1, "LockService/Release", L) == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(next.n_done == 1 && !next.error && !gone.n_done && !park_count(park));
	CU_ASSERT(call_for(2, "LockService/Release", L) == SABIR_OK);
	CU_ASSERT(ops_call("LockService/Acquire", L " timeout={}") == SABIR_OK);
}

static void test_a_drained_park_leaves_nobody_in_line(void)
{
	struct park *own = park, *drained = park_new(&ops_seg, NULL, NULL);
	struct result r;
	make("name='l' lock={}", "l");
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	park = drained;
	park_for(0, "LockService/Acquire", L, &r);
	park = own;
	let_pass(TURN_FAIR_NS);
	park_drain(drained, SABIR_UNAVAILABLE);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_UNAVAILABLE);
	park_ring(drained, &ops_lane);
	CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
	CU_ASSERT(ops_call("LockService/Acquire", L " timeout={}") == SABIR_OK);
	park_free(drained);
}

/* He is told without the park's mutex, and whoever answers the bell just then must not tell him again. */
static void test_who_is_cancelled_in_his_last_chance_is_told_once(void)
{
	struct result late;
	make("name='l' lock={}", "l");
	for (int how = 0; how < 2; how++) {
		CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
		park_for(0, "LockService/Acquire", L " timeout={nanos=1}", &late);
		late.rings = true;
		let_pass(1000);
		park_expire(park, clock_now());
		CU_ASSERT(!late.n_done);
		if (how)
			park_end(park, actors[0].owner, SABIR_CANCELLED);
		else
			CU_ASSERT(park_cancel_thread(park, actors[0].owner, actors[0].thread) == 1);
		CU_ASSERT(late.n_done == 1 && late.error == SABIR_CANCELLED && !park_count(park));
		park_ring(park, &ops_lane);
		CU_ASSERT(late.n_done == 1 && !park_count(park));
		CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
		CU_ASSERT(ops_call("LockService/Acquire", L " timeout={}") == SABIR_OK);
		CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
	}
}

/* ---------------------------------------------------------------- conditions */

static void test_a_condition_shows_its_lock(void)
{
	make_condition();
	CU_ASSERT(ops_call("ManagerService/Describe", "object={name='c'}") == SABIR_OK);
	CU_ASSERT(strstr(ops_text, "condition={lock={handle=") != NULL);
	CU_ASSERT(ops_call("ManagerService/Create", "name='c' exist_ok=true condition={lock={name='l'}}") == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Create", "name='c' exist_ok=true condition={}") == SABIR_ALREADY_EXISTS);
	CU_ASSERT(ops_call("ManagerService/Create", "name='d' condition={lock={name='none'}}") == SABIR_NOT_FOUND);
	CU_ASSERT(ops_call("ManagerService/Create", "name='d' condition={lock={name='c'}}") == SABIR_WRONG_KIND);
	CU_ASSERT(ops_fails("ConditionService/Notify", C, SABIR_NOT_HELD,
			    "condition 'c': the caller does not have its lock"));
	make("name='c' condition={}", "c");
	CU_ASSERT(ops_call("ConditionService/GetLock", C) == SABIR_OK && strstr(ops_text, "lock={handle="));
}

static void test_a_notify_is_for_one_and_he_waits_for_the_lock(void)
{
	struct result a, b;
	make_condition();
	wait_for_notify(0, C, &a);
	wait_for_notify(1, C, &b);
	CU_ASSERT(ops_answers("ConditionService/Status", C, "n_waiting=2"));
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	CU_ASSERT(ops_answers("ConditionService/Notify", C, "notified=1"));
	park_ring(park, &ops_lane);
	CU_ASSERT(!a.n_done && !b.n_done);
	CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(a.n_done == 1 && !a.error && a.field_1 && !b.n_done);
	CU_ASSERT(call_for(0, "ConditionService/Notify", C " all=true") == SABIR_OK);
	CU_ASSERT(call_for(0, "LockService/Release", L) == SABIR_OK);
	park_ring(park, &ops_lane);
	park_ring(park, &ops_lane);
	CU_ASSERT(b.n_done == 1 && !b.error && b.field_1);
}

static void test_a_wait_whose_time_has_passed_still_waits_for_the_lock(void)
{
	struct result r;
	make_condition();
	wait_for_notify(0, C " timeout={nanos=1}", &r);
	CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
	park_expire(park, clock_now());
	park_ring(park, &ops_lane);
	CU_ASSERT(!r.n_done && ops_answers("ConditionService/Status", C, ""));
	CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 1 && !r.error && !r.field_1);
	CU_ASSERT(call_for(0, "LockService/Release", L) == SABIR_OK);
	CU_ASSERT(call_for(0, "LockService/Acquire", L) == SABIR_OK);
	CU_ASSERT(call_for(0, "ConditionService/Wait", C " timeout={}") == SABIR_OK && !strstr(ops_text, "notified"));
	CU_ASSERT(call_for(0, "LockService/Release", L) == SABIR_OK);
}

static void test_a_cancelled_wait_passes_its_notification_on(void)
{
	struct result gone, next;
	make_condition();
	for (int locking = 0; locking < 2; locking++) {
		wait_for_notify(0, C, &gone);
		wait_for_notify(1, C, &next);
		CU_ASSERT(ops_call("LockService/Acquire", L) == SABIR_OK);
		CU_ASSERT(ops_call("ConditionService/Notify", C) == SABIR_OK);
		if (locking)
			park_ring(park, &ops_lane);
		CU_ASSERT(park_cancel(park, gone.id));
		park_ring(park, &ops_lane);
		CU_ASSERT(ops_call("LockService/Release", L) == SABIR_OK);
		park_ring(park, &ops_lane);
		park_ring(park, &ops_lane);
		CU_ASSERT(!gone.n_done && next.n_done == 1 && !next.error && next.field_1);
		CU_ASSERT(call_for(1, "LockService/Release", L) == SABIR_OK);
		CU_ASSERT(ops_answers("ConditionService/Status", C, ""));
	}
}

static void test_the_end_of_the_condition_or_its_lock_ends_the_wait(void)
{
	struct result r;
	for (int i = 0; i < 2; i++) {
		make_condition();
		wait_for_notify(0, C, &r);
		CU_ASSERT(ops_call("ManagerService/Delete", i ? "object={name='l'}" : "object={name='c'}") == SABIR_OK);
		object_sweep(&ops_lane);
		park_ring(park, &ops_lane);
		CU_ASSERT(r.n_done == 1 && r.error == SABIR_DELETED);
	}
}

/* ---------------------------------------------------------------- barriers */

static void test_a_barrier_lets_all_go_on(void)
{
	struct result a, b;
	make("name='b' barrier={parties=3}", "b");
	CU_ASSERT(strstr(ops_text, "barrier={parties=3}") != NULL);
	park_for(0, "BarrierService/Wait", B, &a);
	park_for(1, "BarrierService/Wait", B, &b);
	CU_ASSERT(ops_answers("BarrierService/Status", B, "parties=3 n_waiting=2"));
	CU_ASSERT(ops_answers("BarrierService/Wait", B, "index=2"));
	park_ring(park, &ops_lane);
	CU_ASSERT(a.n_done == 1 && !a.error && !a.field_1 && b.n_done == 1 && !b.error && b.field_1);
	CU_ASSERT(ops_answers("BarrierService/Status", B, "parties=3 cycles=1"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='b' exist_ok=true barrier={parties=2}") ==
		  SABIR_ALREADY_EXISTS);
	CU_ASSERT(ops_call("ManagerService/Create", "name='none' barrier={}") == SABIR_OUT_OF_RANGE);
}

static void test_a_barrier_breaks_by_time_by_cancel_and_by_abort(void)
{
	struct result goes, other;
	make("name='b' barrier={parties=3}", "b");
	for (int how = 0; how < 3; how++) {
		park_for(0, "BarrierService/Wait", how ? B : B " timeout={nanos=1}", &goes);
		park_for(1, "BarrierService/Wait", B, &other);
		if (how == 0)
			park_expire(park, clock_now());
		if (how == 1)
			CU_ASSERT(park_cancel(park, goes.id));
		if (how == 2)
			CU_ASSERT(ops_call("BarrierService/Abort", B) == SABIR_OK);
		park_ring(park, &ops_lane);
		park_ring(park, &ops_lane);
		CU_ASSERT(other.n_done == 1 && other.error == SABIR_BROKEN_BARRIER);
		CU_ASSERT(goes.n_done == (how != 1) && (how == 1 || goes.error == SABIR_BROKEN_BARRIER));
		CU_ASSERT(ops_call("BarrierService/Wait", B) == SABIR_BROKEN_BARRIER);
		CU_ASSERT(ops_call("BarrierService/Reset", B) == SABIR_OK);
	}
	CU_ASSERT(ops_call("BarrierService/Wait", B " timeout={}") == SABIR_BROKEN_BARRIER);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_a_lock_is_handed_over_to_who_has_waited_long_wherever_he_stands),
		KIT_TEST(test_who_is_cancelled_or_late_passes_on_what_he_was_handed),
		KIT_TEST(test_a_drained_park_leaves_nobody_in_line),
		KIT_TEST(test_who_is_cancelled_in_his_last_chance_is_told_once),
		KIT_TEST(test_a_condition_shows_its_lock),
		KIT_TEST(test_a_notify_is_for_one_and_he_waits_for_the_lock),
		KIT_TEST(test_a_wait_whose_time_has_passed_still_waits_for_the_lock),
		KIT_TEST(test_a_cancelled_wait_passes_its_notification_on),
		KIT_TEST(test_the_end_of_the_condition_or_its_lock_ends_the_wait),
		KIT_TEST(test_a_barrier_lets_all_go_on),
		KIT_TEST(test_a_barrier_breaks_by_time_by_cancel_and_by_abort),
	};
	return kit_run("ops_turns", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
