/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots while others work: each object is as it was at one moment, and what somebody moves is not lost on its way.
 */
#include <sched.h>

#include "server/snapshot/test_kit.h"

#define ROUNDS 25u
#define N 64u      /* entries that are written in one step */
#define LEAST 200u /* items that are always in the queue, and at most */
#define MOST 1000u
#define N_MOVED 2000u

static struct segment seg, other;
static struct lane lane, loader, first, second;
static char path[64];
static struct folder folder;
static struct shared {
	uint32_t stop;
	uint64_t put, got;
} * shared;

static void open_world(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_segment(64 << 20, &seg), SABIR_OK);
	lane = kit_lane(&seg);
	first = kit_lane(&seg);
	second = kit_lane(&seg);
	lane.actor = (struct actor){ 0 };
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&lane), SABIR_OK);
	kit_folder(path, &folder);
	shared = kit_shared(sizeof(*shared));
}

static void close_world(void)
{
	kit_remove(path, &folder);
	lane_close(&lane);
	segment_unmap(&seg);
	munmap(shared, sizeof(*shared));
}

static uint64_t make_in(struct lane *by, const char *name, struct object_spec spec)
{
	uint64_t handle = 0;
	struct span text = { (const uint8_t *)name, strlen(name) };
	enum sabir_error error = object_create(by, text, &spec, false, &handle);
	if (error == SABIR_ALREADY_EXISTS)
		return handle;
	CU_ASSERT_EQUAL_FATAL(error, SABIR_OK);
	return handle;
}

static uint64_t make(const char *name, struct object_spec spec)
{
	return make_in(&lane, name, spec);
}

static uint64_t find(const char *name)
{
	uint64_t handle = 0;
	struct span text = { (const uint8_t *)name, strlen(name) };
	CU_ASSERT_EQUAL_FATAL(object_open(&loader, text, &handle), SABIR_OK);
	return handle;
}

/* A child that works until it is told to stop. */
static pid_t work(void (*step)(struct lane *by, uint64_t i), struct lane *by)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	for (uint64_t i = 0; !load32_acquire(&shared->stop); i++)
		step(by, i);
	_exit(0);
}

/* Snapshots while the two work; each is restored and looked at. */
static void save_while(void (*one)(struct lane *by, uint64_t i), void (*two)(struct lane *by, uint64_t i),
		       void (*look)(void))
{
	pid_t pids[2] = { work(one, &first), two ? work(two, &second) : -1 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		CU_ASSERT_EQUAL_FATAL(kit_segment(64 << 20, &other), SABIR_OK);
		loader = kit_lane(&other);
		loader.actor = (struct actor){ 0 };
		CU_ASSERT_EQUAL(object_init_directory(&loader), SABIR_OK);
		CU_ASSERT_EQUAL(kit_save(&lane, &folder, round + 1), SABIR_OK);
		CU_ASSERT_EQUAL(kit_load(&loader, kit_open(&folder, round + 1)), SABIR_OK);
		look();
		lane_close(&loader);
		segment_unmap(&other);
	}
	store32_release(&shared->stop, 1);
	CU_ASSERT_TRUE(kit_wait_all(pids, two ? 2 : 1));
}

static struct span number(uint64_t i, uint8_t *to)
{
	return (struct span){ to, value_put_int((int64_t)i, to) };
}

static uint64_t number_in(struct span value)
{
	struct value_view view = { .i = -1 };
	CU_ASSERT_EQUAL(value_view(value, &view), SABIR_OK);
	return (uint64_t)view.i;
}

/* ---------------------------------------------------------------- a queue, never shorter and never longer than its limits */

static uint64_t queue;

static void produce_one(struct lane *by, uint64_t i)
{
	uint8_t value[VALUE_MAX_HEAD];
	struct queue_item item = { .body = number(i, value) };
	while (i >= load64_acquire(&shared->got) + MOST && !load32_acquire(&shared->stop))
		sched_yield();
	if (queue_put_one(by, queue, &item))
		_exit(1);
	store64_release(&shared->put, i + 1);
}

static void consume_one(struct lane *by, uint64_t i)
{
	struct bytes item = { 0 };
	while (load64_acquire(&shared->put) < i + 1 + LEAST)
		if (load32_acquire(&shared->stop))
			return;
		else
			sched_yield();
	if (queue_get_one(by, queue, &item) || item.n_items != 1)
		_exit(2);
	bytes_fini(&item);
	store64_release(&shared->got, i + 1);
}

static void look_at_queue(void)
{
	struct bytes all = { 0 };
	uint64_t q = find("queue");
	while (queue_get(&loader, q, 1000, &all) == SABIR_OK)
		;
	CU_ASSERT(all.n_items >= LEAST && all.n_items <= MOST);
	for (size_t i = 0; i < all.n_items; i++)
		CU_ASSERT_EQUAL(number_in(bytes_item(&all, i)), number_in(bytes_item(&all, 0)) + i);
	bytes_fini(&all);
}

static void test_a_queue_is_as_it_was_at_one_moment(void)
{
	open_world();
	queue = make("queue", (struct object_spec){ .kind = SEG_KIND_QUEUE });
	pid_t pid = work(produce_one, &second);
	while (load64_acquire(&shared->put) < LEAST)
		sched_yield();
	save_while(consume_one, NULL, look_at_queue);
	CU_ASSERT_EQUAL(kit_wait(pid), 0);
	close_world();
}

/* ---------------------------------------------------------------- what is written in one step */

static uint64_t dict, list, array, tasks;

static void write_all(struct lane *by, uint64_t i)
{
	uint8_t value[VALUE_MAX_HEAD], keys[N][VALUE_MAX_HEAD];
	struct dict_entry entries[N];
	struct span values[N];
	struct queue_item items[N];
	struct scalar scalar = { .kind = SCALAR_INT, .i = (int64_t)(i % 100) };
	uint32_t accepted;
	bool duplicate;
	for (uint32_t k = 0; k < N; k++) {
		values[k] = number(i, value);
		entries[k] = (struct dict_entry){ number(k, keys[k]), values[k], 0 };
		items[k] = (struct queue_item){ .body = values[k] };
	}
	enum sabir_error error = dict_update(by, dict, entries, N, NULL);
	if (!error)
		error = list_set_slice(by, list, &LIST_ALL, values, N, NULL);
	if (!error)
		error = array_fill(by, array, 0, 0, &scalar);
	if (!error)
		error = task_queue_put(by, tasks, items, N, &(struct task_put){ 0 }, &accepted, &duplicate);
	uint64_t removed;
	if (!error && i % 4 == 3)
		error = task_queue_clear(by, tasks, &removed);
	if (error)
		_exit(1);
}

static void look_at_all(void)
{
	struct bytes all = { 0 };
	uint64_t cursor = 0, total;
	uint32_t version = 0, type_code;
	CU_ASSERT_EQUAL(dict_page(&loader, find("dict"), DICT_ITEMS, UINT32_MAX, &cursor, &all), SABIR_OK);
	CU_ASSERT(all.n_items == 2 * N || !all.n_items);
	for (size_t i = 1; i < all.n_items; i += 2)
		CU_ASSERT_EQUAL(number_in(bytes_item(&all, i)), number_in(bytes_item(&all, 1)));
	bytes_truncate(&all, 0);
	CU_ASSERT_EQUAL(list_get_slice(&loader, find("list"), &LIST_ALL, 0, N, &version, &total, &all), SABIR_OK);
	CU_ASSERT(all.n_items == N || !all.n_items);
	for (size_t i = 0; i < all.n_items; i++)
		CU_ASSERT_EQUAL(number_in(bytes_item(&all, i)), number_in(bytes_item(&all, 0)));
	bytes_truncate(&all, 0);
	CU_ASSERT_EQUAL(array_get_slice(&loader, find("array"), 0, 0, &all, &type_code), SABIR_OK);
	for (size_t i = 0; i < all.len; i++)
		CU_ASSERT_EQUAL(all.data[i], all.data[0]);
	bytes_truncate(&all, 0);
	while (task_queue_get(&loader, find("tasks"), N, 0, &all, NULL) == SABIR_OK)
		;
	CU_ASSERT_EQUAL(all.n_items % N, 0);
	bytes_fini(&all);
}

static void test_what_is_written_in_one_step_is_there_or_not(void)
{
	open_world();
	dict = make("dict", (struct object_spec){ .kind = SEG_KIND_DICT });
	list = make("list", (struct object_spec){ .kind = SEG_KIND_LIST });
	array = make("array", (struct object_spec){ .kind = SEG_KIND_ARRAY, .type_code = 'b', .length = 3000 });
	tasks = make("tasks", (struct object_spec){ .kind = SEG_KIND_TASK_QUEUE });
	save_while(write_all, NULL, look_at_all);
	close_world();
}

/* ---------------------------------------------------------------- what is moved */

/* Out of the queue into the dict; while it is in nobody's but the child's hands its number stands in `got`. */
static void move_one(struct lane *by, uint64_t i)
{
	struct bytes item = { 0 };
	bool inserted;
	struct task_lease lease;
	(void)i;
	if (task_queue_get(by, tasks, 1, 60 * CLOCK_SECOND, &item, &lease) == SABIR_OK) {
		struct span value = bytes_item(&item, 0);
		if (dict_set(by, dict, value, value, &inserted) || task_queue_ack(by, tasks, lease.token))
			_exit(1);
	}
	bytes_fini(&item);
}

static void look_at_moved(void)
{
	uint8_t seen[N_MOVED] = { 0 };
	struct bytes all = { 0 };
	uint64_t cursor = 0, n = 0;
	while (task_queue_get(&loader, find("tasks"), N, 0, &all, NULL) == SABIR_OK)
		;
	for (size_t i = 0; i < all.n_items; i++)
		seen[number_in(bytes_item(&all, i))] = 1;
	bytes_truncate(&all, 0);
	CU_ASSERT_EQUAL(dict_page(&loader, find("dict"), DICT_ITEMS, UINT32_MAX, &cursor, &all), SABIR_OK);
	for (size_t i = 0; i < all.n_items; i += 2)
		seen[number_in(bytes_item(&all, i))] = 1;
	for (unsigned i = 0; i < N_MOVED; i++)
		n += seen[i];
	CU_ASSERT_EQUAL(n, N_MOVED);
	bytes_fini(&all);
}

static void test_what_is_moved_from_a_queue_to_a_dict_is_in_one_of_them(void)
{
	open_world();
	/* In the other order than that in which they are read. */
	dict = make("dict", (struct object_spec){ .kind = SEG_KIND_DICT });
	tasks = make("tasks", (struct object_spec){ .kind = SEG_KIND_TASK_QUEUE });
	for (uint64_t i = 0; i < N_MOVED; i++) {
		uint8_t value[VALUE_MAX_HEAD];
		struct queue_item item = { .body = number(i, value) };
		uint32_t accepted;
		bool duplicate;
		CU_ASSERT_EQUAL(task_queue_put(&lane, tasks, &item, 1, &(struct task_put){ 0 }, &accepted, &duplicate),
				SABIR_OK);
	}
	save_while(move_one, move_one, look_at_moved);
	close_world();
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(test_a_queue_is_as_it_was_at_one_moment),
		KIT_TEST(test_what_is_written_in_one_step_is_there_or_not),
		KIT_TEST(test_what_is_moved_from_a_queue_to_a_dict_is_in_one_of_them),
	};
	return kit_run("snapshot/use", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
