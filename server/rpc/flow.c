/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the streams with flow control share: their beginning and their end.
 */
#include "server/rpc/flow.h"

#include <stdio.h>

void flow_end(struct flow_end *end, enum sabir_error error, const char *detail)
{
	if (end->ending)
		return;
	end->ending = true;
	end->error = error;
	snprintf(end->detail, sizeof(end->detail), "%s", detail);
}

void flow_finish(struct call *call, const struct flow_end *end)
{
	if (!end->error) {
		stream_end(call, GRPC_STATUS_OK, "");
		return;
	}
	count(&call->rpc->counters.failed, 1);
	stream_fail(call, end->error, end->detail);
}

bool flow_may_send(const struct call *call)
{
	return load64_relaxed(&call->rpc->unsent_bytes) <= call->rpc->max_unsent_bytes;
}

bool flow_admit(struct call *call)
{
	bool draining = load32_relaxed(&call->rpc->draining);
	if (!draining && flow_may_send(call))
		return true;
	count(&call->rpc->counters.refused, 1);
	if (draining)
		call_reply(call, SABIR_UNAVAILABLE, "the server is shutting down", NULL);
	else
		call_reply(call, SABIR_RESOURCE_EXHAUSTED, "too many responses wait for clients that do not read them",
			   NULL);
	return false;
}
