/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of objects that somebody is in the middle of using, and what a restore makes of it. */
#include "server/objects/keep.h"

#include "server/objects/barrier.h"
#include "server/objects/mutex.h"
#include "server/objects/queue.h"
#include "server/objects/semaphore.h"
#include "server/objects/task_queue.h"
#include "server/shm/test_kit.h"

#define N 8u
#define MINUTE 60000000000ull

static struct segment seg;
static struct lane a, b, reader;

static int setup(void)
{
	if (kit_segment(32 << 20, &seg))
		return 1;
	a = kit_lane(&seg);
	b = kit_lane(&seg);
	reader = kit_lane(&seg);
	return object_init_directory(&a) != SABIR_OK;
}

static int teardown(void)
{
	kit_lane_close(&a);
	kit_lane_close(&reader);
	segment_unmap(&seg);
	return 0;
}

static uint64_t make(struct object_spec spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&a, (struct span){ NULL, 0 }, &spec, false, &handle), SABIR_OK);
	return handle;
}

static uint64_t make_queue(void)
{
	uint64_t q = make((struct object_spec){ .kind = SEG_KIND_QUEUE });
	for (uint8_t i = 0; i < N; i++) {
		struct queue_item item = { .body = { &i, 1 } };
		CU_ASSERT_EQUAL(queue_put_one(&a, q, &item), SABIR_OK);
	}
	return q;
}

/* The items as digits. */
static const char *digits(const struct kept_queue *kept)
{
	static char text[64];
	size_t n = 0;
	for (size_t i = 0; i < kept->front.n_items; i++)
		text[n++] = (char)('0' + bytes_item(&kept->front, i).data[0]);
	for (size_t i = 0; i < kept->rest.n_items; i++)
		text[n++] = (char)('0' + bytes_item(&kept->rest, i).data[0]);
	text[n] = 0;
	return text;
}

static void expect_kept(uint64_t q, const char *expected, bool closed)
{
	struct kept_queue kept;
	CU_ASSERT_EQUAL_FATAL(keep_queue(&reader, q, &kept), SABIR_OK);
	CU_ASSERT_STRING_EQUAL(digits(&kept), expected);
	CU_ASSERT_EQUAL(kept.closed, closed);
	kept_queue_fini(&kept);
}

static void take(struct lane *by, uint64_t q)
{
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(queue_get_one(by, q, &out), SABIR_OK);
	bytes_fini(&out);
}

static void test_items_on_hold_and_given_back_are_in_their_places(void)
{
	uint64_t q = make_queue(), holder = queue_holder(1, b.owner);
	struct bytes out = { 0 };
	expect_kept(q, "01234567", false);
	CU_ASSERT_EQUAL(queue_hold(&b, q, 3, holder, &out), SABIR_OK);
	take(&a, q);
	CU_ASSERT_EQUAL(queue_hold(&b, q, 1, queue_holder(2, b.owner), &out), SABIR_OK);
	CU_ASSERT_EQUAL(queue_unhold(&b, q, holder), SABIR_OK);
	CU_ASSERT_EQUAL(queue_hold(&b, q, 1, holder, &out), SABIR_OK);
	CU_ASSERT_EQUAL(queue_close(&a, q), SABIR_OK);
	expect_kept(q, "0124567", true);
	bytes_fini(&out);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* ---------------------------------------------------------------- others, at certain steps */

static struct scene {
	uint64_t q;
	uint32_t owner; /* of a getter that has died */
	unsigned times;
} scene;

static void get_meanwhile(const char *name, void *context)
{
	(void)context;
	if (!strcmp(name, "keep_queue.copied") && scene.times) {
		scene.times--;
		fault_trace(NULL, NULL);
		take(&a, scene.q);
		fault_trace(get_meanwhile, NULL);
	}
}

static void test_a_reader_that_is_overtaken_begins_anew(void)
{
	scene = (struct scene){ .q = make_queue(), .times = 3 };
	fault_trace(get_meanwhile, NULL);
	expect_kept(scene.q, "34567", false);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(scene.times, 0);
	CU_ASSERT_EQUAL(object_delete(&a, scene.q), SABIR_OK);
}

static void get_one(struct lane *by, void *context)
{
	take(by, *(uint64_t *)context);
}

static void recover_meanwhile(const char *name, void *context)
{
	(void)context;
	if (!strcmp(name, "keep_queue.cut")) {
		fault_trace(NULL, NULL);
		CU_ASSERT_EQUAL(owner_recover(&a, scene.owner), SABIR_OK);
	}
}

static void test_what_a_dead_getter_gives_back_is_not_missed(void)
{
	const struct kit_step step = { .name = "queue_get.chained", .nth = 1 };
	struct lane victim = kit_lane(&seg);
	scene = (struct scene){ .q = make_queue(), .owner = victim.owner };
	CU_ASSERT_TRUE(kit_die_at(&step, get_one, &victim, &scene.q));
	fault_trace(recover_meanwhile, NULL);
	expect_kept(scene.q, "01234567", false);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(object_delete(&a, scene.q), SABIR_OK);
}

/* ---------------------------------------------------------------- task queues */

static void lease(struct lane *by, uint64_t q, struct task_lease *as)
{
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(task_queue_get(by, q, 1, MINUTE, &out, as), SABIR_OK);
	bytes_fini(&out);
}

static uint64_t restored(const struct object_spec *spec, const struct kept_tasks *kept)
{
	uint64_t q = make(*spec);
	CU_ASSERT_EQUAL(restore_tasks(&a, q, kept), SABIR_OK);
	for (size_t i = 0; i < kept->items.n_items; i++) {
		struct span item = bytes_item(&kept->items, i);
		struct kept_task task;
		memcpy(&task, item.data, sizeof(task));
		item = (struct span){ item.data + sizeof(task), item.len - sizeof(task) };
		CU_ASSERT_EQUAL(restore_task(&a, q, &task, item), SABIR_OK);
	}
	return q;
}

static void test_leased_items_come_back_or_are_given_up(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_TASK_QUEUE,
					  .task = { .joinable = true, .max_attempts = 2 } };
	uint64_t q = make(spec);
	struct task_queue_size size;
	struct task_lease first, again;
	struct kept_tasks kept;
	for (uint8_t i = 0; i < 3; i++) {
		struct queue_item item = { .body = { &i, 1 } };
		uint32_t accepted;
		bool duplicate;
		CU_ASSERT_EQUAL(task_queue_put(&a, q, &item, 1, &(struct task_put){ 0 }, &accepted, &duplicate),
				SABIR_OK);
	}
	lease(&b, q, &first);
	CU_ASSERT_EQUAL(task_queue_nack(&b, q, first.token, 0), SABIR_OK);
	lease(&b, q, &first); /* the first item, for the last time */
	lease(&b, q, &again); /* the second */
	CU_ASSERT_EQUAL_FATAL(keep_tasks(&reader, q, &kept), SABIR_OK);
	CU_ASSERT_EQUAL(kept.unfinished, 3);
	uint64_t made = restored(&spec, &kept);
	CU_ASSERT_EQUAL(task_queue_size(&a, made, &size), SABIR_OK);
	CU_ASSERT(size.ready == 2 && size.dead == 1 && size.leased == 0 && size.unfinished == 2);
	lease(&a, made, &again);
	CU_ASSERT_EQUAL(again.attempts, 2);
	kept_tasks_fini(&kept);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, made), SABIR_OK);
}

/* ---------------------------------------------------------------- what is held */

static void test_holders_count_as_gone(void)
{
	uint64_t lock = make((struct object_spec){ .kind = SEG_KIND_LOCK }), value = 0, place = 0, index;
	uint64_t owned =
		make((struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .length = 3, .flags = SEG_SEMAPHORE_OWNED });
	uint64_t plain = make((struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .length = 3 });
	uint64_t barrier = make((struct object_spec){ .kind = SEG_KIND_BARRIER, .length = 2 });
	struct kept_barrier meeting = { 0 };
	struct kept_lock kept = { 0 };
	struct mutex_hold hold;
	CU_ASSERT_EQUAL(mutex_take(&b, lock, &hold), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&b, owned), SABIR_OK);
	CU_ASSERT_EQUAL(semaphore_take(&b, plain), SABIR_OK);
	CU_ASSERT_EQUAL(barrier_wait(&b, barrier, &place, false, &index), SABIR_WOULD_BLOCK);
	CU_ASSERT_EQUAL(keep_lock(&reader, lock, &kept), SABIR_OK);
	CU_ASSERT(kept.token == hold.token && kept.abandoned == SEG_LOCK_ABANDONED);
	CU_ASSERT_EQUAL(keep_semaphore(&reader, owned, &value), SABIR_OK);
	CU_ASSERT_EQUAL(value, 3);
	CU_ASSERT_EQUAL(keep_semaphore(&reader, plain, &value), SABIR_OK);
	CU_ASSERT_EQUAL(value, 2);
	CU_ASSERT_EQUAL(keep_barrier(&reader, barrier, &meeting), SABIR_OK);
	CU_ASSERT_TRUE(meeting.broken);
	CU_ASSERT_EQUAL(keep_lock(&reader, barrier, &kept), SABIR_WRONG_KIND);
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(test_items_on_hold_and_given_back_are_in_their_places),
		KIT_TEST(test_a_reader_that_is_overtaken_begins_anew),
		KIT_TEST(test_what_a_dead_getter_gives_back_is_not_missed),
		KIT_TEST(test_leased_items_come_back_or_are_given_up),
		KIT_TEST(test_holders_count_as_gone),
	};
	return kit_run("keep", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
