/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A faulty program writes over the locks of objects. They answer DATA_LOSS, and who dies with something of them is recovered all the
 * same, as is whoever dies later.
 */
#include "server/objects/barrier.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/mutex.h"
#include "server/objects/object_test_kit.h"
#include "server/objects/pipe.h"
#include "server/objects/queue.h"
#include "server/objects/semaphore.h"
#include "server/objects/task_queue.h"

#define NOBODYS 0xdeadbeef12345678ull

static struct lane dead;
static const struct span text = { (const uint8_t *)"text", 4 };

static int setup(void)
{
	if (kit_begin(32 << 20))
		return -1;
	lane.lock_rings = true;
	return 0;
}

static void put(uint64_t q)
{
	struct queue_item item = { .body = text };
	uint32_t accepted;
	CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
}

static void put_task(uint64_t q)
{
	struct queue_item item = { .body = text };
	uint32_t accepted;
	bool duplicate;
	CU_ASSERT_EQUAL(task_queue_put(&lane, q, &item, 1, &(struct task_put){ 0 }, &accepted, &duplicate), SABIR_OK);
}

/* ---------------------------------------------------------------- what somebody has of an object when he dies */

static void hold_item(uint64_t q)
{
	struct bytes out = { 0 };
	put(q);
	CU_ASSERT_EQUAL(queue_hold(&dead, q, 1, queue_holder(1, dead.owner), &out), SABIR_OK);
	bytes_fini(&out);
}

static void borrow_item(uint64_t q)
{
	struct span item;
	put(q);
	CU_ASSERT_EQUAL(queue_borrow(&dead, q, queue_borrower(1, dead.owner), &item), SABIR_OK);
}

static void take_item(uint64_t q)
{
	struct bytes out = { 0 };
	put(q);
	CU_ASSERT_EQUAL(queue_get_open(&dead, q, 1, &out, NULL), SABIR_OK);
	bytes_fini(&out);
}

static void take_task(uint64_t q)
{
	struct bytes out = { 0 };
	put_task(q);
	CU_ASSERT_EQUAL(task_queue_take_open(&dead, q, 1, &out, NULL), SABIR_OK);
	bytes_fini(&out);
}

static void lease_task(uint64_t q)
{
	struct task_lease lease;
	struct bytes out = { 0 };
	put_task(q);
	CU_ASSERT_EQUAL(task_queue_get(&dead, q, 1, UINT32_MAX, &out, &lease), SABIR_OK);
	bytes_fini(&out);
}

static void take_lock(uint64_t lock)
{
	struct mutex_hold hold;
	CU_ASSERT_EQUAL(mutex_take(&dead, lock, &hold), SABIR_OK);
}

static void take_unit(uint64_t semaphore)
{
	CU_ASSERT_EQUAL(semaphore_take(&dead, semaphore), SABIR_OK);
}

static void wait_there(uint64_t barrier)
{
	uint64_t place = 0, index;
	CU_ASSERT_EQUAL(barrier_wait(&dead, barrier, &place, false, &index), SABIR_WOULD_BLOCK);
}

static void open_end(uint64_t pipe)
{
	CU_ASSERT_EQUAL(pipe_open(&dead, pipe, 0), SABIR_OK);
}

static void nothing(uint64_t object)
{
	(void)object;
}

static const struct kind_case {
	struct object_spec spec;
	void (*have)(uint64_t object);
} cases[] = {
	{ { .kind = SEG_KIND_QUEUE }, hold_item },
	{ { .kind = SEG_KIND_QUEUE }, borrow_item },
	{ { .kind = SEG_KIND_QUEUE }, take_item },
	{ { .kind = SEG_KIND_TASK_QUEUE }, take_task },
	{ { .kind = SEG_KIND_TASK_QUEUE }, lease_task },
	{ { .kind = SEG_KIND_LOCK }, take_lock },
	{ { .kind = SEG_KIND_RLOCK }, take_lock },
	{ { .kind = SEG_KIND_SEMAPHORE, .length = 3, .flags = SEG_SEMAPHORE_OWNED }, take_unit },
	{ { .kind = SEG_KIND_BARRIER, .length = 3 }, wait_there },
	{ { .kind = SEG_KIND_PIPE }, open_end },
	{ { .kind = SEG_KIND_DICT }, nothing },
	{ { .kind = SEG_KIND_LIST }, nothing },
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void who_dies_is_recovered(void)
{
	for (size_t i = 0; i < N_CASES; i++) {
		uint64_t object = kit_make(&cases[i].spec);
		dead = kit_lane(&seg);
		cases[i].have(object);
		seg.objects[object_index(object)].lock = NOBODYS;
		CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
		CU_ASSERT_EQUAL(seg.owners[dead.owner].word & 15, SEG_OWNER_FREE);
		CU_ASSERT_EQUAL(object_delete(&lane, object), SABIR_OK);
		kit_settle(&lane);
	}
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
}

/* A loan holds the memory of a deleted queue only as long as its borrower lives. */
static void what_is_lent_of_a_deleted_queue_is_given_up(void)
{
	uint64_t q = kit_make(&(struct object_spec){ .kind = SEG_KIND_QUEUE });
	dead = kit_lane(&seg);
	borrow_item(q);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	kit_settle(&lane);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 1);
	seg.objects[object_index(q)].lock = NOBODYS;
	CU_ASSERT_EQUAL(owner_recover(&lane, dead.owner), SABIR_OK);
	kit_settle(&lane);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
}

static void an_open_get_is_given_up(void)
{
	for (int tasks = 0; tasks < 2; tasks++) {
		uint64_t q = kit_make(&(struct object_spec){ .kind = tasks ? SEG_KIND_TASK_QUEUE : SEG_KIND_QUEUE });
		dead = kit_lane(&seg);
		dead.lock_rings = true;
		tasks ? take_task(q) : take_item(q);
		seg.objects[object_index(q)].lock = NOBODYS;
		CU_ASSERT_EQUAL(tasks ? task_queue_take_abandon(&dead) : queue_get_abandon(&dead), SABIR_OK);
		CU_ASSERT_EQUAL(dead.shared->epoch, 0);
		CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
		kit_lane_close(&dead);
		kit_settle(&lane);
	}
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
}

/* The directory is every name's: none can be given any more, but what has one is found by it. */
static void names_are_found_behind_the_directorys_lock(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	const struct span other = { (const uint8_t *)"other", 5 };
	uint64_t named, found = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, text, &spec, false, &named), SABIR_OK);
	seg.objects[0].lock = NOBODYS;
	CU_ASSERT_EQUAL(object_create(&lane, other, &spec, false, &found), SABIR_DATA_LOSS);
	CU_ASSERT(object_open(&lane, text, &found) == SABIR_OK && found == named);
	put(named);
	seg.objects[0].lock = 0;
	CU_ASSERT_EQUAL(object_delete(&lane, named), SABIR_OK);
	kit_settle(&lane);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(who_dies_is_recovered),
		KIT_TEST(what_is_lent_of_a_deleted_queue_is_given_up),
		KIT_TEST(an_open_get_is_given_up),
		KIT_TEST(names_are_found_behind_the_directorys_lock),
	};
	return kit_run("locks, damage", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
