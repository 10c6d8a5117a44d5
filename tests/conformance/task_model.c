/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task queues against a plain model: an array of items, searched from end to end. See model.h for how it is run. Time is left
 * out: delays and leases are either of no length or longer than the run.
 */
#include "tests/conformance/model.h"

#define MAX 64
#define LONG (3600 * SABIR_SECOND)

enum state { FREE, READY, DELAYED, LEASED, DEAD };

struct item {
	enum state state;
	int64_t number, priority;
	unsigned long long ordinal;
	unsigned attempts;
	uint64_t token;
};

static struct {
	struct item at[MAX];
	struct sabir_task_spec spec;
	unsigned long long next;
	uint64_t unfinished;
	bool paused, closed, known[8];
} model;

static sabir_queue *queues[2];

static sabir_queue *either(void)
{
	return queues[random_below(2)];
}

static unsigned count(enum state state)
{
	unsigned n = 0;
	for (int i = 0; i < MAX; i++)
		n += model.at[i].state == state;
	return n;
}

static unsigned held(void)
{
	return count(READY) + count(DELAYED) + count(LEASED);
}

static bool comes_before(const struct item *a, const struct item *b)
{
	if (model.spec.discipline == SABIR_PRIORITY && a->priority != b->priority)
		return a->priority < b->priority;
	return model.spec.discipline == SABIR_LIFO ? a->ordinal > b->ordinal : a->ordinal < b->ordinal;
}

static struct item *first(enum state state)
{
	struct item *best = NULL;
	for (int i = 0; i < MAX; i++)
		if (model.at[i].state == state && (!best || comes_before(&model.at[i], best)))
			best = &model.at[i];
	return best;
}

static struct item *random_leased(void)
{
	for (unsigned i = 0, from = random_below(MAX); i < MAX; i++)
		if (model.at[(from + i) % MAX].state == LEASED)
			return &model.at[(from + i) % MAX];
	return NULL;
}

static enum sabir_error expected_get(struct item **item)
{
	*item = model.paused ? NULL : first(READY);
	if (*item)
		return SABIR_OK;
	return model.closed && !held() ? SABIR_CLOSED : SABIR_EMPTY;
}

static void finish_one(void)
{
	model.unfinished -= model.unfinished > 0;
}

/* ---------------------------------------------------------------- steps */

static void step_put(void)
{
	static const char *const ids[] = { "", "a", "b", "c", "d", "e", "f", "g" };
	struct sabir_task task = { .size = sizeof(task) };
	struct sabir_item item = sabir_int((int64_t)model.next);
	unsigned id = model.spec.dedup_window_ns && !random_below(8) ? random_below(8) : 0;
	bool duplicate = false, delayed = !random_below(8);
	enum sabir_error expected = SABIR_OK;
	if (held() + count(DEAD) == MAX)
		return;
	if (model.spec.discipline == SABIR_PRIORITY)
		task.priority = (int64_t)random_below(5) - 2;
	task.dedup_id = ids[id];
	task.delay_ns = delayed ? LONG : 0;
	if (model.closed)
		expected = SABIR_CLOSED;
	else if (!(id && model.known[id]) && model.spec.max_items && held() >= model.spec.max_items)
		expected = SABIR_FULL;
	SAME(sabir_task_queue_put(either(), &item, &task, 0, &duplicate) == expected);
	SAME(duplicate == (!expected && id && model.known[id]));
	if (expected || duplicate)
		return;
	for (int i = 0; i < MAX; i++) {
		if (model.at[i].state != FREE)
			continue;
		model.at[i] = (struct item){ delayed ? DELAYED : READY, item.as.i, task.priority, model.next++, 0, 0 };
		break;
	}
	model.known[id] = id != 0;
	model.unfinished++;
}

static void step_get(void)
{
	struct item *item;
	struct sabir_item *got;
	enum sabir_error expected = expected_get(&item);
	SAME(sabir_queue_get(either(), 0, &got) == expected);
	if (expected)
		return;
	SAME(got->kind == SABIR_ITEM_INT && got->as.i == item->number);
	item->state = FREE;
	sabir_free(got);
}

static void step_lease(void)
{
	struct item *item;
	struct sabir_item *got;
	struct sabir_lease lease;
	enum sabir_error expected = expected_get(&item);
	SAME(sabir_task_queue_lease(either(), LONG, 0, &got, &lease) == expected);
	if (expected)
		return;
	SAME(got->as.i == item->number && lease.attempts == item->attempts + 1);
	item->attempts++;
	item->state = LEASED;
	item->token = lease.token;
	sabir_free(got);
}

static void step_end_lease(void)
{
	struct item *item = random_leased();
	bool delayed = !random_below(4);
	if (!item) {
		SAME(sabir_task_queue_ack(either(), random_below(1000)) == SABIR_LEASE_LOST);
		return;
	}
	SAME(sabir_task_queue_extend(either(), item->token, LONG) == SABIR_OK);
	if (random_below(2)) {
		SAME(sabir_task_queue_ack(either(), item->token) == SABIR_OK);
		item->state = FREE;
		finish_one();
	} else {
		SAME(sabir_task_queue_nack(either(), item->token, delayed ? LONG : 0) == SABIR_OK);
		bool dead = model.spec.max_attempts && item->attempts >= model.spec.max_attempts;
		item->state = dead ? DEAD : delayed ? DELAYED : READY;
		if (dead)
			finish_one();
	}
	SAME(sabir_task_queue_nack(either(), item->token, 0) == SABIR_LEASE_LOST);
}

static void step_done(void)
{
	enum sabir_error expected = model.unfinished ? SABIR_OK : SABIR_TASK_DONE_TOO_OFTEN;
	if (!model.spec.joinable)
		expected = SABIR_NOT_ENABLED;
	SAME(sabir_task_queue_task_done(either()) == expected);
	if (!expected)
		model.unfinished--;
	expected = model.unfinished ? SABIR_WOULD_BLOCK : SABIR_OK;
	SAME(sabir_task_queue_join(either(), 0) == (model.spec.joinable ? expected : SABIR_NOT_ENABLED));
}

static void step_requeue(void)
{
	uint64_t max = random_below(3), moved = 99, expected = 0;
	struct item *item;
	while ((!max || expected < max) && (!model.spec.max_items || held() < model.spec.max_items) &&
	       (item = first(DEAD))) {
		item->state = READY;
		item->attempts = 0;
		model.unfinished++;
		expected++;
	}
	SAME(sabir_task_queue_requeue(either(), NULL, max, &moved) == SABIR_OK);
	SAME(moved == expected);
}

static void step_clear(void)
{
	uint64_t removed = 99, expected = count(READY) + count(DELAYED) + count(DEAD);
	for (int i = 0; i < MAX; i++) {
		struct item *item = &model.at[i];
		if (item->state == READY || item->state == DELAYED)
			finish_one();
		if (item->state != LEASED)
			item->state = FREE;
	}
	SAME(sabir_queue_clear(either(), &removed) == SABIR_OK);
	SAME(removed == expected);
}

static void check_state(void)
{
	struct sabir_task_state s;
	SAME(sabir_task_queue_state(either(), &s) == SABIR_OK);
	SAME(s.ready == count(READY) && s.delayed == count(DELAYED) && s.leased == count(LEASED));
	SAME(s.dead == count(DEAD) && s.unfinished == (model.spec.joinable ? model.unfinished : 0));
	SAME(s.closed == model.closed && s.paused == model.paused);
}

static void step(void)
{
	unsigned n = random_below(100);
	if (n < 40) {
		step_put();
	} else if (n < 55) {
		step_get();
	} else if (n < 70) {
		step_lease();
	} else if (n < 85) {
		step_end_lease();
	} else if (n < 90) {
		step_done();
	} else if (n < 94) {
		step_requeue();
	} else if (n < 95) {
		step_clear();
	} else if (n < 99) {
		model.paused = model.paused ? false : !random_below(3);
		SAME((model.paused ? sabir_task_queue_pause(either()) : sabir_task_queue_resume(either())) == SABIR_OK);
	} else if (!random_below(10)) {
		model.closed = true;
		SAME(sabir_queue_close(either()) == SABIR_OK);
	}
	check_state();
}

static void history(unsigned n_steps)
{
	const char *name = "model/task";
	memset(&model, 0, sizeof(model));
	model.spec = (struct sabir_task_spec){ .size = sizeof(model.spec),
					       .discipline = 1 + random_below(3),
					       .joinable = random_below(2),
					       .max_items = random_below(3) * 5,
					       .max_attempts = random_below(4),
					       .dedup_window_ns = random_below(2) ? LONG : 0 };
	SAME(sabir_task_queue_create(conns[0], name, &model.spec, 0, &queues[0]) == SABIR_OK);
	SAME(sabir_queue_open(conns[1], name, &queues[1]) == SABIR_OK);
	for (history_step = 1; history_step <= n_steps; history_step++)
		step();
	SAME(sabir_delete(conns[random_below(2)], name) == SABIR_OK);
	sabir_queue_free(queues[0]);
	sabir_queue_free(queues[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "task queue", 200, history);
}
