/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.health.v1: one status for the server and all its services, asked for by Check and followed by Watch. A watcher
 * is told the status when it differs from what it was told last, so one that is slow misses none but the short-lived.
 */
#include "server/rpc/health.h"

#include <stdlib.h>

#include "server/rpc/call.h"
#include "server/rpc/health_wire.h"
#include "server/rpc/schema.h"

/* HealthCheckResponse.ServingStatus */
enum {
	SERVING = 1,
	NOT_SERVING = 2,
	SERVICE_UNKNOWN = 3,
};

/* The service that is asked for; false: the request is malformed. */
static bool read_service(struct call *call, bool *known)
{
	struct request request;
	struct span service;
	if (!request_open(call, &request))
		return false;
	bool valid = health_read(request.span, &service);
	*known = valid && (!service.len || schema_has_service(service));
	request_close(&request);
	return valid;
}

static void encode_status(int status, uint8_t to[2])
{
	to[0] = WIRE_TAG(1, WIRE_VARINT);
	to[1] = (uint8_t)status;
}

static int status_now(const struct rpc *rpc, bool known)
{
	if (!known)
		return SERVICE_UNKNOWN;
	return load32_acquire(&rpc->streams.serving) ? SERVING : NOT_SERVING;
}

void health_check_handle(struct call *call, struct worker *worker)
{
	bool known;
	uint8_t fixed[2];
	struct bytes response;
	(void)worker;
	if (!read_service(call, &known)) {
		call_reject(call, GRPC_STATUS_INVALID_ARGUMENT, "not a HealthCheckRequest");
		return;
	}
	if (!known) {
		call_reject(call, GRPC_STATUS_NOT_FOUND, "the server has no such service");
		return;
	}
	bytes_init(&response, fixed, sizeof(fixed));
	encode_status(status_now(call->rpc, true), bytes_reserve(&response, sizeof(fixed)));
	bytes_commit(&response, sizeof(fixed));
	call_reply(call, SABIR_OK, "", &response);
	bytes_fini(&response);
}

/* A watcher's own: the status that it was told last, and whether there is such a service. */
struct watcher {
	int told;
	bool known;
};

static bool watch_busy(struct call *call)
{
	const struct watcher *watcher = call->stream.own;
	return stream_is_leaving(call) || status_now(call->rpc, watcher->known) != watcher->told;
}

static void watch_turn(struct call *call)
{
	struct watcher *watcher = call->stream.own;
	while (!stream_rest(call)) {
		bool leaving = stream_is_leaving(call);
		int status = status_now(call->rpc, watcher->known);
		if (status != watcher->told) {
			uint8_t fixed[2];
			struct bytes message;
			watcher->told = status;
			bytes_init(&message, fixed, sizeof(fixed));
			encode_status(status, bytes_reserve(&message, sizeof(fixed)));
			bytes_commit(&message, sizeof(fixed));
			stream_send(call, &message);
			return;
		}
		if (leaving) {
			stream_leave(call);
			return;
		}
	}
}

static void watch_fini(struct call *call)
{
	free(call->stream.own);
}

static const struct stream_kind watch_kind = { .turn = watch_turn, .busy = watch_busy, .fini = watch_fini };

void health_watch_handle(struct call *call, struct worker *worker)
{
	bool known;
	(void)worker;
	if (!read_service(call, &known)) {
		call_reject(call, GRPC_STATUS_INVALID_ARGUMENT, "not a HealthCheckRequest");
		return;
	}
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	if (!watcher) {
		call_reject(call, GRPC_STATUS_RESOURCE_EXHAUSTED, "the server is out of memory");
		return;
	}
	watcher->known = known;
	if (!stream_open(call, &watch_kind, watcher))
		free(watcher);
}

void health_set(struct rpc *rpc, bool serving, bool leaving)
{
	struct streams *all = &rpc->streams;
	if (leaving)
		store32_seq(&all->leaving, 1);
	store32_seq(&all->serving, serving && !load32_acquire(&all->leaving));
	streams_wake(rpc);
}
