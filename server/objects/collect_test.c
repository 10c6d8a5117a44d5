/* SPDX-License-Identifier: Apache-2.0 */
/* The collector: what keeps an object alive in every kind of container, what does not, and everybody's death meanwhile. */
#include "server/base/wire.h"
#include "server/objects/collect.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/pipe.h"
#include "server/objects/queue.h"
#include "server/objects/recover_test_kit.h"
#include "server/objects/refs.h"
#include "server/objects/task_queue.h"
#include "server/objects/value.h"

static struct segment seg;
static struct lane lane, nobody;
static struct collector *collector;
static uint32_t go_on;

static int setup(void)
{
	if (kit_segment(64 << 20, &seg))
		return -1;
	lane = kit_lane(&seg);
	lane.lock_patience_ns = 1000000;
	if (lane_open(&seg, lane.owner, &nobody))
		return -1;
	nobody.actor = (struct actor){ 0 };
	collector = collector_new(&seg, 0);
	return !collector || object_init_directory(&lane) ? -1 : 0;
}

static int teardown(void)
{
	collector_free(collector);
	lane_close(&nobody);
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

/* ---------------------------------------------------------------- objects and references */

static struct span text(const char *s)
{
	return (struct span){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

/* Without a name nobody holds it. */
static uint64_t make(uint32_t kind, const char *name)
{
	struct object_spec spec = { .kind = kind, .type_code = 'q', .length = 1 };
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&nobody, text(name), &spec, false, &handle), SABIR_OK);
	return handle;
}

static bool is_live(uint64_t handle)
{
	return seg.objects[object_index(handle)].word == object_word(SEG_OBJECT_LIVE, 0, (uint32_t)(handle >> 32));
}

struct ref {
	uint8_t bytes[32];
	struct span span;
};

/* The handle as a Value by itself, in a list, or in a map. */
static struct span refer(uint64_t handle, int form, struct ref *to)
{
	uint8_t *p = to->bytes, varint[10];
	uint8_t n = (uint8_t)(wire_put_varint(varint, handle) - varint);
	if (form == 1)
		p += snprintf((char *)p, 8, "\x42%c\x0a%c", n + 5, n + 3);
	if (form == 2)
		p += snprintf((char *)p, 12, "\x4a%c\x0a%c\x0a\x02\x18\x01\x12%c", n + 11, n + 9, n + 3);
	p += snprintf((char *)p, 8, "\x5a%c\x10", n + 1);
	memcpy(p, varint, n);
	to->span = (struct span){ to->bytes, (size_t)(p - to->bytes) + n };
	CU_ASSERT_EQUAL(value_check(to->span), SABIR_OK);
	return to->span;
}

static uint32_t look(int times)
{
	struct collect_result result;
	uint32_t n = 0;
	for (int i = 0; i < times; i++) {
		CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_OK);
		n += result.n_deleted;
	}
	return n;
}

static void drop(uint64_t handle)
{
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
}

/* ---------------------------------------------------------------- without containers */

static void what_nobody_refers_to_ends_at_the_second_look(void)
{
	uint64_t o = make(SEG_KIND_QUEUE, NULL), named = make(SEG_KIND_QUEUE, "named");
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT(is_live(o)); /* and in doubt */
	CU_ASSERT_EQUAL(look(1), 1);
	CU_ASSERT(!is_live(o) && is_live(named));
	CU_ASSERT_EQUAL(look(3), 0);
	drop(named);
}

static void what_is_held_stays_until_it_is_released(void)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t o;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, text(NULL), &spec, false, &o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(o));
}

static void who_opens_it_in_time_keeps_it(void)
{
	uint64_t o = make(SEG_KIND_LIST, NULL);
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT_EQUAL(object_hold(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(1), 0);
	CU_ASSERT_EQUAL(object_release(&lane, o), SABIR_OK);
	CU_ASSERT_EQUAL(look(1), 0); /* from the beginning */
	CU_ASSERT(is_live(o));
	CU_ASSERT_EQUAL(look(1), 1);
}

static void a_condition_keeps_the_lock_that_it_was_given(void)
{
	uint64_t lock = make(SEG_KIND_RLOCK, NULL), condition;
	struct object_spec spec = { .kind = SEG_KIND_CONDITION, .over = lock };
	CU_ASSERT_EQUAL_FATAL(object_create(&nobody, text("condition"), &spec, false, &condition), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT(is_live(lock));
	drop(condition);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(lock));
}

static void what_the_dead_held_ends(void)
{
	struct lane victim = kit_lane(&seg);
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t o;
	CU_ASSERT_EQUAL_FATAL(object_create(&victim, text(NULL), &spec, false, &o), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(o));
}

static void nothing_ends_before_the_linger(void)
{
	struct collector *patient = collector_new(&seg, UINT64_MAX);
	struct collect_result result;
	uint64_t o = make(SEG_KIND_LIST, NULL);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(collect_run(patient, &lane, &go_on, &result), SABIR_OK);
	CU_ASSERT(is_live(o) && result.n_unheld == 1 && !result.idle);
	collector_free(patient);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_OK);
	CU_ASSERT(result.idle);
}

static void it_is_told_of_new_objects(void)
{
	struct collect_result result;
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_OK);
	CU_ASSERT(result.idle && !seg.header->collect_wanted);
	drop(make(SEG_KIND_LIST, "named"));
	CU_ASSERT(!seg.header->collect_wanted);
	uint64_t o = make(SEG_KIND_LIST, NULL);
	CU_ASSERT(seg.header->collect_wanted);
	drop(o);
}

/* ---------------------------------------------------------------- containers */

static const struct kind_case {
	uint32_t kind;
	int what; /* of a dict: 0 the value, 1 the key; of a task queue: 1 delayed, 2 leased, 3 dead */
} cases[] = { { SEG_KIND_QUEUE, 0 },      { SEG_KIND_LIST, 0 },       { SEG_KIND_DICT, 0 },
	      { SEG_KIND_DICT, 1 },       { SEG_KIND_NAMESPACE, 0 },  { SEG_KIND_PIPE, 0 },
	      { SEG_KIND_TASK_QUEUE, 0 }, { SEG_KIND_TASK_QUEUE, 1 }, { SEG_KIND_TASK_QUEUE, 2 },
	      { SEG_KIND_TASK_QUEUE, 3 } };
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static uint64_t make_container(const struct kind_case *c, const char *name)
{
	struct object_spec spec = { .kind = c->kind, .task = { .max_attempts = c->what == 3 } };
	uint64_t handle;
	CU_ASSERT_EQUAL_FATAL(object_create(&nobody, text(name), &spec, false, &handle), SABIR_OK);
	if (c->kind == SEG_KIND_PIPE) {
		CU_ASSERT_EQUAL(pipe_open(&lane, handle, 0), SABIR_OK);
		CU_ASSERT_EQUAL(pipe_open(&lane, handle, 1), SABIR_OK);
	}
	return handle;
}

static void put_task(uint64_t queue, int what, struct span value)
{
	const struct queue_item item = { value, { NULL, 0 } };
	const struct task_put how = { .delay_ns = what == 1 ? 1000000000000u : 0 };
	struct task_lease lease = { 0 };
	struct bytes out = { 0 };
	uint32_t n;
	bool duplicate;
	CU_ASSERT_EQUAL(task_queue_put(&lane, queue, &item, 1, &how, &n, &duplicate), SABIR_OK);
	if (what >= 2)
		CU_ASSERT_EQUAL(task_queue_get(&lane, queue, 1, 1000000000000u, &out, &lease), SABIR_OK);
	if (what == 3)
		CU_ASSERT_EQUAL(task_queue_nack(&lane, queue, lease.token, 0), SABIR_OK);
	bytes_fini(&out);
}

static void put(const struct kind_case *c, uint64_t container, struct span value)
{
	static const uint8_t name[] = { 0x32, 1, 'a' };
	const struct span key = { name, sizeof(name) };
	const struct queue_item item = { { NULL, 0 }, value };
	bool inserted;
	enum sabir_error error = SABIR_OK;
	uint64_t part;
	if (c->kind == SEG_KIND_QUEUE)
		error = queue_put_one(&lane, container, &item);
	else if (c->kind == SEG_KIND_LIST)
		error = list_append(&lane, container, value, NULL);
	else if (c->kind == SEG_KIND_PIPE)
		error = pipe_send(&lane, container, 0, &item, &part);
	else if (c->kind == SEG_KIND_TASK_QUEUE)
		put_task(container, c->what, value);
	else
		error = dict_set(&lane, container, c->what ? value : key, c->what ? key : value, &inserted);
	CU_ASSERT_EQUAL(error, SABIR_OK);
}

static void every_kind_of_container_keeps_what_is_in_it(void)
{
	for (size_t i = 0; i < 3 * N_CASES; i++) {
		const struct kind_case *c = &cases[i / 3];
		uint64_t o = make(SEG_KIND_VALUE, NULL), container = make_container(c, "container");
		struct ref ref;
		put(c, container, refer(o, (int)(i % 3), &ref));
		CU_ASSERT_EQUAL(look(5), 0);
		CU_ASSERT(is_live(o));
		drop(container);
		CU_ASSERT_EQUAL(look(4), 1);
		CU_ASSERT(!is_live(o));
	}
}

static void what_was_taken_out_ends(void)
{
	uint64_t queue = make(SEG_KIND_QUEUE, "queue"), list = make(SEG_KIND_LIST, "list");
	uint64_t a = make(SEG_KIND_VALUE, NULL), b = make(SEG_KIND_VALUE, NULL);
	struct bytes out = { 0 };
	struct ref ref;
	put(&cases[0], queue, refer(a, 0, &ref));
	put(&cases[1], list, refer(b, 1, &ref));
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(queue_get_one(&lane, queue, &out), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(a) && is_live(b));
	CU_ASSERT_EQUAL(list_delete(&lane, list, 0), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	bytes_fini(&out);
	drop(queue);
	drop(list);
}

static void a_name_is_no_reference(void)
{
	static const uint8_t by_name[] = { 0x5a, 3, 0x0a, 1, 'x' };
	uint64_t list = make(SEG_KIND_LIST, "list"), o = make(SEG_KIND_VALUE, NULL);
	struct ref ref;
	put(&cases[1], list, (struct span){ by_name, sizeof(by_name) });
	CU_ASSERT(!(seg.objects[object_index(list)].refs & SEG_OBJECT_REFERS));
	/* Nor is the handle of an object that was at the same place before. */
	put(&cases[1], list, refer(o - (1ull << 32), 0, &ref));
	CU_ASSERT_EQUAL(look(4), 1);
	drop(list);
}

static void a_chain_ends_with_its_root(void)
{
	uint64_t dict = make(SEG_KIND_DICT, "root"), last = dict, all[20];
	struct ref ref;
	for (int i = 0; i < 20; i++) {
		all[i] = make(i % 2 ? SEG_KIND_DICT : SEG_KIND_LIST, NULL);
		put(i % 2 ? &cases[1] : &cases[2], last, refer(all[i], i % 3, &ref));
		last = all[i];
	}
	CU_ASSERT_EQUAL(look(5), 0);
	CU_ASSERT(is_live(all[19]));
	drop(dict);
	CU_ASSERT_EQUAL(look(4), 20);
}

static void rings_are_ended(void)
{
	uint64_t list = make(SEG_KIND_LIST, NULL), a = make(SEG_KIND_DICT, NULL), b = make(SEG_KIND_DICT, NULL);
	struct ref ref;
	put(&cases[1], list, refer(list, 0, &ref));
	put(&cases[2], a, refer(b, 0, &ref));
	put(&cases[2], b, refer(a, 2, &ref));
	CU_ASSERT_EQUAL(object_hold(&lane, a), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(list) && is_live(a) && is_live(b));
	CU_ASSERT_EQUAL(object_release(&lane, a), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 2);
}

static void a_pipe_lives_while_an_end_is_held(void)
{
	uint64_t pipe = make_container(&cases[5], NULL), o = make(SEG_KIND_VALUE, NULL);
	struct ref ref;
	put(&cases[5], pipe, refer(o, 0, &ref));
	put(&cases[5], pipe, refer(pipe, 0, &ref));
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(pipe_close(&lane, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT_EQUAL(pipe_close(&lane, pipe, 1), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 2);
	CU_ASSERT(!is_live(pipe) && !is_live(o));
	kit_settle(&lane);
}

static void a_part_keeps_its_whole_and_ends_with_it(void)
{
	uint64_t value = make(SEG_KIND_VALUE, NULL), lock = 0;
	CU_ASSERT_EQUAL(value_get_lock(&lane, value, &lock), SABIR_OK);
	CU_ASSERT_EQUAL(object_hold(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(look(5), 0);
	CU_ASSERT(is_live(value) && is_live(lock));
	CU_ASSERT_EQUAL(object_release(&lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(look(4), 1);
	CU_ASSERT(!is_live(value) && !is_live(lock));
}

/* ---------------------------------------------------------------- what is in the way */

static void an_operation_under_way_is_waited_for(void)
{
	struct lane slow = kit_lane(&seg);
	struct collect_result result;
	uint32_t stop = 1;
	uint64_t o = make(SEG_KIND_LIST, NULL);
	lane_begin(&slow, SEG_OP_READ, 0);
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &stop, &result), SABIR_CANCELLED);
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_BUSY);
	lane_end(&slow);
	CU_ASSERT(is_live(o));
	CU_ASSERT_EQUAL(look(4), 1);
	kit_lane_close(&slow);
}

static void what_cannot_be_read_keeps_everything(void)
{
	uint64_t list = make(SEG_KIND_LIST, "list"), in_it = make(SEG_KIND_VALUE, NULL), o = make(SEG_KIND_VALUE, NULL);
	struct collect_result result = { 0 };
	struct ref ref;
	put(&cases[1], list, refer(in_it, 0, &ref));
	CU_ASSERT_EQUAL(look(1), 0);
	seg.objects[object_index(list)].damaged = 1;
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_DATA_LOSS);
	CU_ASSERT(is_live(o) && is_live(in_it) && result.damaged == list);
	drop(list);
	CU_ASSERT_EQUAL(look(4), 2);
}

static void damaged_containers_end_the_look(void)
{
	for (size_t i = 0; i < N_CASES; i++) {
		uint64_t o = make(SEG_KIND_VALUE, NULL), container = make_container(&cases[i], "container");
		struct collect_result result;
		struct ref ref;
		put(&cases[i], container, refer(o, 0, &ref));
		uint8_t *body = segment_at(&seg, seg.objects[object_index(container)].body, 64);
		for (size_t at = 16; at < 256; at += 8) {
			uint64_t was;
			if (at + 8 > block_size(&seg, seg.objects[object_index(container)].body))
				break;
			memcpy(&was, body + at, 8);
			for (int k = 0; k < 3; k++) {
				const uint64_t rubbish[] = { UINT64_MAX, 1, 0x0000010100000777u };
				memcpy(body + at, &rubbish[k], 8);
				(void)collect_run(collector, &lane, &go_on, &result);
				memcpy(body + at, &was, 8);
				seg.objects[object_index(container)].damaged = 0;
			}
		}
		drop(container);
		(void)look(4);
		kit_settle(&lane);
	}
}

/* ---------------------------------------------------------------- death */

static void act_get(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	(void)queue_get(by, *(uint64_t *)context, 1, &out);
	bytes_fini(&out);
}

static void what_a_dead_getter_had_taken_stays(void)
{
	static const struct kit_step taken = { "queue_get.chained", 1 };
	uint64_t queue = make(SEG_KIND_QUEUE, "queue"), o = make(SEG_KIND_VALUE, NULL);
	struct lane victim = kit_lane(&seg);
	struct collect_result result;
	struct ref ref;
	put(&cases[0], queue, refer(o, 0, &ref));
	CU_ASSERT_EQUAL(look(2), 0);
	CU_ASSERT(kit_die_at(&taken, act_get, &victim, &queue));
	CU_ASSERT_EQUAL(collect_run(collector, &lane, &go_on, &result), SABIR_BUSY);
	CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
	CU_ASSERT_EQUAL(seg.objects[object_index(o)].seen, seg.header->cycle);
	CU_ASSERT_EQUAL(look(4), 0);
	CU_ASSERT(is_live(o));
	drop(queue);
	CU_ASSERT_EQUAL(look(4), 1);
}

static void act_look(struct lane *by, void *context)
{
	struct collect_result result;
	(void)context;
	for (int i = 0; i < 4; i++)
		(void)collect_run(collector, by, &go_on, &result);
}

static void the_collectors_death_costs_nothing(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	for (unsigned k = 0; k == 0 || k <= steps->n; k++) {
		uint64_t dict = make(SEG_KIND_DICT, "dict"), in_it = make(SEG_KIND_LIST, NULL);
		uint64_t pipe = make_container(&cases[5], NULL);
		struct lane victim = kit_lane(&seg);
		struct ref ref;
		put(&cases[2], dict, refer(in_it, 0, &ref));
		put(&cases[5], pipe, refer(make(SEG_KIND_LIST, NULL), 0, &ref));
		(void)pipe_close(&lane, pipe, 0);
		(void)pipe_close(&lane, pipe, 1);
		if (k == 0)
			(void)kit_list_steps(steps, act_look, &victim, NULL);
		else
			(void)kit_die_at(&steps->at[k - 1], act_look, &victim, NULL);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT(is_live(in_it));
		(void)look(4);
		CU_ASSERT(is_live(in_it));
		drop(dict);
		CU_ASSERT_EQUAL(look(4), 1);
		kit_settle(&lane);
		CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
	}
	CU_ASSERT(steps->n > 10);
	munmap(steps, sizeof(*steps));
}

/* ---------------------------------------------------------------- others at work */

/* What is done whenever the collector has followed another object. */
struct behind {
	struct lane by;
	uint64_t from, to, moved;
	unsigned n;
	bool hold;
};

static void move_behind(const char *step, void *context)
{
	struct behind *b = context;
	struct ref ref;
	uint64_t at;
	if (strcmp(step, "collect.followed") != 0)
		return;
	b->n++;
	struct span value = refer(b->moved, 0, &ref);
	enum sabir_error error = b->hold ? object_hold(&b->by, b->moved) : list_append(&b->by, b->to, value, NULL);
	if (!error && (!b->hold || b->n == 1))
		error = list_remove(&b->by, b->from, value, &at);
	CU_ASSERT_EQUAL(error, SABIR_OK);
	uint64_t from = b->from;
	b->from = b->to;
	b->to = from;
}

/* Each of the two lists is looked at while the object is in the other one. */
static void what_moves_behind_the_collectors_back_stays(void)
{
	for (int i = 0; i < 2; i++) {
		struct behind b = { .by = kit_lane(&seg), .moved = make(SEG_KIND_DICT, NULL) };
		uint64_t inside = make(SEG_KIND_VALUE, NULL),
			 lists[2] = { make(SEG_KIND_LIST, "a"), make(SEG_KIND_LIST, "b") };
		struct ref ref;
		put(&cases[2], b.moved, refer(inside, 0, &ref));
		b.from = lists[i];
		b.to = lists[!i];
		put(&cases[1], b.from, refer(b.moved, 0, &ref));
		fault_trace(move_behind, &b);
		CU_ASSERT_EQUAL(look(6), 0);
		fault_trace(NULL, NULL);
		CU_ASSERT(is_live(b.moved) && is_live(inside) && b.n >= 12);
		drop(lists[0]);
		drop(lists[1]);
		CU_ASSERT_EQUAL(look(4), 2);
		kit_lane_close(&b.by);
	}
}

static void what_is_opened_behind_the_collectors_back_stays(void)
{
	struct behind b = { .by = kit_lane(&seg), .hold = true, .moved = make(SEG_KIND_VALUE, NULL) };
	struct ref ref;
	b.from = b.to = make(SEG_KIND_LIST, "a");
	uint64_t first = make(SEG_KIND_LIST, "followed before it");
	put(&cases[1], b.from, refer(b.moved, 0, &ref));
	CU_ASSERT_EQUAL(look(1), 0);
	fault_trace(move_behind, &b);
	CU_ASSERT_EQUAL(look(1), 0);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(seg.objects[object_index(b.moved)].seen, seg.header->cycle);
	CU_ASSERT_EQUAL(look(4), 0);
	drop(b.from);
	drop(first);
	kit_lane_close(&b.by);
	CU_ASSERT_EQUAL(look(4), 1);
}

#define N_MOVED 6
#define N_LOOKS 200

struct race {
	uint64_t moved[N_MOVED], queue, tasks, list, dict;
	uint32_t stop;
	uint64_t n_ready, n_moves;
};

static void key_of(uint64_t n, uint8_t to[3], struct span *key)
{
	to[0] = 0x18;
	to[1] = (uint8_t)n;
	*key = (struct span){ to, 2 };
}

/* From the queue into the dict, from there into the list, from there back: in the new place before it is out of the old one. */
static bool move_around(struct lane *by, struct race *r, uint64_t n)
{
	struct bytes out = { 0 };
	uint8_t bytes[3];
	struct span key;
	struct ref ref;
	bool inserted;
	const struct span value = refer(r->moved[n], (int)(n % 3), &ref);
	const struct queue_item item = { value, { NULL, 0 } };
	key_of(n, bytes, &key);
	bool fine = dict_set(by, r->dict, key, value, &inserted) == SABIR_OK;
	fine = fine && queue_get(by, r->queue, 1, &out) == SABIR_OK; /* its own queue's only item */
	fine = fine && list_insert(by, r->list, 0, value, NULL) == SABIR_OK;
	fine = fine && dict_delete(by, r->dict, key) == SABIR_OK;
	fine = fine && list_reverse(by, r->list) == SABIR_OK;
	uint32_t accepted;
	uint64_t at;
	fine = fine && queue_put(by, r->queue, &item, 1, &accepted) == SABIR_OK;
	fine = fine && list_remove(by, r->list, value, &at) == SABIR_OK;
	bytes_fini(&out);
	return fine && is_live(r->moved[n]);
}

static void keep_moving(struct race *r, uint64_t n)
{
	struct lane mine = kit_lane(&seg);
	struct race own = *r;
	struct ref ref;
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	char name[16];
	snprintf(name, sizeof(name), "queue%d", (int)n);
	if (object_create(&mine, text(name), &spec, false, &own.queue))
		_exit(1);
	const struct queue_item item = { refer(own.moved[n], 0, &ref), { NULL, 0 } };
	if (queue_put_one(&mine, own.queue, &item))
		_exit(2);
	fetch_add64(&r->n_ready, 1);
	while (!load32_acquire(&r->stop)) {
		if (!move_around(&mine, &own, n))
			_exit(3);
		fetch_add64(&r->n_moves, 1);
	}
	kit_lane_close(&mine);
	_exit(0);
}

static void what_moves_is_never_ended(void)
{
	struct race *r = kit_shared(sizeof(*r));
	pid_t pids[N_MOVED];
	r->dict = make(SEG_KIND_DICT, "dict");
	r->list = make(SEG_KIND_LIST, "list");
	for (int i = 0; i < N_MOVED; i++) {
		r->moved[i] = make(i % 2 ? SEG_KIND_VALUE : SEG_KIND_DICT, NULL);
		CU_ASSERT_EQUAL(object_hold(&lane, r->moved[i]), SABIR_OK);
	}
	for (int i = 0; i < N_MOVED; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			keep_moving(r, (uint64_t)i);
	}
	while (load64_acquire(&r->n_ready) < N_MOVED)
		cpu_relax();
	for (int i = 0; i < N_MOVED; i++)
		CU_ASSERT_EQUAL(object_release(&lane, r->moved[i]), SABIR_OK);
	for (int i = 0; i < N_LOOKS; i++) {
		struct collect_result result;
		enum sabir_error error = collect_run(collector, &lane, &go_on, &result);
		CU_ASSERT((!error || error == SABIR_BUSY) && result.n_deleted == 0);
	}
	uint64_t n_moves = load64_acquire(&r->n_moves);
	store32_release(&r->stop, 1);
	CU_ASSERT(kit_wait_all(pids, N_MOVED));
	printf("(%d looks, %llu moves) ", N_LOOKS, (unsigned long long)n_moves);
	for (int i = 0; i < N_MOVED; i++)
		CU_ASSERT(is_live(r->moved[i]));
	munmap(r, sizeof(*r));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_nobody_refers_to_ends_at_the_second_look),
		KIT_TEST(what_is_held_stays_until_it_is_released),
		KIT_TEST(who_opens_it_in_time_keeps_it),
		KIT_TEST(a_condition_keeps_the_lock_that_it_was_given),
		KIT_TEST(what_the_dead_held_ends),
		KIT_TEST(nothing_ends_before_the_linger),
		KIT_TEST(it_is_told_of_new_objects),
		KIT_TEST(every_kind_of_container_keeps_what_is_in_it),
		KIT_TEST(what_was_taken_out_ends),
		KIT_TEST(a_name_is_no_reference),
		KIT_TEST(a_chain_ends_with_its_root),
		KIT_TEST(rings_are_ended),
		KIT_TEST(a_pipe_lives_while_an_end_is_held),
		KIT_TEST(a_part_keeps_its_whole_and_ends_with_it),
		KIT_TEST(an_operation_under_way_is_waited_for),
		KIT_TEST(what_cannot_be_read_keeps_everything),
		KIT_TEST(damaged_containers_end_the_look),
		KIT_TEST(what_a_dead_getter_had_taken_stays),
		KIT_TEST(the_collectors_death_costs_nothing),
		KIT_TEST(what_moves_behind_the_collectors_back_stays),
		KIT_TEST(what_is_opened_behind_the_collectors_back_stays),
		KIT_TEST(what_moves_is_never_ended),
	};
	return kit_run("collect", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
