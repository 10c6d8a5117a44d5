/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_KEEPER_PARTS_H
#define SABIR_MAIN_KEEPER_PARTS_H

#include <signal.h>
#include <stdbool.h>

#include "server/main/keeper.h"

/* What keeper.c and upgrade.c share. */
struct keeper_child {
	pid_t pid;  /* 0: none */
	int socket; /* -1: none */
	int pidfd;  /* of a server that is not the keeper's child; 0: it is */
	uint64_t start_ns;
	uint64_t ready_ns; /* 0: not yet */
	bool stopping;     /* it has said that it comes to its end */
	bool stands_by;    /* it has started, found the memory usable, and waits for its turn */
};

struct keeper {
	const struct keeper_options *options;
	struct kept kept;
	struct keeper_child server;
	struct keeper_child next; /* that is to take the server's place */
	bool hands_over;          /* the server has been told to make room for `next` */
	uint64_t patience_ns;     /* CLOCK_MONOTONIC: so long `next`, or the server that makes room, may take */
	int program;              /* descriptor of the program that servers are; 0: the keeper's own */
	int next_program, former_program;
	bool on_trial; /* the server is of a program that has not been ready yet */
	char *path;    /* where a newer one will be; owned */
	int signal_fd;
	sigset_t only_keeper; /* signals that a child must not have blocked */
	bool ever_ready, ending, over;
	bool to_reap;      /* a child has died, and may not have been waited for */
	unsigned n_short;  /* lives that were short, one behind the other */
	uint64_t again_ns; /* when the next server is started */
	int exit_status;
};

/* Reads what the child has said so far. */
void keeper_hear(struct keeper *k, struct keeper_child *child);
/* Starts a child that becomes something and does not return. False, with errno. */
bool keeper_fork(struct keeper *k, struct keeper_child *child, void (*become)(struct keeper *k, int socket));

/* Whether a server has started this keeper in place of one that died: fills what the server is. */
bool keeper_is_another(struct keeper_child *server);

bool upgrade_init(struct keeper *k);
void upgrade_fini(struct keeper *k);
void upgrade_begin(struct keeper *k);
/* Does what can be done now. */
void upgrade_go_on(struct keeper *k);
/* `next` is not to come any more. */
void upgrade_cancel(struct keeper *k);
void upgrade_next_ended(struct keeper *k, int status);
/* Whether the server has ended to make room. */
bool upgrade_server_ended(struct keeper *k, int status);
/* Starts the program that was upgraded to, as the server. False, with errno. */
bool upgrade_again(struct keeper *k);

#endif
