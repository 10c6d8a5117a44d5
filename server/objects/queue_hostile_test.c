/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues, task queues and what is waited for, used beside a program that writes into them all the while. Whatever they answer, nobody
 * crashes or hangs, and another object of the kind has what it had.
 */
#include "server/objects/barrier.h"
#include "server/objects/keep.h"
#include "server/objects/mutex.h"
#include "server/objects/queue_kind.h"
#include "server/objects/semaphore.h"
#include "server/objects/task_parts.h"

#include "server/objects/object_hostile_test_kit.h" /* behind those whose parameters have its names */

#define N_LIVES 30u
#define N_ITEMS 100u
#define ITEM_LEN 40u

static void ignore(void *context, uint64_t handle)
{
	(void)context;
	(void)handle;
}

static uint64_t make_kind(uint32_t kind, uint64_t length)
{
	struct object_spec spec = { .kind = kind, .length = length };
	if (kind == SEG_KIND_SEMAPHORE)
		spec.flags = SEG_SEMAPHORE_OWNED;
	if (kind == SEG_KIND_TASK_QUEUE)
		spec.task = (struct task_spec){ .discipline = SEG_TASK_PRIORITY,
						.max_attempts = 2,
						.dedup_window_ns = 1000 };
	return kit_make(&spec);
}

/* ---------------------------------------------------------------- queues */

static void put_some(uint64_t q, uint32_t n)
{
	uint8_t data[ITEM_LEN] = { 0x3a, ITEM_LEN - 2 };
	const struct queue_item items[2] = { { .body = { data, ITEM_LEN } }, { .body = { data, ITEM_LEN } } };
	uint32_t accepted;
	for (uint32_t i = 0; i < n; i++) {
		if (i % 3)
			(void)queue_put_one(&lane, q, items);
		else
			(void)queue_put(&lane, q, items, 2, &accepted);
	}
}

static uint64_t make_queue(void)
{
	uint64_t q = make_kind(SEG_KIND_QUEUE, 0);
	put_some(q, N_ITEMS);
	return q;
}

static bool queue_is_whole(uint64_t q)
{
	struct queue_size size;
	struct bytes out = { 0 };
	bool good = queue_size(&lane, q, &size) == SABIR_OK && size.size == N_ITEMS + (N_ITEMS + 2) / 3;
	for (uint64_t i = 0; good && i < size.size; i++) {
		bytes_empty(&out);
		good = queue_get(&lane, q, 1, &out) == SABIR_OK && out.len == ITEM_LEN && out.data[0] == 0x3a;
	}
	bytes_fini(&out);
	return good;
}

static void hold_some(uint64_t q, uint32_t i)
{
	const uint64_t holder = queue_holder(i, lane.owner), borrower = queue_borrower(i, lane.owner);
	struct bytes out = { 0 };
	struct span item;
	uint32_t gone;
	(void)queue_hold(&lane, q, 3, holder, &out);
	(void)queue_borrow(&lane, q, borrower, &item);
	(void)queue_settle(&lane, q, holder, 1, &gone);
	(void)queue_unhold(&lane, q, holder);
	(void)queue_return(&lane, q, borrower);
	bytes_fini(&out);
}

static void reserve_one(uint64_t q)
{
	struct queue_slot slot;
	if (queue_reserve(&lane, q, (struct span){ NULL, 0 }, ITEM_LEN, &slot) == SABIR_OK &&
	    queue_commit(&lane, q, &slot))
		(void)queue_forgo(&lane, &slot);
}

static void get_some(uint64_t q)
{
	struct bytes out = { 0 };
	for (int i = 0; i < 20; i++) {
		bytes_empty(&out);
		(void)queue_get_one(&lane, q, &out);
	}
	(void)queue_get(&lane, q, 7, &out);
	bytes_empty(&out);
	(void)queue_peek(&lane, q, &out);
	bytes_empty(&out);
	if (queue_get_open(&lane, q, 2, &out, NULL) == SABIR_OK)
		(void)queue_get_abandon(&lane);
	bytes_fini(&out);
}

static void use_queue(uint64_t q)
{
	struct kept_queue kept;
	struct queue_size size;
	uint64_t n;
	for (uint32_t i = 0; i < 20; i++) {
		use_again(q);
		put_some(q, 30);
		hold_some(q, i);
		reserve_one(q);
		get_some(q);
		use_again(q);
		(void)queue_size(&lane, q, &size);
		(void)queue_scan(&lane, q, ignore, NULL);
		if (keep_queue(&lane, q, &kept) == SABIR_OK)
			kept_queue_fini(&kept);
	}
	(void)queue_clear(&lane, q, &n);
}

/* ---------------------------------------------------------------- task queues */

static void put_tasks(uint64_t q, uint32_t n)
{
	uint8_t data[ITEM_LEN] = { 0x3a, ITEM_LEN - 2 };
	const struct queue_item item = { .body = { data, ITEM_LEN } };
	for (uint32_t i = 0; i < n; i++) {
		const struct task_put how = { .priority = i % 5,
					      .ttl_ns = i % 7 ? 0 : CLOCK_SECOND * 1000,
					      .id = { data, i % 4 ? 0 : 1 + i % ITEM_LEN } };
		uint32_t accepted;
		bool duplicate;
		(void)task_queue_put(&lane, q, &item, 1, &how, &accepted, &duplicate);
	}
}

static uint64_t make_tasks(void)
{
	uint64_t q = make_kind(SEG_KIND_TASK_QUEUE, 0);
	put_tasks(q, 30);
	return q;
}

static bool tasks_are_whole(uint64_t q)
{
	struct task_queue_size size;
	struct bytes out = { 0 };
	bool good = task_queue_size(&lane, q, &size) == SABIR_OK && size.ready > 20;
	for (uint64_t i = 0; good && i < size.ready; i++) {
		bytes_empty(&out);
		good = task_queue_get(&lane, q, 1, 0, &out, NULL) == SABIR_OK && out.len == ITEM_LEN &&
		       out.data[0] == 0x3a;
	}
	bytes_fini(&out);
	return good;
}

static void lease_some(uint64_t q)
{
	struct task_lease leases[3];
	struct bytes out = { 0 };
	if (task_queue_get(&lane, q, 3, CLOCK_SECOND * 1000, &out, leases) == SABIR_OK) {
		(void)task_queue_ack(&lane, q, leases[0].token);
		(void)task_queue_nack(&lane, q, leases[1 % out.n_items].token, 0);
		(void)task_queue_extend(&lane, q, leases[2 % out.n_items].token, CLOCK_SECOND);
	}
	bytes_empty(&out);
	(void)task_queue_get(&lane, q, 2, 0, &out, NULL);
	bytes_empty(&out);
	(void)task_queue_peek(&lane, q, &out);
	bytes_empty(&out);
	if (task_queue_take_open(&lane, q, 2, &out, NULL) == SABIR_OK)
		(void)task_queue_take_abandon(&lane);
	bytes_fini(&out);
}

static void use_tasks(uint64_t q)
{
	struct kept_tasks kept;
	uint64_t n;
	for (int i = 0; i < 20; i++) {
		use_again(q);
		put_tasks(q, 10);
		lease_some(q);
		use_again(q);
		if (keep_tasks(&lane, q, &kept) == SABIR_OK)
			kept_tasks_fini(&kept);
		use_again(q);
		(void)tasks_scan(&lane, q, ignore, NULL);
		(void)task_queue_requeue(&lane, q, 0, 0, &n);
		(void)tasks_owner_gone(&lane, q, lane.actor.owner);
	}
	(void)task_queue_clear(&lane, q, &n);
}

/* ---------------------------------------------------------------- what is waited for */

static uint64_t make_semaphore(void)
{
	return make_kind(SEG_KIND_SEMAPHORE, 3);
}

static bool semaphore_is_whole(uint64_t s)
{
	struct semaphore_state state;
	return semaphore_look(&lane, s, &state) == SABIR_OK && state.value == 3;
}

static void use_semaphore(uint64_t s)
{
	uint64_t places[3] = { 0 };
	for (int i = 0; i < 300; i++) {
		use_again(s);
		(void)semaphore_take(&lane, s);
		(void)semaphore_take_in_turn(&lane, s, &places[i % 3], false);
		(void)semaphore_give(&lane, s, 2);
		(void)semaphore_give_up(&lane, s, places[(i + 1) % 3]);
		(void)semaphore_kind.owner_gone(&lane, s, i % 10 ? 5 : lane.actor.owner);
	}
}

static uint64_t make_lock(void)
{
	return make_kind(SEG_KIND_RLOCK, 0);
}

static bool lock_is_whole(uint64_t lock)
{
	struct mutex_hold hold;
	return mutex_take(&lane, lock, &hold) == SABIR_OK && hold.token == 1 && mutex_release(&lane, lock) == SABIR_OK;
}

static void use_lock(uint64_t lock)
{
	struct mutex_wait waits[3] = { { 0 }, { 0 }, { 0 } };
	struct mutex_hold hold;
	for (int i = 0; i < 300; i++) {
		use_again(lock);
		(void)mutex_take_in_turn(&lane, lock, &waits[i % 3], &hold);
		(void)mutex_release(&lane, lock);
		(void)mutex_give_up(&lane, lock, waits[(i + 1) % 3].place);
		(void)mutex_kind.owner_gone(&lane, lock, i % 10 ? 5 : lane.actor.owner);
	}
}

static uint64_t make_barrier(void)
{
	return make_kind(SEG_KIND_BARRIER, 3);
}

static bool barrier_is_whole(uint64_t b)
{
	struct barrier_state state;
	return barrier_look(&lane, b, &state) == SABIR_OK && state.parties == 3 && !state.broken && !state.cycle;
}

static void use_barrier(uint64_t b)
{
	uint64_t places[3] = { 0 }, index;
	for (int i = 0; i < 300; i++) {
		use_again(b);
		(void)barrier_wait(&lane, b, &places[i % 3], false, &index);
		if (i % 7 == 0)
			(void)barrier_reset(&lane, b);
		if (i % 11 == 0)
			(void)barrier_give_up(&lane, b, places[(i + 1) % 3]);
		if (i % 50 == 0)
			(void)barrier_kind.owner_gone(&lane, b, lane.actor.owner);
	}
}

/* ---------------------------------------------------------------- lives */

static const struct kind_life life_of_a_queue = { make_queue, make_queue, queue_is_whole, use_queue, 256, { NULL } };
static const struct kind_life life_of_tasks = { make_tasks, make_tasks, tasks_are_whole, use_tasks, 320, { NULL } };
static const struct kind_life life_of_a_semaphore = {
	make_semaphore, make_semaphore, semaphore_is_whole, use_semaphore, 64, { NULL }
};
static const struct kind_life life_of_a_lock = { make_lock, make_lock, lock_is_whole, use_lock, 80, { NULL } };
static const struct kind_life life_of_a_barrier = { make_barrier, make_barrier, barrier_is_whole,
						    use_barrier,  64,           { NULL } };

static void who_uses_a_queue_comes_to_an_end(void)
{
	lives_beside_a_vandal_end_well(&life_of_a_queue, N_LIVES);
}

static void who_uses_a_task_queue_comes_to_an_end(void)
{
	lives_beside_a_vandal_end_well(&life_of_tasks, N_LIVES);
}

static void who_waits_comes_to_an_end(void)
{
	lives_beside_a_vandal_end_well(&life_of_a_semaphore, N_LIVES);
	lives_beside_a_vandal_end_well(&life_of_a_lock, N_LIVES);
	lives_beside_a_vandal_end_well(&life_of_a_barrier, N_LIVES);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(who_uses_a_queue_comes_to_an_end),
		KIT_TEST(who_uses_a_task_queue_comes_to_an_end),
		KIT_TEST(who_waits_comes_to_an_end),
	};
	return kit_run("queues, hostile", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
