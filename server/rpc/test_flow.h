/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_FLOW_H
#define SABIR_RPC_TEST_FLOW_H

/* What the tests of streams with flow control share. For *_test.c only. */
#include "server/rpc/test_ask.h"

#define PRODUCE "/sabir.v1.QueueService/Produce"
#define CONSUME "/sabir.v1.QueueService/Consume"
#define KIT_CLOSE "/sabir.v1.QueueService/Close"

/* Sends a message and waits until it is out, which takes until the server reads where it is held up. */
static inline void flow_say(struct ask *ask, struct span message)
{
	int tag;
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };
	grpc_byte_buffer *buffer = kit_message(message);
	op.data.send_message.send_message = buffer;
	CU_ASSERT_FATAL(grpc_call_start_batch(ask->call, &op, 1, &tag, NULL) == GRPC_CALL_OK);
	ask_wait(ask, &tag);
	grpc_byte_buffer_destroy(buffer);
}

static inline void flow_say_last(struct ask *ask)
{
	int tag;
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
	CU_ASSERT_FATAL(grpc_call_start_batch(ask->call, &op, 1, &tag, NULL) == GRPC_CALL_OK);
	ask_wait(ask, &tag);
}

/* The next message of the server; false: the stream is over. */
static inline bool flow_hear(struct ask *ask)
{
	ask_send(ask, (struct span){ NULL, 0 }, false);
	return ask_read(ask);
}

static inline void flow_open(struct kit *kit, struct ask *ask, const char *path, const struct form *first)
{
	ask_open(kit, ask, 0, path, KIT_PATIENCE_MS);
	flow_say(ask, form_span(first));
}

/* Breaks it off, as a client does that dies. */
static inline void flow_break(struct ask *ask)
{
	(void)grpc_call_cancel(ask->call, NULL);
	(void)ask_close(ask);
}

static inline uint64_t flow_number(const struct ask *ask, uint32_t field)
{
	struct wire_field f;
	const uint8_t *at = ask->response, *end = at + ask->response_len;
	while (at < end && wire_next(&at, end, &f))
		if (f.number == field)
			return f.bits;
	return 0;
}

/* The texts of a message's items, each of one letter. */
static inline const char *flow_items(const struct ask *ask)
{
	static char text[256];
	size_t n = 0;
	struct wire_field f;
	const uint8_t *at = ask->response, *end = at + ask->response_len;
	while (at < end && wire_next(&at, end, &f) && n < sizeof(text) - 1)
		if (f.number == 1)
			text[n++] = (char)kit_field(f.bytes, 6).data[0];
	text[n] = 0;
	return text;
}

static inline void form_item(struct form *form, char letter)
{
	struct form value = { .len = 0 };
	form_bytes(&value, 6, &letter, 1);
	form_form(form, 2, &value);
}

/* The items are the letters. */
static inline struct form form_items(const char *queue, const char *letters)
{
	struct form form = queue ? form_on(queue) : (struct form){ .len = 0 };
	for (; *letters; letters++)
		form_item(&form, *letters);
	return form;
}

static inline struct form form_consume(const char *queue, uint64_t credit, uint64_t max_items)
{
	struct form form = form_on(queue);
	form_number(&form, 2, credit);
	form_number(&form, 3, max_items);
	return form;
}

static inline struct form form_one(uint32_t field, uint64_t number)
{
	struct form form = { .len = 0 };
	form_number(&form, field, number);
	return form;
}

static inline void kit_ask_fine(struct kit *kit, const char *path, const struct form *form)
{
	struct ask ask;
	CU_ASSERT_EQUAL(kit_ask(kit, &ask, 1, path, form_span(form)), GRPC_STATUS_OK);
}

static inline void kit_put_letters(struct kit *kit, const char *queue, const char *letters)
{
	struct form form = form_items(queue, letters);
	kit_ask_fine(kit, "/sabir.v1.QueueService/PutMany", &form);
}

/* All that is in the queue, in order. */
static inline const char *kit_drain_letters(struct kit *kit, const char *queue)
{
	static char text[256];
	struct ask ask;
	struct form form = form_on(queue);
	form_number(&form, 2, 200);
	form_timeout_ms(&form, 3, 0);
	text[0] = 0;
	while (kit_ask(kit, &ask, 1, "/sabir.v1.QueueService/GetMany", form_span(&form)) == GRPC_STATUS_OK)
		strcat(text, flow_items(&ask));
	return text;
}

static inline uint64_t kit_size(struct kit *kit, const char *queue, uint32_t field)
{
	struct ask ask;
	struct form form = form_on(queue);
	CU_ASSERT_EQUAL(kit_ask(kit, &ask, 1, KIT_SIZE, form_span(&form)), GRPC_STATUS_OK);
	return flow_number(&ask, field);
}

/* Until that many are held or leased, as when a stream has ended at the server too. */
static inline void kit_await_outstanding(struct kit *kit, const char *queue, uint64_t n)
{
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	while (kit_size(kit, queue, 7) != n && kit_now() < give_up)
		;
	CU_ASSERT_EQUAL(kit_size(kit, queue, 7), n);
}

static inline void kit_delete_name(struct kit *kit, const char *name)
{
	struct form form = form_on(name);
	kit_ask_fine(kit, KIT_DELETE, &form);
}

#endif
