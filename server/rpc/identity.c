/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata of a call that say who calls. A key that comes twice is refused: of two tokens none is meant more.
 */
#include "server/rpc/identity.h"

#include <grpc/slice.h>
#include <stdio.h>

#include "server/rpc/call.h"
#include "server/rpc/identity_wire.h"

static enum sabir_error refuse(enum sabir_error error, char *detail, const char *text)
{
	snprintf(detail, OP_DETAIL_SIZE, "%s", text);
	return error;
}

static struct span span_of(const grpc_slice *slice)
{
	return (struct span){ GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice) };
}

static enum sabir_error read_metadata(const struct call *call, struct identity_words *words, char *detail)
{
	*words = (struct identity_words){ 0 };
	for (size_t i = 0; i < call->metadata.count; i++) {
		const grpc_metadata *m = &call->metadata.metadata[i];
		if (!identity_note(words, span_of(&m->key), span_of(&m->value)))
			return refuse(SABIR_INVALID_ARGUMENT, detail, "the call's metadata name a key twice");
	}
	if (!call->method->op && (words->of[IDENTITY_REQUEST_ID].data || words->of[IDENTITY_ACKNOWLEDGED_BELOW].data))
		return refuse(SABIR_INVALID_ARGUMENT, detail, "a stream has no request id, and acknowledges none");
	return SABIR_OK;
}

static enum sabir_error number_of(const struct identity_words *words, enum identity_key key, uint64_t *number,
				  char *detail)
{
	if (identity_number(words, key, number))
		return SABIR_OK;
	snprintf(detail, OP_DETAIL_SIZE, "the metadata '%s' hold no unsigned number", identity_key_name(key));
	return SABIR_INVALID_ARGUMENT;
}

static enum sabir_error read_numbers(const struct identity_words *words, struct identity *identity, char *detail)
{
	enum sabir_error error = number_of(words, IDENTITY_THREAD, &identity->actor.thread, detail);
	if (!error)
		error = number_of(words, IDENTITY_REQUEST_ID, &identity->request_id, detail);
	if (!error)
		error = number_of(words, IDENTITY_ACKNOWLEDGED_BELOW, &identity->acknowledged_below, detail);
	identity->actor.request = identity->request_id;
	return error;
}

enum sabir_error identity_find(const struct call *call, struct identity *identity, char *detail)
{
	struct identity_words words;
	enum sabir_error error = read_metadata(call, &words, detail);

	*identity = (struct identity){ .session = NULL };
	if (error)
		return error;
	if (!words.of[IDENTITY_SESSION].data) {
		if (words.of[IDENTITY_REQUEST_ID].data || words.of[IDENTITY_ACKNOWLEDGED_BELOW].data)
			return refuse(SABIR_INVALID_ARGUMENT, detail,
				      "the metadata name a request id and no session, which it would be of");
		return SABIR_OK;
	}
	error = read_numbers(&words, identity, detail);
	if (error)
		return error;
	if (session_use(call->rpc->sessions, words.of[IDENTITY_SESSION], &identity->session))
		return refuse(SABIR_SESSION_ENDED, detail,
			      "it was closed or its lease ran out, or the server has been started anew");
	identity->actor.owner = session_owner(identity->session);
	return SABIR_OK;
}

enum sabir_error identity_token(const struct call *call, struct span *token, char *detail)
{
	struct identity_words words;
	enum sabir_error error = read_metadata(call, &words, detail);

	if (!error)
		*token = words.of[IDENTITY_SESSION];
	return error;
}
