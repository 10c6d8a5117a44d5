/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WatchService.Watch: Next again and again, each time behind what was told last. While a response is on its way nothing is
 * asked for, so a client that does not read costs one response, and is told later what it has lost.
 */
#include <stdlib.h>

#include "server/rpc/flow.h"
#include "server/rpc/watch_wire.h"

struct watch {
	struct errand next;
	struct flow_end end;
	const struct op *op;
	struct watch_message message;
	struct bytes request; /* of the errand */
};

static struct watch *of(struct call *call)
{
	return call->stream.own;
}

static void ask(struct call *call, struct watch *w)
{
	bytes_truncate(&w->request, 0);
	if (!flow_may_send(call))
		flow_end(&w->end, SABIR_RESOURCE_EXHAUSTED,
			 "too many responses wait for clients that do not read them");
	else if (!watch_put_next(&w->message, &w->request))
		flow_end(&w->end, SABIR_NO_MEMORY, "");
	else
		(void)errand_run(&w->next, w->op, (struct span){ w->request.data, w->request.len });
}

/* True: a message is on its way. */
static bool tell(struct call *call, struct watch *w)
{
	enum sabir_error error = w->next.error;
	if (error)
		flow_end(&w->end, error, w->next.detail);
	else
		w->message.after = watch_last((struct span){ w->next.response.data, w->next.response.len });
	errand_clear(&w->next);
	if (error || stream_is_closed(call))
		return false;
	stream_send(call, &w->next.response);
	return true;
}

/* True: the turn is over. */
static bool act(struct call *call, struct watch *w)
{
	if (stream_is_leaving(call) && !w->end.ending) {
		flow_end(&w->end, SABIR_UNAVAILABLE, "the server is shutting down");
		errand_cancel(&w->next);
	}
	enum errand_state state = errand_state(&w->next);
	if (state == ERRAND_NONE && !w->end.ending) {
		ask(call, w);
		state = errand_state(&w->next);
	}
	if (state == ERRAND_DONE && !w->end.ending && tell(call, w))
		return true;
	if (!w->end.ending || errand_state(&w->next) == ERRAND_WAITING || stream_is_closed(call))
		return false;
	flow_finish(call, &w->end);
	return true;
}

static bool busy(struct call *call)
{
	struct watch *w = of(call);
	return w->end.ending ? w->next.state != ERRAND_WAITING
			     : w->next.state != ERRAND_WAITING || stream_is_leaving(call);
}

static void turn(struct call *call)
{
	struct watch *w = of(call);
	do {
		if (act(call, w))
			return;
	} while (!stream_rest(call));
}

static void closed(struct call *call)
{
	errand_cancel(&of(call)->next);
}

static void fini(struct call *call)
{
	struct watch *w = of(call);
	errand_fini(&w->next);
	watch_message_fini(&w->message);
	bytes_fini(&w->request);
	free(w);
}

static const struct stream_kind kind = { .turn = turn, .busy = busy, .closed = closed, .fini = fini };

static struct watch *watch_new(struct call *call)
{
	struct request request;
	struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	errand_init(&w->next, call);
	w->op = op_find("/sabir.v1.WatchService/Next");
	if (!request_open(call, &request))
		return w;
	bool fine = watch_read(&w->message, request.span);
	request_close(&request);
	if (!fine)
		flow_end(&w->end, SABIR_INVALID_ARGUMENT, "the message is malformed");
	return w;
}

void watch_handle(struct call *call, struct worker *worker)
{
	(void)worker;
	if (!flow_admit(call))
		return;
	struct watch *w = watch_new(call);
	if (!w)
		call_reply(call, SABIR_NO_MEMORY, "", NULL);
	else if (!stream_open(call, &kind, w)) {
		watch_message_fini(&w->message);
		free(w);
	}
}
