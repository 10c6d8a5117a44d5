/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata of a call that say who calls. A key that comes twice is refused: of two tokens none is meant more.
 */
#include "server/rpc/identity.h"

#include <grpc/slice.h>
#include <stdio.h>
#include <string.h>

#include "server/rpc/call.h"

enum key {
	KEY_SESSION,
	KEY_THREAD,
	KEY_REQUEST_ID,
	KEY_ACKNOWLEDGED_BELOW,
	N_KEYS,
};

static const char *const key_names[N_KEYS] = {
	[KEY_SESSION] = "sabir-session",
	[KEY_THREAD] = "sabir-thread",
	[KEY_REQUEST_ID] = "sabir-request-id",
	[KEY_ACKNOWLEDGED_BELOW] = "sabir-acknowledged-below",
};

/* The keys' values, with data NULL where there is none. */
struct values {
	struct span of[N_KEYS];
};

static int find_key(const grpc_metadata *m)
{
	size_t len = GRPC_SLICE_LENGTH(m->key);
	if (len < 6 || memcmp(GRPC_SLICE_START_PTR(m->key), "sabir-", 6) != 0)
		return N_KEYS; /* most are not ours */
	for (int i = 0; i < N_KEYS; i++)
		if (len == strlen(key_names[i]) && !memcmp(GRPC_SLICE_START_PTR(m->key), key_names[i], len))
			return i;
	return N_KEYS;
}

static bool read_number(struct span text, uint64_t *number)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t digit = (uint8_t)(text.data[i] - '0');
		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*number = n;
	return text.len > 0;
}

static enum sabir_error refuse(enum sabir_error error, char *detail, const char *text)
{
	snprintf(detail, OP_DETAIL_SIZE, "%s", text);
	return error;
}

static enum sabir_error read_metadata(const struct call *call, struct values *values, char *detail)
{
	*values = (struct values){ 0 };
	for (size_t i = 0; i < call->metadata.count; i++) {
		const grpc_metadata *m = &call->metadata.metadata[i];
		int key = find_key(m);
		if (key == N_KEYS)
			continue;
		if (values->of[key].data)
			return refuse(SABIR_INVALID_ARGUMENT, detail, "the call's metadata name a key twice");
		values->of[key] = (struct span){ GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value) };
	}
	if (!call->method->op && (values->of[KEY_REQUEST_ID].data || values->of[KEY_ACKNOWLEDGED_BELOW].data))
		return refuse(SABIR_INVALID_ARGUMENT, detail, "a stream has no request id, and acknowledges none");
	return SABIR_OK;
}

/* The number that a key holds, 0 if it is not there. */
static enum sabir_error number_of(const struct values *values, enum key key, uint64_t *number, char *detail)
{
	*number = 0;
	if (!values->of[key].data || read_number(values->of[key], number))
		return SABIR_OK;
	snprintf(detail, OP_DETAIL_SIZE, "the metadata '%s' hold no unsigned number", key_names[key]);
	return SABIR_INVALID_ARGUMENT;
}

static enum sabir_error read_numbers(const struct values *values, struct identity *identity, char *detail)
{
	enum sabir_error error = number_of(values, KEY_THREAD, &identity->actor.thread, detail);
	if (!error)
		error = number_of(values, KEY_REQUEST_ID, &identity->request_id, detail);
	if (!error)
		error = number_of(values, KEY_ACKNOWLEDGED_BELOW, &identity->acknowledged_below, detail);
	identity->actor.request = identity->request_id;
	return error;
}

enum sabir_error identity_find(const struct call *call, struct identity *identity, char *detail)
{
	struct values values;
	enum sabir_error error = read_metadata(call, &values, detail);

	*identity = (struct identity){ .session = NULL };
	if (error)
		return error;
	if (!values.of[KEY_SESSION].data) {
		if (values.of[KEY_REQUEST_ID].data || values.of[KEY_ACKNOWLEDGED_BELOW].data)
			return refuse(SABIR_INVALID_ARGUMENT, detail,
				      "the metadata name a request id and no session, which it would be of");
		return SABIR_OK;
	}
	error = read_numbers(&values, identity, detail);
	if (error)
		return error;
	if (session_use(call->rpc->sessions, values.of[KEY_SESSION], &identity->session))
		return refuse(SABIR_SESSION_ENDED, detail,
			      "it was closed or its lease ran out, or the server has been started anew");
	identity->actor.owner = session_owner(identity->session);
	return SABIR_OK;
}

enum sabir_error identity_token(const struct call *call, struct span *token, char *detail)
{
	struct values values;
	enum sabir_error error = read_metadata(call, &values, detail);

	if (!error)
		*token = values.of[KEY_SESSION];
	return error;
}
