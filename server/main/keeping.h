/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_KEEPING_H
#define SABIR_MAIN_KEEPING_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/base/loop.h"

/* A server's side of the socket to its keeper: hears it, and finds another one when it dies. For the main loop. */
struct keeping {
	struct loop *loop;
	struct loop_fd socket;
	pid_t pid; /* of the keeper, 0: there never was one */
	/* The keeper wants this server to make room for the next one. */
	void (*leave)(void *context);
	/* There is another keeper, of this pid, who has nothing yet; false: not all could be given to it. */
	bool (*give_all)(void *context, pid_t pid);
	void *context;
};

/* Set `leave`, `give_all` and `context` before. socket -1: there is no keeper; else it is taken. Errors: RESOURCE_EXHAUSTED. */
enum sabir_error keeping_start(struct keeping *k, struct loop *loop, int socket);
/* Once a second: tries again to start a keeper, if that has failed. */
void keeping_tick(struct keeping *k);
/*
 * In front of the end of a server that makes room for the next one: whoever is to go on with what is kept is there. The keeper may have died
 * while nobody listened, and the next server with it; then there is another one, who starts this program again.
 */
void keeping_look(struct keeping *k);
void keeping_stop(struct keeping *k);

#endif
