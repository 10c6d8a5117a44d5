/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_RESTART_LOAD_H
#define SABIR_TESTS_RESTART_LOAD_H

#include "tests/restart/restart.h"

/* The load: who uses the server while it is killed. Each is a process, which has one role. */
typedef void role(const struct restart *test, unsigned which, const char *object);

/* Holds a lock until it is killed; `which`: 1 = remotely. */
role hold;
/* Has one task of a queue all the time, by a lease of its session, and acks it when the ledger says stop. */
role keep_lease;

/* A process that plays the role; it dies with its parent. */
pid_t start(const struct restart *test, role *act, unsigned which, const char *object);

/* Those who put, get and stand in line. The first of them end when the ledger says stop, the others when their queues are closed. */
struct load {
	pid_t pids[16];
	unsigned n, n_until_stop;
};
struct load begin_load(const struct restart *test);
/* Behind the stop: whether all came to their end in order. */
bool end_load(const struct load *load, sabir_conn *conn);

#endif
