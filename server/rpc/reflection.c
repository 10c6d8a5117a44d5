/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server reflection: a stream of questions about the protos, each answered before the next is read.
 */
#include "server/rpc/reflection.h"

#include "server/rpc/call.h"
#include "server/rpc/reflection_wire.h"

static void answer_message(struct call *call, struct request *request)
{
	struct bytes response = { 0 };
	if (!reflection_answer(request->span, &response)) {
		stream_end(call, GRPC_STATUS_INVALID_ARGUMENT, "not a ServerReflectionRequest");
		return;
	}
	stream_send(call, &response);
	bytes_fini(&response);
}

static bool busy(struct call *call)
{
	return stream_is_leaving(call) || stream_has_input(call);
}

static void turn(struct call *call)
{
	struct request request;
	do {
		switch (stream_read(call, &request)) {
		case STREAM_MESSAGE:
			answer_message(call, &request);
			request_close(&request);
			return;
		case STREAM_FINISHED:
			stream_end(call, GRPC_STATUS_OK, "");
			return;
		case STREAM_NOTHING:
			break;
		}
		if (stream_is_leaving(call)) {
			stream_leave(call);
			return;
		}
	} while (!stream_rest(call));
}

static const struct stream_kind kind = { .turn = turn, .busy = busy };

void reflection_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	(void)stream_open(call, &kind, NULL);
}
