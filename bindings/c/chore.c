/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chores: what is left behind by a call that gives up. They are rare, one needs a stopped process, so each has a thread.
 */
#include "bindings/c/chore.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define LANE_AGAIN_NS 10000000

struct chore {
	struct sabir_conn *conn;
	chore_fn *run;
	void *context;
};

static void do_it(struct lane *lane, const struct chore *chore)
{
	while (chore->run(lane, chore->context) == SABIR_BUSY)
		;
	free(chore->context);
}

static void *work(void *context)
{
	const struct timespec again = { 0, LANE_AGAIN_NS };
	struct chore *chore = context;
	struct lane *lane;
	/* All lanes may be in use; threads end. */
	while (conn_enter(chore->conn, &lane))
		nanosleep(&again, NULL);
	do_it(lane, chore);
	conn_unref(chore->conn);
	free(chore);
	return NULL;
}

static bool start(struct chore *chore)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&thread, &attributes, work, chore) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return started;
}

void chore_leave(struct sabir_conn *conn, struct lane *lane, chore_fn *run, void *context)
{
	struct chore here = { conn, run, context }, *chore = malloc(sizeof(*chore));
	if (chore) {
		*chore = here;
		conn_ref(conn);
		if (start(chore))
			return;
		conn_unref(conn);
		free(chore);
	}
	do_it(lane, &here);
}
