/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of SessionService.Session, read in place and written piece by piece. Fields that are not known are skipped,
 * as protobuf has it.
 */
#include "server/rpc/session_wire.h"

#define MAX_PATH 128

enum { /* SessionServiceSessionRequest */
       REQUEST_HELLO = 1,
       REQUEST_CALLS = 2,
       REQUEST_CANCEL_TAGS = 3,
       REQUEST_ACKNOWLEDGED = 4,
};

enum { /* SessionCall */
       CALL_TAG = 1,
       CALL_METHOD = 2,
       CALL_REQUEST = 3,
       CALL_THREAD = 4,
       CALL_ID = 5,
};

enum { /* SessionServiceSessionResponse */
       RESPONSE_WELCOME = 1,
       RESPONSE_RESULTS = 2,
};

static bool read_call(struct span message, struct session_call *call)
{
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	uint32_t seen = 0;
	*call = (struct session_call){ .tag = 0 };
	while (at < end) {
		if (!wire_next(&at, end, &f))
			return false;
		if (f.number > CALL_ID)
			continue;
		bool is_bytes = f.number == CALL_METHOD || f.number == CALL_REQUEST;
		if (f.type != (is_bytes ? WIRE_LEN : WIRE_VARINT) || seen & 1u << f.number)
			return false;
		seen |= 1u << f.number;
		switch (f.number) {
		case CALL_TAG:
			call->tag = f.bits;
			break;
		case CALL_METHOD:
			call->method = f.bytes;
			break;
		case CALL_REQUEST:
			call->request = f.bytes;
			break;
		case CALL_THREAD:
			call->thread = f.bits;
			break;
		default:
			call->id = f.bits;
		}
	}
	return true;
}

static bool check_tags(const struct wire_field *f)
{
	uint64_t tag;
	if (f->type != WIRE_LEN)
		return f->type == WIRE_VARINT;
	for (const uint8_t *at = f->bytes.data, *end = at + f->bytes.len; at < end;)
		if (!wire_varint(&at, end, &tag))
			return false;
	return true;
}

static bool read_field(const struct wire_field *f, struct session_message *read)
{
	struct session_call call;
	bool first;
	switch (f->number) {
	case REQUEST_HELLO:
		first = !read->hello.data;
		read->hello = f->bytes;
		return first && f->type == WIRE_LEN;
	case REQUEST_CALLS:
		return f->type == WIRE_LEN && read_call(f->bytes, &call);
	case REQUEST_CANCEL_TAGS:
		return check_tags(f);
	case REQUEST_ACKNOWLEDGED:
		first = !read->acknowledged_below;
		read->acknowledged_below = f->bits;
		return first && f->type == WIRE_VARINT;
	default:
		return true;
	}
}

bool session_message_read(struct span message, struct session_message *read)
{
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	*read = (struct session_message){ .acknowledged_below = 0 };
	while (at < end)
		if (!wire_next(&at, end, &f) || !read_field(&f, read))
			return false;
	return true;
}

bool session_hello_read(struct span hello, struct span *token)
{
	const uint8_t *at = hello.data, *end = at + hello.len;
	struct wire_field f;
	*token = (struct span){ NULL, 0 };
	while (at < end) {
		if (!wire_next(&at, end, &f))
			return false;
		if (f.number != 3)
			continue;
		if (f.type != WIRE_LEN || token->data)
			return false;
		*token = f.bytes;
	}
	return true;
}

bool session_call_next(struct span *rest, struct session_call *call)
{
	const uint8_t *at = rest->data, *end = at + rest->len;
	struct wire_field f;
	bool found = false;
	while (!found && at < end && wire_next(&at, end, &f))
		found = f.number == REQUEST_CALLS && read_call(f.bytes, call);
	*rest = (struct span){ at, found ? (size_t)(end - at) : 0 };
	return found;
}

const struct op *session_call_op(const struct session_call *call)
{
	char path[MAX_PATH];
	const struct span method = call->method;
	if (!method.len || method.len >= sizeof(path) || memchr(method.data, 0, method.len))
		return NULL;
	memcpy(path, method.data, method.len);
	path[method.len] = '\0';
	return op_find(path);
}

void session_cancels(struct span message, void (*cancel)(void *context, uint64_t tag), void *context)
{
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	while (at < end && wire_next(&at, end, &f)) {
		uint64_t tag;
		if (f.number != REQUEST_CANCEL_TAGS)
			continue;
		if (f.type == WIRE_VARINT) {
			cancel(context, f.bits);
			continue;
		}
		const uint8_t *tag_at = f.bytes.data, *tag_end = tag_at + f.bytes.len;
		while (tag_at < tag_end && wire_varint(&tag_at, tag_end, &tag))
			cancel(context, tag);
	}
}

/* ---------------------------------------------------------------- writing */

static uint8_t *put_number(uint8_t *to, uint32_t number, uint64_t value)
{
	to = wire_put_tag(to, number, WIRE_VARINT);
	return wire_put_varint(to, value);
}

bool session_put_welcome(struct bytes *out, struct span token, struct span session, uint32_t max_waiting,
			 uint64_t max_message_bytes)
{
	struct bytes message = { 0 };
	uint8_t *p = bytes_reserve(&message, token.len + session.len + 64), *to;
	if (!p)
		return false;
	p = wire_put_bytes(p, 1, token.data, token.len);
	p = wire_put_bytes(p, 2, session.data, session.len);
	p = put_number(p, 3, max_waiting);
	p = put_number(p, 4, max_message_bytes);
	size_t len = (size_t)(p - message.data);
	to = bytes_reserve(out, len + 16);
	if (to)
		bytes_commit(out, (size_t)(wire_put_bytes(to, RESPONSE_WELCOME, message.data, len) - to));
	bytes_fini(&message);
	return to != NULL;
}

static bool put_result(struct bytes *out, uint64_t tag, uint32_t field, struct span bytes)
{
	size_t tag_len = tag ? 1 + wire_varint_size(tag) : 0;
	size_t bytes_len = bytes.len ? 1 + wire_varint_size(bytes.len) + bytes.len : 0;
	uint8_t *to = bytes_reserve(out, tag_len + bytes_len + 16), *p = to;
	if (!to)
		return false;
	p = wire_put_tag(p, RESPONSE_RESULTS, WIRE_LEN);
	p = wire_put_varint(p, tag_len + bytes_len);
	if (tag)
		p = put_number(p, 1, tag);
	if (bytes.len)
		p = wire_put_bytes(p, field, bytes.data, bytes.len);
	bytes_commit(out, (size_t)(p - to));
	return true;
}

bool session_put_result(struct bytes *out, uint64_t tag, enum sabir_error error, struct span response,
			const char *detail)
{
	uint8_t fixed[1024];
	struct bytes status;
	if (!error)
		return put_result(out, tag, 2, response);
	bytes_init(&status, fixed, sizeof(fixed));
	bool put = !op_status(error, detail, &status) && put_result(out, tag, 3, bytes_item(&status, 0));
	bytes_fini(&status);
	return put;
}
