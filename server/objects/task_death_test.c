/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death at each step of each operation of a task queue: afterwards the queue and its dead letters hold together what they
 * held before, or what they hold after the whole operation; nothing is there twice, no memory is lost, and the operation
 * can be done by others.
 */
#include "server/objects/keep.h"
#include "server/objects/task_parts.h"
#include "server/objects/task_test_kit.h"

struct scene {
	uint64_t q, dead;
	uint64_t token; /* of item 1 */
};

static struct scene *scene; /* shared with children */
static bool copied;         /* the queues are being copied: what is touched is logged */

static void begin_log(uint64_t handle)
{
	struct tasks q;
	CU_ASSERT_EQUAL_FATAL(tasks_enter(&a, SEG_OP_TASK_CHANGE, handle, &q), SABIR_OK);
	CU_ASSERT_EQUAL(tasks_leave(&q, tasks_log_begin(&q, 1)), SABIR_OK);
}

/* Items 1 and 2 on lease, 3 to 5 ready, 6 delayed, 7 among the dead letters. */
static void make_scene(void)
{
	struct task_lease as;
	*scene = (struct scene){ .dead = make_named("dead", &(struct task_spec){ 0 }, 0, "") };
	scene->q = make_named("work", &(struct task_spec){ .max_attempts = 1, .dedup_window_ns = 60000 * MS }, 0,
			      "dead");
	put(scene->q, 7);
	CU_ASSERT_EQUAL(lease(&a, scene->q, 1000 * MS, &as), 7);
	CU_ASSERT_EQUAL(task_queue_nack(&a, scene->q, as.token, 0), SABIR_OK);
	put(scene->q, 1);
	CU_ASSERT_EQUAL(lease(&b, scene->q, 1000 * MS, &as), 1);
	scene->token = as.token;
	put(scene->q, 2);
	CU_ASSERT_EQUAL(lease(&b, scene->q, 500 * MS, &as), 2);
	for (uint64_t i = 3; i <= 5; i++)
		put_as(&a, scene->q, i, &(struct task_put){ .ttl_ns = 1000000 * MS });
	put_as(&a, scene->q, 6, &(struct task_put){ .delay_ns = 800 * MS });
	if (copied) {
		begin_log(scene->q);
		begin_log(scene->dead);
	}
}

/* Takes everything out and gives it as a set; false: something was there twice, or the books are wrong. */
static bool drain(uint64_t *set)
{
	uint64_t queues[] = { scene->q, scene->dead }, seen = 0, number;
	bool fine = true;
	task_clock_ahead_ns += 10000 * MS;
	for (int i = 0; i < 2; i++) {
		struct task_queue_size size = size_of(queues[i]);
		while (get_as(&a, queues[i], 0, &number, NULL) == SABIR_OK) {
			fine &= number < 64 && !(seen & 1ull << number);
			seen |= 1ull << number;
			size.ready--;
		}
		fine &= size.ready == 0 && size_of(queues[i]).leased == 0 && size_of(queues[i]).dead == 0;
	}
	*set = seen;
	return fine;
}

static void end_scene(void)
{
	CU_ASSERT_EQUAL(object_delete(&a, scene->q), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, scene->dead), SABIR_OK);
}

static void die_at_each_step(kit_act *act)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before = settled(), after;
	uint64_t undone = 0, done = 0, set = 0;
	make_scene();
	CU_ASSERT(drain(&undone));
	end_scene();
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		make_scene();
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, act, &dying, scene));
		if (i) /* what a lane does for memory differs from time to time */
			(void)kit_die_at(&steps->at[i - 1], act, &dying, scene);
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		bool fine = drain(&set) && (i == 0 || set == done || set == undone);
		if (i == 0)
			done = set;
		CU_ASSERT(fine);
		if (!fine)
			fprintf(stderr, "step %s %u: %llx, not %llx or %llx\n", i ? steps->at[i - 1].name : "-",
				i ? steps->at[i - 1].nth : 0, (unsigned long long)set, (unsigned long long)undone,
				(unsigned long long)done);
		end_scene();
	}
	after = settled();
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	munmap(steps, sizeof(*steps));
}

/* ---------------------------------------------------------------- the acts */

static void act_put(struct lane *by, void *context)
{
	struct scene *s = context;
	(void)put_as(by, s->q, 20,
		     &(struct task_put){ .id = text("twenty"), .delay_ns = 5 * MS, .ttl_ns = 90000 * MS });
}

static void act_put_many(struct lane *by, void *context)
{
	struct scene *s = context;
	uint64_t numbers[] = { 20, 21, 22, 23 };
	struct queue_item items[4];
	uint32_t accepted;
	bool duplicate;
	for (int i = 0; i < 4; i++)
		items[i] = (struct queue_item){ .body = { (uint8_t *)&numbers[i], 8 } };
	(void)task_queue_put(by, s->q, items, 4, &(struct task_put){ 0 }, &accepted, &duplicate);
}

/* What it gets it keeps only when it returns: until then a death gives it back. */
static void act_get(struct lane *by, void *context)
{
	struct scene *s = context;
	struct bytes out = { 0 };
	(void)task_queue_get(by, s->q, 3, 0, &out, NULL);
}

/* One that stays open until its answer is kept. */
static void act_take(struct lane *by, void *context)
{
	struct scene *s = context;
	struct bytes out = { 0 }, places = { 0 };
	if (!task_queue_take_open(by, s->q, 2, &out, &places))
		task_queue_take_close(by, 2);
}

static void act_abandon(struct lane *by, void *context)
{
	struct scene *s = context;
	struct bytes out = { 0 }, places = { 0 };
	if (!task_queue_take_open(by, s->q, 3, &out, &places))
		(void)task_queue_take_abandon(by);
}

static void act_lease(struct lane *by, void *context)
{
	struct scene *s = context;
	struct task_lease leases[3];
	struct bytes out = { 0 };
	(void)task_queue_get(by, s->q, 3, 1000 * MS, &out, leases);
}

static void act_ack(struct lane *by, void *context)
{
	struct scene *s = context;
	(void)task_queue_ack(by, s->q, s->token);
}

static void act_nack(struct lane *by, void *context)
{
	struct scene *s = context;
	(void)task_queue_nack(by, s->q, s->token, 0);
}

static void act_extend(struct lane *by, void *context)
{
	struct scene *s = context;
	(void)task_queue_extend(by, s->q, s->token, 7 * MS);
}

static void act_settle(struct lane *by, void *context)
{
	struct scene *s = context;
	task_clock_ahead_ns += 900 * MS;
	(void)task_queue_settle(by, s->q);
}

static void act_clear(struct lane *by, void *context)
{
	struct scene *s = context;
	uint64_t removed;
	(void)task_queue_clear(by, s->q, &removed);
}

static void act_requeue(struct lane *by, void *context)
{
	struct scene *s = context;
	uint64_t moved;
	(void)task_queue_requeue(by, s->dead, 0, 0, &moved);
}

static void act_requeue_to(struct lane *by, void *context)
{
	struct scene *s = context;
	uint64_t moved;
	(void)task_queue_requeue(by, s->q, s->dead, 0, &moved);
}

/* A slice for each item, so that there are several. */
static void act_keep(struct lane *by, void *context)
{
	struct scene *s = context;
	struct kept_tasks kept;
	keep_tasks_slice = 2;
	if (!keep_tasks(by, s->q, &kept))
		kept_tasks_fini(&kept);
}

static void act_states(struct lane *by, void *context)
{
	struct scene *s = context;
	(void)task_queue_pause(by, s->q, true);
	(void)task_queue_pause(by, s->q, false);
	(void)task_queue_close(by, s->q);
}

#define DEATH_TEST(act)                                                                                                \
	static void death_in_##act(void)                                                                               \
	{                                                                                                              \
		die_at_each_step(act_##act);                                                                           \
	}                                                                                                              \
	static void death_in_##act##_while_it_is_copied(void)                                                          \
	{                                                                                                              \
		copied = true;                                                                                         \
		die_at_each_step(act_##act);                                                                           \
		copied = false;                                                                                        \
	}

DEATH_TEST(put)
DEATH_TEST(put_many)
DEATH_TEST(get)
DEATH_TEST(take)
DEATH_TEST(abandon)
DEATH_TEST(lease)
DEATH_TEST(ack)
DEATH_TEST(nack)
DEATH_TEST(extend)
DEATH_TEST(settle)
DEATH_TEST(clear)
DEATH_TEST(requeue)
DEATH_TEST(requeue_to)
DEATH_TEST(keep)

/* And is where it was when that is abandoned; the bound counts for the others, who may put meanwhile. */
static void what_an_open_take_has_is_nobody_elses(void)
{
	struct bytes out = { 0 }, places = { 0 };
	struct lane by = kit_lane(&seg);
	uint64_t number;
	make_scene();
	CU_ASSERT_EQUAL(task_queue_take_open(&by, scene->q, 2, &out, &places), SABIR_OK);
	CU_ASSERT(out.n_items == 2 && places.len == 2 * sizeof(struct task_place));
	CU_ASSERT(size_of(scene->q).ready == 1);
	CU_ASSERT_EQUAL(task_queue_take_abandon(&by), SABIR_OK);
	for (uint64_t i = 3; i <= 5; i++)
		CU_ASSERT(get_as(&a, scene->q, 0, &number, NULL) == SABIR_OK && number == i);
	end_scene();
	kit_lane_close(&by);
	bytes_fini(&out);
	bytes_fini(&places);
}

/* Whoever has the lock then is waited for: the recovery says BUSY, and is made again. */
static void an_open_take_comes_back_when_the_lock_is_free(void)
{
	struct bytes out = { 0 }, places = { 0 };
	struct lane by = kit_lane(&seg);
	uint64_t set, before;
	make_scene();
	CU_ASSERT(drain(&before));
	end_scene();
	make_scene();
	CU_ASSERT_EQUAL(task_queue_take_open(&by, scene->q, 3, &out, &places), SABIR_OK);
	struct seg_object *o = &seg.objects[object_index(scene->q)];
	CU_ASSERT_EQUAL(kit_hold(&b, &o->lock), SABIR_OK);
	a.lock_patience_ns = MS;
	CU_ASSERT_EQUAL(owner_recover(&a, by.owner), SABIR_BUSY);
	CU_ASSERT_EQUAL(load32_relaxed(&by.shared->op), SEG_OP_TASK_GET);
	a.lock_patience_ns = 0;
	kit_let_go(&b, &o->lock);
	CU_ASSERT_EQUAL(owner_recover(&a, by.owner), SABIR_OK);
	CU_ASSERT(drain(&set) && set == before);
	end_scene();
	bytes_fini(&out);
	bytes_fini(&places);
}

/* A queue that was left paused is let go on. */
static void death_in_a_change_of_state_changes_no_item(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	uint64_t undone = 0, set = 0;
	make_scene();
	CU_ASSERT(drain(&undone));
	end_scene();
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		make_scene();
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, act_states, &dying, scene));
		if (i)
			CU_ASSERT(kit_die_at(&steps->at[i - 1], act_states, &dying, scene));
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		CU_ASSERT_EQUAL(task_queue_pause(&a, scene->q, false), SABIR_OK);
		CU_ASSERT(drain(&set) && set == undone);
		end_scene();
	}
	munmap(steps, sizeof(*steps));
}

/* The recovery of one who has leased, and died in a put of many: it may die too. */
static void recover_owner(struct lane *by, void *context)
{
	(void)owner_recover(by, *(uint32_t *)context);
}

static void a_recovery_that_dies_at_any_step_is_done_again(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct kit_step in_put = { "task_put.inserted", 2 };
	uint64_t set = 0;
	a.lock_patience_ns = MS;
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane holder = kit_lane(&seg), dying = kit_lane(&seg);
		struct task_lease as;
		make_scene();
		CU_ASSERT_EQUAL(lease(&holder, scene->q, 99999 * MS, &as), 3);
		CU_ASSERT(kit_die_at(&in_put, act_put_many, &holder, scene));
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, recover_owner, &dying, &holder.owner));
		if (i)
			(void)kit_die_at(&steps->at[i - 1], recover_owner, &dying, &holder.owner);
		/* The one may have to wait for what the other holds: the second round finds it. */
		(void)owner_recover(&a, dying.owner);
		CU_ASSERT_EQUAL(owner_recover(&a, holder.owner), SABIR_OK);
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		CU_ASSERT(drain(&set) && set == 0xf000fe);
		end_scene();
	}
	a.lock_patience_ns = 0;
	munmap(steps, sizeof(*steps));
}

static void delete_queue(struct lane *by, void *context)
{
	struct scene *s = context;
	(void)object_delete(by, s->q);
}

static void a_delete_that_dies_at_any_step_loses_no_memory(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before = settled();
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		make_scene();
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, delete_queue, &dying, scene));
		if (i)
			(void)kit_die_at(&steps->at[i - 1], delete_queue, &dying, scene);
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		(void)object_delete(&a, scene->q);
		CU_ASSERT_EQUAL(object_delete(&a, scene->dead), SABIR_OK);
	}
	CU_ASSERT_EQUAL(settled().used_bytes, before.used_bytes);
	munmap(steps, sizeof(*steps));
}

static void a_delete_while_it_is_copied(void)
{
	copied = true;
	a_delete_that_dies_at_any_step_loses_no_memory();
	copied = false;
}

static int setup_all(void)
{
	scene = kit_shared(sizeof(*scene));
	return setup();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(death_in_put),
		KIT_TEST(death_in_put_while_it_is_copied),
		KIT_TEST(death_in_put_many),
		KIT_TEST(death_in_put_many_while_it_is_copied),
		KIT_TEST(death_in_get),
		KIT_TEST(death_in_get_while_it_is_copied),
		KIT_TEST(death_in_take),
		KIT_TEST(death_in_take_while_it_is_copied),
		KIT_TEST(death_in_abandon),
		KIT_TEST(death_in_abandon_while_it_is_copied),
		KIT_TEST(what_an_open_take_has_is_nobody_elses),
		KIT_TEST(an_open_take_comes_back_when_the_lock_is_free),
		KIT_TEST(death_in_lease),
		KIT_TEST(death_in_lease_while_it_is_copied),
		KIT_TEST(death_in_ack),
		KIT_TEST(death_in_ack_while_it_is_copied),
		KIT_TEST(death_in_nack),
		KIT_TEST(death_in_nack_while_it_is_copied),
		KIT_TEST(death_in_extend),
		KIT_TEST(death_in_extend_while_it_is_copied),
		KIT_TEST(death_in_settle),
		KIT_TEST(death_in_settle_while_it_is_copied),
		KIT_TEST(death_in_clear),
		KIT_TEST(death_in_clear_while_it_is_copied),
		KIT_TEST(death_in_requeue),
		KIT_TEST(death_in_requeue_while_it_is_copied),
		KIT_TEST(death_in_requeue_to),
		KIT_TEST(death_in_requeue_to_while_it_is_copied),
		KIT_TEST(death_in_keep),
		KIT_TEST(death_in_keep_while_it_is_copied),
		KIT_TEST(death_in_a_change_of_state_changes_no_item),
		KIT_TEST(a_recovery_that_dies_at_any_step_is_done_again),
		KIT_TEST(a_delete_that_dies_at_any_step_loses_no_memory),
		KIT_TEST(a_delete_while_it_is_copied),
	};
	return kit_run("task_death", setup_all, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
