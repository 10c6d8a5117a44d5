/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_STREAM_H
#define SABIR_RPC_TEST_STREAM_H

/* A client of SessionService.Session. For *_test.c only. */
#include "server/rpc/test_ask.h"

#define SESSION_PATH "/sabir.v1.SessionService/Session"
#define MAX_RESULTS 512

/* A message to be sent. */
struct batch {
	uint8_t bytes[65536];
	size_t len;
};

struct result {
	uint64_t tag;
	bool failed;
	char reason[40];
	uint8_t response[128]; /* the beginning of it */
	size_t response_len;
};

struct talk {
	struct ask ask;
	struct kit *kit;
	int send_batch; /* a tag: its address */
	bool reading;
	char token[SESSION_TOKEN_LEN + 1];
	uint64_t session_id;
	struct result results[MAX_RESULTS]; /* all that have come */
	size_t n;
};

static inline uint64_t kit_number(struct span message, uint32_t field)
{
	struct wire_field f;
	const uint8_t *at = message.data, *end = at + message.len;
	while (at < end && wire_next(&at, end, &f))
		if (f.number == field)
			return f.bits;
	return 0;
}

static inline void batch_bytes(struct batch *b, uint32_t field, const void *data, size_t len)
{
	b->len = (size_t)(wire_put_bytes(b->bytes + b->len, field, data, len) - b->bytes);
}

static inline void batch_number(struct batch *b, uint32_t field, uint64_t value)
{
	b->bytes[b->len++] = WIRE_TAG(field, WIRE_VARINT);
	b->len = (size_t)(wire_put_varint(b->bytes + b->len, value) - b->bytes);
}

static inline void batch_hello(struct batch *b, const char *token)
{
	struct form hello = { .len = 0 };
	if (token)
		form_bytes(&hello, 3, token, strlen(token));
	batch_bytes(b, 1, hello.bytes, hello.len);
}

static inline void batch_call(struct batch *b, uint64_t tag, uint64_t id, const char *path, struct span request)
{
	uint8_t call[1024], *p = call;
	*p++ = WIRE_TAG(1, WIRE_VARINT);
	p = wire_put_varint(p, tag);
	p = wire_put_bytes(p, 2, path, strlen(path));
	p = wire_put_bytes(p, 3, request.data, request.len);
	if (id) {
		*p++ = WIRE_TAG(5, WIRE_VARINT);
		p = wire_put_varint(p, id);
	}
	batch_bytes(b, 2, call, (size_t)(p - call));
}

static inline void batch_get(struct batch *b, uint64_t tag, uint64_t id, const char *queue)
{
	struct form form = form_on(queue);
	batch_call(b, tag, id, KIT_GET, form_span(&form));
}

static inline void batch_put(struct batch *b, uint64_t tag, uint64_t id, const char *queue, const char *text)
{
	struct form form = form_put(queue, text);
	batch_call(b, tag, id, KIT_PUT, form_span(&form));
}

static inline void talk_send(struct talk *t, const struct batch *b)
{
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };
	grpc_byte_buffer *message = kit_message((struct span){ b->bytes, b->len });
	op.data.send_message.send_message = message;
	CU_ASSERT_FATAL(grpc_call_start_batch(t->ask.call, &op, 1, &t->send_batch, NULL) == GRPC_CALL_OK);
	ask_wait(&t->ask, &t->send_batch);
	grpc_byte_buffer_destroy(message);
}

static inline void talk_finish(struct talk *t)
{
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
	CU_ASSERT_FATAL(grpc_call_start_batch(t->ask.call, &op, 1, &t->send_batch, NULL) == GRPC_CALL_OK);
	ask_wait(&t->ask, &t->send_batch);
}

static inline void talk_note(struct talk *t, struct span message)
{
	struct result *r = &t->results[t->n % MAX_RESULTS];
	struct span response = kit_field(message, 2), status = kit_field(message, 3);
	struct span reason = kit_field(kit_field(kit_field(status, 3), 2), 1);
	*r = (struct result){ .tag = kit_number(message, 1), .failed = status.len > 0 };
	snprintf(r->reason, sizeof(r->reason), "%.*s", (int)reason.len, (const char *)reason.data);
	r->response_len = response.len;
	memcpy(r->response, response.data ? response.data : (const uint8_t *)"",
	       response.len < sizeof(r->response) ? response.len : sizeof(r->response));
	t->n++;
}

static inline void talk_note_all(struct talk *t, struct span message)
{
	struct wire_field f;
	const uint8_t *at = message.data, *end = at + message.len;
	while (at < end && wire_next(&at, end, &f)) {
		if (f.number == 2)
			talk_note(t, f.bytes);
		if (f.number != 1)
			continue;
		snprintf(t->token, sizeof(t->token), "%.*s", SESSION_TOKEN_LEN,
			 (const char *)kit_field(f.bytes, 1).data);
		t->session_id = kit_number(kit_field(f.bytes, 2), 1);
	}
}

/* Reads one message; false: there is none, the stream is over. */
static inline bool talk_read(struct talk *t)
{
	grpc_byte_buffer_reader reader;
	ask_send(&t->ask, (struct span){ NULL, 0 }, false);
	ask_wait(&t->ask, &t->ask.read_batch);
	if (!t->ask.message)
		return false;
	grpc_byte_buffer_reader_init(&reader, t->ask.message);
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(t->ask.message);
	t->ask.message = NULL;
	talk_note_all(t, (struct span){ GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all) });
	grpc_slice_unref(all);
	return true;
}

/* Reads until there are n results in all. */
static inline void talk_await(struct talk *t, size_t n)
{
	while (t->n < n && talk_read(t))
		;
	CU_ASSERT_EQUAL_FATAL(t->n, n);
}

static inline struct result *talk_result(struct talk *t, uint64_t tag)
{
	for (size_t i = t->n; i-- > 0;)
		if (t->results[i % MAX_RESULTS].tag == tag)
			return &t->results[i % MAX_RESULTS];
	CU_FAIL_FATAL("no such result");
	return NULL;
}

static inline bool result_holds(const struct result *r, const char *text)
{
	struct span item = kit_field(kit_field((struct span){ r->response, r->response_len }, 1), 6);
	return !r->failed && item.len == strlen(text) && !memcmp(item.data, text, item.len);
}

/* Opens a stream, with what `b` holds behind the hello, and reads the welcome. */
static inline void talk_open(struct kit *kit, struct talk *t, int connection, const char *token)
{
	struct batch b = { .len = 0 };
	memset(t, 0, sizeof(*t));
	t->kit = kit;
	ask_open(kit, &t->ask, connection, SESSION_PATH, KIT_PATIENCE_MS);
	batch_hello(&b, token);
	talk_send(t, &b);
	CU_ASSERT_FATAL(talk_read(t));
	CU_ASSERT_EQUAL_FATAL(strlen(t->token), SESSION_TOKEN_LEN);
}

/* As if the connection had broken. */
static inline void talk_break(struct talk *t)
{
	(void)grpc_call_cancel(t->ask.call, NULL);
	(void)ask_close(&t->ask);
}

/* Ends it as a client does that is done. */
static inline grpc_status_code talk_close(struct talk *t)
{
	talk_finish(t);
	while (talk_read(t))
		;
	return ask_close(&t->ask);
}

#endif
