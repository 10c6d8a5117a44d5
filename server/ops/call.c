/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operations' functions share: texts for people, who is an operator, the wish to wait, and page tokens.
 *
 * A text may hold bytes of a request that was refused for them. They are shown only as far as they are printable UTF-8,
 * so that the text can go into a header, a log and a protobuf string as it is.
 */
#include "server/ops/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/base/utf8.h"
#include "server/ops/sessions.h"

#define SHOWN_NAME_MAX 64
#define TOKEN_LEN 24

/* ---------------------------------------------------------------- texts */

/* The name in quotes; `to` has room for SHOWN_NAME_MAX and 8 more. */
static void show_name(struct span name, char *to)
{
	bool text = utf8_valid(name), cut = name.len > SHOWN_NAME_MAX;
	size_t len = cut ? SHOWN_NAME_MAX : name.len;

	while (cut && text && len && (name.data[len] & 0xc0) == 0x80)
		len--;
	*to++ = '\'';
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = name.data[i];
		bool shown = byte < 0x80 ? byte >= ' ' && byte != 0x7f : text;
		*to++ = shown ? (char)byte : '?';
	}
	memcpy(to, cut ? "...'" : "'", cut ? 5 : 2);
}

/* By its name where it has one, else by its handle: "queue 'jobs/in'", "queue #17.3". */
static void show_object(struct op_call *c, char *to, size_t size)
{
	char name[SHOWN_NAME_MAX + 8];
	uint8_t own[OBJECT_NAME_MAX];
	struct span given = c->request.ref.name;
	uint64_t handle = c->handle ? c->handle : c->request.ref.handle;

	if (!given.data && handle)
		(void)object_name(c->lane, handle, own, &given);
	if (given.data)
		show_name(given, name);
	else
		snprintf(name, sizeof(name), "#%" PRIu32 ".%" PRIu32, object_index(handle), (uint32_t)(handle >> 32));
	snprintf(to, size, "%s %s", c->op->noun, name);
}

/* snprintf cuts anywhere: what is left of a character that was cut goes too. */
static void end_at_character(char *text)
{
	size_t len = strlen(text);

	while (len && !utf8_valid((struct span){ (const uint8_t *)text, len }))
		text[--len] = '\0';
}

enum sabir_error op_fail(struct op_call *c, enum sabir_error error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->detail, OP_DETAIL_SIZE, format, args);
	va_end(args);
	end_at_character(c->detail);
	return error;
}

enum sabir_error op_fail_object(struct op_call *c, enum sabir_error error, const char *format, ...)
{
	va_list args;

	show_object(c, c->detail, OP_DETAIL_SIZE);
	size_t len = strlen(c->detail);
	va_start(args, format);
	vsnprintf(c->detail + len, OP_DETAIL_SIZE - len, format, args);
	va_end(args);
	end_at_character(c->detail);
	return error;
}

/* ---------------------------------------------------------------- operators */

enum sabir_error op_check_operator(struct op_call *c, const char *what)
{
	const struct op_front *front = c->front;
	enum session_admin admin = front->sessions ? sessions_admin(front->sessions) : SESSION_ADMIN_UNIX;
	char peer[SESSION_PEER_SIZE] = "";

	if (admin == SESSION_ADMIN_ALL)
		return SABIR_OK;
	if (admin == SESSION_ADMIN_NONE)
		return op_fail(c, SABIR_PERMISSION_DENIED, "the server lets nobody do this (admin-sessions = none)");
	if (front->peer)
		front->peer(front->context, peer, sizeof(peer));
	if (!strncmp(peer, "unix:", 5))
		return SABIR_OK;
	return op_fail(c, SABIR_PERMISSION_DENIED, "%s over a unix socket of the server (admin-sessions = unix)", what);
}

/* ---------------------------------------------------------------- waiting */

enum sabir_error op_may_wait(struct op_call *c, enum sabir_error error, enum sabir_error waits_on, uint32_t side)
{
	if (error != waits_on || c->request.timeout_ns == 0 || c->over)
		return error;
	*c->wait = (struct op_wait){
		.wanted = true,
		.object = object_index(c->handle),
		.side = side,
		.handle = c->handle,
		.timeout_ns = c->request.timeout_ns,
		.memory = c->memory,
	};
	return error;
}

/* ---------------------------------------------------------------- pages */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

static uint64_t mix_bytes(uint64_t h, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = mix(h, p[i]);
	return mix(h, len);
}

uint64_t page_scope(const struct op_call *c, uint64_t n, struct span text)
{
	uint64_t h = mix(c->lane->seg->hash_seed, n);

	h = mix_bytes(h, (const uint8_t *)c->op->path, strlen(c->op->path));
	return mix_bytes(h, text.data, text.len);
}

static uint32_t token_check(uint64_t scope, uint64_t cursor)
{
	return (uint32_t)mix(mix(scope, cursor), cursor >> 32);
}

enum sabir_error page_cursor(struct op_call *c, uint64_t scope, uint64_t *cursor)
{
	struct span token = c->request.page_token;
	char text[TOKEN_LEN + 1], again[TOKEN_LEN + 1];
	uint64_t found = 0;
	uint32_t check = 0;

	if (!token.len) {
		*cursor = 0;
		return SABIR_OK;
	}
	if (token.len == TOKEN_LEN) {
		memcpy(text, token.data, TOKEN_LEN);
		text[TOKEN_LEN] = '\0';
		/* Written again it must be the same: sscanf alone takes spaces, signs and capitals. */
		(void)sscanf(text, "%16" SCNx64 "%8" SCNx32, &found, &check);
		snprintf(again, sizeof(again), "%016" PRIx64 "%08" PRIx32, found, token_check(scope, found));
		if (found && !memcmp(text, again, TOKEN_LEN)) {
			*cursor = found;
			return SABIR_OK;
		}
	}
	return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'page_token' is not a token of this call");
}

enum sabir_error page_respond(struct op_call *c, uint32_t number, uint64_t scope, uint64_t cursor)
{
	char text[TOKEN_LEN + 1];
	struct bytes *response = c->response;

	if (!cursor)
		return SABIR_OK;
	snprintf(text, sizeof(text), "%016" PRIx64 "%08" PRIx32, cursor, token_check(scope, cursor));
	response->frame = WIRE_TAG(number, WIRE_LEN);
	return bytes_add(response, text, TOKEN_LEN);
}
