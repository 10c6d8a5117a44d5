/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_ASKER_H
#define SABIR_RPC_ASKER_H

#include "server/rpc/asks.h"

/*
 * Who asks: a stream of the session, or a call with an id. What it has asked for it waits for, by tags, until it is given
 * the answer: a list that it takes. Whoever gives one tells the asker, without a lock held.
 */
#define ASKER_MAX_WAITING 16384u            /* calls of one stream */
#define ASKER_MAX_READY_BYTES (64ull << 20) /* results of one that is not read */

struct call;
struct waiter;

/* A part of the asker's own struct, all zero but for the first two, and `told` if it likes. */
struct asker {
	struct call *call; /* that it is of: a reference is held while it is told */
	/* Tells it that there are answers, so many bytes in all; 0: or that the session has ended. Any thread. */
	void (*ready)(struct asker *asker, uint64_t bytes);
	struct asker *prev, *next;
	struct keyed_table tags; /* waiters */
	struct waiter *answers;  /* the oldest first */
	struct waiter **answers_end;
	uint64_t ready_bytes;
	bool gone;
	bool told; /* that the session has ended; or it need not be */
};

void asker_enter(struct asks *asks, struct asker *asker);
/*
 * It wants no answers any more; what nobody else waits for is cancelled. Those that were given already are still to be taken.
 * Returns how many it waited for. Outside of asker_take.
 */
uint32_t asker_leave(struct asks *asks, struct asker *asker);
/* All answers that are there. */
struct waiter *asker_take(struct asks *asks, struct asker *asker);
void asker_fini(struct asker *asker);

/* The rest for asks.c, asked.c and waiter.c. With the mutex held: */

/* Takes a waiter out of the tags, and puts its answer into the list. */
void asker_give(struct waiter *waiter);
/* An asker that does not know that the session has ended: from now on it does. With a reference; NULL: there is none. */
struct asker *askers_next_untold(struct asks *asks);
/* Tells, without the mutex, and drops the reference to the asker's call, which was taken with it. */
void asker_tell(struct asker *asker, uint64_t bytes);

#endif
