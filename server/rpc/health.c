/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.health.v1: one status for the server and all its services, asked for by Check and followed by Watch. A watcher
 * is told the status when it differs from what it was told last, so one that is slow misses none but the short-lived.
 */
#include "server/rpc/health.h"

#include "server/base/wire.h"
#include "server/rpc/call.h"
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
	struct wire_field f;
	bool valid = true;
	if (!request_open(call, &request))
		return false;
	struct span service = { NULL, 0 };
	const uint8_t *at = request.span.data, *end = at + request.span.len;
	while (at < end && valid) {
		valid = wire_next(&at, end, &f) && (f.number != 1 || f.type == WIRE_LEN);
		if (valid && f.number == 1)
			service = f.bytes;
	}
	*known = !service.len || schema_has_service(service);
	request_close(&request);
	return valid;
}

static void encode_status(int status, uint8_t to[2])
{
	to[0] = WIRE_TAG(1, WIRE_VARINT);
	to[1] = (uint8_t)status;
}

static int status_locked(const struct rpc *rpc, bool known)
{
	if (!known)
		return SERVICE_UNKNOWN;
	return rpc->streams.serving ? SERVING : NOT_SERVING;
}

static int status_now(struct rpc *rpc, bool known)
{
	pthread_mutex_lock(&rpc->streams.mutex);
	int status = status_locked(rpc, known);
	pthread_mutex_unlock(&rpc->streams.mutex);
	return status;
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

static bool watch_busy(struct call *call)
{
	const struct streams *all = &call->rpc->streams;
	return all->leaving || status_locked(call->rpc, call->stream.known) != call->stream.told;
}

static void watch_turn(struct call *call)
{
	struct streams *all = &call->rpc->streams;
	while (!stream_rest_unless(call, watch_busy)) {
		pthread_mutex_lock(&all->mutex);
		bool leaving = all->leaving;
		int status = status_locked(call->rpc, call->stream.known);
		pthread_mutex_unlock(&all->mutex);
		if (status != call->stream.told) {
			uint8_t message[2];
			call->stream.told = status;
			encode_status(status, message);
			stream_send(call, (struct span){ message, sizeof(message) });
			return;
		}
		if (leaving) {
			stream_end(call, GRPC_STATUS_UNAVAILABLE, "the server is shutting down");
			return;
		}
	}
}

void health_watch_handle(struct call *call, struct worker *worker)
{
	bool known;
	(void)worker;
	if (read_service(call, &known))
		stream_open(call, (struct stream){ .turn = watch_turn, .known = known });
	else
		call_reject(call, GRPC_STATUS_INVALID_ARGUMENT, "not a HealthCheckRequest");
}

void health_set(struct rpc *rpc, bool serving, bool leaving)
{
	pthread_mutex_lock(&rpc->streams.mutex);
	rpc->streams.leaving |= leaving;
	rpc->streams.serving = serving && !rpc->streams.leaving;
	pthread_mutex_unlock(&rpc->streams.mutex);
	streams_wake(rpc);
}
