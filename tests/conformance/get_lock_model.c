/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The locks of a value and of an array, by their own functions and as locks, against a holder and a depth: re-entrant,
 * one for each object, the same for all who ask. Nothing of the numbers waits for them.
 */
#include "tests/conformance/model.h"

static struct held {
	int holder; /* -1: nobody */
	uint64_t depth, token;
} model[2]; /* of the value, of the array */
static int64_t sums[2];
static sabir_value *values[2];
static sabir_array *arrays[2];
static sabir_lock *locks[2][2]; /* [who][which]: as locks */

static void acquire(int who, int which)
{
	struct held *m = &model[which];
	bool again = m->holder == who;
	enum sabir_error expected = m->holder < 0 || again ? SABIR_OK : SABIR_WOULD_BLOCK, error;
	struct sabir_hold hold;
	bool as_lock = random_below(2);
	if (as_lock)
		error = sabir_lock_acquire(locks[who][which], 0, &hold);
	else
		error = which ? sabir_array_lock(arrays[who], 0) : sabir_value_lock(values[who], 0);
	SAME(error == expected);
	if (error)
		return;
	m->token += !again;
	m->depth++;
	m->holder = who;
	SAME(!as_lock || (hold.token == m->token && hold.depth == m->depth && !hold.abandoned));
}

static void release(int who, int which)
{
	struct held *m = &model[which];
	enum sabir_error error;
	if (random_below(2))
		error = sabir_lock_release(locks[who][which]);
	else
		error = which ? sabir_array_unlock(arrays[who]) : sabir_value_unlock(values[who]);
	SAME(error == (m->holder == who ? SABIR_OK : SABIR_NOT_HELD));
	if (!error && --m->depth == 0)
		m->holder = -1;
}

static void look(int who, int which)
{
	const struct held *m = &model[which];
	struct sabir_lock_state state;
	SAME(!sabir_lock_status(locks[who][which], &state));
	SAME(state.locked == (m->holder >= 0) && state.mine == (m->holder == who));
	SAME(state.depth == m->depth && state.token == m->token && !state.abandoned);
}

/* Whoever has the lock: the numbers themselves are as free as ever. */
static void count(int who, int which)
{
	int64_t sum;
	SAME(!(which ? sabir_array_add_int(arrays[who], 0, 1, &sum) : sabir_value_add_int(values[who], 1, &sum)));
	SAME(sum == ++sums[which]);
}

static void begin(void)
{
	int maker = (int)random_below(2);
	SAME(!sabir_value_create(conns[maker], NULL, 'q', 0, &values[maker]));
	SAME(!sabir_value_open_handle(conns[!maker], sabir_value_handle(values[maker]), &values[!maker]));
	SAME(!sabir_array_create(conns[!maker], NULL, 'q', 3, 0, &arrays[!maker]));
	SAME(!sabir_array_open_handle(conns[maker], sabir_array_handle(arrays[!maker]), &arrays[maker]));
	for (int who = 0; who < 2; who++) {
		SAME(!sabir_value_get_lock(values[who], &locks[who][0]));
		SAME(!sabir_array_get_lock(arrays[who], &locks[who][1]));
	}
	for (int which = 0; which < 2; which++) {
		SAME(sabir_lock_handle(locks[0][which]) == sabir_lock_handle(locks[1][which]));
		model[which] = (struct held){ .holder = -1 };
		sums[which] = 0;
	}
	SAME(sabir_lock_handle(locks[0][0]) != sabir_lock_handle(locks[0][1]));
}

static void end(void)
{
	SAME(!sabir_delete_handle(conns[random_below(2)], sabir_value_handle(values[0])));
	SAME(!sabir_delete_handle(conns[random_below(2)], sabir_array_handle(arrays[0])));
	SAME(sabir_value_lock(values[1], 0) == SABIR_DELETED);
	SAME(sabir_lock_acquire(locks[0][1], 0, NULL) == SABIR_DELETED);
	for (int who = 0; who < 2; who++) {
		sabir_value_free(values[who]);
		sabir_array_free(arrays[who]);
		sabir_lock_free(locks[who][0]);
		sabir_lock_free(locks[who][1]);
	}
}

static void history(unsigned n_steps)
{
	static void (*const steps[])(int, int) = { acquire, acquire, acquire, release, release, release, look, count };
	history_step = 0;
	begin();
	for (history_step = 1; history_step <= n_steps; history_step++)
		steps[random_below(8)]((int)random_below(2), (int)random_below(2));
	end();
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "locks of values and arrays", 200, history);
}
