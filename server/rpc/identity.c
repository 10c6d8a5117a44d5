/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata of a call that say who calls. A key that comes twice is refused: of two tokens none is meant more.
 */
#include "server/rpc/identity.h"

#include <grpc/slice.h>
#include <stdio.h>
#include <string.h>

#include "server/rpc/call.h"

static const char session_key[] = "sabir-session", thread_key[] = "sabir-thread";

static bool is_key(const grpc_metadata *m, const char *key, size_t len)
{
	return GRPC_SLICE_LENGTH(m->key) == len && !memcmp(GRPC_SLICE_START_PTR(m->key), key, len);
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

/* The values of the two keys, with data NULL where there is none. */
static enum sabir_error read_metadata(const struct call *call, struct span *token, struct span *thread, char *detail)
{
	for (size_t i = 0; i < call->metadata.count; i++) {
		const grpc_metadata *m = &call->metadata.metadata[i];
		struct span *to = is_key(m, session_key, sizeof(session_key) - 1) ? token
				  : is_key(m, thread_key, sizeof(thread_key) - 1) ? thread
										  : NULL;
		if (!to)
			continue;
		if (to->data)
			return refuse(SABIR_INVALID_ARGUMENT, detail, "the call's metadata name a key twice");
		*to = (struct span){ GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value) };
	}
	return SABIR_OK;
}

enum sabir_error identity_find(const struct call *call, struct identity *identity, char *detail)
{
	struct span token = { NULL, 0 }, thread = { NULL, 0 };
	enum sabir_error error = read_metadata(call, &token, &thread, detail);

	*identity = (struct identity){ .session = NULL };
	if (error || !token.data)
		return error;
	if (thread.data && !read_number(thread, &identity->actor.thread))
		return refuse(SABIR_INVALID_ARGUMENT, detail, "the metadata 'sabir-thread' hold no unsigned number");
	if (session_use(call->rpc->sessions, token, &identity->session))
		return refuse(SABIR_SESSION_ENDED, detail,
			      "it was closed or its lease ran out, or the server has been started anew");
	identity->actor.owner = session_owner(identity->session);
	return SABIR_OK;
}

struct span identity_token(const struct call *call)
{
	struct span token = { NULL, 0 }, thread = { NULL, 0 };
	char detail[OP_DETAIL_SIZE];

	if (read_metadata(call, &token, &thread, detail))
		token.data = NULL;
	return token;
}
