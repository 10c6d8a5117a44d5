/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_RESTART_H
#define SABIR_TESTS_RESTART_H

#include <sabir.h>
#include <sys/types.h>

#include "tests/restart/ledger.h"

/* What the load, the kills and the verdict work on. */
struct restart {
	const char *local_url, *remote_url;
	pid_t keeper; /* the parent of the server that is killed */
	struct ledger *ledger;
};

#define MS 1000000ull
/* Within that everything is answered that comes to an end at all. */
#define PATIENCE (10000 * MS)

/* Whose items the ledger counts. */
enum producer { LOCAL_A, LOCAL_B, FROM_REMOTE, TASKS };

uint64_t now_ns(void);
void pause_ns(uint64_t ns);
/* Ends the process: the test can't go on. */
void die(const char *what, enum sabir_error error) __attribute__((noreturn));
sabir_conn *dial(const char *url);
sabir_queue *open_queue(sabir_conn *conn, const char *name);
/* Counts one verdict and prints it. */
void check(bool right, const char *what);

#endif
