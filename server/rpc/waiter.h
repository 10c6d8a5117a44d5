/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_WAITER_H
#define SABIR_RPC_WAITER_H

#include "server/rpc/asker.h"

#define ASKED_MAX_WAITERS 16u /* for one operation: with one more, the one that came first waits no longer */

/* One place at which an answer is waited for; then the answer. */
struct waiter {
	struct keyed by_tag;
	struct asker *asker;
	struct asked *asked; /* a reference */
	struct waiter *next; /* in the operation's list, then in the asker's */
	/* Not 0: what it gets instead of the result, which may still be waited for elsewhere. */
	enum sabir_error error;
	const char *detail;
};

/* Who is to be told of answers, when the mutex is free. */
struct tell {
	struct asker *asker[ASKED_MAX_WAITERS];
	uint64_t bytes[ASKED_MAX_WAITERS];
	uint32_t n;
};

/* With the mutex held: */

/* The asker waits for the operation, under this tag; there is room for it. Takes a reference to the operation. */
void waiter_add(struct asked *asked, struct waiter *waiter, struct asker *asker, uint64_t tag);
/* Takes it out of its operation's list. */
void waiter_remove(struct waiter *waiter);
/* It has its answer: it is the asker's, who is to be told. */
void waiter_give(struct waiter *waiter, struct tell *tell);
/*
 * Its asker, among whose tags it is no more, does not wait. True: nobody else does either, and waiter_cancel must be called
 * without the mutex, which drops the waiter; else it is dropped.
 */
bool waiter_leave(struct waiter *waiter);

/* Without it: */

void waiter_cancel(struct waiter *waiter);
void waiters_tell(const struct tell *tell);

/* An answer that was taken from an asker. */
struct answer {
	enum sabir_error error;
	struct span response;
	const char *detail;
};
struct answer answer_of(const struct waiter *waiter);
/* Drops answers. Those that could not be delivered are undone unless they have an id. */
void answers_drop_undelivered(struct waiter *list);
void answers_drop_delivered(struct waiter *list);

#endif
