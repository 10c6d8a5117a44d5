/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked operations: who is completed by what, in which order, exactly once; also with threads that put, cancel and
 * ring at the same time.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "server/objects/queue.h"
#include "server/ops/park.h"
#include "server/ops/test_kit.h"

/* What became of a parked operation. */
struct result {
	atomic_uint n_done;
	enum sabir_error error;
	char item[32]; /* the text of the item that a get got */
	unsigned order;
	atomic_bool gone;
	uint64_t id;
};

static struct park *park;
static struct segment *seg = &ops_seg;
static unsigned n_sooner;
static atomic_uint order;
static atomic_uint n_wrong; /* in threads, where CUnit can't count */

static void note_sooner(void *context)
{
	++*(unsigned *)context;
}

static void begin(const char *queue_spec)
{
	char request[128];

	(void)ops_call("ManagerService/Delete", "object={name='q'}");
	snprintf(request, sizeof(request), "name='q' queue={%s}", queue_spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
	n_sooner = 0;
	order = 0;
	n_wrong = 0;
	park = park_new(seg, note_sooner, &n_sooner);
	CU_ASSERT_FATAL(park != NULL);
}

static void finish(void)
{
	CU_ASSERT(park_count(park) == 0 && n_wrong == 0);
	park_free(park);
	park = NULL;
}

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct result *r = context;
	struct span item;

	n_wrong += detail == NULL;
	r->error = error;
	r->order = ++order;
	/* Get's response: field 1 { field 6 { text } } */
	if (!error && response->len > 4) {
		item = bytes_item(response, 0);
		snprintf(r->item, sizeof(r->item), "%.*s", (int)item.len - 4, (const char *)item.data + 4);
	}
	atomic_fetch_add(&r->n_done, 1);
}

static bool is_gone(void *context)
{
	return ((struct result *)context)->gone;
}

/* Runs the operation, which must have to wait, and parks it. */
static enum sabir_error wait_for(struct lane *lane, const char *method, const char *text, uint64_t deadline_ns,
				 struct result *r)
{
	uint8_t encoded[256];
	char detail[OP_DETAIL_SIZE];
	struct bytes response = { 0 };
	struct op_wait wait;
	struct park_entry entry = {
		.op = ops_op(method),
		.request = ops_request(method, text, encoded),
		.wait = &wait,
		.deadline_ns = deadline_ns,
		.done = done,
		.gone = is_gone,
		.context = r,
	};

	entry.error = op_run(entry.op, lane, entry.request, &response, &wait, detail);
	bytes_fini(&response);
	CU_ASSERT(wait.wanted);
	return wait.wanted ? park_add(park, lane, &entry, &r->id) : entry.error;
}

static enum sabir_error wait_get(struct result *r)
{
	return wait_for(&ops_lane, "QueueService/Get", "queue={name='q'}", OP_FOREVER, r);
}

static bool put(const char *text)
{
	char request[64];

	snprintf(request, sizeof(request), "queue={name='q'} item=$'%s' timeout={}", text);
	return ops_call("QueueService/Put", request) == SABIR_OK;
}

static void test_one_put_completes_one_get_in_order(void)
{
	struct result r[3] = { 0 };

	begin("");
	for (int i = 0; i < 3; i++)
		CU_ASSERT(wait_get(&r[i]) == SABIR_OK);
	CU_ASSERT(park_count(park) == 3);
	CU_ASSERT(put("a"));
	CU_ASSERT(r[0].n_done == 0);
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].n_done == 1 && !strcmp(r[0].item, "a") && r[1].n_done == 0 && r[2].n_done == 0);
	CU_ASSERT(put("b") && put("c"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r[1].n_done == 1 && !strcmp(r[1].item, "b") && r[1].order == 2);
	CU_ASSERT(r[2].n_done == 1 && !strcmp(r[2].item, "c") && r[2].order == 3);
	finish();
}

/* The words by which the server would be told that something is there, written over. */
static void test_who_waits_is_looked_after_though_the_bell_is_silent(void)
{
	struct result r = { 0 };
	uint32_t object;

	begin("");
	CU_ASSERT(wait_get(&r) == SABIR_OK);
	for (uint32_t i = 1; i < seg->n_objects; i++)
		seg->objects[i].event[SEG_EVENT_ITEMS].waiting = 0;
	CU_ASSERT(put("a"));
	while (bell_next(seg, &object))
		;
	seg->header->doorbell = 1;
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 0);
	for (unsigned i = 0; i < PARK_LOOKS; i++) {
		park_look_again(park);
		park_ring(park, &ops_lane);
	}
	CU_ASSERT(r.n_done == 1 && !strcmp(r.item, "a"));
	finish();
}

static void test_putters_wait_for_room_apart_from_getters(void)
{
	struct result r[2] = { 0 };

	begin("max_items=1");
	CU_ASSERT(put("a"));
	CU_ASSERT(wait_for(&ops_lane, "QueueService/Put", "queue={name='q'} item=$'b'", OP_FOREVER, &r[0]) == SABIR_OK);
	CU_ASSERT(wait_for(&ops_lane, "QueueService/PutMany", "queue={name='q'} items=$'c'", OP_FOREVER, &r[1]) ==
		  SABIR_OK);
	CU_ASSERT(ops_answers("QueueService/Get", "queue={name='q'}", "item=$'a'"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].n_done == 1 && r[0].error == SABIR_OK && r[1].n_done == 0);
	CU_ASSERT(ops_answers("QueueService/Get", "queue={name='q'}", "item=$'b'"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r[1].n_done == 1 && r[1].error == SABIR_OK);
	finish();
}

/* The item comes between the first run and the parking. */
static void test_nothing_is_missed_before_parking(void)
{
	struct result r = { 0 };
	struct op_wait wait = { .wanted = true, .side = SEG_EVENT_ITEMS, .timeout_ns = OP_FOREVER };
	uint8_t encoded[64];

	begin("");
	CU_ASSERT(object_open(&ops_lane, (struct span){ (const uint8_t *)"q", 1 }, &wait.handle) == SABIR_OK);
	wait.object = object_index(wait.handle);
	CU_ASSERT(put("early"));
	struct park_entry entry = { .op = ops_op("QueueService/Get"),
				    .request = ops_request("QueueService/Get", "queue={name='q'}", encoded),
				    .wait = &wait,
				    .error = SABIR_EMPTY,
				    .deadline_ns = OP_FOREVER,
				    .done = done,
				    .context = &r };
	CU_ASSERT(park_add(park, &ops_lane, &entry, &r.id) == SABIR_OK);
	CU_ASSERT(r.n_done == 1 && !strcmp(r.item, "early") && r.id != 0);
	CU_ASSERT(!park_cancel(park, r.id));
	finish();
}

static void test_cancel_takes_the_operation_out(void)
{
	struct result r[2] = { 0 };

	begin("");
	CU_ASSERT(wait_get(&r[0]) == SABIR_OK && wait_get(&r[1]) == SABIR_OK);
	CU_ASSERT(park_cancel(park, r[0].id));
	CU_ASSERT(!park_cancel(park, r[0].id));
	CU_ASSERT(!park_cancel(park, 0));
	CU_ASSERT(!park_cancel(park, UINT64_MAX));
	CU_ASSERT(put("a"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].n_done == 0 && r[1].n_done == 1);
	finish();
}

static void test_who_has_gone_is_passed_over(void)
{
	struct result r[3] = { 0 };

	begin("");
	for (int i = 0; i < 3; i++)
		CU_ASSERT(wait_get(&r[i]) == SABIR_OK);
	r[0].gone = true;
	r[1].gone = true;
	CU_ASSERT(put("a"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].n_done == 0 && r[1].n_done == 0 && r[2].n_done == 1);
	CU_ASSERT(park_count(park) == 2);
	CU_ASSERT(park_cancel(park, r[1].id));
	park_drain(park, SABIR_UNAVAILABLE);
	CU_ASSERT(r[0].n_done == 1 && r[0].error == SABIR_UNAVAILABLE && r[1].n_done == 0);
	finish();
}

static void test_deadlines_end_in_order_with_the_error_of_the_run(void)
{
	struct result r[3] = { 0 };

	begin("");
	CU_ASSERT(park_next_deadline(park) == OP_FOREVER);
	CU_ASSERT(wait_for(&ops_lane, "QueueService/Get", "queue={name='q'}", 300, &r[0]) == SABIR_OK && n_sooner == 1);
	CU_ASSERT(wait_for(&ops_lane, "QueueService/Get", "queue={name='q'}", 500, &r[1]) == SABIR_OK && n_sooner == 1);
	CU_ASSERT(wait_for(&ops_lane, "QueueService/GetMany", "queue={name='q'} max_items=2", 100, &r[2]) == SABIR_OK &&
		  n_sooner == 2);
	CU_ASSERT(park_next_deadline(park) == 100);
	park_expire(park, 99);
	CU_ASSERT(park_count(park) == 3);
	park_expire(park, 300);
	CU_ASSERT(r[2].order == 1 && r[0].order == 2 && r[1].n_done == 0);
	CU_ASSERT(r[2].error == SABIR_EMPTY && r[0].error == SABIR_EMPTY);
	CU_ASSERT(park_next_deadline(park) == 500);
	CU_ASSERT(park_cancel(park, r[1].id));
	CU_ASSERT(park_next_deadline(park) == OP_FOREVER);
	CU_ASSERT(park_deadline(OP_FOREVER) == OP_FOREVER && park_deadline(0) != 0);
	finish();
}

/* Somebody rings whenever he is looked for. */
static bool rings(void *context)
{
	(void)context;
	bell_ring(seg, ops_wait.object);
	return false;
}

static void test_who_rings_all_the_while_keeps_nobody(void)
{
	struct result r = { 0 };
	uint8_t encoded[64];
	struct park_entry entry = { .op = ops_op("QueueService/Get"),
				    .wait = &ops_wait,
				    .error = SABIR_EMPTY,
				    .deadline_ns = OP_FOREVER,
				    .done = done,
				    .gone = rings,
				    .context = &r };

	begin("");
	CU_ASSERT(ops_call("QueueService/Get", "queue={name='q'}") == SABIR_EMPTY);
	entry.request = ops_request("QueueService/Get", "queue={name='q'}", encoded);
	CU_ASSERT(park_add(park, &ops_lane, &entry, &r.id) == SABIR_OK);
	alarm(20);
	for (int i = 0; i < 3; i++) {
		park_ring(park, &ops_lane);
		CU_ASSERT(load32_relaxed(&seg->header->doorbell)); /* so he is looked for again */
	}
	alarm(0);
	CU_ASSERT(put("a"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 1 && !strcmp(r.item, "a"));
	finish();
}

static void test_close_ends_all_who_wait(void)
{
	struct result r[2] = { 0 };

	begin("");
	CU_ASSERT(wait_get(&r[0]) == SABIR_OK && wait_get(&r[1]) == SABIR_OK);
	CU_ASSERT(put("last"));
	CU_ASSERT(ops_answers("QueueService/Close", "queue={name='q'}", ""));
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].error == SABIR_OK && !strcmp(r[0].item, "last") && r[1].error == SABIR_CLOSED);
	finish();
}

/* The name means another object by now. */
static void test_delete_ends_all_who_wait(void)
{
	struct result r[2] = { 0 };

	begin("");
	CU_ASSERT(wait_get(&r[0]) == SABIR_OK);
	CU_ASSERT(ops_answers("ManagerService/Delete", "object={name='q'}", ""));
	CU_ASSERT(ops_call("ManagerService/Create", "name='q' queue={}") == SABIR_OK);
	CU_ASSERT(wait_get(&r[1]) == SABIR_OK);
	park_ring(park, &ops_lane);
	CU_ASSERT(r[0].n_done == 1 && r[0].error == SABIR_DELETED && r[1].n_done == 0);
	CU_ASSERT(park_cancel(park, r[1].id));
	finish();
}

static void test_drain_ends_everything_and_refuses_more(void)
{
	struct result r[3] = { 0 };

	begin("");
	CU_ASSERT(wait_get(&r[0]) == SABIR_OK && wait_get(&r[1]) == SABIR_OK);
	park_drain(park, SABIR_UNAVAILABLE);
	CU_ASSERT(r[0].error == SABIR_UNAVAILABLE && r[1].error == SABIR_UNAVAILABLE && r[1].n_done == 1);
	CU_ASSERT(wait_get(&r[2]) == SABIR_UNAVAILABLE && r[2].n_done == 0);
	finish();
}

/* Whoever completes one may park the next. */
static void get_again(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct result *r = context;

	done(r, error, response, detail);
	if (!error && r->n_done < 3) {
		struct lane lane = kit_lane(seg);
		uint8_t encoded[64];
		struct op_wait wait = { .wanted = true, .side = SEG_EVENT_ITEMS, .timeout_ns = OP_FOREVER };
		(void)object_open(&lane, (struct span){ (const uint8_t *)"q", 1 }, &wait.handle);
		wait.object = object_index(wait.handle);
		struct park_entry entry = { .op = ops_op("QueueService/Get"),
					    .request = ops_request("QueueService/Get", "queue={name='q'}", encoded),
					    .wait = &wait,
					    .error = SABIR_EMPTY,
					    .deadline_ns = OP_FOREVER,
					    .done = get_again,
					    .context = r };
		CU_ASSERT(park_add(park, &lane, &entry, &r->id) == SABIR_OK);
		kit_lane_close(&lane);
	}
}

static void test_done_may_park_again(void)
{
	struct result r = { 0 };
	struct bytes none = { 0 };

	begin("");
	get_again(&r, SABIR_OK, &none, "");
	CU_ASSERT(put("a") && put("b") && put("c"));
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 3 && !strcmp(r.item, "b"));
	finish();
	CU_ASSERT(ops_answers("QueueService/Get", "queue={name='q'}", "item=$'c'"));
}

static void test_ten_thousand_wait_and_one_is_served(void)
{
	enum { N = 10000 };
	struct result *r = calloc(N, sizeof(*r));
	unsigned n = 0;

	begin("");
	for (int i = 0; i < N; i++)
		CU_ASSERT(wait_for(&ops_lane, "QueueService/Get", "queue={name='q'}", (uint64_t)(i * 7919 % N) + 1,
				   &r[i]) == SABIR_OK);
	CU_ASSERT(put("a"));
	park_ring(park, &ops_lane);
	for (int i = 0; i < N; i++)
		n += r[i].n_done;
	CU_ASSERT(n == 1 && r[0].n_done == 1 && park_count(park) == N - 1);
	park_expire(park, N / 2);
	CU_ASSERT(park_count(park) == N / 2);
	for (int i = 1; i < N; i += 2)
		(void)park_cancel(park, r[i].id);
	park_drain(park, SABIR_UNAVAILABLE);
	finish();
	free(r);
}

/* ---------------------------------------------------------------- races */

enum { N_GETS = 20000 };
static struct result *gets;
static atomic_uint n_parked, n_cancelled, n_put;
static atomic_bool stop;

/* Puts one item for every get, from a thread of its own. */
static void *put_all(void *arg)
{
	struct lane lane = kit_lane(seg);
	uint64_t handle;
	uint32_t accepted;
	struct queue_item item = { .body = { (const uint8_t *)"\x32\x01x", 3 } };

	(void)arg;
	n_wrong += object_open(&lane, (struct span){ (const uint8_t *)"q", 1 }, &handle) != SABIR_OK;
	while (n_put < N_GETS) {
		if (n_put >= n_parked)
			continue;
		n_wrong += queue_put(&lane, handle, &item, 1, &accepted) != SABIR_OK;
		n_put++;
	}
	kit_lane_close(&lane);
	return NULL;
}

/* Cancels what was parked last, and lets others expire. */
static void *cancel_some(void *arg)
{
	unsigned seed = 5;

	(void)arg;
	while (!stop) {
		unsigned n = n_parked, i = n ? n - 1 - (unsigned)rand_r(&seed) % (n < 4 ? n : 4) : 0;
		if (n && park_cancel(park, gets[i].id)) {
			n_wrong += gets[i].n_done != 0;
			n_cancelled++;
			atomic_fetch_add(&gets[i].n_done, 1000);
		}
		park_expire(park, n);
	}
	return NULL;
}

static void *ring(void *arg)
{
	struct lane lane = kit_lane(seg);

	(void)arg;
	while (!stop)
		park_ring(park, &lane);
	park_ring(park, &lane);
	kit_lane_close(&lane);
	return NULL;
}

static void park_get(unsigned i)
{
	uint8_t encoded[64];
	struct op_wait wait = { .wanted = true, .side = SEG_EVENT_ITEMS, .timeout_ns = OP_FOREVER };
	struct park_entry entry = { .op = ops_op("QueueService/Get"),
				    .request = ops_request("QueueService/Get", "queue={name='q'}", encoded),
				    .wait = &wait,
				    .error = SABIR_EMPTY,
				    .deadline_ns = i % 8 ? OP_FOREVER : i + 3,
				    .done = done,
				    .context = &gets[i] };

	CU_ASSERT(object_open(&ops_lane, (struct span){ (const uint8_t *)"q", 1 }, &wait.handle) == SABIR_OK);
	wait.object = object_index(wait.handle);
	CU_ASSERT(park_add(park, &ops_lane, &entry, &gets[i].id) == SABIR_OK);
	n_parked = i + 1;
}

/* Every get ends once; every item is with a get that ended well, or still in the queue. */
static void check_gets(void)
{
	unsigned got = 0, cancelled = 0;
	struct queue_size size;
	uint64_t handle;

	for (unsigned i = 0; i < N_GETS; i++) {
		CU_ASSERT(gets[i].n_done == 1 || gets[i].n_done == 1000);
		got += gets[i].n_done == 1 && gets[i].error == SABIR_OK;
		cancelled += gets[i].n_done == 1000;
	}
	CU_ASSERT(object_open(&ops_lane, (struct span){ (const uint8_t *)"q", 1 }, &handle) == SABIR_OK);
	CU_ASSERT(queue_size(&ops_lane, handle, &size) == SABIR_OK);
	CU_ASSERT(got + size.size == N_GETS);
	CU_ASSERT(cancelled == n_cancelled);
}

static void test_puts_cancels_and_deadlines_race(void)
{
	pthread_t threads[4];

	begin("");
	gets = calloc(N_GETS, sizeof(*gets));
	stop = false;
	n_parked = n_cancelled = n_put = 0;
	pthread_create(&threads[0], NULL, put_all, NULL);
	pthread_create(&threads[1], NULL, cancel_some, NULL);
	pthread_create(&threads[2], NULL, ring, NULL);
	pthread_create(&threads[3], NULL, ring, NULL);
	for (unsigned i = 0; i < N_GETS; i++)
		park_get(i);
	pthread_join(threads[0], NULL);
	stop = true;
	for (int i = 1; i < 4; i++)
		pthread_join(threads[i], NULL);
	park_drain(park, SABIR_UNAVAILABLE);
	check_gets();
	finish();
	free(gets);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_one_put_completes_one_get_in_order),
		KIT_TEST(test_who_waits_is_looked_after_though_the_bell_is_silent),
		KIT_TEST(test_putters_wait_for_room_apart_from_getters),
		KIT_TEST(test_nothing_is_missed_before_parking),
		KIT_TEST(test_cancel_takes_the_operation_out),
		KIT_TEST(test_who_has_gone_is_passed_over),
		KIT_TEST(test_deadlines_end_in_order_with_the_error_of_the_run),
		KIT_TEST(test_who_rings_all_the_while_keeps_nobody),
		KIT_TEST(test_close_ends_all_who_wait),
		KIT_TEST(test_delete_ends_all_who_wait),
		KIT_TEST(test_drain_ends_everything_and_refuses_more),
		KIT_TEST(test_done_may_park_again),
		KIT_TEST(test_ten_thousand_wait_and_one_is_served),
		KIT_TEST(test_puts_cancels_and_deadlines_race),
	};

	return kit_run("park", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
