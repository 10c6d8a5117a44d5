/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects without a name, against who holds them and what refers to them: some are dicts that refer to others, in rings
 * too, all of them by numbers from 0. Whatever a holder or the one object with a name leads to is there; what nothing
 * leads to any more ends, within the server's linger and a few looks of its collector.
 */
#include <time.h>

#include "tests/conformance/model.h"

#define N 10u
#define NAME "model/root"
#define PATIENCE (300 * SABIR_SECOND)

static struct thing {
	bool exists;
	uint64_t handle;
	sabir_dict *held[2]; /* by a connection */
	bool refers[N];
} things[N];
static sabir_dict *roots[2];
static bool root_refers[N];

static struct sabir_item key_of(unsigned i)
{
	return sabir_int(i);
}

static void mark(unsigned i, bool alive[N])
{
	if (alive[i])
		return;
	alive[i] = true;
	for (unsigned k = 0; k < N; k++)
		if (things[i].refers[k])
			mark(k, alive);
}

static void find_alive(bool alive[N])
{
	memset(alive, 0, N * sizeof(alive[0]));
	for (unsigned i = 0; i < N; i++)
		if (root_refers[i] || (things[i].exists && (things[i].held[0] || things[i].held[1])))
			mark(i, alive);
}

/* ---------------------------------------------------------------- steps */

static void make(unsigned i)
{
	int who = (int)random_below(2);
	if (things[i].exists)
		return;
	things[i] = (struct thing){ .exists = true };
	SAME(!sabir_dict_create(conns[who], NULL, 0, &things[i].held[who]));
	things[i].handle = sabir_dict_handle(things[i].held[who]);
}

/* Only what is alive: of what lingers it is not known for how long. */
static void hold(unsigned i)
{
	int who = (int)random_below(2);
	bool alive[N];
	find_alive(alive);
	if (!things[i].exists || !alive[i] || things[i].held[who])
		return;
	SAME(!sabir_dict_open_handle(conns[who], things[i].handle, &things[i].held[who]));
}

static void let_go(unsigned i)
{
	int who = (int)random_below(2);
	sabir_dict_free(things[i].held[who]);
	things[i].held[who] = NULL;
}

static bool may_use(unsigned i)
{
	bool alive[N];
	find_alive(alive);
	return things[i].exists && alive[i];
}

/* The dict of a thing, or the one with a name, by somebody who has it. */
static sabir_dict *user_of(unsigned i)
{
	if (i == N)
		return roots[random_below(2)];
	return things[i].held[0] ? things[i].held[0] : things[i].held[1];
}

static void refer(unsigned from)
{
	unsigned to = random_below(N);
	from = random_below(2) ? N : from;
	sabir_dict *dict = user_of(from);
	if (!dict || !may_use(to))
		return;
	struct sabir_item key = key_of(to), item = sabir_object(things[to].handle);
	SAME(!sabir_dict_set(dict, &key, &item, NULL));
	*(from == N ? &root_refers[to] : &things[from].refers[to]) = true;
}

static void drop(unsigned from)
{
	unsigned to = random_below(N);
	from = random_below(2) ? N : from;
	sabir_dict *dict = user_of(from);
	struct sabir_item key = key_of(to);
	if (!dict)
		return;
	bool *refers = from == N ? &root_refers[to] : &things[from].refers[to];
	SAME(sabir_dict_delete(dict, &key) == (*refers ? SABIR_OK : SABIR_KEY_NOT_FOUND));
	*refers = false;
}

static void look(unsigned i)
{
	struct sabir_info info;
	if (may_use(i))
		SAME(!sabir_describe_handle(conns[random_below(2)], things[i].handle, &info) && !info.name_len);
}

/* ---------------------------------------------------------------- the end of what nothing leads to */

static void wait_for_end(unsigned i)
{
	const struct timespec pause = { 0, 1000000 };
	struct timespec now;
	struct sabir_info info;
	enum sabir_error error;
	clock_gettime(CLOCK_MONOTONIC, &now);
	time_t latest = now.tv_sec + (time_t)(PATIENCE / SABIR_SECOND);
	while ((error = sabir_describe_handle(conns[0], things[i].handle, &info)) == SABIR_OK) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		SAME(now.tv_sec < latest);
		nanosleep(&pause, NULL);
	}
	SAME(error == SABIR_DELETED);
	things[i] = (struct thing){ .exists = false };
}

static void settle(void)
{
	bool alive[N];
	find_alive(alive);
	for (unsigned i = 0; i < N; i++)
		if (things[i].exists && !alive[i])
			wait_for_end(i);
	for (unsigned i = 0; i < N; i++)
		look(i);
}

static void history(unsigned n_steps)
{
	static void (*const steps[])(unsigned) = { make, make, hold, let_go, let_go, refer, refer, drop, look };
	SAME(!sabir_dict_create(conns[random_below(2)], NAME, 0, &roots[0]));
	sabir_dict_free(roots[0]);
	for (int who = 0; who < 2; who++)
		SAME(!sabir_dict_open(conns[who], NAME, &roots[who]));
	memset(root_refers, 0, sizeof(root_refers));
	for (history_step = 1; history_step <= n_steps; history_step++) {
		steps[random_below(9)](random_below(N));
		if (random_below(120) == 0)
			settle();
	}
	for (unsigned i = 0; i < N; i++)
		for (int who = 0; who < 2; who++) {
			sabir_dict_free(things[i].held[who]);
			things[i].held[who] = NULL;
		}
	for (unsigned i = 0; i < N; i++)
		look(i);
	SAME(!sabir_delete(conns[random_below(2)], NAME));
	memset(root_refers, 0, sizeof(root_refers));
	settle();
	sabir_dict_free(roots[0]);
	sabir_dict_free(roots[1]);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "references", 120, history);
}
