/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_HEAVY_H
#define SABIR_RPC_HEAVY_H

#include <pthread.h>

#include "server/rpc/pending.h"

/*
 * Threads for operations that take long (op_is_heavy), so that they hold up no worker and nobody whom it serves. A thread is
 * made when there is something to do for it; there are as many as half of the processors, at least one. Others than
 * pending.c need not know of it: to them such an operation waits, and its answer comes as that of a parked one.
 */
#define HEAVY_MAX_THREADS 16u

struct heavy_job;

struct heavy {
	struct rpc *rpc;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* there is a job, or it ends */
	struct heavy_job *first, *last;
	uint32_t n_threads;
	uint32_t n_idle;
	uint32_t most;
	bool ending;
	pthread_t thread[HEAVY_MAX_THREADS];
};

void heavy_init(struct heavy *heavy, struct rpc *rpc);
/* When nothing is left to be done. */
void heavy_fini(struct heavy *heavy);

/*
 * Has the operation run, and pending_finish() called, once, on another thread. p->job is set until then. Errors: NO_MEMORY:
 * it is not.
 */
enum sabir_error heavy_add(struct heavy *heavy, struct pending *p, const struct pending_task *task);
/* True: it is out, nothing was done, and pending_finish() will not be called. False: it ends as soon as it can. */
bool heavy_cancel(struct heavy *heavy, struct pending *p);

#endif
