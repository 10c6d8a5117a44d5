/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task queue and the queue of its dead letters against a plain model with a clock: random operations of two owners, one of
 * whom dies now and then, and hours that pass. After each step both queues must hold what the model's do.
 *
 * All times are whole hours and the clock is moved by whole hours, so the moments that the test itself takes change nothing.
 */
#include <stdlib.h>

#include "server/objects/task_test_kit.h"

#define HOUR 3600000000000ull
#define MOST 64
#define N_IDS 6

enum state { FREE, READY, DELAYED, LEASED, DEAD };

struct item {
	enum state state;
	int queue;                                     /* 0: the queue, 1: the one of its dead letters */
	uint64_t number, ordinal, due, expires, token; /* hours; 0 = none */
	int64_t priority;
	uint32_t attempts;
	bool sent, by_b;
};

struct queue_model {
	uint64_t handle, next, unfinished, max_items, ttl;
	struct task_spec spec;
	bool paused, closed;
};

static struct queue_model q[2];
static struct item items[MOST];
static uint64_t hour, numbers, known_until[N_IDS];
static uint64_t random_state;

static unsigned below(unsigned n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((random_state >> 33) % n);
}

/* ---------------------------------------------------------------- the model */

static unsigned count(int queue, enum state state)
{
	unsigned n = 0;
	for (int i = 0; i < MOST; i++)
		n += items[i].state == state && items[i].queue == queue;
	return n;
}

static unsigned held(int queue)
{
	return count(queue, READY) + count(queue, DELAYED) + count(queue, LEASED);
}

static bool full(int queue)
{
	return q[queue].max_items && held(queue) >= q[queue].max_items;
}

static bool before(const struct item *x, const struct item *y)
{
	uint32_t discipline = q[x->queue].spec.discipline;
	if (discipline == SEG_TASK_PRIORITY && x->priority != y->priority)
		return x->priority < y->priority;
	return discipline == SEG_TASK_LIFO ? x->ordinal > y->ordinal : x->ordinal < y->ordinal;
}

/* The first in a state that comes behind `last`. */
static struct item *first_behind(int queue, enum state state, const struct item *last)
{
	struct item *best = NULL;
	for (int i = 0; i < MOST; i++) {
		struct item *it = &items[i];
		if (it->state == state && it->queue == queue && (!last || before(last, it)) &&
		    (!best || before(it, best)))
			best = it;
	}
	return best;
}

static struct item *first(int queue, enum state state)
{
	return first_behind(queue, state, NULL);
}

static void finish_one(int queue)
{
	q[queue].unfinished -= q[queue].unfinished > 0;
}

static void drop(struct item *it)
{
	it->state = FREE;
	finish_one(it->queue);
}

static void give_back(struct item *it, uint64_t delay)
{
	uint32_t most = q[it->queue].spec.max_attempts;
	if (most && it->attempts >= most) {
		it->state = DEAD;
		finish_one(it->queue);
	} else if (it->expires && it->expires <= hour) {
		drop(it);
	} else {
		it->state = delay ? DELAYED : READY;
		it->due = hour + delay;
	}
}

static void settle(int queue)
{
	for (int i = 0; i < MOST; i++) {
		struct item *it = &items[i];
		if (it->queue != queue)
			continue;
		bool waits = it->state == READY || it->state == DELAYED;
		if (it->state == LEASED && it->due <= hour)
			give_back(it, 0);
		else if (waits && it->expires && it->expires <= hour)
			drop(it);
		else if (it->state == DELAYED && it->due <= hour)
			it->state = READY;
	}
}

static void move(struct item *it, int to, bool sent)
{
	if (it->state != DEAD)
		finish_one(it->queue);
	it->queue = to;
	it->state = READY;
	it->ordinal = q[to].next++;
	it->expires = it->attempts = 0;
	it->sent = sent;
	q[to].unfinished++;
}

static void send_dead(void)
{
	struct item *it;
	while (!q[1].closed && (it = first(0, DEAD)))
		move(it, 1, true);
}

/* ---------------------------------------------------------------- steps */

static bool step_put(int queue)
{
	struct task_put how = { .delay_ns = below(4) ? 0 : (1 + below(3)) * HOUR,
				.ttl_ns = below(4) ? 0 : (1 + below(4)) * HOUR };
	static const char *const ids[N_IDS] = { "", "a", "b", "c", "d", "e" };
	unsigned id = q[queue].spec.dedup_window_ns && !below(3) ? below(N_IDS) : 0;
	bool duplicate = false, known = id && known_until[id] > hour;
	uint64_t ttl = how.ttl_ns ? how.ttl_ns / HOUR : q[queue].ttl, number = ++numbers;
	struct queue_item item = { .body = { (const uint8_t *)&number, sizeof(number) } };
	uint32_t accepted = 9;
	if (q[queue].spec.discipline == SEG_TASK_PRIORITY)
		how.priority = (int64_t)below(3) - 1;
	how.id = text(ids[id]);
	enum sabir_error expected = q[queue].closed ? SABIR_CLOSED : !known && full(queue) ? SABIR_FULL : SABIR_OK;
	enum sabir_error error = task_queue_put(&a, q[queue].handle, &item, 1, &how, &accepted, &duplicate);
	if (error || known)
		return error == expected && (error || (duplicate && accepted == 0));
	if (id)
		known_until[id] = hour + q[queue].spec.dedup_window_ns / HOUR;
	for (int i = 0; i < MOST; i++) {
		if (items[i].state != FREE)
			continue;
		items[i] = (struct item){ how.delay_ns ? DELAYED : READY,
					  queue,
					  number,
					  q[queue].next++,
					  hour + how.delay_ns / HOUR,
					  ttl ? hour + ttl : 0,
					  0,
					  how.priority,
					  0,
					  false,
					  false };
		break;
	}
	q[queue].unfinished++;
	return expected == SABIR_OK && !duplicate && accepted == 1;
}

static bool step_get(int queue, uint64_t lease_hours)
{
	struct item *it = q[queue].paused ? NULL : first(queue, READY);
	bool by_b = below(2);
	uint64_t number = 0;
	struct task_lease as = { 0 };
	enum sabir_error error = get_as(by_b ? &b : &a, q[queue].handle, lease_hours * HOUR, &number, &as);
	if (!it)
		return error == (q[queue].closed && !held(queue) ? SABIR_CLOSED : SABIR_EMPTY);
	if (error || number != it->number)
		return false;
	it->state = lease_hours ? LEASED : FREE;
	if (!lease_hours)
		return true;
	it->due = hour + lease_hours;
	it->token = as.token;
	it->by_b = by_b;
	return as.attempts == ++it->attempts;
}

static bool step_end_lease(void)
{
	struct item *it = &items[below(MOST)];
	uint64_t queue = q[it->queue].handle, hours = below(3);
	enum sabir_error expected = it->state == LEASED ? SABIR_OK : SABIR_LEASE_LOST, error;
	unsigned what = below(3);
	if (it->state == FREE)
		return true;
	if (what == 0)
		error = task_queue_ack(&a, queue, it->token);
	else if (what == 1)
		error = task_queue_nack(&b, queue, it->token, hours * HOUR);
	else
		error = task_queue_extend(&b, queue, it->token, (1 + hours) * HOUR);
	if (error || expected)
		return error == expected;
	if (what == 0)
		drop(it);
	else if (what == 1)
		give_back(it, hours);
	else
		it->due = hour + 1 + hours;
	return true;
}

static bool step_death(void)
{
	enum sabir_error error = owner_recover(&a, b.owner);
	b = kit_lane(&seg);
	for (int i = 0; i < MOST; i++)
		if (items[i].state == LEASED && items[i].by_b)
			give_back(&items[i], 0);
	return error == SABIR_OK;
}

/* From the queue of dead letters to where they came from, or any of the queue to there. */
static bool step_requeue(void)
{
	uint64_t max = below(3), moved = 99, n = 0;
	int from = below(3) != 0;
	struct item *it, *last = NULL, copy;
	enum sabir_error expected = SABIR_OK;
	while (from && (!max || n < max) && !full(1) && (it = first(1, DEAD))) {
		it->state = READY;
		it->attempts = it->expires = 0;
		q[1].unfinished++;
		n++;
	}
	while ((!max || n < max) && (it = first_behind(from, READY, last))) {
		copy = *it;
		last = &copy;
		if (from && !it->sent)
			continue;
		expected = q[!from].closed ? SABIR_CLOSED : full(!from) ? SABIR_FULL : SABIR_OK;
		if (expected && !from)
			break;
		if (expected)
			continue;
		move(it, !from, false);
		n++;
	}
	expected = from || n ? SABIR_OK : expected;
	enum sabir_error error = task_queue_requeue(&a, q[from].handle, from ? 0 : q[1].handle, max, &moved);
	return error == expected && (error || moved == n);
}

static bool step_clear(int queue)
{
	uint64_t removed = 99, n = 0;
	for (int i = 0; i < MOST; i++) {
		struct item *it = &items[i];
		if (it->queue != queue || it->state == FREE || it->state == LEASED)
			continue;
		if (it->state != DEAD)
			finish_one(queue);
		it->state = FREE;
		n++;
	}
	return task_queue_clear(&a, q[queue].handle, &removed) == SABIR_OK && removed == n;
}

static bool step_state(int queue)
{
	if (below(20) == 0) {
		q[queue].closed = true;
		return task_queue_close(&b, q[queue].handle) == SABIR_OK;
	}
	q[queue].paused = !q[queue].paused && below(3) == 0;
	return task_queue_pause(&b, q[queue].handle, q[queue].paused) == SABIR_OK;
}

static bool step_done(int queue)
{
	enum sabir_error expected = q[queue].unfinished ? SABIR_OK : SABIR_TASK_DONE_TOO_OFTEN;
	if (task_queue_task_done(&a, q[queue].handle) != expected)
		return false;
	finish_one(queue);
	return task_queue_join(&a, q[queue].handle) == (q[queue].unfinished ? SABIR_WOULD_BLOCK : SABIR_OK);
}

static bool step(unsigned what)
{
	int queue = below(4) == 0;
	if (what < 30)
		return held(0) + held(1) + count(0, DEAD) + count(1, DEAD) == MOST || step_put(queue);
	if (what < 40)
		return step_get(queue, 0);
	if (what < 60)
		return step_get(queue, 1 + below(3));
	if (what < 75)
		return step_end_lease();
	if (what < 78)
		return step_death();
	if (what < 84)
		return step_requeue();
	if (what < 85)
		return step_clear(queue);
	if (what < 88)
		return step_state(queue);
	if (what < 92)
		return step_done(queue);
	hour += 1 + below(2);
	task_clock_ahead_ns += HOUR * (hour - task_clock_ahead_ns / HOUR);
	return true;
}

/* ---------------------------------------------------------------- histories */

static bool same(int queue)
{
	struct task_queue_size size = size_of(q[queue].handle);
	return size.ready == count(queue, READY) && size.delayed == count(queue, DELAYED) &&
	       size.leased == count(queue, LEASED) && size.dead == count(queue, DEAD) &&
	       size.unfinished == q[queue].unfinished && size.closed == q[queue].closed &&
	       size.paused == q[queue].paused;
}

static void begin(void)
{
	memset(items, 0, sizeof(items));
	memset(known_until, 0, sizeof(known_until));
	for (int i = 1; i >= 0; i--) {
		q[i] = (struct queue_model){ .next = 1, .max_items = below(2) ? 0 : 6, .ttl = below(2) ? 0 : 4 };
		q[i].spec = (struct task_spec){ .discipline = below(3),
						.joinable = true,
						.max_attempts = below(4),
						.dedup_window_ns = i || below(2) ? 0 : 3 * HOUR,
						.ttl_ns = q[i].ttl * HOUR };
		q[i].handle = make_named(i ? "dead" : "", &q[i].spec, q[i].max_items, i ? "" : "dead");
	}
}

static bool history(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ull;
	begin();
	bool fine = true;
	for (unsigned i = 0; fine && i < 300; i++) {
		unsigned what = below(100);
		fine = step(what);
		/* Whatever is due is done, and what is dead then goes its way. */
		for (int k = 0; fine && k < 2; k++)
			fine = task_queue_settle(&a, q[k].handle) == SABIR_OK;
		settle(0);
		send_dead();
		settle(1);
		fine = fine && same(0) && same(1);
		if (!fine)
			printf("\n    seed %llu, step %u (%u) ", (unsigned long long)seed, i, what);
	}
	object_delete(&a, q[0].handle);
	object_delete(&a, q[1].handle);
	return fine;
}

static void every_history_is_the_models(void)
{
	struct arena_stats before_all = settled(), after;
	for (uint64_t seed = 1; seed <= 300; seed++)
		CU_ASSERT_FATAL(history(seed));
	after = settled();
	CU_ASSERT_EQUAL(after.used_bytes, before_all.used_bytes);
	CU_ASSERT_EQUAL(after.n_blocks, before_all.n_blocks);
	task_clock_ahead_ns = 0;
}

int main(void)
{
	static const CU_TestInfo tests[] = { KIT_TEST(every_history_is_the_models) };
	return kit_run("task time", setup, teardown, tests, 1);
}
