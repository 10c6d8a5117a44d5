/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about the protos, and their answers; the messages are those of reflection.proto. */
#include "server/rpc/reflection_wire.h"

#include <grpc/status.h>

#include "server/rpc/schema.h"

enum { /* ServerReflectionRequest */
       ASK_HOST = 1,
       ASK_FILE = 3,
       ASK_SYMBOL = 4,
       ASK_EXTENSION = 5,
       ASK_EXTENSION_NUMBERS = 6,
       ASK_SERVICES = 7,
};

enum { /* ServerReflectionResponse */
       ANSWER_HOST = 1,
       ANSWER_REQUEST = 2,
       ANSWER_FILES = 4,
       ANSWER_EXTENSION_NUMBERS = 5,
       ANSWER_SERVICES = 6,
       ANSWER_ERROR = 7,
};

struct question {
	struct span host;
	uint32_t kind; /* ASK_*, 0: none that we know */
	struct span text;
};

/* The answer to one question: the number of its field and the message in it. */
struct answer {
	uint32_t field;
	struct bytes message;
};

static void add_number(struct bytes *to, uint32_t field, uint64_t value)
{
	uint8_t *at = bytes_reserve(to, 1 + WIRE_MAX_VARINT);
	if (!at)
		return;
	at[0] = WIRE_TAG(field, WIRE_VARINT);
	bytes_commit(to, (size_t)(wire_put_varint(at + 1, value) - at));
}

static void add_bytes(struct bytes *to, uint32_t field, struct span value)
{
	uint8_t *at = bytes_reserve(to, 1 + WIRE_MAX_VARINT + value.len);
	if (at)
		bytes_commit(to, (size_t)(wire_put_bytes(at, field, value.data, value.len) - at));
}

static void answer_error(struct answer *answer, int grpc_code, const char *text)
{
	answer->field = ANSWER_ERROR;
	add_number(&answer->message, 1, (uint64_t)grpc_code);
	add_bytes(&answer->message, 2, (struct span){ (const uint8_t *)text, strlen(text) });
}

static void answer_file(struct answer *answer, struct span file, const char *missing)
{
	struct bytes files = { 0 };
	if (!file.data) {
		answer_error(answer, GRPC_STATUS_NOT_FOUND, missing);
		return;
	}
	if (!schema_add_with_imports(file, &files))
		for (size_t i = 0; i < files.n_items; i++)
			add_bytes(&answer->message, 1, bytes_item(&files, i));
	answer->field = ANSWER_FILES;
	bytes_fini(&files);
}

static void answer_extension(struct answer *answer, struct span request)
{
	struct span type = { NULL, 0 };
	uint64_t number = 0;
	struct wire_field f;
	const uint8_t *at = request.data, *end = at + request.len;
	while (at < end) {
		if (!wire_next(&at, end, &f)) {
			answer_error(answer, GRPC_STATUS_INVALID_ARGUMENT, "not an ExtensionRequest");
			return;
		}
		if (f.number == 1 && f.type == WIRE_LEN)
			type = f.bytes;
		else if (f.number == 2 && f.type == WIRE_VARINT)
			number = f.bits;
	}
	answer_file(answer, schema_file_of_extension(type, number), "no such extension");
}

static void add_extension_number(void *context, uint64_t number)
{
	add_number(context, 2, number);
}

static void answer_extension_numbers(struct answer *answer, struct span type)
{
	if (!schema_file_of_symbol(type).data) {
		answer_error(answer, GRPC_STATUS_NOT_FOUND, "no such message");
		return;
	}
	answer->field = ANSWER_EXTENSION_NUMBERS;
	add_bytes(&answer->message, 1, type);
	schema_extensions(type, add_extension_number, &answer->message);
}

static bool add_service(void *context, struct span name)
{
	uint8_t fixed[512];
	struct bytes service;
	bytes_init(&service, fixed, sizeof(fixed));
	add_bytes(&service, 1, name);
	add_bytes(context, 1, (struct span){ service.data, service.len });
	bytes_fini(&service);
	return true;
}

static void answer_question(const struct question *question, struct answer *answer)
{
	switch (question->kind) {
	case ASK_FILE:
		answer_file(answer, schema_file(question->text), "no such file");
		break;
	case ASK_SYMBOL:
		answer_file(answer, schema_file_of_symbol(question->text), "no such symbol");
		break;
	case ASK_EXTENSION:
		answer_extension(answer, question->text);
		break;
	case ASK_EXTENSION_NUMBERS:
		answer_extension_numbers(answer, question->text);
		break;
	case ASK_SERVICES:
		answer->field = ANSWER_SERVICES;
		schema_services(add_service, &answer->message);
		break;
	default:
		answer_error(answer, GRPC_STATUS_INVALID_ARGUMENT, "the request asks nothing that is known here");
	}
}

static bool read_question(struct span request, struct question *question)
{
	struct wire_field f;
	const uint8_t *at = request.data, *end = at + request.len;
	*question = (struct question){ .kind = 0 };
	while (at < end) {
		if (!wire_next(&at, end, &f))
			return false;
		if (f.type != WIRE_LEN)
			continue;
		if (f.number == ASK_HOST)
			question->host = f.bytes;
		if (f.number < ASK_FILE || f.number > ASK_SERVICES)
			continue;
		question->kind = f.number;
		question->text = f.bytes;
	}
	return true;
}

bool reflection_answer(struct span request, struct bytes *response)
{
	struct question question;
	struct answer answer = { 0 };
	if (!read_question(request, &question))
		return false;
	answer_question(&question, &answer);
	if (question.host.len)
		add_bytes(response, ANSWER_HOST, question.host);
	add_bytes(response, ANSWER_REQUEST, request);
	add_bytes(response, answer.field, (struct span){ answer.message.data, answer.message.len });
	bytes_fini(&answer.message);
	return true;
}
