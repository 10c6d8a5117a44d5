/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_ASK_H
#define SABIR_RPC_TEST_ASK_H

/* The calls that the tests of this folder make, on the gRPC C core. For *_test.c only. */
#include "server/rpc/test_form.h"
#include "server/rpc/test_kit.h"

/* A call of the client; unary ones are begun, then finished, streams are opened, then read. */
struct ask {
	struct kit *kit;
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *message;
	grpc_status_code status;
	grpc_slice text;
	/* after ask_finish */
	uint8_t response[16384]; /* the beginning of it */
	size_t response_len;
	char message_text[256];
	char reason[64];              /* of the ErrorInfo */
	int status_batch, read_batch; /* tags: their addresses */
};

static inline gpr_timespec kit_deadline(int ms)
{
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

static inline void ask_wait(struct ask *ask, void *tag)
{
	(void)grpc_completion_queue_pluck(ask->kit->queue, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

static inline grpc_byte_buffer *kit_message(struct span bytes)
{
	grpc_slice slice = grpc_slice_from_copied_buffer((const char *)bytes.data, bytes.len);
	grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return message;
}

#define KIT_MAX_METADATA 4

/* Returns how many there are. */
static inline size_t kit_metadata(const struct kit *kit, grpc_metadata metadata[KIT_MAX_METADATA])
{
	const char *const pairs[KIT_MAX_METADATA][2] = { { "sabir-session", kit->session },
							 { "sabir-thread", kit->thread },
							 { "sabir-request-id", kit->request_id },
							 { "sabir-acknowledged-below", kit->acknowledged_below } };
	size_t n = 0;
	for (size_t i = 0; i < KIT_MAX_METADATA; i++)
		if (pairs[i][1])
			metadata[n++] = (grpc_metadata){ .key = grpc_slice_from_static_string(pairs[i][0]),
							 .value = grpc_slice_from_copied_string(pairs[i][1]) };
	return n;
}

static inline void ask_open(struct kit *kit, struct ask *ask, int connection, const char *path, int deadline_ms)
{
	memset(ask, 0, sizeof(*ask));
	ask->kit = kit;
	grpc_metadata_array_init(&ask->initial);
	grpc_metadata_array_init(&ask->trailing);
	grpc_metadata who[KIT_MAX_METADATA];
	size_t n_who = kit_metadata(kit, who);
	ask->call = grpc_channel_create_call(kit->channel[connection], NULL, GRPC_PROPAGATE_DEFAULTS, kit->queue,
					     grpc_slice_from_static_string(path), NULL, kit_deadline(deadline_ms),
					     NULL);
	grpc_op ops[] = { { .op = GRPC_OP_RECV_INITIAL_METADATA },
			  { .op = GRPC_OP_RECV_STATUS_ON_CLIENT },
			  { .op = GRPC_OP_SEND_INITIAL_METADATA } };
	ops[2].data.send_initial_metadata.metadata = who;
	ops[2].data.send_initial_metadata.count = n_who;
	ops[0].data.recv_initial_metadata.recv_initial_metadata = &ask->initial;
	ops[1].data.recv_status_on_client.trailing_metadata = &ask->trailing;
	ops[1].data.recv_status_on_client.status = &ask->status;
	ops[1].data.recv_status_on_client.status_details = &ask->text;
	CU_ASSERT_FATAL(grpc_call_start_batch(ask->call, ops, 3, &ask->status_batch, NULL) == GRPC_CALL_OK);
	while (n_who)
		grpc_slice_unref(who[--n_who].value);
}

/* Sends a message (if it has data), perhaps finishes, and asks for one in return. */
static inline void ask_send(struct ask *ask, struct span request, bool last)
{
	grpc_op ops[3] = { { .op = GRPC_OP_RECV_MESSAGE } };
	size_t n = 1;
	grpc_byte_buffer *message = request.data ? kit_message(request) : NULL;
	ops[0].data.recv_message.recv_message = &ask->message;
	if (message) {
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = message;
	}
	if (last)
		ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	CU_ASSERT_FATAL(grpc_call_start_batch(ask->call, ops, n, &ask->read_batch, NULL) == GRPC_CALL_OK);
	if (message)
		grpc_byte_buffer_destroy(message);
}

/* Sends a message and finishes, and asks for nothing in return. */
static inline void ask_tell(struct ask *ask, struct span request)
{
	grpc_op ops[2] = { { .op = GRPC_OP_SEND_MESSAGE }, { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT } };
	grpc_byte_buffer *message = kit_message(request);
	ops[0].data.send_message.send_message = message;
	CU_ASSERT_FATAL(grpc_call_start_batch(ask->call, ops, 2, &ask->read_batch, NULL) == GRPC_CALL_OK);
	ask_wait(ask, &ask->read_batch);
	grpc_byte_buffer_destroy(message);
}

/* Waits for the message that was asked for; false: there is none. */
static inline bool ask_read(struct ask *ask)
{
	grpc_byte_buffer_reader reader;
	ask_wait(ask, &ask->read_batch);
	if (!ask->message)
		return false;
	grpc_byte_buffer_reader_init(&reader, ask->message);
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(ask->message);
	ask->message = NULL;
	ask->response_len = GRPC_SLICE_LENGTH(all);
	size_t copied = ask->response_len < sizeof(ask->response) ? ask->response_len : sizeof(ask->response);
	memcpy(ask->response, GRPC_SLICE_START_PTR(all), copied);
	grpc_slice_unref(all);
	return true;
}

/* google.rpc.Status.details -> Any.value -> ErrorInfo.reason */
static inline void ask_read_reason(struct ask *ask)
{
	for (size_t i = 0; i < ask->trailing.count; i++) {
		const grpc_metadata *m = &ask->trailing.metadata[i];
		if (grpc_slice_str_cmp(m->key, "grpc-status-details-bin"))
			continue;
		struct span status = { GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value) };
		struct span reason = kit_field(kit_field(kit_field(status, 3), 2), 1);
		snprintf(ask->reason, sizeof(ask->reason), "%.*s", (int)reason.len, (const char *)reason.data);
	}
}

/* Waits for the end of the call and gives its status. */
static inline grpc_status_code ask_close(struct ask *ask)
{
	ask_wait(ask, &ask->status_batch);
	snprintf(ask->message_text, sizeof(ask->message_text), "%.*s", (int)GRPC_SLICE_LENGTH(ask->text),
		 (const char *)GRPC_SLICE_START_PTR(ask->text));
	ask_read_reason(ask);
	grpc_slice_unref(ask->text);
	grpc_metadata_array_destroy(&ask->initial);
	grpc_metadata_array_destroy(&ask->trailing);
	grpc_call_unref(ask->call);
	return ask->status;
}

static inline void ask_begin(struct kit *kit, struct ask *ask, int connection, const char *path, struct span request)
{
	ask_open(kit, ask, connection, path, KIT_PATIENCE_MS);
	ask_send(ask, request, true);
}

static inline grpc_status_code ask_finish(struct ask *ask)
{
	(void)ask_read(ask);
	return ask_close(ask);
}

static inline grpc_status_code kit_ask(struct kit *kit, struct ask *ask, int connection, const char *path,
				       struct span request)
{
	ask_begin(kit, ask, connection, path, request);
	return ask_finish(ask);
}

#define KIT_CREATE "/sabir.v1.ManagerService/Create"
#define KIT_DELETE "/sabir.v1.ManagerService/Delete"
#define KIT_PUT "/sabir.v1.QueueService/Put"
#define KIT_GET "/sabir.v1.QueueService/Get"
#define KIT_SIZE "/sabir.v1.QueueService/Size"

static inline void kit_create_queue(struct kit *kit, const char *name, uint64_t max_items)
{
	struct ask ask;
	struct form form = form_create_queue(name, max_items);
	CU_ASSERT_EQUAL_FATAL(kit_ask(kit, &ask, 0, KIT_CREATE, form_span(&form)), GRPC_STATUS_OK);
}

/* Whether a response of Get or Peek holds this text. */
static inline bool ask_holds(const struct ask *ask, const char *text)
{
	struct span item = kit_field(kit_field((struct span){ ask->response, ask->response_len }, 1), 6);
	return item.len == strlen(text) && !memcmp(item.data, text, item.len);
}

/* Waits until so many operations are parked. */
static inline void kit_await_waiting(struct kit *kit, uint64_t n)
{
	struct rpc_counters counters;
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	do {
		rpc_counters(kit->rpc, &counters);
		usleep(200);
	} while (counters.waiting != n && kit_now() < give_up);
	CU_ASSERT_EQUAL_FATAL(counters.waiting, n);
}

/* Waits until a queue has so many items; looked at as a local program does, so no connection is touched. */
static inline void kit_await_size(struct kit *kit, const char *queue, uint64_t n)
{
	struct queue_size size = { .size = n + 1 };
	uint64_t handle, give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	CU_ASSERT_EQUAL_FATAL(object_open(&kit->lane, (struct span){ (const uint8_t *)queue, strlen(queue) }, &handle),
			      SABIR_OK);
	while (queue_size(&kit->lane, handle, &size) == SABIR_OK && size.size != n && kit_now() < give_up)
		usleep(200);
	CU_ASSERT_EQUAL_FATAL(size.size, n);
}

/* Puts an item that is larger than what gRPC lets out of a message to a client that does not read. */
#define KIT_HUGE 1000000u
static inline void kit_put_huge(struct kit *kit, const char *queue)
{
	uint8_t *bytes = calloc(1, KIT_HUGE);
	uint64_t handle;
	uint32_t accepted;
	kit_create_queue(kit, queue, 0);
	uint8_t *p = wire_put_tag(bytes, 6, WIRE_LEN);
	p = wire_put_varint(p, KIT_HUGE - 16);
	struct queue_item item = { { NULL, 0 }, { bytes, (size_t)(p - bytes) + KIT_HUGE - 16 } };
	CU_ASSERT_EQUAL_FATAL(object_open(&kit->lane, (struct span){ (const uint8_t *)queue, strlen(queue) }, &handle),
			      SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(queue_put(&kit->lane, handle, &item, 1, &accepted), SABIR_OK);
	free(bytes);
}

#endif
