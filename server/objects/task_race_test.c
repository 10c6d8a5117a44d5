/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a task queue that a faulty program writes over just behind the look by which they were good. */
#include "server/objects/keep.h"
#include "server/objects/task_parts.h"
#include "server/objects/task_test_kit.h"

#define HOUR 3600000000000ull
#define NUMBER 7u
#define LONG ((1u << 29) + 100) /* more than the memory is */

/* The first that is ready. */
static struct seg_task *item_of(uint64_t q)
{
	struct tasks view;
	CU_ASSERT_EQUAL_FATAL(tasks_enter(&a, SEG_OP_TASK_CHANGE, q, &view), SABIR_OK);
	const struct skip ready = tasks_ready(&view);
	struct seg_task *item = tasks_item(&view, skip_first(&ready));
	CU_ASSERT_EQUAL(tasks_leave(&view, SABIR_OK), SABIR_OK);
	CU_ASSERT_PTR_NOT_NULL_FATAL(item);
	return item;
}

static void make_longer(const char *step, void *context)
{
	struct seg_task *item = context;
	if (!strcmp(step, "task.item_found"))
		store32_relaxed(&item->block.len, LONG);
}

static uint64_t make_one(struct seg_task **item)
{
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO });
	CU_ASSERT_EQUAL(put(q, NUMBER), SABIR_OK);
	*item = item_of(q);
	return q;
}

static void end(uint64_t q)
{
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

/* It has the bytes that it had, or none. */
static void is_right(enum sabir_error error, const struct bytes *out)
{
	CU_ASSERT(error == SABIR_DATA_LOSS || !error);
	CU_ASSERT(error || (out->n_items == 1 && out->len == sizeof(uint64_t) && out->data[0] == NUMBER));
}

static void an_item_that_grows_is_got_as_it_was(void)
{
	for (uint64_t lease_ns = 0; lease_ns <= HOUR; lease_ns += HOUR) {
		struct seg_task *item;
		uint64_t q = make_one(&item);
		struct bytes out = { 0 };
		struct task_lease taken;
		fault_trace(make_longer, item);
		is_right(task_queue_get(&a, q, 1, lease_ns, &out, &taken), &out);
		bytes_fini(&out);
		end(q);
	}
}

static void an_item_that_grows_is_seen_as_it_was(void)
{
	struct seg_task *item;
	uint64_t q = make_one(&item);
	struct bytes out = { 0 };
	fault_trace(make_longer, item);
	is_right(task_queue_peek(&a, q, &out), &out);
	bytes_fini(&out);
	end(q);
}

static void an_item_that_grows_is_kept_as_it_was(void)
{
	struct seg_task *item;
	struct kept_tasks kept = { .closed = false };
	uint64_t q = make_one(&item);
	fault_trace(make_longer, item);
	enum sabir_error error = keep_tasks(&a, q, &kept);
	CU_ASSERT(error == SABIR_DATA_LOSS || !error);
	CU_ASSERT(error || kept.items.len == sizeof(struct kept_task) + sizeof(uint64_t));
	kept_tasks_fini(&kept);
	end(q);
}

static void count_refs(void *context, uint64_t handle)
{
	uint32_t *n = context;
	*n += handle != 0;
}

/* A list that is said to go on behind the item, where there is what would be a reference. */
static void an_item_that_grows_is_scanned_as_it_was(void)
{
	static const uint8_t list[8] = { 0x42, 0xff, 0xff, 0xff, 0xff, 0x01, 0x0a, 0x5a };
	static const uint8_t ref[4] = { 0x5a, 0x02, 0x10, 0x05 };
	uint64_t q = make(&(struct task_spec){ .discipline = SEG_TASK_FIFO }), number;
	uint32_t n = 0;
	memcpy(&number, list, sizeof(number));
	CU_ASSERT_EQUAL(put(q, number), SABIR_OK);
	struct seg_task *item = item_of(q);
	memcpy((uint8_t *)(item + 1) + sizeof(list), ref, sizeof(ref));
	fault_trace(make_longer, item);
	enum sabir_error error = tasks_scan(&a, q, count_refs, &n);
	CU_ASSERT((error == SABIR_DATA_LOSS || !error) && n == 0);
	end(q);
}

/* At the end of the memory there is no room for the name of the dead-letter queue. */
static void a_body_without_room_for_all_of_it_is_damage(void)
{
	uint64_t q = make_named("", &(struct task_spec){ .discipline = SEG_TASK_FIFO }, 0, "dead");
	struct seg_object *o = &seg.objects[object_index(q)];
	uint32_t body = o->body, ref = (uint32_t)((seg.size - sizeof(struct seg_task_queue)) >> SEG_REF_SHIFT);
	struct seg_task_queue *at = segment_at(&seg, ref, sizeof(*at));
	struct task_queue_size size;
	*at = *(struct seg_task_queue *)segment_at(&seg, body, sizeof(*at));
	at->n_dead = 1;
	at->block.len = SEG_TASK_DEAD_LETTER_MAX;
	o->body = ref;
	CU_ASSERT_EQUAL(task_queue_size(&a, q, &size), SABIR_DATA_LOSS);
	o->body = body;
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

static void lead_to_another(const char *step, void *context)
{
	if (!strcmp(step, "task_put.id_made"))
		store64_relaxed(&a.shared->args[0], *(uint64_t *)context);
}

/* The record of a put leads to a block that is a queue's: that is not freed when the put is not to be. */
static void what_the_record_of_a_put_leads_to_is_freed_only_if_it_was_made(void)
{
	struct task_spec spec = { .discipline = SEG_TASK_FIFO, .dedup_window_ns = HOUR };
	uint64_t q = make(&spec);
	CU_ASSERT_EQUAL(put_as(&a, q, NUMBER, &(struct task_put){ .id = text("one") }), SABIR_OK);
	uint64_t ref = segment_ref(&seg, item_of(q));
	fault_trace(lead_to_another, &ref);
	CU_ASSERT_EQUAL(put_as(&a, q, NUMBER, &(struct task_put){ .id = text("one") }), SABIR_OK);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(get(q), NUMBER);
	for (uint32_t c = 0; c < SEG_N_CLASSES; c++)
		for (uint32_t i = 0, n = 0; i < a.shared->cache[c].n; i++) {
			n += a.shared->cache[c].refs[i] == ref;
			CU_ASSERT(n <= 1); /* that of the get */
		}
	CU_ASSERT_EQUAL(object_delete(&a, q), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(an_item_that_grows_is_got_as_it_was),
		KIT_TEST(an_item_that_grows_is_seen_as_it_was),
		KIT_TEST(an_item_that_grows_is_kept_as_it_was),
		KIT_TEST(an_item_that_grows_is_scanned_as_it_was),
		KIT_TEST(a_body_without_room_for_all_of_it_is_damage),
		KIT_TEST(what_the_record_of_a_put_leads_to_is_freed_only_if_it_was_made),
	};
	return kit_run("task race", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
