/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that wait for a lock: a local program holds it, and the server's lanes don't sleep. In what order they go
 * on, and how else they end.
 */
#include <time.h>

#include "server/base/clock.h"
#include "server/objects/turns.h"
#include "server/ops/park.h"
#include "server/ops/test_kit.h"

#define SET "DictService/Set"
#define UPDATE "DictService/Update"

struct result {
	unsigned n_done;
	enum sabir_error error;
	unsigned order;
	char detail[OP_DETAIL_SIZE];
	uint64_t id;
};

static struct park *park;
static struct lane holder; /* a local program's */
static struct lane server;
static uint64_t dict, queue, *lock;
static unsigned order;

static uint64_t make(const char *name, const char *spec)
{
	char request[64];
	uint64_t handle = 0;
	snprintf(request, sizeof(request), "object={name='%s'}", name);
	(void)ops_call("ManagerService/Delete", request);
	snprintf(request, sizeof(request), "name='%s' %s={}", name, spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
	CU_ASSERT_FATAL(object_open(&ops_lane, (struct span){ (const uint8_t *)name, strlen(name) }, &handle) ==
			SABIR_OK);
	return handle;
}

/* A dict whose lock somebody holds. */
static void begin(void)
{
	holder = kit_lane(&ops_seg);
	server = kit_lane(&ops_seg);
	server.lock_rings = true;
	dict = make("d", "dict");
	queue = make("q", "queue");
	lock = &ops_seg.objects[object_index(dict)].lock;
	CU_ASSERT_FATAL(kit_hold(&holder, lock) == SABIR_OK);
	order = 0;
	park = park_new(&ops_seg, NULL, NULL);
	CU_ASSERT_FATAL(park != NULL);
}

static void finish(void)
{
	CU_ASSERT(park_count(park) == 0);
	park_free(park);
	kit_lane_close(&holder);
	kit_lane_close(&server);
}

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct result *r = context;
	(void)response;
	r->n_done++;
	r->error = error;
	r->order = ++order;
	snprintf(r->detail, sizeof(r->detail), "%s", detail);
}

/* As a serving thread does it: runs the operation, which must have to wait, and parks it. */
static bool wait_for(const char *method, const char *text, struct result *r)
{
	uint8_t encoded[256];
	char detail[OP_DETAIL_SIZE];
	struct bytes response = { 0 };
	struct op_wait wait;
	struct park_entry entry = {
		.op = ops_op(method),
		.request = ops_request(method, text, encoded),
		.wait = &wait,
		.detail = detail,
		.done = done,
		.context = r,
	};

	*r = (struct result){ 0 };
	entry.error = op_run(entry.op, &server, entry.request, &response, &wait, detail);
	bytes_fini(&response);
	entry.deadline_ns = park_deadline(wait.timeout_ns);
	return wait.wanted && park_add(park, &server, &entry, &r->id) == SABIR_OK;
}

static void set_waits_for_the_lock(struct result *r)
{
	CU_ASSERT(wait_for(SET, "dict={name='d'} key=$1 value=$1", r));
	CU_ASSERT(r->n_done == 0);
}

static void release_rings_and_all_go_on_in_order(void)
{
	struct result r[3];

	begin();
	CU_ASSERT(wait_for(SET, "dict={name='d'} key=$'k' value=$1", &r[0]));
	CU_ASSERT(wait_for(UPDATE, "dict={name='d'} entries={key=$'k' value=$2}", &r[1]));
	CU_ASSERT(wait_for("DictService/Increment", "dict={name='d'} key=$'k' delta=$40", &r[2]));
	park_ring(park, &server);
	CU_ASSERT(park_count(park) == 3);
	kit_let_go(&holder, lock);
	park_ring(park, &server);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT(r[i].n_done == 1 && r[i].error == SABIR_OK && r[i].order == i + 1);
	CU_ASSERT(ops_answers("DictService/Get", "dict={name='d'} key=$'k'", "value=$42"));
	finish();
}

/* Another is quicker: the server asks anew. */
static void next_holder_rings_too(void)
{
	struct result r;

	begin();
	set_waits_for_the_lock(&r);
	kit_let_go(&holder, lock);
	CU_ASSERT(kit_hold(&holder, lock) == SABIR_OK);
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 0);
	kit_let_go(&holder, lock);
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	finish();
}

static void release_before_parking_is_not_missed(void)
{
	struct result r;
	struct op_wait wait = { .wanted = true, .side = OP_WAIT_LOCK };
	uint8_t encoded[64];

	begin();
	wait.object = object_index(dict);
	wait.handle = dict;
	struct park_entry entry = { .op = ops_op(SET),
				    .request = ops_request(SET, "dict={name='d'} key=$1 value=$1", encoded),
				    .wait = &wait,
				    .error = SABIR_BUSY,
				    .deadline_ns = OP_FOREVER,
				    .done = done,
				    .context = &r };
	r = (struct result){ 0 };
	kit_let_go(&holder, lock);
	CU_ASSERT(park_add(park, &server, &entry, &r.id) == SABIR_OK);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	finish();
}

static void patience_ends_with_busy_and_names_the_object(void)
{
	struct result r;

	begin();
	set_waits_for_the_lock(&r);
	CU_ASSERT(park_next_deadline(park) <= clock_deadline(60 * CLOCK_SECOND));
	park_expire(park, park_next_deadline(park));
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_BUSY);
	CU_ASSERT_STRING_EQUAL(r.detail, "dict 'd'");
	kit_let_go(&holder, lock);
	CU_ASSERT(ops_answers("DictService/Len", "dict={name='d'}", ""));
	finish();
}

static void cancelled_write_is_not_done(void)
{
	struct result r[2];

	begin();
	set_waits_for_the_lock(&r[0]);
	CU_ASSERT(wait_for(SET, "dict={name='d'} key=$2 value=$2", &r[1]));
	CU_ASSERT(park_cancel(park, r[0].id));
	kit_let_go(&holder, lock);
	park_ring(park, &server);
	CU_ASSERT(r[0].n_done == 0 && r[1].n_done == 1 && r[1].error == SABIR_OK);
	CU_ASSERT(ops_answers("DictService/Len", "dict={name='d'}", "length=1"));
	finish();
}

static void delete_ends_who_waits_for_the_lock(void)
{
	struct result r;

	begin();
	set_waits_for_the_lock(&r);
	CU_ASSERT(ops_answers("ManagerService/Delete", "object={name='d'}", ""));
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_DELETED);
	kit_let_go(&holder, lock);
	finish();
}

static void drain_ends_who_waits_for_the_lock(void)
{
	struct result r;

	begin();
	set_waits_for_the_lock(&r);
	park_drain(park, SABIR_UNAVAILABLE);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_UNAVAILABLE);
	kit_let_go(&holder, lock);
	finish();
}

static void lock_of_the_directory_is_waited_for(void)
{
	struct result r;
	uint64_t *of_names = &ops_seg.objects[0].lock;

	begin();
	kit_let_go(&holder, lock);
	CU_ASSERT(kit_hold(&holder, of_names) == SABIR_OK);
	CU_ASSERT(wait_for("ManagerService/Create", "name='new' dict={}", &r));
	kit_let_go(&holder, of_names);
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	CU_ASSERT(ops_answers("ManagerService/Delete", "object={name='new'}", ""));
	finish();
}

/* ---------------------------------------------------------------- what is waited for changes */

/* As if a getter had died: getters look at the list of returned items, under the lock, which somebody holds. */
static void hold_returned_items(void)
{
	lock = &ops_seg.objects[object_index(queue)].lock;
	CU_ASSERT(kit_hold(&holder, lock) == SABIR_OK);
	struct seg_queue *body = segment_at(&ops_seg, ops_seg.objects[object_index(queue)].body, sizeof(*body));
	store32_seq(&body->n_returned, 1);
}

static void begin_with_returned_items(void)
{
	begin();
	kit_let_go(&holder, lock);
	hold_returned_items();
}

static void who_got_the_lock_waits_for_an_item(void)
{
	struct result r;

	begin_with_returned_items();
	CU_ASSERT(wait_for("QueueService/Get", "queue={name='q'}", &r));
	CU_ASSERT(park_next_deadline(park) != OP_FOREVER);
	kit_let_go(&holder, lock);
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 0 && park_count(park) == 1);
	CU_ASSERT(park_next_deadline(park) == OP_FOREVER);
	CU_ASSERT(ops_answers("QueueService/Put", "queue={name='q'} item=$1", ""));
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	finish();
}

static void own_timeout_counts_from_the_beginning(void)
{
	struct result r;
	uint64_t begun = clock_now();

	begin_with_returned_items();
	CU_ASSERT(wait_for("QueueService/Get", "queue={name='q'} timeout={seconds=60}", &r));
	CU_ASSERT(park_next_deadline(park) < begun + 30 * CLOCK_SECOND);
	kit_let_go(&holder, lock);
	park_ring(park, &server);
	uint64_t ns = park_next_deadline(park);
	CU_ASSERT(ns >= begun + 60 * CLOCK_SECOND && ns <= clock_now() + 60 * CLOCK_SECOND);
	park_expire(park, ns);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_EMPTY);
	CU_ASSERT_STRING_EQUAL(r.detail, "queue 'q'");
	finish();
}

static void who_waits_for_an_item_may_meet_the_lock(void)
{
	struct result r[2];

	begin();
	kit_let_go(&holder, lock);
	CU_ASSERT(wait_for("QueueService/Get", "queue={name='q'} timeout={seconds=1}", &r[0]));
	CU_ASSERT(wait_for("QueueService/Get", "queue={name='q'}", &r[1]));
	uint64_t ns = park_next_deadline(park);
	hold_returned_items();
	CU_ASSERT(ops_answers("QueueService/Put", "queue={name='q'} item=$1", ""));
	park_ring(park, &server);
	CU_ASSERT(r[0].n_done == 0 && r[1].n_done == 0);
	CU_ASSERT(park_next_deadline(park) == ns); /* a lock gives nobody more time than he had */
	kit_let_go(&holder, lock);
	park_ring(park, &server);
	CU_ASSERT(r[0].n_done == 1 && r[0].error == SABIR_OK && r[1].n_done == 0);
	CU_ASSERT(park_cancel(park, r[1].id));
	finish();
}

/* The holder died. */
static void recovery_of_the_holder_rings(void)
{
	struct result r;

	begin();
	struct lane dead = kit_lane(&ops_seg);
	kit_let_go(&holder, lock);
	lane_begin(&dead, SEG_OP_DICT_WRITE, object_index(dict));
	CU_ASSERT(kit_hold(&dead, lock) == SABIR_OK);
	set_waits_for_the_lock(&r);
	CU_ASSERT(owner_recover(&holder, dead.owner) == SABIR_OK);
	park_ring(park, &server);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	finish();
}

/* Dies between the release and the ring. */
static void release_and_die(struct lane *by, void *context)
{
	lane_begin(by, SEG_OP_DICT_WRITE, object_index(dict));
	kit_let_go(by, context);
}

static void ring_that_a_dead_releaser_owes_is_made_good(void)
{
	struct result r;
	static const struct kit_step steps[] = { { "lock.releasing", 1 },
						 { "lock.released", 1 },
						 { "event.ringing", 1 } };

	for (size_t i = 0; i < 3; i++) {
		begin();
		struct lane dead = kit_lane(&ops_seg);
		kit_let_go(&holder, lock);
		lane_begin(&dead, SEG_OP_DICT_WRITE, object_index(dict));
		CU_ASSERT(kit_hold(&dead, lock) == SABIR_OK);
		set_waits_for_the_lock(&r);
		park_ring(park, &server);
		CU_ASSERT(kit_die_at(&steps[i], release_and_die, &dead, lock));
		CU_ASSERT(owner_recover(&holder, dead.owner) == SABIR_OK);
		park_ring(park, &server);
		CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
		finish();
	}
}

/* ConditionService/Wait, once more. */
static enum sabir_error wait_on(enum op_over over, struct op_wait *wait)
{
	uint8_t encoded[64];
	char detail[OP_DETAIL_SIZE];
	struct bytes response = { 0 };
	struct span request = ops_request("ConditionService/Wait", "condition={name='c'}", encoded);
	wait->over = over;
	enum sabir_error error = op_run_front_again(ops_op("ConditionService/Wait"), &server, NULL, request, &response,
						    wait, detail);
	bytes_fini(&response);
	return error;
}

/* The condition was the last thing that it waited for, and the lock's line is where it has its turn. */
static void who_gives_up_a_wait_gives_up_the_lock_too(void)
{
	const struct timespec long_enough = { 0, 3 * TURN_FAIR_NS };
	struct op_wait wait = { 0 };
	begin();
	uint64_t *inside = &ops_seg.objects[object_index(make("c", "condition"))].lock;
	CU_ASSERT(ops_call("ConditionService/GetLock", "condition={name='c'}") == SABIR_OK);
	char lock_of_it[64];
	snprintf(lock_of_it, sizeof(lock_of_it), "lock={handle=%" PRIu64 "}",
		 (uint64_t)strtoull(strstr(ops_text, "handle=") + 7, NULL, 10));
	struct lane own = ops_lane;
	ops_lane = server;
	CU_ASSERT(ops_call("LockService/Acquire", lock_of_it) == SABIR_OK);
	ops_lane = own;
	CU_ASSERT(wait_on(OP_GOES_ON, &wait) == SABIR_WOULD_BLOCK);
	CU_ASSERT(ops_call("LockService/Acquire", lock_of_it) == SABIR_OK);
	CU_ASSERT(ops_call("ConditionService/Notify", "condition={name='c'}") == SABIR_OK);
	CU_ASSERT(wait_on(OP_GOES_ON, &wait) == SABIR_WOULD_BLOCK && wait.side == SEG_EVENT_ITEMS);
	CU_ASSERT(kit_hold(&holder, inside) == SABIR_OK);
	CU_ASSERT(wait_on(OP_GOES_ON, &wait) == SABIR_BUSY);
	kit_let_go(&holder, inside);
	nanosleep(&long_enough, NULL);
	CU_ASSERT(wait_on(OP_ABANDONED, &wait) == SABIR_OK);
	CU_ASSERT(ops_call("LockService/Release", lock_of_it) == SABIR_OK);
	strcat(lock_of_it, " timeout={}");
	CU_ASSERT(ops_call("LockService/Acquire", lock_of_it) == SABIR_OK);
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='c'}") == SABIR_OK);
	kit_let_go(&holder, lock);
	finish();
}

/* As LockService's requests name it. */
static void ask_for_the_lock(char lock_of_it[64])
{
	CU_ASSERT(ops_call("ConditionService/GetLock", "condition={name='c'}") == SABIR_OK);
	snprintf(lock_of_it, 64, "lock={handle=%" PRIu64 "}",
		 (uint64_t)strtoull(strstr(ops_text, "handle=") + 7, NULL, 10));
}

/* One that is notified and has to wait for the lock, which ops_lane has then. */
static void wait_for_the_lock(const char *lock_of_it, struct op_wait *wait)
{
	struct lane own = ops_lane;
	*wait = (struct op_wait){ 0 };
	ops_lane = server;
	CU_ASSERT(ops_call("LockService/Acquire", lock_of_it) == SABIR_OK);
	ops_lane = own;
	CU_ASSERT(wait_on(OP_GOES_ON, wait) == SABIR_WOULD_BLOCK);
	CU_ASSERT(ops_call("LockService/Acquire", lock_of_it) == SABIR_OK);
	CU_ASSERT(ops_call("ConditionService/Notify", "condition={name='c'}") == SABIR_OK);
	CU_ASSERT(wait_on(OP_GOES_ON, wait) == SABIR_WOULD_BLOCK && wait->side == SEG_EVENT_ITEMS);
}

/* Whatever becomes of the one that the condition has by now, and of who waits for it in the same place. */
static void who_waits_for_a_lock_that_was_made_anew_is_told(void)
{
	char old[64], new[64], request[128];
	uint8_t encoded[64];
	struct op_wait wait, its;
	struct result r = { 0 };
	struct park_entry entry = { .op = ops_op("ConditionService/Wait"),
				    .wait = &wait,
				    .error = SABIR_WOULD_BLOCK,
				    .deadline_ns = OP_FOREVER,
				    .done = done,
				    .context = &r };
	begin();
	make("c", "condition");
	ask_for_the_lock(old);
	wait_for_the_lock(old, &wait);
	snprintf(request, sizeof(request), "object=%s", strchr(old, '{'));
	CU_ASSERT(ops_call("ManagerService/Delete", request) == SABIR_OK);
	ask_for_the_lock(new);
	wait_for_the_lock(new, &its);
	wait.memory = its.memory;
	entry.request = ops_request("ConditionService/Wait", "condition={name='c'}", encoded);
	entry.actor = server.actor;
	CU_ASSERT(park_add(park, &server, &entry, &r.id) == SABIR_OK);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_DELETED);
	CU_ASSERT(ops_call("LockService/Release", new) == SABIR_OK);
	CU_ASSERT(wait_on(OP_GOES_ON, &its) == SABIR_OK);
	park_ring(park, &server);
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='c'}") == SABIR_OK);
	park_drain(park, SABIR_UNAVAILABLE);
	kit_let_go(&holder, lock);
	finish();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(who_gives_up_a_wait_gives_up_the_lock_too),
		KIT_TEST(who_waits_for_a_lock_that_was_made_anew_is_told),
		KIT_TEST(release_rings_and_all_go_on_in_order),
		KIT_TEST(next_holder_rings_too),
		KIT_TEST(release_before_parking_is_not_missed),
		KIT_TEST(patience_ends_with_busy_and_names_the_object),
		KIT_TEST(cancelled_write_is_not_done),
		KIT_TEST(delete_ends_who_waits_for_the_lock),
		KIT_TEST(drain_ends_who_waits_for_the_lock),
		KIT_TEST(lock_of_the_directory_is_waited_for),
		KIT_TEST(who_got_the_lock_waits_for_an_item),
		KIT_TEST(own_timeout_counts_from_the_beginning),
		KIT_TEST(who_waits_for_an_item_may_meet_the_lock),
		KIT_TEST(recovery_of_the_holder_rings),
		KIT_TEST(ring_that_a_dead_releaser_owes_is_made_good),
	};

	return kit_run("park, locks", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
