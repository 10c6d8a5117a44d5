/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is in a memory is in the one that is restored from its snapshot: random contents of every kind, compared by all
 * that programs can read, after the death of all who held something.
 */
#include "server/snapshot/test_kit.h"

#define MS 1000000ull
#define ROUNDS 40u

static struct segment seg, other;
static struct lane a, holder, saver, loader;
static char path[64];
static struct folder folder;
static unsigned seed;
static struct actor actor; /* the loader's own, when it is a program like others */

static void open_world(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_segment(64 << 20, &seg), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(kit_segment(64 << 20, &other), SABIR_OK);
	a = kit_lane(&seg);
	holder = kit_lane(&seg);
	saver = kit_lane(&seg);
	saver.actor = (struct actor){ 0 };
	loader = kit_lane(&other);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&a), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(object_init_directory(&loader), SABIR_OK);
	actor = loader.actor;
	loader.actor = (struct actor){ 0 };
	kit_folder(path, &folder);
}

static void close_world(void)
{
	kit_remove(path, &folder);
	kit_lane_close(&loader);
	kit_lane_close(&saver);
	kit_lane_close(&a);
	segment_unmap(&seg);
	segment_unmap(&other);
}

static unsigned any(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

/* ---------------------------------------------------------------- Values */

static uint64_t known[64]; /* objects that a Value may refer to */
static unsigned n_known;

static size_t put_ref(uint8_t *to)
{
	uint64_t handle = n_known && any(5) ? known[any(n_known)] : (uint64_t)any(1000) << 32 | (1 + any(200));
	size_t len = 1 + wire_varint_size(handle);
	*to = WIRE_TAG(VALUE_OBJECT, WIRE_LEN);
	uint8_t *at = wire_put_varint(to + 1, len);
	*at = WIRE_TAG(2, WIRE_VARINT);
	return (size_t)(wire_put_varint(at + 1, handle) - to);
}

static size_t put_any(uint8_t *to, unsigned depth)
{
	uint8_t inner[2048], *at = inner;
	unsigned n = any(4);
	switch (any(depth < 3 ? 8 : 6)) {
	case 0:
		return value_put_null(to);
	case 1:
		return value_put_int((int64_t)any(1u << 30) - (1 << 29), to);
	case 2:
		return value_put_real((double)any(1000) / 7, to);
	case 3:
		return put_ref(to);
	case 4:
	case 5: {
		size_t len = any(60), head = value_head_bytes(VALUE_BINARY, len, to);
		for (size_t i = 0; i < len; i++)
			to[head + i] = (uint8_t)any(256);
		return head + len;
	}
	}
	for (unsigned i = 0; i < n; i++) {
		uint8_t item[640];
		size_t len = put_any(item, depth + 1);
		at = wire_put_bytes(at, 1, item, len);
	}
	size_t head = value_head_bytes(VALUE_LIST, (size_t)(at - inner), to);
	memcpy(to + head, inner, (size_t)(at - inner));
	return head + (size_t)(at - inner);
}

struct value {
	uint8_t data[2100];
	struct span span;
};

static struct span any_value(struct value *v)
{
	v->span = (struct span){ v->data, put_any(v->data, 0) };
	CU_ASSERT_EQUAL(value_check(v->span), SABIR_OK);
	return v->span;
}

static struct span int_value(struct value *v, int64_t number)
{
	return v->span = (struct span){ v->data, value_put_int(number, v->data) };
}

/* ---------------------------------------------------------------- objects */

static uint64_t make(const char *name, struct object_spec spec)
{
	static unsigned n;
	char full[64] = "";
	uint64_t handle = 0;
	if (*name)
		snprintf(full, sizeof(full), "%s/%u", name, n++);
	struct span text = { (const uint8_t *)full, strlen(full) };
	CU_ASSERT_EQUAL_FATAL(object_create(&a, text, &spec, false, &handle), SABIR_OK);
	if (n_known < 64)
		known[n_known++] = handle;
	return handle;
}

/* With a name, or without one: then it lives by what refers to it. */
static const char *name_or_none(const char *name)
{
	return any(4) ? name : "";
}

static void fill_queue(void)
{
	uint64_t bound = any(2) ? 1 + any(20) : 0, q;
	q = make(name_or_none("queue"), (struct object_spec){ .kind = SEG_KIND_QUEUE, .max_items = bound });
	struct bytes got = { 0 };
	for (unsigned n = any(120), i = 0; i < n; i++) {
		struct value v;
		struct queue_item item = { .body = any_value(&v) };
		uint32_t accepted;
		enum sabir_error error = queue_put(&a, q, &item, 1, &accepted);
		CU_ASSERT(!error || (error == SABIR_FULL && bound));
		if (!any(4))
			(void)queue_get(&a, q, 1 + any(3), &got);
		if (!any(8))
			(void)queue_hold(&holder, q, 1 + any(2), queue_holder(1, holder.owner), &got);
	}
	if (!any(3))
		CU_ASSERT_EQUAL(queue_close(&a, q), SABIR_OK);
	bytes_fini(&got);
}

static void put_task(uint64_t q, uint32_t discipline)
{
	struct value v;
	struct queue_item item = { .body = any_value(&v) };
	struct task_put how = { .priority = discipline == SEG_TASK_PRIORITY ? (int64_t)any(5) - 2 : 0,
				.delay_ns = any(4) ? 0 : 3600 * CLOCK_SECOND,
				.ttl_ns = any(3) ? 0 : 7200 * CLOCK_SECOND };
	uint8_t id[4] = { 'i', 'd', (uint8_t)('0' + any(10)), 'x' };
	uint32_t accepted;
	bool duplicate;
	if (any(2))
		how.id = (struct span){ id, sizeof(id) };
	enum sabir_error error = task_queue_put(&a, q, &item, 1, &how, &accepted, &duplicate);
	CU_ASSERT(!error || error == SABIR_FULL);
}

static void fill_tasks(void)
{
	struct object_spec spec = { .kind = SEG_KIND_TASK_QUEUE,
				    .max_items = any(2) ? 10 + any(20) : 0,
				    .task = { .discipline = any(3),
					      .joinable = any(2),
					      .max_attempts = any(3),
					      .dedup_window_ns = 3600 * CLOCK_SECOND } };
	uint64_t q = make(name_or_none("tasks"), spec);
	for (unsigned n = any(60), i = 0; i < n; i++) {
		struct bytes out = { 0 };
		struct task_lease lease;
		put_task(q, spec.task.discipline);
		if (!any(4) && !task_queue_get(&holder, q, 1, 3600 * CLOCK_SECOND, &out, &lease) && any(2))
			(void)(any(2) ? task_queue_ack(&a, q, lease.token) : task_queue_nack(&a, q, lease.token, 0));
		bytes_fini(&out);
	}
	(void)task_queue_pause(&a, q, any(2));
	if (!any(3))
		(void)task_queue_close(&a, q);
}

static void fill_dict(void)
{
	uint64_t d = make(name_or_none("dict"), (struct object_spec){ .kind = SEG_KIND_DICT });
	for (unsigned n = any(200), i = 0; i < n; i++) {
		struct value key, v;
		bool inserted;
		struct dict_entry entry = { int_value(&key, (int64_t)any(90)), any_value(&v), 0 };
		if (!any(5)) /* at a full second, so that texts of two clocks are the same */
			entry.ends = (dict_end_after(3600 * CLOCK_SECOND) / CLOCK_SECOND) * CLOCK_SECOND;
		CU_ASSERT_EQUAL(dict_set_entry(&a, d, &entry, &inserted), SABIR_OK);
		if (!any(4))
			(void)dict_delete(&a, d, int_value(&key, (int64_t)any(90)));
	}
}

/* They end with their owner, and are not in the snapshot; references to them are. */
static void make_bound(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_EVENT };
	uint64_t handle = 0;
	CU_ASSERT_EQUAL(object_create(&holder, (struct span){ NULL, 0 }, &spec, true, &handle), SABIR_OK);
	if (n_known < 64)
		known[n_known++] = handle;
}

static void fill_namespace(void)
{
	uint64_t n = make(name_or_none("space"), (struct object_spec){ .kind = SEG_KIND_NAMESPACE });
	for (unsigned i = any(20); i > 0; i--) {
		uint8_t name[2] = { 'a', (uint8_t)('a' + any(26)) }, room[NAMESPACE_KEY_MAX];
		struct span key;
		struct value v;
		bool inserted;
		CU_ASSERT_EQUAL(namespace_key((struct span){ name, 2 }, room, &key), SABIR_OK);
		CU_ASSERT_EQUAL(dict_set(&a, n, key, any_value(&v), &inserted), SABIR_OK);
	}
}

static void fill_list(void)
{
	uint64_t list = make(name_or_none("list"), (struct object_spec){ .kind = SEG_KIND_LIST });
	for (unsigned n = any(300), i = 0; i < n; i++) {
		struct value v;
		CU_ASSERT_EQUAL(list_insert(&a, list, (int64_t)any(200) - 100, any_value(&v), NULL), SABIR_OK);
		if (!any(4))
			(void)list_delete(&a, list, 0);
	}
}

static void fill_shared_list(void)
{
	uint8_t all[4096], *at = all;
	for (unsigned n = any(12), i = 0; i < n; i++) {
		uint8_t v[128] = { 0 };
		size_t content = any(40);
		size_t len = any(3) ? value_head_bytes(VALUE_BINARY, content, v) + content
				    : value_put_int((int64_t)any(100), v);
		at = wire_put_bytes(at, 1, v, len);
	}
	uint64_t list = make(name_or_none("shared"), (struct object_spec){ .kind = SEG_KIND_SHARED_LIST,
									   .initial = { all, (size_t)(at - all) } });
	struct value v;
	(void)shared_list_set(&a, list, (int64_t)any(12), int_value(&v, 4711));
}

static void fill_numbers(void)
{
	static const char codes[] = "bBhHiIlLqQ";
	uint32_t code = (uint32_t)codes[any(10)];
	struct scalar number = { .kind = SCALAR_INT, .i = (int64_t)any(100) };
	uint64_t value = make(name_or_none("value"), (struct object_spec){ .kind = SEG_KIND_VALUE, .type_code = code });
	uint64_t array = make(name_or_none("array"),
			      (struct object_spec){ .kind = SEG_KIND_ARRAY, .type_code = code, .length = any(3000) });
	uint64_t block = make(name_or_none("block"),
			      (struct object_spec){ .kind = SEG_KIND_BLOCK, .length = 1 + any(9999) });
	uint64_t lock, size;
	struct mutex_hold hold;
	void *bytes;
	CU_ASSERT_EQUAL(value_set(&a, value, &number), SABIR_OK);
	for (unsigned i = 0; i < 50; i++)
		(void)array_set(&a, array, (int64_t)any(3000), &number);
	CU_ASSERT_EQUAL(memory_map(&a, block, &bytes, &size), SABIR_OK);
	for (uint64_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)any(256);
	if (any(2) && !value_get_lock(&a, value, &lock)) {
		known[any(n_known)] = lock; /* a part can be referred to as well */
		(void)mutex_take(any(2) ? &holder : &a, lock, &hold);
		(void)mutex_release(&a, lock);
	}
}

static void fill_locks(void)
{
	struct mutex_hold hold;
	uint64_t lock = make(name_or_none("lock"),
			     (struct object_spec){ .kind = SEG_KIND_LOCK, .flags = any(2) ? SEG_LOCK_STRICT : 0 });
	uint64_t again = make(name_or_none("rlock"), (struct object_spec){ .kind = SEG_KIND_RLOCK });
	(void)make(name_or_none("condition"), (struct object_spec){ .kind = SEG_KIND_CONDITION, .over = again });
	uint64_t own = make(name_or_none("condition"), (struct object_spec){ .kind = SEG_KIND_CONDITION }), its;
	for (unsigned i = any(4); i > 0; i--) {
		(void)mutex_take(&a, lock, &hold);
		(void)mutex_release(&a, lock);
	}
	if (any(2))
		(void)mutex_take(&holder, lock, &hold);
	if (any(2))
		(void)mutex_take(&holder, again, &hold);
	if (any(2) && !condition_lock(&a, own, &its))
		(void)mutex_take(&holder, its, &hold);
}

static void fill_meetings(void)
{
	uint64_t event = make(name_or_none("event"), (struct object_spec){ .kind = SEG_KIND_EVENT });
	uint64_t barrier = make(name_or_none("barrier"), (struct object_spec){ .kind = SEG_KIND_BARRIER, .length = 2 });
	uint64_t semaphore = make(name_or_none("semaphore"),
				  (struct object_spec){ .kind = SEG_KIND_SEMAPHORE, .length = 5, .flags = any(4) });
	uint64_t place = 0, second = 0, index;
	if (any(2))
		(void)signal_set(&a, event);
	(void)semaphore_take(&holder, semaphore);
	(void)semaphore_take(&a, semaphore);
	(void)semaphore_give(&a, semaphore, 1);
	if (any(2)) { /* two come together, and who comes then waits */
		(void)barrier_wait(&holder, barrier, &place, false, &index);
		(void)barrier_wait(&a, barrier, &second, false, &index);
		(void)barrier_wait(&holder, barrier, &place, false, &index);
	}
	if (any(2))
		(void)barrier_wait(&holder, barrier, &place, false, &index);
	if (!any(4))
		(void)barrier_abort(&a, barrier);
}

/* Whose ends nobody holds when it is saved: an end that is held is closed by a death, and can be opened after a restore. */
static void fill_pipe(void)
{
	uint64_t pipe = make(name_or_none("pipe"), (struct object_spec){ .kind = SEG_KIND_PIPE, .one_way = any(2) });
	uint64_t queue;
	if (pipe_open(&a, pipe, 1))
		return;
	for (unsigned i = any(20); i > 0; i--) {
		struct value v;
		struct queue_item item = { .body = any_value(&v) };
		CU_ASSERT_EQUAL(pipe_send(&a, pipe, 1, &item, &queue), SABIR_OK);
	}
	CU_ASSERT_EQUAL(pipe_close(&a, pipe, 1), SABIR_OK);
}

static void fill_world(void)
{
	static void (*const fills[])(void) = { fill_queue,       fill_tasks,   fill_dict,  fill_namespace, fill_list,
					       fill_shared_list, fill_numbers, fill_locks, fill_meetings,  fill_pipe };
	n_known = 0;
	make_bound();
	for (unsigned n = 20; n > 0; n--)
		fills[any(10)]();
	if (any(2))
		(void)object_set_ttl(&a, known[any(n_known)], 3600 * CLOCK_SECOND);
}

/* ---------------------------------------------------------------- tests */

static void show_difference(const char *before, const char *after)
{
	size_t at = 0;
	while (before[at] && before[at] == after[at])
		at++;
	size_t from = at;
	while (from && before[from - 1] != '\n')
		from--;
	printf("\n    seed %u: differs at %zu:\n%.*s\n...%.200s\n...%.200s\n", seed, at,
	       (int)(at - from > 300 ? 300 : at - from), before + from, before + at, after + at);
}

/* What is referred to stays, and only that. */
static void collect(void)
{
	struct collector *collector = collector_new(&other, 0);
	struct collect_result result;
	uint32_t stop = 0;
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(collect_run(collector, &loader, &stop, &result), SABIR_OK);
	collector_free(collector);
}

static void test_what_is_restored_is_what_was_there(void)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		seed = 1000 + round;
		open_world();
		fill_world();
		CU_ASSERT_EQUAL_FATAL(kit_save(&saver, &folder, 1), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(kit_load(&loader, kit_open(&folder, 1)), SABIR_OK);
		collect();
		CU_ASSERT_EQUAL(owner_recover(&a, holder.owner), SABIR_OK);
		loader.actor = actor;
		char *before = text_of(&a, false), *after = text_of(&loader, false);
		CU_ASSERT_TRUE(strlen(before) > 1000);
		CU_ASSERT_STRING_EQUAL(before, after);
		if (strcmp(before, after))
			show_difference(before, after);
		free(before);
		free(after);
		close_world();
	}
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(test_what_is_restored_is_what_was_there),
	};
	return kit_run("snapshot/roundtrip", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
