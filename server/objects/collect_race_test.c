/* SPDX-License-Identifier: Apache-2.0 */
/* The collector while others move and open what it looks for. */
#include "server/objects/collect_test_kit.h"

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
		KIT_TEST(what_moves_behind_the_collectors_back_stays),
		KIT_TEST(what_is_opened_behind_the_collectors_back_stays),
		KIT_TEST(what_moves_is_never_ended),
	};
	return kit_run("collector, others at work", collect_setup, collect_teardown, tests,
		       sizeof(tests) / sizeof(tests[0]));
}
