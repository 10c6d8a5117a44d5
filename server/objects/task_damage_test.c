/* SPDX-License-Identifier: Apache-2.0 */
/* Words of tasks that a faulty program has written over: whoever comes by says so, and nobody goes round in a ring. */
#include <unistd.h>

#include "server/objects/keep.h"
#include "server/objects/task_parts.h"
#include "server/objects/task_test_kit.h"

#define HOUR 3600000000000ull
#define PATIENCE_S 20

/* The first task that time has something to do with, or the first that is ready. */
static struct seg_task *first_of(uint64_t handle, bool timed)
{
	struct tasks q;
	CU_ASSERT_EQUAL_FATAL(tasks_enter(&a, SEG_OP_TASK_CHANGE, handle, &q), SABIR_OK);
	const struct skip set = timed ? tasks_timed(&q) : tasks_ready(&q);
	struct seg_task *item = tasks_item(&q, skip_first(&set));
	CU_ASSERT_EQUAL(tasks_leave(&q, SABIR_OK), SABIR_OK);
	return item;
}

static uint64_t with_a_delayed_task(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	CU_ASSERT_EQUAL(put_as(&a, q, 1, &(struct task_put){ .delay_ns = HOUR }), SABIR_OK);
	return q;
}

static void is_damaged_when_due(uint64_t q)
{
	task_clock_ahead_ns += 2 * HOUR;
	alarm(PATIENCE_S); /* a ring has no end */
	CU_ASSERT_EQUAL(task_queue_settle(&a, q), SABIR_DATA_LOSS);
	alarm(0);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS * 1000);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	task_clock_ahead_ns = 0;
}

static void a_delayed_task_that_says_it_has_no_time(void)
{
	uint64_t q = with_a_delayed_task();
	first_of(q, true)->timed = 0;
	is_damaged_when_due(q);
}

static void a_ready_task_that_says_it_is_delayed(void)
{
	uint64_t q = with_a_delayed_task();
	CU_ASSERT_EQUAL(put_as(&a, q, 2, &(struct task_put){ .ttl_ns = HOUR }), SABIR_OK);
	struct seg_task *item = first_of(q, false);
	/* It would be put in front of itself. */
	item->state = SEG_TASK_DELAYED;
	item->expires = 0;
	is_damaged_when_due(q);
}

/* Whatever is done with it ends, if need be with DATA_LOSS. */
static void all_ends(uint64_t q)
{
	uint64_t n = 0;
	alarm(PATIENCE_S);
	(void)task_queue_requeue(&a, q, 0, 0, &n);
	tasks_owner_gone(&a, q, a.actor.owner);
	(void)get(q);
	(void)task_queue_clear(&a, q, &n);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	alarm(0);
}

static void a_task_with_the_last_of_all_numbers(void)
{
	uint64_t q = with_a_delayed_task();
	struct seg_task *item = first_of(q, true);
	item->time.ordinal = UINT64_MAX;
	item->state = SEG_TASK_LEASED;
	all_ends(q);
}

static void tasks_that_lead_to_each_other(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	for (uint64_t i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(put_as(&a, q, i, &(struct task_put){ .ttl_ns = HOUR }), SABIR_OK);
	struct seg_task *item = first_of(q, true);
	struct seg_task *next = segment_at(&seg, item->time.next[0], sizeof(*next));
	next->time.next[0] = segment_ref(&seg, item);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	for (uint64_t i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(put_as(&a, q, i, &(struct task_put){ .ttl_ns = HOUR }), SABIR_OK);
	item = first_of(q, false);
	item->order.next[0] = segment_ref(&seg, item);
	all_ends(q);
}

static void a_dead_task_that_says_it_is_leased(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO, .max_attempts = 1 }), n;
	struct task_lease taken;
	struct tasks view;
	CU_ASSERT_EQUAL(put(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL(lease(&a, q, HOUR, &taken), 1);
	CU_ASSERT_EQUAL(task_queue_nack(&a, q, taken.token, 0), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(tasks_enter(&a, SEG_OP_TASK_CHANGE, q, &view), SABIR_OK);
	const struct skip dead = tasks_dead(&view);
	struct seg_task *item = tasks_item(&view, skip_first(&dead));
	CU_ASSERT_EQUAL(tasks_leave(&view, SABIR_OK), SABIR_OK);
	item->state = SEG_TASK_LEASED;
	alarm(PATIENCE_S);
	CU_ASSERT_EQUAL(task_queue_requeue(&a, q, 0, 0, &n), SABIR_DATA_LOSS);
	alarm(0);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* However many ids the queue says that it has. */
static void ids_that_lead_to_each_other_are_not_copied(void)
{
	struct task_spec spec = { .discipline = SEG_TASK_FIFO, .dedup_window_ns = HOUR };
	uint64_t q = make(&spec);
	struct kept_tasks kept;
	struct tasks view;
	CU_ASSERT_EQUAL(put_as(&a, q, 1, &(struct task_put){ .id = text("one") }), SABIR_OK);
	CU_ASSERT_EQUAL(put_as(&a, q, 2, &(struct task_put){ .id = text("two") }), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(keep_tasks(&a, q, &kept), SABIR_OK);
	CU_ASSERT_EQUAL(kept.ids.n_items, 2);
	kept_tasks_fini(&kept);
	CU_ASSERT_EQUAL_FATAL(tasks_enter(&a, SEG_OP_TASK_CHANGE, q, &view), SABIR_OK);
	struct seg_task_id *last = segment_at(&seg, view.body->id_last, sizeof(*last));
	last->block.next = view.body->id_first;
	view.body->n_ids = UINT64_MAX;
	CU_ASSERT_EQUAL(tasks_leave(&view, SABIR_OK), SABIR_OK);
	alarm(PATIENCE_S);
	CU_ASSERT_EQUAL(keep_tasks(&a, q, &kept), SABIR_DATA_LOSS);
	alarm(0);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* ---------------------------------------------------------------- chains in the hands of a lane */

#define LARGE 100000u /* an item whose block is no slab's */

/* The last of a lane's chain leads to `ref`; 0: to its first one. */
static void lead_chain_to(const struct lane *of, uint32_t ref)
{
	uint32_t first = of->shared->chain;
	struct seg_block *block = segment_at(&seg, first, sizeof(*block));
	while (block->next)
		block = segment_at(&seg, block->next, sizeof(*block));
	block->next = ref ? ref : first;
}

static void put_two(struct lane *by, void *context)
{
	static uint8_t data[LARGE];
	struct queue_item items[2] = { { .body = { data, LARGE } }, { .body = { data, LARGE } } };
	uint32_t accepted;
	bool duplicate;
	(void)task_queue_put(by, *(uint64_t *)context, items, 2, &(struct task_put){ 0 }, &accepted, &duplicate);
}

static void a_ring_of_taken_tasks_ends(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	struct bytes out = { 0 };
	put_two(&a, &q);
	CU_ASSERT_EQUAL_FATAL(task_queue_take_open(&a, q, 2, &out, NULL), SABIR_OK);
	bytes_fini(&out);
	lead_chain_to(&a, 0);
	alarm(PATIENCE_S);
	task_queue_take_close(&a, 2);
	alarm(0);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* A lane's record is written over while its get is open. What it had taken is nobody's, and in no put of the lane. */
static void an_open_take_of_a_queue_that_is_none_is_over(void)
{
	for (int close = 0; close < 2; close++) {
		uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
		uint64_t other = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
		struct bytes out = { 0 };
		CU_ASSERT_EQUAL(put(q, 1), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(task_queue_take_open(&a, q, 1, &out, NULL), SABIR_OK);
		bytes_fini(&out);
		a.shared->handle = seg.n_objects;
		if (close)
			task_queue_take_close(&a, 1);
		else
			CU_ASSERT_EQUAL(task_queue_take_abandon(&a), SABIR_OK);
		CU_ASSERT_EQUAL(put(other, 2), SABIR_OK);
		CU_ASSERT(get(other) == 2 && get(other) == SABIR_EMPTY * 1000);
		CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&a, other), SABIR_OK);
	}
}

/* Its items are not put back into an object of another kind. */
static void an_open_take_of_another_kind_of_object_leaves_that_alone(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO }), other = 0, number = 7;
	const struct queue_item item = { .body = { (const uint8_t *)&number, sizeof(number) } };
	struct bytes out = { 0 };
	uint32_t accepted;
	CU_ASSERT_EQUAL_FATAL(object_create(&a, text(""), &spec, false, &other), SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&a, other, &item, 1, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL(put(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(task_queue_take_open(&a, q, 1, &out, NULL), SABIR_OK);
	a.shared->handle = other;
	CU_ASSERT_EQUAL(task_queue_take_abandon(&a), SABIR_OK);
	bytes_empty(&out);
	CU_ASSERT(queue_get(&b, other, 1, &out) == SABIR_OK && !memcmp(out.data, &number, sizeof(number)));
	CU_ASSERT_EQUAL(queue_put(&b, other, &item, 1, &accepted), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, other), SABIR_OK);
	bytes_fini(&out);
}

static void see_what_is_undone(const char *step, void *context)
{
	if (!strcmp(step, "task_chain.noted"))
		*(uint32_t *)context = a.shared->n_undo;
}

/* What can't be linked again is freed when it is out of everything: somebody else may have its memory at once. */
static void an_open_take_is_unlinked_before_it_is_freed(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	struct bytes out = { 0 };
	struct tasks view;
	uint32_t n_undo = UINT32_MAX;
	CU_ASSERT_EQUAL(put_as(&a, q, 1, &(struct task_put){ .ttl_ns = HOUR }), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(task_queue_take_open(&a, q, 1, &out, NULL), SABIR_OK);
	bytes_fini(&out);
	CU_ASSERT_FATAL(tasks_view(&a, object_index(q), &seg.objects[object_index(q)], &view));
	view.body->time[0] = UINT32_MAX;
	fault_trace(see_what_is_undone, &n_undo);
	CU_ASSERT_EQUAL(task_queue_take_abandon(&a), SABIR_OK);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(n_undo, 0);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS * 1000);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* Who has decided to put two dies, and then somebody writes into the second; what it leads to is not put as well. */
static void recover_put_to(uint64_t q, uint32_t ref)
{
	const struct kit_step decided = { "task_put.decided", 1 };
	struct lane dead = kit_lane(&seg);
	CU_ASSERT_FATAL(kit_die_at(&decided, put_two, &dead, &q));
	lead_chain_to(&dead, ref);
	alarm(PATIENCE_S);
	CU_ASSERT_EQUAL(owner_recover(&a, dead.owner), SABIR_OK);
	alarm(0);
	CU_ASSERT_EQUAL(get(q), SABIR_DATA_LOSS * 1000);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

static void a_ring_of_tasks_to_put_ends(void)
{
	static const uint32_t disciplines[] = { SEG_TASK_FIFO, SEG_TASK_LIFO, SEG_TASK_PRIORITY };
	for (size_t i = 0; i < sizeof(disciplines) / sizeof(disciplines[0]); i++)
		for (uint64_t n = 0; n < 9; n++) {
			uint64_t q = make(&(struct task_spec){ .discipline = disciplines[i] });
			for (uint64_t k = 0; k < n; k++)
				CU_ASSERT_EQUAL(put(q, k), SABIR_OK);
			recover_put_to(q, 0);
		}
}

static void a_task_of_another_queue_is_not_put(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	uint64_t other = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	CU_ASSERT_EQUAL(put(other, 7), SABIR_OK);
	recover_put_to(q, segment_ref(&seg, first_of(other, false)));
	CU_ASSERT_EQUAL(get(other), 7);
	CU_ASSERT_EQUAL(object_delete(&a, other), SABIR_OK);
}

/* ---------------------------------------------------------------- what is not the queue's, or too small */

/* A queue with ids, of whose body somebody has written over a word. */
static struct seg_task_queue *with_ids(uint64_t *handle)
{
	struct tasks view;
	*handle = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO, .dedup_window_ns = HOUR });
	CU_ASSERT_EQUAL(put_as(&a, *handle, 1, &(struct task_put){ .id = text("one") }), SABIR_OK);
	CU_ASSERT_FATAL(tasks_view(&a, object_index(*handle), &seg.objects[object_index(*handle)], &view));
	return view.body;
}

static void an_id_is_not_linked_behind_another_objects_block(void)
{
	uint64_t q, other = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	struct seg_task_queue *body = with_ids(&q);
	uint32_t ref = seg.objects[object_index(other)].body;
	const struct seg_block *block = segment_at(&seg, ref, sizeof(*block));
	body->id_last = ref;
	CU_ASSERT_EQUAL(put_as(&a, q, 2, &(struct task_put){ .id = text("two") }), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(block->next, 0);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, other), SABIR_OK);
}

/* An id's block ends where a task has its lease. */
static void an_id_is_no_task(void)
{
	uint64_t q;
	struct task_lease taken;
	struct seg_task_queue *body = with_ids(&q);
	struct seg_task *task = segment_at(&seg, body->ready[0], sizeof(*task));
	struct seg_task_id *id = segment_at(&seg, body->ids[0], sizeof(*id));
	uint64_t size = block_size(&seg, body->ids[0]);
	uint8_t behind[SEG_LINE];
	CU_ASSERT_FATAL(size < sizeof(*task));
	/* What is behind it may look like the rest of a task. */
	((struct seg_task *)id)->state = SEG_TASK_READY;
	((struct seg_task *)id)->timed = 0;
	memcpy(behind, (uint8_t *)id + size, sizeof(behind));
	body->ready[0] = segment_ref(&seg, id);
	CU_ASSERT_EQUAL(lease(&a, q, HOUR, &taken), SABIR_DATA_LOSS * 1000);
	CU_ASSERT_EQUAL(memcmp(behind, (uint8_t *)id + size, sizeof(behind)), 0);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

static void a_block_that_is_too_small_is_no_log(void)
{
	uint64_t q;
	struct seg_task_queue *body = with_ids(&q);
	struct seg_task_log *log = segment_at(&seg, body->ids[0], sizeof(*log));
	uint64_t before = log->n_touched;
	body->log = segment_ref(&seg, log);
	CU_ASSERT_EQUAL(put(q, 2), SABIR_OK);
	CU_ASSERT_EQUAL(log->n_touched, before);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* Nor are its items put into another task queue than the one that the lane works on. */
static void an_open_take_of_another_queue_leaves_that_alone(void)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	uint64_t other = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(put(q, 1), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(task_queue_take_open(&a, q, 1, &out, NULL), SABIR_OK);
	bytes_fini(&out);
	a.shared->handle = other;
	CU_ASSERT_EQUAL(task_queue_take_abandon(&a), SABIR_OK);
	CU_ASSERT_EQUAL(get(other), IS_EMPTY);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, other), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_delayed_task_that_says_it_has_no_time),
		KIT_TEST(a_ready_task_that_says_it_is_delayed),
		KIT_TEST(a_task_with_the_last_of_all_numbers),
		KIT_TEST(tasks_that_lead_to_each_other),
		KIT_TEST(a_dead_task_that_says_it_is_leased),
		KIT_TEST(ids_that_lead_to_each_other_are_not_copied),
		KIT_TEST(a_ring_of_taken_tasks_ends),
		KIT_TEST(an_open_take_of_a_queue_that_is_none_is_over),
		KIT_TEST(an_open_take_of_another_kind_of_object_leaves_that_alone),
		KIT_TEST(an_open_take_is_unlinked_before_it_is_freed),
		KIT_TEST(a_ring_of_tasks_to_put_ends),
		KIT_TEST(a_task_of_another_queue_is_not_put),
		KIT_TEST(an_id_is_not_linked_behind_another_objects_block),
		KIT_TEST(an_id_is_no_task),
		KIT_TEST(a_block_that_is_too_small_is_no_log),
		KIT_TEST(an_open_take_of_another_queue_leaves_that_alone),
	};
	return kit_run("task damage", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
