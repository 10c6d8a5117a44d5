/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_KIT_H
#define SABIR_RPC_TEST_KIT_H

/*
 * What the tests of this folder share: a server as the process of sabird has it (segment, park and a thread that answers
 * the doorbell), and a client on the C core. For *_test.c only.
 */
#include <CUnit/Basic.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/wire.h"
#include "server/objects/object.h"
#include "server/objects/queue.h"
#include "server/ops/park.h"
#include "server/rpc/rpc.h"
#include "server/shm/test_kit.h"

#define KIT_N_CONNECTIONS 2
#define KIT_PATIENCE_MS 20000 /* for what must happen; never waited for to the end by a test that passes */

struct kit {
	struct segment seg;
	uint32_t owner;
	struct lane lane; /* the test's own, as a local program has it */
	struct park *park;
	struct rpc *rpc;
	char folder[64];
	char socket[96]; /* "unix:/…" */
	pthread_t loop;
	int wake_fd;
	uint32_t ending;
	grpc_channel *channel[KIT_N_CONNECTIONS]; /* 0: unix socket, 1: TCP */
	grpc_completion_queue *queue;
};

static inline uint64_t kit_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void kit_wake(void *context)
{
	struct kit *kit = context;
	(void)!write(kit->wake_fd, &(uint64_t){ 1 }, 8);
}

/* The part of sabird's main loop that matters here. */
static inline void *kit_loop(void *context)
{
	struct kit *kit = context;
	struct lane lane = kit_lane(&kit->seg);
	while (!load32_acquire(&kit->ending)) {
		uint64_t now = kit_now(), next = park_next_deadline(kit->park), value;
		int timeout = next == OP_FOREVER ? -1 : next <= now ? 0 : (int)((next - now) / 1000000) + 1;
		struct pollfd fds[] = { { kit->seg.bell_fd, POLLIN, 0 }, { kit->wake_fd, POLLIN, 0 } };
		(void)poll(fds, 2, timeout);
		if (fds[1].revents)
			(void)!read(kit->wake_fd, &value, 8);
		park_ring(kit->park, &lane);
		park_expire(kit->park, kit_now());
	}
	kit_lane_close(&lane);
	return NULL;
}

static inline grpc_channel *kit_connect_with(const char *address, grpc_compression_algorithm compression)
{
	grpc_arg args[] = {
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = -1 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM, .value.integer = compression },
	};
	grpc_channel_args all = { sizeof(args) / sizeof(args[0]), args };
	grpc_channel_credentials *plain = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create(address, plain, &all);
	grpc_channel_credentials_release(plain);
	return channel;
}

static inline grpc_channel *kit_connect(const char *address)
{
	return kit_connect_with(address, GRPC_COMPRESS_NONE);
}

static inline grpc_channel *kit_connect_compressing(const char *address)
{
	return kit_connect_with(address, GRPC_COMPRESS_GZIP);
}

/* Starts a server; fields of `options` that are 0 are filled in. False: a test can't go on. */
static inline bool kit_start(struct kit *kit, struct rpc_options options)
{
	memset(kit, 0, sizeof(*kit));
	strcpy(kit->folder, "/tmp/sabir-rpc-XXXXXX");
	if (!mkdtemp(kit->folder) || kit_segment(64 << 20, &kit->seg))
		return false;
	snprintf(kit->socket, sizeof(kit->socket), "unix:%s/s", kit->folder);
	kit->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kit->lane = kit_lane(&kit->seg);
	kit->park = park_new(&kit->seg, kit_wake, kit);
	const char *addresses[] = { kit->socket, "127.0.0.1:0" };
	options.addresses = addresses;
	options.n_addresses = 2;
	options.seg = &kit->seg;
	options.park = kit->park;
	if (object_init_directory(&kit->lane) || owner_open(&kit->seg, (uint32_t)getpid(), "server", &kit->owner))
		return false;
	options.owner = kit->owner;
	if (rpc_start(&options, &kit->rpc))
		return false;
	rpc_set_serving(kit->rpc, true);
	pthread_create(&kit->loop, NULL, kit_loop, kit);
	char tcp[32];
	snprintf(tcp, sizeof(tcp), "127.0.0.1:%d", rpc_port(kit->rpc, 1));
	grpc_init();
	kit->channel[0] = kit_connect(kit->socket);
	kit->channel[1] = kit_connect(tcp);
	kit->queue = grpc_completion_queue_create_for_pluck(NULL);
	return true;
}

static inline void kit_stop_server(struct kit *kit, uint64_t patience_ms)
{
	rpc_drain(kit->rpc);
	park_drain(kit->park, SABIR_UNAVAILABLE);
	rpc_stop(kit->rpc, kit_now() + patience_ms * 1000000);
}

static inline void kit_stop(struct kit *kit)
{
	for (int i = 0; i < KIT_N_CONNECTIONS; i++)
		grpc_channel_destroy(kit->channel[i]);
	grpc_completion_queue_shutdown(kit->queue);
	grpc_completion_queue_destroy(kit->queue);
	kit_stop_server(kit, KIT_PATIENCE_MS);
	rpc_free(kit->rpc);
	store32_release(&kit->ending, 1);
	kit_wake(kit);
	pthread_join(kit->loop, NULL);
	park_free(kit->park);
	owner_close(&kit->seg, kit->owner);
	kit_lane_close(&kit->lane);
	segment_unmap(&kit->seg);
	close(kit->wake_fd);
	(void)rmdir(kit->folder);
	grpc_shutdown();
}

/* ------------------------------------------------------------------ calls */

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
	char reason[64]; /* of the ErrorInfo */
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

static inline void ask_open(struct kit *kit, struct ask *ask, int connection, const char *path, int deadline_ms)
{
	memset(ask, 0, sizeof(*ask));
	ask->kit = kit;
	grpc_metadata_array_init(&ask->initial);
	grpc_metadata_array_init(&ask->trailing);
	ask->call = grpc_channel_create_call(kit->channel[connection], NULL, GRPC_PROPAGATE_DEFAULTS, kit->queue,
					     grpc_slice_from_static_string(path), NULL, kit_deadline(deadline_ms), NULL);
	grpc_op ops[] = { { .op = GRPC_OP_RECV_INITIAL_METADATA }, { .op = GRPC_OP_RECV_STATUS_ON_CLIENT }, { .op = GRPC_OP_SEND_INITIAL_METADATA } };
	ops[0].data.recv_initial_metadata.recv_initial_metadata = &ask->initial;
	ops[1].data.recv_status_on_client.trailing_metadata = &ask->trailing;
	ops[1].data.recv_status_on_client.status = &ask->status;
	ops[1].data.recv_status_on_client.status_details = &ask->text;
	CU_ASSERT_FATAL(grpc_call_start_batch(ask->call, ops, 3, &ask->status_batch, NULL) == GRPC_CALL_OK);
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

/* The field of a message, empty if it has none. */
static inline struct span kit_field(struct span message, uint32_t number)
{
	struct wire_field f;
	const uint8_t *at = message.data, *end = at + message.len;
	while (at < end && wire_next(&at, end, &f))
		if (f.number == number)
			return f.type == WIRE_LEN ? f.bytes : (struct span){ (const uint8_t *)"", 0 };
	return (struct span){ NULL, 0 };
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

static inline grpc_status_code kit_ask(struct kit *kit, struct ask *ask, int connection, const char *path, struct span request)
{
	ask_begin(kit, ask, connection, path, request);
	return ask_finish(ask);
}

/* ------------------------------------------------------------------ requests */

struct form {
	uint8_t bytes[512];
	size_t len;
};

static inline void form_bytes(struct form *form, uint32_t field, const void *data, size_t len)
{
	form->len = (size_t)(wire_put_bytes(form->bytes + form->len, field, data, len) - form->bytes);
}

static inline void form_number(struct form *form, uint32_t field, uint64_t value)
{
	form->bytes[form->len++] = WIRE_TAG(field, WIRE_VARINT);
	form->len = (size_t)(wire_put_varint(form->bytes + form->len, value) - form->bytes);
}

static inline void form_form(struct form *form, uint32_t field, const struct form *inner)
{
	form_bytes(form, field, inner->bytes, inner->len);
}

static inline struct span form_span(const struct form *form)
{
	return (struct span){ form->bytes, form->len };
}

/* Every request on a queue begins with its ObjectRef. */
static inline struct form form_on(const char *name)
{
	struct form ref = { .len = 0 }, form = { .len = 0 };
	form_bytes(&ref, 1, name, strlen(name));
	form_form(&form, 1, &ref);
	return form;
}

static inline struct form form_put(const char *queue, const char *text)
{
	struct form form = form_on(queue), value = { .len = 0 };
	form_bytes(&value, 6, text, strlen(text));
	form_form(&form, 2, &value);
	return form;
}

/* With the field of the timeout as in Get (2) or Put (3). */
static inline void form_timeout_ms(struct form *form, uint32_t field, uint64_t ms)
{
	struct form duration = { .len = 0 };
	form_number(&duration, 1, ms / 1000);
	form_number(&duration, 2, ms % 1000 * 1000000);
	form_form(form, field, &duration);
}

static inline struct form form_create_queue(const char *name, uint64_t max_items)
{
	struct form form = { .len = 0 }, spec = { .len = 0 };
	form_bytes(&form, 1, name, strlen(name));
	form_number(&spec, 1, max_items);
	form_form(&form, 10, &spec);
	return form;
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

#endif
