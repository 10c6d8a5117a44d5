/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job of its own, because a stream may be gone before it is done. It is counted as a call, so that the front does not end
 * below it; the park, drained, ends it.
 */
#include "server/rpc/give_back.h"

#include <stdlib.h>

#include "server/rpc/errand.h"

struct job {
	struct pending pending;
	struct rpc *rpc;
	uint64_t queue, holder;
	struct outstanding leases;
	uint64_t token; /* the lease that is next; 0: what is held */
	struct bytes request, response;
	uint32_t tries;
	bool over;
};

#define MOST_TRIES 1000u /* of one step, each as long as an operation waits for a lock */

static void run(struct job *job);

static void end(struct job *job)
{
	call_count(job->rpc, -1);
	outstanding_fini(&job->leases);
	bytes_fini(&job->request);
	bytes_fini(&job->response);
	free(job);
}

static const struct op *write_request(struct job *job)
{
	bytes_truncate(&job->request, 0);
	bool fine = errand_put_ref(&job->request, job->queue);
	fine = fine && (job->token ? errand_put_number(&job->request, 2, job->token)
				   : errand_put_number(&job->request, 5, job->holder));
	if (!fine)
		return NULL;
	return job->token ? op_find("/sabir.v1.QueueService/Nack") : op_flow(OP_FLOW_GIVE_BACK);
}

static void done(struct pending *p, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct job *job = (struct job *)p; /* the first member */
	(void)response;
	(void)detail;
	job->over = error == SABIR_BUSY && (load32_relaxed(&job->rpc->draining) || ++job->tries == MOST_TRIES);
	job->over |= error == SABIR_UNAVAILABLE; /* what is left is for whoever comes behind the server */
}

/* Behind done(), when the struct is free to be used again. */
static void released(struct pending *p)
{
	struct job *job = (struct job *)p;
	if (job->over)
		end(job);
	else
		run(job);
}

static const struct pending_kind job_kind = { .done = done, .release = released };

/* One step. True: it is in the park, and the job no longer the caller's. */
static bool step(struct job *job, struct lane *lane)
{
	static const struct identity nobody;
	char detail[OP_DETAIL_SIZE];
	struct op_wait wait;
	enum sabir_error error;
	const struct op *op = write_request(job);
	const struct pending_task task = {
		.op = op,
		.request = { job->request.data, job->request.len },
		.who = &nobody,
		.lane = lane,
		.out = &job->response,
		.detail = detail,
	};
	if (!op || !pending_run(job->rpc, &task, &wait, &error))
		return false;
	pending_init(&job->pending, job->rpc, &job_kind);
	return pending_park(&job->pending, &task, &wait, error) == SABIR_OK;
}

static void run(struct job *job)
{
	struct rpc *rpc = job->rpc;
	struct lane *lane = lanes_take(&rpc->lanes);
	bool parked = false;
	while (lane && !(parked = step(job, lane)) && (job->token = outstanding_take(&job->leases)) != 0)
		;
	if (!parked)
		end(job);
	lanes_give(&rpc->lanes, lane);
}

void give_back(struct rpc *rpc, uint64_t queue, uint64_t holder, struct outstanding *leases)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job) {
		outstanding_fini(leases);
		return;
	}
	*job = (struct job){ .rpc = rpc, .queue = queue, .holder = holder, .leases = *leases };
	*leases = (struct outstanding){ 0 };
	call_count(rpc, 1);
	run(job);
}
