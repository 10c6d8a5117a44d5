/* SPDX-License-Identifier: Apache-2.0 */
/* The queue in one process, between processes, and when its users die at each of its steps. */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/fault.h"
#include "server/objects/queue.h"

static struct segment seg;
static struct lane lane;
static struct arena_stats stats_before;

static struct lane new_lane(void)
{
	struct lane made;
	uint32_t owner;
	CU_ASSERT_EQUAL_FATAL(owner_open(&seg, (uint32_t)getpid(), "test", &owner), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(lane_open(&seg, owner, &made), SABIR_OK);
	return made;
}

static int setup(void)
{
	struct segment_options options = {
		.memory_limit = 64 << 20, .n_owners = 64, .n_lanes = 128, .n_objects = 256, .max_item_bytes = 1 << 20
	};
	uint32_t owner;
	if (segment_create(&options, &seg) || owner_open(&seg, 1, "test", &owner) || lane_open(&seg, owner, &lane))
		return -1;
	return object_init_directory(&lane) ? -1 : 0;
}

static int teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

static uint64_t make_queue(uint64_t max_items)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE, .max_items = max_items };
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &spec, false, &handle), SABIR_OK);
	return handle;
}

static enum sabir_error put_number(struct lane *by, uint64_t q, uint64_t number)
{
	struct queue_item item = { .body = { (const uint8_t *)&number, sizeof(number) } };
	return queue_put_one(by, q, &item);
}

static enum sabir_error get_number(struct lane *by, uint64_t q, uint64_t *number)
{
	struct bytes out;
	uint8_t fixed[64];
	bytes_init(&out, fixed, sizeof(fixed));
	enum sabir_error error = queue_get_one(by, q, &out);
	if (!error)
		memcpy(number, bytes_item(&out, 0).data, sizeof(*number));
	bytes_fini(&out);
	return error;
}

static uint64_t size_of(uint64_t q)
{
	struct queue_size size = { .size = 77777 };
	CU_ASSERT_EQUAL(queue_size(&lane, q, &size), SABIR_OK);
	return size.size;
}

static void items_come_out_in_order(void)
{
	uint64_t q = make_queue(0), got = 0;
	for (uint64_t i = 0; i < 20000; i++)
		CU_ASSERT_EQUAL_FATAL(put_number(&lane, q, i), SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q), 20000);
	for (uint64_t i = 0; i < 20000; i++) {
		CU_ASSERT_EQUAL_FATAL(get_number(&lane, q, &got), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(got, i);
	}
	CU_ASSERT_EQUAL(get_number(&lane, q, &got), SABIR_EMPTY);
	CU_ASSERT_EQUAL(object_delete(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(put_number(&lane, q, 1), SABIR_DELETED);
}

static void bound_holds_exactly(void)
{
	uint64_t q = make_queue(3), got;
	for (uint64_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(put_number(&lane, q, i), SABIR_OK);
	CU_ASSERT_EQUAL(put_number(&lane, q, 3), SABIR_FULL);
	for (uint64_t i = 0; i < 1000; i++) {
		CU_ASSERT_EQUAL(get_number(&lane, q, &got), SABIR_OK);
		CU_ASSERT_EQUAL(got, i);
		CU_ASSERT_EQUAL(put_number(&lane, q, i + 3), SABIR_OK);
		CU_ASSERT_EQUAL(put_number(&lane, q, 0), SABIR_FULL);
		CU_ASSERT_EQUAL(size_of(q), 3);
	}
	object_delete(&lane, q);
}

static void put_many_takes_what_fits(void)
{
	uint64_t q = make_queue(5), numbers[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct queue_item items[8];
	struct bytes out = { 0 };
	uint32_t accepted = 0;
	for (int i = 0; i < 8; i++)
		items[i] = (struct queue_item){ .body = { (const uint8_t *)&numbers[i], 8 } };
	CU_ASSERT_EQUAL(queue_put(&lane, q, items, 8, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL(accepted, 5);
	CU_ASSERT_EQUAL(queue_put(&lane, q, items, 8, &accepted), SABIR_FULL);
	CU_ASSERT_EQUAL(queue_get(&lane, q, 3, &out), SABIR_OK);
	CU_ASSERT_EQUAL(out.n_items, 3);
	CU_ASSERT_EQUAL(queue_put(&lane, q, items, 8, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL(accepted, 3);
	CU_ASSERT_EQUAL(queue_get(&lane, q, 100, &out), SABIR_OK);
	uint64_t expected[8] = { 0, 1, 2, 3, 4, 0, 1, 2 };
	CU_ASSERT_EQUAL_FATAL(out.n_items, 8);
	CU_ASSERT_EQUAL(memcmp(out.data, expected, sizeof(expected)), 0);
	bytes_fini(&out);
	object_delete(&lane, q);
}

static void peek_leaves_the_item(void)
{
	uint64_t q = make_queue(0), got;
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(queue_peek(&lane, q, &out), SABIR_EMPTY);
	put_number(&lane, q, 42);
	CU_ASSERT_EQUAL(queue_peek(&lane, q, &out), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(bytes_item(&out, 0).len, 8);
	memcpy(&got, bytes_item(&out, 0).data, 8);
	CU_ASSERT_EQUAL(got, 42);
	CU_ASSERT_EQUAL(size_of(q), 1);
	bytes_fini(&out);
	object_delete(&lane, q);
}

static void closed_queue_drains(void)
{
	uint64_t q = make_queue(0), got;
	put_number(&lane, q, 1);
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(put_number(&lane, q, 2), SABIR_CLOSED);
	CU_ASSERT_EQUAL(get_number(&lane, q, &got), SABIR_OK);
	CU_ASSERT_EQUAL(get_number(&lane, q, &got), SABIR_CLOSED);
	CU_ASSERT_EQUAL(size_of(q), 0);
	object_delete(&lane, q);
	q = make_queue(0);
	CU_ASSERT_EQUAL(queue_close(&lane, q), SABIR_OK);
	CU_ASSERT_EQUAL(get_number(&lane, q, &got), SABIR_CLOSED);
	object_delete(&lane, q);
}

static void clear_empties(void)
{
	uint64_t q = make_queue(1000), removed = 0, got;
	for (uint64_t i = 0; i < 1000; i++)
		put_number(&lane, q, i);
	CU_ASSERT_EQUAL(queue_clear(&lane, q, &removed), SABIR_OK);
	CU_ASSERT_EQUAL(removed, 1000);
	CU_ASSERT_EQUAL(size_of(q), 0);
	CU_ASSERT_EQUAL(put_number(&lane, q, 5), SABIR_OK);
	CU_ASSERT_EQUAL(get_number(&lane, q, &got), SABIR_OK);
	CU_ASSERT_EQUAL(got, 5);
	object_delete(&lane, q);
}

static void sizes_up_to_the_limit(void)
{
	static uint8_t data[1 << 20];
	uint64_t q = make_queue(0);
	uint32_t accepted;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len = len * 3 / 2 + 1) {
		struct queue_item item = { .head = { data, len / 3 }, .body = { data + len / 3, len - len / 3 } };
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL(queue_put(&lane, q, &item, 1, &accepted), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(queue_get(&lane, q, 1, &out), SABIR_OK);
		CU_ASSERT_EQUAL(bytes_item(&out, 0).len, len);
		CU_ASSERT(len == 0 || !memcmp(out.data, data, len));
		bytes_fini(&out);
	}
	struct queue_item big = { .body = { data, sizeof(data) }, .head = { data, 1 } };
	CU_ASSERT_EQUAL(queue_put(&lane, q, &big, 1, &accepted), SABIR_TOO_LARGE);
	object_delete(&lane, q);
}

static void full_memory_is_an_error_and_no_loss(void)
{
	static uint8_t data[60000];
	uint64_t q = make_queue(0), n = 0;
	struct queue_item item = { .body = { data, sizeof(data) } };
	uint32_t accepted;
	enum sabir_error error;
	struct bytes out = { 0 };
	while ((error = queue_put(&lane, q, &item, 1, &accepted)) == SABIR_OK)
		n++;
	CU_ASSERT_EQUAL(error, SABIR_RESOURCE_EXHAUSTED);
	CU_ASSERT(n > 700);
	CU_ASSERT_EQUAL(size_of(q), n);
	for (; n > 0; n--) {
		CU_ASSERT_EQUAL_FATAL(queue_get(&lane, q, 1, &out), SABIR_OK);
		bytes_truncate(&out, 0);
	}
	CU_ASSERT_EQUAL(queue_get(&lane, q, 1, &out), SABIR_EMPTY);
	CU_ASSERT_EQUAL(put_number(&lane, q, 1), SABIR_OK);
	bytes_fini(&out);
	object_delete(&lane, q);
}

/* ---------------------------------------------------------------- several processes */

#define N_PRODUCERS 4
#define N_CONSUMERS 4
#define N_EACH 20000

static void produce(uint64_t q, uint64_t producer)
{
	struct lane mine = new_lane();
	enum sabir_error error = SABIR_OK;
	for (uint64_t i = 0; i < N_EACH && !error; i++)
		while ((error = put_number(&mine, q, producer << 32 | i)) == SABIR_FULL)
			usleep(1);
	lane_close(&mine);
	_exit(error);
}

/* Exit status 1: an item of some producer came out of its order. */
static void consume(uint64_t q, uint8_t *seen)
{
	struct lane mine = new_lane();
	uint64_t last[N_PRODUCERS] = { 0 }, got;
	int bad = 0;
	enum sabir_error error;
	while ((error = get_number(&mine, q, &got)) != SABIR_CLOSED) {
		if (error)
			continue;
		uint64_t producer = got >> 32, i = got & 0xffffffff;
		bad |= producer >= N_PRODUCERS || i >= N_EACH || i + 1 <= last[producer];
		last[producer] = i + 1;
		__atomic_fetch_add(&seen[producer * N_EACH + i], 1, __ATOMIC_SEQ_CST);
	}
	lane_close(&mine);
	_exit(bad);
}

static void all_items_once_between_processes(void)
{
	uint64_t q = make_queue(100);
	pid_t producers[N_PRODUCERS], consumers[N_CONSUMERS];
	int status, bad = 0;
	uint8_t *seen = mmap(NULL, N_PRODUCERS * N_EACH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < N_PRODUCERS; i++)
		if ((producers[i] = fork()) == 0)
			produce(q, (uint64_t)i);
	for (int i = 0; i < N_CONSUMERS; i++)
		if ((consumers[i] = fork()) == 0)
			consume(q, seen);
	for (int i = 0; i < N_PRODUCERS; i++)
		if (waitpid(producers[i], &status, 0) > 0)
			bad |= status;
	queue_close(&lane, q);
	for (int i = 0; i < N_CONSUMERS; i++) {
		waitpid(consumers[i], &status, 0);
		bad |= status;
	}
	CU_ASSERT_EQUAL(bad, 0);
	for (int i = 0; i < N_PRODUCERS * N_EACH; i++)
		bad += seen[i] != 1;
	CU_ASSERT_EQUAL(bad, 0);
	munmap(seen, N_PRODUCERS * N_EACH);
	object_delete(&lane, q);
}

/* ---------------------------------------------------------------- death at every step */

#define N_OLD 10

struct scene {
	const char *name;
	void (*act)(struct lane *by, uint64_t q);
	uint64_t max_items;
};

static void act_put(struct lane *by, uint64_t q)
{
	put_number(by, q, 100);
}

/* The second time a lane goes the short way. */
static void act_put_again(struct lane *by, uint64_t q)
{
	put_number(by, q, 100);
	put_number(by, q, 101);
}

static void act_put_many(struct lane *by, uint64_t q)
{
	uint64_t numbers[4] = { 100, 101, 102, 103 };
	struct queue_item items[4];
	uint32_t accepted;
	for (int i = 0; i < 4; i++)
		items[i] = (struct queue_item){ .body = { (const uint8_t *)&numbers[i], 8 } };
	queue_put(by, q, items, 4, &accepted);
}

static void act_get(struct lane *by, uint64_t q)
{
	uint64_t got;
	get_number(by, q, &got);
}

static void act_get_again(struct lane *by, uint64_t q)
{
	act_get(by, q);
	act_get(by, q);
}

/* The chain of a put of many is taken item by item. */
static void act_get_chained(struct lane *by, uint64_t q)
{
	for (int i = 0; i < N_OLD + 2; i++)
		act_get(by, q);
}

static void act_chain(struct lane *by, uint64_t q)
{
	act_put_many(by, q);
	act_get_chained(by, q);
}

static void act_get_many(struct lane *by, uint64_t q)
{
	struct bytes out = { 0 };
	queue_get(by, q, 4, &out);
	bytes_fini(&out);
}

static void act_clear(struct lane *by, uint64_t q)
{
	uint64_t removed;
	queue_clear(by, q, &removed);
}

static void act_close(struct lane *by, uint64_t q)
{
	queue_close(by, q);
}

static void act_fill_slots(struct lane *by, uint64_t q)
{
	uint64_t got;
	for (uint64_t i = 0; i < 60; i++) {
		put_number(by, q, 200 + i);
		get_number(by, q, &got);
	}
}

static const struct scene scenes[] = {
	{ "put again", act_put_again, 0 },
	{ "put again, bounded", act_put_again, N_OLD + 1 },
	{ "get again", act_get_again, 0 },
	{ "get again, bounded", act_get_again, N_OLD },
	{ "put a chain, get all but its end", act_chain, 0 },
	{ "put", act_put, 0 },
	{ "put, bounded", act_put, N_OLD + 1 },
	{ "put, full", act_put, N_OLD },
	{ "put_many", act_put_many, 0 },
	{ "put_many, cut", act_put_many, N_OLD + 2 },
	{ "get", act_get, 0 },
	{ "get_many", act_get_many, 0 },
	{ "get, bounded", act_get, N_OLD },
	{ "clear", act_clear, 0 },
	{ "close", act_close, 0 },
	{ "fill slots", act_fill_slots, 0 },
};

static char steps[512][48];
static int n_steps;

static void note_step(const char *name, void *context)
{
	(void)context;
	if (n_steps < 512)
		strncpy(steps[n_steps++], name, sizeof(steps[0]) - 1);
}

static uint64_t filled_queue(const struct scene *scene)
{
	uint64_t q = make_queue(scene->max_items);
	for (uint64_t i = 0; i < N_OLD; i++)
		put_number(&lane, q, i);
	return q;
}

/* What is left in the queue must be some number of items of the old ones, then all or none of the new. */
static bool content_is_whole(uint64_t q)
{
	uint64_t got, n = 0, first = 0, last = 0, n_new = 0;
	bool ordered = true;
	struct queue_size size;
	queue_size(&lane, q, &size);
	while (get_number(&lane, q, &got) == SABIR_OK) {
		if (n++ == 0)
			first = got;
		else
			ordered &= got > last;
		last = got;
		n_new += got >= 100 && got < 200;
	}
	bool whole_put = n_new <= 2 || n_new == 4 || (n_new == 3 && first == 101); /* 100 was taken */
	bool whole_get = n == 0 || first <= 2 || first == 4 || first >= 10 || last >= 200;
	return ordered && whole_put && (whole_get || first < N_OLD) && size.size == n;
}

static bool survives_kill(const struct scene *scene, const char *step, unsigned nth)
{
	struct arena_stats before, after;
	int status;
	object_sweep(&lane);
	arena_stats(&seg, &before);
	uint64_t q = filled_queue(scene);
	struct lane victim = new_lane();
	pid_t pid = fork();
	if (pid == 0) {
		fault_kill_at(step, nth);
		scene->act(&victim, q);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	bool ok = owner_recover(&lane, victim.owner) == SABIR_OK;
	ok &= content_is_whole(q);
	ok &= object_delete(&lane, q) == SABIR_OK;
	arena_recover(&lane, lane.shared, lane.id);
	arena_stats(&seg, &after);
	ok &= before.used_bytes == after.used_bytes && before.n_blocks == after.n_blocks;
	if (!ok)
		printf("\n    %s killed at %s #%u: blocks %llu -> %llu", scene->name, step, nth,
		       (unsigned long long)before.n_blocks, (unsigned long long)after.n_blocks);
	return ok;
}

static void death_at_every_step_is_whole(void)
{
	int bad = 0, points = 0;
	arena_recover(&lane, lane.shared, lane.id);
	arena_stats(&seg, &stats_before);
	for (size_t s = 0; s < sizeof(scenes) / sizeof(scenes[0]); s++) {
		uint64_t q = filled_queue(&scenes[s]);
		struct lane probe = new_lane();
		n_steps = 0;
		fault_trace(note_step, NULL);
		scenes[s].act(&probe, q);
		fault_trace(NULL, NULL);
		lane_close(&probe);
		owner_close(&seg, probe.owner);
		object_delete(&lane, q);
		arena_recover(&lane, lane.shared, lane.id);
		for (int i = 0; i < n_steps; i++) {
			unsigned nth = 1;
			for (int k = 0; k < i; k++)
				nth += !strcmp(steps[k], steps[i]);
			bad += !survives_kill(&scenes[s], steps[i], nth);
			points++;
		}
	}
	printf("%d points ", points);
	CU_ASSERT_EQUAL(bad, 0);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("queue", setup, teardown);
	CU_ADD_TEST(suite, items_come_out_in_order);
	CU_ADD_TEST(suite, bound_holds_exactly);
	CU_ADD_TEST(suite, put_many_takes_what_fits);
	CU_ADD_TEST(suite, peek_leaves_the_item);
	CU_ADD_TEST(suite, closed_queue_drains);
	CU_ADD_TEST(suite, clear_empties);
	CU_ADD_TEST(suite, sizes_up_to_the_limit);
	CU_ADD_TEST(suite, full_memory_is_an_error_and_no_loss);
	CU_ADD_TEST(suite, all_items_once_between_processes);
	CU_ADD_TEST(suite, death_at_every_step_is_whole);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed;
}
