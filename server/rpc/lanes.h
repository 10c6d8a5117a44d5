/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_LANES_H
#define SABIR_RPC_LANES_H

#include <pthread.h>

#include "server/shm/lane.h"

/*
 * Lanes for threads that have none of their own: gRPC ends a stream's batches on whatever thread is at hand. A lane is
 * taken for the time of a turn and given back, so there are as many as turns at the same time.
 */
struct lent_lane;

struct lanes {
	pthread_mutex_t mutex;
	struct segment *seg;
	uint32_t owner;
	struct lent_lane *free;
};

void lanes_init(struct lanes *lanes, struct segment *seg, uint32_t owner);
/* Closes all; all have been given back. */
void lanes_fini(struct lanes *lanes);

/* A lane that acts for nobody and does not sleep for locks. NULL: no lane is free, or no memory. */
struct lane *lanes_take(struct lanes *lanes);
/* NULL is fine. */
void lanes_give(struct lanes *lanes, struct lane *lane);
/* Of the lanes that nobody has and that were used since the last time. */
void lanes_empty_caches(struct lanes *lanes);

#endif
