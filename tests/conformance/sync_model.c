/* SPDX-License-Identifier: Apache-2.0 */
/* An event, a lock, a strict lock, an rlock and three semaphores, used by both connections, against a few variables. Nothing waits. */
#include "tests/conformance/model.h"

#define N_LOCKS 3u /* plain, strict, re-entrant */

struct lock_model {
	int holder; /* -1: free */
	uint64_t depth;
	uint64_t token;
};
static struct lock_model model[N_LOCKS];
static bool model_set;
static sabir_lock *locks[2][N_LOCKS];
static sabir_event *events[2];
static bool is_owner[2];

static void acquire(int who, unsigned i)
{
	struct lock_model *m = &model[i];
	struct sabir_hold hold;
	bool again = i == 2 && m->holder == who;
	enum sabir_error error = sabir_lock_acquire(locks[who][i], random_below(50) ? 0 : 1000, &hold);
	if (!is_owner[who]) {
		SAME(error == SABIR_SESSION_REQUIRED);
		return;
	}
	SAME(error == (m->holder < 0 || again ? SABIR_OK : SABIR_WOULD_BLOCK));
	if (error)
		return;
	m->token += !again;
	m->depth++;
	m->holder = who;
	SAME(hold.token == m->token && hold.depth == m->depth && !hold.abandoned);
}

static void release(int who, unsigned i)
{
	struct lock_model *m = &model[i];
	bool may = m->holder >= 0 && (i == 0 || m->holder == who);
	enum sabir_error error = sabir_lock_release(locks[who][i]);
	if (!is_owner[who]) {
		SAME(error == SABIR_SESSION_REQUIRED);
		return;
	}
	SAME(error == (may ? SABIR_OK : SABIR_NOT_HELD));
	if (!error && --m->depth == 0)
		m->holder = -1;
}

static void status(int who, unsigned i)
{
	struct lock_model *m = &model[i];
	struct sabir_lock_state state;
	SAME(!sabir_lock_status(locks[who][i], &state));
	SAME(state.locked == (m->holder >= 0) && state.mine == (m->holder == who) && !state.abandoned);
	SAME(state.depth == m->depth && state.token == m->token);
}

static void use_event(int who)
{
	bool set;
	switch (random_below(4)) {
	case 0:
		SAME(!sabir_event_set(events[who]));
		model_set = true;
		break;
	case 1:
		SAME(!sabir_event_clear(events[who]));
		model_set = false;
		break;
	case 2:
		SAME(!sabir_event_is_set(events[who], &set) && set == model_set);
		break;
	default:
		SAME(sabir_event_wait(events[who], random_below(20) ? 0 : 1000) ==
		     (model_set ? SABIR_OK : SABIR_WOULD_BLOCK));
	}
}

/* ---------------------------------------------------------------- semaphores: plain, owned, bounded */

#define BOUND 4u
static struct semaphore_model {
	uint64_t value;
	uint64_t held[2]; /* of those that are owned */
} counts[3];
static sabir_semaphore *semaphores[2][3];

static void take(int who, unsigned i)
{
	struct semaphore_model *m = &counts[i];
	enum sabir_error error = sabir_semaphore_acquire(semaphores[who][i], random_below(50) ? 0 : 1000);
	if (i > 0 && !is_owner[who]) {
		SAME(error == SABIR_SESSION_REQUIRED);
		return;
	}
	SAME(error == (m->value ? SABIR_OK : SABIR_WOULD_BLOCK));
	m->value -= !error;
	m->held[who] += i > 0 && !error;
}

/* First his own, then the other's. */
static void give(int who, unsigned i)
{
	struct semaphore_model *m = &counts[i];
	uint64_t n = 1 + random_below(3), left = n;
	enum sabir_error error = sabir_semaphore_release(semaphores[who][i], n);
	if (i > 0 && !is_owner[who]) {
		SAME(error == SABIR_SESSION_REQUIRED);
		return;
	}
	SAME(error == (i == 2 && m->value + n > BOUND ? SABIR_OUT_OF_RANGE : SABIR_OK));
	if (error)
		return;
	m->value += n;
	for (int k = 0; k < 2 && i > 0; k++) {
		uint64_t *held = &m->held[k ? !who : who];
		uint64_t some = *held < left ? *held : left;
		*held -= some;
		left -= some;
	}
}

static void count(int who, unsigned i)
{
	uint64_t value, mine;
	SAME(!sabir_semaphore_status(semaphores[who][i], &value, &mine));
	SAME(value == counts[i].value && mine == counts[i].held[who]);
}

static void begin_semaphores(void)
{
	static const unsigned flags[3] = { 0, SABIR_SEMAPHORE_OWNED, SABIR_SEMAPHORE_BOUNDED };
	for (unsigned i = 0; i < 3; i++) {
		SAME(!sabir_semaphore_create(conns[i & 1], NULL, BOUND, flags[i], &semaphores[i & 1][i]));
		SAME(!sabir_semaphore_open_handle(conns[!(i & 1)], sabir_semaphore_handle(semaphores[i & 1][i]),
						  &semaphores[!(i & 1)][i]));
		counts[i] = (struct semaphore_model){ .value = BOUND };
	}
}

static void end_semaphores(void)
{
	for (unsigned i = 0; i < 3; i++) {
		SAME(!sabir_delete_handle(conns[0], sabir_semaphore_handle(semaphores[0][i])));
		sabir_semaphore_free(semaphores[0][i]);
		sabir_semaphore_free(semaphores[1][i]);
	}
}

static void begin(void)
{
	begin_semaphores();
	SAME(!sabir_lock_create(conns[0], NULL, 0, &locks[0][0]));
	SAME(!sabir_lock_create(conns[0], NULL, SABIR_LOCK_STRICT, &locks[0][1]));
	SAME(!sabir_rlock_create(conns[0], NULL, 0, &locks[0][2]));
	SAME(!sabir_event_create(conns[0], NULL, 0, &events[0]));
	for (unsigned i = 0; i < N_LOCKS; i++) {
		SAME(!sabir_lock_open_handle(conns[1], sabir_lock_handle(locks[0][i]), &locks[1][i]));
		model[i] = (struct lock_model){ .holder = -1 };
	}
	SAME(!sabir_event_open_handle(conns[1], sabir_event_handle(events[0]), &events[1]));
	model_set = false;
	for (int who = 0; who < 2; who++) {
		is_owner[who] = sabir_lock_acquire(locks[who][0], 0, NULL) == SABIR_OK;
		model[0].token += is_owner[who];
		SAME(sabir_lock_release(locks[who][0]) == (is_owner[who] ? SABIR_OK : SABIR_SESSION_REQUIRED));
	}
	SAME(is_owner[0]);
}

static void end(void)
{
	end_semaphores();
	for (unsigned i = 0; i < N_LOCKS; i++) {
		SAME(!sabir_delete_handle(conns[1], sabir_lock_handle(locks[0][i])));
		SAME(sabir_lock_release(locks[0][i]) == SABIR_DELETED);
		sabir_lock_free(locks[0][i]);
		sabir_lock_free(locks[1][i]);
	}
	SAME(!sabir_delete_handle(conns[0], sabir_event_handle(events[0])));
	SAME(sabir_event_set(events[1]) == SABIR_DELETED);
	sabir_event_free(events[0]);
	sabir_event_free(events[1]);
}

static void history(unsigned n_steps)
{
	begin();
	for (history_step = 1; history_step <= n_steps; history_step++) {
		int who = (int)random_below(2);
		unsigned i = random_below(N_LOCKS), what = random_below(18);
		if (what < 4)
			acquire(who, i);
		else if (what < 7)
			release(who, i);
		else if (what < 8)
			status(who, i);
		else if (what < 10)
			use_event(who);
		else if (what < 14)
			take(who, i);
		else if (what < 17)
			give(who, i);
		else
			count(who, i);
	}
	end();
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "event, lock, rlock, semaphore", 200, history);
}
