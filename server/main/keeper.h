/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_KEEPER_H
#define SABIR_MAIN_KEEPER_H

#include "server/main/config.h"
#include "server/main/kept.h"

/*
 * The keeper: a small process that runs the server as its child, holds what must outlive it (kept.h), and starts the next
 * one when it dies. To the server it is a service manager; what the server tells it, it tells its own manager too.
 *
 * `serve` runs the server in a child, as server_run, and takes `kept`. Returns an exit status: that of the server that ended
 * by itself.
 */
typedef int keeper_serve_fn(void *context, struct kept *kept, int keeper);

struct keeper_options {
	const struct config *config;
	keeper_serve_fn *serve;
	void *context;
	char *const
		*argv; /* of a program that takes the server's place: SIGUSR2 starts it anew by the path of this one */
};

/* `kept`: of the service manager, which has run a keeper before. Taken. */
int keeper_run(const struct keeper_options *options, struct kept *kept);

/*
 * For a server whose keeper has died: starts another one, which is given all that is to be kept by the new *socket. False: it
 * can't be, with errno. keeper_remember: the arguments of this program, once.
 */
void keeper_remember(char *const *argv);
bool keeper_again(int *socket, pid_t *pid);

/*
 * In a program that a keeper has started: waits until it is this one's turn, and fills what is kept. *socket, to the keeper, is
 * the caller's. False: no keeper has started it. Errors are logged, and end in an exit status in *status.
 */
bool keeper_started_this(struct kept *kept, int *socket, int *status);

#endif
